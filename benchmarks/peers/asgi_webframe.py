"""webframe with everything it does by default: limits, the host check, signals, the latch of request_finished."""

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt

from webframe import Webframe


async def plaintext(request):
    return GREETING


async def section(request, number):
    return str(number)


async def pieces():
    for _ in range(PIECES):
        yield PIECE


def views():
    app = Webframe("bench")
    app.get("/")(plaintext)

    @app.get("/blocking")
    def blocking(request):
        return GREETING

    @app.get("/json")
    async def give_json(request):
        return DOCUMENT

    @app.get("/read")
    async def read(request):
        return f"{request.args['search']} {request.headers['X-Token']} {request.cookies['session']}"

    @app.post("/order")
    async def order(request):
        data = request.json
        return f"{data['customer']}: {len(data['items'])}"

    @app.post("/form")
    async def form(request):
        return request.form["street"]

    @app.get("/error")
    async def fail(request):
        raise Burnt

    @app.get("/stream")
    async def stream(request):
        return pieces()

    return app


def pages():
    app = views()

    @app.errorhandler(404)
    async def missing(request, error):
        return "There is no such page.", 404

    @app.errorhandler(Burnt)
    async def burnt(request, error):
        return "The oven is too hot.", 500

    return app


def routes(count):
    app = Webframe("bench")
    for index in range(count):
        app.get(f"/section{index}/<int:number>", name=f"section{index}")(section)
    return app


def statics(count):
    app = Webframe("bench")
    for index in range(count):
        app.get(f"/page{index}", name=f"page{index}")(plaintext)
    return app


def pass_through(request):
    yield


def middleware(count):
    app = Webframe("bench")
    app.get("/")(plaintext)
    for _ in range(count):
        app.middleware(pass_through)
    return app

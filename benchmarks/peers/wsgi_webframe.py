"""webframe with everything it does by default: limits, the host check, signals, the latch of request_finished."""

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt

from webframe import Webframe


def plaintext(request):
    return GREETING


def section(request, number):
    return str(number)


def views():
    app = Webframe("bench")
    app.get("/")(plaintext)

    @app.get("/json")
    def give_json(request):
        return DOCUMENT

    @app.get("/read")
    def read(request):
        return f"{request.args['search']} {request.headers['X-Token']} {request.cookies['session']}"

    @app.post("/order")
    def order(request):
        data = request.json
        return f"{data['customer']}: {len(data['items'])}"

    @app.post("/form")
    def form(request):
        return request.form["street"]

    @app.get("/error")
    def fail(request):
        raise Burnt

    @app.get("/stream")
    def stream(request):
        return (PIECE for _ in range(PIECES))

    return app


def pages():
    app = views()

    @app.errorhandler(404)
    def missing(request, error):
        return "There is no such page.", 404

    @app.errorhandler(Burnt)
    def burnt(request, error):
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

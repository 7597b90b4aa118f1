"""Starlette, with the middleware its documentation calls the fast kind: plain ASGI classes."""

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Route


async def plaintext(request):
    return HTMLResponse(GREETING)


def blocking(request):
    return HTMLResponse(GREETING)


async def give_json(request):
    return JSONResponse(DOCUMENT)


async def read(request):
    body = f"{request.query_params['search']} {request.headers['X-Token']} {request.cookies['session']}"
    return HTMLResponse(body)


async def order(request):
    data = await request.json()
    return HTMLResponse(f"{data['customer']}: {len(data['items'])}")


async def form(request):
    return HTMLResponse((await request.form())["street"])


async def fail(request):
    raise Burnt


async def pieces():
    for _ in range(PIECES):
        yield PIECE


async def stream(request):
    return StreamingResponse(pieces(), media_type="text/html")


async def section(request):
    return HTMLResponse(str(request.path_params["number"]))


VIEWS = [
    Route("/", plaintext),
    Route("/json", give_json),
    Route("/read", read),
    Route("/order", order, methods=["POST"]),
    Route("/form", form, methods=["POST"]),
    Route("/error", fail),
    Route("/stream", stream),
    Route("/blocking", blocking),
]


def views():
    return Starlette(routes=VIEWS)


def pages():
    async def missing(request, error):
        return HTMLResponse("There is no such page.", 404)

    async def burnt(request, error):
        return HTMLResponse("The oven is too hot.", 500)

    return Starlette(routes=VIEWS, exception_handlers={404: missing, Burnt: burnt})


def routes(count):
    return Starlette(routes=[Route(f"/section{index}/{{number:int}}", section) for index in range(count)])


def statics(count):
    return Starlette(routes=[Route(f"/page{index}", plaintext) for index in range(count)])


class PassThrough:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


def middleware(count):
    return Starlette(routes=VIEWS, middleware=[Middleware(PassThrough) for _ in range(count)])

"""The baseline: by hand, against the protocol alone, what each exchange needs and nothing else."""

import asyncio
import json
from urllib.parse import parse_qs, unquote_plus

from _exchanges import DOCUMENT, GREETING, PIECE, PIECES, Burnt

HTML = b"text/html; charset=utf-8"


async def answer(send, status, body, content_type=HTML):
    body = body.encode()
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def body_of(receive):
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def plaintext(scope, receive, send):
    await answer(send, 200, GREETING)


async def give_json(scope, receive, send):
    await answer(send, 200, json.dumps(DOCUMENT), b"application/json")


async def read(scope, receive, send):
    search = parse_qs(scope["query_string"].decode())["search"][0]
    headers = dict(scope["headers"])
    cookies = dict(part.split("=", 1) for part in headers[b"cookie"].decode().split("; "))
    await answer(send, 200, f"{search} {headers[b'x-token'].decode()} {cookies['session']}")


async def order(scope, receive, send):
    data = json.loads(await body_of(receive))
    await answer(send, 200, f"{data['customer']}: {len(data['items'])}")


async def form(scope, receive, send):
    pairs = (await body_of(receive)).decode().split("&")
    fields = {unquote_plus(name): unquote_plus(value) for name, _, value in (pair.partition("=") for pair in pairs)}
    await answer(send, 200, fields["street"])


async def error(scope, receive, send):
    try:
        raise Burnt
    except Burnt:
        await answer(send, 500, "The oven is too hot.")


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", HTML)]})
    for _ in range(PIECES):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def missing(scope, receive, send):
    await answer(send, 404, "There is no such page.")


async def blocking(scope, receive, send):
    # What a framework must do at the least for a view that may block: one hop to a thread and back.
    greeting = await asyncio.get_running_loop().run_in_executor(None, lambda: GREETING)
    await answer(send, 200, greeting)


VIEWS = {
    "/": plaintext,
    "/json": give_json,
    "/read": read,
    "/order": order,
    "/form": form,
    "/error": error,
    "/stream": stream,
    "/blocking": blocking,
}


def views():
    async def app(scope, receive, send):
        await VIEWS.get(scope["path"], missing)(scope, receive, send)

    return app


pages = views


def routes(count):
    async def section(send, number):
        await answer(send, 200, str(number))

    sections = {f"/section{index}": section for index in range(count)}

    async def app(scope, receive, send):
        prefix, _, number = scope["path"].rpartition("/")
        await sections[prefix](send, int(number))

    return app


def statics(count):
    paths = {f"/page{index}": plaintext for index in range(count)}

    async def app(scope, receive, send):
        await paths[scope["path"]](scope, receive, send)

    return app


def middleware(count):
    # A baseline has no middleware: what the ratio shows is the whole price of having some.
    return views()

"""WebSockets of apps that are mounted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.signals import websocket_finished, websocket_started
from webframe.test import capture_signals

CONNECT = {"type": "websocket.connect"}
DISCONNECT = {"type": "websocket.disconnect", "code": 1001}
ACCEPT = {"type": "websocket.accept"}


def talk(app: Webframe, path: str, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What an app sends to a client that connects and sends these messages."""
    incoming = [CONNECT, *messages]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(app(scope, receive, send))
    return sent


def test_a_mounted_asgi_app_gets_the_connection_and_its_place(app):
    seen = []

    async def echo(scope, receive, send):
        seen.append((scope["type"], scope["root_path"], scope["path"], (await receive())["type"]))
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close", "code": 1000})

    app.mount("/there", echo)
    with capture_signals(websocket_started, websocket_finished) as signals:
        sent = talk(app, "/there/echo", {"type": "websocket.receive", "text": "hello"})
    assert seen == [("websocket", "/there", "/there/echo", "websocket.connect")]
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[1]["text"] == "hello"
    assert signals.names == ["websocket_started", "websocket_finished"]


@pytest.mark.parametrize(("error", "code"), [(None, 1000), (KeyError, 1011)])
def test_what_a_mounted_asgi_app_leaves_open_is_closed(app, error, code):
    async def careless(scope, receive, send):
        await receive()
        await send(ACCEPT)
        if error is not None:
            raise error

    app.mount("/there", careless)
    sent = talk(app, "/there")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == code


def test_a_handshake_that_a_mounted_asgi_app_answers_with_a_response_is_over(app):
    async def refusing(scope, receive, send):
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"Who are you?"})

    app.mount("/there", refusing)
    sent = talk(app, "/there")
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]


def test_nothing_is_sent_to_a_client_that_has_left(app):
    async def listening(scope, receive, send):
        await receive()
        await send(ACCEPT)
        assert (await receive()) == DISCONNECT

    app.mount("/there", listening)
    assert talk(app, "/there", DISCONNECT) == [ACCEPT]


def test_a_mounted_wsgi_app_refuses_websockets(app):
    def plain(environ, start_response):
        raise AssertionError("It must not be called.")

    app.mount("/there", plain)
    assert [message["type"] for message in talk(app, "/there")] == ["websocket.close"]


def test_websockets_of_a_mounted_webframe_find_their_routes(app):
    inner = Webframe("inner_of_websockets")

    @inner.websocket("/hello/<name>")
    async def hello(websocket, name):
        await websocket.send(f"{name} {websocket.request.root_path} {websocket.request.path}")

    app.mount("/there", inner)
    assert talk(app, "/there/hello/Ada")[1]["text"] == "Ada /there /hello/Ada"


def test_websockets_of_an_app_mounted_in_a_mounted_one_know_their_whole_prefix(app):
    between, inner = Webframe("between_of_websockets"), Webframe("inner_of_websockets")

    @inner.websocket("/hello", name="hello")
    async def hello(websocket):
        request = websocket.request
        await websocket.send(f"{request.root_path} {request.path} {request.url_for('hello')} {app.url_for('home')}")

    app.get("/home", name="home")(lambda request: "")
    between.mount("/deep", inner)
    app.mount("/there", between)
    assert talk(app, "/there/deep/hello")[1]["text"] == "/there/deep /hello /there/deep/hello /home"

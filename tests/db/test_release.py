"""Connections go back when a request, a WebSocket or a start-up is over, however it ends."""

from __future__ import annotations

import asyncio

import pytest

from webframe import StreamingResponse
from webframe.db import connections, transaction
from webframe.workers import run

pytestmark = pytest.mark.engines("sqlite", "postgresql")


@pytest.fixture
def in_use(engine):
    """How many connections nobody has given back."""

    def in_use():
        connections.release()
        return connections["default"].pool.checkedout()

    return in_use


def ask():
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


def test_after_a_plain_view_and_after_an_async_one(app, client, in_use):
    @app.get("/plain")
    def plain(request):
        return str(ask())

    @app.get("/async")
    async def asynchronous(request):
        one, two = await asyncio.gather(run(ask), run(ask))
        return str(one + two)

    assert client.get("/plain").text == "1"
    assert in_use() == 0
    assert client.get("/async").text == "2"
    assert in_use() == 0


def test_after_an_error_in_a_transaction(app, client, in_use):
    @app.get("/")
    def view(request):
        with transaction.atomic():
            ask()
            raise ZeroDivisionError

    assert client.get("/").status_code == 500
    assert in_use() == 0


def test_after_the_last_byte_of_a_stream_and_not_before(app, client, in_use):
    seen = []

    @app.get("/")
    def view(request):
        def rows():
            yield str(ask())
            seen.append(connections["default"].pool.checkedout())
            yield str(ask())

        return StreamingResponse(rows())

    assert client.get("/").text == "11"
    assert seen == [1]
    assert in_use() == 0


def test_after_a_stream_that_is_left_early(app, client, in_use):
    @app.get("/")
    def view(request):
        def rows():
            while True:
                yield str(ask())

        return StreamingResponse(rows())

    with client.stream("GET", "/") as response:
        assert next(response.iter_text()).startswith("1")
    assert in_use() == 0


def test_after_background_tasks_and_closers(app, client, in_use):
    seen = []

    @app.get("/")
    def view(request):
        request.add_background_task(lambda: seen.append(ask()))
        request.on_close(lambda: seen.append(ask()))
        return ""

    client.get("/")
    assert seen == [1, 1]
    assert in_use() == 0


def test_after_receivers_of_the_signals_of_a_request(app, client, in_use):
    from webframe.core.signals import request_finished, request_started

    seen = []

    def hear(**kwargs):
        seen.append(ask())

    app.get("/")(lambda request: str(ask()))
    with request_started.connected_to(hear), request_finished.connected_to(hear):
        client.get("/")
    assert seen == [1, 1]
    assert in_use() == 0


@pytest.mark.parametrize("path", ["/plain", "/async"])
def test_after_a_receiver_of_request_started_has_failed(app, client, in_use, path):
    from webframe.core.signals import request_started

    def use(**kwargs):
        ask()

    def fail(**kwargs):
        raise LookupError("not today")

    @app.get("/plain")
    def plain(request):
        return "never"

    @app.get("/async")
    async def asynchronous(request):
        return "never"

    with request_started.connected_to(use), request_started.connected_to(fail):
        with pytest.raises(LookupError) as failure:
            client.get(path)
    assert in_use() == 0
    del failure  # until here it had everything that its traceback has


def test_after_a_receiver_of_websocket_started_has_failed(app, in_use):
    from webframe.core.signals import websocket_started

    def use(**kwargs):
        ask()

    def fail(**kwargs):
        raise LookupError("not today")

    @app.websocket("/")
    async def talk(websocket):
        await websocket.accept()

    with websocket_started.connected_to(use), websocket_started.connected_to(fail):
        with pytest.raises(LookupError) as failure:
            converse(app)
    assert in_use() == 0
    del failure


def converse(app):
    """One WebSocket, whose client only listens; what it was sent."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5000),
        "server": ("localhost", 80),
        "subprotocols": [],
    }
    asyncio.run(app.asgi(scope, receive, send))
    return sent


def test_after_a_websocket(app, in_use):
    @app.websocket("/")
    async def talk(websocket):
        await websocket.accept()
        await websocket.send(str(await run(ask)))
        await websocket.close()

    sent = converse(app)
    assert {"type": "websocket.send", "text": "1"} in sent
    assert in_use() == 0


@pytest.mark.parametrize("kind", ["function", "async function", "generator", "async generator"])
def test_after_start_up(app, client, in_use, kind):
    seen = []

    async def start():
        seen.append(await run(ask))

    def generator():
        seen.append(ask())
        yield

    async def async_generator():
        seen.append(await run(ask))
        yield

    if kind == "function":
        app.on_startup(lambda: seen.append(ask()))
    elif kind == "async function":
        app.on_startup(start)
    else:
        app.lifespan(generator if kind == "generator" else async_generator)
    app.get("/")(lambda request: "hello")
    assert client.get("/").text == "hello"
    assert seen == [1]
    assert in_use() == 0

"""WebSockets of test clients, plain and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.exceptions import PermissionDenied, SynchronousOnlyOperation
from webframe.core.signals import got_request_exception, websocket_finished, websocket_started
from webframe.test import AsyncClient, Client, capture_signals, websocket
from webframe.test.client import AsyncWebSocketSession, WebSocketClosed, WebSocketRefused, WebSocketSession


class Broken(Exception):
    pass


class Plainly:
    """A plain session as if it were async, so that each test runs with both."""

    def __init__(self, session: WebSocketSession) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.session, name)
        if not callable(attribute):
            return attribute

        async def call(*arguments: Any) -> Any:
            return await asyncio.to_thread(attribute, *arguments)

        return call

    async def __aenter__(self) -> Plainly:
        await asyncio.to_thread(self.session.__enter__)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await asyncio.to_thread(self.session.__exit__, *error)

    async def __aiter__(self) -> Any:
        for message in await asyncio.to_thread(list, self.session):
            yield message


@pytest.fixture(params=["plain", "async"])
def connect(request: pytest.FixtureRequest, app: Webframe) -> Callable[..., AsyncWebSocketSession]:
    """Opens a WebSocket with either client; takes what the client takes as `client`."""

    def connect(url: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any) -> Any:
        if request.param == "async":
            return AsyncClient(app, **(client or {})).websocket_connect(url, *arguments, **options)
        plain = Client(app, protocol="asgi", **(client or {}))
        return Plainly(plain.websocket_connect(url, *arguments, **options))

    return connect


@pytest.fixture
def echo(app: Webframe) -> None:
    @app.websocket("/echo")
    async def echo(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(message)


def test_messages_of_every_kind_go_there_and_back(connect: Any, echo: None) -> None:
    async def talk() -> None:
        async with connect("/echo") as ws:
            await ws.send_text("é")
            await ws.send_bytes(b"\x00")
            await ws.send_json({"a": ["ü", 1]})
            await ws.send_text("any")
            assert await ws.receive_text() == "é"
            assert await ws.receive_bytes() == b"\x00"
            assert await ws.receive_json() == {"a": ["ü", 1]}
            assert await ws.receive() == "any"
            await ws.send_text("a text")
            with pytest.raises(TypeError, match="receive_text"):
                await ws.receive_bytes()
            await ws.send_bytes(b"bytes")
            with pytest.raises(TypeError, match="receive_bytes"):
                await ws.receive_text()

    with capture_signals(websocket_started, websocket_finished, everywhere=True) as sent:
        asyncio.run(talk())
    assert sent.names == ["websocket_started", "websocket_finished"]


def test_the_handshake_is_that_of_the_client(connect: Any, app: Webframe) -> None:
    @app.websocket("/rooms/<name>")
    async def room(websocket: Any, name: str) -> None:
        request = websocket.request
        offered = websocket.subprotocols
        await websocket.accept(offered[-1] if offered else None, headers=[("X-Room", "1")])
        await websocket.send_json(
            {
                "name": name,
                "page": request.args.get("page"),
                "user": request.cookies.get("user"),
                "header": request.headers.get("X-One"),
                "authorization": str(request.authorization),
                "upgrade": request.headers["Upgrade"] + request.headers["Connection"],
                "offered": request.headers.get("Sec-WebSocket-Protocol"),
                "scheme": websocket.scope["scheme"],
                "host": request.host,
            }
        )

    async def talk(client: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        async with connect("/rooms/ä b", *arguments, client=client, **options) as ws:
            assert ws.headers["X-Room"] == "1"
            return ws.subprotocol, await ws.receive_json()

    plain = asyncio.run(talk({}))
    assert plain[0] is None and plain[1]["offered"] is None
    assert (plain[1]["scheme"], plain[1]["host"], plain[1]["upgrade"]) == ("ws", "testserver", "websocketUpgrade")
    client = {
        "cookies": {"user": "ada"},
        "headers": {"X-One": "1"},
        "auth": ("ada", "secret"),
        "base_url": "https://localhost",
    }
    subprotocol, seen = asyncio.run(talk(client, ["one", "two"], params={"page": "2"}))
    assert subprotocol == seen["offered"].split(", ")[1] == "two"
    assert (seen["name"], seen["page"], seen["user"], seen["header"]) == ("ä b", "2", "ada", "1")
    assert seen["authorization"].startswith("Basic ")
    assert (seen["scheme"], seen["host"]) == ("wss", "localhost")


def test_a_whole_address_may_be_given(app: Webframe, echo: None) -> None:
    with Client(app, protocol="asgi").websocket_connect("ws://localhost/echo") as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "hello"


def test_when_the_app_closes_it_there_are_no_more_messages(connect: Any, app: Webframe) -> None:
    @app.websocket("/three")
    async def three(websocket: Any) -> None:
        for number in range(3):
            await websocket.send(str(number))
        await websocket.close(4001, "enough")

    async def talk() -> None:
        async with connect("/three") as ws:
            assert [message async for message in ws] == ["0", "1", "2"]
            for call in (ws.receive, ws.receive_json):
                with pytest.raises(WebSocketClosed, match="4001, 'enough'") as caught:
                    await call()
                assert (caught.value.code, caught.value.reason) == (4001, "enough")
            with pytest.raises(WebSocketClosed):
                await ws.send_text("late")
        async with connect("/three"):
            pass  # nobody receives anything

    asyncio.run(talk())


def test_closing_it_is_heard_by_the_app_with_its_code(connect: Any, app: Webframe) -> None:
    heard = []

    @app.websocket("/")
    async def listen(websocket: Any) -> None:
        await websocket.accept()
        while True:
            message = await websocket._inbox.next()
            heard.append((message["type"], message.get("code"), message.get("reason")))
            if message["type"] == "websocket.disconnect":
                return

    async def talk() -> None:
        async with connect("/") as ws:
            await ws.close(4002, "bye")
            await ws.close()
            with pytest.raises(WebSocketClosed, match="4002"):
                await ws.receive()
        async with connect("/"):
            pass

    asyncio.run(talk())
    assert heard == [("websocket.disconnect", 4002, "bye"), ("websocket.disconnect", 1000, "")]


def test_a_refusal_is_an_error_with_status_and_code(connect: Any, app: Webframe) -> None:
    @app.websocket("/closed")
    async def closed(websocket: Any) -> None:
        await websocket.close(4003, "members only")

    @app.websocket("/denied")
    async def denied(websocket: Any) -> None:
        raise PermissionDenied

    async def talk() -> None:
        with pytest.raises(WebSocketRefused, match="403.*4003, 'members only'") as caught:
            async with connect("/closed"):
                pytest.fail("It was refused.")
        error = caught.value
        assert (error.status_code, error.code, error.reason, error.response.content) == (403, 4003, "members only", b"")
        for path, status in ("/denied", 403), ("/nowhere", 404):
            with pytest.raises(WebSocketRefused) as caught:
                async with connect(path):
                    pytest.fail("It was refused.")
            assert (caught.value.status_code, caught.value.code) == (status, None)
            assert str(status) in caught.value.response.text

    with capture_signals(websocket_started, websocket_finished, everywhere=True) as sent:
        asyncio.run(talk())
    assert sent.names.count("websocket_finished") == sent.names.count("websocket_started") == 3


def test_a_refusal_may_be_a_whole_response() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "websocket.http.response" in scope["extensions"]
        start = {"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-pot", b"tea")]}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": b"short and ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"stout"})

    with pytest.raises(WebSocketRefused, match="418: short and stout") as caught:
        with Client(app, protocol="asgi").websocket_connect("/"):
            pass
    assert (caught.value.response.headers["X-Pot"], caught.value.response.text) == ("tea", "short and stout")


def test_an_error_of_the_app_is_raised_in_the_test(connect: Any, app: Webframe) -> None:
    @app.websocket("/early")
    async def early(websocket: Any) -> None:
        raise Broken("early")

    @app.websocket("/late")
    async def late(websocket: Any) -> None:
        await websocket.send("first")
        raise Broken("late")

    async def talk() -> None:
        with pytest.raises(Broken, match="early"):
            async with connect("/early"):
                pytest.fail("It never was open.")
        async with connect("/late") as ws:
            assert await ws.receive() == "first"
            with pytest.raises(Broken, match="late"):
                await ws.receive()
        with pytest.raises(Broken, match="late"):
            async with connect("/late"):
                pass
        with pytest.raises(ZeroDivisionError):  # the test's own error comes first
            async with connect("/late"):
                raise ZeroDivisionError

    asyncio.run(talk())


def test_an_error_is_a_close_with_1011_to_a_client_that_is_not_to_raise_it(connect: Any, app: Webframe) -> None:
    @app.websocket("/")
    async def fail(websocket: Any) -> None:
        await websocket.send("first")
        raise Broken

    async def talk() -> None:
        async with connect("/", client={"raise_app_exceptions": False}) as ws:
            assert await ws.receive() == "first"
            with pytest.raises(WebSocketClosed) as caught:
                await ws.receive()
            assert caught.value.code == 1011

    asyncio.run(talk())
    assert not got_request_exception.has_listeners()


@pytest.mark.parametrize("error", [Broken("outside"), SystemExit(3)], ids=repr)
def test_an_error_that_leaves_the_app_is_raised(error: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise error

    client = Client(app, protocol="asgi", raise_app_exceptions=False, lifespan=False)
    with client.websocket_connect("/") as ws:
        with pytest.raises(type(error)):
            ws.receive()
        with pytest.raises(WebSocketClosed, match="1006"):
            ws.receive()


def test_an_app_that_ends_without_a_word_has_closed_abnormally() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/":
            await send({"type": "websocket.accept"})

    client = Client(app, protocol="asgi")
    with client.websocket_connect("/") as ws, pytest.raises(WebSocketClosed, match="1006.*ended without closing"):
        ws.receive()
    with pytest.raises(WebSocketClosed, match="1006"), client.websocket_connect("/silent"):
        pass


def test_waiting_has_a_limit(connect: Any, echo: None) -> None:
    async def talk() -> None:
        async with connect("/echo", timeout=0.5) as ws:
            with pytest.raises(TimeoutError, match=r"nothing for 0\.5 seconds"):
                await ws.receive()
            await ws.send_text("still there")
            assert await ws.receive() == "still there"

    asyncio.run(talk())


def test_an_app_that_goes_on_after_the_end_is_an_error(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PATIENCE", 0.1)

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError, match="went on for 0.1 seconds after the WebSocket was closed"):
        with Client(deaf, protocol="asgi").websocket_connect("/"):
            pass


def test_an_app_that_never_stops_sending_waits_for_the_test_and_ends_with_it(connect: Any, app: Webframe) -> None:
    sent = []

    @app.websocket("/")
    async def flood(websocket: Any) -> None:
        while True:
            await websocket.send("x")
            sent.append(1)
            if len(sent) % 50 == 0:
                await asyncio.sleep(0)

    async def talk() -> None:
        async with connect("/") as ws:
            for _ in range(5):
                await ws.receive()
            await asyncio.sleep(0.05)
            assert len(sent) < 200
        sent.clear()

    asyncio.run(talk())
    asyncio.run(talk())


def test_several_are_open_side_by_side(connect: Any, app: Webframe) -> None:
    rooms: list[Any] = []

    @app.websocket("/chat")
    async def chat(websocket: Any) -> None:
        await websocket.accept()
        rooms.append(websocket)
        async for message in websocket:
            for each in rooms:
                await each.send(message)

    async def talk() -> None:
        async with connect("/chat") as one, connect("/chat") as two:
            await one.send_text("hello")
            assert await one.receive() == await two.receive() == "hello"
            await two.send_text("hi")
            assert await one.receive() == await two.receive() == "hi"

    asyncio.run(talk())


variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_context_variables_are_seen_by_the_app_and_do_not_come_back(app: Webframe) -> None:
    @app.websocket("/")
    async def change(websocket: Any) -> None:
        await websocket.send(variable.get())
        variable.set("changed")

    token = variable.set("of the test")
    try:
        with Client(app, protocol="asgi").websocket_connect("/") as ws:
            assert list(ws) == ["of the test"]
        assert variable.get() == "of the test"
    finally:
        variable.reset(token)


def test_cancelling_the_test_closes_it(app: Webframe, echo: None) -> None:
    async def talk() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), AsyncClient(app).websocket_connect("/echo") as ws:
                await ws.receive()
        assert len(sent) == 1 and len(asyncio.all_tasks()) == 1

    with capture_signals(websocket_finished) as sent:
        asyncio.run(talk())


def test_where_there_are_no_websockets_the_error_says_what_to_do(app: Webframe, echo: None) -> None:
    with pytest.raises(RuntimeError, match="protocol='asgi'"):
        Client(app).websocket_connect("/echo")

    async def talk() -> None:
        with pytest.raises(SynchronousOnlyOperation, match="AsyncClient"):
            Client(app, protocol="asgi").websocket_connect("/echo").__enter__()

    asyncio.run(talk())
    session = Client(app, protocol="asgi").websocket_connect("/echo")
    with pytest.raises(RuntimeError, match="not open"):
        session.send_text("hello")
    with session:
        pass
    with pytest.raises(RuntimeError, match="opened before"):
        session.__enter__()

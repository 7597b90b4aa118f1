"""WebSockets, message by message: handshake, conversation, end, and the signals around them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

import pytest
from werkzeug.exceptions import Unauthorized

from webframe import Group, Response, Webframe, abort, current_request
from webframe.core.exceptions import ClientDisconnected, Http404, ImproperlyConfigured, PermissionDenied
from webframe.core.handlers.websocket import WebSocket, WebSocketHandler
from webframe.core.signals import websocket_finished, websocket_started

CONNECT = {"type": "websocket.connect"}


def text(message: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": message}


def data(message: bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": message}


def gone(code: int = 1001) -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code}


class Exchange:
    """A server with one WebSocket whose client says what it is given, then waits."""

    def __init__(self, app: Webframe, path: str, messages: Iterable[Mapping[str, Any]] = (), **changes: Any) -> None:
        self.scope: MutableMapping[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"testserver")],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
            "subprotocols": [],
            **changes,
        }
        self.app = app
        self.sent: list[Any] = []
        self.messages: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        for message in (CONNECT, *messages):
            self.messages.put_nowait(message)
        self.on_send: Callable[[Mapping[str, Any]], None] = lambda message: None

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.on_send(message)
        self.sent.append(message)

    async def run(self) -> Exchange:
        async with asyncio.timeout(5):
            await self.app(self.scope, self.messages.get, self.send)
        return self

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def code(self) -> int:
        """The code with which the app has closed it."""
        last = self.sent[-1]
        assert last["type"] == "websocket.close"
        code: int = last["code"]
        return code


def run(coroutine: Coroutine[Any, Any, Exchange]) -> Exchange:
    return asyncio.run(coroutine)


def talk(app: Webframe, path: str, *messages: Mapping[str, Any], **changes: Any) -> Exchange:
    """One whole conversation."""

    async def main() -> Exchange:
        return await Exchange(app, path, messages, **changes).run()

    return run(main())


def websocket_counts(heard: Any) -> tuple[int, int, int]:
    return (
        len(heard.calls["websocket started"]),
        len(heard.calls["exception"]),
        len(heard.calls["websocket finished"]),
    )


# -- the conversation


def test_text_and_bytes_come_and_go(app: Webframe) -> None:
    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket:
            await websocket.send(message)

    exchange = talk(app, "/echo", text("héllo"), data(b"\x00\xff"), text(""), gone())
    assert exchange.sent[0]["type"] == "websocket.accept"
    assert exchange.sent[1:] == [
        {"type": "websocket.send", "text": "héllo"},
        {"type": "websocket.send", "bytes": b"\x00\xff"},
        {"type": "websocket.send", "text": ""},
    ]


def test_json_comes_and_goes(app: Webframe) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        order = await websocket.receive_json()
        await websocket.send_json({"got": order["pizza"], "n": [1, None]})

    exchange = talk(app, "/", text('{"pizza": "marinara"}'))
    assert exchange.texts == ['{"got":"marinara","n":[1,null]}']
    assert exchange.code == 1000


@pytest.mark.parametrize("message", ["[", "NaN", "[" * 200_000, "", "{'a': 1}"], ids=lambda text: text[:10])
def test_json_that_is_none_is_a_value_error(app: Webframe, message: str) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        try:
            await websocket.receive_json()
        except ValueError:
            await websocket.send("not JSON")

    assert talk(app, "/", text(message)).texts == ["not JSON"]


def test_the_handshake_is_accepted_at_the_first_word(app: Webframe) -> None:
    @app.websocket("/sends")
    async def sends(websocket: WebSocket) -> None:
        await websocket.send("hi")

    @app.websocket("/receives")
    async def receives(websocket: WebSocket) -> None:
        assert await websocket.receive() == "hello"

    assert talk(app, "/sends").kinds == ["accept", "send", "close"]
    assert talk(app, "/receives", text("hello")).kinds == ["accept", "close"]


def test_accepting_may_choose_a_subprotocol_and_add_headers(app: Webframe) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept(websocket.subprotocols[-1], [("X-Oven", "hot")])

    accept = talk(app, "/", subprotocols=["soap", "chat"]).sent[0]
    assert accept["subprotocol"] == "chat"
    assert [tuple(field) for field in accept["headers"]] == [(b"x-oven", b"hot")]


def test_accepting_twice_is_an_error(app: Webframe) -> None:
    seen: list[BaseException] = []

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.accept()
        except RuntimeError as error:
            seen.append(error)

    assert talk(app, "/").kinds == ["accept", "close"]
    assert "accept()" in str(seen[0])


@pytest.mark.parametrize("code", [1000, 1008, 4000])
def test_a_view_may_close_with_a_code_of_its_own_and_only_once(app: Webframe, code: int) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(code, "that is all")
        await websocket.close()

    exchange = talk(app, "/")
    assert exchange.kinds == ["accept", "close"]
    assert exchange.sent[-1] == {"type": "websocket.close", "code": code, "reason": "that is all"}


def test_a_view_may_refuse_the_handshake(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.close(1008)

    assert talk(app, "/").kinds == ["close"]
    assert websocket_counts(heard) == (1, 0, 1)


WITH_RESPONSES = {"extensions": {"websocket.http.response": {}}}


def test_a_refusal_has_status_and_body_where_the_server_knows_how(app: Webframe, heard: Any) -> None:
    @app.websocket("/forbidden")
    async def forbidden(websocket: WebSocket) -> None:
        raise PermissionDenied("Members only.")

    @app.websocket("/aborted")
    async def aborted(websocket: WebSocket) -> None:
        abort(429)

    for path, status, part in ("/forbidden", 403, b"Members only."), ("/aborted", 429, b""), ("/nowhere", 404, b""):
        exchange = talk(app, path, **WITH_RESPONSES)
        assert exchange.kinds == ["http.response.start", "http.response.body"]
        start, body = exchange.sent
        assert start["status"] == status and part in body["body"]
        assert (b"content-length", str(len(body["body"])).encode()) in start["headers"]
        assert talk(app, path).kinds == ["close"]
    assert websocket_counts(heard) == (6, 0, 6)


def test_a_view_may_refuse_with_a_response_of_its_own(app: Webframe) -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        yield b"short and "
        yield b"stout"

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        response = Response(pieces(), 418, headers={"X-Pot": "tea"})
        response.call_on_close(lambda: closed.append(True))
        await websocket.refuse(response)
        await websocket.close()
        with pytest.raises(ClientDisconnected):
            await websocket.receive()
        with pytest.raises(RuntimeError, match=r"closed: refuse\(\) belongs before everything else"):
            await websocket.refuse(response)

    start, body = talk(app, "/", **WITH_RESPONSES).sent
    assert (start["status"], body["body"], closed) == (418, b"short and stout", [True])
    assert (b"x-pot", b"tea") in start["headers"]
    assert talk(app, "/").code == 1008


def test_a_view_that_just_returns_leaves_nothing_open(app: Webframe) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()

    @app.websocket("/silent")
    async def silent(websocket: WebSocket) -> None:
        pass

    assert talk(app, "/").code == 1000
    assert talk(app, "/silent").kinds == ["close"]


# -- finding the view


def test_routes_have_the_converters_of_any_other(app: Webframe) -> None:
    @app.websocket("/rooms/<int:number>/<path:rest>")
    async def room(websocket: WebSocket, number: int, rest: str) -> None:
        await websocket.send(repr((number, rest, websocket.request.view_args)))

    assert talk(app, "/rooms/7/a/b").texts == ["(7, 'a/b', {'number': 7, 'rest': 'a/b'})"]
    assert talk(app, "/rooms/seven/a").kinds == ["close"]


def test_a_websocket_has_the_whole_of_its_handshake(app: Webframe) -> None:
    @app.websocket("/there")
    async def view(websocket: WebSocket) -> None:
        request = websocket.request
        await websocket.send_json(
            [
                request.path,
                request.args["x"],
                request.cookies["c"],
                request.headers["X-Y"],
                request.host,
                request.method,
            ]
        )

    headers = [(b"host", b"testserver"), (b"cookie", b"c=d"), (b"x-y", b"z")]
    exchange = talk(app, "/there", query_string=b"x=1", headers=headers)
    assert exchange.texts == ['["/there","1","d","z","testserver","GET"]']


def test_a_path_may_have_a_view_and_a_websocket(app: Webframe, client_for: Any) -> None:
    @app.get("/both")
    def view(request: Any) -> str:
        return "http"

    @app.websocket("/both", name="socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.send("websocket")

    assert talk(app, "/both").texts == ["websocket"]
    assert client_for(app).get("/both").text == "http"


@pytest.mark.parametrize("methods", [["GET"], ["POST"], ["POST", "GET"], ["GET", "POST"]])
def test_a_path_that_has_only_views_is_no_address_for_a_websocket(app: Webframe, methods: list[str]) -> None:
    for method in methods:
        app.route("/views", methods=[method], name=method)(lambda request: "http")
    start = talk(app, "/views", **WITH_RESPONSES).sent[0]
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)


def test_websockets_of_groups_and_below_a_root_path_are_found(app: Webframe) -> None:
    group = Group("/group", name="group")

    @group.websocket("/<name>")
    async def view(websocket: WebSocket, name: str) -> None:
        await websocket.send(f"{name} {websocket.request.path} {websocket.request.root_path}")

    app.include(group)
    assert talk(app, "/group/x").texts == ["x /group/x "]
    assert talk(app, "/app/group/x", root_path="/app").texts == ["x /group/x /app"]
    assert app.url_for("group.view", name="y") == "/group/y"


@pytest.mark.parametrize("path", ["/nowhere", "/http"])
def test_an_unknown_address_is_refused_and_no_error(
    app: Webframe, heard: Any, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    app.get("/http")(lambda request: "ok")
    with caplog.at_level(logging.ERROR):
        exchange = talk(app, path)
    assert exchange.kinds == ["close"]
    assert caplog.records == []
    started, errors, finished = websocket_counts(heard)
    assert (errors, finished) == (0, started)


def test_a_host_that_is_not_allowed_is_refused(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        heard("view")
        await websocket.accept()

    for host in (b"evil.example", b"a b", b"user@testserver"):
        assert talk(app, "/", headers=[(b"host", host)]).kinds == ["close"]
    assert talk(app, "/", headers=[(b"host", b"testserver"), (b"host", b"evil.example")]).kinds == ["close"]
    assert "view" not in heard.events
    assert len(heard.calls["exception"]) == 0
    assert talk(app, "/").kinds == ["accept", "close"]


def test_a_header_that_is_too_large_is_refused(app: Webframe) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()

    headers = [(b"host", b"testserver"), (b"cookie", b"c=" + b"x" * 40_000)]
    assert talk(app, "/", headers=headers).kinds == ["close"]


# -- errors


def test_an_error_of_the_view_closes_with_1011_and_is_announced_and_logged_once(
    app: Webframe, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("oh")

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        raise error

    with caplog.at_level(logging.ERROR, "webframe.request"):
        exchange = talk(app, "/")
    assert exchange.kinds == ["accept", "close"]
    assert exchange.code == 1011
    assert "oh" not in str(exchange.sent)
    assert websocket_counts(heard) == (1, 1, 1)
    call = heard.only("exception")
    assert call.sender is None
    assert call.error is error
    assert call.arguments["request"].path == "/"
    (record,) = caplog.records
    assert record.exc_info[1] is error


def test_a_cancellation_that_nobody_has_asked_for_is_an_error(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        job = asyncio.create_task(asyncio.sleep(10))
        job.cancel()
        await job

    assert talk(app, "/").code == 1011
    assert websocket_counts(heard) == (1, 1, 1)
    assert isinstance(heard.only("exception").error, RuntimeError)


def test_an_error_before_the_handshake_refuses_it_and_is_announced(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        raise ValueError("oh")

    assert talk(app, "/").kinds == ["close"]
    assert websocket_counts(heard) == (1, 1, 1)


@pytest.mark.parametrize(
    "error", [Http404(), PermissionDenied(), Unauthorized()], ids=lambda error: type(error).__name__
)
def test_an_http_error_before_the_handshake_is_a_refusal(
    app: Webframe, heard: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        raise error

    with caplog.at_level(logging.ERROR, "webframe.request"):
        assert talk(app, "/").kinds == ["close"]
    assert websocket_counts(heard) == (1, 0, 1)
    assert caplog.records == []


def test_a_receiver_of_got_request_exception_that_fails_stops_nothing(app: Webframe, heard: Any) -> None:
    from webframe.core.signals import got_request_exception

    def fail(**kwargs: Any) -> None:
        raise LookupError("not today")

    heard.connect(got_request_exception, fail)

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("oh")

    assert talk(app, "/").code == 1011
    assert websocket_counts(heard) == (1, 1, 1)


# -- signals


def test_the_signals_have_a_sender_of_their_own_and_the_very_scope(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        heard("view")
        await websocket.accept()

    exchange = talk(app, "/")
    assert heard.events == ["websocket started", "view", "websocket finished"]
    started = heard.only("websocket started")
    assert started.sender is WebSocketHandler
    assert started.arguments == {"scope": exchange.scope}
    assert started.arguments["scope"] is exchange.scope
    assert heard.only("websocket finished").sender is WebSocketHandler
    assert heard.counts == (0, 0, 0)


def test_plain_receivers_run_in_one_worker_and_async_ones_on_the_loop(app: Webframe, heard: Any) -> None:
    async def areceiver(**kwargs: Any) -> None:
        await asyncio.sleep(0)
        heard("async")

    heard.connect(websocket_started, areceiver)
    heard.connect(websocket_finished, areceiver)

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()

    talk(app, "/")
    assert heard.events == ["websocket started", "async", "websocket finished", "async"]
    assert heard.only("websocket started").thread == heard.only("websocket finished").thread != "MainThread"


def test_an_error_of_a_receiver_of_started_ends_it_before_the_view(app: Webframe, heard: Any) -> None:
    def fail(**kwargs: Any) -> None:
        raise LookupError("not today")

    heard.connect(websocket_started, fail)

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        heard("view")

    with pytest.raises(LookupError):
        talk(app, "/")
    assert heard.events == ["websocket started"]


def test_an_error_of_a_receiver_of_finished_does_not_keep_the_others_from_hearing(app: Webframe, heard: Any) -> None:
    def fail(**kwargs: Any) -> None:
        raise LookupError("not today")

    heard.connect(websocket_finished, fail, priority=10)
    heard.connect(websocket_finished, lambda **kwargs: heard("last"))

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()

    with pytest.raises(LookupError):
        talk(app, "/")
    assert "last" in heard.events
    assert websocket_counts(heard) == (1, 0, 1)


def test_the_current_request_is_that_of_the_handshake(app: Webframe, heard: Any) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")
    seen: list[Any] = []

    def start(**kwargs: Any) -> None:
        variable.set("from the receiver")

    heard.connect(websocket_started, start)
    heard.connect(websocket_finished, lambda **kwargs: seen.append(current_request.get()))

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        seen.append(websocket.request)
        seen.append(current_request.get())
        await websocket.send(variable.get())

    assert talk(app, "/").texts == ["from the receiver"]
    assert seen[0] is seen[1] is seen[2]
    assert current_request.get() is None


def test_what_waits_for_the_end_of_the_request_waits_for_the_end_of_the_websocket(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        websocket.request.on_close(heard, "closer")
        await websocket.accept()

    talk(app, "/")
    assert heard.events == ["websocket started", "closer", "websocket finished"]


# -- leaving


def test_a_client_that_goes_ends_the_conversation_quietly(
    app: Webframe, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/iterates")
    async def iterates(websocket: WebSocket) -> None:
        async for message in websocket:
            heard(str(message))
        heard("end")

    @app.websocket("/receives")
    async def receives(websocket: WebSocket) -> None:
        while True:
            heard(str(await websocket.receive()))

    with caplog.at_level(logging.INFO, "webframe.request"):
        assert talk(app, "/iterates", text("one"), gone()).kinds == ["accept"]
        assert heard.events == ["websocket started", "one", "end", "websocket finished"]
        heard.events.clear()
        assert talk(app, "/receives", text("one"), gone(1006)).kinds == ["accept"]
    assert heard.events == ["websocket started", "one", "websocket finished"]
    assert heard.calls["exception"] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_receiving_after_the_client_has_gone_raises_again_and_again(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(3):
            with pytest.raises(ClientDisconnected):
                await websocket.receive()
        with pytest.raises(ClientDisconnected):
            await websocket.send("anybody?")
        heard("end")

    assert talk(app, "/", gone()).kinds == ["accept"]
    assert "end" in heard.events


def test_a_client_that_goes_before_the_handshake_is_answered(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        heard("never")

    async def main() -> Exchange:
        exchange = Exchange(app, "/")
        exchange.messages.get_nowait()
        exchange.messages.put_nowait(gone())
        return await exchange.run()

    run(main())
    assert heard.events == ["websocket started", "websocket finished"]


def test_an_os_error_of_send_is_a_client_that_went_away(app: Webframe, heard: Any) -> None:
    def refuse(message: Mapping[str, Any]) -> None:
        if message["type"] != "websocket.accept":
            raise ConnectionResetError

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.send("anybody?")
        heard("never")

    async def main() -> Exchange:
        exchange = Exchange(app, "/")
        exchange.on_send = refuse
        return await exchange.run()

    run(main())
    assert heard.events == ["websocket started", "websocket finished"]


def test_a_view_that_only_sends_lets_others_have_a_turn_and_so_its_server_notice_that_the_client_is_gone(
    app: Webframe, heard: Any
) -> None:
    lost = []

    def refuse(message: Mapping[str, Any]) -> None:
        if lost:
            raise ConnectionResetError
        if len(exchange.sent) > 10_000:
            pytest.fail("Nobody else had a turn.")

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        asyncio.get_running_loop().call_soon(lost.append, "connection")
        while True:
            await websocket.send("x")

    exchange = Exchange(app, "/")
    exchange.on_send = refuse
    run(exchange.run())
    assert heard.events == ["websocket started", "websocket finished"]
    assert "send" in exchange.kinds


def test_a_server_that_cancels_hears_of_it_when_all_is_done(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        heard("waits")
        try:
            await websocket.receive()
        finally:
            heard("cleaned up")

    async def main() -> Exchange:
        exchange = Exchange(app, "/")
        task = asyncio.create_task(exchange.run())
        while "waits" not in heard.events:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return exchange

    exchange = run(main())
    assert heard.events == ["websocket started", "waits", "cleaned up", "websocket finished"]
    assert exchange.kinds == ["accept", "close"]


@pytest.mark.parametrize("insistent", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_wherever_the_server_cancels_what_began_ends_once(
    app: Webframe, heard: Any, cancelled_at: Any, insistent: bool, kind: str
) -> None:
    async def areceiver(**kwargs: Any) -> None:
        await asyncio.sleep(0)

    if kind == "async":
        heard.connect(websocket_started, areceiver)
        heard.connect(websocket_finished, areceiver)

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        heard("view")
        websocket.request.on_close(heard, "closer")
        await websocket.accept()
        await asyncio.sleep(0)
        await websocket.send(await websocket.receive())

    async def main() -> Exchange:
        await Exchange(app, "/", [text("x")]).run()
        suspension = 0
        got_so_far = [True]
        while got_so_far[-1]:
            heard.events.clear()
            exchange = Exchange(app, "/", [text("x")])
            serving = app(exchange.scope, exchange.messages.get, exchange.send)
            await asyncio.wait((asyncio.create_task(cancelled_at(serving, suspension, insistent, got_so_far)),))
            events = heard.events
            assert events.count("websocket started") == events.count("websocket finished") <= 1, (suspension, events)
            assert events.count("view") == events.count("closer")
            assert events == [] or events[-1] == "websocket finished"
            suspension += 1
        assert suspension > 3
        return exchange

    run(main())


# -- registering


def test_what_is_no_view_cannot_be_registered(app: Webframe) -> None:
    with pytest.raises(ImproperlyConfigured, match="view"):
        app.websocket("/")(42)


def test_two_websockets_with_one_name_are_refused(app: Webframe) -> None:
    async def view(websocket: WebSocket) -> None: ...

    async def other(websocket: WebSocket) -> None: ...

    app.websocket("/a", name="room")(view)
    with pytest.raises(ImproperlyConfigured, match="room"):
        app.websocket("/b", name="room")(other)

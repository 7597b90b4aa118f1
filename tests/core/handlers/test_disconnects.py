"""Clients that go away and servers that cancel, message by message under ASGI: what began also ends, once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest

from webframe import Request, Response, StreamingResponse, Webframe, current_request
from webframe.core.exceptions import ClientDisconnected
from webframe.core.signals import request_finished, request_started
from webframe.test import override_settings
from webframe.waiting import wait

DISCONNECT = {"type": "http.disconnect"}
UPLOAD = {"method": "POST", "headers": [(b"host", b"testserver"), (b"transfer-encoding", b"chunked")]}


def piece(data: bytes = b"x", more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the coroutine of a test; nothing here may take long."""

    async def in_time() -> None:
        async with asyncio.timeout(10):
            await main()

    asyncio.run(in_time())


async def until(condition: Callable[[], Any]) -> None:
    """Give others their turns until a condition holds."""
    while not condition():
        await asyncio.sleep(0.001)


# -- before the view


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_a_client_that_goes_before_its_body_is_complete_has_made_no_request(
    app: Webframe, asgi: Any, heard: Any, code: Any, pieces: int
) -> None:
    app.post("/")(code(lambda request: heard("view")))

    async def main() -> None:
        exchange = asgi(app, messages=[*(piece() for _ in range(pieces)), DISCONNECT], **UPLOAD)
        await exchange.run()
        assert exchange.sent == []
        assert current_request.get() is None

    run(main)
    assert heard.events == []


def test_a_server_that_cancels_while_the_body_comes_in_has_made_no_request(
    app: Webframe, asgi: Any, heard: Any, code: Any
) -> None:
    app.post("/")(code(lambda request: heard("view")))

    async def main() -> None:
        exchange = asgi(app, messages=[piece()], **UPLOAD)
        task = asyncio.create_task(exchange.run())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert heard.events == []


def test_a_body_of_which_nothing_comes_any_more_is_a_timeout(app: Webframe, asgi: Any, heard: Any, code: Any) -> None:
    app.post("/")(code(lambda request: heard("view")))

    async def main() -> None:
        exchange = asgi(app, messages=[piece()], **UPLOAD)
        await exchange.run()
        assert exchange.status == 408

    with override_settings(BODY_TIMEOUT=0.02):
        run(main)
    assert heard.events == ["started", "finished"]


def test_a_server_whose_receive_never_returns_gets_its_answer(app: Webframe, asgi: Any, heard: Any, code: Any) -> None:
    app.get("/")(code(lambda request: "ok"))

    async def main() -> None:
        exchange = asgi(app, messages=[])
        await exchange.run()
        assert exchange.body == b"ok"

    run(main)
    assert heard.events == ["started", "finished"]


def test_a_server_whose_receive_never_waits_gets_its_answer(app: Webframe, asgi: Any, heard: Any) -> None:
    """After the body it should wait for the client to go; the loop is not to be kept busy by asking it again."""

    @app.get("/")
    async def view(request: Request) -> str:
        for _ in range(20):
            await asyncio.sleep(0.01)  # longer than it takes until it is listened for
        return "ok"

    asked = iter(range(20))

    async def receive() -> Mapping[str, Any]:
        next(asked)
        return piece(b"", more=False)

    async def main() -> None:
        exchange = asgi(app)
        await app(exchange.scope, receive, exchange.send)
        assert exchange.body == b"ok"
        assert next(asked) > 1

    run(main)
    assert heard.events == ["started", "finished"]


# -- in the view


def test_an_async_view_is_cancelled(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.get("/")
    async def view(request: Request) -> str:
        request.on_close(heard, "closer")
        request.add_background_task(heard, "task")
        heard("view")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard("cancelled")
            raise
        return "never"

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "view" in heard.events)
        exchange.disconnect()
        await task
        assert exchange.sent == []
        assert current_request.get() is None
        assert not task.cancelling()

    run(main)
    assert heard.events == ["started", "view", "cancelled", "task", "closer", "finished"]


def test_an_async_view_that_cleans_up_takes_its_time(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.get("/")
    async def view(request: Request) -> str:
        heard("view")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.005)
            heard("cleaned up")
        return "never"

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "view" in heard.events)
        exchange.disconnect()
        await task

    run(main)
    assert heard.events == ["started", "view", "cleaned up", "finished"]


def test_an_async_view_that_does_not_let_itself_be_cancelled_ends_all_the_same(
    app: Webframe, asgi: Any, heard: Any
) -> None:
    @app.get("/")
    async def view(request: Request) -> str:
        heard("view")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(0)
        return "too late"

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "view" in heard.events)
        exchange.disconnect()
        await task

    run(main)
    assert heard.events == ["started", "view", "finished"]


def test_middleware_around_a_cancelled_view_cleans_up(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.middleware
    def plain(request: Request) -> Iterator[Any]:
        try:
            yield
        finally:
            heard("plain middleware")

    @app.middleware
    async def asynchronous(request: Request) -> AsyncIterator[Any]:
        try:
            yield
        finally:
            await asyncio.sleep(0)
            heard("async middleware")

    @app.get("/")
    async def view(request: Request) -> str:
        heard("view")
        await asyncio.Event().wait()
        return "never"

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "view" in heard.events)
        exchange.disconnect()
        await task

    run(main)
    assert heard.events == ["started", "view", "async middleware", "plain middleware", "finished"]


@pytest.mark.parametrize("leaver", ["client", "server"])
@pytest.mark.parametrize("surroundings", ["nothing", "async middleware"])
def test_a_plain_view_runs_to_its_end_and_only_then_the_request_finishes(
    app: Webframe, asgi: Any, heard: Any, leaver: str, surroundings: str
) -> None:
    go_on = threading.Event()

    if surroundings == "async middleware":

        @app.middleware
        async def middleware(request: Request) -> AsyncIterator[Any]:
            yield

    @app.get("/")
    def view(request: Request) -> str:
        heard("view")
        assert go_on.wait(5)
        request.on_close(heard, "closer")
        heard("end of view")
        return "late"

    heard.connect(request_finished, lambda **kwargs: heard("inline finished"), inline=True)

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "view" in heard.events)
        if leaver == "client":
            exchange.disconnect()
        else:
            task.cancel()
        await asyncio.sleep(0.08)  # more than the delay with which disconnects are watched for
        assert heard.counts == (1, 0, 0)
        go_on.set()
        await asyncio.wait((task,))

    run(main)
    assert heard.events[:4] == ["started", "view", "end of view", "closer"]
    assert sorted(heard.events[4:]) == ["finished", "inline finished"]


def test_a_view_that_reads_its_body_hears_of_a_client_that_goes(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.post("/", stream=True)
    async def view(request: Request) -> str:
        heard("view")
        try:
            async for _ in request.stream:
                heard("piece")
        except ClientDisconnected:
            heard("disconnected")
            raise
        return "never"

    async def main() -> None:
        await asgi(app, messages=[piece(), piece(), DISCONNECT], **UPLOAD).run()

    run(main)
    assert heard.events == ["started", "view", "piece", "piece", "disconnected", "finished"]


def test_a_plain_view_that_reads_its_body_hears_of_a_client_that_goes(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.post("/", stream=True)
    def view(request: Request) -> str:
        heard("view")
        request.stream.read()
        return "never"

    async def main() -> None:
        await asgi(app, messages=[piece(), piece(), DISCONNECT], **UPLOAD).run()

    run(main)
    assert heard.events == ["started", "view", "finished"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_view_that_has_read_its_body_is_stopped_when_its_client_goes(
    app: Webframe, asgi: Any, heard: Any, method: str
) -> None:
    @app.route("/", methods=["GET", "POST"], stream=True)
    async def view(request: Request) -> Response:
        pieces = [chunk async for chunk in request.stream]
        heard(b"".join(pieces).decode())

        async def body() -> AsyncIterator[str]:
            try:
                while True:
                    yield "more"
                    await asyncio.sleep(0.001)
            finally:
                heard("closed")

        return StreamingResponse(body())

    async def main() -> None:
        changes = UPLOAD if method == "POST" else {}
        exchange = asgi(app, messages=[piece(b"a"), piece(b"b", more=False)] if changes else [], **changes)
        task = asyncio.create_task(exchange.run())
        await until(lambda: len(exchange.sent) > 3)
        exchange.disconnect()
        await task

    run(main)
    assert heard.events == ["started", "ab" if method == "POST" else "", "closed", "finished"]


# -- in the stream


@pytest.mark.parametrize("leaver", ["client", "server"])
@pytest.mark.parametrize("pace", ["slow", "never suspends"])
def test_a_stream_is_stopped_and_its_generator_closed(
    app: Webframe, asgi: Any, heard: Any, code: Any, leaver: str, pace: str
) -> None:
    async def body() -> AsyncIterator[str]:
        try:
            while True:
                yield "more"
                if pace == "slow":
                    await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0.001)
            heard("closed")

    app.get("/")(code(lambda request: StreamingResponse(body())))
    assert_stopped(app, asgi, heard, leaver)


@pytest.mark.parametrize("leaver", ["client", "server"])
def test_a_plain_stream_is_stopped_and_its_generator_closed(
    app: Webframe, asgi: Any, heard: Any, code: Any, leaver: str
) -> None:
    def body() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            heard("closed")

    app.get("/")(code(lambda request: StreamingResponse(body())))
    assert_stopped(app, asgi, heard, leaver)


def assert_stopped(app: Webframe, asgi: Any, heard: Any, leaver: str) -> None:
    async def main() -> None:
        def leave(message: Mapping[str, Any]) -> None:
            if len(exchange.sent) == 5:
                if leaver == "client":
                    exchange.disconnect()
                else:
                    asyncio.get_running_loop().call_soon(task.cancel)

        exchange = asgi(app, on_send=leave)
        task = asyncio.create_task(exchange.run())
        await asyncio.wait((task,))
        assert task.cancelled() == (leaver == "server")
        assert len(exchange.sent) > 5
        assert heard.events == ["started", "closed", "finished"]

    run(main)


def test_a_plain_stream_that_waits_is_closed_when_it_has_made_its_chunk(
    app: Webframe, asgi: Any, heard: Any, code: Any
) -> None:
    go_on = threading.Event()

    def body() -> Iterator[str]:
        try:
            yield "first"
            heard("waits")
            assert go_on.wait(5)
            yield "second"
        finally:
            heard("closed")

    app.get("/")(code(lambda request: StreamingResponse(body())))

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "waits" in heard.events)
        exchange.disconnect()
        await asyncio.sleep(0.08)
        assert heard.counts == (1, 0, 0)
        go_on.set()
        await task

    run(main)
    assert heard.events == ["started", "waits", "closed", "finished"]


def test_a_stream_without_end_does_not_keep_the_loop_to_itself(app: Webframe, asgi: Any, heard: Any) -> None:
    async def body() -> AsyncIterator[str]:
        while True:
            yield "more"

    @app.get("/endless")
    async def endless(request: Request) -> Response:
        return StreamingResponse(body())

    @app.get("/")
    async def short(request: Request) -> str:
        return "ok"

    async def main() -> None:
        exchange = asgi(app, "/endless")
        task = asyncio.create_task(exchange.run())
        await until(lambda: exchange.sent)
        other = asgi(app)
        await other.run()
        assert other.body == b"ok"
        exchange.disconnect()
        await task

    run(main)
    assert heard.counts == (2, 0, 2)


def test_a_client_that_goes_after_the_last_byte_does_not_stop_background_work(
    app: Webframe, asgi: Any, heard: Any, code: Any
) -> None:
    async def work() -> None:
        heard("begins")
        await asyncio.sleep(0.08)
        heard("ends")

    def view(request: Request) -> str:
        request.add_background_task(work)
        return "ok"

    app.get("/")(code(view))

    async def main() -> None:
        exchange = asgi(app)
        task = asyncio.create_task(exchange.run())
        await until(lambda: "begins" in heard.events)
        exchange.disconnect()
        await task
        assert exchange.body == b"ok"

    run(main)
    assert heard.events == ["started", "begins", "ends", "finished"]


# -- servers that say so by raising


@pytest.mark.parametrize("messages_sent", [0, 1, 2, 4])
@pytest.mark.parametrize("error", [OSError("gone"), BrokenPipeError(), ConnectionResetError()], ids=repr)
def test_an_os_error_of_send_is_a_client_that_went_away(
    app: Webframe, asgi: Any, heard: Any, code: Any, stream: Any, messages_sent: int, error: OSError
) -> None:
    def body() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            heard("closed")

    def refuse(message: Mapping[str, Any]) -> None:
        if len(exchange.sent) == messages_sent:
            raise error

    def view(request: Request) -> Response:
        response = StreamingResponse(stream(body)())
        request.on_close(heard, "closer")
        return response

    app.get("/")(code(view))
    exchange: Any = None

    async def main() -> None:
        nonlocal exchange
        exchange = asgi(app, on_send=refuse)
        await exchange.run()

    run(main)
    events = [event for event in heard.events if event != "closed"]
    assert events == ["started", "closer", "finished"]
    if messages_sent > 1:
        assert heard.events.count("closed") == 1


def test_an_os_error_of_the_last_message_of_a_stream_is_a_client_that_went_away_too(
    app: Webframe, asgi: Any, heard: Any, code: Any, stream: Any
) -> None:
    def refuse(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            raise ConnectionResetError

    def body() -> Iterator[str]:
        yield "all of it"

    app.get("/")(code(lambda request: StreamingResponse(stream(body)())))

    async def main() -> None:
        exchange = asgi(app, on_send=refuse)
        await exchange.run()
        assert exchange.body == b"all of it"

    run(main)
    assert heard.events == ["started", "finished"]


@pytest.mark.parametrize("messages_sent", [0, 1])
def test_an_os_error_of_send_ends_a_short_answer_quietly_too(
    app: Webframe, asgi: Any, heard: Any, code: Any, messages_sent: int
) -> None:
    def refuse(message: Mapping[str, Any]) -> None:
        if len(exchange.sent) == messages_sent:
            raise ConnectionResetError

    app.get("/")(code(lambda request: "ok"))
    exchange: Any = None

    async def main() -> None:
        nonlocal exchange
        exchange = asgi(app, on_send=refuse)
        await exchange.run()

    run(main)
    assert heard.events == ["started", "finished"]


def test_any_other_error_of_send_is_the_servers(app: Webframe, asgi: Any, heard: Any, code: Any) -> None:
    def refuse(message: Mapping[str, Any]) -> None:
        raise LookupError("a mistake of the server")

    app.get("/")(code(lambda request: "ok"))

    async def main() -> None:
        with pytest.raises(LookupError):
            await asgi(app, on_send=refuse).run()

    run(main)
    assert heard.events == ["started", "finished"]


def test_an_os_error_of_the_view_is_an_error_of_the_view(app: Webframe, asgi: Any, heard: Any, code: Any) -> None:
    def view(request: Request) -> str:
        raise BrokenPipeError("of something else")

    app.get("/")(code(view))

    async def main() -> None:
        exchange = asgi(app)
        await exchange.run()
        assert exchange.status == 500

    run(main)
    assert heard.counts == (1, 1, 1)


# -- cancelled anywhere


def async_view(heard: Any) -> Callable[..., Any]:
    async def view(request: Request) -> Any:
        heard("view")
        register(request, heard)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "ok"

    return view


def plain_view(heard: Any) -> Callable[..., Any]:
    def view(request: Request) -> Any:
        heard("view")
        register(request, heard)
        return "ok"

    return view


def async_stream(heard: Any) -> Callable[..., Any]:
    async def body() -> AsyncIterator[str]:
        heard("opened")
        try:
            yield "a"
            await asyncio.sleep(0)
            yield "b"
        finally:
            heard("closed")
            await asyncio.sleep(0)

    async def view(request: Request) -> Any:
        heard("view")
        register(request, heard)
        return StreamingResponse(body())

    return view


def plain_stream(heard: Any) -> Callable[..., Any]:
    def body() -> Iterator[str]:
        heard("opened")
        try:
            yield "a"
            yield "b"
        finally:
            heard("closed")

    def view(request: Request) -> Any:
        heard("view")
        register(request, heard)
        return StreamingResponse(body())

    return view


def failing_view(heard: Any) -> Callable[..., Any]:
    async def view(request: Request) -> Any:
        heard("view")
        register(request, heard)
        await asyncio.sleep(0)
        raise ValueError("oh")

    return view


def register(request: Request, heard: Any) -> None:
    async def asynchronous(event: str) -> None:
        await asyncio.sleep(0)
        heard(event)

    request.on_close(heard, "closer")
    request.on_close(asynchronous, "async closer")
    request.add_background_task(heard, "task")
    request.add_background_task(asynchronous, "async task")


@pytest.mark.parametrize("insistent", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("middleware", ["no middleware", "plain middleware", "async middleware"])
@pytest.mark.parametrize("view", [async_view, plain_view, async_stream, plain_stream, failing_view])
def test_wherever_the_server_cancels_what_began_ends_once_and_in_order(
    app: Webframe, asgi: Any, heard: Any, cancelled_at: Any, view: Any, middleware: str, insistent: bool
) -> None:
    if middleware == "plain middleware":

        @app.middleware
        def plain(request: Request) -> Iterator[Any]:
            heard("entered")
            try:
                yield
            finally:
                heard("left")

    elif middleware == "async middleware":

        @app.middleware
        async def asynchronous(request: Request) -> AsyncIterator[Any]:
            heard("entered")
            try:
                await asyncio.sleep(0)
                yield
                await asyncio.sleep(0)
            finally:
                heard("left")

    async def areceiver(**kwargs: Any) -> None:
        await asyncio.sleep(0)

    heard.connect(request_started, areceiver)
    heard.connect(request_finished, areceiver)
    app.post("/")(view(heard))

    async def serve(suspension: int) -> bool:
        done: list[bool] = []
        exchange = asgi(app, messages=[piece(), piece(more=False)], **UPLOAD)
        exchange.send = suspending(exchange.send)
        exchange.receive = suspending(exchange.receive)
        task = asyncio.create_task(cancelled_at(exchange.run(), suspension, insistent, done))
        await asyncio.wait((task,))
        if not task.cancelled():
            assert task.exception() is None
        return done[0]

    async def main() -> None:
        warm_up = asgi(app, messages=[piece(more=False)], **UPLOAD)
        await warm_up.run()
        suspension = 0
        while True:
            heard.events.clear()
            got_so_far = await serve(suspension)
            events = heard.events
            assert events.count("started") == events.count("finished") <= 1, (suspension, events)
            if "started" in events:
                assert events[0] == "started"
                assert events[-1] == "finished", (suspension, events)
            assert events.count("entered") == events.count("left")
            assert events.count("opened") == events.count("closed")
            for end in ("task", "async task", "closer", "async closer"):
                assert events.count(end) == events.count("view"), (suspension, events)
            assert current_request.get() is None
            if not got_so_far:
                break
            suspension += 1
        assert suspension > 3

    run(main)


def suspending(function: Callable[..., Any]) -> Callable[..., Any]:
    async def suspended(*args: Any) -> Any:
        await asyncio.sleep(0)
        return await function(*args)

    return suspended


def test_a_loop_that_ends_finishes_the_requests_on_it(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.get("/view")
    async def view(request: Request) -> str:
        request.on_close(heard, "closer")
        heard("waits")
        await asyncio.Event().wait()
        return "never"

    @app.get("/task")
    async def task(request: Request) -> str:
        async def work() -> None:
            heard("waits")
            await asyncio.Event().wait()

        request.add_background_task(work)
        request.on_close(heard, "closer")
        return "ok"

    @app.get("/body")
    async def body(request: Request) -> Any:
        async def chunks() -> AsyncIterator[str]:
            heard("waits")
            await asyncio.Event().wait()
            yield "never"

        request.on_close(heard, "closer")
        return StreamingResponse(chunks())

    for path in ("/view", "/task", "/body"):
        heard.events.clear()

        async def main(path: str = path) -> None:
            serving = asyncio.create_task(asgi(app, path).run())
            await until(lambda: "waits" in heard.events)
            assert not serving.done()

        asyncio.run(main())
        assert heard.events == ["started", "waits", "closer", "finished"]


def test_a_server_that_cancels_everything_at_its_end_makes_no_error_of_a_plain_view_that_waits(
    app: Webframe, asgi: Any, heard: Any
) -> None:
    @app.get("/")
    def view(request: Request) -> str:
        heard("waits")
        wait(asyncio.sleep(60))
        return "never"

    async def main() -> None:
        serving = asyncio.create_task(asgi(app).run())
        await until(lambda: "waits" in heard.events and len(asyncio.all_tasks()) > 2)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    run(main)
    assert heard.events == ["started", "waits", "finished"]


def test_after_many_cancelled_requests_the_app_serves_as_before(app: Webframe, asgi: Any, heard: Any) -> None:
    @app.get("/slow")
    async def slow(request: Request) -> str:
        await asyncio.Event().wait()
        return "never"

    @app.get("/")
    def plain(request: Request) -> str:
        return "ok"

    async def main() -> None:
        tasks = [asyncio.create_task(asgi(app, "/slow").run()) for _ in range(100)]
        await until(lambda: heard.counts[0] == 100)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert heard.counts == (100, 0, 100)
        exchanges = [asgi(app) for _ in range(100)]
        await asyncio.gather(*(exchange.run() for exchange in exchanges))
        assert {exchange.body for exchange in exchanges} == {b"ok"}

    run(main)
    assert heard.counts == (200, 0, 200)

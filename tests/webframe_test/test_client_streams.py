"""Test clients and streams: uploads piece by piece, endless responses, clients that leave, apps that do not notice."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from webframe import Request, Webframe
from webframe.core.exceptions import ClientDisconnected
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.test import AsyncClient, Client, asgi_transport, capture_signals
from webframe.test.signals import template_rendered


class Broken(Exception):
    pass


@pytest.fixture
def client(app: Webframe, protocol: str) -> Iterator[Client]:
    with Client(app, protocol=protocol) as client:
        yield client


@pytest.fixture
def ended() -> list[str]:
    """What has ended, in order."""
    return []


@pytest.fixture
def endless(app: Webframe, ended: list[str]) -> list[str]:
    """Adds endless streams to the app, plain and async; gives their paths."""

    @app.get("/plain")
    def plain(request: Request) -> Iterator[str]:
        def events() -> Iterator[str]:
            number = 0
            try:
                while True:
                    yield f"data: {number}\n\n"
                    number += 1
            finally:
                ended.append("plain")

        return events()

    @app.get("/async")
    async def asynchronous(request: Request) -> AsyncIterator[str]:
        async def events() -> AsyncIterator[str]:
            number = 0
            try:
                while True:
                    yield f"data: {number}\n\n"
                    number += 1
                    await asyncio.sleep(0)
            finally:
                await asyncio.sleep(0)
                ended.append("async")

        return events()

    return ["/plain", "/async"]


def soon(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true within a few seconds."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


# -- responses


def test_server_sent_events_are_read_as_they_come_and_the_app_hears_that_the_client_has_left(
    client: Client, endless: list[str], ended: list[str]
) -> None:
    for path in endless:
        with capture_signals(request_started, request_finished) as sent:
            with client.stream("GET", path) as response:
                lines = response.iter_lines()
                assert [next(lines) for _ in range(4)] == ["data: 0", "", "data: 1", ""]
                assert not ended and sent.names == ["request_started"]
        assert [ended.pop()] == [path.removeprefix("/")]
        assert sent.names == ["request_started", "request_finished"]


def test_a_stream_that_is_left_unread_is_closed_all_the_same(
    client: Client, endless: list[str], ended: list[str]
) -> None:
    for path in endless:
        with capture_signals(request_finished) as sent, client.stream("GET", path):
            pass
        assert len(sent) == 1


def test_a_stream_that_is_dropped_unread_is_closed_all_the_same(
    client: Client, endless: list[str], ended: list[str]
) -> None:
    for path in endless:
        with capture_signals(request_finished, everywhere=True) as sent:
            response = client.send(client.build_request("GET", path), stream=True)
            next(response.iter_raw())
            del response
            gc.collect()
            assert soon(lambda: len(sent) == 1)
        assert [ended.pop()] == [path.removeprefix("/")]
        client.get("/nowhere")
        assert not template_rendered.has_listeners() and not got_request_exception.active


def test_an_error_in_the_loop_of_the_test_ends_the_stream(client: Client, endless: list[str], ended: list[str]) -> None:
    for path in endless:
        with pytest.raises(Broken), client.stream("GET", path) as response:
            for _ in response.iter_text():
                raise Broken
        assert [ended.pop()] == [path.removeprefix("/")]


def test_an_error_in_the_midst_of_a_stream_is_raised_where_it_is_read(app: Webframe, client: Client) -> None:
    @app.get("/")
    def stream(request: Request) -> Iterator[str]:
        def pieces() -> Iterator[str]:
            yield "first"
            raise Broken

        return pieces()

    with capture_signals(request_finished) as sent:
        with client.stream("GET", "/") as response:
            pieces = response.iter_text()
            assert next(pieces) == "first"
            with pytest.raises(Broken):
                next(pieces)
    assert len(sent) == 1


def test_a_fast_app_waits_for_a_slow_client(app: Webframe, client: Client) -> None:
    made = []

    @app.get("/")
    async def stream(request: Request) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(1000):
                made.append(number)
                yield b"x"

        return pieces()

    with client.stream("GET", "/") as response:
        pieces = response.iter_raw()
        next(pieces)
        time.sleep(0.05)
        assert len(made) < 30


def test_an_app_that_does_not_notice_that_its_client_has_gone_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asgi_transport, "PATIENCE", 0.1)
    cancelled = []

    async def talkative(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    for app in talkative, deaf:
        with pytest.raises(TimeoutError, match="went on for 0.1 seconds after its client had gone"):
            with Client(app, protocol="asgi").stream("GET", "/"):
                pass
    assert cancelled == [True]


def test_an_app_that_does_not_notice_a_cancellation_does_not_swallow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_transport, "PATIENCE", 0.05)

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    async def ask() -> None:
        task = asyncio.ensure_future(AsyncClient(deaf).get("/"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert "went on for 0.05 seconds" in caught.value.__notes__[0]

    asyncio.run(ask())


def test_an_answer_that_is_none_is_closed_all_the_same() -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append("wsgi")

    def wsgi(environ: Any, start_response: Any) -> Body:
        start_response("fine", [])
        return Body([b"hello"])

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start"})
        await send({"type": "http.response.body", "body": b"hello"})
        closed.append("asgi")

    with pytest.raises(ValueError):
        Client(wsgi).get("/")
    with pytest.raises(KeyError):
        Client(asgi, protocol="asgi").get("/")
    assert closed == ["wsgi", "asgi"]


# -- uploads


def test_an_upload_is_read_only_as_far_as_the_app_reads_it(app: Webframe, client: Client) -> None:
    @app.post("/", stream=True)
    def take_a_little(request: Request) -> str:
        return request.stream.read(3).decode()

    sent = []

    def pieces() -> Iterator[bytes]:
        while True:
            sent.append(b"abc")
            yield b"abc"

    assert client.post("/", content=pieces()).text == "abc"
    assert len(sent) < 30_000


def test_an_upload_of_pieces_arrives_whole(app: Webframe, client: Client) -> None:
    @app.post("/")
    def plain(request: Request) -> str:
        assert request.content_length is None
        return request.data.decode()

    @app.post("/async")
    async def asynchronous(request: Request) -> str:
        return request.data.decode()

    @app.post("/streamed", stream=True)
    async def streamed(request: Request) -> str:
        return "".join([piece.decode() async for piece in request.stream])

    @app.post("/lines", stream=True)
    def lines(request: Request) -> list[str]:
        return [request.stream.readline().decode() for _ in range(3)]

    pieces = ["one\n", "", "two\nthr", "ee" * 50_000]
    for path in "/", "/async", "/streamed":
        assert client.post(path, content=(piece.encode() for piece in pieces)).text == "".join(pieces)
    assert client.post("/lines", content=(piece.encode() for piece in pieces)).json()[:2] == ["one\n", "two\n"]
    assert client.post("/", content=iter(())).text == ""


def test_nothing_is_asked_of_an_upload_that_nobody_reads(app: Webframe, client: Client) -> None:
    @app.post("/", stream=True)
    def refuse(request: Request) -> tuple[str, int]:
        return "no", 403

    def pieces() -> Iterator[bytes]:
        raise Broken
        yield b""

    assert client.post("/", content=pieces()).status_code == 403


def test_an_upload_that_is_too_large_is_refused_on_the_way(app: Webframe, client: Client) -> None:
    @app.post("/", max_content_length=100_000)
    def take(request: Request) -> str:
        return str(len(request.data))

    sent = []

    def pieces() -> Iterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * 10_000

    assert client.post("/", content=pieces()).status_code == 413
    assert len(sent) < 50


def test_an_error_of_who_uploads_is_raised_and_to_the_app_it_is_a_client_that_went_away(
    app: Webframe, client: Client
) -> None:
    seen = []

    @app.post("/", stream=True)
    def plain(request: Request) -> str:
        return str(take(lambda: request.stream.read()))

    @app.post("/async", stream=True)
    async def asynchronous(request: Request) -> str:
        try:
            await request.stream.aread()  # type: ignore[attr-defined]
        except (ClientDisconnected, OSError) as error:
            seen.append(type(error))
            raise
        return "never"

    def take(read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except (ClientDisconnected, OSError) as error:
            seen.append(type(error))
            raise

    def pieces() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise Broken

    for path in "/", "/async":
        with capture_signals(request_started, request_finished) as sent, pytest.raises(Broken):
            client.post(path, content=pieces())
        assert sent.names == ["request_started", "request_finished"]
        assert [issubclass(kind, OSError) for kind in seen] == [True]
        seen.clear()


def test_an_upload_may_come_from_async_code_while_the_response_streams(app: Webframe) -> None:
    @app.post("/", stream=True)
    async def echo(request: Request) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            async for piece in request.stream:  # type: ignore[attr-defined]
                yield piece.upper()

        return pieces()

    async def talk() -> list[str]:
        told: asyncio.Queue[bytes] = asyncio.Queue()

        async def upload() -> AsyncIterator[bytes]:
            while (piece := await told.get()) != b"end":
                yield piece

        heard = []
        told.put_nowait(b"one")
        async with AsyncClient(app) as client, client.stream("POST", "/", content=upload()) as response:
            async for piece in response.aiter_text():
                heard.append(piece)
                told.put_nowait(b"two" if len(heard) == 1 else b"end")
        return heard

    assert asyncio.run(asyncio.wait_for(talk(), 5)) == ["ONE", "TWO"]


def test_an_upload_that_is_under_way_ends_with_the_response(app: Webframe) -> None:
    stopped = []

    @app.post("/", stream=True)
    async def take_one(request: Request) -> str:
        return (await request.stream.aread(3)).decode()  # type: ignore[attr-defined]

    async def upload() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.sleep(60)
        finally:
            stopped.append(True)

    async def send() -> str:
        async with AsyncClient(app) as client:
            return (await client.post("/", content=upload())).text

    assert asyncio.run(asyncio.wait_for(send(), 5)) == "one"
    assert stopped == [True]


def test_an_error_of_an_upload_that_the_app_did_not_wait_for_is_raised_too(app: Webframe) -> None:
    @app.post("/", stream=True)
    async def ask_in_vain(request: Request) -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await request.stream.aread()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        return "had no patience"

    async def upload() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.05)
        raise Broken
        yield b""

    async def send() -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(Broken):
                await client.post("/", content=upload())

    asyncio.run(send())


# -- cancellation


def test_cancelling_a_request_is_a_client_that_goes_away(app: Webframe) -> None:
    events = []

    @app.get("/")
    async def slow(request: Request) -> str:
        events.append("began")
        try:
            await asyncio.sleep(60)
        finally:
            events.append("stopped")
        return "never"

    async def ask() -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await client.get("/")
            assert events == ["began", "stopped"]
            assert len(sent) == 1
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    async with client.stream("GET", "/"):
                        pass
        assert len(asyncio.all_tasks()) == 1

    with capture_signals(request_finished) as sent:
        asyncio.run(ask())
    assert len(sent) == 2


def test_cancelling_within_a_stream_ends_it(app: Webframe, endless: list[str], ended: list[str]) -> None:
    async def ask(path: str) -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5), client.stream("GET", path) as response:
                    async for _ in response.aiter_text():
                        await asyncio.sleep(0)
            assert ended == [path.removeprefix("/")]

    for path in endless:
        asyncio.run(asyncio.wait_for(ask(path), 10))
        ended.clear()


def test_an_async_response_that_is_dropped_lets_the_app_go(app: Webframe, endless: list[str], ended: list[str]) -> None:
    async def ask(path: str) -> None:
        async with AsyncClient(app) as client:
            response = await client.send(client.build_request("GET", path), stream=True)
            del response
            gc.collect()
            async with asyncio.timeout(5):
                while not sent:
                    await asyncio.sleep(0.01)

    for path in endless:
        with capture_signals(request_finished) as sent:
            asyncio.run(ask(path))


def test_a_task_group_reads_several_streams_at_once(app: Webframe, endless: list[str], ended: list[str]) -> None:
    async def read(client: AsyncClient, path: str) -> str:
        async with client.stream("GET", path) as response:
            async for line in response.aiter_lines():
                if line.endswith("50"):
                    return line
        return ""

    async def ask() -> list[str]:
        async with AsyncClient(app) as client:
            return await asyncio.gather(*(read(client, path) for path in endless * 5))

    assert asyncio.run(ask()) == ["data: 50"] * 10
    assert len(ended) == 10


def test_streams_are_read_in_threads_side_by_side(client: Client, endless: list[str], ended: list[str]) -> None:
    lines: list[str] = []

    def read(path: str) -> None:
        with client.stream("GET", path) as response:
            for line in response.iter_lines():
                if line.endswith("20"):
                    lines.append(line)
                    return

    threads = [threading.Thread(target=read, args=(path,)) for path in endless * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert lines == ["data: 20"] * 8 and len(ended) == 8


def test_a_response_may_be_closed_twice(client: Client, endless: list[str], ended: list[str]) -> None:
    with client.stream("GET", endless[0]) as response:
        response.close()
        response.close()
        with pytest.raises(httpx.StreamClosed):
            response.read()
    assert ended == ["plain"]

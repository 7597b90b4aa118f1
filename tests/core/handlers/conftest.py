"""What the tests of the request core share: ears for its signals, both kinds of views, and servers in miniature."""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import sys
import threading
import time
import types
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from functools import partial
from typing import Any, NamedTuple

import pytest

from webframe import Request, Webframe
from webframe.core.signals import (
    got_request_exception,
    request_finished,
    request_started,
    websocket_finished,
    websocket_started,
)
from webframe.dispatch import Signal

SIGNALS = {
    "started": request_started,
    "exception": got_request_exception,
    "finished": request_finished,
    "websocket started": websocket_started,
    "websocket finished": websocket_finished,
}


class Call(NamedTuple):
    """What a receiver was called with, and where."""

    sender: Any
    arguments: dict[str, Any]
    thread: str
    error: BaseException | None


class Heard:
    """What was said by the request signals of the whole process, in order, with whatever a test adds to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.calls: dict[str, list[Call]] = {name: [] for name in SIGNALS}
        self._connected: list[tuple[Signal[...], Any]] = []
        for name, signal in SIGNALS.items():
            self.connect(signal, self._ear(name))

    def _ear(self, name: str) -> Callable[..., None]:
        def hear(sender: Any, signal: Any, **arguments: Any) -> None:
            call = Call(sender, arguments, threading.current_thread().name, sys.exc_info()[1])
            self.calls[name].append(call)
            self.events.append(name)

        return hear

    def __call__(self, event: str) -> None:
        """Note an event of the test's own."""
        self.events.append(event)

    def connect(self, signal: Signal[...], receiver: Any, **options: Any) -> Any:
        """Connect one more receiver, until the end of the test."""
        signal.connect(receiver, weak=False, **options)
        self._connected.append((signal, receiver))
        return receiver

    def disconnect(self) -> None:
        for signal, receiver in self._connected:
            signal.disconnect(receiver)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How often request_started, got_request_exception and request_finished were sent."""
        return len(self.calls["started"]), len(self.calls["exception"]), len(self.calls["finished"])

    def only(self, name: str) -> Call:
        """The one call of a signal."""
        (call,) = self.calls[name]
        return call

    def wait_for(self, event: str, count: int = 1) -> None:
        """Wait until an event has been noted, in whichever thread."""
        eventually(lambda: self.events.count(event) >= count, f"{event!r} {count} times, but only {self.events}")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What the request signals say during the test."""
    ears = Heard()
    yield ears
    ears.disconnect()


def eventually(condition: Callable[[], Any], expected: str = "") -> None:
    """Wait until a condition holds; collecting garbage, which is the last resort of what nobody has closed."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, f"Expected {expected or condition}."
        gc.collect()
        time.sleep(0.001)


@pytest.fixture(params=["plain", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Plain and async code, one after the other."""
    name: str = request.param
    return name


@pytest.fixture
def code(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Leaves a plain function as it is, or makes an async one of it."""
    return plainly if kind == "plain" else asynchronously


# Routes are named for their views, and two of one app cannot have the same name.
_numbers = itertools.count()


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    if hasattr(function, "__name__"):
        function.__name__ = f"view_{next(_numbers)}"
    return function


def asynchronously(function: Callable[..., Any]) -> Callable[..., Any]:
    """An async function that does the same, after giving others a turn."""

    async def view(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return plainly(view)


@pytest.fixture(params=["plain", "async"])
def stream(request: pytest.FixtureRequest) -> Callable[[Callable[..., Iterable[Any]]], Callable[..., Any]]:
    """Leaves a plain generator function as it is, or makes an async one of it."""
    return plainly if request.param == "plain" else streaming_asynchronously


def streaming_asynchronously(function: Callable[..., Iterable[Any]]) -> Callable[..., AsyncIterator[Any]]:
    async def generate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        chunks: Any = function(*args, **kwargs)
        try:
            for chunk in chunks:
                await asyncio.sleep(0)
                yield chunk
        finally:
            chunks.close()

    return generate


# -- WSGI, call by call


class WSGIExchange:
    """One request over WSGI, as a server would conduct it."""

    def __init__(self, app: Callable[..., Any], path: str = "/", **changes: Any) -> None:
        self.environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "testserver",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **changes,
        }
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.result: Any = app(self.environ, self._start_response)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status = int(status.split()[0])
        self.headers = headers

    def body(self) -> bytes:
        """The whole body; does not close it."""
        return b"".join(self.result)

    def close(self) -> None:
        if hasattr(self.result, "close"):
            self.result.close()


# -- ASGI, message by message


class ASGIExchange:
    """One request over ASGI, as a server would conduct it.

    The request's messages are given; after them `receive` waits until
    `disconnect` is called. `on_send` is called with each message before it is
    taken.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        path: str = "/",
        *,
        messages: Iterable[Mapping[str, Any]] = ({"type": "http.request", "body": b"", "more_body": False},),
        on_send: Callable[[Mapping[str, Any]], None] | None = None,
        **changes: Any,
    ) -> None:
        self.scope: MutableMapping[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"testserver")],
            "client": ("127.0.0.1", 50000),
            "server": ("testserver", 80),
            **changes,
        }
        self.app = app
        self.sent: list[Any] = []
        self.gone = asyncio.Event()
        self._messages = list(messages)
        self._on_send = on_send

    def run(self) -> Any:
        """The coroutine that serves the request."""
        return self.app(self.scope, self.receive, self.send)

    async def receive(self) -> Mapping[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._on_send is not None:
            self._on_send(message)
        self.sent.append(message)

    def disconnect(self) -> None:
        """The client goes away."""
        self.gone.set()

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


@pytest.fixture
def wsgi() -> type[WSGIExchange]:
    """A WSGI server in miniature: ``wsgi(app, "/path")`` calls the app."""
    return WSGIExchange


@pytest.fixture
def asgi() -> type[ASGIExchange]:
    """An ASGI server in miniature: ``await asgi(app, "/path").run()`` serves the request."""
    return ASGIExchange


@pytest.fixture
def serve(protocol: str) -> Callable[..., Any]:
    """Serves one GET request to its end, without any client in between; what the app raises comes through."""

    def serve_wsgi(app: Webframe, path: str = "/") -> WSGIExchange:
        exchange = WSGIExchange(app, path)
        try:
            exchange.body()
        finally:
            exchange.close()
        return exchange

    def serve_asgi(app: Webframe, path: str = "/") -> ASGIExchange:
        async def main() -> ASGIExchange:
            exchange = ASGIExchange(app, path)
            # In the loop's own task: SystemExit must reach the caller, not end the loop.
            await exchange.run()
            return exchange

        return asyncio.run(main())

    return serve_wsgi if protocol == "wsgi" else serve_asgi


@pytest.fixture
def ok() -> Callable[..., str]:
    """A view that has nothing to say."""

    def view(request: Request) -> str:
        return "ok"

    return view


@pytest.fixture
def cancelled_at() -> Callable[..., Coroutine[Any, Any, None]]:
    """Awaits a coroutine and cancels its task at the n-th suspension: see `cancel_at`."""

    async def cancelled_at(*args: Any) -> None:
        await cancel_at(*args)

    return cancelled_at


@types.coroutine
def cancel_at(
    coroutine: Coroutine[Any, Any, Any], suspension: int, insistent: bool, done: list[bool]
) -> Generator[Any, Any, None]:
    """Await a coroutine; cancel its task at one of its suspensions, or there and ever after.

    Whether it got that far is added to `done`.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    iterator = coroutine.__await__()
    number = -1
    step = partial(next, iterator)
    try:
        while True:
            waited_for = step()
            number += 1
            if number == suspension or (insistent and number > suspension):
                loop.call_soon(task.cancel)
            try:
                yield waited_for
                step = partial(next, iterator)
            except BaseException as error:
                step = partial(iterator.throw, error)
    except StopIteration:
        pass
    finally:
        done.append(number >= suspension)

"""A server for tests that need a real one: browsers, clients of other makers, connections that break.

It serves in threads of this process, on a port that is free, and ends with all
that it has begun: when `stop` returns no request is being served any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self

from werkzeug.serving import ThreadedWSGIServer

from webframe.core.management.wsgi_server import RequestHandler
from webframe.test.lifespan import PATIENCE, Life, found_app, life_of, wait_anywhere

# Seconds that uvicorn gives requests under way when it is stopped; then it cancels them.
GRACE = 1


class LiveServer:
    """Serves an app over HTTP while a block is being executed.

    ::

        with LiveServer(app) as server:
            httpx.get(f"{server.url}/notes/1")

    `protocol` is "wsgi", served by werkzeug in a thread for each connection, or
    "asgi", served by uvicorn, which must be installed. Without an app it serves
    the one that the command `webframe` finds. Port 0 is any free one. The app is
    started before the first request and shut down at the end, unless it runs
    already.
    """

    def __init__(self, app: Any = None, protocol: str = "wsgi", host: str = "127.0.0.1", port: int = 0) -> None:
        if protocol not in ("wsgi", "asgi"):
            raise ValueError(f"The protocol of a live server is 'wsgi' or 'asgi', not {protocol!r}.")
        if protocol == "asgi" and find_spec("uvicorn") is None:
            raise ImportError("LiveServer(protocol='asgi') needs uvicorn: pip install uvicorn", name="uvicorn")
        self.app = found_app() if app is None else app
        self.protocol = protocol
        self.host = host
        # The port to ask for; once it serves, `url` has the one it was given.
        self.port = port
        self._url: str | None = None
        self._serving: _Serving | None = None

    @property
    def url(self) -> str:
        """Where it is served, such as "http://127.0.0.1:40001"; no slash at the end."""
        if self._url is None:
            raise RuntimeError("This live server is not running: use it in a with-block, or call start() first.")
        return self._url

    def start(self) -> None:
        """Serve from now on; an error of the app's start-up is raised."""
        if self._serving is not None:
            raise RuntimeError(f"This live server is running already, at {self._url}.")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.create_server((self.host, self.port), family=family, backlog=128)
        try:
            kind = _ASGIServing if self.protocol == "asgi" else _WSGIServing
            serving = kind(self.app, listening)
        except BaseException:
            listening.close()
            raise
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{serving.port}"
        self._serving = serving

    def stop(self) -> None:
        """End what is being served, then the server; nothing if it is not running.

        Raises `TimeoutError` when a request goes on for too long after its
        connection was closed.
        """
        serving, self._serving, self._url = self._serving, None, None
        if serving is not None:
            serving.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __str__(self) -> str:
        return self.url

    def __add__(self, path: str) -> str:
        """The address of a path: ``live_server + "/notes/1"``."""
        return f"{self.url}{path}"

    def __repr__(self) -> str:
        return f"<LiveServer of {self.app!r}, {self._url or 'not running'}>"


class _Serving(Protocol):
    """A server at work."""

    port: int

    def __init__(self, app: Any, listening: socket.socket) -> None: ...
    def stop(self) -> None: ...


class _WSGIServing:
    """werkzeug's server at work in a thread."""

    def __init__(self, app: Any, listening: socket.socket) -> None:
        host, self.port = listening.getsockname()[:2]
        self._life = life_of(app, "wsgi")
        if self._life is not None:
            wait_anywhere(self._life.start())
        with listening:  # the server has a copy
            self._server = _WSGIServer(host, self.port, app, _QuietHandler, fd=listening.fileno())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._life is not None:
                stack.callback(_stop_life, self._life)
            stack.callback(self._server.end_conversations)
            self._server.shutdown()
            self._thread.join()


def _stop_life(life: Life) -> None:
    wait_anywhere(life.stop(raising=False))


class _WSGIServer(ThreadedWSGIServer):
    """Knows who is connected, to end that too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.Lock()
        # The connections that are open, by the threads that serve them.
        self._conversations: dict[threading.Thread, socket.socket] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._converse, args=(request, client_address), daemon=True)
        with self._lock:
            self._conversations[thread] = request
        thread.start()

    def _converse(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._conversations[threading.current_thread()]

    def end_conversations(self) -> None:
        """Close every connection and wait for the threads; call it when no more are accepted."""
        with self._lock:
            conversations = dict(self._conversations)
        for connection in conversations.values():
            with contextlib.suppress(OSError):  # its client was faster
                connection.shutdown(socket.SHUT_RDWR)
        for thread in conversations:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise _too_long()


class _QuietHandler(RequestHandler):
    """Says nothing about requests; errors are logged."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class _ASGIServing:
    """uvicorn at work on an event loop in a thread of its own."""

    def __init__(self, app: Any, listening: socket.socket) -> None:
        uvicorn = import_module("uvicorn")  # an extra: type checkers need not find it
        self.port: int = listening.getsockname()[1]
        self._life = Life(app)
        self._listening = listening
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._with_state(app),
                interface="asgi3",
                lifespan="off",  # `Life` raises what goes wrong at start-up, and logs it at shutdown
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
                log_config=None,
                access_log=False,
            )
        )
        # Set when the app has started, or the thread has ended.
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(GRACE + 2 * PATIENCE)
        if self._thread.is_alive():
            raise _too_long()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with self._listening:
                asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        await self._life.start()
        try:
            self._ready.set()
            await self._server.serve(sockets=[self._listening])
            if requests := set(self._server.server_state.tasks):
                # uvicorn has cancelled them, but does not wait.
                await asyncio.wait(requests, timeout=PATIENCE)
        finally:
            await self._life.stop(raising=False)

    def _with_state(self, app: Callable[..., Any]) -> Callable[..., Any]:
        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(self._life.state)}, receive, send)

        return with_state


def _too_long() -> TimeoutError:
    return TimeoutError("The live server was stopped, but a request is being served still: what does it wait for?")

"""httpx clients for tests, over either protocol.

`Client(app)` and `AsyncClient(app)` are httpx's own clients with transports of
ours, which do what httpx's leave out: responses really stream, bodies are always
closed, chunked uploads and non-ASCII paths arrive, and context variables set by
the app do not leak into the test. When a request raises an error that nobody
handled, the client raises it, unless told otherwise.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, MutableMapping
from contextvars import Context, copy_context
from typing import Any
from urllib.parse import unquote_to_bytes

from webframe.core.signals import got_request_exception
from webframe.test._httpx import httpx
from webframe.test.lifespan import found_app
from webframe.waiting import wait

# Addresses of the two ends, as the app sees them.
CLIENT_ADDRESS = ("127.0.0.1", 50000)

# Seconds that an app may take to end after its client has gone.
PATIENCE = 10.0


class Client(httpx.Client):
    """An httpx client that talks to an app under WSGI, or under ASGI with ``protocol="asgi"``."""

    def __init__(
        self,
        app: Callable[..., Any] | None = None,
        *,
        protocol: str = "wsgi",
        raise_app_exceptions: bool = True,
        **options: Any,
    ) -> None:
        app = found_app() if app is None else app
        transport: httpx.BaseTransport
        if protocol == "wsgi":
            transport = WSGITransport(app, raise_app_exceptions=raise_app_exceptions)
        elif protocol == "asgi":
            transport = LoopTransport(ASGITransport(app, raise_app_exceptions=raise_app_exceptions))
        else:
            raise ValueError(f"The protocol of a client is 'wsgi' or 'asgi', not {protocol!r}.")
        super().__init__(transport=transport, **{"base_url": "http://testserver", **options})


class AsyncClient(httpx.AsyncClient):
    """An async httpx client that talks to an app under ASGI, in the test's own event loop."""

    def __init__(
        self, app: Callable[..., Any] | None = None, *, raise_app_exceptions: bool = True, **options: Any
    ) -> None:
        app = found_app() if app is None else app
        transport = ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
        super().__init__(transport=transport, **{"base_url": "http://testserver", **options})


class _Errors:
    """Hears of the errors that nobody handled, in the context of one request."""

    def __init__(self, raise_them: bool) -> None:
        self.raise_them = raise_them
        self.errors: list[BaseException] = []

    def hear(self, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            self.errors.append(error)

    def check(self) -> None:
        if self.raise_them and self.errors:
            raise self.errors[0]


class WSGITransport(httpx.BaseTransport):
    """Calls a WSGI app in a context of its own."""

    def __init__(self, app: Callable[..., Any], *, raise_app_exceptions: bool = True) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        errors = _Errors(self.raise_app_exceptions)
        context = copy_context()
        return context.run(self._handle, request, errors, context)

    def _handle(self, request: httpx.Request, errors: _Errors, context: Context) -> httpx.Response:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
            started[:] = status, headers
            return lambda data: None

        with got_request_exception.connected_to(errors.hear, inline=True):
            result = self.app(environ_of(request), start_response)
            try:
                errors.check()
                chunks = iter(result)
                first = next(chunks, b"")
            except BaseException:
                _close(result)
                raise
        if request.method == "HEAD":
            first, chunks = b"", iter(())
        stream = _WSGIStream(result, first, chunks, context)
        status, headers = started
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return httpx.Response(int(status.partition(" ")[0]), headers=raw, stream=stream)


class _WSGIStream(httpx.SyncByteStream):
    def __init__(self, result: Iterable[bytes], first: bytes, chunks: Iterator[bytes], context: Context) -> None:
        self._result = result
        self._first = first
        self._chunks = chunks
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        while (chunk := self._context.run(next, self._chunks, None)) is not None:
            yield chunk

    def close(self) -> None:
        self._context.run(_close, self._result)


def _close(result: Iterable[bytes]) -> None:
    if hasattr(result, "close"):
        result.close()


def environ_of(request: httpx.Request) -> dict[str, Any]:
    """The WSGI environ that a server would make of a request."""
    path, _, query = request.url.raw_path.partition(b"?")
    body = request.read()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("ascii"),
        "SERVER_NAME": request.url.host,
        "SERVER_PORT": str(request.url.port or {"http": 80, "https": 443}[request.url.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": CLIENT_ADDRESS[0],
        "REMOTE_PORT": str(CLIENT_ADDRESS[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in request.headers.raw:
        name = raw_name.decode("ascii").upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


class ASGITransport(httpx.AsyncBaseTransport):
    """Calls an ASGI app in a task of its own, and hands its response on as it comes."""

    def __init__(self, app: Callable[..., Any], *, raise_app_exceptions: bool = True) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        errors = _Errors(self.raise_app_exceptions)
        with got_request_exception.connected_to(errors.hear, inline=True):
            stream = _ASGIStream(self.app, request)
            start = await stream.next_message()
        if errors.raise_them and errors.errors:
            await stream.aclose()
            errors.check()
        if start is None:
            raise RuntimeError("The app ended without a response.")
        stream.drop_body = request.method == "HEAD"
        return httpx.Response(start["status"], headers=start.get("headers", []), stream=stream)


class _ASGIStream(httpx.AsyncByteStream):
    """A conversation with an ASGI app; as a stream, the body of its response."""

    def __init__(self, app: Callable[..., Any], request: httpx.Request) -> None:
        self.drop_body = False
        self._chunks = self._request_chunks(request)
        self._messages: asyncio.Queue[Any] = asyncio.Queue(1)
        self._gone = asyncio.Event()
        self._task = asyncio.create_task(self._run(app, scope_of(request)))

    async def _run(self, app: Callable[..., Any], scope: MutableMapping[str, Any]) -> None:
        outcome = None
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:
            outcome = error
        while not self._gone.is_set():
            try:
                self._messages.put_nowait(outcome)
                return
            except asyncio.QueueFull:
                await asyncio.sleep(0)

    async def _request_chunks(self, request: httpx.Request) -> AsyncIterator[bytes]:
        if isinstance(request.stream, httpx.AsyncByteStream):
            async for chunk in request.stream:
                yield chunk
        else:
            yield request.read()

    async def _receive(self) -> MutableMapping[str, Any]:
        chunk = await anext(self._chunks, None)
        if chunk is not None:
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not self._body_ended:
            self._body_ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    _body_ended = False

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if not self._gone.is_set():
            await self._messages.put(message)

    async def next_message(self) -> Any:
        """The next message of the app; None when it has ended. Its error, if that is how it ended, is raised."""
        message = await self._messages.get()
        if isinstance(message, BaseException):
            raise message
        return message

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self.next_message()) is not None:
            if message["type"] == "http.response.body":
                if message.get("body") and not self.drop_body:
                    yield message["body"]
                if not message.get("more_body", False):
                    return

    async def aclose(self) -> None:
        """Go away, and wait until the app has ended."""
        self._gone.set()
        while not self._messages.empty():
            self._messages.get_nowait()
        await asyncio.wait((self._task,), timeout=PATIENCE)
        if not self._task.done():
            self._task.cancel()
            raise TimeoutError(f"The app went on for {PATIENCE:g} seconds after its client had gone.")


def scope_of(request: httpx.Request) -> MutableMapping[str, Any]:
    """The ASGI scope that a server would make of a request."""
    raw_path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": CLIENT_ADDRESS,
        "server": (request.url.host, request.url.port or {"http": 80, "https": 443}[request.url.scheme]),
    }


class LoopTransport(httpx.BaseTransport):
    """Lets a plain client talk through an async transport, on the event loop that the process keeps."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = wait(self._transport.handle_async_request(request))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return httpx.Response(response.status_code, headers=response.headers.raw, stream=_LoopStream(response.stream))


class _LoopStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        chunks = aiter(self._stream)
        while (chunk := wait(anext(chunks, None))) is not None:
            yield chunk

    def close(self) -> None:
        wait(self._stream.aclose())

"""Apps of other frameworks, mounted under a prefix: views that pass a request on.

A WSGI app becomes a plain view and an ASGI app an async one, so that either is
served under both protocols, with middleware, signals and clean-up as for any
other view.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from werkzeug.datastructures import Headers
from werkzeug.routing import WebsocketMismatch
from werkzeug.wsgi import ClosingIterator

from webframe._lazy import LateModule
from webframe.core.exceptions import ClientDisconnected, HTTPError, ImproperlyConfigured
from webframe.http.environ import as_latin_1, decode_path
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.http.wire import BODILESS
from webframe.waiting import is_async

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

# Where the environ or scope of a request that is passed on has that request: an app of ours that gets it in a wrapping
# leaves the request signals to the outer app.
MOUNTED = "webframe.mounted"

# Seconds in which an ASGI app may say a body that is not sent, as to HEAD: to some bodies there is no end.
PATIENCE = 3


def mounted_view(app: Any, protocol: str | None) -> Callable[..., Any]:
    """A view that passes its requests on to a WSGI or an ASGI app."""
    if not callable(app):
        raise ImproperlyConfigured(f"{app!r} cannot be mounted: it is not callable, so it is no WSGI or ASGI app.")
    if protocol is None:
        protocol = "asgi" if is_async(app) else "wsgi"
    if protocol == "wsgi":
        return WSGIMount(app)
    if protocol == "asgi":
        return ASGIMount(app)
    raise ImproperlyConfigured(f"The protocol of a mounted app is 'wsgi' or 'asgi', not {protocol!r}.")


class WSGIMount:
    """Passes requests on to a WSGI app."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app
        self.__name__ = self.__qualname__ = getattr(app, "__name__", type(app).__name__)
        self.__module__ = getattr(app, "__module__", type(app).__module__)

    def __call__(self, request: Request, mount_path: str) -> Response:
        if not isinstance(request, Request):
            raise WebsocketMismatch  # WSGI knows no WebSockets
        environ = dict(request.environ)
        root_path = request.around[0][0] if request.around else request.root_path  # with what a trusted proxy says
        environ["SCRIPT_NAME"] = as_latin_1(root_path + request.route.rule)
        environ["PATH_INFO"] = _raw_path(environ, mount_path)
        environ["wsgi.input"] = body = WSGIInput(request.stream)
        environ["wsgi.input_terminated"] = True
        environ[MOUNTED] = request
        environ.pop("werkzeug.request", None)
        try:
            chunks, status, headers = WSGIAnswer().begin(self.app, environ)
        except Exception:
            body.raise_refusal()
            raise
        response = Response(chunks, status=status)
        if body.refusal is not None:
            try:
                response.close()
            finally:
                body.raise_refusal()
        response.headers = Headers(headers)  # these and no others
        return response


def _raw_path(environ: Mapping[str, Any], mount_path: str) -> str:
    """What of PATH_INFO is below a mount, with the bytes that the client sent."""
    path: str = environ.get("PATH_INFO") or "/"
    if not path.isascii() and path == decode_path(environ, "PATH_INFO"):
        path = as_latin_1(path)  # a transport in memory has put the text itself there
    # Counted in slashes, because what is not UTF-8 has another length when it is decoded.
    depth = mount_path.count("/")
    return "".join(f"/{segment}" for segment in path.rsplit("/", depth)[1:]) if depth else ""


class WSGIAnswer:
    """What a WSGI app answers, up to the first bytes of its body: until then it may begin anew, to tell of an error."""

    def __init__(self) -> None:
        # Status and headers, as the app has given them last.
        self._start: tuple[str, list[tuple[str, str]]] | None = None
        # The beginning of the body: what the app has written, or the first chunk that is not empty.
        self._chunks: list[bytes] = []

    def begin(
        self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Call an app; its body, status and headers. If that fails the body is closed, as it is by whoever gets it."""
        body = app(environ, self._start_response)
        close = getattr(body, "close", None)
        try:
            rest = iter(body)
            while not (self._start and self._chunks) and (chunk := next(rest, None)) is not None:
                self._write(chunk)
            if self._start is None:
                raise RuntimeError(f"The mounted app {app!r} gave a body without calling start_response().")
        except BaseException:
            if close is not None:
                close()
            raise
        return ClosingIterator(chain(self._chunks, rest), close), *self._start

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """As PEP 3333 has it: with `exc_info` in place of what was given before, unless bytes have followed that."""
        try:
            if exc_info and self._chunks:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None  # its traceback has this frame
        self._start = status, headers
        return self._write

    def _write(self, chunk: bytes) -> None:
        if chunk:
            self._chunks.append(chunk)


class WSGIInput(io.RawIOBase):
    """The body of a request as PEP 3333 wants it: reads as much as it is asked for, and is iterated by lines."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        # Why it could not be read, if so: too large, cut short ... To a mounted app that is an error like any other.
        self.refusal: HTTPError | ClientDisconnected | None = None

    def raise_refusal(self) -> None:
        """Raise the error that reading the body ended with, if it did: it comes before what the app made of it."""
        refusal, self.refusal = self.refusal, None
        try:
            if refusal is not None:
                raise refusal
        finally:
            del refusal  # its traceback has this frame

    def readable(self) -> bool:
        """True: everything but reading is refused."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer only at the end of the body; all that remain if it is negative or None."""
        if size is None or size < 0:
            return self._read(self._stream.read, -1)
        pieces = []
        while size > 0 and (piece := self._read(self._stream.read, size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to the end of a line, or up to `size` bytes."""
        return self._read(self._stream.readline, -1 if size is None else size)

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except (HTTPError, ClientDisconnected) as error:
            self.refusal = error
            raise


class ASGIMount:
    """Passes requests, and WebSockets, on to an ASGI app."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app
        self.__name__ = self.__qualname__ = getattr(app, "__name__", type(app).__name__)
        self.__module__ = getattr(app, "__module__", type(app).__module__)

    async def __call__(self, request: Any, mount_path: str) -> Response | None:
        if not isinstance(request, Request):
            await request.hand_over(self.app, self.scope_of(request.request, mount_path))
            return None
        conversation = _Conversation(self.app, request, self.scope_of(request, mount_path))
        return await conversation.response()

    def scope_of(self, request: Request, mount_path: str) -> dict[str, Any]:
        """The scope as the mounted app sees it."""
        if request.scope is not None:
            scope = dict(request.scope)
        else:
            scope = _scope_from_environ(request)
        whole = request.root_path + request.path
        scope["root_path"] = whole[: len(whole) - len(mount_path)]
        scope["path"] = whole
        scope["extensions"] = {
            name: extension
            for name, extension in (scope.get("extensions") or {}).items()
            if not name.startswith("http.response.")  # the server's, whom such messages would not reach
        }
        scope[MOUNTED] = request
        return scope


def _scope_from_environ(request: Request) -> dict[str, Any]:
    """The ASGI scope of a WSGI request."""
    environ = request.environ
    port = environ.get("SERVER_PORT", "80")
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "method": request.method,
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "query_string": request.query_string,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers],
        "client": (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)),
        "server": (environ.get("SERVER_NAME", ""), int(port) if port.isdigit() else None),
    }
    if target.startswith("/"):  # as the client has written it; PEP 3333 asks no server for that
        scope["raw_path"] = target.partition("?")[0].encode("latin-1", "replace")
    return scope


class _Conversation:
    """One request to a mounted ASGI app, which runs in a task of its own.

    Once its body is complete it runs to its end, before the request finishes,
    as background tasks do; else it is cancelled when the request ends. A body
    that is not to be sent, to HEAD and the like, it may complete until then.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], request: Request, scope: MutableMapping[str, Any]) -> None:
        self.app = app
        self.request = request
        self.scope = scope
        # From the app: messages, then None, or the error that ended it. One at a time, so that it waits for the client.
        self.messages: asyncio.Queue[Any] = asyncio.Queue(1)
        self.body_sent = False
        # Set when nobody listens to the app any more.
        self.gone = asyncio.Event()
        # Whether it was cancelled for that.
        self.is_stopped = False
        # Whether the app has said all of its response, and how it failed after that.
        self.is_complete = False
        self.failure: BaseException | None = None
        # Why the body of the request could not be read, if so: that comes before what the app made of it.
        self.refusal: HTTPError | ClientDisconnected | None = None

    async def response(self) -> Response:
        """Start the app and wait for the beginning of its response."""
        self.request.on_close(self._end, asyncio.create_task(self._run()))
        message = await self._beginning()
        if message is None:
            raise RuntimeError(f"The mounted app {self.app!r} ended without a response.")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())]
        response = Response(self._body(), status=message["status"])
        response.headers.clear()
        response.headers.extend(headers)
        return response

    async def _beginning(self) -> Any:
        try:
            while (message := await self._next()) is not None and message["type"] != "http.response.start":
                pass
        except Exception:
            if self.refusal is not None:
                raise self.refusal from None
            raise
        if self.refusal is not None:
            raise self.refusal
        return message

    async def _end(self, task: asyncio.Task[None]) -> None:
        self.gone.set()
        if self._is_without_body():
            self._drop_messages()
            timer = asyncio.get_running_loop().call_later(PATIENCE, self._stop, task)
            await asyncio.wait((task,))
            timer.cancel()
            self._drop_messages()
        else:
            self._stop(task)
            await asyncio.wait((task,))
        failure, self.failure = self.failure, None
        refusal, self.refusal = self.refusal, None
        if failure is not None and failure is not refusal:
            raise failure

    def _is_without_body(self) -> bool:
        """Whether there is a response, and one of which only the headers are sent."""
        response = self.request.response
        return response is not None and (self.request.method == "HEAD" or response.status_code in BODILESS)

    def _drop_messages(self) -> None:
        """Make room for what the app has to say yet; what it has ended with is kept."""
        while not self.messages.empty():
            message = self.messages.get_nowait()
            if isinstance(message, BaseException):
                self.failure = message

    def _stop(self, task: asyncio.Task[None]) -> None:
        if not self.is_complete:
            self.is_stopped = True
            task.cancel()

    async def _body(self) -> AsyncIterator[bytes]:
        while (message := await self._next()) is not None:
            if message["type"] == "http.response.body":
                yield message.get("body", b"")
                if not message.get("more_body", False):
                    return

    async def _next(self) -> Any:
        message = await self.messages.get()
        if isinstance(message, BaseException):
            raise message
        return message

    async def _run(self) -> None:
        outcome: BaseException | None = None
        try:
            await self.app(self.scope, self._receive, self._send)
        except asyncio.CancelledError as error:
            if self.is_stopped:
                raise
            outcome = RuntimeError(f"The mounted app {self.app!r} was cancelled, by itself or by what it awaited.")
            outcome.__cause__ = error
        except BaseException as error:  # SystemExit, too, is to be raised in the task of the request
            outcome = error
        if not self.is_complete and not self.gone.is_set():
            await self.messages.put(outcome)
        elif not self.is_stopped:
            self.failure = outcome

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if self.gone.is_set():
            await asyncio.sleep(0)  # nobody takes it, but others have their turn
        elif not self.is_complete:
            await self.messages.put(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False) and not self.is_stopped:
            self.is_complete = True

    async def _receive(self) -> MutableMapping[str, Any]:
        if self.body_sent:
            await self.gone.wait()
        if self.body_sent or isinstance(self.refusal, ClientDisconnected):
            return {"type": "http.disconnect"}
        stream: Any = self.request.stream
        try:
            body = await stream.aread(64 * 1024)
        except ClientDisconnected as error:
            self.refusal = error
            return {"type": "http.disconnect"}
        except HTTPError as error:
            self.refusal = error
            raise
        self.body_sent = not body
        return {"type": "http.request", "body": body, "more_body": bool(body)}

    def __repr__(self) -> str:
        return f"<conversation with the mounted app {self.app!r}>"

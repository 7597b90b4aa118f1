"""httpx transports that call an app, and do what httpx's own leave out.

Responses really stream, bodies are always closed, also those of responses that
nobody reads, uploads are read as far as the app reads them, non-ASCII paths
arrive, start-up and shutdown run, and context variables that the app sets do
not leak into the test.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, MutableMapping
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Self

from webframe.core.handlers.streaming import shielded
from webframe.test._httpx import httpx
from webframe.test.lifespan import PATIENCE, Life, life_of
from webframe.test.recording import ContextList, Recording
from webframe.test.requests import Upload, environ_of, scope_of
from webframe.waiting import refuse_on_loop, wait
from webframe.workers import run, run_on_process_loop

if TYPE_CHECKING:
    from webframe.template import Template

Message = MutableMapping[str, Any]


class ClientResponse(httpx.Response):
    """A response, and what was heard of the app while it was made."""

    # The client that it came from: `Client` and `AsyncClient` say so.
    client: Any = None
    # Nothing was heard where somebody else's transport has made the response.
    _recording: Recording | None = None

    @property
    def templates(self) -> list[Template]:
        """The templates that were rendered for it, in order; those of a stream as far as it was read."""
        return [] if self._recording is None else self._recording.templates

    @property
    def context(self) -> ContextList | None:
        """The contexts of these templates, by number or by the name of a variable; None where there is no template."""
        return (self._recording and self._recording.contexts) or None

    @property
    def redirect_chain(self) -> list[tuple[str, int]]:
        """Each redirect that was followed: where it led, and its status."""
        return [(response.headers["Location"], response.status_code) for response in self.history]


def _response(
    status: int, headers: list[tuple[bytes, bytes]], stream: Any, recording: Recording, reason: str = ""
) -> ClientResponse:
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1"}
    if reason:
        extensions["reason_phrase"] = reason.encode("latin-1")
    response = ClientResponse(status, headers=headers, stream=stream, extensions=extensions)
    response._recording = recording
    return response


# --- WSGI -----------------------------------------------------------------------------------------------------------


class WSGITransport(httpx.BaseTransport):
    """Calls a WSGI app, in this thread and in a context of its own."""

    def __init__(self, app: Callable[..., Any], *, raise_app_exceptions: bool = True, lifespan: bool = True) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        # Only an app that speaks ASGI too has one.
        self._life = life_of(app, "wsgi") if lifespan else None

    def __enter__(self) -> Self:
        if self._life is not None:
            run_on_process_loop(self._life.start())
        return self

    def close(self) -> None:
        """Run shutdown, if start-up was run."""
        if self._life is not None and self._life.running:
            run_on_process_loop(self._life.stop())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Call the app; the response is there with the first piece of its body."""
        _end_dropped()
        context = copy_context()
        recording = Recording(self.raise_app_exceptions)
        environ = environ_of(request)
        start = _StartResponse()
        stream = _WSGIStream(context, recording, getattr(environ["wsgi.input"], "raw", None))
        try:
            context.run(recording.begin)
            stream.result = context.run(self.app, environ, start)
            stream.check()
            stream.begin(start)
            stream.check()
        except BaseException:
            stream.close()
            raise
        if request.method == "HEAD":
            stream.pieces = iter(())
        status, _, reason = start.status.partition(" ")
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in start.headers]
        return _response(int(status), raw, stream, recording, reason)


class _StartResponse:
    """What a server gives to a WSGI app, for the beginning of its response."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        # Whether the client has seen these.
        self.is_sent = False
        # What came by the callable that this returns: the way of old apps to send a body.
        self.written: list[bytes] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        if self.status and exc_info is None:
            raise RuntimeError("The app called start_response twice; the second time exc_info has to say why.")
        if self.is_sent:
            raise exc_info[1]
        self.status, self.headers = status, headers
        return self.written.append


class _WSGIStream(httpx.SyncByteStream):
    """The body of a response as the app makes it, closed when it was read, left or dropped."""

    def __init__(self, context: Context, recording: Recording, upload: Upload | None) -> None:
        self.result: Iterable[bytes] = ()
        self.pieces: Iterator[bytes] = iter(())
        self._context = context
        self._recording = recording
        self._upload = upload
        self._closed = False

    def check(self) -> None:
        """Raise what has gone wrong so far and came as no error: with the body of the request, or in the app."""
        upload, self._upload = self._upload, None
        if upload is not None and upload.error is not None:
            raise upload.error
        self._upload = upload
        self._recording.check()

    def begin(self, start: _StartResponse) -> None:
        """Take the first piece, or as many as it takes until the app has said how its response begins."""
        pieces = self._context.run(iter, self.result)
        first = None
        while not start.status or first is None:
            first = self._context.run(next, pieces, None)
            if first is None:
                break
        if not start.status:
            raise RuntimeError("The app ended without a response: it has not called start_response().")
        start.is_sent = bool(first or start.written)
        self.pieces = self._rest(start, first, pieces)

    def _rest(self, start: _StartResponse, piece: bytes | None, pieces: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            while start.written:
                yield start.written.pop(0)
            if piece is None:
                break
            if piece:
                start.is_sent = True
                yield piece
            piece = self._context.run(next, pieces, None)
        self.check()

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        """Close the body, once, and listen no more."""
        if not self._closed:
            self._closed = True
            try:
                self._close_result()
            finally:
                self._recording.end()

    def _close_result(self) -> None:
        close = getattr(self.result, "close", None)
        if close is not None:
            self._context.run(close)

    def __del__(self) -> None:
        if not self._closed:
            self._closed = True
            _dropped.append(self._recording)
            self._close_result()


# What listens still for responses that were dropped unread: ended by the next request, because what the collector of
# garbage calls must not wait for locks.
_dropped: deque[Recording] = deque()


def _end_dropped() -> None:
    while _dropped:
        _dropped.popleft().end()


# --- ASGI -----------------------------------------------------------------------------------------------------------


class ASGITransport(httpx.AsyncBaseTransport):
    """Calls an ASGI app in a task of its own, and hands its response on as it comes."""

    def __init__(self, app: Callable[..., Any], *, raise_app_exceptions: bool = True, lifespan: bool = True) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        self._life = Life(app) if lifespan else None

    async def __aenter__(self) -> Self:
        if self._life is not None:
            await self._life.start()
        return self

    async def aclose(self) -> None:
        """Run shutdown, if start-up was run."""
        if self._life is not None:
            await self._life.stop()

    def scope_of(self, request: httpx.Request) -> Message:
        """The scope of a request, with the state that start-up has left."""
        scope = scope_of(request)
        if self._life is not None and self._life.running:
            scope["state"] = dict(self._life.state)
        return scope

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Call the app; the response is there as soon as it begins."""
        exchange = _Exchange(self.app, self.scope_of(request), request, Recording(self.raise_app_exceptions))
        try:
            start = await exchange.begin()
        except BaseException:
            await exchange.leave(in_peace=False)
            raise
        stream = _ASGIStream(exchange, with_body=request.method != "HEAD")
        headers = [(bytes(name), bytes(value)) for name, value in start.get("headers", ())]
        return _response(start["status"], headers, stream, exchange.recording)


class _Exchange:
    """A request and its response, between the client and an ASGI app in a task of its own."""

    def __init__(self, app: Callable[..., Any], scope: Message, request: httpx.Request, recording: Recording) -> None:
        self.app = app
        self.scope = scope
        self.recording = recording
        self._loop = asyncio.get_running_loop()
        # The body of the request: pieces that are to come, and the task that waits for the next one.
        self._pieces = _pieces_of(request)
        self._coming: asyncio.Task[Message] | None = None
        self._client_context = copy_context()
        self._body_ended = False
        # What the app has sent, then how it ended. One message at a time: a fast app waits for a slow client.
        self._sent: asyncio.Queue[Message | _Ended] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)
        # Done when the client has gone.
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._left = False
        # An error that ended it and that nobody was told, of the app or of who makes the client's body.
        self._untold: BaseException | None = None
        context = copy_context()
        context.run(recording.begin)
        self._task = self._loop.create_task(self._run(), context=context)

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self.app(self.scope, self._receive, self._send)
        except BaseException as caught:  # SystemExit, raised by a task of its own, would end the loop
            error = caught
        finally:
            self.recording.end()
        self._untold = self._untold or error
        self._sent.put_nowait(_Ended())

    # What the app is given.

    async def _receive(self) -> Message:
        while not self._gone.done():
            if self._body_ended:
                await asyncio.wait((self._gone,))
                break
            if self._coming is None:
                self._coming = self._loop.create_task(self._next_piece(), context=self._client_context.copy())
            await asyncio.wait((self._coming, self._gone), return_when=asyncio.FIRST_COMPLETED)
            coming = self._coming
            if coming is not None and coming.done() and not self._gone.done():
                self._coming = None
                error = coming.exception()
                if error is None:
                    message = coming.result()
                    self._body_ended = not message["more_body"]
                    return message
                self._fail(error)
        return {"type": "http.disconnect"}

    async def _next_piece(self) -> Message:
        piece = await anext(self._pieces, None)
        if isinstance(piece, _Whole):
            return {"type": "http.request", "body": piece.body, "more_body": False}
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    def _fail(self, error: BaseException) -> None:
        """The client's own code, which makes the body, has failed: to the app, the client has gone."""
        self._untold = error
        self._sent.put_nowait(_Ended())
        self.disappear()

    async def _send(self, message: Message) -> None:
        await self._room.acquire()
        if self._gone.done():
            self._room.release()  # nobody listens, and nobody need wait for that
            await asyncio.sleep(0)  # an app that never stops must not keep the loop to itself
        else:
            self._sent.put_nowait(message)

    # What the client asks.

    async def begin(self) -> Message:
        """Wait for the beginning of the response."""
        message = await self.next_message()
        self.recording.check()
        if message is None:
            raise RuntimeError("The app ended without a response.")
        if message["type"] != "http.response.start":
            raise RuntimeError(f"The app sent {message['type']!r} before 'http.response.start'.")
        return message

    async def next_message(self) -> Message | None:
        """The next message of the app; None when it has ended. Its error, if that is how it ended, is raised."""
        message = await self._sent.get()
        if isinstance(message, _Ended):
            self._sent.put_nowait(message)
            self.raise_untold()
            return None
        self._room.release()
        return message

    def raise_untold(self) -> None:
        """Raise the error that the app has ended with, once."""
        error, self._untold = self._untold, None
        if isinstance(error, asyncio.CancelledError):
            raise RuntimeError("The app ended without a response: somebody has cancelled its task.") from error
        if error is not None:
            raise error

    def disappear(self) -> None:
        """Be gone, without waiting for anything; on the loop."""
        if not self._gone.done():
            self._gone.set_result(None)
            self._room.release()

    async def leave(self, *, in_peace: bool = True) -> None:
        """Go away, wait until the app has ended, and raise its error, `in_peace` if there is no other already."""
        if not self._left:
            self._left = True
            await shielded(self._leave(in_peace))

    async def _leave(self, in_peace: bool) -> None:
        self.disappear()
        await asyncio.wait((self._task,), timeout=PATIENCE)
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait((self._coming,), timeout=PATIENCE)
        else:
            await self._pieces.aclose()
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1)
            raise TimeoutError(f"The app went on for {PATIENCE:g} seconds after its client had gone.")
        if in_peace and not isinstance(self._untold, asyncio.CancelledError):
            self.raise_untold()

    def abandon(self) -> None:
        """Be gone, from any thread, for a response that was dropped."""
        if not self._left and not self._loop.is_closed():
            self._left = True
            self._loop.call_soon_threadsafe(self.disappear)


class _Ended:
    """The last that is heard of an app."""


class _Whole:
    """A body that is there at once."""

    def __init__(self, body: bytes) -> None:
        self.body = body


async def _pieces_of(request: httpx.Request) -> AsyncGenerator[bytes | _Whole]:
    """The body of a request, as a server receives it."""
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        yield _Whole(request.read())
    else:
        assert isinstance(stream, httpx.AsyncByteStream)
        async for piece in stream:
            yield piece


class _ASGIStream(httpx.AsyncByteStream):
    """The body of a response, as it comes."""

    def __init__(self, exchange: _Exchange, *, with_body: bool) -> None:
        self._exchange = exchange
        self._with_body = with_body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._exchange.next_message()
            if message is None:
                raise httpx.RemoteProtocolError("The app ended before its response was complete.")
            if message["type"] != "http.response.body":
                continue
            if message.get("body") and self._with_body:
                yield message["body"]
            more = message.get("more_body", False)
        self._exchange.recording.check()

    async def aclose(self) -> None:
        """Go away, and wait until the app has ended."""
        await self._exchange.leave()

    def __del__(self) -> None:
        self._exchange.abandon()


# --- ASGI for plain code --------------------------------------------------------------------------------------------


class LoopTransport(httpx.BaseTransport):
    """Lets a plain client talk through an async transport, on the event loop that the process keeps."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def __enter__(self) -> Self:
        _refuse_on_loop()
        wait(self._transport.__aenter__())
        return self

    def close(self) -> None:
        """Close the async transport."""
        wait(self._transport.aclose())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and its body piece by piece."""
        _refuse_on_loop()
        if not isinstance(request.stream, httpx.AsyncByteStream):
            stream = _Upload(request.stream)
            request = httpx.Request(
                request.method, request.url, headers=request.headers, stream=stream, extensions=request.extensions
            )
        response = wait(self._transport.handle_async_request(request))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _LoopStream(response.stream)
        return response


def _refuse_on_loop() -> None:
    refuse_on_loop("A plain Client over ASGI", "AsyncClient")


class _Upload(httpx.AsyncByteStream):
    """A plain body for an async transport."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        iterator = iter(self._stream)
        while (piece := await run(next, iterator, None)) is not None:
            yield piece


class _LoopStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        pieces = aiter(self._stream)
        while (piece := wait(anext(pieces, None))) is not None:
            yield piece

    def close(self) -> None:
        wait(self._stream.aclose())

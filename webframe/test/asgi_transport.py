"""httpx transports that call an ASGI app, for async code and for plain code.

The app runs in a task of its own. Responses are there when they begin, uploads
are asked for piece by piece, and a client that leaves waits until the app has
noticed. What the app sets in context variables does not come back into the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import suppress
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self

from webframe.core.handlers.streaming import shielded
from webframe.test._httpx import httpx
from webframe.test.lifespan import PATIENCE, Life, leaving
from webframe.test.recording import Recording
from webframe.test.requests import scope_of
from webframe.test.responses import response_of
from webframe.waiting import refuse_on_loop, wait
from webframe.workers import run

Message = MutableMapping[str, Any]


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

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with leaving(error):
            await self.aclose()

    async def aclose(self) -> None:
        """Run shutdown, if start-up was run; its error is raised, if errors are to be raised."""
        if self._life is not None:
            await self._life.stop(raising=self.raise_app_exceptions)

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
            stream = _ASGIStream(exchange, with_body=request.method != "HEAD")
            headers = [(bytes(name), bytes(value)) for name, value in start.get("headers", ())]
            return response_of(start["status"], headers, stream, exchange.recording)
        except BaseException as error:
            await exchange.leave(because=error)
            raise


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
            raise RuntimeError("Somebody has cancelled the app's task before its response was complete.") from error
        if error is not None:
            raise error

    def disappear(self) -> None:
        """Be gone, without waiting for anything; on the loop."""
        if not self._gone.done():
            self._gone.set_result(None)
            self._room.release()

    async def leave(self, *, because: BaseException | None = None) -> None:
        """Go away, and wait until the app has ended; its error is raised, unless we go because of another one."""
        if not self._left:
            self._left = True
            await shielded(self._leave(because))

    async def _leave(self, because: BaseException | None) -> None:
        self.disappear()
        await asyncio.wait((self._task,), timeout=PATIENCE)
        await self._end_upload()
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1)
            text = f"The app went on for {PATIENCE:g} seconds after its client had gone."
            if because is None:
                raise TimeoutError(text)
            because.add_note(text)
        elif because is None and not isinstance(self._untold, asyncio.CancelledError):
            self.raise_untold()

    async def _end_upload(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()
            await asyncio.wait((coming,), timeout=PATIENCE)
            if coming.done() and not coming.cancelled():
                self._untold = self._untold or coming.exception()
        else:
            await self._pieces.aclose()

    def abandon(self) -> None:
        """Be gone, from any thread, for a response that was dropped."""
        if not self._left:
            self._left = True
            with suppress(RuntimeError):  # the loop is closed, and the app with it
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


# --- for plain code


class LoopTransport(httpx.BaseTransport):
    """Lets a plain client talk through an async transport, on the event loop that the process keeps."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def __enter__(self) -> Self:
        _refuse_on_loop()
        wait(self._transport.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        wait(self._transport.__aexit__(kind, error, traceback))

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

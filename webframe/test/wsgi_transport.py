"""An httpx transport that calls a WSGI app.

Responses stream, bodies are always closed, also those of responses that nobody
reads, and uploads are read as far as the app reads them. Each request has a
context of its own, from which nothing comes back into the test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Self

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.test._httpx import httpx
from webframe.test.lifespan import leaving, life_of, wait_anywhere
from webframe.test.recording import Recording
from webframe.test.requests import Upload, environ_of
from webframe.test.responses import response_of
from webframe.waiting import refuse_on_loop


class WSGITransport(httpx.BaseTransport):
    """Calls a WSGI app, in this thread and in a context of its own."""

    def __init__(self, app: Callable[..., Any], *, raise_app_exceptions: bool = True, lifespan: bool = True) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        # Only an app that speaks ASGI too has one.
        self._life = life_of(app, "wsgi") if lifespan else None

    def __enter__(self) -> Self:
        if self._life is not None:
            wait_anywhere(self._life.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with leaving(error):
            self.close()

    def close(self) -> None:
        """Run shutdown, if start-up was run; its error is raised, if errors are to be raised."""
        if self._life is not None and self._life.running:
            wait_anywhere(self._life.stop(raising=self.raise_app_exceptions))

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
            with _blaming_the_client():
                stream.result = context.run(self.app, environ, start)
                stream.check()
                stream.begin(start)
                stream.check()
            if request.method == "HEAD":
                stream.pieces = iter(())
            status, _, reason = start.status.partition(" ")
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in start.headers]
            return response_of(int(status), raw, stream, recording, reason)
        except BaseException:
            stream.close()
            raise


@contextmanager
def _blaming_the_client() -> Iterator[None]:
    """Where an app must not wait because the test's own event loop runs in this thread, say so: its code is right."""
    try:
        yield
    except SynchronousOnlyOperation:
        refuse_on_loop("What this app does for a plain Client", "AsyncClient")
        raise


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
            with _blaming_the_client():
                piece = self._context.run(next, pieces, None)
        with _blaming_the_client():
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

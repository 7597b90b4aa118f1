"""What is checked about a request before anybody looks at it, and how it and its body come in under ASGI.

Host, number and size of header fields, Content-Length against the limit of the
route. What is wrong is raised as an `HTTPError`; the edges make an endpoint of
it, so that middleware and error handlers see it like any other error.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import IO, Any, BinaryIO, NamedTuple, cast

from webframe.conf import settings
from webframe.core.exceptions import (
    ClientDisconnected,
    DisallowedHost,
    RequestDataTooBig,
    RequestHeadersTooBig,
    RequestTimeout,
)
from webframe.core.handlers.streaming import in_time
from webframe.http.body import too_big
from webframe.http.request import Request
from webframe.waiting import wait
from webframe.workers import run

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class HeaderLimits(NamedTuple):
    """How many header fields a request may have, and how many bytes they may have together."""

    fields: int
    bytes: int

    @classmethod
    def from_settings(cls) -> HeaderLimits:
        """The limits that the settings give."""
        return cls(settings.MAX_HEADER_COUNT, settings.MAX_HEADER_SIZE)


def check_environ_headers(environ: Mapping[str, Any], limits: HeaderLimits) -> None:
    """Refuse a WSGI request with too many header fields, or larger ones than allowed.

    The handler calls this when the environ has more keys than header fields
    are allowed: to measure ordinary requests one by one would cost two fifths of
    what a small one takes. The length of single lines, and so of a few of them
    together, is the server's duty.
    """
    fields = [(name, value) for name, value in environ.items() if name.startswith("HTTP_")]
    _check(len(fields), sum(len(name) - 5 + len(value) for name, value in fields), limits)


def _check(count: int, size: int, limits: HeaderLimits) -> None:
    if count > limits.fields:
        raise RequestHeadersTooBig(f"{count} header fields; at most {limits.fields} are allowed (MAX_HEADER_COUNT).")
    if size > limits.bytes:
        raise RequestHeadersTooBig(
            f"{size} bytes of header fields; at most {limits.bytes} are allowed (MAX_HEADER_SIZE)."
        )


def check_content_length(request: Request) -> None:
    """Refuse a body whose declared length is malformed (`BadRequest`) or over the limit (`RequestDataTooBig`)."""
    length = request.content_length
    if length is None or request.limits.allow(length):
        return
    maximum = request.max_content_length
    if maximum is not None and length > maximum:
        raise RequestDataTooBig(too_big(maximum))


def check_headers(scope: Mapping[str, Any], limits: HeaderLimits) -> tuple[bytes | None, bool]:
    """Look through the header fields of an ASGI request once: its host, and whether a body comes with it.

    Raises `RequestHeadersTooBig`, and `DisallowedHost` for more than one Host field.
    """
    host = None
    announced = scope["method"] not in _BODILESS
    size = 0
    headers = scope["headers"]
    for name, value in headers:
        size += len(name) + len(value)
        if name not in _TELLING:
            continue
        if name != b"host":
            announced = True
        elif host is None:
            host = value
        else:
            raise DisallowedHost("The request has more than one Host header field.")
    if size > limits.bytes or len(headers) > limits.fields:
        _check(len(headers), size, limits)
    return host, announced


# Fields that say for whom a request is, or that a body comes with it.
_TELLING = frozenset({b"host", b"content-length", b"transfer-encoding"})

# Methods whose requests have no body unless a header field announces one.
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


# A target in absolute form (RFC 9112 section 3.2.2), without its query.
_ABSOLUTE = re.compile(rb"https?://([^/?#%]*)(/.*)?", re.IGNORECASE | re.DOTALL)


def in_origin_form(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The scope as it would be if the client had sent only the path; itself, if there is no whole address in it.

    The host of the address takes the place of the Host header, as RFC 9112 demands. Two of these are still refused.
    """
    raw_path: bytes = scope.get("raw_path") or b""
    match = _ABSOLUTE.fullmatch(raw_path)
    # What comes before the path is the same in both, for nothing of it is encoded.
    if match is None or not scope["path"].startswith(raw_path[: match.end(1)].decode("latin-1")):
        return scope
    headers = scope["headers"]
    others = [field for field in headers if field[0] != b"host"]
    if len(headers) - len(others) < 2:
        headers = [(b"host", match[1]), *others]
    path = scope["path"][match.end(1) :]
    return {**scope, "path": path or "/", "raw_path": match[2] or b"/", "headers": headers}


async def read_body(receive: Receive, request: Request) -> BinaryIO:
    """Receive the whole body, in memory up to `limits.spool_size` and on disk beyond.

    Raises `ClientDisconnected`, `RequestDataTooBig` as soon as more has come
    than the limit (whatever Content-Length said), and `RequestTimeout` when
    nothing comes for BODY_TIMEOUT seconds.
    """
    check_content_length(request)
    if request.content_length == 0:
        return io.BytesIO()
    message = await _receive_in_time(receive)
    chunk = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and request.limits.allow(len(chunk)):
        return io.BytesIO(chunk)  # all of it at once, as most bodies come
    incoming = IncomingBody(receive, request.max_content_length)
    first = incoming.take(message)
    if incoming.exhausted:
        return io.BytesIO(first)
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(request.limits.spool_size))
    try:
        file.write(first)
        while not incoming.exhausted:
            file.write(await incoming.next())
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def spool_body(request: Request) -> None:
    """Read the body of a WSGI request to its end, for code that must not block the event loop by reading it."""
    stream = request.stream
    if isinstance(stream, io.BytesIO):
        return
    file = tempfile.SpooledTemporaryFile(request.limits.spool_size)
    request.on_close(file.close)
    shutil.copyfileobj(stream, file)
    file.seek(0)
    request.stream = cast(BinaryIO, file)


class IncomingBody:
    """The body of a request as it comes in, for async views with ``stream=True``, and under ASGI for plain ones.

    Read it with ``async for chunk in request.stream`` or ``await
    request.stream.aread(size)``; in a plain view with ``read``, ``readline`` or
    a plain ``for``. The limit of the route and BODY_TIMEOUT hold here too.
    """

    def __init__(self, receive: Receive, maximum: int | None) -> None:
        self._receive = receive
        self._maximum = sys.maxsize if maximum is None else maximum
        self._received = 0
        # Received but not yet read.
        self._rest = b""
        # Whether everything has been received.
        self.exhausted = False

    @classmethod
    def over_file(cls, file: IO[bytes], maximum: int | None) -> IncomingBody:
        """A stream over a file that blocks, read in the request's worker."""

        async def receive() -> Mapping[str, Any]:
            chunk = await run(file.read, 64 * 1024)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

        return cls(receive, maximum)

    async def aread(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, at least one unless the body is at its end; all of it if `size` is negative."""
        chunks = []
        while not self.exhausted and (size < 0 or not self._rest):
            chunks.append(self._rest)
            self._rest = await self.next()
        data = b"".join(chunks) + self._rest
        if size < 0:
            self._rest = b""
            return data
        self._rest = data[size:]
        return data[:size]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._rest or not self.exhausted:
            chunk, self._rest = self._rest or await self.next(), b""
            if chunk:
                yield chunk

    def read(self, size: int | None = -1) -> bytes:
        """Like `aread`, for plain code; not on an event loop."""
        return wait(self.aread(-1 if size is None else size))

    def readline(self, size: int | None = -1) -> bytes:
        """The next line, or up to `size` bytes of it; for plain code."""
        limit = sys.maxsize if size is None or size < 0 else size
        line = b""
        while len(line) < limit and not line.endswith(b"\n"):
            if not self._rest and not (piece := self.read(64 * 1024)):
                break
            elif not self._rest:
                self._rest = piece
            end = min(self._rest.find(b"\n") + 1 or len(self._rest), limit - len(line))
            line, self._rest = line + self._rest[:end], self._rest[end:]
        return line

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(64 * 1024), b"")

    async def next(self) -> bytes:
        """The next piece as the server gives it."""
        return self.take(await _receive_in_time(self._receive))

    def take(self, message: Mapping[str, Any]) -> bytes:
        """The piece that a message of the server brings."""
        if message["type"] == "http.disconnect":
            self.exhausted = True
            raise ClientDisconnected("The client went away before its body was complete.")
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        self.exhausted = not message.get("more_body", False)
        if self._received > self._maximum:
            raise RequestDataTooBig(too_big(self._maximum))
        return chunk


async def _receive_in_time(receive: Receive) -> Mapping[str, Any]:
    patience = settings.BODY_TIMEOUT
    try:
        return await in_time(receive(), patience)
    except TimeoutError:
        raise RequestTimeout(f"Nothing of the body came for {patience:g} seconds.") from None


class InPieces:
    """The body of a WSGI request for a plain view with ``stream=True``: like `IncomingBody` it is iterated in pieces.

    A file is iterated by lines, and in a body that is no text a line may be all of it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(64 * 1024), b"")

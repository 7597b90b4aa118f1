"""Reading the body of a request: no further than it goes, no further than is allowed.

`open_body` says what `request.stream` is, for both protocols. What the bytes mean is the business of `forms` and of
the JSON provider.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from webframe.core.exceptions import BadRequest, ClientDisconnected, HTTPError, RequestDataTooBig, RequestTimeout

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Bytes asked for at once when all of a body is read (what werkzeug takes).
CHUNK = 64 * 1024


def open_body(raw: IO[bytes], length: int | None, maximum: int, terminated: bool) -> IO[bytes]:
    """Return a stream that is safe to read to its end.

    `length` is what Content-Length promises, None if it does not; `maximum` is the limit in bytes; `terminated` says
    that `raw` ends where the body ends (PEP 3333 leaves that open, ``wsgi.input_terminated`` promises it). A file in
    memory always ends. A body that is neither terminated nor has a length cannot be read, and counts as empty.

    Raises `RequestDataTooBig` at once if the promised length is over the limit, and the stream raises it when the body
    turns out to be. A body that ends before the promised length is a `BadRequest`: whether the client went away or lied
    cannot be told. A connection that fails is `ClientDisconnected`, a server that gives up waiting `RequestTimeout`;
    any other error of the server's, about chunks that are none for example, is a `BadRequest`.
    """
    if length is not None and length > maximum:
        raise RequestDataTooBig(too_big(maximum))
    if isinstance(raw, io.BytesIO):
        remaining = raw.getbuffer().nbytes - raw.tell()
        if remaining <= maximum and length in (None, remaining):
            return raw
        terminated = terminated or length is None
    if not terminated and length is None:
        return io.BytesIO()
    return cast(IO[bytes], BodyStream(raw, length, maximum, terminated))


class BodyStream(io.RawIOBase):
    """The body of a request, as long as its Content-Length says and never longer than allowed."""

    def __init__(self, raw: IO[bytes], length: int | None, maximum: int, terminated: bool) -> None:
        self._raw = raw
        self._length = length
        self._maximum = maximum
        # How far we may read: a body that ends by itself is asked for one byte more than allowed, to see that it ends.
        self._end = maximum + 1 if terminated or length is None else length
        # Bytes read so far.
        self._position = 0

    def readable(self) -> bool:
        """True: everything but reading is refused."""
        return True

    def tell(self) -> int:
        """Return the number of bytes read so far."""
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes; all that remain if it is negative or None."""
        if size is None or size < 0:
            return self.readall()
        return self._take(self._raw.read, size)

    def readall(self) -> bytes:
        """Read all bytes that remain."""
        pieces = []
        while piece := self._take(self._raw.read, CHUNK):
            pieces.append(piece)
        return b"".join(pieces)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to the end of a line, or up to `size` bytes."""
        return self._take(self._raw.readline, self._end if size is None or size < 0 else size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        size = min(size, self._end - self._position)
        if size <= 0:
            if self._position > self._maximum:
                raise RequestDataTooBig(too_big(self._maximum))
            return b""
        try:
            data = read(size)
        except (HTTPError, ClientDisconnected):
            raise
        except TimeoutError as error:
            raise RequestTimeout("The body did not arrive in time.") from error
        except (OSError, ValueError) as error:
            raise ClientDisconnected(f"The body could not be read after {self._position} bytes: {error}") from error
        except Exception as error:  # the server's own, such as gunicorn's for chunks that are none
            raise BadRequest(f"The body is malformed after {self._position} bytes.") from error
        self._position += len(data)
        if self._position > self._maximum:
            raise RequestDataTooBig(too_big(self._maximum))
        if not data and self._length is not None and self._position < self._length:
            raise BadRequest(f"The body ended after {self._position} of {self._length} bytes.")
        return data


def too_big(maximum: int) -> str:
    """Return the sentence that tells a client how much is allowed."""
    return f"The body has more than the {maximum} bytes that are allowed here."

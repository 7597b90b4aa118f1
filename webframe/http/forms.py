"""Multipart forms: what fills `request.form` and `request.files` when files may be uploaded.

werkzeug's decoder takes the body apart; here its events become fields and files, are held against the limits of the
request, and what is malformed is refused where werkzeug would return an empty form. Urlencoded forms are in `parsing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import IO, Any

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from webframe.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from webframe.http.body import CHUNK, too_big
from webframe.http.limits import MULTIPART, Limits

URLENCODED = "application/x-www-form-urlencoded"

# The charsets in which a part may say that it is written (werkzeug's list: others have surprises).
CHARSETS = frozenset({"ascii", "us-ascii", "utf-8", "iso-8859-1"})


class FormParser(FormDataParser):
    """Parses multipart forms within limits; for any other body the form is empty and the stream not touched.

    Too many fields or files, or too much text, is a `RequestDataTooBig`; a malformed form is a `BadRequest`.
    """

    # The limits of the request; `Request.make_form_data_parser` sets them.
    limits: Limits

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the stream, now read to its end if it was a form, the fields and the files."""
        if mimetype == MULTIPART:
            fields, files = self._parse_parts(stream, content_length, options or {})
            return stream, self.cls(fields), self.cls(files)
        return stream, self.cls(), self.cls()

    def _parse_parts(
        self, stream: IO[bytes], content_length: int | None, options: dict[str, str]
    ) -> tuple[list[tuple[str, str]], list[tuple[str, FileStorage]]]:
        parts = _Parts(self, content_length)
        try:
            for event in self._events(stream, options.get("boundary", "")):
                parts.take(event)
        except BaseException as error:
            parts.close()
            if isinstance(error, ValueError):
                raise BadRequest(f"The multipart form is malformed: {error}") from error
            if isinstance(error, RequestEntityTooLarge):
                raise RequestDataTooBig("A part of the multipart form has too large a head.") from error
            raise
        return parts.fields, parts.files

    def _events(self, stream: IO[bytes], boundary: str) -> Iterator[Event]:
        if not boundary:
            raise BadRequest("A multipart form must name its boundary in the Content-Type.")
        # The decoder's own limit is for all that it has not taken apart yet. That is never more than one chunk of
        # contents, so what it limits is the text before a part begins: here to as much as a field may have.
        limit = self.max_form_memory_size
        decoder = MultipartDecoder(
            boundary.encode("ascii"),
            max_form_memory_size=None if limit is None else limit + 2 * CHUNK,
            max_parts=self.max_form_parts,
        )
        for chunk in chain(_whole_boundaries(stream, len(boundary)), (None,)):
            decoder.receive_data(chunk)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                yield event


class _Parts:
    """Fields and files, put together from the decoder's events."""

    def __init__(self, parser: FormParser, content_length: int | None) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []
        self._parser = parser
        self._limits = parser.limits
        self._content_length = content_length
        # The part whose contents are coming in, and what has come: pieces of text, or the file it is written to.
        self._part: Field | File | None = None
        self._text: list[bytes] = []
        self._file: IO[bytes] | None = None
        # Bytes of text, in this field and in all of them with their names.
        self._size = 0
        self._total = 0

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Data):
            self._take_data(event)
        elif isinstance(event, Field):
            self._begin(event)
            if len(self.fields) >= self._limits.max_fields:
                raise TooManyFieldsSent(f"The form has more than {self._limits.max_fields} fields.")
            self._text, self._size = [], 0
            self._count(len(event.name))
        elif isinstance(event, File):
            self._begin(event)
            if len(self.files) >= self._limits.max_files:
                raise TooManyFilesSent(f"The form has more than {self._limits.max_files} files.")
            self._file = self._open(event)

    def close(self) -> None:
        """Close all files: the form is not going to be used."""
        if self._file is not None:
            self._file.close()
        for _, file in self.files:
            file.close()

    def _begin(self, part: Field | File) -> None:
        if part.name is None:
            raise BadRequest("The multipart form is malformed: a part has no name.")
        self._part = part

    def _open(self, part: File) -> IO[bytes]:
        return self._parser.stream_factory(
            total_content_length=self._content_length,
            content_type=part.headers.get("content-type"),
            filename=part.filename,
            content_length=part.headers.get("content-length", 0, type=_plain_length),
        )

    def _take_data(self, event: Data) -> None:
        if self._file is not None:
            self._file.write(event.data)
        else:
            self._text.append(event.data)
            self._size += len(event.data)
            maximum = self._parser.max_form_memory_size
            if maximum is not None and self._size > maximum:
                raise RequestDataTooBig(f"A field of the form has more than {maximum} bytes.")
            self._count(len(event.data))
        if not event.more_data:
            self._end()

    def _end(self) -> None:
        part = self._part
        if isinstance(part, File) and self._file is not None:
            self._file.seek(0)
            self.files.append((part.name, FileStorage(self._file, part.filename, part.name, headers=part.headers)))
            self._file = None
        elif isinstance(part, Field):
            self.fields.append((part.name, b"".join(self._text).decode(_charset(part.headers), "replace")))

    def _count(self, size: int) -> None:
        """All text of a form together may have as much as a body without files, whatever the files may have."""
        self._total += size
        if self._total > self._limits.max_content_length:
            raise RequestDataTooBig(too_big(self._limits.max_content_length))


def _whole_boundaries(stream: IO[bytes], length: int) -> Iterator[bytes]:
    """Read a body in chunks none of which ends within a line that could be a boundary.

    The decoder takes bytes of a boundary for contents when a chunk ends in the middle of its last line (werkzeug's
    issue 3285), which happens by chance, and to nobody who tests with small bodies.
    """
    # The hyphens before and after, the line breaks, and the white space that RFC 2046 allows at the end.
    longest = length + len("\r\n----\r\n") + 64
    held = b""
    while data := stream.read(CHUNK):
        chunk = held + data
        line = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        if line < 0 or len(chunk) - line > longest:
            line = len(chunk)
        elif chunk.startswith(b"\r\n", line - 1):
            line -= 1
        held = chunk[line:]
        if line:
            yield chunk[:line]
    if held:
        yield held


def _charset(headers: Any) -> str:
    charset = parse_options_header(headers.get("content-type"))[1].get("charset", "").lower()
    return charset if charset in CHARSETS else "utf-8"


def _plain_length(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

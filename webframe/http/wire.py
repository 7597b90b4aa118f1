"""What goes on the wire: status lines, header fields and chunks, checked, in the types that both protocols want.

Everything here answers from a table that is filled at first use and never grows past a limit, because names and media
types can come from clients (a proxy of another site repeats what it is told).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.utils import get_content_type

# --- status

STATUS_LINES = {code: f"{code} {name.upper()}" for code, name in HTTP_STATUS_CODES.items()}
"""The status line of every status that has a name."""

BODILESS = frozenset({*range(100, 200), 204, 304})
"""Statuses whose responses end with the header (RFC 9110 section 6.4.1)."""


def check_status_line(line: str) -> None:
    """Raise `ValueError` for a status line that could end early or that no server can encode."""
    if not line.isprintable() or not _is_latin(line):
        raise ValueError(f"The status {line!r} cannot be sent: it may hold printable Latin-1 characters only.")
    if _CODE.match(line) is None:
        raise ValueError(f"The status {line!r} cannot be sent: it must begin with a number from 100 to 999.")


_CODE = re.compile(r"[1-9][0-9]{2}(?![0-9])")


# --- header fields


class FieldNames(dict[str, bytes]):
    """Names of header fields as ASGI wants them: in lower case, as bytes.

    Raises `ValueError` for what is no name (RFC 9110 section 5.6.2).
    """

    LIMIT = 512

    def __missing__(self, name: str) -> bytes:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(
                f"The header {name!r} cannot be sent: a name is made of letters, digits and !#$%&'*+-.^_`|~ only."
            )
        field = name.lower().encode("ascii")
        if len(self) < self.LIMIT:
            self[name] = field
        return field


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def checked_fields(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return header fields as they are sent; see `FieldNames` and `checked_value`. A new list if one is changed."""
    all_ordinary = True
    for name, value in fields:
        if name not in field_names:
            field_names[name]
        all_ordinary = all_ordinary and is_ordinary(value)
    return fields if all_ordinary else [(name, checked_value(name, value)) for name, value in fields]


def is_ordinary(value: str) -> bool:
    """Whether a value can be sent as it is, without another look at it."""
    return value.isascii() and value.isprintable() and value.strip() is value


def checked_value(name: str, value: str) -> str:
    """Return a value as it is sent, without the white space around it, which is no part of it (RFC 9110 section 5.5).

    Raises `ValueError` for one that would end its header field early, that has
    other control characters, or that no server can encode. Latin-1 is allowed,
    because PEP 3333 does, but not every client and server knows what to make of it.
    """
    if _LINE_END.search(value) is not None:
        raise ValueError(
            f"The header {name} cannot be sent: its value {value!r} holds a line break or a NUL. If it comes from a "
            f"client, somebody tries to add headers of their own."
        )
    if _CONTROL.search(value) is not None:
        raise ValueError(
            f"The header {name} cannot be sent: its value {value!r} holds a control character, which servers and "
            f"clients refuse. Leave it out, or percent-encode it."
        )
    if not _is_latin(value):
        raise ValueError(
            f"The header {name} cannot be sent: its value {value!r} is not Latin-1. Encode it as the header's rules "
            f"say: percent-encoding in URLs, RFC 8187 in parameters such as filename*."
        )
    return value.strip(" \t")


_LINE_END = re.compile("[\r\n\0]")
_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _is_latin(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"


PLAIN_PATH = re.compile(r"/|(?:/[A-Za-z0-9._~-]+)+/?(?:\?[A-Za-z0-9._~=&-]+)?")
"""Paths that are URIs as they stand, so that `iri_to_uri` would not change them."""


def make_headers(fields: list[tuple[str, str]]) -> Headers:
    """Return `Headers` with these fields, which are known to be good; the list becomes theirs."""
    if not _HEADERS_ARE_A_LIST:
        return Headers(fields)
    headers = Headers.__new__(Headers)
    headers._list = fields
    return headers


# How werkzeug keeps them; should that change, `make_headers` takes the public way, which checks all values again.
_HEADERS_ARE_A_LIST = vars(Headers()) == {"_list": []}


class ContentTypeFields(dict[str, tuple[bytes, bytes]]):
    """The Content-Type field, as ASGI wants it, of each content type; checked like any other value."""

    LIMIT = 512

    def __missing__(self, content_type: str) -> tuple[bytes, bytes]:
        field = (b"content-type", checked_value("Content-Type", content_type).encode("latin-1"))
        if len(self) < self.LIMIT:
            self[content_type] = field
        return field


class ContentTypes(dict[str, str]):
    """The content type of each media type: with the charset where it is text."""

    LIMIT = 512

    def __missing__(self, mimetype: str) -> str:
        content_type = checked_value("Content-Type", get_content_type(mimetype, "utf-8"))
        if len(self) < self.LIMIT:
            self[mimetype] = content_type
        return content_type


field_names = FieldNames()
content_type_fields = ContentTypeFields()
content_types = ContentTypes()


# --- chunks


def encode_chunk(chunk: Any) -> bytes:
    """Return a chunk of a body as bytes: text as UTF-8."""
    if type(chunk) is bytes:
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(chunk)
    raise TypeError(f"The body of a response holds {chunk!r}: each chunk must be text or bytes.")


def encode_chunks(body: Iterator[Any]) -> Iterator[bytes]:
    """Yield the chunks of a body as bytes; faster than a `map` of `encode_chunk`, because most are bytes already."""
    for chunk in body:
        yield chunk if type(chunk) is bytes else encode_chunk(chunk)


class EncodedStream:
    """An async iterable of text and bytes, as bytes.

    Not a generator: one that is abandoned would be closed by the event loop at
    some later time, in another task.
    """

    __slots__ = ("_iterator",)

    def __init__(self, body: AsyncIterable[Any]) -> None:
        self._iterator: AsyncIterator[Any] = aiter(body)

    def __aiter__(self) -> EncodedStream:
        return self

    async def __anext__(self) -> bytes:
        return encode_chunk(await anext(self._iterator))

    async def aclose(self) -> None:
        """Close the iterator, if it can be closed."""
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()

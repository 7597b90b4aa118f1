"""Query strings, urlencoded forms, cookies and two header fields, parsed fast and exactly as werkzeug parses them.

Each parser has a short way for what browsers and clients really send, taken only where its result is certain to be
werkzeug's; everything else goes to werkzeug, or to `urllib` in the way werkzeug calls it. The tests compare both on
random input.
"""

from __future__ import annotations

import re
import sys
from binascii import a2b_qp
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.http import parse_set_header
from werkzeug.sansio.http import parse_cookie

from webframe.core.exceptions import BadRequest, TooManyFieldsSent

# The error handler that leaves what is not UTF-8 percent-encoded. werkzeug.urls registers it; werkzeug.http loads that.
KEEP_ENCODED = "werkzeug.url_quote"

Storage = MultiDict[str, Any]


def parse_urlencoded(data: bytes, storage: type[Storage], max_fields: int, what: str) -> Storage:
    """Parse ``name=value&name=value``, percent-encoded, into a multi-dictionary of the class `storage`.

    `what` names the data in errors: `BadRequest` if it is not UTF-8 (percent-encoded bytes that are not UTF-8 stay
    encoded, as in werkzeug), `TooManyFieldsSent` if there are more fields than `max_fields`.
    """
    if data.count(b"&") >= max_fields:
        data = _without_empty_fields(data, max_fields, what)
    try:
        lists = _lists_of_fields(data) if storage in _FILLED_DIRECTLY else None
        if lists is None:
            return storage(parse_qsl(data.decode(), keep_blank_values=True, errors=KEEP_ENCODED))
    except UnicodeDecodeError as error:
        raise BadRequest(f"The {what} is not UTF-8: it holds the byte 0x{data[error.start]:02x}.") from error
    return _filled(lists, storage)


def parse_cookies(header: str | None, storage: type[Storage]) -> Storage:
    """Parse the value of a Cookie header into a multi-dictionary of the class `storage`."""
    if not header:
        return storage()
    compact = header.replace("; ", ";")
    if '"' in compact or " " in compact or not compact.isprintable() or storage not in _FILLED_DIRECTLY:
        return parse_cookie(header, storage)
    lists: dict[str, list[str]] = {}
    for piece in compact.split(";"):
        name, _, value = piece.partition("=")
        if not name:
            continue
        if name in lists:
            lists[name].append(value)
        else:
            lists[name] = [value]
    return _filled(lists, storage)


def parse_content_length(length: str | None, transfer_encoding: str | None = None) -> int | None:
    """Return the length that the header fields promise, or None if they promise none.

    Anything but plain digits is a `BadRequest` (RFC 9110 §8.6): a server or proxy that reads ``+5`` or ``1_0``
    otherwise than we do would see requests where we see a body.
    """
    if transfer_encoding is not None and "chunked" in parse_set_header(transfer_encoding):
        return None
    if not length:  # PEP 3333: "may be empty or missing"
        return None
    digits = length.strip(" \t")
    if not (digits.isascii() and digits.isdigit()):
        raise BadRequest(f"The Content-Length {length[:40]!r} is not a number.")
    if len(digits) > 18:  # int() is slow on long texts, and refuses very long ones
        digits = digits.lstrip("0") or "0"
        if len(digits) > 18:
            return sys.maxsize
    return int(digits)


def _lists_of_fields(data: bytes) -> dict[str, list[str]] | None:
    """Return the values of each field; None where `urllib` might see it otherwise. UnicodeDecodeError passes."""
    ampersand, equals = "&", "="
    if b"%" in data:
        decoded = _percent_decoded(data)
        if decoded is None:
            return None
        try:
            text = decoded.decode()
        except UnicodeDecodeError:
            return None
        ampersand, equals = "\x01", "\x00"
    else:
        text = data.decode()
        if "+" in text:
            text = text.replace("+", " ")
    lists: dict[str, list[str]] = {}
    for piece in text.split(ampersand):
        if not piece:
            continue
        name, _, value = piece.partition(equals)
        if equals in value:  # only the first one in a field separates; has no effect where both are "="
            value = value.replace(equals, "=")
        if name in lists:
            lists[name].append(value)
        else:
            lists[name] = [value]
    return lists


# Quoted-printable is percent-encoding with another letter. The separators step aside for it, to bytes that no form has.
_TO_QUOTED_PRINTABLE = bytes.maketrans(b"+%=&", b" =\x00\x01")


def _percent_decoded(data: bytes) -> bytes | None:
    """Decode all of the data at once, with NUL in place of ``=`` and SOH in place of ``&``; None where that is unsafe.

    Decoding everything at once gives what decoding field by field gives, because UTF-8 synchronizes itself: two whole
    texts and a broken one between them never join into a whole text.
    """
    decoded = a2b_qp(data.translate(_TO_QUOTED_PRINTABLE))
    if (
        # Every escape has shrunk by two bytes, hence none was malformed; only a line break after "%" shrinks as much.
        len(decoded) != len(data) - 2 * data.count(b"%")
        or b"\n" in data
        or b"\r" in data
        # Every separator is one of ours: no NUL or SOH was in the data, encoded or not.
        or decoded.count(b"\x00") != data.count(b"=")
        or decoded.count(b"\x01") != data.count(b"&")
    ):
        return None
    return decoded


_FIELD = re.compile(rb"[^&]+")
_AMPERSANDS = re.compile(rb"&+")


def _without_empty_fields(data: bytes, max_fields: int, what: str) -> bytes:
    """Refuse too many fields before a list of them exists; drop the empty ones, which count for nothing."""
    if next(islice(_FIELD.finditer(data), max_fields, None), None) is not None:
        raise TooManyFieldsSent(
            f"The {what} has more than {max_fields} fields. "
            f"The limit is the setting DATA_UPLOAD_MAX_NUMBER_FIELDS, or the route's own."
        )
    return _AMPERSANDS.sub(b"&", data)


def _filled(lists: dict[str, list[str]], storage: type[Storage]) -> Storage:
    """Make a multi-dictionary of lists without looping over pairs: werkzeug's is a dictionary of lists itself."""
    result = storage.__new__(storage)
    dict.update(result, lists)
    return result


def _is_dictionary_of_lists(storage: type[Storage]) -> bool:
    try:
        return _filled({"name": ["1", "2"]}, storage) == storage([("name", "1"), ("name", "2")])
    except (TypeError, AttributeError):
        return False


# The classes for which `_filled` gives what their constructor would; empty should werkzeug change how it keeps values.
_STORAGES: tuple[type[Storage], ...] = (MultiDict, ImmutableMultiDict)
_FILLED_DIRECTLY = frozenset(storage for storage in _STORAGES if _is_dictionary_of_lists(storage))

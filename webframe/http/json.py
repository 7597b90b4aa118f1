"""JSON in and out: what values look like, and what is refused.

`JSONProvider` is used for everything that webframe writes or reads as JSON; the setting JSON_PROVIDER names another
one. It knows nothing of requests and responses: whoever calls it turns its `ValueError` into an answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import Enum
from importlib import import_module
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder, JSONEncoder, encoder
from typing import Any, NoReturn
from uuid import UUID

from webframe.conf import close_match, settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.signals import setting_changed

# How deep brackets may nest unless the caller says otherwise; the default of the setting JSON_MAX_DEPTH.
MAX_DEPTH = 64


class JSONProvider:
    """Writes and reads JSON; subclass it and name the subclass in the setting JSON_PROVIDER to do it differently.

    Beside what the standard library writes, these have a form: dates and times
    (ISO 8601, with the offset if they are aware), `timedelta` (ISO 8601
    duration), `UUID`, `Decimal` (as text, so that no digit is lost), `Enum`
    (its value) and dataclasses (their fields). Override `default` to add more.

    >>> JSONProvider().dumps({"id": 7, "lasts": timedelta(hours=1, seconds=0.5)})
    '{"id":7,"lasts":"PT1H0.5S"}'
    """

    mimetype = "application/json"
    """The media type of responses that hold what `encode` returns."""

    def __init__(self) -> None:
        # Texts stay UTF-8; only what UTF-8 cannot hold (half a surrogate pair) is written in escapes.
        self._write = _writer(self.default, ensure_ascii=False)
        self._write_ascii = _writer(self.default, ensure_ascii=True)
        # The C scanner calls these two for the few values it cannot be trusted with.
        decoder: Any = JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
        self._scan, self._decode = decoder.scan_once, decoder.decode

    def dumps(self, value: Any) -> str:
        """Write a value as JSON, without white space.

        Raises `TypeError` for what has no JSON form and `ValueError` for NaN,
        infinities and data that contains itself.
        """
        try:
            return self._write(value)
        except RecursionError:
            raise ValueError("The data contains itself, or nests too deep to be written as JSON.") from None
        except ValueError as error:
            if "JSON compliant" in str(error):
                raise ValueError(
                    "The data has a float that is NaN or infinite, which JSON cannot express. Replace it, by None for "
                    "example, before answering."
                ) from error
            raise

    def encode(self, value: Any) -> bytes:
        """Like `dumps`, as the bytes of a response's body."""
        text = self.dumps(value)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return self._write_ascii(value).encode()

    def loads(self, data: str | bytes | bytearray | memoryview, *, max_depth: int = MAX_DEPTH) -> Any:
        """Read JSON; bytes must be UTF-8.

        Raises `ValueError`, whose text may be shown to whoever sent it, for
        everything that is not JSON (RFC 8259), for numbers that are not finite
        and for brackets that nest deeper than `max_depth`. Of equal keys in an
        object the last one counts.
        """
        try:
            text = data if isinstance(data, str) else str(data, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"The JSON is not valid UTF-8 at byte {error.start}: {error.reason}.") from None
        if text.count("[") + text.count("{") > max_depth and _is_deeper(text, max_depth):
            raise ValueError(f"The JSON nests deeper than {max_depth} levels.")
        if text.startswith("\ufeff"):
            text = text[1:]
        try:
            if text[:1] not in ("{", "["):
                return self._decode(text)
            # What `decode` does, without its two searches for white space.
            value, end = self._scan(text, 0)
            if end != len(text):
                rest = text[end:].lstrip(" \t\n\r")
                if rest:
                    raise JSONDecodeError("Extra data", text, len(text) - len(rest))
            return value
        except StopIteration as stop:
            raise JSONDecodeError("Expecting value", text, stop.value) from None
        except RecursionError:
            raise ValueError("The JSON nests too deep.") from None

    def default(self, value: Any) -> Any:
        """Return something with a JSON form in place of a value that has none; raise `TypeError` if there is nothing.

        Called for every value that is not a dict, list, tuple, text, number,
        bool or None. What it returns may itself need `default`.
        """
        if isinstance(value, (datetime, date, time)):
            return value.isoformat()
        if isinstance(value, UUID) or _is_decimal(value):
            return str(value)
        if isinstance(value, timedelta):
            return iso_duration(value)
        if isinstance(value, Enum):
            return value.value
        fields = getattr(value, "__dataclass_fields__", None)
        if fields is not None and not isinstance(value, type):
            # Not dataclasses.asdict: it copies deeply what is written once.
            return {name: getattr(value, name) for name, field in fields.items() if field._field_type.name == "_FIELD"}
        raise TypeError(f"A value of type {type(value).__qualname__} has no JSON form. {_advice(value)}")


def get_provider() -> JSONProvider:
    """Return the one provider that the setting JSON_PROVIDER names, made at the first call."""
    return _make_provider() if _provider is None else _provider


_provider: JSONProvider | None = None


def _make_provider() -> JSONProvider:
    global _provider
    path = settings.JSON_PROVIDER
    module_name, _, name = path.rpartition(".")
    try:
        module = import_module(module_name)
        provider_class = getattr(module, name)
    except (ImportError, ValueError) as error:
        raise ImproperlyConfigured(
            f"JSON_PROVIDER is {path!r}, but {module_name!r} cannot be imported ({error}). "
            f"Give the dotted path of a class, as in 'project.json.Provider'."
        ) from error
    except AttributeError:
        raise ImproperlyConfigured(
            f"JSON_PROVIDER is {path!r}, but {module_name!r} has no {name!r}.{close_match(name, dir(module))}"
        ) from None
    if not (isinstance(provider_class, type) and issubclass(provider_class, JSONProvider)):
        raise ImproperlyConfigured(
            f"JSON_PROVIDER is {path!r}, which is {provider_class!r}. "
            f"Give a subclass of webframe.http.json.JSONProvider."
        )
    _provider = provider = provider_class()
    return provider


def _forget(sender: Any, *, setting: str, **kwargs: Any) -> None:
    global _provider
    if setting == "JSON_PROVIDER":
        _provider = None


setting_changed.connect(_forget)


# --- writing


def iso_duration(delta: timedelta) -> str:
    """Write a time span as ISO 8601 does, in days, hours, minutes and seconds.

    >>> iso_duration(timedelta(days=1, minutes=90)), iso_duration(timedelta(seconds=-0.25)), iso_duration(timedelta())
    ('P1DT1H30M', '-PT0.25S', 'PT0S')
    """
    sign = "-" if delta < timedelta() else ""
    delta = abs(delta)
    minutes, seconds = divmod(delta.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    whole = f"{seconds}.{delta.microseconds:06}".rstrip("0").rstrip(".")
    days = f"{delta.days}D" if delta.days else ""
    clock = "".join(
        f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (whole, "S")) if count not in (0, "0")
    )
    if not days and not clock:
        clock = "0S"
    return f"{sign}P{days}T{clock}" if clock else f"{sign}P{days}"


def _writer(default: Callable[[Any], Any], *, ensure_ascii: bool) -> Callable[[Any], str]:
    """Return a function that writes JSON: the C encoder, made once instead of for every call, where there is one.

    Without its record of the containers it is in, it notices data that contains
    itself only by running out of stack, which is why `dumps` expects that.
    """
    escape = encoder.encode_basestring_ascii if ensure_ascii else encoder.encode_basestring
    make_encoder: Any = getattr(encoder, "c_make_encoder", None)
    try:
        encode = make_encoder(None, default, escape, None, ":", ",", False, False, False)
    except TypeError:  # another interpreter (None cannot be called), or other parameters than those we know
        return JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"), default=default).encode
    join = "".join
    return lambda value: join(encode(value, 0))


def _is_decimal(value: Any) -> bool:
    decimal = sys.modules.get("decimal")  # whoever has such a value has loaded it; not everybody has
    return decimal is not None and isinstance(value, decimal.Decimal)


def _advice(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "Decode it, or write it as base64."
    if isinstance(value, (set, frozenset)):
        return "Make it a list, sorted if the order should always be the same."
    if hasattr(value, "__next__") or hasattr(value, "__aiter__"):
        return "Make it a list."
    return "Make it a dict, or a list, or teach its type to the default() of a JSONProvider of your own."


# --- reading


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if value - value:  # not 0.0: 1e999 is well-formed, but would come back as infinity
        shown = text if len(text) <= 20 else f"{text[:20]}..."
        raise ValueError(f"The number {shown} is too large.")
    return value


# Opening brackets become +1 and closing ones -1 (as signed bytes), quotes stay, everything else goes.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NEITHER = bytes(set(range(256)) - set(b'[{]}"'))
_SLICE = 65536


def _is_deeper(text: str, limit: int) -> bool:
    """Whether brackets nest deeper than `limit`, found without parsing and without a Python step for each character.

    Right for every text that is JSON; for others either answer will do.
    """
    # A backslash occurs only in strings; without escaped backslashes and escaped quotes every quote left is a border.
    data = text.encode("utf-8", "surrogatepass").replace(rb"\\", b"").replace(rb"\"", b"")
    marks = data.translate(_STEPS, _NEITHER)
    # Most strings are now an empty pair of quotes. Taking away two adjacent quotes never changes what is inside.
    marks = marks.replace(b'""', b"")
    if b'"' in marks:
        marks = b"".join(marks.split(b'"')[::2])
    steps = memoryview(marks).cast("b")
    depth = 0
    for start in range(0, len(steps), _SLICE):
        depths = list(accumulate(steps[start : start + _SLICE], initial=depth))
        if max(depths) > limit:
            return True
        depth = depths[-1]
    return False

"""The header fields of a request, read where the server left them: in the WSGI environ, or in the ASGI scope.

Nothing is built before the first look-up; a list of all fields only if they are gone through. Both classes
give the same answers: names in any case, with ``-`` or ``_``; a field that was sent several times has one value, joined
as RFC 9110 §5.3 and RFC 9113 §8.2.3 (cookies) say. A name sent with an underscore is never seen under ASGI, because in
an environ it could not be told from the one with a hyphen (``X_Forwarded_For``); under WSGI it is the server that drops
such names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from werkzeug.datastructures import EnvironHeaders, Headers
from werkzeug.datastructures.mixins import ImmutableHeadersMixin
from werkzeug.exceptions import BadRequestKeyError

from webframe.http.lazy import lazy

RawHeaders: TypeAlias = Collection[tuple[bytes, bytes]]

# Names seen are remembered up to this many, so that a client that sends random names cannot fill the memory.
MAX_REMEMBERED_NAMES = 1024


class _Names(dict[str, Any]):
    """Header names in the spelling of a protocol, by the spelling in which they were asked for."""

    def __init__(self, spell: Callable[[str], Any]) -> None:
        self._spell = spell

    def __missing__(self, name: str) -> Any:
        if not isinstance(name, str):
            raise BadRequestKeyError(name)
        spelled = self._spell(name)
        if len(self) < MAX_REMEMBERED_NAMES:
            self[name] = spelled
        return spelled


def _environ_name(name: str) -> str:
    name = name.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def _scope_name(name: str) -> bytes:
    return name.lower().replace("_", "-").encode("latin-1", "replace")


_environ_names = _Names(_environ_name)
_scope_names = _Names(_scope_name)


class WSGIHeaders(EnvironHeaders):
    """The header fields in a WSGI environ, read only."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        # werkzeug's constructor also makes a list, which the reading methods of this class never use.
        self.environ = environ  # type: ignore[assignment]  # the environ of an ASGI scope is a subclass of dict

    def _get_key(self, key: str) -> str:
        try:
            value: str = self.environ[_environ_names[key]]
        except KeyError:
            raise BadRequestKeyError(key) from None
        return value

    __getitem__ = _get_key

    if not TYPE_CHECKING:  # the overloads of the base class describe it

        def get(self, key, default=None, type=None):
            value = self.environ.get(_environ_names[key])
            return value if type is None and value is not None else _given(value, default, type)


class ASGIHeaders(ImmutableHeadersMixin, Headers):  # type: ignore[misc]  # werkzeug's own mixin, used as it does
    """The header fields of an ASGI scope, read only; `raw` is ``scope["headers"]``, names in lower case."""

    def __init__(self, raw: RawHeaders) -> None:
        self._raw = raw

    @lazy
    def _list(self) -> list[tuple[str, str]]:
        """All fields, built when they are gone through: everything in the base class but look-ups goes through it."""
        return [
            (name.decode("latin-1").title(), value.decode("latin-1"))
            for name, value in combined(self._raw).items()
            if value
            or name not in (b"content-type", b"content-length")  # where empty is as good as absent in an environ
        ]

    @lazy
    def _fields(self) -> dict[bytes, bytes]:
        """One value for each name, made at the first look-up; names with an underscore are never looked up."""
        fields = dict(self._raw)
        return fields if len(fields) == len(self._raw) else combined(self._raw)

    def _find(self, key: str) -> str | None:
        value = self._fields.get(_scope_names[key])
        return None if value is None else value.decode("latin-1")

    def _get_key(self, key: str) -> str:
        value = self._find(key)
        if value is None:
            raise BadRequestKeyError(key)
        return value

    if not TYPE_CHECKING:  # the overloads of the base class describe it

        def get(self, key, default=None, type=None):
            value = self._find(key)
            return value if type is None and value is not None else _given(value, default, type)


def combined(raw: RawHeaders) -> dict[bytes, bytes]:
    """Return one value for each name, in the order of the names; leave out names with an underscore."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in raw:
        if b"_" not in name:
            fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else _joined(name, values) for name, values in fields.items()}


def _joined(name: bytes, values: list[bytes]) -> bytes:
    return (b"; " if name == b"cookie" else b",").join(values)


def _given(value: Any, default: Any, type: Callable[[str], Any] | None) -> Any:
    """Finish a `get`: the value converted, or the default where there is none or it cannot be converted."""
    if value is None:
        return default
    if type is None:
        return value
    try:
        return type(value)
    except ValueError:
        return default

"""Values as text for the debug page: bounded in length, without secrets, and never raising.

Secrets are known by their name: a variable, key, attribute or field called
something like a password. A secret under an innocent name is shown.
"""

from __future__ import annotations

import builtins
import re
import reprlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

# What stands for a secret; always of the same length, so that the length of the secret is secret too.
HIDDEN = "*" * 20

# The longest text of one value.
LONGEST = 1500

# The names that Django's authentication signals hide too, and two headers (two environment variables under WSGI).
_SECRET = "api|token|key|secret|password|passwd|signature|authorization|cookie"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)

# Names are bounded, so that a long word costs no more than its length times the bound.
_NAME = rf"[\w.-]{{0,40}}(?:{_SECRET})[\w.-]{{0,40}}"
_QUOTED = r"""b?(?:'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?)"""
_SECRETS_IN_TEXT = [
    # scheme://user:password@host
    (re.compile(r"(://[^\s:/@'\"]{0,200}:)[^\s/@'\"]{1,500}@"), rf"\1{HIDDEN}@"),
    # ?token=value in a query
    (re.compile(rf"([?&;]{_NAME}=)[^\s&;'\"]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # Login(password='value')
    (re.compile(rf"(\b{_NAME}\s?=\s?){_QUOTED}", re.IGNORECASE), rf"\1'{HIDDEN}'"),
    # {'password': 'value'} and [('Cookie', 'value')]
    (re.compile(rf"(b?['\"]{_NAME}['\"]\s?[:,]\s?){_QUOTED}", re.IGNORECASE), rf"\1'{HIDDEN}'"),
]


def is_secret(name: object) -> bool:
    """Whether the value of something with this name must not be shown.

    >>> is_secret("SECRET_KEY"), is_secret("api_token"), is_secret("HTTP_COOKIE"), is_secret("title")
    (True, True, True, False)
    """
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return isinstance(name, str) and len(name) <= 200 and _SECRET_NAME.search(name) is not None


def show(value: object, name: object = None) -> str:
    """Return the value as text, or stars if something with that name is a secret.

    >>> show({"user": "ada", "password": "lovelace"})
    "{'user': 'ada', 'password': '********************'}"
    >>> show("lovelace", "password")
    '********************'
    """
    if is_secret(name):
        return HIDDEN
    return shorten(hide_secrets(_repr.repr(value)[: 4 * LONGEST]), LONGEST)


def hide_secrets(text: str) -> str:
    """Return the text with stars in place of what looks like a secret in it.

    >>> hide_secrets("postgresql://ada:lovelace@localhost/engine")
    'postgresql://ada:********************@localhost/engine'
    """
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def shorten(text: str, longest: int) -> str:
    """Return the text, or its beginning and end where it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[len(text) - half :]}"


def attempt(function: Callable[[], T], otherwise: Callable[[BaseException], T]) -> T:
    """Return what the function returns; if it raises, whatever it raises, what `otherwise` makes of that.

    What is shown on the page was written by others and is already broken; the page must come nevertheless.
    """
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return otherwise(error)


def text_of(error: object) -> str:
    """Return the text of an error or a note, or say that it has none that can be read."""
    return attempt(lambda: str(error), lambda another: f"<str() of it raised {type(another).__name__}>")


class _Repr(reprlib.Repr):
    """Python's own bounded repr, which also hides secrets in dictionaries and pairs and survives broken classes."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 15
        self.maxarray = 15
        self.maxstring = self.maxother = 300
        self.maxlong = 80

    def repr1(self, x: Any, level: int) -> str:
        return attempt(lambda: super(_Repr, self).repr1(x, level), lambda error: _unreadable(x, error))

    def repr_instance(self, x: Any, level: int) -> str:
        # Secrets first: half of one would not be recognised. Of a huge text only the beginning is looked at.
        return shorten(hide_secrets(builtins.repr(x)[: 20 * self.maxother]), self.maxother)

    def repr_bytes(self, x: bytes, level: int) -> str:
        return builtins.repr(x) if len(x) <= self.maxstring else f"{x[: self.maxstring]!r}... ({len(x):,} bytes)"

    repr_bytearray = repr_bytes

    def repr_str(self, x: str, level: int) -> str:
        return builtins.repr(x) if len(x) <= self.maxstring else f"{x[: self.maxstring]!r}... ({len(x):,} characters)"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if level <= 0 and x:
            return "{...}"
        items = []
        # Not sorted: the order of a dictionary says something, and comparing its keys would run their code.
        for key, value in list(x.items())[: self.maxdict]:
            shown = f"'{HIDDEN}'" if is_secret(key) else self.repr1(value, level - 1)
            items.append(f"{self.repr1(key, level - 1)}: {shown}")
        if len(x) > self.maxdict:
            items.append(f"... {len(x) - self.maxdict:,} more")
        return "{" + ", ".join(items) + "}"

    def repr_tuple(self, x: tuple[Any, ...], level: int) -> str:
        if len(x) == 2 and is_secret(x[0]):
            return f"({self.repr1(x[0], level - 1)}, '{HIDDEN}')"
        return super().repr_tuple(x, level)


_repr = _Repr()


def _unreadable(value: object, error: BaseException) -> str:
    return f"<{type(value).__name__} whose repr() raised {type(error).__name__}: {shorten(text_of(error), 200)}>"

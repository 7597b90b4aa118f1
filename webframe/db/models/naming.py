"""Names that are made of other names, for people and for databases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = LateModule("hashlib")

# The longest name that every database takes (PostgreSQL: 63 bytes).
MAX_TABLE_NAME = 63


def normalised_together(value: Iterable[Any]) -> tuple[tuple[str, ...], ...]:
    """``("a", "b")`` and ``[("a", "b"), ...]``, as a tuple of tuples of names."""
    value = tuple(value or ())
    if value and isinstance(value[0], str):
        return (value,)
    return tuple(tuple(names) for names in value)


def spaced(name: str) -> str:
    """ "CamelCase" as "camel case"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).lower()


def shortened(name: str) -> str:
    """A name that every database takes as it is: what is too long ends with a hash of the whole."""
    if len(name.encode()) <= MAX_TABLE_NAME:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name.encode()[: MAX_TABLE_NAME - 9].decode(errors='ignore')}_{digest}"

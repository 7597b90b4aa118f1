"""Parameters of PostgreSQL for drivers that speak its protocol as it is: ``%s`` as ``$1``, values with the types they
have for psycopg.

psycopg tells the server the type of each value. A driver such as asyncpg asks the
server instead, which guesses it from the SQL, and then insists on values of that
type. `types_of` says which casts lead to the same types, and `FITTING` which
values need nothing more. For all others psycopg itself is asked: `as_texts` has
its text for a value, and the type that it would name.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer

Types = tuple[str, ...]

# A percent sign, and what may follow it.
_PLACEHOLDER = re.compile(r"%(?:\(([^)]*)\))?(.?)", re.DOTALL)


@lru_cache(maxsize=256)
def split(sql: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts around the placeholders of a statement, one more than there are placeholders, and their names if any.

    ``"a = %s AND b = %%"`` gives ``(("a = ", " AND b = %"), ())``. Raises psycopg's `ProgrammingError` for what is no
    placeholder.
    """
    texts: list[str] = []
    names: list[str] = []
    text, end = "", 0
    for found in _PLACEHOLDER.finditer(sql):
        name, kind = found.groups()
        text += sql[end : found.start()]
        end = found.end()
        if name is None and kind in ("%", ""):
            text += "%"
            continue
        if not kind or kind not in "sbt":
            raise psycopg.ProgrammingError(
                f"only '%s', '%b', '%t' are allowed as placeholders, got {found.group()!r}; a percent sign that is "
                "none is doubled where there are parameters"
            )
        if name is not None:
            names.append(name)
        texts.append(text)
        text = ""
    if names and len(names) != len(texts):
        raise psycopg.ProgrammingError("positional and named placeholders cannot be mixed")
    return (*texts, text + sql[end:]), tuple(names)


def positional(sql: str, params: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """A statement with ``%(name)s`` and its dictionary, with ``%s`` and a tuple."""
    texts, names = split(sql)
    if not names and len(texts) > 1:
        raise psycopg.ProgrammingError("the query has positional placeholders, and its parameters are a dictionary")
    try:
        values = tuple([params[name] for name in names])
    except KeyError as error:
        raise psycopg.ProgrammingError(f"query parameter missing: {error.args[0]}") from None
    return "%s".join(text.replace("%", "%%") for text in texts), values


def numbered(texts: Sequence[str], types: Sequence[str]) -> str:
    """The statement with ``$1`` and so on, cast to these types ("": none)."""
    parts = [texts[0]]
    for place, (kind, text) in enumerate(zip(types, texts[1:], strict=True), 1):
        parts.append(f"(${place}::{kind})" if kind else f"${place}")
        parts.append(text)
    return "".join(parts)


def literal(texts: Sequence[str], values: Sequence[Any]) -> str:
    """The statement with its values written into it, as psycopg quotes them."""
    transformer = Transformer()
    parts = [texts[0]]
    for value, text in zip(values, texts[1:], strict=True):
        parts.append(bytes(transformer.as_literal(value)).decode())
        parts.append(text)
    return "".join(parts)


# --- values as they are -------------------------------------------------------------------------------------------

# What psycopg calls values of these types, where there is no cast in the SQL. Naive moments: see `types_of`.
_TYPES: dict[type, str] = {
    type(None): "",
    str: "",
    bool: "bool",
    int: "int4",
    float: "float8",
    Decimal: "numeric",
    uuid.UUID: "uuid",
    bytes: "bytea",
    bytearray: "bytea",
    memoryview: "bytea",
    psycopg.Binary: "bytea",
    datetime.datetime: "timestamptz",
    datetime.date: "date",
    datetime.time: "time",
    datetime.timedelta: "interval",
    IPv4Address: "inet",
    IPv6Address: "inet",
}

_BYTES: frozenset[type] = frozenset((bytes, bytearray, memoryview, psycopg.Binary))
_TEXT = frozenset((str,))
_INTEGER = frozenset((int,))
_FLOAT = frozenset((float, int, Decimal))

# By the OIDs of types: values of which types mean the same to asyncpg and to psycopg. asyncpg takes others as well, and
# changes them: 1.7 to 1, a naive moment to one in the time zone of the machine, a float to a decimal of 50 digits.
FITTING: dict[int, frozenset[type]] = {
    16: frozenset((bool,)),
    17: _BYTES,
    20: _INTEGER,
    21: _INTEGER,
    23: _INTEGER,
    19: _TEXT,
    25: _TEXT,
    705: _TEXT,
    1042: _TEXT,
    1043: _TEXT,
    114: _TEXT,
    3802: _TEXT,
    700: _FLOAT,
    701: _FLOAT,
    869: frozenset((IPv4Address, IPv6Address)),
    1082: frozenset((datetime.date,)),
    1083: frozenset((datetime.time,)),
    1114: frozenset((datetime.datetime,)),
    1184: frozenset((datetime.datetime,)),
    1186: frozenset((datetime.timedelta,)),
    1700: frozenset((Decimal, int)),
    2950: frozenset((uuid.UUID,)),
}

# Types of arrays, and of their elements.
ARRAYS = {
    info.array_oid: info.oid
    for info in psycopg.adapters.types
    if info.oid in FITTING and info.oid not in (17, 114, 3802)
}

# Types that take any text as it is.
TEXTS = frozenset((19, 25, 705, 1042, 1043))

# The least and the greatest integer of each type.
INTEGERS = {21: (-(2**15), 2**15 - 1), 23: (-(2**31), 2**31 - 1), 20: (-(2**63), 2**63 - 1)}

# Types of dates and times: whether their values must be aware, must not, or cannot be.
MOMENTS: dict[int, bool | None] = {1082: None, 1083: False, 1114: False, 1184: True}

# From here on types are those of the database itself, or of its extensions; text is what most of them are sent as.
FIRST_OWN_OID = 16384


def types_of(texts: Sequence[str], values: Sequence[Any]) -> Types | None:
    """The casts that give the values of a statement the types they have for psycopg; None: it has to be asked."""
    types = []
    for value, before, after in zip(values, texts, texts[1:], strict=False):
        if after.startswith("::") or (after.startswith(" AS ") and before.endswith("CAST(")):
            types.append("")
            continue
        kind = _TYPES.get(value.__class__)
        if kind is None:
            return None
        if kind == "timestamptz" and value.tzinfo is None:
            kind = "timestamp"
        elif kind == "int4" and not -(2**31) <= value < 2**31:
            return None
        types.append(kind)
    return tuple(types)


def fits(oid: int, value: Any) -> bool:
    """Whether a value, or a list, means the same to both drivers as a parameter of this type."""
    if value is None:
        return True
    if value.__class__ is not list:
        return value.__class__ in FITTING.get(oid, ())
    element = ARRAYS.get(oid)
    if element is None or not set(map(type, value)) <= FITTING[element] | {type(None)}:
        return False
    return element not in MOMENTS or all(are_within(((0, MOMENTS[element]),), (each,)) for each in value)


def agree(types: Types, others: Types, values: Sequence[Any]) -> bool:
    """Whether a statement with these types serves one that needs the others: None is NULL for every type."""
    for kind, other, value in zip(types, others, values, strict=True):
        if kind != other and value is not None:
            return False
    return True


def are_within(moments: Sequence[tuple[int, bool | None]], values: Any) -> bool:
    """Whether asyncpg takes these dates and times as they are.

    It takes the last and the first that Python knows for infinity, and gives naive ones the time zone of the machine.
    """
    for place, aware in moments:
        value = values[place]
        if value is None:
            continue
        if aware is not None and (value.tzinfo is not None) is not aware:
            return False
        if value.__class__ is not datetime.time and not 1 < value.year < 9999:
            return False
    return True


# --- values as psycopg writes them --------------------------------------------------------------------------------


def as_texts(values: Sequence[Any]) -> tuple[list[str | None], Types, tuple[bool, ...]]:
    """psycopg's texts for values, the types it names for them ("": none), and whether its type is that of a list.

    Raises psycopg's `ProgrammingError` for a value that it does not know.
    """
    transformer = Transformer()
    bare = [_without_bytes(value) for value in values]
    dumped = transformer.dump_sequence(bare, [PyFormat.TEXT] * len(bare))
    texts = [None if text is None else bytes(text).decode() for text in dumped]
    lists = tuple(isinstance(value, list) for value in values)
    types = tuple(
        "" if text is None else _name_of(oid) if one is value else "bytea[]" if is_list else "bytea"
        for text, oid, one, value, is_list in zip(dumped, transformer.types or (), bare, values, lists, strict=True)
    )
    return texts, types, lists


def _without_bytes(value: Any) -> Any:
    """A value with text in hexadecimal where it has bytes, which psycopg writes as they stand in a string of SQL."""
    if isinstance(value, psycopg.Binary):
        value = value.obj
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"\\x{bytes(value).hex()}"
    if isinstance(value, list) and any(isinstance(each, (*_BYTES, list)) for each in value):
        made = [_without_bytes(each) for each in value]
        return made if any(one is not other for one, other in zip(made, value, strict=True)) else value
    return value


def _name_of(oid: int) -> str:
    info = psycopg.adapters.types.get(oid)
    if info is None:
        return ""
    name = '"char"' if info.name == "char" else info.name
    return f"{name}[]" if oid == info.array_oid else name

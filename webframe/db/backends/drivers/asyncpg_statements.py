"""Which prepared statement of asyncpg serves some SQL and its values.

asyncpg asks the server of which types the parameters of a statement are; psycopg
says so itself, by the values. So that both mean the same, one SQL may need
several statements, with casts that depend on the values: `parameters.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from asyncpg.prepared_stmt import PreparedStatement
from asyncpg.protocol import Protocol

from webframe.db.backends.drivers.base import Params
from webframe.db.backends.drivers.parameters import (
    FIRST_OWN_OID,
    INTEGERS,
    MOMENTS,
    TEXTS,
    Types,
    agree,
    are_within,
    as_texts,
    fits,
    literal,
    numbered,
    positional,
    split,
    types_of,
)
from webframe.waiting import wait

# How many statements a connection keeps prepared, and how long one of them may be: a server holds a plan for each.
MOST_STATEMENTS = 200
LONGEST_STATEMENT = 15 * 1024

# Ways in which values of one statement may be typed: a caller that mixes them all the time starts over.
MOST_WAYS = 200

# asyncpg counts parameters in 16 bits, with a sign.
MOST_PARAMETERS = 32767


# Whether asyncpg's protocol can be used without its methods; should it change one day, they are used.
QUICK = hasattr(Protocol, "bind_execute") and hasattr(PreparedStatement, "_state")


class Column(NamedTuple):
    """A column of a cursor's description, as PEP 249 has it."""

    name: str
    type_code: int
    display_size: None = None
    internal_size: None = None
    precision: None = None
    scale: None = None
    null_ok: None = None


class Prepared:
    """One prepared statement: a way in which the values of some SQL are typed."""

    __slots__ = ("binaries", "description", "integers", "moments", "statement", "state", "types")

    def __init__(self, statement: Any, types: Types) -> None:
        self.statement = statement
        # What it is executed by.
        self.state = statement._state if QUICK else statement
        # The casts that were added, for each parameter.
        self.types = types
        oids = [kind.oid for kind in statement.get_parameters()]
        # (place, whether aware) of dates and times, and (place, least, greatest) of integers.
        self.moments = tuple((place, MOMENTS[oid]) for place, oid in enumerate(oids) if oid in MOMENTS)
        self.integers = tuple((place, *INTEGERS[oid]) for place, oid in enumerate(oids) if oid in INTEGERS)
        # Where values may be of psycopg.Binary, which is a wrapper.
        self.binaries = tuple(place for place, oid in enumerate(oids) if oid == 17)
        self.description: list[Column] | None = None

    def takes(self, values: Sequence[Any]) -> bool:
        """Whether asyncpg takes values of these types, and means by them what psycopg does."""
        for kind, value in zip(self.statement.get_parameters(), values, strict=True):
            own = kind.oid >= FIRST_OWN_OID and kind.kind == "scalar" and value.__class__ is str
            if not (own or fits(kind.oid, value)):
                return False
        return True

    def unwrapped(self, values: Any) -> Sequence[Any]:
        """The values without psycopg's wrappers of bytes."""
        made = list(values)
        for place in self.binaries:
            if made[place].__class__ is psycopg.Binary:
                made[place] = made[place].obj
        return made

    def describe(self) -> list[Column] | None:
        """The columns of its answer; None if it has none."""
        if self.description is None:
            self.description = [Column(each.name, each.type.oid) for each in self.statement.get_attributes()]
        return self.description or None


class Known:
    """What is known of some SQL on a connection."""

    __slots__ = ("by_classes", "texts", "used", "ways")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        # By the classes of the values: the statement that takes them.
        self.by_classes: dict[tuple[type, ...], Prepared] = {}
        # By how the values are typed: every statement there is.
        self.ways: dict[Any, Prepared] = {}
        # Whether it was asked for since the last time that room was needed.
        self.used = False


class Statements:
    """What is prepared on one connection."""

    def __init__(self, raw: Any, prepares: bool) -> None:
        self._raw = raw
        # Whether statements are kept prepared; a pooler between here and the server may not be up to it.
        self.prepares = prepares
        # By the SQL, or a tuple of SQL that goes to the database as it stands.
        self.known: dict[Any, Known] = {}

    def forget(self) -> None:
        """Have every statement prepared anew."""
        self.known.clear()

    def ready(self, sql: str, params: Params | None) -> tuple[Prepared, Sequence[Any]]:
        """The statement for these values, and the values as asyncpg takes them."""
        known, values = self._known_for(sql, params)
        wanted = len(known.texts) - 1
        if len(values) != wanted:
            raise psycopg.ProgrammingError(
                f"the query has {wanted} placeholders but {len(values)} parameters were passed"
            )
        if wanted > MOST_PARAMETERS:
            return self._prepare(Known((literal(known.texts, values),)), ()), ()
        known.used = True
        types = types_of(known.texts, values)
        if types is None:
            return self._as_texts(known, values)
        prepared = known.ways.get(types)
        if prepared is None:
            prepared = next((way for kinds, way in known.ways.items() if agree(types, kinds, values)), None)
        if prepared is None:
            prepared = self._prepare(known, types)
        if not (prepared.takes(values) and are_within(prepared.moments, values)):
            return self._as_texts(known, values)
        classes = tuple(map(type, values))
        if self.prepares and list not in classes:  # what is in a list has to be looked at each time
            known.by_classes[classes] = prepared
        return prepared, prepared.unwrapped(values) if prepared.binaries else values

    def ready_for_many(self, sql: str, params: Params) -> tuple[Prepared, Sequence[Any]]:
        """The same, where it is too late to think again when the driver refuses a value."""
        prepared, values = self.ready(sql, params)
        for place, least, greatest in prepared.integers:
            value = values[place]
            if value is not None and not least <= value <= greatest:
                return self.carefully(sql, params)
        return prepared, values

    def _known_for(self, sql: str, params: Params | None) -> tuple[Known, Sequence[Any]]:
        """What is known of some SQL, which is kept if there is reason to, and the values in the order of the SQL."""
        if isinstance(params, dict):
            sql, params = positional(sql, params)
        key: Any = (sql,) if params is None else sql
        known = self.known.get(key)
        if known is None:
            known = Known((sql,) if params is None else split(sql)[0])
            if self.prepares and len(sql) <= LONGEST_STATEMENT:
                while len(self.known) >= MOST_STATEMENTS:
                    self._make_room()
                self.known[key] = known
        return known, params or ()

    def carefully(self, sql: str, params: Params) -> tuple[Prepared, Sequence[Any]]:
        """The statement that takes the values as psycopg's texts, whatever they are."""
        return self._as_texts(*self._known_for(sql, params))

    def _as_texts(self, known: Known, values: Sequence[Any]) -> tuple[Prepared, Sequence[Any]]:
        texts, types, lists = as_texts(values)
        if not all(types):
            # psycopg leaves the types of texts to the server, too: it is asked which they are.
            first = tuple(f"text::{kind}" if kind else "" for kind in types)
            asked = known.ways.get(first) or self._prepare(known, first)
            parameters = asked.statement.get_parameters()
            types = tuple(
                kind or ("" if parameter.oid in TEXTS and not is_list else _quoted(parameter))
                for kind, parameter, is_list in zip(types, parameters, lists, strict=True)
            )
        casts = tuple(f"text::{kind}" if kind else "" for kind in types)
        return known.ways.get(casts) or self._prepare(known, casts), texts

    def _prepare(self, known: Known, types: Types) -> Prepared:
        # Without a name a statement is parsed whenever it is run, by whichever server a pooler chooses.
        name = None if self.prepares else ""
        prepared = Prepared(wait(self._raw.prepare(numbered(known.texts, types), name=name)), types)
        if self.prepares:
            if len(known.ways) >= MOST_WAYS:
                known.ways.clear()
                known.by_classes.clear()
            known.ways[types] = prepared
        return prepared

    def _make_room(self) -> None:
        """Forget the oldest that was not used since it was last looked at."""
        key = next(iter(self.known))
        oldest = self.known.pop(key)
        if oldest.used:
            oldest.used = False
            self.known[key] = oldest


def _quoted(kind: Any) -> str:
    name = kind.name.removesuffix("[]")
    brackets = kind.name[len(name) :]
    quoted = [part.replace('"', '""') for part in (kind.schema, name)]
    return f'"{quoted[0]}"."{quoted[1]}"{brackets}'

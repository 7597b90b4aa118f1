"""Which queries psycopg asks PostgreSQL to answer in binary form, because it reads that in less time.

A number, a moment or a UUID need not be written as text by the server and parsed
by the client, which is most of the time that psycopg takes for a row of such. The
values are the same, for the types that are listed here. What types an answer has
is known when it came for the first time; that was text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import psycopg
from psycopg import postgres
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format

# Types for which psycopg makes the same values of either form. It does not of "float4": 0.1 is 0.10000000149 in binary.
ALIKE = frozenset(
    postgres.types[name].oid
    for name in (
        "bool", "bpchar", "bytea", "date", "float8", "int2", "int4", "int8", "interval", "json", "jsonb", "name",
        "numeric", "oid", "text", "time", "timestamp", "timestamptz", "uuid", "varchar",
    )
)  # fmt: skip

# How many queries are remembered for a connection.
MOST_QUERIES = 1000


class NotReadable(Exception):
    """An answer has a type in it that is read as text only: a table was changed since the query was first run."""


class _Refusing(Loader):
    """Stands for types that psycopg has no loader for, it would give their bytes, or one that gives other values."""

    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        raise NotReadable


class Formats(dict[str, bool]):
    """For each query that was run on a connection, whether it is answered in binary form."""

    def prepare(self, cursor: Any) -> Any:
        """Make a cursor fit for such queries."""
        cursor.adapters.register_loader(0, _Refusing)
        cursor.adapters.register_loader("float4", _Refusing)
        return cursor

    def learn(self, sql: str, cursor: Any) -> None:
        """Find out how a query will be answered, by the answer that the cursor has."""
        if len(self) >= MOST_QUERIES:
            self.clear()
        result = cursor.pgresult
        self[sql] = (
            # If it cannot be read after all it is run again, which must not matter.
            sql.startswith("SELECT")
            and result is not None
            and not isinstance(cursor, (psycopg.ClientCursor, psycopg.AsyncClientCursor))
            and all(_is_alike(cursor.adapters, result.ftype(place)) for place in range(result.nfields))
        )


def _is_alike(adapters: AdaptersMap, oid: int) -> bool:
    """Whether values of a type are the same in either form, and nobody has given them a loader of his own."""
    return oid in ALIKE and all(
        adapters.get_loader(oid, form) is _adapters_of_psycopg().get_loader(oid, form) for form in Format
    )


@lru_cache(maxsize=1)
def _adapters_of_psycopg() -> AdaptersMap:
    """What psycopg has where nobody has changed it."""
    adapters = AdaptersMap(types=postgres.types)
    postgres.register_default_adapters(adapters)
    return adapters

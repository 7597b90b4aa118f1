"""How statements are run on a connection of any driver that follows PEP 249 and has an autocommit mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webframe.db.backends.drivers.base import Link, Params, Row


class GenericLink(Link):
    """A connection of a driver that nothing more is known of.

    PEP 249 says that a row is a sequence; most drivers give tuples, some lists
    or a kind of their own. From here rows leave as tuples.
    """

    def fetch(self, sql: str, params: Params) -> list[Row]:
        return as_tuples(super().fetch(sql, params))

    def cursor(self) -> Any:
        return CursorOfTuples(super().cursor())

    def stream(self, sql: str, params: Params, size: int) -> Any:
        return CursorOfTuples(super().stream(sql, params, size))


class CursorOfTuples:
    """A cursor of the driver, which gives its rows as tuples."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        return as_tuples(self._raw.fetchmany(size))

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        return as_tuples(self._raw.fetchall())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def as_tuples(rows: Sequence[Any]) -> list[Row]:
    """Rows of a driver as tuples; its own list, if they are."""
    if type(rows) is list and (not rows or isinstance(rows[0], tuple)):
        return rows
    return list(map(tuple, rows))

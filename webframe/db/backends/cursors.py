"""The cursor for SQL of one's own: PEP 249's, in the transaction and on the connection of the code that uses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from webframe.db.errors import InterfaceError

# `base.py` is a floor above.
DatabaseWrapper = Any


class Cursor:
    """Runs SQL with ``%s`` for parameters on every database; a context manager and an iterator of rows.

    An answer is held in memory; use `wrapper.iterate` or a queryset's `iterator()`
    for one that does not fit. Each statement takes part in the transaction that
    the code around it is in at that moment.
    """

    def __init__(self, wrapper: DatabaseWrapper) -> None:
        self.db = wrapper
        # As PEP 249 has them; about the last statement.
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: Any = None
        self.arraysize = 1
        self._rows: Iterator[tuple[Any, ...]] | None = None
        self._closed = False

    def execute(self, sql: str, params: Sequence[Any] | dict[str, Any] | None = None) -> Self:
        """Run a statement. Without parameters (None) the SQL goes to the database as it stands."""
        self._refuse_if_closed()
        self.db.run_cursor(self, "execute", sql, params)
        return self

    def executemany(self, sql: str, param_list: Sequence[Sequence[Any] | dict[str, Any]]) -> Self:
        """Run a statement once for each set of parameters."""
        self._refuse_if_closed()
        self.db.run_cursor(self, "executemany", sql, list(param_list))
        return self

    def callproc(self, name: str, params: Sequence[Any] = ()) -> Self:
        """Call a stored procedure that gives back rows, or none."""
        self._refuse_if_closed()
        self.db.run_cursor(self, "callproc", name, params)
        return self

    def take(self, raw: Any) -> None:
        """Keep what a cursor of the driver has to say, and close it; for the wrapper to call."""
        self.description = raw.description
        self.rowcount = raw.rowcount
        self.lastrowid = getattr(raw, "lastrowid", None)
        self._rows = iter(raw.fetchall()) if raw.description is not None else None

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        return next(self._answer(), None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next `size` rows, or `arraysize` if none is given."""
        from itertools import islice

        return list(islice(self._answer(), self.arraysize if size is None else size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return list(self._answer())

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._answer()

    def close(self) -> None:
        """Forget the answer; the cursor cannot be used any more."""
        self._closed = True
        self._rows = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self) -> Iterator[tuple[Any, ...]]:
        self._refuse_if_closed()
        if self._rows is None:
            raise InterfaceError("There are no rows to fetch: nothing was executed, or it was no query.")
        return self._rows

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise InterfaceError("This cursor is closed. Use connection.cursor() to get another one.")

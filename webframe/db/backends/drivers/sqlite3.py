"""How statements are run on a connection of the standard library's sqlite3."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Sequence

from webframe.db.backends.drivers.base import Link, Params, Row


class SQLiteLink(Link):
    """One connection of sqlite3, opened with ``isolation_level=None``."""

    raw: sqlite3.Connection

    def __init__(self, raw: sqlite3.Connection, begin: str = "IMMEDIATE") -> None:
        super().__init__(raw)
        # How a transaction that may write is begun: IMMEDIATE takes the lock for writing at once, and waits for it.
        # A deferred one that reads first and then writes fails at once when somebody else has written meanwhile.
        self._begin = f"BEGIN {begin}"
        self.is_deferred = begin == "DEFERRED"
        self._execute = raw.execute
        # Those that may be in the middle of their answer, wherever they have got to.
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()

    # A function that is an attribute is called more quickly by way of a variable.

    def fetch(self, sql: str, params: Params) -> list[Row]:
        execute = self._execute
        return execute(sql, params).fetchall()

    def run(self, sql: str, params: Params) -> int:
        execute = self._execute
        return execute(sql, params).rowcount

    def insert(self, sql: str, params: Params) -> Row | None:
        execute = self._execute
        cursor = execute(sql, params)
        if cursor.description is None:
            return (cursor.lastrowid,)
        rows: list[Row] = cursor.fetchall()
        return rows[0] if rows else None

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        return self.raw.executemany(sql, rows).rowcount

    def cursor(self) -> sqlite3.Cursor:
        cursor = self.raw.cursor()
        self._cursors.add(cursor)
        return cursor

    def stream(self, sql: str, params: Params, size: int) -> sqlite3.Cursor:
        cursor = self.cursor()
        cursor.execute(sql, params)
        return cursor

    def command(self, sql: str) -> None:
        self._execute(sql)

    def begin(self, read_only: bool) -> None:
        if read_only:
            self._execute("PRAGMA query_only=ON")
        try:
            self._execute("BEGIN DEFERRED" if read_only else self._begin)
        except BaseException:
            if read_only:
                self._execute("PRAGMA query_only=OFF")
            raise
        self.begun = True
        self.is_read_only = read_only

    # Whether the transaction now is one that must not write.
    is_read_only = False

    def commit(self) -> None:
        self._execute("COMMIT")
        self._ended()

    def rollback(self) -> None:
        # After a full disk and errors like it SQLite has rolled back by itself.
        if self.raw.in_transaction:
            self._execute("ROLLBACK")
        self._ended()

    def _ended(self) -> None:
        self.begun = False
        if self.is_read_only:
            self.is_read_only = False
            self._execute("PRAGMA query_only=OFF")

    def is_in_transaction(self) -> bool:
        return self.raw.in_transaction

    def let_go(self) -> None:
        # SQLite keeps a connection that is closed, and its locks, until the last of its cursors has gone.
        try:
            for cursor in list(self._cursors):
                cursor.close()
            if self.raw.in_transaction:
                self._execute("ROLLBACK")
        except sqlite3.Error:
            pass  # it is closed already, or of no use

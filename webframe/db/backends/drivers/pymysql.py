"""How statements are run on a connection of PyMySQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS
from pymysql.cursors import SSCursor

from webframe.db.backends.drivers.base import Link, Params, Row

# The database has chosen this transaction to be rolled back, because several wait for each other.
DEADLOCK = 1213


class PyMySQLLink(Link):
    """One connection of PyMySQL in autocommit, opened with FOUND_ROWS, so that rows matched are counted."""

    raw: pymysql.connections.Connection[Any]

    def __init__(self, raw: Any, isolation_level: str = "") -> None:
        super().__init__(raw, isolation_level)
        self._cursor = raw.cursor()

    def fetch(self, sql: str, params: Params) -> list[Row]:
        cursor = self._cursor
        cursor.execute(sql, params)
        return list(cursor.fetchall())

    def run(self, sql: str, params: Params) -> int:
        return int(self._cursor.execute(sql, params))

    def insert(self, sql: str, params: Params) -> Row | None:
        cursor = self._cursor
        cursor.execute(sql, params)
        if cursor.description is None:
            return (cursor.lastrowid,)
        row: Row | None = cursor.fetchone()
        return row

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        return int(self._cursor.executemany(sql, rows) or 0)

    def stream(self, sql: str, params: Params, size: int) -> Any:
        # Until its last row is read, nothing else can be asked on this connection: it needs one of its own.
        cursor = self.raw.cursor(SSCursor)
        cursor.execute(sql, params)
        return cursor

    def command(self, sql: str) -> None:
        self._cursor.execute(sql)

    def begin_sql(self, read_only: bool) -> str:
        return "START TRANSACTION READ ONLY" if read_only else "BEGIN"

    def is_in_transaction(self) -> bool:
        # What the server said with its last answer; an error says nothing about it.
        return self.begun or bool(self.raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    def has_rolled_back(self, error: BaseException) -> bool:
        return self.begun and bool(error.args) and error.args[0] == DEADLOCK

    def ping(self) -> None:
        self.raw.ping(reconnect=False)

"""How statements are run on a connection of PyMySQL."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.connections import Connection
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
        cursor = _StreamCursor(self)
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

    def is_open(self) -> bool:
        return bool(self.raw.open)

    def interrupt(self) -> None:
        """Let a statement that another thread waits for end with an error: nothing more comes from the server."""
        sock = self.raw._sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _StreamCursor(SSCursor):  # type: ignore[misc]  # PyMySQL has no annotations
    """Rows as they are asked for. When it is left before the last one, its connection is of no use any more.

    The server cannot be told to stop. PyMySQL would receive all the rest, be it millions of rows.
    """

    def __init__(self, link: PyMySQLLink) -> None:
        super().__init__(link.raw)
        self._link = link

    def close(self) -> None:
        result = self._result
        if result is not None and result.unbuffered_active:
            self._link.stale = True
            result.unbuffered_active, result.connection, self.connection = False, None, None
        else:
            super().close()

    __del__ = close


class TLSContexts:
    """The context for TLS that all connections to a database share.

    PyMySQL would make one for each connection, unless TLS is turned off, and read
    all certificates of the system for it, which takes 20 ms and more. Files that
    have changed are read anew.
    """

    def __init__(self) -> None:
        # The options, when their files were changed, and what was made of them; replaced as a whole.
        self._made: tuple[Any, Any, Any] = (None, None, None)

    def connect(self, options: Mapping[str, Any]) -> Any:
        """A new connection of PyMySQL."""
        return _Sharing(self, options)

    def get(self, options: Any, make: Any) -> Any:
        """The context for these options, which `make` makes of them."""
        if not isinstance(options, dict):
            return make(options)
        try:
            changed = [
                os.stat(options[name]).st_mtime_ns for name in ("ca", "capath", "cert", "key") if options.get(name)
            ]
        except OSError:
            return make(options)  # which says what is wrong with the file
        known, then, context = self._made
        if options != known or changed != then:
            context = make(options)
            self._made = (dict(options), changed, context)
        return context


class _Sharing(Connection):  # type: ignore[misc]  # PyMySQL has no annotations
    """A connection whose context is shared.

    Should PyMySQL call the method otherwise one day, each has its own again.
    """

    def __init__(self, contexts: TLSContexts, options: Mapping[str, Any]) -> None:
        self._contexts = contexts
        super().__init__(**options)

    def _create_ssl_ctx(self, options: Any) -> Any:
        return self._contexts.get(options, super()._create_ssl_ctx)

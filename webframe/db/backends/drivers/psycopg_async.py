"""How statements are run on an asynchronous connection of psycopg 3, which belongs to an event loop."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from webframe.db.backends.drivers.base import Params, Row
from webframe.db.backends.drivers.formats import Formats, NotReadable
from webframe.db.backends.drivers.postgresql import PostgreSQLLink
from webframe.db.backends.drivers.psycopg import MANY_ROWS, MOST_PARAMETERS, gives_rows, new_stream_name
from webframe.waiting import wait

# How often what a server has said meanwhile is looked at: the last words of a connection come before its end.
NEWS = 3


class AsyncStreamCursor(psycopg.AsyncServerCursor[Any]):
    """A cursor of the server that may be left to the end of its connection, without a word."""

    def __del__(self, __warn: Any = None) -> None:
        """psycopg would warn here."""


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """A connection that ends without a word once it was given up, with the last task that was using it."""

    given_up = False

    def __del__(self, __warn: Any = None) -> None:
        """psycopg would warn of one that was not closed."""
        if not self.given_up:
            super().__del__()


class PsycopgAsyncLink(PostgreSQLLink):
    """One asynchronous connection of psycopg in autocommit, whose one cursor is used again and again.

    A statement is one coroutine from beginning to end, so that there is one switch for it.
    """

    raw: AsyncConnection

    def __init__(self, raw: AsyncConnection, isolation_level: str = "") -> None:
        super().__init__(raw, isolation_level)
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._formats = Formats()
        self._cursor: psycopg.AsyncCursor[Any] = self._formats.prepare(raw.cursor())
        self._news = select.poll() if hasattr(select, "poll") else None
        if self._news is not None:
            self._news.register(raw.fileno(), select.POLLIN)

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params) -> list[Row]:
        return wait(self._fetch(sql, params))

    async def _fetch(self, sql: str, params: Params) -> list[Row]:
        binary = self._formats.get(sql)
        cursor = await self._execute(sql, params, binary)
        try:
            rows: list[Row] = await cursor.fetchall()
        except NotReadable:
            self._formats[sql] = False
            return await self._fetch(sql, params)
        if binary is None:
            self._formats.learn(sql, cursor)
        if len(rows) > MANY_ROWS:
            self._cursor = self._formats.prepare(self.raw.cursor())
        return rows

    def run(self, sql: str, params: Params) -> int:
        return wait(self._execute(sql, params)).rowcount

    def insert(self, sql: str, params: Params) -> Row | None:
        return wait(self._insert(sql, params))

    async def _insert(self, sql: str, params: Params) -> Row | None:
        cursor = await self._execute(sql, params)
        if not gives_rows(cursor):
            return (None,)  # without RETURNING PostgreSQL does not tell the key
        row: Row | None = await cursor.fetchone()
        return row

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        return wait(self._run_many(sql, rows))

    async def _run_many(self, sql: str, rows: Sequence[Params]) -> int:
        async with self.raw.cursor() as cursor:
            await cursor.executemany(sql, rows)
            return cursor.rowcount

    async def _execute(self, sql: str, params: Params | None, binary: bool | None = None) -> psycopg.AsyncCursor[Any]:
        cursor = self._cursor
        if params is not None and len(params) > MOST_PARAMETERS:
            sql, params = psycopg.AsyncClientCursor(self.raw).mogrify(sql, params), None
        try:
            await cursor.execute(sql, params, binary=binary)
        except psycopg.errors.FeatureNotSupported as error:
            # A table was changed after a statement about it had been prepared. Within a transaction it is too late.
            if "cached plan" not in str(error) or self.is_in_transaction():
                raise
            self.stale = True
            await cursor.execute(sql, params, prepare=False, binary=binary)
        return cursor

    def cursor(self) -> PsycopgAsyncCursor:
        """A cursor that holds its whole answer in memory."""
        return PsycopgAsyncCursor(self.raw.cursor())

    def stream(self, sql: str, params: Params, size: int) -> PsycopgAsyncCursor:
        values: Params | None = params
        if len(params) > MOST_PARAMETERS:
            sql, values = psycopg.AsyncClientCursor(self.raw).mogrify(sql, params), None
        # Outside of a transaction the cursor of the server is kept beyond the statement that declares it.
        cursor = PsycopgAsyncCursor(
            AsyncStreamCursor(self.raw, new_stream_name(), withhold=not self.is_in_transaction())
        )
        try:
            cursor.execute(sql, values)
        except Exception:
            cursor.close()
            raise
        return cursor

    # --- transactions ---------------------------------------------------------------------------------------------

    def command(self, sql: str) -> None:
        wait(self._cursor.execute(sql))

    def is_in_transaction(self) -> bool:
        return self.raw.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    # --- the connection -------------------------------------------------------------------------------------------

    @property
    def time_zone(self) -> str:
        return self.raw.info.parameter_status("TimeZone") or ""

    @property
    def server_version(self) -> int:
        return self.raw.info.server_version

    def close(self) -> None:
        wait(self.raw.close())

    def is_open(self) -> bool:
        raw = self.raw
        try:
            # psycopg looks at what a server says while nothing is asked only when it is made to.
            for _ in range(NEWS):
                if raw.closed or self._news is None or not self._news.poll(0):
                    break
                raw.pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return not raw.closed

    def terminate(self) -> None:
        if not self.raw.lock.locked():
            # psycopg has cancelled what the server was doing before the cancellation came here.
            self.raw.pgconn.finish()
            return
        # Another task is waiting for an answer, and would go on with what is freed here. It shall hear that there will
        # be none; the connection ends with what it then raises, or with that task where this is cancelled, too.
        self.raw.given_up = True
        pgconn = self.raw.pgconn
        try:
            canceller = pgconn.get_cancel()
            with socket.socket(fileno=os.dup(pgconn.socket)) as waited_for:
                waited_for.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.OperationalError):
            return  # it has ended already
        try:
            self.loop.run_in_executor(None, _cancel, canceller)
        except RuntimeError:
            pass  # the loop is closed, and soon the process: the server sees that, too


def _cancel(canceller: Any) -> None:
    """Have the server end what nobody waits for any more."""
    try:
        canceller.cancel()
    except psycopg.OperationalError:
        pass  # it finds out by itself when it has something to say


class PsycopgAsyncCursor:
    """A cursor as PEP 249 has it, over an asynchronous one."""

    lastrowid = None

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @property
    def description(self) -> Any:
        """The columns of the answer; None if there is none."""
        return self._raw.description

    @property
    def rowcount(self) -> int:
        """How many rows the last statement was about."""
        return int(self._raw.rowcount)

    def execute(self, sql: str, params: Params | None = None) -> None:
        """Run a statement; without parameters it may be several."""
        wait(self._raw.execute(sql, params))

    def executemany(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each set of parameters."""
        wait(self._raw.executemany(sql, rows))

    def callproc(self, name: str, params: Sequence[Any] = ()) -> None:
        """PostgreSQL calls procedures by SQL."""
        raise psycopg.NotSupportedError(
            f"Drivers of PostgreSQL have no callproc(). Use execute('CALL {name}(...)'), or SELECT for a function."
        )

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        rows: list[Row] = wait(self._raw.fetchmany(size))
        return rows

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        rows: list[Row] = wait(self._raw.fetchall())
        return rows

    def close(self) -> None:
        """End the query."""
        wait(self._raw.close())

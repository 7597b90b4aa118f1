"""How statements are run on a connection of psycopg 3."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from webframe.db.backends.drivers.base import Params, Row
from webframe.db.backends.drivers.formats import Formats, NotReadable
from webframe.db.backends.drivers.postgresql import PostgreSQLLink

T = TypeVar("T")

# An answer with more rows is not kept by the cursor that is used again.
MANY_ROWS = 1000

# PostgreSQL counts the parameters of a statement in 16 bits.
MOST_PARAMETERS = 65535

_numbers = count(1)


def new_stream_name() -> str:
    """A name for a cursor of the server."""
    return f"webframe_stream_{next(_numbers)}"


def gives_rows(cursor: Any) -> bool:
    """Whether the answer to the last statement has columns; to describe them takes longer than to count them."""
    result = cursor.pgresult
    return result is not None and result.nfields > 0


class StreamCursor(psycopg.ServerCursor[Any]):
    """A cursor of the server that may be left to the end of its connection, without a word."""

    def __del__(self, __warn: Any = None) -> None:
        """psycopg would warn here."""


class PsycopgLink(PostgreSQLLink):
    """One connection of psycopg in autocommit, whose one cursor is used again and again: a new one costs 10 us."""

    raw: psycopg.Connection[Any]

    def __init__(self, raw: psycopg.Connection[Any], isolation_level: str = "") -> None:
        super().__init__(raw, isolation_level)
        self._formats = Formats()
        self._cursor: psycopg.Cursor[Any] = self._formats.prepare(raw.cursor())

    def fetch(self, sql: str, params: Params) -> list[Row]:
        binary = self._formats.get(sql)
        cursor = self._execute(sql, params, binary)
        try:
            rows: list[Row] = cursor.fetchall()
        except NotReadable:
            self._formats[sql] = False
            return self.fetch(sql, params)
        if binary is None:
            self._formats.learn(sql, cursor)
        if len(rows) > MANY_ROWS:
            self._cursor = self._formats.prepare(self.raw.cursor())
        return rows

    def run(self, sql: str, params: Params) -> int:
        return self._execute(sql, params).rowcount

    def insert(self, sql: str, params: Params) -> Row | None:
        cursor = self._execute(sql, params)
        if not gives_rows(cursor):
            return (None,)  # without RETURNING PostgreSQL does not tell the key
        row: Row | None = cursor.fetchone()
        return row

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        cursor = self.raw.cursor()
        try:
            cursor.executemany(sql, rows)
            return cursor.rowcount
        finally:
            cursor.close()

    def _execute(self, sql: str, params: Params | None, binary: bool | None = None) -> psycopg.Cursor[Any]:
        cursor = self._cursor
        if params is not None and len(params) > MOST_PARAMETERS:
            sql, params = psycopg.ClientCursor(self.raw).mogrify(sql, params), None
        try:
            cursor.execute(sql, params, binary=binary)
        except psycopg.errors.FeatureNotSupported as error:
            # A table was changed after a statement about it had been prepared. Within a transaction it is too late.
            if "cached plan" not in str(error) or self.raw.info.transaction_status != TransactionStatus.IDLE:
                raise
            self.stale = True
            cursor.execute(sql, params, prepare=False, binary=binary)
        return cursor

    def stream(self, sql: str, params: Params, size: int) -> Any:
        values: Params | None = params
        if len(params) > MOST_PARAMETERS:
            sql, values = psycopg.ClientCursor(self.raw).mogrify(sql, params), None
        # Outside of a transaction the cursor of the server is kept beyond the statement that declares it.
        cursor = StreamCursor(self.raw, new_stream_name(), withhold=not self.begun)
        try:
            cursor.execute(sql, values)
        except BaseException:
            cursor.close()
            raise
        return cursor

    def command(self, sql: str) -> None:
        self._cursor.execute(sql)

    def is_in_transaction(self) -> bool:
        return self.raw.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def is_open(self) -> bool:
        return not self.raw.closed

    @property
    def time_zone(self) -> str:
        return self.raw.info.parameter_status("TimeZone") or ""

    @property
    def server_version(self) -> int:
        return self.raw.info.server_version

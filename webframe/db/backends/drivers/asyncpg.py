"""How statements are run on a connection of asyncpg, which belongs to an event loop.

Its methods are plain and wait by `waiting.wait`. SQL comes with ``%s``, and values
as psycopg takes them (`parameters.py`); rows leave as tuples.

A statement is prepared when it is first seen, and executed from then on. The
quickest way to do so is asyncpg's own protocol, one floor below its methods, at
two thirds of the price that they have on uvloop.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from itertools import count, groupby
from operator import itemgetter
from typing import Any

import psycopg
from asyncpg.exceptions import (
    InterfaceError,
    InternalClientError,
    InvalidCachedStatementError,
    InvalidSQLStatementNameError,
    OutdatedSchemaCacheError,
    PostgresError,
    PostgresSyntaxError,
)

from webframe.db.backends.drivers.asyncpg_connecting import is_refusal
from webframe.db.backends.drivers.asyncpg_statements import QUICK, Column, Prepared, Statements
from webframe.db.backends.drivers.base import Params, Row
from webframe.db.backends.drivers.parameters import are_within, split
from webframe.db.backends.drivers.postgresql import PostgreSQLLink
from webframe.waiting import wait

# Seconds for telling a server that nobody waits for a statement any more.
CANCEL_TIMEOUT = 5.0

# What running a statement raises, if it is not interrupted; the last two by values that Python cannot hold.
FAILURES = (PostgresError, InterfaceError, InternalClientError, ValueError, ArithmeticError)

# A statement was prepared before a table was changed, or is not known to the server any more.
STALE = (InvalidCachedStatementError, InvalidSQLStatementNameError)

# Statements that say how many rows they changed, and to which RETURNING can be appended.
_COUNTABLE = re.compile(r"\s*(INSERT|UPDATE|DELETE)\s(?!.*(\bRETURNING\b|;|--|/\*))", re.IGNORECASE | re.DOTALL)


# A record as a tuple: a slice of all of it, which takes half as long as tuple() does.
as_tuple: Callable[[Any], Row] = itemgetter(slice(None))

_numbers = count(1)


class AsyncpgLink(PostgreSQLLink):
    """One connection of asyncpg."""

    def __init__(self, raw: Any, isolation_level: str = "", prepares: bool = True) -> None:
        super().__init__(raw, isolation_level)
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.statements = Statements(raw, prepares)
        self._known = self.statements.known
        # The latest statement that was run.
        self.last: Any = None
        if QUICK:
            self._bind_execute: Callable[..., Coroutine[Any, Any, Any]] = raw._protocol.bind_execute
            self.is_open: Callable[[], bool] = raw._protocol.is_connected  # type: ignore[method-assign]  # in one step
        else:
            self._bind_execute = _execute_publicly

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params) -> list[Row]:
        return list(map(as_tuple, self.execute(sql, params)[0]))

    def run(self, sql: str, params: Params) -> int:
        if not params:
            # In one step, and as many statements as there are.
            return count_of(wait(self.raw.execute("".join(split(sql)[0]))))
        return count_of(self.execute(sql, params)[1])

    def insert(self, sql: str, params: Params) -> Row | None:
        rows = self.execute(sql, params)[0]
        if rows:
            return as_tuple(rows[0])
        return None if self.last.describe() else (None,)  # without RETURNING PostgreSQL does not tell the key

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        matched = 0
        countable = _COUNTABLE.match(sql) is not None
        if countable:
            sql += " RETURNING 1"
        ready = [self.statements.ready_for_many(sql, row) for row in rows]
        for prepared, pairs in groupby(ready, key=itemgetter(0)):
            many = [values for _, values in pairs]
            if countable:
                matched += len(wait(prepared.statement.fetchmany(many)))
                continue
            for values in many:
                matched += max(0, count_of(wait(self._bind_execute(prepared.state, values, "", 0, True, None))[1]))
        return matched

    def cursor(self) -> AsyncpgCursor:
        """A cursor that holds its whole answer in memory."""
        return AsyncpgCursor(self)

    def stream(self, sql: str, params: Params, size: int, *, again: bool = False) -> AsyncpgStream:
        # A portal of the server lives in a transaction; where there is none, it has one of its own.
        own = not self.is_in_transaction()
        if own:
            # Before it is prepared: without a name, as a pooler may want it, a statement does not outlive a command.
            self.command(f"BEGIN{self.isolation_level}")
        try:
            prepared, values = self.statements.ready(sql, params)
            return AsyncpgStream(self, prepared, values, own)
        except Exception as error:
            if isinstance(error, STALE):
                self.statements.forget()
            if not own or self.raw.is_closed():
                raise
            self.command("ROLLBACK")
            if again or not isinstance(error, STALE):
                raise
        return self.stream(sql, params, size, again=True)

    # --- how a statement is run -----------------------------------------------------------------------------------

    def execute(self, sql: str, params: Params | None) -> Any:
        """(rows, status, ...) of a statement; without parameters (None) it goes to the database as it stands."""
        started = self.start(sql, params)
        if started is None:
            self.last, values = self.statements.ready(sql, params)
            started = self._bind_execute(self.last.state, values, "", 0, True, None)
        try:
            return wait(started)
        except FAILURES as error:
            return self.after(error, sql, params)

    failures = FAILURES
    starts = True

    def start(self, sql: str, params: Params | None) -> Coroutine[Any, Any, Any] | None:
        # None if it has to be prepared, or its values looked at closely.
        known = self._known.get(sql)
        if known is None or params is None:
            return None
        if isinstance(params, tuple) and len(params) == 1:
            classes: tuple[type, ...] = (type(params[0]),)
        else:
            # A dictionary never gets further: its SQL is known by what became of it.
            classes = tuple(map(type, params))
        prepared = known.by_classes.get(classes)
        if prepared is None or (prepared.moments and not are_within(prepared.moments, params)):
            return None
        known.used = True
        self.last = prepared
        values = prepared.unwrapped(params) if prepared.binaries else params
        return self._bind_execute(prepared.state, values, "", 0, True, None)

    def after(self, error: Exception, sql: str, params: Params | None) -> Any:
        # Once more, if the error says that the values or the plan were to blame.
        if params and is_refusal(error):
            # Nothing was sent yet.
            self.last, values = self.statements.carefully(sql, params)
        elif isinstance(error, STALE):
            # Within a transaction it is too late.
            self.statements.forget()
            if self.is_in_transaction():
                raise error
            self.last, values = self.statements.ready(sql, params)
        elif isinstance(error, (ValueError, ArithmeticError)):
            raise psycopg.DataError(f"asyncpg cannot read a value of the answer: {error}") from error
        else:
            if isinstance(error, OutdatedSchemaCacheError):
                self.statements.forget()
                wait(self.raw.reload_schema_state())
            raise error
        return wait(self._bind_execute(self.last.state, values, "", 0, True, None))

    # --- transactions ---------------------------------------------------------------------------------------------

    def command(self, sql: str) -> None:
        wait(self.raw.execute(sql))

    def is_in_transaction(self) -> bool:
        raw = self.raw
        return not raw.is_closed() and bool(raw.is_in_transaction())

    # --- the connection -------------------------------------------------------------------------------------------

    @property
    def time_zone(self) -> str:
        return str(getattr(self.raw.get_settings(), "TimeZone", ""))

    @property
    def server_version(self) -> int:
        version = self.raw.get_server_version()
        return int(version.major * 10000 + version.minor * 100 + version.micro)

    def close(self) -> None:
        wait(self.raw.close(timeout=CANCEL_TIMEOUT))

    def is_open(self) -> bool:
        return not self.raw.is_closed()

    def terminate(self) -> None:
        raw = self.raw
        if raw.is_closed():
            return
        # asyncpg would cancel what the server is still doing in a task, and ends that task with the connection. Within
        # a transaction it may be the statement of a task that has not been cancelled.
        cancelling = bool(getattr(raw, "_cancellations", None)) or self.is_in_transaction()
        protocol, address = getattr(raw, "_protocol", None), getattr(raw, "_addr", None)
        process, secret = getattr(protocol, "backend_pid", None), getattr(protocol, "backend_secret", None)
        raw.terminate()
        if cancelling and address and process is not None and secret is not None:
            try:
                self.loop.run_in_executor(None, _cancel, address, process, secret)
            except RuntimeError:
                pass  # the loop is closed, and soon the process: the server sees that, too


async def _execute_publicly(
    statement: Any, values: Sequence[Any], portal: str, limit: int, extra: bool, timeout: float | None
) -> tuple[list[Any], bytes, bool]:
    rows = await statement.fetch(*values)
    return rows, statement.get_statusmsg().encode(), True


def _cancel(address: Any, pid: int, secret: int) -> None:
    """Ask a server to end what one of its processes is doing (CancelRequest in the protocol of PostgreSQL)."""
    try:
        if isinstance(address, str):
            knocking = socket.socket(socket.AF_UNIX)
            knocking.settimeout(CANCEL_TIMEOUT)
            knocking.connect(address)
        else:
            knocking = socket.create_connection(address[:2], CANCEL_TIMEOUT)
        with knocking:
            knocking.sendall(struct.pack("!IIII", 16, 80877102, pid, secret & 0xFFFFFFFF))
    except OSError:
        pass  # the server finds out by itself when it has something to say


def count_of(status: bytes | str | None) -> int:
    """How many rows a statement was about, from its status: 3 of "UPDATE 3"; -1 if it does not say."""
    words = (status or b"").split()
    return int(words[-1]) if words and words[-1].isdigit() else -1


class AsyncpgCursor:
    """A cursor as PEP 249 has it, for SQL of the user's own."""

    lastrowid = None

    def __init__(self, link: AsyncpgLink) -> None:
        self._link = link
        self.description: list[Column] | None = None
        self.rowcount = -1
        self._rows: list[Row] = []

    def execute(self, sql: str, params: Params | None = None) -> None:
        """Run a statement; without parameters it may be several."""
        link = self._link
        if not params and ";" in sql.strip().rstrip(";") and self._is_script(sql, params):
            text = sql if params is None else "".join(split(sql)[0])
            self.description, self.rowcount, self._rows = None, count_of(wait(link.raw.execute(text))), []
            return
        rows, status, _ = link.execute(sql, params)
        self._rows = list(map(as_tuple, rows))
        self.description = link.last.describe()
        self.rowcount = count_of(status)

    def _is_script(self, sql: str, params: Params | None) -> bool:
        """Whether these are several statements: the server is asked, since a semicolon may be part of one."""
        link = self._link
        within = link.is_in_transaction()
        if within:
            link.savepoint("webframe_script")
        several = False
        try:
            link.statements.ready(sql, params)
        except PostgresSyntaxError as error:
            several = "multiple commands" in str(error)
            if not several:
                raise
            if within:
                link.rollback_to("webframe_script")
        if within:
            link.release("webframe_script")
        return several

    def executemany(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each set of parameters."""
        self.description, self._rows = None, []
        self.rowcount = self._link.run_many(sql, rows)

    def callproc(self, name: str, params: Sequence[Any] = ()) -> None:
        """PostgreSQL calls procedures by SQL."""
        raise psycopg.NotSupportedError(
            f"Drivers of PostgreSQL have no callproc(). Use execute('CALL {name}(...)'), or SELECT for a function."
        )

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        """Nothing is open."""


class AsyncpgStream:
    """A portal of the server: asyncpg's cursors, without the check that asyncpg itself has begun the transaction."""

    def __init__(self, link: AsyncpgLink, prepared: Prepared, values: Sequence[Any], own: bool) -> None:
        self._link = link
        self._prepared = prepared
        # Whether the transaction that it lives in is its own.
        self._own = own
        self._name = f"webframe_stream_{next(_numbers)}"
        self._ended = False
        self._closed = False
        if QUICK:
            wait(link.raw._protocol.bind(prepared.state, values, self._name, None))
        else:
            self._cursor = wait(prepared.statement.cursor(*values))

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        if self._ended:
            return []
        if QUICK:
            rows, _, self._ended = wait(
                self._link.raw._protocol.execute(self._prepared.state, self._name, size, True, None)
            )
        else:
            rows = wait(self._cursor.fetch(size))
        return list(map(as_tuple, rows))

    def close(self) -> None:
        """End the query, and its transaction if it has one of its own."""
        link = self._link
        if self._closed or link.raw.is_closed():
            return
        self._closed = True
        if self._own:
            link.command("COMMIT")
        elif QUICK:
            wait(link.raw._protocol.close_portal(self._name, None))

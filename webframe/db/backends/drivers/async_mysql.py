"""How statements are run on a connection of asyncmy or aiomysql, which belong to an event loop.

Both have grown out of PyMySQL, and have its insides in common. Here they take and
give what PyMySQL does: it reads the options, and its way of writing values is used.
Warnings of the server are not asked for, as PyMySQL does not ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pymysql import converters, err
from pymysql.connections import Connection
from pymysql.constants import CR, ER, SERVER_STATUS
from pymysql.cursors import RE_INSERT_VALUES

from webframe import waiting
from webframe.db.backends.drivers import threads
from webframe.db.backends.drivers.base import Link, Params, Row
from webframe.db.backends.drivers.pymysql import DEADLOCK
from webframe.waiting import wait

# The longest statement that many rows are put into, in letters; as in PyMySQL.
LONGEST = 1_024_000

# What both drivers say when the next piece of an answer is not the one that should come.
OUT_OF_STEP = "Packet sequence number wrong"

# How values of Python are written in SQL.
ENCODERS = {kind: write for kind, write in converters.conversions.items() if not isinstance(kind, int)}


class AsyncMySQLLink(Link):
    """One connection of asyncmy or aiomysql in autocommit, opened with FOUND_ROWS, so that rows matched are counted."""

    # The class of the driver's cursors that do not read their whole answer at once.
    unbuffered_cursor: Any

    def __init__(self, raw: Any, isolation_level: str = "") -> None:
        super().__init__(raw, isolation_level)
        self.loop = asyncio.get_running_loop()
        # Tells the server to end the connection of this number; blocks, and raises nothing.
        self.kill: Callable[[int], object] | None = None
        # Whether the server is at work for us, or was when the task was interrupted that had asked.
        self._is_asking = False

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params) -> list[Row]:
        return list(self.ask(sql, params).rows or ())

    def run(self, sql: str, params: Params) -> int:
        return int(self.ask(sql, params).affected_rows)

    def insert(self, sql: str, params: Params) -> Row | None:
        answer = self.ask(sql, params)
        if answer.description is None:
            return (answer.insert_id,)
        return answer.rows[0] if answer.rows else None

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        parts = RE_INSERT_VALUES.match(sql)
        if parts is None:
            return sum(self.run(sql, row) for row in rows)
        before, values, after = parts[1] % (), parts[2].rstrip(), parts[3] or ""
        chunk: list[str] = []
        count = length = 0
        for row in rows:
            written = values % self.written(row)
            if chunk and len(before) + length + len(chunk) + len(written) + len(after) > LONGEST:
                count += int(self.ask(before + ",".join(chunk) + after, None).affected_rows)
                length, chunk = 0, []
            chunk.append(written)
            length += len(written)
        return count + int(self.ask(before + ",".join(chunk) + after, None).affected_rows)

    def cursor(self) -> Any:
        return AsyncMySQLCursor(self)

    def stream(self, sql: str, params: Params, size: int) -> Any:
        # Until its last row is read, nothing else can be asked on this connection: it needs one of its own.
        cursor = wait(self.raw.cursor(self.unbuffered_cursor))
        wait(cursor.execute(sql % self.written(params)))
        return AsyncMySQLStream(self, cursor)

    def command(self, sql: str) -> None:
        self.ask(sql, None)

    def ask(self, sql: str, params: Params | None) -> Any:
        """Run a statement, and return what the driver knows of its answer; without parameters (None) as it stands."""
        raw = self.raw
        if params is not None:
            sql %= self.written(params)
        self._is_asking = True
        try:
            wait(raw.query(sql))
            answer = raw._result
            # A procedure has done its work, or failed, when its last answer is there.
            while raw._result.has_next:
                wait(raw.next_result())
        except Exception as error:
            self._is_asking = False
            if not _is_answered(error):
                # aiomysql goes on to read where another task, whose transaction this is as well, has closed it.
                is_closed_by_others = isinstance(error, AttributeError) and not self.is_open()
                self.terminate()
                if is_closed_by_others or OUT_OF_STEP in str(error):
                    raise err.OperationalError(
                        CR.CR_SERVER_LOST, f"Lost connection to MySQL server: {error}"
                    ) from error
            raise
        self._is_asking = False
        return answer

    def written(self, params: Params) -> Any:
        """Values as SQL."""
        if isinstance(params, dict):
            return {name: self._literal(value) for name, value in params.items()}
        try:
            return tuple(map(self.raw.literal, params))
        except TypeError:
            return tuple(map(self._literal, params))

    def _literal(self, value: Any) -> str:
        """A value as SQL; as in PyMySQL it may be a list, such as IN wants."""
        if type(value) in (tuple, list, set, frozenset):
            return f"({','.join(map(self._literal, value))})"
        if type(value) is bytearray:
            value = bytes(value)
        literal: str = self.raw.literal(value)
        return literal

    # --- transactions ---------------------------------------------------------------------------------------------

    def begin_sql(self, read_only: bool) -> str:
        return "START TRANSACTION READ ONLY" if read_only else "BEGIN"

    def is_in_transaction(self) -> bool:
        return self.begun or bool(self.raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    def has_rolled_back(self, error: BaseException) -> bool:
        return self.begun and bool(error.args) and error.args[0] == DEADLOCK

    # --- the connection -------------------------------------------------------------------------------------------

    def ping(self) -> None:
        wait(self.raw.ping(False))

    def close(self) -> None:
        if waiting.running_loop() is self.loop and waiting.current_greenlet() is not None:
            wait(self.raw.ensure_closed())  # says good-bye
        else:
            self.terminate()

    def terminate(self) -> None:
        try:
            self.raw.close()
        except RuntimeError:
            return  # its event loop is closed
        if self._is_asking and self.kill is not None:
            # The server would find out when it has an answer to send, and keep all locks until then.
            self._is_asking = False
            threads.spawn(partial(self.kill, self.raw.thread_id()))

    def is_open(self) -> bool:
        raise NotImplementedError


class AsyncMySQLCursor:
    """A cursor as in PEP 249 that has its whole answer as soon as a statement was executed."""

    def __init__(self, link: AsyncMySQLLink) -> None:
        self._link = link
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: Any = None
        self._rows: Sequence[Row] = ()

    def execute(self, sql: str, params: Params | None = None) -> None:
        """Run a statement."""
        self._take(self._link.ask(sql, params))

    def executemany(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each set of parameters."""
        self.description, self._rows = None, ()
        self.rowcount = self._link.run_many(sql, rows) if rows else 0

    def callproc(self, name: str, params: Sequence[Any] = ()) -> None:
        """Call a stored procedure; as in PyMySQL its parameters are variables of the session."""
        names = [f"@_{name}_{number}" for number in range(len(params))]
        if names:
            self._link.ask(f"SET {','.join(f'{each}=%s' for each in names)}", params)
        self._take(self._link.ask(f"CALL {name}({','.join(names)})", None))

    def fetchall(self) -> list[Row]:
        """All rows of the answer, once."""
        rows, self._rows = self._rows, ()
        return list(rows)

    def close(self) -> None:
        """Nothing is open."""

    def _take(self, answer: Any) -> None:
        self.description = answer.description
        self.rowcount = answer.affected_rows
        self.lastrowid = answer.insert_id
        self._rows = answer.rows or ()


class AsyncMySQLStream:
    """Rows that are taken from the connection as they are asked for."""

    def __init__(self, link: AsyncMySQLLink, cursor: Any) -> None:
        self._link = link
        self._cursor = cursor
        self._ended = False

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        rows: list[Row] = wait(self._cursor.fetchmany(size))
        self._ended = len(rows) < size
        return rows

    def close(self) -> None:
        """End the query. Rows that are left would have to be read, however many there are, so the connection ends."""
        if not self._ended:
            self._ended = True
            self._link.stale = True
            self._link.terminate()


def prefers_tls(model: Connection[Any]) -> bool:
    """Whether a connection is to use TLS if the server has it; over a socket of this machine nobody can listen."""
    return bool(model.ssl) and not (model.unix_socket and not model._ssl_required)


def without_tls(model: Connection[Any]) -> err.OperationalError | None:
    """What is raised where the server has no TLS, if anything."""
    if not model._ssl_required:
        return None
    return err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "SSL is required but the server doesn't support it")


def sql_mode(model: Connection[Any]) -> str | None:
    """The option of that name as SQL."""
    return None if model.sql_mode is None else f"'{converters.escape_string(model.sql_mode)}'"


def _is_answered(error: Exception) -> bool:
    """Whether a statement failed because the server says so, or before it was asked: then the connection goes on."""
    if isinstance(error, UnicodeEncodeError):
        return True
    code = error.args[0] if error.args and isinstance(as_in_pymysql(error), err.MySQLError) else None
    # Numbers from 2000 on are those of clients; after a statement that is too large the server ends the connection.
    return isinstance(code, int) and not 2000 <= code < 3000 and code != ER.NET_PACKET_TOO_LARGE


def as_in_pymysql(error: BaseException) -> BaseException:
    """An error of PyMySQL's in the place of the driver's own."""
    known = getattr(err, type(error).__name__, None)
    if known is None or isinstance(error, err.Error):
        return error
    kind: type[BaseException] = err.error_map.get(error.args[0] if error.args else None, known)
    return kind(*error.args)

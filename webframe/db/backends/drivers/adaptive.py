"""How async code uses a connection of sqlite3: questions are answered at once, on the event loop; the rest in threads.

Most questions that a program asks SQLite are answered in some microseconds, and
going to a thread and back takes many times as long. So a SELECT runs on the
event loop, for half a millisecond: then it is interrupted, and asked again in
a thread. Reading can be interrupted at any time without harm. What SQLite cannot
interrupt (see `sqlite_programs.py`) goes to a thread at once, and so does what
meets a very long value. Nothing waits for a lock on the loop: what finds the
database locked is repeated in a thread, too.

Whatever writes runs in a thread, but for the beginning of a transaction, which
does no more than take the lock. SQLite has one writer at a time; those of this
process stand in line before they ask for the lock, so they come in their order
and need no thread for waiting.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, TypeVar

from webframe._lazy import late_pattern
from webframe.db.backends.drivers import threads
from webframe.db.backends.drivers.base import Params, Row
from webframe.db.backends.drivers.sqlite3 import SQLiteLink
from webframe.db.backends.drivers.sqlite_programs import LONG, Pace, are_short, is_small, pace_of, quick_functions
from webframe.db.backends.drivers.threaded import ThreadedCursor, ThreadedLink, ThreadedStream, quietly
from webframe.db.errors import OperationalError
from webframe.db.guard import Guard, WouldWaitForItself
from webframe.waiting import wait

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

# Seconds that a question may run on the event loop. With looking at it first, and handing it over to a thread, that
# makes a millisecond at the most.
BUDGET = 0.0005

# Instructions of SQLite's virtual machine between two looks at the clock. A row by its key takes about 20 of them, a
# hundred rows of ten columns about 1,500.
INSTRUCTIONS = 50

# Bytes of a value that is dealt with on the loop, for functions cannot be interrupted: to look something up in JSON
# takes five microseconds for every thousand.
LENGTH = 100_000

# SQLite's codes for what was interrupted, and for a value that is too long.
TOO_MUCH = (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_TOOBIG)

# How many times a question that took too long on the loop is asked in a thread before it is tried there again.
DETOURS = 50

# The same for one that was never asked. What is below zero depends: a question that counts is tried as long as the
# database is small, one that looks for a pattern if that is short.
DETOURS_OF = {Pace.SURE: 0, Pace.COUNTING: -1, Pace.MATCHING: -2, Pace.UNSURE: math.inf}

# How many questions are remembered.
MAX_QUESTIONS = 1_000

_QUESTION = late_pattern(r"\s*(SELECT|VALUES)\b", re.IGNORECASE)

# Statements that need no turn among the writers. WITH may be the beginning of anything.
_READING = late_pattern(
    r"\s*(SELECT|VALUES|WITH\b(?!.*\b(INSERT|UPDATE|DELETE|REPLACE)\b)|PRAGMA|EXPLAIN|ATTACH|DETACH"
    r"|SAVEPOINT|RELEASE|ROLLBACK|COMMIT|END|BEGIN\s+DEFERRED)\b",
    re.IGNORECASE | re.DOTALL,
)


class Line:
    """Where the writers of one process stand in line for one database, and what is known of its questions."""

    def __init__(self, timeout: float) -> None:
        # Held from before a transaction that writes until it has ended, by the connection that it runs on.
        self.guard = Guard()
        # Seconds that a writer waits for those of this process.
        self.timeout = timeout
        # Questions that have been asked, and how many more times each is asked in a thread.
        self.detours: dict[str, float] = {}
        # The SQL functions that are known to be quick, as soon as somebody has looked.
        self.quick: frozenset[str] | None = None

    def enter(self) -> None:
        """Wait for one's turn to write."""
        try:
            self.guard.acquire(self.timeout)
        except TimeoutError:
            raise OperationalError(
                f"database is locked: other tasks of this process have been writing to it for {self.timeout:g} "
                "seconds ('pool_timeout' in its OPTIONS)."
            ) from None
        except WouldWaitForItself:
            raise OperationalError(
                "database is locked: this task is writing to it already, in a transaction that this statement is no "
                "part of."
            ) from None

    def leave(self) -> None:
        """Give the turn to the next; in any thread."""
        self.guard.release()


class AdaptiveLink(ThreadedLink):
    """One connection of sqlite3, used by async code."""

    raw: sqlite3.Connection
    inner: SQLiteLink

    def __init__(self, inner: SQLiteLink, loop: asyncio.AbstractEventLoop, line: Line, shared: bool = False) -> None:
        """`shared`: all use this one connection, so it finds nothing locked, and stays open when this is closed."""
        super().__init__(inner, loop)
        self._line = line
        self._shared = shared
        # Whether this connection has the turn to write.
        self._has_turn = False
        # Whether the transaction of a shared connection is one that this link has begun.
        self._is_within = False
        # Whether SQLite waits for locks now, and how many milliseconds it then does; it must not on the event loop.
        self._is_patient = not shared
        self._patience = 0
        # When the question that runs now is to be given up.
        self._deadline = deadline = [0.0]

        def is_over() -> bool:
            return perf_counter() > deadline[0]

        self._is_over = is_over

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params) -> list[Row]:
        return self.ask(sql, self.inner.fetch, sql, params)

    def run(self, sql: str, params: Params) -> int:
        return self.there(sql, self.inner.run, sql, params)

    def insert(self, sql: str, params: Params) -> Row | None:
        return self.there(sql, self.inner.insert, sql, params)

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        return self.there(sql, self.inner.run_many, sql, rows)

    def cursor(self) -> Any:
        return AdaptiveCursor(self)

    def stream(self, sql: str, params: Params, size: int) -> Any:
        # A question that is interrupted cannot be gone on with, so all of a stream is taken in threads.
        return AdaptiveStream(self, self.there(sql, self.inner.stream, sql, params, size))

    def ask(self, sql: str, function: Callable[..., T], *args: Any) -> T:
        """Call what runs a statement: on the loop if it is a question that is answered quickly, else in a thread.

        The parameters of the statement are the last of the arguments.
        """
        detours = self._line.detours.get(sql)
        if detours == 0 or self._may_be_tried(sql, args[-1], detours):
            self._take()
            raw = self.raw
            try:
                if self._is_patient:
                    self._lose_patience()
                self._deadline[0] = perf_counter() + BUDGET
                raw.set_progress_handler(self._is_over, INSTRUCTIONS)
                length = raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LENGTH)
                try:
                    return function(*args)
                finally:
                    raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
            except (sqlite3.OperationalError, sqlite3.DataError) as error:
                if code_of(error) in TOO_MUCH:
                    self._line.detours[sql] = DETOURS
                elif not _is_locked(error):
                    raise
            finally:
                try:
                    raw.set_progress_handler(None, 0)
                finally:
                    self._let_go()
        return self.there(sql, function, *args)

    def there(self, sql: str, function: Callable[..., T], *args: Any) -> T:
        """Run a statement in a thread; one that writes waits for its turn before."""
        if self._has_turn or self._shared or _READING.match(sql):
            return self.hop(function, *args)
        self._take()
        try:
            self._enter_line()
            future = threads.start(self._use, function, args)
        except BaseException:
            self._let_go()
            raise
        return wait(future)

    def here(self, function: Callable[..., T], *args: Any) -> T:
        """Run a statement on the loop that is done in no time, or finds the database locked."""
        self._take()
        try:
            if self._is_patient:
                self._lose_patience()
            return function(*args)
        finally:
            self._let_go()

    def _use(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        result: T = super()._use(self._patiently, (function, *args))
        return result

    def _patiently(self, function: Callable[..., T], *args: Any) -> T:
        # In a thread one may wait for locks.
        if not self._is_patient and not self._shared:
            self.raw.execute(f"PRAGMA busy_timeout={self._patience}")
            self._is_patient = True
        return function(*args)

    def _lose_patience(self) -> None:
        # Somebody may have set it to something else than the 'timeout' of OPTIONS.
        self._patience = self.raw.execute("PRAGMA busy_timeout").fetchone()[0]
        self.raw.execute("PRAGMA busy_timeout=0")
        self._is_patient = False

    def _may_be_tried(self, sql: str, params: Any, detours: float | None) -> bool:
        """Whether a statement may be run on the loop until it is interrupted."""
        known = self._line.detours
        if detours is None:
            if len(sql) > LONG or not _QUESTION.match(sql):
                return False
            try:
                detours = self.here(self._detours_of, sql, params)
            except Exception:
                return True  # whatever is wrong with it, it will say by itself
            if len(known) >= MAX_QUESTIONS:
                known.clear()
            known[sql] = detours
        if detours > 1:
            known[sql] = detours - 1
            return False
        if detours == 1:
            known.pop(sql, None)  # it is looked at anew
            return False
        if detours == DETOURS_OF[Pace.COUNTING]:
            return self.here(is_small, self.raw)
        return detours == 0 or are_short(params)

    def _detours_of(self, sql: str, params: Any) -> float:
        """How often a question that nobody has asked yet is to be asked in a thread first."""
        line = self._line
        if line.quick is None:
            line.quick = quick_functions(self.raw)
        return DETOURS_OF[pace_of(self.raw, sql, params, line.quick)]

    # --- the turn to write ----------------------------------------------------------------------------------------

    def _enter_line(self) -> None:
        """Wait for the turn to write; it is kept for as long as the connection is in a transaction."""
        self._line.enter()
        self._has_turn = True

    def _leave_line(self) -> None:
        self._has_turn = False
        self._line.leave()

    def _let_go(self) -> None:
        try:
            if self._shared:
                self._is_within = self.inner.begun or self.raw.in_transaction
            if self._has_turn and not self._abandoned and not self.raw.in_transaction:
                self._leave_line()
        finally:
            super()._let_go()

    # --- transactions ---------------------------------------------------------------------------------------------

    def command(self, sql: str) -> None:
        self.there(sql, self.inner.command, sql)

    def begin(self, read_only: bool) -> None:
        future = None
        self._take()
        try:
            if not (read_only or self._shared or self.inner.is_deferred):
                self._enter_line()
            if self._is_patient:
                self._lose_patience()
            try:
                self.inner.begin(read_only)
            except sqlite3.OperationalError as error:
                if not _is_locked(error):
                    raise
                future = threads.start(self._use, self.inner.begin, (read_only,))
        except BaseException:
            self._let_go()
            raise
        if future is None:
            self._let_go()
        else:
            wait(future)

    def commit(self) -> None:
        if self.inner.is_read_only:
            self.here(self.inner.commit)
        else:
            self.hop(self.inner.commit)

    def rollback(self) -> None:
        if self.inner.is_read_only or not self.raw.in_transaction:
            self.here(self.inner.rollback)
        else:
            self.hop(self.inner.rollback)

    def savepoint(self, name: str) -> None:
        self._mark(self.inner.savepoint, name)

    def release(self, name: str) -> None:
        self._mark(self.inner.release, name)

    def _mark(self, step: Callable[[str], None], name: str) -> None:
        """Set or forget a savepoint, which within a transaction neither reads nor writes the file."""
        if self.raw.in_transaction:
            self.here(step, name)
        else:
            self.hop(step, name)

    # --- the connection -------------------------------------------------------------------------------------------

    def ping(self) -> None:
        self.fetch("SELECT 1", ())

    def terminate(self) -> None:
        if not self._shared:
            if self._has_turn and not self._abandoned:
                self._line.guard.owner = 0  # it is no longer this task that others wait for; it may wait itself
            super().terminate()
            return
        # Nobody else may come before a thread that is using the connection is done. As there are no locks to wait for,
        # and whatever runs can be interrupted, that takes no time.
        self._abandoned = True
        while not self._closed:
            try:
                self._free.pop()
            except IndexError:
                self.interrupt()
                sleep(0.0001)
            else:
                self._close()

    def __del__(self) -> None:
        # Its event loop was closed without any farewell; others are waiting for the turn.
        if not self._shared and self.is_open():
            self.terminate()

    def _close(self) -> None:
        if self._shared:
            if self._is_within:
                quietly(self.inner.rollback)
            self._closed = True
        else:
            super()._close()
        # Only now has the lock been let go.
        if self._has_turn:
            self._leave_line()


class AdaptiveCursor(ThreadedCursor):
    """A cursor as in PEP 249; questions that it is given are answered on the loop, if they are quick."""

    _link: AdaptiveLink

    def execute(self, sql: str, params: Any = None) -> None:
        self._link.ask(sql, self.answer, "execute", sql, params)

    def executemany(self, sql: str, rows: Sequence[Params]) -> None:
        self._link.there(sql, self.answer, "executemany", sql, rows)


class AdaptiveStream(ThreadedStream):
    """A stream of sqlite3."""

    _link: AdaptiveLink

    # Whether all rows were taken, and there is nothing to be ended; what was sorted for the others takes its time.
    _is_over = False

    def fetchmany(self, size: int) -> list[Row]:
        rows = super().fetchmany(size)
        self._is_over = len(rows) < size
        return rows

    def close(self) -> None:
        if self._is_over:
            inner, self._inner = self._inner, None
            if inner is not None:
                self._link.here(inner.close)
        else:
            super().close()


def _is_locked(error: sqlite3.Error) -> bool:
    return code_of(error) & 0xFF == sqlite3.SQLITE_BUSY


def code_of(error: sqlite3.Error) -> int:
    """SQLite's code of an error; 0 for those that the Python module raises by itself."""
    return getattr(error, "sqlite_errorcode", None) or 0

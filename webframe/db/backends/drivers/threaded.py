"""How async code uses a connection of an ordinary driver: each statement is run in a thread, and the task waits.

For every database that has no async driver here. The link of the ordinary driver
does the work; `ThreadedLink` takes care that a connection that a thread is still
using, because the task that waited was cancelled, is left alone by everybody
else, and closed by that thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from webframe import waiting
from webframe.db.backends.drivers import threads
from webframe.db.backends.drivers.base import Link, Params, Row
from webframe.db.errors import InterfaceError
from webframe.waiting import wait

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def connect(make: Callable[[], T], close: Callable[[T], object]) -> T:
    """Make a connection in a thread; one that nobody waits for any more is closed."""
    attempt = _Attempt(make, close)
    try:
        connection: T = threads.call(attempt.make)
        return connection
    except BaseException:
        attempt.give_up()
        raise


class _Attempt:
    """A connection that is being made, by a thread, for a task that may be cancelled meanwhile."""

    def __init__(self, make: Callable[[], Any], close: Callable[[Any], object]) -> None:
        self._make = make
        self._close = close
        self._made: list[Any] = []
        self._given_up = False

    def make(self) -> Any:
        """For the thread."""
        connection = self._make()
        self._made.append(connection)
        if self._given_up:
            self._close_it()
        return connection

    def give_up(self) -> None:
        """For the task, when it was cancelled."""
        self._given_up = True
        self._close_it()

    def _close_it(self) -> None:
        # Both may come here at the same time; only one of them finds it.
        try:
            connection = self._made.pop()
        except IndexError:
            return
        threads.do(lambda: quietly(self._close, connection))


class ThreadedLink(Link):
    """Another link, whose methods are run in threads; to be used in greenlets on a running event loop."""

    def __init__(self, inner: Link, loop: asyncio.AbstractEventLoop) -> None:
        # The link of the ordinary driver.
        self.inner = inner
        super().__init__(inner.raw, inner.isolation_level)
        self.loop = loop
        # Has one thing in it while no thread is using the connection; whoever takes it out may use it. Taking it out
        # and putting it back are one step each, so no lock is needed, and the garbage collector may come at any time.
        self._free: list[None] = [None]
        # Whether the connection is to be closed by whoever can, and whether that has been done.
        self._abandoned = False
        self._closed = False

    @property
    def begun(self) -> bool:
        """Whether a transaction has been begun and not yet ended."""
        return self.inner.begun

    @begun.setter
    def begun(self, begun: bool) -> None:
        self.inner.begun = begun

    @property
    def stale(self) -> bool:
        """Whether it is to be closed instead of being used by the next one."""
        return self.inner.stale

    @stale.setter
    def stale(self, stale: bool) -> None:
        self.inner.stale = stale

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params) -> list[Row]:
        return self.hop(self.inner.fetch, sql, params)

    def run(self, sql: str, params: Params) -> int:
        return self.hop(self.inner.run, sql, params)

    def insert(self, sql: str, params: Params) -> Row | None:
        return self.hop(self.inner.insert, sql, params)

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        return self.hop(self.inner.run_many, sql, rows)

    def cursor(self) -> Any:
        return ThreadedCursor(self)

    def stream(self, sql: str, params: Params, size: int) -> Any:
        return ThreadedStream(self, self.hop(self.inner.stream, sql, params, size))

    # --- transactions ---------------------------------------------------------------------------------------------

    def command(self, sql: str) -> None:
        self.hop(self.inner.command, sql)

    def begin(self, read_only: bool) -> None:
        self.hop(self.inner.begin, read_only)

    def commit(self) -> None:
        self.hop(self.inner.commit)

    def rollback(self) -> None:
        self.hop(self.inner.rollback)

    def savepoint(self, name: str) -> None:
        self.hop(self.inner.savepoint, name)

    def release(self, name: str) -> None:
        self.hop(self.inner.release, name)

    def rollback_to(self, name: str) -> None:
        self.hop(self.inner.rollback_to, name)

    def is_in_transaction(self) -> bool:
        return self.inner.is_in_transaction()

    def has_rolled_back(self, error: BaseException) -> bool:
        return self.inner.has_rolled_back(error)

    # --- the connection -------------------------------------------------------------------------------------------

    def ping(self) -> None:
        self.hop(self.inner.ping)

    def close(self) -> None:
        if not waiting.on_running_loop() or waiting.current_greenlet() is None:
            self.terminate()
            return
        self._take()
        threads.call(self._close)

    def is_open(self) -> bool:
        return not self._abandoned and not self._closed and self.inner.is_open()

    def terminate(self) -> None:
        self._abandoned = True
        try:
            self._free.pop()
        except IndexError:
            threads.do(self.interrupt)  # the thread that is using it closes it
        else:
            threads.do(self._close)

    def interrupt(self) -> None:
        self.inner.interrupt()

    def hop(self, function: Callable[..., T], /, *args: Any) -> T:
        """Call a function that uses the connection, in a thread."""
        self._take()
        try:
            future = threads.start(self._use, function, args)
        except BaseException:
            self._let_go()
            raise
        return wait(future)

    def _take(self) -> None:
        try:
            self._free.pop()
        except IndexError:
            raise still_used() from None

    def _use(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            if self._abandoned:
                raise InterfaceError("The connection was closed before the statement was run.")
            return function(*args)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Put back what `_take` has taken, or close the connection that was abandoned meanwhile."""
        self._free.append(None)
        if self._abandoned:
            try:
                self._free.pop()
            except IndexError:
                return  # terminate() was quicker
            self._close()

    def _close(self) -> None:
        """Close the connection, for good: nobody can take it any more; raises nothing."""
        quietly(self.inner.close)
        self._closed = True


class ThreadedCursor:
    """A cursor as in PEP 249 that has its whole answer as soon as a statement was executed."""

    def __init__(self, link: ThreadedLink) -> None:
        self._link = link
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: Any = None
        self._rows: list[Row] = []

    def execute(self, sql: str, params: Any = None) -> None:
        """Run a statement."""
        self._ask("execute", sql, params)

    def executemany(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each set of parameters."""
        self._ask("executemany", sql, rows)

    def callproc(self, name: str, params: Sequence[Any] = ()) -> None:
        """Call a stored procedure."""
        self._ask("callproc", name, params)

    def fetchall(self) -> list[Row]:
        """All rows of the answer, once."""
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        """Nothing is open."""

    def _ask(self, method: str, sql: str, params: Any) -> None:
        self._link.hop(self.answer, method, sql, params)

    def answer(self, method: str, sql: str, params: Any) -> None:
        """Run a statement and take its answer from the driver's cursor, in this thread."""
        cursor = self._link.inner.cursor()
        try:
            if params is None:
                cursor.execute(sql)
            else:
                getattr(cursor, method)(sql, params)
            self.description = cursor.description
            self.rowcount = cursor.rowcount
            self.lastrowid = getattr(cursor, "lastrowid", None)
            self._rows = list(cursor.fetchall()) if cursor.description is not None else []
        finally:
            cursor.close()


class ThreadedStream:
    """A stream of the ordinary link; rows are taken from the database in threads."""

    def __init__(self, link: ThreadedLink, inner: Any) -> None:
        self._link = link
        self._inner = inner

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        return list(self._link.hop(self._inner.fetchmany, size))

    def close(self) -> None:
        """End the query."""
        inner, self._inner = self._inner, None
        if inner is not None:
            self._link.hop(inner.close)


def still_used() -> InterfaceError:
    """What is raised for a statement on a connection that cannot be had."""
    return InterfaceError("The connection was closed, or a thread is still using it for a task that was cancelled.")


def quietly(function: Callable[..., object], *args: Any) -> None:
    """Call a function, whether or not it fails."""
    try:
        function(*args)
    except Exception:
        pass  # what is being closed is of no use to anybody

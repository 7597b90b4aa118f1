"""A link: one connection of a driver, and how statements are run on it.

One small class per driver follows in the modules beside this one. A link knows
nothing of pools, guards or contexts; it is used by one at a time. What it raises
are the errors of its driver.
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from webframe.greenlets import bridge

if TYPE_CHECKING:
    import asyncio

Params = Sequence[Any] | dict[str, Any]
Row = tuple[Any, ...]


class Link:
    """One connection of a driver that follows PEP 249; drivers with peculiarities override what they do better.

    The connection is in autocommit, and stays so: transactions are begun and
    ended by statements of ours.
    """

    def __init__(self, raw: Any, isolation_level: str = "") -> None:
        # The connection of the driver.
        self.raw = raw
        # Whether a transaction has been begun and not yet ended.
        self.begun = False
        # Whether it is to be closed instead of being used by the next one.
        self.stale = False
        # What transactions are begun with: " ISOLATION LEVEL SERIALIZABLE", for example.
        self.isolation_level = isolation_level
        # The event loop on which it is used, where it waits by `waiting.wait`; None: it is used in threads, and blocks.
        self.loop: asyncio.AbstractEventLoop | None = None
        # Streams that may be in the middle of their answer.
        self.streams: set[Any] = set()
        # Held while a thread uses it for a task of an event loop; and which one that is, 0 for none.
        self.lent = threading.Lock()
        self.lent_to = 0

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params) -> list[Row]:
        """All rows of the answer."""
        cursor = self.raw.cursor()
        try:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
        finally:
            cursor.close()

    # Whether `start` is ever able to.
    starts: ClassVar[bool] = False

    def start(self, sql: str, params: Params) -> Coroutine[Any, Any, Sequence[Any]] | None:
        """What fetches rows without a greenlet, once it is awaited on the loop of the link; None: it cannot be done.

        Its answer begins with the rows, which may be whatever can be taken apart like a tuple.
        """
        return None

    async def fetch_in_greenlet(self, sql: str, params: Params) -> Sequence[Any]:
        """The same answer, where it takes a greenlet."""
        return (await bridge(self.fetch, sql, params),)

    # The errors of what `start` gives that `after` may have an answer to.
    failures: ClassVar[tuple[type[BaseException], ...]] = ()

    def after(self, error: Exception, sql: str, params: Params) -> Sequence[Any]:
        """The same answer after one of the `failures`, in a greenlet, where it can be had yet; else raises an error."""
        raise error

    def run(self, sql: str, params: Params) -> int:
        """How many rows were matched."""
        cursor = self.raw.cursor()
        try:
            cursor.execute(sql, params)
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def insert(self, sql: str, params: Params) -> Row | None:
        """The row that RETURNING gives, or else a tuple of the key that the database has made."""
        cursor = self.raw.cursor()
        try:
            cursor.execute(sql, params)
            if cursor.description is None:
                return (getattr(cursor, "lastrowid", None),)
            rows = cursor.fetchall()
            return tuple(rows[0]) if rows else None
        finally:
            cursor.close()

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement with each of many sets of parameters; how many rows were matched in all."""
        cursor = self.raw.cursor()
        try:
            cursor.executemany(sql, rows)
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def cursor(self) -> Any:
        """A new cursor of the driver that holds its whole answer in memory."""
        return self.raw.cursor()

    def stream(self, sql: str, params: Params, size: int) -> Any:
        """A cursor whose `fetchmany` takes rows from the database as they are asked for; to be closed."""
        cursor = self.raw.cursor()
        cursor.arraysize = size
        cursor.execute(sql, params)
        return cursor

    # --- transactions ---------------------------------------------------------------------------------------------

    def command(self, sql: str) -> None:
        """Run a statement without parameters or answer."""
        cursor = self.raw.cursor()
        try:
            cursor.execute(sql)
        finally:
            cursor.close()

    def begin_sql(self, read_only: bool) -> str:
        """The statement that begins a transaction."""
        return "BEGIN"

    def begin(self, read_only: bool) -> None:
        """Begin a transaction."""
        self.command(self.begin_sql(read_only))
        self.begun = True

    def commit(self) -> None:
        """Commit the transaction; when it fails, `is_in_transaction` knows whether there is still one."""
        self.command("COMMIT")
        self.begun = False

    def rollback(self) -> None:
        """Roll the transaction back, if the database has not done so by itself."""
        if self.is_in_transaction():
            self.command("ROLLBACK")
        self.begun = False

    def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        self.command(f"SAVEPOINT {name}")

    def release(self, name: str) -> None:
        """Forget a savepoint and keep what was done since."""
        self.command(f"RELEASE SAVEPOINT {name}")

    def rollback_to(self, name: str) -> None:
        """Undo what was done since a savepoint."""
        self.command(f"ROLLBACK TO SAVEPOINT {name}")

    def is_in_transaction(self) -> bool:
        """Whether the database is in a transaction that was begun here, as far as can be known without asking it."""
        return self.begun

    def has_rolled_back(self, error: BaseException) -> bool:
        """Whether the database has ended the transaction because of an error."""
        return self.begun and not self.is_in_transaction()

    # --- the connection -------------------------------------------------------------------------------------------

    def end_streams(self) -> None:
        """End the streams that are still open, before the connection goes back to the pool."""
        while self.streams:
            self.streams.pop().close()

    def ping(self) -> None:
        """Ask the database for a sign of life; raises the driver's error if there is none."""
        self.command("SELECT 1")

    def close(self) -> None:
        """Close the connection."""
        self.let_go()
        self.raw.close()

    def call_back(self) -> None:
        """Wait until no other thread uses it for a task; the statement is told to end. Before it is closed: a driver
        that is taken its connection in the middle of a statement may end the process.
        """
        if self.lent_to == threading.get_ident():
            return  # the garbage collector has come here from the statement itself
        if not self.lent.acquire(blocking=False):
            self.interrupt()
            self.lent.acquire()
        self.lent.release()

    def interrupt(self) -> None:
        """Let the statement that another thread is running end soon, if the driver can; raises nothing."""
        for name in ("interrupt", "cancel"):
            if hasattr(self.raw, name):
                with suppress(Exception):
                    getattr(self.raw, name)()
                return

    def let_go(self) -> None:
        """Give up what would outlive the connection of the driver, before it is closed; raises nothing."""

    def is_open(self) -> bool:
        """Whether the driver knows of nothing, without asking the database, that has ended the connection."""
        return True

    def terminate(self) -> None:
        """Close the connection at once, whatever is being done on it, without waiting for anything."""
        self.close()


class StreamOfRows:
    """An answer that was fetched whole, in the shape of a cursor."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows: Iterator[Row] = iter(rows)

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        from itertools import islice

        return list(islice(self._rows, size))

    def close(self) -> None:
        """Nothing is open."""

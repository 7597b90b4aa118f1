"""The wrapper of one database: what runs a statement, on the right connection and in the right transaction.

A statement finds its place (see `places.py`), runs on the link behind the guard of
that place, and errors of the driver become those of `errors.py`.

One wrapper per alias serves the whole process, all its threads, event loops and
tasks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from webframe import waiting
from webframe._lazy import LateModule, imported
from webframe.conf import settings
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import transaction
from webframe.db.backends.cursors import Cursor
from webframe.db.backends.drivers.base import Link, Params, Row, StreamOfRows
from webframe.db.backends.places import Placing
from webframe.db.backends.streams import Stream
from webframe.db.errors import Error, NotSupportedError, TransactionManagementError
from webframe.db.guard import WouldWaitForItself
from webframe.db.holder import Slot, announced, entered, holder_if_any
from webframe.db.nodes import Node, broken_error, node_here
from webframe.greenlets import bridge

if TYPE_CHECKING:
    import sqlalchemy

    from webframe.db.backends.pools import Checkout
    from webframe.db.nodes import Hook
else:
    sqlalchemy = LateModule("sqlalchemy")


# Bound once, as in `places.py`.
_node_entered = entered.get


class DatabaseWrapper(Placing):
    """One database of DATABASES."""

    # What makes and changes tables; a name, because it stands above.
    schema_editor_class: ClassVar[str] = "webframe.db.schema.SchemaEditor"

    # --- statements -----------------------------------------------------------------------------------------------

    def fetch(self, sql: str, params: Params = ()) -> list[Row]:
        """All rows that a query gives."""
        if self.watchers or settings.DEBUG:
            rows: list[Row] = self._watched("fetch", sql, params)
            return rows
        place = self._enter()
        try:
            result: list[Row] = place.link.fetch(sql, params)
            return result
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    async def afetch(self, sql: str, params: Params = ()) -> Sequence[Sequence[Any]]:
        """What `fetch` gives, for async code that only reads. Rows may be whatever can be taken apart like a tuple."""
        started = self.start_fetch(sql, params)
        if started is None:
            return await bridge(self.fetch, sql, params)
        place, answer = started
        try:
            rows: Sequence[Sequence[Any]] = (await answer)[0]
        except BaseException as error:
            rows = await self.mend_fetch(place, error, sql, params)
        place.finish()
        return rows

    @property
    def starts(self) -> bool:
        """Whether statements may be started here without a greenlet: it is an event loop whose driver is up to it."""
        pool = self._last_pool
        return pool is not None and pool.starts

    def start_fetch(
        self, sql: str, params: Params, *, in_greenlet: bool = True
    ) -> tuple[Checkout | Node, Awaitable[Sequence[Any]]] | None:
        """Where a statement can run at once, and what fetches its rows there when it is awaited: its answer begins
        with them.

        Who has the rows calls `finish` of the place; an error goes to `mend_fetch`.
        None while somebody watches, and where no connection is idle, or somebody else
        is using the transaction here: then the statement has to find its place in a
        greenlet. Without `in_greenlet` also None where the driver takes one.
        """
        if self.watchers or self.announcing or settings.DEBUG:
            return None
        loop = waiting.running_loop()
        place: Checkout | Node | None
        if _node_entered() is not None and (node := node_here(self.alias, holder_if_any())) is not None:
            place, in_greenlet = node if node.take_at_once(loop) else None, False
        else:
            pool = self._last_pool
            # Where a guard lets those who share a connection wait for each other, the statement needs a place.
            if pool is None or pool.loop is not loop or self.guard_timeout is not None:
                return None
            place = pool.take_idle() if in_greenlet or pool.starts else None
        if place is None:
            return None
        link = place.link
        try:
            answer = link.start(sql, params)
        except BaseException as error:
            place.finish()
            if isinstance(error, Exception):
                return None  # it will be raised there
            raise
        if answer is None and not in_greenlet:
            place.finish()
            return None
        place.is_started = answer is not None
        return place, answer or link.fetch_in_greenlet(sql, params)

    async def mend_fetch(
        self, place: Checkout | Node, error: BaseException, sql: str, params: Params
    ) -> Sequence[Sequence[Any]]:
        """The rows all the same, if the driver knows what to do about an error.

        Else it is raised as ours, once it is noted what became of connection and transaction.
        """
        link: Link | None = place.link
        try:
            if link is None or not (
                place.is_started and isinstance(error, Exception) and isinstance(error, link.failures)
            ):
                raise error
            rows: Sequence[Sequence[Any]] = (await bridge(link.after, error, sql, params))[0]
        except BaseException as final:
            await bridge(self._fail, place, final)
        return rows

    def run(self, sql: str, params: Params = ()) -> int:
        """Run a statement; how many rows it matched."""
        if self.watchers or settings.DEBUG:
            matched: int = self._watched("run", sql, params)
            return matched
        place = self._enter()
        try:
            result: int = place.link.run(sql, params)
            return result
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def insert(self, sql: str, params: Params = ()) -> Row | None:
        """Insert one row; what RETURNING gives (None: no row), or else a tuple of the key that was made."""
        if self.watchers or settings.DEBUG:
            row: Row | None = self._watched("insert", sql, params)
            return row
        place = self._enter()
        try:
            result: Row | None = place.link.insert(sql, params)
            return result
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def run_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run a statement once for each set of parameters, all or none of them; how many rows were matched."""
        if not rows:
            return 0
        with transaction.atomic(using=self.alias, savepoint=False):
            if self.watchers or settings.DEBUG:
                matched: int = self._watched("run_many", sql, rows, many=True)
                return matched
            return self._perform("run_many", sql, rows)  # type: ignore[no-any-return]

    def iterate(self, sql: str, params: Params = (), chunk_size: int = 2000) -> Generator[list[Row], None, None]:
        """The rows of a query in lists of up to `chunk_size`, taken from the database as they are asked for."""
        stream: Stream = (
            self._watched("stream", sql, params, size=chunk_size)
            if self.watchers or settings.DEBUG
            else self._open_stream(sql, params, chunk_size)
        )
        try:
            while rows := stream.next_rows(chunk_size):
                yield rows
                if len(rows) < chunk_size:
                    break
        finally:
            stream.close()

    def cursor(self) -> Cursor:
        """A cursor for SQL of your own, with ``%s`` for parameters."""
        return Cursor(self)

    def run_cursor(self, cursor: Cursor, method: str, sql: str, params: Any) -> None:
        """What `Cursor` does its work with."""
        if self.watchers or settings.DEBUG:
            self._watched(method, sql, params, many=method == "executemany", cursor=cursor)
        else:
            self._perform_on_cursor(cursor, method, sql, params)

    def _watched(
        self, method: str, sql: str, params: Any, *, many: bool = False, cursor: Cursor | None = None, size: int = 0
    ) -> Any:
        """Run a statement by way of everybody who wants to see it."""

        def execute(sql: str, params: Any) -> Any:
            if cursor is not None:
                return self._perform_on_cursor(cursor, method, sql, params)
            if method == "stream":
                return self._open_stream(sql, params, size)
            return self._perform(method, sql, params)

        return self.watch(execute, sql, params, many, cursor)

    def _perform(self, method: str, sql: str, params: Any) -> Any:
        place = self._enter()
        try:
            return getattr(place.link, method)(sql, params)
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def _perform_on_cursor(self, cursor: Cursor, method: str, sql: str, params: Any) -> None:
        if params is not None and method != "callproc":
            sql = self.ops.convert(sql, params[0] if method == "executemany" and params else params)
        place = self._enter()
        try:
            raw = place.link.cursor()
            try:
                if params is None:
                    raw.execute(sql)
                else:
                    getattr(raw, method)(sql, params)
                cursor.take(raw)
            finally:
                raw.close()
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def _open_stream(self, sql: str, params: Params, size: int) -> Stream:
        place = self._enter()
        own = place.over or (self.features.streams_need_own_connection and place is place.slot)
        if own and place.slot.loop is None:
            if place.over:
                self.give_back(place)
            place.guard.release()
            place = self.new_slot()
            place.guard.acquire(self.guard_timeout)
        stream: Stream | None = None
        try:
            if place.link is None:
                self.open(place)
            stream = self._stream_in(place, sql, params, size, own)
            return stream
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if own and stream is None:
                self.give_back(place)
            place.guard.release()

    def _stream_in(self, place: Any, sql: str, params: Params, size: int, own: bool) -> Stream:
        link: Link = place.link
        if place.slot.shared or (self.features.streams_need_own_connection and not own):
            # Others use the connection in between, and might interrupt what is not at its end.
            return Stream(self, place, link, StreamOfRows(link.fetch(sql, params)), own)
        cursor = link.stream(sql, params, size)
        link.streams.add(cursor)
        return Stream(self, place, link, cursor, own)

    # --- transactions ---------------------------------------------------------------------------------------------

    def _node(self) -> Node | None:
        return node_here(self.alias, holder_if_any())

    @property
    def in_atomic_block(self) -> bool:
        """Whether the code here is in an atomic block of this database."""
        return self._node() is not None

    @property
    def needs_rollback(self) -> bool:
        """Whether the atomic block here can only be rolled back."""
        node = self._node()
        return node is not None and node.broken is not None

    @property
    def run_on_commit(self) -> list[Hook]:
        """What is registered to be called after the commit here."""
        return transaction.hooks_of(self.alias)

    def get_autocommit(self) -> bool:
        """Whether each statement is committed by itself here."""
        return transaction.get_autocommit(self.alias)

    def set_autocommit(self, autocommit: bool) -> None:
        """Turn autocommit off or on; see `transaction.set_autocommit`."""
        transaction.set_autocommit(autocommit, self.alias)

    def commit(self) -> None:
        """Commit, where autocommit is off."""
        transaction.commit(self.alias)

    def rollback(self) -> None:
        """Roll back, where autocommit is off."""
        transaction.rollback(self.alias)

    def savepoint(self) -> str | None:
        """Set a savepoint; see `transaction.savepoint`."""
        return transaction.savepoint(self.alias)

    def savepoint_commit(self, sid: str | None) -> None:
        """Keep what was done since a savepoint."""
        transaction.savepoint_commit(sid, self.alias)

    def savepoint_rollback(self, sid: str | None) -> None:
        """Undo what was done since a savepoint."""
        transaction.savepoint_rollback(sid, self.alias)

    def get_rollback(self) -> bool:
        """Whether the atomic block here will be rolled back."""
        return transaction.get_rollback(self.alias)

    def set_rollback(self, rollback: bool) -> None:
        """Roll the atomic block here back when it ends, or not."""
        transaction.set_rollback(rollback, self.alias)

    def on_commit(self, func: Callable[[], object], robust: bool = False) -> None:
        """Call a function after the commit; see `transaction.on_commit`."""
        transaction.on_commit(func, self.alias, robust)

    def validate_no_atomic_block(self) -> None:
        """Raise `TransactionManagementError` inside of an atomic block."""
        if self.in_atomic_block:
            raise TransactionManagementError("This is not possible inside of an atomic block. Leave it first.")

    def validate_no_broken_transaction(self) -> None:
        """Raise `TransactionManagementError` where the transaction here can only be rolled back."""
        node = self._node()
        if node is not None and node.broken is not None:
            raise broken_error(node.broken)

    # --- the connection of the code here --------------------------------------------------------------------------

    def _slot(self) -> Slot | None:
        holder = holder_if_any()
        slot = holder.slots.get(self.alias) if holder is not None else None
        if slot is not None and slot.wrapper is not self:
            slot = None  # what had this alias before DATABASES was changed
        node = self._node()
        while node is not None and node.link is None:
            node = node.parent  # a block that has not begun yet will do so on the connection of the one around it
        return slot if node is None else node.slot

    @property
    def connection(self) -> Any:
        """The driver's connection that the code here is using, or None; see `ensure_connection`.

        To receivers of `connection_created` that is the new one.
        """
        slot = announced.get() if self.announcing else None
        if slot is None or slot.wrapper is not self:
            slot = self._slot()
        return None if slot is None or slot.link is None else slot.link.raw

    def ensure_connection(self) -> None:
        """Connect, if the code here has no connection yet."""
        place = self._enter()
        if place.over:
            self.give_back(place)
        place.guard.release()

    connect = ensure_connection

    def is_usable(self) -> bool:
        """Whether the database answers on the connection of the code here."""
        try:
            self._perform_ping()
        except Error:
            return False
        return True

    def _perform_ping(self) -> None:
        place = self._enter()
        try:
            place.link.ping()
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def close(self, because: str = "connection.close() was called within it.") -> None:
        """Close the connection of the code here; a transaction on it is rolled back, and the next use connects anew.

        What asks that transaction something later is told why it is gone: `because`.
        """
        slot = self._slot()
        if slot is None or slot.link is None:
            return
        try:
            slot.guard.acquire(self.guard_timeout)
        except WouldWaitForItself:
            root = slot.root
            if root is not None:
                root.lose(because)
            self.discard(slot)
        else:
            try:
                self.discard(slot)
            finally:
                slot.guard.release()

    def close_if_unusable_or_obsolete(self) -> None:
        """Give the connection of the code here back, where those too old or broken are closed."""
        self.release()

    def release(self) -> None:
        """Give the connection of the code here back to the pool, unless it is in the midst of a transaction."""
        holder = holder_if_any()
        if holder is not None and self.alias in holder.slots:
            holder.release(self.alias)

    # --- tables ---------------------------------------------------------------------------------------------------

    def schema_editor(self, *args: Any, **kwargs: Any) -> Any:
        """What makes and changes tables, as a context manager."""
        module, _, name = self.schema_editor_class.rpartition(".")
        return getattr(import_module(module), name)(self, *args, **kwargs)

    @property
    def timezone_name(self) -> str:
        """The time zone in which moments are written to this database where they carry none."""
        if not settings.USE_TZ:
            return settings.TIME_ZONE
        return self.settings_dict["TIME_ZONE"] or "UTC"

    def ensure_timezone(self) -> None:
        """Have statements and sessions use the time zone that the settings give by now."""
        self.plans.clear()  # its name is part of some

    @contextmanager
    def sqlalchemy_connection(self) -> Iterator[sqlalchemy.Connection]:
        """A Connection of SQLAlchemy over the connection and in the transaction of the code here.

        It neither begins nor commits nor closes anything. Beside it nothing else
        may use the connection.
        """
        if waiting.running_loop() is not None:
            raise SynchronousOnlyOperation(
                "SQLAlchemy, and with it the schema editor, uses a connection of plain code, which would block the "
                "running event loop. Put it into a plain function, and await webframe.workers.run(function)."
            )
        place = self._enter()
        slot = place.slot
        if slot.loop is not None:
            place.guard.release()
            raise NotSupportedError(
                "The transaction here was begun by async code, on a connection that SQLAlchemy, and with it the schema "
                "editor, cannot use. Do it outside of 'async with atomic()'."
            )
        try:
            borrowed: Any = _Borrowed(slot.checkout)
            self.prepare_dialect(borrowed)
            yield sqlalchemy.Connection(self.engine, connection=borrowed)
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def prepare_dialect(self, borrowed: Any) -> None:
        """Let the dialect find out what the server can do; SQLAlchemy's own pools have done it."""


class _Borrowed:
    """A connection of the pool, for SQLAlchemy to use: transactions and closing are none of its business."""

    def __init__(self, checkout: Any) -> None:
        self._checkout = checkout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkout, name)

    def commit(self) -> None:
        """Left to the atomic block."""

    def rollback(self) -> None:
        """Left to the atomic block."""

    def close(self) -> None:
        """Left to the holder."""


# Tests may have forbidden to use databases, and then exchange methods of what is here.
imported(__name__)

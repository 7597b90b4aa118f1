"""The wrapper of one database: what runs a statement, on the right connection and in the right transaction.

A statement finds its *place*: the innermost atomic block of the code that asks,
or else the slot of its holder. Behind the guard of that place it runs on the
link, and errors of the driver become those of `errors.py`. The pool is
SQLAlchemy's; its connections are in autocommit, and BEGIN is ours to say.

One wrapper per alias serves the whole process, all its threads and tasks.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import sqlalchemy
from sqlalchemy import exc as sqlalchemy_errors

from webframe.conf import settings
from webframe.db import transaction
from webframe.db.backends.cursors import Cursor
from webframe.db.backends.drivers.base import Link, Params, Row, StreamOfRows
from webframe.db.backends.features import Features, Operations
from webframe.db.backends.signals import connection_created
from webframe.db.errors import TREE, DataError, Error, InterfaceError, OperationalError, TransactionManagementError
from webframe.db.guard import NoGuard, WouldWaitForItself
from webframe.db.holder import Slot, entered, held, holder_here, holder_if_any
from webframe.db.nodes import Node, acquire_for, broken_error, node_here
from webframe.waiting import on_running_loop, refuse_on_loop
from webframe.workers import current_lessee

if TYPE_CHECKING:
    from webframe.db.nodes import Hook

ExecuteWrapper = Callable[[Callable[..., Any], str, Any, bool, dict[str, Any]], Any]

# Where a physical connection keeps its link, in what the pool lets us keep with it.
LINK = "webframe.link"

# What is installed by `execute_wrapper` in this context, outermost last.
_watchers: ContextVar[tuple[tuple[str, ExecuteWrapper], ...]] = ContextVar("webframe.db.watchers", default=())


class DatabaseWrapper:
    """One database of DATABASES."""

    vendor: ClassVar[str] = "unknown"
    display_name: ClassVar[str] = "unknown"
    is_mariadb = False
    features_class: ClassVar[type[Features]] = Features
    ops_class: ClassVar[type[Operations]] = Operations
    # What makes and changes tables; a name, because it stands above.
    schema_editor_class: ClassVar[str] = "webframe.db.schema.SchemaEditor"
    # How many plans are kept before they are all forgotten.
    max_plans = 5000
    # How many queries `queries` keeps.
    queries_limit = 9000
    # Seconds to wait for what other holders are doing on a connection that all share; None: nothing is shared.
    guard_timeout: float | None = None

    def __init__(self, settings_dict: Mapping[str, Any], alias: str = "default") -> None:
        self.alias = alias
        self.settings_dict: dict[str, Any] = dict(settings_dict)
        # Whether statements outside of atomic blocks are committed one by one, unless set_autocommit() says otherwise.
        self.autocommit: bool = self.settings_dict.get("AUTOCOMMIT", True)
        self.features = self.features_class(self)
        self.ops = self.ops_class(self)
        # Whatever the model layer has compiled for this database.
        self.plans: dict[Any, Any] = Plans(self.max_plans)
        # How many ask to see every statement: the with-blocks of execute_wrapper, and force_debug_cursor.
        self.watchers = 0
        self.queries_log: deque[dict[str, Any]] = deque(maxlen=self.queries_limit)
        self._force_debug_cursor = False
        # Made at first need, under the lock.
        self._engine: sqlalchemy.Engine | None = None
        self._lock = threading.RLock()
        _wrappers.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} vendor={self.vendor!r} alias={self.alias!r}>"

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
            self._raise(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

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
            self._raise(error, place)
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
            self._raise(error, place)
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

    def iterate(self, sql: str, params: Params = (), chunk_size: int = 2000) -> Iterator[list[Row]]:
        """The rows of a query in lists of up to `chunk_size`, taken from the database as they are asked for."""
        stream: _Stream = (
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

    def _perform(self, method: str, sql: str, params: Any) -> Any:
        place = self._enter()
        try:
            return getattr(place.link, method)(sql, params)
        except BaseException as error:
            self._raise(error, place)
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
            self._raise(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def _open_stream(self, sql: str, params: Params, size: int) -> _Stream:
        place = self._enter()
        own = place.over or (self.features.streams_need_own_connection and place is place.slot)
        if own:
            place.guard.release()
            place = self.new_slot()
            place.guard.acquire(self.guard_timeout)
        try:
            if own:
                self.open(place)
            link: Link = place.link
            if self.features.streams_need_own_connection and not own:
                return _Stream(self, place, link, StreamOfRows(link.fetch(sql, params)), own)
            cursor = link.stream(sql, params, size)
            link.streams.add(cursor)
            return _Stream(self, place, link, cursor, own)
        except BaseException as error:
            self._raise(error, place)
        finally:
            place.guard.release()

    # --- where a statement runs -----------------------------------------------------------------------------------

    def _enter(self) -> Any:
        """The place of the code here, its guard taken and its link ready; the caller releases the guard.

        Raises `SynchronousOnlyOperation` on a running event loop.
        """
        if on_running_loop():
            self._refuse()
        lessee = current_lessee.get()
        holder = held.get() if lessee is None else lessee.holder
        if holder is None:
            holder = holder_here()
        if entered.get() is not None:
            node = node_here(self.alias, holder)
            if node is not None:
                return self._enter_node(node)
        slot = holder.slots.get(self.alias)
        if slot is None or slot.wrapper is not self:
            slot = holder.slot_for(self)
        try:
            slot.guard.acquire(self.guard_timeout)
        except WouldWaitForItself:
            return self._enter_beside(slot)
        except TimeoutError:
            raise self.nothing_else_to_use(slot) from None
        if slot.link is None or not slot.autocommit:
            self._make_ready(slot)
        return slot

    def _enter_node(self, node: Node) -> Any:
        try:
            node.guard.acquire()
        except WouldWaitForItself:
            if node.slot.opening:
                return _Opening(node.slot)
            acquire_for(node)  # raises, saying why
        if node.link is None or node.broken is not None:
            try:
                if node.closed:  # it ended while we were waiting for it
                    node.guard.release()
                    return self._enter()
                node.prepare()
            except BaseException:
                if not node.closed:
                    node.guard.release()
                raise
        return node

    def _enter_beside(self, slot: Slot) -> Any:
        """The place for a statement when this very thread has the guard of the slot."""
        if slot.opening:
            return _Opening(slot)
        # It is in a transaction that this code is no part of: that must not be disturbed.
        beside = self.new_slot()
        if beside.shared:
            raise self.nothing_else_to_use(slot)
        beside.over = True
        beside.guard.acquire()
        self.open(beside)
        return beside

    def _make_ready(self, slot: Slot) -> None:
        """Connect, and begin a transaction where autocommit is off; on failure the guard is released."""
        try:
            if slot.link is None:
                self.open(slot)
            if not slot.autocommit and not slot.link.begun:
                self.control(slot, slot.link, "begin", False)
        except BaseException:
            slot.guard.release()
            raise

    def _refuse(self) -> NoReturn:
        refuse_on_loop(
            f"A query of the database {self.alias!r}",
            "the twin that begins with 'a' of the method you called, or webframe.workers.run(function),",
        )
        raise AssertionError("No event loop is running.")

    def nothing_else_to_use(self, place: Any) -> OperationalError:
        """What is raised where all share one connection, and somebody has it."""
        return OperationalError(
            f"database is locked: {self.alias!r} has one connection for the whole process, and a transaction that this "
            "code is no part of is using it. Use a file instead of ':memory:' where several work at the same time."
        )

    # --- connections ----------------------------------------------------------------------------------------------

    def new_slot(self) -> Slot:
        """A place for one connection."""
        return Slot(self)

    def open(self, slot: Slot) -> Link:
        """Give a slot its connection, from the pool; call it with the slot's guard held.

        A connection that is new is announced by `connection_created`; when a
        receiver raises, it is closed again.
        """
        checkout: Any = None
        try:
            checkout = self.engine.raw_connection()
            link: Link | None = checkout.info.get(LINK)
            if link is None:
                link = self.make_link(checkout.driver_connection)
                self.init_connection(link)
        except BaseException as error:
            if checkout is not None:
                checkout.invalidate()
            ours = self.translate(error)
            if ours is None:
                raise
            raise ours from error
        slot.link, slot.checkout = link, checkout
        if LINK not in checkout.info:
            self._announce(slot)
            checkout.info[LINK] = link
        return link

    def _announce(self, slot: Slot) -> None:
        if connection_created.active:
            slot.opening = True
            try:
                connection_created.send(type(self), connection=self)
            except BaseException:
                self.discard(slot)
                raise
            finally:
                slot.opening = False

    def give_back(self, slot: Slot) -> None:
        """Give a slot's connection back to the pool; one in the midst of anything is closed instead."""
        link, checkout = slot.link, slot.checkout
        if link is None:
            return
        if link.begun or link.stale or link.is_in_transaction():
            self.discard(slot)
            return
        slot.link = slot.checkout = None
        try:
            link.before_release()
        except Exception:
            checkout.invalidate()
        else:
            checkout.close()

    def discard(self, slot: Slot) -> None:
        """Close a slot's connection."""
        checkout, link = slot.checkout, slot.link
        slot.link = slot.checkout = None
        if link is not None:
            link.begun = False
            link.streams.clear()
        if checkout is not None:
            checkout.invalidate()

    def make_link(self, raw: Any) -> Link:
        """A link over a connection of the driver."""
        raise NotImplementedError

    def init_connection(self, link: Link) -> None:
        """Set a new connection up as this wrapper wants it."""
        init_command = self.settings_dict["OPTIONS"].get("init_command")
        if init_command:
            link.command(init_command)

    # --- the engine -----------------------------------------------------------------------------------------------

    @property
    def engine(self) -> sqlalchemy.Engine:
        """SQLAlchemy's engine, which has the pool and the dialect."""
        return self._engine or self._make_engine()

    def _make_engine(self) -> sqlalchemy.Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self.create_engine()
            return self._engine

    def create_engine(self) -> sqlalchemy.Engine:
        """Make the engine; its connections must be in autocommit."""
        raise NotImplementedError

    @property
    def dialect(self) -> sqlalchemy.Dialect:
        """SQLAlchemy's dialect, with positional parameters: SQL and types are compiled for it."""
        return self.engine.dialect

    @property
    def Database(self) -> Any:  # Django's name
        """The module of the driver."""
        return self.dialect.loaded_dbapi

    def pool_arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        """What create_engine() is told about the pool; takes those options out that are about it."""
        arguments: dict[str, Any] = {"pool_reset_on_return": None}
        max_age = self.settings_dict["CONN_MAX_AGE"]
        if max_age == 0:
            for name in ("pool_size", "max_overflow", "pool_timeout"):
                options.pop(name, None)
            return {**arguments, "poolclass": sqlalchemy.NullPool}
        return {
            **arguments,
            "poolclass": sqlalchemy.QueuePool,
            "pool_size": options.pop("pool_size", 10),
            "max_overflow": options.pop("max_overflow", 30),
            "pool_timeout": options.pop("pool_timeout", 30.0),
            "pool_recycle": -1 if max_age is None else max_age,
            "pool_pre_ping": bool(self.settings_dict["CONN_HEALTH_CHECKS"]),
            "pool_use_lifo": True,
        }

    def dispose(self) -> None:
        """Close every connection that nobody is using; those in use are closed when they are given back."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()

    def start_afresh(self) -> None:
        """In the child of a fork: leave the parent's connections alone."""
        self._lock = threading.RLock()
        if self._engine is not None:
            _inherited.append(self._engine.pool)
            self._engine.dispose(close=False)

    @contextmanager
    def sqlalchemy_connection(self) -> Iterator[sqlalchemy.Connection]:
        """A Connection of SQLAlchemy over the connection and in the transaction of the code here.

        It neither begins nor commits nor closes anything. Beside it nothing else
        may use the connection.
        """
        place = self._enter()
        slot = place.slot
        try:
            yield sqlalchemy.Connection(self.engine, connection=cast(Any, _Borrowed(slot.checkout)))
        except BaseException as error:
            self._raise(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    # --- errors ---------------------------------------------------------------------------------------------------

    def _raise(self, error: BaseException, place: Any) -> NoReturn:
        """Raise an error of the driver as ours, once it is noted what became of connection and transaction."""
        ours = self._note(error, place)
        if ours is None:
            raise error
        raise ours from (error.orig if isinstance(error, sqlalchemy_errors.DBAPIError) else error)

    def _note(self, error: BaseException, place: Any) -> Error | None:
        slot: Slot = place.slot
        link: Link | None = slot.link
        ours = self.translate(error)
        if ours is None:
            if place is not slot and not isinstance(error, Exception) and place.broken is None:
                place.broken = error  # interrupted: nobody knows how far it got
            if link is None or isinstance(error, Exception):
                return None
        root = slot.root
        if link is None:
            pass
        elif self.is_lost(error, link):
            if root is not None:
                root.lose(ours or error)
            self.discard(slot)
        elif link.has_rolled_back(error):
            if root is not None:
                root.lose(ours or error)
            try:
                link.rollback()
            except Exception:
                self.discard(slot)
        elif place is not slot and place.broken is None:
            place.broken = ours or error
        return ours

    def translate(self, error: BaseException) -> Error | None:
        """The error of ours that stands for an error of the driver or the pool; None for any other."""
        if isinstance(error, Error):
            return None
        if isinstance(error, sqlalchemy_errors.DBAPIError) and error.orig is not None:
            error = error.orig
        if isinstance(error, (OverflowError, UnicodeEncodeError)):
            return DataError(*error.args[:1]) if isinstance(error, OverflowError) else DataError(str(error))
        if isinstance(error, sqlalchemy_errors.TimeoutError):
            return OperationalError(
                f"All connections to {self.alias!r} are in use. Raise 'pool_size' or 'max_overflow' in its OPTIONS, or "
                f"look for code that keeps one. ({error})"
            )
        module = self._engine.dialect.loaded_dbapi if self._engine is not None else None
        if module is None or not isinstance(error, module.Error):
            return None
        for ours in TREE:
            if isinstance(error, getattr(module, ours.__name__)):
                translated = ours(*error.args)
                hint = self.hint_for(error)
                if hint:
                    translated.add_note(hint)
                return translated
        return None

    def hint_for(self, error: BaseException) -> str:
        """What to do about an error of the driver, if there is more to say than it says."""
        return ""

    def is_lost(self, error: BaseException, link: Link) -> bool:
        """Whether an error means that the connection is gone."""
        if isinstance(error, sqlalchemy_errors.DBAPIError) and error.orig is not None:
            error = error.orig
        module: Any = self.Database
        return isinstance(error, module.Error) and bool(self.dialect.is_disconnect(error, link.raw, None))

    # --- transactions ---------------------------------------------------------------------------------------------

    def control(self, place: Any, link: Link, step: str, *arguments: Any) -> None:
        """Begin or end a transaction or a savepoint: a step is the name of a method of the link."""
        start = time.perf_counter()
        try:
            getattr(link, step)(*arguments)
        except BaseException as error:
            slot: Slot = place.slot
            ours = self.translate(error)
            if slot.link is link and self.is_lost(error, link):
                root = slot.root
                if root is not None:
                    root.lose(ours or error)
                self.discard(slot)
                if ours is not None and step == "commit":
                    ours.add_note("Nobody knows whether the transaction was committed before the connection was lost.")
            if ours is None:
                raise
            raise ours from error
        finally:
            if self.watchers or settings.DEBUG:
                self._log_control(step, arguments, time.perf_counter() - start)

    def _log_control(self, step: str, arguments: tuple[Any, ...], seconds: float) -> None:
        words = {"release": "RELEASE SAVEPOINT", "rollback_to": "ROLLBACK TO SAVEPOINT"}.get(step, step.upper())
        if step in ("savepoint", "release", "rollback_to"):
            words = f"{words} {arguments[0]}"
        if self.queries_logged:
            self._log(words, None, seconds)

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
        node = self._node()
        return node.slot if node is not None and node.link is not None else slot

    @property
    def connection(self) -> Any:
        """The driver's connection that the code here is using, or None; see `ensure_connection`."""
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
            self._raise(error, place)
        finally:
            if place.over:
                self.give_back(place)
            place.guard.release()

    def close(self) -> None:
        """Close the connection of the code here; a transaction on it is rolled back, and the next use connects anew."""
        slot = self._slot()
        if slot is None or slot.link is None:
            return
        try:
            slot.guard.acquire(self.guard_timeout)
        except WouldWaitForItself:
            root = slot.root
            if root is not None:
                root.lose("connection.close() was called within it.")
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

    # --- watching -------------------------------------------------------------------------------------------------

    @contextmanager
    def execute_wrapper(self, wrapper: ExecuteWrapper) -> Iterator[None]:
        """Within the block every statement of the code here is run by `wrapper(execute, sql, params, many, context)`.

        It calls ``execute(sql, params, many, context)``, or does not. It concerns
        this thread or task and those it starts, requests of a test client too.
        """
        before = _watchers.get()
        with self._lock:
            self.watchers += 1
        _watchers.set((*before, (self.alias, wrapper)))
        try:
            yield
        finally:
            _watchers.set(before)
            with self._lock:
                self.watchers -= 1

    @property
    def force_debug_cursor(self) -> bool:
        """Whether queries are logged though DEBUG is off."""
        return self._force_debug_cursor

    @force_debug_cursor.setter
    def force_debug_cursor(self, force: bool) -> None:
        with self._lock:
            self.watchers += bool(force) - self._force_debug_cursor
            self._force_debug_cursor = bool(force)

    @property
    def queries_logged(self) -> bool:
        """Whether queries are logged."""
        return self._force_debug_cursor or settings.DEBUG

    @property
    def queries(self) -> list[dict[str, Any]]:
        """The latest queries of the process, each a dictionary of sql, params and time (seconds, as text)."""
        return list(self.queries_log)

    def _watched(
        self, method: str, sql: str, params: Any, *, many: bool = False, cursor: Cursor | None = None, size: int = 0
    ) -> Any:
        """Run a statement by way of everybody who wants to see it."""

        def execute(sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
            start = time.perf_counter()
            try:
                if cursor is not None:
                    return self._perform_on_cursor(cursor, method, sql, params)
                if method == "stream":
                    return self._open_stream(sql, params, size)
                return self._perform(method, sql, params)
            finally:
                if self.queries_logged:
                    self._log(sql, params, time.perf_counter() - start)

        executor: Callable[..., Any] = execute
        for alias, wrapper in _watchers.get():
            if alias == self.alias:
                executor = partial(wrapper, executor)
        return executor(sql, params, many, {"connection": self, "cursor": cursor})

    def _log(self, sql: str, params: Any, seconds: float) -> None:
        import logging

        self.queries_log.append({"sql": sql, "params": params, "time": f"{seconds:.3f}"})
        logger = logging.getLogger("webframe.db.queries")
        logger.debug("(%.3f) %s; args=%s; alias=%s", seconds, sql, params, self.alias)

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


class Plans(dict[Any, Any]):
    """A dictionary that is emptied when it is full."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= self.limit:
            self.clear()
        super().__setitem__(key, value)


class _Opening:
    """The place of receivers of `connection_created`: their thread has the guard already."""

    over = False
    broken = None
    guard = NoGuard()

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.link = slot.link


class _Stream:
    """Rows taken from the database as they are asked for, in the place where the query was made."""

    def __init__(self, wrapper: DatabaseWrapper, place: Any, link: Link, cursor: Any, own: bool) -> None:
        self._wrapper = wrapper
        self._place = place
        self._link = link
        self._cursor = cursor
        # Whether the connection serves this alone.
        self._own = own

    def next_rows(self, size: int) -> list[Row]:
        """Up to `size` rows, none at the end."""
        if on_running_loop():
            self._wrapper._refuse()
        place = self._place
        place.guard.acquire()
        try:
            if place.link is not self._link:
                raise InterfaceError(
                    "The rest of the rows cannot be read: the transaction has ended, or the connection was given back, "
                    "while they were being iterated over. Read them all before that, without iterator()."
                )
            rows: list[Row] = self._cursor.fetchmany(size)
            return rows
        except BaseException as error:
            self._wrapper._raise(error, place)
        finally:
            place.guard.release()

    def close(self) -> None:
        """End the query; where that would have to wait, it is left to the release of the connection."""
        place, link, cursor = self._place, self._link, self._cursor
        if place.link is not link or not place.guard.try_acquire():
            return
        try:
            if place.link is link:
                link.streams.discard(cursor)
                cursor.close()
        except Exception as error:
            self._wrapper._note(error, place)
        finally:
            if self._own:
                self._wrapper.give_back(place)
            place.guard.release()


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


# Every wrapper there is, to start afresh in the child of a fork.
_wrappers: weakref.WeakSet[DatabaseWrapper] = weakref.WeakSet()

# Pools of the parent, kept as they are.
_inherited: list[Any] = []


def _start_afresh() -> None:
    for wrapper in list(_wrappers):
        wrapper.start_afresh()


os.register_at_fork(after_in_child=_start_afresh)

"""One database: its engine, its connections and its errors.

The pool is SQLAlchemy's; its connections are in autocommit, and BEGIN is ours to
say. What is run on them, and for whom, `base.py` decides.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from webframe import waiting
from webframe._lazy import LateModule
from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends import processes
from webframe.db.backends.drivers import threaded, threads
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.borrowed import BorrowedByLoop, BorrowedByThread, on_another_loop, on_loop
from webframe.db.backends.features import Features, Operations
from webframe.db.backends.pools import LoopPool
from webframe.db.backends.signals import connection_created
from webframe.db.backends.watching import Watched
from webframe.db.errors import TREE, DataError, Error, OperationalError
from webframe.db.guard import NO_GUARD
from webframe.db.holder import Slot, announced
from webframe.workers import wait_alone

if TYPE_CHECKING:
    import asyncio

    import sqlalchemy
    from sqlalchemy import exc as sqlalchemy_errors
else:
    sqlalchemy = LateModule("sqlalchemy")
    sqlalchemy_errors = LateModule("sqlalchemy.exc")

# The connections that a pool keeps, those beyond that, and the seconds that one waits for one; see OPTIONS.
POOL_SIZE = 10
MAX_OVERFLOW = 30
POOL_TIMEOUT = 30.0
POOL_OPTIONS = ("pool_size", "max_overflow", "pool_timeout")

# Where a physical connection keeps its link, in what the pool lets us keep with it.
LINK = "webframe.link"


class Connecting(Watched):
    """What a `DatabaseWrapper` knows of making, keeping and losing connections."""

    vendor: ClassVar[str] = "unknown"
    display_name: ClassVar[str] = "unknown"
    is_mariadb = False
    features_class: ClassVar[type[Features]] = Features
    ops_class: ClassVar[type[Operations]] = Operations
    # How many plans are kept before they are all forgotten.
    max_plans = 5000
    # Seconds to wait for what other holders are doing on a connection that all share; None: nothing is shared.
    guard_timeout: float | None = None

    def __init__(self, settings_dict: Mapping[str, Any], alias: str = "default") -> None:
        super().__init__()
        self.alias = alias
        self.settings_dict: dict[str, Any] = dict(settings_dict)
        # Whether statements outside of atomic blocks are committed one by one, unless set_autocommit() says otherwise.
        self.autocommit: bool = self.settings_dict.get("AUTOCOMMIT", True)
        self.features = self.features_class(self)
        self.ops = self.ops_class(self)
        # Whatever the model layer has compiled for this database.
        self.plans: dict[Any, Any] = Plans(self.max_plans)
        # How many new connections receivers of `connection_created` are being told of, in all threads.
        self.announcing = 0
        # Made at first need, under the lock.
        self._engine: sqlalchemy.Engine | None = None
        # The pools of event loops, and the one that was asked for last; and the loops that are being ended.
        self._pools: dict[asyncio.AbstractEventLoop, LoopPool] = {}
        self._last_pool: LoopPool | None = None
        self._ended_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        processes.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} vendor={self.vendor!r} alias={self.alias!r}>"

    # --- connections ----------------------------------------------------------------------------------------------

    def new_slot(self, loop: asyncio.AbstractEventLoop | None = None) -> Slot:
        """A place for one connection, on the side of threads or of an event loop."""
        slot = Slot(self)
        if loop is not None:
            # It serves one statement or one transaction, and nobody else can come; statements outside of transactions
            # are committed by themselves.
            slot.loop, slot.guard, slot.over, slot.autocommit = loop, NO_GUARD, True, True
        return slot

    def open(self, slot: Slot) -> Link:
        """Give a slot its connection, from the pool; call it with the slot's guard held.

        A connection that is new is announced by `connection_created`; when a
        receiver raises, it is closed again.
        """
        if slot.loop is not waiting.running_loop():
            return self._open_there(slot)
        checkout: Any = None
        try:
            pool, checkout = self._take(slot)
            link: Link | None = checkout.info.get(LINK)
            if link is None:
                link = self.make_link(checkout.driver_connection) if slot.loop is None else checkout.link
                self.init_connection(link)
        except BaseException as error:
            if checkout is not None:
                checkout.invalidate()
            ours = self.translate(error)
            if ours is None:
                raise
            raise ours from error
        slot.link, slot.checkout, slot.pool = link, checkout, pool
        if LINK not in checkout.info:
            self._announce(slot)
            checkout.info[LINK] = link
        return link

    def _open_there(self, slot: Slot) -> Link:
        """Open a slot of the other side: code of a thread in a transaction of an event loop, or the reverse."""
        if slot.loop is None:
            return threads.call(self.open, slot)
        if waiting.running_loop() is not None:
            raise on_another_loop()
        return wait_alone(on_loop(slot.loop, self.open, slot))

    def _take(self, slot: Slot) -> tuple[Any, Any]:
        """A pool, and what it gives for a slot."""
        pool = self.pool if slot.loop is None else self.loop_pool(slot.loop)
        try:
            return pool, self._connected() if slot.loop is None else pool.take()
        except TimeoutError:
            raise self._all_in_use() from None

    def loop_pool(self, loop: asyncio.AbstractEventLoop) -> LoopPool:
        """The pool of an event loop, for code that runs on it."""
        pool = self._last_pool
        if pool is None or pool.loop is not loop:
            pool = self._last_pool = self._pools.get(loop) or self._make_loop_pool(loop)
        return pool

    def _make_loop_pool(self, loop: asyncio.AbstractEventLoop) -> LoopPool:
        options, max_age = self.settings_dict["OPTIONS"], self.settings_dict["CONN_MAX_AGE"]
        size, overflow = options.get("pool_size", POOL_SIZE), options.get("max_overflow", MAX_OVERFLOW)

        pool = LoopPool(
            loop,
            self.connect_async,
            size=0 if max_age == 0 else size,
            limit=None if max_age == 0 or overflow < 0 else size + overflow,
            timeout=options.get("pool_timeout", POOL_TIMEOUT),
            max_age=max_age or None,
            ping=bool(self.settings_dict["CONN_HEALTH_CHECKS"]),
            ended=self._forget_pool,
            is_last=loop in self._ended_loops,
        )
        with self._lock:
            for other in [other for other in self._pools if other.is_closed()]:
                del self._pools[other]
            return self._pools.setdefault(loop, pool)

    def _forget_pool(self, pool: LoopPool) -> None:
        """Its loop ends."""
        with self._lock:
            if self._pools.get(pool.loop) is pool:  # and none that was made after this one was disposed of
                del self._pools[pool.loop]
                self._ended_loops.add(pool.loop)
            if self._last_pool is pool:
                self._last_pool = None

    def connect_async(self) -> Link:
        """A new connection for code on the running event loop; for code in a greenlet.

        Where there is no async driver, statements are run in threads.
        """
        loop = waiting.running_loop()
        assert loop is not None

        def connect() -> Link:
            checkout: Any = self._connected()
            link = self.make_link(checkout.driver_connection)
            checkout.detach()  # it is none of SQLAlchemy's pool any more, but ours as long as it lives
            return link

        link = threaded.connect(connect, lambda link: link.close())
        return threaded.ThreadedLink(link, loop)

    @property
    def pool(self) -> Any:
        """The pool of plain code: SQLAlchemy's, or one that looks like it."""
        return self.engine.pool

    def _connected(self) -> Any:
        """What the pool of plain code gives."""
        try:
            return self._take_plain()
        except TypeError as error:
            raise ImproperlyConfigured(
                f"The driver of the database {self.alias!r} takes something else than DATABASES gives it in OPTIONS, "
                f"or after the '?' of its URL: {error}."
            ) from error

    def _take_plain(self) -> Any:
        return self.engine.raw_connection()

    def _announce(self, slot: Slot) -> None:
        if connection_created.active:
            token = announced.set(slot)
            with self._lock:
                self.announcing += 1
            try:
                connection_created.send(type(self), connection=self)
            except BaseException:
                self.discard(slot)
                raise
            finally:
                with self._lock:
                    self.announcing -= 1
                announced.reset(token)

    def give_back(self, slot: Slot) -> None:
        """Give a slot's connection back to the pool; one in the midst of anything is closed instead."""
        link, checkout = slot.link, slot.checkout
        if link is None:
            return
        outdated = slot.loop is None and slot.pool is not self.pool  # dispose() has made a new one
        if outdated or link.begun or link.stale or link.is_in_transaction():
            self.discard(slot)
            return
        slot.link = slot.checkout = None
        if link.streams:
            try:
                link.end_streams()
            except BaseException as error:
                checkout.invalidate()
                if isinstance(error, Exception):
                    return
                raise
        checkout.close()

    def discard(self, slot: Slot) -> None:
        """Close a slot's connection."""
        checkout, link = slot.checkout, slot.link
        slot.link = slot.checkout = None
        if link is not None:
            link.begun = False
            link.streams.clear()
            if link.loop is None:
                link.call_back()
                link.let_go()  # the pool of plain code closes the connection itself
        if checkout is not None:
            checkout.invalidate()

    def link_here(self, link: Link) -> Link:
        """A link in the form in which the code here can use it: that of its side, or one that goes to the other."""
        loop = waiting.running_loop()
        if loop is link.loop:
            return link
        if link.loop is None:
            assert loop is not None
            return BorrowedByLoop(link, loop)
        if loop is not None:
            raise on_another_loop()
        return BorrowedByThread(link, link.loop)

    def make_link(self, raw: Any) -> Link:
        """A link over a connection of the driver."""
        raise NotImplementedError

    def init_connection(self, link: Link) -> None:
        """Set a new connection up as this wrapper wants it."""
        init_command = self.settings_dict["OPTIONS"].get("init_command")
        if init_command:
            link.command(init_command)

    def nothing_else_to_use(self, place: Any) -> OperationalError:
        """What is raised where all share one connection, and somebody has it."""
        return OperationalError(
            f"database is locked: {self.alias!r} has one connection for the whole process, and a transaction that this "
            "code is no part of is using it. Use a file instead of ':memory:' where several work at the same time."
        )

    # --- the engine -----------------------------------------------------------------------------------------------

    @property
    def engine(self) -> sqlalchemy.Engine:
        """SQLAlchemy's engine, which has the pool and the dialect."""
        return self._engine or self._make_engine()

    def _make_engine(self) -> sqlalchemy.Engine:
        with self._lock:
            if self._engine is None:
                try:
                    self._engine = self.create_engine()
                except ImportError as error:
                    raise ImproperlyConfigured(
                        f"DATABASES[{self.alias!r}] needs a driver that cannot be imported: {error}. Install the "
                        "package that has it, or name another driver, as in 'postgresql://...' without a '+'."
                    ) from error
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

    @property
    def _loaded_driver(self) -> Any:
        """The same; None as long as nothing of it has been used."""
        return None if self._engine is None else self._engine.dialect.loaded_dbapi

    def pool_arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        """What create_engine() is told about the pool; takes those options out that are about it."""
        arguments: dict[str, Any] = {"pool_reset_on_return": None}
        max_age = self.settings_dict["CONN_MAX_AGE"]
        if max_age == 0:
            for name in POOL_OPTIONS:
                options.pop(name, None)
            return {**arguments, "poolclass": sqlalchemy.NullPool}
        return {
            **arguments,
            "poolclass": sqlalchemy.QueuePool,
            "pool_size": options.pop("pool_size", POOL_SIZE),
            "max_overflow": options.pop("max_overflow", MAX_OVERFLOW),
            "pool_timeout": options.pop("pool_timeout", POOL_TIMEOUT),
            "pool_recycle": -1 if max_age is None else max_age,
            "pool_pre_ping": bool(self.settings_dict["CONN_HEALTH_CHECKS"]),
            "pool_use_lifo": True,
        }

    def close(self) -> None:
        """Close the connection of the code here."""
        raise NotImplementedError

    def dispose(self) -> None:
        """Close every connection that nobody is using; those in use are closed when they are given back."""
        with self._lock:
            pools, self._pools, self._last_pool = self._pools, {}, None
            if self._engine is not None:
                self._engine.dispose()
        for pool in pools.values():
            pool.dispose()

    def start_afresh(self) -> None:
        """In the child of a fork: leave the parent's connections alone."""
        self._lock = threading.RLock()
        processes.inherited.append(self._pools)
        self._pools, self._last_pool = {}, None
        if self._engine is not None:
            processes.inherited.append(self._engine.pool)
            self._engine.dispose(close=False)

    # --- errors ---------------------------------------------------------------------------------------------------

    def raise_ours(self, error: BaseException, place: Any) -> NoReturn:
        """Raise an error of the driver as ours, once it is noted what became of connection and transaction."""
        ours = self.note(error, place)
        if ours is None:
            raise error
        raise ours from self._of_driver(error)

    def note(self, error: BaseException, place: Any) -> Error | None:
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
        elif self.is_lost(error, link) or (link.loop is not None and not isinstance(error, Exception)):
            if root is not None:
                root.lose(ours or error)
            self.discard(slot)
        elif link.has_rolled_back(error):
            if root is not None:
                root.lose(ours or error)
            try:
                self.link_here(link).rollback()
            except Exception:
                self.discard(slot)
        elif place is not slot and place.broken is None:
            place.broken = ours or error
        return ours

    def translate(self, error: BaseException) -> Error | None:
        """The error of ours that stands for an error of the driver or the pool; None for any other."""
        if isinstance(error, Error):
            return None
        error = self._of_driver(error)
        if isinstance(error, (OverflowError, UnicodeEncodeError)):
            return DataError(*error.args[:1]) if isinstance(error, OverflowError) else DataError(str(error))
        if self._engine is not None and isinstance(error, sqlalchemy_errors.TimeoutError):
            return self._all_in_use()
        module = self._loaded_driver
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

    def _of_driver(self, error: BaseException) -> BaseException:
        """The driver's error within one of SQLAlchemy, which there is none of without an engine; or else the error."""
        if self._engine is None or not isinstance(error, sqlalchemy_errors.DBAPIError):
            return error
        return error if error.orig is None else error.orig

    def _all_in_use(self) -> OperationalError:
        options = self.settings_dict["OPTIONS"]
        limit = options.get("pool_size", POOL_SIZE) + options.get("max_overflow", MAX_OVERFLOW)
        return OperationalError(
            f"All {limit} connections to {self.alias!r} were in use for {options.get('pool_timeout', POOL_TIMEOUT):g} "
            "seconds. Raise 'pool_size' or 'max_overflow' in its OPTIONS, or look for code that keeps one."
        )

    def hint_for(self, error: BaseException) -> str:
        """What to do about an error of the driver, if there is more to say than it says."""
        if self.misses_table(error):
            return (
                f"The database {self.alias!r} has no such table. If it is that of a model, make it with create_all() "
                "of webframe.db.schema, or see whether DATABASES names another database than the one that has it."
            )
        return ""

    def check_time_zone(self, name: str) -> None:
        """Raise `OperationalError` if statements cannot use a time zone: "Europe/Berlin" or "+02:00"."""

    def misses_table(self, error: BaseException) -> bool:
        """Whether an error of the driver is about a table that is not there."""
        return False

    def is_lost(self, error: BaseException, link: Link) -> bool:
        """Whether an error means that the connection is gone."""
        error = self._of_driver(error)
        module: Any = self.Database
        return isinstance(error, module.Error) and bool(self.dialect.is_disconnect(error, link.raw, None))

    # --- transactions ---------------------------------------------------------------------------------------------

    def control(self, place: Any, link: Link, step: str, *arguments: Any) -> None:
        """Begin or end a transaction or a savepoint: a step is the name of a method of the link."""
        start = time.perf_counter() if self.watchers or settings.DEBUG else None
        try:
            getattr(self.link_here(link), step)(*arguments)
        except BaseException as error:
            self._control_failed(error, place.slot, link, step)
        finally:
            if start is not None:
                self._log_control(step, arguments, time.perf_counter() - start)

    def _control_failed(self, error: BaseException, slot: Slot, link: Link, step: str) -> NoReturn:
        ours = self.translate(error)
        interrupted = link.loop is not None and not isinstance(error, Exception)
        if slot.link is link and (interrupted or self.is_lost(error, link)):
            if slot.root is not None:
                slot.root.lose(ours or error)
            self.discard(slot)
            if ours is not None and step == "commit":
                ours.add_note("Nobody knows whether the transaction was committed before the connection was lost.")
        if ours is None:
            raise error
        raise ours from error

    def _log_control(self, step: str, arguments: tuple[Any, ...], seconds: float) -> None:
        words = {"release": "RELEASE SAVEPOINT", "rollback_to": "ROLLBACK TO SAVEPOINT"}.get(step, step.upper())
        if step in ("savepoint", "release", "rollback_to"):
            words = f"{words} {arguments[0]}"
        self.log(words, None, seconds)


class Plans(dict[Any, Any]):
    """A dictionary that is emptied when it is full."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= self.limit:
            self.clear()
        super().__setitem__(key, value)

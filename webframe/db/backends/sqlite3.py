"""SQLite: the embedded default.

Files are in WAL mode, so that readers and one writer do not wait for each other;
foreign keys are checked; whoever finds the database locked waits for up to 5
seconds. A database in memory has one connection, which all share.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, cast

from webframe import waiting
from webframe._lazy import LateModule
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends import processes, sqlite_functions
from webframe.db.backends.connecting import POOL_OPTIONS
from webframe.db.backends.drivers import threaded
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.sqlite3 import SQLiteLink
from webframe.db.backends.features import Features, Operations
from webframe.db.backends.plain_pools import PlainCheckout
from webframe.db.backends.pools import LoopPool
from webframe.db.backends.straight import StraightWrapper
from webframe.db.errors import Error
from webframe.db.guard import Guard
from webframe.db.holder import Slot

if TYPE_CHECKING:
    import asyncio

    import sqlalchemy

    from webframe.db.backends.drivers import adaptive
else:
    sqlalchemy = LateModule("sqlalchemy")
    adaptive = LateModule("webframe.db.backends.drivers.adaptive")

# Seconds to wait for a lock (the default of sqlite3 itself).
TIMEOUT = 5.0

# How many prepared statements a connection keeps; each plan of a model is one.
CACHED_STATEMENTS = 512

_TRANSACTION_MODES = ("DEFERRED", "IMMEDIATE", "EXCLUSIVE")


class SQLiteFeatures(Features):
    """What SQLite can do."""

    can_return_from_insert = sqlite3.sqlite_version_info >= (3, 35)
    max_query_params = 999 if sqlite3.sqlite_version_info < (3, 32) else 32766
    can_update_from = sqlite3.sqlite_version_info >= (3, 33)
    supports_nulls_first_last = sqlite3.sqlite_version_info >= (3, 30)
    supports_aggregate_filter_clause = sqlite3.sqlite_version_info >= (3, 30)
    supports_slicing_ordering_in_compound = False
    can_rollback_ddl = True
    can_defer_constraint_checks = True
    supports_partial_indexes = True
    supports_expression_indexes = True


class SQLiteOperations(Operations):
    """SQL of SQLite."""

    def convert(self, sql: str, params: Any) -> str:
        if isinstance(params, dict):
            return re.sub(r"(?<!%)%\((\w+)\)s", r":\1", sql).replace("%%", "%")
        return re.sub(r"(?<!%)%s", "?", sql).replace("%%", "%")


class DatabaseWrapper(StraightWrapper):
    """One SQLite database."""

    vendor: ClassVar[str] = "sqlite"
    display_name: ClassVar[str] = "SQLite"
    features_class = SQLiteFeatures
    ops_class = SQLiteOperations
    features: SQLiteFeatures
    driver = sqlite3

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        options = dict(self.settings_dict["OPTIONS"])
        name = str(self.settings_dict["NAME"])
        if not name:
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] has no NAME. Give the path of its file, or ':memory:' for a database that is "
                "gone when the process ends."
            )
        # How a transaction that may write is begun.
        self.transaction_mode = str(options.pop("transaction_mode", None) or "IMMEDIATE").upper()
        if self.transaction_mode not in _TRANSACTION_MODES:
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] has the transaction_mode {self.transaction_mode!r}; it must be one of "
                f"{', '.join(_TRANSACTION_MODES)}."
            )
        self.timeout = float(options.pop("timeout", TIMEOUT))
        self.is_in_memory = ":memory:" in name or "mode=memory" in name
        options.pop("init_command", None)
        # The seconds that writers wait for others of this process; those of other processes are waited for by SQLite.
        self._line_timeout = float(options.get("pool_timeout", 30.0))
        for option in POOL_OPTIONS:
            options.pop(option, None)
        options.setdefault("cached_statements", CACHED_STATEMENTS)
        # Parameters of a URL, such as mode=ro, are for SQLite's own kind of URL.
        uri_options = {
            key: options.pop(key) for key in ("mode", "cache", "immutable", "nolock", "vfs") if key in options
        }
        if uri_options and not name.startswith("file:"):
            query = "&".join(f"{key}={value}" for key, value in uri_options.items())
            name = f"file:{name.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?{query}"
            self.is_in_memory = self.is_in_memory or uri_options.get("mode") == "memory"
        self._path = name
        self._options = options
        self._known_line: adaptive.Line | None = None
        # For a database in memory: the one connection, and the guard of everybody who uses it.
        self._shared_guard = Guard()
        self._shared_link: SQLiteLink | None = None
        self._shared_checkout: Any = None
        if self.is_in_memory:
            self.guard_timeout = self.timeout

    @property
    def _line(self) -> adaptive.Line:
        """Where async code that writes stands in line: the same for all event loops."""
        with self._lock:
            if self._known_line is None:
                self._known_line = adaptive.Line(self._line_timeout)
            return self._known_line

    # --- connections ----------------------------------------------------------------------------------------------

    def create_engine(self) -> sqlalchemy.Engine:
        """The engine, for the dialect; connections are made without it, so that a command may do without SQLAlchemy."""
        engine = sqlalchemy.create_engine("sqlite://", creator=self.make_raw, poolclass=sqlalchemy.NullPool)
        # What SQLAlchemy finds out at its first connection is the same for every file.
        with closing(sqlite3.connect(":memory:")) as raw:
            checkout = PlainCheckout(self.pool)
            checkout.driver_connection = checkout.dbapi_connection = raw
            engine.dialect.initialize(sqlalchemy.Connection(engine, connection=cast(Any, checkout)))
        return engine

    def _is_alive(self, checkout: PlainCheckout) -> bool:
        return True  # there is no network that could be gone

    def make_raw(self) -> sqlite3.Connection:
        arguments: dict[str, Any] = {"timeout": self.timeout, "uri": self._path.startswith("file:"), **self._options}
        raw: sqlite3.Connection = sqlite3.connect(
            self._path, **{**arguments, "isolation_level": None, "check_same_thread": False}
        )
        try:
            raw.execute("PRAGMA foreign_keys=ON")
            if not self.is_in_memory:
                self._use_wal(raw)
            # Reading the schema shows here, and not in the middle of something, what is no database at all.
            raw.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            raw.close()
            raise
        return raw

    def _use_wal(self, raw: sqlite3.Connection) -> None:
        try:
            if raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error) and "locked" not in str(error):
                raise
            # What cannot be written to can be read as it is, and a file that is in use is put into WAL mode later.

    def make_link(self, raw: Any) -> Link:
        return SQLiteLink(raw, self.transaction_mode)

    def connect_async(self) -> Link:
        import asyncio

        loop = asyncio.get_running_loop()
        if self.is_in_memory:
            return adaptive.AdaptiveLink(self._shared(), loop, self._line, shared=True)
        raw = threaded.connect(self.make_raw, sqlite3.Connection.close)
        return adaptive.AdaptiveLink(SQLiteLink(raw, self.transaction_mode), loop, self._line)

    def init_connection(self, link: Link) -> None:
        if link.loop is not None and self.is_in_memory:
            return  # there is nothing new about it
        sqlite_functions.install(link.raw)  # after SQLAlchemy, which has put a regexp() of its own there
        for command in str(self.settings_dict["OPTIONS"].get("init_command") or "").split(";"):
            if command.strip():
                link.command(command)

    def translate(self, error: BaseException) -> Error | None:
        # sqlite3 raises some error that it remembers instead of the one that a value was refused with.
        refusal = error.__context__
        if isinstance(refusal, (OverflowError, UnicodeEncodeError)) and refusal.__traceback__ is None:
            error = refusal
        return super().translate(error)

    def is_lost(self, error: BaseException, link: Link) -> bool:
        return isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error)

    def hint_for(self, error: BaseException) -> str:
        text = str(error)
        if "locked" in text:
            return (
                f"Somebody else was writing to the database {self.alias!r} for longer than the {self.timeout:g} "
                "seconds of 'timeout' in its OPTIONS, or kept a lock of the whole file."
            )
        if "disk is full" in text:
            return (
                f"There is no room left for the file of the database {self.alias!r}, or PRAGMA max_page_count is low."
            )
        if "readonly" in text:
            return (
                f"The file of the database {self.alias!r}, or the folder it lies in, cannot be written to by this "
                "process, or the transaction is one of atomic(read_only=True)."
            )
        if "unable to open" in text:
            return f"The database {self.alias!r} is the file {self._path!r}: see that its folder exists."
        return super().hint_for(error)

    def misses_table(self, error: BaseException) -> bool:
        return str(error).startswith("no such table")

    # --- in memory ------------------------------------------------------------------------------------------------

    def new_slot(self, loop: asyncio.AbstractEventLoop | None = None) -> Slot:
        slot = super().new_slot(loop)
        if self.is_in_memory:
            slot.guard, slot.shared = self._shared_guard, True
        return slot

    def _shared(self) -> SQLiteLink:
        """The one connection, made if there is none; for code on an event loop, with the guard held."""
        if self._shared_link is None:
            slot = Slot(self)
            self.open(slot)  # in a thread
            slot.link = slot.checkout = None
        assert self._shared_link is not None
        return self._shared_link

    def _make_loop_pool(self, loop: asyncio.AbstractEventLoop) -> LoopPool:
        pool = super()._make_loop_pool(loop)
        if self.is_in_memory:
            pool.limit = None  # it has many links to one connection: whoever wants it waits for its guard
        return pool

    def open(self, slot: Slot) -> Link:
        if not self.is_in_memory or slot.loop is not waiting.running_loop() or slot.loop is not None:
            return super().open(slot)
        if self._shared_link is None:
            link = super().open(slot)
            assert isinstance(link, SQLiteLink)
            self._shared_link, self._shared_checkout = link, slot.checkout
        slot.link, slot.checkout = self._shared_link, self._shared_checkout
        return self._shared_link

    def _announce(self, slot: Slot) -> None:
        if slot.loop is None or not self.is_in_memory:
            super()._announce(slot)

    def give_back(self, slot: Slot) -> None:
        if not self.is_in_memory or slot.loop is not None:
            super().give_back(slot)
            return
        link = slot.link
        slot.link = slot.checkout = None
        if link is not None and not slot.autocommit:
            link.rollback()

    def discard(self, slot: Slot) -> None:
        if self.is_in_memory and slot.loop is not None and slot.link is not None:
            slot.link.terminate()  # at once: others wait for the guard
        if not self.is_in_memory or self._shared_link is None or slot.loop is not None:
            super().discard(slot)
            return
        # Closing it would be the end of the database.
        link = slot.link
        slot.link = slot.checkout = None
        if link is not None:
            link.rollback()

    def close(self, because: str = "connection.close() was called within it.") -> None:
        """Close the connection of the code here; a database in memory stays, as long as `dispose` is not called."""
        if not self.is_in_memory:
            super().close(because)
        elif (slot := self._slot()) is not None and (root := slot.root) is not None:
            root.lose(because)
            self.discard(slot)

    def dispose(self) -> None:
        checkout, self._shared_checkout, self._shared_link = self._shared_checkout, None, None
        if checkout is not None:
            checkout.invalidate()
        super().dispose()

    def start_afresh(self) -> None:
        super().start_afresh()
        processes.inherited.append((self._shared_link, self._shared_checkout))
        self._shared_guard = Guard()
        self._shared_link = self._shared_checkout = None
        self._known_line = None

"""MySQL and MariaDB, by way of PyMySQL, and for code on event loops of asyncmy or aiomysql."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import pymysql
from pymysql.constants import CLIENT

from webframe import waiting
from webframe._lazy import LateModule
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends.connecting import POOL_OPTIONS
from webframe.db.backends.drivers import threads
from webframe.db.backends.drivers.async_mysql import AsyncMySQLLink, as_in_pymysql
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.pymysql import PyMySQLLink, TLSContexts
from webframe.db.backends.features import Features
from webframe.db.backends.straight import StraightWrapper
from webframe.db.backends.zoned import ZonedWrapper
from webframe.db.configuration import ASYNC_DRIVERS
from webframe.db.errors import Error, IntegrityError, OperationalError

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")

# Codes of errors that are about integrity, though PyMySQL calls some of them operational: NULL where there must be
# none, a number below 0, a check that fails (MySQL, MariaDB).
INTEGRITY_CODES = (1048, 1690, 3819, 4025)

CHARSET = "utf8mb4"

# What a transaction may be isolated from, as SQL has it.
ISOLATION_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


class MySQLFeatures(Features):
    """What MySQL and MariaDB can do; they have parted in places."""

    connection: DatabaseWrapper

    max_query_params = 65535
    has_typed_columns = True
    supports_nulls_first_last = False
    supports_aggregate_filter_clause = False
    supports_update_conflicts_with_target = False
    has_select_for_update = True
    has_select_for_update_nowait = True
    streams_need_own_connection = True

    @property
    def can_return_from_insert(self) -> bool:  # type: ignore[override]
        """Whether INSERT ... RETURNING is there."""
        return self.connection.is_mariadb and self.connection.mysql_version >= (10, 5)

    @property
    def has_select_for_update_skip_locked(self) -> bool:  # type: ignore[override]
        """Whether rows that are locked can be left out."""
        return self.connection.mysql_version >= ((10, 6) if self.connection.is_mariadb else (8, 0, 1))

    @property
    def has_select_for_update_of(self) -> bool:  # type: ignore[override]
        """Whether only the rows of some tables can be locked."""
        return not self.connection.is_mariadb and self.connection.mysql_version >= (8, 0, 1)

    @property
    def supports_expression_indexes(self) -> bool:  # type: ignore[override]
        """Whether an index can be of an expression."""
        return not self.connection.is_mariadb and self.connection.mysql_version >= (8, 0, 13)


# What a server says that does not know a time zone, and what helps.
UNKNOWN_TIME_ZONE = 1298
LOAD_TIME_ZONES = (
    "Time zones with a name are in tables of the server, which are empty at first. Whoever administers it fills them "
    "with: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql -u root mysql (mariadb-tzinfo-to-sql and mariadb on MariaDB)"
)


class DatabaseWrapper(ZonedWrapper, StraightWrapper):
    """One MySQL or MariaDB database."""

    vendor: ClassVar[str] = "mysql"
    features_class = MySQLFeatures
    driver = pymysql

    def __init__(self, settings_dict: Mapping[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        # Time zones that the server is known to know.
        self._time_zones: set[str] = set()
        self._contexts = TLSContexts()

    def make_raw(self) -> Any:
        return self._contexts.connect(self._arguments)

    @property
    def _arguments(self) -> dict[str, Any]:
        """What PyMySQL connects with."""
        names = {"user": "USER", "password": "PASSWORD", "host": "HOST", "database": "NAME"}
        given = {name: self.settings_dict[key] for name, key in names.items() if self.settings_dict[key]}
        if given.get("host", "").startswith("/"):
            given["unix_socket"] = given.pop("host")
        if self.settings_dict["PORT"]:
            given["port"] = int(self.settings_dict["PORT"])
        ours = ("isolation_level", "init_command", *POOL_OPTIONS)
        options = {name: value for name, value in self.settings_dict["OPTIONS"].items() if name not in ours}
        # An update counts the rows that it found, not those that it changed.
        flags = options.get("client_flag", 0) | CLIENT.FOUND_ROWS
        return {"charset": CHARSET, **given, **options, "client_flag": flags, "autocommit": True}

    def create_engine(self) -> sqlalchemy.Engine:
        """The engine, for the dialect and for those who use connections through SQLAlchemy."""
        return sqlalchemy.create_engine(
            "mysql+pymysql://",
            creator=self.make_raw,
            poolclass=sqlalchemy.NullPool,
            isolation_level="AUTOCOMMIT",
            paramstyle="format",
        )

    def make_link(self, raw: Any) -> Link:
        return PyMySQLLink(raw)

    @property
    def async_driver(self) -> str:
        """The driver of async code: the one that is named in the URL, or the best that is installed, or none."""
        named: str = self.settings_dict["ASYNC_DRIVER"]
        return named or next((name for name in ASYNC_DRIVERS[__name__] if find_spec(name) is not None), "")

    def connect_async(self) -> Link:
        driver = self.async_driver
        if not driver:
            return super().connect_async()
        # PyMySQL understands the options; it may have to read certificates, which takes time.
        model = threads.call(self._contexts.connect, {**self._arguments, "defer_connect": True})
        try:
            link: AsyncMySQLLink = import_module(f"webframe.db.backends.drivers.{driver}").connect(model)
        except ImportError as error:
            raise ImproperlyConfigured(
                f"DATABASES[{self.alias!r}] needs the driver {driver!r}, which cannot be imported: {error}. Install it "
                "with 'pip install webframe[mysql]', or write 'mysql://' without a '+'."
            ) from error
        link.kill = self._kill
        return link

    def _kill(self, number: int) -> None:
        """Let the server end a connection, and roll back what was done on it; in a thread."""
        with suppress(pymysql.Error):
            with self._contexts.connect(self._arguments) as raw:
                raw.cursor().execute(f"KILL {number:d}")

    def set_time_zone(self, link: Link) -> None:
        link.fetch("SET SESSION time_zone = %s, SESSION sql_auto_is_null = 0", (_offset_of(self.timezone_name),))

    def init_connection(self, link: Link) -> None:
        options = self.settings_dict["OPTIONS"]
        if options.get("collation"):
            # SQLAlchemy says SET NAMES without it when PyMySQL has connected.
            link.command(f"SET NAMES {options.get('charset', CHARSET)} COLLATE {options['collation']}")
        level = options.get("isolation_level", "READ COMMITTED")
        if level is not None:
            words = str(level).upper()
            if words not in ISOLATION_LEVELS:
                raise ImproperlyConfigured(
                    f"DATABASES[{self.alias!r}] has the isolation_level {level!r}; it must be one of "
                    f"{', '.join(ISOLATION_LEVELS)}, or None for that of the server."
                )
            link.command(f"SET SESSION TRANSACTION ISOLATION LEVEL {words}")
        super().init_connection(link)

    def translate(self, error: BaseException) -> Error | None:
        ours = super().translate(as_in_pymysql(error))
        if isinstance(ours, OperationalError) and ours.args and ours.args[0] in INTEGRITY_CODES:
            return IntegrityError(*ours.args)
        return ours

    def hint_for(self, error: BaseException) -> str:
        return LOAD_TIME_ZONES if error.args[:1] == (UNKNOWN_TIME_ZONE,) else super().hint_for(error)

    def check_time_zone(self, name: str) -> None:
        if name in self._time_zones:
            return
        # The answer for a zone that it does not know is NULL, as would be the answers of statements that use it.
        if self.fetch("SELECT CONVERT_TZ('2000-01-01 12:00:00', '+00:00', %s)", (name,)) == [(None,)]:
            raise OperationalError(
                f"The server of the database {self.alias!r} does not know the time zone {name!r}. {LOAD_TIME_ZONES}."
            )
        self._time_zones.add(name)

    def is_lost(self, error: BaseException, link: Link) -> bool:
        return not link.is_open() or super().is_lost(as_in_pymysql(error), link)

    def misses_table(self, error: BaseException) -> bool:
        return error.args[:1] == (1146,)

    @property
    def dialect(self) -> sqlalchemy.Dialect:
        """SQLAlchemy's dialect; what it may write depends on the server, so the first look connects."""
        if not self._dialect_is_prepared:
            if waiting.current_greenlet() is None:
                self.look_at_server()
            else:
                threads.call(self.look_at_server)
        return self.engine.dialect

    @property
    def is_mariadb(self) -> bool:  # type: ignore[override]
        """Whether the server is a MariaDB; the first look connects."""
        return bool(getattr(self.dialect, "is_mariadb", False))

    @property
    def mysql_version(self) -> tuple[int, ...]:
        """The version of the server; the first look connects."""
        version = getattr(self.dialect, "server_version_info", None) or ()
        return tuple(part for part in version if isinstance(part, int))

    @property
    def display_name(self) -> str:  # type: ignore[override]
        """What it calls itself."""
        return "MariaDB" if self.is_mariadb else "MySQL"


def _offset_of(name: str) -> str:
    """A time zone as MySQL knows it without tables of its own: UTC as an offset, others by their name."""
    return "+00:00" if name == "UTC" else name

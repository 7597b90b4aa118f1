"""PostgreSQL, by way of psycopg 3, and of asyncpg in async code."""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg

from webframe._lazy import LateModule
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends.connecting import POOL_OPTIONS
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.postgresql import PostgreSQLLink
from webframe.db.backends.drivers.psycopg import PsycopgLink
from webframe.db.backends.features import Features
from webframe.db.backends.straight import StraightWrapper
from webframe.db.backends.zoned import ZonedWrapper
from webframe.db.errors import Error
from webframe.waiting import wait

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")

# OPTIONS that are ours, and not the driver's.
OUR_OPTIONS = ("isolation_level", "init_command", "pool", "assume_role", "server_side_binding")

# What a transaction may be isolated from, as SQL has it.
ISOLATION_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


class PostgreSQLFeatures(Features):
    """What PostgreSQL can do."""

    can_return_from_insert = True
    max_query_params = 65535
    has_typed_columns = True
    has_native_uuid_field = True
    has_native_duration_field = True
    has_native_boolean = True
    greatest_least_ignores_nulls = True
    supports_timezones = True
    has_select_for_update = True
    has_select_for_update_nowait = True
    has_select_for_update_skip_locked = True
    has_select_for_update_of = True
    has_select_for_no_key_update = True
    can_rollback_ddl = True
    can_defer_constraint_checks = True
    supports_deferrable_unique_constraints = True
    supports_partial_indexes = True
    supports_expression_indexes = True
    supports_covering_indexes = True
    supports_comments = True
    supports_identity_column = True
    supports_tablespaces = True

    @property
    def supports_nulls_distinct_unique_constraints(self) -> bool:  # type: ignore[override]
        """Whether a unique constraint may count nulls as equal."""
        return bool(self.connection.pg_version >= 150000)


class _PlainConstants:
    """What a compiler of SQLAlchemy's lacks: constants that mean the same however the server is set up.

    A backslash is itself in one, or begins an escape, as `standard_conforming_strings`
    says, which a database, a role or a session may change at any time.
    """

    def render_literal_value(self, value: Any, type_: Any) -> str:
        text: str = super().render_literal_value(value, type_)  # type: ignore[misc]
        if "\\" not in text or not text.startswith("'"):
            return text
        # As `sql.quoted_text` writes them; what stands behind the quotes is the name of a type. Once the dialect has
        # seen a connection it doubles backslashes itself, if that one had the setting off.
        escaped = self.dialect._backslash_escapes  # type: ignore[attr-defined]
        return "E" + (text if escaped else text.replace("\\", "\\\\"))


class DatabaseWrapper(ZonedWrapper, StraightWrapper):
    """One PostgreSQL database."""

    vendor: ClassVar[str] = "postgresql"
    display_name: ClassVar[str] = "PostgreSQL"
    features_class = PostgreSQLFeatures
    driver = psycopg

    def make_raw(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self._connect_arguments())

    def _connect_arguments(self) -> dict[str, Any]:
        """What psycopg connects with."""
        names = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
        given = {name: self.settings_dict[key] for name, key in names.items() if self.settings_dict[key]}
        return {**given, **self._driver_options(), "autocommit": True}

    def create_engine(self) -> sqlalchemy.Engine:
        """The engine, for the dialect and for those who use connections through SQLAlchemy."""
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=self.make_raw,
            poolclass=sqlalchemy.NullPool,
            isolation_level="AUTOCOMMIT",
            paramstyle="format",
            use_native_hstore=False,
        )
        compiler = engine.dialect.statement_compiler
        engine.dialect.statement_compiler = type(compiler.__name__, (_PlainConstants, compiler), {})
        return engine

    def make_link(self, raw: Any) -> Link:
        return PsycopgLink(raw, self._isolation_sql())

    def _isolation_sql(self) -> str:
        level = self.settings_dict["OPTIONS"].get("isolation_level")
        if level is None:
            return ""
        # psycopg and Django count them, too.
        words = ISOLATION_LEVELS[level - 1] if isinstance(level, int) and 1 <= level <= 4 else str(level)
        words = words.upper().replace("_", " ")
        if words not in ISOLATION_LEVELS:
            raise ImproperlyConfigured(
                f"DATABASES[{self.alias!r}] has the isolation_level {level!r}; it must be one of "
                f"{', '.join(ISOLATION_LEVELS)}."
            )
        return f" ISOLATION LEVEL {words}"

    # --- in async code --------------------------------------------------------------------------------------------

    # drivers/asyncpg_connecting.py, once a connection was made with it, and the arguments for the next one.
    _asyncpg: ModuleType | None = None
    _arguments: dict[str, Any] | None = None

    @property
    def async_driver(self) -> str:
        """The driver of async code: the one that is named in the URL, or the best that is there and knows OPTIONS."""
        named: str = self.settings_dict.get("ASYNC_DRIVER") or ""
        if named:
            return named
        if find_spec("asyncpg") is None:
            return "psycopg"
        from webframe.db.backends.drivers import asyncpg_connecting

        try:
            self._arguments_for(asyncpg_connecting)
        except ImproperlyConfigured:
            return "psycopg"
        return "asyncpg"

    def connect_async(self) -> Link:
        if self._asyncpg is None and self.async_driver == "psycopg":
            from webframe.db.backends.drivers.psycopg_async import AsyncConnection, PsycopgAsyncLink

            raw = wait(AsyncConnection.connect(**self._connect_arguments()))
            return PsycopgAsyncLink(raw, self._isolation_sql())
        try:
            from webframe.db.backends.drivers import asyncpg_connecting
            from webframe.db.backends.drivers.asyncpg import AsyncpgLink
        except ImportError as error:
            raise ImproperlyConfigured(
                f"DATABASES[{self.alias!r}] names the driver 'asyncpg', which cannot be imported: {error}. Install it "
                "with pip install 'webframe[postgresql]', or name none, as in 'postgresql://...'."
            ) from error
        if self._arguments is None:
            self._arguments = self._arguments_for(asyncpg_connecting)
        self._asyncpg = asyncpg_connecting
        raw = wait(asyncpg_connecting.connect(self._arguments))
        return AsyncpgLink(raw, self._isolation_sql(), self._arguments.get("statement_cache_size") != 0)

    def _arguments_for(self, module: Any) -> dict[str, Any]:
        made: dict[str, Any] = module.arguments_of(
            self.alias, self.settings_dict, self._driver_options(), self.timezone_name
        )
        return made

    def _driver_options(self) -> dict[str, Any]:
        """What is left of OPTIONS for the driver."""
        options = self.settings_dict["OPTIONS"]
        return {name: value for name, value in options.items() if name not in (*OUR_OPTIONS, *POOL_OPTIONS)}

    # --- both sides -----------------------------------------------------------------------------------------------

    def set_time_zone(self, link: Link) -> None:
        assert isinstance(link, PostgreSQLLink)
        if link.time_zone != self.timezone_name:
            link.fetch("SELECT set_config('TimeZone', %s, false)", (self.timezone_name,))

    def ensure_timezone(self) -> None:
        self._arguments = None  # the name is among them
        super().ensure_timezone()

    def init_connection(self, link: Link) -> None:
        assert isinstance(link, PostgreSQLLink)
        role = self.settings_dict["OPTIONS"].get("assume_role")
        if role:
            link.command(f"SET ROLE {self.ops.quote_name(role)}")
        self._pg_version = link.server_version
        super().init_connection(link)

    def translate(self, error: BaseException) -> Error | None:
        as_psycopg = None if self._asyncpg is None else self._asyncpg.as_psycopg(error)
        return super().translate(error if as_psycopg is None else as_psycopg)

    def is_lost(self, error: BaseException, link: Link) -> bool:
        if not link.is_open():
            return True
        if self._asyncpg is not None and link.loop is not None:
            return bool(self._asyncpg.is_lost(error, link.raw))
        return super().is_lost(error, link)

    def misses_table(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) == "42P01"

    def hint_for(self, error: BaseException) -> str:
        if getattr(error, "sqlstate", None) in ("26000", "42P05"):
            return (
                "Statements are kept prepared, and a pooler such as PgBouncer hands out connections to the server that "
                "do not know them. Let it look after them (max_prepared_statements), or give the option "
                "'prepare_threshold': None."
            )
        return super().hint_for(error)

    # 0: not known yet.
    _pg_version = 0

    @property
    def pg_version(self) -> int:
        """The version of the server: 150018 is 15.18."""
        if not self._pg_version:
            self.ensure_connection()
        return self._pg_version

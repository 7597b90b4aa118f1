"""PostgreSQL, by way of psycopg 3."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends import base
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.psycopg import PsycopgLink
from webframe.db.backends.features import Features

# What a transaction may be isolated from, as SQL has it.
ISOLATION_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


class PostgreSQLFeatures(Features):
    """What PostgreSQL can do."""

    can_return_from_insert = True
    max_query_params = 65535
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


class DatabaseWrapper(base.DatabaseWrapper):
    """One PostgreSQL database."""

    vendor: ClassVar[str] = "postgresql"
    display_name: ClassVar[str] = "PostgreSQL"
    features_class = PostgreSQLFeatures

    def create_engine(self) -> sqlalchemy.Engine:
        options = dict(self.settings_dict["OPTIONS"])
        pool = self.pool_arguments(options)
        for name in ("isolation_level", "init_command", "pool", "assume_role", "server_side_binding"):
            options.pop(name, None)
        url = sqlalchemy.URL.create(
            "postgresql+psycopg",
            username=self.settings_dict["USER"] or None,
            password=self.settings_dict["PASSWORD"] or None,
            host=self.settings_dict["HOST"] or None,
            port=int(self.settings_dict["PORT"]) if self.settings_dict["PORT"] else None,
            database=self.settings_dict["NAME"] or None,
        )
        return sqlalchemy.create_engine(
            url, isolation_level="AUTOCOMMIT", paramstyle="format", connect_args=options, **pool
        )

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

    def init_connection(self, link: Link) -> None:
        if link.raw.info.parameter_status("TimeZone") != self.timezone_name:
            link.fetch("SELECT set_config('TimeZone', %s, false)", (self.timezone_name,))
        role = self.settings_dict["OPTIONS"].get("assume_role")
        if role:
            link.command(f"SET ROLE {self.ops.quote_name(role)}")
        super().init_connection(link)

    def is_lost(self, error: BaseException, link: Link) -> bool:
        return bool(link.raw.closed) or super().is_lost(error, link)

    def misses_table(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) == "42P01"

    @property
    def pg_version(self) -> int:
        """The version of the server: 150018 is 15.18."""
        self.ensure_connection()
        connection = self.connection
        return int(connection.info.server_version) if connection is not None else 0

"""Any other database that SQLAlchemy has a dialect for, in what is common to all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy
from sqlalchemy import exc

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends import base
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.generic import GenericLink
from webframe.db.backends.features import Features, Operations

# SQLAlchemy's names of the styles in which parameters stand in their order.
POSITIONAL = ("qmark", "format")


class GenericFeatures(Features):
    """What the dialect says, and else as little as possible."""

    supports_nulls_first_last = False
    supports_ignore_conflicts = False
    supports_update_conflicts = False
    supports_update_conflicts_with_target = False
    supports_aggregate_filter_clause = False
    max_query_params = 999
    has_select_for_update = True

    @property
    def can_return_from_insert(self) -> bool:  # type: ignore[override]
        """Whether INSERT ... RETURNING is there."""
        return bool(self.connection.dialect.insert_returning)


class GenericOperations(Operations):
    """SQL in the style of parameters that the driver has."""

    def convert(self, sql: str, params: Any) -> str:
        if self.connection.dialect.paramstyle == "qmark" and not isinstance(params, Mapping):
            import re

            return re.sub(r"(?<!%)%s", "?", sql).replace("%%", "%")
        return sql


class DatabaseWrapper(base.DatabaseWrapper):
    """One database of a kind that nothing more is known of than SQLAlchemy's dialect."""

    features_class = GenericFeatures
    ops_class = GenericOperations

    def __init__(self, settings_dict: Mapping[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        if not self.settings_dict["URL"]:
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] uses the generic backend, which needs a URL of SQLAlchemy, such as "
                "'cockroachdb://user@host/name'."
            )
        try:
            self.url = sqlalchemy.make_url(self.settings_dict["URL"])
            self._dialect_class = self.url.get_dialect()
        except (exc.ArgumentError, exc.NoSuchModuleError) as error:
            scheme = str(self.settings_dict["URL"]).partition(":")[0]
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] begins with {scheme!r}, which SQLAlchemy has no dialect for: {error}. Install "
                "the package that brings it, or use sqlite, postgresql or mysql."
            ) from error

    @property
    def vendor(self) -> str:  # type: ignore[override]
        """SQLAlchemy's name of the dialect; MariaDB counts as mysql."""
        name = self._dialect_class.name
        return "mysql" if name == "mariadb" else name

    @property
    def display_name(self) -> str:  # type: ignore[override]
        """The same name."""
        return self._dialect_class.name

    def create_engine(self) -> sqlalchemy.Engine:
        options = dict(self.settings_dict["OPTIONS"])
        pool = self.pool_arguments(options)
        options.pop("init_command", None)
        arguments: dict[str, Any] = {**pool, "connect_args": options, "isolation_level": "AUTOCOMMIT"}
        try:
            engine = sqlalchemy.create_engine(self.url, **arguments)
            if engine.dialect.paramstyle not in POSITIONAL:
                arguments["paramstyle"] = "qmark" if engine.dialect.paramstyle in ("named", "numeric") else "format"
                engine = sqlalchemy.create_engine(self.url, **arguments)
        except exc.ArgumentError as error:
            raise ImproperlyConfigured(f"DATABASES[{self.alias!r}] cannot be used: {error}.") from error
        return engine

    def make_link(self, raw: Any) -> Link:
        return GenericLink(raw)

"""Emptying tables: all rows of all of them, in whichever order they refer to each other; no signals are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.db import transaction
from webframe.db.connections import router
from webframe.db.introspection import table_names


def emptiable_tables(apps: Any, connection: Any) -> list[str]:
    """The tables of all models of a registry that are there in a database."""
    there = table_names(connection)
    tables = dict.fromkeys(
        model._meta.db_table
        for config in apps.get_app_configs()
        for model in router.get_migratable_models(config, connection.alias, include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    )
    return [table for table in tables if table in there]


def empty_tables(connection: Any, tables: Iterable[str]) -> None:
    """Delete every row of some tables; keys that the database gives out begin with 1 again.

    Raises IntegrityError if other tables have rows that refer to them. All are
    emptied or none, but for MySQL and MariaDB, where each is emptied by itself.
    """
    tables = list(tables)
    names = [connection.ops.quote_name(table) for table in tables]
    if not names:
        return
    if connection.vendor == "mysql":
        connection.run("SET SESSION FOREIGN_KEY_CHECKS = 0", ())
        try:
            for name in names:
                connection.run(f"TRUNCATE {name}", ())
        finally:
            connection.run("SET SESSION FOREIGN_KEY_CHECKS = 1", ())
        return
    with transaction.atomic(connection.alias):
        if connection.vendor == "postgresql":
            connection.run(f"TRUNCATE {', '.join(names)} RESTART IDENTITY", ())
            return
        if connection.vendor == "sqlite":
            connection.run("PRAGMA defer_foreign_keys = ON", ())
        for name in names:
            connection.run(f"DELETE FROM {name}", ())
        if connection.vendor == "sqlite" and _counts_keys(connection):
            connection.run_many("DELETE FROM sqlite_sequence WHERE name = ?", [(table,) for table in tables])


def _counts_keys(connection: Any) -> bool:
    """Whether SQLite has written down a number for a table, which it does for AUTOINCREMENT only."""
    return bool(connection.fetch("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'", ()))

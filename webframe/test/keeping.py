"""Keeping rows of a database, and having a database again as it was.

Copies of rows are tables in the same database, so they are the same to the last
byte, whatever their types; only tables with rows have one. By them a test that has
committed leaves behind what was there before, rows of migrations too; and a database
is known again, with `Reusable`, that an earlier test run has made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webframe.apps.registry import apps
from webframe.db import transaction
from webframe.db.connections import connections, router
from webframe.db.emptying import emptiable_tables, empty_tables
from webframe.db.fixtures.loading import tell_numbers
from webframe.db.introspection import table_names
from webframe.db.migrations.modules import module_names, package_of

# The table that says what a database was made for, and how the names of copies begin: those that stay for the next
# run, and those of one run.
ABOUT = "webframe_test"
LASTING = "webframe_test_made_"
PASSING = "webframe_test_kept_"

# The tables of a database, each with its copy.
Copies = dict[str, str]


def models_in(alias: str) -> list[Any]:
    """All models that have a table in a database."""
    return [
        model
        for config in apps.get_app_configs()
        for model in router.get_migratable_models(config, alias, include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]


def copy_rows(alias: str, prefix: str = PASSING) -> Copies:
    """Copy the rows of all models, in place of former copies."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    drop_copies(alias, prefix)
    copies: Copies = {}
    for table in emptiable_tables(apps, connection):
        if connection.fetch(f"SELECT 1 FROM {quote(table)} LIMIT 1", ()):
            copies[table] = f"{prefix}{len(copies)}"
            connection.run(f"CREATE TABLE {quote(copies[table])} AS SELECT * FROM {quote(table)}", ())
    return copies


def drop_copies(alias: str, prefix: str = PASSING) -> None:
    """Drop the copies whose names begin so."""
    connection = connections[alias]
    for table in table_names(connection):
        if table.startswith(prefix):
            connection.run(f"DROP TABLE {connection.ops.quote_name(table)}", ())


def put_back(alias: str, copies: Copies, *, reset_sequences: bool = False) -> None:
    """Delete all rows of all models, and put those that were copied in their place; no signals are sent.

    With `reset_sequences` keys that the database gives out begin anew, behind those that are there.
    """
    connection = connections[alias]
    quote = connection.ops.quote_name
    tables = emptiable_tables(apps, connection)
    if reset_sequences:
        empty_tables(connection, tables)
    with _references_unchecked(connection), transaction.atomic(using=alias):
        for table in tables if not reset_sequences else ():
            connection.run(f"DELETE FROM {quote(table)}", ())
        for table, copy in copies.items():
            connection.run(f"INSERT INTO {quote(table)} SELECT * FROM {quote(copy)}", ())
    if copies:
        tell_numbers((model for model in models_in(alias) if model._meta.db_table in copies), alias)


@contextmanager
def _references_unchecked(connection: Any) -> Iterator[None]:
    """Let rows come and go in any order; PostgreSQL does so by itself, as it checks references at the commit."""
    before, after = _UNCHECKED.get(connection.vendor, ("", ""))
    if before:
        connection.run(before, ())
    try:
        yield
    finally:
        if after:
            connection.run(after, ())


_UNCHECKED = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
    "mysql": ("SET SESSION FOREIGN_KEY_CHECKS = 0", "SET SESSION FOREIGN_KEY_CHECKS = 1"),
}


# --- from one run to the next -------------------------------------------------------------------------------------


class Reusable:
    """A database that a test run makes for the next one: it says what it was made for, and has its first rows."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._quote = connections[alias].ops.quote_name

    def keep(self, fingerprint: str) -> None:
        """Note what the database was made for, and copy its rows."""
        facts = {"fingerprint": fingerprint, **copy_rows(self.alias, LASTING)}
        connection = connections[self.alias]
        connection.run(f"CREATE TABLE {self._quote(ABOUT)} (name VARCHAR(200), value VARCHAR(200))", ())
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {self._quote(ABOUT)} (name, value) VALUES (%s, %s)", list(facts.items()))

    def was_made_for(self, fingerprint: str) -> bool:
        """Whether the database has these models and migrations."""
        return self._facts().get("fingerprint") == fingerprint

    def restore(self) -> None:
        """Make the database what it was at first, whatever an earlier run has left behind."""
        copies = {table: copy for table, copy in self._facts().items() if table != "fingerprint"}
        drop_copies(self.alias)
        put_back(self.alias, copies, reset_sequences=True)

    def _facts(self) -> dict[str, str]:
        connection = connections[self.alias]
        if ABOUT not in table_names(connection):
            return {}
        return dict(connection.fetch(f"SELECT name, value FROM {self._quote(ABOUT)}", ()))


def fingerprint(alias: str, *, migrate: bool) -> str:
    """A text that changes with the tables of the models of a database, and with the files of migrations."""
    digest = hashlib.blake2b(str(migrate).encode(), digest_size=20)
    with connections[alias].schema_editor(collect_sql=True) as editor:
        for model in models_in(alias):
            editor.create_table(model)
    for statement in editor.collected_sql:
        digest.update(statement.encode())
    for file in _files_of_migrations() if migrate else ():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files_of_migrations() -> Iterable[Path]:
    for config in apps.get_app_configs():
        package = package_of(config)
        if package is not None:
            files = (Path(folder, f"{name}.py") for name in module_names(package) for folder in package.__path__)
            yield from (file for file in files if file.is_file())

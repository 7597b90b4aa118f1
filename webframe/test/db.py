"""Databases for tests: made for one run, and left as they were after each test.

The fixtures of `pytest_plugin.py` are made of what is here; use it where they
do not fit, with another runner for instance::

    with made_databases():           # once, around all tests
        with rolled_back():          # around each
            Pizza.objects.create(...)
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from webframe.apps import apps, setup
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import transaction
from webframe.db.connections import connections
from webframe.db.schema import create_all
from webframe.test.settings import override_settings
from webframe.waiting import is_async, wait

# What every test database is called, before the name of the database that it stands for.
PREFIX = "test_"


@contextmanager
def made_databases() -> Iterator[None]:
    """Within the block every alias of DATABASES is an empty database made for it, with the tables of all models.

    A server gets one called "test_" and the name of the real one, or
    ``TEST={"NAME": ...}``; what is there under that name is dropped first.
    For SQLite it is a file in a temporary directory. All are dropped at the end.
    """
    setup()
    entries = connections.databases
    if not entries:
        raise ImproperlyConfigured(
            "A test asks for the database, and DATABASES is empty. Import the application first, if it sets "
            "DATABASES, or put DATABASE_URL or WEBFRAME_SETTINGS_MODULE into the environment."
        )
    with ExitStack() as stack:
        files = Path(tempfile.mkdtemp(prefix="webframe-test-"))
        stack.callback(shutil.rmtree, files, ignore_errors=True)
        made = {alias: stack.enter_context(_made(alias, entry, files)) for alias, entry in entries.items()}
        with override_settings(DATABASES=made):
            for alias in made:
                create_all(using=alias)
            try:
                yield
            finally:
                connections.close_all()


@contextmanager
def _made(alias: str, entry: dict[str, Any], files: Path) -> Iterator[dict[str, Any]]:
    """Make one database; gives its settings."""
    unknown = set(entry["TEST"]) - {"NAME"}
    if unknown:
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}]['TEST'] has {', '.join(map(repr, sorted(unknown)))}; 'NAME' is all that it can have."
        )
    maintenance = _MAINTENANCE.get(entry["ENGINE"].rpartition(".")[2])
    if maintenance is None:
        if entry["URL"]:
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] is a database that webframe cannot make another one of for tests. Override "
                "DATABASES in the tests with one that may be emptied, and use webframe.test.db.rolled_back()."
            )
        yield {**entry, "NAME": entry["TEST"].get("NAME") or str(files / f"{alias}.sqlite3")}
        return
    name = entry["TEST"].get("NAME") or PREFIX + entry["NAME"]
    if name == entry["NAME"]:
        raise ImproperlyConfigured(
            f"The test database of DATABASES[{alias!r}] would be the real one, {name!r}, and be dropped. Give another "
            "name in TEST."
        )
    server = {**entry, "NAME": maintenance, "TEST": {}}
    _on_server(alias, server, "DROP DATABASE IF EXISTS {}", name)
    _on_server(alias, server, "CREATE DATABASE {}", name)
    try:
        yield {**entry, "NAME": name}
    finally:
        _on_server(alias, server, "DROP DATABASE IF EXISTS {}", name)


# The database from which others can be made, for each backend that has a server.
_MAINTENANCE = {"postgresql": "postgres", "mysql": "mysql"}


def _on_server(alias: str, entry: dict[str, Any], statement: str, name: str) -> None:
    with override_settings(DATABASES={alias: entry}):
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(statement.format(connection.ops.quote_name(name)))
        connections.close_all()


@contextmanager
def rolled_back(*aliases: str) -> Iterator[None]:
    """What is done in these databases (or all) within the block is undone at its end.

    Requests of a client within see it, and are in the same transaction. Code that
    runs in a thread of its own is not. Durable blocks are allowed right inside.
    """
    names = aliases or tuple(connections)
    with ExitStack() as stack:
        for alias in names:
            block = transaction.atomic(using=alias)
            block.of_test = True
            stack.enter_context(block)
        try:
            yield
        finally:
            for alias in names:
                transaction.set_rollback(True, using=alias)


@contextmanager
def emptied(*aliases: str) -> Iterator[None]:
    """Every row of every model in these databases (or all) is deleted at the end of the block, committed or not."""
    names = aliases or tuple(connections)
    try:
        yield
    finally:
        connections.close_all()
        for alias in names:
            empty(apps.get_models(include_auto_created=True), using=alias)


def empty(models: Iterable[type[Any]], using: str = "default") -> None:
    """Delete every row of these models, in whichever order they refer to each other; no signals are sent."""
    tables = dict.fromkeys(
        model._meta.db_table
        for model in models
        if model._meta.managed and not (model._meta.proxy or model._meta.swapped)
    )
    connection = connections[using]
    before, after = _UNCHECKED.get(connection.vendor, ((), ()))
    with connection.cursor() as cursor:
        for statement in before:
            cursor.execute(statement)
        try:
            with transaction.atomic(using=using):
                for table in tables:
                    cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
        finally:
            for statement in after:
                cursor.execute(statement)


# What keeps foreign keys from being checked meanwhile, and what has them checked again. PostgreSQL checks at the
# commit: its keys are made so.
_UNCHECKED = {
    "sqlite": (["PRAGMA foreign_keys = OFF"], ["PRAGMA foreign_keys = ON"]),
    "mysql": (["SET SESSION FOREIGN_KEY_CHECKS = 0"], ["SET SESSION FOREIGN_KEY_CHECKS = 1"]),
}


@contextmanager
def capture_on_commit(using: str = "default", *, execute: bool = False) -> Iterator[list[Callable[[], object]]]:
    """Collect what is to be called after the commit, for tests whose transaction is never committed.

    The list is filled at the end of the block; with `execute` each function is
    called then, and so is what it registers in turn.
    """
    functions: list[Callable[[], object]] = []
    start = len(transaction.hooks_of(using))
    yield functions
    while hooks := transaction.hooks_of(using)[start:]:
        start += len(hooks)
        for hook in hooks:
            functions.append(hook.function)
            if execute:
                answer: Any = hook.function()
                if is_async(hook.function):
                    wait(answer)
        if not execute:
            return

"""Fixtures of the tests of migrations: a project to write into, and a database that is emptied afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .projects import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project without apps; what is imported from it is forgotten when the test ends."""
    monkeypatch.syspath_prepend(str(tmp_path))
    # Files are written again within the same second, which compiled ones would not notice.
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    project = Project(tmp_path)
    yield project
    project.forget()


@pytest.fixture
def empty_database(engine: Any) -> Iterator[Any]:
    """The database "default" of an engine, without tables before and after the test."""
    drop_all_tables(engine)
    yield engine
    drop_all_tables(engine)


@pytest.fixture
def history(engine: Any) -> Iterator[Any]:
    """Operations done one after another in an empty database: see `history.py`."""
    from .history import History

    yield History(engine)
    drop_all_tables(engine)


def drop_all_tables(engine: Any) -> None:
    from webframe.db import connections
    from webframe.db.introspection import table_names

    # Those that files of tests share (`tables`) are made again when they are needed.
    engine.kept["default"].clear()
    connections.close_all()
    connection = connections["default"]
    quote = connection.ops.quote_name
    cascade = " CASCADE" if connection.vendor == "postgresql" else ""
    switch = {"sqlite": "PRAGMA foreign_keys = {}", "mysql": "SET SESSION FOREIGN_KEY_CHECKS = {}"}.get(
        connection.vendor
    )
    with connection.cursor() as cursor:
        if switch is not None:
            cursor.execute(switch.format(0))
        for name in table_names(connection):
            cursor.execute(f"DROP TABLE IF EXISTS {quote(name)}{cascade}")
        if switch is not None:
            cursor.execute(switch.format(1))

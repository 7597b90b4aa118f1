"""`dbshell`: which program is started, with what, and where its password is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from webframe.core.management.dbshell import client_call
from webframe.core.management.errors import CommandError
from webframe.db import connections
from webframe.test import override_settings


def call(entry: Any, *arguments: str) -> Any:
    with override_settings(DATABASES={"default": entry}):
        return client_call(connections["default"], arguments)


def test_sqlite_gets_its_file() -> None:
    assert call("sqlite:///notes.db", "-readonly") == (["sqlite3", "notes.db", "-readonly"], {})


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(CommandError, match="in the memory of a process"):
        call("sqlite://")


def test_postgresql_gets_its_password_by_the_environment() -> None:
    words, variables = call("postgresql://ada:s3cret@db.example:5433/shop?sslmode=require", "-c", "SELECT 1")
    assert words == ["psql", "-U", "ada", "-h", "db.example", "-p", "5433", "-d", "shop", "-c", "SELECT 1"]
    assert variables == {"PGPASSWORD": "s3cret", "PGSSLMODE": "require"}


def test_postgresql_without_a_name_opens_the_one_that_is_always_there_unless_there_is_a_service() -> None:
    entry = {"ENGINE": "postgresql", "USER": "ada"}
    assert call(entry) == (["psql", "-U", "ada", "-d", "postgres"], {})
    assert call({**entry, "OPTIONS": {"service": "shop"}}) == (["psql", "-U", "ada"], {"PGSERVICE": "shop"})


def test_mysql_gets_its_password_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    words, variables = call("mysql://ada:s3cret@db.example:3307/shop?charset=utf8mb4")
    assert words == [
        "mysql",
        "--user=ada",
        "--host=db.example",
        "--port=3307",
        "--default-character-set=utf8mb4",
        "--database=shop",
    ]
    assert variables == {"MYSQL_PWD": "s3cret"}
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/mariadb")
    words, _ = call({"ENGINE": "mysql", "HOST": "/run/mysqld.sock", "NAME": "shop"}, "-e", "SELECT 1")
    assert words == ["mariadb", "--socket=/run/mysqld.sock", "--database=shop", "-e", "SELECT 1"]


NOTES = """
from webframe import Webframe
app = Webframe(__name__, DATABASES={"default": "sqlite:///notes.db"})
"""


def install_client(folder: Any, text: str) -> str:
    """A program called sqlite3; returns the PATH with which it is found."""
    program: Path = folder.write("bin/sqlite3", text)
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def test_the_program_is_started_and_its_exit_code_is_that_of_the_command(folder: Any) -> None:
    folder.write("notes.py", NOTES)
    path = install_client(folder, '#!/bin/sh\necho "called with $@"\nexit 3\n')
    result = folder.run("--app", "notes", "dbshell", "--", "-header", ".tables", PATH=path)
    assert result.stdout == "called with notes.db -header .tables\n"
    assert (result.returncode, result.stderr) == (3, "Error: sqlite3 ended with exit code 3.\n")
    path = install_client(folder, "#!/bin/sh\nexit 0\n")
    assert folder.run("--app", "notes", "dbshell", PATH=path).returncode == 0


def test_a_program_that_is_missing_is_one_line(folder: Any) -> None:
    folder.write("notes.py", NOTES)
    result = folder.run("--app", "notes", "dbshell", PATH="/nowhere")
    assert result.returncode == 1
    assert result.stderr == (
        "Error: The program 'sqlite3' is not installed, or not on the PATH: it comes with SQLite.\n"
    )

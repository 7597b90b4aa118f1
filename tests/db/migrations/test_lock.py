"""One at a time migrates a database, and whoever is killed leaves it so that the next one can go on."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe.db import connection, connections
from webframe.db.introspection import table_names
from webframe.db.migrations.executor import MigrationExecutor
from webframe.db.migrations.lock import LONGEST_WAIT, FileLock, MySQLLock, is_locked_here, migration_lock
from webframe.db.migrations.recorder import MigrationRecorder
from webframe.test import override_settings

from .projects import ADD_PRICE, CREATE_PIZZA, Project

# Takes the lock, says so and keeps it until it reads a line.
HOLD = """
import sys
from webframe.conf import settings
settings.configure(DATABASES={"default": sys.argv[1]})
from webframe.apps import setup
setup()
from webframe.db import connection
from webframe.db.migrations.lock import migration_lock
with migration_lock(connection, lambda text: print(text, flush=True)):
    print("locked", flush=True)
    sys.stdin.readline()
"""
WAIT_FOR = (
    "migrations.RunPython(lambda apps, editor: print('inside', flush=True) or "
    "[__import__('time').sleep(0.01) for _ in iter(lambda: __import__('os').path.exists({!r}), True)])"
)
SLOW = "migrations.RunPython(lambda apps, editor: print('inside', flush=True) or __import__('time').sleep({}))"
ADD_ROW = "migrations.RunPython(lambda apps, editor: apps.get_model('menu', 'Pizza').objects.create(name='Romana'))"


@pytest.fixture
def start(empty_database: Any, project: Project) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program with the database of the test, and ends it with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*script: str) -> subprocess.Popen[str]:
        running.append(project.start(empty_database.databases["default"], *script))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    lines = [read(process)]
    while lines[-1] and text not in lines[-1]:
        lines.append(read(process))
    assert text in lines[-1], lines
    return lines


def applied() -> list[str]:
    return sorted(name for _, name in MigrationRecorder(connection).applied_migrations())


def test_of_two_that_migrate_at_once_one_waits_and_finds_nothing_left_to_do(
    project: Project, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA, ADD_ROW, WAIT_FOR.format(f"{tmp_path}/go"))
    project.migration("menu", "0002_price", ADD_PRICE, ADD_ROW, after=[("menu", "0001_initial")])
    first = start()
    read_until(first, "inside")
    second = start()
    told = read(second)
    assert told.endswith("is migrating the database 'default'. Waiting for it to finish; Ctrl-C stops waiting.")
    (tmp_path / "go").touch()
    assert first.communicate(timeout=60)[0].count("apply_success") == 2
    assert second.communicate(timeout=60)[0] == "done\n"
    assert connection.fetch("SELECT name, price FROM menu_pizza") == [("Romana", 7), ("Romana", 7)]
    assert applied() == ["0001_initial", "0002_price"]


def test_many_that_begin_at_the_same_moment_apply_each_migration_once(
    project: Project, start: Callable[..., subprocess.Popen[str]]
) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA, ADD_ROW)
    processes = [start() for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sorted(output.count("apply_success") for output in outputs) == [0, 0, 1]
    assert connection.fetch("SELECT name FROM menu_pizza") == [("Romana",)]


def test_one_that_is_killed_in_the_middle_of_a_migration_is_no_obstacle(
    project: Project, start: Callable[..., subprocess.Popen[str]]
) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA, ADD_ROW)
    project.migration("menu", "0002_price", ADD_PRICE, ADD_ROW, SLOW.format(60), after=[("menu", "0001_initial")])
    process = start()
    read_until(process, "inside")
    process.kill()
    process.wait()
    with project.installed():
        executor = MigrationExecutor(connection, notify=pytest.fail)
        assert applied() == ["0001_initial"]
        rows = connection.fetch("SELECT * FROM menu_pizza")
        if connection.vendor == "mysql":
            # What DDL did stays, rows of a RunPython that was done too.
            assert [name for _, name, price in rows] == ["Romana", "Romana"]
            return
        assert rows == [(1, "Romana")]
        project.migration("menu", "0002_price", ADD_PRICE, ADD_ROW, after=[("menu", "0001_initial")])
        executor = MigrationExecutor(connection)
        executor.migrate(None)
        assert connection.fetch("SELECT name, price FROM menu_pizza") == [("Romana", 7), ("Romana", 7)]
        assert not any(name.startswith(("_", "webframe_new")) for name in table_names(connection))


def test_whoever_waits_goes_on_when_the_owner_is_killed(
    project: Project, start: Callable[..., subprocess.Popen[str]]
) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA, SLOW.format(60))
    owner = start()
    read_until(owner, "inside")
    project.migration("menu", "0001_initial", "migrations.RunSQL('SELECT 1')")
    waiting = start()
    assert "Waiting" in read(waiting)
    assert waiting.poll() is None
    owner.kill()
    assert waiting.communicate(timeout=30)[0].endswith("done\n")
    assert applied() == ["0001_initial"]


def test_who_has_the_lock_is_said(start: Callable[..., subprocess.Popen[str]]) -> None:
    holder = holding(start)
    told: list[str] = []

    def migrate() -> None:
        with migration_lock(connection, told.append):
            told.append("locked")
        connections.close_all()

    thread = threading.Thread(target=migrate)
    thread.start()
    while not told:
        time.sleep(0.01)
    if connection.vendor == "sqlite":
        assert told[0].startswith(f"Another process (process {holder.pid} on ")
    elif connection.vendor == "postgresql":
        assert "(on the machine of the server, server process " in told[0]
    else:
        assert "(connection " in told[0] and " of the server)" in told[0]
    holder.kill()
    thread.join(30)
    assert told[1:] == ["locked"]


def holding(start: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """A program that has the lock until it is killed."""
    holder = start(HOLD.replace("sys.stdin.readline()", "import time; time.sleep(60)"))
    assert read(holder) == "locked"
    return holder


def test_the_lock_is_free_afterwards_whatever_happened(empty_database: Any) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), migration_lock(connection, pytest.fail):
            assert is_locked_here(connection)
            1 / 0  # noqa: B018
        assert not is_locked_here(connection)


def test_who_has_the_lock_may_take_it_again(empty_database: Any) -> None:
    with migration_lock(connection, pytest.fail):
        with migration_lock(connection, pytest.fail):
            pass
        assert is_locked_here(connection)
    assert not is_locked_here(connection)


def test_threads_wait_for_each_other_too(empty_database: Any) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with migration_lock(connection):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)
        connections.close_all()

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1, 1, 1, 1]


def test_each_database_has_a_lock_of_its_own(empty_database: Any) -> None:
    with migration_lock(connections["default"], pytest.fail), migration_lock(connections["other"], pytest.fail):
        assert is_locked_here(connections["other"])


def test_closing_connections_within_does_not_unlock(
    start: Callable[..., subprocess.Popen[str]], empty_database: Any
) -> None:
    with migration_lock(connection):
        connection.fetch("SELECT 1")
        connection.close()
        connections.release()
        assert "Waiting" in read(start(HOLD))


def test_a_plan_that_somebody_else_has_carried_out_meanwhile_is_not_carried_out_again(
    project: Project, empty_database: Any
) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    project.migration("menu", "0002_price", ADD_PRICE, after=[("menu", "0001_initial")])
    with project.installed():
        late, early = MigrationExecutor(connection), MigrationExecutor(connection)
        targets = [("menu", "0002_price")]
        plan = late.migration_plan(targets)
        early.migrate([("menu", "0001_initial")])
        state = late.migrate(targets, plan)
        assert list(state.models["menu", "pizza"].fields) == ["id", "name", "price"]
        early.migrate(targets, early.migration_plan(targets))
        assert applied() == ["0001_initial", "0002_price"]


def test_a_pool_of_one_connection_is_enough(project: Project, empty_database: Any) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    options = {**connection.settings_dict["OPTIONS"], "pool_size": 1, "max_overflow": 0, "pool_timeout": 1}
    entry = {**connection.settings_dict, "OPTIONS": options}
    with override_settings(DATABASES={"default": entry}), project.installed():
        for _ in range(3):
            with migration_lock(connection):
                MigrationExecutor(connection).migrate(None)
        assert applied() == ["0001_initial"]


@pytest.mark.engines("postgresql")
def test_a_server_that_ends_idle_transactions_does_not_end_the_lock(
    start: Callable[..., subprocess.Popen[str]], empty_database: Any
) -> None:
    name = connection.settings_dict["NAME"]
    connection.run(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '200ms'")
    connections.close_all()
    try:
        with migration_lock(connection):
            time.sleep(0.5)
            assert "Waiting" in read(start(HOLD))
    finally:
        connection.run(f"ALTER DATABASE {name} RESET idle_in_transaction_session_timeout")


@pytest.mark.engines("mysql")
def test_a_server_that_closes_idle_connections_does_not_end_the_lock(empty_database: Any) -> None:
    lock = MySQLLock(connection)
    assert lock.try_acquire()
    assert lock.fetch("SELECT @@SESSION.wait_timeout") == LONGEST_WAIT
    lock.release()


@pytest.mark.engines("postgresql")
def test_an_index_can_be_made_concurrently_while_somebody_waits(
    project: Project, start: Callable[..., subprocess.Popen[str]]
) -> None:
    concurrently = 'migrations.RunSQL("CREATE INDEX CONCURRENTLY pizza_name ON menu_pizza (name)")'
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    slow = WAIT_FOR.format(f"{project.folder}/go")
    project.migration("menu", "0002_index", slow, concurrently, after=[("menu", "0001_initial")], atomic=False)
    owner = start()
    read_until(owner, "inside")
    waiting = start()
    assert "Waiting" in read(waiting)
    (project.folder / "go").touch()
    assert owner.communicate(timeout=30)[0].endswith("done\n")
    assert waiting.communicate(timeout=30)[0].endswith("done\n")


# -- files


@pytest.mark.engines("sqlite")
def test_the_file_lies_beside_that_of_the_database_and_goes_with_the_lock(tmp_path: Path, engine: Any) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    path = tmp_path / "db.sqlite3-migrating"
    for name in (f"{tmp_path}/link/db.sqlite3", f"{tmp_path}/db.sqlite3?mode=rwc"):
        with override_settings(DATABASES={"default": f"sqlite:///{name}"}):
            with migration_lock(connection):
                assert path.read_text().startswith(f"process {os.getpid()} on ")
            assert not path.exists()


@pytest.mark.engines("sqlite")
def test_a_file_that_is_left_over_locks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "left"
    path.write_text("process 1 on another machine")
    lock = FileLock(str(path))
    assert lock.try_acquire()
    lock.release()
    lock.release()
    assert not path.exists()


@pytest.mark.engines("sqlite")
def test_databases_in_memory_and_in_folders_that_cannot_be_written_to_need_none(tmp_path: Path, engine: Any) -> None:
    with override_settings(DATABASES={"default": "sqlite:///:memory:"}), migration_lock(connection, pytest.fail):
        assert not list(tmp_path.iterdir())
    assert FileLock(str(tmp_path / "none" / "db.sqlite3-migrating")).try_acquire()

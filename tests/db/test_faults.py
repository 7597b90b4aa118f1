"""Faults: writers and servers that die, locks, full disks, files that cannot be written. The next request works."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe import Webframe
from webframe.db import DatabaseError, Error, OperationalError, connection, connections, transaction
from webframe.db.transaction import TransactionManagementError, atomic
from webframe.test import override_settings
from webframe.test.client import Client

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pairs(engine: Any) -> Iterator[None]:
    """A table in which every number stands twice, or not at all."""
    connection.cursor().execute("DROP TABLE IF EXISTS pairs")
    connection.cursor().execute("CREATE TABLE pairs (side VARCHAR(5), number INTEGER, PRIMARY KEY (side, number))")
    yield
    connections.close_all()
    connection.cursor().execute("DROP TABLE pairs")


def add_pair(number: int) -> None:
    with atomic():
        for side in ("left", "right"):
            connection.cursor().execute("INSERT INTO pairs (side, number) VALUES (%s, %s)", [side, number])


def numbers(side: str = "left") -> list[int]:
    rows = connection.cursor().execute("SELECT number FROM pairs WHERE side = %s ORDER BY number", [side]).fetchall()
    return [number for (number,) in rows]


WRITER = """
import sys
from webframe.conf import settings
settings.configure(DATABASES={"default": sys.argv[1]})
from webframe.db import connection, transaction
number = int(sys.argv[2])
while True:
    number += 1
    with transaction.atomic():
        with transaction.atomic():
            connection.cursor().execute("INSERT INTO pairs (side, number) VALUES ('left', %s)", [number])
        connection.cursor().execute("INSERT INTO pairs (side, number) VALUES ('right', %s)", [number])
    print(number, flush=True)
"""


def test_of_a_writer_that_is_killed_all_that_was_committed_is_there_and_nothing_half(pairs: None, engine: Any) -> None:
    last = 0
    for attempt in range(4):
        command = [sys.executable, "-c", WRITER, engine.databases["default"], str(last + 1)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(5 + attempt)]
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split()]
        writer.stdout.close()
        writer.wait()
        left = numbers("left")
        assert left == numbers("right")
        assert set(said) <= set(left)
        last = max(left)
        add_pair(last + 1)  # whatever the dead one had locked is free
        last += 1


# --- servers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(engine: Any) -> Any:
    """A server that may be stopped."""
    if not hasattr(engine.server, "restart"):
        pytest.skip("The server is not ours to stop.")
    return engine.server


@pytest.mark.engines("postgresql", "mysql")
def test_a_server_that_was_restarted_between_requests_is_not_noticed(pairs: None, server: Any) -> None:
    add_pair(1)
    connections.release()
    server.restart()
    add_pair(2)
    assert numbers() == [1, 2]


def test_a_connection_of_the_driver_that_somebody_has_closed_is_made_anew(pairs: None) -> None:
    connection.ensure_connection()
    connection.connection.close()
    connection.close()
    add_pair(1)
    connection.connection.close()
    with pytest.raises(Error):
        numbers()
    assert numbers() == [1]


@pytest.mark.engines("postgresql", "mysql")
def test_a_transaction_begins_on_a_new_connection_when_the_old_one_is_dead(pairs: None, server: Any) -> None:
    add_pair(1)
    server.restart()
    add_pair(2)
    assert numbers() == [1, 2]


@pytest.mark.engines("postgresql", "mysql")
def test_a_query_on_a_dead_connection_is_one_named_error(pairs: None, server: Any) -> None:
    add_pair(1)
    server.restart()
    with pytest.raises(OperationalError):
        numbers()
    assert numbers() == [1]


@pytest.mark.engines("postgresql", "mysql")
def test_a_server_that_is_restarted_within_a_transaction_costs_that_transaction(pairs: None, server: Any) -> None:
    add_pair(1)
    with pytest.raises(OperationalError), atomic():
        add_pair(2)
        server.restart()
        numbers()
    assert numbers() == [1]
    called: list[int] = []
    with atomic():
        add_pair(3)
        transaction.on_commit(lambda: called.append(1))
        server.restart()
        with pytest.raises(OperationalError), atomic():
            add_pair(4)
        with pytest.raises(TransactionManagementError, match="OperationalError"):
            numbers()
        with pytest.raises(TransactionManagementError), atomic():
            numbers()
        transaction.set_rollback(False)
        with pytest.raises(TransactionManagementError):
            numbers()
    assert (numbers(), called) == ([1], [])
    add_pair(5)
    assert numbers() == [1, 5]


@pytest.mark.engines("postgresql", "mysql")
def test_a_commit_that_cannot_be_sent_is_an_error(pairs: None, server: Any) -> None:
    called: list[int] = []
    with pytest.raises(OperationalError) as caught, atomic():
        add_pair(1)
        transaction.on_commit(lambda: called.append(1))
        server.restart()
    assert "Nobody knows" in "".join(caught.value.__notes__)
    assert called == []
    assert numbers() in ([], [1])


@pytest.mark.engines("postgresql", "mysql")
def test_while_a_server_is_down_requests_fail_and_afterwards_they_work(
    pairs: None, server: Any, app: Webframe, client: Client
) -> None:
    errors: list[Exception] = []

    @app.get("/<int:number>")
    def add(request: Any, number: int) -> str:
        try:
            add_pair(number)
        except OperationalError as error:
            errors.append(error)
            raise
        return "ok"

    assert client.get("/1").status_code == 200
    connections.release()
    server.shut_down()
    try:
        for _ in range(2):
            assert client.get("/2").status_code == 500
    finally:
        server.start()
    assert client.get("/3").status_code == 200
    assert len(errors) == 2
    assert numbers() == [1, 3]


@pytest.mark.engines("postgresql", "mysql")
def test_a_connection_that_the_server_ends_is_replaced(pairs: None, server: Any, engine: Any) -> None:
    with pytest.raises(DatabaseError), atomic():
        add_pair(1)
        if engine.vendor == "postgresql":
            (pid,) = connection.cursor().execute("SELECT pg_backend_pid()").fetchone()
            end = f"SELECT pg_terminate_backend({pid})"
        else:
            (pid,) = connection.cursor().execute("SELECT connection_id()").fetchone()
            end = f"KILL {pid}"
        server.execute(end)
        time.sleep(0.05)
        numbers()
    assert numbers() == []


@pytest.mark.engines("postgresql", "mysql")
def test_of_two_that_wait_for_each_other_one_is_rolled_back_as_a_whole(pairs: None, engine: Any) -> None:
    add_pair(1)
    add_pair(2)
    connections.release()
    barrier = threading.Barrier(2, timeout=20)
    outcomes: list[str] = []

    def work(first: int, second: int, own: int) -> None:
        try:
            with atomic():
                connection.cursor().execute("INSERT INTO pairs (side, number) VALUES ('own', %s)", [own])
                connection.cursor().execute("UPDATE pairs SET side = side WHERE number = %s", [first])
                barrier.wait()
                try:
                    with atomic():
                        connection.cursor().execute("UPDATE pairs SET side = side WHERE number = %s", [second])
                except OperationalError:
                    if engine.vendor == "mysql":  # there the whole transaction is gone
                        with pytest.raises(TransactionManagementError):
                            numbers()
                    raise
            outcomes.append(f"committed {own}")
        except OperationalError:
            outcomes.append("lost")
        finally:
            connections.release()

    threads = [threading.Thread(target=work, args=(1, 2, 11)), threading.Thread(target=work, args=(2, 1, 12))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes)[1] == "lost"
    assert [f"committed {own}" for own in numbers("own")] == [sorted(outcomes)[0]]


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.engines("sqlite")
def test_a_locked_file_is_waited_for_and_then_an_error_that_says_how_long(pairs: None, engine: Any) -> None:
    url = engine.databases["default"]
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    with override_settings(DATABASES={"default": f"{url}?timeout=0.1"}):
        connection.fetch("SELECT 1")
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(OperationalError, match="locked") as caught, atomic():
            numbers()
        assert 0.05 < time.monotonic() - start < 3
        assert "0.1 seconds" in "".join(caught.value.__notes__)
        with pytest.raises(OperationalError, match="locked"):
            connection.run("DELETE FROM pairs")
        assert numbers() == []  # readers do not mind
        with atomic(read_only=True):
            assert numbers() == []
        other.execute("COMMIT")
        other.close()
        add_pair(1)
        assert numbers() == [1]


@pytest.mark.engines("sqlite")
def test_writers_wait_for_each_other(pairs: None) -> None:
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 20):
                with atomic():
                    numbers()  # reading first and writing then is what fails in deferred transactions
                    add_pair(number)
                connections.release()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(numbers("left")) == len(numbers("right")) == 60


@pytest.mark.engines("sqlite")
def test_a_full_disk_is_an_error_and_the_transaction_is_gone(pairs: None) -> None:
    add_pair(1)
    connection.cursor().execute("VACUUM")  # the room that other tests have left in the file
    (pages,) = connection.cursor().execute("PRAGMA page_count").fetchone()
    connection.cursor().execute(f"PRAGMA max_page_count = {pages}")
    large = "x" * 10_000
    connection.cursor().execute("CREATE TEMP TABLE unrelated (id INTEGER)")
    insert = "INSERT INTO pairs (side, number) VALUES (%s, %s)"
    with pytest.raises(OperationalError, match="full") as caught:
        connection.cursor().execute(insert, [large, 2])
    assert "no room left" in "".join(caught.value.__notes__)
    with atomic():
        with pytest.raises(OperationalError, match="full"), atomic():
            for number in range(10):
                connection.cursor().execute(insert, [large, 10 + number])
        with pytest.raises((OperationalError, TransactionManagementError)):
            connection.cursor().execute(insert, [large, 99])
    assert numbers() == [1]
    connection.cursor().execute(f"PRAGMA max_page_count = {pages + 100}")
    add_pair(3)
    assert numbers() == [1, 3]


@pytest.mark.engines("sqlite")
def test_a_file_that_cannot_be_written_can_be_read(pairs: None, engine: Any) -> None:
    add_pair(1)
    connections.close_all()
    with override_settings(DATABASES={"default": f"{engine.databases['default']}?mode=ro"}):
        assert numbers() == [1]
        with pytest.raises(OperationalError, match="readonly") as caught:
            add_pair(2)
        assert "cannot be written to" in "".join(caught.value.__notes__)
        with pytest.raises(OperationalError, match="readonly"):
            connection.run("DELETE FROM pairs")
        assert numbers() == [1]
    add_pair(2)
    assert numbers() == [1, 2]


@pytest.mark.engines("sqlite")
@pytest.mark.skipif(not os.getuid(), reason="root may write everything")
def test_a_file_without_write_permission_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    sqlite3.connect(path).executescript("CREATE TABLE pairs (side, number); INSERT INTO pairs VALUES ('left', 1)")
    path.chmod(0o400)
    with override_settings(DATABASES={"default": f"sqlite:///{path}"}):
        assert numbers() == [1]
        with pytest.raises(OperationalError, match="readonly"):
            add_pair(2)


@pytest.mark.engines("sqlite")
def test_what_is_no_database_is_a_named_error(engine: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("This is a text. " * 1000)
    with override_settings(DATABASES={"default": f"sqlite:///{path}"}), pytest.raises(DatabaseError):
        connection.fetch("SELECT 1")
    with override_settings(DATABASES={"default": f"sqlite:///{tmp_path}/nowhere/x.db"}):
        with pytest.raises(OperationalError, match="unable to open") as caught:
            connection.fetch("SELECT 1")
        assert "nowhere" in "".join(caught.value.__notes__)


# --- pools --------------------------------------------------------------------------------------------------------


def test_a_pool_that_is_exhausted_is_an_error_that_names_the_option(engine: Any) -> None:
    url = engine.databases["default"]
    separator = "&" if "?" in url else "?"
    small = f"{url}{separator}pool_size=1&max_overflow=0&pool_timeout=0.05"
    with override_settings(DATABASES={"default": small}):
        connection.fetch("SELECT 1")
        errors: list[BaseException] = []

        def work() -> None:
            try:
                connection.fetch("SELECT 1")
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert isinstance(errors[0], OperationalError) and "max_overflow" in str(errors[0])
        connections.release()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert len(errors) == 1

"""What is peculiar to SQLite."""

from __future__ import annotations

import contextvars
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from webframe.test import override_settings


def one(sql: str) -> Any:
    return connection.fetch(sql)[0][0]


def in_thread(function: Any) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "a file.db"
    with override_settings(DATABASES={"default": {"ENGINE": "sqlite3", "NAME": path}}):
        yield path


@pytest.fixture
def memory() -> Iterator[None]:
    with override_settings(DATABASES={"default": "sqlite://?timeout=0.2"}):
        yield


def test_files_are_in_wal_mode_with_foreign_keys_and_patience(file: Path) -> None:
    assert one("PRAGMA journal_mode") == "wal"
    assert one("PRAGMA foreign_keys") == 1
    assert one("PRAGMA busy_timeout") == 5000
    connection.run("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.run("CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent)")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        connection.insert("INSERT INTO child VALUES (1, 99)")


def test_a_deferred_foreign_key_is_checked_by_the_commit(file: Path) -> None:
    connection.run("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    reference = "REFERENCES parent DEFERRABLE INITIALLY DEFERRED"
    connection.run(f"CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER {reference})")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), transaction.atomic():
        connection.insert("INSERT INTO child VALUES (1, 99)")
    assert one("SELECT count(*) FROM child") == 0
    with transaction.atomic():
        connection.insert("INSERT INTO child VALUES (1, 99)")
        connection.insert("INSERT INTO parent VALUES (99)")
    assert one("SELECT count(*) FROM child") == 1


def test_options(tmp_path: Path) -> None:
    options = {
        "timeout": 1.5,
        "transaction_mode": "exclusive",
        "init_command": "PRAGMA synchronous=OFF; PRAGMA cache_size=-77",
    }
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "x.db", "OPTIONS": options}
    with override_settings(DATABASES={"default": database}):
        assert one("PRAGMA busy_timeout") == 1500
        assert (one("PRAGMA synchronous"), one("PRAGMA cache_size")) == (0, -77)
        assert connection.transaction_mode == "EXCLUSIVE"
    database["OPTIONS"] = {"transaction_mode": "eventually"}
    with override_settings(DATABASES={"default": database}):
        with pytest.raises(ImproperlyConfigured, match="EVENTUALLY.*IMMEDIATE"):
            connection.cursor()
    with override_settings(DATABASES={"default": {"ENGINE": "sqlite3"}}):
        with pytest.raises(ImproperlyConfigured, match="no NAME"):
            connection.cursor()


def test_connections_of_max_age_zero_are_closed_when_they_are_given_back(tmp_path: Path) -> None:
    with override_settings(DATABASES={"default": f"sqlite:///{tmp_path}/x.db?conn_max_age=0"}):
        connection.fetch("SELECT 1")
        raw = connection.connection
        connections.release()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            raw.execute("SELECT 1")
        assert one("SELECT 1") == 1


def test_a_transaction_takes_the_lock_for_writing_at_its_first_statement(file: Path) -> None:
    connection.run("CREATE TABLE t (id INTEGER)")
    other = sqlite3.connect(file, isolation_level=None, timeout=0)
    with transaction.atomic():
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        connection.fetch("SELECT 1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    with transaction.atomic(read_only=True):
        connection.fetch("SELECT * FROM t")
        other.execute("INSERT INTO t VALUES (1)")
        assert one("SELECT count(*) FROM t") == 0
    assert one("SELECT count(*) FROM t") == 1
    other.close()


def test_a_connection_can_write_after_a_read_only_transaction_whatever_became_of_it(file: Path) -> None:
    connection.run("CREATE TABLE t (id INTEGER)")
    for fails in (False, True):
        try:
            with transaction.atomic(read_only=True):
                connection.fetch("SELECT * FROM t")
                if fails:
                    connection.run("INSERT INTO t VALUES (1)")
        except DatabaseError:
            assert fails
        connection.run("INSERT INTO t VALUES (1)")
    assert one("SELECT count(*) FROM t") == 2


def test_a_stream_that_was_given_up_keeps_nobody_out(file: Path) -> None:
    connection.run("CREATE TABLE t (id INTEGER)")
    connection.run_many("INSERT INTO t VALUES (?)", [(number,) for number in range(100)])
    iterator = connection.iterate("SELECT id FROM t", (), 10)
    next(iterator)
    connections.release()
    assert one("PRAGMA wal_checkpoint(TRUNCATE)") == 0
    iterator.close()


def test_a_value_that_is_too_large_is_an_error_of_data(file: Path) -> None:
    from webframe.db import DataError

    with pytest.raises(DataError, match="too large"):
        connection.fetch("SELECT ?", (2**64,))
    with pytest.raises(DatabaseError):
        connection.fetch("SELEKT")
    with pytest.raises(DataError, match="too large"):
        connection.fetch("SELECT ?", (2**64,))
    with pytest.raises(DataError, match="surrogates"):
        connection.fetch("SELECT ?", ("\ud800",))


# --- in memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///shared?mode=memory"])
def test_a_database_in_memory_is_one_for_all_threads(url: str) -> None:
    with override_settings(DATABASES={"default": url}):
        connection.run("CREATE TABLE t (id INTEGER)")
        in_thread(lambda: connection.run("INSERT INTO t VALUES (1)"))
        assert one("SELECT count(*) FROM t") == 1
        connections.release()
        connection.close()
        assert one("SELECT count(*) FROM t") == 1
    with override_settings(DATABASES={"default": url}), pytest.raises(OperationalError, match="no such table"):
        connection.fetch("SELECT count(*) FROM t")


def test_in_memory_a_transaction_keeps_others_waiting(memory: None) -> None:
    connection.run("CREATE TABLE t (id INTEGER)")
    seen: list[int] = []
    entered = threading.Event()

    def look() -> None:
        entered.wait()
        seen.append(one("SELECT count(*) FROM t"))

    thread = threading.Thread(target=look)
    thread.start()
    with transaction.atomic():
        connection.run("INSERT INTO t VALUES (1)")
        entered.set()
        time.sleep(0.05)
        connection.run("INSERT INTO t VALUES (1)")
        assert seen == []
    thread.join()
    assert seen == [2]


def test_in_memory_who_waits_too_long_is_told_so(memory: None) -> None:
    errors: list[Exception] = []

    def look() -> None:
        try:
            connection.fetch("SELECT 1")
        except OperationalError as error:
            errors.append(error)

    with transaction.atomic():
        connection.fetch("SELECT 1")
        in_thread(look)
        with pytest.raises(OperationalError, match="one connection"):
            contextvars.Context().run(connection.fetch, "SELECT 1")
        assert one("SELECT 1") == 1
    assert "one connection" in str(errors[0])
    look()
    assert len(errors) == 1


def test_in_memory_closing_within_a_transaction_keeps_the_database(memory: None) -> None:
    connection.run("CREATE TABLE t (id INTEGER)")
    with transaction.atomic():
        connection.run("INSERT INTO t VALUES (1)")
        connection.close()
        with pytest.raises(transaction.TransactionManagementError):
            connection.fetch("SELECT 1")
    assert one("SELECT count(*) FROM t") == 0


def test_in_memory_what_a_thread_left_open_is_rolled_back(memory: None) -> None:
    import gc

    connection.run("CREATE TABLE t (id INTEGER)")

    def leave_open() -> None:
        transaction.atomic().__enter__()
        connection.run("INSERT INTO t VALUES (1)")

    in_thread(leave_open)
    gc.collect()
    assert one("SELECT count(*) FROM t") == 0


def test_many_threads_share_a_database_in_memory() -> None:
    with override_settings(DATABASES={"default": "sqlite://?timeout=30"}):
        connection.run("CREATE TABLE t (id INTEGER)")
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for number in range(50):
                    with transaction.atomic():
                        connection.run("INSERT INTO t VALUES (?)", (number,))
                        before = one("SELECT count(*) FROM t")
                        connection.fetch("SELECT * FROM t")
                        assert one("SELECT count(*) FROM t") == before
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert one("SELECT count(*) FROM t") == 400


def test_closing_leaves_a_database_alone_that_had_the_alias_before(memory: None, file: Path) -> None:
    with override_settings(DATABASES={"default": "sqlite://"}):
        connection.fetch("SELECT 1")
        connections.close_all()
    connection.close()  # which would warn that it is closed already
    assert connection.connection is None

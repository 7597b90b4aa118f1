"""Wrappers, holders and slots on every engine: who has which connection, and for how long."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from webframe.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    close_old_connections,
    connection,
    connections,
    reset_queries,
    transaction,
)
from webframe.db.backends.signals import connection_created
from webframe.db.errors import ConnectionDoesNotExist
from webframe.test import override_settings
from webframe.test.client import Client
from webframe.workers import run


@pytest.fixture
def numbers(engine: Any) -> Iterator[None]:
    """A table of numbers."""
    connection.cursor().execute("DROP TABLE IF EXISTS numbers")
    connection.cursor().execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL)")
    yield
    connections.close_all()
    connection.cursor().execute("DROP TABLE numbers")


def mark() -> str:
    """The placeholder of the driver."""
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def in_thread(function: Callable[[], Any]) -> Any:
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(function()))
    thread.start()
    thread.join()
    return outcome[0]


def raw() -> Any:
    connection.ensure_connection()
    return connection.connection


# --- wrappers -----------------------------------------------------------------------------------------------------


def test_an_alias_has_one_wrapper_for_the_whole_process(engine: Any) -> None:
    wrapper = connections["default"]
    assert in_thread(lambda: connections["default"]) is wrapper
    assert connection == wrapper and hash(connection) == hash(wrapper)
    assert (connection.alias, connection.vendor) == ("default", engine.vendor)
    assert list(connections) == ["default", "other"] and "other" in connections and len(connections) == 2
    assert connections.all() == [wrapper, connections["other"]]
    assert connections.databases["default"]["ENGINE"] == connection.settings_dict["ENGINE"]


def test_only_used_wrappers_can_be_asked_for(engine: Any) -> None:
    assert connections.all(initialized_only=True) == []
    wrapper = connections["other"]
    assert connections.all(initialized_only=True) == [wrapper]


def test_an_unknown_alias_is_an_error_with_the_known_ones() -> None:
    with override_settings(DATABASES={"default": "sqlite://", "replica": "sqlite://"}):
        with pytest.raises(ConnectionDoesNotExist, match="'default', 'replica'.*Did you mean replica"):
            connections["replika"]
    with override_settings(DATABASES={}), pytest.raises(ConnectionDoesNotExist, match="DATABASE_URL"):
        connection.cursor()


def test_a_backend_that_cannot_be_loaded_is_named() -> None:
    with override_settings(DATABASES={"default": {"ENGINE": "nowhere.to.be.found", "NAME": "x"}}):
        with pytest.raises(ImproperlyConfigured, match="nowhere.to.be.found"):
            connection.cursor()
    with override_settings(DATABASES={"default": {"ENGINE": "webframe.conf", "NAME": "x"}}):
        with pytest.raises(ImproperlyConfigured, match="no DatabaseWrapper"):
            connection.cursor()


def test_changed_settings_make_new_wrappers() -> None:
    with override_settings(DATABASES={"default": "sqlite://"}):
        first = connections["default"]
        with override_settings(DATABASES={"default": "sqlite://"}):
            assert connections["default"] is not first


# --- statements ---------------------------------------------------------------------------------------------------


def test_statements_of_the_model_layer(numbers: None) -> None:
    insert = f"INSERT INTO numbers (id, name) VALUES ({mark()}, {mark()})"
    connection.insert(insert, (1, "one"))
    assert connection.run_many(insert, [(2, "two"), (3, "three")]) in (2, -1)
    assert connection.run_many(insert, []) == 0
    assert connection.run(f"UPDATE numbers SET name = name WHERE id > {mark()}", (1,)) == 2
    rows = connection.fetch("SELECT id, name FROM numbers ORDER BY id", ())
    assert [tuple(row) for row in rows] == [(1, "one"), (2, "two"), (3, "three")]
    if connection.features.can_return_from_insert:
        assert connection.insert(f"{insert} RETURNING id, name", (4, "four")) == (4, "four")


def test_many_rows_are_all_or_none(numbers: None) -> None:
    insert = f"INSERT INTO numbers (id, name) VALUES ({mark()}, {mark()})"
    with pytest.raises(IntegrityError):
        connection.run_many(insert, [(1, "one"), (2, "two"), (1, "again")])
    assert connection.fetch("SELECT id FROM numbers") == []


def test_a_percent_sign_is_doubled_where_the_driver_formats(numbers: None) -> None:
    connection.insert(f"INSERT INTO numbers (id, name) VALUES (1, {mark()})", ("100%",))
    percent = "%" if mark() == "?" else "%%"
    assert len(connection.fetch(f"SELECT id FROM numbers WHERE name LIKE '1{percent}'", ())) == 1
    assert len(connection.cursor().execute("SELECT id FROM numbers WHERE name LIKE '1%'").fetchall()) == 1
    assert len(connection.cursor().execute("SELECT id FROM numbers WHERE name LIKE '1%%' AND id = %s", [1]).fetchall())


def test_rows_can_be_iterated_over(numbers: None) -> None:
    insert = f"INSERT INTO numbers (id, name) VALUES ({mark()}, {mark()})"
    connection.run_many(insert, [(number, "x") for number in range(25)])
    query = f"SELECT id FROM numbers WHERE id < {mark()} ORDER BY id"
    for wrap in (None, transaction.atomic):
        block = wrap() if wrap is not None else None
        if block is not None:
            block.__enter__()
            connection.insert(insert, (99, "mine"))
        chunks = []
        for chunk in connection.iterate(query, (100,), chunk_size=10):
            chunks.append([number for (number,) in chunk])
            connection.fetch("SELECT 1")  # others may be asked meanwhile
        expected = [*range(25), 99] if block is not None else list(range(25))
        assert [number for chunk in chunks for number in chunk] == expected
        assert len(chunks) == 3
        if block is not None:
            block.__exit__(None, None, None)


def test_iterating_can_be_given_up(numbers: None) -> None:
    insert = f"INSERT INTO numbers (id, name) VALUES ({mark()}, {mark()})"
    connection.run_many(insert, [(number, "x") for number in range(25)])
    for _ in connection.iterate("SELECT id FROM numbers", (), chunk_size=10):
        break
    connections.release()
    iterator = connection.iterate("SELECT id FROM numbers", (), chunk_size=10)
    next(iterator)
    connections.release()
    if not connection.features.streams_need_own_connection:
        with pytest.raises(InterfaceError, match="Read them all before"):
            next(iterator)
    iterator.close()
    assert connection.run("DELETE FROM numbers") == 25


def test_a_wrong_query_to_iterate_over_is_an_error_at_the_first_row(numbers: None) -> None:
    with pytest.raises(DatabaseError):
        next(connection.iterate("SELECT nonsense FROM nowhere"))
    with transaction.atomic():
        connection.fetch("SELECT 1")


def test_on_a_running_loop_every_statement_is_refused(engine: Any) -> None:
    async def main() -> None:
        for statement in (connection.fetch, connection.run, connection.insert, connection.cursor().execute):
            with pytest.raises(SynchronousOnlyOperation, match=r"webframe\.workers\.run\(function\)"):
                statement("SELECT 1")
        with pytest.raises(SynchronousOnlyOperation):
            next(connection.iterate("SELECT 1"))
        with pytest.raises(SynchronousOnlyOperation):
            connection.ensure_connection()

    asyncio.run(main())


# --- cursors ------------------------------------------------------------------------------------------------------


def test_a_cursor_is_that_of_pep_249(numbers: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO numbers (id, name) VALUES (%s, %s)", [1, "one"])
        assert cursor.rowcount == 1
        cursor.executemany("INSERT INTO numbers (id, name) VALUES (%s, %s)", [(2, "two"), (3, "three"), (4, "four")])
        with pytest.raises(InterfaceError, match="no rows"):
            cursor.fetchone()
        cursor.execute("SELECT id, name FROM numbers WHERE id > %(low)s ORDER BY id", {"low": 0})
        assert [column[0] for column in cursor.description] == ["id", "name"]
        assert tuple(cursor.fetchone()) == (1, "one")
        assert [tuple(row) for row in cursor.fetchmany(2)] == [(2, "two"), (3, "three")]
        assert [tuple(row) for row in cursor] == [(4, "four")]
        assert cursor.fetchone() is None and cursor.fetchall() == []
    with pytest.raises(InterfaceError, match="closed"):
        cursor.execute("SELECT 1")


def test_a_cursor_takes_part_in_the_transaction_around_it(numbers: None) -> None:
    cursor = connection.cursor()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        cursor.execute("INSERT INTO numbers (id, name) VALUES (1, 'one')")
        raise ZeroDivisionError
    assert cursor.execute("SELECT id FROM numbers").fetchall() == []


# --- errors -------------------------------------------------------------------------------------------------------


def test_errors_of_the_driver_become_ours(numbers: None) -> None:
    add = "INSERT INTO numbers (id, name) VALUES (%s, %s)"
    cursor = connection.cursor()
    cursor.execute(add, [1, "one"])
    with pytest.raises(IntegrityError) as caught:
        cursor.execute(add, [1, "again"])
    cause = caught.value.__cause__
    assert type(cause).__name__ in ("IntegrityError", "UniqueViolation")
    assert caught.value.args == cause.args
    with pytest.raises(IntegrityError):
        cursor.execute(add, [2, None])
    with pytest.raises((OperationalError, ProgrammingError)):
        cursor.execute("SELECT * FROM nowhere")
    with pytest.raises((OperationalError, ProgrammingError)):
        cursor.execute("SELEKT 1")
    with pytest.raises(DataError):
        cursor.execute(add, [2**70, "large"])


def test_other_errors_are_left_alone(numbers: None) -> None:
    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise ZeroDivisionError

    with connection.execute_wrapper(fail), pytest.raises(ZeroDivisionError):
        connection.fetch("SELECT 1")
    assert len(connection.fetch("SELECT 1")) == 1


# --- holders ------------------------------------------------------------------------------------------------------


def test_a_connection_is_kept_until_it_is_released(engine: Any) -> None:
    first = raw()
    assert raw() is first
    assert in_thread(raw) is not first
    close_old_connections()
    assert connection.connection is None


def test_what_was_never_connected_is_released_at_no_cost(engine: Any) -> None:
    connections.release()
    connection.release()
    connection.close()
    connections.close_all()
    assert connection.connection is None


def test_release_leaves_transactions_alone(numbers: None) -> None:
    with transaction.atomic():
        connection.insert("INSERT INTO numbers (id, name) VALUES (1, 'one')")
        connections.release()
        close_old_connections()
        assert connection.connection is not None
    connections.release()
    assert len(connection.fetch("SELECT id FROM numbers")) == 1


def test_closing_within_a_transaction_rolls_it_back(numbers: None) -> None:
    with transaction.atomic():
        connection.insert("INSERT INTO numbers (id, name) VALUES (1, 'one')")
        connection.close()
        with pytest.raises(transaction.TransactionManagementError, match="close"):
            connection.fetch("SELECT 1")
    assert connection.fetch("SELECT id FROM numbers") == []


@pytest.mark.parametrize("how", ["stream", "cursor"])
def test_closing_in_the_middle_of_rows_keeps_no_lock(numbers: None, how: str) -> None:
    for number in range(300):
        connection.run(f"INSERT INTO numbers (id, name) VALUES ({number}, 'some')")
    with transaction.atomic():
        connection.run("UPDATE numbers SET name = 'lost'")
        if how == "stream":
            rows: Any = connection.iterate("SELECT id FROM numbers", (), 10)
            assert len(next(rows)) == 10
        else:
            rows = connection.cursor()
            rows.execute("SELECT id FROM numbers")
            assert len(rows.fetchone()) == 1
        connection.close()
        start = time.monotonic()
        in_thread(lambda: connection.run("UPDATE numbers SET name = 'kept'"))
        assert time.monotonic() - start < 4  # SQLite would have waited for 5 seconds
    assert connection.fetch("SELECT DISTINCT name FROM numbers") == [("kept",)]
    del rows


def test_the_connection_of_a_thread_that_has_ended_goes_back_to_the_pool(engine: Any) -> None:
    created: list[object] = []

    def count(**kwargs: Any) -> None:
        created.append(1)

    connections.close_all()
    connection_created.connect(count)
    try:
        for _ in range(5):
            in_thread(lambda: len(connection.fetch("SELECT 1")))
            gc.collect()
    finally:
        connection_created.disconnect(count)
    assert len(created) == 1


def test_a_transaction_that_a_thread_left_open_is_rolled_back(numbers: None) -> None:
    def leave_open() -> None:
        transaction.atomic().__enter__()
        connection.insert("INSERT INTO numbers (id, name) VALUES (1, 'one')")

    in_thread(leave_open)
    gc.collect()
    assert connection.fetch("SELECT id FROM numbers") == []
    connection.insert("INSERT INTO numbers (id, name) VALUES (1, 'one')")


def test_a_connection_that_is_given_back_after_its_pool_was_disposed_of_is_closed(engine: Any) -> None:
    go_on, connected = threading.Event(), threading.Event()
    closed: list[bool] = []

    def work() -> None:
        mine = raw()
        connected.set()
        go_on.wait()
        connections.release()
        try:
            mine.cursor().execute("SELECT 1")
        except Exception:
            closed.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    connected.wait()
    connections.close_all()
    go_on.set()
    thread.join()
    assert closed == [True]


def test_a_process_ends_without_a_word_about_its_connections(engine: Any) -> None:
    code = """
import sys, threading
from webframe.conf import settings
settings.configure(DATABASES={"default": sys.argv[1]})
from webframe.db import connection, connections
connection.fetch("SELECT 1")
threading.Thread(target=lambda: connection.fetch("SELECT 1")).start()
"""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", code, engine.databases["default"]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, "")


def test_is_usable(engine: Any) -> None:
    assert connection.is_usable()


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(numbers: None, app: Webframe) -> Webframe:
    """An app that writes numbers."""

    @app.post("/<int:number>")
    def add(request: Any, number: int) -> dict[str, Any]:
        with transaction.atomic():
            connection.cursor().execute("INSERT INTO numbers (id, name) VALUES (%s, 'x')", [number])
        return {"connection": id(raw()), "numbers": len(connection.fetch("SELECT id FROM numbers"))}

    @app.get("/leaves-open")
    def leaves_open(request: Any) -> str:
        transaction.atomic().__enter__()
        connection.cursor().execute("INSERT INTO numbers (id, name) VALUES (77, 'x')")
        return "oops"

    return app


def test_a_request_has_a_holder_of_its_own_and_releases_it(shop: Webframe, client: Client) -> None:
    mine = raw()
    answer = client.post("/1").json()
    assert answer["numbers"] == 1
    assert answer["connection"] != id(mine)
    assert raw() is mine
    assert connections["default"].pool.checkedout() == 1
    connections.release()
    assert connections["default"].pool.checkedout() == 0


def test_a_request_takes_part_in_the_transaction_of_the_test_around_it(shop: Webframe, client: Client) -> None:
    with transaction.atomic():
        connection.cursor().execute("INSERT INTO numbers (id, name) VALUES (50, 'x')")
        assert client.post("/1").json() == {"connection": id(connection.connection), "numbers": 2}
        assert client.post("/2").json()["numbers"] == 3
        assert len(connection.fetch("SELECT id FROM numbers")) == 3
        transaction.set_rollback(True)
    assert connection.fetch("SELECT id FROM numbers") == []
    assert client.post("/1").json()["numbers"] == 1


def test_a_transaction_that_a_request_left_open_does_not_reach_the_next(shop: Webframe, client: Client) -> None:
    assert client.get("/leaves-open").status_code == 200
    assert not connection.in_atomic_block
    assert client.post("/1").json()["numbers"] == 1
    assert len(connection.fetch("SELECT id FROM numbers")) == 1


def test_what_a_request_leaves_behind_may_go_on(numbers: None, app: Webframe, client: Client) -> None:
    go_on = threading.Event()
    done: list[Any] = []

    @app.get("/")
    def start(request: Any) -> str:
        import contextvars

        connection.fetch("SELECT 1")

        def work() -> None:
            go_on.wait(10)
            with transaction.atomic():
                connection.cursor().execute("INSERT INTO numbers (id, name) VALUES (1, 'late')")
            done.append(len(connection.fetch("SELECT id FROM numbers")))

        threading.Thread(target=contextvars.copy_context().run, args=(work,)).start()
        return "ok"

    client.get("/")
    go_on.set()
    while not done:
        threading.Event().wait(0.01)
    assert done == [1]
    connections.release()
    assert connections["default"].pool.checkedout() == 0


def test_an_app_that_is_mounted_shares_the_holder_of_the_request_around_it(
    numbers: None, app: Webframe, client: Client, protocol: str
) -> None:
    inner = Webframe("inner")
    seen: list[Any] = []

    @inner.get("/")
    def index(request: Any) -> str:
        seen.append(raw())
        return "ok"

    @app.middleware
    async def note(request: Any) -> Any:
        yield
        seen.append(await run(raw))

    app.mount("/inner", inner.wsgi if protocol == "wsgi" else inner.asgi, protocol=protocol)
    assert client.get("/inner/").status_code == 200
    assert len(seen) == 2 and seen[0] is seen[1]
    connections.release()
    assert connections["default"].pool.checkedout() == 0


def test_a_request_that_uses_no_database_has_no_holder(engine: Any, app: Webframe, client: Client) -> None:
    seen: list[Any] = []

    @app.get("/")
    def index(request: Any) -> str:
        seen.append(request)
        return "ok"

    client.get("/")
    assert seen[0].holder is None


# --- watching -----------------------------------------------------------------------------------------------------


def test_queries_are_logged_where_debug_is_on(numbers: None) -> None:
    reset_queries()
    connection.fetch("SELECT 1")
    assert connection.queries == []
    with override_settings(DEBUG=True):
        connection.fetch("SELECT 2")
        connection.cursor().execute("SELECT %s", [3])
        with transaction.atomic():
            connection.run("DELETE FROM numbers")
        list(connection.iterate("SELECT 4"))
    sql = [query["sql"] for query in connection.queries]
    assert [text for text in sql if text.startswith("SELECT")] == ["SELECT 2", "SELECT %s", "SELECT 4"]
    assert sql[2:5] == ["BEGIN", "DELETE FROM numbers", "COMMIT"]
    assert connection.queries[1]["params"] == [3] and float(connection.queries[0]["time"]) >= 0
    reset_queries()
    assert connection.queries == []


def test_statements_can_be_wrapped(numbers: None) -> None:
    seen: list[Any] = []

    def outer(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        assert context["connection"] == connection
        seen.append(("outer", sql, many))
        return execute(sql, params, many, context)

    def inner(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(("inner", sql, many))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(inner), connection.execute_wrapper(outer):
        connection.fetch("SELECT 1")
        connections["other"].fetch("SELECT 2")
    connection.fetch("SELECT 3")
    assert seen == [("outer", "SELECT 1", False), ("inner", "SELECT 1", False)]
    with connection.execute_wrapper(inner):
        connection.run_many(f"INSERT INTO numbers (id, name) VALUES ({mark()}, 'x')", [(1,), (2,)])
    assert seen[-1][2] is True


def test_a_wrapper_may_refuse_and_concerns_nobody_else(numbers: None) -> None:
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise RuntimeError("no database here")

    with connection.execute_wrapper(refuse):
        with pytest.raises(RuntimeError, match="no database here"):
            connection.cursor().execute("SELECT 1")
        assert len(in_thread(lambda: connection.fetch("SELECT 1"))) == 1
    assert len(connection.fetch("SELECT 1")) == 1


def test_a_wrapper_sees_the_requests_of_a_client(shop: Webframe, client: Client) -> None:
    seen: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql.split()[0])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        client.post("/1")
    assert seen == ["INSERT", "SELECT"]


# --- forks --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_starts_afresh_and_leaves_the_parent_alone(numbers: None) -> None:
    mine = raw()
    with transaction.atomic():
        connection.cursor().execute("INSERT INTO numbers (id, name) VALUES (1, 'parent')")
        child = os.fork()
        if not child:
            status = 1
            try:
                with pytest.raises(transaction.TransactionManagementError, match="forked"):
                    connection.fetch("SELECT 1")
                transaction.set_rollback(False)
                import contextvars

                def work() -> None:
                    assert raw() is not mine
                    assert connection.fetch("SELECT id FROM numbers") == []

                contextvars.Context().run(work)
                gc.collect()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert len(connection.fetch("SELECT id FROM numbers")) == 1
    assert raw() is mine
    assert len(connection.fetch("SELECT id FROM numbers")) == 1

"""MySQL and MariaDB from async code: by asyncmy, by aiomysql, and in threads where there is neither."""

from __future__ import annotations

import asyncio
import datetime
import gc
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest

from webframe.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from webframe.db.backends import mysql
from webframe.db.configuration import configuration
from webframe.greenlets import bridge
from webframe.test import override_settings

pytestmark = pytest.mark.engines("mysql")

TYPES = {
    "tiny": "TINYINT",
    "big": "BIGINT UNSIGNED",
    "floating": "DOUBLE",
    "small": "FLOAT",
    "exact": "DECIMAL(20, 4)",
    "bits": "BIT(9)",
    "letters": "VARCHAR(50)",
    "long_text": "TEXT",
    "octets": "VARBINARY(50)",
    "blob_": "BLOB",
    "moment": "DATETIME(6)",
    "stamp": "TIMESTAMP NULL",
    "day": "DATE",
    "span": "TIME(6)",
    "document": "JSON",
    "kind": "ENUM('a', 'b')",
    "year_": "YEAR",
}
ROWS: list[dict[str, Any]] = [
    {
        "tiny": True,
        "big": 2**64 - 1,
        "floating": 0.1 + 0.2,
        "small": 1.5,
        "exact": Decimal("-1234567890.1230"),
        "bits": b"\x01\xff",
        "letters": 'O\'Hara \\ "quoted" 100% %s 🍕 \0 \n\r\x1a',
        "long_text": "",
        "octets": b"\x00\xff'\"\\\n\x1a\x80",
        "blob_": b"",
        "moment": datetime.datetime(2024, 2, 29, 23, 59, 59, 999999),
        "stamp": datetime.datetime(2024, 2, 29, 23, 59, 59),
        "day": datetime.date(1, 1, 1),
        "span": datetime.timedelta(hours=-30, microseconds=1),
        "document": '{"a": [1, null]}',
        "kind": "b",
        "year_": 2024,
    },
    dict.fromkeys(TYPES),
    {**dict.fromkeys(TYPES), "floating": -1e300, "span": datetime.time(1, 2, 3), "moment": datetime.datetime.max},
    {**dict.fromkeys(TYPES), "exact": Decimal("1E+3"), "big": 0, "tiny": -128, "letters": "1"},
]


@pytest.fixture(params=["asyncmy", "aiomysql", "threads"])
def driver(request: pytest.FixtureRequest, engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "threads":
        monkeypatch.setattr(mysql, "find_spec", lambda name: None)
    with settings_with(engine, request.param):
        connection.run("CREATE TABLE note (id INTEGER PRIMARY KEY AUTO_INCREMENT, text VARCHAR(50) UNIQUE, n INTEGER)")
        try:
            yield request.param
        finally:
            connection.run("DROP TABLE note")
            connections.close_all()
            gc.collect()


def settings_with(engine: Any, driver: str, **options: Any) -> Any:
    full = configuration("default", engine.databases["default"])
    full["OPTIONS"] |= options
    return override_settings(DATABASES={"default": {**full, "ASYNC_DRIVER": driver if driver != "threads" else ""}})


def run(function: Callable[..., Any], *args: Any) -> Any:
    return asyncio.run(bridge(function, *args))


def add(text: str | None, n: int = 0) -> Any:
    return connection.insert("INSERT INTO note (text, n) VALUES (%s, %s)", (text, n))


def test_the_driver_is_the_one_that_was_named(driver: str) -> None:
    def module() -> str:
        with transaction.atomic():
            connection.fetch("SELECT 1")
            return type(connection.connection).__mro__[1].__module__ + type(connection.connection).__module__

    assert {"threads": "pymysql"}.get(driver, driver) in run(module)


def test_values_come_and_go_as_with_pymysql(driver: str) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    connection.run(f"CREATE TABLE every (id INTEGER PRIMARY KEY AUTO_INCREMENT, {columns})")
    insert = f"INSERT INTO every ({', '.join(TYPES)}) VALUES ({', '.join(['%s'] * len(TYPES))})"

    def write() -> None:
        for row in ROWS:
            connection.insert(insert, tuple(row.values()))
        connection.run_many(insert, [tuple(row.values()) for row in ROWS])

    try:
        write()
        run(write)
        select = "SELECT * FROM every ORDER BY id"
        here, there = connection.fetch(select), run(connection.fetch, select)
        assert there == here
        assert [[type(value) for value in row] for row in there] == [[type(value) for value in row] for row in here]
        assert [row[1:] for row in there[: 2 * len(ROWS)]] == [row[1:] for row in there[2 * len(ROWS) :]]
        assert there[0][1:13] == (1, *list(ROWS[0].values())[1:12])
    finally:
        connection.run("DROP TABLE every")


@pytest.mark.parametrize("value", [{"a": 1}, float("nan"), float("-inf")], ids=repr)
def test_what_is_no_value_is_refused(driver: str, value: Any) -> None:
    def ask() -> Any:
        return connection.fetch("SELECT %s", (value,))

    with pytest.raises((TypeError, DatabaseError)) as here:
        ask()
    with pytest.raises(type(here.value), match=re.escape(str(here.value))):
        run(ask)


def test_an_array_of_bytes_is_a_value(driver: str) -> None:
    assert run(connection.fetch, "SELECT %s", (bytearray(b"x'"),)) == [(b"x'",)]
    assert run(connection.fetch, "SELECT %s, %s", ([bytearray(b"x")], 3)) == [(b"x", 3)]


def test_lists_may_be_values(driver: str) -> None:
    def ask() -> Any:
        return connection.fetch("SELECT 'b' IN %s, %s", (["a", "b'"], "x")), connection.fetch(
            "SELECT 3 IN %s", ({3, 4},)
        )

    assert run(ask) == ask() == ([(0, "x")], [(1,)])


def test_rows_that_are_found_are_counted(driver: str) -> None:
    def work() -> None:
        assert add("a") == (1,)
        assert connection.run("UPDATE note SET n = 0") == 1
        rows = [(str(n), n) for n in range(50)]
        assert connection.run_many("INSERT INTO note (text, n) VALUES (%s, %s)", rows) == 50
        assert connection.run_many("UPDATE note SET n = %s WHERE text = %s", [(5, "1"), (5, "2"), (5, "x")]) == 2
        cursor = connection.cursor()
        cursor.executemany(
            "INSERT INTO note (text, n) VALUES (%(t)s, %(n)s)", [{"t": "%", "n": 1}, {"t": "%%", "n": 2}]
        )
        assert cursor.rowcount == 2
        cursor.execute("SELECT text, n FROM note WHERE text LIKE '!%%%%' ESCAPE '!' AND n = %(n)s", {"n": 2})
        assert [column[0] for column in cursor.description] == ["text", "n"]
        cursor.execute("SELECT '%', '%%'")
        assert cursor.fetchall() == [("%", "%%")]

    run(work)


def test_long_lists_of_rows_go_in_several_statements(driver: str) -> None:
    def work() -> Any:
        # A statement has a megabyte at most.
        rows = [(f"{number:050}", number) for number in range(20_000)]
        assert connection.run_many("INSERT INTO note (text, n) VALUES (%s, %s)", rows) == 20_000
        return connection.fetch("SELECT count(*), sum(n) FROM note")

    assert run(work) == [(20_000, 199_990_000)]


def test_errors_are_those_of_plain_code(driver: str) -> None:
    def work() -> None:
        add("a")
        for kind, sql in (
            (IntegrityError, "INSERT INTO note (text) VALUES ('a')"),
            (ProgrammingError, "SELECT * FROM missing"),
            (ProgrammingError, "SELEC 1"),
            (DataError, "INSERT INTO note (n) VALUES (99999999999)"),
            (OperationalError, "SELECT missing FROM note"),
        ):
            with pytest.raises(DatabaseError) as caught:
                connection.run(sql)
            assert type(caught.value) is kind
        assert connection.fetch("SELECT 1") == [(1,)]

    work()
    connection.run("DELETE FROM note")
    run(work)


def test_a_table_that_is_missing_comes_with_a_hint(driver: str) -> None:
    with pytest.raises(ProgrammingError) as caught:
        run(connection.fetch, "SELECT * FROM missing")
    assert "has no such table" in caught.value.__notes__[0]


def test_one_statement_at_a_time(driver: str) -> None:
    with pytest.raises(ProgrammingError, match="syntax"):
        run(connection.run, "DELETE FROM note; DELETE FROM note")


def test_warnings_of_the_server_are_not_asked_for(driver: str, caplog: pytest.LogCaptureFixture) -> None:
    def work() -> Any:
        add("a")
        before = connection.fetch("SHOW SESSION STATUS LIKE 'Questions'")[0][1]
        connection.run("INSERT IGNORE INTO note (text) VALUES ('a')")
        return int(connection.fetch("SHOW SESSION STATUS LIKE 'Questions'")[0][1]) - int(before)

    with caplog.at_level(logging.WARNING):
        assert run(work) == 2
    assert not caplog.records


def test_sessions_are_set_up(engine: Any, driver: str) -> None:
    def ask() -> Any:
        return connection.fetch(
            "SELECT @@time_zone, @@tx_isolation, @@autocommit, @@character_set_client, @@collation_connection"
        )

    assert run(ask) == ask()
    with settings_with(engine, driver, isolation_level="SERIALIZABLE", collation="utf8mb4_bin", sql_mode="ANSI_QUOTES"):
        assert run(ask) == ask() == [("+00:00", "SERIALIZABLE", 1, "utf8mb4", "utf8mb4_bin")]
        assert run(connection.fetch, "SELECT @@sql_mode") == [("ANSI_QUOTES",)]
        connections.close_all()


def test_the_version_is_known_to_code_on_a_loop_that_asks_first(engine: Any, driver: str) -> None:
    connections.close_all()
    with settings_with(engine, driver):
        assert run(lambda: (connection.is_mariadb, connection.features.can_return_from_insert)) == (True, True)


def test_transactions_and_savepoints(driver: str) -> None:
    def work() -> Any:
        with transaction.atomic():
            add("kept")
            with pytest.raises(IntegrityError), transaction.atomic():
                add("lost")
                add("kept")
            with transaction.atomic():
                add("also kept")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            add("lost")
            raise ZeroDivisionError
        return connection.fetch("SELECT text FROM note ORDER BY id")

    assert run(work) == [("kept",), ("also kept",)]


def test_procedures(driver: str) -> None:
    connection.run("CREATE PROCEDURE twice(n INTEGER, t TEXT) BEGIN SELECT n * 2, t; SELECT 'more'; END")
    try:

        def call() -> Any:
            with transaction.atomic():
                cursor = connection.cursor()
                cursor.callproc("twice", (21, "x'"))
                return cursor.fetchall(), connection.fetch("SELECT 1")

        assert run(call) == ([(42, "x'")], [(1,)])
    finally:
        connection.run("DROP PROCEDURE twice")


def test_a_procedure_that_fails_late_fails_itself_and_leaves_nothing_to_others(driver: str) -> None:
    connection.run(
        "CREATE PROCEDURE late() BEGIN SELECT 1; INSERT INTO note (n) VALUES (7); SIGNAL SQLSTATE '45000'; END"
    )
    connection.run("CREATE PROCEDURE begins() BEGIN START TRANSACTION; SELECT 1; SELECT 2; END")

    def call(name: str) -> Any:
        with connection.cursor() as cursor:
            return cursor.execute(f"CALL {name}()").fetchall()

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(OperationalError, match="user-defined"):
                await bridge(call, "late")
            assert await bridge(connection.fetch, "SELECT 2") == [(2,)]
            assert await bridge(call, "begins") == [(1,)]
            await bridge(add, None, 8)
        with pytest.raises(OperationalError, match="user-defined"):
            async with transaction.atomic():
                await bridge(call, "late")
        assert await bridge(connection.fetch, "SELECT n FROM note ORDER BY id") == [(7,), (8,)] * 3

    try:
        asyncio.run(main())
        assert connection.fetch("SELECT n FROM note ORDER BY id") == [(7,), (8,)] * 3
    finally:
        connection.run("DROP PROCEDURE late")
        connection.run("DROP PROCEDURE begins")


@pytest.fixture
def largest(driver: str) -> Iterator[Callable[[int], None]]:
    """Sets how many bytes a statement or a value may have, for connections that are opened then."""
    ((before,),) = connection.fetch("SELECT @@max_allowed_packet")

    def limit(size: int) -> None:
        connection.run(f"SET GLOBAL max_allowed_packet = {size}")
        connections.close_all()

    yield limit
    limit(before)


def test_a_value_of_many_megabytes_is_not_taken_for_the_end(driver: str, largest: Callable[[int], None]) -> None:
    largest(64 << 20)
    size = 1 << 24

    async def main() -> None:
        rows = await bridge(connection.fetch, f"SELECT REPEAT('x', {size}), 1 UNION ALL SELECT 'y', 2")
        assert [(len(text), number) for text, number in rows] == [(size, 1), (1, 2)]
        for number in range(5):
            assert await bridge(connection.fetch, f"SELECT {number}") == [(number,)]

    asyncio.run(main())


def test_a_statement_that_is_too_large_is_refused_and_the_next_one_works(
    driver: str, largest: Callable[[int], None]
) -> None:
    largest(1 << 20)

    async def main() -> None:
        for size in (1 << 20) + 10, 3 << 20, 17 << 20:
            with pytest.raises(OperationalError):
                await bridge(connection.fetch, "SELECT LENGTH(%s)", ("x" * size,))
            assert await bridge(connection.fetch, "SELECT 1") == [(1,)]
            with pytest.raises(OperationalError):
                async with transaction.atomic():
                    await bridge(add, "lost")
                    await bridge(connection.fetch, "SELECT LENGTH(%s)", ("x" * size,))
            assert await bridge(connection.fetch, "SELECT count(*) FROM note") == [(0,)]

    asyncio.run(main())


def test_a_connection_that_is_out_of_step_is_not_used_again(driver: str) -> None:
    if driver == "threads":
        pytest.skip("PyMySQL closes such a connection itself.")

    errors = import_module("asyncmy.errors" if driver == "asyncmy" else "pymysql.err")

    async def query(sql: str) -> None:
        raise errors.InternalError("Packet sequence number wrong - got 5 expected 1")

    def out_of_step() -> None:
        with transaction.atomic():
            connection.fetch("SELECT 1")
            connection.connection.query = query
            connection.fetch("SELECT 2")

    async def main() -> None:
        with pytest.raises(OperationalError, match="sequence number wrong"):
            await bridge(out_of_step)
        for number in range(3):
            assert await bridge(connection.fetch, f"SELECT {number}") == [(number,)]

    asyncio.run(main())


def test_a_connection_that_another_task_closes_meanwhile_is_lost(driver: str) -> None:
    if driver == "threads":
        pytest.skip("PyMySQL is not used by several tasks.")

    def ask() -> None:
        with transaction.atomic():
            connection.fetch("SELECT 1")
            raw = connection.connection

            async def query(sql: str) -> None:
                raw.close()
                raise AttributeError("'NoneType' object has no attribute 'readexactly'")

            raw.query = query
            connection.fetch("SELECT 2")

    with pytest.raises(OperationalError, match="Lost connection"):
        run(ask)


def test_a_stream_can_be_left_early(driver: str) -> None:
    def work() -> Any:
        connection.run_many("INSERT INTO note (n) VALUES (%s)", [(n,) for n in range(5000)])
        stream = connection.iterate("SELECT n FROM note ORDER BY n", (), 10)
        first = next(stream)
        stream.close()
        whole = list(connection.iterate("SELECT n FROM note ORDER BY n", (), 2000))
        return first, [len(rows) for rows in whole], connection.fetch("SELECT 1")

    assert run(work) == ([(n,) for n in range(10)], [2000, 2000, 1000], [(1,)])


def test_a_statement_that_is_cancelled_leaves_no_answer_to_others(driver: str) -> None:
    async def main() -> None:
        async def ask(number: int) -> None:
            try:
                async with asyncio.timeout(0.001 * (number % 7)):
                    assert await bridge(connection.fetch, f"SELECT {number}, SLEEP(0.002)") == [(number, 0)]
            except TimeoutError:
                pass

        for _ in range(3):
            await asyncio.gather(*map(ask, range(40)))
        for number in range(60):
            assert await bridge(connection.fetch, f"SELECT {number}") == [(number,)]

    asyncio.run(main())


def test_a_transaction_that_is_cancelled_is_rolled_back_at_once(driver: str) -> None:
    async def main() -> None:
        await bridge(add, "a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), transaction.atomic():
                await bridge(connection.run, "UPDATE note SET n = 1")
                await bridge(connection.fetch, "SELECT SLEEP(0.5)")
        start = time.monotonic()
        assert await bridge(connection.run, "UPDATE note SET n = n + 10") == 1  # waits for the lock
        assert time.monotonic() - start < 3
        assert await bridge(connection.fetch, "SELECT n FROM note") == [(10,)]

    asyncio.run(main())


def test_the_server_is_told_that_nobody_waits_any_more(driver: str) -> None:
    if driver == "threads":
        pytest.skip("PyMySQL cannot be told to cancel a statement.")

    async def main() -> None:
        await bridge(add, "a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), transaction.atomic():
                await bridge(connection.run, "UPDATE note SET n = 1")
                await bridge(connection.fetch, "SELECT BENCHMARK(2000000000, MD5('a'))")  # for minutes
        start = time.monotonic()
        assert await bridge(connection.run, "UPDATE note SET n = n + 10") == 1  # waits for the lock
        assert time.monotonic() - start < 5
        assert await bridge(connection.fetch, "SELECT n FROM note") == [(10,)]

    asyncio.run(main())


def test_many_tasks_in_transactions_of_their_own(driver: str) -> None:
    async def write(number: int) -> Any:
        async with transaction.atomic():
            await bridge(add, str(number))
            return (await bridge(connection.fetch, "SELECT connection_id()"))[0][0]

    async def main() -> None:
        ids = await asyncio.gather(*map(write, range(100)))
        assert 1 < len(set(ids)) <= 100

    asyncio.run(main())
    assert connection.fetch("SELECT count(*) FROM note") == [(100,)]


def kill(number: int) -> None:
    """Close a connection from the server's side."""
    thread = threading.Thread(target=lambda: connection.run(f"KILL {number}"))
    thread.start()
    thread.join()
    time.sleep(0.05)


def test_a_connection_that_the_server_has_closed_is_replaced(driver: str) -> None:
    async def main() -> None:
        (mine,) = (await bridge(connection.fetch, "SELECT connection_id()"))[0]
        kill(mine)
        await asyncio.sleep(0.05)
        if driver == "threads":
            with pytest.raises(OperationalError):
                await bridge(connection.fetch, "SELECT 1")
        assert await bridge(connection.fetch, "SELECT 1") == [(1,)]

        with pytest.raises(OperationalError):
            async with transaction.atomic():
                (mine,) = (await bridge(connection.fetch, "SELECT connection_id()"))[0]
                kill(mine)
                await bridge(connection.fetch, "SELECT 1")
        assert await bridge(connection.fetch, "SELECT 1") == [(1,)]

    asyncio.run(main())


def test_a_deadlock_ends_the_transaction(driver: str) -> None:
    async def main() -> list[Any]:
        both = asyncio.Barrier(2)

        async def change(first: str, second: str) -> None:
            async with transaction.atomic():
                await bridge(connection.run, "UPDATE note SET n = 1 WHERE text = %s", (first,))
                await both.wait()
                await bridge(connection.run, "UPDATE note SET n = 1 WHERE text = %s", (second,))

        await bridge(add, "a")
        await bridge(add, "b")
        return await asyncio.gather(change("a", "b"), change("b", "a"), return_exceptions=True)

    errors = [error for error in asyncio.run(main()) if error is not None]
    assert [type(error) for error in errors] == [OperationalError]
    assert errors[0].args[0] == 1213


@pytest.mark.filterwarnings("ignore:unclosed <socket")  # which PyMySQL leaves
def test_a_server_that_is_not_there(engine: Any, driver: str) -> None:
    run(connection.fetch, "SELECT 1")
    with settings_with(engine, driver, unix_socket="/tmp/no-such.sock"):
        with pytest.raises(OperationalError, match="Can't connect"):
            run(connection.fetch, "SELECT 1")
        gc.collect()


def test_tls_is_used_if_the_server_has_it_unless_it_is_required(engine: Any, driver: str) -> None:
    with settings_with(engine, driver, ssl_disabled=False):
        assert run(connection.fetch, "SELECT 1") == [(1,)]
        connections.close_all()
    with settings_with(engine, driver, ssl_disabled=False, ssl_verify_cert="none"):
        with pytest.raises(OperationalError, match="SSL is required"):
            run(connection.fetch, "SELECT 1")
        connections.close_all()

"""How async code uses PostgreSQL: the links of asyncpg and of psycopg's async connections mean what psycopg means."""

from __future__ import annotations

import asyncio
import datetime
import gc
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Json, Jsonb

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import OperationalError, connection, connections
from webframe.db.backends.drivers import asyncpg as asyncpg_links
from webframe.db.backends.drivers import asyncpg_statements
from webframe.db.backends.drivers.asyncpg_connecting import arguments_of, as_psycopg
from webframe.db.backends.drivers.asyncpg_statements import Statements
from webframe.db.backends.drivers.parameters import positional, split
from webframe.db.configuration import configuration
from webframe.greenlets import bridge
from webframe.test import override_settings
from webframe.waiting import wait

pytestmark = pytest.mark.engines("postgresql")

UTC = datetime.UTC
TOKYO = datetime.timezone(datetime.timedelta(hours=9))
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=UTC)

VALUES = [
    None,
    True,
    1,
    40_000,
    10**10,
    10**20,
    1.5,
    0.1,
    float("nan"),
    "x",
    "5",
    b"\x00'\\\xff",
    bytearray(b"ab'"),
    psycopg.Binary(b"'"),
    [b"'\\", None, psycopg.Binary(b"a")],
    Decimal("1.10"),
    Decimal("NaN"),
    Decimal("1E+5"),
    uuid.UUID(int=5),
    MOMENT,
    MOMENT.replace(tzinfo=None),
    MOMENT.astimezone(TOKYO),
    datetime.date(2024, 2, 29),
    datetime.date.max,
    datetime.date.min,
    datetime.datetime.max,
    datetime.time(1, 2, 3),
    datetime.time(1, 2, tzinfo=UTC),
    datetime.timedelta(days=-3, seconds=5, microseconds=7),
    ip_address("::1"),
    ip_network("10.0.0.0/8"),
    [1, 2],
    [1, None, 10**10],
    ["a", 'b"'],
    [],
    [Decimal("1.1"), None],
    [1.5, None],
    [uuid.UUID(int=5)],
    [MOMENT, None],
    [MOMENT.replace(tzinfo=None)],
    [datetime.date.max],
    [datetime.timedelta(1)],
    [[1, 2], [3, 4]],
    [True],
    Json({"a": 1}),
    Jsonb([1]),
    {"a": 1},
    object(),
]

CASTS = (
    "INTEGER BIGINT SMALLINT NUMERIC NUMERIC(6,2) FLOAT VARCHAR VARCHAR(1) TEXT BOOLEAN DATE TIMESTAMP TIMESTAMPTZ "
    "TIME INTERVAL UUID BYTEA JSONB JSON INET INTEGER[] TEXT[] BYTEA[] "
    "NUMERIC[] FLOAT[] UUID[] TIMESTAMPTZ[] TIMESTAMP[] DATE[] INTERVAL[] BOOLEAN[] VARCHAR[]"
).split()

# SQL in which the types of parameters decide, or in which there is something to take apart.
STATEMENTS: list[tuple[str, Any]] = [
    ("SELECT %s + %s", (1, 2)),
    ("SELECT %s > %s", (Decimal(2), Decimal(1))),
    ("SELECT round(%s, %s)", (Decimal("1.256"), 2)),
    ("SELECT left(%s, %s)", ("abc", 2)),
    ("SELECT concat(%s, %s)", ("a", 1)),
    ("SELECT coalesce(%s, %s)", (None, 2)),
    ("SELECT %s IS NULL", (1,)),
    ("SELECT NULL IS NOT DISTINCT FROM %s", (None,)),
    ("SELECT date_trunc('day', %s)", (MOMENT.replace(tzinfo=None),)),
    ("SELECT %s::date + %s", ("2024-01-01", 3)),
    ("SELECT jsonb_build_object(%s, %s)", ("a", 1)),
    ("SELECT price = %s FROM (VALUES (0.1)) t (price)", (0.1,)),
    ("SELECT number = %s FROM (VALUES (1)) t (number)", (1.5,)),
    ("SELECT 5 = ANY(%s)", ([1, 5],)),
    ("SELECT unnest(%s)", ([1, 2],)),
    ("SELECT unnest(%s::INTEGER[])", ([1, 2, 3],)),
    ("SELECT i FROM generate_series(1, 5) i LIMIT %s OFFSET %s", (2, 1)),
    ("SELECT %(a)s, %(b)s, %(a)s::text, '%%'", {"a": 1, "b": "x"}),
    ("SELECT %(a)s", {"b": 1}),
    ("SELECT '%%', %s", (1,)),
    ("SELECT %x", (1,)),
    ("SELECT %s, %(a)s", (1,)),
    ("SELECT %s", ()),
    ("SELECT 1", (1,)),
    ("SELECT '{1,2}'::int[], '1 year 2 mons'::interval, '[1]'::jsonb, 'null'::json, '1.2.3.4/8'::inet", ()),
    ("SELECT 10000::numeric, 1e20::numeric, 1.50::numeric, 'NaN'::numeric, '{1.50,NULL,20000}'::numeric[]", ()),
    ("SELECT 1/%s", (0,)),
    ("SELECT * FROM nowhere WHERE a = %s", (0,)),
]


def with_driver(engine: Any, driver: str, **options: Any) -> Any:
    full = configuration("default", engine.databases["default"])
    entry = {**full, "ASYNC_DRIVER": driver, "OPTIONS": {**full["OPTIONS"], **options}}
    return override_settings(DATABASES={"default": entry})


def on_link(function: Callable[[Any], Any]) -> Any:
    """Call a function with a new link, in a greenlet on an event loop."""

    def call() -> Any:
        link = connection.connect_async()
        connection.init_connection(link)
        try:
            return function(link)
        finally:
            if link.is_open():
                link.close()

    return asyncio.run(bridge(call))


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request: pytest.FixtureRequest, engine: Any) -> Iterator[str]:
    """Each driver that async code may use."""
    with with_driver(engine, request.param):
        yield request.param
        connections.close_all()


@pytest.fixture
def asyncpg(engine: Any) -> Iterator[None]:
    with with_driver(engine, "asyncpg"):
        yield
        connections.close_all()


@pytest.fixture
def table(engine: Any) -> Iterator[None]:
    connection.run("CREATE TABLE note (id SERIAL PRIMARY KEY, text VARCHAR(20) UNIQUE, number INTEGER, big BIGINT)")
    yield
    connections.close_all()
    connection.run("DROP TABLE note")


def outcome(link: Any, sql: str, params: Any) -> Any:
    try:
        return repr(link.fetch(sql, params)).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc")
    except Exception as error:
        known = error if isinstance(error, psycopg.Error) else as_psycopg(error)
        assert known is not None, error
        return type(known), known.sqlstate


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("within", [False, True], ids=["alone", "in a transaction"])
def test_statements_and_values_mean_what_they_mean_to_psycopg(driver: str, within: bool) -> None:
    questions = [("SELECT %s", (value,)) for value in VALUES]
    questions += [(f"SELECT %s::{cast}", (value,)) for cast in CASTS for value in VALUES]
    questions += [(f"SELECT CAST(%s AS {cast})", (value,)) for cast in CASTS for value in VALUES if type(value) is list]
    questions += STATEMENTS
    connection.ensure_connection()
    plain = connection.make_link(connection.connection)

    def ask(link: Any, sql: str, params: Any) -> Any:
        if within:
            link.begin(False)
        try:
            return outcome(link, sql, params)
        finally:
            if within:
                link.rollback()

    expected = [ask(plain, sql, params) for sql, params in questions]

    def compare(link: Any) -> None:
        for _ in range(2):  # the second time all statements are prepared
            for (sql, params), one in zip(questions, expected, strict=True):
                assert ask(link, sql, params) == one, (sql, params)

    on_link(compare)


def test_rows_are_tuples(driver: str) -> None:
    def ask(link: Any) -> None:
        rows = link.fetch("SELECT 1, 'a' UNION SELECT 2, 'b' ORDER BY 1", ())
        assert rows == [(1, "a"), (2, "b")] and {type(row) for row in rows} == {tuple}

    on_link(ask)


def test_more_parameters_than_asyncpg_counts(asyncpg: None) -> None:
    sql = f"SELECT count(*) FROM generate_series(1, 9) i WHERE i IN ({', '.join(['%s'] * 40_000)})"
    assert on_link(lambda link: link.fetch(sql, tuple(range(5, 40_005)))) == [(5,)]


def test_placeholders_are_taken_apart_as_psycopg_does() -> None:
    assert split("a = %s AND b = '%%' AND c = %s") == (("a = ", " AND b = '%' AND c = ", ""), ())
    assert positional("%(a)s%%%(b)s%(a)s", {"a": 1, "b": 2}) == ("%s%%%s%s", (1, 2, 1))
    for wrong in ("%d", "% ", "%(a)", "%s %(a)s"):
        with pytest.raises(psycopg.ProgrammingError):
            split(wrong)


# --- statements ---------------------------------------------------------------------------------------------------


def test_rows_are_counted_and_keys_returned(driver: str, table: None) -> None:
    def work(link: Any) -> None:
        insert = "INSERT INTO note (text) VALUES (%s) ON CONFLICT DO NOTHING"
        assert link.insert(f"{insert} RETURNING id, text", ("a",)) == (1, "a")
        assert link.insert(f"{insert} RETURNING id, text", ("a",)) is None
        assert link.insert(insert, ("b",)) == (None,)
        assert link.insert(insert, ("b",)) == (None,)
        assert link.run("UPDATE note SET number = 1", ()) == 2
        assert link.run("UPDATE note SET number = 1 WHERE text = %s", ("c",)) == 0
        assert link.run("CREATE TEMPORARY TABLE t AS SELECT 5 %% 3 AS a", ()) in (-1, 1)
        assert link.run("DELETE FROM note WHERE text = %s", ("a",)) == 1

    on_link(work)


def test_one_statement_for_many_rows(driver: str, table: None) -> None:
    def work(link: Any) -> None:
        link.begin(False)
        insert = "INSERT INTO note (text, number, big) VALUES (%s, %s, %s)"
        rows = [("a", 1, None), ("b", None, 10**12), ("c", 3, 1), (None, 4, 10**12)]
        assert link.run_many(insert, rows) == 4
        assert link.run_many("UPDATE note SET number = %s::INTEGER WHERE text = %s", [(7, "a"), (8, "z")]) == 1
        assert link.run_many("UPDATE note SET number = 0 WHERE number > %s -- all", [(2,), (100,)]) == 3
        link.commit()
        assert link.fetch("SELECT text, number, big FROM note ORDER BY id", ()) == [
            ("a", 0, None),
            ("b", None, 10**12),
            ("c", 0, 1),
            (None, 0, 10**12),
        ]
        with pytest.raises(Exception) as caught:
            link.run_many(insert, [("d", 1, 1), ("a", 1, 1)])
        assert isinstance(connection.translate(caught.value), connection.translate(psycopg.IntegrityError()).__class__)
        assert link.fetch("SELECT count(*) FROM note", ()) == [(4,)]

    on_link(work)


def test_a_cursor_has_what_pep_249_says(driver: str, table: None) -> None:
    def work(link: Any) -> None:
        cursor = link.cursor()
        cursor.execute("SELECT id, text AS words FROM note")
        assert [column[0] for column in cursor.description] == ["id", "words"] and cursor.fetchall() == []
        cursor.execute("INSERT INTO note (text) VALUES (%(text)s)", {"text": "a"})
        assert (cursor.description, cursor.rowcount) == (None, 1)
        cursor.executemany("INSERT INTO note (text) VALUES (%s)", [("b",), ("c",)])
        assert cursor.rowcount == 2
        cursor.execute("SELECT '%s', ';'")
        assert cursor.fetchall() == [("%s", ";")]
        with pytest.raises(psycopg.NotSupportedError, match="CALL"):
            cursor.callproc("anything")
        cursor.close()

    on_link(work)


@pytest.mark.parametrize("params", [None, ()])
def test_several_statements_at_once(driver: str, table: None, params: Any) -> None:
    def work(link: Any) -> None:
        script = "INSERT INTO note (text) VALUES ('a;'); INSERT INTO note (text) VALUES ('b'); "
        for within in (False, True):
            if within:
                link.begin(False)
            link.cursor().execute(script, params)
            assert link.run("DELETE FROM note", ()) == 2
            with pytest.raises(Exception, match="syntax error"):
                link.cursor().execute("SELECT ';' WHERE;", params)
            if within:
                link.rollback()
            assert link.fetch("SELECT count(*) FROM note", ()) == [(0,)]

    on_link(work)


def test_a_stream_in_a_transaction_and_outside_of_one(driver: str) -> None:
    def work(link: Any) -> None:
        for within in (False, True):
            if within:
                link.begin(False)
            for rows in (0, 1, 5, 6):
                stream = link.stream("SELECT i, %s FROM generate_series(1, %s) i", ("x", rows), 3)
                found = []
                while chunk := stream.fetchmany(3):
                    found += chunk
                stream.close()
                assert found == [(number, "x") for number in range(1, rows + 1)]
            stream = link.stream("SELECT i FROM generate_series(1, 10000) i", (), 3)
            assert stream.fetchmany(2) == [(1,), (2,)]
            stream.close()
            stream.close()
            assert link.is_in_transaction() is within
            with pytest.raises(Exception, match="nowhere"):
                link.stream("SELECT * FROM nowhere", (), 3)
            if within:
                link.rollback()
            assert not link.is_in_transaction()
            assert link.fetch("SELECT count(*) FROM pg_cursors WHERE name LIKE 'webframe%%'", ()) == [(0,)]

    on_link(work)


# --- prepared statements ------------------------------------------------------------------------------------------


def change(engine: Any) -> None:
    """Change a table in another session."""
    with psycopg.connect(engine.databases["default"]) as other:
        other.execute("ALTER TABLE note ALTER number TYPE VARCHAR(10)")


@pytest.mark.parametrize("method", ["fetch", "stream"])
def test_a_table_that_changes_does_not_trouble_prepared_statements(
    engine: Any, driver: str, table: None, method: str
) -> None:
    def work(link: Any) -> None:
        def ask() -> Any:
            if method == "fetch":
                return link.fetch("SELECT number FROM note WHERE id > %s", (0,))
            stream = link.stream("SELECT number FROM note WHERE id > %s", (0,), 5)
            rows = stream.fetchmany(5)
            stream.close()
            return rows

        link.run("INSERT INTO note (number) VALUES (1)", ())
        for _ in range(8):  # psycopg prepares what it has seen five times
            assert ask() == [(1,)]
        change(engine)
        assert ask() == [("1",)]

    on_link(work)


def test_within_a_transaction_a_changed_table_is_an_error(engine: Any, asyncpg: None, table: None) -> None:
    def work(link: Any) -> None:
        link.fetch("SELECT number FROM note WHERE id > %s", (0,))
        change(engine)
        link.begin(False)
        with pytest.raises(Exception, match="cached (statement )?plan") as caught:
            link.fetch("SELECT number FROM note WHERE id > %s", (0,))
        assert isinstance(as_psycopg(caught.value), psycopg.NotSupportedError)
        link.rollback()
        assert link.fetch("SELECT number FROM note WHERE id > %s", (0,)) == []

    on_link(work)


def test_statements_that_the_server_has_forgotten_are_prepared_again(asyncpg: None) -> None:
    def work(link: Any) -> None:
        assert link.fetch("SELECT %s + 1", (1,)) == [(2,)]
        link.command("DEALLOCATE ALL")
        assert link.fetch("SELECT %s + 1", (1,)) == [(2,)]

    on_link(work)


def test_no_more_statements_are_kept_than_there_is_room_for(asyncpg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncpg_statements, "MOST_STATEMENTS", 10)
    monkeypatch.setattr(asyncpg_statements, "MOST_WAYS", 3)
    monkeypatch.setattr(asyncpg_statements, "LONGEST_STATEMENT", 1000)

    def work(link: Any) -> None:
        statements: Statements = link.statements
        link.fetch("SELECT 'often'", ())
        for number in range(50):
            assert link.fetch(f"SELECT {number}", ()) == [(number,)]
            assert link.fetch("SELECT 'often'", ()) == [("often",)]
            assert link.fetch(f"SELECT 1 --{'x' * 1000}{number}", ()) == [(1,)]
        assert len(statements.known) == 10 and "SELECT 'often'" in statements.known
        for value in (1, "a", Decimal(1), 1.5, b"a", True, MOMENT):
            assert link.fetch("SELECT %s", (value,)) == [(value,)]
        assert len(statements.known["SELECT %s"].ways) <= 3
        prepared = "SELECT count(*) FROM pg_prepared_statements"
        link.fetch("SELECT 'the last that makes room'", ())
        assert link.fetch(prepared, ())[0][0] < 20

    on_link(work)


def test_nothing_is_prepared_where_a_pooler_could_not_bear_it(engine: Any) -> None:
    def work(link: Any) -> None:
        for value in (1, 2, "a"):
            assert link.fetch("SELECT %s", (value,)) == [(value,)]
        assert link.run_many("UPDATE pg_class SET relname = %s WHERE false", [("a",), ("b",)]) == 0
        stream = link.stream("SELECT %s", (1,), 5)
        assert stream.fetchmany(5) == [(1,)]
        stream.close()
        assert link.fetch("SELECT name FROM pg_prepared_statements WHERE name <> ''", ()) == []

    for driver in ("asyncpg", "psycopg"):
        with with_driver(engine, driver, prepare_threshold=None):
            on_link(work)
            connections.close_all()


def test_an_asyncpg_without_the_quick_way_is_used_as_it_is_documented(
    asyncpg: None, table: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncpg_statements, "QUICK", False)
    monkeypatch.setattr(asyncpg_links, "QUICK", False)

    def work(link: Any) -> None:
        assert link.fetch("SELECT %s", (1,)) == [(1,)]
        assert link.insert("INSERT INTO note (text) VALUES (%s) RETURNING id", ("a",)) == (1,)
        assert link.run("UPDATE note SET text = %s", ("b",)) == 1

    on_link(work)


# --- the end of a connection --------------------------------------------------------------------------------------


def test_what_a_cancelled_task_was_waiting_for_is_ended_on_the_server(engine: Any, driver: str) -> None:
    links: list[Any] = []

    def sleep() -> None:
        links.append(connection.connect_async())
        try:
            links[0].fetch("SELECT pg_sleep(%s)", (60,))
        except asyncio.CancelledError:
            links[0].terminate()
            raise

    async def main() -> None:
        task = asyncio.create_task(bridge(sleep))
        await until(lambda: running() == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not links[0].is_open() and not links[0].is_in_transaction()
        links[0].terminate()
        await until(lambda: running() == 0)

    with psycopg.connect(engine.databases["default"], autocommit=True) as other:

        def running() -> int:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
            row = other.execute(sql).fetchone()
            assert row is not None
            return int(row[0])

        asyncio.run(main())


def test_a_connection_that_is_given_up_while_it_is_used_ends_without_a_warning(engine: Any) -> None:
    def give_up() -> None:
        link = connection.connect_async()
        wait(link.raw.lock.acquire())  # as another task of the transaction does
        link.terminate()
        link.raw.lock.release()  # it was cancelled, too, when it had its answer already

    with with_driver(engine, "psycopg"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(bridge(give_up))
        gc.collect()
    assert not caught


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_connection_that_the_server_has_closed_is_known_to_be_lost(driver: str) -> None:
    def work(link: Any) -> None:
        with pytest.raises(Exception) as caught:
            link.fetch("SELECT pg_terminate_backend(pg_backend_pid())", ())
        assert isinstance(connection.translate(caught.value), OperationalError)
        assert connection.is_lost(caught.value, link)
        with pytest.raises(Exception) as caught:
            link.fetch("SELECT 1", ())
        assert isinstance(connection.translate(caught.value), OperationalError)
        assert connection.is_lost(caught.value, link)

    on_link(work)


@pytest.mark.parametrize("side", ["task", "thread"])
def test_a_stream_whose_connection_is_lost_ends_without_a_warning(engine: Any, driver: str, side: str) -> None:
    def read() -> None:
        rows = connection.iterate("SELECT pg_backend_pid() FROM generate_series(1, 50)", (), 10)
        pid = next(rows)[0][0]
        engine.server.execute(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(OperationalError):
            list(rows)
        gc.collect()

    if side == "task":
        asyncio.run(bridge(read))
    else:
        read()


def test_a_server_that_is_not_there_is_an_operational_error() -> None:
    for name in ("postgresql+asyncpg", "postgresql+psycopg"):
        with override_settings(DATABASES={"default": f"{name}://nobody@127.0.0.1:1/nothing"}):
            with pytest.raises(OperationalError):
                asyncio.run(bridge(connection.fetch, "SELECT 1"))


def test_a_database_that_is_not_there_is_an_operational_error(driver: str, engine: Any) -> None:
    full = configuration("default", engine.databases["default"])
    with override_settings(DATABASES={"default": {**full, "NAME": "nowhere", "ASYNC_DRIVER": driver}}):
        with pytest.raises(OperationalError, match="nowhere"):
            asyncio.run(bridge(connection.fetch, "SELECT 1"))


# --- options ------------------------------------------------------------------------------------------------------


def test_sessions_are_as_the_options_say(driver: str, engine: Any) -> None:
    options = {
        "application_name": "kitchen",
        "options": "-c statement_timeout=4321 --lock_timeout=1234",
        "connect_timeout": 5,
        "isolation_level": "serializable",
        "init_command": "SET work_mem = '5MB'",
    }
    names = "application_name statement_timeout lock_timeout transaction_isolation work_mem TimeZone".split()

    def work(link: Any) -> list[Any]:
        link.begin(False)
        return [link.fetch(f"SHOW {name}", ())[0][0] for name in names]

    with with_driver(engine, driver, **options), override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"):
        assert on_link(work) == ["kitchen", "4321ms", "1234ms", "serializable", "5MB", "Asia/Tokyo"]
        assert asyncio.run(bridge(lambda: connection.pg_version)) >= 130000


def test_options_of_libpq_are_put_into_the_words_of_asyncpg() -> None:
    entry = configuration("default", "postgresql://ada:l%40ve@a,b/shop")
    options = {
        "sslmode": "require",
        "sslrootcert": "/ca.pem",
        "service": "shop",
        "connect_timeout": 1,
        "application_name": "kitchen",
        "fallback_application_name": "python",
        "options": "-csearch_path=shop",
        "client_encoding": "UTF8",
        "sslcompression": False,
        "passfile": None,
    }
    assert arguments_of("default", entry, options, "UTC") == {
        "user": "ada",
        "password": "l@ve",
        "database": "shop",
        "host": ["a", "b"],
        "port": None,
        "timeout": 2,
        "dsn": "postgresql://?sslmode=require&sslrootcert=%2Fca.pem&service=shop",
        "server_settings": {"TimeZone": "UTC", "application_name": "kitchen", "search_path": "shop"},
    }


@pytest.mark.parametrize("options", [{"keepalives": 1}, {"client_encoding": "latin1"}, {"options": "-c"}])
def test_for_what_asyncpg_does_not_know_there_is_psycopg(options: dict[str, Any]) -> None:
    entry = {"ENGINE": "postgresql", "NAME": "shop", "OPTIONS": options}
    with override_settings(DATABASES={"default": entry}):
        assert connections["default"].async_driver == "psycopg"
    with override_settings(DATABASES={"default": {**entry, "ASYNC_DRIVER": "asyncpg"}}):
        with pytest.raises(ImproperlyConfigured, match=f"{next(iter(options))}.*"):
            asyncio.run(bridge(connection.fetch, "SELECT 1"))


def test_the_best_driver_that_is_installed_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(DATABASES={"default": "postgresql:///shop"}):
        assert connections["default"].async_driver == "asyncpg"
        monkeypatch.setattr("webframe.db.backends.postgresql.find_spec", lambda name: None)
        assert connections["default"].async_driver == "psycopg"
    monkeypatch.setitem(sys.modules, "webframe.db.backends.drivers.asyncpg", None)
    with override_settings(DATABASES={"default": "postgresql+asyncpg:///shop"}):
        with pytest.raises(ImproperlyConfigured, match="pip install"):
            asyncio.run(bridge(connection.fetch, "SELECT 1"))


def test_a_wrong_option_is_named_by_whoever_refuses_it() -> None:
    with override_settings(DATABASES={"default": "postgresql+asyncpg://localhost/shop?sslmode=perhaps"}):
        with pytest.raises(ImproperlyConfigured, match="sslmode"):
            asyncio.run(bridge(connection.fetch, "SELECT 1"))


def test_a_pooler_that_loses_statements_is_explained() -> None:
    error = psycopg.errors.InvalidSqlStatementName('prepared statement "a" does not exist')
    with override_settings(DATABASES={"default": "postgresql:///shop"}):
        assert "prepare_threshold" in connections["default"].hint_for(error)

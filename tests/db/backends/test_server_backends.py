"""What is peculiar to PostgreSQL, to MariaDB, and to whatever else SQLAlchemy knows."""

from __future__ import annotations

import gc
import os
import sqlite3
import ssl
import threading
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import DatabaseError, OperationalError, connection, connections, models, transaction
from webframe.db.backends.drivers.pymysql import TLSContexts
from webframe.db.models.functions import ExtractDay, TruncDay, TruncHour, TruncMonth
from webframe.test import override_settings
from webframe.utils import timezone


def one(sql: str) -> Any:
    return connection.cursor().execute(sql).fetchone()[0]


def with_options(engine: Any, **options: Any) -> Any:
    """Settings in which the database has these options as well."""
    from webframe.db.configuration import configuration

    full = configuration("default", engine.databases["default"])
    return override_settings(DATABASES={"default": {**full, "OPTIONS": {**full["OPTIONS"], **options}}})


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.mark.engines("postgresql")
def test_the_time_zone_of_a_session_is_that_of_the_settings(engine: Any) -> None:
    assert one("SHOW TimeZone") == "UTC"
    assert one("SELECT now()").utcoffset() == UTC.utcoffset(None)
    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"):
        assert one("SHOW TimeZone") == "Asia/Tokyo"
    assert one("SHOW TimeZone") == "UTC"


@pytest.mark.engines("postgresql")
def test_a_table_that_changes_does_not_trouble_prepared_statements(engine: Any) -> None:
    connection.run("CREATE TABLE changing (id INTEGER)")
    try:
        connection.insert("INSERT INTO changing VALUES (1)")
        for _ in range(8):  # psycopg prepares what it has seen five times
            assert connection.fetch("SELECT id FROM changing", ()) == [(1,)]
        thread = threading.Thread(target=lambda: connection.run("ALTER TABLE changing ALTER id TYPE VARCHAR(10)"))
        thread.start()
        thread.join()
        assert connection.fetch("SELECT id FROM changing", ()) == [("1",)]
        mine = connection.connection
        connections.release()
        assert connection.fetch("SELECT id FROM changing", ()) == [("1",)]
        assert connection.connection is not mine
    finally:
        connection.run("DROP TABLE changing")


@pytest.mark.engines("postgresql")
def test_the_isolation_level_is_that_of_the_options(engine: Any) -> None:
    with transaction.atomic():
        assert one("SHOW transaction_isolation") == "read committed"
    for level in ("serializable", 4):
        with with_options(engine, isolation_level=level), transaction.atomic():
            assert one("SHOW transaction_isolation") == "serializable"
    with with_options(engine, isolation_level="cosy"), pytest.raises(ImproperlyConfigured, match="cosy"):
        connection.cursor().execute("SELECT 1")


@pytest.mark.engines("postgresql")
def test_a_read_only_transaction_is_told_to_the_server(engine: Any) -> None:
    with transaction.atomic(read_only=True):
        assert one("SHOW transaction_read_only") == "on"
    with transaction.atomic():
        assert one("SHOW transaction_read_only") == "off"


@pytest.mark.engines("postgresql")
def test_init_command_and_version(engine: Any) -> None:
    with with_options(engine, init_command="SET statement_timeout = 4321"):
        assert one("SHOW statement_timeout") == "4321ms"
    assert connection.pg_version >= 130000
    assert connection.features.supports_nulls_distinct_unique_constraints == (connection.pg_version >= 150000)


@pytest.mark.engines("postgresql")
def test_an_aborted_connection_is_not_handed_on(engine: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("BEGIN")  # by hand, so that nobody knows of it
    with pytest.raises(DatabaseError):
        cursor.execute("SELEKT")
    mine = connection.connection
    connections.release()
    assert one("SELECT 1") == 1
    assert connection.connection is not mine


# --- MariaDB ------------------------------------------------------------------------------------------------------


@pytest.mark.engines("mysql")
def test_a_session_is_in_utc_and_reads_what_is_committed(engine: Any) -> None:
    assert one("SELECT @@session.time_zone") == "+00:00"
    assert one("SELECT @@session.tx_isolation" if connection.is_mariadb else "SELECT 1") == "READ-COMMITTED"
    with with_options(engine, isolation_level="serializable"):
        assert one("SELECT @@session.tx_isolation") == "SERIALIZABLE"
    with with_options(engine, isolation_level="cosy"), pytest.raises(ImproperlyConfigured, match="cosy"):
        connection.cursor().execute("SELECT 1")


class Somewhere(tzinfo):
    """A zone of zoneinfo as the database sees it, with a name that no server knows yet: it would remember it."""

    key = f"Webframe/T{os.getpid()}"

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else timedelta(hours=12, minutes=45)

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None


@pytest.mark.engines("mysql")
def test_a_time_zone_that_the_server_does_not_know_is_an_error(engine: Any, define: Any, create_tables: Any) -> None:
    Event = define("Event", at=models.DateTimeField())
    create_tables()
    Event.objects.create(at=datetime(2024, 1, 1, 11, 30, tzinfo=UTC))

    def days() -> list[int]:
        return [event.day for event in Event.objects.annotate(day=ExtractDay("at"))]

    with timezone.override(Somewhere()):
        for ask in (days, lambda: list(Event.objects.annotate(month=TruncMonth("at")))):
            with pytest.raises(OperationalError, match=f"'{Somewhere.key}'.*tzinfo"):
                ask()
        engine.server.execute(f"INSERT INTO mysql.time_zone VALUES ({os.getpid()}, 'N')")
        engine.server.execute(f"INSERT INTO mysql.time_zone_name VALUES ('{Somewhere.key}', {os.getpid()})")
        engine.server.execute(f"INSERT INTO mysql.time_zone_transition_type VALUES ({os.getpid()}, 0, 45900, 0, 'T')")
        try:
            assert days() == [2]
            asked: list[str] = []
            with connection.execute_wrapper(lambda execute, *what: (asked.append(what[0]), execute(*what))[1]):
                assert days() == [2]
            assert len(asked) == 1  # not again what the server knows
        finally:
            for table in ("time_zone", "time_zone_name", "time_zone_transition_type"):
                engine.server.execute(f"DELETE FROM mysql.{table} WHERE Time_zone_id = {os.getpid()}")
    with override_settings(USE_TZ=False, TIME_ZONE="Webframe/Nowhere"), pytest.raises(OperationalError) as caught:
        one("SELECT 1")
    assert "mysql_tzinfo_to_sql" in caught.value.__notes__[0]


def test_zones_that_never_change_need_no_name(engine: Any, define: Any, create_tables: Any) -> None:
    Event = define("Event", at=models.DateTimeField())
    create_tables()
    Event.objects.create(at=datetime(2024, 1, 1, 11, 30, tzinfo=UTC))
    for name, hour in (("UTC", 11), ("Etc/GMT-3", 14), ("Etc/GMT+5", 6), ("Zulu", 11)):
        with timezone.override(name):
            assert Event.objects.filter(at__hour=hour).exists()
            found = Event.objects.annotate(hour=TruncHour("at"), day=TruncDay("at")).get()
            assert found.hour == datetime(2024, 1, 1, 11, tzinfo=UTC) and found.day.astimezone(ZoneInfo(name)).hour == 0


@pytest.mark.engines("mysql")
def test_what_it_is_and_can_do_is_asked_of_the_server(engine: Any) -> None:
    assert connection.display_name == ("MariaDB" if connection.is_mariadb else "MySQL")
    assert connection.mysql_version >= (5, 7)
    assert connection.features.can_return_from_insert == connection.is_mariadb


@pytest.mark.engines("mysql")
def test_an_update_counts_the_rows_that_match(engine: Any) -> None:
    connection.run("CREATE TABLE counted (id INTEGER)")
    try:
        connection.insert("INSERT INTO counted VALUES (1)")
        assert connection.run("UPDATE counted SET id = 1") == 1
    finally:
        connection.run("DROP TABLE counted")


@pytest.mark.engines("mysql")
def test_text_of_four_bytes_a_letter(engine: Any) -> None:
    assert connection.fetch("SELECT %s", ("🍕",)) == [("🍕",)]


@pytest.mark.engines("mysql")
def test_rows_are_sent_as_they_are_asked_for_and_the_rest_is_left(engine: Any) -> None:
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    without_end = numbers + "SELECT a.i, REPEAT('x', 1000) FROM n AS a, n AS b, n AS c"
    pool = connections["default"].pool
    connection.ensure_connection()
    before = pool.checkedout()
    for _ in range(3):
        iterator = connection.iterate(without_end, (), 10)
        assert len(next(iterator)) == 10
        iterator.close()
        assert pool.checkedout() == before
    abandoned = connection.iterate(without_end, (), 10)
    next(abandoned)
    del abandoned
    gc.collect()
    assert pool.checkedout() == before and one("SELECT 1") == 1


@pytest.mark.engines("mysql")
def test_connections_share_what_they_need_for_tls(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **files: made.append(files) or make(**files))
    with with_options(engine, ssl_disabled=False):
        streams = [connection.iterate("SELECT 1", (), 1) for _ in range(3)]
        assert [next(stream) for stream in streams] == [[(1,)]] * 3
        assert connections["default"].pool.checkedout() >= 3
        for stream in streams:
            stream.close()
    assert len(made) == 1


def test_certificates_that_have_changed_are_read_anew(tmp_path: Path) -> None:
    contexts, made = TLSContexts(), []
    authorities = tmp_path / "ca.pem"

    def make(options: dict[str, Any]) -> object:
        made.append(dict(options))
        return object()

    options = {"ca": str(authorities)}
    assert contexts.get(options, make) is not contexts.get(options, make)  # no such file: nothing to share
    authorities.write_text("")
    first = contexts.get(options, make)
    assert contexts.get(dict(options), make) is first
    os.utime(authorities, ns=(1, 1))
    second = contexts.get(options, make)
    assert second is not first and contexts.get(options, make) is second
    assert contexts.get({**options, "check_hostname": False}, make) is not second
    own = object()
    assert contexts.get(own, lambda given: given) is own
    assert len(made) == 5


@pytest.mark.engines("mysql")
def test_a_stream_has_a_connection_of_its_own_and_gives_it_back(engine: Any) -> None:
    pool = connections["default"].pool
    iterator = connection.iterate("SELECT 1 UNION SELECT 2 UNION SELECT 3", (), 2)
    assert next(iterator) == [(1,), (2,)] and one("SELECT 1") == 1
    assert pool.checkedout() == 2
    assert next(iterator) == [(3,)]
    assert list(iterator) == []
    assert pool.checkedout() == 1
    with pytest.raises(DatabaseError):
        next(connection.iterate("SELEKT"))
    assert pool.checkedout() == 1


# --- others -------------------------------------------------------------------------------------------------------


@pytest.fixture
def generic(engine: Any) -> Any:
    """The engine's database by way of the generic backend."""
    schemes = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
    url = engine.databases["default"].partition(":")[2]
    database = {"ENGINE": "generic", "URL": f"{schemes[engine.vendor]}:{url}"}
    with override_settings(DATABASES={"default": database}):
        yield engine
        connections.close_all()


def test_the_generic_backend_runs_statements_and_transactions(generic: Any) -> None:
    assert connection.vendor == connection.display_name == generic.vendor
    connection.run("CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(20))")
    try:
        with transaction.atomic():
            connection.cursor().execute("INSERT INTO things (id, name) VALUES (%s, %s)", [1, "one"])
            with pytest.raises(DatabaseError), transaction.atomic():
                connection.cursor().execute("INSERT INTO things (id, name) VALUES (%s, %s)", [1, "one"])
            connection.cursor().execute("INSERT INTO things (id, name) VALUES (%s, %s)", [2, "two"])
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            connection.cursor().execute("DELETE FROM things")
            raise ZeroDivisionError
        assert [tuple(row) for row in connection.fetch("SELECT id FROM things ORDER BY id")] == [(1,), (2,)]
        assert connection.run("UPDATE things SET name = name") == 2
        chunks = list(connection.iterate("SELECT id FROM things ORDER BY id", (), 1))
        assert [[tuple(row) for row in chunk] for chunk in chunks] == [[(1,)], [(2,)]]
        assert connection.dialect.paramstyle in ("qmark", "format")
    finally:
        connection.run("DROP TABLE things")


class ConnectionWithLists(sqlite3.Connection):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.row_factory = lambda cursor, row: list(row)


# What makes a driver give rows that are lists, as some drivers always do.
LISTS: dict[str, dict[str, Any]] = {
    "sqlite": {"factory": ConnectionWithLists},
    "postgresql": {"row_factory": lambda cursor: list},
}


@pytest.fixture
def with_lists(generic: Any, define: Any) -> Any:
    """A model, by way of a driver that gives lists."""
    Note = define("Note", id=models.IntegerField(primary_key=True), text=models.CharField(max_length=9))
    table = Note._meta.db_table
    database = {**settings.DATABASES["default"], "OPTIONS": LISTS[generic.vendor]}
    with override_settings(DATABASES={"default": database}):
        connection.run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, text VARCHAR(9))")
        yield Note
        connections.close_all()
        connection.run(f"DROP TABLE {table}")
        connections.close_all()


@pytest.mark.both_ways
@pytest.mark.engines("sqlite", "postgresql")
def test_rows_are_tuples_whatever_the_driver_makes_of_them(with_lists: Any) -> None:
    objects, table = with_lists.objects, with_lists._meta.db_table
    query = f"SELECT id, text FROM {table} ORDER BY id"
    assert connection.fetch(query) == []
    objects.create(id=1, text="a")
    assert connection.insert(f"INSERT INTO {table} (id, text) VALUES (2, 'b') RETURNING id, text") == (2, "b")
    rows = [(1, "a"), (2, "b")]
    assert connection.fetch(query) == rows
    assert list(connection.iterate(query, (), 2)) == [rows]
    with transaction.atomic():
        assert list(connection.iterate(query, (), 1)) == [[row] for row in rows]
    with connection.cursor() as cursor:
        assert cursor.execute(query).fetchall() == rows
        assert [column[0] for column in cursor.description] == ["id", "text"]
    assert list(objects.order_by("id").values_list()) == rows
    assert list(objects.order_by("id").values_list("text", "id").iterator()) == [("a", 1), ("b", 2)]
    assert objects.get(id=2).text == "b"


@pytest.mark.parametrize("url", ["nonsense://host/name", "not a url"])
def test_what_sqlalchemy_does_not_know_is_named(url: str) -> None:
    with override_settings(DATABASES={"default": {"ENGINE": "generic", "URL": url}}):
        with pytest.raises(ImproperlyConfigured, match="SQLAlchemy"):
            connection.cursor()
    with override_settings(DATABASES={"default": {"ENGINE": "generic"}}):
        with pytest.raises(ImproperlyConfigured, match="needs a URL"):
            connection.cursor()


def test_a_server_that_is_not_there_is_an_operational_error() -> None:
    with override_settings(DATABASES={"default": "postgresql://nobody@127.0.0.1:1/nothing"}):
        with pytest.raises(OperationalError):
            connection.fetch("SELECT 1")
        assert not connection.is_usable()

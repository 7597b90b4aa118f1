"""Answers of PostgreSQL in binary form: psycopg makes the same values of them, and reads what else comes as text."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.numeric import FloatLoader

from webframe.db import connection, connections
from webframe.db.backends.drivers import formats
from webframe.db.configuration import configuration
from webframe.greenlets import bridge
from webframe.test import override_settings

pytestmark = pytest.mark.engines("postgresql")

Work = Callable[[Any], None]


@pytest.fixture(params=["plain", "async"])
def on_link(request: pytest.FixtureRequest, engine: Any) -> Iterator[Callable[[Work], None]]:
    """Calls a function with a link of psycopg, of plain code or of an event loop."""
    full = configuration("default", engine.databases["default"])

    def plain(work: Work) -> None:
        connection.ensure_connection()
        work(connection.make_link(connection.connection))

    def asynchronous(work: Work) -> None:
        def call() -> None:
            link = connection.connect_async()
            try:
                work(link)
            finally:
                link.close()

        asyncio.run(bridge(call))

    with override_settings(DATABASES={"default": {**full, "ASYNC_DRIVER": "psycopg"}}):
        yield plain if request.param == "plain" else asynchronous
        connections.close_all()


EXPRESSIONS = [
    "true", "1::int2", "(-5)::int4", "9223372036854775807", "1.1::float8", "'-inf'::float8", "5e-324::float8",
    "1.50::numeric", "1e30::numeric", "0.000::numeric", "'nan'::numeric", "'é'::text", "''::varchar", "'a'::char(3)",
    "'x'::name", "'\\x00ff'::bytea", "date '0001-01-01'", "date '9999-12-31'", "time '12:13:14.123456'",
    "timestamp '2020-01-02 03:04:05.000006'", "timestamptz '2020-07-02 03:04:05+02'", "timestamptz '1890-07-02'",
    "interval '1 year 2 mons 3 days 04:05:06.7'", "interval '-1 day 02:00'", "'{\"a\": [1, 1.5]}'::json",
    "'{\"a\": [1, 1.5]}'::jsonb", "'null'::jsonb", f"'{uuid.UUID(int=5)}'::uuid", "5::oid", "null::int4", "null::text",
    # What is not listed, and stays text.
    "0.1::float4", "'<a/>'::xml", "point '(1,2)'", "money '1'", "B'101'", "array[1,2]", "inet '1.2.3.4'", "row(1,'a')",
]  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome", "Pacific/Apia"])
def test_the_second_answer_is_the_first_one(on_link: Callable[[Work], None], zone: str) -> None:
    def work(link: Any) -> None:
        link.command(f"SET TIME ZONE '{zone}'")
        for expression in EXPRESSIONS:
            sql = f"SELECT {expression}"
            first, second, third = [link.fetch(sql, ())[0][0] for _ in range(3)]
            assert (type(first), repr(first)) == (type(second), repr(second)) == (type(third), repr(third)), sql

    on_link(work)


def test_what_has_another_meaning_in_binary_form_stays_text(on_link: Callable[[Work], None]) -> None:
    def work(link: Any) -> None:
        for _ in range(3):
            assert link.fetch("SELECT 0.1::float4, 1", ()) == [(0.1, 1)]
            assert link.fetch("SELECT '<a/>'::xml, 1", ()) == [("<a/>", 1)]
            assert link.fetch("SELECT 1, 2.5::float8", ()) == [(1, 2.5)]
        assert link._formats == {
            "SELECT 0.1::float4, 1": False,
            "SELECT '<a/>'::xml, 1": False,
            "SELECT 1, 2.5::float8": True,
        }

    on_link(work)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(-(2**63), 2**63 - 1),
    ratio=st.floats(),
    price=st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12),
    moment=st.datetimes(timezones=st.just(datetime.UTC)),
    span=st.timedeltas(datetime.timedelta(days=-99999), datetime.timedelta(days=99999)),
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)
def test_any_values_come_back_as_they_were(
    engine: Any,
    number: int,
    ratio: float,
    price: decimal.Decimal,
    moment: datetime.datetime,
    span: datetime.timedelta,
    text: str,
) -> None:
    sql = "SELECT %s::int8, %s::numeric, %s::timestamptz, %s::interval, %s::text, %s::float8"
    values = (number, price, moment, span, text, ratio)
    first, second = connection.fetch(sql, values)[0], connection.fetch(sql, values)[0]
    assert first[:5] == second[:5] == values[:5]
    assert str(first[1]) == str(second[1])
    assert math.isnan(second[5]) if math.isnan(ratio) else first[5] == second[5] == ratio


def test_a_query_that_gets_a_type_without_binary_form_is_read_as_text_from_then_on(
    engine: Any, on_link: Callable[[Work], None]
) -> None:
    connection.run("CREATE TABLE changing (word TEXT)")
    connection.run("INSERT INTO changing VALUES ('<a/>')")
    connections.release()

    def work(link: Any) -> None:
        sql = "SELECT word FROM changing"
        assert [link.fetch(sql, ()) for _ in range(2)] == [[("<a/>",)]] * 2
        with psycopg.connect(engine.databases["default"]) as other:
            other.execute("ALTER TABLE changing ALTER word TYPE XML USING word::xml")
        # Too early for the server to have prepared it, which would tell.
        assert [link.fetch(sql, ()) for _ in range(8)] == [[("<a/>",)]] * 8
        assert link._formats[sql] is False

    try:
        on_link(work)
    finally:
        connections.close_all()
        connection.run("DROP TABLE changing")


def test_a_query_that_gets_a_type_with_other_values_in_binary_form_is_read_as_text_from_then_on(
    engine: Any, on_link: Callable[[Work], None]
) -> None:
    connection.run("CREATE TABLE changing (amount INTEGER)")
    connection.run("INSERT INTO changing VALUES (1)")
    connections.release()

    def work(link: Any) -> None:
        sql = "SELECT amount FROM changing"
        assert [link.fetch(sql, ()) for _ in range(2)] == [[(1,)]] * 2
        with psycopg.connect(engine.databases["default"]) as other:
            other.execute("ALTER TABLE changing ALTER amount TYPE REAL USING 0.1")
        assert [link.fetch(sql, ()) for _ in range(8)] == [[(0.1,)]] * 8

    try:
        on_link(work)
    finally:
        connections.close_all()
        connection.run("DROP TABLE changing")


def test_loaders_of_ones_own_are_used(on_link: Callable[[Work], None]) -> None:
    def work(link: Any) -> None:
        link._cursor.adapters.register_loader("numeric", FloatLoader)
        for _ in range(3):
            assert repr(link.fetch("SELECT 1.5::numeric", ())) == "[(1.5,)]"

    on_link(work)


def test_cursors_that_write_values_into_the_text_of_a_query_know_no_binary_form(engine: Any) -> None:
    full = configuration("default", engine.databases["default"])
    options = {**full["OPTIONS"], "cursor_factory": psycopg.ClientCursor}
    with override_settings(DATABASES={"default": {**full, "OPTIONS": options}}):
        for _ in range(3):
            assert connection.fetch("SELECT %s + 1", (1,)) == [(2,)]
        connections.close_all()


def test_only_so_many_queries_are_remembered(on_link: Callable[[Work], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_QUERIES", 3)

    def work(link: Any) -> None:
        for number in range(10):
            assert link.fetch(f"SELECT {number}", ()) == [(number,)]
            assert len(link._formats) <= 3

    on_link(work)


def test_what_writes_is_read_as_text(engine: Any) -> None:
    connection.run("CREATE TABLE changing (number INT4)")
    try:
        link = connection.make_link(connection.connection)
        for _ in range(3):
            assert link.fetch("INSERT INTO changing VALUES (1) RETURNING number", ()) == [(1,)]
        assert list(link._formats.values()) == [False]
    finally:
        connection.run("DROP TABLE changing")

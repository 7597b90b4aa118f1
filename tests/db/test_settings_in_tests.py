"""Settings of databases that are overridden in a test: what is kept of them follows, and a transaction goes on."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from webframe.db import connection, connections, models, router, transaction
from webframe.db.errors import TransactionManagementError
from webframe.greenlets import bridge
from webframe.test import override_settings


def session_zone() -> str | None:
    """The time zone of the session that the code here uses; None on SQLite, which has no such thing."""
    if connection.vendor == "sqlite":
        return None
    statement = "SHOW TimeZone" if connection.vendor == "postgresql" else "SELECT @@session.time_zone"
    return str(connection.fetch(statement, ())[0][0])


# The time zones of a session as each database says it: UTC, and another one that the server knows by itself.
ZONES = {"sqlite": (None, None), "postgresql": ("UTC", "Europe/Rome"), "mysql": ("+00:00", "+01:00")}


def elsewhere(engine: Any) -> override_settings:
    return override_settings(USE_TZ=False, TIME_ZONE=ZONES[engine.vendor][1] or "Europe/Rome")


def test_a_session_follows_the_time_zone_of_the_settings(engine: Any) -> None:
    utc, other = ZONES[engine.vendor]
    assert session_zone() == utc
    with elsewhere(engine):
        assert session_zone() == other
        with override_settings(USE_TZ=True):
            assert session_zone() == utc
        assert session_zone() == other
    assert session_zone() == utc


def test_in_a_transaction_a_session_follows_too_and_the_transaction_goes_on(
    engine: Any, define: Any, create_tables: Any
) -> None:
    Note = define("Note", text=models.CharField(max_length=10))
    create_tables()
    utc, other = ZONES[engine.vendor]
    with transaction.atomic():
        Note.objects.create(text="before")
        mine = connection.connection
        with elsewhere(engine):
            assert session_zone() == other
            Note.objects.create(text="within")
        assert session_zone() == utc
        assert connection.connection is mine
        assert [note.text for note in Note.objects.order_by("pk")] == ["before", "within"]
        transaction.set_rollback(True)
    assert not Note.objects.exists()
    assert session_zone() == utc


def test_in_a_transaction_of_async_code_it_goes_on_likewise_where_the_time_zone_stays(
    engine: Any, define: Any, create_tables: Any
) -> None:
    Note = define("Note", text=models.CharField(max_length=10))
    create_tables()

    async def main() -> int:
        async with transaction.atomic():
            await Note.objects.acreate(text="before")
            with override_settings(TIME_ZONE="Europe/Rome"):  # with USE_TZ sessions have UTC all the same
                await Note.objects.acreate(text="within")
            return await Note.objects.acount()

    assert asyncio.run(main()) == 2


@pytest.mark.engines("postgresql", "mysql")
def test_in_a_transaction_of_async_code_whose_session_has_to_change_it_is_lost_and_says_why(engine: Any) -> None:
    async def main() -> None:
        async with transaction.atomic():
            await bridge(connection.fetch, "SELECT 1", ())
            with elsewhere(engine):
                await bridge(connection.fetch, "SELECT 1", ())

    with pytest.raises(TransactionManagementError, match="setting USE_TZ or TIME_ZONE was overridden within it"):
        asyncio.run(main())

    async def again() -> Any:
        async with transaction.atomic():
            return await bridge(session_zone)

    assert asyncio.run(again()) == ZONES[engine.vendor][0]


@pytest.mark.engines("postgresql", "mysql")
def test_behind_a_method_of_async_code_it_goes_on(engine: Any) -> None:
    def inside() -> tuple[Any, ...]:
        with transaction.atomic():
            before = session_zone()
            with elsewhere(engine):
                within = session_zone()
            return before, within, session_zone()

    utc, other = ZONES[engine.vendor]
    assert asyncio.run(bridge(inside)) == (utc, other, utc)


def test_a_session_keeps_its_connection_where_its_time_zone_stays(engine: Any) -> None:
    connection.ensure_connection()
    mine = connection.connection
    with override_settings(TIME_ZONE="Europe/Rome"):
        assert connection.connection is mine
    assert connection.connection is mine


def test_a_broken_transaction_says_what_broke_it_not_the_time_zone(engine: Any) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), elsewhere(engine):
        try:
            connection.run("SELECT nothing FROM nowhere")
        except Exception:
            raise ZeroDivisionError from None
    assert session_zone() == ZONES[engine.vendor][0]


@pytest.mark.engines("sqlite", "postgresql")  # the tables of time zones are empty in our server of MySQL
def test_moments_are_read_and_compared_as_the_settings_say_though_the_queries_are_compiled_already(
    engine: Any, define: Any, create_tables: Any
) -> None:
    Note = define("Note", at=models.DateTimeField())
    create_tables()
    moment = datetime.datetime(2024, 7, 1, 22, 30, tzinfo=datetime.UTC)
    Note.objects.create(at=moment)

    def days() -> list[int]:
        return [day for day in range(1, 4) if Note.objects.filter(at__day=day).exists()]

    assert (Note.objects.get().at, days()) == (moment, [1])
    with override_settings(TIME_ZONE="Europe/Rome"):
        assert (Note.objects.get().at, days()) == (moment, [2])
        assert Note.objects.filter(at__date=datetime.date(2024, 7, 2)).exists()
    with override_settings(USE_TZ=False):
        assert (Note.objects.get().at, days()) == (moment.replace(tzinfo=None), [1])
        assert Note.objects.filter(at=moment.replace(tzinfo=None)).exists()
    assert (Note.objects.get().at, days()) == (moment, [1])


def test_another_database_is_used_within_and_the_former_one_afterwards(engine: Any) -> None:
    def name() -> Any:
        return connection.settings_dict["NAME"]

    connection.ensure_connection()
    before = name()
    with override_settings(DATABASES={"default": engine.databases["other"]}):
        connection.ensure_connection()
        assert name() != before
        assert list(connections) == ["default"]
    connection.ensure_connection()
    assert (name(), list(connections)) == (before, ["default", "other"])


class ToOther:
    def db_for_write(self, model: type, **hints: Any) -> str:
        return "other"


def test_other_routers_are_asked_within_and_the_former_ones_afterwards(engine: Any, define: Any) -> None:
    Note = define("Note")
    assert router.db_for_write(Note) == "default"
    with override_settings(DATABASE_ROUTERS=[ToOther()]):
        assert router.db_for_write(Note) == "other"
        with override_settings(DATABASE_ROUTERS=[]):
            assert router.db_for_write(Note) == "default"
        assert router.db_for_write(Note) == "other"
    assert router.db_for_write(Note) == "default"

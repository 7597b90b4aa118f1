"""Counting queries in tests: `CaptureQueriesContext` and `count_queries`, on every engine, plain and async."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from webframe import Webframe
from webframe.db import connection, connections, models, transaction
from webframe.test import Client, count_queries, override_settings
from webframe.test.utils import CaptureQueriesContext

from .conftest import Define


@pytest.fixture
def Note(define: Define, create_tables: Callable[..., None]) -> Any:
    model = define("Note", text=models.CharField(max_length=50))
    create_tables()
    return model


def words(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"].split()[0] for query in queries]


def test_queries_are_captured_in_order(Note: Any) -> None:
    with CaptureQueriesContext(connection) as queries:
        Note.objects.create(text="one")
        assert len(queries) == 1
        assert Note.objects.filter(text="one").exists()
    Note.objects.count()
    assert words(queries) == ["INSERT", "SELECT"]
    assert len(queries) == 2 and queries[0] is queries.captured_queries[0]
    assert "one" in map(str, queries[1]["params"]) and float(queries[1]["time"]) >= 0


def test_transactions_and_savepoints_are_counted(Note: Any) -> None:
    with CaptureQueriesContext(connection) as queries, transaction.atomic(), transaction.atomic():
        Note.objects.create(text="one")
    assert words(queries) == ["BEGIN", "SAVEPOINT", "INSERT", "RELEASE", "COMMIT"]


def test_the_beginning_of_a_transaction_around_the_block_is_not_counted(Note: Any) -> None:
    connection.close()
    with transaction.atomic(), count_queries(1):
        Note.objects.create(text="one")

    async def in_a_task() -> None:
        async with transaction.atomic():
            async with count_queries(1):
                await Note.objects.acreate(text="two")

    asyncio.run(in_a_task())


def test_a_block_in_async_code_may_be_plain_or_async(Note: Any) -> None:
    async def in_a_task() -> None:
        with count_queries(1) as queries:
            await Note.objects.acount()
        async with count_queries(2):
            await asyncio.gather(Note.objects.acount(), Note.objects.afirst())
        assert words(queries) == ["SELECT"]

    asyncio.run(in_a_task())


def test_only_the_database_that_was_named_is_heard(Note: Any) -> None:
    with count_queries(0, using="other"), count_queries(1):
        Note.objects.count()
    with CaptureQueriesContext(connections["other"]) as queries:
        connections["other"].fetch("SELECT 1")
    assert [query["sql"] for query in queries] == ["SELECT 1"]


def test_other_threads_are_not_heard_and_blocks_may_nest(Note: Any) -> None:
    with count_queries(2), count_queries() as inner:
        Note.objects.count()
        thread = threading.Thread(target=Note.objects.count)
        thread.start()
        thread.join()
        Note.objects.count()
    assert len(inner) == 2


def test_requests_of_a_client_are_heard(Note: Any, protocol: str) -> None:
    app = Webframe(__name__)

    @app.get("/")
    def index(request: Any) -> dict[str, Any]:
        return {"count": Note.objects.count()}

    @app.get("/later")
    async def later(request: Any) -> dict[str, Any]:
        return {"count": await Note.objects.acount()}

    with Client(app, protocol=protocol) as client, count_queries(2):
        client.get("/")
        client.get("/later")


def test_a_wrong_number_is_an_error_that_shows_the_queries(Note: Any) -> None:
    with pytest.raises(AssertionError) as caught, count_queries(3):
        Note.objects.count()
        Note.objects.filter(text="one").exists()
    first, second, *queries = str(caught.value).splitlines()
    assert first == "2 queries were executed, 3 expected."
    assert second == "Captured queries were:"
    assert queries[0].upper().startswith("1. SELECT COUNT(*)") and "one" in queries[1]
    with pytest.raises(AssertionError, match="1 query was executed, at most 0 expected"), count_queries(at_most=0):
        Note.objects.count()
    with count_queries(at_most=1):
        Note.objects.count()


def test_an_error_of_the_block_is_not_hidden(Note: Any) -> None:
    with pytest.raises(ZeroDivisionError), count_queries(3):
        Note.objects.count()
        raise ZeroDivisionError
    assert connection.watchers == 0


def test_the_log_of_queries_is_what_it_was(Note: Any) -> None:
    with count_queries(1):
        Note.objects.count()
    assert connection.queries == []
    with override_settings(DEBUG=True), count_queries(1):
        Note.objects.count()
        assert len(connection.queries) == 1

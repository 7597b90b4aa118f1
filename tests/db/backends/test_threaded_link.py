"""Async code on a database without an async driver: each statement in a thread, whatever the driver."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import make_url

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import IntegrityError, OperationalError, connection, connections, transaction
from webframe.db.backends.drivers import threads
from webframe.greenlets import bridge
from webframe.test import override_settings

# --- threads --------------------------------------------------------------------------------------------------------


def test_a_call_runs_in_a_thread_and_gives_its_result_or_error() -> None:
    def work() -> None:
        assert threads.call(threading.current_thread).name.startswith("webframe-db-")
        assert threads.call(dict, a=1) == {"a": 1}
        with pytest.raises(ZeroDivisionError):
            threads.call(lambda: 1 / 0)

    asyncio.run(bridge(work))


def test_calls_one_after_another_share_a_thread() -> None:
    names: list[str] = []

    def work() -> None:
        for _ in range(100):
            names.append(threads.call(lambda: threading.current_thread().name))

    asyncio.run(bridge(work))
    assert len(set(names)) <= 2


def test_nobody_waits_for_a_thread() -> None:
    everybody = threading.Barrier(60)

    async def main() -> None:
        # With fewer threads than calls none of them would ever end.
        await asyncio.gather(*(bridge(threads.call, everybody.wait, 20) for _ in range(60)))

    asyncio.run(main())


def test_threads_that_have_nothing_to_do_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "PATIENCE", 0.05)
    monkeypatch.setattr(threads, "_idle", [])
    thread = asyncio.run(bridge(threads.call, threading.current_thread))
    thread.join(5)
    assert not thread.is_alive()
    # Nobody asks it any more, which would take for ever. Threads of other tests may have become free meanwhile.
    assert asyncio.run(bridge(threads.call, threading.current_thread)) is not thread


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_the_child_of_a_fork_has_threads_of_its_own() -> None:
    asyncio.run(bridge(threads.call, threading.get_ident))
    child = os.fork()
    if not child:
        os._exit(0 if asyncio.run(bridge(threads.call, lambda: 42)) == 42 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_call_outside_of_greenlets_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(SynchronousOnlyOperation):
            threads.call(int)

    asyncio.run(main())


# --- the link -------------------------------------------------------------------------------------------------------


@pytest.fixture
def generic(engine: Any) -> Iterator[None]:
    url = make_url(engine.databases["default"]).set(drivername="postgresql+psycopg")
    url = url.render_as_string(hide_password=False)
    with override_settings(DATABASES={"default": {"ENGINE": "generic", "URL": url}}):
        connection.run("CREATE TABLE note (id SERIAL PRIMARY KEY, text VARCHAR(20) UNIQUE)")
        try:
            yield
        finally:
            connection.run("DROP TABLE note")
            connections.close_all()


def run(function: Callable[..., Any], *args: Any) -> Any:
    return asyncio.run(bridge(function, *args))


def add(text: str) -> Any:
    return connection.run("INSERT INTO note (text) VALUES (%s)", (text,))


on_postgresql = pytest.mark.engines("postgresql")


@on_postgresql
def test_statements_and_transactions(generic: None) -> None:
    def work() -> Any:
        add("a")
        with transaction.atomic():
            add("b")
            with pytest.raises(IntegrityError), transaction.atomic():
                add("lost")
                add("a")
            assert connection.in_atomic_block
        assert connection.run_many("INSERT INTO note (text) VALUES (%s)", [("c",), ("d",)]) == 2
        cursor = connection.cursor()
        cursor.execute("SELECT text FROM note WHERE text > %s ORDER BY id", ["a"])
        assert cursor.fetchall() == [("b",), ("c",), ("d",)]
        with transaction.atomic():
            assert [rows for rows in connection.iterate("SELECT id FROM note ORDER BY id", (), 3)][0]
        return connection.fetch("SELECT count(*) FROM note")

    assert run(work) == [(4,)]
    assert connection.fetch("SELECT count(*) FROM note") == [(4,)]


@on_postgresql
def test_a_statement_that_is_cancelled_is_ended_and_its_connection_closed(generic: None) -> None:
    async def main() -> None:
        start = time.monotonic()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), transaction.atomic():
                    await bridge(add, "lost")
                    await bridge(connection.fetch, "SELECT pg_sleep(10)")
        assert await bridge(add, "lost") == 1  # nobody holds it any more
        assert time.monotonic() - start < 5
        assert await bridge(connection.fetch, "SELECT count(*) FROM note") == [(1,)]

    asyncio.run(main())


@on_postgresql
def test_everybody_may_wait_for_a_lock_in_the_database(generic: None) -> None:
    async def change(number: int) -> None:
        async with transaction.atomic():
            await bridge(connection.run, "UPDATE note SET text = text || '.' WHERE id = 1")
            await asyncio.sleep(0)

    async def main() -> None:
        await bridge(add, "a")
        await asyncio.gather(*map(change, range(15)))
        assert await bridge(connection.fetch, "SELECT text FROM note") == [("a" + "." * 15,)]

    asyncio.run(main())


@on_postgresql
def test_a_connection_that_cannot_be_made_is_an_error(generic: None) -> None:
    url = "postgresql+psycopg://nobody@/nowhere?host=/tmp/no-such-directory"
    with override_settings(DATABASES={"default": {"ENGINE": "generic", "URL": url}}):
        with pytest.raises(OperationalError):
            run(connection.fetch, "SELECT 1")

"""SQLite from async code, through the wrapper: files, databases in memory, threads and tasks side by side."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe.db import OperationalError, connection, connections, transaction
from webframe.db.backends.signals import connection_created
from webframe.greenlets import bridge
from webframe.test import override_settings
from webframe.workers import run

# Takes about half a second.
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT i FROM n"
SLOW = f"SELECT count(*) FROM ({NUMBERS})"


@pytest.fixture(params=["file", "memory"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    url = f"sqlite:///{tmp_path / 'notes.db'}" if request.param == "file" else "sqlite://"
    with override_settings(DATABASES={"default": url}):
        connection.run("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
        yield request.param
        connections.close_all()


def add(text: str) -> Any:
    return connection.insert("INSERT INTO note (text) VALUES (?)", (text,))


def texts() -> list[str]:
    return [text for (text,) in connection.fetch("SELECT text FROM note ORDER BY id")]


def test_tasks_and_threads_see_the_same_database(database: str) -> None:
    async def main() -> None:
        await bridge(add, "task")
        await run(add, "worker")
        assert (await bridge(texts))[:3] == ["thread", "task", "worker"]

    add("thread")
    asyncio.run(main())
    assert texts() == ["thread", "task", "worker"]
    asyncio.run(main())
    assert len(texts()) == 5


def test_a_worker_waits_for_a_transaction_of_a_task_that_began_in_that_worker(database: str) -> None:
    begun = asyncio.Event()

    async def write() -> None:
        async with transaction.atomic():
            await run(add, "first")
            begun.set()
            await asyncio.sleep(0.05)

    async def write_next() -> None:
        await begun.wait()
        await run(add, "second")

    async def main() -> None:
        await asyncio.gather(write(), write_next())

    asyncio.run(main())
    assert texts() == ["first", "second"]


@pytest.mark.parametrize("tasks", [100])
def test_many_tasks_in_transactions_of_their_own(database: str, tasks: int) -> None:
    async def write(number: int) -> None:
        async with transaction.atomic():
            before = await bridge(texts)
            await bridge(add, str(len(before)))
            await asyncio.sleep(0)
            assert await bridge(texts) == [*before, str(len(before))]

    async def main() -> None:
        await asyncio.gather(*map(write, range(tasks)))

    threads = threading.active_count()
    asyncio.run(main())
    assert texts() == [str(number) for number in range(tasks)]
    assert threading.active_count() <= threads + 41  # no more than there are connections


def test_threads_write_beside_tasks(database: str) -> None:
    def in_thread() -> None:
        for _ in range(20):
            with transaction.atomic():
                add("thread")
        connections.release()

    async def in_task() -> None:
        for _ in range(20):
            async with transaction.atomic():
                await bridge(add, "task")

    async def main() -> None:
        threads = [threading.Thread(target=in_thread) for _ in range(3)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(in_task() for _ in range(3)))
        for thread in threads:
            await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert sorted(texts()) == ["task"] * 60 + ["thread"] * 60


def test_a_task_that_is_cancelled_in_a_transaction_leaves_nothing_behind(database: str) -> None:
    async def write() -> None:
        async with transaction.atomic():
            await bridge(add, "lost")
            await bridge(connection.run, f"UPDATE note SET text = ({SLOW})")

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await write()
            # The same task goes on at once, and others too.
            await bridge(add, "kept")
        assert await run(texts) == ["kept"] * 3

    asyncio.run(main())
    with transaction.atomic():
        add("after")
    assert texts() == ["kept"] * 3 + ["after"]


def test_a_slow_question_does_not_keep_the_loop(database: str) -> None:
    async def main() -> None:
        asking = asyncio.create_task(bridge(connection.fetch, SLOW))
        ticks = 0
        while not asking.done():
            await asyncio.sleep(0.002)
            ticks += 1
        assert asking.result() == [(1500000,)]
        assert ticks > 20

    asyncio.run(main())


def test_a_slow_question_can_be_cancelled(database: str) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await bridge(connection.fetch, SLOW)
        assert await bridge(texts) == []

    asyncio.run(main())


def test_streams(database: str) -> None:
    def stream() -> list[Any]:
        for number in range(10):
            add(str(number))
        chunks = connection.iterate("SELECT text FROM note ORDER BY id", (), 4)
        first = next(chunks)
        chunks.close()
        return [first, *connection.iterate("SELECT text FROM note ORDER BY id", (), 4)]

    async def main() -> None:
        chunks = await bridge(stream)
        assert [len(chunk) for chunk in chunks] == [4, 4, 4, 2]
        await bridge(connection.run, "DELETE FROM note")

    asyncio.run(main())


@pytest.mark.parametrize("how", ["closed", "collected"])
def test_a_stream_that_is_left_early_does_no_harm_to_the_transaction_of_another_task(database: str, how: str) -> None:
    async def main() -> None:
        entered, left = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with transaction.atomic():
                await bridge(add, "first")
                entered.set()
                await left.wait()
                await bridge(add, "second")

        rows = await bridge(connection.iterate, "SELECT text FROM note", (), 10)
        assert len(await bridge(next, rows)) == 10
        task = asyncio.create_task(write())
        await entered.wait()
        if how == "closed":
            await bridge(rows.close)
        del rows
        gc.collect()
        left.set()
        await task
        assert (await bridge(texts))[-2:] == ["first", "second"]
        pool = connections["default"].loop_pool(asyncio.get_running_loop())
        assert pool.count == pool.idle  # none has been forgotten

    for number in range(50):
        add(str(number))
    asyncio.run(main())


@pytest.mark.parametrize("side", ["task", "thread"])
def test_who_iterates_over_rows_keeps_nobody_from_being_cancelled_nor_the_others_from_asking(
    database: str, side: str
) -> None:
    async def main() -> None:
        if side == "task":
            rows.append(await bridge(connection.iterate, "SELECT text FROM note", (), 10))
            assert len(await bridge(next, rows[0])) == 10
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await bridge(connection.fetch, SLOW)
        await bridge(add, "more")
        assert len(await bridge(texts)) == 51
        if side == "task":
            assert sum(map(len, await bridge(list, rows[0]))) == 40

    rows: list[Any] = []
    for number in range(50):
        add(str(number))
    if side == "thread":
        rows.append(connection.iterate("SELECT text FROM note", (), 10))
        next(rows[0])
    asyncio.run(main())
    rows[0].close()


def test_each_connection_is_announced_once(database: str) -> None:
    seen: list[Any] = []

    def announce(sender: Any, connection: Any, **kwargs: Any) -> None:
        seen.append(connection.fetch("SELECT 1"))

    connections.close_all()
    connection.dispose()
    connection_created.connect(announce)
    try:

        async def main() -> None:
            for _ in range(3):
                await bridge(connection.fetch, "SELECT 1")

        asyncio.run(main())
    finally:
        connection_created.disconnect(announce)
    assert seen == [[(1,)]]


def test_the_loop_never_waits_for_a_lock_of_another_process(tmp_path: Path) -> None:
    with override_settings(DATABASES={"default": f"sqlite:///{tmp_path / 'notes.db'}?timeout=0.3"}):
        connection.run("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
        other = sqlite3.connect(tmp_path / "notes.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        async def main() -> None:
            writing = asyncio.create_task(bridge(add, "late"))
            ticks = 0
            while not writing.done():
                await asyncio.sleep(0.005)
                ticks += 1
                assert await bridge(texts) == []
            assert ticks > 10
            with pytest.raises(OperationalError, match="locked") as caught:
                await writing
            assert "0.3 seconds of 'timeout'" in caught.value.__notes__[0]

        asyncio.run(main())
        other.close()
        connections.close_all()


def test_options_hold_for_connections_of_async_code(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'notes.db'}?timeout=7&init_command=PRAGMA+cache_size=-1234&pool_size=2"
    with override_settings(DATABASES={"default": url}):

        def ask() -> list[Any]:
            names = ("journal_mode", "foreign_keys", "cache_size", "busy_timeout")
            return [connection.fetch(f"PRAGMA {name}")[0][0] for name in names]

        assert asyncio.run(bridge(ask)) == ["wal", 1, -1234, 7000]
        assert asyncio.run(bridge(connection.fetch, "SELECT 'É' REGEXP '.'")) == [(1,)]
        connections.close_all()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_event_loop_that_ends_in_the_middle_of_a_transaction_does_not_keep_the_turn(database: str) -> None:
    async def begin() -> None:
        async with transaction.atomic():
            await bridge(add, "lost")
            await asyncio.Event().wait()

    def leave_in_the_middle() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(begin(), context=contextvars.Context())
        task._log_destroy_pending = False
        loop.run_until_complete(asyncio.wait([task], timeout=0.1))
        loop.close()

    leave_in_the_middle()
    gc.collect()
    asyncio.run(bridge(add, "kept"))
    assert texts() == ["kept"]

"""How async code uses a connection of sqlite3: quick questions on the loop, the rest in threads, writers in line."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe.db.backends.drivers.adaptive import DETOURS, AdaptiveLink, Line
from webframe.db.backends.drivers.sqlite3 import SQLiteLink
from webframe.db.backends.drivers.threaded import connect
from webframe.db.errors import InterfaceError, OperationalError
from webframe.greenlets import bridge

# Takes about half a second.
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT count(*) FROM n"
SLOW_SELECT = f"SELECT * FROM ({SLOW})"


class Database:
    """A file, the line of its writers, and links to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = Line(30.0)
        self.opened: list[sqlite3.Connection] = []
        raw = self.open()
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
        raw.execute("INSERT INTO note (text) VALUES ('first')")

    def open(self, timeout: float = 5.0) -> sqlite3.Connection:
        raw = sqlite3.connect(self.path, timeout=timeout, isolation_level=None, check_same_thread=False)
        self.opened.append(raw)
        return raw

    def link(self, timeout: float = 5.0, begin: str = "IMMEDIATE") -> AdaptiveLink:
        return AdaptiveLink(SQLiteLink(self.open(timeout), begin), asyncio.get_running_loop(), self.line)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "notes.db")
    yield database
    for raw in database.opened:
        raw.close()


def run(function: Callable[[], Any]) -> Any:
    """Call a function in a greenlet on an event loop."""
    return asyncio.run(bridge(function))


async def stalls(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and the longest time for which it kept the event loop, in seconds."""
    longest, last, over = 0.0, time.perf_counter(), False

    async def watch() -> None:
        nonlocal longest, last
        last = time.perf_counter()
        while not over:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    result = await bridge(function)
    over = True
    await watching
    return result, longest


def watched(link: AdaptiveLink) -> list[tuple[str, bool]]:
    """The statements that a link is going to run, but for those that it asks itself, and whether on this thread."""
    here, ran = threading.current_thread(), list[tuple[str, bool]]()

    def note(sql: str) -> None:
        if "busy_timeout" not in sql and "EXPLAIN" not in sql and "_list" not in sql and "page_count" not in sql:
            ran.append((sql, threading.current_thread() is here))

    link.raw.set_trace_callback(note)
    return ran


def closed(raw: sqlite3.Connection) -> bool:
    try:
        return raw.in_transaction and False  # which may be asked while a thread is closing it
    except sqlite3.ProgrammingError as error:
        return "closed" in str(error)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


def test_quick_questions_are_answered_on_the_loop_and_everything_else_in_a_thread(database: Database) -> None:
    def statements() -> list[tuple[str, bool]]:
        link = database.link()
        ran = watched(link)
        link.fetch("SELECT text FROM note", ())
        link.fetch("  select upper(text) FROM note", ())
        link.fetch("INSERT INTO note (text) VALUES ('returned') RETURNING id", ())
        link.run("UPDATE note SET text = 'new'", ())
        link.insert("INSERT INTO note (text) VALUES ('more')", ())
        link.run_many("INSERT INTO note (text) VALUES (?)", [("many",)])
        link.command("PRAGMA user_version=1")
        return ran

    assert [(sql.split()[0], on_loop) for sql, on_loop in run(statements)] == [
        ("SELECT", True),
        ("select", True),
        ("INSERT", False),
        ("UPDATE", False),
        ("INSERT", False),
        ("INSERT", False),
        ("PRAGMA", False),
    ]


@pytest.mark.alone
def test_a_question_that_takes_too_long_is_asked_again_in_a_thread_and_the_loop_is_free(database: Database) -> None:
    async def main() -> None:
        link = database.link()
        rows, longest = await stalls(lambda: link.fetch(SLOW_SELECT, ()))
        assert rows == [(1500000,)]
        assert longest < 0.2
        # It is remembered for a while, so the loop is not kept a millisecond each time.
        assert database.line.detours[SLOW_SELECT] == DETOURS
        database.line.detours["SELECT text FROM note"] = 2
        ran = watched(link)
        for _ in range(3):
            await bridge(link.fetch, "SELECT text FROM note", ())
        assert [on_loop for _, on_loop in ran] == [False, False, True]

    asyncio.run(main())


def test_a_question_within_a_transaction_may_take_too_long_without_harm(database: Database) -> None:
    def transaction() -> None:
        link = database.link()
        link.begin(False)
        link.run("UPDATE note SET text = 'changed'", ())
        assert link.fetch(SLOW_SELECT, ()) == [(1500000,)]
        assert link.is_in_transaction()
        link.commit()

    run(transaction)
    assert database.open().execute("SELECT text FROM note").fetchall() == [("changed",)]


def test_context_variables_are_seen_in_the_thread(database: Database) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    def statements() -> Any:
        link = database.link()
        link.raw.create_function("name", 0, name.get)
        name.set("Ada")
        link.run("UPDATE note SET text = name()", ())
        return link.fetch("SELECT text, name() FROM note", ())

    assert run(statements) == [("Ada", "Ada")]


@pytest.mark.alone
def test_what_is_read_while_the_file_is_locked_waits_in_a_thread(database: Database) -> None:
    database.opened[0].close()
    other = database.open()
    other.execute("PRAGMA journal_mode=DELETE")

    async def main() -> None:
        link = database.link()
        assert await bridge(link.fetch, "SELECT text FROM note", ()) == [("first",)]
        other.execute("BEGIN EXCLUSIVE")
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
        start = time.monotonic()
        rows, longest = await stalls(lambda: link.fetch("SELECT text FROM note", ()))
        assert rows == [("first",)] and time.monotonic() - start > 0.15
        assert longest < 0.1

    asyncio.run(main())


def test_a_lock_that_stays_is_an_error_after_the_timeout(database: Database) -> None:
    other = database.open()
    other.execute("BEGIN IMMEDIATE")

    def begin() -> None:
        link = database.link(timeout=0.2)
        link.fetch("SELECT 1", ())
        start = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            link.begin(False)
        assert time.monotonic() - start > 0.15
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            link.run("DELETE FROM note", ())
        # Nobody has been left in the line.
        assert database.line.guard.try_acquire()

    run(begin)


def test_the_timeout_may_be_changed_by_sql(database: Database) -> None:
    database.open().execute("BEGIN IMMEDIATE")

    def begin() -> float:
        link = database.link()
        link.fetch("SELECT 1", ())
        link.cursor().execute("PRAGMA busy_timeout=100")
        link.fetch("SELECT 1", ())
        start = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            link.begin(False)
        return time.monotonic() - start

    assert 0.05 < run(begin) < 2


def test_writers_stand_in_line_without_threads(database: Database) -> None:
    async def main() -> None:
        before = threading.active_count()
        links = [database.link() for _ in range(50)]
        order: list[int] = []

        def write(number: int) -> None:
            link = links[number]
            link.begin(False)
            order.append(number)
            (text,) = link.fetch("SELECT text FROM note", ())[0]
            link.run("UPDATE note SET text = ?", (f"{text} {number}",))
            link.commit()

        await asyncio.gather(*(bridge(write, number) for number in range(50)))
        assert order == list(range(50))
        assert threading.active_count() <= before + 4
        rows = await bridge(links[0].fetch, "SELECT text FROM note", ())
        assert rows == [("first " + " ".join(map(str, range(50))),)]

    asyncio.run(main())


def test_the_line_has_an_end(database: Database) -> None:
    database.line.timeout = 0.1

    async def main() -> None:
        first, second = database.link(), database.link()
        await bridge(first.begin, False)
        with pytest.raises(OperationalError, match=r"other tasks of this process .* 0\.1 seconds"):
            await asyncio.create_task(bridge(second.begin, False))
        with pytest.raises(OperationalError, match="this task is writing to it already"):
            await bridge(second.run, "DELETE FROM note", ())
        await bridge(first.rollback)
        assert await bridge(second.run, "DELETE FROM note", ()) == 1

    asyncio.run(main())


def test_a_deferred_transaction_takes_its_turn_when_it_writes(database: Database) -> None:
    def main() -> None:
        link = database.link(begin="DEFERRED")
        link.begin(False)
        link.fetch("SELECT * FROM note", ())
        assert database.line.guard.try_acquire()
        database.line.guard.release()
        link.run("DELETE FROM note", ())
        assert not database.line.guard.try_acquire()
        link.rollback()
        assert database.line.guard.try_acquire()

    run(main)


def test_read_only_transactions_never_wait_for_writers(database: Database) -> None:
    def main() -> None:
        writer, reader = database.link(), database.link()
        writer.begin(False)
        writer.run("UPDATE note SET text = 'second'", ())
        reader.begin(True)
        assert reader.fetch("SELECT text FROM note", ()) == [("first",)]
        writer.commit()
        assert reader.fetch("SELECT text FROM note", ()) == [("first",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.run("DELETE FROM note", ())
        reader.commit()
        assert reader.run("DELETE FROM note", ()) == 1

    run(main)


def test_savepoints(database: Database) -> None:
    def main() -> Any:
        link = database.link()
        link.begin(False)
        link.savepoint("a")
        link.run("UPDATE note SET text = 'lost'", ())
        link.rollback_to("a")
        link.release("a")
        link.savepoint("b")
        link.insert("INSERT INTO note (text) VALUES ('kept')", ())
        link.release("b")
        link.commit()
        return link.fetch("SELECT text FROM note ORDER BY id", ())

    assert run(main) == [("first",), ("kept",)]


def test_a_task_that_is_cancelled_while_it_waits_for_the_lock_of_others_leaves_nothing_behind(
    database: Database,
) -> None:
    other = database.open()
    other.execute("BEGIN IMMEDIATE")

    async def main() -> None:
        first, second = database.link(), database.link()
        task = asyncio.create_task(bridge(first.begin, False))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(bridge(second.run, "UPDATE note SET text = 'second'", ()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(InterfaceError):
            await bridge(first.fetch, "SELECT 1", ())
        first.terminate()
        # A thread is still waiting for the lock, and has the turn until its connection is closed.
        assert not closed(first.raw) and not waiting.done()
        other.execute("COMMIT")
        assert await waiting == 1
        assert closed(first.raw)
        assert not second.is_in_transaction()

    asyncio.run(main())


def test_a_task_that_is_cancelled_in_line_leaves_it(database: Database) -> None:
    async def main() -> None:
        first, second = database.link(), database.link()
        await bridge(first.begin, False)
        task = asyncio.create_task(bridge(second.begin, False))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await bridge(first.rollback)
        # Nothing has happened on its connection.
        assert await bridge(second.run, "DELETE FROM note", ()) == 1

    asyncio.run(main())


def test_an_abandoned_transaction_is_rolled_back_and_gives_the_turn_on(database: Database) -> None:
    async def main() -> None:
        first, second = database.link(), database.link()
        await bridge(first.begin, False)
        await bridge(first.run, "UPDATE note SET text = 'lost'", ())
        first.terminate()
        first.terminate()
        await bridge(second.begin, False)
        assert await bridge(second.fetch, "SELECT text FROM note", ()) == [("first",)]
        await bridge(second.rollback)
        await until(lambda: closed(first.raw))

    asyncio.run(main())


@pytest.mark.alone
def test_an_abandoned_statement_is_interrupted(database: Database) -> None:
    async def main() -> None:
        link = database.link()
        start = time.monotonic()
        task = asyncio.create_task(bridge(link.run, f"UPDATE note SET text = ({SLOW})", ()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        link.terminate()
        await until(lambda: closed(link.raw))
        assert time.monotonic() - start < 0.5
        assert database.line.guard.try_acquire()

    asyncio.run(main())


def test_a_thread_that_fails_before_its_statement_gives_the_turn_on(database: Database) -> None:
    def forbid_pragmas(action: int, *_: object) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_PRAGMA else sqlite3.SQLITE_OK

    def main() -> Any:
        link, another = database.link(), database.link()
        link.begin(read_only=False)  # which is done on the loop; in the thread of the next one it may wait for locks
        link.raw.set_authorizer(forbid_pragmas)  # as an interruption would, whose moment cannot be chosen
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            link.run("INSERT INTO note (text) VALUES ('lost')", ())
        link.terminate()
        another.run("INSERT INTO note (text) VALUES ('second')", ())
        return another.fetch("SELECT text FROM note ORDER BY id", ())

    database.line.timeout = 2.0
    assert run(main) == [("first",), ("second",)]


def test_a_connection_that_nobody_waits_for_any_more_is_closed(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[sqlite3.Connection] = []

    def make() -> sqlite3.Connection:
        begun.set()
        go_on.wait(5)
        made.append(database.open())
        return made[0]

    async def main() -> None:
        task = asyncio.create_task(bridge(connect, make, sqlite3.Connection.close))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await until(lambda: bool(made) and closed(made[0]))

    asyncio.run(main())


def test_a_cursor_has_its_answer_and_what_belongs_to_it(database: Database) -> None:
    def main() -> None:
        cursor = database.link().cursor()
        cursor.execute("SELECT id, text FROM note")
        assert [column[0] for column in cursor.description] == ["id", "text"]
        assert cursor.fetchall() == [(1, "first")]
        cursor.execute("INSERT INTO note (text) VALUES (?)", ("second",))
        assert (cursor.lastrowid, cursor.rowcount, cursor.description) == (2, 1, None)
        cursor.executemany("INSERT INTO note (text) VALUES (?)", [("a",), ("b",)])
        assert cursor.rowcount == 2
        cursor.execute("BEGIN")
        assert not database.line.guard.try_acquire()
        cursor.execute("COMMIT")
        assert database.line.guard.try_acquire()
        cursor.close()

    run(main)


def test_a_stream_is_read_in_threads_and_can_be_closed_early(database: Database) -> None:
    def main() -> None:
        link = database.link()
        link.run_many("INSERT INTO note (text) VALUES (?)", [(str(number),) for number in range(100)])
        stream = link.stream("SELECT text FROM note ORDER BY id", (), 10)
        assert stream.fetchmany(2) == [("first",), ("0",)]
        assert link.fetch("SELECT count(*) FROM note", ()) == [(101,)]
        assert stream.fetchmany(1) == [("1",)]
        stream.close()
        stream.close()
        assert link.run("DELETE FROM note", ()) == 101

    run(main)


@pytest.mark.parametrize(("taken", "on_loop"), [(1, False), (2, True)])
def test_a_stream_that_is_left_early_is_ended_in_a_thread(database: Database, taken: int, on_loop: bool) -> None:
    closed_in: list[threading.Thread] = []

    class Watched:
        def __init__(self, cursor: sqlite3.Cursor) -> None:
            self.fetchmany = cursor.fetchmany

        def close(self) -> None:
            closed_in.append(threading.current_thread())

    def main() -> None:
        link = database.link()
        cursor = link.inner.stream
        link.inner.stream = lambda *args: Watched(cursor(*args))
        stream = link.stream("SELECT text FROM note", (), 10)
        assert len(stream.fetchmany(taken)) == 1
        stream.close()
        assert [thread is threading.current_thread() for thread in closed_in] == [on_loop]

    run(main)


def test_errors_leave_nothing_locked(database: Database) -> None:
    def main() -> None:
        link = database.link()
        for step in (link.fetch, link.run, link.insert):
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                step("SELECT * FROM missing" if step == link.fetch else "DELETE FROM missing", ())
        with pytest.raises(sqlite3.OperationalError):
            link.commit()
        with pytest.raises(RuntimeError, match="StopIteration"):
            link.hop(next, iter(()))
        assert database.line.guard.try_acquire()

    run(main)


def test_closing(database: Database) -> None:
    async def main() -> None:
        link, other = database.link(), database.link()
        await bridge(link.close)
        assert closed(link.raw)
        with pytest.raises(InterfaceError, match="closed"):
            await bridge(link.fetch, "SELECT 1", ())
        link.terminate()
        other.close()  # outside of greenlets
        await until(lambda: closed(other.raw))

    asyncio.run(main())


@pytest.mark.alone
def test_a_shared_connection_is_left_as_it_was_found(database: Database) -> None:
    async def main() -> None:
        inner = SQLiteLink(database.open())
        link = AdaptiveLink(inner, asyncio.get_running_loop(), database.line, shared=True)
        await bridge(link.begin, False)
        await bridge(link.run, "UPDATE note SET text = 'lost'", ())
        task = asyncio.create_task(bridge(link.run, f"UPDATE note SET text = ({SLOW})", ()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        start = time.perf_counter()
        link.terminate()
        assert time.perf_counter() - start < 0.05
        assert not inner.raw.in_transaction
        assert inner.fetch("SELECT text FROM note", ()) == [("first",)]
        another = AdaptiveLink(inner, asyncio.get_running_loop(), database.line, shared=True)
        assert await bridge(another.run, "DELETE FROM note", ()) == 1
        another.terminate()
        assert inner.fetch("SELECT text FROM note", ()) == []

    asyncio.run(main())


def test_a_shared_connection_is_left_in_the_transaction_of_another(database: Database) -> None:
    async def main() -> None:
        inner = SQLiteLink(database.open())
        links = [AdaptiveLink(inner, asyncio.get_running_loop(), database.line, shared=True) for _ in range(3)]
        for link in links:
            await bridge(link.fetch, "SELECT 1", ())
            await bridge(link.begin, True)
            await bridge(link.rollback)
        inner.begin(False)
        inner.run("UPDATE note SET text = 'kept'", ())
        await bridge(links[0].close)
        links[1].close()
        links[2].terminate()
        assert inner.raw.in_transaction and inner.begun
        inner.commit()
        assert inner.fetch("SELECT text FROM note", ()) == [("kept",)]

    asyncio.run(main())


def test_a_shared_connection_that_was_only_read_from_can_be_written_to_when_its_user_is_gone(
    database: Database,
) -> None:
    async def main() -> None:
        inner = SQLiteLink(database.open())
        link = AdaptiveLink(inner, asyncio.get_running_loop(), database.line, shared=True)
        await bridge(link.begin, True)
        await bridge(link.command, "ROLLBACK")  # as SQLite does after some errors
        link.terminate()
        assert not inner.begun
        inner.run("DELETE FROM note", ())

    asyncio.run(main())

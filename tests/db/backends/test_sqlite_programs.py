"""What SQLite cannot be interrupted in is never asked on the event loop."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe.db.backends import sqlite_functions
from webframe.db.backends.drivers import adaptive
from webframe.db.backends.drivers.adaptive import AdaptiveLink, Line
from webframe.db.backends.drivers.sqlite3 import SQLiteLink
from webframe.db.backends.drivers.sqlite_programs import LONG, Pace, are_short, pace_of, quick_functions
from webframe.greenlets import bridge


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is interrupted because this machine is busy with something else."""
    monkeypatch.setattr(adaptive, "BUDGET", 60.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that has a table of a few rows."""
    path = tmp_path / "notes.db"
    raw = opened(path)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
    raw.execute("INSERT INTO note (text) VALUES ('first')")
    raw.close()
    return path


def opened(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    sqlite_functions.install(raw)
    return raw


def fill(path: Path) -> None:
    """Put 200,000 more rows into it, which are some megabytes."""
    raw = opened(path)
    raw.execute(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 200001)"
        " INSERT INTO note SELECT i, 'text' FROM n"
    )
    raw.close()


@pytest.fixture
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    raw = opened(path)
    yield raw
    raw.close()


def asked(raw: sqlite3.Connection, *questions: str) -> list[tuple[str, bool]]:
    """Ask questions on an event loop, and close; what SQLite ran for them, and whether it ran on the loop."""
    here, ran = threading.current_thread(), list[tuple[str, bool]]()
    raw.set_trace_callback(lambda sql: ran.append((sql, threading.current_thread() is here)))

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), Line(30.0))
        for question in questions:
            link.fetch(question, ())

    asyncio.run(bridge(ask))
    return [(sql, on_loop) for sql, on_loop in ran if sql in questions]


def pace(raw: sqlite3.Connection, sql: str, params: Any = ()) -> Pace:
    return pace_of(raw, sql, params, quick_functions(raw))


@pytest.mark.parametrize(
    "question",
    [
        "SELECT 1",
        "SELECT id, text FROM note WHERE id = 1",
        "SELECT count(*) FROM note WHERE id > 1",
        "SELECT text, count(*), max(id) FROM note GROUP BY text",
        "SELECT lower(text), length(text), replace(text, 'f', ''), json_array(id) ->> '$[0]' FROM note ORDER BY text",
        "SELECT webframe_fold(text), webframe_stddev_pop(id) FROM note WHERE text REGEXP 'f' GROUP BY text",
        "SELECT sum(id) OVER (ORDER BY text) FROM note",
        "SELECT DISTINCT text FROM note UNION SELECT 'x' EXCEPT SELECT 'y'",
    ],
)
def test_ordinary_questions_can_be_interrupted(raw: sqlite3.Connection, question: str) -> None:
    assert pace(raw, question) is Pace.SURE
    assert asked(raw, question) == [(question, True)]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT mine(id) FROM note",
        "SELECT id FROM note WHERE MINE(id)",
        "SELECT total_of_mine(id) FROM note",
        "SELECT total_of_mine(id) FROM note GROUP BY text",
        "SELECT upper(text) FROM note",  # somebody has replaced it
        "SELECT printf('%.*c', 10, 'x')",
        "SELECT value FROM json_each('[1, 2]')",
    ],
)
def test_what_may_take_long_in_one_step_goes_to_a_thread(raw: sqlite3.Connection, question: str) -> None:
    class Mine:
        def step(self, value: Any) -> None: ...

        def finalize(self) -> int:
            return 1

    raw.create_function("mine", 1, lambda value: value)
    raw.create_function("upper", 1, str.upper)
    raw.create_aggregate("total_of_mine", 1, Mine)
    assert pace(raw, question) is Pace.UNSURE
    assert asked(raw, question, question) == [(question, False)] * 2


@pytest.mark.parametrize(
    "question",
    [
        "SELECT id FROM note ORDER BY text COLLATE mine",
        "SELECT id FROM note WHERE text = 'first' COLLATE Mine",
        "SELECT text COLLATE mine, count(*) FROM note GROUP BY 1",
        "SELECT DISTINCT text COLLATE mine FROM note",
        "SELECT max(text COLLATE mine) FROM note",
        "SELECT id FROM page WHERE title > 'a'",
        "SELECT id FROM page ORDER BY title LIMIT 3",
        "SELECT id FROM note WHERE text > 'a' COLLATE one_that_has_a_very_long_name",
    ],
)
def test_a_collation_of_somebody_elses_compares_in_a_thread(raw: sqlite3.Connection, question: str) -> None:
    for name in ("mine", "one_that_has_a_very_long_name"):
        raw.create_collation(name, lambda one, other: (one > other) - (one < other))
    raw.execute("CREATE TABLE page (id INTEGER PRIMARY KEY, title TEXT COLLATE mine)")
    raw.execute("CREATE INDEX page_title ON page (title)")
    assert pace(raw, question) is Pace.UNSURE
    others = "SELECT id FROM note ORDER BY text COLLATE nocase, text COLLATE RTRIM DESC"
    assert asked(raw, question, others) == [(question, False), (others, True)]


def test_questions_that_take_long_to_be_understood_go_to_a_thread_and_are_not_remembered(
    raw: sqlite3.Connection,
) -> None:
    line, here, ran = Line(30.0), threading.current_thread(), list[bool]()
    raw.set_trace_callback(lambda sql: ran.append(threading.current_thread() is here))
    question = f"SELECT 1 FROM note WHERE id IN ({', '.join(['1'] * LONG)})"

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), line)
        assert link.fetch(question, ()) == link.fetch(question, ()) == [(1,)]

    asyncio.run(bridge(ask))
    assert True not in ran and not line.detours


def test_full_text_search_goes_to_a_thread(raw: sqlite3.Connection) -> None:
    raw.execute("CREATE VIRTUAL TABLE page USING fts5 (text)")
    raw.execute("INSERT INTO page (text) VALUES ('a word')")
    question = "SELECT text FROM page WHERE page MATCH 'word'"
    assert asked(raw, question) == [(question, False)]


@pytest.mark.parametrize(
    "condition", ["text LIKE ?", "text GLOB ?", "instr(text, ?)", "upper(text) NOT LIKE ? ESCAPE '!'"]
)
def test_long_patterns_are_looked_for_in_a_thread(raw: sqlite3.Connection, condition: str) -> None:
    question = f"SELECT id FROM note WHERE {condition}"
    here, ran = threading.current_thread(), list[bool]()
    raw.set_trace_callback(
        lambda sql: ran.append(threading.current_thread() is here) if sql.startswith("SELECT") else None
    )
    assert pace(raw, question, ("a",)) is Pace.MATCHING

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), Line(30.0))
        for pattern in ("%a%", "%" + "a" * 100 + "b%", "a", b"a" * 100):
            link.fetch(question, (pattern,))

    asyncio.run(bridge(ask))
    assert ran == [True, False, True, False]


def test_a_long_pattern_goes_to_a_thread_also_when_the_question_took_long_before(raw: sqlite3.Connection) -> None:
    question, line = "SELECT id FROM note WHERE text LIKE ?", Line(30.0)
    line.detours[question] = 2
    here, ran = threading.current_thread(), list[bool]()
    raw.set_trace_callback(
        lambda sql: ran.append(threading.current_thread() is here) if sql.startswith("SELECT") else None
    )

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), line)
        for pattern in ("a", "a", "a" * 100, "a"):
            link.fetch(question, (pattern,))

    asyncio.run(bridge(ask))
    assert ran == [False, False, False, True]


def test_parameters_by_name_may_be_long_patterns_too() -> None:
    assert are_short({"p": "a"}) and are_short(None) and are_short((1, None, 2.5, "a"))
    assert not are_short({"p": "a" * 100}) and not are_short(("a", "a" * 100))


COUNT = "SELECT count(*) FROM note"
WITHIN = "SELECT 1, (SELECT count(*) FROM note)"


def test_a_whole_table_is_counted_on_the_loop_only_in_a_small_database(raw: sqlite3.Connection, path: Path) -> None:
    assert pace(raw, COUNT) is pace(raw, WITHIN) is Pace.COUNTING
    assert asked(opened(path), COUNT, WITHIN) == [(COUNT, True), (WITHIN, True)]
    fill(path)
    assert asked(opened(path), COUNT, WITHIN, COUNT) == [(COUNT, False), (WITHIN, False), (COUNT, False)]


def test_a_table_that_grows_is_counted_in_a_thread_as_soon_as_it_has(raw: sqlite3.Connection, path: Path) -> None:
    here, ran = threading.current_thread(), list[bool]()
    raw.set_trace_callback(lambda sql: ran.append(threading.current_thread() is here) if sql == COUNT else None)

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), Line(30.0))
        assert link.fetch(COUNT, ()) == [(1,)]
        fill(path)
        assert link.fetch(COUNT, ()) == [(200_001,)]

    asyncio.run(bridge(ask))
    assert ran == [True, False]


def test_tables_of_other_files_are_counted_in_a_thread(raw: sqlite3.Connection, path: Path) -> None:
    raw.execute(f"ATTACH DATABASE '{path.with_name('other.db')}' AS other")
    raw.execute("CREATE TABLE other.page (id INTEGER PRIMARY KEY)")
    question = "SELECT count(*) FROM other.page"
    assert asked(raw, question) == [(question, False)]


def test_a_function_that_sleeps_leaves_the_loop_to_others(raw: sqlite3.Connection) -> None:
    raw.create_function("sleep", 1, time.sleep)

    async def main() -> int:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), Line(30.0))
        asking = asyncio.create_task(bridge(link.fetch, "SELECT sleep(0.3)", ()))
        turns = 0
        while not asking.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert await asking == [(None,)]
        return turns

    assert asyncio.run(main()) > 3


LONG_TEXT = "x" * (adaptive.LENGTH + 1)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT length(text) FROM note WHERE id = 2",
        "SELECT text FROM note ORDER BY id DESC",
        "SELECT length(hex(zeroblob(90000)))",
        "SELECT length(group_concat(text)) FROM note",
    ],
)
def test_very_long_values_are_dealt_with_in_a_thread(raw: sqlite3.Connection, question: str) -> None:
    raw.execute("INSERT INTO note VALUES (2, ?)", (LONG_TEXT,))
    limit = raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
    expected = raw.execute(question).fetchall()
    here, ran = threading.current_thread(), list[bool]()
    raw.set_trace_callback(lambda sql: ran.append(threading.current_thread() is here) if sql == question else None)

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), Line(30.0))
        assert link.fetch(question, ()) == link.fetch(question, ()) == expected
        assert raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) == limit
        assert link.fetch("SELECT length(?)", (LONG_TEXT,)) == [(len(LONG_TEXT),)]

    asyncio.run(bridge(ask))
    assert ran == [True, False, False]  # the first time nobody knew


SOME = ["x" * 600, "x", "%s", "%Y" * 300, b"y" * 900, f"[{'1,' * 400}1]", "{}", "$[3]", "2020-01-01", 5000, 1.5, None]


def test_no_quick_function_says_anything_else_where_long_values_are_refused(raw: sqlite3.Connection) -> None:
    unpredictable = {"random", "randomblob", "current_time", "current_timestamp", "webframe_random"}
    functions = {(row[0], row[4]) for row in raw.execute("PRAGMA function_list")}
    usual = raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)

    def answer(question: str, params: tuple[Any, ...], limit: int) -> Any:
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limit)
        try:
            return raw.execute(question, params).fetchall()
        except sqlite3.Error as error:
            return error.sqlite_errorcode, str(error)

    differing, refused = set(), set()
    for name, count in functions:
        if name not in quick_functions(raw) - unpredictable:
            continue
        for params in itertools.product(SOME, repeat=min(count, 2) if count >= 0 else 2):
            question = f'SELECT "{name}"({", ".join("?" * len(params))}{", 900" * (count - 2)})'
            expected, found = answer(question, params, usual), answer(question, params, 1_000)
            if found != expected:
                (refused if found[0] == sqlite3.SQLITE_TOOBIG else differing).add((name, question, str(params)[:80]))
    assert not differing
    assert {"hex", "replace", "quote"} <= {name for name, *_ in refused}


def test_what_is_wrong_with_a_question_is_said_as_if_nobody_had_looked(raw: sqlite3.Connection) -> None:
    wrong: list[tuple[str, Any]] = [
        ("SELECT missing FROM note", ()),
        ("SELECT ?", ()),
        ("SELECT ?", (object(),)),
        ("SELECT 1; SELECT 2", ()),
        ("SELECT '\0", ()),
    ]

    def said(fetch: Any, sql: str, params: Any) -> tuple[type, str]:
        with pytest.raises(Exception) as caught:
            fetch(sql, params)
        return caught.type, str(caught.value)

    def ask() -> None:
        inner = SQLiteLink(raw)
        link = AdaptiveLink(inner, asyncio.get_running_loop(), Line(30.0))
        for sql, params in wrong:
            assert said(link.fetch, sql, params) == said(inner.fetch, sql, params)
        assert link.fetch("SELECT 1", ()) == [(1,)]

    asyncio.run(bridge(ask))


def test_a_question_that_is_first_asked_while_the_file_is_locked_is_looked_at_later(path: Path) -> None:
    fill(path)
    other = opened(path)
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("BEGIN EXCLUSIVE")
    raw = opened(path)
    line = Line(30.0)

    async def main() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), line)
        asyncio.get_running_loop().call_later(0.1, other.execute, "COMMIT")
        assert await bridge(link.fetch, COUNT, ()) == [(200_001,)]
        assert await bridge(link.fetch, COUNT, ()) == [(200_001,)]

    asyncio.run(main())
    raw.close()
    other.close()
    assert line.detours == {COUNT: adaptive.DETOURS_OF[Pace.COUNTING]}


def test_only_so_many_questions_are_remembered(raw: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive, "MAX_QUESTIONS", 3)
    line = Line(30.0)

    def ask() -> None:
        link = AdaptiveLink(SQLiteLink(raw), asyncio.get_running_loop(), line)
        for number in range(5):
            link.fetch(f"SELECT {number}", ())
            assert f"SELECT {number}" in line.detours

    asyncio.run(bridge(ask))
    assert len(line.detours) == 2


def test_without_a_list_of_functions_only_ours_are_known(raw: sqlite3.Connection) -> None:
    class Old:
        def execute(self, sql: str) -> list[Any]:
            return [] if sql == "PRAGMA function_list" else raw.execute(sql).fetchall()

    old: Any = Old()
    assert "lower" in quick_functions(raw)
    assert "lower" not in quick_functions(old) and "webframe_fold" in quick_functions(old)

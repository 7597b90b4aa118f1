"""Claim: a question to SQLite that takes a second keeps an event loop for no longer than 5 ms.

A task goes round the loop without pause and notes the longest time between two of its turns, while the loop awaits
nothing but the end of a second (`quiet`), a question of a second by `sqlite3` in a thread (`thread`), and questions by
webframe, which asks on the loop first and goes to a thread when that takes more than half a millisecond, or could not
be interrupted: the same question of a second (`numbers`); counting a table of three million rows, and looking
something up in 15 MB of JSON, each of which SQLite does in one step; and a function that sleeps for a second.

`quiet` is what the machine does by itself: nothing shorter means anything. `busy` is the most that the thread of the
loop computed in one turn; in what is missing of a stall it was waiting, for a processor or for Python's lock, or the
machine was not run.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import _harness  # noqa: F401 - finds the tree beside it

from webframe.conf import settings
from webframe.db import connection
from webframe.db.backends.signals import connection_created

GOAL = 5.0
WEBFRAME = ("numbers", "table", "json", "function")
NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) SELECT x FROM n"
QUESTION = f"SELECT count(*) FROM ({NUMBERS})"


def a_second(path: Path) -> int:
    """How many numbers are counted in about a second here."""
    plain = sqlite3.connect(path)
    numbers = 500_000
    start = time.perf_counter()
    plain.execute(QUESTION.format(numbers)).fetchall()
    taken = time.perf_counter() - start
    plain.close()
    return int(numbers / taken)


Turn = tuple[float, float]
"""The longest time for which a loop stood still, and the longest for which its thread computed; milliseconds."""


async def longest(wait: Callable[[], Awaitable[object]]) -> Turn:
    """The longest turns of the loop until it had waited for something."""
    stall, busy, over = 0.0, 0.0, False

    async def go_round() -> None:
        nonlocal stall, busy
        while not over:
            start, computed = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            busy = max(busy, time.thread_time() - computed)
            stall = max(stall, time.perf_counter() - start)

    going = asyncio.create_task(go_round())
    await asyncio.sleep(0)
    await wait()
    over = True
    await going
    return stall * 1000, busy * 1000


def fill(path: Path) -> None:
    """Make what takes long to be counted, and what takes long to be understood."""
    plain = sqlite3.connect(path)
    plain.execute("CREATE TABLE number (id INTEGER PRIMARY KEY)")
    plain.execute(f"INSERT INTO number {NUMBERS.format(3_000_000)}")
    plain.execute("CREATE TABLE long (json TEXT)")
    plain.execute("INSERT INTO long SELECT json_group_array(json_object('id', id)) FROM number WHERE id < 1000000")
    plain.commit()
    plain.close()


async def measure(path: Path, rounds: int, shuffler: random.Random) -> dict[str, list[Turn]]:
    # No question is like one before: of those that took long it is known.
    numbers = itertools.count(a_second(path))

    def in_thread(sql: str) -> list[tuple[object, ...]]:
        plain = sqlite3.connect(path)
        try:
            return plain.execute(sql).fetchall()
        finally:
            plain.close()

    def add_function(connection: Any, **kwargs: object) -> None:
        connection.connection.create_function("sleep", 1, time.sleep)

    connection_created.connect(add_function)
    waits: dict[str, Callable[[], Awaitable[object]]] = {
        "quiet": lambda: asyncio.sleep(1),
        "thread": lambda: asyncio.to_thread(in_thread, QUESTION.format(next(numbers))),
        "numbers": lambda: connection.afetch(QUESTION.format(next(numbers))),
        "table": lambda: connection.afetch(f"SELECT (SELECT count(*) FROM number), {next(numbers)}"),
        "json": lambda: connection.afetch(f"SELECT json_extract(json, '$[900000].id'), {next(numbers)} FROM long"),
        "function": lambda: connection.afetch(f"SELECT sleep(1), {next(numbers)}"),
    }
    await connection.afetch("SELECT 1")
    found: dict[str, list[Turn]] = {name: [] for name in waits}
    for _ in range(rounds):
        for name in shuffler.sample(list(waits), len(waits)):
            found[name].append(await longest(waits[name]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object; the table goes to standard error")
    parser.add_argument("--rounds", type=int, default=10, help="how often the question is asked (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the order within the rounds")
    options = parser.parse_args()
    report = sys.stderr if options.json else sys.stdout
    print(__doc__.splitlines()[0], file=report)
    with TemporaryDirectory(prefix="webframe-bench-") as folder:
        path = Path(folder) / "questions.sqlite3"
        fill(path)
        settings.configure(DATABASES={"default": f"sqlite:///{path}"})
        found = asyncio.run(measure(path, options.rounds, random.Random(options.seed)))
    print(f"\n{'longest stall, ms':<20}{'min':>10}{'median':>10}{'max':>10}{'busy, max':>12}", file=report)
    stalls = {name: [stall for stall, _ in turns] for name, turns in found.items()}
    busy = {name: [computed for _, computed in turns] for name, turns in found.items()}
    for name, taken in stalls.items():
        middle, computed = statistics.median(taken), max(busy[name])
        print(f"  {name:<18}{min(taken):>10.2f}{middle:>10.2f}{max(taken):>10.2f}{computed:>12.2f}", file=report)
    worst = max(max(stalls[name]) for name in WEBFRAME)
    word = "ok" if worst <= GOAL else "MISSED"
    print(f"\nwebframe at most {worst:.2f} ms (goal <= {GOAL:.0f} ms) {word}", file=report)
    if options.json:
        json.dump({"title": __doc__.splitlines()[0], "stalls_ms": stalls, "busy_ms": busy}, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()

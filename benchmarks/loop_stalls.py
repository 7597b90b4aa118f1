"""Claim: a question to SQLite that takes a second keeps an event loop for no longer than 5 ms.

A task goes round the loop without pause and notes the longest time between two of its turns, while the loop awaits
nothing but the end of a second (`quiet`), a question of a second by `sqlite3` in a thread (`thread`), and questions by
webframe, which asks on the loop first and goes to a thread when that takes more than half a millisecond, or could not
be interrupted: the same question of a second (`numbers`); counting a table of three million rows, and looking
something up in 15 MB of JSON, each of which SQLite does in one step; and a function that sleeps for a second.

The goal is about the whole of these times. `less pauses` is for those who look for the cause of a stall: the longest
when the time is taken away in which the machine itself stood still (see _pauses.py), on whichever of its cores; that
may be more than the loop has lost by it. `quiet` and `thread`, which are not webframe's, show how often that is. The
task wants a processor for itself, and so does the question; where there are two of them, whatever else runs takes its
share of one, for a tick at a time, which is four milliseconds on many systems.
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
from typing import Any, NamedTuple

import _harness  # noqa: F401 - finds the tree beside it
from _pauses import Pauses, time_within

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


class Turn(NamedTuple):
    """One turn of the task, from `start` to `end` on the clock of `time.perf_counter`."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Milliseconds."""
        return (self.end - self.start) * 1000


async def turns_until(wait: Callable[[], Awaitable[object]]) -> list[Turn]:
    """The turns of a task until something came that was waited for: the longest, some before it, all over the goal."""
    longest, over = 0.0, False
    found = []

    async def go_round() -> None:
        nonlocal longest
        while not over:
            start = time.perf_counter()
            await asyncio.sleep(0)
            turn = Turn(start, time.perf_counter())
            if turn.length > min(longest, GOAL):
                longest = max(longest, turn.length)
                found.append(turn)

    going = asyncio.create_task(go_round())
    await asyncio.sleep(0)
    await wait()
    over = True
    await going
    return found


def fill(path: Path) -> None:
    """Make what takes long to be counted, and what takes long to be understood."""
    plain = sqlite3.connect(path)
    plain.execute("CREATE TABLE number (id INTEGER PRIMARY KEY)")
    plain.execute(f"INSERT INTO number {NUMBERS.format(3_000_000)}")
    plain.execute("CREATE TABLE long (json TEXT)")
    plain.execute("INSERT INTO long SELECT json_group_array(json_object('id', id)) FROM number WHERE id < 1000000")
    plain.commit()
    plain.close()


async def measure(path: Path, rounds: int, shuffler: random.Random) -> dict[str, list[list[Turn]]]:
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
    found: dict[str, list[list[Turn]]] = {name: [] for name in waits}
    for _ in range(rounds):
        for name in shuffler.sample(list(waits), len(waits)):
            found[name].append(await turns_until(waits[name]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object; the table goes to standard error")
    parser.add_argument("--rounds", type=int, default=10, help="how often the question is asked (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the order within the rounds")
    options = parser.parse_args()
    report = sys.stderr if options.json else sys.stdout
    print(__doc__.splitlines()[0], file=report)
    with TemporaryDirectory(prefix="webframe-bench-") as folder, Pauses() as pauses:
        path = Path(folder) / "questions.sqlite3"
        fill(path)
        settings.configure(DATABASES={"default": f"sqlite:///{path}"})
        found = asyncio.run(measure(path, options.rounds, random.Random(options.seed)))
        if not pauses.watchers:
            print("Pauses of the machine are not known here.", file=report)
        known = pauses.found()

    def less_pauses(turn: Turn) -> float:
        return turn.length - 1000 * time_within(known, turn.start, turn.end)

    print(f"\n{'longest turn, ms':<20}{'min':>10}{'median':>10}{'max':>10}{'less pauses':>14}", file=report)
    less = {name: max(less_pauses(turn) for turns in rounds for turn in turns) for name, rounds in found.items()}
    for name, rounds in found.items():
        longest = [max(turn.length for turn in turns) for turns in rounds]
        middle = statistics.median(longest)
        print(f"  {name:<18}{min(longest):>10.2f}{middle:>10.2f}{max(longest):>10.2f}{less[name]:>14.2f}", file=report)
    print(file=report)
    for name, rounds in found.items():
        for turn in (turn for turns in rounds for turn in turns if turn.length > GOAL):
            print(f"{name}: {turn.length:.2f} ms, less pauses {less_pauses(turn):.2f}", file=report)
    worst = max(turn.length for name in WEBFRAME for turns in found[name] for turn in turns)
    word = "ok" if worst <= GOAL else "MISSED"
    print(f"webframe at most {worst:.2f} ms (goal <= {GOAL:.0f} ms) {word}", file=report)
    if options.json:
        milliseconds = {
            name: [max(turn.length for turn in turns) for turns in rounds] for name, rounds in found.items()
        }
        json.dump({"title": __doc__.splitlines()[0], "longest_ms": milliseconds, "less_pauses_ms": less}, sys.stdout)
        print()


if __name__ == "__main__":
    main()

"""Claim: a question to SQLite that takes a second keeps an event loop for no longer than 5 ms.

A task goes round the loop without pause and notes the longest time between two of its turns, while the loop awaits
nothing but the end of a second (`quiet`), a question of a second by `sqlite3` in a thread (`thread`), and questions by
webframe, which asks on the loop first and goes to a thread when that takes more than half a millisecond, or could not
be interrupted: the same question of a second (`numbers`); counting a table of three million rows, and looking
something up in 15 MB of JSON, each of which SQLite does in one step; and a function that sleeps for a second.

`own` is the longest of these times without what the thread of the loop was kept from a processor: what it computed,
and what it waited for something, which may be Python's lock. It is for those who look for the cause of a stall; where
the system does not tell (it does on Linux), it is the whole time. The task wants a processor for itself, and so does
the question; where there are two of them, whatever else runs takes its share of one, for a tick at a time, which is
four milliseconds on many systems. A virtual machine that was not run looks like computing as a rule, and nothing tells
that apart; `quiet` and `thread`, which together last as long as the questions by webframe, show how often that is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

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


class Turn(NamedTuple):
    """The longest turn of a loop, and the longest without what its thread was kept from a processor; milliseconds."""

    stall: float
    own: float


class Usage(NamedTuple):
    """What the system says of a thread since it began."""

    computed: float
    """Seconds that it ran."""
    delayed: float
    """Seconds that it was ready to run, and others had its processor."""
    waits: int
    """How many times it gave its processor away, to wait for something."""


@contextlib.contextmanager
def usage_of_thread() -> Iterator[Callable[[], Usage] | None]:
    """Tell what the system says of this thread; `None` where it does not."""
    try:
        times = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        yield None
        return

    def usage() -> Usage:
        delayed = int(os.pread(times, 100, 0).split()[1])
        return Usage(time.thread_time(), delayed / 1e9, resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw)

    try:
        yield usage
    finally:
        os.close(times)


def own_time(stall: float, before: Usage, after: Usage) -> float:
    """What a thread computed and waited within so many seconds."""
    if after.waits > before.waits:
        return stall - (after.delayed - before.delayed)
    return min(stall, after.computed - before.computed)  # it was never away by its own will


async def longest(wait: Callable[[], Awaitable[object]]) -> Turn:
    """The longest turns of the loop until it had waited for something."""
    longest, own, over = 0.0, 0.0, False

    async def go_round(usage: Callable[[], Usage] | None) -> None:
        nonlocal longest, own
        while not over:
            before, start = usage and usage(), time.perf_counter()
            await asyncio.sleep(0)
            stall, after = time.perf_counter() - start, usage and usage()
            longest = max(longest, stall)
            own = max(own, own_time(stall, before, after) if before and after else stall)

    with usage_of_thread() as usage:
        going = asyncio.create_task(go_round(usage))
        await asyncio.sleep(0)
        await wait()
        over = True
        await going
    return Turn(longest * 1000, own * 1000)


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
    print(f"\n{'longest stall, ms':<20}{'min':>10}{'median':>10}{'max':>10}{'max own':>10}", file=report)
    own = {name: max(turn.own for turn in turns) for name, turns in found.items()}
    for name, turns in found.items():
        stalls = [turn.stall for turn in turns]
        middle = statistics.median(stalls)
        print(f"  {name:<18}{min(stalls):>10.2f}{middle:>10.2f}{max(stalls):>10.2f}{own[name]:>10.2f}", file=report)
    worst = max(turn.stall for name in WEBFRAME for turn in found[name])
    word = "ok" if worst <= GOAL else "MISSED"
    print(f"\nwebframe at most {worst:.2f} ms (goal <= {GOAL:.0f} ms) {word}", file=report)
    if options.json:
        json.dump({"title": __doc__.splitlines()[0], "turns_ms": found}, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()

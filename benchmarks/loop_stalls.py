"""Claim: a question to SQLite that takes a second keeps an event loop for no longer than 5 ms.

A task goes round the loop without pause and notes the longest time between two of its turns, while the loop awaits
nothing but the end of a second (`quiet`), the question by `sqlite3` in a thread (`thread`), and the question by
webframe, which asks it on the loop first and goes to a thread when that takes more than a millisecond. `quiet` is what
the machine does by itself: nothing shorter means anything. `busy` is the most that the thread of the loop computed in
one turn; in what is missing of a stall it was waiting, for a processor or for Python's lock.
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

import _harness  # noqa: F401 - finds the tree beside it

from webframe.conf import settings
from webframe.db import connection

GOAL = 5.0
QUESTION = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) SELECT count(*) FROM n"


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


async def measure(path: Path, rounds: int, shuffler: random.Random) -> dict[str, list[Turn]]:
    # No question is like one before: those that took long are remembered, and go to a thread at once.
    questions = (QUESTION.format(numbers) for numbers in itertools.count(a_second(path)))
    waits: dict[str, Callable[[], Awaitable[object]]] = {
        "quiet": lambda: asyncio.sleep(1),
        "thread": lambda: asyncio.to_thread(lambda: sqlite3.connect(path).execute(next(questions)).fetchall()),
        "webframe": lambda: connection.afetch(next(questions)),
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
        settings.configure(DATABASES={"default": f"sqlite:///{path}"})
        found = asyncio.run(measure(path, options.rounds, random.Random(options.seed)))
    print(f"\n{'longest stall, ms':<20}{'min':>10}{'median':>10}{'max':>10}{'busy, max':>12}", file=report)
    stalls = {name: [stall for stall, _ in turns] for name, turns in found.items()}
    busy = {name: [computed for _, computed in turns] for name, turns in found.items()}
    for name, taken in stalls.items():
        middle, computed = statistics.median(taken), max(busy[name])
        print(f"  {name:<18}{min(taken):>10.2f}{middle:>10.2f}{max(taken):>10.2f}{computed:>12.2f}", file=report)
    worst = max(stalls["webframe"])
    word = "ok" if worst <= GOAL else "MISSED"
    print(f"\nwebframe at most {worst:.2f} ms (goal <= {GOAL:.0f} ms) {word}", file=report)
    if options.json:
        json.dump({"title": __doc__.splitlines()[0], "stalls_ms": stalls, "busy_ms": busy}, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()

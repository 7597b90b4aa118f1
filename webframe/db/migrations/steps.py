"""Steps: operations that wait for others, and how they are put into migrations.

A step is an operation with what it brings about and what it waits for, both said
as facts:

    ("model", "shop", "pizza")              the model is there
    ("no model", "shop", "pizza")           it is gone
    ("field", "shop", "pizza", "price")     the field is there
    ("no field", "shop", "pizza", "price")  it is gone
    ("altered", "shop", "pizza", "price")   it is what it is to be
    ("loose", "shop", "pizza")              indexes and constraints that are to go are gone
    ("fields", "shop", "pizza")             all its fields are as they are to be
    ("no column", "shop", "pizza", "price") no field has that column
    ("no table", "shop_pizza")              the name of the table is free
    ("no name", "pizza_price_idx")          the name of the index or constraint is free

A fact that no step brings about holds already.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from webframe.db.migrations.errors import CircularDependencyError

Fact = tuple[str, ...]


class Step:
    """An operation of one app."""

    __slots__ = ("app_label", "needs", "operation", "provides")

    def __init__(
        self, app_label: str, operation: Any, provides: Iterable[Fact] = (), needs: Iterable[Fact] = ()
    ) -> None:
        self.app_label = app_label
        self.operation = operation
        self.provides = tuple(provides)
        self.needs = tuple(dict.fromkeys(needs))


class Chunk:
    """Steps of one app that make one migration."""

    def __init__(self, app_label: str, number: int) -> None:
        self.app_label = app_label
        # Its place among the chunks of its app, from 1.
        self.number = number
        self.operations: list[Any] = []
        # Chunks of other apps that must come before.
        self.after: set[tuple[str, int]] = set()
        # Other apps whose migrations so far must come before.
        self.after_apps: set[str] = set()


def chunks_of(steps: list[Step]) -> list[Chunk]:
    """Put steps into as few migrations as they allow, in an order in which they can be written.

    Steps stay in the order they are given in wherever they do not wait for a later one.
    """
    waits_for = _waits_for(steps)
    by_app: dict[str, list[int]] = defaultdict(list)
    for number, step in enumerate(steps):
        by_app[step.app_label].append(number)
    left = {app: _ordered(numbers, waits_for, steps) for app, numbers in sorted(by_app.items())}
    chunk_of: dict[int, Chunk] = {}
    made: list[Chunk] = []
    counts: dict[str, int] = defaultdict(int)
    may_split = False
    while left:
        progress = False
        for app_label, numbers in list(left.items()):
            ready = _ready(numbers, waits_for, chunk_of)
            if not ready or (len(ready) < len(numbers) and not may_split):
                continue
            counts[app_label] += 1
            made.append(_new_chunk(app_label, counts[app_label], ready, steps, waits_for, chunk_of))
            left[app_label] = [number for number in numbers if number not in chunk_of]
            if not left[app_label]:
                del left[app_label]
            progress = True
            if may_split:
                break
        if not progress and may_split:
            raise _circle(left, steps)
        # An app is split only where no app can be had as a whole.
        may_split = not progress
    return made


def _waits_for(steps: list[Step]) -> list[set[int]]:
    """For each step the numbers of those that it waits for."""
    providers: dict[Fact, list[int]] = defaultdict(list)
    for number, step in enumerate(steps):
        for fact in step.provides:
            providers[fact].append(number)
    found = [{each for fact in step.needs for each in providers.get(fact, ())} for step in steps]
    for number, numbers in enumerate(found):
        numbers.discard(number)
    return found


def _ordered(numbers: list[int], waits_for: list[set[int]], steps: list[Step]) -> list[int]:
    """The steps of one app in an order that suits them, as near as possible to the one given."""
    own = set(numbers)
    missing = {number: waits_for[number] & own for number in numbers}
    waiting: dict[int, list[int]] = defaultdict(list)
    for number, others in missing.items():
        for other in others:
            waiting[other].append(number)
    ready = [number for number in numbers if not missing[number]]
    heapq.heapify(ready)
    ordered = []
    while ready:
        number = heapq.heappop(ready)
        ordered.append(number)
        for other in waiting[number]:
            missing[other].discard(number)
            if not missing[other]:
                heapq.heappush(ready, other)
    if len(ordered) < len(numbers):
        raise _circle({"": [number for number in numbers if missing[number]]}, steps)
    return ordered


def _ready(numbers: list[int], waits_for: list[set[int]], chunk_of: dict[int, Chunk]) -> list[int]:
    """Those that wait only for what is in a migration, or comes with them."""
    taken: set[int] = set()
    for number in numbers:
        if all(other in chunk_of or other in taken for other in waits_for[number]):
            taken.add(number)
    return [number for number in numbers if number in taken]


def _new_chunk(
    app_label: str,
    number: int,
    taken: list[int],
    steps: list[Step],
    waits_for: list[set[int]],
    chunk_of: dict[int, Chunk],
) -> Chunk:
    chunk = Chunk(app_label, number)
    for each in taken:
        chunk_of[each] = chunk
        step = steps[each]
        chunk.operations.append(step.operation)
        for other in waits_for[each]:
            if chunk_of[other].app_label != app_label:
                chunk.after.add((chunk_of[other].app_label, chunk_of[other].number))
        for fact in step.needs:
            if fact[0] in ("model", "field") and fact[1] != app_label:
                chunk.after_apps.add(fact[1])
    # What comes after a new migration of an app comes after the old ones.
    chunk.after_apps -= {label for label, _ in chunk.after}
    return chunk


def _circle(left: dict[str, list[int]], steps: list[Step]) -> CircularDependencyError:
    operations = [steps[number] for numbers in left.values() for number in numbers]
    listed = "; ".join(f"{step.app_label}: {step.operation.describe()}" for step in operations)
    return CircularDependencyError(
        f"These changes wait for each other in a circle: {listed}. Make them in two goes: change a part of the models, "
        f"run makemigrations, then change the rest."
    )

"""Tests that run beside others, and those that have the machine for themselves."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from .turns import turn


def test_who_is_alone_has_nobody_beside_and_the_others_may_be_many(tmp_path: Path) -> None:
    inside: list[bool] = []
    both = threading.Barrier(2)

    def come(alone: bool, do: Callable[[], object]) -> None:
        with turn(tmp_path, alone=alone):
            inside.append(alone)
            assert len(inside) == 1 or True not in inside
            do()
            inside.remove(alone)

    with ThreadPoolExecutor(2) as executor:  # two others are inside at the same time, or the barrier breaks
        list(executor.map(lambda _: come(False, lambda: both.wait(30)), range(2)))
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda number: come(number % 5 == 0, lambda: None), range(200)))
    assert inside == []


def test_who_wants_to_be_alone_is_let_in_before_those_who_come_later(tmp_path: Path) -> None:
    order: list[str] = []

    def is_shut() -> bool:
        with open(tmp_path / "door") as door, suppress(BlockingIOError):
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        return True

    def come(name: str, alone: bool) -> None:
        with turn(tmp_path, alone=alone):
            order.append(name)

    with turn(tmp_path, alone=False):
        first = threading.Thread(target=come, args=("alone", True))
        first.start()
        while not is_shut():
            first.join(0.001)
        second = threading.Thread(target=come, args=("later", False))
        second.start()
        second.join(0.1)
        assert order == []
    for thread in first, second:
        thread.join(30)
    assert order == ["alone", "later"]

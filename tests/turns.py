"""Whose turn it is on the machine, where several processes run the tests at once (``pytest -n 2``).

Most tests run beside others. One that is marked with `alone` has the machine for
itself: no process begins another test until it has ended, and it begins when those
that run have ended. That is for tests that say how long something may take.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(directory: Path, *, alone: bool) -> Iterator[None]:
    """Wait for a turn, beside others or alone, among all processes that share a directory.

    Whoever comes passes the door one by one, and one who wants to be alone keeps it shut meanwhile: so the room
    becomes empty sometime, however many others there are.
    """
    with _opened(directory / "door") as door, _opened(directory / "room") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file to lock; it is unlocked at the end, even if a child that was forked meanwhile has it open, too."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield file
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)

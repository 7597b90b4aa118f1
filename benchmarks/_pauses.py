"""Pauses of the machine: when no process could have run, whatever it is.

A virtual machine is not always run by its host, and a kernel may keep a processor for itself. That hits whoever is
measured, for milliseconds, and no clock of his own tells it from computing. So one process for each core does nothing
but sleep half a millisecond at a time, at a realtime priority: nothing that is measured can keep it from its core, and
where it wakes up late, the core was not to be had. The idea is that of jHiccup.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from tempfile import TemporaryFile
from types import TracebackType
from typing import NamedTuple, Self

# Seconds that a watcher sleeps, how late is late, and how long it may take to begin.
SLEEP = 0.0005
LATE = 0.0005
BEGINNING = 10.0


class Pause(NamedTuple):
    """Seconds of `time.perf_counter` from when a watcher should have woken up until it did."""

    start: float
    end: float


class Pauses:
    """Watches all cores that this process may use, in a ``with`` block."""

    def __enter__(self) -> Self:
        # Where watching is not possible (it needs Linux, and the right to a realtime priority): no watchers.
        self.watchers: list[Watcher] = []
        try:
            cores = sorted(os.sched_getaffinity(0))
        except AttributeError:
            return self
        self.watchers = [Watcher(core) for core in cores]
        if not all(watcher.has_begun() for watcher in self.watchers):
            self._stop()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def found(self) -> list[Pause]:
        """Every pause of a core until now, by their beginnings."""
        return sorted(pause for watcher in self.watchers for pause in watcher.found())

    def _stop(self) -> None:
        for watcher in self.watchers:
            watcher.stop()
        self.watchers = []


class Watcher:
    """The process that watches one core, and what it writes."""

    def __init__(self, core: int) -> None:
        self._written = TemporaryFile()
        self._process = subprocess.Popen([sys.executable, __file__, str(core)], stdout=self._written)

    def has_begun(self) -> bool:
        """Wait until it watches; whether it does."""
        give_up = time.monotonic() + BEGINNING
        while not self._lines():
            if self._process.poll() is not None or time.monotonic() > give_up:
                return False
            time.sleep(0.01)
        return True

    def found(self) -> list[Pause]:
        """Every pause until now."""
        return [Pause(*map(float, line.split())) for line in self._lines()[1:]]

    def stop(self) -> None:
        """End it, and forget what it found."""
        self._process.kill()
        self._process.wait()
        self._written.close()

    def _lines(self) -> list[str]:
        file = self._written.fileno()
        text = os.pread(file, os.fstat(file).st_size, 0).decode()
        return text[: text.rfind("\n") + 1].splitlines()


def time_within(pauses: Iterable[Pause], start: float, end: float) -> float:
    """Seconds between two moments of `time.perf_counter` in which there was a pause; they come by their beginnings."""
    total = 0.0
    for pause in pauses:
        if pause.end > start and pause.start < end:
            total += min(end, pause.end) - max(start, pause.start)
            start = min(end, pause.end)
    return total


def watch(core: int) -> None:
    """Print the pauses of a core, as long as the process lives that wants to know them."""
    parent = os.getppid()
    os.sched_setaffinity(0, {core})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError as error:
        sys.exit(f"Pauses of the machine are not told apart: no realtime priority for who would watch them ({error}).")
    print("watching", flush=True)
    clock, sleep = time.perf_counter, time.sleep
    now = clock()
    while os.getppid() == parent:
        # Counted from when it woke up the last time: it can also be kept from going to sleep.
        due = now + SLEEP
        sleep(SLEEP)
        now = clock()
        if now - due > LATE:
            sys.stdout.write(f"{due} {now}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    watch(int(sys.argv[1]))

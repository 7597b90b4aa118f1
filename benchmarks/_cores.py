"""Client and server on cores of their own while a benchmark runs.

Left to the kernel, the process that serves a connection is on the client's core or on another one by chance, and for
each contender apart: the same statement costs the client 17 or 40 us then, and no ratio means anything, that of the
second baseline included.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterable
from pathlib import Path

PROCESSES = Path("/proc")


def part_from(server: int, name: str) -> None:
    """Keep this process on one core, and the server and its processes on the others, until this process ends.

    `server` is the id of one of the processes that serve connections, `name` what they are called. Nothing is done
    where the caller has given this process one core already: who wants another placement chooses it himself. What was
    done is said on standard error, and why not where it cannot be.
    """
    try:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            said = f"Client on core {cores[0]}, which it was given; the server where it is."
        else:
            main = _parent(server)
            served = [main, *_children(main)]
            if {_name(server), _name(main)} != {name}:
                raise LookupError(f"no process {server} of {name} is on this machine")
            for process, before in _place(served, cores[1:]).items():
                atexit.register(_place, [process], before)
            os.sched_setaffinity(0, cores[:1])
            said = f"Client on core {cores[0]}, server on {', '.join(map(str, cores[1:]))}."
    except (AttributeError, OSError, LookupError) as error:
        said = f"Client and server where the kernel puts them, which makes ratios doubtful: {error}."
    print(said, file=sys.stderr)


def _place(processes: Iterable[int], cores: Iterable[int]) -> dict[int, set[int]]:
    """Put processes on cores; where they were. Those that have ended meanwhile are left out."""
    before = {}
    for process in processes:
        try:
            before[process] = os.sched_getaffinity(process)
            os.sched_setaffinity(process, cores)
        except ProcessLookupError:
            before.pop(process, None)
    return before


def _name(process: int) -> str:
    return (PROCESSES / str(process) / "comm").read_text().strip()


def _parent(process: int) -> int:
    # The name, in parentheses, may contain anything; after it come the state and the parent.
    return int((PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()[1])


def _children(parent: int) -> list[int]:
    found = []
    for entry in PROCESSES.iterdir():
        if entry.name.isdigit():
            try:
                if _parent(int(entry.name)) == parent:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found

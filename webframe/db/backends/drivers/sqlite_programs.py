"""What SQLite would do to answer a question: whether it can be interrupted at any time.

SQLite makes a program of each statement, and between the instructions of it one can
interrupt. A few instructions take as long as they like: the one that counts a whole
table, those of virtual tables (full-text search is one), functions and collations
that somebody else has written, and looking for a long pattern. EXPLAIN shows them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from enum import Enum
from typing import Any

from webframe.db.backends.drivers.base import Params
from webframe.db.backends.sqlite_functions import AGGREGATES, FUNCTIONS

# Pages that are gone through in half a millisecond: all that counting has to look at in a small database.
SMALL = 250

# Characters of a statement that is understood in half a millisecond; that cannot be interrupted either.
LONG = 5_000

# The instructions that call a function; its name is their fourth parameter: ``lower(1)``.
CALLING = frozenset({"Function", "PureFunc", "AggStep", "AggStep1", "AggInverse", "AggValue", "AggFinal"})

# SQLite's own functions that must not run where long values are refused: instead of an error they give NULL.
SILENT = frozenset({"format", "printf"})

# SQLite's own functions that look for one text in another: with a pattern like '%aaaaaab%' in many an "a" that takes as
# long as one of the lengths times the other. The characters of a pattern that is looked for in no time.
MATCHING = frozenset({"glob", "instr", "like"})
SHORT = 32

# SQLite's own collations. With any other one rows are sorted in a single instruction, too.
COLLATIONS = frozenset({"BINARY", "NOCASE", "RTRIM"})

# How many characters of a collation's name EXPLAIN shows.
SHOWN = 18


class Pace(Enum):
    """How long a question may keep whoever asks it, if it is interrupted as soon as that can be done."""

    SURE = "sure"
    """Hardly longer than one likes."""

    COUNTING = "counting"
    """As long as it takes to go through a table."""

    MATCHING = "matching"
    """The longer the longer its parameters are."""

    UNSURE = "unsure"
    """As long as it takes."""


def pace_of(raw: sqlite3.Connection, sql: str, params: Params | None, quick: frozenset[str]) -> Pace:
    """How long a question may take on a connection where functions of these names are known to be quick.

    Reads no rows; takes as long as the statement takes to be understood. Raises what is wrong with it.
    """
    met: set[Pace] = set()
    databases: dict[int, int] = {}
    collations = [name[:SHOWN] for _, name in raw.execute("PRAGMA collation_list") if name not in COLLATIONS]
    for _, instruction, p1, _, p3, p4, *_ in raw.execute("EXPLAIN " + sql, params or ()):
        if instruction == "OpenRead":
            databases[p1] = p3
        elif instruction == "Count" and databases.get(p1) == 0:
            met.add(Pace.COUNTING)
        elif instruction in ("Count", "VFilter"):
            return Pace.UNSURE
        elif instruction in CALLING:
            name = _name_in(p4)
            if name not in quick:
                return Pace.UNSURE
            if name in MATCHING:
                met.add(Pace.MATCHING)
        if collations and any(name in str(p4) for name in collations):
            return Pace.UNSURE
    return Pace.UNSURE if len(met) > 1 else met.pop() if met else Pace.SURE


def _name_in(function: object) -> str:
    return str(function).rpartition("(")[0].lower()


def quick_functions(raw: sqlite3.Connection) -> frozenset[str]:
    """The names of functions that are SQLite's or ours, and take no time for a value of ordinary length."""
    builtin, other = set[str](), set(SILENT | {"load_extension"})
    for name, is_builtin, *_ in raw.execute("PRAGMA function_list"):
        (builtin if is_builtin else other).add(name.lower())
    # Somebody may have put a function in the place of one of SQLite's, which is in the list no less.
    return frozenset(builtin - other) | FUNCTIONS.keys() | AGGREGATES.keys()


def is_small(raw: sqlite3.Connection) -> bool:
    """Whether all of a database can be looked at in no time; False where it is locked."""
    try:
        pages: int = raw.execute("PRAGMA page_count").fetchone()[0]
    except sqlite3.Error:
        return False
    return pages <= SMALL


def are_short(params: Any) -> bool:
    """Whether none of the parameters is a long pattern."""
    values = params.values() if isinstance(params, Mapping) else params or ()
    return all(len(value) <= SHORT for value in values if isinstance(value, (str, bytes)))

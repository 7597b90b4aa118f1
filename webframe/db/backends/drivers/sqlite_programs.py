"""What SQLite would do to answer a question: whether it can be interrupted at any time.

SQLite makes a program of each statement, and between the instructions of it one can
interrupt. A few instructions take as long as they like: the one that counts a whole table, those
of virtual tables (full-text search is one), and functions and collations that somebody
else has written. EXPLAIN shows them.
"""

from __future__ import annotations

import sqlite3
from enum import Enum

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

    UNSURE = "unsure"
    """As long as it takes."""


def pace_of(raw: sqlite3.Connection, sql: str, params: Params | None, quick: frozenset[str]) -> Pace:
    """How long a question may take on a connection where functions of these names are known to be quick.

    Reads no rows; takes as long as the statement takes to be understood. Raises what is wrong with it.
    """
    pace = Pace.SURE
    databases: dict[int, int] = {}
    collations = [name[:SHOWN] for _, name in raw.execute("PRAGMA collation_list") if name not in COLLATIONS]
    for _, instruction, p1, _, p3, p4, *_ in raw.execute("EXPLAIN " + sql, params or ()):
        if instruction == "OpenRead":
            databases[p1] = p3
        elif instruction == "Count" and databases.get(p1) == 0:
            pace = Pace.COUNTING
        elif instruction in ("Count", "VFilter") or (instruction in CALLING and _name_in(p4) not in quick):
            return Pace.UNSURE
        if collations and any(name in str(p4) for name in collations):
            return Pace.UNSURE
    return pace


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

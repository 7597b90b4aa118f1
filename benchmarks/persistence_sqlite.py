"""Claim: models on SQLite cost a small multiple of the driver, and less than a quarter of Django's.

`bare` is `sqlite3` with prepared text, whose rows are tuples; all others give objects, but for SQLAlchemy Core. Each
contender has a file of its own with the same tables and rows (see _library.py). Writes are done within a transaction
that is rolled back after the batch, so that nobody's table grows; what they work on is made before the clock runs.
Reads are done without a transaction, which costs SQLite a lock on the file each time: half of what a `get` takes from
the driver. `get_in_transaction` does without. In `insert_and_commit` and `update_and_commit` each write is a
transaction of its own, for those who work that way by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from _harness import Batch, Case, Goal, run
from _library import CONTENDERS, batches, contenders, sqlite_files

# What a row may cost, as a multiple of the driver; in every row it is to be a quarter of Django's.
AT_MOST = {
    "get": 3.0,
    "get_in_transaction": 3.0,
    "filter_100": 2.2,
    "select_related_100": 2.3,
    "insert": 2.0,
    "insert_and_commit": 2.0,
    "update": 2.0,
    "update_and_commit": 2.0,
    "count": 3.5,
    "exists": 4.5,
    "delete": 6.0,
    "delete_cascade_10": 5.0,
    "bulk_insert_1000": 1.5,
    "m2m_add_10": 2.5,
    "m2m_list": 2.5,
}
# What each operation commits, and who commits only when told.
COMMITTED = {"insert_and_commit", "update_and_commit"}
SESSIONS = {"sqlalchemy core", "sqlalchemy orm"}


def main() -> None:
    made: dict[str, dict[str, Batch]] = {}

    def build(case: str) -> Mapping[str, Batch]:
        if not made:
            files = sqlite_files(list(CONTENDERS))
            for name, contender in contenders("sqlite", files).items():
                made[name] = batches(contender)
        return {name: found[case] for name, found in made.items() if not (case in COMMITTED and name in SESSIONS)}

    cases = [
        Case(
            name, lambda name=name: build(name), [Goal("webframe", "bare", at_most), Goal("webframe", "django", 1 / 4)]
        )
        for name, at_most in AT_MOST.items()
    ]
    run(__doc__, cases, packages=["django", "sqlalchemy", "peewee"])


if __name__ == "__main__":
    main()

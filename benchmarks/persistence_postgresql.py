"""Claim: models on PostgreSQL cost the client little more than the driver does.

`bare` is psycopg with prepared text and one cursor, whose rows are tuples; all others give objects, but for SQLAlchemy
Core. Each contender has a schema of its own in the database that BENCH_POSTGRESQL names (a URL), with the same tables
and rows (see _library.py). Writes are done within a transaction that is rolled back after the batch. What is measured
is the CPU time of the client; most of the time between question and answer is the server's.
"""

from __future__ import annotations

from collections.abc import Mapping

from _harness import Batch, Case, Goal, run
from _library import CONTENDERS, batches, contenders, postgresql_databases

# What a row may cost, as a multiple of the driver.
AT_MOST = {"filter_100": 1.5, "select_related_100": 1.7}
NAMES = [
    "get",
    "get_in_transaction",
    "filter_100",
    "select_related_100",
    "insert",
    "update",
    "count",
    "exists",
    "delete",
    "delete_cascade_10",
    "bulk_insert_1000",
    "m2m_add_10",
    "m2m_list",
]


def main() -> None:
    made: dict[str, dict[str, Batch]] = {}

    def build(case: str) -> Mapping[str, Batch]:
        if not made:
            databases = postgresql_databases(list(CONTENDERS))
            for name, contender in contenders("postgresql", databases).items():
                made[name] = batches(contender)
        return {name: found[case] for name, found in made.items()}

    cases = [
        Case(
            name,
            lambda name=name: build(name),
            [Goal("webframe", "bare", AT_MOST[name])] if name in AT_MOST else [],
        )
        for name in NAMES
    ]
    run(__doc__, cases, packages=["psycopg", "django", "sqlalchemy", "peewee"])


if __name__ == "__main__":
    main()

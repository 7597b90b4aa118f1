"""Joining migrations that were made side by side, as on two branches of a repository."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from webframe.db.migrations.autodetector import MigrationAutodetector
from webframe.db.migrations.loader import MigrationLoader
from webframe.db.migrations.migration import Migration

# The names of the last migrations, each with the operations that only its branch has.
Branches = dict[str, list[Any]]

# Longer names are exchanged for the time.
LONGEST_NAME = 47


def branches_of(loader: MigrationLoader, label: str, names: Sequence[str]) -> Branches:
    """What each branch of an app does that not all of them do."""
    plans = {name: [key for key in loader.graph.forwards_plan((label, name)) if key[0] == label] for name in names}
    common = set.intersection(*map(set, plans.values()))
    return {
        name: [operation for key in plan if key not in common for operation in loader.disk_migrations[key].operations]
        for name, plan in plans.items()
    }


def merge_migration(label: str, names: Sequence[str], name: str | None = None) -> Migration:
    """A migration without operations that comes after all of these."""
    numbers = [MigrationAutodetector.parse_number(each) or 0 for each in names]
    if name is None:
        joined = "_".join(sorted(names))
        name = f"merge_{joined if len(joined) <= LONGEST_NAME else f'{datetime.now():%Y%m%d_%H%M}'}"
    migration = Migration(f"{max(numbers) + 1:04}_{name}", label)
    migration.dependencies = [(label, each) for each in names]
    return migration

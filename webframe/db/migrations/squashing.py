"""Squashing: several migrations of an app as one that does the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.db.migrations.errors import BadMigrationError, NodeNotFoundError
from webframe.db.migrations.migration import Key, Migration
from webframe.db.migrations.optimizer import MigrationOptimizer


def migrations_to_squash(loader: Any, app_label: str, end: str, start: str | None = None) -> list[Migration]:
    """The migrations of an app from `start` (the first one, if it is not given) to `end`, in order.

    Both may be the beginnings of names. Raises NodeNotFoundError, AmbiguityError,
    and BadMigrationError where one of them is squashed itself or `start` does not
    come before `end`.
    """
    last = loader.get_migration_by_prefix(app_label, end)
    keys = [key for key in loader.graph.forwards_plan(last.key) if key[0] == app_label]
    if start is not None:
        first = loader.get_migration_by_prefix(app_label, start)
        if first.key not in keys:
            raise NodeNotFoundError(
                f"{first} cannot be the first to squash: {last} does not come after it. "
                f"Before that come {', '.join(name for _, name in keys)}.",
                first.key,
            )
        keys = keys[keys.index(first.key) :]
    found = [loader.get_migration(*key) for key in keys]
    for migration in found:
        if migration.replaces:
            raise BadMigrationError(
                f"{migration} is a squashed migration itself. Make an ordinary one of it first: when all databases "
                f"have it, delete the migrations that it replaces, and its attribute `replaces`."
            )
    return found


def squashed(migrations: Iterable[Migration], name: str | None = None, optimize: bool = True) -> Migration:
    """One migration that does what several do, which are given in order, and that replaces them.

    Its name is "0001_squashed_0004_more", or that number and `name`.
    """
    parts = list(migrations)
    first, last = parts[0], parts[-1]
    number, _, _ = first.name.partition("_")
    made = Migration(f"{number}_{name or f'squashed_{last.name}'}", first.app_label)
    operations = [operation for each in parts for operation in each.operations]
    made.operations = MigrationOptimizer().optimize(operations, first.app_label) if optimize else operations
    made.replaces = [each.key for each in parts]
    made.dependencies = _outside(parts, (key for each in parts for key in each.dependencies))
    made.run_before = _outside(parts, (key for each in parts for key in each.run_before))
    made.atomic = all(each.atomic for each in parts)
    made.initial = first.initial or None
    if made.initial is None and not any(key[0] == first.app_label for key in made.dependencies):
        made.initial = True
    return made


def _outside(migrations: list[Migration], keys: Iterable[Any]) -> list[Key]:
    """The keys of other migrations, each once."""
    own = {each.key for each in migrations}
    return [key for key in dict.fromkeys(keys) if tuple(key) not in own]

"""MigrationOptimizer: fewer operations that do the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.db.migrations.operations.fields import RenameField
from webframe.db.migrations.operations.models import RenameModel


class MigrationOptimizer:
    """Joins operations of one app wherever one of them says that it can take another one in.

    An operation's `reduce(other, app_label)` says what becomes of it and a later
    one: a list of operations that do the same as both, True if they could change
    places, False if neither.
    """

    def optimize(self, operations: Iterable[Any], app_label: str) -> list[Any]:
        """The operations that are left when nothing more can be joined; the ones given stay as they are."""
        left = list(operations)
        place = 0
        while place < len(left):
            joined = _joined(left, place, app_label)
            if joined is None:
                place += 1
            else:
                # What is new may be joined with what stands before it.
                left, place = joined, 0
        return left


def _joined(operations: list[Any], place: int, app_label: str) -> list[Any] | None:
    """The operations with the one at a place joined with the first later one that it can be joined with, if any."""
    first = operations[place]
    # Whether it could go to where the later one is.
    can_go = True
    for later in range(place + 1, len(operations)):
        result = first.reduce(operations[later], app_label)
        if isinstance(result, list):
            between = operations[place + 1 : later]
            if can_go:
                middle = [*between, *result]
            elif all(
                each.reduce(operations[later], app_label) is True and not _renames(each, operations[later], app_label)
                for each in between
            ):
                middle = [*result, *between]
            else:
                return None
            return [*operations[:place], *middle, *operations[later + 1 :]]
        can_go = can_go and result is True and not _renames(first, operations[later], app_label)
    return None


def _renames(first: Any, second: Any, app_label: str) -> bool:
    """Whether one of two operations renames something that the other knows: they cannot change places then."""
    for operation, other in ((first, second), (second, first)):
        names: tuple[str, ...] = ()
        if isinstance(operation, RenameModel):
            names = operation.old_name, operation.new_name
        elif isinstance(operation, RenameField):
            names = (operation.model_name,)
        if any(other.references_model(name, app_label) for name in names):
            return True
    return False

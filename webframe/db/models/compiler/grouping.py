"""GROUP BY: what the rows are grouped by, and what has to stand there beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter

from webframe.db.models.compiler.places import bare, is_computed, place_of

if TYPE_CHECKING:
    from webframe.db.models.compiler.columns import Column


def grouped(question: Any, columns: Sequence[Column], elements: Sequence[Any]) -> list[Any]:
    """What to group by; nothing if rows are not grouped. `elements` are all that is selected."""
    if question.group is None:
        return []
    group = _keys(question, columns) if question.group == "model" else list(question.group)
    group += [key for name in question.selected for key in _keys_of(question, name)]
    group += question.beside
    group += question.ordered_by
    return _grouping(group, elements)


def _keys(question: Any, columns: Sequence[Column]) -> list[Any]:
    """The primary keys of the instances in a row, on which their other columns depend; MariaDB wants those too.

    What values() takes from another table is no instance: rows that have it in common are one group.
    """
    root, keys = question.scope.root, [question.pk]
    depend = question.statement.dialect_name != "mysql" and question.model._meta.managed
    annotations = {id(built.element) for built in question.scope.annotations.values()}
    for column in columns:
        join = question.scope.join_of(getattr(column.element, "table", None))
        if depend and join is root:
            continue
        if depend and join is not None and question.values is None:
            keys.append(join.table.c[join.model._meta.concrete_model._meta.pk.column])
        elif join is not None or id(bare(column.element)) not in annotations:
            keys.append(column.element)
    return keys


def grouped_by_values(question: Any) -> Any:
    """What an annotation behind values() groups by: what values() named, or whole rows."""
    assert question.values is not None
    names = question.values[0]
    if not names:
        return "model"
    known = question.scope.annotations.keys() - question.scope.filtered.keys()
    return [
        key
        for name in dict.fromkeys([*names, *question.selected])
        for key in (_keys_of(question, name) if name in known else [question.scope.ref(name).element])
    ]


def _keys_of(question: Any, name: str) -> list[Any]:
    """What to group by for an annotation: not by aggregates and windows, which are computed of the groups."""
    if name in question.scope.aggregates:
        return []
    keys: list[Any] = question.scope.windows.get(name, [question.scope.annotations[name].element])
    return keys


def _grouping(group: Sequence[Any], elements: Sequence[Any]) -> list[Any]:
    """Each element once; what is computed and selected is named by its place, since its parameters differ elsewhere."""
    found: list[Any] = []
    seen: set[int] = set()
    for element in group:
        element = bare(element)
        if id(element) in seen or isinstance(element, BindParameter):
            continue
        seen.add(id(element))
        found.append(place_of(element, elements) if is_computed(element) else element)
    return found

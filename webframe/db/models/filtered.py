"""FilteredRelation: a relation under another name, less the rows for which a condition does not hold.

    Pizza.objects.annotate(large=FilteredRelation("orders", condition=Q(orders__size="L"))).filter(large=None)

The condition is part of the join, so that objects without such rows stay.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from webframe.core.exceptions import FieldError
from webframe.db.models.building import Literals
from webframe.db.models.cases import references_of
from webframe.db.models.conditions import Q
from webframe.db.models.expressions import F
from webframe.db.models.paths import SEPARATOR, relation_named, resolve

__all__ = ["FilteredRelation"]


class FilteredRelation:
    """The objects that a relation leads to and a condition lets through, under the name given by annotate()."""

    contains_aggregate = False
    contains_over_clause = False
    # Among annotations that are built it is nothing by itself.
    element = None
    field = None

    def __init__(self, relation_name: str, *, condition: Q | None = None) -> None:
        if not relation_name:
            raise ValueError("relation_name cannot be empty.")
        if condition is not None and not isinstance(condition, Q):
            raise ValueError(f"FilteredRelation(condition=...) takes a Q, not {condition!r}.")
        self.relation_name = relation_name
        self.condition = condition if condition is not None else Q()

    def named(self, alias: str, model: Any, annotations: Mapping[str, Any]) -> FilteredRelation:
        """The same with a condition that says `alias` where it said the name of the relation.

        Raises `FieldError` for a name that is no relation, and for a condition on anything but the related objects'
        own fields and the model's: it has no joins of its own.
        """
        relation_named(model, self.relation_name)
        made = FilteredRelation(self.relation_name)
        made.condition = self._renamed(self.condition, alias)
        known = {**annotations, alias: made}
        for name in references_of(made.condition):
            path = resolve(model, name, known)
            if path.annotation is not None or (path.steps and path.steps[-1].filter != alias):
                raise FieldError(
                    f"The condition of FilteredRelation({self.relation_name!r}, ...) takes fields of the related "
                    f"objects and of {model._meta.object_name} only, not {name!r}."
                )
        return made

    def _renamed(self, part: Any, alias: str) -> Any:
        if isinstance(part, Q):
            return Q.create(tuple(self._renamed(child, alias) for child in part.children), part.connector, part.negated)
        if isinstance(part, tuple):
            name, value = part
            return self._name(name, alias), F(self._name(value.name, alias)) if type(value) is F else value
        return part

    def _name(self, name: str, alias: str) -> str:
        inside = name == self.relation_name or name.startswith(f"{self.relation_name}{SEPARATOR}")
        return alias + name[len(self.relation_name) :] if inside else name

    def key(self, values: Literals) -> Hashable:
        """Its relation and the shape of its condition, whose literals are appended."""
        return self.relation_name, values.condition(self.condition)

    def references(self) -> Iterator[str]:
        """The names in its condition."""
        yield from references_of(self.condition)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FilteredRelation):
            return NotImplemented
        return (self.relation_name, self.condition) == (other.relation_name, other.condition)

    def __hash__(self) -> int:
        return hash((self.relation_name, self.condition))

    def __repr__(self) -> str:
        return f"FilteredRelation({self.relation_name!r}, condition={self.condition!r})"

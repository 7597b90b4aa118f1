"""Subquery and Exists: a query within another one; `OuterRef` in it names what is outside."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models import outputs
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.expressions import Expression, F, sql_type_of

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")

__all__ = ["Exists", "OuterRef", "Subquery"]


class OuterRef(F):
    """A name of the query around a subquery; ``OuterRef(OuterRef("pk"))`` is one of the query around that."""

    __slots__ = ()

    contains_aggregate = False

    def __init__(self, name: str | OuterRef) -> None:
        if not isinstance(name, (str, OuterRef)):
            raise TypeError(f"OuterRef() takes the name of a field or an annotation, not {name!r}.")
        object.__setattr__(self, "name", name)

    def key(self, values: Literals) -> Hashable:
        """Its name, or that of the `OuterRef` in it."""
        return self.name

    def build(self, scope: Scope) -> Built:
        """What the name means in the query around this one; `ValueError` if there is none."""
        if scope.outer is None:
            raise ValueError(f"{self!r} refers to a query around this one, so it may only be used in a subquery.")
        if isinstance(self.name, OuterRef):
            return self.name.build(scope.outer)
        return scope.outer.ref(self.name)

    def references(self) -> Iterator[str]:
        """Nothing: what it refers to is elsewhere."""
        return iter(())


class Subquery(Expression):
    """The one value that a queryset selects: ``Subquery(comments.values("text")[:1])``."""

    def __init__(self, queryset: Any, output_field: Any = None) -> None:
        queryset = getattr(queryset, "queryset", queryset)
        if not hasattr(queryset, "build_select"):
            raise TypeError(f"{type(self).__name__}() takes a queryset, not {queryset!r}.")
        super().__init__(output_field)
        self.queryset = queryset

    def key(self, values: Literals) -> Hashable:
        return key_of(self.queryset, values), outputs.field_key(self._output_field)

    def build(self, scope: Scope) -> Built:
        """The query in brackets."""
        built = scope.build(self.queryset)
        if self._output_field is None:
            return built
        return Built(sqlalchemy.type_coerce(built.element, sql_type_of(self._output_field)), self._output_field)

    def references(self) -> Iterator[str]:
        yield from self.queryset.references()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.queryset).__name__})"


class Exists(Subquery):
    """Whether a queryset selects anything; rows can be filtered by it."""

    conditional = True

    def __init__(self, queryset: Any) -> None:
        super().__init__(queryset)

    @property
    def output_field(self) -> Any:
        return outputs.named("BooleanField")

    def build(self, scope: Scope) -> Built:
        """EXISTS (SELECT ...)."""
        return Built(sqlalchemy.exists(scope.subquery(self.queryset, columns="exists")), self.output_field)

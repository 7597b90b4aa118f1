"""Conditions on one row, outside of any query.

`Row` is a scope (see `building.py`) in which names are what the caller says:
the columns of a table, for the conditions and defaults that stand in DDL, or
the values of an instance, to find out whether a constraint holds before it is
saved. Names cannot lead to another table, and literals are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.errors import NotSupportedError
from webframe.db.models.building import Built
from webframe.db.models.conditions import Q
from webframe.db.models.paths import resolve, unresolvable

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine
else:
    sqlalchemy = LateModule("sqlalchemy")


class Row:
    """A scope in which the fields of one model are given as elements of SQL.

    `element_of(field)` gives the element of a field of the model; it raises
    KeyError for a field that the row does not have, such as one of a parent's table.
    """

    outer = None

    def __init__(self, model: Any, wrapper: Any, element_of: Callable[[Any], ColumnElement[Any]]) -> None:
        self.model = model
        self.wrapper = wrapper
        self.dialect_name: str = wrapper.vendor
        self.element_of = element_of

    # -- names

    def ref(self, name: str, *, allow_joins: bool = True, for_aggregate: bool = False) -> Built:
        """What a field is, or a transform of it."""
        built, rest, path = self._field(name)
        for place, part in enumerate(rest):
            transform = built.field.get_transform(part) if built.field is not None else None
            if transform is None:
                raise unresolvable(name, part, path, self.model, rest[:place])
            built = transform.apply(built, self)
        return built

    def _field(self, name: str) -> tuple[Built, tuple[str, ...], Any]:
        path = resolve(self.model, name)
        try:
            if path.steps:
                raise KeyError(name)
            return Built(self.element_of(path.field), path.field), path.rest, path
        except KeyError:
            raise FieldError(
                f"{name!r} leads from {self.model._meta.label} to another table. "
                f"Constraints, indexes and defaults can only name fields of the model's own table."
            ) from None

    # -- literals

    def value(
        self,
        value: Any,
        field: Any = None,
        convert: Callable[[Any], Any] | None = None,
        sql_type: TypeEngine[Any] | None = None,
    ) -> ColumnElement[Any]:
        """A constant: prepared by `convert` or by the field, of the type that is given, the field's or its own."""
        if field is None:
            return sqlalchemy.literal(value if convert is None else convert(value), sql_type)
        prepare = field.get_prep_value if convert is None else convert
        return sqlalchemy.literal(prepare(value), sql_type or field.sql_type())

    def typed_value(
        self, value: Any, sql_type: TypeEngine[Any], convert: Callable[[Any], Any] | None = None
    ) -> ColumnElement[Any]:
        """A constant of a given type."""
        return sqlalchemy.literal(value if convert is None else convert(value), sql_type)

    def values(self, literals: Sequence[Any], make: Callable[[Any], ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """Constants."""
        return [make(literal) for literal in literals]

    def build(self, value: Any, field: Any = None) -> Built:
        """Any operand."""
        if value is None:
            return Built(sqlalchemy.null(), field)
        build = getattr(value, "build", None)
        if build is not None and hasattr(value, "references"):
            built: Built = build(self)
            return built
        return Built(self.value(value, field), field)

    def subquery(self, queryset: Any, *, columns: str = "one") -> Any:
        """Refused: neither a constraint nor an index can ask other rows."""
        raise NotSupportedError(
            f"A subquery cannot be part of a constraint, an index or a default of {self.model._meta.label}."
        )

    # -- conditions

    def condition(self, q: Any, *, for_aggregate: bool = False) -> ColumnElement[bool]:
        """A Q or an expression with boolean values."""
        if not isinstance(q, Q):
            return self.build(q).element
        parts = [self._child(child, q.negated) for child in q.children]
        if not parts:
            joined: ColumnElement[bool] = sqlalchemy.true()
        elif q.connector == "AND":
            joined = sqlalchemy.and_(*parts)
        elif q.connector == "OR":
            joined = sqlalchemy.or_(*parts)
        else:
            joined = _odd(parts)
        return sqlalchemy.not_(joined) if q.negated else joined

    def _child(self, child: Any, negated: bool) -> ColumnElement[bool]:
        if not isinstance(child, tuple):
            return self.condition(child)
        name, value = child
        built, rest, path = self._field(name)
        lookup = built.field.get_lookup(rest[-1]) if rest else None
        transforms = rest[:-1] if lookup is not None else rest
        for place, part in enumerate(transforms):
            transform = built.field.get_transform(part) if built.field is not None else None
            if transform is None:
                raise unresolvable(name, part, path, self.model, rest[:place])
            built = transform.apply(built, self)
            if lookup is not None and place == len(transforms) - 1 and built.field is not None:
                lookup = built.field.get_lookup(rest[-1]) or lookup
        if lookup is None:
            lookup = built.field.get_lookup("exact")
        if path.field.is_relation and hasattr(value, "_meta"):
            value = getattr(value, path.field.target_field.attname)
        found: ColumnElement[bool] = lookup.build(built, value, self)
        if negated and path.field.null and value is not None and not lookup.true_of_null:
            # What is NULL is not equal to anything, so that its opposite holds.
            found = sqlalchemy.and_(found, built.element.is_not(None))
        return found


def _odd(parts: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """True where an odd number of parts is."""
    ones = [sqlalchemy.case((part, 1), else_=0) for part in parts]
    total: Any = ones[0]
    for one in ones[1:]:
        total = total + one
    condition: ColumnElement[bool] = total % 2 == 1
    return condition


def row_of_columns(model: Any, wrapper: Any, columns: dict[Any, ColumnElement[Any]]) -> Row:
    """A row given as columns: by field, those of a table."""
    return Row(model, wrapper, columns.__getitem__)


def row_of_instance(instance: Any, model: Any, wrapper: Any) -> Row:
    """A row given as the values of an instance."""

    def element_of(field: Any) -> ColumnElement[Any]:
        value = getattr(instance, field.attname)
        if value is None:
            return sqlalchemy.null()
        element: ColumnElement[Any] = sqlalchemy.literal(field.get_prep_value(value), field.sql_type())
        if wrapper.vendor == "mysql" and isinstance(value, str):
            # Columns compare letters exactly, constants by the connection's collation.
            return sqlalchemy.collate(element, "utf8mb4_bin")
        return element

    return Row(model, wrapper, element_of)

"""Case and When: one value or another, depending on conditions; and look-ups as conditions of their own."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models import outputs
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.calls import as_argument
from webframe.db.models.conditions import Q
from webframe.db.models.expressions import Composite, F, Value, as_expression, sql_type_of
from webframe.db.models.lookups import Lookup, is_expression

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")

__all__ = ["Case", "When"]


class When(Composite):
    """A condition and what is true then: ``When(price__gte=10, then=Value("dear"))``.

    The condition is a Q, an expression with boolean values, look-ups as keywords,
    or the first two together with keywords. A string given as `then` is the name of a field.
    """

    def __init__(self, condition: Any = None, then: Any = None, **lookups: Any) -> None:
        super().__init__()
        if condition is not None and not getattr(condition, "conditional", False):
            raise TypeError(
                f"When() takes a Q, an expression with boolean values, or look-ups as keywords; not {condition!r}."
            )
        if lookups:
            condition = Q(**lookups) if condition is None else Q(condition, **lookups)
        if condition is None or (isinstance(condition, Q) and not condition):
            raise ValueError("When() needs a condition; an empty Q() is none. Use default= of Case for what is left.")
        self.condition = condition
        self.result = as_argument(then)

    def sources(self) -> tuple[Any, ...]:
        return (self.result,) if isinstance(self.condition, Q) else (self.condition, self.result)

    @property
    def contains_aggregate(self) -> bool:  # type: ignore[override]
        parts = [*self.sources(), *expressions_in(self.condition)]
        return any(getattr(part, "contains_aggregate", False) for part in parts)

    def key(self, values: Literals) -> Hashable:
        return values.condition(self.condition), key_of(self.result, values)

    def build(self, scope: Scope) -> Built:
        raise TypeError("When() is a part of Case(); it has no SQL of its own.")

    def build_parts(self, scope: Scope) -> tuple[Any, Built]:
        """The condition and the result."""
        return scope.condition(self.condition), scope.build(self.result)

    def references(self) -> Iterator[str]:
        yield from self.result.references()
        yield from references_of(self.condition)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.condition!r}, then={self.result!r})"


class Case(Composite):
    """The result of the first `When` whose condition is true, else the default (NULL, if none is given)."""

    def __init__(self, *cases: When, default: Any = None, output_field: Any = None, **extra: Any) -> None:
        if extra:
            raise TypeError(f"Case() got unknown keywords: {', '.join(extra)}.")
        for case in cases:
            if not isinstance(case, When):
                raise TypeError(f"Case() takes When(...) objects, not {case!r}.")
        super().__init__(output_field)
        self.cases = cases
        self.default = as_argument(default)

    @property
    def conditional(self) -> bool:
        """Whether rows can be filtered by it: what it gives is boolean, or every result is."""
        if self._output_field is not None:
            return super().conditional
        results = [case.result for case in self.cases] + [self.default]
        known = [each for each in results if not (isinstance(each, Value) and each.value is None)]
        return bool(known) and all(getattr(each, "conditional", False) for each in known)

    def sources(self) -> tuple[Any, ...]:
        return (*self.cases, self.default)

    def build(self, scope: Scope) -> Built:
        """CASE WHEN, or the default alone where there is no case."""
        parts = [case.build_parts(scope) for case in self.cases]
        default = scope.build(self.default)
        results = [result for _, result in parts] + [default]
        field = self._output_field
        if field is None:
            field = outputs.common([result.field for result in results], "Case()")
        sql_type = sql_type_of(field)
        if not parts:
            return Built(default.element, field)
        pairs = [(condition, result.element) for condition, result in parts]
        return Built(sqlalchemy.type_coerce(sqlalchemy.case(*pairs, else_=default.element), sql_type), field)

    def __repr__(self) -> str:
        cases = ", ".join(repr(case) for case in self.cases)
        return f"{type(self).__name__}({cases}, default={self.default!r})"


class Comparison(Composite):
    """A look-up with both sides: ``GreaterThan(F("price"), F("limit"))``. Rows can be filtered by it."""

    conditional = True

    def __init__(self, lookup: type[Lookup], lhs: Any, rhs: Any) -> None:
        super().__init__()
        self.lookup = lookup
        self.lhs = F(lhs) if isinstance(lhs, str) else as_expression(lhs)
        # A literal has a type of its own here, since nobody knows yet what the other side is.
        self.rhs = as_expression(rhs) if lookup.one_literal and rhs is not None else rhs

    @property
    def output_field(self) -> Any:
        return outputs.named("BooleanField")

    def sources(self) -> tuple[Any, ...]:
        return (self.lhs, self.rhs) if is_expression(self.rhs) else (self.lhs,)

    def key(self, values: Literals) -> Hashable:
        return self.lookup, key_of(self.lhs, values), self.lookup.key(self.rhs, values)

    def build(self, scope: Scope) -> Built:
        """The comparison."""
        lhs = scope.build(self.lhs)
        return Built(self.lookup.build(lhs, self.rhs, scope), self.output_field)

    def __repr__(self) -> str:
        return f"{self.lookup.__name__}({self.lhs!r}, {self.rhs!r})"


Lookup.as_condition = Comparison


def expressions_in(condition: Any) -> Iterator[Any]:
    """The expressions in a condition, values of its look-ups included."""
    if not isinstance(condition, Q):
        yield condition
        return
    for leaf in condition.leaves():
        value = leaf[1] if isinstance(leaf, tuple) else leaf
        if hasattr(value, "references") and hasattr(value, "key"):
            yield value


def references_of(condition: Any) -> Iterator[str]:
    """Every name in a condition, with its look-up, and those in its values."""
    if isinstance(condition, Q):
        for leaf in condition.leaves():
            if isinstance(leaf, tuple):
                yield leaf[0]
    for part in expressions_in(condition):
        yield from part.references()

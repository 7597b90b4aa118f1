"""Conditions: what a Q means in SQL, and which joins it needs.

Joins that may find nothing are LEFT JOINs, unless a condition cannot be true
where they find nothing. So every part of a condition is built together with two
sets: the joins that must have found something where it is true, and where it is
false. AND unites what its children need, OR has only what all of them need, and
NOT exchanges both sets.

Where rows are chosen, names under NOT that lead to many rows are asked about in a
subquery: "no row such that", where outside it is "some row such that". Within an
expression, such as the filter of an aggregate, they are about the row that is joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, case, exists, false, not_, or_, select, true
from sqlalchemy.sql.elements import BooleanClauseList

from webframe.db.errors import NotSupportedError
from webframe.db.models.building import Built
from webframe.db.models.compiler.literals import Leaf, plain_value
from webframe.db.models.conditions import Q
from webframe.db.models.expressions import F

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    Joins = frozenset[Any]

NONE: Joins = frozenset()


class Part(NamedTuple):
    """A condition as SQL."""

    element: ColumnElement[bool]
    # Joins that have found a row wherever the condition is true; wherever it is false.
    if_true: Joins
    if_false: Joins
    # Whether it contains an aggregate, so that it belongs into HAVING.
    aggregate: bool


class Prebuilt:
    """An operand that was built in another scope."""

    contains_aggregate = False

    def __init__(self, built: Built) -> None:
        self.built = built

    def key(self, values: Any) -> Any:
        """Never asked: the key is that of the operand it stands for."""
        raise TypeError("What is built already has no key.")

    def build(self, scope: Any) -> Built:
        """What was built."""
        return self.built

    def references(self) -> tuple[str, ...]:
        """None that anybody needs to look up."""
        return ()


class Place(NamedTuple):
    """Where a part of a condition stands."""

    # Whether an odd number of NOTs stands above it; whether there is any; whether there is an XOR.
    negated: bool = False
    below_not: bool = False
    below_xor: bool = False
    # Whether it is part of an expression, and does not choose the rows of the question.
    in_expression: bool = False

    @property
    def must_decide(self) -> bool:
        """Whether it has to be false where it would be NULL: elsewhere both keep a row out."""
        return self.negated or self.below_xor


TOP = Place()
IN_EXPRESSION = Place(in_expression=True)


def build_condition(scope: Any, q: Any, place: Place = TOP) -> Part:
    """Build a Q or an expression with boolean values; a Q without conditions keeps every row, negated or not."""
    return _build(scope, q, place) or Part(true(), NONE, NONE, False)


def _build(scope: Any, q: Any, place: Place) -> Part | None:
    """Build a Q, a (name, value) pair or an expression with boolean values; None: it asks for nothing."""
    if isinstance(q, Q):
        return _build_q(scope, q, place)
    if isinstance(q, tuple):
        name, value = q
        leaf = scope.names.leaf(name)
        return _build_leaf(scope, name, leaf, plain_value(leaf, value), place)
    element = scope.build(q).element
    return Part(element, NONE, NONE, scope.has_aggregate(q))


def _build_q(scope: Any, q: Q, place: Place) -> Part | None:
    if q.negated:
        place = place._replace(negated=not place.negated, below_not=True)
    if q.connector == "XOR" and len(q.children) > 1:
        place = place._replace(below_xor=True)
    built = [_build(scope, child, place) for child in q.children]
    parts = [part for part in built if part is not None]
    if not parts:
        return None
    aggregate = any(part.aggregate for part in parts)
    elements = [part.element for part in parts]
    true_sets, false_sets = [part.if_true for part in parts], [part.if_false for part in parts]
    if q.connector == "AND":
        element: Any = and_(true(), *elements) if len(elements) > 1 else elements[0]
        if_true, if_false = _union(true_sets), _common(false_sets)
    elif q.connector == "OR":
        element = or_(false(), *elements) if len(elements) > 1 else elements[0]
        if_true, if_false = _common(true_sets), _union(false_sets)
    else:
        count = sum((case((each, 1), else_=0) for each in elements[1:]), case((elements[0], 1), else_=0))
        element = count % 2 == 1 if len(elements) > 1 else elements[0]
        if_true, if_false = _common(true_sets), (false_sets[0] if len(parts) == 1 else NONE)
    if q.negated:
        return Part(_not(element), if_false, if_true, aggregate)
    return Part(element, if_true, if_false, aggregate)


def _union(sets: list[Joins]) -> Joins:
    return NONE.union(*sets)


def _common(sets: list[Joins]) -> Joins:
    return sets[0].intersection(*sets[1:])


def _not(element: Any) -> Any:
    """NOT in front of the whole: SQLAlchemy turns it into the opposite operator where that is the same."""
    return not_(element.self_group()) if isinstance(element, BooleanClauseList) else not_(element)


def _build_leaf(scope: Any, name: str, leaf: Leaf, value: Any, place: Place) -> Part:
    path = leaf.path
    lookup = leaf.lookup
    if path.annotation is not None:
        lhs = scope.ref_path(path, leaf.transforms)
        aggregate = scope.is_aggregate(path.annotation) or scope.has_aggregate(value)
        if leaf.field is None and lhs.field is not None:
            lookup = scope.names.leaf(name).lookup
        return Part(lookup.build(lhs, value, scope), NONE, NONE, aggregate)
    if path.many and place.below_not and not place.in_expression:
        return _build_subquery(scope, name, leaf, value)
    column, join = scope.column(path)
    lhs = column
    for transform in leaf.transforms:
        lhs = transform.apply(lhs, scope)
    element = lookup.build(lhs, value, scope)
    found: Joins = frozenset(join.with_parents()) if join is not None else NONE
    aggregate = scope.has_aggregate(value)
    is_null = _asks_for_null(lookup, value)
    if is_null is not None:
        return Part(element, NONE if is_null else found, found if is_null else NONE, aggregate)
    if place.must_decide:
        # NULL is not equal to anything, so that it is neither among the rows nor among the others; but whoever
        # excludes a name means to keep the rows that have none.
        if path.field.null or (join is not None and join.may_be_outer):
            element = and_(element, column.element.is_not(None))
        if isinstance(value, F) and type(value) is F:
            other = scope.build(value)
            if scope.may_be_null(value.name):
                element = and_(element, other.element.is_not(None))
    return Part(element, NONE if getattr(lookup, "true_of_null", False) else found, NONE, aggregate)


def _asks_for_null(lookup: Any, value: Any) -> bool | None:
    """True: the lookup is true of NULL alone; False: of everything else; None: it asks for something else."""
    if lookup.lookup_name == "isnull":
        return bool(value)
    if lookup.lookup_name in ("exact", "iexact") and value is None and getattr(lookup, "none_is_null", True):
        return True
    return None


def _build_subquery(scope: Any, name: str, leaf: Leaf, value: Any) -> Part:
    """Whether there is any row that the name leads to, such that."""
    aggregate = scope.has_aggregate(value)
    if aggregate and scope.dialect_name == "sqlite":
        raise NotSupportedError(
            f"SQLite cannot compare {name!r}, which leads to many rows, with an aggregate under NOT: its subqueries do "
            "not know the aggregates of the query around them. Compare two aggregates instead: Max() or Min() of what "
            "the name leads to, and this one."
        )
    if scope.has_window(value):
        raise NotSupportedError(
            f"Under NOT {name!r}, which leads to many rows, cannot be compared with a window: it is asked about in a "
            "subquery, which does not know the windows of the query around it. Compare the window with an annotation."
        )
    if hasattr(value, "references"):
        value = Prebuilt(scope.build(value)) if not hasattr(value, "build_select") else value
    inner = scope.inner(scope.model)
    path = leaf.path
    needs_row = _asks_for_null(leaf.lookup, value) is not True and not getattr(leaf.lookup, "true_of_null", False)
    column, join = inner.column(path)
    lhs = column
    for transform in leaf.transforms:
        lhs = transform.apply(lhs, inner)
    condition = leaf.lookup.build(lhs, value, inner)
    if needs_row and all(step.filter is None for step in path.steps):
        join.require()
        tables, links = inner.detached(scope.root)
    else:
        pk = scope.model._meta.concrete_model._meta.pk.column
        tables, links = inner.source(), [inner.root.table.c[pk] == scope.root.table.c[pk]]
    statement = select(1).select_from(tables).where(*links, condition).correlate_except(*inner.tables())
    return Part(exists(statement), NONE, NONE, aggregate)

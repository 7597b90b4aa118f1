"""From a queryset's operations to a SELECT.

`Question` goes through the operations in order, which matters: a filter after
an annotation does not use its joins to many rows again, and values() before an
aggregate says what is grouped by. Then `rows`, `count`, `exists` ... put
together what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import func, select
from sqlalchemy.sql.elements import False_

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.errors import NotSupportedError
from webframe.db.models.compiler import operations as ops
from webframe.db.models.compiler.chosen_by_windows import Around, computed_inside
from webframe.db.models.compiler.columns import Column, Selection, select_instances, select_values
from webframe.db.models.compiler.grouping import grouped, grouped_by_values
from webframe.db.models.compiler.numbering import slice_of_each
from webframe.db.models.compiler.operations import WHOLE, Slices
from webframe.db.models.compiler.ordering import ordering_of, place_in_result
from webframe.db.models.compiler.places import by_place, is_computed, missing, place_in, unmodified
from webframe.db.models.compiler.scope import QueryScope, Statement
from webframe.db.models.compiler.where import Part
from webframe.db.models.conditions import Q
from webframe.db.models.filtered import FilteredRelation
from webframe.db.models.paths import find, to_ancestor

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    postgresql = LateModule("sqlalchemy.dialects.postgresql")


class Question:
    """A queryset's operations, understood."""

    def __init__(
        self,
        model: Any,
        operations: Sequence[ops.Operation],
        statement: Statement,
        outer: QueryScope | None = None,
    ) -> None:
        self.model = model
        self.statement = statement
        self.scope = QueryScope(model, statement, outer)
        self.where: list[Any] = []
        self.having: list[Any] = []
        # Conditions that ask for windows: rows are chosen by them once those are computed.
        self.of_windows: list[Any] = []
        # Columns that stand beside an aggregate, in HAVING or in an annotation: they are grouped by.
        self.beside: list[Any] = []
        # (operation, where its literals begin); None: nobody said.
        self.ordering: tuple[ops.Ordering, int] | None = None
        self.reversed = False
        # None: no; (): whole rows; else names.
        self.distinct: tuple[str, ...] | None = None
        # The names given to values() and the shape; None: instances.
        self.values: tuple[tuple[str, ...], str] | None = None
        # Annotations that are part of the result, in order.
        self.selected: list[str] = []
        # The names of only() or defer().
        self.loading: tuple[frozenset[str], bool] = (frozenset(), True)
        # Names of select_related(); True: all that are not null.
        self.related: Any = ()
        # What rows are grouped by: None, "model", or elements.
        self.group: Any = None
        self.lock: tuple[Any, ...] | None = None
        # The slice is taken of the rows with each value of this; None: of all.
        self.each: Any = None
        self.empty = False
        self.combination: tuple[ops.Combination, int] | None = None
        # What is ordered by and is no aggregate; known once the ordering is built.
        self.ordered_by: list[Any] = []
        sticky: set[Any] | None = None
        for operation in operations:
            start = statement.position
            sticky = self._apply(operation, start, sticky)
            statement.position = start + operation.size
        # Where the literals of LIMIT and OFFSET begin.
        self.end = statement.position

    # --- the operations -----------------------------------------------------------------------------------------

    def _apply(self, operation: Any, start: int, sticky: set[Any] | None) -> set[Any] | None:
        kind = type(operation)
        if kind is ops.Simple:
            return self._filter_simple(operation, sticky)
        elif kind is ops.Condition:
            self.scope.reusable = sticky if sticky is not None else set()
            self._keep(operation.q)
            kept, self.scope.reusable = self.scope.reusable, None
            return kept if operation.sticky else None
        elif kind is ops.Annotation:
            self._annotate(operation)
        elif kind is ops.Ordering:
            self.ordering = (operation, start)
            self.reversed = False
        elif kind is ops.Reverse:
            self.reversed = not self.reversed
        elif kind is ops.Distinct:
            self.distinct = operation.key
        elif kind is ops.Columns:
            names, _ = self.values = operation.key
            known = self.scope.annotations.keys() - self.scope.filtered.keys()
            self.selected = [name for name in names if name in known] if names else self.selected
        elif kind is ops.Loading:
            self._load(*operation.key)
        elif kind is ops.Related:
            self._relate(operation.key)
        elif kind is ops.Lock:
            self.lock = operation.key
        elif kind is ops.Each:
            self.each = self.scope.ref(operation.key).element
        elif kind is ops.Nothing:
            self.empty = True
        elif kind is ops.Combination:
            self.combination = (operation, start)
        return None

    def _filter_simple(self, operation: ops.Simple, sticky: set[Any] | None) -> set[Any] | None:
        self.scope.reusable = sticky if sticky is not None else set()
        literals = self.statement.literals
        start = self.statement.position
        pairs = [(name, literals[start + place]) for place, name in enumerate(operation.names)]
        if operation.negated:
            self._keep_one(Q.create(tuple(pairs), negated=True))
        else:
            for pair, kinds in zip(pairs, operation.kinds, strict=True):
                self.statement.known_class = int if kinds is ops.ONLY_INT else None
                self._keep_one(pair)
            self.statement.known_class = None
        kept, self.scope.reusable = self.scope.reusable, None
        return kept if operation.sticky else None

    def _keep(self, q: Q) -> None:
        """A condition into WHERE, or, where it contains an aggregate, into HAVING: part by part, if it is an AND.

        A negated OR is one as well, which matters if windows are asked for: they are computed of what WHERE leaves.
        """
        if isinstance(q, Q) and q.connector == "AND" and not q.negated:
            for child in q.children:
                self._keep(child)
        elif isinstance(q, Q) and q.connector == "OR" and q.negated and self.scope.asks_for_window(q):
            for child in q.children:
                self._keep_one(Q.create((child,), negated=True))
        else:
            self._keep_one(q)

    def _keep_one(self, q: Any) -> None:
        start = self.statement.position
        self.scope.met.clear()
        window = self.scope.asks_for_window(q)
        # A join that a condition about windows needs keeps its rows until those are computed.
        build = self.scope.restriction if window else self.scope.keep_rows
        part: Part = build(q)
        if (part.aggregate or (window and self.group is not None)) and self._sets_apart(start):
            part = build(q)
        if window:
            self.of_windows.append(part.element)
            self.beside += self.scope.looked_at(Q.create((q,)))
        elif part.aggregate:
            self.having.append(part.element)
            self.beside += self.scope.met
        else:
            self.where.append(part.element)
        if part.aggregate and self.group is None:
            self.group = "model"

    def _annotate(self, operation: ops.Annotation) -> None:
        name, expression = operation.name, operation.expression
        start = self.statement.position
        if isinstance(expression, FilteredRelation):
            self.scope.name_relation(name, expression, start)
            return
        self.scope.met.clear()
        built = self.scope.build(expression)
        aggregate, window = self.scope.has_aggregate(expression), self.scope.has_window(expression)
        if (aggregate or (window and self.group is not None)) and self._sets_apart(start):
            built = self.scope.build(expression)
        self.scope.annotations[name] = built
        if aggregate:
            self.scope.aggregates.add(name)
            self.beside += self.scope.met
            self.group = "model" if self.values is None else grouped_by_values(self)
        if window:
            self.scope.windows[name] = self.scope.looked_at(expression)
        if operation.selected:
            self.selected.append(name)

    def _sets_apart(self, start: int) -> bool:
        """Whether what was built since then beside an aggregate is to be built again, from columns set apart."""
        if self.statement.dialect_name != "postgresql":
            return False
        moved = self.scope.set_apart()
        if not moved:
            return False
        if isinstance(self.group, list):
            self.group = [moved.get(element, element) for element in self.group]
        self.beside = [moved.get(element, element) for element in self.beside]
        self.statement.position = start
        self.scope.met.clear()
        return True

    def _load(self, kind: str, names: tuple[str, ...]) -> None:
        known, deferred = self.loading
        given = frozenset(names)
        if kind == "only":
            self.loading = (given - known, False) if deferred and known and given - known else (given, False)
        elif not names:
            self.loading = (frozenset(), True)
        elif deferred:
            self.loading = (known | given, True)
        elif known - given:
            self.loading = (known - given, False)
        else:
            left = given - known
            self.loading = (left, True) if left else (frozenset(), True)

    def _relate(self, names: Any) -> None:
        if names is None:
            self.related = ()
        elif names is True:
            self.related = True
        else:
            self.related = (*(self.related if self.related is not True else ()), *names)

    # --- statements ---------------------------------------------------------------------------------------------

    def rows(self, slices: Slices = WHOLE) -> Selection:
        """The SELECT for the result itself, and what its columns are."""
        if self.combination is not None:
            return self._combined(slices)
        selection = self.selection()
        statement = self.select(selection, slices)
        return selection._replace(statement=statement)

    def selection(self) -> Selection:
        if self.values is None:
            return select_instances(self)
        return select_values(self)

    def select(self, selection: Selection, slices: Slices, *, ordered: bool = True) -> Any:
        elements = [column.element for column in selection.columns]
        orders: list[Any] = []
        if ordered:
            orders = ordering_of(self, selection)
            if self.distinct == ():
                elements += missing(orders, elements)
        parted_by = () if self.each is None else (self.each, *orders)
        if parted_by:
            self.ordered_by.append(self.each)
            elements += missing(parted_by, elements)
        if self.having and self.statement.dialect_name == "mysql":
            # MariaDB knows columns in HAVING only if they are selected.
            elements += missing(list(dict.fromkeys(self.beside)), elements)
        if self.statement.dialect_name == "postgresql" and (self.distinct == () or self.group is not None):
            # Written twice, what is computed with parameters is not the same to PostgreSQL: it is named by its place.
            elements += missing([each for each in self.ordered_by if orders and is_computed(each)], elements)
            if not self.of_windows:
                orders = [by_place(order, elements) for order in orders]
        distinct_on = [self.scope.ref(name).element for name in self.distinct or ()]
        width = len(elements)
        if self.of_windows:
            elements += missing([*map(computed_inside, self.of_windows), *orders, *distinct_on], elements)
        statement = select(*elements).select_from(self.scope.source())
        statement = self.filtered(statement)
        group = grouped(self, selection.columns, elements)
        if group:
            statement = statement.group_by(*group)
        if self.having:
            statement = statement.having(*self.having)
        if self.of_windows:
            around = Around(statement, elements, self.scope)
            statement = around.select(width, self.of_windows)
            orders, distinct_on = ([around.column(each) for each in some] for some in (orders, distinct_on))
        if self.distinct is not None:
            statement = self._distinct(statement, distinct_on)
        if orders and not parted_by:
            statement = statement.order_by(*orders)
        if self.lock is not None:
            statement = self._locked(statement)
        if parted_by:
            places = [place_in(unmodified(each), elements) for each in parted_by]
            limit, offset = self._limits(slices)
            return slice_of_each(statement, len(selection.columns), parted_by, places, limit, offset)
        return self.sliced(statement, slices)

    @property
    def conditions(self) -> list[Any]:
        """What stands in WHERE."""
        return [*self.where, sqlalchemy.false()] if self.empty else self.where

    def filtered(self, statement: Any) -> Any:
        """The statement with WHERE."""
        if self.scope.outer is not None:
            statement = statement.correlate_except(*self.scope.tables())
        conditions = self.conditions
        return statement.where(*conditions) if conditions else statement

    @property
    def matches_nothing(self) -> bool:
        """Whether it is known without asking that no row matches."""
        return self.empty or any(isinstance(element, False_) for element in self.where)

    def sliced(self, statement: Any, slices: Slices) -> Any:
        """The statement with LIMIT and OFFSET: the last literals."""
        limit, offset = self._limits(slices)
        if limit is not None:
            statement = statement.limit(limit)
        return statement if offset is None else statement.offset(offset)

    def _limits(self, slices: Slices) -> tuple[Any, Any]:
        """The parameters for LIMIT and OFFSET, where there are any."""
        self.statement.position = self.end
        limit = self._next(sqlalchemy.Integer()) if slices.limit else None
        return limit, self._next(sqlalchemy.Integer()) if slices.offset else None

    def _next(self, sql_type: Any) -> Any:
        literal = self.statement.literals[self.statement.position]
        return self.statement.take(literal, sql_type, None, None)

    @property
    def pk(self) -> Any:
        """The column of the primary key."""
        return self.scope.root.table.c[self.model._meta.concrete_model._meta.pk.column]

    def _distinct(self, statement: Any, elements: Sequence[Any]) -> Any:
        if not elements:
            return statement.distinct()
        if self.statement.dialect_name != "postgresql":
            raise NotSupportedError("DISTINCT ON fields is not supported by this database: distinct() takes no names.")
        # SQLAlchemy 2.1 has a new word for it, and warns of the old one.
        extension = getattr(postgresql, "distinct_on", None)
        return statement.distinct(*elements) if extension is None else statement.ext(extension(*elements))

    def _locked(self, statement: Any) -> Any:
        features = self.statement.wrapper.features
        if not getattr(features, "supports_select_for_update", False):
            return statement
        if self.of_windows:
            raise NotSupportedError(
                "Rows that are filtered by a window cannot be locked. Find them in a queryset without "
                "select_for_update(), and lock those of filter(pk__in=that.values('pk'))."
            )
        nowait, skip_locked, of, no_key = self.lock or (False, False, (), False)
        tables = []
        for name in of:
            join = self.scope.root if name == "self" else self._related_join(name)
            tables.append(join.table)
        if no_key and self.statement.dialect_name != "postgresql":
            raise NotSupportedError("FOR NO KEY UPDATE is not supported by this database.")
        return statement.with_for_update(nowait=nowait, skip_locked=skip_locked, of=tables or None, key_share=no_key)

    def _related_join(self, name: str) -> Any:
        """The join that select_related() has made for a name."""
        join, model = self.scope.root, self.model
        for part in name.split("__"):
            relation = find(model, part)
            if relation is None or not relation.is_relation:
                raise FieldError(f"Invalid field name given in select_for_update(of=...): {name!r}. Name a relation.")
            steps = relation.join_steps()
            join = self.scope.join((*to_ancestor(model, steps[0].source), *steps), join)
            model = relation.related_model
        return join

    # --- other questions about the same rows --------------------------------------------------------------------

    @property
    def needs_subquery(self) -> bool:
        """Whether counting or aggregating has to be done over the rows of the result, not those of the tables."""
        return (
            self.group is not None or self.distinct is not None or self.combination is not None or bool(self.of_windows)
        )

    def count(self, slices: Slices = WHOLE) -> Any:
        """SELECT COUNT(*)."""
        if self.needs_subquery or slices != WHOLE:
            return select(func.count()).select_from(self.inner(slices).subquery("rows_of"))
        return self.filtered(select(func.count()).select_from(self.scope.source()))

    def inner(self, slices: Slices) -> Any:
        """The rows as a subquery, with no more columns than decide which rows there are."""
        if self.combination is not None:
            return self._combined(slices).statement
        if self.distinct is not None or self.group is not None:
            selection = self.selection()
            columns = [column.labelled(place) for place, column in enumerate(selection.columns)]
            selection = selection._replace(columns=columns)
            return self.select(selection, slices, ordered=slices != WHOLE or bool(self.distinct))
        one = Selection([Column("one", sqlalchemy.literal_column("1").label("one"), None)], None, "tuple")
        return self.select(one, slices, ordered=False)

    def exists(self, slices: Slices = WHOLE) -> Any:
        """SELECT 1, of one row at the most."""
        if self.combination is not None or (self.distinct is not None and slices.offset):
            return select(sqlalchemy.literal_column("1")).select_from(self.inner(slices).subquery("rows_of")).limit(1)
        one = Selection([Column("one", sqlalchemy.literal_column("1"), None)], None, "tuple")
        self.distinct = None
        statement = self.select(one, slices, ordered=False)
        return statement if slices.limit else statement.limit(sqlalchemy.literal_column("1"))

    def keys(self, slices: Slices = WHOLE) -> Any:
        """SELECT of the primary key: which rows an UPDATE or DELETE is about."""
        one = Selection([Column("pk", self.pk, None)], None, "tuple")
        return self.select(one, slices, ordered=slices != WHOLE)

    # --- combined querysets -------------------------------------------------------------------------------------

    def _combined(self, slices: Slices) -> Selection:
        assert self.combination is not None
        operation, start = self.combination
        self.statement.position = start
        selections: list[Selection] = [
            queryset.selection_in(self.statement, self.scope.outer) for queryset in operation.querysets
        ]
        if len({len(selection.columns) for selection in selections}) > 1:
            raise FieldError(
                f"The querysets of a {operation.kind} select different numbers of columns: "
                f"{', '.join(str(len(selection.columns)) for selection in selections)}."
            )
        first = selections[0]
        natural, places = list(range(len(first.columns))), self._chosen_first(first)
        parts: list[Any] = []
        for queryset, selection in zip(operation.querysets, selections, strict=True):
            statement = selection.statement
            rows = statement.subquery(f"part_{len(parts)}")
            if len(statement.selected_columns) > len(natural) or places != natural:
                # There are columns that DISTINCT or HAVING needs, or others come first.
                statement = select(*[list(rows.c)[place] for place in places])
            elif queryset.is_sliced or (queryset.is_combined and self.statement.dialect_name == "sqlite"):
                statement = select(rows)
            parts.append(statement)
        result = first._replace(columns=[first.columns[place] for place in places])
        compound = _COMPOUNDS[operation.kind](*parts)
        orders = ordering_of(self, result, compound)
        if orders:
            compound = compound.order_by(*orders)
        if self.values is not None:
            names, shape = self.values
            result = result._replace(columns=result.columns[: len(names) or None], shape=shape)
        return result._replace(statement=self.sliced(compound, slices))

    def _chosen_first(self, selection: Selection) -> list[int]:
        """The places of the columns of a combination: first those that values() names, and then all others.

        Those have their say in which rows there are, but nobody sees them.
        """
        chosen = []
        for name in self.values[0] if self.values is not None else ():
            place = place_in_result(name, selection, self.model)
            if place is None:
                raise FieldError(
                    f"The combined querysets do not select {name!r}. "
                    f"Choices are: {', '.join(column.name for column in selection.columns)}"
                )
            chosen.append(place)
        return chosen + [place for place in range(len(selection.columns)) if place not in chosen]


_COMPOUNDS: dict[str, Any] = {
    "union": sqlalchemy.union,
    "union all": sqlalchemy.union_all,
    "intersection": sqlalchemy.intersect,
    "difference": sqlalchemy.except_,
}

"""Scopes: what names mean at one place of a statement, and the joins that they ask for.

A `Statement` hands out parameters for the literals, in order, and names for the
tables. A `QueryScope` is one SELECT of it, or what an UPDATE or DELETE finds its
rows by: a table and a tree of joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import bindparam
from sqlalchemy.sql.visitors import iterate

from webframe.core.exceptions import FieldError
from webframe.db.models.building import Built
from webframe.db.models.compiler.literals import Names
from webframe.db.models.compiler.plans import Slot, exact_type_of
from webframe.db.models.compiler.where import IN_EXPRESSION, Part, build_condition
from webframe.db.models.conditions import Q, names_in
from webframe.db.models.paths import Path, is_forward, resolve_column, scalar
from webframe.db.models.sql import Repeated
from webframe.db.models.tables import column_type, table_of

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, ColumnElement, FromClause
    from sqlalchemy.types import TypeEngine

    from webframe.db.models.options import JoinStep


# Of so many parameters of one kind one is made.
MANY = 16


class Statement:
    """One SQL statement in the making: its literals and the parameters that stand for them."""

    def __init__(self, wrapper: Any, literals: Sequence[Any]) -> None:
        self.wrapper = wrapper
        self.dialect_name: str = "mysql" if wrapper.vendor == "mysql" else wrapper.dialect.name
        self.literals = literals
        # The index of the literal that comes next.
        self.position = 0
        # What was handed out, by the name of the parameter.
        self.slots: dict[str, Slot] = {}
        # Whether literals are constants that belong to the model, not to the question.
        self.constants = False
        # The class that the literals which are taken now have in every execution, if that is known.
        self.known_class: type | None = None
        self._tables = 0

    def take(
        self, value: Any, sql_type: Any, convert: Callable[[Any], Any] | None, exact_type: type | None
    ) -> BindParameter[Any]:
        """The parameter for the next literal, which must be this one."""
        if self.constants:
            return sqlalchemy.literal(value if convert is None else convert(value), sql_type)
        index = self.position
        if index >= len(self.literals) or not _same(self.literals[index], value):
            met = repr(self.literals[index]) if index < len(self.literals) else "none"
            raise AssertionError(
                f"An expression builds its literals in another order than it keys them: "
                f"{value!r} is asked for, and the next one is {met}."
            )
        self.position += 1
        name = f"_literal_{index}"
        if exact_type is not None and exact_type is self.known_class:
            convert = None
        self.slots[name] = Slot(index, convert, exact_type)
        return bindparam(name, type_=sql_type)

    def take_many(self, values: Sequence[Any], make: Callable[[Any], ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """The parameters for the next literals, which must be these, as `make` makes one by `take`; of many, one.

        SQLAlchemy takes its time for each parameter, and forgets nothing of it.
        """
        start = self.position
        if len(values) < MANY or self.constants:
            return [make(value) for value in values]
        one, end = make(values[0]), start + len(values)
        taken = self.slots.get(f"_literal_{start}")
        if taken is None or self.position != start + 1:
            return [one, *[make(value) for value in values[1:]]]
        if not all(map(_same, self.literals[start:end], values)):
            raise AssertionError("An expression builds the literals of a list in another order than it keys them.")
        self.slots[f"_literal_{start}"] = taken._replace(repeats=len(values))
        self.position = end
        return [Repeated(one, len(values))]

    def named(self, table: FromClause) -> FromClause:
        """The table under a name that the statement has not used yet."""
        self._tables += 1
        return table.alias(f"T{self._tables}")


def _has_parameters(element: Any) -> bool:
    """Whether an element is computed with parameters, and is no mere parameter."""
    if isinstance(element, sqlalchemy.BindParameter):
        return False
    return any(isinstance(part, sqlalchemy.BindParameter) for part in iterate(element))


def _too_late(what: str) -> FieldError:
    return FieldError(f"Cannot annotate an aggregate of {what}: a window is computed later. Instead use aggregate().")


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return bool(one == other)
    except Exception:  # whatever comparing strange values does, they are not known to be the same
        return False


class Join:
    """One table of a query, and how it was got to."""

    __slots__ = ("children", "condition", "inner", "model", "parent", "step", "table")

    def __init__(self, table: FromClause, model: Any, parent: Join | None = None, step: JoinStep | None = None) -> None:
        self.table: Any = table
        self.model = model
        self.parent = parent
        self.step = step
        # What must hold beside; None: nothing.
        self.condition: Any = None
        # Joins that start here, by their step.
        self.children: dict[Any, list[Join]] = {}
        # Whether a condition needs it to have found a row.
        self.inner = False

    @property
    def may_be_outer(self) -> bool:
        """Whether the table may have no row, as things stand."""
        if self.inner or self.parent is None or self.step is None:
            return False
        return self.step.nullable or self.step.many or self.step.filter is not None or self.parent.may_be_outer

    def require(self) -> None:
        """From now on only rows count for which it finds one."""
        join: Join | None = self
        while join is not None:
            join.inner = True
            join = join.parent

    def with_parents(self) -> Iterator[Join]:
        """This join and those that lead to it, without the root."""
        join = self
        while join.parent is not None:
            yield join
            join = join.parent

    def on(self) -> Any:
        """The condition that links it to its parent."""
        assert self.parent is not None and self.step is not None
        near, far = self.parent.table.c, self.table.c
        links = [near[a.column] == far[b.column] for a, b in self.step.columns]
        return sqlalchemy.and_(*links if self.condition is None else (*links, self.condition))


class QueryScope:
    """One SELECT: its tables, its annotations, and what a name means in it."""

    def __init__(self, model: Any, statement: Statement, outer: QueryScope | None = None) -> None:
        self.model = model
        self.statement = statement
        self.outer = outer
        self.dialect_name = statement.dialect_name
        self.wrapper = statement.wrapper
        table = table_of(model)
        self.root = Join(table if outer is None else statement.named(table), model)
        self._joins: list[Join] = []
        # What annotations were built to, and which of them are aggregates.
        self.annotations: dict[str, Built] = {}
        self.aggregates: set[str] = set()
        # Annotations with OVER, which are computed after WHERE, GROUP BY and HAVING, and the columns that they look at.
        self.windows: dict[str, list[Any]] = {}
        self.names = Names(model, self.annotations, self._field_of)
        # See `Scope`.
        self.met: list[Any] = []
        # Annotations that are columns of tables of their own, see `set_apart`.
        self._apart: list[Any] = []
        # Filtered relations by their names, and where their literals begin.
        self.filtered: dict[str, tuple[Any, int]] = {}
        # Joins to many that a name may use again; None: all of them.
        self.reusable: set[Join] | None = None

    def _field_of(self, alias: str) -> Any:
        return self.annotations[alias].field

    # --- the protocol of building.py ----------------------------------------------------------------------------

    def ref(self, name: str, *, allow_joins: bool = True, for_aggregate: bool = False) -> Built:
        """The column, annotation or transformed column that a name means."""
        path = self.path(name)
        if path.steps and not allow_joins:
            raise FieldError(f"{name!r} needs a join, and joined fields are not permitted here.")
        if for_aggregate and path.annotation in self.windows:
            raise _too_late(repr(name))
        field = self.annotations[path.annotation].field if path.annotation is not None else path.field
        transforms = []
        for part in path.rest:
            transform = field.get_transform(part) if field is not None else None
            if transform is None:
                raise FieldError(f"Cannot resolve {part!r} in {name!r}: the annotation has no such transform.")
            transforms.append(transform)
            field = transform.result_field(field)
        return self.ref_path(path, tuple(transforms))

    def ref_path(self, path: Path, transforms: tuple[Any, ...] = ()) -> Built:
        """What a path leads to, transformed."""
        if path.annotation is None:
            built = self.column(path)[0]
        else:
            built = self.annotations[path.annotation]
            if path.annotation not in self.aggregates and path.annotation not in self.windows:
                self.met.append(built.element)
        for transform in transforms:
            built = transform.apply(built, self)
        return built

    def value(
        self,
        value: Any,
        field: Any = None,
        convert: Callable[[Any], Any] | None = None,
        sql_type: TypeEngine[Any] | None = None,
    ) -> ColumnElement[Any]:
        """The parameter for the next literal."""
        if field is None:
            return self.statement.take(value, sql_type or sqlalchemy.literal(value).type, convert, None)
        field = scalar(field) if getattr(field, "is_relation", False) else field
        if sql_type is None:
            sql_type = column_type(field)
        if convert is not None:
            return self.statement.take(value, sql_type, convert, None)
        return self.statement.take(value, sql_type, field.get_prep_value, exact_type_of(field))

    def values(self, literals: Sequence[Any], make: Callable[[Any], ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """The parameters for the next literals, each of which is made in the same way."""
        return self.statement.take_many(literals, make)

    def typed_value(
        self, value: Any, sql_type: TypeEngine[Any], convert: Callable[[Any], Any] | None = None
    ) -> ColumnElement[Any]:
        """The parameter for the next literal, of a given SQL type."""
        return self.statement.take(value, sql_type, convert, None)

    def build(self, value: Any, field: Any = None) -> Built:
        """Any operand as SQL."""
        if value is None:
            return Built(sqlalchemy.null(), field)
        if hasattr(value, "build_select"):
            select, column_field = value.build_column(self)
            return Built(select.scalar_subquery(), column_field)
        if hasattr(value, "references") and hasattr(value, "build"):
            built: Built = value.build(self)
            return built
        return Built(self.value(value, field), field)

    def subquery(self, queryset: Any, *, columns: str = "one") -> Any:
        """A queryset as a Select within this scope."""
        return queryset.build_select(self, columns)

    def condition(self, q: Any, *, for_aggregate: bool = False) -> ColumnElement[bool]:
        """The condition that a Q stands for, where it does not decide about rows: joins stay as they are."""
        if for_aggregate and self.asks_for_window(q):
            raise _too_late(str(q))
        return build_condition(self, q, IN_EXPRESSION).element

    def path(self, name: str) -> Path:
        """Where a name leads."""
        return resolve_column(self.model, name, self.annotations)

    # --- tables and joins ---------------------------------------------------------------------------------------

    def column(self, path: Path) -> tuple[Built, Join | None]:
        """The column that a path leads to, and the join in which it is (None: the root)."""
        join = self.join(path.steps)
        element = join.table.c[path.field.column]
        self.met.append(element)
        return Built(element, scalar(path.field)), None if join is self.root else join

    def join(self, steps: Sequence[JoinStep], start: Join | None = None) -> Join:
        """The last of the joins for these steps: those that are there already, where they may be used again."""
        join = start or self.root
        for step in steps:
            known = join.children.setdefault((step.model, step.columns, step.filter), [])
            free = known
            if step.many and self.reusable is not None:
                free = [each for each in known if each in self.reusable]
            if free:
                join = free[-1]
                continue
            made = Join(self.statement.named(table_of(step.model)), step.model, join, step)
            known.append(made)
            self._joins.append(made)
            if self.reusable is not None:
                self.reusable.add(made)
            if step.filter is not None:
                made.condition = self._condition_of(step.filter)
            join = made
        return join

    def name_relation(self, alias: str, relation: Any, position: int) -> None:
        """Make a filtered relation known, whose literals begin at that position."""
        self.annotations[alias] = relation
        self.filtered[alias] = relation, position

    def _condition_of(self, alias: str) -> Any:
        """The condition of a filtered relation, whose join has just been made."""
        relation, position = self.filtered[alias]
        statement = self.statement
        before = statement.position, statement.known_class, self.reusable, len(self.met)
        statement.position, statement.known_class, self.reusable = position, None, None
        element = build_condition(self, relation.condition, IN_EXPRESSION).element
        statement.position, statement.known_class, self.reusable, met = before
        del self.met[met:]
        return element

    def may_be_null(self, name: str) -> bool:
        """Whether a name may mean NULL."""
        path = self.path(name)
        return path.annotation is not None or path.field.null or any(not is_forward(step) for step in path.steps)

    def is_aggregate(self, alias: str) -> bool:
        """Whether an annotation is computed over groups of rows."""
        return alias in self.aggregates

    def has_aggregate(self, expression: Any) -> bool:
        """Whether an expression, or one of a list, contains an aggregate or names an annotation that does."""
        if isinstance(expression, (list, tuple)):
            return any(self.has_aggregate(each) for each in expression if hasattr(each, "references"))
        if getattr(expression, "contains_aggregate", False):
            return True
        if not self.aggregates or not hasattr(expression, "references"):
            return False
        return any(self.is_aggregate(name.split("__")[0]) for name in expression.references())

    def has_window(self, expression: Any) -> bool:
        """Whether an expression contains a window or names an annotation that does."""
        if getattr(expression, "contains_over_clause", False):
            return True
        if not self.windows or not hasattr(expression, "references"):
            return False
        return any(name.split("__")[0] in self.windows for name in expression.references())

    def asks_for_window(self, q: Any) -> bool:
        """Whether a condition is about a window: a Q, a (name, value) pair or an expression with boolean values."""
        return any(
            leaf[0].split("__")[0] in self.windows or self.has_window(leaf[1])
            if isinstance(leaf, tuple)
            else self.has_window(leaf)
            for leaf in Q.create((q,)).leaves()
        )

    def looked_at(self, expression: Any) -> list[Any]:
        """The columns that the windows of an expression or a Q look at, which has just been built."""
        names = [name.split("__")[0] for name in names_in(expression)]
        named = [column for name in names for column in self.windows.get(name, ())]
        return [*self.met, *named]

    def inner(self, model: Any) -> QueryScope:
        """A scope for a subquery within this one."""
        made = QueryScope(model, self.statement, self)
        for alias, (relation, position) in self.filtered.items():
            made.name_relation(alias, relation, position)
        return made

    def source(self) -> Any:
        """All tables, joined."""
        source: Any = self.root.table
        for join in self._joins:
            source = source.join(join.table, join.on(), isouter=join.may_be_outer)
        for table in self._apart:
            source = source.join(table, sqlalchemy.true())
        return source

    def set_apart(self) -> dict[Any, Any]:
        """Let annotations that were just met be columns, where they are computed with parameters.

        PostgreSQL takes what is written twice with parameters for two different things, one of which is not grouped
        by. Returns what was met and is a column now, by what it was.
        """
        moved = {}
        for name, built in self.annotations.items():
            element = built.element
            if any(element is each for each in self.met) and _has_parameters(element):
                table: Any = (
                    sqlalchemy.select(element.label("value")).correlate_except().lateral(f"A{len(self._apart)}")
                )
                self._apart.append(table)
                moved[element] = table.c.value
                self.annotations[name] = Built(table.c.value, built.field)
        return moved

    def detached(self, root: Join) -> tuple[Any, list[Any]]:
        """All tables without the root, joined, and the conditions that link them to another root of the same model."""
        first, *others = self._joins
        source: Any = first.table
        for join in others:
            source = source.join(join.table, join.on(), isouter=join.may_be_outer)
        assert first.step is not None
        links = [root.table.c[a.column] == first.table.c[b.column] for a, b in first.step.columns]
        return source, links

    def join_of(self, table: Any) -> Join | None:
        """The join that has a table; None if it is not of this scope."""
        return next((join for join in (self.root, *self._joins) if join.table is table), None)

    @property
    def has_joins(self) -> bool:
        """Whether there is more than the model's own table."""
        return bool(self._joins or self._apart)

    def tables(self) -> list[Any]:
        """The tables of this scope, joined or not."""
        return [self.root.table, *[join.table for join in self._joins], *self._apart]

    def is_correlated(self, statement: Any) -> bool:
        """Whether a statement of this scope refers to the queries around it."""
        outside: list[Any] = []
        around = self.outer
        while around is not None:
            outside += around.tables()
            around = around.outer
        return any(getattr(part, "table", None) in outside for part in iterate(statement))

    # --- conditions that decide about rows ----------------------------------------------------------------------

    def restriction(self, q: Any) -> Part:
        """Build a condition that decides about rows, but not yet about those that are joined."""
        return build_condition(self, q)

    def keep_rows(self, q: Any) -> Part:
        """Build a condition that all rows of the query fulfil: joins that it needs become inner ones."""
        part = self.restriction(q)
        for join in part.if_true:
            join.inner = True
        return part

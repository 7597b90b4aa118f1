"""Plans for questions: the statement, and what becomes of its rows."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import SelectBase, select
from sqlalchemy.sql.visitors import iterate

from webframe.core.exceptions import FieldError
from webframe.db.models.building import Built
from webframe.db.models.compiler.columns import Column, Selection
from webframe.db.models.compiler.hydrate import Answer, Instances, value_rows
from webframe.db.models.compiler.operations import WHOLE, Operation, Slices
from webframe.db.models.compiler.plans import Plan, exact_type_of, make_plan
from webframe.db.models.compiler.scope import Join, QueryScope, Statement
from webframe.db.models.compiler.select import Question
from webframe.db.models.paths import Path, scalar
from webframe.db.models.tables import column_type, table_of

Operations = Sequence[Operation]


def rows_plan(model: Any, operations: Operations, literals: Sequence[Any], slices: Slices, wrapper: Any) -> Plan:
    """The plan for the result itself; its `answer` makes instances, dictionaries or tuples of (rows, alias)."""
    statement = Statement(wrapper, literals)
    question = Question(model, operations, statement)
    selection = question.rows(slices)
    answer = answer_for(selection, wrapper)
    return _plan(selection.statement, statement, answer, question.matches_nothing)


def answer_for(selection: Selection, wrapper: Any) -> Answer:
    """What becomes of rows with these columns."""
    converters = [column.converter(wrapper) for column in selection.columns]
    extra = len(selection.statement.selected_columns) - len(converters)
    converters += [None] * extra
    if selection.root is not None:
        return Instances(selection.root, selection.annotations, converters, wrapper.features.has_typed_columns)
    names = [column.name for column in selection.columns]
    row_class = namedtuple("Row", names) if selection.shape == "named" else None
    return value_rows(selection.shape, names, converters, len(names), row_class)


def count_plan(model: Any, operations: Operations, literals: Sequence[Any], slices: Slices, wrapper: Any) -> Plan:
    """The plan for the number of rows."""
    statement = Statement(wrapper, literals)
    question = Question(model, operations, statement)
    return _plan(question.count(slices), statement, None, question.matches_nothing)


def exists_plan(model: Any, operations: Operations, literals: Sequence[Any], slices: Slices, wrapper: Any) -> Plan:
    """The plan for whether there are rows."""
    statement = Statement(wrapper, literals)
    question = Question(model, operations, statement)
    return _plan(question.exists(slices), statement, None, question.matches_nothing)


def _plan(statement: Any, made: Statement, answer: Any, empty: bool) -> Plan:
    return make_plan(statement, made.wrapper, made.slots, len(made.literals), answer, empty=empty)


# --- aggregates -------------------------------------------------------------------------------------------------


def aggregate_plan(
    model: Any,
    operations: Operations,
    literals: Sequence[Any],
    slices: Slices,
    wrapper: Any,
    aggregates: Sequence[tuple[str, Any]],
) -> Plan:
    """The plan for aggregate(): one row, which its `answer` turns into a list of one dictionary."""
    statement = Statement(wrapper, literals)
    question = Question(model, operations, statement)
    after = question.end + slices.limit + slices.offset
    # A window is computed when it is too late for aggregates of the same SELECT.
    of_windows = any(question.scope.has_window(expression) for _, expression in aggregates)
    whole = question.needs_subquery or of_windows or slices != WHOLE
    scope: QueryScope = Derived(question, slices) if whole else question.scope
    statement.position = after
    columns = []
    for name, expression in aggregates:
        built = scope.build(expression)
        columns.append(Column(name, built.element.label(name), built.field))
        scope.annotations[name] = built
    elements = [column.element for column in columns]
    if isinstance(scope, Derived):
        made = select(*elements).select_from(scope.rows())
    else:
        made = question.filtered(select(*elements).select_from(scope.source()))
    converters = [column.converter(wrapper) for column in columns]
    answer = value_rows("dict", [column.name for column in columns], converters, len(columns))
    return _plan(made, statement, answer, question.matches_nothing)


class Derived(QueryScope):
    """A scope whose rows are those of a question: names are columns of a subquery, selected as they are asked for."""

    def __init__(self, question: Question, slices: Slices) -> None:
        self.question = question
        self.slices = slices
        self._columns: list[Column] = []
        self._known: dict[Any, Built] = {}
        super().__init__(question.model, question.statement)
        if question.combination is None and question.distinct is not None:
            # What is distinct is decided by all columns of the result.
            self._columns += question.selection().columns
        self.filtered = question.scope.filtered
        for name, built in question.scope.annotations.items():
            if name in self.filtered:
                self.annotations[name] = built
                continue
            self.annotations[name] = self._selected(("annotation", name), built)

    def _selected(self, key: Any, built: Built) -> Built:
        known = self._known.get(key)
        if known is None:
            name = f"c{len(self._columns)}"
            self._columns.append(Column(name, built.element, built.field))
            known = self._known[key] = Built(sqlalchemy.column(name, built.element.type), built.field)
        return known

    def column(self, path: Path) -> tuple[Built, Join | None]:
        """The column of the subquery for a path."""
        if self.question.combination is not None:
            raise FieldError("A combination of querysets cannot be aggregated by its fields; only counted.")
        built, _ = self.question.scope.column(path)
        return self._selected((path.steps, path.field), built), None

    def rows(self) -> Any:
        """The subquery."""
        position = self.statement.position
        columns = [column.labelled(place) for place, column in enumerate(self._columns)]
        if not columns:
            columns = [Column("one", sqlalchemy.literal_column("1").label("one"), None)]
        if self.question.combination is not None:
            made = self.question.rows(self.slices).statement
        else:
            made = self.question.select(Selection(columns, None, "tuple"), self.slices, ordered=self.slices != WHOLE)
        self.statement.position = position
        return made.subquery("rows_of")


# --- UPDATE and DELETE ------------------------------------------------------------------------------------------


def delete_plan(model: Any, operations: Operations, literals: Sequence[Any], wrapper: Any) -> Plan:
    """The plan for deleting the rows of the model's own table, and nothing else."""
    statement = Statement(wrapper, literals)
    question = Question(model, operations, statement)
    made = _matching(table_of(model).delete(), question)
    return _plan(made, statement, None, question.matches_nothing)


def update_plan(
    model: Any,
    operations: Operations,
    literals: Sequence[Any],
    wrapper: Any,
    assignments: Sequence[tuple[Any, Any]],
) -> Plan:
    """The plan for setting (field, value) pairs of the model's own table; values may be expressions."""
    statement = Statement(wrapper, literals)
    question = Question(model, operations, statement)
    scope = question.scope
    statement.position = question.end
    named = {}
    table = scope.root.table
    for field, value in assignments:
        if hasattr(value, "references"):
            named[table.c[field.column]] = scope.build(value, scalar(field)).element
            _check_assigned(scope, field, value, named[table.c[field.column]])
        else:
            named[table.c[field.column]] = statement.take(
                value, column_type(field), field.get_save_value, exact_type_of(field)
            )
    update = table_of(model).update()
    one_by_one = statement.dialect_name == "sqlite" and wrapper.features.can_update_from
    if one_by_one and any(map(_has_subquery, named.values())):
        made = _found_before(update, named, question)
    else:
        made = _matching(update.values(named), question)
    return _plan(made, statement, None, question.matches_nothing)


def _check_assigned(scope: QueryScope, field: Any, value: Any, element: Any) -> None:
    """Refuse a new value that needs more than the row that is changed: UPDATE has the tables of no joins."""
    if any(scope.is_aggregate(name) for name in value.references()):
        raise FieldError(f"Aggregate functions are not allowed in this query (the new value of {field.name!r}).")
    if scope.has_window(value):
        raise FieldError(
            f"Window expressions are not allowed in this query (the new value of {field.name!r}). Read "
            "the rows with the window as an annotation, set the attribute of each, and say bulk_update()."
        )
    joined = scope.tables()[1:]
    if any(getattr(part, "table", None) in joined for part in iterate(element)):
        raise FieldError(
            f"Joined field references are not permitted in this query (the new value of {field.name!r}). Take the "
            "value from a subquery: Model.objects.filter(pk=OuterRef(...)).values(...)[:1]."
        )


def _matching(made: Any, question: Question) -> Any:
    """The statement, for the rows that the question is about."""
    if not question.scope.has_joins and not question.needs_subquery:
        conditions = question.conditions
        # SQLite looks at one row after another: a subquery there would see the rows that were changed already.
        if question.statement.dialect_name != "sqlite" or not any(map(_has_subquery, conditions)):
            return made.where(*conditions) if conditions else made
    position = question.statement.position
    keys = question.keys()
    question.statement.position = position
    keys = keys.correlate(None)
    if question.statement.dialect_name == "mysql":
        # MySQL does not read from the table that it changes, except by way of a table made before. There may be more
        # columns in it, for HAVING.
        keys = select(next(iter(keys.subquery("chosen").c)))
    return made.where(question.pk.in_(keys))


def _found_before(update: Any, named: Mapping[Any, Any], question: Question) -> Any:
    """The UPDATE whose new values are all found before any is written, for SQLite, which goes row by row."""
    position = question.statement.position
    labels = [value.label(None) for value in named.values()]
    keys = question.keys()
    if question.of_windows:
        # What the values are computed of is only inside the SELECT with the windows.
        keys = select(question.pk).select_from(question.scope.source()).where(question.pk.in_(keys))
    found = keys.add_columns(*labels).correlate(None).subquery()
    question.statement.position = position
    key, *values = found.c
    return update.values(dict(zip(named, values, strict=True))).where(question.pk == key)


def _has_subquery(condition: Any) -> bool:
    return any(isinstance(part, SelectBase) for part in iterate(condition))

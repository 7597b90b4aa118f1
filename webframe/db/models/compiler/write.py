"""Statements that change single rows or rows known by a key: insert, update, delete.

`model` is always the class whose own table is written: the parents of
multi-table inheritance are written by calls of their own. Values may be
expressions, ``F("stock") - 1``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy

from webframe.core.exceptions import FieldError
from webframe.db.connections import connections
from webframe.db.models.compiler.bulk import (
    FEW_PARAMETERS,
    FEW_ROWS,
    insert_many_plan,
    prepared_columns,
    rows_at_once,
)
from webframe.db.models.compiler.bulk_updates import can_update_together, update_together
from webframe.db.models.compiler.literals import Names, QueryLiterals
from webframe.db.models.compiler.operations import PLAIN_TYPES, is_expression
from webframe.db.models.compiler.plans import Plan, Slot, exact_type_of, make_plan
from webframe.db.models.compiler.scope import QueryScope, Statement
from webframe.db.models.compiler.values import NotPlain as NotPlain
from webframe.db.models.compiler.values import (
    attribute_slot,
    batches,
    converted_row,
    plain_slot,
    returned_columns,
    slot_for,
)
from webframe.db.models.tables import column_type, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Fields = tuple[Any, ...]
    MakeSlot = Callable[[Any, int, dict[str, Slot]], sqlalchemy.BindParameter[Any]]


def insert(
    model: Any, fields: Fields, values: Sequence[Any], alias: str, returning: Fields = (), plain: bool = False
) -> tuple[Any, ...]:
    """Insert one row; returns the values of the fields `returning` as the database made them.

    `plain` says that the caller has found no expression among the values.

    A database that cannot return them gives only the key that it made: then the tuple
    is shorter, or empty if none was made.
    """
    wrapper = connections[alias]
    if not (plain or PLAIN_TYPES.issuperset(map(type, values))) and any(map(is_expression, values)):
        return _insert_expressions(model, fields, values, wrapper, returning)
    key = ("insert", model, fields, returning)
    plan = wrapper.plans.get(key)
    if plan is None:
        plan = wrapper.plans[key] = _insert_plan(model, fields, wrapper, returning)
    parameters = plan.parameters
    row = wrapper.insert(plan.sql, values if parameters is None else parameters(values))
    answer = plan.answer
    if answer is None:
        return row or ()
    return converted_row(row, answer)


def update(model: Any, pk_value: Any, fields: Fields, values: Sequence[Any], alias: str, plain: bool = False) -> int:
    """Update the row with this primary key; returns how many rows matched: one or none."""
    wrapper = connections[alias]
    if not (plain or PLAIN_TYPES.issuperset(map(type, values))) and any(map(is_expression, values)):
        return _update_expressions(model, model._meta.pk, (pk_value,), fields, values, wrapper)
    key = ("update", model, fields)
    plan = wrapper.plans.get(key)
    if plan is None:
        plan = wrapper.plans[key] = _update_plan(model, model._meta.pk, 1, fields, wrapper)
    parameters = plan.parameters
    row = (*values, pk_value)
    count: int = wrapper.run(plan.sql, row if parameters is None else parameters(row))
    return count


def update_many(
    model: Any, fields: Fields, rows: Sequence[Sequence[Any]], alias: str, batch_size: int | None = None
) -> int:
    """Update rows with values of their own, the primary key last; returns how many matched.

    There is no expression among the values, and no key is there twice.
    """
    wrapper = connections[alias]
    if can_update_together(model, fields, wrapper, min(len(rows), batch_size or len(rows))):
        return update_together(model, fields, rows, wrapper, batch_size)
    key = ("update", model, fields)
    plan = wrapper.plans.get(key)
    if plan is None:
        plan = wrapper.plans[key] = _update_plan(model, model._meta.pk, 1, fields, wrapper)
    parameters = plan.parameters
    prepared = rows if parameters is None else list(map(parameters, rows))
    size = batch_size or len(rows)
    count: int = sum(wrapper.run_many(plan.sql, prepared[start : start + size]) for start in range(0, len(rows), size))
    return count


def delete_by(model: Any, field: Any, values: Sequence[Any], alias: str) -> int:
    """Delete the rows of the model's own table whose `field` has one of these values; returns how many."""
    wrapper = connections[alias]
    count = 0
    for batch in batches(values, wrapper):
        key = ("delete", model, field, len(batch))
        plan = wrapper.plans.get(key)
        if plan is None:
            plan = wrapper.plans[key] = _delete_plan(model, field, len(batch), wrapper)
        count += wrapper.run(plan.sql, plan.arguments(batch))
    return count


def delete_one(model: Any, field: Any, value: Any, alias: str) -> int:
    """Like `delete_by`, for one value."""
    wrapper = connections[alias]
    key = ("delete", model, field, 1)
    plan = wrapper.plans.get(key)
    if plan is None:
        plan = wrapper.plans[key] = _delete_plan(model, field, 1, wrapper)
    parameters = plan.parameters
    count: int = wrapper.run(plan.sql, (value,) if parameters is None else parameters((value,)))
    return count


def update_by(
    model: Any, field: Any, values: Sequence[Any], set_fields: Fields, set_values: Sequence[Any], alias: str
) -> int:
    """Give the rows whose `field` has one of these values the same new values; returns how many rows matched."""
    wrapper = connections[alias]
    count = 0
    expressions = not PLAIN_TYPES.issuperset(map(type, set_values)) and any(map(is_expression, set_values))
    for batch in batches(values, wrapper, len(set_fields)):
        if expressions:
            count += _update_expressions(model, field, batch, set_fields, set_values, wrapper)
            continue
        key = ("update by", model, field, len(batch), set_fields)
        plan = wrapper.plans.get(key)
        if plan is None:
            plan = wrapper.plans[key] = _update_plan(model, field, len(batch), set_fields, wrapper)
        count += wrapper.run(plan.sql, plan.arguments((*set_values, *batch)))
    return count


# --- many rows at once ------------------------------------------------------------------------------------------


def insert_many(
    model: Any,
    fields: Fields,
    rows: Sequence[Sequence[Any]],
    alias: str,
    *,
    ignore_conflicts: bool = False,
    update_fields: Fields = (),
    unique_fields: Fields = (),
    returning: Fields = (),
    batch_size: int | None = None,
) -> list[tuple[Any, ...]]:
    """Insert rows, as many as possible in one statement.

    Rows that would break a unique constraint are left out with
    `ignore_conflicts`; with `update_fields` the row that is there (the one with the
    same values of `unique_fields`, which MySQL does not ask for) gets these values.
    Returns the values of the fields `returning`, row by row, if the database can
    return them, and else an empty list.
    """
    wrapper = connections[alias]
    few = batch_size is None and len(rows) <= FEW_ROWS and len(rows) * len(fields) <= FEW_PARAMETERS
    size = len(rows) if few else rows_at_once(wrapper, len(fields), batch_size)
    if not wrapper.features.can_return_from_insert or ignore_conflicts:
        returning = ()
    returned: list[tuple[Any, ...]] = []
    kind = (ignore_conflicts, update_fields, unique_fields)
    start = 0
    while start < len(rows):
        left = len(rows) - start
        count = min(size, left if left <= FEW_ROWS else 1 << (left.bit_length() - 1))
        key = ("insert many", model, fields, returning, kind, count)
        plan = wrapper.plans.get(key)
        if plan is None:
            plan = wrapper.plans[key] = insert_many_plan(model, fields, wrapper, returning, kind, count)
        steps, converters, order = plan.answer
        chunk = rows[start : start + count]
        start += count
        columns = prepared_columns(chunk, steps)
        if columns is None:
            returned += [insert(model, fields, row, alias, returning) for row in chunk]
            continue
        parameters = list(chain.from_iterable(zip(*(columns[place] for place in order), strict=True)))
        if returning:
            got = wrapper.fetch(plan.sql, parameters)
            returned += got if converters is None else [converted_row(row, converters) for row in got]
        else:
            wrapper.run(plan.sql, parameters)
    return returned


# --- plans ------------------------------------------------------------------------------------------------------


def insert_plan_for_instances(model: Any, fields: Fields, wrapper: Any, returning: Fields) -> Plan:
    """A plan whose parameters are made of the dictionary of an instance.

    Making them raises KeyError where a value is missing, and NotPlain where one is an expression.
    """
    return _insert_plan(model, fields, wrapper, returning, attribute_slot)


def insert_plan_for_values(model: Any, fields: Fields, wrapper: Any, returning: Fields) -> Plan:
    """The same, but its parameters are made of the values for the fields, in their order."""
    return _insert_plan(model, fields, wrapper, returning, plain_slot)


def update_plan_for_instances(model: Any, fields: Fields, wrapper: Any) -> Plan:
    """The same for updating the row with the instance's primary key."""
    return _update_plan(model, model._meta.pk, 1, fields, wrapper, attribute_slot)


def _insert_plan(model: Any, fields: Fields, wrapper: Any, returning: Fields, slot: MakeSlot = slot_for) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    statement = table.insert().inline()
    if fields:
        named = {table.c[field.column]: slot(field, index, slots) for index, field in enumerate(fields)}
        statement = statement.values(named)
    columns, converters = returned_columns(model, wrapper, returning)
    if columns:
        statement = statement.returning(*columns)
    return make_plan(statement, wrapper, slots, len(fields), converters, columns=None if fields else [])


def _matching(
    column: Any, field: Any, first: int, count: int, slots: dict[str, Slot], slot: MakeSlot = slot_for
) -> Any:
    """``column = ?`` or ``column IN (?, ...)`` for the literals from index `first` on."""
    binds = [slot(field, first + place, slots) for place in range(count)]
    return column == binds[0] if count == 1 else column.in_(binds)


def _update_plan(model: Any, field: Any, count: int, fields: Fields, wrapper: Any, slot: MakeSlot = slot_for) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    named = {table.c[each.column]: slot(each, index, slots) for index, each in enumerate(fields)}
    condition = _matching(table.c[field.column], field, len(fields), count, slots, slot)
    return make_plan(table.update().where(condition).values(named).inline(), wrapper, slots, len(fields) + count)


def _delete_plan(model: Any, field: Any, count: int, wrapper: Any) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    condition = _matching(table.c[field.column], field, 0, count, slots)
    return make_plan(table.delete().where(condition), wrapper, slots, count)


# --- with expressions -------------------------------------------------------------------------------------------


def _keyed(model: Any, values: Sequence[Any]) -> tuple[Hashable, QueryLiterals]:
    """What the values look like, expressions by their keys, and the literals in them."""
    literals = QueryLiterals(Names(model, {}))
    marks: list[Hashable] = []
    for value in values:
        if is_expression(value):
            marks.append((type(value), value.key(literals)))
        else:
            literals.append(value)
            marks.append(None)
    return tuple(marks), literals


def _set(scope: QueryScope, fields: Fields, values: Sequence[Any], *, is_new: bool = False) -> dict[Any, Any]:
    """The columns and what they are set to; a row that is new has no values yet that others could be made of."""
    table = scope.root.table
    named: dict[Any, Any] = {}
    for field, value in zip(fields, values, strict=True):
        if not is_expression(value):
            named[table.c[field.column]] = scope.statement.take(
                value, column_type(field), field.get_save_value, exact_type_of(field)
            )
            continue
        if getattr(value, "contains_aggregate", False):
            raise FieldError(f"Aggregate functions are not allowed in this query ({field.name}={value!r}).")
        named[table.c[field.column]] = scope.build(value, field).element
        if is_new and scope.met:
            raise ValueError(
                f"Failed to insert expression {value!r} on {field}. F() expressions can only be used to update, not to "
                "insert."
            )
    if len(scope.tables()) > 1:
        raise FieldError("Joined field references are not permitted in this query.")
    return named


def _insert_expressions(
    model: Any, fields: Fields, values: Sequence[Any], wrapper: Any, returning: Fields
) -> tuple[Any, ...]:
    marks, literals = _keyed(model, values)
    key = ("insert", model, fields, returning, marks)
    plan = wrapper.plans.get(key)
    if plan is None:
        scope = QueryScope(model, Statement(wrapper, literals))
        statement = table_of(model).insert().values(_set(scope, fields, values, is_new=True)).inline()
        columns, converters = returned_columns(model, wrapper, returning)
        if columns:
            statement = statement.returning(*columns)
        plan = make_plan(statement, wrapper, scope.statement.slots, len(literals), converters)
        wrapper.plans[key] = plan
    row = wrapper.insert(plan.sql, plan.arguments(tuple(literals))) or ()
    return row if plan.answer is None else converted_row(row, plan.answer)


def _update_expressions(
    model: Any, field: Any, keys: Sequence[Any], fields: Fields, values: Sequence[Any], wrapper: Any
) -> int:
    marks, literals = _keyed(model, values)
    key = ("update by", model, field, len(keys), fields, marks)
    plan = wrapper.plans.get(key)
    if plan is None:
        scope = QueryScope(model, Statement(wrapper, literals))
        named = _set(scope, fields, values)
        condition = _matching(scope.root.table.c[field.column], field, len(literals), len(keys), scope.statement.slots)
        statement = table_of(model).update().where(condition).values(named).inline()
        plan = make_plan(statement, wrapper, scope.statement.slots, len(literals) + len(keys))
        wrapper.plans[key] = plan
    count: int = wrapper.run(plan.sql, plan.arguments((*literals, *keys)))
    return count

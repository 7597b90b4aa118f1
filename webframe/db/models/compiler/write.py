"""Statements that change single rows or rows known by a key: insert, update, delete.

`model` is always the class whose own table is written: the parents of
multi-table inheritance are written by calls of their own. Values may be
expressions, ``F("stock") - 1``.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import bindparam

from webframe.db.connections import connections
from webframe.db.models.compiler.plans import Plan, Slot, exact_type_of, make_plan, result_converter
from webframe.db.models.tables import table_of

if TYPE_CHECKING:
    Fields = tuple[Any, ...]

# Types of values that are certainly not expressions.
PLAIN_TYPES = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        str,
        bytes,
        decimal.Decimal,
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        uuid.UUID,
    }
)


def insert(model: Any, fields: Fields, values: Sequence[Any], alias: str, returning: Fields = ()) -> tuple[Any, ...]:
    """Insert one row; returns the values of the fields `returning` as the database made them.

    A database that cannot return them gives only the key that it made: then the tuple
    is shorter, or empty if none was made.
    """
    wrapper = connections[alias]
    if not PLAIN_TYPES.issuperset(map(type, values)) and any(map(is_expression, values)):
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
    return tuple([value if convert is None else convert(value) for value, convert in zip(row, answer, strict=False)])


def update(model: Any, pk_value: Any, fields: Fields, values: Sequence[Any], alias: str) -> int:
    """Update the row with this primary key; returns how many rows matched: one or none."""
    wrapper = connections[alias]
    if not PLAIN_TYPES.issuperset(map(type, values)) and any(map(is_expression, values)):
        return _update_expressions(model, model._meta.pk, (pk_value,), fields, values, wrapper)
    key = ("update", model, fields)
    plan = wrapper.plans.get(key)
    if plan is None:
        plan = wrapper.plans[key] = _update_plan(model, model._meta.pk, 1, fields, wrapper)
    parameters = plan.parameters
    row = (*values, pk_value)
    count: int = wrapper.run(plan.sql, row if parameters is None else parameters(row))
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


# --- batches ----------------------------------------------------------------------------------------------------

# Keys in one IN: more gain nothing, and no database of ours minds as many.
LARGEST_BATCH = 512


def batches(values: Sequence[Any], wrapper: Any, others: int = 0) -> Iterable[tuple[Any, ...]]:
    """The values in tuples whose lengths are powers of two, the last one filled up with its own last value.

    `others` counts the parameters that each statement has beside them.
    """
    limit = getattr(wrapper.features, "max_query_params", None) or LARGEST_BATCH + others
    size = LARGEST_BATCH
    while size > 1 and size + others > limit:
        size //= 2
    for start in range(0, len(values), size):
        yield padded(tuple(values[start : start + size]))


def padded(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values with the last one repeated until their number is a power of two, so that there are few plans."""
    missing = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return values + values[-1:] * missing if missing else values


# --- plans ------------------------------------------------------------------------------------------------------


def slot_for(field: Any, index: int, slots: dict[str, Slot]) -> sqlalchemy.BindParameter[Any]:
    """A parameter for a value of a field, noted in `slots`."""
    name = f"v{index}"
    slots[name] = Slot(index, field.get_prep_value, exact_type_of(field))
    return bindparam(name, type_=field_type(field))


def field_type(field: Any) -> Any:
    """The SQLAlchemy type of a field's column."""
    return field.sql_type()


def is_expression(value: Any) -> bool:
    """Whether a value is to be built into the SQL, not passed as a parameter."""
    return hasattr(value, "build") and hasattr(value, "key")


def _returning(model: Any, wrapper: Any, returning: Fields) -> tuple[list[Any], tuple[Any, ...] | None]:
    """The columns to return, and the conversions of their values (None: there are none)."""
    table = table_of(model)
    columns = [table.c[field.column] for field in returning]
    converters = tuple(
        result_converter(column.type, field, wrapper) for field, column in zip(returning, columns, strict=True)
    )
    only_key = len(columns) == 1 and columns[0] is table.autoincrement_column
    if not wrapper.features.can_return_from_insert or (only_key and wrapper.vendor == "sqlite"):
        columns = []  # the driver knows the key without being asked
    return columns, converters if any(converters) else None


def _insert_plan(model: Any, fields: Fields, wrapper: Any, returning: Fields) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    statement = table.insert().inline()
    if fields:
        named = {table.c[field.column]: slot_for(field, index, slots) for index, field in enumerate(fields)}
        statement = statement.values(named)
    columns, converters = _returning(model, wrapper, returning)
    if columns:
        statement = statement.returning(*columns)
    return make_plan(statement, wrapper, slots, len(fields), converters)


def _matching(column: Any, field: Any, first: int, count: int, slots: dict[str, Slot]) -> Any:
    """``column = ?`` or ``column IN (?, ...)`` for the literals from index `first` on."""
    binds = [slot_for(field, first + place, slots) for place in range(count)]
    return column == binds[0] if count == 1 else column.in_(binds)


def _update_plan(model: Any, field: Any, count: int, fields: Fields, wrapper: Any) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    named = {table.c[each.column]: slot_for(each, index, slots) for index, each in enumerate(fields)}
    condition = _matching(table.c[field.column], field, len(fields), count, slots)
    return make_plan(table.update().where(condition).values(named).inline(), wrapper, slots, len(fields) + count)


def _delete_plan(model: Any, field: Any, count: int, wrapper: Any) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    condition = _matching(table.c[field.column], field, 0, count, slots)
    return make_plan(table.delete().where(condition), wrapper, slots, count)

"""Statements that change single rows or rows known by a key: insert, update, delete.

`model` is always the class whose own table is written: the parents of
multi-table inheritance are written by calls of their own. Values may be
expressions, ``F("stock") - 1``.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import bindparam

from webframe.core.exceptions import FieldError
from webframe.db.connections import connections
from webframe.db.errors import NotSupportedError
from webframe.db.models.compiler.literals import Names, QueryLiterals
from webframe.db.models.compiler.plans import Plan, Slot, exact_type_of, make_plan, result_converter
from webframe.db.models.compiler.scope import QueryScope, Statement
from webframe.db.models.tables import column_type, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Fields = tuple[Any, ...]
    MakeSlot = Callable[[Any, int, dict[str, Slot]], sqlalchemy.BindParameter[Any]]

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
    return _converted(row, answer)


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


def update_many(model: Any, fields: Fields, rows: Sequence[Sequence[Any]], alias: str) -> int:
    """Update rows one by one with values of their own, the primary key last; returns how many matched."""
    wrapper = connections[alias]
    key = ("update", model, fields)
    plan = wrapper.plans.get(key)
    if plan is None:
        plan = wrapper.plans[key] = _update_plan(model, model._meta.pk, 1, fields, wrapper)
    parameters = plan.parameters
    count: int = wrapper.run_many(plan.sql, rows if parameters is None else list(map(parameters, rows)))
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
    size = len(rows) if few else _rows_at_once(wrapper, len(fields), batch_size)
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
            plan = wrapper.plans[key] = _insert_many_plan(model, fields, wrapper, returning, kind, count)
        steps, converters, order = plan.answer
        chunk = rows[start : start + count]
        start += count
        columns = _prepared(chunk, steps)
        if columns is None:
            returned += [insert(model, fields, row, alias, returning) for row in chunk]
            continue
        parameters = list(chain.from_iterable(zip(*(columns[place] for place in order), strict=True)))
        if returning:
            got = wrapper.fetch(plan.sql, parameters)
            returned += got if converters is None else [_converted(row, converters) for row in got]
        else:
            wrapper.run(plan.sql, parameters)
    return returned


# So many rows go in one statement, which is made for their number; of more rows as many as the next power of two.
FEW_ROWS = 32

# What every database takes in one statement: 999 for a SQLite older than 3.32.
FEW_PARAMETERS = 999

# Without another limit: parameters in one statement.
MOST_PARAMETERS = 30_000


def _rows_at_once(wrapper: Any, columns: int, batch_size: int | None) -> int:
    limit = min(getattr(wrapper.features, "max_query_params", None) or MOST_PARAMETERS, MOST_PARAMETERS)
    fitting = max(1, limit // max(1, columns))
    size = 1 << (fitting.bit_length() - 1)
    return min(size, batch_size) if batch_size else size


# What becomes of the values of a column: (convert, the type whose values need none, bind processor).
Step = tuple[Any, type | None, Any]


def _prepared(rows: Sequence[Sequence[Any]], steps: Sequence[Step]) -> list[Sequence[Any]] | None:
    """The rows' columns as the driver takes them: column by column, most need only one look at their types.

    None if there are expressions among the values.
    """
    columns: list[Sequence[Any]] = []
    for column, (convert, exact_type, process) in zip(zip(*rows, strict=True), steps, strict=True):
        kinds = set(map(type, column))
        if len(kinds) == 1 and exact_type in kinds:
            if exact_type is bool:
                process = None
        elif not kinds <= {exact_type, type(None)}:
            if not kinds <= PLAIN_TYPES and any(map(is_expression, column)):
                return None
            column = tuple(map(convert, column))
        elif exact_type is bool:
            process = None  # every driver takes True and False as they are
        if process is not None:
            column = tuple(map(process, column))
        columns.append(column)
    return columns


def _converted(row: Sequence[Any], converters: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        [value if convert is None else convert(value) for value, convert in zip(row, converters, strict=False)]
    )


def _insert_many_plan(
    model: Any, fields: Fields, wrapper: Any, returning: Fields, kind: tuple[bool, Fields, Fields], count: int
) -> Plan:
    """A plan for `count` rows: what SQLAlchemy makes of two rows is what it makes of one with a piece put in."""
    slots: dict[str, Slot] = {}
    columns, converters = _returning(model, wrapper, returning, always=True)

    def statement(rows: int) -> Any:
        values = [
            {field.column: slot_for(field, row * len(fields) + place, slots) for place, field in enumerate(fields)}
            for row in range(rows)
        ]
        made = _conflicts(_dialect_insert(model, wrapper), model, wrapper, *kind).inline().values(values)
        return made.returning(*columns) if columns else made

    one = make_plan(statement(1), wrapper, slots, len(fields))
    two = make_plan(statement(2), wrapper, slots, 2 * len(fields)).sql
    common = next((place for place, (a, b) in enumerate(zip(one.sql, two, strict=False)) if a != b), len(one.sql))
    piece = two[common : common + len(two) - len(one.sql)]
    sql = one.sql[:common] + piece * (count - 1) + one.sql[common:]
    dialect = wrapper.dialect
    steps = [
        (
            field.get_save_value,
            exact_type_of(field),
            column_type(field).dialect_impl(dialect).bind_processor(dialect),
        )
        for field in fields
    ]
    # SQLAlchemy names the columns as the table does, whatever the order of the fields.
    names = list(table_of(model).columns.keys())
    order = sorted(range(len(fields)), key=lambda place: names.index(fields[place].column))
    return Plan(sql, None, (steps, converters, order))


def _dialect_insert(model: Any, wrapper: Any) -> Any:
    table = table_of(model)
    if wrapper.vendor == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)
    if wrapper.vendor == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    if wrapper.vendor == "mysql":
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        return mysql_insert(table)
    return table.insert()


def _conflicts(
    statement: Any, model: Any, wrapper: Any, ignore: bool, update_fields: Fields, unique_fields: Fields
) -> Any:
    """The INSERT with what it does about rows that are there already."""
    if not ignore and not update_fields:
        return statement
    if wrapper.vendor not in ("sqlite", "postgresql", "mysql"):
        raise NotSupportedError(f"{wrapper.vendor} cannot ignore or update rows that are there when it inserts.")
    table = table_of(model)
    if ignore:
        if wrapper.vendor == "sqlite" and model._meta.auto_created:
            # A third quicker; it would also leave out rows with NULL, of which rows between two keys have none.
            return statement.prefix_with("OR IGNORE")
        return statement.prefix_with("IGNORE") if wrapper.vendor == "mysql" else statement.on_conflict_do_nothing()
    if wrapper.vendor == "mysql":
        return statement.on_duplicate_key_update(
            {field.column: statement.inserted[field.column] for field in update_fields}
        )
    return statement.on_conflict_do_update(
        index_elements=[table.c[field.column] for field in unique_fields],
        set_={field.column: statement.excluded[field.column] for field in update_fields},
    )


# --- plans ------------------------------------------------------------------------------------------------------


def slot_for(field: Any, index: int, slots: dict[str, Slot]) -> sqlalchemy.BindParameter[Any]:
    """A parameter for a value of a field, noted in `slots`."""
    name = f"_literal_{index}"
    slots[name] = Slot(index, field.get_save_value, exact_type_of(field))
    return bindparam(name, type_=column_type(field))


class NotPlain(Exception):
    """A value is an expression: the plans for whole instances are not for it."""


def attribute_slot(field: Any, index: int, slots: dict[str, Slot]) -> sqlalchemy.BindParameter[Any]:
    """A parameter for the value that the dictionary of an instance has for a field."""
    convert = field.get_save_value

    def checked(value: Any) -> Any:
        if value is not None and is_expression(value):
            raise NotPlain
        return convert(value)

    name = f"_literal_{index}"
    slots[name] = Slot(str(field.attname), checked, exact_type_of(field))
    return bindparam(name, type_=column_type(field))


def insert_plan_for_instances(model: Any, fields: Fields, wrapper: Any, returning: Fields) -> Plan:
    """A plan whose parameters are made of the dictionary of an instance.

    Making them raises KeyError where a value is missing, and NotPlain where one is an expression.
    """
    return _insert_plan(model, fields, wrapper, returning, attribute_slot)


def update_plan_for_instances(model: Any, fields: Fields, wrapper: Any) -> Plan:
    """The same for updating the row with the instance's primary key."""
    return _update_plan(model, model._meta.pk, 1, fields, wrapper, attribute_slot)


def is_expression(value: Any) -> bool:
    """Whether a value is to be built into the SQL, not passed as a parameter."""
    return hasattr(value, "build") and hasattr(value, "key")


def _returning(
    model: Any, wrapper: Any, returning: Fields, always: bool = False
) -> tuple[list[Any], tuple[Any, ...] | None]:
    """The columns to return, and the conversions of their values (None: there are none)."""
    table = table_of(model)
    columns = [table.c[field.column] for field in returning]
    converters = tuple(
        result_converter(column.type, field, wrapper) for field, column in zip(returning, columns, strict=True)
    )
    only_key = len(columns) == 1 and columns[0] is table.autoincrement_column
    if not wrapper.features.can_return_from_insert or (only_key and wrapper.vendor == "sqlite" and not always):
        columns = []  # the driver knows the key without being asked
    return columns, converters if any(converters) else None


def _insert_plan(model: Any, fields: Fields, wrapper: Any, returning: Fields, slot: MakeSlot = slot_for) -> Plan:
    table = table_of(model)
    slots: dict[str, Slot] = {}
    statement = table.insert().inline()
    if fields:
        named = {table.c[field.column]: slot(field, index, slots) for index, field in enumerate(fields)}
        statement = statement.values(named)
    columns, converters = _returning(model, wrapper, returning)
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


def _set(scope: QueryScope, fields: Fields, values: Sequence[Any]) -> dict[Any, Any]:
    """The columns and what they are set to."""
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
        statement = table_of(model).insert().values(_set(scope, fields, values)).inline()
        columns, converters = _returning(model, wrapper, returning)
        if columns:
            statement = statement.returning(*columns)
        plan = make_plan(statement, wrapper, scope.statement.slots, len(literals), converters)
        wrapper.plans[key] = plan
    row = wrapper.insert(plan.sql, plan.arguments(tuple(literals))) or ()
    return row if plan.answer is None else _converted(row, plan.answer)


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

"""UPDATE of many rows in one statement, each with values of its own: what is quickest on each engine.

PostgreSQL takes the columns as arrays, whatever the number of rows. MySQL and
MariaDB, for which each statement is a journey, choose among the values by CASE.
SQLite runs a statement that it has prepared once for each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import ARRAY, Float, Numeric, String, Text, bindparam, case, cast, func
from sqlalchemy.types import NullType, TypeEngine

from webframe.db.models.compiler.bulk import FEW_ROWS, Step, prepared_columns
from webframe.db.models.compiler.plans import Plan, exact_type_of
from webframe.db.models.tables import column_type, table_of

if TYPE_CHECKING:
    Fields = tuple[Any, ...]

# Rows in one statement: arrays only have to fit into memory, and a CASE is gone through for every row.
IN_ARRAYS, IN_CASES = 10_000, 128

# PostgreSQL plans a join with the arrays; for fewer rows that takes longer than it saves.
ENOUGH_FOR_ARRAYS = 20


def can_update_together(model: Any, fields: Fields, wrapper: Any, count: int) -> bool:
    """Whether so many rows are updated by one statement here; else one statement is run for each."""
    if wrapper.vendor != "postgresql":
        return bool(wrapper.vendor == "mysql") and count > 1
    # An array of arrays would come apart.
    dialect = wrapper.dialect
    return count >= ENOUGH_FOR_ARRAYS and not any(
        isinstance(column_type(field).dialect_impl(dialect), ARRAY) for field in (*fields, model._meta.pk)
    )


def update_together(
    model: Any, fields: Fields, rows: Sequence[Sequence[Any]], wrapper: Any, batch_size: int | None
) -> int:
    """Update rows: values of the fields, and the primary key last; returns how many matched."""
    most = IN_ARRAYS if wrapper.vendor == "postgresql" else IN_CASES
    matched = 0
    for chunk in _chunks(rows, min(most, batch_size or most), even=wrapper.vendor == "postgresql"):
        count = 0 if wrapper.vendor == "postgresql" else len(chunk)
        key = ("update together", model, fields, count)
        plan = wrapper.plans.get(key)
        if plan is None:
            make = _cases_plan if count else _arrays_plan
            plan = wrapper.plans[key] = make(model, fields, wrapper, count)
        steps, order = plan.answer
        columns = prepared_columns(chunk, steps)
        assert columns is not None  # no expressions are among the values
        values = list(chain.from_iterable(columns)) if count else list(map(list, columns))
        matched += wrapper.run(plan.sql, [values[place] for place in order])
    return matched


def _chunks(rows: Sequence[Any], size: int, even: bool) -> Iterator[Sequence[Any]]:
    """The rows in parts, of any length or else of such lengths that few plans serve all."""
    start = 0
    while start < len(rows):
        count = min(size, len(rows) - start)
        if count > FEW_ROWS and count < size and not even:
            count = 1 << (count.bit_length() - 1)
        yield rows[start : start + count]
        start += count


def _arrays_plan(model: Any, fields: Fields, wrapper: Any, count: int) -> Plan:
    """``UPDATE ... FROM unnest(array, array ...)``: a parameter for each column."""
    table = table_of(model)
    all_fields = (*fields, model._meta.pk)
    arrays = [
        cast(bindparam(f"p{place}", type_=NullType()), ARRAY(_unlimited(field, wrapper)))
        for place, field in enumerate(all_fields)
    ]
    columns = [sqlalchemy.column(f"c{place}", column_type(field)) for place, field in enumerate(all_fields)]
    given = func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    key = len(fields)
    named = {table.c[field.column]: given.c[f"c{place}"] for place, field in enumerate(fields)}
    statement = table.update().values(named).where(table.c[model._meta.pk.column] == given.c[f"c{key}"])
    return _plan(statement, all_fields, wrapper)


def _unlimited(field: Any, wrapper: Any) -> TypeEngine[Any]:
    """The type of a column without its limits: a cast would cut off what an assignment refuses."""
    kind: Any = column_type(field).dialect_impl(wrapper.dialect)
    if isinstance(kind, sqlalchemy.TypeDecorator):
        kind = kind.impl_instance
    if isinstance(kind, String):
        return Text()
    made: TypeEngine[Any] = Numeric() if isinstance(kind, Numeric) and not isinstance(kind, Float) else kind
    return made


def _cases_plan(model: Any, fields: Fields, wrapper: Any, count: int) -> Plan:
    """``UPDATE ... SET a = CASE id WHEN 1 THEN ... END WHERE id IN (1, ...)``: a parameter for each value."""
    table = table_of(model)
    pk = table.c[model._meta.pk.column]

    def bound(place: int, row: int) -> Any:
        return bindparam(f"p{place * count + row}", type_=NullType())

    keys = [bound(len(fields), row) for row in range(count)]
    named = {
        table.c[field.column]: case({key: bound(place, row) for row, key in enumerate(keys)}, value=pk)
        for place, field in enumerate(fields)
    }
    return _plan(table.update().values(named).where(pk.in_(keys)), (*fields, model._meta.pk), wrapper)


def _plan(statement: Any, fields: Fields, wrapper: Any) -> Plan:
    """The plan: its `answer` has what becomes of each column's values, and which value each parameter is."""
    dialect = wrapper.dialect
    compiled = statement.compile(dialect=dialect)
    steps: list[Step] = [
        (field.get_save_value, exact_type_of(field), column_type(field).dialect_impl(dialect).bind_processor(dialect))
        for field in fields
    ]
    return Plan(compiled.string, None, (steps, [int(name[1:]) for name in compiled.positiontup]))

"""INSERT of many rows in one statement: its plan, and the rows as the driver takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webframe.db.errors import NotSupportedError
from webframe.db.models.compiler.operations import PLAIN_TYPES, is_expression
from webframe.db.models.compiler.plans import Plan, Slot, exact_type_of, make_plan
from webframe.db.models.compiler.values import returned_columns, slot_for
from webframe.db.models.tables import column_type, table_of

if TYPE_CHECKING:
    Fields = tuple[Any, ...]

# So many rows go in one statement, which is made for their number; of more rows as many as the next power of two.
FEW_ROWS = 32

# What every database takes in one statement: 999 for a SQLite older than 3.32.
FEW_PARAMETERS = 999

# Without another limit: parameters in one statement.
MOST_PARAMETERS = 30_000


def rows_at_once(wrapper: Any, columns: int, batch_size: int | None) -> int:
    limit = min(getattr(wrapper.features, "max_query_params", None) or MOST_PARAMETERS, MOST_PARAMETERS)
    fitting = max(1, limit // max(1, columns))
    size = 1 << (fitting.bit_length() - 1)
    return min(size, batch_size) if batch_size else size


# What becomes of the values of a column: (convert, the type whose values need none, bind processor).
Step = tuple[Any, type | None, Any]


def prepared_columns(rows: Sequence[Sequence[Any]], steps: Sequence[Step]) -> list[Sequence[Any]] | None:
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


def insert_many_plan(
    model: Any, fields: Fields, wrapper: Any, returning: Fields, kind: tuple[bool, Fields, Fields], count: int
) -> Plan:
    """A plan for `count` rows: what SQLAlchemy makes of two rows is what it makes of one with a piece put in."""
    slots: dict[str, Slot] = {}
    columns, converters = returned_columns(model, wrapper, returning, always=True)

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
        if wrapper.vendor == "mysql":
            # INSERT IGNORE would leave out rows that break any other rule, too, or change them until they fit.
            key = table.c[model._meta.pk.column]
            return statement.on_duplicate_key_update({key.name: key})
        return statement.on_conflict_do_nothing()
    if wrapper.vendor == "mysql":
        return statement.on_duplicate_key_update(
            {field.column: statement.inserted[field.column] for field in update_fields}
        )
    return statement.on_conflict_do_update(
        index_elements=[table.c[field.column] for field in unique_fields],
        set_={field.column: statement.excluded[field.column] for field in update_fields},
    )

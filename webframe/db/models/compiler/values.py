"""Values of fields on their way into statements that write: their parameters, their batches, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import bindparam

from webframe.db.models.compiler.operations import is_expression
from webframe.db.models.compiler.plans import Slot, exact_type_of, result_converter
from webframe.db.models.tables import column_type, table_of

if TYPE_CHECKING:
    Fields = tuple[Any, ...]


def slot_for(field: Any, index: int, slots: dict[str, Slot]) -> sqlalchemy.BindParameter[Any]:
    """A parameter for a value of a field, noted in `slots`."""
    name = f"_literal_{index}"
    slots[name] = Slot(index, field.get_save_value, exact_type_of(field))
    return bindparam(name, type_=column_type(field))


class NotPlain(Exception):
    """A value is an expression: the plans for whole instances are not for it."""


def attribute_slot(field: Any, index: int, slots: dict[str, Slot]) -> sqlalchemy.BindParameter[Any]:
    """A parameter for the value that the dictionary of an instance has for a field."""
    return plain_slot(field, index, slots, str(field.attname))


def plain_slot(
    field: Any, index: int, slots: dict[str, Slot], place: int | str | None = None
) -> sqlalchemy.BindParameter[Any]:
    """A parameter for the value of a field that is at this place, by default at the index; it is no expression."""
    convert = field.get_save_value

    def checked(value: Any) -> Any:
        if value is not None and is_expression(value):
            raise NotPlain
        return convert(value)

    name = f"_literal_{index}"
    slots[name] = Slot(index if place is None else place, checked, exact_type_of(field))
    return bindparam(name, type_=column_type(field))


def returned_columns(
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


def converted_row(row: Sequence[Any], converters: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        [value if convert is None else convert(value) for value, convert in zip(row, converters, strict=False)]
    )


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

"""Slices of the rows that have something in common, for prefetching the first few of each: rows are numbered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from webframe.db.models.compiler.places import moved


def slice_of_each(
    statement: Any, width: int, parted_by: Sequence[Any], places: Sequence[int], limit: Any, offset: Any
) -> Any:
    """A SELECT of the first `width` columns of those rows of a SELECT that the slice of their part has.

    `parted_by` is what the rows of a part have in common, and then what they are
    ordered by; `places` says in which columns all that is. Rows are numbered once
    they are grouped and distinct, so that numbers make no difference between them.
    """
    rows = statement.subquery("rows_of")
    part, *order = [moved(each, rows.c[place]) for each, place in zip(parted_by, places, strict=True)]
    number: Any = func.row_number().over(partition_by=part, order_by=order or None)
    number = number if offset is None else number - offset
    numbered = select(rows, number.label("place")).subquery("numbered")
    *columns, place = numbered.c
    found = select(*columns[:width]).order_by(place)
    if offset is not None:
        found = found.where(place > 0)
    return found if limit is None else found.where(place <= limit)

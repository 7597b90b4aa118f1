"""Where among the columns of a SELECT something stands: what is computed is ordered and grouped by its place there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlalchemy.sql.elements import Grouping


def missing(orders: Sequence[Any], elements: Sequence[Any]) -> list[Any]:
    """What is ordered by but not selected: with DISTINCT it has to be."""
    found: list[Any] = []
    for order in orders:
        element = unmodified(order)
        if place_in(element, [*elements, *found]) is None:
            found.append(element)
    return found


def unmodified(order: Any) -> Any:
    """What is ordered by, without ASC, DESC and NULLS LAST."""
    while getattr(order, "modifier", None) is not None:
        order = order.element
    return order


def bare(element: Any) -> Any:
    """What is computed, without a name and without the brackets that it has got in ORDER BY."""
    while isinstance(element, (sqlalchemy.Label, Grouping)):
        element = element.element
    return element


def is_computed(element: Any) -> bool:
    """Whether it is no plain column."""
    return getattr(bare(element), "table", None) is None


def by_place(order: Any, elements: Sequence[Any]) -> Any:
    """An element of ORDER BY that is computed and selected, as the place where it is selected."""
    if getattr(order, "modifier", None) is not None:
        inner = by_place(order.element, elements)
        return order if inner is order.element else sqlalchemy.UnaryExpression(inner, modifier=order.modifier)
    if isinstance(order, sqlalchemy.Label) or not is_computed(order):
        return order  # written by its name
    return place_of(order, elements)


def place_of(computed: Any, elements: Sequence[Any]) -> Any:
    """The place of what is selected; itself if it is not."""
    place = place_in(computed, elements)
    return computed if place is None else sqlalchemy.literal_column(str(place + 1))


def place_in(element: Any, elements: Sequence[Any]) -> Any:
    """How many columns stand before an element that is selected; None if it is not."""
    return next((place for place, each in enumerate(elements) if bare(each) is bare(element)), None)


def moved(order: Any, column: Any) -> Any:
    """What is ordered by, with ASC, DESC and NULLS LAST, where it is this column of a subquery."""
    if getattr(order, "modifier", None) is None:
        return column
    return sqlalchemy.UnaryExpression(moved(order.element, column), modifier=order.modifier)

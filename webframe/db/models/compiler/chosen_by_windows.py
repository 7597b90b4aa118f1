"""Rows chosen by windows: those are computed after WHERE and HAVING, and asked about in a SELECT around that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BinaryExpression, BindParameter, Over, select

from webframe.db.errors import NotSupportedError
from webframe.db.models.compiler.places import bare, moved, place_in, unmodified
from webframe.db.models.compiler.scope import QueryScope


def computed_inside(condition: Any) -> Any:
    """What of a condition is computed beside the windows: the whole, so that it may be about columns as well.

    Where a window is compared with a parameter it is only the window: databases that
    see the comparison outside can stop counting where it ends.
    """
    return condition.left if _is_comparison(condition) else condition


def _is_comparison(condition: Any) -> bool:
    return (
        isinstance(condition, BinaryExpression)
        and isinstance(condition.left, Over)
        and isinstance(condition.right, BindParameter)
    )


class Around:
    """The SELECT around another one, which selects `elements`: among them what is asked of windows."""

    def __init__(self, statement: Any, elements: Sequence[Any], scope: QueryScope) -> None:
        self.elements = elements
        columns = [bare(element).label(f"c{place}") for place, element in enumerate(elements)]
        inside = statement.with_only_columns(*columns, maintain_column_froms=True)
        if scope.dialect_name == "mysql" and scope.is_correlated(inside):
            raise NotSupportedError(
                "MySQL and MariaDB do not take a subquery with OuterRef whose rows are filtered by a window. Filter "
                "by the window in a queryset without OuterRef, and say filter(pk__in=that.values('pk')) in this one."
            )
        self.rows = inside.subquery("windows")
        self.correlates = scope.outer is not None

    def column(self, element: Any) -> Any:
        """What is selected inside, ordered as it says."""
        return moved(element, self.rows.c[place_in(unmodified(element), self.elements)])

    def select(self, width: int, conditions: Sequence[Any]) -> Any:
        """The first columns of the rows for which all that holds."""
        statement = select(*list(self.rows.c)[:width]).where(*[self._outside(condition) for condition in conditions])
        return statement.correlate_except(self.rows) if self.correlates else statement

    def _outside(self, condition: Any) -> Any:
        column = self.column(computed_inside(condition))
        return BinaryExpression(column, condition.right, condition.operator) if _is_comparison(condition) else column

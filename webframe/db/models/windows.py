"""Window: a value for each row that looks at the rows around it.

    Order.objects.annotate(total=Window(Sum("price"), partition_by="customer", order_by="day"))

The functions made for windows are in `functions/window.py`; aggregates can be used too.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.models import outputs
from webframe.db.models.aggregates import Aggregate
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.calls import as_argument
from webframe.db.models.expressions import Expression, F, OrderBy

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
else:
    sqlalchemy = LateModule("sqlalchemy")

__all__ = ["RowRange", "ValueRange", "Window", "WindowFrame"]


class WindowFrame:
    """Which rows around the current one belong to its window.

    A number says how many rows or values before (negative) or behind it, 0 is the
    row itself, and None the beginning or the end.
    """

    kind = ""

    def __init__(self, start: int | None = None, end: int | None = None) -> None:
        for place in (start, end):
            if place is not None and (not isinstance(place, int) or isinstance(place, bool)):
                raise TypeError(f"{type(self).__name__}() takes numbers of rows, or None, not {place!r}.")
        if start is not None and end is not None and start > end:
            raise ValueError(f"{type(self).__name__}({start}, {end}) ends before it starts.")
        self.start = start
        self.end = end

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WindowFrame) and self.identity() == other.identity()

    def __hash__(self) -> int:
        return hash(self.identity())

    def identity(self) -> tuple[str, int | None, int | None]:
        """What makes it equal to another one."""
        return self.kind, self.start, self.end

    def __repr__(self) -> str:
        return f"{type(self).__name__}(start={self.start}, end={self.end})"


class RowRange(WindowFrame):
    """So many rows before and behind the current one."""

    kind = "rows"


class ValueRange(WindowFrame):
    """Rows whose value is so near to that of the current one."""

    kind = "range_"

    def __init__(self, start: int | None = None, end: int | None = None) -> None:
        super().__init__(start, end)


class Window(Expression):
    """A function or an aggregate over the rows around each row.

    `partition_by` names what rows of one window have in common, `order_by` how
    they are ordered; both take names, expressions, and lists of them.
    """

    # Aggregates in it do not make groups of rows.
    contains_aggregate = False
    contains_over_clause = True

    def __init__(
        self,
        expression: Any,
        partition_by: Any = None,
        order_by: Any = None,
        frame: WindowFrame | None = None,
        output_field: Any = None,
    ) -> None:
        super().__init__(output_field)
        if not getattr(expression, "window_compatible", False):
            raise ValueError(f"Expression {expression!r} isn't compatible with OVER clauses.")
        if frame is not None and not isinstance(frame, WindowFrame):
            raise TypeError(f"Window(frame=...) takes a RowRange or a ValueRange, not {frame!r}.")
        self.source_expression = expression
        self.partition_by = tuple([as_argument(each) for each in _listed(partition_by)])
        self.order_by = tuple([as_ordering(each) for each in _listed(order_by)])
        self.frame = frame

    def sources(self) -> tuple[Any, ...]:
        return (self.source_expression, *self.partition_by, *self.order_by)

    def key(self, values: Literals) -> Hashable:
        source = key_of(self.source_expression, values)
        partition_by = tuple([key_of(each, values) for each in self.partition_by])
        order_by = tuple([key_of(each, values) for each in self.order_by])
        return self.frame, outputs.field_key(self._output_field), source, partition_by, order_by

    def references(self) -> Iterator[str]:
        for source in self.sources():
            yield from source.references()

    def build(self, scope: Scope) -> Built:
        """The call with its OVER clause."""
        source = self.source_expression
        calls: list[Any] = []

        def over(element: Any) -> ColumnElement[Any]:
            calls.append(element)
            partition_by = [scope.build(each).element for each in self.partition_by]
            order_by = [element for each in self.order_by for element in each.elements(scope)]
            frame: dict[str, Any] = {}
            if self.frame is not None:
                frame[self.frame.kind] = (self.frame.start, self.frame.end)
            return sqlalchemy.over(element, partition_by=partition_by or None, order_by=order_by or None, **frame)

        if isinstance(source, Aggregate):
            if source.default is not None:
                raise FieldError(f"{source!r} cannot have a default in a window; use Coalesce around the window.")
            built = source.build_over(scope, over)
        else:
            inner = source.build(scope)
            built = Built(over(inner.element), inner.field)
        return built if self._output_field is None else Built(built.element, self._output_field)

    def __repr__(self) -> str:
        text = f"{type(self).__name__}({self.source_expression!r}"
        for name in ("partition_by", "order_by"):
            parts = getattr(self, name)
            if parts:
                text += f", {name}=[{', '.join(repr(part) for part in parts)}]"
        return f"{text}, frame={self.frame!r})" if self.frame is not None else f"{text})"


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def as_ordering(value: Any) -> Any:
    """What to order by: a name, with a minus in front for the opposite, or an expression."""
    if isinstance(value, str):
        return OrderBy(F(value.removeprefix("-")), descending=value.startswith("-"))
    return value if isinstance(value, OrderBy) else OrderBy(as_argument(value))

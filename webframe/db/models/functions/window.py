"""Functions that only make sense in a `Window`: places among the rows, and values of other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models.building import Built, Scope
from webframe.db.models.calls import Func, not_supported

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine
else:
    sqlalchemy = LateModule("sqlalchemy")


class RowNumber(Func):
    """The place of the row, counted from 1."""

    function = "row_number"
    arity = 0
    result = "IntegerField"


class Rank(Func):
    """The place of the row; equal rows share one, and leave places free behind them."""

    function = "rank"
    arity = 0
    result = "IntegerField"


class DenseRank(Func):
    """The place of the row; equal rows share one, and no place is left free."""

    function = "dense_rank"
    arity = 0
    result = "IntegerField"


class PercentRank(Func):
    """How far from the first row the row is, from 0 to 1."""

    function = "percent_rank"
    arity = 0
    result = "FloatField"


class CumeDist(Func):
    """Which part of the rows comes no later than the row, up to 1."""

    function = "cume_dist"
    arity = 0
    result = "FloatField"


class Numbered(Func):
    """Base of functions with a number that says how many or which."""

    def __init__(self, *expressions: Any, number: int, what: str, least: int = 1, **extra: Any) -> None:
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise ValueError(f"{type(self).__name__} requires a positive integer for {what}, not {number!r}.")
        super().__init__(*expressions, **extra)
        self.number = number

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        elements: list[ColumnElement[Any]] = [each.element for each in arguments]
        # Not a parameter: MySQL wants to know it before.
        elements.insert(1, sqlalchemy.literal_column(str(self.number)))
        return sqlalchemy.Function(str(self.function), *elements, type_=sql_type)

    def infer(self, fields: list[Any]) -> Any:
        return super().infer(fields[:1])


class Ntile(Numbered):
    """In which of so many groups of equal size the row is, counted from 1."""

    function = "ntile"
    result = "IntegerField"

    def __init__(self, num_buckets: int = 1, **extra: Any) -> None:
        super().__init__(number=num_buckets, what="num_buckets", **extra)


class FirstValue(Func):
    """The value of the first row."""

    function = "first_value"
    arity = 1


class LastValue(Func):
    """The value of the last row of the frame, which ends with the current row unless it is told otherwise."""

    function = "last_value"
    arity = 1


class NthValue(Numbered):
    """The value of one row, counted from 1."""

    function = "nth_value"

    def __init__(self, expression: Any, nth: int = 1, **extra: Any) -> None:
        super().__init__(expression, number=nth, what="nth", **extra)


class Lag(Numbered):
    """The value of the row so many places before; the default where there is none."""

    function = "lag"

    def __init__(self, expression: Any, offset: int = 1, default: Any = None, **extra: Any) -> None:
        others = () if default is None else (default,)
        super().__init__(expression, *others, number=offset, what="offset", least=0, **extra)

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        if len(arguments) > 1 and scope.dialect_name in ("mysql", "mariadb"):
            raise not_supported(f"The default of {type(self).__name__}", scope.dialect_name)
        return super().call(arguments, scope, sql_type)


class Lead(Lag):
    """The value of the row so many places behind; the default where there is none."""

    function = "lead"

"""Functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule
from webframe.db.models import outputs
from webframe.db.models.building import Built, Scope
from webframe.db.models.calls import Func, Transform

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")


class Number(Func):
    """Base of functions of numbers; those in Python stand in on SQLite, and PostgreSQL gives what we say it gives."""

    # Whether a decimal number comes out of decimal numbers; a float if not.
    keeps_decimals: ClassVar[bool] = True
    # Whether an integer comes out of integers.
    keeps_integers: ClassVar[bool] = False

    def infer(self, fields: list[Any]) -> Any:
        kinds = {outputs.kind_of(field) for field in fields}
        if self.keeps_integers and kinds <= {"integer", "boolean"}:
            return fields[0]
        if self.keeps_decimals and "decimal" in kinds and "float" not in kinds:
            return outputs.named("DecimalField")
        return outputs.named("FloatField")

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        elements = [each.element for each in arguments]
        element = self.written(elements, scope.dialect_name, sql_type)
        if isinstance(sql_type, sqlalchemy.Integer):
            return sqlalchemy.cast(element, sqlalchemy.BigInteger())
        return sql.as_float(element, sql_type, scope.dialect_name)


class Function1(Number, Transform):
    """Base of functions of one number."""


class Abs(Function1):
    """The number without its sign."""

    function = "abs"
    lookup_name = "abs"
    keeps_integers = True


class ACos(Function1):
    """The arc cosine, in radians."""

    function = "acos"
    functions = {"sqlite": "webframe_acos"}
    lookup_name = "acos"
    keeps_decimals = False


class ASin(Function1):
    """The arc sine, in radians."""

    function = "asin"
    functions = {"sqlite": "webframe_asin"}
    lookup_name = "asin"
    keeps_decimals = False


class ATan(Function1):
    """The arc tangent, in radians."""

    function = "atan"
    functions = {"sqlite": "webframe_atan"}
    lookup_name = "atan"
    keeps_decimals = False


class ATan2(Number):
    """The angle of a point: ``ATan2(y, x)``, in radians."""

    function = "atan2"
    functions = {"sqlite": "webframe_atan2"}
    arity = 2
    keeps_decimals = False


class Ceil(Function1):
    """The next whole number that is not smaller."""

    function = "ceiling"
    functions = {"sqlite": "webframe_ceil"}
    lookup_name = "ceil"
    keeps_integers = True


class Cos(Function1):
    """The cosine."""

    function = "cos"
    functions = {"sqlite": "webframe_cos"}
    lookup_name = "cos"
    keeps_decimals = False


class Cot(Function1):
    """The cotangent."""

    function = "cot"
    functions = {"sqlite": "webframe_cot"}
    lookup_name = "cot"
    keeps_decimals = False


class Degrees(Function1):
    """An angle in degrees, from radians."""

    function = "degrees"
    functions = {"sqlite": "webframe_degrees"}
    lookup_name = "degrees"
    keeps_decimals = False


class Exp(Function1):
    """e to the power of the number."""

    function = "exp"
    functions = {"sqlite": "webframe_exp"}
    lookup_name = "exp"


class Floor(Function1):
    """The next whole number that is not larger."""

    function = "floor"
    functions = {"sqlite": "webframe_floor"}
    lookup_name = "floor"
    keeps_integers = True


class Ln(Function1):
    """The natural logarithm."""

    function = "ln"
    functions = {"sqlite": "webframe_ln"}
    lookup_name = "ln"


class Log(Number):
    """The logarithm to a base: ``Log(base, number)``."""

    function = "log"
    functions = {"sqlite": "webframe_log"}
    arity = 2

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        if scope.dialect_name != "postgresql":
            return super().call(arguments, scope, sql_type)
        # PostgreSQL has it for decimal numbers only.
        exact = [Built(sqlalchemy.cast(each.element, sqlalchemy.Numeric()), each.field) for each in arguments]
        return super().call(exact, scope, sql_type)


class Mod(Number):
    """What is left of a division; it has the sign of the first number."""

    arity = 2
    keeps_integers = True

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        left, right = (each.element for each in arguments)
        return sql.arithmetic(left, "%", right, sql_type, scope.dialect_name)


class Pi(Number):
    """3.14159..."""

    function = "pi"
    functions = {"sqlite": "webframe_pi"}
    arity = 0


class Power(Number):
    """The first number to the power of the second."""

    arity = 2

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        left, right = (each.element for each in arguments)
        return sql.power(left, right, sql_type, scope.dialect_name)


class Radians(Function1):
    """An angle in radians, from degrees."""

    function = "radians"
    functions = {"sqlite": "webframe_radians"}
    lookup_name = "radians"
    keeps_decimals = False


class Random(Func):
    """Some number from 0 up to 1, another one for each row."""

    function = "random"
    functions = {"sqlite": "webframe_random", "mysql": "rand", "mariadb": "rand"}
    arity = 0
    result = "FloatField"


class Round(Number):
    """The number with so many places behind the point, none if not said; halves go where the engine puts them."""

    function = "round"
    keeps_integers = True

    def __init__(self, expression: Any, precision: Any = 0, **extra: Any) -> None:
        super().__init__(expression, precision, **extra)

    def infer(self, fields: list[Any]) -> Any:
        return super().infer(fields[:1])

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        if scope.dialect_name != "postgresql":
            return super().call(arguments, scope, sql_type)
        # PostgreSQL rounds floats to whole numbers only.
        number = Built(sqlalchemy.cast(arguments[0].element, sqlalchemy.Numeric()), arguments[0].field)
        return super().call([number, arguments[1]], scope, sql_type)


class Sign(Function1):
    """-1, 0 or 1."""

    function = "sign"
    functions = {"sqlite": "webframe_sign"}
    lookup_name = "sign"
    keeps_integers = True


class Sin(Function1):
    """The sine."""

    function = "sin"
    functions = {"sqlite": "webframe_sin"}
    lookup_name = "sin"
    keeps_decimals = False


class Sqrt(Function1):
    """The square root."""

    function = "sqrt"
    functions = {"sqlite": "webframe_sqrt"}
    lookup_name = "sqrt"


class Tan(Function1):
    """The tangent."""

    function = "tan"
    functions = {"sqlite": "webframe_tan"}
    lookup_name = "tan"
    keeps_decimals = False


__all__ = [
    "ACos",
    "ASin",
    "ATan",
    "ATan2",
    "Abs",
    "Ceil",
    "Cos",
    "Cot",
    "Degrees",
    "Exp",
    "Floor",
    "Ln",
    "Log",
    "Mod",
    "Pi",
    "Power",
    "Radians",
    "Random",
    "Round",
    "Sign",
    "Sin",
    "Sqrt",
    "Tan",
]

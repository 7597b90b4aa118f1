"""Aggregates: one value out of many rows.

Order.objects.aggregate(total=Sum("price"), late=Count("pk", filter=Q(late=True)))
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.models import outputs
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.calls import Func
from webframe.db.models.cases import references_of
from webframe.db.models.expressions import F, Value, as_expression, sql_type_of

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")

__all__ = ["Aggregate", "Avg", "Count", "Max", "Min", "StdDev", "Sum", "Variance"]


class Aggregate(Func):
    """Base of all aggregates.

    `filter` is a condition for the rows that count, `distinct` lets equal values
    count once, `default` is the result where no row counts.
    """

    contains_aggregate = True
    # What it is called where nobody gives it a name: "price__sum".
    name: ClassVar[str | None] = None
    allow_distinct: ClassVar[bool] = False
    # What the result is without any row, where it is not None.
    empty_result_set_value: ClassVar[Any] = None

    def __init__(
        self,
        *expressions: Any,
        distinct: bool = False,
        filter: Any = None,
        default: Any = None,
        output_field: Any = None,
        **extra: Any,
    ) -> None:
        if distinct and not self.allow_distinct:
            raise TypeError(f"{type(self).__name__} does not allow distinct.")
        if default is not None and self.empty_result_set_value is not None:
            raise TypeError(f"{type(self).__name__} does not allow default.")
        if filter is not None and not getattr(filter, "conditional", False):
            raise TypeError(f"{type(self).__name__}(filter=...) takes a Q or an expression with boolean values.")
        super().__init__(*expressions, output_field=output_field, **extra)
        self.distinct = distinct
        self.filter = filter if filter is None or filter else None
        self.default = None if default is None else as_expression(default)
        for source in self.source_expressions:
            if getattr(source, "contains_aggregate", False):
                raise FieldError(f"Cannot compute {self!r}: {source!r} is an aggregate already.")
            if getattr(source, "contains_over_clause", False):
                raise FieldError(
                    f"Cannot compute {self!r}: {source!r} is a window, which is computed later. Give it a name with "
                    f"annotate(), and aggregate() that."
                )

    @property
    def default_alias(self) -> str:
        expressions = self.source_expressions
        if len(expressions) == 1 and isinstance(expressions[0], F):
            return f"{expressions[0].name}__{(self.name or type(self).__name__).lower()}"
        raise TypeError("Complex expressions require an alias")

    def sources(self) -> tuple[Any, ...]:
        parts = self.source_expressions
        return parts if self.default is None else (*parts, self.default)

    def marks(self) -> Hashable:
        return self.distinct, tuple(sorted(self.extra.items()))

    def key(self, values: Literals) -> Hashable:
        sources = tuple([key_of(source, values) for source in self.source_expressions])
        condition = None if self.filter is None else values.condition(self.filter)
        default = None if self.default is None else key_of(self.default, values)
        return self.marks(), outputs.field_key(self._output_field), sources, condition, default

    def references(self) -> Iterator[str]:
        for source in self.sources():
            yield from source.references()
        if self.filter is not None:
            yield from references_of(self.filter)

    def build(self, scope: Scope) -> Built:
        """The call, over the rows that the filter lets through."""
        met_before = len(scope.met)
        built = self.build_over(scope, None)
        del scope.met[met_before:]
        return built

    def build_over(self, scope: Scope, over: Callable[[Any], ColumnElement[Any]] | None) -> Built:
        """Like `build`; with `over`, which makes a window of the call itself."""
        arguments = [self._argument(source, scope) for source in self.source_expressions]
        condition = None if self.filter is None else scope.condition(self.filter, for_aggregate=True)
        field = self._output_field if self._output_field is not None else self.infer([each.field for each in arguments])
        sql_type = sql_type_of(field)
        element = self.call([self._counted(each, condition, scope) for each in arguments], scope, sql_type)
        if condition is not None and scope.dialect_name not in sql.MYSQL:
            element = sqlalchemy.FunctionFilter(element, condition)  # type: ignore[arg-type]
        if over is not None:
            element = over(element)
        element = self.finished(element, arguments, scope, sql_type)
        if self.default is not None:
            default = scope.build(self.default).element
            element = sqlalchemy.func.coalesce(element, default, type_=sql_type)
        return Built(element, field)

    def _argument(self, source: Any, scope: Scope) -> Built:
        if type(source) is F:
            return scope.ref(source.name, for_aggregate=True)
        return scope.build(source)

    def _counted(self, argument: Built, condition: Any, scope: Scope) -> Built:
        """The argument, NULL in rows that do not count where the engine has no FILTER."""
        if condition is None or scope.dialect_name not in sql.MYSQL:
            return argument
        return Built(sqlalchemy.case((condition, argument.element)), argument.field)

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        elements = [each.element for each in arguments]
        if self.distinct:
            elements[0] = elements[0].distinct()
        return self.written(elements, scope.dialect_name, sql_type)

    def finished(
        self, element: ColumnElement[Any], arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]
    ) -> ColumnElement[Any]:
        """The call in the type of the output field, where the engine gives another one."""
        return element

    def __repr__(self) -> str:
        text = super().__repr__()[:-1]
        for name in ("distinct", "filter", "default"):
            value = getattr(self, name)
            if value is not None and value is not False:
                text += f", {name}={value!r}"
        return f"{text})"


class Star(Value):
    """The star of COUNT(*)."""

    def __init__(self) -> None:
        super().__init__(None)

    def build(self, scope: Scope) -> Built:
        return Built(sqlalchemy.literal_column("*"), None)

    def __repr__(self) -> str:
        return "'*'"


class Count(Aggregate):
    """How many values there are, or with ``"*"`` how many rows."""

    function = "count"
    name = "Count"
    result = "IntegerField"
    allow_distinct = True
    empty_result_set_value = 0

    def __init__(self, expression: Any, filter: Any = None, **extra: Any) -> None:
        star = isinstance(expression, str) and expression == "*"
        if star and extra.get("distinct"):
            raise ValueError("Star cannot be used with distinct: there is nothing to compare. Name a field.")
        super().__init__(Star() if star else expression, filter=filter, **extra)

    def _counted(self, argument: Built, condition: Any, scope: Scope) -> Built:
        if condition is not None and scope.dialect_name in sql.MYSQL and isinstance(self.source_expressions[0], Star):
            return Built(sqlalchemy.case((condition, 1)), None)
        return super()._counted(argument, condition, scope)


class Numeric(Aggregate):
    """Base of aggregates of numbers that may come out in a type of their own."""

    def finished(
        self, element: ColumnElement[Any], arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]
    ) -> ColumnElement[Any]:
        if scope.dialect_name == "sqlite":
            return element
        if isinstance(sql_type, sqlalchemy.Integer):
            return sqlalchemy.cast(element, sqlalchemy.BigInteger())
        return sql.as_float(element, sql_type, scope.dialect_name)


class Sum(Numeric):
    """The sum of all values; None without any."""

    function = "sum"
    name = "Sum"
    allow_distinct = True


class _Mean(Numeric):
    """Base of what is a fraction even of whole numbers."""

    def infer(self, fields: list[Any]) -> Any:
        field = outputs.common(fields, f"{type(self).__name__}()")
        kind = outputs.kind_of(field)
        if kind in ("integer", "boolean", "float"):
            return outputs.named("FloatField")
        return outputs.named("DecimalField") if kind == "decimal" else field

    def _counted(self, argument: Built, condition: Any, scope: Scope) -> Built:
        element, field = argument
        if scope.dialect_name in sql.MYSQL and outputs.kind_of(field) == "integer":
            # MySQL would give whole numbers' means no more than four places.
            element = element.op("+", return_type=sqlalchemy.Double())(sqlalchemy.literal_column("0e0"))
        return super()._counted(Built(element, field), condition, scope)


class Avg(_Mean):
    """The mean of all values; None without any."""

    function = "avg"
    name = "Avg"
    allow_distinct = True


class Max(Aggregate):
    """The largest value; None without any."""

    function = "max"
    name = "Max"


class Min(Aggregate):
    """The smallest value; None without any."""

    function = "min"
    name = "Min"


class StdDev(_Mean):
    """The standard deviation: of all there is, or with ``sample=True`` of a sample."""

    name = "StdDev"
    function = "stddev_pop"
    functions = {"sqlite": "webframe_stddev_pop"}
    sample_functions: ClassVar[dict[str, str]] = {"sqlite": "webframe_stddev_samp"}
    sample_function = "stddev_samp"

    def __init__(self, expression: Any, sample: bool = False, **extra: Any) -> None:
        super().__init__(expression, **extra)
        self.sample = sample

    def marks(self) -> Hashable:
        return super().marks(), self.sample

    def written(
        self, elements: Sequence[ColumnElement[Any]], dialect_name: str, sql_type: TypeEngine[Any]
    ) -> ColumnElement[Any]:
        if not self.sample:
            return super().written(elements, dialect_name, sql_type)
        name = self.sample_functions.get(dialect_name, self.sample_function)
        return sqlalchemy.Function(name, *elements, type_=sql_type)


class Variance(StdDev):
    """The variance: of all there is, or with ``sample=True`` of a sample."""

    name = "Variance"
    function = "var_pop"
    functions = {"sqlite": "webframe_var_pop"}
    sample_functions: ClassVar[dict[str, str]] = {"sqlite": "webframe_var_samp"}
    sample_function = "var_samp"

"""Func, Transform and ExpressionWrapper: functions of the database, as expressions.

    class Soundex(Func):
        function = "SOUNDEX"
        result = "CharField"

What stands in `function` and `template` is code. It is checked all the same: a
function must be a name, and a template may have nothing in it that could end a
statement, a string or a comment.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule, late_pattern
from webframe.db.errors import NotSupportedError
from webframe.db.models import outputs
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.conditions import Q, names_in
from webframe.db.models.expressions import (
    CombinedExpression,
    Composite,
    Expression,
    F,
    as_expression,
    sql_type_of,
)

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")

__all__ = ["ExpressionWrapper", "Func", "Ready", "Transform", "as_argument"]

FUNCTION = late_pattern(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
# What templates and joiners may consist of, apart from placeholders.
HARMLESS = late_pattern(r"[\w\s(),.+\-*/<>=|:%\[\]&~^]*")
PLACEHOLDER = late_pattern(r"%\((\w+)\)s")


class Func(Composite):
    """A function of the database: ``Func(F("name"), function="LOWER")``.

    Arguments that are strings are names of fields; everything else that is no
    expression is a literal. A subclass sets `function`; `functions` has other names
    for it by dialect; `result` names the class of the output field where it is not
    that of the arguments. Keywords that the constructor does not know fill
    placeholders of the template.
    """

    function: ClassVar[Any] = None
    functions: ClassVar[dict[str, str]] = {}
    template: ClassVar[Any] = "%(function)s(%(expressions)s)"
    arg_joiner: ClassVar[Any] = ", "
    # How many arguments it takes; None: any number.
    arity: ClassVar[int | None] = None
    # The class of the output field, by name; None: that of the arguments.
    result: ClassVar[str | None] = None
    window_compatible = True

    def __init__(self, *expressions: Any, output_field: Any = None, **extra: Any) -> None:
        if self.arity is not None and len(expressions) != self.arity:
            raise TypeError(
                f"{type(self).__name__!r} takes exactly {self.arity} {'argument' if self.arity == 1 else 'arguments'} "
                f"({len(expressions)} given)"
            )
        super().__init__(output_field)
        for name, value in extra.items():
            if not isinstance(value, (str, int)):
                raise TypeError(f"{type(self).__name__}({name}=...) takes text for its template, not {value!r}.")
        self.extra = extra
        self.source_expressions = tuple([as_argument(expression) for expression in expressions])

    @property
    def conditional(self) -> bool:
        """Whether rows can be filtered by it: a function that answers yes or no says so by its output field."""
        return self.result == "BooleanField" or super().conditional

    def sources(self) -> tuple[Any, ...]:
        return self.source_expressions

    def marks(self) -> Hashable:
        known = ("extra", "source_expressions", "_output_field", "_identity")
        own = tuple([(name, value) for name, value in self.__dict__.items() if name not in known])
        return tuple(sorted(self.extra.items())), own

    def build(self, scope: Scope) -> Built:
        """The call, with its arguments built in order."""
        arguments = [scope.build(source) for source in self.source_expressions]
        field = self._output_field if self._output_field is not None else self.infer([each.field for each in arguments])
        return Built(self.call(arguments, scope, sql_type_of(field)), field)

    def infer(self, fields: list[Any]) -> Any:
        """The output field, given those of the arguments."""
        if self.result is not None:
            return outputs.named(self.result)
        return outputs.common(fields, f"{type(self).__name__}()")

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        """The call as SQL; a subclass with other SQL on some engine overrides it."""
        return self.written([each.element for each in arguments], scope.dialect_name, sql_type)

    def written(
        self, elements: Sequence[ColumnElement[Any]], dialect_name: str, sql_type: TypeEngine[Any]
    ) -> ColumnElement[Any]:
        """The template with the arguments in their places."""
        function = self.extra.get("function") or self.functions.get(dialect_name) or self.function
        template = self.extra.get("template", self.template)
        joiner = self.extra.get("arg_joiner", self.arg_joiner)
        if function is not None and not FUNCTION.fullmatch(str(function)):
            raise ValueError(f"{function!r} cannot be the name of a function in {self!r}.")
        if function is not None and template == Func.template and joiner == Func.arg_joiner:
            return called(str(function), elements, sql_type)
        texts = self._texts(str(function or ""), harmless(template), harmless(joiner), len(elements))
        return sql.Template(texts, *elements, sql_type=sql_type)

    def _texts(self, function: str, template: str, joiner: str, count: int) -> list[str]:
        """The texts around and between the arguments."""
        texts = [""]
        for place, part in enumerate(PLACEHOLDER.split(template)):
            if place % 2 == 0:
                texts[-1] += part.replace("%%", "%")
            elif part == "expressions":
                between = joiner.replace("%%", "%")
                texts += [between] * (count - 1) + [""] * (count > 0)
            elif part == "function":
                texts[-1] += function
            else:
                texts[-1] += self._extra_text(part, template)
        return texts

    def _extra_text(self, name: str, template: str) -> str:
        value = self.extra.get(name, getattr(type(self), name, None))
        if value is None:
            raise ValueError(f"The template {template!r} of {self!r} asks for {name!r}, which nobody gave.")
        return harmless(str(value))

    def __repr__(self) -> str:
        arguments = [repr(source) for source in self.source_expressions]
        arguments += [f"{name}={value}" for name, value in sorted(self.extra.items())]
        return f"{type(self).__name__}({', '.join(arguments)})"


class ExpressionWrapper(Composite):
    """Another expression, with the field that its values have: ``ExpressionWrapper(F("a") + F("b"), FloatField())``."""

    def __init__(self, expression: Any, output_field: Any) -> None:
        super().__init__(output_field)
        self.expression = as_condition(expression)

    def sources(self) -> tuple[Any, ...]:
        return () if isinstance(self.expression, Q) else (self.expression,)

    def key(self, values: Literals) -> Hashable:
        inner = self.expression
        part = values.condition(inner) if isinstance(inner, Q) else key_of(inner, values)
        return part, outputs.field_key(self._output_field)

    def references(self) -> Iterator[str]:
        """The names in it: a condition may be about aggregates and windows too."""
        yield from names_in(self.expression)

    def build(self, scope: Scope) -> Built:
        """The element of the expression, of the given type."""
        if isinstance(self.expression, Q):
            return Built(scope.condition(self.expression), self._output_field)
        inner = self.expression
        if isinstance(inner, CombinedExpression) and inner.output_field is None:
            inner = CombinedExpression(inner.lhs, inner.connector, inner.rhs, self._output_field)
        element = scope.build(inner).element
        return Built(sqlalchemy.type_coerce(element, sql_type_of(self._output_field)), self._output_field)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.expression!r})"


def as_condition(value: Any) -> Any:
    """A Q as it is, everything else as an expression."""
    return value if isinstance(value, Q) else as_expression(value)


class Transform(Func):
    """A function of one argument that can be put into names: ``name__upper__startswith="A"``.

    It is made known with ``SomeField.register_lookup``, under its `lookup_name`.
    """

    lookup_name: ClassVar[str] = ""
    arity = 1
    # Look-ups that ask the column itself what others ask of the result, by name; see `periods.py`.
    of_column: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def apply(cls, lhs: Built, scope: Scope) -> Built:
        """The function applied to something that is built already."""
        return cls(Ready(lhs)).build(scope)

    @classmethod
    def result_field(cls, field: Any) -> Any:
        """The output field, given that of the argument."""
        output = vars(cls).get("output_field")
        if output is not None and not isinstance(output, property):
            return output
        return outputs.named(cls.result) if cls.result is not None else field


class Ready(Expression):
    """An expression that has been built already; it can be an argument of another one."""

    def __init__(self, built: Built) -> None:
        super().__init__(built.field)
        self.built = built

    def build(self, scope: Scope) -> Built:
        return self.built


def as_argument(value: Any) -> Any:
    """The argument of a function: strings are names, conditions have boolean values, the rest as everywhere."""
    if isinstance(value, str):
        return F(value)
    if isinstance(value, Q):
        return ExpressionWrapper(value, outputs.named("BooleanField"))
    return as_expression(value)


def called(name: str, elements: Sequence[ColumnElement[Any]], sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
    """A plain call of a function; a name with dots in it names its schema."""
    *schema, name = name.split(".")
    if not schema:
        return sqlalchemy.Function(name, *elements, type_=sql_type)
    return sqlalchemy.Function(name, *elements, type_=sql_type, packagenames=tuple(schema))


def harmless(text: str) -> str:
    """Text of a template that can be part of a statement; raises `ValueError` for any other."""
    without = PLACEHOLDER.sub("", text)
    if (
        not HARMLESS.fullmatch(without)
        or "--" in without
        or "/*" in without
        or without.count("(") != without.count(")")
    ):
        raise ValueError(
            f"{text!r} cannot be part of a template: quotes, semicolons, comments and brackets that do not match are "
            f"refused. Pass literals as Value(...)."
        )
    return text


def not_supported(what: str, dialect_name: str) -> NotSupportedError:
    """The error for what an engine cannot do."""
    return NotSupportedError(f"{what} is not supported on {dialect_name}.")

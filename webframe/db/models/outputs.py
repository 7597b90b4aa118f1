"""What field the values of an expression have, when nobody said so.

`of_value` answers for a literal, `of_operator` for arithmetic, `common` for
functions that hand on one of their arguments. None means that nobody knows.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Hashable, Iterable
from typing import Any, Final

from webframe.core.exceptions import FieldError
from webframe.db.models.fields import dates, numbers, other, text

__all__ = ["common", "field_key", "kind_of", "named", "of_operator", "of_value"]

# Which field a literal of a Python type has; subclasses too, in this order.
LITERALS: Final[tuple[tuple[type, str], ...]] = (
    (str, "CharField"),
    (bool, "BooleanField"),
    (int, "IntegerField"),
    (float, "FloatField"),
    (decimal.Decimal, "DecimalField"),
    (datetime.datetime, "DateTimeField"),
    (datetime.date, "DateField"),
    (datetime.time, "TimeField"),
    (datetime.timedelta, "DurationField"),
    (bytes, "BinaryField"),
    (bytearray, "BinaryField"),
    (memoryview, "BinaryField"),
    (uuid.UUID, "UUIDField"),
)
# Families of fields that may be mixed, and what comes of it.
FAMILIES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "integer",
        ("IntegerField", "BigIntegerField", "SmallIntegerField", "AutoField", "BigAutoField", "SmallAutoField"),
    ),
    ("float", ("FloatField",)),
    ("decimal", ("DecimalField",)),
    ("boolean", ("BooleanField",)),
    ("text", ("CharField", "TextField")),
    ("datetime", ("DateTimeField",)),
    ("date", ("DateField",)),
    ("time", ("TimeField",)),
    ("duration", ("DurationField",)),
    ("uuid", ("UUIDField",)),
    ("json", ("JSONField",)),
    ("binary", ("BinaryField",)),
)
NUMBERS: Final = ("integer", "decimal", "float")
TEMPORAL_KINDS: Final = ("date", "datetime", "time", "duration")
RESULTS: Final = {"integer": "IntegerField", "float": "FloatField", "decimal": "DecimalField", "text": "TextField"}
# (left, operator, right) of everything that is not a number: the field of the result.
TEMPORAL: Final = {
    ("date", "+", "duration"): "DateTimeField",
    ("date", "-", "duration"): "DateTimeField",
    ("duration", "+", "date"): "DateTimeField",
    ("datetime", "+", "duration"): "DateTimeField",
    ("datetime", "-", "duration"): "DateTimeField",
    ("duration", "+", "datetime"): "DateTimeField",
    ("time", "+", "duration"): "TimeField",
    ("time", "-", "duration"): "TimeField",
    ("duration", "+", "time"): "TimeField",
    ("duration", "+", "duration"): "DurationField",
    ("duration", "-", "duration"): "DurationField",
    ("date", "-", "date"): "DurationField",
    ("datetime", "-", "datetime"): "DurationField",
    ("datetime", "-", "date"): "DurationField",
    ("date", "-", "datetime"): "DurationField",
    ("time", "-", "time"): "DurationField",
    ("duration", "*", "integer"): "DurationField",
    ("duration", "*", "float"): "DurationField",
    ("duration", "*", "decimal"): "DurationField",
    ("integer", "*", "duration"): "DurationField",
    ("float", "*", "duration"): "DurationField",
    ("decimal", "*", "duration"): "DurationField",
    ("duration", "/", "integer"): "DurationField",
    ("duration", "/", "float"): "DurationField",
    ("duration", "/", "decimal"): "DurationField",
}


def named(name: str) -> Any:
    """A field without a model, by the name of its class: ``named("IntegerField")``."""
    for module in (numbers, text, dates, other):
        if name in vars(module):
            return vars(module)[name]()
    raise ValueError(f"There is no field called {name!r}.")


def of_value(value: Any) -> Any:
    """The field of a literal; None where its Python type does not say."""
    for python_type, name in LITERALS:
        if isinstance(value, python_type):
            return named(name)
    return None


def kind_of(field: Any) -> str | None:
    """The family of a field: "integer", "text", "datetime" ...; else the name of its class; None for None."""
    if field is None:
        return None
    names = [ancestor.__name__ for ancestor in type(field).__mro__]
    if "ForeignKey" in names:
        return kind_of(field.target_field)
    for name in names:
        for kind, members in FAMILIES:
            if name in members:
                return kind
    return names[0]


def of_operator(left: Any, operator: str, right: Any) -> Any:
    """The field of ``left operator right``, given the fields of both.

    Raises `FieldError`, naming both, where they do not go together.
    """
    first, second = kind_of(left), kind_of(right)
    if first is None or second is None:
        return None
    if operator == "^" and first in NUMBERS and second in NUMBERS:
        return named("FloatField")
    if first in NUMBERS and second in NUMBERS:
        kind = max(first, second, key=NUMBERS.index)
        return decimal_of(left, operator, right) if kind == "decimal" else named(RESULTS[kind])
    result = TEMPORAL.get((first, operator, second))
    if result is None:
        raise FieldError(
            f"Cannot infer the type of {operator!r} between {type(left).__name__} and {type(right).__name__}. "
            f"Say it with ExpressionWrapper(..., output_field=...)."
        )
    return named(result)


def decimal_of(left: Any, operator: str, right: Any) -> Any:
    """The field of arithmetic with a decimal number: with the places that come of it, if that can be known."""
    first, second = (0 if kind_of(field) == "integer" else field.decimal_places for field in (left, right))
    field = numbers.DecimalField()
    if first is not None and second is not None and operator in ("+", "-", "%", "*"):
        field.decimal_places = first + second if operator == "*" else max(first, second)
    return field


def common(fields: Iterable[Any], what: str) -> Any:
    """The one field of several; None where nobody knows.

    Raises `FieldError`, naming them, where they differ. `what` is whose they are.
    """
    known = [field for field in fields if field is not None]
    kinds = {kind_of(field) for field in known}
    if len(kinds) > 1:
        names = ", ".join(dict.fromkeys(type(field).__name__ for field in known))
        raise FieldError(f"{what} mixes types: {names}. Say which is meant with output_field=.")
    if not known:
        return None
    first = known[0]
    if all(type(field) is type(first) for field in known):
        return first
    return named(RESULTS[kind]) if (kind := kinds.pop()) in RESULTS else first


def field_key(field: Any) -> Hashable:
    """What a field contributes to a key: itself if it belongs to a model, else how it was made."""
    if field is None or getattr(field, "model", None) is not None:
        return field  # type: ignore[no-any-return]
    _, path, args, kwargs = field.deconstruct()
    return type(field), path, repr(args), repr(sorted(kwargs.items()))

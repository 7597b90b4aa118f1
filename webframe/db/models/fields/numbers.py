"""Fields for numbers and for yes and no; among them those whose numbers the database gives out."""

from __future__ import annotations

import decimal
import math
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule
from webframe.core import validators
from webframe.db.errors import DataError
from webframe.db.models.fields.base import Field, not_a
from webframe.db.models.integers import INTEGER_LOOKUPS

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.types import TypeEngine

    from webframe.db.models.fields import types
else:
    sqlalchemy = LateModule("sqlalchemy")
    types = LateModule("webframe.db.models.fields.types")


class IntegerField(Field):
    """A whole number of 32 bits."""

    class_lookups = dict(INTEGER_LOOKUPS)
    description = "Integer"
    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” value must be an integer."}
    exact_type = int
    # The numbers that the column holds, on every database but SQLite, which holds 64 bits everywhere.
    smallest = -(2**31)
    largest = 2**31 - 1

    def sql_type(self) -> TypeEngine[Any]:
        return sqlalchemy.Integer()

    def to_python(self, value: Any) -> Any:
        if value is None:
            return value
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            raise self._invalid("invalid", value) from None

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return value
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise not_a("a number", self, value, error) from error

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return [validators.MinValueValidator(self.smallest), validators.MaxValueValidator(self.largest)]


class BigIntegerField(IntegerField):
    """A whole number of 64 bits."""

    description = "Big (8 byte) integer"
    smallest = -(2**63)
    largest = 2**63 - 1

    def sql_type(self) -> TypeEngine[Any]:
        return sqlalchemy.BigInteger()


class SmallIntegerField(IntegerField):
    """A whole number of 16 bits."""

    description = "Small integer"
    smallest = -(2**15)
    largest = 2**15 - 1

    def sql_type(self) -> TypeEngine[Any]:
        return sqlalchemy.SmallInteger()


class PositiveIntegerField(IntegerField):
    """A whole number of 31 bits, zero or more: the table sees to it, too."""

    description = "Positive integer"
    non_negative = True
    smallest = 0


class PositiveBigIntegerField(BigIntegerField):
    """A whole number of 63 bits, zero or more: the table sees to it, too."""

    description = "Positive big integer"
    non_negative = True
    smallest = 0


class PositiveSmallIntegerField(SmallIntegerField):
    """A whole number of 15 bits, zero or more: the table sees to it, too."""

    description = "Positive small integer"
    non_negative = True
    smallest = 0


class _Auto:
    """What makes a field of integers one whose numbers the database gives out."""

    is_auto_field = True
    primary_key: bool
    # Nobody else gives it a value: that goes without saying.
    own_arguments: ClassVar[Mapping[str, Any]] = {"blank": True}

    def __init__(self, *args: Any, **keywords: Any) -> None:
        keywords["blank"] = True
        super().__init__(*args, **keywords)
        if not self.primary_key:
            raise TypeError(f"{type(self).__name__} must be the primary key: give it primary_key=True.")

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Become the field `name` of a model, the only one of this kind that it has."""
        if cls._meta.auto_field is not None:
            raise TypeError(f"{cls._meta.label} has more than one auto-generated field.")
        super().contribute_to_class(cls, name, private_only)  # type: ignore[misc]  # Field has it
        cls._meta.auto_field = self

    def validate(self, value: Any, model_instance: Any) -> None:
        """Nothing to ask: a new row's number is not known."""

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return []


class AutoField(_Auto, IntegerField):
    """A primary key of 32 bits that the database gives out."""


class BigAutoField(_Auto, BigIntegerField):
    """A primary key of 64 bits that the database gives out; what a model has that names none."""


class SmallAutoField(_Auto, SmallIntegerField):
    """A primary key of 16 bits that the database gives out."""


class FloatField(Field):
    """A floating-point number of 64 bits."""

    description = "Floating point number"
    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” value must be a float."}
    exact_type = float

    def sql_type(self) -> TypeEngine[Any]:
        return types.Floating()

    def to_python(self, value: Any) -> Any:
        if value is None:
            return value
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._invalid("invalid", value) from None

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return value
        try:
            return float(value)
        except OverflowError as error:
            raise not_a(f"a number of at most {sys.float_info.max:.3g}", self, value, error) from error
        except (TypeError, ValueError) as error:
            raise not_a("a number", self, value, error) from error


class DecimalField(Field):
    """A decimal number of at most `max_digits` digits, `decimal_places` of them after the point.

    What is saved is rounded to that many places, half to even.
    """

    description = "Decimal number"
    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” value must be a decimal number."}
    own_arguments = {"max_digits": None, "decimal_places": None}

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        max_digits: int | None = None,
        decimal_places: int | None = None,
        **keywords: Any,
    ) -> None:
        if max_digits is not None and decimal_places is not None and decimal_places > max_digits:
            raise TypeError(f"DecimalField has decimal_places={decimal_places}, more than max_digits={max_digits}.")
        self.max_digits = max_digits
        self.decimal_places = decimal_places
        super().__init__(verbose_name, name, **keywords)

    def sql_type(self) -> TypeEngine[Any]:
        return types.ExactDecimal(self.max_digits, self.decimal_places)

    @cached_property
    def context(self) -> decimal.Context:
        """How numbers are rounded: to as many digits as the field has."""
        return decimal.Context(prec=self.max_digits or decimal.MAX_PREC, rounding=decimal.ROUND_HALF_EVEN)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, decimal.Decimal):
            number = value
        elif isinstance(value, float):
            if math.isnan(value):
                raise self._invalid("invalid", value)
            digits = self.max_digits or 17
            number = decimal.Context(prec=digits).create_decimal_from_float(value)
        else:
            try:
                number = decimal.Decimal(value)
            except (decimal.InvalidOperation, TypeError, ValueError):
                raise self._invalid("invalid", value) from None
        if number is not None and not number.is_finite():
            raise self._invalid("invalid", value)
        return number

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)

    def get_save_value(self, value: Any) -> Any:
        number = self.to_python(value)
        if number is None or self.decimal_places is None:
            return number
        try:
            return number.quantize(self._unit, context=self.context)
        except decimal.InvalidOperation:
            raise DataError(
                f"The field {getattr(self, 'name', '?')!r} has room for {self.max_digits} digits, "
                f"{self.decimal_places} of them after the point: {value} has more."
            ) from None

    @cached_property
    def _unit(self) -> decimal.Decimal:
        return decimal.Decimal(1).scaleb(-(self.decimal_places or 0))

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return [validators.DecimalValidator(self.max_digits, self.decimal_places)]


_TRUE = frozenset({True, "t", "True", "true", "1"})  # 1 is equal to True
_FALSE = frozenset({False, "f", "False", "false", "0"})


class BooleanField(Field):
    """Yes or no; with ``null=True`` also unknown."""

    description = "Boolean (Either True or False)"
    empty_strings_allowed = False
    default_error_messages = {
        "invalid": "“%(value)s” value must be either True or False.",
        "invalid_nullable": "“%(value)s” value must be either True, False, or None.",
    }
    exact_type = bool

    def sql_type(self) -> TypeEngine[Any]:
        return sqlalchemy.Boolean()

    def to_python(self, value: Any) -> Any:
        if value is True or value is False or value is None:
            if value is None and not self.null:
                raise self._invalid("invalid", value)
            return value
        if self.null and value in self.empty_values:
            return None
        return self._yes_or_no(value)

    def _yes_or_no(self, value: Any) -> bool:
        try:
            if value in _TRUE:
                return True
            if value in _FALSE:
                return False
        except TypeError:  # something that has no hash
            pass
        raise self._invalid("invalid_nullable" if self.null else "invalid", value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else self._yes_or_no(value)

    def validate(self, value: Any, model_instance: Any) -> None:
        if self.choices is not None or value is None and not self.null:
            super().validate(value, model_instance)

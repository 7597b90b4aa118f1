"""Look-ups of integer columns, which may be compared with any number.

A number that no such column can hold would be refused by the engine, or rounded
to another one. The answer is what arithmetic says, on every engine.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models.building import Built, Literals, Scope
from webframe.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
    Lookup,
    Range,
    by_name,
    is_expression,
)

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
else:
    sqlalchemy = LateModule("sqlalchemy")

__all__ = ["INTEGER_LOOKUPS"]

ONLY_INT = frozenset({int})
CONTAINERS = (list, tuple, set, frozenset)

# What a 64-bit integer holds: no engine has larger ones in an integer column.
LARGEST = 2**63 - 1
SMALLEST = -(2**63)


class IntegerLookup(Lookup):
    """Base of comparisons of integer columns with any number.

    A number that no such column can hold is not sent to the database: it would
    be refused, or rounded to another one. `verdict` says what the answer is then.
    """

    one_literal = False
    plain_int = True

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        verdict = cls.verdict(value)
        return ("verdict", verdict) if verdict is not None else super().key(value, values)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        verdict = cls.verdict(value)
        if verdict is None:
            return super().build(lhs, value, scope)
        # Not simply true or false: the answer for NULL is still NULL.
        return lhs.element == lhs.element if verdict else lhs.element != lhs.element

    @classmethod
    def check(cls, field: Any, value: Any) -> None:
        if type(value) is not int and value is not None and not is_expression(value) and cls.verdict(value) is None:
            cls.prepare(field, value)

    @classmethod
    def literal(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[Any]:
        if scope.dialect_name == "postgresql":
            # PostgreSQL would cast to the type of a smaller column, and fail for what does not fit. Types that are no
            # plain integers there, such as decorators, stay: they may have something to do with the value.
            if isinstance(lhs.element.type.dialect_impl(scope.wrapper.dialect), sqlalchemy.Integer):
                return scope.value(value, lhs.field, cls.converter(lhs.field), sqlalchemy.BigInteger())
        return super().literal(lhs, value, scope)

    @classmethod
    def verdict(cls, value: Any) -> bool | None:
        """True or False if the comparison is that for every integer of 64 bits; None if it depends."""
        number = as_number(value)
        if number is None:
            return None
        if number > LARGEST:
            return cls.if_huge(True)
        if number < SMALLEST:
            return cls.if_huge(False)
        return False if number != number else cls.if_between(number)

    @classmethod
    def if_huge(cls, positive: bool) -> bool:
        """The verdict for a number beyond 64 bits."""
        return False

    @classmethod
    def if_between(cls, number: float | decimal.Decimal) -> bool | None:
        """The verdict for any other number."""
        return None


class IntegerExact(IntegerLookup, Exact):
    """Equal to a number."""

    @classmethod
    def if_between(cls, number: float | decimal.Decimal) -> bool | None:
        return None if number == int(number) else False


class _RoundedUp(IntegerLookup):
    @classmethod
    def prepare(cls, field: Any, value: Any) -> Any:
        return field.get_prep_value(math.ceil(value) if isinstance(value, (float, decimal.Decimal)) else value)


class _RoundedDown(IntegerLookup):
    @classmethod
    def prepare(cls, field: Any, value: Any) -> Any:
        return field.get_prep_value(math.floor(value) if isinstance(value, (float, decimal.Decimal)) else value)


class IntegerGreaterThan(_RoundedDown, GreaterThan):
    """Greater than a number."""

    @classmethod
    def if_huge(cls, positive: bool) -> bool:
        return not positive


class IntegerGreaterThanOrEqual(_RoundedUp, GreaterThanOrEqual):
    """Greater than or equal to a number."""

    @classmethod
    def if_huge(cls, positive: bool) -> bool:
        return not positive


class IntegerLessThan(_RoundedUp, LessThan):
    """Less than a number."""

    @classmethod
    def if_huge(cls, positive: bool) -> bool:
        return positive


class IntegerLessThanOrEqual(_RoundedDown, LessThanOrEqual):
    """Less than or equal to a number."""

    @classmethod
    def if_huge(cls, positive: bool) -> bool:
        return positive


class IntegerIn(In):
    """One of several numbers."""

    @classmethod
    def check(cls, field: Any, value: Any) -> None:
        if isinstance(value, CONTAINERS) and not ONLY_INT.issuperset(map(type, value)):
            for item in value:
                IntegerExact.check(field, item)

    @classmethod
    def literal(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[Any]:
        return IntegerExact.literal(lhs, value, scope)

    @classmethod
    def possible(cls, literal: Any) -> bool:
        return IntegerExact.verdict(literal) is None


class IntegerRange(Range):
    """Between two numbers."""

    @classmethod
    def check(cls, field: Any, value: Any) -> None:
        for bound in cls.bounds(value):
            IntegerExact.check(field, bound)

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        low, high = cls.bounds(value)
        return IntegerGreaterThanOrEqual.key(low, values), IntegerLessThanOrEqual.key(high, values)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        low, high = cls.bounds(value)
        return sqlalchemy.and_(
            IntegerGreaterThanOrEqual.build(lhs, low, scope), IntegerLessThanOrEqual.build(lhs, high, scope)
        )


def as_number(value: Any) -> int | float | decimal.Decimal | None:
    """A number, or text that is an integer, as a number; None for everything else."""
    if isinstance(value, (int, float, decimal.Decimal)):
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None  # The field says what is wrong with it.
    return None


# What fields with integers have instead.
INTEGER_LOOKUPS: dict[str, type[Lookup]] = by_name(
    IntegerExact,
    IntegerGreaterThan,
    IntegerGreaterThanOrEqual,
    IntegerLessThan,
    IntegerLessThanOrEqual,
    IntegerIn,
    IntegerRange,
)

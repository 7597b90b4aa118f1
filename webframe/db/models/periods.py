"""Look-ups of years and days as stretches of the column itself, so that an index on it serves.

``created__year=2024`` asks for what lies between the beginnings of two years,
not for what each row's year is. A `Period` says where it begins; look-ups with
other values than whole years or dates (expressions, text, years far away) ask
for the part of each row all the same. What begins in a time zone begins in the
one that is current when the query is run.
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from webframe._lazy import LateModule
from webframe.conf import settings
from webframe.db.models import outputs
from webframe.db.models.building import Built, Literals, Scope
from webframe.db.models.lookups import Lookup
from webframe.utils import timezone

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement

    Comparison = Callable[[Any, Any], ColumnElement[bool]]
else:
    sqlalchemy = LateModule("sqlalchemy")

__all__ = ["Period", "period_lookups"]

# Beyond them a time zone, or the next year, could lead out of what Python has.
FIRST, LAST = 2, 9997
# What a column is compared with, by the names of look-ups: the beginning of the period (0) or of the next one (1).
BOUNDS: Final[Mapping[str, tuple[tuple[Comparison, int], ...]]] = {
    "exact": ((operator.ge, 0), (operator.lt, 1)),
    "gt": ((operator.ge, 1),),
    "gte": ((operator.ge, 0),),
    "lt": ((operator.lt, 0),),
    "lte": ((operator.lt, 1),),
}


class Period(Lookup):
    """Base of the look-ups of one kind of period."""

    one_literal = False
    # What makes the part of a column, and the look-up that compares it.
    transform: ClassVar[Any]
    of_part: ClassVar[type[Lookup]]

    @classmethod
    def is_period(cls, value: Any) -> bool:
        """Whether a value names a period whose bounds are known."""
        return type(value) is int and FIRST <= value <= LAST

    @classmethod
    def begins(cls, value: Any, later: int) -> datetime.date:
        """The first day of the period, or of the one that is so many later."""
        raise NotImplementedError

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        if not cls.is_period(value):
            return "part", cls.of_part.key(value, values)
        values.extend([value] * len(BOUNDS[cls.lookup_name]))
        return "period"

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        if not cls.is_period(value):
            return cls.of_part.build(cls.transform.apply(lhs, scope), value, scope)
        bounds = BOUNDS[cls.lookup_name]
        return sqlalchemy.and_(
            *[compare(lhs.element, cls.bound(lhs, value, later, scope)) for compare, later in bounds]
        )

    @classmethod
    def bound(cls, lhs: Built, value: Any, later: int, scope: Scope) -> ColumnElement[Any]:
        """The parameter for where the period begins."""
        is_moment = outputs.kind_of(lhs.field) == "datetime"
        prepare = lhs.field.get_prep_value

        def convert(value: Any) -> Any:
            day = cls.begins(value, later)
            return prepare(_first_moment(day) if is_moment else day)

        return scope.value(value, lhs.field, convert)


class Year(Period):
    """A year."""

    @classmethod
    def begins(cls, value: Any, later: int) -> datetime.date:
        return datetime.date(value + later, 1, 1)


class ISOYear(Period):
    """A year of whole weeks (ISO 8601)."""

    @classmethod
    def begins(cls, value: Any, later: int) -> datetime.date:
        return datetime.date.fromisocalendar(value + later, 1, 1)


class Day(Period):
    """A day, of a moment."""

    @classmethod
    def is_period(cls, value: Any) -> bool:
        return type(value) is datetime.date and FIRST <= value.year <= LAST

    @classmethod
    def begins(cls, value: Any, later: int) -> datetime.date:
        day: datetime.date = value + datetime.timedelta(days=later)
        return day


def _first_moment(day: datetime.date) -> datetime.datetime:
    zone = timezone.get_current_timezone() if settings.USE_TZ else None
    return datetime.datetime.combine(day, datetime.time.min, zone)


def period_lookups(kind: type[Period], transform: Any, of_parts: Mapping[str, type[Lookup]]) -> dict[str, type[Period]]:
    """The look-ups of one kind of period by name, for a transform whose values `of_parts` would compare."""
    return {
        name: type(
            f"{kind.__name__}{of_parts[name].__name__}",
            (kind,),
            {
                "__doc__": of_parts[name].__doc__,
                "lookup_name": name,
                "transform": transform,
                "of_part": of_parts[name],
            },
        )
        for name in BOUNDS
    }

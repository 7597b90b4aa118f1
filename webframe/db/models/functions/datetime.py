"""Functions of dates and times, and the parts of dates that names may ask for: ``born__year__gte=2000``.

Parts and beginnings of moments are those in a time zone: the one given as
`tzinfo`, or else the current one.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.models import moments, outputs
from webframe.db.models.building import Built, Scope
from webframe.db.models.calls import Func, Transform
from webframe.db.models.expressions import sql_type_of
from webframe.db.models.fields.dates import DateField, DateTimeField, TimeField
from webframe.db.models.integers import INTEGER_LOOKUPS
from webframe.db.models.lookups import DEFAULT_LOOKUPS
from webframe.db.models.periods import Day, ISOYear, Year, period_lookups
from webframe.utils import timezone

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models.fields import types
else:
    sqlalchemy = LateModule("sqlalchemy")
    types = LateModule("webframe.db.models.fields.types")

DATED = ("date", "datetime", "time")
# What a time has no part or beginning of, and what a date has none of.
OF_DATES = ("year", "iso_year", "quarter", "month", "week", "day", "week_day", "iso_week_day")
OF_TIMES = ("hour", "minute", "second")


class Zoned(Transform):
    """Base of everything that depends on a time zone."""

    def __init__(self, expression: Any, tzinfo: datetime.tzinfo | None = None, **extra: Any) -> None:
        super().__init__(expression, **extra)
        if tzinfo is not None and not isinstance(tzinfo, datetime.tzinfo):
            raise TypeError(
                f"tzinfo= of {type(self).__name__}() is a time zone, such as ZoneInfo(...), not {tzinfo!r}."
            )
        self.tzinfo = tzinfo

    def marks(self) -> Hashable:
        return super().marks(), moments.zone_name(self.tzinfo)

    def _deconstructed(self, *named: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        keywords = {"tzinfo": self.tzinfo, "output_field": self._output_field, **self.extra}
        given = {name: value for name, value in keywords.items() if value is not None}
        home = "webframe.db.models.functions" if type(self).__module__ == __name__ else type(self).__module__
        return f"{home}.{type(self).__qualname__}", (*self.source_expressions, *named), given

    def kind(self, argument: Built) -> str:
        """The kind of the argument; raises `FieldError` if it is neither date nor time."""
        kind = outputs.kind_of(argument.field)
        if kind not in DATED:
            what = "a field of unknown type" if argument.field is None else type(argument.field).__name__
            raise FieldError(f"{type(self).__name__}() takes a date, a time or both, not {what}.")
        return str(kind)

    def zone(self, kind: str, scope: Scope) -> str:
        """The name of the time zone; raises `OperationalError` if the database needs to know it and does not."""
        name = moments.zone_name(self.tzinfo)
        if kind == "datetime" and name != "UTC":
            scope.wrapper.check_time_zone(name)
        return name


class Extract(Zoned):
    """One part of a date or time as a number: ``Extract("born", "year")``."""

    lookup_name = ""
    result = "IntegerField"

    def __init__(
        self, expression: Any, lookup_name: str | None = None, tzinfo: datetime.tzinfo | None = None, **extra: Any
    ) -> None:
        part = lookup_name or type(self).lookup_name
        if part not in moments.MYSQL_PARTS:
            raise ValueError(f"Extract() knows {', '.join(moments.MYSQL_PARTS)}, not {part!r}.")
        super().__init__(expression, tzinfo, **extra)
        self.part = part

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Its import path, and the arguments that make an equal one: what writes it into a migration."""
        return self._deconstructed(*(() if self.part == type(self).lookup_name else (self.part,)))

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        argument = arguments[0]
        kind = self.kind(argument)
        if self.part in (OF_TIMES if kind == "date" else OF_DATES if kind == "time" else ()):
            raise FieldError(f"A {type(argument.field).__name__} has no {self.part}.")
        return moments.extract(self.part, argument.element, kind, self.zone(kind, scope), scope.dialect_name)


class ExtractYear(Extract):
    """The year."""

    lookup_name = "year"


class ExtractIsoYear(Extract):
    """The year that the week belongs to (ISO 8601)."""

    lookup_name = "iso_year"


class ExtractQuarter(Extract):
    """The quarter of the year, 1 to 4."""

    lookup_name = "quarter"


class ExtractMonth(Extract):
    """The month, 1 to 12."""

    lookup_name = "month"


class ExtractWeek(Extract):
    """The week of the year (ISO 8601), 1 to 53."""

    lookup_name = "week"


class ExtractDay(Extract):
    """The day of the month."""

    lookup_name = "day"


class ExtractWeekDay(Extract):
    """The day of the week: Sunday is 1, Saturday 7."""

    lookup_name = "week_day"


class ExtractIsoWeekDay(Extract):
    """The day of the week (ISO 8601): Monday is 1, Sunday 7."""

    lookup_name = "iso_week_day"


class ExtractHour(Extract):
    """The hour."""

    lookup_name = "hour"


class ExtractMinute(Extract):
    """The minute."""

    lookup_name = "minute"


class ExtractSecond(Extract):
    """The second, without what is behind it."""

    lookup_name = "second"


class TruncBase(Zoned):
    """Base of the beginnings of years, months, hours ..."""

    unit: ClassVar[str] = ""

    def __init__(
        self, expression: Any, output_field: Any = None, tzinfo: datetime.tzinfo | None = None, **extra: Any
    ) -> None:
        if "is_dst" in extra:
            raise TypeError("is_dst is not supported: time zones are those of zoneinfo.")
        super().__init__(expression, tzinfo, output_field=output_field, **extra)

    def begins(self) -> str:
        """The unit."""
        return type(self).unit

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        argument = arguments[0]
        kind = self.kind(argument)
        unit, zone, dialect_name = self.begins(), self.zone(kind, scope), scope.dialect_name
        wanted = kind if self._output_field is None else outputs.kind_of(self._output_field)
        if unit in (OF_TIMES if "date" in (kind, wanted) else OF_DATES if "time" in (kind, wanted) else ()):
            what = argument.field if self._output_field is None else self._output_field
            raise FieldError(f"Cannot truncate a {type(what).__name__} to the beginning of a {unit}.")
        if wanted not in DATED or (kind, wanted) in (("date", "time"), ("time", "date"), ("time", "datetime")):
            raise FieldError(f"{self!r} cannot make a {wanted} of a {kind}.")
        if kind == "datetime" and wanted == "date":
            element = moments.date_of(argument.element, kind, zone, sql_type_of(DateField()), dialect_name)
            return moments.truncate(unit, element, "date", zone, dialect_name)
        if kind == "datetime" and wanted == "time":
            element = moments.time_of(argument.element, kind, zone, sql_type_of(TimeField()), dialect_name)
            return moments.truncate(unit, element, "time", zone, dialect_name)
        if kind == "date" and wanted == "datetime":
            raise FieldError(f"{self!r} would make a moment of a date; use Cast first.")
        element = moments.truncate(unit, argument.element, kind, zone, dialect_name)
        if isinstance(sql_type, types.Moment):
            # It begins in a zone, and in another its day and month would be other ones.
            shown_in = datetime.UTC if zone == "UTC" else self.tzinfo or timezone.get_current_timezone()
            element = sqlalchemy.type_coerce(element, types.Moment(shown_in))
        return element


class Trunc(TruncBase):
    """The beginning of a unit that is given: ``Trunc("born", "month")``."""

    def __init__(
        self,
        expression: Any,
        kind: str,
        output_field: Any = None,
        tzinfo: datetime.tzinfo | None = None,
        **extra: Any,
    ) -> None:
        if kind not in moments.UNITS:
            raise ValueError(f"Trunc() knows {', '.join(moments.UNITS)}, not {kind!r}.")
        super().__init__(expression, output_field, tzinfo, **extra)
        self.to = kind

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Its import path, and the arguments that make an equal one: what writes it into a migration."""
        return self._deconstructed(self.to)

    def begins(self) -> str:
        return self.to


class TruncYear(TruncBase):
    """The beginning of the year."""

    unit = "year"


class TruncQuarter(TruncBase):
    """The beginning of the quarter."""

    unit = "quarter"


class TruncMonth(TruncBase):
    """The beginning of the month."""

    unit = "month"


class TruncWeek(TruncBase):
    """The Monday of the week."""

    unit = "week"


class TruncDay(TruncBase):
    """The beginning of the day."""

    unit = "day"


class TruncHour(TruncBase):
    """The beginning of the hour."""

    unit = "hour"


class TruncMinute(TruncBase):
    """The beginning of the minute."""

    unit = "minute"


class TruncSecond(TruncBase):
    """The beginning of the second."""

    unit = "second"


class TruncDate(Zoned):
    """The date of a moment; in names, ``created__date``."""

    lookup_name = "date"
    result = "DateField"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        argument = arguments[0]
        kind = self.kind(argument)
        return moments.date_of(argument.element, kind, self.zone(kind, scope), sql_type, scope.dialect_name)


class TruncTime(Zoned):
    """The time of a moment; in names, ``created__time``."""

    lookup_name = "time"
    result = "TimeField"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        argument = arguments[0]
        kind = self.kind(argument)
        return moments.time_of(argument.element, kind, self.zone(kind, scope), sql_type, scope.dialect_name)


class Now(Func):
    """This moment, the same everywhere in a statement."""

    arity = 0
    result = "DateTimeField"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        return moments.now(sql_type, scope.dialect_name)


for _field in (DateField, DateTimeField):
    for _transform in (
        ExtractYear,
        ExtractIsoYear,
        ExtractQuarter,
        ExtractMonth,
        ExtractWeek,
        ExtractDay,
        ExtractWeekDay,
        ExtractIsoWeekDay,
    ):
        _field.register_lookup(_transform)
for _field_with_time in (TimeField, DateTimeField):
    for _part in (ExtractHour, ExtractMinute, ExtractSecond):
        _field_with_time.register_lookup(_part)
DateTimeField.register_lookup(TruncDate)
DateTimeField.register_lookup(TruncTime)

ExtractYear.of_column = period_lookups(Year, ExtractYear, INTEGER_LOOKUPS)
ExtractIsoYear.of_column = period_lookups(ISOYear, ExtractIsoYear, INTEGER_LOOKUPS)
TruncDate.of_column = period_lookups(Day, TruncDate, DEFAULT_LOOKUPS)

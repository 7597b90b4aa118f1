"""Fields for dates, times, moments and spans of time."""

from __future__ import annotations

import datetime
import re
import warnings
from functools import partialmethod
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule, late_pattern
from webframe.conf import settings
from webframe.core.exceptions import ValidationError
from webframe.db.models.fields.base import Field
from webframe.db.models.twins import twin_named
from webframe.utils import timezone

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from webframe.db.models.fields import types
else:
    types = LateModule("webframe.db.models.fields.types")


class _Dated(Field):
    """What dates, times and moments have in common: they can be those of the saving."""

    empty_strings_allowed = False
    own_arguments = {"auto_now": False, "auto_now_add": False}
    default_error_messages = {
        "invalid": "“%(value)s” value has an invalid format. It must be in %(format)s format.",
    }
    format = ""

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        auto_now: bool = False,
        auto_now_add: bool = False,
        **keywords: Any,
    ) -> None:
        self.auto_now = auto_now
        self.auto_now_add = auto_now_add
        if auto_now or auto_now_add:
            keywords["editable"] = False
            keywords["blank"] = True
        super().__init__(verbose_name, name, **keywords)
        if auto_now and auto_now_add:
            raise self._too_many()
        self.has_own_pre_save = auto_now or auto_now_add or type(self).has_own_pre_save

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        # Not before: a migration that adds such a field may give it a default, for the rows there are.
        if (self.auto_now or self.auto_now_add) and self.has_default():
            raise self._too_many()
        super().contribute_to_class(cls, name, private_only)

    def _too_many(self) -> TypeError:
        given = [each for each in ("auto_now", "auto_now_add") if getattr(self, each)]
        return TypeError(
            f"{type(self).__name__} can have one of auto_now, auto_now_add and default, not "
            f"{' and '.join(given + ['default'] * self.has_default())}."
        )

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, keywords = super().deconstruct()
        if self.auto_now or self.auto_now_add:
            # What goes without saying.
            for argument in ("editable", "blank"):
                keywords.pop(argument, None)
        return name, path, args, keywords

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        if self.auto_now or (self.auto_now_add and add):
            value = self.this_moment()
            setattr(model_instance, self.attname, value)
            return value
        return super().pre_save(model_instance, add)

    # Only fields that ask for it have one, which the constructor notes.
    has_own_pre_save = False
    pre_save_sets_value = True

    def this_moment(self) -> Any:
        """The value at this moment."""
        raise NotImplementedError

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)

    def value_to_string(self, obj: Any) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else value.isoformat()

    def _full_name(self) -> str:
        model = getattr(self, "model", None)
        return f"{model.__name__}.{self.name}" if model is not None else "(unbound)"

    def _malformed(self, value: Any) -> ValidationError:
        return self._invalid("invalid", value, format=self.format)


class _OnCalendar(_Dated):
    """Dates and moments: instances can be asked for the next and the previous one."""

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        if not self.null:
            for direction, is_next in (("next", True), ("previous", False)):
                method = partialmethod(cls._get_next_or_previous_by_field, field=self, is_next=is_next)
                found = f"get_{direction}_by_{self.name}"
                if found not in vars(cls):
                    setattr(cls, found, method)
                if f"a{found}" not in vars(cls):
                    setattr(cls, f"a{found}", twin_named(found, f"The {direction} instance by `{self.name}`."))


class DateField(_OnCalendar):
    """A date. `auto_now` sets it at every save, `auto_now_add` at the first, in TIME_ZONE."""

    description = "Date (without time)"
    default_error_messages = {
        "invalid_date": "“%(value)s” value has the correct format (YYYY-MM-DD) but it is an invalid date.",
    }
    format = "YYYY-MM-DD"

    def sql_type(self) -> TypeEngine[Any]:
        return types.Day()

    def this_moment(self) -> Any:
        return timezone.localdate(timezone=timezone.get_default_timezone())

    def to_python(self, value: Any) -> Any:
        if value is None:
            return value
        if isinstance(value, datetime.datetime):
            if settings.USE_TZ and timezone.is_aware(value):
                value = timezone.make_naive(value, timezone.get_default_timezone())
            return value.date()
        if isinstance(value, datetime.date):
            return value
        try:
            return datetime.date.fromisoformat(value)
        except (TypeError, ValueError):
            if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}", value):
                return self._from_short(value)
            raise self._malformed(value) from None

    def _from_short(self, value: str) -> datetime.date:
        """A date such as 2024-3-1, whose month or day has one digit."""
        year, month, day = map(int, value.split("-"))
        try:
            return datetime.date(year, month, day)
        except ValueError:
            raise self._invalid("invalid_date", value) from None


class DateTimeField(_OnCalendar):
    """A moment, to the microsecond. With USE_TZ it is aware, and kept in UTC."""

    description = "Date (with time)"
    format = "YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ]"

    def sql_type(self) -> TypeEngine[Any]:
        return types.Moment()

    def this_moment(self) -> Any:
        return timezone.now()

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, datetime.datetime):
            return value
        if isinstance(value, datetime.date):
            value = datetime.datetime(value.year, value.month, value.day)
            return self._aware(value) if settings.USE_TZ else value
        try:
            return datetime.datetime.fromisoformat(value.strip())
        except (TypeError, ValueError, AttributeError):
            raise self._malformed(value) from None

    def get_prep_value(self, value: Any) -> Any:
        value = self.to_python(value)
        if value is None:
            return value
        if settings.USE_TZ:
            return self._aware(value) if value.tzinfo is None else value
        if value.tzinfo is not None:
            return timezone.make_naive(value, timezone.get_default_timezone())
        return value

    def _aware(self, value: datetime.datetime) -> datetime.datetime:
        """A naive value as a moment in TIME_ZONE, with a warning: what was meant is not certain."""
        warnings.warn(
            f"DateTimeField {self._full_name()} received a naive datetime ({value}) while time zone support is active.",
            RuntimeWarning,
            stacklevel=2,
        )
        return timezone.make_aware(value, timezone.get_default_timezone())


class TimeField(_Dated):
    """A time of day, without a time zone."""

    description = "Time"
    format = "HH:MM[:ss[.uuuuuu]]"

    def sql_type(self) -> TypeEngine[Any]:
        return types.TimeOfDay()

    def this_moment(self) -> Any:
        return datetime.datetime.now(timezone.get_default_timezone()).time()

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, datetime.time):
            return value
        if isinstance(value, datetime.datetime):
            return value.time()
        try:
            return datetime.time.fromisoformat(value).replace(tzinfo=None)
        except (TypeError, ValueError):
            raise self._malformed(value) from None

    def get_prep_value(self, value: Any) -> Any:
        value = self.to_python(value)
        if value is not None and value.tzinfo is not None:
            raise ValueError(
                f"TimeField {self._full_name()} received {value!r}, which has a time zone, but no date to go with it. "
                f"Give it without one, value.replace(tzinfo=None), or use a DateTimeField."
            )
        return value


class DurationField(Field):
    """A span of time, a `timedelta`."""

    description = "Duration"
    empty_strings_allowed = False
    default_error_messages = {
        "invalid": "“%(value)s” value has an invalid format. It must be in [DD] [[HH:]MM:]ss[.uuuuuu] format.",
    }
    exact_type = datetime.timedelta

    def sql_type(self) -> TypeEngine[Any]:
        return types.Duration()

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, datetime.timedelta):
            return value
        parsed = parse_duration(value) if isinstance(value, str) else None
        if parsed is None:
            raise self._invalid("invalid", value)
        return parsed

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)

    def value_to_string(self, obj: Any) -> str:
        """As "3 04:05:06.5", with days less than zero for a negative span."""
        value = self.value_from_object(obj)
        if value is None:
            return ""
        days, clock = divmod(value, datetime.timedelta(days=1))
        text = str(clock).rjust(8, "0") if clock.microseconds == 0 else str(clock).rjust(15, "0")
        return f"{days} {text}" if days else text


_DURATION = late_pattern(
    r"(?:(?P<days>-?\d+) (?:days?, )?)?(?P<sign>-?)(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?"
    r"(?P<seconds>\d+)(?:[.,](?P<fraction>\d{1,6})\d*)?"
)
_ISO_DURATION = late_pattern(
    r"(?P<sign>[-+]?)P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def parse_duration(text: str) -> datetime.timedelta | None:
    """A span of time written as "3 04:05:06.5", as Python prints it, or by ISO 8601 ("P3DT4H"); None: neither."""
    text = text.strip()
    try:
        if (match := _DURATION.fullmatch(text)) is not None:
            parts = match.groupdict(default="0")
            clock = datetime.timedelta(
                hours=int(parts["hours"]),
                minutes=int(parts["minutes"]),
                seconds=int(parts["seconds"]),
                microseconds=int(parts["fraction"].ljust(6, "0")),
            )
            return datetime.timedelta(days=int(parts["days"])) + (-clock if parts["sign"] == "-" else clock)
        match = _ISO_DURATION.fullmatch(text)
        if match is not None and any(match[name] for name in ("days", "hours", "minutes", "seconds")):
            names = ("days", "hours", "minutes", "seconds")
            whole = datetime.timedelta(**{name: float(match[name] or 0) for name in names})
            return -whole if match["sign"] == "-" else whole
    except OverflowError:
        pass
    return None

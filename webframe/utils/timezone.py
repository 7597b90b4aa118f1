"""Time zones: the one that dates are shown in, and moments with and without one.

With USE_TZ, moments in Python know their time zone and are kept in UTC.
TIME_ZONE is what naive ones are understood in, and what is used for showing
unless the code at hand has chosen another by `activate` or `override`.
"""

from __future__ import annotations

import datetime as datetimes
from contextvars import ContextVar, Token
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING

from webframe._lazy import LateModule
from webframe.conf import settings

if TYPE_CHECKING:
    import zoneinfo
else:
    zoneinfo = LateModule("zoneinfo")

utc = datetimes.UTC

active: ContextVar[datetimes.tzinfo | None] = ContextVar("active time zone", default=None)


# Read once for each name; zoneinfo keeps what it has read, but asking it costs more than a dictionary.
@cache
def _zone(name: str) -> datetimes.tzinfo:
    return zoneinfo.ZoneInfo(name)


def get_fixed_timezone(offset: datetimes.timedelta | float) -> datetimes.timezone:
    """A time zone that is always the same number of minutes east of UTC."""
    minutes = offset.total_seconds() / 60 if isinstance(offset, datetimes.timedelta) else offset
    return datetimes.timezone(datetimes.timedelta(minutes=minutes))


def get_default_timezone() -> datetimes.tzinfo:
    """The time zone that TIME_ZONE names."""
    return _zone(settings.TIME_ZONE)


def get_default_timezone_name() -> str:
    """The name of that zone."""
    return settings.TIME_ZONE


def get_current_timezone() -> datetimes.tzinfo:
    """The time zone that was activated here, or else that of TIME_ZONE."""
    return active.get() or get_default_timezone()


def get_current_timezone_name() -> str:
    """The name of that zone, as "CET" at one time of the year and "CEST" at another."""
    return datetimes.datetime.now(get_current_timezone()).tzname() or ""


def activate(timezone: datetimes.tzinfo | str) -> None:
    """Show moments in this time zone, in this thread or task and those it starts."""
    active.set(_zone(timezone) if isinstance(timezone, str) else timezone)


def deactivate() -> None:
    """Go back to TIME_ZONE."""
    active.set(None)


class override:
    """A context manager within which another time zone is active; None: that of TIME_ZONE."""

    def __init__(self, timezone: datetimes.tzinfo | str | None) -> None:
        self.timezone = _zone(timezone) if isinstance(timezone, str) else timezone

    def __enter__(self) -> None:
        self._token: Token[datetimes.tzinfo | None] = active.set(self.timezone)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        active.reset(self._token)


def now() -> datetimes.datetime:
    """This moment: in UTC with USE_TZ, else naive, as clocks in TIME_ZONE show it."""
    if settings.USE_TZ:
        return datetimes.datetime.now(utc)
    return datetimes.datetime.now(get_default_timezone()).replace(tzinfo=None)


def localtime(value: datetimes.datetime | None = None, timezone: datetimes.tzinfo | None = None) -> datetimes.datetime:
    """A moment (this one by default) in the current time zone, or in another. Raises ValueError for a naive one."""
    if value is None:
        value = datetimes.datetime.now(utc)
    if is_naive(value):
        raise ValueError(f"{value!r} is naive, so it is no moment. Use make_aware() first.")
    return value.astimezone(timezone or get_current_timezone())


def localdate(value: datetimes.datetime | None = None, timezone: datetimes.tzinfo | None = None) -> datetimes.date:
    """The date of a moment (of this one by default) in the current time zone, or in another."""
    return localtime(value, timezone).date()


def is_aware(value: datetimes.datetime | datetimes.time) -> bool:
    """Whether it knows its time zone."""
    return value.utcoffset() is not None


def is_naive(value: datetimes.datetime | datetimes.time) -> bool:
    """Whether it does not know its time zone."""
    return value.utcoffset() is None


def make_aware(value: datetimes.datetime, timezone: datetimes.tzinfo | None = None) -> datetimes.datetime:
    """A naive time as a moment in the current time zone, or in another. Raises ValueError if it is one already."""
    if is_aware(value):
        raise ValueError(f"make_aware() takes a naive datetime, and {value!r} has a time zone.")
    return value.replace(tzinfo=timezone or get_current_timezone())


def make_naive(value: datetimes.datetime, timezone: datetimes.tzinfo | None = None) -> datetimes.datetime:
    """What clocks show at a moment in the current time zone, or in another. Raises ValueError for a naive one."""
    if is_naive(value):
        raise ValueError(f"make_naive() takes a datetime with a time zone, and {value!r} has none.")
    return value.astimezone(timezone or get_current_timezone()).replace(tzinfo=None)

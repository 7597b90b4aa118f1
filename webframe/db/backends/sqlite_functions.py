"""What SQLite lacks, as functions written in Python: `install` puts them into a connection.

Their names begin with ``webframe_``, apart from ``regexp``, which SQLite calls
for its operator REGEXP. NULL in is NULL out. Dates and times are ISO 8601 text;
text with a time zone missing is UTC where a function is given a time zone.
Durations are integers: microseconds.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from webframe._lazy import LateModule

if TYPE_CHECKING:
    import hashlib
    import json
    import random
    import statistics
    import zoneinfo
else:
    hashlib = LateModule("hashlib")
    json = LateModule("json")
    random = LateModule("random")
    statistics = LateModule("statistics")
    zoneinfo = LateModule("zoneinfo")

__all__ = ["install"]

SECOND = 1_000_000


def install(connection: Any) -> None:
    """Put all functions into a new `sqlite3.Connection`."""
    for name, (count, function) in FUNCTIONS.items():
        connection.create_function(name, count, function, deterministic=name not in RANDOM)
    for name, aggregate in AGGREGATES.items():
        connection.create_aggregate(name, 1, aggregate)


def null_in_null_out(function: Any) -> Callable[..., Any]:
    """The function, which is not called where one of its arguments is NULL."""

    def called(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return called


# -- text


def fold(text: Any) -> Any:
    """Text with upper and lower case made the same, for all of Unicode."""
    return None if text is None else str(text).casefold()


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression, compiled."""
    return re.compile(pattern)


def regexp(pattern: Any, text: Any) -> Any:
    """Whether a regular expression is found in a text."""
    if pattern is None or text is None:
        return None
    return compiled(str(pattern)).search(str(text)) is not None


def left_pad(text: Any, length: int, fill: str) -> str:
    """Text of exactly that length, filled up in front."""
    text = str(text)
    missing = max(length - len(text), 0)
    return str((fill * missing)[:missing] + text)[: max(length, 0)]


def right_pad(text: Any, length: int, fill: str) -> str:
    """Text of exactly that length, filled up behind."""
    text = str(text)
    return str(text + fill * max(length - len(text), 0))[: max(length, 0)]


def hashed(name: str) -> Callable[..., Any]:
    """A function that gives the digest of a text in hexadecimal digits."""

    def digest(text: Any) -> str:
        data = text if isinstance(text, bytes) else str(text).encode()
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()

    return digest


# -- numbers


def power(base: float, exponent: float) -> float | None:
    """One number to the power of another; NULL where that is no real number."""
    try:
        result = math.pow(base, exponent)
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return result


def modulo(left: float, right: float) -> float | None:
    """What is left of a division, with the sign of the left side; NULL for a division by nothing."""
    return math.fmod(left, right) if right else None


def real(function: Callable[..., float]) -> Callable[..., float | None]:
    """A function of `math` that gives NULL where it is not defined."""

    def called(*arguments: float) -> float | None:
        try:
            return function(*arguments)
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return called


def logarithm(base: float, number: float) -> float:
    """The logarithm of a number to a base, in the order of SQL."""
    return math.log(number, base)


def sign(number: float) -> int:
    """-1, 0 or 1."""
    return (number > 0) - (number < 0)


# -- dates and times


@lru_cache(maxsize=64)
def zone(name: str) -> datetime.tzinfo:
    """A time zone by its name, or by its distance from UTC: "+02:00"."""
    if name == "UTC":
        return datetime.UTC
    if name[0] in "+-":
        hours, _, minutes = name[1:].partition(":")
        distance = datetime.timedelta(hours=int(hours), minutes=int(minutes or 0))
        return datetime.timezone(-distance if name[0] == "-" else distance)
    return zoneinfo.ZoneInfo(name)


def parsed(text: str, zone_name: str) -> datetime.datetime | datetime.date | datetime.time:
    """A date, a time or both from text; in that time zone, if there is one and it is both."""
    if len(text) == 10:
        return datetime.date.fromisoformat(text)
    if text[2] == ":":
        return datetime.time.fromisoformat(text)
    moment = datetime.datetime.fromisoformat(text)
    if not zone_name:
        return moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(zone(zone_name))


def extract(unit: str, text: str, zone_name: str) -> Any:
    """One part of a date or time, as a number; an empty name of a time zone stands for none."""
    return EXTRACT[unit](parsed(str(text), zone_name))


EXTRACT: dict[str, Callable[[Any], Any]] = {
    "year": lambda moment: moment.year,
    "iso_year": lambda moment: moment.isocalendar()[0],
    "quarter": lambda moment: (moment.month + 2) // 3,
    "month": lambda moment: moment.month,
    "week": lambda moment: moment.isocalendar()[1],
    "day": lambda moment: moment.day,
    "week_day": lambda moment: moment.isoweekday() % 7 + 1,
    "iso_week_day": lambda moment: moment.isoweekday(),
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
}


def truncate(unit: str, text: str, zone_name: str) -> str:
    """A date or time with everything smaller than the unit set to its beginning; the time zone holds meanwhile."""
    moment = parsed(str(text), zone_name)
    if isinstance(moment, datetime.time):
        return written_time(_truncated_time(unit, moment))
    if not isinstance(moment, datetime.datetime):
        return _truncated_date(unit, moment).isoformat()
    if unit in ("hour", "minute", "second"):
        return written(_truncated_time(unit, moment))
    day = _truncated_date(unit, moment.date())
    return written(datetime.datetime.combine(day, datetime.time(), moment.tzinfo))


def _truncated_time(unit: str, moment: Any) -> Any:
    if unit == "second":
        return moment.replace(microsecond=0)
    if unit == "minute":
        return moment.replace(second=0, microsecond=0)
    return moment.replace(minute=0, second=0, microsecond=0)


def _truncated_date(unit: str, day: datetime.date) -> datetime.date:
    if unit == "year":
        return day.replace(month=1, day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    if unit == "month":
        return day.replace(day=1)
    if unit == "week":
        return day - datetime.timedelta(days=day.weekday())
    return day


def written(moment: datetime.datetime) -> str:
    """A moment as columns have it: in UTC where it has a time zone, and always with six digits behind the second."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return moment.isoformat(" ", "microseconds")


def written_time(time: datetime.time) -> str:
    """A time as columns have it."""
    return time.isoformat("microseconds")


def date_of(text: str, zone_name: str) -> str:
    """The date of a moment in a time zone."""
    return str(parsed(str(text), zone_name))[:10]


def time_of(text: str, zone_name: str) -> str:
    """The time of a moment in a time zone."""
    moment = parsed(str(text), zone_name)
    return written_time(moment.time() if isinstance(moment, datetime.datetime) else datetime.time())


def add(text: str, microseconds: int) -> str | None:
    """A moment so much later; a date becomes a moment, and a time goes round the clock."""
    moment = parsed(str(text), "")
    distance = datetime.timedelta(microseconds=microseconds)
    try:
        if isinstance(moment, datetime.time):
            return written_time((datetime.datetime.combine(datetime.date(2000, 1, 1), moment) + distance).time())
        if not isinstance(moment, datetime.datetime):
            moment = datetime.datetime.combine(moment, datetime.time())
        return written(moment + distance)
    except OverflowError:
        return None


def difference(first: str, second: str) -> int:
    """How much later the first is than the second, in microseconds."""
    return (_as_moment(first) - _as_moment(second)) // datetime.timedelta(microseconds=1)


def _as_moment(text: str) -> datetime.datetime:
    moment = parsed(str(text), "")
    if isinstance(moment, datetime.time):
        return datetime.datetime.combine(datetime.date(2000, 1, 1), moment)
    if not isinstance(moment, datetime.datetime):
        return datetime.datetime.combine(moment, datetime.time())
    return moment.replace(tzinfo=None)


# -- JSON


def json_contains(outer: str, inner: str) -> bool:
    """Whether a document has all of another in it, as PostgreSQL's ``@>`` understands it."""
    first, second = json.loads(outer), json.loads(inner)
    if isinstance(first, list) and not isinstance(second, (list, dict)):
        return any(_equal(item, second) for item in first)
    return _has_all(first, second)


def _has_all(first: Any, second: Any) -> bool:
    if isinstance(first, dict) and isinstance(second, dict):
        return all(name in first and _has_all(first[name], value) for name, value in second.items())
    if isinstance(first, list) and isinstance(second, list):
        return all(any(_has_all(item, wanted) for item in first) for wanted in second)
    return _equal(first, second)


def json_value(document: str, key: str) -> str | None:
    """The value of a key of a document; NULL where there is none."""
    found = json.loads(document)
    return json.dumps(found[key]) if isinstance(found, dict) and key in found else None


def json_has_key(document: str, key: str) -> bool:
    """Whether a document is an object with that key, or a list with that text."""
    found = json.loads(document)
    return isinstance(found, (dict, list)) and key in found


def json_equal(first: str, second: str) -> bool:
    """Whether two documents are the same."""
    return _equal(json.loads(first), json.loads(second))


def json_normal(document: str) -> str:
    """A document in the one form that all have that are the same."""
    return json.dumps(_normal(json.loads(document)), sort_keys=True)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normal(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_normal(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _equal(first: Any, second: Any) -> bool:
    # True is 1 in Python, and not in JSON.
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[name], second[name]) for name in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(_equal(*pair) for pair in zip(first, second, strict=True))
    return bool(first == second)


# -- aggregates


class Deviation:
    """Base of the aggregates of statistics; numbers that are NULL do not count."""

    # The function of the module statistics.
    compute: ClassVar[str]
    least = 1

    def __init__(self) -> None:
        self.numbers: list[Any] = []

    def step(self, number: Any) -> None:
        """Take one more number."""
        if number is not None:
            self.numbers.append(number if isinstance(number, (int, float)) else float(str(number)))

    def finalize(self) -> float | None:
        """The result; NULL where there are too few numbers."""
        if len(self.numbers) < self.least:
            return None
        return float(getattr(statistics, self.compute)(self.numbers))


class StandardDeviation(Deviation):
    """The standard deviation of all there is."""

    compute = "pstdev"


class SampleStandardDeviation(Deviation):
    """The standard deviation of a sample."""

    compute = "stdev"
    least = 2


class Variance(Deviation):
    """The variance of all there is."""

    compute = "pvariance"


class SampleVariance(Deviation):
    """The variance of a sample."""

    compute = "variance"
    least = 2


AGGREGATES: dict[str, Any] = {
    "webframe_stddev_pop": StandardDeviation,
    "webframe_stddev_samp": SampleStandardDeviation,
    "webframe_var_pop": Variance,
    "webframe_var_samp": SampleVariance,
}

MATH: dict[str, tuple[int, Callable[..., Any]]] = {
    "acos": (1, math.acos),
    "asin": (1, math.asin),
    "atan": (1, math.atan),
    "atan2": (2, math.atan2),
    "ceil": (1, math.ceil),
    "cos": (1, math.cos),
    "cot": (1, lambda number: 1 / math.tan(number)),
    "degrees": (1, math.degrees),
    "exp": (1, math.exp),
    "floor": (1, math.floor),
    "ln": (1, math.log),
    "log": (2, logarithm),
    "pi": (0, lambda: math.pi),
    "radians": (1, math.radians),
    "sin": (1, math.sin),
    "sqrt": (1, math.sqrt),
    "tan": (1, math.tan),
}

RANDOM = ("webframe_random",)

FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "regexp": (2, regexp),
    "webframe_fold": (1, fold),
    "webframe_random": (0, lambda: random.random()),
    **{f"webframe_{name}": (count, null_in_null_out(real(function))) for name, (count, function) in MATH.items()},
    **{
        f"webframe_{name}": (count, null_in_null_out(function))
        for name, (count, function) in {
            "reverse": (1, lambda text: str(text)[::-1]),
            "repeat": (2, lambda text, times: str(text) * times),
            "lpad": (3, left_pad),
            "rpad": (3, right_pad),
            "md5": (1, hashed("md5")),
            "sha1": (1, hashed("sha1")),
            "sha224": (1, hashed("sha224")),
            "sha256": (1, hashed("sha256")),
            "sha384": (1, hashed("sha384")),
            "sha512": (1, hashed("sha512")),
            "power": (2, power),
            "mod": (2, modulo),
            "sign": (1, sign),
            "extract": (3, extract),
            "trunc": (3, truncate),
            "date": (2, date_of),
            "time": (2, time_of),
            "add": (2, add),
            "diff": (2, difference),
            "json_contains": (2, json_contains),
            "json_equal": (2, json_equal),
            "json_has_key": (2, json_has_key),
            "json_normal": (1, json_normal),
            "json_value": (2, json_value),
        }.items()
    },
}

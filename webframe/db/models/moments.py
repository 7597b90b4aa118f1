"""SQL for dates, times, moments and spans of time, engine by engine.

Moments lie in columns in UTC. What depends on the day or the hour is asked in a
time zone: `zone` is its name, or its distance from UTC as in "+02:00"; "UTC"
where nothing has to be converted. Spans of time are intervals on PostgreSQL and
numbers of microseconds elsewhere.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from webframe._lazy import LateModule, late_pattern
from webframe.conf import settings
from webframe.utils import timezone

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.dialects import mysql
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql

    Element = sqlalchemy.ColumnElement[Any]
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")
    mysql = LateModule("sqlalchemy.dialects.mysql")

UNITS: Final = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
# Names of time zones become part of statements, so that one that is grouped by is the same wherever it stands.
ZONE = late_pattern(r"[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+)*|[+-][0-9]{2}:[0-9]{2}")


def zone_name(zone: datetime.tzinfo | None) -> str:
    """The name of a time zone, or of the current one for None; "UTC" without USE_TZ. Raises ValueError for others."""
    if zone is None:
        zone = timezone.get_current_timezone() if settings.USE_TZ else datetime.UTC
    if zone is datetime.UTC:
        return "UTC"
    distance = zone.utcoffset(None)  # that of zones in which it is always the same; those of zoneinfo, too
    name: str | None = getattr(zone, "key", None)
    if distance is not None:
        minutes = round(distance.total_seconds() / 60)
        name = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    if name is None:
        raise ValueError(f"{zone!r} has no name that a database knows; use zoneinfo.ZoneInfo or a fixed distance.")
    if not ZONE.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a time zone.")
    return "UTC" if name == "+00:00" else name


def local(moment: Element, zone: str, dialect_name: str) -> Element:
    """What clocks in a time zone show at a moment; not for SQLite, whose functions take the zone themselves."""
    if dialect_name in sql.MYSQL:
        if zone == "UTC":
            return moment
        return sql.Template(("CONVERT_TZ(", f", '+00:00', '{zone}')"), moment, sql_type=mysql.DATETIME(fsp=6))
    return sql.Template(("(", f" AT TIME ZONE {_postgresql_zone(zone)})"), moment, sql_type=sqlalchemy.DateTime())


def back(moment: Element, zone: str, dialect_name: str) -> Element:
    """The moment at which clocks in a time zone show something: the opposite of `local`."""
    if dialect_name in sql.MYSQL:
        if zone == "UTC":
            return moment
        return sql.Template(("CONVERT_TZ(", f", '{zone}', '+00:00')"), moment, sql_type=mysql.DATETIME(fsp=6))
    return sql.Template(
        ("(", f" AT TIME ZONE {_postgresql_zone(zone)})"), moment, sql_type=sqlalchemy.DateTime(timezone=True)
    )


def _postgresql_zone(zone: str) -> str:
    # As text, a distance would be read with its sign turned round, as POSIX has it.
    return f"INTERVAL '{zone}' HOUR TO MINUTE" if zone[0] in "+-" else f"'{zone}'"


# What MySQL would take for text.
CASTS: Final = {"date": "DATE", "datetime": "DATETIME(6)", "time": "TIME(6)", "binary": "BINARY"}


def literal(parameter: Element, kind: str, dialect_name: str) -> Element:
    """A parameter with a date, time, moment or bytes, of which MySQL has to be told that it is no text."""
    if dialect_name not in sql.MYSQL:
        return parameter
    return sql.Template(("CAST(", f" AS {CASTS[kind]})"), parameter, sql_type=parameter.type)


# -- parts

POSTGRESQL_PARTS: Final = {
    "iso_year": "isoyear",
    "week_day": "dow",
    "iso_week_day": "isodow",
}
MYSQL_PARTS: Final = {
    "year": ("EXTRACT(YEAR FROM ", ")"),
    "iso_year": ("(YEARWEEK(", ", 3) DIV 100)"),
    "quarter": ("EXTRACT(QUARTER FROM ", ")"),
    "month": ("EXTRACT(MONTH FROM ", ")"),
    "week": ("WEEK(", ", 3)"),
    "day": ("EXTRACT(DAY FROM ", ")"),
    "week_day": ("DAYOFWEEK(", ")"),
    "iso_week_day": ("(WEEKDAY(", ") + 1)"),
    "hour": ("EXTRACT(HOUR FROM ", ")"),
    "minute": ("EXTRACT(MINUTE FROM ", ")"),
    "second": ("EXTRACT(SECOND FROM ", ")"),
}


def extract(part: str, element: Element, kind: str | None, zone: str, dialect_name: str) -> Element:
    """One part of a date, time or moment, as an integer."""
    if dialect_name == "sqlite":
        return _on_sqlite("webframe_extract", part, element, kind, zone, sqlalchemy.Integer())
    if kind == "datetime":
        element = local(element, zone, dialect_name)
    if dialect_name in sql.MYSQL:
        return sql.Template(MYSQL_PARTS[part], element, sql_type=sqlalchemy.Integer())
    plus = " + 1" if part == "week_day" else ""
    texts = (f"(CAST(FLOOR(EXTRACT({POSTGRESQL_PARTS.get(part, part)} FROM ", f")) AS INTEGER){plus})")
    return sql.Template(texts, element, sql_type=sqlalchemy.Integer())


def _on_sqlite(
    name: str, part: str | None, element: Element, kind: str | None, zone: str, sql_type: TypeEngine[Any]
) -> Element:
    named = "" if kind != "datetime" or zone == "UTC" else zone
    start = f"{name}('{part}', " if part is not None else f"{name}("
    return sql.Template((start, f", '{named}')"), element, sql_type=sql_type)


# -- beginnings

MYSQL_FORMATS: Final = {
    "year": "%Y-01-01 00:00:00",
    "month": "%Y-%m-01 00:00:00",
    "day": "%Y-%m-%d 00:00:00",
    "hour": "%Y-%m-%d %H:00:00",
    "minute": "%Y-%m-%d %H:%i:00",
    "second": "%Y-%m-%d %H:%i:%s",
}


def truncate(unit: str, element: Element, kind: str | None, zone: str, dialect_name: str) -> Element:
    """The beginning of the year, month, hour ... that a date, time or moment is in; of the same kind."""
    sql_type = element.type
    if dialect_name == "sqlite":
        return _on_sqlite("webframe_trunc", unit, element, kind, zone, sql_type)
    if kind == "datetime":
        beginning = _beginning(unit, local(element, zone, dialect_name), kind, dialect_name)
        return sqlalchemy.type_coerce(back(beginning, zone, dialect_name), sql_type)
    return sqlalchemy.type_coerce(_beginning(unit, element, kind, dialect_name), sql_type)


def _beginning(unit: str, element: Element, kind: str | None, dialect_name: str) -> Element:
    sql_type = element.type
    if dialect_name not in sql.MYSQL:
        cast = {"date": "::date", "time": "::time"}.get(kind or "", "")
        inner = {"date": "::timestamp", "time": "::interval"}.get(kind or "", "")
        truncated = (f"(date_trunc('{unit}', (", f"){inner}){cast})")
        return sql.Template(truncated, element, sql_type=sql_type)
    if kind == "time":
        pattern = MYSQL_FORMATS[unit].rpartition(" ")[2]
        return sql.Template(("CAST(DATE_FORMAT(", f", '{pattern}') AS TIME(6))"), element, sql_type=sql_type)
    target = "DATE" if kind == "date" else "DATETIME(6)"
    if unit == "quarter":
        texts = ("CAST((MAKEDATE(YEAR(", "), 1) + INTERVAL (QUARTER(", f") - 1) * 3 MONTH) AS {target})")
        return sql.Template(texts, element, element, sql_type=sql_type)
    if unit == "week":
        texts = ("CAST(DATE_SUB(DATE(", "), INTERVAL WEEKDAY(", f") DAY) AS {target})")
        return sql.Template(texts, element, element, sql_type=sql_type)
    return sql.Template(("CAST(DATE_FORMAT(", f", '{MYSQL_FORMATS[unit]}') AS {target})"), element, sql_type=sql_type)


def date_of(element: Element, kind: str | None, zone: str, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """The date of a moment."""
    if dialect_name == "sqlite":
        return _on_sqlite("webframe_date", None, element, kind, zone, sql_type)
    if kind == "datetime":
        element = local(element, zone, dialect_name)
    return sql.Template(("CAST(", " AS DATE)"), element, sql_type=sql_type)


def time_of(element: Element, kind: str | None, zone: str, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """The time of a moment."""
    if dialect_name == "sqlite":
        return _on_sqlite("webframe_time", None, element, kind, zone, sql_type)
    if kind == "datetime":
        element = local(element, zone, dialect_name)
    return sql.Template(
        ("CAST(", " AS TIME(6))" if dialect_name in sql.MYSQL else " AS TIME)"), element, sql_type=sql_type
    )


def now(sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """This moment, the same in a whole statement."""
    text = {
        "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        "postgresql": "statement_timestamp()",
        "mysql": "UTC_TIMESTAMP(6)",
        "mariadb": "UTC_TIMESTAMP(6)",
    }.get(dialect_name, "CURRENT_TIMESTAMP")
    return sql.Template((text,), sql_type=sql_type)


# -- arithmetic


def arithmetic(
    left: Element,
    operator: str,
    right: Element,
    kinds: tuple[str | None, str | None],
    sql_type: TypeEngine[Any],
    dialect_name: str,
) -> Element:
    """Arithmetic in which one side is a date, a time, a moment or a span of time; `kinds` says which."""
    first, second = kinds
    if first == "duration" and second == "duration":
        return sql.infix(left, operator, right, sql_type)
    if first == "duration" and second in ("date", "datetime", "time"):
        return later(right, second, left, 1, sql_type, dialect_name)
    if second == "duration" and first in ("date", "datetime", "time"):
        return later(left, first, right, 1 if operator == "+" else -1, sql_type, dialect_name)
    if "duration" in kinds:
        return scaled(left, operator, right, sql_type, dialect_name)
    if operator == "-":
        return difference(left, right, kinds, sql_type, dialect_name)
    return sql.infix(left, operator, right, sql_type)


def later(
    moment: Element, kind: str | None, span: Element, sign: int, sql_type: TypeEngine[Any], dialect_name: str
) -> Element:
    """A date, time or moment so much later, or with ``sign=-1`` earlier."""
    if dialect_name == "postgresql":
        moved = sql.infix(moment, "+" if sign > 0 else "-", span, sql_type)
        return back(moved, "UTC", dialect_name) if kind == "date" else moved
    if sign < 0:
        span = sql.infix(sqlalchemy.literal_column("0"), "-", span, sqlalchemy.BigInteger())
    if dialect_name == "sqlite":
        return sqlalchemy.Function("webframe_add", moment, span, type_=sql_type)
    if kind == "time":
        texts = ("CAST(DATE_ADD(", ", INTERVAL ", " MICROSECOND) AS TIME(6))")
        return sql.Template(texts, _on_some_day(moment), span, sql_type=sql_type)
    return sql.Template(("DATE_ADD(", ", INTERVAL ", " MICROSECOND)"), moment, span, sql_type=sql_type)


def _on_some_day(time: Element) -> Element:
    """A time of MySQL as a moment, so that what is added to it goes round the clock."""
    return sql.Template(("CAST(CONCAT('2000-01-01 ', ", ") AS DATETIME(6))"), time, sql_type=mysql.DATETIME(fsp=6))


def scaled(left: Element, operator: str, right: Element, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """A span of time multiplied or divided by a number."""
    if dialect_name == "postgresql":
        return sql.infix(left, operator, right, sql_type)
    product = sql.infix(
        left, "* 1.0 /" if operator == "/" and dialect_name == "sqlite" else operator, right, sqlalchemy.Float()
    )
    end = ") AS SIGNED)" if dialect_name in sql.MYSQL else ") AS INTEGER)"
    return sql.Template(("CAST(ROUND(", end), product, sql_type=sql_type)


def difference(
    left: Element,
    right: Element,
    kinds: tuple[str | None, str | None],
    sql_type: TypeEngine[Any],
    dialect_name: str,
) -> Element:
    """How much later one date, time or moment is than another."""
    if dialect_name == "sqlite":
        return sqlalchemy.Function("webframe_diff", left, right, type_=sql_type)
    if dialect_name in sql.MYSQL:
        if kinds == ("time", "time"):
            left, right = _on_some_day(left), _on_some_day(right)
        return sql.Template(("TIMESTAMPDIFF(MICROSECOND, ", ", ", ")"), right, left, sql_type=sql_type)
    if kinds != ("time", "time"):
        left, right = _naive(left, kinds[0]), _naive(right, kinds[1])
    return sql.infix(left, "-", right, sql_type)


def _naive(element: Element, kind: str | None) -> Element:
    """A date or moment of PostgreSQL without a time zone."""
    if kind == "datetime":
        return local(element, "UTC", "postgresql")
    return sql.Template(("(", ")::timestamp"), element, sql_type=sqlalchemy.DateTime())

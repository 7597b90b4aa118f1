"""Types of columns that SQLAlchemy has otherwise or not at all.

Each says what the column is on each database, and how values go there and back:
moments in UTC with microseconds, durations, decimals that come back with the
places they were saved with, JSON. Values that a database cannot keep exactly
are refused with `DataError`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from webframe._lazy import LateModule
from webframe.conf import settings
from webframe.db.errors import DataError

if TYPE_CHECKING:
    from sqlalchemy.dialects import mysql, postgresql
else:
    mysql = LateModule("sqlalchemy.dialects.mysql")
    postgresql = LateModule("sqlalchemy.dialects.postgresql")

Processor = Callable[[Any], Any] | None

MYSQL = ("mysql", "mariadb")
UTC = datetime.UTC

# On MySQL texts are compared character by character, as the other databases do.
MYSQL_COLLATION = "utf8mb4_bin"


def text_type(max_length: int | None = None, collation: str | None = None) -> TypeEngine[Any]:
    """VARCHAR of a length, or TEXT."""
    binary = collation or MYSQL_COLLATION
    if max_length is None:
        return sqlalchemy.Text(collation=collation).with_variant(mysql.LONGTEXT(collation=binary), *MYSQL)
    return sqlalchemy.String(max_length, collation=collation).with_variant(
        mysql.VARCHAR(max_length, collation=binary), *MYSQL
    )


def unlimited_char_type(collation: str | None = None) -> TypeEngine[Any]:
    """VARCHAR without a length; MySQL does not have that, and gets LONGTEXT."""
    return sqlalchemy.String(collation=collation).with_variant(
        mysql.LONGTEXT(collation=collation or MYSQL_COLLATION), *MYSQL
    )


def binary_type() -> TypeEngine[Any]:
    """Bytes, as many as there are."""
    return Octets()


def uuid_type() -> TypeEngine[Any]:
    """UUID on PostgreSQL, 32 hexadecimal digits elsewhere."""
    return sqlalchemy.Uuid(native_uuid=True).with_variant(sqlalchemy.Uuid(native_uuid=False), *MYSQL)


def _quoted(text: str, dialect: Dialect) -> str:
    """A text as a constant in SQL; what MySQL makes of backslashes is seen to by SQLAlchemy's compiler."""
    text = text.replace("'", "''")
    # Statements are run with parameters, though there are none: "%" has a meaning for some drivers.
    return "'{}'".format(text.replace("%", "%%") if dialect.paramstyle in ("format", "pyformat") else text)


class Octets(TypeDecorator[bytes]):
    """Bytes; SQLAlchemy's own type can write only those into DDL that are text, and as text."""

    impl = sqlalchemy.LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.LONGBLOB() if dialect.name in MYSQL else sqlalchemy.LargeBinary())

    def literal_processor(self, dialect: Dialect) -> Processor:
        template = "'\\x{}'::bytea" if dialect.name == "postgresql" else "X'{}'"
        return lambda value: template.format(bytes(value).hex())


class Moment(TypeDecorator[datetime.datetime]):
    """A moment, to the microsecond: in UTC. With USE_TZ moments come back aware, and naive without.

    Aware ones come back in UTC, or in another time zone: `zone`.
    """

    impl = sqlalchemy.DateTime
    cache_ok = True

    def __init__(self, zone: datetime.tzinfo = UTC) -> None:
        super().__init__()
        self.zone = zone

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sqlalchemy.DateTime())

    def bind_processor(self, dialect: Dialect) -> Processor:
        if dialect.name == "sqlite":
            return _moment_as_text
        return _moment_in_utc if dialect.name == "postgresql" else _naive_in_utc

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        process = _moment_from_text if dialect.name == "sqlite" else _moment_as_set
        zone = self.zone
        if zone is UTC:
            return process

        def in_zone(value: Any) -> datetime.datetime | None:
            moment = process(value)
            return moment if moment is None or moment.tzinfo is None else moment.astimezone(zone)

        return in_zone

    def literal_processor(self, dialect: Dialect) -> Processor:
        if dialect.name == "postgresql":
            return lambda value: _quoted(_with_offset(value), dialect)
        return super().literal_processor(dialect)

    def process_literal_param(self, value: Any, dialect: Dialect) -> Any:
        return _naive_in_utc(value)


def _moment_as_text(value: datetime.datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(" ", "microseconds")[:26]


def _naive_in_utc(value: datetime.datetime | None) -> datetime.datetime | None:
    if value is None or value.tzinfo is None:
        return value
    return value.astimezone(UTC).replace(tzinfo=None)


def _moment_in_utc(value: datetime.datetime | None) -> datetime.datetime | None:
    # PostgreSQL would understand a naive one in the time zone of the session.
    if value is None or value.tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def _with_offset(value: datetime.datetime) -> str:
    # What has none would be understood in the time zone of the session, in constants too.
    return f"{_naive_in_utc(value)}+00:00"


def _moment_from_text(value: Any) -> datetime.datetime | None:
    if value is None:
        return None
    return _moment_as_set(datetime.datetime.fromisoformat(value))


def _moment_as_set(value: datetime.datetime | None) -> datetime.datetime | None:
    if value is None:
        return None
    if settings.USE_TZ:
        if value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


class Day(TypeDecorator[datetime.date]):
    """A date; quicker on SQLite than SQLAlchemy's own."""

    impl = sqlalchemy.Date
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Processor:
        return _isoformat if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return _day_from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _isoformat(value: datetime.date | None) -> str | None:
    return None if value is None else value.isoformat()


def _day_from_text(value: Any) -> datetime.date | None:
    if value is None:
        return None
    return datetime.date.fromisoformat(value[:10])  # TruncDate and kin may leave a time behind it


class TimeOfDay(TypeDecorator[datetime.time]):
    """A time of day, to the microsecond, without a time zone."""

    impl = sqlalchemy.Time
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.TIME(fsp=6))
        return dialect.type_descriptor(sqlalchemy.Time())

    def bind_processor(self, dialect: Dialect) -> Processor:
        return _time_as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return _time_from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _time_as_text(value: datetime.time | None) -> str | None:
    return None if value is None else value.isoformat("microseconds")


def _time_from_text(value: Any) -> datetime.time | None:
    return None if value is None else datetime.time.fromisoformat(value)


class Duration(TypeDecorator[datetime.timedelta]):
    """A span of time: INTERVAL on PostgreSQL, a number of microseconds elsewhere."""

    impl = sqlalchemy.Interval
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.INTERVAL())
        return dialect.type_descriptor(sqlalchemy.BigInteger())

    def bind_processor(self, dialect: Dialect) -> Processor:
        return None if dialect.name == "postgresql" else _microseconds

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return None if dialect.name == "postgresql" else _duration_from_microseconds

    def process_literal_param(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else _microseconds(value)


_MICROSECOND = datetime.timedelta(microseconds=1)


def _microseconds(value: datetime.timedelta | None) -> int | None:
    return None if value is None else value // _MICROSECOND


def _duration_from_microseconds(value: Any) -> datetime.timedelta | None:
    return None if value is None else datetime.timedelta(microseconds=int(value))


class Floating(TypeDecorator[float]):
    """A floating-point number of 64 bits; what a database computes as another kind of number becomes one too."""

    impl = sqlalchemy.Double
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Processor:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return _as_float

    def literal_processor(self, dialect: Dialect) -> Processor:
        return _number_literals(dialect)


def _as_float(value: Any) -> float | None:
    return value if value is None or type(value) is float else float(value)


def _number_literals(dialect: Dialect) -> Callable[[Any], str]:
    """How numbers are written into DDL, those too that are no digits in Python."""
    special = _SPECIAL_NUMBERS.get(dialect.name, {})

    def write(value: Any) -> str:
        text = str(value)
        Decimal(text)  # which raises for what is no number: it would be SQL
        return special.get(text.lower(), text)

    return write


# MariaDB refuses them all, and says so itself.
_SPECIAL_NUMBERS = {
    "postgresql": {
        "inf": "'Infinity'::double precision",
        "-inf": "'-Infinity'::double precision",
        "nan": "'NaN'::double precision",
    },
    # As it keeps those that come as parameters.
    "sqlite": {"inf": "9e999", "-inf": "-9e999", "nan": "NULL"},
}


# Significant digits that a float keeps, whichever they are (C's DBL_DIG).
FLOAT_DIGITS = 15


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal number with a fixed number of places.

    SQLite has floats only. They keep 15 digits; a number with more is refused,
    and one with less comes back exactly as it was saved.
    """

    impl = sqlalchemy.Numeric
    cache_ok = True

    def __init__(self, precision: int | None = None, scale: int | None = None) -> None:
        super().__init__(precision, scale, asdecimal=True)
        self.precision = precision
        self.scale = scale

    def bind_processor(self, dialect: Dialect) -> Processor:
        return _decimal_as_float if dialect.name == "sqlite" else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        if dialect.name != "sqlite":
            return _as_decimal
        if self.scale is None:
            return _decimal_from_number
        template = f"%.{self.scale}f"

        def decimal_from_float(value: Any) -> Decimal | None:
            return None if value is None else Decimal(template % value)

        return decimal_from_float

    def process_literal_param(self, value: Any, dialect: Dialect) -> Any:
        return value


def _decimal_as_float(value: Any) -> float | None:
    if value is None or isinstance(value, float):
        return value
    number = float(value)
    # Few numbers have as many digits as could be lost; only for them it is worth to look closer.
    if not -1e9 < number < 1e9 or len(value.as_tuple().digits if isinstance(value, Decimal) else ()) > FLOAT_DIGITS:
        if Decimal(repr(number)) != value:
            raise DataError(
                f"SQLite keeps {FLOAT_DIGITS} digits of a decimal number, and {value} has more. "
                f"Round it, or use a database that has decimals."
            )
    return number


def _decimal_from_number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(value) if isinstance(value, int) else Decimal(f"{value:.{FLOAT_DIGITS}g}")


def _as_decimal(value: Any) -> Decimal | None:
    return value if value is None or isinstance(value, Decimal) else Decimal(str(value))


# Result processors that leave values of one type as they are, which is what most drivers give: they need not be called.
LEFT_ALONE: dict[Any, type] = {_as_float: float, _as_decimal: Decimal}


class JSONDocument(TypeDecorator[Any]):
    """A JSON document: JSONB on PostgreSQL, JSON on MySQL, text elsewhere. None is NULL; `null` within is kept.

    `encoder` and `decoder` are classes for the json module.
    """

    impl = sqlalchemy.JSON
    cache_ok = True
    should_evaluate_none = False

    def __init__(
        self, encoder: type[json.JSONEncoder] | None = None, decoder: type[json.JSONDecoder] | None = None
    ) -> None:
        super().__init__(none_as_null=True)
        self.encoder = encoder
        self.decoder = decoder

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.JSON(none_as_null=True))
        # Not JSON: SQLite would turn a document that is a number into that number.
        return dialect.type_descriptor(sqlalchemy.Text())

    def bind_processor(self, dialect: Dialect) -> Processor:
        encoder = self.encoder

        def dump(value: Any) -> str | None:
            # Characters as they are: MariaDB and SQLite compare keys as they are written.
            return None if value is None else json.dumps(value, cls=encoder, ensure_ascii=False, allow_nan=False)

        return dump

    def literal_processor(self, dialect: Dialect) -> Processor:
        # A text without a type would be compared as a text where nothing beside it is a document.
        cast = "::jsonb" if dialect.name == "postgresql" else ""
        return lambda value: _quoted(self.process_literal_param(value, dialect), dialect) + cast

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        decoder = self.decoder
        if dialect.name == "postgresql":
            if decoder is None:
                return None
            return lambda value: None if value is None else json.loads(json.dumps(value), cls=decoder)

        def load(value: Any) -> Any:
            return None if value is None else json.loads(value, cls=decoder)

        return load

    def process_literal_param(self, value: Any, dialect: Dialect) -> Any:
        return json.dumps(value, cls=self.encoder, ensure_ascii=False, allow_nan=False)


class DatabaseType(UserDefinedType[Any]):
    """The type of a field that says itself what its column is called in SQL, by `db_type(connection)`.

    Values go through it as they are: such a field converts them itself.
    """

    cache_ok = True

    def __init__(self, spec: str = "TEXT") -> None:
        # What stands in CREATE TABLE; questions never name it.
        self.spec = spec

    def get_col_spec(self, **kw: Any) -> str:
        return self.spec

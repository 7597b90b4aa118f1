"""Functions that compare and convert: Cast, Coalesce, Greatest, Least, NullIf, Collate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models import moments, outputs
from webframe.db.models.building import Built, Scope
from webframe.db.models.calls import Func
from webframe.db.models.expressions import sql_type_of

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")

COLLATION = re.compile(r"[\w\-.]+")


class Cast(Func):
    """A value as one of another field's: ``Cast("code", IntegerField())``."""

    arity = 1

    def __init__(self, expression: Any, output_field: Any) -> None:
        if output_field is None:
            raise TypeError("Cast() takes the field to cast to: Cast('code', IntegerField()).")
        super().__init__(expression, output_field=output_field)

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        element, field = arguments[0]
        kind, wanted = outputs.kind_of(field), outputs.kind_of(self._output_field)
        dialect_name = scope.dialect_name
        if wanted in moments_of and dialect_name == "sqlite":
            return cast_to_time(element, str(wanted), sql_type)
        if kind == "datetime" and wanted in ("date", "time"):
            make = moments.date_of if wanted == "date" else moments.time_of
            return make(element, kind, "UTC", sql_type, dialect_name)
        if kind == "date" and wanted == "datetime" and dialect_name == "postgresql":
            return moments.back(sqlalchemy.cast(element, sqlalchemy.DateTime()), "UTC", dialect_name)
        if kind == "boolean" and wanted == "decimal" and dialect_name == "postgresql":
            element = sqlalchemy.cast(element, sqlalchemy.Integer())
        if dialect_name in sql.MYSQL:
            return self._on_mysql(element, str(wanted), sql_type)
        if wanted == "text" and dialect_name == "sqlite":
            return sql.Template(("CAST(", " AS TEXT)"), element, sql_type=sql_type)
        if wanted == "decimal" and dialect_name == "sqlite":
            return sql.Template(("CAST(", " AS NUMERIC)"), element, sql_type=sql_type)
        return sqlalchemy.cast(element, sql_type)

    def _on_mysql(self, element: ColumnElement[Any], wanted: str, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        target = {
            "integer": "SIGNED",
            "boolean": "SIGNED",
            "float": "DOUBLE",
            "text": "CHAR",
            "date": "DATE",
            "datetime": "DATETIME(6)",
            "time": "TIME(6)",
            "duration": "SIGNED",
            "uuid": "CHAR(32)",
            "binary": "BINARY",
        }.get(wanted)
        if wanted == "text" and getattr(sql_type, "length", None):
            target = f"CHAR({int(sql_type.length)})"  # type: ignore[attr-defined]
        if target is None:
            return sqlalchemy.cast(element, sql_type)
        return sql.Template(("CAST(", f" AS {target})"), element, sql_type=sql_type)


moments_of = ("date", "datetime", "time")


def cast_to_time(element: ColumnElement[Any], wanted: str, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
    """Text, a date or a moment as a date, time or moment of SQLite."""
    formats = {"date": "%Y-%m-%d", "time": "%H:%M:%f000", "datetime": "%Y-%m-%d %H:%M:%f000"}
    return sql.Template((f"strftime('{formats[wanted]}', ", ")"), element, sql_type=sql_type)


class Coalesce(Func):
    """The first of its arguments that is not NULL."""

    function = "coalesce"

    def __init__(self, *expressions: Any, **extra: Any) -> None:
        if len(expressions) < 2:
            raise ValueError("Coalesce must take at least two expressions")
        super().__init__(*expressions, **extra)


class Greatest(Func):
    """The largest of its arguments; with NULL among them NULL, on PostgreSQL the largest of the others."""

    function = "greatest"
    functions = {"sqlite": "max"}

    def __init__(self, *expressions: Any, **extra: Any) -> None:
        if len(expressions) < 2:
            raise ValueError("Greatest must take at least two expressions")
        super().__init__(*expressions, **extra)


class Least(Func):
    """The smallest of its arguments; with NULL among them NULL, on PostgreSQL the smallest of the others."""

    function = "least"
    functions = {"sqlite": "min"}

    def __init__(self, *expressions: Any, **extra: Any) -> None:
        if len(expressions) < 2:
            raise ValueError("Least must take at least two expressions")
        super().__init__(*expressions, **extra)


class NullIf(Func):
    """The first argument, or NULL if it equals the second."""

    function = "nullif"
    arity = 2

    def infer(self, fields: list[Any]) -> Any:
        return fields[0]


class Collate(Func):
    """Text that is compared and ordered by a collation of the database."""

    arity = 1

    def __init__(self, expression: Any, collation: str) -> None:
        if not isinstance(collation, str) or not COLLATION.fullmatch(collation):
            raise ValueError(f"Invalid collation name: {collation!r}.")
        super().__init__(expression)
        self.collation = collation

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        return sqlalchemy.collate(arguments[0].element, self.collation)


class JSONObject(Func):
    """A JSON object of names and values: ``JSONObject(name="name", size=F("diameter"))``."""

    result = "JSONField"
    functions = {"sqlite": "json_object", "postgresql": "jsonb_build_object", "mysql": "json_object"}

    def __init__(self, **fields: Any) -> None:
        super().__init__(*fields.values())
        self.names = tuple(fields)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Its import path, and the arguments that make an equal one: what writes it into a migration."""
        return "webframe.db.models.functions.JSONObject", (), dict(zip(self.names, self.sources(), strict=True))

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        parts: list[Any] = []
        for name, argument in zip(self.names, arguments, strict=True):
            parts += [sqlalchemy.literal(name, sqlalchemy.Text()), self._as_json(argument, scope)]
        name = self.functions.get(scope.dialect_name, "json_object")
        return sqlalchemy.Function(name, *parts, type_=sql_type)

    def _as_json(self, argument: Built, scope: Scope) -> ColumnElement[Any]:
        element, field = argument
        kind = outputs.kind_of(field)
        if kind == "json" and scope.dialect_name == "sqlite":
            return sqlalchemy.Function("json", element, type_=sql_type_of(field))
        if kind == "boolean" and scope.dialect_name == "sqlite":
            return sql.Template(
                ("json(CASE WHEN ", " THEN 'true' ELSE 'false' END)"), element, sql_type=sql_type_of(field)
            )
        return element

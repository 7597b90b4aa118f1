"""What tests of operations need: states, made by operations one after another, and the database that follows them."""

from __future__ import annotations

import re
import warnings
from typing import Any

import sqlalchemy

from webframe.db import connections, models
from webframe.db.migrations.operations import CreateModel, Operation
from webframe.db.migrations.state import ProjectState

from ..schema_helpers import empty

LABEL = "shop"


def key(**options: Any) -> tuple[str, Any]:
    """The primary key that models have by themselves, as migrations write it."""
    return "id", models.BigAutoField(primary_key=True, auto_created=True, **options)


class History:
    """One app and its database, at the end of the operations that were done so far."""

    def __init__(self, engine: Any) -> None:
        empty(engine)
        self.engine = engine
        # The states before each operation, with the operation.
        self.past: list[tuple[ProjectState, Operation]] = []
        self.state = ProjectState()

    @property
    def connection(self) -> Any:
        return connections["default"]

    def do(self, *operations: Operation, atomic: bool = True) -> None:
        """Do operations, each in a schema editor of its own."""
        for operation in operations:
            after = self.state.clone()
            operation.state_forwards(LABEL, after)
            with self.connection.schema_editor(atomic=atomic) as editor:
                operation.database_forwards(LABEL, editor, self.state, after)
            self.past.append((self.state, operation))
            self.state = after

    def undo(self, atomic: bool = True) -> None:
        """Undo the last operation."""
        before, operation = self.past.pop()
        with self.connection.schema_editor(atomic=atomic) as editor:
            operation.database_backwards(LABEL, editor, self.state, before)
        self.state = before

    def model(self, name: str) -> Any:
        """A model as it is now."""
        return self.state.apps.get_model(LABEL, name)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all models, those between included, as dictionaries by the name of the table."""
        found = {}
        for model in self.state.apps.get_models(include_auto_created=True):
            if model._meta.proxy or not model._meta.managed:
                continue
            names = [field.attname for field in model._meta.local_concrete_fields]
            query = f"SELECT * FROM {self.connection.ops.quote_name(model._meta.db_table)}"
            with self.connection.cursor() as cursor:
                cursor.execute(query)
                columns = [column[0] for column in cursor.description]
                assert sorted(columns) == sorted(f.column for f in model._meta.local_concrete_fields), names
                rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
            found[model._meta.db_table] = sorted(rows, key=repr)
        return found

    def schema(self) -> dict[str, Any]:
        """Everything that the database says of its tables."""
        with self.connection.sqlalchemy_connection() as link, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # indexes over expressions cannot be shown
            inspector = sqlalchemy.inspect(link)
            return {name: _table(inspector, name, link) for name in sorted(inspector.get_table_names())}

    def schema_made_at_once(self) -> dict[str, Any]:
        """The schema of the present models, created directly. Nothing else is left in the database."""
        empty(self.engine)
        apps = self.state.apps
        with self.connection.schema_editor() as editor:
            for model in apps.get_models():
                if not model._meta.proxy and model._meta.managed:
                    editor.create_model(model)
        return self.schema()


def round_trip(history: History, operation: Operation, *, lost: tuple[str, ...] = ()) -> None:
    """Do an operation, undo it, do it again; compare the schema and the rows each time.

    `lost`: the names of columns, and of tables, whose values do not come back.
    """
    schemas, rows = [history.schema()], [history.rows()]
    history.do(operation)
    schemas.append(history.schema())
    rows.append(history.rows())
    history.undo()
    _check(history.schema(), schemas[0])
    _check(_without(history.rows(), lost), _without(rows[0], lost))
    history.do(operation)
    _check(history.schema(), schemas[1])
    _check(_without(history.rows(), lost), _without(rows[1], lost))
    _check(history.schema_made_at_once(), schemas[1])


def _check(found: dict[str, Any], expected: dict[str, Any]) -> None:
    wrong = differences(found, expected)
    assert not wrong, "\n".join(wrong)


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """What differs between two nested dictionaries."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = dict.fromkeys((*one, *other))
        return [line for name in names for line in differences(one.get(name), other.get(name), f"{path}/{name}")]
    return [] if one == other else [f"{path}: {one!r} is not {other!r}"]


def _without(rows: dict[str, list[dict[str, Any]]], lost: tuple[str, ...]) -> dict[str, Any]:
    return {
        table: [{name: value for name, value in row.items() if name not in lost} for row in found]
        for table, found in rows.items()
        if table not in lost
    }


def _table(inspector: Any, name: str, link: Any) -> dict[str, Any]:
    columns = {
        column["name"]: (str(column["type"]), column["nullable"], _default(column), bool(column.get("identity")))
        for column in inspector.get_columns(name)
    }
    # SQLite keeps the names of constraints as they were when their table was made, and nothing ever asks for one.
    named = link.dialect.name != "sqlite"
    keys = {
        (key["name"] if named else "", *key["constrained_columns"], key["referred_table"], *key["referred_columns"])
        for key in inspector.get_foreign_keys(name)
    }
    return {
        "columns": columns,
        "primary key": inspector.get_pk_constraint(name)["constrained_columns"],
        "foreign keys": keys,
        "unique": {
            (each["name"] if named else "", *each["column_names"]) for each in inspector.get_unique_constraints(name)
        },
        "indexes": {
            (each["name"], *each["column_names"], bool(each["unique"])) for each in inspector.get_indexes(name)
        },
        "checks": {each["name"]: _bare(each["sqltext"]) for each in inspector.get_check_constraints(name)},
        "sql": _sql_of_indexes(link, name),
    }


def _default(column: dict[str, Any]) -> Any:
    """The default of a column; the name of a sequence is its own affair."""
    default = column["default"]
    return "numbered" if default and "nextval" in default else default


def _bare(sql: str) -> str:
    return re.sub(r"[\s()\"`]", "", sql)


def _sql_of_indexes(link: Any, name: str) -> set[str]:
    """What reflection does not tell: conditions and expressions."""
    if link.dialect.name == "sqlite":
        query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :name"
    elif link.dialect.name == "postgresql":
        query = "SELECT indexdef FROM pg_indexes WHERE tablename = :name"
    else:
        return set()
    return {_bare(sql) for (sql,) in link.execute(sqlalchemy.text(query), {"name": name})}


# --- what most tests begin with ---------------------------------------------------------------------------------


def pizza(*fields: tuple[str, Any], **options: Any) -> CreateModel:
    plain = [key(), ("name", models.CharField(max_length=50)), ("price", models.IntegerField(default=7))]
    return CreateModel("Pizza", [*plain, *fields], options)


def topping(*fields: tuple[str, Any], **options: Any) -> CreateModel:
    return CreateModel("Topping", [key(), ("name", models.CharField(max_length=50)), *fields], options)


def with_pizzas(history: History, *more: Any) -> None:
    """Two pizzas in their table."""
    history.do(pizza(), *more)
    history.model("Pizza").objects.create(name="Margherita", price=7)
    history.model("Pizza").objects.create(name="Funghi", price=9)

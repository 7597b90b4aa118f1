"""`inspectdb`: models for tables that are there already, as a text to begin with.

What the database says is read by SQLAlchemy, in one go; each table becomes a
class, whose names are made so that Python and models take them.
"""

from __future__ import annotations

import keyword
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import sqlalchemy
from sqlalchemy import types
from sqlalchemy.dialects import mysql, postgresql

from webframe.core.management.databases import database as database_of
from webframe.core.management.databases import database_option, near, reported
from webframe.core.management.errors import CommandError
from webframe.core.management.project import pass_app
from webframe.db import models
from webframe.db.migrations.recorder import TABLE
from webframe.db.migrations.sources import quoted

if TYPE_CHECKING:
    from webframe.app import Webframe

INTRODUCTION = """\
# Models for the tables of the database {alias!r}, as far as the database tells.
#   - Put them into an order that reads well, and give them and their fields the names that you would like.
#   - Give each ForeignKey and OneToOneField the on_delete that is wanted; DO_NOTHING leaves it to the database.
#   - Take out managed = False where migrations shall create, change and delete the table.
# db_table and db_column say what is called so in the database: leave them as they are.
from webframe.db import models\
"""


@click.command()
@database_option("The database to look at.")
@click.option("--include-partitions", is_flag=True, help="Write models for partitions of tables, too.")
@click.option("--include-views", is_flag=True, help="Write models for views, too.")
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@pass_app
def inspectdb(
    app: Webframe, database: str, tables: tuple[str, ...], include_partitions: bool, include_views: bool
) -> None:
    """Write models for the tables of a database that has none yet.

    TABLE is a table or a view; none means all tables. The text goes to the standard output.
    """
    connection = database_of(database)
    with reported(connection):
        found = read_tables(connection, tables, include_partitions, include_views)
    click.echo(INTRODUCTION.format(alias=database))
    for line in write_models(found):
        click.echo(line)


class Table(NamedTuple):
    """What the database says about a table."""

    name: str
    # As SQLAlchemy tells them: name, type, nullable, autoincrement, identity, comment.
    columns: list[dict[str, Any]]
    primary_key: list[str]
    # Column -> (table, column) of foreign keys with one column.
    foreign_keys: dict[str, tuple[str, str]]
    # Columns that are unique together, or alone.
    unique: list[list[str]]
    comment: str | None


def read_tables(
    connection: Any, names: Sequence[str] = (), include_partitions: bool = False, include_views: bool = False
) -> list[Table]:
    """What the database says about some tables or views, or about all tables but that of migrations.

    Raises CommandError for a name that nothing has.
    """
    with connection.sqlalchemy_connection() as link, warnings.catch_warnings():
        # Such as: the type of a column is not known. It is said in the text instead.
        warnings.simplefilter("ignore", sqlalchemy.exc.SAWarning)
        inspector = sqlalchemy.inspect(link)
        tables = inspector.get_table_names()
        views = inspector.get_view_names()
        for name in names:
            if name not in tables and name not in views:
                raise CommandError(
                    f"There is no table {name!r} in the database {connection.alias!r}.{near(name, tables + views)}",
                    returncode=2,
                )
        if not names:
            partitions = set() if include_partitions else _partitions(connection)
            names = [name for name in tables if name != TABLE and name not in partitions]
            names += sorted(views) if include_views else []
        return [_read_table(connection, inspector, name) for name in names]


def _partitions(connection: Any) -> set[str]:
    if connection.vendor != "postgresql":
        return set()
    return {name for (name,) in connection.fetch("SELECT relname FROM pg_catalog.pg_class WHERE relispartition", ())}


def _read_table(connection: Any, inspector: Any, name: str) -> Table:
    unique = [each["column_names"] for each in inspector.get_unique_constraints(name)]
    for index in inspector.get_indexes(name):
        partial = any(key.endswith("_where") for key in index.get("dialect_options", {}))
        if index["unique"] and not partial and None not in index["column_names"]:
            unique.append(index["column_names"])
    columns, primary_key = inspector.get_columns(name), inspector.get_pk_constraint(name)["constrained_columns"]
    if connection.vendor == "sqlite":
        for column in columns:
            # Such a column is the number of the row, which SQLite counts up.
            column["autoincrement"] = [column["name"]] == primary_key and str(column["type"]) == "INTEGER"
    return Table(
        name,
        columns,
        primary_key,
        {
            key["constrained_columns"][0]: (key["referred_table"], (key["referred_columns"] or [""])[0])
            for key in inspector.get_foreign_keys(name)
            if len(key["constrained_columns"]) == 1
        },
        list(map(list, dict.fromkeys(map(tuple, unique)))),
        inspector.get_table_comment(name)["text"] if inspector.dialect.supports_comments else None,
    )


# -- names


def class_name(table: str, taken: Iterable[str] = ()) -> str:
    """A name for the model of a table, which no other has: `OrderLines` for "order_lines"."""
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", table) if word)
    if not name.isidentifier():
        name = f"Table{name}"
    return _unique(f"{name}Model" if keyword.iskeyword(name) else name, taken)


def field_name(column: str, taken: Iterable[str] = ()) -> str:
    """A name for the field of a column, which Python and models take and no other field has."""
    name = re.sub(r"_{2,}", "_", re.sub(r"\W", "_", column.lower())).strip("_") or "field"
    if not name.isidentifier():
        name = f"number_{name}"
    if keyword.iskeyword(name) or hasattr(models.Model, name) or name in ("pk", "objects"):
        name = f"{name}_field"
    return _unique(name, taken, "_")


def _unique(name: str, taken: Iterable[str], between: str = "") -> str:
    others = set(taken)
    free, number = name, 2
    while free in others:
        free, number = f"{name}{between}{number}", number + 1
    return free


# -- types


class FieldType(NamedTuple):
    """The field for a type of column."""

    kind: str
    arguments: dict[str, str] = {}
    remark: str = ""


_KINDS: list[tuple[type[types.TypeEngine[Any]], str]] = [
    (types.Boolean, "BooleanField"),
    (types.SmallInteger, "SmallIntegerField"),
    (types.BigInteger, "BigIntegerField"),
    (types.Integer, "IntegerField"),
    (types.Float, "FloatField"),
    (types.DateTime, "DateTimeField"),
    (types.Date, "DateField"),
    (types.Time, "TimeField"),
    (types.Interval, "DurationField"),
    (postgresql.INTERVAL, "DurationField"),
    (types.JSON, "JSONField"),
    (types.Uuid, "UUIDField"),
    (types.LargeBinary, "BinaryField"),
    (types.BINARY, "BinaryField"),
    (types.VARBINARY, "BinaryField"),
    (mysql.TINYBLOB, "BinaryField"),
    (mysql.MEDIUMBLOB, "BinaryField"),
    (mysql.LONGBLOB, "BinaryField"),
    (types.Text, "TextField"),
]

# What holds an integer, and what does where the database counts.
_COUNTED = {
    "SmallIntegerField": "SmallAutoField",
    "IntegerField": "AutoField",
    "BigIntegerField": "BigAutoField",
    "PositiveSmallIntegerField": "SmallAutoField",
    "PositiveIntegerField": "AutoField",
    "PositiveBigIntegerField": "BigAutoField",
}


def field_type(column_type: Any) -> FieldType:
    """The field that has such a column, with its arguments; a remark where that is a guess."""
    if isinstance(column_type, mysql.TINYINT):
        return FieldType("BooleanField" if column_type.display_width == 1 else "SmallIntegerField")
    if isinstance(column_type, (postgresql.INET, postgresql.CIDR)):
        return FieldType("GenericIPAddressField")
    if isinstance(column_type, types.Numeric) and not isinstance(column_type, types.Float):
        return _decimal(column_type)
    kind = next((kind for sql_type, kind in _KINDS if isinstance(column_type, sql_type)), None)
    if kind is not None:
        unsigned = getattr(column_type, "unsigned", False) and kind.endswith("IntegerField")
        return FieldType(f"Positive{kind}" if unsigned else kind)
    if isinstance(column_type, types.String):
        if column_type.length is None:
            return FieldType("TextField")
        return FieldType("CharField", {"max_length": str(column_type.length)})
    return FieldType("TextField", remark=f"The type {column_type!r} is not known: this is a guess.")


def _decimal(column_type: Any) -> FieldType:
    if column_type.precision is None:
        arguments = {"max_digits": "65", "decimal_places": "30"}
        return FieldType("DecimalField", arguments, "The database sets no limit to its digits: this is a guess.")
    return FieldType(
        "DecimalField", {"max_digits": str(column_type.precision), "decimal_places": str(column_type.scale or 0)}
    )


# -- writing


def write_models(tables: Sequence[Table]) -> Iterator[str]:
    """The lines of a module with a model for each table."""
    return ModelWriter(tables).lines()


class ModelWriter:
    """Writes models for tables, which may refer to each other."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        # Table -> name of its class; table -> column -> name of its field.
        self.classes: dict[str, str] = {}
        for name in self.tables:
            self.classes[name] = class_name(name, self.classes.values())
        self.fields = {table.name: self._field_names(table) for table in tables}

    def _field_names(self, table: Table) -> dict[str, str]:
        wanted = {
            column["name"]: re.sub("(?i)(?<=.)_id$", "", column["name"])
            if self._target(table, column["name"]) is not None
            else column["name"]
            for column in table.columns
        }
        names: dict[str, str] = {}
        # Columns whose names can stay have the first right to them.
        for column, name in sorted(wanted.items(), key=lambda pair: field_name(pair[1]) != pair[0]):
            names[column] = field_name(name, names.values())
        return names

    def _target(self, table: Table, column: str) -> Table | None:
        """The table that a column refers to, if there is a model for it."""
        return self.tables.get(table.foreign_keys[column][0]) if column in table.foreign_keys else None

    def lines(self) -> Iterator[str]:
        """All classes."""
        for table in self.tables.values():
            yield from ("", "", f"class {self.classes[table.name]}(models.Model):")
            if table.comment:
                yield from (f"    # {line}" for line in table.comment.splitlines())
            key, remark = _primary_key(table)
            if remark:
                yield f"    # {remark}"
            for column in table.columns:
                yield from self._field(table, column, is_key=column["name"] == key)
            yield from self._meta(table)

    def _meta(self, table: Table) -> Iterator[str]:
        fields = self.fields[table.name]
        yield ""
        yield "    class Meta:"
        yield "        managed = False"
        yield f"        db_table = {quoted(table.name)}"
        together = dict.fromkeys(tuple(names) for names in (table.primary_key, *table.unique) if len(names) > 1)
        if together:
            listed = (f"({', '.join(quoted(fields[name]) for name in names)})" for names in together)
            yield f"        unique_together = [{', '.join(listed)}]"

    def _field(self, table: Table, column: dict[str, Any], is_key: bool) -> Iterator[str]:
        """The lines of one field; none for a key that every model has by itself."""
        name = self.fields[table.name][column["name"]]
        is_unique = [column["name"]] in table.unique
        target = self._target(table, column["name"])
        if target is not None:
            kind, words, arguments, remark = self._relation(table, column["name"], target, is_key or is_unique)
        else:
            kind, arguments, remark = _plain(table, column, is_key)
            words = []
        if is_key:
            arguments["primary_key"] = "True"
        elif is_unique and kind != "OneToOneField":
            arguments["unique"] = "True"
        if column["nullable"] and not is_key:
            arguments |= {"blank": "True", "null": "True"}
        if (name if target is None else f"{name}_id") != column["name"]:
            arguments["db_column"] = quoted(column["name"])
        if column.get("comment"):
            arguments["help_text"] = quoted(column["comment"])
        if (name, kind, arguments) == ("id", "BigAutoField", {"primary_key": "True"}):
            return
        if remark:
            yield f"    # {remark}"
        yield from _call(f"    {name} = models.{kind}", [*words, *(f"{word}={arguments[word]}" for word in arguments)])

    def _relation(
        self, table: Table, column: str, target: Table, is_unique: bool
    ) -> tuple[str, list[str], dict[str, str], str]:
        """The name of the field's class, its arguments without and with a keyword, and no remark."""
        words = [quoted("self" if target is table else self.classes[target.name]), "models.DO_NOTHING"]
        arguments = {}
        referred = table.foreign_keys[column][1]
        if referred and referred != _primary_key(target)[0]:
            arguments["to_field"] = quoted(self.fields[target.name][referred])
        siblings = [name for name in table.foreign_keys if self._target(table, name) is target]
        own_name = self.classes[table.name].lower()
        if len(siblings) > 1 or own_name in self.fields[target.name].values():
            arguments["related_name"] = quoted(f"{own_name}_{self.fields[table.name][column]}_set")
        return ("OneToOneField" if is_unique else "ForeignKey"), words, arguments, ""


def _primary_key(table: Table) -> tuple[str | None, str]:
    """The column to take for the primary key, and a remark where that is not quite what the database says."""
    if len(table.primary_key) == 1:
        return table.primary_key[0], ""
    if table.primary_key:
        names = ", ".join(table.primary_key)
        return table.primary_key[0], f"The primary key is ({names}); a model can have only one field for it."
    unique = (names[0] for names in table.unique if len(names) == 1)
    columns = (column["name"] for column in table.columns)
    return next(unique, next(columns, None)), "The database knows no primary key: choose a field with unique values."


def _plain(table: Table, column: dict[str, Any], is_key: bool) -> FieldType:
    """The field of a column that refers to no other model."""
    kind, arguments, remark = field_type(column["type"])
    if column["name"] in table.foreign_keys:
        remark = f"It refers to {'.'.join(filter(None, table.foreign_keys[column['name']]))}."
    counts = column.get("identity") or column.get("autoincrement") is True or "nextval(" in str(column.get("default"))
    if is_key and counts and len(table.primary_key) == 1:
        kind = _COUNTED.get(kind, kind)
    return FieldType(kind, dict(arguments), remark)


def _call(function: str, words: list[str]) -> Iterator[str]:
    """A call on one line, or on several."""
    line = f"{function}({', '.join(words)})"
    if len(line) <= 88:
        yield line
        return
    yield f"{function}("
    yield from (f"        {word}," for word in words)
    yield "    )"

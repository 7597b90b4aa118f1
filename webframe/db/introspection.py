"""What is in a database: its tables and, for what `schema` must know before it changes one, their columns."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from webframe._lazy import LateModule

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")


_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*'",
    "postgresql": (
        "SELECT relname FROM pg_catalog.pg_class "
        "WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.pg_table_is_visible(oid) "
        "AND relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace "
        "WHERE nspname IN ('pg_catalog', 'information_schema'))"
    ),
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
}


def table_names(connection: Any) -> set[str]:
    """The names of all tables and views that are found without naming a schema."""
    question = _TABLES.get(connection.vendor)
    if question is None:
        inspector = sqlalchemy.inspect(connection.engine)
        return {*inspector.get_table_names(), *inspector.get_view_names()}
    return {str(name) for (name,) in connection.fetch(question, ())}


def name_in_database(connection: Any, part: Any) -> str:
    """What a constraint or an index is called in the database.

    That is its own name, if there is one of that name; else that of the one with the
    same columns, as in a table that something else has made; else its own name.
    """
    name, table = str(part.name), part.table.name
    with connection.sqlalchemy_connection() as link, warnings.catch_warnings():
        # Such as: indexes over expressions cannot be shown.
        warnings.simplefilter("ignore")
        inspector = sqlalchemy.inspect(link)
        if not inspector.has_table(table):
            return name
        if isinstance(part, sqlalchemy.PrimaryKeyConstraint):
            return str(inspector.get_pk_constraint(table)["name"] or name)
        if isinstance(part, sqlalchemy.Index):
            if _is_over_expressions(part):
                # SQLAlchemy does not show it on SQLite, and another one may be over the columns that it names.
                return name
            found = [(each["name"], each["column_names"], each["unique"]) for each in inspector.get_indexes(table)]
            wanted = ([column.name for column in part.columns], bool(part.unique))
            same = [each for each, columns, unique in found if (columns, bool(unique)) == wanted]
        elif isinstance(part, sqlalchemy.UniqueConstraint):
            found = [(each["name"], each["column_names"], True) for each in inspector.get_unique_constraints(table)]
            same = [each for each, columns, _ in found if columns == [column.name for column in part.columns]]
        elif isinstance(part, sqlalchemy.ForeignKeyConstraint):
            keys = inspector.get_foreign_keys(table)
            found = [(each["name"], each["constrained_columns"], False) for each in keys]
            same = [each for each, columns, _ in found if columns == part.column_keys]
        else:
            return name
    if not same or any(each == name for each, *_ in found):
        return name
    return str(same[0])


def _is_over_expressions(index: sqlalchemy.Index) -> bool:
    """Whether an index is over more than columns, in one direction or the other."""
    return not all(isinstance(getattr(each, "element", each), sqlalchemy.Column) for each in index.expressions)


# --- SQLite -----------------------------------------------------------------------------------------------------


class SQLiteColumn(NamedTuple):
    """A column as SQLite knows it."""

    name: str
    type: str
    not_null: bool
    # The default as SQL; None: there is none.
    default: str | None
    primary_key: int


def sqlite_columns(connection: Any, table: str) -> list[SQLiteColumn]:
    """The columns of a table of SQLite, in their order; none if there is no such table."""
    rows = connection.fetch('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,))
    return [SQLiteColumn(*row) for row in rows]


def sqlite_parts(connection: Any, table: str) -> dict[str, str]:
    """The statements that made the indexes and triggers of a table of SQLite, by name; not those of constraints."""
    question = (
        "SELECT name, sql FROM sqlite_master "
        "WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid"
    )
    return dict(connection.fetch(question, (table,)))


def sqlite_referring(connection: Any, table: str) -> list[str]:
    """The tables of SQLite that refer to a table by a foreign key, itself perhaps among them."""
    question = (
        "SELECT DISTINCT m.name FROM sqlite_master m, pragma_foreign_key_list(m.name) f "
        "WHERE m.type = 'table' AND lower(f.\"table\") = lower(?)"
    )
    return [str(name) for (name,) in connection.fetch(question, (table,))]


def sqlite_enforces_foreign_keys(connection: Any) -> bool:
    """Whether SQLite looks after foreign keys on this connection."""
    return bool(connection.fetch("PRAGMA foreign_keys", ())[0][0])

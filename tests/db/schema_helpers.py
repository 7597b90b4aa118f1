"""What tests of tables need: models of the same name with different fields, and a look into the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import sqlalchemy

from webframe.db import connections, models
from webframe.db.schema import drop_all

from .registries import models_of_a_test

_numbers = count(1_000_000)


class States:
    """Models as they are at one moment: each `at` begins a new one, in which names are free again."""

    def __init__(self) -> None:
        self.registry = models_of_a_test("tests")

    def at(self) -> States:
        return States()

    def __call__(self, name: str, Meta: dict[str, Any] | None = None, /, **attributes: Any) -> Any:
        for attribute in attributes.values():
            # Fields come in the order in which they are given, not in which they were made.
            attribute.creation_counter = next(_numbers)
        meta = type("Meta", (), {"app_label": "tests", "apps": self.registry, **(Meta or {})})
        namespace = {"__module__": __name__, "__qualname__": name, "Meta": meta, **attributes}
        return type(models.Model)(name, (models.Model,), namespace)


def empty(engine: Any) -> None:
    """Drop all tables of the default database; those that other tests keep are made anew when they are needed."""
    connections.close_all()
    engine.kept["default"].clear()
    left = States()
    models_left = [left(f"Left{number}", {"db_table": name}) for number, name in enumerate(sorted(tables()))]
    if models_left:
        drop_all(*models_left)


def field(model: Any, name: str) -> Any:
    return model._meta.get_field(name)


def execute(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run SQL with %s for parameters, and return the rows if there are any."""
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def inspector() -> Iterator[Any]:
    with connections["default"].sqlalchemy_connection() as connection:
        yield sqlalchemy.inspect(connection)


def tables() -> set[str]:
    with inspector() as found:
        return set(found.get_table_names())


def columns(table: str) -> dict[str, Any]:
    """What the database says of the columns of a table, by name."""
    with inspector() as found:
        return {column["name"]: column for column in found.get_columns(table)}


def indexes(table: str) -> dict[str, list[Any]]:
    """The names of the indexes of a table, with their columns; those of unique constraints left out."""
    with inspector() as found:
        return {
            index["name"]: index["column_names"]
            for index in found.get_indexes(table)
            if not index.get("duplicates_constraint") and not (index["unique"] and index["name"].endswith("_uniq"))
        }


def foreign_keys(table: str) -> set[tuple[str, str, str]]:
    """(column, table that it refers to, column there)"""
    with inspector() as found:
        return {
            (key["constrained_columns"][0], key["referred_table"], key["referred_columns"][0])
            for key in found.get_foreign_keys(table)
        }


def uniques(table: str) -> set[tuple[str, ...]]:
    """The columns of each unique constraint."""
    with inspector() as found:
        return {tuple(sorted(constraint["column_names"])) for constraint in found.get_unique_constraints(table)}

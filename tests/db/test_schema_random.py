"""However a table came to be as it is, it is the same: altered, or created as its model says in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webframe.db import connections, models
from webframe.db.schema import create_all, drop_all

from .schema_helpers import States, empty, execute, field, inspector


@st.composite
def a_field(draw: Any) -> tuple[str, dict[str, Any]]:
    """The class of a field and its arguments."""
    kind = draw(st.sampled_from(["IntegerField", "BigIntegerField", "CharField", "PositiveIntegerField", "ForeignKey"]))
    options: dict[str, Any] = {"null": draw(st.booleans())}
    if kind == "ForeignKey":
        kind = draw(st.sampled_from(["ForeignKey", "OneToOneField"]))
        options["db_constraint"] = draw(st.booleans())
        return kind, options
    if kind == "CharField":
        options["max_length"] = draw(st.sampled_from([8, 40]))
    options["unique"] = draw(st.booleans())
    options["db_index"] = draw(st.booleans())
    default = "12" if kind == "CharField" else 12
    if draw(st.booleans()):
        options["db_default"] = default
    elif not options["null"]:
        options["default"] = default
    return kind, options


def build(state: States, fields: dict[str, tuple[str, dict[str, Any]]], meta: dict[str, Any]) -> Any:
    Other = state("Other")
    made = {}
    for name, (kind, options) in fields.items():
        arguments = (Other, models.CASCADE) if kind in ("ForeignKey", "OneToOneField") else ()
        if arguments:
            options = {**options, "related_name": "+"}
        made[name] = getattr(models, kind)(*arguments, **options)
    return Other, state("Thing", meta, **made)


def described(table: str) -> dict[str, Any]:
    """Everything that the database says of a table, but for the order of its columns.

    The names of constraints are left out on SQLite, which only keeps them to show them.
    """
    named = connections["default"].vendor != "sqlite"
    with inspector() as found:
        keys = [
            (key["name"] if named else "", key["constrained_columns"], key["referred_table"], key["options"])
            for key in found.get_foreign_keys(table)
        ]
        return {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)},
            "primary key": found.get_pk_constraint(table),
            "unique": sorted(
                (u["name"] if named else "", u["column_names"]) for u in found.get_unique_constraints(table)
            ),
            "indexes": sorted((i["name"], i["column_names"], i["unique"]) for i in found.get_indexes(table)),
            "foreign keys": sorted(keys),
            "checks": sorted(
                (c["name"] if named else "", c["sqltext"].replace('"', "")) for c in found.get_check_constraints(table)
            ),
        }


@pytest.fixture
def database_is_empty(engine: Any) -> Iterator[None]:
    empty(engine)
    yield
    empty(engine)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a_field(), a_field(), st.sampled_from(["same", "other"]), st.booleans(), st.booleans())
def test_a_field_that_is_altered_is_as_if_it_had_been_so_from_the_start(
    database_is_empty: None, old: Any, new: Any, name: str, together: bool, rows: bool
) -> None:
    plain = ("IntegerField", {"default": 1})
    meta = {"unique_together": [("same", "beside")]} if together else {}
    later_meta = {"unique_together": [(name, "beside")]} if together else {}
    OldOther, Old = build(States(), {"same": old, "beside": plain}, meta)
    NewOther, New = build(States(), {name: new, "beside": plain}, later_meta)
    create_all(OldOther, Old)
    if rows and not any(kind in ("ForeignKey", "OneToOneField") for kind, _ in (old, new)):
        execute("INSERT INTO tests_thing (same, beside) VALUES (%s, 3)", "12" if old[0] == "CharField" else 12)
    try:
        with connections["default"].schema_editor() as editor:
            editor.alter_field(Old, field(Old, "same"), field(New, name))
        altered = described("tests_thing")
    finally:
        drop_all(OldOther, Old)
    create_all(NewOther, New)
    try:
        assert altered == described("tests_thing")
    finally:
        drop_all(NewOther, New)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a_field(), st.booleans())
def test_a_field_that_is_added_and_removed_leaves_no_trace(database_is_empty: None, new: Any, rows: bool) -> None:
    plain = ("IntegerField", {"default": 1})
    OldOther, Old = build(States(), {"beside": plain}, {})
    NewOther, New = build(States(), {"beside": plain, "a": new}, {})
    create_all(OldOther, Old)
    if rows and (new[1]["null"] or "default" in new[1] or "db_default" in new[1]):
        execute("INSERT INTO tests_thing (beside) VALUES (3)")
    before = described("tests_thing")
    try:
        with connections["default"].schema_editor() as editor:
            editor.add_field(Old, field(New, "a"))
        added = described("tests_thing")
        with connections["default"].schema_editor() as editor:
            editor.remove_field(New, field(New, "a"))
        assert described("tests_thing") == before
    finally:
        drop_all(OldOther, Old)
    create_all(NewOther, New)
    try:
        assert added == described("tests_thing")
    finally:
        drop_all(NewOther, New)

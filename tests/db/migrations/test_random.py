"""Whatever the models were and are: what is generated leads from the one to the other, and then nothing is new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from webframe.db import connections, models
from webframe.db.migrations.comparing import comparable
from webframe.db.migrations.errors import CircularDependencyError
from webframe.db.migrations.questioner import MigrationQuestioner
from webframe.db.migrations.state import ProjectState
from webframe.db.schema import drop_all

from ..schema_helpers import States, empty, tables
from ..test_schema_random import described
from .states import Moment, detect, folded, in_order

NAMES = ["Pizza", "Base", "menu.Dish"]
FIELDS = ["a", "b", "c"]


@st.composite
def a_field(draw: Any, others: list[str]) -> tuple[str, dict[str, Any]]:
    """The class of a field and its arguments."""
    kind = draw(
        st.sampled_from(
            [
                "IntegerField",
                "BigIntegerField",
                "CharField",
                "PositiveIntegerField",
                "DecimalField",
                "ForeignKey",
                "OneToOneField",
                "ManyToManyField",
            ]
        )
    )
    options: dict[str, Any] = {"help_text": draw(st.sampled_from(["", 'It\'s "new"']))}
    if kind in ("ForeignKey", "OneToOneField", "ManyToManyField"):
        options["to"] = draw(st.sampled_from([*others, "self"]))
        options["related_name"] = "+"
        if kind != "ManyToManyField":
            options["null"] = draw(st.booleans())
            options["on_delete"] = models.CASCADE
            options["db_constraint"] = draw(st.booleans())
        elif draw(st.booleans()):
            options["db_table"] = draw(st.sampled_from(["between_one", "between_two"]))
        return kind, options
    options["null"] = draw(st.booleans())
    if kind == "CharField":
        options["max_length"] = draw(st.sampled_from([8, 40]))
    if kind == "DecimalField":
        options |= {"max_digits": 8, "decimal_places": draw(st.sampled_from([2, 3]))}
    options["unique"] = draw(st.booleans())
    options["db_index"] = draw(st.booleans())
    default = "12" if kind == "CharField" else 12
    if draw(st.booleans()):
        options["default"] = default
    if draw(st.booleans()) and kind != "DecimalField":
        options["db_default"] = default
    if draw(st.integers(0, 5)) == 0:
        options["db_column"] = draw(st.sampled_from(["kept", "stays"]))
    return kind, options


@st.composite
def a_project(draw: Any) -> dict[str, Any]:
    """Models by name: their fields, and what Meta says."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    project = {}
    taken: set[str] = set()
    for name in names:
        label = name if "." in name else f"shop.{name}"
        others = [each if "." in each else f"shop.{each}" for each in names]
        fields: dict[str, Any] = {}
        columns: set[str] = set()
        for field_name in draw(st.lists(st.sampled_from(FIELDS), unique=True, max_size=3)):
            kind, options = draw(a_field(others))
            if options.get("to") == label:
                options["to"] = "self"
            # Neither two columns nor two tables of one name.
            if options.get("db_column") in columns or options.get("db_table") in taken:
                options = {key: value for key, value in options.items() if key not in ("db_column", "db_table")}
            columns.add(options.get("db_column", ""))
            taken.add(options.get("db_table", ""))
            fields[field_name] = (kind, options)
        plain = [each for each, (kind, _) in fields.items() if kind != "ManyToManyField"]
        meta: dict[str, Any] = {}
        if draw(st.integers(0, 3)) == 0:
            meta["db_table"] = f"{name.lower().replace('.', '_')}_table"
        if draw(st.booleans()):
            meta["ordering"] = ["id"]
        if len(plain) > 1 and draw(st.booleans()):
            meta["unique_together"] = [tuple(plain[:2])]
        if plain and draw(st.booleans()):
            meta["indexes"] = [models.Index(fields=draw(st.permutations(plain)))]
        if plain and draw(st.booleans()):
            first = plain[0]
            prefix = label.replace(".", "_").lower()
            check = models.CheckConstraint(
                condition=models.Q(**{f"{first}__isnull": False}) | models.Q(**{f"{first}__isnull": True}),
                name=f"{prefix}_check",
            )
            meta["constraints"] = [check]
            # PostgreSQL takes two constraints that say the same for one.
            if not (fields[first][1].get("unique") or fields[first][0] == "OneToOneField") and draw(st.booleans()):
                meta["constraints"].append(models.UniqueConstraint(fields=[first], name=f"{prefix}_once"))
        project[name] = (fields, meta)
    return project


def build(project: dict[str, Any]) -> Moment:
    moment = Moment()
    for name, (fields, meta) in project.items():
        moment(
            name,
            Meta={
                key: [each.clone() for each in value] if key in ("indexes", "constraints") else value
                for key, value in meta.items()
            },
            **{each: getattr(models, kind)(**options) for each, (kind, options) in fields.items()},
        )
    return moment


# An answer for every question; the values fit every type.
ANSWERS = [
    MigrationQuestioner(
        {"ask_not_null_addition": 1, "ask_not_null_alteration": 1, "ask_rename": rename, "ask_rename_model": rename}
    )
    for rename in (False, True)
]


@settings(max_examples=150, deadline=None)
@given(a_project(), a_project(), st.sampled_from(ANSWERS))
def test_what_is_generated_leads_from_one_state_to_the_other(old: Any, new: Any, questioner: Any) -> None:
    before, after = build(old).state, build(new).state
    try:
        changes = detect(before, after, questioner)
    except CircularDependencyError:
        reject()
    result = folded(before, changes)
    assert described_state(result) == described_state(after)
    assert detect(result, after, questioner) == {}


@settings(max_examples=50, deadline=None)
@given(a_project(), a_project())
def test_the_same_change_gives_the_same_files(old: Any, new: Any) -> None:
    once, twice = (detect(build(old).state, build(new).state, ANSWERS[0]) for _ in range(2))
    assert once == twice


def described_state(state: ProjectState) -> Any:
    return {
        key: (
            {name: comparable(field) for name, field in model.fields.items()},
            {
                name: sorted(value, key=repr) if name in ("indexes", "constraints") else value
                for name, value in model.options.items()
                if value
            },
        )
        for key, model in state.models.items()
    }


@pytest.fixture
def database_is_empty(engine: Any) -> Iterator[None]:
    empty(engine)
    yield
    empty(engine)


def apply(state: ProjectState, changes: Any) -> ProjectState:
    state = state.clone()
    for migration in in_order(changes):
        with connections["default"].schema_editor(atomic=migration.atomic) as editor:
            state = migration.apply(state, editor)
    return state


def all_tables() -> dict[str, Any]:
    return {table: described(table) for table in tables()}


def drop_everything() -> None:
    left = States()
    found = [left(f"Left{number}", {"db_table": name}) for number, name in enumerate(sorted(tables()))]
    if found:
        drop_all(*found)


@pytest.mark.engines("sqlite")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a_project(), a_project(), st.sampled_from(ANSWERS))
def test_tables_that_were_migrated_are_those_that_are_created_directly(
    database_is_empty: None, old: Any, new: Any, questioner: Any
) -> None:
    compare(old, new, questioner)


@pytest.mark.engines("postgresql", "mysql")
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a_project(), a_project(), st.sampled_from(ANSWERS))
def test_and_so_it_is_on_servers(database_is_empty: None, old: Any, new: Any, questioner: Any) -> None:
    compare(old, new, questioner)


def compare(old: Any, new: Any, questioner: Any) -> None:
    """Migrate from one project to another, and compare the tables with those of the other."""
    before, after = build(old).state, build(new).state
    nothing = ProjectState()
    try:
        state = apply(nothing, detect(nothing, before))
        try:
            changes = detect(before, after, questioner)
        except CircularDependencyError:
            reject()  # two tables exchange their names
        apply(state, changes)
        migrated = all_tables()
    finally:
        drop_everything()
    try:
        apply(nothing, detect(nothing, after))
        assert migrated == all_tables()
    finally:
        drop_everything()

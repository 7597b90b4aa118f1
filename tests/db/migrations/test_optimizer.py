"""Fewer operations that do the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webframe.core.exceptions import FieldDoesNotExist
from webframe.db import models
from webframe.db.migrations import (
    AddField,
    AddIndex,
    AlterField,
    AlterModelOptions,
    CreateModel,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
    RunPython,
    RunSQL,
)
from webframe.db.migrations.comparing import definition
from webframe.db.migrations.errors import InvalidStateError
from webframe.db.migrations.optimizer import MigrationOptimizer
from webframe.db.migrations.state import ProjectState

PIZZA = CreateModel("Pizza", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())])
ORDER = CreateModel(
    "Order",
    [("id", models.AutoField(primary_key=True)), ("pizza", models.ForeignKey("shop.Pizza", models.CASCADE))],
)


def described(*operations: Any) -> list[str]:
    return [each.describe() for each in MigrationOptimizer().optimize(operations, "shop")]


def test_what_follows_a_model_goes_into_it() -> None:
    optimized = MigrationOptimizer().optimize(
        [
            PIZZA,
            AddField("pizza", "size", models.IntegerField(null=True)),
            AlterField("pizza", "size", models.BigIntegerField(null=True)),
            RenameField("pizza", "size", "diameter"),
            AddIndex("pizza", models.Index(fields=["diameter"], name="i")),
            RemoveField("pizza", "name"),
            AlterModelOptions("pizza", {"ordering": ["diameter"]}),
        ],
        "shop",
    )
    (operation,) = optimized
    assert [name for name, _ in operation.fields] == ["id", "diameter"]
    assert operation.options["ordering"] == ["diameter"]
    assert [index.name for index in operation.options["indexes"]] == ["i"]


def test_what_is_made_and_deleted_is_nothing() -> None:
    assert described(PIZZA, AddField("pizza", "a", models.TextField()), DeleteModel("Pizza")) == []
    assert described(AddField("pizza", "a", models.TextField()), RemoveField("pizza", "a")) == []


def test_operations_go_past_those_that_have_nothing_to_do_with_them() -> None:
    added = AddField("pizza", "size", models.IntegerField(null=True))
    other = CreateModel("Topping", [("id", models.AutoField(primary_key=True))])
    assert described(PIZZA, other, added) == ["Create model Topping", "Create model Pizza"] or described(
        PIZZA, other, added
    ) == ["Create model Pizza", "Create model Topping"]


def test_a_field_does_not_come_before_the_model_that_it_points_to() -> None:
    topping = CreateModel("Topping", [("id", models.AutoField(primary_key=True))])
    added = AddField("pizza", "best", models.ForeignKey("shop.Topping", models.CASCADE, null=True))
    assert described(PIZZA, topping, added) == ["Create model Topping", "Create model Pizza"]


def test_code_and_sql_are_not_passed() -> None:
    added = AddField("pizza", "a", models.TextField())
    for between in (RunPython(RunPython.noop), RunSQL("SELECT 1")):
        assert len(described(PIZZA, between, added)) == 3


def test_what_may_be_left_out_is_left_out() -> None:
    added = AddField("pizza", "a", models.TextField())
    assert described(PIZZA, RunPython(RunPython.noop, elidable=True), added) == ["Create model Pizza"]


def test_the_operations_given_stay_as_they_are() -> None:
    given_ = [PIZZA, AddField("pizza", "a", models.TextField())]
    MigrationOptimizer().optimize(given_, "shop")
    assert len(given_) == 2
    assert len(PIZZA.fields) == 2


NAMES = st.sampled_from(["Pizza", "Order"])
FIELDS = st.sampled_from(["a", "b"])
STEPS = st.one_of(
    st.just(PIZZA),
    st.just(ORDER),
    st.builds(DeleteModel, NAMES),
    st.builds(RenameModel, NAMES, st.sampled_from(["Pizza", "Pie"])),
    st.builds(
        AddField, NAMES, FIELDS, st.sampled_from([models.TextField(), models.ForeignKey("shop.Pizza", models.CASCADE)])
    ),
    st.builds(RemoveField, NAMES, FIELDS),
    st.builds(AlterField, NAMES, FIELDS, st.just(models.CharField(max_length=3))),
    st.builds(RenameField, NAMES, FIELDS, FIELDS),
    st.builds(lambda name, field: AddIndex(name, models.Index(fields=[field], name=f"{name}_{field}")), NAMES, FIELDS),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_the_state_afterwards_is_the_same(steps: list[Any]) -> None:
    state = ProjectState()
    done = []
    for step in steps:
        attempt = state.clone()
        try:
            step.state_forwards("shop", attempt)
            for model in attempt.models.values():
                if not all(key in attempt.models for key in model.references):
                    raise InvalidStateError("It would point to nothing.")
        except (FieldDoesNotExist, InvalidStateError):
            continue
        state = attempt
        done.append(step)
    optimized = ProjectState()
    operations = MigrationOptimizer().optimize(done, "shop")
    for operation in operations:
        operation.state_forwards("shop", optimized)
        for model in optimized.models.values():
            assert all(key in optimized.models for key in model.references)
    assert len(operations) <= len(done)
    assert described_state(optimized) == described_state(state)


def described_state(state: ProjectState) -> Any:
    return {
        key: (
            {name: definition(field, key) for name, field in model.fields.items()},
            sorted(index.name for index in model.options["indexes"]),
        )
        for key, model in state.models.items()
    }


@pytest.mark.parametrize("operations", [[], [PIZZA]])
def test_what_cannot_be_less_stays(operations: list[Any]) -> None:
    assert MigrationOptimizer().optimize(operations, "shop") == operations

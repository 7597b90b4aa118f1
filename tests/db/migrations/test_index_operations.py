"""Operations on indexes and constraints, forwards, backwards and forwards again."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import IntegrityError, models
from webframe.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    RemoveConstraint,
    RemoveIndex,
    RenameIndex,
)
from webframe.db.models import CheckConstraint, Index, Q, UniqueConstraint
from webframe.db.models.functions import Lower, Upper

from .history import History, pizza, round_trip, with_pizzas


class TestIndexes:
    def test_add(self, history: History) -> None:
        with_pizzas(history)
        round_trip(history, AddIndex("Pizza", Index(fields=["name", "-price"], name="by_name")))

    def test_remove(self, history: History) -> None:
        history.do(pizza(indexes=[Index(fields=["name"], name="by_name")]))
        round_trip(history, RemoveIndex("Pizza", "by_name"))

    def test_rename(self, history: History) -> None:
        history.do(pizza(indexes=[Index(fields=["name"], name="by_name")]))
        round_trip(history, RenameIndex("Pizza", "name_index", "by_name"))

    def test_rename_what_is_over_these_fields(self, history: History) -> None:
        history.do(pizza(indexes=[Index(fields=["name", "price"], name="x"), Index(fields=["name"], name="by_name")]))
        round_trip(history, RenameIndex("Pizza", "name_index", old_fields=("name", "price")))

    @pytest.mark.engines("sqlite", "postgresql")
    def test_of_expressions_beside_another_one_over_the_same_column(self, history: History) -> None:
        with_pizzas(history, AddIndex("Pizza", Index(fields=["name"], name="by_name")))
        round_trip(history, AddIndex("Pizza", Index(Upper("name"), name="by_upper_name")))
        round_trip(history, RenameIndex("Pizza", "by_upper", old_name="by_upper_name"))
        round_trip(history, AddConstraint("Pizza", UniqueConstraint(Lower("name"), name="once")))
        round_trip(history, AddField("Pizza", "size", models.IntegerField(default=1)))

    @pytest.mark.engines("sqlite", "postgresql")
    def test_of_expressions_with_a_condition(self, history: History) -> None:
        with_pizzas(history)
        index = Index(Lower("name"), name="lower", condition=Q(price__gt=5))
        round_trip(history, AddIndex("Pizza", index))
        history.do(RenameIndex("Pizza", "lower_name", "lower"))
        round_trip(history, RemoveIndex("Pizza", "lower_name"))


class TestConstraints:
    @pytest.mark.parametrize(
        "constraint",
        [
            CheckConstraint(condition=Q(price__gt=0), name="positive"),
            UniqueConstraint(fields=["name", "price"], name="once"),
        ],
        ids=["check", "unique"],
    )
    def test_add_and_remove(self, history: History, constraint: Any) -> None:
        with_pizzas(history)
        round_trip(history, AddConstraint("Pizza", constraint))
        round_trip(history, RemoveConstraint("Pizza", constraint.name))

    def test_rows_that_violate_it_make_it_fail(self, history: History) -> None:
        with_pizzas(history)
        before = history.schema()
        with pytest.raises(IntegrityError):
            history.do(AddConstraint("Pizza", CheckConstraint(condition=Q(price__gt=8), name="dear")))
        assert history.schema() == before

"""Generated migrations, applied: changes that are too rare for random ones, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from webframe.db import models
from webframe.db.migrations.questioner import MigrationQuestioner
from webframe.db.migrations.state import ProjectState

from ..schema_helpers import empty
from .states import Moment, detect
from .test_random import all_tables, apply, drop_everything

CASCADE = models.CASCADE


@pytest.fixture
def database_is_empty(engine: Any) -> Iterator[None]:
    empty(engine)
    yield
    empty(engine)


def nothing(now: Moment) -> None: ...


def circle(now: Moment) -> None:
    now("Author", best=models.ForeignKey("Book", CASCADE, null=True, related_name="+", unique=True))
    now("Book", author=models.ForeignKey("Author", CASCADE), Meta={"unique_together": [("author", "id")]})


def two_apps(now: Moment) -> None:
    now("shop.Pizza", chef=models.ForeignKey("staff.Chef", CASCADE, null=True, related_name="+"))
    now("staff.Chef", best=models.ForeignKey("shop.Pizza", CASCADE, null=True, related_name="+"))


def through(now: Moment) -> None:
    now("Pizza", toppings=models.ManyToManyField("Topping", through="Amount"))
    now("Topping")
    now("Amount", pizza=models.ForeignKey("Pizza", CASCADE), topping=models.ForeignKey("Topping", CASCADE))


def without_through(now: Moment) -> None:
    now("Pizza", toppings=models.ManyToManyField("Topping"))
    now("Topping", others=models.ManyToManyField("self"))


def key_to_topping(now: Moment) -> None:
    now("Pizza", toppings=models.ForeignKey("Topping", CASCADE, null=True))
    now("Topping")


def parent(now: Moment) -> None:
    now("Dish", name=models.CharField(max_length=9, default=""))
    now("Pizza", now.models[0], size=models.IntegerField(default=1))


def child_has_the_field(now: Moment) -> None:
    now("Dish")
    now("Pizza", now.models[0], name=models.CharField(max_length=9, default=""), size=models.IntegerField(default=1))


def code(now: Moment) -> None:
    now("Pizza", code=models.CharField(max_length=9, unique=True))
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field="code"))


def number(now: Moment) -> None:
    now("Pizza", number=models.CharField(max_length=9, unique=True))
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field="number"))


def nobody_names_the_code(now: Moment) -> None:
    now("Pizza", code=models.CharField(max_length=9))


def nobody_names_the_key(now: Moment) -> None:
    now("Pizza", name=models.CharField(max_length=9))


def others_name_the_key(now: Moment) -> None:
    now("Pizza", name=models.CharField(max_length=9, primary_key=True))
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE), pizzas=models.ManyToManyField("Pizza", related_name="+"))
    now("Recipe", pizza=models.OneToOneField("Pizza", CASCADE, primary_key=True))
    now("Page", recipe=models.ForeignKey("Recipe", CASCADE))


def others_name_a_new_key(now: Moment) -> None:
    now("Pizza", code=models.CharField(max_length=7, primary_key=True), name=models.CharField(max_length=9))
    now("Calzone", now.models[0], pizzas=models.ManyToManyField("Pizza", related_name="+"))
    now("Order", pizza=models.ForeignKey("Calzone", CASCADE))


def refers_to_itself(now: Moment) -> None:
    now(
        "Pizza",
        code=models.IntegerField(unique=True),
        better=models.ForeignKey("self", CASCADE, null=True, related_name="+"),
        others=models.ManyToManyField("self"),
    )


def refers_to_itself_by_a_new_key(now: Moment) -> None:
    now(
        "Order",
        code=models.CharField(max_length=5, unique=True),
        pizza=models.ForeignKey("Pizza", CASCADE, to_field="code", related_name="+"),
    )
    now(
        "Pizza",
        order=models.OneToOneField("Order", CASCADE, primary_key=True, to_field="code", related_name="+"),
        code=models.CharField(max_length=7, unique=True),
        better=models.ManyToManyField("self"),
    )


def others_name_what_will_be_the_key(now: Moment) -> None:
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field="name"))
    now(
        "Pizza",
        name=models.CharField(max_length=9, unique=True),
        better=models.ForeignKey("self", CASCADE, null=True, to_field="name"),
    )


def others_name_what_is_the_key(now: Moment) -> None:
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field="name"))
    now(
        "Pizza",
        name=models.CharField(max_length=9, primary_key=True),
        better=models.ForeignKey("self", CASCADE, null=True, to_field="name"),
    )


def others_name_the_key_that_it_is(now: Moment) -> None:
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE))
    now(
        "Pizza",
        name=models.CharField(max_length=9, primary_key=True),
        better=models.ForeignKey("self", CASCADE, null=True),
    )


def names_the_code(now: Moment) -> None:
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field="code"))
    now(
        "Pizza",
        code=models.IntegerField(unique=True),
        better=models.ForeignKey("self", CASCADE, null=True, to_field="code", related_name="+"),
    )


def names_the_code_no_more(now: Moment) -> None:
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE))
    now(
        "Pizza",
        code=models.IntegerField(),
        better=models.ForeignKey("self", CASCADE, null=True, related_name="+"),
    )


def other_table(now: Moment) -> None:
    now("Pizza", code=models.CharField(max_length=9, unique=True), Meta={"db_table": "pies"})
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE, to_field="code"))


def exchanged(one: str, other: str) -> Callable[[Moment], None]:
    def build(now: Moment) -> None:
        columns = {
            name: models.IntegerField(db_column=column, default=1)
            for name, column in zip("ab", (one, other), strict=True)
        }
        now("Pizza", **columns, Meta={"indexes": [models.Index(fields=["a"], name=f"by_{one}")]})

    return build


def small_key(now: Moment) -> None:
    now("Pizza", id=models.AutoField(primary_key=True))
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE), pizzas=models.ManyToManyField("Pizza", related_name="+"))


def big_key(now: Moment) -> None:
    now("Pizza")
    now("Order", pizza=models.ForeignKey("Pizza", CASCADE), pizzas=models.ManyToManyField("Pizza", related_name="+"))


def renamed(now: Moment) -> None:
    now("Pie")
    now("Order", pizza=models.ForeignKey("Pie", CASCADE), pizzas=models.ManyToManyField("Pie", related_name="+"))


def checked(now: Moment) -> None:
    now(
        "Pizza",
        price=models.IntegerField(default=1),
        Meta={
            "constraints": [models.CheckConstraint(condition=models.Q(price__gt=0), name="c")],
            "indexes": [models.Index(fields=["-price"], name="i")],
        },
    )


def checked_otherwise(now: Moment) -> None:
    now(
        "Pizza",
        cost=models.BigIntegerField(default=1),
        Meta={
            "constraints": [models.CheckConstraint(condition=models.Q(cost__gt=1), name="c")],
            "indexes": [models.Index(fields=["cost"], name="i")],
        },
    )


PAIRS = [
    (nothing, circle),
    (nothing, two_apps),
    (nothing, through),
    (through, without_through),
    (without_through, key_to_topping),
    (nothing, parent),
    (parent, child_has_the_field),
    (code, number),
    (code, other_table),
    (names_the_code, names_the_code_no_more),
    (nobody_names_the_code, code),
    (nobody_names_the_key, others_name_the_key),
    (nobody_names_the_key, others_name_a_new_key),
    (others_name_what_will_be_the_key, others_name_what_is_the_key),
    (others_name_what_is_the_key, others_name_the_key_that_it_is),
    (refers_to_itself, refers_to_itself_by_a_new_key),
    (exchanged("x", "y"), exchanged("y", "x")),
    (small_key, big_key),
    (big_key, renamed),
    (checked, checked_otherwise),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("backwards", [False, True], ids=["there", "back"])
def test_what_was_migrated_is_as_if_it_had_been_so_from_the_start(
    database_is_empty: None, one: Any, other: Any, backwards: bool
) -> None:
    moments = []
    for build in (other, one) if backwards else (one, other):
        moments.append(Moment())
        build(moments[-1])
    before, after = (moment.state for moment in moments)
    nobody = ProjectState()
    try:
        state = apply(nobody, detect(nobody, before))
        apply(state, detect(before, after, MigrationQuestioner({"ask_rename": True, "ask_rename_model": True})))
        migrated = all_tables()
    finally:
        drop_everything()
    try:
        apply(nobody, detect(nobody, after))
        assert migrated == all_tables()
    finally:
        drop_everything()


def test_what_refers_to_a_field_refers_to_it_as_the_key(database_is_empty: None) -> None:
    moments = []
    for build in (others_name_what_will_be_the_key, others_name_the_key_that_it_is):
        moments.append(Moment())
        build(moments[-1])
    before, after = (moment.state for moment in moments)
    try:
        state = apply(ProjectState(), detect(ProjectState(), before))
        pizza = state.apps.get_model("shop", "Pizza").objects.create(name="Funghi")
        state.apps.get_model("shop", "Order").objects.create(pizza=pizza)
        state = apply(state, detect(before, after))
        assert state.apps.get_model("shop", "Order").objects.get().pizza.pk == "Funghi"
        migrated = all_tables()
    finally:
        drop_everything()
    try:
        apply(ProjectState(), detect(ProjectState(), after))
        assert migrated == all_tables()
    finally:
        drop_everything()

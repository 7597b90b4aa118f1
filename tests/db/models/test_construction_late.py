"""When the constructor of a model is made: at its first use, and anew when fields are added."""

from __future__ import annotations

import inspect

from webframe.db import models
from webframe.db.models.construction import LateConstructor


def test_a_model_has_no_constructor_until_somebody_looks_at_it(define):
    Pizza = define("Pizza", name=models.CharField(max_length=5), price=models.IntegerField(default=7))
    assert isinstance(vars(Pizza)["__init__"], LateConstructor)
    assert list(inspect.signature(Pizza).parameters) == ["id", "name", "price", "kwargs"]
    assert inspect.isfunction(vars(Pizza)["__init__"])


def test_the_first_instance_makes_it(define):
    Pizza = define("Pizza", name=models.CharField(max_length=5), price=models.IntegerField(default=7))
    assert Pizza(name="a").price == 7
    assert inspect.isfunction(vars(Pizza)["__init__"])
    assert vars(Pizza)["__init__"] is Pizza._meta.quick


def test_a_row_that_is_loaded_before_any_instance_was_made_needs_none(define):
    Pizza = define("Pizza", name=models.CharField(max_length=5))
    assert Pizza.from_db("default", ["id", "name"], [1, "a"]).name == "a"


def test_a_field_that_is_added_later_is_known_to_the_next_instance(define):
    Pizza = define("Pizza", name=models.CharField(max_length=5))
    assert Pizza(name="a").name == "a"
    Pizza.add_to_class("price", models.IntegerField(default=7))
    assert Pizza(name="a").price == 7


def test_what_a_constructor_of_ones_own_calls_is_made_for_the_heir(define):
    Pizza = define("Pizza", name=models.CharField(max_length=5))

    def __init__(self, *args, **kwargs):
        super(Calzone, self).__init__(*args, **kwargs)
        self.folded = True

    Calzone = define("Calzone", Pizza, size=models.IntegerField(default=3), __init__=__init__)
    made = Calzone(name="c")
    assert (made.name, made.size, made.folded) == ("c", 3, True)
    assert Pizza(name="p").name == "p"
    Pizza.add_to_class("price", models.IntegerField(default=7))
    assert Calzone(name="c").price == 7 and Calzone(name="c").size == 3

"""When the constructor and the exceptions of a model are made: at their first use, and anew when fields are added."""

from __future__ import annotations

import inspect
import threading

from webframe.core.exceptions import ObjectDoesNotExist
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


def test_exceptions_are_the_same_class_however_often_they_are_named_and_kinds_of_those_of_the_parents(define):
    Pizza = define("Pizza", name=models.CharField(max_length=5))
    Calzone = define("Calzone", Pizza)
    assert Calzone.DoesNotExist is Calzone.DoesNotExist is Calzone(name="c").DoesNotExist
    assert Calzone.DoesNotExist is not Pizza.DoesNotExist
    assert issubclass(Calzone.DoesNotExist, Pizza.DoesNotExist)
    assert issubclass(Pizza.DoesNotExist, ObjectDoesNotExist)
    assert Calzone.NotUpdated.__qualname__ == f"{Calzone.__qualname__}.NotUpdated"


def test_threads_that_name_an_exception_at_the_same_moment_get_the_same_class(define):
    found = []
    for number in range(20):
        model = define(f"Pizza{number}", name=models.CharField(max_length=5))
        barrier = threading.Barrier(4)

        def name_it(model=model, barrier=barrier):
            barrier.wait()
            found.append(model.DoesNotExist)

        threads = [threading.Thread(target=name_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 20

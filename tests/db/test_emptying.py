"""Emptying tables, whichever order they refer to each other in."""

from __future__ import annotations

import pytest

from webframe.db import IntegrityError, connections, models
from webframe.db.emptying import emptiable_tables, empty_tables


@pytest.fixture
def shop(define, create_tables):
    """Two models that refer to each other, and a third one that refers to one of them."""
    pizza = define(
        "Pizza",
        name=models.CharField(max_length=50),
        best=models.ForeignKey("tests.Topping", models.SET_NULL, null=True, related_name="+"),
    )
    topping = define("Topping", pizza=models.ForeignKey(pizza, models.CASCADE, related_name="own"))
    order = define("Order", pizza=models.ForeignKey(pizza, models.CASCADE))
    create_tables()
    first = pizza.objects.create(name="Margherita")
    first.best = topping.objects.create(pizza=first)
    first.save()
    return pizza, topping, order


def table_of(model):
    return model._meta.db_table


def test_rows_go_and_numbers_begin_with_1_again(shop):
    pizza, topping, order = shop
    order.objects.create(pizza=pizza.objects.get())
    empty_tables(connections["default"], map(table_of, shop))
    assert [model.objects.count() for model in shop] == [0, 0, 0]
    assert pizza.objects.create(name="Marinara").pk == 1


def test_the_tables_are_those_of_models_that_are_there(shop, define):
    define("Elsewhere", name=models.CharField(max_length=50))
    define("NotOurs", Meta={"managed": False, "db_table": "tests_pizza"})
    registry = define.registry
    assert sorted(emptiable_tables(registry, connections["default"])) == sorted(map(table_of, shop))


@pytest.mark.engines("sqlite", "postgresql")
def test_rows_of_other_tables_that_refer_to_these_keep_everything_as_it_is(shop):
    pizza, topping, order = shop
    order.objects.create(pizza=pizza.objects.get())
    from webframe.db import Error

    with pytest.raises(Error) as caught:
        empty_tables(connections["default"], [table_of(pizza), table_of(topping)])
    assert "tests_order" in str(caught.value) or isinstance(caught.value, IntegrityError)
    assert [model.objects.count() for model in shop] == [1, 1, 1]


def test_names_may_have_any_characters(define, create_tables):
    odd = define("Odd", Meta={"db_table": 'a "table" with 100 % `odd` names'})
    create_tables()
    odd.objects.create()
    empty_tables(connections["default"], [table_of(odd)])
    assert odd.objects.count() == 0


def test_nothing_to_empty_is_fine(engine):
    empty_tables(connections["default"], [])

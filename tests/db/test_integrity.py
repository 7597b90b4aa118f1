"""What a database refuses to keep is an IntegrityError on every engine, whatever its driver calls it."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import IntegrityError, models, transaction


@pytest.fixture
def Pizza(define: Any, create_tables: Any) -> Any:
    check = models.CheckConstraint(condition=models.Q(price__gt=0), name="it_has_a_price")
    pizza = define(
        "Pizza",
        name=models.CharField(max_length=20, unique=True),
        price=models.IntegerField(),
        heat=models.PositiveIntegerField(default=450),
        Meta={"constraints": [check]},
    )
    create_tables()
    pizza.objects.create(name="Marinara", price=7)
    return pizza


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Free", "price": 0},
        {"name": "Marinara", "price": 7},
        {"name": "Cold", "price": 7, "heat": -1},
        {"name": None, "price": 7},
    ],
    ids=["check", "unique", "positive", "null"],
)
def test_a_row_that_is_refused_is_an_integrity_error(Pizza: Any, values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Pizza.objects.create(**values)
    assert caught.value.__cause__ is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        Pizza.objects.bulk_create([Pizza(**values)])
    with pytest.raises(IntegrityError):
        Pizza.objects.filter(name="Marinara").update(**(values if values["name"] != "Marinara" else {"price": None}))
    assert Pizza.objects.count() == 1


def test_ignoring_conflicts_ignores_nothing_else(define: Any, create_tables: Any) -> None:
    shop = define("Shop", name=models.CharField(max_length=20, unique=True))
    pizza = define(
        "Pizza",
        name=models.CharField(max_length=20, unique=True),
        price=models.PositiveIntegerField(),
        shop=models.ForeignKey(shop, models.CASCADE, null=True),
        Meta={"constraints": [models.UniqueConstraint(fields=["shop", "price"], name="one_of_each_price")]},
    )
    create_tables()
    home = shop.objects.create(name="Home")
    kept = pizza.objects.create(name="Marinara", price=7, shop=home)
    pizza.objects.bulk_create(
        [
            pizza(name="Marinara", price=8),
            pizza(name="Bianca", price=7, shop=home),
            pizza(pk=kept.pk, name="Rossa", price=9),
            pizza(name="Verde", price=10),
            pizza(name="Verde", price=11),
        ],
        ignore_conflicts=True,
    )
    assert list(pizza.objects.order_by("price").values_list("name", "price")) == [("Marinara", 7), ("Verde", 10)]
    for refused in ({"price": None}, {"price": -1}, {"price": 12, "shop_id": home.pk + 1}):
        with pytest.raises(IntegrityError):
            pizza.objects.bulk_create([pizza(name="Bianca", **refused)], ignore_conflicts=True)
    assert pizza.objects.count() == 2


def test_what_does_not_exist_cannot_be_related(define: Any, create_tables: Any) -> None:
    topping = define("Topping", name=models.CharField(max_length=20))
    pizza = define("Pizza", toppings=models.ManyToManyField(topping), goes_with=models.ManyToManyField("self"))
    create_tables()
    marinara, garlic = pizza.objects.create(), topping.objects.create(name="garlic")
    for unknown in (garlic.pk + 1, str(garlic.pk + 1)):
        with pytest.raises(IntegrityError):
            marinara.toppings.add(garlic, unknown)
    with pytest.raises(IntegrityError):
        marinara.goes_with.add(marinara.pk + 1)
    assert not marinara.toppings.exists() and not marinara.goes_with.exists()
    marinara.toppings.add(garlic)
    marinara.toppings.add(garlic.pk)
    assert list(marinara.toppings.all()) == [garlic]

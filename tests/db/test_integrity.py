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

"""What errors say to those who made one of the common mistakes."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.db.errors import DatabaseError


def test_a_missing_table_says_how_to_create_it(engine, define):
    Forgotten = define("Forgotten", name=models.CharField(max_length=5))
    for ask in (lambda: list(Forgotten.objects.all()), lambda: Forgotten.objects.create(name="x")):
        with pytest.raises(DatabaseError) as raised:
            ask()
        assert "create_all" in "".join(raised.value.__notes__)


@pytest.mark.engines("sqlite")
def test_a_relation_to_a_model_that_is_nowhere_is_named(engine, define):
    Order = define("Order", customer=models.ForeignKey("Customer", models.CASCADE))
    with pytest.raises(FieldError, match="'Customer', which is not defined"):
        Order(customer_id=3).customer  # noqa: B018  # the question is what is asked here

"""What errors say to those who made one of the common mistakes."""

from __future__ import annotations

import sys

import pytest

from webframe.core.exceptions import FieldError, ImproperlyConfigured
from webframe.db import connection, models
from webframe.db.errors import DatabaseError
from webframe.test import override_settings


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


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite+aiosqlite:///notes.db", "driver that cannot be imported: .*aiosqlite"),
        ("mysql://user@localhost/name?nonsense=3", "OPTIONS.*nonsense"),
        ("sqlite:///notes.db?nonsense=3", "OPTIONS.*nonsense"),
    ],
)
def test_a_driver_that_is_missing_or_does_not_know_an_option_is_named(url, says, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    with override_settings(DATABASES={"default": url}), pytest.raises(ImproperlyConfigured, match=says):
        connection.cursor().execute("SELECT 1")

"""The pizzeria tested as its own people would do it, with the fixtures that webframe brings.

Settings hold for the whole process, and the pizzeria has its own: `test_example_inside.py` runs this folder elsewhere.
"""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from example_app import app as pizzeria
from example_app.menu import open_menu
from example_app.models import Pizza
from example_app.orders import Draft
from webframe.test import Client


@pytest.fixture
def app() -> Any:
    return pizzeria


@pytest.fixture
def menu(db: None) -> None:
    """The first menu, in a transaction that is rolled back."""
    open_menu()


@pytest.fixture
def shop(menu: None, client: Client) -> Client:
    """A browser, so to speak, at the pizzeria."""
    client.headers["Accept"] = "text/html,*/*;q=0.8"
    return client


def draft(name: str = "Ada", **quantities: object) -> Draft:
    return Draft(name, quantities)


def a_pizza(slug: str) -> Pizza:
    found: Pizza = Pizza.objects.get(slug=slug)
    return found


def words(page: Any) -> str:
    """What a person reads: the text of a page without its tags, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text)).split())

"""The assertions of test cases as functions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from webframe import Webframe
from webframe.test import Client, asserts
from webframe.test.assertions import Assertions
from webframe.test.testcases import TransactionTestCase


def test_they_are_those_of_the_test_cases() -> None:
    app = Webframe("asserts")

    @app.get("/")
    def index(request):
        return "hello"

    with Client(app) as client:
        asserts.assertContains(client.get("/"), "hello", count=1)
        with pytest.raises(AssertionError, match="bye"):
            asserts.assertContains(client.get("/"), "bye")


def test_all_are_there() -> None:
    ours = {name for cls in (Assertions, TransactionTestCase) for name in vars(cls) if name.startswith("assert")}
    assert ours <= set(asserts.__all__)
    assert {"assertEqual", "assertNumQueries"} <= set(asserts.__all__)
    for name in asserts.__all__:
        assert callable(getattr(asserts, name))


def test_what_is_none_is_told() -> None:
    with pytest.raises(AttributeError, match="'assertPizza'; it has the assertions of test cases"):
        asserts.assertPizza  # noqa: B018


def test_those_that_ask_no_database_load_nothing_of_it() -> None:
    code = "import sys, webframe.test.asserts as a; a.assertContains; print('webframe.db.models' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"

"""What stands under a global name until it is first used: modules, and regular expressions."""

from __future__ import annotations

import sys
from types import ModuleType
from unittest import mock

import pytest

from webframe._lazy import LateModule, late_pattern


@pytest.fixture
def shelf(monkeypatch):
    """A module that others import late."""
    module = ModuleType("late_shelf")
    module.books = 3
    monkeypatch.setitem(sys.modules, "late_shelf", module)
    return module


def namespace(**names):
    """The globals of a module in which these were made."""
    for stand_in in names.values():
        vars(stand_in)["_namespace"] = names
    return names


def test_the_module_takes_the_place_of_its_stand_in_at_the_first_use(shelf):
    names = namespace(shelf=LateModule("late_shelf"))
    assert names["shelf"].books == 3
    assert names["shelf"] is shelf


def test_what_a_test_puts_into_a_module_that_nobody_has_used_is_in_the_module(shelf):
    names = namespace(shelf=LateModule("late_shelf"))
    with mock.patch.object(names["shelf"], "books", 4):
        assert shelf.books == names["shelf"].books == 4
    assert shelf.books == 3
    stand_in = LateModule("late_shelf")
    stand_in.books = 5
    assert shelf.books == 5
    del stand_in.books
    assert not hasattr(shelf, "books")


def test_a_pattern_is_compiled_when_it_is_used():
    names = namespace(word=late_pattern(r"\w+"))
    assert names["word"].match("late!")[0] == "late"
    assert names["word"].pattern == r"\w+"

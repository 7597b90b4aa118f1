"""Attributes computed at first use."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.utils import cached_property

from webframe.http.lazy import all_lazy, lazy


class Base:
    asked = 0

    @cached_property
    def inherited(self) -> str:
        """Inherited."""
        self.asked += 1
        return "inherited"

    @property
    def fixed(self) -> str:
        return "fixed"


@all_lazy
class Thing(Base):
    @lazy
    def answer(self) -> int:
        """The answer."""
        self.asked += 1
        return 42


def test_a_lazy_attribute_is_computed_once_and_plain_from_then_on() -> None:
    thing = Thing()
    assert vars(thing) == {}
    assert (thing.answer, thing.answer, thing.asked) == (42, 42, 1)
    assert vars(thing)["answer"] == 42


def test_a_lazy_attribute_may_be_assigned() -> None:
    thing = Thing()
    thing.answer = 43
    assert (thing.answer, thing.asked) == (43, 0)


def test_a_deleted_attribute_is_computed_again() -> None:
    thing = Thing()
    assert thing.answer == 42
    del thing.answer
    assert (thing.answer, thing.asked) == (42, 2)


def test_the_class_shows_the_documentation() -> None:
    assert Thing.__dict__["answer"].__doc__ == "The answer."
    assert Thing.__dict__["inherited"].__doc__ == "Inherited."
    answer: Any = Thing.answer
    assert answer is Thing.__dict__["answer"]


def test_an_error_is_not_remembered() -> None:
    class Failing:
        attempts = 0

        @lazy
        def value(self) -> int:
            self.attempts += 1
            if self.attempts == 1:
                raise ValueError("first")
            return self.attempts

    failing = Failing()
    with pytest.raises(ValueError, match="first"):
        _ = failing.value
    assert failing.value == 2


@pytest.mark.parametrize("name", ["inherited", "fixed"])
def test_inherited_properties_become_lazy(name: str) -> None:
    thing: Any = Thing()
    assert getattr(thing, name) == name
    assert vars(thing)[name] == name
    setattr(thing, name, "other")
    assert getattr(thing, name) == "other"
    assert not hasattr(Thing.__dict__[name], "__set__")
    assert isinstance(Base.__dict__[name], property)

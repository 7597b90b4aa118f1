"""What is otherwise for the length of a test: `webframe.test.utils` beside the environment."""

from __future__ import annotations

import asyncio
import sys
import time
import unittest
import warnings
from functools import lru_cache
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase

import pytest

from webframe.apps import AppConfig, apps
from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.test import utils
from webframe.test.utils import (
    Approximate,
    TestContextDecorator,
    captured_stderr,
    captured_stdin,
    captured_stdout,
    extend_sys_path,
    freeze_time,
    ignore_warnings,
    isolate_apps,
    isolate_lru_cache,
    override_settings,
    register_lookup,
    tag,
)


def test_the_names_of_django_are_all_there() -> None:
    for name in utils.__all__:
        assert getattr(utils, name).__name__ == name


class counted(TestContextDecorator):
    """Counts how often it was entered and left."""

    events: list[str] = []

    def enable(self) -> str:
        self.events.append("enter")
        return "value"

    def disable(self) -> None:
        self.events.append("leave")


@pytest.fixture(autouse=True)
def no_events() -> None:
    counted.events.clear()


def run(case: type[TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    for name in sorted(name for name in dir(case) if name.startswith("test")):
        case(name).run(result)
    assert not result.errors and not result.failures, (result.errors, result.failures)
    return result


def test_a_context_decorator_is_a_block_and_a_decorator_of_functions_of_both_kinds() -> None:
    with counted() as value:
        assert value == "value" and counted.events == ["enter"]

    @counted(kwarg_name="given")
    def plain(given: str) -> str:
        return given + plain_inner()

    @counted()
    def plain_inner() -> str:
        return "!"

    @counted(kwarg_name="given")
    async def later(given: str) -> str:
        await asyncio.sleep(0)
        assert counted.events[-1] == "enter"
        return given

    assert plain() == "value!"
    assert asyncio.run(later()) == "value"
    assert counted.events.count("enter") == counted.events.count("leave") == 4


def test_around_a_class_it_holds_for_each_test_and_its_set_up() -> None:
    @counted(attr_name="seen")
    class Tests(IsolatedAsyncioTestCase):
        def setUp(self) -> None:
            assert self.seen == "value"

        def test_one(self) -> None:
            assert counted.events[-1] == "enter"

        async def test_two(self) -> None:
            assert counted.events[-1] == "enter"

    class More(Tests):
        def setUp(self) -> None:
            counted.events.append("set up")
            super().setUp()

    assert run(Tests).testsRun == 2
    assert counted.events == ["enter", "leave"] * 2
    counted.events.clear()
    run(More)
    assert counted.events == ["set up", "enter", "leave"] * 2


def test_around_a_class_of_pytest_it_holds_for_each_test() -> None:
    @counted()
    class TestThings:
        def test_one(self) -> list[str]:
            return list(counted.events)

    assert TestThings().test_one() == ["enter"]
    with pytest.raises(TypeError, match="attr_name is for subclasses of unittest.TestCase, and TestThings is none"):
        counted(attr_name="seen")(TestThings)


def test_models_defined_in_isolation_are_in_a_registry_of_their_own() -> None:
    with isolate_apps(__name__) as registry:

        class Alone(models.Model):
            friend = models.ForeignKey("Alone", models.CASCADE)

            class Meta:
                app_label = "test_contexts"

    assert Alone._meta.apps is registry and registry.get_models() == [Alone]
    assert registry.get_model("test_contexts.Alone") is Alone is Alone._meta.get_field("friend").related_model
    assert "alone" not in apps.all_models["test_contexts"]

    @isolate_apps(kwarg_name="apps")
    def define(apps: Any) -> type[Any]:
        class Alone(models.Model):
            class Meta:
                app_label = "test_contexts"

        assert apps.get_app_configs() == []
        return Alone

    assert define() is not define()
    with isolate_apps() as inner, isolate_apps() as innermost:
        assert inner is not innermost


def test_an_app_in_isolation_is_not_made_ready_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Config(AppConfig):
        name = __name__
        label = "shop"

        def ready(self) -> None:
            calls.append(self)

    monkeypatch.setattr(AppConfig, "create", lambda entry: Config(__name__, sys.modules[__name__]))
    with isolate_apps(__name__) as registry:
        assert registry.get_app_config("shop").name == __name__
    assert calls == []


@override_settings(DATABASES={"default": "sqlite:///:memory:"})
def test_a_lookup_is_known_within_the_block_only() -> None:
    class Sounds(models.Lookup):
        lookup_name = "sounds"

        @classmethod
        def compare(cls, lhs: Any, rhs: Any, scope: Any) -> Any:
            return lhs == rhs

    with isolate_apps():

        class Note(models.Model):
            text = models.CharField(max_length=10)

            class Meta:
                app_label = "notes"

    for field in models.CharField, models.Field, models.SlugField:
        with register_lookup(field, Sounds), register_lookup(field, Sounds, lookup_name="echoes"):
            assert "sounds" in field.get_lookups() and "echoes" in field.get_lookups()
            if field is not models.SlugField:
                str(Note.objects.filter(text__sounds="x").query)
        assert "sounds" not in field.get_lookups() and "echoes" not in field.get_lookups()
        with pytest.raises(FieldError, match="sounds"):
            Note.objects.filter(text__sounds="x").exists()

    class Other(Sounds):
        pass

    with register_lookup(models.CharField, Sounds):
        with register_lookup(models.CharField, Other):
            assert models.CharField.get_lookups()["sounds"] is Other
        assert models.CharField.get_lookups()["sounds"] is Sounds

    class Not(Sounds):
        lookup_name = "exact"

        @classmethod
        def compare(cls, lhs: Any, rhs: Any, scope: Any) -> Any:
            return lhs != rhs

    def question() -> str:
        return str(Note.objects.filter(text="x").query).partition("WHERE")[2]

    before = question()
    with register_lookup(models.CharField, Not):
        assert "!=" in question()
    assert question() == before and "!=" not in before


def test_a_lookup_of_a_single_field_is_refused() -> None:
    with pytest.raises(TypeError, match="classes of fields, not for .* Give CharField"):
        with register_lookup(models.CharField(), models.Lookup):
            pass


def test_warnings_are_ignored_by_their_category_or_their_message() -> None:
    with ignore_warnings(category=DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    with ignore_warnings(message="harm.*"):
        warnings.warn("harmless", UserWarning, stacklevel=1)
        with pytest.raises(UserWarning):
            warnings.warn("dangerous", UserWarning, stacklevel=1)

    @ignore_warnings(category=UserWarning)
    async def careless() -> None:
        warnings.warn("x", UserWarning, stacklevel=1)

    asyncio.run(careless())
    with pytest.raises(UserWarning):
        warnings.warn("x", UserWarning, stacklevel=1)


def test_a_cache_is_empty_before_and_after() -> None:
    @lru_cache
    def twice(number: int) -> int:
        return 2 * number

    twice(1)
    with isolate_lru_cache(twice):
        assert twice.cache_info().currsize == 0
        twice(2)
    assert twice.cache_info().currsize == 0


def test_streams_the_path_and_the_time() -> None:
    with captured_stdout() as out, captured_stderr() as err, captured_stdin() as stdin:
        stdin.write("typed\n")
        stdin.seek(0)
        print(input())
        print("wrong", file=sys.stderr)
    assert out.getvalue() == "typed\n" and err.getvalue() == "wrong\n"
    before = list(sys.path)
    with extend_sys_path("/there"):
        assert sys.path == [*before, "/there"]
    assert sys.path == before
    with freeze_time(7.5):
        assert time.time() == 7.5
    assert time.time() > 7.5


def test_tags_add_up() -> None:
    @tag("slow")
    class Tests(TestCase):
        @tag("wide", "deep")
        @tag("odd")
        def test(self) -> None: ...

    @tag("more")
    class Others(Tests): ...

    assert Tests.tags == {"slow"} and Tests.test.tags == {"wide", "deep", "odd"}
    assert Others.tags == {"slow", "more"}


def test_approximate_numbers() -> None:
    assert Approximate(4.0000000001) == 4 and {"total": 0.1 + 0.2} == {"total": Approximate(0.3)}
    assert Approximate(4.5, places=0) == 4 and Approximate(4.5, places=1) != 4
    assert repr(Approximate(4.5)) == "4.5"

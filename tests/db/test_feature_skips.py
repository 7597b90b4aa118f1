"""Tests that are for some databases only: `skipUnlessDBFeature` and kin, on every engine."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import SkipTest, TestCase

import pytest

import webframe.test
from webframe.test import skipIfDBFeature, skipUnlessAnyDBFeature, skipUnlessDBFeature

from .conftest import Engine

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "M"}


def reason(decorate: Any) -> str | None:
    """Why a test is skipped, or None."""

    @decorate
    def test(value: int) -> int:
        return value

    @decorate
    async def later(value: int) -> int:
        return value

    @decorate
    class Tests(TestCase):
        def test(self) -> None: ...

    def run(call: Any) -> str | None:
        try:
            call()
        except SkipTest as skip:
            return str(skip)
        return None

    reasons = {
        run(lambda: test(1)),
        run(lambda: asyncio.run(later(1))),
        run(Tests("test").test),
    }
    assert len(reasons) == 1, "Every kind of test is treated alike."
    return reasons.pop()


def test_a_test_needs_all_features_of_one_decorator(engine: Engine) -> None:
    assert reason(skipUnlessDBFeature("supports_transactions", "uses_savepoints")) is None
    locks = reason(skipUnlessDBFeature("supports_transactions", "has_select_for_update"))
    if engine.vendor == "sqlite":
        assert locks == "SQLite has not all of supports_transactions, has_select_for_update"
    else:
        assert locks is None


def test_a_test_needs_one_feature_of_another(engine: Engine) -> None:
    assert reason(skipUnlessAnyDBFeature("supports_transactions", "has_select_for_update")) is None
    skipped = reason(skipUnlessAnyDBFeature("autocommits_when_autocommit_is_off"))
    assert skipped is not None and skipped.startswith(NAMES[engine.vendor])
    assert skipped.endswith(" has none of autocommits_when_autocommit_is_off")


def test_a_test_must_not_have_a_feature(engine: Engine) -> None:
    assert reason(skipIfDBFeature("autocommits_when_autocommit_is_off")) is None
    skipped = reason(skipIfDBFeature("supports_transactions", "has_select_for_update"))
    assert skipped is not None and " has supports_transactions, has_select_for_update" in skipped


@pytest.mark.engines("sqlite")
def test_features_that_do_not_exist_are_told(engine: Engine) -> None:
    with pytest.raises(AttributeError, match="no feature 'has_json'.* attributes of connection.features"):
        reason(skipIfDBFeature("has_json"))


def test_a_decorator_without_features_is_refused() -> None:
    for wrong in (), (lambda: None,):
        with pytest.raises(TypeError, match="takes the names of features"):
            skipUnlessDBFeature(*wrong)


def test_conditions_of_a_class_and_of_its_bases_add_up() -> None:
    @skipUnlessDBFeature("supports_transactions")
    class Base(webframe.test.TestCase): ...

    @skipIfDBFeature("has_select_for_update")
    class Tests(Base): ...

    assert len(vars(Base)["_webframe_features"]) == 1 and len(vars(Tests)["_webframe_features"]) == 2

"""Tests that are for some databases only: skipped where the database of "default" has a feature, or lacks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast
from unittest import SkipTest

from webframe.conf import close_match
from webframe.db.connections import DEFAULT_ALIAS, connections
from webframe.test.decorating import decorate_tests
from webframe.waiting import is_async

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# Where a class of our test cases keeps what is to be asked before its tests.
CONDITIONS = "_webframe_features"


class Condition:
    """Decides whether tests are run; as a decorator, those of a class or a single one.

    It is asked when the test begins, and no earlier: what a database can do is a
    matter of its server, too.
    """

    def __init__(self, skip: Callable[[Iterable[bool]], bool], why: str, features: tuple[str, ...]) -> None:
        if not features or not all(isinstance(name, str) for name in features):
            raise TypeError(
                "This decorator takes the names of features: @skipUnlessDBFeature('has_select_for_update'). They are "
                "the attributes of connection.features."
            )
        self._skip = skip
        self._why = why
        self._features = features

    def check(self, case: Any = None) -> None:
        """Raise `SkipTest` if the tests, of the class that is given, are not for this database."""
        if case is not None and case.databases != "__all__" and DEFAULT_ALIAS not in case.databases:
            raise ValueError(
                f"{case.__qualname__} cannot be skipped for what the database {DEFAULT_ALIAS!r} can do: its tests may "
                f"not use it. Add {DEFAULT_ALIAS!r} to {case.__qualname__}.databases."
            )
        connection = connections[DEFAULT_ALIAS]
        if self._skip(_has(connection.features, name) for name in self._features):
            raise SkipTest(f"{connection.display_name} {self._why} {', '.join(self._features)}")

    def __call__(self, decorated: Decorated) -> Decorated:
        if isinstance(decorated, type):
            if hasattr(decorated, CONDITIONS):
                setattr(decorated, CONDITIONS, (*getattr(decorated, CONDITIONS), self))
                return decorated
            return cast(Decorated, decorate_tests(decorated, self.decorate_function))
        return cast(Decorated, self.decorate_function(decorated))

    def decorate_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Have it decide about one test."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.check(_case_of(args))
            return function(*args, **kwargs)

        @wraps(function)
        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            self.check(_case_of(args))
            return await function(*args, **kwargs)

        return call_coroutine if is_async(function) else call


def skipIfDBFeature(*features: str) -> Condition:
    """Skip a test, or a class of them, if the database has one of these features."""
    return Condition(any, "has", features)


def skipUnlessDBFeature(*features: str) -> Condition:
    """Skip a test, or a class of them, unless the database has all these features."""
    return Condition(lambda there: not all(there), "has not all of", features)


def skipUnlessAnyDBFeature(*features: str) -> Condition:
    """Skip a test, or a class of them, unless the database has one of these features."""
    return Condition(lambda there: not any(there), "has none of", features)


def _has(features: Any, name: str) -> bool:
    try:
        return bool(getattr(features, name))
    except AttributeError:
        known = [each for each in dir(features) if not each.startswith("_")]
        raise AttributeError(
            f"Databases have no feature {name!r}.{close_match(name, known)} They are attributes of connection.features."
        ) from None


def _case_of(args: tuple[Any, ...]) -> type[Any] | None:
    """The class of our test cases that a method was called on."""
    return type(args[0]) if args and hasattr(args[0], CONDITIONS) else None

"""What is otherwise for the length of a test: warnings, streams, the time.

Those that are classes are context managers and decorators: of functions of every
kind, and of classes of tests, where they hold for each test by itself.
"""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, cast
from unittest import TestCase
from unittest.mock import patch

from webframe.test.decorating import decorate_function, decorate_tests

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class TestContextDecorator:
    """Base of context managers that are decorators too; a subclass defines `enable` and `disable`.

    `attr_name` is the attribute of a test that is set to what `enable` returns,
    if a class is decorated; `kwarg_name` the keyword that a decorated function gets it by.
    """

    # pytest would take it for tests, by its name.
    __test__: ClassVar[bool] = False

    def __init__(self, attr_name: str | None = None, kwarg_name: str | None = None) -> None:
        self.attr_name = attr_name
        self.kwarg_name = kwarg_name

    def enable(self) -> Any:
        """What is done at the beginning; what it returns, ``with ... as`` gives."""
        raise NotImplementedError(f"{type(self).__name__} has to define enable().")

    def disable(self) -> None:
        """What is done at the end."""
        raise NotImplementedError(f"{type(self).__name__} has to define disable().")

    def __enter__(self) -> Any:
        return self.enable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disable()

    def copy(self) -> Self:
        """The same with a life of its own, for calls that overlap."""
        return copy(self)

    def decorate_class(self, decorated: type[Any]) -> type[Any]:
        """Have it hold for each test of a class, from before its `setUp` on."""
        if not issubclass(decorated, TestCase):
            if self.attr_name is not None:
                raise TypeError(f"attr_name is for subclasses of unittest.TestCase, and {decorated.__name__} is none.")
            return decorate_tests(decorated, self.decorate_callable)
        owner: Any = decorated
        original = vars(owner).get("setUp")

        def setUp(test: Any) -> None:
            value = test.enterContext(self.copy())
            if self.attr_name is not None:
                setattr(test, self.attr_name, value)
            if original is not None:
                original(test)
            else:
                above: Any = super(owner, test)
                above.setUp()

        owner.setUp = setUp
        return decorated

    def decorate_callable(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Have it hold for each call of a function."""

        @contextmanager
        def block(keywords: dict[str, Any]) -> Iterator[None]:
            with self.copy() as value:
                if self.kwarg_name is not None:
                    keywords[self.kwarg_name] = value
                yield

        return decorate_function(function, block)

    def __call__(self, decorated: Decorated) -> Decorated:
        if isinstance(decorated, type):
            return cast(Decorated, self.decorate_class(decorated))
        if isinstance(decorated, (classmethod, staticmethod)):
            return cast(Decorated, type(decorated)(self.decorate_callable(decorated.__func__)))
        return cast(Decorated, self.decorate_callable(decorated))


class ignore_warnings(TestContextDecorator):
    """Warnings of a `category`, with a `message` or of a `module` (regular expressions), are ignored meanwhile."""

    def __init__(self, **filter: Any) -> None:
        super().__init__()
        self._filter = filter

    def enable(self) -> None:
        """Ignore them."""
        self._catcher = warnings.catch_warnings()
        self._catcher.__enter__()
        add = warnings.filterwarnings if self._filter.keys() & {"message", "module"} else warnings.simplefilter
        add("ignore", **self._filter)

    def disable(self) -> None:
        """Treat them as before."""
        self._catcher.__exit__(None, None, None)


@contextmanager
def isolate_lru_cache(cached: Any) -> Iterator[None]:
    """The cache of a function with `functools.lru_cache` is empty at the beginning of the block, and after it."""
    cached.cache_clear()
    try:
        yield
    finally:
        cached.cache_clear()


@contextmanager
def extend_sys_path(*paths: str) -> Iterator[None]:
    """Within the block modules are looked for in these folders too, last."""
    before = list(sys.path)
    sys.path.extend(map(str, paths))
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def captured_output(stream_name: str) -> Iterator[io.StringIO]:
    """Within the block "stdout", "stderr" or "stdin" is a text in memory, which it gives."""
    with patch.object(sys, stream_name, io.StringIO()) as stream:
        yield stream


def captured_stdout() -> Any:
    """What is printed within the block: ``with captured_stdout() as stdout``, then ``stdout.getvalue()``."""
    return captured_output("stdout")


def captured_stderr() -> Any:
    """Like `captured_stdout`, for what goes to `sys.stderr`."""
    return captured_output("stderr")


def captured_stdin() -> Any:
    """What is read within the block: write it to what this gives, and go back to its beginning with ``seek(0)``."""
    return captured_output("stdin")


@contextmanager
def freeze_time(moment: float) -> Iterator[None]:
    """Within the block `time.time()` is always this moment, in seconds of the epoch."""
    with patch.object(time, "time", lambda: moment):
        yield


def tag(*tags: str) -> Callable[[Decorated], Decorated]:
    """Give tests, or all tests of a class, names to choose them by: their attribute `tags`, a set."""

    def decorate(decorated: Decorated) -> Decorated:
        decorated.tags = {*getattr(decorated, "tags", ()), *tags}  # type: ignore[attr-defined]
        return decorated

    return decorate


# --- numbers ------------------------------------------------------------------------------------------------------


class Approximate:
    """Is equal to every number that differs from its own by less than half a unit of the place after the point."""

    def __init__(self, val: Any, places: int = 7) -> None:
        self.val = val
        self.places = places

    def __repr__(self) -> str:
        return repr(self.val)

    def __eq__(self, other: object) -> bool:
        difference: Any = self.val == other or abs(self.val - cast(Any, other))
        return difference is True or round(difference, self.places) == 0

    __hash__ = None  # type: ignore[assignment]

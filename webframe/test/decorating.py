"""With-blocks of tests, and such blocks as decorators: of functions of every kind, and of classes of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager, ExitStack, aclosing
from functools import wraps
from inspect import getattr_static, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import FunctionType, TracebackType
from typing import Any, Generic, TypeVar

# Gives a block for one call, and what is added to the keywords of that call.
MakeBlock = Callable[[dict[str, Any]], AbstractContextManager[Any]]

Kind = TypeVar("Kind", bound=type)
Given = TypeVar("Given")


class Block(Generic[Given]):
    """A with-block of which the end undoes what its beginning did; in force once at a time."""

    # What is to be undone at the end of the block that we are in; None outside of it.
    _undo: ExitStack | None = None

    def begin(self, undo: ExitStack) -> Given:
        """Do what is to be done; `undo` takes what undoes it. Gives what stands behind `as`."""
        raise NotImplementedError

    def __enter__(self) -> Given:
        if self._undo is not None:
            raise RuntimeError(f"This {type(self).__name__}() is in force already. Make another for the inner block.")
        with ExitStack() as undo:
            given = self.begin(undo)
            self._undo = undo.pop_all()
        return given

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._undo is not None
        undo, self._undo = self._undo, None
        undo.close()


def decorate_function(function: Callable[..., Any], make_block: MakeBlock) -> Callable[..., Any]:
    """Have each call of a function run within a block of its own; if it makes a generator, for as long as that lives.

    `make_block` is given the keywords of the call when the call begins, and may
    add to them when the block does.
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with make_block(kwargs):
            return function(*args, **kwargs)

    @wraps(function)
    async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
        with make_block(kwargs):
            return await function(*args, **kwargs)

    @wraps(function)
    def call_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with make_block(kwargs):
            return (yield from function(*args, **kwargs))

    @wraps(function)
    async def call_async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with make_block(kwargs):
            async with aclosing(function(*args, **kwargs)) as generator:
                async for value in generator:
                    yield value

    if iscoroutinefunction(function):
        return call_coroutine
    if isasyncgenfunction(function):
        return call_async_generator
    if isgeneratorfunction(function):
        return call_generator
    return call


def decorate_tests(decorated: Kind, decorate: Callable[[Any], Any]) -> Kind:
    """Decorate every method of a class whose name begins with "test", inherited ones too."""
    for name in dir(decorated):
        method = getattr_static(decorated, name)
        if name.startswith("test") and isinstance(method, (FunctionType, classmethod, staticmethod)):
            setattr(decorated, name, decorate(method))
    return decorated

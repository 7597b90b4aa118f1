"""Plain generators in the place of async ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from webframe import Request


def asynchronously(function: Callable[[Request], Iterator[Any]]) -> Callable[[Request], AsyncIterator[Any]]:
    """An async middleware that does what a plain one does."""

    async def middleware(request: Request) -> AsyncIterator[Any]:
        generator: Any = function(request)
        step = partial(next, generator)
        while True:
            try:
                answer = step()
            except StopIteration as stop:
                if stop.value is not None:
                    yield stop.value  # an async generator cannot return it
                return
            try:
                response = yield answer
            except BaseException as error:
                step = partial(generator.throw, error)
            else:
                step = partial(generator.send, response)

    middleware.__qualname__ = function.__qualname__
    return middleware

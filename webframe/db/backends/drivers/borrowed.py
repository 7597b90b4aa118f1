"""How code on an event loop takes part in a transaction that was begun by plain code, as a test's is.

Its connection belongs to no loop. A thread runs each statement, as for drivers that
have no async twin; but nobody may close the connection, which others go on with. So a
task that is cancelled meanwhile waits until the statement has come to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from webframe.db.backends.drivers import threads
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.threaded import ThreadedLink
from webframe.waiting import wait

T = TypeVar("T")


class BorrowedLink(ThreadedLink):
    """Another link, for as long as it takes to run a statement on an event loop."""

    def __init__(self, inner: Link, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(inner, loop)
        self.streams = inner.streams

    def hop(self, function: Callable[..., T], /, *args: Any) -> T:
        return wait(_to_its_end(threads.start(function, *args)))

    def terminate(self) -> None:
        self.inner.terminate()


async def _to_its_end(future: asyncio.Future[T]) -> T:
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                pass  # it is cancelled already
        if not future.cancelled():
            future.exception()  # nobody is going to hear of it
        raise

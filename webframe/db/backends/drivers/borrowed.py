"""How code takes part in a transaction of the other side: async code in one of plain code, and the reverse.

A test's transaction is begun by plain code, and the async views that it calls are to
be in it. Its connection belongs to no event loop, so a thread runs each of their
statements. A connection of an async driver belongs to its loop, so a worker thread
that takes part in the transaction of an async view has its statements run there.

Either way one statement costs a hop or two.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from webframe._lazy import LateModule
from webframe.db.backends.drivers import threads
from webframe.db.backends.drivers.base import Link
from webframe.db.backends.drivers.threaded import ThreadedLink, still_used
from webframe.db.errors import TransactionManagementError
from webframe.greenlets import bridge
from webframe.waiting import wait
from webframe.workers import wait_alone

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

T = TypeVar("T")


class BorrowedByLoop(ThreadedLink):
    """A link of plain code, for a statement on an event loop.

    Nobody here may close the connection, with which others go on. So a task that is
    cancelled meanwhile waits until the statement has come to its end; and who closes
    it all the same, since the loop has stopped, waits for the thread (`Link.call_back`).
    """

    def __init__(self, inner: Link, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(inner, loop)
        self.streams = inner.streams

    def hop(self, function: Callable[..., T], /, *args: Any) -> T:
        lent = self.inner.lent
        if not lent.acquire(blocking=False):
            raise still_used()
        try:
            future = threads.start(self._use, function, args)
        except BaseException:
            lent.release()
            raise
        return wait(_to_its_end(future))

    def _use(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        self.inner.lent_to = get_ident()
        try:
            return function(*args)
        finally:
            self.inner.lent_to = 0
            self.inner.lent.release()

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


class BorrowedByThread(ThreadedLink):
    """A link of an event loop, for a statement in a thread that the loop waits for."""

    def __init__(self, inner: Link, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(inner, loop)
        self.streams = inner.streams

    def hop(self, function: Callable[..., T], /, *args: Any) -> T:
        assert self.loop is not None
        return wait_alone(on_loop(self.loop, function, *args))

    def terminate(self) -> None:
        self.inner.terminate()


async def on_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., T], *args: Any) -> T:
    """Run a plain function that waits for things of an event loop; raises an error if it is not that which runs."""
    if asyncio.get_running_loop() is not loop:
        raise on_another_loop()
    return await bridge(function, *args)


def on_another_loop() -> TransactionManagementError:
    """What is raised where code is in a transaction that belongs to another event loop than its own."""
    return TransactionManagementError(
        "This code runs in another thread or on another event loop than the one on which its transaction was begun, "
        "and its connection cannot be used from there. Leave the atomic block first; plain code that belongs to it is "
        "run by webframe.workers.run(function)."
    )

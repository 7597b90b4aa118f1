"""Helpers of both edges for bodies and tasks on an event loop."""

from __future__ import annotations

import contextlib
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from webframe import waiting
from webframe._jobs import job_here
from webframe._lazy import LateModule
from webframe.workers import run

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

T = TypeVar("T")

# A stream that never suspends would keep the loop to itself, and would not notice that its client is gone:
# after so many chunks, or messages of a WebSocket, it lets the others have a turn.
CHUNKS_IN_A_ROW = 128


async def iterate(body: Any) -> AsyncGenerator[bytes]:
    """The chunks of a body of either kind; plain iterators are stepped in the request's worker.

    To be closed with `aclose`, however it is left. The body itself is left to its response.
    """
    count = 0
    if hasattr(body, "__aiter__"):
        iterator = aiter(body)
        try:
            async for chunk in iterator:
                yield chunk
                count += 1
                if not count % CHUNKS_IN_A_ROW:
                    await asyncio.sleep(0)
        finally:
            if iterator is not body and hasattr(iterator, "aclose"):
                await iterator.aclose()
        return
    iterator = await run_to_its_end(iter, body)
    while (chunk := await run_to_its_end(next, iterator, None)) is not None:
        yield chunk


async def run_to_its_end(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Run plain code in the worker of the request; a cancellation meanwhile is raised only when it has ended.

    So nothing of a request still runs when it is finished. What has not begun
    when the cancellation comes never does.
    """
    work = _Work(partial(function, *args, **kwargs))
    try:
        return await run(work)
    except asyncio.CancelledError:
        await work.end()
        raise


class _Work:
    """Plain code in a worker, whose end can be waited for."""

    __slots__ = ("ended", "function", "tickets", "waiter")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        # One, for who comes first: the worker, to begin, or the loop, to keep it from beginning.
        self.tickets = [True]
        self.ended = False
        # Who waits for the end. The worker sets `ended` and then looks here; the loop does it the other way round.
        self.waiter: asyncio.Future[None] | None = None

    def __call__(self) -> Any:
        if not self._takes_ticket():
            return None  # nobody wants the result any more
        try:
            return self.function()
        finally:
            self.ended = True
            waiter = self.waiter
            if waiter is not None and not waiter.get_loop().is_closed():
                waiter.get_loop().call_soon_threadsafe(_tell, waiter)

    def _takes_ticket(self) -> bool:
        try:
            return self.tickets.pop()
        except IndexError:
            return False

    async def end(self) -> None:
        """Wait until the code has ended, if it has begun; whatever cancels the waiting task meanwhile."""
        if self._takes_ticket():
            return
        waiter = self.waiter = asyncio.get_running_loop().create_future()
        while not self.ended:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((waiter,))

    def __repr__(self) -> str:
        return repr(self.function)


def _tell(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def shielded(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine to its end, even if the awaiting task is cancelled; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(_outcome(coroutine))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
        if task.cancelled():  # before it began, by a loop that ends and cancels all of its tasks
            task = asyncio.ensure_future(_outcome(coroutine))
    results, error = task.result()
    try:
        if cancelled is not None:
            raise cancelled from error
        if error is not None:
            raise error
    finally:
        del task, error, cancelled  # their tracebacks have this frame
    return results[0]


async def _outcome(coroutine: Coroutine[Any, Any, T]) -> tuple[list[T], BaseException | None]:
    """What a coroutine returns, or what it raises: SystemExit raised by a task of its own would end the loop."""
    try:
        return [await coroutine], None
    except BaseException as error:
        return [], error


def was_cancelled() -> bool:
    """Whether somebody has cancelled what the code here is part of: its task, or the call that runs in its worker.

    A CancelledError alone does not say so: it also comes out of any cancelled task that is awaited.
    """
    if waiting.on_running_loop():
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0  # a server that steps its requests without tasks may cancel them
    job = job_here()
    return job is not None and job.is_forsaken(inf)


class ClientGone(Exception):
    """The server says that nobody receives any more."""


@types.coroutine
def until_gone(
    coroutine: Coroutine[Any, Any, None],
    waited_for: Any,
    receive: Callable[[], Awaitable[Any]],
    is_read: Callable[[], bool],
) -> Generator[Any, Any, None]:
    """Go on with the serving of a request, which waits for something; end quietly when its client goes away.

    Until the body `is_read`, the view hears of that by itself.
    """
    watch = DisconnectWatch(receive, is_read)
    try:
        yield from _continued(coroutine.__await__(), waited_for)
    except ClientGone:
        return
    except asyncio.CancelledError:
        if not watch.gone:
            raise
    finally:
        watch.end()


@types.coroutine
def in_time(awaitable: Awaitable[T], seconds: float) -> Generator[Any, Any, T]:
    """Await something for so many seconds; then `TimeoutError`. Costs nothing where nothing is waited for."""
    iterator = awaitable.__await__()
    try:
        waited_for = next(iterator)
    except StopIteration as stop:
        done: T = stop.value
        return done
    return (yield from _in_time(iterator, waited_for, seconds).__await__())


async def _in_time(iterator: Generator[Any, Any, T], waited_for: Any, seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await _continued(iterator, waited_for)


@types.coroutine
def _continued(iterator: Generator[Any, Any, T], waited_for: Any) -> Generator[Any, Any, T]:
    """Go on with an awaitable that has been asked once already."""
    try:
        while True:
            try:
                yield waited_for
            except BaseException as error:
                if not hasattr(iterator, "throw"):
                    raise
                waited_for = iterator.throw(error)
            else:
                waited_for = next(iterator)  # granian's have no send() either
    except StopIteration as stop:
        done: T = stop.value
        return done


class DisconnectWatch:
    """Cancels the current task when the client of its request goes away.

    It begins to listen only after `DELAY` seconds, so that most requests do
    not pay for a task, and not before the body `is_read`.
    """

    # Seconds: short for a person who has closed a page, long for a view that only reads a row.
    DELAY = 0.05

    def __init__(self, receive: Callable[[], Awaitable[Any]], is_read: Callable[[], bool]) -> None:
        self._receive = receive
        self._is_read = is_read
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        self._listener: asyncio.Task[None] | None = None
        self._timer = loop.call_later(self.DELAY, self._begin)
        # Whether the client went away and the task was cancelled for it.
        self.gone = False

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_read():
            self._listener = loop.create_task(self._listen())
        else:
            self._timer = loop.call_later(self.DELAY, self._begin)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            # There is nothing else to tell. Who says something all the same may do so at once, again and again.
            await asyncio.sleep(self.DELAY)
        self.gone = True
        if self._task is not None:
            self._task.cancel("The client went away.")

    def end(self) -> None:
        """Stop listening. A cancellation that was ours has done its work, and is taken back."""
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if self.gone and self._task is not None:
            self._task.uncancel()

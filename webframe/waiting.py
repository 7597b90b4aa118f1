"""How code waits: the one room where plain code meets awaitables.

Plain code that has to wait for an awaitable calls `wait`, and never asks which
thread, loop or protocol it lives under. Four answers exist:

* in a worker thread, the awaitable runs on the event loop that waits for that
  worker; `workers.py` says so by setting `here.strategy`;
* in a greenlet that `greenlets.bridge` has started, the task awaits it, and the
  event loop is free meanwhile;
* elsewhere on a running event loop there is no way to wait without stopping
  everybody else, so `SynchronousOnlyOperation` is raised;
* in any other thread the awaitable goes to the process loop: `workers.py` makes
  that the default of `here.strategy`.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from itertools import chain

from webframe.core.exceptions import SynchronousOnlyOperation

# Type checkers know this name; importing it from typing would be most of what importing this costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from typing import Any, Protocol, TypeVar

    T = TypeVar("T")

    class Suspending(Protocol):
        """A greenlet that can wait."""

        def suspend(self, awaitable: Awaitable[T]) -> T: ...

    Strategy = Callable[[Awaitable[Any]], Any]


class Here(threading.local):
    """What this thread knows about waiting."""

    # How to wait in this thread: on the class for threads that nobody prepared, on the instance where somebody did.
    strategy: Strategy | None = None


here = Here()


def wait(awaitable: Awaitable[T]) -> T:
    """Wait for an awaitable from plain code and return its result.

    Raises `SynchronousOnlyOperation` on a running event loop, where waiting
    would stop every other task; `await` it there instead. In a greenlet of
    `greenlets.bridge` it suspends the task.
    """
    if on_running_loop():
        greenlet = current_greenlet()
        if greenlet is not None:
            return greenlet.suspend(awaitable)
        discard(awaitable)
        raise SynchronousOnlyOperation(
            f"Cannot wait for {awaitable!r} here: an event loop is running in this thread. Await it instead."
        )
    if here.strategy is None:
        discard(awaitable)
        raise RuntimeError("Nothing here knows how to wait: import webframe.workers first.")
    result: T = here.strategy(awaitable)
    return result


def in_turns(things: Sequence[T]) -> Iterator[Sequence[T]]:
    """Many things in pieces of `TURN`, for work that would keep an event loop busy: others have a turn in between.

    That is so in a greenlet of `greenlets.bridge`; elsewhere nobody is kept waiting.
    """
    if len(things) <= TURN:
        yield things
        return
    for start in range(0, len(things), TURN):
        if start:
            give_way()
        yield things[start : start + TURN]


def each_in_turns(things: Sequence[T]) -> Iterator[T]:
    """The same one by one."""
    return chain.from_iterable(in_turns(things))


# How many rows are made into objects, or handed out, in one turn of an event loop: about a millisecond.
TURN = 1_000


def give_way() -> None:
    """Let the other tasks of an event loop have their turn, from a greenlet in it; elsewhere do nothing."""
    greenlet = current_greenlet() if on_running_loop() else None
    if greenlet is not None:
        import asyncio

        greenlet.suspend(asyncio.sleep(0))


def refuse_on_loop(what: str, instead: str) -> None:
    """Raise `SynchronousOnlyOperation` where waiting would block an event loop that runs in this thread.

    `what` names the call that would block, `instead` what to call there.
    """
    if on_running_loop() and current_greenlet() is None:
        raise SynchronousOnlyOperation(f"{what} would block the running event loop. Use {instead} instead.")


def on_running_loop() -> bool:
    """Whether an event loop is running in this thread; never loads asyncio to find out."""
    return running_loop() is not None


def _look_for_loop() -> AbstractEventLoop | None:
    global running_loop
    # Not there yet while another thread is importing asyncio.
    asyncio = sys.modules.get("asyncio")
    found: Callable[[], AbstractEventLoop | None] | None = getattr(asyncio, "_get_running_loop", None)
    if found is None:
        return None
    running_loop = found
    return running_loop()


# The event loop that runs in this thread, or None. Call it as `waiting.running_loop()`: it becomes asyncio's own
# function once that is loaded. asyncio exports this name for event loops; the public one raises where there is none,
# which costs ten times as much, before each query of a database.
running_loop: Callable[[], AbstractEventLoop | None] = _look_for_loop


def _no_greenlet() -> Suspending | None:
    return None


# The greenlet that this code runs in, if waiting in it suspends a task; `greenlets.py`, once it is loaded, knows.
current_greenlet: Callable[[], Suspending | None] = _no_greenlet


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends to its end, without an event loop.

    Raises `RuntimeError` if it does suspend: whoever called `step` promised
    that everything below is plain code.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} suspended, though everything in it was declared to be plain code.")


def discard(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine that will not be awaited, so that Python does not warn about it."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling this gives a coroutine to await.

    True for coroutine functions, their partials and methods, objects whose
    class has an ``async def __call__``, and whatever is marked as a coroutine
    function (`inspect.markcoroutinefunction`, `asgiref.sync.markcoroutinefunction`).
    """
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        call = type(function).__call__ if callable(function) else None
        code = getattr(call, "__code__", None)
        if code is not None and code.co_flags & CO_COROUTINE:
            return True
    elif code.co_flags & CO_COROUTINE:
        return True
    if not getattr(function, "__dict__", True):
        return False  # nobody has marked it
    knows = getattr(sys.modules.get(_KEEPER_OF_MARKS), "iscoroutinefunction", None)
    return knows is not None and bool(knows(function))


# The flag of a code object that belongs to an ``async def`` (`inspect.CO_COROUTINE`, without loading inspect).
CO_COROUTINE = 0x80

# Where functions are marked as coroutine functions; whoever has marked one has loaded it.
_KEEPER_OF_MARKS = "inspect" if sys.version_info >= (3, 12) else "asyncio"

"""Calls of drivers that block, made in threads while the task that needs them waits.

A call always gets a thread at once: the last one that became free, or a new one.
That there are only so many follows from who calls: a connection is in one call at a
time, and connections come out of pools. A bound of our own could only do harm: when
all threads wait for a lock in the database, whoever has the lock needs one, too.

Threads that had nothing to do for a while end. They are not those of `workers.py`,
which belong to requests and may be waiting for the very task that calls here.
"""

from __future__ import annotations

import contextvars
import os
import threading
from _queue import Empty, SimpleQueue
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from webframe.waiting import wait

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
T = TypeVar("T")

# Seconds after which a thread that has nothing to do ends.
PATIENCE = 20.0


def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread and wait for its result; in a greenlet on a running event loop."""
    return wait(start(function, *args, **kwargs))


def start(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Call a function in a thread; the future in which to wait for its result.

    The function sees the caller's context variables. When the future is cancelled it
    runs to its end nevertheless; its result is dropped.
    """
    import asyncio

    errand = _Call(asyncio.get_running_loop(), function, args, kwargs)
    _submit(errand)
    return errand.future


def do(function: Callable[[], object]) -> None:
    """Call a function that raises nothing, in a thread if one is free, or else here; nobody waits for it.

    May be called from anywhere, by the garbage collector too.
    """
    try:
        thread = _idle.pop()
    except IndexError:
        function()
    else:
        thread.put(_Errand(function))


def spawn(function: Callable[[], object]) -> None:
    """Call a function that raises nothing in a thread; nobody waits for it. Not for the garbage collector."""
    _submit(_Errand(function))


class _Errand:
    """A function that nobody waits for."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function

    def run(self) -> Callable[[], object]:
        """Call it; what is to be called once the thread is free again."""
        self.function()
        return _nothing


class _Call:
    """A function and the future in which the caller awaits its result."""

    __slots__ = ("args", "context", "function", "future", "kwargs", "loop")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
    ) -> None:
        self.loop = loop
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.context = contextvars.copy_context()
        self.future: asyncio.Future[Any] = loop.create_future()

    def run(self) -> Callable[[], object]:
        """Call it; what is to be called once the thread is free again, which wakes the caller."""
        settle: Callable[[Any], None] = self.future.set_result
        outcome: Any
        try:
            outcome = self.context.run(self.function, *self.args, **self.kwargs)
        except StopIteration as error:  # a future refuses to carry it
            settle, outcome = self.future.set_exception, RuntimeError(f"{self.function!r} raised {error!r}")
        except BaseException as error:
            settle, outcome = self.future.set_exception, error
        try:
            return partial(_hand_over, self.loop, self.future, settle, outcome)
        finally:
            del settle, outcome  # an error refers to this frame


def _hand_over(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any
) -> None:
    try:
        loop.call_soon_threadsafe(_settle, future, settle, outcome)
    except RuntimeError:
        pass  # the loop is closed: nobody waits any more


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():
        settle(outcome)


def _nothing() -> None:
    """Nobody waits."""


def _submit(errand: _Call | _Errand) -> None:
    try:
        queue = _idle.pop()
    except IndexError:
        queue = SimpleQueue()
        threading.Thread(target=_work, args=(queue,), name=f"webframe-db-{next(_numbers)}", daemon=True).start()
    queue.put(errand)


def _work(queue: SimpleQueue[_Call | _Errand]) -> None:
    """What a thread does: one errand after another."""
    while True:
        try:
            errand = queue.get(timeout=PATIENCE)
        except Empty:
            try:
                _idle.remove(queue)
            except ValueError:
                continue  # somebody has just taken it out, to put something in
            return
        finish = errand.run()
        # Whoever wakes up now may have the next errand, and is to find this thread.
        _idle.append(queue)
        finish()
        del errand, finish  # or what the last one was about would live until the next one comes


def _start_afresh() -> None:
    """After a fork none of the threads exist any more: forget them all."""
    global _idle
    _idle = []


# The queues of the threads that have nothing to do, the most recently used last.
_idle: list[SimpleQueue[Any]] = []

# Numbers for the names of threads.
_numbers = iter(range(1, 1 << 62))

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

"""The greenlets of `greenlets.py`, which imports this at the first need: not everybody needs them."""

from __future__ import annotations

import sys
import threading
from asyncio import Task, current_task
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from webframe import waiting

P = ParamSpec("P")
T = TypeVar("T")

# How many greenlets that have nothing to do are kept, in each thread.
MAX_IDLE = 200


class Worker(greenlet):
    """A greenlet that runs one function after another."""

    __slots__ = ("abandoned", "failure", "finished", "job", "result", "task")

    def __init__(self) -> None:
        # What it has to call next. It is no argument of the first switch: the greenlet would keep that for ever.
        self.job: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = None
        # Whether the function has come to its end, and how.
        self.finished = False
        self.result: Any = None
        self.failure: BaseException | None = None
        # Whether nobody awaits it any more, so that it must come to its end without waiting.
        self.abandoned = False
        # The task that awaits it, where that has to be known.
        self.task: Any = None

    def run(self) -> None:
        """Call one function after another, each until its end; for ever."""
        while True:
            assert self.job is not None
            (function, args, kwargs), self.job = self.job, None
            try:
                self.result = function(*args, **kwargs)
            except GreenletExit:
                raise  # its thread has ended, or nobody refers to it any more
            except BaseException as error:
                self.failure = error
            # What waits for the next shall not keep them alive.
            del function, args, kwargs
            self.finished = True
            self.parent.switch()  # type: ignore[union-attr]  # whoever uses it

    def suspend(self, awaitable: Awaitable[T]) -> T:
        """Let the task await something, and return its result; called by code that runs in this greenlet."""
        if self.abandoned:
            waiting.discard(awaitable)
            raise GeneratorExit
        result: T = self.parent.switch(awaitable)  # type: ignore[union-attr]
        return result


async def bridge(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """See `greenlets.bridge`."""
    idle = _here.idle
    worker: Worker = idle.pop() if idle else Worker()
    worker.parent = here = getcurrent()
    worker.gr_context = here.gr_context
    if TASKS_MAY_BEGIN_AT_ONCE:
        worker.task = _task_here()
    worker.finished = False
    worker.job = (function, args, kwargs)
    awaitable = worker.switch()
    while not worker.finished:
        try:
            value = await awaitable
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                worker.abandoned = True
            # Not always the one that it began in: a task may begin within plain code that runs in a greenlet, and the
            # garbage collector may come upon a coroutine anywhere.
            worker.parent = getcurrent()
            awaitable = worker.throw(error)
        else:
            worker.parent = getcurrent()
            awaitable = worker.switch(value)
    result, worker.result = worker.result, None
    # They would keep alive whatever they have.
    worker.gr_context = worker.task = None
    if len(idle) < MAX_IDLE and not worker.abandoned:
        idle.append(worker)
    if worker.failure is None:
        return result  # type: ignore[no-any-return]  # it is the function's
    failure, worker.failure = worker.failure, None
    try:
        raise failure
    finally:
        del failure


class _Here(threading.local):
    """The greenlets of this thread that have nothing to do: they cannot be used in another."""

    def __init__(self) -> None:
        self.idle: list[Worker] = []


_here = _Here()


# An eager task takes its first steps within the code that makes it, which may run in a greenlet: of another task.
TASKS_MAY_BEGIN_AT_ONCE = sys.version_info >= (3, 12)


def _current() -> Worker | None:
    here = getcurrent()
    return here if type(here) is Worker else None


def _current_of_task() -> Worker | None:
    here = getcurrent()
    return here if type(here) is Worker and here.task is _task_here() else None


def _task_here() -> Task[Any] | None:
    loop = waiting.running_loop()
    return None if loop is None else current_task(loop)


waiting.current_greenlet = _current_of_task if TASKS_MAY_BEGIN_AT_ONCE else _current

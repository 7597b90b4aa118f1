"""A plain call on its way from an event loop to a thread and back, and an awaitable on its way from there to the loop.

A thread that waits for an awaitable runs meanwhile the plain code which that
awaitable asks for, so that going to and fro cannot deadlock. Code that is in a
transaction lets in nothing else: what belongs to other tasks could come to wait
for that very transaction. Context variables travel both ways.
"""

from __future__ import annotations

import contextvars
import threading
from _queue import SimpleQueue
from time import monotonic

from webframe._leases import Lease, current_lease
from webframe.waiting import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    from webframe._pool import Runnable

    T = TypeVar("T")


class Job:
    """A plain call on its way to a worker and back."""

    __slots__ = ("began", "context", "function", "future", "handling", "lease", "loop", "outer", "running")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lease: Lease,
        context: contextvars.Context,
        function: Callable[[], Any],
        handling: BaseException | None,
    ) -> None:
        self.loop = loop
        self.lease = lease
        self.context = context
        self.function = function
        # The exception that the caller is handling: the function finds it in sys.exc_info().
        self.handling = handling
        self.future: asyncio.Future[Any] = loop.create_future()
        self.running = True
        # When it was asked for, in seconds of the monotonic clock; and the job whose code asked, if it was one.
        self.began = monotonic()
        self.outer: Job | None = None

    def is_forsaken(self, moment: float) -> bool:
        """Whether a task was cancelled that had asked, before a moment, for this job or for one that waits for it."""
        job: Job | None = self
        while job is not None and job.running:
            if job.future.cancelled() and job.began < moment:
                return True
            job = job.outer
        return False

    def run(self) -> None:
        """Run the call in this thread and send its outcome to the loop that waits for it."""
        previous = here.strategy, _running.job
        here.strategy, _running.job = self.wait, self
        settle: Callable[[Any], None] = self.future.set_result
        outcome: Any
        try:
            outcome = self.context.run(self._call)
        except StopIteration as error:  # a future refuses to carry it
            settle, outcome = self.future.set_exception, RuntimeError(f"{self.function!r} raised {error!r}")
        except BaseException as error:
            settle, outcome = self.future.set_exception, error
        finally:
            self.running = False
            self.outer = None  # contexts that began here may keep this one for long, but not all before it
            here.strategy, _running.job = previous
        try:
            self.loop.call_soon_threadsafe(_settle, self.future, settle, outcome)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def wait(self, awaitable: Awaitable[T]) -> T:
        """How the call waits: its thread serves the others of its lease, unless they might want what it has."""
        if not is_in_transaction():
            return wait_on(self.loop, self.lease, awaitable)
        lease = Lease()
        try:
            return wait_on(self.loop, lease, awaitable)
        finally:
            lease.release()

    def _call(self) -> Any:
        self.outer = current_job.get()
        current_job.set(self)
        if self.handling is None:
            return self.function()
        traceback = self.handling.__traceback__
        try:
            raise self.handling
        except BaseException:
            return self.function()
        finally:
            self.handling.__traceback__ = traceback


def _is_in_none() -> bool:
    return False


# Whether the code here is in a transaction that began in this thread; `db/nodes.py`, once it is loaded, knows.
is_in_transaction: Callable[[], bool] = _is_in_none

# The job in which this context began, if any.
current_job: contextvars.ContextVar[Job | None] = contextvars.ContextVar("webframe.inside_job", default=None)


class _Running(threading.local):
    """What this thread is running: plain code may have been given another context meanwhile."""

    job: Job | None = None


_running = _Running()


def job_here() -> Job | None:
    """The job that the code here is part of, if any."""
    return _running.job or current_job.get()


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():
        settle(outcome)


def wait_on(loop: asyncio.AbstractEventLoop, lease: Lease, awaitable: Awaitable[T]) -> T:
    """Run an awaitable on a loop of another thread and wait here for its outcome.

    Meanwhile this thread runs the plain code that the awaitable, or anything
    else of the same lease, asks for.
    """
    context = contextvars.copy_context()
    context.run(current_lease.set, lease)
    outcome: list[Any] = []
    queue: SimpleQueue[Runnable | None] = SimpleQueue()
    lease.begin_waiting(queue)
    runner = _Runner(awaitable, outcome, queue)
    try:
        loop.call_soon_threadsafe(runner.start, context)
        while (job := queue.get()) is not None:
            job.run()
            del job
    except BaseException:
        runner.cancel(loop)
        raise
    finally:
        lease.end_waiting(queue)
    carry_back(context)
    error: BaseException | None
    result: T
    error, result = outcome
    if error is not None:
        try:
            raise error
        finally:
            del error, outcome
    return result


class _Runner:
    """Runs an awaitable in a task of its own on a loop, for a thread that waits."""

    __slots__ = ("awaitable", "outcome", "queue", "task")

    def __init__(self, awaitable: Awaitable[Any], outcome: list[Any], queue: SimpleQueue[Runnable | None]) -> None:
        self.awaitable = awaitable
        self.outcome = outcome
        self.queue = queue
        self.task: asyncio.Task[None] | None = None

    def start(self, context: contextvars.Context) -> None:
        import asyncio

        self.task = asyncio.get_running_loop().create_task(self._run(), context=context)

    async def _run(self) -> None:
        try:
            self.outcome[:] = None, await self.awaitable
        except BaseException as error:  # even SystemExit: it is raised in the waiting thread, and the loop goes on
            self.outcome[:] = error, None
        finally:
            self.queue.put(None)

    def cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop the task because the waiting thread was interrupted."""

        def cancel() -> None:
            if self.task is not None:
                self.task.cancel()

        if not loop.is_closed():
            loop.call_soon_threadsafe(cancel)


_OUR_VARIABLES = (current_lease, current_job)


def carry_back(context: contextvars.Context) -> None:
    """Set in the current context what was set in a copy of it."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value and variable not in _OUR_VARIABLES:
            variable.set(value)


_UNSET: Any = object()

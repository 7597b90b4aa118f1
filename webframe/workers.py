"""Where plain code runs when an event loop must not wait for it, and where async code runs when there is no loop.

`run` takes a plain function off the event loop. Each request leases one worker
thread, at its first need, and all of its plain code runs there, one piece at a
time; outside a request one shared worker serves the whole process. The pool is
bounded: when every worker is leased, a request shares one that is resting, and
when every worker is busy requests queue in order of arrival.

A worker that waits for an awaitable (`waiting.wait`) sends it to the event loop
that waits for the worker, and meanwhile runs the plain code which that
awaitable asks for, so that going to and fro cannot deadlock.

`run_on_process_loop` runs async code for a plain thread, on the one event loop
that a process keeps for this purpose.

Context variables travel both ways with every call. asyncio is imported at the
first need: a process that never awaits anything never loads it.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from contextlib import suppress
from functools import partial

from webframe import waiting
from webframe._jobs import Job, carry_back, current_job, wait_on
from webframe._leases import Lease, TemporaryLease, current_lease, current_lessee, end_lease, own_lease
from webframe._pool import Pool, pool
from webframe.waiting import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor
    from typing import Any, ParamSpec, TypeVar

    from webframe._leases import Lessee as Lessee

    P = ParamSpec("P")
    T = TypeVar("T")


__all__ = [
    "Lease",
    "Pool",
    "adopt_asgiref",
    "carry_back",
    "current_lease",
    "current_lessee",
    "end_lease",
    "own_lease",
    "pieces_of_work",
    "pool",
    "process_loop",
    "run",
    "run_in_any_case",
    "run_on_process_loop",
    "wait_alone",
]


async def run(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function in the worker of the current request, or in the shared worker outside of one.

    The function sees the caller's context variables and `sys.exc_info()`, and
    what it sets is visible to the caller afterwards. When the awaiting task is
    cancelled the function still runs to its end; its result is dropped.
    """
    job = _new_job(partial(function, *args, **kwargs))
    while not job.lease.submit(job):
        await job.lease.acquire(job.loop)
    try:
        result: T = await job.future
        return result
    finally:
        if not job.future.cancelled():
            carry_back(job.context)


async def run_in_any_case(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `run`, but a cancellation neither keeps the function from beginning nor ends the waiting for it.

    For what must not be left out when a loop ends, and with it every task: the task goes on, and the function does
    not find itself forsaken.
    """
    import asyncio

    job = _new_job(partial(function, *args, **kwargs))
    while not job.lease.submit(job):
        with suppress(asyncio.CancelledError):
            await job.lease.acquire(job.loop)
    while not job.future.done():
        end = job.loop.create_future()
        job.future.add_done_callback(partial(_tell, end))
        with suppress(asyncio.CancelledError):
            await end
    carry_back(job.context)
    result: T = job.future.result()
    return result


def _tell(waiter: asyncio.Future[None], done: object) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _new_job(function: Callable[[], Any]) -> Job:
    import asyncio

    loop = asyncio.get_running_loop()
    return Job(loop, _lease_to_use(), contextvars.copy_context(), function, sys.exc_info()[1])


def _lease_to_use() -> Lease:
    """The lease of the current context, unless its thread is blocked by somebody else's way of waiting."""
    lease = current_lease.get()
    if lease is None:
        lessee = current_lessee.get()
        if lessee is not None:
            lease = lessee.lease
            if lease is None:
                lease = lessee.lease = Lease()
    if lease is None or (lease.released and not lease.waiting_threads):
        lease = _shared_lease
    inside = current_job.get()
    if inside is not None and inside.running and inside.lease is lease and not lease.waiting_threads:
        # Plain code in our thread started a loop of its own (asyncio.run, async_to_sync) and waits for it.
        return TemporaryLease()
    return lease


def run_on_process_loop(awaitable: Awaitable[T]) -> T:
    """Run an awaitable on the process's event loop and wait for its result in this plain thread.

    Plain code that it asks for (`run`) runs in the calling thread meanwhile.
    """
    lease = Lease()
    try:
        return wait_on(process_loop(), lease, awaitable)
    finally:
        lease.release()


def wait_alone(awaitable: Awaitable[T]) -> T:
    """Wait as `waiting.wait` does; meanwhile this thread runs what the awaitable asks for, but nothing else.

    For what holds something that other plain code of the same request may want.
    """
    job = current_job.get()
    if job is None or not job.running or waiting.on_running_loop():
        return waiting.wait(awaitable)
    return wait_on(job.loop, Lease(), awaitable)


type(here).strategy = staticmethod(run_on_process_loop)


class _ProcessLoop:
    """The event loop that this process keeps for plain threads, in a thread of its own."""

    def __init__(self) -> None:
        import asyncio

        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve, name="webframe-loop", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        import asyncio

        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


def process_loop() -> asyncio.AbstractEventLoop:
    """The process's event loop, started at the first call."""
    global _process_loop
    if _process_loop is None:
        with _process_loop_lock:
            if _process_loop is None:
                # A loop keeps the context that it is made in: this one would keep that of the first request for ever.
                _process_loop = contextvars.Context().run(_ProcessLoop)
    return _process_loop.loop


# Plain functions that are called when a piece of work begins that is no request, such as start-up; each returns what
# to call at its end, to give back what it had in use, connections for instance. The end of a request is a signal.
pieces_of_work: list[Callable[[], Callable[[], object]]] = []


def adopt_asgiref(lessee: Lessee) -> Callable[[], None] | None:
    """Let asgiref's thread-sensitive calls in this context run in the worker of a request, too.

    Returns what ends that, or None where no library has loaded `asgiref.sync`.
    """
    if "asgiref.sync" not in sys.modules:
        return None
    from asgiref.sync import ThreadSensitiveContext

    context = ThreadSensitiveContext(executor=_executor_of(lessee))
    # It suspends nowhere when it is given an executor. Its methods have no annotations.
    waiting.step(context.__aenter__())  # type: ignore[no-untyped-call]
    return lambda: waiting.step(context.__aexit__(None, None, None))  # type: ignore[no-untyped-call]


def _executor_of(lessee: Lessee) -> Executor:
    from concurrent.futures import Executor, Future

    class WorkerExecutor(Executor):
        """The worker of a request as concurrent.futures knows it."""

        def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            import asyncio

            outcome: Future[T] = Future()

            async def forward() -> None:
                try:
                    result = await run(function, *args, **kwargs)
                except BaseException as error:
                    if outcome.set_running_or_notify_cancel():  # else nobody waits for it
                        outcome.set_exception(error)
                else:
                    if outcome.set_running_or_notify_cancel():
                        outcome.set_result(result)

            def stop(outcome: Future[T]) -> None:
                if outcome.cancelled() and not loop.is_closed():
                    loop.call_soon_threadsafe(task.cancel)

            context = contextvars.copy_context()
            context.run(current_lessee.set, lessee)
            loop = asyncio.get_running_loop()
            task = loop.create_task(forward(), context=context)
            outcome.add_done_callback(stop)
            return outcome

    return WorkerExecutor()


def _start_afresh() -> None:
    """After a fork none of the threads exist any more: forget them all."""
    global _process_loop, _process_loop_lock, _shared_lease
    Lease.lock = threading.RLock()
    pool.start_afresh()
    _process_loop = None
    _process_loop_lock = threading.Lock()
    _shared_lease = Lease()
    vars(here).pop("strategy", None)


_process_loop: _ProcessLoop | None = None
_process_loop_lock = threading.Lock()
_shared_lease = Lease()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

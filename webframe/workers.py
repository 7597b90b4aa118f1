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
from _queue import SimpleQueue
from collections import deque
from functools import partial

from webframe import waiting
from webframe.waiting import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor
    from typing import Any, ParamSpec, Protocol, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

    class Lessee(Protocol):
        """Whoever may lease a worker: a request."""

        # None until something runs in a worker for it.
        lease: Lease | None

        # None until it uses a database; `db/holder.py` says what it is.
        holder: Any

        # The request that it is a part of, where an app is mounted in another; else None.
        @property
        def outer(self) -> Lessee | None: ...


async def run(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function in the worker of the current request, or in the shared worker outside of one.

    The function sees the caller's context variables and `sys.exc_info()`, and
    what it sets is visible to the caller afterwards. When the awaiting task is
    cancelled the function still runs to its end; its result is dropped.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    lease = _lease_to_use()
    context = contextvars.copy_context()
    job = _Job(loop, lease, context, partial(function, *args, **kwargs), sys.exc_info()[1])
    while not lease.submit(job):
        await lease.acquire(loop)
    try:
        result: T = await job.future
        return result
    finally:
        if not job.future.cancelled():
            carry_back(context)


def run_on_process_loop(awaitable: Awaitable[T]) -> T:
    """Run an awaitable on the process's event loop and wait for its result in this plain thread.

    Plain code that it asks for (`run`) runs in the calling thread meanwhile.
    """
    lease = Lease()
    try:
        return _wait_on(process_loop(), lease, awaitable)
    finally:
        lease.release()


type(here).strategy = staticmethod(run_on_process_loop)


class Lease:
    """The right of one request to one worker.

    Nothing is taken from the pool before `run` first needs it. `release` gives
    the worker back; code that is still running there keeps it until it ends.
    """

    # The worker thread that runs this lease's code; None until it is needed.
    worker: Worker | None = None

    # Whether the request is over; what its left-over tasks run goes to the shared worker.
    released = False

    # Queues of the threads of this lease that wait for an awaitable, innermost last; they run what is submitted.
    # Replaced under `_leases_lock`, never changed: a thread may stop waiting just as another submits something.
    waiting_threads: tuple[SimpleQueue[_Job | None], ...] = ()

    async def acquire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a worker from the pool, waiting in line for one if all are busy."""
        worker = await pool.take(loop)
        with _leases_lock:
            if self.worker is None:
                self.worker = worker
                return
        pool.give_back(worker)  # another task of the same request was faster

    def submit(self, job: _Job) -> bool:
        """Hand a job to the thread of this lease that can run it; False if there is none yet."""
        with _leases_lock:
            if self.waiting_threads:
                self.waiting_threads[-1].put(job)
            elif self.worker is not None:
                pool.submit(self.worker, job)
            else:
                return False
        return True

    def release(self) -> None:
        """Give the worker back to the pool."""
        if self.worker is None:
            self.released = True
            return
        with _leases_lock:
            self.released = True
            worker, self.worker = self.worker, None
        if worker is not None:
            pool.give_back(worker)


# Guards every lease; held for a moment only, so one lock serves all and a lease costs next to nothing to make.
# Collecting an abandoned request releases its lease, and may do so in a thread that holds this lock: it lets it in.
_leases_lock = threading.RLock()


def own_lease() -> contextvars.Token[Lease | None] | None:
    """Let what begins here lease a worker of its own, even below a thread that waits; a token for `current_lease`."""
    return None if current_lease.get() is None else current_lease.set(None)


def end_lease(lessee: Lessee) -> None:
    """Give back what was leased for a request that is over; what its left-over tasks run goes to the shared worker."""
    lease, lessee.lease = lessee.lease, _OVER
    if lease is not None:
        lease.release()


_OVER = Lease()
_OVER.released = True

# Whose worker it is that plain code of this context runs in; None outside of requests. `http/request.py` keeps the
# current request here, so that a request that needs no worker pays nothing for one.
current_lessee: contextvars.ContextVar[Lessee | None] = contextvars.ContextVar("webframe.current_request", default=None)

# A lease that comes before that of the lessee: it belongs to a thread that waits for an awaitable.
current_lease: contextvars.ContextVar[Lease | None] = contextvars.ContextVar("webframe.current_lease", default=None)


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
                    outcome.set_result(await run(function, *args, **kwargs))
                except BaseException as error:
                    outcome.set_exception(error)

            context = contextvars.copy_context()
            context.run(current_lessee.set, lessee)
            asyncio.get_running_loop().create_task(forward(), context=context)
            return outcome

    return WorkerExecutor()


class Pool:
    """A bounded number of worker threads, started one by one as they are needed."""

    def __init__(self, size: int = 40) -> None:
        # How many threads there may be; may be changed at any time, takes effect on threads not yet started.
        self.size = size
        # All worker threads.
        self.workers: list[Worker] = []
        # Workers that nobody leases and that have nothing to do, the most recently used last.
        self.free: list[Worker] = []
        # Requests that wait for a worker, in order of arrival.
        self.line: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[Worker]]] = deque()
        # Guards all of the above and the counters of every worker; never held while waiting. Re-entrant, because an
        # abandoned request may be collected, and give its worker back, at any moment in any thread.
        self.lock = threading.RLock()

    async def take(self, loop: asyncio.AbstractEventLoop) -> Worker:
        """Lease a worker: a free one, a new one, one that is resting between two calls, or the next to become so."""
        with self.lock:
            worker = self._available()
            if worker is not None:
                worker.leases += 1
                return worker
            future: asyncio.Future[Worker] = loop.create_future()
            place = (loop, future)
            self.line.append(place)
        try:
            return await future
        except BaseException:
            with self.lock:
                if place in self.line:
                    self.line.remove(place)
                    raise
            # The worker was assigned at the very moment of the cancellation.
            if future.done() and not future.cancelled():
                self.give_back(future.result())
            raise

    def _available(self) -> Worker | None:
        if self.free:
            return self.free.pop()
        if len(self.workers) < self.size:
            worker = Worker(self, len(self.workers) + 1)
            self.workers.append(worker)
            return worker
        resting = [worker for worker in self.workers if not worker.pending]
        return min(resting, key=lambda worker: worker.leases) if resting else None

    def submit(self, worker: Worker, job: _Job) -> None:
        """Queue a job for a worker."""
        with self.lock:
            worker.pending += 1
        worker.queue.put(job)

    def done(self, worker: Worker) -> None:
        """Count a job as done."""
        with self.lock:
            worker.pending -= 1
            self._offer(worker)

    def give_back(self, worker: Worker) -> None:
        """End a lease."""
        with self.lock:
            worker.leases -= 1
            self._offer(worker)

    def _offer(self, worker: Worker) -> None:
        """Give a worker that rests to the first in line, or keep it for the next to come."""
        if worker.pending:
            return
        while self.line:
            loop, future = self.line.popleft()
            worker.leases += 1
            try:
                loop.call_soon_threadsafe(self._assign, worker, future)
            except RuntimeError:  # that loop is closed, and whoever waited is gone with it
                worker.leases -= 1
                continue
            return
        if not worker.leases:
            self.free.append(worker)

    def _assign(self, worker: Worker, future: asyncio.Future[Worker]) -> None:
        if future.done():
            self.give_back(worker)
        else:
            future.set_result(worker)


class Worker:
    """One thread of the pool."""

    __slots__ = ("leases", "pending", "queue", "thread")

    def __init__(self, pool: Pool, number: int) -> None:
        self.queue: SimpleQueue[_Job] = SimpleQueue()
        # How many requests lease this worker: more than one only when the pool is exhausted.
        self.leases = 0
        # How many jobs are queued or running.
        self.pending = 0
        self.thread = threading.Thread(target=self._work, args=(pool,), name=f"webframe-worker-{number}", daemon=True)
        self.thread.start()

    def _work(self, pool: Pool) -> None:
        get = self.queue.get
        while True:
            job = get()
            job.run()
            del job  # or the last request would live until the next one comes
            pool.done(self)


class _Job:
    """A plain call on its way to a worker and back."""

    __slots__ = ("context", "function", "future", "handling", "lease", "loop", "running")

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

    def run(self) -> None:
        """Run the call in this thread and send its outcome to the loop that waits for it."""
        previous = here.strategy
        here.strategy = partial(_wait_on, self.loop, self.lease)
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
            here.strategy = previous
        try:
            self.loop.call_soon_threadsafe(_settle, self.future, settle, outcome)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def _call(self) -> Any:
        _inside.set(self)
        if self.handling is None:
            return self.function()
        traceback = self.handling.__traceback__
        try:
            raise self.handling
        except BaseException:
            return self.function()
        finally:
            self.handling.__traceback__ = traceback


# The job in which this context began, if any.
_inside: contextvars.ContextVar[_Job | None] = contextvars.ContextVar("webframe.inside_job", default=None)


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():
        settle(outcome)


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
    inside = _inside.get()
    if inside is not None and inside.running and inside.lease is lease and not lease.waiting_threads:
        # Plain code in our thread started a loop of its own (asyncio.run, async_to_sync) and waits for it.
        return _TemporaryLease()
    return lease


class _TemporaryLease(Lease):
    """A lease for a single call."""

    def submit(self, job: _Job) -> bool:
        submitted = super().submit(job)
        if submitted:
            self.release()
        return submitted


_OUR_VARIABLES = (current_lease, _inside)


def carry_back(context: contextvars.Context) -> None:
    """Set in the current context what was set in a copy of it."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value and variable not in _OUR_VARIABLES:
            variable.set(value)


_UNSET: Any = object()


def _wait_on(loop: asyncio.AbstractEventLoop, lease: Lease, awaitable: Awaitable[T]) -> T:
    """Run an awaitable on a loop of another thread and wait here for its outcome.

    Meanwhile this thread runs the plain code that the awaitable, or anything
    else of the same lease, asks for.
    """
    context = contextvars.copy_context()
    context.run(current_lease.set, lease)
    outcome: list[Any] = []
    queue: SimpleQueue[_Job | None] = SimpleQueue()
    with _leases_lock:
        lease.waiting_threads += (queue,)
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
        _stop_waiting(lease, queue)
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

    def __init__(self, awaitable: Awaitable[Any], outcome: list[Any], queue: SimpleQueue[_Job | None]) -> None:
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


def _stop_waiting(lease: Lease, queue: SimpleQueue[_Job | None]) -> None:
    """Run what was submitted at the last moment; later jobs go elsewhere."""
    with _leases_lock:
        lease.waiting_threads = tuple(other for other in lease.waiting_threads if other is not queue)
    while not queue.empty():
        job = queue.get()
        if job is not None:
            job.run()


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
                _process_loop = _ProcessLoop()
    return _process_loop.loop


def _start_afresh() -> None:
    """After a fork none of the threads exist any more: forget them all."""
    global pool, _leases_lock, _process_loop, _process_loop_lock, _shared_lease
    _leases_lock = threading.RLock()
    pool = Pool(pool.size)
    _process_loop = None
    _process_loop_lock = threading.Lock()
    _shared_lease = Lease()
    vars(here).pop("strategy", None)


pool = Pool()
_process_loop: _ProcessLoop | None = None
_process_loop_lock = threading.Lock()
_shared_lease = Lease()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

"""Who may use which worker thread: a request leases one at its first need and keeps it to its end."""

from __future__ import annotations

import contextvars
import threading

from webframe._pool import pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from _queue import SimpleQueue
    from typing import Any, ClassVar, Protocol

    from webframe._pool import Runnable, Worker

    class Lessee(Protocol):
        """Whoever may lease a worker: a request."""

        # None until something runs in a worker for it.
        lease: Lease | None

        # None until it uses a database; `db/holder.py` says what it is.
        holder: Any

        # The request that it is a part of, where an app is mounted in another; else None.
        @property
        def outer(self) -> Lessee | None: ...


class Lease:
    """The right of one request to one worker.

    Nothing is taken from the pool before `run` first needs it. `release` gives
    the worker back; code that is still running there keeps it until it ends.
    """

    # Guards every lease; held for a moment only, so one lock serves all and a lease costs next to nothing to make.
    # Collecting an abandoned request releases its lease, and may do so in a thread that holds this lock: it lets it in.
    lock: ClassVar[threading.RLock] = threading.RLock()

    # The worker thread that runs this lease's code; None until it is needed.
    worker: Worker | None = None

    # Whether the request is over; what its left-over tasks run goes to the shared worker.
    released = False

    # Queues of the threads of this lease that wait for an awaitable, innermost last; they run what is submitted.
    # Replaced under the lock, never changed: a thread may stop waiting just as another submits something.
    waiting_threads: tuple[SimpleQueue[Runnable | None], ...] = ()

    async def acquire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a worker from the pool, waiting in line for one if all are busy."""
        worker = await pool.take(loop)
        with self.lock:
            if self.worker is None:
                self.worker = worker
                return
        pool.give_back(worker)  # another task of the same request was faster

    def submit(self, job: Runnable) -> bool:
        """Hand a job to the thread of this lease that can run it; False if there is none yet."""
        with self.lock:
            if self.waiting_threads:
                self.waiting_threads[-1].put(job)
            elif self.worker is not None:
                pool.submit(self.worker, job)
            else:
                return False
        return True

    def begin_waiting(self, queue: SimpleQueue[Runnable | None]) -> None:
        """From now on a thread of this lease waits, and runs what comes into this queue."""
        with self.lock:
            self.waiting_threads += (queue,)

    def end_waiting(self, queue: SimpleQueue[Runnable | None]) -> None:
        """Undo `begin_waiting`: run what was submitted at the last moment; later jobs go elsewhere."""
        with self.lock:
            self.waiting_threads = tuple(other for other in self.waiting_threads if other is not queue)
        while not queue.empty():
            job = queue.get()
            if job is not None:
                job.run()

    def release(self) -> None:
        """Give the worker back to the pool."""
        if self.worker is None:
            self.released = True
            return
        with self.lock:
            self.released = True
            worker, self.worker = self.worker, None
        if worker is not None:
            pool.give_back(worker)


class TemporaryLease(Lease):
    """A lease for a single call."""

    def submit(self, job: Runnable) -> bool:
        submitted = super().submit(job)
        if submitted:
            self.release()
        return submitted


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

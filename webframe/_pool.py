"""The pool of worker threads: bounded, started one by one, and fair to those who wait in line.

It knows neither requests nor what runs in a worker; `_leases.py` says who may
use one, `_jobs.py` what a call is on its way there and back.
"""

from __future__ import annotations

import threading
from _queue import SimpleQueue
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    class Runnable(Protocol):
        """What a worker runs."""

        def run(self) -> None: ...


class Pool:
    """A bounded number of worker threads, started one by one as they are needed."""

    def __init__(self, size: int = 40) -> None:
        # How many threads there may be; may be changed at any time, takes effect on threads not yet started.
        self.size = size
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget every thread and everybody in line: after a fork none of them exist any more."""
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

    def submit(self, worker: Worker, job: Runnable) -> None:
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
        self.queue: SimpleQueue[Runnable] = SimpleQueue()
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


# The workers of this process.
pool = Pool()

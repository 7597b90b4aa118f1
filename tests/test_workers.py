"""The pool of worker threads, leases and the process loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import asgiref.sync
import pytest

from webframe import _leases, waiting, workers
from webframe._jobs import Job, job_here
from webframe.workers import Lease, Pool, current_lessee, end_lease, run

from . import interrupts

number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture(autouse=True)
def own_pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Each test has a pool and a shared lease of its own."""
    pool = Pool(4)
    monkeypatch.setattr(_leases, "pool", pool)
    monkeypatch.setattr(workers, "_shared_lease", Lease())
    return pool


@contextlib.contextmanager
def leased() -> Iterator[SimpleNamespace]:
    """A request, as far as workers know one."""
    request = SimpleNamespace(lease=None)
    token = current_lessee.set(request)
    try:
        yield request
    finally:
        end_lease(request)
        current_lessee.reset(token)


def thread_name() -> str:
    return threading.current_thread().name


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true soon: a worker counts a job as done just after its caller has the result."""
    deadline = time.monotonic() + 5
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def test_plain_code_runs_off_the_loop() -> None:
    async def main() -> None:
        assert await run(thread_name) != thread_name()

    asyncio.run(main())


def test_all_plain_code_of_a_request_runs_in_one_thread() -> None:
    async def request() -> set[str]:
        with leased():
            return {await run(thread_name) for _ in range(5)}

    async def main() -> None:
        names = await asyncio.gather(*[request() for _ in range(4)])
        assert all(len(each) == 1 for each in names)

    asyncio.run(main())


def test_two_requests_at_once_have_two_threads() -> None:
    async def request(barrier: threading.Barrier) -> str:
        with leased():
            await run(barrier.wait, 5)
            return await run(thread_name)

    async def main() -> None:
        barrier = threading.Barrier(2)
        first, second = await asyncio.gather(request(barrier), request(barrier))
        assert first != second

    asyncio.run(main())


def test_outside_of_a_request_one_worker_serves_everybody() -> None:
    async def main() -> None:
        names = await asyncio.gather(*[run(thread_name) for _ in range(5)])
        assert len(set(names)) == 1

    asyncio.run(main())


def test_context_variables_travel_there_and_back() -> None:
    def add() -> int:
        number.set(number.get() + 1)
        return number.get()

    async def main() -> None:
        number.set(5)
        assert await run(add) == 6
        assert number.get() == 6

    asyncio.run(main())


def test_context_variables_come_back_after_an_error() -> None:
    def fail() -> None:
        number.set(7)
        raise ValueError

    async def main() -> None:
        with pytest.raises(ValueError):
            await run(fail)
        assert number.get() == 7

    asyncio.run(main())


def test_context_variables_travel_through_wait() -> None:
    async def add() -> None:
        number.set(number.get() + 10)

    def plain() -> None:
        number.set(1)
        waiting.wait(add())

    async def main() -> None:
        await run(plain)
        assert number.get() == 11

    asyncio.run(main())


def test_the_function_sees_the_exception_that_is_being_handled() -> None:
    async def main() -> None:
        try:
            raise KeyError("handled")
        except KeyError as error:
            before = error.__traceback__
            assert await run(lambda: sys.exc_info()[1]) is error
            assert error.__traceback__ is before

    asyncio.run(main())


def test_stop_iteration_arrives_as_a_runtime_error() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await run(next, iter(()))

    asyncio.run(main())


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_is_no_exception_comes_through_too(error: BaseException) -> None:
    def leave() -> None:
        raise error

    async def main() -> BaseException:
        try:
            await run(leave)
        except BaseException as caught:
            return caught
        raise AssertionError

    assert asyncio.run(main()) is error


def test_waiting_in_a_worker_hops_back_to_the_loop_that_waits_for_it() -> None:
    async def where() -> tuple[asyncio.AbstractEventLoop, str]:
        return asyncio.get_running_loop(), thread_name()

    async def main() -> None:
        loop, name = await run(lambda: waiting.wait(where()))
        assert loop is asyncio.get_running_loop()
        assert name == thread_name()

    asyncio.run(main())


def test_to_and_fro_runs_in_the_worker_that_waits(own_pool: Pool) -> None:
    """plain -> async -> plain -> async -> plain, with a single worker: nobody waits for ever."""

    async def fro(depth: int) -> list[str]:
        return await run(to, depth)

    def to(depth: int) -> list[str]:
        return [thread_name(), *(waiting.wait(fro(depth - 1)) if depth else [])]

    async def main() -> None:
        own_pool.size = 1
        with leased():
            names = await asyncio.wait_for(fro(3), 5)
        assert len(names) == 4
        assert len(set(names)) == 1

    asyncio.run(main())


def test_to_and_fro_from_a_plain_thread_runs_in_that_thread() -> None:
    async def ask() -> str:
        return await run(thread_name)

    assert waiting.wait(ask()) == thread_name()


def test_a_loop_started_in_the_worker_does_not_wait_for_its_own_thread() -> None:
    async def inner() -> str:
        return await run(thread_name)

    async def main() -> None:
        with leased():
            assert await asyncio.wait_for(run(lambda: asyncio.run(inner())), 5)
            assert await asyncio.wait_for(run(lambda: asgiref.sync.async_to_sync(inner)()), 5)

    asyncio.run(main())


@pytest.mark.alone
def test_the_pool_is_bounded_and_serves_in_order_of_arrival(own_pool: Pool) -> None:
    own_pool.size = 2
    order: list[int] = []

    async def request(place: int) -> None:
        with leased():
            await run(time.sleep, 0.005)
            order.append(place)
            await run(time.sleep, 0)

    async def main() -> None:
        tasks = []
        for place in range(20):
            tasks.append(asyncio.create_task(request(place)))
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    asyncio.run(main())
    assert len(own_pool.workers) == 2
    assert sorted(order) == list(range(20))
    assert all(abs(place - arrived) <= 2 for arrived, place in enumerate(order))
    assert eventually(lambda: len(own_pool.free) == 2)
    assert [(worker.leases, worker.pending) for worker in own_pool.workers] == [(0, 0), (0, 0)]


def test_requests_that_rest_do_not_keep_others_out(own_pool: Pool) -> None:
    """More long-lived requests than workers, each idle most of the time, as with server-sent events."""
    own_pool.size = 2

    async def main() -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                request = SimpleNamespace(lease=None)
                stack.callback(end_lease, request)
                token = current_lessee.set(request)
                await asyncio.wait_for(run(thread_name), 5)
                current_lessee.reset(token)

    asyncio.run(main())
    assert len(own_pool.workers) == 2
    assert eventually(lambda: len(own_pool.free) == 2)


def test_a_cancelled_task_does_not_stop_the_function_and_frees_its_worker(own_pool: Pool) -> None:
    done = threading.Event()
    started = threading.Event()

    def work() -> None:
        started.set()
        time.sleep(0.02)
        done.set()

    async def main() -> None:
        with leased():
            task = asyncio.create_task(run(work))
            while not started.is_set():
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await run(lambda: None)  # behind the first, in the same thread
            assert done.is_set()

    asyncio.run(main())
    assert [worker.leases for worker in own_pool.workers] == [0]


def test_cancelling_whoever_stands_in_line_loses_no_worker(own_pool: Pool) -> None:
    own_pool.size = 1
    release = threading.Event()

    async def request(function: Callable[[], Any]) -> Any:
        with leased():
            return await run(function)

    async def main() -> None:
        first = asyncio.create_task(request(lambda: release.wait(5)))
        await asyncio.sleep(0.01)
        waiting_in_line = [asyncio.create_task(request(thread_name)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting_in_line[0].cancel()
        waiting_in_line[2].cancel()
        release.set()
        await first
        assert await asyncio.wait_for(waiting_in_line[1], 5)

    asyncio.run(main())
    assert eventually(lambda: own_pool.free == own_pool.workers)
    assert not own_pool.line


def test_a_task_that_outlives_its_request_uses_the_shared_worker(own_pool: Pool) -> None:
    async def main() -> None:
        with leased() as request:
            await run(thread_name)
            left_over = asyncio.create_task(asyncio.sleep(0.01, None))
            later = asyncio.create_task(_after(left_over))
        assert request.lease.released
        await later

    async def _after(task: asyncio.Task[None]) -> str:
        await task
        return await run(thread_name)

    asyncio.run(main())
    assert sum(worker.leases for worker in own_pool.workers) == 1  # the shared one


def test_thread_sensitive_calls_of_asgiref_run_in_the_worker_of_the_request() -> None:
    async def main() -> None:
        with leased() as request:
            leave = workers.adopt_asgiref(request)
            assert leave is not None
            ours = await run(thread_name)
            assert await asgiref.sync.sync_to_async(thread_name)() == ours
            leave()

    asyncio.run(main())


def test_a_job_knows_the_one_that_waits_for_it_as_long_as_it_runs_and_no_longer() -> None:
    jobs: list[Job | None] = []
    outer: list[Job | None] = []

    def inner() -> None:
        jobs.append(job_here())
        outer.append(jobs[1].outer if jobs[1] else None)

    def function() -> None:
        jobs.append(job_here())
        waiting.wait(run(inner))

    asyncio.run(run(function))
    assert jobs[0] is not None
    assert outer == [jobs[0]]
    assert [job.outer for job in jobs if job] == [None, None]
    assert job_here() is None


def test_who_gives_up_a_thread_sensitive_call_of_asgiref_leaves_no_error_behind() -> None:
    told: list[dict[str, Any]] = []
    goes_on = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        with leased() as request:
            leave = workers.adopt_asgiref(request)
            assert leave is not None
            for outcome in (lambda: goes_on.wait(10), lambda: goes_on.wait(10) and 1 / 0):
                goes_on.clear()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await asgiref.sync.sync_to_async(outcome)()
                goes_on.set()
                assert await asgiref.sync.sync_to_async(lambda: "next")() == "next"
            leave()
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert told == []


def test_interrupting_a_thread_that_waits_cancels_what_it_waits_for() -> None:
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt() -> None:
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        waiting.wait(forever())
    assert cancelled.wait(5)


def test_an_abandoned_request_may_be_collected_in_the_midst_of_leasing(own_pool: Pool) -> None:
    """Its `finally` gives the worker back in whatever thread collects it, even one that is counting workers."""
    request = SimpleNamespace(lease=None)
    current_lessee.set(request)
    asyncio.run(run(thread_name))
    current_lessee.set(None)
    done = threading.Event()

    def collect() -> None:
        with Lease.lock, own_pool.lock:
            end_lease(request)
        done.set()

    threading.Thread(target=collect, daemon=True).start()
    assert done.wait(5)
    assert own_pool.workers[0].leases == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_after_a_fork_everything_starts_afresh() -> None:
    async def ask() -> str:
        return await run(thread_name)

    waiting.wait(ask())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if waiting.wait(ask()) == thread_name() else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    raise AssertionError("the child waits for threads that its parent had")

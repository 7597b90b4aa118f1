"""The bridge: plain code that suspends the task it runs in."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from webframe import waiting
from webframe._greenlets import MAX_IDLE
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.greenlets import bridge
from webframe.waiting import wait

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_plain_code_waits_within_the_task_that_called_it() -> None:
    def plain(number: int, *, more: int) -> tuple[int, object, int]:
        return wait(double(number)) + more, asyncio.current_task(), threading.get_ident()

    async def main() -> None:
        assert await bridge(plain, 3, more=1) == (7, asyncio.current_task(), threading.get_ident())

    run(main())


def test_the_loop_is_free_while_plain_code_waits() -> None:
    seen: list[str] = []

    async def main() -> None:
        go_on = asyncio.Event()

        async def other() -> None:
            seen.append("other")
            go_on.set()

        task = asyncio.create_task(other())
        await bridge(lambda: wait(go_on.wait()))
        seen.append("first")
        await task

    run(main())
    assert seen == ["other", "first"]


def test_many_tasks_wait_at_the_same_time() -> None:
    def plain(number: int) -> int:
        return wait(double(number)) + wait(double(1))

    async def main() -> list[int]:
        return await asyncio.gather(*(bridge(plain, number) for number in range(3 * MAX_IDLE)))

    assert run(main()) == [2 * number + 2 for number in range(3 * MAX_IDLE)]


def test_context_variables_travel_both_ways() -> None:
    async def set_in_async_code() -> str:
        before = variable.get()
        variable.set("async")
        return before

    def plain() -> tuple[str, str]:
        before = variable.get()
        variable.set("plain")
        assert wait(set_in_async_code()) == "plain"
        after = variable.get()
        variable.set("end")
        return before, after

    async def main() -> None:
        variable.set("task")
        assert await bridge(plain) == ("task", "async")
        assert variable.get() == "end"

    run(main())


def test_errors_go_both_ways() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("inner")

    def plain() -> None:
        with pytest.raises(KeyError, match="inner"):
            wait(fail())
        raise ValueError("outer")

    async def main() -> None:
        with pytest.raises(ValueError, match="outer"):
            await bridge(plain)

    run(main())


def test_a_bridge_within_a_bridge() -> None:
    async def inner() -> int:
        return await bridge(lambda: wait(double(4)))

    assert run(bridge(lambda: wait(inner()) + 1)) == 9


def test_cancellation_is_raised_where_the_code_waits_and_what_it_waits_for_afterwards_is_awaited() -> None:
    seen: list[object] = []

    def plain() -> None:
        try:
            wait(asyncio.sleep(60))
        except asyncio.CancelledError:
            seen.append(wait(double(1)))
            raise

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bridge(plain), 0.01)

    run(main())
    assert seen == [2]


def test_a_coroutine_that_is_closed_ends_its_code_without_waiting() -> None:
    seen: list[str] = []

    def plain() -> None:
        try:
            wait(asyncio.sleep(60))
        finally:
            seen.append("left")
            try:
                wait(asyncio.sleep(60))
            finally:
                seen.append("left again")

    async def main() -> None:
        coroutine = bridge(plain)
        coroutine.send(None)
        coroutine.close()
        assert await bridge(lambda: wait(double(1))) == 2

    run(main())
    assert seen == ["left", "left again"]


def test_code_that_will_not_end_when_its_coroutine_is_closed_does_no_harm_to_the_next() -> None:
    def stubborn() -> None:
        with suppress(BaseException):
            wait(asyncio.sleep(60))

    async def main() -> None:
        coroutine = bridge(stubborn)
        coroutine.send(None)
        coroutine.close()
        assert await bridge(lambda: wait(double(1))) == 2

    run(main())


def test_a_coroutine_may_be_collected_while_other_plain_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    def forgotten() -> None:
        try:
            wait(asyncio.get_running_loop().create_future())
        finally:
            seen.append("left")

    async def main() -> None:
        coroutine: list[Any] = [bridge(forgotten)]
        coroutine[0].send(None)

        def plain() -> int:
            coroutine.clear()
            seen.append("collected")
            return wait(double(1))

        assert await bridge(plain) == 2

    run(main())
    assert (seen, unraisable) == (["left", "collected"], [])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks begin at once from Python 3.12 on")
def test_an_eager_task_that_plain_code_starts_is_a_task_of_its_own() -> None:
    seen: list[object] = []

    def other() -> None:
        for number in range(3):
            seen.append(number)
            wait(asyncio.sleep(0.001))

    async def mistaken() -> None:
        wait(double(1))

    async def start() -> tuple[asyncio.Task[None], asyncio.Task[None]]:
        def plain() -> tuple[asyncio.Task[None], asyncio.Task[None]]:
            tasks = asyncio.create_task(bridge(other)), asyncio.create_task(mistaken())
            seen.append("plain")
            assert wait(double(1)) == 2
            return tasks

        return await bridge(plain)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        works, fails = await start()
        await works
        with pytest.raises(SynchronousOnlyOperation, match="Await it instead"):
            await fails

    run(asyncio.wait_for(main(), 10))
    assert seen == [0, "plain", 1, 2]


def test_what_is_awaited_knows_no_greenlet_and_code_elsewhere_on_the_loop_is_refused() -> None:
    async def look() -> object:
        return waiting.current_greenlet()

    async def main() -> None:
        assert await bridge(waiting.current_greenlet) is not None
        assert await bridge(lambda: wait(look())) is None
        with pytest.raises(SynchronousOnlyOperation, match="Await it instead"):
            wait(double(1))
        with pytest.raises(SynchronousOnlyOperation, match="Use aget"):
            waiting.refuse_on_loop("get()", "aget()")
        await bridge(waiting.refuse_on_loop, "get()", "aget()")

    run(main())


def test_each_thread_has_greenlets_of_its_own() -> None:
    async def main() -> int:
        return await bridge(lambda: wait(double(5)))

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(run(main()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [10] * 8


def test_greenlets_that_rest_keep_nothing_alive() -> None:
    class Thing:
        pass

    kept: contextvars.ContextVar[Thing] = contextvars.ContextVar("kept")

    def plain(thing: Thing) -> Thing:
        kept.set(thing)
        wait(double(1))
        return thing

    async def use() -> weakref.ref[Thing]:
        return weakref.ref(await bridge(plain, Thing()))

    async def main() -> Thing | None:
        reference = await asyncio.create_task(use())
        await asyncio.sleep(0)  # the loop itself lets go of the task
        gc.collect()
        return reference()

    assert run(main()) is None

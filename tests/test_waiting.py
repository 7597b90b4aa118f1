"""How plain code waits for awaitables, wherever it is."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import threading
import weakref
from collections.abc import Generator
from typing import Any

import asgiref.sync
import pytest

from webframe import waiting, workers
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.greenlets import bridge


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_a_plain_thread_waits_on_the_process_loop() -> None:
    assert waiting.wait(double(2)) == 4


def test_every_wait_uses_the_same_loop() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert waiting.wait(loop()) is waiting.wait(loop()) is workers.process_loop()


def test_the_loop_of_a_process_keeps_nothing_alive_of_who_was_the_first_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Thing:
        pass

    kept: contextvars.ContextVar[Thing] = contextvars.ContextVar("kept")

    def first() -> weakref.ref[Thing]:
        thing = Thing()
        kept.set(thing)
        assert waiting.wait(double(2)) == 4
        return weakref.ref(thing)

    monkeypatch.setattr(workers, "_process_loop", None)
    reference = contextvars.copy_context().run(first)
    waiting.wait(double(2))  # it lets go of what it did last
    gc.collect()
    left = reference()
    kept_by_process = workers._process_loop
    assert kept_by_process is not None
    kept_by_process.loop.call_soon_threadsafe(kept_by_process.loop.stop)
    kept_by_process.thread.join()
    kept_by_process.loop.close()
    assert left is None


def test_errors_come_through_with_their_traceback() -> None:
    async def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone") as caught:
        waiting.wait(fail())
    assert caught.traceback[-1].name == "fail"


def test_waiting_on_a_running_loop_is_refused_and_names_the_cure() -> None:
    async def main() -> None:
        with pytest.raises(SynchronousOnlyOperation, match="Await it instead"):
            waiting.wait(double(1))

    asyncio.run(main())


def test_the_refusal_is_a_runtime_error_too() -> None:
    assert issubclass(SynchronousOnlyOperation, RuntimeError)


def test_refuse_on_loop_names_what_to_use() -> None:
    waiting.refuse_on_loop("get()", "aget()")  # no loop here: nothing happens

    async def main() -> None:
        with pytest.raises(SynchronousOnlyOperation, match=r"get\(\) would block .* Use aget\(\)"):
            waiting.refuse_on_loop("get()", "aget()")

    asyncio.run(main())


def test_step_runs_a_coroutine_that_never_suspends() -> None:
    async def inner() -> str:
        return "done"

    async def outer() -> str:
        return await inner()

    assert waiting.step(outer()) == "done"


def test_step_refuses_a_coroutine_that_suspends() -> None:
    class Suspension:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def suspend() -> None:
        await Suspension()

    with pytest.raises(RuntimeError, match="suspended"):
        waiting.step(suspend())


def test_step_passes_errors_on() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        waiting.step(fail())


class AsyncCallable:
    async def __call__(self) -> None: ...

    async def method(self) -> None: ...


class PlainCallable:
    def __call__(self) -> None: ...


def marked() -> Any:
    def function() -> Any: ...

    return asgiref.sync.markcoroutinefunction(function)


@pytest.mark.parametrize(
    "function",
    [
        double,
        functools.partial(double, 1),
        functools.partial(functools.partial(double), 1),
        AsyncCallable(),
        AsyncCallable().method,
        marked(),
    ],
    ids=["function", "partial", "partial of a partial", "callable object", "method", "marked function"],
)
def test_is_async(function: Any) -> None:
    assert waiting.is_async(function)


@pytest.mark.parametrize(
    "function",
    [
        len,
        print,
        PlainCallable(),
        PlainCallable,
        AsyncCallable,
        functools.partial(len, ""),
        lambda: None,
        threading.Lock,
    ],
    ids=["built-in", "print", "callable object", "class", "async class", "partial", "lambda", "class in C"],
)
def test_is_not_async(function: Any) -> None:
    assert not waiting.is_async(function)


def test_an_object_that_has_every_attribute_is_not_taken_for_async() -> None:
    class Everything:
        def __call__(self) -> None: ...

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return object()

    assert not waiting.is_async(Everything())


@pytest.mark.skipif(not hasattr(inspect, "markcoroutinefunction"), reason="Python 3.12 has it first")
def test_the_mark_of_inspect_counts() -> None:
    def function() -> Any: ...

    assert waiting.is_async(inspect.markcoroutinefunction(function))


def test_long_work_gives_others_their_turn_in_a_greenlet_and_nowhere_else() -> None:
    things = list(range(2 * waiting.TURN + 1))

    def work(order: list[object]) -> list[int]:
        done: list[int] = []
        for piece in waiting.in_turns(things):
            order.append(len(piece))
            done += piece
        return done

    async def main() -> None:
        order: list[object] = []

        async def other() -> None:
            while True:
                order.append("other")
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        assert await bridge(work, order) == things
        task.cancel()
        assert order == [waiting.TURN, "other", waiting.TURN, "other", 1]
        # Plain code that is called on the loop can give nobody a turn; it is not refused either.
        assert work([]) == things

    asyncio.run(main())
    order: list[object] = []
    assert work(order) == things and order == [waiting.TURN, waiting.TURN, 1]
    assert [list(piece) for piece in waiting.in_turns([1, 2])] == [[1, 2]] and not list(waiting.in_turns([]))[0]

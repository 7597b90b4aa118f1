"""Loops that end while requests are being finished: asyncio then cancels all tasks, those too that finish requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from webframe import Request, Webframe, _leases, workers
from webframe.core.handlers.streaming import was_cancelled
from webframe.core.signals import request_finished, websocket_finished

END = ["task", "closer", "finished", "inline", "last"]


def register(request: Request, heard: Any) -> None:
    """What there is to do at the end, plain and async, in turn."""

    async def asynchronous() -> None:
        await asyncio.sleep(0)

    request.add_background_task(asynchronous)
    request.add_background_task(heard, "task")
    request.on_close(heard, "closer")
    request.on_close(asynchronous)


@pytest.fixture
def ears(heard: Any) -> Any:
    """Receivers in a worker, in place, in a worker again, and on the loop."""

    async def asynchronous(**kwargs: Any) -> None:
        await asyncio.sleep(0)

    for signal in (request_finished, websocket_finished):
        heard.connect(signal, lambda **kwargs: heard("inline"), inline=True)
        heard.connect(signal, lambda **kwargs: heard("last"))
        heard.connect(signal, asynchronous)
    return heard


def end_at(serving: Callable[[], Coroutine[Any, Any, None]], suspension: int) -> bool:
    """Serve on a loop that cancels all tasks at one of the suspensions of those that finish; whether it came to that.

    A task that has not begun counts as suspended.
    """
    count = 0

    def cancel_all() -> None:
        for task in tasks:
            task.cancel()

    def counted() -> bool:
        nonlocal count
        count += 1
        return count == suspension + 1

    class Counting:
        """Awaits a coroutine, step by step."""

        def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
            self.steps = coroutine

        def __await__(self) -> Any:
            step, arguments = self.steps.send, (None,)
            while True:
                try:
                    waited_for = step(*arguments)
                except StopIteration as stop:
                    return stop.value
                if counted():
                    asyncio.get_running_loop().call_soon(cancel_all)
                try:
                    arguments = ((yield waited_for),)
                    step = self.steps.send
                except BaseException as error:
                    step, arguments = self.steps.throw, (error,)

    tasks: list[asyncio.Task[Any]] = []

    async def stepped(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await Counting(coroutine)

    def factory(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        is_due = bool(tasks) and counted()
        if tasks and not is_due:
            coroutine = stepped(coroutine)
        tasks.append(asyncio.Task(coroutine, loop=loop, **options))
        if is_due:
            cancel_all()
        return tasks[-1]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        server = loop.create_task(serving())  # whose own suspensions do not count
        done, _ = await asyncio.wait((server,), timeout=10)
        loop.set_task_factory(None)
        assert done
        if not server.cancelled():
            assert server.exception() is None

    asyncio.run(main())
    return count > suspension


def test_wherever_all_tasks_are_cancelled_the_end_of_a_request_is_complete(app: Webframe, asgi: Any, ears: Any) -> None:
    @app.get("/")
    async def view(request: Request) -> str:
        register(request, ears)
        return "ok"

    suspension = 0
    while end_at(lambda: asgi(app).run(), suspension):
        assert ears.events == ["started", *END], suspension
        ears.events.clear()
        suspension += 1
    assert suspension >= 8


def test_wherever_all_tasks_are_cancelled_the_end_of_a_websocket_is_complete(app: Webframe, ears: Any) -> None:
    @app.websocket("/")
    async def view(websocket: Any) -> None:
        register(websocket.request, ears)

    async def serve() -> None:
        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            pass

        headers = [(b"host", b"testserver")]
        await app({"type": "websocket", "path": "/", "query_string": b"", "headers": headers}, receive, send)

    suspension = 0
    end = ["websocket finished" if event == "finished" else event for event in END]
    while end_at(serve, suspension):
        assert ears.events == ["websocket started", *end], suspension
        ears.events.clear()
        suspension += 1
    assert suspension >= 8


def test_what_a_plain_closer_does_is_not_interrupted(app: Webframe, asgi: Any, heard: Any) -> None:
    """Code in a worker may ask whether its task was cancelled, as databases do while they wait."""
    begun, cancelled = threading.Event(), threading.Event()

    def close() -> None:
        begun.set()
        cancelled.wait(5)
        heard("forsaken" if was_cancelled() else "closed")

    @app.get("/")
    async def view(request: Request) -> str:
        request.on_close(close)
        return "ok"

    async def main() -> None:
        serving = asyncio.create_task(asgi(app).run())
        while not begun.is_set():
            await asyncio.sleep(0.001)
        cancel_others()
        await asyncio.sleep(0)
        cancelled.set()
        await asyncio.wait((serving,))

    asyncio.run(main())
    assert heard.events == ["started", "closed", "finished"]


def test_a_request_that_waits_in_line_for_a_worker_is_finished_when_its_turn_comes(
    app: Webframe, asgi: Any, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_leases, "pool", workers.Pool(1))
    release = threading.Event()

    @app.get("/")
    async def view(request: Request) -> str:
        request.on_close(heard, "closer")
        heard("view")
        return "ok"

    async def busy() -> None:
        workers.current_lessee.set(SimpleNamespace(lease=None))
        await workers.run(release.wait, 10)

    async def main() -> None:
        await asgi(app).run()
        tasks = [asyncio.create_task(busy())]
        await asyncio.sleep(0.01)
        tasks.append(asyncio.create_task(asgi(app).run()))
        await asyncio.sleep(0.01)
        cancel_others()
        await asyncio.sleep(0.01)
        assert heard.events == ["view", "closer", "view"]
        release.set()
        await asyncio.wait(tasks)

    heard.disconnect()  # its receivers would need a worker before there is anything to finish
    asyncio.run(main())
    assert heard.events == ["view", "closer", "view", "closer"]


def cancel_others() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

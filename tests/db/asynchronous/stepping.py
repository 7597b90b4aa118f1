"""Cancels a task at its n-th suspension, so that a test can do so at every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Interruption:
    """Cancels whichever of the coroutines that it runs makes the n-th suspension, counted over all of them.

    `mode` says when. "early": what is awaited has not come yet. "late": it has come
    at the very same moment, and is lost. "storm": as early, and once more at each
    suspension after that one.
    """

    MODES = ("early", "late", "storm")

    def __init__(self, at: int, mode: str) -> None:
        self.at = at
        self.mode = mode
        # The suspensions so far, and whether that one has been reached.
        self.count = 0
        self.done = False
        # Whom it has cancelled.
        self.victims: set[asyncio.Task[Any]] = set()

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine in this task."""
        return await _Steps(coroutine, self._suspended)

    def _suspended(self, future: Any) -> None:
        self.count += 1
        if self.count != self.at and not (self.done and self.mode == "storm"):
            return
        self.done = True
        task = asyncio.current_task()
        assert task is not None
        self.victims.add(task)
        if self.mode == "late" and future is not None:
            future.add_done_callback(lambda _: task.cancel())
        else:
            # It has begun to wait by then.
            asyncio.get_running_loop().call_soon(task.cancel)


class _Steps:
    """Awaits a coroutine, and tells of each suspension what is waited for: a future, or None."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], tell: Callable[[Any], None]) -> None:
        self.coroutine = coroutine
        self.tell = tell

    def __await__(self) -> Generator[Any, Any, Any]:
        step, argument = self.coroutine.send, None
        while True:
            try:
                future = step(argument)
            except StopIteration as stop:
                return stop.value
            self.tell(future)
            try:
                argument = yield future
                step = self.coroutine.send
            except BaseException as error:
                step, argument = self.coroutine.throw, error

"""One user at a time, in order of arrival.

A `Guard` serialises what is done on one connection, or within one transaction,
by threads and tasks that share it. Whoever has to wait stands in line and is
handed the guard by the one before; no lock is held meanwhile, and a task waits
without its event loop. A thread or task that would wait for itself is told so,
instead of waiting for ever.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any

from webframe import waiting
from webframe._lazy import LateModule
from webframe.waiting import wait

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")


class WouldWaitForItself(Exception):
    """The guard is held by this very thread or task."""


def flow() -> object:
    """Who this code is: the identity of its thread or, on a running event loop, a weak reference to its task.

    A task that is never gone on with, because its loop was closed, must not live
    as long as a guard that it has taken.
    """
    if waiting.running_loop() is None:
        return get_ident()
    task = asyncio.current_task()
    return None if task is None else weakref.ref(task)


# The line of a guard that nobody has ever had to wait for.
NOBODY: tuple[()] = ()


class Guard:
    """A lock that is handed on in the order in which it was asked for."""

    __slots__ = ("_free", "_line", "owner")

    def __init__(self) -> None:
        # The turns of those who wait, and errands; a deque once anybody has had to wait.
        self._line: deque[_Turn] | tuple[()] = NOBODY
        # The `flow` that has the guard; 0: nobody. Another one may give back what this one has taken.
        self.owner: object = 0
        # Has one thing in it while nobody has the guard. Taking it out is one step, and quicker than a lock.
        self._free: list[None] = [None]

    def acquire(self, timeout: float | None = None) -> None:
        """Take the guard, after all who have asked before.

        Raises `WouldWaitForItself` if this thread or task has it, and
        `TimeoutError` after `timeout` seconds. On an event loop it is for
        code in a greenlet (see `greenlets.py`).
        """
        if self._line or not self._take():
            self._wait(timeout)
        else:
            self.owner = flow()

    def try_acquire(self) -> bool:
        """Take the guard if nobody has it and nobody waits."""
        if self._line or not self._take():
            return False
        self.owner = flow()
        return True

    def try_acquire_in_thread(self) -> bool:
        """The same, quicker, where no event loop is running in this thread: done for each statement."""
        if self._line:
            return False
        try:
            self._free.pop()
        except IndexError:
            return False
        self.owner = get_ident()
        return True

    def release(self) -> None:
        """Hand the guard to the next in line."""
        self.owner = 0
        self._free.append(None)
        if self._line:
            self._hand_on()

    def when_free(self, errand: Callable[[], object]) -> None:
        """Call `errand` with the guard taken: at once, or when it is its turn, by whoever hands the guard on."""
        self._stand_in_line(_Errand(self, errand))
        self._hand_on()

    def _take(self) -> bool:
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def _wait(self, timeout: float | None) -> None:
        here = flow()
        if self.owner == here:
            raise WouldWaitForItself
        loop = waiting.running_loop()
        turn = _TurnOfThread() if loop is None else _TurnOfTask(loop)
        self._stand_in_line(turn)
        self._hand_on()  # it may have become free just before
        try:
            came = turn.wait(timeout)
        except BaseException:
            if not self._leave_line(turn):
                self.release()
            raise
        if not came and self._leave_line(turn):
            raise TimeoutError
        self.owner = here

    def _stand_in_line(self, turn: _Turn) -> None:
        if self._line is NOBODY:
            line: deque[_Turn] = deque()
            with _lines_lock:
                # The garbage collector may bring somebody else here, but not between these two lines.
                if self._line is NOBODY:
                    self._line = line
        self._line.append(turn)  # type: ignore[union-attr]  # it is a deque now, and for ever

    def _leave_line(self, turn: _Turn) -> bool:
        """Stop waiting; False if the guard was handed to us at that very moment."""
        assert not isinstance(self._line, tuple)
        try:
            self._line.remove(turn)
        except ValueError:
            return False
        return True

    def _hand_on(self) -> None:
        while self._line and self._take():
            try:
                turn = self._line.popleft()
            except IndexError:  # the last in line has just given up
                self._free.append(None)
                continue
            if turn.come():
                return
            self._free.append(None)


class _Turn:
    """The place of one in the line."""

    __slots__ = ()

    def come(self) -> bool:
        """It has the guard; called in any thread. False if nobody is there any more to take it."""
        raise NotImplementedError

    def wait(self, timeout: float | None) -> bool:
        """Wait for the turn to come; False if it has not."""
        raise NotImplementedError


class _TurnOfThread(_Turn):
    """Somebody waits, and a thread with him."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def come(self) -> bool:
        self._lock.release()
        return True

    def wait(self, timeout: float | None) -> bool:
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)


class _TurnOfTask(_Turn):
    """Somebody waits in a greenlet, and nobody with him."""

    __slots__ = ("_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[bool] = loop.create_future()

    def come(self) -> bool:
        if waiting.running_loop() is self._loop:
            self._settle(True)
            return True
        try:
            self._loop.call_soon_threadsafe(self._settle, True)
        except RuntimeError:  # the loop has been closed
            return False
        return True

    def _settle(self, came: bool) -> None:
        if not self._future.done():
            self._future.set_result(came)

    def wait(self, timeout: float | None) -> bool:
        return wait(self._wait(timeout))

    async def _wait(self, timeout: float | None) -> bool:
        late: Any = None if timeout is None else self._loop.call_later(timeout, self._settle, False)
        try:
            return await self._future
        finally:
            if late is not None:
                late.cancel()


class _Errand(_Turn):
    """Nobody waits: what is to be done when the turn has come."""

    __slots__ = ("errand", "guard")

    def __init__(self, guard: Guard, errand: Callable[[], object]) -> None:
        self.guard = guard
        self.errand = errand

    def come(self) -> bool:
        self.guard.owner = flow()
        try:
            self.errand()
        finally:
            self.guard.release()
        return True


# Held while a guard gets its line; by whoever the garbage collector brings here, too.
_lines_lock = threading.RLock()


class NoGuard:
    """Takes the place of a guard where this thread has what the guard protects already."""

    __slots__ = ()

    def acquire(self, timeout: float | None = None) -> None:
        """There is nothing to be taken."""

    def try_acquire(self) -> bool:
        """There is nothing to be taken, which always succeeds."""
        return True

    try_acquire_in_thread = try_acquire

    def release(self) -> None:
        """Nothing was taken."""

    def when_free(self, errand: Callable[[], object]) -> None:
        """Call it at once."""
        errand()


NO_GUARD = NoGuard()

"""One user at a time, in order of arrival.

A `Guard` serialises what is done on one connection, or within one transaction,
by threads that share it. Whoever has to wait stands in line and is handed the
guard by the one before; no lock is held meanwhile. A thread that would wait for
itself is told so, instead of waiting for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from threading import get_ident


class WouldWaitForItself(Exception):
    """The guard is held by this very thread."""


class Guard:
    """A lock that is handed on in the order in which it was asked for."""

    __slots__ = ("_free", "_line", "owner")

    def __init__(self) -> None:
        # The locks of those who wait, each held until it is its owner's turn, and errands; a deque once anybody has had
        # to wait.
        self._line: deque[threading.Lock | _Errand] | tuple[()] = ()
        # The thread that has the guard; 0: nobody. Another thread may give back what this one has taken.
        self.owner = 0
        # Has one thing in it while nobody has the guard. Taking it out is one step, and quicker than a lock.
        self._free: list[None] = [None]

    def acquire(self, timeout: float | None = None) -> None:
        """Take the guard, after all who have asked before.

        Raises `WouldWaitForItself` if this thread has it, and `TimeoutError`
        after `timeout` seconds.
        """
        if self._line:
            self._wait(timeout)
            return
        try:
            self._free.pop()
        except IndexError:
            self._wait(timeout)
        else:
            self.owner = get_ident()

    def try_acquire(self) -> bool:
        """Take the guard if nobody has it and nobody waits."""
        if self._line or not self._take():
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
        if self.owner == get_ident():
            raise WouldWaitForItself
        turn = threading.Lock()
        turn.acquire()
        self._stand_in_line(turn)
        self._hand_on()  # it may have become free just before
        try:
            came = turn.acquire(timeout=-1 if timeout is None else timeout)
        except BaseException:
            if not self._leave_line(turn):
                self.release()
            raise
        if not came and self._leave_line(turn):
            raise TimeoutError
        self.owner = get_ident()

    def _stand_in_line(self, turn: threading.Lock | _Errand) -> None:
        line = self._line
        if isinstance(line, tuple):
            with _lines_lock:
                line = self._line = deque() if isinstance(self._line, tuple) else self._line
        line.append(turn)

    def _leave_line(self, turn: threading.Lock) -> bool:
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
            turn.release()
            return


class _Errand:
    """Stands in line like the lock of somebody who waits; what is called when its turn comes."""

    __slots__ = ("errand", "guard")

    def __init__(self, guard: Guard, errand: Callable[[], object]) -> None:
        self.guard = guard
        self.errand = errand

    def release(self) -> None:
        """It is its turn: it has the guard."""
        self.guard.owner = get_ident()
        try:
            self.errand()
        finally:
            self.guard.release()


# Held while a guard gets its line.
_lines_lock = threading.Lock()


class NoGuard:
    """Takes the place of a guard where this thread has what the guard protects already."""

    __slots__ = ()

    def acquire(self, timeout: float | None = None) -> None:
        """There is nothing to be taken."""

    def try_acquire(self) -> bool:
        """There is nothing to be taken, which always succeeds."""
        return True

    def release(self) -> None:
        """Nothing was taken."""

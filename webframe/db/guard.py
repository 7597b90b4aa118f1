"""One user at a time, in order of arrival.

A `Guard` serialises what is done on one connection, or within one transaction,
by threads that share it. Whoever has to wait stands in line and is handed the
guard by the one before; no lock is held meanwhile. A thread that would wait for
itself is told so, instead of waiting for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from threading import get_ident


class WouldWaitForItself(Exception):
    """The guard is held by this very thread."""


class Guard:
    """A lock that is handed on in the order in which it was asked for."""

    __slots__ = ("_busy", "_line", "_release", "_try", "owner")

    def __init__(self) -> None:
        # Tested and set in one step; never waited for.
        self._busy = threading.Lock()
        self._try = self._busy.acquire
        self._release = self._busy.release
        # Locks, each held until it is its owner's turn.
        self._line: deque[threading.Lock] = deque()
        # The thread that has the guard; 0: nobody. Another thread may give back what this one has taken.
        self.owner = 0

    def acquire(self, timeout: float | None = None) -> None:
        """Take the guard, after all who have asked before.

        Raises `WouldWaitForItself` if this thread has it, and `TimeoutError`
        after `timeout` seconds.
        """
        if not self._line and self._try(False):
            self.owner = get_ident()
        else:
            self._wait(timeout)

    def try_acquire(self) -> bool:
        """Take the guard if nobody has it and nobody waits."""
        if self._line or not self._try(False):
            return False
        self.owner = get_ident()
        return True

    def release(self) -> None:
        """Hand the guard to the next in line."""
        self.owner = 0
        self._release()
        if self._line:
            self._hand_on()

    def _wait(self, timeout: float | None) -> None:
        if self.owner == get_ident():
            raise WouldWaitForItself
        turn = threading.Lock()
        turn.acquire()
        self._line.append(turn)
        self._hand_on()  # it may have become free just before we stood in line
        try:
            came = turn.acquire(timeout=-1 if timeout is None else timeout)
        except BaseException:
            if not self._leave_line(turn):
                self.release()
            raise
        if not came and self._leave_line(turn):
            raise TimeoutError
        self.owner = get_ident()

    def _leave_line(self, turn: threading.Lock) -> bool:
        """Stop waiting; False if the guard was handed to us at that very moment."""
        try:
            self._line.remove(turn)
        except ValueError:
            return False
        return True

    def _hand_on(self) -> None:
        while self._line and self._try(False):
            try:
                turn = self._line.popleft()
            except IndexError:  # the last in line has just given up
                self._release()
                continue
            turn.release()
            return


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

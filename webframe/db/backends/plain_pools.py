"""The connections of plain code to a database, for a wrapper that makes them without SQLAlchemy.

They are handed out last in, first out, so that those that are not needed grow old;
who has waited longest comes first.
A connection may come back at any moment, in the middle of the pool's own work too:
the garbage collector gives back what somebody has forgotten.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

# Seconds after which those who wait look again whether a connection has come back unnoticed.
PATIENCE = 1.0


class PlainCheckout:
    """A connection and what the pool knows of it; in use it looks as what SQLAlchemy's pools give out."""

    __slots__ = ("born", "dbapi_connection", "driver_connection", "info", "pool")

    def __init__(self, pool: PlainPool) -> None:
        self.pool = pool
        # The connection, under both names that SQLAlchemy has for it; None while it is being made.
        self.driver_connection: Any = None
        self.dbapi_connection: Any = None
        # When it was made: seconds of the monotonic clock.
        self.born = monotonic()
        # Whatever its user wants to keep with it.
        self.info: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        # What SQLAlchemy calls beside the following is the driver's.
        return getattr(self.driver_connection, name)

    def close(self) -> None:
        """Give it back to the pool."""
        self.pool.put(self)

    def invalidate(self) -> None:
        """Close the connection, whatever it is in the middle of."""
        self.pool.drop(self)

    def detach(self) -> None:
        """Take it out of the pool: closing it is up to its user."""
        self.pool.forget(self)


class PlainPool:
    """The pool of one database; its methods may be called in any thread."""

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        size: int,
        limit: int | None,
        timeout: float,
        max_age: float | None,
        is_alive: Callable[[PlainCheckout], bool] | None = None,
    ) -> None:
        """`connect` makes a connection that has a `close`. `size` of them are kept, `limit` may be there at a time
        (None: any number), who waits does so for `timeout` seconds, and none is used after `max_age` seconds. With
        `is_alive` those that have been used before are tried before they are used again.
        """
        self._connect = connect
        self._size = size
        # How many connections there may be at a time; None: any number.
        self.limit = limit
        self._timeout = timeout
        self._max_age = max_age
        self._is_alive = is_alive
        # All there are, those that are being made included; and those of them that nobody uses, the last one last.
        self._all: set[PlainCheckout] = set()
        self._idle: list[PlainCheckout] = []
        # Those who wait, who comes next at the left.
        self._line: deque[object] = deque()
        self._changed = threading.Condition(threading.RLock())
        # Whether those in use are closed when they come back.
        self._disposed = False

    def checkedout(self) -> int:
        """How many connections are in use."""
        with self._changed:
            return len(self._all) - len(self._idle)

    def take(self) -> PlainCheckout:
        """A connection; raises `TimeoutError` after the time of the pool, and what `connect` raises."""
        checkout = self._reserve()
        try:
            if checkout.driver_connection is not None and not self._is_fit(checkout):
                self._close(checkout)
            if checkout.driver_connection is None:
                checkout.driver_connection = checkout.dbapi_connection = self._connect()
                checkout.born = monotonic()
        except BaseException:
            self.drop(checkout)
            raise
        return checkout

    def _is_fit(self, checkout: PlainCheckout) -> bool:
        """Whether a connection that was used before can be used again."""
        if self._max_age is not None and monotonic() - checkout.born >= self._max_age:
            return False
        return self._is_alive is None or self._is_alive(checkout)

    def _reserve(self) -> PlainCheckout:
        """One that nobody uses, or a new one without a connection yet."""
        with self._changed:
            checkout = None if self._line else self._free()
            return self._wait() if checkout is None else checkout

    def _free(self) -> PlainCheckout | None:
        """The same, if there may be one now."""
        if self._idle:
            return self._idle.pop()
        if self.limit is not None and len(self._all) >= self.limit:
            return None
        checkout = PlainCheckout(self)
        self._all.add(checkout)
        return checkout

    def _wait(self) -> PlainCheckout:
        """The same, when it is one's turn."""
        until, place = monotonic() + self._timeout, object()
        self._line.append(place)
        try:
            while True:
                if self._line[0] is place and (checkout := self._free()) is not None:
                    return checkout
                if (left := until - monotonic()) <= 0:
                    raise TimeoutError
                self._changed.wait(min(PATIENCE, left))
        finally:
            self._line.remove(place)
            self._changed.notify_all()

    def put(self, checkout: PlainCheckout) -> None:
        """Take a connection back."""
        with self._changed:
            if checkout not in self._all:
                return  # it was detached
            if not self._disposed and len(self._idle) < self._size:
                self._idle.append(checkout)
                self._changed.notify_all()
                return
        self.drop(checkout)

    def drop(self, checkout: PlainCheckout) -> None:
        """Close a connection, unless it was detached; somebody may make another."""
        if checkout not in self._all:
            return
        try:
            self._close(checkout)
        finally:
            self.forget(checkout)

    def forget(self, checkout: PlainCheckout) -> None:
        """Count a connection no more."""
        with self._changed:
            self._all.discard(checkout)
            self._changed.notify_all()

    def dispose(self) -> None:
        """Close the connections that nobody uses now, and the others when they come back."""
        with self._changed:
            self._disposed = True
            idle, self._idle = self._idle, []
        for checkout in idle:
            self.drop(checkout)

    def _close(self, checkout: PlainCheckout) -> None:
        raw, checkout.driver_connection, checkout.dbapi_connection = checkout.driver_connection, None, None
        checkout.info = {}
        if raw is None:
            return
        try:
            raw.close()
        except Exception:
            # It is of no use any more, closed or not, and whoever is here has something else to do.
            import logging

            logging.getLogger("webframe.db").warning("A connection could not be closed.", exc_info=True)

"""The connections of an event loop to a database: a bounded number, handed out in the order of asking.

Connections of async drivers belong to the loop that they were made on, so there
is a pool for each loop. SQLAlchemy's pools hand a connection that comes back to
whoever asks next, past those who wait, and taking one costs as much as a query by
key does in all; hence this one.

A pool ends with its loop: `asyncio.run` and the servers close asynchronous
generators before they close the loop, and the pool keeps one for that. Generators
of others, which are closed at the same time, may ask for a connection yet: they get
one of a last pool, which keeps none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any

from webframe import waiting
from webframe.db.backends.drivers.base import Link
from webframe.greenlets import bridge
from webframe.waiting import wait

if TYPE_CHECKING:
    import asyncio

    from webframe.db.holder import Slot


class Checkout:
    """A connection and what the pool knows of it; in use it looks as what SQLAlchemy's pools give out."""

    __slots__ = ("born", "driver_connection", "info", "is_started", "link", "pool", "rested", "slot")

    def __init__(self, pool: LoopPool, link: Link) -> None:
        self.pool = pool
        self.link = link
        self.driver_connection = link.raw
        # When it was made, and when it was last given back, which is noted where it is to be tried before it is used
        # again: seconds of the monotonic clock.
        self.born = self.rested = monotonic()
        # Whatever its user wants to keep with it.
        self.info: dict[str, Any] = {}
        # A slot for statements outside of transactions, one at a time.
        self.slot: Slot | None = None
        # Whether the statement on it was started by `Link.start`.
        self.is_started = False

    def finish(self) -> None:
        """Give it back to the pool, in the thread of its loop."""
        self.pool.put(self)

    def close(self) -> None:
        """Give it back to the pool."""
        pool = self.pool
        if waiting.running_loop() is pool.loop:
            pool.put(self)
        else:
            pool.on_loop(pool.put, self)

    def invalidate(self) -> None:
        """Close the connection, whatever it is in the middle of."""
        self.pool.on_loop(self.pool.drop, self)


# Seconds after which a connection that nobody has used is tried before it is used again. Most drivers notice by
# themselves, on an event loop, when the server closes a connection; what they cannot notice is a network that is gone.
RESTED = 1.0


class LoopPool:
    """The pool of one event loop. Its methods are for that loop's thread, but for `on_loop` and `dispose`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[[], Link],
        *,
        size: int,
        limit: int | None,
        timeout: float,
        max_age: float | None,
        ping: bool,
        ended: Callable[[LoopPool], object],
        is_last: bool,
    ) -> None:
        """`size` connections are kept, `limit` may be there at a time (None: any number), who waits does so for
        `timeout` seconds; none is used after `max_age` seconds, and with `ping` those that have rested are tried before
        they are used again. `ended` is called when the loop ends; after that comes one that `is_last`.
        """
        self.loop = loop
        self._connect = connect
        self._size = size
        # How many connections there may be at a time; None: any number.
        self.limit = limit
        self._timeout = timeout
        self._max_age = max_age
        self._ping = ping
        # Whether statements may be started on its connections without a greenlet (`Link.starts`).
        self.starts = False
        # Connections that nobody uses, the one that was used last at the end.
        self.resting: list[Checkout] = []
        # Those who wait. They get a connection, or None, which is the right to make one.
        self._line: deque[asyncio.Future[Checkout | None]] = deque()
        # How many connections there are, or are being made, or may be made by somebody who has the right.
        self.count = 0
        # Whether those in use are closed when they come back; and whether there is, or need be, nothing to end it.
        self._disposed = is_last
        self._has_end = is_last
        self._ended = ended
        self._end: AsyncGenerator[None] | None = None

    @property
    def idle(self) -> int:
        """How many connections nobody is using."""
        return len(self.resting)

    def take_idle(self) -> Checkout | None:
        """A connection that can be used at once, if there is one."""
        if not self.resting:
            return None
        checkout = self.resting[-1]
        if self._ping and monotonic() - checkout.rested > RESTED or self._max_age is not None:
            return None
        self.resting.pop()
        if not checkout.link.is_open():
            self.drop(checkout)
            return None
        return checkout

    def take(self) -> Checkout:
        """A connection, when it is one's turn; for code in a greenlet.

        Raises `TimeoutError` after the time of the pool, and the driver's error if
        a connection cannot be made.
        """
        if not self._has_end:
            self._end_with_loop()
        while True:
            checkout: Checkout | None
            if self.resting:
                checkout = self.resting.pop()
            elif self.limit is None or self.count < self.limit:
                self.count += 1
                return self._make()
            else:
                checkout = wait(self._turn())
                if checkout is None:
                    return self._make()
            if self._is_fit(checkout):
                return checkout

    def put(self, checkout: Checkout) -> None:
        """Take a connection back, and give it to who waits longest."""
        if self._ping:
            checkout.rested = monotonic()
        if self._disposed or checkout.link.stale:
            self.drop(checkout)
        elif not self._line or not self._hand_on(checkout):
            if len(self.resting) < self._size:
                self.resting.append(checkout)
            else:
                self.drop(checkout)

    def drop(self, checkout: Checkout) -> None:
        """Close a connection; who waits longest may make another."""
        checkout.slot = None
        try:
            checkout.link.terminate()
        finally:
            self._let_make()

    def dispose(self) -> None:
        """Close the connections that nobody uses now, and the others when they come back; in any thread."""
        self._disposed = True
        self.on_loop(self._drop_idle)

    def on_loop(self, function: Callable[..., object], *args: Any) -> None:
        """Call a method of the pool in the thread of its loop: at once, if this is it."""
        if waiting.running_loop() is self.loop:
            function(*args)
            return
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            self._forget()  # the loop is closed; the connections cannot even be closed in an orderly way

    # --- making connections ---------------------------------------------------------------------------------------

    def _make(self) -> Checkout:
        """Make a connection; it is counted already."""
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        cancellations = task.cancelling()
        try:
            link = self._connect_apart()
            if task.cancelling() > cancellations:
                # Drivers connect within asyncio.wait_for(), which forgets a cancellation on Python 3.11 when what it
                # waits for comes at the same moment.
                link.terminate()
                raise asyncio.CancelledError
            self.starts = link.starts
            return Checkout(self, link)
        except BaseException:
            self._let_make()
            raise

    def _connect_apart(self) -> Link:
        """Connect in a context of its own: an open socket keeps the one that it is made in, and a request with it."""
        making = self.loop.create_task(bridge(self._connect), context=Context())
        try:
            return wait(making)
        except BaseException:
            making.cancel()
            making.add_done_callback(_close_unwanted)  # it may have come at the very moment of the cancellation
            raise

    def _is_fit(self, checkout: Checkout) -> bool:
        """Whether a connection that was used before can be used again; if not, it is closed."""
        if self._max_age is not None and monotonic() - checkout.born >= self._max_age:
            self.drop(checkout)
            return False
        if not checkout.link.is_open():
            self.drop(checkout)
            return False
        if self._ping and monotonic() - checkout.rested > RESTED:
            try:
                checkout.link.ping()
            except BaseException as error:
                self.drop(checkout)
                if not isinstance(error, Exception):
                    raise
                return False
        return True

    # --- waiting --------------------------------------------------------------------------------------------------

    async def _turn(self) -> Checkout | None:
        future: asyncio.Future[Checkout | None] = self.loop.create_future()
        self._line.append(future)
        late = self.loop.call_later(self._timeout, self._give_up, future)
        try:
            return await future
        except BaseException:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._pass_on(future.result())  # it came at the very moment of the cancellation
            elif future in self._line:
                self._line.remove(future)
            raise
        finally:
            late.cancel()

    def _give_up(self, future: asyncio.Future[Checkout | None]) -> None:
        if not future.done():
            self._line.remove(future)
            future.set_exception(TimeoutError())

    def _pass_on(self, checkout: Checkout | None) -> None:
        if checkout is None:
            self._let_make()
        else:
            self.put(checkout)

    def _hand_on(self, checkout: Checkout | None) -> bool:
        """Give a connection, or the right to make one, to the first in line; False if nobody waits."""
        while self._line:
            future = self._line.popleft()
            if not future.done():
                future.set_result(checkout)
                return True
        return False

    def _let_make(self) -> None:
        """There is one connection less."""
        if not self._hand_on(None):
            self.count -= 1

    # --- the end --------------------------------------------------------------------------------------------------

    def _end_with_loop(self) -> None:
        self._has_end = True
        self._end = self._until_the_end()
        wait(self._end.__anext__())

    async def _until_the_end(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._disposed = True
            self._ended(self)
            await bridge(self._close_idle)

    def _close_idle(self) -> None:
        """Say good-bye to the server on every connection that nobody uses."""
        while self.resting:
            checkout = self.resting.pop()
            self.count -= 1
            try:
                checkout.link.close()
            except Exception:
                checkout.link.terminate()

    def _drop_idle(self) -> None:
        while self.resting:
            self.drop(self.resting.pop())

    def _forget(self) -> None:
        self.resting.clear()


def _close_unwanted(making: asyncio.Task[Link]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().terminate()

"""Start-up and shutdown of an app: once, whoever serves it.

A server that speaks the lifespan protocol says when; under WSGI, and under
ASGI servers that never say, the first request starts the app and the end of
the process (or of its event loop) shuts it down.

Plain functions and generators need no event loop. If anything is async, all of
it runs in one task, from the first start-up to the last shutdown, so that task
groups and context variables hold across a generator's `yield`.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import partial
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.waiting import is_async, on_running_loop, step
from webframe.workers import pieces_of_work, process_loop, run

if TYPE_CHECKING:
    import asyncio
    from concurrent import futures

    from webframe.core.handlers import base
    from webframe.core.handlers.base import Edge
else:
    asyncio = LateModule("asyncio")
    futures = LateModule("concurrent.futures")
    base = LateModule("webframe.core.handlers.base")

logger = logging.getLogger("webframe.server")


class Lifespan:
    """What an app does before its first request and after its last."""

    def __init__(self) -> None:
        # In the order of registration; shutdown goes backwards.
        self.startup: list[Callable[[], Any]] = []
        self.shutdown: list[Callable[[], Any]] = []
        self.generators: list[Callable[[], Any]] = []
        # Those of mounted apps: started after ours and shut down before.
        self.inner: list[Lifespan] = []
        # Whether start-up is complete and shutdown has not begun.
        self.running = False
        # Called when it ends, by the app that must start it again before the next request.
        self.on_end: Callable[[], None] = lambda: None
        # What is to be undone, last first.
        self._undo: list[Callable[[], Any] | Lifespan] = []
        # The task that keeps an async lifespan alive where no server does.
        self._keeper: _Keeper | None = None
        # Guards the start; re-entrant because start-up code may make requests to its own app.
        self._lock = threading.RLock()
        _all_lifespans.add(self)

    def add_generator(self, function: Callable[[], Any]) -> None:
        """Register a generator function: start-up, one `yield`, shutdown."""
        if not isgeneratorfunction(function) and not isasyncgenfunction(function):
            raise ImproperlyConfigured(
                f"A lifespan must be a generator function with one 'yield', not {function!r}. "
                "Use on_startup and on_shutdown for plain functions."
            )
        self.generators.append(function)

    def functions(self) -> Iterable[Callable[[], Any]]:
        """Every function of this lifespan and of those inside it."""
        yield from (*self.startup, *self.generators, *self.shutdown)
        for lifespan in self.inner:
            yield from lifespan.functions()

    @property
    def needs_loop(self) -> bool:
        """Whether any of it is async."""
        return any(is_async(function) or isasyncgenfunction(function) for function in self.functions())

    async def enter(self, edge: Edge) -> None:
        """Run start-up. When a part of it fails, what was done before is undone and the error raised."""
        ends = await self._begin(edge)
        try:
            for function in self.startup:
                await edge.call(function)
            self._undo += self.shutdown
            for function in self.generators:
                await self._enter_generator(function, edge)
            for lifespan in self.inner:
                if not lifespan.running:  # or it is mounted twice
                    await lifespan.enter(edge)
                    self._undo.append(lifespan)
        except BaseException:
            await self.leave(edge)
            raise
        finally:
            await self._end(ends, edge)
        self.running = True

    async def leave(self, edge: Edge) -> Exception | None:
        """Run shutdown, last started first; errors are logged, and the rest goes on. Returns the first of them."""
        self.running = False
        first: Exception | None = None
        ends = await self._begin(edge)
        while self._undo:
            undo = self._undo.pop()
            try:
                if isinstance(undo, Lifespan):
                    error = await undo.leave(edge)
                    first = first or error
                else:
                    await edge.call(undo)
            except Exception as error:
                logger.exception("Shutdown failed; the rest of it goes on.")
                first = first or error
        await self._end(ends, edge)
        self.on_end()
        return first

    async def _begin(self, edge: Edge) -> list[Callable[[], object]]:
        """Begin a piece of work; returns what ends it."""
        return [await edge.call(begin) for begin in pieces_of_work]

    async def _end(self, ends: list[Callable[[], object]], edge: Edge) -> None:
        for end in ends:
            await edge.call(end)

    async def _enter_generator(self, function: Callable[[], Any], edge: Edge) -> None:
        generator = function()
        name = getattr(function, "__qualname__", function)
        leave: Callable[[], Any]
        if hasattr(generator, "asend"):
            started = await anext(generator, _END)
            leave = partial(_aleave, generator, name)
        else:
            started = await edge.call(next, generator, _END)
            leave = partial(_leave, generator, name)
        if started is _END:
            raise ImproperlyConfigured(f"The lifespan {name} ended without a 'yield' between start-up and shutdown.")
        self._undo.append(leave)

    def start(self) -> None:
        """Start from a plain thread, unless it is running."""
        with self._lock:
            if self.running:
                return
            if self.needs_loop:
                keeper = self._keep(process_loop())
            else:
                step(self.enter(base.PLAIN))
                call_at_exit(self._stop_plainly)
                return
        done, _ = futures.wait((keeper.started,), settings.LIFESPAN_TIMEOUT)
        if not done:
            raise _too_slow()
        keeper.started.result()

    async def astart(self) -> None:
        """Start from an event loop whose server does not speak the lifespan protocol, unless it is running."""
        if self.running:
            return
        if not self.needs_loop:
            await run(self.start)
            return
        with self._lock:
            keeper = self._keep(asyncio.get_running_loop())
        started = asyncio.wrap_future(keeper.started)
        started.add_done_callback(asyncio.Future.exception)  # or asyncio complains if nobody waits any more
        # Other requests wait for it too, so it must not be cancelled when this one is.
        done, _ = await asyncio.wait((started,), timeout=settings.LIFESPAN_TIMEOUT)
        if not done:
            raise _too_slow()
        started.result()

    def _keep(self, loop: asyncio.AbstractEventLoop) -> _Keeper:
        """The keeper that is at work, or a new one on this loop."""
        if self._keeper is None or self._keeper.is_over:
            self._keeper = _Keeper(self, loop)
            call_at_exit(self._keeper.stop)
        return self._keeper

    def _start_afresh(self) -> None:
        """Forget, after a fork, what was started: it belongs to the other process, which will shut it down."""
        self._lock = threading.RLock()
        if self.running or self._keeper is not None:
            # Kept, because a generator that is collected runs its clean-up.
            _of_the_parent.append((self._undo, self._keeper))
            self.running = False
            self._undo = []
            self._keeper = None
            self.on_end()

    def _stop_plainly(self) -> None:
        atexit.unregister(self._stop_plainly)
        if self.running:
            step(self.leave(base.PLAIN))


_all_lifespans: weakref.WeakSet[Lifespan] = weakref.WeakSet()
_of_the_parent: list[Any] = []


def _start_all_afresh() -> None:
    for lifespan in list(_all_lifespans):
        lifespan._start_afresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all_afresh)


def _too_slow() -> TimeoutError:
    return TimeoutError(f"Start-up has taken more than {settings.LIFESPAN_TIMEOUT:g} seconds (LIFESPAN_TIMEOUT).")


def call_at_exit(function: Callable[[], None]) -> None:
    """Have a function called when this process ends; perhaps twice."""
    atexit.register(function)
    # The children of multiprocessing, which granian makes its workers of, leave without asking atexit.
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, function, exitpriority=0)


async def serve_lifespan(
    lifespan: Lifespan,
    set_up: Callable[[], Any],
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Talk the ASGI lifespan protocol: start up and shut down when the server says so.

    An app that was started by somebody else is left running for them. The
    messages about a failed start-up, and about a shutdown that is complete but
    for errors, have the error itself too, for servers in this process: clients
    of tests raise it.
    """
    is_ours = False
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await run(set_up)
                if not lifespan.running:
                    await lifespan.enter(base.LOOP)
                    is_ours = True
            except Exception as error:
                logger.exception("Start-up failed.")
                text = f"{type(error).__name__}: {error}"
                await send({"type": "lifespan.startup.failed", "message": text, "webframe.error": error})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            failure = await lifespan.leave(base.LOOP) if is_ours else None
            # Not "failed", which has some servers end as if they had crashed: it was logged, and the rest was done.
            told = {} if failure is None else {"webframe.error": failure}
            await send({"type": "lifespan.shutdown.complete", **told})
            return


def _leave(generator: Any, name: object) -> None:
    _check_ended(next(generator, _END), name)


async def _aleave(generator: Any, name: object) -> None:
    _check_ended(await anext(generator, _END), name)


def _check_ended(answer: object, name: object) -> None:
    if answer is not _END:
        raise RuntimeError(f"The lifespan {name} yielded twice: one 'yield' parts start-up from shutdown.")


_END = object()


class _Keeper:
    """Keeps an async lifespan alive in one task of a loop."""

    def __init__(self, lifespan: Lifespan, loop: asyncio.AbstractEventLoop) -> None:
        self.lifespan = lifespan
        self.loop = loop
        # Done when start-up is complete or has failed, and when shutdown is complete.
        self.started: futures.Future[None] = futures.Future()
        self.ended: futures.Future[None] = futures.Future()
        self.task: asyncio.Task[None] | None = None
        # Where it lives: in a fork of that process there is no such task.
        self.process = os.getpid()
        loop.call_soon_threadsafe(self._begin)

    @property
    def is_over(self) -> bool:
        return self.ended.done() or self.loop.is_closed() or self.process != os.getpid()

    def _begin(self) -> None:
        self.task = self.loop.create_task(self._live(), name="webframe-lifespan")

    async def _live(self) -> None:
        try:
            try:
                await self.lifespan.enter(base.LOOP)
            except BaseException as error:
                self.started.set_exception(error)
                return
            self.started.set_result(None)
            try:
                await self.loop.create_future()
            except asyncio.CancelledError:
                pass  # the loop is ending, or `stop` was called: either way it is time to shut down
            await self.lifespan.leave(base.LOOP)
        finally:
            self.ended.set_result(None)

    def stop(self) -> None:
        """Shut down from another thread and wait until it is done."""
        atexit.unregister(self.stop)
        if self.is_over or self.task is None:
            return
        if not self.loop.is_running():  # stopped for good, and its tasks left as they were: so does Twisted
            if not on_running_loop():
                self.task.cancel()
                self.loop.run_until_complete(asyncio.wait((self.task,), timeout=settings.LIFESPAN_TIMEOUT))
            return
        self.loop.call_soon_threadsafe(self.task.cancel)
        if not on_running_loop():
            with contextlib.suppress(TimeoutError):
                self.ended.result(settings.LIFESPAN_TIMEOUT)

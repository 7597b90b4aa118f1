"""Start-up and shutdown of an app in a test: what a server would ask for, asked for by a client or a live server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from webframe import waiting
from webframe.conf import settings
from webframe.core.handlers.protocol import ServedBothWays
from webframe.core.handlers.streaming import shielded
from webframe.waiting import refuse_on_loop
from webframe.workers import process_loop, run_on_process_loop

logger = logging.getLogger("webframe.server")

Message = MutableMapping[str, Any]

# Seconds that an app may take to end after those who talk with it have gone.
PATIENCE = 10.0


class Life:
    """The life of an app from start-up to shutdown, in one task of the event loop in which it is started.

    An app that does not speak the lifespan protocol of ASGI has none, as with
    any server; one that runs already, because somebody else has started it, is
    left running.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app
        # What the app has put there while it started: each request gets a copy, as `scope["state"]`.
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        # What we ask, and what the app answers: its messages, then how it ended.
        self._questions: asyncio.Queue[Message]
        self._answers: asyncio.Queue[Message | _Ended]

    @property
    def running(self) -> bool:
        """Whether start-up was run, and shutdown was not yet."""
        return self._task is not None

    async def start(self) -> None:
        """Run start-up; what goes wrong there is raised. Cancelled, it is undone."""
        self._questions, self._answers = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.create_task(self._live(), name="webframe-test-lifespan")
        try:
            answer = await self._ask("startup")
        except BaseException:
            await shielded(self._give_up())
            raise
        if isinstance(answer, _Ended):
            self._task = None
            if answer.error is not None and not isinstance(answer.error, Exception):
                raise answer.error
            logger.info("%r does not speak the lifespan protocol (%r), so it has no start-up.", self.app, answer.error)
        elif answer["type"] == "lifespan.startup.failed":
            await shielded(self._end())
            raise await self._error_of(answer)

    async def stop(self, *, raising: bool = True) -> None:
        """Run shutdown, if start-up has run; what goes wrong there is raised, or else logged."""
        if self._task is not None:
            await shielded(self._stop(raising))

    async def _stop(self, raising: bool) -> None:
        try:
            answer = await self._ask("shutdown")
        finally:
            await self._end()
        error: BaseException | None
        if isinstance(answer, _Ended):
            error = answer.error
        elif answer["type"] == "lifespan.shutdown.failed":
            error = await self._error_of(answer)
        else:
            error = answer.get("webframe.error")
            if not raising:
                return  # whoever tells us has logged it
        if error is not None and raising:
            raise error
        if error is not None:
            logger.error("Shutdown of %r failed.", self.app, exc_info=error)

    async def _ask(self, moment: str) -> Message | _Ended:
        self._questions.put_nowait({"type": f"lifespan.{moment}"})
        try:
            async with asyncio.timeout(settings.LIFESPAN_TIMEOUT):
                return await self._answers.get()
        except TimeoutError:
            raise TimeoutError(
                f"{self.app!r} has not answered lifespan.{moment} for {settings.LIFESPAN_TIMEOUT:g} seconds "
                "(LIFESPAN_TIMEOUT)."
            ) from None

    async def _give_up(self) -> None:
        """Undo a start-up whose end nobody waits for any more."""
        if self._answers.empty():  # it is under way: cancelled, it undoes itself
            assert self._task is not None
            self._task.cancel()
            await self._end()
        else:
            await self._stop(raising=False)

    async def _end(self) -> None:
        """Wait for the end of the task."""
        task, self._task = self._task, None
        assert task is not None
        await asyncio.wait((task,), timeout=PATIENCE)
        task.cancel()

    async def _error_of(self, answer: Message) -> BaseException:
        """The error behind an answer that only tells of it."""
        error = answer.get("webframe.error")
        if isinstance(error, BaseException):
            return error
        ended = None if self._answers.empty() else self._answers.get_nowait()
        if isinstance(ended, _Ended) and ended.error is not None:
            return ended.error
        return RuntimeError(f"{self.app!r} answered {answer['type']}: {answer.get('message') or 'it does not say why'}")

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        error: BaseException | None = None
        try:
            await self.app(scope, self._questions.get, self._answers.put)
        except BaseException as caught:  # raised by a task of its own, SystemExit would end the loop
            error = caught
        self._answers.put_nowait(_Ended(error))


@contextmanager
def leaving(error: BaseException | None) -> Iterator[None]:
    """Around what is done at the end of a block: where that fails, an error of the block is told all the same."""
    try:
        yield
    except Exception as another:
        if error is None:
            raise
        error.add_note(f"After that the shutdown of the app failed as well: {another!r}")


class _Ended:
    """The last that is heard of an app."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def life_of(app: Any, protocol: str) -> Life | None:
    """The life of an app; None for an app that has none because it speaks WSGI alone."""
    return Life(app) if protocol == "asgi" or isinstance(app, ServedBothWays) else None


def wait_anywhere(coroutine: Coroutine[Any, Any, None]) -> None:
    """Wait for start-up or shutdown on the loop that the process keeps, in async tests of WSGI apps too.

    They block their loop then, as a WSGI app does in any case. The process's own
    loop is the exception: it would wait for itself.
    """
    if waiting.running_loop() is process_loop():
        coroutine.close()
        refuse_on_loop("Starting and stopping an app for a plain Client or a LiveServer", "AsyncClient")
    run_on_process_loop(coroutine)


def found_app() -> Any:
    """The app that the command `webframe` would find: WEBFRAME_APP, or what is in the current folder."""
    from webframe.core.management.loading import find_app

    return find_app().app

"""The requests on the kitchen board: who has come, who was served, and where something went wrong.

Three receivers hear of the life of every request, under WSGI and ASGI alike; what they hear is kept in a ring. They
are connected with ``inline=True``, which is for receivers that never block: async code calls them in place then.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from webframe import Request, current_request
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.dispatch import receiver

# Names of routes that are not shown: the board asks for its own news every second, and every page for its stylesheet.
SILENT = {"kitchen.live", "static"}

LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, as far as it has come."""

    method: str
    path: str
    # The number of the order that it is about, if its address has one.
    order: int | None
    # Seconds, by a clock that only knows intervals.
    began: float
    # "running", "finished", "failed", or "gone" where the client did not wait for the answer.
    state: str = "running"
    status: int | None = None
    # The kind of error. Not its text, which is for the log: it may tell secrets, and anybody may read the board.
    error: str | None = None
    milliseconds: float | None = None


class Board:
    """The last requests of this process, `length` of them; may be used from any thread."""

    def __init__(self, length: int = 30) -> None:
        self._length = length
        # By the id of the request, the oldest first; under the lock.
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def begin(self, request: Request) -> None:
        order = (request.view_args or {}).get("number")
        visit = Visit(request.method, request.path[:LONGEST_PATH], order, perf_counter())
        with self._lock:
            self._visits[request.id] = visit
            if len(self._visits) > self._length:
                del self._visits[next(iter(self._visits))]

    def fail(self, request: Request, error: BaseException | None) -> None:
        self._change(request, state="failed", error=type(error).__name__)

    def end(self, request: Request) -> None:
        visit = self._visits.get(request.id)
        if visit is None:  # silent, or long gone from the board
            return
        milliseconds = (perf_counter() - visit.began) * 1000
        if request.response is None:
            self._change(request, state="gone", milliseconds=milliseconds)
        else:
            state = "finished" if visit.state == "running" else visit.state
            self._change(request, state=state, status=request.response.status_code, milliseconds=milliseconds)

    def _change(self, request: Request, **changes: Any) -> None:
        with self._lock:
            if request.id in self._visits:
                self._visits[request.id] = replace(self._visits[request.id], **changes)

    def latest(self) -> list[Visit]:
        """The last requests, the newest first."""
        with self._lock:
            return list(reversed(self._visits.values()))


board = Board()


@receiver(request_started, inline=True)
def note_begin(sender: type, **kwargs: Any) -> None:
    request = current_request.get()
    if request is not None and request.endpoint not in SILENT:
        board.begin(request)


@receiver(got_request_exception, inline=True)
def note_failure(sender: None, request: Request, **kwargs: Any) -> None:
    board.fail(request, sys.exc_info()[1])


@receiver(request_finished, inline=True)
def note_end(sender: type, **kwargs: Any) -> None:
    request = current_request.get()
    if request is not None:
        board.end(request)

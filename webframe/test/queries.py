"""What tests ask about queries: which were there, and how many.

    with count_queries(2):
        client.get("/orders")

    async with count_queries() as queries:
        await Order.objects.acount()
    assert "COUNT" in queries[0]["sql"]

They hear this thread or task and those that the block starts, requests of a
client too, but no other; what begins and ends transactions and savepoints is
counted as in Django.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, cast

from webframe import waiting
from webframe.db.backends.watching import Query
from webframe.db.connections import DEFAULT_ALIAS, connections
from webframe.greenlets import bridge

# Lines of this file are no news to those who read why a test has failed; unittest and pytest leave them out.
__unittest = True
__tracebackhide__ = True


class CaptureQueriesContext:
    """The statements that a database is asked within the block, in order: each has "sql", "params" and "time".

    For ``with`` and ``async with``. Like a list; it can be looked at within the
    block already. Connecting, and the beginning of a transaction around the block,
    are not among them; in async code that is so with ``async with``.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        # The statements so far.
        self.captured_queries: list[Query] = []
        self._recording: AbstractContextManager[list[Query]] | None = None

    def __iter__(self) -> Iterator[Query]:
        return iter(self.captured_queries)

    def __getitem__(self, index: Any) -> Any:
        return self.captured_queries[index]

    def __len__(self) -> int:
        return len(self.captured_queries)

    def __enter__(self) -> Self:
        if not waiting.on_running_loop() or waiting.current_greenlet() is not None:
            self.connection.ensure_connection()
        return self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        recording = cast("AbstractContextManager[list[Query]]", self._recording)
        recording.__exit__(None, None, None)
        if error is None:
            self.check()

    async def __aenter__(self) -> Self:
        await bridge(self.connection.ensure_connection)
        return self._enter()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _enter(self) -> Self:
        self._recording = self.connection.record_queries()
        self.captured_queries = self._recording.__enter__()
        return self

    def check(self) -> None:
        """What is done when the block has ended without an error."""


class count_queries(CaptureQueriesContext):
    """Captures the queries of the block, and raises `AssertionError` unless there are `expected`, or `at_most` so many.

    >>> with count_queries(1):
    ...     Order.objects.count()
    """

    def __init__(self, expected: int | None = None, *, at_most: int | None = None, using: str = DEFAULT_ALIAS) -> None:
        super().__init__(connections[using])
        self.expected = expected
        self.at_most = at_most

    def check(self) -> None:
        """Raise `AssertionError`, with all queries, if they are not as many as expected."""
        count = len(self)
        if self.expected is not None and count != self.expected:
            raise AssertionError(f"{_times(count)} executed, {self.expected} expected.{self._listed()}")
        if self.at_most is not None and count > self.at_most:
            raise AssertionError(f"{_times(count)} executed, at most {self.at_most} expected.{self._listed()}")

    def _listed(self) -> str:
        lines = [f"{number}. {_shown(query)}" for number, query in enumerate(self, start=1)]
        return "\n".join(["\nCaptured queries were:", *lines]) if lines else ""


def _times(count: int) -> str:
    return f"{count} {'query was' if count == 1 else 'queries were'}"


def _shown(query: Query) -> str:
    """A statement in one line, with its parameters, if it has any."""
    sql = " ".join(query["sql"].split())
    return f"{sql}  {query['params']!r}" if query["params"] else sql

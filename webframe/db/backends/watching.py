"""Watching statements: execute wrappers, and the log of queries."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from webframe.conf import settings

ExecuteWrapper = Callable[[Callable[..., Any], str, Any, bool, dict[str, Any]], Any]

# What is installed by `execute_wrapper` in this context, outermost last.
_watchers: ContextVar[tuple[tuple[str, ExecuteWrapper], ...]] = ContextVar("webframe.db.watchers", default=())

# A statement that was run: its "sql", its "params" and its "time", seconds as text.
Query = dict[str, Any]

# The lists in which `record_queries` notes the statements of this context.
_records: ContextVar[tuple[tuple[str, list[Query]], ...]] = ContextVar("webframe.db.records", default=())


class Watched:
    """Lets statements be seen, and changed, by whoever asks; costs one look at `watchers` while nobody does."""

    alias: str
    # How many queries `queries` keeps.
    queries_limit = 9000

    def __init__(self) -> None:
        # How many ask to see every statement: the with-blocks of execute_wrapper and record_queries, and
        # force_debug_cursor.
        self.watchers = 0
        self.queries_log: deque[Query] = deque(maxlen=self.queries_limit)
        self._force_debug_cursor = False
        self._lock = threading.RLock()

    @contextmanager
    def execute_wrapper(self, wrapper: ExecuteWrapper) -> Iterator[None]:
        """Within the block every statement of the code here is run by `wrapper(execute, sql, params, many, context)`.

        It calls ``execute(sql, params, many, context)``, or does not. It concerns
        this thread or task and those it starts, requests of a test client too.
        """
        before = _watchers.get()
        with self._lock:
            self.watchers += 1
        _watchers.set((*before, (self.alias, wrapper)))
        try:
            yield
        finally:
            _watchers.set(before)
            with self._lock:
                self.watchers -= 1

    @contextmanager
    def record_queries(self) -> Iterator[list[Query]]:
        """Within the block every statement of the code here is noted in the list that it gives, as in `queries`.

        What begins and ends transactions and savepoints is noted too. It concerns
        this thread or task and those it starts, requests of a test client too.
        """
        queries: list[Query] = []
        before = _records.get()
        with self._lock:
            self.watchers += 1
        _records.set((*before, (self.alias, queries)))
        try:
            yield queries
        finally:
            _records.set(before)
            with self._lock:
                self.watchers -= 1

    @property
    def force_debug_cursor(self) -> bool:
        """Whether queries are logged though DEBUG is off."""
        return self._force_debug_cursor

    @force_debug_cursor.setter
    def force_debug_cursor(self, force: bool) -> None:
        with self._lock:
            self.watchers += bool(force) - self._force_debug_cursor
            self._force_debug_cursor = bool(force)

    @property
    def queries_logged(self) -> bool:
        """Whether queries are logged."""
        return self._force_debug_cursor or settings.DEBUG

    @property
    def queries(self) -> list[Query]:
        """The latest queries of the process, each a dictionary of sql, params and time (seconds, as text)."""
        return list(self.queries_log)

    def watch(self, execute: Callable[[str, Any], Any], sql: str, params: Any, many: bool, cursor: Any) -> Any:
        """Run a statement by way of everybody who wants to see it."""

        def run(sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
            start = time.perf_counter()
            try:
                return execute(sql, params)
            finally:
                self.log(sql, params, time.perf_counter() - start)

        executor: Callable[..., Any] = run
        for alias, wrapper in _watchers.get():
            if alias == self.alias:
                executor = partial(wrapper, executor)
        return executor(sql, params, many, {"connection": self, "cursor": cursor})

    def log(self, sql: str, params: Any, seconds: float) -> None:
        """Note a statement that has been run, wherever it is to be noted."""
        query = {"sql": sql, "params": params, "time": f"{seconds:.3f}"}
        for alias, queries in _records.get():
            if alias == self.alias:
                queries.append(query)
        if self.queries_logged:
            import logging

            self.queries_log.append(query)
            logger = logging.getLogger("webframe.db.queries")
            logger.debug("(%.3f) %s; args=%s; alias=%s", seconds, sql, params, self.alias)

"""Databases in tests: made for one run, and left as they were after each test.

The fixtures of `pytest_plugin.py` and the classes of `testcases.py` are made of what
is here; use it where they do not fit, with another runner for instance::

    with made_databases():           # once, around all tests
        with rolled_back():          # around each
            Pizza.objects.create(...)
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.conf import close_match
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import transaction
from webframe.db.connections import DEFAULT_ALIAS, connections
from webframe.db.errors import TransactionManagementError
from webframe.db.guard import flow
from webframe.db.holder import entered, open_transactions
from webframe.db.nodes import Node
from webframe.greenlets import bridge
from webframe.test.databases import MadeDatabases as MadeDatabases
from webframe.test.databases import ensure_databases as ensure_databases
from webframe.test.databases import made_databases as made_databases
from webframe.test.databases import setup_databases as setup_databases
from webframe.test.databases import teardown_databases as teardown_databases
from webframe.test.keeping import Copies, copy_rows, put_back

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")


@contextmanager
def rolled_back(*aliases: str) -> Iterator[None]:
    """What is done in these databases (or all) within the block is undone at its end.

    Requests of a client within see it, and are in the same transaction. Code that
    runs in a thread of its own is not. Durable blocks are allowed right inside.
    """
    names = _without_mirrors(aliases)
    before = entered.get()
    with ExitStack() as stack:
        for alias in names:
            block = transaction.atomic(using=alias)
            block.of_test = True
            stack.enter_context(block)
        around = entered.get()
        try:
            yield
        finally:
            left = _roll_back_left(around)
            for node in _nodes_between(around, before):
                _take_over(node)
            for alias in names:
                transaction.set_rollback(True, using=alias)
        _tell_left(left)


@contextmanager
def emptied(*aliases: str, reset_sequences: bool = False) -> Iterator[None]:
    """At the end of the block these databases (or all) have the rows that they had before the first such block.

    So what the block has committed is deleted, and what migrations have put there
    is there again. With `reset_sequences` keys that a database gives out begin
    with 1 in the block, or behind those that are there.
    """
    copies = {alias: _copies_of(alias) for alias in _without_mirrors(aliases)}
    if reset_sequences:
        for alias in copies:
            put_back(alias, copies[alias], reset_sequences=True)
    autocommit = {alias: transaction.get_autocommit(alias) for alias in copies}
    around, before = entered.get(), open_transactions()
    try:
        yield
    finally:
        left = _roll_back_left(around) + _roll_back_abandoned(before)
        connections.close_all()
        for alias in copies:
            transaction.set_autocommit(autocommit[alias], alias)
            put_back(alias, copies[alias])
    _tell_left(left)


def _roll_back_left(around: Node | None) -> list[str]:
    """Roll back the transactions that were entered here since then and not left; returns their databases."""
    left: list[str] = []
    nodes = list(_nodes_between(entered.get(), around))
    if around is not None and nodes and nodes[-1].outer is not around:
        return left  # another context, whose transactions began before
    for node in nodes:
        if not node.closed:
            _take_over(node)
            left.append(node.alias)
            node.broken = node.broken or "The test in which it was begun has ended."
            with suppress(TransactionManagementError):  # a block of an ended task is open within
                node.close()
    return left


def _roll_back_abandoned(before: list[Node]) -> list[str]:
    """Roll back what was begun since then by tasks and threads that are gone; returns the databases."""
    there = {thread.ident for thread in threading.enumerate()}
    return [
        node.alias
        for node in open_transactions()
        if node not in before
        and (node.thread not in there if node.slot.loop is None else not node.slot.loop.is_running())
        and node.abandon("The test in which it was begun has ended.")
    ]


async def end_tasks() -> None:
    """End whatever tasks a test has left on this event loop, and roll back what those have left open that are gone."""
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    loop = asyncio.get_running_loop()
    left = [
        node.alias
        for node in open_transactions()
        if node.slot.loop is loop and node.abandon("The test in which it was begun has ended.")
    ]
    await asyncio.sleep(0)  # in which drivers see that their connections are closed
    _tell_left(left)


def _nodes_between(inner: Node | None, outer: Node | None) -> Iterator[Node]:
    """The transactions in which `inner` is and `outer` is not, the innermost first."""
    while inner is not None and inner is not outer:
        yield inner
        inner = inner.outer


def _take_over(node: Node) -> None:
    """Wait for nobody who is in a block within this one and will never leave it, because it has ended or is not run."""
    owner = node.guard.owner
    if isinstance(owner, weakref.ref):
        task: asyncio.Task[Any] | None = owner()
        is_gone = task is None or task.done() or not task.get_loop().is_running()
        if task is not None and not task.done() and is_gone:
            # A thread may still be at work for it: whatever it does there ends with the connection.
            node.lose("A task that uses it was left when its test ended.")
            node.slot.wrapper.discard(node.slot)
    else:
        is_gone = bool(owner) and all(thread.ident != owner for thread in threading.enumerate())
    if is_gone:
        node.guard.owner = flow()


def _tell_left(aliases: list[str]) -> None:
    """Raise an error if transactions were left open."""
    if aliases:
        raise TransactionManagementError(
            f"A transaction of {aliases[-1]!r} was left open, and has been rolled back now. Leave each atomic block in "
            "the test that enters it; a generator that was left in the middle of one has to be closed."
        )


# The copies of what was there before the first block of `emptied`, by the wrapper of the database.
_copies: weakref.WeakKeyDictionary[Any, Copies] = weakref.WeakKeyDictionary()


def _copies_of(alias: str) -> Copies:
    connection = connections[alias]
    if connection not in _copies:
        _copies[connection] = copy_rows(alias)
    return _copies[connection]


def chosen_databases(names: str | Iterable[str] | None) -> list[str]:
    """The aliases that a test means: "default" for None, all for "__all__"; of replicas what they show.

    Where there is no "default", None means all. Raises `ImproperlyConfigured` for a name that is not there.
    """
    if names is None:
        names = [DEFAULT_ALIAS] if DEFAULT_ALIAS in connections else ALL
    if isinstance(names, str) and names != ALL:
        names = [names]
    if not isinstance(names, str):
        names = list(names)
    if not names:
        raise ImproperlyConfigured(
            'A test asks for databases=[], which are none. Name some ("__all__" for all), or let it not ask at all.'
        )
    for name in names if names != ALL else ():
        if name not in connections:
            raise ImproperlyConfigured(
                f"A test asks for the database {name!r}, and DATABASES has "
                f"{', '.join(map(repr, connections)) or 'none'}.{close_match(str(name), connections)}"
            )
    return _without_mirrors(() if names == ALL else names)


# What stands for all aliases.
ALL = "__all__"


def _without_mirrors(aliases: Iterable[str]) -> list[str]:
    """These aliases, or all, but for replicas: what they show is done where they look."""
    return list(dict.fromkeys(connections[alias].alias for alias in tuple(aliases) or tuple(connections)))


class capture_on_commit:
    """Collect what is to be called after the commit, for tests whose transaction is never committed.

    For ``with`` and, where what is called has to wait, ``async with``. The list that
    it gives is filled at the end of the block; with `execute` each function is
    called then, and so is what it registers in turn.
    """

    def __init__(self, using: str = DEFAULT_ALIAS, *, execute: bool = False) -> None:
        self.using = using
        self.execute = execute
        # The functions, and how many were registered before the block.
        self.functions: list[Callable[[], object]] = []
        self._start = 0

    def __enter__(self) -> list[Callable[[], object]]:
        self._start = len(transaction.hooks_of(self.using))
        return self.functions

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._collect()

    async def __aenter__(self) -> list[Callable[[], object]]:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await bridge(self._collect)

    def _collect(self) -> None:
        while hooks := transaction.hooks_of(self.using)[self._start :]:
            self._start += len(hooks)
            for hook in hooks:
                self.functions.append(hook.function)
                if self.execute:
                    transaction.call_hook(hook.function, hook.robust)
            if not self.execute:
                return

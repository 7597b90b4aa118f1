"""Transactions: blocks that are done as a whole or not at all.

    with transaction.atomic():
        order.save()
        transaction.on_commit(print_receipt)

    async with transaction.atomic():
        await order.asave()

The names and the meanings are Django's; see `nodes.py` for how it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from types import CoroutineType, TracebackType
from typing import Any, TypeVar, overload

from webframe import waiting
from webframe.db.connections import connections
from webframe.db.errors import DatabaseError, Error, NotSupportedError, ProgrammingError
from webframe.db.errors import TransactionManagementError as TransactionManagementError
from webframe.db.holder import Holder, Slot, announced, entered, holder_here, holder_if_any
from webframe.db.nodes import Hook, Mark, Node, acquire_for, node_here
from webframe.db.refusals import refusal
from webframe.db.routers import DEFAULT_ALIAS
from webframe.greenlets import bridge
from webframe.waiting import is_async, on_running_loop, refuse_on_loop, wait

F = TypeVar("F", bound=Callable[..., Any])


class Atomic:
    """A block that is committed as a whole, or rolled back when an error leaves it; see `atomic`."""

    # Whether a test is what it encloses: durable blocks directly inside are not refused. Set it before entering.
    of_test = False

    def __init__(self, using: str | None, savepoint: bool, durable: bool, read_only: bool) -> None:
        self.using = using or DEFAULT_ALIAS
        self.savepoint = savepoint
        self.durable = durable
        self.read_only = read_only
        # The blocks that were entered with this object, and not yet left.
        self._nodes: list[Node | Mark] = []

    def __enter__(self) -> None:
        if waiting.running_loop() is not None and waiting.current_greenlet() is None:
            raise refusal(self.using)
        self._nodes.append(self._enter())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave(self._nodes.pop() if len(self._nodes) == 1 else self._node_to_leave(), error)

    async def __aenter__(self) -> None:
        # Nothing is waited for: the transaction begins at its first statement.
        self._nodes.append(self._enter())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await bridge(_leave, self._nodes.pop() if len(self._nodes) == 1 else self._node_to_leave(), error)

    def _enter(self) -> Node | Mark:
        holder = holder_here()
        outer: Node | None = entered.get()
        parent = node_here(self.using, holder) if outer is not None else None
        slot: Slot | None = announced.get()
        guardless = slot is not None and slot.alias == self.using
        if guardless:
            parent = None  # a receiver of connection_created: what is around it has not begun, and waits for it
        else:
            slot = _new_place(self.using, holder) if parent is None else parent.slot
        assert slot is not None
        if self.durable and parent is not None and not parent.of_test:
            raise RuntimeError(
                "A durable atomic block cannot stand within another one: it would not be committed when it ends. "
                "Leave the outer block first, or do without durable=True."
            )
        if parent is not None and not self.savepoint:
            return Mark(parent)
        node = Node(holder, slot, parent, outer, self.read_only)
        node.guardless = guardless
        node.of_test = self.of_test
        entered.set(node)
        return node

    def _node_to_leave(self) -> Node | Mark:
        """The block that is being left here, when the same object was entered several times, perhaps by threads."""
        node: Node | None = entered.get()
        while node is not None:
            for block in reversed(self._nodes):
                if not node.closed and (block is node or isinstance(block, Mark) and block.node is node):
                    self._nodes.remove(block)
                    return block
            node = node.outer
        return self._nodes.pop()

    def __call__(self, function: F) -> F:
        """Run every call of a function, plain or ``async def``, in a block of its own."""
        _refuse_to_decorate(function)
        return (self._around_async if is_async(function) else self._around_plain)(function)  # type: ignore[return-value]

    def _around_plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def in_block(*args: Any, **kwargs: Any) -> Any:
            if waiting.running_loop() is not None and waiting.current_greenlet() is None:
                raise refusal(self.using)
            node = self._enter()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                _leave(node, error)
                raise
            _leave(node, None)
            return result

        return in_block

    def _around_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def in_block(*args: Any, **kwargs: Any) -> Any:
            node = self._enter()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                await bridge(_leave, node, error)
                raise
            await bridge(_leave, node, None)
            return result

        return in_block


@overload
def atomic(using: F) -> F: ...
@overload
def atomic(
    using: str | None = None, savepoint: bool = True, durable: bool = False, *, read_only: bool = False
) -> Atomic: ...
def atomic(using: Any = None, savepoint: bool = True, durable: bool = False, *, read_only: bool = False) -> Any:
    """A block that is committed as a whole when it is left, or rolled back when an error leaves it.

    A context manager, ``with`` in plain code and ``async with`` in async code, and a
    decorator of functions of both kinds (``@atomic`` or
    ``@atomic(using="other")``). A block within another one is a savepoint, unless
    ``savepoint=False``: then an error that leaves it breaks the outer block.
    `durable` raises `RuntimeError` where the block would stand within another.
    `read_only` is for the outermost block: the database then refuses to write,
    and SQLite does not keep other writers out.

    The transaction begins at the first query. After an error of the database
    nothing but leaving the block is possible: `TransactionManagementError`.
    """
    if callable(using):
        return Atomic(None, savepoint, durable, read_only)(using)
    return Atomic(using, savepoint, durable, read_only)


def _refuse_to_decorate(function: Callable[..., Any]) -> None:
    import inspect

    name = getattr(function, "__qualname__", repr(function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        block = "async with atomic():" if inspect.isasyncgenfunction(function) else "with atomic():"
        raise TypeError(
            f"{name} is a generator function: calling it does nothing yet, so there would be nothing to commit. "
            f"Write '{block}' in its body."
        )


def _leave(node: Node | Mark, error: BaseException | None) -> None:
    hooks = node.close(error)
    if hooks:
        _call(hooks)


def _call(hooks: Sequence[Hook]) -> None:
    for hook in hooks:
        call_hook(hook.function, hook.robust)


def call_hook(function: Callable[[], object], robust: bool) -> None:
    """Call what was registered with `on_commit`, and wait for it if it is async; if `robust`, errors are logged."""
    try:
        result = function()
        # It may be a plain function that gives a coroutine: ``lambda: send_receipt(order)``.
        if type(result) is CoroutineType or is_async(function):
            wait(result)  # type: ignore[arg-type]  # that is what being async means
    except Exception as error:
        if not robust:
            raise
        import logging

        name = getattr(function, "__qualname__", repr(function))
        logging.getLogger("webframe.db").error("Error calling %s in on_commit() (%s)", name, error, exc_info=True)


# --- after the commit ---------------------------------------------------------------------------------------------


def on_commit(func: Callable[[], object], using: str | None = None, robust: bool = False) -> None:
    """Call a function once the outermost transaction here is committed; at once if there is none.

    It is forgotten when the block or the savepoint it was registered in is rolled
    back. Functions are called in the order of their registration, outside of the
    transaction. The first error is passed on and keeps the later ones from being
    called, unless `robust`, which logs it.
    """
    if not callable(func):
        raise TypeError(f"on_commit() takes a function to call, not {func!r}.")
    alias = using or DEFAULT_ALIAS
    node = node_here(alias, holder_if_any()) if entered.get() is not None else None
    if node is not None:
        node.add_hook(Hook(func, robust))
    elif get_autocommit(using):
        if on_running_loop() and is_async(func):
            refuse_on_loop(
                "on_commit() with an async function, outside of transactions, where it is to be called at once,",
                "'await' with the function, or on_commit() within 'async with atomic()',",
            )
        call_hook(func, robust)
    else:
        raise TransactionManagementError(
            "on_commit() needs an atomic block, or autocommit: with set_autocommit(False) nobody is told of commits."
        )


def is_open(using: str | None = None) -> bool:
    """Whether the code here is in an atomic block of a database, or of any if None is given; never connects."""
    node: Node | None = entered.get()
    if node is None:
        return False
    holder = holder_if_any()
    while node is not None:
        if node.holder is holder and not node.closed and (using is None or node.alias == using):
            return True
        node = node.outer
    return False


def hooks_of(using: str | None = None) -> list[Hook]:
    """What is registered to be called after the commit of the transaction here, in order."""
    node = node_here(using or DEFAULT_ALIAS, holder_if_any())
    hooks: list[Hook] = []
    while node is not None:
        hooks = [*node.hooks, *hooks]
        node = node.parent
    return hooks


# --- breaking by hand ---------------------------------------------------------------------------------------------


def get_rollback(using: str | None = None) -> bool:
    """Whether the innermost atomic block will be rolled back when it ends."""
    return _node_for("get_rollback()", using).broken is not None


def set_rollback(rollback: bool, using: str | None = None) -> None:
    """Roll the innermost atomic block back when it ends; False takes that back, if the database is fit for it."""
    node = _node_for("set_rollback()", using)
    node.broken = (node.broken or "set_rollback(True) was called.") if rollback else node.lost


class mark_for_rollback_on_error:
    """A context manager: an error that leaves it breaks the atomic block around it, if there is one."""

    def __init__(self, using: str | None = None) -> None:
        self.using = using

    def __enter__(self) -> None:
        """Nothing is done before there is an error."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            node = node_here(self.using or DEFAULT_ALIAS, holder_if_any())
            if node is not None and node.broken is None:
                node.broken = error


def _node_for(what: str, using: str | None) -> Node:
    node = node_here(using or DEFAULT_ALIAS, holder_if_any())
    if node is None:
        raise TransactionManagementError(
            f"{what} has a meaning inside of an atomic block only, and there is none here."
        )
    return node


# --- savepoints by hand -------------------------------------------------------------------------------------------


def savepoint(using: str | None = None) -> str | None:
    """Set a savepoint; returns its name, or None outside of transactions, where there is nothing to go back to."""
    node = node_here(using or DEFAULT_ALIAS, holder_if_any())
    if node is None:
        return None
    _refuse_to_block(using)
    acquire_for(node)
    try:
        node.prepare()
        slot = node.slot
        slot.savepoint_number += 1
        name = f"webframe_{slot.savepoint_number}"
        slot.wrapper.control(node, node.link, "savepoint", name)
        node.savepoints = [*node.savepoints, (name, len(node.hooks))]
    finally:
        node.guard.release()
    return name


def savepoint_commit(sid: str | None, using: str | None = None) -> None:
    """Keep what was done since a savepoint, and forget the savepoint."""
    if sid is not None:
        _end_savepoint("savepoint_commit()", sid, using, ["release"])


def savepoint_rollback(sid: str | None, using: str | None = None) -> None:
    """Undo what was done since a savepoint; the transaction can be used again even if an error broke it since."""
    if sid is not None:
        _end_savepoint("savepoint_rollback()", sid, using, ["rollback_to", "release"])


async def asavepoint(using: str | None = None) -> str | None:
    """The twin of `savepoint` for async code."""
    return await bridge(savepoint, using)


async def asavepoint_commit(sid: str | None, using: str | None = None) -> None:
    """The twin of `savepoint_commit` for async code."""
    await bridge(savepoint_commit, sid, using)


async def asavepoint_rollback(sid: str | None, using: str | None = None) -> None:
    """The twin of `savepoint_rollback` for async code."""
    await bridge(savepoint_rollback, sid, using)


def clean_savepoints(using: str | None = None) -> None:
    """Taken for the sake of code written for Django: names of savepoints are never used twice here."""


def _refuse_to_block(using: str | None) -> None:
    """Refuse what would wait for the database where that blocks an event loop, before anything is done."""
    if on_running_loop() and waiting.current_greenlet() is None:
        raise refusal(using or DEFAULT_ALIAS)


def _end_savepoint(what: str, sid: str, using: str | None, steps: list[str]) -> None:
    _refuse_to_block(using)
    node = _node_for(what, using)
    place = next((place for place, (name, _) in enumerate(node.savepoints) if name == sid), None)
    if place is None:
        raise TransactionManagementError(
            f"{what} knows no savepoint {sid!r} in this atomic block. Use what savepoint() returned in the same block."
        )
    acquire_for(node)
    try:
        if node.link is None or "rollback_to" not in steps:
            node.prepare()
        for step in steps:
            node.slot.wrapper.control(node, node.link, step, sid)
        if "rollback_to" in steps:
            node.hooks = list(node.hooks[: node.savepoints[place][1]])
            node.broken = node.lost
        node.savepoints = list(node.savepoints[:place])
    except Error as error:
        node.broken = node.broken or error
        raise
    finally:
        node.guard.release()


# --- without autocommit -------------------------------------------------------------------------------------------


def get_autocommit(using: str | None = None) -> bool:
    """Whether each statement is committed by itself here; never connects."""
    alias = using or DEFAULT_ALIAS
    holder = holder_if_any()
    if on_running_loop():
        return node_here(alias, holder) is None
    if holder is None:
        return bool(connections[alias].autocommit)
    if node_here(alias, holder) is not None:
        return False
    slot = holder.slots.get(alias)
    return slot.autocommit if slot is not None else bool(connections[alias].autocommit)


def set_autocommit(autocommit: bool, using: str | None = None) -> None:
    """Turn autocommit off, to end transactions with `commit` and `rollback`, or on again; it lasts until a release.

    That is for plain code in threads: async code has `atomic` alone.
    """
    alias = using or DEFAULT_ALIAS
    _refuse_on_loop("set_autocommit()")
    _refuse_in_block("set_autocommit()", alias)
    slot = _slot_here(alias, holder_here())
    slot.guard.acquire()
    try:
        if autocommit and slot.link is not None and slot.link.begun:
            slot.wrapper.control(slot, slot.link, "commit")
        slot.autocommit = autocommit
    finally:
        slot.guard.release()


def commit(using: str | None = None) -> None:
    """Commit what was done since autocommit was turned off."""
    _end_by_hand("commit", using)


def rollback(using: str | None = None) -> None:
    """Undo what was done since autocommit was turned off."""
    _end_by_hand("rollback", using)


def _end_by_hand(step: str, using: str | None) -> None:
    alias = using or DEFAULT_ALIAS
    _refuse_on_loop(f"{step}()")
    _refuse_in_block(f"{step}()", alias)
    slot = _slot_here(alias, holder_here())
    slot.guard.acquire()
    try:
        if slot.link is not None and slot.link.begun:
            slot.wrapper.control(slot, slot.link, step)
    finally:
        slot.guard.release()


def _refuse_on_loop(what: str) -> None:
    if on_running_loop():
        raise NotSupportedError(
            f"{what} has no meaning in async code, where each statement outside of atomic blocks has a connection of "
            "its own and is committed by itself. Use 'async with atomic()'."
        )


def _refuse_in_block(what: str, alias: str) -> None:
    if node_here(alias, holder_if_any()) is not None:
        raise TransactionManagementError(
            f"{what} is not possible inside of an atomic block, which is committed or rolled back as a whole when it "
            "is left. Use set_rollback(True) or raise an error to roll it back."
        )


def _new_place(alias: str, holder: Holder) -> Slot:
    """The slot of an outermost block that is entered here."""
    loop = waiting.running_loop()
    if loop is None:
        return _slot_here(alias, holder)
    slot: Slot = connections[alias].new_slot(loop)
    return slot


def _slot_here(alias: str, holder: Holder) -> Slot:
    slot = holder.slots.get(alias)
    wrapper = connections[alias]
    return slot if slot is not None and slot.wrapper is wrapper else holder.slot_for(wrapper)


# Known under the names of PEP 249 here too, as in Django.
__all__ = [
    "Atomic",
    "DatabaseError",
    "Error",
    "ProgrammingError",
    "TransactionManagementError",
    "asavepoint",
    "asavepoint_commit",
    "asavepoint_rollback",
    "atomic",
    "clean_savepoints",
    "commit",
    "get_autocommit",
    "get_rollback",
    "is_open",
    "mark_for_rollback_on_error",
    "on_commit",
    "rollback",
    "savepoint",
    "savepoint_commit",
    "savepoint_rollback",
    "set_autocommit",
    "set_rollback",
]

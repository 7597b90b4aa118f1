"""Transactions as a chain of nodes: what `transaction.atomic` enters and leaves.

Each atomic block is a `Node`, but for one without a savepoint within another,
which is a mere `Mark` of that one. A node begins at its first statement: the outermost
one with BEGIN on the connection of its slot, an inner one with a SAVEPOINT in
its parent. From then on it has the guard of what it began in until it ends. So
a node runs statements only while it has no open child, and blocks beside each
other, in several threads or tasks of one request, take turns in the order in
which they came.

Who is in which node is a matter of the context: copies of a context are in the
same one, and a node that has ended is looked through.

Threads and tasks may be in the same node. Its connection is of the side (see
`holder.py`) on which its outermost block was entered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import get_ident
from time import monotonic
from typing import Any

from webframe import _jobs
from webframe._jobs import job_here
from webframe.db.errors import Error, TransactionManagementError
from webframe.db.guard import Guard, WouldWaitForItself, flow
from webframe.db.holder import Holder, Slot, entered
from webframe.waiting import on_running_loop


class Hook:
    """A function to be called once the outermost transaction is committed."""

    __slots__ = ("function", "robust")

    def __init__(self, function: Callable[[], object], robust: bool) -> None:
        self.function = function
        # Whether its errors are logged instead of being passed on.
        self.robust = robust


class Node:
    """One atomic block, from its first line to its last."""

    # What most nodes never change stands here, so that making one is quick.

    # Why there is nothing to go on with: the connection, or the whole transaction, is gone.
    lost: BaseException | str | None = None
    # The name of its savepoint, if it has one.
    savepoint_name = ""
    # Whether a test is what it encloses: durable blocks within do not count it.
    of_test = False
    # The child that has begun.
    child: Node | None = None
    # What to call after the commit, in the order in which it was registered.
    hooks: list[Hook] | tuple[()] = ()
    # Savepoints set by hand, and how many hooks there were.
    savepoints: list[tuple[str, int]] | tuple[()] = ()
    # Whether it was entered by a receiver of `connection_created`, whose thread has the guard already.
    guardless = False
    # Whether the statement in it was started by `Link.start`.
    is_started = False

    def __init__(self, holder: Holder, slot: Slot, parent: Node | None, outer: Node | None, read_only: bool) -> None:
        self.holder = holder
        self.slot = slot
        self.alias = slot.alias
        # The event loop whose side it is of; None: that of threads.
        self.loop = slot.loop
        # The node around this one in the same database and holder.
        self.parent = parent
        # The node that its context was in before, of whichever database.
        self.outer = outer
        # Held by whatever runs in this node: a statement, or a child from its beginning to its end.
        self.guard = Guard()
        self.read_only = read_only
        # The thread that entered it; and of a block on an event loop the task, or else the thread of a worker.
        self.thread = get_ident()
        self.flow = None if self.loop is None else flow()
        # A slot gives its connection back after each statement when it is over; within a transaction that has to wait.
        self.over = False
        # The connection, once it has begun; None before, and when it is lost or all is over.
        self.link: Any = None
        # Why nothing but rolling back is possible any more: an error, or a text.
        self.broken: BaseException | str | None = None if parent is None else parent.broken
        self.closed = False
        # When it was closed, in seconds of the monotonic clock.
        self.ended = 0.0

    def add_hook(self, hook: Hook) -> None:
        """Register a function to be called after the commit."""
        if isinstance(self.hooks, tuple):
            self.hooks = [hook]
        else:
            self.hooks.append(hook)

    # --- beginning ----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make ready for a statement; call it with the guard held.

        Raises `TransactionManagementError` if the transaction is broken.
        """
        reason = self.lost or self.broken
        if reason is not None:
            raise broken_error(reason)
        if self.link is None:
            if self.parent is None:
                self._begin()
            else:
                self._begin_in(self.parent)

    def take_at_once(self, loop: Any) -> bool:
        """Take the guard for a statement on this event loop, if it can run at once; `finish` gives it back."""
        link = self.link
        if self.loop is not loop or link is None or not link.starts or not self.guard.try_acquire():
            return False
        if self.link is None or self.broken is not None:
            self.guard.release()
            return False
        return True

    def finish(self) -> None:
        """Give the guard back."""
        self.guard.release()

    def _begin(self) -> None:
        if not self.guardless:
            try:
                self.slot.guard.acquire(self.slot.wrapper.guard_timeout)
            except WouldWaitForItself:
                # This thread is in a transaction that this code is no part of: do not disturb it.
                self.slot = self._slot_beside()
                self.slot.guard.acquire()
            except TimeoutError:
                raise self.slot.wrapper.nothing_else_to_use(self.slot) from None
        slot, wrapper = self.slot, self.slot.wrapper
        try:
            self.link = self._begin_on(slot)
            if self.lost is not None:
                # Who left the block did not wait for the end of this: nobody would end what begins here.
                wrapper.discard(slot)
                raise broken_error(self.lost)
            if self.savepoint_name:
                wrapper.control(self, self.link, "savepoint", self.savepoint_name)
        except BaseException:
            self.link = None
            if not self.guardless:
                if slot.over:
                    wrapper.give_back(slot)
                slot.guard.release()
            raise
        if not self.guardless:
            slot.root = self
            if self.flow is not None and isinstance(slot.guard, Guard):
                slot.guard.owner = self.flow  # as below

    def _begin_on(self, slot: Slot) -> Any:
        link = slot.link
        was_open = link is not None
        if link is None:
            link = slot.wrapper.open(slot)
        if link.begun:  # autocommit is off: the transaction began before us, and ends after us
            self.savepoint_name = self._new_name()
            return link
        try:
            slot.wrapper.control(slot, link, "begin", self.read_only)
        except Error:
            if not was_open or slot.link is not None:
                raise
            # The connection was lost while it was idle. Nothing has been done yet, so a new one is as good.
            link = slot.wrapper.open(slot)
            slot.wrapper.control(slot, link, "begin", self.read_only)
        if not slot.autocommit:
            self.savepoint_name = self._new_name()
        return link

    def _slot_beside(self) -> Slot:
        slot = self.slot.wrapper.new_slot()
        if slot.shared:
            raise slot.wrapper.nothing_else_to_use(slot)
        slot.over = True
        return slot

    def _begin_in(self, parent: Node) -> None:
        acquire_for(parent)
        try:
            if parent.closed:
                raise TransactionManagementError(
                    "The atomic block around this one has ended already: nothing can be done in this one any more. "
                    "Wait for threads and tasks that use a transaction before you leave its block."
                )
            parent.prepare()
            self.slot = parent.slot
            self.savepoint_name = self._new_name()
            self.slot.wrapper.control(parent, parent.link, "savepoint", self.savepoint_name)
            lost = self.lost or parent.lost
            if lost is not None:  # as above
                raise broken_error(lost)
        except BaseException:
            parent.guard.release()
            raise
        parent.child = self
        self.link = parent.link
        if self.flow is not None:
            # Whoever entered it will leave it. A worker in which it begins goes on to what others want of it.
            parent.guard.owner = self.flow

    def _new_name(self) -> str:
        slot = self.slot
        slot.savepoint_number += 1
        return f"webframe_{slot.savepoint_number}"

    # --- going wrong --------------------------------------------------------------------------------------------

    def lose(self, reason: BaseException | str) -> None:
        """The whole transaction is gone, with its connection or by the will of the database; this node is any of it."""
        node: Node | None = self
        while node is not None and node.parent is not None:
            node = node.parent
        while node is not None:
            node.link = None
            node.lost = node.broken = reason
            node = node.child

    def abandon(self, reason: str) -> bool:
        """Roll back the outermost block, which nobody will leave any more; False if somebody is using it after all."""
        innermost = self
        while innermost.child is not None:
            innermost = innermost.child
        if not innermost.guard.try_acquire():
            return False
        slot = self.slot
        self.lose(reason)
        slot.wrapper.discard(slot)
        slot.root = None
        innermost.guard.release()
        slot.guard.release()
        return True

    # --- ending -------------------------------------------------------------------------------------------------

    def close(self, error: BaseException | None = None) -> Sequence[Hook]:
        """End the block, with the error that leaves it; returns the hooks to be called now.

        There are none unless the outermost block was committed. A block that is
        broken is rolled back as if an error left it. When committing fails, all is
        rolled back and that error is raised.
        """
        if self.closed:
            return ()
        abandoned = False
        interruption: BaseException | None = None
        try:
            self.guard.acquire()
        except WouldWaitForItself:
            abandoned = True
        except BaseException as error_of_waiting:
            if self.slot.loop is None:
                raise
            # Another task is still using it: whatever it does there ends with the connection.
            interruption = error_of_waiting
            self.lose(interruption)
            self.slot.wrapper.discard(self.slot)
        try:
            if abandoned:
                self._abandon_children()
            ok = error is None and self.broken is None and self.lost is None
            if self.parent is None:
                self._end(ok)
            else:
                self._end_in(self.parent, ok)
        finally:
            self.closed = True
            self.ended = monotonic()
            self.link = None
            if interruption is None:
                self.guard.release()
            self._leave_context()
        if interruption is not None:
            raise interruption
        if abandoned and error is None:
            raise TransactionManagementError(
                "An atomic block ended while a block within it was still open, so both were rolled back. Leave the "
                "inner one first; a generator that was left in the middle of one has to be closed."
            )
        hooks, self.hooks = self.hooks, ()
        if not ok or not hooks:
            return ()
        if self.parent is None:
            return hooks
        self.parent.hooks = [*self.parent.hooks, *hooks]
        return ()

    def _abandon_children(self) -> None:
        self.broken = self.broken or "A block within it was never left."
        child = self.child
        while child is not None:
            child.closed = True
            child.ended = monotonic()
            child.link = None
            child.broken = self.broken
            if child.child is not None:
                child.guard.release()
            child = child.child
        self.child = None

    def _end(self, ok: bool) -> None:
        slot, wrapper, link = self.slot, self.slot.wrapper, self.link
        if link is None and slot.root is not self:
            return  # it never began
        try:
            if link is None:
                return  # it was lost
            if self.savepoint_name:
                self._end_savepoint(link, ok)
            elif ok:
                self._commit(link)
            else:
                self._roll_back(link)
        finally:
            if not self.guardless:
                slot.root = None
                if slot.over and slot.link is not None:
                    wrapper.give_back(slot)
                slot.guard.release()

    def _commit(self, link: Any) -> None:
        try:
            self.slot.wrapper.control(self, link, "commit")
        except BaseException:
            if self.link is not None:
                self._roll_back(link)
            raise

    def _roll_back(self, link: Any) -> None:
        try:
            self.slot.wrapper.control(self, link, "rollback")
        except BaseException as error:
            # Whatever state it is in, nobody shall meet it: a closed connection has nothing that is not committed.
            self.slot.wrapper.discard(self.slot)
            if not isinstance(error, Error):
                raise

    def _end_in(self, parent: Node, ok: bool) -> None:
        if parent.child is not self:
            return  # it never began
        try:
            if self.link is not None:
                self._end_savepoint(self.link, ok)
        finally:
            parent.child = None
            parent.guard.release()

    def _end_savepoint(self, link: Any, ok: bool) -> None:
        control = self.slot.wrapper.control
        above = self.parent or self.slot
        if ok:
            try:
                control(above, link, "release", self.savepoint_name)
                return
            except BaseException:
                self._roll_back_to_savepoint(link)
                raise
        self._roll_back_to_savepoint(link)

    def _roll_back_to_savepoint(self, link: Any) -> None:
        if self.link is None:
            return
        control = self.slot.wrapper.control
        above = self.parent or self.slot
        try:
            control(above, link, "rollback_to", self.savepoint_name)
            control(above, link, "release", self.savepoint_name)
        except BaseException as error:
            if self.parent is not None:
                self.parent.broken = self.parent.broken or error
            if not isinstance(error, Error):
                raise

    def _leave_context(self) -> None:
        node = entered.get()
        while node is not None and node.closed:
            node = node.outer
        entered.set(node)


class Mark:
    """A block within another one that has no savepoint: an error that leaves it breaks the other, and that is all."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        # The block around it, in which its statements run.
        self.node = node

    def close(self, error: BaseException | None = None) -> Sequence[Hook]:
        """End the block, with the error that leaves it; there is never anything to be called."""
        if error is not None and self.node.broken is None:
            self.node.broken = error
        return ()


def node_here(alias: str, holder: Holder | None) -> Node | None:
    """The innermost open transaction of a database that the code here is in.

    Raises `TransactionManagementError` in plain code that has lost it because nobody waits for that code any more.
    """
    node: Node | None = entered.get()
    while node is not None:
        if node.closed:
            if node.alias == alias:
                _refuse_if_forsaken(node)
        elif node.holder is holder and node.alias == alias:
            return node
        node = node.outer
    return None


def _is_in_block_of_thread() -> bool:
    """Whether the code here is in an open block that was entered in this thread, of whichever database."""
    thread = get_ident()
    node: Node | None = entered.get()
    while node is not None:
        if node.thread == thread and not node.closed:
            return True
        node = node.outer
    return False


_jobs.is_in_transaction = _is_in_block_of_thread


def _refuse_if_forsaken(node: Node) -> None:
    """What began in a transaction that has ended since shall not go on outside of it: that would be half of it."""
    job = job_here()
    if job is not None and job.is_forsaken(node.ended):
        raise TransactionManagementError(
            "The atomic block in which this code was called has ended: the task that waited for it was cancelled, by a "
            "timeout or because a client went away. What this code does from here on would not be part of the "
            "transaction, so nothing is done."
        )


# Seconds that plain code in a worker waits for its turn in a transaction of async code. What it waits for may, by way
# of other tasks, be waiting for this very worker.
PATIENCE = 30.0


def acquire_for(node: Node) -> None:
    """Take the guard of a node; what this thread itself is keeping it from is an error."""
    across = node.loop is not None and not on_running_loop()
    try:
        node.guard.acquire(PATIENCE if across else None)
    except WouldWaitForItself:
        raise TransactionManagementError(
            "This code runs in an atomic block within which another one is open in the same thread, where this code "
            "does not belong to it: its context was copied before the inner block was entered. Run it in the "
            "context of the inner block, or after it."
        ) from None
    except TimeoutError:
        raise TransactionManagementError(
            f"Plain code in a worker has waited {PATIENCE:g} seconds for its turn in the transaction of an async "
            "function, in which another block is open. A task that waits for a worker within a block keeps the workers "
            "of its siblings waiting: await webframe.workers.run() in one task after the other, or outside of inner "
            "blocks."
        ) from None


def broken_error(reason: BaseException | str) -> TransactionManagementError:
    """What is raised for a statement in a transaction that can only be rolled back."""
    if isinstance(reason, BaseException):
        said = f"an error occurred in it ({type(reason).__name__}: {reason})"
    else:
        said = reason[0].lower() + reason[1:].rstrip(".")
    error = TransactionManagementError(
        f"This transaction can only be rolled back: {said}. Leave the atomic block before you run other queries, and "
        "put what may fail into an atomic() block of its own, outside of the try."
    )
    error.__cause__ = reason if isinstance(reason, BaseException) else None
    return error

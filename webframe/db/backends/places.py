"""Where a statement runs: the transaction or the connection of the code that asks.

The *place* of a statement is what has its `guard` and its `link`: the innermost
atomic block that the code is in, or else a slot. In a thread that is the slot of
its holder, which keeps its connection; on an event loop it is one that lasts for
the statement (see `holder.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from webframe import waiting
from webframe.db.backends.connecting import Connecting
from webframe.db.backends.drivers.base import Link
from webframe.db.guard import NO_GUARD, NoGuard, WouldWaitForItself
from webframe.db.holder import Slot, announced, entered, held, holder_here, holder_if_any
from webframe.db.nodes import Node, acquire_for, node_here
from webframe.db.refusals import refusal
from webframe.workers import current_lessee

if TYPE_CHECKING:
    import asyncio

    from webframe.db.backends.pools import Checkout


# Bound once: to find the method of a variable takes as long as to call it, and these are called for each statement.
_lessee_here, _holder_held, _node_entered = current_lessee.get, held.get, entered.get


class Placing(Connecting):
    """What a `DatabaseWrapper` knows of where statements run."""

    def _enter(self) -> Any:
        """The place of the code here, its guard taken and its link ready; the caller releases the guard.

        Raises `SynchronousOnlyOperation` on a running event loop, outside of greenlets.
        """
        loop = waiting.running_loop()
        node = _node_entered()
        if loop is None and node is not None and not self.announcing:
            lessee = _lessee_here()
            # Nearly always the code is in a transaction that has begun, and nobody else is using that just now.
            if (
                node.holder is (_holder_held() if lessee is None else lessee.holder)
                and node.alias == self.alias
                and node.loop is None
                and node.link is not None
                and node.guard.try_acquire_in_thread()
            ):
                return node if node.link is not None and node.broken is None else self._make_node_ready(node)
        return self._enter_in_thread() if loop is None else self._enter_on_loop(loop)

    def _enter_in_thread(self) -> Any:
        if self.announcing and (slot := announced.get()) is not None and slot.wrapper is self:
            return _Opening(slot, self.link_here(slot.link))
        lessee = _lessee_here()
        holder = _holder_held() if lessee is None else lessee.holder
        if holder is None:
            holder = holder_here()
        if _node_entered() is not None:
            node = node_here(self.alias, holder)
            if node is not None:
                acquire_for(node)
                return self._make_node_ready(node)
        slot = holder.slots.get(self.alias)
        if slot is None or slot.wrapper is not self:
            slot = holder.slot_for(self)
        if not slot.guard.try_acquire_in_thread():
            try:
                slot.guard.acquire(self.guard_timeout)
            except WouldWaitForItself:
                return self._enter_beside(slot)
            except TimeoutError:
                raise self.nothing_else_to_use(slot) from None
        if slot.link is None or not slot.autocommit:
            self._make_ready(slot)
        return slot

    def _make_node_ready(self, node: Node) -> Any:
        try:
            if not node.closed:
                node.prepare()
                link = self.link_here(node.link)
                return node if link is node.link else _Borrowing(node, link)
        except BaseException:
            node.guard.release()
            raise
        node.guard.release()  # it ended while we were waiting for it
        return self._enter()

    def _enter_beside(self, slot: Slot) -> Any:
        """The place for a statement when this very thread has the guard of the slot."""
        # It is in a transaction that this code is no part of: that must not be disturbed.
        beside = self.new_slot()
        if beside.shared:
            raise self.nothing_else_to_use(slot)
        beside.over = True
        beside.guard.acquire()
        self.open(beside)
        return beside

    def _make_ready(self, slot: Slot) -> None:
        """Connect, and begin a transaction where autocommit is off; on failure the guard is released."""
        try:
            if slot.link is None:
                self.open(slot)
            if not slot.autocommit and not slot.link.begun:
                self.control(slot, slot.link, "begin", False)
        except BaseException:
            slot.guard.release()
            raise

    # --- on an event loop -----------------------------------------------------------------------------------------

    def _enter_on_loop(self, loop: asyncio.AbstractEventLoop) -> Any:
        if waiting.current_greenlet() is None:
            raise refusal(self.alias)
        if self.announcing and (slot := announced.get()) is not None and slot.wrapper is self:
            return _Opening(slot, self.link_here(slot.link))
        if entered.get() is not None:
            node = node_here(self.alias, holder_if_any())
            if node is not None:
                acquire_for(node)
                if node.link is None or node.broken is not None or node.loop is not loop:
                    return self._make_node_ready(node)
                return node
        pool = self._last_pool
        if pool is None or pool.loop is not loop:
            pool = self.loop_pool(loop)
        checkout = pool.take_idle()
        own: Slot | None = None if checkout is None else checkout.slot
        if own is None:
            own = self.new_slot(loop)
        elif checkout is not None and own.guard is NO_GUARD:
            own.link, own.checkout, own.pool = checkout.link, checkout, pool
            return own
        try:
            own.guard.acquire(self.guard_timeout)
        except BaseException as error:
            if checkout is not None:
                checkout.close()
            if isinstance(error, (WouldWaitForItself, TimeoutError)):
                raise self.nothing_else_to_use(own) from None
            raise
        if checkout is not None:
            own.link, own.checkout, own.pool = checkout.link, checkout, pool
            return own
        try:
            self.open(own)
        except BaseException:
            own.guard.release()
            raise
        own.checkout.slot = own
        return own

    def _fail(self, place: Checkout | Node, error: BaseException) -> NoReturn:
        """Leave the place of a statement that ran at once, after an error, which is raised as ours; in a greenlet."""
        if isinstance(place, Node):
            try:
                self.raise_ours(error, place)
            finally:
                place.finish()
        slot = self.new_slot(place.pool.loop)
        slot.link, slot.checkout, slot.pool = place.link, place, place.pool
        try:
            self.raise_ours(error, slot)
        finally:
            self.give_back(slot)

    def refuse_on_loop(self) -> None:
        """Raise `SynchronousOnlyOperation` on a running event loop, outside of greenlets; it names the way out."""
        if waiting.running_loop() is not None and waiting.current_greenlet() is None:
            raise refusal(self.alias)


class _Opening:
    """The place of receivers of `connection_created`: their thread or task has the guard already."""

    over = False
    broken = None
    guard = NoGuard()

    def __init__(self, slot: Slot, link: Link) -> None:
        self.slot = slot
        self.link = link


class _Borrowing:
    """The place of a statement in a transaction that is of the other side."""

    over = False

    def __init__(self, node: Node, link: Link) -> None:
        self.node = node
        self.slot = node.slot
        self.guard = node.guard
        self._inner = node.link
        self._link = link

    @property
    def link(self) -> Link | None:
        """The link for the code here, as long as the transaction has its connection."""
        return self._link if self.node.link is self._inner else None

    @property
    def broken(self) -> BaseException | str | None:
        """Why the transaction can only be rolled back."""
        return self.node.broken

    @broken.setter
    def broken(self, reason: BaseException | str | None) -> None:
        self.node.broken = reason

"""Who has which connection: one holder for each request, thread or task, and in it one slot for each database.

Code that belongs together sees the same holder: the views, threads and tasks of
one request, whichever thread they run in. A request finds its holder through
itself, so that nothing needs to be set in a context that others do not share;
it takes over the holder of the code around it if that is in the middle of a
transaction, as a test is. Elsewhere a context variable has it.

A slot has at most one connection, and keeps it until `release`. One at a time
uses it, behind the slot's guard. A slot that is `over` belongs to nobody, or to
nobody any more: whoever uses it gives the connection back after each use.

That is for plain threads. On an event loop nothing is kept: each statement has a
connection of the loop's pool for itself, and each transaction has one from its
beginning to its end, in a slot of its own. Such slots, and the transactions in
them, are of the *side* of that loop; the others are of the side of threads.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextvars import ContextVar
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from webframe._calls import own_variables
from webframe.db.guard import Guard, NoGuard
from webframe.workers import current_lessee

if TYPE_CHECKING:
    import asyncio

    from webframe.workers import Lessee


class Wrapper(Protocol):
    """What a slot and a transaction know of the database wrapper of their alias."""

    alias: str
    autocommit: bool
    # Seconds to wait for a slot that several holders share; None: no limit.
    guard_timeout: float | None

    def new_slot(self, loop: asyncio.AbstractEventLoop | None = None) -> Slot: ...
    def open(self, slot: Slot) -> Any: ...
    def give_back(self, slot: Slot) -> None: ...
    def discard(self, slot: Slot) -> None: ...
    def control(self, place: Any, link: Any, step: str, *arguments: Any) -> None: ...
    def nothing_else_to_use(self, place: Any) -> Exception: ...


class Slot:
    """The place of one holder for a connection to one database.

    Where code runs outside of any transaction, it is also the *place* in which
    its statements run: what has a `guard` and a `link`.
    """

    __slots__ = (
        "__weakref__",
        "_root",
        "alias",
        "autocommit",
        "checkout",
        "guard",
        "link",
        "loop",
        "over",
        "pool",
        "savepoint_number",
        "shared",
        "wrapper",
    )

    def __init__(self, wrapper: Wrapper, guard: Guard | None = None) -> None:
        self.wrapper = wrapper
        self.alias = wrapper.alias
        # The event loop whose side it is of; None: that of threads.
        self.loop: asyncio.AbstractEventLoop | None = None
        # Several holders may have a guard in common, where they share one connection.
        self.shared = guard is not None
        self.guard: Guard | NoGuard = guard or Guard()
        # The connection as its driver's module knows it; None until it is needed. Changes only under the guard.
        self.link: Any = None
        # What the pool gave out, and that pool.
        self.checkout: Any = None
        self.pool: Any = None
        # Whether nobody holds this slot any more: the connection goes back after each use.
        self.over = False
        # False: statements outside of atomic blocks open a transaction that commit() or rollback() end.
        self.autocommit = wrapper.autocommit
        # The outermost transaction that has begun on the connection. Whoever forgets to end it shall not live for ever.
        self._root: weakref.ref[Any] | None = None
        # How many savepoints have been named; a name is never used twice on a slot.
        self.savepoint_number = 0
        _slots.add(self)

    @property
    def slot(self) -> Slot:
        """The slot of this place, as a transaction has it."""
        return self

    @property
    def root(self) -> Any:
        """The outermost transaction that has begun on the connection, or None."""
        return None if self._root is None else self._root()

    @root.setter
    def root(self, root: object) -> None:
        self._root = None if root is None else weakref.ref(root)

    def __del__(self) -> None:
        # Its thread or task has ended without a release, perhaps in the midst of a transaction.
        if self.link is None:
            return
        if self._root is None and self.autocommit and self.loop is None:
            self.wrapper.give_back(self)
        elif self.shared and self._root is None:
            # What all share may be in the transaction of somebody else.
            self.guard.when_free(partial(self.wrapper.discard, self))
        else:
            self.wrapper.discard(self)
            if self.shared:
                self.guard.release()


class Holder:
    """Has the connections of one request, thread or task."""

    __slots__ = ("__weakref__", "over", "owner", "slots")

    def __init__(self, owner: Lessee | None = None) -> None:
        self.slots: dict[str, Slot] = {}
        # The request that this was made for.
        self.owner = None if owner is None else weakref.ref(owner)
        # Whether that request has ended; tasks that it left behind may still come.
        self.over = False

    def slot_for(self, wrapper: Wrapper) -> Slot:
        """The slot for a database, made if there is none."""
        with _lock:
            slot = self.slots.get(wrapper.alias)
            if slot is None or slot.wrapper is not wrapper:
                slot = self.slots[wrapper.alias] = wrapper.new_slot()
                slot.over = self.over
            return slot

    def end(self, lessee: Lessee) -> None:
        """Give back what a request has used, now that it has ended; nothing that it took over from others."""
        if self.owner is not None and self.owner() is lessee:
            self.over = True
            if self.slots:
                _abandon_transactions(lessee, self)
                self.release(even_in_transactions=True)

    def release(self, alias: str | None = None, *, even_in_transactions: bool = False) -> None:
        """Give the connections back that are not in the middle of a transaction, or those too once it has ended."""
        for slot in [self.slots[alias]] if alias in self.slots else list(self.slots.values()) if alias is None else []:
            if slot.root is not None and not even_in_transactions:
                continue
            if self.slots.get(slot.alias) is slot:
                del self.slots[slot.alias]
            slot.over = True
            if slot.link is not None:
                # Whoever is using it may have looked already whether the slot is over.
                slot.guard.when_free(partial(slot.wrapper.give_back, slot))


# The holder of this thread or task; inside of requests the request itself has it.
held: ContextVar[Holder | None] = ContextVar("webframe.db.holder", default=None)

# The innermost transaction that was entered here; it may have ended, or be one of another database or holder.
entered: ContextVar[Any] = ContextVar("webframe.db.transaction", default=None)

# The slot whose new connection receivers of `connection_created` are being told of here: what they ask runs on it.
announced: ContextVar[Slot | None] = ContextVar("webframe.db.announced", default=None)

own_variables.extend([entered, announced])


def holder_here() -> Holder:
    """The holder of this context, made if there is none."""
    lessee = current_lessee.get()
    holder: Holder | None = held.get() if lessee is None else lessee.holder
    return holder or _new_holder(lessee)


def holder_if_any() -> Holder | None:
    """The holder of this context, or None if it has used no database yet."""
    lessee = current_lessee.get()
    if lessee is None:
        return held.get()
    if lessee.holder is None and entered.get() is not None:
        return _new_holder(lessee)  # the code around the request may be in a transaction, which it takes part in
    holder: Holder | None = lessee.holder
    return holder


def _new_holder(lessee: Lessee | None) -> Holder:
    if lessee is None:
        holder = Holder()
        held.set(holder)
        return holder
    outermost = lessee
    while outermost.outer is not None:  # the end of the outermost request is announced, and that of no other
        outermost = outermost.outer
    with _lock:
        if outermost.holder is None:
            outermost.holder = surrounding_holder() or Holder(outermost)
        lessee.holder = outermost.holder
        made: Holder = lessee.holder
        if made.owner is not None and getattr(outermost, "finished", False):
            made.over = True  # made by a worker that its cancelled request has left behind: nobody will release it
        return made


def surrounding_holder() -> Holder | None:
    """The holder of a transaction that the code around a request is in."""
    node = entered.get()
    while node is not None:
        if not node.closed and not node.holder.over:
            holder: Holder = node.holder
            return holder
        node = node.outer
    return None


def _abandon_transactions(lessee: Lessee, holder: Holder) -> None:
    """Roll back what the code of a request has begun and never ended; threads that it left behind may go on."""
    for slot in list(holder.slots.values()):
        root = slot.root
        if root is not None:
            worker = None if lessee.lease is None else lessee.lease.worker
            if root.thread == get_ident() or (worker is not None and root.thread == worker.thread.ident):
                root.abandon("The request in which it was begun has ended without leaving the atomic block.")


def open_transactions() -> list[Any]:
    """The outermost transactions that have begun on a connection and not ended, of all threads and tasks."""
    while True:
        try:
            return [root for slot in _slots if (root := slot.root) is not None]
        except RuntimeError:  # another thread has made a slot meanwhile
            continue


# Guards the making of holders and slots; never held while waiting.
_lock = threading.RLock()

# Every slot there is, to be emptied in the child of a fork.
_slots: weakref.WeakSet[Slot] = weakref.WeakSet()

# What a child has inherited: closing it there would disturb the parent, so it is kept as it is.
_inherited: list[Any] = []


def _start_afresh() -> None:
    """In the child of a fork: the connections are the parent's; so are its transactions."""
    global _lock
    _lock = threading.RLock()
    for slot in list(_slots):
        _inherited.append((slot.link, slot.checkout))
        if slot.root is not None:
            slot.root.lose("It was begun by the process that this one was forked from.")
        slot.link = slot.checkout = slot.root = None
        slot.guard = Guard()


os.register_at_fork(after_in_child=_start_afresh)

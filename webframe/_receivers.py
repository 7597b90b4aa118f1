"""Who is connected to a signal, and whom it calls when somebody sends it.

Registrations are kept in dictionaries keyed by identity, so that connecting and
disconnecting cost the same however many there are. Whom a sender's signal calls
is decided once, as a `Plan`, and that is thrown away when the sender's receivers
change: sending takes no lock.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from operator import attrgetter
from threading import RLock

from webframe._overrides import overrides_of
from webframe._registrations import (
    EVERYONE,
    NOBODY,
    Plan,
    Registration,
    ancestors_of,
    key_of,
    missing_keywords,
    name_of,
    strongly,
    weakly_called,
    weakly_if_possible,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from webframe._registrations import Holder, Key, Receiver, Reference


class Receivers:
    """The receivers of one signal: a `Signal` is this, and can be sent."""

    def __init__(self) -> None:
        # Every keyword that a send may pass, as far as it was declared: a receiver takes them all, or takes **kwargs.
        self.keywords = frozenset({"signal", "sender"})
        # Truthy if anybody could be called: registrations plus live overrides. Code in a hurry tests this first.
        self.active = 0
        # Guards everything below against other threads; never held while a receiver is called. A finalizer that
        # runs in the midst of it may connect and disconnect: the lock lets the same thread in again.
        self.lock = RLock()
        # All registrations in the order in which they were connected.
        self._registrations: dict[Key, Registration] = {}
        # The same by the identity of their sender.
        self._senders: dict[int, _Sender] = {}
        # References whose receiver or sender has died since anybody looked.
        self._graveyard: deque[Reference] = deque()
        self._bury = self._graveyard.append
        # How many with-blocks of `muted` and `connected_to` are being executed, in all threads and tasks.
        self._override_count = 0
        # How many registrations stand for the subclasses of their sender, too.
        self._family_count = 0
        # What was decided for the senders that have receivers of their own, or by inheritance, by their identity.
        self.sender_receivers_cache: dict[int, Plan] = {}
        # What was decided for all other senders; None: nothing yet.
        self._plan_for_others: Plan | None = None
        # The same while there is no sender with receivers of its own, and no override; None: look closer.
        self._plan_for_all: Plan | None = None

    # --- deciding whom to call ----------------------------------------------------------------------------------

    def _plan_for(self, sender: object) -> Plan:
        """Who is called when `sender` sends; a look into one dictionary, once that has been decided."""
        if self._graveyard:
            with self.lock:
                self._forget_the_dead()
        if self._override_count and (overrides := overrides_of(self)):
            with self.lock:
                registrations = self._registered_for(sender)
            for override in overrides:
                registrations = override.applied(registrations, sender)
            return Plan(registrations, strongly(sender))
        plan = self.sender_receivers_cache.get(id(sender))
        if plan is not None and plan.hold_sender() is sender:
            return plan
        if id(sender) in self._senders or (self._family_count and isinstance(sender, type)):
            return self._decide(sender)
        return self._plan_for_others or self._decide(None)

    def _decide(self, sender: object) -> Plan:
        """Make the plan for a sender, or for those without receivers of their own."""
        with self.lock:
            self._forget_the_dead()
            own = self._senders.get(id(sender))
            if sender is not None and own is not None and own.hold() is sender:
                plan = Plan(self._registered_for(sender), own.hold)
                self.sender_receivers_cache[id(sender)] = plan
            elif self._family_count and isinstance(sender, type):
                plan = Plan(self._registered_for(sender), weakly_if_possible(sender, self._bury))
                self.sender_receivers_cache[id(sender)] = plan
            else:
                plan = self._plan_for_others = Plan(self._registered_for(None), NOBODY)
                if self._senders.keys() <= {EVERYONE} and not self._override_count:
                    self._plan_for_all = plan
            return plan

    def _registered_for(self, sender: object) -> list[Registration]:
        """The registrations a sender concerns, in the order in which they were connected; the lock is held."""
        found = [
            registration
            for key in {EVERYONE, id(sender)}
            if (group := self._senders.get(key)) is not None and (key == EVERYONE or group.hold() is sender)
            for registration in group.registrations.values()
        ]
        if self._family_count:
            found += [
                registration
                for ancestor in ancestors_of(sender)
                if (group := self._senders.get(id(ancestor))) is not None and group.hold() is ancestor
                for registration in group.registrations.values()
                if registration.include_subclasses
            ]
        return sorted(found, key=attrgetter("order"))

    # --- keeping registrations ----------------------------------------------------------------------------------

    def _check(self, receiver: Receiver, sender: object) -> None:
        """Refuse what this signal could not call, and senders that could not send; nothing is kept of either."""
        if not callable(receiver):
            raise TypeError(f"{self} cannot be connected to {receiver!r}: a receiver has to be callable.")
        if isinstance(sender, (list, tuple)):
            raise TypeError(f"{self} cannot be connected for a {type(sender).__name__} of senders: connect for each.")
        missing = missing_keywords(receiver, self.keywords)
        if missing:
            raise ValueError(
                f"{name_of(receiver)} cannot hear {self}: it would be called with {', '.join(sorted(missing))} "
                "and does not take that. Give it a **kwargs parameter."
            )

    def _new_registration(
        self,
        receiver: Receiver,
        sender: object,
        weak: bool,
        dispatch_uid: Hashable,
        priority: int,
        inline: bool,
        **more: bool,
    ) -> Registration:
        self._check(receiver, sender)
        if more.get("include_subclasses") and not isinstance(sender, type):
            raise TypeError(
                f"{self} cannot be connected for the subclasses of {sender!r}, which is not a class. "
                "Leave out include_subclasses."
            )
        key = key_of(receiver, sender, dispatch_uid)
        hold_receiver = weakly_called(receiver, self._bury, key) if weak else strongly(receiver)
        known = self._senders.get(id(sender))
        hold_sender = known.hold if known and known.hold() is sender else weakly_if_possible(sender, self._bury)
        return Registration(receiver, key, hold_receiver, hold_sender, weak, dispatch_uid, priority, inline, **more)

    def _enter(self, registration: Registration) -> None:
        with self.lock:
            self._forget_the_dead()
            self._add(registration)

    # The lock is held whenever one of these is called.

    def _add(self, registration: Registration) -> None:
        key = registration.key
        present = self._registrations.get(key)
        if present is not None:
            if present.is_live:
                return
            self._remove(present)
        registration.order = next(_places)
        self._registrations[key] = registration
        group = self._senders.get(key[1])
        if group is None:
            group = self._senders[key[1]] = _Sender(registration.hold_sender)
        group.registrations[key] = registration
        self._family_count += registration.include_subclasses
        self._changed(EVERYONE if registration.include_subclasses else key[1])

    def _replace(self, registrations: Iterable[Registration]) -> None:
        self._registrations, self._senders, self._family_count = {}, {}, 0
        for registration in registrations:
            if registration.is_live:
                self._add(registration)
        self._changed(EVERYONE)

    def _remove(self, registration: Registration) -> None:
        key = registration.key
        del self._registrations[key]
        group = self._senders[key[1]]
        del group.registrations[key]
        if not group.registrations:
            del self._senders[key[1]]
        self._family_count -= registration.include_subclasses
        self._changed(EVERYONE if registration.include_subclasses else key[1])

    def _forget_the_dead(self) -> None:
        """Remove what the garbage collector has taken, and what that was the last to hold."""
        while self._graveyard:
            self._forget(self._graveyard.popleft().key)

    def _forget(self, key: Key) -> None:
        """Remove what was registered under a key, or for a sender, unless somebody else has come to that place."""
        identity, sender_id = key
        if identity is None:
            group = self._senders.get(sender_id)
            suspects = list(group.registrations.values()) if group is not None else []
            plan = self.sender_receivers_cache.get(sender_id)
            if plan is not None and plan.hold_sender() is None:
                del self.sender_receivers_cache[sender_id]
        else:
            suspects = [self._registrations[key]] if key in self._registrations else []
        for registration in suspects:
            if not registration.is_live:
                self._remove(registration)

    def _changed(self, sender_id: int) -> None:
        """Forget what was decided for a sender; for EVERYONE, what was decided for all."""
        self._plan_for_all = self._plan_for_others = None
        if sender_id == EVERYONE:
            self.sender_receivers_cache.clear()
        else:
            self.sender_receivers_cache.pop(sender_id, None)
        self.active = len(self._registrations) + self._override_count

    def _count_override(self, difference: int) -> None:
        with self.lock:
            self._override_count += difference
            self._changed(EVERYONE)


class _Sender:
    """The registrations for one sender, by key."""

    __slots__ = ("hold", "registrations")

    def __init__(self, hold: Holder) -> None:
        # Gives the sender, or None once it is gone.
        self.hold = hold
        self.registrations: dict[Key, Registration] = {}


# Gives each registration its place in the order of connecting, over all signals.
_places = count()

"""Signals: who hears of it when something happens.

    pizza_done = Signal()

    @receiver(pizza_done)
    def eat(sender, size, **kwargs): ...

    pizza_done.send(Kitchen, size=30)

Receivers may be plain or ``async def``, and so may the code that sends; the four
sends differ in who waits and in what becomes of errors. Who is connected is kept
in dictionaries keyed by identity, so that connecting and disconnecting cost the
same however many there are. Sending takes no lock: it uses a `Plan`, made for a
sender at its first send and thrown away when that sender's receivers change.

`_registrations.py` has what is known of one receiver, `_overrides.py` what holds
only within a with-block.
"""

from __future__ import annotations

import sys
from _weakrefset import WeakSet  # as threading, which has loaded it, does
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from operator import attrgetter
from threading import RLock

from webframe._calls import await_each, await_one, call_each, try_each, try_one
from webframe._overrides import Connected, Muted, Override, overrides_of
from webframe._registrations import (
    EVERYONE,
    NOBODY,
    Plan,
    Registration,
    ancestors_of,
    key_of,
    live,
    missing_keywords,
    name_of,
    strongly,
    weakly_called,
    weakly_if_possible,
)
from webframe.waiting import refuse_on_loop, wait
from webframe.workers import run as run_in_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Hashable
    from typing import Any, Generic, TypeVar

    from typing_extensions import ParamSpec

    from webframe._calls import AwaitOne, CallEach, Named
    from webframe._calls import Responses as Responses
    from webframe._registrations import Holder, Key, Reference
    from webframe._registrations import Receiver as Receiver

    # The parameters of a whole call of `send`, sender included; a bare `Signal()` takes anything.
    P = ParamSpec("P", default=...)
    DefinedP = ParamSpec("DefinedP")
    F = TypeVar("F", bound=Callable[..., Any])
else:
    # What checkers have read above costs more to import than all the rest. These stand for it at run time.
    Receiver, Responses, P = Callable, list, None

    class Generic:
        def __class_getitem__(cls, parameters):
            return cls


__all__ = ["Receiver", "Registration", "Responses", "Signal", "all_signals", "receiver"]


class Signal(Generic[P]):
    """Something that happens, and that receivers can be connected to.

    >>> pizza_done = Signal()
    >>> def eat(sender, size, **kwargs):
    ...     return "yum" * size
    >>> pizza_done.connect(eat)
    >>> [response for receiver, response in pizza_done.send("the kitchen", size=2)]
    ['yumyum']

    `use_caching` is taken for the sake of code written for Django: lookups are
    always cached here. A signal that is the value of a module's attribute finds
    its name by itself.
    """

    def __init__(self, use_caching: bool = False, *, name: str | None = None, doc: str | None = None) -> None:
        self._name = name
        # The module in which the signal was made.
        self.module: str = _calling_module()
        self.__doc__ = doc
        # Every keyword that a send may pass: a receiver takes them all, or takes **kwargs.
        self._keywords = frozenset({"signal", "sender"})
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
        with _all_signals_lock:
            _all_signals.add(self)

    @classmethod
    def define(cls, function: Callable[DefinedP, object]) -> Signal[DefinedP]:
        """Declare a signal by a function that is never called.

        Its parameters are what the signal is sent with (first ``sender``, then
        keyword-only arguments) and its docstring is the signal's. Type checkers
        hold each `send` to it, and `connect` each receiver.

        >>> @Signal.define
        ... def pizza_done(sender: type, *, size: int) -> None:
        ...     "Sent when a pizza leaves the oven."
        >>> pizza_done.__doc__
        'Sent when a pizza leaves the oven.'
        """
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if parameters[:1] != ("sender",) or code.co_argcount != 1 or code.co_posonlyargcount or "signal" in parameters:
            raise TypeError(
                f"{name_of(function)} cannot define a signal. Give it a first parameter 'sender', keyword-only "
                "parameters after it, and none called 'signal', which every receiver gets anyway."
            )
        signal: Signal[Any] = cls(name=function.__qualname__, doc=function.__doc__)
        signal.module = function.__module__
        signal._keywords |= frozenset(parameters)
        return signal

    # --- connecting ---------------------------------------------------------------------------------------------

    def connect(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        *,
        priority: int = 0,
        inline: bool = False,
        include_subclasses: bool = False,
    ) -> None:
        """Call `receiver` whenever `sender` sends, or anybody if `sender` is None.

        Connecting the same receiver for the same sender again does nothing; with
        a `dispatch_uid` any other receiver under that uid counts as the same.
        The receiver is held weakly unless ``weak=False``, the sender always.
        A higher `priority` is called earlier. `inline` says that a plain receiver
        never blocks: `asend` calls it in place, where others go to a worker.
        With `include_subclasses` a sender that is a class stands for every class
        that inherits from it, too, now or later.

        Raises `TypeError` for what cannot be called and `ValueError` for what
        does not take every keyword that the signal is sent with.
        """
        self._enter(
            self._new_registration(
                receiver, sender, weak, dispatch_uid, priority, inline, include_subclasses=include_subclasses
            )
        )

    def disconnect(
        self, receiver: Receiver | None = None, sender: object = None, dispatch_uid: Hashable = None
    ) -> bool:
        """Undo a `connect` with the same arguments; False if there was none.

        What was connected with a `dispatch_uid` is known by that and its sender alone.
        """
        if receiver is None and not dispatch_uid:
            return False
        with self.lock:
            self._forget_the_dead()
            registration = self._registrations.get(key_of(receiver, sender, dispatch_uid))
            if registration is None:
                return False
            self._remove(registration)
            return True

    def muted(self, receiver: Receiver | None = None, sender: object = None) -> Override:
        """A context manager within which nobody is called, or not `receiver`, or nobody when `sender` sends.

        It concerns only the thread or task that runs the block, and those it starts.
        """
        return Muted(self, self._count_override, receiver, sender)

    def connected_to(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = False,
        dispatch_uid: Hashable = None,
        *,
        priority: int = 0,
        inline: bool = False,
        include_subclasses: bool = False,
    ) -> Override:
        """A context manager within which `receiver` is connected; takes what `connect` takes.

        It concerns only the thread or task that runs the block, and those it starts.
        """
        registration = self._new_registration(
            receiver, sender, weak, dispatch_uid, priority, inline, include_subclasses=include_subclasses
        )
        return Connected(self, self._count_override, registration)

    # --- sending ------------------------------------------------------------------------------------------------

    if TYPE_CHECKING:
        # The whole call, sender included, as the signal was declared.
        def send(self, *args: P.args, **named: P.kwargs) -> Responses: ...
        def send_robust(self, *args: P.args, **named: P.kwargs) -> Responses: ...
        async def asend(self, *args: P.args, **named: P.kwargs) -> Responses: ...
        async def asend_robust(self, *args: P.args, **named: P.kwargs) -> Responses: ...

    else:

        def send(self, /, sender: Any, **named: Any) -> Responses:
            """Call everybody connected to `sender`, in the order in which they were connected.

            Returns a list of (receiver, response) pairs: first of the plain
            receivers, then of the async ones, which run concurrently once all plain
            ones are done. The first error ends the sending and is passed on; errors
            of several async receivers come as an `ExceptionGroup`.

            On a running event loop nobody could wait for async receivers: then
            `SynchronousOnlyOperation` is raised before anybody is called.
            """
            if not self.active:
                return []
            return self._send(call_each, await_one, sender, named)

        def send_robust(self, /, sender: Any, **named: Any) -> Responses:
            """Like `send`, but an error does not keep the others from being called: it is logged, and is the response.

            What is not an `Exception`, such as `KeyboardInterrupt`, is passed on nevertheless.
            """
            if not self.active:
                return []
            return self._send(try_each, try_one, sender, named)

        async def asend(self, /, sender: Any, **named: Any) -> Responses:
            """Like `send`, for use in async code.

            Plain receivers run first, in a worker thread; those connected with
            ``inline=True`` in place.
            """
            if not self.active:
                return []
            return await self._asend(call_each, await_one, sender, named)

        async def asend_robust(self, /, sender: Any, **named: Any) -> Responses:
            """Like `send_robust`, for use in async code."""
            if not self.active:
                return []
            return await self._asend(try_each, try_one, sender, named)

    def _send(self, each: CallEach, one: AwaitOne, sender: object, named: Named) -> Responses:
        plan = self._plan_for_all
        if plan is None or self._graveyard:
            plan = self._plan_for(sender)
            if plan.is_empty:
                return []
        # Everybody is held before anybody is called: who hears of this is settled now.
        receivers = live(plan.plain)
        if plan.plain_only:
            return each(receivers, self, sender, named)
        awaited = live(plan.awaited)
        later = plan.later and (live(plan.later[0]), live(plan.later[1]))
        if awaited or (later and later[1]):
            refuse_on_loop(f"Sending {self} to async receivers", "asend() or asend_robust()")
        responses = each(receivers, self, sender, named)
        if awaited:
            responses += wait(self._await_each(one, awaited, sender, named))
        if later:
            self._call_later(each, one, later, sender, named)
        return responses

    async def _asend(self, each: CallEach, one: AwaitOne, sender: object, named: Named) -> Responses:
        plan = self._plan_for(sender)
        stretches = []
        for inline, holders in plan.stretches:
            stretches.append((inline, live(holders)))
        awaited = live(plan.awaited)
        later = plan.later and (live(plan.later[0]), live(plan.later[1]))
        responses: Responses = []
        for inline, receivers in stretches:
            if inline:
                responses += each(receivers, self, sender, named)
            else:
                responses += await run_in_worker(each, receivers, self, sender, named)
        if awaited:
            responses += await self._await_each(one, awaited, sender, named)
        if later:
            await run_in_worker(self._call_later, each, one, later, sender, named)
        return responses

    def _await_each(
        self, one: AwaitOne, receivers: list[Receiver], sender: object, named: Named
    ) -> Coroutine[Any, Any, Responses]:
        """How several async receivers are awaited: all at the same time."""
        return await_each(one, receivers, self, sender, named)

    def _call_later(
        self,
        each: CallEach,
        one: AwaitOne,
        receivers: tuple[list[Receiver], list[Receiver]],
        sender: object,
        named: Named,
    ) -> None:
        """Arrange for plain and async receivers connected with ``on_commit`` to be called.

        A signal of this class knows of no transactions and lets nobody connect so.
        """
        raise NotImplementedError(f"{self} has no transaction whose end it could wait for.")

    # --- looking ------------------------------------------------------------------------------------------------

    def has_listeners(self, sender: object = None) -> bool:
        """Whether anybody would be called if `sender` sent; without one, whether anybody listens to all senders."""
        if not self.active:
            return False
        plan = self._plan_for(sender)
        return any(live(holders) for holders in (plan.plain, plan.awaited, *(plan.later or ())))

    def calls_inline_only(self, sender: object = None) -> bool:
        """Whether `asend` would neither leave the event loop's thread nor await anything."""
        return not self.active or self._plan_for(sender).inline_only

    def registrations(self) -> list[Registration]:
        """Everything connected, in the order in which it would be called; overrides are not among it."""
        return sorted(self.receivers, key=lambda registration: (registration.is_async, -registration.priority))

    @property
    def receivers(self) -> list[Registration]:
        """A new list of all registrations; assign a list of them to replace all, an empty one to connect nobody.

        This serves code that mutes a signal in this way; `muted` does it without concerning other threads.
        """
        with self.lock:
            self._forget_the_dead()
            return list(self._registrations.values())

    @receivers.setter
    def receivers(self, registrations: Iterable[Registration]) -> None:
        replacements = list(registrations)
        strangers = [stranger for stranger in replacements if not isinstance(stranger, Registration)]
        if strangers:
            raise TypeError(
                f"{self}.receivers takes registrations that were read from it, not {name_of(strangers[0])}. "
                "Use connect() for a receiver."
            )
        with self.lock:
            self._registrations, self._senders, self._family_count = {}, {}, 0
            for registration in replacements:
                if registration.is_live:
                    self._add(registration)
            self._changed(EVERYONE)

    @property
    def name(self) -> str:
        """The attribute of its module that holds the signal, unless it was made with a name."""
        if self._name is None:
            attributes = dict(vars(sys.modules[self.module])) if self.module in sys.modules else {}
            self._name = next((name for name, value in attributes.items() if value is self), None)
        return self._name or _UNNAMED

    def __set_name__(self, owner: type, name: str) -> None:
        if owner.__module__ == self.module and self.name == _UNNAMED:
            self._name = f"{owner.__qualname__}.{name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.module}.{self.name}>"

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
        missing = missing_keywords(receiver, self._keywords)
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


def receiver(signal: Signal | Iterable[Signal], **keywords: Any) -> Callable[[F], F]:
    """Connect the decorated function to a signal, or to several; takes the keywords of `Signal.connect`.

    The function stays as it is, so that it can be decorated again.
    """
    signals = [signal] if isinstance(signal, Signal) else list(signal) if isinstance(signal, Iterable) else [signal]
    for one in signals:
        if not isinstance(one, Signal):
            raise TypeError(f"@receiver takes a Signal or several of them, not {one!r}.")

    def connect(function: F) -> F:
        for one in signals:
            one.connect(function, **keywords)
        return function

    return connect


def all_signals() -> list[Signal]:
    """Every signal that exists, by module and name."""
    with _all_signals_lock:
        signals = list(_all_signals)
    return sorted(signals, key=lambda signal: (signal.module, signal.name))


def _calling_module() -> str:
    """The name of the module in which a signal is being made, whatever subclass it is of."""
    frame = sys._getframe(2)
    while frame.f_back and (frame.f_code.co_name == "__init__" or frame.f_globals.get("__name__") == "typing"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


_UNNAMED = "(unnamed)"
# Gives each registration its place in the order of connecting, over all signals.
_places = count()
# Every signal that exists, and what guards the set while it is read.
_all_signals: WeakSet[Signal[...]] = WeakSet()
_all_signals_lock = RLock()

"""What a signal knows of those connected to it: who is called, and how they are held without being kept alive.

A `Registration` is one receiver connected for one sender; a `Plan` is what
registrations come to for one sender, in the order in which they are called.
Nothing here knows a `Signal`; how one keeps its registrations and sends is told
in `dispatch.py`.

Receivers and senders are held by a *holder*: a function without arguments that
gives the object, or None once it is gone. For a weakly held function the holder
is the weak reference itself, which is as fast as it gets. When an object dies,
its reference is appended to the deque of the signal that lent its `append` as
the callback: one atomic step in C, in whichever thread the garbage collector
runs, that needs no lock and runs none of our code.
"""

from __future__ import annotations

from _weakref import ref  # of the weakref module nothing else is needed, and it takes a millisecond
from functools import partial
from itertools import groupby, repeat
from operator import attrgetter
from types import FunctionType, MethodType

from webframe.waiting import is_async

# Type checkers know this name; importing it from typing would be most of what importing this costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable
    from typing import Any

    Receiver = Callable[..., Any]
    Holder = Callable[[], Any]
    Identity = Hashable
    Key = tuple[Identity, int]
    OnDeath = Callable[["Reference"], object]

# The identity of "any sender": registrations for it hear them all.
EVERYONE = id(None)


class Reference(ref[object]):
    """A weak reference that remembers what has to be forgotten when its object dies.

    The key is that of a registration, or ``(None, identity of the sender)``
    when it is a sender that dies, with everything connected for it.
    """

    __slots__ = ("key",)

    key: Key


class Registration:
    """One receiver connected for one sender, or for all of them."""

    __slots__ = (
        "dispatch_uid",
        "hold_receiver",
        "hold_sender",
        "include_subclasses",
        "inline",
        "is_async",
        "key",
        "on_commit",
        "order",
        "priority",
        "weak",
    )

    def __init__(
        self,
        receiver: Receiver,
        key: Key,
        hold_receiver: Holder,
        hold_sender: Holder,
        weak: bool,
        dispatch_uid: Hashable,
        priority: int = 0,
        inline: bool = False,
        include_subclasses: bool = False,
        on_commit: bool = False,
    ) -> None:
        # Under which the signal keeps it; connecting a second time under the same key does nothing.
        self.key = key
        # Give the receiver and the sender, or None once they are gone.
        self.hold_receiver = hold_receiver
        self.hold_sender = hold_sender
        # As given to `connect`.
        self.weak = weak
        self.dispatch_uid = dispatch_uid or None
        self.priority = priority
        self.inline = inline
        self.include_subclasses = include_subclasses
        # Whether it is called later, when a transaction has been committed: only signals about databases know this.
        self.on_commit = on_commit
        # Whether the receiver is awaited; found out once, when it is connected.
        self.is_async = is_async(receiver)
        # Its place among all registrations of the signal, which sets it.
        self.order = 0

    @property
    def receiver(self) -> Receiver | None:
        """Who is called; None once it has been garbage collected."""
        found: Receiver | None = self.hold_receiver()
        return found

    @property
    def sender(self) -> object:
        """Whom it listens to; None for everybody, and once the sender has been garbage collected."""
        return self.hold_sender()

    @property
    def is_live(self) -> bool:
        """Whether neither the receiver nor the sender has been garbage collected."""
        return self.hold_receiver() is not None and (self.key[1] == EVERYONE or self.hold_sender() is not None)

    def hears(self, sender: object) -> bool:
        """Whether it is called when this one sends."""
        if self.key[1] == EVERYONE:
            return True
        own = self.hold_sender()
        return own is sender or (self.include_subclasses and any(base is own for base in ancestors_of(sender)))

    def __getitem__(self, place: Any) -> Any:
        """The parts that an entry of `signal.receivers` has in Django 6, a tuple there: code of others reads them so.

        The key; the receiver, or the weak reference to it; the reference to the sender, or None; whether it is async.
        """
        receiver = self.hold_receiver if self.weak else self.receiver
        sender = None if self.key[1] == EVERYONE else self.hold_sender
        return (self.key, receiver, sender, self.is_async)[place]

    def __repr__(self) -> str:
        receiver = self.receiver
        name = "a receiver that is gone" if receiver is None else name_of(receiver)
        return f"<Registration of {name}>" if self.sender is None else f"<Registration of {name} for {self.sender!r}>"


class Plan:
    """Whom a sender's signal calls, in order; made once and used until somebody is connected or disconnected."""

    __slots__ = (
        "awaited",
        "hold_sender",
        "inline_only",
        "is_empty",
        "later",
        "plain",
        "plain_only",
        "stretches",
    )

    def __init__(self, registrations: Iterable[Registration], hold_sender: Holder) -> None:
        ranked = sorted(registrations, key=attrgetter("priority"), reverse=True)  # a stable sort, reversed or not
        now = [one for one in ranked if not one.is_async and not one.on_commit]
        # Holders of those that are called and of those that are awaited.
        self.plain = _holders(now)
        self.awaited = _holders(one for one in ranked if one.is_async and not one.on_commit)
        # The same of those whose turn comes with the commit; None for the two of nobody.
        later = [registration for registration in ranked if registration.on_commit]
        self.later = (
            (_holders(one for one in later if not one.is_async), _holders(one for one in later if one.is_async))
            if later
            else None
        )
        # `plain` once more, cut wherever those called in place on a running loop meet those called in a worker.
        self.stretches = tuple((inline, _holders(stretch)) for inline, stretch in groupby(now, attrgetter("inline")))
        # Whether nobody is called at all.
        self.is_empty = not ranked
        # Whether there is nobody but those that are simply called.
        self.plain_only = not self.awaited and later == []
        # Whether nobody has to be awaited and nobody needs a worker.
        self.inline_only = self.plain_only and all(inline for inline, _ in self.stretches)
        # Gives the sender it was made for: its identity alone may by now be that of another object.
        self.hold_sender = hold_sender


def _holders(registrations: Iterable[Registration]) -> tuple[Holder, ...]:
    return tuple(registration.hold_receiver for registration in registrations)


def ancestors_of(sender: object) -> tuple[type, ...]:
    """The classes that a sender which is a class inherits from, the nearest first; none of anything else."""
    return sender.__mro__[1:] if isinstance(sender, type) else ()


def key_of(receiver: Receiver | None, sender: object, dispatch_uid: Hashable) -> Key:
    """The key of a registration: identities, never equality, so that no object is asked anything."""
    return dispatch_uid or identity_of(receiver), id(sender)


def identity_of(receiver: object) -> Identity:
    """What makes a receiver the same one: itself; for a bound method, which is made anew each time, its two parts."""
    function = getattr(receiver, "__func__", None)
    if function is None or not hasattr(receiver, "__self__"):
        return id(receiver)
    return id(receiver.__self__), id(function)


def strongly(held: object) -> Holder:
    """A holder that keeps the object alive; one call in C, like a weak reference."""
    return repeat(held).__next__


# The holder of "any sender".
NOBODY = strongly(None)


def weakly(held: object, on_death: OnDeath, key: Key) -> Holder:
    """A holder that does not keep the object alive; raises `TypeError` where Python cannot refer to it weakly."""
    reference = Reference(held, on_death)
    reference.key = key
    return reference


def weakly_called(receiver: Receiver, on_death: OnDeath, key: Key) -> Holder:
    """A holder of a receiver that does not keep it alive; a bound method lives as long as its instance."""
    try:
        if hasattr(receiver, "__self__") and hasattr(receiver, "__func__"):
            return _weak_method(receiver, on_death, key)
        return weakly(receiver, on_death, key)
    except TypeError:
        raise TypeError(
            f"{name_of(receiver)} cannot be held by a weak reference. Connect it with weak=False."
        ) from None


def _weak_method(method: Any, on_death: OnDeath, key: Key) -> Holder:
    # As `weakref.WeakMethod`, which takes twice as long to give the method.
    hold_instance = weakly(method.__self__, on_death, key)
    hold_function = weakly(method.__func__, on_death, key)
    bind = type(method)

    def hold() -> Any:
        instance, function = hold_instance(), hold_function()
        return None if instance is None or function is None else bind(function, instance)

    return hold


def weakly_if_possible(sender: object, on_death: OnDeath) -> Holder:
    """A holder of a sender; strings, numbers and plain objects cannot be held weakly and are kept alive."""
    if sender is None:
        return NOBODY
    try:
        return weakly(sender, on_death, (None, id(sender)))
    except TypeError:
        return strongly(sender)


def live(holders: Iterable[Holder]) -> list[Receiver]:
    """The objects held, without those that are gone; the list keeps them alive while they are called."""
    found = []
    for hold in holders:
        receiver = hold()
        if receiver is not None:
            found.append(receiver)
    return found


# Flags of code objects, as in `inspect`, which is not loaded for their sake.
_CO_VARKEYWORDS = 0x08


def missing_keywords(receiver: Receiver, keywords: frozenset[str]) -> Collection[str]:
    """Which of the keywords the receiver could not be called with; none if its signature cannot be read.

    Reads and forgets: a cache of signatures would keep weakly held receivers alive.
    """
    function, bound = _function_of(receiver)
    if function is None:
        return _missing_by_signature(receiver, keywords)
    code = function.__code__
    if code.co_flags & _CO_VARKEYWORDS:
        return ()
    first = max(code.co_posonlyargcount, bound)
    return keywords.difference(code.co_varnames[first : code.co_argcount + code.co_kwonlyargcount])


def _function_of(receiver: Receiver) -> tuple[FunctionType | None, int]:
    """The Python function that a call ends in, if that is plain to see, and how many arguments are bound by then."""
    if isinstance(receiver, FunctionType):
        return receiver, 0
    function = receiver.__func__ if isinstance(receiver, MethodType) else type(receiver).__call__
    return (function, 1) if isinstance(function, FunctionType) else (None, 0)


def _missing_by_signature(receiver: Receiver, keywords: frozenset[str]) -> Collection[str]:
    import inspect  # needed for partials, classes and what is written in C: rare, and it takes 10 ms to load

    try:
        parameters = inspect.signature(receiver).parameters.values()
    except (TypeError, ValueError):
        return ()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return ()
    by_keyword = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return keywords.difference(parameter.name for parameter in parameters if parameter.kind in by_keyword)


def name_of(receiver: object) -> str:
    """A name for messages, whatever the receiver is; never raises, where ``__qualname__`` and `repr` may."""
    kind = type(receiver)
    try:
        if isinstance(receiver, partial):
            return f"partial of {name_of(receiver.func)}"
        name = getattr(receiver, "__qualname__", None)
        if isinstance(name, str):
            return f"{receiver.__module__}.{name}"
    except Exception:
        pass  # an object without a name, or a proxy whose target is not there
    return f"an instance of {kind.__module__}.{kind.__qualname__}"

"""What holds for a signal only within a with-block, and only for whoever runs in it: muting and connecting for a while.

The overrides in force are a tuple in a context variable, so that a thread or
task sees its own and those it was started under, never those of others. Nothing
is changed in the signal itself except one count, by which it knows that it has
to look here at all.
"""

from __future__ import annotations

from contextvars import ContextVar
from operator import attrgetter

from webframe._registrations import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from webframe._registrations import Receiver, Registration


class Override:
    """A with-block in which other receivers are called than those connected."""

    __slots__ = ("count", "is_live", "is_witness", "signal")

    def __init__(self, signal: object, count: Callable[[int], None]) -> None:
        self.signal = signal
        # Tells the signal that it has an override more (1) or less (-1).
        self.count = count
        # Whether the block is being executed. A task started in it may outlive it, with this in its context.
        self.is_live = False
        # Whether it comes after all others, and so hears of what is sent while the signal is muted, for tests.
        self.is_witness = False

    def applied(self, registrations: list[Registration], sender: object) -> list[Registration]:
        """The registrations that are left, or added, when this sender sends."""
        raise NotImplementedError

    def __enter__(self) -> None:
        if self.is_live:
            raise RuntimeError(
                f"This override of {self.signal!r} is in force already. Make another for the inner block."
            )
        self.count(1)
        self.is_live = True
        _in_force.set((*_others(self), self))

    def __exit__(self, *exception: object) -> None:
        self.is_live = False
        # Not by a token: the block may end in another context than it began in, as in fixtures of async tests.
        _in_force.set(_others(self))
        self.count(-1)


class Muted(Override):
    """Silences a signal, for one receiver or all of them, when one sender sends or any."""

    __slots__ = ("receiver", "sender")

    def __init__(self, signal: object, count: Callable[[int], None], receiver: Receiver | None, sender: object) -> None:
        super().__init__(signal, count)
        self.receiver = receiver
        self.sender = sender

    def applied(self, registrations: list[Registration], sender: object) -> list[Registration]:
        if self.sender is not None and self.sender is not sender:
            return registrations
        if self.receiver is None:
            return []
        muted = identity_of(self.receiver)
        return [registration for registration in registrations if identity_of(registration.receiver) != muted]


class Connected(Override):
    """Calls one receiver more, unless it is connected anyway."""

    __slots__ = ("registration",)

    def __init__(self, signal: object, count: Callable[[int], None], registration: Registration) -> None:
        super().__init__(signal, count)
        self.registration = registration

    def applied(self, registrations: list[Registration], sender: object) -> list[Registration]:
        key = self.registration.key
        if not self.registration.hears(sender) or any(registration.key == key for registration in registrations):
            return registrations
        return [*registrations, self.registration]


def overrides_of(signal: object) -> list[Override]:
    """The overrides of a signal that are in force here, the outermost first and witnesses last."""
    found = [override for override in _in_force.get() if override.signal is signal and override.is_live]
    return sorted(found, key=attrgetter("is_witness"))


def _others(override: Override) -> tuple[Override, ...]:
    return tuple(other for other in _in_force.get() if other is not override and other.is_live)


# Every override of the current context, of all signals, the outermost first.
_in_force: ContextVar[tuple[Override, ...]] = ContextVar("webframe.signal_overrides", default=())

"""Claim: sending costs about what a bare loop over a tuple costs, and what it costs does not depend on other senders.

`bare` is a class whose `send` loops over a tuple of receivers, calls each with signal, sender and two arguments, and
collects (receiver, response) pairs: what remains when nothing can be connected, disconnected or collected. All
receivers are connected weakly. `send` to 0, 1 and 10 of them may cost 1.2, 1.6 and 1.3 times that, and has to be
faster than Django's (`django cached` is Signal(use_caching=True)) and blinker's in every case. `among` cases send for
one sender that has one receiver, with so many more connected for other senders; `connect` cases connect and
disconnect one receiver where so many are connected already. In `asend` cases `bare` awaits one receiver after the
other; webframe, like Django, runs several at the same time, each in a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from _harness import Batch, Case, Goal, Growth, loop, run

PEERS = ["blinker", "django", "django cached"]


class Sender:
    """Whoever sends."""


class Bare:
    """A signal that can do nothing but send."""

    def __init__(self) -> None:
        self.receivers: tuple[Callable[..., Any], ...] = ()

    def connect(self, receiver: Callable[..., Any], sender: object = None) -> None:
        if sender in (None, Sender):
            self.receivers += (receiver,)

    def send(self, sender: object, **named: Any) -> list[tuple[Callable[..., Any], Any]]:
        responses = []
        for receiver in self.receivers:
            responses.append((receiver, receiver(signal=self, sender=sender, **named)))
        return responses

    async def asend(self, sender: object, **named: Any) -> list[tuple[Callable[..., Any], Any]]:
        responses = []
        for receiver in self.receivers:
            responses.append((receiver, await receiver(signal=self, sender=sender, **named)))
        return responses


def make_signals() -> dict[str, Any]:
    """A new signal of each kind."""
    import blinker
    import django.dispatch

    from webframe.dispatch import Signal

    return {
        "bare": Bare(),
        "bare again": Bare(),
        "webframe": Signal(),
        "blinker": blinker.Signal(),
        "django": django.dispatch.Signal(),
        "django cached": django.dispatch.Signal(use_caching=True),
    }


def connect(signal: Any, receiver: Callable[..., Any], sender: object = None) -> None:
    """Connect for a sender or for everybody, in whichever way this signal calls that."""
    if sender is None:
        signal.connect(receiver)
    else:
        signal.connect(receiver, sender=sender)


class Waiter:
    """Has a method that hears."""

    def hear(self, sender: object, **kwargs: Any) -> None: ...


def functions(count: int) -> list[Callable[..., Any]]:
    """Functions that hear, for both a sender given by keyword and, as blinker does, by position."""

    def make() -> Callable[..., Any]:
        def hear(sender: object, **kwargs: Any) -> None: ...

        return hear

    return [make() for _ in range(count)]


def async_functions(count: int) -> list[Callable[..., Any]]:
    """The same to be awaited."""

    def make() -> Callable[..., Any]:
        async def hear(sender: object, **kwargs: Any) -> None: ...

        return hear

    return [make() for _ in range(count)]


def methods(count: int) -> list[Callable[..., Any]]:
    """Bound methods, each of an instance of its own; the list keeps them."""
    return [Waiter().hear for _ in range(count)]


def sending(
    receivers: list[Callable[..., Any]],
    sender: object = None,
    others: int = 0,
    statement: str = "send(sender, instance=1, created=True)",
    method: str = "send",
) -> Mapping[str, Batch]:
    """Contenders that send for Sender, with receivers for `sender` and one for each of so many other senders."""
    other_senders, (deaf,) = [Sender() for _ in range(others)], functions(1)
    keep = [receivers, other_senders, deaf]
    contenders = {}
    for name, signal in make_signals().items():
        for receiver in receivers:
            connect(signal, receiver, sender)
        for other in other_senders:
            connect(signal, deaf, other)
        send = getattr(signal, method, signal.send)
        assert len(send(Sender, instance=1, created=True)) == len(receivers)
        contenders[name] = loop(statement, send=send, sender=Sender, keep=keep)
    return contenders


def awaiting(receivers: list[Callable[..., Any]]) -> Mapping[str, Batch]:
    """Contenders that send to async receivers, on an event loop that has been running before."""
    event_loop = asyncio.new_event_loop()

    def contender(asend: Callable[..., Any]) -> Batch:
        async def repeat(times: int) -> None:
            for _ in range(times):
                await asend(Sender, instance=1, created=True)

        def batch(times: int) -> None:
            event_loop.run_until_complete(repeat(times))

        assert len(event_loop.run_until_complete(asend(Sender, instance=1, created=True))) == len(receivers)
        return batch

    contenders = {}
    for name, signal in make_signals().items():
        for receiver in receivers:
            connect(signal, receiver)
        contenders[name] = contender(signal.asend if hasattr(signal, "asend") else signal.send_async)
    return contenders


def connecting(present: int) -> Mapping[str, Batch]:
    """Contenders that connect and disconnect one receiver; the baseline puts it into a dictionary and takes it out."""
    keep, (receiver,) = functions(present), functions(1)
    contenders = {}
    for name in ("bare", "bare again"):
        known = dict.fromkeys(map(id, keep))
        contenders[name] = loop("known[id(r)] = r; del known[id(r)]", known=known, r=receiver, keep=keep)
    for name, signal in make_signals().items():
        if name not in contenders:
            for hear in keep:
                connect(signal, hear)
            contenders[name] = loop(
                "connect(r); disconnect(r)", connect=signal.connect, disconnect=signal.disconnect, r=receiver
            )
    return contenders


def faster_than_peers(at_most: float) -> list[Goal]:
    return [Goal("webframe", "bare", at_most), *(Goal("webframe", peer, 1.0) for peer in PEERS)]


FASTER = [Goal("webframe", peer, 1.0) for peer in PEERS]

CASES = [
    Case("send_0", lambda: sending(functions(0)), faster_than_peers(1.2)),
    Case("send_1", lambda: sending(functions(1)), faster_than_peers(1.6)),
    Case("send_10", lambda: sending(functions(10)), faster_than_peers(1.3)),
    Case("send_1_method", lambda: sending(methods(1)), FASTER),
    Case("send_10_methods", lambda: sending(methods(10)), FASTER),
    Case("send_1_for_sender", lambda: sending(functions(1), Sender), FASTER),
    Case("send_10_for_sender", lambda: sending(functions(10), Sender), FASTER),
    Case("send_0_among_1", lambda: sending(functions(0), others=1), FASTER),
    Case("send_0_among_10000", lambda: sending(functions(0), others=10_000), FASTER),
    Case("send_1_among_1", lambda: sending(functions(1), Sender, others=1), FASTER),
    Case("send_1_among_10000", lambda: sending(functions(1), Sender, others=10_000), FASTER),
    Case("send_robust_1", lambda: sending(functions(1), method="send_robust"), FASTER),
    Case("asend_0", lambda: awaiting([]), FASTER),
    Case("asend_1", lambda: awaiting(async_functions(1)), FASTER),
    Case("asend_10", lambda: awaiting(async_functions(10)), [Goal("webframe", "django", 1.0)]),
    Case("connect_at_0", lambda: connecting(0), [Goal("webframe", "django", 1.0)]),
    Case("connect_at_100", lambda: connecting(100), [Goal("webframe", "django", 1.0)]),
    Case("connect_at_10000", lambda: connecting(10_000), [Goal("webframe", "django", 1.0)]),
]

GROWTH = [
    Growth("webframe", "send_0_among_10000", "send_0_among_1", 1.1),
    Growth("webframe", "send_1_among_10000", "send_1_among_1", 1.1),
    Growth("webframe", "connect_at_100", "connect_at_0", 1.1),
    Growth("webframe", "connect_at_10000", "connect_at_0", 1.1),
]

if __name__ == "__main__":
    run(__doc__, CASES, growth=GROWTH, packages=["blinker", "django"])

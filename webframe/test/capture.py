"""Signals captured while a test runs: what was sent, in which order, with which arguments."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from webframe.dispatch import Signal


class Sent(NamedTuple):
    """One sending of a signal."""

    signal: Signal[...]
    sender: Any
    # What it was sent with, beside the sender.
    arguments: dict[str, Any]


class Captured(list[Sent]):
    """What was sent, in order."""

    @property
    def names(self) -> list[str]:
        """The names of the signals, in the order in which they were sent."""
        return [sent.signal.name for sent in self]

    def of(self, signal: Signal[...]) -> list[Sent]:
        """The sendings of one of the signals."""
        return [sent for sent in self if sent.signal is signal]


@contextlib.contextmanager
def capture_signals(*signals: Signal[...], sender: Any = None, everywhere: bool = False) -> Iterator[Captured]:
    """Record every sending of some signals within the block, or only those of one sender.

    Only this thread or task, and those that the block starts, are heard, so
    that tests may run side by side; `everywhere` hears the whole process, for
    apps that are served by other threads.

    >>> pizza_done = Signal(name="pizza_done")
    >>> with capture_signals(pizza_done) as sent:
    ...     _ = pizza_done.send("the kitchen", size=2)
    >>> sent.names, sent[0].arguments
    (['pizza_done'], {'size': 2})
    """
    captured = Captured()
    lock = threading.Lock()

    def hear(signal: Signal[...], sender: Any, **arguments: Any) -> None:
        with lock:
            captured.append(Sent(signal, sender, arguments))

    with contextlib.ExitStack() as stack:
        for signal in signals:
            if everywhere:
                signal.connect(hear, sender, inline=True)
                stack.callback(signal.disconnect, hear, sender)
            else:
                stack.enter_context(signal.connected_to(hear, sender, inline=True))
        yield captured

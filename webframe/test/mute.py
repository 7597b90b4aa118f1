"""`mute`: signals that nobody hears for the length of a test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self, TypeVar, cast

from webframe.dispatch import Receiver, Signal
from webframe.test.decorating import Block, decorate_function, decorate_tests

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class mute(Block[None]):
    """Have nobody called when some signals are sent, or not `receiver`, or nobody when `sender` sends.

    >>> pizza_done = Signal(name="pizza_done")
    >>> def eat(sender, **kwargs):
    ...     return "yum"
    >>> pizza_done.connect(eat)
    >>> with mute(pizza_done):
    ...     pizza_done.send("the kitchen")
    []

    A context manager, and a decorator for functions of every kind (coroutine
    functions and fixtures too) and for classes, whose tests it then mutes one by
    one. Only this thread or task is concerned, and those that the block starts:
    nothing is disconnected, and tests may run side by side. What
    `capture_signals` captures, it captures nevertheless.

    The name of a model may stand for it, as in `ModelSignal.muted`.
    """

    def __init__(self, *signals: Signal[...], receiver: Receiver | None = None, sender: object = None) -> None:
        if not signals:
            raise TypeError("mute() without a signal mutes nothing. Name the signals: mute(post_save, post_delete).")
        for signal in signals:
            if not isinstance(signal, Signal):
                raise TypeError(f"mute() takes signals, not {signal!r}. Give the receiver as receiver=.")
        self._signals = signals
        self._receiver = receiver
        self._sender = sender

    def begin(self, undo: ExitStack) -> None:
        """Mute the signals."""
        for signal in self._signals:
            undo.enter_context(signal.muted(self._receiver, self._sender))

    def copy(self) -> Self:
        """The same once more, for calls that overlap."""
        return type(self)(*self._signals, receiver=self._receiver, sender=self._sender)

    def __call__(self, decorated: Decorated) -> Decorated:
        if isinstance(decorated, type):
            return cast(Decorated, decorate_tests(decorated, self))
        if isinstance(decorated, (classmethod, staticmethod)):
            return cast(Decorated, type(decorated)(self(decorated.__func__)))
        return cast(Decorated, decorate_function(decorated, lambda keywords: self.copy()))

"""Signals captured while a test runs: what was sent, in which order, with which arguments.

    with capture_signals(post_save, sender=Order) as sent:
        client.post("/orders", json={"pizza": 1})
    sent.assert_sent_once(created=True)

What is told when an assertion fails is written in `timeline.py`.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from inspect import signature
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from webframe._lazy import LateModule
from webframe.conf import close_match
from webframe.dispatch import Receiver, Signal, all_signals
from webframe.test.decorating import Block, decorate_function
from webframe.test.mute import mute
from webframe.test.signals import template_rendered
from webframe.test.timeline import Sending, Sent, in_words, timeline

if TYPE_CHECKING:
    from webframe.test import environment
else:
    environment = LateModule("webframe.test.environment")  # only who renders templates needs Jinja2

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# What a test takes that is decorated with `capture_signals`.
KEYWORD = "sent"


class Captured(list[Sent]):
    """What was sent, in order: a list, with assertions that tell what was sent when they fail.

    All of them take the signal first, which may be left out where only one is
    captured or any will do, and then the sender and what it must have been sent
    with: ``assert_sent(post_save, sender=Order, created=True)``. Arguments that
    are not named may be anything. What could never be true, such as an argument
    that the signal is never sent with, is a `ValueError`, not a failure.
    """

    def __init__(self, signals: tuple[Signal[...], ...] = (), sender: object = None) -> None:
        super().__init__()
        # What is captured; nothing means any signal, None any sender.
        self.signals = signals
        self.sender = sender

    @property
    def names(self) -> list[str]:
        """The names of the signals, in the order in which they were sent."""
        return [sent.signal.name for sent in self]

    def of(self, signal: Signal[...] | None = None, /, **arguments: Any) -> list[Sent]:
        """What was sent of one signal, or of any, from one `sender` and with certain arguments, if they are given."""
        return self._find(self._wanted(signal, arguments))

    def assert_sent(self, signal: Signal[...] | None = None, /, *, count: int | None = None, **arguments: Any) -> None:
        """Fail unless it was sent, so many times or at least once."""
        __tracebackhide__ = True
        wanted = self._wanted(signal, arguments)
        found = len(self._find(wanted))
        if found != count if count is not None else not found:
            expected = "" if count is None else f", expected {in_words(count)}"
            self._fail(f"{wanted} was {_sent(found)}{expected}.", wanted)

    def assert_sent_once(self, signal: Signal[...] | None = None, /, **arguments: Any) -> Sent:
        """Fail unless it was sent exactly once; returns that sending."""
        __tracebackhide__ = True
        wanted = self._wanted(signal, arguments)
        found = self._find(wanted)
        if len(found) != 1:
            self._fail(f"{wanted} was {_sent(len(found))}, expected once.", wanted)
        return found[0]

    def assert_not_sent(self, signal: Signal[...] | None = None, /, **arguments: Any) -> None:
        """Fail if it was sent."""
        __tracebackhide__ = True
        wanted = self._wanted(signal, arguments)
        found = self._find(wanted)
        if found:
            self._fail(f"{wanted} was {_sent(len(found))}, expected never.", wanted)

    def assert_order(self, *steps: Signal[...] | Sending, exact: bool = False) -> None:
        """Fail unless these were sent one after the other, whatever lies between; with `exact`, nothing does.

        A step is a signal, or a `Sending` that says more:
        ``assert_order(pre_save, Sending(post_save, created=True))``.
        """
        __tracebackhide__ = True
        wanted = [step if isinstance(step, Sending) else Sending(step) for step in steps]
        for step in wanted:
            self._check(step)
        order = ", then ".join(map(str, wanted)) or "nothing"
        if exact:
            if len(self) != len(wanted) or not all(map(Sending.matches, wanted, self)):
                self._fail(f"What was sent is not exactly {order}.", *wanted)
            return
        place = 0
        for number, step in enumerate(wanted):
            while place < len(self) and not step.matches(self[place]):
                place += 1
            if place == len(self):
                after = f" after {wanted[number - 1]}" if number else ""
                self._fail(f"{step} was not sent{after}. The order should be {order}.", *wanted)
            place += 1

    def __str__(self) -> str:
        return timeline(self)

    def _wanted(self, signal: Signal[...] | None, arguments: dict[str, Any]) -> Sending:
        if signal is None and len(self.signals) == 1:
            signal = self.signals[0]
        return Sending(signal, **arguments)

    def _find(self, wanted: Sending) -> list[Sent]:
        self._check(wanted)
        return [sent for sent in self if wanted.matches(sent)]

    def _fail(self, message: str, *wanted: Sending) -> None:
        __tracebackhide__ = True
        raise AssertionError(f"{message}\n\n{timeline(self, wanted)}")

    def _check(self, wanted: Sending) -> None:
        """Refuse what no sending here could match: an assertion that nothing of it was sent would always hold."""
        if wanted.signal is not None and self.signals and wanted.signal not in self.signals:
            names = ", ".join(signal.name for signal in (*self.signals, wanted.signal))
            raise ValueError(f"{wanted.signal} is not captured here. Add it: capture_signals({names}).")
        if "sender" in wanted.arguments and self.sender is not None and wanted.arguments["sender"] is not self.sender:
            raise ValueError(
                f"Only what {self.sender!r} sends is captured here, nothing from {wanted.arguments['sender']!r}. "
                "Leave sender out of capture_signals()."
            )
        signals = self.signals if wanted.signal is None else (wanted.signal,)
        declared = [signal.keywords for signal in signals]
        if not signals or not all(len(keywords) > 2 for keywords in declared):
            return  # a signal that was not declared may be sent with anything
        known = sorted(frozenset().union(*declared) - {"signal"})
        for name in wanted.arguments:
            if name not in known:
                raise ValueError(
                    f"{' and '.join(signal.name for signal in signals)} is never sent with {name!r}, only with "
                    f"{', '.join(known)}.{close_match(name, known)}"
                )


def _sent(count: int) -> str:
    return f"sent {in_words(count)}" if count else "never sent"


class capture_signals(Block[Captured]):
    """Record every sending of some signals, or of all there are, within the block; or only those of one sender.

    Only this thread or task, and those that the block starts, are heard, so
    that tests may run side by side; `everywhere` hears the whole process, for
    apps that are served by other threads. A sending is recorded before anybody
    else hears of it, and also while its signal is muted. Within the block templates
    send `template_rendered` if that is one of the signals.

    >>> pizza_done = Signal(name="pizza_done")
    >>> with capture_signals(pizza_done) as sent:
    ...     _ = pizza_done.send("the kitchen", size=2)
    >>> sent.names, sent[0].arguments
    (['pizza_done'], {'size': 2})

    As a decorator it gives the function what was captured as its argument `sent`.
    """

    def __init__(self, *signals: Signal[...], sender: object = None, everywhere: bool = False) -> None:
        for signal in signals:
            if not isinstance(signal, Signal):
                raise TypeError(f"capture_signals() takes signals, not {signal!r}. Give the sender as sender=.")
        self._signals = signals
        self._sender = sender
        self._everywhere = everywhere

    def begin(self, undo: ExitStack) -> Captured:
        """Listen; gives what will have been heard."""
        captured = Captured(self._signals, None if isinstance(self._sender, str) else self._sender)
        start = time.perf_counter()

        def hear(*, signal: Signal[...], sender: object, **arguments: Any) -> None:
            captured.append(Sent(signal, sender, arguments, time.perf_counter() - start))

        if template_rendered in self._signals:
            undo.enter_context(environment.templates_reported())
        # Among all there are some deprecated ones, which nobody has asked for.
        with nullcontext() if self._signals else warnings.catch_warnings(action="ignore"):
            for signal in self._signals or all_signals():
                if self._everywhere:
                    signal.connect(hear, self._sender, weak=False, inline=True, priority=sys.maxsize)
                    undo.callback(signal.disconnect, hear, self._sender)
                override = signal.connected_to(hear, self._sender, inline=True, priority=sys.maxsize)
                override.is_witness = True
                undo.enter_context(override)
        return captured

    def copy(self) -> Self:
        """The same once more, for calls that overlap."""
        return type(self)(*self._signals, sender=self._sender, everywhere=self._everywhere)

    def __call__(self, decorated: Decorated) -> Decorated:
        if isinstance(decorated, type):
            raise TypeError(
                f"capture_signals() decorates functions, not the class {decorated.__qualname__}. Decorate the tests: "
                "each is given what was sent while it ran."
            )
        whole = signature(decorated)
        if KEYWORD not in whole.parameters:
            raise TypeError(
                f"{decorated.__qualname__}() is decorated with capture_signals() and does not take what was captured. "
                f"Give it a parameter {KEYWORD!r}."
            )

        def make_block(keywords: dict[str, Any]) -> ExitStack:
            stack = ExitStack()
            keywords[KEYWORD] = stack.enter_context(self.copy())
            return stack

        function = decorate_function(decorated, make_block)
        # Whoever looks what to call it with, as pytest does for fixtures, shall not look for that one.
        others = [parameter for parameter in whole.parameters.values() if parameter.name != KEYWORD]
        function.__signature__ = whole.replace(parameters=others)  # type: ignore[attr-defined]
        return cast(Decorated, function)


class TestSignals:
    """`capture_signals` and `mute` from the call on until the end of the test: what the fixture `signals` gives.

    >>> pizza_done = Signal(name="pizza_done")
    >>> with TestSignals() as signals:
    ...     sent = signals.capture(pizza_done)
    ...     _ = pizza_done.send("the kitchen")
    >>> sent.assert_sent_once(sender="the kitchen").signal.name
    'pizza_done'
    """

    # No class of tests, for all its name.
    __test__ = False

    def __init__(self) -> None:
        self._undo = ExitStack()

    def capture(self, *signals: Signal[...], sender: object = None, everywhere: bool = False) -> Captured:
        """Record what is sent from now on; takes what `capture_signals` takes."""
        return self._undo.enter_context(capture_signals(*signals, sender=sender, everywhere=everywhere))

    def mute(self, *signals: Signal[...], receiver: Receiver | None = None, sender: object = None) -> None:
        """Have nobody called from now on; takes what `mute` takes."""
        self._undo.enter_context(mute(*signals, receiver=receiver, sender=sender))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._undo.close()

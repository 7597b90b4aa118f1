"""What was sent and what was wanted, as a person reads it: the lines below a failed assertion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from webframe.dispatch import Signal

# Characters of a value that are shown, and of the name of a sender.
WIDTH = 60

# Lines that are shown of what was sent; of more the first and the last half.
LINES = 60


class Sent(NamedTuple):
    """One sending of a signal."""

    signal: Signal[...]
    sender: Any
    # What it was sent with, beside the sender: the very objects, which may have changed since.
    arguments: dict[str, Any]
    # Seconds after the beginning of the capture.
    after: float = 0.0

    def __repr__(self) -> str:
        arguments = _pairs(self.arguments)
        return f"<{self.signal.name} from {_name(self.sender)}{f' with {arguments}' if arguments else ''}>"


class Sending:
    """What to look for among what was sent: a signal, or any; its sender, and arguments by name, if they matter.

    >>> str(Sending(Signal(name="pizza_done"), size=2))
    'pizza_done with size=2'
    """

    def __init__(self, signal: Signal[...] | None = None, /, **arguments: Any) -> None:
        if signal is not None and not isinstance(signal, Signal):
            raise TypeError(f"{signal!r} is no signal. Give what it must have been sent with by name: created=True.")
        self.signal = signal
        # The sender, if it matters, is among them.
        self.arguments = arguments

    def matches(self, sent: Sent) -> bool:
        """Whether it is one of those looked for."""
        return self.is_of_signal(sent) and not any(True for _ in self._different(sent))

    def is_of_signal(self, sent: Sent) -> bool:
        """Whether at least the signal is the one looked for."""
        return self.signal is None or self.signal is sent.signal

    def differences(self, sent: Sent) -> str:
        """What is other than it should be: "created is False, not True"; nothing if it is looked for."""
        found = {"sender": sent.sender, **sent.arguments}
        show = {"sender": _name}
        return "; ".join(
            f"{name} is {show.get(name, _short)(found[name])}, not {show.get(name, _short)(self.arguments[name])}"
            if name in found
            else f"there is no {name}"
            for name in self._different(sent)
        )

    def _different(self, sent: Sent) -> list[str]:
        found = {"sender": sent.sender, **sent.arguments}
        return [name for name, value in self.arguments.items() if name not in found or not _same(value, found[name])]

    def __str__(self) -> str:
        arguments = dict(self.arguments)
        sender = f" from {_name(arguments.pop('sender'))}" if "sender" in arguments else ""
        rest = f" with {_pairs(arguments)}" if arguments else ""
        return f"{'Any signal' if self.signal is None else self.signal.name}{sender}{rest}"


def timeline(sent: Sequence[Sent], wanted: Sequence[Sending] = ()) -> str:
    """Everything that was sent, a line each: what is wanted is marked with ">", and below what is nearly, why not.

    >>> pizza_done = Signal(name="pizza_done")
    >>> sent = [Sent(pizza_done, "Ada", {"size": 2}, 0.0012), Sent(pizza_done, "Bob", {"size": 3}, 0.0025)]
    >>> print(timeline(sent, [Sending(pizza_done, size=3)]))
    Sent, in order:
        1  +1.20 ms  pizza_done  'Ada'  size=2
                     size is 2, not 3
      > 2  +2.50 ms  pizza_done  'Bob'  size=3
    """
    sent = list(sent)  # showing a value may send signals itself
    if not sent:
        return "Nothing was sent."
    shown = _shown(len(sent))
    times = [f"+{one.after * 1000:.2f} ms" for one in sent]
    widths = [
        len(str(len(sent))),
        max(map(len, times)),
        max(len(sent[place].signal.name) for place in shown),
        max(len(_name(sent[place].sender)) for place in shown),
    ]
    lines = ["Sent, in order:"]
    last = -1
    for place in shown:
        if place != last + 1:
            lines.append(f"    ... {place - last - 1} more ...")
        last, one = place, sent[place]
        mark = ">" if any(each.matches(one) for each in wanted) else " "
        cells = [str(place + 1), times[place], one.signal.name, _name(one.sender)]
        aligned = *map(str.rjust, cells[:2], widths), *map(str.ljust, cells[2:], widths[2:])
        lines.append(f"  {mark} {'  '.join(aligned)}  {_pairs(one.arguments)}".rstrip())
        if mark == " ":
            indent = " " * (8 + widths[0] + widths[1])
            near = dict.fromkeys(each.differences(one) for each in wanted if each.is_of_signal(one))
            lines += [indent + difference for difference in near]
    return "\n".join(lines)


def in_words(count: int) -> str:
    """How many times, as people say it."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _shown(count: int) -> list[int]:
    """The places of those that are shown."""
    return [place for place in range(count) if count <= LINES or place < LINES // 2 or place >= count - LINES // 2]


def _same(wanted: object, found: object) -> bool:
    if wanted is found:
        return True
    try:
        return bool(wanted == found)
    except Exception:
        return False  # what cannot be compared, such as an array or a closed file, is not the same


def _pairs(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in arguments.items())


def _name(sender: object) -> str:
    return sender.__qualname__ if isinstance(sender, type) else _short(sender)


def _short(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception as error:
        return f"<{type(value).__qualname__} that cannot be shown: {type(error).__name__}>"
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."

"""Fixtures of the tests of the signals' contract: the tables of the library, and a log of what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from webframe.dispatch import Signal


class Event(NamedTuple):
    """One call of a receiver."""

    name: str
    sender: type[Any]
    arguments: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(f"{self.name} was sent without {name!r}") from None


class Log(list[Event]):
    """What was heard, in order; of mutable arguments a copy as it was then."""

    def __init__(self) -> None:
        super().__init__()
        self._connected: list[tuple[Signal[...], Any, Callable[..., None]]] = []

    def listen(self, *signals: Signal[...], sender: Any = None, then: Callable[..., object] | None = None) -> None:
        """Write down what `sender` sends (or anybody), and call `then` with the arguments."""
        for signal in signals:

            def hear(signal: Any, sender: Any, then: Any = then, **arguments: Any) -> None:
                copied = {
                    name: type(value)(value) if type(value) in (list, dict, set) else value
                    for name, value in arguments.items()
                }
                self.append(Event(signal.name, sender, copied))
                if then is not None:
                    then(sender=sender, signal=signal, **arguments)

            signal.connect(hear, sender=sender, weak=False)
            self._connected.append((signal, sender, hear))

    @property
    def names(self) -> list[str]:
        return [event.name for event in self]

    @property
    def senders(self) -> list[tuple[str, str]]:
        return [(event.name, event.sender.__name__) for event in self]

    def named(self, name: str) -> list[Event]:
        return [event for event in self if event.name == name]

    def stop(self) -> None:
        for signal, sender, hear in self._connected:
            signal.disconnect(hear, sender=sender)


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.stop()


@pytest.fixture(autouse=True)
def library(request: pytest.FixtureRequest) -> None:
    """The tables of the library, in every test that has an engine."""
    if "engine" in request.fixturenames:
        from .. import people
        from .library import registry

        tables = request.getfixturevalue("tables")
        tables(registry)
        tables(people.registry)

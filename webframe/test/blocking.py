"""Who may use which databases while tests run: under pytest nobody who has not asked for it.

    with blocker.block():                   # nobody
        with blocker.unblock("default"):    # whoever asks "default"
            ...

This holds for the whole process, all its threads and tasks. What is refused is
refused where a statement looks for its place: the methods that do so are exchanged
as long as anything is forbidden, so that nothing is asked where all is allowed.
Nothing of `webframe.db` is imported for that; whoever imports it later finds what
holds then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from webframe._lazy import when_imported
from webframe.core.exceptions import WebframeError

# Frames of this file are no news to those who read what was refused: pytest leaves them out.
__tracebackhide__ = True

# What has to be there before anything can be asked of a database.
_WRAPPERS = "webframe.db.backends.base"


class DatabaseAccessBlocked(WebframeError, AssertionError):
    """A test has used a database that it did not ask for; the message says how to ask."""


class Rule:
    """What is allowed from when it is made until it is taken back; as a context manager, to the end of the block."""

    def __init__(self, blocker: Blocker, allowed: frozenset[str] | None, how_to_ask: str) -> None:
        self._blocker = blocker
        # The aliases that may be used; None: all.
        self.allowed = allowed
        # What to do about it, for the message; ``{alias!r}`` stands for what was asked.
        self.how_to_ask = how_to_ask

    def check(self, alias: str) -> None:
        """Raise `DatabaseAccessBlocked` unless an alias may be used."""
        if self.allowed is None or alias in self.allowed:
            return
        what = f"only {_listed(self.allowed)} may be used" if self.allowed else "no database may be used"
        cure = f" {self.how_to_ask.format(alias=alias)}" if self.how_to_ask else ""
        raise DatabaseAccessBlocked(f"The database {alias!r} was used where {what}.{cure}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._blocker.forget(self)


class Blocker:
    """Has the rules that hold: the one that was made last, and those that come back when it is taken back."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def block(self, how_to_ask: str = "") -> Rule:
        """Let nobody use any database from now on; `how_to_ask` is added to the message of the error."""
        return self._add(frozenset(), how_to_ask)

    def unblock(self, *aliases: str, how_to_ask: str = "") -> Rule:
        """Let everybody use these databases, and no others, from now on; all of them if none is named."""
        connections = sys.modules.get("webframe.db.connections")
        if aliases and connections is not None and set(aliases).issuperset(connections.connections):
            aliases = ()
        return self._add(frozenset(aliases) or None, how_to_ask)

    def restore(self) -> None:
        """Let hold again what held before the last `block` or `unblock`."""
        if not self._rules:
            raise RuntimeError("There is nothing to restore: neither block() nor unblock() was called before.")
        self.forget(self._rules[-1])

    def forget(self, rule: Rule) -> None:
        """Take back a rule, the last one or another; nothing happens if it was taken back already."""
        if rule in self._rules:
            self._rules.remove(rule)
            when_imported(_WRAPPERS, _exchange_methods)

    @property
    def rule(self) -> Rule:
        """What holds now."""
        return self._rules[-1] if self._rules else _ANYTHING

    @property
    def has_rules(self) -> bool:
        """Whether anybody has said anything."""
        return bool(self._rules)

    @property
    def is_blocked(self) -> bool:
        """Whether there is anything that may not be used."""
        return self.rule.allowed is not None

    def _add(self, allowed: frozenset[str] | None, how_to_ask: str) -> Rule:
        rule = Rule(self, allowed, how_to_ask)
        self._rules.append(rule)
        when_imported(_WRAPPERS, _exchange_methods)
        return rule


# There is one: what it forbids, it forbids to the whole process.
blocker = Blocker()

_ANYTHING = Rule(blocker, None, "")

# What the methods were before they were exchanged; empty while they are not.
_originals: dict[tuple[type[Any], str], Callable[..., Any]] = {}


def _exchange_methods() -> None:
    if blocker.is_blocked is bool(_originals):
        return
    if _originals:
        for (owner, name), method in _originals.items():
            setattr(owner, name, method)
        _originals.clear()
        return
    from webframe.db.backends.base import DatabaseWrapper
    from webframe.db.backends.connecting import Connecting
    from webframe.db.backends.places import Placing
    from webframe.db.nodes import Node

    # Every statement and every savepoint comes by one of these, and every new connection.
    for owner, name in ((Placing, "_enter"), (DatabaseWrapper, "start_fetch"), (Connecting, "open"), (Node, "prepare")):
        method = getattr(owner, name)
        _originals[owner, name] = method
        setattr(owner, name, _checked(method))


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        blocker.rule.check(self.alias)
        return method(self, *args, **kwargs)

    return checked


def _listed(aliases: frozenset[str]) -> str:
    *most, last = map(repr, sorted(aliases))
    return f"{', '.join(most)} and {last}" if most else last

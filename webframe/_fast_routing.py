"""The shortest way from a path to its route: the first descent of werkzeug's search, decided beforehand.

werkzeug keeps rules in a tree with one level for each segment. At every level its search tries the fixed text
first, then the variable parts by weight, and comes back to try the next when one leads nowhere. So the first
descent, if it ends at a rule that takes the method, is the answer, whatever else the tree may hold. Walked here is
that descent and no other: patterns compiled, converters looked up, rules sorted by method, all when the routes are
frozen. Where it ends in any other way (no rule, another method, a slash too many or too few, a value refused by
its converter), `find` gives None and werkzeug is to be asked. Nothing is kept from one request to the next.

Read of werkzeug's private parts are `Map._matcher._root`, its states' `static`, `dynamic` and `rules`, the `content`
and `final` of rule parts, the names of the groups in their patterns, and `Rule._converters`. Should one of them go,
`Shortcuts` raises AttributeError (or gives None more often) and the router does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from werkzeug.routing import BaseConverter, IntegerConverter, Map, Rule
from werkzeug.routing.rules import RulePart

Found: TypeAlias = "tuple[Any, dict[str, Any]]"
"""The endpoint, and the values of the variables in its rule."""

Variable: TypeAlias = "tuple[str, Callable[[str], Any] | None]"
"""The name of a variable, and what makes a value of its text (None: the text is the value)."""

Answer: TypeAlias = "tuple[Any, tuple[Variable, ...]]"
"""What is at the end of a descent: the endpoint, and the variables on the way there."""

Sibling: TypeAlias = "tuple[Callable[[str], Any], Callable[[Any], Sequence[str]] | None, Node, bool]"
"""A variable part: its test; what takes the texts of the variables out of what the test found (None: the text is
the variable); the node it leads to; whether it takes all the rest of the path, slashes included."""

# The two commonest variable parts, <int:name> and <name>, need no pattern. `str.isdecimal` accepts what `\d+` does;
# `str` gives the text back, which is true unless it is empty, and a segment holds no slash.
PLAIN_TESTS: Mapping[str, Callable[[str], Any]] = {
    r"(?P<__werkzeug_0>\d+)\Z": str.isdecimal,
    r"(?P<__werkzeug_0>[^/]{1,})\Z": str,
}

# How werkzeug calls the group of a variable, within the pattern of its part.
PREFIX = "__werkzeug_"
GROUP = re.compile(rf"\(\?P<{PREFIX}\d+>")

# What depends on the numbers or names of groups.
REFERENCE = re.compile(r"\\[1-9]|\(\?(?:P=|\()")

# From this many variable parts at one place on, one pattern finds the first that accepts, instead of a loop.
CROWD = 6


class Node:
    """One state of werkzeug's tree."""

    __slots__ = ("answers", "any_method", "choose", "dynamic", "level", "static")

    def __init__(self, level: int) -> None:
        # How many slashes of a path lie before the segment that is looked at here.
        self.level = level
        # Where fixed text leads.
        self.static: dict[str, Node] = {}
        # Where variable parts lead, in the order in which werkzeug tries them.
        self.dynamic: tuple[Sibling, ...] = ()
        # The few of `dynamic` worth trying on a segment, where there is a crowd of them; else None.
        self.choose: Callable[[str], tuple[Sibling, ...]] | None = None
        # What is here by method, None for a rule that only werkzeug can answer; and for all other methods.
        self.answers: dict[str, Answer | None] = {}
        self.any_method: Answer | None = None


class Shortcuts:
    """The map's tree prepared for the first descent.

    `endpoint_of(rule)` gives the endpoint of a rule, or None if an answer needs more than its endpoint and the
    values in the path (default values, redirects): such rules are left to werkzeug. The map must be up to date.
    """

    # static[path][method] is the endpoint for the paths without variables; paths in ASCII only, so that a path
    # may be looked up before it is decoded.
    static: dict[str, dict[str, Any]]

    def __init__(self, url_map: Map, endpoint_of: Callable[[Rule], Any]) -> None:
        self.static = {}
        self._trails: dict[str, Node] = {}
        self._depth = 0
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._endpoint_of = endpoint_of
        # The first level of werkzeug's tree is the domain, always empty here. Without rules there is none.
        start = url_map._matcher._root.static.get("")
        self._start = Node(0) if start is None else self._node(start, 0, "")

    def find(self, method: str, path: str) -> Found | None:
        """The endpoint and the values, or None if werkzeug must be asked."""
        routes = self.static.get(path)
        if routes is not None:
            endpoint = routes.get(method)
            if endpoint is not None:
                return endpoint, {}
        # The commonest paths end in their only variable: start at the node of all that precedes the last segment.
        trail, slash, last = path.rpartition("/")
        node = self._trails.get(trail)
        if node is not None and slash:
            test, take, below, _ = node.dynamic[0]
            if take is None and last not in node.static and test(last):
                # And mostly that is a plain one, tried before all others: no lists and no loops for it.
                answer = below.answers.get(method, below.any_method)
                if answer is None:
                    return None
                endpoint, ((name, convert),) = answer
                try:
                    return endpoint, {name: last if convert is None else convert(last)}
                except ValueError:
                    return None
            parts = [last]
        elif path[:2] == "//":
            return None  # werkzeug reads these as one slash
        else:
            node = self._start
            parts = path.split("/", self._depth)
        values: list[str] = []
        for part in parts:
            child = node.static.get(part)
            if child is not None:
                node = child
                continue
            for sibling in node.dynamic if node.choose is None else node.choose(part):
                test, take, child, takes_rest = sibling
                text = path.split("/", node.level)[-1] if takes_rest else part
                accepted = test(text)
                if accepted:
                    node = child
                    break
            else:
                return None
            if take is None:
                values.append(text)
            else:
                values += take(accepted)
            if takes_rest:
                break
        answer = node.answers.get(method, node.any_method)
        if answer is None:
            return None
        endpoint, variables = answer
        converted: dict[str, Any] = {}
        index = 0
        try:
            for name, convert in variables:  # counted by hand, for `zip` would take as long as all the rest
                converted[name] = values[index] if convert is None else convert(values[index])
                index += 1
        except ValueError:
            # Refused by the converter (ValidationError is a ValueError), or more digits than `int` takes.
            return None
        return endpoint, converted

    def leads_nowhere(self, path: str) -> bool:
        """Whether it is certain that no rule, with whatever method, has to do with the path.

        Certain it is when a segment is accepted by nothing and nothing was left untried on the way there. Paths
        that werkzeug might answer with another slash are never certain.
        """
        if path[:1] != "/" or path[-1:] == "/" or "//" in path:
            return False
        node = self._start
        for part in path.split("/", self._depth):
            child = node.static.get(part)
            if child is None:
                siblings = node.dynamic if node.choose is None else node.choose(part)
                for sibling in siblings:
                    test, _, child, takes_rest = sibling
                    if takes_rest:
                        return False
                    if test(part):
                        break
                else:
                    return True
                if sibling is not node.dynamic[-1]:
                    return False
            elif node.dynamic:
                return False
            node = child
        return False

    # --- preparing -----------------------------------------------------------------------------------------------

    def _node(self, state: Any, level: int, trail: str | None) -> Node:
        """The node of a state of werkzeug's, and all below it.

        `trail` is the path that leads there; None if there are variables in it.
        """
        node = Node(level)
        self._depth = max(self._depth, level)
        self._sort_rules(node, state.rules)
        for text, child in state.static.items():
            # The text before the first slash is empty, as werkzeug splits paths.
            below = None if trail is None else f"{trail}/{text}" if level else text
            node.static[text] = self._node(child, level + 1, below)
        node.dynamic = tuple(self._sibling(part, child, level) for part, child in state.dynamic)
        if len(node.dynamic) >= CROWD:
            node.choose = self._chooser([part for part, _ in state.dynamic], node.dynamic)
        if trail is not None:
            self._note_trail(node, trail)
        return node

    def _sort_rules(self, node: Node, rules: Sequence[Rule]) -> None:
        """Sort rules by method; the first that takes a method is the one werkzeug would take."""
        for rule in rules:
            if rule.websocket:
                continue
            endpoint = self._endpoint_of(rule)
            answer = None
            if endpoint is not None:
                answer = endpoint, tuple((name, _conversion(converter)) for name, converter in rule._converters.items())
            if rule.methods is None:
                node.any_method = answer
                break
            for method in rule.methods:
                node.answers.setdefault(method, answer)

    def _note_trail(self, node: Node, trail: str) -> None:
        if node.dynamic:
            self._trails[trail] = node
        endpoints = {method: answer[0] for method, answer in node.answers.items() if answer is not None}
        if endpoints and trail.isascii():
            self.static[trail] = endpoints

    def _sibling(self, part: RulePart, state: Any, level: int) -> Sibling:
        node = self._node(state, level + 1, None)
        plain = PLAIN_TESTS.get(part.content)
        if plain is not None and not part.final:
            return plain, None, node, False
        pattern = self._pattern(part.content)
        names = _texts(pattern)
        if pattern.groups == len(names):
            return pattern.match, re.Match.groups, node, part.final
        return pattern.match, lambda match: [match[name] for name in names], node, part.final

    def _chooser(
        self, parts: Sequence[RulePart], siblings: tuple[Sibling, ...]
    ) -> Callable[[str], tuple[Sibling, ...]] | None:
        """One pattern that tells which of many siblings accepts a segment first; None if that cannot be.

        Its alternatives are the siblings' own patterns, each followed by an empty group as a mark: the number of
        the last group that took part is the number of the sibling. Siblings from the first on that takes the rest
        of the path, or has groups or references of its own, which would get other numbers here, stay with the loop.
        """
        alternatives = []
        for part in parts:
            pattern = self._pattern(part.content)
            if part.final or pattern.groups != len(_texts(pattern)) or REFERENCE.search(part.content):
                break
            alternatives.append(GROUP.sub("(?:", part.content) + "()")
        if len(alternatives) < CROWD:
            return None
        match = re.compile("|".join(alternatives)).match
        others = siblings[len(alternatives) :]

        def choose(part: str) -> tuple[Sibling, ...]:
            found = match(part)
            return others if found is None or found.lastindex is None else (siblings[found.lastindex - 1],)

        return choose

    def _pattern(self, content: str) -> re.Pattern[str]:
        # Kept here, because the cache of `re` begins to forget at 512.
        if content not in self._patterns:
            self._patterns[content] = re.compile(content)
        return self._patterns[content]


def _texts(pattern: re.Pattern[str]) -> list[str]:
    """The names of the groups that hold the texts of the variables, in the order of the variables."""
    return sorted(
        (name for name in pattern.groupindex if name.startswith(PREFIX)),
        key=lambda name: int(name.removeprefix(PREFIX)),
    )


def _conversion(converter: BaseConverter) -> Callable[[str], Any] | None:
    """What makes a value of a text the converter's pattern accepted; None where the text is the value."""
    convert = converter.to_python
    if getattr(convert, "__func__", None) is BaseConverter.to_python:
        return None
    if type(converter) is IntegerConverter and vars(converter) == vars(IntegerConverter(converter.map)):
        # With its default options the converter does nothing that `int` does not, unless it refuses other digits.
        with suppress(ValueError):
            if convert("\u0663") == 3:
                return int
    return convert

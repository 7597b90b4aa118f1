"""Python source as a tree, and how it is laid out: as `ruff format` would, so that it leaves the text alone.

A node is a text that stays on its line, or a `Group`: a bracket with items in
it. A group that fits on the line stays there; any other has each item on a line
of its own, with a comma behind, which keeps formatters from joining them again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

# Columns: what ruff and black leave alone unless they are told otherwise.
WIDTH = 88


class Group:
    """A bracket with items: ``models.Q(`` ... ``)``, ``[`` ... ``]``."""

    __slots__ = ("_flat", "close", "items", "open", "spread")

    def __init__(
        self, opening: str, items: Iterable[tuple[str, str | Group]], close: str, *, spread: bool = False
    ) -> None:
        self.open = opening
        # (what stands before it: "name=", '"key": ' or nothing, the node itself)
        self.items = tuple(items)
        self.close = close
        # Whether each item has a line of its own in any case.
        self.spread = spread and bool(self.items)
        self._flat: str | None = None

    @property
    def flat(self) -> str:
        """All of it on one line."""
        if self._flat is None:
            inner = ", ".join([before + flat(node) for before, node in self.items])
            # A tuple of one is told from brackets by its comma.
            comma = "," if self.open == "(" and len(self.items) == 1 else ""
            self._flat = f"{self.open}{inner}{comma}{self.close}"
        return self._flat

    @property
    def is_spread(self) -> bool:
        """Whether it takes more than one line however wide those are."""
        return self.spread or any(isinstance(node, Group) and node.is_spread for _, node in self.items)


def call(
    path: str,
    args: Iterable[str | Group] = (),
    keywords: Mapping[str, str | Group] | None = None,
    *,
    spread: bool = False,
) -> Group:
    """A call of something with arguments."""
    items = [("", each) for each in args] + [(f"{name}=", each) for name, each in (keywords or {}).items()]
    return Group(f"{path}(", items, ")", spread=spread)


def flat(node: str | Group) -> str:
    """A node on one line."""
    return node if isinstance(node, str) else node.flat


def laid_out(node: str | Group, *, indent: int = 0, column: int | None = None, width: int = WIDTH) -> str:
    """The text of a node that begins at a column of a line that is indented so far; a comma may follow it."""
    if isinstance(node, str):
        return node
    start = indent if column is None else column
    if not node.items or (not node.is_spread and start + columns_of(node.flat) + 1 <= width):
        return node.flat
    margin = " " * (indent + 4)
    lines = [node.open]
    for before, item in node.items:
        text = laid_out(item, indent=indent + 4, column=indent + 4 + columns_of(before), width=width)
        lines.append(f"{margin}{before}{text},")
    lines.append(" " * indent + node.close)
    return "\n".join(lines)


def columns_of(text: str) -> int:
    """How many columns a text takes: letters of East Asia take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


# -- literals


def quoted(text: str) -> str:
    """A text as a literal: between double quotes, unless single ones need fewer backslashes."""
    # With both kinds of quotes in it, it stands between single ones.
    return _requoted(repr(str.__str__(text) + "'\"")[1:-4])


def quoted_bytes(data: bytes) -> str:
    """The same for bytes."""
    return "b" + _requoted(repr(bytes(data) + b"'\"")[2:-4])


def _requoted(body: str) -> str:
    """Put what stood between single quotes between the quotes that ruff would choose."""
    if "'" not in body and '"' not in body:
        return f'"{body}"'
    if body.count('"') > body.count("'"):
        return f"'{body}'"
    # Pairs of a backslash and what it is for are looked at as pairs.
    body = re.sub(r"\\.|\"", _for_double_quotes, body)
    return f'"{body}"'


def _for_double_quotes(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])

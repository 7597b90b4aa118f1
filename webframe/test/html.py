"""HTML as a tree in which only differences that matter are left, to be compared in tests.

White space beside tags does not matter, nor how much of it there is between words;
nor does the order of attributes and of the classes in ``class``, whether an empty
element is closed and how, how characters are escaped, comments. A tag that is left
open is closed with the one around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from operator import itemgetter

# Elements that have no contents, and no end.
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())

# Attributes that are there or not: no value is as good as their name.
BOOLEAN = frozenset(
    "allowfullscreen async autofocus autoplay checked controls default defer disabled formnovalidate hidden inert "
    "ismap itemscope loop multiple muted nomodule novalidate open playsinline readonly required reversed "
    "selected".split()
)

WHITE_SPACE = re.compile(r"[ \t\n\f\r]+")


class Element:
    """One element; elements are equal if they say the same."""

    def __init__(self, name: str, attributes: Sequence[tuple[str, str | None]] = ()) -> None:
        self.name = name
        self.attributes = tuple(sorted(map(_normal_attribute, attributes), key=itemgetter(0)))
        # Elements and texts, in order.
        self.children: list[Element | str] = []

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        mine = self.name, self.attributes, self.children
        return mine == (other.name, other.attributes, other.children)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The element as it is shown, a line for each tag and text."""
        attributes = "".join(f" {name}" if value is None else f' {name}="{value}"' for name, value in self.attributes)
        if self.name:
            yield f"<{self.name}{attributes}>"
        for child in self.children:
            for line in [child] if isinstance(child, str) else child.lines():
                yield f"  {line}" if self.name else line
        if self.name and self.name not in VOID:
            yield f"</{self.name}>"

    def count(self, wanted: Element) -> int:
        """How often a document, the root of another tree, is in this one; a text only as a whole one."""
        needle = wanted.children
        found, place = 0, 0
        while needle and place <= len(self.children) - len(needle):
            if self.children[place : place + len(needle)] == needle:
                found += 1
                place += len(needle)
            else:
                place += 1
        return found + sum(child.count(wanted) for child in self.children if isinstance(child, Element))


def parse_html(html: str) -> Element:
    """The document as the children of an element without a name. Raises ValueError for an end without a beginning."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    _join_texts(parser.root)
    return parser.root


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("")
        # The elements that we are in.
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, attrs)
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        names = [element.name for element in self._open]
        if tag not in names:
            line, column = self.getpos()
            raise ValueError(f"</{tag}> at line {line}, column {column + 1} ends nothing that is open.")
        del self._open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def _normal_attribute(attribute: tuple[str, str | None]) -> tuple[str, str | None]:
    name, value = attribute
    if name in BOOLEAN:
        return name, None if value in ("", name) else value
    if name == "class":
        return name, " ".join(sorted(_words(value or "")))
    return name, value or ""


def _words(text: str) -> list[str]:
    """What stands between white space as HTML knows it: a space that must not break is none."""
    return [word for word in WHITE_SPACE.split(text) if word]


def _join_texts(element: Element) -> None:
    """Make one text of those that stand beside each other, with single spaces between words."""
    children: list[Element | str] = []
    for child in element.children:
        if isinstance(child, Element):
            _join_texts(child)
            children.append(child)
        elif children and isinstance(children[-1], str):
            children[-1] += child
        else:
            children.append(child)
    texts = [" ".join(_words(child)) if isinstance(child, str) else child for child in children]
    element.children = [child for child in texts if child != ""]

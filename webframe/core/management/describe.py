"""Saying in a word what an object of the project is and where it was written; and tables to say it in."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Sequence
from types import CodeType
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where something was written; both are None for what is not written in Python."""

    file: str | None
    line: int | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file is not None else "-"


def name_of(thing: Any) -> str:
    """Name a function, method, class or callable object as `module:qualified.name`.

    Of a bound method it is the class of its object, not the class that defines
    it: that is how it was connected.
    """
    thing = _inner(thing)
    if inspect.ismethod(thing):
        owner = thing.__self__ if isinstance(thing.__self__, type) else type(thing.__self__)
        return f"{owner.__module__}:{owner.__qualname__}.{thing.__name__}"
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    return f"{thing.__module__}:{thing.__qualname__}"


def place_of(thing: Any) -> Place:
    """Find where a callable was written, the file relative to the current folder where it lies below it."""
    code = _code_of(_inner(thing))
    if code is None:
        return Place(None, None)
    return Place(_shortened(code.co_filename), code.co_firstlineno)


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Lay rows out in columns; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _inner(thing: Any) -> Any:
    """The function that somebody wrote, below partials, decorators and what makes a view of a class."""
    view_class = getattr(thing, "view_class", None)
    if isinstance(view_class, type):
        return view_class
    while isinstance(thing, functools.partial):
        thing = thing.func
    return thing if isinstance(thing, type) else inspect.unwrap(thing)


def _code_of(thing: Any) -> CodeType | None:
    if isinstance(thing, type):
        # A class has no line of its own at run time; its first method is the nearest thing that has.
        functions = [value for value in vars(thing).values() if inspect.isfunction(value)]
        codes = [function.__code__ for function in functions if function.__module__ == thing.__module__]
        return min(codes, key=lambda code: code.co_firstlineno, default=None)
    function = getattr(thing, "__func__", thing)
    if not hasattr(function, "__code__"):
        function = inspect.unwrap(type(function).__call__) if callable(function) else None
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _shortened(path: str) -> str:
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path
    return path if relative.startswith(os.pardir) else relative

"""Names and places of functions, and tables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from webframe.core.management.describe import Place, name_of, place_of, table

HERE = __name__


def plain() -> None: ...


def decorated(function: Callable[[], None]) -> Callable[[], None]:
    @functools.wraps(function)
    def wrapper() -> None: ...

    return wrapper


@decorated
def wrapped() -> None: ...


class Base:
    def method(self) -> None: ...

    @classmethod
    def of_class(cls) -> None: ...


class Callable_(Base):
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (plain, "plain"),
        (wrapped, "wrapped"),
        (functools.partial(functools.partial(plain)), "plain"),
        (Callable_().method, "Callable_.method"),
        (Callable_.of_class, "Callable_.of_class"),
        (Callable_(), "Callable_"),
        (Callable_, "Callable_"),
    ],
)
def test_a_callable_has_the_name_under_which_it_was_written(thing: object, name: str) -> None:
    assert name_of(thing) == f"{HERE}:{name}"


def test_what_is_not_written_in_python_has_a_name_and_no_place() -> None:
    assert name_of(len) == "builtins:len"
    assert place_of(len) == Place(None, None)
    assert str(place_of(len)) == "-"


@pytest.mark.parametrize(
    ("thing", "line_of"),
    [
        (plain, "def plain"),
        (wrapped, "@decorated"),
        (functools.partial(plain), "def plain"),
        (Callable_().method, "    def method"),
        (Callable_(), "    def __call__"),
        (Callable_, "    def __call__"),
    ],
)
def test_a_place_is_file_and_line(thing: object, line_of: str) -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    place = place_of(thing)
    assert place.file is not None and Path(place.file).samefile(__file__)
    assert place.line == next(number for number, line in enumerate(lines, 1) if line.startswith(line_of))


def test_files_below_the_current_folder_are_shown_relative_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    assert place_of(plain).file == "test_describe.py"
    monkeypatch.chdir(Path(__file__).parents[1] / "management")
    assert not str(place_of(functools.wraps)).startswith("..")


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table([["a", "bb", ""], ["aaa", "b", "c"]], indent="  ") == ["  a    bb", "  aaa  b   c"]
    assert table([]) == []

"""Values as text: bounded, without secrets, never raising."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webframe.debug.values import HIDDEN, LONGEST, attempt, hide_secrets, is_secret, shorten, show, text_of

SECRET = "hunter2-hunter2"


@dataclasses.dataclass
class Login:
    user: str
    password: str


class Broken:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD1",
        "api_url",
        "Token",
        "secret",
        "my_key",
        "SIGNATURE",
        "HTTP_COOKIE",
        "Authorization",
        b"cookie",
    ],
)
def test_names_that_sound_like_secrets_are_known(name: object) -> None:
    assert is_secret(name)
    assert show(SECRET, name) == HIDDEN


@pytest.mark.parametrize("name", ["title", "user", "", None, 3, ("password",), "x" * 10_000 + "password"])
def test_other_names_are_not_secrets(name: object) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET},
        {"user": {"api_token": [SECRET]}},
        {b"password": SECRET},
        [("Cookie", SECRET), ("a", "b")],
        [(b"authorization", SECRET.encode())],
        OrderedDict(password=SECRET),
        defaultdict(str, secret=SECRET),
        Login("ada", SECRET),
        [Login("ada", SECRET + "'\"")],
        f"postgresql://ada:{SECRET}@localhost/engine",
        f"https://example.org/?user=ada&token={SECRET}&x=1",
        {"DATABASES": {"default": {"NAME": "engine", "PASSWORD": SECRET}}},
    ],
)
def test_secrets_within_values_are_hidden(value: object) -> None:
    assert SECRET not in show(value)
    assert HIDDEN in show(value)


def test_a_long_value_does_not_let_out_the_second_half_of_a_secret() -> None:
    text = show(Login("a" * 100, SECRET * 1000))
    assert "hunter2" not in text


@pytest.mark.parametrize("text", ["Field(primary_key=True)", "<Order 3>", "sorted(key=len)", "a: b", "{'name': 'key'}"])
def test_harmless_text_is_left_alone(text: str) -> None:
    assert hide_secrets(text) == text


@pytest.mark.parametrize("error", [RuntimeError("no"), RecursionError(), SystemExit(1), GeneratorExit()])
def test_a_repr_that_raises_is_named(error: BaseException) -> None:
    assert show(Broken(error)).startswith(f"<Broken whose repr() raised {type(error).__name__}")
    assert show([1, Broken(error)]).startswith(f"[1, <Broken whose repr() raised {type(error).__name__}")


def test_only_the_keyboard_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt):
        show(Broken(KeyboardInterrupt()))


def test_a_repr_that_returns_something_else_is_named() -> None:
    class Odd:
        def __repr__(self) -> Any:
            return 3

    assert show(Odd()).startswith("<Odd whose repr() raised TypeError")


def test_an_error_whose_text_raises_has_a_text() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert text_of(Odd()) == "<str() of it raised ValueError>"


@pytest.mark.parametrize(
    "value",
    ["x" * 10**7, b"x" * 10**7, bytearray(10**7), list(range(10**6)), {n: n for n in range(10**5)}, 10**4000, 10**5000]
    + [Login("x" * 10**7, "y")],
    ids=lambda value: type(value).__name__,
)
def test_huge_values_are_short(value: object) -> None:
    assert len(show(value)) <= LONGEST
    assert len(show([value] * 100)) <= LONGEST


def test_values_that_contain_themselves_end() -> None:
    value: list[Any] = []
    value.append(value)
    nested: dict[str, Any] = {}
    nested["self"] = nested
    assert len(show(value)) < 100 and len(show(nested)) < 100


def test_a_dictionary_keeps_its_order() -> None:
    assert show({"b": 1, "a": 2}) == "{'b': 1, 'a': 2}"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.text())
    ),
)


@settings(max_examples=50)
@given(anything)
def test_everything_has_a_short_text(value: object) -> None:
    assert len(show(value)) <= LONGEST


@given(st.text(), st.integers(min_value=10, max_value=100))
def test_shortened_text_is_no_longer_than_asked(text: str, longest: int) -> None:
    short = shorten(text, longest)
    assert len(short) <= longest
    assert short == text or "..." in short


@given(st.text(alphabet=st.sampled_from("pkeytoassword'\"\\=:?&;@/ ,(")))
def test_hiding_secrets_takes_any_text(text: str) -> None:
    hide_secrets(text)


def test_an_attempt_gives_the_result_or_what_is_made_of_the_error() -> None:
    assert attempt(lambda: 1, lambda error: 2) == 1
    assert attempt(lambda: 1 // 0, lambda error: 2) == 2

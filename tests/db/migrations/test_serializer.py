"""Values as Python source: read again, it is the same value."""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import ipaddress
import math
import pathlib
import re
import uuid
import zoneinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webframe.core import validators
from webframe.db import models
from webframe.db.migrations.comparing import comparable
from webframe.db.migrations.serializer import BaseSerializer, serialize
from webframe.db.migrations.writer import MigrationWriter
from webframe.db.models import F, Q, Value, functions


class Size(models.TextChoices):
    SMALL = "s", "small"
    LARGE = "l", "large"


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Topping:
    def __init__(self, name: str) -> None:
        self.name = name

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return f"{__name__}.Topping", (self.name,), {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topping) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def method(self) -> None: ...

    @classmethod
    def standard(cls) -> Topping:
        return cls("cheese")


def a_function() -> int:
    return 1


def read(text: str, imports: set[str]) -> Any:
    names: dict[str, Any] = {"__builtins__": __builtins__}
    for line in sorted(imports):
        exec(line, names)
    return eval(text, names)


def again(value: Any) -> Any:
    return read(*serialize(value))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC) | st.timezones())
    | st.times()
    | st.timedeltas()
    | st.ip_addresses()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.text() | st.integers())
        | st.frozensets(st.text())
    ),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_is_read_again_as_it_was_written(value: Any) -> None:
    assert comparable(again(value)) == comparable(value)
    assert type(again(value)) is type(value)


@given(st.lists(st.text()))
def test_sets_are_written_in_one_order(values: list[str]) -> None:
    assert serialize(set(values)) == serialize(set(reversed(values)))


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Access.READ,
        Access.READ | Access.WRITE,
        Topping("ham"),
        Topping,
        int,
        models.Model,
        datetime.datetime.now,
        uuid.uuid4,
        Topping.standard,
        a_function,
        len,
        range(2, 9, 3),
        decimal.Decimal("1.50"),
        1 + 2j,
        re.compile("a'b", re.IGNORECASE | re.MULTILINE),
        re.compile(b"a"),
        re.IGNORECASE | re.DOTALL,
        zoneinfo.ZoneInfo("Europe/Rome"),
        datetime.timezone(datetime.timedelta(hours=-3)),
        pathlib.PurePosixPath("/var/media"),
        ipaddress.ip_network("10.0.0.0/8"),
        models.CASCADE,
        models.SET(3),
        models.SET(a_function),
        validators.MinValueValidator(3),
        validators.RegexValidator("^a$", flags=re.IGNORECASE),
        validators.validate_email,
    ],
    ids=lambda value: repr(value).split(" at 0x")[0],
)
def test_a_value_is_read_again_as_it_was_written(value: Any) -> None:
    assert again(value) == value


@pytest.mark.parametrize(
    "expression",
    [
        F("a"),
        Value(1),
        Value("x", output_field=models.CharField(max_length=3)),
        F("a") + F("b") * 2,
        F("a").desc(nulls_last=True),
        Q(a=1) | ~Q(b=F("c") + 1, d__in=[1, 2]),
        models.ExpressionWrapper(Q(a=1), output_field=models.BooleanField()),
        models.Case(models.When(a=1, then=Value(2)), default=F("x")),
        models.Func(F("a"), function="LOWER"),
        functions.Lower("a"),
        functions.Left("a", 3),
        functions.Substr("a", 2, 3),
        functions.LPad("a", 3, Value("x")),
        functions.Replace("a", Value("x")),
        functions.Concat("a", Value("-"), "b"),
        functions.Coalesce("a", Value("x")),
        functions.Cast("a", models.CharField(max_length=3)),
        functions.Collate("a", "nocase"),
        functions.JSONObject(name="a", size=F("b")),
        functions.Round("a", 2),
        functions.Power("a", 2),
        functions.Now(),
        functions.Extract("d", "year"),
        functions.ExtractYear("d", tzinfo=zoneinfo.ZoneInfo("Europe/Rome")),
        functions.Trunc("d", "month", output_field=models.DateField()),
        functions.TruncDay("d"),
        functions.MD5("a"),
        models.Index(functions.Lower("a"), F("b").desc(), name="one"),
        models.Index(fields=["a", "-b"], name="two", condition=Q(a__gt=1), include=["c"]),
        models.UniqueConstraint(fields=["a"], name="three", deferrable=models.Deferrable.DEFERRED),
        models.UniqueConstraint(functions.Lower("a"), name="four", violation_error_message="No."),
        models.CheckConstraint(condition=Q(a__gte=F("b")), name="five"),
    ],
    ids=repr,
)
def test_an_expression_is_read_again_as_it_was_written(expression: Any) -> None:
    assert comparable(again(expression)) == comparable(expression)
    assert again(expression) == expression


def test_every_function_of_ours_can_be_written() -> None:
    left_out = {"Func", "Transform", "Cast"}
    written = 0
    for name in dir(functions):
        cls = getattr(functions, name)
        # Those for windows can stand in no index and no constraint.
        if name in left_out or not isinstance(cls, type) or cls.__module__.endswith(".window"):
            continue
        for args in ((), ("a",), ("a", "b"), ("a", 2), ("a", "year"), ("a", "b", "c")):
            try:
                made = cls(*args)
                made.identity()
            except (TypeError, ValueError, AttributeError):
                continue
            assert again(made) == made, made
            written += 1
    assert written > 70


def test_choices_are_written_as_their_values() -> None:
    assert serialize(Size.SMALL) == ('"s"', set())
    assert serialize([Size.LARGE])[0] == '["l"]'


def test_not_a_number_and_infinity_are_written() -> None:
    assert math.isnan(again(float("nan")))
    assert again(float("-inf")) == float("-inf")


def test_a_partial_is_written_with_its_arguments() -> None:
    made = again(functools.partial(int, "11", base=2))
    assert made() == 3


def test_names_are_those_that_people_write() -> None:
    assert serialize(models.CharField(max_length=3)) == (
        "models.CharField(max_length=3)",
        {"from webframe.db import models"},
    )
    assert serialize(models.PROTECT)[0] == "models.PROTECT"
    assert serialize(functions.Lower("a")) == (
        'webframe.db.models.functions.Lower(models.F("a"))',
        {"from webframe.db import models", "import webframe.db.models.functions"},
    )


@pytest.mark.parametrize("text", ["it's", 'a "b"', "'\"", "'\"'", "\\", "\\'", '\\"', "a\nb", "\x00é世"])
def test_texts_have_the_quotes_that_need_fewer_backslashes(text: str) -> None:
    source, _ = serialize(text)
    assert eval(source) == text
    assert source[0] == ("'" if text.count('"') > text.count("'") else '"')


def test_a_lambda_and_what_lies_in_a_function_are_refused() -> None:
    def inner() -> None: ...

    class Inner: ...

    for value in (lambda: 1, inner, Inner):
        with pytest.raises(ValueError, match="Put it at the top level of a module"):
            serialize(value)


def test_a_method_of_an_object_is_refused() -> None:
    with pytest.raises(ValueError, match="a method of an object"):
        serialize(Topping("ham").method)


def test_what_nobody_knows_how_to_write_is_refused() -> None:
    with pytest.raises(ValueError, match=r"deconstruct\(\)"):
        serialize(object())


def test_an_expression_whose_arguments_are_not_kept_is_refused() -> None:
    class Odd(models.Func):
        function = "ODD"

        def __init__(self, first: Any, twice: int) -> None:
            super().__init__(first, Value(twice * 2))

    with pytest.raises(ValueError, match="the arguments it was made of are not known"):
        serialize(Odd("a", 1))


def test_a_serializer_can_be_registered_for_a_class() -> None:
    class Weight:
        def __init__(self, grams: int) -> None:
            self.grams = grams

    class WeightSerializer(BaseSerializer):
        def serialize(self) -> tuple[str, set[str]]:
            return f"decimal.Decimal({self.value.grams})", {"import decimal"}

    MigrationWriter.register_serializer(Weight, WeightSerializer)
    try:
        assert again(Weight(3)) == decimal.Decimal(3)
    finally:
        MigrationWriter.unregister_serializer(Weight)
    with pytest.raises(ValueError):
        serialize(Weight(3))
    with pytest.raises(ValueError, match="BaseSerializer"):
        MigrationWriter.register_serializer(Weight, Weight)  # type: ignore[arg-type]

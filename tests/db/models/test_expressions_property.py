"""Expressions and conditions against the same computed by Python, on every engine."""

from __future__ import annotations

import datetime
import operator
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webframe.core.exceptions import FieldError
from webframe.db import NotSupportedError, connection, models
from webframe.db.models import Case, ExpressionWrapper, F, Q, Value, When
from webframe.db.models.functions import Abs, Coalesce, Length, NullIf, Replace, Sign, StrIndex, Substr

some = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

NULL = None
# Rows that every example is asked of.
ROWS: list[dict[str, Any]] = [
    {"name": "", "number": 0, "small": NULL, "text": NULL, "flag": NULL},
    {"name": "Ham", "number": 3, "small": 7, "text": "am", "flag": True},
    {"name": "ham & eggs", "number": -5, "small": 2, "text": "EGGS", "flag": False},
    {"name": "100%_[x]*?/\\'\"", "number": NULL, "small": -1, "text": "%", "flag": True},
    {"name": "ÄÖÜ ß 𝄞", "number": 40, "small": 0, "text": "", "flag": False},
]


@pytest.fixture
def rows(things):
    things.objects.bulk_create([things(**row) for row in ROWS])
    return things.objects.order_by("pk")


@dataclass
class Pair:
    """An expression, and what it is in Python."""

    expression: Any
    compute: Any

    def __repr__(self) -> str:
        return repr(self.expression)


def null_in_null_out(function):
    return lambda *arguments: None if None in arguments else function(*arguments)


def truncated(left, right):
    return None if right == 0 else abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)


def remainder(left, right):
    return None if right == 0 else left - right * truncated(left, right)


# --- numbers

NUMBERS = st.one_of(
    st.sampled_from([Pair(F(name), lambda row, name=name: row[name]) for name in ("number", "small")]),
    st.integers(-9, 9).map(lambda number: Pair(Value(number), lambda row: number)),
)


def of_two(expression, function):
    function = null_in_null_out(function)
    return lambda pair: Pair(
        expression(pair[0].expression, pair[1].expression),
        lambda row: function(pair[0].compute(row), pair[1].compute(row)),
    )


def extend_numbers(numbers):
    pairs = st.tuples(numbers, numbers)
    return st.one_of(
        pairs.map(of_two(operator.add, operator.add)),
        pairs.map(of_two(operator.sub, operator.sub)),
        pairs.map(of_two(operator.mul, operator.mul)),
        # Nobody agrees with anybody about a division by nothing.
        st.tuples(numbers, st.integers(1, 9)).map(
            lambda pair: Pair(
                pair[0].expression / pair[1], lambda row: null_in_null_out(truncated)(pair[0].compute(row), pair[1])
            )
        ),
        st.tuples(numbers, st.integers(1, 9)).map(
            lambda pair: Pair(
                pair[0].expression % pair[1], lambda row: null_in_null_out(remainder)(pair[0].compute(row), pair[1])
            )
        ),
        numbers.map(lambda one: Pair(Abs(one.expression), lambda row: null_in_null_out(abs)(one.compute(row)))),
        numbers.map(
            lambda one: Pair(
                Sign(one.expression), lambda row: null_in_null_out(lambda n: (n > 0) - (n < 0))(one.compute(row))
            )
        ),
        pairs.map(
            lambda pair: Pair(
                Coalesce(pair[0].expression, pair[1].expression),
                lambda row: pair[1].compute(row) if pair[0].compute(row) is None else pair[0].compute(row),
            )
        ),
        pairs.map(
            lambda pair: Pair(
                NullIf(pair[0].expression, pair[1].expression),
                lambda row: None if pair[0].compute(row) == pair[1].compute(row) else pair[0].compute(row),
            )
        ),
        st.tuples(CONDITIONS, numbers, numbers).map(
            lambda three: Pair(
                Case(When(three[0].expression, then=three[1].expression), default=three[2].expression),
                lambda row: (three[1] if three[0].compute(row) is True else three[2]).compute(row),
            )
        ),
    )


# --- conditions, in the logic of three values


def both(one, other):
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def either(one, other):
    if one is True or other is True:
        return True
    return None if one is None or other is None else False


COMPARISONS = {
    "": operator.eq,
    "__gt": operator.gt,
    "__gte": operator.ge,
    "__lt": operator.lt,
    "__lte": operator.le,
}
NAMES = st.sampled_from(["number", "small"])


def compared(name, lookup, wanted):
    function = null_in_null_out(COMPARISONS[lookup])
    return Pair(Q(**{f"{name}{lookup}": wanted}), lambda row: function(row[name], wanted))


def is_in(row, name, wanted):
    return None if row[name] is None else row[name] in wanted


PARTS = st.sampled_from(["a", "ham", "Ham", "%", "_", "[", "*", "?", "/", "\\", "'", '"', "ß", "𝄞", "Ä", " ", "&", ""])


def same(text, part):
    if connection.vendor == "mysql":  # spaces at the end do not count there
        return text.rstrip(" ") == part.rstrip(" ")
    return text == part


TEXT_LOOKUPS = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "exact": same,
}


def searched(name, lookup, part):
    function = null_in_null_out(TEXT_LOOKUPS[lookup])
    return Pair(Q(**{f"{name}__{lookup}": part}), lambda row: function(row[name], part))


WANTED = st.one_of(st.integers(-9, 9), st.floats(-9, 9).map(lambda number: round(number * 2) / 2), st.integers())
CONDITIONS = st.one_of(
    st.builds(compared, NAMES, st.sampled_from(list(COMPARISONS)), WANTED),
    st.builds(
        lambda name, wanted: Pair(Q(**{f"{name}__in": wanted}), lambda row: is_in(row, name, wanted)),
        NAMES,
        st.lists(st.integers(-9, 9), min_size=1, max_size=5),
    ),
    st.builds(
        lambda name, wanted: Pair(Q(**{f"{name}__isnull": wanted}), lambda row: (row[name] is None) is wanted),
        NAMES,
        st.booleans(),
    ),
    st.builds(searched, st.sampled_from(["name", "text"]), st.sampled_from(list(TEXT_LOOKUPS)), PARTS),
)
EXPRESSIONS = st.recursive(NUMBERS, extend_numbers, max_leaves=8)


def combined(conditions):
    pairs = st.tuples(conditions, conditions)
    return st.one_of(
        pairs.map(
            lambda pair: Pair(
                pair[0].expression & pair[1].expression, lambda row: both(pair[0].compute(row), pair[1].compute(row))
            )
        ),
        pairs.map(
            lambda pair: Pair(
                pair[0].expression | pair[1].expression, lambda row: either(pair[0].compute(row), pair[1].compute(row))
            )
        ),
    )


@some
@given(pair=EXPRESSIONS)
def test_numbers_are_computed_as_python_does(rows, pair):
    found = list(
        rows.annotate(x=ExpressionWrapper(pair.expression, models.BigIntegerField())).values_list("x", flat=True)
    )
    assert found == [pair.compute(row) for row in ROWS]


@some
@given(condition=st.recursive(CONDITIONS, combined, max_leaves=8))
def test_conditions_hold_where_python_says_so(rows, condition):
    expected = [row["name"] for row in ROWS if condition.compute(row) is True]
    assert [thing.name for thing in rows.filter(condition.expression)] == expected


@some
@given(condition=CONDITIONS)
def test_what_is_excluded_is_all_the_rest(rows, condition):
    kept = [thing.name for thing in rows.filter(condition.expression)]
    others = [thing.name for thing in rows.exclude(condition.expression)]
    assert [row["name"] for row in ROWS if row["name"] not in kept] == others


@some
@given(pair=EXPRESSIONS, other=EXPRESSIONS)
def test_expressions_with_equal_keys_differ_in_literals_only(pair, other):
    one, two = pair.expression, other.expression
    assert (one == two) == (repr(one) == repr(two))
    if one == two:
        assert hash(one) == hash(two)


# --- text

ALPHABET = st.text(
    st.sampled_from("aAbBéß %_'\"\\[]*?/-;\n€𝄞"),
    max_size=6,
)


@some
@given(text=ALPHABET, part=ALPHABET, place=st.integers(1, 7), length=st.integers(0, 7))
def test_text_is_handled_as_python_does(things, text, part, place, length):
    thing = things.objects.create(name=text)
    found = (
        things.objects.filter(pk=thing.pk)
        .annotate(
            length=Length("name"),
            cut=Substr("name", place, length),
            found=StrIndex("name", Value(part)),
            replaced=Replace("name", Value("a"), Value(part)),
        )
        .values_list("name", "length", "cut", "found", "replaced")
        .get()
    )
    assert found == (
        text,
        len(text),
        text[place - 1 : place - 1 + length],
        text.find(part) + 1,
        text.replace("a", part),
    )


@some
@given(text=ALPHABET, part=ALPHABET)
def test_any_text_is_found_where_it_is(things, text, part):
    thing = things.objects.create(name=text)
    for lookup, function in TEXT_LOOKUPS.items():
        if lookup == "exact" and text != part and text.rstrip(" ") == part.rstrip(" "):
            continue  # Spaces at the end are nothing to MySQL's comparison.
        found = things.objects.filter(pk=thing.pk, **{f"name__{lookup}": part}).exists()
        assert found == function(text, part), lookup
    for lookup in ("contains", "startswith", "endswith", "exact"):
        found = things.objects.filter(pk=thing.pk, **{f"name__i{lookup}": part.swapcase()}).exists()
        if lookup == "exact" and text.rstrip(" ").casefold() == part.rstrip(" ").casefold():
            continue
        if part.swapcase().casefold() == part.casefold() and "ß" not in text + part:
            assert found == TEXT_LOOKUPS[lookup](text.casefold(), part.casefold()), lookup
    pattern = re.escape(part.replace("\n", ""))
    if not set("ß\n 𝄞€é-/\"';%_&") & set(pattern):
        assert things.objects.filter(pk=thing.pk, name__regex=pattern).exists() == bool(re.search(pattern, text))


# --- dates


@some
@given(
    moment=st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)),
    span=st.timedeltas(datetime.timedelta(-10000), datetime.timedelta(10000)),
)
def test_dates_are_computed_as_python_does(things, moment, span):
    moment = moment.replace(tzinfo=datetime.UTC)
    thing = things.objects.create(moment=moment, span=span, day=moment.date())
    found = (
        things.objects.filter(pk=thing.pk)
        .annotate(later=F("moment") + F("span"), sooner=F("moment") - span, apart=F("moment") - F("day"))
        .values_list("moment", "span", "later", "sooner", "apart", "moment__week", "moment__iso_year", "day__week_day")
        .get()
    )
    midnight = datetime.datetime.combine(moment.date(), datetime.time(), datetime.UTC)
    assert found == (
        moment,
        span,
        moment + span,
        moment - span,
        moment - midnight,
        moment.isocalendar()[1],
        moment.isocalendar()[0],
        moment.isoweekday() % 7 + 1,
    )


# --- names


@some
@given(name=st.text(max_size=20) | st.text(st.sampled_from("name_'\"; -()%"), max_size=20))
def test_any_name_is_a_field_or_an_error(things, name):
    known = {field.name for field in things._meta.get_fields()} | {"pk"}
    first = name.split("__")[0]
    for ask in (
        lambda: things.objects.filter(**{name: 1}),
        lambda: things.objects.order_by(F(name)),
        lambda: list(things.objects.annotate(x=F(name))[:1]),
        lambda: list(things.objects.filter(number=F(name))[:1]),
    ):
        if first not in known:
            with pytest.raises(FieldError):
                ask()


# --- keys of documents

KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12) | st.text(
    st.sampled_from("ab'\"\\$.[]*? -%;#:_"), min_size=1, max_size=8
)


@some
@given(key=KEYS.filter(lambda key: "__" not in f"_{key}_" and not key.isdigit()), other=KEYS)
def test_any_key_is_found_and_no_other(things, engine, key, other):
    if things._meta.get_field("data").get_lookup(key) is not None:
        return
    if engine.vendor == "mysql" and "-" in (key[0], other[0]):
        with pytest.raises(NotSupportedError, match="minus"):
            list(things.objects.filter(data__has_key=key if key[0] == "-" else other))
        return
    thing = things.objects.create(data={key: 1, "plain": {key: [2]}})
    only = things.objects.filter(pk=thing.pk)
    assert only.filter(**{f"data__{key}": 1}).exists()
    assert only.filter(**{f"data__plain__{key}": [2]}).exists()
    assert only.filter(data__has_key=key).exists()
    assert only.filter(data__has_key=other).exists() == (other in (key, "plain"))
    assert only.filter(data={key: 1, "plain": {key: [2]}}).exists()
    assert only.filter(data__contains={"plain": {key: [2]}}).exists()
    assert only.values_list(f"data__{key}", flat=True).get() == 1

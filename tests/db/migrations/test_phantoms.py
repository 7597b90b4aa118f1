"""Nothing is found where nothing has changed: for every field of ours, with whatever arguments."""

from __future__ import annotations

import datetime
import decimal
import functools
import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webframe.core import validators
from webframe.db import models
from webframe.db.migrations.comparing import alike, comparable, definition
from webframe.db.migrations.state import ProjectState
from webframe.db.models import F, Field, Q, Value, functions

from .states import Moment, detect, folded


class Size(models.TextChoices):
    SMALL = "s", "small"
    LARGE = "l", "large"


class Number(models.IntegerChoices):
    ONE = 1
    TWO = 2


class Encoder(json.JSONEncoder):
    pass


class Known(models.Manager):
    use_in_migrations = True

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label


def a_default() -> Any:
    return None


def choices_of_it() -> list[tuple[str, str]]:
    return [("a", "b")]


NUMBERS = ["IntegerField", "BigIntegerField", "SmallIntegerField", "PositiveIntegerField"]
NUMBERS += ["PositiveBigIntegerField", "PositiveSmallIntegerField"]
# The fields, with values that they may have.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.integers(0, 9) | st.just(Number.TWO) for name in NUMBERS},
    "BooleanField": st.booleans(),
    "FloatField": st.floats(allow_nan=True),
    "DecimalField": st.decimals(0, 9, places=2),
    "CharField": st.text(max_size=5) | st.just(Size.SMALL),
    "SlugField": st.sampled_from(["a-b", "c"]),
    "TextField": st.text(max_size=5),
    "EmailField": st.just("a@example.com"),
    "URLField": st.just("https://example.com"),
    "DateField": st.dates(),
    "TimeField": st.times(),
    "DateTimeField": st.datetimes(timezones=st.none() | st.timezones()),
    "DurationField": st.timedeltas(),
    "UUIDField": st.uuids(),
    "BinaryField": st.binary(max_size=5),
    "GenericIPAddressField": st.just("10.0.0.1"),
    "JSONField": st.sampled_from([None, 1, "a", (1, "b")]),
}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "CharField": {"max_length": st.integers(1, 99)},
    "DecimalField": {"max_digits": st.just(9), "decimal_places": st.just(2)},
    "JSONField": {"encoder": st.sampled_from([None, Encoder])},
    "GenericIPAddressField": {"protocol": st.sampled_from(["both", "IPv4"])},
    "SlugField": {"allow_unicode": st.booleans()},
}
VALIDATORS = [
    validators.MinLengthValidator(2),
    validators.RegexValidator("^a$", "No.", flags=re.IGNORECASE),
    validators.RegexValidator(re.compile("a'b", re.MULTILINE), inverse_match=True),
    validators.validate_email,
    functools.partial(validators.validate_slug),
]


def test_every_field_of_ours_is_here() -> None:
    fields = {name for name in models.__all__ if isinstance(getattr(models, name), type)}
    fields = {name for name in fields if issubclass(getattr(models, name), Field)}
    relations = {"ForeignKey", "OneToOneField", "ManyToManyField"}
    assert fields - relations - {"Field", "AutoField", "BigAutoField", "SmallAutoField"} == VALUES.keys()


@st.composite
def a_field(draw: Any) -> Any:
    kind = draw(st.sampled_from(sorted(VALUES)))
    options: dict[str, Any] = {name: draw(values) for name, values in OWN.get(kind, {}).items()}
    possible = {
        "verbose_name": st.text(max_size=9),
        "null": st.booleans(),
        "blank": st.just(True) if kind == "GenericIPAddressField" else st.booleans(),
        "unique": st.booleans(),
        "db_index": st.booleans(),
        "editable": st.booleans(),
        "serialize": st.booleans(),
        "default": VALUES[kind] | st.just(a_default),
        "choices": st.lists(st.tuples(VALUES[kind], st.text(max_size=5)), min_size=1, max_size=3)
        | st.just([("group", [("a", "b"), ("c", "d")])])
        | st.sampled_from([Size, Size.choices, choices_of_it, {"a": "b"}]),
        "help_text": st.text(max_size=9),
        "db_column": st.sampled_from(["x", 'y"z', "y'z"]),
        "validators": st.lists(st.sampled_from(VALIDATORS), max_size=2),
        "error_messages": st.just({"null": 'It\'s "needed".'}),
        "db_comment": st.text(max_size=5),
        "unique_for_date": st.just("day"),
    }
    if kind not in ("JSONField", "BinaryField", "UUIDField", "DurationField", "FloatField"):
        possible["db_default"] = VALUES[kind] | st.just(Value(None)) | st.just(functions.Now())
    for name in draw(st.sets(st.sampled_from(sorted(possible)))):
        options[name] = draw(possible[name])
    if kind == "GenericIPAddressField" and options.get("blank"):
        options["null"] = True
    if kind in ("DateField", "TimeField", "DateTimeField") and "default" not in options and draw(st.booleans()):
        options[draw(st.sampled_from(["auto_now", "auto_now_add"]))] = True
    return lambda: getattr(models, kind)(**options)


@st.composite
def a_relation(draw: Any) -> Any:
    kind = draw(st.sampled_from(["ForeignKey", "OneToOneField", "ManyToManyField"]))
    options: dict[str, Any] = {
        "to": draw(st.sampled_from(["self", "Thing", "shop.Thing", "other.Far"])),
        "related_name": draw(st.sampled_from(["+", "the_%(class)s"])),
    }
    if draw(st.booleans()):
        options["limit_choices_to"] = draw(st.sampled_from([{"id__gt": 3}, Q(id=1) | Q(id=2), choices_of_it]))
    if kind == "ManyToManyField":
        if draw(st.booleans()):
            options["db_table"] = "between"
        if draw(st.booleans()):
            options["symmetrical"] = draw(st.booleans())
    else:
        options["null"] = True
        rules = [models.CASCADE, models.SET_NULL, models.PROTECT, models.SET(3), models.SET(a_default)]
        options["on_delete"] = draw(st.sampled_from(rules))
        for name in ("db_index", "db_constraint"):
            if draw(st.booleans()):
                options[name] = draw(st.booleans())
    return lambda: getattr(models, kind)(**options)


def build(made: list[Any], relation: Any, primary_key: Any, number: int) -> ProjectState:
    moment = Moment()
    moment("other.Far")
    Base = moment("Base", label=models.CharField(max_length=9), Meta={"abstract": True, "ordering": ["label"]})
    fields = {f"f{place}": make() for place, make in enumerate(made)}
    moment(
        "Thing",
        Base,
        day=models.DateField(),
        key=getattr(models, primary_key)(primary_key=True),
        near=relation(),
        objects=Known("x"),
        Meta={
            "indexes": [
                models.Index(fields=["day", "-label"]),
                models.Index(functions.Lower("label"), F("day").desc(), name="lower"),
                models.Index(fields=["day"], name="some", condition=Q(label="a") & ~Q(day__isnull=True)),
            ],
            "constraints": [
                models.CheckConstraint(condition=Q(key__gt=F("key") - number), name="%(class)s_check"),
                models.UniqueConstraint(functions.Upper("label"), Value(number), name="upper"),
                models.UniqueConstraint(fields=["day", "label"], name="u", violation_error_code="no"),
            ],
            "verbose_name": "thing",
            "default_related_name": "things",
            "get_latest_by": ["day"],
        },
        **fields,
    )
    moment("Child", moment.models[-1], more=models.IntegerField(default=number))
    moment("Proxy", moment.models[-2], Meta={"proxy": True, "ordering": ["-day"]})
    return moment.state


@settings(max_examples=200, deadline=None)
@given(st.lists(a_field(), max_size=1), a_relation(), st.sampled_from(["BigAutoField", "AutoField", "SmallAutoField"]))
def test_models_that_were_written_and_read_have_not_changed(made: list[Any], relation: Any, key: str) -> None:
    once, again = build(made, relation, key, 3), build(made, relation, key, 3)
    assert detect(once, again) == {}
    read = folded(ProjectState(), detect(ProjectState(), once))
    assert detect(read, again) == {}
    for state in again.models.values():
        other = read.models[state.key]
        assert {name: definition(field, state.key) for name, field in other.fields.items()} == {
            name: definition(field, state.key) for name, field in state.fields.items()
        }
        assert comparable(dict(other.options)) == comparable(dict(state.options))
        assert other.bases == state.bases


@settings(max_examples=100, deadline=None)
@given(a_field() | a_relation(), a_field() | a_relation())
def test_fields_that_look_alike_are_the_same(one: Any, other: Any) -> None:
    assert alike(one(), one(), ("shop", "thing"))
    key = ("shop", "thing")
    assert alike(one(), other(), key) == (definition(one(), key) == definition(other(), key))


@pytest.mark.parametrize(
    "default",
    [
        uuid.uuid4,
        datetime.date(2020, 1, 1),
        decimal.Decimal("1.0"),
        float("nan"),
        Size.SMALL,
        functools.partial(round, 1.5),
        a_default,
    ],
    ids=lambda default: repr(default).split(" at 0x")[0],
)
def test_defaults_of_all_kinds_have_not_changed(default: Any) -> None:
    def state() -> ProjectState:
        moment = Moment()
        moment("Thing", a=models.JSONField(default=default, null=True))
        return moment.state

    read = folded(ProjectState(), detect(ProjectState(), state()))
    assert detect(read, state()) == {}


def test_a_key_as_django_writes_it_is_the_key_that_is_made_here() -> None:
    written = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")
    made = models.BigAutoField(auto_created=True, primary_key=True, verbose_name="ID")
    assert alike(written, made, ("shop", "pizza"))
    assert not alike(written, models.AutoField(auto_created=True, primary_key=True), ("shop", "pizza"))
    assert not alike(models.IntegerField(serialize=False), models.IntegerField(), ("shop", "pizza"))

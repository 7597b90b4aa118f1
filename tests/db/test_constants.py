"""Constants in what tables are made of: defaults, conditions of constraints and indexes, in every type of field."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any

import pytest

from webframe.db import connections, models
from webframe.db.errors import IntegrityError
from webframe.db.models import CheckConstraint, Index, Q, Value
from webframe.test import override_settings

from .schema_helpers import States, empty, execute, field

UTC = datetime.UTC
AWKWARD = "it's 100% \\ \"quoted\" %s %%s :x ? \\' ünï"

VALUES = [
    (models.JSONField, {}),
    (models.JSONField, []),
    (models.JSONField, {"a": 1, "b": [None, True, 1.5]}),
    (models.JSONField, {"a": AWKWARD}),
    (models.JSONField, AWKWARD),
    (models.JSONField, "text"),
    (models.JSONField, 5),
    (models.JSONField, True),
    (models.BinaryField, b""),
    (models.BinaryField, b"ab"),
    (models.BinaryField, b"\x00\xff\xfe"),
    (models.BinaryField, AWKWARD.encode()),
    (models.FloatField, 1.5e300),
    (models.FloatField, math.inf),
    (models.FloatField, -math.inf),
    (models.TextField, AWKWARD),
    (models.DateTimeField, datetime.datetime(2024, 7, 1, 12, tzinfo=UTC)),
]


@pytest.fixture
def connection(engine: Any) -> Iterator[Any]:
    """An empty database, in whose session it is not the time of UTC where the engine has time zones."""
    databases = {alias: {"URL": url} for alias, url in engine.databases.items()}
    if engine.vendor == "postgresql":
        databases["default"]["TIME_ZONE"] = "Asia/Tokyo"
    with override_settings(DATABASES=databases):
        empty(engine)
        yield connections["default"]
        empty(engine)


@pytest.fixture(params=VALUES, ids=lambda pair: f"{pair[0].__name__}-{VALUES.index(pair)}")
def pair(request: pytest.FixtureRequest, connection: Any) -> tuple[Any, Any]:
    """A kind of field, and a value of it."""
    kind, value = request.param
    if connection.vendor == "mysql" and value in (math.inf, -math.inf):
        pytest.skip("MariaDB has no infinite numbers.")
    return kind, value


def editor() -> Any:
    return connections["default"].schema_editor()


def pizza(Meta: dict[str, Any] | None = None, /, **extra: Any) -> Any:
    return States()("Pizza", Meta, name=models.CharField(max_length=20), **extra)


def same(value: Any, expected: Any) -> bool:
    return type(value) is type(expected) and bool(value == expected)


def test_rows_that_exist_get_the_default_of_a_new_field(connection: Any, pair: Any) -> None:
    kind, value = pair
    before = pizza()
    after = pizza(extra=kind(default=lambda: value))
    with editor() as schema:
        schema.create_model(before)
    before.objects.create(name="Margherita")
    with editor() as schema:
        schema.add_field(before, field(after, "extra"))
    assert same(after.objects.get(extra=value).extra, value)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_database_gives_the_default_it_was_told(connection: Any, pair: Any, wrapped: bool) -> None:
    kind, value = pair
    before = pizza()
    after = pizza(extra=kind(db_default=Value(value, kind()) if wrapped else value))
    with editor() as schema:
        schema.create_model(before)
    before.objects.create(name="old")
    with editor() as schema:
        schema.add_field(before, field(after, "extra"))
    before.objects.create(name="new")
    assert [same(row.extra, value) for row in after.objects.filter(extra=value)] == [True, True]
    with editor() as schema:
        schema.delete_model(before)
        schema.create_model(after)
    before.objects.create(name="new")
    assert [same(row.extra, value) for row in after.objects.filter(extra=value)] == [True]


def test_a_condition_means_the_value_that_it_names(connection: Any, pair: Any) -> None:
    kind, value = pair
    meta: dict[str, Any] = {"constraints": [CheckConstraint(condition=Q(extra=value), name="told")]}
    if connection.vendor != "mysql":
        meta["indexes"] = [Index(fields=["name"], condition=Q(extra=value), name="partial")]
    model = pizza(meta, extra=kind())
    other = {
        models.JSONField: {"other": 1},
        models.BinaryField: b"other",
        models.FloatField: 7.0,
        models.TextField: "other",
        models.DateTimeField: datetime.datetime(2024, 7, 1, 3, tzinfo=UTC),
    }[kind]
    with editor() as schema:
        schema.create_model(model)
    assert same(model.objects.create(extra=value).extra, value)
    with pytest.raises(IntegrityError):
        model.objects.create(extra=other)


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("seen", [False, True], ids=["", "dialect knows"])
def test_constants_mean_the_same_where_a_backslash_begins_an_escape(connection: Any, pair: Any, seen: bool) -> None:
    execute("SET standard_conforming_strings = off")
    if seen:
        with connection.sqlalchemy_connection() as link:
            connection.dialect.initialize(link)
    kind, value = pair
    before = pizza()
    check = CheckConstraint(condition=Q(extra=value), name="told")
    after = pizza({"constraints": [check]}, extra=kind(db_default=value), more=kind(default=lambda: value))
    with editor() as schema:
        schema.create_model(before)
    before.objects.create(name="old")
    with editor() as schema:
        schema.add_field(before, field(after, "extra"))
        schema.add_field(before, field(after, "more"))
        schema.add_constraint(after, check)
    after.objects.create(name="new", more=value)
    execute("SET standard_conforming_strings = on")
    after.objects.create(name="newer", more=value)
    assert all(same(row.extra, value) and same(row.more, value) for row in after.objects.all())


@pytest.mark.engines("postgresql")
def test_a_condition_with_a_pattern_means_the_same_where_a_backslash_begins_an_escape(connection: Any) -> None:
    execute("SET standard_conforming_strings = off")
    conditions = Q(name__contains="\\_") & Q(name__regex=r"^\S+$") & Q(name__endswith="%")
    model = pizza({"constraints": [CheckConstraint(condition=conditions, name="told")]})
    with editor() as schema:
        schema.create_model(model)
    model.objects.create(name="a\\_b%")
    for name in ("a\\xb%", "a_b%", "a \\_b%", "a\\_b"):
        with pytest.raises(IntegrityError):
            model.objects.create(name=name)


@pytest.mark.parametrize(
    "condition",
    [
        ~Q(extra="closed"),
        Q(extra__state="open"),
        Q(extra__state__in=["open", "new"]),
        Q(extra__has_key="state") & ~Q(extra__state="closed"),
        Q(extra__state__gt="f"),
    ],
    ids=str,
)
def test_a_condition_asks_for_parts_of_documents(connection: Any, condition: Q) -> None:
    model = pizza({"constraints": [CheckConstraint(condition=condition, name="told")]}, extra=models.JSONField())
    with editor() as schema:
        schema.create_model(model)
    model.objects.create(extra={"state": "open"})
    with pytest.raises(IntegrityError):
        model.objects.create(extra="closed" if condition.negated else {"state": "closed"})


@pytest.mark.engines("postgresql", "mysql")
def test_a_condition_asks_what_a_document_contains(connection: Any) -> None:
    condition = Q(extra__contains={"state": "open"})
    model = pizza({"constraints": [CheckConstraint(condition=condition, name="told")]}, extra=models.JSONField())
    with editor() as schema:
        schema.create_model(model)
    model.objects.create(extra={"state": "open", "more": 1})
    with pytest.raises(IntegrityError):
        model.objects.create(extra={"state": "closed"})


@pytest.mark.engines("sqlite", "postgresql")
def test_a_condition_compares_with_infinity(connection: Any) -> None:
    condition = Q(extra__lt=math.inf) & Q(extra__gt=-math.inf)
    model = pizza({"constraints": [CheckConstraint(condition=condition, name="told")]}, extra=models.FloatField())
    with editor() as schema:
        schema.create_model(model)
    model.objects.create(extra=1e308)
    for value in (math.inf, -math.inf):
        with pytest.raises(IntegrityError):
            model.objects.create(extra=value)


@pytest.mark.engines("sqlite")
def test_what_is_not_text_is_not_kept_as_text(connection: Any) -> None:
    with editor() as schema:
        schema.create_model(pizza(extra=models.BinaryField(db_default=b"ab")))
    pizza().objects.create(name="Margherita")
    assert execute("SELECT typeof(extra) FROM tests_pizza") == [("blob",)]

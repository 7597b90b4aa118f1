"""Constraints as data, and asked whether an instance keeps them, on every engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from webframe.core.exceptions import FieldError, ValidationError
from webframe.db import models
from webframe.db.models import CheckConstraint, Deferrable, F, Q, UniqueConstraint
from webframe.db.models.functions import Lower


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"fields": ["a"]}, "needs a `name`"),
        ({"name": "x"}, "needs `fields` or expressions"),
        ({"name": "x", "fields": "abc"}, "must be a list or tuple"),
        ({"name": "x", "fields": ["a"], "condition": {"a": 1}}, "must be a Q"),
        ({"name": "x", "fields": ["a"], "condition": Q(a=1), "deferrable": Deferrable.DEFERRED}, "cannot be deferred"),
        ({"name": "x" * 64, "fields": ["a"]}, "longer than 63 bytes"),
    ],
)
def test_unique_constraints_that_make_no_sense_are_refused(keywords: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UniqueConstraint(**keywords)


def test_a_check_needs_a_condition() -> None:
    with pytest.raises(TypeError, match="must be a Q"):
        CheckConstraint(condition={"price__gte": 0}, name="x")
    with pytest.raises(ValueError, match="needs a `name`"):
        CheckConstraint(condition=Q(price__gte=0), name="")


def test_taking_one_apart_gives_an_equal_one() -> None:
    for constraint in (
        CheckConstraint(condition=Q(a=1) | Q(b=F("c")), name="x", violation_error_code="no"),
        UniqueConstraint(fields=["a", "b"], name="x", nulls_distinct=False, violation_error_message="No: %(name)s"),
        UniqueConstraint(F("a"), "b", name="x", condition=Q(a=1)),
        UniqueConstraint(fields=["a"], name="x", deferrable=Deferrable.IMMEDIATE),
    ):
        path, args, kwargs = constraint.deconstruct()
        assert path == f"webframe.db.models.{type(constraint).__name__}"
        again = type(constraint)(*args, **kwargs)
        assert again == constraint == constraint.clone() and hash(again) == hash(constraint)
        assert repr(again) == repr(constraint)
    assert UniqueConstraint(fields=["a"], name="x") != CheckConstraint(condition=Q(a=1), name="x")


def test_children_of_an_abstract_model_have_theirs_under_their_own_names(define: Any) -> None:
    Base = define(
        "Base",
        name=models.CharField(max_length=9),
        Meta={
            "abstract": True,
            "constraints": [UniqueConstraint(fields=["name"], name="%(app_label)s_%(class)s_name")],
        },
    )
    for name in ("One", "Two"):
        child = define(name, Base)
        assert [constraint.name for constraint in child._meta.constraints] == [f"tests_{name.lower()}_name"]


@pytest.fixture
def pizza(define: Any) -> Any:
    """Makes a model with these constraints."""

    def make(*constraints: Any, **options: Any) -> Any:
        return define(
            "Pizza",
            name=models.CharField(max_length=50),
            price=models.DecimalField(max_digits=6, decimal_places=2, null=True),
            old_price=models.DecimalField(max_digits=6, decimal_places=2, null=True),
            day=models.DateField(null=True),
            cook=models.ForeignKey("self", models.SET_NULL, null=True),
            Meta={"constraints": list(constraints), **options},
        )

    return make


def broken(instance: Any, **keywords: Any) -> str | None:
    """What is said of the first constraint that the instance violates; None if it keeps them all."""
    for constraint in instance._meta.constraints:
        try:
            constraint.validate(type(instance), instance, **keywords)
        except ValidationError as error:
            return " ".join(error.messages)
    return None


class TestCheck:
    @pytest.mark.parametrize(
        ("condition", "good", "bad"),
        [
            (Q(price__gte=0), {"price": Decimal("0.01")}, {"price": Decimal("-0.01")}),
            (Q(price__lt=F("old_price")), {"price": 1, "old_price": 2}, {"price": 2, "old_price": Decimal("2.00")}),
            (Q(price__lt=F("old_price") * 2), {"price": 3, "old_price": 2}, {"price": 4, "old_price": 2}),
            (Q(name__in=["Margherita", "Funghi"]), {"name": "Funghi"}, {"name": "funghi"}),
            (Q(name="a") | Q(price=3), {"name": "b", "price": 3}, {"name": "A", "price": 4}),
            (Q(name="a") ^ Q(price=3), {"name": "b", "price": 3}, {"name": "a", "price": 3}),
            (~Q(name__startswith="X%"), {"name": "Xa"}, {"name": "X%a"}),
            (Q(name__contains="o"), {"name": "Foo"}, {"name": "FOO"}),
            (Q(price__isnull=False), {"price": 0}, {"price": None}),
            (Q(cook__isnull=True) | Q(cook=1), {"cook_id": 1}, {"cook_id": 2}),
            (Q(day__year=2024), {"day": "2024-05-01"}, {"day": "2023-12-31"}),
        ],
    )
    def test_holds_or_not(self, pizza: Any, engine: Any, condition: Q, good: Any, bad: Any) -> None:
        import datetime

        Pizza = pizza(CheckConstraint(condition=condition, name="ok"))
        for values, answer in ((good, None), (bad, "Constraint “ok” is violated.")):
            if "day" in values:
                values = {"day": datetime.date.fromisoformat(values["day"])}
            assert broken(Pizza(**{"name": "Margherita", **values})) == answer

    def test_what_is_null_keeps_it(self, pizza: Any, engine: Any) -> None:
        Pizza = pizza(CheckConstraint(condition=Q(price__gte=0), name="ok"))
        assert broken(Pizza(name="Margherita", price=None)) is None

    def test_is_passed_over_where_a_field_is_excluded(self, pizza: Any, engine: Any) -> None:
        Pizza = pizza(CheckConstraint(condition=Q(price__gte=F("old_price")), name="ok"))
        instance = Pizza(name="Margherita", price=-1, old_price=0)
        assert broken(instance) is not None
        assert broken(instance, exclude={"price"}) is None and broken(instance, exclude={"old_price"}) is None
        assert broken(instance, exclude={"name"}) is not None

    def test_says_what_it_was_told_to_say(self, pizza: Any, engine: Any) -> None:
        check = CheckConstraint(
            condition=Q(price__gte=0),
            name="ok",
            violation_error_message="%(name)s: too cheap",
            violation_error_code="c",
        )
        Pizza = pizza(check)
        with pytest.raises(ValidationError) as caught:
            check.validate(Pizza, Pizza(price=-1))
        assert caught.value.messages == ["ok: too cheap"] and caught.value.code == "c"

    def test_unknown_names_are_said_with_the_choices(self, pizza: Any, engine: Any) -> None:
        Pizza = pizza(CheckConstraint(condition=Q(prise__gte=0), name="ok"))
        with pytest.raises(FieldError, match="prise.*price"):
            broken(Pizza(price=1))
        Pizza._meta.constraints[:] = [CheckConstraint(condition=Q(cook__name="x"), name="ok")]
        with pytest.raises(FieldError, match="another table"):
            broken(Pizza(cook_id=1))


class TestUnique:
    def test_finds_the_other_row(self, pizza: Any, create_tables: Any) -> None:
        Pizza = pizza(UniqueConstraint(fields=["name", "price"], name="u"))
        create_tables()
        first = Pizza.objects.create(name="Margherita", price=7)
        assert broken(first) is None
        assert broken(Pizza(name="Margherita", price=8)) is None
        assert broken(Pizza(name="margherita", price=7)) is None
        assert (
            broken(Pizza(name="Margherita", price=Decimal("7.00"))) == "Pizza with this Name and Price already exists."
        )
        assert broken(Pizza(name="Margherita", price=7), exclude={"price"}) is None

    def test_null_equals_nothing(self, pizza: Any, create_tables: Any) -> None:
        Pizza = pizza(UniqueConstraint(fields=["name", "price"], name="u"))
        create_tables()
        Pizza.objects.create(name="Margherita", price=None)
        assert broken(Pizza(name="Margherita", price=None)) is None

    @pytest.mark.engines("sqlite", "postgresql")
    def test_with_a_condition(self, pizza: Any, create_tables: Any) -> None:
        Pizza = pizza(UniqueConstraint(fields=["name"], condition=Q(price__gt=10), name="dear"))
        create_tables()
        Pizza.objects.create(name="Margherita", price=20)
        Pizza.objects.create(name="Funghi", price=5)
        assert broken(Pizza(name="Margherita", price=5)) is None
        assert broken(Pizza(name="Funghi", price=20)) is None
        assert broken(Pizza(name="Margherita", price=11)) == "Constraint “dear” is violated."

    @pytest.mark.engines("sqlite", "postgresql")
    def test_over_expressions(self, pizza: Any, create_tables: Any) -> None:
        Pizza = pizza(UniqueConstraint(Lower("name"), "price", name="lower"))
        create_tables()
        Pizza.objects.create(name="Margherita", price=7)
        assert broken(Pizza(name="MARGHERITA", price=7)) == "Constraint “lower” is violated."
        assert broken(Pizza(name="MARGHERITA", price=8)) is None
        assert broken(Pizza(name="MARGHERITA", price=None)) is None

    @pytest.mark.engines("postgresql")
    def test_null_equals_null_where_it_was_told_to(self, pizza: Any, create_tables: Any) -> None:
        Pizza = pizza(UniqueConstraint(fields=["name", "price"], name="u", nulls_distinct=False))
        create_tables()
        Pizza.objects.create(name="Margherita", price=None)
        assert broken(Pizza(name="Margherita", price=None)) is not None

    def test_full_clean_asks_them(self, pizza: Any, create_tables: Any) -> None:
        Pizza = pizza(
            UniqueConstraint(fields=["name"], name="u"),
            CheckConstraint(condition=Q(price__gte=0), name="ok"),
        )
        create_tables()
        Pizza.objects.create(name="Margherita", price=7)
        with pytest.raises(ValidationError) as caught:
            Pizza(name="Margherita", price=-1, old_price=1).full_clean(exclude=["cook", "day"])
        assert "Constraint “ok” is violated." in str(caught.value)

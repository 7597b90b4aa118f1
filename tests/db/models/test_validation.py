"""Validating: `full_clean` and its steps, errors by field, uniqueness, constraints."""

from __future__ import annotations

import datetime

import pytest

from webframe.core.exceptions import NON_FIELD_ERRORS, ValidationError
from webframe.db import models
from webframe.db.models import Q


def errors_of(call, *args, **keywords):
    with pytest.raises(ValidationError) as caught:
        call(*args, **keywords)
    return caught.value.message_dict


def test_all_errors_come_together_by_field(define, create_tables):
    def clean(self):
        raise ValidationError("Something else.")

    Pizza = define("Pizza", name=models.CharField(max_length=3), price=models.PositiveIntegerField(), clean=clean)
    create_tables(Pizza)
    assert errors_of(Pizza(name="abcd", price=-1).full_clean) == {
        "name": ["Ensure this value has at most 3 characters (it has 4)."],
        "price": ["Ensure this value is greater than or equal to 0."],
        NON_FIELD_ERRORS: ["Something else."],
    }


def test_clean_may_blame_fields(define, create_tables):
    def clean(self):
        raise ValidationError({"name": "Choose another."})

    Pizza = define("Pizza", name=models.CharField(max_length=3), clean=clean)
    create_tables(Pizza)
    assert errors_of(Pizza(name="a").full_clean) == {"name": ["Choose another."]}


def test_values_become_their_type(define, create_tables):
    Pizza = define("Pizza", price=models.IntegerField(), day=models.DateField(null=True, blank=True))
    create_tables(Pizza)
    pizza = Pizza(price="12", day="2024-07-01")
    pizza.full_clean()
    assert (pizza.price, pizza.day) == (12, datetime.date(2024, 7, 1))


def test_fields_may_be_left_out_and_may_be_blank(define, create_tables):
    Pizza = define(
        "Pizza", name=models.CharField(max_length=3), note=models.CharField(max_length=3, blank=True, validators=[1])
    )
    create_tables(Pizza)
    Pizza(name="abcd").full_clean(exclude=["name"])
    Pizza(name="abc").clean_fields()
    assert errors_of(Pizza().clean_fields) == {"name": ["This field cannot be blank."]}


def test_values_that_must_be_unique(define, create_tables):
    Pizza = define(
        "Pizza", name=models.CharField(max_length=3, unique=True), code=models.IntegerField(null=True, blank=True)
    )
    create_tables(Pizza)
    pizza = Pizza(name="a")
    pizza.save()
    pizza.full_clean()
    assert errors_of(Pizza(name="a").full_clean) == {"name": ["Pizza with this Name already exists."]}
    assert errors_of(Pizza(pk=pizza.pk, name="b").full_clean) == {"id": ["Pizza with this ID already exists."]}
    Pizza(name="a").full_clean(validate_unique=False)
    Pizza(name="a").full_clean(exclude=["name"])


def test_values_that_must_be_unique_together(define, create_tables):
    Pizza = define(
        "Pizza",
        a=models.IntegerField(null=True, blank=True),
        b=models.IntegerField(),
        Meta={"unique_together": ("a", "b")},
    )
    create_tables(Pizza)
    Pizza(a=1, b=2).save()
    Pizza(a=None, b=2).save()
    Pizza(a=None, b=2).full_clean()
    Pizza(a=2, b=2).full_clean()
    assert errors_of(Pizza(a=1, b=2).full_clean) == {NON_FIELD_ERRORS: ["Pizza with this A and B already exists."]}


@pytest.mark.parametrize(
    ("kind", "other", "free"),
    [
        ("date", datetime.date(2024, 7, 1), datetime.date(2024, 7, 2)),
        ("month", datetime.date(2023, 7, 9), datetime.date(2024, 8, 1)),
        ("year", datetime.date(2024, 1, 1), datetime.date(2025, 7, 1)),
    ],
)
def test_values_that_must_be_unique_for_a_date(define, create_tables, kind, other, free):
    Pizza = define(
        "Pizza", day=models.DateField(), name=models.CharField(max_length=3, **{f"unique_for_{kind}": "day"})
    )
    create_tables(Pizza)
    Pizza(name="a", day=datetime.date(2024, 7, 1)).save()
    Pizza(name="a", day=free).full_clean()
    Pizza(name="b", day=other).full_clean()
    assert errors_of(Pizza(name="a", day=other).full_clean) == {"name": [f"Name must be unique for Day {kind}."]}


def test_constraints_are_asked(define, create_tables):
    Pizza = define(
        "Pizza",
        name=models.CharField(max_length=3),
        price=models.IntegerField(),
        Meta={
            "constraints": [
                models.CheckConstraint(condition=Q(price__gt=0), name="dear"),
                models.UniqueConstraint(fields=["name"], name="one"),
            ]
        },
    )
    create_tables(Pizza)
    Pizza(name="a", price=1).save()
    assert errors_of(Pizza(name="b", price=0).full_clean) == {NON_FIELD_ERRORS: ["Constraint “dear” is violated."]}
    assert errors_of(Pizza(name="a", price=1).full_clean) == {"name": ["Pizza with this Name already exists."]}
    Pizza(name="b", price=0).full_clean(validate_constraints=False)


def test_the_constraints_of_parents_hold_too(define, create_tables):
    Place = define("Place", name=models.CharField(max_length=3, unique=True))
    Bar = define("Bar", Place, stars=models.IntegerField(default=0))
    create_tables(Place, Bar)
    bar = Bar(name="a")
    bar.save()
    bar.full_clean()
    assert errors_of(Bar(name="a").full_clean) == {"name": ["Place with this Name already exists."]}


def test_next_and_previous_by_date(define, create_tables):
    Day = define("Day", day=models.DateField(), name=models.CharField(max_length=3))
    create_tables(Day)
    days = [Day(day=datetime.date(2024, 7, day), name=name) for day, name in [(1, "a"), (2, "b"), (2, "c"), (3, "d")]]
    for day in days:
        day.save()
    assert [day.get_next_by_day().name for day in days[:3]] == ["b", "c", "d"]
    assert [day.get_previous_by_day().name for day in days[1:]] == ["a", "b", "c"]
    assert days[0].get_next_by_day(name="d") == days[3]
    with pytest.raises(Day.DoesNotExist):
        days[3].get_next_by_day()
    with pytest.raises(ValueError, match="unsaved"):
        Day(day=datetime.date(2024, 7, 1)).get_next_by_day()

"""Look-ups in long lists: one parameter stands for all that follow it, whatever is before, behind and around."""

from __future__ import annotations

import datetime
import decimal
import uuid

import pytest

from webframe.db import IntegrityError, models
from webframe.db.models import Case, Count, Exists, F, OuterRef, Q, Value, When

from .things import names

LENGTHS = (15, 16, 17, 33, 700)
DAY = datetime.date(2024, 2, 29)
UTC = datetime.UTC


def value_of(field, number):
    """A value that a field may have, another one for each number."""
    return {
        "name": lambda: f"n{number}",
        "number": lambda: number,
        "small": lambda: number,
        "big": lambda: number * 10**12,
        "ratio": lambda: number / 4,
        "price": lambda: decimal.Decimal(number) / 4,
        "day": lambda: DAY + datetime.timedelta(days=number),
        "moment": lambda: datetime.datetime(2024, 2, 29, tzinfo=UTC) + datetime.timedelta(hours=number),
        "clock": lambda: datetime.time(number // 60 % 24, number % 60),
        "span": lambda: datetime.timedelta(seconds=number),
        "data": lambda: {"n": number},
        "code": lambda: uuid.UUID(int=number),
    }[field]()


FIELDS = ("name", "number", "small", "big", "ratio", "price", "day", "moment", "clock", "span", "data", "code")


@pytest.fixture
def rows(things):
    """Twenty rows, whose names have their numbers."""
    things.objects.bulk_create(
        [things(**{field: value_of(field, number) for field in FIELDS}) for number in range(1, 21)]
    )
    return things.objects


def numbered(*numbers):
    return sorted(f"n{number}" for number in numbers)


@pytest.mark.parametrize("field", FIELDS)
def test_every_kind_of_value(rows, field):
    for length in LENGTHS:
        among = [value_of(field, number) for number in range(11, 11 + length)]
        expected = numbered(*range(11, min(21, 11 + length)))
        assert names(rows.filter(**{f"{field}__in": among})) == expected
        assert names(rows.exclude(**{f"{field}__in": among})) == numbered(
            *set(range(1, 21)) - set(range(11, 11 + length))
        )
        # The same plan, for values in another order.
        assert names(rows.filter(**{f"{field}__in": among[::-1]})) == expected


def test_what_is_before_and_behind_keeps_its_place(rows):
    many = list(range(1, 200))
    found = rows.filter(number__gte=3, small__in=many, name__in=[f"n{number}" for number in many], big__lte=6 * 10**12)
    assert names(found) == numbered(3, 4, 5, 6)
    found = rows.filter(Q(number=1) | Q(number__in=range(15, 40)) | Q(ratio=2 / 4), price__lt=decimal.Decimal("4.5"))
    assert names(found) == numbered(1, 2, 15, 16, 17)
    assert names(rows.filter(number__in=range(5, 50), small__in=range(5, 50)).filter(pk__gt=0)[2:4]) != []
    assert rows.filter(number__in=range(18, 50)).update(name="late", ratio=F("ratio") + 1) == 3
    assert rows.filter(name="late", ratio__in=[number / 4 + 1 for number in range(18, 50)]).count() == 3
    assert rows.filter(number__in=range(18, 50)).delete()[0] == 3


def test_values_of_several_types_in_one_list(rows):
    among = [1, "2", 3.0, decimal.Decimal(4), True, *range(100, 150)]
    assert names(rows.filter(number__in=among)) == numbered(1, 2, 3, 4)
    assert names(rows.filter(number__in=[str(number) for number in range(18, 60)])) == numbered(18, 19, 20)
    assert names(rows.filter(number__in=[None, *range(18, 60), 10**30, 18.5])) == numbered(18, 19, 20)
    assert names(rows.filter(day__in=[str(value_of("day", number)) for number in range(18, 60)])) == numbered(
        18, 19, 20
    )


def test_a_list_with_expressions(rows):
    assert names(rows.filter(number__in=[F("small"), *range(100, 150)])) == numbered(*range(1, 21))
    assert names(rows.filter(number__in=[F("small") + 1, Value(3), *range(100, 150)])) == numbered(3)


def test_a_condition_that_is_written_twice(rows):
    high = Case(When(number__in=range(11, 80), then=Value("high")), default=Value("low"))
    counted = rows.annotate(kind=high).values("kind").annotate(n=Count("pk")).order_by("kind")
    assert list(counted.values_list("kind", "n")) == [("high", 10), ("low", 10)]
    assert names(rows.annotate(kind=high).filter(kind="low", small__in=range(9, 60)).order_by("kind")) == numbered(
        9, 10
    )


def test_within_subqueries(rows):
    inner = rows.filter(number=OuterRef("number"), small__in=range(19, 99), pk__gt=0)
    assert names(rows.filter(Exists(inner), ratio__gt=0)) == numbered(19, 20)
    assert names(rows.filter(number__in=rows.filter(small__in=range(19, 99)).values("number"))) == numbered(19, 20)
    both = rows.filter(number__in=range(19, 99)).union(rows.filter(number__in=range(-50, 2)))
    assert names(both) == numbered(1, 19, 20)


def test_keys_in_json(rows):
    assert names(rows.filter(data__n__in=range(18, 60))) == numbered(18, 19, 20)
    assert names(rows.filter(data__n__in=range(18, 2000))) == numbered(18, 19, 20)
    assert names(rows.exclude(data__n__in=range(3, 2000))) == numbered(1, 2)
    assert rows.filter(data__has_any_keys=[*(f"k{number}" for number in range(2000)), "n"]).count() == 20


def test_relations_and_in_bulk(library):
    from .library import Author, Book

    every = [author.pk for author in Author.objects.all()]
    assert {book.title for book in Book.objects.filter(author__in=every + list(range(10**6, 10**6 + 40)))} == {
        book.title for book in Book.objects.all()
    }
    assert Author.objects.in_bulk([*every, *range(10**6, 10**6 + 5000)]).keys() == set(every)


def test_one_parameter_is_made_for_a_list_of_any_length(rows, monkeypatch):
    from webframe.db.models.compiler.scope import Statement

    taken = []
    take = Statement.take
    monkeypatch.setattr(Statement, "take", lambda self, *args: taken.append(args) or take(self, *args))
    assert names(rows.filter(number__in=range(3000, 6000))) == []
    assert len(taken) == 1


def test_a_constraint_has_its_list_in_its_text(engine, tables):
    from ..registries import models_of_a_test

    registry = models_of_a_test("lists")

    class Graded(models.Model):
        grade = models.IntegerField()

        class Meta:
            app_label = "lists"
            apps = registry
            constraints = [models.CheckConstraint(condition=Q(grade__in=range(40)), name="grade_known")]

    tables(registry)
    Graded.objects.create(grade=39)
    with pytest.raises(IntegrityError):
        Graded.objects.create(grade=40)
    assert [graded.grade for graded in Graded.objects.all()] == [39]

"""Aggregates over all rows, over groups, and over some of them."""

from __future__ import annotations

import datetime
import statistics
from decimal import Decimal

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.db.models import Avg, Case, Count, ExpressionWrapper, F, Max, Min, Q, StdDev, Sum, Value, Variance, When

NUMBERS = [2, 4, 4, 5, 9]


@pytest.fixture
def rows(things):
    """Five rows with numbers, and one with NULL everywhere."""
    for number in NUMBERS:
        things.objects.create(
            name="even" if number % 2 == 0 else "odd",
            number=number,
            ratio=number / 2,
            price=Decimal(number) / 4,
            day=datetime.date(2024, 1, number),
            span=datetime.timedelta(seconds=number),
        )
    things.objects.create(name="none")
    return things.objects


def same(found, expected):
    assert type(found) is type(expected)
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (Count("*"), 6),
        (Count("number"), 5),
        (Count("number", distinct=True), 4),
        (Count("*", filter=Q(number__gt=4)), 2),
        (Count("number", filter=Q(name="even"), distinct=True), 2),
        (Sum("number"), 24),
        (Sum("number", distinct=True), 20),
        (Sum("number", filter=Q(name="odd")), 14),
        (Sum("ratio"), 12.0),
        (Sum("price"), Decimal("6.00")),
        (Sum("span"), datetime.timedelta(seconds=24)),
        (Sum(F("number") * 2 + 1), 53),
        (Sum("number", filter=Q(name="nobody")), None),
        (Sum("number", filter=Q(name="nobody"), default=7), 7),
        (Sum("number", default=7), 24),
        (Avg("number"), 4.8),
        (Avg("number", distinct=True), 5.0),
        (Avg("ratio"), 2.4),
        (Avg("span"), datetime.timedelta(seconds=4.8)),
        (Avg("number", filter=Q(number__lt=0)), None),
        (Min("number"), 2),
        (Max("number"), 9),
        (Max("day"), datetime.date(2024, 1, 9)),
        (Min("name"), "even"),
        (Max("number", filter=Q(name="even") & ~Q(number=4)), 2),
        (StdDev("number"), statistics.pstdev(NUMBERS)),
        (StdDev("number", sample=True), statistics.stdev(NUMBERS)),
        (Variance("number"), float(statistics.pvariance(NUMBERS))),
        (Variance("number", sample=True), float(statistics.variance(NUMBERS))),
        (Variance("ratio", filter=Q(name="even")), statistics.pvariance([1, 2, 2])),
        (StdDev("number", filter=Q(name="nobody")), None),
    ],
    ids=repr,
)
def test_over_all_rows(rows, aggregate, expected):
    same(rows.aggregate(x=aggregate)["x"], expected)


def test_the_mean_of_decimals_is_one(rows):
    found = rows.aggregate(x=Avg("price"))["x"]
    assert isinstance(found, Decimal)
    assert found == Decimal("1.2")


def test_no_rows_at_all(things):
    found = things.objects.aggregate(
        n=Count("*"), s=Sum("number"), d=Sum("number", default=0), a=Avg("ratio"), m=Max("day"), v=Variance("number")
    )
    assert found == {"n": 0, "s": None, "d": 0, "a": None, "m": None, "v": None}


def test_names_are_made_where_none_are_given(rows):
    assert rows.aggregate(Sum("number"), Avg("ratio"), Count("pk")) == {
        "number__sum": 24,
        "ratio__avg": pytest.approx(2.4),
        "pk__count": 6,
    }


def test_what_is_computed_needs_a_name(rows):
    with pytest.raises(TypeError, match="alias"):
        rows.aggregate(Sum(F("number") + 1))


def test_over_groups(rows):
    found = rows.values("name").annotate(n=Count("*"), s=Sum("number")).order_by("name")
    assert list(found) == [
        {"name": "even", "n": 3, "s": 10},
        {"name": "none", "n": 1, "s": None},
        {"name": "odd", "n": 2, "s": 14},
    ]


def test_groups_are_filtered_by_what_they_add_up_to(rows):
    groups = rows.values("name").annotate(s=Sum("number"))
    assert [row["name"] for row in groups.filter(s__gte=12)] == ["odd"]
    assert {row["name"] for row in groups.filter(Q(s__gte=12) | Q(name="none"))} == {"odd", "none"}


def test_groups_of_a_computed_value(rows):
    found = (
        rows.filter(number__isnull=False).annotate(rest=F("number") % Value(2)).values("rest").annotate(n=Count("*"))
    )
    assert {row["rest"]: row["n"] for row in found} == {0: 3, 1: 2}


def test_arithmetic_with_aggregates(rows):
    assert rows.aggregate(x=Sum("number") * 2 + Count("number"))["x"] == 53


def test_an_aggregate_of_an_aggregate_is_refused(rows):
    with pytest.raises(FieldError, match="is an aggregate"):
        rows.aggregate(x=Sum(Count("number")))


def test_what_some_aggregates_do_not_take():
    with pytest.raises(TypeError, match="distinct"):
        Max("number", distinct=True)
    with pytest.raises(TypeError, match="default"):
        Count("number", default=1)
    with pytest.raises(ValueError, match="distinct"):
        Count("*", distinct=True)
    with pytest.raises(TypeError, match="filter"):
        Sum("number", filter=F("flag"))


def test_a_name_that_is_wrong_in_a_filter_is_said(rows):
    with pytest.raises(FieldError, match="nmber"):
        rows.aggregate(x=Sum("number", filter=Q(nmber=1)))


def test_the_type_can_be_said(rows):
    same(rows.aggregate(x=Sum("number", output_field=models.FloatField()))["x"], 24.0)


def test_large_sums(things):
    for _ in range(3):
        things.objects.create(number=2**31 - 1)
    assert things.objects.aggregate(x=Sum("number"))["x"] == 3 * (2**31 - 1)


def test_rows_are_kept_by_a_field_beside_an_aggregate(library):
    from .library import Book

    counted = Book.objects.annotate(n=Count("tags"), less=F("rating") - 1).order_by("title")
    for wanted in (Q(rating__gt=F("n")), Q(rating__gte=F("n") + 1), Q(less__gte=F("n")), Q(rating__in=[F("n") * 3, 5])):
        assert [book.title for book in counted.filter(wanted)] == ["Four", "Two"]
        assert [book.title for book in counted.filter(wanted | Q(title="One"))] == ["Four", "One", "Two"]
        assert [book.title for book in counted.filter(~wanted, rating__isnull=False)] == ["One"]


def test_order_by_what_is_computed_from_an_aggregate(library):
    from .library import Author

    counted = Author.objects.annotate(n=Count("books", filter=Q(books__rating__gt=0)))
    few_last = Case(When(n__gt=1, then=Value(1)), default=Value(2))
    for order in (-F("n"), (F("n") + 1).desc(), few_last):
        assert [author.name for author in counted.order_by(order, "name")][0] == "Ann"
        assert [name for name, _ in counted.order_by(order, "name").values_list("name", "n")][0] == "Ann"
    grouped = Author.objects.values("country__name").annotate(total=Count("books"))
    assert [row["total"] for row in grouped.order_by(F("total") * -1)] == [2, 2, 0]


def test_what_an_aggregate_in_a_condition_is_of_does_not_divide_groups(library):
    from .library import Book

    by_author = Book.objects.values("author__name").annotate(n=Count("id")).order_by("author__name")
    assert [(row["author__name"], row["n"]) for row in by_author.filter(n=Count("title"))] == [("Ann", 2), ("Bob", 2)]
    assert [row["author__name"] for row in by_author.filter(n__gt=Count("rating"))] == ["Bob"]


def test_rows_are_grouped_by_fields_beside_an_aggregate(library):
    from .library import Book

    rows = Book.objects.values("author__name").annotate(n=Count("id") + F("rating")).order_by("author__name")
    assert sorted((row["author__name"], row["n"] or 0) for row in rows) == [
        ("Ann", 2),
        ("Ann", 6),
        ("Bob", 0),
        ("Bob", 4),
    ]
    beside = Book.objects.annotate(n=Count("tags") * 10 + F("author__country__id") * 0).order_by("title")
    assert [(book.title, book.n) for book in beside] == [("Four", 10), ("One", 20), ("Three", 0), ("Two", 10)]


def test_a_condition_as_a_value_may_be_about_an_aggregate(library):
    from .library import Author

    counted = Author.objects.annotate(n=Count("books")).order_by("name")
    marked = counted.annotate(many=Q(n__gt=1), odd=ExpressionWrapper(Q(n=1) | Q(name="Cid"), models.BooleanField()))
    assert [(row.n, row.many, row.odd) for row in marked] == [(2, True, False), (2, True, False), (0, False, True)]
    assert [row.name for row in marked.filter(many=False)] == ["Cid"]
    assert marked.aggregate(x=Count("pk", filter=Q(many=True))) == {"x": 2}

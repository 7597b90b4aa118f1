"""Expressions and aggregates across relations, forward and reverse."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from webframe.db.models.functions import Coalesce, Concat, RowNumber, Upper

from ..registries import models_of_a_test

registry = models_of_a_test("shelf")


class Publisher(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "shelf"
        apps = registry


class Tag(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "shelf"
        apps = registry


class Author(models.Model):
    name = models.CharField(max_length=50)
    born = models.DateField(null=True)

    class Meta:
        app_label = "shelf"
        apps = registry


class Book(models.Model):
    title = models.CharField(max_length=50)
    pages = models.IntegerField()
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    publisher = models.ForeignKey(Publisher, models.CASCADE, null=True, related_name="books")
    tags = models.ManyToManyField(Tag, related_name="books")

    class Meta:
        app_label = "shelf"
        apps = registry


@pytest.fixture(autouse=True)
def shelf(tables):
    tables(registry)
    ann, bob = (Author.objects.create(name=name) for name in ("Ann", "Bob"))
    Author.objects.create(name="Idle")
    house = Publisher.objects.create(name="House")
    red, blue = (Tag.objects.create(name=name) for name in ("red", "blue"))
    for title, pages, author, publisher, tags in (
        ("A1", 100, ann, house, [red, blue]),
        ("A2", 200, ann, None, [red]),
        ("B1", 300, bob, house, []),
    ):
        Book.objects.create(title=title, pages=pages, author=author, publisher=publisher).tags.add(*tags)


def values(queryset, *names):
    return list(queryset.values_list(*names))


def test_columns_of_related_rows():
    found = Book.objects.annotate(x=Concat(Upper("author__name"), Value(":"), "title")).order_by("pk")
    assert values(found, "x") == [("ANN:A1",), ("ANN:A2",), ("BOB:B1",)]
    assert values(Book.objects.annotate(x=Coalesce("publisher__name", Value("?"))).order_by("pk"), "x") == [
        ("House",),
        ("?",),
        ("House",),
    ]
    assert [book.title for book in Book.objects.filter(title__startswith=F("author__name"))] == []


def test_counting_related_rows():
    found = Author.objects.annotate(n=Count("books")).order_by("pk")
    assert values(found, "name", "n") == [("Ann", 2), ("Bob", 1), ("Idle", 0)]
    assert values(found.filter(n__gt=1), "name") == [("Ann",)]
    assert values(Tag.objects.annotate(n=Count("books")).order_by("pk"), "name", "n") == [("red", 2), ("blue", 1)]
    assert values(Publisher.objects.annotate(n=Count("books__author", distinct=True)), "n") == [(2,)]


def test_adding_up_related_rows():
    found = Author.objects.annotate(
        total=Sum("books__pages"),
        most=Max("books__pages"),
        mean=Avg("books__pages"),
        none=Sum("books__pages", default=0),
    ).order_by("pk")
    assert values(found, "total", "most", "mean", "none") == [
        (300, 200, 150.0, 300),
        (300, 300, 300.0, 300),
        (None, None, None, 0),
    ]


def test_some_of_the_related_rows():
    found = Author.objects.annotate(
        red=Count("books", filter=Q(books__tags__name="red"), distinct=True),
        long=Count("books", filter=Q(books__pages__gte=200), distinct=True),
        weight=Sum(Case(When(books__publisher__isnull=True, then=Value(1)), default=F("books__pages"))),
    ).order_by("pk")
    assert values(found, "red", "long") == [(2, 1), (0, 1), (0, 0)]


def test_conditions_in_cases_do_not_drop_rows():
    found = Book.objects.annotate(x=Case(When(publisher__name="House", then=Value("in")), default=Value("out")))
    assert values(found.order_by("pk"), "x") == [("in",), ("out",), ("in",)]


def test_over_everything():
    assert Book.objects.aggregate(a=Count("author", distinct=True), p=Count("publisher"), t=Count("tags")) == {
        "a": 2,
        "p": 3,  # A book with two tags is there twice.
        "t": 3,
    }


def test_groups_by_related_rows():
    found = Book.objects.values("author__name").annotate(n=Count("*"), pages=Sum("pages")).order_by("author__name")
    assert list(found) == [
        {"author__name": "Ann", "n": 2, "pages": 300},
        {"author__name": "Bob", "n": 1, "pages": 300},
    ]
    found = Book.objects.values(x=Upper("author__name")).annotate(n=Count("*")).order_by("x")
    assert [(row["x"], row["n"]) for row in found] == [("ANN", 2), ("BOB", 1)]


def test_subqueries_across_relations():
    books = Book.objects.filter(author=OuterRef("pk"))
    assert values(Author.objects.filter(Exists(books)).order_by("pk"), "name") == [("Ann",), ("Bob",)]
    assert values(Author.objects.filter(~Exists(books.filter(tags__name="red"))).order_by("pk"), "name") == [
        ("Bob",),
        ("Idle",),
    ]
    longest = Subquery(books.order_by("-pages").values("title")[:1])
    assert values(Author.objects.annotate(x=longest).order_by("pk"), "x") == [("A2",), ("B1",), (None,)]
    publishers = Book.objects.filter(author__pk=OuterRef("author_id"), publisher__isnull=True)
    assert Book.objects.filter(Exists(publishers)).count() == 2
    nested = Author.objects.filter(
        Exists(Book.objects.filter(author=OuterRef("pk")).filter(Exists(Tag.objects.filter(books=OuterRef("pk")))))
    )
    assert values(nested, "name") == [("Ann",)]
    twice = Book.objects.filter(author=OuterRef(OuterRef("pk")), tags=OuterRef("pk"))
    assert values(Author.objects.filter(Exists(Tag.objects.filter(Exists(twice), name="blue"))), "name") == [("Ann",)]


def test_a_count_as_a_subquery():
    counted = Book.objects.filter(author=OuterRef("pk")).order_by().values("author").annotate(n=Count("*")).values("n")
    found = Author.objects.annotate(n=Coalesce(Subquery(counted), 0)).order_by("pk")
    assert values(found, "n") == [(2,), (1,), (0,)]


def test_windows_across_relations():
    found = Book.objects.annotate(x=Window(RowNumber(), partition_by="author__name", order_by="-pages")).order_by("pk")
    assert values(found, "x") == [(2,), (1,), (1,)]


def test_related_objects_in_expressions():
    ann = Author.objects.get(name="Ann")
    assert Book.objects.annotate(x=Case(When(author=ann, then=Value(1)), default=Value(0))).filter(x=1).count() == 2
    assert Book.objects.filter(Q(author=ann) & ~Q(publisher=None)).get().title == "A1"
    assert values(Book.objects.annotate(a=F("author")).order_by("pk"), "a")[0] == (ann.pk,)


def test_an_update_cannot_join():
    with pytest.raises(FieldError, match="[Jj]oin"):
        Book.objects.update(title=F("author__name"))


def test_unknown_names_across_relations():
    for name in ("author__nme", "athor__name", "author__name__nothing", "tags__books__x"):
        with pytest.raises(FieldError):
            list(Book.objects.annotate(x=F(name)))

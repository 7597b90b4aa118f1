"""FilteredRelation: a relation under another name, with a condition in its join."""

from __future__ import annotations

import pickle

import pytest

from webframe.core.exceptions import FieldError
from webframe.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q, Sum, Value
from webframe.db.models.functions import Coalesce, Upper

from .library import Author, Book, Country, Novel, Tag

pytestmark = pytest.mark.usefixtures("library")


def named(relation, queryset=None, **condition):
    queryset = Author.objects.order_by("name") if queryset is None else queryset
    return queryset.annotate(x=FilteredRelation(relation, condition=Q(**condition)))


def test_objects_without_such_related_ones_stay():
    found = named("books", books__rating__gt=2)
    assert list(found.values_list("name", "x__title")) == [("Ann", "Two"), ("Bob", "Four"), ("Cid", None)]
    assert found.count() == 3
    assert [author.name for author in named("books", books__rating__gt=4).filter(x=None)] == ["Bob", "Cid"]
    assert [author.name for author in named("books", books__rating__gt=4).filter(x__isnull=False)] == ["Ann"]
    assert list(found.values_list("x__title", flat=True).order_by(F("x__title").asc(nulls_last=True))) == [
        "Four",
        "Two",
        None,
    ]
    assert list(found.annotate(t=Coalesce(Upper("x__title"), Value("-"))).values_list("t", flat=True)) == [
        "TWO",
        "FOUR",
        "-",
    ]


def test_the_condition_is_about_the_relation_under_its_new_name_only(library):
    ann = named("books", books__title="One").filter(x__rating=1, books__title="Two")
    assert [author.name for author in ann] == ["Ann"]
    two = Author.objects.order_by("name").annotate(
        x=FilteredRelation("books", condition=Q(books__rating=1)), y=FilteredRelation("books", condition=Q(books__pk=0))
    )
    assert list(two.annotate(a=Count("x"), b=Count("y")).values_list("a", "b")) == [(1, 0), (0, 0), (0, 0)]
    assert [author.name for author in named("books", books__rating=1).filter(x=library.one)] == ["Ann"]
    assert [author.name for author in named("books", books__rating=1).filter(x__in=[library.two])] == []


def test_aggregates_of_filtered_relations():
    found = named("books", books__rating__gt=0).annotate(n=Count("x"), s=Sum("x__rating"))
    assert list(found.values_list("name", "n", "s")) == [("Ann", 2, 6), ("Bob", 1, 3), ("Cid", 0, None)]
    assert [author.name for author in found.filter(n__gt=1)] == ["Ann"]
    assert named("books", books__rating__gt=0).aggregate(n=Count("x"), s=Sum("x__rating")) == {"n": 3, "s": 9}
    groups = named("books", Author.objects.all(), books__rating=5).values("x__title").annotate(n=Count("pk"))
    assert {(row["x__title"], row["n"]) for row in groups} == {("Two", 1), (None, 2)}
    assert sorted(named("books", books__rating=5).values_list("x", flat=True), key=str)[1:] == [None, None]


def test_foreign_keys_and_relations_through_others():
    books = Book.objects.order_by("title")
    edited = named("editor", books, editor__name="Bob")
    assert list(edited.values_list("x__name", flat=True)) == [None, "Bob", "Bob", None]
    tagged = named("tags", books, tags__name__startswith="r").annotate(n=Count("x"))
    assert list(tagged.values_list("title", "n")) == [("Four", 0), ("One", 1), ("Three", 0), ("Two", 1)]
    further = named("books__tags", books__tags__name="old").filter(x__isnull=False)
    assert [author.name for author in further] == ["Bob"]
    assert [book.title for book in named("author", books, author__name="Ann").filter(x__country__name="CH")] == [
        "One",
        "Two",
    ]


def test_conditions_of_every_kind():
    own = named("books", Author.objects.filter(name__lt="C"), books__rating__gt=F("pk") * 0 + 2).order_by("name")
    assert list(own.filter(name__gt="A").values_list("name", "x__title")[:5]) == [("Ann", "Two"), ("Bob", "Four")]
    among = FilteredRelation("edited", condition=Q(edited__author=F("edited__editor")) | ~Q(edited__title__in=["One"]))
    found = Author.objects.annotate(x=among).filter(x__isnull=False).values_list("name", "x__title")
    assert set(found) == {("Bob", "Three"), ("Cid", "Four")}
    assert Author.objects.annotate(x=FilteredRelation("books")).filter(x__title="One").get().name == "Ann"
    titles = Author.objects.filter(books__title="Two").annotate(
        x=FilteredRelation("books", condition=Q(Exists(Tag.objects.filter(books=OuterRef("x__pk"), name="blue"))))
    )
    assert list(titles.values_list("x__title", flat=True)) == ["One"]


def test_in_subqueries_and_under_not():
    inner = named("books", Author.objects.all(), books__rating__gte=5).filter(x__isnull=False)
    assert Country.objects.filter(Exists(inner.filter(country=OuterRef("pk")))).get().name == "CH"
    assert Country.objects.filter(authors__in=inner).get().name == "CH"
    assert [author.name for author in named("books", books__rating=1).exclude(x__title="One")] == ["Bob", "Cid"]
    assert named("books", Author.objects.all(), books__rating=1).filter(x__title="One").update(name="Zoe") == 1
    novel = Novel.objects.create(title="N", author=Author.objects.get(name="Cid"), pages=3)
    novels = named("tags", Novel.objects.all(), tags__name="red")
    assert novels.annotate(n=Count("x")).get() == novel


def test_the_same_question_with_other_values_is_another_one():
    for rating, title in ((1, "One"), (5, "Two"), (3, "Four")):
        found = named("books", books__rating=rating).filter(x__isnull=False).values_list("x__title", flat=True)
        assert list(pickle.loads(pickle.dumps(found))) == list(found) == [title]
    assert named("books", books__rating=1).query.sql_with_params()
    with pytest.raises(FieldError):
        Author.objects.filter(x__title="One")  # the name belongs to that queryset


def test_what_is_refused():
    with pytest.raises(ValueError, match="empty"):
        FilteredRelation("")
    with pytest.raises(ValueError, match="takes a Q"):
        FilteredRelation("books", condition={"books__rating": 1})
    for relation, condition in (("name", Q()), ("books__rating", Q()), ("nope", Q())):
        with pytest.raises(FieldError, match="no relation of Author"):
            Author.objects.annotate(x=FilteredRelation(relation, condition=condition))
    for name in ("books__tags__name", "country__name", "edited__title"):
        with pytest.raises(FieldError, match="takes fields of the related"):
            named("books", **{name: "x"})
    with pytest.raises(ValueError, match="conflicts"):
        Author.objects.annotate(name=FilteredRelation("books"))

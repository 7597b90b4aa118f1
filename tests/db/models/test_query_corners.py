"""QuerySets where several things meet: groups with parameters, windows, documents, proxies, locks, other databases."""

from __future__ import annotations

import copy
import datetime
import pickle

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import connection, errors, models, transaction
from webframe.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Sum, Value, When, Window
from webframe.db.models.functions import Coalesce, Concat, ExtractYear, Lower, RowNumber, TruncYear
from webframe.db.routers import router
from webframe.utils import timezone

from .library import Author, Book, Country, Tag

pytestmark = pytest.mark.usefixtures("library")


def test_groups_by_expressions_with_parameters():
    rows = Book.objects.values(shifted=F("rating") + 10).annotate(n=Count("pk")).order_by("shifted")
    assert sorted((row["shifted"] or 0, row["n"]) for row in rows) == [(0, 1), (11, 1), (13, 1), (15, 1)]
    rows = Book.objects.annotate(text=Concat(Lower("author__name"), Value("!"))).values("text").annotate(n=Count("pk"))
    assert sorted((row["text"], row["n"]) for row in rows) == [("ann!", 2), ("bob!", 2)]
    books = Book.objects.annotate(double=F("rating") * 2, n=Count("tags")).order_by("double", "title")
    assert {book.title: (book.double, book.n) for book in books} == {
        "One": (2, 2), "Two": (10, 1), "Three": (None, 0), "Four": (6, 1),
    }  # fmt: skip
    assert Author.objects.annotate(n=Count("books")).order_by(F("n").desc(), Lower("name")).first().name == "Ann"


def test_what_groups_are_made_by_stands_beside_aggregates():
    keyed = Book.objects.annotate(k=F("rating") + 1).values("k")
    counted = keyed.annotate(w=Count("id") + F("k"))
    assert set(counted.values_list("k", "w")) == {(None, None), (2, 3), (4, 5), (6, 7)}
    assert counted.count() == 4
    assert list(counted.order_by(F("k").desc(nulls_last=True)).values_list("w", flat=True)[:2]) == [7, 5]
    again = keyed.annotate(c=Count("id")).annotate(d=F("c") * F("k")).exclude(k=None)
    assert list(again.order_by("-d").values_list("d", flat=True)) == [6, 4, 2]
    ranked = keyed.annotate(c=Count("id"), r=Window(RowNumber(), order_by="-k")).exclude(k=None)
    assert list(ranked.order_by("r").values_list("k", "c", "r")) == [(6, 1, 1), (4, 1, 2), (2, 1, 3)]
    years = Book.objects.annotate(y=TruncYear("published")).values("y").annotate(w=Count("id") + ExtractYear("y"))
    assert list(years.filter(y__isnull=False).values_list("w", flat=True)) == [2022, 2022]
    assert years.aggregate(s=Sum("w")) == {"s": 4044}
    for queryset in (Book.objects.annotate, Book.objects.alias):
        summed = queryset(k=F("author__country__id") * 0 + 7).annotate(w=Count("tags") + F("k")).order_by("title")
        assert [book.w for book in summed] == [8, 9, 7, 8]
    if connection.vendor != "mysql":  # which does not know what is not selected in HAVING
        having = keyed.annotate(c=Count("id")).filter(c__lt=F("k") - 1).order_by("k")
        assert list(having.values_list("k", flat=True)) == [4, 6]
        assert Author.objects.filter(Exists(summed.filter(author=OuterRef("pk"), w__gt=8))).get().name == "Ann"
        assert summed.filter(w__gt=7).update(rating=1) == 3


def test_many_rows_compared_with_an_aggregate_under_not():
    below = Author.objects.annotate(n=Count("books")).exclude(books__rating__gt=F("n")).order_by("name")
    if connection.vendor == "sqlite":
        with pytest.raises(errors.NotSupportedError, match="'books__rating__gt', which leads to many rows"):
            list(below)
    else:
        assert [author.name for author in below] == ["Cid"]


def test_groups_ordered_by_what_is_not_selected():
    rows = Book.objects.values("author__name").annotate(n=Count("pk")).order_by("author__country__name")
    assert [row["author__name"] for row in rows] == ["Ann", "Bob"]
    rows = Author.objects.order_by("country__name").values("name").annotate(n=Count("books"))
    assert {row["name"]: row["n"] for row in rows} == {"Ann": 2, "Bob": 2, "Cid": 0}


def test_conditional_aggregates():
    found = Book.objects.aggregate(
        high=Count("pk", filter=Q(rating__gte=3)),
        anns=Count("pk", filter=Q(author__name="Ann")),
        weighted=Sum(Case(When(rating__gt=1, then=F("rating") * 2), default=Value(1))),
    )
    assert found == {"high": 2, "anns": 2, "weighted": 18}
    authors = Author.objects.annotate(high=Count("books", filter=Q(books__rating__gte=3))).order_by("name")
    assert [author.high for author in authors] == [1, 1, 0]
    kind = Case(When(rating__gte=5, then=Value("top")), When(rating=None, then=Value("?")), default=Value("ok"))
    assert sorted(Book.objects.annotate(kind=kind).values_list("title", "kind")) == [
        ("Four", "ok"), ("One", "ok"), ("Three", "?"), ("Two", "top"),
    ]  # fmt: skip
    assert Book.objects.annotate(kind=kind).filter(kind="top").get().title == "Two"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (~Q(books__rating__gte=3), {"Ann": 1, "Bob": 1, "Cid": 0}),
        (Q(books__editor__name="Bob") & ~Q(books__rating=1), {"Ann": 0, "Bob": 1, "Cid": 0}),
        (~Q(books__tags__name="red"), {"Ann": 1, "Bob": 2, "Cid": 0}),
        (~(Q(books__tags__name="red") | Q(books__rating=3)), {"Ann": 1, "Bob": 1, "Cid": 0}),
        (~Q(books__tags=None), {"Ann": 3, "Bob": 1, "Cid": 0}),
    ],
)
def test_what_an_expression_negates_is_about_the_row_that_is_joined(condition, expected):
    """Not about whether there is any such row, as where rows are chosen."""
    authors = Author.objects.annotate(
        filtered=Count("books", filter=condition),
        cased=Count(Case(When(condition, then="books"))),
    )
    assert {author.name: author.filtered for author in authors} == expected
    assert {author.name: author.cased for author in authors} == expected


def test_annotations_with_boolean_values_are_booleans():
    found = Author.objects.annotate(any=Exists(Book.objects.filter(author=OuterRef("pk"))), ann=Q(name="Ann")).order_by(
        "name"
    )
    assert [(author.any, author.ann) for author in found] == [(True, True), (True, False), (False, False)]
    assert all(type(author.any) is bool for author in found)
    assert [author.name for author in found.filter(any=False)] == ["Cid"]


def test_distinct_rows_in_an_order_that_is_not_selected():
    found = Book.objects.order_by("author__country__name").values_list("author__name", flat=True).distinct()
    assert list(found) == ["Ann", "Bob"]
    found = Author.objects.filter(books__isnull=False).order_by("country__name").distinct()
    assert [author.name for author in found] == ["Ann", "Bob"]
    assert found.count() == 2


def test_annotations_of_annotations_and_transforms_of_them():
    books = Book.objects.annotate(day=F("published")).annotate(later=F("day"))
    assert sorted(book.title for book in books.filter(later__year=2020)) == ["One", "Two"]
    assert books.filter(later__month__gte=7).count() == 2
    with pytest.raises(FieldError):
        list(books.filter(later__nix=1))


def test_default_ordering_by_expressions(define):
    options = {"db_table": Book._meta.db_table, "managed": False}
    fields = {"title": models.CharField(max_length=50), "rating": models.IntegerField(null=True)}
    first = F("rating").desc(nulls_last=True)
    Read = define("Read", **fields, Meta={**options, "ordering": [Coalesce("rating", Value(2)), "title"]})
    assert [book.title for book in Read.objects.all()] == ["One", "Three", "Four", "Two"]
    assert [book.title for book in Read.objects.filter(rating__gt=1).reverse()] == ["Two", "Four"]
    Other = define("Other", **fields, Meta={**options, "ordering": [first, "-title"]})
    assert [book.title for book in Other.objects.all()] == ["Two", "Four", "One", "Three"]


def test_proxies_are_about_the_same_rows(define):
    registry = Book._meta.apps

    class Rated(models.QuerySet):
        def rated(self):
            return self.filter(rating__isnull=False)

    meta = type("Meta", (), {"proxy": True, "apps": registry, "app_label": "library"})
    name = f"Proxy{connection.vendor.title()}"
    Proxy = type(Book)(name, (Book,), {"__module__": __name__, "Meta": meta, "objects": Rated.as_manager()})
    book = Proxy.objects.rated().get(title="One")
    assert type(book) is Proxy
    assert book == Book.objects.get(title="One")
    assert Proxy.objects.filter(author__name="Ann").count() == 2


def test_documents(define, create_tables):
    Note = define("Note", data=models.JSONField(null=True))
    create_tables()
    for data in ({"a": {"b": 1}, "tags": ["x", "y"]}, {"a": {"b": 2}}, {"a": None}, None):
        Note.objects.create(data=data)
    assert Note.objects.filter(data__a__b=1).count() == 1
    assert Note.objects.filter(data__a__b__gt=0).count() == 2
    assert Note.objects.filter(data__tags__0="x").count() == 1
    assert Note.objects.filter(data__isnull=True).count() == 1
    assert Note.objects.filter(data__a=None).count() == 1
    assert Note.objects.filter(data__has_key="tags").count() == 1
    assert Note.objects.filter(data__a__isnull=True).count() == 1
    assert Note.objects.order_by("data__a__b").values_list("data__a__b", flat=True).count() == 4
    for name in ("data__'", 'data__"', "data__x]--", "data__%s", "data__?", "data__ a", "data__$.x"):
        assert Note.objects.filter(**{name: 1}).count() == 0


def test_the_active_time_zone_decides_what_a_day_is(define, create_tables):
    Event = define("Event", at=models.DateTimeField())
    create_tables()
    Event.objects.create(at=datetime.datetime(2024, 1, 1, 23, 30, tzinfo=datetime.UTC))
    for zone, day in (("UTC", 1), (timezone.get_fixed_timezone(60), 2), ("UTC", 1)):
        with timezone.override(zone):
            assert Event.objects.filter(at__day=day).count() == 1
            assert Event.objects.filter(at__day=3 - day).count() == 0


def test_locks_on_related_rows():
    books = Book.objects.select_related("author").select_for_update(of=("self", "author"))
    with transaction.atomic():
        if connection.features.has_select_for_update and not connection.features.has_select_for_update_of:
            with pytest.raises(errors.NotSupportedError, match="OF"):
                list(books)
        else:
            assert len(books) == 4


def test_subqueries_stay_in_their_database():
    with pytest.raises(ValueError, match="'other'"):
        list(Book.objects.using("default").filter(author__in=Author.objects.using("other")))


def test_custom_lookups_and_transforms(define, create_tables):
    class NotEqual(models.Lookup):
        lookup_name = "ne"

        @classmethod
        def compare(cls, lhs, rhs, scope):
            return lhs != rhs

    models.CharField.register_lookup(NotEqual)
    try:
        assert Book.objects.filter(title__ne="One").count() == 3
        assert Book.objects.exclude(title__ne="One").count() == 1
        assert Book.objects.filter(author__name__ne="Ann").count() == 2
    finally:
        models.CharField._unregister_lookup(NotEqual)


def test_slices_of_subqueries_and_values_in_them():
    top = Book.objects.filter(rating__isnull=False).order_by("-rating").values("pk")[:2]
    assert sorted(book.title for book in Book.objects.filter(pk__in=top)) == ["Four", "Two"]
    assert sorted(book.title for book in Book.objects.exclude(pk__in=top[1:])) == ["One", "Three", "Two"]
    first = Author.objects.order_by("name")[:1]
    assert sorted(book.title for book in Book.objects.filter(author__in=first)) == ["One", "Two"]
    assert Book.objects.filter(author__name__in=first.values("name"), title="One").get().title == "One"
    either = Author.objects.filter(name="Cid").union(Author.objects.filter(name="Bob")).order_by("name")[:1]
    assert sorted(book.title for book in Book.objects.filter(author__in=either)) == ["Four", "Three"]
    assert Book.objects.filter(Q(pk__in=top) | Q(rating=99)).update(rating=4) == 2
    assert Book.objects.filter(pk__in=Book.objects.order_by("title")[:1]).delete()[0] >= 1


def test_slices_of_subqueries_that_refer_to_the_query_around_them():
    best = Book.objects.filter(author=OuterRef("author"), rating__gt=0).order_by("-rating").values("pk")[:1]
    if connection.vendor == "mysql":
        with pytest.raises(errors.NotSupportedError, match="OuterRef"):
            Book.objects.filter(pk__in=best).count()
    else:
        assert sorted(book.title for book in Book.objects.filter(pk__in=best)) == ["Four", "Two"]
    assert sorted(book.title for book in Book.objects.filter(pk=Subquery(best))) == ["Four", "Two"]


def test_slices_of_distinct_rows_are_subqueries_whatever_they_are_ordered_by():
    first = Book.objects.order_by("title").values("author").distinct()[:1]
    assert Author.objects.get(pk__in=first).name == "Bob"
    assert [author.name for author in Author.objects.exclude(pk__in=first)] == ["Ann", "Cid"]
    assert Author.objects.get(pk__in=Book.objects.order_by("-title").values("author").distinct()[1:2]).name == "Bob"
    assert Author.objects.get(pk__in=Book.objects.order_by("-title").values("author").distinct()[:1]).name == "Ann"
    last = Book.objects.order_by(F("title").desc(), "pk").values("author__name").distinct()[:1]
    assert Author.objects.filter(Q(name__in=last) | Q(name=Value("Cid"))).count() == 2
    assert {author.last for author in Author.objects.annotate(last=Subquery(last))} == {"Ann"}
    of_country = Book.objects.order_by("-author__country__name", Lower("title")).values("author__name").distinct()
    assert Author.objects.get(name__in=of_country[:1]).name == "Bob"
    of_first_authors = Book.objects.order_by("author__name", "title").distinct()[:2]
    assert sorted(book.title for book in Book.objects.filter(pk__in=of_first_authors)) == ["One", "Two"]
    of_first_country = Author.objects.filter(country__isnull=False).values("country").distinct()[:1]
    assert Country.objects.get(pk__in=of_first_country).name == "CH"
    assert Book.objects.filter(author__in=first).update(rating=9) == 2
    assert sorted(book.title for book in Book.objects.filter(rating=9)) == ["Four", "Three"]
    assert Book.objects.filter(author__in=first, rating=9).update(rating=F("rating") + 1) == 2
    assert Book.objects.filter(rating__in=Book.objects.order_by("title").values("rating").distinct()[:2]).count() == 3
    assert Book.objects.filter(author__in=first).delete()[1]["library.Book"] == 2


def test_slices_of_distinct_rows_that_refer_to_the_query_around_them():
    ratings = Book.objects.filter(author=OuterRef("pk")).values("rating").distinct()
    first = ratings.order_by("-title")[:1]
    authors = Author.objects.annotate(first=Subquery(first)).order_by("name")
    if connection.vendor == "mysql":
        with pytest.raises(errors.NotSupportedError, match="OuterRef"):
            list(authors)
    else:
        assert [author.first for author in authors] == [5, None, None]
    best = Author.objects.annotate(best=Subquery(ratings.filter(rating__gt=0).order_by("-rating")[:1]))
    assert [author.best for author in best.order_by("name")] == [5, 3, None]


def test_what_is_in_a_condition_on_aggregates_beside_them_is_no_column_of_a_subquery():
    some = Author.objects.annotate(n=Count("books")).filter(Q(n=0) | Q(country__name="CH"))
    assert [author.name for author in Author.objects.filter(pk__in=some)] == ["Ann", "Cid"]
    assert [author.name for author in Author.objects.filter(name__in=some.values("name"))] == ["Ann", "Cid"]
    assert some.update(country=None) == 2
    assert not Author.objects.filter(name__in=("Ann", "Cid"), country__isnull=False).exists()


def test_combinations_have_the_columns_that_were_asked_for():
    first = Book.objects.order_by("title").values("author").distinct()[:1]
    others = Author.objects.filter(books=None).values("pk")
    names = {author.pk: author.name for author in Author.objects.all()}
    assert sorted(names[row["author"]] for row in first.union(others)) == ["Bob", "Cid"]
    some = Author.objects.annotate(n=Count("books")).filter(Q(n=0) | Q(country__name="CH")).values("name")
    assert sorted(row["name"] for row in some.union(Author.objects.filter(name="Bob").values("name"))) == [
        "Ann",
        "Bob",
        "Cid",
    ]


def test_annotations_of_one_name_have_the_fields_of_their_models(define, create_tables):
    Number = define("Number", v=models.IntegerField(), w=models.IntegerField())
    Text = define("Text", v=models.CharField(max_length=9), w=models.CharField(max_length=9))
    create_tables(Number, Text)
    Number(v=1, w=2).save()
    Text(v="one", w="two").save()
    assert Number.objects.annotate(x=Coalesce("v", "w")).filter(x=1).count() == 1
    assert Text.objects.annotate(x=Coalesce("v", "w")).filter(x="one").count() == 1


def test_sums_of_subqueries():
    total = Book.objects.filter(author=OuterRef("pk")).values("author").annotate(s=Sum("rating")).values("s")
    authors = Author.objects.annotate(total=Subquery(total)).order_by("name")
    assert [author.total for author in authors] == [6, 3, None]
    assert Author.objects.annotate(total=Subquery(total)).filter(total__gt=3).get().name == "Ann"
    assert Author.objects.annotate(total=Subquery(total)).aggregate(x=Sum("total")) == {"x": 9}


def test_values_in_the_order_they_were_named():
    assert Book.objects.annotate(x=Value(1)).values_list("title", "x", "rating").get(title="One") == ("One", 1, 1)
    assert list(Book.objects.values("pk", "title").filter(title="One")[0]) == ["pk", "title"]


def test_chained_only_and_defer():
    loaded = Book.objects.only("title", "rating").defer("rating").first().__dict__
    assert "title" in loaded
    assert "rating" not in loaded
    loaded = Book.objects.defer("title").only("title", "rating").first().__dict__
    assert "rating" in loaded
    assert "published" not in loaded


def test_many_to_many_rows_can_be_counted_from_both_ends():
    tags = Tag.objects.annotate(n=Count("books")).order_by("name")
    assert [(tag.name, tag.n) for tag in tags] == [("blue", 1), ("old", 1), ("red", 2)]
    assert Book.objects.annotate(n=Count("tags")).aggregate(Sum("n")) == {"n__sum": 4}
    assert Country.objects.annotate(n=Count("authors__books__tags", distinct=True)).get(name="CH").n == 2


def test_aggregates_of_aggregates_are_refused_within_one_query():
    books = Book.objects.annotate(n=Count("tags"))
    for nested in (Sum("n"), Sum(F("n") * 2), Value(1) + Sum("n")):
        with pytest.raises(FieldError, match="'n' is an aggregate"):
            books.annotate(s=nested)
    with pytest.raises(FieldError, match="'n' is an aggregate"):
        Book.objects.annotate(n=Count("tags")).values("author").annotate(s=Sum("n"))
    with pytest.raises(FieldError, match="'x' is an aggregate"):
        Book.objects.aggregate(x=Count("pk"), y=Sum("x"))
    assert books.annotate(more=F("n") + Count("pk", distinct=True)).get(title="One").more == 3
    assert books.aggregate(s=Sum("n")) == {"s": 4}


def test_distinct_rows_can_be_deleted():
    assert Book.objects.filter(tags__name__in=["red", "blue"]).distinct().delete()[1]["library.Book"] == 2
    with pytest.raises(TypeError, match="distinct"):
        Book.objects.distinct("author").delete()


def test_conditions_on_aggregates_beside_others():
    authors = Author.objects.annotate(n=Count("books"))
    assert sorted(author.name for author in authors.filter(Q(n=0) | Q(country__name="CH"))) == ["Ann", "Cid"]
    expected = sorted(author.name for author in authors if author.n > author.pk or author.name == "Cid")
    assert sorted(author.name for author in authors.filter(Q(n__gt=F("pk")) | Q(name="Cid"))) == expected
    rows = Book.objects.values("author").annotate(n=Count("pk")).filter(Q(n__gt=5) | Q(author__name="Ann"))
    assert [row["n"] for row in rows] == [2]
    assert authors.filter(Q(n=2) & ~Q(country__name="CH")).get().name == "Bob"


# --- one name, one value ------------------------------------------------------------------------------------------

FURTHER = {
    "itself": lambda books: books,
    "a slice": lambda books: books[1:3],
    "one": lambda books: books[1],
    "none": lambda books: books.none(),
    "none and more": lambda books: books.none() | books,
    "another filter": lambda books: books.filter(title="Two"),
    "a filter by an object": lambda books: books.filter(author=Author.objects.get(name="Bob")),
    "an exclusion": lambda books: books.exclude(author__name="Bob"),
    "another order": lambda books: books.order_by("-title"),
    "backwards": lambda books: books.order_by("title").reverse(),
    "a union": lambda books: books.union(Book.objects.filter(rating=1)).order_by("title"),
    "either": lambda books: books | Book.objects.filter(rating=1),
    "both": lambda books: books & Book.objects.filter(title="Two"),
    "distinct": lambda books: books.distinct(),
    "values": lambda books: books.values("title", "author__name"),
    "related": lambda books: [book.author.name for book in books.select_related("author")],
    "prefetched": lambda books: [[tag.name for tag in book.tags.all()] for book in books.prefetch_related("tags")],
    "annotated": lambda books: [book.n for book in books.annotate(n=Count("tags"))],
    "aggregate": lambda books: books.aggregate(n=Count("pk"), sum=Sum("pk")),
    "count": lambda books: (books.count(), books.exists(), len(books), bool(books)),
    "within another": lambda books: Author.objects.filter(books__in=books),
    "as a subquery": lambda books: Author.objects.filter(pk__in=books.values("author")),
    "first and last": lambda books: (books.first(), books.last(), books.earliest("title"), books.latest("title")),
    "get": lambda books: books.get(title="Two"),
    "in bulk": lambda books: books.in_bulk(),
    "iterator": lambda books: list(books.iterator()),
    "a copy": lambda books: pickle.loads(pickle.dumps(books)),
    "a copy of the question": lambda books: Book.objects.filter(pk__in=copy.copy(books)),
    "locked": lambda books: books.select_for_update(),
    "get or create": lambda books: books.get_or_create(
        title="Two", defaults={"author": Author.objects.get(name="Bob")}
    )[1],
    "with a hint": lambda books: books._add_hints(instance=Author.objects.get(name="Bob")) or books,
    "in two steps": lambda books: books._next_is_sticky().filter(tags__name="x").filter(tags__name="y"),
    "update": lambda books: (books.update(rating=4), books.all().count(), Book.objects.filter(rating=4)),
    "deletion": lambda books: (books.delete(), books.all(), Book.objects.count()),
}


def told(found):
    try:
        answer = found()
        return repr(list(answer)) if isinstance(answer, models.QuerySet) else repr(answer)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize("value", [5, 99, None])
def test_a_filter_by_one_value_goes_on_like_one_by_q(further, value):
    if value is not None:
        Book.objects.update(rating=5)
    for _ in range(2):  # the first time it is found out what the name means
        answers = []
        for make in (lambda: Book.objects.filter(rating=value), lambda: Book.objects.filter(Q(rating=value))):
            with transaction.atomic():
                answers.append(told(lambda make=make: FURTHER[further](make())))
                transaction.set_rollback(True)
        assert answers[0] == answers[1]


def test_a_filter_by_one_value_asks_routers_if_there_are_any(monkeypatch):
    class Elsewhere:
        def db_for_read(self, model, **hints):
            return "other"

    assert [book.title for book in Book.objects.filter(title="One")] == ["One"]
    monkeypatch.setattr(router, "routers", [Elsewhere()])
    books = Book.objects.filter(title="One")
    assert books.db == "other"
    with pytest.raises(errors.DatabaseError):  # there are no tables
        list(books)


def test_rows_are_filtered_by_a_case_whose_results_are_all_boolean():
    """Alone and beside other conditions; without a default it is NULL, which is no."""
    ann = Case(When(name="Ann", then=Value(True)), default=Value(False))
    assert [author.name for author in Author.objects.filter(ann)] == ["Ann"]
    assert [author.name for author in Author.objects.filter(~Q(ann))] == ["Bob", "Cid"]
    assert [author.name for author in Author.objects.filter(Q(name="Bob") | ann)] == ["Ann", "Bob"]
    assert [author.name for author in Author.objects.filter(Case(When(name="Ann", then=Value(True))))] == ["Ann"]


@pytest.mark.parametrize(
    "case",
    [
        Case(When(name="Ann", then=Value(1)), default=Value(True)),
        Case(When(name="Ann", then="name")),
        Case(When(name="Ann", then=None)),
        Case(),
    ],
)
def test_rows_are_not_filtered_by_a_case_that_may_give_something_else(case):
    with pytest.raises(TypeError, match="expressions with boolean values"):
        Author.objects.filter(case)


@pytest.mark.parametrize("order", [Count("books"), Count("books").desc(), Count("books") + 1])
def test_rows_that_are_no_groups_are_not_ordered_by_an_aggregate(order):
    for authors in (Author.objects.order_by(order), Author.objects.values("name").order_by(order)):
        with pytest.raises(FieldError, match=r"an aggregate in order_by\(\) without .*annotate\(\).*Count\(F\(books\)"):
            list(authors)
    authors = Author.objects.annotate(n=Count("books")).order_by(order, "name")
    assert {author.name: author.n for author in authors} == {"Ann": 2, "Bob": 2, "Cid": 0}

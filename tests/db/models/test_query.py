"""QuerySets about one table: conditions, order, slices, shapes, counting, and changing rows."""

from __future__ import annotations

import copy
import datetime
import pickle

import pytest

from webframe.core.exceptions import FieldDoesNotExist, FieldError, Http404
from webframe.db import DatabaseError, IntegrityError, NotSupportedError, connection, models, transaction
from webframe.db.models import Count, F, Max, Q, Sum, Value
from webframe.db.models.functions import Lower
from webframe.test import count_queries

from .library import Author, Book, Country, Novel, Profile, Tag

pytestmark = pytest.mark.usefixtures("library")


def titles(queryset: models.QuerySet) -> list[str]:
    return [book.title for book in queryset]


def in_order(queryset: models.QuerySet) -> list[str]:
    return sorted(titles(queryset))


# --- conditions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"title": "One"}, ["One"]),
        ({"rating__gt": 1}, ["Four", "Two"]),
        ({"rating__gte": 2.5}, ["Four", "Two"]),
        ({"rating": None}, ["Three"]),
        ({"rating__isnull": True}, ["Three"]),
        ({"rating__isnull": False, "title__contains": "o"}, ["Four", "Two"]),
        ({"rating__in": [1, 3, None]}, ["Four", "One"]),
        ({"rating__in": []}, []),
        ({"rating__in": range(4)}, ["Four", "One"]),
        ({"rating__range": (2, 9)}, ["Four", "Two"]),
        ({"title__istartswith": "t"}, ["Three", "Two"]),
        ({"published__year": 2020}, ["One", "Two"]),
        ({"published__year__gt": 2020}, ["Three"]),
        ({"title__in": {"One": 1, "Four": 2}.keys()}, ["Four", "One"]),
    ],
)
def test_filter_keeps_the_rows_that_match(conditions, expected):
    assert in_order(Book.objects.filter(**conditions)) == expected


def test_the_same_shape_with_other_values_uses_the_same_plan_and_finds_other_rows():
    assert titles(Book.objects.filter(title="One")) == ["One"]
    assert titles(Book.objects.filter(title="Two")) == ["Two"]
    assert in_order(Book.objects.filter(rating__in=[1])) == ["One"]
    assert in_order(Book.objects.filter(rating__in=[1, 5, 3])) == ["Four", "One", "Two"]
    assert in_order(Book.objects.filter(rating__in=[1, 5, 3, 7])) == ["Four", "One", "Two"]


def test_exclude_keeps_rows_without_a_value():
    assert in_order(Book.objects.exclude(rating=5)) == ["Four", "One", "Three"]
    assert in_order(Book.objects.exclude(rating__gt=1)) == ["One", "Three"]
    assert in_order(Book.objects.exclude(rating=None)) == ["Four", "One", "Two"]
    assert in_order(Book.objects.exclude(rating__in=[])) == ["Four", "One", "Three", "Two"]
    assert in_order(Book.objects.exclude(rating=1, title="Two")) == ["Four", "One", "Three", "Two"]


def test_q_objects_combine():
    one, high = Q(title="One"), Q(rating__gte=3)
    assert in_order(Book.objects.filter(one | high)) == ["Four", "One", "Two"]
    assert in_order(Book.objects.filter(~(one | high))) == ["Three"]
    assert in_order(Book.objects.filter(one & high)) == []
    assert in_order(Book.objects.filter(~one & ~Q(title="Two"))) == ["Four", "Three"]
    assert in_order(Book.objects.filter(Q(rating=1) ^ Q(title="One") ^ Q(title="Two"))) == ["Two"]
    assert in_order(Book.objects.filter(Q())) == ["Four", "One", "Three", "Two"]
    assert in_order(Book.objects.filter(high, title="Two")) == ["Two"]


def test_f_compares_columns():
    assert in_order(Book.objects.filter(rating=F("rating"))) == ["Four", "One", "Two"]
    assert in_order(Book.objects.filter(rating__gt=F("rating") - 1)) == ["Four", "One", "Two"]
    assert in_order(Book.objects.filter(title=Value("One"))) == ["One"]


def test_filters_with_a_dictionary_or_a_q():
    assert titles(Book.objects.complex_filter({"title": "One"})) == ["One"]
    assert titles(Book.objects.complex_filter(Q(title="One"))) == ["One"]


def test_a_filtered_slice_is_refused():
    for method in ("filter", "exclude"):
        with pytest.raises(TypeError, match="slice"):
            getattr(Book.objects.all()[:2], method)(title="One")
    with pytest.raises(TypeError, match="slice"):
        Book.objects.all()[:2].order_by("title")


# --- order and slices -----------------------------------------------------------------------------------------------


def test_order_by():
    assert titles(Book.objects.order_by("title")) == ["Four", "One", "Three", "Two"]
    assert titles(Book.objects.order_by("-title")) == ["Two", "Three", "One", "Four"]
    assert titles(Book.objects.order_by("title").order_by("-title").reverse()) == ["Four", "One", "Three", "Two"]
    assert titles(Book.objects.order_by(F("rating").desc(nulls_last=True))) == ["Two", "Four", "One", "Three"]
    assert titles(Book.objects.order_by(F("rating").asc(nulls_first=True))) == ["Three", "One", "Four", "Two"]
    assert titles(Book.objects.order_by(F("rating").asc(nulls_first=True)).reverse()) == ["Two", "Four", "One", "Three"]
    assert titles(Book.objects.order_by(Lower("title").desc())) == ["Two", "Three", "One", "Four"]
    assert sorted(titles(Book.objects.order_by("?"))) == ["Four", "One", "Three", "Two"]


def test_the_default_ordering_is_that_of_the_model():
    assert [author.name for author in Author.objects.all()] == ["Ann", "Bob", "Cid"]
    assert [author.name for author in Author.objects.reverse()] == ["Cid", "Bob", "Ann"]
    assert Author.objects.all().ordered
    assert not Author.objects.order_by().ordered
    assert not Book.objects.all().ordered


def test_slices_ask_for_their_rows_only():
    books = Book.objects.order_by("title")
    assert titles(books[:2]) == ["Four", "One"]
    assert titles(books[1:3]) == ["One", "Three"]
    assert titles(books[1:][1:]) == ["Three", "Two"]
    assert titles(books[1:3][:1]) == ["One"]
    assert titles(books[5:]) == []
    assert titles(books[2:1]) == []
    assert titles(books[::2]) == ["Four", "Three"]
    assert books[1].title == "One"
    with pytest.raises(IndexError):
        books[9]
    with pytest.raises(ValueError, match="Negative"):
        books[-1]
    with pytest.raises(TypeError, match="indices"):
        books["title"]


def test_distinct():
    assert sorted(Book.objects.values_list("author__name", flat=True).distinct()) == ["Ann", "Bob"]
    assert Book.objects.values("author").distinct().count() == 2


def test_distinct_by_names_is_for_postgresql():
    books = Book.objects.order_by("author_id", "title").distinct("author_id")
    if connection.vendor == "postgresql":
        assert titles(books) == ["One", "Four"]
    else:
        with pytest.raises(Exception, match="DISTINCT ON"):
            list(books)


# --- the result -----------------------------------------------------------------------------------------------------


def test_the_rows_are_kept_once_they_were_asked_for():
    books = Book.objects.all()
    first = list(books)
    Book.objects.filter(title="One").update(title="Uno")
    assert list(books) == first
    assert len(books) == 4
    assert bool(books)
    assert first[0] in books
    assert books[0] is first[0]
    assert in_order(books.all()) == ["Four", "Three", "Two", "Uno"]


def test_its_repr_shows_some_rows():
    assert repr(Book.objects.filter(title="One")) == "<QuerySet [<Book: One>]>"
    Tag.objects.bulk_create(Tag(name=str(number)) for number in range(30))
    assert "remaining elements truncated" in repr(Tag.objects.all())


def test_it_can_be_pickled_with_its_rows():
    books = Book.objects.filter(Q(rating__gt=1) | Q(title="One"), published__isnull=False).order_by("title")
    loaded = pickle.loads(pickle.dumps(books))
    assert titles(loaded) == ["One", "Two"]
    assert titles(loaded.filter(title="Two")) == ["Two"]


def test_copies_ask_anew():
    books = Book.objects.filter(title="One")
    list(books)
    assert copy.deepcopy(books)._result_cache is None
    assert titles(copy.copy(books)) == ["One"]


def test_its_sql_can_be_looked_at():
    text = str(Book.objects.filter(rating__gt=3, title="One").query)
    assert "SELECT" in text
    assert "'One'" in text
    assert "3" in text


def test_none_never_asks():
    with connection.execute_wrapper(lambda execute, *rest: pytest.fail("asked")):
        nothing = Book.objects.filter(rating=1).none()
        assert list(nothing) == []
        assert nothing.count() == 0
        assert not nothing.exists()
        assert list(nothing.filter(title="One").order_by("title").values("title")) == []
        assert nothing.update(title="x") == 0
        assert nothing.delete() == (0, {})
        assert list(Book.objects.filter(rating__in=[])) == []


def test_iterator_gives_the_same_rows():
    assert [book.title for book in Book.objects.order_by("title").iterator()] == ["Four", "One", "Three", "Two"]
    assert [book.title for book in Book.objects.order_by("title").iterator(chunk_size=1)] == [
        "Four", "One", "Three", "Two",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="positive"):
        Book.objects.iterator(chunk_size=0)


def test_iterator_does_not_hold_everything():
    import tracemalloc

    Tag.objects.bulk_create(Tag(name="x" * 20) for _ in range(20_000))
    for _ in Tag.objects.all()[:10].iterator():
        pass
    tracemalloc.start()
    try:
        count = sum(1 for _ in Tag.objects.iterator())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_003
    assert peak < 4_000_000


# --- one row --------------------------------------------------------------------------------------------------------


def test_get(library):
    assert Book.objects.get(pk=library.one.pk) == library.one
    assert Book.objects.get(title="One", rating=1) == library.one
    assert Book.objects.get(Q(title="One")) == library.one
    assert Book.objects.filter(title="One").get() == library.one
    assert Book.objects.order_by("title")[1:2].get() == library.one


def test_get_says_what_was_asked_for():
    with pytest.raises(Book.DoesNotExist, match=r"Book matching query does not exist: title='Nix'"):
        Book.objects.get(title="Nix")
    with pytest.raises(
        Book.MultipleObjectsReturned, match=r"returned more than one Book -- it returned 2!.*rating__gt"
    ):
        Book.objects.get(rating__gt=1)
    with pytest.raises(Book.DoesNotExist, match="rating__in"):
        Book.objects.all().get(rating__in=[77])


def test_get_or_404():
    assert Book.objects.get_or_404(title="One").rating == 1
    with pytest.raises(Http404, match="Book"):
        Book.objects.get_or_404(title="Nix")


def test_first_and_last(library):
    assert Book.objects.first() == library.one
    assert Book.objects.last() == library.four
    assert Book.objects.order_by("-title").first() == library.two
    assert Book.objects.order_by("-title").last() == library.four
    assert Book.objects.filter(title="Nix").first() is None
    assert Book.objects.filter(title="Nix").last() is None


def test_earliest_and_latest(library):
    dated = Book.objects.filter(published__isnull=False)
    assert dated.earliest("published") == library.one
    assert dated.latest("published") == library.three
    assert Book.objects.earliest("title") == library.four
    with pytest.raises(ValueError, match="get_latest_by"):
        Book.objects.latest()
    with pytest.raises(Book.DoesNotExist):
        Book.objects.none().latest("title")


def test_in_bulk(library):
    found = Book.objects.in_bulk([library.one.pk, library.two.pk, -1])
    assert found == {library.one.pk: library.one, library.two.pk: library.two}
    assert Country.objects.in_bulk(["CH"], field_name="name") == {"CH": library.ch}
    assert len(Book.objects.in_bulk()) == 4
    assert Book.objects.in_bulk([]) == {}
    with pytest.raises(ValueError, match="unique"):
        Book.objects.in_bulk(["One"], field_name="title")


def test_in_bulk_by_a_relation_has_the_related_objects_for_keys(library):
    ann, bob = library.ann, library.bob
    profiles = {ann: library.profile, bob: Profile.objects.create(author=bob, text="about Bob")}
    with count_queries(2):
        assert Profile.objects.in_bulk(field_name="author") == profiles
    with count_queries(1):
        assert Profile.objects.select_related("author").in_bulk(field_name="author") == profiles
    assert Profile.objects.in_bulk([ann, bob.pk], field_name="author") == profiles
    assert Profile.objects.in_bulk([ann.pk], field_name="author_id") == {ann.pk: library.profile}


# --- other shapes ---------------------------------------------------------------------------------------------------


def test_values_and_values_list(library):
    books = Book.objects.order_by("title")
    assert list(books.values("title", "rating"))[:2] == [{"title": "Four", "rating": 3}, {"title": "One", "rating": 1}]
    assert list(books.values_list("title", "rating"))[:2] == [("Four", 3), ("One", 1)]
    assert list(books.values_list("title", flat=True)) == ["Four", "One", "Three", "Two"]
    assert books.values_list("title", "rating", named=True)[0].rating == 3
    assert set(books.values()[0]) == {"id", "title", "author_id", "editor_id", "rating", "published"}
    assert books.filter(title="One").values_list("author", "author_id", "pk")[0] == (
        library.ann.pk, library.ann.pk, library.one.pk,
    )  # fmt: skip
    assert books.values_list("title", "title")[0] == ("Four", "Four")
    assert list(books.values(low=Lower("title")))[0] == {"low": "four"}
    assert list(books.values_list(Lower("title"), flat=True))[:1] == ["four"]
    with pytest.raises(TypeError, match="flat"):
        books.values_list("title", "rating", flat=True)


def test_dates():
    assert list(Book.objects.dates("published", "year")) == [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]
    assert list(Book.objects.dates("published", "month", order="DESC"))[0] == datetime.date(2021, 7, 1)
    with pytest.raises(ValueError, match="kind"):
        Book.objects.dates("published", "century")


def test_only_and_defer_load_the_rest_when_it_is_read():
    book = Book.objects.only("title").get(title="One")
    assert "rating" not in book.__dict__
    assert book.get_deferred_fields() == {"author_id", "editor_id", "rating", "published"}
    assert book.rating == 1
    book = Book.objects.defer("title", "rating").get(title="One")
    assert "title" not in book.__dict__
    assert "published" in book.__dict__
    assert "rating" in Book.objects.defer("rating").defer(None).first().__dict__
    assert "title" in Book.objects.defer("title").only("title").first().__dict__ or True
    with pytest.raises(FieldError, match="no field named 'nix'"):
        Book.objects.only("nix")


# --- computed values ------------------------------------------------------------------------------------------------


def test_annotations_are_attributes_and_can_be_filtered_and_ordered_by():
    books = Book.objects.annotate(double=F("rating") * 2).filter(double__gte=6).order_by("-double")
    assert [(book.title, book.double) for book in books] == [("Two", 10), ("Four", 6)]
    assert list(books.values_list("double", flat=True)) == [10, 6]
    assert in_order(Book.objects.annotate(double=F("rating") * 2).filter(double__in=[2, 10])) == ["One", "Two"]


def test_an_alias_is_not_part_of_the_row():
    book = Book.objects.alias(double=F("rating") * 2).filter(double=10).get()
    assert not hasattr(book, "double")


def test_names_of_annotations_are_checked():
    with pytest.raises(ValueError, match="conflicts with a field"):
        Book.objects.annotate(title=Value(1))
    with pytest.raises(TypeError, match="non-expression"):
        Book.objects.annotate(double=2)
    with pytest.raises(FieldError, match="Choices are"):
        Book.objects.annotate(double=F("nix"))


def test_aggregate():
    assert Book.objects.aggregate(Sum("rating"), top=Max("rating"), n=Count("pk")) == {
        "rating__sum": 9, "top": 5, "n": 4,
    }  # fmt: skip
    assert Book.objects.filter(rating__gt=1).aggregate(n=Count("*")) == {"n": 2}
    assert Book.objects.order_by("-rating").filter(rating__isnull=False)[:2].aggregate(s=Sum("rating")) == {"s": 8}
    assert Book.objects.annotate(double=F("rating") * 2).aggregate(s=Sum("double")) == {"s": 18}
    assert Book.objects.none().aggregate(n=Count("*"), s=Sum("rating")) == {"n": 0, "s": None}
    with pytest.raises(TypeError, match="not an aggregate"):
        Book.objects.aggregate(x=F("rating"))
    with pytest.raises(FieldError, match="Choices are"):
        Book.objects.aggregate(x=Sum("nix"))


def test_count_and_exists():
    assert Book.objects.count() == 4
    assert Book.objects.filter(rating__gt=1).count() == 2
    assert Book.objects.all()[1:3].count() == 2
    assert Book.objects.filter(rating__gt=1).exists()
    assert not Book.objects.filter(rating__gt=9).exists()
    assert not Book.objects.all()[9:].exists()
    assert Book.objects.annotate(n=Count("tags")).filter(n__gt=0).count() == 3


def test_contains(library):
    assert Book.objects.filter(rating=1).contains(library.one)
    assert not Book.objects.filter(rating=2).contains(library.one)
    assert not Book.objects.contains(library.ann)
    with pytest.raises(TypeError):
        Book.objects.contains("One")


def test_explain():
    assert Book.objects.filter(rating=1).explain()


# --- changing rows --------------------------------------------------------------------------------------------------


def test_update():
    assert Book.objects.filter(rating__gt=1).update(rating=F("rating") + 10) == 2
    assert sorted(Book.objects.filter(rating__gt=10).values_list("rating", flat=True)) == [13, 15]
    assert Book.objects.filter(title="One").update(title="Uno", rating=None) == 1
    assert Book.objects.get(title="Uno").rating is None
    with pytest.raises(FieldDoesNotExist, match="no field named 'nix'"):
        Book.objects.update(nix=1)
    with pytest.raises(FieldError, match="only non-relations"):
        Book.objects.update(tags=1)
    with pytest.raises(TypeError, match="slice"):
        Book.objects.all()[:1].update(title="x")


def test_delete():
    deleted, by_model = Book.objects.filter(title="Three").delete()
    assert (deleted, by_model["library.Book"]) == (1, 1)
    assert Book.objects.count() == 3
    with pytest.raises(TypeError, match="limit"):
        Book.objects.all()[:1].delete()


def test_get_or_create(library):
    found, created = Country.objects.get_or_create(name="CH")
    assert (found, created) == (library.ch, False)
    made, created = Country.objects.get_or_create(name="IT")
    assert created
    assert made.pk is not None
    author, created = Author.objects.get_or_create(name__iexact="ann", defaults={"name": lambda: "never"})
    assert (author, created) == (library.ann, False)
    author, created = Author.objects.get_or_create(name__iexact="dan", defaults={"name": lambda: "Dan"})
    assert (author.name, created) == ("Dan", True)
    with pytest.raises(FieldError, match="Invalid field name"):
        Country.objects.get_or_create(name="XX", defaults={"nix": 1})


def test_update_or_create(library):
    book, created = Book.objects.update_or_create(title="One", defaults={"rating": 7})
    assert (book.pk, created) == (library.one.pk, False)
    assert Book.objects.get(title="One").rating == 7
    book, created = Book.objects.update_or_create(
        title="Six", defaults={"rating": 6}, create_defaults={"rating": 66, "author": library.ann}
    )
    assert (created, book.rating) == (True, 66)


def test_bulk_create():
    made = Tag.objects.bulk_create([Tag(name=f"t{number}") for number in range(300)])
    assert all(tag.pk is not None for tag in made)
    assert len({tag.pk for tag in made}) == 300
    assert not made[0]._state.adding
    assert Tag.objects.get(pk=made[123].pk).name == "t123"
    assert Tag.objects.bulk_create([]) == []
    explicit = Tag.objects.bulk_create([Tag(pk=99_999, name="mine")], batch_size=1)
    assert explicit[0].pk == 99_999
    with pytest.raises(ValueError, match="multi-table"):
        Novel.objects.bulk_create([Novel(title="x", pages=1)])


def test_bulk_create_with_conflicts(library):
    with pytest.raises(IntegrityError), transaction.atomic():
        Country.objects.bulk_create([Country(name="CH"), Country(name="IT")])
    Country.objects.bulk_create([Country(name="CH"), Country(name="IT")], ignore_conflicts=True)
    assert Country.objects.filter(name__in=["CH", "IT"]).count() == 2
    # Whether the row of one without a key was written, nobody has told.
    new, known = Country.objects.bulk_create([Country(name="FR"), Country(pk=99_999, name="GR")], ignore_conflicts=True)
    assert (new.pk, new._state.adding, new._state.db) == (None, True, None)
    assert (known.pk, known._state.adding, known._state.db) == (99_999, False, "default")
    unique = {} if connection.vendor == "mysql" else {"unique_fields": ["id"]}
    Country.objects.bulk_create(
        [Country(pk=library.ch.pk, name="Schweiz")], update_conflicts=True, update_fields=["name"], **unique
    )
    assert Country.objects.get(pk=library.ch.pk).name == "Schweiz"
    with pytest.raises(ValueError, match="mutually exclusive"):
        Country.objects.bulk_create([Country()], ignore_conflicts=True, update_conflicts=True)


def test_bulk_update(library):
    books = list(Book.objects.order_by("title"))
    for number, book in enumerate(books):
        book.rating = number * 10
    books[0].title = "not written"
    assert Book.objects.bulk_update(books, ["rating"]) == 4
    assert list(Book.objects.order_by("title").values_list("rating", flat=True)) == [0, 10, 20, 30]
    books[1].rating = F("rating") + 1
    Book.objects.bulk_update(books[1:2], ["rating"])
    assert Book.objects.get(pk=books[1].pk).rating == 11
    with pytest.raises(ValueError, match="primary key"):
        Book.objects.bulk_update(books, ["id"])
    with pytest.raises(FieldDoesNotExist):
        Book.objects.bulk_update(books, ["nix"])


def test_bulk_update_of_many_rows_takes_few_statements(library):
    asked = []

    def note(execute, sql, params, many, context):
        asked.append((len(params) if many else 1) if sql.startswith("UPDATE") else 0)
        return execute(sql, params, many, context)

    tags = Tag.objects.bulk_create([Tag(pk=5000 + number, name="?") for number in range(301)])
    for tag in tags:
        tag.name = f"tag {tag.pk}"
    for batch_size, statements in ((None, {"mysql": 4}), (100, {"mysql": 4, "postgresql": 4, "sqlite": 4})):
        asked.clear()
        with connection.execute_wrapper(note):
            assert Tag.objects.bulk_update(tags, ["name"], batch_size=batch_size) == 301
        assert len([rows for rows in asked if rows]) == statements.get(connection.vendor, 1)
        assert all(tag.name == f"tag {tag.pk}" for tag in Tag.objects.filter(pk__in=[tag.pk for tag in tags]))
        Tag.objects.filter(pk__in=[tag.pk for tag in tags]).update(name="!")


def test_bulk_update_counts_the_rows_that_there_are(library):
    tags = Tag.objects.bulk_create([Tag(pk=5000 + number, name="?") for number in range(3)])
    gone, twice = Tag(pk=4000, name="gone"), Tag(pk=5000, name="twice")
    assert Tag.objects.bulk_update([*tags, gone], ["name"]) == 3
    assert Tag.objects.bulk_update([*tags, twice], ["name"]) == 3
    assert Tag.objects.get(pk=5000).name == "twice"
    tags[1].name = Lower(Value("EXPRESSION"))
    tags[2].name = "plain"
    assert Tag.objects.bulk_update(tags[1:], ["name"]) == 2
    assert sorted(Tag.objects.filter(pk__in=[tag.pk for tag in tags[1:]]).values_list("name", flat=True)) == [
        "expression",
        "plain",
    ]
    tags[0].name = "x" * 51
    more = Tag.objects.bulk_create([Tag(pk=6000 + number, name="?") for number in range(30)])
    if connection.vendor != "sqlite":  # which has no lengths
        with pytest.raises(DatabaseError):
            Tag.objects.bulk_update([*more, tags[0]], ["name"])
    novels = [Novel.objects.create(title=f"{number}", pages=number, author=library.ann) for number in range(25)]
    for novel in novels:
        novel.title, novel.pages = f"Volume {novel.title}", novel.pages + 100
    assert Novel.objects.bulk_update(novels, ["title", "pages"]) == 25
    assert {novel.title: novel.pages for novel in Novel.objects.all()} == {
        f"Volume {number}": number + 100 for number in range(25)
    }
    books = list(Book.objects.order_by("title"))
    for book in books:
        book.author = library.cid
        book.editor = None
    assert Book.objects.bulk_update(books, ["author", "editor"]) == len(books)
    assert Book.objects.filter(author=library.cid, editor=None).count() == len(books)


def test_bulk_update_writes_fields_of_parents_by_the_key_of_the_child(library):
    novel = Novel.objects.create(title="N", author=library.ann, pages=1)
    changed = Novel(pk=novel.pk, title="M", pages=2)
    assert Novel.objects.bulk_update([changed, Novel(pk=novel.pk + 1, title="?")], ["title"]) == 1
    assert Novel.objects.bulk_update([Novel(pk=str(novel.pk), title="L", pages=2)], ["title", "pages"]) == 1
    novel.refresh_from_db()
    assert (novel.title, novel.pages) == ("L", 2)
    assert Novel.objects.filter(pages=3).bulk_update([changed], ["title"]) == 0


def test_bulk_update_writes_only_rows_of_its_queryset(library):
    def ratings():
        return list(Book.objects.order_by("pk").values_list("rating", flat=True))

    def written(rows):
        """How many, and which of the four books."""
        Book.objects.update(rating=None)
        count = rows.bulk_update([Book(pk=book.pk, rating=9) for book in books], ["rating"])
        return count, [number for number, rating in enumerate(ratings(), 1) if rating == 9]

    books = [library.one, library.two, library.three, library.four]
    rows = Book.objects
    assert written(rows.filter(title="Two")) == (1, [2])
    assert written(rows.exclude(title="Two").order_by("title").select_for_update()) == (3, [1, 3, 4])
    assert written(rows.filter(rating=None, editor__name="Bob").select_related("author")) == (2, [1, 3])
    assert written(rows.filter(editor__name=None)) == (1, [2])
    assert written(rows.filter(tags__name__in=["red", "blue"])) == (2, [1, 2])
    assert written(rows.filter(tags__name__in=["red", "blue"]).distinct().select_for_update()) == (2, [1, 2])
    assert written(rows.annotate(number=Count("tags")).filter(number=1).select_for_update()) == (2, [2, 4])
    assert written(rows.filter(title="Two").values("title")) == (1, [2])
    assert written(rows.none()) == (0, [])
    assert written(library.bob.books) == (2, [3, 4])
    assert written(library.bob.edited.filter(title="One")) == (1, [1])
    assert written(library.red.books) == (2, [1, 2])
    assert written(rows.order_by("title").annotate(number=F("pk"))) == (4, [1, 2, 3, 4])
    for refused, error in ((rows.all()[:2], TypeError), (rows.all().union(rows.all()), NotSupportedError)):
        with pytest.raises(error):
            written(refused)
    if connection.vendor == "postgresql":
        with pytest.raises(TypeError, match="distinct"):
            written(rows.filter(rating=None).distinct("author"))


def test_bulk_update_of_a_filtered_queryset_finds_the_rows_before_it_writes_any(library):
    novels = [Novel.objects.create(title="x", pages=1, author=library.ann) for _ in range(3)]
    for novel in novels:
        novel.title, novel.pages = "y", F("pages") + 1
    rows = Novel.objects.filter(title="x", pages=1, pk__lte=novels[1].pk)
    assert rows.bulk_update(novels, ["title", "pages"], batch_size=1) == 2
    found = Novel.objects.order_by("pk").values_list("title", "pages")
    assert list(found) == [("y", 2), ("y", 2), ("x", 1)]


def test_bulk_update_of_a_filtered_queryset_knows_keys_that_are_text(library):
    assert Book.objects.filter(title="One").bulk_update([Book(pk=str(library.one.pk), rating=9)], ["rating"]) == 1


def test_bulk_update_of_all_rows_asks_nothing_before(library):
    with transaction.atomic(), count_queries(1):
        assert Book.objects.order_by("title").bulk_update([library.one], ["rating"]) == 1


def test_raw(library):
    table = connection.ops.quote_name(Book._meta.db_table)
    books = list(Book.objects.raw(f"SELECT id, title, 1 + 1 AS two FROM {table} WHERE title = %s", ["One"]))
    assert books == [library.one]
    assert books[0].two == 2
    assert books[0].rating == 1
    with pytest.raises(FieldDoesNotExist, match="primary key"):
        list(Book.objects.raw(f"SELECT title FROM {table}"))


def test_select_for_update():
    with transaction.atomic():
        assert len(Book.objects.select_for_update()) == 4
    if connection.features.has_select_for_update:
        with pytest.raises(transaction.TransactionManagementError, match="outside of a transaction"):
            list(Book.objects.select_for_update())
    with pytest.raises(ValueError, match="nowait"):
        Book.objects.select_for_update(nowait=True, skip_locked=True)


# --- combinations ---------------------------------------------------------------------------------------------------


def test_union_intersection_difference():
    low, high = Book.objects.filter(rating__lte=3), Book.objects.filter(rating__gte=3)
    assert in_order(low.union(high)) == ["Four", "One", "Two"]
    assert in_order(low.union(high, all=True)) == ["Four", "Four", "One", "Two"]
    assert in_order(low.intersection(high)) == ["Four"]
    assert in_order(low.difference(high)) == ["One"]
    assert titles(low.union(high).order_by("-title")[:2]) == ["Two", "One"]
    assert low.union(high).count() == 3
    assert low.union(high).exists()
    assert list(low.union(high).values_list("title", flat=True).order_by("title")) == ["Four", "One", "Two"]
    assert in_order(low.order_by("title")[:1].union(high)) == ["Four", "Two"]
    assert in_order(low.union(Book.objects.none())) == ["Four", "One"]
    with pytest.raises(Exception, match=r"filter\(\) after union\(\)"):
        low.union(high).filter(title="One")


def test_combinations_are_ordered_by_a_column_under_each_of_its_names(library):
    low, high = Book.objects.filter(rating__lte=3), Book.objects.filter(rating__gte=3)
    keys = [library.one.pk, library.two.pk, library.four.pk]
    both = low.union(high)
    for name in ("pk", "id"):
        for order in ("pk", "id"):
            assert list(both.order_by(order).values_list(name, flat=True)) == keys
            assert list(both.values_list(name, flat=True).order_by(f"-{order}")) == keys[::-1]
            parts = low.values_list(name, "title").union(high.values_list(name, "title"))
            assert list(parts.order_by(F(order).desc())) == list(zip(keys, ("One", "Two", "Four"), strict=True))[::-1]
    ann, bob = library.ann.pk, library.bob.pk
    assert list(both.order_by("-rating", "pk").values_list("pk", "rating"))[0] == (library.two.pk, 5)
    for name in ("author", "author_id"):
        for order in ("author", "author_id"):
            found = both.order_by(order, "-pk").values_list(name, "pk")
            assert list(found) == list(zip((ann, ann, bob), (keys[1], keys[0], keys[2]), strict=True))
    # "pk" is not the first column, nor does it mean another one.
    assert [row[1] for row in both.order_by("-pk").values_list("title", "pk")] == keys[::-1]
    with pytest.raises(FieldError, match="'pk' does not match any column"):
        list(both.order_by("pk").values_list("title"))


def test_values_of_a_combination_choose_among_the_values_of_its_parts(library):
    books, tags = Book.objects.values("title", "rating"), Tag.objects.values("name", "pk")
    both = books.filter(rating__lt=4).union(tags.filter(name__in=["red", "blue"]))
    assert list(both.values_list("title", flat=True).order_by("title")) == ["Four", "One", "blue", "red"]
    ratings = [1, 3, *sorted([library.red.pk, library.blue.pk])]
    assert sorted(both.values_list("rating", flat=True)) == sorted(ratings)
    assert [row["rating"] for row in both.values("rating").order_by("-title")][-2:] == [1, 3]
    assert list(both.order_by("title").values_list("rating", "title"))[:2] == [(3, "Four"), (1, "One")]
    assert list(both.order_by("title")[:1].values("rating")) == [{"rating": 3}]
    assert both.values("rating").count() == 4
    assert in_order(Book.objects.filter(rating__in=both.values("rating").order_by())) == in_order(
        Book.objects.filter(rating__in=ratings)
    )
    with pytest.raises(FieldError, match="nix"):
        both.values("nix")
    with pytest.raises(FieldError, match="Choices are: title, rating"):
        list(both.values("author"))


def test_what_values_leave_out_still_says_which_rows_a_combination_has(library):
    Book.objects.create(title="One", author=library.bob, rating=9)
    every, best = Book.objects.values("title", "rating"), Book.objects.filter(rating=9).values("title", "rating")
    rest = every.filter(title="One").difference(best)
    assert list(rest.values("title")) == [{"title": "One"}]
    assert list(every.union(best).values_list("title", flat=True).order_by("title"))[1:3] == ["One", "One"]
    assert list(rest.values_list("rating", flat=True)) == [1]
    # Names that instances are given up for may be changed again.
    books = Book.objects.filter(rating=1).union(Book.objects.filter(rating=9))
    assert list(books.values("title").values_list("rating", flat=True).order_by("rating")) == [1, 9]


def test_operators():
    low, high = Book.objects.filter(rating__lte=3), Book.objects.filter(rating__gte=3)
    assert in_order(low & high) == ["Four"]
    assert in_order(low | high) == ["Four", "One", "Two"]
    assert in_order(low ^ high) == ["One", "Two"]
    assert in_order(low | Book.objects.none()) == ["Four", "One"]
    with pytest.raises(TypeError, match="different base models"):
        low | Author.objects.all()


def test_using_names_the_database():
    assert Book.objects.using("other").db == "other"
    assert Book.objects.db_manager("other").all().db == "other"
    assert Book.objects.all().db == "default"


# --- managers -------------------------------------------------------------------------------------------------------


def test_managers_of_ones_own(define):
    class Loved(models.QuerySet):
        def loved(self):
            return self.filter(rating__gte=3)

        def _private(self):
            return 1

    class Loving(models.Manager):
        def get_queryset(self):
            return super().get_queryset().exclude(title="Two")

    Meta = {"db_table": Book._meta.db_table, "managed": False}
    fields = {"title": models.CharField(max_length=50), "rating": models.IntegerField(null=True)}
    Read = define("Read", objects=Loved.as_manager(), others=Loving.from_queryset(Loved)(), Meta=Meta, **fields)
    assert sorted(book.title for book in Read.objects.loved()) == ["Four", "Two"]
    assert sorted(book.title for book in Read.objects.filter(rating__gt=0).loved()) == ["Four", "Two"]
    assert [book.title for book in Read.others.loved()] == ["Four"]
    assert not hasattr(Read.objects, "_private")
    with pytest.raises(Read.DoesNotExist):
        Read.others.get(title="Two")
    assert Read.objects.get(title="Two").rating == 5
    with pytest.raises(AttributeError, match="instances"):
        Read.objects.get(title="Two").objects  # noqa: B018


def test_questions_begin_anew_at_a_manager_each_time():
    everything = Book.objects.all()
    assert len(everything) == 4
    Book.objects.filter(title="One").delete()
    assert len(everything) == 4
    assert len(Book.objects.all()) == 3
    assert len(Book.objects.order_by("title")) == 3
    assert Book.objects.all() is not Book.objects.all()


def test_a_manager_whose_get_queryset_is_replaced_begins_there(define, monkeypatch):
    Pizza = define("Pizza", name=models.CharField(max_length=20))
    some = Pizza.objects.filter(name="some")
    with monkeypatch.context() as patch:
        patch.setattr(Pizza.objects, "get_queryset", lambda: some)
        assert Pizza.objects.all() is some
        assert "some" in str(Pizza.objects.order_by("name").query) and "some" in str(Pizza.objects.filter(id=1).query)
    assert "some" not in str(Pizza.objects.all().query)


@pytest.mark.parametrize("before", [True, False], ids=["asked before", "never asked before"])
@pytest.mark.parametrize("back", ["set", "deleted"])
def test_whatever_a_manager_does_begins_at_a_replaced_get_queryset(define, create_tables, before, back):
    Pizza = define("Pizza", name=models.CharField(max_length=20))
    create_tables(Pizza)
    pizza = Pizza(name="Funghi")
    pizza.save()
    manager = Pizza._default_manager

    def count():
        everything = [Pizza.objects.all(), Pizza.objects.filter(name="Funghi"), Pizza.objects.exclude(name="x")]
        counts = {len(rows) for rows in everything} | {Pizza.objects.count(), len(Pizza.objects.order_by("pk"))}
        try:
            assert Pizza.objects.get(name="Funghi") == pizza
        except Pizza.DoesNotExist:
            return counts | {0}
        return counts | {1}

    if before:
        assert count() == count() == {1}
    original = manager.get_queryset
    nothing = Pizza._base_manager.none()
    manager.get_queryset = lambda: nothing
    assert count() == count() == {0}
    if back == "set":
        manager.get_queryset = original
    else:
        del manager.get_queryset
    assert count() == count() == {1}
    assert Pizza.objects._beginning is not None, "it is slower than before"


def test_a_manager_that_gets_another_model_or_class_of_querysets_is_about_those(define, create_tables):
    class Big(models.QuerySet):
        def filter(self, *args, **kwargs):
            return super().filter(*args, number__gt=5, **kwargs)

    class Other(models.Manager):
        def __init__(self, queryset_class):
            super().__init__()
            self._queryset_class = queryset_class

    One = define("One", number=models.IntegerField(), objects=Other(Big), all_of_them=models.Manager())
    Two = define("Two", number=models.IntegerField())
    create_tables(One, Two)
    for number in (1, 9):
        One(number=number).save()
    assert One.objects.filter(pk__gt=0).count() == One.objects.all().filter(pk__gt=0).count() == 1
    assert One.all_of_them.filter(number=1).count() == 1
    manager = One.all_of_them
    manager.model = Two
    assert not manager.all() and not manager.filter(number=1) and manager.count() == 0
    with pytest.raises(Two.DoesNotExist):
        manager.get(number=1)
    manager.model, manager._queryset_class = One, Big
    assert type(manager.all()) is type(manager.filter(number=9)) is type(manager.get_queryset()) is Big
    assert not manager.filter(number=1)


def test_managers_are_copied_without_what_they_know_of_their_model(define):
    Book.objects.filter(title="One")
    for manager in (copy.copy(Book.objects), copy.deepcopy(Book.objects), pickle.loads(pickle.dumps(Book.objects))):
        manager.model = Author
        assert manager.filter(name="x").model is Author
        assert manager.order_by("name").model is Author
        assert manager.all().model is Author
    other = pickle.loads(pickle.dumps(Book.objects.db_manager("other")))
    other.model = Book
    assert other.db == other.order_by("title").db == "other"
    assert Book.objects.db_manager("other").order_by("title").db == "other"
    assert Book.objects.db_manager("other").filter(title="One").db == "other"


def test_heirs_ask_about_themselves_whoever_was_asked_first(define):
    Cake = define("Cake", name=models.CharField(max_length=50), Meta={"abstract": False})
    assert Cake.objects.filter(name="a").model is Cake
    Torte = define("Torte", Cake, Meta={"proxy": True})
    assert Torte.objects.filter(name="a").model is Torte
    assert Torte.objects.select_related().model is Torte
    assert Torte._default_manager.exclude(name="a").model is Torte
    assert Cake.objects.order_by("name").model is Cake


def test_what_a_queryset_class_overrides_is_called_by_its_managers():
    class Loud(models.QuerySet):
        def order_by(self, *names):
            return super().order_by(*names)._called("order_by")

        def exclude(self, *args, **kwargs):
            return super().exclude(*args, **kwargs)._called("exclude")

        def _called(self, name):
            self.heard = (*getattr(self, "heard", ()), name)
            return self

    class Quiet(models.Manager):
        def get_queryset(self):
            return Loud(self.model)

    for manager in (Loud.as_manager(), models.Manager.from_queryset(Loud)(), Quiet()):
        manager.model = Book
        assert manager.order_by("title").exclude(title="One").heard == ("order_by", "exclude")
        assert manager.exclude(title="One").heard == ("exclude",)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63) + 1, 2**63, -(2**63), 10**30])
def test_numbers_of_any_size_are_compared(number):
    assert Book.objects.filter(rating=number).count() == 0
    assert Book.objects.exclude(rating=number).count() == 4
    assert Book.objects.filter(title="One", rating=number).count() == 0
    assert not Book.objects.filter(pk=number).exists()

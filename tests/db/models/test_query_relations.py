"""QuerySets across relations: joins, exclusion, grouping, select_related, multi-table inheritance, subqueries."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import connection, models
from webframe.db.models import Avg, Count, Exists, F, Max, OuterRef, Q, Subquery, Sum, Value
from webframe.db.models.functions import Coalesce, Concat

from .library import Author, Book, Country, Novel, Profile, Tag

pytestmark = pytest.mark.usefixtures("library")


def names(queryset):
    return sorted(str(each) for each in queryset)


class Counting:
    """How many statements ran, and which."""

    def __init__(self):
        self.statements = []

    def __call__(self, execute, sql, params, many, context):
        self.statements.append(sql)
        return execute(sql, params, many, context)


def test_forward_relations_are_followed(library):
    assert names(Book.objects.filter(author__name="Ann")) == ["One", "Two"]
    assert names(Book.objects.filter(author__country__name="DE")) == ["Four", "Three"]
    assert names(Book.objects.filter(author=library.ann)) == ["One", "Two"]
    assert names(Book.objects.filter(author=library.ann.pk)) == ["One", "Two"]
    assert names(Book.objects.filter(author_id=library.ann.pk)) == ["One", "Two"]
    assert names(Book.objects.filter(author__pk=library.ann.pk)) == ["One", "Two"]
    assert names(Book.objects.filter(author__in=[library.ann, library.cid])) == ["One", "Two"]
    assert names(Book.objects.filter(editor=None)) == ["Two"]
    assert names(Book.objects.filter(editor__isnull=False)) == ["Four", "One", "Three"]
    assert names(Book.objects.filter(author__country=None)) == []


def test_a_key_at_hand_needs_no_join():
    for condition in ({"author__id": 1}, {"author__pk": 1}, {"author_id": 1}, {"tags": 1}, {"author__isnull": True}):
        sql = str(Book.objects.filter(**condition).query)
        assert sql.count("JOIN") == (1 if "tags" in condition else 0)


def test_reverse_relations_are_followed(library):
    assert names(Author.objects.filter(books__title="One")) == ["Ann"]
    assert names(Author.objects.filter(books=library.one)) == ["Ann"]
    assert names(Author.objects.filter(books__isnull=True)) == ["Cid"]
    assert names(Country.objects.filter(authors__books__rating__gte=3).distinct()) == ["CH", "DE"]
    assert names(Author.objects.filter(profile__text__contains="Ann")) == ["Ann"]
    assert names(Author.objects.filter(profile__isnull=True)) == ["Bob", "Cid"]
    assert names(Author.objects.filter(profile=library.profile)) == ["Ann"]
    assert names(Tag.objects.filter(books__author__name="Ann").distinct()) == ["blue", "red"]


def test_conditions_in_one_call_speak_of_the_same_related_row():
    assert names(Author.objects.filter(books__title="One", books__rating=5)) == []
    assert names(Author.objects.filter(books__title="One").filter(books__rating=5)) == ["Ann"]
    assert names(Author.objects.filter(Q(books__title="One") & Q(books__rating=1))) == ["Ann"]
    assert names(Book.objects.filter(tags__name="red").filter(tags__name="blue")) == ["One"]
    assert names(Book.objects.filter(tags__name="red", tags__id__gt=0)) == ["One", "Two"]


def test_rows_come_as_often_as_related_rows_match():
    assert names(Author.objects.filter(books__rating__gte=1)) == ["Ann", "Ann", "Bob"]
    assert names(Author.objects.filter(books__rating__gte=1).distinct()) == ["Ann", "Bob"]


def test_exclude_means_no_related_row_such_that():
    assert names(Author.objects.exclude(books__title="One")) == ["Bob", "Cid"]
    assert names(Author.objects.exclude(books__rating__gt=1)) == ["Cid"]
    assert names(Author.objects.exclude(books__isnull=True)) == ["Ann", "Bob"]
    assert names(Author.objects.exclude(books__isnull=False)) == ["Cid"]
    assert names(Author.objects.filter(books__rating=None)) == ["Bob", "Cid"]
    assert names(Author.objects.exclude(books__rating=None)) == ["Ann"]
    assert names(Author.objects.filter(~Q(books__title="One") | Q(name="Ann"))) == ["Ann", "Bob", "Cid"]
    assert names(Book.objects.exclude(tags__name="red")) == ["Four", "Three"]
    assert names(Book.objects.exclude(author__books__title="Three")) == ["One", "Two"]
    assert names(Tag.objects.exclude(books__author__country__name="CH")) == ["old"]
    assert names(Author.objects.exclude(books__rating=F("pk") * 1000)) == ["Ann", "Bob", "Cid"]


def test_exclude_over_a_relation_that_may_be_null_keeps_rows_without():
    assert names(Book.objects.exclude(editor__name="Bob")) == ["Four", "Two"]
    assert names(Author.objects.exclude(country__name="CH")) == ["Bob", "Cid"]
    assert names(Author.objects.exclude(country__name="CH", name="Bob")) == ["Ann", "Bob", "Cid"]


def test_joins_are_inner_where_a_condition_needs_a_row_and_left_where_not():
    assert "LEFT" not in str(Book.objects.filter(editor__name="Bob").query)
    assert "LEFT" in str(Book.objects.filter(Q(editor__name="Bob") | Q(title="Two")).query)
    assert names(Book.objects.filter(Q(editor__name="Bob") | Q(title="Two"))) == ["One", "Three", "Two"]
    both = Q(editor__name="Bob", rating=1) | Q(editor__name="Cid")
    assert "LEFT" not in str(Book.objects.filter(both).query)
    assert names(Book.objects.filter(both)) == ["Four", "One"]
    assert names(Book.objects.filter(Q(editor__name="Bob") ^ Q(rating=1))) == ["Three"]
    assert "LEFT" not in str(Book.objects.filter(author__name="Ann").query)
    assert "LEFT" in str(Book.objects.order_by("editor__name").query)


def test_ordering_across_relations():
    assert [book.title for book in Book.objects.order_by("author__name", "-title")] == ["Two", "One", "Three", "Four"]
    assert [book.title for book in Book.objects.order_by("-author", "title")] == ["Four", "Three", "One", "Two"]
    found = [author.name for author in Author.objects.order_by(F("country__name").desc(nulls_last=True))]
    assert found == ["Bob", "Ann", "Cid"]
    assert "JOIN" not in str(Book.objects.order_by("author_id").query)
    assert "JOIN" in str(Book.objects.order_by("author").query)


def test_ordering_by_a_relation_to_many_is_in_the_order_of_the_related_model(define, create_tables):
    name = models.CharField(max_length=9)
    Label = define("Label", name=name, Meta={"ordering": ["-name"]})
    labels = models.ManyToManyField(Label, through="Put", related_name="items")
    Item = define("Item", title=models.CharField(max_length=9), labels=labels, Meta={"ordering": ["-title"]})
    keys = {name: models.ForeignKey(to, models.CASCADE) for name, to in (("label", Label), ("item", Item))}
    Put = define("Put", **keys, place=models.IntegerField(), Meta={"ordering": ["-place"]})
    create_tables()
    b, c, a = [Label.objects.create(name=name) for name in "bca"]
    one, two = [Item.objects.create(title=title) for title in ("one", "two")]
    for place, (label, item) in enumerate([(b, one), (c, one), (b, two), (a, two)]):
        Put.objects.create(label=label, item=item, place=place)
    found = Item.objects.values_list("title", "labels__name")
    expected = [("one", "c"), ("one", "b"), ("two", "b"), ("two", "a")]
    assert list(found.order_by("labels", "pk")) == expected
    assert list(found.order_by("-labels", "-pk")) == list(found.order_by("labels", "pk").reverse()) == expected[::-1]
    assert list(Label.objects.order_by("items", "-pk").values_list("name", "items__title")) == [
        ("a", "two"), ("b", "two"), ("c", "one"), ("b", "one"),
    ]  # fmt: skip
    assert list(found.order_by("put").values_list("put__place", flat=True)) == [3, 2, 1, 0]
    assert list(found.order_by("put__label", "pk")) == expected
    # The key is another matter.
    assert list(found.order_by("labels__pk", "pk")) == [("one", "b"), ("two", "b"), ("one", "c"), ("two", "a")]


def test_what_values_names_is_ordered_by_as_it_is(library):
    rows = Book.objects.values("editor").annotate(n=Count("pk")).exclude(editor=None)
    Author.objects.filter(pk=library.bob.pk).update(name="Zoe")
    assert [row["editor"] for row in rows.order_by("editor")] == [library.bob.pk, library.cid.pk]
    assert [row["editor"] for row in rows.order_by("-editor")] == [library.cid.pk, library.bob.pk]
    assert "JOIN" not in str(Book.objects.values("editor").order_by("editor").query)
    assert "JOIN" in str(Book.objects.values("editor_id").order_by("editor").query)


def test_values_across_relations():
    rows = Book.objects.order_by("title").values("title", "author__name", "editor__name")
    assert rows[3] == {"title": "Two", "author__name": "Ann", "editor__name": None}
    assert list(Author.objects.order_by("name", "books__title").values_list("name", "books__title")) == [
        ("Ann", "One"), ("Ann", "Two"), ("Bob", "Four"), ("Bob", "Three"), ("Cid", None),
    ]  # fmt: skip


def test_grouping_by_the_model():
    authors = Author.objects.annotate(n=Count("books"), best=Max("books__rating")).order_by("-n", "name")
    assert [(author.name, author.n, author.best) for author in authors] == [
        ("Ann", 2, 5),
        ("Bob", 2, 3),
        ("Cid", 0, None),
    ]
    assert names(Author.objects.annotate(n=Count("books")).filter(n__gt=1)) == ["Ann", "Bob"]
    assert names(Author.objects.annotate(n=Count("books")).exclude(n=2)) == ["Cid"]
    assert names(Author.objects.annotate(n=Count("books")).filter(Q(n=0) | Q(name="Ann"))) == ["Ann", "Cid"]
    assert Author.objects.annotate(n=Count("books")).aggregate(total=Sum("n"), mean=Avg("n")) == {
        "total": 4, "mean": pytest.approx(4 / 3),
    }  # fmt: skip
    assert Author.objects.annotate(n=Count("books")).count() == 3
    rows = Author.objects.annotate(n=Count("books")).order_by("name").values("name", "n")
    assert list(rows)[2] == {"name": "Cid", "n": 0}


def test_rows_are_one_group_where_they_have_in_common_what_is_taken_of_another_table(library):
    authors = Author.objects.annotate(n=Count("books")).order_by("name")
    assert list(authors.values_list("books__author", "n")) == [(library.ann.pk, 2), (library.bob.pk, 2), (None, 0)]
    years = {("Ann", 2020, 2), ("Bob", 2021, 1), ("Bob", None, 1), ("Cid", None, 0)}
    found = list(authors.values_list("name", "books__published__year", "n"))
    assert (len(found), set(found)) == (4, years)
    assert authors.values("books__author").count() == 3
    # The key of the other table is another matter.
    assert authors.values("books", "n").count() == 5


def test_grouping_by_values():
    rows = Book.objects.values("author__name").annotate(n=Count("id"), total=Sum("rating")).order_by("author__name")
    assert list(rows) == [{"author__name": "Ann", "n": 2, "total": 6}, {"author__name": "Bob", "n": 2, "total": 3}]
    rows = Author.objects.values("country__name").annotate(n=Count("pk")).order_by("country__name")
    assert {row["country__name"]: row["n"] for row in rows} == {"CH": 1, "DE": 1, None: 1}
    rows = Book.objects.annotate(good=F("rating") + 1).values("good").annotate(n=Count("id")).filter(n__gte=1)
    assert sorted((row["good"] or 0, row["n"]) for row in rows) == [(0, 1), (2, 1), (4, 1), (6, 1)]
    rows = Book.objects.values("author").annotate(n=Count("id")).filter(n__gt=5)
    assert list(rows) == []


def test_a_filter_before_an_annotation_limits_what_is_counted_and_after_it_does_not():
    before = Author.objects.filter(books__rating=5).annotate(n=Count("books"))
    assert [(author.name, author.n) for author in before] == [("Ann", 1)]
    after = Author.objects.annotate(n=Count("books", distinct=True)).filter(books__rating=5)
    assert [(author.name, author.n) for author in after] == [("Ann", 2)]


def test_grouped_rows_bring_their_relations_along():
    books = Book.objects.select_related("author__country").annotate(n=Count("tags")).order_by("title")
    assert [(book.title, book.author.country.name, book.n) for book in books][1] == ("One", "CH", 2)


def test_subqueries(library):
    newest = Book.objects.filter(author=OuterRef("pk")).order_by("-title").values("title")[:1]
    authors = Author.objects.annotate(newest=Subquery(newest))
    assert [(author.name, author.newest) for author in authors] == [("Ann", "Two"), ("Bob", "Three"), ("Cid", None)]
    good = Book.objects.filter(author=OuterRef("pk"), rating__gte=5)
    assert names(Author.objects.filter(Exists(good))) == ["Ann"]
    assert names(Author.objects.filter(~Exists(good))) == ["Bob", "Cid"]
    assert names(Book.objects.filter(author__in=Author.objects.filter(name="Ann"))) == ["One", "Two"]
    assert names(Book.objects.filter(author__in=Author.objects.filter(name="Ann").values("pk"))) == ["One", "Two"]
    assert names(Book.objects.filter(author__name__in=Author.objects.values("name").filter(name="Bob"))) == [
        "Four",
        "Three",
    ]
    assert names(Book.objects.exclude(author__in=Author.objects.filter(name="Ann"))) == ["Four", "Three"]
    assert names(Book.objects.filter(author=Author.objects.filter(name="Ann").values("pk")[:1])) == ["One", "Two"]
    union = Author.objects.filter(name="Ann").union(Author.objects.filter(name="Cid"))
    assert names(Book.objects.filter(author__in=union.values("pk"))) == ["One", "Two"]
    twice = Author.objects.filter(Exists(Book.objects.filter(Exists(Tag.objects.filter(
        books=OuterRef("pk"), books__author=OuterRef(OuterRef("pk"))
    )))))  # fmt: skip
    assert names(twice) == ["Ann", "Bob"]


def test_the_same_subquery_with_other_values():
    for name, expected in (("Ann", ["One", "Two"]), ("Bob", ["Four", "Three"])):
        assert names(Book.objects.filter(author__in=Author.objects.filter(name=name), rating__gte=0) | (
            Book.objects.filter(author__in=Author.objects.filter(name=name), rating=None)
        )) == expected  # fmt: skip


def test_select_related_brings_related_objects_in_one_question():
    counting = Counting()
    with connection.execute_wrapper(counting):
        books = list(Book.objects.select_related("author__country", "editor").order_by("title"))
        assert [(book.author.name, getattr(book.author.country, "name", None)) for book in books] == [
            ("Bob", "DE"), ("Ann", "CH"), ("Bob", "DE"), ("Ann", "CH"),
        ]  # fmt: skip
        assert [str(book.editor) for book in books] == ["Cid", "Bob", "Bob", "None"]
        authors = {author.name: author for author in Author.objects.select_related("profile")}
        assert authors["Ann"].profile.text == "about Ann"
        assert authors["Ann"].profile.author is authors["Ann"]
        with pytest.raises(Profile.DoesNotExist):
            authors["Bob"].profile  # noqa: B018
        profile = Profile.objects.select_related("author").get()
        assert profile.author.profile is profile
    assert len(counting.statements) == 3
    assert Book.objects.select_related().get(title="One").__dict__["_cached_author"].name == "Ann"
    assert "_cached_author" not in Book.objects.select_related("author").select_related(None).first().__dict__


@pytest.mark.parametrize(
    "books",
    [
        Book.objects.select_related("author").defer("author"),
        Book.objects.defer("title", "author").select_related("author__country"),
        Book.objects.select_related("author").only("title"),
    ],
)
def test_what_is_deferred_is_not_followed(books):
    with pytest.raises(FieldError, match=r"Book\.author cannot be both deferred and traversed using select_related"):
        list(books)


def test_select_related_refuses_what_it_cannot_follow():
    with pytest.raises(FieldError, match="Invalid field name.*Choices are: author, editor"):
        Book.objects.select_related("nix")
    with pytest.raises(FieldError, match="Non-relational"):
        Book.objects.select_related("title")
    with pytest.raises(FieldError, match="Invalid field name"):
        Book.objects.select_related("tags")
    with pytest.raises(TypeError, match="after .values"):
        Book.objects.values("title").select_related("author")


def test_only_with_select_related():
    book = Book.objects.select_related("author").only("title", "author__name").get(title="One")
    assert "rating" not in book.__dict__
    assert "country_id" not in book.author.__dict__
    assert book.author.country.name == "CH"
    with pytest.raises(FieldError, match="both deferred and traversed"):
        list(Book.objects.select_related("author").only("title"))


def test_a_related_object_that_is_missing_is_missed_also_where_fields_may_be():
    author = Author.objects.only("name").get(name="Bob")
    with pytest.raises(Profile.DoesNotExist):
        author.profile  # noqa: B018
    assert not hasattr(author, "profile")
    assert not hasattr(author, "nix")


def test_multi_table_inheritance(library):
    novel = Novel.objects.create(title="Long", author=library.cid, rating=4, pages=900)
    assert names(Novel.objects.filter(title="Long", pages__gt=100, author__name="Cid")) == ["Long"]
    assert names(Book.objects.filter(novel__pages=900)) == ["Long"]
    assert names(Book.objects.filter(novel__isnull=True)) == ["Four", "One", "Three", "Two"]
    assert names(Author.objects.filter(books__novel__pages=900)) == ["Cid"]
    assert Novel.objects.get(pk=novel.pk).title == "Long"
    assert Novel.objects.get(title="Long") == novel
    assert list(Novel.objects.values("title", "pages")) == [{"title": "Long", "pages": 900}]
    assert Novel.objects.only("pages").get().title == "Long"
    assert Novel.objects.select_related("author").get().author == library.cid
    assert Novel.objects.filter(pages=900).update(title="Longer", pages=901) == 1
    assert Novel.objects.filter(title="Longer").update(rating=F("rating") + 1) == 1
    assert Novel.objects.values_list("title", "pages", "rating").get() == ("Longer", 901, 5)
    assert Novel.objects.order_by("title").first().book_ptr.title == "Longer"
    assert Novel.objects.exclude(title="Longer").count() == 0
    assert Novel.objects.annotate(n=Count("tags")).get().n == 0


@pytest.mark.parametrize("write", ["update", "delete"])
def test_rows_are_chosen_before_any_is_changed(write):
    tag = Tag.objects.create(name="both")
    for title in ("Low", "Lower"):
        book = Book.objects.create(title=title, rating=0, author=Author.objects.get(name="Ann"))
        book.tags.add(tag)
    # Each of them is alone among the books of its tags with no rating, until the other one has got one.
    low = Book.objects.filter(title__startswith="Low").exclude(tags__books__rating__gte=1)
    assert low.count() == 2
    if write == "update":
        assert low.update(rating=F("rating") + 10) == 2
        assert set(Book.objects.filter(tags=tag).values_list("rating", flat=True)) == {10}
    else:
        assert low.delete()[1]["library.Book"] == 2
        assert not Book.objects.filter(tags=tag).exists()


def test_new_values_are_found_before_any_is_written():
    Book.objects.all().delete()
    ann = Author.objects.get(name="Ann")
    for rating in (1, 2, 3):
        Book.objects.create(title=f"Book {rating}", rating=rating, author=ann)
    # Each takes over the rating of the one below it, which in turn takes over another.
    below = Book.objects.filter(rating__lt=OuterRef("rating")).order_by("-rating").values("rating")[:1]
    assert Book.objects.filter(author__name="Ann").update(rating=Coalesce(Subquery(below), 0)) == 3
    assert dict(Book.objects.values_list("title", "rating")) == {"Book 1": 0, "Book 2": 1, "Book 3": 2}
    assert Book.objects.update(rating=Coalesce(Subquery(below), 0), title=Concat("title", Value("!"))) == 3
    assert dict(Book.objects.values_list("title", "rating")) == {"Book 1!": 0, "Book 2!": 0, "Book 3!": 1}
    assert Book.objects.filter(rating=1).update(title="Last", rating=Coalesce(Subquery(below), 7)) == 1
    assert dict(Book.objects.values_list("title", "rating")) == {"Book 1!": 0, "Book 2!": 0, "Last": 0}


@pytest.mark.parametrize("table", ["found", "chosen", "new_0"])
def test_new_values_are_found_whatever_the_table_is_called(define, create_tables, table):
    Thing = define("Thing", new_0=models.AutoField(primary_key=True), n=models.IntegerField(), Meta={"db_table": table})
    create_tables(Thing)
    for n in (1, 2, 3):
        Thing(n=n).save()
    assert Thing.objects.update(n=Subquery(Thing.objects.order_by("-n").values("n")[:1])) == 3
    assert [thing.n for thing in Thing.objects.all()] == [3, 3, 3]


def test_update_and_delete_by_related_rows():
    assert Book.objects.filter(author__name="Ann").update(rating=7) == 2
    assert Book.objects.filter(author__country__name="CH", rating=7).count() == 2
    with pytest.raises(FieldError, match="Joined field references"):
        Book.objects.update(title=F("author__name"))
    assert Book.objects.filter(tags__name="red").update(editor=None) == 2
    deleted, by_model = Book.objects.filter(author__name="Ann").delete()
    assert by_model["library.Book"] == 2
    assert names(Book.objects.all()) == ["Four", "Three"]
    novels = Novel.objects.filter(author__name="Bob")
    assert novels._raw_delete("default") == 0


def test_objects_of_other_models_are_refused(library):
    with pytest.raises(ValueError, match='Must be "Author" instance'):
        Book.objects.filter(author=library.one)
    with pytest.raises(ValueError, match="must be saved"):
        Book.objects.filter(author=Author(name="new"))
    with pytest.raises(FieldError, match="Related Field got invalid lookup"):
        Book.objects.filter(author__contains="A")


def test_prefetch_related():
    counting = Counting()
    with connection.execute_wrapper(counting):
        authors = list(Author.objects.prefetch_related("books__tags").order_by("name"))
        found = [(book.title, sorted(tag.name for tag in book.tags.all())) for book in authors[0].books.all()]
    assert sorted(found) == [("One", ["blue", "red"]), ("Two", ["red"])]
    assert len(counting.statements) == 3

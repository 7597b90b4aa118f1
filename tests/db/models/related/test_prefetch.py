"""prefetch_related: one question for each relation, whatever the number of objects."""

from __future__ import annotations

import pickle

import pytest

from webframe.db.models import Count, F, Prefetch, prefetch_related_objects


@pytest.fixture
def shelf(world):
    """Two authors with two books each, each with two tags, and a country."""
    country = world.Country.objects.create(code="it")
    tags = [world.Tag.objects.create(name=name) for name in "abc"]
    for name in "AB":
        author = world.Author.objects.create(name=name, country=country)
        world.Profile.objects.create(author=author, text=name)
        for number in (1, 2):
            book = world.Book.objects.create(title=f"{name}{number}", author=author, hidden=number == 2)
            book.tags.set(tags[number - 1 : number + 1])
    world.Author.objects.create(name="C")
    return world


def test_one_question_for_each_level(shelf, questions):
    with questions(4):
        authors = list(shelf.Author.objects.order_by("name").prefetch_related("books__tags", "country"))
        found = {
            author.name: {book.title: [tag.name for tag in book.tags.all()] for book in author.books.all()}
            for author in authors
        }
        assert found == {"A": {"A1": ["a", "b"], "A2": ["b", "c"]}, "B": {"B1": ["a", "b"], "B2": ["b", "c"]}, "C": {}}
        assert [author.country and author.country.code for author in authors] == ["it", "it", None]


def test_related_objects_know_each_other(shelf, questions):
    with questions(2):
        for author in shelf.Author.objects.prefetch_related("books"):
            assert all(book.author is author for book in author.books.all())


def test_the_other_end_of_many_to_many(shelf, questions):
    with questions(2):
        tags = list(shelf.Tag.objects.prefetch_related("books"))
        assert [sorted(book.title for book in tag.books.all()) for tag in tags] == [
            ["A1", "B1"],
            ["A1", "A2", "B1", "B2"],
            ["A2", "B2"],
        ]


def test_one_to_one_both_ways(shelf, questions):
    with questions(2):
        for author in shelf.Author.objects.prefetch_related("profile").filter(name__in="AB"):
            assert author.profile.text == author.name and author.profile.author is author
    with questions(2):
        for profile in shelf.Profile.objects.prefetch_related("author"):
            assert profile.author.profile is profile
    with questions(2):
        (author,) = shelf.Author.objects.prefetch_related("profile").filter(name="C")
        assert not hasattr(author, "profile")


def test_a_queryset_of_ones_own_and_an_attribute_for_it(shelf, questions):
    books = shelf.Book.objects.filter(hidden=False)
    with questions(3):
        authors = shelf.Author.objects.order_by("name").prefetch_related(
            Prefetch("books", queryset=books, to_attr="shown"), Prefetch("books", queryset=shelf.Book.objects.all())
        )
        assert [[book.title for book in author.shown] for author in authors] == [["A1"], ["B1"], []]
        assert [author.books.count() for author in authors] == [2, 2, 0]


def sliced(owners, name, queryset, label):
    """What prefetching a slice gives for each of these objects."""
    found = owners.order_by("name").prefetch_related(Prefetch(name, queryset=queryset, to_attr="some"))
    return [[getattr(each, label) for each in owner.some] for owner in found]


def test_a_slice_is_taken_of_the_rows_of_each_object(shelf, questions):
    authors, books = shelf.Author.objects, shelf.Book.objects
    with questions(2):
        assert sliced(authors, "books", books.order_by("-title")[:1], "title") == [["A2"], ["B2"], []]
    assert sliced(authors, "books", books.order_by("title")[1:5], "title") == [["A2"], ["B2"], []]
    assert sliced(authors, "books", books.order_by("title").reverse()[1:], "title") == [["A1"], ["B1"], []]
    assert sliced(authors, "books", books.filter(hidden=True)[:2], "title") == [["A2"], ["B2"], []]
    assert sliced(authors, "books", books.all()[:0], "title") == [[], [], []]
    assert sliced(authors, "books", books.order_by("-title").only("id")[:1], "title") == [["A2"], ["B2"], []]
    assert sliced(authors, "books", books.order_by("author__name", "-title")[:1], "title") == [["A2"], ["B2"], []]


def test_a_slice_is_taken_of_the_rows_of_each_object_through_many_to_many(shelf, questions):
    tags, books = shelf.Tag.objects, shelf.Book.objects
    with questions(2):
        assert sliced(tags, "books", books.order_by("-title")[:1], "title") == [["B1"], ["B2"], ["B2"]]
    assert sliced(tags, "books", books.order_by("-title")[1:3], "title") == [["A1"], ["B1", "A2"], ["A2"]]
    titles = books.order_by("title")
    some = titles.prefetch_related(Prefetch("tags", queryset=shelf.Tag.objects.all()[1:], to_attr="some"))
    assert [[tag.name for tag in book.some] for book in some] == [["b"], ["c"], ["b"], ["c"]]


def test_a_slice_of_distinct_and_of_grouped_rows(shelf):
    authors, books = shelf.Author.objects, shelf.Book.objects
    shelf.Book.objects.get(title="B1").tags.clear()
    tagged = books.filter(tags__isnull=False).distinct().order_by(F("title").asc(nulls_last=True))
    assert sliced(authors, "books", tagged[:2], "title") == [["A1", "A2"], ["B2"], []]
    counted = books.annotate(number=Count("tags")).order_by("-number", "title")
    assert sliced(authors, "books", counted[:1], "title") == [["A1"], ["B2"], []]
    assert sliced(authors, "books", counted.filter(number=0)[:1], "number") == [[], [0], []]
    assert sliced(authors, "books", books.annotate(number=Count("tags") + 1).order_by("number")[:1], "number") == [
        [3],
        [1],
        [],
    ]


def test_lookups_go_on_behind_a_slice(shelf, questions):
    books = shelf.Book.objects.select_related("author").order_by("-title")[:1]
    with questions(3):
        authors = shelf.Author.objects.order_by("name").prefetch_related(Prefetch("books", books, "last"), "last__tags")
        found = [[(book.author, [tag.name for tag in book.tags.all()]) for book in each.last] for each in authors]
    a, b, _ = shelf.Author.objects.order_by("name")
    assert found == [[(a, ["b", "c"])], [(b, ["b", "c"])], []]


def test_a_slice_needs_an_attribute_of_its_own(shelf):
    with pytest.raises(TypeError, match="to_attr"):
        list(shelf.Author.objects.prefetch_related(Prefetch("books", shelf.Book.objects.all()[:1])))


def test_an_object_that_the_queryset_leaves_out_is_not_asked_for_again(shelf, questions):
    first, second = shelf.Author.objects.filter(name__in="AB").order_by("name")
    shelf.Book.objects.update(editor=second)
    shelf.Book.objects.filter(title="A1").update(editor=first)
    shelf.Book.objects.filter(title="A2").update(editor=None)
    only_first = shelf.Author.objects.filter(name="A")
    with questions(3):
        books = list(shelf.Book.objects.order_by("title").prefetch_related(Prefetch("editor", only_first)))
        assert [book.editor for book in books] == [first, None, None, None]
        prefetch_related_objects(books, "editor__country")
        assert pickle.loads(pickle.dumps(books[2])).editor is None
    # It is not forgotten by the row, only by the object, and until something else is said.
    book = books[2]
    assert shelf.Book.editor.is_cached(book)
    book.save()
    assert book.editor is None and book.editor_id == second.pk == shelf.Book.objects.get(pk=book.pk).editor_id
    book.editor_id = first.pk
    assert book.editor == first
    book.editor_id = second.pk
    assert book.editor == second
    books[3].refresh_from_db()
    assert books[3].editor == second


def test_an_object_that_was_left_out_is_found_when_it_is_assigned(shelf):
    author = shelf.Author.objects.get(name="A")
    shelf.Book.objects.update(editor=author)
    book = shelf.Book.objects.prefetch_related(Prefetch("editor", shelf.Author.objects.none())).first()
    book.editor = author
    assert book.editor is author
    book.editor = None
    book.editor_id = author.pk
    assert book.editor == author


def test_an_object_that_must_be_there_and_was_left_out_does_not_exist(shelf, questions):
    nobody = shelf.Author.objects.none()
    book = shelf.Book.objects.prefetch_related(Prefetch("author", nobody), "author__books").first()
    profile = shelf.Profile.objects.prefetch_related(Prefetch("author", nobody)).first()
    with questions(0):
        with pytest.raises(shelf.Author.DoesNotExist, match="Book has no author"):
            book.author  # noqa: B018
        with pytest.raises(shelf.Author.DoesNotExist, match="Profile has no author"):
            profile.author  # noqa: B018
        assert not hasattr(book, "author")


def test_lookups_go_on_behind_to_attr(shelf, questions):
    with questions(3):
        authors = shelf.Author.objects.order_by("name").prefetch_related(
            Prefetch("books", queryset=shelf.Book.objects.order_by("-title"), to_attr="backwards"), "backwards__tags"
        )
        assert [[book.title for book in author.backwards] for author in authors] == [["A2", "A1"], ["B2", "B1"], []]
        assert [tag.name for tag in authors[0].backwards[0].tags.all()] == ["b", "c"]


def test_the_querysets_own_lookups_are_followed(shelf, questions):
    with questions(3):
        books = shelf.Book.objects.prefetch_related("tags")
        (author,) = shelf.Author.objects.filter(name="A").prefetch_related(Prefetch("books", queryset=books))
        assert [len(book.tags.all()) for book in author.books.all()] == [2, 2]


def test_what_is_there_is_not_asked_for_again(shelf, questions):
    authors = list(shelf.Author.objects.prefetch_related("books"))
    with questions(1):
        prefetch_related_objects(authors, "books__tags")
    with questions(0):
        prefetch_related_objects(authors, "books__tags", "books")


def test_another_question_of_the_manager_is_asked(shelf, questions):
    (author,) = shelf.Author.objects.filter(name="A").prefetch_related("books")
    with questions(1):
        assert author.books.filter(title="A1").count() == 1
    with questions(0):
        assert author.books.count() == 2 and author.books.exists() and len(author.books.all()) == 2


def test_no_objects_no_questions(shelf, questions):
    with questions(1):
        assert list(shelf.Author.objects.filter(name="none").prefetch_related("books__tags")) == []


def test_names_that_lead_nowhere(shelf):
    with pytest.raises(AttributeError, match="no attribute 'boks'"):
        list(shelf.Author.objects.prefetch_related("boks"))
    with pytest.raises(ValueError, match="'name' of Author is not a relation"):
        list(shelf.Author.objects.prefetch_related("name"))
    with pytest.raises(ValueError, match="name of a field"):
        list(shelf.Author.objects.prefetch_related(Prefetch("books", to_attr="name")))
    with pytest.raises(ValueError, match="another queryset"):
        list(shelf.Author.objects.prefetch_related("books", Prefetch("books", queryset=shelf.Book.objects.all())))
    with pytest.raises(ValueError, match="has to give instances"):
        Prefetch("books", queryset=shelf.Book.objects.values("title"))


def test_iterator_prefetches_chunk_by_chunk(shelf, questions):
    with questions() as asked:
        books = list(shelf.Book.objects.order_by("pk").prefetch_related("tags").iterator(chunk_size=2))
        assert [len(book.tags.all()) for book in books] == [2, 2, 2, 2]
    assert len([sql for sql in asked if "world_book_tags" in sql]) == 2


def test_members_of_clubs_by_a_model_of_ones_own(world, questions):
    club = world.Club.objects.create(name="C")
    people = [world.Person.objects.create(name=name) for name in "ab"]
    club.members.add(*people)
    with questions(2):
        (found,) = world.Club.objects.prefetch_related("members")
        assert sorted(person.name for person in found.members.all()) == ["a", "b"]
    people[0].friends.add(people[1])
    with questions(2):
        found = world.Person.objects.order_by("name").prefetch_related("friends")
        assert [[friend.name for friend in person.friends.all()] for person in found] == [["b"], ["a"]]

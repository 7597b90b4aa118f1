"""From an object to the one it is related to: loading, remembering, assigning."""

from __future__ import annotations

import asyncio
import pickle

import pytest


@pytest.fixture
def author(world):
    return world.Author.objects.create(name="A")


@pytest.fixture
def book(world, author):
    world.Book.objects.create(title="x", author=author)
    return world.Book.objects.get()


def test_the_object_is_loaded_once(book, author, questions):
    with questions(1):
        assert book.author == author
        assert book.author is book.author


def test_the_foreign_key_alone_decides(world, book, author, questions):
    assert book.author == author
    other = world.Author.objects.create(name="B")
    book.author_id = other.pk
    assert book.author == other
    book.author_id = author.pk
    assert book.author == author


def test_what_was_assigned_is_remembered(world, author, questions):
    with questions(0):
        book = world.Book(title="x", author=author)
        assert book.author is author and book.author_id == author.pk


def test_none_where_null_is_allowed_and_an_error_where_not(world, book):
    assert book.editor is None
    with pytest.raises(world.Book.author.RelatedObjectDoesNotExist, match="Book has no author") as caught:
        world.Book().author  # noqa: B018
    assert isinstance(caught.value, world.Author.DoesNotExist)
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(world.Book(), "author")


def test_the_wrong_class_is_refused(world, book):
    with pytest.raises(ValueError, match="must be a Author instance"):
        book.author = world.Tag(name="x")


def test_a_new_object_may_be_assigned_and_saved_later(world):
    author = world.Author(name="B")
    book = world.Book(title="x", author=author)
    assert book.author is author
    with pytest.raises(ValueError, match="unsaved related object 'author'"):
        book.save()
    author.save()
    book.save()
    assert book.author_id == author.pk and book.author is author
    assert world.Book.objects.get(pk=book.pk).author == author


@pytest.mark.parametrize("remembered", ["assigned", "read", "selected"])
@pytest.mark.parametrize("way", ["save", "update_fields", "bulk_update"])
def test_a_key_that_is_set_to_none_is_saved_whatever_object_is_remembered(world, book, author, remembered, way):
    book.editor = author
    book.save()
    if remembered == "read":
        book = world.Book.objects.get()
        assert book.editor == author
    elif remembered == "selected":
        book = world.Book.objects.select_related("editor").get()
    book.editor_id = None
    if way == "bulk_update":
        assert world.Book.objects.bulk_update([book], ["editor"]) == 1
    else:
        book.save(update_fields=["editor"] if way == "update_fields" else None)
    assert (book.editor_id, book.editor) == (None, None)
    assert world.Book.objects.get().editor_id is None


def test_a_new_object_whose_key_was_set_to_none_is_saved_so(world, author):
    books = [world.Book(title=title, author=author, editor=author) for title in "xyz"]
    for book in books:
        book.editor_id = None
    books[0].save()
    world.Book.objects.bulk_create(books[1:])
    assert [book.editor_id for book in world.Book.objects.all()] == [None, None, None]


@pytest.mark.parametrize("many", [False, True])
def test_whether_an_object_is_saved_is_told_by_its_primary_key_where_the_relation_uses_another(world, many):
    def save(author):
        if many:
            world.Author.objects.bulk_create([author])
        else:
            author.save()

    unsaved = world.Author(name="A", country=world.Country(code="it"))
    with pytest.raises(ValueError, match="unsaved related object 'country'"):
        save(unsaved)
    assert not world.Author.objects.exists()
    unsaved.country.save()
    save(unsaved)
    assert world.Author.objects.get().country_id == "it"


def test_an_object_forgets_the_one_that_was_deleted_when_it_is_saved(world, book, author):
    editor = world.Author.objects.create(name="E")
    book.editor = editor
    book.save()
    editor.delete()
    book.editor_id = None
    book.save()
    assert world.Book.objects.get().editor_id is None


def test_to_field(world, questions):
    country = world.Country.objects.create(code="it")
    author = world.Author.objects.create(name="A", country=country)
    assert author.country_id == "it"
    assert world.Author.objects.get(pk=author.pk).country == country
    assert list(country.authors.all()) == [author]
    assert world.Author.objects.get(country=country) == world.Author.objects.get(country__code="it") == author


def test_one_to_one_both_ways(world, author, questions):
    with pytest.raises(world.Author.profile.RelatedObjectDoesNotExist, match="Author has no profile"):
        author.profile  # noqa: B018
    profile = world.Profile.objects.create(author=author, text="hi")
    with questions(0):
        assert author.profile is profile
    author = world.Author.objects.get()
    with questions(1):
        assert author.profile == profile
        assert author.profile.author is author
    profile = world.Profile.objects.get()
    with questions(1):
        assert profile.author.profile is profile


def test_one_to_one_assigned_from_the_other_end(world, author):
    profile = world.Profile(text="hi")
    author.profile = profile
    assert profile.author is author and profile.author_id == author.pk
    author.profile = None
    assert profile.author_id is None
    with pytest.raises(ValueError, match="must be a Profile instance"):
        author.profile = author


def test_select_related_fills_what_is_remembered(world, book, author, questions):
    with questions(1):
        found = world.Book.objects.select_related("author", "editor").get()
        assert found.author.name == "A" and found.editor is None


def test_the_link_to_a_parent_costs_no_question(world, questions):
    restaurant = world.Restaurant.objects.create(name="R", stars=2)
    with questions(0):
        place = restaurant.place_ptr
    assert type(place) is world.Place and place.name == "R" and place.pk == restaurant.pk
    assert world.Place.objects.get().restaurant == restaurant


@pytest.mark.parametrize("how", ["manager", "queryset", "with a key", "asynchronous", "get_or_create"])
def test_a_manager_creates_where_its_model_is_written_to_and_not_where_a_related_object_is(world, tables, how):
    tables(world.registry)
    tables(world.registry, using="other")
    author = world.Author.objects.using("other").create(pk=1, name="A")
    world.Author.objects.create(pk=1, name="B")
    books = world.Book.objects
    made = {
        "manager": lambda: books.create(author=author),
        "queryset": lambda: books.all().create(author=author),
        "with a key": lambda: books.create(id=50, author=author),
        "asynchronous": lambda: asyncio.run(books.acreate(author=author)),
        "get_or_create": lambda: books.get_or_create(author=author)[0],
    }[how]()
    assert made._state.db == "default"
    assert (books.count(), books.using("other").count()) == (1, 0)
    # One without a manager goes where its author is.
    alone = world.Book(author=author)
    alone.save()
    assert alone._state.db == "other"


def test_objects_in_different_databases_cannot_be_related(world, tables):
    tables(world.registry, using="other")
    author = world.Author.objects.using("other").create(name="A")
    book = world.Book.objects.using("default").create(title="x", author=world.Author.objects.create(name="B"))
    with pytest.raises(ValueError, match="router prevents"):
        book.author = author
    new = world.Book(title="y", author=author)
    new.save()
    assert new._state.db == "other"
    assert world.Book.objects.using("other").get().author == author


def test_assigning_to_many_is_refused_with_advice(world, author, book):
    with pytest.raises(TypeError, match=r"Use books.set\(\) instead"):
        author.books = [book]
    with pytest.raises(TypeError, match=r"Use tags.set\(\) instead"):
        book.tags = []
    with pytest.raises(TypeError, match=r"Use books.set\(\) instead"):
        world.Tag.objects.create(name="t").books = []


def test_remembered_objects_survive_pickling(book, author):
    assert book.author == author
    assert pickle.loads(pickle.dumps(book)).__dict__["_cached_author"] == author


def test_refreshing_forgets(world, book, author):
    assert book.author.name == "A"
    world.Author.objects.filter(pk=author.pk).update(name="B")
    book.refresh_from_db()
    assert book.author.name == "B"


def test_a_row_that_points_to_a_child_by_a_field_of_its_parent(world):
    restaurant = world.Restaurant.objects.create(name="R", stars=2)
    world.Restaurant.objects.create(name="S", stars=1)
    review = world.Review.objects.create(text="good", restaurant=restaurant)
    assert world.Review.objects.get(restaurant__stars=2) == review
    assert world.Restaurant.objects.get(reviews__text="good") == restaurant
    assert list(restaurant.reviews.all()) == [review]
    assert world.Review.objects.get().restaurant == restaurant

"""Managers of related objects: reading, changing, and what they refuse; tests/db/contract has their signals."""

from __future__ import annotations

import pytest

from webframe.db import models
from webframe.db.models.signals import m2m_changed


@pytest.fixture
def author(world):
    return world.Author.objects.create(name="A")


def titles(books):
    return sorted(book.title for book in books)


# --- over a foreign key -------------------------------------------------------------------------------------------


def test_related_objects_know_where_they_were_found(world, author, questions):
    world.Book.objects.create(title="x", author=author)
    with questions(1):
        (book,) = author.books.all()
        assert book.author is author


def test_it_is_a_manager_of_the_class_of_the_default_manager(world, author, define):
    world.Book.objects.create(title="x", author=author)
    world.Book.objects.create(title="y", author=author, hidden=True)
    assert isinstance(author.books, models.Manager)
    assert titles(author.books.all()) == ["x", "y"]
    assert author.books(manager="published").loud() == ["X"]
    assert author.books.filter(title="y").count() == author.books.exclude(title="y").count() == 1
    assert author.books.get(title="x").title == "x"


def test_create_and_kin_set_the_foreign_key(world, author):
    book = author.books.create(title="x")
    assert book.author is author
    assert author.books.get_or_create(title="x") == (book, False)
    other, created = author.books.get_or_create(title="y", defaults={"hidden": True})
    assert created and other.hidden and other.author_id == author.pk
    assert author.books.update_or_create({"hidden": False}, title="y") == (other, False)
    assert not world.Book.objects.get(title="y").hidden


def test_add_in_bulk_needs_saved_objects(world, author):
    other = world.Author.objects.create(name="B")
    books = [world.Book.objects.create(title=title, author=other) for title in "xy"]
    author.books.add(*books)
    assert titles(author.books.all()) == ["x", "y"] and books[0].author is author
    with pytest.raises(ValueError, match="bulk=False"):
        author.books.add(world.Book(title="z"))
    author.books.add(world.Book(title="z"), bulk=False)
    assert titles(author.books.all()) == ["x", "y", "z"]
    with pytest.raises(TypeError, match="'Book' instance expected"):
        author.books.add(author)


def test_remove_clear_and_set_exist_where_null_is_allowed(world, author):
    books = [world.Book.objects.create(title=title, author=author) for title in "xyz"]
    assert not hasattr(author.books, "remove") and not hasattr(author.books, "clear")
    author.edited.set(books[:2])
    assert titles(author.edited.all()) == ["x", "y"]
    author.edited.set(books[1:])
    assert titles(author.edited.all()) == ["y", "z"]
    author.edited.remove(books[1])
    assert books[1].editor_id is None
    with pytest.raises(world.Author.DoesNotExist, match="is not related"):
        author.edited.remove(books[1])
    author.edited.clear()
    assert not author.edited.exists()
    author.edited.set(books, clear=True, bulk=False)
    assert titles(author.edited.all()) == ["x", "y", "z"]
    author.edited.clear(bulk=False)
    assert author.edited.count() == 0


def test_an_unsaved_object_has_no_relations(world):
    with pytest.raises(ValueError, match="primary key"):
        world.Author(name="B").books  # noqa: B018
    with pytest.raises(ValueError, match="many-to-many"):
        world.Book(title="x").tags  # noqa: B018


# --- many-to-many -------------------------------------------------------------------------------------------------


@pytest.fixture
def book(world, author):
    return world.Book.objects.create(title="x", author=author)


@pytest.fixture
def tags(world):
    return [world.Tag.objects.create(name=name) for name in "abc"]


def names(objects):
    return [each.name for each in objects.order_by("name")]


@pytest.fixture(params=["unheard", "heard"])
def heard(request):
    """Both ways in which relations are changed: quickly, and with somebody who listens."""
    if request.param == "unheard":
        yield
    else:
        with m2m_changed.connected_to(lambda **kwargs: None):
            yield


def test_add_takes_objects_and_keys_and_adds_once(heard, world, book, tags):
    a, b, c = tags
    book.tags.add(a, a.pk, str(b.pk))
    assert names(book.tags) == ["a", "b"]
    book.tags.add(a, c)
    assert names(book.tags) == ["a", "b", "c"]
    assert world.Book.tags.through.objects.count() == 3
    assert list(a.books.all()) == [book]
    c.books.add(book)
    assert c.books.count() == 1


def test_remove_clear_and_set(heard, book, tags):
    a, b, c = tags
    book.tags.set(tags)
    book.tags.remove(a, c.pk, 10**6)
    assert names(book.tags) == ["b"]
    book.tags.set([a, str(b.pk), a])
    assert names(book.tags) == ["a", "b"]
    b.books.clear()
    assert names(book.tags) == ["a"]
    book.tags.set([c], clear=True)
    assert names(book.tags) == ["c"]
    book.tags.set([])
    assert names(book.tags) == []


def test_create_and_kin(heard, world, book):
    tag = book.tags.create(name="a")
    assert book.tags.get_or_create(name="a") == (tag, False)
    assert book.tags.get_or_create(name="b")[1]
    assert book.tags.update_or_create({"name": "c"}, name="b")[1] is False
    assert names(book.tags) == ["a", "c"]
    other = tag.books.create(title="y", author=book.author)
    assert titles(tag.books.all()) == ["x", "y"] and list(other.tags.all()) == [tag]


def test_what_cannot_be_added(world, book, author):
    with pytest.raises(TypeError, match="'Tag' instance expected"):
        book.tags.add(author)
    with pytest.raises(ValueError, match="is None|instance is on database"):
        book.tags.add(world.Tag(name="new"))
    with pytest.raises(ValueError, match="expected a number"):
        book.tags.add("abc")


def test_friends_are_friends_of_each_other(heard, world):
    a, b, c = (world.Person.objects.create(name=name) for name in "abc")
    a.friends.add(b, c)
    assert names(a.friends) == ["b", "c"] and names(b.friends) == ["a"]
    b.friends.add(a, b)
    assert names(b.friends) == ["a", "b"]
    a.friends.remove(b)
    assert names(b.friends) == ["b"] and names(a.friends) == ["c"]
    c.friends.set([b])
    assert names(a.friends) == [] and names(b.friends) == ["b", "c"]
    c.friends.clear()
    assert names(b.friends) == ["b"]


def test_what_a_receiver_takes_out_gets_no_mirror_row(world):
    a, b, c = (world.Person.objects.create(name=name) for name in "abc")

    def veto(action, pk_set, **kwargs):
        if action == "pre_add":
            pk_set.discard(b.pk)

    with m2m_changed.connected_to(veto, sender=world.Person.friends.through):
        a.friends.add(b, c)
    assert names(a.friends) == ["c"] and names(b.friends) == []


def test_followers_are_not_followed(heard, world):
    a, b = (world.Person.objects.create(name=name) for name in "ab")
    a.follows.add(b)
    assert names(a.follows) == ["b"] and names(b.follows) == [] and names(b.followers) == ["a"]
    b.followers.remove(a)
    assert names(a.follows) == []


def test_a_model_between_with_more_in_it(heard, world):
    club = world.Club.objects.create(name="C")
    a, b = (world.Person.objects.create(name=name) for name in "ab")
    club.members.add(a, through_defaults={"role": "head", "invited_by": b})
    club.members.add(a, b)
    assert world.Membership.objects.get(person=a).role == "head"
    assert world.Membership.objects.get(person=b).role == "member"
    assert world.Membership.objects.count() == 2
    assert names(club.members.filter(membership__role="head")) == ["a"]
    club.members.set([b], through_defaults={"role": lambda: "new"})
    assert names(club.members) == ["b"] and world.Membership.objects.get().role == "member"
    c = club.members.create(name="c", through_defaults={"role": "new"})
    assert world.Membership.objects.get(person=c).role == "new" and list(c.clubs.all()) == [club]


def test_conditions_on_the_rows_between_speak_of_the_same_row(world):
    first, second = (world.Club.objects.create(name=name) for name in "CD")
    a = world.Person.objects.create(name="a")
    first.members.add(a, through_defaults={"role": "head"})
    second.members.add(a)
    assert names(first.members.filter(membership__role="head")) == ["a"]
    assert names(second.members.filter(membership__role="head")) == []


def test_a_child_has_the_relations_of_its_parent(define, create_tables):
    Tag = define("Tag", name=models.CharField(max_length=9))
    Thing = define("Thing", tags=models.ManyToManyField(Tag, related_name="things"))
    Toy = define("Toy", Thing, Meta={"abstract": False}, age=models.IntegerField())
    create_tables()
    toy, tag = Toy.objects.create(age=3), Tag.objects.create(name="a")
    toy.tags.add(tag)
    assert list(Thing.objects.get().tags.all()) == [tag] == list(toy.tags.all())
    assert [thing.pk for thing in tag.things.all()] == [toy.pk]


def test_a_proxy_shares_the_relations(define, create_tables):
    Tag = define("Tag", name=models.CharField(max_length=9))
    Thing = define("Thing", tags=models.ManyToManyField(Tag, related_name="things"))
    Proxy = define("Proxy", Thing, Meta={"proxy": True})
    create_tables()
    proxy, tag = Proxy.objects.create(), Tag.objects.create(name="a")
    proxy.tags.add(tag)
    tag.things.add(proxy)
    assert list(tag.things.all()) == [Thing.objects.get()]


def test_changing_undoes_what_was_prefetched(heard, world, book, tags):
    (found,) = world.Book.objects.prefetch_related("tags")
    assert list(found.tags.all()) == []
    found.tags.add(*tags)
    assert found.tags.count() == 3 and len(found.tags.all()) == 3


def test_what_a_manager_of_ones_own_does_when_it_creates_is_done(define, create_tables):
    class Loud(models.Manager):
        def create(self, **values):
            return super().create(**{**values, "name": values["name"].upper()})

    Owner = define("Owner")
    Pet = define(
        "Pet",
        name=models.CharField(max_length=9),
        owner=models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="pets"),
        friends=models.ManyToManyField(Owner, related_name="animals"),
        objects=Loud(),
    )
    create_tables()
    owner = Owner.objects.create()
    assert owner.pets.create(name="rex").name == "REX"
    assert owner.animals.create(name="mia", owner=owner).name == "MIA"
    assert Pet.objects.get(name="REX").owner == owner

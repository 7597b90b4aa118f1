"""pre_delete and post_delete: section 5 of the contract, and its traps 2, 4, 5, 6, 10 and 11."""

from __future__ import annotations

import pytest

from webframe.db import transaction
from webframe.db.models import ProtectedError
from webframe.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from ..people import Club, Membership, Person
from .library import (
    Author,
    Book,
    Licence,
    Novelist,
    Page,
    Pizza,
    Place,
    Restaurant,
    Topping,
)

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.both_ways]


@pytest.fixture
def author():
    return Author.objects.create(name="Eco")


@pytest.fixture
def book(author):
    """A book with two pages."""
    book = Book.objects.create(title="Il nome della rosa", author=author)
    for number in (1, 2):
        Page.objects.create(number=number, book=book)
    return book


def fail(**kwargs):
    raise ZeroDivisionError


def test_an_instance_sends_a_pair_with_these_arguments(log, author):
    log.listen(pre_delete, post_delete)
    author.delete()
    pre, post = log
    assert (pre.name, post.name) == ("pre_delete", "post_delete")
    assert pre.sender is post.sender is Author
    assert pre.arguments == {"instance": author, "using": "default", "origin": author}
    assert post.arguments == pre.arguments
    assert pre.instance is post.instance is pre.origin is author


def test_the_key_is_set_in_both_and_gone_afterwards_and_the_row_goes_between(log, author):
    pk, seen = author.pk, []

    def look(instance, signal, **kwargs):
        seen.append((signal.name, instance.pk == pk, Author.objects.filter(pk=pk).exists()))

    log.listen(pre_delete, post_delete, then=look)
    author.delete()
    assert seen == [("pre_delete", True, True), ("post_delete", True, False)]
    assert author.pk is None


def test_all_pre_come_first_then_each_group_is_deleted_and_announced_downwards(log, author, book):
    first, last = sorted(page.pk for page in Page.objects.all())
    heard = []

    def look(sender, signal, instance, **kwargs):
        left = Page.objects.count(), Book.objects.count(), Author.objects.count()
        heard.append((signal.name, sender, instance.pk, left))

    log.listen(pre_delete, post_delete, then=look)
    pk = author.pk
    author.delete()
    assert heard == [
        ("pre_delete", Page, first, (2, 1, 1)),
        ("pre_delete", Page, last, (2, 1, 1)),
        ("pre_delete", Book, book.pk, (2, 1, 1)),
        ("pre_delete", Author, pk, (2, 1, 1)),
        ("post_delete", Page, last, (0, 1, 1)),
        ("post_delete", Page, first, (0, 1, 1)),
        ("post_delete", Book, book.pk, (0, 0, 1)),
        ("post_delete", Author, pk, (0, 0, 0)),
    ]


def test_the_instances_are_the_same_before_and_after(log, author, book):
    log.listen(pre_delete, post_delete)
    author.delete()
    before = {id(event.instance) for event in log.named("pre_delete")}
    after = {id(event.instance) for event in log.named("post_delete")}
    assert before == after and len(before) == 4


def test_everything_has_the_same_origin(log, author, book):
    log.listen(pre_delete, post_delete)
    author.delete()
    assert len(log) == 8
    assert all(event.origin is author for event in log)


def test_the_origin_of_a_queryset_is_that_very_queryset(log, author, book):
    log.listen(pre_delete, post_delete)
    everybody = Author.objects.filter(name="Eco")
    everybody.delete()
    assert len(log) == 8
    assert all(event.origin is everybody for event in log)


def test_a_queryset_loads_instances_of_its_own_and_calls_no_method_of_theirs(log, author, book, monkeypatch):
    for model in (Author, Book, Page):
        monkeypatch.setattr(model, "delete", lambda self, **kwargs: pytest.fail("delete() was called"))
    seen = []
    log.listen(pre_delete, sender=Author, then=lambda instance, **kwargs: seen.append(instance.pk))
    Author.objects.all().delete()
    assert seen == [author.pk]
    assert log[0].instance is not author


def test_cascaded_objects_come_with_all_their_columns(log, author, book):
    log.listen(pre_delete, sender=Page, then=lambda instance, **kwargs: instance.get_deferred_fields() and fail())
    author.delete()
    assert [event.instance.number for event in log] == [1, 2]


def test_both_are_in_the_transaction(log, author, book):
    seen = []
    log.listen(pre_delete, post_delete, then=lambda **kwargs: seen.append(transaction.is_open()))
    author.delete()
    assert seen == [True] * 8


@pytest.mark.parametrize("signal", [pre_delete, post_delete], ids=["pre_delete", "post_delete"])
@pytest.mark.parametrize("sender", [Author, Page], ids=["the first", "the last"])
def test_an_error_undoes_everything(log, author, book, signal, sender):
    log.listen(signal, sender=sender, then=fail)
    with pytest.raises(ZeroDivisionError):
        author.delete()
    assert (Author.objects.count(), Book.objects.count(), Page.objects.count()) == (1, 1, 2)
    assert author.pk is not None


def test_what_is_protected_sends_nothing(log, author, book):
    Licence.objects.create(author=author)
    log.listen(pre_delete, post_delete)
    with pytest.raises(ProtectedError):
        author.delete()
    with pytest.raises(ProtectedError):
        Author.objects.all().delete()
    assert log == []
    assert Page.objects.count() == 2


def test_an_unsaved_instance_cannot_be_deleted(log):
    log.listen(pre_delete, post_delete)
    with pytest.raises(ValueError):
        Author(name="x").delete()
    assert log == []


def test_an_empty_queryset_sends_nothing(log):
    log.listen(pre_delete, post_delete)
    assert Author.objects.filter(name="nobody").delete() == (0, {})
    assert Author.objects.none().delete() == (0, {})
    assert log == []


def test_what_is_set_to_null_sends_nothing_and_stays(log, author):
    editor = Author.objects.create(name="Editor")
    Book.objects.create(title="x", author=author, editor=editor)
    log.listen(pre_delete, post_delete, pre_save, post_save)
    editor.delete()
    assert [event.sender for event in log] == [Author, Author]
    assert Book.objects.get().editor_id is None


def test_the_return_value_counts_everything(log, author, book):
    pizza = Pizza.objects.create(name="x")
    pizza.toppings.add(Topping.objects.create(name="a"), Topping.objects.create(name="b"))
    assert pizza.delete() == (3, {"contract.Pizza": 1, "contract.Pizza_toppings": 2})
    assert author.delete() == (4, {"contract.Page": 2, "contract.Book": 1, "contract.Author": 1})


def test_it_is_the_same_with_and_without_listeners(log, author, book):
    log.listen(pre_delete)
    assert author.delete() == (4, {"contract.Page": 2, "contract.Book": 1, "contract.Author": 1})


# --- inheritance --------------------------------------------------------------------------------------------------


def test_a_child_sends_a_pair_for_itself_and_for_each_parent(log):
    restaurant = Restaurant.objects.create(name="Da Mario")
    log.listen(pre_delete, post_delete)
    restaurant.delete()
    assert log.senders == [
        ("pre_delete", "Restaurant"),
        ("pre_delete", "Place"),
        ("post_delete", "Restaurant"),
        ("post_delete", "Place"),
    ]
    assert [type(event.instance) for event in log] == [Restaurant, Place, Restaurant, Place]
    assert all(event.origin is restaurant for event in log)
    assert Place.objects.count() == 0


def test_a_parent_takes_its_child_along_child_first(log):
    place = Place.objects.get(pk=Restaurant.objects.create(name="Da Mario").pk)
    log.listen(pre_delete, post_delete)
    place.delete()
    assert [event.sender for event in log] == [Restaurant, Place] * 2
    assert Restaurant.objects.count() == 0


def test_parents_that_are_kept_send_nothing(log):
    restaurant = Restaurant.objects.create(name="Da Mario")
    log.listen(pre_delete, post_delete)
    restaurant.delete(keep_parents=True)
    assert [event.sender for event in log] == [Restaurant, Restaurant]
    assert Place.objects.count() == 1


def test_a_proxy_sends_as_itself(log, author):
    log.listen(pre_delete, post_delete)
    Novelist.objects.get().delete()
    assert [event.sender for event in log] == [Novelist, Novelist]


def test_receivers_of_the_model_do_not_hear_a_proxy(log, author):
    log.listen(pre_delete, post_delete, sender=Author)
    Novelist.objects.all().delete()
    assert log == []
    assert Author.objects.count() == 0


# --- relations ----------------------------------------------------------------------------------------------------


def test_rows_that_a_relation_made_go_without_a_sound(log):
    pizza = Pizza.objects.create(name="x")
    pizza.toppings.add(Topping.objects.create(name="a"))
    log.listen(pre_delete, post_delete, m2m_changed)
    pizza.delete()
    assert [event.sender for event in log] == [Pizza, Pizza]
    assert Pizza.toppings.through.objects.count() == 0


def test_deleting_such_rows_themselves_is_not_heard_either(log):
    pizza = Pizza.objects.create(name="x")
    pizza.toppings.add(Topping.objects.create(name="a"), Topping.objects.create(name="b"))
    log.listen(pre_delete, post_delete, m2m_changed)
    through = Pizza.toppings.through
    through.objects.first().delete()
    through.objects.all().delete()
    assert log == []
    assert through.objects.count() == 0


def test_rows_of_a_class_somebody_wrote_are_announced(log):
    ann, club = Person.objects.create(name="Ann"), Club.objects.create(name="g")
    Membership.objects.create(person=ann, club=club)
    log.listen(pre_delete, post_delete, m2m_changed)
    ann.delete()
    assert [event.sender for event in log] == [Membership, Person] * 2
    assert all(event.origin is ann for event in log)


# --- receivers that do something -----------------------------------------------------------------------------------


def test_a_receiver_for_one_class_hears_it_wherever_the_deletion_began(log, author, book):
    log.listen(pre_delete, post_delete, sender=Page)
    author.delete()
    assert log.names == ["pre_delete"] * 2 + ["post_delete"] * 2


def test_one_of_the_two_signals_is_enough_to_be_heard(log, author, book):
    log.listen(post_delete, sender=Page)
    author.delete()
    assert log.names == ["post_delete"] * 2


def test_deleting_what_is_about_to_be_deleted_is_harmless(log, author, book):
    log.listen(pre_delete, sender=Author, then=lambda **kwargs: Page.objects.all()._raw_delete("default"))
    log.listen(post_delete, sender=Page)
    author.delete()
    assert log.names.count("post_delete") == 2
    assert Author.objects.count() == 0


def test_a_receiver_that_comes_after_the_first_deletion_is_heard(log):
    for name in ("a", "b"):
        Author.objects.create(name=name)
    Author.objects.get(name="a").delete()
    log.listen(pre_delete, post_delete, sender=Author)
    Author.objects.get(name="b").delete()
    assert len(log) == 2


def test_on_commit_hears_of_a_deletion_once_it_is_kept(author):
    heard = []

    def hear(instance, **kwargs):
        heard.append((instance.name, Author.objects.count()))

    post_delete.connect(hear, sender=Author, on_commit=True)
    author.delete()
    assert heard == [("Eco", 0)]

"""pre_init and post_init: section 3 of the contract, and its traps 11 and 12."""

from __future__ import annotations

import copy
import pickle

import pytest

from webframe.db.models.signals import post_init, pre_init

from .library import Author, Base, Book, Novelist, Pizza, Place, Restaurant, Topping

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.both_ways]


def test_one_pair_is_sent_for_each_instance_pre_before_post(log):
    log.listen(pre_init, post_init)
    author = Author(name="Eco")
    assert log.senders == [("pre_init", "Author"), ("post_init", "Author")]
    assert set(log[0].arguments) == {"args", "kwargs"}
    assert set(log[1].arguments) == {"instance"}
    assert log[1].instance is author
    assert (log[0].args, log[0].kwargs) == ([], {"name": "Eco"})


def test_positional_arguments_are_a_list(log):
    log.listen(pre_init, sender=Author)
    Author(7, "Eco")
    assert log[0].args == [7, "Eco"]
    assert log[0].kwargs == {}


def test_what_a_receiver_changes_in_kwargs_is_changed_in_the_instance(log):
    seen = []

    def change(kwargs, **rest):
        kwargs["name"] = kwargs["name"].upper()
        seen.append(kwargs)

    log.listen(pre_init, sender=Author, then=change)
    assert Author(name="Eco").name == "ECO"
    assert seen == [{}], "the constructor takes everything out of the very dictionary"


@pytest.mark.parametrize("model", [Novelist, Restaurant, Pizza.toppings.through], ids=lambda model: model.__name__)
def test_the_sender_is_the_very_class(log, model):
    log.listen(pre_init, post_init)
    model()
    assert [event.sender for event in log] == [model, model]


def test_receivers_of_a_parent_do_not_hear_children_and_proxies(log):
    log.listen(pre_init, post_init, sender=Author)
    log.listen(pre_init, post_init, sender=Place)
    Novelist()
    Restaurant()
    assert log == []


def test_rows_come_as_positional_values_in_the_order_of_the_fields(log):
    author = Author.objects.create(name="Eco", age=50)
    log.listen(pre_init, post_init, sender=Author)
    found = Author.objects.get()
    assert log[0].args == [author.pk, "Eco", 50]
    assert log[0].kwargs == {}
    assert log[1].instance is found
    assert len(log) == 2


def test_each_row_of_a_query_sends_a_pair(log):
    for name in ("a", "b", "c"):
        Author.objects.create(name=name)
    log.listen(pre_init, post_init, sender=Author)
    list(Author.objects.order_by("name"))
    assert log.names == ["pre_init", "post_init"] * 3
    assert [event.instance.name for event in log.named("post_init")] == ["a", "b", "c"]


def test_receivers_may_come_and_go_between_two_runs_of_the_same_query(log):
    Author.objects.create(name="Eco")
    Author.objects.get(name="Eco")
    log.listen(pre_init, post_init, sender=Author)
    Author.objects.get(name="Eco")
    assert len(log) == 2
    log.stop()
    Author.objects.get(name="Eco")
    assert len(log) == 2


def test_deferred_fields_come_as_a_value_that_stands_for_them(log):
    author = Author.objects.create(name="Eco", age=50)
    log.listen(pre_init, sender=Author)
    found = Author.objects.only("name").get()
    (event,) = log
    assert event.args[:2] == [author.pk, "Eco"]
    assert len(event.args) == 3 and event.args[2] not in (50, 30, None)
    assert found.get_deferred_fields() == {"age"}


def test_objects_of_select_related_send_theirs(log):
    Book.objects.create(title="Foucault's Pendulum", author=Author.objects.create(name="Eco"))
    log.listen(post_init)
    book = Book.objects.select_related("author").get()
    assert sorted(event.sender.__name__ for event in log) == ["Author", "Book"]
    assert book.author.name == "Eco"
    assert len(log) == 2


def test_create_and_get_or_create_and_bulk_create_build_instances(log):
    log.listen(post_init, sender=Author)
    Author.objects.create(name="a")
    assert len(log) == 1
    Author.objects.get_or_create(name="b")
    assert len(log) == 2
    Author.objects.bulk_create([Author(name="c"), Author(name="d")])
    assert len(log) == 4


def test_refresh_from_db_builds_a_second_instance(log):
    author = Author.objects.create(name="Eco")
    log.listen(post_init, sender=Author)
    author.refresh_from_db()
    assert len(log) == 1
    assert log[0].instance is not author


def test_a_receiver_may_ask_for_a_field_that_was_not_loaded():
    author = Author.objects.create(name="Eco", age=84)
    seen = []

    def remember(sender, instance, **kwargs):
        seen.append(instance.name)

    with post_init.connected_to(remember, sender=Author):
        author.refresh_from_db(fields=["age"])
        Author.objects.only("age").get()
        Author.objects.defer("name").get()
    assert set(seen) == {"Eco"}


def test_rows_in_the_middle_are_built_by_add(log):
    pizza, topping = Pizza.objects.create(name="Margherita"), Topping.objects.create(name="basil")
    log.listen(pre_init, post_init, sender=Pizza.toppings.through)
    pizza.toppings.add(topping)
    assert log.names == ["pre_init", "post_init"]


def test_the_parent_object_is_built_when_its_link_is_followed(log):
    Restaurant.objects.create(name="Da Mario")
    log.listen(post_init, sender=Place)
    restaurant = Restaurant.objects.get()
    assert log == []
    assert type(restaurant.place_ptr) is Place
    assert len(log) == 1


def test_values_build_no_instances(log):
    Author.objects.create(name="Eco")
    log.listen(pre_init, post_init)
    list(Author.objects.values())
    list(Author.objects.values_list("name", flat=True))
    Author.objects.count()
    Author.objects.exists()
    assert log == []


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda author: pickle.loads(pickle.dumps(author))])
def test_copies_send_nothing(log, again):
    author = Author.objects.create(name="Eco")
    log.listen(pre_init, post_init)
    assert again(author) == author
    assert log == []


def test_abstract_models_send_nothing(log):
    log.listen(pre_init, post_init)
    with pytest.raises(TypeError):
        Base(label="x")
    assert log == []


@pytest.mark.parametrize("arguments, keywords", [((), {"nosuch": 1}), ((1, 2, 3, 4), {})])
def test_a_construction_that_fails_sends_pre_init_only(log, arguments, keywords):
    log.listen(pre_init, post_init)
    with pytest.raises((TypeError, IndexError)):
        Author(*arguments, **keywords)
    assert log.names == ["pre_init"]


def test_post_init_sees_the_state_of_a_new_instance_even_for_rows(log):
    Author.objects.create(name="Eco")
    states = []

    def look(instance, **kwargs):
        states.append((instance._state.adding, instance._state.db, instance.name, instance.pk is not None))

    log.listen(post_init, sender=Author, then=look)
    Author(name="new")
    found = Author.objects.get()
    assert states == [(True, None, "new", False), (True, None, "Eco", True)]
    assert (found._state.adding, found._state.db) == (False, "default")


def test_errors_of_receivers_leave_constructor_and_iteration(log):
    Author.objects.create(name="Eco")

    def fail(**kwargs):
        raise ZeroDivisionError

    log.listen(post_init, sender=Author, then=fail)
    with pytest.raises(ZeroDivisionError):
        Author()
    with pytest.raises(ZeroDivisionError):
        list(Author.objects.all())

"""pre_save and post_save: section 4 of the contract, and its traps 1 to 4, 11 and 13."""

from __future__ import annotations

import pytest

from webframe.db import DatabaseError, IntegrityError, transaction
from webframe.db.models import F
from webframe.db.models.signals import m2m_changed, post_save, pre_save

from ..people import Person
from .library import Author, Base, Book, Calzone, Novelist, Pizza, Place, Restaurant, Ticket, Topping

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.both_ways]

PAIR = ["pre_save", "post_save"]


@pytest.fixture
def author():
    return Author.objects.create(name="Eco")


def test_a_new_object_sends_a_pair_with_these_arguments(log):
    log.listen(pre_save, post_save)
    author = Author(name="Eco")
    author.save()
    pre, post = log
    assert (pre.name, post.name) == ("pre_save", "post_save")
    assert pre.sender is post.sender is Author
    assert pre.arguments == {"instance": author, "raw": False, "using": "default", "update_fields": None}
    assert post.arguments == {**pre.arguments, "created": True}
    assert pre.instance is post.instance is author


def test_saving_again_is_no_creation(log, author):
    log.listen(post_save)
    author.save()
    assert [event.created for event in log] == [False]


def test_the_state_before_and_after(log):
    seen = []

    def look(instance, **kwargs):
        seen.append((instance.pk is None, instance._state.adding, instance._state.db))

    log.listen(pre_save, post_save, then=look)
    Author(name="Eco").save()
    assert seen == [(True, True, None), (False, False, "default")]


def test_changes_made_before_are_written(log, author):
    log.listen(pre_save, then=lambda instance, **kwargs: setattr(instance, "name", instance.name.upper()))
    author.save()
    assert Author.objects.get().name == "ECO"


def test_changes_outside_of_update_fields_are_not_written(log, author):
    log.listen(pre_save, then=lambda instance, **kwargs: setattr(instance, "name", "changed"))
    author.age = 80
    author.save(update_fields=["age"])
    found = Author.objects.get()
    assert (found.name, found.age) == ("Eco", 80)


def test_hooks_of_fields_run_after_pre_save(log, author):
    seen = []
    log.listen(pre_save, sender=Book, then=lambda instance, **kwargs: seen.append(instance.updated))
    log.listen(post_save, sender=Book, then=lambda instance, **kwargs: seen.append(instance.updated))
    Book(title="x", author=author).save()
    assert seen[0] is None
    assert seen[1] is not None


# --- transactions -------------------------------------------------------------------------------------------------


def fail(**kwargs):
    raise ZeroDivisionError


def test_the_row_is_committed_when_post_save_is_sent(log):
    def look(**kwargs):
        assert not transaction.is_open()
        fail()

    log.listen(post_save, then=look)
    with pytest.raises(ZeroDivisionError):
        Author(name="Eco").save()
    assert Author.objects.count() == 1


def test_children_too_are_committed_when_post_save_is_sent(log):
    log.listen(post_save, then=fail)
    with pytest.raises(ZeroDivisionError):
        Restaurant(name="Da Mario").save()
    assert Restaurant.objects.count() == Place.objects.count() == 1


def test_an_error_of_pre_save_prevents_the_writing(log):
    log.listen(pre_save, then=fail)
    with pytest.raises(ZeroDivisionError):
        Author(name="Eco").save()
    assert Author.objects.count() == 0


def test_within_a_transaction_they_come_at_once_and_are_not_taken_back(log):
    log.listen(pre_save, post_save)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Author(name="Eco").save()
        assert log.names == PAIR
        raise ZeroDivisionError
    assert log.names == PAIR
    assert Author.objects.count() == 0


def test_a_failure_between_sends_pre_save_only(log):
    Ticket.objects.create(seat="1A")
    log.listen(pre_save, post_save)
    with pytest.raises(IntegrityError):
        Ticket(seat="1A").save()
    assert log.names == ["pre_save"]


# --- who sends ----------------------------------------------------------------------------------------------------


def test_a_child_sends_one_pair_and_its_parent_none(log):
    log.listen(pre_save, post_save)
    Restaurant(name="Da Mario", stars=1).save()
    assert log.senders == [("pre_save", "Restaurant"), ("post_save", "Restaurant")]
    assert log[1].created is True


def test_a_child_of_a_row_that_is_there_is_created(log):
    place = Place.objects.create(name="Da Mario")
    log.listen(post_save)
    restaurant = Restaurant(place_ptr=place, name="Da Mario")
    restaurant.save()
    assert log.senders == [("post_save", "Restaurant")]
    assert log[0].created is True
    assert Place.objects.count() == 1


def test_a_proxy_sends_as_itself_and_is_not_heard_by_those_of_its_model(log):
    log.listen(pre_save, post_save, sender=Novelist)
    log.listen(pre_save, post_save, sender=Author)
    Novelist(name="Eco").save()
    assert log.senders == [("pre_save", "Novelist"), ("post_save", "Novelist")]


def test_a_deferred_instance_sends_as_its_real_class(log, author):
    log.listen(post_save)
    Author.objects.only("name").get().save()
    assert [event.sender for event in log] == [Author]


def test_classes_that_a_relation_made_are_never_heard_of(log):
    pizza, topping = Pizza.objects.create(name="Margherita"), Topping.objects.create(name="basil")
    log.listen(pre_save, post_save)
    through = Pizza.toppings.through
    row = through.objects.create(pizza=pizza, topping=topping)
    row.save()
    pizza.toppings.set([])
    assert log == []


def test_include_subclasses_hears_children_proxies_and_descendants_of_abstract_models(log):
    heard = []

    def hear(sender, **kwargs):
        heard.append(sender)

    for sender in (Place, Author, Base):
        post_save.connect(hear, sender=sender, include_subclasses=True)
    Restaurant.objects.create(name="x")
    Novelist.objects.create(name="x")
    Calzone.objects.create(label="x")
    Topping.objects.create(name="x")
    assert heard == [Restaurant, Novelist, Calzone]


def test_on_commit_is_told_of_what_was_committed():
    heard = []

    def hear(instance, created, **kwargs):
        heard.append((instance.name, created, transaction.is_open()))

    post_save.connect(hear, sender=Author, on_commit=True)
    with transaction.atomic():
        Author.objects.create(name="kept")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Author.objects.create(name="dropped")
            raise ZeroDivisionError
        assert heard == []
    assert heard == [("kept", True, False)]
    Author.objects.create(name="at once")
    assert heard[1:] == [("at once", True, False)]


# --- update_fields ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [[], (), set(), iter(())], ids=["list", "tuple", "set", "iterator"])
def test_no_fields_at_all_send_nothing_and_ask_nothing(log, author, nothing):
    log.listen(pre_save, post_save)
    author.name = "changed"
    author.save(update_fields=nothing)
    assert log == []
    assert Author.objects.get().name == "Eco"


@pytest.mark.parametrize("given", [["name", "name"], ("name",), {"name"}], ids=["list", "tuple", "set"])
def test_names_arrive_as_a_frozenset(log, author, given):
    log.listen(pre_save, post_save)
    author.save(update_fields=given)
    assert [event.update_fields for event in log] == [frozenset({"name"})] * 2
    assert type(log[0].update_fields) is frozenset


def test_names_of_columns_arrive_as_they_were_given(log, author):
    book = Book.objects.create(title="x", author=author)
    log.listen(post_save)
    book.save(update_fields=["author_id"])
    assert log[0].update_fields == {"author_id"}


@pytest.mark.parametrize("name", ["id", "nosuch"])
def test_names_that_cannot_be_updated_are_refused_before_anything_is_sent(log, author, name):
    log.listen(pre_save, post_save)
    with pytest.raises(ValueError):
        author.save(update_fields=[name])
    assert log == []


def test_a_many_to_many_field_cannot_be_updated(log):
    pizza = Pizza.objects.create(name="x")
    log.listen(pre_save, post_save, m2m_changed)
    with pytest.raises(ValueError):
        pizza.save(update_fields=["toppings"])
    assert log == []


@pytest.mark.parametrize("also", [{"update_fields": ["name"]}, {"force_update": True}])
def test_forcing_an_insert_excludes_updating(log, author, also):
    log.listen(pre_save, post_save)
    with pytest.raises(ValueError):
        author.save(force_insert=True, **also)
    assert log == []


def test_update_fields_of_an_unsaved_object_fail_after_pre_save(log):
    log.listen(pre_save, post_save)
    with pytest.raises(ValueError):
        Author(name="x").save(update_fields=["name"])
    assert log.names == ["pre_save"]


@pytest.mark.parametrize("options", [{"update_fields": ["name"]}, {"force_update": True}])
def test_a_row_that_is_gone_cannot_be_updated(log, author, options):
    Author.objects.all().delete()
    log.listen(pre_save, post_save)
    with pytest.raises(DatabaseError) as caught:
        author.save(**options)
    assert isinstance(caught.value, Author.NotUpdated)
    assert log.names == ["pre_save"]


def test_what_was_deferred_is_left_alone_and_the_rest_is_named(log, author):
    log.listen(pre_save, post_save)
    found = Author.objects.only("name").get()
    found.name = "changed"
    Author.objects.update(age=99)
    found.save()
    assert [event.update_fields for event in log] == [frozenset({"name"})] * 2
    assert Author.objects.get().age == 99


def test_names_that_were_left_out_are_those_of_attributes(log, author):
    Book.objects.create(title="x", author=author)
    log.listen(post_save)
    Book.objects.defer("title").get().save()
    assert log[0].update_fields == {"author_id", "editor_id", "updated"}


def test_where_only_the_key_was_loaded_all_is_saved(log, author):
    log.listen(post_save)
    Author.objects.only("pk").get().save()
    assert log[0].update_fields is None


# --- created ------------------------------------------------------------------------------------------------------


def test_force_insert_creates_or_fails_after_pre_save(log, author):
    log.listen(pre_save, post_save)
    Author(name="x").save(force_insert=True)
    assert log[1].created is True
    with pytest.raises(IntegrityError):
        Author(pk=author.pk, name="x").save(force_insert=True)
    assert log.names == [*PAIR, "pre_save"]


def test_a_key_that_nobody_has_is_created(log, author):
    log.listen(post_save)
    Author(pk=author.pk + 1000, name="x").save()
    assert log[0].created is True


def test_a_key_that_somebody_has_is_updated(log, author):
    log.listen(post_save)
    Author(pk=author.pk, name="x").save()
    assert log[0].created is False
    assert Author.objects.get().name == "x"


def test_a_key_with_a_default_is_inserted_straight_away(log):
    log.listen(pre_save, post_save)
    ticket = Ticket.objects.create(seat="1A")
    assert log[1].created is True
    with pytest.raises(IntegrityError):
        Ticket(pk=ticket.pk, seat="1B").save()
    assert log.names == [*PAIR, "pre_save"]


def test_a_changed_key_makes_another_row(log, author):
    log.listen(post_save)
    author.pk += 1000
    author.save()
    assert log[0].created is True
    assert Author.objects.count() == 2


# --- managers -----------------------------------------------------------------------------------------------------


def test_create_and_get_or_create(log):
    log.listen(pre_save, post_save)
    Author.objects.create(name="a")
    assert (log.names, log[1].created) == (PAIR, True)
    Author.objects.get_or_create(name="b")
    assert (log.names, log[3].created) == (PAIR * 2, True)
    Author.objects.get_or_create(name="b")
    assert log.names == PAIR * 2


def test_update_or_create_names_what_it_updates(log, author):
    Book.objects.create(title="x", author=author)
    log.listen(pre_save, post_save, then=lambda **kwargs: None)
    Book.objects.update_or_create(author=author, defaults={"title": "y"})
    assert [event.update_fields for event in log] == [frozenset({"title", "updated"})] * 2
    assert log[1].created is False
    assert Book.objects.get().title == "y"


def test_update_or_create_runs_in_a_transaction(log, author):
    seen = []
    log.listen(post_save, then=lambda **kwargs: seen.append(transaction.is_open()))
    Author.objects.update_or_create(name="Eco", defaults={"age": 1})
    Author.objects.update_or_create(name="Calvino", defaults={"age": 2})
    assert seen == [True, True]
    assert [event.created for event in log] == [False, True]
    assert log[1].update_fields is None


def test_what_works_on_many_rows_at_once_sends_nothing(log, author):
    other = Author.objects.create(name="other")
    Book.objects.create(title="x", author=author, editor=other)
    log.listen(pre_save, post_save)
    created = Author.objects.bulk_create([Author(name="a"), Author(name="b")])
    assert len(created) == 2
    everybody = list(Author.objects.all())
    Author.objects.bulk_update(everybody, ["name"])
    Author.objects.update(age=F("age") + 1)
    other.delete()
    assert Book.objects.get().editor is None
    assert log == []


def test_related_managers_write_at_once_without_a_signal(log, author):
    other = Author.objects.create(name="other")
    book = Book.objects.create(title="x", author=author)
    log.listen(pre_save, post_save)
    other.books.add(book)
    other.edited.set([book])
    other.edited.remove(book)
    other.edited.add(book)
    other.edited.clear()
    assert log == []
    assert Book.objects.get().author == other


def test_related_managers_that_write_one_by_one_send_a_pair_for_each(log, author):
    book = Book.objects.create(title="x", author=author)
    log.listen(pre_save, post_save, sender=Book)
    author.edited.add(book, bulk=False)
    assert log.names == PAIR
    author.edited.remove(book, bulk=False)
    assert log.names == PAIR * 2
    assert log[-1].update_fields == {"editor"}
    author.edited.add(book, bulk=False)
    author.edited.clear(bulk=False)
    assert log[-1].update_fields == {"editor"}
    assert log.names == PAIR * 4


def test_another_database_is_named(log):
    log.listen(pre_save, post_save)
    try:
        author = Author(name="Eco")
        with pytest.raises(DatabaseError):
            author.save(using="other")
    finally:
        assert [event.using for event in log] == ["other"]


# --- raw ----------------------------------------------------------------------------------------------------------


def test_a_raw_save_says_so_and_leaves_parents_and_hooks_alone(log, author):
    log.listen(pre_save, post_save)
    book = Book(pk=5, title="x", author=author)
    with pytest.raises(DatabaseError):
        book.save_base(raw=True)  # `updated` is not set, because its hook did not run
    assert [event.raw for event in log] == [True]
    log.clear()
    Restaurant(place_ptr_id=Place.objects.create(name="x").pk, stars=3).save_base(raw=True)
    assert [(event.sender.__name__, event.raw) for event in log[2:]] == [("Restaurant", True)] * 2
    assert log[3].created is True
    assert Place.objects.get().name == "x"


def test_a_second_raw_save_is_no_creation(log):
    log.listen(post_save)
    for _ in range(2):
        Author(pk=3, name="Eco", age=1).save_base(raw=True)
    assert [(event.raw, event.created) for event in log] == [(True, True), (True, False)]


def test_a_raw_save_goes_past_an_overridden_save(log, monkeypatch):
    monkeypatch.setattr(Person, "save", lambda self, **kwargs: pytest.fail("save() was called"))
    log.listen(post_save)
    Person(pk=1, name="Ann").save_base(raw=True)
    assert len(log) == 1


# --- receivers that write -----------------------------------------------------------------------------------------


def test_a_receiver_may_save_another_object(log, author):
    log.listen(post_save, sender=Author, then=lambda instance, **kwargs: Topping.objects.create(name=instance.name))
    author.save()
    assert Topping.objects.get().name == "Eco"


def test_errors_inside_of_a_transaction_can_be_caught_around_a_savepoint(log, author):
    log.listen(post_save, then=fail)
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            author.name = "changed"
            author.save()
        log.stop()
        author.refresh_from_db()
        assert author.name == "Eco"

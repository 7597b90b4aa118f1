"""m2m_changed: section 6 of the contract, and its traps 4, 7 to 11."""

from __future__ import annotations

import pytest

from webframe.db import transaction
from webframe.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from ..people import Club, Membership, Person
from .library import Calzone, Focaccia, Pizza, SpecialPizza, Topping

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.both_ways]


@pytest.fixture
def pizza():
    return Pizza.objects.create(name="Margherita")


@pytest.fixture
def toppings():
    return [Topping.objects.create(name=name) for name in ("basil", "ham", "olives")]


@pytest.fixture
def changes(log):
    """What m2m_changed said: actions with their keys."""
    log.listen(m2m_changed)
    return lambda: [(event.action, event.pk_set) for event in log]


def keys(*objects):
    return {one.pk for one in objects}


def fail(**kwargs):
    raise ZeroDivisionError


# --- arguments ----------------------------------------------------------------------------------------------------


def test_adding_sends_a_pair_with_these_arguments(log, pizza, toppings):
    log.listen(m2m_changed)
    pizza.toppings.add(toppings[0])
    pre, post = log
    assert pre.sender is post.sender is Pizza.toppings.through
    assert pre.arguments == {
        "instance": pizza,
        "action": "pre_add",
        "reverse": False,
        "model": Topping,
        "pk_set": keys(toppings[0]),
        "using": "default",
        "raw": False,
    }
    assert post.arguments == {**pre.arguments, "action": "post_add"}
    assert pre.instance is post.instance is pizza


def test_from_the_other_side_it_is_reverse_and_the_other_model(log, pizza, toppings):
    log.listen(m2m_changed, sender=Pizza.toppings.through)
    toppings[0].pizzas.add(pizza)
    assert [event.action for event in log] == ["pre_add", "post_add"]
    assert log[0].instance is toppings[0]
    assert (log[0].reverse, log[0].model, log[0].pk_set) == (True, Pizza, keys(pizza))


def test_the_instance_may_be_a_proxy(log, pizza, toppings):
    special = SpecialPizza.objects.get()
    log.listen(m2m_changed)
    special.toppings.add(toppings[0])
    assert log[0].instance is special
    assert log[0].sender is Pizza.toppings.through


def test_each_descendant_of_an_abstract_model_is_a_sender_of_its_own(log, toppings):
    log.listen(m2m_changed, sender=Calzone.toppings.through)
    Focaccia.objects.create(label="x").toppings.add(toppings[0])
    assert log == []
    Calzone.objects.create(label="x").toppings.add(toppings[0])
    assert len(log) == 2


def test_the_row_is_written_between(log, pizza, toppings):
    seen = []
    log.listen(m2m_changed, then=lambda **kwargs: seen.append((pizza.toppings.count(), transaction.is_open())))
    pizza.toppings.add(*toppings)
    pizza.toppings.clear()
    assert seen == [(0, True), (3, True), (3, True), (0, True)]


# --- add ----------------------------------------------------------------------------------------------------------


def test_add_names_what_is_not_related_yet_once(changes, pizza, toppings):
    a, b, c = toppings
    pizza.toppings.add(a)
    pizza.toppings.add(a, b, b.pk, c)
    assert changes()[2:] == [("pre_add", keys(b, c)), ("post_add", keys(b, c))]
    assert pizza.toppings.count() == 3


def test_adding_what_is_there_sends_a_pair_of_nothing(changes, pizza, toppings):
    pizza.toppings.add(toppings[0])
    pizza.toppings.add(toppings[0])
    assert changes()[2:] == [("pre_add", set()), ("post_add", set())]
    assert pizza.toppings.count() == 1


def test_no_arguments_send_nothing(changes, pizza):
    pizza.toppings.add()
    pizza.toppings.remove()
    assert changes() == []


def test_add_takes_keys_as_texts(changes, pizza, toppings):
    pizza.toppings.add(str(toppings[0].pk))
    assert changes()[0] == ("pre_add", keys(toppings[0]))


def test_what_is_taken_out_of_the_set_is_not_added(log, pizza, toppings):
    sets = []

    def veto(action, pk_set, **kwargs):
        sets.append(pk_set)
        if action == "pre_add":
            pk_set.discard(toppings[0].pk)

    log.listen(m2m_changed, then=veto)
    pizza.toppings.add(*toppings)
    assert sets[0] is sets[1]
    assert set(pizza.toppings.all()) == set(toppings[1:])


def test_wrong_objects_are_refused_without_a_signal(changes, pizza):
    with pytest.raises(TypeError):
        pizza.toppings.add(pizza)
    with pytest.raises(ValueError):
        pizza.toppings.add(Topping(name="unsaved"))
    with pytest.raises(ValueError):
        Pizza(name="unsaved").toppings.add(1)
    assert changes() == []


# --- remove and clear ---------------------------------------------------------------------------------------------


def test_remove_names_all_that_was_given_related_or_not(changes, pizza, toppings):
    a, b, _ = toppings
    pizza.toppings.add(a)
    pizza.toppings.remove(a, b, 999999)
    expected = keys(a, b) | {999999}
    assert changes()[2:] == [("pre_remove", expected), ("post_remove", expected)]
    assert pizza.toppings.count() == 0


def test_remove_takes_keys_as_texts(changes, pizza, toppings):
    pizza.toppings.add(toppings[0])
    pizza.toppings.remove(str(toppings[0].pk))
    assert changes()[2] == ("pre_remove", keys(toppings[0]))
    assert pizza.toppings.count() == 0


def test_what_is_taken_out_of_the_set_is_not_removed(log, pizza, toppings):
    pizza.toppings.add(*toppings)

    def veto(action, pk_set, **kwargs):
        if action == "pre_remove":
            pk_set.discard(toppings[0].pk)

    log.listen(m2m_changed, then=veto)
    pizza.toppings.remove(*toppings)
    assert list(pizza.toppings.all()) == toppings[:1]


def test_clear_sends_a_pair_without_keys_even_where_there_is_nothing(changes, pizza, toppings):
    pizza.toppings.clear()
    assert changes() == [("pre_clear", None), ("post_clear", None)]
    pizza.toppings.add(*toppings)
    toppings[0].pizzas.clear()
    assert changes()[4:] == [("pre_clear", None), ("post_clear", None)]
    assert pizza.toppings.count() == 2


# --- set ----------------------------------------------------------------------------------------------------------


def test_set_removes_then_adds_what_differs(changes, pizza, toppings):
    a, b, c = toppings
    pizza.toppings.add(a, b)
    pizza.toppings.set([b, c])
    assert changes()[2:] == [
        ("pre_remove", keys(a)),
        ("post_remove", keys(a)),
        ("pre_add", keys(c)),
        ("post_add", keys(c)),
    ]
    assert set(pizza.toppings.all()) == {b, c}


def test_setting_what_is_there_sends_nothing(changes, pizza, toppings):
    pizza.toppings.add(*toppings[:2])
    pizza.toppings.set([*toppings[:2], toppings[0].pk, toppings[1]])
    assert len(changes()) == 2


def test_setting_nothing_where_there_is_nothing_sends_nothing(changes, pizza):
    pizza.toppings.set([])
    assert changes() == []


def test_duplicates_are_set_once(changes, pizza, toppings):
    a, b, _ = toppings
    pizza.toppings.add(a)
    pizza.toppings.set([a, a, b, b.pk])
    assert changes()[2:] == [("pre_add", keys(b)), ("post_add", keys(b))]


def test_setting_after_a_clear_adds_all(changes, pizza, toppings):
    pizza.toppings.add(toppings[0])
    pizza.toppings.set(toppings[:2], clear=True)
    expected = keys(*toppings[:2])
    assert changes()[2:] == [
        ("pre_clear", None),
        ("post_clear", None),
        ("pre_add", expected),
        ("post_add", expected),
    ]
    pizza.toppings.set([], clear=True)
    assert changes()[6:] == [("pre_clear", None), ("post_clear", None)]


# --- create -------------------------------------------------------------------------------------------------------


def test_create_saves_then_adds(log, pizza):
    log.listen(pre_save, post_save, m2m_changed)
    topping = pizza.toppings.create(name="basil")
    assert log.names == ["pre_save", "post_save", "m2m_changed", "m2m_changed"]
    assert log[2].pk_set == keys(topping)


def test_get_or_create_and_update_or_create_add_what_they_created(changes, pizza):
    pizza.toppings.get_or_create(name="basil")
    assert len(changes()) == 2
    pizza.toppings.get_or_create(name="basil")
    pizza.toppings.update_or_create(name="basil", defaults={"name": "Basil"})
    assert len(changes()) == 2
    pizza.toppings.update_or_create(name="ham")
    assert len(changes()) == 4


# --- relations to oneself -----------------------------------------------------------------------------------------


def test_a_symmetrical_relation_sends_one_pair_for_two_rows(changes):
    ann, bob = Person.objects.create(name="Ann"), Person.objects.create(name="Bob")
    ann.friends.add(bob)
    assert changes() == [("pre_add", keys(bob)), ("post_add", keys(bob))]
    assert list(bob.friends.all()) == [ann]
    bob.friends.remove(ann)
    assert changes()[2:] == [("pre_remove", keys(ann)), ("post_remove", keys(ann))]
    assert Person.friends.through.objects.count() == 0
    ann.friends.add(bob)
    ann.friends.clear()
    assert len(changes()) == 8
    assert Person.friends.through.objects.count() == 0


def test_an_asymmetrical_one_is_reverse_from_its_other_name(log):
    ann, bob = Person.objects.create(name="Ann"), Person.objects.create(name="Bob")
    log.listen(m2m_changed, sender=Person.follows.through)
    ann.follows.add(bob)
    bob.followers.remove(ann)
    assert [(event.instance, event.reverse, event.model) for event in log] == [
        (ann, False, Person),
        (ann, False, Person),
        (bob, True, Person),
        (bob, True, Person),
    ]


# --- classes in the middle ----------------------------------------------------------------------------------------


def test_adding_through_a_class_somebody_wrote_saves_in_bulk(log):
    ann, club = Person.objects.create(name="Ann"), Club.objects.create(name="g")
    log.listen(pre_save, post_save, m2m_changed)
    club.members.add(ann, through_defaults={"role": "head"})
    assert [event.action for event in log] == ["pre_add", "post_add"]
    assert log[0].sender is Membership
    assert Membership.objects.get().role == "head"


@pytest.mark.parametrize(
    "how, action",
    [
        (lambda club, ann: club.members.remove(ann), "remove"),
        (lambda club, ann: club.members.clear(), "clear"),
        (lambda club, ann: club.members.set([]), "remove"),
        (lambda club, ann: ann.clubs.remove(club), "remove"),
    ],
    ids=["remove", "clear", "set", "from the other side"],
)
def test_removing_from_it_announces_the_deletion_of_its_rows(log, how, action):
    ann, club = Person.objects.create(name="Ann"), Club.objects.create(name="g")
    row = Membership.objects.create(person=ann, club=club)
    log.listen(pre_delete, post_delete, m2m_changed)
    how(club, ann)
    assert log.names == ["m2m_changed", "pre_delete", "post_delete", "m2m_changed"]
    assert (log[0].action, log[3].action) == (f"pre_{action}", f"post_{action}")
    assert log[1].sender is Membership
    assert log[1].origin.model is Membership
    assert row not in Membership.objects.all()


def test_removing_from_one_that_a_relation_made_announces_no_deletion(log, pizza, toppings):
    pizza.toppings.add(*toppings)
    log.listen(pre_delete, post_delete)
    pizza.toppings.remove(toppings[0])
    pizza.toppings.clear()
    assert log == []


def test_writing_rows_in_the_middle_is_not_heard(changes, pizza, toppings):
    through = Pizza.toppings.through
    through.objects.create(pizza=pizza, topping=toppings[0])
    through.objects.bulk_create([through(pizza=pizza, topping=toppings[1])])
    through.objects.all().delete()
    pizza.delete()
    assert changes() == []


# --- transactions, caches, databases ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["pre_add", "post_add"])
def test_an_error_undoes_an_addition(log, pizza, toppings, action):
    log.listen(m2m_changed, then=lambda **kwargs: kwargs["action"] == action and fail())
    with pytest.raises(ZeroDivisionError):
        pizza.toppings.add(*toppings)
    assert pizza.toppings.count() == 0


@pytest.mark.parametrize("action", ["pre_remove", "post_remove", "post_clear", "post_add"])
def test_an_error_undoes_a_setting_as_a_whole(log, pizza, toppings, action):
    pizza.toppings.add(toppings[0])
    log.listen(m2m_changed, then=lambda **kwargs: kwargs["action"] == action and fail())
    with pytest.raises(ZeroDivisionError):
        pizza.toppings.set(toppings[1:], clear="clear" in action)
    assert list(pizza.toppings.all()) == toppings[:1]


def test_receivers_see_the_database_not_what_was_prefetched(log, pizza, toppings):
    pizza.toppings.add(toppings[0])
    found = Pizza.objects.prefetch_related("toppings").get()
    counts = []
    log.listen(m2m_changed, then=lambda instance, **kwargs: counts.append(len(instance.toppings.all())))
    found.toppings.add(toppings[1])
    found.toppings.clear()
    assert counts == [1, 2, 2, 0]


def test_a_receiver_that_comes_later_is_heard_with_exact_keys(log, pizza, toppings):
    pizza.toppings.add(toppings[0])
    log.listen(m2m_changed, sender=Pizza.toppings.through)
    pizza.toppings.add(*toppings)
    assert log[0].pk_set == keys(*toppings[1:])


def test_on_commit_is_told_of_changes_that_were_kept(pizza, toppings):
    heard = []

    def hear(action, pk_set, **kwargs):
        heard.append((action, pk_set, transaction.is_open()))

    m2m_changed.connect(hear, sender=Pizza.toppings.through, on_commit=True)
    with transaction.atomic():
        pizza.toppings.add(toppings[0])
        assert heard == []
    assert heard == [("pre_add", keys(toppings[0]), False), ("post_add", keys(toppings[0]), False)]

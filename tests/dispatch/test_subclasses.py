"""connect(include_subclasses=True): a class stands for every class that inherits from it."""

from __future__ import annotations

import gc

import pytest

from webframe.dispatch import Signal


class Food:
    pass


class Pizza(Food):
    pass


class Calzone(Pizza):
    pass


@pytest.fixture
def signal():
    return Signal()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def hear(heard):
    def hear(sender, **kwargs):
        heard.append(sender)

    return hear


def test_the_class_its_children_and_theirs_are_heard_and_its_parents_are_not(signal, hear, heard):
    signal.connect(hear, sender=Pizza, include_subclasses=True)
    for sender in (Food, Pizza, Calzone, object, "Pizza", None):
        signal.send(sender)
    assert heard == [Pizza, Calzone]


def test_without_it_there_is_no_inheritance(signal, hear, heard):
    signal.connect(hear, sender=Pizza)
    signal.send(Calzone)
    assert heard == []
    assert not signal.has_listeners(Calzone)


def test_classes_defined_later_are_heard(signal, hear, heard):
    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.send(Food)

    class Focaccia(Food):
        pass

    signal.send(Focaccia)
    assert heard == [Food, Focaccia]
    assert signal.has_listeners(Focaccia)


def test_a_sender_that_had_no_listeners_is_heard_from_now_on(signal, hear, heard):
    signal.connect(lambda sender, **kwargs: None, sender=Food, weak=False)
    signal.send(Calzone)
    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.send(Calzone)
    assert heard == [Calzone]


def test_after_disconnecting_nobody_is_heard(signal, hear, heard):
    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.send(Calzone)
    assert signal.disconnect(hear, sender=Food)
    signal.send(Calzone)
    assert heard == [Calzone]
    assert not signal.active


def test_it_is_called_once_for_each_connection_in_the_order_of_connecting(signal):
    calls = []
    signal.connect(lambda sender, **kwargs: calls.append("child"), sender=Calzone, weak=False)
    signal.connect(lambda sender, **kwargs: calls.append("parent"), sender=Food, weak=False, include_subclasses=True)
    signal.connect(lambda sender, **kwargs: calls.append("all"), weak=False)
    signal.connect(
        lambda sender, **kwargs: calls.append("first"), Pizza, weak=False, include_subclasses=True, priority=1
    )
    signal.send(Calzone)
    assert calls == ["first", "child", "parent", "all"]


def test_the_same_receiver_for_parent_and_child_hears_the_child_twice(signal, hear, heard):
    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.connect(hear, sender=Pizza, include_subclasses=True)
    signal.send(Pizza)
    signal.send(Food)
    assert heard == [Pizza, Pizza, Food]


def test_a_diamond_is_heard_once(signal, hear, heard):
    class Hot(Food):
        pass

    class Half(Pizza, Hot):
        pass

    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.send(Half)
    assert heard == [Half]


def test_a_weak_receiver_is_forgotten(signal, heard):
    def hear(sender, **kwargs):
        heard.append(sender)

    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.send(Pizza)
    del hear
    gc.collect()
    signal.send(Pizza)
    assert heard == [Pizza]
    assert not signal.has_listeners(Pizza)


def test_neither_the_parent_nor_its_children_are_kept_alive(signal):
    def hear(sender, **kwargs): ...

    class Parent:
        pass

    class Child(Parent):
        pass

    signal.connect(hear, sender=Parent, include_subclasses=True)
    signal.send(Child)
    assert len(signal.sender_receivers_cache) == 1
    del Child
    gc.collect()
    signal.send(Food)
    assert len(signal.sender_receivers_cache) == 1, "that of Food"
    del Parent
    gc.collect()
    assert signal.registrations() == []
    assert not signal.has_listeners(Food)


def test_muting_for_the_child_concerns_the_child(signal, hear, heard):
    signal.connect(hear, sender=Food, include_subclasses=True)
    with signal.muted(sender=Pizza):
        signal.send(Pizza)
        signal.send(Calzone)
    assert heard == [Calzone]


def test_a_block_may_connect_for_subclasses_too(signal, hear, heard):
    with signal.connected_to(hear, sender=Food, include_subclasses=True):
        signal.send(Calzone)
    signal.send(Calzone)
    assert heard == [Calzone]


def test_assigned_registrations_still_hear_subclasses(signal, hear, heard):
    signal.connect(hear, sender=Food, include_subclasses=True)
    registrations = signal.receivers
    signal.receivers = []
    signal.send(Pizza)
    signal.receivers = registrations
    signal.send(Pizza)
    assert heard == [Pizza]


@pytest.mark.parametrize("sender", [None, "Pizza", Pizza()], ids=["anybody", "a text", "an instance"])
def test_what_is_not_a_class_has_no_subclasses(signal, hear, sender):
    with pytest.raises(TypeError, match="include_subclasses"):
        signal.connect(hear, sender=sender, include_subclasses=True)


def test_a_registration_says_so(signal, hear):
    signal.connect(hear, sender=Food, include_subclasses=True)
    signal.connect(hear, sender=Pizza)
    assert [registration.include_subclasses for registration in signal.registrations()] == [True, False]

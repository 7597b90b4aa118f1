"""`signal.receivers` for code that reads it, or mutes a signal by assigning it."""

from __future__ import annotations

import gc
import weakref

import pytest

from webframe.dispatch import Signal


class Sender:
    pass


@pytest.fixture
def signal():
    return Signal(use_caching=True)


def first(sender, **kwargs):
    return 1


def second(sender, **kwargs):
    return 2


def third(sender, **kwargs):
    return 3


def responses(sent):
    return [response for _, response in sent]


def test_it_is_a_list_that_is_empty_when_nobody_is_connected(signal):
    assert signal.receivers == []
    signal.connect(first)
    assert len(signal.receivers) == 1
    assert signal.receivers[0].receiver is first


def test_changing_the_list_changes_nothing(signal):
    signal.connect(first)
    signal.receivers.clear()
    assert responses(signal.send(Sender)) == [1]


def test_an_empty_list_mutes_and_the_saved_one_restores_also_what_was_cached(signal):
    signal.connect(first, sender=Sender)
    signal.connect(second, priority=1)
    assert responses(signal.send(Sender)) == [2, 1]
    saved = signal.receivers
    signal.receivers = []
    assert signal.send(Sender) == [] and not signal.has_listeners(Sender) and not signal.active
    signal.receivers = saved
    assert responses(signal.send(Sender)) == [2, 1]
    assert responses(signal.send(None)) == [2]
    assert signal.disconnect(first, sender=Sender)


def test_what_was_connected_meanwhile_can_be_added(signal):
    signal.connect(first)
    saved = signal.receivers
    signal.receivers = []
    signal.connect(second, sender=Sender)
    assert responses(signal.send(Sender)) == [2]
    signal.receivers = saved + signal.receivers
    with signal.lock:
        signal.sender_receivers_cache.clear()
    assert responses(signal.send(Sender)) == [1, 2]


def test_the_order_is_that_of_the_list(signal):
    for receiver in (first, second, third):
        signal.connect(receiver)
    one, two, three = signal.receivers
    signal.receivers = (three, one, two)
    assert responses(signal.send(Sender)) == [3, 1, 2]


def test_one_can_be_left_out_and_doubles_count_once(signal):
    for receiver in (first, second):
        signal.connect(receiver)
    signal.receivers = [entry for entry in signal.receivers if entry.receiver is not first] * 2
    assert responses(signal.send(Sender)) == [2]


def test_who_died_while_muted_is_not_restored(signal):
    def local(sender, **kwargs): ...

    sender = Sender()
    signal.connect(local)
    signal.connect(first, sender=sender, weak=False)
    signal.connect(second)
    saved = signal.receivers
    signal.receivers = []
    del local, sender
    gc.collect()
    signal.send(Sender)
    signal.receivers = saved
    assert signal.active == 1
    assert [entry.receiver for entry in signal.receivers] == [second]


def test_who_dies_after_being_restored_is_forgotten(signal):
    def local(sender, **kwargs): ...

    signal.connect(local)
    saved, signal.receivers = signal.receivers, []
    signal.receivers = saved
    del local
    gc.collect()
    assert signal.receivers == []


@pytest.mark.parametrize("stranger", [first, ("key", first), None])
def test_anything_else_is_refused_and_nothing_changes(signal, stranger):
    signal.connect(second)
    with pytest.raises(TypeError, match=r"connect\(\)"):
        signal.receivers = [stranger]
    assert responses(signal.send(Sender)) == [2]


def test_assigning_during_a_sending_takes_effect_the_next_time(signal):
    def mute(sender, **kwargs):
        signal.receivers = []

    signal.connect(mute)
    signal.connect(first)
    assert responses(signal.send(Sender)) == [None, 1]
    assert signal.send(Sender) == []


def test_an_entry_can_be_read_as_the_tuple_that_it_is_in_django(signal):
    def strong(sender, **kwargs): ...

    signal.connect(first, sender=Sender)
    signal.connect(strong, weak=False, dispatch_uid="uid")
    of_one, of_all = signal.receivers
    assert of_one[0] == (id(first), id(Sender)) and of_all[0] == ("uid", id(None))
    assert isinstance(of_one[1], weakref.ref) and of_one[1]() is first
    assert of_all[1] is strong
    assert [entry[0] for entry in signal.receivers if entry[0][1] == id(Sender)] == [of_one[0]]
    lookup_key, reference, sender, is_async = of_one
    assert (lookup_key, reference(), sender(), is_async) == (of_one[0], first, Sender, False)
    assert of_all[2:] == (None, False)


def test_a_method_among_the_entries_is_given_by_calling_the_entrys_second_part(signal):
    class Search:
        def index(self, sender, **kwargs): ...

    search = Search()
    signal.connect(search.index)
    assert signal.receivers[0][1]() == search.index

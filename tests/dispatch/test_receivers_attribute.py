"""`signal.receivers` for code that reads it, or mutes a signal by assigning it."""

from __future__ import annotations

import gc

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

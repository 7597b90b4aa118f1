"""Receivers and senders are not kept alive, and nobody inherits the registrations of the dead."""

from __future__ import annotations

import functools
import gc
import threading
import weakref

import pytest

from webframe.dispatch import Signal


class Sender:
    pass


class Waiter:
    def listen(self, sender, **kwargs):
        return "heard"


@pytest.fixture
def signal():
    return Signal()


def hear(sender, **kwargs):
    return "heard"


# --- receivers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda sender, **kwargs: None,
        lambda: functools.partial(hear),
        lambda: Waiter().listen,
        lambda: type("Callable", (), {"__call__": lambda self, **kwargs: None})(),
    ],
)
def test_a_receiver_that_nobody_keeps_is_never_called(signal, make):
    signal.connect(make())
    gc.collect()
    assert signal.send(None) == []
    assert not signal.has_listeners()
    assert signal.receivers == [] == signal.registrations()
    assert not signal.active


@pytest.mark.parametrize("make", [lambda: lambda sender, **kwargs: None, lambda: Waiter().listen])
def test_a_receiver_connected_strongly_is_kept(signal, make):
    signal.connect(make(), weak=False)
    gc.collect()
    assert len(signal.send(None)) == 1


def test_a_method_lives_as_long_as_its_instance(signal):
    waiter = Waiter()
    signal.connect(waiter.listen)
    gc.collect()
    assert signal.send(None) == [(waiter.listen, "heard")]
    del waiter
    gc.collect()
    assert signal.send(None) == []


def test_a_method_made_of_a_closure_over_its_instance_does_not_keep_it_alive(signal):
    def make():
        waiter = Waiter()

        def listen(self, sender, **kwargs):
            return waiter

        waiter.listen = listen.__get__(waiter)
        return waiter

    waiter = make()
    signal.connect(waiter.listen)
    assert len(signal.send(None)) == 1
    reference = weakref.ref(waiter)
    del waiter
    gc.collect()
    assert reference() is None
    assert signal.send(None) == []


def test_the_dead_are_forgotten_at_the_next_call_only_and_then_entirely(signal):
    def local(sender, **kwargs): ...

    signal.connect(local)
    assert signal.active
    del local
    gc.collect()
    assert signal.active  # a death does nothing but note itself
    assert not signal.has_listeners()
    assert not signal.active


def test_dying_after_being_disconnected_removes_nobody_else(signal):
    def local(sender, **kwargs): ...

    signal.connect(local, dispatch_uid="one")
    signal.disconnect(dispatch_uid="one")
    signal.connect(hear, dispatch_uid="one")
    del local
    gc.collect()
    assert len(signal.send(None)) == 1


def test_dying_while_set_aside_removes_nobody_who_took_the_place(signal):
    def local(sender, **kwargs): ...

    signal.connect(local, dispatch_uid="one")
    set_aside, signal.receivers = signal.receivers, []
    signal.connect(hear, dispatch_uid="one")
    del local
    gc.collect()
    assert signal.send(None) == [(hear, "heard")]
    assert set_aside[0].receiver is None


def test_sending_forgets_the_dead_too(signal):
    def local(sender, **kwargs): ...

    signal.connect(local)
    signal.send(None)
    del local
    gc.collect()
    signal.send(None)
    assert not signal.active


def test_a_uid_is_taken_over_from_somebody_who_dies_in_that_moment(signal):
    victims = []

    class Uid:
        """A uid that kills when it is looked up."""

        def __hash__(self):
            victims.clear()
            return 1

        def __eq__(self, other):
            return isinstance(other, Uid)

    victims.append(lambda sender, **kwargs: None)
    registered = victims[0]
    signal.connect(registered, dispatch_uid=Uid())
    victims.append(registered)
    del registered
    signal.connect(hear, dispatch_uid=Uid())
    assert signal.send(None) == [(hear, "heard")]


def test_a_uid_is_free_again_once_its_receiver_is_gone(signal):
    def local(sender, **kwargs): ...

    signal.connect(local, dispatch_uid="one")
    del local
    gc.collect()
    signal.connect(hear, dispatch_uid="one")
    assert signal.send(None) == [(hear, "heard")]


def test_connecting_and_disconnecting_in_a_loop_leaves_nothing(signal):
    before = weakref.getweakrefcount(hear), weakref.getweakrefcount(Sender)
    for _ in range(100):
        signal.connect(hear, sender=Sender)
        signal.disconnect(hear, sender=Sender)
    assert (weakref.getweakrefcount(hear), weakref.getweakrefcount(Sender)) == before
    assert not signal._registrations and not signal._senders and not signal._graveyard


def test_a_signal_nobody_keeps_is_collected_without_the_cyclic_collector():
    gc.disable()
    try:
        signal = Signal()
        signal.connect(hear)
        signal.connect(hear, sender=Sender)
        signal.send(Sender)
        reference = weakref.ref(signal)
        del signal
        assert reference() is None
    finally:
        gc.enable()


# --- senders ------------------------------------------------------------------------------------------------------


def test_a_sender_is_not_kept_alive_by_registrations_nor_by_what_is_cached(signal):
    sender = Sender()
    signal.connect(hear, sender=sender, weak=False)
    signal.connect(hear)
    assert len(signal.send(sender)) == 2
    reference = weakref.ref(sender)
    del sender
    assert reference() is None


def test_registrations_of_a_dead_sender_disappear_even_strong_ones(signal):
    def local(sender, **kwargs): ...

    sender = Sender()
    signal.connect(local, sender=sender, weak=False)
    reference = weakref.ref(local)
    del sender, local
    gc.collect()
    assert signal.receivers == []
    assert reference() is None


def test_a_new_sender_at_the_same_place_inherits_nothing(signal):
    for _ in range(200):
        sender = Sender()
        assert signal.send(sender) == []
        assert not signal.has_listeners(sender)
        signal.connect(hear, sender=sender, weak=False)
        assert len(signal.send(sender)) == 1
        del sender


def test_a_new_sender_at_the_same_place_is_connected_for_itself(signal):
    for number in range(200):
        sender = Sender()
        signal.connect(hear, sender=sender, dispatch_uid=str(number))
        assert len(signal.send(sender)) == 1
        assert len(signal.receivers) == 1
        del sender


def test_a_sender_is_referred_to_once_however_many_are_connected_for_it(signal):
    sender = Sender()
    for number in range(10):
        signal.connect(hear, sender=sender, dispatch_uid=str(number))
    assert weakref.getweakrefcount(sender) == 1


def test_a_new_receiver_at_the_same_place_inherits_nothing(signal):
    for number in range(200):

        def local(sender, **kwargs):
            return number  # noqa: B023  # it is called within the same turn

        signal.connect(local, priority=number)
        ((_, response),) = signal.send(None)
        (registration,) = signal.registrations()
        assert response == registration.priority == number
        del local, registration, _


def test_a_bound_method_as_sender_is_gone_at_once(signal):
    waiter = Waiter()
    signal.connect(hear, sender=waiter.listen)
    assert signal.receivers == []


def test_plain_objects_as_senders_are_kept_so_that_their_identity_stays_theirs(signal):
    signal.connect(hear, sender=object())
    gc.collect()
    assert len(signal.receivers) == 1
    assert not any(signal.send(object()) for _ in range(100))


# --- death at a bad moment ----------------------------------------------------------------------------------------


def in_time(function):
    """Run the function in a thread, so that a deadlock fails the test instead of hanging it."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def test_a_receiver_may_die_while_its_own_thread_holds_the_lock(signal):
    def local(sender, **kwargs): ...

    sender = Sender()
    signal.connect(local, sender=sender)
    victims = [local, sender]
    del local, sender

    def die():
        with signal.lock:
            victims.clear()
            gc.collect()

    assert in_time(die)
    assert signal.receivers == []


def test_a_receiver_may_die_while_another_thread_holds_the_lock(signal):
    def local(sender, **kwargs): ...

    signal.connect(local)
    victims = [local]
    del local
    with signal.lock:
        assert in_time(lambda: (victims.clear(), gc.collect()))
    assert signal.receivers == []


def test_a_finalizer_may_use_the_signal_while_the_lock_is_held(signal):
    class Last:
        def __init__(self):
            self.itself = self  # only the cyclic collector finds it, whenever it happens to run

        def listen(self, sender, **kwargs): ...

        def __del__(self):
            signal.disconnect(self.listen)
            signal.connect(hear)
            signal.send(None)

    signal.connect(Last().listen)

    def die():
        with signal.lock:
            gc.collect()

    assert in_time(die)
    assert signal.send(None) == [(hear, "heard")]


def test_finalizers_that_run_amid_replacing_the_receivers_are_heard(signal):
    class Last:
        def __call__(self, sender, **kwargs): ...

        def __del__(self):
            signal.connect(hear)

    signal.connect(Last(), weak=False)
    signal.receivers = []
    assert signal.send(None) == [(hear, "heard")]
    assert signal.disconnect(hear)

"""Sending, connecting, dying and muting in several threads at once."""

from __future__ import annotations

import sys
import threading

import pytest

from webframe.dispatch import Signal, all_signals


class Sender:
    pass


@pytest.fixture(autouse=True)
def impatient_interpreter():
    """Switch threads as often as can be, so that few turns meet many interleavings."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_together(*functions):
    """Run each in a thread of its own, all from the same moment, and raise what any of them raised."""
    errors = []
    barrier = threading.Barrier(len(functions))

    def run(function):
        try:
            barrier.wait(10)
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    if errors:
        raise errors[0]


def make_receiver(answer):
    def hear(**kwargs):
        return answer

    return hear


TURNS = 1000


def test_sends_see_all_of_those_who_stay_whatever_comes_and_goes():
    signal = Signal()
    staying = [make_receiver(number) for number in range(5)]
    for number, receiver in enumerate(staying):
        signal.connect(receiver, sender=Sender if number % 2 else None)

    def send():
        for _ in range(TURNS):
            for sent in (signal.send(Sender), signal.send_robust(Sender)):
                answers = [response for _, response in sent]
                assert [answer for answer in answers if answer is not None] == [0, 1, 2, 3, 4]
            assert [response for _, response in signal.send(None) if response is not None] == [0, 2, 4]
            assert signal.has_listeners(Sender)

    def come_and_go():
        for _ in range(TURNS):
            visitor = make_receiver(None)
            signal.connect(visitor, priority=1)
            signal.connect(visitor, sender=Sender)
            assert signal.disconnect(visitor)
            assert signal.disconnect(visitor, sender=Sender)

    def come_and_die():
        for _ in range(TURNS):
            signal.connect(make_receiver(None))
            signal.connect(make_receiver(None), sender=Sender())

    run_together(send, send, come_and_go, come_and_die)
    assert [registration.receiver for registration in signal.receivers] == staying


def test_a_receiver_hears_everything_sent_after_it_was_connected():
    signal = Signal()
    done = threading.Event()

    def connect():
        for _ in range(TURNS):
            receiver = make_receiver("mine")
            sender = Sender()
            signal.connect(receiver)
            signal.connect(receiver, sender=sender)
            assert [response for found, response in signal.send(sender) if found is receiver] == ["mine", "mine"]
            assert signal.disconnect(receiver)
            assert [response for found, response in signal.send(sender) if found is receiver] == ["mine"]
            assert signal.disconnect(receiver, sender)
            assert signal.send(sender) == [] or all(found is not receiver for found, _ in signal.send(sender))
        done.set()

    run_together(connect, connect, connect)
    assert signal.receivers == [] and not signal.active


def test_a_new_sender_inherits_nothing_while_others_die():
    signal = Signal()
    keep = make_receiver("dead")

    def live_and_die():
        for _ in range(TURNS):
            sender = Sender()
            assert signal.send(sender) == []
            signal.connect(keep, sender=sender)
            assert len(signal.send(sender)) == 1
            del sender

    run_together(live_and_die, live_and_die, live_and_die)


def test_blocks_in_one_thread_do_not_concern_another():
    signal = Signal()
    signal.connect(hear := make_receiver("heard"))

    def mute():
        for _ in range(TURNS):
            with signal.muted():
                assert signal.send(Sender) == []
            assert signal.send(Sender) == [(hear, "heard")]

    def add():
        for _ in range(TURNS):
            more = make_receiver("more")
            with signal.connected_to(more):
                assert signal.send(Sender) == [(hear, "heard"), (more, "more")]

    def send():
        for _ in range(TURNS):
            assert signal.send(Sender) == [(hear, "heard")]

    run_together(mute, add, send)
    assert signal.active == 1


def test_connecting_the_same_receiver_everywhere_connects_it_once():
    for _ in range(20):
        signal = Signal()
        receiver = make_receiver(1)
        run_together(*[lambda: signal.connect(receiver, sender=Sender)] * 4)  # noqa: B023  # run within the turn
        assert len(signal.send(Sender)) == 1
        removed = []
        run_together(*[lambda: removed.append(signal.disconnect(receiver, Sender))] * 4)  # noqa: B023  # likewise
        assert sorted(removed) == [False, False, False, True]


def test_signals_are_listed_while_others_are_made():
    def make():
        for _ in range(TURNS // 10):
            Signal(name="fleeting")

    def listing():
        for _ in range(TURNS // 10):
            all_signals()

    run_together(make, listing, make)

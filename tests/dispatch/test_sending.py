"""send and send_robust: who is called with what, and what becomes of errors."""

from __future__ import annotations

import functools
import logging
import re

import pytest

from webframe._calls import try_each
from webframe.dispatch import Signal


class Sender:
    pass


@pytest.fixture
def signal():
    return Signal(name="pizza_done")


def test_everything_is_passed_by_keyword(signal):
    def hear(*args, **kwargs):
        return args, kwargs

    signal.connect(hear)
    ((receiver, (args, kwargs)),) = signal.send(Sender, size=3)
    assert receiver is hear
    assert args == ()
    assert kwargs == {"signal": signal, "sender": Sender, "size": 3}


def test_the_sender_may_be_passed_by_keyword_and_any_name_but_signal_is_free(signal):
    signal.connect(repeat := lambda **kwargs: kwargs)
    ((_, kwargs),) = signal.send(sender=Sender, self=1, receiver=2, named=3, weak=4)
    assert kwargs == {"signal": signal, "sender": Sender, "self": 1, "receiver": 2, "named": 3, "weak": 4}
    with pytest.raises(TypeError, match="'signal'"):
        signal.send(Sender, signal=1)
    assert repeat


def test_each_receiver_gets_arguments_of_its_own(signal):
    def greedy(**kwargs):
        kwargs.clear()

    def modest(**kwargs):
        return sorted(kwargs)

    signal.connect(greedy)
    signal.connect(modest)
    assert signal.send(Sender, size=3)[1] == (modest, ["sender", "signal", "size"])


def test_a_sender_is_required(signal):
    with pytest.raises(TypeError, match="sender"):
        signal.send()


def test_nobody_connected_is_an_empty_list(signal):
    assert signal.send(Sender) == [] == signal.send_robust(Sender)
    assert not signal.has_listeners(Sender) and not signal.active


def test_the_first_error_ends_the_sending(signal):
    called = []

    def fail(**kwargs):
        called.append("fail")
        raise ZeroDivisionError("no")

    def after(**kwargs):
        called.append("after")

    signal.connect(fail)
    signal.connect(after)
    with pytest.raises(ZeroDivisionError):
        signal.send(Sender)
    assert called == ["fail"]


# --- who hears of a sending is settled when it begins -------------------------------------------------------------


def test_disconnecting_somebody_later_does_not_stop_them_this_time(signal):
    def first(**kwargs):
        signal.disconnect(first)
        signal.disconnect(second)

    def second(**kwargs):
        return "still"

    signal.connect(first)
    signal.connect(second)
    assert signal.send(Sender) == [(first, None), (second, "still")]
    assert signal.send(Sender) == []


def test_connecting_somebody_takes_effect_the_next_time(signal):
    def first(**kwargs):
        signal.connect(second)

    def second(**kwargs): ...

    signal.connect(first)
    assert signal.send(Sender) == [(first, None)]
    assert signal.send(Sender) == [(first, None), (second, None)]


def test_a_receiver_that_loses_its_last_owner_during_a_sending_is_called_all_the_same(signal):
    owned = {"second": lambda **kwargs: "second", "third": type("Waiter", (), {"hear": lambda self, **kwargs: 3})()}

    def first(**kwargs):
        owned.clear()

    signal.connect(first)
    signal.connect(owned["second"])
    signal.connect(owned["third"].hear)
    assert [response for _, response in signal.send(Sender)] == [None, "second", 3]
    assert [response for _, response in signal.send(Sender)] == [None]


def test_a_receiver_may_send_again(signal):
    depths = []

    def again(depth, **kwargs):
        depths.append(depth)
        if depth < 3:
            signal.send(Sender, depth=depth + 1)

    signal.connect(again)
    signal.send(Sender, depth=0)
    assert depths == [0, 1, 2, 3]


# --- robust -------------------------------------------------------------------------------------------------------


class Instance:
    def __call__(self, **kwargs):
        raise ValueError("burnt")

    def method(self, **kwargs):
        raise ValueError("burnt")


class Unprintable(Instance):
    def __repr__(self):
        raise AssertionError("asked for a name")

    def __getattr__(self, name):
        raise RuntimeError("asked for a name")


def function(**kwargs):
    raise ValueError("burnt")


@pytest.mark.parametrize(
    ("receiver", "name"),
    [
        (function, "function"),
        (Instance(), "an instance of .*Instance"),
        (Instance().method, "Instance.method"),
        (functools.partial(function), "partial of .*function"),
        (functools.partial(Instance()), "partial of an instance of .*Instance"),
    ],
)
def test_an_error_becomes_the_response_and_is_logged_once_with_its_traceback(signal, caplog, receiver, name):
    def after(**kwargs):
        return "after"

    signal.connect(receiver, weak=False)
    signal.connect(after)
    (failed, error), rest = signal.send_robust(Sender)
    assert failed == receiver
    assert isinstance(error, ValueError) and error.__traceback__ is not None
    assert rest == (after, "after")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("webframe.dispatch", logging.ERROR)
    assert record.exc_info[1] is error
    assert record.getMessage().endswith("ValueError: burnt")
    assert re.search(name, record.getMessage()) and "pizza_done" in record.getMessage()


def test_logging_never_raises_whatever_the_receiver_and_its_error_are(signal, caplog):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("not printable")

    class Rude(Unprintable):
        def __call__(self, **kwargs):
            raise Mute

    rude = Rude()
    ((receiver, error),) = try_each([rude], signal, Sender, {})  # no signal can be connected to such a thing
    assert receiver is rude and isinstance(error, Mute)
    assert "an instance of" in caplog.records[0].getMessage()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_not_an_exception_is_passed_on(signal, error):
    def stop(**kwargs):
        raise error

    signal.connect(stop)
    with pytest.raises(error):
        signal.send_robust(Sender)


def test_a_wrong_call_is_an_error_of_the_receiver(signal, caplog):
    def picky(sender, signal, size): ...

    signal.connect(picky)
    ((_, error),) = signal.send_robust(Sender, colour="red")
    assert isinstance(error, TypeError)
    assert len(caplog.records) == 1


# --- what a registration tells ------------------------------------------------------------------------------------


def test_registrations_tell_who_is_called_for_whom_and_how(signal):
    async def awaited(**kwargs): ...

    def early(**kwargs): ...

    signal.connect(awaited, sender=Sender, dispatch_uid="uid")
    signal.connect(function, weak=False, inline=True)
    signal.connect(early, priority=3)
    first, second, third = signal.registrations()
    assert [first.receiver, second.receiver, third.receiver] == [early, function, awaited]
    assert (first.priority, first.weak, first.inline, first.is_async) == (3, True, False, False)
    assert (second.sender, second.weak, second.inline, second.dispatch_uid) == (None, False, True, None)
    assert (third.sender, third.is_async, third.dispatch_uid) == (Sender, True, "uid")
    assert "awaited" in repr(third) and "Sender" in repr(third)
    del awaited
    assert third.receiver is None and "gone" in repr(third)


def test_a_signal_tells_whether_all_receivers_may_be_called_in_place(signal):
    assert signal.calls_inline_only(Sender)
    signal.connect(function, inline=True)
    assert signal.calls_inline_only(Sender)

    async def awaited(**kwargs): ...

    signal.connect(awaited, inline=True, sender=Instance)
    assert signal.calls_inline_only(Sender) and not signal.calls_inline_only(Instance)
    del awaited
    assert signal.calls_inline_only(Instance)

    def plain(**kwargs): ...

    signal.connect(plain)
    assert not signal.calls_inline_only(Sender)

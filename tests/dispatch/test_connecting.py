"""Connecting and disconnecting: what counts as the same registration, and what is refused."""

from __future__ import annotations

import functools
import gc
import subprocess
import sys
import weakref
from unittest.mock import AsyncMock, MagicMock

import pytest

from webframe.dispatch import Signal, receiver


class Pizza:
    pass


class Calzone(Pizza):
    pass


class Waiter:
    def __init__(self):
        self.heard = []

    def listen(self, sender, **kwargs):
        self.heard.append(sender)

    @classmethod
    def listen_as_class(cls, sender, **kwargs):
        return cls

    @staticmethod
    def listen_as_nobody(sender, **kwargs):
        return "static"


@pytest.fixture
def signal():
    return Signal()


def hear(sender, **kwargs):
    return "heard"


def overhear(sender, **kwargs):
    return "overheard"


def responses(sent):
    return [response for _, response in sent]


# --- the same and not the same ------------------------------------------------------------------------------------


def test_connecting_the_same_receiver_again_does_nothing(signal):
    assert signal.connect(hear) is None
    signal.connect(overhear)
    signal.connect(hear, weak=False, priority=-5)
    assert signal.send(None) == [(hear, "heard"), (overhear, "overheard")]
    first, _ = signal.registrations()
    assert first.weak and first.priority == 0


def test_a_function_connected_for_everybody_and_for_one_sender_hears_that_one_twice(signal):
    signal.connect(hear)
    signal.connect(hear, sender=Pizza)
    assert len(signal.send(Pizza)) == 2
    assert len(signal.send(Calzone)) == 1
    assert signal.disconnect(hear)
    assert len(signal.send(Pizza)) == 1
    assert signal.send(Calzone) == []


def test_a_second_receiver_under_the_same_uid_is_ignored(signal):
    signal.connect(hear, dispatch_uid="one")
    signal.connect(overhear, dispatch_uid="one")
    assert responses(signal.send(None)) == ["heard"]


def test_the_same_uid_for_another_sender_is_another_registration(signal):
    signal.connect(hear, sender=Pizza, dispatch_uid="one")
    signal.connect(overhear, sender=Calzone, dispatch_uid="one")
    assert responses(signal.send(Pizza)) == ["heard"]
    assert responses(signal.send(Calzone)) == ["overheard"]


@pytest.mark.parametrize("uid", ["", 0, None, ()])
def test_a_uid_that_is_falsy_is_none(signal, uid):
    signal.connect(hear, dispatch_uid=uid)
    signal.connect(overhear, dispatch_uid=uid)
    assert len(signal.send(None)) == 2
    assert signal.disconnect(hear)


@pytest.mark.parametrize("uid", ["mine", 7, ("mine", 7), frozenset({1})])
def test_any_hashable_is_a_uid(signal, uid):
    signal.connect(hear, dispatch_uid=uid)
    assert not signal.disconnect(hear)
    assert signal.disconnect(dispatch_uid=uid)


def test_a_uid_is_undone_only_by_itself_and_its_sender(signal):
    signal.connect(hear, sender=Pizza, dispatch_uid="one")
    assert signal.disconnect(hear, sender=Pizza) is False
    assert signal.disconnect(dispatch_uid="one") is False
    assert signal.disconnect(sender=Pizza, dispatch_uid="one") is True
    assert signal.disconnect(sender=Pizza, dispatch_uid="one") is False


def test_disconnecting_what_was_never_connected_is_false(signal):
    assert signal.disconnect(hear) is False
    assert signal.disconnect(hear, sender=Pizza) is False
    assert signal.disconnect() is False
    assert signal.disconnect(sender=Pizza) is False


def test_a_bound_method_is_the_same_however_often_it_is_fetched(signal):
    waiter = Waiter()
    signal.connect(waiter.listen)
    signal.connect(waiter.listen)
    signal.send(Pizza)
    assert waiter.heard == [Pizza]
    assert signal.disconnect(waiter.listen)
    assert not signal.has_listeners()


def test_methods_of_two_instances_are_two_receivers(signal):
    one, other = Waiter(), Waiter()
    signal.connect(one.listen)
    signal.connect(other.listen)
    assert [receiver for receiver, _ in signal.send(Pizza)] == [one.listen, other.listen]


@pytest.mark.parametrize("name", ["listen_as_class", "listen_as_nobody"])
def test_class_methods_and_static_methods_are_always_the_same(signal, name):
    signal.connect(getattr(Waiter, name))
    signal.connect(getattr(Waiter, name))
    gc.collect()
    assert len(signal.send(Pizza)) == 1


def test_a_method_decorated_in_its_class_is_a_function_without_self(signal):
    class Board:
        @receiver(signal)
        def show(self, sender, **kwargs): ...

    with pytest.raises(TypeError, match="self"):
        signal.send(Pizza)


def test_senders_are_compared_by_identity(signal):
    one, equal = "".join(["piz", "za"]), "".join(["piz", "za"])
    assert one == equal and one is not equal
    signal.connect(hear, sender=one)
    assert signal.has_listeners(one)
    assert not signal.has_listeners(equal)
    assert signal.send(equal) == []


def test_nobody_is_asked_whether_it_is_equal_or_hashable(signal):
    class Touchy:
        __hash__ = None

        def __eq__(self, other):
            raise AssertionError("asked")

        def __bool__(self):
            raise AssertionError("asked")

        def __call__(self, sender, **kwargs):
            return "heard"

    touchy, sender = Touchy(), Touchy()
    signal.connect(touchy, sender=sender)
    signal.connect(touchy, sender=sender)
    assert responses(signal.send(sender)) == ["heard"]
    assert signal.disconnect(touchy, sender=sender)


def test_there_is_no_inheritance_of_senders(signal):
    signal.connect(hear, sender=Pizza)
    assert signal.send(Calzone) == []
    assert not signal.has_listeners(Calzone)


def test_nobody_in_particular_reaches_only_those_who_hear_everybody(signal):
    signal.connect(hear, sender=Pizza)
    assert not signal.has_listeners()
    assert signal.send(None) == []
    signal.connect(overhear)
    assert signal.has_listeners() and signal.has_listeners(Pizza) and signal.has_listeners(Calzone)
    assert responses(signal.send(None)) == ["overheard"]


@pytest.mark.parametrize(
    "sender", ["a string", 12345678901, object(), None, 1.5], ids=lambda sender: type(sender).__name__
)
def test_senders_that_cannot_be_referred_to_weakly_work(signal, sender):
    signal.connect(hear, sender=sender)
    for _ in range(2):
        assert signal.has_listeners(sender)
        assert responses(signal.send(sender)) == ["heard"]
        assert responses(signal.send_robust(sender)) == ["heard"]


# --- order --------------------------------------------------------------------------------------------------------


def make_receivers(count):
    def make(number):
        return lambda sender, **kwargs: number

    return [make(number) for number in range(count)]


def test_receivers_are_called_in_the_order_in_which_they_were_connected(signal):
    receivers = make_receivers(6)
    for number, function in enumerate(receivers):
        signal.connect(function, sender=Pizza if number % 2 else None)
    assert responses(signal.send(Pizza)) == [0, 1, 2, 3, 4, 5]
    assert responses(signal.send(Calzone)) == [0, 2, 4]


def test_who_is_connected_again_goes_last(signal):
    receivers = make_receivers(3)
    for function in receivers:
        signal.connect(function)
    signal.disconnect(receivers[0])
    signal.connect(receivers[0])
    assert responses(signal.send(Pizza)) == [1, 2, 0]


def test_a_higher_priority_goes_first_and_equals_keep_their_order(signal):
    receivers = make_receivers(5)
    for function, priority in zip(receivers, [0, 5, -1, 5, 0], strict=True):
        signal.connect(function, priority=priority)
    assert responses(signal.send(Pizza)) == [1, 3, 0, 4, 2]


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", [None, "name", 3, object()], ids=lambda thing: type(thing).__name__)
def test_what_cannot_be_called_is_refused(signal, thing):
    with pytest.raises(TypeError, match="callable"):
        signal.connect(thing)
    assert not signal.active


@pytest.mark.parametrize("senders", [[Pizza, Calzone], (Pizza, Calzone), []])
def test_several_senders_are_refused(signal, senders):
    with pytest.raises(TypeError, match="connect for each"):
        signal.connect(hear, sender=senders)


def only_sender(sender): ...
def only_signal(*, signal): ...
def by_position(sender, signal, /): ...
def any_number(*args): ...


class WithoutKeywords:
    def listen(self, sender): ...

    def listen_to_itself(sender, signal): ...

    def __call__(self, sender): ...


@pytest.mark.parametrize(
    "deaf",
    [
        only_sender,
        only_signal,
        by_position,
        any_number,
        lambda: None,
        WithoutKeywords().listen,
        WithoutKeywords().listen_to_itself,
        WithoutKeywords(),
        functools.partial(only_sender),
        WithoutKeywords,
        len,
    ],
)
def test_what_does_not_take_every_keyword_is_refused(signal, deaf):
    with pytest.raises(ValueError, match=r"(sender|signal).*\*\*kwargs"):
        signal.connect(deaf, weak=False)
    assert not signal.active


def every_keyword(sender, signal): ...
def every_keyword_by_name(*, signal, sender, more=None): ...
async def awaited(sender, **kwargs): ...


class Callable:
    def __call__(self, *, sender, signal): ...

    def listen(self, signal, sender): ...


class Constructed:
    def __init__(self, sender, signal): ...


@pytest.mark.parametrize(
    "good",
    [
        every_keyword,
        every_keyword_by_name,
        awaited,
        lambda **anything: None,
        Callable(),
        Callable().listen,
        functools.partial(every_keyword),
        functools.partial(hear, extra=1),
        functools.wraps(only_sender)(hear.__class__(hear.__code__, {})),
        Constructed,
        dict,
        type,
        MagicMock(),
    ],
)
def test_what_takes_every_keyword_is_taken_and_so_is_what_cannot_be_read(signal, good):
    signal.connect(good, weak=False)
    assert signal.has_listeners()


def test_a_defined_signal_asks_for_its_own_keywords_too():
    @Signal.define
    def pizza_done(sender, *, size, topping=None): ...

    def plain(sender, signal, size): ...

    with pytest.raises(ValueError, match="topping"):
        pizza_done.connect(plain)
    with pytest.raises(ValueError, match="size, topping"):
        pizza_done.connect(every_keyword)
    pizza_done.connect(hear)


def test_the_message_names_the_receiver_and_the_signal(signal):
    with pytest.raises(ValueError, match=r"test_connecting\.only_sender cannot hear <Signal .*with signal and does"):
        signal.connect(only_sender)


def test_what_cannot_be_held_weakly_is_refused_unless_it_is_held(signal):
    class Slotted:
        __slots__ = ()

        def __call__(self, **kwargs):
            return "slots"

    slotted = Slotted()
    with pytest.raises(TypeError, match="weak=False"):
        signal.connect(slotted)
    with pytest.raises(TypeError, match="weak=False"):
        signal.connect(slotted.__call__)
    signal.connect(slotted, weak=False)
    assert responses(signal.send(None)) == ["slots"]


def test_checking_keeps_nothing_alive(signal):
    def local(sender): ...

    def partly(sender, **kwargs): ...

    references = [weakref.ref(local), weakref.ref(partly)]
    for function in (local, functools.partial(local), functools.partial(partly)):
        try:
            signal.connect(function)
        except ValueError:
            pass
    del local, partly, function
    gc.collect()
    assert [reference() for reference in references] == [None, None]


# --- telling async from plain -------------------------------------------------------------------------------------


class AsyncCallable:
    def __init__(self, **kwargs): ...

    async def __call__(self, **kwargs): ...

    async def listen(self, **kwargs): ...


def marked():
    from asgiref.sync import markcoroutinefunction

    return markcoroutinefunction(lambda **kwargs: None)


@pytest.mark.parametrize(
    ("make", "is_async"),
    [
        (lambda: awaited, True),
        (lambda: functools.partial(awaited, extra=1), True),
        (AsyncCallable, True),
        (lambda: functools.partial(AsyncCallable()), True),
        (lambda: AsyncCallable().listen, True),
        (AsyncMock, True),
        (marked, True),
        (lambda: hear, False),
        (MagicMock, False),
        (lambda: AsyncCallable, False),
        (Callable, False),
    ],
)
def test_async_receivers_are_known_when_they_are_connected(signal, make, is_async):
    signal.connect(make(), weak=False)
    (registration,) = signal.registrations()
    assert registration.is_async is is_async


# --- the decorator ------------------------------------------------------------------------------------------------


def test_the_decorator_returns_the_function_and_can_be_stacked():
    one, other = Signal(), Signal()

    def function(sender, **kwargs): ...

    assert receiver(one)(receiver(other, sender=Pizza)(function)) is function
    assert one.has_listeners() and other.has_listeners(Pizza) and not other.has_listeners()


@pytest.mark.parametrize("several", [list, tuple, set, iter])
def test_the_decorator_takes_several_signals(several):
    signals = [Signal(), Signal()]

    @receiver(several(signals), sender=Pizza, dispatch_uid="same")
    def function(sender, **kwargs): ...

    assert [signal.disconnect(sender=Pizza, dispatch_uid="same") for signal in signals] == [True, True]


@pytest.mark.parametrize("wrong", ["post_save", None, [Signal(), None], hear], ids=lambda wrong: type(wrong).__name__)
def test_the_decorator_refuses_what_is_not_a_signal(wrong):
    with pytest.raises(TypeError, match="takes a Signal"):
        receiver(wrong)


# --- costs that do not depend on how many are connected -----------------------------------------------------------


def test_a_sender_is_planned_for_without_looking_at_other_senders(signal):
    senders = [Pizza() for _ in range(50)]
    for sender in senders:
        signal.connect(hear, sender=sender)
    signal.send(senders[0])
    assert list(signal.sender_receivers_cache) == [id(senders[0])]
    signal.send(senders[1])
    signal.connect(overhear, sender=senders[2])
    assert list(signal.sender_receivers_cache) == [id(senders[0]), id(senders[1])]
    signal.connect(overhear)
    assert not signal.sender_receivers_cache


def test_sending_for_senders_without_receivers_of_their_own_keeps_nothing_for_each(signal):
    signal.connect(hear)
    signal.connect(hear, sender=Pizza)
    for _ in range(20):
        signal.send(Calzone())
    assert not signal.sender_receivers_cache


def test_importing_dispatch_loads_nothing_heavy():
    script = (
        "import sys; before = set(sys.modules); import webframe.dispatch, webframe.core.signals; "
        "heavy = {'asyncio', 'asgiref', 'asgiref.sync', 'inspect', 'logging', 'concurrent.futures', 'tempfile', "
        "'email', 'werkzeug', 'typing_extensions'}; "
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plain_receivers_never_need_inspect_or_asyncio():
    script = """
import sys
before = set(sys.modules)
from webframe.dispatch import Signal, receiver
signal = Signal()
class Waiter:
    def listen(self, sender, **kwargs): return 1
    def __call__(self, sender, **kwargs): return 2
waiter = Waiter()
signal.connect(waiter.listen); signal.connect(waiter); signal.connect(lambda **kwargs: 3, weak=False)
with signal.muted(): assert signal.send(None) == []
assert [r for _, r in signal.send(None)] == [1, 2, 3] == [r for _, r in signal.send_robust(None)]
print(sorted({'asyncio', 'inspect', 'logging'} & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

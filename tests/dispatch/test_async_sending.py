"""asend, asend_robust, and send with async receivers: who waits for whom, where, and in which context."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from webframe import waiting
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.dispatch import Signal

colour: ContextVar[str] = ContextVar("colour", default="none")
size: ContextVar[int] = ContextVar("size", default=0)

SENDS = ["send", "send_robust", "asend", "asend_robust"]


class Sender:
    pass


@pytest.fixture
def signal():
    return Signal(name="pizza_done")


def dispatch(signal, how, /, sender=Sender, **named):
    """Send in the way that is asked for, from where it belongs."""
    if not how.startswith("a"):
        return getattr(signal, how)(sender, **named)

    async def main():
        return await getattr(signal, how)(sender, **named)

    return asyncio.run(main())


def responses(sent):
    return [response for _, response in sent]


def make_plain(answer):
    def plain(**kwargs):
        return answer

    return plain


def make_async(answer, pauses=0):
    async def awaited(**kwargs):
        for _ in range(pauses):
            await asyncio.sleep(0)
        return answer

    return awaited


# --- results and order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", SENDS)
def test_plain_responses_come_first_then_async_ones_each_in_order(signal, how):
    receivers = [make_async(1, pauses=9), make_plain(2), make_async(3), make_plain(4), make_async(5, pauses=4)]
    for receiver in receivers:
        signal.connect(receiver)
    plain_first = [receivers[1], receivers[3], receivers[0], receivers[2], receivers[4]]
    assert dispatch(signal, how) == list(zip(plain_first, [2, 4, 1, 3, 5], strict=True))


@pytest.mark.parametrize("how", SENDS)
@pytest.mark.parametrize("make", [make_plain, make_async])
def test_each_kind_alone(signal, how, make):
    receivers = [make(1), make(2)]
    for receiver in receivers:
        signal.connect(receiver)
    assert dispatch(signal, how) == [(receivers[0], 1), (receivers[1], 2)]


@pytest.mark.parametrize("how", SENDS)
def test_nobody_is_an_empty_list(signal, how):
    assert dispatch(signal, how) == []
    signal.connect(receiver := make_async(1), sender=object)
    assert dispatch(signal, how) == []
    assert receiver


@pytest.mark.parametrize("how", SENDS)
def test_async_receivers_have_priorities_among_themselves(signal, how):
    receivers = [make_async(1), make_async(2), make_plain(3), make_plain(4)]
    for receiver, priority in zip(receivers, [0, 9, -9, 3], strict=True):
        signal.connect(receiver, priority=priority)
    assert responses(dispatch(signal, how)) == [4, 3, 2, 1]


@pytest.mark.parametrize("how", SENDS)
def test_everything_is_passed_by_keyword(signal, how):
    async def awaited(*args, **kwargs):
        return args, kwargs

    signal.connect(awaited)
    ((_, (args, kwargs)),) = dispatch(signal, how, size=3)
    assert (args, kwargs) == ((), {"signal": signal, "sender": Sender, "size": 3})


@pytest.mark.parametrize("make", [make_plain, make_async])
def test_an_argument_called_signal_collides(signal, make, caplog):
    signal.connect(receiver := make(1))
    for how in ("send", "asend"):
        with pytest.raises(TypeError, match="'signal'"):
            dispatch(signal, how, signal=1)
    for how in ("send_robust", "asend_robust"):
        ((failed, error),) = dispatch(signal, how, signal=1)
        assert failed is receiver and isinstance(error, TypeError)


@pytest.mark.parametrize("how", SENDS)
def test_plain_receivers_are_done_before_async_ones_begin(signal, how):
    order = []

    async def awaited(**kwargs):
        order.append("async")

    def plain(**kwargs):
        order.append("plain")

    signal.connect(awaited)
    signal.connect(plain)
    dispatch(signal, how)
    assert order == ["plain", "async"]


@pytest.mark.parametrize("how", SENDS)
def test_async_receivers_overlap_in_time(signal, how):
    """Each waits for the other: only run concurrently do they ever end."""
    events = {}

    async def first(**kwargs):
        events["first"] = asyncio.Event()
        while "second" not in events:
            await asyncio.sleep(0)
        events["second"].set()
        await events["first"].wait()
        return "first"

    async def second(**kwargs):
        events["second"] = asyncio.Event()
        await events["second"].wait()
        events["first"].set()
        return "second"

    signal.connect(first)
    signal.connect(second)
    assert responses(dispatch(signal, how)) == ["first", "second"]


@pytest.mark.parametrize("how", SENDS)
def test_instances_with_an_async_call_are_awaited(signal, how):
    class Awaited:
        async def __call__(self, **kwargs):
            return "awaited"

        async def method(self, **kwargs):
            return "method"

    awaited = Awaited()
    signal.connect(awaited)
    signal.connect(awaited.method)
    assert dispatch(signal, how) == [(awaited, "awaited"), (awaited.method, "method")]


@pytest.mark.parametrize("how", SENDS)
def test_async_receivers_are_held_while_they_are_awaited(signal, how):
    owned = [make_async("gone", pauses=2), make_async("gone too")]

    def first(**kwargs):
        owned.clear()

    signal.connect(first)
    for receiver in owned:
        signal.connect(receiver)
    del receiver
    assert responses(dispatch(signal, how)) == [None, "gone", "gone too"]


# --- in which thread ----------------------------------------------------------------------------------------------


def test_send_runs_plain_receivers_in_the_callers_thread_and_awaits_on_the_process_loop(signal):
    threads = {}

    def plain(**kwargs):
        threads["plain"] = threading.current_thread()

    async def awaited(**kwargs):
        threads["async"] = threading.current_thread()
        threads["loop"] = asyncio.get_running_loop()

    signal.connect(plain)
    signal.connect(awaited)
    signal.send(Sender)
    assert threads["plain"] is threading.current_thread()
    assert threads["async"] is not threading.current_thread()
    loop = threads["loop"]
    signal.send(Sender)
    assert threads["loop"] is loop


@pytest.mark.parametrize("how", ["asend", "asend_robust"])
def test_asend_runs_plain_receivers_together_in_a_worker_and_awaits_on_its_own_loop(signal, how):
    seen = []

    def plain(**kwargs):
        seen.append(threading.current_thread())

    def other(**kwargs):
        seen.append(threading.current_thread())

    async def awaited(**kwargs):
        seen.append(asyncio.get_running_loop())

    for receiver in (plain, awaited, other):
        signal.connect(receiver)

    async def main():
        await getattr(signal, how)(Sender)
        return asyncio.get_running_loop()

    loop = asyncio.run(main())
    assert seen[0] is seen[1] is not threading.current_thread()
    assert seen[2] is loop


@pytest.mark.parametrize("how", ["asend", "asend_robust"])
def test_inline_receivers_are_called_in_place_and_in_their_turn(signal, how):
    seen = []

    def hear_in(name):
        def hear(**kwargs):
            seen.append((name, threading.current_thread() is threading.main_thread()))
            return name

        return hear

    receivers = {name: hear_in(name) for name in "abcd"}
    for name, receiver in receivers.items():
        signal.connect(receiver, inline=name in "ac")
    assert responses(dispatch(signal, how)) == ["a", "b", "c", "d"]
    assert seen == [("a", True), ("b", False), ("c", True), ("d", False)]


def test_inline_receivers_alone_need_no_worker(signal):
    def hear(**kwargs):
        return asyncio.current_task()

    signal.connect(hear, inline=True)

    async def main():
        sent = signal.asend(Sender)
        # Stepped by hand: a hop to a worker would suspend it.
        return waiting.step(sent), asyncio.current_task()

    ((_, task),), current = asyncio.run(main())
    assert task is current


def test_a_single_async_receiver_is_awaited_in_the_task_that_sends(signal):
    async def awaited(**kwargs):
        return asyncio.current_task()

    signal.connect(awaited)

    async def main():
        return await signal.asend(Sender), asyncio.current_task()

    ((_, task),), current = asyncio.run(main())
    assert task is current


def test_an_async_receiver_of_a_signal_sent_from_a_worker_runs_on_the_loop_that_waits(signal):
    from webframe import workers

    async def awaited(**kwargs):
        return asyncio.get_running_loop()

    signal.connect(awaited)

    async def main():
        return await workers.run(signal.send, Sender), asyncio.get_running_loop()

    ((_, loop),), running = asyncio.run(main())
    assert loop is running


# --- send on a running loop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["send", "send_robust"])
def test_send_refuses_async_receivers_on_a_running_loop_before_anybody_is_called(signal, how):
    called = []

    def plain(**kwargs):
        called.append("plain")

    async def awaited(**kwargs):
        called.append("async")

    signal.connect(plain)
    signal.connect(awaited, sender=Sender)

    async def main():
        with pytest.raises(SynchronousOnlyOperation, match="pizza_done.*asend") as caught:
            getattr(signal, how)(Sender)
        assert isinstance(caught.value, RuntimeError)
        assert called == []
        assert getattr(signal, how)(object) == [(plain, None)]

    asyncio.run(main())


# --- errors -------------------------------------------------------------------------------------------------------


def failing(error, pauses=0):
    async def fail(**kwargs):
        for _ in range(pauses):
            await asyncio.sleep(0)
        raise error

    return fail


@pytest.mark.parametrize("how", ["send", "asend"])
def test_an_error_of_a_plain_receiver_keeps_all_later_ones_from_running(signal, how):
    called = []

    def fail(**kwargs):
        raise ZeroDivisionError("no")

    def plain(**kwargs):
        called.append("plain")

    async def awaited(**kwargs):
        called.append("async")

    for receiver in (fail, plain, awaited):
        signal.connect(receiver)
    with pytest.raises(ZeroDivisionError):
        dispatch(signal, how)
    assert called == []


@pytest.mark.parametrize("how", ["send", "asend"])
@pytest.mark.parametrize("siblings", [0, 2])
def test_a_single_error_comes_as_itself(signal, how, siblings):
    error = ZeroDivisionError("no")
    receivers = [failing(error), *(make_async(1, pauses=3) for _ in range(siblings))]
    for receiver in receivers:
        signal.connect(receiver)
    with pytest.raises(ZeroDivisionError) as caught:
        dispatch(signal, how)
    assert caught.value is error
    assert error.__context__ is None and error.__cause__ is None


@pytest.mark.parametrize("how", ["send", "asend"])
def test_a_failing_receiver_cancels_its_siblings_and_they_are_waited_for(signal, how):
    ended = []

    async def sibling(**kwargs):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            ended.append("cancelled")
            raise

    receivers = [sibling, failing(ZeroDivisionError("no"), pauses=2)]
    for receiver in receivers:
        signal.connect(receiver)
    with pytest.raises(ZeroDivisionError):
        dispatch(signal, how)
    assert ended == ["cancelled"]


@pytest.mark.parametrize("how", ["send", "asend"])
def test_several_errors_come_as_a_group(signal, how):
    errors = [ZeroDivisionError("no"), LookupError("nor here")]
    receivers = [failing(error) for error in errors]
    for receiver in receivers:
        signal.connect(receiver)
    with pytest.raises(ExceptionGroup) as caught:
        dispatch(signal, how)
    assert list(caught.value.exceptions) == errors


@pytest.mark.parametrize("how", ["send", "asend"])
def test_a_group_raised_by_one_receiver_stays_whole(signal, how):
    group = ExceptionGroup("mine", [ValueError("no")])
    receivers = [failing(group), make_async(1)]
    for receiver in receivers:
        signal.connect(receiver)
    with pytest.raises(ExceptionGroup) as caught:
        dispatch(signal, how)
    assert caught.value is group


@pytest.mark.parametrize("how", ["send_robust", "asend_robust"])
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_robust_sends_hear_from_everybody_and_log_each_error(signal, how, kind, caplog):
    errors = [ZeroDivisionError("one"), LookupError("other")]

    def fail_with(error):
        def fail(**kwargs):
            raise error

        return fail if kind == "plain" else failing(error)

    receivers = [fail_with(errors[0]), make_plain("plain"), fail_with(errors[1]), make_async("async", pauses=5)]
    for receiver in receivers:
        signal.connect(receiver)
    answers = dict(dispatch(signal, how))
    assert [answers[receiver] for receiver in receivers] == [errors[0], "plain", errors[1], "async"]
    assert all(error.__traceback__ for error in errors)
    assert [record.exc_info[1] for record in caplog.records] == errors
    assert {record.name for record in caplog.records} == {"webframe.dispatch"}


@pytest.mark.parametrize("how", ["send_robust", "asend_robust"])
@pytest.mark.parametrize("siblings", [0, 1])
def test_robust_sends_pass_cancellation_on(signal, how, siblings):
    receivers = [failing(asyncio.CancelledError()), *(make_async(1) for _ in range(siblings))]
    for receiver in receivers:
        signal.connect(receiver)
    with pytest.raises(asyncio.CancelledError):
        dispatch(signal, how)


class Stop(BaseException):
    pass


@pytest.mark.parametrize("how", SENDS)
@pytest.mark.parametrize("siblings", [0, 1])
def test_what_is_not_an_exception_is_passed_on(signal, how, siblings):
    receivers = [failing(Stop()), *(make_async(1) for _ in range(siblings))]
    for receiver in receivers:
        signal.connect(receiver)
    with pytest.raises(Stop):
        dispatch(signal, how)


@pytest.mark.parametrize("count", [1, 3])
def test_cancelling_the_sender_cancels_its_receivers(signal, count):
    began, cancelled = [], []

    def make(number):
        async def wait_for_ever(**kwargs):
            began.append(number)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(number)
                raise

        return wait_for_ever

    receivers = [make(number) for number in range(count)]
    for receiver in receivers:
        signal.connect(receiver)

    async def main():
        task = asyncio.create_task(signal.asend(Sender))
        while len(began) < count:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(cancelled) == list(range(count))


# --- context variables --------------------------------------------------------------------------------------------


def paint(**kwargs):
    assert colour.get() == "white"
    colour.set("red")


async def paint_async(**kwargs):
    assert colour.get() == "white"
    await asyncio.sleep(0)
    colour.set("red")


async def measure(**kwargs):
    await asyncio.sleep(0)
    size.set(30)


@pytest.mark.parametrize("how", SENDS)
@pytest.mark.parametrize(
    "receivers",
    [[paint], [paint_async], [paint, measure], [paint_async, measure]],
    ids=["plain", "async", "mixed", "concurrent"],
)
def test_what_receivers_set_is_visible_to_the_caller(signal, how, receivers):
    for receiver in receivers:
        signal.connect(receiver)
    expected = "red", 30 if measure in receivers else 0

    def by_thread():
        colour.set("white")
        getattr(signal, how)(Sender)
        outcome.append((colour.get(), size.get()))

    async def by_task():
        colour.set("white")
        await getattr(signal, how)(Sender)
        outcome.append((colour.get(), size.get()))

    outcome = []
    if how.startswith("a"):
        asyncio.run(by_task())
    else:
        thread = threading.Thread(target=by_thread)
        thread.start()
        thread.join(10)
    assert outcome == [expected]


def test_concurrent_receivers_share_one_context(signal):
    async def first(**kwargs):
        colour.set("green")

    async def second(**kwargs):
        await asyncio.sleep(0)
        return colour.get()

    signal.connect(first)
    signal.connect(second)
    assert responses(asyncio.run(signal.asend(Sender))) == [None, "green"]


@pytest.mark.parametrize("siblings", [0, 1])
def test_what_was_set_before_an_error_is_visible_too(signal, siblings):
    async def paint_and_fail(**kwargs):
        colour.set("red")
        raise ZeroDivisionError("no")

    receivers = [paint_and_fail, *(make_async(1) for _ in range(siblings))]
    for receiver in receivers:
        signal.connect(receiver)

    async def main():
        with pytest.raises(ZeroDivisionError):
            await signal.asend(Sender)
        return colour.get()

    assert asyncio.run(main()) == "red"


def test_async_receivers_see_what_plain_ones_set(signal):
    def first(**kwargs):
        colour.set("blue")

    async def second(**kwargs):
        return colour.get()

    signal.connect(second)
    signal.connect(first)
    assert responses(asyncio.run(signal.asend(Sender))) == [None, "blue"]


# --- costs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["asend", "asend_robust"])
def test_nobody_and_those_in_place_never_suspend_the_sender(signal, how):
    assert waiting.step(getattr(signal, how)(Sender)) == []
    signal.connect(hear := make_plain(1), inline=True)
    assert waiting.step(getattr(signal, how)(Sender)) == [(hear, 1)]
    signal.connect(hear_too := make_async(2))
    assert waiting.step(getattr(signal, how)(Sender)) == [(hear, 1), (hear_too, 2)]


def test_sending_to_plain_receivers_only_starts_no_thread():
    script = """
import threading
from webframe.dispatch import Signal
signal = Signal()
signal.connect(lambda **kwargs: None, weak=False)
signal.send(None); signal.send_robust(None)
print(threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_waiting_does_not_hold_the_lock(signal):
    entered = threading.Event()
    go_on = threading.Event()

    async def awaited(**kwargs):
        entered.set()
        while not go_on.is_set():
            await asyncio.sleep(0)

    signal.connect(awaited)
    thread = threading.Thread(target=signal.send, args=(Sender,))
    thread.start()
    assert entered.wait(10)
    signal.connect(other := make_plain(1))
    assert signal.disconnect(other)
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()

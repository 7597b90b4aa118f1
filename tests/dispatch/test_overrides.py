"""muted and connected_to: what holds within a with-block, and for whom."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from webframe.dispatch import Signal


class Sender:
    pass


class Other:
    pass


@pytest.fixture
def signal():
    return Signal()


def hear(sender, **kwargs):
    return "heard"


def overhear(sender, **kwargs):
    return "overheard"


async def hear_later(sender, **kwargs):
    return "heard later"


def responses(sent):
    return [response for _, response in sent]


# --- muting -------------------------------------------------------------------------------------------------------


def test_a_muted_signal_calls_nobody_and_has_no_listeners(signal):
    signal.connect(hear)
    signal.connect(hear_later, sender=Sender)
    with signal.muted():
        assert signal.send(Sender) == [] == signal.send_robust(Sender)
        assert asyncio.run(signal.asend(Sender)) == [] == asyncio.run(signal.asend_robust(Sender))
        assert not signal.has_listeners() and not signal.has_listeners(Sender)
        assert signal.calls_inline_only(Sender)
    assert responses(signal.send(Sender)) == ["heard", "heard later"]


def test_one_receiver_can_be_muted_however_it_was_connected(signal):
    signal.connect(hear)
    signal.connect(overhear)
    signal.connect(hear, sender=Sender, dispatch_uid="uid")
    with signal.muted(hear):
        assert responses(signal.send(Sender)) == ["overheard"]
    assert responses(signal.send(Sender)) == ["heard", "overheard", "heard"]


def test_a_bound_method_can_be_muted(signal):
    class Waiter:
        def listen(self, **kwargs): ...

    one, other = Waiter(), Waiter()
    signal.connect(one.listen)
    signal.connect(other.listen)
    with signal.muted(one.listen):
        assert signal.send(Sender) == [(other.listen, None)]


def test_one_sender_can_be_muted(signal):
    signal.connect(hear)
    signal.connect(overhear, sender=Sender)
    with signal.muted(sender=Sender):
        assert signal.send(Sender) == []
        assert responses(signal.send(Other)) == ["heard"]
        assert signal.has_listeners(Other) and not signal.has_listeners(Sender)
    with signal.muted(hear, sender=Sender):
        assert responses(signal.send(Sender)) == ["overheard"]
        assert responses(signal.send(Other)) == ["heard"]
    one, equal = "".join(["piz", "za"]), "".join(["piz", "za"])
    with signal.muted(sender=one):
        assert signal.send(one) == []
        assert responses(signal.send(equal)) == ["heard"]


def test_other_signals_are_not_muted(signal):
    other = Signal()
    other.connect(hear)
    with signal.muted():
        assert responses(other.send(Sender)) == ["heard"]


def test_connecting_within_a_block_takes_effect_after_it(signal):
    with signal.muted():
        signal.connect(hear)
        assert signal.send(Sender) == []
        assert len(signal.registrations()) == 1
    assert responses(signal.send(Sender)) == ["heard"]


# --- connecting for a while ---------------------------------------------------------------------------------------


def test_a_receiver_can_be_connected_for_a_block_and_is_kept_alive_by_it(signal):
    with signal.connected_to(lambda sender, **kwargs: "temporary"):
        gc.collect()
        assert signal.has_listeners()
        assert responses(signal.send(Sender)) == ["temporary"]
    assert signal.send(Sender) == [] and not signal.has_listeners()
    assert not signal.active


def test_connected_to_takes_what_connect_takes(signal):
    signal.connect(hear)
    with signal.connected_to(overhear, sender=Sender, priority=1):
        assert responses(signal.send(Sender)) == ["overheard", "heard"]
        assert responses(signal.send(Other)) == ["heard"]
    with signal.connected_to(hear_later):
        assert not signal.calls_inline_only(Sender)
        assert responses(asyncio.run(signal.asend(Sender))) == ["heard", "heard later"]
    with signal.connected_to(lambda sender, **kwargs: None, weak=True):
        assert responses(signal.send(Sender)) == ["heard"]
    with signal.muted(hear), signal.connected_to(overhear, inline=True):
        assert signal.calls_inline_only(Sender)


def test_who_is_connected_already_is_not_called_twice(signal):
    signal.connect(hear)
    signal.connect(overhear, dispatch_uid="uid")
    with signal.connected_to(hear), signal.connected_to(hear), signal.connected_to(hear, dispatch_uid="uid"):
        assert responses(signal.send(Sender)) == ["heard", "overheard"]
    assert responses(signal.send(Sender)) == ["heard", "overheard"]


def test_what_cannot_be_connected_is_refused(signal):
    with pytest.raises(TypeError, match="callable"):
        signal.connected_to(None)
    with pytest.raises(ValueError, match="kwargs"):
        signal.connected_to(lambda sender: None)
    assert not signal.active


# --- blocks in blocks ---------------------------------------------------------------------------------------------


def test_blocks_nest_and_the_inner_one_has_the_last_word(signal):
    signal.connect(hear)
    with signal.muted():
        with signal.connected_to(overhear):
            assert responses(signal.send(Sender)) == ["overheard"]
            with signal.muted(overhear):
                assert signal.send(Sender) == []
            with signal.muted():
                assert signal.send(Sender) == []
            assert responses(signal.send(Sender)) == ["overheard"]
        assert signal.send(Sender) == []
    assert responses(signal.send(Sender)) == ["heard"]


def test_blocks_may_end_in_another_order_than_they_began(signal):
    signal.connect(hear)
    first, second = signal.muted(), signal.connected_to(overhear)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert responses(signal.send(Sender)) == ["heard", "overheard"]
    second.__exit__(None, None, None)
    assert responses(signal.send(Sender)) == ["heard"]


def test_a_block_ends_with_an_error_too(signal):
    signal.connect(hear)
    with pytest.raises(ZeroDivisionError), signal.muted():
        raise ZeroDivisionError
    assert responses(signal.send(Sender)) == ["heard"]


def test_an_override_can_be_used_again_but_not_within_itself(signal):
    signal.connect(hear)
    muted = signal.muted()
    for _ in range(2):
        with muted:
            assert signal.send(Sender) == []
            with pytest.raises(RuntimeError, match="Make another"), muted:
                pass
            assert signal.send(Sender) == []
        assert responses(signal.send(Sender)) == ["heard"]


# --- whom it concerns ---------------------------------------------------------------------------------------------


def in_thread(function):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(function()))
    thread.start()
    thread.join(10)
    return outcome[0]


def test_other_threads_hear_as_ever(signal):
    signal.connect(hear)
    with signal.muted(), signal.connected_to(overhear):
        assert responses(in_thread(lambda: signal.send(Sender))) == ["heard"]
        assert in_thread(lambda: signal.has_listeners(Sender))
    assert responses(signal.send(Sender)) == ["heard"]


def test_other_tasks_hear_as_ever_and_those_started_in_the_block_do_not(signal):
    signal.connect(hear, inline=True)

    async def send():
        return responses(await signal.asend(Sender))

    async def main():
        go_on, waiting = asyncio.Event(), asyncio.Event()

        async def mute():
            with signal.muted():
                waiting.set()
                await go_on.wait()
                return await send(), await asyncio.create_task(send())

        muting = asyncio.create_task(mute())
        await waiting.wait()
        meanwhile = await send()
        go_on.set()
        return meanwhile, await muting

    assert asyncio.run(main()) == (["heard"], ([], []))


def test_a_task_that_outlives_the_block_hears_again(signal):
    signal.connect(hear, inline=True)

    async def main():
        go_on = asyncio.Event()

        async def outlive():
            within = await signal.asend(Sender)
            await go_on.wait()
            return within, await signal.asend(Sender)

        with signal.muted(), signal.connected_to(overhear, inline=True):
            task = asyncio.create_task(outlive())
            await asyncio.sleep(0)
        go_on.set()
        return await task

    within, after = asyncio.run(main())
    assert responses(within) == ["overheard"]
    assert responses(after) == ["heard"]


def test_a_block_that_is_over_stays_over_while_another_begins(signal):
    signal.connect(hear)
    with signal.muted():
        within = contextvars.copy_context()
    with signal.connected_to(overhear):
        assert responses(within.run(signal.send, Sender)) == ["heard"]
        assert responses(signal.send(Sender)) == ["heard", "overheard"]


def test_what_is_decided_for_others_meanwhile_does_not_concern_the_block(signal):
    signal.connect(hear)
    with signal.muted():
        for _ in range(2):
            assert responses(contextvars.Context().run(signal.send, Sender)) == ["heard"]
            assert signal.send(Sender) == []


def test_receivers_in_a_worker_are_in_the_block_too(signal):
    inner = Signal()
    inner.connect(hear)

    def forward(sender, **kwargs):
        return inner.send(sender)

    signal.connect(forward)

    async def main():
        with inner.muted():
            return await signal.asend(Sender)

    assert responses(asyncio.run(main())) == [[]]


def test_a_block_may_end_in_another_context_than_it_began(signal):
    signal.connect(hear)
    muted, context = signal.muted(), contextvars.copy_context()
    context.run(muted.__enter__)
    assert context.run(signal.send, Sender) == []
    muted.__exit__(None, None, None)
    assert responses(context.run(signal.send, Sender)) == ["heard"]


# --- costs --------------------------------------------------------------------------------------------------------


def test_a_signal_is_active_while_anything_could_be_called(signal):
    assert not signal.active
    with signal.connected_to(hear):
        assert signal.active
        with signal.muted():
            assert signal.active
    assert not signal.active
    signal.connect(hear)
    assert signal.active
    signal.disconnect(hear)
    assert not signal.active


def test_overrides_touch_neither_registrations_nor_the_receivers_afterwards(signal):
    signal.connect(hear)
    before = signal.receivers
    with signal.muted(), signal.connected_to(overhear):
        assert signal.receivers == before
    assert signal.receivers == before


def test_nothing_of_a_block_is_kept(signal):
    def temporary(sender, **kwargs): ...

    with signal.connected_to(temporary, sender=Sender):
        signal.send(Sender)
    reference = weakref.ref(temporary)
    del temporary
    assert reference() is None

"""connect(on_commit=True): receivers that are called when what they hear of has really happened."""

from __future__ import annotations

import asyncio

import pytest

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import transaction
from webframe.db.models.signals import ModelSignal, class_prepared, pre_init
from webframe.workers import run

pytestmark = pytest.mark.both_ways


class Pizza:
    pass


@ModelSignal.define
def baked(sender, *, size, using):
    """Sent when a pizza is baked."""


@pytest.fixture
def heard():
    return []


@pytest.fixture(autouse=True)
def nobody_else():
    yield
    baked.receivers = []


@pytest.fixture
def hear(heard):
    def hear(sender, size, **kwargs):
        heard.append(size)
        return "heard"

    baked.connect(hear, sender=Pizza, on_commit=True)
    return hear


def bake(size, using="default"):
    return baked.send(Pizza, size=size, using=using)


def test_it_is_called_at_once_where_there_is_no_transaction(database, hear, heard):
    assert bake(1) == []
    assert heard == [1]


def test_it_is_called_after_the_outermost_commit_in_the_order_of_sending(database, hear, heard):
    with transaction.atomic():
        bake(1)
        with transaction.atomic():
            bake(2)
        bake(3)
        assert heard == []
    assert heard == [1, 2, 3]


def test_it_is_not_called_after_a_rollback(database, hear, heard):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        bake(1)
        raise ZeroDivisionError
    with transaction.atomic():
        bake(2)
        transaction.set_rollback(True)
    assert heard == []


def test_it_is_not_called_when_its_savepoint_is_rolled_back(database, hear, heard):
    with transaction.atomic():
        bake(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            bake(2)
            raise ZeroDivisionError
        bake(3)
    assert heard == [1, 3]


def test_the_transaction_is_that_of_using(database, hear, heard):
    with transaction.atomic(using="other"):
        bake(1)
        bake(2, using="other")
        assert heard == [1]
    assert heard == [1, 2]


def test_others_are_called_at_once_and_only_they_are_among_the_responses(database, hear, heard):
    def taste(sender, size, **kwargs):
        heard.append("taste")
        return "good"

    baked.connect(taste, sender=Pizza)
    with transaction.atomic():
        assert bake(1) == [(taste, "good")]
    assert heard == ["taste", 1]


def test_the_error_of_another_receiver_keeps_it_from_being_called(database, hear, heard):
    def burn(sender, **kwargs):
        raise ZeroDivisionError

    baked.connect(burn, sender=Pizza)
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError):
            bake(1)
    assert heard == []
    assert baked.send_robust(Pizza, size=2, using="default")[0][0] is burn
    assert heard == [2]


def test_priorities_hold_among_those_that_wait(database, hear, heard):
    baked.connect(lambda sender, **kwargs: heard.append("early"), weak=False, on_commit=True, priority=1)
    with transaction.atomic():
        bake(1)
    assert heard == ["early", 1]


def test_its_error_is_passed_on_and_the_transaction_is_committed(database, heard):
    def burn(sender, **kwargs):
        heard.append("burnt")
        raise ZeroDivisionError

    baked.connect(burn, on_commit=True)
    with pytest.raises(ZeroDivisionError):
        with transaction.atomic():
            transaction.on_commit(lambda: heard.append("committed"))
            bake(1)
    assert heard == ["committed", "burnt"]


def test_a_robust_send_logs_its_error(database, heard, caplog):
    def burn(sender, **kwargs):
        raise ZeroDivisionError

    baked.connect(burn, on_commit=True)
    with transaction.atomic():
        assert baked.send_robust(Pizza, size=1, using="default") == []
    assert "burn failed to hear" in caplog.text


def test_async_receivers_wait_too_and_come_after_plain_ones(database, hear, heard):
    async def deliver(sender, size, **kwargs):
        await asyncio.sleep(0)
        heard.append(f"delivered {size}")

    baked.connect(deliver, on_commit=True, priority=1)
    with transaction.atomic():
        bake(1)
        assert heard == []
    assert heard == [1, "delivered 1"]


@pytest.mark.plain_way("it runs a loop itself")
def test_an_async_receiver_that_nobody_could_wait_for_is_refused_before_anybody_is_called(database, heard):
    async def deliver(sender, **kwargs): ...

    baked.connect(lambda sender, **kwargs: heard.append("now"), weak=False)
    baked.connect(deliver, on_commit=True)

    async def main():
        bake(1)

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(main())
    assert heard == []


@pytest.mark.plain_way("it runs a loop itself")
def test_asend_calls_it_in_the_worker_when_there_is_no_transaction(database, hear, heard):
    async def main():
        return await baked.asend(Pizza, size=1, using="default")

    assert asyncio.run(main()) == []
    assert heard == [1]


@pytest.mark.plain_way("it runs a loop itself")
def test_a_transaction_in_a_worker_is_waited_for(database, hear, heard):
    def work():
        with transaction.atomic():
            bake(1)
            assert heard == []

    async def main():
        await run(work)

    asyncio.run(main())
    assert heard == [1]


def test_a_receiver_that_is_gone_before_the_sending_is_not_called(database, heard):
    def hear(sender, **kwargs):
        heard.append("never")

    baked.connect(hear, on_commit=True)
    del hear
    with transaction.atomic():
        bake(1)
    assert heard == []


def test_a_receiver_that_goes_between_sending_and_commit_is_called(database, heard):
    def hear(sender, **kwargs):
        heard.append("heard")

    baked.connect(hear, on_commit=True)
    with transaction.atomic():
        bake(1)
        baked.disconnect(hear)
        del hear
    assert heard == ["heard"]


def test_muting_and_connecting_for_a_while_concern_the_sending(database, hear, heard):
    with transaction.atomic():
        with baked.muted():
            bake(1)
        with baked.connected_to(lambda sender, **kwargs: heard.append("block"), on_commit=True):
            bake(2)
    assert heard == [2, "block"]


def test_listeners_are_found(database, hear):
    assert baked.has_listeners(Pizza)
    assert not baked.calls_inline_only(Pizza)
    assert [registration.on_commit for registration in baked.registrations()] == [True]


@pytest.mark.parametrize("method", ["connect", "connected_to"])
def test_signals_that_are_sent_without_using_refuse_it(method):
    with pytest.raises(ValueError, match="on_commit"):
        getattr(pre_init, method)(lambda **kwargs: None, on_commit=True)
    assert not any(registration.on_commit for registration in pre_init.registrations())


def test_plain_signals_do_not_know_it():
    with pytest.raises(TypeError, match="on_commit"):
        class_prepared.connect(lambda **kwargs: None, on_commit=True)


def test_in_a_transaction_async_receivers_are_awaited_one_after_another(database, heard):
    async def slow(sender, **kwargs):
        heard.append("begin")
        await asyncio.sleep(0.01)
        heard.append("end")

    async def other(sender, **kwargs):
        await slow(sender)

    baked.connect(slow)
    baked.connect(other)
    with transaction.atomic():
        bake(1)
    assert heard == ["begin", "end", "begin", "end"]
    heard.clear()
    bake(1)
    assert heard == ["begin", "begin", "end", "end"]

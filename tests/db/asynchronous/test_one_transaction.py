"""Proof by the ids of the databases: a save, its receivers and what they save are one transaction on one connection."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from webframe.db import connection, transaction
from webframe.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from webframe.db.transaction import atomic
from webframe.dispatch import Signal
from webframe.greenlets import bridge

from .bank import Account, Entry, Label, Note
from .witness import INNODB_STATUS, innodb_transactions

pytestmark = pytest.mark.usefixtures("bank")


class Oops(Exception):
    """What tests raise."""


def identity() -> tuple[object, object]:
    """The connection and the transaction of the code here, as the database knows them."""
    if connection.vendor == "postgresql":
        return tuple(connection.fetch("SELECT pg_backend_pid(), pg_current_xact_id()::text")[0])
    if connection.vendor == "sqlite":
        # Set once in each transaction: SQLite has no numbers for them.
        if connection.fetch("SELECT count(*) FROM bank_note WHERE substr(text, 1, 11) = 'transaction'") == [(0,)]:
            connection.run(f"INSERT INTO bank_note (text) VALUES ('transaction {time.monotonic_ns()}')")
        (mark,) = connection.fetch("SELECT text FROM bank_note WHERE substr(text, 1, 11) = 'transaction'")
        assert connection.connection.in_transaction
        return id(connection.connection), mark
    (own,) = connection.fetch("SELECT CONNECTION_ID()")[0]
    (number,) = [number for number, thread in innodb_transactions(connection.fetch(INNODB_STATUS)) if thread == own]
    assert number.isdigit(), f"nothing has been written in the transaction here: {number}"
    return own, number


class Receivers:
    """Plain and async receivers that write, and write down in which transaction and task they are."""

    def __init__(self, connect: Any) -> None:
        self.connect = connect
        self.heard: list[tuple[str, object, object]] = []
        self.ids: set[tuple[object, object]] = set()

    def listen(self, signal: Any, sender: Any, *kinds: str) -> None:
        for number, kind in enumerate(kinds):
            self.connect(signal, getattr(self, kind)(f"{signal.name} {number}"), sender=sender)

    def plain(self, name: str) -> Any:
        def hear(**kwargs: Any) -> None:
            Note.objects.create(text=f"from {name}")
            self.note(name)

        return hear

    def asynchronous(self, name: str) -> Any:
        async def hear(**kwargs: Any) -> None:
            await asyncio.sleep(0.001)
            await Note.objects.acreate(text=f"from {name}")
            async with atomic():
                await asyncio.sleep(0)
                await bridge(self.note, name)

        return hear

    def note(self, name: str) -> None:
        self.heard.append((name, asyncio.current_task(), connection.in_atomic_block))
        self.ids.add(identity())

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.heard]


@pytest.fixture
def receivers(connect: Any) -> Receivers:
    return Receivers(connect)


KINDS = ("asynchronous", "plain", "asynchronous", "plain")


async def test_a_save_and_all_its_receivers_are_one_transaction(receivers):
    receivers.listen(pre_save, Account, *KINDS)
    receivers.listen(post_save, Account, *KINDS)
    async with atomic():
        await Account(owner="ann").asave()
        outside = await bridge(identity)
    assert receivers.ids == {outside}
    # Plain receivers are called first; each kind in the order in which they were connected.
    assert receivers.names == [f"{signal} {number}" for signal in ("pre_save", "post_save") for number in (1, 3, 0, 2)]
    assert {task for _, task, _ in receivers.heard} == {asyncio.current_task()}
    assert await Note.objects.filter(text__startswith="from").acount() == 8


@pytest.mark.parametrize("kind", ["plain", "asynchronous"])
async def test_what_a_receiver_raises_takes_all_of_it_back(receivers, connect, kind):
    receivers.listen(pre_save, Account, *KINDS)
    receivers.listen(post_save, Account, *KINDS)

    def plain(**kwargs: Any) -> None:
        raise Oops

    async def asynchronous(**kwargs: Any) -> None:
        await asyncio.sleep(0)
        raise Oops

    connect(post_save, {"plain": plain, "asynchronous": asynchronous}[kind], sender=Account)
    with pytest.raises(Oops):
        async with atomic():
            await Account.objects.acreate(owner="ann")
    # Those that come after it are not called: async ones, if it is a plain one.
    assert len(receivers.heard) == (8 if kind == "asynchronous" else 6)
    assert (await Account.objects.acount(), await Note.objects.acount()) == (0, 0)


async def test_a_deletion_with_its_cascade_is_one_transaction(receivers):
    ann = await Account.objects.acreate(owner="ann")
    for amount in range(3):
        await Entry.objects.acreate(account=ann, amount=amount)
    for signal in pre_delete, post_delete:
        receivers.listen(signal, Account, *KINDS)
        receivers.listen(signal, Entry, "plain", "asynchronous")
    assert await ann.adelete() == (4, {"bank.Account": 1, "bank.Entry": 3})
    assert len(receivers.ids) == 1
    assert len(receivers.heard) == 2 * (4 + 3 * 2)
    assert {task for _, task, _ in receivers.heard} == {asyncio.current_task()}


async def test_the_changes_of_a_relation_are_one_transaction(receivers):
    ann, red, blue = (
        await Account.objects.acreate(owner="ann"),
        await Label.objects.acreate(name="red"),
        await Label.objects.acreate(name="blue"),
    )
    receivers.listen(m2m_changed, Label.accounts.through, *KINDS)
    for change in ann.labels.aadd(red, blue), ann.labels.aset([red]), ann.labels.aclear():
        receivers.heard.clear()
        receivers.ids.clear()
        await Note.objects.all().adelete()
        await change
        assert len(receivers.ids) == 1
        assert len(receivers.heard) == 8  # before and after
    assert await ann.labels.acount() == 0


async def test_rows_made_at_once_are_told_of_in_one_transaction(receivers):
    receivers.listen(post_save, Account, "asynchronous", "plain")
    async with atomic():
        ann, created = await Account.objects.aget_or_create(owner="ann")
    assert created and len(receivers.ids) == 1
    receivers.ids.clear()
    await Note.objects.all().adelete()
    ann, created = await Account.objects.aupdate_or_create(owner="ann", defaults={"balance": 5})
    assert not created and len(receivers.ids) == 1
    await ann.arefresh_from_db()
    assert ann.balance == 5


async def test_receivers_that_save_others_which_have_receivers_are_all_in_it(receivers, connect):
    async def book(instance: Any, **kwargs: Any) -> None:
        await Entry.objects.acreate(account=instance, amount=1)

    def label(instance: Any, **kwargs: Any) -> None:
        Label.objects.create(name="booked").accounts.add(instance.account)

    connect(post_save, book, sender=Account)
    connect(post_save, label, sender=Entry)
    receivers.listen(m2m_changed, Label.accounts.through, "asynchronous", "plain")
    receivers.listen(post_save, Label, "asynchronous")
    async with atomic():
        await Account.objects.acreate(owner="ann")
    assert len(receivers.ids) == 1
    assert receivers.names == ["post_save 0", *["m2m_changed 1", "m2m_changed 0"] * 2]


async def test_a_hook_of_a_receiver_is_called_after_the_commit(connect, witness):
    heard = []

    async def hook() -> None:
        await asyncio.sleep(0)
        heard.append(witness.count("bank_account"))

    async def receive(**kwargs: Any) -> None:
        transaction.on_commit(hook)
        heard.append(witness.count("bank_account"))

    connect(post_save, receive, sender=Account)
    async with atomic():
        await Account.objects.acreate(owner="ann")
    assert heard == [0, 1]


async def test_the_loop_is_free_while_receivers_wait(connect):
    async def receive(**kwargs: Any) -> None:
        await asyncio.sleep(0.2)

    connect(post_save, receive, sender=Note, on_commit=True)
    await Note.objects.acreate(text="warm")
    start = time.monotonic()
    await asyncio.gather(*(Note.objects.acreate(text="") for _ in range(20)))
    assert time.monotonic() - start < 2


async def test_the_witness_of_these_tests_sees_what_begins_and_ends_right_after_it_has_looked(witness):
    for _ in range(3):
        await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")
        async with atomic():
            await Note.objects.acreate(text="one")
            assert witness.transactions() == 1


# --- many at the same time ----------------------------------------------------------------------------------------


async def test_a_hundred_tasks_have_a_hundred_transactions_on_a_hundred_connections(with_options, witness):
    with_options(pool_size=100, max_overflow=0)
    barrier = asyncio.Barrier(100)
    writes = connection.vendor != "sqlite"  # which has one writer at a time
    ids: set[object] = set()

    async def work(number: int) -> None:
        async with atomic(read_only=not writes):
            if writes:
                await Note.objects.acreate(text=str(number))
            else:
                await Note.objects.acount()
            ids.add(await bridge(own_id))
            if await barrier.wait() == 0:
                assert witness.connections() == 100
                if writes:
                    await witness.comes(lambda: witness.transactions() == 100, "there are not as many transactions")
            await barrier.wait()

    def own_id() -> object:
        if connection.vendor == "sqlite":
            return id(connection.connection)
        return identity() if connection.vendor == "postgresql" else connection.fetch("SELECT CONNECTION_ID()")[0]

    await asyncio.gather(*(work(number) for number in range(100)))
    assert len(ids) == 100
    assert await Note.objects.acount() == (100 if writes else 0)


# --- beside each other, outside of transactions -------------------------------------------------------------------


@pytest.mark.parametrize("robust", [False, True])
async def test_async_receivers_at_the_same_time_have_transactions_of_their_own(connect, robust):
    """They share their context variables, but not what they are in the middle of."""
    heard: list[bool] = []
    both = asyncio.Barrier(2)
    waits = connection.vendor != "sqlite"  # which has one writer at a time

    def receiver(name: str, fails: bool) -> Any:
        async def receive(**kwargs: Any) -> None:
            async with atomic():
                heard.append(transaction.is_open())
                await Note.objects.acreate(text=f"{name} begins")
                if waits:
                    await both.wait()
                await asyncio.gather(*(Note.objects.acreate(text=f"{name} {number}") for number in range(3)))
                async with atomic():
                    await Note.objects.acreate(text=f"{name} ends")
                if fails:
                    raise Oops
            assert not transaction.is_open()

        return receive

    signal: Signal[...] = Signal()
    connect(signal, receiver("one", False))
    connect(signal, receiver("two", robust))
    if robust:
        results = await signal.asend_robust(None)
        assert [type(result) for _, result in results] == [type(None), Oops]
    else:
        await signal.asend(None)
    assert heard == [True, True] and not transaction.is_open()
    names = ["one"] if robust else ["one", "two"]
    expected = sorted(f"{name} {what}" for name in names for what in ("begins", 0, 1, 2, "ends"))
    assert sorted([text async for text in Note.objects.values_list("text", flat=True)]) == expected

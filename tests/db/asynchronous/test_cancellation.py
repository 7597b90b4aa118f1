"""Cancellation at every suspension, one at a time: the data are there as a whole or not at all, and all goes on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from webframe import Webframe
from webframe.contrib.atomic import atomic_requests
from webframe.db import DatabaseError, connection, connections, transaction
from webframe.db.models import F
from webframe.db.models.signals import post_save, pre_save
from webframe.db.transaction import atomic

from .bank import Account, Entry, Note
from .stepping import Interruption
from .witness import Witness

Scenario = Callable[[Interruption], Awaitable[None]]

pytestmark = [pytest.mark.usefixtures("bank"), pytest.mark.timeout(300)]


class Oops(Exception):
    """What tests raise."""


@pytest.fixture
def hooks() -> list[str]:
    """What hooks have been called."""
    return []


@pytest.fixture(autouse=True)
def receivers(connect: Callable[..., None]) -> None:
    """Async and plain receivers of entries that write what belongs to the entry."""

    async def before(sender: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        await Note.objects.acreate(text="before")

    def plain(sender: Any, **kwargs: Any) -> None:
        Note.objects.create(text="plain")

    async def after(sender: Any, instance: Any, **kwargs: Any) -> None:
        async with atomic():
            await Note.objects.acreate(text="after")
            await Account.objects.filter(pk=instance.account_id).aupdate(balance=F("balance") + instance.amount)

    connect(pre_save, before, sender=Entry)
    connect(post_save, plain, sender=Entry)
    connect(post_save, after, sender=Entry)


async def book(hooks: list[str]) -> None:
    """Read, save within a savepoint, let receivers write, and register hooks."""

    async def asynchronous() -> None:
        hooks.append("begun")
        await asyncio.sleep(0)
        assert await Entry.objects.acount() == 1
        hooks.append("ended")

    def plain() -> None:
        hooks.append("plain")

    account = await Account.objects.select_for_update().aget(owner="ann")
    async with atomic():
        await Entry(account=account, amount=10).asave()
        transaction.on_commit(asynchronous)
    transaction.on_commit(plain)
    await Note.objects.acreate(text="last")


# What may be in the database: the balance, and the numbers of entries and of notes.
State = tuple[int, int, int]
NOTHING: State = (0, 0, 0)
ALL: State = (10, 1, 4)


def committed(witness: Witness, states: tuple[State, ...] = (ALL,)) -> bool:
    """Whether what a scenario writes is there; it fails where a part of it is."""
    (balance,) = witness.ask("SELECT balance FROM bank_account WHERE owner = 'ann'")[0]
    found = (balance, witness.count("bank_entry"), witness.count("bank_note"))
    assert found in (NOTHING, *states), f"half of it is there: {found}"
    return found != NOTHING


def everywhere(
    scenario: Scenario, mode: str, warm: bool, witness: Witness, hooks: list[str], states: tuple[State, ...] = (ALL,)
) -> int:
    """Run a scenario on loops of their own, cancelled once at each suspension; returns how many there were."""
    number = 0
    while True:
        number += 1
        interruption = Interruption(number, mode)
        asyncio.run(once(interruption, scenario, warm, witness, hooks, states))
        witness.wait_until(lambda: witness.connections() == 0, "connections have outlived their loop")
        if not interruption.done:
            gc.collect()  # what is left behind complains now
            return number - 1


async def once(
    interruption: Interruption,
    scenario: Scenario,
    warm: bool,
    witness: Witness,
    hooks: list[str],
    states: tuple[State, ...],
) -> None:
    where = f"at suspension {interruption.at}"
    if warm:
        await asyncio.gather(*(Account.objects.acount() for _ in range(2)))
    before = asyncio.all_tasks()
    task = asyncio.create_task(scenario(interruption))
    await asyncio.wait([task], timeout=60)
    assert task.done(), f"it hangs {where}"
    while left := asyncio.all_tasks() - before:
        await asyncio.wait(left)
    assert all(victim.cancelled() for victim in interruption.victims), f"somebody went on after it {where}"
    if not interruption.done:
        task.result()
    await check(where, witness, hooks, states)
    hooks.clear()
    await empty()


async def check(where: str, witness: Witness, hooks: list[str], states: tuple[State, ...]) -> None:
    pool = connection.loop_pool(asyncio.get_running_loop())
    # Connections that were closed are gone: what their servers were still doing has been done.
    await witness.comes(lambda: witness.connections() == pool.count, f"connections are left behind {where}")
    await witness.comes(lambda: witness.transactions() == 0, f"a transaction is open {where}")
    assert (pool.count, pool.idle, len(pool._line)) == (pool.idle, pool.idle, 0), where
    is_there = committed(witness, states)
    assert hooks in ([], ["begun"], ["begun", "ended"], ["begun", "ended", "plain"]), where
    assert is_there or hooks == [], f"hooks were called {where}, although nothing was committed"
    await use_all(pool.count)


async def use_all(count: int) -> None:
    """Have a transaction on each connection of the pool, all at the same time."""
    barrier = asyncio.Barrier(count) if count else None

    async def use() -> None:
        async with atomic(read_only=connection.vendor == "sqlite"):
            assert await Account.objects.acount() == 1
            if connection.vendor != "sqlite":
                await Note.objects.acreate(text="to be rolled back")
            await barrier.wait()
            transaction.set_rollback(True)

    await asyncio.gather(*(use() for _ in range(count)))


# --- scenarios ----------------------------------------------------------------------------------------------------


@pytest.fixture
def account(bank: Any) -> None:
    """The one that is booked on; nobody is connected."""
    Account.objects.create(owner="ann", balance=0)
    connections.close_all()


@pytest.mark.parametrize("mode", Interruption.MODES)
def test_a_block_with_savepoints_receivers_and_hooks(mode, account, witness, hooks):
    async def scenario(interruption: Interruption) -> None:
        async def work() -> None:
            async with atomic():
                await book(hooks)

        await interruption.run(work())

    assert everywhere(scenario, mode, False, witness, hooks) >= 10


@pytest.mark.parametrize("mode", Interruption.MODES)
def test_a_view_with_a_transaction_of_its_request(mode, account, witness, hooks):
    app = Webframe("bank")
    app.middleware(atomic_requests)
    answers: list[Any] = []

    @app.post("/book")
    async def view(request: Any) -> str:
        await book(hooks)
        return "booked"

    async def scenario(interruption: Interruption) -> None:
        gone = asyncio.Event()
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await gone.wait()

        async def send(message: Any) -> None:
            answers.append(message)

        await interruption.run(app(SCOPE, receive, send))

    asyncio.run(scenario(Interruption(0, mode)))
    assert answers[0]["status"] == 200 and committed(witness)
    asyncio.run(empty())
    hooks.clear()
    assert everywhere(scenario, mode, True, witness, hooks) > 5


SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/book",
    "raw_path": b"/book",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost"), (b"content-length", b"0")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


async def empty() -> None:
    await Entry.objects.all().adelete()
    await Note.objects.all().adelete()
    await Account.objects.aupdate(balance=0)


@pytest.mark.parametrize("mode", Interruption.MODES)
@pytest.mark.parametrize("grouped", [False, True])
def test_tasks_in_one_transaction(grouped, mode, account, witness, hooks):
    """Each of them, and the one that waits for them, is cancelled at each of its suspensions."""

    async def saves(amount: int) -> None:
        async with atomic():
            account = await Account.objects.aget(owner="ann")
            await Entry(account=account, amount=amount).asave()

    async def notes() -> None:
        async with atomic():
            await Note.objects.acreate(text="beside")
            transaction.on_commit(lambda: hooks.append("begun"))

    async def scenario(interruption: Interruption) -> None:
        async def work() -> None:
            async with atomic():
                tasks = [interruption.run(saves(10)), interruption.run(notes())]
                if grouped:
                    async with asyncio.TaskGroup() as group:
                        for task in tasks:
                            group.create_task(task)
                else:
                    await asyncio.gather(*tasks)

        await interruption.run(work())

    # A group of tasks goes on without one that was cancelled alone, whose block is rolled back.
    states = (ALL, (0, 0, 1), (10, 1, 3)) if grouped else (ALL,)
    assert everywhere(scenario, mode, True, witness, hooks, states) >= 10


@pytest.mark.parametrize("mode", Interruption.MODES)
def test_tasks_in_one_transaction_of_which_one_fails(mode, account, witness, hooks):
    """The other one goes on, in its block within the transaction, and all of it is rolled back; nothing is told."""

    async def saves() -> None:
        async with atomic():
            account = await Account.objects.aget(owner="ann")
            await Entry(account=account, amount=10).asave()
            transaction.on_commit(lambda: hooks.append("begun"))

    async def fails() -> None:
        async with atomic():
            await Note.objects.acreate(text="beside")
            raise Oops

    async def scenario(interruption: Interruption) -> None:
        async def work() -> None:
            async with atomic():
                await Note.objects.acreate(text="first")
                await asyncio.gather(interruption.run(saves()), interruption.run(fails()))

        try:
            await interruption.run(work())
        except Oops:
            pass

    assert everywhere(scenario, mode, True, witness, hooks, states=()) >= 10


@pytest.mark.parametrize("mode", Interruption.MODES)
def test_single_statements_outside_of_transactions(mode, account, witness, hooks, with_options):
    """Connections that are in the middle of an answer are closed, and whoever waits for one makes another."""
    with_options(pool_size=2, max_overflow=0, pool_timeout=20)

    async def asks() -> None:
        assert (await Account.objects.aget(owner="ann")).balance == 0
        assert [account.owner async for account in Account.objects.filter(balance=0)] == ["ann"]
        assert (await Account.objects.afirst(), await Account.objects.acount()) != (None, 0)
        assert not await Note.objects.aexists()

    async def scenario(interruption: Interruption) -> None:
        tasks = [asyncio.create_task(interruption.run(asks())) for _ in range(3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [error for error in results if error is not None and not isinstance(error, asyncio.CancelledError)] == []

    # SQLite answers at once.
    assert everywhere(scenario, mode, True, witness, hooks, states=()) >= 5 or connection.vendor == "sqlite"


@pytest.mark.parametrize("mode", Interruption.MODES)
def test_tasks_that_stand_in_line_for_the_only_connection(mode, account, witness, hooks, with_options):
    """Whoever is cancelled, the next one in line gets it."""
    with_options(pool_size=1, max_overflow=0, pool_timeout=20)

    async def pair() -> None:
        async with atomic():
            await Note.objects.acreate(text="left")
            await asyncio.sleep(0)
            await Note.objects.acreate(text="right")

    async def scenario(interruption: Interruption) -> None:
        tasks = [asyncio.create_task(interruption.run(pair())) for _ in range(3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [error for error in results if error is not None and not isinstance(error, asyncio.CancelledError)] == []

    states = tuple((0, 0, count) for count in (2, 4, 6))
    assert everywhere(scenario, mode, True, witness, hooks, states) >= 7


@pytest.mark.parametrize("nested", [False, True])
def test_an_error_at_each_statement(nested, account, witness, hooks):
    """As with cancellations: one after another, each statement is one that the database refuses."""

    async def work(at: int) -> bool:
        count = 0

        def spoil(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                sql, params = "SELECT nonsense", ()
            return execute(sql, params, many, context)

        before = asyncio.all_tasks()
        with connection.execute_wrapper(spoil):
            try:
                async with atomic():
                    if nested:
                        async with atomic():
                            await book(hooks)
                    else:
                        await book(hooks)
            except DatabaseError as error:
                # That of the database, and no other that comes of it.
                assert "nonsense" in str(error), f"at statement {at}"
        await check(f"at statement {at}", witness, hooks, (ALL,))
        assert asyncio.all_tasks() == before
        hooks.clear()
        await empty()
        return count >= at

    async def main() -> int:
        number = 1
        while await work(number):
            number += 1
        return number

    assert asyncio.run(main()) > 8

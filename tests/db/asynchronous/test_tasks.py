"""Tasks in one transaction: gather(), blocks beside each other, tasks that stay behind, timeouts, context variables."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from webframe.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from webframe.db.models.signals import post_save
from webframe.db.transaction import TransactionManagementError, atomic
from webframe.greenlets import bridge

from .bank import Account, Note

pytestmark = pytest.mark.usefixtures("bank")


class Oops(Exception):
    """What tests raise."""


async def add(text: object) -> None:
    await Note.objects.acreate(text=str(text))


async def texts() -> list[str]:
    return sorted([text async for text in Note.objects.values_list("text", flat=True)])


# --- beside each other --------------------------------------------------------------------------------------------


async def test_gather_shares_the_transaction_one_statement_at_a_time(witness, statements):
    with pytest.raises(Oops):
        async with atomic():
            await asyncio.gather(*(add(number) for number in range(20)))
            assert await Note.objects.acount() == 20
            assert witness.count("bank_note") == 0
            raise Oops
    assert await texts() == []
    assert statements.words == ["BEGIN", *["INSERT"] * 20, "SELECT", "ROLLBACK", "SELECT"]


async def test_gather_may_be_the_first_to_do_anything_and_there_is_one_begin(statements):
    async with atomic():
        await asyncio.gather(*(add(number) for number in range(5)))
    assert statements.words == ["BEGIN", *["INSERT"] * 5, "COMMIT"]


async def test_statements_of_tasks_take_turns_in_order_of_arrival():
    async with atomic():
        await add("")  # the first one asks the server for its version before it stands in line
        tasks = [asyncio.create_task(add(f"{number:02}")) for number in range(30)]
        await asyncio.gather(*tasks)
        assert [text async for text in Note.objects.order_by("pk").values_list("text", flat=True)] == [
            "",
            *(f"{number:02}" for number in range(30)),
        ]


async def test_blocks_beside_each_other_never_interleave_their_savepoints(statements):
    """Each block's statements stand together, from its SAVEPOINT to its RELEASE, whatever the tasks wait for."""
    chance = random.Random(4)

    async def work(name: str) -> None:
        for step in range(5):
            try:
                async with atomic():
                    await add(f"{name}{step} begin")
                    await asyncio.sleep(chance.random() / 500)
                    async with atomic():
                        await add(f"{name}{step} inner")
                        await asyncio.sleep(chance.random() / 500)
                    await add(f"{name}{step} end")
                    if step % 2:
                        raise Oops
            except Oops:
                pass
            await add(f"{name}{step} beside")

    async with atomic():
        async with asyncio.TaskGroup() as group:
            for name in "abcd":
                group.create_task(work(name))
    expected = [f"{name}{step} beside" for name in "abcd" for step in range(5)]
    expected += [f"{name}{step} {part}" for name in "abcd" for step in (0, 2, 4) for part in ("begin", "inner", "end")]
    assert await texts() == sorted(expected)
    check_nesting(connection.queries)


def check_nesting(queries: list[dict[str, Any]]) -> None:
    """Savepoints end in the reverse of their order, and the rows of a block stand in it alone."""
    open_savepoints: list[str] = []
    inside: list[set[str]] = []
    for query in queries:
        sql = query["sql"]
        words = sql.split()
        if words[0] == "SAVEPOINT":
            open_savepoints.append(words[1])
            inside.append(set())
        elif sql.startswith("ROLLBACK TO SAVEPOINT"):
            assert open_savepoints[-1] == words[3], (open_savepoints, sql)
        elif words[0] == "RELEASE":
            assert open_savepoints.pop() == words[2], (open_savepoints, sql)
            names = inside.pop()
            assert len(names) <= 1, f"a block has the rows of {names}"
            if inside:
                inside[-1] |= names
        elif words[0] == "INSERT" and inside:
            inside[-1].add(query["params"][0].split()[0])
    assert open_savepoints == []


async def test_a_block_beside_that_fails_takes_nothing_of_the_others_along():
    async def work(number: int) -> None:
        async with atomic():
            await add(number)
            await asyncio.sleep(0)
            if number % 3 == 0:
                raise Oops

    async with atomic():
        results = await asyncio.gather(*(work(number) for number in range(9)), return_exceptions=True)
    assert [number for number, result in enumerate(results) if isinstance(result, Oops)] == [0, 3, 6]
    assert await texts() == ["1", "2", "4", "5", "7", "8"]


async def test_an_error_of_the_database_in_one_task_breaks_the_transaction_for_all():
    await Account.objects.acreate(owner="ann")

    async def fail() -> None:
        await Account.objects.acreate(owner="ann")

    async with atomic():
        results = await asyncio.gather(add(1), fail(), add(2), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), IntegrityError, TransactionManagementError]
    assert await texts() == []


async def test_the_transaction_goes_on_for_those_that_are_left_when_one_is_cancelled_while_it_waits_in_line():
    started = asyncio.Event()

    async def hold() -> None:
        async with atomic():
            await add("first")
            started.set()
            await asyncio.sleep(0.01)

    async with atomic():
        holder = asyncio.create_task(hold())
        await started.wait()
        waiting = [asyncio.create_task(add(number)) for number in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.gather(holder, *waiting, return_exceptions=True)
        assert waiting[1].cancelled()
        await add("last")
    assert await texts() == ["0", "2", "first", "last"]


async def test_task_groups_roll_back_as_a_whole_when_one_task_fails():
    async def fail() -> None:
        await add("failing")
        raise Oops

    with pytest.raises(ExceptionGroup):
        async with atomic(), asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(add(number))
            group.create_task(fail())
    assert await texts() == []
    async with atomic():
        await add("next")
    assert await texts() == ["next"]


# --- staying behind -----------------------------------------------------------------------------------------------


async def test_a_task_that_outlives_its_block_goes_on_in_autocommit(witness):
    left = asyncio.Event()

    async def stay() -> None:
        await add("within")
        await left.wait()
        assert not connection.in_atomic_block
        await add("beyond")
        assert witness.count("bank_note") == 2
        with pytest.raises(Oops):
            async with atomic():
                await add("a block of its own")
                raise Oops

    async with atomic():
        task = asyncio.create_task(stay())
        while not await texts():
            await asyncio.sleep(0)
    left.set()
    await task
    assert await texts() == ["beyond", "within"]


async def test_what_a_task_does_after_its_block_was_rolled_back_stays():
    left = asyncio.Event()

    async def stay() -> None:
        await left.wait()
        await add("beyond")

    with pytest.raises(Oops):
        async with atomic():
            await add("within")
            task = asyncio.create_task(stay())
            raise Oops
    left.set()
    await task
    assert await texts() == ["beyond"]


async def test_a_block_whose_parent_has_ended_before_its_first_statement_says_so():
    left = asyncio.Event()

    async def stay() -> None:
        async with atomic():
            await left.wait()
            await add("too late")

    async with atomic():
        await add("within")
        task = asyncio.create_task(stay())
        await asyncio.sleep(0)
    left.set()
    with pytest.raises(TransactionManagementError, match="around this one has ended already"):
        await task
    assert await texts() == ["within"]


async def test_a_block_waits_for_the_block_of_a_task_that_is_still_open_in_it():
    inside, finish = asyncio.Event(), asyncio.Event()

    async def inner() -> None:
        async with atomic():
            await add("inner")
            inside.set()
            await finish.wait()

    async def outer() -> None:
        async with atomic():
            await add("outer")
            tasks.append(asyncio.create_task(inner()))
            await inside.wait()

    tasks: list[asyncio.Task[None]] = []
    leaving = asyncio.create_task(outer())
    await inside.wait()
    done, _ = await asyncio.wait([leaving], timeout=0.02)
    assert not done
    finish.set()
    await leaving
    await tasks[0]
    assert await texts() == ["inner", "outer"]


async def test_a_copy_of_the_context_from_before_takes_no_part():
    before = copy_context()
    async with atomic():
        if connection.vendor != "sqlite":  # which has one writer at a time, and that is the block
            await asyncio.create_task(add("beside"), context=before)
        await add("within")
        transaction.set_rollback(True)
    assert await texts() == (["beside"] if connection.vendor != "sqlite" else [])


# --- timeouts -----------------------------------------------------------------------------------------------------


async def test_what_runs_in_wait_for_is_in_the_transaction():
    with pytest.raises(Oops):
        async with atomic():
            await asyncio.wait_for(add(1), 10)
            async with asyncio.timeout(10):
                await add(2)
            assert await texts() == ["1", "2"]
            raise Oops
    assert await texts() == []


async def test_a_timeout_around_a_block_rolls_back(witness):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), atomic():
            await add(1)
            await asyncio.sleep(10)
    assert await texts() == []
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")


async def test_a_timeout_within_a_block_leaves_it_alone_when_no_statement_was_interrupted():
    async with atomic():
        await add(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), atomic():
                await add(2)
                await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 0.01)
        await add(3)
    assert await texts() == ["1", "3"]


@pytest.mark.engines("postgresql", "mysql")
async def test_a_timeout_in_the_middle_of_a_statement_loses_the_transaction_and_closes_the_connection(witness):
    sleep = "SELECT pg_sleep(10)" if connection.vendor == "postgresql" else "SELECT SLEEP(10)"
    with pytest.raises(TransactionManagementError, match="CancelledError"):
        async with atomic():
            await add(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await bridge(connection.fetch, sleep)
            await add(2)
    assert await texts() == []
    async with atomic():
        await add(3)
    assert await texts() == ["3"]


@pytest.mark.engines("postgresql", "mysql")
async def test_who_gives_up_waiting_for_a_row_changes_nothing(witness):
    await Account.objects.acreate(owner="ann")
    locked, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with atomic():
            account = await Account.objects.select_for_update().aget()
            locked.set()
            await release.wait()
            account.balance += 1
            await account.asave()

    async def wait_for_it() -> None:
        async with atomic():
            await Account.objects.select_for_update().aget()
            await Account.objects.aupdate(balance=1000)

    holding = asyncio.create_task(hold())
    await locked.wait()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait_for_it(), 0.1)
    release.set()
    await holding
    async with atomic():
        account = await Account.objects.select_for_update().aget()
        assert account.balance == 1
    pool = connection.loop_pool(asyncio.get_running_loop())
    assert pool.count == pool.idle
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")


async def test_a_cancelled_block_rolls_back_and_the_next_one_works(witness):
    inside = asyncio.Event()

    async def work() -> None:
        async with atomic():
            await add(1)
            async with atomic():
                await add(2)
                inside.set()
                await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await texts() == []
    async with atomic():
        await add(3)
    assert await texts() == ["3"]
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")


# --- context variables --------------------------------------------------------------------------------------------

language: ContextVar[str] = ContextVar("language", default="none")


async def test_context_variables_flow_into_receivers_and_out_of_them(connect):
    heard: list[str] = []

    async def asynchronous(**kwargs: object) -> None:
        heard.append(language.get())
        await asyncio.sleep(0)
        language.set("fr")

    def plain(**kwargs: object) -> None:
        heard.append(language.get())
        language.set("de")

    connect(post_save, plain, sender=Note)
    connect(post_save, asynchronous, sender=Note)
    language.set("en")
    async with atomic():
        await add(1)
        assert language.get() == "fr"
    assert heard == ["en", "de"]
    await add(2)
    assert heard[2:] == ["fr", "de"]
    assert language.get() == "fr"


async def test_what_a_task_sets_stays_in_it():
    async def work(name: str) -> str:
        language.set(name)
        await add(name)
        return language.get()

    async with atomic():
        assert await asyncio.gather(*(work(name) for name in "abc")) == ["a", "b", "c"]
    assert language.get() == "none"


@pytest.mark.engines("postgresql", "mysql")
async def test_a_block_may_be_cancelled_while_it_waits_for_the_statement_of_another_task(each_driver, witness):
    sleep = "SELECT pg_sleep(60)" if connection.vendor == "postgresql" else "SELECT SLEEP(60)"
    others: list[asyncio.Task[Any]] = []
    at_the_end = asyncio.Event()

    async def leave() -> None:
        async with atomic():
            await add("within")
            others.append(asyncio.create_task(bridge(connection.fetch, sleep)))
            await witness.comes(lambda: sleep in witness.statements(), "the other statement does not begin")
            at_the_end.set()

    leaving = asyncio.create_task(leave())
    await at_the_end.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not leaving.done()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.gather(*(add(number) for number in range(5)))
    async with asyncio.timeout(10):
        with pytest.raises((OperationalError, TransactionManagementError, InterfaceError)):
            await others[0]
    assert await texts() == ["0", "1", "2", "3", "4"]
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")


async def test_a_block_that_is_cancelled_while_it_iterates_keeps_no_lock(witness):
    await Note.objects.abulk_create(Note(text=str(number)) for number in range(100))
    iterators: list[Any] = []  # which somebody else may still have

    async def iterate() -> None:
        async with atomic():
            await add("lost")
            iterators.append(Note.objects.aiterator(chunk_size=1))
            async for _ in iterators[-1]:
                pass

    for turns in range(0, 120, 3):
        iterating = asyncio.create_task(iterate())
        for _ in range(turns):
            await asyncio.sleep(0 if connection.vendor == "sqlite" else 0.0002)
        iterating.cancel()
        await asyncio.wait([iterating])
        async with asyncio.timeout(4):
            await add("kept")
    assert await Note.objects.filter(text="kept").acount() == 40
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")


@pytest.mark.parametrize("nested", [False, True])
async def test_a_block_may_be_cancelled_while_it_waits_for_another_task_to_begin_it(nested, witness):
    async def leave(tasks: list[asyncio.Task[Any]]) -> None:
        async with atomic():
            if nested:
                await add("outer")
            async with atomic():
                tasks.append(asyncio.create_task(add("inner")))
                await asyncio.sleep(0)

    for turns in range(60):
        tasks: list[asyncio.Task[Any]] = []
        leaving = asyncio.create_task(leave(tasks))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait([leaving])
            while not all(task.done() for task in tasks):
                await asyncio.wait(tasks)
        for task in tasks:
            assert isinstance(task.exception(), (type(None), DatabaseError, InterfaceError)), turns
        await Note.objects.all().adelete()
    assert await texts() == []
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")

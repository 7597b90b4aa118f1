"""`async with atomic()` on every engine: blocks, savepoints, hooks, and what breaks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from webframe import workers
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import DatabaseError, IntegrityError, NotSupportedError, connection, connections, transaction
from webframe.db.transaction import TransactionManagementError, atomic

from .bank import Account, Note

pytestmark = pytest.mark.usefixtures("bank")


class Oops(Exception):
    """What tests raise."""


async def add(text: str) -> None:
    await Note.objects.acreate(text=text)


async def texts() -> list[str]:
    return [text async for text in Note.objects.order_by("pk").values_list("text", flat=True)]


# --- blocks -------------------------------------------------------------------------------------------------------


async def test_a_block_is_committed_when_it_is_left(witness):
    async with atomic():
        await add("1")
        assert witness.count("bank_note") == 0
        assert await texts() == ["1"]
    assert witness.count("bank_note") == 1


async def test_a_block_that_an_error_leaves_is_rolled_back():
    with pytest.raises(Oops):
        async with atomic():
            await add("1")
            raise Oops
    assert await texts() == []


async def test_outside_of_blocks_each_statement_is_committed(witness):
    await add("1")
    assert witness.count("bank_note") == 1


async def test_an_inner_block_can_be_rolled_back_alone():
    async with atomic():
        await add("1")
        with pytest.raises(Oops):
            async with atomic():
                await add("2")
                async with atomic():
                    await add("3")
                raise Oops
        async with atomic():
            await add("4")
    assert await texts() == ["1", "4"]


async def test_an_outer_block_takes_its_inner_blocks_along():
    with pytest.raises(Oops):
        async with atomic():
            async with atomic():
                await add("1")
            raise Oops
    assert await texts() == []


async def test_without_a_savepoint_an_error_breaks_the_outer_block():
    async with atomic():
        await add("1")
        with pytest.raises(Oops):
            async with atomic(savepoint=False):
                raise Oops
        with pytest.raises(TransactionManagementError, match="can only be rolled back.*Oops"):
            await texts()
    assert await texts() == []


async def test_an_error_of_the_database_breaks_the_block_on_every_engine():
    await Account.objects.acreate(owner="ann")
    async with atomic():
        await add("1")
        with pytest.raises(IntegrityError) as caught:
            await Account.objects.acreate(owner="ann")
        assert caught.value.__cause__ is not None
        with pytest.raises(TransactionManagementError, match="IntegrityError") as broken:
            await texts()
        assert broken.value.__cause__ is caught.value
        assert connection.needs_rollback
    assert not connection.needs_rollback
    assert await texts() == []


async def test_an_error_of_the_database_in_an_inner_block_leaves_the_outer_one_alone():
    async with atomic():
        await Account.objects.acreate(owner="ann")
        with pytest.raises(IntegrityError):
            async with atomic():
                await Account.objects.acreate(owner="ann")
        await Account.objects.acreate(owner="bob")
    assert await Account.objects.acount() == 2


async def test_a_durable_block_is_refused_within_another_and_works_by_itself():
    async with atomic():
        with pytest.raises(RuntimeError, match="durable"):
            async with atomic(durable=True):
                await add("1")
    async with atomic(durable=True):
        await add("2")
    assert await texts() == ["2"]


async def test_a_read_only_block_refuses_to_write():
    await add("1")
    async with atomic(read_only=True):
        assert await texts() == ["1"]
    with pytest.raises(DatabaseError):
        async with atomic(read_only=True):
            await add("2")
    await add("3")  # the next one on the connection may write
    assert await texts() == ["1", "3"]


async def test_a_block_can_be_rolled_back_by_hand():
    async with atomic():
        await add("1")
        assert not transaction.get_rollback()
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError, match="set_rollback"):
            await texts()
    async with atomic():
        await add("2")
        transaction.set_rollback(True)
        transaction.set_rollback(False)
        await add("3")
    assert await texts() == ["2", "3"]


async def test_savepoints_can_be_set_by_hand():
    async with atomic():
        await add("1")
        first = await transaction.asavepoint()
        await add("2")
        await transaction.asavepoint_rollback(first)
        second = await transaction.asavepoint()
        await add("3")
        await transaction.asavepoint_commit(second)
    assert await texts() == ["1", "3"]
    assert await transaction.asavepoint() is None


async def test_going_back_to_a_savepoint_mends_a_broken_block():
    await Account.objects.acreate(owner="ann")
    async with atomic():
        await add("1")
        sid = await transaction.asavepoint()
        with pytest.raises(IntegrityError):
            await Account.objects.acreate(owner="ann")
        await transaction.asavepoint_rollback(sid)
        await add("2")
    assert await texts() == ["1", "2"]


async def test_plain_savepoints_are_refused_name_their_twins_and_leave_the_block_as_it_is():
    async with atomic():
        await add("1")
        sid = await transaction.asavepoint()
        for plain, arguments in (
            (transaction.savepoint, ()),
            (transaction.savepoint_commit, (sid,)),
            (transaction.savepoint_rollback, (sid,)),
        ):
            with pytest.raises(SynchronousOnlyOperation, match=rf"{plain.__name__}\(\) .*'await a{plain.__name__}\("):
                plain(*arguments)
        await add("2")
        await transaction.asavepoint_rollback(sid)
        await add("3")
    assert await texts() == ["1", "3"]


async def test_ending_by_hand_is_refused():
    for end in transaction.commit, transaction.rollback, lambda: transaction.set_autocommit(False):
        with pytest.raises(NotSupportedError, match="async with atomic"):
            end()
    assert transaction.get_autocommit()
    async with atomic():
        assert not transaction.get_autocommit()


async def test_a_block_decorates_async_functions():
    @atomic
    async def two(first: str, second: str = "-") -> str:
        await add(first)
        await add(second)
        if second == "!":
            raise Oops
        return "done"

    @atomic(savepoint=False)
    async def nested() -> None:
        await two("5")

    assert await two("1", second="2") == "done"
    with pytest.raises(Oops):
        await two("3", second="!")
    await nested()
    assert await texts() == ["1", "2", "5", "-"]


async def test_one_object_serves_many_tasks_at_the_same_time():
    block = atomic()

    @block
    async def decorated(number: int) -> None:
        await add(str(number))
        await asyncio.sleep(0)
        if number % 2:
            raise Oops

    async def entered(number: int) -> None:
        async with block:
            await add(str(number))
            await asyncio.sleep(0)
            if number % 2:
                raise Oops

    tasks = [function(number) for number in range(8) for function in (decorated, entered)]
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(await texts()) == sorted(["0", "2", "4", "6"] * 2)


async def test_a_plain_block_is_refused_on_the_loop_and_names_the_way_out():
    with pytest.raises(SynchronousOnlyOperation, match="async with atomic"), atomic():
        pass


async def test_a_block_that_does_nothing_costs_no_statement(statements):
    async with atomic(), atomic():
        pass
    assert statements.words == []


async def test_a_savepoint_is_set_and_released_for_an_inner_block_only(statements):
    async with atomic():
        await add("1")
        async with atomic():
            await add("2")
        async with atomic(savepoint=False):
            await add("3")
    assert statements.words == ["BEGIN", "INSERT", "SAVEPOINT", "INSERT", "RELEASE", "INSERT", "COMMIT"]


async def test_the_connection_of_the_driver_is_that_of_the_transaction():
    before = connection.connection  # what plain code has, if anything
    async with atomic():
        assert connection.connection is before  # it has not begun
        await add("1")
        raw = connection.connection
        assert raw is not before
        async with atomic():
            assert connection.connection is raw
            await add("2")
            assert connection.connection is raw
    assert connection.connection is before


async def test_databases_have_transactions_of_their_own(tables):
    await workers.run(tables, Note._meta.apps, using="other")
    with pytest.raises(Oops):
        async with atomic():
            await add("1")
            async with atomic(using="other"):
                await Note.objects.using("other").acreate(text="2")
                assert connections["other"].in_atomic_block
            assert not connections["other"].in_atomic_block
            raise Oops
    assert (await texts(), await Note.objects.using("other").acount()) == ([], 1)


# --- hooks --------------------------------------------------------------------------------------------------------


async def test_plain_and_async_hooks_are_called_after_the_commit_in_order(witness):
    heard: list[str] = []

    def plain(name: str) -> Callable[[], None]:
        def hook() -> None:
            assert not connection.in_atomic_block
            heard.append(f"{name} {witness.count('bank_note')}")

        return hook

    def asynchronous(name: str) -> Callable[[], Any]:
        async def hook() -> None:
            await asyncio.sleep(0)
            assert not connection.in_atomic_block
            heard.append(f"{name} {await Note.objects.acount()}")

        return hook

    async with atomic():
        transaction.on_commit(plain("a"))
        await add("1")
        async with atomic():
            transaction.on_commit(asynchronous("b"))
            async with atomic():
                transaction.on_commit(plain("c"))
        transaction.on_commit(asynchronous("d"))
        assert heard == []
    assert heard == ["a 1", "b 1", "c 1", "d 1"]


async def test_a_plain_hook_that_gives_a_coroutine_has_it_awaited():
    async with atomic():
        await add("1")
        transaction.on_commit(lambda: add("2"))
        transaction.on_commit(lambda: add("3"), robust=True)
    assert await texts() == ["1", "2", "3"]

    def plain() -> None:
        with atomic():
            transaction.on_commit(lambda: add("4"))

    await workers.run(plain)
    assert await texts() == ["1", "2", "3", "4"]
    with pytest.raises(SynchronousOnlyOperation, match="Await it instead"):
        transaction.on_commit(lambda: add("5"))


async def test_a_plain_hook_outside_of_blocks_is_called_at_once():
    heard: list[int] = []
    transaction.on_commit(lambda: heard.append(1))
    assert heard == [1]


@pytest.mark.parametrize("robust", [False, True])
async def test_an_async_hook_outside_of_blocks_is_refused_and_the_refusal_names_the_way_out(robust):
    async def hook() -> None: ...

    with pytest.raises(SynchronousOnlyOperation, match=r"on_commit.*'await'.*within 'async with atomic"):
        transaction.on_commit(hook, robust=robust)


async def test_hooks_of_what_is_rolled_back_are_dropped():
    heard: list[str] = []

    def hook(name: str) -> Callable[[], Any]:
        async def note() -> None:
            heard.append(name)

        return note

    async with atomic():
        transaction.on_commit(hook("kept"))
        with pytest.raises(Oops):
            async with atomic():
                transaction.on_commit(hook("dropped"))
                async with atomic():
                    transaction.on_commit(hook("dropped too"))
                raise Oops
        sid = await transaction.asavepoint()
        transaction.on_commit(hook("dropped by hand"))
        await transaction.asavepoint_rollback(sid)
        transaction.on_commit(hook("last"))
        await add("1")
    with pytest.raises(Oops):
        async with atomic():
            transaction.on_commit(hook("lost"))
            raise Oops
    async with atomic():
        transaction.on_commit(hook("lost by hand"))
        transaction.set_rollback(True)
    assert heard == ["kept", "last"]


async def test_the_first_error_of_a_hook_comes_after_the_commit_and_a_robust_one_is_logged(caplog):
    heard: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        raise Oops("from a hook")

    async def note() -> None:
        heard.append("called")

    with pytest.raises(Oops, match="from a hook"):
        async with atomic():
            await add("1")
            transaction.on_commit(fail, robust=True)
            transaction.on_commit(note)
            transaction.on_commit(fail)
            transaction.on_commit(note)
    assert heard == ["called"]
    assert "fail" in caplog.text and "on_commit" in caplog.text
    assert await texts() == ["1"]


async def test_a_hook_can_have_a_block_of_its_own_with_hooks():
    heard: list[str] = []

    async def inner() -> None:
        heard.append(f"inner {await Note.objects.acount()}")

    async def outer() -> None:
        async with atomic():
            await add("2")
            transaction.on_commit(inner)
        heard.append("outer")

    async with atomic():
        await add("1")
        transaction.on_commit(outer)
    assert heard == ["inner 2", "outer"]


async def test_hooks_see_and_set_the_context_of_the_task():
    language: ContextVar[str] = ContextVar("language", default="none")
    heard: list[str] = []

    def plain() -> None:
        heard.append(language.get())
        language.set("de")

    async def asynchronous() -> None:
        heard.append(language.get())
        language.set("fr")

    async with atomic():
        language.set("en")
        transaction.on_commit(plain)
        transaction.on_commit(asynchronous)
        await add("1")
    assert heard == ["en", "de"]
    assert language.get() == "fr"

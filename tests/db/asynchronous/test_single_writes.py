"""An insert that is one statement, and what is asked in a transaction, take no greenlet, and do the same as in one."""

from __future__ import annotations

import asyncio
import io
import re
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

from webframe.db import IntegrityError, connection, connections, models, transaction
from webframe.db.errors import TransactionManagementError
from webframe.db.models import F, Value
from webframe.db.models.query import QuerySet
from webframe.db.models.signals import post_save
from webframe.db.transaction import atomic
from webframe.greenlets import bridge
from webframe.test import override_settings
from webframe.test.blocking import DatabaseAccessBlocked, blocker

from ..registries import models_of_a_test
from .answers import pool, result_of, told
from .bank import Account, Entry, Note, registry

# A number that the database does not give out soon.
ANN = 1_000

pytestmark = pytest.mark.usefixtures("bank")


@pytest.fixture(autouse=True)
def rows(bank: Any) -> None:
    """One account; nobody is connected."""
    Account.objects.create(pk=ANN, owner="ann", balance=3)
    connections.close_all()


def uses_asyncpg() -> bool:
    return type(pool().resting[0].link).__name__ == "AsyncpgLink"


# --- creating -----------------------------------------------------------------------------------------------------


CREATED: dict[str, Callable[[], Any]] = {
    "with a default": lambda: Account.objects.acreate(owner="bob"),
    "with all values": lambda: Account.objects.acreate(owner="bob", balance=7),
    "with a key": lambda: Account.objects.acreate(pk=9, owner="bob"),
    "with an id": lambda: Account.objects.acreate(id=9, owner="bob"),
    "with an expression": lambda: Account.objects.acreate(owner="bob", balance=Value(3) + Value(4)),
    "with a field that is not there yet": lambda: Account.objects.acreate(owner="bob", balance=F("balance")),
    "with the number of another": lambda: Entry.objects.acreate(account_id=ANN, amount=2),
    "with another": lambda: Entry.objects.acreate(account=Account(pk=ANN, owner="ann"), amount=2),
    "with another that is not saved": lambda: Entry.objects.acreate(account=Account(owner="ann"), amount=2),
    "with the number of nobody": lambda: Entry.objects.acreate(account_id=77, amount=2),
    "that is there": lambda: Account.objects.acreate(owner="ann"),
    "without a value": lambda: Account.objects.acreate(),
    "with None": lambda: Account.objects.acreate(owner=None),
    "with a value that is none": lambda: Account.objects.acreate(owner="bob", balance="many"),
    "with a text for a number": lambda: Account.objects.acreate(owner="bob", balance="7"),
    "with a number that no column holds": lambda: Account.objects.acreate(owner="bob", balance=10**30),
    "with too long a text": lambda: Note.objects.acreate(text="x" * 1000),
    "with an unknown name": lambda: Account.objects.acreate(owner="bob", colour="red"),
    "of a queryset": lambda: Account.objects.filter(balance=3).acreate(owner="bob"),
    "of a relation": lambda: Account(pk=ANN, owner="ann").entries.acreate(amount=2),
}


@pytest.mark.parametrize("creation", CREATED)
async def test_what_is_created_is_what_a_greenlet_creates_and_so_is_the_statement(creation):
    create = CREATED[creation]
    await create_and_undo(create)  # there is an idle connection, and the plan is known
    single = await create_and_undo(create)
    statements: list[Any] = []

    def note(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, *rest)

    with connection.execute_wrapper(note):
        assert await create_and_undo(create) == single
    async with atomic():
        assert await create_and_undo(create) == single
    assert len([sql for sql, _ in statements if sql.startswith("INSERT")]) <= 1
    assert (pool().idle, pool().count) == (1, 1)


async def create_and_undo(create: Callable[[], Any]) -> Any:
    """What is created, but for its number, and what the tables have then; in a block that is rolled back."""
    async with atomic():
        result = await result_of(create)
        tables = (Account, Entry, Note) if not connection.needs_rollback else ()
        found = [[told(each) async for each in model.objects.order_by("pk")] for model in tables]
        transaction.set_rollback(True)
    return re.sub(r"('id': '|contains \()(?!1000)\d+", r"\1N", repr((result, found)))


@pytest.mark.engines("postgresql")
async def test_creating_takes_no_greenlet(bridged):
    for _ in range(2):
        await Note.objects.acreate(text="x")
        await Entry.objects.acreate(account_id=ANN, amount=1)
    if not uses_asyncpg():
        pytest.skip("Other drivers are asked in a greenlet.")
    bridged.clear()
    note = await Note.objects.acreate(text="y")
    entry = await Entry.objects.acreate(account_id=ANN, amount=1)
    async with atomic():
        await Note.objects.acount()  # it has begun
        bridged.clear()
        inner = await Note.objects.acreate(text="z")
        assert bridged == []
    assert {each.text async for each in Note.objects.filter(pk__in=[note.pk, inner.pk])} == {"y", "z"}
    assert await Entry.objects.filter(pk=entry.pk).aexists()
    assert (pool().idle, pool().count) == (1, 1)


async def test_receivers_of_save_hear_of_what_is_created(connect):
    heard: list[Any] = []

    async def hear(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        heard.append((instance.text, created, await Note.objects.acount()))

    await Note.objects.acreate(text="unheard")
    connect(post_save, hear, sender=Note)
    for _ in range(2):
        await Note.objects.acreate(text="x")
    assert heard == [("x", True, 2), ("x", True, 3)]


class Memo(models.Model):
    """Notes with a `save` of their own, and a default that asks the database."""

    asked: list[int] = []

    def number(asked: list[int] = asked) -> str:  # a function of the class
        asked.append(Note.objects.count())
        return f"memo {asked[-1]}"

    text = models.CharField(max_length=100, default=number)

    class Meta:
        app_label = "bank"
        apps = registry
        managed = False
        db_table = "bank_note"


async def test_a_default_that_asks_the_database_is_called_once():
    Memo.asked.clear()
    assert [(await Memo.objects.acreate()).text for _ in range(3)] == ["memo 0", "memo 1", "memo 2"]
    assert Memo.asked == [0, 1, 2]


class Reading(models.CharField):
    """Values that can be read once, as of a file."""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.read() if hasattr(value, "read") else value)


class Asking(models.BigAutoField):
    """Keys that are looked up in the database when they are read."""

    def from_db_value(self, value: Any, expression: Any, wrapper: Any) -> Any:
        return value if Account.objects.count() else None


class Written(models.Model):
    id = Asking(primary_key=True)
    text = Reading(max_length=100)

    class Meta:
        app_label = "bank"
        apps = registry
        managed = False
        db_table = "bank_note"


async def test_a_value_is_converted_once_and_a_key_may_have_to_wait():
    async def write(word: str) -> Any:
        return (await Written.objects.acreate(text=io.StringIO(word))).pk

    keys = [await write("first"), await write("second")]
    keys += await asyncio.gather(*(write(f"{number}") for number in range(5)))
    async with atomic():
        keys += [await write("begun"), *await asyncio.gather(write("one"), write("other"))]
    with connection.execute_wrapper(lambda execute, *args: execute(*args)):
        keys.append(await write("watched"))
    assert all(isinstance(key, int) for key in keys) and len(set(keys)) == 11
    words = {"first", "second", *"01234", "begun", "one", "other", "watched"}
    assert {note.text async for note in Note.objects.order_by("pk")} == words


class Looking(models.CharField):
    def get_default(self) -> Any:
        return f"{super().get_default()}{Note.objects.count()}"


@wraps(uuid.uuid4)
def counted() -> str:
    """Looks like a function of the library that never waits."""
    return f"counted {Note.objects.count()}"


async def test_a_default_that_looks_as_if_it_asked_nobody_may_ask():
    for field in (Looking(max_length=100, default=str), models.CharField(max_length=100, default=counted)):
        attributes = {"Meta": type("Meta", (Note.Meta,), {"db_table": "bank_note", "managed": False}), "text": field}
        attributes["Meta"].apps = models_of_a_test("bank")
        model = type("Default", (models.Model,), {"__module__": __name__, **attributes})
        before = await Note.objects.acount()
        for more in range(3):
            assert (await model.objects.acreate()).text.endswith(f"{before + more}")


async def test_a_field_may_be_called_self():
    class Selfish(models.Model):
        self = models.CharField(max_length=100, db_column="text")

        class Meta:
            app_label = "bank"
            apps = models_of_a_test("bank")
            managed = False
            db_table = "bank_note"

    for _ in range(2):
        assert (await Selfish.objects.acreate(self="x")).self == "x"


class Loud(models.Model):
    text = models.CharField(max_length=100)

    class Meta:
        app_label = "bank"
        apps = registry
        managed = False
        db_table = "bank_note"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.text = self.text.upper() + "!" * Note.objects.count()
        super().save(*args, **kwargs)


async def test_a_save_of_ones_own_is_called():
    for _ in range(3):
        await Loud.objects.acreate(text="x")
    assert [note.text async for note in Note.objects.order_by("pk")] == ["X", "X!", "X!!"]


async def test_a_create_of_ones_own_is_called(monkeypatch):
    class Creating(QuerySet):
        def create(self, **kwargs: Any) -> Any:
            return super().create(**{**kwargs, "text": "of a queryset"})

    class Managing(models.Manager):
        def create(self, **kwargs: Any) -> Any:
            return super().create(**{**kwargs, "text": "of a manager"})

    for manager in (models.Manager.from_queryset(Creating)(), Managing()):
        name = "managing" if isinstance(manager, Managing) else "creating"
        manager.contribute_to_class(Note, name)
        for _ in range(2):
            made = await getattr(Note, name).acreate(text="x")
            assert made.text == ("of a manager" if name == "managing" else "of a queryset")
    await Note.objects.acreate(text="x")
    monkeypatch.setattr(Note.objects, "create", lambda **kwargs: "mine", raising=False)
    assert await Note.objects.acreate(text="x") == "mine"


async def test_a_field_that_is_added_later_is_created_too():
    class Growing(models.Model):
        text = models.CharField(max_length=100)

        class Meta:
            app_label = "bank"
            apps = models_of_a_test("bank")
            managed = False
            db_table = "bank_note"

    await Growing.objects.acreate(text="x")
    models.CharField(max_length=10, default="?").contribute_to_class(Growing, "colour")
    with pytest.raises(Exception, match="colour"):
        await Growing.objects.acreate(text="x")


async def test_where_the_database_is_blocked_nothing_is_created():
    await Note.objects.acreate(text="x")
    with blocker.block(), pytest.raises(DatabaseAccessBlocked):
        await Note.objects.acreate(text="y")
    assert await Note.objects.acount() == 1


async def test_a_model_whose_fields_change_while_it_is_inserted_has_its_key():
    for _ in range(2):
        await Note.objects.acreate(text="x")
    task = asyncio.create_task(Note.objects.acreate(text="y"))
    await asyncio.sleep(0)
    Note._meta._expire_cache()  # what a field that is added does
    assert isinstance((await task).pk, int)


async def test_where_a_router_says_which_database_no_other_is_looked_for(engine, monkeypatch):
    class Elsewhere:
        def db_for_write(self, model: Any, **hints: Any) -> str:
            return "main"

    with override_settings(DATABASES={"main": engine.databases["default"]}, DATABASE_ROUTERS=[Elsewhere()]):
        for _ in range(3):
            assert (await Note.objects.acreate(text="x"))._state.db == "main"
        assert await Note.objects.using("main").acount() == 3
        await bridge(connections.close_all)


# --- in a transaction ---------------------------------------------------------------------------------------------


@pytest.mark.engines("postgresql")
async def test_what_is_asked_in_a_transaction_that_has_begun_takes_no_greenlet(bridged):
    async def ask() -> list[Any]:
        first = await Account.objects.aget(owner="ann")
        listed = [account.owner async for account in Account.objects.filter(balance=3)]
        return [first.balance, listed, await Account.objects.acount(), await Account.objects.filter(pk=ANN).aexists()]

    for _ in range(2):
        await ask()
    if not uses_asyncpg():
        pytest.skip("Other drivers are asked in a greenlet.")
    async with atomic():
        await Account.objects.acount()
        async with atomic():
            await Account.objects.acount()
            bridged.clear()
            assert await ask() == [3, ["ann"], 1, True]
            assert bridged == []
    assert (pool().idle, pool().count) == (1, 1)


async def test_an_error_breaks_the_transaction_it_is_in_and_no_other():
    await Account.objects.acount()
    async with atomic():
        await Account.objects.acreate(owner="bob")
        for _ in range(2):
            with pytest.raises(IntegrityError):
                async with atomic():
                    await Account.objects.acreate(owner="cid")
                    await Account.objects.acreate(owner="ann")
        with pytest.raises(TransactionManagementError, match="can only be rolled back"):
            async with atomic():
                with pytest.raises(IntegrityError):
                    await Account.objects.acreate(owner="ann")
                await Account.objects.acount()
        assert await Account.objects.acount() == 2
    assert {account.owner async for account in Account.objects.order_by("owner")} == {"ann", "bob"}
    assert (pool().idle, pool().count) == (1, 1)


async def test_tasks_in_one_transaction_take_turns():
    await Account.objects.acount()

    async def work(number: int) -> int:
        await Note.objects.acreate(text=f"{number}")
        found = [note.text async for note in Note.objects.filter(text=f"{number}")]
        assert found == [f"{number}"]
        assert await Note.objects.filter(text=f"{number}").acount() == 1
        return (await Note.objects.aget(text=f"{number}")).pk

    async with atomic():
        keys = await asyncio.gather(*(work(number) for number in range(30)))
        assert len(set(keys)) == 30
        assert await Note.objects.acount() == 30
        transaction.set_rollback(True)
    assert await Note.objects.acount() == 0
    assert (pool().idle, pool().count) == (1, 1)


async def test_tasks_of_a_transaction_wait_for_the_block_that_one_of_them_has_entered():
    await Note.objects.acount()
    entered, seen = asyncio.Event(), []

    async def in_a_block() -> None:
        async with atomic():
            await Note.objects.acreate(text="inner")
            entered.set()
            for _ in range(10):
                await asyncio.sleep(0)
            transaction.set_rollback(True)

    async def beside() -> None:
        await entered.wait()
        seen.append(await Note.objects.acount())
        await Note.objects.acreate(text="beside")

    async with atomic():
        await Note.objects.acreate(text="outer")
        await asyncio.gather(in_a_block(), beside())
    assert seen == [1]
    assert [note.text async for note in Note.objects.order_by("pk")] == ["outer", "beside"]


@pytest.mark.engines("postgresql", "mysql")
@pytest.mark.parametrize("work", ["insert", "question"])
async def test_a_statement_that_is_cancelled_takes_its_transaction_along(work, witness):
    async def run() -> Any:
        return await (Note.objects.acreate(text="x") if work == "insert" else Note.objects.acount())

    for _ in range(2):
        await run()
    before = await Note.objects.acount()

    async def block() -> None:
        async with atomic():
            await Note.objects.acreate(text="lost")
            task = asyncio.create_task(run())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TransactionManagementError):
                await run()

    await block()
    assert await Note.objects.acount() == before
    assert pool().count == pool().idle == 1
    await witness.comes(lambda: witness.connections() == 1, "a connection is left behind")


@pytest.mark.engines("postgresql", "mysql")
async def test_a_block_that_ends_while_a_task_of_it_inserts_leaves_nothing(witness):
    await Note.objects.acount()
    slow = "SELECT pg_sleep(60)" if connection.vendor == "postgresql" else "SELECT SLEEP(60)"
    tasks: list[asyncio.Task[Any]] = []
    at_the_end = asyncio.Event()

    async def block() -> None:
        async with atomic():
            await Note.objects.acreate(text="lost")
            tasks.append(asyncio.create_task(connection.afetch(slow)))
            await witness.comes(lambda: slow in witness.statements(), "the task's statement does not begin")
            at_the_end.set()

    outer = asyncio.create_task(block())
    await at_the_end.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not outer.done()
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    with pytest.raises(Exception) as raised:
        await asyncio.wait_for(tasks[0], 10)
    assert not isinstance(raised.value, (TimeoutError, AttributeError))
    assert await Note.objects.acount() == 0
    await witness.comes(lambda: witness.connections() == 1, "a connection is left behind")


async def test_another_database_is_asked_beside_the_transaction(engine):
    await bridge(connections["other"].fetch, "SELECT 1")
    async with atomic():
        await Note.objects.acreate(text="x")
        assert not connections["other"].in_atomic_block
        assert [tuple(row) for row in await connections["other"].afetch("SELECT 1")] == [(1,)]
        transaction.set_rollback(True)
    assert await Note.objects.acount() == 0

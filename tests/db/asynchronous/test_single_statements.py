"""What comes down to one statement is awaited without a greenlet, and does the same as in one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from functools import wraps
from typing import Any

import pytest
from werkzeug.local import LocalProxy

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import DatabaseError, connection, connections, models, transaction
from webframe.db.models.conditions import Q
from webframe.db.models.query import QuerySet
from webframe.db.models.querysets import asking, reading
from webframe.db.models.signals import post_init
from webframe.db.routers import router
from webframe.db.transaction import atomic
from webframe.greenlets import bridge
from webframe.test.blocking import DatabaseAccessBlocked, blocker

from .answers import pool, result_of
from .bank import Account, Entry, Note, registry

pytestmark = pytest.mark.usefixtures("bank")


class Oops(Exception):
    """What tests raise."""


@pytest.fixture(autouse=True)
def rows(bank: Any) -> None:
    """Three accounts with entries; nobody is connected."""
    for owner, balance in (("ann", 3), ("bob", 2), ("cid", 2)):
        account = Account.objects.create(owner=owner, balance=balance)
        Entry.objects.create(account=account, amount=balance)
    connections.close_all()


async def listed() -> tuple[list[Any], list[Any]]:
    """A list to which somebody adds something, and the rows that its queryset has then."""
    queryset = Account.objects.order_by("owner")
    mine = await queryset.alist()
    mine.append("mine")
    return mine, await queryset.alist()


QUESTIONS: dict[str, Callable[[], Any]] = {
    "get of a manager": lambda: Account.objects.aget(owner="ann"),
    "get by a key": lambda: Account.objects.aget(pk=0),
    "get of none": lambda: Account.objects.aget(owner="nobody"),
    "get of several": lambda: Account.objects.aget(balance=2),
    "get of more than it counts": lambda: Account.objects.aget(),
    "get of a queryset": lambda: Account.objects.filter(balance=2).aget(owner="bob"),
    "get of none of a queryset": lambda: Account.objects.filter(balance=2).aget(owner="ann"),
    "get of a slice": lambda: Account.objects.order_by("owner")[1:2].aget(),
    "get with an unknown name": lambda: Account.objects.aget(colour="red"),
    "get with a value that is none": lambda: Account.objects.aget(balance="many"),
    "get of a number that no column holds": lambda: Account.objects.aget(balance=10**30),
    "get of a union": lambda: Account.objects.filter(owner="ann").union(Account.objects.filter(owner="bob")).aget(pk=1),
    "get or 404": lambda: Account.objects.aget_or_404(owner="ann"),
    "get none or 404": lambda: Account.objects.aget_or_404(owner="nobody"),
    "get several or 404": lambda: Account.objects.filter(balance=2).aget_or_404(),
    "get of values": lambda: Account.objects.values("owner").aget(balance=3),
    "first": lambda: Account.objects.afirst(),
    "first of an order": lambda: Account.objects.order_by("-owner").afirst(),
    "first of none": lambda: Account.objects.filter(owner="nobody").afirst(),
    "first with an argument": lambda: Account.objects.afirst("owner"),
    "last": lambda: Account.objects.alast(),
    "last of a slice": lambda: Account.objects.order_by("owner")[:2].alast(),
    "count": lambda: Account.objects.acount(),
    "count of a queryset": lambda: Account.objects.filter(balance__gte=2).exclude(owner="bob").acount(),
    "count of none()": lambda: Account.objects.none().acount(),
    "count of a slice": lambda: Account.objects.all()[1:3].acount(),
    "exists": lambda: Account.objects.filter(owner="ann").aexists(),
    "exists not": lambda: Account.objects.filter(owner="nobody").aexists(),
    "rows": lambda: Account.objects.order_by("owner"),
    "rows of a filter": lambda: Account.objects.filter(balance__in=[2, 3], owner__startswith="b"),
    "rows of one value": lambda: Account.objects.filter(owner="ann"),
    "rows of one number": lambda: Account.objects.filter(balance=3),
    "rows of one value of another table": lambda: Entry.objects.filter(account__owner="bob"),
    "rows of one object": lambda: Entry.objects.filter(account=1),
    "rows of a number that no column holds": lambda: Account.objects.filter(balance=10**30),
    "rows of a value that is none": lambda: Account.objects.filter(balance="many"),
    "rows of one value, to be locked": lambda: Account.objects.filter(owner="ann").select_for_update(),
    "none of one value": lambda: Account.objects.filter(owner="ann").none(),
    "one value in a slice": lambda: Account.objects.filter(balance=2)[1:],
    "a list of one value": lambda: Account.objects.filter(owner="ann").alist(),
    "count of one value": lambda: Account.objects.filter(balance=2).acount(),
    "exists one value": lambda: Account.objects.filter(balance=2).aexists(),
    "rows in a slice": lambda: Account.objects.order_by("owner")[1:],
    "rows of none()": lambda: Account.objects.none(),
    "a list of all": lambda: Account.objects.alist(),
    "a list of rows": lambda: Account.objects.filter(balance__gte=2).order_by("-owner").alist(),
    "a list of values": lambda: Account.objects.values_list("owner", flat=True).order_by("owner").alist(),
    "a list of one's own": listed,
    "a list of none()": lambda: Account.objects.none().alist(),
    "rows of an empty list": lambda: Account.objects.filter(owner__in=[]),
    "rows with others": lambda: Entry.objects.select_related("account").order_by("pk"),
    "rows with others prefetched": lambda: Entry.objects.prefetch_related("account").order_by("pk"),
    "rows without some columns": lambda: Account.objects.only("owner").order_by("pk"),
    "rows with more": lambda: Account.objects.annotate(n=models.Count("entries")).order_by("pk"),
    "dictionaries": lambda: Account.objects.order_by("owner").values("owner", "balance"),
    "tuples": lambda: Account.objects.order_by("owner").values_list("owner", "balance"),
    "values": lambda: Account.objects.order_by("owner").values_list("owner", flat=True),
    "rows of a union": lambda: Account.objects.filter(owner="ann").union(Account.objects.filter(owner="bob")),
    "rows to be locked, outside of a transaction": lambda: Account.objects.select_for_update(),
    "rows of SQL": lambda: Account.objects.raw("SELECT id, owner, balance FROM bank_account ORDER BY owner"),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_answer_is_that_of_a_greenlet_and_so_are_the_statements(question):
    ask = QUESTIONS[question]
    await Account.objects.acount()  # there is an idle connection
    single = await result_of(ask)
    assert await result_of(ask) == single
    statements: list[Any] = []

    def note(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, *rest)

    with connection.execute_wrapper(note):
        assert await result_of(ask) == single
    watched, statements[:] = statements[:], []
    async with atomic():
        locking = "locked" in question  # which is what a transaction is for
        assert locking or await result_of(ask) == single
        with connection.execute_wrapper(note):
            await result_of(ask)
    assert locking or statements == watched
    assert (pool().idle, pool().count) == (1, 1)


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(
    "question",
    ["get of a manager", "get of a queryset", "get or 404", "first", "last", "count", "exists", "rows", "tuples"],
)
async def test_a_statement_that_is_prepared_needs_no_greenlet(question, bridged):
    for _ in range(2):
        await result_of(QUESTIONS[question])
    if type(pool().resting[0].link).__name__ != "AsyncpgLink":
        pytest.skip("Other drivers are asked in a greenlet.")
    bridged.clear()
    assert await result_of(QUESTIONS[question])
    assert bridged == []


async def test_rows_are_kept_and_asked_for_once(statements):
    accounts = Account.objects.order_by("owner")
    first = [account async for account in accounts]
    assert [account async for account in accounts] == first == list(accounts)
    assert all(one is other for one, other in zip(first, accounts, strict=True))
    assert await accounts.acount() == 3 and await accounts.aexists() and (await accounts.afirst()) is first[0]
    assert len(statements.whole) == 1


async def test_a_loop_that_is_left_early_leaves_nothing_behind():
    await Account.objects.acount()
    before = asyncio.all_tasks()
    queryset = Account.objects.filter(balance=2)
    async for _ in queryset:
        break
    for _ in range(3):
        await asyncio.sleep(0)  # some Pythons close a generator in a task
    assert asyncio.all_tasks() == before
    assert (pool().count, pool().idle) == (1, 1)
    kept = list(queryset)  # which does not ask: it would be refused here
    async with aclosing(aiter(queryset)) as iterator:
        assert await anext(iterator) is kept[0]
    assert await anext(iterator, None) is None


async def test_tasks_that_share_one_iterator_never_get_the_same_row():
    iterator = aiter(Account.objects.filter(balance=2))
    found = await asyncio.gather(anext(iterator), anext(iterator), return_exceptions=True)
    assert [type(each) for each in found].count(Account) == 1 or found[0] != found[1]
    assert all(isinstance(each, (Account, RuntimeError)) for each in found)


async def test_a_loop_whose_question_failed_has_ended():
    iterator = aiter(Ghost.objects.filter(name="x"))
    with pytest.raises(DatabaseError):
        await anext(iterator)
    assert await anext(iterator, "nothing") == "nothing"


async def test_loops_over_the_same_rows_do_not_disturb_each_other():
    queryset = Account.objects.filter(balance=2)
    pairs = [(one.owner, other.owner) async for one in queryset async for other in queryset]
    assert sorted(pairs) == [("bob", "bob"), ("bob", "cid"), ("cid", "bob"), ("cid", "cid")]


@pytest.mark.engines("postgresql", "mysql")
async def test_a_loop_that_is_cancelled_while_it_asks_takes_its_connection_along(witness):
    rows = Account.objects.filter(owner="ann")
    assert [account.owner async for account in rows] == ["ann"]
    (checkout,) = pool().resting

    async def loop() -> None:
        async for _ in Account.objects.filter(owner="ann"):
            raise AssertionError("it was to be cancelled before")

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (pool().count, pool().idle) == (0, 0)
    assert [account.owner async for account in Account.objects.filter(owner="ann")] == ["ann"]
    assert pool().resting[0] is not checkout
    await witness.comes(lambda: witness.connections() == 1, "a connection is left behind")


async def test_objects_that_a_relation_finds_know_the_one_they_belong_to(statements):
    account = await Account.objects.aget(owner="ann")
    (entry,) = [entry async for entry in account.entries.all()]
    assert (await account.entries.aget()) == (await account.entries.afirst()) == entry
    assert await account.entries.acount() == 1
    assert entry.account is account
    assert len(statements.whole) == 5


# --- transactions and places --------------------------------------------------------------------------------------


async def test_in_a_transaction_its_own_rows_are_seen(witness):
    await Note.objects.acount()
    async with atomic():
        await Note.objects.acreate(text="x")
        assert (await Note.objects.aget()).text == "x"
        assert await Note.objects.acount() == 1
        assert [note.text async for note in Note.objects.all()] == ["x"]
        assert witness.count("bank_note") == 0
        transaction.set_rollback(True)
    assert await Note.objects.acount() == 0
    assert (pool().count, pool().idle) == (1, 1)


async def test_a_task_that_outlives_its_transaction_asks_outside_of_it():
    ended = asyncio.Event()

    async def later() -> int:
        await ended.wait()
        return await Note.objects.acount()

    async with atomic():
        await Note.objects.acreate(text="x")
        task = asyncio.create_task(later())
        transaction.set_rollback(True)
    ended.set()
    assert await task == 0
    assert (pool().count, pool().idle) == (1, 1)


async def test_tasks_that_ask_at_the_same_time_have_a_connection_each(with_options):
    with_options(pool_size=5, max_overflow=0)
    for _ in range(3):
        counts = await asyncio.gather(*(Account.objects.acount() for _ in range(40)))
        assert counts == [3] * 40
    assert 1 <= pool().count == pool().idle <= 5


async def test_who_waits_for_the_only_connection_is_served_in_order_of_arrival(with_options):
    with_options(pool_size=1, max_overflow=0)
    await Account.objects.acount()
    order: list[int] = []

    async def ask(number: int) -> None:
        if number % 3:
            await Account.objects.aget(owner="ann")
        else:
            async with atomic(read_only=True):
                await Account.objects.acount()
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(50)))
    assert order == list(range(50))
    assert (pool().count, pool().idle) == (1, 1)


# --- errors -------------------------------------------------------------------------------------------------------


class Doubled(QuerySet):
    """Its rows come twice, however they are asked for."""

    def _receive(self, *args: Any) -> list[Any]:
        self._result_cache = super()._receive(*args) * 2
        return self._result_cache


async def test_querysets_that_do_it_their_own_way_are_left_to_it():
    manager = models.Manager.from_queryset(Doubled)()
    manager.contribute_to_class(Account, "doubled")
    for _ in range(3):
        assert len([account async for account in Account.doubled.filter(owner="ann")]) == 2
        assert len(await Account.doubled.filter(owner="ann").alist()) == 2


async def test_a_queryset_that_was_told_more_in_place_is_asked_so():
    assert len(await Account.objects.filter(balance=2).alist()) == 2
    for told in ({"_high": 1}, {"_low": 1, "_high": 2}):
        queryset = Account.objects.filter(balance=2)
        vars(queryset).update(told)
        assert len(await queryset.alist()) == 1
    queryset = Account.objects.filter(balance=2)
    queryset._prefetch_related_lookups = ("entries",)
    assert [account.entries.all()._result_cache is not None for account in await queryset.alist()] == [True, True]


@pytest.mark.parametrize(("told", "count"), [("_nothing", 0), ("_for_write", 2)])
async def test_a_class_of_querysets_may_be_told_more(told, count):
    manager = models.Manager.from_queryset(type("Told", (QuerySet,), {told: True}))()
    manager.contribute_to_class(Account, f"told{told}")
    for _ in range(3):
        assert len(await bridge(list, getattr(Account, f"told{told}").filter(balance=2))) == count
        assert len(await getattr(Account, f"told{told}").filter(balance=2).alist()) == count


async def test_tasks_that_ask_the_same_queryset_have_the_same_objects():
    await warm()
    for queryset in (Account.objects.filter(balance=2), Account.objects.order_by("owner")):
        one, other = await asyncio.gather(queryset.alist(), queryset.alist())
        assert [id(account) for account in one] == [id(account) for account in other]
        assert [id(account) for account in one] == [id(account) for account in await queryset.alist()]


def test_what_a_bare_queryset_is_made_of():
    Account.objects.filter(balance=2)  # finds out what the name means
    assert len(vars(Account.objects.filter(balance=3))) == asking.BARE


async def test_tasks_that_ask_the_same_queryset_have_what_belongs_to_its_rows():
    await warm()
    queryset = Account.objects.filter(balance=2).prefetch_related("entries")

    async def count() -> list[int]:
        return [len(account.entries.all()) async for account in queryset]

    assert await asyncio.gather(count(), count()) == [[1, 1], [1, 1]]


async def test_what_belongs_to_rows_is_asked_for_again_if_that_failed(monkeypatch):
    queryset = Account.objects.filter(balance=2).prefetch_related("entries")
    with monkeypatch.context() as patch:
        patch.setattr(reading, "prefetch_related_objects", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await queryset.alist()
    assert [len(account.entries.all()) async for account in queryset] == [1, 1]


async def warm() -> None:
    """Have two connections in the pool, and what is asked prepared on them."""
    for _ in range(2):
        for rows in (lambda: Account.objects.filter(balance=2), lambda: Account.objects.order_by("owner")):
            await asyncio.gather(rows().alist(), rows().alist())


@pytest.mark.engines("postgresql", "mysql")
async def test_a_loop_cannot_be_closed_while_its_first_row_is_waited_for():
    await warm()
    rows = aiter(Account.objects.filter(balance=2))
    first = asyncio.ensure_future(anext(rows))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        await rows.aclose()
    assert (await first).balance == 2
    assert len([account async for account in rows]) == 1


async def test_values_that_stand_for_others_are_compared_as_those():
    number, text = LocalProxy(lambda: 2), LocalProxy(lambda: "bob")
    for _ in range(2):
        assert len(await Account.objects.filter(balance=number).alist()) == 2
        assert (await Account.objects.aget(owner=text)).owner == "bob"
        assert await Account.objects.filter(owner=text, balance=number).acount() == 1
        assert [account.owner async for account in Account.objects.filter(Q(owner=text))] == ["bob"]


@pytest.mark.engines("postgresql")
async def test_a_value_that_cannot_be_sent_is_the_same_error_each_time():
    await Account.objects.acount()
    said = set()
    for _ in range(3):
        with pytest.raises(DatabaseError) as error:
            await Account.objects.filter(owner="\ud800").alist()
        said.add(str(error.value))
    assert len(said) == 1 and "answer" not in said.pop()
    assert pool().count == pool().idle == 1


class Ghost(models.Model):
    name = models.CharField(max_length=10)

    class Meta:
        app_label = "bank"
        apps = registry
        managed = False
        db_table = "no_such_table"


async def test_errors_are_ours_and_the_connection_is_used_again():
    await Account.objects.acount()
    for _ in range(3):
        with pytest.raises(DatabaseError, match="no_such_table") as raised:
            await Ghost.objects.acount()
        assert "create_all" in "".join(raised.value.__notes__)
        assert raised.value.__cause__ is not None
        with pytest.raises(DatabaseError):
            await Ghost.objects.aget(name="x")
        with pytest.raises(DatabaseError):
            [ghost async for ghost in Ghost.objects.all()]
    assert await Account.objects.acount() == 3
    assert (pool().count, pool().idle) == (1, 1)


async def test_a_connection_that_the_driver_calls_stale_is_not_used_again():
    await Account.objects.acount()
    (checkout,) = pool().resting
    checkout.link.stale = True
    assert await Account.objects.acount() == 3
    assert pool().idle == 0
    assert await Account.objects.acount() == 3
    assert pool().resting[0] is not checkout and pool().count == 1


@pytest.mark.engines("postgresql", "mysql")
async def test_a_statement_whose_task_is_cancelled_takes_its_connection_along(witness):
    await Account.objects.acount()
    (checkout,) = pool().resting
    slow = "SELECT pg_sleep(5)" if connection.vendor == "postgresql" else "SELECT SLEEP(5)"
    for _ in range(2):
        task = asyncio.create_task(connection.afetch(slow))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (pool().count, pool().idle) == (0, 0)
        assert await Account.objects.acount() == 3
    assert pool().resting[0] is not checkout
    await witness.comes(lambda: witness.connections() == 1, "a connection is left behind")


@pytest.mark.engines("postgresql")
async def test_a_table_that_has_changed_since_is_asked_again():
    assert (await Account.objects.aget(owner="ann")).balance == 3
    await bridge(connection.fetch, "ALTER TABLE bank_account ALTER balance TYPE bigint")
    try:
        assert (await Account.objects.aget(owner="ann")).balance == 3
        assert [account.balance async for account in Account.objects.order_by("owner")] == [3, 2, 2]
    finally:
        await bridge(connection.fetch, "ALTER TABLE bank_account ALTER balance TYPE integer")


# --- what others have made of it ----------------------------------------------------------------------------------


async def test_own_versions_of_methods_are_called(monkeypatch):
    class Own(QuerySet):
        def count(self) -> int:
            return 100 + super().count()

        def __iter__(self) -> Any:
            return iter([*super().__iter__(), "more"])

        def get(self, *args: Any, **kwargs: Any) -> Any:
            return super().get(*args, **kwargs), "got"

    class Fetching(QuerySet):
        def _fetch_all(self) -> None:
            super()._fetch_all()
            self._result_cache = ["mine"]

    await Account.objects.acount()
    assert await Own(Account).acount() == 103
    assert len([row async for row in Own(Account)]) == 4
    assert (await Own(Account).aget(owner="ann"))[1] == "got"
    assert (await Own(Account).filter(balance=3).aget())[1] == "got"
    assert (await Own(Account).filter(balance=3).aget_or_404())[1] == "got"
    assert [row async for row in Fetching(Account)] == ["mine"]
    assert await Fetching(Account).afirst() == await Fetching(Account).aget() == "mine"

    class Counting(models.Manager):
        @wraps(models.Manager.count)
        def count(self) -> int:
            return -2

    manager = Counting()
    manager.model = Account
    assert (await manager.acount(), await manager.aexists()) == (-2, True)
    monkeypatch.setattr(QuerySet, "count", lambda self: -1)
    assert await Account.objects.all().acount() == -1


class Waiting(models.Manager):
    """Its querysets depend on what the database says."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(balance=Account.objects.order_by("-balance").first().balance)


async def test_what_has_to_wait_for_more_is_done_in_a_greenlet(monkeypatch):
    manager = Waiting()
    manager.model = Account
    for _ in range(2):
        assert (await manager.aget()).owner == "ann"
        assert await manager.acount() == 1 and await manager.aexists() and (await manager.afirst()).owner == "ann"

    class ByTheDatabase:
        def db_for_read(self, model: Any, **hints: Any) -> str:
            return "default" if model is Note or Note.objects.count() == 0 else "other"

    monkeypatch.setattr(router, "routers", [ByTheDatabase()])
    try:
        for _ in range(2):
            assert (await Account.objects.aget(owner="ann")).balance == 3
            assert [account.owner async for account in Account.objects.order_by("owner")][0] == "ann"
    finally:
        router.routers = None


class Looking(models.IntegerField):
    """Values that are looked up in the database when they are read."""

    def from_db_value(self, value: Any, expression: Any, wrapper: Any) -> Any:
        return value, Note.objects.count()


class Preparing(models.CharField):
    """Values that the database is asked about before they are compared."""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value) if Note.objects.count() == 0 else None


class Looked(models.Model):
    owner = Preparing(max_length=50)
    balance = Looking()

    class Meta:
        app_label = "bank"
        apps = registry
        managed = False
        db_table = "bank_account"


async def test_values_that_ask_the_database_when_they_are_read():
    for _ in range(2):
        assert (await Looked.objects.order_by("-balance").afirst()).balance == (3, 0)
        assert {each.balance async for each in Looked.objects.all()} == {(3, 0), (2, 0)}
        assert [each.owner async for each in Looked.objects.filter(balance=3)] == ["ann"]


async def test_values_that_ask_the_database_before_they_are_compared():
    for _ in range(3):
        assert [each.owner async for each in Looked.objects.filter(owner="ann")] == ["ann"]
        assert await Looked.objects.filter(owner="bob").aexists()
        assert (await Looked.objects.aget(owner="cid")).balance == (2, 0)


class Own(models.Model):
    owner = models.CharField(max_length=50)
    made: list[str] = []

    class Meta:
        app_label = "bank"
        apps = registry
        managed = False
        db_table = "bank_account"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries_then = Entry.objects.count()
        self.made.append(self.owner)


async def test_a_constructor_that_asks_is_called_once_for_each_row():
    for _ in range(2):
        Own.made.clear()
        assert (await Own.objects.aget(owner="ann")).entries_then == 3
        assert [own.entries_then async for own in Own.objects.order_by("owner")] == [3, 3, 3]
        assert Own.made == ["ann", "ann", "bob", "cid"]


async def test_receivers_of_instances_are_called_once_for_each_row(connect):
    heard: list[str] = []

    def plain(instance: Any, **kwargs: Any) -> None:
        heard.append(instance.owner)

    async def asynchronous(instance: Any, **kwargs: Any) -> None:
        heard.append(f"{instance.owner} of {await Account.objects.all().values('pk').acount()}")

    await Account.objects.aget(owner="ann")
    connect(post_init, plain, sender=Account)
    connect(post_init, asynchronous, sender=Account)
    await Account.objects.aget(owner="ann")
    assert heard == ["ann", "ann of 3"]
    heard.clear()
    assert len([account async for account in Account.objects.filter(balance=2).order_by("owner")]) == 2
    assert heard == ["bob", "bob of 3", "cid", "cid of 3"]
    heard.clear()
    assert len([account async for account in Account.objects.filter(balance=3)]) == 1
    assert heard == ["ann", "ann of 3"]


@pytest.mark.engines("postgresql")
async def test_receivers_that_are_connected_while_a_question_is_under_way_are_called(connect):
    heard: list[str] = []

    async def asynchronous(instance: Any, **kwargs: Any) -> None:
        heard.append(f"{instance.owner} of {await Account.objects.all().values('pk').acount()}")

    async def loop() -> list[str]:
        return [account.owner async for account in Account.objects.filter(balance=3)]

    assert await loop() == ["ann"]
    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    connect(post_init, asynchronous, sender=Account)
    assert await task == ["ann"]
    assert heard == ["ann of 3"]


async def test_asking_plainly_is_refused_on_a_loop_as_ever():
    await Account.objects.acount()
    for ask in (lambda: Account.objects.get(owner="ann"), lambda: list(Account.objects.all()), Account.objects.count):
        with pytest.raises(SynchronousOnlyOperation):
            ask()
    assert (pool().count, pool().idle) == (1, 1)


async def test_statements_are_logged(statements):
    await Account.objects.acount()
    await Account.objects.aget(owner="ann")
    await Account.objects.afirst()
    assert statements.words == ["SELECT"] * 3


def test_what_was_begun_by_plain_code_is_taken_part_in(bank):
    async def main() -> tuple[int, str]:
        note = await Note.objects.aget()
        return await Note.objects.acount(), note.text

    with pytest.raises(Oops), atomic():
        Note.objects.create(text="x")
        assert asyncio.run(main()) == (1, "x")
        raise Oops
    assert Note.objects.count() == 0


async def test_a_database_that_is_forbidden_is_not_asked():
    await Account.objects.acount()
    with blocker.block():
        for ask in (Account.objects.acount, Account.objects.afirst, lambda: Account.objects.aget(owner="ann")):
            with pytest.raises(DatabaseAccessBlocked):
                await ask()
    assert await Account.objects.acount() == 3
    assert (pool().count, pool().idle) == (1, 1)

"""Plain and async code in one transaction: views, workers, receivers, the transactions of tests, lazy relations."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from webframe import Webframe, workers
from webframe.contrib.atomic import atomic_requests
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import connection, connections, nodes, transaction
from webframe.db.models.signals import post_save
from webframe.db.transaction import TransactionManagementError, atomic
from webframe.dispatch import Signal
from webframe.greenlets import bridge
from webframe.test.client import Client
from webframe.test.db import rolled_back
from webframe.waiting import wait

from .bank import Account, Entry, Label, Note

pytestmark = pytest.mark.usefixtures("bank")


class Oops(Exception):
    """What tests raise."""


def add(text: str) -> None:
    Note.objects.create(text=text)


def texts() -> list[str]:
    return sorted(Note.objects.values_list("text", flat=True))


async def until(event: threading.Event) -> None:
    """Wait for what a thread sets."""
    while not event.is_set():
        await asyncio.sleep(0.001)


# --- plain code in the transaction of async code ------------------------------------------------------------------


async def test_plain_code_in_a_worker_is_in_the_transaction_of_the_task():
    with pytest.raises(Oops):
        async with atomic():
            await Note.objects.acreate(text="async")
            await workers.run(add, "plain")
            assert await workers.run(texts) == ["async", "plain"]
            assert await Note.objects.acount() == 2
            raise Oops
    assert await Note.objects.acount() == 0


async def test_a_worker_may_be_the_first_to_do_anything_in_it():
    async with atomic():
        await workers.run(add, "plain")
        assert await Note.objects.acount() == 1
    assert await workers.run(texts) == ["plain"]


async def test_a_block_of_plain_code_is_a_savepoint_of_the_transaction_of_the_task():
    def plain(fails: bool) -> None:
        with atomic():
            add(f"fails: {fails}")
            transaction.on_commit(lambda: heard.append(fails))
            if fails:
                raise Oops

    heard: list[bool] = []
    async with atomic():
        await Note.objects.acreate(text="async")
        await workers.run(plain, False)
        with pytest.raises(Oops):
            await workers.run(plain, True)
        assert heard == []
    assert heard == [False]
    assert await workers.run(texts) == ["async", "fails: False"]


async def test_tasks_and_workers_take_turns_in_one_transaction():
    async with atomic():
        await asyncio.gather(
            *(Note.objects.acreate(text=f"async {number}") for number in range(10)),
            *(workers.run(add, f"plain {number}") for number in range(10)),
        )
    assert await Note.objects.acount() == 20


async def test_blocks_beside_each_other_whose_plain_code_shares_a_worker_take_turns():
    async def beside(number: int) -> None:
        async with atomic():
            await workers.run(add, f"plain {number}")
            await Note.objects.acreate(text=f"async {number}")
            if number == 2:
                raise Oops

    async with atomic():
        results = await asyncio.gather(*map(beside, range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), Oops, type(None)]
    assert sorted(await workers.run(texts)) == [
        f"{kind} {number}" for kind in ("async", "plain") for number in (0, 1, 3)
    ]


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("how", ["run", "in a block", "by way of async code", "async code", "another worker's code"])
async def test_plain_code_that_nobody_waits_for_any_more_does_not_write_half_of_its_transaction(how, inner):
    began, goes_on, over = threading.Event(), threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def plain() -> None:
        try:
            add("first")
            began.set()
            assert goes_on.wait(10)
            if how == "in a block":
                with atomic():
                    add("second")
            elif how == "async code":
                wait(Note.objects.acreate(text="second"))
            elif how == "another worker's code":
                wait(workers.run(add, "second"))
            else:
                add("second")
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            over.set()

    def by_way_of_async_code() -> None:
        wait(workers.run(plain))

    async def work() -> None:
        async with atomic():
            await Note.objects.acreate(text="before")
            async with atomic() if inner else nullcontext():
                await workers.run(by_way_of_async_code if how == "by way of async code" else plain)

    working = asyncio.create_task(work())
    await until(began)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    goes_on.set()
    await until(over)
    assert "nothing is done" in str(raised[0])
    assert await Note.objects.acount() == 0


@pytest.mark.parametrize("call", [workers.run, lambda function: sync_to_async(function)()], ids=["run", "asgiref"])
def test_a_view_that_takes_too_long_leaves_nothing_half_done(call):
    app = Webframe(__name__)
    goes_on, over = threading.Event(), threading.Event()

    def plain() -> None:
        try:
            add("first")
            assert goes_on.wait(10)
            add("second")
        finally:
            over.set()

    @app.get("/")
    async def view(request: Any) -> str:
        try:
            async with asyncio.timeout(0.2), atomic():
                await Note.objects.acreate(text="before")
                await call(plain)
        except TimeoutError:
            goes_on.set()
            return await workers.run(lambda: str(over.wait(10)))
        return "in time"

    assert Client(app, protocol="asgi").get("/").text == "True"
    assert not Note.objects.exists()


async def test_plain_code_that_was_called_after_its_transaction_ended_goes_on_whoever_waits():
    began, goes_on, over = threading.Event(), threading.Event(), threading.Event()

    def plain() -> None:
        add("first")
        began.set()
        assert goes_on.wait(10)
        add("second")
        over.set()

    async def outlives(ended: asyncio.Event) -> None:
        await ended.wait()
        await workers.run(plain)

    ended = asyncio.Event()
    async with atomic():
        await Note.objects.acreate(text="before")
        task = asyncio.create_task(outlives(ended))
        await asyncio.sleep(0)
    ended.set()
    await until(began)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    goes_on.set()
    await until(over)
    assert sorted(await workers.run(texts)) == ["before", "first", "second"]


async def test_a_block_that_ends_before_one_within_whose_plain_code_began_it_says_so():
    outer, inner = atomic(), atomic()
    await outer.__aenter__()
    await inner.__aenter__()
    await workers.run(add, "lost")
    async with asyncio.timeout(10):
        with pytest.raises(TransactionManagementError, match="still open"):
            await outer.__aexit__(None, None, None)
    await inner.__aexit__(None, None, None)
    assert await workers.run(texts) == []


async def test_workers_that_wait_for_each_other_within_blocks_are_told_so_and_do_not_hang(monkeypatch):
    monkeypatch.setattr(nodes, "PATIENCE", 0.2)
    entered = asyncio.Event()

    async def holds_a_block_and_wants_the_worker() -> None:
        async with atomic():
            await Note.objects.acreate(text="inner")
            entered.set()
            await asyncio.sleep(0.05)  # until the worker is waiting for the outer block
            await workers.run(add, "from the inner block")

    async def keeps_the_worker_waiting() -> None:
        await entered.wait()
        await workers.run(add, "from beside it")

    async with atomic():
        results = await asyncio.gather(
            holds_a_block_and_wants_the_worker(), keeps_the_worker_waiting(), return_exceptions=True
        )
    assert results[0] is None
    assert isinstance(results[1], TransactionManagementError)
    assert "has waited 0.2 seconds" in str(results[1])
    assert sorted(await workers.run(texts)) == ["from the inner block", "inner"]


async def test_a_thread_that_nobody_waits_for_cannot_use_the_connection_of_the_task():
    import contextvars

    errors: list[BaseException] = []

    def use() -> None:
        try:
            add("thread")
        except TransactionManagementError as error:
            errors.append(error)

    async with atomic():
        await Note.objects.acreate(text="async")
        thread = threading.Thread(target=contextvars.copy_context().run, args=(use,))
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
    assert "webframe.workers.run" in str(errors[0])
    assert await workers.run(texts) == ["async"]


async def test_plain_code_in_a_worker_without_a_transaction_has_a_connection_of_its_own(witness):
    await Note.objects.acreate(text="async")
    await workers.run(add, "plain")
    assert witness.count("bank_note") == 2


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
@pytest.mark.parametrize("fails", [False, True])
def test_an_async_view_and_the_plain_code_it_runs_share_the_transaction_of_the_request(protocol, fails):
    app = Webframe("bank")
    app.middleware(atomic_requests)

    @app.post("/book")
    async def book(request: Any) -> str:
        account = await Account.objects.acreate(owner="ann")
        await workers.run(lambda: Entry.objects.create(account_id=account.pk, amount=1))
        async with atomic():
            await account.entries.acreate(amount=2)
        if fails:
            raise Oops
        return str(await workers.run(Entry.objects.count))

    client = Client(app, protocol=protocol, raise_app_exceptions=False)
    response = client.post("/book")
    assert response.status_code == (500 if fails else 200)
    assert Entry.objects.count() == (0 if fails else 2)
    assert Account.objects.count() == (0 if fails else 1)
    client.close()


# --- async code in the transaction of plain code ------------------------------------------------------------------


@pytest.fixture
def app() -> Webframe:
    app = Webframe("bank")

    @app.post("/notes/<text>")
    async def write(request: Any, text: str) -> str:
        async with atomic():
            await Note.objects.acreate(text=text)
            if text == "bad":
                raise Oops
        return str(await Note.objects.acount())

    @app.get("/notes")
    async def read(request: Any) -> list[str]:
        return [text async for text in Note.objects.order_by("pk").values_list("text", flat=True)]

    @app.post("/both")
    async def both(request: Any) -> str:
        await asyncio.gather(*(Note.objects.acreate(text=str(number)) for number in range(5)))
        return str(await workers.run(Note.objects.count))

    return app


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_async_views_are_in_the_transaction_of_a_test(protocol, app, witness):
    client = Client(app, protocol=protocol, raise_app_exceptions=False)
    with rolled_back("default"):
        add("by the test")
        assert client.get("/notes").json() == ["by the test"]
        assert client.post("/notes/good").text == "2"
        assert client.post("/notes/bad").status_code == 500
        assert client.post("/both").text == "7"
        assert texts() == ["0", "1", "2", "3", "4", "by the test", "good"]
        assert witness.count("bank_note") == 0
    assert texts() == []
    assert client.get("/notes").json() == []
    client.close()


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_a_hook_of_an_async_view_waits_for_the_end_of_the_plain_transaction_around(protocol, app):
    heard: list[str] = []

    @app.post("/hook")
    async def hook(request: Any) -> str:
        async def asynchronous() -> None:
            await asyncio.sleep(0)
            heard.append("called")

        async with atomic():
            await Note.objects.acreate(text="x")
            transaction.on_commit(asynchronous)
        return "registered"

    client = Client(app, protocol=protocol)
    with atomic():
        assert client.post("/hook").text == "registered"
        assert heard == []
    assert heard == ["called"]
    client.close()


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_what_a_request_does_first_is_in_the_transaction_of_a_test_whatever_it_is(protocol):
    heard: list[str] = []
    app = Webframe("bank")

    @app.get("/async/hook")
    async def async_hook(request: Any) -> str:
        transaction.on_commit(lambda: heard.append("async"))
        return str(connection.in_atomic_block)

    @app.get("/plain/hook")
    def plain_hook(request: Any) -> str:
        transaction.on_commit(lambda: heard.append("plain"))
        return str(connection.in_atomic_block)

    @app.get("/async/question")
    async def async_question(request: Any) -> str:
        return str(await Note.objects.acount())

    @app.get("/plain/question")
    def plain_question(request: Any) -> str:
        return str(Note.objects.count())

    client = Client(app, protocol=protocol)
    with atomic():
        add("by the test")
        assert client.get("/async/hook").text == client.get("/plain/hook").text == "True"
        assert client.get("/async/question").text == client.get("/plain/question").text == "1"
        assert heard == []
    assert heard == ["async", "plain"]
    client.close()


def test_a_loop_that_is_run_within_a_plain_transaction_takes_part_in_it(witness):
    async def main() -> None:
        async with atomic():
            await Note.objects.acreate(text="async")
        with pytest.raises(Oops):
            async with atomic():
                await Note.objects.acreate(text="undone")
                raise Oops
        await asyncio.gather(*(Note.objects.acreate(text=str(number)) for number in range(3)))

    with atomic():
        add("plain")
        asyncio.run(main())
        assert texts() == ["0", "1", "2", "async", "plain"]
        assert witness.count("bank_note") == 0
    assert texts() == ["0", "1", "2", "async", "plain"]


def test_async_receivers_of_what_plain_code_sends_have_transactions_of_their_own_or_share_that_of_the_sender(connect):
    signal: Signal[...] = Signal()

    def receiver(name: str) -> Any:
        async def receive(**kwargs: Any) -> None:
            async with atomic():
                await Note.objects.acreate(text=name)
                await asyncio.sleep(0.001)
                async with atomic():
                    await Note.objects.acreate(text=name)

        return receive

    for name in "abc":
        connect(signal, receiver(name))
    signal.send(None)
    assert texts() == ["a", "a", "b", "b", "c", "c"]
    with atomic():
        signal.send(None)
        assert Note.objects.count() == 12
        transaction.set_rollback(True)
    assert texts() == ["a", "a", "b", "b", "c", "c"]


# --- receivers and relations --------------------------------------------------------------------------------------


async def test_a_plain_receiver_may_block_and_the_task_waits_instead(connect):
    free: list[int] = []

    def receive(instance: Any, **kwargs: Any) -> None:
        account, _ = Account.objects.get_or_create(owner=instance.text)
        with atomic():
            Entry.objects.bulk_create([Entry(account=account, amount=amount) for amount in range(3)])
            account.labels.add(Label.objects.create(name="new"))
        account.refresh_from_db()
        assert [entry.amount for entry in account.entries.order_by("amount")] == [0, 1, 2]

    async def tick() -> None:
        while True:
            free.append(1)
            await asyncio.sleep(0)

    connect(post_save, receive, sender=Note)
    ticking = asyncio.create_task(tick())
    async with atomic():
        await Note.objects.acreate(text="ann")
    ticking.cancel()
    await asyncio.wait([ticking])
    assert await Entry.objects.acount() == 3
    if connection.vendor != "sqlite":  # whose short questions are answered at once
        assert len(free) > 10


async def test_nothing_else_comes_in_while_plain_code_in_a_transaction_waits_for_an_async_receiver(connect):
    log: list[str] = []
    within = asyncio.Event()

    async def hesitate(sender, instance, **kwargs):
        within.set()
        for _ in range(5):
            await asyncio.sleep(0)

    connect(post_save, hesitate, sender=Note)

    def write(text: str) -> None:
        with atomic():
            log.append(f"{text} begins")
            # To the same row: where one stands on the stack of the other, they would wait for each other for ever.
            Account.objects.filter(pk=account.pk).update(balance=1)
            add(text)
            log.append(f"{text} ends")

    async def write_later() -> None:
        await within.wait()
        await workers.run(write, "second")

    account = await Account.objects.acreate(owner="Ada")
    await asyncio.gather(workers.run(write, "first"), write_later())
    assert log == ["first begins", "first ends", "second begins", "second ends"]


async def test_a_receiver_may_call_async_code_by_wait_from_a_worker(connect):
    from webframe.waiting import wait

    def receive(instance: Any, **kwargs: Any) -> None:
        wait(Account.objects.acreate(owner="from a receiver"))

    connect(post_save, receive, sender=Note)
    async with atomic():
        await workers.run(add, "worker")
        assert await Account.objects.acount() == 1
    assert await Account.objects.acount() == 1


async def test_relations_that_are_not_loaded_are_refused_on_the_loop_and_read_in_a_bridge():
    ann = await Account.objects.acreate(owner="ann")
    await Entry.objects.acreate(account=ann, amount=5)
    entry = await Entry.objects.aget()
    with pytest.raises(SynchronousOnlyOperation, match="account.*select_related"):
        entry.account.owner  # noqa: B018  # it raises an error
    assert await bridge(lambda: entry.account.owner) == "ann"
    assert entry.account.owner == "ann"  # it is there now
    entry = await Entry.objects.select_related("account").aget()
    assert entry.account.owner == "ann"

    def walk() -> list[int]:
        return [each.amount for each in Account.objects.get(owner="ann").entries.all()]

    assert await bridge(walk) == [5]


async def test_blocking_calls_on_the_loop_are_refused_and_name_the_method_for_async_code():
    ann = await Account.objects.acreate(owner="ann")
    for call, name in [
        (Account.objects.count, "acount"),
        (Account.objects.get, "aget"),
        (ann.save, "asave"),
        (ann.delete, "adelete"),
        (ann.refresh_from_db, "arefresh_from_db"),
        (lambda: ann.entries.create(amount=1), "acreate"),
        (lambda: ann.labels.clear(), "aclear"),
        (lambda: list(Account.objects.all()), "async for"),
    ]:
        with pytest.raises(SynchronousOnlyOperation, match=name):
            call()
    async with atomic():
        with pytest.raises(SynchronousOnlyOperation, match="asave"):
            ann.save()
        await ann.asave()
    assert not connections["default"].in_atomic_block


# --- connections that a thread uses while somebody else is to close them ------------------------------------------


def test_a_connection_that_a_thread_uses_for_a_loop_that_has_stopped_is_closed_when_that_is_done():
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def statement() -> None:
        began.set()
        may_end.wait(10)
        ended.set()

    loop = asyncio.new_event_loop()
    asking: list[asyncio.Task[None]] = []
    with atomic():
        Note.objects.create(text="left")
        node: Any = nodes.entered.get()
        wrapper, slot = node.slot.wrapper, node.slot

        async def ask() -> None:
            await bridge(wrapper.link_here(slot.link).hop, statement)

        async def begin() -> None:
            asking.append(asyncio.create_task(ask()))
            await until(began)

        loop.run_until_complete(begin())
        threading.Timer(0.1, may_end.set).start()
        node.lose("It is to be closed.")
        wrapper.discard(slot)
        assert ended.is_set()
    loop.run_until_complete(asking[0])
    loop.close()
    assert texts() == []

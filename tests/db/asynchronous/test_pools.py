"""Pools of event loops: order of arrival, exhaustion, what is left at the server, loops in threads, lost servers."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

from webframe.db import Error, OperationalError, connection, connections, transaction
from webframe.db.backends import pools
from webframe.db.backends.pools import LoopPool
from webframe.db.backends.signals import connection_created
from webframe.db.models import F
from webframe.db.transaction import atomic
from webframe.greenlets import bridge

from .bank import Account, Note

pytestmark = pytest.mark.usefixtures("bank")


class Oops(Exception):
    """What tests raise."""


@pytest.fixture(autouse=True)
def nobody_is_connected(bank: Any) -> None:
    """What plain code has used so far is closed."""
    connections.close_all()


def pool() -> LoopPool:
    found: LoopPool = connection.loop_pool(asyncio.get_running_loop())
    return found


async def warm_up(count: int) -> None:
    """Have so many connections in the pool."""
    barrier = asyncio.Barrier(count)

    async def use() -> None:
        async with atomic(read_only=True):
            await Note.objects.acount()
            await barrier.wait()

    await asyncio.gather(*(use() for _ in range(count)))
    assert pool().idle == count


# --- order --------------------------------------------------------------------------------------------------------


async def test_a_thousand_transactions_over_ten_connections_are_served_in_order_of_arrival(
    with_options, witness, monkeypatch
):
    with_options(pool_size=10, max_overflow=0)
    await Account.objects.acreate(owner="ann")
    await warm_up(10)
    served: list[str] = []
    take = LoopPool.take

    def note(self: LoopPool) -> Any:
        taken = take(self)
        served.append(asyncio.current_task().get_name())
        return taken

    monkeypatch.setattr(LoopPool, "take", note)

    async def work(number: int) -> None:
        async with atomic():
            async with atomic():
                await Account.objects.filter(owner="ann").aupdate(balance=F("balance") + 1)
            if number % 10 == 0:
                await Note.objects.acreate(text=str(number))

    tasks = [asyncio.create_task(work(number), name=f"task {number}") for number in range(1000)]
    await asyncio.gather(*tasks)
    numbers = [int(name.split()[1]) for name in served]
    assert [(at, number) for at, number in enumerate(numbers) if at != number] == []
    assert (await Account.objects.aget()).balance == 1000
    assert await Note.objects.acount() == 100
    assert (pool().count, pool().idle, witness.connections()) == (10, 10, 10)


async def test_a_thousand_statements_over_ten_connections(with_options, witness):
    with_options(pool_size=10, max_overflow=0)
    await asyncio.gather(*(Note.objects.acreate(text=str(number)) for number in range(500)))
    counts = await asyncio.gather(*(Note.objects.acount() for _ in range(500)))
    assert counts == [500] * 500
    assert pool().count == pool().idle == witness.connections() <= 10


async def test_tasks_that_need_a_second_connection_of_a_pool_that_is_used_up_are_told_so(with_options):
    with_options(pool_size=2, max_overflow=0, pool_timeout=0.2)
    barrier = asyncio.Barrier(2)

    async def work() -> None:
        async with atomic(read_only=True):
            await Note.objects.acount()
            await barrier.wait()
            with pytest.raises(OperationalError, match=r"All 2 connections to 'default' were in use.*pool_size"):
                # Out of its transaction, as code in a context of its own is.
                await asyncio.create_task(bridge(connection.fetch, "SELECT 1"), context=before)
            # Who is told first keeps its connection, or the other would get that one.
            await barrier.wait()

    import contextvars

    before = contextvars.copy_context()
    await asyncio.gather(work(), work())
    assert await Note.objects.acount() == 0
    assert (pool().count, pool().idle) == (2, 2)


async def test_who_gave_up_waiting_does_not_take_anothers_turn(with_options):
    with_options(pool_size=1, max_overflow=0, pool_timeout=0.6)
    release = asyncio.Event()

    async def hold() -> None:
        async with atomic(read_only=True):
            await Note.objects.acount()
            await release.wait()

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0.05)
    impatient = asyncio.create_task(Note.objects.acount())
    await asyncio.sleep(0.4)  # so much later its own time is over, too
    patient = asyncio.create_task(Note.objects.acount())
    with pytest.raises(OperationalError, match="in use"):
        await impatient
    release.set()
    await holder
    assert await patient == 0


async def test_connections_beyond_the_size_of_the_pool_are_closed_when_they_come_back(with_options, witness):
    with_options(pool_size=2, max_overflow=4)
    barrier = asyncio.Barrier(6)

    async def use() -> None:
        async with atomic(read_only=True):
            await Note.objects.acount()
            await barrier.wait()

    await asyncio.gather(*(use() for _ in range(6)))
    await witness.comes(lambda: witness.connections() == 2, "more are kept than the pool is large")
    assert (pool().count, pool().idle) == (2, 2)


async def test_a_connection_that_was_in_use_a_moment_ago_is_not_tried_first(with_options, monkeypatch):
    with_options(pool_size=1, max_overflow=0)
    await warm_up(1)
    (checkout,) = pool().resting
    tried: list[int] = []
    monkeypatch.setattr(type(checkout.link), "ping", lambda link: tried.append(1))
    monkeypatch.setattr(pools, "RESTED", 0.05)

    async def work() -> None:
        async with atomic(read_only=True):
            await Note.objects.acount()
            await asyncio.sleep(0.06)

    await asyncio.gather(work(), work(), work())
    assert tried == []
    await asyncio.sleep(0.06)
    await Note.objects.acount()
    assert tried == [1]


# --- what is left at the server -----------------------------------------------------------------------------------


async def test_a_connection_keeps_nothing_alive_of_the_task_that_made_it():
    class Thing:
        pass

    kept: ContextVar[Thing] = ContextVar("kept")

    async def connect() -> weakref.ref[Thing]:
        thing = Thing()
        kept.set(thing)
        async with atomic():
            await Note.objects.acount()
        return weakref.ref(thing)

    reference = await asyncio.create_task(connect())
    assert pool().idle == 1
    await asyncio.sleep(0.01)  # the loop lets go of the task
    gc.collect()
    assert reference() is None


async def test_a_connection_that_comes_at_the_moment_of_a_cancellation_is_closed(witness, monkeypatch):
    connect = type(connections["default"]).connect_async

    def connect_and_cancel(wrapper: Any) -> Any:
        link = connect(wrapper)
        asyncio.get_running_loop().call_soon(task.cancel)
        return link

    monkeypatch.setattr(type(connections["default"]), "connect_async", connect_and_cancel)
    task = asyncio.create_task(Note.objects.acount())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool().count == 0
    await witness.comes(lambda: witness.connections() == 0, "nobody has closed the connection")


def test_nothing_is_left_when_the_loop_ends(witness):
    async def main() -> None:
        await warm_up(5)
        assert witness.connections() == 5

    for _ in range(3):
        asyncio.run(main())
        witness.wait_until(lambda: witness.connections() == 0, "connections have outlived their loop")
    assert connection._pools == {}


def test_nothing_is_left_when_a_loop_ends_in_the_middle_of_transactions(witness):
    async def work() -> None:
        async with atomic():
            await Note.objects.acreate(text="never")
            await asyncio.sleep(30)

    async def main() -> None:
        task = asyncio.create_task(work())  # asyncio.run() cancels it
        while not witness.connections():
            await asyncio.sleep(0.01)
        assert not task.done()

    asyncio.run(main())
    witness.wait_until(lambda: witness.connections() == 0, "connections have outlived their loop")
    assert witness.count("bank_note") == 0


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # that is what asyncio says, and rightly
def test_nothing_is_left_of_a_loop_that_nobody_has_ended_in_good_order(witness):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(Note.objects.acreate(text="x"))
    loop.close()
    del loop
    asyncio.run(Note.objects.acount())  # a later loop of the same process finds the pool of a closed one
    gc.collect()
    witness.wait_until(lambda: witness.connections() == 0, "connections have outlived their loop")


async def test_errors_and_cancellations_leave_nothing_behind(with_options, witness):
    with_options(pool_size=5, max_overflow=0)

    async def fail(number: int) -> None:
        async with atomic():
            await Note.objects.acreate(text="never")
            if number % 3 == 0:
                raise Oops
            if number % 3 == 1:
                await bridge(connection.fetch, "SELECT nonsense")
            await asyncio.sleep(10)

    tasks = [asyncio.create_task(fail(number)) for number in range(60)]
    for task in tasks[2::3]:
        asyncio.get_running_loop().call_later(0.2, task.cancel)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results[0::3]} == {Oops}
    assert all(isinstance(result, Error) for result in results[1::3])
    assert {type(result) for result in results[2::3]} == {asyncio.CancelledError}
    assert await Note.objects.acount() == 0
    assert pool().count == pool().idle
    await witness.comes(lambda: witness.connections() == pool().count, "connections are left behind")
    await witness.comes(lambda: witness.transactions() == 0, "a transaction is open")


def test_two_loops_in_two_threads_have_pools_of_their_own(witness):
    together = threading.Barrier(2, timeout=30)
    found: list[LoopPool] = []
    errors: list[BaseException] = []

    async def main(name: str) -> None:
        await warm_up(2)
        found.append(pool())
        together.wait()
        assert witness_of_both() == 4
        together.wait()
        for step in range(20):
            async with atomic():
                await Note.objects.acreate(text=f"{name} {step}")

    lock = threading.Lock()

    def witness_of_both() -> int:
        with lock:
            return witness.connections()

    def run(name: str) -> None:
        try:
            asyncio.run(main(name))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert found[0] is not found[1]
    assert witness.count("bank_note") == 40
    witness.wait_until(lambda: witness.connections() == 0, "connections have outlived their loop")


async def test_each_connection_is_announced_once_and_receivers_can_ask_on_it(connect, witness):
    heard: list[object] = []

    async def asynchronous(connection: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        heard.append(await bridge(connection.fetch, "SELECT 1"))

    def plain(connection: Any, **kwargs: Any) -> None:
        heard.append(connection.fetch("SELECT 2"))

    connect(connection_created, asynchronous)
    connect(connection_created, plain)
    await warm_up(3)
    for _ in range(5):
        await asyncio.gather(*(Note.objects.acount() for _ in range(3)))
    assert sorted(heard) == [[(1,)]] * 3 + [[(2,)]] * 3
    assert witness.connections() == 3


def connections_heard_of(connect: Any) -> list[Any]:
    """The connections of the driver that a plain and an async receiver will find in the wrapper."""
    heard: list[Any] = []

    async def asynchronous(connection: Any, **kwargs: Any) -> None:
        heard.append(connection.connection)

    def plain(connection: Any, **kwargs: Any) -> None:
        heard.append(connection.connection)

    connect(connection_created, asynchronous)
    connect(connection_created, plain)
    return heard


async def test_receivers_find_the_new_connection_of_the_driver_in_the_wrapper(connect, witness):
    heard = connections_heard_of(connect)
    await Note.objects.acount()
    async with atomic():
        assert await Note.objects.acount() == 0
        used = connection.connection
    assert used is not None and heard == [used, used]


def test_receivers_find_the_new_connection_of_plain_code_in_the_wrapper(connect, witness):
    heard = connections_heard_of(connect)
    connection.close()
    connection.dispose()
    connection.ensure_connection()
    assert connection.connection is not None and heard == [connection.connection] * 2


def test_an_async_receiver_asks_on_a_new_connection_of_plain_code_without_blocking_its_loop(connect, witness):
    heard: list[object] = []

    async def asynchronous(connection: Any, **kwargs: Any) -> None:
        ran: list[str] = []
        asyncio.get_running_loop().call_soon(ran.append, "the loop")
        heard.append(await bridge(connection.fetch, "SELECT 1"))
        heard.append(ran)

    connect(connection_created, asynchronous)
    connection.close()
    assert connection.fetch("SELECT 2") == [(2,)]
    # A thread has asked, and the loop went on meanwhile.
    assert heard == [[(1,)], ["the loop"]]


async def test_a_receiver_that_refuses_a_connection_leaves_none_behind(connect, witness):
    def refuse(**kwargs: Any) -> None:
        raise Oops

    connect(connection_created, refuse)
    for _ in range(3):
        with pytest.raises(Oops):
            await Note.objects.acount()
        with pytest.raises(Oops):
            async with atomic():
                await Note.objects.acount()
    assert pool().count == 0
    await witness.comes(lambda: witness.connections() == 0, "a refused connection is kept")


# --- servers that go away -----------------------------------------------------------------------------------------


@pytest.fixture
def server(engine: Any) -> Any:
    """A server that can be restarted."""
    if not hasattr(engine.server, "restart"):
        pytest.skip("The server was not started by the tests.")
    return engine.server


async def restart(server: Any) -> None:
    """Restart it; what it sends meanwhile is heard."""
    await asyncio.to_thread(server.shut_down)
    server.start()  # not in a thread: the server ends with the thread that has started it


@pytest.mark.engines("postgresql", "mysql")
async def test_after_a_restart_of_the_server_work_goes_on(server, witness):
    await warm_up(3)
    await restart(server)
    for _ in range(4):
        await Note.objects.acreate(text="after")
        async with atomic():
            await Note.objects.acreate(text="after")
    assert await Note.objects.acount() == 8


@pytest.mark.engines("postgresql", "mysql")
async def test_connections_that_the_server_has_just_ended_are_replaced(each_driver, witness):
    for _ in range(3):
        await warm_up(4)
        witness.end_connections()
        await asyncio.sleep(0.1)  # not as long that a connection is tried before it is used
        assert await asyncio.gather(*(Note.objects.acount() for _ in range(4))) == [0] * 4
    assert pool().count == pool().idle


@pytest.mark.engines("postgresql", "mysql")
async def test_a_transaction_whose_connection_the_server_ends_is_an_operational_error(each_driver, witness):
    for turns in range(20):
        with pytest.raises(OperationalError):
            async with atomic():
                await Note.objects.acreate(text="lost")
                witness.end_connections()
                for _ in range(turns):
                    await asyncio.sleep(0)
                await Note.objects.acount()
    assert await Note.objects.acount() == 0


@pytest.mark.engines("postgresql", "mysql")
async def test_a_transaction_ends_with_its_server_and_the_next_one_works(server):
    await Note.objects.acreate(text="kept")
    with pytest.raises(Error):
        async with atomic():
            await Note.objects.acreate(text="lost")
            transaction.on_commit(lambda: pytest.fail("it was not committed"))
            async with atomic():
                await Note.objects.acreate(text="lost")
                await restart(server)
                await Note.objects.acreate(text="lost")
    async with atomic():
        await Note.objects.acreate(text="after")
    assert sorted([text async for text in Note.objects.values_list("text", flat=True)]) == ["after", "kept"]
    assert pool().count == pool().idle


@pytest.mark.engines("postgresql", "mysql")
async def test_a_statement_that_its_server_leaves_unanswered_fails_and_the_next_one_works(server):
    await Note.objects.acreate(text="kept")
    sleep = "SELECT pg_sleep(30)" if connection.vendor == "postgresql" else "SELECT SLEEP(30)"
    waiting = asyncio.create_task(bridge(connection.fetch, sleep))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(server.shut_down)
    with pytest.raises(Error):
        await waiting
    start = time.monotonic()
    with pytest.raises(Error):
        await Note.objects.acount()
    assert time.monotonic() - start < 10
    server.start()
    assert await Note.objects.acount() == 1
    assert pool().count == pool().idle

"""Transactions on every engine: blocks, savepoints, hooks, and what breaks them."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import DatabaseError, IntegrityError, connection, connections, transaction
from webframe.db.transaction import TransactionManagementError, atomic


class Oops(Exception):
    """What tests raise."""


@pytest.fixture
def reporter(engine: Any) -> Iterator[None]:
    """A table in both databases."""
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS reporter")
            cursor.execute("CREATE TABLE reporter (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    yield
    connections.close_all()
    for alias in connections:
        connections[alias].cursor().execute("DROP TABLE reporter")


pytestmark = [pytest.mark.usefixtures("reporter"), pytest.mark.both_ways]


def add(number: int, using: str = "default") -> None:
    connections[using].cursor().execute("INSERT INTO reporter (id, name) VALUES (%s, %s)", [number, "Tintin"])


def numbers(using: str = "default") -> list[int]:
    rows = connections[using].cursor().execute("SELECT id FROM reporter ORDER BY id").fetchall()
    return [number for (number,) in rows]


def numbers_seen_elsewhere() -> list[int]:
    """What another connection sees, which is what has been committed."""
    seen: list[list[int]] = []

    def look() -> None:
        seen.append(numbers())
        connections.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return seen[0]


# --- blocks -------------------------------------------------------------------------------------------------------


def test_a_block_is_committed_when_it_is_left() -> None:
    with atomic():
        add(1)
        assert numbers_seen_elsewhere() == []
    assert numbers_seen_elsewhere() == [1]


def test_a_block_that_an_error_leaves_is_rolled_back() -> None:
    with pytest.raises(Oops), atomic():
        add(1)
        raise Oops
    assert numbers() == []


def test_outside_of_blocks_each_statement_is_committed() -> None:
    add(1)
    assert numbers_seen_elsewhere() == [1]


def test_an_inner_block_can_be_rolled_back_alone() -> None:
    with atomic():
        add(1)
        with pytest.raises(Oops), atomic():
            add(2)
            raise Oops
        add(3)
    assert numbers() == [1, 3]


def test_an_outer_block_takes_its_inner_blocks_along() -> None:
    with pytest.raises(Oops), atomic():
        with atomic():
            add(1)
        raise Oops
    assert numbers() == []


def test_an_inner_block_can_be_the_first_to_do_anything() -> None:
    with atomic(), atomic():
        with pytest.raises(Oops), atomic():
            add(1)
            raise Oops
        with atomic():
            add(2)
    assert numbers() == [2]


def test_without_a_savepoint_an_error_breaks_the_outer_block() -> None:
    with atomic():
        add(1)
        with pytest.raises(Oops), atomic(savepoint=False):
            add(2)
            raise Oops
        with pytest.raises(TransactionManagementError, match="can only be rolled back.*Oops"):
            numbers()
        with pytest.raises(TransactionManagementError), atomic():
            numbers()
    assert numbers() == []


def test_a_block_within_one_without_a_savepoint_is_a_savepoint_of_the_outer() -> None:
    with atomic():
        add(1)
        with atomic(savepoint=False):
            with pytest.raises(Oops), atomic():
                add(2)
                raise Oops
            add(3)
    assert numbers() == [1, 3]


def test_an_error_of_the_database_breaks_the_block_on_every_engine() -> None:
    with atomic():
        add(1)
        with pytest.raises(IntegrityError) as caught:
            add(1)
        assert caught.value.__cause__ is not None
        with pytest.raises(TransactionManagementError, match="IntegrityError") as broken:
            numbers()
        assert broken.value.__cause__ is caught.value
        assert connection.needs_rollback
    assert not connection.needs_rollback
    assert numbers() == []


def test_an_error_of_the_database_in_an_inner_block_leaves_the_outer_one_alone() -> None:
    with atomic():
        add(1)
        with pytest.raises(IntegrityError), atomic():
            add(1)
        add(2)
    assert numbers() == [1, 2]


def test_a_block_that_does_nothing_costs_no_statement() -> None:
    with counted() as statements, atomic(), atomic():
        pass
    assert statements == []


def test_a_block_decorates_a_function() -> None:
    @atomic
    def two(first: int, second: int = 1) -> str:
        """Adds two."""
        add(first)
        add(second)
        return "done"

    assert (two.__name__, two.__doc__) == ("two", "Adds two.")
    assert two(1, second=2) == "done"
    with pytest.raises(IntegrityError):
        two(3)
    assert numbers() == [1, 2]


def test_a_decorated_function_may_call_itself() -> None:
    @atomic(using="default")
    def count_down(number: int) -> None:
        add(number)
        if number == 3:
            raise Oops
        try:
            count_down(number + 1)
        except Oops:
            if number == 1:
                return
            raise

    count_down(1)
    assert numbers() == [1]


def test_one_object_can_be_entered_again_and_again() -> None:
    block = atomic()
    with block:
        add(1)
        with pytest.raises(Oops), block:
            add(2)
            raise Oops
    with block:
        add(3)
    assert numbers() == [1, 3]


def test_databases_have_transactions_of_their_own() -> None:
    with pytest.raises(Oops), atomic():
        add(1)
        with atomic(using="other"):
            add(2, "other")
            assert connections["other"].in_atomic_block
        assert not connections["other"].in_atomic_block
        raise Oops
    assert (numbers(), numbers("other")) == ([], [2])


def test_a_durable_block_is_refused_within_another() -> None:
    with atomic(durable=True):
        add(1)
        with atomic(using="other", durable=True):
            pass
        with pytest.raises(RuntimeError, match="durable"), atomic(durable=True):
            pass
    assert numbers() == [1]


def test_the_block_of_a_test_does_not_count_for_durable_ones() -> None:
    block = atomic()
    block.of_test = True
    with block:
        with atomic(durable=True):
            add(1)
            with pytest.raises(RuntimeError), atomic(durable=True):
                pass
        transaction.set_rollback(True)
    assert numbers() == []


def test_a_read_only_block_refuses_to_write() -> None:
    add(1)
    with atomic(read_only=True):
        assert numbers() == [1]
    with pytest.raises(DatabaseError, match="read.?only|READ ONLY"), atomic(read_only=True):
        add(2)
    add(3)
    assert numbers() == [1, 3]


def test_generators_cannot_be_decorated() -> None:
    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    def generator() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator function.*'async with atomic"):
        atomic(asynchronous)
    with pytest.raises(TypeError, match="generator function.*'with atomic"):
        atomic(generator)


@pytest.mark.plain_way("it runs a loop itself")
def test_on_a_running_loop_a_block_is_refused() -> None:
    import asyncio

    async def main() -> None:
        with pytest.raises(SynchronousOnlyOperation, match="async with atomic"), atomic():
            pass
        with pytest.raises(SynchronousOnlyOperation, match="would block"):
            numbers()

    asyncio.run(main())
    assert not connection.in_atomic_block


def test_an_interrupted_block_is_rolled_back() -> None:
    with pytest.raises(KeyboardInterrupt), atomic():
        add(1)
        raise KeyboardInterrupt
    assert numbers() == []


def test_an_inner_block_that_was_never_left_makes_the_outer_one_fail() -> None:
    inner = atomic()
    with pytest.raises(TransactionManagementError, match="still open"), atomic():
        add(1)
        inner.__enter__()
        add(2)
    inner.__exit__(None, None, None)
    assert numbers() == []
    with atomic():
        add(3)
    assert numbers() == [3]


# --- hooks --------------------------------------------------------------------------------------------------------


def test_hooks_are_called_after_the_commit_in_their_order() -> None:
    called: list[object] = []
    with atomic():
        transaction.on_commit(lambda: called.append((1, connection.in_atomic_block, numbers_seen_elsewhere())))
        with atomic():
            add(1)
            transaction.on_commit(lambda: called.append(2))
        transaction.on_commit(lambda: called.append(3))
        assert called == []
    assert called == [(1, False, [1]), 2, 3]


def test_a_hook_outside_of_blocks_is_called_at_once() -> None:
    called: list[int] = []
    transaction.on_commit(lambda: called.append(1))
    assert called == [1]


def test_hooks_of_what_is_rolled_back_are_dropped() -> None:
    called: list[int] = []
    with atomic():
        with pytest.raises(Oops), atomic():
            transaction.on_commit(lambda: called.append(1))
            with atomic():
                transaction.on_commit(lambda: called.append(2))
            raise Oops
        transaction.on_commit(lambda: called.append(3))
    assert called == [3]
    with pytest.raises(Oops), atomic():
        transaction.on_commit(lambda: called.append(4))
        raise Oops
    with atomic():
        transaction.on_commit(lambda: called.append(5))
        transaction.set_rollback(True)
    with atomic():
        pass
    assert called == [3]


def test_a_hook_can_have_a_block_of_its_own_with_hooks() -> None:
    called: list[int] = []

    def hook() -> None:
        called.append(1)
        with atomic():
            add(2)
            transaction.on_commit(lambda: called.append(2))
        transaction.on_commit(lambda: called.append(3))

    with atomic():
        add(1)
        transaction.on_commit(hook)
    assert (called, numbers()) == ([1, 2, 3], [1, 2])


def test_an_error_of_a_hook_comes_after_the_commit_and_ends_the_calling() -> None:
    called: list[int] = []

    def fail() -> None:
        raise Oops

    with pytest.raises(Oops), atomic():
        add(1)
        transaction.on_commit(fail)
        transaction.on_commit(lambda: called.append(1))
    assert (numbers(), called) == ([1], [])


def test_an_error_of_a_robust_hook_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    called: list[int] = []

    def fail() -> None:
        raise Oops("no ink")

    with atomic():
        transaction.on_commit(fail, robust=True)
        transaction.on_commit(lambda: called.append(1))
    transaction.on_commit(fail, robust=True)
    assert called == [1]
    assert len(caplog.records) == 2
    assert "fail" in caplog.text and "no ink" in caplog.text


def test_async_hooks_are_awaited() -> None:
    called: list[int] = []

    async def hook() -> None:
        called.append(1)

    with atomic():
        transaction.on_commit(hook)
    assert called == [1]


def test_only_what_can_be_called_is_a_hook() -> None:
    with pytest.raises(TypeError, match="'x'"):
        transaction.on_commit("x")  # type: ignore[arg-type]


def test_hooks_belong_to_one_database() -> None:
    called: list[int] = []
    with atomic(using="other"):
        transaction.on_commit(lambda: called.append(1), using="other")
        transaction.on_commit(lambda: called.append(2))
        assert called == [2]
    assert called == [2, 1]


# --- by hand ------------------------------------------------------------------------------------------------------


def test_savepoints_can_be_set_by_hand() -> None:
    called: list[int] = []
    assert transaction.savepoint() is None
    with atomic():
        add(1)
        first = transaction.savepoint()
        add(2)
        transaction.on_commit(lambda: called.append(1))
        transaction.savepoint_rollback(first)
        second = transaction.savepoint()
        add(3)
        transaction.savepoint_commit(second)
        with pytest.raises(TransactionManagementError, match="no savepoint"):
            transaction.savepoint_commit(first)
    assert (numbers(), called) == ([1, 3], [])


def test_going_back_to_a_savepoint_mends_a_broken_block() -> None:
    with atomic():
        add(1)
        sid = transaction.savepoint()
        with pytest.raises(IntegrityError):
            add(1)
        transaction.savepoint_rollback(sid)
        add(2)
    assert numbers() == [1, 2]


def test_a_block_can_be_broken_by_hand() -> None:
    with atomic():
        add(1)
        assert not transaction.get_rollback()
        transaction.set_rollback(True)
        assert transaction.get_rollback()
        with pytest.raises(TransactionManagementError, match="set_rollback"):
            numbers()
    assert numbers() == []
    for what in (transaction.get_rollback, lambda: transaction.set_rollback(True)):
        with pytest.raises(TransactionManagementError, match="inside of an atomic block"):
            what()


@pytest.mark.plain_way("async code has blocks alone")
def test_autocommit_can_be_off() -> None:
    assert transaction.get_autocommit()
    transaction.set_autocommit(False)
    try:
        assert not transaction.get_autocommit()
        add(1)
        transaction.rollback()
        add(2)
        with pytest.raises(TransactionManagementError, match="autocommit"):
            transaction.on_commit(print)
        with atomic():
            add(3)
        with pytest.raises(Oops), atomic():
            add(4)
            raise Oops
        assert numbers_seen_elsewhere() == [] if connection.vendor != "sqlite" else True
        transaction.commit()
        assert numbers_seen_elsewhere() == [2, 3]
        add(5)
    finally:
        transaction.set_autocommit(True)
    assert numbers_seen_elsewhere() == [2, 3, 5]


@pytest.mark.plain_way("async code has blocks alone")
def test_what_is_done_by_hand_is_refused_in_blocks() -> None:
    with atomic():
        assert not transaction.get_autocommit()
        for what in (transaction.commit, transaction.rollback, lambda: transaction.set_autocommit(False)):
            with pytest.raises(TransactionManagementError, match="inside of an atomic block"):
                what()
        assert transaction.is_open() and transaction.is_open("default") and not transaction.is_open("other")
    assert not transaction.is_open()


# --- contexts and threads -----------------------------------------------------------------------------------------


@pytest.mark.plain_way("a thread of its own cannot use the connection of a loop")
def test_a_copy_of_the_context_is_in_the_same_transaction() -> None:
    with pytest.raises(Oops), atomic():
        add(1)
        context = contextvars.copy_context()
        seen: list[list[int]] = []
        thread = threading.Thread(target=context.run, args=(lambda: (add(2), seen.append(numbers())),))
        thread.start()
        thread.join()
        assert seen == [[1, 2]]
        raise Oops
    assert numbers() == []


def test_a_transaction_that_has_ended_is_looked_through() -> None:
    with atomic():
        add(1)
        context = contextvars.copy_context()
    assert not context.run(lambda: connection.in_atomic_block)
    context.run(add, 2)
    assert numbers_seen_elsewhere() == [1, 2]


def test_a_context_from_before_takes_no_part() -> None:
    add(0)
    context = contextvars.copy_context()
    with atomic():
        add(1)
        assert context.run(numbers) == [0]
    assert context.run(numbers) == [0, 1]


def test_threads_of_one_context_take_turns() -> None:
    add(0)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                try:
                    with atomic():
                        add(number * 100 + step)
                        if step % 2:
                            raise Oops
                except Oops:
                    pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, n)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert numbers() == [0, *(n * 100 + step for n in range(1, 5) for step in range(0, 10, 2))]


@pytest.mark.plain_way("a thread of its own cannot use the connection of a loop")
def test_blocks_beside_each_other_in_one_transaction_take_turns() -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                try:
                    with atomic():
                        add(number * 100 + step)
                        numbers()
                        if step % 2:
                            raise Oops
                except Oops:
                    pass
        except BaseException as error:
            errors.append(error)

    with atomic():
        add(0)
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, n)) for n in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        expected = [0, *(n * 100 + step for n in range(1, 5) for step in range(0, 10, 2))]
        assert numbers() == expected
    assert numbers() == expected


def test_threads_on_their_own_do_not_see_each_other() -> None:
    with atomic():
        add(1)
        assert numbers_seen_elsewhere() == []


# --- against a model ----------------------------------------------------------------------------------------------

Block = st.deferred(
    lambda: st.tuples(
        st.lists(st.one_of(st.just("add"), st.just("hook"), st.just("duplicate"), Block), max_size=4),
        st.booleans(),  # whether an error leaves it
        st.booleans(),  # whether it has a savepoint
    )
)


@pytest.mark.engines("sqlite", "postgresql", "mysql")
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(blocks=st.lists(Block, max_size=3))
def test_nested_blocks_with_errors_do_what_a_list_does(blocks: list[Any]) -> None:
    """A block is a copy of the list, which replaces it unless the block fails or was broken."""
    connection.cursor().execute("DELETE FROM reporter")
    number = [0]
    hooks: list[int] = []

    def run(block: Any, rows: list[int], called: list[int]) -> tuple[list[int], list[int], bool]:
        """Do a block both ways; returns what the model holds inside of it, and whether the block was broken."""
        steps, fails, savepoint = block
        broken = False
        with atomic(savepoint=savepoint):
            for step in steps:
                try:
                    if step == "add":
                        number[0] += 1
                        add(number[0])
                        assert not broken
                        rows = [*rows, number[0]]
                    elif step == "hook":
                        number[0] += 1
                        transaction.on_commit(lambda mark=number[0]: hooks.append(mark))
                        called = [*called, number[0]]
                    elif step == "duplicate":
                        with pytest.raises((IntegrityError, TransactionManagementError)):
                            if not broken and not rows:
                                add(-1)  # something to collide with
                                rows = [*rows, -1]
                            add(rows[0] if rows else -1)
                        broken = True
                    else:
                        inner = run_inner(step, rows, called, broken)
                        rows, called, inner_breaks = inner
                        broken = broken or inner_breaks
                except TransactionManagementError:
                    assert broken
            if fails:
                raise _Left(rows, called, broken)
        return rows, called, broken

    def run_inner(block: Any, rows: list[int], called: list[int], outer_broken: bool) -> Any:
        inside: Any
        try:
            inside = run(block, rows, called) if not outer_broken else run_broken(block)
        except _Left:
            return rows, called, not block[2]
        if outer_broken or inside[2]:
            return rows, called, not block[2] or outer_broken
        return inside[0], inside[1], False

    def run_broken(block: Any) -> Any:
        with atomic(savepoint=block[2]):
            with pytest.raises(TransactionManagementError):
                numbers()
            if block[1]:
                raise _Left([], [], True)
        return [], [], True

    expected: list[int] = []
    expected_hooks: list[int] = []
    for block in blocks:
        try:
            rows, called, broken = run(block, expected, expected_hooks)
        except _Left:
            continue
        if not broken:
            expected, expected_hooks = rows, called
    assert numbers() == sorted(expected)
    assert hooks == expected_hooks


class _Left(Exception):
    """Leaves a block of the model."""


class counted:  # reads as a verb
    """Collects the statements that are run within the block."""

    def __enter__(self) -> list[str]:
        self.statements: list[str] = []
        connection.force_debug_cursor = True
        connection.queries_log.clear()
        return self.statements

    def __exit__(self, *error: object) -> None:
        connection.force_debug_cursor = False
        self.statements += [query["sql"] for query in connection.queries]


def test_a_savepoint_is_set_and_released_for_an_inner_block_only() -> None:
    with counted() as statements, atomic():
        add(1)
        with atomic():
            add(2)
        with atomic(savepoint=False):
            add(3)
    words = [statement.split()[0] for statement in statements]
    assert words == ["BEGIN", "INSERT", "SAVEPOINT", "INSERT", "RELEASE", "INSERT", "COMMIT"]

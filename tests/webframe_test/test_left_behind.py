"""What a test leaves behind harms no other test, and no real database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from .separate import Project, passed

pytest_plugins = "pytester"

OPEN = """
import pytest
from app import Order
from webframe.db import transaction

left = []

def orders():
    with transaction.atomic():
        yield Order.objects.create(pizza="left")

def test_in_a_generator({fixture}):
    left.append(orders())
    next(left[-1])

def test_after_a_generator({fixture}):
    assert not Order.objects.exists() and transaction.is_open() is {within}

def test_by_hand({fixture}):
    for _ in range(2):
        left.append(transaction.atomic())
        left[-1].__enter__()
    Order.objects.create(pizza="left")

def test_after_it({fixture}):
    assert not Order.objects.exists() and transaction.is_open() is {within}

def test_unused({fixture}):
    left.append(transaction.atomic())
    left[-1].__enter__()

def test_after_that({fixture}):
    assert not Order.objects.exists() and transaction.is_open() is {within}
"""


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def project(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, database_server: Callable[[str], Any]
) -> Project:
    project = Project(pytester, database_server(request.param).create_database("left"))
    project.write_app()
    return project


@pytest.mark.parametrize(("fixture", "within"), [("db", True), ("transactional_db", False)])
def test_a_transaction_that_was_not_left_is_rolled_back_and_told(project: Project, fixture: str, within: bool) -> None:
    project.write(test_it=OPEN.format(fixture=fixture, within=within))
    result = project.run()
    passed(result, passed=6, errors=3)
    result.stdout.fnmatch_lines(["*TransactionManagementError: A transaction of 'default' was left open*"])


def test_a_transaction_of_a_task_that_has_ended_is_waited_for_by_nobody(project: Project) -> None:
    project.write(
        test_it="""
        from app import Order
        from webframe.db import transaction

        async def test_left(db):
            await transaction.atomic().__aenter__()
            await Order.objects.acreate(pizza="left")

        def test_after_it(db):
            assert not Order.objects.exists()
        """
    )
    result = project.run()
    passed(result, passed=2, errors=1)
    result.stdout.fnmatch_lines(["*TransactionManagementError: *still open*"])


def test_a_transaction_that_a_task_or_a_thread_has_left_open_disturbs_no_other_test(project: Project) -> None:
    project.write(
        test_it="""
        import threading
        import time
        import pytest
        from app import Order
        from webframe.db import transaction

        left = []

        @pytest.fixture(autouse=True)
        def quick():
            before = time.perf_counter()
            yield
            assert time.perf_counter() - before < 3

        async def test_left(transactional_db):
            for _ in range(2):
                left.append(transaction.atomic())
                await left[-1].__aenter__()
            await Order.objects.acreate(pizza="left")

        async def test_after_it(transactional_db):
            assert await Order.objects.acount() == 0
            await Order.objects.acreate(pizza="after")

        async def test_forgotten(transactional_db):
            await transaction.atomic().__aenter__()
            await Order.objects.acreate(pizza="left")

        def test_after_that(transactional_db):
            assert Order.objects.count() == 0
            Order.objects.create(pizza="after")

        def leave():
            left.append(transaction.atomic())
            left[-1].__enter__()
            Order.objects.create(pizza="left")

        def test_thread(transactional_db):
            thread = threading.Thread(target=leave)
            thread.start()
            thread.join()

        def test_at_last(transactional_db):
            assert Order.objects.count() == 0
            Order.objects.create(pizza="after")
        """
    )
    result = project.run()
    told = {line.split("::")[1].split()[0] for line in result.outlines if line.startswith("ERROR test_it.py::")}
    # What is forgotten may be collected, and so be rolled back, before anybody can tell of it.
    assert told - {"test_forgotten"} == {"test_left", "test_thread"}
    passed(result, passed=6, errors=len(told))
    result.stdout.fnmatch_lines(["*TransactionManagementError: A transaction of 'default' was left open*"])


def test_tasks_end_before_the_transaction_in_which_they_are(project: Project) -> None:
    project.write(
        test_it="""
        import asyncio
        from app import Order

        async def ask():
            while True:
                await Order.objects.acount()

        async def test_left(db):
            asyncio.create_task(ask())
            await asyncio.sleep(0.1)

        def test_after_it(db):
            assert not Order.objects.exists()
        """
    )
    passed(project.run(), passed=2)


def test_a_task_of_a_loop_that_goes_on_later_is_waited_for_by_nobody(project: Project) -> None:
    project.write(
        test_it="""
        import asyncio
        from app import Order

        loop = asyncio.new_event_loop()
        tasks = []

        async def ask():
            while True:
                await Order.objects.acount()

        async def begin():
            tasks.append(asyncio.create_task(ask()))
            await asyncio.sleep(0.1)

        def test_left(db):
            Order.objects.create(pizza="left")
            loop.run_until_complete(begin())

        def test_after_it(db):
            assert not Order.objects.exists()
            tasks[0].cancel()
            loop.run_until_complete(asyncio.wait(tasks))
            loop.close()
        """
    )
    passed(project.run(), passed=2, errors=1)


def test_autocommit_is_on_again(project: Project) -> None:
    project.write(
        test_it="""
        from app import Order
        from webframe.db import transaction

        def test_off(transactional_db):
            transaction.set_autocommit(False)
            Order.objects.create(pizza="left")

        def test_on(transactional_db):
            assert transaction.get_autocommit()
            assert not Order.objects.exists()
        """
    )
    passed(project.run(), passed=2)


def test_a_thread_that_outlives_the_tests_does_not_find_the_real_database(pytester: pytest.Pytester) -> None:
    project = Project(pytester, "sqlite:///real.sqlite3")
    project.write_app()
    project.write(
        test_it="""
        import threading
        import time
        from app import Order

        def work():
            time.sleep(1)
            try:
                Order.objects.create(pizza="late")
            except BaseException as error:
                print(type(error).__name__)

        def test_it(db):
            threading.Thread(target=work).start()
        """
    )
    real = sqlite3.connect(project.folder / "real.sqlite3")
    real.execute("CREATE TABLE app_order (id INTEGER PRIMARY KEY, pizza VARCHAR(50))")
    result = project.run()
    rows = real.execute("SELECT pizza FROM app_order").fetchall()
    real.close()
    assert rows == []
    passed(result, passed=1)
    assert "DatabaseAccessBlocked" in result.outlines


@pytest.mark.parametrize("project", ["sqlite"], indirect=True)
@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file.sqlite3"])
def test_a_transaction_in_which_databases_are_overridden_says_so(project: Project, url: str) -> None:
    project.write(
        test_it=f"""
        import pytest
        from app import Order
        from webframe.db.errors import TransactionManagementError
        from webframe.test import override_settings

        def test_it(db):
            Order.objects.create(pizza="x")
            with override_settings(DATABASES={{"default": {url!r}}}):
                with pytest.raises(TransactionManagementError, match="an override of DATABASES has begun"):
                    Order.objects.count()
            with pytest.raises(TransactionManagementError, match="an override of DATABASES has begun or ended"):
                Order.objects.count()
        """
    )
    passed(project.run(), passed=1)

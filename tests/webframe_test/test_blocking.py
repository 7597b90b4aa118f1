"""Forbidding the use of databases: who is refused, on which way, and what it costs where nothing is forbidden."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe._lazy import imported, when_imported
from webframe.db import connections, transaction
from webframe.db.backends.connecting import Connecting
from webframe.db.backends.places import Placing
from webframe.db.nodes import Node
from webframe.greenlets import bridge
from webframe.test import override_settings
from webframe.test.blocking import DatabaseAccessBlocked, blocker


@pytest.fixture(params=["file", "memory"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Two databases, which hold a table each."""
    place = ":memory:" if request.param == "memory" else f"{tmp_path}/{{}}.sqlite3"
    urls = {alias: f"sqlite:///{place.format(alias)}" for alias in ("default", "other")}
    with override_settings(DATABASES=urls):
        for alias in urls:
            connections[alias].run("CREATE TABLE pizza (name TEXT)")
        yield
        connections.close_all()


def iterate(wrapper: Any) -> None:
    list(wrapper.iterate("SELECT name FROM pizza"))


def cursor(wrapper: Any) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT name FROM pizza")


def borrow(wrapper: Any) -> None:
    with wrapper.sqlalchemy_connection():
        pass


def savepoint(wrapper: Any) -> None:
    with transaction.atomic(using=wrapper.alias):
        transaction.savepoint(using=wrapper.alias)


def in_a_block(wrapper: Any) -> None:
    with transaction.atomic(using=wrapper.alias), transaction.atomic(using=wrapper.alias):
        wrapper.run("DELETE FROM pizza")


def without_autocommit(wrapper: Any) -> None:
    transaction.set_autocommit(False, using=wrapper.alias)
    try:
        wrapper.run("DELETE FROM pizza")
    finally:
        transaction.set_autocommit(True, using=wrapper.alias)


WAYS: list[Callable[[Any], object]] = [
    lambda wrapper: wrapper.fetch("SELECT name FROM pizza"),
    lambda wrapper: wrapper.run("DELETE FROM pizza"),
    lambda wrapper: wrapper.insert("INSERT INTO pizza VALUES (?)", ("Margherita",)),
    lambda wrapper: wrapper.run_many("INSERT INTO pizza VALUES (?)", [("Margherita",)]),
    lambda wrapper: wrapper.ensure_connection(),
    lambda wrapper: wrapper.is_usable(),
    iterate,
    cursor,
    borrow,
    savepoint,
    in_a_block,
    without_autocommit,
]


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("connected", [True, False], ids=["connected", "unconnected"])
def test_every_way_is_blocked(databases: None, way: int, connected: bool) -> None:
    wrapper = connections["default"]
    if not connected:
        wrapper.close()
    with blocker.block(), pytest.raises(DatabaseAccessBlocked):
        WAYS[way](wrapper)
    WAYS[way](wrapper)


@pytest.mark.parametrize("way", [way for way in range(len(WAYS)) if WAYS[way] not in (borrow, without_autocommit)])
def test_every_way_is_blocked_in_async_code(databases: None, way: int) -> None:
    async def ask() -> None:
        with blocker.block(), pytest.raises(DatabaseAccessBlocked):
            await bridge(WAYS[way], connections["default"])
        await bridge(WAYS[way], connections["default"])

    asyncio.run(ask())


def test_other_threads_are_blocked_too(databases: None) -> None:
    errors: list[Exception] = []

    def use() -> None:
        try:
            connections["default"].fetch("SELECT 1")
        except Exception as error:
            errors.append(error)

    with blocker.block():
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert [type(error) for error in errors] == [DatabaseAccessBlocked]


def test_some_may_be_used_and_others_not(databases: None) -> None:
    with blocker.unblock("default", how_to_ask="Ask for {alias!r}."):
        assert connections["default"].fetch("SELECT 1") == [(1,)]
        with pytest.raises(DatabaseAccessBlocked) as caught:
            connections["other"].fetch("SELECT 1")
        assert str(caught.value) == "The database 'other' was used where only 'default' may be used. Ask for 'other'."
    assert connections["other"].fetch("SELECT 1") == [(1,)]


def test_a_transaction_can_be_left_where_nothing_may_be_asked(databases: None) -> None:
    with transaction.atomic():
        connections["default"].run("INSERT INTO pizza VALUES ('Margherita')")
        rule = blocker.block()
    rule.__exit__(None, None, None)
    assert connections["default"].fetch("SELECT name FROM pizza") == [("Margherita",)]


def test_blocks_nest_and_may_be_left_in_any_order(databases: None) -> None:
    outer = blocker.block()
    inner = blocker.unblock()
    connections["default"].fetch("SELECT 1")
    with outer:
        pass
    connections["default"].fetch("SELECT 1")
    blocker.block()
    blocker.restore()
    connections["default"].fetch("SELECT 1")
    with inner:
        pass
    assert not blocker.is_blocked
    blocker.forget(inner)


def test_nothing_is_checked_where_all_is_allowed(databases: None) -> None:
    methods = [Placing._enter, Connecting.open, Node.prepare]
    with blocker.block():
        assert not {Placing._enter, Connecting.open, Node.prepare} & set(methods)
        with blocker.unblock():
            assert [Placing._enter, Connecting.open, Node.prepare] == methods
        with blocker.unblock("default", "other"):
            assert [Placing._enter, Connecting.open, Node.prepare] == methods
        with blocker.unblock("default"):
            assert Placing._enter not in methods
    assert [Placing._enter, Connecting.open, Node.prepare] == methods


def test_restoring_what_was_never_changed_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="nothing to restore"):
        type(blocker)().restore()


def test_who_waits_for_a_module_is_called_once_when_it_is_there() -> None:
    called: list[int] = []

    def call() -> None:
        called.append(1)

    when_imported("webframe.no_such_module", call)
    when_imported("webframe.no_such_module", call)
    assert called == []
    imported("webframe.no_such_module")
    assert called == [1]
    when_imported("webframe.no_such_module", call)
    assert called == [1, 1]

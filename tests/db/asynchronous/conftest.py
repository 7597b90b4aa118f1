"""Fixtures of the tests of async code: its models, and what the server says."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from webframe import _greenlets, greenlets
from webframe.db import connection
from webframe.db.configuration import configuration
from webframe.dispatch import Signal
from webframe.test import override_settings

from .witness import Witness


@pytest.fixture
def bank(engine: Any, tables: Callable[..., None]) -> Any:
    """The module with the models, whose tables are there and empty."""
    from . import bank

    tables(bank.registry)
    return bank


@pytest.fixture
def witness(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """Tells what the server knows."""
    witness = Witness(engine)
    witness.watch(monkeypatch)
    yield witness
    witness.close()


@pytest.fixture
def with_options(engine: Any) -> Iterator[Callable[..., None]]:
    """Makes "default" a database with options of its own: ``with_options(pool_size=1)``."""
    overrides = []

    def use(**options: Any) -> None:
        url = engine.databases["default"]
        text = "&".join(f"{name}={value}" for name, value in options.items())
        changed = {**engine.databases, "default": f"{url}{'&' if '?' in url else '?'}{text}"}
        overrides.append(override_settings(DATABASES=changed))
        overrides[-1].enable()

    yield use
    for override in reversed(overrides):
        override.disable()


ASYNC_DRIVERS = {"postgresql": ("asyncpg", "psycopg"), "mysql": ("asyncmy", "aiomysql")}


@pytest.fixture(params=[0, 1], ids=["first driver", "second driver"])
def each_driver(request: pytest.FixtureRequest, engine: Any) -> Iterator[str]:
    """Each driver that async code may use on a server."""
    driver = ASYNC_DRIVERS[connection.vendor][request.param]
    entry = {**configuration("default", engine.databases["default"]), "ASYNC_DRIVER": driver}
    with override_settings(DATABASES={**engine.databases, "default": entry}):
        yield driver


@pytest.fixture
def connect() -> Iterator[Callable[..., None]]:
    """Connects receivers for as long as the test lasts: ``connect(post_save, receiver, sender=Note)``."""
    connected: list[tuple[Signal[...], Any, Any]] = []

    def do(signal: Signal[...], receiver: Any, sender: Any = None, **options: Any) -> None:
        signal.connect(receiver, sender=sender, weak=False, **options)
        connected.append((signal, receiver, sender))

    yield do
    for signal, receiver, sender in connected:
        signal.disconnect(receiver, sender=sender)


@pytest.fixture
def bridged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is run in greenlets."""
    names: list[str] = []
    original = _greenlets.bridge

    def note(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        names.append(function.__qualname__)
        return original(function, *args, **kwargs)

    monkeypatch.setattr(greenlets, "_bridge", note)
    return names


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is an ``async def`` runs on an event loop of its own, which nothing is left behind on."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def main() -> None:
        before = asyncio.all_tasks()
        async with asyncio.timeout(90):
            await test(**arguments)
        left = asyncio.all_tasks() - before
        assert not left, f"The test has left tasks behind: {left}"

    asyncio.run(main())
    return True


class Statements:
    """The statements that have been run on "default", in the order in which they ended."""

    @property
    def whole(self) -> list[str]:
        return [query["sql"] for query in connection.queries]

    @property
    def words(self) -> list[str]:
        """The first word of each."""
        return [sql.split()[0] for sql in self.whole]

    def clear(self) -> None:
        connection.queries_log.clear()


@pytest.fixture
def statements(engine: Any) -> Iterator[Statements]:
    """Tells which statements a test has run on "default"."""
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    yield Statements()
    connection.force_debug_cursor = False

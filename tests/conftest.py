"""Fixtures of the whole suite."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg  # noqa: F401  # before any test of pytester, which forgets what was imported within; its part in C would not
import pytest

from webframe import Webframe
from webframe.apps import apps
from webframe.test.blocking import blocker
from webframe.test.client import Client

from .turns import turn

if TYPE_CHECKING:
    from .db.servers import Server, SQLite


# How long an example takes says more of what else the machine does than of us.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    blocker.unblock()  # the plugin has blocked databases, and the tests here make their own
    config.addinivalue_line("markers", "alone: tells of time or order: no other process runs a test meanwhile.")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests are found, and stay: the collector of garbage need not look at them, neither now nor later."""
    # Which plugins we run with is said for us alone, not for those that tests start.
    os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several processes can share the tests only if each has the same name in all of them."""
    if changing := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        listed = "\n".join(changing)
        raise pytest.UsageError(f"The address of an object is no name: give parametrize() other ids for\n{listed}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Each test waits for its turn, where pytest-xdist runs them in several processes; no time limit counts that."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with turn(Path(item.config.option.basetemp).parent, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session")
def database_server() -> Iterator[Callable[[str], SQLite | Server]]:
    """Gives the database server of a vendor, started at its first use; skips the test where it cannot be had."""
    from .db.servers import KINDS, Unavailable

    servers: dict[str, SQLite | Server | Unavailable] = {}

    def get(vendor: str) -> SQLite | Server:
        if vendor not in servers:
            try:
                servers[vendor] = KINDS[vendor]()
            except Unavailable as unavailable:
                servers[vendor] = unavailable
        server = servers[vendor]
        if not isinstance(server, Unavailable):
            return server
        if os.environ.get("WEBFRAME_TEST_REQUIRE_ALL"):
            pytest.fail(f"{vendor} is not available, and WEBFRAME_TEST_REQUIRE_ALL is set: {server}")
        pytest.skip(f"{vendor} is not available: {server}")

    yield get
    for server in servers.values():
        if not isinstance(server, Unavailable):
            server.stop()


@pytest.fixture(autouse=True)
def own_apps() -> Iterator[None]:
    """Each test begins with no apps and takes its own along when it ends: every `Webframe` enters the registry."""
    state = apps._state
    before, state.configs = state.configs, {}
    yield
    state.configs = before


@pytest.fixture(params=["wsgi", "asgi"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Each web test runs on both protocols."""
    name: str = request.param
    return name


@pytest.fixture
def app() -> Webframe:
    """An app without routes."""
    return Webframe("testapp")


@pytest.fixture
def client_for(protocol: str) -> Iterator[Callable[..., Client]]:
    """Makes clients for an app, over the protocol of this run; errors come as responses."""
    clients: list[Client] = []

    def make(app: Webframe, **options: object) -> Client:
        client = Client(app, protocol=protocol, **{"raise_app_exceptions": False, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(app: Webframe, client_for: Callable[..., Client]) -> Client:
    """A client for `app`."""
    return client_for(app)

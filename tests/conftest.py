"""Fixtures of the whole suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from webframe import Webframe
from webframe.apps import apps
from webframe.test.client import Client


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

"""Fixtures for pytest, there as soon as webframe is installed: `db`, `committing_db`, `app` and `client`.

    def test_an_order_is_kept(db, client):
        assert client.post("/orders", json={"pizza": 1}).status_code == 201
        assert Order.objects.count() == 1

Nothing of webframe is imported before a test asks for one of them. Any of them
can be replaced by a fixture of the same name in a `conftest.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from webframe.test.client import Client


@pytest.fixture(scope="session")
def made_databases() -> Iterator[None]:
    """Every alias of DATABASES is an empty database from the first test that needs one to the end of the session."""
    from webframe.test.db import made_databases

    with made_databases():
        yield


@pytest.fixture
def db(made_databases: None) -> Iterator[None]:
    """The test may use the databases: what it does is rolled back when it ends.

    Requests of a client are in the same transaction. What waits for the commit is
    never called: see `webframe.test.capture_on_commit`.
    """
    from webframe.test.db import rolled_back

    with rolled_back():
        yield


@pytest.fixture
def committing_db(made_databases: None) -> Iterator[None]:
    """Like `db`, for tests that need real commits, or threads; slower: every table is emptied when the test ends."""
    from webframe.test.db import emptied

    with emptied():
        yield


@pytest.fixture
def app() -> Any:
    """The application, found as the command `webframe` finds it: WEBFRAME_APP, or app.py in the current folder."""
    from webframe.core.management.loading import find_app

    return find_app().app


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest, app: Any) -> Iterator[Client]:
    """A client for `app`; each test that has it runs over both protocols."""
    from webframe.test.client import Client

    # Whatever the order in which a test names them: the client is closed before the database is rolled back.
    for name in ("db", "committing_db"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    with Client(app, protocol=request.param) as client:
        yield client

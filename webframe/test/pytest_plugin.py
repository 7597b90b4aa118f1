"""The plugin for pytest, there as soon as webframe is installed: fixtures, the marker `webframe_db`, `async def` tests.

    def test_an_order_is_kept(db, client):
        assert client.post("/orders", json={"pizza": 1}).status_code == 201
        assert Order.objects.count() == 1

A test that uses a database without having asked for it fails, with an error that
says how to ask. Nothing of webframe but what says so is imported before a test asks
for one of the fixtures. Any of them can be replaced by a fixture of the same name
in a `conftest.py`.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from webframe.test.blocking import Blocker
    from webframe.test.capture import TestSignals
    from webframe.test.client import AsyncClient, AsyncRequestFactory, Client, RequestFactory
    from webframe.test.live_server import LiveServer
    from webframe.test.queries import count_queries as CountQueries

# How a test asks for databases.
MARKER = (
    'webframe_db(transaction=False, databases=None, reset_sequences=False): the test may use the database "default", '
    'or those named in databases ("__all__" for all). It is rolled back, or really committed and deleted with '
    "transaction=True; with reset_sequences=True keys begin with 1."
)
HOW_TO_ASK = (
    'A test asks for databases by the fixture "db" or "transactional_db", or by @pytest.mark.webframe_db; other code '
    'by "with webframe_db_blocker.unblock():".'
)
HOW_TO_ASK_FOR_MORE = (
    'Name it too, in @pytest.mark.webframe_db(databases=[..., {alias!r}]); databases="__all__" are all.'
)


# --- options and order --------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options of pytest-django; where that is installed, it does so itself."""
    if find_spec("pytest_django") is not None:
        return
    group = parser.getgroup("webframe")
    group.addoption("--reuse-db", action="store_true", help="Keep the test databases, and take those of the last run.")
    group.addoption("--create-db", action="store_true", help="Make the test databases anew even with --reuse-db.")
    group.addoption(
        "--no-migrations",
        "--nomigrations",
        action="store_true",
        dest="nomigrations",
        help="Make the tables of test databases from the models, without migrations.",
    )
    group.addoption("--migrations", action="store_false", dest="nomigrations", help="The contrary, which is the rule.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let nobody use databases who has not asked for it, from now on: not while tests are collected either."""
    from webframe.test.blocking import blocker

    config.addinivalue_line("markers", MARKER)
    threads = None if blocker.has_rules else set(threading.enumerate())
    config.stash[_before] = (blocker.block(HOW_TO_ASK), threads)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Allow again what was allowed before, unless threads of tests are still there: they would find real databases."""
    if (before := config.stash.get(_before, None)) is not None:
        rule, threads = before
        if threads is None or threads.issuperset(threading.enumerate()):
            rule.__exit__(None, None, None)


# What forbids the use of databases, and the threads that were there before; None where somebody else decides as well.
_before = pytest.StashKey[tuple[Any, set[threading.Thread] | None]]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let tests be chosen with -k by what `webframe.test.tag` calls them."""
    for tagged in getattr(item, "cls", None), getattr(item, "obj", None):
        tags = getattr(tagged, "tags", None)
        if isinstance(tags, set):
            item.extra_keyword_matches.update(tag for tag in tags if isinstance(tag, str))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests the fixtures that their marker or their kind asks for; those that really commit come last."""
    last: list[pytest.Item] = []
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if _is_run_here(item):
            _give(item, "_webframe_loop")
        if "_webframe_db" in item.fixturenames or item.get_closest_marker("webframe_db") is not None:
            # First, whatever the order in which a test names them: clients are closed and tasks are cancelled before
            # all is rolled back, and other plugins that run async tests begin within the transaction.
            _give(item, "_webframe_db")
        if not {"_webframe_db", "live_server"}.isdisjoint(item.fixturenames):
            really = _wishes(item).transaction
        else:
            really = _is_committing_case(item)
        if really:
            last.append(item)
    if last:
        moved = set(last)
        items[:] = [item for item in items if item not in moved] + last


def _is_committing_case(item: pytest.Function) -> bool:
    """Whether a test is one of a class of ours that commits; those that use databases have those of the session."""
    simple: Any = sys.modules.get("webframe.test.simple")
    if simple is None or item.cls is None or not issubclass(item.cls, simple.SimpleTestCase) or not item.cls.databases:
        return False
    # Before setUpClass(), which would make some that know nothing of the options.
    item.fixturenames = ["webframe_db_setup", *item.fixturenames]
    cases: Any = sys.modules.get("webframe.test.testcases")
    return cases is None or not issubclass(item.cls, cases.TestCase)


def _give(item: pytest.Function, fixture: str) -> None:
    """Let a test have a fixture of ours: after all those that live longer, and before its others."""
    names = [name for name in item.fixturenames if name != fixture]
    known = item._fixtureinfo.name2fixturedefs
    longer = sum(name in known and known[name][-1].scope != "function" for name in names)
    # A new list: what is generated from one function shares the old one.
    item.fixturenames = [*names[:longer], fixture, *names[longer:]]


# --- databases ----------------------------------------------------------------------------------------------------


class Wishes(NamedTuple):
    """What a test asks for: what the marker `webframe_db` takes."""

    transaction: bool = False
    databases: Any = None
    reset_sequences: bool = False


def _wishes(item: pytest.Function) -> Wishes:
    marker = item.get_closest_marker("webframe_db")
    if marker is None or _mistake(marker):  # a mistake is told when the test begins, and fails no other
        wishes = Wishes()
    else:
        wishes = Wishes(*marker.args, **marker.kwargs)
    if wishes.reset_sequences or not _REALLY_COMMITTING.isdisjoint(item.fixturenames):
        return wishes._replace(transaction=True)
    return wishes


def _mistake(marker: pytest.Mark) -> str:
    """What is wrong with the arguments of a marker, or nothing."""
    try:
        inspect.signature(Wishes).bind(*marker.args, **marker.kwargs)
    except TypeError as error:
        from webframe.conf import close_match

        unknown = [name for name in marker.kwargs if name not in Wishes._fields]
        said = f"{error}."
        if unknown:
            said = f"it has no argument {unknown[0]!r}.{close_match(unknown[0], Wishes._fields)}"
        return f"The marker webframe_db is used wrongly: {said} It is {MARKER}"
    return ""


# With these fixtures somebody else than the test has to see what it does.
_REALLY_COMMITTING = {"transactional_db", "live_server"}


@pytest.fixture(scope="session")
def webframe_db_blocker() -> Blocker:
    """Says who may use databases: ``with webframe_db_blocker.unblock():`` in fixtures of a session or a module."""
    from webframe.test.blocking import blocker

    return blocker


@pytest.fixture(scope="session")
def webframe_db_setup(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every alias of DATABASES is a test database from the first test that needs one to the end of the session.

    Override it to put something in that all tests find there.
    """
    from webframe.test.databases import load_app
    from webframe.test.db import made_databases

    load_app()
    option = partial(request.config.getoption, default=False)
    with made_databases(
        reuse=option("reuse_db"),
        create=option("create_db"),
        migrate=not option("nomigrations"),
        suffix=getattr(request.config, "workerinput", {}).get("workerid", ""),
    ):
        yield


@pytest.fixture(scope="session")
def webframe_test_environment() -> Iterator[None]:
    """Every template tells `template_rendered` until the session ends, for tests that have receivers of their own."""
    from webframe.test.environment import setup_test_environment, teardown_test_environment

    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.fixture
def _webframe_db(request: pytest.FixtureRequest, webframe_db_setup: None) -> Iterator[Wishes]:
    """What `db`, `transactional_db` and the marker stand for."""
    from webframe.test.blocking import blocker
    from webframe.test.db import chosen_databases, emptied, rolled_back

    marker = request.node.get_closest_marker("webframe_db")
    if marker is not None and (mistake := _mistake(marker)):
        pytest.fail(mistake, pytrace=False)
    wishes = _wishes(request.node)
    aliases = chosen_databases(wishes.databases)
    with blocker.unblock(*aliases, how_to_ask=HOW_TO_ASK_FOR_MORE):
        if wishes.transaction:
            with emptied(*aliases, reset_sequences=wishes.reset_sequences):
                yield wishes
        else:
            with rolled_back(*aliases):
                yield wishes


@pytest.fixture
def db(_webframe_db: Wishes) -> None:
    """The test may use the database: what it does is rolled back when it ends.

    Requests of a client are in the same transaction. What waits for the commit is
    never called: see the fixture `capture_on_commit`.
    """


@pytest.fixture
def transactional_db(_webframe_db: Wishes) -> None:
    """Like `db`, for tests that need real commits, or threads; slower: what they leave behind has to be deleted."""
    if not _webframe_db.transaction:
        pytest.fail(
            "transactional_db was asked for by getfixturevalue() when the transaction of the test had begun. Let the "
            "test have it as an argument, or mark it with @pytest.mark.webframe_db(transaction=True)."
        )


@pytest.fixture
def count_queries() -> type[CountQueries]:
    """``with count_queries(2):`` fails unless the block asks the database twice; see `webframe.test.count_queries`."""
    from webframe.test.queries import count_queries

    return count_queries


@pytest.fixture
def capture_on_commit() -> Callable[..., Any]:
    """``with capture_on_commit(execute=True):`` calls what waits for the commit, which tests with `db` never reach."""
    from webframe.test.db import capture_on_commit

    return capture_on_commit


# --- the application ----------------------------------------------------------------------------------------------


@pytest.fixture
def app() -> Any:
    """The application, found as the command `webframe` finds it: WEBFRAME_APP, or app.py in the current folder."""
    from webframe.core.management.loading import find_app

    return find_app().app


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest, app: Any) -> Iterator[Client]:
    """A client for `app`; each test that has it runs over both protocols."""
    from webframe.test.client import Client

    with Client(app, protocol=request.param) as client:
        yield client


@pytest.fixture
def async_client(request: pytest.FixtureRequest, app: Any) -> Iterator[AsyncClient]:
    """A client for `app` in ``async def`` tests, where the app runs in the event loop of the test."""
    from webframe.test.client import AsyncClient

    client = AsyncClient(app)
    if not _is_run_here(request.node):
        yield client  # the loop is that of another plugin, which does not let us in
        return
    run = request.getfixturevalue("_webframe_loop")
    run(client.__aenter__())
    yield client
    run(client.__aexit__(None, None, None))


@pytest.fixture
def live_server(request: pytest.FixtureRequest, app: Any) -> Iterator[LiveServer]:
    """A real server for `app`, at ``live_server.url``; over WSGI unless the test is parametrized (indirect: "asgi").

    It sees what is committed, so where there are databases the test commits as with `transactional_db`.
    """
    from webframe.conf import settings
    from webframe.test.live_server import LiveServer

    if settings.DATABASES:
        request.getfixturevalue("transactional_db")
    with LiveServer(app, protocol=getattr(request, "param", "wsgi")) as server:
        yield server


@pytest.fixture
def rf() -> RequestFactory:
    """Makes requests for views that are called without an app."""
    from webframe.test.client import RequestFactory

    return RequestFactory()


@pytest.fixture
def async_rf() -> AsyncRequestFactory:
    """Like `rf`, for requests as they come over ASGI."""
    from webframe.test.client import AsyncRequestFactory

    return AsyncRequestFactory()


# --- settings and signals -----------------------------------------------------------------------------------------


@pytest.fixture
def settings() -> Iterator[Any]:
    """The settings: what is assigned or deleted is put back when the test ends, and `setting_changed` is sent."""
    settings = SettingsOfTest()
    yield settings
    settings.put_back()


class SettingsOfTest:
    """What the fixture `settings` gives: like `webframe.conf.settings`, but it remembers how it was."""

    def __init__(self) -> None:
        object.__setattr__(self, "_overrides", [])

    def __getattr__(self, name: str) -> Any:
        from webframe.conf import settings

        return getattr(settings, name)

    def __setattr__(self, name: str, value: object) -> None:
        from webframe.test.settings import override_settings

        override = override_settings(**{name: value})
        override.enable()
        self._overrides.append(override)

    def __delattr__(self, name: str) -> None:
        from webframe.conf import settings

        setattr(self, name, getattr(settings, name))
        delattr(settings, name)

    def __dir__(self) -> list[str]:
        from webframe.conf import settings

        return dir(settings)

    def put_back(self) -> None:
        """Take everything back, what was set last first."""
        while self._overrides:
            self._overrides.pop().disable()


@pytest.fixture
def signals() -> Iterator[TestSignals]:
    """Captures and mutes signals until the test ends: ``sent = signals.capture(post_save, sender=Order)``."""
    from webframe.test.capture import TestSignals

    with TestSignals() as signals:
        yield signals


# --- async tests --------------------------------------------------------------------------------------------------


def _is_run_here(item: pytest.Item) -> bool:
    """Whether a test is an ``async def`` that no other plugin runs."""
    return (
        type(item) is pytest.Function
        and inspect.iscoroutinefunction(item.obj)
        and "anyio_backend" not in item.fixturenames
        and _OTHERS.isdisjoint(marker.name for marker in item.iter_markers())
    )


# The markers of other plugins for what they run.
_OTHERS = {"anyio", "asyncio", "trio"}


@pytest.fixture
def _webframe_loop() -> Iterator[Callable[[Any], Any]]:
    """The event loop of one test: runs a coroutine in it, in the context of the test, and so in its transaction."""
    import asyncio

    with asyncio.Runner() as runner:
        yield lambda coroutine: runner.run(coroutine, context=copy_context())
        databases = sys.modules.get("webframe.test.db")
        if databases is not None:
            runner.run(databases.end_tasks())


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an ``async def`` test that nobody else has taken."""
    run: Any = pyfuncitem.funcargs.get("_webframe_loop")
    if run is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    run(pyfuncitem.obj(**arguments))
    return True

"""Fixtures of the tests of persistence: every engine, models that live as long as a test, and tables for them.

    def test_x(define, create_tables):
        Pizza = define("Pizza", name=models.CharField(max_length=50))
        create_tables()
        Pizza.objects.create(name="Margherita")

A test with any of the fixtures here runs once for each engine, or for those that
``@pytest.mark.engines("sqlite", ...)`` names. Its settings have two databases,
"default" and "other". Models that a whole file needs are defined in it, in a
registry of its own (`registries.py`), and emptied after each test by `tables`.

A test that is marked with `both_ways` runs twice on each engine: as plain code, and
in a greenlet on an event loop, as behind every method of async code, where all that
it asks goes over the async driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from webframe.apps.registry import Apps
from webframe.greenlets import bridge
from webframe.test import override_settings

from .registries import models_of_a_test
from .servers import KINDS, Server, SQLite


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engines(*vendors): only these of sqlite, postgresql and mysql run the test.")
    config.addinivalue_line("markers", "both_ways: runs as plain code, and once more in a greenlet on an event loop.")
    config.addinivalue_line("markers", "plain_way(why): not on an event loop, although all others in its file do.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("engines")
        metafunc.parametrize("engine", list(KINDS) if marker is None else list(marker.args), indirect=True)
        marked = {marker.name for marker in metafunc.definition.iter_markers()}
        if "both_ways" in marked and "plain_way" not in marked:
            metafunc.fixturenames.append("way")
            metafunc.parametrize("way", ["plain", "loop"])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the body of a test in a greenlet on an event loop, where that is its way."""
    if not hasattr(pyfuncitem, "callspec") or pyfuncitem.callspec.params.get("way") != "loop":
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(bridge(pyfuncitem.obj, **arguments))
    return True


class Engine:
    """One database system, with an empty database for each alias."""

    def __init__(self, server: SQLite | Server) -> None:
        self.server = server
        self.vendor = server.vendor
        # What DATABASES is while a test runs.
        self.databases = {alias: server.create_database(f"webframe_{alias}") for alias in ("default", "other")}
        # Models whose tables are there for as long as the session lasts, by alias.
        self.kept: dict[str, list[type[Any]]] = {alias: [] for alias in self.databases}

    def __repr__(self) -> str:
        return f"<Engine {self.vendor}>"


@pytest.fixture(scope="session")
def engine_for(database_server: Callable[[str], SQLite | Server]) -> Callable[[str], Engine]:
    """Gives the engine of a vendor, with databases that last as long as its server."""
    return cache(lambda vendor: Engine(database_server(vendor)))


@pytest.fixture
def engine(request: pytest.FixtureRequest, engine_for: Callable[[str], Engine]) -> Iterator[Engine]:
    """Each test of persistence runs on every engine; DATABASES is set, and connections are closed when it ends."""
    from webframe.db import connections

    engine = engine_for(request.param)
    with override_settings(DATABASES=engine.databases):
        yield engine
        connections.close_all()


@pytest.fixture
def database(engine: Engine) -> Engine:
    """The same, under the name that reads well where a test asks nothing of it."""
    return engine


class Define:
    """Defines models in a registry of its own."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.registry = models_of_a_test(label)

    def __call__(self, name: str, /, *bases: type[Any], Meta: dict[str, Any] | None = None, **attributes: Any) -> Any:
        """A model with these attributes; `Meta` may be given as a dictionary."""
        from webframe.db import models

        options = {"app_label": self.label, "apps": self.registry, **(Meta or {})}
        inherited = next((base.Meta for base in bases if hasattr(base, "Meta")), None)
        meta = type("Meta", (inherited,) if inherited else (), options)
        namespace = {"__module__": __name__, "__qualname__": name, "Meta": meta, **attributes}
        return type(bases[0] if bases else models.Model)(name, bases or (models.Model,), namespace)


@pytest.fixture
def define() -> Define:
    """Defines models for this test: ``define("Pizza", name=models.CharField(max_length=50), Meta={...})``."""
    return Define("tests")


@pytest.fixture
def create_tables(engine: Engine, define: Define) -> Iterator[Callable[..., None]]:
    """Makes the tables of the models given, or of all that were defined so far; they are dropped after the test."""
    from webframe.db import connections
    from webframe.db.schema import create_all, drop_all

    created: dict[str, list[type[Any]]] = {}

    def create(*models: type[Any], using: str = "default") -> None:
        known = created.setdefault(using, [])
        wanted = [model for model in models or _with_tables(define.registry) if model not in known]
        known += wanted
        if wanted:
            create_all(*wanted, using=using)

    yield create
    connections.close_all()
    for using, models in created.items():
        if models:
            drop_all(*models, using=using)


@pytest.fixture
def tables(engine: Engine) -> Iterator[Callable[..., None]]:
    """Makes the tables of models that a file defines for all its tests; they are emptied after each test."""
    from webframe.db import connections
    from webframe.db.schema import create_all

    used: list[tuple[type[Any], str]] = []

    def make(registry: Apps, *, using: str = "default") -> None:
        models = _with_tables(registry)
        missing = [model for model in models if model not in engine.kept[using]]
        if missing:
            create_all(*missing, using=using)
            engine.kept[using] += missing
        used.extend((model, using) for model in models)

    yield make
    connections.close_all()
    for using in {using for _, using in used}:
        _empty([model for model, alias in used if alias == using], using)


def _with_tables(registry: Apps) -> list[type[Any]]:
    models = registry.get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and not model._meta.proxy]


def _empty(models: list[type[Any]], using: str) -> None:
    from webframe.db import connections, transaction

    connection = connections[using]
    quote = connection.ops.quote_name
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION FOREIGN_KEY_CHECKS = 0")
        for model in reversed(models):
            cursor.execute(f"DELETE FROM {quote(model._meta.db_table)}")
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION FOREIGN_KEY_CHECKS = 1")

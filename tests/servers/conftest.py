"""The fixture `server`: each test that has it runs on every server we know."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from .harness import Server, Visit
from .kinds import KINDS, Kind


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "servers(**attributes): only servers whose Kind has these attributes run the test."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in ("kind", "server"):
        if name in metafunc.fixturenames:
            marker = metafunc.definition.get_closest_marker("servers")
            wanted = {} if marker is None else marker.kwargs
            kinds = [kind for kind in KINDS if all(getattr(kind, key) == value for key, value in wanted.items())]
            metafunc.parametrize(name, kinds, ids=str, indirect=True, scope="session")
            return


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of one server come one after another, so that it is started once."""
    places = [place for place, item in enumerate(items) if _kind_of(item) is not None]
    ours = sorted((items[place] for place in places), key=_order)
    for place, item in zip(places, ours, strict=True):
        items[place] = item


def _kind_of(item: pytest.Item) -> Kind | None:
    callspec = getattr(item, "callspec", None)
    kind = None if callspec is None else callspec.params.get("server") or callspec.params.get("kind")
    return kind if isinstance(kind, Kind) else None


def _order(item: pytest.Item) -> int:
    kind = _kind_of(item)
    return -1 if kind is None else KINDS.index(kind)


@pytest.fixture(scope="session")
def kind(request: pytest.FixtureRequest) -> Kind:
    """A server that is installed, not yet started."""
    return _installed(request.param)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs."""
    kind = _installed(request.param)
    server = Server(kind, tmp_path_factory.mktemp(kind.name))
    try:
        server.start()
        yield server
    finally:
        server.stop()
    server.check()
    counts = Counter(event["event"] for event in server.events())
    assert counts["startup"] == counts["shutdown"]


@pytest.fixture
def visit(server: Server) -> Iterator[Visit]:
    """A client of the server."""
    with server.visit() as visit:
        yield visit


def _installed(kind: Kind) -> Kind:
    missing = [module for module in (kind.module, *kind.needs) if find_spec(module) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"{kind} needs {' and '.join(missing)}, which is not installed.")
    assert not missing, f"In CI every server must run, but {' and '.join(missing)} is not installed."
    return kind


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the output of the server to the report of a test that has failed."""
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(server, Server):
        report.sections.append((f"output of {server.kind}", server.output[-20_000:]))
    return report

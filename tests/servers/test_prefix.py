"""The app below a prefix that the server was told of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Server, Visit
from .kinds import PREFIX, Kind


@pytest.fixture(scope="session")
def server_below(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose app is at PREFIX."""
    server = Server(kind, tmp_path_factory.mktemp(f"{kind.name}-below"), below_prefix=True)
    try:
        server.start()
        yield server
    finally:
        server.stop()
    server.check()


@pytest.fixture
def visit_below(server_below: Server) -> Iterator[Visit]:
    with server_below.visit() as visit:
        yield visit


@pytest.mark.parametrize("style", ["", "/async"], ids=["plain", "async"])
def test_the_app_knows_its_prefix_and_its_path_below_it(visit_below: Visit, style: str) -> None:
    told = visit_below.get(f"{style}/where/somebody").json()
    assert told["root_path"] == PREFIX
    assert told["path"] == f"{style}/where/somebody"
    assert told["url"].startswith(f"http://127.0.0.1:{visit_below.server.port}{PREFIX}{style}/where/somebody?")
    assert told["url_for"] == f"{PREFIX}/where/somebody"


def test_the_paths_of_static_routes_are_found_below_it(visit_below: Visit) -> None:
    assert visit_below.get("/plain").text == "plain"
    assert visit_below.get("/async").text == "async"
    assert visit_below.all_events(2).count("request_started") == 2

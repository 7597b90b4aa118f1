"""Start-up and shutdown: once in each process, whether or not the server says when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness import Server
from .kinds import Kind

LIFESPANS = pytest.mark.parametrize("lifespan", ["plain", "async"])

StartServer = Callable[..., Server]


@pytest.fixture
def start_server(kind: Kind, tmp_path: Path) -> Iterator[StartServer]:
    """Starts a server for one test alone."""
    servers = []

    def start(**options: str) -> Server:
        server = Server(kind, tmp_path, **options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@LIFESPANS
def test_start_up_comes_before_the_first_request_and_shutdown_after_the_last(
    start_server: StartServer, lifespan: str
) -> None:
    server = start_server(lifespan=lifespan)
    with server.visit() as visit:
        for _ in range(3):
            assert visit.get("/plain").text == "plain"
            assert visit.get("/async").text == "async"
        visit.wait_for("request_finished", 6)
        if server.kind.waits_for_requests:
            wire = visit.wire()
            wire.request("GET", "/slow", "seconds=0.5")
            visit.wait_for("view_began")
        server.stop()
    server.check()
    by_process: dict[int, list[str]] = {}
    for event in server.events():
        assert event.get("kind", lifespan) == lifespan
        by_process.setdefault(event["process"], []).append(event["event"])
    assert len(by_process) <= server.kind.processes
    for events in by_process.values():
        counts = Counter(events)
        assert counts["startup"] == counts["shutdown"] == 1
        assert (events[0], events[-1]) == ("startup", "shutdown")


def test_a_server_that_speaks_of_start_up_is_heard_at_once(start_server: StartServer) -> None:
    server = start_server()
    if server.kind.speaks_lifespan:
        server.wait_for("startup")
    else:
        assert server.events() == []
        with server.visit() as visit:
            visit.get("/plain")
        server.wait_for("startup")

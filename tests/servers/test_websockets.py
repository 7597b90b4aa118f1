"""WebSockets on the servers that pass them on; each has a pair of signals of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .harness import PATIENCE, Server, Visit

client = pytest.importorskip("websockets.sync.client")
exceptions = pytest.importorskip("websockets.exceptions")

pytestmark = pytest.mark.servers(protocol="asgi")


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def early_visit(server: Server, tmp_path: Path) -> Iterator[Visit]:
    """A client of a server that does something about errors of the app.

    daphne looks for them once in a second, and so closes a WebSocket whose app
    has failed. It never looks again after it has found a body that failed in the
    middle while its client was still there. Whether it found one of those that
    the tests of streams send is a matter of luck: it serves this test afresh.
    """
    if server.kind.after_failure != "open":
        with server.visit() as visit:
            yield visit
        return
    afresh = Server(server.kind, tmp_path)
    try:
        afresh.start()
        with afresh.visit() as visit:
            yield visit
    finally:
        afresh.stop()
    afresh.check()


def close_code(websocket: client.ClientConnection, visit: Visit) -> int | None:
    """With what the server closes the connection, without having sent anything."""
    try:
        with pytest.raises(exceptions.ConnectionClosed):
            websocket.recv(PATIENCE)
    except TimeoutError:
        server = visit.server
        message = f"{server.kind} does not close the connection ({websocket.state.name}): {visit.events()}"
        raise AssertionError(f"{message}\n{server.output}") from None
    code: int | None = websocket.close_code
    return code


@contextmanager
def connected(visit: Visit, path: str) -> Iterator[client.ClientConnection]:
    address = visit.server.url.replace("http:", "ws:")
    with client.connect(f"{address}{path}?token={visit.token}", open_timeout=PATIENCE, proxy=None) as websocket:
        yield websocket


def test_text_and_bytes_come_back_until_the_client_closes(visit: Visit) -> None:
    with connected(visit, "/echo/somebody") as websocket:
        assert websocket.recv(PATIENCE) == "hello somebody"
        for message in ("größer", b"\x00\xff", "x" * 100_000):
            websocket.send(message)
            assert websocket.recv(PATIENCE) == message
        assert "websocket_finished" not in visit.events()
    visit.wait_for("websocket_finished")
    assert visit.events() == ["websocket_started", "conversation_ended", "websocket_finished"]


def test_a_client_that_vanishes_ends_the_conversation(visit: Visit) -> None:
    with connected(visit, "/echo/somebody") as websocket:
        assert websocket.recv(PATIENCE) == "hello somebody"
        websocket.socket.shutdown(2)
    visit.wait_for("websocket_finished")
    assert visit.events() == ["websocket_started", "conversation_ended", "websocket_finished"]


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("path", ["/flood", "/ticker"])
def test_a_client_that_vanishes_ends_a_view_that_only_sends(visit: Visit, path: str, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", path, headers=HANDSHAKE)
    wire.receive_until(b"\r\n\r\n")
    wire.go_away(how)
    visit.wait_for("websocket_finished")
    assert visit.events() == ["websocket_started", "conversation_ended", "websocket_finished"]


def test_an_error_is_announced_and_closes_with_1011(early_visit: Visit) -> None:
    with connected(early_visit, "/echo/failing") as websocket:
        assert close_code(websocket, early_visit) == 1011
    early_visit.wait_for("websocket_finished")
    assert early_visit.events() == ["websocket_started", "got_request_exception", "websocket_finished"]


def test_an_unknown_address_is_refused(visit: Visit) -> None:
    with pytest.raises(exceptions.InvalidStatus) as refused, connected(visit, "/nowhere"):
        pass
    assert refused.value.response.status_code == (404 if visit.server.kind.refuses_with_responses else 403)
    visit.wait_for("websocket_finished")
    assert visit.events() == ["websocket_started", "websocket_finished"]

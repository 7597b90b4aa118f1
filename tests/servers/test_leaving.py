"""Clients that go away in the middle of an answer, of a view, of their own upload: nothing is lost, nothing runs on."""

from __future__ import annotations

import random
import threading

import pytest

from .harness import Server, Visit
from .kinds import Kind

STYLES = pytest.mark.parametrize("style", ["", "/async"], ids=["plain", "async"])
LEAVING = pytest.mark.parametrize("how", ["closed", "reset"])


def long_body(kind: Kind) -> str:
    """The query for a body that ends only because the client goes; or, where a server does not notice, a long one."""
    return "chunks=50" if kind.exhausts_bodies else ""


@STYLES
@LEAVING
def test_going_away_in_the_middle_of_a_stream_stops_it(visit: Visit, style: str, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", f"{style}/endless", long_body(visit.server.kind))
    wire.receive_until(b"xxx")
    wire.go_away(how)
    assert visit.all_events() == ["request_started", "body_closed", "request_finished"]


@STYLES
@LEAVING
def test_going_away_in_the_middle_of_a_file_finishes_the_request(visit: Visit, style: str, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", f"{style}/file")
    wire.receive_until(b"\r\n\r\n")
    wire.go_away(how)
    assert visit.all_events() == ["request_started", "request_finished"]


@pytest.mark.servers(protocol="asgi")
@LEAVING
def test_going_away_stops_a_stream_that_has_nothing_to_send(visit: Visit, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", "/async/endless/silent", "seconds=60")
    wire.receive_until(b"xxx")
    wire.go_away(how)
    assert visit.all_events() == ["request_started", "body_closed", "request_finished"]


@pytest.mark.servers(protocol="asgi")
@LEAVING
def test_going_away_cancels_an_async_view(visit: Visit, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", "/async/slow", "seconds=60")
    visit.wait_for("view_began")
    wire.go_away(how)
    assert visit.all_events() == ["request_started", "view_began", "view_cancelled", "request_finished"]


@pytest.mark.servers(protocol="wsgi")
@LEAVING
def test_going_away_is_not_heard_of_by_an_async_view_under_wsgi(visit: Visit, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", "/async/slow", "seconds=0.3")
    visit.wait_for("view_began")
    wire.go_away(how)
    assert visit.all_events() == ["request_started", "view_began", "view_ended", "request_finished"]


@LEAVING
def test_a_plain_view_runs_to_its_end_and_the_request_finishes_after_it(visit: Visit, how: str) -> None:
    wire = visit.wire()
    wire.request("GET", "/slow", "seconds=0.3")
    visit.wait_for("view_began")
    wire.go_away(how)
    assert visit.all_events() == ["request_started", "view_began", "view_ended", "request_finished"]


@pytest.mark.servers(name="gunicorn-asgi")
def test_a_plain_view_that_the_server_cancels_runs_to_its_end_all_the_same(visit: Visit) -> None:
    """gunicorn cancels what still runs three seconds after its client has gone."""
    wire = visit.wire()
    wire.request("GET", "/slow", "seconds=3.5")
    visit.wait_for("view_began")
    wire.go_away("closed")
    assert visit.all_events() == ["request_started", "view_began", "view_ended", "request_finished"]


@STYLES
@LEAVING
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("route", ["/upload", "/upload/streamed"])
def test_going_away_in_the_middle_of_an_upload_loses_nothing(
    visit: Visit, style: str, how: str, framing: str, route: str
) -> None:
    wire = visit.wire()
    if framing == "length":
        wire.request("POST", style + route, headers={"Content-Length": "1000000"}, body=b"x" * 100_000)
    else:
        wire.request("POST", style + route, headers={"Transfer-Encoding": "chunked"})
        wire.send_chunks([b"x" * 50_000, b"x" * 50_000])
    wire.go_away(how)
    # Whether a request has begun at all depends on the server and on how much it had read; but what has begun ends.
    with visit.server.visit() as other:
        assert other.get("/plain").text == "plain"
        other.wait_for("request_finished")
    events = visit.wait_for_balance()
    assert "got_request_exception" not in events
    if visit.server.kind.buffers_requests and not visit.server.kind.passes_on_broken_requests:
        assert events == []


def test_many_clients_that_come_and_go_leave_nothing_behind(server: Server) -> None:
    chance = random.Random(20)
    stories = [
        (style + path, how)
        for style in ("", "/async")
        for path in ("/endless", "/slow", "/stream", "/stream/failing", "/failing", "/background")
        for how in ("stay", "closed", "reset")
    ]
    chance.shuffle(stories)
    visit = server.visit()
    lock = threading.Lock()

    def come_and_go() -> None:
        while True:
            with lock:
                if not stories:
                    return
                path, how = stories.pop()
            wire = visit.wire()
            wire.request("GET", path, "seconds=0.1&chunks=20", headers={"Connection": "close"})
            if path.endswith("/endless"):
                wire.receive_until(b"xxx")
            elif path.endswith("/failing"):
                wire.receive_until(b"HTTP/1.1 ")
            elif how == "stay":
                wire.receive_to_end()
            wire.go_away(how)

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with server.visit() as other:
        assert other.get("/plain").text == "plain"
    visit.wait_for_balance()

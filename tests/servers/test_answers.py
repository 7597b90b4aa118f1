"""Answers that are known as a whole: the same on every server, each framed by one pair of signals."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from .harness import Server, Visit

PAIR = ["request_started", "request_finished"]

STYLES = pytest.mark.parametrize("style", ["", "/async"], ids=["plain", "async"])


@STYLES
def test_an_answer_arrives(visit: Visit, style: str) -> None:
    response = visit.get(style or "/plain")
    assert (response.status_code, response.text) == (200, style[1:] or "plain")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert visit.all_events() == PAIR


@STYLES
def test_the_server_speaks_the_protocol_it_should(visit: Visit, style: str) -> None:
    assert visit.get(f"{style}/json").json() == {"protocol": visit.server.kind.protocol}


def test_senders_are_the_handlers_and_only_asgi_has_a_scope(visit: Visit) -> None:
    protocol = visit.server.kind.protocol
    visit.get("/plain")
    visit.wait_for("request_finished")
    started, finished = visit.details()
    assert started["sender"] == finished["sender"] == protocol.upper() + "Handler"
    assert started["scope"] is (protocol == "asgi")


@STYLES
def test_an_error_is_announced_once_and_answered_with_500(visit: Visit, style: str) -> None:
    response = visit.get(f"{style}/failing")
    assert response.status_code == 500
    assert "on purpose" not in response.text
    assert visit.all_events() == ["request_started", "got_request_exception", "request_finished"]


def test_a_cancellation_that_nobody_has_asked_for_is_an_error_and_the_server_goes_on(visit: Visit) -> None:
    for number in 1, 2:
        assert visit.get("/async/cancelled").status_code == 500
        # A server may end a request only after its client has the answer.
        assert visit.all_events(number) == ["request_started", "got_request_exception", "request_finished"] * number


def test_an_unknown_address_is_a_404_and_no_error(visit: Visit) -> None:
    assert visit.get("/nowhere").status_code == 404
    assert visit.all_events() == PAIR


def test_another_method_is_a_405_with_allow(visit: Visit) -> None:
    response = visit.post("/plain")
    assert response.status_code == 405
    assert {"GET", "HEAD"} <= set(response.headers["allow"].split(", "))
    assert visit.all_events() == PAIR


def test_an_unknown_host_is_a_400(visit: Visit) -> None:
    response = visit.client.get("/plain", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert visit.all_events() == PAIR


@pytest.mark.servers(finds_paths_in_addresses=True)
def test_a_whole_address_for_a_target_is_answered_by_its_path(visit: Visit) -> None:
    wire = visit.wire()
    wire.request("GET", f"http://127.0.0.1:{visit.server.port}/where/a%20b", headers={"Connection": "close"})
    answer = wire.receive_to_end()
    assert b" 200 " in answer.split(b"\r\n")[0]
    assert b'"/where/a b"' in answer
    assert visit.all_events() == PAIR


@STYLES
def test_head_has_the_headers_of_get_and_no_body(visit: Visit, style: str) -> None:
    path = style or "/plain"
    wire = visit.wire()
    wire.request("HEAD", path, headers={"Connection": "close"})
    head, _, body = wire.receive_to_end().partition(b"\r\n\r\n")
    assert b" 200 " in head
    assert b"content-length: 5" in head.lower()
    assert body == b""
    assert visit.all_events() == PAIR


@STYLES
def test_head_of_a_stream_does_not_run_it(visit: Visit, style: str) -> None:
    assert visit.client.head(f"{style}/endless").status_code == 200
    assert visit.all_events() == PAIR  # the generator was never begun, so there was nothing to close in it


@STYLES
def test_204_has_no_body_and_no_length(visit: Visit, style: str) -> None:
    wire = visit.wire()
    wire.request("GET", f"{style}/empty", headers={"Connection": "close"})
    head, _, body = wire.receive_to_end().partition(b"\r\n\r\n")
    assert b" 204 " in head
    assert b"content-length" not in head.lower()
    assert body == b""
    assert visit.all_events() == PAIR


def test_a_connection_that_is_kept_alive_stays_in_step(visit: Visit) -> None:
    for _ in range(3):
        assert visit.client.head("/plain").text == ""
        assert visit.get("/empty").text == ""
        assert visit.get("/plain").text == "plain"
        assert visit.get("/async/stream", chunks=3).text == "0\n1\n2\n"
        assert visit.get("/nowhere").status_code == 404
    assert visit.all_events(15).count("request_started") == 15


@STYLES
def test_background_work_and_closers_come_before_request_finished(visit: Visit, style: str) -> None:
    assert visit.get(f"{style}/background").text == "there is more to do"
    assert visit.all_events() == ["request_started", "background", "closed", "request_finished"]


@STYLES
def test_text_that_is_not_ascii_arrives_in_path_and_query(visit: Visit, style: str) -> None:
    response = visit.get(f"{style}/where/café 日本", größe="ü&=")
    told = response.json()
    assert told["name"] == "café 日本"
    assert told["path"] == f"{style}/where/café 日本"
    assert told["args"] == {"token": visit.token, "größe": "ü&="}
    assert told["url_for"] == "/where/" + quote("café 日本")
    assert told["url"].startswith(f"{visit.server.url}{style}/where/café")


@pytest.mark.alone
@STYLES
def test_a_slow_view_keeps_nobody_else_waiting(server: Server, visit: Visit, style: str) -> None:
    wire = visit.wire()
    wire.request("GET", f"{style}/slow", "seconds=1", headers={"Connection": "close"})
    visit.wait_for("view_began")
    with server.visit() as other:
        assert other.get("/plain").text == "plain"
        assert other.get("/async").text == "async"
    assert "view_ended" not in visit.events()
    assert b" 200 " in wire.receive_to_end()
    assert visit.all_events() == ["request_started", "view_began", "view_ended", "request_finished"]


@STYLES
def test_requests_at_the_same_time_do_not_disturb_each_other(server: Server, style: str) -> None:
    visits = [server.visit() for _ in range(6)]
    together = threading.Barrier(len(visits))

    def come(visit: Visit) -> list[str]:
        together.wait()
        return [visit.get(f"{style}/where/{visit.token}").json()["args"]["token"] for _ in range(4)]

    with ThreadPoolExecutor(len(visits)) as threads:
        answers = list(threads.map(come, visits))
    assert answers == [[visit.token] * 4 for visit in visits]
    for visit in visits:
        assert sorted(visit.all_events(4)) == sorted(PAIR * 4)
        visit.close()

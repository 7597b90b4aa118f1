"""Bodies that are sent as they come, to clients that stay to the end."""

from __future__ import annotations

import pytest

from .harness import Visit

STYLES = pytest.mark.parametrize("style", ["", "/async"], ids=["plain", "async"])


@STYLES
def test_a_stream_arrives_and_finishes_after_its_last_chunk(visit: Visit, style: str) -> None:
    response = visit.get(f"{style}/stream", chunks=100)
    assert response.text == "".join(f"{number}\n" for number in range(100))
    assert visit.all_events() == ["request_started", "last_chunk", "body_closed", "request_finished"]


@STYLES
def test_a_stream_without_chunks_is_an_empty_answer(visit: Visit, style: str) -> None:
    response = visit.get(f"{style}/stream", chunks=0)
    assert (response.status_code, response.text) == (200, "")
    assert visit.all_events() == ["request_started", "last_chunk", "body_closed", "request_finished"]


@STYLES
def test_chunks_come_before_the_stream_is_at_its_end(visit: Visit, style: str) -> None:
    with visit.client.stream("GET", f"{style}/endless", params={"chunks": 50}) as response:
        chunks = response.iter_raw()
        length = len(next(chunks))
        assert "request_finished" not in visit.events()
        assert length + sum(map(len, chunks)) == 50 * 16 * 1024
    visit.wait_for("request_finished")


@STYLES
def test_an_error_in_the_middle_ends_the_answer_and_the_request(visit: Visit, style: str) -> None:
    wire = visit.wire()
    wire.request("GET", f"{style}/stream/failing", headers={"Connection": "close"})
    answer = wire.receive_until(b"one\n")
    assert visit.all_events() == ["request_started", "failing", "request_finished"]
    if visit.server.kind.after_failure != "open":
        answer = wire.receive_to_end()
        # The last chunk of a complete body is empty.
        assert answer.endswith(b"0\r\n\r\n") is (visit.server.kind.after_failure == "complete")
    assert b" 200 " in answer.partition(b"\r\n")[0]
    assert b"on purpose" not in answer


@STYLES
def test_the_server_goes_on_after_an_error_in_the_middle(visit: Visit, style: str) -> None:
    wire = visit.wire()
    wire.request("GET", f"{style}/stream/failing")
    wire.receive_until(b"one\n")
    assert visit.get("/plain").text == "plain"
    visit.wait_for("request_finished", 2)

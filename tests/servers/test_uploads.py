"""Bodies of requests: large ones arrive whole, and those over the limit are refused."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest

from .harness import Visit

PAIR = ["request_started", "request_finished"]

STYLES = pytest.mark.parametrize("style", ["", "/async"], ids=["plain", "async"])
ROUTES = pytest.mark.parametrize("route", ["/upload", "/upload/streamed"])

# Ten megabytes that do not repeat.
BODY = random.Random(10).randbytes(10_000_000)
DIGEST = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}

# What a body may have on the limited routes.
LIMIT = 1000


def in_pieces(body: bytes) -> Iterator[bytes]:
    """The body as httpx sends it in chunks."""
    for start in range(0, len(body), 200_000):
        yield body[start : start + 200_000]


@STYLES
@ROUTES
def test_ten_megabytes_arrive(visit: Visit, style: str, route: str) -> None:
    assert visit.post(style + route, content=BODY).json() == DIGEST
    assert visit.all_events() == PAIR


@STYLES
@ROUTES
def test_ten_megabytes_arrive_in_chunks(visit: Visit, style: str, route: str) -> None:
    assert visit.post(style + route, content=in_pieces(BODY)).json() == DIGEST
    assert visit.all_events() == PAIR


@STYLES
def test_a_file_of_ten_megabytes_arrives_in_a_form(visit: Visit, style: str) -> None:
    response = visit.post(f"{style}/upload/form", data={"title": "größer"}, files={"file": ("a.bin", BODY)})
    assert response.json() == {"title": "größer", **DIGEST}
    assert visit.all_events() == PAIR


@STYLES
def test_a_body_at_the_limit_is_taken(visit: Visit, style: str) -> None:
    assert visit.post(f"{style}/upload/limited", content=b"x" * LIMIT).json()["size"] == LIMIT


@STYLES
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_the_limit_is_a_413(visit: Visit, style: str, framing: str) -> None:
    body = b"x" * (LIMIT + 1)
    response = visit.post(f"{style}/upload/limited", content=body if framing == "length" else iter([body]))
    assert response.status_code == 413
    assert visit.all_events() == PAIR


@pytest.mark.servers(buffers_requests=False)
@STYLES
def test_a_body_announced_over_the_limit_is_refused_before_it_comes(visit: Visit, style: str) -> None:
    wire = visit.wire()
    wire.request("POST", f"{style}/upload/limited", headers={"Content-Length": "100000000"})
    assert b" 413 " in wire.receive_until(b"\r\n")
    assert visit.all_events() == PAIR


@STYLES
def test_the_next_request_is_answered_after_a_refused_one(visit: Visit, style: str) -> None:
    assert visit.post(f"{style}/upload/limited", content=b"x" * 100_000).status_code == 413
    with visit.server.visit() as other:  # on a connection of its own: what is left of the body may close the first
        assert other.get("/plain").text == "plain"
    assert visit.all_events() == PAIR

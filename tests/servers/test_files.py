"""Files: whole, in part, and not at all for those who have them."""

from __future__ import annotations

import pytest

from .harness import Visit

PAIR = ["request_started", "request_finished"]

STYLES = pytest.mark.parametrize("style", ["", "/async"], ids=["plain", "async"])

CONTENT = bytes(range(256)) * 40_000


@STYLES
def test_a_file_arrives(visit: Visit, style: str) -> None:
    response = visit.get(f"{style}/file")
    assert response.content == CONTENT
    assert response.headers["content-length"] == str(len(CONTENT))
    assert visit.all_events() == PAIR


@STYLES
def test_a_part_of_a_file_arrives(visit: Visit, style: str) -> None:
    response = visit.client.get(f"{style}/file", headers={"Range": "bytes=256-258"})
    assert (response.status_code, response.content) == (206, CONTENT[256:259])
    assert visit.all_events() == PAIR


@STYLES
def test_a_file_that_the_client_has_is_not_sent_again(visit: Visit, style: str) -> None:
    etag = visit.client.head(f"{style}/file").headers["etag"]
    response = visit.client.get(f"{style}/file", headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert sorted(visit.all_events(2)) == sorted(PAIR * 2)

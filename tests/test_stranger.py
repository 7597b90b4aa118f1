"""What somebody new to it, or up to no good, found out that nobody had asked before; on both protocols."""

from __future__ import annotations

from typing import Any

import pytest

from webframe import Request, Webframe
from webframe.test import Client


@pytest.mark.parametrize("kind", ["plain view", "async view"])
def test_a_body_that_the_view_reads_is_iterated_in_pieces_whatever_it_is(
    app: Webframe, client: Client, protocol: str, kind: str
) -> None:
    """By lines, a body without line breaks would be in memory as a whole, and one of line breaks take for ever."""

    def plain(request: Request) -> Any:
        return [len(piece) for piece in request.stream]

    async def asynchronous(request: Request) -> Any:
        return [len(piece) async for piece in request.stream]  # type: ignore[attr-defined]  # IncomingBody's

    app.post("/", stream=True)(plain if kind == "plain view" else asynchronous)
    for body in b"x" * 300_000, b"\n" * 300_000:
        sizes = client.post("/", content=body).json()
        assert sum(sizes) == 300_000
        if protocol == "wsgi":
            assert max(sizes) == 64 * 1024
            assert len(sizes) == 5

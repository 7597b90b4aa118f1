"""What a WebSocket is accepted with."""

from __future__ import annotations

import asyncio

import pytest

from webframe.core.handlers.websocket import WebSocket


def accepted(**options):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(WebSocket({"type": "websocket", "headers": []}, receive, send).accept(**options))
    return sent


def test_header_fields_are_sent_in_lower_case():
    assert accepted(headers=[("X-Room", "kitchen")])[0]["headers"] == [(b"x-room", b"kitchen")]


@pytest.mark.parametrize(
    "field",
    [("X-Room", "a\r\nSet-Cookie: b"), ("X-Room", "a\0"), ("X-Room", "a\x01"), ("X\nRoom", "a"), ("X-Room", "日本")],
)
def test_header_fields_that_would_end_early_are_refused_before_anything_is_sent(field):
    with pytest.raises(ValueError, match="cannot be sent"):
        accepted(headers=[field])

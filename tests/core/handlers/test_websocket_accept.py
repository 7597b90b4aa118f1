"""What a WebSocket is accepted with."""

from __future__ import annotations

import asyncio

import pytest

from webframe.core.exceptions import ClientDisconnected
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


def accept_over(error, *messages):
    """Accept a handshake of which the server says that it cannot; it gives these messages after the first."""
    waiting = [{"type": "websocket.connect"}, *messages]

    async def receive():
        if not waiting:
            await asyncio.sleep(10)
        return waiting.pop(0)

    async def send(message):
        raise error

    async def main():
        websocket = WebSocket({"type": "websocket", "headers": []}, receive, send)
        try:
            await websocket.accept()
        finally:
            await websocket._inbox.end()

    asyncio.run(main())


GONE = {"type": "websocket.disconnect", "code": 1006}


@pytest.mark.parametrize(
    ("error", "messages"),
    [(ConnectionResetError("gone"), []), (RuntimeError("the handler is closed"), [GONE])],
    ids=["uvicorn", "uvloop"],
)
def test_a_client_that_has_gone_before_it_is_accepted_is_no_error_of_the_view(error, messages):
    with pytest.raises(ClientDisconnected):
        accept_over(error, *messages)


def test_an_error_of_a_server_that_has_not_lost_its_client_is_passed_on():
    with pytest.raises(RuntimeError, match="twice"):
        accept_over(RuntimeError("accepted twice"))

"""Servers that refuse to close a WebSocket with the code they are given: daphne knows only 1000 and 3000 to 4999."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.handlers.websocket import WebSocket

CONNECT = {"type": "websocket.connect"}


def talk(app: Webframe, path: str) -> tuple[list[int], Exception | None]:
    """The codes with which an app asks such a server to close, and the error that the server hears of in the end."""
    codes: list[int] = []

    async def receive() -> dict[str, Any]:
        return CONNECT

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "websocket.close":
            code = message["code"]
            codes.append(code)
            if code != 1000 and not 3000 <= code <= 4999:
                raise Exception(f"invalid close code {code}")

    scope = {
        "type": "websocket",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    try:
        asyncio.run(app(scope, receive, send))
    except Exception as error:
        return codes, error
    return codes, None


@pytest.mark.parametrize("mounted", [False, True], ids=["view", "mounted"])
def test_a_connection_that_the_server_does_not_close_is_not_taken_for_closed(app: Webframe, mounted: bool) -> None:
    """The server hears of an error, so that it does not keep the connection open for ever."""

    async def close(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1008})

    if mounted:
        app.mount("/close", close)
    else:

        @app.websocket("/close")
        async def view(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close(1008)

    codes, error = talk(app, "/close")
    assert codes == [1008, 1011]
    assert str(error) == "invalid close code 1011"


def test_a_view_may_close_with_another_code_then(app: Webframe) -> None:
    @app.websocket("/close")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(Exception, match="invalid close code 1008"):
            await websocket.close(1008)
        assert websocket.state == "open"
        await websocket.close(4008)
        assert websocket.state == "closed"

    assert talk(app, "/close") == ([1008, 4008], None)

"""Servers that cannot close a WebSocket: daphne knows only the codes 1000 and 3000 to 4999, and clients may be gone."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.exceptions import ClientDisconnected
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


def lose(app: Webframe, *, when: str, extensions: tuple[str, ...] = ()) -> None:
    """A client of /lost goes away at the moment when something is sent, which uvloop has a RuntimeError for."""
    gone = asyncio.Event()
    waiting = [CONNECT]

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == when:
            gone.set()
            raise RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")

    scope = {
        "type": "websocket",
        "path": "/lost",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "extensions": dict.fromkeys(extensions, {}),
    }

    async def main() -> None:
        await asyncio.wait_for(app(scope, receive, send), 10)

    asyncio.run(main())


@pytest.mark.parametrize("by_itself", [False, True], ids=["webframe", "the view"])
def test_a_client_that_goes_away_while_it_is_closed_is_no_error(
    app: Webframe, by_itself: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/lost")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        if by_itself:
            await websocket.close()
            assert websocket.state == "closed"

    lose(app, when="websocket.close")
    assert not caplog.records


def test_a_client_that_goes_away_while_it_is_refused_is_no_error(
    app: Webframe, caplog: pytest.LogCaptureFixture
) -> None:
    lose(app, when="websocket.http.response.start", extensions=("websocket.http.response",))
    assert not caplog.records


def test_a_mounted_app_whose_client_goes_away_is_told_so(app: Webframe, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        with pytest.raises(ClientDisconnected):
            await send({"type": "websocket.send", "text": "Hello!"})
        assert (await receive())["type"] == "websocket.disconnect"

    app.mount("/lost", talk)
    lose(app, when="websocket.send")
    assert not caplog.records

"""ASGI apps that are mounted: how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from webframe import Webframe
from webframe.test.client import Client

START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}


async def be_cancelled() -> None:
    """Await something that somebody has cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.timeout(10)
def test_an_asgi_app_that_ends_in_a_cancellation_of_its_own_has_failed(
    app: Webframe, client: Client, heard: Any
) -> None:
    async def cancelled(scope: Any, receive: Any, send: Any) -> None:
        await be_cancelled()

    app.mount("/inner", cancelled)
    app.errorhandler(500)(lambda request, error: (f"{type(error).__name__}: {error}", 500))
    response = client.get("/inner/")
    assert response.status_code == 500
    assert response.text.startswith("RuntimeError: The mounted app")
    assert "was cancelled" in response.text
    assert heard.counts == (1, 1, 1)


@pytest.mark.timeout(10)
def test_a_cancellation_in_the_midst_of_the_body_breaks_it_off(app: Webframe, serve: Any, heard: Any) -> None:
    async def cancelled(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(PART)
        await be_cancelled()

    app.mount("/inner", cancelled)
    with pytest.raises(RuntimeError, match="was cancelled"):
        serve(app, "/inner/")
    assert heard.counts == (1, 0, 1)


@pytest.mark.timeout(10)
def test_an_exit_in_an_asgi_app_is_raised_where_the_request_is_served(app: Webframe, serve: Any, heard: Any) -> None:
    async def leaving(scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit(3)

    app.mount("/inner", leaving)
    with pytest.raises(SystemExit):
        serve(app, "/inner/")
    assert heard.counts == (1, 0, 1)

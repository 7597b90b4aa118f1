"""ASGI apps that are mounted: how they end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.handlers import mounts
from webframe.test.client import Client

START = {"type": "http.response.start", "status": 200, "headers": []}
WHOLE = {"type": "http.response.body", "body": b"whole"}
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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.timeout(10)
def test_what_an_asgi_app_does_after_its_last_byte_runs_to_its_end_before_the_request_finishes(
    app: Webframe, client: Client, heard: Any, method: str
) -> None:
    async def busy(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(WHOLE)
        await asyncio.sleep(0.02)
        heard((await receive())["type"])
        await send(WHOLE)  # which nobody takes
        heard("task")

    app.mount("/inner", busy)
    assert client.request(method, "/inner/").text == ("whole" if method == "GET" else "")
    assert heard.events == ["started", "http.disconnect", "task", "finished"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("failure", ["error", "cancellation"])
def test_an_error_after_the_last_byte_of_an_asgi_app_is_logged(
    app: Webframe, client: Client, heard: Any, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(WHOLE)
        await asyncio.sleep(0)
        if failure == "error":
            raise ValueError("too late")
        await be_cancelled()

    app.mount("/inner", failing)
    with caplog.at_level(logging.ERROR, "webframe.request"):
        assert client.get("/inner/").text == "whole"
    (record,) = caplog.records
    assert "the mounted app" in record.getMessage()
    assert "failed after the response" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is (ValueError if failure == "error" else RuntimeError)
    assert heard.events == ["started", "finished"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("why", ["HEAD", "304", "204"])
def test_an_asgi_app_whose_body_is_not_sent_says_all_of_it_to_nobody(
    app: Webframe, client: Client, heard: Any, why: str
) -> None:
    async def in_pieces(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START | {"status": 204 if why == "204" else 200, "headers": [(b"etag", b'"1"')]})
            for _ in range(5):
                await asyncio.sleep(0)
                await send(PART)
            heard((await receive())["type"])
            heard((await receive())["type"])
            await send(WHOLE)
            await asyncio.sleep(0.02)
            heard("task")
        except asyncio.CancelledError:
            heard("cancelled")
            raise

    app.mount("/inner", in_pieces)
    headers = {"If-None-Match": '"1"'} if why == "304" else {}
    response = client.request("HEAD" if why == "HEAD" else "GET", "/inner/", headers=headers)
    assert (response.status_code, response.text) == (200 if why == "HEAD" else int(why), "")
    assert heard.events == ["started", "http.request", "http.disconnect", "task", "finished"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("at_once", [False, True])
def test_an_error_in_a_body_that_is_not_sent_is_logged(
    app: Webframe, client: Client, heard: Any, caplog: pytest.LogCaptureFixture, at_once: bool
) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(PART)
        if not at_once:
            await send(PART)
            await asyncio.sleep(0.01)
        raise ValueError("in the midst")

    app.mount("/inner", failing)
    with caplog.at_level(logging.ERROR, "webframe.request"):
        assert client.head("/inner/").status_code == 200
    (record,) = caplog.records
    assert "the mounted app" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError
    assert heard.counts == (1, 0, 1)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("waiting", [False, True], ids=["talking", "waiting"])
def test_a_body_without_end_that_is_not_sent_is_cancelled_after_a_while(
    app: Webframe, client: Client, heard: Any, monkeypatch: pytest.MonkeyPatch, waiting: bool
) -> None:
    monkeypatch.setattr(mounts, "PATIENCE", 0.05)

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(START)
            while True:
                await send(PART)
                if waiting:
                    await asyncio.sleep(20)
        except asyncio.CancelledError:
            heard("cancelled")
            raise

    app.mount("/inner", endless)
    assert client.head("/inner/").status_code == 200
    assert heard.events == ["started", "cancelled", "finished"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("stubborn", [False, True], ids=["obedient", "stubborn"])
def test_an_asgi_app_whose_body_is_not_complete_is_cancelled_when_the_client_goes(
    app: Webframe, wsgi: Any, asgi: Any, protocol: str, heard: Any, stubborn: bool
) -> None:
    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(PART)
        except asyncio.CancelledError:
            heard("cancelled")
            if not stubborn:
                raise
            await send(PART)
            await send(PART)

    app.mount("/inner", streaming)
    if protocol == "wsgi":
        exchange = wsgi(app, "/inner/")
        assert next(exchange.result) == b"part"
        exchange.close()
    else:

        def leave(message: Any) -> None:
            if message["type"] == "http.response.body":
                raise OSError("The client has gone.")

        asyncio.run(asgi(app, "/inner/", on_send=leave).run())
    assert heard.events == ["started", "cancelled", "finished"]


def test_an_asgi_app_is_not_offered_messages_of_the_server_that_would_not_reach_it(app: Webframe, asgi: Any) -> None:
    """Starlette sends a file as nothing but its path to servers that say they can."""
    offered = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        offered.append(scope["extensions"])
        await send(START)
        await send(WHOLE)

    app.mount("/inner", inner)
    extensions = {"http.response.pathsend": {}, "http.response.trailers": {}, "tls": {"tls_version": 0x0304}}
    asyncio.run(asgi(app, "/inner/", extensions=extensions).run())
    assert offered == [{"tls": {"tls_version": 0x0304}}]
    assert "http.response.pathsend" in extensions


@pytest.mark.parametrize(
    ("told", "raw_path"),
    [
        ({"RAW_URI": "/inner/a%2Fb?c=%20"}, b"/inner/a%2Fb"),
        ({"REQUEST_URI": "/inner/a%2Fb"}, b"/inner/a%2Fb"),
        ({"REQUEST_URI": "http://testserver/inner/a/b"}, None),
        ({}, None),
    ],
    ids=["gunicorn", "uwsgi", "whole address", "nothing"],
)
def test_an_asgi_app_has_the_path_as_it_was_written_if_the_wsgi_server_tells(
    app: Webframe, wsgi: Any, told: dict[str, str], raw_path: bytes | None
) -> None:
    seen = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["path"], scope.get("raw_path")))
        await send(START)
        await send(WHOLE)

    app.mount("/inner", inner)
    exchange = wsgi(app, "/inner/a/b", **told)
    assert b"".join(exchange.result) == b"whole"
    exchange.close()
    assert seen == [("/inner/a/b", raw_path)]

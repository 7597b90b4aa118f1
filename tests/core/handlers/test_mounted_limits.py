"""Bodies that mounted apps cannot read to their end: the answer is that of a view, whatever the app makes of it."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from webframe import Webframe
from webframe.test import override_settings
from webframe.test.client import Client

START = {"type": "http.response.start", "status": 500, "headers": []}


def wsgi_app(manner: str, closed: list[str] | None = None) -> Callable[..., Iterable[bytes]]:
    """A WSGI app that reads its body, and lets errors through or answers them as it does any other."""

    class Answer(list[bytes]):
        def close(self) -> None:
            if closed is not None:
                closed.append("closed")

    def read(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            size = len(environ["wsgi.input"].read())
        except Exception as error:
            if manner == "lets errors through":
                raise
            if manner == "raises another":
                raise LookupError("no body") from error
            start_response("500 Sorry", [])
            return Answer([b"sorry"])
        start_response("200 OK", [])
        return Answer([b"%d" % size])

    return read


class Broken(io.RawIOBase):
    """A connection that fails in the midst of a body."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise ConnectionResetError("The client is gone.")


def asgi_app(manner: str) -> Callable[..., Any]:
    """The same as an ASGI app."""

    async def read(scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        try:
            while more:
                message = await receive()
                size, more = size + len(message["body"]), message["more_body"]
        except Exception as error:
            if manner == "lets errors through":
                raise
            if manner == "raises another":
                raise LookupError("no body") from error
            await send(START)
            await send({"type": "http.response.body", "body": b"sorry"})
            raise
        await send({**START, "status": 200})
        await send({"type": "http.response.body", "body": b"%d" % size})

    return read


manners = pytest.mark.parametrize("manner", ["lets errors through", "raises another", "answers"])
kinds = pytest.mark.parametrize("make", [wsgi_app, asgi_app], ids=["WSGI app", "ASGI app"])


def pieces(count: int) -> Iterator[bytes]:
    """A body whose length is not told beforehand."""
    for _ in range(count):
        yield b"x" * 10


@manners
@kinds
def test_a_body_over_the_limit_is_a_413_in_a_mounted_app(
    app: Webframe,
    client: Client,
    heard: Any,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[str], Any],
    manner: str,
) -> None:
    app.mount("/legacy", make(manner))
    with override_settings(MAX_CONTENT_LENGTH=100), caplog.at_level(logging.ERROR):
        assert client.post("/legacy/", content=pieces(10)).text == "100"
        response = client.post("/legacy/", content=pieces(11))
    assert response.status_code == 413
    assert "sorry" not in response.text
    assert heard.counts == (2, 0, 2)
    assert caplog.records == []


@manners
@kinds
def test_a_body_that_is_cut_short_is_a_400_in_a_mounted_app(
    app: Webframe, wsgi: Any, heard: Any, make: Callable[[str], Any], manner: str
) -> None:
    app.mount("/legacy", make(manner))
    body = {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"abc")}
    exchange = wsgi(app, "/legacy/", REQUEST_METHOD="POST", **body)
    exchange.body()
    exchange.close()
    assert exchange.status == 400
    assert heard.counts == (1, 0, 1)


@manners
@kinds
def test_a_client_that_goes_while_a_mounted_app_reads_is_no_error(
    app: Webframe, wsgi: Any, asgi: Any, protocol: str, heard: Any, make: Callable[[str], Any], manner: str
) -> None:
    app.mount("/legacy", make(manner))
    if protocol == "wsgi":
        body = {"CONTENT_LENGTH": "10", "wsgi.input": io.BufferedReader(Broken())}
        exchange = wsgi(app, "/legacy/", REQUEST_METHOD="POST", **body)
        exchange.body()
        exchange.close()
    else:
        headers = [(b"host", b"testserver"), (b"content-length", b"10")]
        messages = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}]
        exchange = asgi(app, "/legacy/", method="POST", headers=headers, messages=messages)
        asyncio.run(exchange.run())
    assert exchange.status == 400
    assert heard.counts == (1, 0, 1)


def test_a_body_that_has_broken_off_does_not_look_complete_to_an_asgi_app_that_asks_again(
    app: Webframe, asgi: Any
) -> None:
    told = []

    async def insistent(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            message = await receive()
            told.append(message["type"])
        raise LookupError("no body")

    app.mount("/legacy", insistent)
    headers = [(b"host", b"testserver"), (b"content-length", b"10")]
    messages = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}]
    asyncio.run(asgi(app, "/legacy/", method="POST", headers=headers, messages=messages).run())
    assert told == ["http.request", "http.disconnect", "http.disconnect"]


def test_the_answer_of_a_mounted_app_that_is_not_given_is_closed(app: Webframe, client: Client) -> None:
    closed: list[str] = []
    app.mount("/legacy", wsgi_app("answers", closed))
    with override_settings(MAX_CONTENT_LENGTH=100):
        assert client.post("/legacy/", content=pieces(11)).status_code == 413
    assert closed == ["closed"]


def test_what_a_mounted_app_has_begun_to_send_goes_on(app: Webframe, client: Client) -> None:
    def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun, "
        try:
            environ["wsgi.input"].read()
        except Exception as error:
            yield type(error).__name__.encode()

    app.mount("/legacy", echo)
    with override_settings(MAX_CONTENT_LENGTH=100):
        assert client.post("/legacy/", content=pieces(11)).text == "begun, RequestDataTooBig"

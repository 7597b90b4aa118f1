"""WSGI apps that are mounted: what PEP 3333 promises them, on both protocols."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

from webframe import Request, Webframe
from webframe.test import override_settings
from webframe.test.client import Client

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def saying(function: Callable[[Environ], object]) -> App:
    """A WSGI app that says what a function makes of its environ."""

    def say(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        text = repr(function(environ))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]

    return say


@pytest.fixture(params=["alone", "behind async middleware"])
def surrounded(request: pytest.FixtureRequest, app: Webframe) -> None:
    """With and without async middleware, which takes a WSGI request to an event loop."""
    if request.param == "alone":
        return

    @app.middleware
    async def around(request: Request) -> AsyncIterator[Any]:
        yield


WAYS: dict[str, Callable[[Any], object]] = {
    "readlines": lambda body: body.readlines(),
    "readlines with a hint": lambda body: body.readlines(4) + body.readlines(),
    "iteration": list,
    "next": lambda body: [next(body), *body],
    "readline": lambda body: [body.readline(), body.readline(-1), body.readline(), body.readline()][:-1],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("surrounded")
def test_the_body_is_a_file_with_lines(app: Webframe, client: Client, way: str) -> None:
    app.mount("/legacy", saying(lambda environ: WAYS[way](environ["wsgi.input"])))

    def pieces() -> Iterator[bytes]:
        yield b"one\ntw"
        yield b"o\n"
        yield b"three"

    assert client.post("/legacy/", content=pieces()).text == repr([b"one\n", b"two\n", b"three"])


@pytest.mark.usefixtures("surrounded")
def test_as_much_is_read_of_the_body_as_is_asked_for(app: Webframe, client: Client) -> None:
    def read(environ: Environ) -> object:
        body = environ["wsgi.input"]
        return [body.read(0), body.read(5), body.read(100), body.read(1), body.read()]

    def pieces() -> Iterator[bytes]:
        yield from (b"abc", b"def", b"ghi")

    app.mount("/legacy", saying(read))
    assert client.post("/legacy/", content=pieces()).text == repr([b"", b"abcde", b"fghi", b"", b""])


@pytest.mark.parametrize("protocol_of_app", ["wsgi", "asgi"])
def test_a_response_has_the_headers_that_the_mounted_app_gave_it(
    app: Webframe, client: Client, protocol_of_app: str
) -> None:
    def wsgi(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("201 Made", [("X-Made", "yes")])
        return [b"<p>?</p>"]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-made", b"yes")]})
        await send({"type": "http.response.body", "body": b"<p>?</p>"})

    app.mount("/legacy", wsgi if protocol_of_app == "wsgi" else asgi)
    response = client.get("/legacy/")
    assert (response.status_code, response.text, response.headers["X-Made"]) == (201, "<p>?</p>", "yes")
    assert "Content-Type" not in response.headers


def names(environ: Environ) -> object:
    return environ["SCRIPT_NAME"], environ["PATH_INFO"]


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/legacy/\xff\xfe", "/\xff\xfe"),
        ("/legacy/\xff/\xfe/", "/\xff/\xfe/"),
        ("/legacy/\xc3\xa4\xff", "/\xc3\xa4\xff"),
        ("/legacy//a", "//a"),
        ("//legacy/a", "/a"),
        ("/legacy/", "/"),
        ("/legacy", ""),
    ],
)
def test_a_path_is_handed_on_with_the_bytes_that_came(app: Webframe, wsgi: Any, path: str, rest: str) -> None:
    app.mount("/legacy", saying(names))
    exchange = wsgi(app, path, SERVER_SOFTWARE="test")
    assert exchange.body().decode() == repr(("/legacy", rest))
    exchange.close()


def test_a_prefix_that_is_not_ascii_is_encoded_as_a_server_would(app: Webframe, client: Client) -> None:
    between = Webframe("between")
    app.mount("/käse", between)
    between.mount("/brot", saying(names))
    expected = "/käse/brot".encode().decode("latin-1"), "/ä".encode().decode("latin-1")
    assert client.get("/käse/brot/ä").text == repr(expected)
    assert client.get("/käse//brot/ä").text == repr(expected)


@pytest.mark.parametrize("nested", [False, True])
def test_a_mounted_app_is_told_the_prefix_that_a_trusted_proxy_takes_off(
    app: Webframe, wsgi: Any, nested: bool
) -> None:
    part = app
    if nested:
        part = Webframe("part")
        app.mount("/part", part)
    part.mount("/legacy", saying(names))
    prefix = "/part/legacy" if nested else "/legacy"
    with override_settings(TRUSTED_PROXIES=["10.0.0.1"]):
        for proxy, before in ("10.0.0.1", "/shop"), ("10.0.0.2", ""):
            exchange = wsgi(app, f"{prefix}/x", REMOTE_ADDR=proxy, HTTP_X_FORWARDED_PREFIX="/shop")
            assert exchange.body().decode() == repr((f"{before}{prefix}", "/x"))
            exchange.close()


def test_a_body_whose_end_only_webframe_knows_is_read_to_its_end_by_werkzeug(app: Webframe, wsgi: Any) -> None:
    from werkzeug.wsgi import get_input_stream

    app.mount("/legacy", saying(lambda environ: get_input_stream(environ).read()))
    body = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"body and more"), "CONTENT_LENGTH": "4"}
    exchange = wsgi(app, "/legacy/", **body)
    assert exchange.body().decode() == repr(b"body")
    exchange.close()


class Body:
    """The body of a WSGI app, that tells when it is closed."""

    def __init__(self, chunks: Iterable[bytes], heard: Callable[[str], None]) -> None:
        self._chunks = iter(chunks)
        self._heard = heard

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._heard("closed")


@pytest.mark.parametrize("where", ["call", "body"])
@pytest.mark.usefixtures("surrounded")
def test_an_app_may_answer_an_error_in_its_own_way_as_long_as_nothing_of_its_body_is_sent(
    app: Webframe, client: Client, where: str
) -> None:
    def begin(start_response: Callable[..., Any]) -> bytes:
        start_response("200 OK", [("X-Answer", "first")])
        try:
            raise LookupError
        except LookupError:
            start_response("503 Its Own Page", [("X-Answer", "second")], sys.exc_info())
        return b"its own page"

    def legacy(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if where == "call":
            return [begin(start_response)]
        return (b"" if number == 0 else begin(start_response) for number in range(2))

    app.mount("/legacy", legacy)
    response = client.get("/legacy/")
    assert (response.status_code, response.text, response.headers["X-Answer"]) == (503, "its own page", "second")


@pytest.mark.usefixtures("surrounded")
def test_an_error_after_the_first_bytes_of_the_body_is_raised_again_and_the_body_closed(
    app: Webframe, serve: Any, heard: Any
) -> None:
    def chunks(start_response: Callable[..., Any]) -> Iterator[bytes]:
        yield b"first"
        try:
            raise LookupError("too late")
        except LookupError:
            start_response("500 Oops", [], sys.exc_info())
        yield b"never"

    def legacy(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body(chunks(start_response), heard)

    app.mount("/legacy", legacy)
    with pytest.raises(LookupError, match="too late"):
        serve(app, "/legacy/")
    assert heard.events.count("closed") == 1


@pytest.mark.parametrize("fails", ["at once", "never starts"])
@pytest.mark.usefixtures("surrounded")
def test_a_body_is_closed_though_it_fails_before_its_first_bytes(
    app: Webframe, client: Client, heard: Any, fails: str
) -> None:
    def chunks() -> Iterator[bytes]:
        if fails == "at once":
            raise LookupError
        yield b"without start_response"

    app.mount("/legacy", lambda environ, start_response: Body(chunks(), heard), protocol="wsgi")
    assert client.get("/legacy/").status_code == 500
    assert heard.events.count("closed") == 1


@pytest.mark.usefixtures("surrounded")
def test_what_an_app_writes_comes_before_its_body(app: Webframe, client: Client, heard: Any) -> None:
    def legacy(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"one ")
        write(b"two ")
        return Body([b"three ", b"four"], heard)

    app.mount("/legacy", legacy)
    assert client.get("/legacy/").text == "one two three four"
    assert heard.events.count("closed") == 1

"""Bad input, as a server hands it on: a 4xx or an ordinary answer, never a traceback, and every request ends.

`ask` speaks the protocols themselves, because good clients cannot say most of this.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webframe import FileResponse, Request, Response, Webframe, redirect
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.http.response import make_response
from webframe.test import override_settings
from webframe.test.client import AsyncClient, Client

Headers = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """What the server was given."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Ask = Callable[..., Answer]


@pytest.fixture(autouse=True)
def counts() -> Iterator[dict[str, int]]:
    """How often each request signal was sent; at the end every request that began has ended."""
    heard = {"started": 0, "exception": 0, "finished": 0}

    def started(**kwargs: Any) -> None:
        heard["started"] += 1

    def exception(**kwargs: Any) -> None:
        heard["exception"] += 1

    def finished(**kwargs: Any) -> None:
        heard["finished"] += 1

    request_started.connect(started)
    got_request_exception.connect(exception)
    request_finished.connect(finished)
    yield heard
    request_started.disconnect(started)
    got_request_exception.disconnect(exception)
    request_finished.disconnect(finished)
    assert heard["started"] == heard["finished"]


@pytest.fixture
def ask(app: Webframe, protocol: str) -> Ask:
    """Asks the app over the protocol of this run."""

    def ask(path: str = "/", **request: Any) -> Answer:
        answer = ask_wsgi(app, path, **request) if protocol == "wsgi" else ask_asgi(app, path, **request)
        assert "Traceback" not in answer.text
        assert 'File "' not in answer.text
        return answer

    return ask


def ask_wsgi(
    app: Webframe,
    path: str = "/",
    *,
    method: str = "GET",
    query: bytes = b"",
    headers: Headers = (("Host", "testserver"),),
    body: Any = b"",
    chunked: bool = False,
) -> Answer:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if chunked:
        environ["wsgi.input_terminated"] = True
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    started: list[Any] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
        started[:] = int(status.split()[0]), fields

    result = app(environ, start_response)
    try:
        content = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Answer(started[0], started[1], content)


def ask_asgi(
    app: Webframe,
    path: str = "/",
    *,
    method: str = "GET",
    query: bytes = b"",
    headers: Headers = (("Host", "testserver"),),
    body: Any = b"",
    chunked: bool = False,
) -> Answer:
    pieces = iter([body] if isinstance(body, bytes) else iter(lambda: body.read(64 * 1024), b""))
    sent: list[Any] = []

    async def receive() -> Mapping[str, Any]:
        for piece in pieces:
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if chunked:
        fields.append((b"transfer-encoding", b"chunked"))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": query,
        "root_path": "",
        "headers": fields,
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    asyncio.run(app(scope, receive, send))
    start, *rest = sent
    decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    return Answer(start["status"], decoded, b"".join(message.get("body", b"") for message in rest))


def of_type(content_type: str, *more: tuple[str, str]) -> Headers:
    return (("Host", "testserver"), ("Content-Type", content_type), *more)


# -- Host

HOSTS = [
    "evil.example",
    "testserver/path",
    "testserver?x",
    "testserver#x",
    "user@testserver",
    "user:secret@testserver",
    "test server",
    " ",
    "testserver:port",
    "testserver:80:80",
    "testserver:999999",
    "http://testserver",
    "//testserver",
    "[::1",
    "::1",
    "testserver,evil.example",
    "testserver\\evil.example",
    "testserver\t",
    "testserver\x00",
    "testsérver",
    "<script>",
    "x" * 5000,
    "." * 300,
]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host)[:30])
def test_a_host_that_is_malformed_or_not_ours_is_a_400(app: Webframe, ask: Ask, host: str) -> None:
    app.get("/")(lambda request: request.url)
    answer = ask(headers=[("Host", host), ("Accept", "text/html")])
    assert answer.status == 400
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "host", [host for host in HOSTS if host not in ("evil.example",)], ids=lambda host: repr(host)[:30]
)
def test_a_malformed_host_is_a_400_even_if_every_host_is_allowed(app: Webframe, ask: Ask, host: str) -> None:
    app.get("/")(lambda request: request.url)
    with override_settings(ALLOWED_HOSTS=["*"]):
        answer = ask(headers=[("Host", host)])
        assert answer.status in (200, 400)
        if answer.status == 200:  # a name that only looks odd
            assert answer.text == f"http://{host.lower()}/"
        assert ask(headers=[("Host", "evil.example")]).text == "http://evil.example/"


def test_two_hosts_are_a_400(app: Webframe, ask: Ask) -> None:
    app.get("/")(lambda request: request.host)
    assert ask(headers=[("Host", "testserver"), ("Host", "testserver")]).status == 400


def test_the_page_for_a_host_that_is_not_allowed_names_the_setting(app: Webframe, ask: Ask) -> None:
    assert "ALLOWED_HOSTS" in ask(headers=[("Host", "evil.example")]).text


# -- cookies and query strings


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        ";",
        "=",
        "==;;==",
        'a="',
        'a="\\',
        "a=b; ; =c",
        "a=\x00",
        "a=\xff\xfe",
        "a" * 20_000,
        "a=1;" * 5000,
        "$Version=1",
    ],
    ids=lambda cookie: repr(cookie)[:20],
)
def test_a_malformed_cookie_is_ignored(app: Webframe, ask: Ask, cookie: str) -> None:
    app.get("/")(lambda request: str(len(request.cookies)))
    answer = ask(headers=[("Host", "testserver"), ("Cookie", cookie)])
    assert answer.status in (200, 400)


@pytest.mark.parametrize(
    "query",
    [b"%", b"%zz", b"%f", b"&&&", b"===", b"=&=", b"a=1;b=2", b"a=%00", b"%u1234", b"a" * 20_000, b"+", b"[]=1&[][]=2"],
    ids=lambda query: repr(query)[:20],
)
def test_an_odd_query_is_read_somehow(app: Webframe, ask: Ask, query: bytes) -> None:
    app.get("/")(lambda request: str(len(request.args)))
    assert ask(query=query).status == 200


def test_a_query_that_is_not_utf8_is_a_400(app: Webframe, ask: Ask) -> None:
    app.get("/")(lambda request: str(request.args))
    assert ask(query=b"a=\xff").status == 400


@pytest.mark.parametrize("query", [b"a=%FF", b"a=%C3", b"a=%ED%A0%80"])
def test_escapes_that_are_not_utf8_stay_as_they_are(app: Webframe, ask: Ask, query: bytes) -> None:
    app.get("/")(lambda request: request.args["a"])
    assert ask(query=query).body == query.removeprefix(b"a=")


def test_a_query_with_too_many_fields_is_a_413(app: Webframe, ask: Ask) -> None:
    app.get("/")(lambda request: str(len(request.args)))
    assert ask(query=b"a=1&" * 1000).text == "1"
    assert ask(query=b"a=1&" * 1001).status == 413


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=100)
def test_no_query_and_no_cookie_is_an_error_of_ours(query: bytes, cookie: bytes) -> None:
    app = Webframe("testapp")
    app.get("/")(lambda request: f"{len(request.args)} {len(request.cookies)} {len(request.url)}")
    headers = [("Host", "testserver"), ("Cookie", cookie.decode("latin-1"))]
    by_wsgi = ask_wsgi(app, query=query, headers=headers)
    by_asgi = ask_asgi(app, query=query, headers=headers)
    assert by_wsgi.status in (200, 400)
    assert (by_wsgi.status, by_wsgi.body) == (by_asgi.status, by_asgi.body)


# -- JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" * 65 + b"]" * 65,
        b'{"a": 1',
        b'{"a" 1}',
        b"{'a': 1}",
        b"NaN",
        b"[Infinity]",
        b'{"a": -Infinity}',
        b"[1e999]",
        b'"\xff"',
        b'"\\ud800',
        b"\x00",
        b"[1] 2",
        b"1" * 5000,
        "nichts".encode("utf-16"),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_json_that_is_none_is_a_400(app: Webframe, ask: Ask, body: bytes) -> None:
    app.post("/")(lambda request: {"got": type(request.json).__name__})
    start = time.process_time()
    answer = ask(method="POST", headers=of_type("application/json", ("Content-Length", str(len(body)))), body=body)
    assert answer.status == 400
    assert time.process_time() - start < 2


def test_json_may_nest_as_deep_as_allowed(app: Webframe, ask: Ask) -> None:
    app.post("/")(lambda request: {"got": type(request.json).__name__})
    body = b"[" * 64 + b"]" * 64
    headers = of_type("application/json", ("Content-Length", str(len(body))))
    assert ask(method="POST", headers=headers, body=body).text == '{"got":"list"}'


def test_json_of_another_type_is_a_415(app: Webframe, ask: Ask) -> None:
    app.post("/")(lambda request: {"got": type(request.json).__name__})
    headers = of_type("text/plain", ("Content-Length", "2"))
    assert ask(method="POST", headers=headers, body=b"{}").status == 415


# -- forms


def multipart(parts: int) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    return part * parts + b"--b--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--b--\r\n"),
        ("multipart/form-data; boundary=", b"--b--\r\n"),
        ("multipart/form-data; boundary=" + "b" * 300, b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"\r" * 100_000),
        ("multipart/form-data; boundary=b", b"\n" * 100_000),
        ("multipart/form-data; boundary=b", b"nothing of the kind"),
        ("multipart/form-data; boundary=b", multipart(1)[:-10]),
        ("multipart/form-data; boundary=b", multipart(1)[:20]),
        ("multipart/form-data; boundary=b", b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_malformed_multipart_form_is_a_4xx(app: Webframe, ask: Ask, content_type: str, body: bytes) -> None:
    app.post("/")(lambda request: str(len(request.form)))
    start = time.process_time()
    headers = of_type(content_type, ("Content-Length", str(len(body))))
    answer = ask(method="POST", headers=headers, body=body)
    assert 400 <= answer.status < 500 or (answer.status, answer.text) == (200, "0")
    assert time.process_time() - start < 2


def test_a_multipart_form_with_too_many_parts_is_a_413(app: Webframe, ask: Ask) -> None:
    app.post("/")(lambda request: str(len(request.form.getlist("f"))))
    for parts, status in ((1000, 200), (2000, 413)):
        body = multipart(parts)
        headers = of_type("multipart/form-data; boundary=b", ("Content-Length", str(len(body))))
        assert ask(method="POST", headers=headers, body=body).status == status


@pytest.mark.parametrize(
    ("body", "status"), [(b"a=\xff", 400), (b"\xff=1", 400), (b"a=1&" * 1001, 413), (b"%=%&&", 200)]
)
def test_a_malformed_urlencoded_form_is_a_4xx(app: Webframe, ask: Ask, body: bytes, status: int) -> None:
    app.post("/")(lambda request: str(len(request.form)))
    headers = of_type("application/x-www-form-urlencoded", ("Content-Length", str(len(body))))
    assert ask(method="POST", headers=headers, body=body).status == status


def test_a_form_refused_once_is_refused_whenever_it_is_asked_for(app: Webframe, ask: Ask) -> None:
    def view(request: Request) -> str:
        for _ in range(2):
            try:
                request.form  # noqa: B018  # reading it is what fails
            except Exception as error:
                last = error
        raise last

    app.post("/")(view)
    headers = of_type("multipart/form-data; boundary=b", ("Content-Length", "7"))
    assert ask(method="POST", headers=headers, body=b"rubbish").status == 400


# -- length


@pytest.mark.parametrize(
    "length", ["abc", "-1", "+1", "1_0", "0x10", "1.0", "1e3", "1,1", "5, 5", "\xb2", "½", "1" * 5000, " ", "--1"]
)
def test_a_length_that_is_no_number_is_a_400(app: Webframe, ask: Ask, length: str, counts: dict[str, int]) -> None:
    app.post("/")(lambda request: request.data)
    answer = ask(method="POST", headers=[("Host", "testserver"), ("Content-Length", length)], body=b"x" * 10)
    assert answer.status in ((400, 413) if length.isdecimal() else (400,))
    assert counts["exception"] == 0


@pytest.mark.parametrize("length", ["11", "99999999999", "1" * 30])
@pytest.mark.parametrize("stream", [False, True])
def test_a_length_over_the_limit_is_a_413_before_anything_is_read(
    app: Webframe, ask: Ask, length: str, stream: bool
) -> None:
    app.post("/", max_content_length=10, stream=stream)(lambda request: "never")
    body = Endless(0)
    answer = ask(method="POST", headers=[("Host", "testserver"), ("Content-Length", length)], body=body)
    assert answer.status == 413
    assert body.count == 0


def test_a_body_without_a_length_is_read_where_the_server_says_where_it_ends(app: Webframe, ask: Ask) -> None:
    app.post("/")(lambda request: request.data)
    assert ask(method="POST", body=b"hello", chunked=True).body == b"hello"
    assert ask(method="POST", body=b"", chunked=True).body == b""


def test_a_body_that_ends_too_early_is_a_400(app: Webframe) -> None:
    app.post("/")(lambda request: request.data)
    answer = ask_wsgi(app, method="POST", headers=[("Host", "testserver"), ("Content-Length", "10")], body=b"short")
    assert answer.status == 400


class Endless:
    """A body of so many megabytes, or without end, that counts what was read."""

    def __init__(self, megabytes: float = float("inf")) -> None:
        self.left = megabytes * 1024 * 1024
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        size = 64 * 1024 if size < 0 else min(size, 64 * 1024)
        size = int(min(size, self.left))
        self.left -= size
        self.count += size
        return b"x" * size

    def readline(self, size: int = -1) -> bytes:
        return self.read(size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_chunked_body_is_read_no_further_than_the_limit(
    app: Webframe, ask: Ask, kind: str, stream: bool, protocol: str
) -> None:
    def view(request: Request) -> str:
        return str(len(request.stream.read()))

    async def aview(request: Request) -> str:
        if stream:
            return str(len(await request.stream.aread()))  # type: ignore[attr-defined]
        return view(request)

    app.post("/", max_content_length=300_000, stream=stream)(view if kind == "plain" else aview)
    body = Endless()
    answer = ask(method="POST", body=body, chunked=True)
    assert answer.status == 413
    assert body.count < 600_000


@pytest.mark.parametrize("length", ["0", "5"])
def test_a_false_length_does_not_let_more_through(app: Webframe, ask: Ask, length: str) -> None:
    app.post("/", max_content_length=300_000)(lambda request: str(len(request.data)))
    body = Endless()
    answer = ask(method="POST", headers=[("Host", "testserver"), ("Content-Length", length)], body=body)
    assert answer.status in (200, 400, 413)
    assert body.count < 600_000
    if answer.status == 200:
        assert int(answer.text) <= 5


def test_the_default_limits_hold(app: Webframe, ask: Ask) -> None:
    app.post("/")(lambda request: str(len(request.data)))
    body = Endless()
    assert ask(method="POST", body=body, chunked=True).status == 413
    assert body.count < 11 * 1024 * 1024


# -- paths

PATHS = ["/é", "/日本", "/a b", "/a%20b", "/🍕/ä", "/%C3%A9", "/a+b", "/;a=b", "/'\"", "/\u202e"]


def route_for_everything(app: Webframe) -> None:
    app.get("/<path:rest>", name="everything")(lambda request, rest: f"{rest} {request.path}")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("transport", ["httpx WSGI", "our WSGI", "our ASGI", "our async", "httpx ASGI"])
def test_every_client_may_ask_for_a_path_that_is_not_ascii(app: Webframe, transport: str, path: str) -> None:
    from urllib.parse import unquote

    route_for_everything(app)
    expected = unquote(path)

    async def ask_async() -> httpx.Response:
        if transport == "our async":
            async with AsyncClient(app) as client:
                return await client.get(path)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://testserver") as client:
            return await client.get(path)

    if transport in ("our async", "httpx ASGI"):
        response = asyncio.run(ask_async())
    elif transport == "httpx WSGI":
        with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://testserver") as client:
            response = client.get(path)
    else:
        with Client(app, protocol=transport.removeprefix("our ").lower()) as client:
            response = client.get(path)
    assert (response.status_code, response.text) == (200, f"{expected[1:]} {expected}")


@pytest.mark.parametrize(
    "path",
    [
        "/\udcff",
        "/a\udcc3",
        "/\x00",
        "/a\r\nb",
        "/" + "a" * 100_000,
        "/" * 1000,
        "/../../etc/passwd",
        "/\\evil",
        "",
        "a",
        "*",
    ],
    ids=lambda path: repr(path)[:20],
)
def test_an_odd_path_is_answered_somehow(app: Webframe, ask: Ask, path: str, counts: dict[str, int]) -> None:
    route_for_everything(app)
    assert ask(path).status in (200, 301, 308, 400, 404)
    assert counts["exception"] == 0


def test_a_number_of_5000_digits_is_not_found(app: Webframe, ask: Ask) -> None:
    app.get("/<int:n>")(lambda request, n: str(n))
    app.get("/f/<float:n>", name="float")(lambda request, n: str(n))
    assert ask("/" + "1" * 5000).status == 404
    assert ask("/f/" + "1" * 5000 + ".0").status in (200, 404)


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/..", "/\\evil.example", "///evil.example", "/%5cevil.example"]
)
@pytest.mark.parametrize("rule", ["/<path:rest>/", "/<rest>/"])
def test_a_missing_slash_never_redirects_to_another_host(app: Webframe, ask: Ask, path: str, rule: str) -> None:
    app.get(rule)(lambda request, rest: rest)
    answer = ask(path)
    if answer.status in (301, 302, 307, 308):
        location = answer.header("Location")
        assert location is not None
        location = location.removeprefix("http://testserver")
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))
    else:
        assert answer.status in (200, 404)


@pytest.mark.parametrize(
    "method", ["", "get", "FOO", "<script>", "GET\r\nX: y", "G" * 10_000, "CONNECT", "TRACE", "PRI"]
)
def test_an_odd_method_is_answered_somehow(app: Webframe, ask: Ask, method: str, counts: dict[str, int]) -> None:
    app.get("/")(lambda request: "ok")
    answer = ask(method=method, headers=[("Host", "testserver"), ("Accept", "text/html")])
    assert answer.status in (200, 400, 405, 501)
    assert "<script>" not in answer.text
    assert counts["exception"] == 0


# -- headers of the request


def test_too_many_header_fields_are_a_431(app: Webframe, ask: Ask) -> None:
    app.get("/")(lambda request: "ok")
    few = [("Host", "testserver"), *((f"X-{number}", "x") for number in range(90))]
    many = [("Host", "testserver"), *((f"X-{number}", "x") for number in range(150))]
    assert ask(headers=few).status == 200
    assert ask(headers=many).status == 431


def test_ten_thousand_equal_header_fields_are_refused_soon(app: Webframe) -> None:
    app.get("/")(lambda request: "ok")
    headers = [("Host", "testserver"), *[("X-Same", "x" * 10)] * 10_000]
    start = time.process_time()
    assert ask_asgi(app, headers=headers).status == 431
    assert time.process_time() - start < 1


def test_header_fields_that_are_too_large_together_are_a_431(app: Webframe) -> None:
    app.get("/")(lambda request: "ok")
    assert ask_asgi(app, headers=[("Host", "testserver"), ("X-Large", "x" * 30_000)]).status == 200
    assert ask_asgi(app, headers=[("Host", "testserver"), ("X-Large", "x" * 40_000)]).status == 431
    several = [("Host", "testserver"), *((f"X-{number}", "x" * 900) for number in range(40))]
    assert ask_asgi(app, headers=several).status == 431


def test_the_limits_of_headers_are_settings(app: Webframe, ask: Ask) -> None:
    app.get("/")(lambda request: "ok")
    many = [("Host", "testserver"), *((f"X-{number}", "x") for number in range(150))]
    with override_settings(MAX_HEADER_COUNT=200):
        assert ask(headers=many).status == 200
    assert ask(headers=many).status == 431


def test_an_underscore_cannot_pass_for_a_hyphen(app: Webframe) -> None:
    app.get("/")(lambda request: request.environ.get("HTTP_X_USER", "nobody"))
    assert ask_asgi(app, headers=[("Host", "testserver"), ("X_User", "admin")]).text == "nobody"
    assert ask_asgi(app, headers=[("Host", "testserver"), ("X-User", "ada"), ("X_User", "admin")]).text == "ada"


@pytest.mark.parametrize(
    "name", ["Accept", "Range", "If-None-Match", "If-Modified-Since", "Content-Type", "Authorization", "If-Range"]
)
@pytest.mark.parametrize(
    "value", ["", "\x00", "\xff", ";;;,,,===", "a" * 20_000, "bytes=" + "0-1," * 5000, '"' * 5000, "W/" * 5000]
)
def test_no_value_of_a_header_field_is_an_error_of_ours(
    app: Webframe, ask: Ask, tmp_path: Path, name: str, value: str, counts: dict[str, int]
) -> None:
    (tmp_path / "file.txt").write_text("x" * 100)

    def view(request: Request) -> FileResponse:
        list(request.accept_mimetypes)
        bool(request.authorization)
        assert request.mimetype is not None
        return FileResponse(tmp_path / "file.txt")

    app.get("/")(view)
    start = time.process_time()
    assert ask(headers=[("Host", "testserver"), (name, value)]).status in (200, 206, 304, 400, 416)
    assert ask("/nowhere", headers=[("Host", "testserver"), (name, value)]).status == 404
    assert counts["exception"] == 0
    assert time.process_time() - start < 2


def test_many_ranges_are_refused_or_ignored_soon(app: Webframe, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"x" * 10_000)
    app.get("/")(lambda request: FileResponse(tmp_path / "file.bin"))
    ranges = "bytes=" + ",".join(f"{number}-{number}" for number in range(3000))
    start = time.process_time()
    assert ask(headers=[("Host", "testserver"), ("Range", ranges)]).status in (200, 416)
    assert ask(headers=[("Host", "testserver"), ("Range", "bytes=9-1")]).status in (200, 416)
    assert time.process_time() - start < 1


# -- what a view must not send


def with_header(name: str, value: str) -> Response:
    response = Response("ok")
    response.headers[name] = value
    return response


def with_raw_header(name: str, value: str) -> Response:
    response = Response("ok")
    response.headers._list.append((name, value))  # what reaches us past werkzeug's own check
    return response


def with_cookie(*args: Any, **options: Any) -> Response:
    response = Response("ok")
    response.set_cookie(*args, **options)
    return response


def with_status(status: str) -> Response:
    response = Response("ok")
    response.status = status
    return response


EVIL = "x\r\nSet-Cookie: evil=1"
INJECTIONS: dict[str, Callable[[], Any]] = {
    "CR LF": lambda: with_header("X-A", EVIL),
    "LF": lambda: with_header("X-A", "x\nSet-Cookie: evil=1"),
    "raw CR LF": lambda: with_raw_header("X-A", EVIL),
    "raw CR": lambda: with_raw_header("X-A", "x\rSet-Cookie: evil=1"),
    "raw NUL": lambda: with_raw_header("X-A", "x\0y"),
    "raw name": lambda: with_raw_header("X-A: y\r\nSet-Cookie: evil=1\r\nX-B", "x"),
    "raw name with a space": lambda: with_raw_header("Set-Cookie ", "evil=1"),
    "in a tuple": lambda: make_response(("ok", 200, {"X-A": EVIL})),
    "content type": lambda: Response("ok", content_type=f"text/html\r\n{EVIL}"),
    "status": lambda: with_status("200 OK\r\nSet-Cookie: evil=1"),
    "cookie name": lambda: with_cookie("a\r\nSet-Cookie: evil", "1"),
    "cookie domain": lambda: with_cookie("a", "1", domain=f"testserver\r\n{EVIL}"),
    "cookie expires": lambda: with_cookie("a", "1", expires=f"never\r\n{EVIL}"),
    "file name": lambda: FileResponse(io.BytesIO(b"x"), as_attachment=True, download_name=f"a{EVIL}"),
}


@pytest.mark.parametrize("injection", INJECTIONS)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_header_cannot_smuggle_another(app: Webframe, ask: Ask, injection: str, kind: str) -> None:
    def view(request: Request) -> Any:
        return INJECTIONS[injection]()

    async def aview(request: Request) -> Any:
        return view(request)

    app.get("/")(view if kind == "plain" else aview)
    answer = ask()
    assert answer.status in ((200, 400, 500) if injection == "file name" else (400, 500))
    assert_no_smuggling(answer)


def assert_no_smuggling(answer: Answer) -> None:
    for name, value in answer.headers:
        assert name.lower().strip() != "set-cookie" or not value.startswith("evil")
        for character in "\r\n\0":
            assert character not in name + value


@pytest.mark.parametrize("option", ["value", "path", "samesite"])
def test_a_cookie_cannot_smuggle_a_header_or_an_attribute(app: Webframe, ask: Ask, option: str) -> None:
    def view(request: Request) -> Response:
        if option == "value":
            return with_cookie("a", "1; Domain=evil.example\r\nSet-Cookie: evil=1")
        return with_cookie("a", "1", **{option: "/; Domain=evil.example\r\nSet-Cookie: evil=1"})

    app.get("/")(view)
    answer = ask()
    assert_no_smuggling(answer)
    if answer.status == 200:
        cookie = answer.header("Set-Cookie")
        assert cookie is not None
        assert not any(part.strip().lower().startswith("domain=") for part in cookie.split(";"))


@pytest.mark.parametrize(
    "target", ["/\r\nSet-Cookie: evil=1", "/\n", "/\0", "http://x\r\ny", "/a\tb", "http://[::1", "http://[x]/"]
)
def test_a_redirect_to_an_address_that_is_none_is_a_400(
    app: Webframe, ask: Ask, target: str, counts: dict[str, int]
) -> None:
    app.get("/")(lambda request: redirect(target))
    answer = ask()
    assert answer.status == 400
    assert answer.header("Location") is None
    assert_no_smuggling(answer)
    assert counts["exception"] == 0


def test_a_redirect_shows_no_markup_of_its_address(app: Webframe, ask: Ask) -> None:
    app.get("/")(lambda request: redirect('/"><script>alert(1)</script>'))
    answer = ask()
    assert answer.status == 302
    assert "<script>" not in answer.text
    location = answer.header("Location")
    assert location is not None
    assert "<" not in location


@pytest.mark.parametrize("value", ["日本", "é\ud800", "\u2028"])
def test_a_header_that_no_server_can_send_is_a_500_that_is_handled(
    app: Webframe, ask: Ask, value: str, counts: dict[str, int]
) -> None:
    app.get("/")(lambda request: with_header("X-A", value))
    answer = ask()
    assert answer.status == 500
    assert counts == {"started": 1, "exception": 1, "finished": 1}

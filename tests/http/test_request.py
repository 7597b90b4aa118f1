"""The request: what werkzeug's says, under both protocols, and what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import io
import weakref
from collections.abc import Callable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.exceptions import SecurityError, UnsupportedMediaType
from werkzeug.test import EnvironBuilder
from werkzeug.utils import environ_property, header_property
from werkzeug.wrappers import Request as Stock

from webframe.core.exceptions import (
    BadRequest,
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
)
from webframe.http.limits import Limits
from webframe.http.request import Request, current_request
from webframe.test import override_settings

FORM = "application/x-www-form-urlencoded"


def make_environ(**items: Any) -> dict[str, Any]:
    """A WSGI environ as a server would make it; None leaves something out."""
    body = items.pop("body", b"")
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "example.org",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **items,
    }
    return {key: value for key, value in environ.items() if value is not None}


def wsgi(*, headers: dict[str, str] | None = None, **items: Any) -> Request:
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        items[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    peer = items.pop("peer", "192.0.2.1")
    query = items.pop("query", b"").decode("latin-1")
    return Request(make_environ(REMOTE_ADDR=peer, QUERY_STRING=query, **items))


def asgi(*, headers: dict[str, str] | None = None, **items: Any) -> Request:
    body = items.pop("body", b"")
    peer = items.pop("peer", "192.0.2.1")
    fields = {"host": "example.org", "content-length": str(len(body))}
    fields.update({name.lower(): value for name, value in (headers or {}).items()})
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "query_string": items.pop("query", b""),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
        "server": ("127.0.0.1", 8000),
        "client": (peer, 1234) if peer is not None else None,
        **items,
    }
    return Request.from_scope(scope, io.BytesIO(body))


both = pytest.mark.parametrize("make", [wsgi, asgi])

# -- the same as werkzeug

ATTRIBUTES = sorted(
    {
        name
        for base in Stock.__mro__
        for name, attribute in vars(base).items()
        if isinstance(attribute, (property, environ_property, header_property)) and not name.startswith("_")
    }
    - {"stream", "input_stream"}
) + ["method", "path", "root_path", "query_string", "scheme", "server", "remote_addr", "headers"]


def shown(request: Stock, name: str) -> Any:
    """An attribute in a form that can be compared; for an error, its class."""
    try:
        value: Any = getattr(request, name)
    except Exception as error:
        return type(error)
    if isinstance(value, MultiDict):
        return type(value), list(value.lists())
    if name == "headers":
        return sorted(value)
    if name == "authorization" and value is not None:
        return vars(value)
    return type(value), repr(value), str(value)


def assert_same(ours: Request, theirs: Stock, names: list[str]) -> None:
    for name in names:
        assert shown(ours, name) == shown(theirs, name), name


def test_all_attributes_of_werkzeug_are_compared() -> None:
    assert {"args", "form", "cookies", "host", "url", "json", "accept_mimetypes", "range", "origin"} < set(ATTRIBUTES)
    assert len(ATTRIBUTES) > 55


texts = st.text(alphabet="ab/=;,&.%é日 \"'", max_size=8)
field_values = {
    "host": st.sampled_from(["example.org", "example.org:80", "example.org:8000", "a..b", "evil/", "[::1]:5000", ""]),
    "accept": st.sampled_from(["*/*", "text/html,application/json;q=0.5", "text/*;q=x", ";,;"]),
    "accept-charset": st.just("utf-8;q=0.7,*"),
    "accept-encoding": st.just("gzip, br;q=0.5"),
    "accept-language": st.sampled_from(["de-AT,de;q=0.8", "xx"]),
    "authorization": st.sampled_from(["Basic dXNlcjpwYXNz", "Bearer token", "Basic !", "Digest a=b"]),
    "cache-control": st.sampled_from(["no-cache", "max-age=x", "max-age=0"]),
    "cookie": st.sampled_from(["session=abc; theme=dark", 'a="b c"; d', "=; ;", "a=1; a=2"]),
    "date": st.sampled_from(["Tue, 15 Nov 1994 08:12:31 GMT", "yesterday"]),
    "if-match": st.sampled_from(['"a", W/"b"', "*"]),
    "if-none-match": st.sampled_from(['"a", W/"b"', "*", "a"]),
    "if-modified-since": st.sampled_from(["Tue, 15 Nov 1994 08:12:31 GMT", "now"]),
    "if-unmodified-since": st.just("Tue, 15 Nov 1994 08:12:31 GMT"),
    "if-range": st.sampled_from(['"a"', "Tue, 15 Nov 1994 08:12:31 GMT"]),
    "max-forwards": st.sampled_from(["5", "x"]),
    "origin": st.just("https://example.com"),
    "pragma": st.just("no-cache"),
    "range": st.sampled_from(["bytes=0-4", "bytes=4-0", "bytes=-5", "bytes=0-1,3-", "x"]),
    "referer": st.just("https://example.com/a"),
    "user-agent": st.just("Mozilla/5.0"),
    "access-control-request-headers": st.just("x-a, x-b"),
    "access-control-request-method": st.just("PUT"),
    "content-encoding": st.just("gzip"),
    "content-md5": st.just("Q2hlY2sgSW50ZWdyaXR5IQ=="),
    "transfer-encoding": st.sampled_from(["chunked", "gzip"]),
    "x-token": st.text(alphabet="ab é", max_size=4),
}
headers = st.fixed_dictionaries({}, optional=field_values)
bodies = st.one_of(
    st.tuples(
        st.sampled_from([FORM, f"{FORM}; charset=utf-8", "Application/X-WWW-Form-Urlencoded"]),
        st.sampled_from([b"", b"a=1&b=2&a=3", b"name=J%C3%BCrgen+M", b"a=%zz&b=%FF&c", b"&&=&"]),
    ),
    st.tuples(
        st.sampled_from(["application/json", "application/problem+json;x=y"]),
        st.sampled_from([b'{"a": [1, 2.5, null]}', b"[]", b'"\xc3\xa9"']),
    ),
    st.tuples(st.sampled_from(["text/plain", "", "x", ";", "application/json-seq"]), st.binary(max_size=8)),
)
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "put", "HEAD"]),
        "root_path": st.sampled_from(["", "/shop", "/é/ü"]),
        "path": texts.map(lambda text: f"/{text}"),
        "query": st.sampled_from(["", "a=1&b=2", "a=%C3%A9&b=+&c", "%FF=%zz&&"]),
        "headers": headers,
        "body": bodies,
        "scheme": st.sampled_from(["http", "https"]),
        "server": st.sampled_from([("127.0.0.1", 8000), ("example.org", 443), ("::1", 80)]),
        "client": st.sampled_from([("192.0.2.1", 99), None]),
    }
)


def as_environ(request: dict[str, Any]) -> dict[str, Any]:
    """What a WSGI server makes of a request."""
    content_type, body = request["body"]
    environ = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": request["root_path"].encode().decode("latin-1"),
        "PATH_INFO": request["path"].encode().decode("latin-1"),
        "QUERY_STRING": request["query"],
        "SERVER_NAME": request["server"][0],
        "SERVER_PORT": str(request["server"][1]),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": request["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if request["client"]:
        environ["REMOTE_ADDR"] = request["client"][0]
    for name, value in request["headers"].items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def as_scope(request: dict[str, Any]) -> dict[str, Any]:
    """What an ASGI server makes of a request."""
    content_type, body = request["body"]
    pairs = {"content-type": content_type, "content-length": str(len(body)), **request["headers"]}
    return {
        **request,
        "type": "http",
        "path": request["root_path"] + request["path"],
        "query_string": request["query"].encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs.items()],
    }


@settings(max_examples=150, deadline=None)
@given(requests, st.permutations(ATTRIBUTES))
def test_under_wsgi_every_attribute_is_werkzeugs(request: dict[str, Any], names: list[str]) -> None:
    assert_same(Request(as_environ(request)), Stock(as_environ(request), populate_request=False), names)


@settings(max_examples=150, deadline=None)
@given(requests, st.permutations(ATTRIBUTES))
def test_under_asgi_every_attribute_is_that_of_the_equivalent_environ(
    request: dict[str, Any], names: list[str]
) -> None:
    ours = Request.from_scope(as_scope(request), io.BytesIO(request["body"][1]))
    assert_same(ours, Stock(as_environ(request), populate_request=False), names)


@settings(max_examples=50, deadline=None)
@given(requests)
def test_the_environ_under_asgi_makes_the_same_request(request: dict[str, Any]) -> None:
    scope = as_scope(request)
    stream = io.BytesIO(request["body"][1])
    assert_same(
        Stock(Request.from_scope(scope, stream).environ, populate_request=False), Stock(as_environ(request)), ATTRIBUTES
    )


def test_werkzeugs_own_tools_make_our_request() -> None:
    request = Request.from_values("/path?a=1", method="POST", data={"b": "2"})
    assert isinstance(request, Request)
    assert (request.path, request.values["a"], request.values["b"]) == ("/path", "1", "2")
    assert "werkzeug.request" not in request.environ


def test_a_request_is_shown_with_its_method_and_url() -> None:
    assert repr(wsgi(PATH_INFO="/x")) == "<Request 'http://example.org/x' [POST]>"
    assert repr(asgi(path="/x")) == "<Request 'http://example.org/x' [POST]>"


# -- computed when read


def test_making_a_request_stores_what_it_is_made_of_and_nothing_else() -> None:
    environ = make_environ()
    before = dict(environ)
    assert vars(Request(environ)) == {"environ": environ}
    assert environ == before
    scope = {"path": "/", "headers": []}
    stream = io.BytesIO()
    assert vars(Request.from_scope(scope, stream)) == {"scope": scope, "input_stream": stream}
    assert vars(Request.from_scope(scope)) == {"scope": scope}


@both
@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name != "json"])
def test_what_was_read_is_a_plain_attribute(make: Callable[..., Request], name: str) -> None:
    request = make()
    value = getattr(request, name)
    assert vars(request)[name] is value
    setattr(request, name, "mine")
    assert getattr(request, name) == "mine"
    delattr(request, name)
    assert shown(request, name) == shown(make(), name)


@both
def test_a_request_is_freed_without_the_garbage_collector(make: Callable[..., Request]) -> None:
    request = make(headers={"Content-Type": FORM, "Cookie": "a=1"}, body=b"a=1", query=b"a=1")
    for name in [*ATTRIBUTES, "stream", "environ", "limits", "id"]:
        shown(request, name)
    request.on_close(print)
    gone = weakref.ref(request)
    gc.disable()
    try:
        del request
        assert gone() is None
    finally:
        gc.enable()


@both
def test_a_refused_request_is_freed_without_the_garbage_collector(make: Callable[..., Request]) -> None:
    request = make(headers={"Content-Type": FORM}, body=b"a=\xff")
    gone = weakref.ref(request)
    gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(BadRequest):
                _ = request.form
        del request, _
        assert gone() is None
    finally:
        gc.enable()


def test_subclasses_may_choose_other_classes() -> None:
    class Custom(Request):
        parameter_storage_class = MultiDict
        list_storage_class = list

    request = Custom(make_environ(QUERY_STRING="a=1", CONTENT_TYPE=FORM, body=b"b=2"))
    request.args["c"] = "3"
    request.form["c"] = "3"
    assert type(request.args) is type(request.form) is MultiDict
    assert request.access_route == ["192.0.2.1"]


# -- paths and queries


@pytest.mark.parametrize("path", ["", "x", "/x", "//x", "///x"])
def test_the_path_begins_with_one_slash(path: str) -> None:
    assert wsgi(PATH_INFO=path).path == asgi(path=path).path == Stock(make_environ(PATH_INFO=path)).path
    assert wsgi(PATH_INFO=path).path[:1] == "/"


def test_the_root_path_is_no_part_of_the_path() -> None:
    request = asgi(root_path="/shop/", path="/shop/cart")
    assert (request.root_path, request.path) == ("/shop", "/cart")
    assert request.url == "http://example.org/shop/cart"
    request = wsgi(SCRIPT_NAME="/shop/", PATH_INFO="/cart")
    assert (request.root_path, request.path, request.script_root) == ("/shop", "/cart", "/shop")


@both
def test_bytes_in_the_query_that_are_not_utf_8_are_refused(make: Callable[..., Request]) -> None:
    request = make(query=b"a=\xff")
    with pytest.raises(BadRequest, match="query string is not UTF-8"):
        _ = request.args
    assert request.full_path == "/?a=%FF"
    assert request.query_string == b"a=\xff"


def test_a_query_may_be_text_that_no_server_would_send() -> None:
    assert Request(make_environ(QUERY_STRING="a=日")).args["a"] == "日"


@both
def test_a_query_has_as_many_fields_as_a_form(make: Callable[..., Request]) -> None:
    request = make(query=b"a&b&c")
    request.limits = dataclasses.replace(Limits.from_settings(), max_fields=2)
    with pytest.raises(TooManyFieldsSent, match="query string"):
        _ = request.args


async def echo_asgi(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    request = Request.from_scope(scope, io.BytesIO(body + message["body"]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{request.path} {request.get_data(as_text=True)}".encode()})


def echo_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    request = Request(environ)
    start_response("200 OK", [])
    return [f"{request.path} {request.get_data(as_text=True)}".encode()]


def through_httpx(protocol: str, path: str, content: Any = b"") -> str:
    async def ask() -> str:
        async def chunks() -> Any:
            for chunk in content:
                yield chunk

        transport = httpx.ASGITransport(app=echo_asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.post(path, content=content if isinstance(content, bytes) else chunks())).text

    if protocol == "asgi":
        return asyncio.run(ask())
    with httpx.Client(transport=httpx.WSGITransport(app=echo_wsgi), base_url="http://testserver") as client:
        return client.post(path, content=content if isinstance(content, bytes) else iter(content)).text


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
@pytest.mark.parametrize("path", ["/café", "/日本", "/ä/日", "/caf%C3%A9"])
def test_paths_arrive_through_both_transports_of_httpx(protocol: str, path: str) -> None:
    assert through_httpx(protocol, path) == f"{path.replace('%C3%A9', 'é')} "


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_chunked_bodies_arrive_through_both_transports_of_httpx(protocol: str) -> None:
    assert through_httpx(protocol, "/", [b"in ", b"two parts"]) == "/ in two parts"


# -- bodies


@both
def test_data_is_the_body_unless_it_is_a_form(make: Callable[..., Request]) -> None:
    assert make(headers={"Content-Type": "text/plain"}, body=b"hi").data == b"hi"
    assert make(body=b"hi").get_data(as_text=True) == "hi"
    request = make(headers={"Content-Type": FORM}, body=b"a=1")
    assert (request.data, request.form["a"]) == (b"", "1")
    request = make(headers={"Content-Type": FORM}, body=b"a=1")
    assert (request.get_data(), request.form["a"], request.get_data()) == (b"a=1", "1", b"a=1")


@both
def test_a_body_can_be_read_as_a_stream(make: Callable[..., Request]) -> None:
    request = make(body=b"one\ntwo\n")
    assert request.stream.readline() == b"one\n"
    assert list(request.stream) == [b"two\n"]
    assert request.get_data() == b""


@both
@pytest.mark.parametrize(
    ("content_type", "read"),
    [
        ("text/plain", lambda request: request.get_data()),
        ("text/plain", lambda request: request.data),
        ("text/plain", lambda request: request.stream.read()),
        (FORM, lambda request: request.form),
        (FORM, lambda request: request.files),
        ("application/json", lambda request: request.json),
    ],
)
def test_a_body_is_no_larger_than_allowed(
    make: Callable[..., Request], content_type: str, read: Callable[[Request], Any]
) -> None:
    request = make(headers={"Content-Type": content_type}, body=b"1234567")
    request.limits = dataclasses.replace(Limits.from_settings(), max_content_length=6)
    for _ in range(2):
        with pytest.raises(RequestDataTooBig, match="more than the 6 bytes"):
            read(request)


@both
def test_form_and_files_may_be_assigned_apart(make: Callable[..., Request]) -> None:
    request = make(headers={"Content-Type": FORM}, body=b"a=1")
    request.form = ImmutableMultiDict({"b": "2"})
    assert not request.files
    assert request.form["b"] == "2"


@pytest.mark.parametrize("length", [None, "", "2", "7"])
def test_a_lying_content_length_does_not_help(length: str | None) -> None:
    request = wsgi(CONTENT_LENGTH=length, body=b"a=12345", **{"wsgi.input_terminated": True})
    request.limits = dataclasses.replace(Limits.from_settings(), max_content_length=6)
    with pytest.raises(RequestDataTooBig):
        request.get_data()
    fields = {"Content-Length": length} if length is not None else {}
    request = asgi(headers=fields, body=b"a=12345")
    request.limits = dataclasses.replace(Limits.from_settings(), max_content_length=6)
    with pytest.raises(RequestDataTooBig):
        request.get_data()


@both
def test_the_limit_of_a_request_can_be_assigned(make: Callable[..., Request]) -> None:
    request = make(body=b"1234567")
    request.max_content_length = 6
    with pytest.raises(RequestDataTooBig):
        request.get_data()
    request = make(body=b"1234567")
    request.max_content_length = None
    assert request.get_data() == b"1234567"


@both
def test_limits_come_from_the_settings(make: Callable[..., Request]) -> None:
    with override_settings(MAX_CONTENT_LENGTH=6, MAX_UPLOAD_LENGTH=9):
        assert make().max_content_length == 6
        assert make(headers={"Content-Type": "multipart/form-data; boundary=x"}).max_content_length == 9


@both
@pytest.mark.parametrize("length", ["1_0", "+5", "-1", "abc", "5, 5", "٣"])
def test_a_malformed_content_length_is_a_bad_request(make: Callable[..., Request], length: str) -> None:
    if make is asgi and not length.isascii():
        length = "³"  # header fields are latin-1
    request = make(headers={"Content-Length": length}, body=b"hello")
    with pytest.raises(BadRequest, match="Content-Length"):
        _ = request.content_length


def test_a_malformed_content_length_is_no_way_to_a_body() -> None:
    with pytest.raises(BadRequest):
        wsgi(headers={"Content-Length": "+5"}, body=b"hello").get_data()
    with pytest.raises(BadRequest):
        _ = wsgi(headers={"Content-Length": "+5", "Content-Type": FORM}, body=b"hello").form


def test_a_body_that_ends_too_early_is_a_bad_request() -> None:
    request = wsgi(CONTENT_LENGTH="9", body=b"hello")
    for _ in range(2):
        with pytest.raises(BadRequest, match="after 5 of 9 bytes"):
            request.get_data()


def test_a_chunked_body_is_read_where_the_server_ends_it() -> None:
    items = {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}
    pipe = io.BufferedReader(io.BytesIO(b"hello"))
    assert wsgi(**items, **{"wsgi.input": pipe}).get_data() == b""
    assert wsgi(**items, **{"wsgi.input": pipe, "wsgi.input_terminated": True}).get_data() == b"hello"
    assert wsgi(**items, body=b"hello").get_data() == b"hello"


@both
def test_a_urlencoded_form_that_is_malformed_is_a_bad_request(make: Callable[..., Request]) -> None:
    request = make(headers={"Content-Type": FORM}, body=b"a=\xff")
    for name in ("form", "files", "form"):
        with pytest.raises(BadRequest, match="form is not UTF-8"):
            getattr(request, name)


@both
def test_a_urlencoded_form_has_limited_fields(make: Callable[..., Request]) -> None:
    request = make(headers={"Content-Type": FORM}, body=b"a=1&b=2&c=3")
    request.limits = dataclasses.replace(Limits.from_settings(), max_fields=2)
    for _ in range(2):
        with pytest.raises(TooManyFieldsSent):
            _ = request.form


@both
def test_a_multipart_form_has_fields_and_files(make: Callable[..., Request]) -> None:
    builder = EnvironBuilder(method="POST", data={"a": "1", "file": (io.BytesIO(b"contents"), "x.txt")})
    environ = builder.get_environ()
    request = make(headers={"Content-Type": environ["CONTENT_TYPE"]}, body=environ["wsgi.input"].read())
    builder.close()
    assert request.form == ImmutableMultiDict({"a": "1"})
    assert request.files["file"].read() == b"contents"
    assert request.data == b""
    for call in request.take_work():
        call()


# -- JSON


@both
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/x+json"])
def test_json_is_parsed(make: Callable[..., Request], content_type: str) -> None:
    request = make(headers={"Content-Type": content_type}, body='{"a": ["é", 1.5, null]}'.encode())
    assert request.is_json
    assert request.json == {"a": ["é", 1.5, None]}
    assert request.get_json() is request.json


@both
@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-json", FORM])
def test_another_content_type_is_a_415(make: Callable[..., Request], content_type: str) -> None:
    request = make(headers={"Content-Type": content_type}, body=b"{}")
    with pytest.raises(UnsupportedMediaType):
        _ = request.json
    assert request.get_json(silent=True) is None
    assert request.get_json(force=True) == {}


MALFORMED_JSON = {
    "nothing": b"",
    "truncated": b'{"a": [1, 2',
    "NaN": b"[NaN]",
    "Infinity": b"[-Infinity]",
    "too large a number": b"[1e999]",
    "not UTF-8": b'"\xff"',
    "too deep": b"[" * 200_000,
    "too deep but complete": b"[" * 200_000 + b"]" * 200_000,
    "too deep objects": b'{"a":' * 200_000,
    "two values": b"1 2",
}


@both
@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=list(MALFORMED_JSON))
def test_malformed_json_is_a_bad_request(make: Callable[..., Request], body: bytes) -> None:
    request = make(headers={"Content-Type": "application/json"}, body=body)
    for _ in range(2):
        with pytest.raises(WerkzeugBadRequest, match="JSON"):
            _ = request.json
    assert request.get_json(silent=True) is None


@both
def test_the_depth_of_json_is_limited_by_the_request(make: Callable[..., Request]) -> None:
    with override_settings(JSON_MAX_DEPTH=3):
        assert make(headers={"Content-Type": "application/json"}, body=b"[[[]]]").json == [[[]]]
        request = make(headers={"Content-Type": "application/json"}, body=b"[[[[]]]]")
        with pytest.raises(WerkzeugBadRequest, match="deep"):
            _ = request.json
        request.limits = dataclasses.replace(request.limits, json_max_depth=4)
        request = make(headers={"Content-Type": "application/json"}, body=b"[[[[]]]]")
        request.limits = dataclasses.replace(Limits.from_settings(), json_max_depth=4)
        assert request.json == [[[[]]]]


def test_a_malformed_body_is_parsed_once() -> None:
    seen = []

    def loads(data: bytes) -> Any:
        seen.append(data)
        raise ValueError("no")

    class Custom(Request):
        json_module = SimpleNamespace(loads=loads)

    request = Custom(make_environ(CONTENT_TYPE="application/json", body=b"[1"))
    with pytest.raises(WerkzeugBadRequest):
        _ = request.json
    assert seen == [b"[1"]
    assert request.get_json(silent=True) is None
    assert request.get_json(silent=True) is None
    assert seen == [b"[1"] * 2


def test_cookies_are_those_of_headers_that_somebody_replaced() -> None:
    request = Request(make_environ(HTTP_COOKIE="a=1"))
    request.headers = Stock(make_environ(HTTP_COOKIE="b=2")).headers
    assert request.cookies.to_dict() == {"b": "2"}


def test_another_json_module_may_be_used() -> None:
    class Custom(Request):
        json_module = SimpleNamespace(loads=lambda data: data.decode().upper())

    assert Custom(make_environ(CONTENT_TYPE="application/json", body=b"abc")).json == "ABC"


# -- hosts and proxies


@both
def test_only_allowed_hosts_pass(make: Callable[..., Request]) -> None:
    with pytest.raises(DisallowedHost, match="'example.org'"):
        make().check_host()
    make(headers={"Host": "localhost:5000"}).check_host()
    with override_settings(ALLOWED_HOSTS=["example.org"]):
        make().check_host()


@both
@pytest.mark.parametrize("host", ["", "evil/", "user@localhost", "localhost\t"])
def test_malformed_hosts_do_not_pass(make: Callable[..., Request], host: str) -> None:
    with override_settings(ALLOWED_HOSTS=["*"]), pytest.raises(DisallowedHost, match="malformed"):
        make(headers={"Host": host}).check_host()


def test_two_host_headers_do_not_pass() -> None:
    request = asgi()
    request.scope = {**request.scope, "headers": [(b"host", b"localhost"), (b"host", b"example.org")]}
    with pytest.raises(DisallowedHost):
        request.check_host()


def test_without_a_host_header_the_host_is_the_servers() -> None:
    request = wsgi(HTTP_HOST=None)
    request.check_host()
    assert request.host == "127.0.0.1:8000"
    request = asgi()
    request.scope = {**request.scope, "headers": []}
    request.check_host()
    assert request.host == "127.0.0.1:8000"


def test_trusted_hosts_of_werkzeug_hold_too() -> None:
    class Strict(Request):
        trusted_hosts = ["example.com"]

    with pytest.raises(SecurityError):
        _ = Strict(make_environ()).host


FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.5, 10.0.0.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "www.example.org",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/shop",
}


@both
def test_proxies_are_not_believed_by_default(make: Callable[..., Request]) -> None:
    request = make(headers=FORWARDED)
    assert request.remote_addr == "192.0.2.1"
    assert request.access_route == ["192.0.2.1"]
    assert request.url == "http://example.org/"


@both
def test_trusted_proxies_are_believed(make: Callable[..., Request]) -> None:
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"], ALLOWED_HOSTS=["www.example.org"]):
        request = make(headers=FORWARDED, peer="10.0.0.1")
        request.check_host()
        assert request.remote_addr == "203.0.113.5"
        assert request.access_route == ["203.0.113.5", "10.0.0.2"]
        assert request.scheme == "https"
        assert request.is_secure
        assert request.host == "www.example.org:8443"
        assert request.root_path == "/shop"
        assert request.path == "/"
        assert request.url == "https://www.example.org:8443/shop/"


@both
def test_a_trusted_proxy_may_say_nothing(make: Callable[..., Request]) -> None:
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"]):
        request = make(peer="10.0.0.1")
        assert request.remote_addr == "10.0.0.1"
        assert request.access_route == ["10.0.0.1"]
        assert request.url == "http://example.org/"


@both
def test_other_peers_are_not_believed(make: Callable[..., Request]) -> None:
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"]):
        request = make(headers=FORWARDED)
        assert request.remote_addr == "192.0.2.1"
        assert request.url == "http://example.org/"


@both
def test_a_forwarded_host_must_be_allowed(make: Callable[..., Request]) -> None:
    with override_settings(TRUSTED_PROXIES=["*"], ALLOWED_HOSTS=["example.org"]):
        request = make(headers=FORWARDED)
        with pytest.raises(DisallowedHost, match="www.example.org"):
            request.check_host()
        with pytest.raises(DisallowedHost, match="www.example.org"):
            _ = request.host


def test_a_prefix_goes_before_the_root_path_once() -> None:
    with override_settings(TRUSTED_PROXIES=["*"]):
        prefix = {"X-Forwarded-Prefix": "/shop"}
        assert wsgi(headers=prefix, SCRIPT_NAME="/app").root_path == "/shop/app"
        assert wsgi(headers=prefix, SCRIPT_NAME="/shop").root_path == "/shop"
        assert wsgi(headers=prefix, SCRIPT_NAME="/shop/app").root_path == "/shop/app"
        assert wsgi(headers=prefix, SCRIPT_NAME="/shopping").root_path == "/shop/shopping"


@pytest.mark.parametrize("make", [asgi])
def test_a_peer_on_a_unix_socket_has_no_address(make: Callable[..., Request]) -> None:
    assert make(peer=None).remote_addr is None
    assert make(peer=None).access_route == []
    with override_settings(TRUSTED_PROXIES=["unix"], ALLOWED_HOSTS=["*"]):
        assert make(peer=None, headers=FORWARDED).remote_addr == "10.0.0.2"
        assert wsgi(peer="", headers=FORWARDED).remote_addr == "10.0.0.2"


@both
def test_headers_sent_with_underscores_are_no_forwarded_headers(make: Callable[..., Request]) -> None:
    if make is asgi:
        with override_settings(TRUSTED_PROXIES=["*"]):
            assert make(headers={"X_Forwarded_For": "6.6.6.6"}).remote_addr == "192.0.2.1"


# -- identity


@both
def test_a_request_has_a_random_id(make: Callable[..., Request]) -> None:
    request = make()
    assert request.id == request.id
    assert request.id != make().id
    assert len(bytes.fromhex(request.id)) == 16


@both
def test_a_trusted_proxy_may_give_the_id(make: Callable[..., Request]) -> None:
    given_id = {"X-Request-Id": "abc-123"}
    with override_settings(REQUEST_ID_HEADER="X-Request-Id"):
        assert make(headers=given_id).id != "abc-123"
        with override_settings(TRUSTED_PROXIES=["192.0.2.1"]):
            assert make(headers=given_id).id == "abc-123"
            assert len(make().id) == 32
    with override_settings(TRUSTED_PROXIES=["192.0.2.1"]):
        assert make(headers=given_id).id != "abc-123"


@both
@pytest.mark.parametrize("value", ["", "a b", "a" * 129, "a\nb", "é", "\x7f"])
def test_an_id_that_is_not_sane_is_ignored(make: Callable[..., Request], value: str) -> None:
    with override_settings(REQUEST_ID_HEADER="X-Request-Id", TRUSTED_PROXIES=["*"]):
        assert len(bytes.fromhex(make(headers={"X-Request-Id": value}).id)) == 16


# -- what the core fills in


def test_a_request_knows_its_route_once_there_is_one() -> None:
    request = wsgi()
    assert (request.endpoint, request.url_rule, request.view_args) == (None, None, None)
    request.route = SimpleNamespace(name="show", rule="/notes/<int:pk>")
    assert (request.endpoint, request.url_rule) == ("show", "/notes/<int:pk>")


def test_work_for_later_is_kept_in_order() -> None:
    done: list[Any] = []
    request = wsgi()
    assert not request.has_work_left
    request.on_close(done.append, "closer 1")
    request.add_background_task(done.append, "task 1")
    request.on_close(lambda *args, **kwargs: done.append((args, kwargs)), 2, key="value")
    request.add_background_task(done.append, "task 2")
    assert request.has_work_left
    for call in request.take_work():
        call()
    assert done == ["task 1", "task 2", ((2,), {"key": "value"}), "closer 1"]
    assert not request.has_work_left


def test_work_that_cannot_be_called_is_refused_at_once() -> None:
    """Later it would keep request_finished from being sent."""
    request = wsgi()
    for register in request.on_close, request.add_background_task:
        with pytest.raises(TypeError, match="must be callable"):
            register(None)  # type: ignore[arg-type]  # the mistake
    assert not request.has_work_left


def test_there_is_no_current_request_unless_one_is_set() -> None:
    request = wsgi()

    def inside() -> Request | None:
        current_request.set(request)
        return current_request.get()

    assert current_request.get() is None
    assert copy_context().run(inside) is request
    assert current_request.get() is None


def test_ten_thousand_equal_headers_cost_nothing_worth_mentioning() -> None:
    """Quadratic time would be minutes: the time limit of the suite is the assertion."""
    fields = [(b"host", b"localhost"), *[(b"cookie", b"a=1")] * 10_000, *[(b"x-forwarded-for", b"1.2.3.4")] * 10_000]
    with override_settings(TRUSTED_PROXIES=["*"]):
        for _ in range(5):
            request = Request.from_scope({"path": "/", "headers": fields, "client": ("192.0.2.1", 1)})
            assert len(request.cookies.getlist("a")) == 10_000
            assert len(request.access_route) == 10_000
            assert len(request.environ["HTTP_COOKIE"]) == 50_000 - 2
            request.check_host()

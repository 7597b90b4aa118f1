"""A WSGI environ of an ASGI scope, and paths as text."""

from __future__ import annotations

import io
from collections.abc import Callable, MutableMapping
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest
from werkzeug.test import EnvironBuilder, create_environ

from webframe.http.environ import ScopeEnviron, build_environ, decode_path, split_path


def scope(**items: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/café/日本",
        "raw_path": b"/caf%C3%A9/%E6%97%A5%E6%9C%AC",
        "query_string": b"a=1&b=%20",
        "root_path": "",
        "headers": [
            (b"host", b"example.org"),
            (b"content-type", b"text/plain"),
            (b"content-length", b"2"),
            (b"x-token", b"t"),
            (b"accept", b"a"),
            (b"accept", b"b"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
        ],
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.1", 1234),
        **items,
    }


def test_the_environ_is_that_of_a_server() -> None:
    environ = build_environ(scope(), io.BytesIO(b"hi"))
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/café/日本"
    assert environ["REQUEST_URI"] == "/caf%C3%A9/%E6%97%A5%E6%9C%AC?a=1&b=%20"
    assert environ["QUERY_STRING"] == "a=1&b=%20"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["CONTENT_LENGTH"] == "2"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert environ["HTTP_HOST"] == "example.org"
    assert environ["HTTP_X_TOKEN"] == "t"
    assert environ["HTTP_ACCEPT"] == "a,b"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["wsgi.input"].read() == b"hi"


def test_the_standard_library_finds_no_fault_with_it() -> None:
    def application(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"fine"]

    body = validator(application)(build_environ(scope()), lambda status, headers, exc_info=None: lambda data: None)
    assert list(body) == [b"fine"]
    body.close()


def test_a_scope_may_have_the_bare_minimum() -> None:
    environ = build_environ({"path": "/", "headers": []})
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SERVER_NAME"]
    assert environ["SERVER_PORT"]
    assert environ["wsgi.input"].read() == b""
    assert "REMOTE_ADDR" not in environ


def test_a_server_on_a_unix_socket_has_no_port() -> None:
    environ = build_environ(scope(server=["/run/app.sock", None], client=None))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("/run/app.sock", "")


def test_header_names_with_an_underscore_are_dropped() -> None:
    headers = [(b"x_forwarded_for", b"6.6.6.6"), (b"content_length", b"7"), (b"x-forwarded-for", b"1.2.3.4")]
    environ = build_environ(scope(headers=headers))
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.2.3.4"
    assert "CONTENT_LENGTH" not in environ


def test_nothing_is_built_until_somebody_reads() -> None:
    environ = ScopeEnviron(scope())
    assert dict.__len__(environ) == 0
    assert environ["REQUEST_METHOD"] == "POST"
    assert dict.__len__(environ) > 20


@pytest.mark.parametrize(
    "read",
    [
        lambda environ: environ["PATH_INFO"],
        lambda environ: environ.get("PATH_INFO"),
        lambda environ: "PATH_INFO" in environ,
        lambda environ: dict(environ)["PATH_INFO"],
        lambda environ: {**environ}["PATH_INFO"],
        lambda environ: environ.copy()["PATH_INFO"],
        lambda environ: len(environ),
        lambda environ: list(environ),
        lambda environ: list(reversed(environ)),
        lambda environ: list(environ.keys()),
        lambda environ: list(environ.values()),
        lambda environ: list(environ.items()),
        lambda environ: environ.pop("PATH_INFO"),
        lambda environ: environ.popitem(),
        lambda environ: environ.setdefault("PATH_INFO", "other"),
        lambda environ: environ | {"x": 1},
        lambda environ: {"x": 1} | environ,
        lambda environ: repr(environ),
        lambda environ: environ == {},
        lambda environ: environ != {},
        lambda environ: bool(environ),
    ],
)
def test_every_way_of_reading_sees_the_whole_environ(read: Callable[[Any], Any]) -> None:
    whole = scope()
    stream = io.BytesIO()
    assert read(ScopeEnviron(whole, stream)) == read(build_environ(whole, stream))


@pytest.mark.parametrize(
    "write",
    [
        lambda environ: environ.__setitem__("PATH_INFO", "/new"),
        lambda environ: environ.update(PATH_INFO="/new"),
        lambda environ: environ.__ior__({"PATH_INFO": "/new"}),
        lambda environ: environ.__delitem__("PATH_INFO"),
        lambda environ: environ.clear(),
    ],
)
def test_what_is_written_stays(write: Callable[[Any], Any]) -> None:
    whole = scope()
    stream = io.BytesIO()
    ours, expected = ScopeEnviron(whole, stream), build_environ(whole, stream)
    write(ours)
    write(expected)
    assert ours == expected


def test_it_is_a_dictionary() -> None:
    environ = ScopeEnviron(scope())
    assert isinstance(environ, dict)
    assert isinstance(environ, MutableMapping)
    with pytest.raises(TypeError):
        hash(environ)


def test_writing_does_not_reach_the_scope() -> None:
    whole = scope()
    environ = ScopeEnviron(whole)
    environ["PATH_INFO"] = "/other"
    assert whole == scope()


# -- paths


@pytest.mark.parametrize(
    ("root_path", "path", "expected"),
    [
        ("", "/x", ("", "/x")),
        ("/shop", "/shop/cart", ("/shop", "/cart")),
        ("/shop/", "/shop/cart", ("/shop", "/cart")),
        ("/shop", "/shop", ("/shop", "")),
        ("/shop", "/shopping", ("/shop", "/shopping")),
        ("/shop", "/cart", ("/shop", "/cart")),
        ("/", "/cart", ("", "/cart")),
        ("/a/b", "/a/b/c", ("/a/b", "/c")),
    ],
)
def test_the_root_path_is_taken_off_the_path(root_path: str, path: str, expected: tuple[str, str]) -> None:
    assert split_path({"root_path": root_path, "path": path}) == expected


def test_a_scope_without_root_path_has_none() -> None:
    assert split_path({"path": "/x"}) == ("", "/x")


@pytest.mark.parametrize("path", ["/", "/plain", "/café", "/日本", "/😀", "/a b"])
def test_a_path_from_a_server_is_decoded(path: str) -> None:
    assert decode_path(create_environ(path=path), "PATH_INFO") == path


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    environ = create_environ()
    environ["PATH_INFO"] = "/\xff\xe9x"
    assert decode_path(environ, "PATH_INFO") == "/\ufffd\ufffdx"


@pytest.mark.parametrize("path", ["/", "/plain", "/café", "/日本", "/日é", "/😀"])
def test_a_path_from_httpx_is_text_already(path: str) -> None:
    seen = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(decode_path(environ, "PATH_INFO"))
        start_response("200 OK", [])
        return [b""]

    with httpx.Client(transport=httpx.WSGITransport(app=application), base_url="http://testserver") as client:
        client.get(path)
        client.get("/%FF")
    assert seen == [path, "/\ufffd"]


def test_half_a_surrogate_pair_cannot_get_into_a_path() -> None:
    assert decode_path({"PATH_INFO": "/\ud800"}, "PATH_INFO") == "/?"


def test_a_missing_path_is_empty() -> None:
    assert decode_path({}, "PATH_INFO") == ""
    assert decode_path({"PATH_INFO": None}, "PATH_INFO") == ""


def test_the_environ_that_werkzeug_makes_is_what_we_make_of_the_same_request() -> None:
    builder = EnvironBuilder(
        path="/café/日本",
        method="POST",
        query_string="a=1&b=%20",
        base_url="https://example.org/",
        headers={"X-Token": "t", "Accept": "a,b", "Cookie": "a=1; b=2"},
        data=b"hi",
        content_type="text/plain",
        environ_overrides={"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": "192.0.2.1"},
    )
    theirs = builder.get_environ()
    ours = build_environ(scope())
    # The server's own, and REQUEST_URI, which werkzeug's builder has without percent-encoding.
    differing = {"wsgi.input", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "REQUEST_URI"}
    shared = set(theirs) & set(ours) - differing
    assert shared > {"PATH_INFO", "QUERY_STRING", "HTTP_HOST", "HTTP_X_TOKEN", "CONTENT_LENGTH"}
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}

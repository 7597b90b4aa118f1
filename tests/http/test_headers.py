"""Header fields in an environ and in a scope: the same answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import BadRequestKeyError

from webframe.http import headers as module
from webframe.http.environ import build_environ
from webframe.http.headers import ASGIHeaders, WSGIHeaders, combined

RAW = [
    (b"host", b"example.org"),
    (b"content-type", b"text/plain"),
    (b"content-length", b"5"),
    (b"accept", b"text/html"),
    (b"accept", b"text/plain;q=0.5"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2"),
    (b"x-latin", b"caf\xe9"),
    (b"x_forwarded_for", b"6.6.6.6"),
]


def scope(raw: Any) -> dict[str, Any]:
    return {"path": "/", "headers": raw}


def wsgi(raw: Any = RAW) -> WSGIHeaders:
    return WSGIHeaders(build_environ(scope(raw)))


def asgi(raw: Any = RAW) -> ASGIHeaders:
    return ASGIHeaders(raw)


both = pytest.mark.parametrize("make", [wsgi, asgi])


@both
def test_a_field_is_found_in_any_spelling(make: Any) -> None:
    headers = make()
    for name in ("Content-Type", "content-type", "CONTENT_TYPE", "Content_Type"):
        assert headers[name] == "text/plain"
        assert headers.get(name) == "text/plain"
        assert name in headers


@both
def test_fields_sent_several_times_have_one_value(make: Any) -> None:
    headers = make()
    assert headers["Accept"] == "text/html,text/plain;q=0.5"
    assert headers["Cookie"] == "a=1; b=2"
    assert headers.getlist("Accept") == ["text/html,text/plain;q=0.5"]


@both
def test_a_name_sent_with_an_underscore_is_not_taken_for_the_one_with_a_hyphen(make: Any) -> None:
    headers = make()
    assert "X-Forwarded-For" not in headers
    assert "X_Forwarded_For" not in headers
    assert "X-Forwarded-For" not in dict(headers)


@both
def test_a_missing_field_is_a_bad_request(make: Any) -> None:
    headers = make()
    with pytest.raises(BadRequestKeyError):
        headers["X-Missing"]
    assert headers.get("X-Missing") is None
    assert headers.get("X-Missing", "default") == "default"
    assert headers.getlist("X-Missing") == []


@both
def test_values_are_converted(make: Any) -> None:
    headers = make()
    assert headers.get("Content-Length", type=int) == 5
    assert headers.get("Accept", 7, int) == 7
    assert headers.get("X-Missing", 7, type=int) == 7
    assert headers.get("X-Latin") == "café"


@both
def test_names_are_texts(make: Any) -> None:
    with pytest.raises(BadRequestKeyError):
        make().get(None)


@both
def test_headers_cannot_be_changed(make: Any) -> None:
    headers = make()
    with pytest.raises(TypeError):
        headers["X-New"] = "1"
    with pytest.raises(TypeError):
        headers.add("X-New", "1")
    with pytest.raises(TypeError):
        del headers["Host"]


def test_iterating_gives_the_same_fields_under_both_protocols() -> None:
    assert sorted(asgi()) == sorted(wsgi())
    assert len(asgi()) == len(wsgi())
    assert dict(asgi()) == dict(wsgi())
    assert sorted(asgi().keys()) == sorted(wsgi().keys())
    assert sorted(asgi().to_wsgi_list()) == sorted(wsgi().to_wsgi_list())
    assert repr(asgi()).startswith("ASGIHeaders([('Host', 'example.org')")


def test_headers_are_equal_when_their_fields_are() -> None:
    assert asgi() == asgi()
    assert asgi() != asgi(RAW[1:])


names = st.sampled_from(["host", "content-type", "content-length", "accept", "cookie", "x-a", "x-b2", "x_a", "x-a-b"])
values = st.text(alphabet='ab=;, é"', max_size=5)


@settings(max_examples=200)
@given(st.lists(st.tuples(names, values), max_size=8))
def test_headers_are_those_that_werkzeug_sees(pairs: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    environ = build_environ(scope(raw))
    theirs = EnvironHeaders(environ)
    for ours in (WSGIHeaders(environ), ASGIHeaders(raw)):
        # werkzeug leaves an empty Content-Type out when iterating, though it finds it when asked.
        assert sorted(pair for pair in ours if pair[1]) == sorted(pair for pair in theirs if pair[1])
        for name in (
            "Host",
            "content-type",
            "CONTENT_LENGTH",
            "Accept",
            "Cookie",
            "X-A",
            "X_A",
            "x-b2",
            "X-A-B",
            "x-c",
        ):
            assert ours.get(name) == theirs.get(name)
            assert (name in ours) == (name in theirs)


def test_clients_cannot_fill_the_memory_with_names() -> None:
    for number in range(2 * module.MAX_REMEMBERED_NAMES):
        asgi().get(f"X-Random-{number}")
        wsgi().get(f"X-Random-{number}")
    assert len(module._environ_names) <= module.MAX_REMEMBERED_NAMES
    assert len(module._scope_names) <= module.MAX_REMEMBERED_NAMES


def test_thousands_of_equal_fields_take_linear_time() -> None:
    """Quadratic time would be minutes: the time limit of the suite is the assertion."""
    raw = [(b"x-flood", b"v" * 100)] * 10_000
    for _ in range(100):
        headers = ASGIHeaders(raw)
        assert len(headers["X-Flood"]) == 10_000 * 101 - 1
        assert list(combined(raw)) == [b"x-flood"]
    assert len(list(ASGIHeaders(raw))) == 1
    assert len(build_environ(scope(raw))["HTTP_X_FLOOD"]) == 10_000 * 101 - 1

"""Requests without an app: factories, and what a server would hand on."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from webframe import Request
from webframe.test import AsyncRequestFactory, RequestFactory
from webframe.test.client import environ_of, scope_of


@pytest.fixture(params=[RequestFactory, AsyncRequestFactory], ids=["wsgi", "asgi"])
def factory(request: pytest.FixtureRequest) -> type[RequestFactory]:
    kind: type[RequestFactory] = request.param
    return kind


def test_requests_are_as_their_protocol_has_them() -> None:
    assert RequestFactory().get("/").scope is None
    assert AsyncRequestFactory().get("/").scope["type"] == "http"  # type: ignore[index]


@pytest.mark.parametrize("method", ["get", "head", "options", "trace", "post", "put", "patch", "delete"])
def test_there_is_a_method_for_each_method(factory: type[RequestFactory], method: str) -> None:
    request = getattr(factory(), method)("/notes/ä", params={"page": 2})
    assert (request.method, request.path, request.args["page"]) == (method.upper(), "/notes/ä", "2")
    assert factory().request("REPORT", "/").method == "REPORT"


def test_a_view_is_called_with_one(factory: type[RequestFactory]) -> None:
    def view(request: Request, pk: int) -> str:
        return f"{request.json['text']} {pk} {request.host} {request.remote_addr}"

    assert view(factory().post("/notes/1", json={"text": "hi"}), pk=1) == "hi 1 testserver 127.0.0.1"


def test_bodies_of_every_kind_are_read(factory: type[RequestFactory], tmp_path: Path) -> None:
    requests = factory()
    assert requests.post("/", data={"a": "1"}).form["a"] == "1"
    assert requests.post("/", content="é").data.decode() == "é"
    (tmp_path / "menu.txt").write_text("pizza")
    with (tmp_path / "menu.txt").open("rb") as file:
        with requests.post("/", data={"a": "1"}, files={"menu": file}) as request:
            assert (request.files["menu"].read(), request.form["a"]) == (b"pizza", "1")
    assert requests.post("/", content=iter([b"one", b"two"])).data == b"onetwo"
    assert requests.get("/").data == b""


def test_what_is_the_same_for_all_is_said_once(factory: type[RequestFactory]) -> None:
    requests = factory(base_url="https://localhost", headers={"X-One": "1"}, cookies={"user": "ada"})
    request = requests.get("/", headers={"X-Two": "2"})
    assert (request.host, request.scheme, request.is_secure) == ("localhost", "https", True)
    assert (request.headers["X-One"], request.headers["X-Two"], request.cookies["user"]) == ("1", "2", "ada")


def test_views_of_async_code_are_called_with_one() -> None:
    async def view(request: Request) -> Any:
        return request.json

    assert asyncio.run(view(AsyncRequestFactory().post("/", json=[1]))) == [1]


# -- what a server would make of a request


def test_an_environ_has_what_the_specification_asks_for() -> None:
    environ = environ_of(httpx.Request("POST", "https://localhost/%C3%A9?a=%C3%A9", content=b"hi"))
    assert environ["PATH_INFO"] == "/é".encode().decode("latin-1")
    assert (environ["QUERY_STRING"], environ["SERVER_PORT"], environ["wsgi.url_scheme"]) == ("a=%C3%A9", "443", "https")
    assert (environ["CONTENT_LENGTH"], environ["wsgi.input"].read()) == ("2", b"hi")
    assert all(isinstance(value, str) for name, value in environ.items() if name.isupper())


def test_a_scope_has_what_the_specification_asks_for() -> None:
    scope = scope_of(httpx.Request("POST", "http://localhost:81/%C3%A9?a=%C3%A9", headers={"X-One": "1"}))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/é", b"/%C3%A9", b"a=%C3%A9")
    assert (scope["server"], (b"x-one", b"1") in scope["headers"]) == (("localhost", 81), True)


def test_cookies_in_several_fields_are_one_and_names_with_underscores_none() -> None:
    headers = [("Cookie", "a=1"), ("Cookie", "b=2"), ("X-A", "1"), ("X-A", "2"), ("X_A", "3")]
    environ = environ_of(httpx.Request("GET", "http://localhost/", headers=headers))
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_A"]) == ("a=1; b=2", "1,2")


def test_a_body_in_pieces_is_a_file() -> None:
    asked = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"one\ntw", b"", b"o\nthree"):
            asked.append(piece)
            yield piece

    def upload() -> io.BufferedReader:
        file = environ_of(httpx.Request("POST", "http://localhost/", content=pieces()))["wsgi.input"]
        assert not asked
        return file

    assert upload().read() == b"one\ntwo\nthree"
    asked.clear()
    assert list(upload()) == [b"one\n", b"two\n", b"three"]
    asked.clear()
    file = upload()
    assert (file.read(5), list(asked)) == (b"one\nt", [b"one\ntw"])
    assert (file.readline(), file.read(100), file.read(1)) == (b"wo\n", b"three", b"")


def test_a_body_of_async_code_is_refused_where_nobody_could_read_it() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(TypeError, match="AsyncClient"):
        environ_of(httpx.Request("POST", "http://localhost/", content=pieces()))

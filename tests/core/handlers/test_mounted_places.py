"""Each app sees the address of a request as its own: the one around a mount, and the one that is mounted there."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from webframe import JSONResponse, Request, Response, Webframe, current_request, url_for
from webframe.core.exceptions import Http404
from webframe.core.handlers.endpoints import Endpoint
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.test.client import Client

Seen = list[tuple[str, str, str]]

OUTSIDE = ("", "/inner/deep/page")
BETWEEN = ("/inner", "/deep/page")
INSIDE = ("/inner/deep", "/page")


def noting(seen: Seen, name: str, *, is_async: bool = False) -> Callable[[Request], Any]:
    """A middleware that notes what it sees as the address, before and after."""

    def middleware(request: Request) -> Iterator[Any]:
        seen.append((f"{name} in", request.root_path, request.path))
        try:
            yield
        finally:
            seen.append((f"{name} out", request.root_path, request.path))

    async def async_middleware(request: Request) -> AsyncIterator[Any]:
        seen.append((f"{name} in", request.root_path, request.path))
        try:
            yield
        finally:
            seen.append((f"{name} out", request.root_path, request.path))

    return async_middleware if is_async else middleware


@pytest.fixture
def between(app: Webframe) -> Webframe:
    """An app that is mounted in the outermost one."""
    between = Webframe("between")
    app.mount("/inner", between)
    return between


@pytest.fixture
def inner(between: Webframe) -> Webframe:
    """An app that is mounted in a mounted one."""
    inner = Webframe("inner")
    between.mount("/deep", inner)
    return inner


def test_middleware_that_keeps_a_path_to_itself_keeps_what_is_mounted_below_it(
    app: Webframe, between: Webframe, client: Client
) -> None:
    @app.middleware
    def guard(request: Request) -> Iterator[Any]:
        if request.path.startswith("/inner"):
            yield Response("forbidden", 403)
            return
        yield

    between.get("/secret")(lambda request: "SECRET")
    response = client.get("/inner/secret")
    assert (response.status_code, response.text) == (403, "forbidden")


@pytest.mark.parametrize("slashes", ["//", "///"])
def test_slashes_too_many_below_a_mount_are_one_for_code_as_they_are_for_routes(
    app: Webframe, between: Webframe, inner: Webframe, client: Client, slashes: str
) -> None:
    @between.middleware
    def guard(request: Request) -> Iterator[Any]:
        if request.path.startswith("/secret"):
            yield Response("forbidden", 403)
            return
        yield

    between.get("/secret")(lambda request: "SECRET")
    between.get("/", name="home")(lambda request: f"{request.root_path} {request.path}")
    inner.get("/page")(lambda request: f"{request.root_path} {request.path} {request.url}")
    assert client.get(f"/inner{slashes}secret").status_code == 403
    assert client.get(f"/inner{slashes}").text == "/inner /"
    for path in f"/inner{slashes}deep/page", f"/inner{slashes}deep{slashes}page", f"/inner/deep{slashes}page":
        assert client.get(path).text == "/inner/deep /page http://testserver/inner/deep/page"


@pytest.mark.parametrize("async_view", [False, True], ids=["plain view", "async view"])
@pytest.mark.parametrize("async_middleware", [False, True], ids=["plain middleware", "async middleware"])
@pytest.mark.parametrize("outcome", ["answers", "refuses", "fails"])
def test_each_app_sees_its_own_address_before_and_after(
    app: Webframe,
    between: Webframe,
    inner: Webframe,
    client: Client,
    async_view: bool,
    async_middleware: bool,
    outcome: str,
) -> None:
    seen: Seen = []
    for part, name in ((app, "app"), (between, "between"), (inner, "inner")):
        part.middleware(noting(seen, name, is_async=async_middleware))

    def page(request: Request) -> str:
        seen.append(("view", request.root_path, request.path))
        if outcome == "refuses":
            raise Http404
        if outcome == "fails":
            raise ValueError
        return "page"

    async def async_page(request: Request) -> str:
        await asyncio.sleep(0)
        return page(request)

    inner.get("/page")(async_page if async_view else page)
    assert client.get("/inner/deep/page").status_code == {"answers": 200, "refuses": 404, "fails": 500}[outcome]
    assert seen == [
        ("app in", *OUTSIDE),
        ("between in", *BETWEEN),
        ("inner in", *INSIDE),
        ("view", *INSIDE),
        ("inner out", *INSIDE),
        ("between out", *BETWEEN),
        ("app out", *OUTSIDE),
    ]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("owner", ["app", "between", "inner"])
@pytest.mark.parametrize("code", [404, 500])
def test_error_handlers_see_the_address_of_their_own_app(
    app: Webframe, between: Webframe, inner: Webframe, client: Client, owner: str, code: int, is_async: bool
) -> None:
    parts = {"app": app, "between": between, "inner": inner}
    for name, part in parts.items():
        part.get("/home", name=f"{name} home")(lambda request: "")

    def answer(request: Request, error: Exception) -> Response:
        seen = [request.root_path, request.path, request.full_path, request.url_for(f"{owner} home")]
        return JSONResponse(seen, code)

    async def async_answer(request: Request, error: Exception) -> Response:
        await asyncio.sleep(0)
        return answer(request, error)

    parts[owner].errorhandler(code)(async_answer if is_async else answer)

    @inner.get("/page")
    def page(request: Request) -> str:
        assert request.full_path == "/page?"
        raise Http404 if code == 404 else ValueError

    response = client.get("/inner/deep/page")
    root_path, path = {"app": OUTSIDE, "between": BETWEEN, "inner": INSIDE}[owner]
    assert (response.status_code, response.json()) == (code, [root_path, path, f"{path}?", f"{root_path}/home"])


def test_an_error_of_outer_middleware_may_be_handled_by_the_app_inside_with_its_own_address(
    app: Webframe, between: Webframe, inner: Webframe, client: Client
) -> None:
    @app.middleware
    def refuse(request: Request) -> Iterator[Any]:
        raise Http404
        yield

    inner.errorhandler(404)(lambda request, error: (f"{request.root_path} {request.path}", 404))
    inner.get("/page")(lambda request: "page")
    assert client.get("/inner/deep/page").text == " ".join(INSIDE)


@pytest.mark.parametrize("async_view", [False, True], ids=["plain view", "async view"])
def test_names_of_routes_are_those_of_the_app_that_asks(
    app: Webframe, between: Webframe, inner: Webframe, client: Client, async_view: bool
) -> None:
    addresses: list[list[str]] = []

    def note(request: Request) -> None:
        every = [one.url_for("home") for one in (app, between, inner)]
        addresses.append([request.url_for("home"), url_for("home"), request.url, request.root_url, *every])

    def noting(request: Request) -> Iterator[Any]:
        note(request)
        yield
        note(request)

    for part in (app, between, inner):
        part.middleware(noting)
        part.get("/home", name="home")(lambda request: "")

    def page(request: Request) -> str:
        return "page"

    async def async_page(request: Request) -> str:
        return "page"

    inner.get("/page")(async_page if async_view else page)
    assert client.get("/inner/deep/page").text == "page"
    host, every = "http://testserver", ["/home", "/inner/home", "/inner/deep/home"]
    expected = [[home, home, f"{host}/inner/deep/page", f"{host}{home.removesuffix('home')}", *every] for home in every]
    assert addresses == [*expected, *reversed(expected)]


@pytest.mark.parametrize("async_body", [False, True], ids=["plain body", "async body"])
def test_what_an_app_leaves_for_later_sees_its_own_address(
    app: Webframe, between: Webframe, inner: Webframe, client: Client, async_body: bool
) -> None:
    seen: list[Any] = []

    def place(request: Request) -> str:
        return f"{request.root_path} {request.path} {url_for('page')}"

    def body(request: Request) -> Iterator[str]:
        try:
            yield place(request)
            yield ", " + place(request)
        finally:
            seen.append(("body", place(request)))

    async def asynchronous(request: Request) -> AsyncIterator[str]:
        for chunk in body(request):
            await asyncio.sleep(0)
            yield chunk

    async def task(request: Request, name: str) -> None:
        seen.append((name, place(request)))

    def closer(request: Request, name: str) -> None:
        seen.append((name, place(request)))

    @app.middleware
    def around(request: Request) -> Iterator[Any]:
        request.on_close(closer, request, "outer closer")
        response = yield
        seen.append(("app", request.path))
        request.add_background_task(task, request, name="outer task")
        response.headers["X-Path"] = request.path

    app.get("/outer", name="page")(lambda request: "")

    @inner.get("/page")
    def page(request: Request) -> Response:
        request.add_background_task(task, request, name="task")
        request.on_close(closer, request, "closer")
        return Response(asynchronous(request) if async_body else body(request))

    response = client.get("/inner/deep/page")
    own = "/inner/deep /page /inner/deep/page"
    assert (response.text, response.headers["X-Path"]) == (f"{own}, {own}", "/inner/deep/page")
    outer = " /inner/deep/page /outer"
    assert seen == [
        ("app", "/inner/deep/page"),
        ("body", own),
        ("task", own),
        ("outer task", outer),
        ("closer", own),
        ("outer closer", outer),
    ]


@pytest.mark.parametrize("kind", ["plain iterable", "async iterable"])
def test_a_body_of_a_mounted_app_is_closed_once_with_its_own_address(
    between: Webframe, client: Client, kind: str
) -> None:
    closed: list[str] = []

    class Plain:
        def __init__(self, request: Request) -> None:
            self.request = request

        def __iter__(self) -> Iterator[str]:
            yield self.request.path

        def close(self) -> None:
            closed.append(self.request.path)

    class Asynchronous:
        def __init__(self, request: Request) -> None:
            self.request = request

        async def __aiter__(self) -> AsyncIterator[str]:
            yield self.request.path

        async def aclose(self) -> None:
            closed.append(self.request.path)

    between.get("/page")(
        lambda request: Response(Plain(request) if kind == "plain iterable" else Asynchronous(request))
    )
    assert client.get("/inner/page").text == "/page"
    assert closed == ["/page"]


def test_receivers_see_the_address_in_the_app_that_serves(between: Webframe, client: Client) -> None:
    seen: list[tuple[str, str]] = []

    def note(**kwargs: Any) -> None:
        request = current_request.get()
        assert request is not None
        seen.append((request.root_path, request.path))

    @between.get("/page")
    def page(request: Request) -> str:
        raise ValueError

    with (
        request_started.connected_to(note),
        got_request_exception.connected_to(note),
        request_finished.connected_to(note),
    ):
        assert client.get("/inner/page").status_code == 500
    assert seen == [("", "/inner/page")] * 3


def test_what_is_not_found_in_a_mounted_app_has_no_rule(app: Webframe, inner: Webframe, client: Client) -> None:
    @app.errorhandler(404)
    def not_found(request: Request, error: Exception) -> Any:
        return JSONResponse([request.endpoint, request.url_rule], 404)

    for path in "/inner/deep/nowhere", "/inner/nowhere", "/nowhere":
        assert client.get(path).json() == [None, None]


def test_what_clients_ask_a_mounted_app_for_in_vain_does_not_pile_up(
    app: Webframe, inner: Webframe, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def count() -> int:
        gc.collect()
        return sum(type(each) is Endpoint for each in gc.get_objects())

    def ask() -> list[int]:
        answers = client.post("/inner/deep/page/"), client.get("/inner/deep/page"), client.get("/inner/deep/nowhere")
        return [answer.status_code for answer in answers]

    caplog.set_level(logging.CRITICAL, "webframe.request")  # the log of a test keeps requests, with their endpoints
    inner.get("/page/", name="page")(lambda request: "ok")
    assert ask() == [405, 308, 404]
    before = count()
    for _ in range(5):
        ask()
    assert count() <= before


def test_a_response_that_a_mounted_app_gives_to_many_requests_is_whole_each_time(
    app: Webframe, between: Webframe, inner: Webframe, client: Client
) -> None:
    class Pieces:
        def __iter__(self) -> Iterator[str]:
            request = current_request.get()
            return iter([request.root_path, request.path])

    class AsyncPieces:
        async def __aiter__(self) -> AsyncIterator[str]:
            yield "one"
            yield current_request.get().path

    plain, later = Response(Pieces()), Response(AsyncPieces())
    inner.get("/plain/<int:number>", name="plain")(lambda request, number: plain)
    inner.get("/later/<int:number>", name="later")(lambda request, number: later)
    for number in 1, 2, 3:
        assert client.get(f"/inner/deep/plain/{number}").text == f"/inner/deep/plain/{number}"
        assert client.get(f"/inner/deep/later/{number}").text == f"one/later/{number}"

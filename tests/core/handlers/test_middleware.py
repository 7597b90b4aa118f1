"""Middleware: generators around views, on both protocols, around plain and async views alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from werkzeug.exceptions import Forbidden

from webframe import Group, Request, Response, Webframe
from webframe.core.exceptions import Http404, ImproperlyConfigured, MiddlewareError
from webframe.test.client import Client

from .generators import asynchronously


@pytest.fixture(params=["plain view", "async view"])
def make_view(request: pytest.FixtureRequest) -> Callable[[Callable[[Request], Any]], Any]:
    """Makes a plain or an async view of a function."""
    if request.param == "plain view":
        return lambda function: function

    def make(function: Callable[[Request], Any]) -> Any:
        async def view(request: Request) -> Any:
            return function(request)

        return view

    return make


@pytest.fixture(params=["plain middleware", "async middleware"])
def make_middleware(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Makes a plain or an async middleware of a plain generator function."""
    if request.param == "plain middleware":
        return lambda function: function
    return asynchronously


class Site:
    """An app with one view and some middleware, and a client."""

    def __init__(self, app: Webframe, client: Client, make_view: Any, make_middleware: Any) -> None:
        self.app = app
        self.client = client
        self.make_view = make_view
        self.make_middleware = make_middleware
        self.events: list[Any] = []

    def view(self, function: Callable[[Request], Any]) -> None:
        self.app.get("/", name="view")(self.make_view(function))

    def middleware(self, function: Any) -> None:
        self.app.middleware(self.make_middleware(function))

    def get(self, path: str = "/") -> httpx.Response:
        return self.client.get(path)


@pytest.fixture
def site(app: Webframe, client: Client, make_view: Any, make_middleware: Any) -> Site:
    return Site(app, client, make_view, make_middleware)


def ok(request: Request) -> str:
    return "ok"


def test_the_first_registered_is_the_outermost(site: Site) -> None:
    for name in ("outer", "inner"):

        def middleware(request: Request, name: str = name) -> Iterator[Any]:
            site.events.append(f"{name} in")
            yield
            site.events.append(f"{name} out")

        site.middleware(middleware)
    site.view(lambda request: site.events.append("view") or "ok")
    assert site.get().text == "ok"
    assert site.events == ["outer in", "inner in", "view", "inner out", "outer out"]


def test_changing_the_response_is_enough(site: Site) -> None:
    def middleware(request: Request) -> Iterator[Any]:
        response = yield
        response.headers["X-Seen"] = "yes"

    site.middleware(middleware)
    site.view(ok)
    assert site.get().headers["X-Seen"] == "yes"


def test_a_second_yield_replaces_the_response(site: Site) -> None:
    def middleware(request: Request) -> Iterator[Any]:
        yield
        yield "other", 203

    site.middleware(middleware)
    site.view(ok)
    response = site.get()
    assert (response.status_code, response.text) == (203, "other")


def test_a_response_before_handing_on_answers_early_and_outer_middleware_sees_it(site: Site) -> None:
    def outer(request: Request) -> Iterator[Any]:
        response = yield
        site.events.append(response.status_code)

    def early(request: Request) -> Iterator[Any]:
        yield "no", 403
        site.events.append("cleaned up")

    site.middleware(outer)
    site.middleware(early)
    site.view(lambda request: site.events.append("view") or "ok")
    response = site.get()
    assert (response.status_code, response.text) == (403, "no")
    assert site.events == ["cleaned up", 403]


def test_an_error_of_the_view_rises_at_the_yield(site: Site) -> None:
    def middleware(request: Request) -> Iterator[Any]:
        try:
            yield
        except KeyError as error:
            site.events.append(error.args)
            yield "saved", 202

    def view(request: Request) -> Any:
        raise KeyError("lost")

    site.middleware(middleware)
    site.view(view)
    response = site.get()
    assert (response.status_code, response.text) == (202, "saved")
    assert site.events == [("lost",)]


def test_an_error_that_nobody_takes_passes_every_finally(site: Site) -> None:
    for name in ("outer", "inner"):

        def middleware(request: Request, name: str = name) -> Iterator[Any]:
            try:
                yield
            finally:
                site.events.append(name)

        site.middleware(middleware)

    def view(request: Request) -> Any:
        raise ValueError("no")

    site.view(view)
    assert site.get().status_code == 500
    assert site.events == ["inner", "outer"]


@pytest.mark.parametrize("error", [Http404("gone"), Forbidden("no")], ids=["ours", "werkzeug's"])
def test_an_http_error_is_a_response_by_the_time_middleware_sees_it(site: Site, error: Exception) -> None:
    def middleware(request: Request) -> Iterator[Any]:
        response = yield
        site.events.append(response.status_code)

    def view(request: Request) -> Any:
        raise error

    site.middleware(middleware)
    site.view(view)
    assert site.get().status_code == site.events[0]


def test_an_http_error_of_middleware_is_a_response_for_those_further_out(site: Site) -> None:
    def outer(request: Request) -> Iterator[Any]:
        response = yield
        site.events.append(response.status_code)

    def inner(request: Request) -> Iterator[Any]:
        raise Http404("not for you")
        yield

    site.middleware(outer)
    site.middleware(inner)
    site.view(ok)
    assert site.get().status_code == 404
    assert site.events == [404]


def test_an_error_on_the_way_out_rises_through_those_further_out(site: Site) -> None:
    def outer(request: Request) -> Iterator[Any]:
        try:
            yield
        except RuntimeError:
            yield "outer saved it"

    def inner(request: Request) -> Iterator[Any]:
        yield
        raise RuntimeError("late")

    site.middleware(outer)
    site.middleware(inner)
    site.view(ok)
    assert site.get().text == "outer saved it"


def test_the_middleware_of_an_app_sees_unknown_addresses_and_wrong_methods(site: Site) -> None:
    def middleware(request: Request) -> Iterator[Any]:
        response = yield
        site.events.append(response.status_code)

    site.middleware(middleware)
    site.view(ok)
    assert site.get("/nowhere").status_code == 404
    assert site.client.post("/").status_code == 405
    assert site.events == [404, 405]


def test_the_middleware_of_a_group_sees_only_its_routes(site: Site) -> None:
    group = Group("/inner")

    @group.middleware
    @site.make_middleware
    def middleware(request: Request) -> Iterator[Any]:
        site.events.append(request.path)
        yield

    group.get("/", name="inside")(site.make_view(ok))
    site.app.include(group)
    site.view(ok)
    site.get("/")
    site.get("/inner/nowhere")
    assert site.get("/inner/").text == "ok"
    assert site.events == ["/inner/"]


@pytest.mark.parametrize("mistake", ["never yields", "yields twice", "yields after its answer", "swallows"])
def test_breaking_the_rules_of_yield_is_an_error_that_names_the_middleware(
    app: Webframe, client_for: Any, make_view: Any, make_middleware: Any, mistake: str
) -> None:
    def never_yields(request: Request) -> Iterator[Any]:
        if mistake != "never yields":
            yield

    def yields_twice(request: Request) -> Iterator[Any]:
        yield
        yield

    def yields_after_its_answer(request: Request) -> Iterator[Any]:
        yield
        yield Response("a")
        yield Response("b")

    def swallows(request: Request) -> Iterator[Any]:
        try:
            yield
        except ValueError:
            pass

    def view(request: Request) -> Any:
        if mistake == "swallows":
            raise ValueError("swallowed")
        return "ok"

    functions = {
        "never yields": never_yields,
        "yields twice": yields_twice,
        "yields after its answer": yields_after_its_answer,
        "swallows": swallows,
    }
    app.middleware(make_middleware(functions[mistake]))
    app.get("/", name="view")(make_view(view))
    with pytest.raises(MiddlewareError, match="Middleware .*yield"):
        client_for(app, raise_app_exceptions=True).get("/")


def test_what_is_no_generator_function_is_refused_when_it_is_registered(app: Webframe) -> None:
    with pytest.raises(ImproperlyConfigured, match="generator function"):
        app.middleware(lambda request: None)


def test_returning_a_response_counts_as_yielding_it(app: Webframe, client: Client) -> None:
    @app.middleware
    def middleware(request: Request) -> Any:
        yield
        return "returned"

    app.get("/")(ok)
    assert client.get("/").text == "returned"


@pytest.mark.parametrize("place", ["before the view", "after the view", "after an error"])
@pytest.mark.parametrize(("value", "text"), [("", ""), ({}, "{}"), ([], "[]")])
def test_what_is_returned_may_be_empty(
    app: Webframe, client: Client, make_view: Callable[[Any], Any], place: str, value: Any, text: str
) -> None:
    @app.middleware
    def middleware(request: Request) -> Any:
        if place == "before the view":
            return value
        try:
            yield
        except ValueError:
            pass
        return value

    def view(request: Request) -> Any:
        if place == "after an error":
            raise ValueError
        return "the view's"

    app.get("/")(make_view(view))
    response = client.get("/")
    assert (response.status_code, response.text) == (200, text)

"""Groups, mounts, static folders and addresses: what surrounds a view, and how it is found and named."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe import Group, JSONResponse, Request, Response, View, Webframe, current_request, url_for
from webframe.core.exceptions import Http404, ImproperlyConfigured, NoReverseMatch
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.test.client import AsyncClient, Client


@pytest.fixture
def signals() -> Iterator[list[str]]:
    """The request signals of the whole process, by name."""
    heard: list[str] = []

    def started(**kwargs: Any) -> None:
        heard.append("started")

    def exception(**kwargs: Any) -> None:
        heard.append("exception")

    def finished(**kwargs: Any) -> None:
        heard.append("finished")

    request_started.connect(started)
    got_request_exception.connect(exception)
    request_finished.connect(finished)
    yield heard
    request_started.disconnect(started)
    got_request_exception.disconnect(exception)
    request_finished.disconnect(finished)


def says(text: str) -> Callable[..., str]:
    def view(request: Request, **values: Any) -> str:
        return text

    return view


def noting(events: list[str], name: str) -> Callable[[Request], Iterator[Any]]:
    """A middleware that says when it is passed."""

    def middleware(request: Request) -> Iterator[Any]:
        events.append(f"{name} in")
        yield
        events.append(f"{name} out")

    return middleware


# -- groups


def test_groups_nest_with_their_prefixes_and_names(app: Webframe, client: Client) -> None:
    shop = app.group("/shop", name="shop")
    cart = shop.group("/cart/<int:number>", name="cart")
    shop.get("/", name="home")(says("shop"))

    @cart.get("/items/<item>")
    def show(request: Request, number: int, item: str) -> str:
        return f"{number} {item} {request.endpoint} {request.url_rule}"

    assert client.get("/shop/").text == "shop"
    assert client.get("/shop/cart/7/items/pizza").text == "7 pizza shop.cart.show /shop/cart/<int:number>/items/<item>"
    assert app.url_for("shop.home") == "/shop/"
    assert app.url_for("shop.cart.show", number=7, item="a b?c") == "/shop/cart/7/items/a%20b%3Fc"


def test_a_group_without_prefix_or_name_only_gathers(app: Webframe, client: Client) -> None:
    group = app.group()
    group.get("/there", name="there")(says("there"))
    assert client.get("/there").text == "there"
    assert app.url_for("there") == "/there"


def test_a_rule_may_be_the_prefix_itself(app: Webframe, client: Client) -> None:
    group = app.group("/group/")
    group.get("", name="bare")(says("bare"))
    group.get("/", name="slash")(says("slash"))
    assert client.get("/group").text == "bare"
    assert client.get("/group/").text == "slash"


def test_a_group_of_another_module_is_included_below_a_prefix(app: Webframe, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "pizzas.py"
    path.write_text(
        "from webframe import Group, url_for\n"
        "group = Group('/pizzas', name='pizzas')\n"
        "@group.get('/<name>')\n"
        "def show(request, name):\n"
        "    return url_for('pizzas.show', name=name)\n"
    )
    spec = importlib.util.spec_from_file_location("pizzas_of_a_test", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert app.include(module.group, "/menu") is module.group
    assert client.get("/menu/pizzas/marinara").text == "/menu/pizzas/marinara"


def test_a_group_may_be_included_in_several_apps(app: Webframe, client_for: Any) -> None:
    group = Group("/group")
    group.get("/", name="home")(says("home"))
    other = Webframe("other")
    app.include(group)
    other.include(group, "/below")
    assert client_for(app).get("/group/").text == "home"
    assert client_for(other).get("/below/group/").text == "home"
    assert (app.url_for("home"), other.url_for("home")) == ("/group/", "/below/group/")


def test_middleware_of_groups_goes_around_their_routes_only_outermost_first(app: Webframe, client: Client) -> None:
    events: list[str] = []
    outer = app.group("/outer")
    inner = outer.group("/inner")
    for group, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        group.middleware(noting(events, name))
        group.get("/", name="home")(says(name))
    assert client.get("/outer/inner/").text == "inner"
    assert events == ["app in", "outer in", "inner in", "inner out", "outer out", "app out"]
    events.clear()
    assert client.get("/outer/").text == "outer"
    assert events == ["app in", "outer in", "outer out", "app out"]
    events.clear()
    assert client.get("/").text == "app"
    assert client.get("/outer/inner/nowhere").status_code == 404
    assert events == ["app in", "app out"] * 2


def test_routes_and_middleware_may_come_in_any_order(app: Webframe, client: Client) -> None:
    events: list[str] = []
    group = Group("/group")
    group.get("/", name="home")(says("home"))
    app.include(group)
    group.middleware(noting(events, "late"))
    assert client.get("/group/").text == "home"
    assert events == ["late in", "late out"]


def test_what_is_added_after_the_first_request_counts_from_the_next(app: Webframe, client: Client) -> None:
    events: list[str] = []
    inner = Webframe("inner")
    group = app.group("/group")
    app.mount("/inner", inner)
    assert client.get("/later").status_code == 404
    assert client.get("/group/later").status_code == 404
    assert client.get("/inner/later").status_code == 404
    app.get("/later", name="later")(says("app"))
    group.get("/later", name="group_later")(says("group"))
    inner.get("/later", name="later")(says("inner"))
    assert client.get("/later").text == "app"
    assert client.get("/group/later").text == "group"
    assert client.get("/inner/later").text == "inner"
    assert app.url_for("later") == "/later"
    assert inner.url_for("later") == "/inner/later"
    app.middleware(noting(events, "middleware"))
    app.errorhandler(404)(lambda request, error: ("lost", 404))
    assert client.get("/nowhere").text == "lost"
    assert events == ["middleware in", "middleware out"]
    app.include(Group("/more")).get("/", name="more")(says("more"))
    assert client.get("/more/").text == "more"


def test_limits_belong_to_their_route(app: Webframe, client: Client) -> None:
    app.post("/small", name="small", max_content_length=10)(lambda request: str(len(request.data)))
    app.post("/large", name="large")(lambda request: str(len(request.data)))
    assert client.post("/small", content=b"x" * 10).text == "10"
    assert client.post("/small", content=b"x" * 11).status_code == 413
    assert client.post("/large", content=b"x" * 1000).text == "1000"


# -- class-based views


def test_a_class_is_a_view(app: Webframe, client: Client) -> None:
    class Notes(View):
        greeting = "notes"

        def get(self, request: Request, pk: int) -> str:
            return f"{self.greeting} {pk}"

        def delete(self, request: Request, pk: int) -> Any:
            return "", 204

    assert app.route("/notes/<int:pk>")(Notes) is Notes
    app.route("/named/<int:pk>", name="named")(Notes.as_view(greeting="hello"))
    assert client.get("/notes/3").text == "notes 3"
    assert client.delete("/notes/3").status_code == 204
    assert client.head("/notes/3").content == b""
    assert client.get("/named/3").text == "hello 3"
    assert app.url_for("Notes", pk=1) == "/notes/1"
    refused = client.post("/notes/3")
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS"}
    assert set(client.options("/notes/3").headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS"}


def test_the_methods_of_a_class_may_be_async(app: Webframe, client: Client) -> None:
    @app.route("/")
    class Home(View):
        async def get(self, request: Request) -> str:
            await asyncio.sleep(0)
            return "async"

    assert client.get("/").text == "async"


# -- methods


def test_each_verb_has_its_decorator(app: Webframe, client: Client) -> None:
    for verb in ("get", "post", "put", "patch", "delete"):
        getattr(app, verb)("/", name=verb)(says(verb))
    app.route("/several", methods=["PROPFIND", "post"], name="several")(says("several"))
    for verb in ("get", "post", "put", "patch", "delete"):
        assert client.request(verb, "/").text == verb
    assert client.request("PROPFIND", "/several").text == "several"
    assert client.post("/several").text == "several"
    assert client.get("/several").status_code == 405


def test_head_and_options_are_answered_without_being_asked_for(app: Webframe, client: Client) -> None:
    app.get("/", name="read")(says("hello"))
    app.post("/", name="write")(says("written"))
    head = client.head("/")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "5")
    options = client.options("/")
    assert options.status_code == 200
    assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_options_may_have_a_view(app: Webframe, client: Client) -> None:
    app.route("/", methods=["OPTIONS"], name="options")(says("mine"))
    assert client.options("/").text == "mine"


# -- mounted WSGI apps


def echo_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI app that says what it was asked."""
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length) if length else 0)
    headers = [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    start_response("202 Accepted", headers)
    parts = [environ["REQUEST_METHOD"], environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]]
    yield "|".join(parts).encode("latin-1")
    yield b"|" + body


def test_a_wsgi_app_answers_everything_below_its_prefix(app: Webframe, client: Client, signals: list[str]) -> None:
    app.mount("/echo", echo_wsgi)
    response = client.post("/echo/a/b?x=1", content=b"body")
    assert (response.status_code, response.text) == (202, "POST|/echo|/a/b|x=1|body")
    assert response.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
    assert signals == ["started", "finished"]
    assert client.get("/echo").text == "GET|/echo|||"
    assert client.request("PROPFIND", "/echo/").text == "PROPFIND|/echo|/||"
    assert client.get("/echoes").status_code == 404


def test_a_wsgi_app_gets_a_path_that_is_not_ascii_as_a_server_would_give_it(app: Webframe, client: Client) -> None:
    app.mount("/echo", echo_wsgi)
    assert client.get("/echo/日本").text == "GET|/echo|/日本||"


def test_a_wsgi_app_is_closed_before_the_request_finishes(app: Webframe, client: Client, signals: list[str]) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"one"
            yield b"two"

        def close(self) -> None:
            signals.append("closed")

    def inner(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    app.mount("/inner", inner)
    assert client.get("/inner/").text == "onetwo"
    assert signals == ["started", "closed", "finished"]


def test_an_error_of_a_wsgi_app_is_an_error_of_the_request(app: Webframe, client: Client, signals: list[str]) -> None:
    def inner(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ValueError("oh")

    app.mount("/inner", inner)
    app.errorhandler(500)(lambda request, error: (f"sorry, {error}", 500))
    assert client.get("/inner/").text == "sorry, oh"
    assert signals == ["started", "exception", "finished"]


def test_middleware_goes_around_mounted_apps_too(app: Webframe, client: Client) -> None:
    events: list[str] = []
    app.middleware(noting(events, "app"))
    group = app.group("/group")
    group.middleware(noting(events, "group"))
    group.mount("/echo", echo_wsgi)
    assert client.get("/group/echo/x").text == "GET|/group/echo|/x||"
    assert events == ["app in", "group in", "group out", "app out"]


# -- mounted ASGI apps


async def echo_asgi(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """An ASGI app that says what it was asked."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    parts = [scope["method"], scope["root_path"], scope["path"], scope["query_string"].decode()]
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": "|".join(parts).encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"|" + body})


def test_an_asgi_app_answers_everything_below_its_prefix(app: Webframe, client: Client, signals: list[str]) -> None:
    app.mount("/echo", echo_asgi)
    response = client.post("/echo/a/b?x=1", content=b"body")
    assert (response.status_code, response.text) == (202, "POST|/echo|/echo/a/b|x=1|body")
    assert response.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
    assert signals == ["started", "finished"]
    assert client.get("/echo/日本").text == "GET|/echo|/echo/日本||"
    assert client.get("/echoes").status_code == 404


def test_a_large_body_reaches_an_asgi_app_whole(app: Webframe, client: Client) -> None:
    async def count(scope: Any, receive: Any, send: Any) -> None:
        size = 0
        more = True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})

    app.mount("/count", count)
    assert client.post("/count/", content=b"x" * 1_000_000).text == "1000000"


@pytest.mark.parametrize("moment", ["before", "without an answer"])
def test_an_error_of_an_asgi_app_is_an_error_of_the_request(
    app: Webframe, client: Client, signals: list[str], moment: str
) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if moment == "before":
            raise ValueError("oh")

    app.mount("/inner", inner)
    assert client.get("/inner/").status_code == 500
    assert signals == ["started", "exception", "finished"]


def test_an_asgi_app_whose_client_goes_is_stopped(app: Webframe, signals: list[str]) -> None:
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0)
        finally:
            signals.append("stopped")

    app.mount("/endless", endless)

    async def main() -> None:
        async with AsyncClient(app) as client, client.stream("GET", "/endless/") as response:
            async for _ in response.aiter_bytes():
                break

    asyncio.run(main())
    assert signals == ["started", "stopped", "finished"]


def test_which_protocol_an_app_speaks_may_be_said(app: Webframe, client: Client) -> None:
    class Either:
        """Looks like neither."""

        def __call__(self, *args: Any) -> Any:
            return echo_asgi(*args) if len(args) == 3 else echo_wsgi(*args)

    app.mount("/asgi", Either(), protocol="asgi")
    app.mount("/wsgi", Either(), protocol="wsgi")
    assert client.get("/asgi/").text == "GET|/asgi|/asgi/||"
    assert client.get("/wsgi/").text == "GET|/wsgi|/||"


# -- mounted apps of ours


@pytest.fixture
def inner(app: Webframe) -> Webframe:
    """An app that is mounted at /inner."""
    inner = Webframe("inner")
    app.mount("/inner", inner)

    @inner.get("/where/<name>")
    def where(request: Request, name: str) -> JSONResponse:
        assert current_request.get() is request
        return JSONResponse([request.root_path, request.path, request.url_rule, request.script_root])

    return inner


def test_a_mounted_app_of_ours_sees_its_own_paths_and_one_pair_of_signals_is_sent(
    app: Webframe, inner: Webframe, client: Client, signals: list[str]
) -> None:
    response = client.get("/inner/where/x")
    assert response.json() == ["/inner", "/where/x", "/inner/where/<name>", "/inner"]
    assert signals == ["started", "finished"]
    assert client.get("/where/x").status_code == 404


def test_middleware_of_both_apps_goes_around_its_views_and_its_unknown_addresses(
    app: Webframe, inner: Webframe, client: Client
) -> None:
    events: list[str] = []
    group = inner.group("/group")
    for part, name in ((app, "app"), (inner, "inner"), (group, "group")):
        part.middleware(noting(events, name))
    group.get("/", name="home")(says("home"))
    assert client.get("/inner/group/").text == "home"
    assert events == ["app in", "inner in", "group in", "group out", "inner out", "app out"]
    events.clear()
    assert client.get("/inner/nowhere").status_code == 404
    assert events == ["app in", "inner in", "inner out", "app out"]
    events.clear()
    assert client.get("/nowhere").status_code == 404
    assert events == ["app in", "app out"]


def test_error_handlers_of_the_mounted_app_come_before_those_of_the_outer_one(
    app: Webframe, inner: Webframe, client: Client, signals: list[str]
) -> None:
    app.errorhandler(404)(lambda request, error: ("outer 404", 404))
    app.errorhandler(ValueError)(lambda request, error: "outer ValueError")
    inner.errorhandler(404)(lambda request, error: ("inner 404", 404))

    @inner.get("/value")
    def value(request: Request) -> Any:
        raise ValueError

    @inner.get("/lost")
    def lost(request: Request) -> Any:
        raise Http404

    @inner.get("/failing")
    def failing(request: Request) -> Any:
        raise KeyError

    assert client.get("/inner/lost").text == "inner 404"
    assert client.get("/inner/nowhere").text == "inner 404"
    assert client.get("/nowhere").text == "outer 404"
    assert client.get("/inner/value").text == "outer ValueError"
    signals.clear()
    assert client.get("/inner/failing").status_code == 500
    assert signals == ["started", "exception", "finished"]


def test_addresses_of_either_app_are_found_inside_and_outside_of_requests(
    app: Webframe, inner: Webframe, client_for: Any
) -> None:
    app.get("/outer/<int:n>", name="outer")(lambda request, n: JSONResponse([url_for("outer", n=n), addresses()]))

    def addresses() -> list[str]:
        return [app.url_for("outer", n=1), inner.url_for("where", name="x")]

    inner.get("/links", name="links")(
        lambda request: JSONResponse([request.url_for("where", name="y"), url_for("where", name="y"), addresses()])
    )
    expected = ["/outer/1", "/inner/where/x"]
    assert addresses() == expected
    client = client_for(app)
    assert client.get("/outer/2").json() == ["/outer/2", expected]
    assert client.get("/inner/links").json() == ["/inner/where/y", "/inner/where/y", expected]


def test_apps_mounted_in_mounted_apps_know_their_whole_prefix(
    app: Webframe, inner: Webframe, client: Client, signals: list[str]
) -> None:
    events: list[str] = []
    innermost = Webframe("innermost")
    inner.group("/deep").mount("/down", innermost)
    innermost.get("/here", name="here")(
        lambda request: JSONResponse([request.root_path, request.path, url_for("here"), app.url_for("there")])
    )
    app.get("/there", name="there")(says("there"))
    for part, name in ((app, "app"), (inner, "inner"), (innermost, "innermost")):
        part.middleware(noting(events, name))
    response = client.get("/inner/deep/down/here")
    assert response.json() == ["/inner/deep/down", "/here", "/inner/deep/down/here", "/there"]
    assert events == ["app in", "inner in", "innermost in", "innermost out", "inner out", "app out"]
    assert signals == ["started", "finished"]
    assert innermost.url_for("here") == "/inner/deep/down/here"


def test_the_route_of_the_outer_app_wins_over_the_mount(app: Webframe, inner: Webframe, client: Client) -> None:
    app.get("/inner/where/special", name="special")(says("outer"))
    assert client.get("/inner/where/special").text == "outer"
    assert client.get("/inner/where/x").status_code == 200


def test_the_way_to_an_unknown_address_in_a_mount_is_made_once(app: Webframe, inner: Webframe) -> None:
    inner.mount("/deep", Webframe("innermost"))
    find = app._table().find
    for path in "/inner/nowhere", "/inner/deep/nowhere":
        assert find("GET", path)[0] is find("GET", f"{path}/else")[0]


def test_the_prefix_alone_is_the_root_of_the_mounted_app(app: Webframe, inner: Webframe, client: Client) -> None:
    inner.get("/", name="home")(lambda request: f"{request.root_path} {request.path}")
    assert client.get("/inner/").text == "/inner /"
    assert client.get("/inner", follow_redirects=True).text == "/inner /"
    assert client.get("/innermost").status_code == 404


def test_a_missing_slash_redirects_within_the_mount(app: Webframe, inner: Webframe, client: Client) -> None:
    inner.get("/folder/", name="folder")(says("folder"))
    response = client.get("/inner/folder?x=1")
    assert response.status_code in (301, 308)
    assert response.headers["Location"].removeprefix("http://testserver") == "/inner/folder/?x=1"


def test_the_limits_and_methods_of_a_mounted_app_are_its_own(
    app: Webframe, inner: Webframe, client: Client, signals: list[str]
) -> None:
    inner.post("/small", name="small", max_content_length=10)(lambda request: str(len(request.data)))
    assert client.post("/inner/small", content=b"x" * 10).text == "10"
    assert client.post("/inner/small", content=b"x" * 11).status_code == 413
    assert client.put("/inner/small").status_code == 405
    assert signals == ["started", "finished"] * 3


def test_background_work_and_closers_of_a_mounted_app_come_before_the_one_end(
    app: Webframe, inner: Webframe, client: Client, signals: list[str]
) -> None:
    @inner.get("/work")
    def work(request: Request) -> str:
        request.add_background_task(signals.append, "task")
        request.on_close(signals.append, "closer")
        return "ok"

    client.get("/inner/work")
    assert signals == ["started", "task", "closer", "finished"]


@pytest.mark.parametrize("wrapping", ["wsgi", "asgi", "a WSGI middleware", "an ASGI middleware"])
def test_an_app_of_ours_in_a_wrapping_sends_no_second_pair_of_signals(
    app: Webframe, client: Client, signals: list[str], wrapping: str
) -> None:
    inner = Webframe("inner")
    inner.get("/where", name="where")(lambda request: f"{request.root_path} {request.path}")

    def wsgi(environ: Any, start_response: Any) -> Any:
        return inner(environ, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    wrapped = {"wsgi": inner.wsgi, "asgi": inner.asgi, "a WSGI middleware": wsgi, "an ASGI middleware": asgi}[wrapping]
    app.mount("/inner", wrapped, protocol="asgi" if "asgi" in wrapping.lower() else "wsgi")
    assert client.get("/inner/where").text == "/inner /where"
    assert signals == ["started", "finished"]


def test_an_app_served_by_itself_after_being_mounted_is_one_of_its_own(
    app: Webframe, inner: Webframe, client_for: Any, signals: list[str]
) -> None:
    inner.get("/links", name="links")(lambda request: JSONResponse([url_for("links"), inner.url_for("links")]))
    assert client_for(app).get("/inner/links").json() == ["/inner/links", "/inner/links"]
    signals.clear()
    client = client_for(inner)
    assert client.get("/where/x").json()[:2] == ["", "/where/x"]
    assert client.get("/links").json() == ["/links", "/links"]
    assert signals == ["started", "finished"] * 2


# -- below a prefix that the server knows


def test_addresses_begin_with_the_prefix_under_which_the_server_has_the_app(
    app: Webframe, inner: Webframe, protocol: str
) -> None:
    app.get("/home", name="home")(
        lambda request: JSONResponse([request.path, request.root_path, url_for("home"), inner.url_for("links")])
    )
    inner.get("/links", name="links")(
        lambda request: JSONResponse([request.path, request.root_path, url_for("links"), app.url_for("home")])
    )
    for path, expected in (
        ("/home", ["/home", "/site", "/site/home", "/site/inner/links"]),
        ("/inner/links", ["/links", "/site/inner", "/site/inner/links", "/site/home"]),
    ):
        assert ask_below(app, "/site", path, protocol) == expected


def ask_below(app: Webframe, root: str, path: str, protocol: str) -> Any:
    """Ask an app that its server has below a prefix."""
    import json

    if protocol == "wsgi":
        environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": root, "PATH_INFO": path, "HTTP_HOST": "testserver"}
        return json.loads(b"".join(app(environ, lambda status, headers, exc_info=None: None)))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": root + path,
        "root_path": root,
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }
    asyncio.run(app(scope, receive, send))
    return json.loads(sent[1]["body"])


# -- static files


def test_a_folder_is_served_and_its_files_have_addresses(app: Webframe, client: Client, tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "style.css").write_text("p {}")
    (tmp_path.parent / "secret.txt").write_text("secret")
    app.static("/static", tmp_path)
    address = app.url_for("static", filename="css/style.css")
    assert address == "/static/css/style.css"
    response = client.get(address)
    assert (response.status_code, response.text) == (200, "p {}")
    assert response.headers["Content-Type"].startswith("text/css")
    assert client.get(address, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
    assert client.get(address, headers={"Range": "bytes=0-0"}).text == "p"
    assert client.head(address).headers["Content-Length"] == "4"
    for path in (
        "/static/nothing.css",
        "/static/css",
        "/static/",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
    ):
        assert client.get(path).status_code == 404
    assert client.post(address).status_code == 405


def test_groups_may_have_folders_of_their_own(app: Webframe, client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    app.group("/shop", name="shop").static("/files", tmp_path, max_age=60)
    address = app.url_for("shop.static", filename="a.txt")
    assert address == "/shop/files/a.txt"
    assert "max-age=60" in client.get(address).headers["Cache-Control"]


# -- addresses


def test_values_that_are_no_part_of_the_rule_become_the_query(app: Webframe) -> None:
    app.get("/notes/<int:pk>", name="note")(says("note"))
    assert app.url_for("note", pk=7, q="a b&c", page=2) == "/notes/7?q=a+b%26c&page=2"
    assert app.url_for("note", pk=7, _anchor="a b") == "/notes/7#a%20b"
    assert app.url_for("note", pk=7, q="x", _anchor="top") == "/notes/7?q=x#top"


def test_an_external_address_has_the_host_of_the_request(app: Webframe, client: Client) -> None:
    @app.get("/notes/<int:pk>")
    def note(request: Request, pk: int) -> str:
        return url_for("note", pk=pk, q="x", _external=True, _anchor="end")

    assert client.get("/notes/7").text == "http://testserver/notes/7?q=x#end"
    with pytest.raises(ImproperlyConfigured, match="current request"):
        app.url_for("note", pk=7, _external=True)


def test_addresses_outside_of_requests_need_an_app() -> None:
    with pytest.raises(ImproperlyConfigured, match="app.url_for"):
        url_for("note", pk=7)


def test_a_name_that_does_not_exist_is_an_error_with_its_neighbours(app: Webframe) -> None:
    app.get("/notes/<int:pk>", name="note")(says("note"))
    with pytest.raises(NoReverseMatch, match="'nota'.*note"):
        app.url_for("nota")
    with pytest.raises(NoReverseMatch, match="pk"):
        app.url_for("note")


def test_the_routes_can_be_listed(app: Webframe) -> None:
    group = app.group("/group", name="group")
    group.get("/<int:n>", name="show")(says("show"))
    app.post("/", name="write")(says("write"))
    routes = {route.name: route for route in app.routes()}
    assert routes["group.show"].rule == "/group/<int:n>"
    assert set(routes["write"].methods or ()) >= {"POST"}


# -- what cannot be


def test_two_views_of_one_name_are_refused_with_both_named(app: Webframe) -> None:
    app.get("/a", name="same")(says("a"))
    with pytest.raises(ImproperlyConfigured, match="'same'.*says.*name="):
        app.get("/b", name="same")(says("b"))


def test_one_view_may_have_several_rules(app: Webframe, client: Client) -> None:
    @app.get("/page/<int:n>")
    @app.get("/page", defaults={"n": 1})
    def page(request: Request, n: int) -> str:
        return str(n)

    assert client.get("/page").text == "1"
    assert client.get("/page/2").text == "2"
    assert app.url_for("page", n=2) == "/page/2"
    assert app.url_for("page", n=1) == "/page"


def print_nothing() -> None: ...


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda app: app.get("no-slash")(says("x")), "slash"),
        (lambda app: app.get("/<pk")(says("x")), "<pk"),
        (lambda app: app.get("/<integer:pk>")(says("x")), "integer"),
        (lambda app: app.get("/x")(42), "42"),
        (lambda app: app.route("/x", methods="GET")(says("x")), "list"),
        (lambda app: app.group("shop"), "slash"),
        (lambda app: app.include(Webframe("other")), r"mount\(\)"),
        (lambda app: app.include(app), "mount|itself"),
        (lambda app: app.mount("inner", echo_wsgi), "inner"),
        (lambda app: app.mount("/", echo_wsgi), "prefix"),
        (lambda app: app.mount("", echo_wsgi), "prefix"),
        (lambda app: app.mount("/x", app), "itself"),
        (lambda app: app.mount("/<int:shop>/admin", echo_wsgi), "'/<int:shop>/admin': .* fixed text"),
        (lambda app: app.group("/<int:shop>").mount("/admin", Webframe("other")), "'/<int:shop>/admin': .* Group"),
        (lambda app: app.include(mounting("/admin"), "/<int:shop>"), "'/<int:shop>/part/admin'"),
        (lambda app: app.group("/<shop>").include(mounting("/admin")), "'/<shop>/part/admin'"),
        (lambda app: app.mount("/x", 42), "42"),
        (lambda app: app.mount("/x", echo_wsgi, protocol="rsgi"), "rsgi"),
        (lambda app: app.middleware(lambda request: None), "generator"),
        (lambda app: app.errorhandler(404)(42), "42"),
        (lambda app: app.errorhandler(404)(lambda error: "x"), "two arguments, the request and the error"),
        (lambda app: app.group("/x").errorhandler(KeyError)(print_nothing), "print_nothing.* must take two"),
    ],
)
def test_a_mistake_is_refused_where_it_is_made(app: Webframe, mistake: Callable[[Webframe], Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        mistake(app)


def mounting(prefix: str) -> Group:
    """A group with another one in it, where an app is mounted."""
    group = Group()
    group.group("/part").mount(prefix, echo_wsgi)
    return group


def test_a_mount_that_comes_below_a_variable_later_is_refused_when_the_app_is_frozen(app: Webframe) -> None:
    shop, part = Group("/<int:shop>"), Group()
    app.include(shop)
    shop.include(part)
    part.mount("/admin", Webframe("other"))
    with pytest.raises(ImproperlyConfigured, match="'/<int:shop>/admin'"):
        app.routes()


def test_groups_cannot_include_each_other_in_a_circle() -> None:
    outer, inner = Group("/outer"), Group("/inner")
    outer.include(inner)
    with pytest.raises(ImproperlyConfigured, match="itself"):
        inner.include(outer)
    with pytest.raises(ImproperlyConfigured, match="itself"):
        outer.include(outer)


def test_apps_cannot_be_mounted_in_each_other_in_a_circle(app: Webframe) -> None:
    middle, inner = Webframe("middle"), Webframe("inner")
    app.mount("/middle", middle)
    middle.group("/group").mount("/inner", inner)
    with pytest.raises(ImproperlyConfigured, match="mounted"):
        inner.mount("/app", app)


def test_a_response_of_a_mounted_app_is_logged_like_any_other(
    app: Webframe, inner: Webframe, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "webframe.request"):
        client.get("/inner/nowhere")
    (record,) = caplog.records
    assert "404" in record.getMessage()


def test_a_view_may_be_a_callable_object(app: Webframe, client: Client) -> None:
    class Page:
        def __call__(self, request: Request) -> Response:
            return Response("plain object")

    class AsyncPage:
        async def __call__(self, request: Request) -> Response:
            await asyncio.sleep(0)
            return Response("async object")

    app.get("/plain")(Page())
    app.get("/async")(AsyncPage())
    assert client.get("/plain").text == "plain object"
    assert client.get("/async").text == "async object"
    assert app.url_for("AsyncPage") == "/async"
    assert "tests" in str(sys.modules[Page.__module__])

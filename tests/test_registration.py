"""What is wrong with a route, a middleware or a handler is said where it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException, NotFound

from webframe import Group, Http404, Request, Webframe
from webframe.core.exceptions import HTTPError, ImproperlyConfigured
from webframe.test import Client


@pytest.mark.parametrize(
    ("rule", "view", "message"),
    [
        ("/", lambda: "no", r"must take the request as its first parameter"),
        ("/<int:pk>", lambda request: "no", r"does not take 'pk', which is in its rule '/<int:pk>'"),
        ("/<pk>", lambda request, key: "no", r"does not take 'pk'"),
        ("/<any(a, b):kind>", lambda request, *args: "no", r"does not take 'kind'"),
    ],
)
def test_a_view_that_cannot_be_called_is_refused(
    app: Webframe, rule: str, view: Callable[..., Any], message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        app.get(rule)(view)


@pytest.mark.parametrize(
    ("rule", "view"),
    [
        ("/<int:pk>", lambda request, pk: str(pk)),
        ("/<int:pk>", lambda request, **values: str(values["pk"])),
        ("/<int:pk>", lambda request, *, pk, extra=1: str(pk)),
        ("/<int:pk>", lambda *args, pk: str(pk)),
    ],
)
def test_a_view_may_take_its_values_in_any_way(client: Client, app: Webframe, rule: str, view: Any) -> None:
    app.get(rule)(view)
    assert client.get("/7").text == "7"


def test_the_values_of_an_outer_prefix_are_not_asked_for_too_early(client: Client, app: Webframe) -> None:
    group = Group("/notes")

    @group.get("/<int:pk>")
    def show(request: Request, user: str, pk: int) -> str:
        return f"{user} {pk}"

    app.include(group, "/<user>")
    assert client.get("/ada/notes/3").text == "ada 3"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("/<", "malformed"),
        ("/<int:>", "malformed"),
        ("/<int:pk", "malformed"),
        ("/<<pk>>", "malformed"),
        ("/<p k>", "malformed"),
        ("/<itn:pk>", "the converter 'itn', which does not exist. Did you mean 'int'"),
        ("/<a>/<int:a>", "uses the variable 'a' twice"),
        (7, "begin with their rule, a text .*not with 7"),
        (b"/x", "begin with their rule, a text"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_where_it_is_written(app: Webframe, rule: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        app.get(rule)(lambda request, **values: "no")
    with pytest.raises(ImproperlyConfigured, match=message):
        app.websocket(rule)(lambda websocket, **values: None)
    assert app.routes() == []


def test_a_decorator_without_its_rule_is_refused(app: Webframe) -> None:
    def view(request: Request) -> None: ...

    decorators: list[Any] = [app.get, app.route, app.websocket]
    for decorator in decorators:
        with pytest.raises(ImproperlyConfigured, match=r"rule, a text such as '/notes', not with .*view"):
            decorator(view)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": []}, "has no methods"),
        ({"methods": [7]}, "7 is no HTTP method"),
        ({"methods": ["GE T"]}, "'GE T' is no HTTP method"),
        ({"methods": ["GET\r\nX: y"]}, "is no HTTP method"),
        ({"max_content_length": "7"}, "max_content_length .* must be a number of bytes, not '7'"),
        ({"max_upload_length": -1}, "max_upload_length .* must be a number of bytes, not -1"),
    ],
)
def test_an_option_that_will_not_do_is_refused_where_it_is_written(
    app: Webframe, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        app.route("/", **options)(lambda request: "no")


def test_an_unknown_converter_is_refused_when_its_group_meets_an_app(app: Webframe) -> None:
    inner, outer = Group("/inner"), Group("/outer")
    inner.get("/<hex:color>")(lambda request, color: color)
    outer.include(inner)  # nobody can know the converters yet
    with pytest.raises(ImproperlyConfigured, match="'hex', which does not exist"):
        app.include(outer)
    assert app.routes() == []
    included = app.group("/here").group("/there")
    with pytest.raises(ImproperlyConfigured, match="'hex', which does not exist"):
        included.get("/<hex:color>")(lambda request, color: color)


def test_a_prefix_that_cannot_be_read_is_refused_where_it_is_written(app: Webframe) -> None:
    with pytest.raises(ImproperlyConfigured, match="malformed"):
        Group("/<user")
    with pytest.raises(ImproperlyConfigured, match="malformed"):
        app.include(Group(), "/<user")
    with pytest.raises(ImproperlyConfigured, match="must begin with a slash"):
        app.include(Group(), "user")


def test_what_is_no_group_cannot_be_included(app: Webframe) -> None:
    for thing in None, "shop", lambda: None:
        with pytest.raises(ImproperlyConfigured, match="is no Group"):
            app.include(thing)  # type: ignore[arg-type]  # the mistake


def test_start_up_code_that_cannot_be_called_is_refused(app: Webframe) -> None:
    for register in app.on_startup, app.on_shutdown:
        with pytest.raises(ImproperlyConfigured, match="None is not callable"):
            register(None)  # type: ignore[type-var]  # the mistake


def test_a_middleware_that_is_no_generator_is_refused_with_its_name(app: Webframe) -> None:
    async def dispatch(request: Request, call_next: Any) -> Any: ...

    with pytest.raises(ImproperlyConfigured, match=r"dispatch cannot be a middleware.*response = yield"):
        app.middleware(dispatch)


def test_a_status_in_quotes_is_refused_with_a_hint(app: Webframe) -> None:
    with pytest.raises(ImproperlyConfigured, match="Write 404 without quotes"):
        app.errorhandler("404")  # type: ignore[arg-type]  # the mistake


def test_a_static_folder_is_found_beside_the_file_that_names_it(
    app: Webframe, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(__file__).parent / "core" / "handlers"
    app.static("/files", "core/handlers")
    assert client.get("/files/test_middleware.py").content == (folder / "test_middleware.py").read_bytes()


def test_a_static_folder_that_does_not_exist_is_refused(app: Webframe) -> None:
    with pytest.raises(ImproperlyConfigured, match="no folder .*nowhere"):
        app.static("/files", "nowhere")


@pytest.mark.parametrize("registered", [HTTPException, HTTPError])
@pytest.mark.parametrize("raised", [NotFound, Http404])
def test_one_handler_takes_http_errors_of_either_kind(
    app: Webframe, client: Client, registered: type[BaseException], raised: type[Exception]
) -> None:
    @app.errorhandler(registered)
    def handle(request: Request, error: Exception) -> Any:
        return type(error).__name__, 418

    @app.get("/")
    def view(request: Request) -> Any:
        raise raised

    assert client.get("/").text == raised.__name__


def test_a_handler_for_all_http_errors_leaves_redirects_alone(app: Webframe, client: Client) -> None:
    app.errorhandler(HTTPException)(lambda request, error: ("handled", 418))
    app.get("/folder/")(lambda request: "here")
    response = client.get("/folder")
    assert (response.status_code, response.headers["Location"]) == (308, "/folder/")

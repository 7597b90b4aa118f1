"""Errors as a person sees them: who answers, with which page, and what the log says about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.exceptions import Conflict, HTTPException, NotFound, Unauthorized

from webframe import Group, Request, Response, Webframe, abort
from webframe.core.exceptions import (
    BadRequest,
    DisallowedHost,
    Http404,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from webframe.test import override_settings
from webframe.test.client import Client


class Unknown(Exception):
    """An error of the tests."""


class MoreUnknown(Unknown):
    """One that has another as its base."""


def raises(error: Any) -> Callable[..., Any]:
    def view(request: Request) -> Any:
        raise error

    return view


def says(text: str, status: int = 418) -> Callable[..., Any]:
    def handler(request: Request, error: BaseException) -> Any:
        return f"{text}: {type(error).__name__}", status

    return handler


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[str], list[logging.LogRecord]]]:
    """What has been logged under a name, from warnings on."""
    with caplog.at_level(logging.INFO, "webframe.request"), caplog.at_level(logging.INFO, "webframe.security"):
        yield lambda name: [record for record in caplog.records if record.name == name]


# -- who answers


@pytest.mark.parametrize("error", [Http404("gone"), NotFound()], ids=["ours", "werkzeug's"])
@pytest.mark.parametrize("registered", [404, Http404, NotFound], ids=["status", "our class", "werkzeug's class"])
def test_a_handler_for_404_answers_it_whoever_raised_it(
    app: Webframe, client: Client, code: Any, error: Exception, registered: Any
) -> None:
    app.errorhandler(registered)(code(says("lost", 404)))
    app.get("/")(code(raises(error)))
    assert client.get("/").text == f"lost: {type(error).__name__}"
    assert client.get("/nowhere").text == "lost: NotFound"
    assert client.get("/nowhere").status_code == 404


def test_a_handler_for_a_class_answers_its_subclasses_and_the_nearest_class_wins(
    app: Webframe, client: Client, code: Any
) -> None:
    app.errorhandler(Exception)(code(says("anything")))
    app.errorhandler(Unknown)(code(says("unknown")))
    app.get("/more")(code(raises(MoreUnknown())))
    app.get("/other")(code(raises(KeyError())))
    assert client.get("/more").text == "unknown: MoreUnknown"
    assert client.get("/other").text == "anything: KeyError"


def test_a_status_comes_before_a_class(app: Webframe, client: Client, code: Any) -> None:
    app.errorhandler(HTTPException)(code(says("class")))
    app.errorhandler(409)(code(says("status")))
    app.get("/")(code(raises(Conflict())))
    app.get("/other")(code(raises(Unauthorized())))
    assert client.get("/").text == "status: Conflict"
    assert client.get("/other").text == "class: Unauthorized"


def test_the_inner_group_is_asked_before_the_outer_one_and_the_app_last(
    app: Webframe, client: Client, code: Any
) -> None:
    outer = Group("/outer")
    inner = Group("/inner")
    outer.include(inner)
    app.include(outer)
    for group, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        group.errorhandler(404)(code(says(name, 404)))
        group.get("/lost", name="lost")(code(raises(Http404())))
    app.errorhandler(Unknown)(code(says("app")))
    inner.get("/unknown")(code(raises(Unknown())))
    assert client.get("/lost").text == "app: Http404"
    assert client.get("/outer/lost").text == "outer: Http404"
    assert client.get("/outer/inner/lost").text == "inner: Http404"
    assert client.get("/outer/inner/unknown").text == "app: Unknown"


def test_a_groups_handler_for_a_class_comes_before_the_apps_for_the_status(
    app: Webframe, client: Client, code: Any
) -> None:
    group = app.group("/group")
    group.errorhandler(HTTPException)(code(says("group", 404)))
    app.errorhandler(404)(code(says("app", 404)))
    group.get("/")(code(raises(NotFound())))
    assert client.get("/group/").text == "group: NotFound"


def test_addresses_that_lead_nowhere_are_the_apps_even_below_the_prefix_of_a_group(
    app: Webframe, client: Client, code: Any
) -> None:
    group = app.group("/group")
    group.errorhandler(404)(code(says("group", 404)))
    app.errorhandler(404)(code(says("app", 404)))
    group.get("/")(code(lambda request: "ok"))
    assert client.get("/group/nowhere").text == "app: NotFound"


@pytest.mark.parametrize("answer", ["text", {"a": 1}, ("text", 410), Response("text", 422)], ids=repr)
def test_a_handler_may_answer_with_whatever_a_view_may(app: Webframe, client: Client, code: Any, answer: Any) -> None:
    app.errorhandler(Unknown)(code(lambda request, error: answer))
    app.get("/")(code(raises(Unknown())))
    response = client.get("/")
    assert response.status_code in (200, 410, 422)
    assert response.text in ("text", '{"a":1}')


def test_a_handler_may_raise_an_http_error(app: Webframe, client: Client, code: Any, heard: Any) -> None:
    def handler(request: Request, error: Exception) -> Any:
        raise Http404("rather lost")

    app.errorhandler(Unknown)(code(handler))
    app.get("/")(code(raises(Unknown())))
    response = client.get("/")
    assert response.status_code == 404
    assert "rather lost" in response.text
    assert heard.counts == (1, 0, 1)


def test_a_handler_that_returns_nothing_is_an_error(app: Webframe, client: Client, code: Any, heard: Any) -> None:
    app.errorhandler(404)(code(lambda request, error: None))
    assert client.get("/").status_code == 500
    assert heard.counts == (1, 1, 1)


def test_a_handler_hears_of_errors_of_middleware(app: Webframe, client: Client, code: Any, heard: Any) -> None:
    @app.middleware
    def fail(request: Request) -> Iterator[Any]:
        yield
        raise Unknown

    app.errorhandler(Unknown)(code(says("handled")))
    app.get("/")(code(lambda request: "ok"))
    assert client.get("/").text == "handled: Unknown"
    assert heard.counts == (1, 0, 1)


def test_the_handler_for_500_makes_the_page_for_errors_that_nobody_handled(
    app: Webframe, client: Client, code: Any, heard: Any, logged: Any
) -> None:
    def page(request: Request, error: BaseException) -> Any:
        heard("page")
        return f"sorry: {type(error).__name__}", 500

    app.errorhandler(500)(code(page))
    app.get("/")(code(raises(Unknown())))
    response = client.get("/")
    assert (response.status_code, response.text) == (500, "sorry: Unknown")
    assert heard.events == ["started", "exception", "page", "finished"]
    assert len(logged("webframe.request")) == 1


def test_the_group_of_the_view_makes_its_own_page_for_500(app: Webframe, client: Client, code: Any) -> None:
    group = app.group("/group")
    group.errorhandler(500)(code(says("group's page", 500)))
    app.errorhandler(500)(code(says("app's page", 500)))
    group.get("/")(code(raises(Unknown())))
    app.get("/")(code(raises(Unknown())))
    assert client.get("/group/").text == "group's page: Unknown"
    assert client.get("/").text == "app's page: Unknown"


def test_what_is_wrong_with_a_request_reaches_the_error_handlers_of_the_app(
    app: Webframe, client: Client, code: Any
) -> None:
    app.errorhandler(DisallowedHost)(code(says("host", 400)))
    app.errorhandler(413)(code(says("size", 413)))
    app.errorhandler(405)(code(says("method", 405)))
    app.errorhandler(431)(code(says("header", 431)))
    app.post("/", max_content_length=10)(code(lambda request: "ok"))
    assert client.post("/", headers={"Host": "evil.example"}).text == "host: DisallowedHost"
    assert client.post("/", content=b"x" * 11).text == "size: RequestDataTooBig"
    assert client.get("/").text == "method: MethodNotAllowed"
    headers = {f"X-{number}": "x" for number in range(150)}
    assert client.post("/", headers=headers).text == "header: RequestHeadersTooBig"


def test_a_request_that_is_refused_on_a_path_with_values_is_answered_as_anywhere(
    app: Webframe, client: Client, code: Callable[[Any], Any]
) -> None:
    app.post("/<int:pk>", max_content_length=10)(code(lambda request, pk: str(pk)))
    assert client.post("/1", content=b"x" * 11).status_code == 413
    assert client.post("/1", content=b"x" * 10).text == "1"


@pytest.mark.parametrize("registered", [200, 399, 600, "404", ValueError("no class"), int, None])
def test_what_is_no_error_cannot_have_a_handler(app: Webframe, registered: Any) -> None:
    with pytest.raises(Exception, match="error"):
        app.errorhandler(registered)


# -- which page

STATUSES = {
    "/lost": (404, "NOT FOUND"),
    "/forbidden": (403, "FORBIDDEN"),
    "/bad": (400, "BAD REQUEST"),
    "/large": (413, "REQUEST ENTITY TOO LARGE"),
    "/failing": (500, "INTERNAL SERVER ERROR"),
    "/method": (405, "METHOD NOT ALLOWED"),
    "/nowhere": (404, "NOT FOUND"),
}


@pytest.fixture
def failing_app(app: Webframe, code: Any) -> Webframe:
    """An app with a view for each status."""
    app.get("/lost")(code(raises(Http404())))
    app.get("/forbidden")(code(raises(PermissionDenied())))
    app.get("/bad")(code(raises(BadRequest())))
    app.get("/large")(code(raises(RequestDataTooBig())))
    app.get("/failing")(code(raises(Unknown("a secret of ours"))))
    app.post("/method")(code(lambda request: "ok"))
    return app


@pytest.mark.parametrize("path", STATUSES)
def test_a_browser_gets_html_a_program_json_and_everybody_else_plain_text(
    failing_app: Webframe, client: Client, path: str
) -> None:
    status, name = STATUSES[path]
    html = client.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert html.status_code == status
    assert html.headers["Content-Type"] == "text/html; charset=utf-8"
    assert html.text.startswith("<!doctype html>")
    assert str(status) in html.text
    json = client.get(path, headers={"Accept": "application/json"})
    assert json.status_code == status
    assert json.headers["Content-Type"] == "application/json"
    assert json.json()["status"] == status
    plain = client.get(path, headers={"Accept": "*/*"})
    assert plain.status_code == status
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.text.startswith(str(status))
    for response in (html, json, plain):
        assert response.reason_phrase.upper() == name or path == "/large"
        assert int(response.headers["Content-Length"]) == len(response.content)
        assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize("path", STATUSES)
def test_a_page_tells_nothing_of_the_program(failing_app: Webframe, client: Client, path: str) -> None:
    for accept in ("text/html", "application/json", "*/*"):
        text = client.get(path, headers={"Accept": accept}).text
        for word in ("Traceback", "secret", "Unknown", ".py", "webframe"):
            assert word not in text


def test_a_page_says_what_the_error_says_and_no_markup_of_it(app: Webframe, client: Client, code: Any) -> None:
    app.get("/ours")(code(raises(Http404("No <b>pizza</b> today."))))

    def aborting(request: Request) -> Any:
        abort(409, "Somebody <i>else</i>.")

    app.get("/abort")(code(aborting))
    html = client.get("/ours", headers={"Accept": "text/html"})
    assert "No &lt;b&gt;pizza&lt;/b&gt; today." in html.text
    assert client.get("/ours").text.endswith("No <b>pizza</b> today.\n")
    assert client.get("/ours", headers={"Accept": "application/json"}).json()["description"] == "No <b>pizza</b> today."
    assert "Somebody &lt;i&gt;else&lt;/i&gt;." in client.get("/abort", headers={"Accept": "text/html"}).text


def test_a_wrong_method_is_told_the_right_ones(app: Webframe, client: Client, code: Any) -> None:
    app.get("/", name="read")(code(lambda request: "ok"))
    app.put("/", name="write")(code(lambda request: "ok"))
    response = client.post("/")
    assert response.status_code == 405
    assert {method.strip() for method in response.headers["Allow"].split(",")} >= {"GET", "HEAD", "PUT"}


def test_an_error_page_has_no_body_for_head(failing_app: Webframe, client: Client) -> None:
    response = client.head("/lost")
    assert response.status_code == 404
    assert response.content == b""


def test_a_method_that_is_not_head_to_the_server_gets_the_body_that_content_length_promises(
    app: Webframe, wsgi: Any, asgi: Any, protocol: str, code: Any
) -> None:
    app.get("/")(code(lambda request: "12345"))
    if protocol == "wsgi":
        exchange = wsgi(app, REQUEST_METHOD="head")
        assert dict(exchange.headers)["Content-Length"] == "5"
        assert exchange.body() == b"12345"
        exchange.close()
    else:
        exchange = asgi(app, method="head")
        asyncio.run(exchange.run())
        assert (b"content-length", b"5") in exchange.sent[0]["headers"]
        assert exchange.body == b"12345"


def test_an_http_error_may_bring_its_own_response(app: Webframe, client: Client, code: Any) -> None:
    app.get("/")(code(raises(HTTPException(response=Response("mine", 451)))))
    response = client.get("/")
    assert (response.status_code, response.text) == (451, "mine")


# -- what the log says


def test_an_error_is_logged_once_with_its_traceback_and_request(
    app: Webframe, client: Client, code: Any, logged: Any
) -> None:
    error = Unknown("oh")
    app.get("/failing")(code(raises(error)))
    client.get("/failing?password=secret")
    (record,) = logged("webframe.request")
    assert record.levelno == logging.ERROR
    assert record.exc_info[1] is error
    assert record.status_code == 500
    assert record.request.path == "/failing"
    assert "GET" in record.getMessage() and "/failing" in record.getMessage()
    assert "secret" not in record.getMessage()


@pytest.mark.parametrize("path", ["/lost", "/forbidden", "/bad", "/large", "/method", "/nowhere"])
def test_a_4xx_is_logged_once_as_a_warning_without_traceback(
    failing_app: Webframe, client: Client, logged: Any, path: str
) -> None:
    status = client.get(path).status_code
    (record,) = logged("webframe.request")
    assert record.levelno == logging.WARNING
    assert record.status_code == status
    assert not record.exc_info
    assert logged("webframe.security") == []


def test_what_is_suspicious_is_logged_under_its_own_name(app: Webframe, client: Client, code: Any, logged: Any) -> None:
    app.get("/")(code(raises(SuspiciousOperation("somebody tries something"))))
    assert client.get("/").status_code == 400
    (record,) = logged("webframe.security")
    assert "somebody tries something" in record.getMessage()
    assert record.request.path == "/"
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert len(logged("webframe.security")) == 2
    assert logged("webframe.request") == []


def test_an_error_that_somebody_handles_is_not_logged(app: Webframe, client: Client, code: Any, logged: Any) -> None:
    @app.middleware
    def save(request: Request) -> Iterator[Any]:
        try:
            yield
        except KeyError:
            yield "saved"

    app.errorhandler(Unknown)(code(says("handled")))
    app.get("/handled")(code(raises(Unknown())))
    app.get("/saved")(code(raises(KeyError())))
    assert client.get("/handled").text == "handled: Unknown"
    assert client.get("/saved").text == "saved"
    assert logged("webframe.request") == []


def test_an_ordinary_request_is_not_logged(app: Webframe, client: Client, code: Any, logged: Any) -> None:
    app.get("/")(code(lambda request: "ok"))
    client.get("/")
    assert logged("webframe.request") == []


def test_a_line_break_in_an_address_does_not_make_a_line_of_the_log(
    app: Webframe, client: Client, code: Any, logged: Any
) -> None:
    client.get("/a%0aFAKE%20LINE%0d")
    (record,) = logged("webframe.request")
    assert "\n" not in record.getMessage()
    assert "\r" not in record.getMessage()


# -- with DEBUG


def test_with_debug_an_error_is_shown_with_its_source(
    app: Webframe, client: Client, code: Any, heard: Any, logged: Any
) -> None:
    def view(request: Request) -> Any:
        pizza = "margherita"
        raise Unknown(f"no {pizza}")

    app.get("/")(code(view))
    with override_settings(DEBUG=True):
        response = client.get("/", headers={"Accept": "text/html"})
    assert response.status_code == 500
    assert "no margherita" in response.text
    assert "Unknown" in response.text
    assert "raise Unknown" in response.text
    assert heard.counts == (1, 1, 1)
    assert len(logged("webframe.request")) == 1
    response = client.get("/", headers={"Accept": "text/html"})
    assert "margherita" not in response.text


def test_with_debug_what_is_no_error_of_the_program_has_its_ordinary_page(
    failing_app: Webframe, client: Client
) -> None:
    with override_settings(DEBUG=True):
        response = client.get("/lost", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "Traceback" not in response.text


def test_with_debug_the_developer_sees_the_source_even_where_the_app_has_a_page_for_500(
    app: Webframe, client: Client, code: Any
) -> None:
    app.errorhandler(500)(code(says("ours", 500)))
    app.get("/")(code(raises(Unknown())))
    with override_settings(DEBUG=True):
        assert "Traceback" in client.get("/").text
    assert client.get("/").text == "ours: Unknown"

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    BadRequestKeyError,
    Forbidden,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    RequestedRangeNotSatisfiable,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    default_exceptions,
)
from werkzeug.routing import RequestRedirect
from werkzeug.test import create_environ

from webframe.core import exceptions
from webframe.core.exceptions import Http404, PermissionDenied, SuspiciousOperation
from webframe.http import errors
from webframe.http.errors import DESCRIPTIONS, error_response
from webframe.http.request import Request
from webframe.http.response import JSONResponse, Response

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def asking(accept, protocol="wsgi"):
    if protocol == "wsgi":
        return Request(create_environ(headers={"Accept": accept} if accept is not None else None))
    headers = [] if accept is None else [(b"accept", accept.encode("latin-1"))]
    return Request.from_scope(
        {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}, None
    )


@pytest.mark.parametrize(
    "accept, mimetype",
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("TEXT/HTML; charset=utf-8", "text/html"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/vnd.api+json", "application/json"),
        ("application/problem+json;q=0.5, text/html;q=0.4", "application/json"),
        ("application/json;q=0.4, text/html;q=0.5", "text/html"),
        ("text/html, application/json", "text/html"),
        ("application/json, text/html", "application/json"),
        ("*/*", "text/plain"),
        (None, "text/plain"),
        ("", "text/plain"),
        ("text/plain", "text/plain"),
        ("image/png", "text/plain"),
        ("text/html;q=0", "text/plain"),
        ("text/html;q=x", "text/plain"),
        ("text/html;q=nan", "text/plain"),
        (";;;,,,", "text/plain"),
        ("image/svg+json", "text/plain"),
    ],
)
def test_the_page_has_the_kind_that_the_client_asks_for(accept, mimetype, protocol):
    response = error_response(404, asking(accept, protocol))
    assert response.mimetype == mimetype
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("error", [404, NotFound(), MethodNotAllowed(["GET"])])
def test_a_page_is_sent_the_same_whether_or_not_somebody_has_looked_at_its_headers(error):
    unread, read = error_response(error, asking(BROWSER)), error_response(error, asking(BROWSER))
    assert ("Vary", "Accept") in read.headers.items()
    assert unread.to_wsgi("GET") == read.to_wsgi("GET")
    assert unread.to_asgi("GET") == read.to_asgi("GET")
    assert unread.to_wsgi("HEAD")[:2] == read.to_wsgi("HEAD")[:2]


def test_html_says_what_happened_in_a_page_of_its_own():
    response = error_response(NotFound(), asking(BROWSER))
    page = response.get_data(as_text=True)
    assert response.status == "404 NOT FOUND"
    assert "<title>404 Not Found</title>" in page
    assert "<h1>404 Not Found</h1>" in page
    assert DESCRIPTIONS[404] in page
    assert '<html lang="en">' in page
    assert 'name="viewport"' in page
    assert "color-scheme: light dark" in page
    assert not re.search("https?:|src=|href=|@import|<script", page)
    assert len(page) < 1500


def test_json_says_the_same_to_programs():
    response = error_response(NotFound("No such note."), asking("application/json"))
    assert json.loads(response.get_data()) == {"status": 404, "error": "Not Found", "description": "No such note."}


def test_text_says_the_same_to_everybody_else():
    response = error_response(NotFound("No such note."), asking("*/*"))
    assert response.get_data() == b"404 Not Found\n\nNo such note.\n"
    assert error_response(402, None).get_data() == b"402 Payment Required\n"


@pytest.mark.parametrize(
    "error, status, description",
    [
        (404, 404, DESCRIPTIONS[404]),
        (NotFound(), 404, DESCRIPTIONS[404]),
        (NotFound("Own."), 404, "Own."),
        (Http404(), 404, DESCRIPTIONS[404]),
        (Http404("Own."), 404, "Own."),
        (PermissionDenied(), 403, DESCRIPTIONS[403]),
        (Forbidden(), 403, DESCRIPTIONS[403]),
        (SuspiciousOperation("Odd."), 400, "Odd."),
        (BadRequestKeyError("secret"), 400, DESCRIPTIONS[400]),
        (InternalServerError(original_exception=KeyError("secret")), 500, DESCRIPTIONS[500]),
        (HTTPException(), 500, DESCRIPTIONS[500]),
        (HTTPException("Own."), 500, "Own."),
        (418, 418, ""),
        (599, 599, ""),
    ],
)
def test_an_error_is_described_by_itself_or_by_its_status(error, status, description):
    response = error_response(error, asking("application/json"))
    assert response.status_code == status
    assert json.loads(response.get_data())["description"] == description


def test_every_error_we_raise_is_answered():
    for kind in vars(exceptions).values():
        if isinstance(kind, type) and issubclass(kind, exceptions.HTTPError):
            assert error_response(kind(), None).status_code == kind.status_code


@pytest.mark.parametrize("status", sorted(default_exceptions))
def test_no_sentence_of_werkzeug_is_shown(status):
    error = default_exceptions[status]()
    for accept in (BROWSER, "application/json", "*/*"):
        response = error_response(error, asking(accept))
        assert response.status_code == status
        assert error.description not in response.get_data(as_text=True)


def test_the_description_given_here_comes_first():
    for error in (NotFound("a"), NotFound(), Http404("a"), 404):
        assert b"Given." in error_response(error, asking("*/*"), description="Given.").get_data()


def test_a_subclass_with_a_description_is_described_by_it():
    class NoNote(NotFound):
        description = "There is no such note."

    assert b"There is no such note." in error_response(NoNote(), asking("*/*")).get_data()


@given(st.text())
def test_a_description_is_escaped(description):
    request = asking("text/html")
    for error in (NotFound(description), Http404(description)):
        page = error_response(error, request).get_data(as_text=True)
        inside = page[page.index("<h1>") :]
        assert re.sub("</?(h1|p|main|body|html)>", "", inside).count("<") == 0
    told = json.loads(error_response(404, asking("application/json"), description=description or "x").get_data())
    assert told["description"] == (description or "x")


def test_even_markup_and_line_breaks_are_text():
    page = error_response(NotFound("<b>\n\ud800"), asking("text/html")).get_data(as_text=True)
    assert "&lt;b&gt;\n?" in page
    assert b"<b>" in error_response(NotFound(Markup("<b>")), asking("*/*")).get_data()


@pytest.mark.parametrize(
    "error, name, value",
    [
        (MethodNotAllowed(["GET", "HEAD"]), "Allow", "GET, HEAD"),
        (TooManyRequests(retry_after=30), "Retry-After", "30"),
        (ServiceUnavailable("Later.", retry_after=60), "Retry-After", "60"),
        (RequestedRangeNotSatisfiable(7), "Content-Range", "bytes */7"),
        (Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "a"})), "WWW-Authenticate", "Basic realm=a"),
    ],
)
def test_the_headers_of_an_error_are_kept(error, name, value, protocol):
    response = error_response(error, asking(BROWSER, protocol))
    assert response.headers[name] == value
    assert response.headers.getlist("Content-Type") == ["text/html; charset=utf-8"]


def test_several_headers_of_one_name_are_kept():
    ways = [WWWAuthenticate("basic", {"realm": "a"}), WWWAuthenticate("bearer", token="b")]
    response = error_response(Unauthorized(www_authenticate=ways), asking("*/*"))
    assert len(response.headers.getlist("WWW-Authenticate")) == 2


def test_a_redirect_of_the_router_redirects(protocol):
    response = error_response(RequestRedirect("/notes/?q=ä"), asking(BROWSER, protocol))
    assert type(response) is Response
    assert response.status_code == 308
    assert dict(response.to_wsgi("GET")[1])["Location"] == "/notes/?q=%C3%A4"


def test_an_error_that_brings_its_response_is_answered_with_it():
    response = JSONResponse({"a": 1}, 409)
    assert error_response(HTTPException(response=response), asking(BROWSER)) is response


@pytest.mark.parametrize("method", ["get_body", "get_description", "get_response"])
def test_an_error_that_renders_itself_does_so(method, protocol):
    def own(self, environ=None, scope=None):
        return Response("Mine.", 404) if method == "get_response" else "Mine."

    error = type("Own", (NotFound,), {method: own})()
    response = error_response(error, asking(BROWSER, protocol))
    assert isinstance(response, Response)
    assert response.status_code == 404
    assert "Mine." in response.get_data(as_text=True)


def test_a_page_may_be_changed_without_changing_the_next():
    for _ in range(2):
        response = error_response(NotFound(), asking(BROWSER))
        assert "X-One" not in response.headers
        response.headers["X-One"] = "1"
        response.response.append(b"more")
        assert b"more" not in error_response(NotFound(), asking(BROWSER)).get_data()


def test_default_pages_are_rendered_once(protocol):
    first = error_response(NotFound(), asking(BROWSER, protocol))
    second = error_response(Http404(), asking(BROWSER, protocol))
    assert first.response[0] is second.response[0]


def test_what_clients_send_does_not_pile_up():
    for number in range(100, 1000):
        error_response(404, asking(f"text/html, a/b{number}"))
        error_response(number, None)
        error_response(404, None, description=f"{number}")
    assert len(errors._kinds) <= 256
    assert len(errors._pages) <= 300
    long = "a/b," * 1000
    error_response(404, asking(long))
    assert long not in errors._kinds


def test_a_hostile_accept_header_is_read_quickly():
    start = time.process_time()
    for accept in ("text/html;" * 10_000, "," * 30_000, "a/b;q=" + "9" * 30_000, "text/html;q=1e" + "9" * 5000):
        error_response(404, asking(accept))
    assert time.process_time() - start < 0.5

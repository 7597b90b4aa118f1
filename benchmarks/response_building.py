"""Building responses and putting them into the form in which they are sent, against stock werkzeug.

Each case is one isolated operation with the same result on both sides (tests/http/test_response.py compares them);
the baseline is werkzeug's own Response with the same defaults.
"""

from __future__ import annotations

import json
from typing import Any

from _harness import Case, Goal, repeat, run
from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect as werkzeug_redirect
from werkzeug.wrappers import Response as WerkzeugResponse

from webframe.http.errors import error_response
from webframe.http.json import get_provider
from webframe.http.response import Response, redirect

DOCUMENT = {"id": 42, "message": "Hello, World!", "done": False, "tags": ["red", "green", "blue"], "price": 9.5}
ORDER = json.dumps(
    {"customer": "Ada", "items": [{"id": 1000 + i, "name": f"Pizza number {i}", "price": 8 + i} for i in range(22)]}
).encode()
PIECES = [b"0123456789" * 10] * 100
ENVIRON = {"REQUEST_METHOD": "GET"}


class Stock(WerkzeugResponse):
    default_mimetype = "text/html"


class Client:
    """What error_response asks of a request."""

    headers = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


CLIENT: Any = Client()


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    return None


def with_header(kind: Any) -> Any:
    response = kind("Hello")
    response.headers["X-Token"] = "s3cr3t"
    return response


def with_cookie(kind: Any) -> Any:
    response = kind("Hello")
    response.set_cookie("session", "9f8e7d6c5b4a", httponly=True, samesite="Lax")
    return response


def drain(body: Any) -> None:
    for _ in body:
        pass
    if hasattr(body, "close"):
        body.close()


ready, stock_ready = Response("Hello"), Stock("Hello")
provider = get_provider()


def case(name: str, ours: Any, theirs: Any, at_most: float) -> Case:
    """One operation on both sides, with the share of werkzeug's time that ours should take at most."""
    return Case(
        name,
        lambda: {"werkzeug": repeat(theirs), "werkzeug again": repeat(theirs), "webframe": repeat(ours)},
        goals=[Goal("webframe", "werkzeug", at_most)],
        bare="werkzeug",
        control="werkzeug again",
    )


CASES = [
    case("text", lambda: Response("Hello"), lambda: Stock("Hello"), 0.12),
    case(
        "text, status, type",
        lambda: Response("{}", 201, mimetype="application/json"),
        lambda: Stock("{}", 201, mimetype="application/json"),
        0.3,
    ),
    case("send, WSGI", lambda: ready.to_wsgi("GET"), lambda: stock_ready(ENVIRON, start_response), 0.1),
    case("send, ASGI", lambda: ready.to_asgi("GET"), lambda: stock_ready(ENVIRON, start_response), 0.1),
    case(
        "another header",
        lambda: with_header(Response).to_wsgi("GET"),
        lambda: with_header(Stock)(ENVIRON, start_response),
        0.3,
    ),
    case(
        "another header, ASGI",
        lambda: with_header(Response).to_asgi("GET"),
        lambda: with_header(Stock)(ENVIRON, start_response),
        0.4,
    ),
    case(
        "a cookie",
        lambda: with_cookie(Response).to_wsgi("GET"),
        lambda: with_cookie(Stock)(ENVIRON, start_response),
        0.6,
    ),
    case(
        "redirect",
        lambda: redirect("/notes/7").to_wsgi("GET"),
        lambda: werkzeug_redirect("/notes/7")(ENVIRON, start_response),
        0.4,
    ),
    case(
        "204",
        lambda: Response("", 204).to_wsgi("GET"),
        lambda: Stock("", 204)(ENVIRON, start_response),
        0.35,
    ),
    case(
        "stream 100 chunks",
        lambda: drain(Response(iter(PIECES)).to_wsgi("GET")[2]),
        lambda: drain(Stock(iter(PIECES))(ENVIRON, start_response)),
        0.6,
    ),
    case(
        "404 page",
        lambda: error_response(NotFound(), CLIENT).to_wsgi("GET"),
        lambda: NotFound().get_response()(ENVIRON, start_response),
        0.2,
    ),
    case(
        "write JSON",
        lambda: provider.encode(DOCUMENT),
        lambda: json.dumps(DOCUMENT, separators=(",", ":")).encode(),
        0.5,
    ),
    case("read 1 KiB of JSON", lambda: provider.loads(ORDER), lambda: json.loads(ORDER), 1.05),
]

if __name__ == "__main__":
    run(__doc__, CASES, packages=["werkzeug"])

"""Claim: what a request is asked for is computed faster than by werkzeug, and only when asked for.

Each case makes a request and reads something of it, with the same result on both sides (tests/http/test_request.py
compares them); the baseline is werkzeug's own Request. Where werkzeug has no request for ASGI, its sans-I/O one is made
of the scope. A body is a new file in memory for each request, on both sides.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from _harness import Batch, Case, Goal, loop, repeat, run
from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request as SansIORequest
from werkzeug.test import create_environ
from werkzeug.wrappers import Request as WerkzeugRequest

from webframe.http.request import Request

FORM = b"&".join(b"field%d=some+value%%2C+with+text+%d" % (number, number) for number in range(8))
ORDER = json.dumps(
    {"customer": "Ada", "items": [{"id": 1000 + i, "name": f"Pizza number {i}", "price": 8 + i} for i in range(22)]}
).encode()
FIELDS = {
    "Host": "www.example.org",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Cookie": "session=9f8e7d6c5b4a; theme=dark; consent=yes",
    "X-Token": "s3cr3t",
}
QUERY = "a=1&b=2&page=3&q=hello+world"

ENVIRON = create_environ("/notes/7", query_string=QUERY, headers=FIELDS)
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "scheme": "http",
    "path": "/notes/7",
    "root_path": "",
    "query_string": QUERY.encode(),
    "headers": [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()],
    "server": ("127.0.0.1", 8000),
    "client": ("192.0.2.1", 5000),
}


def sans_io(scope: dict[str, Any]) -> SansIORequest:
    """werkzeug's request of an ASGI scope, as one would make it without us."""
    return SansIORequest(
        scope["method"],
        scope["scheme"],
        scope["server"],
        scope["root_path"],
        scope["path"],
        scope["query_string"],
        Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]),
        scope["client"][0],
    )


def case(
    name: str, batch: Callable[[Any], Batch], at_most: float, ours: Any = Request, stock: Any = WerkzeugRequest
) -> Case:
    """One operation on both sides, with the share of werkzeug's time that ours should take at most."""
    return Case(
        name,
        lambda: {"werkzeug": batch(stock), "werkzeug again": batch(stock), "webframe": batch(ours)},
        goals=[Goal("webframe", "werkzeug", at_most)],
        bare="werkzeug",
        control="werkzeug again",
    )


def wsgi(name: str, statement: str, at_most: float) -> Case:
    """Make a request of an environ and read something of it."""
    return case(name, lambda kind: loop(statement, make=kind, source=ENVIRON), at_most)


def asgi(name: str, statement: str, at_most: float) -> Case:
    """Make a request of a scope and read something of it."""
    return case(
        f"{name}, ASGI", lambda make: loop(statement, make=make, source=SCOPE), at_most, Request.from_scope, sans_io
    )


def body(name: str, content_type: str, data: bytes, read: Callable[[Any], Any], at_most: float) -> Case:
    """Make a request with a body that nobody has read yet, and read it."""
    environ = {**ENVIRON, "REQUEST_METHOD": "POST", "CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(data))}

    def operation(kind: Any) -> Any:
        environ["wsgi.input"] = io.BytesIO(data)
        return read(kind(environ))

    return case(name, lambda kind: repeat(lambda: operation(kind)), at_most)


CASES = [
    wsgi("make", "make(source)", 0.12),
    wsgi("method and path", "request = make(source); request.method; request.path", 0.6),
    wsgi("args", "make(source).args['b']", 0.45),
    case("args again", lambda kind: loop("request.args", request=kind(ENVIRON)), 0.25),
    wsgi("cookies", "make(source).cookies['session']", 0.25),
    wsgi("a header", "make(source).headers['X-Token']", 0.4),
    body("form, 8 fields", "application/x-www-form-urlencoded", FORM, lambda request: request.form, 0.3),
    body("JSON, 1 KiB", "application/json", ORDER, lambda request: request.json, 0.8),
    body("bytes, 1 KiB", "application/octet-stream", ORDER, lambda request: request.data, 0.6),
    asgi("make", "make(source)", 0.1),
    asgi("method and path", "request = make(source); request.method; request.path", 0.25),
    asgi("args", "make(source).args['b']", 0.35),
    asgi("cookies", "make(source).cookies['session']", 0.35),
    asgi("a header", "make(source).headers['X-Token']", 0.25),
]

if __name__ == "__main__":
    run(__doc__, CASES, packages=["werkzeug"])

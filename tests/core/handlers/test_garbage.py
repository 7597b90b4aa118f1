"""Requests leave nothing to the garbage collector: reference counting frees them."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterator
from typing import Any

import pytest

from webframe import Request, Webframe


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("path", ["/", "/json", "/stream", "/nowhere", "/fails"])
@pytest.mark.parametrize("middleware", [False, True])
def test_a_request_leaves_no_cycles(
    app: Webframe, without_collector: None, path: str, middleware: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if middleware:

        @app.middleware
        def around(request: Request) -> Iterator[Any]:
            response = yield
            response.headers["X-Around"] = "yes"

    app.get("/", name="text")(lambda request: "text")
    app.get("/json", name="json")(lambda request: {"a": [1]})
    app.get("/stream", name="stream")(lambda request: iter([b"a", b"b"]))
    app.get("/fails", name="fails")(lambda request: {}["missing"])

    def ask() -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "HTTP_HOST": "localhost",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
        }
        body = app(environ, lambda status, headers, exc_info=None: None)
        list(body)
        if hasattr(body, "close"):
            body.close()

    caplog.set_level("CRITICAL", "webframe.request")
    for _ in range(3):
        ask()
    gc.collect()
    for _ in range(100):
        ask()
    # Other threads of the process may leave a little meanwhile; a cycle would be two objects a request or more.
    assert gc.collect() < 100

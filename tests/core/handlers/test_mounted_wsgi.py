"""WSGI apps that are mounted: what PEP 3333 promises them, on both protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from webframe import Webframe
from webframe.test import override_settings
from webframe.test.client import Client

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def saying(function: Callable[[Environ], object]) -> App:
    """A WSGI app that says what a function makes of its environ."""

    def say(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        text = repr(function(environ))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]

    return say


def names(environ: Environ) -> object:
    return environ["SCRIPT_NAME"], environ["PATH_INFO"]


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/legacy/\xff\xfe", "/\xff\xfe"),
        ("/legacy/\xff/\xfe/", "/\xff/\xfe/"),
        ("/legacy/\xc3\xa4\xff", "/\xc3\xa4\xff"),
        ("/legacy//a", "//a"),
        ("//legacy/a", "/a"),
        ("/legacy/", "/"),
        ("/legacy", ""),
    ],
)
def test_a_path_is_handed_on_with_the_bytes_that_came(app: Webframe, wsgi: Any, path: str, rest: str) -> None:
    app.mount("/legacy", saying(names))
    exchange = wsgi(app, path, SERVER_SOFTWARE="test")
    assert exchange.body().decode() == repr(("/legacy", rest))
    exchange.close()


def test_a_prefix_that_is_not_ascii_is_encoded_as_a_server_would(app: Webframe, client: Client) -> None:
    between = Webframe("between")
    app.mount("/käse", between)
    between.mount("/brot", saying(names))
    expected = "/käse/brot".encode().decode("latin-1"), "/ä".encode().decode("latin-1")
    assert client.get("/käse/brot/ä").text == repr(expected)
    assert client.get("/käse//brot/ä").text == repr(expected)


@pytest.mark.parametrize("nested", [False, True])
def test_a_mounted_app_is_told_the_prefix_that_a_trusted_proxy_takes_off(
    app: Webframe, wsgi: Any, nested: bool
) -> None:
    part = app
    if nested:
        part = Webframe("part")
        app.mount("/part", part)
    part.mount("/legacy", saying(names))
    prefix = "/part/legacy" if nested else "/legacy"
    with override_settings(TRUSTED_PROXIES=["10.0.0.1"]):
        for proxy, before in ("10.0.0.1", "/shop"), ("10.0.0.2", ""):
            exchange = wsgi(app, f"{prefix}/x", REMOTE_ADDR=proxy, HTTP_X_FORWARDED_PREFIX="/shop")
            assert exchange.body().decode() == repr((f"{before}{prefix}", "/x"))
            exchange.close()

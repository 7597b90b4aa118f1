"""Requests with a target in absolute form, where a server has left it whole (RFC 9112 section 3.2.2)."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest

from webframe import Request, Webframe
from webframe.test import override_settings


@pytest.fixture
def ask(app: Webframe, asgi: Any) -> Any:
    """Asks an app that tells what it takes a request for."""

    @app.get("/")
    @app.get("/<path:rest>", name="rest")
    async def view(request: Request, rest: str = "") -> Any:
        return f"{request.host} {request.path} {request.environ.get('REQUEST_URI')}"

    def ask(target: str, *hosts: bytes, **changes: Any) -> Any:
        scope = {"raw_path": target.encode(), "headers": [(b"host", host) for host in hosts], **changes}
        exchange = asgi(app, unquote(target), **scope)
        asyncio.run(exchange.run())
        return exchange

    return ask


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("http://localhost/a", b"localhost /a /a"),
        ("HTTPS://localhost:99/a%20b/c", b"localhost:99 /a b/c /a%20b/c"),
        ("http://localhost/a%2Fb", b"localhost /a/b /a%2Fb"),
        ("http://[::1]:5000/http://other/", b"[::1]:5000 /http://other/ /http://other/"),
        ("http://localhost", b"localhost / /"),
        ("/http://localhost/a", b"testserver /http://localhost/a /http://localhost/a"),
    ],
)
def test_it_is_answered_by_its_path_and_its_host_counts(ask: Any, target: str, answer: bytes) -> None:
    exchange = ask(target, b"testserver")
    assert (exchange.status, exchange.body) == (200, answer)


def test_a_host_header_is_not_needed_then_nor_does_it_matter(ask: Any) -> None:
    assert ask("http://localhost/a").body == b"localhost /a /a"
    assert ask("http://localhost/a", b"evil.example").body == b"localhost /a /a"


@pytest.mark.parametrize(
    "authority",
    ["evil.example", "user@localhost", "", "localhost:x", "evil.example\\@localhost", "localhost,localhost"],
)
def test_its_host_has_to_be_allowed(ask: Any, authority: str) -> None:
    assert ask(f"http://{authority}/a", b"localhost").status == 400


def test_two_host_headers_are_refused_nevertheless(ask: Any) -> None:
    assert ask("http://localhost/a", b"localhost", b"localhost").status == 400


@pytest.mark.parametrize("target", ["http://local%2Fhost/a", "ftp://localhost/a", "localhost:80", "*"])
def test_what_is_nothing_of_the_kind_stays_as_it_is(ask: Any, target: str) -> None:
    assert ask(target, b"testserver").body.decode().startswith(f"testserver /{unquote(target)} ")


def test_without_the_target_as_it_was_sent_it_stays_as_it_is(ask: Any) -> None:
    assert ask("http://localhost/a", b"testserver", raw_path=None).body.startswith(b"testserver /http://localhost/a")


def test_proxies_are_asked_first(ask: Any) -> None:
    with override_settings(TRUSTED_PROXIES=["127.0.0.1"]):
        headers = [(b"host", b"testserver"), (b"x-forwarded-host", b"evil.example")]
        assert ask("http://localhost/a", headers=headers).status == 400

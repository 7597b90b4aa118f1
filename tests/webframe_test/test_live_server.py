"""Live servers: real connections over both protocols, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from webframe import Request, Webframe
from webframe.core.signals import request_finished
from webframe.test import capture_signals
from webframe.test.live_server import LiveServer


def get(url: str) -> str:
    return httpx.get(url, trust_env=False).text


def connect(server: LiveServer, path: str) -> socket.socket:
    """Ask for a path, as HTTP/1.1 with the connection kept alive."""
    connection = socket.create_connection((server.host, int(server.url.rpartition(":")[2])), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def test_it_serves_on_a_free_port_of_this_machine(app: Webframe, protocol: str) -> None:
    @app.get("/")
    def index(request: Request) -> str:
        return "WSGI" if request.scope is None else "ASGI"

    with LiveServer(app, protocol) as server, LiveServer(app, protocol) as other:
        assert server.url.startswith("http://127.0.0.1:") and server.url != other.url
        assert get(server.url) == get(other.url) == protocol.upper()
        assert get(server + "/nowhere") != get(f"{server}/")


def test_other_threads_serve_it_so_async_tests_do_not_wait_for_themselves(app: Webframe, protocol: str) -> None:
    @app.get("/")
    async def index(request: Request) -> str:
        await asyncio.sleep(0)
        return "here"

    async def ask(server: LiveServer) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(server.url)).text

    async def serve() -> str:
        with LiveServer(app, protocol) as server:
            return await ask(server)

    with LiveServer(app, protocol) as server:
        assert asyncio.run(ask(server)) == "here"
    assert asyncio.run(serve()) == "here"


def test_it_can_be_given_an_address(app: Webframe, protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError):
            LiveServer(app, protocol, port=port).start()
    with LiveServer(app, protocol, host="0.0.0.0", port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert httpx.get(server.url, trust_env=False).status_code == 404


def test_start_up_runs_before_and_shutdown_after_it(app: Webframe, protocol: str) -> None:
    events = []
    app.on_startup(lambda: events.append("started"))
    app.on_shutdown(lambda: events.append("stopped"))
    with LiveServer(app, protocol) as server:
        assert events == ["started"]
        get(server.url)
    assert events == ["started", "stopped"]


def test_an_error_of_start_up_is_raised_and_nothing_is_left(app: Webframe, protocol: str) -> None:
    @app.on_startup
    async def fail() -> None:
        raise LookupError("no oven")

    before = threading.active_count()
    server = LiveServer(app, protocol)
    for _ in range(2):
        with pytest.raises(LookupError, match="no oven"):
            server.start()
    assert threading.active_count() <= before + 2  # the process loop and the shared worker stay
    with pytest.raises(RuntimeError, match="not running"):
        print(server.url)


def test_it_can_be_started_again_but_not_twice_at_a_time(app: Webframe, protocol: str) -> None:
    @app.get("/")
    def index(request: Request) -> str:
        return "here"

    server = LiveServer(app, protocol)
    for _ in range(2):
        with server:
            assert get(server.url) == "here"
            with pytest.raises(RuntimeError, match="running already, at http"):
                server.start()
        server.stop()


def test_errors_of_the_app_are_answered_with_500(app: Webframe, protocol: str) -> None:
    @app.get("/")
    def fail(request: Request) -> str:
        raise LookupError("no oven")

    with LiveServer(app, protocol) as server:
        assert httpx.get(server.url, trust_env=False).status_code == 500


def test_stopping_ends_connections_that_are_kept_alive(app: Webframe, protocol: str) -> None:
    @app.get("/")
    def index(request: Request) -> str:
        return "here"

    with LiveServer(app, protocol) as server:
        connection = connect(server, "/")
        assert connection.recv(20).startswith(b"HTTP/1.1 200")
    with connection:
        while connection.recv(1000):
            pass  # until the server has closed it


def endless(ended: list[str]) -> Callable[[Request], Any]:
    async def stream(request: Request) -> AsyncIterator[str]:
        async def ticks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "tick"
                    await asyncio.sleep(0.01)
            finally:
                ended.append("ended")

        return ticks()

    return stream


def plain_endless(ended: list[str]) -> Callable[[Request], Any]:
    def stream(request: Request) -> Iterator[str]:
        def ticks() -> Iterator[str]:
            try:
                while True:
                    yield "tick"
                    time.sleep(0.01)
            finally:
                ended.append("ended")

        return ticks()

    return stream


@pytest.mark.parametrize("kind", [endless, plain_endless])
def test_stopping_ends_streams_whose_client_is_still_there(app: Webframe, protocol: str, kind: Any) -> None:
    ended: list[str] = []
    app.get("/")(kind(ended))
    with capture_signals(request_finished, everywhere=True) as sent:
        with LiveServer(app, protocol) as server, connect(server, "/") as connection:
            while b"tick" not in connection.recv(1000):
                pass
            server.stop()
        assert ended == ["ended"] and len(sent) == 1


def test_what_it_cannot_serve_is_refused_where_it_is_asked_for(app: Webframe) -> None:
    with pytest.raises(ValueError, match="'wsgi' or 'asgi', not 'http'"):
        LiveServer(app, "http")


def test_without_an_app_it_serves_the_one_that_the_command_finds(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    source = "from webframe import Webframe\napp = Webframe(__name__)\napp.get('/')(lambda request: 'found')\n"
    (tmp_path / f"served_{protocol}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBFRAME_APP", f"served_{protocol}")
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    with LiveServer(protocol=protocol) as server:
        assert get(server.url) == "found"

"""Which thread the plain code of a request runs in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from webframe import Request, Webframe
from webframe.core.signals import request_finished, request_started
from webframe.test import Client


def thread() -> str:
    return threading.current_thread().name


def test_under_asgi_all_plain_code_of_a_request_runs_in_one_worker(app: Webframe) -> None:
    seen: list[str] = []

    def hear(**kwargs: object) -> None:
        seen.append(thread())

    @app.get("/")
    def view(request: Request) -> Iterator[bytes]:
        request.on_close(hear)

        def pieces() -> Iterator[bytes]:
            for _ in range(3):
                seen.append(thread())
                yield b"piece"

        seen.append(thread())
        return pieces()

    with request_started.connected_to(hear), request_finished.connected_to(hear):
        with Client(app, protocol="asgi") as client:
            assert client.get("/").content == b"piece" * 3
    assert len(seen) >= 6
    assert len(set(seen)) == 1
    assert seen[0].startswith("webframe-worker-")


def test_under_wsgi_plain_code_runs_in_the_thread_of_the_server(app: Webframe) -> None:
    app.get("/")(lambda request: thread())
    with Client(app) as client:
        assert client.get("/").text == thread()


def test_plain_code_beside_async_code_leaves_the_loop_alone(app: Webframe, client_for: Callable[..., Client]) -> None:
    seen: list[str] = []

    @app.get("/")
    async def view(request: Request) -> str:
        request.on_close(lambda: seen.append(thread()))
        seen.append(thread())
        return "ok"

    client_for(app).get("/")
    assert seen[0] == "webframe-loop"
    assert seen[1].startswith("webframe-worker-")

"""Which thread the plain code of a request runs in."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from webframe import Request, Webframe, _leases, current_request, workers
from webframe.core.signals import request_finished, request_started
from webframe.test import AsyncClient, Client


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


@pytest.mark.parametrize("inline", [False, True])
def test_a_request_that_is_cancelled_in_line_for_a_worker_ends_for_those_who_heard_it_begin(
    app: Webframe, monkeypatch: pytest.MonkeyPatch, inline: bool
) -> None:
    monkeypatch.setattr(_leases, "pool", workers.Pool(1))
    release = threading.Event()
    events: list[str] = []

    def note(event: str) -> None:
        request = current_request.get()
        if request is not None and request.path == "/line":  # others of the process may end just now
            events.append(event)

    def began(**kwargs: object) -> None:
        note("began")

    def blocks(**kwargs: object) -> None:
        """A receiver that needs a worker."""

    def ended(**kwargs: object) -> None:
        note("ended")

    @app.get("/line")
    async def view(request: Request) -> str:
        return "ok"

    async def busy() -> None:
        workers.current_lessee.set(SimpleNamespace(lease=None))
        await workers.run(release.wait, 10)

    async def main() -> None:
        async with AsyncClient(app) as client:
            assert (await client.get("/line")).text == "ok"
            blocker = asyncio.create_task(busy())
            await asyncio.sleep(0.01)
            request_started.connect(began, inline=inline)
            request_started.connect(blocks)
            request_finished.connect(ended, inline=True)
            scope = {"type": "http", "method": "GET", "path": "/line", "query_string": b"", "headers": []}
            request = asyncio.create_task(app(scope, asyncio.Event().wait, asyncio.sleep))
            await asyncio.sleep(0.01)
            request.cancel()
            release.set()
            await blocker
            with contextlib.suppress(asyncio.CancelledError):
                await request

    # Somebody else's inline receiver would hear the request begin, and would have to hear it end.
    others = request_started.receivers
    request_started.receivers = []
    try:
        asyncio.run(main())
    finally:
        request_started.receivers = others
        request_finished.disconnect(ended)
    assert events == (["began", "ended"] if inline else [])

"""Start-up and shutdown around the block of a test client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest

from webframe import Request, Webframe
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.test import AsyncClient, Client, lifespan, override_settings
from webframe.test.client import ASGITransport, WSGITransport
from webframe.test.lifespan import Life
from webframe.test.live_server import LiveServer
from webframe.waiting import wait


class Broken(Exception):
    pass


@pytest.fixture(params=["plain", "async"])
def events(request: pytest.FixtureRequest, app: Webframe) -> list[str]:
    """What happens to the app, which has start-up, shutdown and a view, plain or async."""
    events: list[str] = []

    @app.get("/")
    def view(request: Request) -> str:
        events.append("view")
        return "hello"

    if request.param == "plain":

        @app.lifespan
        def plain() -> Iterator[None]:
            events.append("start")
            yield
            events.append("stop")
    else:

        @app.lifespan
        async def asynchronous() -> AsyncIterator[None]:
            async with asyncio.timeout(None):  # must be left in the task that entered it
                await asyncio.sleep(0)
                events.append("start")
                yield
            events.append("stop")

    return events


def test_a_client_starts_the_app_and_shuts_it_down_each_time(app: Webframe, protocol: str, events: list[str]) -> None:
    for _ in range(2):
        with Client(app, protocol=protocol) as client:
            assert events == ["start"]
            client.get("/")
            client.get("/")
        assert events == ["start", "view", "view", "stop"]
        events.clear()


def test_an_async_client_does_so_too(app: Webframe, events: list[str]) -> None:
    async def ask() -> None:
        async with AsyncClient(app) as client:
            assert events == ["start"]
            await client.get("/")
        assert events == ["start", "view", "stop"]
        assert len(asyncio.all_tasks()) == 1

    for _ in range(2):
        asyncio.run(ask())
        events.clear()


def test_without_a_block_the_first_request_starts_it(app: Webframe, protocol: str, events: list[str]) -> None:
    client = Client(app, protocol=protocol)
    assert events == []
    client.get("/")
    client.close()
    assert events == ["start", "view"]


def test_a_client_may_leave_it_to_the_first_request(app: Webframe, protocol: str, events: list[str]) -> None:
    with Client(app, protocol=protocol, lifespan=False) as client:
        assert events == []
        client.get("/")
    assert events == ["start", "view"]


def test_an_app_that_runs_already_is_left_running(app: Webframe, protocol: str, events: list[str]) -> None:
    with Client(app, protocol=protocol):
        for inner in "wsgi", "asgi":
            with Client(app, protocol=inner) as client:
                client.get("/")
    assert events == ["start", "view", "view", "stop"]
    events.clear()
    Client(app, protocol="wsgi").get("/")  # starts it for good
    with Client(app, protocol=protocol) as client:
        client.get("/")
    assert events == ["start", "view", "view"]


def test_clients_of_both_protocols_follow_each_other(app: Webframe, events: list[str]) -> None:
    for protocol in "wsgi", "asgi", "wsgi":
        with Client(app, protocol=protocol) as client:
            client.get("/")
    assert events == ["start", "view", "stop"] * 3


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_an_error_of_start_up_is_raised_and_what_was_done_is_undone(app: Webframe, protocol: str, kind: str) -> None:
    events = []

    @app.lifespan
    def first() -> Iterator[None]:
        events.append("start")
        yield
        events.append("stop")

    @app.lifespan
    async def asynchronous() -> AsyncIterator[None]:
        raise Broken("no oven")
        yield

    @app.on_startup
    def plain() -> None:
        if kind == "plain":
            raise Broken("no oven")

    with pytest.raises(Broken, match="no oven"), Client(app, protocol=protocol):
        pytest.fail("It never started.")
    assert events == ([] if kind == "plain" else ["start", "stop"])

    async def ask() -> None:
        with pytest.raises(Broken, match="no oven"):
            async with AsyncClient(app):
                pytest.fail("It never started.")
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(ask())


@pytest.fixture(params=["plain", "async"])
def failing(request: pytest.FixtureRequest, app: Webframe) -> Webframe:
    """An app whose shutdown fails, twice."""

    @app.on_shutdown
    def later() -> None:
        raise LookupError("the second error")

    if request.param == "plain":

        @app.lifespan
        def plain() -> Iterator[None]:
            yield
            raise Broken("still hot")
    else:

        @app.lifespan
        async def asynchronous() -> AsyncIterator[None]:
            yield
            raise Broken("still hot")

    return app


def test_the_first_error_of_shutdown_is_raised(failing: Webframe, protocol: str) -> None:
    with pytest.raises(Broken, match="still hot"), Client(failing, protocol=protocol):
        pass
    client = Client(failing, protocol=protocol).__enter__()
    with pytest.raises(Broken, match="still hot"):
        client.close()

    async def ask() -> None:
        with pytest.raises(Broken, match="still hot"):
            async with AsyncClient(failing):
                pass

    asyncio.run(ask())


def test_an_error_of_shutdown_does_not_hide_one_of_the_block(failing: Webframe, protocol: str) -> None:
    with pytest.raises(KeyError) as caught, Client(failing, protocol=protocol):
        raise KeyError("in the block")
    assert caught.value.__notes__ == ["After that the shutdown of the app failed as well: Broken('still hot')"]

    async def ask() -> None:
        with pytest.raises(KeyError) as caught:
            async with AsyncClient(failing):
                raise KeyError("in the block")
        assert caught.value.__notes__ == ["After that the shutdown of the app failed as well: Broken('still hot')"]

    asyncio.run(ask())


def test_errors_of_shutdown_are_only_logged_where_none_are_to_be_raised(
    failing: Webframe, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(failing, protocol=protocol, raise_app_exceptions=False):
        pass
    with LiveServer(failing, protocol=protocol):
        pass
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "still hot",
        "the second error",
    ] * 2


def test_settings_that_are_wrong_are_found_on_entering(app: Webframe, protocol: str) -> None:
    from webframe.core.exceptions import ImproperlyConfigured

    @app.lifespan
    def never() -> Iterator[None]:
        return
        yield

    with pytest.raises(ImproperlyConfigured, match="ended without a 'yield'"), Client(app, protocol=protocol):
        pass


def test_an_error_in_the_block_shuts_it_down_too(app: Webframe, protocol: str, events: list[str]) -> None:
    with pytest.raises(Broken), Client(app, protocol=protocol):
        raise Broken
    assert events == ["start", "stop"]


def test_closing_a_client_that_was_entered_shuts_it_down(app: Webframe, protocol: str, events: list[str]) -> None:
    client = Client(app, protocol=protocol).__enter__()
    client.close()
    client.close()
    assert events == ["start", "stop"]


def test_transports_in_clients_of_httpx_start_it_too(app: Webframe, events: list[str]) -> None:
    with httpx.Client(transport=WSGITransport(app), base_url="http://testserver") as client:
        client.get("/")

    async def ask() -> None:
        async with httpx.AsyncClient(transport=ASGITransport(app), base_url="http://testserver") as client:
            await client.get("/")

    asyncio.run(ask())
    assert events == ["start", "view", "stop"] * 2


variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_context_variables_of_start_up_do_not_leak(app: Webframe, protocol: str) -> None:
    @app.on_startup
    async def change() -> None:
        variable.set("changed")

    with Client(app, protocol=protocol):
        assert variable.get() == "unset"


def test_a_plain_client_on_the_loop_of_the_process_is_refused_instead_of_waiting_for_itself(app: Webframe) -> None:
    async def enter() -> None:
        with pytest.raises(SynchronousOnlyOperation, match="AsyncClient"), Client(app):
            pass

    wait(enter())


def test_a_plain_client_in_async_code_is_told_of_the_async_one_where_the_app_has_to_wait(app: Webframe) -> None:
    @app.get("/plain")
    def plain(request: Request) -> str:
        wait(asyncio.sleep(0))
        return "hello"

    @app.get("/async")
    async def asynchronous(request: Request) -> str:
        await asyncio.sleep(0.001)
        return "hello"

    @app.get("/stream")
    def stream(request: Request) -> Iterator[str]:
        yield "hello"
        wait(asyncio.sleep(0))

    @app.get("/quick")
    def quick(request: Request) -> str:
        return "hello"

    async def ask() -> None:
        with Client(app) as client:
            for path in "/plain", "/stream":
                with pytest.raises(SynchronousOnlyOperation, match="a plain Client would block .* Use AsyncClient"):
                    client.get(path)
            for path in "/quick", "/async":
                assert client.get(path).text == "hello"

    asyncio.run(ask())


# -- other apps


async def starlette_like(scope: Any, receive: Any, send: Any) -> None:
    """Says what went wrong, then raises it."""
    assert scope["type"] == "lifespan"
    await receive()
    try:
        raise Broken("no oven")
    except Broken:
        await send({"type": "lifespan.startup.failed", "message": "it failed"})
        raise


async def brief(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "it failed"})


@pytest.mark.parametrize(
    "app, error, text",
    [(starlette_like, Broken, "no oven"), (brief, RuntimeError, "it failed")],
    ids=["raises", "says"],
)
def test_apps_of_others_may_fail_to_start(app: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text), Client(app, protocol="asgi"):
        pass


def test_apps_of_others_may_fail_to_shut_down(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "still hot"})

    with pytest.raises(RuntimeError, match="still hot"), Client(app, protocol="asgi"):
        pass
    with Client(app, protocol="asgi", raise_app_exceptions=False):
        pass
    assert "still hot" in caplog.text


def test_what_start_up_leaves_in_the_state_is_given_to_each_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = ["connection"]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        state = dict(scope["state"])
        scope["state"]["own"] = True
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": repr(state).encode()})

    with Client(app, protocol="asgi") as client:
        assert [client.get("/").text for _ in range(2)] == ["{'pool': ['connection']}"] * 2


def test_an_app_that_knows_no_lifespan_is_served_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    with caplog.at_level(logging.INFO, "webframe.server"), Client(app, protocol="asgi") as client:
        assert client.get("/").status_code == 204
    assert "does not speak the lifespan protocol" in caplog.text


def test_start_up_that_takes_too_long_is_an_error(app: Webframe, protocol: str) -> None:
    stopped = []

    @app.on_startup
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(True)

    with override_settings(LIFESPAN_TIMEOUT=0.5):
        with pytest.raises(TimeoutError, match=r"lifespan.startup for 0\.5 seconds"), Client(app, protocol=protocol):
            pass
    assert stopped == [True]


def test_a_start_up_that_is_cancelled_is_undone(app: Webframe) -> None:
    events = []

    @app.lifespan
    async def first() -> AsyncIterator[None]:
        events.append("start")
        yield
        events.append("stop")

    @app.lifespan
    async def slow() -> AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), AsyncClient(app):
                pass
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(ask())
    assert events == ["start", "stop"]


def test_a_start_up_that_is_complete_when_it_is_cancelled_is_shut_down() -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        task.cancel()
        events.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async def enter() -> None:
        nonlocal task
        life = Life(app)
        task = asyncio.ensure_future(life.start())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not life.running

    task: Any = None
    asyncio.run(enter())
    assert events == ["lifespan.shutdown"]


def test_an_app_that_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "PATIENCE", 0.1)
    cancelled = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def live() -> None:
        async with AsyncClient(app):
            pass
        await asyncio.sleep(0)

    asyncio.run(live())
    assert cancelled == [True]

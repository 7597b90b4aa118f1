"""Start-up and shutdown: once, in order, whoever serves the app and whether or not the server says when."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest

from webframe import Request, Webframe
from webframe.core.exceptions import ImproperlyConfigured
from webframe.test import override_settings

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


@pytest.fixture
def events() -> list[str]:
    """What has happened, in order."""
    return []


@pytest.fixture
def fill(kind: str, events: list[str]) -> Callable[..., None]:
    """Gives an app start-up and shutdown of every sort, plain or async, and a view."""

    def fill(app: Webframe, name: str = "app") -> None:
        for number in (1, 2):
            app.on_startup(function(kind, events, f"{name} starts {number}"))
            app.on_shutdown(function(kind, events, f"{name} stops {number}"))
            app.lifespan(generator(kind, events, f"{name} generator {number}"))

        @app.get("/", name="view")
        def view(request: Request) -> str:
            events.append("view")
            return "ok"

    return fill


def function(kind: str, events: list[str], name: str) -> Callable[[], Any]:
    async def asynchronous() -> None:
        await asyncio.sleep(0)
        events.append(name)

    return asynchronous if kind == "async" else lambda: events.append(name)


def generator(kind: str, events: list[str], name: str) -> Callable[[], Any]:
    async def asynchronous() -> AsyncIterator[None]:
        await asyncio.sleep(0)
        events.append(f"{name} in")
        yield
        await asyncio.sleep(0)
        events.append(f"{name} out")

    def plain() -> Iterator[None]:
        events.append(f"{name} in")
        yield
        events.append(f"{name} out")

    return asynchronous if kind == "async" else plain


STARTED = ["app starts 1", "app starts 2", "app generator 1 in", "app generator 2 in"]
STOPPED = ["app generator 2 out", "app generator 1 out", "app stops 2", "app stops 1"]


class Server:
    """The lifespan half of an ASGI server."""

    def __init__(self, app: Webframe) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self.task = asyncio.create_task(app(scope, self.messages.get, self.answers.put))

    async def say(self, message: Any) -> dict[str, Any]:
        await self.messages.put(message)
        answer: dict[str, Any] = await asyncio.wait_for(self.answers.get(), 5)
        return answer


# -- the server says when


def test_start_up_goes_in_order_and_shutdown_backwards(app: Webframe, asgi: Any, fill: Any, events: list[str]) -> None:
    fill(app)

    async def main() -> None:
        server = Server(app)
        assert await server.say(STARTUP) == {"type": "lifespan.startup.complete"}
        assert events == STARTED
        await asgi(app).run()
        await asgi(app).run()
        assert await server.say(SHUTDOWN) == {"type": "lifespan.shutdown.complete"}
        await asyncio.wait_for(server.task, 5)

    asyncio.run(main())
    assert events == [*STARTED, "view", "view", *STOPPED]


def test_an_app_without_start_up_answers_the_server_all_the_same(app: Webframe) -> None:
    async def main() -> None:
        server = Server(app)
        assert (await server.say(STARTUP))["type"] == "lifespan.startup.complete"
        assert (await server.say(SHUTDOWN))["type"] == "lifespan.shutdown.complete"
        await asyncio.wait_for(server.task, 5)

    asyncio.run(main())


@pytest.mark.parametrize("place", ["function", "generator"])
def test_when_start_up_fails_the_server_is_told_and_what_was_done_is_undone(
    app: Webframe, kind: str, events: list[str], caplog: pytest.LogCaptureFixture, place: str
) -> None:
    def fail() -> None:
        events.append("fails")
        raise LookupError("the oven is cold")

    async def afail() -> None:
        fail()

    def failing() -> Iterator[None]:
        fail()
        yield

    async def afailing() -> AsyncIterator[None]:
        fail()
        yield

    app.lifespan(generator(kind, events, "first"))
    if place == "function":
        app.on_startup(afail if kind == "async" else fail)
    else:
        app.lifespan(afailing if kind == "async" else failing)
        app.lifespan(generator(kind, events, "last"))

    async def main() -> None:
        server = Server(app)
        answer = await server.say(STARTUP)
        assert answer["type"] == "lifespan.startup.failed"
        assert "the oven is cold" in answer["message"]
        await asyncio.wait_for(server.task, 5)

    with caplog.at_level(logging.ERROR, "webframe.server"):
        asyncio.run(main())
    assert events == (["fails"] if place == "function" else ["first in", "fails", "first out"])
    assert len(caplog.records) == 1


def test_what_fails_at_shutdown_is_logged_and_stops_nothing_else(
    app: Webframe, kind: str, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError("the door is stuck")

    async def afail() -> None:
        fail()

    app.on_shutdown(function(kind, events, "last"))
    app.on_shutdown(afail if kind == "async" else fail)
    app.on_shutdown(function(kind, events, "first"))

    async def main() -> None:
        server = Server(app)
        await server.say(STARTUP)
        assert (await server.say(SHUTDOWN))["type"] == "lifespan.shutdown.complete"

    with caplog.at_level(logging.ERROR, "webframe.server"):
        asyncio.run(main())
    assert events == ["first", "last"]
    assert [record.exc_info[1].args for record in caplog.records] == [("the door is stuck",)]


def test_an_app_may_be_started_again(app: Webframe, asgi: Any, fill: Any, events: list[str]) -> None:
    fill(app)

    async def main() -> None:
        for _ in range(2):
            server = Server(app)
            await server.say(STARTUP)
            await asgi(app).run()
            await server.say(SHUTDOWN)

    asyncio.run(main())
    assert events == [*STARTED, "view", *STOPPED] * 2


def test_an_async_lifespan_lives_in_one_task(app: Webframe, asgi: Any) -> None:
    number: ContextVar[int] = ContextVar("number", default=0)
    tasks: list[Any] = []

    @app.lifespan
    async def live() -> AsyncIterator[None]:
        number.set(7)
        tasks.append(asyncio.current_task())
        async with asyncio.TaskGroup() as group:
            worker = group.create_task(asyncio.sleep(60))
            yield
            worker.cancel()
        tasks.append(asyncio.current_task())
        assert number.get() == 7

    @app.get("/")
    def view(request: Request) -> str:
        return "ok"

    async def served() -> None:
        server = Server(app)
        await server.say(STARTUP)
        await asgi(app).run()
        assert (await server.say(SHUTDOWN))["type"] == "lifespan.shutdown.complete"

    asyncio.run(served())
    assert tasks[0] is tasks[1]
    tasks.clear()

    async def not_served() -> None:
        await asgi(app).run()

    asyncio.run(not_served())
    assert len(tasks) == 2
    assert tasks[0] is tasks[1]


# -- nobody says when


def test_without_a_word_of_the_server_the_first_request_starts_the_app(
    app: Webframe, client: Any, fill: Any, events: list[str]
) -> None:
    fill(app)
    assert client.get("/").text == "ok"
    assert client.get("/").text == "ok"
    assert events == [*STARTED, "view", "view"]


@pytest.mark.parametrize("transport", [httpx.WSGITransport])
def test_httpx_starts_it_too(app: Webframe, fill: Any, events: list[str], transport: Any) -> None:
    fill(app)
    with httpx.Client(transport=transport(app=app), base_url="http://testserver") as client:
        assert client.get("/").text == "ok"
    assert events == [*STARTED, "view"]


def test_many_first_requests_in_threads_start_it_once(
    app: Webframe, wsgi: Any, fill: Any, kind: str, events: list[str]
) -> None:
    fill(app)
    together = threading.Barrier(12, timeout=5)
    statuses = []

    async def aslowly() -> None:
        await asyncio.sleep(0.02)

    def slowly() -> None:
        threading.Event().wait(0.02)

    app.on_startup(aslowly if kind == "async" else slowly)

    def ask() -> None:
        together.wait()
        exchange = wsgi(app)
        statuses.append(exchange.status)
        exchange.close()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert statuses == [200] * 12
    assert events == [*STARTED, *["view"] * 12]


def test_many_first_requests_in_tasks_start_it_once(
    app: Webframe, asgi: Any, fill: Any, kind: str, events: list[str]
) -> None:
    fill(app)
    if kind == "async":
        app.on_startup(lambda: None)

    async def main() -> None:
        exchanges = [asgi(app) for _ in range(50)]
        await asyncio.gather(*(exchange.run() for exchange in exchanges))
        assert {exchange.status for exchange in exchanges} == {200}

    asyncio.run(main())
    assert events[: len(STARTED) + 50] == [*STARTED, *["view"] * 50]


def test_first_requests_on_both_protocols_at_once_start_it_once(
    app: Webframe, wsgi: Any, asgi: Any, fill: Any, events: list[str]
) -> None:
    fill(app)

    async def main() -> None:
        exchange = asgi(app)
        other, _ = await asyncio.gather(asyncio.to_thread(wsgi, app), exchange.run())
        assert (other.status, exchange.status) == (200, 200)
        other.close()

    asyncio.run(main())
    assert events[: len(STARTED) + 2] == [*STARTED, "view", "view"]


def test_a_first_request_that_is_cancelled_does_not_spoil_the_start_up_for_others(
    app: Webframe, asgi: Any, kind: str, events: list[str]
) -> None:
    go_on = threading.Event()

    async def astart() -> None:
        events.append("starts")
        while not go_on.is_set():
            await asyncio.sleep(0.001)

    def start() -> None:
        events.append("starts")
        assert go_on.wait(5)

    app.on_startup(astart if kind == "async" else start)
    app.get("/")(lambda request: "ok")

    async def main() -> None:
        first, second = asgi(app), asgi(app)
        tasks = [asyncio.create_task(first.run()), asyncio.create_task(second.run())]
        while not events:
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        await asyncio.sleep(0.005)
        go_on.set()
        await asyncio.wait(tasks, timeout=5)
        assert tasks[0].cancelled()
        assert tasks[1].exception() is None
        assert second.status == 200
        third = asgi(app)
        await third.run()
        assert third.status == 200

    asyncio.run(main())
    assert events == ["starts"]


def test_when_start_up_fails_the_request_fails_and_the_next_one_tries_again(
    app: Webframe, serve: Any, kind: str, events: list[str]
) -> None:
    def start() -> None:
        events.append("starts")
        if len(events) == 1:
            raise LookupError("the oven is cold")

    async def astart() -> None:
        start()

    app.on_startup(astart if kind == "async" else start)
    app.get("/")(lambda request: "ok")
    with pytest.raises(LookupError, match="the oven is cold"):
        serve(app)
    assert serve(app).status == 200
    assert events[:2] == ["starts", "starts"]


def test_start_up_that_takes_too_long_is_an_error(app: Webframe, serve: Any) -> None:
    ended = threading.Event()

    @app.on_startup
    async def start() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            ended.set()

    app.get("/")(lambda request: "ok")
    with override_settings(LIFESPAN_TIMEOUT=0.02), pytest.raises(TimeoutError, match="LIFESPAN_TIMEOUT"):
        serve(app)


def test_with_another_event_loop_an_async_lifespan_begins_anew(
    app: Webframe, asgi: Any, fill: Any, kind: str, events: list[str]
) -> None:
    fill(app)

    async def main() -> None:
        exchange = asgi(app)
        await exchange.run()
        assert exchange.status == 200

    asyncio.run(main())
    asyncio.run(main())
    if kind == "async":  # what belongs to the first loop ended with it
        assert events == [*STARTED, "view", *STOPPED] * 2
    else:
        assert events == [*STARTED, "view", "view"]


PROGRAM = """
import asyncio
from webframe import Webframe

app = Webframe("program")
inner = Webframe("inner")
app.mount("/inner", inner)

@inner.on_shutdown
{a}def stop_inner():
    print("inner stops")

@app.on_startup
{a}def start():
    print("starts")

@app.on_shutdown
{a}def stop():
    print("stops")

@app.lifespan
{a}def live():
    print("in")
    yield
    print("out")

@app.get("/")
def view(request):
    print("view")
    return "ok"

def wsgi():
    environ = {{"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "testserver"}}
    result = app(environ, lambda status, headers, exc_info=None: None)
    assert b"".join(result) == b"ok"

async def asgi():
    scope = {{
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "root_path": "", "asgi": {{"version": "3.0"}},
        "server": ("testserver", 80), "client": ("127.0.0.1", 1),
    }}
    async def receive():
        await asyncio.Event().wait()
    async def send(message):
        pass
    await app(scope, receive, send)

{call}
print("end of program")
"""


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("served", ["wsgi", "asgi"])
def test_the_end_of_the_process_shuts_it_down_where_no_server_does(kind: str, served: str) -> None:
    call = "wsgi()" if served == "wsgi" else "asyncio.run(asgi())"
    program = textwrap.dedent(PROGRAM).format(a="async " if kind == "async" else "", call=call)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    lines = done.stdout.split("\n")[:-1]
    assert lines[:3] == ["starts", "in", "view"]
    assert sorted(lines[3:]) == sorted(["end of program", "inner stops", "out", "stops"])
    assert lines.index("inner stops") < lines.index("out") < lines.index("stops")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_fork_starts_by_itself_and_stops_nothing_of_its_parent(kind: str) -> None:
    """As where a warm-up request is made before the workers of a server are forked."""
    program = textwrap.dedent(f"""
        import os
        from webframe import Webframe
        from webframe.test import Client

        app = Webframe("forked")

        @app.on_startup
        {"async " if kind == "async" else ""}def start():
            print("starts in", "parent" if os.getpid() == parent else "child", flush=True)

        @app.on_shutdown
        {"async " if kind == "async" else ""}def stop():
            print("stops in", "parent" if os.getpid() == parent else "child", flush=True)

        @app.lifespan
        {"async " if kind == "async" else ""}def live():
            mine = os.getpid()
            try:
                yield
            finally:
                if os.getpid() != mine:
                    print("the child cleaned up after its parent", flush=True)

        app.get("/")(lambda request: "ok")
        parent = os.getpid()
        Client(app).get("/")
        for serves in False, True:
            child = os.fork()
            if not child:
                if serves:
                    Client(app).get("/")
                raise SystemExit
            os.waitpid(child, 0)
    """)
    options = ["-W", "ignore::DeprecationWarning"]  # of forks beside threads
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["starts in parent", "starts in child", "stops in child", "stops in parent"]


# -- mounted apps


def test_mounted_apps_start_after_the_outer_one_and_stop_before_it(
    app: Webframe, asgi: Any, fill: Any, events: list[str]
) -> None:
    inner, innermost = Webframe("inner"), Webframe("innermost")
    fill(app)
    fill(inner, "inner")
    fill(innermost, "innermost")
    inner.mount("/innermost", innermost)
    app.group("/group").mount("/inner", inner)

    async def main() -> None:
        server = Server(app)
        await server.say(STARTUP)
        started = [event.split()[0] for event in events]
        assert started == ["app"] * 4 + ["inner"] * 4 + ["innermost"] * 4
        for path in ("/", "/group/inner/", "/group/inner/innermost/"):
            exchange = asgi(app, path)
            await exchange.run()
            assert exchange.status == 200
        del events[:]
        await server.say(SHUTDOWN)
        assert [event.split()[0] for event in events] == ["innermost"] * 4 + ["inner"] * 4 + ["app"] * 4

    asyncio.run(main())


def test_an_app_that_is_mounted_twice_starts_once(app: Webframe, fill: Any, serve: Any, events: list[str]) -> None:
    inner = Webframe("inner")
    fill(inner, "inner")
    app.mount("/one", inner)
    app.mount("/two", inner)
    serve(app, "/two/")
    assert events.count("inner starts 1") == 1


def test_mounted_apps_start_with_the_first_request_too(
    app: Webframe, client: Any, fill: Any, events: list[str]
) -> None:
    inner = Webframe("inner")
    fill(inner, "inner")
    app.mount("/inner", inner)
    assert client.get("/nowhere").status_code == 404
    assert events == ["inner starts 1", "inner starts 2", "inner generator 1 in", "inner generator 2 in"]
    assert client.get("/inner/").text == "ok"
    assert events[4:] == ["view"]


# -- mistakes


@pytest.mark.parametrize("mistake", [lambda: None, 42, "name"], ids=["a lambda", "a number", "a name"])
def test_what_is_no_generator_function_is_no_lifespan(app: Webframe, mistake: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="generator function"):
        app.lifespan(mistake)


def test_a_lifespan_that_never_yields_is_an_error_that_names_it(app: Webframe, serve: Any, kind: str) -> None:
    def forgetful() -> Iterator[None]:
        if not app:
            yield

    async def aforgetful() -> AsyncIterator[None]:
        if not app:
            yield

    app.lifespan(aforgetful if kind == "async" else forgetful)
    with pytest.raises(ImproperlyConfigured, match="forgetful.*yield"):
        serve(app)


def test_a_lifespan_that_yields_twice_is_logged(app: Webframe, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    def twice() -> Iterator[None]:
        yield
        yield

    async def atwice() -> AsyncIterator[None]:
        yield
        yield

    app.lifespan(atwice if kind == "async" else twice)

    async def main() -> None:
        server = Server(app)
        await server.say(STARTUP)
        assert (await server.say(SHUTDOWN))["type"] == "lifespan.shutdown.complete"

    with caplog.at_level(logging.ERROR, "webframe.server"):
        asyncio.run(main())
    assert "twice" in str(caplog.records[0].exc_info)

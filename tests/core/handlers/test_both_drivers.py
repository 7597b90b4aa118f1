"""The straight paths of plain views and of bare async views give what the shared path gives, whatever happens on them.

Random stacks of middleware around random views are taken through every way
there is; status, headers, body, events, signals and log must be the same.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import NotFound, Unauthorized

from webframe import JSONResponse, Request, Response, Webframe
from webframe.core.exceptions import Http404, MiddlewareError
from webframe.core.handlers.base import LOOP, PLAIN
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.test.client import Client
from webframe.waiting import step

from .generators import asynchronously


class Handled(Exception):
    """An error with a handler."""


class Unhandled(Exception):
    """An error without one."""


class Badly(Exception):
    """An error whose handler fails."""


VIEWS: dict[str, Callable[[], Any]] = {
    "text": lambda: "text",
    "tuple": lambda: ("text", 201, {"X-View": "yes"}),
    "json": lambda: {"a": [1, 2]},
    "response": lambda: Response("text", 202, headers={"X-View": "yes"}),
    "empty": lambda: ("", 204),
    "none": lambda: None,
    "nonsense": lambda: object,
}
ERRORS: dict[str, Callable[[], BaseException]] = {
    "ours": lambda: Http404("lost"),
    "werkzeug's": lambda: Unauthorized("who are you?"),
    "handled status": lambda: NotFound(),
    "handled class": lambda: Handled("here"),
    "unhandled": lambda: Unhandled("oh"),
    "badly handled": lambda: Badly("oh"),
    "exit": lambda: SystemExit(3),
}
BEHAVIOURS = [
    "passes on",
    "changes",
    "answers early",
    "answers early with an error",
    "replaces",
    "replaces by a tuple",
    "returns a response",
    "raises before",
    "raises an http error before",
    "raises after",
    "raises an http error after",
    "saves",
    "swallows",
    "exchanges the error",
    "never yields",
    "yields twice",
    "yields after its answer",
    "replaces by nonsense",
    "replaces by None",
    "exits",
]


class Stack(NamedTuple):
    """Middleware, outermost first, and what the view does: an answer or an error, by name."""

    middleware: tuple[str, ...]
    view: str


stacks = st.builds(
    Stack,
    st.lists(st.sampled_from(BEHAVIOURS), max_size=4).map(tuple),
    st.sampled_from([*VIEWS, *ERRORS]),
)


class Result(NamedTuple):
    """All that can be seen of a request."""

    answer: Any
    events: list[str]
    log: list[tuple[str, int]]


class Trial:
    """A stack made into apps, and the events of the requests to them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.events: list[str] = []
        self.log: list[tuple[str, int]] = []

    def app(self, *, async_view: bool = False, async_middleware: bool = False) -> Webframe:
        app = Webframe("testapp")
        for number, behaviour in enumerate(self.stack.middleware):
            function = self.middleware(f"{number} {behaviour}", behaviour)
            app.middleware(asynchronously(function) if async_middleware else function)
        app.errorhandler(Handled)(self.handle)
        app.errorhandler(404)(self.handle)
        app.errorhandler(Badly)(self.handle_badly)
        if async_view:

            async def view(request: Request) -> Any:
                return self.view(request)

            app.get("/", name="view")(view)
        else:
            app.get("/", name="view")(self.view)
        return app

    def view(self, request: Request) -> Any:
        self.events.append("view")
        if self.stack.view in ERRORS:
            raise ERRORS[self.stack.view]()
        return VIEWS[self.stack.view]()

    def handle(self, request: Request, error: BaseException) -> Any:
        self.events.append(f"handles {error!r}")
        return JSONResponse({"handled": type(error).__name__}, 404, headers={"X-Handled": "yes"})

    def handle_badly(self, request: Request, error: BaseException) -> Any:
        self.events.append(f"handles {error!r} badly")
        raise Unhandled("of the handler")

    def middleware(self, name: str, behaviour: str) -> Callable[[Request], Iterator[Any]]:
        events = self.events

        def inner(request: Request) -> Iterator[Any]:
            events.append(f"{name} in")
            try:
                answer = yield from behave(request)
                events.append(f"{name} out")
                return answer
            except (Exception, SystemExit) as error:
                events.append(f"{name} fails: {error!r}")
                raise

        def behave(request: Request) -> Iterator[Any]:
            match behaviour:
                case "answers early":
                    yield "early", 203
                    return None
                case "answers early with an error":
                    yield "no", 403
                    return None
                case "raises before":
                    raise Unhandled("before")
                case "raises an http error before":
                    raise Http404("before")
                case "never yields":
                    return None
                case "exits":
                    raise SystemExit(4)
            try:
                response = yield
            except Unhandled as error:
                match behaviour:
                    case "saves":
                        yield f"saved from {error!r}", 418
                        return None
                    case "swallows":
                        return None
                    case "exchanges the error":
                        raise Handled("exchanged") from error
                raise
            events.append(f"{name} sees {response.status_code}")
            match behaviour:
                case "changes":
                    response.headers["X-Changed"] = response.headers.get("X-Changed", "") + name
                case "replaces":
                    yield Response("other", 205, headers={"X-Replaced": name})
                case "replaces by a tuple":
                    yield "other", 206
                case "returns a response":
                    return Response("returned", 207)
                case "raises after":
                    raise Unhandled("after")
                case "raises an http error after":
                    raise Http404("after")
                case "yields twice":
                    yield
                    yield
                case "yields after its answer":
                    yield "one"
                    yield "two"
                case "replaces by nonsense":
                    yield 42
                case "replaces by None":
                    yield None
            return None

        inner.__qualname__ = name
        return inner

    def request(self, app: Webframe) -> tuple[Any, Request, Any]:
        """A handler, and what it needs to make a response without an edge around it."""
        table = app._set_up_and_freeze()
        request = Request({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "testserver"})
        endpoint, _ = table.find("GET", "/")
        request.route = endpoint
        return app.wsgi, request, endpoint

    def result(self, call: Callable[[], Any]) -> Result:
        """What comes out of a way to make a response."""
        self.events.clear()
        self.log.clear()
        try:
            response = call()
            if isinstance(response, Response):
                status, headers, body = response.to_wsgi("GET")
                answer: Any = (int(status.split()[0]), sorted(headers), b"".join(body))
            else:
                headers = [(name.title(), value) for name, value in response.headers.items()]
                answer = (response.status_code, sorted(headers), response.content)
        except BaseException as error:
            if not isinstance(error, SystemExit):
                raise
            answer = repr(error)
        return Result(answer, list(self.events), list(self.log))


class Ear(logging.Handler):
    """Hears signals and the log for a trial."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial

    def emit(self, record: logging.LogRecord) -> None:
        self.trial.log.append((record.levelname, getattr(record, "status_code", 0)))

    def hear(self, **kwargs: Any) -> None:
        self.trial.events.append(f"exception {sys.exc_info()[1]!r}")

    def hear_start(self, **kwargs: Any) -> None:
        self.trial.events.append("started")

    def hear_end(self, **kwargs: Any) -> None:
        self.trial.events.append("finished")

    def __enter__(self) -> Ear:
        logger = logging.getLogger("webframe.request")
        self.level, self.propagates = logger.level, logger.propagate
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)
        got_request_exception.connect(self.hear)
        request_started.connect(self.hear_start)
        request_finished.connect(self.hear_end)
        return self

    def __exit__(self, *exception: object) -> None:
        logger = logging.getLogger("webframe.request")
        logger.removeHandler(self)
        logger.setLevel(self.level)
        logger.propagate = self.propagates
        got_request_exception.disconnect(self.hear)
        request_started.disconnect(self.hear_start)
        request_finished.disconnect(self.hear_end)


def framed(result: Result) -> Result:
    """The same with the request signals around it."""
    return result._replace(events=["started", *result.events, "finished"])


@given(stacks)
@example(Stack((), "text"))
@example(Stack(("passes on", "replaces by None"), "text"))
@example(Stack(("saves", "raises after"), "text"))
@example(Stack(("swallows",), "unhandled"))
@example(Stack(("never yields", "passes on"), "text"))
@settings(max_examples=150, deadline=None)
def test_the_straight_path_of_plain_code_does_what_the_shared_path_does(stack: Stack) -> None:
    trial = Trial(stack)
    app = trial.app()
    with Ear(trial):
        handler, request, endpoint = trial.request(app)
        shared = trial.result(lambda: step(handler.get_response(request, endpoint, PLAIN)))
        handler, request, endpoint = trial.request(app)
        assert trial.result(lambda: handler.respond_plainly(request, endpoint)) == shared
        with Client(app, raise_app_exceptions=False) as client:
            assert trial.result(lambda: client.get("/")) == framed(shared)
        if "SystemExit" not in str(shared.answer):  # it ends the loop of the client
            with Client(app, protocol="asgi", raise_app_exceptions=False) as client:
                assert trial.result(lambda: client.get("/")) == framed(shared)


@given(stacks)
@example(Stack((), "text"))
@example(Stack(("passes on",), "handled class"))
@settings(max_examples=150, deadline=None)
def test_async_code_does_what_plain_code_does(stack: Stack) -> None:
    trial = Trial(stack)
    plain = trial.app()
    with Ear(trial):
        handler, request, endpoint = trial.request(plain)
        expected = trial.result(lambda: handler.respond_plainly(request, endpoint))
        for async_middleware in (False, True):
            app = trial.app(async_view=True, async_middleware=async_middleware)

            def respond(app: Webframe = app) -> Any:
                handler, request, endpoint = trial.request(app)
                return asyncio.run(handler.get_response(request, endpoint, LOOP))

            assert trial.result(respond) == expected
            for protocol in ("wsgi", "asgi"):
                if "SystemExit" in str(expected.answer) and protocol == "asgi":
                    continue
                with Client(app, protocol=protocol, raise_app_exceptions=False) as client:
                    assert trial.result(lambda client=client: client.get("/")) == framed(expected)


@pytest.mark.parametrize("view", [*VIEWS, *ERRORS])
def test_the_bare_path_of_an_async_view_does_what_the_shared_path_does(view: str, asgi: Any) -> None:
    """Nothing is around the view, so that nothing but `get_response` and the ASGI handler differ."""
    trial = Trial(Stack((), view))
    app = trial.app(async_view=True)

    async def served() -> Any:
        exchange = asgi(app)
        await exchange.run()
        response = Response(exchange.body, exchange.status)
        response.headers.clear()
        for name, value in exchange.sent[0]["headers"]:
            response.headers.add(name.decode().title(), value.decode())
        return response

    with Ear(trial):
        handler, request, endpoint = trial.request(app)
        assert endpoint.is_bare
        shared = trial.result(lambda: asyncio.run(handler.get_response(request, endpoint, LOOP)))
        assert trial.result(lambda: asyncio.run(served())) == framed(shared)


@pytest.mark.parametrize("mistake", ["never yields", "yields twice", "yields after its answer", "swallows"])
def test_every_path_names_the_middleware_that_breaks_the_rules(mistake: str) -> None:
    trial = Trial(Stack(("passes on", mistake), "unhandled" if mistake == "swallows" else "text"))
    for options in ({}, {"async_view": True}, {"async_view": True, "async_middleware": True}):
        app = trial.app(**options)
        for protocol in ("wsgi", "asgi"):
            with Client(app, protocol=protocol) as client, pytest.raises(MiddlewareError, match=f"1 {mistake}"):
                client.get("/")


@pytest.mark.parametrize("async_view", [False, True])
@pytest.mark.parametrize("middleware", [(), ("passes on", "passes on")])
def test_a_stop_iteration_of_a_view_is_an_error_on_every_path(async_view: bool, middleware: tuple[str, ...]) -> None:
    trial = Trial(Stack(middleware, "text"))

    def view(request: Request) -> Any:
        next(iter(()))

    trial.view = view
    with Ear(trial):
        for protocol in ("wsgi", "asgi"):
            with Client(trial.app(async_view=async_view), protocol=protocol, raise_app_exceptions=False) as client:
                trial.events.clear()
                assert client.get("/").status_code == 500
                assert sum(event.startswith("exception RuntimeError") for event in trial.events) == 1

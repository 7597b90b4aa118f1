"""The request signals: how often, from whom, with what and in which order, however a request ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from webframe import Request, Response, StreamingResponse, Webframe, current_request, redirect
from webframe.core.exceptions import BadRequest, Http404, PermissionDenied, SuspiciousOperation
from webframe.core.handlers.asgi import ASGIHandler
from webframe.core.handlers.wsgi import WSGIHandler
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.test import override_settings
from webframe.test.client import Client
from webframe.waiting import wait

SENDERS = {"wsgi": WSGIHandler, "asgi": ASGIHandler}

# What a request that goes well, and one that ends in a 500, let us hear.
GOES_WELL = (1, 0, 1)
FAILS = (1, 1, 1)


def raises(error: Any) -> Callable[..., Any]:
    """A view that raises this."""

    def view(request: Request) -> Any:
        raise error

    return view


# -- how often, and from whom


def test_an_ordinary_request_starts_and_finishes_once(
    app: Webframe, client: Client, protocol: str, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/")(code(ok))
    assert client.get("/").text == "ok"
    assert heard.counts == GOES_WELL
    assert heard.only("started").sender is SENDERS[protocol]
    assert heard.only("finished").sender is SENDERS[protocol]
    assert heard.only("finished").arguments == {}


@pytest.mark.parametrize(
    "error",
    [
        Http404(),
        PermissionDenied(),
        BadRequest(),
        SuspiciousOperation("odd"),
        WerkzeugBadRequest(),
        ServiceUnavailable(),
        HTTPException(response=Response("stop", 409)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_http_error_raised_on_purpose_is_no_exception(
    app: Webframe, client: Client, heard: Any, code: Any, error: Exception
) -> None:
    app.get("/")(code(raises(error)))
    assert client.get("/").status_code >= 400
    assert heard.counts == GOES_WELL


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/", 405), ("OPTIONS", "/", 200)]
)
def test_an_address_without_a_view_starts_and_finishes_all_the_same(
    app: Webframe, client: Client, heard: Any, code: Any, ok: Any, method: str, path: str, status: int
) -> None:
    app.get("/")(code(ok))
    assert client.request(method, path).status_code == status
    assert heard.counts == GOES_WELL


def test_a_host_that_is_not_allowed_starts_and_finishes_all_the_same(
    app: Webframe, client: Client, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/")(code(ok))
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert heard.counts == GOES_WELL


def test_a_body_that_is_too_large_starts_and_finishes_all_the_same_with_the_handler_as_sender(
    app: Webframe, client: Client, protocol: str, heard: Any, code: Any, ok: Any
) -> None:
    app.post("/", max_content_length=10)(code(ok))
    assert client.post("/", content=b"x" * 11).status_code == 413
    assert heard.counts == GOES_WELL
    assert heard.only("finished").sender is SENDERS[protocol]


def test_a_malformed_multipart_body_is_no_exception(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    app.post("/")(code(lambda request: request.form.get("x", "nothing")))
    response = client.post("/", content=b"\r" * 100, headers={"Content-Type": "multipart/form-data"})
    assert response.status_code == 400
    assert heard.counts == GOES_WELL


def test_an_error_that_nobody_handles_is_announced(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    app.get("/")(code(raises(ValueError("oh"))))
    assert client.get("/").status_code == 500
    assert heard.counts == FAILS
    assert heard.events == ["started", "exception", "finished"]


def test_a_view_that_returns_none_is_an_error(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    app.get("/")(code(lambda request: None))
    assert client.get("/").status_code == 500
    assert heard.counts == FAILS
    assert isinstance(heard.only("exception").error, TypeError)


def test_an_error_that_a_registered_handler_answers_is_not_announced(
    app: Webframe, client: Client, heard: Any, code: Any
) -> None:
    app.errorhandler(ValueError)(code(lambda request, error: ("handled", 418)))
    app.get("/")(code(raises(ValueError("oh"))))
    assert client.get("/").status_code == 418
    assert heard.counts == GOES_WELL


def test_an_error_that_middleware_answers_is_not_announced(
    app: Webframe, client: Client, heard: Any, code: Any
) -> None:
    @app.middleware
    def save(request: Request) -> Iterator[Any]:
        try:
            yield
        except ValueError:
            yield "saved"

    app.get("/")(code(raises(ValueError("oh"))))
    assert client.get("/").text == "saved"
    assert heard.counts == GOES_WELL


def test_an_error_of_middleware_is_announced(app: Webframe, client: Client, heard: Any, code: Any, ok: Any) -> None:
    @app.middleware
    def fail(request: Request) -> Iterator[Any]:
        yield
        raise ValueError("late")

    app.get("/")(code(ok))
    assert client.get("/").status_code == 500
    assert heard.counts == FAILS


def test_the_error_of_an_error_handler_is_announced_once(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    failure = RuntimeError("the handler's")

    def handler(request: Request, error: Exception) -> Any:
        raise failure

    app.errorhandler(404)(code(handler))
    app.get("/")(code(raises(Http404())))
    for path in ("/", "/nowhere"):
        heard.events.clear()
        assert client.get(path).status_code == 500
        assert heard.events == ["started", "exception", "finished"]
        assert heard.calls["exception"].pop().error is failure


def test_when_the_page_for_500_fails_too_the_error_is_announced_once(
    app: Webframe, client: Client, heard: Any, code: Any
) -> None:
    app.errorhandler(500)(code(lambda request, error: 1 / 0))
    app.get("/")(code(raises(ValueError("oh"))))
    assert client.get("/").status_code == 500
    assert heard.counts == FAILS


def test_errors_may_be_passed_on_to_the_server(app: Webframe, serve: Any, heard: Any, code: Any) -> None:
    error = ValueError("oh")
    app.get("/")(code(raises(error)))
    with override_settings(PROPAGATE_EXCEPTIONS=True):
        with pytest.raises(ValueError) as caught:
            serve(app)
    assert caught.value is error
    assert heard.counts == FAILS


async def await_what_is_cancelled(*args: Any) -> None:
    job = asyncio.create_task(asyncio.sleep(10))
    job.cancel()
    await job


def wait_for_what_is_cancelled(*args: Any) -> None:
    wait(await_what_is_cancelled())


def raise_cancelled_error(*args: Any) -> None:
    raise asyncio.CancelledError


UNCALLED_FOR = pytest.mark.parametrize(
    "function", [await_what_is_cancelled, wait_for_what_is_cancelled, raise_cancelled_error]
)


@UNCALLED_FOR
@pytest.mark.parametrize("place", ["view", "error handler", "middleware", "view below middleware"])
def test_a_cancellation_that_nobody_has_asked_for_is_an_error(
    app: Webframe,
    client: Client,
    heard: Any,
    caplog: pytest.LogCaptureFixture,
    place: str,
    function: Callable[..., Any],
) -> None:
    if place == "error handler":
        app.errorhandler(404)(function)
        app.get("/")(raises(Http404()))
    elif place == "middleware":

        @app.middleware
        async def cancelled(request: Request) -> AsyncIterator[Any]:
            yield
            await await_what_is_cancelled()

        app.get("/")(lambda request: "ok")
    else:
        app.get("/")(function)
    if place == "view below middleware":

        @app.middleware
        def passes(request: Request) -> Iterator[Any]:
            yield

    with caplog.at_level(logging.ERROR, "webframe.request"):
        response = client.get("/")
    assert response.status_code == 500
    assert heard.counts == FAILS
    error = heard.only("exception").error
    assert isinstance(error, RuntimeError) and "nobody has cancelled the request" in str(error)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[1] is error


@UNCALLED_FOR
def test_a_closer_that_awaits_what_is_cancelled_stops_nothing_else(
    app: Webframe,
    client: Client,
    heard: Any,
    caplog: pytest.LogCaptureFixture,
    function: Callable[..., Any],
) -> None:
    @app.get("/")
    def view(request: Request) -> str:
        request.on_close(heard, "first")
        request.on_close(function)
        return "ok"

    with caplog.at_level(logging.ERROR, "webframe.request"):
        assert client.get("/").text == "ok"
    assert heard.events == ["started", "first", "finished"]
    assert len(caplog.records) == 1


def test_a_stream_that_awaits_what_is_cancelled_is_an_ordinary_error_for_the_server(
    app: Webframe, serve: Any, heard: Any
) -> None:
    @app.get("/")
    async def view(request: Request) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            yield "a"
            await await_what_is_cancelled()

        return StreamingResponse(body())

    with pytest.raises(RuntimeError, match="nobody has cancelled the request"):
        serve(app)
    assert heard.counts == GOES_WELL


@pytest.mark.parametrize("chunks", [0, 1, 2])
@pytest.mark.parametrize("function", [wait_for_what_is_cancelled, raise_cancelled_error])
def test_so_it_is_in_a_plain_stream(
    app: Webframe, serve: Any, heard: Any, chunks: int, function: Callable[..., Any]
) -> None:
    @app.get("/")
    def view(request: Request) -> StreamingResponse:
        def body() -> Iterator[str]:
            yield from ["chunk"] * chunks
            function()

        return StreamingResponse(body())

    with pytest.raises(RuntimeError, match="nobody has cancelled the request") as raised:
        serve(app)
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert heard.counts == GOES_WELL


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_system_exit_ends_the_request_and_is_raised_again(
    app: Webframe, serve: Any, heard: Any, code: Any, end: type[BaseException]
) -> None:
    app.get("/")(code(raises(end(3))))
    with pytest.raises(end):
        serve(app)
    assert heard.counts == GOES_WELL
    app.get("/after")(code(lambda request: "still here"))
    assert serve(app, "/after").status == 200


def test_a_head_request_and_an_answer_without_a_body_finish_too(
    app: Webframe, client: Client, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/")(code(ok))
    app.get("/empty")(code(lambda request: ("", 204)))
    assert client.head("/").content == b""
    assert client.get("/empty").status_code == 204
    assert heard.events == ["started", "finished"] * 2


def test_each_hop_of_a_redirect_is_a_request_of_its_own(
    app: Webframe, client: Client, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/")(code(lambda request: redirect("/there")))
    app.get("/there")(code(ok))
    assert client.get("/", follow_redirects=True).text == "ok"
    assert heard.events == ["started", "finished"] * 2


def test_lifespan_is_no_request(app: Webframe, asgi: Any, heard: Any) -> None:
    async def main() -> None:
        exchange = asgi(app, type="lifespan", messages=[{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        await exchange.run()
        assert [message["type"] for message in exchange.sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]

    asyncio.run(main())
    assert heard.events == []


# -- what they are sent with


def test_under_wsgi_started_has_the_very_environ_and_no_scope(
    app: Webframe, wsgi: Any, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/")(code(ok))
    exchange = wsgi(app)
    exchange.close()
    arguments = heard.only("started").arguments
    assert arguments.keys() == {"environ"}
    assert arguments["environ"] is exchange.environ


def test_under_asgi_started_has_a_readable_environ_and_the_very_scope(
    app: Webframe, asgi: Any, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/a b")(code(ok))

    async def main() -> Any:
        exchange = asgi(app, "/a b", query_string=b"x=1", headers=[(b"host", b"testserver"), (b"x-y", b"z")])
        await exchange.run()
        return exchange

    exchange = asyncio.run(main())
    arguments = heard.only("started").arguments
    assert arguments.keys() == {"environ", "scope"}
    assert arguments["scope"] is exchange.scope
    environ = arguments["environ"]
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/a b"
    assert environ["QUERY_STRING"] == "x=1"
    assert environ["HTTP_X_Y"] == "z"
    assert "HTTP_X_Z" not in environ


def test_the_view_has_the_environ_that_started_was_sent_with(
    app: Webframe, client: Client, heard: Any, code: Any
) -> None:
    def change(environ: Any, **kwargs: Any) -> None:
        environ["HTTP_X_FROM_RECEIVER"] = "hello"

    heard.connect(request_started, change)
    app.get("/")(code(lambda request: request.environ["HTTP_X_FROM_RECEIVER"]))
    assert client.get("/").text == "hello"


@pytest.mark.parametrize("inline", [False, True], ids=["receiver in its place", "inline receiver"])
def test_the_error_is_the_current_one_in_receivers_of_got_request_exception(
    app: Webframe, client: Client, heard: Any, code: Any, inline: bool
) -> None:
    error = ValueError("oh")
    seen: list[Any] = []

    def note(sender: None, request: Request, **kwargs: Any) -> None:
        seen.append((sender, request.path, sys.exc_info()[1]))

    heard.connect(got_request_exception, note, inline=inline)
    app.get("/there")(code(raises(error)))
    assert client.get("/there").status_code == 500
    assert seen == [(None, "/there", error)]
    assert heard.only("exception").error is error
    assert heard.only("exception").sender is None
    assert heard.only("exception").arguments.keys() == {"request"}


def test_the_traceback_of_an_error_leads_to_the_view(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    names: list[str] = []

    def look(**kwargs: Any) -> None:
        traceback = sys.exc_info()[2]
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next

    def failing_view(request: Request) -> Any:
        raise ValueError("oh")

    heard.connect(got_request_exception, look)
    app.get("/")(code(failing_view))
    client.get("/")
    assert names[-1] == "failing_view"


def test_nothing_is_the_current_error_when_a_request_goes_well(
    app: Webframe, client: Client, heard: Any, code: Any, ok: Any
) -> None:
    app.get("/")(code(ok))
    client.get("/")
    assert heard.only("started").error is None
    assert heard.only("finished").error is None


# -- in which order


def test_everything_has_its_turn(app: Webframe, client: Client, heard: Any, code: Any, stream: Any) -> None:
    @app.middleware
    def middleware(request: Request) -> Iterator[Any]:
        heard("middleware in")
        yield
        heard("middleware out")

    def body() -> Iterator[str]:
        heard("body")
        yield "one"
        yield "two"
        heard("last chunk")

    def view(request: Request) -> Response:
        heard("view")
        request.on_close(code(heard), "closer registered first")
        request.on_close(code(heard), "closer registered last")
        request.add_background_task(code(heard), "first background task")
        request.add_background_task(code(heard), "second background task")
        return StreamingResponse(stream(body)())

    app.get("/")(code(view))
    assert client.get("/").text == "onetwo"
    assert heard.events == [
        "started",
        "middleware in",
        "view",
        "middleware out",
        "body",
        "last chunk",
        "first background task",
        "second background task",
        "closer registered last",
        "closer registered first",
        "finished",
    ]


def test_the_closers_of_the_response_come_before_finished(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"ok"

        def close(self) -> None:
            heard("body closed")

    def view(request: Request) -> Response:
        response = Response(Body())
        response.call_on_close(lambda: heard("response closed"))
        return response

    app.get("/")(code(view))
    assert client.get("/").text == "ok"
    assert heard.events[-1] == "finished"
    assert sorted(heard.events) == ["body closed", "finished", "response closed", "started"]


def test_what_fails_at_the_end_stops_nothing_else(
    app: Webframe, client: Client, heard: Any, code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: str) -> None:
        heard(event)
        raise ValueError(event)

    def view(request: Request) -> Response:
        response = Response("ok")
        response.call_on_close(lambda: fail("response closed"))
        request.on_close(code(fail), "closer 2")
        request.on_close(code(fail), "closer 1")
        request.add_background_task(code(fail), "task 1")
        request.add_background_task(code(fail), "task 2")
        return response

    app.get("/")(code(view))
    with caplog.at_level(logging.ERROR, "webframe.request"):
        assert client.get("/").text == "ok"
    assert heard.events == ["started", "task 1", "task 2", "closer 1", "closer 2", "response closed", "finished"]
    assert len(caplog.records) == 5


def test_what_a_receiver_of_started_has_registered_is_called_though_another_one_fails(
    app: Webframe, serve: Any, heard: Any, code: Any, ok: Any
) -> None:
    def register(**kwargs: Any) -> None:
        request = current_request.get()
        assert request is not None
        request.on_close(code(heard), "closer")

    def fail(**kwargs: Any) -> None:
        raise LookupError("not today")

    heard.connect(request_started, register)
    heard.connect(request_started, fail)
    app.get("/")(code(ok))
    with pytest.raises(LookupError):
        serve(app)
    assert heard.events == ["started", "closer"]


@pytest.mark.parametrize("place", ["background task", "closer", "response"])
def test_not_even_system_exit_at_the_end_stops_anything_else(
    app: Webframe, serve: Any, heard: Any, code: Any, place: str
) -> None:
    def leave() -> None:
        heard("leaves")
        raise SystemExit(3)

    def view(request: Request) -> Response:
        response = Response("ok")
        if place == "background task":
            request.add_background_task(code(leave))
        elif place == "closer":
            request.on_close(code(leave))
        else:
            response.call_on_close(leave)
        request.on_close(heard, "last closer")
        return response

    app.get("/")(code(view))
    with pytest.raises(SystemExit):
        serve(app)
    assert heard.events.count("last closer") == 1
    assert heard.counts == GOES_WELL
    assert heard.events[-1] == "finished"


def test_a_background_task_may_add_another_and_a_closer(app: Webframe, client: Client, heard: Any, code: Any) -> None:
    def task(request: Request) -> None:
        heard("task")
        request.add_background_task(code(heard), "its task")
        request.on_close(code(heard), "its closer")

    def view(request: Request) -> str:
        request.add_background_task(code(task), request)
        return "ok"

    app.get("/")(code(view))
    client.get("/")
    assert heard.events == ["started", "task", "its task", "its closer", "finished"]


def test_background_tasks_and_closers_run_after_an_error_too(
    app: Webframe, client: Client, heard: Any, code: Any
) -> None:
    def view(request: Request) -> str:
        request.on_close(heard, "closer")
        raise ValueError("oh")

    app.get("/")(code(view))
    client.get("/")
    assert heard.events == ["started", "exception", "closer", "finished"]


# -- streams


def test_a_stream_finishes_only_after_its_last_chunk(
    app: Webframe, client: Client, heard: Any, code: Any, stream: Any
) -> None:
    def body() -> Iterator[str]:
        for number in range(3):
            heard(f"chunk {number}")
            assert "finished" not in heard.events
            yield "x" * 10

    app.get("/")(code(lambda request: StreamingResponse(stream(body)())))
    with client.stream("GET", "/") as response:
        assert heard.counts == (1, 0, 0)
        assert len(response.read()) == 30
    assert heard.events == ["started", "chunk 0", "chunk 1", "chunk 2", "finished"]


def test_under_wsgi_nothing_finishes_before_close(app: Webframe, wsgi: Any, heard: Any, code: Any, stream: Any) -> None:
    app.get("/")(code(lambda request: "ok"))
    app.get("/stream")(code(lambda request: StreamingResponse(stream(lambda: iter_of("a", "b"))())))
    for path, body in (("/", b"ok"), ("/stream", b"ab")):
        heard.events.clear()
        exchange = wsgi(app, path)
        assert exchange.body() == body
        assert heard.events == ["started"]
        exchange.close()
        assert heard.events == ["started", "finished"]


def iter_of(*chunks: str) -> Iterator[str]:
    yield from chunks


def test_a_body_that_is_never_read_finishes_when_it_is_closed(
    app: Webframe, wsgi: Any, heard: Any, code: Any, stream: Any
) -> None:
    app.get("/")(code(lambda request: "ok"))
    app.get("/stream")(code(lambda request: StreamingResponse(stream(lambda: iter_of("a", "b"))())))
    for path in ("/", "/stream"):
        heard.events.clear()
        wsgi(app, path).close()
        assert heard.events == ["started", "finished"]


def test_closing_twice_finishes_once(app: Webframe, wsgi: Any, heard: Any, code: Any, stream: Any) -> None:
    app.get("/")(code(lambda request: "ok"))
    app.get("/stream")(code(lambda request: StreamingResponse(stream(lambda: iter_of("a", "b"))())))
    for path in ("/", "/stream"):
        heard.events.clear()
        exchange = wsgi(app, path)
        exchange.body()
        exchange.close()
        exchange.close()
        del exchange
        gc.collect()
        assert heard.events == ["started", "finished"]


def test_a_response_that_is_dropped_unread_finishes_nonetheless(
    app: Webframe, wsgi: Any, heard: Any, code: Any, stream: Any
) -> None:
    app.get("/")(code(lambda request: "ok"))
    app.get("/stream")(code(lambda request: StreamingResponse(stream(lambda: iter_of("a", "b"))())))
    for path in ("/", "/stream"):
        heard.events.clear()
        wsgi(app, path)
        heard.wait_for("finished")
        assert heard.events == ["started", "finished"]


def test_a_stream_that_is_dropped_in_a_cycle_of_references_is_stopped_and_finishes(
    app: Webframe, wsgi: Any, heard: Any, code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> AsyncIterator[str]:
        try:
            while True:
                yield "more"
                await asyncio.sleep(0)
        finally:
            heard("stopped")

    app.get("/")(code(lambda request: StreamingResponse(body())))
    for _ in range(5):  # in which order the collector of garbage looks at objects is up to it
        heard.events.clear()
        exchange = wsgi(app)
        next(iter(exchange.result))
        time.sleep(0.05)  # it has made as many chunks as may wait for the client
        exchange.cycle = exchange
        del exchange
        gc.collect()
        heard.wait_for("finished")
        assert heard.events == ["started", "stopped", "finished"]
    assert "destroyed" not in caplog.text


def test_a_stream_that_is_closed_early_is_stopped_where_it_is(
    app: Webframe, wsgi: Any, heard: Any, code: Any, stream: Any
) -> None:
    def body() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            heard("stopped")

    app.get("/")(code(lambda request: StreamingResponse(stream(body)())))
    exchange = wsgi(app)
    chunks = iter(exchange.result)
    assert next(chunks) == b"more"
    exchange.close()
    assert heard.events == ["started", "stopped", "finished"]


def test_a_stream_that_waits_as_it_is_stopped_is_at_its_end_before_the_request_is(
    app: Webframe, wsgi: Any, heard: Any, code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> AsyncIterator[str]:
        try:
            while True:
                yield "more"
        finally:
            await asyncio.sleep(0.01)
            heard("stopped")

    app.get("/")(code(lambda request: StreamingResponse(body())))
    exchange = wsgi(app)
    next(iter(exchange.result))
    time.sleep(0.05)  # it has made as many chunks as may wait for the client
    exchange.close()
    assert heard.events == ["started", "stopped", "finished"]
    assert not caplog.records


def failing_stream(chunks: int) -> Callable[[], Iterator[str]]:
    def body() -> Iterator[str]:
        for _ in range(chunks):
            yield "x"
        raise ValueError("mid-stream")

    return body


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_an_error_mid_stream_finishes_once_and_is_no_exception(
    app: Webframe, client: Client, heard: Any, code: Any, stream: Any, chunks: int
) -> None:
    app.get("/")(code(lambda request: StreamingResponse(stream(failing_stream(chunks))())))
    with pytest.raises(ValueError, match="mid-stream"):
        client.get("/")
    assert heard.counts == GOES_WELL


def test_an_error_at_the_first_chunk_finishes_even_if_the_server_closes_nothing(
    app: Webframe, wsgi: Any, heard: Any, code: Any, stream: Any
) -> None:
    app.get("/")(code(lambda request: StreamingResponse(stream(failing_stream(0))())))
    with pytest.raises(ValueError, match="mid-stream"):
        with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://testserver") as client:
            client.get("/")
    heard.wait_for("finished")
    assert heard.counts == GOES_WELL


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_system_exit_mid_stream_finishes_once(
    app: Webframe, serve: Any, heard: Any, code: Any, stream: Any, end: type[BaseException]
) -> None:
    def body() -> Iterator[str]:
        yield "x"
        raise end(3)

    app.get("/")(code(lambda request: StreamingResponse(stream(body)())))
    with pytest.raises(end):
        serve(app)
    assert heard.counts == GOES_WELL


def test_a_wrong_chunk_is_an_error_mid_stream(
    app: Webframe, client: Client, heard: Any, code: Any, stream: Any
) -> None:
    def body() -> Iterator[Any]:
        yield "x"
        yield 42

    app.get("/")(code(lambda request: StreamingResponse(stream(body)())))
    with pytest.raises(TypeError):
        client.get("/")
    assert heard.counts == GOES_WELL


def test_a_header_that_must_not_be_sent_is_an_error_of_the_request(
    app: Webframe, client: Client, heard: Any, code: Any
) -> None:
    def view(request: Request) -> Response:
        response = Response("x")
        response.headers.add("X-Safe", "yes")
        response.headers._list.append(("X-Bad", "a\r\nSet-Cookie: b=c"))  # whoever goes round werkzeug's own check
        return response

    app.get("/")(code(view))
    response = client.get("/")
    assert response.status_code == 500
    assert "Set-Cookie" not in response.headers
    assert heard.counts == FAILS


def test_a_file_finishes_once(app: Webframe, client: Client, heard: Any, code: Any, tmp_path: Any) -> None:
    from webframe import FileResponse

    path = tmp_path / "page.txt"
    path.write_bytes(b"x" * 200_000)
    app.get("/")(code(lambda request: FileResponse(path)))
    assert len(client.get("/").content) == 200_000
    assert client.get("/", headers={"Range": "bytes=0-9"}).status_code == 206
    assert client.head("/").content == b""
    assert heard.events == ["started", "finished"] * 3


# -- receivers that raise


@pytest.mark.parametrize("receiver_kind", ["plain", "async"])
def test_an_error_of_a_receiver_of_started_is_passed_on_and_the_request_goes_no_further(
    app: Webframe, serve: Any, heard: Any, code: Any, receiver_kind: str
) -> None:
    def fail(**kwargs: Any) -> None:
        raise LookupError("not today")

    async def afail(**kwargs: Any) -> None:
        fail()

    heard.connect(request_started, afail if receiver_kind == "async" else fail)
    app.get("/")(code(lambda request: heard("view")))
    with pytest.raises(LookupError, match="not today"):
        serve(app)
    assert heard.counts == (1, 0, 0)
    assert "view" not in heard.events
    assert current_request.get() is None


@pytest.mark.parametrize("receiver_kind", ["plain", "async", "inline"])
@pytest.mark.parametrize("body", ["whole", "stream"])
def test_an_error_of_a_receiver_of_finished_is_passed_on_after_all_others_were_called(
    app: Webframe, serve: Any, heard: Any, code: Any, receiver_kind: str, body: str
) -> None:
    def fail(**kwargs: Any) -> None:
        heard("fails")
        raise LookupError("not today")

    async def afail(**kwargs: Any) -> None:
        fail()

    options = {"inline": True} if receiver_kind == "inline" else {}
    heard.connect(request_finished, afail if receiver_kind == "async" else fail, priority=10, **options)
    heard.connect(request_finished, lambda **kwargs: heard("last"))

    def view(request: Request) -> Any:
        request.on_close(heard, "closer")
        return "ok" if body == "whole" else StreamingResponse(iter_of("a"))

    app.get("/")(code(view))
    with pytest.raises(LookupError, match="not today"):
        serve(app)
    assert heard.counts == GOES_WELL
    assert heard.events.count("last") == heard.events.count("closer") == heard.events.count("fails") == 1
    assert current_request.get() is None


def test_a_failed_receiver_of_finished_does_not_spoil_the_next_request(
    app: Webframe, serve: Any, heard: Any, code: Any, ok: Any
) -> None:
    failures = [LookupError("only once")]

    def fail(**kwargs: Any) -> None:
        if failures:
            raise failures.pop()

    heard.connect(request_finished, fail)
    app.get("/")(code(ok))
    with pytest.raises(LookupError):
        serve(app)
    assert serve(app).status == 200
    assert heard.counts == (2, 0, 2)


@pytest.mark.parametrize("receiver_kind", ["plain", "async"])
def test_an_error_of_a_receiver_of_got_request_exception_does_not_keep_the_client_from_its_page(
    app: Webframe, client: Client, heard: Any, code: Any, receiver_kind: str
) -> None:
    def fail(**kwargs: Any) -> None:
        raise LookupError("not today")

    async def afail(**kwargs: Any) -> None:
        fail()

    heard.connect(got_request_exception, afail if receiver_kind == "async" else fail)
    app.get("/")(code(raises(ValueError("oh"))))
    response = client.get("/")
    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert heard.counts == FAILS


# -- receivers of other kinds, and where they run


def test_async_receivers_are_awaited(app: Webframe, client: Client, heard: Any, code: Any, ok: Any) -> None:
    for name, signal in (
        ("astarted", request_started),
        ("aexception", got_request_exception),
        ("afinished", request_finished),
    ):

        async def receiver(name: str = name, **kwargs: Any) -> None:
            await asyncio.sleep(0)
            heard(name)

        heard.connect(signal, receiver)
    app.get("/")(code(ok))
    app.get("/failing")(code(raises(ValueError("oh"))))
    client.get("/")
    assert heard.events == ["started", "astarted", "finished", "afinished"]
    heard.events.clear()
    client.get("/failing")
    assert heard.events == ["started", "astarted", "exception", "aexception", "finished", "afinished"]


def test_under_asgi_plain_receivers_share_one_worker_with_the_view_and_never_run_on_the_loop(
    app: Webframe, asgi: Any, heard: Any, code: Any, stream: Any
) -> None:
    threads: dict[str, str] = {}

    def view(request: Request) -> Response:
        threads["view"] = threading.current_thread().name
        return StreamingResponse(stream(lambda: iter_of("a", "b"))())

    app.get("/")(code(view))
    app.get("/failing")(code(raises(ValueError("oh"))))

    async def main() -> None:
        threads["loop"] = threading.current_thread().name
        await asgi(app).run()
        await asgi(app, "/failing").run()

    asyncio.run(main())
    first, second = zip(heard.calls["started"], heard.calls["finished"], strict=True)
    assert first[0].thread == first[1].thread != threads["loop"]
    assert second[0].thread == second[1].thread == heard.only("exception").thread != threads["loop"]
    if app.routes()[0].endpoint.is_plain:
        assert threads["view"] == first[0].thread


def test_under_asgi_requests_at_the_same_time_have_workers_of_their_own(
    app: Webframe, asgi: Any, heard: Any, code: Any
) -> None:
    both_there = threading.Barrier(2, timeout=5)

    def meet(**kwargs: Any) -> None:
        both_there.wait()

    heard.connect(request_started, meet)
    app.get("/")(code(lambda request: "ok"))

    async def main() -> None:
        await asyncio.gather(asgi(app).run(), asgi(app).run())

    asyncio.run(main())
    assert len({call.thread for call in heard.calls["started"]}) == 2
    assert {call.thread for call in heard.calls["started"]} == {call.thread for call in heard.calls["finished"]}


def test_under_asgi_inline_receivers_run_on_the_loop(app: Webframe, asgi: Any, heard: Any, ok: Any) -> None:
    threads: list[str] = []

    def note(**kwargs: Any) -> None:
        threads.append(threading.current_thread().name)

    heard.connect(request_finished, note, inline=True)
    heard.connect(request_started, note, inline=True)

    async def view(request: Request) -> str:
        return "ok"

    app.get("/")(view)

    async def main() -> None:
        await asgi(app).run()

    asyncio.run(main())
    assert threads == [threading.current_thread().name] * 2


def test_under_wsgi_everything_of_a_plain_request_runs_in_the_servers_thread(
    app: Webframe, wsgi: Any, heard: Any, ok: Any
) -> None:
    app.get("/")(ok)
    exchange = wsgi(app)
    exchange.body()
    exchange.close()
    here = threading.current_thread().name
    assert heard.only("started").thread == heard.only("finished").thread == here


def test_receivers_may_be_muted_and_connected_for_the_requests_of_one_test(
    app: Webframe, client: Client, heard: Any, code: Any, ok: Any
) -> None:
    seen: list[str] = []
    app.get("/")(code(ok))
    with request_started.connected_to(lambda **kwargs: seen.append("started")), request_finished.muted():
        client.get("/")
    assert seen == ["started"]
    assert heard.counts == (1, 0, 0)
    client.get("/")
    assert seen == ["started"]
    assert heard.counts == (2, 0, 1)


# -- context variables

trail: ContextVar[tuple[str, ...]] = ContextVar("trail", default=())


def leave_mark(mark: str) -> None:
    trail.set((*trail.get(), mark))


@pytest.mark.parametrize("receiver_kind", ["plain", "async", "inline"])
def test_context_variables_set_on_the_way_are_visible_later_in_the_same_request_only(
    app: Webframe, client: Client, heard: Any, code: Any, stream: Any, receiver_kind: str
) -> None:
    at_the_end: list[tuple[str, ...]] = []

    def start(**kwargs: Any) -> None:
        leave_mark("started")

    async def astart(**kwargs: Any) -> None:
        leave_mark("started")

    heard.connect(request_started, astart if receiver_kind == "async" else start, inline=receiver_kind == "inline")

    @app.middleware
    def middleware(request: Request) -> Iterator[Any]:
        leave_mark("middleware")
        yield
        leave_mark("out")

    def body() -> Iterator[str]:
        leave_mark("body")
        yield "x"
        leave_mark("last chunk")

    def view(request: Request) -> Response:
        leave_mark("view")
        request.add_background_task(code(leave_mark), "task")
        request.on_close(code(leave_mark), "closer")
        return StreamingResponse(stream(body)())

    def finish(**kwargs: Any) -> None:
        at_the_end.append(trail.get())

    heard.connect(request_finished, finish, inline=receiver_kind == "inline")
    app.get("/")(code(view))
    for _ in range(2):
        client.get("/")
        assert trail.get() == ()
    everything = ("started", "middleware", "view", "out", "body", "last chunk", "task", "closer")
    assert at_the_end == [everything, everything]


def test_context_variables_of_the_caller_are_visible(app: Webframe, client: Client, code: Any) -> None:
    token = trail.set(("caller",))
    try:
        app.get("/")(code(lambda request: list(trail.get())))
        assert client.get("/").json() == ["caller"]
    finally:
        trail.reset(token)


def test_the_current_request_is_known_wherever_its_code_runs_and_nowhere_else(
    app: Webframe, client: Client, heard: Any, code: Any, stream: Any
) -> None:
    seen: dict[str, Any] = {}

    def look(place: str, **kwargs: Any) -> None:
        seen[place] = current_request.get()

    heard.connect(request_started, lambda **kwargs: look("started"))
    heard.connect(request_finished, lambda **kwargs: look("finished"))

    async def astarted(**kwargs: Any) -> None:
        look("async started")

    async def afinished(**kwargs: Any) -> None:
        look("async finished")

    heard.connect(request_started, astarted)
    heard.connect(request_finished, afinished)

    @app.middleware
    def middleware(request: Request) -> Iterator[Any]:
        look("middleware")
        yield
        look("middleware again")

    def body() -> Iterator[str]:
        look("body")
        yield "x"
        look("last chunk")

    def view(request: Request) -> Response:
        look("view")
        seen["request"] = request
        request.add_background_task(code(look), "task")
        request.on_close(code(look), "closer")
        return StreamingResponse(stream(body)())

    app.get("/")(code(view))
    client.get("/")
    request = seen.pop("request")
    assert len(seen) == 11
    assert [place for place in seen if seen[place] is not request] == []
    assert current_request.get() is None


def test_the_current_request_is_none_after_a_request_in_the_servers_own_task(
    app: Webframe, serve: Any, asgi: Any, code: Any
) -> None:
    app.get("/")(code(lambda request: "ok"))
    app.get("/failing")(code(raises(ValueError("oh"))))
    serve(app)
    serve(app, "/failing")
    assert current_request.get() is None

    async def main() -> None:
        for path in ("/", "/failing", "/nowhere"):
            await asgi(app, path).run()
            assert current_request.get() is None

    asyncio.run(main())


def test_requests_at_the_same_time_do_not_see_each_other(app: Webframe, asgi: Any, code: Any) -> None:
    def view(request: Request, name: str) -> str:
        leave_mark(name)
        return ",".join(trail.get()) + current_request.get().path

    app.get("/<name>")(code(view))

    async def main() -> None:
        exchanges = [asgi(app, f"/{number}") for number in range(20)]
        await asyncio.gather(*(exchange.run() for exchange in exchanges))
        assert [exchange.body.decode() for exchange in exchanges] == [f"{number}/{number}" for number in range(20)]

    asyncio.run(main())


def test_an_async_body_of_a_plain_view_runs_on_both_protocols(app: Webframe, client: Client, heard: Any) -> None:
    async def body() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        heard("body")
        yield "x"

    app.get("/")(lambda request: StreamingResponse(body()))
    assert client.get("/").text == "x"
    assert heard.events == ["started", "body", "finished"]

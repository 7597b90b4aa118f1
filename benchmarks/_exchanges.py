"""The requests that every framework is asked and the answers all of them have to give.

An `Exchange` is one request with its right answer, independent of the protocol; `wsgi` and `asgi` make of it what a
server would hand to an application and what a server would do with the answer. Everything that can be built before
the clock runs is built before; what a server builds anew for each request (the environ, the scope, the body) is
copied for each request, for the baseline too.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from _harness import Batch

GREETING = "Hello, World!"
DOCUMENT = {"id": 42, "message": "Hello, World!", "done": False, "tags": ["red", "green", "blue"], "price": 9.5}
PIECE = b"0123456789" * 10
PIECES = 100
FORM_ANSWER = "Wood street 9"
ORDER = {
    "customer": "Ada Lovelace",
    "paid": True,
    "items": [{"id": 1000 + i, "name": f"Pizza number {i}", "size": 30, "price": 8.5 + i / 4} for i in range(15)],
}
ORDER_ANSWER = "Ada Lovelace: 15"

JSON_BODY = json.dumps(ORDER).encode()
FORM_BODY = (
    b"name=Ada+Lovelace&email=ada%40example.org&street=Wood+street+9&town=London&postcode=EC2V+7AN&phone=%2B44+20+7946"
    b"+0000&remark=Please+ring+twice%2C+the+bell+is+old+and+the+dog+is+deaf.&newsletter=yes"
)


class Burnt(Exception):
    """What the failing view raises; some applications have a handler for it."""


@dataclass(frozen=True)
class Exchange:
    """A request and what is compared of the answer: always the status, and the body unless `body` is None."""

    path: str
    body: object = GREETING  # text, or data that the answer holds as JSON; None: any page of the framework's own
    media_type: str = "text/html"
    status: int = 200
    method: str = "GET"
    query: str = ""
    payload: bytes = b""
    payload_type: str = ""


PLAINTEXT = Exchange("/")
PLAINTEXT_SYNC = Exchange("/blocking")
JSON = Exchange("/json", body=DOCUMENT, media_type="application/json")
READ = Exchange("/read", body="margherita s3cr3t-t0k3n 9f8e7d6c5b4a", query="page=3&search=margherita&sort=price%20asc")
JSON_POST = Exchange(
    "/order", body=ORDER_ANSWER, method="POST", payload=JSON_BODY, payload_type="application/json"
)  # fmt: skip
FORM_POST = Exchange(
    "/form", body=FORM_ANSWER, method="POST", payload=FORM_BODY, payload_type="application/x-www-form-urlencoded"
)
STREAM = Exchange("/stream", body=(PIECE * PIECES).decode())
NOT_FOUND = Exchange("/no/such/page", body=None, status=404)
ERROR = Exchange("/error", body=None, status=500)
NOT_FOUND_PAGE = replace(NOT_FOUND, body="There is no such page.")
ERROR_PAGE = replace(ERROR, body="The oven is too hot.")


def route(count: int) -> Exchange:
    """The request for the middle one of `count` routes with one parameter: what a linear search meets on average."""
    return Exchange(f"/section{count // 2}/12345", body="12345")


def static(count: int) -> Exchange:
    """The request for the middle one of `count` routes without parameters."""
    return Exchange(f"/page{count // 2}")


HEADERS = {
    "Host": "127.0.0.1:8000",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Connection": "keep-alive",
    "X-Token": "s3cr3t-t0k3n",
    "Cookie": "theme=dark; session=9f8e7d6c5b4a; language=en",
}


# --- WSGI ---------------------------------------------------------------------------------------------------------

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Silence:
    """A `wsgi.errors` that keeps nothing."""

    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


def environ_of(exchange: Exchange) -> dict[str, Any]:
    """What gunicorn would hand to the application."""
    environ: dict[str, Any] = {
        "wsgi.errors": Silence(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(exchange.payload),
        "SERVER_SOFTWARE": "gunicorn/23.0.0",
        "REQUEST_METHOD": exchange.method,
        "QUERY_STRING": exchange.query,
        "RAW_URI": exchange.path + ("?" + exchange.query if exchange.query else ""),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "54321",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "PATH_INFO": exchange.path,
        "SCRIPT_NAME": "",
    }
    environ.update({"HTTP_" + name.upper().replace("-", "_"): value for name, value in HEADERS.items()})
    if exchange.payload:
        environ["CONTENT_TYPE"] = exchange.payload_type
        environ["CONTENT_LENGTH"] = str(len(exchange.payload))
    return environ


def wsgi(app: WSGIApp, exchange: Exchange) -> Batch:
    """A contender that serves the exchange as a WSGI server would; its answer has been compared."""
    environ, payload = environ_of(exchange), exchange.payload
    for _ in range(3):
        _compare(exchange, *_collect_wsgi(app, {**environ, "wsgi.input": BytesIO(payload)}))

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        return _write

    def batch(times: int) -> None:
        for _ in range(times):
            fresh = environ.copy()
            if payload:
                fresh["wsgi.input"] = BytesIO(payload)
            body = app(fresh, start_response)
            for _chunk in body:
                pass
            if hasattr(body, "close"):
                body.close()

    return batch


def _write(data: bytes) -> None:
    raise RuntimeError("No application here uses the write callable.")


def _collect_wsgi(app: WSGIApp, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started[:] = [status, headers]
        return _write

    chunks = app(environ, start_response)
    content = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    status, headers = started
    return int(status.split()[0]), {name.lower(): value for name, value in headers}, content


# --- ASGI ---------------------------------------------------------------------------------------------------------

ASGIApp = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def scope_of(exchange: Exchange) -> dict[str, Any]:
    """What uvicorn would hand to the application."""
    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    if exchange.payload:
        headers.append((b"content-type", exchange.payload_type.encode()))
        headers.append((b"content-length", str(len(exchange.payload)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 54321),
        "scheme": "http",
        "root_path": "",
        "headers": headers,
        "state": {},
        "method": exchange.method,
        "path": exchange.path,
        "raw_path": exchange.path.encode(),
        "query_string": exchange.query.encode(),
    }


class Conductor:
    """One event loop and one task on it that lives as long as the benchmark, as a server's connection does.

    A task a batch would not do: worker threads of anyio end with the task that began them.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        # What the task is to do next, and how often.
        self._work: tuple[Callable[[int], Awaitable[None]], int] | None = None
        self._wake = asyncio.Event()
        self._failure: BaseException | None = None
        self._task = self.loop.create_task(self._conduct())

    def run(self, work: Callable[[int], Awaitable[None]], times: int) -> None:
        """Let the task do this work and return when it is done."""
        self._work = work, times
        self._wake.set()
        self.loop.run_forever()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """End the task, and with it the threads that others keep for it."""
        self._task.cancel()
        self.loop.run_until_complete(asyncio.gather(self._task, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    async def _conduct(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            assert self._work is not None
            work, times = self._work
            try:
                await work(times)
            except BaseException as error:
                self._failure = error
            finally:
                self.loop.stop()


def asgi(app: ASGIApp, exchange: Exchange, conductor: Conductor) -> Batch:
    """A contender that serves the exchange as an ASGI server would; its answer has been compared."""
    scope = scope_of(exchange)
    message = {"type": "http.request", "body": exchange.payload, "more_body": False}

    async def check(times: int) -> None:
        for _ in range(times):
            _compare(exchange, *await _collect_asgi(app, scope.copy(), message))

    async def send(message: Mapping[str, Any]) -> None:
        pass

    async def serve(times: int) -> None:
        for _ in range(times):
            try:
                await app(scope.copy(), receiver(message), send)
            except Burnt:
                # Starlette answers and then hands the error on, for the server to log.
                pass

    def batch(times: int) -> None:
        conductor.run(serve, times)

    conductor.run(check, 3)
    return batch


def receiver(message: Mapping[str, Any]) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    """A `receive` that gives the body once and then waits for a client who never goes away."""
    given = False

    async def receive() -> Mapping[str, Any]:
        nonlocal given
        if given:
            await asyncio.get_running_loop().create_future()
        given = True
        return message

    return receive


async def _collect_asgi(
    app: ASGIApp, scope: dict[str, Any], message: Mapping[str, Any]
) -> tuple[int, dict[str, str], bytes]:
    messages: list[Any] = []

    async def send(message: Mapping[str, Any]) -> None:
        messages.append(message)

    try:
        await app(scope, receiver(message), send)
    except Burnt:
        pass
    start, *rest = messages
    headers = {name.decode().lower(): value.decode() for name, value in start.get("headers", [])}
    if rest[-1].get("more_body"):
        raise AssertionError("The last message says that there is more to come.")
    return start["status"], headers, b"".join(part.get("body", b"") for part in rest)


# --- comparing ----------------------------------------------------------------------------------------------------


def _compare(exchange: Exchange, status: int, headers: Mapping[str, str], content: bytes) -> None:
    """Raise AssertionError unless this is the right answer: nobody is fast by answering something else."""
    faults = []
    if status != exchange.status:
        faults.append(f"status {status} instead of {exchange.status}")
    if int(headers.get("content-length", len(content))) != len(content):
        faults.append(f"Content-Length {headers['content-length']} for a body of {len(content)} bytes")
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    if exchange.body is not None:
        if media_type != exchange.media_type:
            faults.append(f"media type {media_type!r} instead of {exchange.media_type!r}")
        if media_type == "text/html" and parameters.strip().lower() != "charset=utf-8":
            faults.append(f"Content-Type {headers['content-type']!r} without charset=utf-8")
        found = json.loads(content) if media_type == "application/json" else content.decode()
        if found != exchange.body:
            faults.append(f"body {content[:200]!r}")
    elif not media_type:
        faults.append("a page without Content-Type")
    if faults:
        raise AssertionError(f"{exchange.method} {exchange.path}: " + "; ".join(faults))


def peers(protocol: str, names: Iterable[str]) -> dict[str, Any]:
    """The modules of the frameworks that can be imported, by name; the others are named on standard error.

    Logging is off for all of them: an error costs what the framework makes of it, not what a terminal does.
    """
    logging.disable(logging.CRITICAL)
    found = {}
    for name in names:
        try:
            found[name] = importlib.import_module(f"peers.{protocol}_{name}")
        except ImportError as error:
            print(f"{name} does not take part: {error}", file=sys.stderr)
    return found

"""The app that every server serves in these tests.

What happens to its requests is written to the file named by SERVED_EVENTS: one
line of JSON for each event, with the token that the client put into the query
string, so that a test finds the events of its own request. Lines are appended
in single writes, so that threads and processes do not disturb each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from webframe import FileResponse, Webframe
from webframe.core.handlers.websocket import WebSocket
from webframe.core.signals import (
    got_request_exception,
    request_finished,
    request_started,
    websocket_finished,
    websocket_started,
)
from webframe.dispatch import receiver
from webframe.http.request import Request, current_request

app = Webframe(__name__)

# Bytes a limited upload may have, and bytes of a chunk of the endless streams.
LIMIT = 1000
CHUNK = b"x" * 16 * 1024

# Seconds between two chunks of an endless stream.
PACE = 0.005


# -- events


def record(event: str, token: str | None = None, **details: Any) -> None:
    """Write down that something has happened to the current request."""
    if token is None:
        request = current_request.get()
        token = token_in(request.query_string.decode("latin-1")) if request is not None else ""
    line = json.dumps({"event": event, "token": token, "process": os.getpid(), **details}) + "\n"
    file = os.open(os.environ["SERVED_EVENTS"], os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def token_in(query_string: str) -> str:
    match = re.search(r"token=(\w+)", query_string)
    return match[1] if match is not None else ""


@receiver(request_started)
def count_started(sender: type, environ: Any, **kwargs: Any) -> None:
    record("request_started", token_in(environ["QUERY_STRING"]), sender=sender.__name__, scope="scope" in kwargs)


@receiver(request_finished)
def count_finished(sender: type, **kwargs: Any) -> None:
    record("request_finished", sender=sender.__name__)


@receiver(got_request_exception)
def count_exception(sender: None, request: Request, **kwargs: Any) -> None:
    record("got_request_exception", token_in(request.query_string.decode("latin-1")))


@receiver(websocket_started)
def count_websocket_started(sender: type, scope: Any, **kwargs: Any) -> None:
    record("websocket_started", token_in(scope["query_string"].decode()), sender=sender.__name__)


@receiver(websocket_finished)
def count_websocket_finished(sender: type, **kwargs: Any) -> None:
    record("websocket_finished", sender=sender.__name__)


# -- start-up and shutdown: plain, or async if SERVED_LIFESPAN says so


if os.environ.get("SERVED_LIFESPAN") == "async":

    @app.lifespan
    async def live() -> AsyncIterator[None]:
        await asyncio.sleep(0)
        record("startup", "", kind="async")
        yield
        await asyncio.sleep(0)
        record("shutdown", "", kind="async")

else:

    @app.on_startup
    def start() -> None:
        record("startup", "", kind="plain")

    @app.on_shutdown
    def stop() -> None:
        record("shutdown", "", kind="plain")


# -- answers known as a whole


@app.get("/plain")
def plain(request: Request) -> str:
    return "plain"


@app.get("/async")
async def asynchronous(request: Request) -> str:
    await asyncio.sleep(0)
    return "async"


@app.get("/json")
def plain_json(request: Request) -> dict[str, Any]:
    return {"protocol": "wsgi" if request.scope is None else "asgi"}


@app.get("/async/json")
async def async_json(request: Request) -> dict[str, Any]:
    return {"protocol": "wsgi" if request.scope is None else "asgi"}


@app.get("/empty")
def empty(request: Request) -> tuple[str, int]:
    return "", 204


@app.get("/async/empty")
async def async_empty(request: Request) -> tuple[str, int]:
    return "", 204


@app.get("/failing")
def failing(request: Request) -> str:
    raise RuntimeError("on purpose")


@app.get("/async/failing")
async def async_failing(request: Request) -> str:
    raise RuntimeError("on purpose")


@app.get("/async/cancelled")
async def awaits_what_is_cancelled(request: Request) -> str:
    job = asyncio.create_task(asyncio.sleep(10))
    job.cancel()
    await job
    return "never"


@app.get("/background")
def background(request: Request) -> str:
    request.add_background_task(record, "background")
    request.on_close(record, "closed")
    return "there is more to do"


@app.get("/async/background")
async def async_background(request: Request) -> str:
    async def work() -> None:
        await asyncio.sleep(0)
        record("background")

    async def close() -> None:
        record("closed")

    request.add_background_task(work)
    request.on_close(close)
    return "there is more to do"


@app.get("/where/<name>", name="where")
def where(request: Request, name: str) -> dict[str, Any]:
    return {
        "path": request.path,
        "root_path": request.root_path,
        "name": name,
        "url": request.url,
        "args": request.args.to_dict(),
        "url_for": request.url_for("where", name=name),
    }


@app.get("/async/where/<name>")
async def async_where(request: Request, name: str) -> dict[str, Any]:
    return where(request, name)


# -- views that take their time


@app.get("/slow")
def slow(request: Request) -> str:
    record("view_began")
    time.sleep(float(request.args["seconds"]))
    record("view_ended")
    return "slow"


@app.get("/async/slow")
async def async_slow(request: Request) -> str:
    record("view_began")
    try:
        await asyncio.sleep(float(request.args["seconds"]))
    except asyncio.CancelledError:
        record("view_cancelled")
        raise
    record("view_ended")
    return "slow"


# -- streams


@app.get("/stream")
def stream(request: Request) -> Iterator[str]:
    try:
        for number in range(int(request.args["chunks"])):
            yield f"{number}\n"
        record("last_chunk")
    finally:
        record("body_closed")


@app.get("/async/stream")
async def async_stream(request: Request) -> AsyncIterator[str]:
    try:
        for number in range(int(request.args["chunks"])):
            yield f"{number}\n"
            await asyncio.sleep(0)
        record("last_chunk")
    finally:
        record("body_closed")


@app.get("/stream/failing")
def failing_stream(request: Request) -> Iterator[str]:
    yield "one\n"
    yield "two\n"
    record("failing")
    raise RuntimeError("on purpose, in the middle")


@app.get("/async/stream/failing")
async def async_failing_stream(request: Request) -> AsyncIterator[str]:
    yield "one\n"
    yield "two\n"
    record("failing")
    raise RuntimeError("on purpose, in the middle")


@app.get("/endless")
def endless(request: Request) -> Iterator[bytes]:
    """As many chunks as the query asks for, or chunks without end."""
    remaining = int(request.args.get("chunks", -1))
    try:
        while remaining:
            yield CHUNK
            remaining -= 1
            time.sleep(PACE)
    finally:
        record("body_closed")


@app.get("/async/endless")
async def async_endless(request: Request) -> AsyncIterator[bytes]:
    remaining = int(request.args.get("chunks", -1))
    try:
        while remaining:
            yield CHUNK
            remaining -= 1
            await asyncio.sleep(PACE)
    finally:
        record("body_closed")


@app.get("/async/endless/silent")
async def async_silent(request: Request) -> AsyncIterator[bytes]:
    """One chunk, then nothing for a long time: nobody notices by sending that the client has gone."""
    try:
        yield CHUNK
        await asyncio.sleep(float(request.args["seconds"]))
    finally:
        record("body_closed")


# -- files


@app.get("/file")
def file(request: Request) -> FileResponse:
    """Ten megabytes."""
    return FileResponse(large_file())


@app.get("/async/file")
async def async_file(request: Request) -> FileResponse:
    return FileResponse(large_file())


def large_file() -> Path:
    path = Path(os.environ["SERVED_EVENTS"]).with_name("large.bin")
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(bytes(range(256)) * 40_000)
        part.replace(path)
    return path


# -- uploads


def digest(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@app.post("/upload")
def upload(request: Request) -> dict[str, Any]:
    return digest(request.data)


@app.post("/async/upload")
async def async_upload(request: Request) -> dict[str, Any]:
    return digest(request.data)


@app.post("/upload/streamed", stream=True)
def streamed_upload(request: Request) -> dict[str, Any]:
    chunks = []
    while chunk := request.stream.read(64 * 1024):
        chunks.append(chunk)
    return digest(b"".join(chunks))


@app.post("/async/upload/streamed", stream=True)
async def async_streamed_upload(request: Request) -> dict[str, Any]:
    stream: Any = request.stream
    return digest(b"".join([chunk async for chunk in stream]))


@app.post("/upload/form")
def form_upload(request: Request) -> dict[str, Any]:
    return {"title": request.form["title"], **digest(request.files["file"].read())}


@app.post("/async/upload/form")
async def async_form_upload(request: Request) -> dict[str, Any]:
    return form_upload(request)


@app.post("/upload/limited", max_content_length=LIMIT)
def limited_upload(request: Request) -> dict[str, Any]:
    return digest(request.data)


@app.post("/async/upload/limited", max_content_length=LIMIT)
async def async_limited_upload(request: Request) -> dict[str, Any]:
    return digest(request.data)


# -- WebSockets


@app.websocket("/echo/<name>")
async def echo(websocket: WebSocket, name: str) -> None:
    await websocket.send(f"hello {name}")
    async for message in websocket:
        await websocket.send(message)
    record("conversation_ended")


@app.websocket("/echo/failing")
async def failing_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError("on purpose")


@app.websocket("/flood")
async def flood(websocket: WebSocket) -> None:
    """Sends, as fast as it can, and never receives."""
    try:
        while True:
            await websocket.send("x" * 100_000)
    finally:
        record("conversation_ended")


@app.websocket("/ticker")
async def ticker(websocket: WebSocket) -> None:
    """Sends now and then, and never receives."""
    try:
        while True:
            await websocket.send("tick")
            await asyncio.sleep(0.02)
    finally:
        record("conversation_ended")

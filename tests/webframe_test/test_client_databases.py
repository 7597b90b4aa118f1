"""Clients within the transaction of a test: uploads, streams, start-up and WebSockets take part in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .separate import Project, passed

pytest_plugins = "pytester"

APP = """
from webframe import Webframe
from webframe.db import models

app = Webframe(__name__)


class Note(models.Model):
    text = models.CharField(max_length=50)


@app.lifespan
def life():
    Note.objects.create(text="start-up")
    yield
    assert Note.objects.exists()


@app.post("/plain", stream=True)
def plain(request):
    Note.objects.create(text=request.stream.read().decode())
    return [note.text for note in Note.objects.order_by("pk")]


@app.post("/async", stream=True)
async def asynchronous(request):
    await Note.objects.acreate(text=(await request.stream.aread()).decode())
    return [note.text async for note in Note.objects.order_by("pk")]


@app.get("/stream")
def stream(request):
    return (f"{note.text}\\n" for note in Note.objects.order_by("pk").iterator())


@app.websocket("/socket")
async def socket(websocket):
    async for message in websocket:
        await Note.objects.acreate(text=message)
        await websocket.send(str(await Note.objects.acount()))
"""

TESTS = """
import httpx
import pytest
from app import Note


def test_with_a_plain_client(db, client):
    Note.objects.create(text="test")

    def upload():
        yield str(Note.objects.count()).encode()

    assert client.post("/plain", content=upload()).json() == ["start-up", "test", "2"]
    assert client.post("/async", content=upload()).json() == ["start-up", "test", "2", "3"]
    with client.stream("GET", "/stream") as response:
        lines = response.iter_lines()
        assert next(lines) == "start-up"
        assert Note.objects.count() == 4
        assert list(lines) == ["test", "2", "3"]
    if client.protocol == "asgi":
        with client.websocket_connect("/socket") as websocket:
            websocket.send_text("hello")
            assert websocket.receive() == "5"
        assert Note.objects.count() == 5


async def test_with_an_async_client(db, async_client):
    await Note.objects.acreate(text="test")

    async def upload():
        yield str(await Note.objects.acount()).encode()

    assert (await async_client.post("/async", content=upload())).json() == ["start-up", "test", "2"]
    assert (await async_client.post("/plain", content=upload())).json() == ["start-up", "test", "2", "3"]
    async with async_client.websocket_connect("/socket") as websocket:
        await websocket.send_text("hello")
        assert await websocket.receive() == "5"
    async with async_client.stream("GET", "/stream") as response:
        assert [line async for line in response.aiter_lines()] == ["start-up", "test", "2", "3", "hello"]
    assert await Note.objects.acount() == 5


def test_nothing_is_left(db):
    assert not Note.objects.exists()


@pytest.mark.parametrize("live_server", ["wsgi", "asgi"], indirect=True)
def test_with_a_real_server(live_server):
    Note.objects.create(text="test")
    texts = ["start-up", "test"]
    for path in "/plain", "/async":
        texts.append(path)
        assert httpx.post(live_server + path, content=path, trust_env=False).json() == texts
"""


@pytest.mark.timeout(200)
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mysql"])
def test_all_of_a_client_is_in_the_transaction_of_the_test(
    vendor: str, pytester: pytest.Pytester, database_server: Callable[[str], Any]
) -> None:
    project = Project(pytester, str(database_server(vendor).create_database("clients")))
    project.write(app=APP, test_it=TESTS)
    passed(project.run(), passed=6)

"""Persistence under the web: views that save, however their requests end, and what async views may not do."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from webframe import StreamingResponse
from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import connection, connections, models, transaction
from webframe.db.models.signals import post_save
from webframe.workers import run

from .registries import models_of_a_test

registry = models_of_a_test("web")


class Cook(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "web"
        apps = registry


class Visit(models.Model):
    path = models.CharField(max_length=50)
    cook = models.ForeignKey(Cook, models.CASCADE, null=True, related_name="visits")
    helpers = models.ManyToManyField(Cook, related_name="helped")

    class Meta:
        app_label = "web"
        apps = registry


@pytest.fixture(autouse=True)
def visits(engine, tables):
    tables(registry)


@pytest.fixture
def served(app):
    """An app whose views save a visit and then end in every way."""

    @app.get("/plain")
    def plain(request):
        Visit.objects.create(path="plain")
        return str(Visit.objects.filter(path="plain").count())

    @app.get("/async")
    async def asynchronous(request):
        await run(Visit.objects.create, path="async")
        return "saved"

    @app.get("/error")
    def error(request):
        Visit.objects.create(path="error")
        raise ZeroDivisionError

    @app.get("/rollback")
    def rollback(request):
        with transaction.atomic():
            Visit.objects.create(path="rollback")
            raise ZeroDivisionError

    @app.get("/broken")
    def broken(request):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    @app.get("/stream")
    def stream(request):
        Visit.objects.create(path="stream")
        return StreamingResponse(str(visit.pk) for visit in Visit.objects.iterator(chunk_size=1))

    @app.get("/slow")
    def slow(request):
        with transaction.atomic():
            Visit.objects.create(path="slow")
            time.sleep(0.005)
        return "saved"

    @app.get("/waiting")
    async def waiting(request):
        await run(Visit.objects.create, path="waiting")
        await asyncio.sleep(0.005)
        await run(Visit.objects.create, path="waited")
        return "saved"

    return app


def assert_nothing_is_left(engine):
    connections.release()
    assert connection.pool.checkedout() == 0
    if engine.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            states = [state for (state,) in cursor.fetchall()]
        assert set(states) <= {"idle"}
        assert len(states) <= connection.pool.limit
        connections.release()


def test_after_200_requests_every_connection_has_been_given_back(engine, served, client):
    ways = ("plain", "async", "error", "rollback", "broken", "stream")

    def request(number):
        way = ways[number % len(ways)]
        if number % 12 == 5:  # leave the stream early
            with client.stream("GET", "/stream") as response:
                next(response.iter_bytes(1))
            return 200
        return client.get(f"/{way}").status_code

    client.get("/plain")
    assert_nothing_is_left(engine)
    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(request, range(200)))
    expected = [500 if ways[number % 6] in ("error", "rollback", "broken") else 200 for number in range(200)]
    assert statuses == expected
    assert_nothing_is_left(engine)
    saved = Visit.objects.values("path").annotate(n=models.Count("pk")).values_list("path", "n")
    assert dict(saved) == {"plain": 35, "async": 34, "error": 33, "stream": 33}


def exchange(app, path, leave):
    """One request under ASGI whose client leaves when the event is set; what was sent, and the coroutine."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5000),
        "server": ("localhost", 80),
    }
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    sent = []

    async def receive():
        if messages:
            return messages.pop()
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        await asyncio.sleep(0)

    return sent, app.asgi(scope, receive, send)


@pytest.mark.parametrize("how", ["disconnect", "cancel"])
def test_clients_that_go_and_servers_that_cancel_leave_no_connection_behind(engine, served, how):
    paths = ("/slow", "/waiting", "/stream", "/plain", "/rollback")

    async def visit(number):
        leave = asyncio.Event()
        _, coroutine = exchange(served, paths[number % len(paths)], leave)
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(number % 13 / 1500)
        if how == "disconnect":
            leave.set()
        else:
            task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.done()
        if not task.cancelled():
            task.exception()

    async def main():
        for start in range(0, 200, 10):
            await asyncio.gather(*(visit(number) for number in range(start, start + 10)))

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while connection.pool.checkedout() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert_nothing_is_left(engine)
    assert not Visit.objects.filter(path="rollback").exists()
    # The next request is served as if nothing had happened.
    sent, coroutine = exchange(served, "/plain", asyncio.Event())
    asyncio.run(coroutine)
    assert sent[0]["status"] == 200


def test_a_view_is_heard_by_receivers_after_its_commit(served, client):
    heard = []

    def hear(sender, instance, **kwargs):
        heard.append((instance.path, Visit.objects.filter(pk=instance.pk).exists()))

    post_save.connect(hear, sender=Visit, on_commit=True)
    try:
        for path in ("plain", "slow", "rollback", "async"):
            client.get(f"/{path}")
    finally:
        post_save.disconnect(hear, sender=Visit)
    assert heard == [("plain", True), ("slow", True), ("async", True)]


def blocking():
    return {
        "get": lambda visit: Visit.objects.get(pk=visit.pk),
        "iteration": lambda visit: list(Visit.objects.all()),
        "iterator": lambda visit: next(Visit.objects.iterator()),
        "len": lambda visit: len(Visit.objects.filter(path="x")),
        "bool": lambda visit: bool(Visit.objects.filter(path="x")),
        "index": lambda visit: Visit.objects.order_by("pk")[0],
        "count": lambda visit: Visit.objects.count(),
        "foreign key": lambda visit: visit.cook,
        "reverse": lambda visit: list(Cook(pk=1).visits.all()),
        "many-to-many": lambda visit: visit.helpers.count(),
        "add": lambda visit: visit.helpers.add(1),
        "deferred": lambda visit: visit.path,
        "save": lambda visit: Visit(path="x").save(),
        "delete": lambda visit: visit.delete(),
        "update": lambda visit: Visit.objects.update(path="x"),
        "bulk": lambda visit: Visit.objects.bulk_create([Visit(path="x")]),
        "create": lambda visit: Visit.objects.create(path="x"),
        "refresh": lambda visit: visit.refresh_from_db(),
        "prefetch": lambda visit: models.prefetch_related_objects([visit], "helpers"),
        "raw": lambda visit: list(Visit.objects.raw("SELECT id FROM web_visit")),
        "aggregate": lambda visit: Visit.objects.aggregate(n=models.Count("pk")),
    }


def test_async_views_save_and_ask_as_plain_ones_do(app, client):
    heard = []

    async def announce(sender, instance, **kwargs):
        await asyncio.sleep(0)
        heard.append((instance.path, asyncio.current_task()))

    @app.post("/visits")
    async def create(request):
        visit = await Visit.objects.acreate(path=request.json["path"])
        heard.append(("view", asyncio.current_task()))
        return {"id": visit.pk}, 201

    @app.get("/visits/<int:pk>")
    async def show(request, pk):
        visit = await Visit.objects.select_related("cook").aget_or_404(pk=pk)
        return {"path": visit.path, "cook": visit.cook, "all": [each.path async for each in Visit.objects.all()]}

    with post_save.connected_to(announce, sender=Visit):
        response = client.post("/visits", json={"path": "here"})
    assert response.status_code == 201
    assert client.get(f"/visits/{response.json()['id']}").json() == {"path": "here", "cook": None, "all": ["here"]}
    assert client.get("/visits/0").status_code == 404
    (path, receiving), (_, viewing) = heard
    assert path == "here" and receiving is viewing  # one task


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("what", list(blocking()))
def test_what_would_block_in_an_async_view_is_refused_with_a_way_out(app, client, what):
    visit = Visit.objects.create(path="here", cook=Cook.objects.create(name="ann"))
    visit = Visit.objects.defer("path").get(pk=visit.pk)
    said = []

    @app.get("/")
    async def view(request):
        Visit.objects.filter(path="x").exclude(cook__name="ann").order_by("path")  # asks nothing yet
        try:
            blocking()[what](visit)
        except SynchronousOnlyOperation as error:
            said.append(str(error))
        return "done"

    assert client.get("/").text == "done"
    (text,) = said
    assert "would block the running event loop" in text or "event loop is running" in text
    assert "webframe.workers.run" in text or "await" in text.lower() or "async for" in text
    assert Visit.objects.get().path == "here"


@pytest.mark.engines("sqlite")
def test_an_async_view_may_read_what_is_loaded(app, client):
    visit = Visit.objects.create(path="here", cook=Cook.objects.create(name="ann"))
    visit.helpers.add(visit.cook)

    @app.get("/")
    async def view(request):
        load = Visit.objects.select_related("cook").prefetch_related("helpers").get
        loaded = await run(load, pk=visit.pk)
        return f"{loaded.path} {loaded.cook.name} {[cook.name for cook in loaded.helpers.all()]}"

    assert client.get("/").text == "here ann ['ann']"

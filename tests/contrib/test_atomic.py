"""atomic_requests: one transaction for each request, on both protocols."""

from __future__ import annotations

import pytest

from webframe import Http404, JSONResponse, Webframe
from webframe.contrib.atomic import atomic_requests, non_atomic_requests
from webframe.db import connections, transaction
from webframe.test import override_settings
from webframe.workers import run


@pytest.fixture
def databases(tmp_path):
    """Two files with a table each."""
    urls = {alias: f"sqlite:///{tmp_path}/{alias}.sqlite3" for alias in ("default", "other")}
    with override_settings(DATABASES=urls):
        for alias in urls:
            with connections[alias].cursor() as cursor:
                cursor.execute("CREATE TABLE orders (name TEXT)")
        yield urls
        connections.close_all()


@pytest.fixture
def app(databases):
    app = Webframe("atomic_app")
    app.middleware(atomic_requests)
    return app


def order(name="pizza", alias="default"):
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (%s)", [name])


def ordered(alias="default"):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT name FROM orders")
        return [row[0] for row in cursor.fetchall()]


def test_what_a_view_did_is_committed_with_its_answer(app, client):
    @app.get("/")
    def view(request):
        order()
        return {"open": transaction.is_open()}

    assert client.get("/").json() == {"open": True}
    assert ordered() == ["pizza"]
    assert not transaction.is_open()


def test_an_error_undoes_it(app, client):
    @app.get("/")
    def view(request):
        order()
        raise ZeroDivisionError

    assert client.get("/").status_code == 500
    assert ordered() == []


def test_an_error_that_is_an_answer_undoes_it_too(app, client):
    @app.get("/missing")
    def missing(request):
        order()
        raise Http404("nothing")

    @app.get("/handled")
    def handled(request):
        order()
        raise KeyError("handled")

    app.errorhandler(KeyError)(lambda request, error: "sorry")
    assert client.get("/missing").status_code == 404
    assert client.get("/handled").text == "sorry"
    assert ordered() == []


def test_an_answer_that_is_returned_is_committed_whatever_its_status(app, client):
    @app.get("/")
    def view(request):
        order()
        return JSONResponse({}, 503)

    assert client.get("/").status_code == 503
    assert ordered() == ["pizza"]


def test_it_is_around_the_middleware_further_in(app, client):
    @app.middleware
    def inner(request):
        order("before")
        response = yield
        order("after")
        response.headers["X-Open"] = str(transaction.is_open())

    @app.get("/")
    def view(request):
        raise Http404

    assert client.get("/").headers["X-Open"] == "True"
    assert ordered() == []


def test_async_views_are_in_it_where_they_use_a_worker(app, client):
    @app.get("/")
    async def view(request):
        await run(order)
        return {"open": await run(transaction.is_open)}

    @app.get("/error")
    async def error(request):
        await run(order)
        raise ZeroDivisionError

    assert client.get("/").json() == {"open": True}
    assert client.get("/error").status_code == 500
    assert ordered() == ["pizza"]


def test_hooks_are_called_after_the_commit(app, client):
    seen = []

    @app.get("/")
    def view(request):
        order()
        transaction.on_commit(lambda: seen.append(transaction.is_open()))
        assert seen == []
        return ""

    assert client.get("/").status_code == 200
    assert seen == [False]


def test_a_view_may_do_without(app, client):
    @app.get("/")
    @non_atomic_requests
    def view(request):
        order()
        assert not transaction.is_open()
        raise ZeroDivisionError

    assert client.get("/").status_code == 500
    assert ordered() == ["pizza"]


def test_a_view_may_do_without_in_one_database(app, client):
    with override_settings(DATABASES=with_setting("default", "other")):

        @app.get("/")
        @non_atomic_requests(using="other")
        def view(request):
            order()
            order(alias="other")
            raise ZeroDivisionError

        assert client.get("/").status_code == 500
        assert (ordered(), ordered("other")) == ([], ["pizza"])


def with_setting(*aliases):
    return {alias: {**entry, "ATOMIC_REQUESTS": alias in aliases} for alias, entry in connections.databases.items()}


def test_the_setting_says_which_databases(app, client):
    with override_settings(DATABASES=with_setting("other")):

        @app.get("/")
        def view(request):
            order()
            order(alias="other")
            raise ZeroDivisionError

        assert client.get("/").status_code == 500
        assert (ordered(), ordered("other")) == (["pizza"], [])


def test_a_request_that_asks_nothing_connects_to_nothing(app, client, databases):
    with override_settings(DATABASES={"default": "postgresql://nobody@127.0.0.1:1/nothing"}):

        @app.get("/")
        def view(request):
            return "hello"

        assert client.get("/").text == "hello"


def test_an_app_without_databases_works(app, client):
    with override_settings(DATABASES={}):

        @app.get("/")
        def view(request):
            return "hello"

        assert client.get("/").text == "hello"


def test_requests_one_after_another_do_not_meet(app, client):
    @app.get("/<name>")
    def view(request, name):
        order(name)
        if name == "b":
            raise Http404
        return ""

    assert [client.get(f"/{name}").status_code for name in "abc"] == [200, 404, 200]
    assert ordered() == ["a", "c"]

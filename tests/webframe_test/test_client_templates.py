"""What responses of test clients say about the templates that were rendered for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webframe import Request, Webframe
from webframe.template import arender, astream, render, render_string, stream
from webframe.test import AsyncClient, Client, capture_signals, override_settings
from webframe.test.client import ContextList
from webframe.test.signals import template_rendered


@pytest.fixture(autouse=True)
def templates(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "base.html").write_text("<h1>{% block title %}{% endblock %}</h1>{% include 'foot.html' %}")
    (tmp_path / "note.html").write_text(
        "{% extends 'base.html' %}{% set kind = 'note' %}{% block title %}{{ note }}{% endblock %}"
    )
    (tmp_path / "foot.html").write_text("<i>{{ note }}</i>")
    (tmp_path / "wrong.html").write_text("{{ 1 // nothing }}")
    with override_settings(TEMPLATE_DIRS=[str(tmp_path)]):
        yield


@pytest.fixture
def client(app: Webframe, protocol: str) -> Client:
    return Client(app, protocol=protocol)


ALL = ["note.html", "base.html", "foot.html"]


def names(response: Any) -> list[str | None]:
    return [template.name for template in response.templates]


def test_all_templates_of_a_response_are_known_in_order_with_what_they_were_given(
    app: Webframe, client: Client
) -> None:
    app.get("/plain")(lambda request: render("note.html", note="buy flour"))

    @app.get("/async")
    async def asynchronous(request: Request) -> str:
        return await arender("note.html", note="buy flour")

    for path in "/plain", "/async":
        response = client.get(path)
        assert response.text == "<h1>buy flour</h1><i>buy flour</i>"
        assert names(response) == ALL
        context = response.context
        assert isinstance(context, ContextList) and len(context) == 3
        assert context["note"] == context[2]["note"] == "buy flour"
        assert context[0] == {"note": "buy flour"}  # as it was before; nothing that every template sees
        assert context["kind"] == "note"  # the template that extends another has set it before that one was rendered


def test_streams_tell_of_their_templates_as_they_are_read(app: Webframe, client: Client) -> None:
    @app.get("/plain")
    def plain(request: Request) -> Iterator[str]:
        def pieces() -> Iterator[str]:
            yield "first "
            yield from stream("note.html", note="late")

        return pieces()

    @app.get("/async")
    async def asynchronous(request: Request) -> AsyncIterator[str]:
        async def pieces() -> AsyncIterator[str]:
            yield "first "
            async for piece in astream("note.html", note="late"):
                yield piece

        return pieces()

    for path in "/plain", "/async":
        assert names(client.get(path)) == ALL
        with client.stream("GET", path) as response:
            pieces = response.iter_text()
            assert next(pieces) == "first "
            list(pieces)
            assert names(response) == ALL and response.context is not None


def test_without_a_template_there_is_no_context(app: Webframe, client: Client) -> None:
    app.get("/")(lambda request: "hello")
    response = client.get("/")
    assert response.context is None and response.templates == []


def test_strings_are_templates_without_a_name(app: Webframe, client: Client) -> None:
    app.get("/")(lambda request: render_string("{{ note }}", note="hi"))
    response = client.get("/")
    assert names(response) == [None] and response.context["note"] == "hi"


def test_each_response_of_a_chain_of_redirects_has_its_own(app: Webframe, client: Client) -> None:
    @app.get("/")
    def first(request: Request) -> Any:
        return render_string("{{ number }}", number=1), 302, {"Location": "/second"}

    app.get("/second", name="second")(lambda request: render_string("{{ number }}", number=2))
    response = client.get("/", follow_redirects=True)
    assert response.context["number"] == 2 and response.history[0].context["number"] == 1


def test_error_pages_count_too(app: Webframe, protocol: str) -> None:
    @app.errorhandler(404)
    def missing(request: Request, error: Any) -> Any:
        return render_string("{{ path }} is not here", path=request.path), 404

    assert Client(app, protocol=protocol).get("/nowhere").context["path"] == "/nowhere"


def test_a_template_that_fails_raises_its_error(app: Webframe, client: Client) -> None:
    app.get("/")(lambda request: render("wrong.html", nothing=0))
    with pytest.raises(ZeroDivisionError):
        client.get("/")
    lenient = Client(app, protocol=client.protocol, raise_app_exceptions=False)
    assert names(lenient.get("/")) == ["wrong.html"]


def test_what_the_test_itself_renders_is_no_part_of_a_response(app: Webframe, client: Client) -> None:
    @app.get("/")
    def show(request: Request) -> Iterator[str]:
        return iter(["first ", render("foot.html", note="of the app"), " last"])

    with client.stream("GET", "/") as response:
        for _ in response.iter_text():
            render("note.html", note="of the test")
        assert names(response) == ["foot.html"]


def test_clients_in_threads_do_not_hear_each_other(app: Webframe, protocol: str) -> None:
    barrier = threading.Barrier(6)

    @app.get("/<int:number>")
    def show(request: Request, number: int) -> str:
        barrier.wait(10)
        return "".join(render_string(f"{number}: {{{{ n }}}}", n=n) for n in range(number))

    def ask(number: int) -> None:
        response = Client(app, protocol=protocol).get(f"/{number}")
        seen[number] = [context["n"] for context in response.context]

    seen: dict[int, list[int]] = {}
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == {number: list(range(number)) for number in range(1, 7)}


def test_clients_in_tasks_do_not_hear_each_other(app: Webframe) -> None:
    @app.get("/<int:number>")
    async def show(request: Request, number: int) -> str:
        text = ""
        for n in range(number):
            text += await arender("foot.html", note=(number, n))
            await asyncio.sleep(0)
        return text

    async def ask() -> list[Any]:
        async with AsyncClient(app) as client:
            return await asyncio.gather(*(client.get(f"/{number}") for number in range(1, 9)))

    for number, response in enumerate(asyncio.run(ask()), 1):
        assert [context["note"] for context in response.context] == [(number, n) for n in range(number)]


def test_a_request_within_a_request_has_its_own(app: Webframe, client: Client) -> None:
    inner: list[Any] = []

    @app.get("/inner")
    def show(request: Request) -> str:
        return render_string("{{ place }}", place="inside")

    @app.get("/")
    def outer(request: Request) -> str:
        inner.append(Client(app, protocol=client.protocol).get("/inner"))
        return render_string("{{ place }}", place="outside")

    response = client.get("/")
    assert [context["place"] for context in response.context] == ["outside"]
    assert [context["place"] for context in inner[0].context] == ["inside"]


def test_captured_signals_and_responses_see_the_same(app: Webframe, client: Client) -> None:
    app.get("/")(lambda request: render("note.html", note="hi"))
    with capture_signals(template_rendered) as sent:
        response = client.get("/")
    assert [each.sender for each in sent] == response.templates


def test_nothing_is_reported_when_no_client_asks(app: Webframe, client: Client) -> None:
    app.get("/")(lambda request: render("note.html", note="hi"))
    client.get("/")
    sent: list[Any] = []
    with template_rendered.connected_to(lambda **kwargs: sent.append(kwargs)):
        render("note.html", note="hi")
    assert not sent and not template_rendered.has_listeners()


def test_where_the_test_environment_is_set_up_it_is_the_same(
    app: Webframe, client: Client, in_environment: Callable[[], Any]
) -> None:
    app.get("/")(lambda request: render("note.html", note="hi"))
    assert names(client.get("/")) == ALL


@pytest.fixture
def in_environment() -> Iterator[None]:
    from webframe.test.utils import setup_test_environment, teardown_test_environment

    setup_test_environment()
    yield
    teardown_test_environment()


def test_contexts_are_asked_by_number_and_by_name() -> None:
    contexts = ContextList([{"a": 1}, {"a": 2, "b": 3}])
    assert (contexts["a"], contexts["b"], contexts[1], contexts[-1]["a"], contexts[:1]) == (
        1,
        3,
        {"a": 2, "b": 3},
        2,
        [{"a": 1}],
    )
    assert "b" in contexts and "c" not in contexts and {"a": 1} in contexts
    assert (contexts.get("c"), contexts.get("c", 4), contexts.keys()) == (None, 4, {"a", "b"})
    with pytest.raises(KeyError, match="c"):
        contexts["c"]

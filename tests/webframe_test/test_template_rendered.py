"""The signal template_rendered, and the switch that has it sent."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateSyntaxError

from webframe import Request, Webframe
from webframe.apps import setup
from webframe.template import Template, arender, arender_string, astream, render, render_string, stream
from webframe.test import Client, capture_signals, override_settings
from webframe.test.capture import Captured
from webframe.test.signals import template_rendered
from webframe.test.utils import setup_test_environment, teardown_test_environment


@pytest.fixture
def environment() -> Iterator[None]:
    setup_test_environment()
    yield
    teardown_test_environment()


class Listener:
    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **kwargs: Any) -> None:
        self.calls.append({**kwargs, "context": kwargs["context"].get_all()})


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    with template_rendered.connected_to(listener):
        yield listener


def test_the_sender_is_the_template(environment: None, listener: Listener) -> None:
    hello = Template("Hello {{ name }}")
    hello.render(name="Ada")
    (call,) = listener.calls
    assert call["sender"] is call["template"] is hello
    assert call["context"]["name"] == "Ada"


def test_a_receiver_may_listen_to_one_template(environment: None) -> None:
    one, other, listener = Template("one"), Template("other"), Listener()
    with template_rendered.connected_to(listener, sender=one):
        one.render()
        other.render()
    assert [call["template"] for call in listener.calls] == [one]


def test_async_rendering_is_reported(environment: None, listener: Listener) -> None:
    asyncio.run(arender_string("Hello"))
    assert len(listener.calls) == 1


def test_nothing_is_sent_outside_of_a_test_environment(listener: Listener) -> None:
    render_string("before")
    setup_test_environment()
    teardown_test_environment()
    render_string("after")
    assert listener.calls == []


def test_the_error_of_a_receiver_ends_the_rendering(environment: None) -> None:
    def refuse(**kwargs: Any) -> None:
        raise LookupError("no")

    with template_rendered.connected_to(refuse), pytest.raises(LookupError):
        render_string("Hello")


def test_setting_up_twice_is_an_error(environment: None) -> None:
    with pytest.raises(RuntimeError, match="set up already"):
        setup_test_environment()


def test_tearing_down_what_is_not_set_up_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="not set up"):
        teardown_test_environment()


def test_the_signal_documents_itself() -> None:
    assert template_rendered.name == "template_rendered"
    assert template_rendered.module == "webframe.test.signals"
    assert "before the body of each template" in (template_rendered.__doc__ or "")


# -- captured


FILES = {
    "base.html": "<{% block body %}{% endblock %}>{% include 'foot.html' %}",
    "layout.html": "{% extends 'base.html' %}",
    "page.html": (
        "{% extends 'layout.html' %}{% from 'macros.html' import bold %}"
        "{% block body %}{{ bold(name) }}{% include 'row.html' %}{% include 'row.html' %}{% endblock %}"
    ),
    "row.html": "row",
    "foot.html": "foot",
    "macros.html": "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}not printed",
}
IN_ORDER = ["page.html", "layout.html", "base.html", "row.html", "row.html", "foot.html"]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[None]:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    setup()
    with override_settings(TEMPLATE_DIRS=[tmp_path]):
        yield


def names(sent: Captured) -> list[str | None]:
    return [each.sender.name for each in sent]


def plain_view(request: Request) -> Any:
    return render("page.html", name=request.args["name"])


async def async_view(request: Request) -> Any:
    return await arender("page.html", name=request.args["name"])


def plain_stream(request: Request) -> Any:
    return stream("page.html", name=request.args["name"])


async def async_stream(request: Request) -> Any:
    return astream("page.html", name=request.args["name"])


async def own_stream(request: Request) -> Any:
    async def chunks() -> AsyncIterator[str]:
        async for chunk in astream("page.html", name=request.args["name"]):
            await asyncio.sleep(0)
            yield chunk

    return chunks()


VIEWS = [plain_view, async_view, plain_stream, async_stream, own_stream]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_what_a_view_renders_is_captured_in_order_with_context_on_both_protocols(
    environment: None, files: None, app: Webframe, client_for: Callable[..., Client], view: Any
) -> None:
    app.get("/")(view)
    with capture_signals(template_rendered) as sent:
        assert client_for(app).get("/?name=Ada").text == "<<b>Ada</b>rowrow>foot"
    assert names(sent) == IN_ORDER
    assert all(each.arguments["template"] is each.sender for each in sent)
    assert {each.arguments["context"]["name"] for each in sent} == {"Ada"}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_clients_side_by_side_do_not_hear_of_each_other_s_templates(
    environment: None, files: None, app: Webframe, client_for: Callable[..., Client], view: Any
) -> None:
    app.get("/")(view)
    client = client_for(app)
    client.get("/?name=first")  # whatever is made at the first request is there
    heard: dict[str, set[str]] = {}
    barrier = threading.Barrier(4)

    def ask(name: str) -> None:
        barrier.wait()
        with capture_signals(template_rendered) as sent:
            for _ in range(5):
                client.get("/", params={"name": name})
        assert len(sent) == 5 * len(IN_ORDER)
        heard[name] = {each.arguments["context"]["name"] for each in sent}

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("Ada", "Bob", "Eve", "Ian")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {name: {name} for name in ("Ada", "Bob", "Eve", "Ian")}


def test_tasks_side_by_side_do_not_hear_of_each_other_s_templates(environment: None, files: None) -> None:
    async def ask(name: str) -> set[str]:
        with capture_signals(template_rendered) as sent:
            async for _ in astream("page.html", name=name):
                await asyncio.sleep(0)
            await arender("page.html", name=name)
        assert names(sent) == IN_ORDER * 2
        return {each.arguments["context"]["name"] for each in sent}

    async def main() -> list[set[str]]:
        return await asyncio.gather(ask("Ada"), ask("Bob"))

    assert asyncio.run(main()) == [{"Ada"}, {"Bob"}]


def test_strings_have_no_name_and_what_fails_while_rendering_is_reported_unlike_what_cannot_be_parsed(
    environment: None,
) -> None:
    with capture_signals(template_rendered) as sent:
        render_string("Hello")
        with pytest.raises(ZeroDivisionError):
            render_string("{{ 1 // 0 }}")
        with pytest.raises(TemplateSyntaxError):
            render_string("{% if %}")
        list(Template("generated").generate())
    assert names(sent) == [None, None, None]


def test_the_context_is_the_live_one(environment: None) -> None:
    with capture_signals(template_rendered) as sent:
        render_string("{% set found = name %}", name="Ada")
    context = sent.assert_sent_once().arguments["context"]
    assert (context["found"], context.get_all()["name"]) == ("Ada", "Ada")


def test_capturing_them_is_enough_to_have_templates_report_and_only_then(files: None, listener: Listener) -> None:
    with capture_signals(template_rendered) as sent:
        with capture_signals(template_rendered):
            render("page.html", name="Ada")
        render("row.html")
    assert names(sent) == [*IN_ORDER, "row.html"]
    heard = len(listener.calls)
    render("page.html", name="Ada")
    assert len(listener.calls) == heard


def test_templates_cost_nothing_once_nobody_wants_to_know(environment: None) -> None:
    with capture_signals(template_rendered):
        teardown_test_environment()
        assert "root_render_func" in vars(Template)
    assert "root_render_func" not in vars(Template)
    setup_test_environment()


def test_capturing_other_signals_does_not_load_jinja2() -> None:
    program = (
        "import sys\n"
        "from webframe.core.signals import request_started\n"
        "from webframe.test import capture_signals, mute\n"
        "with capture_signals(request_started), mute(request_started): pass\n"
        "assert not {'jinja2', 'werkzeug', 'httpx', 'sqlalchemy', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

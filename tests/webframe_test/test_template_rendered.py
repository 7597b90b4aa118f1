"""The signal template_rendered, and the switch that has it sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from webframe.template import Template, arender_string, render_string
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

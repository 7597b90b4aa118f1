"""What servers see in an app before they call it, and what they get when they do."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from webframe.core.handlers.protocol import ServedBothWays


class Recorder(ServedBothWays):
    """An app that answers with the protocol it was called by and the arguments it got."""

    def wsgi(self, *args: Any) -> tuple[Any, ...]:
        return "wsgi", *args

    async def asgi(self, *args: Any) -> Any:
        return "asgi", *args


SCOPE = {"type": "http"}
ENVIRON = {"REQUEST_METHOD": "GET"}


async def receive() -> Any:
    """Stands for the callable that an ASGI server gives."""


async def send(message: Any) -> None:
    """Stands for the callable that an ASGI server gives."""


def start_response(status: str, headers: list[tuple[str, str]]) -> None:
    """Stands for the callable that a WSGI server gives."""


@pytest.fixture
def app() -> Recorder:
    return Recorder()


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed")


# -- calling


def test_two_arguments_are_wsgi(app: Recorder) -> None:
    assert app(ENVIRON, start_response) == ("wsgi", ENVIRON, start_response)


def test_three_arguments_are_asgi(app: Recorder) -> None:
    assert asyncio.run(app(SCOPE, receive, send)) == ("asgi", SCOPE, receive, send)


def test_keywords_are_asgi(app: Recorder) -> None:
    assert asyncio.run(app(scope=SCOPE, receive=receive, send=send)) == ("asgi", SCOPE, receive, send)


def test_one_argument_is_the_first_call_of_asgi_2(app: Recorder) -> None:
    assert asyncio.run(app(SCOPE)(receive, send)) == ("asgi", SCOPE, receive, send)


def test_no_arguments_are_a_type_error(app: Recorder) -> None:
    """uvicorn calls what it is given, to see whether it makes an app; only a TypeError says that it is one."""
    with pytest.raises(TypeError):
        app()  # type: ignore[call-arg]


def test_four_arguments_are_a_type_error(app: Recorder) -> None:
    with pytest.raises(TypeError):
        app(SCOPE, receive, send, None)  # type: ignore[call-arg]


def test_what_is_no_environ_is_named(app: Recorder) -> None:
    with pytest.raises(TypeError, match="the first must be a WSGI environ, not 'nothing'"):
        app("nothing", start_response)


def test_granians_own_protocol_is_refused_with_what_to_do(app: Recorder) -> None:
    scope = type("RSGIHTTPScope", (), {"__module__": "granian._granian"})()
    with pytest.raises(TypeError, match="--interface asgi.*--interface wsgi"):
        app(scope, object())


def test_a_wrapped_protocol_is_called_through_the_app(app: Recorder) -> None:
    inner = app.wsgi
    app.wsgi = lambda environ, start_response: ("wrapped", *inner(environ, start_response))  # type: ignore[method-assign]
    assert app(ENVIRON, start_response) == ("wrapped", "wsgi", ENVIRON, start_response)


# -- looking


def test_the_call_of_an_app_looks_like_a_coroutine_function(app: Recorder) -> None:
    """hypercorn and uvicorn from Python 3.14 on ask inspect, Starlette's test client and Sentry too."""
    assert inspect.iscoroutinefunction(app.__call__)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio has left this to inspect")
def test_asyncio_takes_it_for_one_too(app: Recorder) -> None:
    assert asyncio.iscoroutinefunction(app.__call__)


def test_what_looks_like_one_serves_both_protocols_when_called(app: Recorder) -> None:
    call: Callable[..., Any] = app.__call__
    assert call(ENVIRON, start_response) == ("wsgi", ENVIRON, start_response)
    assert asyncio.run(call(SCOPE, receive, send)) == ("asgi", SCOPE, receive, send)
    with pytest.raises(TypeError):
        call()


def test_the_app_itself_is_no_coroutine_function_and_no_class(app: Recorder) -> None:
    assert callable(app)
    assert not inspect.iscoroutinefunction(app)
    assert not inspect.isclass(app)


def test_each_app_answers_for_itself() -> None:
    one, other = Recorder(), Recorder()
    assert one.__call__.__self__ is one
    assert other.__call__.__self__ is other


def test_a_subclass_may_surround_the_call() -> None:
    class Surrounded(Recorder):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return "surrounded", super().__call__(*args, **kwargs)

    app = Surrounded()
    assert app(ENVIRON, start_response) == ("surrounded", ("wsgi", ENVIRON, start_response))
    assert app.__call__(ENVIRON, start_response) == app(ENVIRON, start_response)


# -- what the servers make of it


@needs("uvicorn")
def test_uvicorn_takes_it_for_asgi_3(app: Recorder) -> None:
    from uvicorn import Config

    config = Config(app, log_config=None)
    config.load()
    assert config.interface == "asgi3"


@needs("uvicorn")
def test_uvicorn_does_not_take_it_for_a_factory(app: Recorder) -> None:
    from uvicorn import Config

    config = Config(app, log_config=None, proxy_headers=False)
    config.load()
    assert config.loaded_app is app


@needs("hypercorn")
def test_hypercorn_takes_it_for_asgi(app: Recorder) -> None:
    from hypercorn.utils import is_asgi

    assert is_asgi(app)


@needs("asgiref")
def test_asgiref_and_so_daphne_take_it_for_one_call(app: Recorder) -> None:
    from asgiref.compatibility import guarantee_single_callable, is_double_callable

    assert not is_double_callable(app)
    assert guarantee_single_callable(app) is app


@needs("gunicorn")
def test_gunicorn_finds_it_by_name(app: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    from gunicorn.util import import_app

    module = ModuleType("module_of_an_app")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert import_app("module_of_an_app:app") is app

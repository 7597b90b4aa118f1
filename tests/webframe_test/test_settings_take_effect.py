"""Every setting takes effect when a test overrides it and is as before afterwards, on an app that has served already.

What a setting of databases does on every engine is told in tests/db/test_settings_in_tests.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from webframe import Request, Webframe, render
from webframe.apps import apps
from webframe.conf import defaults
from webframe.core import checks
from webframe.db import connections, router
from webframe.db.fixtures.finding import fixture_dirs
from webframe.db.migrations.modules import migrations_module
from webframe.http.json import JSONProvider
from webframe.template import TemplateNotFound, environment
from webframe.test import Client, override_settings
from webframe.utils import timezone
from webframe.workers import pool

# Read when the app is set up, and never again; the page of settings says so.
AT_SET_UP = {"LOGGING", "LOGGING_CONFIG"}

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Shouting(JSONProvider):
    """Writes everything in capitals."""

    def dumps(self, value: Any, **options: Any) -> str:
        return super().dumps(value, **options).upper()


class Place:
    """An app that has served a request, and how to ask it."""

    def __init__(self, app: Webframe, client_for: Callable[..., Client]) -> None:
        self.app = app
        self.client_for = client_for
        self.client = client_for(app)

        @app.get("/")
        def index(request: Request) -> dict[str, Any]:
            return {"address": request.remote_addr, "id": request.id}

        @app.get("/fail")
        def fail(request: Request) -> None:
            raise ZeroDivisionError("nothing")

        @app.post("/form")
        def form(request: Request) -> dict[str, bool]:
            """For each file, whether it lies on disk."""
            request.form  # noqa: B018  # it is read when it is asked for
            return {name: file.stream._rolled for name, file in request.files.items()}

        @app.post("/json")
        def json(request: Request) -> Any:
            return {"it": request.json}

        assert self.client.get("/").status_code == 200

    def get(self, path: str = "/", **headers: str) -> Any:
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def debug(place: Place) -> bool:
    return "ZeroDivisionError" in place.get("/fail").text


def weak_keys(place: Place) -> list[str]:
    return [str(message.obj) for message in checks.secret_keys_are_strong()]


def host(place: Place) -> int:
    return int(place.get(Host="shop.example").status_code)


def address(place: Place) -> str:
    return str(place.get(X_Forwarded_For="192.0.2.7").json()["address"])


def labels(place: Place) -> bool:
    return apps.is_installed("tests.webframe_test")


def databases(place: Place) -> list[str]:
    return list(connections)


def routers(place: Place) -> int:
    return len(router.routers)


def migrations(place: Place) -> str | None:
    return migrations_module(apps.get_app_config("testapp"))[0]


def fixtures(place: Place) -> bool:
    return HERE in fixture_dirs(apps)


def zone(place: Place) -> str:
    return str(timezone.get_current_timezone())


def aware(place: Place) -> bool:
    return timezone.now().tzinfo is not None


def content(place: Place) -> int:
    return place.client.post("/json", json="x" * 100).status_code


def upload(place: Place) -> int:
    return place.client.post("/form", files={"menu": b"x" * 1000}).status_code


def on_disk(place: Place) -> bool:
    return bool(place.client.post("/form", files={"menu": b"x" * 1000}).json()["menu"])


def field(place: Place) -> int:
    return place.client.post("/form", data={"a": "x" * 100}, files={"menu": b""}).status_code


def fields(place: Place) -> int:
    return place.client.post("/form", data={"a": "1", "b": "2", "c": "3"}).status_code


def files(place: Place) -> int:
    return place.client.post("/form", files={"a": b"1", "b": b"2", "c": b"3"}).status_code


def headers(place: Place) -> int:
    """The answer to a hundred fields; under WSGI fewer are not looked at."""
    return int(place.get(**{f"X_{number}": "x" * 100 for number in range(95)}).status_code)


def depth(place: Place) -> int:
    return place.client.post("/json", json=[[[1]]]).status_code


def late_body(place: Place) -> int:
    """The answer to a body that comes after a tenth of a second, under ASGI."""
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"1", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/json", "query_string": b"", "root_path": "", "scheme": "http"}
    fields = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"1")]
    whole = {**scope, "asgi": {"version": "3.0"}, "http_version": "1.1", "headers": fields, "client": None}
    asyncio.run(place.app(whole, receive, send))
    return int(answers[0]["status"])


def start(place: Place) -> str:
    """How an app fares whose start takes a tenth of a second."""
    app = Webframe("slow")

    @app.on_startup
    async def start() -> None:
        for _ in range(10):
            await asyncio.sleep(0.01)

    app.get("/")(lambda request: "started")
    try:
        with place.client_for(app) as client:
            return str(client.get("/").text)
    except TimeoutError:
        return "too late"


def threads(place: Place) -> int:
    place.get()
    return pool.size


def propagated(place: Place) -> bool:
    try:
        place.get("/fail")
    except ZeroDivisionError:
        return True
    return False


def request_id(place: Place) -> bool:
    with override_settings(TRUSTED_PROXIES=["*"]):
        return bool(place.get(X_Request_ID="abc-123").json()["id"] == "abc-123")


def json_text(place: Place) -> bool:
    return bool(place.get().text.isupper())


def template(place: Place) -> str:
    try:
        return render("hello.txt", name="Ada")
    except TemplateNotFound:
        return "not found"


class AnyRouter: ...


# For each setting: another value, what shows it, and what that shows before and within.
CASES: dict[str, tuple[Any, Callable[[Place], Any], Any, Any]] = {
    "DEBUG": (True, debug, False, True),
    "SECRET_KEY": ("short", weak_keys, [], ["SECRET_KEY"]),
    "SECRET_KEY_FALLBACKS": (["short"], weak_keys, [], ["SECRET_KEY_FALLBACKS"]),
    "ALLOWED_HOSTS": (["shop.example"], host, 400, 200),
    "TRUSTED_PROXIES": (["*"], address, "127.0.0.1", "192.0.2.7"),
    "INSTALLED_APPS": (["tests.webframe_test"], labels, False, True),
    "DATABASES": ({"archive": "sqlite:///:memory:"}, databases, [], ["archive"]),
    "DATABASE_ROUTERS": ([AnyRouter()], routers, 0, 1),
    "MIGRATION_MODULES": ({"testapp": "elsewhere.migrations"}, migrations, None, "elsewhere.migrations"),
    "FIXTURE_DIRS": ([HERE], fixtures, False, True),
    "TIME_ZONE": ("Europe/Rome", zone, "UTC", "Europe/Rome"),
    "USE_TZ": (False, aware, True, False),
    "MAX_CONTENT_LENGTH": (10, content, 200, 413),
    "MAX_UPLOAD_LENGTH": (10, upload, 200, 413),
    "FILE_UPLOAD_MAX_MEMORY_SIZE": (10, on_disk, False, True),
    "MAX_FORM_MEMORY_SIZE": (10, field, 200, 413),
    "DATA_UPLOAD_MAX_NUMBER_FIELDS": (2, fields, 200, 413),
    "DATA_UPLOAD_MAX_NUMBER_FILES": (2, files, 200, 413),
    "MAX_HEADER_COUNT": (10, headers, 200, 431),
    "MAX_HEADER_SIZE": (1000, headers, 200, 431),
    "JSON_MAX_DEPTH": (2, depth, 200, 400),
    "BODY_TIMEOUT": (0.01, late_body, 200, 408),
    "LIFESPAN_TIMEOUT": (0.01, start, "started", "too late"),
    "WORKER_THREADS": (3, threads, 40, 3),
    "PROPAGATE_EXCEPTIONS": (True, propagated, False, True),
    "REQUEST_ID_HEADER": ("X-Request-ID", request_id, False, True),
    "JSON_PROVIDER": (f"{__name__}.Shouting", json_text, False, True),
    "TEMPLATE_DIRS": ([HERE / "templates"], template, "not found", "Hello Ada!"),
}


def test_every_setting_is_here_or_said_to_be_read_at_the_set_up() -> None:
    assert CASES.keys() | AT_SET_UP == defaults().keys()
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    for name in AT_SET_UP:
        text = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
        assert text is not None and "Read once, at the set-up" in text[1], name


@pytest.fixture
def place(app: Webframe, client_for: Callable[..., Client]) -> Place:
    return Place(app, client_for)


@pytest.mark.parametrize("name", CASES)
def test_a_setting_takes_effect_within_and_is_as_before_afterwards(name: str, place: Place) -> None:
    value, observe, before, within = CASES[name]
    for _ in range(2):
        assert observe(place) == before
        with override_settings(**{name: value}):
            assert observe(place) == within
            with override_settings(**{name: defaults()[name]}):
                assert observe(place) == before
            assert observe(place) == within
    assert observe(place) == before


@pytest.mark.parametrize("name", ["ALLOWED_HOSTS", "MAX_CONTENT_LENGTH", "DEBUG"])
def test_a_setting_is_as_before_after_an_error_within(name: str, place: Place) -> None:
    value, observe, before, within = CASES[name]
    with pytest.raises(ArithmeticError), override_settings(**{name: value}):
        assert observe(place) == within
        raise ArithmeticError
    assert observe(place) == before


def test_templates_are_compiled_anew_with_debug_and_kept_otherwise() -> None:
    kept = environment()
    with override_settings(TIME_ZONE="Europe/Rome"):
        assert environment() is kept
    with override_settings(DEBUG=True):
        assert environment() is not kept


def test_a_database_in_memory_outlives_another_time_zone() -> None:
    with override_settings(DATABASES={"default": "sqlite:///:memory:"}):
        connection = connections["default"]
        connection.run("CREATE TABLE kept (id INTEGER)")
        with override_settings(TIME_ZONE="Europe/Rome", USE_TZ=False):
            connections["default"].run("INSERT INTO kept VALUES (1)")
        assert connections["default"].fetch("SELECT id FROM kept", ()) == [(1,)]


def test_nothing_of_webframe_reads_a_setting_while_it_is_imported() -> None:
    """What is read then could not follow."""
    import subprocess
    import sys

    code = """if True:
        import importlib, pkgutil, webframe
        from webframe.conf import settings
        for found in pkgutil.walk_packages(webframe.__path__, "webframe."):
            if not found.name.endswith(("__main__", "asgi_server", "pytest_plugin")):
                importlib.import_module(found.name)
        print(sorted(settings._read), settings.configured)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[] False\n"

"""The promises of docs/explanation/architecture.md: floors, no cycles, independence."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "webframe"
PAGE = ROOT / "docs" / "explanation" / "architecture.md"


def listed() -> list[str]:
    """The files of the page's list, in reading order, relative to the package."""
    block = re.search(r"```text\n(webframe/\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None, f"{PAGE} has no list that begins with 'webframe/'"
    lines = block[1].splitlines()[1:]
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("--")]


def files() -> Iterator[Path]:
    """Every module of the package, without the doors, which import nothing and define nothing."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "__init__.py":
            yield path


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@cache
@cache
def modules() -> frozenset[str]:
    return frozenset(module_of(path) for path in files())


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules of ours that a file imports, in functions and for type checkers too."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative imports hide the floor; write the whole name")
    return found & modules()


def test_every_file_is_in_the_list_and_every_listed_file_exists() -> None:
    assert sorted(listed()) == [path.relative_to(PACKAGE).as_posix() for path in files()]


def test_files_import_only_files_listed_above_them() -> None:
    order = {name: place for place, name in enumerate(listed())}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for path in files()
        for imported in imports_of(path)
        if order[imported.removeprefix("webframe.").replace(".", "/") + ".py"]
        >= order[path.relative_to(PACKAGE).as_posix()]
    ]
    assert wrong == []


def test_there_are_no_import_cycles() -> None:
    graph = {module_of(path): imports_of(path) for path in files()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


def test_nothing_is_pickled() -> None:
    for path in files():
        assert not re.search(r"^\s*(import|from) (pickle|marshal|shelve)\b", path.read_text(), re.MULTILINE), path


@cache
def loaded_by(code: str) -> frozenset[str]:
    """The modules that a fresh process has loaded after running some code."""
    script = f"{code}\nimport sys\nprint(*sorted(sys.modules))"
    command = [sys.executable, "-W", "error", "-c", script]
    return frozenset(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split())


ANSWER = """
def answer(app):
    import io
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "",
               "HTTP_HOST": "localhost", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
               "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
               "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    started = []
    body = app(environ, lambda status, headers, exc_info=None: started.append(status))
    assert b"".join(body) == b"hello" and started == ["200 OK"], (body, started)
"""

HELLO = (
    ANSWER
    + """
from webframe import Webframe
app = Webframe("hello")
@app.get("/")
def index(request):
    return "hello"
answer(app)
"""
)


def test_importing_webframe_loads_nothing_else_of_it() -> None:
    ours = {module for module in loaded_by("import webframe") if module.startswith("webframe")}
    assert ours == {"webframe", "webframe._lazy"}


@pytest.mark.parametrize("outsider", ["asyncio", "asgiref", "inspect", "logging", "concurrent.futures"])
def test_importing_signals_loads_no_heavy_module(outsider: str) -> None:
    assert outsider not in loaded_by("import webframe.dispatch, webframe.core.signals")


OTHER_SIDE = [f"webframe.core.handlers.{name}" for name in ("asgi", "bridge", "websocket")]


@pytest.mark.parametrize(
    "outsider",
    ["sqlalchemy", "alembic", "jinja2", "click", "asyncio", "webframe.db", "webframe.static", *OTHER_SIDE],
)
def test_serving_a_plain_app_under_wsgi_does_not_load(outsider: str) -> None:
    assert outsider not in loaded_by(HELLO)


def test_the_web_part_works_where_sqlalchemy_and_alembic_cannot_be_imported() -> None:
    loaded_by('import sys\nsys.modules["sqlalchemy"] = sys.modules["alembic"] = None\n' + HELLO)


def test_the_persistence_side_loads_no_web_part() -> None:
    loaded = loaded_by("import webframe.db.models.signals")
    assert not loaded & {"werkzeug", "jinja2", "click", "webframe.app", "webframe.http.request"}


LOOK_UPS = """
from webframe.db import models
class Note(models.Model):
    text = models.CharField(max_length=9)
    class Meta:
        app_label = "notes"
for name in "sounds", "exact":
    models.CharField.register_lookup(models.Lookup, name)
"""


def test_defining_models_and_look_ups_does_not_load_sqlalchemy() -> None:
    assert "sqlalchemy" not in loaded_by(LOOK_UPS)

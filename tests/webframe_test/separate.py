"""Projects of their own, in which the plugin for pytest is tried: files in a folder, and pytest in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parent.parent.parent

# Whether webframe is installed, and pytest finds the plugin by itself.
INSTALLED = any(point.value == "webframe.test.pytest_plugin" for point in entry_points(group="pytest11"))

# Variables of the outer run that would tell the inner one something.
OURS = ("WEBFRAME_", "PYTEST_", "DATABASE_URL", "SECRET_KEY")

APP = """
from webframe import Webframe
from webframe.db import models, transaction

app = Webframe(__name__, {databases})


class Order(models.Model):
    pizza = models.CharField(max_length=50)


@app.post("/orders")
def order(request):
    with transaction.atomic(durable=True):
        return {{"id": Order.objects.create(pizza=request.json["pizza"]).pk}}, 201


@app.get("/orders")
def orders(request):
    return [order.pizza for order in Order.objects.order_by("pk")]


@app.get("/async-orders")
async def async_orders(request):
    return [order.pizza async for order in Order.objects.order_by("pk")]
"""


class Project:
    """A folder with files, and pytest run in it; warnings are errors."""

    def __init__(self, pytester: pytest.Pytester, url: str | None = None) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        # Where DATABASE_URL leads; None: the app names its databases itself.
        self.url = url

    def write(self, **files: str) -> None:
        """Write Python files: ``write(test_it="...")``; a double underscore is a slash."""
        for name, text in files.items():
            path = self.folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip())

    def write_app(self, databases: str = "") -> None:
        """Write app.py, with a model and views; `databases` is what Webframe gets beside its name."""
        self.write(app=APP.format(databases=databases))

    def environment(self, variables: Mapping[str, str] = {}) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        inherited = filter(None, [kept.get("PYTHONPATH")])
        path = os.pathsep.join([str(self.folder), *([] if INSTALLED else [str(ROOT)]), *inherited])
        database = {} if self.url is None else {"DATABASE_URL": self.url}
        return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **database, **variables}

    def run(self, *arguments: str, **variables: str) -> pytest.RunResult:
        """Run pytest with these arguments and variables of the environment, and with no plugin but ours.

        Those that are installed besides take time; -p names them where they are wanted. Ours is named by its module: by
        its name, pytest would rewrite the assertions of all that is imported of webframe, which takes half of the time.
        """
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
        return self.run_with_all("-p", "webframe.test.pytest_plugin", *arguments, **alone)

    def run_with_all(self, *arguments: str, **variables: str) -> pytest.RunResult:
        """The same with all plugins that pytest finds by itself."""
        command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *arguments]
        return self.run_command(*command, **variables)

    def run_command(self, *command: str, **variables: str) -> pytest.RunResult:
        """Run anything in the folder."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(variables), capture_output=True, text=True, timeout=100
        )
        return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), 0.0)


def passed(result: pytest.RunResult, **outcomes: int) -> None:
    """Assert how many tests passed, failed ..., and show what was printed if it is otherwise."""
    text = "\n".join([*result.outlines, *result.errlines])
    found = {name: count for name, count in result.parseoutcomes().items() if name not in ("warnings", "warning")}
    assert found == outcomes, text

"""What the tests of the command line share: a folder to be in, and a way to run commands there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from webframe.apps import Apps
from webframe.core.management.cli import command_line

HOUSE = str(Path(__file__).parents[3])

# It keeps what goes to stderr apart; before click 8.2 it has to be told.
RUNNER = CliRunner(**({"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}))


class Folder:
    """A project's folder, which is the current one while the test runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def invoke(self, *arguments: str, input: str | None = None) -> Result:
        """Run a command in this process."""
        return RUNNER.invoke(command_line, arguments, input=input, prog_name="webframe")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        return subprocess.run(
            self.command(*arguments), env=self.environ(**variables), capture_output=True, text=True, timeout=60
        )

    def command(self, *arguments: str) -> list[str]:
        """The words that start `webframe` in a process of its own, where warnings are errors."""
        return [sys.executable, "-W", "error", "-m", "webframe", *arguments]

    def environ(self, **variables: str) -> dict[str, str]:
        """The environment of such a process."""
        return {**os.environ, "PYTHONPATH": HOUSE, "PYTHONUNBUFFERED": "1", **variables}


@pytest.fixture(scope="session")
def folder_at() -> Callable[[Path], Folder]:
    """Make a `Folder` of a path, without being in it."""
    return Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """An empty folder to be in; what is imported from it, and what the command line sets, is undone afterwards."""
    for name in [name for name in os.environ if name.startswith("WEBFRAME_") or name == "PORT"]:
        monkeypatch.delenv(name)
    environ = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # Other tests have left models behind that belong to no app.
    strays = Apps.get_stray_models
    monkeypatch.setattr(
        Apps, "get_stray_models", lambda apps: [each for each in strays(apps) if _is_below(each, tmp_path)]
    )
    modules = set(sys.modules)
    yield Folder(tmp_path)
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
    os.environ.clear()
    os.environ.update(environ)


def _is_below(model: type[object], folder: Path) -> bool:
    return str(getattr(sys.modules.get(model.__module__), "__file__", None)).startswith(str(folder))


@pytest.fixture
def install(folder: Folder) -> Callable[[str, str, str], None]:
    """Install a package that offers a command: `install(package, command, "module:attribute")`."""

    def install(package: str, command: str, value: str) -> None:
        place = folder.path / f"{package}-1.0.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (place / "entry_points.txt").write_text(f"[webframe.commands]\n{command} = {value}\n")
        if str(folder.path) not in sys.path:
            sys.path.insert(0, str(folder.path))

    return install

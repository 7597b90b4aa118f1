"""The documentation is true: its examples run, print what it says they print, and nothing public is left out.

Blocks marked ``python`` run, in the order of their page, in one process for each page; blocks marked ``py`` are only
shown, and so is everything else. A ``text`` block right after a ``python`` block is what that block prints, or the
error that it ends with; "..." in it stands for anything. A ``python`` block that begins with the name of a file in a
comment (``# notes.py``) is saved under that name too. What a page needs beside is in comments that are not shown:
``% invisible-code-block: python``.

In pages that compare us with another framework (``coming-from-*``) every piece of code in the first two columns of
every table runs as well: the second column in the page's own names, the first in those that the page has put into
`theirs`, unless that framework is not installed.

This file is both the tests and, run as a program, what runs the examples of one page in an empty folder.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import redirect_stderr, redirect_stdout
from doctest import ELLIPSIS, OutputChecker
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

# Seconds that all examples of one page may take.
PATIENCE = 60


# -- running one page


def run_page(path: str) -> None:
    """Run the examples of a page; raises the first error, with the page's own lines in its traceback."""
    from sybil.document import Document
    from sybil.parsers.myst import PythonCodeBlockParser

    # As if the page were a module of its own in this folder.
    page = sys.modules["page"] = ModuleType("page")
    page.__file__ = os.path.abspath("page.py")
    sys.path.insert(0, "")
    document = Document.parse(path, PythonCodeBlockParser())
    document.namespace = page.__dict__
    for example in document.examples():
        save_as_file(str(example.parsed))
        expected = printed_below(document.text, example.region.end)
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            try:
                example.evaluate()
            except Exception as error:
                if expected is None:
                    raise
                output.write(last_lines(error))
        if expected is not None and not is_as_expected(expected, output.getvalue()):
            shown = f"The page says:\n{expected}\nIn truth it is:\n{output.getvalue()}"
            raise AssertionError(f"{path}, line {example.line}, prints something else.\n{shown}")
    if "theirs" in document.namespace:
        check_tables(document.text, document.namespace)


def last_lines(error: Exception) -> str:
    """What the traceback of an error ends with; some versions of Python add guesses of their own there."""
    kind = type(error)
    place = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return "\n".join([f"{place}{kind.__qualname__}: {error}", *getattr(error, "__notes__", ())])


def check_tables(text: str, ours: dict[str, Any]) -> None:
    """Run the code in the tables of a page; `theirs` are the names of the other framework, None without it."""
    for line in re.findall(r"^\| (?!-).*\|$", text, re.MULTILINE):
        cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:3]]
        for cell, names in zip(cells, (ours["theirs"], ours), strict=True):
            for code in re.findall(r"`([^`]+)`", cell):
                if names is not None:
                    try:
                        run_snippet(code, names)
                    except Exception as error:
                        raise AssertionError(f"In the row {line}\n{code!r} does not work: {error!r}") from error


def run_snippet(code: str, names: dict[str, Any]) -> None:
    """Run a piece of code; an HTTP error is what some are for, and of commands it is enough that they exist."""
    if code.startswith("webframe "):
        from webframe.core.management.cli import command_line

        assert code.split()[1] in command_line.list_commands(None), code
    elif re.match(r"flask |python manage.py ", code):
        pass
    elif "yield" in code:
        compile(f"async def f():\n {code}", "<table>", "exec")
    elif "await " in code or "async " in code:
        import asyncio

        exec(f"async def snippet():\n {code}{' pass' if code.endswith(':') else ''}", names)
        asyncio.run(names["snippet"]())
    else:
        code = code.removeprefix("@")
        if code.endswith(":"):
            code += " pass"
        try:
            exec(f"result = None\n{code}" if is_statement(code) else f"result = {code}", names)
        except names["HTTP_ERRORS"]:
            pass
        if isinstance(names["result"], names["RESPONSES"]):
            names["result"].close()


def is_statement(code: str) -> bool:
    try:
        compile(code, "<table>", "eval")
    except SyntaxError:
        return True
    return False


def save_as_file(source: str) -> None:
    """Save a block that begins with a file name."""
    named = re.match(r"# ([a-z][\w/]*\.py)\n", source)
    if named is not None:
        file = Path(named[1])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)


def printed_below(text: str, position: int) -> str | None:
    """The text block that follows right after a position of a page, if there is one."""
    block = re.compile(r"\n\s*^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL).match(text, position)
    return None if block is None else block[1]


def is_as_expected(expected: str, output: str) -> bool:
    """Whether both are the same, but for what "..." stands for and for empty lines at the end."""
    return OutputChecker().check_output(expected.rstrip() + "\n", output.rstrip() + "\n", ELLIPSIS)


if __name__ == "__main__":
    run_page(sys.argv[1])
    sys.exit()


# -- running all of them

import click  # noqa: E402  # a page's process has no use for it, nor for what follows
import pytest  # noqa: E402

import webframe  # noqa: E402
from webframe._instead import Absent  # noqa: E402
from webframe.conf import Defaults  # noqa: E402
from webframe.core import exceptions  # noqa: E402
from webframe.core.management.cli import command_line  # noqa: E402
from webframe.dispatch import all_signals  # noqa: E402


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[subprocess.CompletedProcess[str]]]]:
    """The runs of all pages that were asked for, as many at a time as there are processors.

    None where the tests themselves run in several processes, each of which has some of the pages.
    """
    ours = [] if hasattr(request.config, "workerinput") else request.session.items
    pages = [item.callspec.params["page"] for item in ours if item.name.startswith("test_examples[")]
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        yield {page: executor.submit(_run, page, tmp_path_factory.mktemp("page")) for page in pages}
        executor.shutdown(cancel_futures=True)


def _run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEBFRAME_")}
    environment["PYTHONPATH"] = str(Path(webframe.__file__).parent.parent)
    # Where a page runs pytest: found by itself, our plugin would have the assertions of all of webframe rewritten.
    environment.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_PLUGINS="webframe.test.pytest_plugin")
    # -P: the folders beside this file have the names of modules.
    command = [sys.executable, "-P", "-W", "error", __file__, str(page)]
    return subprocess.run(
        command, cwd=folder, env=environment, timeout=PATIENCE, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples(page, runs, tmp_path):
    """What a page shows is what happens."""
    run = runs[page].result() if page in runs else _run(page, tmp_path)
    assert run.returncode == 0, f"{name_of(page)}:\n{run.stdout}{run.stderr}"
    # Nobody may have failed where only a log would tell.
    assert "Traceback" not in run.stderr, run.stderr


def test_the_program_of_the_readme_says_what_the_readme_says(tmp_path):
    """Its program, asked what the command line in it asks, gives the answer that stands there."""
    readme = (ROOT / "README.md").read_text()
    program = re.search(r"```python\n(# hello\.py\n.*?)```", readme, re.DOTALL)[1]
    path, answer = re.search(r"\$ curl 'http://127\.0\.0\.1:8000(.*?)'\n(.*?)```", readme, re.DOTALL).groups()
    (tmp_path / "hello.py").write_text(program)
    (tmp_path / "ask.py").write_text(
        "from hello import app\n"
        "from webframe.test.client import Client\n"
        "for protocol in 'wsgi', 'asgi':\n"
        f"    print(Client(app, protocol=protocol).get({path!r}).text, end='')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(webframe.__file__).parent.parent)}
    lines = subprocess.check_output([sys.executable, "ask.py"], cwd=tmp_path, env=environment, text=True).splitlines()
    expected = ["started /", answer.strip(), "finished {}Handler"]
    assert lines == [
        line.format(handler) for handler, mark in (("WSGI", 0), ("ASGI", 1)) for line in _as_printed(expected, mark)
    ]


def _as_printed(lines: list[str], mark: int) -> list[str]:
    """The answer is read to its end, and the request finished, before it is printed."""
    started, answer, finished = lines
    return [started, finished, answer]


# -- nothing is left out


def headings(folder: Path = REFERENCE) -> set[str]:
    """Every name in every heading of the pages of a folder."""
    found = set()
    for page in folder.glob("*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
            found.update(name.strip(",`") for name in heading.split())
    return found


def missing(names: Iterable[str], found: set[str] | None = None) -> list[str]:
    found = headings() if found is None else found
    return [name for name in names if name not in found]


def test_every_name_of_the_front_door_has_a_heading():
    assert missing(webframe.__all__) == []


def test_every_setting_has_a_heading():
    assert missing(name for name in vars(Defaults) if name.isupper()) == []


def test_every_signal_has_a_heading():
    for module in all_modules():
        import_module(module)
    names = [signal.name for signal in all_signals() if signal.module.startswith("webframe.")]
    assert "request_finished" in names
    assert missing(names) == []


def test_every_exception_has_a_heading():
    for module in all_modules():
        import_module(module)
    assert missing(error.__name__ for error in subclasses(exceptions.WebframeError)) == []


def test_every_command_and_each_of_its_options_have_a_heading():
    context = click.Context(command_line)
    commands = {name: command_line.get_command(context, name) for name in command_line.list_commands(context)}
    assert {"run", "routes", "signals", "shell", "check"} <= commands.keys()
    found = headings()
    assert missing(commands, found) == []
    for command in commands.values():
        options = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
        assert missing(options, found) == [], command.name


@pytest.mark.parametrize("cls", ["webframe:Webframe", "webframe:Group", "webframe.dispatch:Signal"])
def test_every_method_has_a_heading(cls):
    module, _, name = cls.partition(":")
    kind = getattr(import_module(module), name)
    inherited = set(dir(webframe.Group)) if name == "Webframe" else set()
    # `policy` and the like are for the core; what is for users says so by standing in the reference.
    ours = {"active", "asend_in_any_case", "calls_inline_only", "fill", "mounted_apps", "policy"}
    ours |= {"sender_receivers_cache"}
    ours |= {each for each, value in vars(kind).items() if isinstance(value, Absent)}
    public = [each for each in vars(kind) if not each.startswith("_") and each not in ours | inherited]
    found = headings()
    assert [each for each in public if missing([each, f"{name}.{each}"], found) == [each, f"{name}.{each}"]] == []


def test_every_option_of_a_route_is_described():
    text = (REFERENCE / "app.md").read_text()
    options = [name for name in signature(webframe.Group.route).parameters if name not in ("self", "rule")]
    assert [name for name in options if f"| `{name}` |" not in text] == []


def test_every_twin_for_async_code_has_a_heading():
    from webframe.db.models.base import Model
    from webframe.db.models.query import QuerySet
    from webframe.db.models.related.many_managers import ManyRelatedManager
    from webframe.db.models.twins import is_twin

    names = [(cls, name) for cls in (Model, QuerySet, ManyRelatedManager) for name in dir(cls) if name[0] != "_"]
    twins = {name for cls, name in names if is_twin(getattr(cls, name))}
    assert {"asave", "aget", "aiterator", "aadd"} <= twins
    assert missing([*twins, "aprefetch_related_objects", "twin"]) == []


@pytest.mark.parametrize("module", ["webframe.test", "webframe.test.client", "webframe.test.utils"])
def test_every_helper_for_tests_has_a_heading(module):
    assert missing(public_names(import_module(module))) == []


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    requirements = [*project["project"]["dependencies"], *project["build-system"]["requires"], *chain(*groups)]
    names = {re.match(r"[\w-]+", each)[0].lower() for each in requirements if isinstance(each, str)}
    text = (DOCS / "explanation" / "dependencies.md").read_text().lower()
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", text)] == []


def test_the_oldest_versions_that_we_promise_are_those_that_are_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    drivers = [*project["optional-dependencies"]["mysql"], *project["optional-dependencies"]["postgresql"]]
    promised = dict(each.split(">=") for each in [*project["dependencies"], *drivers])
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    tested = dict(each.split("==") for each in tox["testenv:min"]["deps"].split())
    assert {name: version.removesuffix(".0") for name, version in tested.items()} == promised


def subclasses(kind: type) -> Iterator[type]:
    """The classes of the package that inherit from one; not what models have of their own."""
    yield kind
    for subclass in kind.__subclasses__():
        if subclass.__module__.startswith("webframe.") and "." not in subclass.__qualname__:
            yield from subclasses(subclass)


def public_names(module: ModuleType) -> list[str]:
    """What a module defines for others."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def all_modules() -> list[str]:
    return [
        found.name
        for found in walk_packages(webframe.__path__, "webframe.")
        if not found.name.endswith("__main__") and not found.name.endswith("asgi_server")
    ]

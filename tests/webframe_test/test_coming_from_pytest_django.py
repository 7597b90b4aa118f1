"""Each row of the tables in "Come from pytest-django": what stands there for each of the two works in a project."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec

import pytest

from .separate import ROOT, Project, passed

pytest_plugins = "pytester"

PAGE = ROOT / "docs" / "how-to" / "coming-from-pytest-django.md"

# The columns of the tables: which framework they are about.
THEIRS, OURS = 0, 1

OUR_APP = """
from webframe import Webframe

app = Webframe(__name__)
"""

THEIR_URLS = "urlpatterns = []"

SETTINGS = """
SECRET_KEY = "x" * 50
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "real.sqlite3"}}
"""

THEIR_SETTINGS = SETTINGS + 'ROOT_URLCONF = "urls"\nALLOWED_HOSTS = ["*"]\nSTATIC_URL = "/static/"\n'

# What fixtures are in the first two columns, and what only looks so.
NAME = re.compile(r"\b[a-z]\w+\b")


def rows() -> list[tuple[str, str]]:
    """The code of the first two columns of every row."""
    found = re.findall(r"^\| `([^|]+)` \| `([^|]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(found) > 40
    assert len(found) == len(re.findall(r"^\| `", PAGE.read_text(), re.MULTILINE))
    return found


def as_test(code: str, number: int, fixtures: set[str]) -> str:
    """A test that does what stands in a row."""
    needed = sorted(fixtures.intersection(NAME.findall(re.sub(r'"[^"]*"', "", code))))
    if code.startswith("@"):
        return f"{code}\ndef test_{number}(): ...\n"
    if code in fixtures:
        return f"def test_{number}({code}): ...\n"
    if code.startswith("with "):
        body = f"{code} pass"
    elif "import" in code or " = " in code or code.startswith("del "):
        body = code
    elif "==" in code:
        body = f"assert {code}"
    else:
        body = f"assert ({code}) is not None"
    database = ["db"] if {"count_queries", "django_assert_num_queries", *COUNTING} & set(needed) else []
    return f"def test_{number}({', '.join([*database, *needed])}):\n    {body}\n"


# Fixtures that need a connection to look at.
COUNTING = ("django_assert_max_num_queries", "capture_on_commit", "django_capture_on_commit_callbacks")


def fixtures_of(project: Project, *arguments: str, **variables: str) -> set[str]:
    """The names of all fixtures that there are."""
    result = project.run("--fixtures", "-q", *arguments, **variables)
    return {"request", *re.findall(r"^(\w+)(?: \[\w+ scope\])? -- ", result.stdout.str(), re.MULTILINE)}


def is_code(code: str) -> bool:
    return not code.startswith(("-", "DJANGO_", "WEBFRAME_", "webframe ", "python "))


def run_rows(project: Project, column: int, *arguments: str, **variables: str) -> None:
    codes = [row[column] for row in rows()]
    fixtures = fixtures_of(project, *arguments, **variables)
    assert {"db", "client", "settings"} <= fixtures
    tests = [as_test(code, number, fixtures) for number, code in enumerate(codes) if is_code(code)]
    project.write(test_rows="\n".join(["import pytest", *tests]))
    result = project.run(*arguments, **variables)
    found = result.parseoutcomes()
    assert set(found) <= {"passed", "warnings", "warning"}, result.stdout.str() + result.stderr.str()
    assert found["passed"] >= len(tests)
    project.write(test_rows="def test_it(db): ...")
    options = [code for code in codes if code.startswith("--")]
    passed(project.run(*arguments, *options, **variables), passed=1)
    for code in codes:
        if code.startswith("-p"):
            passed(project.run(*code.split(), "-k", "nothing"), deselected=1)
        elif re.match(r"[A-Z_]+=", code):
            name, _, value = code.partition("=")
            passed(project.run(*arguments, **{**variables, name: value}), passed=1)


def test_what_we_have(pytester: pytest.Pytester) -> None:
    project = Project(pytester, "sqlite:///real.sqlite3")
    project.write(notes=OUR_APP, app=OUR_APP, notes_settings=SETTINGS)
    run_rows(project, OURS)
    result = project.run_command(sys.executable, "-W", "error", "-m", "webframe", "test", "-p", "no:cacheprovider")
    passed(result, passed=1)


@pytest.mark.skipif(find_spec("pytest_django") is None, reason="pytest-django is not installed.")
def test_what_they_have(pytester: pytest.Pytester) -> None:
    project = Project(pytester)
    project.write(urls=THEIR_URLS, notes_settings=THEIR_SETTINGS)
    run_rows(project, THEIRS, "-p", "no:webframe", DJANGO_SETTINGS_MODULE="notes_settings")

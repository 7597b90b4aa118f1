"""Test cases, run by unittest and by pytest in a project of their own, on every engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
CASES = Path(__file__).parent / "cases"

# How many tests of the project pass, and how many are skipped.
PASSED = 67
SKIPPED = 5


@pytest.fixture(params=["unittest", "pytest"])
def runner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(CASES, tmp_path, dirs_exist_ok=True)
    (tmp_path / "cases.py").rename(tmp_path / "test_cases.py")
    return tmp_path


def run(runner: str, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a project, with no plugin for pytest but ours; warnings are errors."""
    ours = ["-p", "no:cacheprovider", "-p", "webframe.test.pytest_plugin"]
    options = ["-q"] if runner == "unittest" else ["-q", *ours]
    command = [sys.executable, "-W", "error", "-m", runner, *options, *arguments]
    path = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    sqlite = {f"CASES_{alias}": f"sqlite:///{folder / alias}.sqlite3" for alias in ("DEFAULT", "ARCHIVE")}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **path, **sqlite, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def output(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mysql"])
def test_all_of_them_hold(runner: str, vendor: str, project: Path, database_server: Callable[[str], Any]) -> None:
    server = database_server(vendor)
    environment = {
        f"CASES_{alias.upper()}": server.create_database(f"cases_{alias}") for alias in ("default", "archive")
    }
    done = run(runner, project, **environment)
    assert done.returncode == 0, output(done)
    if runner == "unittest":
        # Whether a test that is skipped has been run is answered by each version of Python in its own way.
        ran = re.search(r"Ran (\d+) tests", output(done))
        assert ran and PASSED <= int(ran[1]) <= PASSED + SKIPPED, output(done)
        assert f"OK (skipped={SKIPPED})" in output(done)
    else:
        assert f"{PASSED} passed, {SKIPPED} skipped" in output(done)


def test_the_options_of_the_plugin_for_pytest_hold_for_them(
    project: Path, database_server: Callable[[str], Any]
) -> None:
    done = run("pytest", project, "--reuse-db", "-k", "Undone or Committing")
    assert done.returncode == 0 and (project / "test_DEFAULT.sqlite3").exists(), output(done)
    server = database_server("postgresql")
    environment = {
        f"CASES_{alias.upper()}": server.create_database(f"cases_side_by_side_{alias}")
        for alias in ("default", "archive")
    }
    done = run("pytest", project, "-p", "xdist", "-n", "2", "-k", "not Live", **environment)
    assert done.returncode == 0, output(done)


def test_tests_of_pytest_are_chosen_by_tags_and_skipped_by_features(project: Path) -> None:
    tests = """
import pytest
from webframe.test import skipIfDBFeature, tag

@skipUnlessDBFeature("supports_transactions")
def test_function(db):
    Note.objects.create(text="x")

@skipIfDBFeature("supports_transactions")
async def test_async_function(db):
    raise AssertionError

@skipIfDBFeature("supports_transactions")
class TestOfPytest:
    def test(self, db):
        raise AssertionError

@tag("slow")
class TestSlow:
    @tag("wide")
    def test_one(self): ...

    def test_two(self): ...
"""
    (project / "test_cases.py").write_text(HEAD + tests)
    assert "3 passed, 2 skipped" in output(run("pytest", project))
    assert "1 passed, 4 deselected" in output(run("pytest", project, "-k", "wide"))
    assert "1 passed, 2 skipped, 2 deselected" in output(run("pytest", project, "-k", "not slow"))


# --- what goes wrong ----------------------------------------------------------------------------------------------

HEAD = """
from app import Note, Shelf, app
from webframe.test import SimpleTestCase, TestCase, TransactionTestCase, skipUnlessDBFeature
"""


def run_alone(runner: str, project: Path, tests: str, **environment: str) -> str:
    """The output of a run of some tests instead of those of the project."""
    (project / "test_cases.py").write_text(HEAD + tests)
    return output(run(runner, project, **environment))


# Tests that fail, and what is said about each.
MISTAKES = {
    "class Unknown(TestCase):\n    databases = {'archve'}\n    def test(self): ...": (
        "test_cases.Unknown.databases names 'archve', which is not in DATABASES. Did you mean archive?"
    ),
    "class Forgetful(TestCase):\n    @classmethod\n    def setUpClass(cls): ...\n    def test(self): ...": (
        "The databases of Forgetful are not set up: does its setUpClass() call super().setUpClass()?"
    ),
    "class Greedy(TestCase):\n    def test(self): Note.objects.using('archive').count()": (
        "The database 'archive' was used where only 'default' may be used. Add 'archive' to "
        "test_cases.Greedy.databases."
    ),
    "class Simple(SimpleTestCase):\n    def test(self): Note.objects.count()": (
        "The database 'default' was used where no database may be used. test_cases.Simple is a SimpleTestCase"
    ),
    "class Choosy(SimpleTestCase):\n    @skipUnlessDBFeature('supports_transactions')\n    def test(self): ...": (
        "Choosy cannot be skipped for what the database 'default' can do: its tests may not use it."
    ),
    "@skipUnlessDBFeature('supports_transaction')\nclass Misspelt(TestCase):\n    def test(self): ...": (
        "Databases have no feature 'supports_transaction'. Did you mean supports_transactions?"
    ),
    "class Data(TestCase):\n    @classmethod\n    def setUpTestData(cls): {}['data']\n    def test(self): ...": (
        "KeyError: 'data'"
    ),
    "class Fixture(TestCase):\n    fixtures = ['nothing']\n    def test(self): ...": "FixtureNotFound",
    "class Later(TestCase):\n    async def test(self):\n        self.assertEqual(1, 2)  # wrong": (
        "AssertionError: 1 != 2"
    ),
    "class Count(TestCase):\n    def test(self):\n        with self.assertNumQueries(1): pass  # none": (
        "AssertionError: 0 queries were executed, 1 expected."
    ),
    "class Behind(TestCase):\n    def test(self): Note.objects.create(text='x', shelf_id=5)": (
        "IntegrityError: Row 1 of 'app_note' refers to a row of 'app_shelf' that does not exist. Outside of"
    ),
    "class Clean(TestCase):\n    def test_one(self): Note.objects.create(text='x'); 1 / 0\n"
    "    def test_two(self): assert not Note.objects.exists()\n    def tearDown(self): [].pop()": (
        "IndexError: pop from empty list"
    ),
}


def test_mistakes_are_told(runner: str, project: Path) -> None:
    said = run_alone(runner, project, "\n\n".join(MISTAKES))
    for message in MISTAKES.values():
        assert message in said, f"{message}\n\n{said}"
    # What the test has done is shown, and nothing of ours.
    assert "self.assertEqual(1, 2)  # wrong" in said and "assertNumQueries(1): pass  # none" in said
    assert "ZeroDivisionError" in said and "assert not Note.objects.exists()" not in said
    assert "super()._callTestMethod" not in said and "raise AssertionError" not in said, said
    assert "failures=4, errors=10" in said or "9 failed, 5 errors" in said, said


def test_postgresql_checks_references_at_the_end_of_a_test(
    project: Path, database_server: Callable[[str], Any]
) -> None:
    url = database_server("postgresql").create_database("cases_broken")
    tests = """
class Tests(TestCase):
    def test_one(self):
        Note.objects.create(text="x", shelf_id=5)

    def test_two(self):
        self.assertFalse(Note.objects.exists())
"""
    said = run_alone("unittest", project, tests, CASES_DEFAULT=url)
    assert "violates foreign key constraint" in said and "FAILED (errors=1)" in said, said


def test_the_real_databases_are_left_alone(runner: str, project: Path) -> None:
    done = run(runner, project, "-k", "Undone")
    assert done.returncode == 0, output(done)
    assert not list(project.glob("*.sqlite3"))


def test_a_replica_shows_what_is_in_the_database_that_it_mirrors(runner: str, project: Path) -> None:
    (project / "app.py").write_text(
        "from webframe import Webframe\n"
        "from webframe.db import models\n"
        "replica = {'ENGINE': 'sqlite3', 'NAME': 'replica.sqlite3', 'TEST': {'MIRROR': 'default'}}\n"
        "app = Webframe(__name__, DATABASES={'default': 'sqlite:///real.sqlite3', 'replica': replica})\n"
        "class Note(models.Model):\n"
        "    text = models.CharField(max_length=50)\n"
        "Shelf = Note\n"
    )
    tests = """
class Both(TestCase):
    databases = {"default", "replica"}

    def test(self):
        Note.objects.create(text="x")
        self.assertEqual(Note.objects.using("replica").count(), 1)

class OnlyTheReplica(TestCase):
    databases = ["replica"]

    def test(self):
        self.assertEqual(Note.objects.using("replica").count(), 0)
"""
    said = run_alone(runner, project, tests)
    assert "OK" in said or "2 passed" in said, said


# --- projects without databases -----------------------------------------------------------------------------------


def test_tests_without_databases_load_nothing_that_knows_them(runner: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from webframe import Webframe\n"
        "app = Webframe(__name__)\n"
        "@app.get('/')\n"
        "def index(request):\n"
        "    return 'hello'\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "from webframe.test import SimpleTestCase\n"
        "class Tests(SimpleTestCase):\n"
        "    def test_a_page_of_the_app_that_is_found(self):\n"
        "        self.assertContains(self.client.get('/'), 'hello')\n"
        "    async def test_it_later(self):\n"
        "        self.assertContains(await self.async_client.get('/'), 'hello')\n"
        "    def tearDown(self):\n"
        "        loaded = {name for name in sys.modules if name.startswith(('webframe.db', 'sqlalchemy'))}\n"
        "        self.assertFalse(loaded)\n"
    )
    done = run(runner, tmp_path)
    assert done.returncode == 0 and ("Ran 2 tests" in output(done) or "2 passed" in output(done)), output(done)


def test_test_cases_with_databases_do_without_httpx(runner: str, project: Path) -> None:
    tests = """
import sys
sys.modules["httpx"] = sys.modules["httpx2"] = None

class Tests(TestCase):
    def test(self):
        Note.objects.create(text="x")
        self.assertNumQueries(1, Note.objects.count)

class More(TransactionTestCase):
    def test(self):
        self.assertFalse(Note.objects.exists())
"""
    said = run_alone(runner, project, tests)
    assert "OK" in said or "2 passed" in said, said


def test_the_application_is_found_by_classes_that_import_models_only(tmp_path: Path) -> None:
    files = {
        "app.py": "from webframe import Webframe\n"
        "app = Webframe(__name__, DATABASES={'default': 'sqlite://'}, INSTALLED_APPS=['menu'])\n",
        "menu/__init__.py": "",
        "menu/models.py": "from webframe.db import models\n\n"
        "class Pizza(models.Model):\n    hot = models.BooleanField()\n",
        "test_it.py": "from menu.models import Pizza\nfrom webframe.test import TestCase\n\n"
        "class PizzaTests(TestCase):\n    def test_it(self):\n        self.assertFalse(Pizza.objects.exists())\n",
    }
    (tmp_path / "menu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = run("unittest", tmp_path)
    assert done.returncode == 0 and "Ran 1 test" in done.stderr, output(done)

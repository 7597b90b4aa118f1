"""What the fixtures for databases are made of, used without pytest's plugin; on every engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .separate import Project

pytest_plugins = "pytester"

PROGRAM = """
import sys
from webframe import Webframe
from webframe.db import connections, models, transaction
from webframe.test.db import *
from webframe.test.db import chosen_databases, made_databases, rolled_back, emptied, setup_databases, teardown_databases

app = Webframe(__name__, DATABASES={"default": sys.argv[1]})

class Pizza(models.Model):
    name = models.CharField(max_length=50)
    best = models.ForeignKey("self", models.CASCADE, null=True)

real = connections["default"].settings_dict["NAME"]
"""

ROUND = """
for round in range(2):
    with made_databases(suffix="x"):
        name = connections["default"].settings_dict["NAME"]
        assert name != real and "x" in name, name
        assert not Pizza.objects.exists()
        with rolled_back():
            Pizza.objects.create(name="Margherita")
            with transaction.atomic(durable=True):
                Pizza.objects.create(name="Calzone")
            assert Pizza.objects.count() == 2
        assert not Pizza.objects.exists()
        kept = Pizza.objects.create(name="Margherita")
        Pizza.objects.filter(pk=kept.pk).update(best=kept)
        for reset in (False, True, True):
            with emptied("default", reset_sequences=reset):
                assert Pizza.objects.get().best_id == kept.pk
                new = Pizza.objects.create(name="Calzone", best=kept)
                if reset:
                    assert new.pk == kept.pk + 1
                Pizza.objects.update(best=new)
            assert Pizza.objects.get().best_id == kept.pk
        Pizza.objects.create(name="Funghi")
    assert connections["default"].settings_dict["NAME"] == real
print("done")
"""

ENSURED = """
import unittest
from webframe.test.blocking import blocker
from webframe.test.db import ensure_databases

class PizzaTest(unittest.TestCase):
    def setUp(self):
        ensure_databases()
        ensure_databases()
        self.enterContext(rolled_back())

    def test_one(self):
        assert connections["default"].settings_dict["NAME"] != real
        assert not Pizza.objects.exists()
        Pizza.objects.create(name="Margherita")

    test_two = test_one

unittest.main(argv=["x"])
"""


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request: pytest.FixtureRequest, database_server: Callable[[str], Any]) -> str:
    return str(database_server(request.param).create_database("testdb"))


def run(pytester: pytest.Pytester, program: str, url: str) -> subprocess.CompletedProcess[str]:
    project = Project(pytester)
    project.write(program=PROGRAM + program)
    return subprocess.run(
        [sys.executable, "-W", "error", "program.py", url],
        env=project.environment(),
        cwd=project.folder,
        capture_output=True,
        text=True,
    )


def test_databases_are_made_and_left_as_they_were(pytester: pytest.Pytester, url: str) -> None:
    done = run(pytester, ROUND, url)
    assert done.stdout == "done\n", done.stdout + done.stderr


def test_they_are_ensured_once_and_dropped_with_the_process(pytester: pytest.Pytester, tmp_path: Path) -> None:
    done = run(pytester, ENSURED, f"sqlite:///{tmp_path}/real.sqlite3")
    assert "Ran 2 tests" in done.stderr and done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("*.sqlite3*"))

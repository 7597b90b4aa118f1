"""The pizzeria's own tests (the folder `inside`) pass, on every database."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, environment

# The fixtures of webframe, wherever it is found, and no others.
PLUGINS = ("-p", "no:cacheprovider", "-p", "webframe.test.pytest_plugin")

# What Hypothesis has read in the source of webframe is read once for all engines, and for the tests that run this one.
STORAGE = {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql"])
def test_its_own_tests_pass(tmp_path: Path, engine: str, database_server: Callable[[str], Any]) -> None:
    url = database_server(engine).create_database("pizzeria")
    tests = shutil.copytree(Path(__file__).with_name("inside"), tmp_path / "tests")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "--tb=short", *PLUGINS],
        cwd=tests,
        env={**environment(), **STORAGE, "DATABASE_URL": url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout + run.stderr

"""The pizzeria's own tests (`inside.py`) pass, on every database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from .conftest import ROOT, environment

# The databases of the tests of persistence; their folder is no package.
_spec = spec_from_file_location("webframe_test_servers", ROOT / "tests" / "db" / "servers.py")
assert _spec is not None and _spec.loader is not None
servers = module_from_spec(_spec)
sys.modules[_spec.name] = servers
_spec.loader.exec_module(servers)

# The fixtures of webframe, wherever it is found, and no others.
PLUGINS = ("-p", "no:cacheprovider", "-p", "webframe.test.pytest_plugin")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql"])
def test_its_own_tests_pass(tmp_path: Path, engine: str) -> None:
    shutil.copy(Path(__file__).with_name("inside.py"), tmp_path / "test_inside.py")
    server = None
    try:
        server = servers.KINDS[engine]()
        url = server.create_database("pizzeria")
        run = subprocess.run(
            [sys.executable, "-W", "error", "-m", "pytest", "-q", "--tb=short", *PLUGINS],
            cwd=tmp_path,
            env={**environment(), "DATABASE_URL": url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    except servers.Unavailable as error:
        if os.environ.get("WEBFRAME_TEST_REQUIRE_ALL"):
            raise
        pytest.skip(str(error))
    finally:
        if server is not None:
            server.stop()
    assert run.returncode == 0, run.stdout + run.stderr

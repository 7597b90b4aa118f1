"""`webframe test`: pytest with the app and the settings of the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from webframe.core.management import testing

from ... import interrupts

APP = """
from webframe import Webframe

app = Webframe(__name__)

@app.get("/")
def index(request):
    return __name__
"""


@pytest.fixture
def project(folder):
    """A folder with an app that is found by its name only, and a test that asks it."""
    folder.write("shop.py", APP)
    folder.write(
        "test_shop.py",
        """
        from webframe.conf import settings

        def test_it_is_this_app(client):
            assert client.get("/").text == "shop"

        def test_settings_are_those_of_the_folder():
            assert settings.TIME_ZONE == "Europe/Paris"
        """,
    )
    folder.write(".env", "WEBFRAME_TIME_ZONE=Europe/Paris\n")
    return folder


def test_the_tests_have_the_app_and_the_variables_of_the_command(project):
    done = project.run("--app", "shop", "test", "-q", "-p", "no:cacheprovider")
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_arguments_and_the_exit_code_are_those_of_pytest(project):
    done = project.run("test", "-q", "-k", "nothing", "--maxfail=1", "test_shop.py", "-p", "no:cacheprovider")
    assert "3 deselected" in done.stdout
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_its_help_is_that_of_the_command(project):
    done = project.invoke("test", "--help")
    assert "[PYTEST ARGUMENTS]..." in done.stdout


def test_it_says_so_where_pytest_is_not_installed(project, monkeypatch):
    monkeypatch.setattr(testing, "find_spec", lambda name: None)
    done = project.invoke("test")
    assert done.exit_code == 1
    assert "pip install pytest" in done.stderr


def test_an_interrupted_run_tidies_up(project):
    project.write(
        "test_shop.py",
        """
        import pathlib
        import time
        import pytest

        @pytest.fixture
        def tidy():
            yield
            time.sleep(0.5)
            pathlib.Path("tidied").touch()

        def test_it(tidy):
            pathlib.Path("begun").touch()
            time.sleep(60)
        """,
    )
    with interrupts.heeded():
        process = subprocess.Popen(
            project.command("--app", "shop", "test", "-p", "no:cacheprovider"),
            cwd=project.path,
            env=project.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    deadline = time.monotonic() + 30
    while not (project.path / "begun").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _ = process.communicate(timeout=30)
    assert (project.path / "tidied").exists(), output
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output

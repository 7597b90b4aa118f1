"""`check`."""

from __future__ import annotations

from typing import Any

import pytest

APP = """
from webframe import Webframe
from webframe.core.checks import Error, Info, Warning, register

app = Webframe(__name__)

@register("oven")
def ovens(app_configs=None, **kwargs):
    return [
        Info("The oven is warm.", id="oven.I001"),
        Error("No oven is lit.", hint="Light one.", obj="OVENS", id="oven.E001"),
        Warning("The oven is old.", id="oven.W001"),
    ]
"""
CALM = "from webframe import Webframe\napp = Webframe(__name__)"


def test_messages_are_listed_worst_first_and_errors_fail(folder: Any) -> None:
    folder.write("checked.py", APP)
    result = folder.run("--app", "checked", "check", "--tag", "oven")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "ERROR OVENS: (oven.E001) No oven is lit.",
        "    Light one.",
        "WARNING ?: (oven.W001) The oven is old.",
        "INFO ?: (oven.I001) The oven is warm.",
    ]
    assert result.stderr == "Error: The check failed, with 3 messages.\n"


def test_the_level_at_which_a_check_fails_can_be_chosen(folder: Any) -> None:
    folder.write("checked.py", APP)
    assert folder.run("--app", "checked", "check", "--tag", "oven", "--fail-level", "critical").returncode == 0


def test_without_messages_it_passes(folder: Any) -> None:
    folder.write("checked.py", CALM)
    result = folder.run("--app", "checked", "check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "The check passed, with no messages.\n", "")


def test_some_checks_are_for_public_servers_only(folder: Any) -> None:
    folder.write("checked.py", CALM)
    result = folder.run("--app", "checked", "check", "--deploy", WEBFRAME_DEBUG="true")
    assert result.returncode == 1
    assert "(security.W002)" in result.stdout


def test_tags_can_be_listed_and_a_wrong_one_is_one_line(folder: Any) -> None:
    folder.write("checked_a.py", CALM)
    assert "security" in folder.invoke("--app", "checked_a", "check", "--list-tags").output.split()
    result = folder.invoke("--app", "checked_a", "check", "--tag", "securty")
    assert result.exit_code == 2
    assert "Did you mean security?" in result.stderr


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("from webframe import Webframe\napp = Webframe(__name__, INSTALLED_APPS=['no_such_app'])", "no_such_app"),
        ("from webframe import Webframe\napp = Webframe(__name__)", "WEBFRAME_USE_TZ"),
    ],
)
def test_wrong_settings_are_one_line(folder: Any, text: str, what: str) -> None:
    folder.write("checked.py", text)
    result = folder.run("--app", "checked", "check", WEBFRAME_USE_TZ="maybe" if "TZ" in what else "true")
    assert result.returncode == 1
    assert what in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1


def test_an_error_in_ready_is_the_users_traceback(folder: Any) -> None:
    folder.write("oven/__init__.py", "")
    folder.write(
        "oven/apps.py",
        """
        from webframe.apps import AppConfig

        class OvenConfig(AppConfig):
            name = "oven"

            def ready(self):
                raise RuntimeError("too cold")
        """,
    )
    folder.write("checked.py", "from webframe import Webframe\napp = Webframe(__name__, INSTALLED_APPS=['oven'])")
    result = folder.run("--app", "checked", "check")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "RuntimeError: too cold"
    assert "in ready" in result.stderr

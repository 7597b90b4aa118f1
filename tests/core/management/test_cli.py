"""The group of commands: help, version, commands of packages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from webframe.core.management.cli import OUR_COMMANDS, command_line

Install = Callable[[str, str, str], None]


def test_help_lists_all_commands_without_any_app(folder: Any) -> None:
    result = folder.invoke("--help")
    assert result.exit_code == 0
    for command in ("run", "routes", "signals", "shell", "check"):
        assert f"\n  {command} " in result.output


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["signals", "-h"], ["--version"]])
def test_help_and_version_import_nothing_heavy(folder: Any, arguments: list[str]) -> None:
    heavy = ["asyncio", "jinja2", "sqlalchemy", "uvicorn", "webframe.app", "webframe.db.models.base", "werkzeug"]
    folder.write("app.py", "raise RuntimeError('never imported')")
    folder.write(
        "look.py",
        f"""
        import sys
        from webframe.__main__ import main
        try:
            main()
        finally:
            print("LOADED", [name for name in {heavy!r} if name in sys.modules])
        """,
    )
    output = subprocess.run(
        [sys.executable, "look.py", *arguments], env=folder.environ(), capture_output=True, text=True, timeout=60
    )
    assert output.stdout.splitlines()[-1] == "LOADED []"
    assert output.returncode == 0, output.stderr


def test_the_version_is_one_line(folder: Any) -> None:
    result = folder.invoke("--version")
    assert result.exit_code == 0
    assert result.output.startswith("webframe ")
    assert result.output.count("\n") == 1


def test_an_unknown_command_is_answered_with_what_comes_near(folder: Any) -> None:
    result = folder.invoke("rotues")
    assert result.exit_code == 2
    assert "There is no command 'rotues'. Did you mean 'routes'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["rotues"], "Error: There is no command 'rotues'. Did you mean 'routes'?"),
        (["dumpdata", "--indent", "x"], "Error: Invalid value for '--indent': 'x' is not a valid integer range."),
        (["loaddata"], "Error: Missing argument 'FIXTURE...'."),
    ],
)
def test_what_is_no_command_line_is_told_how_to_write_one(folder: Any, arguments: list[str], error: str) -> None:
    folder.write("app.py", "from webframe import Webframe\n\napp = Webframe(__name__)\n")
    result = folder.invoke(*arguments)
    assert result.exit_code == 2
    usage, *_, last = result.stderr.splitlines()
    assert (usage.startswith("Usage: webframe "), last) == (True, error)


def test_python_dash_m_and_the_script_are_the_same(folder: Any) -> None:
    result = folder.run("nonsense")
    assert result.returncode == 2
    assert "There is no command 'nonsense'." in result.stderr
    assert "Traceback" not in result.stderr


def test_packages_bring_commands_by_entry_point(folder: Any, install: Install) -> None:
    folder.write(
        "bell.py",
        """
        import click

        @click.command()
        @click.option("--times", default=1)
        def ring(times):
            "Ring the bell."
            click.echo("ding " * times)
        """,
    )
    install("bell", "ring", "bell:ring")
    assert "Ring the bell." in folder.invoke("--help").output
    assert folder.invoke("ring", "--times", "2").output == "ding ding \n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("raise RuntimeError('rusty')", "cannot be loaded: RuntimeError: rusty"),
        ("", "cannot be loaded: AttributeError"),
        ("ring = 7", "is 7 (bell:ring), not a click.Command."),
    ],
)
def test_a_broken_command_of_a_package_spoils_no_other(folder: Any, install: Install, text: str, what: str) -> None:
    folder.write("bell.py", text)
    install("bell", "ring", "bell:ring")
    result = folder.invoke("--help")
    assert result.exit_code == 0
    assert "Warning: The command 'ring' of package 'bell' " + what in result.stderr
    assert result.stderr.count("\n") == 1
    assert "routes" in result.stdout

    result = folder.invoke("ring")
    assert result.exit_code == 1
    assert "The command 'ring' of package 'bell' " + what in result.stderr
    assert "Traceback" not in result.stderr


def test_our_commands_have_the_first_right_to_their_names(folder: Any, install: Install) -> None:
    install("bell", "routes", "bell:ring")
    result = folder.invoke("--help")
    assert result.exit_code == 0
    assert result.output.count("\n  routes ") == 1
    assert result.stderr == ""


def test_env_files_are_read_before_a_command_and_complaints_are_warnings(folder: Any, install: Install) -> None:
    folder.write("bell.py", "import click, os\n@click.command()\ndef ring(): click.echo(os.environ['BELL_NAME'])\n")
    install("bell", "ring", "bell:ring")
    folder.write(".env", "nonsense\nBELL_NAME=Bertha\n")
    result = folder.invoke("ring")
    assert result.stdout == "Bertha\n"
    assert result.stderr == "Warning: .env, line 1: expected NAME=value; passed over.\n"


def test_every_command_and_option_has_its_heading_on_the_commands_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", page, re.MULTILINE))
    described = {"webframe": command_line, **{name: command_line.load_command(name) for name in OUR_COMMANDS}}
    for name, command in described.items():
        assert command is not None
        headings = re.findall(r"^### (.+)$", sections[name], re.MULTILINE)
        written = {spelling for heading in headings for spelling in heading.split(", ")} - {"--help", "-h"}
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert written - {"Environment files"} == {
            spelling for option in options for spelling in [*option.opts, *option.secondary_opts]
        }, name


@pytest.mark.parametrize("name", OUR_COMMANDS)
def test_what_help_says_of_a_command_is_what_it_says_of_itself(name: str) -> None:
    command = command_line.load_command(name)
    assert command is not None
    assert (command.help or "").partition("\n\n")[0] == OUR_COMMANDS[name].summary

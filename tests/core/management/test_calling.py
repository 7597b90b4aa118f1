"""`call_command`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from webframe.core.management import CommandError, call_command
from webframe.core.management.loading import find_app

APP = "from webframe import Webframe\napp = Webframe(__name__)\n@app.get('/')\ndef index(request): ..."
BELL = """
import click
from webframe.core.management import CommandError, pass_app

@click.command()
@click.argument("words", nargs=-1)
@click.option("--loud/--quiet", default=True)
@click.option("-v", "--verbosity", count=True)
@click.option("--at", "places", multiple=True)
@click.option("--span", nargs=2, type=int)
@click.option("--times", type=int, required=True)
@click.option("-x", "short")
@click.option("--high", "pitch", flag_value="high")
@click.option("--dry-run", is_flag=True)
@click.option("--end", type=click.Choice(["fail", "exit", "abort", "leave"]))
def ring(end, **options):
    if end == "fail":
        raise CommandError("The bell is cracked.", returncode=4)
    if end == "exit":
        click.get_current_context().exit(5)
    if end == "leave":
        click.get_current_context().exit()
    if end == "abort":
        raise click.Abort()
    return options

@click.command()
@pass_app
@click.option("--loud", is_flag=True)
def named(app, loud):
    click.echo(f"{app.import_name} {loud}")
"""
ANY = {
    "words": (), "loud": True, "verbosity": 0, "places": (), "span": None, "times": 1, "short": None, "pitch": None,
    "dry_run": False,
}  # fmt: skip


@pytest.fixture
def bell(folder: Any, install: Callable[[str, str, str], None]) -> None:
    folder.write("bell_to_call.py", BELL)
    install("bell", "ring", "bell_to_call:ring")
    install("tower", "named", "bell_to_call:named")


def test_a_command_runs_and_what_it_writes_can_be_had(folder: Any) -> None:
    folder.write("called_a.py", APP)
    written = io.StringIO()
    assert call_command("routes", "--json", app="called_a", stdout=written) is None
    assert json.loads(written.getvalue())[0]["name"] == "index"


def test_the_app_can_be_an_object(folder: Any, bell: None) -> None:
    folder.write("called_b.py", APP)
    written = io.StringIO()
    call_command("named", app=find_app("called_b").app, loud=True, stdout=written)
    assert written.getvalue() == "called_b True\n"


def test_the_app_is_found_as_on_the_command_line(folder: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    folder.write("called_c.py", APP)
    monkeypatch.setenv("WEBFRAME_APP", "called_c")
    call_command("routes", json=True, sort="name")
    assert json.loads(capsys.readouterr().out)[0]["view"] == "called_c:index"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"loud": False}, {"loud": False}),
        ({"loud": None, "dry_run": False}, {}),
        ({"verbosity": 3}, {"verbosity": 3}),
        ({"at": ["a", "-b"]}, {"places": ("a", "-b")}),
        ({"places": ["a"]}, {"places": ("a",)}),
        ({"span": (1, 2)}, {"span": (1, 2)}),
        ({"short": "-y z"}, {"short": "-y z"}),
        ({"high": True, "dry_run": True}, {"pitch": "high", "dry_run": True}),
        ({"pitch": "high"}, {"pitch": "high"}),
    ],
)
def test_keywords_stand_for_options(bell: None, options: dict[str, Any], expected: dict[str, Any]) -> None:
    assert call_command("ring", times=1, **options) == {**ANY, **expected}


def test_arguments_are_what_would_be_typed(bell: None) -> None:
    assert call_command("ring", "ding", 7, "--quiet", times=2) == {
        **ANY, "words": ("ding", "7"), "loud": False, "times": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "returncode", "what"),
    [
        ("rign", {}, 2, "There is no command 'rign'. Did you mean 'ring'?"),
        ("ring", {}, 2, "ring: Missing option '--times'."),
        ("ring", {"times": "many"}, 2, "ring: Invalid value for '--times'"),
        ("ring", {"tmes": 1}, 2, "The command 'ring' has no option 'tmes'; it has at, dry_run, end, "),
        ("ring", {"times": 1, "end": "fail"}, 4, "The bell is cracked."),
        ("ring", {"times": 1, "end": "exit"}, 5, "ring ended with exit code 5."),
        ("ring", {"times": 1, "end": "abort"}, 1, "ring was aborted."),
        ("named", {"app": "no_such_module"}, 2, "there is no module 'no_such_module'"),
    ],
)
def test_every_end_but_a_good_one_is_a_command_error(
    bell: None, name: str, options: dict[str, Any], returncode: int, what: str
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(name, **options)
    assert caught.value.returncode == returncode
    assert what in str(caught.value)


def test_a_good_end_is_none(bell: None) -> None:
    assert call_command("ring", times=1, end="leave") is None


def test_a_command_error_is_one_line_and_its_returncode(folder: Any, bell: None) -> None:
    result = folder.invoke("ring", "--times", "1", "--end", "fail")
    assert result.exit_code == 4
    assert result.stderr == "Error: The bell is cracked.\n"


def test_what_goes_to_stderr_can_be_had(folder: Any, bell: None) -> None:
    folder.write(
        "bell_to_call.py", BELL + "\n@click.command()\ndef whisper(): click.echo('psst', err=True)\nnamed = whisper\n"
    )
    written = io.StringIO()
    call_command("named", stderr=written)
    assert written.getvalue() == "psst\n"


def test_the_door_loads_nothing_until_it_is_asked() -> None:
    look = "import sys, webframe, webframe.core.management; print('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout == "False\n"

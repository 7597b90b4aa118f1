"""`shell`."""

from __future__ import annotations

import code
from typing import Any

import pytest

from webframe.core.management.shell import interact, names_at_hand

APP = "from webframe import Webframe\napp = Webframe(__name__)\n@app.get('/')\ndef index(request): ..."


def test_code_runs_with_the_app_at_hand(folder: Any) -> None:
    folder.write("shell_a.py", APP)
    result = folder.invoke(
        "--app", "shell_a", "shell", "-c", "print(app.import_name, settings.DEBUG, app.url_for('index'))"
    )
    assert result.output == "shell_a False /\n"
    assert result.exit_code == 0


def test_code_that_is_piped_in_runs_without_a_prompt(folder: Any) -> None:
    folder.write("shell_b.py", APP)
    result = folder.invoke("--app", "shell_b", "shell", input="def twice(n):\n    return n * 2\n\nprint(twice(21))\n")
    assert result.output == "42\n"


@pytest.mark.parametrize("source", ["1 / 0", "def broken(:", "raise KeyError('x')"])
def test_an_error_is_the_traceback_of_that_code(folder: Any, source: str) -> None:
    folder.write("shell_c.py", APP)
    result = folder.invoke("--app", "shell_c", "shell", "-c", source)
    assert result.exit_code == 1
    assert 'File "<--command>", line 1' in result.stderr
    assert "management" not in result.stderr


def test_everything_of_the_front_door_is_at_hand(folder: Any) -> None:
    folder.write("shell_d.py", APP)
    result = folder.invoke(
        "--app", "shell_d", "shell", "-c", "print(Request, Response, Group, redirect, Signal, receiver)"
    )
    assert result.exit_code == 0, result.stderr


def test_the_prompt_knows_the_names(folder: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    folder.write("shell_e.py", APP)
    from webframe.core.management.loading import find_app

    lines = iter(["print(app.import_name)"])

    def read(self: code.InteractiveConsole, prompt: str = "") -> str:
        for line in lines:
            return line
        raise EOFError

    monkeypatch.setattr(code.InteractiveConsole, "raw_input", read)
    interact(names_at_hand(find_app("shell_e").app))
    output = capsys.readouterr()
    assert output.out == "shell_e\n"
    assert "webframe app 'shell_e'" in output.err

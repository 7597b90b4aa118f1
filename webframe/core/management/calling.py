"""Running a command from Python: `call_command`, as tests, scripts and other commands do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

import click

from webframe.core.exceptions import WebframeError
from webframe.core.management.cli import command_line
from webframe.core.management.errors import CommandError, UserCodeError
from webframe.core.management.project import Project

if TYPE_CHECKING:
    from webframe.app import Webframe


def call_command(
    name: str,
    /,
    *args: object,
    app: Webframe | str | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    **options: Any,
) -> Any:
    """Run a command and return what it returns.

    `args` are what would be typed after its name; `options` are its options as
    keywords: ``call_command("routes", sort="name", json=True)``. `app` stands
    for `--app`, as an object or an import string; without it the app is found
    as on the command line. What the command writes goes to `stdout` and
    `stderr` where they are given.

    Raises CommandError for whatever would have ended the command line with an
    exit code other than 0, which is its `returncode`. What receivers, migrations
    and the like raise while the command runs is passed on as it is.
    """
    project = Project(app) if app is None or isinstance(app, str) else Project(app=app)
    with ExitStack() as stack:
        if stdout is not None:
            stack.enter_context(redirect_stdout(stdout))
        if stderr is not None:
            stack.enter_context(redirect_stderr(stderr))
        parent = stack.enter_context(click.Context(command_line, info_name="webframe", obj=project))
        command = command_line.load_command(name)
        if command is None:
            near = command_line.near_misses(parent, name)
            raise CommandError(f"There is no command {name!r}.{near}", returncode=2)
        return _invoke(name, command, [*map(str, args), *_as_typed(name, command, options)], parent)


def _invoke(name: str, command: click.Command, arguments: list[str], parent: click.Context) -> Any:
    try:
        with command.make_context(name, arguments, parent=parent) as context:
            return command.invoke(context)
    except UserCodeError as error:
        raised = error.__cause__
        if error.in_command and raised is not None and not isinstance(raised, WebframeError):
            raise raised from None
        raise
    except CommandError:
        raise
    except click.ClickException as error:
        raise CommandError(f"{name}: {error.format_message()}", returncode=error.exit_code) from error
    except click.exceptions.Exit as ended:
        if ended.exit_code:
            raise CommandError(f"{name} ended with exit code {ended.exit_code}.", ended.exit_code) from ended
    except click.Abort as error:
        raise CommandError(f"{name} was aborted.") from error
    return None


def _as_typed(name: str, command: click.Command, options: dict[str, Any]) -> list[str]:
    """Turn keywords into what would be typed, so that types, defaults and callbacks of the command apply."""
    known = {spelling: option for option in _options(command) for spelling in _spellings(option)}
    typed: list[str] = []
    for keyword, value in options.items():
        if keyword not in known:
            names = ", ".join(sorted(spelling for option in _options(command) for spelling in _spellings(option)[:1]))
            raise CommandError(
                f"The command {name!r} has no option {keyword!r}; it has {names or 'none'}.", returncode=2
            )
        typed += _typed(known[keyword], keyword, value)
    return typed


def _options(command: click.Command) -> Iterator[click.Option]:
    return (parameter for parameter in command.params if isinstance(parameter, click.Option))


def _spellings(option: click.Option) -> list[str]:
    """The keywords that stand for an option: as it is written, and the name of its parameter."""
    written = _written(option)
    return [*written, option.name] if option.name else written


def _written(option: click.Option) -> list[str]:
    return [spelling.lstrip("-").replace("-", "_") for spelling in option.opts if spelling.startswith("--")]


def _typed(option: click.Option, keyword: str, value: Any) -> list[str]:
    switch = max(option.opts, key=len)
    if value is None:
        return []
    if option.is_flag and not option.secondary_opts and keyword not in _written(option):
        # The name of the parameter, not of the switch: `interactive` of --no-input.
        on = option.flag_value if option.flag_value is False or not option.is_bool_flag else True
        return [switch] if value == on else []
    if option.count:
        return [switch] * int(value)
    if option.is_bool_flag:
        off = max(option.secondary_opts, key=len, default=None)
        return [switch] if value else [off] if off else []
    if option.is_flag:
        return [switch] if value in (True, option.flag_value) else []
    values = list(value) if option.multiple else [value]
    return [part for one in values for part in _with_value(option, switch, one)]


def _with_value(option: click.Option, switch: str, value: Any) -> list[str]:
    if option.nargs != 1:
        return [switch, *map(str, value)]
    # One word where possible, so that a value may begin with a dash.
    return [f"{switch}={value}"] if switch.startswith("--") else [switch, str(value)]

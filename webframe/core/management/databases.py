"""What commands that work on a database have in common: options, where they write, and errors that are one line."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from webframe._lazy import LateModule
from webframe.apps.config import AppConfig
from webframe.apps.registry import apps
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.management.errors import CommandError, UserCodeError, is_foreign
from webframe.db.connections import DEFAULT_ALIAS, connections
from webframe.db.errors import Error

if TYPE_CHECKING:
    import difflib
else:
    difflib = LateModule("difflib")

Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(help: str) -> Callable[[Command], Command]:
    """The option `--database`: an alias, "default" unless told otherwise."""
    return click.option("--database", default=DEFAULT_ALIAS, metavar="ALIAS", show_default=True, help=help)


# How much a command tells.
verbosity_option = click.option(
    "-v",
    "--verbosity",
    type=click.IntRange(0, 3),
    default=1,
    show_default=True,
    help="How much is told: 0 is nothing, 3 is all.",
)

# Whether a command may ask.
no_input_option = click.option(
    "--no-input", "--noinput", "interactive", flag_value=False, default=True, type=bool, help="Ask nothing."
)


class Output:
    """Where a command writes, as receivers of its signals get it: a line for each `write`, unless told otherwise."""

    def write(self, msg: str = "", style_func: Callable[[str], str] | None = None, ending: str | None = None) -> None:
        """Write a text with a line break behind it, if it has none; or with another `ending`."""
        end = "\n" if ending is None else ending
        if end and not msg.endswith(end):
            msg += end
        click.echo(msg if style_func is None else style_func(msg), nl=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stdout, name)


def heading(text: str) -> str:
    """A line above others."""
    return click.style(text, fg="cyan", bold=True)


def success(text: str) -> str:
    """That something went well."""
    return click.style(text, fg="green", bold=True)


def notice(text: str) -> str:
    """Something to be looked at."""
    return click.style(text, fg="red")


def database(alias: str) -> Any:
    """The wrapper of an alias that was typed. Raises CommandError with what comes near."""
    if alias not in connections:
        known = list(connections)
        if not known:
            raise CommandError(
                "DATABASES is empty. Set DATABASE_URL in the environment, or give DATABASES to Webframe(...) or in the "
                "settings module."
            )
        raise CommandError(
            f"There is no database {alias!r} in DATABASES, which has "
            f"{', '.join(map(repr, known))}.{near(alias, known)}",
            returncode=2,
        )
    return connections[alias]


def app_config(label: str) -> AppConfig:
    """The app of a label that was typed. Raises CommandError with what comes near."""
    try:
        return apps.get_app_config(label)
    except LookupError as error:
        raise CommandError(str(error), returncode=2) from error


def near(name: str, known: list[str]) -> str:
    """A question to add to a message about an unknown name, or nothing."""
    matches = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


@contextlib.contextmanager
def reported(connection: Any, *expected: type[Exception]) -> Iterator[None]:
    """Make CommandErrors of errors of the database, and of those of the kinds given: their messages say it all.

    What went wrong in code of the project is shown with its traceback.
    """
    try:
        yield
    except (CommandError, ImproperlyConfigured):
        raise
    except Exception as error:
        if is_of_project(error):
            failure: BaseException = error
            cause = error.__cause__
            if isinstance(error, expected) and cause is not None and is_of_project(cause):
                # Theirs is the error to look at; ours says what became of it.
                failure = cause
                for told in (str(error), *getattr(error, "__notes__", ())):
                    failure.add_note(told)
            raise UserCodeError("Code of the project failed", failure, in_command=True) from error
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        if isinstance(error, expected):
            raise CommandError(f"{error}{notes}") from error
        if isinstance(error, Error):
            # Messages of drivers may have several lines.
            message = " ".join(str(error).split()) or type(error).__name__
            raise CommandError(f"Database {connection.alias!r}: {message}{notes}") from error
        raise


def is_of_project(error: BaseException | None) -> bool:
    """Whether an error came by way of code that is neither ours, nor Python's, nor that of an installed package."""
    while error is not None:
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename:
            files.append(error.filename)
        if not all(map(is_foreign, files)):
            return True
        error = error.__cause__
    return False


def confirmed(question: str) -> bool:
    """Ask, on standard input, and say whether the answer was "yes". Raises click.Abort where there is no input."""
    click.echo(question)
    try:
        return input("    ").strip().lower() == "yes"
    except EOFError:
        click.echo(err=True)  # the line with the question has not ended
        raise click.Abort from None

"""The project that a command works on: the app, found when a command first asks for it.

A command that never asks (`--help`, `--version`) imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.management.errors import UserCodeError
from webframe.core.management.loading import FoundApp, find_app

if TYPE_CHECKING:
    from webframe.app import Webframe

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Project:
    """What `--app` stands for: imported and set up once, at the first call of `load`."""

    def __init__(self, target: str | None = None, *, app: Webframe | None = None) -> None:
        # What was given as --app; None means: find it.
        self.target = target
        # Variables that came from env files, so that a restarted server reads the files anew.
        self.from_env_files: dict[str, str] = {}
        # The app and its import string, once loaded; the string is empty for an app handed over as an object.
        self._found: FoundApp | None = FoundApp(app, "") if app is not None else None
        self._is_set_up = False

    def find(self) -> FoundApp:
        """Import the app; settings may still be given afterwards."""
        if self._found is None:
            self._found = find_app(self.target)
        return self._found

    def load(self) -> Webframe:
        """Import the app and set it up, so that its settings, apps and receivers are in place."""
        app = self.find().app
        if not self._is_set_up:
            try:
                app.set_up()
            except ImproperlyConfigured:
                raise  # becomes one line: its message says all there is to say
            except Exception as error:
                raise UserCodeError("Setting up failed", error) from error
            self._is_set_up = True
        return app


def pass_app(
    function: Callable[Concatenate[Webframe, Parameters], Result],
) -> Callable[Parameters, Result]:
    """Make a click command receive the app, imported and set up, as its first argument.

    Stands between `@click.command()` and the function, above the options::

        @click.command()
        @pass_app
        @click.option("--loud", is_flag=True)
        def ring(app, loud): ...
    """

    def with_app(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return function(current_project().load(), *args, **kwargs)

    return update_wrapper(with_app, function)


def current_project() -> Project:
    """Return the project of the command that is running."""
    return click.get_current_context().ensure_object(Project)

"""The errors with which a command ends.

::

    CommandError                    one line on stderr, exit code `returncode`
     +-- AppNotFound                --app, or what stands in for it, names no Webframe: exit code 2
     |    +-- NoAppInModule         the module is there, but holds no Webframe and no factory of one
     +-- UserCodeError              the user's own code raised: its traceback on stderr, exit code 1
"""

from __future__ import annotations

import os
import traceback
from functools import cache
from typing import IO, TYPE_CHECKING, Any

import click

from webframe._lazy import LateModule
from webframe.core.exceptions import WebframeError

if TYPE_CHECKING:
    import sysconfig
else:
    sysconfig = LateModule("sysconfig")

# Frames below these places are how a module was reached, not where it went wrong.
HIDDEN_FRAMES = ("<frozen importlib", os.path.dirname(__file__) + os.sep)


class CommandError(WebframeError, click.ClickException):
    """Raised by a command that cannot do what was asked.

    On the command line the message becomes one line on stderr, and `returncode`
    the exit code: 2 where the command was misused, 1 for everything else.
    """

    def __init__(self, message: str, returncode: int = 1) -> None:
        click.ClickException.__init__(self, message)
        self.returncode = returncode
        self.exit_code = returncode  # type: ignore[misc]  # click declares it on the class, but reads it from the object


class AppNotFound(CommandError):
    """Nothing can be served under the name given; the message says what was tried and what comes near."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


class NoAppInModule(AppNotFound):
    """The module was imported, but holds no Webframe and no factory of one."""


class UserCodeError(CommandError):
    """Code of the project raised; shown as its own traceback, without the frames that led there."""

    def __init__(self, doing: str, error: BaseException, in_command: bool = False) -> None:
        """`in_command`: it was called by the command as a part of its work, as receivers and migrations are."""
        super().__init__("\n".join([f"{doing}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ())]))
        self.in_command = in_command
        self.traceback = format_user_traceback(error)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the traceback, to stderr unless told otherwise."""
        click.echo(self.traceback, file=file, err=file is None, nl=False)


def format_user_traceback(error: BaseException) -> str:
    """Format an error as Python does, leaving out the frames of the command line and of the import system."""
    captured = traceback.TracebackException.from_exception(error)
    _hide_frames(captured)
    return "".join(captured.format())


def has_user_frames(error: BaseException) -> bool:
    """Tell whether anything but the import system was running when the error was raised."""
    return any(not is_hidden(frame.filename) for frame in traceback.extract_tb(error.__traceback__))


def is_hidden(filename: str) -> bool:
    """Tell whether frames of this file say nothing about the user's code."""
    return filename.startswith(HIDDEN_FRAMES)


def is_foreign(filename: str) -> bool:
    """Tell whether others have written a file: we, Python or an installed package. No frame of it is of the project."""
    return filename.startswith(_foreign())


@cache
def _foreign() -> tuple[str, ...]:
    folders = {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep, *folders, "<"


def _hide_frames(captured: traceback.TracebackException) -> None:
    frames = [frame for frame in captured.stack if not is_hidden(frame.filename)]
    of_project = [number for number, frame in enumerate(frames) if not is_foreign(frame.filename)]
    # How their code was reached says nothing about it either.
    captured.stack[:] = frames[of_project[0] if of_project else 0 :]
    for linked in (captured.__cause__, captured.__context__, *(captured.exceptions or ())):
        if linked is not None:
            _hide_frames(linked)

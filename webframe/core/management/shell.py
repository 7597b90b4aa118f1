"""`shell`: Python with the app at hand."""

from __future__ import annotations

import code
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

import webframe
from webframe import dispatch
from webframe.conf import settings
from webframe.core.management.errors import UserCodeError
from webframe.core.management.project import pass_app

if TYPE_CHECKING:
    from webframe.app import Webframe


@click.command()
@click.option("-c", "--command", "source", metavar="CODE", help="Run this code and end.")
@click.option("--plain", is_flag=True, help="Use Python's own prompt even where IPython is installed.")
@pass_app
def shell(app: Webframe, source: str | None, plain: bool) -> None:
    """Open Python with the app imported and set up.

    At hand are app, settings, Signal, receiver and everything that can be imported from webframe.
    Code that is piped in is run without a prompt.
    """
    names = names_at_hand(app)
    if source is not None:
        run_code(source, "<--command>", names)
    elif not sys.stdin.isatty():
        run_code(sys.stdin.read(), "<stdin>", names)
    elif not plain and find_spec("IPython") is not None:
        import_module("IPython").start_ipython(argv=[], user_ns=names)
    else:
        interact(names)


def names_at_hand(app: Webframe) -> dict[str, Any]:
    """What can be used in the shell without importing it."""
    front_door = {name: getattr(webframe, name) for name in webframe.__all__}
    signals = {"Signal": dispatch.Signal, "receiver": dispatch.receiver}
    return {"__name__": "__console__", **front_door, **signals, "settings": settings, "app": app}


def run_code(source: str, filename: str, names: dict[str, Any]) -> None:
    """Run code as if it had been typed; an error is shown as the traceback of that code."""
    try:
        exec(compile(source, filename, "exec"), names)
    except Exception as error:
        raise UserCodeError("The code failed", error) from error


def interact(names: dict[str, Any]) -> None:
    """Open Python's own prompt, with completion where readline is there."""
    try:
        readline = import_module("readline")
        completer = import_module("rlcompleter").Completer(names)
    except ImportError:
        pass  # Python was built without readline: the prompt works, only without completion.
    else:
        readline.set_completer(completer.complete)
        readline.parse_and_bind("tab: complete")
    app = names["app"]
    banner = f"Python {sys.version.split()[0]}, webframe app {app.import_name!r}; at hand: app, settings, and more."
    code.interact(banner=banner, local=names, exitmsg="")

"""`test`: pytest, with the app and the settings that the other commands have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec

import click

from webframe.core.management.errors import CommandError
from webframe.core.management.project import current_project


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGUMENTS]...")
@click.pass_context
def test(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run the tests with pytest, for the app and with the settings of the other commands.

    All arguments are pytest's: webframe test -x tests/test_orders.py. The exit code is pytest's too.
    """
    if find_spec("pytest") is None:
        raise CommandError("webframe test needs pytest, which is not installed: pip install pytest")
    target = current_project().target
    environment = os.environ if target is None else {**os.environ, "WEBFRAME_APP": target}
    # In a process of its own: nothing of the app and of webframe shall be imported before pytest looks on.
    context.exit(_run([sys.executable, "-m", "pytest", *arguments], dict(environment)))


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run a program to its end; Ctrl-C is its business, which may take its time to tidy up."""
    if threading.current_thread() is not threading.main_thread():
        return subprocess.call(command, env=environment)
    with subprocess.Popen(command, env=environment) as process:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)

"""`check`: looks for mistakes before they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from webframe.core import checks
from webframe.core.management.errors import CommandError
from webframe.core.management.project import pass_app

if TYPE_CHECKING:
    from webframe.app import Webframe

LEVELS = {
    "CRITICAL": checks.CRITICAL,
    "ERROR": checks.ERROR,
    "WARNING": checks.WARNING,
    "INFO": checks.INFO,
    "DEBUG": checks.DEBUG,
}


@click.command()
@click.option("--deploy", is_flag=True, help="Run the checks that matter on a public server, too.")
@click.option("-t", "--tag", "tags", multiple=True, help="Run only checks with this tag; may be given several times.")
@click.option("--list-tags", is_flag=True, help="List the tags and end.")
@click.option(
    "--fail-level",
    type=click.Choice(list(LEVELS), case_sensitive=False),
    default="ERROR",
    show_default=True,
    help="End with exit code 1 when there is a message of this level or a worse one.",
)
@pass_app
def check(app: Webframe, deploy: bool, tags: tuple[str, ...], list_tags: bool, fail_level: str) -> None:
    """Set the app up and look for mistakes in it and in its settings."""
    if list_tags:
        click.echo("\n".join(checks.tags_available(deploy=deploy)))
        return
    try:
        messages = checks.run_checks(tags=tags or None, deploy=deploy)
    except ValueError as error:
        raise CommandError(str(error), returncode=2) from error
    for message in sorted(messages, key=lambda message: -message.level):
        click.echo(f"{_level_name(message)} {message}")
    count = f"{len(messages) or 'no'} {'message' if len(messages) == 1 else 'messages'}"
    if any(message.is_serious(LEVELS[fail_level.upper()]) for message in messages):
        raise CommandError(f"The check failed, with {count}.")
    click.echo(f"The check passed, with {count}.")


def _level_name(message: checks.CheckMessage) -> str:
    """The name of the highest level that is not above the message's own, which may be any number."""
    return next((name for name, level in LEVELS.items() if message.level >= level), "DEBUG")

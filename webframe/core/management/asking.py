"""Asking somebody at a terminal what the models alone do not say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import click

from webframe.db.migrations.questioner import (
    InteractiveMigrationQuestioner,
    MigrationQuestioner,
    NonInteractiveMigrationQuestioner,
)


def questioner_for(
    interactive: bool, labels: Collection[str] = (), dry_run: bool = False, err: bool = False
) -> MigrationQuestioner:
    """What answers the questions of the autodetector: somebody at the terminal, or nobody.

    With `err` the questions go to standard error.
    """
    if not interactive:
        return NonInteractiveMigrationQuestioner(specified_apps=labels, dry_run=dry_run)

    def confirm(question: str, default: bool) -> bool:
        return click.confirm(question, default=default, err=err)

    def choose(question: str, choices: Sequence[str]) -> int:
        click.echo(question, err=err)
        for number, choice in enumerate(choices, start=1):
            click.echo(f" {number}) {choice}", err=err)
        answer: int = click.prompt("Which one", type=click.IntRange(1, len(choices)), err=err)
        return answer

    def read(prompt: str) -> str:
        answer: str = click.prompt(prompt.rstrip(), default="", show_default=False, prompt_suffix=" ", err=err)
        return answer

    def write(text: str) -> Any:
        click.echo(text, err=err)

    return InteractiveMigrationQuestioner(
        specified_apps=labels, dry_run=dry_run, confirm=confirm, choose=choose, read=read, write=write
    )

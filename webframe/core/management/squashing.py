"""`squashmigrations`: one migration that does what several do, and replaces them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from webframe.core.management.databases import (
    app_config,
    heading,
    no_input_option,
    notice,
    reported,
    verbosity_option,
)
from webframe.core.management.errors import CommandError
from webframe.core.management.making import prepare, shortened
from webframe.core.management.project import pass_app
from webframe.db.migrations.errors import AmbiguityError, CircularDependencyError, MigrationError, NodeNotFoundError
from webframe.db.migrations.loader import MigrationLoader
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.squashing import migrations_to_squash, squashed

if TYPE_CHECKING:
    from webframe.app import Webframe


@click.command()
@click.argument("app_label")
@click.argument("names", metavar="[START] END", nargs=-1, required=True)
@click.option("--no-optimize", is_flag=True, help="Keep every operation as it is.")
@click.option("--squashed-name", metavar="NAME", help="What stands behind the number in the name of the migration.")
@click.option("--no-header", is_flag=True, help="Write the file without the comment at the top.")
@no_input_option
@verbosity_option
@pass_app
def squashmigrations(
    app: Webframe,
    app_label: str,
    names: tuple[str, ...],
    no_optimize: bool,
    squashed_name: str | None,
    no_header: bool,
    interactive: bool,
    verbosity: int,
) -> None:
    """Write one migration that replaces several.

    It does what those from START, by default the first, to END do. As much of their names as is unique will do.
    """
    if len(names) > 2:
        raise CommandError(f"Name one migration or two, not {len(names)}.", returncode=2)
    app_config(app_label)
    with reported(None, MigrationError):
        parts = _named(app_label, *reversed(names))
        if verbosity or interactive:
            click.echo(heading("Will squash the following migrations:"))
            for part in parts:
                click.echo(f" - {part.name}")
        if interactive and not click.confirm("Go on?"):
            return
        made = squashed(parts, squashed_name, optimize=not no_optimize)
        if verbosity:
            _tell_what_was_saved(sum(len(part.operations) for part in parts), len(made.operations), no_optimize)
        writer = prepare(made, not no_header)
        if os.path.exists(writer.path):
            raise CommandError(f"{shortened(writer.path)} is there already: choose another --squashed-name.")
        _refuse_circle(made)
        writer.write()
    if verbosity:
        click.echo(heading(f"Created new squashed migration {shortened(writer.path)}"))
        click.echo(
            "  Keep the old files until every database has had them, or this one instead; then delete them, and take\n"
            "  'replaces' out of this one."
        )
        if writer.needs_manual_porting:
            click.echo(
                notice("  It uses functions of the old files: see the comment at its top before you delete them.")
            )


def _named(app_label: str, end: str, start: str | None = None) -> list[Migration]:
    loader = MigrationLoader(None, ignore_no_initial=True)
    if app_label not in loader.migrated_apps:
        raise CommandError(f"The app {app_label!r} has no migrations.", returncode=2)
    try:
        return migrations_to_squash(loader, app_label, end, start)
    except (AmbiguityError, NodeNotFoundError) as error:
        raise CommandError(str(error), returncode=2) from error


def _refuse_circle(made: Migration) -> None:
    """Raise CommandError where a migration of another app stands between those that become one."""
    try:
        MigrationLoader(None, load=False, ignore_no_initial=True).build_graph(made)
    except CircularDependencyError as error:
        others = ", ".join(f"{label}.{name}" for label, name in sorted(error.circle) if (label, name) != made.key)
        raise CommandError(
            f"These cannot be one migration: some of them come before {others}, and some behind. "
            f"Squash the ones before and the ones behind, each by themselves."
        ) from error


def _tell_what_was_saved(before: int, after: int, unoptimized: bool) -> None:
    if unoptimized:
        click.echo("(Not optimized.)")
        return
    click.echo(heading("Optimizing..."))
    if after < before:
        click.echo(f"  Optimized from {before} operations to {after} operations.")
    else:
        click.echo("  No optimizations possible.")

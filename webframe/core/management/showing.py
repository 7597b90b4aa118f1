"""`showmigrations` and `sqlmigrate`: which migrations there are, and what they would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from webframe.core.management.databases import app_config, database_option, notice, reported, verbosity_option
from webframe.core.management.databases import database as database_of
from webframe.core.management.errors import CommandError
from webframe.core.management.migrating import named_migration
from webframe.core.management.project import pass_app
from webframe.db.migrations.errors import MigrationError
from webframe.db.migrations.loader import MigrationLoader

if TYPE_CHECKING:
    from webframe.app import Webframe


@click.command()
@click.argument("app_labels", metavar="[APP_LABEL]...", nargs=-1)
@database_option("The database whose applied migrations are marked.")
@click.option("--list", "-l", "form", flag_value="list", default="list", type=str, help="By app; this is the default.")
@click.option("--plan", "-p", "form", flag_value="plan", type=str, help="In the order in which they are applied.")
@verbosity_option
@pass_app
def showmigrations(app: Webframe, app_labels: tuple[str, ...], database: str, form: str, verbosity: int) -> None:
    """List the migrations, and which of them are applied.

    An X marks those that are applied. With -v 2 the list says when, and --plan says what each depends on.
    """
    connection = database_of(database)
    for label in app_labels:
        app_config(label)
    with reported(connection, MigrationError):
        loader = MigrationLoader(connection, ignore_no_initial=True)
        lines = in_order(loader, app_labels, verbosity) if form == "plan" else by_app(loader, app_labels, verbosity)
        for line in lines:
            click.echo(line)


def by_app(loader: MigrationLoader, labels: Sequence[str], verbosity: int = 1) -> Iterator[str]:
    """The migrations of each app, in their order."""
    for label in labels or sorted(loader.migrated_apps):
        yield click.style(label, bold=True)
        keys = dict.fromkeys(
            key
            for leaf in loader.graph.leaf_nodes(label)
            for key in loader.graph.forwards_plan(leaf)
            if key[0] == label
        )
        for key in keys:
            migration = loader.graph.nodes[key]
            squashed = ""
            if migration is not None and migration.replaces:
                squashed = f" ({len(migration.replaces)} squashed migrations)"
            applied = loader.applied_migrations.get(key)
            if applied is None:
                yield f" [ ] {key[1]}{squashed}"
            elif key in loader.recorded_migrations:
                moment = getattr(applied, "applied", None) if verbosity >= 2 else None
                when = f" (applied at {moment:%Y-%m-%d %H:%M:%S})" if moment is not None else ""
                yield f" [X] {key[1]}{squashed}{when}"
            else:
                # All that it replaces is applied, and `migrate` has not noted it yet.
                yield f" [-] {key[1]}{squashed} run 'webframe migrate' to note it"
        if not keys:
            yield notice(" (no migrations)")


def in_order(loader: MigrationLoader, labels: Sequence[str], verbosity: int = 1) -> Iterator[str]:
    """All migrations in an order in which they can be applied; with labels, those of these apps and what they need."""
    graph = loader.graph
    leaves = [key for key in graph.leaf_nodes() if not labels or key[0] in labels]
    keys = dict.fromkeys(key for leaf in leaves for key in graph.forwards_plan(leaf))
    for key in keys:
        parents = sorted(str(parent) for parent in graph.node_map[key].parents) if verbosity >= 2 else []
        mark = "X" if key in loader.applied_migrations else " "
        yield f"[{mark}]  {'.'.join(key)}" + (f" ... ({', '.join(parents)})" if parents else "")
    if not keys:
        yield notice("(no migrations)")


@click.command()
@click.argument("app_label")
@click.argument("migration_name", metavar="MIGRATION")
@database_option("The database that the SQL is for.")
@click.option("--backwards", is_flag=True, help="Write the SQL that undoes the migration.")
@pass_app
def sqlmigrate(app: Webframe, app_label: str, migration_name: str, database: str, backwards: bool) -> None:
    """Write the SQL of a migration.

    MIGRATION is its name, or as much of the beginning as is unique. Nothing is executed.
    """
    connection = database_of(database)
    app_config(app_label)
    with reported(connection, MigrationError):
        loader = MigrationLoader(connection, replace_migrations=False)
        if app_label not in loader.migrated_apps:
            raise CommandError(f"The app {app_label!r} has no migrations.", returncode=2)
        migration: Any = named_migration(loader, app_label, migration_name)
        statements = loader.collect_sql([(migration, backwards)])
    if not statements:
        click.echo("No operations found.", err=True)
        return
    together = migration.atomic and connection.features.can_rollback_ddl
    for line in ["BEGIN;", *statements, "COMMIT;"] if together else statements:
        click.echo(line)

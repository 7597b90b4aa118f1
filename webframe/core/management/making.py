"""`makemigrations`: what has changed in the models, written as migrations. No database is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from webframe._lazy import LateModule
from webframe.apps.config import how_to_install
from webframe.apps.registry import apps
from webframe.core.management.asking import questioner_for
from webframe.core.management.databases import (
    app_config,
    heading,
    no_input_option,
    notice,
    reported,
    verbosity_option,
)
from webframe.core.management.errors import CommandError
from webframe.core.management.migrating import refuse_conflicts
from webframe.core.management.project import pass_app
from webframe.db.connections import connections
from webframe.db.migrations.autodetector import MigrationAutodetector
from webframe.db.migrations.errors import MigrationError
from webframe.db.migrations.loader import MigrationLoader
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.recorder import MigrationRecorder
from webframe.db.migrations.state import ProjectState

if TYPE_CHECKING:
    from webframe.app import Webframe
    from webframe.core.management import merging
    from webframe.db.migrations import optimizer
    from webframe.db.migrations import writer as writing
else:
    merging = LateModule("webframe.core.management.merging")
    optimizer = LateModule("webframe.db.migrations.optimizer")
    writing = LateModule("webframe.db.migrations.writer")

# New migrations by the label of their app.
Changes = dict[str, list[Migration]]


@click.command()
@click.argument("app_labels", metavar="[APP_LABEL]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show what would be made, and write nothing; with -v 3 the files, too.")
@click.option("--check", "check_changes", is_flag=True, help="Write nothing; end with exit code 1 if something is new.")
@click.option("--empty", is_flag=True, help="Make a migration without operations, to be filled by hand.")
@click.option("--merge", is_flag=True, help="Join migrations that are each the last of their app.")
@click.option("-n", "--name", metavar="NAME", help="What stands behind the number in the names of the migrations.")
@click.option("--update", is_flag=True, help="Put what is new into the last migration of the app.")
@click.option("--no-header", is_flag=True, help="Write files without the comment at the top.")
@click.option("--scriptable", is_flag=True, help="Write paths of files to stdout, and all else to stderr.")
@no_input_option
@verbosity_option
@pass_app
def makemigrations(app: Webframe, /, app_labels: tuple[str, ...], **options: Any) -> None:
    """Write migrations for what has changed in the models.

    Apps that have no migrations yet get their first when they are named.
    """
    Making(app_labels, **options).run()


class Making:
    """One call of `makemigrations`."""

    def __init__(
        self,
        app_labels: tuple[str, ...] = (),
        *,
        dry_run: bool = False,
        check_changes: bool = False,
        empty: bool = False,
        merge: bool = False,
        name: str | None = None,
        update: bool = False,
        no_header: bool = False,
        scriptable: bool = False,
        interactive: bool = True,
        verbosity: int = 1,
    ) -> None:
        self.app_labels = app_labels
        self.dry_run = dry_run
        self.check_changes = check_changes
        self.empty = empty
        self.merge = merge
        self.name = name
        self.update = update
        self.no_header = no_header
        self.scriptable = scriptable
        self.interactive = interactive
        self.verbosity = verbosity

    def run(self) -> None:
        """Do what was asked for. Raises CommandError for whatever keeps it from being done."""
        if self.name is not None and not f"m{self.name}".isidentifier():
            raise CommandError(
                f"--name {self.name!r} cannot be a part of the name of a module: use letters, digits and underscores.",
                returncode=2,
            )
        if self.empty and not self.app_labels:
            raise CommandError("--empty needs to know the app: webframe makemigrations APP --empty.", returncode=2)
        for label in self.app_labels:
            app_config(label)
        with reported(None, MigrationError):
            loader = MigrationLoader(None, ignore_no_initial=True)
            if self.merge:
                self._merge(loader)
            else:
                refuse_conflicts(loader, self.app_labels)
                self._make(loader)

    def _make(self, loader: MigrationLoader) -> None:
        questioner = questioner_for(
            self.interactive, self.app_labels, self.dry_run or self.check_changes, err=self.scriptable
        )
        detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps), questioner)
        if self.empty:
            changes = detector.arrange_for_graph(
                {label: [Migration("custom", label)] for label in self.app_labels}, loader.graph, self.name
            )
        else:
            named = set(self.app_labels) or None
            changes = detector.changes(
                graph=loader.graph, trim_to_apps=named, convert_apps=named, migration_name=self.name
            )
        if not changes:
            self._say_that_nothing_is_new(loader)
        elif self.update:
            self._write_into_last(loader, changes)
        else:
            self._write(changes)
        if changes and self.check_changes:
            click.get_current_context().exit(1)

    def _say_that_nothing_is_new(self, loader: MigrationLoader) -> None:
        where = ""
        if self.app_labels:
            where = f" in app{'s' if len(self.app_labels) > 1 else ''} {', '.join(map(repr, self.app_labels))}"
        self._tell(f"No changes detected{where}")
        if not self.app_labels:
            for model in apps.get_stray_models():
                self._tell(notice(f"{model._meta.label} belongs to no installed app, so it gets no migrations."))
                self._tell(notice(f"  {how_to_install(model)}."))
        without = [
            config.label
            for config in apps.get_app_configs()
            if config.label in loader.unmigrated_apps and next(config.get_models(), None) is not None
        ]
        if without and not self.app_labels:
            self._tell(f"Apps without migrations get their first with: webframe makemigrations {' '.join(without)}")

    # -- writing

    def _write(self, changes: Changes) -> None:
        # All texts before the first file: what cannot be written keeps everything from being written.
        prepared = {
            label: [prepare(migration, not self.no_header) for migration in migrations]
            for label, migrations in changes.items()
        }
        for label, writers in prepared.items():
            self._write_those_of(label, writers)

    def _write_those_of(self, label: str, writers: list[writing.MigrationWriter]) -> None:
        self._tell(heading(f"Migrations for {label!r}:"))
        for writer in writers:
            self._tell(click.style(f"  {shortened(writer.path)}", bold=True))
            for operation in writer.migration.operations:
                self._tell(f"    {operation.formatted_description()}")
            self._put(writer)

    def _put(self, writer: writing.MigrationWriter) -> None:
        if self.dry_run or self.check_changes:
            if self.verbosity >= 3:
                self._tell(heading(f"The file {writer.filename}:"))
                self._tell(writer.as_string())
            return
        writer.write()
        if self.scriptable:
            click.echo(shortened(writer.path))
        if writer.needs_manual_porting:
            self._tell(notice("  It uses functions of other migrations: see the comment at its top."))

    def _write_into_last(self, loader: MigrationLoader, changes: Changes) -> None:
        prepared = []
        for label, migrations in changes.items():
            last = _last_of(loader, label)
            before = writing.MigrationWriter(last).path
            prepared.append((label, before, self._prepare_updated(last, migrations)))
        for label, before, writer in prepared:
            self._write_those_of(label, [writer])
            if before == writer.path or self.dry_run or self.check_changes:
                continue
            if writer.refers_to(type(writer.migration).__module__):
                self._tell(notice(f"  Kept {shortened(before)}: delete it when its functions are in the new file."))
            else:
                os.remove(before)
                self._tell(f"  Deleted {shortened(before)}")

    def _prepare_updated(self, last: Migration, migrations: list[Migration]) -> writing.MigrationWriter:
        """The last migration with what is new, under the name that fits now."""
        for migration in migrations:
            last.operations = [*last.operations, *migration.operations]
            last.dependencies = [
                *last.dependencies,
                *(
                    each
                    for each in migration.dependencies
                    if each[0] != last.app_label and each not in last.dependencies
                ),
            ]
        last.operations = optimizer.MigrationOptimizer().optimize(last.operations, last.app_label)
        number, _, _ = last.name.partition("_")
        former, last.name = last.name, f"{number}_{self.name or last.suggest_name()}"
        writer = prepare(last, not self.no_header)
        if last.name == former and writer.refers_to(type(last).__module__):
            # The file that it would be put into is the one with the functions.
            last.name = f"{former}_updated"
        return writer

    # -- merging

    def _merge(self, loader: MigrationLoader) -> None:
        conflicts = loader.detect_conflicts()
        chosen = {label: names for label, names in conflicts.items() if not self.app_labels or label in self.app_labels}
        if not chosen:
            self._tell("No conflicts detected to merge.")
        for label, names in chosen.items():
            branches = merging.branches_of(loader, label, names)
            self._show_branches(label, branches)
            if self.interactive and not questioner_for(True, err=self.scriptable).ask_merge(label):
                continue
            writer = prepare(merging.merge_migration(label, names, self.name), not self.no_header)
            self._put(writer)
            if not (self.dry_run or self.check_changes):
                self._tell(f"Created new merge migration {shortened(writer.path)}")
        if chosen and self.check_changes:
            click.get_current_context().exit(1)

    def _show_branches(self, label: str, branches: merging.Branches) -> None:
        self._tell(heading(f"Merging {label}"))
        for name, operations in branches.items():
            self._tell(click.style(f"  Branch {name}", bold=True))
            for operation in operations:
                self._tell(f"    {operation.formatted_description()}")

    def _tell(self, line: str) -> None:
        if self.verbosity >= 1:
            click.echo(line, err=self.scriptable)


def _last_of(loader: MigrationLoader, label: str) -> Migration:
    """The migration that may be changed once more. Raises CommandError where it may not."""
    leaves = loader.graph.leaf_nodes(label)
    if not leaves:
        raise CommandError(f"The app {label!r} has no migration that could be updated.", returncode=2)
    last = loader.disk_migrations[leaves[0]]
    why = ""
    if last.replaces:
        why = "it is a squashed one"
    elif others := sorted(str(node) for node in loader.graph.node_map[last.key].children):
        why = f"{', '.join(others)} depends on it"
    else:
        for alias in connections:
            with reported(connections[alias]):
                if last.key in MigrationRecorder(connections[alias]).applied_migrations():
                    why = f"it is applied to the database {alias!r}"
    if why:
        raise CommandError(f"The migration {last} cannot be updated: {why}. Make a new one, without --update.")
    return last


def prepare(migration: Migration, include_header: bool) -> writing.MigrationWriter:
    """What will write a migration, known to be able to. Raises CommandError for a value that cannot be written."""
    writer = writing.MigrationWriter(migration, include_header=include_header)
    with reported(None, ValueError, MigrationError):
        _ = writer.path, writer.as_string()
    return writer


def shortened(path: str) -> str:
    """A path relative to the current folder, where it lies below that."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path
    return path if relative.startswith(os.pardir) else relative

"""`migrate`, which brings a database to where the migrations say it should be; `syncdb`, as that was called once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from webframe._lazy import LateModule
from webframe.apps.config import AppConfig, ImplicitAppConfig, how_to_install
from webframe.apps.registry import apps
from webframe.core.management.databases import (
    Output,
    app_config,
    database_option,
    heading,
    no_input_option,
    notice,
    reported,
    success,
    verbosity_option,
)
from webframe.core.management.databases import database as database_of
from webframe.core.management.errors import CommandError
from webframe.core.management.project import pass_app
from webframe.db.connections import router
from webframe.db.errors import Error
from webframe.db.introspection import table_names
from webframe.db.migrations.announcing import Step, emit_post_migrate, emit_pre_migrate, import_receivers
from webframe.db.migrations.errors import AmbiguityError, MigrationError, NodeNotFoundError, PartlyAppliedError
from webframe.db.migrations.executor import MigrationExecutor
from webframe.db.migrations.lock import migration_lock
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.state import ProjectState

if TYPE_CHECKING:
    from webframe.app import Webframe
    from webframe.db import schema
    from webframe.db.migrations import autodetector
else:
    autodetector = LateModule("webframe.db.migrations.autodetector")
    # It loads Alembic, which takes longer than a migrate that finds nothing to do.
    schema = LateModule("webframe.db.schema")

# An app label and the name of a migration to reach; None: nothing of the app.
Target = tuple[str, str | None]


@click.command()
@click.argument("app_label", required=False)
@click.argument("migration_name", metavar="[MIGRATION|zero]", required=False)
@database_option("The database to migrate.")
@click.option("--plan", "show_plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--check", "check_unapplied", is_flag=True, help="Only end with exit code 1 if something is to be done.")
@click.option("--fake", is_flag=True, help="Note migrations as applied, or as undone, without running them.")
@click.option("--fake-initial", is_flag=True, help="Do so with first migrations of apps whose tables are there.")
@click.option("--run-syncdb", is_flag=True, help="Create the tables of apps without migrations.")
@click.option("--prune", is_flag=True, help="Forget that migrations are applied whose files are gone; needs an app.")
@no_input_option
@verbosity_option
@pass_app
def migrate(app: Webframe, /, app_label: str | None, migration_name: str | None, database: str, **options: Any) -> None:
    """Apply migrations, or undo them down to the one that is named.

    Without an app all apps are migrated; with one, it and what it depends on. MIGRATION is the name of a migration
    or as much of its beginning as is unique; "zero" undoes all of the app.
    """
    Migrating(database, app_label, migration_name, **options).run()


@click.command()
@database_option("The database to create tables in.")
@no_input_option
@verbosity_option
@pass_app
def syncdb(app: Webframe, /, database: str, **options: Any) -> None:
    """Deprecated: what migrate --run-syncdb does."""
    click.echo("Warning: syncdb is deprecated; use migrate --run-syncdb.", err=True)
    Migrating(database, run_syncdb=True, **options).run()


class Migrating:
    """One call of `migrate`."""

    def __init__(
        self,
        alias: str,
        app_label: str | None = None,
        migration_name: str | None = None,
        *,
        show_plan: bool = False,
        check_unapplied: bool = False,
        fake: bool = False,
        fake_initial: bool = False,
        run_syncdb: bool = False,
        prune: bool = False,
        interactive: bool = True,
        verbosity: int = 1,
    ) -> None:
        self.alias = alias
        self.app_label = app_label
        self.migration_name = migration_name
        self.show_plan = show_plan
        self.check_unapplied = check_unapplied
        self.fake = fake
        self.fake_initial = fake_initial
        self.run_syncdb = run_syncdb
        self.prune = prune
        self.interactive = interactive
        self.verbosity = verbosity
        self.output = Output()

    def run(self) -> None:
        """Do what was asked for. Raises CommandError for whatever keeps it from being done."""
        if self.prune and self.app_label is None:
            raise CommandError("--prune needs to know the app: webframe migrate APP --prune.", returncode=2)
        if self.app_label is not None:
            app_config(self.app_label)
        import_receivers()
        with reported(self.connection, MigrationError, PartlyAppliedError):
            if self.show_plan or self.check_unapplied:
                self._preview()
            else:
                with migration_lock(self.connection, self._tell):
                    if self.prune:
                        self._forget_lost_migrations()
                    else:
                        self._migrate()

    @cached_property
    def progress(self) -> Progress:
        """What tells of each migration."""
        return Progress(self.output, self.verbosity)

    @cached_property
    def connection(self) -> Any:
        """The wrapper of the database."""
        return database_of(self.alias)

    @cached_property
    def executor(self) -> MigrationExecutor:
        """What knows all migrations, and those applied; made when the database is locked."""
        executor = MigrationExecutor(self.connection, self.progress.report, self._tell)
        executor.loader.check_consistent_history(self.connection)
        refuse_conflicts(executor.loader)
        return executor

    def _tell(self, line: str) -> None:
        if self.verbosity >= 1:
            self.output.write(line)

    # -- what is asked for

    @cached_property
    def targets(self) -> list[Target]:
        """The migrations to reach."""
        loader = self.executor.loader
        if self.app_label is None:
            return list(loader.graph.leaf_nodes())
        if self.app_label not in loader.migrated_apps:
            if self.migration_name is None and self.app_label in self.apps_to_sync:
                return []
            raise CommandError(
                f"The app {self.app_label!r} has no migrations. Make them with 'webframe makemigrations "
                f"{self.app_label}', or create its tables as they are now with --run-syncdb.",
                returncode=2,
            )
        if self.run_syncdb:
            raise CommandError(
                f"--run-syncdb is for apps without migrations, and {self.app_label!r} has some.", returncode=2
            )
        if self.migration_name is None:
            return list(loader.graph.leaf_nodes(self.app_label))
        if self.migration_name == "zero":
            return [(self.app_label, None)]
        key = named_migration(loader, self.app_label, self.migration_name).key
        if key not in loader.graph and key in loader.replacements:
            # A squashed migration of which only a part is applied: the last one that it replaces is as far as it goes.
            key = tuple(loader.replacements[key].replaces[-1])
        return [key]

    @cached_property
    def apps_to_sync(self) -> list[str]:
        """The labels of the apps whose tables are created without migrations.

        That is done unasked for the app of a `Webframe`, as long as it has none.
        """
        wanted = [
            config
            for config in apps.get_app_configs()
            if config.label in self.executor.loader.unmigrated_apps
            and self.app_label in (None, config.label)
            and self.migration_name is None
            and (self.run_syncdb or isinstance(config, ImplicitAppConfig))
        ]
        return [config.label for config in wanted if self._models_of(config)]

    def _models_of(self, config: AppConfig) -> list[type[Any]]:
        models = router.get_migratable_models(config, self.alias, include_auto_created=True)
        return [model for model in models if model._meta.managed and not model._meta.proxy]

    @cached_property
    def models_to_create(self) -> list[type[Any]]:
        """The models of those apps that have no table yet."""
        if not self.apps_to_sync:
            return []
        there = table_names(self.connection)
        models = [model for label in self.apps_to_sync for model in self._models_of(apps.get_app_config(label))]
        return [model for model in models if model._meta.db_table not in there]

    # -- doing it

    def _preview(self) -> None:
        plan = self.executor.migration_plan(self.targets)
        anything = bool(plan or self.models_to_create)
        if self.show_plan:
            self.output.write(heading("Planned operations:"))
            if not anything:
                self.output.write("  No planned migration operations.")
            for model in self.models_to_create:
                self.output.write(f"  Create table {model._meta.db_table}")
            for migration, backwards in plan:
                self.output.write(heading(str(migration)))
                for line in described(migration, backwards):
                    self.output.write(f"    {line}")
        if self.check_unapplied and anything:
            click.get_current_context().exit(1)

    def _migrate(self) -> None:
        plan = self.executor.migration_plan(self.targets)
        self._say_what_is_asked()
        state = self.executor._create_project_state(with_applied_migrations=True)
        about: dict[str, Any] = {
            "verbosity": self.verbosity,
            "interactive": self.interactive,
            "using": self.alias,
            "stdout": self.output,
            "plan": plan,
        }
        models = self.models_to_create
        emit_pre_migrate(**about, apps=state.apps, create_models=models)
        if self.apps_to_sync:
            self._create_tables(models)
        if self.executor.loader.migrated_apps or plan:
            self._tell(heading("Running migrations:"))
            if plan:
                state = self._carry_out(plan, state)
            else:
                self._tell("  No migrations to apply.")
                self.executor.check_replacements()
                if self.verbosity >= 1:
                    self._warn_of_changes(state)
        emit_post_migrate(**about, apps=state.complete_apps, created_models=models)

    def _say_what_is_asked(self) -> None:
        if self.app_label is None:
            for model in apps.get_stray_models():
                self._tell(notice(f"{model._meta.label} belongs to no installed app, so it gets no table."))
                self._tell(notice(f"  {how_to_install(model)}."))
        self._tell(heading("Operations to perform:"))
        if self.apps_to_sync:
            plural = "s" if len(self.apps_to_sync) > 1 else ""
            self._tell(f"  Synchronize unmigrated app{plural}: {', '.join(sorted(self.apps_to_sync))}")
        if self.migration_name is None and not self.targets and self.apps_to_sync:
            return
        if self.migration_name is None:
            self._tell(f"  Apply all migrations: {', '.join(sorted({label for label, _ in self.targets})) or '(none)'}")
        elif self.targets[0][1] is None:
            self._tell(f"  Unapply all migrations: {self.app_label}")
        else:
            self._tell(f"  Target specific migration: {self.targets[0][1]}, from {self.app_label}")

    def _create_tables(self, models: list[type[Any]]) -> None:
        self._tell(heading("Synchronizing apps without migrations:"))
        created = schema.create_all(*models, using=self.alias) if models else []
        for name in created:
            self._tell(f"  Created table {name}")
        if not created:
            self._tell("  No tables to create.")

    def _carry_out(self, plan: list[Step], state: Any) -> Any:
        try:
            return self.executor.migrate(
                self.targets, plan=plan, state=state.clone(), fake=self.fake, fake_initial=self.fake_initial
            )
        except BaseException as error:
            migration = self.progress.current
            if migration is not None and self.verbosity >= 1:
                self.output.write("")  # ends the line of the migration
            # What was done of it, as where nothing is taken back, may have made those tables itself.
            is_first = not getattr(error, "done", None)
            if isinstance(error, Error) and is_first and migration is not None and not self.fake_initial:
                with contextlib.suppress(Exception):
                    if self.executor.detect_soft_applied(state, migration)[0]:
                        error.add_note("If the tables of this app were made without migrations, use --fake-initial.")
            raise

    def _warn_of_changes(self, state: ProjectState) -> None:
        """Say so if models have changed since the last migrations; `state` is that of those that are applied."""
        loader = self.executor.loader
        last = state if loader.graph.nodes.keys() <= loader.applied_migrations.keys() else loader.project_state()
        detector = autodetector.MigrationAutodetector(last, ProjectState.from_apps(apps))
        try:
            changes = detector.changes(graph=loader.graph)
        except MigrationError as error:
            # That is for makemigrations to refuse: what was to be applied is applied.
            self._tell(notice(f"  The models have changes that are in no migration yet. {error}"))
            return
        if changes:
            labels = ", ".join(map(repr, sorted(changes)))
            self._tell(notice(f"  The models of {labels} have changes that are in no migration yet."))
            self._tell(notice("  Make migrations of them with 'webframe makemigrations', then migrate again."))

    def _forget_lost_migrations(self) -> None:
        loader = self.executor.loader
        self._tell(heading("Pruning migrations:"))
        lost = sorted(
            key for key in loader.recorded_migrations if key[0] == self.app_label and key not in loader.disk_migrations
        )
        needed = sorted(
            str(migration)
            for migration in loader.replacements.values()
            if any(tuple(each) in lost for each in migration.replaces)
            and migration.key not in loader.recorded_migrations
        )
        if needed:
            raise CommandError(
                f"Some of these migrations are replaced by {', '.join(needed)}, which is not noted as applied: migrate "
                f"first, and take 'replaces' out of it."
            )
        for label, name in lost:
            self.executor.recorder.record_unapplied(label, name)
            self._tell(f"  Pruning {label}.{name}... {success('OK')}")
        if not lost:
            self._tell("  No migrations to prune.")


class Progress:
    """Tells of each migration when it begins and when it is done."""

    def __init__(self, output: Output, verbosity: int) -> None:
        self.output = output
        self.verbosity = verbosity
        # The migration that has begun and is not done.
        self.current: Migration | None = None
        self._started = 0.0

    def report(self, action: str, migration: Migration, fake: bool = False) -> None:
        """What the executor calls."""
        begins = action.endswith("_start")
        self.current = migration if begins else None
        if self.verbosity < 1:
            return
        if begins:
            self._started = time.monotonic()
            verb = "Applying" if action == "apply_start" else "Unapplying"
            self.output.write(f"  {verb} {migration}...", ending="")
            self.output.flush()
        else:
            elapsed = f" ({time.monotonic() - self._started:.3f}s)" if self.verbosity > 1 else ""
            self.output.write(success(f" {'FAKED' if fake else 'OK'}{elapsed}"))


def refuse_conflicts(loader: Any, labels: Collection[str] = ()) -> None:
    """Raise CommandError if an app, or one of those named, has several last migrations."""
    conflicts = {label: names for label, names in loader.detect_conflicts().items() if not labels or label in labels}
    if conflicts:
        listed = "; ".join(f"{', '.join(names)} in {label}" for label, names in sorted(conflicts.items()))
        raise CommandError(
            f"Conflicting migrations: each of these is the last of its app ({listed}). "
            "Join them with 'webframe makemigrations --merge'."
        )


def named_migration(loader: Any, app_label: str, name: str) -> Migration:
    """The migration whose name begins so. Raises CommandError where there is none, or where there are several."""
    try:
        migration: Migration = loader.get_migration_by_prefix(app_label, name)
    except (AmbiguityError, NodeNotFoundError) as error:
        raise CommandError(str(error), returncode=2) from error
    return migration


def described(migration: Migration, backwards: bool) -> Iterator[str]:
    """A line for each operation of a migration, in the order in which they are done."""
    operations = reversed(migration.operations) if backwards else migration.operations
    for operation in operations:
        if not backwards:
            yield operation.describe()
        elif operation.reversible:
            yield f"Undo {operation.describe()}"
        else:
            yield notice(f"Undo {operation.describe()} -> IRREVERSIBLE")

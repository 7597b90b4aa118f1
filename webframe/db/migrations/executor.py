"""Applying migrations and undoing them: which, in which order, and in which transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.connections import router
from webframe.db.introspection import table_names
from webframe.db.migrations.errors import InvalidMigrationPlan
from webframe.db.migrations.loader import MigrationLoader, replaced_by
from webframe.db.migrations.lock import Notify, is_locked_here, migration_lock
from webframe.db.migrations.migration import Key, Migration
from webframe.db.migrations.operations.fields import AddField
from webframe.db.migrations.operations.models import CreateModel
from webframe.db.migrations.operations.special import SeparateDatabaseAndState
from webframe.db.migrations.recorder import MigrationRecorder
from webframe.db.migrations.state import ProjectState

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")

# Migrations in the order in which they run, each with whether it is undone.
Plan = list[tuple[Migration, bool]]

# Called with "apply_start", "apply_success", "unapply_start" or "unapply_success", the migration, and whether it is
# only noted and not run.
Progress = Callable[[str, Migration, bool], object]


class MigrationExecutor:
    """Brings one database to where it shall be.

    Make it while `migration_lock` is held, so that what it knows of the database
    stays true; `migrate` takes that lock too. `notify` is told when it has to wait.
    """

    def __init__(
        self, connection: Any, progress_callback: Progress | None = None, notify: Notify | None = None
    ) -> None:
        self.connection = connection
        self.loader = MigrationLoader(connection)
        self.recorder = MigrationRecorder(connection)
        self.progress_callback = progress_callback
        self.notify = notify

    # -- planning

    def migration_plan(self, targets: Iterable[tuple[str, str | None]], clean_start: bool = False) -> Plan:
        """What is to be done to reach some migrations, as pairs (migration, whether it is undone).

        A target that is applied is one to go back to: what its app has after it is
        undone; ``(app, None)`` means that nothing of the app stays. With
        `clean_start` nothing counts as applied.
        """
        targets = list(targets)
        applied = set() if clean_start else set(self.loader.applied_migrations)
        graph = self.loader.graph
        plan: Plan = []
        for app_label, name in targets:
            if name is None:
                self._plan_backwards(graph.root_nodes(app_label), applied, plan)
                continue
            target = app_label, name
            if target not in graph and target in self.loader.replacements:
                # It cannot be used: a part of what it replaces is applied, and the last of that is where it leads.
                target = replaced_by(self.loader.replacements[target])[-1]
            if target not in graph and target in self.loader.disk_migrations:
                self.loader.expand(target)
                return self.migration_plan(targets, clean_start)
            if target in applied:
                children = graph.node_map[target].children
                self._plan_backwards(sorted(node.key for node in children if node.key[0] == app_label), applied, plan)
                continue
            for key in graph.forwards_plan(target):
                if key not in applied:
                    applied.add(key)
                    plan.append((self.loader[key], False))
        return plan

    def _plan_backwards(self, keys: Iterable[Key], applied: set[Key], plan: Plan) -> None:
        for start in keys:
            for key in self.loader.graph.backwards_plan(start):
                if key in applied:
                    applied.remove(key)
                    plan.append((self.loader[key], True))

    def _full_plan(self) -> list[Migration]:
        """All migrations, in an order in which they can be applied."""
        return [migration for migration, _ in self.migration_plan(self.loader.graph.leaf_nodes(), clean_start=True)]

    # -- migrating

    def migrate(
        self,
        targets: Iterable[tuple[str, str | None]] | None,
        plan: Plan | None = None,
        state: Any = None,
        fake: bool = False,
        fake_initial: bool = False,
    ) -> Any:
        """Carry a plan out, by default the one that leads to `targets`; returns the state of the models then.

        Each migration is a transaction of its own. `state` is the state of the
        applied migrations, if it is known; with `fake` migrations are noted only,
        with `fake_initial` also the first of an app whose tables are there.
        """
        known = is_locked_here(self.connection)
        with migration_lock(self.connection, self.notify):
            if not known and (plan is None or plan):
                # Somebody may have been migrating until now.
                self.loader.build_graph()
            if plan is None:
                plan = self.migration_plan(self.loader.graph.leaf_nodes() if targets is None else targets)
            elif not known and (left := self._still_to_do(plan)) != plan:
                plan, state = left, None
            if plan:
                self.recorder.ensure_schema()
                state = self._carry_out(plan, state, fake, fake_initial)
            elif state is None:
                state = self._create_project_state(with_applied_migrations=True)
            self.check_replacements()
            return state

    def _still_to_do(self, plan: Plan) -> Plan:
        applied = self.loader.applied_migrations
        return [(migration, backwards) for migration, backwards in plan if (migration.key in applied) is backwards]

    def _carry_out(self, plan: Plan, state: Any, fake: bool, fake_initial: bool) -> Any:
        if len({backwards for _, backwards in plan}) > 1:
            raise InvalidMigrationPlan(
                f"The plan would undo some migrations and apply others: {_shown(plan)}. Name targets that lie in one "
                f"direction."
            )
        if plan[0][1]:
            return self._migrate_all_backwards(plan, fake)
        if state is None:
            state = self._create_project_state(with_applied_migrations=True)
        for migration, _ in plan:
            state = self.apply_migration(state, migration, fake=fake, fake_initial=fake_initial)
        return state

    def _migrate_all_backwards(self, plan: Plan, fake: bool) -> Any:
        if not fake:
            for migration, _ in plan:
                migration.refuse_if_irreversible()
        undone = {migration.key for migration, _ in plan}
        # Nothing of what stays depends on what is undone: the state after all that stays comes before the rest.
        last = self._create_project_state(with_applied_migrations=True, but=undone)
        earlier = []
        state = last
        for migration, _ in reversed(plan):
            earlier.append(state)
            state = migration.mutate_state(state)
        for migration, _ in plan:
            self.unapply_migration(earlier.pop(), migration, fake=fake)
        return last

    def _create_project_state(self, with_applied_migrations: bool = False, but: Iterable[Key] = ()) -> Any:
        """The state of the models before all migrations, or after those that are applied."""
        state = ProjectState(real_apps=self.loader.unmigrated_apps)
        if with_applied_migrations:
            there = self.loader.applied_migrations.keys() - set(but)
            for migration in self._full_plan():
                if migration.key in there:
                    state = migration.mutate_state(state, preserve=False)
        return state

    # -- one migration

    def apply_migration(self, state: Any, migration: Migration, fake: bool = False, fake_initial: bool = False) -> Any:
        """Apply one migration, or only note it; returns the state after it."""
        self._report("apply_start", migration, fake)
        if fake_initial and not fake:
            fake, state = self.detect_soft_applied(state, migration)
        elif fake:
            state = migration.mutate_state(state, preserve=False)
        if fake:
            self.record_migration(migration)
        else:
            with self._editor(migration, "applied") as editor:
                state = migration.apply(state, editor)
                if editor.atomic_migration:
                    self.record_migration(migration)
            if not editor.atomic_migration:
                self.record_migration(migration)
        self._report("apply_success", migration, fake)
        return state

    def unapply_migration(self, state: Any, migration: Migration, fake: bool = False) -> Any:
        """Undo one migration, or only note that; takes the state before it, and returns it."""
        self._report("unapply_start", migration, fake)
        if fake:
            self.record_unapplied(migration)
        else:
            with self._editor(migration, "undone") as editor:
                state = migration.unapply(state, editor)
                if editor.atomic_migration:
                    self.record_unapplied(migration)
            if not editor.atomic_migration:
                self.record_unapplied(migration)
        self._report("unapply_success", migration, fake)
        return state

    @contextmanager
    def _editor(self, migration: Migration, verb: str) -> Iterator[Any]:
        """A schema editor. What fails at its end, where nothing can be taken back, is told like an operation."""
        editor = self.connection.schema_editor(atomic=migration.atomic)
        all_done = False
        try:
            with editor:
                yield editor
                all_done = True
        except Exception as error:
            if all_done and not editor.atomic_migration:
                raise migration.partly(migration.operations, [], verb, error) from error
            raise

    def _report(self, action: str, migration: Migration, fake: bool) -> None:
        if self.progress_callback is not None:
            self.progress_callback(action, migration, fake)

    # -- what is noted

    def record_migration(self, migration: Migration) -> None:
        """Note that a migration is applied; a squashed one together with all that it replaces."""
        keys = self._with_replaced(migration)
        missing = [key for key in keys if key not in self.loader.recorded_migrations]
        self.recorder.record_all_applied(missing)
        self.loader.recorded_migrations.update(dict.fromkeys(missing, migration))
        self.loader.applied_migrations.update(dict.fromkeys(keys, migration))

    def record_unapplied(self, migration: Migration) -> None:
        """Note that a migration is not applied any more; nor is what it replaces, nor what replaces it."""
        for key in {*self._with_replaced(migration), *self.loader.squashes_of(migration.key)}:
            self.recorder.record_unapplied(*key)
            self.loader.recorded_migrations.pop(key, None)
            self.loader.applied_migrations.pop(key, None)

    def _with_replaced(self, migration: Migration) -> list[Key]:
        """The keys of a migration and, if it is a squashed one, of all that it replaces."""
        keys: list[Key] = []
        for key in replaced_by(migration):
            inner = self.loader.replacements.get(key)
            keys += [key] if inner is None else self._with_replaced(inner)
        return [*dict.fromkeys(keys), migration.key]

    def check_replacements(self) -> None:
        """Note squashed migrations as applied where all that they replace is, as after the day they were made."""
        recorded = self.loader.recorded_migrations
        for key, migration in self.loader.replacements.items():
            if key not in recorded and all(each in recorded for each in replaced_by(migration)):
                self.recorder.record_applied(*key)
                recorded[key] = self.loader.applied_migrations[key] = migration

    # -- tables that are there already

    def detect_soft_applied(self, project_state: Any, migration: Migration) -> tuple[bool, Any]:
        """Whether all tables and columns that a first migration of an app makes are there; and the state then.

        The state is the one after the migration if they are, else the one given.
        Only CreateModel and AddField are looked at.
        """
        first = migration.initial
        if first is None:
            first = all(app_label != migration.app_label for app_label, _ in migration.dependencies)
        if not first:
            return False, project_state
        if project_state is None:
            project_state = self.loader.project_state(migration.key, at_end=False)
        after = migration.mutate_state(project_state)
        expected = list(self._made_by(migration, migration.operations, after.apps))
        tables = {name.casefold() for name in table_names(self.connection)}
        columns: dict[str, set[str]] = {}
        for table, column in expected:
            if table.casefold() not in tables:
                return False, project_state
            if column is not None:
                if table not in columns:
                    columns[table] = self._columns(table)
                if column.casefold() not in columns[table]:
                    return False, project_state
        return (True, after) if expected else (False, project_state)

    def _made_by(self, migration: Migration, operations: Iterable[Any], apps: Any) -> Iterator[tuple[str, str | None]]:
        """The tables, and the columns of tables, that operations make in this database."""
        for operation in operations:
            if isinstance(operation, SeparateDatabaseAndState):
                yield from self._made_by(migration, operation.database_operations, apps)
                continue
            name = operation.name if isinstance(operation, CreateModel) else getattr(operation, "model_name", None)
            if name is None or not isinstance(operation, (CreateModel, AddField)):
                continue
            try:
                model = apps.get_model(migration.app_label, name)
            except LookupError:
                continue  # a later operation of the same migration deletes it, or renames it
            meta = model._meta
            if meta.proxy or not meta.managed or not router.allow_migrate_model(self.connection.alias, model):
                continue
            if isinstance(operation, CreateModel):
                yield meta.db_table, None
                continue
            field = meta.get_field(operation.name)
            if field.many_to_many:
                yield field.remote_field.through._meta.db_table, None
            elif field.column is not None:
                yield meta.db_table, field.column

    def _columns(self, table: str) -> set[str]:
        with self.connection.sqlalchemy_connection() as link:
            return {str(column["name"]).casefold() for column in sqlalchemy.inspect(link).get_columns(table)}


def _shown(plan: Sequence[tuple[Migration, bool]]) -> str:
    return ", ".join(f"{'undo' if backwards else 'apply'} {migration}" for migration, backwards in plan)

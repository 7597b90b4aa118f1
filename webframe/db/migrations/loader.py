"""All migrations of the installed apps, in the graph that they make with what is applied to a database.

Where the files are, `modules.py` knows; the order is the graph's business. Here
squashed migrations take the place of what they replace, or stand back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.apps import apps
from webframe.conf import close_match
from webframe.db.migrations.errors import (
    AmbiguityError,
    CircularDependencyError,
    InconsistentMigrationHistory,
    NodeNotFoundError,
)
from webframe.db.migrations.graph import MigrationGraph
from webframe.db.migrations.migration import Key, Migration
from webframe.db.migrations.modules import migration_in, migrations_module, module_names, package_of
from webframe.db.migrations.recorder import MigrationRecorder


class MigrationLoader:
    """All migrations of the installed apps, and those applied to one database.

    Without a connection (None) nothing counts as applied, and squashed migrations
    always stand for what they replace. With ``replace_migrations=False`` they never
    do; with ``ignore_no_initial=True`` an app that has no migration yet may be
    depended on.
    """

    def __init__(
        self,
        connection: Any,
        load: bool = True,
        ignore_no_initial: bool = False,
        replace_migrations: bool = True,
    ) -> None:
        self.connection = connection
        self.ignore_no_initial = ignore_no_initial
        self.replace_migrations = replace_migrations
        # Every migration with a file, by key, squashed ones and what they replace.
        self.disk_migrations: dict[Key, Migration] = {}
        # The migrations that count as applied, by key; squashed ones too where all that they replace is.
        self.applied_migrations: dict[Key, Any] = {}
        # The migrations that the database says are applied, and nothing else.
        self.recorded_migrations: dict[Key, Any] = {}
        self.graph = MigrationGraph()
        # The squashed migrations, by key.
        self.replacements: dict[Key, Migration] = {}
        # Squashed migrations that are left out, because somebody wants to go to the middle of them.
        self.expanded: set[Key] = set()
        # The labels of apps with a package of migrations, and of those without.
        self.migrated_apps: set[str] = set()
        self.unmigrated_apps: set[str] = set()
        if load:
            self.build_graph()

    # -- finding modules

    @classmethod
    def migrations_module(cls, app_label: str) -> tuple[str | None, bool]:
        """The dotted name of the package with an app's migrations, and whether MIGRATION_MODULES gives it.

        None: the app has no migrations, because the setting says so, or because
        there is no place for them.
        """
        return migrations_module(apps.get_app_config(app_label))

    def load_disk(self) -> None:
        """Import the modules of all migrations."""
        self.disk_migrations = {}
        self.unmigrated_apps = set()
        self.migrated_apps = set()
        for config in apps.get_app_configs():
            package = package_of(config)
            if package is None:
                self.unmigrated_apps.add(config.label)
                continue
            self.migrated_apps.add(config.label)
            for name in module_names(package):
                self.disk_migrations[config.label, name] = migration_in(package, name, config)

    # -- looking up

    def get_migration(self, app_label: str, name_prefix: str) -> Migration:
        """The migration of exactly this name. Raises `NodeNotFoundError`."""
        try:
            migration = self.graph.nodes[app_label, name_prefix]
        except KeyError:
            raise self._unknown(app_label, name_prefix) from None
        assert migration is not None
        return migration

    def __getitem__(self, key: Key) -> Migration:
        return self.get_migration(*key)

    def get_migration_by_prefix(self, app_label: str, name_prefix: str) -> Migration:
        """The migration whose name begins so. Raises `AmbiguityError` if there are several, `NodeNotFoundError`."""
        if (app_label, name_prefix) in self.disk_migrations:
            return self.disk_migrations[app_label, name_prefix]
        found = [key for key in self.disk_migrations if key[0] == app_label and key[1].startswith(name_prefix)]
        if name_prefix and len(found) > 1:
            raise AmbiguityError(
                f"Several migrations of {app_label!r} begin with {name_prefix!r}: "
                f"{', '.join(sorted(name for _, name in found))}. Write more of the name."
            )
        if not found or not name_prefix:
            raise self._unknown(app_label, name_prefix)
        return self.disk_migrations[found[0]]

    def _unknown(self, app_label: str, name: str) -> NodeNotFoundError:
        names = sorted(known for label, known in self.disk_migrations if label == app_label)
        if not names:
            hint = f" The app {app_label!r} has no migrations." + close_match(app_label, sorted(self.migrated_apps))
        else:
            hint = close_match(name, names, cutoff=0.75) or f" There are: {', '.join(names)}."
        what = f"{app_label}.{name}" if name else f"of {app_label!r} without a name"
        return NodeNotFoundError(f"There is no migration {what}.{hint}", (app_label, name))

    # -- the graph

    def build_graph(self, *planned: Migration) -> None:
        """Find all migrations and ask the database, by one query, which of them are applied.

        `planned` are migrations without files, which are to be part of it. Raises
        `NodeNotFoundError` for a dependency that does not exist, and
        `CircularDependencyError`.
        """
        self.load_disk()
        self.disk_migrations.update((migration.key, migration) for migration in planned)
        if self.connection is None:
            self.recorded_migrations = {}
        else:
            self.recorded_migrations = dict(MigrationRecorder(self.connection).applied_migrations())
        self.applied_migrations = dict(self.recorded_migrations)
        self.graph = MigrationGraph()
        self.replacements = {}
        for key, migration in self.disk_migrations.items():
            self.graph.add_node(key, migration)
            if migration.replaces:
                self.replacements[key] = migration
        # What "__first__" and "__latest__" mean shows when all apps are known in themselves.
        for key, migration in self.disk_migrations.items():
            self._add_dependencies(key, migration, of_own_app=True)
        for key, migration in self.disk_migrations.items():
            self._add_dependencies(key, migration, of_own_app=False)
        if self.replace_migrations:
            for key in _inner_first(self.replacements):
                self._replace(key)
        try:
            self.graph.validate_consistency()
        except NodeNotFoundError as error:
            self._explain_missing(error)
            raise
        self.graph.ensure_not_cyclic()

    def _add_dependencies(self, key: Key, migration: Migration, of_own_app: bool) -> None:
        for parent in migration.dependencies:
            # The name of its own app with "__first__" would be a dependency on itself.
            if (parent[0] == key[0]) is of_own_app and not (of_own_app and parent[1] == "__first__"):
                resolved = self.check_key(tuple(parent), migration)
                if resolved is not None:
                    self.graph.add_dependency(migration, key, resolved, skip_validation=True)
        if not of_own_app:
            for child in migration.run_before:
                resolved = self.check_key(tuple(child), migration)
                if resolved is not None:
                    self.graph.add_dependency(migration, resolved, key, skip_validation=True)

    def check_key(self, key: Any, migration: Migration) -> Key | None:
        """The migration that a dependency means, "__first__" and "__latest__" resolved; None: there is none needed."""
        app_label, name = key
        if name not in ("__first__", "__latest__") or key in self.graph:
            return app_label, name
        if app_label == migration.app_label or app_label in self.unmigrated_apps:
            return None
        if app_label in self.migrated_apps:
            ends = self.graph.root_nodes(app_label) if name == "__first__" else self.graph.leaf_nodes(app_label)
            if ends:
                return ends[0]
            if self.ignore_no_initial:
                return None
            problem = f"That app has no migrations yet: make them with 'webframe makemigrations {app_label}'."
        else:
            problem = "No installed app has that label."
            problem += close_match(app_label, sorted(self.migrated_apps | self.unmigrated_apps))
        place = f" ({migration.file})" if migration.file else ""
        raise NodeNotFoundError(
            f"The migration {migration}{place} depends on the {name.strip('_')} migration of {app_label!r}. {problem}",
            key,
            origin=migration,
        )

    def _replace(self, key: Key) -> None:
        """Let a squashed migration stand for what it replaces, or leave it out where some of that is applied."""
        replaced = replaced_by(self.replacements[key])
        applied = [each in self.applied_migrations for each in replaced]
        if all(applied):
            self.applied_migrations[key] = self.replacements[key]
        if key in self.expanded or (any(applied) and not all(applied)):
            self.applied_migrations.pop(key, None)
            self.graph.remove_replacement_node(key, replaced)
        else:
            self.graph.remove_replaced_nodes(key, replaced)

    def squashes_of(self, key: Key) -> set[Key]:
        """The squashed migrations that a migration is a part of, those made of squashed ones too."""
        found: set[Key] = set()
        for squashed in _inner_first(self.replacements):
            if not found.union([key]).isdisjoint(replaced_by(self.replacements[squashed])):
                found.add(squashed)
        return found

    def expand(self, key: Key) -> None:
        """Build the graph anew, without the squashed migrations that a migration is a part of."""
        self.expanded |= self.squashes_of(key)
        self.build_graph()

    def _explain_missing(self, error: NodeNotFoundError) -> None:
        """Say so where a migration is missing because the squashed one that replaces it cannot be used yet."""
        for key, migration in self.replacements.items():
            replaced = replaced_by(migration)
            if error.node in replaced and key not in self.graph:
                there = [".".join(each) for each in replaced if each in self.applied_migrations]
                error.add_note(
                    f"It is replaced by {migration}, which cannot be used as long as only a part of what it replaces "
                    f"is applied ({', '.join(there)}). Bring the files of the replaced migrations back, migrate, and "
                    f"delete them then."
                )

    # -- checking

    def check_consistent_history(self, connection: Any) -> None:
        """Raise `InconsistentMigrationHistory` if a migration is applied and one that it depends on is not."""
        if connection is self.connection:
            recorded = self.recorded_migrations
        else:
            recorded = dict(MigrationRecorder(connection).applied_migrations())
        for key in recorded:
            node = self.graph.node_map.get(key)
            if node is None:
                continue
            for parent in sorted(node.parents):
                if parent.key in recorded or self._is_replaced_by_applied(parent.key, recorded):
                    continue
                raise InconsistentMigrationHistory(
                    f"In the database {connection.alias!r} the migration {node} is applied, but {parent}, which it "
                    f"depends on, is not. If what {parent} does is there already, say so with "
                    f"'webframe migrate {parent.key[0]} {parent.key[1]} --fake'; if not, take {node} back first "
                    f"(with --fake if its tables are not there either)."
                )

    def _is_replaced_by_applied(self, key: Key, recorded: Iterable[Key]) -> bool:
        replacement = self.replacements.get(key)
        return replacement is not None and all(each in recorded for each in replaced_by(replacement))

    def detect_conflicts(self) -> dict[str, list[str]]:
        """The apps with more than one last migration, and the names of these."""
        last: dict[str, list[str]] = {}
        for app_label, name in self.graph.leaf_nodes():
            last.setdefault(app_label, []).append(name)
        return {app_label: sorted(names) for app_label, names in last.items() if len(names) > 1}

    # -- using

    def project_state(self, nodes: Any = None, at_end: bool = True) -> Any:
        """The state after some migrations and what they depend on; by default, after all there are."""
        return self.graph.make_state(nodes=nodes, at_end=at_end, real_apps=self.unmigrated_apps)

    def collect_sql(self, plan: Iterable[tuple[Migration, bool]]) -> list[str]:
        """The statements that a plan would execute, each with its semicolon, and comments that say what they do."""
        statements: list[str] = []
        state: Any = None
        for migration, backwards in plan:
            with self.connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
                if state is None or backwards:
                    state = self.project_state(migration.key, at_end=False)
                if backwards:
                    state = migration.unapply(state, editor, collect_sql=True)
                else:
                    state = migration.apply(state, editor, collect_sql=True)
            statements += editor.collected_sql
        return statements


def replaced_by(migration: Migration) -> list[Key]:
    """What a squashed migration replaces."""
    return [(app_label, name) for app_label, name in migration.replaces]


def _inner_first(replacements: dict[Key, Migration]) -> list[Key]:
    """The squashed migrations, each after those among them that it replaces in its turn."""
    done: dict[Key, None] = {}
    for start in replacements:
        path: list[Key] = []
        stack = [(start, False)]
        while stack:
            key, left = stack.pop()
            if left:
                path.pop()
                done[key] = None
            elif key in path:
                circle = " -> ".join(".".join(each) for each in [*path[path.index(key) :], key])
                raise CircularDependencyError(f"Squashed migrations replace each other in a circle: {circle}.")
            elif key not in done:
                path.append(key)
                stack.append((key, True))
                stack += [(each, False) for each in replaced_by(replacements[key]) if each in replacements]
    return list(done)

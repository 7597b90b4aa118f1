"""MigrationAutodetector: which operations lead from one state to another, and in which migrations.

    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(loader.graph)

It looks at states only and never at a database. What may have been renamed comes
first (renames.py) and is renamed in a copy of the old state; what is different then is
put into steps (model_changes.py, field_changes.py), and these into migrations
(steps.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from webframe.db.migrations.comparing import alike, comparable
from webframe.db.migrations.field_changes import FieldChanges
from webframe.db.migrations.key_changes import refuse_to_replace_key
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.model_changes import altered_options, created_models, deleted_models, same_managers
from webframe.db.migrations.operations.models import DeleteModel, RenameModel
from webframe.db.migrations.questioner import MigrationQuestioner
from webframe.db.migrations.references import kind_of
from webframe.db.migrations.renames import renamed_fields, renamed_models
from webframe.db.migrations.steps import Chunk, Step, chunks_of

MAX_NAME_LENGTH = 100

Changes = dict[str, list[Migration]]


class MigrationAutodetector:
    """Compares two states; `changes` says what leads from the first to the second.

    Apps without migrations (`real_apps` of the first) are left out, unless they
    are named in `convert_apps`.
    """

    def __init__(self, from_state: Any, to_state: Any, questioner: MigrationQuestioner | None = None) -> None:
        self.from_state = from_state
        self.to_state = to_state
        self.questioner = questioner or MigrationQuestioner()
        self.existing_apps = {app_label for app_label, _ in from_state.models}

    def changes(
        self,
        graph: Any,
        trim_to_apps: Collection[str] | None = None,
        convert_apps: Collection[str] | None = None,
        migration_name: str | None = None,
    ) -> Changes:
        """The migrations that are missing, by app label; they continue those of the graph.

        With `trim_to_apps` only these apps are looked after, and what they depend on.
        """
        changes = self.arrange_for_graph(self.detected(convert_apps, graph), graph, migration_name)
        return _trimmed(changes, trim_to_apps) if trim_to_apps else changes

    def detected(self, convert_apps: Collection[str] | None = None, graph: Any = None) -> Changes:
        """The same with names and dependencies that hold among themselves only: "auto_1", "auto_2"."""
        changes: Changes = {}
        for chunk in chunks_of(list(self._steps(set(convert_apps or ())))):
            migration = Migration(f"auto_{chunk.number}", chunk.app_label)
            migration.operations = chunk.operations
            dependencies: list[tuple[str, str]] = [(label, f"auto_{number}") for label, number in sorted(chunk.after)]
            if chunk.number > 1:
                dependencies.append((chunk.app_label, f"auto_{chunk.number - 1}"))
            after_apps = chunk.after_apps | (_apps_that_know(chunk, graph) - {label for label, _ in chunk.after})
            for label in sorted(after_apps):
                leaves = graph.leaf_nodes(label) if graph is not None else []
                dependencies.append(tuple(leaves[0]) if leaves else (label, "__first__"))
            migration.dependencies = dependencies
            changes.setdefault(chunk.app_label, []).append(migration)
        for app_label, migrations in changes.items():
            migrations[0].initial = True if app_label not in self.existing_apps else None
        return changes

    def _steps(self, convert_apps: set[str]) -> Iterator[Step]:
        """Everything that is to be done."""
        new = self.to_state
        ignored = self.from_state.real_apps - convert_apps
        labels = {label for label, _ in (*self.from_state.models, *new.models)} - ignored
        if not any(_differ(self.from_state.models.get(key), state) for key, state in new.models.items()) and not (
            self.from_state.models.keys() - new.models.keys()
        ):
            return
        old = self.from_state.clone()
        yield from renamed_models(old, new, labels, self.questioner)
        common = [key for key in new.models if key in old.models and key[0] in labels]
        kept = [key for key in common if _is_kept(old.models[key], new.models[key])]
        tables = [key for key in kept if kind_of(new.models[key]) == "table" == kind_of(old.models[key])]
        for key in tables:
            if _differ(old.models[key], new.models[key]):
                yield from renamed_fields(old, new, key, self.questioner)
        for key in tables:
            if _differ(old.models[key], new.models[key]):
                refuse_to_replace_key(key, old, new)
        is_kept = set(kept)
        yield from deleted_models([key for key in old.models if key[0] in labels and key not in is_kept], old)
        yield from created_models([key for key in new.models if key[0] in labels and key not in is_kept], old, new)
        for key in kept:
            before, after = old.models[key], new.models[key]
            if _differ(before, after):
                yield from altered_options(before, after)
                if key in tables:
                    yield from FieldChanges(key, old, new, self.questioner).steps()

    # -- names

    def arrange_for_graph(self, changes: Changes, graph: Any, migration_name: str | None = None) -> Changes:
        """Give migrations names and numbers that continue those of a graph, and fitting dependencies."""
        names: dict[tuple[str, str], tuple[str, str]] = {}
        arranged: Changes = {}
        leaf_of: dict[str, tuple[str, str]] = {}
        for leaf in graph.leaf_nodes():
            leaf_of.setdefault(leaf[0], tuple(leaf))
        for app_label, migrations in changes.items():
            leaf = leaf_of.get(app_label)
            if leaf is None and not self.questioner.ask_initial(app_label):
                names.update({(app_label, each.name): (app_label, "__first__") for each in migrations})
                continue
            number = 0 if leaf is None else self.parse_number(leaf[1]) or 0
            if leaf is not None:
                migrations[0].dependencies = [*migrations[0].dependencies, leaf]
            for place, migration in enumerate(migrations):
                number += 1
                if leaf is None and place == 0:
                    migration.initial = True
                name = migration_name or ("initial" if leaf is None and place == 0 else _suggested(migration))
                names[app_label, migration.name] = (app_label, f"{number:04d}_{name}")
                migration.name = f"{number:04d}_{name}"
            arranged[app_label] = migrations
        for migration in (each for migrations in arranged.values() for each in migrations):
            found = dict.fromkeys(names.get(each, each) for each in migration.dependencies)
            migration.dependencies = sorted(found, key=lambda key: (key[0] != migration.app_label, key))
        return arranged

    @classmethod
    def parse_number(cls, name: str) -> int | None:
        """The number that the name of a migration begins with; of a squashed one that of the last it stands for."""
        squashed = re.search(r"_squashed_(\d+)", name)
        found = squashed or re.match(r"(\d+)", name)
        return int(found[1]) if found else None


def _apps_that_know(chunk: Chunk, graph: Any) -> set[str]:
    """The apps whose migrations so far refer to a model that is renamed or deleted.

    In a new database they must not come later, when there is nothing of that name.
    """
    names = [each.name for each in chunk.operations if isinstance(each, (RenameModel, DeleteModel))]
    if not names or graph is None:
        return set()
    others: dict[str, list[Migration]] = {}
    for (label, _), migration in graph.nodes.items():
        if label != chunk.app_label and migration is not None:
            others.setdefault(label, []).append(migration)
    return {
        label
        for label, migrations in others.items()
        if any(key[0] == chunk.app_label for each in migrations for key in each.dependencies)
        and any(
            operation.references_model(name, chunk.app_label)
            for each in migrations
            for operation in each.operations
            for name in names
        )
    }


def _is_kept(before: Any, after: Any) -> bool:
    """Whether one model becomes the other: a proxy and a table have nothing in common."""
    return (kind_of(before) == "proxy") == (kind_of(after) == "proxy")


def _differ(before: Any, after: Any) -> bool:
    """Whether two states of a model may differ; order of fields does not count."""
    if before is after:
        return False
    if before is None or before.name != after.name or before.fields.keys() != after.fields.keys():
        return True
    if not all(alike(field, after.fields[name], after.key) for name, field in before.fields.items()):
        return True
    if before.options != after.options and comparable(dict(before.options)) != comparable(dict(after.options)):
        return True
    return not same_managers(before.managers, after.managers)


def _suggested(migration: Migration) -> str:
    return migration.suggest_name()[:MAX_NAME_LENGTH]


def _trimmed(changes: Changes, app_labels: Iterable[str]) -> Changes:
    """The changes of some apps, and of those that they depend on."""
    needed = set(app_labels)
    waiting = list(needed)
    while waiting:
        for migration in changes.get(waiting.pop(), ()):
            for label, _ in migration.dependencies:
                if label not in needed:
                    needed.add(label)
                    waiting.append(label)
    return {label: migrations for label, migrations in changes.items() if label in needed}

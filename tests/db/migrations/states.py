"""Models at one moment, as the states that migrations compare."""

from __future__ import annotations

from itertools import count
from typing import Any

from webframe.apps.registry import Apps
from webframe.db import models
from webframe.db.migrations.autodetector import MigrationAutodetector
from webframe.db.migrations.graph import MigrationGraph
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.questioner import MigrationQuestioner
from webframe.db.migrations.state import ProjectState
from webframe.db.migrations.writer import MigrationWriter

_numbers = count(1_000_000)


class Moment:
    """Models as they are at one moment; names are free again in the next one."""

    def __init__(self, label: str = "shop") -> None:
        self.label = label
        self.registry = Apps()
        self.models: list[Any] = []

    def __call__(self, name: str, /, *bases: Any, Meta: dict[str, Any] | None = None, **attributes: Any) -> Any:
        """Define a model: "Pizza", or "other_app.Pizza"."""
        label, _, name = name.rpartition(".")
        for attribute in attributes.values():
            if hasattr(attribute, "creation_counter"):
                attribute.creation_counter = next(_numbers)
        options = {"app_label": label or self.label, "apps": self.registry, **(Meta or {})}
        body = {"__module__": __name__, "__qualname__": name, "Meta": type("Meta", (), options), **attributes}
        model = type(models.Model)(name, bases or (models.Model,), body)
        if not model._meta.abstract:
            self.models.append(model)
        return model

    @property
    def state(self) -> ProjectState:
        """The state of these models."""
        states = [ModelState.from_model(model) for model in self.models]
        return ProjectState({state.key: state for state in states})


def detect(
    old: ProjectState, new: ProjectState, questioner: MigrationQuestioner | None = None, **options: Any
) -> dict[str, list[Migration]]:
    """The migrations that lead from one state to another, written and read again."""
    changes = MigrationAutodetector(old, new, questioner).changes(MigrationGraph(), **options)
    return {label: [read(migration) for migration in migrations] for label, migrations in changes.items()}


def read(migration: Migration) -> Migration:
    """A migration as its file says it."""
    names: dict[str, Any] = {}
    exec(compile(MigrationWriter(migration).as_string(), f"{migration.name}.py", "exec"), names)
    made = names["Migration"](migration.name, migration.app_label)
    assert isinstance(made, Migration)
    return made


def in_order(changes: dict[str, list[Migration]]) -> list[Migration]:
    """Migrations in an order in which they can be run."""
    left = [migration for migrations in changes.values() for migration in migrations]
    done: list[Migration] = []
    while left:
        names = {each.key for each in left}
        ready = [each for each in left if not names.intersection(map(tuple, each.dependencies))]
        assert ready, f"These wait for each other: {left}"
        done += ready
        left = [each for each in left if each not in ready]
    return done


def folded(state: ProjectState, changes: dict[str, list[Migration]]) -> ProjectState:
    """What a state becomes by migrations."""
    state = state.clone()
    for migration in in_order(changes):
        migration.mutate_state(state, preserve=False)
    return state


def operations(changes: dict[str, list[Migration]], label: str = "shop") -> list[str]:
    """What the migrations of an app do, in words."""
    return [operation.describe() for migration in changes.get(label, ()) for operation in migration.operations]

"""Several migrations as one."""

from __future__ import annotations

from typing import Any

import pytest

from webframe.db import migrations, models
from webframe.db.migrations.errors import BadMigrationError, NodeNotFoundError
from webframe.db.migrations.graph import MigrationGraph
from webframe.db.migrations.loader import MigrationLoader
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.squashing import migrations_to_squash, squashed
from webframe.db.migrations.state import ProjectState

PIZZA = migrations.CreateModel("Pizza", [("id", models.AutoField(primary_key=True))])


def made(name: str, *operations: Any, after: Any = (), **attributes: Any) -> Migration:
    migration = Migration(name, "shop")
    migration.operations = list(operations)
    migration.dependencies = list(after)
    for attribute, value in attributes.items():
        setattr(migration, attribute, value)
    return migration


def loader_of(*found: Migration) -> MigrationLoader:
    loader = MigrationLoader(None, load=False)
    loader.graph = MigrationGraph()
    for migration in found:
        loader.disk_migrations[migration.key] = migration
        loader.graph.add_node(migration.key, migration)
    for migration in found:
        for parent in migration.dependencies:
            if parent in loader.graph:
                loader.graph.add_dependency(migration, migration.key, parent)
    return loader


FIRST = made("0001_initial", PIZZA, after=[("users", "0001_initial")], initial=True)
SECOND = made("0002_size", migrations.AddField("pizza", "size", models.IntegerField(null=True)), after=[FIRST.key])
THIRD = made(
    "0003_name",
    migrations.AddField("pizza", "name", models.TextField(default="")),
    after=[SECOND.key, ("menu", "0004_x")],
    run_before=[("z", "0001_initial")],
)
ALL = loader_of(FIRST, SECOND, THIRD)


def test_all_migrations_up_to_one() -> None:
    one = squashed(migrations_to_squash(ALL, "shop", "0003"))
    assert one.name == "0001_squashed_0003_name"
    assert one.replaces == [FIRST.key, SECOND.key, THIRD.key]
    assert one.dependencies == [("users", "0001_initial"), ("menu", "0004_x")]
    assert one.run_before == [("z", "0001_initial")]
    assert one.initial is True
    assert [each.describe() for each in one.operations] == ["Create model Pizza"]
    state = ProjectState()
    for migration in (FIRST, SECOND, THIRD):
        state = migration.mutate_state(state)
    assert one.mutate_state(ProjectState()) == state


def test_some_migrations_from_one_to_another() -> None:
    one = squashed(migrations_to_squash(ALL, "shop", "0003", start="0002"), name="more")
    assert one.name == "0002_more"
    assert one.dependencies == [FIRST.key, ("menu", "0004_x")]
    assert one.initial is None
    assert len(one.operations) == 2


def test_operations_can_be_left_as_they_are() -> None:
    assert len(squashed(migrations_to_squash(ALL, "shop", "0003"), optimize=False).operations) == 3


def test_one_that_runs_without_a_transaction_makes_the_whole_run_so() -> None:
    assert squashed([FIRST, made("0002_x", atomic=False)]).atomic is False


def test_the_first_one_must_come_before_the_last() -> None:
    with pytest.raises(NodeNotFoundError, match="shop.0002_size does not come after it"):
        migrations_to_squash(ALL, "shop", "0002", start="0003")


def test_squashed_migrations_are_not_squashed_again() -> None:
    again = made("0004_squashed_0007", after=[THIRD.key], replaces=[("shop", "0004_x")])
    with pytest.raises(BadMigrationError, match="is a squashed migration itself"):
        migrations_to_squash(loader_of(FIRST, SECOND, THIRD, again), "shop", "0004")


def test_names_may_be_shortened_and_must_be_known() -> None:
    assert migrations_to_squash(ALL, "shop", "0001") == [FIRST]
    with pytest.raises(NodeNotFoundError):
        migrations_to_squash(ALL, "shop", "0009")

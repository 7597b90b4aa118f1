"""Applying migrations and undoing them, on every engine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

from webframe.db import DatabaseError, connection
from webframe.db.introspection import table_names
from webframe.db.migrations.errors import InvalidMigrationPlan, IrreversibleError, PartlyAppliedError
from webframe.db.migrations.executor import MigrationExecutor
from webframe.db.migrations.migration import Migration
from webframe.db.migrations.recorder import MigrationRecorder

from .projects import ADD_PRICE, CREATE_PIZZA, FAIL, Project

CREATE_ORDER = (
    'migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)), '
    '("pizza", models.ForeignKey("menu.Pizza", models.CASCADE))])'
)
ADD_ROW = (
    'migrations.RunPython(lambda apps, editor: apps.get_model("menu", "Pizza").objects.create(name="Margherita"), '
    "migrations.RunPython.noop)"
)


@pytest.fixture
def pizzeria(empty_database: Any, project: Project) -> Iterator[Project]:
    """Two apps: a menu of two migrations, and a shop that needs the second of them."""
    project.migration("menu", "0001_initial", CREATE_PIZZA, ADD_ROW)
    project.migration("menu", "0002_price", ADD_PRICE, after=[("menu", "0001_initial")])
    project.migration("shop", "0001_initial", CREATE_ORDER, after=[("menu", "0002_price")])
    with project.installed():
        yield project


def migrate(*targets: tuple[str, str | None], **options: Any) -> Any:
    executor = MigrationExecutor(connection)
    return executor.migrate(targets or None, **options)


def applied() -> list[str]:
    return sorted(".".join(key) for key in MigrationRecorder(connection).applied_migrations())


def plan(executor: MigrationExecutor, *targets: tuple[str, str | None]) -> list[str]:
    return [f"{'-' if backwards else '+'}{migration}" for migration, backwards in executor.migration_plan(targets)]


def tables() -> set[str]:
    return table_names(connection) - {"webframe_migrations"}


ALL = ["menu.0001_initial", "menu.0002_price", "shop.0001_initial"]


# -- there and back


def test_everything_is_applied_and_undone_and_applied_again(pizzeria: Project) -> None:
    for _ in range(2):
        state = migrate()
        assert applied() == ALL
        assert tables() == {"menu_pizza", "shop_order"}
        assert connection.fetch("SELECT name, price FROM menu_pizza") == [("Margherita", 7)]
        assert state.apps.get_model("shop", "Order")._meta.get_field("pizza").related_model is state.apps.get_model(
            "menu", "Pizza"
        )
        state = migrate(("menu", None))
        assert applied() == [] and tables() == set()
        assert not state.models


def test_a_migration_is_a_target_that_can_be_gone_back_to(pizzeria: Project) -> None:
    migrate(("menu", "0002_price"))
    assert applied() == ALL[:2]
    state = migrate(("menu", "0001_initial"))
    assert applied() == ALL[:1]
    assert connection.fetch("SELECT * FROM menu_pizza") == [(1, "Margherita")]
    assert list(state.models["menu", "pizza"].fields) == ["id", "name"]


def test_plans(pizzeria: Project) -> None:
    executor = MigrationExecutor(connection)
    assert plan(executor, ("shop", "0001_initial")) == [f"+{name}" for name in ALL]
    assert plan(executor, ("menu", "0001_initial"), ("menu", "0002_price")) == [
        "+menu.0001_initial",
        "+menu.0002_price",
    ]
    assert plan(executor, ("menu", None)) == []
    executor.migrate(None)
    assert plan(executor, *executor.loader.graph.leaf_nodes()) == []
    assert plan(executor, ("menu", "0001_initial")) == ["-shop.0001_initial", "-menu.0002_price"]
    assert plan(executor, ("shop", None)) == ["-shop.0001_initial"]
    assert [str(migration) for migration, _ in executor.migration_plan([("shop", "0001_initial")], True)] == ALL


def test_what_other_apps_keep_is_in_the_state_when_something_is_undone(pizzeria: Project) -> None:
    seen = 'migrations.RunPython(migrations.RunPython.noop, lambda apps, editor: apps.get_model("shop", "Order"))'
    pizzeria.migration("menu", "0003_seen", seen, after=[("menu", "0002_price")])
    migrate()
    state = migrate(("menu", "0002_price"))
    assert applied() == ALL
    assert set(state.models) == {("menu", "pizza"), ("shop", "order")}


def test_a_plan_in_both_directions_is_refused(pizzeria: Project) -> None:
    migrate(("menu", "0002_price"))
    with pytest.raises(InvalidMigrationPlan, match=r"undo menu\.0002_price, apply"):
        pizzeria.migration("offers", "0001_initial")
        with pizzeria.installed():
            migrate(("menu", "0001_initial"), ("offers", "0001_initial"))
    assert applied() == ALL[:2]


@pytest.mark.engines("sqlite")
def test_progress_is_reported_for_each_migration(pizzeria: Project) -> None:
    told: list[str] = []

    def tell(action: str, migration: Migration, fake: bool) -> None:
        told.append(f"{action} {migration} {fake}")

    executor = MigrationExecutor(connection, tell)
    executor.migrate([("menu", "0001_initial")])
    executor.migrate([("menu", "0002_price")], fake=True)
    executor.migrate([("menu", "0001_initial")], fake=True)
    executor.migrate([("menu", None)])
    assert told == [
        "apply_start menu.0001_initial False",
        "apply_success menu.0001_initial False",
        "apply_start menu.0002_price True",
        "apply_success menu.0002_price True",
        "unapply_start menu.0002_price True",
        "unapply_success menu.0002_price True",
        "unapply_start menu.0001_initial False",
        "unapply_success menu.0001_initial False",
    ]


# -- noted only


def test_fake_notes_and_does_nothing(pizzeria: Project) -> None:
    state = migrate(fake=True)
    assert applied() == ALL and tables() == set()
    assert set(state.models) == {("menu", "pizza"), ("shop", "order")}
    migrate(("menu", None), fake=True)
    assert applied() == []


def test_fake_initial_notes_first_migrations_whose_tables_are_there(pizzeria: Project) -> None:
    migrate()
    MigrationRecorder(connection).flush()
    # The second is no first one, but what it adds is there.
    migrate(("menu", "0001_initial"), fake_initial=True)
    migrate(("menu", "0002_price"), fake=True)
    migrate(fake_initial=True)
    assert applied() == ALL
    assert connection.fetch("SELECT name, price FROM menu_pizza") == [("Margherita", 7)]


def test_fake_initial_makes_what_is_missing(pizzeria: Project) -> None:
    migrate(fake_initial=True)
    assert tables() == {"menu_pizza", "shop_order"}


@pytest.mark.engines("sqlite")
def test_a_first_migration_that_adds_fields_is_looked_at_column_by_column(
    empty_database: Any, project: Project
) -> None:
    tags = 'migrations.AddField("Pizza", "like", models.ManyToManyField("menu.Pizza"))'
    project.migration("menu", "0001_initial", CREATE_PIZZA, ADD_PRICE, tags, initial=True)
    with project.installed():
        executor = MigrationExecutor(connection)
        migration = executor.loader["menu", "0001_initial"]

        def is_there() -> bool:
            return executor.detect_soft_applied(None, migration)[0]

        assert not is_there()
        connection.run("CREATE TABLE MENU_pizza (id INTEGER, name TEXT)")
        assert not is_there()
        connection.run("ALTER TABLE menu_pizza ADD COLUMN PRICE INTEGER")
        assert not is_there()
        connection.run("CREATE TABLE menu_pizza_like (id INTEGER)")
        assert is_there()
        migration.initial = False
        assert not is_there()


# -- what fails


@pytest.mark.engines("sqlite", "postgresql")
def test_a_migration_that_fails_leaves_the_database_as_it_was(pizzeria: Project) -> None:
    pizzeria.migration(
        "menu",
        "0003_fails",
        'migrations.RunSQL("UPDATE menu_pizza SET name = \'Marinara\'", "")',
        'migrations.RemoveField("Pizza", "price")',
        CREATE_PIZZA.replace("Pizza", "Cheese"),
        FAIL,
        after=[("menu", "0002_price")],
    )
    with pytest.raises(ZeroDivisionError) as caught:
        migrate()
    assert caught.value.__notes__ == [
        "This was operation 4 of 4 of the migration menu.0003_fails, which was not applied: "
        "Raw Python operation. Nothing of the migration was kept."
    ]
    assert applied() == ALL[: len(applied())] and len(applied()) >= 2
    assert "menu_cheese" not in tables()
    assert connection.fetch("SELECT name, price FROM menu_pizza") == [("Margherita", 7)]


@pytest.mark.engines("mysql")
def test_a_migration_that_fails_on_mysql_tells_what_is_done_and_what_is_not(pizzeria: Project) -> None:
    pizzeria.migration(
        "menu",
        "0003_fails",
        CREATE_PIZZA.replace("Pizza", "Cheese"),
        FAIL,
        'migrations.RemoveField("Pizza", "price")',
        after=[("menu", "0002_price")],
    )
    migrate(("shop", "0001_initial"))
    with pytest.raises(PartlyAppliedError) as caught:
        migrate()
    assert str(caught.value) == (
        "The migration menu.0003_fails failed half-way, and the database keeps what was done until then: "
        "division by zero\n"
        "    done:     Create model Cheese\n"
        "    FAILED:   Raw Python operation (perhaps done in part)\n"
        "    not done: Remove field price from Pizza\n"
        "The migration does not count as applied. Put right what failed, take back by hand what is done, and migrate "
        "again; or do the rest by hand, and 'webframe migrate menu 0003_fails --fake'."
    )
    assert [operation.name for operation in caught.value.done] == ["Cheese"]
    assert len(caught.value.not_done) == 2
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert applied() == ALL and "menu_cheese" in tables()


def test_undoing_that_fails_is_told_too(pizzeria: Project) -> None:
    fails = "migrations.RunPython(migrations.RunPython.noop, lambda apps, editor: 1 / 0)"
    pizzeria.migration(
        "menu", "0003_fails", fails, CREATE_PIZZA.replace("Pizza", "Cheese"), after=[("menu", "0002_price")]
    )
    migrate()
    with pytest.raises((ZeroDivisionError, PartlyAppliedError)) as caught:
        migrate(("menu", "0002_price"))
    assert "menu.0003_fails" in applied()
    if connection.vendor == "mysql":
        assert "    done:     Create model Cheese\n    FAILED:   Raw Python operation" in str(caught.value)
        assert "still counts as applied" in str(caught.value)
    else:
        assert "menu_cheese" in tables()
        assert "operation 1 of 2 of the migration menu.0003_fails, which was not undone" in caught.value.__notes__[0]


def test_without_a_transaction_what_was_done_is_told_on_every_engine(pizzeria: Project) -> None:
    pizzeria.migration(
        "menu",
        "0003_fails",
        CREATE_PIZZA.replace("Pizza", "Cheese"),
        FAIL,
        after=[("menu", "0002_price")],
        atomic=False,
    )
    with pytest.raises(PartlyAppliedError, match="done:     Create model Cheese"):
        migrate()
    assert "menu_cheese" in tables() and "menu.0003_fails" not in applied()


def test_a_foreign_key_that_cannot_be_made_at_the_end_is_told(pizzeria: Project) -> None:
    migrate(("menu", "0002_price"))
    wrong = 'migrations.RunSQL("DROP TABLE menu_pizza")'
    pizzeria.migration("shop", "0001_initial", CREATE_ORDER, wrong, after=[("menu", "0002_price")])
    if connection.vendor == "sqlite":
        return  # foreign keys are part of the table there
    with pytest.raises(DatabaseError, match="menu_pizza|shop_order") as caught:
        migrate()
    if connection.vendor == "mysql":
        assert isinstance(caught.value, PartlyAppliedError)
        assert "FAILED:   what is left for the end of a migration, such as foreign keys" in str(caught.value)
    else:
        assert tables() == {"menu_pizza"}
    assert applied() == ALL[:2]


def test_what_cannot_be_undone_is_refused_before_anything_is_done(pizzeria: Project) -> None:
    one_way = "migrations.RunPython(lambda apps, editor: None)"
    pizzeria.migration(
        "menu", "0003_one_way", one_way, CREATE_PIZZA.replace("Pizza", "Cheese"), after=[("menu", "0002_price")]
    )
    migrate()
    with pytest.raises(IrreversibleError, match=r"menu\.0003_one_way cannot be undone: its operation 'Raw Python"):
        migrate(("menu", "0002_price"))
    assert "menu_cheese" in tables() and "menu.0003_one_way" in applied()


def test_nor_is_anything_undone_that_comes_behind_it(pizzeria: Project) -> None:
    one_way = "migrations.RunPython(lambda apps, editor: None)"
    pizzeria.migration("menu", "0003_one_way", one_way, after=[("menu", "0002_price")])
    pizzeria.migration("menu", "0004_cheese", CREATE_PIZZA.replace("Pizza", "Cheese"), after=[("menu", "0003_one_way")])
    migrate()
    before = applied()
    with pytest.raises(IrreversibleError, match=r"menu\.0003_one_way cannot be undone"):
        migrate(("menu", "0002_price"))
    assert "menu_cheese" in tables() and applied() == before
    migrate(("menu", "0002_price"), fake=True)
    assert applied() == ALL


def test_a_migration_may_do_without_a_transaction(pizzeria: Project) -> None:
    show = 'lambda apps, editor: print("IN" if editor.connection.in_atomic_block else "OUT")'
    inside = f"migrations.RunPython({show}, {show}{{}})"
    pizzeria.migration(
        "menu",
        "0003_free",
        inside.format(""),
        inside.format(", atomic=True"),
        after=[("menu", "0002_price")],
        atomic=False,
    )
    with redirect_stdout(io.StringIO()) as output:
        migrate()
        migrate(("menu", "0002_price"))
    assert output.getvalue().split() == ["OUT", "IN", "IN", "OUT"]


# -- squashed


def squash(project: Project) -> None:
    project.migration(
        "menu",
        "0001_squashed_0002_price",
        CREATE_PIZZA,
        ADD_PRICE,
        replaces=[("menu", "0001_initial"), ("menu", "0002_price")],
    )


SQUASHED = ["menu.0001_initial", "menu.0001_squashed_0002_price", "menu.0002_price", "shop.0001_initial"]


def test_a_squashed_migration_is_applied_in_place_of_what_it_replaces(pizzeria: Project) -> None:
    squash(pizzeria)
    told: list[str] = []
    executor = MigrationExecutor(connection, lambda action, migration, fake: told.append(f"{action} {migration}"))
    executor.migrate(None)
    assert told[0] == "apply_start menu.0001_squashed_0002_price" and len(told) == 4
    assert applied() == SQUASHED
    assert connection.fetch("SELECT * FROM menu_pizza") == []  # without the row, which only the old one makes
    migrate(("menu", None))
    assert applied() == [] and tables() == set()


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_counts_as_applied_where_all_it_replaces_is(pizzeria: Project) -> None:
    migrate()
    squash(pizzeria)
    migrate()
    assert applied() == SQUASHED
    assert connection.fetch("SELECT name FROM menu_pizza") == [("Margherita",)]


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_waits_where_a_part_of_what_it_replaces_is_applied(pizzeria: Project) -> None:
    migrate(("menu", "0001_initial"))
    squash(pizzeria)
    migrate()
    assert applied() == SQUASHED  # the rest was applied, and then it counts as applied


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_that_waits_is_a_target_all_the_same(pizzeria: Project) -> None:
    migrate(("menu", "0001_initial"))
    squash(pizzeria)
    executor = MigrationExecutor(connection)
    assert plan(executor, ("menu", "0001_squashed_0002_price")) == ["+menu.0002_price"]


@pytest.mark.engines("sqlite")
def test_one_can_go_back_to_the_middle_of_a_squashed_migration(pizzeria: Project) -> None:
    migrate()
    squash(pizzeria)
    migrate()
    migrate(("menu", "0001_initial"))
    assert applied() == ["menu.0001_initial"]
    assert connection.fetch("SELECT * FROM menu_pizza") == [(1, "Margherita")]
    migrate()
    assert applied() == SQUASHED


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_outlives_the_files_and_the_notes_of_what_it_replaces(pizzeria: Project) -> None:
    squash(pizzeria)
    migrate()
    recorder = MigrationRecorder(connection)
    for name in ("0001_initial", "0002_price"):
        (pizzeria.folder / f"menu/migrations/{name}.py").unlink()
        recorder.record_unapplied("menu", name)
    pizzeria.migration("shop", "0001_initial", CREATE_ORDER, after=[("menu", "0001_squashed_0002_price")])
    executor = MigrationExecutor(connection)
    assert plan(executor, *executor.loader.graph.leaf_nodes()) == []


# -- SQL


def test_the_statements_of_a_plan_can_be_had_without_executing_them(pizzeria: Project) -> None:
    executor = MigrationExecutor(connection)
    statements = executor.loader.collect_sql(executor.migration_plan([("menu", "0002_price")]))
    text = "\n".join(statements)
    assert "--\n-- Create model Pizza\n--\nCREATE TABLE" in text
    assert "-- Raw Python operation\n--\n-- THIS OPERATION CANNOT BE WRITTEN AS SQL\n--\n-- Add field price" in text
    assert tables() == set() and applied() == []
    executor.migrate([("menu", "0002_price")])
    statements = executor.loader.collect_sql(executor.migration_plan([("menu", None)]))
    assert statements[-1].startswith("DROP TABLE") and statements[-1].endswith(";")
    assert tables() == {"menu_pizza"} and applied() == ALL[:2]


@pytest.mark.engines("sqlite")
def test_squashed_migrations_of_squashed_ones_are_noted_with_all_they_replace(pizzeria: Project) -> None:
    squash(pizzeria)
    pizzeria.migration("menu", "0003_row", ADD_ROW, after=[("menu", "0002_price")])
    pizzeria.migration(
        "menu",
        "0001_squashed_0003_row",
        CREATE_PIZZA,
        ADD_PRICE,
        replaces=[("menu", "0001_squashed_0002_price"), ("menu", "0003_row")],
    )
    migrate()
    menu = ["menu.0001_initial", "menu.0001_squashed_0002_price", "menu.0001_squashed_0003_row"]
    assert applied() == [*menu, "menu.0002_price", "menu.0003_row", "shop.0001_initial"]
    migrate(("menu", "0001_initial"))
    assert applied() == ["menu.0001_initial"]
    migrate(("menu", None))
    assert applied() == [] and tables() == set()

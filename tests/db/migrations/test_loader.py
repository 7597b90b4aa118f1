"""The loader: dependencies across apps, squashed migrations, histories that cannot be, and what is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from webframe.db import connection
from webframe.db.migrations.errors import (
    AmbiguityError,
    CircularDependencyError,
    InconsistentMigrationHistory,
    NodeNotFoundError,
)
from webframe.db.migrations.loader import MigrationLoader
from webframe.db.migrations.recorder import MigrationRecorder
from webframe.test import override_settings

from .projects import ADD_PRICE, CREATE_PIZZA, Project


def load(project: Project, **options: Any) -> MigrationLoader:
    with project.installed():
        return MigrationLoader(None, **options)


def plan(loader: MigrationLoader, app_label: str, name: str) -> list[str]:
    return [".".join(key) for key in loader.graph.forwards_plan((app_label, name))]


# -- dependencies


def test_first_and_latest_mean_the_ends_of_another_app(project: Project) -> None:
    project.migration("shop", "0001_initial", after=[("menu", "__first__")])
    project.migration("shop", "0002_more", after=[("shop", "0001_initial"), ("menu", "__latest__")])
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    project.migration("menu", "0002_price", ADD_PRICE, after=[("menu", "0001_initial")])
    loader = load(project)
    assert plan(loader, "shop", "0001_initial") == ["menu.0001_initial", "shop.0001_initial"]
    assert plan(loader, "shop", "0002_more") == [
        "menu.0001_initial",
        "menu.0002_price",
        "shop.0001_initial",
        "shop.0002_more",
    ]


def test_first_of_an_app_without_migrations_is_nothing_to_wait_for(project: Project) -> None:
    project.app("menu")
    project.migration("shop", "0001_initial", after=[("menu", "__first__")])
    assert plan(load(project), "shop", "0001_initial") == ["shop.0001_initial"]


def test_first_of_an_app_whose_migrations_are_still_to_be_made_is_told(project: Project) -> None:
    project.app("menu")
    project.write("menu/migrations/__init__.py")
    project.migration("shop", "0001_initial", after=[("menu", "__first__")])
    with pytest.raises(NodeNotFoundError) as caught:
        load(project)
    assert str(caught.value) == (
        f"The migration shop.0001_initial ({project.folder}/shop/migrations/0001_initial.py) depends on the first "
        "migration of 'menu'. That app has no migrations yet: make them with 'webframe makemigrations menu'."
    )
    assert plan(load(project, ignore_no_initial=True), "shop", "0001_initial") == ["shop.0001_initial"]


def test_first_of_an_app_that_is_not_installed_is_told(project: Project) -> None:
    project.migration("menu", "0001_initial")
    project.migration("shop", "0001_initial", after=[("meun", "__first__")])
    with pytest.raises(NodeNotFoundError, match="No installed app has that label. Did you mean menu?"):
        load(project)


def test_run_before_puts_a_migration_in_front_of_one_of_another_app(project: Project) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    project.migration("shop", "0001_initial", run_before=[("menu", "0001_initial")])
    assert plan(load(project), "menu", "0001_initial") == ["shop.0001_initial", "menu.0001_initial"]


def test_a_dependency_that_does_not_exist_is_told_with_the_file_and_what_is_close(project: Project) -> None:
    project.migration("menu", "0001_initial")
    project.migration("shop", "0001_initial", after=[("menu", "0001_inital")])
    with pytest.raises(NodeNotFoundError) as caught:
        load(project)
    assert str(caught.value) == (
        f"The migration shop.0001_initial ({project.folder}/shop/migrations/0001_initial.py) refers to "
        "menu.0001_inital, which does not exist. Did you mean 0001_initial?"
    )


def test_a_circle_names_the_files(project: Project) -> None:
    project.migration("menu", "0001_initial", after=[("shop", "0001_initial")])
    project.migration("shop", "0001_initial", after=[("menu", "0001_initial")])
    with pytest.raises(CircularDependencyError, match=r"comes after shop\.0001_initial  \(.*/shop/migrations/0001_in"):
        load(project)


def test_two_last_migrations_of_an_app_are_a_conflict(project: Project) -> None:
    project.migration("menu", "0001_initial")
    project.migration("menu", "0002_b", after=[("menu", "0001_initial")])
    project.migration("menu", "0002_a", after=[("menu", "0001_initial")])
    project.migration("shop", "0001_initial")
    assert load(project).detect_conflicts() == {"menu": ["0002_a", "0002_b"]}


# -- looking up


def test_the_beginning_of_a_name_finds_a_migration(project: Project) -> None:
    project.migration("menu", "0001_initial")
    project.migration("menu", "0002_a", after=[("menu", "0001_initial")])
    project.migration("menu", "0002_a_more", after=[("menu", "0002_a")])
    loader = load(project)
    assert loader.get_migration_by_prefix("menu", "0001").name == "0001_initial"
    assert loader.get_migration_by_prefix("menu", "0002_a").name == "0002_a"
    with pytest.raises(AmbiguityError, match="begin with '0002': 0002_a, 0002_a_more. Write more of the name."):
        loader.get_migration_by_prefix("menu", "0002")
    with pytest.raises(NodeNotFoundError, match=r"no migration menu\.0003. There are: 0001_initial, 0002_a, "):
        loader.get_migration_by_prefix("menu", "0003")
    with pytest.raises(NodeNotFoundError, match=r"The app 'meun' has no migrations. Did you mean menu?"):
        loader.get_migration("meun", "0001_initial")


def test_the_state_of_the_models_at_any_moment(project: Project) -> None:
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    project.migration("menu", "0002_price", ADD_PRICE, after=[("menu", "0001_initial")])
    loader = load(project)
    assert list(loader.project_state().models["menu", "pizza"].fields) == ["id", "name", "price"]
    assert list(loader.project_state(("menu", "0001_initial")).models["menu", "pizza"].fields) == ["id", "name"]
    assert list(loader.project_state([("menu", "0002_price")], at_end=False).models["menu", "pizza"].fields) == [
        "id",
        "name",
    ]


# -- squashed migrations


@pytest.fixture
def squashed(project: Project) -> Project:
    """Three migrations, two of them squashed, and an app that depends on one of the two."""
    project.migration("menu", "0001_initial", CREATE_PIZZA)
    project.migration("menu", "0002_price", ADD_PRICE, after=[("menu", "0001_initial")])
    project.migration(
        "menu",
        "0001_squashed_0002_price",
        CREATE_PIZZA,
        ADD_PRICE,
        replaces=[("menu", "0001_initial"), ("menu", "0002_price")],
    )
    project.migration("menu", "0003_rest", after=[("menu", "0002_price")])
    project.migration("shop", "0001_initial", after=[("menu", "0001_initial")])
    return project


Applied = Callable[..., MigrationLoader]


@pytest.fixture
def loader_with(empty_database: Any, project: Project) -> Iterator[Applied]:
    """Makes the loader of a database in which some migrations are applied."""

    def make(*names: str, **options: Any) -> MigrationLoader:
        recorder = MigrationRecorder(connection)
        recorder.flush()
        for name in names:
            app_label, _, rest = name.partition(".")
            recorder.record_applied(app_label, rest)
        return MigrationLoader(connection, **options)

    yield make


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_is_used_where_none_or_all_of_what_it_replaces_is_applied(
    squashed: Project, loader_with: Applied
) -> None:
    with squashed.installed():
        loader = loader_with()
        assert plan(loader, "menu", "0003_rest") == ["menu.0001_squashed_0002_price", "menu.0003_rest"]
        assert plan(loader, "shop", "0001_initial") == ["menu.0001_squashed_0002_price", "shop.0001_initial"]
        assert loader.applied_migrations == {}
        loader = loader_with("menu.0001_initial", "menu.0002_price")
        assert plan(loader, "menu", "0003_rest") == ["menu.0001_squashed_0002_price", "menu.0003_rest"]
        assert ("menu", "0001_squashed_0002_price") in loader.applied_migrations


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_stands_back_where_a_part_of_what_it_replaces_is_applied(
    squashed: Project, loader_with: Applied
) -> None:
    with squashed.installed():
        loader = loader_with("menu.0001_initial")
        assert plan(loader, "menu", "0003_rest") == ["menu.0001_initial", "menu.0002_price", "menu.0003_rest"]
        assert ("menu", "0001_squashed_0002_price") not in loader.graph


def test_squashed_migrations_can_be_left_out(squashed: Project) -> None:
    loader = load(squashed, replace_migrations=False)
    assert plan(loader, "menu", "0002_price") == ["menu.0001_initial", "menu.0002_price"]
    assert ("menu", "0001_squashed_0002_price") in loader.graph  # beside them


@pytest.mark.engines("sqlite")
def test_files_that_are_still_needed_beside_a_squashed_migration_are_told(
    squashed: Project, loader_with: Applied
) -> None:
    (squashed.folder / "menu/migrations/0002_price.py").unlink()
    squashed.forget()
    with squashed.installed():
        loader_with()
        with pytest.raises(NodeNotFoundError, match=r"refers to menu\.0002_price, which does not exist") as caught:
            loader_with("menu.0001_initial")
    assert caught.value.__notes__ == [
        "It is replaced by menu.0001_squashed_0002_price, which cannot be used as long as only a part of what it "
        "replaces is applied (menu.0001_initial). Bring the files of the replaced migrations back, migrate, and "
        "delete them then."
    ]


def test_squashed_migrations_can_be_squashed(squashed: Project) -> None:
    squashed.migration(
        "menu",
        "0001_squashed_0003_rest",
        CREATE_PIZZA,
        ADD_PRICE,
        replaces=[("menu", "0001_squashed_0002_price"), ("menu", "0003_rest")],
    )
    squashed.migration("menu", "0004_last", after=[("menu", "0003_rest")])
    loader = load(squashed)
    assert plan(loader, "menu", "0004_last") == ["menu.0001_squashed_0003_rest", "menu.0004_last"]
    assert plan(loader, "shop", "0001_initial") == ["menu.0001_squashed_0003_rest", "shop.0001_initial"]


def test_squashed_migrations_may_not_replace_each_other(project: Project) -> None:
    project.migration("menu", "0001_a", replaces=[("menu", "0001_b")])
    project.migration("menu", "0001_b", replaces=[("menu", "0001_a")])
    with pytest.raises(CircularDependencyError, match=r"menu\.0001_a -> menu\.0001_b -> menu\.0001_a"):
        load(project)


# -- histories


@pytest.mark.engines("sqlite")
def test_a_migration_applied_without_what_it_depends_on_is_told(squashed: Project, loader_with: Applied) -> None:
    with squashed.installed():
        loader = loader_with("menu.0001_initial", "menu.0003_rest")
        with pytest.raises(InconsistentMigrationHistory) as caught:
            loader.check_consistent_history(connection)
        assert str(caught.value) == (
            "In the database 'default' the migration menu.0003_rest is applied, but menu.0002_price, which it depends "
            "on, is not. If what menu.0002_price does is there already, say so with 'webframe migrate menu 0002_price "
            "--fake'; if not, take menu.0003_rest back first (with --fake if its tables are not there either)."
        )


@pytest.mark.engines("sqlite")
def test_a_squashed_migration_that_is_not_noted_yet_is_no_gap(squashed: Project, loader_with: Applied) -> None:
    with squashed.installed():
        loader = loader_with("menu.0001_initial", "menu.0002_price", "menu.0003_rest", "shop.0001_initial")
        loader.check_consistent_history(connection)
        MigrationLoader(None).check_consistent_history(connection)


@pytest.mark.engines("sqlite")
def test_what_is_applied_and_has_no_file_any_more_is_let_be(squashed: Project, loader_with: Applied) -> None:
    with squashed.installed():
        loader = loader_with("gone.0001_initial", "menu.0001_initial")
        loader.check_consistent_history(connection)
        assert ("gone", "0001_initial") in loader.applied_migrations


@pytest.mark.engines("sqlite")
def test_loading_asks_the_database_one_question(squashed: Project, loader_with: Applied) -> None:
    with squashed.installed():
        loader_with("menu.0001_initial")
        queries = []

        def watch(execute: Any, sql: str, *arguments: Any) -> Any:
            queries.append(sql)
            return execute(sql, *arguments)

        with connection.execute_wrapper(watch):
            loader = MigrationLoader(connection)
            loader.check_consistent_history(connection)
            loader.detect_conflicts()
        assert len(queries) == 1


def test_apps_with_migrations_elsewhere_keep_their_label(squashed: Project) -> None:
    squashed.write("shop/history/__init__.py")
    (squashed.folder / "shop/migrations/0001_initial.py").rename(squashed.folder / "shop/history/0001_initial.py")
    with override_settings(MIGRATION_MODULES={"shop": "shop.history"}):
        assert plan(load(squashed), "shop", "0001_initial")[-1] == "shop.0001_initial"

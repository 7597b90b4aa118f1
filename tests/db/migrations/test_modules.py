"""Where the migrations of an app are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from webframe import Webframe
from webframe.apps import setup
from webframe.db.migrations.errors import BadMigrationError
from webframe.db.migrations.loader import MigrationLoader
from webframe.db.migrations.modules import migrations_module
from webframe.test import override_settings

from .projects import CREATE_PIZZA, ROOT, Project

EMPTY = "from webframe.db import migrations\n\n\nclass Migration(migrations.Migration):\n    operations = []\n"


def found(project: Project, *labels: str) -> list[tuple[str, str]]:
    with project.installed(*labels):
        return list(MigrationLoader(None).disk_migrations)


def test_a_package_has_them_in_its_package_of_that_name(project: Project) -> None:
    project.migration("menu", "0002_b", after=[("menu", "0001_a")])
    project.migration("menu", "0001_a", CREATE_PIZZA)
    assert found(project) == [("menu", "0001_a"), ("menu", "0002_b")]


def test_packages_and_what_begins_with_an_underscore_are_none(project: Project) -> None:
    project.migration("menu", "0001_a")
    project.write("menu/migrations/_helpers.py", "HELP = 1\n")
    project.write("menu/migrations/~0001_a.py", "")
    project.write("menu/migrations/notes.txt", "")
    project.write("menu/migrations/0002_package/__init__.py", "")
    assert found(project) == [("menu", "0001_a")]


def test_an_app_without_such_a_package_has_none(project: Project) -> None:
    project.app("menu")
    with project.installed():
        loader = MigrationLoader(None)
    assert loader.unmigrated_apps == {"menu"} and loader.migrated_apps == set()


def test_an_empty_package_makes_an_app_that_has_migrations_but_none_yet(project: Project) -> None:
    project.app("menu")
    project.write("menu/migrations/__init__.py")
    with project.installed():
        loader = MigrationLoader(None)
    assert loader.unmigrated_apps == set() and loader.migrated_apps == {"menu"}


def test_a_folder_that_is_left_over_makes_none_and_one_with_migrations_does(project: Project) -> None:
    project.app("menu")
    (project.folder / "menu/migrations/__pycache__").mkdir(parents=True)
    assert found(project) == []
    project.write("menu/migrations/0001_initial.py", EMPTY)
    project.forget()
    assert found(project) == [("menu", "0001_initial")]


def test_a_single_file_has_them_in_a_folder_beside_it_that_is_called_after_it(project: Project) -> None:
    project.labels += ["notes", "lists"]
    project.write("notes.py", "from webframe import Webframe\napp = Webframe(__name__)\n")
    project.write("lists.py", "")
    for label in project.labels:
        project.write(f"{label}_migrations/__init__.py")
        project.write(f"{label}_migrations/0001_{label}.py", EMPTY)
    setup()
    import notes  # type: ignore[import-not-found]

    assert notes.app.app_config.label == "notes"
    assert found(project, "lists") == [("notes", "0001_notes"), ("lists", "0001_lists")]


def test_a_module_of_a_package_does_not_take_the_migrations_of_the_package(project: Project) -> None:
    project.migration("shop", "0001_initial")
    project.write("shop/web.py", "from webframe import Webframe\napp = Webframe(__name__)\n")
    setup()
    import shop.web  # type: ignore[import-not-found]

    assert migrations_module(shop.web.app.app_config) == ("shop.web_migrations", False)
    assert found(project, "shop") == [("shop", "0001_initial")]


@pytest.mark.parametrize(
    "arguments, expected",
    [(["notes.py"], "notes_migrations"), (["-m", "notes"], "notes_migrations"), (["-m", "shop"], "shop.migrations")],
)
def test_a_program_has_them_where_its_module_would_have_them(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    program = (
        f"import sys; sys.path.append({str(ROOT)!r})\n"
        "from webframe import Webframe\n"
        "from webframe.db.migrations.modules import migrations_module\n"
        "print(*migrations_module(Webframe(__name__).app_config))\n"
    )
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("")
    for name in ("notes.py", "shop/__main__.py"):
        (tmp_path / name).write_text(program)
    printed = subprocess.check_output([sys.executable, *arguments], cwd=tmp_path, text=True)
    assert printed == f"{expected} False\n"


def test_an_app_whose_name_is_no_module_has_no_place_for_them() -> None:
    app = Webframe("no module of that name")
    assert migrations_module(app.app_config) == (None, False)


def test_a_setting_names_another_package_or_none(project: Project) -> None:
    project.migration("menu", "0001_initial")
    project.app("history")
    project.write("history/menu/__init__.py")
    project.write("history/menu/0001_other.py", EMPTY)
    with override_settings(MIGRATION_MODULES={"menu": "history.menu"}):
        assert found(project) == [("menu", "0001_other")]
        with project.installed():
            assert MigrationLoader.migrations_module("menu") == ("history.menu", True)
    with override_settings(MIGRATION_MODULES={"menu": None}):
        assert found(project) == []
    with override_settings(MIGRATION_MODULES={"menu": "history.not_yet"}):
        assert found(project) == []  # makemigrations will make it


def test_a_setting_that_names_nothing_is_told(project: Project) -> None:
    project.app("menu")
    with (
        override_settings(MIGRATION_MODULES={"menu": "histroy.menu"}),
        pytest.raises(BadMigrationError, match="migrations of 'menu' are in 'histroy.menu', but .* module 'histroy'"),
    ):
        found(project)


def test_a_file_without_a_migration_is_named(project: Project) -> None:
    project.migration("menu", "0001_initial")
    file = project.write("menu/migrations/env.py", "target_metadata = None\n")
    with pytest.raises(BadMigrationError) as caught:
        found(project)
    assert str(caught.value) == (
        f"{file} is among the migrations of the app 'menu' and has no class Migration. Give it one, or, if it is no "
        "migration, move it elsewhere or begin its name with an underscore."
    )
    project.write("menu/migrations/env.py", "class Migration: pass\n")
    project.forget()
    with pytest.raises(BadMigrationError, match="has as its Migration <class .*>, which is no migrations.Migration"):
        found(project)


def test_a_file_where_a_package_should_be_is_named(project: Project) -> None:
    project.app("menu")
    project.write("menu/migrations.py", "")
    with pytest.raises(
        BadMigrationError, match="in the package 'menu.migrations', but that is the file .*migrations.p"
    ):
        found(project)


def test_what_a_migration_fails_to_import_is_the_error(project: Project) -> None:
    project.migration("menu", "0001_initial")
    project.write("menu/migrations/__init__.py", "import not_there_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        found(project)


def test_migrations_in_a_zip_file_are_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    with zipfile.ZipFile(project.folder / "menu.zip", "w") as archive:
        archive.writestr("menu/__init__.py", "")
        archive.writestr("menu/migrations/__init__.py", "")
        archive.writestr("menu/migrations/0001_initial.py", EMPTY)
        archive.writestr("menu/migrations/_not.py", "")
    project.labels.append("menu")
    monkeypatch.syspath_prepend(str(project.folder / "menu.zip"))
    assert found(project) == [("menu", "0001_initial")]

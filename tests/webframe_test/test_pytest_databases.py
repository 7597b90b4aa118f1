"""The databases that the plugin makes: by migrations, for each process, for the next run; on every engine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .separate import Project, passed

pytest_plugins = "pytester"

MODELS = """
from webframe.db import models

class Pizza(models.Model):
    name = models.CharField(max_length=50)
    sauce = models.ForeignKey("Sauce", models.CASCADE, null=True)

class Sauce(models.Model):
    name = models.CharField(max_length=50, unique=True)
    kept = models.JSONField(default=dict)
    best_on = models.ForeignKey(Pizza, models.SET_NULL, null=True, related_name="+")
"""

MIGRATION = """
from webframe.db import migrations, models

def fill(apps, schema_editor):
    Sauce, Pizza = apps.get_model("menu", "Sauce"), apps.get_model("menu", "Pizza")
    tomato = Sauce.objects.create(name="tomato", kept={"days": [1, 2]})
    tomato.best_on = Pizza.objects.create(name="Margherita", sauce=tomato)
    tomato.save()

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Pizza", [
            ("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=50)),
        ]),
        migrations.CreateModel("Sauce", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=50, unique=True)),
            ("kept", models.JSONField(default=dict)),
            ("best_on", models.ForeignKey("menu.Pizza", models.SET_NULL, null=True, related_name="+")),
        ]),
        migrations.AddField("Pizza", "sauce", models.ForeignKey("menu.Sauce", models.CASCADE, null=True)),
        migrations.RunPython(fill),
    ]
"""

# An app with migrations beside that of the Webframe, which has none.
APP = """
from webframe import Webframe
from webframe.db import models

app = Webframe(__name__, INSTALLED_APPS=["menu"])

class Order(models.Model):
    number = models.IntegerField()
"""

TESTS = """
import pytest
from app import Order
from menu.models import Pizza, Sauce
from webframe.db import connection

def test_rows_of_migrations_are_there(db):
    margherita = Pizza.objects.get()
    assert (margherita.sauce.name, margherita.sauce.kept) == ("tomato", {"days": [1, 2]})
    assert margherita.sauce.best_on == margherita
    assert Sauce.objects.create(name="pesto").pk > margherita.sauce.pk

@pytest.mark.parametrize("time", [1, 2, 3])
def test_they_are_there_again_after_tests_that_commit(transactional_db, time):
    margherita = Pizza.objects.get()
    assert (margherita.sauce.name, margherita.sauce.kept) == ("tomato", {"days": [1, 2]})
    Pizza.objects.all().delete()
    Sauce.objects.create(name="pesto", best_on=Pizza.objects.create(name="Calzone"))
    Order.objects.create(number=Order.objects.count())
    assert Order.objects.get().number == 0

@pytest.mark.webframe_db(reset_sequences=True)
def test_keys_begin_behind_them():
    assert Pizza.objects.create(name="Calzone").pk == 2
    assert Order.objects.create(number=1).pk == 1

@pytest.mark.webframe_db
async def test_async_tests_are_in_the_transaction():
    await Order.objects.acreate(number=1)
    assert (await Pizza.objects.select_related("sauce").aget()).sauce.name == "tomato"

def test_the_name(db):
    assert "test" in connection.settings_dict["NAME"]
"""


@pytest.fixture
def new_database(database_server: Callable[[str], Any]) -> Callable[[str], str]:
    """Makes a database of an engine, and gives its URL."""
    return lambda vendor: str(database_server(vendor).create_database("pytest"))


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def project(request: pytest.FixtureRequest, pytester: pytest.Pytester, new_database: Callable[[str], str]) -> Project:
    """A project with an app that has migrations and one that has none, on each engine."""
    return with_migrations(Project(pytester, new_database(request.param)))


@pytest.fixture
def small(pytester: pytest.Pytester) -> Project:
    """The same on SQLite alone."""
    return with_migrations(Project(pytester, "sqlite:///real.sqlite3"))


def with_migrations(project: Project) -> Project:
    project.write(
        app=APP,
        menu____init__="",
        menu__models=MODELS,
        menu__migrations____init__="",
        menu__migrations__0001_initial=MIGRATION,
        test_it=TESTS,
    )
    return project


@pytest.mark.timeout(200)
def test_databases_are_made_by_migrations(project: Project) -> None:
    passed(project.run(), passed=7)


@pytest.mark.timeout(300)
def test_each_process_has_its_own_and_they_can_be_kept(project: Project) -> None:
    for _ in range(2):
        passed(project.run("-p", "xdist", "-n", "2", "--reuse-db"), passed=7)


def test_without_migrations_tables_are_those_of_the_models(small: Project) -> None:
    small.write(
        test_it="""
        from menu.models import Pizza

        def test_it(db):
            assert not Pizza.objects.exists()
        """
    )
    passed(small.run("--no-migrations"), passed=1)
    passed(small.run(), failed=1)


def test_test_migrate_false_means_the_same_for_one_database(small: Project) -> None:
    small.url = None
    small.write(
        app=APP.replace("INSTALLED_APPS", 'DATABASES={"default": {"ENGINE": "sqlite3", "NAME": "real.sqlite3", '
        '"TEST": {"MIGRATE": False}}}, INSTALLED_APPS'),
        test_it="""
        from menu.models import Pizza

        def test_it(db):
            assert not Pizza.objects.exists()
        """,
    )  # fmt: skip
    passed(small.run(), passed=1)


# --- --reuse-db ---------------------------------------------------------------------------------------------------

NUMBERS = """
from webframe.db import connection
from menu.models import Pizza

def test_it(db):
    assert Pizza.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM marks")
"""


def mark(project: Project) -> None:
    """Leave a mark in the database that is kept, and a row that an interrupted run would leave."""
    project.write(
        marking="""
        import sqlite3
        kept = sqlite3.connect("test_real.sqlite3")
        kept.execute("CREATE TABLE marks (number INTEGER)")
        kept.execute("INSERT INTO menu_pizza (name) VALUES ('left behind')")
        kept.commit()
        kept.close()
        """
    )
    done = project.run_command(sys.executable, "marking.py")
    assert done.ret == 0, done.stderr.str()


def test_a_kept_database_is_taken_again_as_it_was_at_first(small: Project) -> None:
    passed(small.run("--reuse-db"), passed=7)
    mark(small)
    small.write(test_it=NUMBERS)
    passed(small.run("--reuse-db"), passed=1)
    passed(small.run("--reuse-db"), passed=1)


@pytest.mark.parametrize("change", ["models", "migrations", "option"])
def test_it_is_made_anew_where_something_has_changed(small: Project, change: str) -> None:
    passed(small.run("--reuse-db"), passed=7)
    mark(small)
    small.write(test_it=NUMBERS)
    arguments = ["--reuse-db"]
    if change == "models":
        small.write(app=APP + "    table = models.IntegerField(default=3)\n")
    elif change == "migrations":
        small.write(menu__migrations__0001_initial=MIGRATION.replace('name="Margherita"', 'name="Calzone"'))
    else:
        arguments.append("--create-db")
    result = small.run(*arguments)
    passed(result, failed=1)
    assert "no such table: marks" in result.stdout.str()


def test_it_is_not_kept_by_itself(small: Project) -> None:
    passed(small.run(), passed=7)
    assert [path.name for path in small.folder.glob("*.sqlite3*")] == []


# --- TEST ---------------------------------------------------------------------------------------------------------


def with_databases(project: Project, databases: str) -> None:
    project.url = None
    project.write(app=APP.replace("INSTALLED_APPS", f"DATABASES={databases}, INSTALLED_APPS"))


def test_a_replica_shows_what_the_test_has_done(small: Project) -> None:
    with_databases(
        small,
        '{"default": "sqlite:///real.sqlite3", '
        '"replica": {"ENGINE": "sqlite3", "NAME": "replica.sqlite3", "TEST": {"MIRROR": "default"}}}',
    )
    small.write(
        test_it="""
        import pytest
        from app import Order
        from webframe.db import connections
        from webframe.test import override_settings

        def test_in_a_transaction(db):
            Order.objects.create(number=1)
            assert Order.objects.using("replica").get().number == 1
            with override_settings(USE_TZ=False):
                Order.objects.create(number=2)
                assert Order.objects.using("replica").count() == 2

        @pytest.mark.webframe_db(transaction=True, databases=["replica"])
        def test_by_its_name():
            Order.objects.create(number=1)
            assert Order.objects.using("replica").get().number == 1

        @pytest.mark.webframe_db(databases="__all__")
        def test_nothing_is_left():
            assert not Order.objects.using("replica").exists()
            assert connections["replica"] is connections["default"]
        """
    )
    passed(small.run(), passed=3)
    assert not (small.folder / "replica.sqlite3").exists()


def test_two_aliases_of_one_database_are_one_in_tests(small: Project) -> None:
    entry = '{"ENGINE": "sqlite3", "NAME": "real.sqlite3", "TEST": {"NAME": "tests.sqlite3"}}'
    with_databases(small, f'{{"default": {entry}, "again": {entry}}}')
    small.write(
        test_it="""
        import pytest
        from app import Order

        @pytest.mark.webframe_db(transaction=True, databases=["default", "again"])
        @pytest.mark.parametrize("time", [1, 2])
        def test_it(time):
            Order.objects.create(number=1)
            assert Order.objects.using("again").get().number == 1
        """
    )
    passed(small.run(), passed=2)
    assert not (small.folder / "tests.sqlite3").exists()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ('{"NAMES": "x"}', "has 'NAMES'. Did you mean NAME?"),
        ('{"NAME": "real.sqlite3"}', "would be the real one"),
        ('{"MIRROR": "primary"}', "has 'primary' as its MIRROR; that has to be another alias"),
        ('{"MIRROR": "default"}', "has 'default' as its MIRROR; that has to be another alias"),
    ],
)
def test_what_is_wrong_in_TEST_is_told(small: Project, test: str, message: str) -> None:
    with_databases(small, f'{{"default": {{"ENGINE": "sqlite3", "NAME": "real.sqlite3", "TEST": {test}}}}}')
    small.write(test_it="def test_it(db): ...")
    result = small.run()
    passed(result, errors=1)
    assert message in result.stdout.str()


def test_names_that_a_server_would_cut_off_are_refused(pytester: pytest.Pytester) -> None:
    project = with_migrations(Project(pytester, "postgresql://nobody@localhost/" + "x" * 60))
    project.write(test_it="def test_it(db): ...")
    result = project.run()
    passed(result, errors=1)
    assert "longer than 63 bytes" in result.stdout.str()


def test_a_migration_that_fails_is_shown(small: Project) -> None:
    small.write(
        menu__migrations__0001_initial=MIGRATION.replace("tomato.save()", "raise ArithmeticError('no more sauce')")
    )
    result = small.run("-k", "test_the_name")
    passed(result, errors=1, deselected=6)
    assert "no more sauce" in result.stdout.str()


def test_temporary_files_are_removed(small: Project, tmp_path: Path) -> None:
    files = tmp_path / "temporary"
    files.mkdir()
    passed(small.run(TMPDIR=str(files)), passed=7)
    assert not [path.name for path in files.iterdir() if path.name.startswith("webframe-test")]

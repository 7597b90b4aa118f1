"""`migrate`, `syncdb`, `showmigrations` and `sqlmigrate`, as they are typed; what they do on each engine is tested in
tests/db/migrations."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from webframe.apps import apps, setup
from webframe.db import connections
from webframe.db.schema import create_all
from webframe.test import override_settings

SITE = "from webframe import Webframe\n\napp = Webframe(__name__)\n"
HEAD = "from webframe.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
KEY = "('id', models.BigAutoField('ID', primary_key=True, blank=True, auto_created=True))"
INITIAL = (
    HEAD + f"    operations = [migrations.CreateModel('Pizza', [{KEY}, ('name', models.CharField(max_length=50))])]\n"
)
PRICE = (
    HEAD + "    dependencies = [('shop', '0001_initial')]\n"
    "    operations = [migrations.AddField('Pizza', 'price', models.IntegerField(default=7))]\n"
)
MODELS = """
from webframe.db import models

class Pizza(models.Model):
    name = models.CharField(max_length=50)
    price = models.IntegerField(default=7)
"""


@pytest.fixture
def shop(folder: Any) -> Iterator[Any]:
    """A site with the app "shop", which has two migrations, and "news", which has none and no models."""
    folder.write("website.py", SITE)
    folder.write("shop/__init__.py", "")
    folder.write("shop/models.py", MODELS)
    folder.write("shop/migrations/__init__.py", "")
    folder.write("shop/migrations/0001_initial.py", INITIAL)
    folder.write("shop/migrations/0002_price.py", PRICE)
    folder.write("news/__init__.py", "")
    sys.path.insert(0, str(folder.path))
    setup()
    with override_settings(INSTALLED_APPS=["shop", "news"], DATABASES={"default": "sqlite:///site.db"}):
        yield folder
        connections.close_all()
    for label in ("shop", "news"):
        apps.all_models.pop(label, None)


def run(folder: Any, *words: str) -> Any:
    """Run a command as if in a process of its own: what is imported from the apps is forgotten."""
    for name in [name for name in sys.modules if name.startswith("shop.migrations")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return folder.invoke("--app", "website", *words)


def test_each_migration_is_a_line_and_the_second_time_there_is_nothing_to_do(shop: Any) -> None:
    result = run(shop, "migrate")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "Operations to perform:\n"
        "  Apply all migrations: shop\n"
        "Running migrations:\n"
        "  Applying shop.0001_initial... OK\n"
        "  Applying shop.0002_price... OK\n"
    )
    assert run(shop, "migrate").stdout.endswith("Running migrations:\n  No migrations to apply.\n")
    assert run(shop, "migrate", "-v", "0").stdout == ""


def test_going_back_and_forth(shop: Any) -> None:
    run(shop, "migrate")
    assert run(shop, "migrate", "shop", "0001").stdout == (
        "Operations to perform:\n"
        "  Target specific migration: 0001_initial, from shop\n"
        "Running migrations:\n"
        "  Unapplying shop.0002_price... OK\n"
    )
    assert run(shop, "migrate", "shop", "zero").stdout == (
        "Operations to perform:\n"
        "  Unapply all migrations: shop\n"
        "Running migrations:\n"
        "  Unapplying shop.0001_initial... OK\n"
    )
    assert "  Applying shop.0001_initial... FAKED\n" in run(shop, "migrate", "shop", "0001", "--fake").stdout


def test_a_plan_says_what_would_be_done_and_check_only_ends_with_1(shop: Any) -> None:
    assert run(shop, "migrate", "--plan").stdout == (
        "Planned operations:\n"
        "shop.0001_initial\n"
        "    Create model Pizza\n"
        "shop.0002_price\n"
        "    Add field price to Pizza\n"
    )
    assert run(shop, "migrate", "--check").exit_code == 1
    assert run(shop, "migrate", "--check").stdout == ""
    run(shop, "migrate")
    assert run(shop, "migrate", "--check").exit_code == 0
    assert run(shop, "migrate", "--plan").stdout == "Planned operations:\n  No planned migration operations.\n"
    assert run(shop, "migrate", "shop", "zero", "--plan").stdout.splitlines()[1:3] == [
        "shop.0002_price",
        "    Undo Add field price to Pizza",
    ]


REFERRED = (
    HEAD
    + f"""    operations = [
        migrations.CreateModel('Pizza', [{KEY}, ('name', models.CharField(max_length=50))]),
        migrations.CreateModel('Topping', [{KEY}, ('pizza', models.ForeignKey('shop.Pizza', models.CASCADE))]),
    ]
"""
)
ANOTHER_KEY = """
from webframe.db import models

class Pizza(models.Model):
    name = models.CharField(max_length=50, primary_key=True)

class Topping(models.Model):
    pizza = models.ForeignKey(Pizza, models.CASCADE)
"""


def test_changes_that_no_migration_can_make_are_pointed_out_where_nothing_is_to_be_applied(shop: Any) -> None:
    """It is for makemigrations to refuse them."""
    (shop.path / "shop/migrations/0002_price.py").unlink()
    shop.write("shop/migrations/0001_initial.py", REFERRED)
    shop.write("shop/models.py", ANOTHER_KEY)
    site = SITE.replace("__name__", "__name__, INSTALLED_APPS=['shop'], DATABASES={'default': 'sqlite:///site.db'}")
    shop.write("website.py", site)
    assert shop.run("--app", "website", "migrate").stdout.endswith("Applying shop.0001_initial... OK\n")
    again = shop.run("--app", "website", "migrate")
    assert (again.returncode, again.stderr) == (0, "")
    refusal = "  The models have changes that are in no migration yet. The primary key of shop.Pizza is 'id' and "
    assert again.stdout.splitlines()[-1].startswith(refusal)
    made = shop.run("--app", "website", "makemigrations", "--noinput")
    assert made.returncode == 1 and "shop.topping.pizza" in made.stderr and "Traceback" not in made.stderr


def test_elapsed_time_is_for_those_who_want_to_know_more(shop: Any) -> None:
    lines = run(shop, "migrate", "-v", "2").stdout.splitlines()
    assert [line for line in lines if line.startswith("  Applying shop.0001_initial... OK (0.")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["migrate", "shp"], "No installed app has the label 'shp'. Did you mean shop?"),
        (["migrate", "news"], "The app 'news' has no migrations. Make them with 'webframe makemigrations news'"),
        (["migrate", "shop", "0007"], "There is no migration shop.0007."),
        (
            ["migrate", "shop", ""],
            "There is no migration of 'shop' without a name. There are: 0001_initial, 0002_price.",
        ),
        (["migrate", "shop", "000"], "begin with '000': 0001_initial, 0002_price."),
        (["migrate", "shop", "--run-syncdb"], "--run-syncdb is for apps without migrations, and 'shop' has some."),
        (["migrate", "--prune"], "--prune needs to know the app"),
        (["migrate", "--database", "defalt"], "There is no database 'defalt' in DATABASES, which has 'default'."),
        (["showmigrations", "shp"], "No installed app has the label 'shp'. Did you mean shop?"),
        (["sqlmigrate", "shp", "0001"], "No installed app has the label 'shp'. Did you mean shop?"),
        (["sqlmigrate", "news", "0001"], "The app 'news' has no migrations."),
        (["sqlmigrate", "shop", "0007"], "There is no migration shop.0007."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misuse_is_one_line_and_exit_code_2(shop: Any, words: list[str], message: str) -> None:
    result = run(shop, *words)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_conflicts_are_one_line(shop: Any) -> None:
    shop.write("shop/migrations/0002_other.py", PRICE.replace("price", "other"))
    result = run(shop, "migrate")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: Conflicting migrations: each of these is the last of its app (0002_other, 0002_price in shop). Join "
        "them with 'webframe makemigrations --merge'.\n"
    )


def test_a_dependency_that_is_missing_is_no_traceback(shop: Any) -> None:
    shop.write("shop/migrations/0002_price.py", PRICE.replace("0001_initial", "0001_inital"))
    result = run(shop, "migrate")
    assert result.exit_code == 1
    assert "refers to shop.0001_inital, which does not exist. Did you mean 0001_initial?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_database_that_cannot_be_reached_is_one_line(shop: Any) -> None:
    for url in ("sqlite:////nowhere/at/all.db", "postgresql://nobody@127.0.0.1:1/nothing"):
        for words in (["migrate"], ["migrate", "--plan"], ["showmigrations"], ["flush", "--no-input"], ["inspectdb"]):
            with override_settings(DATABASES={"default": url}):
                result = run(shop, *words)
            assert result.exit_code == 1
            assert result.stderr.startswith("Error: Database 'default': "), result.stderr
            assert result.stderr.count("\n") == 1


def test_code_of_the_project_that_fails_is_its_traceback(shop: Any) -> None:
    shop.write(
        "shop/migrations/0003_fill.py",
        HEAD + "    dependencies = [('shop', '0002_price')]\n"
        "    def fill(apps, editor):\n        1 / 0\n"
        "    operations = [migrations.RunPython(fill)]\n",
    )
    result = run(shop, "migrate")
    assert result.exit_code == 1
    assert result.stdout.endswith("  Applying shop.0003_fill...\n")
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "0003_fill.py" in result.stderr
    shop.write("shop/migrations/0003_fill.py", "nonsense nonsense\n")
    result = run(shop, "migrate")
    assert result.exit_code == 1
    assert "SyntaxError" in result.stderr


@pytest.mark.parametrize("atomic", [True, False])
def test_its_traceback_begins_in_the_code_of_the_project_and_ends_with_what_became_of_the_migration(
    shop: Any, atomic: bool
) -> None:
    shop.write(
        "shop/migrations/0003_fill.py",
        HEAD + f"    dependencies = [('shop', '0002_price')]\n    atomic = {atomic}\n"
        "    def fill(apps, editor):\n        1 / 0\n"
        "    operations = [migrations.RunSQL('SELECT 1'), migrations.RunPython(fill)]\n",
    )
    result = run(shop, "migrate")
    assert result.exit_code == 1
    head, first, *_ = result.stderr.splitlines()
    assert head == "Traceback (most recent call last):"
    assert first.lstrip().startswith("File ") and "0003_fill.py" in first
    assert result.stderr.count("Traceback") == 1
    lines = result.stderr.splitlines()
    told = lines[lines.index("ZeroDivisionError: division by zero") + 1 :]
    if atomic:
        assert told[0].startswith("This was operation 2 of 2 of the migration shop.0003_fill, which was not applied: ")
    else:
        assert told[0].startswith("The migration shop.0003_fill failed half-way")
        assert "    FAILED:   Raw Python operation (perhaps done in part)" in told
    assert "--fake-initial" not in result.stderr


def test_tables_that_were_there_before_migrations_lead_to_fake_initial(shop: Any) -> None:
    create_all()
    result = run(shop, "migrate")
    assert result.exit_code == 1
    assert "use --fake-initial" in result.stderr
    assert "Traceback" not in result.stderr
    result = run(shop, "migrate", "shop", "0001", "--fake-initial")
    assert "  Applying shop.0001_initial... FAKED\n" in result.stdout


def test_changes_that_are_in_no_migration_are_told(shop: Any) -> None:
    run(shop, "migrate")
    assert "changes" not in run(shop, "migrate").stdout
    shop.write("shop/migrations/0002_price.py", PRICE.replace("IntegerField(default=7)", "IntegerField(null=True)"))
    result = run(shop, "migrate")
    assert "The models of 'shop' have changes that are in no migration yet." in result.stdout
    assert "webframe makemigrations" in result.stdout


def test_prune_forgets_what_has_no_file(shop: Any) -> None:
    run(shop, "migrate")
    os.remove("shop/migrations/0002_price.py")
    assert run(shop, "migrate", "shop", "--prune").stdout == "Pruning migrations:\n  Pruning shop.0002_price... OK\n"
    assert run(shop, "migrate", "shop", "--prune").stdout == "Pruning migrations:\n  No migrations to prune.\n"


def test_a_squashed_migration_outlives_what_it_replaces_where_that_had_been_applied_before(shop: Any) -> None:
    run(shop, "migrate")
    replaces = "    replaces = [('shop', '0001_initial'), ('shop', '0002_price')]\n"
    squashed = INITIAL.replace("50))", "50)), ('price', models.IntegerField(default=7))")
    shop.write("shop/migrations/0001_squashed.py", squashed.replace("    op", replaces + "    op"))
    assert "  No migrations to apply.\n" in run(shop, "migrate").stdout
    os.remove("shop/migrations/0001_initial.py")
    os.remove("shop/migrations/0002_price.py")
    shop.write("shop/migrations/0001_squashed.py", squashed)
    result = run(shop, "migrate")
    assert (result.exit_code, "  No migrations to apply.\n" in result.stdout) == (0, True), result.output
    assert "Pruning shop.0002_price... OK\n" in run(shop, "migrate", "shop", "--prune").stdout
    assert run(shop, "showmigrations", "shop").stdout == "shop\n [X] 0001_squashed\n"


def test_syncdb_does_what_it_did_and_says_what_to_use_instead(shop: Any) -> None:
    shop.write("news/models.py", MODELS.replace("Pizza", "Story"))
    with override_settings(INSTALLED_APPS=["news", "shop"]):
        result = run(shop, "syncdb")
    assert result.stderr == "Warning: syncdb is deprecated; use migrate --run-syncdb.\n"
    assert "  Created table news_story\n" in result.stdout
    assert "  Applying shop.0002_price... OK\n" in result.stdout


# -- the app that is one file


NOTES = """
from webframe import Webframe
from webframe.db import models

app = Webframe(__name__, DATABASES={"default": "sqlite:///notes.db"})

class Note(models.Model):
    text = models.CharField(max_length=200)
"""


def test_an_app_of_one_file_gets_its_tables_by_migrate_alone(folder: Any) -> None:
    folder.write("notes.py", NOTES)
    result = folder.run("--app", "notes", "migrate", "--plan", "--check")
    assert (result.returncode, result.stdout) == (1, "Planned operations:\n  Create table notes_note\n")
    result = folder.run("--app", "notes", "migrate")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "Operations to perform:\n"
        "  Synchronize unmigrated app: notes\n"
        "Synchronizing apps without migrations:\n"
        "  Created table notes_note\n"
    )
    assert folder.run("--app", "notes", "migrate", "notes").stdout.endswith("  No tables to create.\n")
    add = "from notes import Note; Note.objects.create(text='x'); print(Note.objects.count())"
    assert folder.run("--app", "notes", "shell", "-c", add).stdout == "1\n"


def test_with_migrations_beside_it_they_are_applied(folder: Any) -> None:
    folder.write("notes.py", NOTES)
    assert folder.run("--app", "notes", "makemigrations", "notes").returncode == 0
    assert (folder.path / "notes_migrations" / "0001_initial.py").is_file()
    assert "  Applying notes.0001_initial... OK\n" in folder.run("--app", "notes", "migrate").stdout


# -- showmigrations, sqlmigrate


def test_migrations_are_listed_by_app_with_those_applied_marked(shop: Any) -> None:
    assert run(shop, "showmigrations").stdout == "shop\n [ ] 0001_initial\n [ ] 0002_price\n"
    run(shop, "migrate", "shop", "0001")
    assert run(shop, "showmigrations", "shop", "news").stdout == (
        "shop\n [X] 0001_initial\n [ ] 0002_price\nnews\n (no migrations)\n"
    )
    assert " [X] 0001_initial (applied at 2" in run(shop, "showmigrations", "-v", "2").stdout


def test_or_in_the_order_in_which_they_are_applied(shop: Any) -> None:
    run(shop, "migrate", "shop", "0001")
    assert run(shop, "showmigrations", "--plan").stdout == "[X]  shop.0001_initial\n[ ]  shop.0002_price\n"
    assert run(shop, "showmigrations", "-p", "-v", "2").stdout.endswith("shop.0002_price ... (shop.0001_initial)\n")
    assert run(shop, "showmigrations", "--plan", "news").stdout == "(no migrations)\n"


def test_the_sql_of_a_migration_is_written_and_not_executed(shop: Any) -> None:
    text = run(shop, "sqlmigrate", "shop", "0001").stdout
    assert text.startswith("BEGIN;\n--\n-- Create model Pizza\n--\nCREATE TABLE ")
    assert text.endswith("COMMIT;\n")
    assert "DROP TABLE" in run(shop, "sqlmigrate", "shop", "0001", "--backwards").stdout
    assert run(shop, "migrate", "--check").exit_code == 1


NEEDLESS = ["sqlalchemy", "alembic", "asyncio", "greenlet", "psycopg", "pymysql"]


@pytest.mark.parametrize("words", [["migrate"], ["migrate", "--check"], ["makemigrations"], ["showmigrations"]])
def test_with_nothing_to_do_nothing_heavy_is_loaded(shop: Any, words: list[str]) -> None:
    run(shop, "migrate")
    connections.close_all()
    look = f"""
        import sys
        from webframe.__main__ import main
        try:
            main()
        finally:
            print("LOADED", [name for name in {NEEDLESS!r} if name in sys.modules])
        """
    shop.write("look.py", look)
    environ = shop.environ(
        WEBFRAME_INSTALLED_APPS='["shop", "news"]', WEBFRAME_DATABASES='{"default": "sqlite:///site.db"}'
    )
    command = [sys.executable, "-W", "error", "look.py", "--app", "website", *words]
    output = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert output.returncode == 0, output.stderr
    assert output.stdout.splitlines()[-1] == "LOADED []"


# -- models of no app

STRAY = """
from webframe import Webframe
from webframe.apps import setup
from webframe.db import models
from webframe.db.schema import create_all

app = Webframe("kitchen", DATABASES={"default": "sqlite:///site.db"})

class Dish(models.Model):
    name = models.CharField(max_length=50)

if __name__ == "__main__":
    setup()
    print(create_all(Dish))
    create_all()
"""
CURE = "Put 'f' into INSTALLED_APPS, or write Webframe(__name__) if that module makes an app"


def test_a_model_whose_module_is_no_app_is_pointed_out(folder: Any) -> None:
    folder.write("f.py", STRAY)
    assert folder.run("--app", "f", "migrate").stdout.startswith(
        f"f.Dish belongs to no installed app, so it gets no table.\n  {CURE}.\nOperations to perform:\n"
    )
    assert folder.run("--app", "f", "makemigrations").stdout == (
        f"No changes detected\nf.Dish belongs to no installed app, so it gets no migrations.\n  {CURE}.\n"
    )
    checked = folder.run("--app", "f", "check")
    assert f"f.Dish: (apps.W002) The model belongs to no installed app, so it gets no table.\n    {CURE}." in (
        checked.stdout + checked.stderr
    )


def test_a_model_in_a_package_that_is_no_app_is_pointed_out_by_its_package(folder: Any) -> None:
    folder.write("f.py", "from webframe import Webframe\nfrom shop.models import Pizza\napp = Webframe(__name__)\n")
    folder.write("shop/__init__.py", "")
    folder.write("shop/models.py", MODELS)
    checked = folder.run("--app", "f", "check")
    assert "\n    Put 'shop' into INSTALLED_APPS.\n" in checked.stdout + checked.stderr


def test_tables_of_no_model_at_all_are_refused_where_models_belong_to_no_app(folder: Any) -> None:
    file = folder.write("f.py", STRAY)
    ended = subprocess.run([sys.executable, file], env=folder.environ(), capture_output=True, text=True, timeout=60)
    assert ended.stdout == "['f_dish']\n"
    assert ended.stderr.splitlines()[-1] == (
        "webframe.core.exceptions.ImproperlyConfigured: No installed app has a model, but there is f.Dish, which "
        "belongs to none. Write Webframe(__name__), which makes an app of the program; "
        "or name the models: create_all(Dish)."
    )

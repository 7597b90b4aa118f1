"""What `migrate` and `flush` tell the apps: section 8 of the contract and trap 25, row by row."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings

import pytest

from webframe import Webframe
from webframe.apps import apps
from webframe.apps.registry import Apps
from webframe.core.management import CommandError, call_command
from webframe.db import connections
from webframe.db.models.signals import class_prepared, post_migrate, post_syncdb, pre_migrate, pre_syncdb
from webframe.test import override_settings

from .projects import ADD_PRICE, CREATE_PIZZA, FAIL

PIZZA = """
from webframe.db import models

class Pizza(models.Model):
    name = models.CharField(max_length=50)
"""
PRICED_PIZZA = f"{PIZZA}    price = models.IntegerField(default=7)\n"
STORY = """
from webframe.db import models

class Story(models.Model):
    title = models.CharField(max_length=50)
    tags = models.ManyToManyField("Tag")

class Tag(models.Model):
    name = models.CharField(max_length=50)
"""


@pytest.fixture
def shop(project, empty_database):
    """Three apps: "shop" with two migrations, "news" without any, "plain" without models."""
    project.app("shop")
    project.write("shop/models.py", PRICED_PIZZA)
    project.migration("shop", "0001_initial", CREATE_PIZZA)
    project.migration("shop", "0002_price", ADD_PRICE, after=[("shop", "0001_initial")])
    project.app("news")
    project.write("news/models.py", STORY)
    project.app("plain")
    with project.installed():
        yield project
    for label in project.labels:
        apps.all_models.pop(label, None)


@pytest.fixture
def command(shop):
    """Runs a command and returns what it writes."""
    site = Webframe("of_no_module")

    def run(*words, **options):
        output = io.StringIO()
        options.setdefault("interactive", False)
        call_command(*words, app=site, stdout=output, **options)
        return output.getvalue()

    return run


@pytest.fixture
def heard(shop):
    """What was heard: (name of the signal, label of the app, arguments)."""
    events = []

    def hear(signal, sender, **arguments):
        label = getattr(sender, "label", None) or sender.__name__.partition(".")[0]
        events.append((signal.name, label, arguments))

    signals = [pre_migrate, post_migrate, pre_syncdb, post_syncdb]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for signal in signals:
            signal.connect(hear)
    yield events
    for signal in signals:
        signal.disconnect(hear)


def names(heard):
    return [(name, label) for name, label, _ in heard if "migrate" in name]


EACH_ONCE = [("pre_migrate", "shop"), ("pre_migrate", "news"), ("post_migrate", "shop"), ("post_migrate", "news")]


# -- who sends, when


def test_each_app_with_models_sends_all_before_any_work_and_all_after_it(command, heard):
    tables = []

    def look(sender, **kwargs):
        from webframe.db.introspection import table_names

        tables.append("shop_pizza" in table_names(connections["default"]))

    with pre_migrate.connected_to(look), post_migrate.connected_to(look):
        command("migrate")
    assert names(heard) == EACH_ONCE
    assert tables == [False, False, True, True]


def test_the_label_on_the_command_line_does_not_choose_who_sends(command, heard):
    command("migrate", "shop", "0001")
    assert names(heard) == EACH_ONCE


class NothingHere:
    """A router that lets no table be made."""

    def allow_migrate(self, db, app_label, **hints):
        return False


def test_routers_do_not_choose_who_sends(command, heard):
    with override_settings(DATABASE_ROUTERS=[NothingHere()]):
        command("migrate", run_syncdb=True)
        assert names(heard) == EACH_ONCE
        assert heard[1][2]["create_models"] == []
        heard.clear()
        command("flush")
        assert heard == []  # there is no table that could have been emptied


def test_another_database_is_the_one_that_is_told(command, heard):
    with override_settings(DATABASES={**connections.databases, "second": connections.databases["default"]}):
        command("migrate", database="second")
        connections.close_all()
    assert {arguments.get("using") or arguments["db"] for _, _, arguments in heard} == {"second"}


def test_they_are_sent_when_there_is_nothing_to_do(command, heard):
    command("migrate")
    heard.clear()
    command("migrate")
    assert names(heard) == EACH_ONCE
    assert all(arguments["plan"] == [] for name, _, arguments in heard if "migrate" in name)


@pytest.mark.parametrize(
    "words",
    [["migrate", "--fake"], ["migrate", "shop", "0001"], ["migrate", "shop", "zero"], ["migrate", "--run-syncdb"]],
    ids=" ".join,
)
def test_they_are_sent_for_whatever_migrates(command, heard, words):
    command("migrate")
    heard.clear()
    command(*words)
    assert names(heard) == EACH_ONCE


@pytest.mark.parametrize(
    "words",
    [
        ["migrate", "--plan"],
        ["migrate", "--check"],
        ["migrate", "shop", "--prune"],
        ["sqlmigrate", "shop", "0001"],
        ["showmigrations"],
        ["makemigrations", "--check"],
    ],
    ids=" ".join,
)
def test_what_changes_nothing_sends_nothing(command, heard, words):
    options = {} if words[0] not in ("sqlmigrate", "showmigrations") else {"interactive": None}
    if options:
        from webframe.core.management.calling import call_command

        call_command(*words, app=Webframe("of_no_module"), stdout=io.StringIO())
    else:
        with contextlib.suppress(CommandError):  # exit code 1: there is something to do
            command(*words)
    assert heard == []


def test_conflicts_send_nothing(command, heard, shop):
    shop.migration("shop", "0002_other", after=[("shop", "0001_initial")])
    with pytest.raises(CommandError, match="0002_other, 0002_price in shop"):
        command("migrate")
    assert heard == []


def test_an_inconsistent_history_sends_nothing(command, heard):
    command("migrate")
    heard.clear()
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM webframe_migrations WHERE name = '0001_initial'")
    with pytest.raises(CommandError, match="shop.0002_price is applied, but shop.0001_initial"):
        command("migrate")
    assert heard == []


def test_a_migration_that_fails_keeps_what_comes_afterwards_from_being_sent(command, heard, shop):
    shop.migration("shop", "0003_fail", FAIL, after=[("shop", "0002_price")])
    # MySQL cannot undo what was done, and the error says what that is.
    with pytest.raises((ZeroDivisionError, CommandError), match="division by zero"):
        command("migrate")
    assert {name for name, _ in names(heard)} == {"pre_migrate"}


def test_a_receiver_that_fails_before_keeps_everything_from_being_done(command):
    def fail(sender, **kwargs):
        raise ZeroDivisionError("no")

    with pre_migrate.connected_to(fail), pytest.raises(ZeroDivisionError, match="no"):
        command("migrate")
    with pytest.raises(CommandError):
        command("migrate", check=True)


def test_receivers_in_the_management_module_of_an_app_hear_it(command, shop):
    shop.write(
        "shop/management.py",
        "from webframe.db.models.signals import pre_migrate\nheard = []\n"
        "def hear(sender, **kwargs): heard.append(sender.label)\npre_migrate.connect(hear)\n",
    )
    command("migrate")
    module = sys.modules["shop.management"]
    pre_migrate.disconnect(module.hear)
    assert module.heard == ["shop", "news"]


def test_the_sender_is_the_app_config_and_is_made_anew_with_other_installed_apps(command, heard):
    command("migrate")
    assert heard[0][2]["app_config"] is apps.get_app_config("shop")
    before = apps.get_app_config("shop")
    with override_settings(INSTALLED_APPS=["shop"]):
        heard.clear()
        command("migrate")
        assert heard[0][2]["app_config"] is apps.get_app_config("shop") is not before
        assert names(heard) == [("pre_migrate", "shop"), ("post_migrate", "shop")]


# -- with what


def test_the_arguments_are_those_of_the_command(command, heard):
    command("migrate", "-v", "0")
    for _, _, arguments in [event for event in heard if event[0].endswith("_migrate")]:
        assert set(arguments) == {"app_config", "verbosity", "interactive", "stdout", "using", "plan", "apps"}
        assert (arguments["verbosity"], arguments["interactive"], arguments["using"]) == (0, False, "default")


def test_receivers_write_where_the_command_writes(command):
    def write(sender, stdout, **kwargs):
        stdout.write(f"Hello from {sender.label}")

    with post_migrate.connected_to(write, sender=apps.get_app_config("shop")):
        assert command("migrate").endswith("\nHello from shop\n")


def test_the_plan_is_the_same_before_and_after_with_the_direction_of_each_migration(command, heard):
    command("migrate")
    plans = [arguments["plan"] for name, _, arguments in heard if "migrate" in name]
    assert all(plan is plans[0] for plan in plans)
    assert [(str(migration), backwards) for migration, backwards in plans[0]] == [
        ("shop.0001_initial", False),
        ("shop.0002_price", False),
    ]
    heard.clear()
    command("migrate", "shop", "0001")
    [(migration, backwards)] = heard[0][2]["plan"]
    assert (str(migration), backwards) == ("shop.0002_price", True)


def fields_of(registry, label, name):
    return [field.name for field in registry.get_model(label, name)._meta.fields]


def test_before_there_are_the_models_of_applied_migrations_and_afterwards_those_of_all(command, heard):
    command("migrate", "shop", "0001")
    heard.clear()
    command("migrate")
    before, after = heard[0][2]["apps"], heard[-2][2]["apps"]
    assert isinstance(before, Apps)
    assert before is not apps
    assert after is not apps
    assert fields_of(before, "shop", "Pizza") == ["id", "name"]
    assert fields_of(after, "shop", "Pizza") == ["id", "name", "price"]


def test_before_the_first_migration_there_are_no_models_of_it(command, heard):
    command("migrate")
    with pytest.raises(LookupError):
        heard[0][2]["apps"].get_model("shop", "Pizza")


def test_historical_models_can_be_used_and_are_not_the_real_ones(command):
    from shop.models import Pizza

    def fill(sender, apps, using, **kwargs):
        model = apps.get_model("shop", "Pizza")
        assert model is not Pizza
        model.objects.using(using).get_or_create(name="Margherita")

    with post_migrate.connected_to(fill, sender=apps.get_app_config("shop")):
        command("migrate")
        command("migrate")
    assert [pizza.name for pizza in Pizza.objects.all()] == ["Margherita"]


def test_afterwards_apps_without_migrations_have_their_models_with_relations(command, heard):
    command("migrate", "--run-syncdb")
    registry = heard[-1][2] and heard[-2][2]["apps"]
    story = registry.get_model("news", "Story")
    assert [field.name for field in story._meta.many_to_many] == ["tags"]


def test_while_nobody_looks_at_the_models_no_class_is_made(command):
    made = []

    def note(sender, **kwargs):
        made.append(sender)

    command("migrate")
    with class_prepared.connected_to(note):
        command("migrate")
        command("migrate", "shop", "0001", fake=True)
    assert made == []


def test_a_verbose_command_names_each_app(command):
    written = command("migrate", verbosity=2)
    for line in (
        "Running pre-migrate handlers for application shop",
        "Running pre-migrate handlers for application news",
        "Running post-migrate handlers for application news",
    ):
        assert written.count(f"{line}\n") == 1
    assert "plain" not in written
    assert "handlers" not in command("migrate")


# -- the deprecated pair


def test_syncdb_signals_follow_those_of_their_app_with_the_module_of_its_models(command, heard):
    command("migrate")
    assert [(name, label) for name, label, _ in heard[:4]] == [
        ("pre_migrate", "shop"),
        ("pre_syncdb", "shop"),
        ("pre_migrate", "news"),
        ("pre_syncdb", "news"),
    ]
    assert heard[1][2]["app"] is sys.modules["shop.models"]
    assert heard[1][2]["db"] == "default"
    assert set(heard[1][2]) == {"app", "create_models", "verbosity", "interactive", "db"}
    assert set(heard[-1][2]) == {"app", "created_models", "verbosity", "interactive", "db"}


def test_they_list_the_models_of_all_apps_whose_tables_are_made_without_migrations(command, heard):
    command("migrate", run_syncdb=True)
    for index, name in ((1, "create_models"), (-1, "created_models"), (-3, "created_models")):
        models = heard[index][2][name]
        assert type(models) is list
        assert sorted(model.__name__ for model in models) == ["Story", "Story_tags", "Tag"]
    heard.clear()
    command("migrate", run_syncdb=True)
    assert (heard[1][2]["create_models"], heard[-1][2]["created_models"]) == ([], [])


def test_the_lists_are_empty_where_no_tables_are_made_without_migrations(command, heard):
    command("migrate")
    assert (heard[1][2]["create_models"], heard[-1][2]["created_models"]) == ([], [])


# -- flush


def test_flush_sends_post_migrate_only_with_all_its_arguments(command, heard):
    command("migrate", run_syncdb=True)
    heard.clear()
    command("flush", verbosity=0)
    assert [(name, label) for name, label, _ in heard] == [
        ("post_migrate", "shop"),
        ("post_syncdb", "shop"),
        ("post_migrate", "news"),
        ("post_syncdb", "news"),
    ]
    arguments = heard[0][2]
    assert set(arguments) == {"app_config", "verbosity", "interactive", "stdout", "using", "plan", "apps"}
    assert (arguments["plan"], arguments["verbosity"], arguments["interactive"]) == ([], 0, False)
    assert arguments["apps"].get_model("shop", "Pizza")
    created = heard[1][2]["created_models"]
    assert sorted(model.__name__ for model in created) == ["Pizza", "Story", "Story_tags", "Tag"]


def test_flush_sends_after_the_tables_are_empty(command):
    from shop.models import Pizza

    command("migrate")
    Pizza.objects.create(name="Margherita")
    counts = []

    def count(sender, **kwargs):
        counts.append(Pizza.objects.count())

    with post_migrate.connected_to(count):
        command("flush")
    assert counts == [0, 0]


def test_flush_sends_nothing_if_told_so_or_if_there_are_no_tables(command, heard):
    command("flush")
    assert heard == []
    command("migrate")
    heard.clear()
    command("flush", inhibit_post_migrate=True)
    assert heard == []


def test_flush_sends_nothing_if_nobody_agrees(command, heard, monkeypatch):
    command("migrate")
    heard.clear()
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert "Nothing was deleted." in command("flush", interactive=True)
    assert heard == []

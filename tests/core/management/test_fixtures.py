"""`loaddata` and `dumpdata`."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from webframe.apps import apps, setup
from webframe.core.management import call_command
from webframe.db import connections
from webframe.db.models.signals import post_save
from webframe.db.schema import create_all
from webframe.test import override_settings

SITE = "from webframe import Webframe\n\napp = Webframe(__name__)\n"
MODELS = """
from webframe.db import models


class Shown(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(hidden=False)


class Topping(models.Model):
    name = models.CharField(max_length=40, unique=True)
    hidden = models.BooleanField(default=False)

    objects = Shown()


class People(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)


class Pizza(models.Model):
    cook = models.ForeignKey("Cook", models.CASCADE, null=True)
    toppings = models.ManyToManyField(Topping)

    objects = models.Manager()


class Cook(models.Model):
    name = models.CharField(max_length=40)

    objects = People()

    def natural_key(self):
        return (self.name,)


class Chef(Cook):
    class Meta:
        proxy = True
"""

DATABASES = {"default": "sqlite:///shop.db", "other": "sqlite:///other.db"}


@pytest.fixture
def site(folder: Any) -> Iterator[Any]:
    """A site with the app "shop", whose databases are empty; `webframe` runs a command as if it were typed."""
    folder.write("website.py", SITE)
    folder.write("shop/__init__.py", "")
    folder.write("shop/models.py", MODELS)
    sys.path.insert(0, str(folder.path))

    def webframe(*words: str, code: int = 0, input: str | None = None) -> Any:
        result = folder.invoke("--app", "website", *words, input=input)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    folder.webframe = webframe
    setup()
    with override_settings(INSTALLED_APPS=["shop"], DATABASES=DATABASES):
        yield folder
        connections.close_all()
    apps.all_models.pop("shop", None)


@pytest.fixture
def shop(site: Any) -> Any:
    """The same with some rows in the one database, and empty tables in the other."""
    there = site.models = importlib.import_module("shop.models")
    create_all()
    create_all(using="other")
    ham = there.Topping.objects.create(name="ham")
    there.Topping.objects.create(name="anchovies", hidden=True)
    ada = there.Cook.objects.create(name="Ada")
    there.Pizza.objects.create(cook=ada).toppings.add(ham)
    return site


def dumped(shop: Any, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shop.webframe("dumpdata", *arguments).stdout)
    return found


def models(records: list[dict[str, Any]]) -> list[str]:
    return [record["model"] for record in records]


def test_what_is_dumped_can_be_loaded(shop: Any) -> None:
    result = shop.webframe("dumpdata", "-o", "dump.json")
    assert result.stdout == "Wrote 3 object(s) to dump.json\n"
    before = (shop.path / "dump.json").read_text()
    assert before == (
        "[\n"
        '{"model": "shop.topping", "pk": 1, "fields": {"name": "ham", "hidden": false}},\n'
        '{"model": "shop.pizza", "pk": 1, "fields": {"cook": 1, "toppings": [1]}},\n'
        '{"model": "shop.cook", "pk": 1, "fields": {"name": "Ada"}}\n'
        "]\n"
    )
    assert shop.webframe("loaddata", "dump", "--database", "other").stdout == (
        "Installed 3 object(s) from 1 fixture(s)\n"
    )
    assert shop.webframe("dumpdata", "--database", "other").stdout == before
    assert shop.webframe("dumpdata", "--database", "other", "-o", "again.jsonl.gz", "-v", "0").stdout == ""
    with gzip.open(shop.path / "again.jsonl.gz", "rt") as file:
        assert len(list(file)) == 3
    assert shop.webframe("loaddata", "again.jsonl.gz", "-v", "2").stdout.startswith("again.jsonl.gz: 3 record(s).\n")


def test_apps_and_models_can_be_named_or_left_out(shop: Any) -> None:
    assert models(dumped(shop, "shop.Cook")) == ["shop.cook"]
    assert models(dumped(shop, "shop", "-e", "shop.Pizza")) == ["shop.topping", "shop.cook"]
    assert models(dumped(shop, "shop.cook", "shop.Topping")) == ["shop.cook", "shop.topping"]
    assert models(dumped(shop, "--exclude", "shop")) == []
    assert [record["pk"] for record in dumped(shop, "shop.Topping", "--all")] == [1, 2]
    assert [record["pk"] for record in dumped(shop, "shop.Topping", "--all", "--pks", "2")] == [2]
    proxy = shop.webframe("dumpdata", "shop.Chef")
    assert (proxy.stdout, proxy.stderr) == (
        "[]\n",
        "Warning: shop.Chef is a proxy and has no rows of its own; dump shop.Cook.\n",
    )


def test_natural_keys_stand_for_numbers(shop: Any) -> None:
    records = dumped(shop, "--natural-foreign", "--natural-primary")
    assert records == [
        {"model": "shop.topping", "pk": 1, "fields": {"name": "ham", "hidden": False}},
        {"model": "shop.cook", "fields": {"name": "Ada"}},
        {"model": "shop.pizza", "pk": 1, "fields": {"cook": ["Ada"], "toppings": [1]}},
    ]


def test_records_can_be_spread_over_lines(shop: Any) -> None:
    assert '{\n  "model": "shop.cook",\n' in shop.webframe("dumpdata", "--indent", "2").stdout


def test_fixtures_may_come_on_standard_input(shop: Any) -> None:
    text = '{"model": "shop.cook", "pk": 7, "fields": {"name": "Grace ü"}}\n'
    result = shop.webframe("loaddata", "-", "--format", "jsonl", input=text)
    assert result.stdout == "Installed 1 object(s) from 1 fixture(s)\n"
    assert [record["fields"]["name"] for record in dumped(shop, "shop.Cook")] == ["Ada", "Grace ü"]


def test_a_bad_record_is_one_line_and_nothing_is_loaded(shop: Any) -> None:
    good = '{"model": "shop.cook", "pk": 7, "fields": {"name": "Grace"}}\n'
    shop.write("fixtures/cooks.jsonl", good + '{"model": "shop.cook", "pk": 8, "fields": {"nam": "Alan"}}\n')
    result = shop.webframe("loaddata", "cooks", code=1)
    assert "cooks.jsonl, line 2: shop.cook(pk=8): shop.Cook has no field 'nam'. Did you mean name?" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    shop.write("fixtures/cooks.jsonl", good + '{"model": "shop.cook", "pk": 8, "fields": {"name": null}}\n')
    result = shop.webframe("loaddata", "cooks", code=1)
    assert "cooks.jsonl, line 2: shop.Cook(pk=8) could not be loaded" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    shop.write("fixtures/cooks.jsonl", good + '{"model": "shop.pizza", "pk": 8, "fields": {"cook": ["Alan"]}}\n')
    result = shop.webframe("loaddata", "cooks", code=1)
    assert "cooks.jsonl, line 2: shop.pizza(pk=8): the field 'cook' names ['Alan']" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert len(dumped(shop, "shop.Cook")) == 1


def test_the_error_of_a_receiver_is_shown_as_the_users_own(shop: Any) -> None:
    def fail(sender: Any, **kwargs: Any) -> None:
        raise ValueError("no cooks any more")

    shop.write("fixtures/cooks.json", '[{"model": "shop.cook", "pk": 7, "fields": {"name": "Grace"}}]')
    with post_save.connected_to(fail):
        result = shop.webframe("loaddata", "cooks", code=1)
    assert result.stderr.startswith("Traceback") and "ValueError: no cooks any more\n" in result.stderr
    assert "cooks.json, line 1: shop.Cook(pk=7) could not be loaded." in result.stderr
    assert shop.models.Cook.objects.count() == 1


def test_what_is_gone_can_be_passed_over(shop: Any) -> None:
    shop.write("fixtures/old.json", '[{"model": "shop.waiter", "pk": 1, "fields": {"name": "Bob"}}]')
    assert "there is no model 'shop.waiter'" in shop.webframe("loaddata", "old", code=1).stderr
    assert shop.webframe("loaddata", "old", "-i").stdout == "Installed 0 object(s) (of 1) from 1 fixture(s)\n"
    shop.write("fixtures/old.json", '[{"model": "shop.cook", "pk": 9, "fields": {"name": "Bob"}}]')
    assert "Installed 0 object(s) (of 1)" in shop.webframe("loaddata", "old", "--exclude", "shop.Cook").stdout
    shop.write("shop/fixtures/empty.json", "[]")
    result = shop.webframe("loaddata", "empty", "--app", "shop")
    assert result.stderr.startswith("Warning: ") and result.stderr.endswith("empty.json has no records.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["loaddata", "menu"], 1, "There is no fixture 'menu'."),
        (["loaddata", "menu", "--app", "shp"], 2, "No installed app has the label 'shp'. Did you mean shop?"),
        (["loaddata", "menu", "-e", "shop.Topin"], 2, "has no model 'Topin'. Did you mean Topping?"),
        (["loaddata", "menu", "--database", "othr"], 2, "There is no database 'othr' in DATABASES"),
        (["loaddata"], 2, "Missing argument 'FIXTURE...'"),
        (["dumpdata", "shp"], 2, "No installed app has the label 'shp'. Did you mean shop?"),
        (["dumpdata", "shop.Piza"], 2, "has no model 'Piza'. Did you mean Pizza?"),
        (["dumpdata", "shop", "--pks", "1"], 2, "--pks are keys of one model."),
        (["dumpdata", "shop.Pizza", "--pks", "1,x"], 2, "--pks 1,x: “x” value must be an integer."),
        (["dumpdata", "--format", "jsonl", "-o", "a.json"], 2, "do not go together"),
        (["dumpdata", "-o", "a.xml"], 2, "'a.xml' ends with .xml, which is no format of fixtures"),
        (["dumpdata", "-o", "a.csv.gz", "--format", "json"], 2, "'a.csv' ends with .csv, which is no format of"),
        (["dumpdata", "-o", "nowhere/a.json"], 1, "nowhere/a.json cannot be written: No such file or directory."),
    ],
)
def test_wrong_use_says_what_would_be_right(site: Any, arguments: list[str], code: int, message: str) -> None:
    assert message in site.webframe(*arguments, code=code).stderr


def test_a_dump_that_fails_leaves_what_was_there(site: Any) -> None:
    site.write("dump.json", "precious")
    assert "no such table: shop_topping" in site.webframe("dumpdata", "-o", "dump.json", code=1).stderr
    assert (site.path / "dump.json").read_text() == "precious"
    assert sorted(path.name for path in site.path.glob("*dump*")) == ["dump.json"]


def test_both_can_be_called_from_python(shop: Any) -> None:
    text = io.StringIO()
    call_command("dumpdata", "shop.Cook", app="website", stdout=text, natural_primary=True, every=True, format="jsonl")
    assert text.getvalue() == '{"model": "shop.cook", "fields": {"name": "Ada"}}\n'
    shop.write("cooks.jsonl", text.getvalue().replace("Ada", "Grace"))
    call_command("loaddata", "cooks", app="website", verbosity=0, app_label=None)
    assert [cook.name for cook in shop.models.Cook.objects.order_by("pk")] == ["Ada", "Grace"]

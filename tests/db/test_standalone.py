"""Persistence without the web part, and the web part without persistence: what a process loads and what it can do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What a script must do without; none of it is installed as far as the script can tell.
ABSENT = (
    "werkzeug",
    "jinja2",
    "click",
    "itsdangerous",
    "asgiref",
    "httpx",
    "pytest",
    "webframe.app",
    "webframe.http",
    "webframe.contrib",
    "webframe.test",
    "webframe.core.handlers",
)

HIDE = f"""
import sys
from importlib.abc import MetaPathFinder

ABSENT = {ABSENT!r}

class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == absent or name.startswith(absent + ".") for absent in ABSENT):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
assert not any(name in sys.modules for name in ABSENT)
"""

SCRIPT = """
from webframe.conf import settings

settings.configure(DATABASES={"default": sys.argv[1]})

import datetime
import decimal

from webframe.db import connection, connections, models, transaction
from webframe.db.models import Avg, Count, F, Q
from webframe.db.models.signals import m2m_changed, post_delete, post_save
from webframe.db.schema import create_all, drop_all


class Topping(models.Model):
    name = models.CharField(max_length=50, unique=True)

    class Meta:
        app_label = "standalone"


class Pizza(models.Model):
    name = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=6, decimal_places=2)
    since = models.DateTimeField(auto_now_add=True)
    toppings = models.ManyToManyField(Topping, related_name="pizzas")

    class Meta:
        app_label = "standalone"
        ordering = ["name"]


class Order(models.Model):
    pizza = models.ForeignKey(Pizza, on_delete=models.CASCADE, related_name="orders")
    count = models.IntegerField(default=1)

    class Meta:
        app_label = "standalone"


heard = []
for signal in (post_save, post_delete, m2m_changed):
    signal.connect(lambda signal, sender, **kwargs: heard.append((signal.name, sender.__name__)), weak=False)

create_all(Topping, Pizza, Order)

basil, ham = Topping.objects.create(name="basil"), Topping.objects.create(name="ham")
margherita = Pizza(name="Margherita", price=decimal.Decimal("8.50"))
margherita.save()
margherita.toppings.add(basil)
rustica = Pizza.objects.create(name="Rustica", price=decimal.Decimal("10.00"))
rustica.toppings.set([basil, ham])
Order.objects.bulk_create([Order(pizza=margherita, count=2), Order(pizza=rustica), Order(pizza=rustica, count=5)])

assert list(Pizza.objects.values_list("name", flat=True)) == ["Margherita", "Rustica"]
assert Pizza.objects.get(toppings=ham) == rustica
assert [p.n for p in Pizza.objects.annotate(n=Count("orders")).order_by("name")] == [1, 2]
assert Order.objects.filter(Q(pizza__name="Rustica") & ~Q(count=1)).get().count == 5
assert Pizza.objects.aggregate(mean=Avg("price"))["mean"] == decimal.Decimal("9.25")
assert Order.objects.select_related("pizza").get(count=2).pizza.price == decimal.Decimal("8.50")
assert [len(p.toppings.all()) for p in Pizza.objects.prefetch_related("toppings")] == [1, 2]
assert isinstance(Pizza.objects.get(pk=rustica.pk).since, datetime.datetime)
assert basil.pizzas.count() == 2

after = []
try:
    with transaction.atomic():
        transaction.on_commit(lambda: after.append("never"))
        Order.objects.update(count=F("count") + 1)
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
assert after == [] and sorted(order.count for order in margherita.orders.all()) == [2]
with transaction.atomic():
    transaction.on_commit(lambda: after.append("kept"))
    Order.objects.update(count=F("count") + 1)
    try:
        with transaction.atomic():
            rustica.delete()
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
rustica = Pizza.objects.get(name="Rustica")
assert after == ["kept"] and sorted(order.count for order in rustica.orders.all()) == [2, 6]
assert rustica.delete()[0] == 5
assert not Order.objects.filter(count__gt=3).exists()
assert ("post_save", "Pizza") in heard and ("post_delete", "Order") in heard
assert any(name == "m2m_changed" for name, _ in heard)

with connection.cursor() as cursor:
    cursor.execute("SELECT COUNT(*) FROM standalone_pizza")
    assert cursor.fetchone() == (1,)
drop_all(Topping, Pizza, Order)
connections.close_all()
print("done", connection.vendor)
print(*sorted(sys.modules))
"""


def run(code: str, *arguments: str, directory: Path = ROOT) -> set[str]:
    """The words that a fresh process prints, every warning an error."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def loaded_by(code: str) -> set[str]:
    return run(f"{code}\nimport sys\nprint(*sorted(sys.modules))")


def test_a_script_saves_and_asks_where_no_web_package_is_installed(engine):
    printed = run(HIDE + SCRIPT, engine.databases["default"])
    assert {"done", engine.vendor} <= printed
    assert not printed & set(ABSENT)


@pytest.mark.parametrize("module", ["webframe.db.models.signals", "webframe.db.backends.signals"])
def test_importing_signals_of_persistence_loads_no_sqlalchemy(module):
    assert not loaded_by(f"import {module}") & {"sqlalchemy", "alembic", "greenlet"}


def test_listening_to_a_model_by_name_loads_no_sqlalchemy():
    code = """from webframe.db.models.signals import post_save
post_save.connect(lambda **kwargs: None, sender='shop.Pizza', weak=False)"""
    assert not loaded_by(code) & {"sqlalchemy", "alembic"}


def test_the_doors_load_nothing_behind_them():
    loaded = loaded_by("import webframe, webframe.db")
    assert not loaded & {"sqlalchemy", "alembic", "webframe.db.connections", "webframe.db.transaction"}


HELLO = """
from webframe import Webframe
from webframe.core.signals import request_finished
from webframe.test import Client

app = Webframe("hello")

@app.get("/")
def index(request):
    return "hello"

with Client(app, protocol={protocol!r}) as client:
    for _ in range(3):
        assert client.get("/").text == "hello"
"""


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_a_hello_world_app_loads_nothing_of_persistence(protocol):
    loaded = loaded_by(HELLO.format(protocol=protocol))
    assert not loaded & {"sqlalchemy", "alembic", "psycopg", "pymysql", "sqlite3", "webframe.db.models.base"}


MODELS = """
from webframe.conf import settings
from webframe.db import connection, connections, models, transaction
from webframe.db.models import functions

class Shelf(models.Model):
    name = models.CharField(max_length=50, choices=[("a", "A")], default="a")
    made = models.DateTimeField(db_default=functions.Now())
    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    document = models.JSONField(default=dict)
    related = models.ForeignKey("self", models.SET_NULL, null=True)
    others = models.ManyToManyField("self")

    class Meta:
        app_label = "standalone"
        ordering = [models.F("name").desc(nulls_last=True), functions.Lower("name")]
        indexes = [models.Index(functions.Upper("name"), name="shelf_name")]
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gt=models.F("pk") + 1, made__year=2024), name="dear"),
            models.UniqueConstraint(fields=["name", "price"], name="same", condition=~models.Q(name__in=["b"])),
        ]

Shelf.objects.filter(name="b", made__date__gte="2024-01-01").exclude(price=1).annotate(n=models.Count("related"))
Shelf(name="a", price=1, document={"a": 1}).clean_fields(exclude=["related"])
"""


def test_models_are_defined_and_questions_put_together_without_sqlalchemy():
    assert not loaded_by(MODELS) & {"sqlalchemy", "alembic"}


def test_a_connection_and_sql_of_ones_own_load_no_sqlalchemy(engine):
    code = f"""
from webframe.conf import settings
settings.configure(DATABASES={{'default': {engine.databases["default"]!r}}})
from webframe.db import connection, connections, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT %s", [1])
    assert cursor.fetchone() == (1,)
connections.close_all()
assert connection.fetch("SELECT 1") == [(1,)]
connections.close_all()
"""
    assert not loaded_by(code) & {"sqlalchemy", "alembic"}


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
def test_an_app_with_models_has_loaded_their_compiler_before_its_first_request(protocol):
    app = HELLO.replace('return "hello"', 'import sys; return "hello" if "sqlalchemy" in sys.modules else "late"')
    assert "alembic" not in loaded_by(MODELS + app.format(protocol=protocol))


def test_a_question_that_is_asked_loads_no_alembic():
    loaded = loaded_by(
        MODELS + "settings.configure(DATABASES={'default': 'sqlite:///:memory:'})\nstr(Shelf.objects.all().query)"
    )
    assert "sqlalchemy" in loaded
    assert "alembic" not in loaded

"""The fixtures that webframe gives pytest, in a project of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

APP = """
from webframe import Webframe
from webframe.core.exceptions import Http404
from webframe.db import models, transaction
from webframe.db.models.signals import post_save
from webframe.dispatch import receiver

app = Webframe(__name__, DATABASES={"default": "sqlite:///real.sqlite3", "archive": "sqlite:///archive.sqlite3"})
told = []


class Order(models.Model):
    pizza = models.CharField(max_length=50)
    customer = models.ForeignKey("Customer", models.CASCADE, null=True)


class Customer(models.Model):
    name = models.CharField(max_length=50)
    favourite = models.ForeignKey(Order, models.SET_NULL, null=True, related_name="+")


@receiver(post_save, sender=Order, on_commit=True)
def tell(sender, instance, **kwargs):
    told.append(instance.pizza)


@app.post("/orders")
def order(request):
    with transaction.atomic(durable=True):
        return {"id": Order.objects.create(pizza=request.json["pizza"]).pk}, 201


@app.get("/orders")
def orders(request):
    return [order.pizza for order in Order.objects.order_by("pk")]


@app.post("/wrong")
def wrong(request):
    with transaction.atomic():
        Order.objects.create(pizza="never")
        raise Http404
"""

TESTS = """
import threading
from app import Customer, Order, told
from webframe.db import connections, transaction
from webframe.test import capture_on_commit


def test_nothing_is_there(db, client):
    assert client.get("/orders").json() == []
    assert client.post("/orders", json={"pizza": "Margherita"}).status_code == 201
    assert client.get("/orders").json() == ["Margherita"]
    assert Order.objects.get().pizza == "Margherita"
    assert transaction.is_open()


test_nothing_is_there_again = test_nothing_is_there


def test_the_client_sees_what_the_test_did(client, db):
    Order.objects.create(pizza="Calzone")
    Order.objects.using("archive").create(pizza="Old")
    assert client.post("/wrong").status_code == 404
    assert client.get("/orders").json() == ["Calzone"]


def test_the_archive_is_empty_again(db):
    assert not Order.objects.using("archive").exists()
    assert connections["default"].settings_dict["NAME"].endswith("default.sqlite3")


def test_what_waits_for_the_commit_is_called_by_hand(db, client):
    client.post("/orders", json={"pizza": "Margherita"})
    assert told == []
    with capture_on_commit() as functions:
        client.post("/orders", json={"pizza": "Calzone"})
    assert len(functions) == 1 and told == []
    with capture_on_commit(execute=True) as functions:
        with transaction.atomic():
            Order.objects.create(pizza="Funghi")
            transaction.on_commit(lambda: transaction.on_commit(lambda: told.append("later")))
    assert len(functions) == 3
    assert told == ["Funghi", "later"]
    told.clear()


def test_commits_are_real(committing_db, client):
    assert not transaction.is_open()
    order = Order.objects.create(pizza="Margherita")
    order.customer = Customer.objects.create(name="Ann", favourite=order)
    order.save()
    assert told == ["Margherita", "Margherita"]
    told.clear()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(Order.objects.count()))
    thread.start()
    thread.join()
    assert seen == [1]
    assert client.get("/orders").json() == ["Margherita"]


test_commits_are_deleted = test_commits_are_real
"""


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project, with our plug-in whether or not webframe is installed."""
    known = any(point.value == "webframe.test.pytest_plugin" for point in entry_points(group="pytest11"))
    plugin = [] if known else ["-p", "webframe.test.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *plugin, *arguments]
    path = {"PYTHONPATH": os.pathsep.join([str(folder), *([] if known else [str(ROOT)])])}
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **path, **environment}, capture_output=True, text=True, timeout=100
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "test_app.py").write_text(TESTS)
    return tmp_path


def test_each_test_begins_with_an_empty_database_and_shares_it_with_the_client(project: Path) -> None:
    done = run(project)
    assert " 13 passed" in done.stdout, done.stdout + done.stderr
    assert not (project / "real.sqlite3").exists()


def test_a_project_without_databases_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(db): ...")
    done = run(tmp_path)
    assert "DATABASES is empty" in done.stdout


def test_a_test_without_them_imports_nothing_of_webframe(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    ours = {name for name in sys.modules if name.startswith('webframe.')}\n"
        "    assert ours <= {'webframe._lazy', 'webframe.test', 'webframe.test.pytest_plugin'}, ours\n"
    )
    done = run(tmp_path)
    assert " 1 passed" in done.stdout, done.stdout + done.stderr

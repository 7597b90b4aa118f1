"""What errors say to those who made one of the common mistakes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from webframe.conf import Settings
from webframe.core.exceptions import FieldError, ImproperlyConfigured
from webframe.db import configuration, connection, connections, models
from webframe.db.errors import ConnectionDoesNotExist, DatabaseError
from webframe.test import override_settings


def test_a_missing_table_says_how_to_create_it(engine, define):
    Forgotten = define("Forgotten", name=models.CharField(max_length=5))
    for ask in (lambda: list(Forgotten.objects.all()), lambda: Forgotten.objects.create(name="x")):
        with pytest.raises(DatabaseError) as raised:
            ask()
        assert "create_all" in "".join(raised.value.__notes__)


@pytest.mark.engines("sqlite")
def test_a_relation_to_a_model_that_is_nowhere_is_named(engine, define):
    Order = define("Order", customer=models.ForeignKey("Customer", models.CASCADE))
    with pytest.raises(FieldError, match="'Customer', which is not defined"):
        Order(customer_id=3).customer  # noqa: B018  # the question is what is asked here


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite+aiosqlite:///notes.db", "driver that cannot be imported: .*aiosqlite"),
        ("mysql://user@localhost/name?nonsense=3", "OPTIONS.*nonsense"),
        ("sqlite:///notes.db?nonsense=3", "OPTIONS.*nonsense"),
    ],
)
def test_a_driver_that_is_missing_or_does_not_know_an_option_is_named(url, says, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    with override_settings(DATABASES={"default": url}), pytest.raises(ImproperlyConfigured, match=says):
        connection.cursor().execute("SELECT 1")


@pytest.mark.parametrize("entry", [{"ENGINE": "sqlite3", "NAME": "shop.db"}, {"URL": "sqlite://"}])
def test_a_database_without_an_alias_around_it_is_told_from_others(entry):
    with (
        override_settings(DATABASES=entry),
        pytest.raises(ImproperlyConfigured, match=r"DATABASES has (ENGINE and NAME|URL) itself.*{'default': {'"),
    ):
        connection.cursor()
    with override_settings(DATABASES={"TEST": "sqlite://"}):
        assert list(connections) == ["TEST"]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgres://user:secret@host:port/name"),
        ("WEBFRAME_DATABASES", '{"default": "secret.db"}'),
        ("WEBFRAME_DATABASES__default", "sqlite:secret.db"),
        ("WEBFRAME_DATABASES__default__NAME", "secret.db"),
    ],
)
def test_an_url_that_cannot_be_read_is_called_by_the_variable_that_gives_it(variable, text, monkeypatch):
    settings = Settings({variable: text})
    monkeypatch.setattr(configuration, "settings", settings)
    with pytest.raises(ImproperlyConfigured, match=f"The environment variable {variable} (is|has) .*") as raised:
        configuration.configurations(settings.DATABASES)
    assert "secret" not in str(raised.value)
    settings.DATABASES = {"default": "nonsense"}
    with pytest.raises(ImproperlyConfigured, match=r"DATABASES\['default'\] is no URL"):
        configuration.configurations(settings.DATABASES)


@pytest.mark.parametrize(
    ("alias", "says"), [("repli", "has 'replica'. Did you mean replica"), ("default", "using() or by a router")]
)
def test_an_unknown_alias_is_not_told_as_the_consequence_of_anything(alias, says):
    with override_settings(DATABASES={"replica": "sqlite://"}), pytest.raises(ConnectionDoesNotExist) as raised:
        _ = connections[alias]
    assert says in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("from webframe.db import models; models.CharField(max_length=9).sql_type()", "sqlalchemy"),
        ("from webframe.db import schema", "sqlalchemy"),
        ("from webframe.db.schema import create_all", "alembic"),
        ("from webframe import Webframe; Webframe('x').get('/')(print)", "werkzeug"),
    ],
)
def test_what_webframe_depends_on_and_is_not_installed_is_named_with_the_cure(code, missing):
    run = [sys.executable, "-c", f"import sys; sys.modules[{missing!r}] = None; {code}"]
    ended = subprocess.run(run, capture_output=True, text=True, check=False)
    assert f"ImportError: webframe needs {missing!r}, which is not installed" in ended.stderr
    assert ended.stderr.rstrip().endswith(f"pip install {missing}")

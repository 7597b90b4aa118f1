"""What DATABASES may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.configuration import BACKENDS, configuration


def given(entry: Any) -> dict[str, Any]:
    """What an entry says, without the defaults."""
    full = configuration("default", entry)
    return {key: full[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS") if full[key]}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:///folder/with%20space.db", "folder/with space.db"),
        ("sqlite:////absolute/x.db", "/absolute/x.db"),
        ("sqlite://", ":memory:"),
        ("sqlite:///:memory:", ":memory:"),
    ],
)
def test_urls_of_sqlite(url: str, name: str) -> None:
    assert given(url) == {"ENGINE": f"{BACKENDS}.sqlite3", "NAME": name}


def test_options_of_sqlite_stand_in_the_query() -> None:
    assert given("sqlite:///x.db?mode=ro&timeout=2.5")["OPTIONS"] == {"mode": "ro", "timeout": 2.5}


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_urls_of_postgresql(scheme: str) -> None:
    assert given(f"{scheme}://ada:l%40ve@db.example:5433/engine?sslmode=require") == {
        "ENGINE": f"{BACKENDS}.postgresql",
        "NAME": "engine",
        "USER": "ada",
        "PASSWORD": "l@ve",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_a_socket_is_named_as_the_host() -> None:
    assert given("postgresql:///engine?host=/run/pg")["HOST"] == "/run/pg"


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql"])
def test_urls_of_mysql(scheme: str) -> None:
    assert given(f"{scheme}://root@localhost/shop")["ENGINE"] == f"{BACKENDS}.mysql"


@pytest.mark.parametrize(
    ("entry", "driver"),
    [
        ("postgresql://host/shop", ""),
        ("postgresql+asyncpg://host/shop", "asyncpg"),
        ("postgres+psycopg://host/shop", "psycopg"),
        ("mysql+asyncmy://host/shop", "asyncmy"),
        ("mariadb+aiomysql://host/shop", "aiomysql"),
        ("mysql+pymysql://host/shop", ""),
        ("sqlite:///shop.db", ""),
        ({"ENGINE": "django.db.backends.postgresql", "ASYNC_DRIVER": "psycopg"}, "psycopg"),
        ({"URL": "postgresql+asyncpg://host/shop", "ASYNC_DRIVER": "psycopg"}, "psycopg"),
        ({"ENGINE": "shop.backends.firebird", "ASYNC_DRIVER": "firebird-aio"}, "firebird-aio"),
    ],
)
def test_the_driver_of_async_code_is_named_by_the_url_or_a_key(entry: Any, driver: str) -> None:
    full = configuration("default", entry)
    assert full["ASYNC_DRIVER"] == driver and not full["ENGINE"].endswith("generic")


def test_other_urls_are_for_sqlalchemy() -> None:
    full = configuration("default", "cockroachdb://root@localhost/bank")
    assert (full["ENGINE"], full["URL"]) == (f"{BACKENDS}.generic", "cockroachdb://root@localhost/bank")


@pytest.mark.parametrize("backend", ["django.db.backends.postgresql", f"{BACKENDS}.postgresql", "postgresql"])
def test_dictionaries_name_a_backend_as_django_does_or_as_we_do(backend: str) -> None:
    full = configuration("default", {"ENGINE": backend, "NAME": "shop", "CONN_MAX_AGE": 60})
    assert (full["ENGINE"], full["NAME"], full["CONN_MAX_AGE"]) == (f"{BACKENDS}.postgresql", "shop", 60)
    assert full["TEST"] == {} and full["ATOMIC_REQUESTS"] is False


def test_a_dictionary_may_have_a_url() -> None:
    full = configuration("default", {"URL": "postgres://host/shop", "ATOMIC_REQUESTS": True})
    assert (full["ENGINE"], full["NAME"], full["ATOMIC_REQUESTS"]) == (f"{BACKENDS}.postgresql", "shop", True)


def test_settings_of_the_pool_stand_in_the_query_too() -> None:
    full = configuration("default", "postgresql://host/shop?conn_max_age=60&conn_health_checks=false")
    assert (full["CONN_MAX_AGE"], full["CONN_HEALTH_CHECKS"], full["OPTIONS"]) == (60, False, {})


def test_a_name_may_be_a_path(tmp_path: Path) -> None:
    assert given({"ENGINE": "sqlite3", "NAME": tmp_path / "x.db"})["NAME"] == tmp_path / "x.db"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (17, "is a int"),
        ("notes.db", "no scheme"),
        ("sqlite:notes.db", "no URL of SQLite"),
        ("sqlite://notes.db", "three slashes"),
        ("postgresql://host:port/name", "cannot be read"),
        ({"NAME": "x"}, "no ENGINE"),
        ({"ENGINE": "sqlite3", "NAMES": "x"}, "Did you mean NAME"),
        ({"ENGINE": "postgresql", "ASYNC_DRIVER": "asynpg"}, "Did you mean asyncpg.*'asyncpg' or 'psycopg'"),
        ({"ENGINE": "sqlite3", "ASYNC_DRIVER": "aiosqlite"}, "nothing to choose"),
        ({"ENGINE": "django.db.backends.oracle", "NAME": "x"}, "no twin"),
    ],
)
def test_what_cannot_be_understood_is_refused(entry: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message) as caught:
        configuration("default", entry)
    assert "'default'" in str(caught.value)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        configuration("default", "postgresql://ada:lovelace@host:port/name")
    assert "lovelace" not in str(caught.value)

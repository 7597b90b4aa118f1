"""What an entry of DATABASES says: a URL or a Django-style dictionary, made into one full dictionary.

Nothing is imported or connected here; a backend is a dotted name until its
database is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.conf import close_match, settings
from webframe.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from urllib import parse as urls
else:
    urls = LateModule("urllib.parse")

BACKENDS = "webframe.db.backends"

# The schemes of URLs that have a backend of their own; every other one is for the generic backend.
SCHEMES = {
    "sqlite": f"{BACKENDS}.sqlite3",
    "sqlite3": f"{BACKENDS}.sqlite3",
    "sqlite+pysqlite": f"{BACKENDS}.sqlite3",
    "postgresql": f"{BACKENDS}.postgresql",
    "postgres": f"{BACKENDS}.postgresql",
    "postgresql+psycopg": f"{BACKENDS}.postgresql",
    "mysql": f"{BACKENDS}.mysql",
    "mysql+pymysql": f"{BACKENDS}.mysql",
    "mariadb": f"{BACKENDS}.mysql",
    "mariadb+pymysql": f"{BACKENDS}.mysql",
}

# Drivers for async code that a backend has a choice of, the best first: they stand behind a "+", or in ASYNC_DRIVER.
ASYNC_DRIVERS = {f"{BACKENDS}.postgresql": ("asyncpg", "psycopg"), f"{BACKENDS}.mysql": ("asyncmy", "aiomysql")}
SCHEMES |= {
    f"{name}+{driver}": SCHEMES[name]
    for name in ("postgresql", "postgres", "mysql", "mariadb")
    for driver in ASYNC_DRIVERS[SCHEMES[name]]
}

# Names that ENGINE is known by besides the dotted ones.
_ENGINES = {name: f"{BACKENDS}.{name}" for name in ("sqlite3", "postgresql", "mysql", "generic")}
_ENGINES |= {f"django.db.backends.{name}": engine for name, engine in _ENGINES.items()}
_ENGINES |= {"sqlite": f"{BACKENDS}.sqlite3", "postgres": f"{BACKENDS}.postgresql", "mariadb": f"{BACKENDS}.mysql"}

# Every key of an entry with its default. URL is what the generic backend connects to.
DEFAULTS: dict[str, Any] = {
    "ENGINE": "",
    "NAME": "",
    "USER": "",
    "PASSWORD": "",
    "HOST": "",
    "PORT": "",
    "URL": "",
    "OPTIONS": {},
    "ASYNC_DRIVER": "",
    "AUTOCOMMIT": True,
    "ATOMIC_REQUESTS": False,
    "CONN_MAX_AGE": None,
    "CONN_HEALTH_CHECKS": True,
    "DISABLE_SERVER_SIDE_CURSORS": False,
    "TIME_ZONE": None,
    "TEST": {},
}

# Keys that a URL may give in its query instead of an option of the driver.
_KEYS_IN_QUERY = {"conn_max_age": "CONN_MAX_AGE", "conn_health_checks": "CONN_HEALTH_CHECKS"}


def configurations(databases: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The full dictionaries of settings for all of DATABASES, by their aliases. Raises `ImproperlyConfigured`."""
    keys = [key for key in databases if key in DEFAULTS]
    if {"ENGINE", "NAME", "URL"}.intersection(keys):
        raise ImproperlyConfigured(
            f"DATABASES has {' and '.join(keys)} itself, where the names of databases are expected. Put them one level "
            f"deeper: DATABASES = {{'default': {{{keys[0]!r}: ...}}}}."
        )
    return {alias: configuration(alias, entry, _place(alias)) for alias, entry in databases.items()}


def _place(alias: str) -> str:
    variable = settings.variable_of("DATABASES", alias)
    return f"DATABASES[{alias!r}]" if variable is None else f"The environment variable {variable}"


def configuration(alias: str, entry: object, place: str | None = None) -> dict[str, Any]:
    """The full dictionary of settings for one entry of DATABASES.

    `place` begins error messages: where the entry was given. Raises
    `ImproperlyConfigured` for what is neither a URL nor such a dictionary.
    """
    place = place or f"DATABASES[{alias!r}]"
    if isinstance(entry, (str, os.PathLike)):
        given = from_url(place, os.fspath(entry))
    elif isinstance(entry, Mapping):
        given = dict(entry)
    else:
        raise ImproperlyConfigured(
            f"{place} is a {type(entry).__name__}. Give a URL such as 'sqlite:///db.sqlite3', or a "
            "dictionary with ENGINE and NAME."
        )
    for key in given:
        if key not in DEFAULTS:
            raise ImproperlyConfigured(
                f"{place} has no key {key!r}.{close_match(str(key), DEFAULTS)} The keys are "
                f"{', '.join(DEFAULTS)}; what the driver is to be given stands in OPTIONS."
            )
    if given.get("URL") and not given.get("ENGINE"):
        given = {**from_url(place, given["URL"]), **{key: value for key, value in given.items() if key != "URL"}}
    full = {**DEFAULTS, **given}
    full["OPTIONS"] = dict(full["OPTIONS"] or {})
    full["TEST"] = dict(full["TEST"] or {})
    full["ENGINE"] = _ENGINES.get(full["ENGINE"], full["ENGINE"])
    if not full["ENGINE"]:
        raise ImproperlyConfigured(
            f"{place} has no ENGINE. Give one of {', '.join(f'{BACKENDS}.{name}' for name in _NAMES)}, "
            "or a URL instead of the dictionary."
        )
    if full["ENGINE"].startswith("django."):
        raise ImproperlyConfigured(
            f"{place} names {full['ENGINE']!r}, which has no twin here. Give a URL that SQLAlchemy "
            "knows for that database."
        )
    _check_async_driver(place, full["ENGINE"], full["ASYNC_DRIVER"])
    return full


def _check_async_driver(place: str, engine: str, driver: str) -> None:
    known = ASYNC_DRIVERS.get(engine, ())
    if not driver or driver in known or not engine.startswith(f"{BACKENDS}."):
        return
    if not known:
        raise ImproperlyConfigured(
            f"{place} has the ASYNC_DRIVER {driver!r}, where there is nothing to choose: async code uses the driver "
            "that plain code uses. Leave it out."
        )
    raise ImproperlyConfigured(
        f"{place} has the ASYNC_DRIVER {driver!r}.{close_match(driver, known)} It may be "
        f"{' or '.join(map(repr, known))}, or nothing, for the best that is installed."
    )


_NAMES = ("sqlite3", "postgresql", "mysql")


def _unquoted(text: str) -> str:
    return urls.unquote(text) if "%" in text else text


def from_url(place: str, url: str) -> dict[str, Any]:
    """The entry that a URL stands for; `place` is where it was given.

    ``scheme://user:password@host:port/name?option=value``. For SQLite all after
    the third slash is the path of the file: ``sqlite:///relative.db``,
    ``sqlite:////absolute.db``, ``sqlite://`` or ``sqlite:///:memory:`` for none.
    """
    scheme, separator, rest = url.partition(":")
    if not separator or not scheme.replace("+", "").replace("-", "").isalnum():
        raise ImproperlyConfigured(
            f"{place} is no URL: it has no scheme. Write for example 'sqlite:///db.sqlite3' or "
            "'postgresql://user:password@host/name'."
        )
    engine = SCHEMES.get(scheme.lower())
    if engine is None:
        return {"ENGINE": f"{BACKENDS}.generic", "URL": url}
    if engine.endswith("sqlite3"):
        return _from_sqlite_url(place, engine, rest)
    try:
        parts = urls.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{place} is a URL that cannot be read: {error}.") from error
    entry: dict[str, Any] = {
        "ENGINE": engine,
        "NAME": urls.unquote(parts.path.removeprefix("/")),
        "USER": urls.unquote(parts.username or ""),
        "PASSWORD": urls.unquote(parts.password or ""),
        "HOST": urls.unquote(parts.hostname or ""),
        "PORT": str(port) if port is not None else "",
    }
    driver = scheme.lower().partition("+")[2]
    if driver in ASYNC_DRIVERS[engine]:
        entry["ASYNC_DRIVER"] = driver
    return _with_query(entry, parts.query)


def _from_sqlite_url(place: str, engine: str, rest: str) -> dict[str, Any]:
    if not rest.startswith("//"):
        raise ImproperlyConfigured(
            f"{place} is no URL of SQLite. Write 'sqlite:///relative.db', 'sqlite:////absolute.db', or "
            "'sqlite://' for a database in memory."
        )
    path, _, query = rest.removeprefix("//").partition("?")
    if path and not path.startswith("/"):
        raise ImproperlyConfigured(
            f"{place} names a host, which SQLite has none of. A path needs three slashes, "
            f"'sqlite:///{path}', or four if it is absolute."
        )
    return _with_query({"ENGINE": engine, "NAME": _unquoted(path.removeprefix("/")) or ":memory:"}, query)


def _with_query(entry: dict[str, Any], query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, text in urls.parse_qsl(query, keep_blank_values=True) if query else ():
        value = _read(text)
        if name.lower() in _KEYS_IN_QUERY:
            entry[_KEYS_IN_QUERY[name.lower()]] = value
        elif name == "host" and not entry.get("HOST"):
            entry["HOST"] = text  # the folder of a Unix socket, as libpq writes it
        else:
            options[name] = value
    if options:
        entry["OPTIONS"] = options
    return entry


def _read(text: str) -> Any:
    """A value of a query: a number or a yes or no where it looks like one."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

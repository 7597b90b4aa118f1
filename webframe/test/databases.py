"""Making the databases of a test run: by migrations where apps have them, and from models as they are elsewhere.

    with made_databases():              # around a whole run
        ...

Each alias of DATABASES gets an empty database of its own, and DATABASES names that
until the end. Its name is "test_" and the name of the real one, or what
``TEST={"NAME": ...}`` says; processes that test side by side need different ones,
which a suffix makes of them. The other keys of TEST are MIRROR, another alias that
this one is a replica of, and MIGRATE: False makes tables without migrations.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webframe.apps.registry import apps, setup
from webframe.conf import close_match, settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.management.errors import AppNotFound
from webframe.core.management.loading import find_app
from webframe.core.management.migrating import Migrating
from webframe.core.signals import setting_changed
from webframe.db.connections import connections
from webframe.test.blocking import blocker
from webframe.test.keeping import Reusable, fingerprint
from webframe.test.settings import override_settings

# What every test database is called, before the name of the database that it stands for.
PREFIX = "test_"

# The keys that TEST may have.
_TEST_KEYS = ("NAME", "MIRROR", "MIGRATE")

# The database from which others can be made, for each backend that has a server.
_MAINTENANCE = {"postgresql": "postgres", "mysql": "information_schema"}

# Longer names are cut off by PostgreSQL, which may make one of two.
_LONGEST_NAME = 63


@dataclass
class MadeDatabases:
    """What `setup_databases` has made, for `teardown_databases`."""

    # What is to be undone.
    stack: ExitStack
    # Aliases that are replicas, or second names of the same database, and the alias that each shows.
    mirrors: dict[str, str] = field(default_factory=dict)


# Those that are there, the last one made at the end.
_made: list[MadeDatabases] = []


def setup_databases(
    *, reuse: bool = False, create: bool = False, migrate: bool = True, suffix: str = ""
) -> MadeDatabases:
    """Make a test database for each alias of DATABASES, and let DATABASES name those.

    What is there under the same name is dropped first. With `reuse` it is kept at
    the end and taken the next time, emptied, if models and migrations are what they
    were; with `create` it is made anew all the same. With ``migrate=False`` all
    tables are made from the models, without migrations. `suffix` is added to each name.
    """
    setup()
    entries = connections.databases
    if not entries:
        raise ImproperlyConfigured(
            "A test asks for the database, and DATABASES is empty. Import the application first, if it sets "
            "DATABASES, or put DATABASE_URL or WEBFRAME_SETTINGS_MODULE into the environment."
        )
    with ExitStack() as stack, blocker.unblock():
        mirrors = _mirrors(entries)
        files = Path(tempfile.mkdtemp(prefix="webframe-test-"))
        stack.callback(shutil.rmtree, files, ignore_errors=True)
        databases = {
            alias: _of_backend(alias, entry)(alias, entry, suffix, reuse, files)
            for alias, entry in entries.items()
            if alias not in mirrors
        }
        first = {database.identity: alias for alias, database in reversed(databases.items())}
        mirrors |= {alias: first[each.identity] for alias, each in databases.items() if first[each.identity] != alias}
        mirrors = {alias: mirrors.get(seen, seen) for alias, seen in mirrors.items()}
        changed = {alias: databases[mirrors.get(alias, alias)].entry for alias in entries}
        made = MadeDatabases(stack, mirrors)
        databases = {alias: database for alias, database in databases.items() if alias not in mirrors}
        for database in databases.values():
            if not (reuse and not create and database.is_there()):
                database.make_anew()
            if not reuse:
                stack.callback(_unblocked, database.drop)
        stack.enter_context(override_settings(DATABASES=changed))
        stack.callback(_unblocked, connections.close_all)
        for alias, database in databases.items():
            _fill(alias, database, migrate=migrate and database.real["TEST"].get("MIGRATE", True), reuse=reuse)
        _made.append(made)
        stack.callback(_made.remove, made)
        _show_mirrors(setting="DATABASES")
        made.stack = stack.pop_all()
        return made


def teardown_databases(made: MadeDatabases) -> None:
    """Drop what `setup_databases` has made, unless it is to be used again, and let DATABASES be what it was."""
    made.stack.close()


@contextmanager
def made_databases(
    *, reuse: bool = False, create: bool = False, migrate: bool = True, suffix: str = ""
) -> Iterator[None]:
    """Within the block there is a test database for each alias; see `setup_databases`."""
    made = setup_databases(reuse=reuse, create=create, migrate=migrate, suffix=suffix)
    try:
        yield
    finally:
        teardown_databases(made)


def ensure_databases() -> None:
    """Make the test databases unless they are there; they are dropped when the process ends.

    For runners that know nothing of databases, such as unittest's.
    """
    if not _made:
        load_app()
        atexit.register(teardown_databases, setup_databases())


def load_app() -> None:
    """Import the application, unless there is one: its models and settings say what databases there are."""
    if apps.has_any or settings.is_overridden("INSTALLED_APPS"):
        return
    try:
        find_app()
    except AppNotFound:
        if "WEBFRAME_APP" in os.environ:
            raise
        # Perhaps there is none, but models and settings only.


def _unblocked(function: Callable[[], object]) -> None:
    with blocker.unblock():
        function()


# --- what is in them ----------------------------------------------------------------------------------------------


def _fill(alias: str, database: _TestDatabase, *, migrate: bool, reuse: bool) -> None:
    """Make the tables, or find those of the last time."""
    reusable = Reusable(alias)
    if reuse:
        made_for = fingerprint(alias, migrate=migrate)
        if not database.is_new and reusable.was_made_for(made_for):
            reusable.restore()
            return
        if not database.is_new:
            connections.close_all()
            database.make_anew()
    without = {} if migrate else {"MIGRATION_MODULES": {config.label: None for config in apps.get_app_configs()}}
    with override_settings(**without):
        Migrating(alias, run_syncdb=True, interactive=False, verbosity=0).run()
    if reuse:
        reusable.keep(made_for)


# --- replicas -----------------------------------------------------------------------------------------------------


def _mirrors(entries: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The aliases that are replicas, each with the alias that it shows; looks at the keys of TEST."""
    found = {}
    for alias, entry in entries.items():
        for key in entry["TEST"]:
            if key not in _TEST_KEYS:
                raise ImproperlyConfigured(
                    f"DATABASES[{alias!r}]['TEST'] has {key!r}.{close_match(str(key), _TEST_KEYS)} It may have "
                    f"{', '.join(map(repr, _TEST_KEYS))}."
                )
        seen = entry["TEST"].get("MIRROR")
        if seen is None:
            continue
        if seen == alias or seen not in entries or entries[seen]["TEST"].get("MIRROR") is not None:
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}]['TEST'] has {seen!r} as its MIRROR; that has to be another alias, and none that "
                f"is a mirror itself.{close_match(str(seen), [other for other in entries if other != alias])}"
            )
        found[alias] = seen
    return found


def _show_mirrors(setting: str, **kwargs: Any) -> None:
    """Let replicas have the connections of what they show: so they are in its transactions, too."""
    if _made and setting in ("DATABASES", "USE_TZ", "TIME_ZONE"):
        there = connections.databases
        for alias, seen in _made[-1].mirrors.items():
            if alias in there and seen in there and there[alias]["NAME"] == there[seen]["NAME"]:
                connections[alias] = connections[seen]


setting_changed.connect(_show_mirrors)


# --- the databases themselves -------------------------------------------------------------------------------------


class _TestDatabase:
    """One database for tests, in place of a real one."""

    def __init__(self, alias: str, real: dict[str, Any], suffix: str, reuse: bool, files: Path) -> None:
        self.alias = alias
        # What DATABASES says outside of the tests, and within them.
        self.real = real
        self.entry = {**real, "NAME": self.name(suffix, reuse, files)}
        # Whether this run has made it.
        self.is_new = False
        if self.entry["NAME"] == real["NAME"]:
            raise ImproperlyConfigured(
                f"The test database of DATABASES[{alias!r}] would be the real one, {real['NAME']!r}, and be dropped. "
                "Give another name in TEST."
            )

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for two aliases of the same database."""
        return tuple(str(self.entry[key]) for key in ("ENGINE", "HOST", "PORT", "NAME"))

    def name(self, suffix: str, reuse: bool, files: Path) -> str:
        """What it is called."""
        raise NotImplementedError

    def is_there(self) -> bool:
        """Whether there is one of that name."""
        raise NotImplementedError

    def make_anew(self) -> None:
        """Make an empty one in place of what is there."""
        self.drop()
        self.is_new = True

    def drop(self) -> None:
        """Drop what is there, if anything is."""
        raise NotImplementedError


class _File(_TestDatabase):
    """A file of SQLite: beside the real one if it is to be found again, else in a temporary directory."""

    def __init__(self, alias: str, real: dict[str, Any], suffix: str, reuse: bool, files: Path) -> None:
        super().__init__(alias, real, suffix, reuse, files)
        options = {key: value for key, value in real["OPTIONS"].items() if key not in ("mode", "immutable")}
        # Nobody needs these data after a power failure, so nobody needs to wait for the disk.
        commands = [command for command in (options.get("init_command"), "PRAGMA synchronous = OFF") if command]
        self.entry["OPTIONS"] = {**options, "init_command": "; ".join(commands)}

    def name(self, suffix: str, reuse: bool, files: Path) -> str:
        real = str(self.real["NAME"])
        given = self.real["TEST"].get("NAME")
        if given is None:
            is_file = ":memory:" not in real and not real.startswith("file:")
            beside = Path(real)
            path = beside.with_name(PREFIX + beside.name) if reuse and is_file else files / f"{self.alias}.sqlite3"
        elif ":memory:" in str(given) or str(given).startswith("file:"):
            return str(given)
        else:
            path = Path(given)
        return str(path.with_stem(f"{path.stem}_{suffix}") if suffix else path)

    def is_there(self) -> bool:
        return Path(self.entry["NAME"]).is_file()

    def drop(self) -> None:
        for end in ("", "-wal", "-shm", "-journal"):
            Path(self.entry["NAME"] + end).unlink(missing_ok=True)


class _OnServer(_TestDatabase):
    """A database on the server of the real one."""

    def name(self, suffix: str, reuse: bool, files: Path) -> str:
        name = str(self.real["TEST"].get("NAME") or f"{PREFIX}{self.real['NAME']}")
        name = f"{name}_{suffix}" if suffix else name
        if len(name.encode()) > _LONGEST_NAME:
            raise ImproperlyConfigured(
                f"The test database of DATABASES[{self.alias!r}] would be called {name!r}, which is longer than "
                f"{_LONGEST_NAME} bytes. Give a shorter NAME in TEST."
            )
        return name

    def is_there(self) -> bool:
        return bool(self._ask(_NAMES_OF_DATABASES[self._vendor], self.entry["NAME"]))

    def make_anew(self) -> None:
        super().make_anew()
        self._ask(f"CREATE DATABASE {self._quoted()}{_WITH[self._vendor]}")

    def drop(self) -> None:
        self._ask(f"DROP DATABASE IF EXISTS {self._quoted()}{_EVEN_IF_IN_USE[self._vendor]}")

    @property
    def _vendor(self) -> str:
        return str(self.real["ENGINE"].rpartition(".")[2])

    def _quoted(self) -> str:
        quote = "`" if self._vendor == "mysql" else '"'
        name = str(self.entry["NAME"]).replace(quote, quote * 2)
        return f"{quote}{name}{quote}"

    def _ask(self, statement: str, *params: Any) -> list[Any]:
        """Run a statement in the database that is always there."""
        with override_settings(DATABASES={self.alias: {**self.real, "NAME": _MAINTENANCE[self._vendor], "TEST": {}}}):
            try:
                with connections[self.alias].cursor() as cursor:
                    cursor.execute(statement, params or None)
                    return list(cursor.fetchall()) if cursor.description else []
            finally:
                connections.close_all()


_NAMES_OF_DATABASES = {
    "postgresql": "SELECT 1 FROM pg_database WHERE datname = %s",
    "mysql": "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s",
}

# Text of all languages, as PostgreSQL has it anyway.
_WITH = {"postgresql": "", "mysql": " CHARACTER SET utf8mb4"}

# Somebody may have left a connection to it behind.
_EVEN_IF_IN_USE = {"postgresql": " WITH (FORCE)", "mysql": ""}


def _of_backend(alias: str, entry: dict[str, Any]) -> type[_TestDatabase]:
    """What makes databases of the kind that an entry of DATABASES names."""
    if entry["ENGINE"].rpartition(".")[2] in _MAINTENANCE:
        return _OnServer
    if entry["URL"]:
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}] is a database that webframe cannot make another one of for tests. Override "
            "DATABASES in the tests with one that may be emptied, and use webframe.test.db.rolled_back()."
        )
    return _File

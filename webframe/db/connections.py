"""The databases of the project by their aliases, and who is connected to which.

    from webframe.db import connection, connections

    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")

`connections` and the wrappers in it belong to the whole process; which
connection a wrapper uses is a matter of the holder of the code that asks (see
`holder.py`). `release` gives everything back that the code here has used; at the
end of a request that happens by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, cast

from webframe.conf import close_match, settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.signals import request_finished, setting_changed, websocket_finished
from webframe.db.configuration import configurations
from webframe.db.errors import ConnectionDoesNotExist
from webframe.db.holder import held, holder_if_any, surrounding_holder
from webframe.db.routers import DEFAULT_ALIAS as DEFAULT_ALIAS
from webframe.db.routers import ConnectionRouter as ConnectionRouter
from webframe.db.routers import router as router
from webframe.workers import current_lessee, pieces_of_work

# What a database wrapper is, `backends/base.py` says; it stands above.
DatabaseWrapper = Any


class Connections:
    """The wrappers of all databases in DATABASES, each made when its alias is first used."""

    def __init__(self) -> None:
        self._wrappers: dict[str, DatabaseWrapper] = {}
        # The full entries of DATABASES; None until they are needed.
        self._databases: dict[str, dict[str, Any]] | None = None
        # Held while a wrapper is made; an import may make it wait, so nothing else is done under it.
        self._lock = threading.RLock()

    @property
    def databases(self) -> dict[str, dict[str, Any]]:
        """Every alias with its full dictionary of settings."""
        if self._databases is None:
            self._databases = configurations(settings.DATABASES)
        return self._databases

    settings = databases

    def __getitem__(self, alias: str) -> DatabaseWrapper:
        try:
            return self._wrappers[alias]
        except KeyError:
            pass  # what goes wrong now shall not be told as the consequence of this
        return self._make(alias)

    def _make(self, alias: str) -> DatabaseWrapper:
        with self._lock:
            if alias not in self._wrappers:
                if alias not in self.databases:
                    raise self._unknown(alias)
                self._wrappers[alias] = _wrapper_class(alias, self.databases[alias])(self.databases[alias], alias)
            return self._wrappers[alias]

    def _unknown(self, alias: str) -> ConnectionDoesNotExist:
        known = self.databases
        if not known:
            return ConnectionDoesNotExist(
                f"There is no database {alias!r}: DATABASES is empty. Set DATABASE_URL in the environment, or give "
                "DATABASES={'default': 'sqlite:///db.sqlite3'} to Webframe(...) or in the settings module."
            )
        hint = close_match(str(alias), known)
        if alias == DEFAULT_ALIAS:
            hint += (
                " It is the one that is used where no other is named: call one of them so, or name one of them with "
                "using() or by a router in DATABASE_ROUTERS."
            )
        return ConnectionDoesNotExist(
            f"There is no database {alias!r} in DATABASES, which has {', '.join(map(repr, known))}.{hint}"
        )

    def __setitem__(self, alias: str, wrapper: DatabaseWrapper) -> None:
        with self._lock:
            self._wrappers[alias] = wrapper
            self.databases.setdefault(alias, wrapper.settings_dict)

    def __delitem__(self, alias: str) -> None:
        with self._lock:
            wrapper = self._wrappers.pop(alias)
        wrapper.dispose()

    def __iter__(self) -> Iterator[str]:
        return iter(self.databases)

    def __contains__(self, alias: object) -> bool:
        return alias in self.databases

    def __len__(self) -> int:
        return len(self.databases)

    def all(self, initialized_only: bool = False) -> list[DatabaseWrapper]:
        """The wrappers of all databases, or only those that have been used."""
        return [self[alias] for alias in self.databases if not initialized_only or alias in self._wrappers]

    def release(self) -> None:
        """Give back the connections that the code here has used, but for those in the middle of a transaction.

        Free when nothing was used. At the end of a request it is done for you.
        """
        holder = holder_if_any()
        if holder is not None and holder.slots:
            holder.release()

    def close_all(self) -> None:
        """Close what the code here has open, and every connection that nobody is using."""
        for wrapper in self.all(initialized_only=True):
            wrapper.close()
            wrapper.dispose()

    def reset(self) -> None:
        """Forget the wrappers and read DATABASES again; connections in use are closed when they are given back."""
        with self._lock:
            wrappers, self._wrappers, self._databases = self._wrappers, {}, None
        for wrapper in wrappers.values():
            wrapper.close(because="An override of DATABASES has begun or ended within it, which closes its connection.")
            wrapper.dispose()


def _wrapper_class(alias: str, entry: dict[str, Any]) -> Any:
    """The class of the backend that ENGINE names."""
    try:
        return import_module(entry["ENGINE"]).DatabaseWrapper
    except ImportError as error:
        missing = error.name or ""
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}] needs {entry['ENGINE']!r}, which cannot be imported: {error}."
            f"{_HOW_TO_INSTALL.get(missing.partition('.')[0], '')}"
        ) from error
    except AttributeError as error:
        raise ImproperlyConfigured(
            f"DATABASES[{alias!r}] names {entry['ENGINE']!r} as its ENGINE, but that module has no DatabaseWrapper."
        ) from error


_HOW_TO_INSTALL = {
    "sqlalchemy": " Install it with: pip install sqlalchemy",
    "psycopg": " Install it with: pip install 'webframe[postgresql]'",
    "pymysql": " Install it with: pip install 'webframe[mysql]'",
}

connections = Connections()


class ConnectionProxy:
    """The wrapper of one alias, looked up each time something is asked of it."""

    def __init__(self, connections: Connections, alias: str) -> None:
        self.__dict__["_connections"] = connections
        self.__dict__["_alias"] = alias

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connections[self._alias], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._connections[self._alias], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._connections[self._alias], name)

    def __repr__(self) -> str:
        return f"<connection to {self._alias!r}>"

    def __eq__(self, other: object) -> bool:
        return bool(self._connections[self._alias] == other)

    def __hash__(self) -> int:
        return hash(self._connections[self._alias])


# The wrapper of the database "default".
connection = cast("DatabaseWrapper", ConnectionProxy(connections, DEFAULT_ALIAS))


def close_old_connections(**kwargs: Any) -> None:
    """Give back the connections of the code here, those too old or broken are closed: between two pieces of work."""
    connections.release()


def reset_queries(**kwargs: Any) -> None:
    """Forget which queries were logged."""
    for wrapper in connections.all(initialized_only=True):
        wrapper.queries_log.clear()


def _end_of_request(sender: object, **kwargs: Any) -> None:
    lessee = current_lessee.get()
    if lessee is not None and lessee.holder is not None:
        lessee.holder.end(lessee)


def _begin_work() -> Callable[[], None]:
    """Begin something that gives its connections back at its end, and leaves those around it alone."""
    if surrounding_holder() is not None:
        return lambda: None  # a test's transaction: it takes part in that
    outer = held.get()
    held.set(None)

    def end() -> None:
        connections.release()
        held.set(outer)

    return end


def _read_databases_again(sender: object, setting: str, **kwargs: Any) -> None:
    if setting == "DATABASES":
        connections.reset()
    elif setting in ("USE_TZ", "TIME_ZONE"):
        for wrapper in connections.all(initialized_only=True):
            wrapper.ensure_timezone()


request_finished.connect(_end_of_request, inline=True)
websocket_finished.connect(_end_of_request, inline=True)
setting_changed.connect(_read_databases_again)
pieces_of_work.append(_begin_work)

"""Connections of asyncpg: what OPTIONS mean to it, and its errors as those of psycopg.

OPTIONS are those of psycopg, which hands them to libpq. What asyncpg understands
under the same name goes to it in a URL, a few have another name there, and for
the rest there is psycopg.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, SafeUUID

import asyncpg
import psycopg
from asyncpg.exceptions import DataError, InterfaceError, InternalClientError, PostgresError

from webframe.core.exceptions import ImproperlyConfigured
from webframe.db.backends.drivers.asyncpg_reading import read_on

# What asyncpg reads of libpq's parameters in a URL.
_IN_URL = frozenset(
    "sslmode sslcert sslkey sslrootcert sslcrl sslpassword sslnegotiation ssl_min_protocol_version "
    "ssl_max_protocol_version passfile service target_session_attrs krbsrvname gsslib".split()
)

# What asyncpg does anyway, by the only values that say so.
_AS_IT_IS: dict[str, frozenset[str]] = {
    "client_encoding": frozenset(("utf8", "utf-8", "unicode")),
    "gssencmode": frozenset(("disable", "prefer")),
    "channel_binding": frozenset(("disable", "prefer")),
    "load_balance_hosts": frozenset(("disable",)),
    "sslcompression": frozenset(("0",)),
    "sslsni": frozenset(("1",)),
}


def arguments_of(alias: str, database: Mapping[str, Any], options: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    """The arguments of `asyncpg.connect()` for an entry of DATABASES.

    Raises `ImproperlyConfigured` for an option that is only for psycopg.
    """
    session = {"TimeZone": time_zone}
    query: dict[str, str] = {}
    made: dict[str, Any] = {
        "user": database["USER"] or None,
        "password": database["PASSWORD"] or None,
        "database": database["NAME"] or None,
        "host": _hosts(database["HOST"]),
        "port": int(database["PORT"]) if database["PORT"] else None,
    }
    if options.get("prepare_threshold", 5) is None:
        made["statement_cache_size"] = 0
    for name, value in options.items():
        text = str(int(value) if isinstance(value, bool) else value)
        if name == "prepare_threshold" or value is None:
            continue
        elif name in _IN_URL:
            query[name] = text
        elif name in ("application_name", "fallback_application_name"):
            if name == "application_name" or "application_name" not in session:
                session["application_name"] = text
        elif name == "options":
            session |= _session_settings(alias, text)
        elif name == "connect_timeout":
            # To libpq 0 is no limit, and 1 is 2.
            made["timeout"] = max(2, int(value)) if int(value) > 0 else None
        elif name in _AS_IT_IS and text.lower() in _AS_IT_IS[name]:
            continue
        else:
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] has the option {name!r}={value!r}, which asyncpg does not know. Leave it out, "
                "or let psycopg do the work in async code, too: 'postgresql+psycopg://...', or ASYNC_DRIVER 'psycopg'."
            )
    if query:
        made["dsn"] = f"postgresql://?{urlencode(query)}"
    return {**made, "server_settings": session}


def _hosts(host: str) -> list[str] | None:
    return [each.strip() for each in host.split(",")] if host else None


def _session_settings(alias: str, options: str) -> dict[str, str]:
    """``-c work_mem=8MB --search_path=shop`` as a dictionary."""
    words = iter(shlex.split(options))
    settings = {}
    for word in words:
        text = next(words, "") if word == "-c" else word.removeprefix("--" if word.startswith("--") else "-c")
        name, equals, value = text.partition("=")
        if not equals or not word.startswith("-"):
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}] has 'options'={options!r}, in which asyncpg understands '-c name=value' and "
                f"'--name=value' only, not {word!r}."
            )
        settings[name.replace("-", "_")] = value
    return settings


async def connect(arguments: Mapping[str, Any]) -> Any:
    """A new connection, whose values are those of psycopg.

    Raises psycopg's `OperationalError` where there is none to be had, and `ImproperlyConfigured` for arguments that
    asyncpg refuses.
    """
    try:
        raw = await asyncpg.connect(**arguments)
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        raise ImproperlyConfigured(f"asyncpg cannot connect with what DATABASES says: {error}") from error
    except TimeoutError as error:
        raise psycopg.errors.ConnectionTimeout("connection timeout expired") from error
    except (PostgresError, InterfaceError, InternalClientError, OSError) as error:
        raise psycopg.OperationalError(f"connection failed: {error}") from error
    for name in ("json", "jsonb"):
        await raw.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=json.loads, format="text")
    await raw.set_type_codec(
        "uuid", schema="pg_catalog", encoder=attrgetter("bytes"), decoder=_uuid_of, format="binary"
    )
    # asyncpg itself reads 10000 as 1E+4, and takes half as long again.
    await raw.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=Decimal, format="text")
    read_on(raw)
    return raw


def _uuid_of(data: bytes) -> UUID:
    # asyncpg has a class of its own; UUID() itself takes twice as long.
    made = object.__new__(UUID)
    object.__setattr__(made, "int", int.from_bytes(data, "big"))
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


# --- errors -------------------------------------------------------------------------------------------------------

# The server has gone away, or is about to.
_GOING = ("57P01", "57P02", "57P03", "57P05")


# How asyncpg says that the server has sent an error while nothing was asked; nothing can be asked after that.
_ENDING = "another operation (2) is in progress"


def is_refusal(error: BaseException) -> bool:
    """Whether asyncpg itself has refused a value, and not the server."""
    return isinstance(error, DataError) and error.severity is None


def as_psycopg(error: BaseException) -> psycopg.Error | None:
    """psycopg's error of the same kind; None if it is none of a driver."""
    if is_refusal(error):
        return psycopg.DataError(*error.args)
    if isinstance(error, PostgresError):
        lines = [str(error.args[0]) if error.args else ""]
        lines += [f"DETAIL:  {error.detail}"] if error.detail else []
        lines += [f"HINT:  {error.hint}"] if error.hint else []
        made = _class_for(error.sqlstate or "")("\n".join(lines))
        made.sqlstate = error.sqlstate
        return made
    if isinstance(error, InterfaceError):
        closed = "connection is closed" in str(error) or "underlying connection" in str(error)
        return psycopg.OperationalError(str(error)) if closed else psycopg.InterfaceError(str(error))
    if isinstance(error, InternalClientError):
        if _ENDING in str(error):
            return psycopg.OperationalError("the server has ended the connection, or is about to")
        return psycopg.InternalError(str(error))
    if isinstance(error, OSError):
        return psycopg.OperationalError(str(error) or type(error).__name__)
    return None


def _class_for(state: str) -> type[psycopg.Error]:
    try:
        return psycopg.errors.lookup(state)
    except KeyError:
        return psycopg.errors.get_base_exception(state)


def is_lost(error: BaseException, raw: Any) -> bool:
    """Whether an error means that the connection is gone."""
    if raw.is_closed() or (isinstance(error, OSError) and not isinstance(error, TimeoutError)):
        return True
    if isinstance(error, InternalClientError):
        return _ENDING in str(error)
    state = getattr(error, "sqlstate", None) or ""
    return state in _GOING or state.startswith("08")

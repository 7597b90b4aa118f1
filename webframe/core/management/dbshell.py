"""`dbshell`: the command line that a database system brings, connected to one of ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from webframe.core.management.databases import database as database_of
from webframe.core.management.databases import database_option
from webframe.core.management.errors import CommandError
from webframe.core.management.project import pass_app

if TYPE_CHECKING:
    from webframe.app import Webframe

# The words to start a program with, and variables for its environment: passwords are not for everybody to see.
Call = tuple[list[str], dict[str, str]]


@click.command(context_settings={"ignore_unknown_options": True})
@database_option("The database to connect to.")
@click.argument("arguments", metavar="[-- ARGUMENT...]", nargs=-1, type=click.UNPROCESSED)
@pass_app
def dbshell(app: Webframe, database: str, arguments: tuple[str, ...]) -> None:
    """Open the database's own command line.

    That is sqlite3, psql, or mariadb or mysql. What stands after -- is handed on to it.
    """
    connection = database_of(database)
    words, variables = client_call(connection, arguments)
    if shutil.which(words[0]) is None:
        raise CommandError(
            f"The program {words[0]!r} is not installed, or not on the PATH: it comes with {connection.display_name}."
        )
    # Ctrl-C is for the program, which ends a query with it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = subprocess.run(words, env={**os.environ, **variables}, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    if ended.returncode:
        raise CommandError(f"{words[0]} ended with exit code {ended.returncode}.", returncode=ended.returncode)


def client_call(connection: Any, arguments: Sequence[str] = ()) -> Call:
    """How the client of a database is started, with further arguments for it.

    Raises CommandError where there is no client that could see the database.
    """
    make = _CLIENTS.get(connection.vendor)
    if make is None:
        raise CommandError(
            f"No command line is known for the database {connection.alias!r} ({connection.vendor}). "
            "Start the one that comes with it."
        )
    return make(connection, connection.settings_dict, list(arguments))


def _sqlite(connection: Any, entry: dict[str, Any], arguments: list[str]) -> Call:
    if connection.is_in_memory:
        raise CommandError(
            f"The database {connection.alias!r} is in the memory of a process, which no other program can see."
        )
    return ["sqlite3", str(entry["NAME"]), *arguments], {}


def _postgresql(connection: Any, entry: dict[str, Any], arguments: list[str]) -> Call:
    words = ["psql", *_switches({"-U": entry["USER"], "-h": entry["HOST"], "-p": entry["PORT"]})]
    options = entry["OPTIONS"]
    variables = {name: options[key] for key, name in _OF_LIBPQ.items() if options.get(key)}
    if entry["PASSWORD"]:
        variables["PGPASSWORD"] = entry["PASSWORD"]
    if entry["NAME"]:
        # psql takes the first word without a dash for the database, wherever it stands.
        words += ["-d", str(entry["NAME"])]
    elif not options.get("service"):
        words += ["-d", "postgres"]
    return [*words, *arguments], {name: str(value) for name, value in variables.items()}


# Parameters of a connection, and the variables by which libpq takes them.
_OF_LIBPQ = {
    "service": "PGSERVICE",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


def _mysql(connection: Any, entry: dict[str, Any], arguments: list[str]) -> Call:
    options = entry["OPTIONS"]
    host = str(entry["HOST"] or options.get("host") or "")
    socket = host if host.startswith("/") else options.get("unix_socket")
    ssl = options.get("ssl") or {}
    words = [shutil.which("mariadb") and "mariadb" or "mysql"]
    words += _switches(
        {
            "--defaults-file": options.get("read_default_file"),
            "--user": entry["USER"] or options.get("user"),
            "--socket": socket,
            "--host": None if socket else host,
            "--port": None if socket else entry["PORT"],
            "--ssl-ca": ssl.get("ca") or options.get("ssl_ca"),
            "--ssl-cert": ssl.get("cert") or options.get("ssl_cert"),
            "--ssl-key": ssl.get("key") or options.get("ssl_key"),
            "--default-character-set": options.get("charset"),
        },
        "=",
    )
    password = entry["PASSWORD"] or options.get("password")
    if entry["NAME"]:
        words.append(f"--database={entry['NAME']}")
    return [*words, *arguments], {"MYSQL_PWD": str(password)} if password else {}


def _switches(values: dict[str, Any], between: str | None = None) -> list[str]:
    """Those that have a value, as words; with the value in the same word if there is something between them."""
    words = []
    for switch, value in values.items():
        if value:
            words += [f"{switch}{between}{value}"] if between else [switch, str(value)]
    return words


_CLIENTS: dict[str, Callable[[Any, dict[str, Any], list[str]], Call]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
}

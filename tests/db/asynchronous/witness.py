"""What the server itself says of connections and transactions, over a connection of its own that no test uses."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pymysql
import pytest
from sqlalchemy import make_url

# Seconds to wait until a server has noticed what happened to its connections.
PATIENCE = 20.0

# What MariaDB and MySQL know at this moment. Their table information_schema.INNODB_TRX is a copy, which is made anew
# only where nobody has read it for a tenth of a second: who keeps looking at it never sees anything else.
INNODB_STATUS = "SHOW ENGINE INNODB STATUS"

_sqlite3_connect = sqlite3.connect


class Witness:
    """Looks at the database "default" of an engine from outside."""

    def __init__(self, engine: Any) -> None:
        self.vendor: str = engine.vendor
        self.url = make_url(engine.databases["default"])
        self._raw: Any = None
        self._made: list[sqlite3.Connection] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look at who connects from here on: SQLite has no server that could be asked."""
        if self.vendor == "sqlite":
            monkeypatch.setattr(sqlite3, "connect", self._make)

    def connections(self) -> int:
        """How many connections to the database there are, but for the witness's own."""
        if self.vendor == "sqlite":
            return len(self._open_in_this_process())
        if self.vendor == "postgresql":
            return int(
                self.ask(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )[0][0]
            )
        return len([row for row in self.ask("SHOW PROCESSLIST") if row[3] == self.url.database]) - 1

    def transactions(self) -> int:
        """How many transactions are open in it, or locks held."""
        if self.vendor == "sqlite":
            # Nobody but a writer can be seen from outside.
            try:
                self.ask("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return 1
            self.ask("ROLLBACK")
            return 0
        if self.vendor == "postgresql":
            return int(
                self.ask(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
                )[0][0]
            )
        return len(innodb_transactions(self.ask(INNODB_STATUS)))

    def statements(self) -> list[str]:
        """What a server with several connections is running in it."""
        if self.vendor == "postgresql":
            active = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
            return [query for (query,) in self.ask(active)]
        return [row[7] for row in self.ask("SHOW PROCESSLIST") if row[3] == self.url.database]

    def end_connections(self) -> None:
        """Have the server end all connections but the witness's own."""
        if self.vendor == "postgresql":
            self.ask(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return
        (own,) = self.ask("SELECT CONNECTION_ID()")[0]
        for number in [row[0] for row in self.ask("SHOW PROCESSLIST") if row[3] == self.url.database]:
            if number != own:
                self.ask(f"KILL {number}")

    def count(self, table: str) -> int:
        """How many rows of a table are committed."""
        return int(self.ask(f"SELECT count(*) FROM {table}")[0][0])

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement; its rows."""
        if self._raw is None:
            self._raw = self._connect()
        cursor = self._raw.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        """Look again until something is so: servers take a moment to notice that somebody has gone."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.describe()}"
            time.sleep(0.005)

    async def comes(self, condition: Callable[[], Any], what: str) -> None:
        """The same on an event loop, which may have to do something for it."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.describe()}"
            await asyncio.sleep(0.002)

    def describe(self) -> object:
        """Who is connected, and what he does."""
        if self.vendor == "sqlite":
            return self._open_in_this_process()
        if self.vendor == "postgresql":
            return self.ask("SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()")
        return self.ask("SHOW PROCESSLIST")

    def close(self) -> None:
        """Let go of its own connection."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def _open_in_this_process(self) -> list[sqlite3.Connection]:
        """SQLite's connections to the file; the open files would not tell, because SQLite puts off closing them."""
        self._made = [made for made in self._made if _is_open(made)]
        return self._made

    def _make(self, database: str, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        """Takes the place of sqlite3.connect."""
        made = _sqlite3_connect(database, *args, **kwargs)
        if database == self.url.database:
            self._made.append(made)
        return made

    def _connect(self) -> Any:
        if self.vendor == "sqlite":
            return _sqlite3_connect(str(self.url.database), timeout=0, isolation_level=None, check_same_thread=False)
        if self.vendor == "postgresql":
            return psycopg.connect(self.url.render_as_string(hide_password=False), autocommit=True)
        return pymysql.connect(
            user=self.url.username,
            password=str(self.url.password or ""),
            host=self.url.host or "localhost",
            port=self.url.port or 3306,
            unix_socket=self.url.query.get("unix_socket"),
            database=self.url.database,
            autocommit=True,
            ssl_disabled=True,
        )


def innodb_transactions(rows: Sequence[tuple[Any, ...]]) -> list[tuple[str, int | None]]:
    """The open transactions that `INNODB_STATUS` tells of: the id of each, and that of its connection.

    The id is a number for what has written; for what has only read, it is an address in parentheses. What is rolled
    back after its connection has ended has no connection.
    """
    listed = rows[0][2].partition("LIST OF TRANSACTIONS FOR EACH SESSION:")[2]
    assert listed, f"the server does not list its transactions: {rows[0][2]}"
    found = []
    for told in listed.partition("\n--------\n")[0].split("---TRANSACTION ")[1:]:
        number, _, state = told.partition(", ")
        if not state.startswith("not started"):
            thread = re.search(r"^(?:MariaDB|MySQL) thread id (\d+)", told, re.MULTILINE)
            found.append((number, int(thread[1]) if thread else None))
    return found


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018  # it raises an error
    except sqlite3.ProgrammingError:
        return False
    return True

"""The lock that lets only one at a time migrate a database: others wait for it, on whatever machine they run.

    with migration_lock(connection, notify=print):
        ...

It is an advisory lock on PostgreSQL, GET_LOCK on MySQL and MariaDB, each on a
connection of its own, and a locked file beside the file of SQLite. Whoever is killed
loses it: with the connection, or with the process. Databases in memory belong to one
process and need none; other engines have none.

Who waits asks again and again instead of waiting within the database: a statement
that waits would be one that CREATE INDEX CONCURRENTLY waits for.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from webframe._lazy import LateModule
from webframe.db.errors import OperationalError

if TYPE_CHECKING:
    import hashlib
    import socket
    from urllib import parse as urls
else:
    hashlib = LateModule("hashlib")
    urls = LateModule("urllib.parse")
    socket = LateModule("socket")

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Seconds between two attempts: the first ones, and the longest.
PAUSE = 0.05
LONGEST_PAUSE = 1.0

# Which advisory lock of PostgreSQL it is: the first 8 bytes of the SHA-256 of "webframe.migrations", which nobody else
# will come upon. Locks are per database there.
ADVISORY_KEY = -1341122554354949742

# Seconds: what MySQL and MariaDB allow at most for a connection on which nothing happens, a year.
LONGEST_WAIT = 31536000

Notify = Callable[[str], object]


class Lock(Protocol):
    """One way to lock a database."""

    def try_acquire(self) -> bool: ...
    def owner(self) -> str: ...
    def release(self) -> None: ...


# The databases that a thread has locked, as pairs of a thread and an alias: who has the lock may take it again.
_held: set[tuple[int, str]] = set()


def is_locked_here(connection: Any) -> bool:
    """Whether the code here has the lock of a database."""
    return (threading.get_ident(), connection.alias) in _held


@contextmanager
def migration_lock(connection: Any, notify: Notify | None = None) -> Iterator[None]:
    """Hold the lock of a database; where another has it, wait for as long as that takes.

    `notify` is called once with a sentence for the user if there is something to
    wait for. Code that has the lock already goes on at once. What was known about
    the database before it was locked may be out of date.
    """
    here = threading.get_ident(), connection.alias
    lock = None if here in _held else _lock_for(connection)
    if lock is None:
        yield
        return
    try:
        _acquire(lock, connection, notify)
        _held.add(here)
        try:
            yield
        finally:
            _held.discard(here)
    finally:
        lock.release()


def _acquire(lock: Lock, connection: Any, notify: Notify | None) -> None:
    pause, told = PAUSE, False
    while not lock.try_acquire():
        if not told and notify is not None:
            owner = lock.owner()
            notify(
                f"Another process{f' ({owner})' if owner else ''} is migrating the database {connection.alias!r}. "
                f"Waiting for it to finish; Ctrl-C stops waiting."
            )
        told = True
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _lock_for(connection: Any) -> Lock | None:
    if connection.vendor == "sqlite":
        path = _path_of(connection)
        return None if path is None else FileLock(path)
    if connection.vendor == "postgresql":
        return PostgreSQLLock(connection)
    return MySQLLock(connection) if connection.vendor == "mysql" else None


# --- SQLite -----------------------------------------------------------------------------------------------------------


class FileLock:
    """A file that is locked, and there only as long as somebody has it or has been killed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: int | None = None

    def try_acquire(self) -> bool:
        """Lock the file, unless another has; True too where it cannot be made."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            # Nobody can write beside the file of the database: nobody will be able to migrate it either.
            return True
        try:
            if not _lock(file) or not _is_at(file, self.path):
                # In the latter case its owner has deleted it meanwhile, and another may have a new one.
                os.close(file)
                return False
            os.truncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, f"process {os.getpid()} on {_host_name()}".encode())
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def owner(self) -> str:
        """Who has it, for people."""
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return file.read(200)
        except OSError:
            return ""

    def release(self) -> None:
        """Delete the file, and unlock it."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # Windows deletes nothing that is open; what stays there does no harm
                os.unlink(self.path)
            os.close(file)


def _host_name() -> str:
    return os.uname().nodename if hasattr(os, "uname") else socket.gethostname()


def _lock(file: int) -> bool:
    """Lock an open file until it is closed, unless another has; whether that went well."""
    try:
        if sys.platform == "win32":
            # One byte far behind the end: nobody can read what is locked there.
            os.lseek(file, 1 << 30, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_at(file: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _path_of(connection: Any) -> str | None:
    """The file to lock for a database of SQLite; None for one in memory."""
    if connection.is_in_memory:
        return None
    name = str(connection.settings_dict["NAME"])
    if name.startswith("file:"):
        name = urls.unquote(name.removeprefix("file:").partition("?")[0])
        if name.startswith("//"):
            name = "/" + name[2:].partition("/")[2]
    return f"{os.path.realpath(name)}-migrating"


# --- servers ----------------------------------------------------------------------------------------------------------


class ServerLock:
    """A lock that a server keeps for a connection: one of its own, so that nothing else closes it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._slot: Any = None

    def fetch(self, sql: str, *params: Any) -> Any:
        """The first value that a query on the lock's own connection gives."""
        try:
            rows = self._slot.link.fetch(sql, params)
        except Exception as error:
            raise self.connection.translate(error) or error from error
        return rows[0][0] if rows else None

    def open(self) -> bool:
        """Connect, unless that is done; whether it was to be done."""
        if self._slot is not None:
            return False
        # Where the pool has but one connection, it shall be ours now, and that of the migrations afterwards.
        self.connection.release()
        slot = self.connection.new_slot()
        slot.guard.acquire()
        try:
            self.connection.open(slot)
            slot.checkout.detach()
        except BaseException:
            slot.guard.release()
            raise
        self._slot = slot
        return True

    def release(self) -> None:
        """Close the connection, and with it the lock is gone, whatever state it was in."""
        slot, self._slot = self._slot, None
        if slot is not None:
            link = slot.link
            self.connection.discard(slot)
            if link is not None:
                link.close()
            slot.guard.release()


class PostgreSQLLock(ServerLock):
    """An advisory lock that lasts as long as a transaction.

    Locks of a session would stay behind with a pooler such as PgBouncer, which
    gives the session to somebody else. The transaction does nothing else, and
    holds nothing back.
    """

    def try_acquire(self) -> bool:
        """Take the lock, unless another has it."""
        if self.open():
            self._slot.link.begin(False)
            # A server may end transactions in which nothing happens, or that take long.
            self.fetch(
                "SELECT set_config(name, '0', true) FROM pg_settings "
                "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
            )
        return bool(self.fetch(f"SELECT pg_try_advisory_xact_lock({ADVISORY_KEY})"))

    def owner(self) -> str:
        """Who has it, for people."""
        high, low = (ADVISORY_KEY >> 32) & 0xFFFFFFFF, ADVISORY_KEY & 0xFFFFFFFF
        found = self.fetch(
            "SELECT coalesce(host(a.client_addr), 'on the machine of the server') || ', server process ' || a.pid "
            "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
            f"WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = {high} AND l.objid::bigint = {low} "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return str(found or "")


class MySQLLock(ServerLock):
    """GET_LOCK, by a name that has that of the database in it: such locks belong to the whole server."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        digest = hashlib.sha256(str(connection.settings_dict["NAME"]).encode()).hexdigest()
        self._name = f"webframe.migrations.{digest[:32]}"

    def try_acquire(self) -> bool:
        """Take the lock, unless another has it."""
        if self.open():
            # A server may close connections on which nothing happens; this is the longest it allows.
            self._slot.link.command(f"SET SESSION wait_timeout = {LONGEST_WAIT}")
        answer = self.fetch("SELECT GET_LOCK(%s, 0)", self._name)
        if answer is None:
            raise OperationalError(
                f"The server could not give out the lock {self._name!r} for migrating {self.connection.alias!r}: it is "
                f"out of memory, or the connection was ended by somebody. Look into its log, and try again."
            )
        return bool(answer)

    def owner(self) -> str:
        """Who has it, for people."""
        found = self.fetch("SELECT IS_USED_LOCK(%s)", self._name)
        return "" if found is None else f"connection {found} of the server"

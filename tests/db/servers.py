"""The databases that tests run on: SQLite files, and a PostgreSQL and a MariaDB that live as long as the test session.

A server that is named in the environment (`WEBFRAME_TEST_POSTGRESQL`,
`WEBFRAME_TEST_MYSQL`: URLs whose user may create databases) is used as it is.
Where none is named, one is started in a temporary directory, if the programs of
the distribution are here; it listens on a socket in that directory only, cares
for nothing after a crash, and is thrown away at the end. Where the tests run in
several processes, each has servers of its own.

The directories are in memory where there is enough of it: MariaDB waits for the
disk whenever a table is made or dropped, whatever it is told.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, make_url

# Seconds that a server may take to start, and to stop.
PATIENCE = 60

# Where files are in memory, and the bytes that must be free there: a server begins with a hundred megabytes.
MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30


class Unavailable(Exception):
    """There is no such server, and none can be started; says why."""


class SQLite:
    """Files in a directory of their own."""

    vendor = "sqlite"

    def __init__(self) -> None:
        self.directory = _directory("wft-sqlite-", None)

    def create_database(self, name: str) -> str:
        return f"sqlite:///{self.directory / name}.sqlite3"

    def stop(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


class Server:
    """A server that runs already, named by a URL; databases are made in it and dropped at the end."""

    def __init__(self, vendor: str, url: URL) -> None:
        self.vendor = vendor
        # How to get at the server to create databases.
        self.admin_url = url
        self._created: list[str] = []

    def create_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        name = f"{name}_{os.getpid()}"
        self.execute(f"DROP DATABASE IF EXISTS {name}")
        self.execute(f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if self.vendor == "mysql" else ""))
        self._created.append(name)
        return self.admin_url.set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str) -> None:
        """Run a statement outside of every transaction, as the one who may do everything."""
        url = self.admin_url
        if self.vendor == "postgresql":
            import psycopg

            name = url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(name, autocommit=True) as connection:
                connection.execute(statement)
            return
        import pymysql

        keywords = {key: value for key, value in url.query.items() if key == "unix_socket"}
        with pymysql.connect(
            host=url.host or "localhost",
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
            database=url.database,
            autocommit=True,
            ssl_disabled="unix_socket" in keywords,
            **keywords,
        ) as connection:
            connection.cursor().execute(statement)

    def stop(self) -> None:
        for name in self._created:
            force = " WITH (FORCE)" if self.vendor == "postgresql" else ""
            self.execute(f"DROP DATABASE IF EXISTS {name}{force}")


class OwnServer(Server):
    """A server that was started for this session, and can be started and killed by tests."""

    def __init__(self, vendor: str, url: URL, directory: Path, command: list[str], user: str | None) -> None:
        super().__init__(vendor, url)
        self.directory = directory
        self.command = command
        self.user = user
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it can be talked to."""
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*_dying_with_us(), *self.command], stdout=log, stderr=log, cwd=self.directory, **_as_user(self.user)
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._knock()
                return self.execute("SELECT 1")
            except Exception as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Unavailable(f"{self.command[0]} did not start: {error}\n{self.log()}") from error
                time.sleep(0.02)

    def _knock(self) -> None:
        """Raise an error where nobody listens: PyMySQL leaves its socket open then."""
        if self.vendor == "mysql":
            with socket.socket(socket.AF_UNIX) as knocking:
                knocking.connect(str(self.admin_url.query["unix_socket"]))

    def kill(self) -> None:
        """End it at once, as a power failure would."""
        self._end(signal.SIGQUIT if self.vendor == "postgresql" else signal.SIGKILL)

    def restart(self) -> None:
        """Stop it in good order, whoever is connected, and start it again."""
        self.shut_down()
        self.start()

    def shut_down(self) -> None:
        """Stop it in good order, whoever is connected."""
        self._end(signal.SIGINT if self.vendor == "postgresql" else signal.SIGTERM)

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        """The end of what it had to say."""
        return (self.directory / "log").read_text(errors="replace")[-2000:]

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None


def sqlite() -> SQLite:
    return SQLite()


def postgresql() -> Server:
    if name := os.environ.get("WEBFRAME_TEST_POSTGRESQL"):
        return _named("postgresql", name, "postgres")
    programs = [Path(directory) for directory in sorted(_globbed("/usr/lib/postgresql/*/bin"), key=_version)[-1:]]
    initdb, postgres = (_program(each, "postgresql", programs) for each in ("initdb", "postgres"))
    user = _unprivileged("postgres")
    directory = _directory("wft-pg-", user)
    data = directory / "data"
    _run(
        [initdb, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(data)], user
    )
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(directory),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        "autovacuum": "off",
        "shared_buffers": "32MB",
    }
    command = [postgres, "-D", str(data), *(part for item in settings.items() for part in ("-c", "=".join(item)))]
    url = URL.create("postgresql", username="postgres", database="postgres", query={"host": str(directory)})
    return OwnServer("postgresql", url, directory, command, user)


def mysql() -> Server:
    if name := os.environ.get("WEBFRAME_TEST_MYSQL"):
        return _named("mysql", name, "mysql")
    mariadbd = _program("mariadbd", "mariadb-server", [Path("/usr/sbin"), Path("/usr/libexec")])
    install = _program("mariadb-install-db", "mariadb-server")
    user = _unprivileged("mysql")
    directory = _directory("wft-my-", user)
    data = directory / "data"
    small = ["--no-defaults", f"--datadir={data}", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"]
    unsafe = ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"]
    _run([install, *small, *unsafe, "--auth-root-authentication-method=normal", "--skip-test-db"], user)
    path = directory / "mysql.sock"
    command = [mariadbd, *small, *unsafe, f"--socket={path}", "--skip-networking", "--skip-log-bin"]
    command += ["--character-set-server=utf8mb4", "--performance-schema=OFF", "--max-connections=200"]
    # A hundred may knock at the same moment; asyncio takes a queue that is full (EAGAIN) for a connection, then EINVAL.
    command += ["--back-log=500"]
    # PyMySQL would read all certificates of the system for each connection.
    query = {"unix_socket": str(path), "ssl_disabled": "true"}
    url = URL.create("mysql", username="root", host="localhost", database="mysql", query=query)
    return OwnServer("mysql", url, directory, command, user)


# How to get at each kind of database.
KINDS: dict[str, Callable[[], SQLite | Server]] = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql}


def _named(vendor: str, name: str, database: str) -> Server:
    url = make_url(name)
    server = Server(vendor, url if url.database else url.set(database=database))
    try:
        server.execute("SELECT 1")
    except Exception as error:
        raise Unavailable(f"The {vendor} server named in the environment does not answer: {error}") from error
    return server


def _program(name: str, package: str, places: list[Path] = []) -> str:  # noqa: B006  # read only
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise Unavailable(f"{name} is not installed (apt-get install {package}), and no server is named.")
    return found


def _globbed(pattern: str) -> list[str]:
    return [str(path) for path in Path("/").glob(pattern.lstrip("/"))]


def _version(directory: str) -> float:
    return float(Path(directory).parent.name)


def _unprivileged(name: str) -> str | None:
    """The user to run a server as: both refuse to run as root."""
    if os.getuid():
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        return "nobody"


def _directory(prefix: str, user: str | None) -> Path:
    """A new directory of this process, for a user; those of processes that were killed are thrown away."""
    # A short path: that of a socket has 107 characters at most.
    place = Path("/tmp")
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        _sweep(MEMORY, prefix)
        if shutil.disk_usage(MEMORY).free >= ENOUGH:
            place = MEMORY
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    # Held until the process ends, however it does: it says that the directory is in use.
    fcntl.flock(os.open(directory, os.O_RDONLY), fcntl.LOCK_SH)
    directory.chmod(0o755)
    if user is not None:
        shutil.chown(directory, user)
    return directory


def _sweep(place: Path, prefix: str) -> None:
    for directory in place.glob(f"{prefix}*"):
        with suppress(OSError):  # it is in use, it is somebody else's, or others have been faster
            file = os.open(directory, os.O_RDONLY)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A new one may not have been locked yet.
                if time.time() - os.fstat(file).st_mtime > 2 * PATIENCE:
                    shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(file)


def _as_user(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _dying_with_us() -> list[str]:
    """What makes a server end when the tests are killed."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "TERM", "--"]


def _run(command: list[str], user: str | None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=PATIENCE, **_as_user(user))
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {done.stderr or done.stdout}")

"""The example app as people meet it: served by real servers, each started once and asked by httpx."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

import webframe

ROOT = Path(__file__).parent.parent.parent

# For the tests that import parts of the app. At the end, so that an installed webframe is the one that is tested.
sys.path.append(str(ROOT))

# Seconds to wait for what must happen.
PATIENCE = 30.0

SERVERS = {
    "gunicorn": ["gunicorn", "example_app:app", "--bind", "127.0.0.1:{port}", "--no-control-socket"],
    "uvicorn": ["uvicorn", "example_app:app", "--port", "{port}"],
}


def environment() -> dict[str, str]:
    """The environment for a server: ours, without what would change its settings."""
    ignored = ("WEBFRAME_", "GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "PORT", "SECRET_KEY", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ignored)}
    path = os.pathsep.join((str(ROOT), str(Path(webframe.__file__).parent.parent)))
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def wait_until(condition: Callable[[], Any], what: Callable[[], str]) -> Any:
    """Look again and again until something is so; returns what the condition says."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(what())
        time.sleep(0.02)
    return answer


class Process:
    """A server in a process group of its own, which keeps its orders in a directory."""

    def __init__(self, command: list[str], directory: Path, output: Path | None = None) -> None:
        self._output_file = output or directory / "output"
        with self._output_file.open("wb") as output_file:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output_file.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Stop it in the orderly way, and kill what is left."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def serve(name: str, directory: Path, *arguments: str) -> tuple[Process, str]:
    """Start a server of SERVERS, with further arguments; the process and the address."""
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [part.format(port=port) for part in SERVERS[name]]
        process = Process([sys.executable, "-m", *command, *arguments], directory)

        def accepts(port: int = port) -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        wait_until(lambda p=process, a=accepts: p.ended or a(), lambda p=process: p.output)  # type: ignore[misc]
        if not process.ended:
            return process, f"http://127.0.0.1:{port}"
        # Somebody else may have been faster to take the port.
    raise AssertionError(f"{name} does not start:\n{process.output}")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Gives the address of a server by its name, and starts it when it is first asked for."""
    started: dict[str, tuple[Process, str]] = {}

    def address_of(name: str) -> str:
        if name not in started:
            started[name] = serve(name, tmp_path_factory.mktemp(name))
        return started[name][1]

    yield address_of
    for process, _ in started.values():
        process.stop()


@pytest.fixture(params=list(SERVERS))
def shop(request: pytest.FixtureRequest, running: Callable[[str], str]) -> Iterator[httpx.Client]:
    """A browser, so to speak, at the pizzeria; each test that has it runs under each server."""
    skip_without(request.param)
    with browser(running(request.param)) as client:
        yield client


def skip_without(server: str) -> None:
    if find_spec(server) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{server} is not installed.")


def browser(address: str) -> httpx.Client:
    """A client that asks for pages."""
    headers = {"Accept": "text/html,*/*;q=0.8"}
    return httpx.Client(base_url=address, headers=headers, timeout=PATIENCE, trust_env=False)

"""The example app as people meet it: served by real servers, each started once and asked by httpx."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

import webframe

ROOT = Path(__file__).parent.parent.parent

# What `test_example_inside.py` runs elsewhere.
collect_ignore = ["inside"]

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
    """A program in a process group of its own; as a context manager it is stopped at the end."""

    def __init__(self, command: list[str], directory: Path, output: Path | None = None) -> None:
        self._output_file = output or directory / "output"
        with self._output_file.open("wb") as output_file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
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

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        """Stop it in the orderly way, and kill what is left."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def serve(name: str, directory: Path, *arguments: str) -> Iterator[str]:
    """Run a server of SERVERS, with further arguments, which keeps its orders in a directory; gives its address."""
    if find_spec(name) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed.")

    def accepts(port: int) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [part.format(port=port) for part in SERVERS[name]]
        with Process([*command, *arguments], directory) as process:
            wait_until(lambda p=process, n=port: p.ended or accepts(n), lambda p=process: p.output)  # type: ignore[misc]
            if not process.ended:
                yield f"http://127.0.0.1:{port}"
                return
        # Somebody else may have been faster to take the port.
    raise AssertionError(f"{name} does not start:\n{process.output}")


def browser(address: str) -> httpx.Client:
    """A client that asks for pages."""
    headers = {"Accept": "text/html,*/*;q=0.8"}
    return httpx.Client(base_url=address, headers=headers, timeout=PATIENCE, trust_env=False)


@pytest.fixture(scope="session", params=list(SERVERS))
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A browser, so to speak, at the pizzeria; each test that has it runs under each server."""
    with serve(request.param, tmp_path_factory.mktemp(request.param)) as address, browser(address) as client:
        yield client

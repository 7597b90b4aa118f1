"""Servers as subprocesses, what their app has written down, and the clients that talk to them.

A `Server` is a process group that serves `served:app`. A `Visit` is a client
with a token of its own, by which it finds the events of its own requests. A
`Wire` is a bare connection, for what httpx does not do: going away in the
middle.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx

import webframe

from .. import interrupts
from .kinds import PREFIX, Kind

# Seconds to wait for what must happen: generous, because machines are slow sometimes.
PATIENCE = 30.0

# Seconds between two looks at what is waited for.
PACE = 0.01

# What Python and event loops write when something was not ended as it should be. No server's output may have it.
COMPLAINTS = (
    "was never awaited",
    "never retrieved",
    "Exception ignored",
    "was destroyed but it is pending",
    "attached to a different loop",
    "generator already executing",
    "Fatal Python error",
)


def wait_until(condition: Callable[[], Any], message: Callable[[], str], patience: float = PATIENCE) -> Any:
    """Look again and again until something is so; returns what the condition says."""
    deadline = time.monotonic() + patience
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(message())
        time.sleep(PACE)
    return answer


class Server:
    """A server that runs, or will after `start`."""

    def __init__(self, kind: Kind, directory: Path, *, lifespan: str = "plain", below_prefix: bool = False) -> None:
        self.kind = kind
        self.directory = directory
        self.lifespan = lifespan
        self.prefix = PREFIX if below_prefix else ""
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._events_file = directory / "events"
        self._output_file = directory / "output"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        for _ in range(3):
            self.port = _free_port()
            with self._output_file.open("ab") as output, interrupts.heeded():
                self.process = subprocess.Popen(
                    self._command(),
                    cwd=self.directory,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            wait_until(lambda: self._accepts() or self._ended, lambda: f"{self.kind} does not listen:\n{self.output}")
            if not self._ended:
                return
            # Somebody else may have been faster to take the port.
        raise AssertionError(f"{self.kind} does not start:\n{self.output}")

    def _command(self) -> list[str]:
        arguments = (*self.kind.arguments, *(self.kind.below if self.prefix else ()))
        if self.prefix and self.kind.below:
            arguments = (*self.kind.below, *self.kind.arguments)
        return [sys.executable, "-m", self.kind.module, *(part.format(port=self.port) for part in arguments)]

    def _environment(self) -> dict[str, str]:
        ignored = ("WEBFRAME_", "GUNICORN_", "UVICORN_", "GRANIAN_", "HYPERCORN_", "WEB_CONCURRENCY", "PORT")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ignored)}
        ours = (Path(__file__).parent, Path(webframe.__file__).parent.parent)
        environment.update(
            PYTHONPATH=os.pathsep.join(map(str, ours)),
            PYTHONUNBUFFERED="1",
            SERVED_EVENTS=str(self._events_file),
            SERVED_LIFESPAN=self.lifespan,
        )
        if self.prefix and self.kind.below_variable:
            environment[self.kind.below_variable] = self.prefix
        return environment

    def _accepts(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    @property
    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Stop the server in the orderly way, and kill what is left of it; nothing if it does not run."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(self.kind.stop_signal)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.kind} does not stop:\n{self.output}") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def check(self) -> None:
        """Nothing was lost: every request that has started has finished, and nobody has complained."""
        counts = Counter(event["event"] for event in self.events())
        assert counts["request_started"] == counts["request_finished"], self.unbalanced()
        assert counts["websocket_started"] == counts["websocket_finished"], counts
        complaints = [line for line in self.output.splitlines() if any(complaint in line for complaint in COMPLAINTS)]
        assert not complaints, f"{complaints}\n{self.output}"

    def unbalanced(self) -> dict[str, list[str]]:
        """The events of every token whose requests have not started and finished equally often."""
        by_token: dict[str, list[str]] = {}
        for event in self.events():
            by_token.setdefault(event["token"], []).append(event["event"])
        return {
            token: events
            for token, events in by_token.items()
            if events.count("request_started") != events.count("request_finished")
        }

    @property
    def output(self) -> str:
        """What the server has written to its standard output and error output."""
        return self._output_file.read_text(errors="replace") if self._output_file.exists() else ""

    def events(self, token: str = "") -> list[dict[str, Any]]:
        """What the app has written down, in order; only what has to do with a token, if one is given."""
        if not self._events_file.exists():
            return []
        # The end of a line that crosses a page of memory may not be there yet.
        *lines, _ = self._events_file.read_text().split("\n")
        return [json.loads(line) for line in lines if token in line]

    def wait_for(self, event: str) -> None:
        """Wait until something has happened."""
        wait_until(
            lambda: any(known["event"] == event for known in self.events()),
            lambda: f"{self.kind}: no {event} in {self.events()}\n{self.output}",
        )

    def wait_for_output(self, text: str) -> None:
        """Wait until the server has written something."""
        wait_until(lambda: text in self.output, lambda: f"{self.kind} does not say {text!r}:\n{self.output}")

    @property
    def url(self) -> str:
        """The address of the app, as requests come to the server."""
        return f"http://127.0.0.1:{self.port}{'' if self.kind.comes_without_prefix else self.prefix}"

    def visit(self) -> Visit:
        """A new client."""
        return Visit(self)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


_numbers = count(1)


class Visit:
    """One client of a server, and the events of its requests."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.token = f"visit{next(_numbers)}of{os.getpid()}"
        self._client: httpx.Client | None = None
        self._wires: list[Wire] = []

    @property
    def client(self) -> httpx.Client:
        """An httpx client that puts the token into every request."""
        if self._client is None:
            self._client = httpx.Client(
                base_url=self.server.url, params={"token": self.token}, timeout=PATIENCE, trust_env=False, verify=False
            )
        return self._client

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(path, params=params)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.client.post(path, **options)

    def wire(self) -> Wire:
        """A bare connection to the server."""
        wire = Wire(self)
        self._wires.append(wire)
        return wire

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()
        for wire in self._wires:
            wire.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # What happened.

    def events(self) -> list[str]:
        """The names of what has happened to the requests of this visit, in order."""
        return [event["event"] for event in self.details()]

    def details(self) -> list[dict[str, Any]]:
        return [event for event in self.server.events(self.token) if event["token"] == self.token]

    def wait_for(self, event: str, times: int = 1) -> None:
        """Wait until something has happened."""
        wait_until(
            lambda: self.events().count(event) >= times,
            lambda: f"{self.server.kind}: no {event} ({times}) in {self.events()}",
        )

    def all_events(self, requests: int = 1) -> list[str]:
        """Everything that has happened when this number of requests has finished."""
        self.wait_for("request_finished", requests)
        return self.events()

    def wait_for_balance(self) -> list[str]:
        """Wait until as many requests have finished as have started, be it none."""

        def is_balanced() -> bool:
            events = self.events()
            return events.count("request_started") == events.count("request_finished")

        wait_until(is_balanced, lambda: f"{self.server.kind}: {self.events()}")
        return self.events()


class Wire:
    """A bare connection on which requests are written by hand."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.socket = socket.create_connection(("127.0.0.1", visit.server.port), timeout=PATIENCE)
        self.received = b""

    def request(
        self, method: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Send a request, or the beginning of one."""
        fields = {"Host": f"127.0.0.1:{self.visit.server.port}", **(headers or {})}
        head = f"{method} {path}?token={self.visit.token}&{query} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.send(head.encode() + b"\r\n" + body)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_chunks(self, chunks: Iterable[bytes]) -> None:
        """Send pieces of a chunked body; an empty one is its end."""
        for chunk in chunks:
            self.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def receive_until(self, wanted: bytes) -> bytes:
        """Receive until something has come; returns all that has come so far."""
        while wanted not in self.received:
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError(f"The connection ended before {wanted!r} came: {self.received[-1000:]!r}")
            self.received += data
        return self.received

    def receive_to_end(self) -> bytes:
        """Receive until the server closes the connection; returns all that has come."""
        with suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self.received += data
        return self.received

    def go_away(self, how: str) -> None:
        """Leave: "closed" in the polite way, or "reset" as if the machine had been switched off."""
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

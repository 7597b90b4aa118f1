"""The servers that serve the app in these tests: how each is started, and in what it differs from the others."""

from __future__ import annotations

import signal
from dataclasses import dataclass

# Where the servers below a prefix have the app.
PREFIX = "/below"


@dataclass(frozen=True)
class Kind:
    """One server and one way of starting it."""

    name: str
    protocol: str
    # What is run with "python -m", and its arguments; "{port}" is filled in.
    module: str
    arguments: tuple[str, ...]
    # Arguments, or else an environment variable, that put the app below PREFIX.
    below: tuple[str, ...] = ()
    below_variable: str = ""
    # Whether a proxy has taken PREFIX away before requests come to the server.
    comes_without_prefix: bool = False
    # Other modules that must be installed.
    needs: tuple[str, ...] = ()
    # Number of processes that serve.
    processes: int = 1
    # Whether the app hears of a request only when its whole body has arrived.
    buffers_requests: bool = False
    # Whether it does so, too, when the client has gone before its body was complete.
    passes_on_broken_requests: bool = False
    # Whether bodies are read to their end even if nobody receives them any more.
    exhausts_bodies: bool = False
    # Whether a request with a whole address for its target is answered by the path in it.
    finds_paths_in_addresses: bool = True
    # What a client gets when a body fails in the middle: an answer that is "cut", one that seems "complete", or a
    # connection that stays "open".
    after_failure: str = "cut"
    # Whether it lets requests end before it stops.
    waits_for_requests: bool = True
    # Whether a WebSocket is refused with the response that the app gives (an extension of ASGI), not with a plain 403.
    refuses_with_responses: bool = False
    # Whether it tells the app when to start up and to shut down.
    speaks_lifespan: bool = False
    # What makes it stop in an orderly way.
    stop_signal: signal.Signals = signal.SIGTERM

    def __str__(self) -> str:
        return self.name


_GUNICORN = ("served:app", "--bind", "127.0.0.1:{port}", "--no-control-socket")
_UVICORN = ("served:app", "--port", "{port}")
_ROOT_PATH = ("--root-path", PREFIX)
_GRANIAN = ("--port", "{port}", "--workers-kill-timeout", "10", "served:app")

KINDS = (
    Kind(
        "gunicorn-sync",
        "wsgi",
        "gunicorn",
        (*_GUNICORN, "--workers", "2"),
        below_variable="SCRIPT_NAME",
        processes=2,
    ),
    Kind(
        "gunicorn-gthread",
        "wsgi",
        "gunicorn",
        (*_GUNICORN, "--worker-class", "gthread", "--threads", "4"),
        below_variable="SCRIPT_NAME",
    ),
    Kind(
        "gunicorn-asgi",
        "asgi",
        "gunicorn",
        (*_GUNICORN, "--worker-class", "asgi"),
        below=_ROOT_PATH,
        speaks_lifespan=True,
    ),
    Kind(
        "uvicorn-httptools",
        "asgi",
        "uvicorn",
        (*_UVICORN, "--http", "httptools"),
        below=_ROOT_PATH,
        comes_without_prefix=True,
        needs=("httptools", "websockets"),
        refuses_with_responses=True,
        speaks_lifespan=True,
    ),
    Kind(
        "uvicorn-h11",
        "asgi",
        "uvicorn",
        (*_UVICORN, "--http", "h11"),
        below=_ROOT_PATH,
        comes_without_prefix=True,
        needs=("h11", "websockets"),
        refuses_with_responses=True,
        speaks_lifespan=True,
    ),
    Kind(
        "hypercorn-asgi",
        "asgi",
        "hypercorn",
        ("served:app", "--bind", "127.0.0.1:{port}"),
        below=_ROOT_PATH,
        refuses_with_responses=True,
        speaks_lifespan=True,
    ),
    Kind(
        "hypercorn-wsgi",
        "wsgi",
        "hypercorn",
        ("wsgi:served:app", "--bind", "127.0.0.1:{port}"),
        below=_ROOT_PATH,
        buffers_requests=True,
        passes_on_broken_requests=True,
        exhausts_bodies=True,
        finds_paths_in_addresses=False,
    ),
    Kind(
        "waitress",
        "wsgi",
        "waitress",
        ("--listen=127.0.0.1:{port}", "served:app"),
        below=("--url-prefix=" + PREFIX,),
        buffers_requests=True,
        # It does not catch SIGTERM, so Python ends without running anything that was left to do.
        stop_signal=signal.SIGINT,
    ),
    Kind(
        "daphne",
        "asgi",
        "daphne",
        ("--port", "{port}", "served:app"),
        below=_ROOT_PATH,
        buffers_requests=True,
        after_failure="open",
    ),
    Kind(
        "granian-asgi",
        "asgi",
        "granian",
        ("--interface", "asgi", *_GRANIAN),
        below=("--url-path-prefix", PREFIX),
        waits_for_requests=False,
        refuses_with_responses=True,
        speaks_lifespan=True,
    ),
    Kind(
        "granian-wsgi",
        "wsgi",
        "granian",
        ("--interface", "wsgi", *_GRANIAN),
        below=("--url-path-prefix", PREFIX),
        after_failure="complete",
        waits_for_requests=False,
    ),
)

"""`run`: the development server.

What serves is chosen by the protocol: `wsgi_server` or `asgi_server`. It is
handed a socket that already listens, which outlives it when the code is
reloaded, so that a request made in between waits instead of failing.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import click

from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.management import reloader
from webframe.core.management.env_files import ENV_FILES
from webframe.core.management.errors import CommandError, UserCodeError
from webframe.core.management.project import Project, current_project
from webframe.environment import KINDS, Environment

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

SERVERS = {
    "wsgi": "webframe.core.management.wsgi_server",
    "asgi": "webframe.core.management.asgi_server",
}


class Server(Protocol):
    """What each module of SERVERS has under this name."""

    # The protocol and what speaks it, for people.
    description: str

    def __init__(self, app: Any, listening: socket.socket) -> None: ...
    def serve(self) -> None: ...
    def stop(self) -> None: ...


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 is every one.")
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    envvar="PORT",
    show_envvar=True,
    show_default=True,
    help="The port to listen on; 0 is any free one.",
)
@click.option(
    "--debug/--no-debug",
    default=None,
    help="Set DEBUG. Without either, DEBUG is what the settings say, and on where nothing sets it and only this "
    "machine can connect.",
)
@click.option("--reload/--no-reload", default=None, help="Start anew when a file changes. On when DEBUG is.")
@click.option(
    "--protocol",
    type=click.Choice(["auto", *SERVERS]),
    default="auto",
    show_default=True,
    help="asgi is uvicorn, wsgi is werkzeug's server; auto is asgi where uvicorn is installed.",
)
def run(host: str, port: int, debug: bool | None, reload: bool | None, protocol: str) -> None:
    """Serve the app on this machine, while you work on it."""
    order = Order(current_project(), host, port, choose_protocol(protocol), debug)
    if debug is not None:
        # As a variable, so that it holds while the app is imported, and in the serving process.
        os.environ["WEBFRAME_DEBUG"] = "true" if debug else "false"
    serving = reloader.handed_over()
    with reloader.ended_by_signal(for_good=serving is not None):
        if serving is not None:
            with serving.listening or listen(host, port) as listening:
                serve_and_watch(order, listening, first=serving.first)
        elif reload if reload is not None else is_debug_expected(host):
            with listen(host, port) as listening:
                reloader.supervise(listening, forget=order.project.from_env_files)
        else:
            serve(order)


class Order(NamedTuple):
    """What `run` was asked for."""

    project: Project
    host: str
    port: int
    protocol: str
    debug: bool | None

    def prepare(self) -> Any:
        """Import the app and set it up, with DEBUG as it was asked for."""
        self.project.find()
        try:
            if self.debug is not None:
                settings.DEBUG = self.debug
            elif is_loopback(self.host) and not settings.is_overridden("DEBUG"):
                settings.DEBUG = True
        except ImproperlyConfigured:
            raise
        except Exception as error:  # raised by the settings module, which is imported when a setting is first needed
            raise UserCodeError("The settings cannot be read", error) from error
        return self.project.load()

    def banner(self, server: Server, listening: socket.socket, *, reload: bool) -> str:
        """What is said once, when the server is ready."""
        lines = [
            f"Serving {self.project.find().target or 'the app'} on {address(listening, self.host)}",
            f"  {server.description}; debug {_on(settings.DEBUG)}, reload {_on(reload)}",
            "  A development server: not for the public. Stop it with Ctrl-C.",
        ]
        if settings.DEBUG and not is_loopback(self.host):
            lines.append(
                f"Warning: DEBUG is on and {self.host} can be reached from elsewhere: error pages show your code to "
                "everybody. Only the interactive console is for this machine alone. Use --no-debug."
            )
        return "\n".join(lines)


def serve(order: Order) -> None:
    """Serve until told to end."""
    app = order.prepare()
    with listen(order.host, order.port) as listening:
        server = make_server(order.protocol, app, listening)
        click.echo(order.banner(server, listening, reload=False))
        server.serve()


def serve_and_watch(order: Order, listening: socket.socket, *, first: bool) -> None:
    """Serve until a file changes; an app that cannot be loaded is waited for, unless it never could."""
    watcher = reloader.Watcher(Path.cwd(), [Path.cwd() / name for name in (*ENV_FILES, "pyproject.toml")])
    try:
        server = make_server(order.protocol, order.prepare(), listening)
        click.echo(order.banner(server, listening, reload=True) if first else "Serving again.")
    except (CommandError, ImproperlyConfigured) as error:
        if first:
            raise
        server = _server_of_nothing(error, listening)
    changed = watcher.start(lambda: server.stop())  # whichever serves by then
    try:
        server.serve()
    except CommandError as error:
        server = _server_of_nothing(error, listening)
        server.serve()
    if changed.is_set():
        sys.exit(reloader.RELOAD)


def _server_of_nothing(error: CommandError | ImproperlyConfigured, listening: socket.socket) -> Server:
    """Show why the app cannot be served, and make what is served until something changes."""
    shown = error if isinstance(error, CommandError) else CommandError(str(error))
    shown.show()
    click.echo("Waiting for a change.")
    return make_server("wsgi", broken_app, listening)


def broken_app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """What is served while the app cannot be loaded: a WSGI app that says so."""
    start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"The app cannot be loaded. The error is where `webframe run` was started; correct it, then reload.\n"]


def make_server(protocol: str, app: Any, listening: socket.socket) -> Server:
    """The server for a protocol."""
    server: Server = import_module(SERVERS[protocol]).Server(app, listening)
    return server


def choose_protocol(protocol: str) -> str:
    """Turn `auto` into a protocol that can be served here, and refuse one that cannot."""
    has_uvicorn = find_spec("uvicorn") is not None
    if protocol == "asgi" and not has_uvicorn:
        raise CommandError("--protocol asgi needs uvicorn: pip install 'webframe[uvicorn]'.", returncode=2)
    return protocol if protocol != "auto" else "asgi" if has_uvicorn else "wsgi"


def is_debug_expected(host: str) -> bool:
    """Whether DEBUG will be on, as far as it can be told before the app is imported."""
    environment = Environment(os.environ, {"DEBUG": KINDS["bool"]})
    if "DEBUG" in environment.texts:
        return bool(environment.overlay("DEBUG", None))
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises CommandError when the port is taken, or the host is not one of this machine's.
    """
    try:
        family, _, _, _, location = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(location[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"Cannot listen on {host} port {port}: {_reason(error)}") from error


def _reason(error: OSError | UnicodeError) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return "it is in use. Stop what uses it, or choose another with --port; 0 is any free one."
        case errno.EACCES:
            return "that is for the administrator only. Choose a port above 1023 with --port."
    words = getattr(error, "strerror", None) or str(error)
    return f"{words}. Choose an address of this machine with --host, such as 127.0.0.1."


def address(listening: socket.socket, host: str) -> str:
    """Where a browser on this machine finds the server."""
    here = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{here}]' if ':' in here else here}:{listening.getsockname()[1]}/"


def _on(value: bool) -> str:
    return "on" if value else "off"

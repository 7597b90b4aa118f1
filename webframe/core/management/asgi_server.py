"""`run` over ASGI: uvicorn, with its start and stop messages left out."""

from __future__ import annotations

import copy
import socket
import threading
from importlib import import_module
from typing import Any

from webframe.core.management.errors import CommandError

# Seconds that requests under way are given when the server stops.
GRACE = 3


class Server:
    """Serves an app on a socket that is already listening, until told to stop."""

    def __init__(self, app: Any, listening: socket.socket) -> None:
        uvicorn = import_module("uvicorn")  # an extra: type checkers need not find it
        self._listening = listening
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                interface="asgi3",
                lifespan="on",
                # Which proxies are believed is for TRUSTED_PROXIES to say.
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
                log_config=_logging(import_module("uvicorn.config").LOGGING_CONFIG),
                log_level=None,
            )
        )
        # Set while there is nothing to wait for.
        self._ended = threading.Event()
        self._ended.set()
        # The protocol and what speaks it, for people.
        self.description = f"ASGI, uvicorn {uvicorn.__version__}"

    def serve(self) -> None:
        """Serve until told to stop, or until Ctrl-C."""
        self._ended.clear()
        try:
            self._server.run(sockets=[self._listening])
        except SystemExit:
            # How uvicorn says that the lifespan failed; why, is logged already.
            raise CommandError("The app did not start; what went wrong is said above.") from None
        finally:
            self._ended.set()

    def stop(self) -> None:
        """End `serve`, the app's shut-down included, and wait for it."""
        self._server.should_exit = True
        self._ended.wait(GRACE + 2)


def _logging(defaults: dict[str, Any]) -> dict[str, Any]:
    """uvicorn's logging, all of it on stderr: one line for each request, and about itself only warnings."""
    config = copy.deepcopy(defaults)
    config["handlers"]["access"]["stream"] = config["handlers"]["default"]["stream"]
    config["loggers"]["uvicorn.error"]["level"] = "WARNING"
    return config

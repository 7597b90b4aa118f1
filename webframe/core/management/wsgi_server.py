"""`run` over WSGI: werkzeug's development server, one thread for each request."""

from __future__ import annotations

import socket
import threading
from importlib import metadata
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Server:
    """Serves an app on a socket that is already listening, until told to stop."""

    def __init__(self, app: WSGIApplication, listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        self._server = make_server(
            host, port, app, threaded=True, request_handler=RequestHandler, fd=listening.fileno()
        )
        # Whether werkzeug's server runs: stopping it before it does would wait for ever.
        self._running = threading.Event()
        self._stopped = False
        # The protocol and what speaks it, for people.
        self.description = f"WSGI, werkzeug {metadata.version('werkzeug')}"

    def serve(self) -> None:
        """Serve until told to stop, or until Ctrl-C."""
        self._running.set()
        if not self._stopped:
            self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Accept no more requests; those under way go on in their threads."""
        self._stopped = True
        if self._running.is_set():
            self._server.shutdown()


class RequestHandler(WSGIRequestHandler):
    """Refuses requests whose end two readers could see in different places (RFC 9112, sections 6.1 to 6.3)."""

    def parse_request(self) -> bool:
        """Read the request line and headers; False when the request was already answered with an error."""
        if not super().parse_request():
            return False
        lengths = self.headers.get_all("content-length", [])
        codings = self.headers.get_all("transfer-encoding", [])
        if lengths and codings:
            self.send_error(400, "Content-Length and Transfer-Encoding exclude each other")
        elif len(lengths) > 1 or not all(length.strip().isdecimal() for length in lengths):
            self.send_error(400, "Content-Length must be one number")
        elif codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
            self.send_error(501, "The only transfer coding is chunked")
        else:
            return True
        return False

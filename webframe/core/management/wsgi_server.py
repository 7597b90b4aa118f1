"""`run` over WSGI: werkzeug's development server, one thread for each request."""

from __future__ import annotations

import signal
import socket
import threading
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


# Seconds that requests under way are given when the server stops.
GRACE = 3


class Server:
    """Serves an app on a socket that is already listening, until told to stop."""

    def __init__(self, app: WSGIApplication, listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        self._server = make_server(
            host, port, app, threaded=True, request_handler=CountedRequestHandler, fd=listening.fileno()
        )
        # The requests that are being answered, as their handlers count them.
        self._under_way = cast(Any, self._server).under_way = UnderWay()
        # Whether werkzeug's server runs: stopping it before it does would wait for ever.
        self._running = threading.Event()
        self._stopped = False
        # The protocol and what speaks it, for people.
        self.description = f"WSGI, werkzeug {metadata.version('werkzeug')}"

    def serve(self) -> None:
        """Serve until told to stop, or until Ctrl-C, and until the requests under way have ended or had their time."""
        self._running.set()
        if not self._stopped:
            self._server.serve_forever(poll_interval=0.1)
        # Who watches this process tells it again when it takes a second; a second Ctrl-C does end the wait.
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN) if in_main_thread else None
        try:
            self._under_way.wait_for_end(GRACE)
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)

    def stop(self) -> None:
        """End `serve`: accept no more connections; requests under way are waited for there."""
        self._stopped = True
        if self._running.is_set():
            self._server.shutdown()


class UnderWay:
    """How many requests are being answered; each is a ``with`` block."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()
        # Whether nobody wants more requests on the connections that are open.
        self.is_ending = False

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_for_end(self, seconds: float) -> None:
        """Wait until there are none any more, but no longer than that."""
        self.is_ending = True
        with self._changed:
            self._changed.wait_for(lambda: not self._count, seconds)


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

    def handle_expect_100(self) -> bool:
        """Leave the answer to Expect to werkzeug, which gives it to requests that are not refused."""
        return True


class CountedRequestHandler(RequestHandler):
    """Counts the requests that a `Server` is answering."""

    def run_wsgi(self) -> None:
        """Answer a request; the last one of its connection if the server ends."""
        under_way: UnderWay = cast(Any, self.server).under_way
        with under_way:
            super().run_wsgi()
        if under_way.is_ending:
            self.close_connection = True

"""The signals that webframe's own core sends: the lives of requests and WebSockets, and settings that change.

Each function below declares a signal: its parameters are what the signal is
sent with, its docstring says when. Every receiver is given ``signal`` besides,
and takes ``**kwargs``, because a signal may be sent with more one day.
"""

from __future__ import annotations

from webframe.dispatch import Signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    # What a request is, this floor does not know.
    Request = Any


@Signal.define
def request_started(
    sender: type, *, environ: MutableMapping[str, Any], scope: MutableMapping[str, Any] | None = None
) -> None:
    """Sent when a request has been accepted, before any middleware or view runs.

    ``sender`` is the handler class, ``environ`` the WSGI environ on both
    protocols. ``scope`` is the ASGI scope; under WSGI the receiver does not get
    it. Responses of receivers are ignored; an error is passed on to the server, and
    the request goes no further.
    """


@Signal.define
def request_finished(sender: type) -> None:
    """Sent exactly once for each `request_started`, however the request ends.

    That is after the last byte of the response, background work and closers.
    ``sender`` is the handler class. Responses of receivers are ignored; their
    errors are logged.
    """


@Signal.define
def got_request_exception(sender: None, *, request: Request) -> None:
    """Sent when an exception that nobody handles ends a request, before it is answered with 500.

    ``sender`` is None. Within a receiver `sys.exc_info()` is the exception.
    Errors that are answered with a 4xx status are not announced, nor is what an
    error handler has taken care of. Responses of receivers are ignored.
    """


@Signal.define
def setting_changed(sender: type, *, setting: str, value: Any, enter: bool) -> None:
    """Sent for each setting that an override in a test changes, and again when it is changed back.

    ``sender`` is the class of the settings, ``setting`` the name, ``value`` the
    value it has now (None if it has none any more), and ``enter`` whether the
    override begins. All settings of an override have their new values before the
    first of them is announced. Responses of receivers are ignored.
    """


@Signal.define
def websocket_started(sender: type, *, scope: MutableMapping[str, Any]) -> None:
    """Sent when a WebSocket has found its route, before the handshake is answered.

    ``sender`` is the handler class, ``scope`` the ASGI scope. Responses of
    receivers are ignored.
    """


@Signal.define
def websocket_finished(sender: type) -> None:
    """Sent exactly once for each `websocket_started`, however the WebSocket ends.

    ``sender`` is the handler class. Responses of receivers are ignored; their
    errors are logged.
    """

"""The life of a WebSocket.

A view registered with `app.websocket` gets a `WebSocket` and talks until it
returns; whatever it leaves open is closed. `websocket_started` and
`websocket_finished` frame it as the request signals frame a request.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from webframe._lazy import LateModule
from webframe.core.exceptions import ClientDisconnected, HTTPError
from webframe.core.handlers.base import LOOP, BaseHandler, may_have_been_heard, uncalled_for
from webframe.core.handlers.endpoints import Endpoint, RouteTable
from webframe.core.handlers.inbox import Inbox, Receive
from webframe.core.handlers.intake import check_headers
from webframe.core.handlers.streaming import CHUNKS_IN_A_ROW, iterate, shielded, was_cancelled
from webframe.core.signals import got_request_exception, websocket_finished, websocket_started
from webframe.http.environ import split_path
from webframe.http.errors import error_response
from webframe.http.json import get_provider
from webframe.http.places import below, go_to, place_of
from webframe.http.request import Request, current_request
from webframe.http.response import Response
from webframe.http.wire import checked_fields
from webframe.workers import adopt_asgiref, current_lease, end_lease, own_lease

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

logger = logging.getLogger("webframe.request")

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Codes with which a WebSocket is closed (RFC 6455 section 7.4.1).
NORMAL = 1000
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011


# What becomes of a WebSocket by what a mounted app sends; a refusal may be a whole response.
_STATE_AFTER = {
    "websocket.accept": "open",
    "websocket.close": "closed",
    "websocket.http.response.start": "closed",
}


class WebSocket:
    """One WebSocket connection, from its handshake to its end.

    `receive` and iteration end with `ClientDisconnected` and quietly,
    respectively, when the client closes. The handshake is accepted at the first
    receive or send, unless the view called `accept` or `close` before.
    """

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        # The handshake: headers, cookies, args, path, host ... as of any request.
        self.request = Request.from_scope({"method": "GET", **scope}, None)
        # Gives what the client says; where the view only sends, it finds out whether the client is still there.
        self._inbox = Inbox(receive)
        self._send = send
        # "connecting", "open" or "closed".
        self.state = "connecting"
        # How many messages the view has sent.
        self._sent = 0

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols the client offers, in its order of preference."""
        return list(self.scope.get("subprotocols", ()))

    async def accept(self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Accept the handshake.

        Raises `ValueError` for header fields that must not be sent.
        """
        if self.state != "connecting":
            raise RuntimeError(f"This WebSocket is {self.state}: accept() belongs before everything else.")
        fields = checked_fields(list(headers))
        message = await self._inbox.next()
        if message["type"] == "websocket.disconnect":
            self._gone(message)
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        await self._say({"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw})
        self.state = "open"

    async def receive(self) -> str | bytes:
        """The next message; raises `ClientDisconnected` when there are no more."""
        await self._open()
        message = await self._inbox.next()
        if message["type"] == "websocket.disconnect":
            self._gone(message)
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text

    async def receive_json(self) -> Any:
        """The next message, read as JSON; raises `ValueError` if it is none."""
        return get_provider().loads(await self.receive())

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message."""
        self._sent += 1
        if not self._sent % CHUNKS_IN_A_ROW:
            await asyncio.sleep(0)  # servers need not suspend whoever sends, least of all when the client is gone
        await self._open()
        farewell = self._inbox.farewell()
        if farewell is not None:
            self._gone(farewell)
        kind = "text" if isinstance(message, str) else "bytes"
        await self._say({"type": "websocket.send", kind: message})

    async def _say(self, message: MutableMapping[str, Any]) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            if await self._means_gone(error) or self.state == "closed":
                self.state = "closed"
                raise ClientDisconnected("The WebSocket's client went away.") from error
            raise

    async def _means_gone(self, error: Exception) -> bool:
        """Whether the server could not send because the client is gone."""
        # uvloop has a RuntimeError for a connection that is closed, and servers have one for mistakes of the view.
        return isinstance(error, OSError) or (
            isinstance(error, RuntimeError) and await self._inbox.last_word() is not None
        )

    async def send_json(self, data: Any) -> None:
        """Send data as a JSON text."""
        await self.send(get_provider().dumps(data))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection, or refuse the handshake if it was not accepted yet; nothing if it is closed."""
        if self.state != "closed":
            previous, self.state = self.state, "closed"
            if self._inbox.has_ended():
                return  # uvicorn has an error for those who close what it has told them is closed
            try:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
            except Exception as error:
                if await self._means_gone(error):
                    return  # the client was faster
                self.state = previous  # a server need not know every code
                raise

    async def refuse(self, response: Response) -> None:
        """Answer the handshake with a response instead of accepting it.

        Servers that do not know how (the extension `websocket.http.response` of
        ASGI) answer with a 403 of their own.
        """
        if self.state != "connecting":
            raise RuntimeError(f"This WebSocket is {self.state}: refuse() belongs before everything else.")
        if "websocket.http.response" not in (self.scope.get("extensions") or ()):
            await self.close(POLICY_VIOLATION)
            return
        self.state = "closed"
        status, headers, body = response.to_asgi("GET")
        try:
            whole = body if isinstance(body, bytes) else b"".join([chunk async for chunk in iterate(body)])
            await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await self._send({"type": "websocket.http.response.body", "body": whole})
        except (OSError, RuntimeError) as error:
            if not await self._means_gone(error):
                raise
        finally:
            if response.needs_closing:
                await LOOP.call(response.aclose if response.is_async_body else response.close)

    async def hand_over(
        self, app: Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]], scope: MutableMapping[str, Any]
    ) -> None:
        """Let an ASGI app take the connection over, from the handshake to its end; for apps that are mounted."""

        async def receive() -> Mapping[str, Any]:
            message = await self._inbox.next()
            if message["type"] == "websocket.disconnect":
                self.state = "closed"
            return message

        async def send(message: MutableMapping[str, Any]) -> None:
            previous = self.state
            self.state = _STATE_AFTER.get(message["type"], previous)
            try:
                await self._send(message)
            except Exception as error:
                if await self._means_gone(error):
                    self.state = "closed"
                    raise ClientDisconnected("The WebSocket's client went away.") from error
                self.state = previous
                raise

        await app(scope, receive, send)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive()
            except ClientDisconnected:
                return
            yield message

    async def _open(self) -> None:
        if self.state == "connecting":
            await self.accept()
        elif self.state == "closed":
            raise ClientDisconnected("This WebSocket is closed.")

    def _gone(self, message: Mapping[str, Any]) -> None:
        self.state = "closed"
        raise ClientDisconnected(f"The WebSocket's client closed it with code {message.get('code', 1005)}.")


async def serve_websocket(table: RouteTable, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one WebSocket connection."""
    websocket = WebSocket(scope, receive, send)
    path = split_path(scope)[1] if scope.get("root_path") else scope["path"]
    request = websocket.request
    endpoint, values = table.find("GET", path, websocket=True)
    try:
        check_headers({"method": "GET", **scope}, table.header_limits)
        request.check_host()
    except HTTPError as error:
        endpoint, values = table.raising(error), None
    request.route = endpoint
    request.view_args = values
    for mount in endpoint.mounts:
        go_to(request, below(place_of(request), mount.prefix))
    token = current_request.set(request)
    lease_token = own_lease()
    leave_asgiref = adopt_asgiref(request)
    try:
        if websocket_started.active:
            try:
                await websocket_started.asend(WebSocketHandler, scope=scope)
            except asyncio.CancelledError:
                request.started = may_have_been_heard(websocket_started, request)
                raise
        request.started = True
        await _converse(websocket, endpoint, values or {})
    finally:
        try:
            await shielded(WebSocketHandler().finish(request, None, LOOP))
        finally:
            end_lease(request)
            if leave_asgiref is not None:
                leave_asgiref()
            if lease_token is not None:
                current_lease.reset(lease_token)
            current_request.reset(token)


class WebSocketHandler(BaseHandler):
    """Sender of `websocket_started` and `websocket_finished`."""

    at_end = websocket_finished


async def _converse(websocket: WebSocket, endpoint: Endpoint, values: dict[str, Any]) -> None:
    """Run the view, then close what it left open: normally, or with 1011 after an error."""
    try:
        await websocket.close(await _code_after(websocket, endpoint, values))
    except asyncio.CancelledError:
        await shielded(websocket.close(INTERNAL_ERROR))
        raise
    finally:
        await websocket._inbox.end()  # only now: when closing fails, it is asked whether the client is gone


async def _code_after(websocket: WebSocket, endpoint: Endpoint, values: dict[str, Any]) -> int:
    """Run the view; what its connection is to be closed with then."""
    try:
        await _call_view(websocket, endpoint, values)
    except ClientDisconnected:
        pass
    except Exception as error:
        if websocket.state == "connecting" and isinstance(error, (HTTPError, HTTPException)):
            # Just the answer to the handshake: not found, not allowed.
            await websocket.refuse(error_response(error, websocket.request))
        else:
            await _report(websocket, error)
        return INTERNAL_ERROR
    return NORMAL


async def _call_view(websocket: WebSocket, endpoint: Endpoint, values: dict[str, Any]) -> None:
    try:
        await LOOP.call(endpoint.view, websocket, **values)
    except asyncio.CancelledError as error:
        if was_cancelled():
            raise
        raise uncalled_for(error, endpoint) from error


async def _report(websocket: WebSocket, error: Exception) -> None:
    try:
        if got_request_exception.active:
            await LOOP.emit(got_request_exception, None, request=websocket.request)
    except Exception:
        logger.exception("A receiver of got_request_exception failed.")
    logger.error("WebSocket %r failed.", websocket.request.path, exc_info=error)

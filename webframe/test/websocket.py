"""WebSockets of test clients: a conversation with an ASGI app, for async code and for plain code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, MutableMapping
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self

from webframe.core.exceptions import WebframeError
from webframe.core.handlers.streaming import shielded
from webframe.test._httpx import httpx
from webframe.test.lifespan import PATIENCE
from webframe.test.recording import Recording
from webframe.waiting import refuse_on_loop, wait

Message = MutableMapping[str, Any]

# Codes with which a WebSocket is closed (RFC 6455 section 7.4.1).
NORMAL = 1000
ABNORMAL = 1006

# Messages that may lie between the app and a test that does not receive them; then the app waits, as with any socket.
ROOM = 100

# The header fields of every handshake; the key is the one of RFC 6455 section 1.3.
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class WebSocketRefused(WebframeError):
    """The app did not accept the handshake of a WebSocket: `response` is what it answered instead.

    An app that closes the WebSocket without accepting it answers with 403; `code`
    and `reason` are those it gave, which only a test gets to see.
    """

    def __init__(self, response: httpx.Response, code: int | None = None, reason: str = "") -> None:
        text = f"The WebSocket was refused with {response.status_code}"
        if code is not None:
            text += f" (closed with code {code}{f', {reason!r}' if reason else ''})"
        super().__init__(f"{text}: {response.text}" if response.content else f"{text}.")
        self.response = response
        self.code = code
        self.reason = reason

    @property
    def status_code(self) -> int:
        """The status of the answer."""
        return self.response.status_code


class WebSocketClosed(WebframeError):
    """There are no more messages: the WebSocket is closed, with this `code` and `reason`."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"The WebSocket is closed: code {code}{f', {reason!r}' if reason else ''}.")
        self.code = code
        self.reason = reason


class AsyncWebSocketSession:
    """A WebSocket of an `AsyncClient`, open from the beginning of its ``async with`` block to its end.

    What the app sends is received in order. When it has closed the WebSocket,
    `WebSocketClosed` is raised, and iteration ends. Waiting for more than `timeout`
    seconds is a `TimeoutError`; None waits for ever.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        scope: Message,
        request: httpx.Request,
        recording: Recording,
        *,
        timeout: float | None = PATIENCE,
    ) -> None:
        self.request = request
        self.timeout = timeout
        # What the app has chosen and said when it accepted.
        self.subprotocol: str | None = None
        self.headers = httpx.Headers()
        self._app = app
        self._scope = scope
        self._recording = recording
        self._task: asyncio.Task[None] | None = None
        # What the app receives, and what it has sent: messages, then how it ended.
        self._incoming: asyncio.Queue[Message]
        self._sent: asyncio.Queue[Message | None]
        self._room: asyncio.Semaphore
        # The code and the reason with which it was closed.
        self._closed: tuple[int, str] | None = None
        # The error that the app has ended with, until it is raised.
        self._untold: BaseException | None = None

    async def send_text(self, text: str) -> None:
        """Send a text."""
        self._put({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._put({"type": "websocket.receive", "bytes": data})

    async def send_json(self, data: Any) -> None:
        """Send data as a JSON text."""
        await self.send_text(json.dumps(data))

    async def receive(self) -> str | bytes:
        """The next message; raises `WebSocketClosed` when there are no more, or the error that has ended it."""
        self._refuse_if_closed()
        message = await self._next()
        if message["type"] == "websocket.send":
            text: str | None = message.get("text")
            data: bytes = message.get("bytes") or b""
            return data if text is None else text
        self._closed = message.get("code") or NORMAL, message.get("reason") or ""
        self._recording.check()
        raise WebSocketClosed(*self._closed)

    async def receive_text(self) -> str:
        """The next message, which has to be a text."""
        message = await self.receive()
        if not isinstance(message, str):
            raise TypeError(f"The app sent {message!r}, not a text: receive_bytes() gives that.")
        return message

    async def receive_bytes(self) -> bytes:
        """The next message, which has to be binary."""
        message = await self.receive()
        if not isinstance(message, bytes):
            raise TypeError(f"The app sent the text {message!r}, not bytes: receive_text() gives that.")
        return message

    async def receive_json(self) -> Any:
        """The next message, read as JSON."""
        return json.loads(await self.receive())

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the WebSocket, as a client does; nothing if it is closed."""
        if self._closed is None:
            self._closed = code, reason
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._room.release()  # an app that waits to send need not wait any more

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive()
            except WebSocketClosed:
                return
            yield message

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("This WebSocket was opened before: connect another one.")
        self._incoming, self._sent, self._room = asyncio.Queue(), asyncio.Queue(), asyncio.Semaphore(ROOM)
        self._incoming.put_nowait({"type": "websocket.connect"})
        context = copy_context()
        context.run(self._recording.begin)
        self._task = asyncio.get_running_loop().create_task(self._run(), context=context)
        try:
            await self._shake_hands()
        except BaseException as error:
            await shielded(self._leave(error))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await shielded(self._leave(error))
        if error is None:
            self._raise_untold()
            self._recording.check()

    async def _shake_hands(self) -> None:
        message = await self._next()
        if message["type"] == "websocket.accept":
            self.subprotocol = message.get("subprotocol")
            self.headers = httpx.Headers([(bytes(name), bytes(value)) for name, value in message.get("headers") or ()])
            return
        self._recording.check()
        if message["type"] == "websocket.close":
            raise WebSocketRefused(self._response(403), message.get("code") or NORMAL, message.get("reason") or "")
        if message["type"] != "websocket.http.response.start":
            raise RuntimeError(f"The app sent {message['type']!r} before it accepted the WebSocket.")
        body, more = b"", True
        while more:
            part = await self._next()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        headers = [(bytes(name), bytes(value)) for name, value in message.get("headers") or ()]
        raise WebSocketRefused(self._response(message["status"], headers, body))

    def _response(
        self, status: int, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b""
    ) -> httpx.Response:
        return httpx.Response(status, headers=headers, content=body, request=self.request)

    def _put(self, message: Message) -> None:
        self._refuse_if_closed()
        self._incoming.put_nowait(message)

    def _refuse_if_closed(self) -> None:
        if self._task is None:
            raise RuntimeError("This WebSocket is not open: use it in a with-block.")
        if self._closed is not None:
            raise WebSocketClosed(*self._closed)

    async def _next(self) -> Message:
        """The next message of the app; its error, if it has ended with one."""
        try:
            async with asyncio.timeout(self.timeout):
                message = await self._sent.get()
        except TimeoutError:
            raise TimeoutError(f"The app has sent nothing for {self.timeout:g} seconds.") from None
        if message is not None:
            self._room.release()
            return message
        self._sent.put_nowait(None)
        self._closed = ABNORMAL, "the app ended without closing it"
        self._raise_untold()
        self._recording.check()
        raise WebSocketClosed(*self._closed)

    def _raise_untold(self) -> None:
        error, self._untold = self._untold, None
        if isinstance(error, asyncio.CancelledError):
            raise RuntimeError("Somebody has cancelled the app's task.") from error
        if error is not None:
            raise error

    async def _leave(self, because: BaseException | None) -> None:
        """Close what is open, and wait until the app has ended."""
        await self.close()
        assert self._task is not None
        await asyncio.wait((self._task,), timeout=PATIENCE)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1)
            text = f"The app went on for {PATIENCE:g} seconds after the WebSocket was closed."
            if because is None:
                raise TimeoutError(text)
            because.add_note(text)

    # The app's side.

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except _ClientGone:
            pass  # which is no error of the app
        except BaseException as error:  # SystemExit, raised by a task of its own, would end the loop
            self._untold = error
        finally:
            self._recording.end()
        self._sent.put_nowait(None)

    async def _receive(self) -> Message:
        message = await self._incoming.get()
        if message["type"] == "websocket.disconnect":
            self._incoming.put_nowait(message)  # for whoever asks again
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            # A server tells those who go on receiving.
            disconnect = {"type": "websocket.disconnect", "code": message.get("code") or NORMAL}
            self._incoming.put_nowait(disconnect)
        else:
            await self._room.acquire()
            if self._closed is not None:
                self._room.release()
                raise _ClientGone("The client of this WebSocket has gone.")
        self._sent.put_nowait(message)


class _ClientGone(OSError):
    """Tells an app that sends that there is nobody any more (version 2.4 of the ASGI specification for WebSockets)."""


class WebSocketSession:
    """A WebSocket of a `Client`, open within its ``with`` block; else like `AsyncWebSocketSession`."""

    def __init__(self, session: AsyncWebSocketSession) -> None:
        self._session = session

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the app has chosen."""
        return self._session.subprotocol

    @property
    def headers(self) -> httpx.Headers:
        """The header fields with which the app has accepted."""
        return self._session.headers

    def send_text(self, text: str) -> None:
        """Send a text."""
        wait(self._session.send_text(text))

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        wait(self._session.send_bytes(data))

    def send_json(self, data: Any) -> None:
        """Send data as a JSON text."""
        wait(self._session.send_json(data))

    def receive(self) -> str | bytes:
        """The next message; raises `WebSocketClosed` when there are no more, or the error that has ended it."""
        return wait(self._session.receive())

    def receive_text(self) -> str:
        """The next message, which has to be a text."""
        return wait(self._session.receive_text())

    def receive_bytes(self) -> bytes:
        """The next message, which has to be binary."""
        return wait(self._session.receive_bytes())

    def receive_json(self) -> Any:
        """The next message, read as JSON."""
        return wait(self._session.receive_json())

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the WebSocket, as a client does; nothing if it is closed."""
        wait(self._session.close(code, reason))

    def __iter__(self) -> Iterator[str | bytes]:
        while True:
            try:
                message = self.receive()
            except WebSocketClosed:
                return
            yield message

    def __enter__(self) -> Self:
        refuse_on_loop("A WebSocket of a plain Client", "AsyncClient")
        wait(self._session.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        wait(self._session.__aexit__(kind, error, traceback))


def websocket_scope(scope: Message, subprotocols: Iterable[str]) -> Message:
    """The scope of a WebSocket, from that of the request which asks for it."""
    scope["type"] = "websocket"
    scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    scope["scheme"] = {"http": "ws", "https": "wss"}.get(scope["scheme"], scope["scheme"])
    scope["subprotocols"] = list(subprotocols)
    scope["extensions"] = {"websocket.http.response": {}}
    del scope["method"]
    return scope

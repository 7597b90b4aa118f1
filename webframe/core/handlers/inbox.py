"""What the client of a WebSocket says, in order, and that it is gone, which some servers tell only those who receive.

uvicorn raises an error when something is sent to a client that has gone.
hypercorn and daphne drop the message and say nothing but "websocket.disconnect"
to the next `receive()`. So while a view only sends, its inbox receives for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.handlers.streaming import shielded

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# Bytes of messages that are kept for a view which does not ask for them. When there are more, the server has to wait,
# and that the client is gone is not noticed before the view receives.
ROOM = 64 * 1024

# What a message takes up besides its content: many empty ones are a lot, too.
OVERHEAD = 256

# Milliseconds: from when a server's connection is lost to when it says so.
MOMENT = 20


class Inbox:
    """Gives a view each message straight from the server, and reads ahead while it sends without receiving."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        # Reads the message after those that are kept; None unless it reads ahead.
        self._reader: asyncio.Task[Message] | None = None
        # Messages that were read ahead, and how many bytes more may be.
        self._kept: deque[Message] = deque()
        self._room = ROOM
        # How many tasks of the view wait for the server by themselves.
        self._receiving = 0
        # How often the view has sent since it last received.
        self._sent = 0
        self._over = False

    async def next(self) -> Message:
        """The next message. Nothing is lost if this is cancelled, unless the server loses it."""
        self._sent = 0
        while True:
            if self._kept:
                message = self._kept.popleft()
                self._room += _size(message)
                return message
            reader = self._reader
            if reader is None:
                break
            await asyncio.wait((reader,))
            if self._reader is reader:  # else another task of the view was faster
                self._reader = None
                return reader.result()
        self._receiving += 1
        try:
            return await self._receive()
        finally:
            self._receiving -= 1

    def farewell(self) -> Message | None:
        """The message that the client is gone, if that is known: to be asked before each send.

        From the second send in a row on it reads ahead, unless a task of the view is receiving.
        """
        self._sent += 1
        reader = self._reader
        if reader is None:
            if self._sent > 1 and not self._receiving and not self._over:
                self._read_ahead()
            return None
        message = _read_by(reader)
        if message is None or message["type"] == "websocket.disconnect":
            return message
        if self._room > 0:
            self._kept.append(message)
            self._room -= _size(message)
            self._read_ahead()
        return None

    def has_ended(self) -> bool:
        """Whether the message that the client is gone was read ahead."""
        message = None if self._reader is None else _read_by(self._reader)
        return message is not None and message["type"] == "websocket.disconnect"

    async def last_word(self) -> Message | None:
        """The message that the client is gone, if it comes within a moment: to be asked after a send has failed."""
        for _ in range(MOMENT):
            farewell = self.farewell()
            if farewell is not None:
                return farewell
            await asyncio.sleep(0.001)
        return None

    def _read_ahead(self) -> None:
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> Message:
        return await self._receive()

    async def end(self) -> None:
        """Read ahead no more."""
        self._over = True
        if self._reader is not None:
            await shielded(_stop(self._reader))


def _read_by(reader: asyncio.Task[Message]) -> Message | None:
    """The message that was read ahead, if one was; an error is for whoever receives."""
    if not reader.done() or reader.cancelled() or reader.exception() is not None:
        return None
    return reader.result()


async def _stop(reader: asyncio.Task[Message]) -> None:
    reader.cancel()
    await asyncio.wait((reader,))
    if not reader.cancelled():
        reader.exception()  # which nobody has asked for


def _size(message: Message) -> int:
    text = message.get("text")
    if text and not text.isascii():
        return OVERHEAD + 4 * len(text)  # bytes of memory, at most
    return OVERHEAD + len(text or message.get("bytes") or b"")

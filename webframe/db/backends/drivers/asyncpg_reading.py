"""Fewer rounds of asyncio's loop for an answer of PostgreSQL.

A server sends an answer in pieces of 8 kB. asyncio reads one piece and goes round
its loop before it reads the next, though that is often there by then: while the
rows of the first piece were made, the server sent the second. So it is looked for.

And who has waited for the answer would run in the next round, for which asyncio
looks for events first. Where nobody is to run before him he does so at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sized
from typing import Any

# The buffer in which a server gathers what it sends (PQ_SEND_BUFFER_SIZE). A piece that fills it is rarely the last.
PIECE = 8192

# How much is read at a time, so that others on the loop get their turn.
MOST = 16 * PIECE


# Takes the place of what a loop is to run, where that is not to be known: there is always somebody.
UNKNOWN: Sized = (None,)


# One round of asyncio's own loop; others run rounds within rounds, for notebooks.
RUN_ONCE: Any = getattr(asyncio.BaseEventLoop, "_run_once", None)


def read_on(raw: Any) -> None:
    """Have a connection of asyncpg read on; nothing is changed where its loop reads in another way.

    That is so with TLS, on loops that are not asyncio's own, and where a socket is no file.
    """
    transport = getattr(raw, "_transport", None)
    loop = asyncio.get_running_loop()
    if (
        transport is not None
        and os.name == "posix"
        and isinstance(loop, asyncio.SelectorEventLoop)
        and transport.get_extra_info("sslcontext") is None
        and isinstance(protocol := transport.get_protocol(), asyncio.Protocol)
    ):
        transport.set_protocol(ReadingOn(loop, transport, protocol))


class ReadingOn(asyncio.Protocol):
    """Stands between a transport and its protocol, and looks for more when a piece came that is not the last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self._receive = protocol.data_received
        self._is_reading = transport.is_reading
        self._file: int = transport.get_extra_info("socket").fileno()
        self._loop = loop
        # What is to run in this round of the loop and the next.
        self._ready: Any = getattr(loop, "_ready", UNKNOWN)

    def data_received(self, data: bytes) -> None:
        """Pass on what came, and what has come since; then run those whom it has woken, if it is their turn."""
        ready, loop = self._ready, self._loop
        nobody_waits = not ready
        self._receive(data)
        if len(data) % PIECE == 0:
            self._look_for_more()
        # A loop that is debugged times each call; one that is not asyncio's own may run again within a call.
        if nobody_waits and type(loop)._run_once is RUN_ONCE and not loop.get_debug():  # type: ignore[attr-defined]
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()

    def _look_for_more(self) -> None:
        # The protocol may have closed the transport meanwhile, whose file is another's then, or may want no more.
        if self._is_reading():
            try:
                more = os.read(self._file, MOST)
            except BlockingIOError:
                return
            # That it ended, the transport is told again when it reads itself.
            if more:
                self._receive(more)

    def eof_received(self) -> bool | None:
        """Pass it on, as everything else."""
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()

"""Async code under WSGI: one task on the process loop, from first step to last byte.

The server's thread waits for the response and hands its chunks on; they come
through a queue of bounded length, so that a fast view waits for a slow client.
When the server closes the body early the task is cancelled, which stops the
body's generator at its `yield`.
"""

from __future__ import annotations

from _queue import SimpleQueue
from collections.abc import Iterable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.handlers.base import LOOP, BaseHandler, apply_conditions, uncalled_for
from webframe.core.handlers.endpoints import Endpoint
from webframe.core.handlers.streaming import iterate, shielded
from webframe.core.signals import request_started
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.workers import adopt_asgiref, end_lease, own_lease, process_loop

if TYPE_CHECKING:
    import asyncio

    from _typeshed.wsgi import StartResponse
else:
    asyncio = LateModule("asyncio")

# How many chunks may wait for the client.
QUEUE_LENGTH = 8


def serve_on_process_loop(
    handler: BaseHandler,
    request: Request,
    endpoint: Endpoint,
    start_response: StartResponse,
    context: Context,
    response: Response | None = None,
) -> Iterable[bytes]:
    """Serve one WSGI request in a task on the process loop, or only deliver the response if it is given."""
    conversation = Conversation(handler, request, endpoint, response, process_loop())
    conversation.begin(context)
    started = conversation.receive()
    if started is None:  # only an error ends it without a response, and that would have been raised
        raise RuntimeError("The request ended without a response.")
    try:
        start_response(*started)
    except BaseException:
        conversation.close()
        raise
    return BridgedBody(conversation)


class Conversation:
    """Between the server's thread and the task that serves its request."""

    def __init__(
        self,
        handler: BaseHandler,
        request: Request,
        endpoint: Endpoint,
        response: Response | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.handler = handler
        self.request = request
        self.endpoint = endpoint
        self.loop = loop
        # From the task: (status, headers), then chunks, then None; or an exception to be raised.
        self.queue: SimpleQueue[Any] = SimpleQueue()
        # Room in the queue: taken by the task, given back by the thread.
        self.room = asyncio.Semaphore(QUEUE_LENGTH)
        # Set when the server is done with the response.
        self.delivered = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        # Given where only its body is async; else made by the task.
        self.response = response
        # What the thread has seen: the end of the body, the end of the task.
        self.body_ended = False
        self.task_ended = False

    # In the server's thread.

    def begin(self, context: Context) -> None:
        """Start the task, in the context of the request."""

        def create_task() -> None:
            self.task = self.loop.create_task(self._conduct(), context=context.copy())
            _under_way.add(self.task)
            self.task.add_done_callback(_under_way.discard)

        self.loop.call_soon_threadsafe(create_task)

    def receive(self) -> Any:
        """The next thing the task has to say; None after the last chunk."""
        item = self.queue.get()
        if item is None:
            self.body_ended = True
        elif isinstance(item, _Ended):
            self.body_ended = self.task_ended = True
            if item.error is not None:
                raise item.error
            return None
        else:
            self.loop.call_soon_threadsafe(self.room.release)
        return item

    def close(self) -> None:
        """Tell the task that the server is done, stopping it if it is not, and wait for its end."""
        if self.task_ended:
            return
        self.loop.call_soon_threadsafe(self._stop, self.body_ended)
        while not self.task_ended:
            item = self.queue.get()
            if isinstance(item, _Ended):
                self.task_ended = True
                if item.error is not None and self.body_ended:
                    raise item.error
        self.body_ended = True

    def abandon(self) -> None:
        """Tell the task that nobody listens any more, without waiting: this may run in any thread."""
        if not self.task_ended and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._stop, self.body_ended)

    # On the loop.

    def _stop(self, everything_delivered: bool) -> None:
        self.delivered.set()
        if not everything_delivered and self.task is not None:
            self.task.cancel()

    async def _conduct(self) -> None:
        request, handler = self.request, self.handler
        own_lease()
        adopt_asgiref(request)
        error: BaseException | None = None
        try:
            try:
                if self.response is None and request_started.active and not request.is_mounted:
                    await request_started.asend(handler.sender, environ=request.environ)
                request.started = True
                await self._respond()
                await self.delivered.wait()
            finally:
                await shielded(handler.finish(request, self.response, LOOP))
        except BaseException as caught:
            if not isinstance(caught, asyncio.CancelledError):
                error = caught
            elif not self.delivered.is_set():  # nobody but the server cancels this task, when it is done with it
                error = uncalled_for(caught, self.endpoint)
        end_lease(request)
        self.queue.put(_Ended(error))

    async def _respond(self) -> None:
        request, endpoint, handler = self.request, self.endpoint, self.handler
        response = self.response or await handler.get_response(request, endpoint, LOOP)
        request.response = self.response = response
        # As the client has written it, for its server goes by that: to "head" belongs a body (RFC 9110 section 9.1).
        method = request.environ["REQUEST_METHOD"]
        try:
            if response.has_headers:
                apply_conditions(request, response)
            status, headers, body = response.to_wsgi(method)
        except Exception as error:
            request.response = self.response = response = await handler.recover(request, endpoint, LOOP, error)
            status, headers, body = response.to_wsgi(method)
        await self._put((status, headers))
        if isinstance(body, list):
            for chunk in body:
                await self._put(chunk)
        else:
            chunk, chunks = None, iterate(body)
            try:
                async for chunk in chunks:
                    await self._put(chunk)
            finally:
                await chunks.aclose()
            if chunk is None:  # some servers never send the headers of a body without a chunk
                await self._put(b"")
        self.queue.put(None)

    async def _put(self, item: Any) -> None:
        await self.room.acquire()
        self.queue.put(item)


# The tasks of conversations, which loops hold weakly: together with a body that is dropped in a cycle of references
# the collector of garbage would destroy its task, which `abandon` shall end.
_under_way: set[asyncio.Task[None]] = set()


class _Ended:
    """The last item of a conversation."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class BridgedBody:
    """The body of a response that is made on the process loop."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._conversation.body_ended:
            raise StopIteration
        chunk = self._conversation.receive()
        if chunk is None:
            raise StopIteration
        return bytes(chunk)

    def close(self) -> None:
        """Stop the task if it is not done, and wait until `request_finished` has been sent."""
        self._conversation.close()

    def __del__(self) -> None:
        self._conversation.abandon()

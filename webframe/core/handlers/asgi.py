"""The ASGI edge: scope in, messages out.

Each request is served in the server's own task. A route whose code is all plain
goes whole to the request's worker, in one hop; anything else runs on the event
loop, with its plain parts in the worker.

A client that goes away cancels an async view, and stops the generator of a
body, at its next suspension. However a request ends, `finish` runs to its end:
a second cancellation waits for it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.exceptions import ClientDisconnected, HTTPError, ImproperlyConfigured
from webframe.core.handlers.base import (
    LOOP,
    NO_VALUES,
    BaseHandler,
    apply_conditions,
    may_have_been_heard,
    uncalled_for,
)
from webframe.core.handlers.endpoints import Endpoint, RouteTable
from webframe.core.handlers.intake import (
    IncomingBody,
    Receive,
    check_content_length,
    check_headers,
    in_origin_form,
    read_body,
)
from webframe.core.handlers.mounts import MOUNTED
from webframe.core.handlers.streaming import ClientGone, iterate, run_to_its_end, shielded, until_gone, was_cancelled
from webframe.core.handlers.websocket import serve_websocket
from webframe.core.signals import request_finished, request_started
from webframe.http.hosts import accepted as accepted_hosts
from webframe.http.request import Request, current_request
from webframe.http.response import make_response
from webframe.workers import adopt_asgiref, current_lease, end_lease, own_lease

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ASGIHandler(BaseHandler):
    """Serves an app under ASGI; sender of `request_started` and `request_finished` there."""

    def __init__(
        self,
        prepare: Callable[[], Awaitable[RouteTable]],
        serve_lifespan: Callable[[Receive, Send], Coroutine[Any, Any, None]],
    ) -> None:
        # What the app answers; None until the first request and after something was added to the app.
        self.table: RouteTable | None = None
        # Makes the table; runs set-up and start-up if nobody has.
        self.prepare = prepare
        self.serve_lifespan = serve_lifespan

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        match scope["type"]:
            case "http":
                if scope["path"][:1] != "/":
                    scope = in_origin_form(scope)
                return self._serve(scope, receive, send)
            case "websocket":
                return self._serve_websocket(scope, receive, send)
            case "lifespan":
                return self.serve_lifespan(receive, send)
            case other:
                raise ImproperlyConfigured(f"webframe does not serve ASGI scopes of type {other!r}.")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        table = self.table or await self.prepare()
        request = Request.from_scope(scope)
        endpoint = self._find(table, scope, request)
        try:
            host, with_body = check_headers(scope, table.header_limits)
            if host not in accepted_hosts:
                request.check_host()
            if with_body or endpoint.stream:
                await self._take_in_body(endpoint, request, receive, with_body)
        except HTTPError as error:
            endpoint = table.raising(error)
        except ClientDisconnected:
            return  # before the body was complete: the request never began
        token = current_request.set(request)
        lease_token = own_lease()
        leave_asgiref = adopt_asgiref(request) if "asgiref.sync" in sys.modules else None
        try:
            if endpoint.hops:
                await self._respond_in_worker(request, endpoint, scope)
            delivery = self._respond_and_deliver(request, endpoint, scope, send)
            try:
                waited_for = delivery.send(None)
            except (StopIteration, ClientGone):
                pass  # answered at once, which costs no watch
            else:
                await until_gone(delivery, waited_for, receive, partial(_is_read, request))
        finally:
            try:
                if self.has_end(request):
                    await self._finish(request)
            finally:
                end_lease(request)
                if leave_asgiref is not None:
                    leave_asgiref()
                if lease_token is not None:
                    current_lease.reset(lease_token)
                current_request.reset(token)

    def _find(self, table: RouteTable, scope: Scope, request: Request) -> Endpoint:
        """Find the endpoint, and tell the request what it is."""
        path = scope["path"]
        if scope.get("root_path"):
            path = request.path
        methods = table.static.get(path)
        endpoint = methods.get(scope["method"]) if methods is not None else None
        if endpoint is None:
            endpoint, values = table.shortcut(scope["method"], path) or table.find(scope["method"], path)
            if values:
                request.view_args = values
        request.route = endpoint
        if endpoint.limits is not None:
            request.limits = endpoint.limits
        if MOUNTED in scope:
            request.is_mounted, request.outer = True, scope[MOUNTED]
        return endpoint

    async def _take_in_body(self, endpoint: Endpoint, request: Request, receive: Receive, with_body: bool) -> None:
        """Receive the body, or leave it to a view that reads it by itself."""
        if endpoint.stream:
            check_content_length(request)
            request.stream = body = IncomingBody(receive, request.max_content_length)  # type: ignore[assignment]
            body.exhausted = not with_body
            return
        request.input_stream = stream = await read_body(receive, request)
        if type(stream) is not io.BytesIO:
            request.on_close(stream.close)

    async def _respond_in_worker(self, request: Request, endpoint: Endpoint, scope: Scope) -> None:
        """Make the response of a route that is all plain code, in one hop."""
        await run_to_its_end(self._announce_and_respond, request, endpoint, scope)

    def _announce_and_respond(self, request: Request, endpoint: Endpoint, scope: Scope) -> None:
        if request_started.active and not request.is_mounted:
            request_started.send(ASGIHandler, environ=request.environ, scope=scope)
        request.started = True
        request.response = self.respond_plainly(request, endpoint)

    async def _respond_and_deliver(self, request: Request, endpoint: Endpoint, scope: Scope, send: Send) -> None:
        """Make the response, unless the worker has made it, and send it."""
        response = request.response
        if response is None:
            if request_started.active and not request.is_mounted:
                try:
                    await request_started.asend(ASGIHandler, environ=request.environ, scope=scope)
                except asyncio.CancelledError:
                    request.started = may_have_been_heard(request_started, request)
                    raise
            request.started = True
            if endpoint.is_bare:
                try:  # what get_response does where there is no middleware
                    answer = endpoint.view(request, **(request.view_args or NO_VALUES))
                    response = make_response(await answer if endpoint.is_async else answer)
                except (Exception, asyncio.CancelledError) as error:
                    if not isinstance(error, Exception) and was_cancelled():
                        raise
                    response = await self.recover(request, endpoint, LOOP, error)
            else:
                response = await self.get_response(request, endpoint, LOOP)
            request.response = response
        method = scope["method"]
        try:
            if response.has_headers:
                apply_conditions(request, response)
            status, headers, body = response.to_asgi(method)
        except Exception as error:
            request.response = response = await self.recover(request, endpoint, LOOP, error)
            status, headers, body = response.to_asgi(method)
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if type(body) is bytes:
                await send({"type": "http.response.body", "body": body})
                return
        except OSError as error:
            raise ClientGone from error
        chunks = iterate(body)
        try:
            async for chunk in chunks:
                try:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except OSError as error:
                    raise ClientGone from error
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            raise uncalled_for(error, endpoint) from error  # hypercorn and daphne say nothing of a cancellation
        finally:
            await chunks.aclose()
        try:
            await send({"type": "http.response.body", "body": b""})
        except OSError as error:
            raise ClientGone from error

    async def _finish(self, request: Request) -> None:
        """`finish`, shielded from cancellation where it may suspend."""
        response = request.response  # None if there was a cancellation first
        finishing = self.finish(request, response, LOOP)
        if (
            not request.has_work_left
            and (response is None or not response.needs_closing)
            and request_finished.calls_inline_only(self.sender)
        ):
            await finishing
        else:
            await shielded(finishing)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await serve_websocket(self.table or await self.prepare(), scope, receive, send)


def _is_read(request: Request) -> bool:
    """Whether nothing of the body is left to be received by the view."""
    stream = vars(request).get("stream")
    return not isinstance(stream, IncomingBody) or stream.exhausted

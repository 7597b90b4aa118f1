"""The WSGI edge: environ in, `start_response` out.

A request whose code is all plain runs in the server's thread from beginning to
end, in a context of its own, so that no context variable leaks into the next
request of that thread. A request with anything async runs in one task on the
process loop (`bridge.py`), and the server's thread passes its chunks on.

What the server is given back closes itself: after its last byte, when an error
stops it, when `close()` is called or, for callers that forget, when it is
collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from itertools import chain, repeat, starmap
from typing import TYPE_CHECKING

from webframe._lazy import LateModule
from webframe.core.exceptions import ClientDisconnected, HTTPError
from webframe.core.handlers.base import PLAIN, BaseHandler, apply_conditions, explained
from webframe.core.handlers.endpoints import Endpoint, RouteTable
from webframe.core.handlers.intake import (
    IncomingBody,
    InPieces,
    check_content_length,
    check_environ_headers,
    spool_body,
)
from webframe.core.handlers.mounts import MOUNTED, WSGIMount
from webframe.core.signals import request_finished, request_started
from webframe.http.hosts import accepted as accepted_hosts
from webframe.http.request import Request, current_request
from webframe.http.response import Response
from webframe.waiting import step

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from webframe.core.handlers import bridge
else:
    bridge = LateModule("webframe.core.handlers.bridge")


class WSGIHandler(BaseHandler):
    """Serves an app under WSGI; sender of `request_started` and `request_finished` there."""

    def __init__(self, prepare: Callable[[], RouteTable]) -> None:
        # What the app answers; None until the first request and after something was added to the app.
        self.table: RouteTable | None = None
        # Makes the table; runs set-up and start-up if nobody has.
        self.prepare = prepare

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        context = copy_context()
        return context.run(self._serve, environ, start_response, context)

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse, context: Context) -> Iterable[bytes]:
        table = self.table or self.prepare()
        request = Request(environ)
        endpoint = self._find(table, environ, request)
        current_request.set(request)
        if MOUNTED in environ:
            request.is_mounted, request.outer = True, environ[MOUNTED]
        if not endpoint.is_plain:
            return bridge.serve_on_process_loop(self, request, endpoint, start_response, context)
        response = None
        try:
            if request_started.active and not request.is_mounted:
                request_started.send(WSGIHandler, environ=environ)
            request.started = True
            request.response = response = self.respond_plainly(request, endpoint)
            try:
                if response.has_headers:
                    apply_conditions(request, response)
                status, headers, body = response.to_wsgi(environ["REQUEST_METHOD"])
            except Exception as error:
                request.response = response = step(self.recover(request, endpoint, PLAIN, error))
                status, headers, body = response.to_wsgi(environ["REQUEST_METHOD"])
            if type(body) is not list and response.is_async_body:
                return bridge.serve_on_process_loop(self, request, endpoint, start_response, context, response)
            start_response(status, headers)
        except BaseException:
            step(self.finish(request, response, PLAIN))
            raise
        # What comes in steps takes them in the context of the request, even if there is nothing to do at its end.
        if type(body) is not list or request_finished.active or response.needs_closing or request.has_work_left:
            return ClosingBody(body, context, self, request, response)
        return body

    def _find(self, table: RouteTable, environ: WSGIEnvironment, request: Request) -> Endpoint:
        """The endpoint for a request: the route's, or one that answers what is wrong with the request."""
        method = environ["REQUEST_METHOD"]
        path = environ.get("PATH_INFO") or "/"
        methods = table.static.get(path)
        endpoint = methods.get(method) if methods is not None else None
        if endpoint is None:
            if not path.isascii():
                path = request.path
            endpoint, values = table.shortcut(method, path) or table.find(method, path)
            if values:
                request.view_args = values
        request.route = endpoint
        if endpoint.limits is not None:
            request.limits = endpoint.limits
        try:
            host = environ.get("HTTP_HOST")
            if host not in accepted_hosts:
                request.check_host()
            if len(environ) > table.header_limits.fields:
                check_environ_headers(environ, table.header_limits)
            if "CONTENT_LENGTH" in environ:
                check_content_length(request)
            if endpoint.stream:
                if not endpoint.is_plain:
                    request.stream = IncomingBody.over_file(request.stream, request.max_content_length)  # type: ignore[assignment]
                elif type(endpoint.view) is not WSGIMount:  # such an app takes the file of its server
                    request.stream = InPieces(request.stream)  # type: ignore[assignment]
            elif not endpoint.is_plain:
                spool_body(request)
        except (HTTPError, ClientDisconnected) as error:
            return table.raising(error)
        return endpoint


class ClosingBody:
    """The body of a response that has something to do at its end."""

    __slots__ = ("_body", "_context", "_handler", "_request", "_response", "__weakref__")

    def __init__(
        self, body: Iterable[bytes], context: Context, handler: BaseHandler, request: Request, response: Response
    ) -> None:
        self._body = body
        self._context = context
        self._handler = handler
        self._request = request
        self._response: Response | None = response

    def __iter__(self) -> Iterator[bytes]:
        body = self._body
        if type(body) is list:
            return iter(body)
        # Each step runs in the context of the request, at the speed of C. The first one is made here, because some
        # callers never close a body whose first chunk fails.
        run = self._context.run
        try:
            iterator = run(iter, body)
            first = run(next, iterator, b"")
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                raise
            raise explained(error, self._request.route)  # noqa: B904  # it is the same one, or has it as its cause
        return _in_steps(chain((first,), starmap(run, repeat((next, iterator)))), self._request.route)

    def close(self) -> None:
        """End the request: the response's own closers, background work, then request_finished; once."""
        response, self._response = self._response, None
        if response is not None:
            self._context.run(step, self._handler.finish(self._request, response, PLAIN))

    def __del__(self) -> None:
        if self._response is not None:
            self.close()


def _in_steps(steps: Iterator[bytes], endpoint: Endpoint) -> Iterator[bytes]:
    """The same; a CancelledError that comes out of it is an ordinary error for the server."""
    try:
        yield from steps
    except Exception:
        raise
    except BaseException as error:
        raise explained(error, endpoint)  # noqa: B904  # it is the same one, or has it as its cause

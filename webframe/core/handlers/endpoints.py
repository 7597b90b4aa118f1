"""What is decided about routes before the first request: endpoints, and the table that finds them.

Groups, prefixes, mounts, middleware and error handlers are what people write
(`app.py`); the table is what they come to, frozen at the first request and
built anew when something is added. A request only looks things up here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, NamedTuple, TypeVar

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect, WebsocketMismatch

from webframe.core.exceptions import HTTPError
from webframe.core.handlers.intake import HeaderLimits
from webframe.http.limits import Limits
from webframe.http.places import handler_from, passage
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.routing import Router, locate
from webframe.waiting import is_async

MiddlewareGenerator = Generator[Any, Any, Any] | AsyncGenerator[Any, Any]

Function = TypeVar("Function", bound=Callable[..., Any])

# Async middleware that has a plain twin, with that.
_plain_twins: dict[Callable[..., Any], Callable[[Request], Generator[Any, Any, Any]]] = {}

# The error handlers of one group or app: by status code and by exception class.
ErrorHandlers = dict[int | type[BaseException], Callable[[Request, Any], Any]]


class Middleware(NamedTuple):
    """A middleware function and what kind of generator it makes."""

    function: Callable[[Request], MiddlewareGenerator]
    is_async: bool


class Passage(Middleware):
    """What takes requests through a mount: plain code of ours that never blocks, and so may run on an event loop."""


def plain_twin(twin: Callable[[Request], Generator[Any, Any, Any]]) -> Callable[[Function], Function]:
    """Decorate an async middleware with a plain one that does the same: it is used around plain views.

    Without one, async middleware takes requests to an event loop whose views have no need of it.
    """

    def mark(function: Function) -> Function:
        _plain_twins[function] = twin
        return function

    return mark


class Policy(NamedTuple):
    """What surrounds the views of one app or group."""

    # Outermost first.
    middleware: tuple[Middleware, ...]
    # Innermost first: those of the group, then those of the groups around it, then the app's.
    error_handlers: tuple[ErrorHandlers, ...]
    # Makes the page for an error that nobody handled.
    server_error: Callable[[Request, BaseException], Response]
    # Whether such an error is passed on to the server instead (PROPAGATE_EXCEPTIONS).
    propagate: bool
    # Finds the address of a route of the same app.
    url_for: Callable[..., str]

    def around(self, inner: Policy) -> Policy:
        """The policy of something inside: its middleware further in, its error handlers asked first."""
        return inner._replace(
            middleware=self.middleware + inner.middleware, error_handlers=inner.error_handlers + self.error_handlers
        )

    def around_plain_code(self) -> Policy:
        """The same with the plain twins of middleware that has one."""
        if not any(layer.function in _plain_twins for layer in self.middleware):
            return self
        return self._replace(
            middleware=tuple(
                Middleware(_plain_twins[layer.function], False) if layer.function in _plain_twins else layer
                for layer in self.middleware
            )
        )


class Mounted(NamedTuple):
    """A mount between the app that serves a request and the app that has the route."""

    prefix: str
    # Finds the address of a route of the app around the mount.
    url_for: Callable[..., str]


class Endpoint:
    """A view with everything that surrounds it, ready to be called.

    Addresses that lead nowhere, hosts that are not allowed and the like are
    endpoints too: their view raises the error.
    """

    __slots__ = (
        "hops",
        "is_async",
        "is_bare",
        "is_plain",
        "is_quick",
        "limits",
        "mounts",
        "name",
        "plain_middleware",
        "policy",
        "rule",
        "stream",
        "view",
    )

    def __init__(
        self,
        view: Callable[..., Any],
        policy: Policy,
        *,
        name: str = "",
        rule: str = "",
        limits: Limits | None = None,
        stream: bool = False,
        mounts: tuple[Mounted, ...] = (),
        is_quick: bool = False,
    ) -> None:
        self.view = view
        # Whether calling the view gives something to await.
        self.is_async = is_async(view)
        self.policy = policy if self.is_async else policy.around_plain_code()
        self.name = name
        self.rule = rule
        # None where the limits of the settings apply.
        self.limits = limits
        # Whether the view reads the body by itself, from `request.stream`.
        self.stream = stream
        # The mounts between the app that serves and the app of this endpoint, outermost first.
        self.mounts = mounts
        # Whether nothing here suspends, so that the whole way from request to response runs in one plain thread.
        self.is_plain = not self.is_async and not any(layer.is_async for layer in self.policy.middleware)
        # Whether the view is plain code of ours that never blocks, and so may run on an event loop.
        self.is_quick = is_quick
        # Whether under ASGI the whole way goes to the request's worker, in one hop.
        self.hops = self.is_plain and not (is_quick and all(type(layer) is Passage for layer in policy.middleware))
        # Whether there is nothing around a view that may run on an event loop.
        self.is_bare = (self.is_async or is_quick) and not policy.middleware
        self.plain_middleware = tuple(layer.function for layer in self.policy.middleware) if self.is_plain else ()

    def mounted(self, prefix: str, outer: Policy) -> Endpoint:
        """The same endpoint, in an app that is mounted in another: each sees the addresses of requests as its own."""
        inner = self.policy
        if not self.mounts:
            inner = inner._replace(error_handlers=_handlers_from(0, inner))
        policy = inner._replace(
            middleware=(*outer.middleware, Passage(passage(prefix), False), *inner.middleware),
            error_handlers=inner.error_handlers + _handlers_from(len(self.mounts) + 1, outer),
        )
        return Endpoint(
            self.view,
            policy,
            name=self.name,
            rule=prefix + self.rule if self.rule else "",
            limits=self.limits,
            stream=self.stream,
            mounts=(Mounted(prefix, outer.url_for), *self.mounts),
            is_quick=self.is_quick,
        )

    def url_for_at(self, depth: int) -> Callable[..., str]:
        """What finds addresses in the app that a request is in after so many mounts."""
        return self.mounts[depth].url_for if depth < len(self.mounts) else self.policy.url_for

    def prefix_of(self, url_for: Callable[..., str]) -> str | None:
        """The prefix of the app with this `url_for` in the app that serves; None if requests do not come through it."""
        prefix = ""
        for mount in self.mounts:
            if mount.url_for == url_for:
                return prefix
            prefix += mount.prefix
        return prefix if self.policy.url_for == url_for else None

    def handler_for(self, error: BaseException) -> Callable[[Request, Any], Any] | None:
        """The function registered for an error: the nearest group's, by status code first, then by class."""
        if not self.policy.error_handlers:
            return None
        status = status_of(error)
        if 0 < status < 400:
            return None  # a redirect is no error
        for handlers in self.policy.error_handlers:
            if status in handlers:
                return handlers[status]
            for cls in type(error).__mro__:
                if cls in handlers:
                    return handlers[cls]
        return None

    @property
    def described(self) -> str:
        """The view, as "module.function"."""
        return f"{getattr(self.view, '__module__', '?')}.{getattr(self.view, '__qualname__', repr(self.view))}"

    def __repr__(self) -> str:
        return f"<Endpoint {self.rule} {self.described}>"


def _handlers_from(levels: int, policy: Policy) -> tuple[ErrorHandlers, ...]:
    """The error handlers of a policy, for routes that are so many mounts further in."""
    return tuple(
        {key: handler_from(levels, handler) for key, handler in handlers.items()} for handlers in policy.error_handlers
    )


def status_of(error: BaseException) -> int:
    """The status that an error asks for; 0 where it is not an HTTP error."""
    if isinstance(error, HTTPError):
        return error.status_code
    if isinstance(error, HTTPException):
        if error.code is not None:
            return error.code
        return error.response.status_code if error.response is not None else 500
    return 0


Found = tuple[Endpoint, dict[str, Any] | None]


class RouteTable:
    """All that an app answers, frozen: the way from method and path to an endpoint."""

    def __init__(self, router: Router, policy: Policy, header_limits: HeaderLimits) -> None:
        self.router = router
        self.policy = policy
        self.header_limits = header_limits
        # Endpoints by path and method, for paths without variable parts: what the handlers ask first.
        shortcuts = router.freeze().shortcuts
        self.static = router.static
        # Finds most of the other endpoints, and what is in their paths; None does not mean that there is none.
        self.shortcut: Callable[[str, str], Found | None] = _no_shortcut
        # Whether it is certain, and known without a search, that there is nothing at a path.
        self._leads_nowhere: Callable[[str], bool] = _never_certain
        if shortcuts is not None and not any(isinstance(route.endpoint, MountedTable) for route in router.routes()):
            self.shortcut = shortcuts.find
            self._leads_nowhere = shortcuts.leads_nowhere
        # Endpoints of mounted apps as they are within this one, by prefix and their own endpoint.
        self._mounted: dict[tuple[str, Endpoint], Endpoint] = {}
        self._not_found = Endpoint(_raise_not_found, policy, is_quick=True)

    def find(self, method: str, path: str, *, websocket: bool = False) -> Found:
        """The endpoint for a request and the values in its path; never raises.

        What cannot be found is an endpoint as well, whose view raises the error.
        """
        if self._leads_nowhere(path):
            return self._not_found, None
        try:
            endpoint, values = self.router.match(method, path, websocket)
        except NotFound:
            return self._not_found, None
        except MethodNotAllowed as error:
            # Of views alone: whichever comes first there, none of them is a WebSocket.
            return self.raising(WebsocketMismatch()) if websocket else self._other_method(method, error), None
        except RequestRedirect as error:
            return self.redirecting(error.new_url), None
        except HTTPException as error:
            return self.raising(error), None
        if isinstance(endpoint, MountedTable):
            found, inner_values = endpoint.table().find(method, values["mount_path"] or "/", websocket=websocket)
            return self._adopt(found, endpoint), inner_values
        return endpoint, values

    def raising(self, error: Exception) -> Endpoint:
        """An endpoint whose view raises this error; it may take the place of one whose path has values."""

        def view(request: Request, **values: object) -> None:
            raise error

        return Endpoint(view, self.policy, is_quick=True)

    def redirecting(self, path: str) -> Endpoint:
        """An endpoint that redirects to another path of this app, as werkzeug does for a missing slash."""

        def view(request: Request) -> None:
            raise RequestRedirect(locate(path, request.root_path, request.query_string))

        return Endpoint(view, self.policy, is_quick=True)

    def _other_method(self, method: str, error: MethodNotAllowed) -> Endpoint:
        allowed = sorted({*(error.valid_methods or ()), "OPTIONS"})
        if method != "OPTIONS":
            return self.raising(MethodNotAllowed(allowed))

        def view(request: Request) -> Response:
            response = Response()
            response.headers["Allow"] = ", ".join(allowed)
            return response

        return Endpoint(view, self.policy, is_quick=True)

    def _adopt(self, endpoint: Endpoint, mount: MountedTable) -> Endpoint:
        key = (mount.prefix, endpoint)
        adopted = self._mounted.get(key)
        if adopted is None:
            adopted = endpoint.mounted(mount.prefix, mount.policy)
            # Each table has one for unknown addresses; those of redirects and other errors are made anew each time and
            # must not pile up.
            if endpoint.rule or endpoint.view is _raise_not_found:
                self._mounted[key] = adopted
        return adopted


def _no_shortcut(method: str, path: str) -> None:
    """What finds nothing."""


def _never_certain(path: str) -> bool:
    return False


class MountedTable(NamedTuple):
    """Stands in a route table for another app of ours, mounted under a prefix."""

    prefix: str
    # What surrounds it here.
    policy: Policy
    # Gives the route table of that app, frozen when it is first asked.
    table: Callable[[], RouteTable]


def _raise_not_found(request: Request) -> None:
    raise NotFound()

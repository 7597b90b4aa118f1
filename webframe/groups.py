"""Groups of routes: what people write with decorators, collected.

A group has a prefix, routes, middleware and error handlers of its own; groups
nest, and may be written in another module than the app that includes them.
Nothing is decided here: `fill` hands everything to a router when the app is
frozen.
"""

from __future__ import annotations

import inspect
import os
import sys
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from webframe._instead import GROUP, mark_absent
from webframe._lazy import LateModule, late_pattern
from webframe.core.exceptions import HTTPError, ImproperlyConfigured
from webframe.core.handlers.protocol import ServedBothWays

# What routes, their rules and their views need; an app without any, as commands may have, does without.
if TYPE_CHECKING:
    import dataclasses

    from werkzeug import exceptions

    from webframe import routing, views
    from webframe import static as static_files
    from webframe.core.handlers import endpoints, mounts
    from webframe.http import limits as http_limits
else:
    dataclasses = LateModule("dataclasses")
    exceptions = LateModule("werkzeug.exceptions")
    routing = LateModule("webframe.routing")
    views = LateModule("webframe.views")
    static_files = LateModule("webframe.static")
    endpoints = LateModule("webframe.core.handlers.endpoints")
    mounts = LateModule("webframe.core.handlers.mounts")
    http_limits = LateModule("webframe.http.limits")

F = TypeVar("F", bound=Callable[..., Any])


class Route(NamedTuple):
    """What a decorator was told about a view."""

    rule: str
    view: Callable[..., Any]
    methods: tuple[str, ...] | None
    name: str
    websocket: bool
    # Limits that differ from the settings, by the name of the limit.
    limits: dict[str, int]
    stream: bool
    # Passed to the router as they are: defaults, strict_slashes.
    options: dict[str, Any]


class Mount(NamedTuple):
    """Another app, and where it is mounted."""

    prefix: str
    app: Any
    view: Callable[..., Any] | None


class Included(NamedTuple):
    """A group within a group, and what goes before its own prefix."""

    prefix: str
    group: Group


class Group:
    """Routes that share a prefix, middleware and error handlers.

    `name`, if given, goes before the names of the group's routes with a dot:
    ``url_for("shop.cart")``.
    """

    def __init__(self, prefix: str = "", *, name: str = "") -> None:
        if prefix and not prefix.startswith("/"):
            raise ImproperlyConfigured(f"The prefix of a group must begin with a slash: '/{prefix}', not {prefix!r}.")
        if prefix:
            routing.check_rule(prefix)
        self.prefix = prefix.rstrip("/")
        self.name = name
        self._entries: list[Route | Mount | Included] = []
        self._middleware: list[endpoints.Middleware] = []
        self._error_handlers: endpoints.ErrorHandlers = {}
        # The groups that include this one, to be told when something is added.
        self._parents: weakref.WeakSet[Group] = weakref.WeakSet()

    def route(
        self,
        rule: str,
        *,
        methods: Iterable[str] | None = None,
        name: str | None = None,
        stream: bool = False,
        max_content_length: int | None = None,
        max_upload_length: int | None = None,
        defaults: dict[str, Any] | None = None,
        strict_slashes: bool | None = None,
    ) -> Callable[[F], F]:
        """Register a view, plain or async, or a `View` class, for a rule: ``/notes/<int:pk>``.

        It is called with the request and the values of the rule. `methods`
        defaults to GET; HEAD comes with GET, and OPTIONS is answered by itself.
        The limits, in bytes, take the place of MAX_CONTENT_LENGTH and
        MAX_UPLOAD_LENGTH here. With `stream` the view reads the body by itself,
        from ``request.stream``, as it comes in.
        """
        _check_rule_is_text(rule)
        if isinstance(methods, str):
            raise ImproperlyConfigured(
                f"methods must be a list of names, as in [{methods!r}], not the text {methods!r}."
            )
        limits = {"max_content_length": max_content_length, "max_upload_length": max_upload_length}
        for limit, value in limits.items():
            if value is not None and (not isinstance(value, int) or value < 0):
                raise ImproperlyConfigured(f"{limit} of the rule {rule!r} must be a number of bytes, not {value!r}.")

        def register(view: F) -> F:
            function: Callable[..., Any] = view
            if isinstance(view, type) and issubclass(view, views.View):
                function = view.as_view()
            allowed = methods if methods is not None else getattr(function, "methods", None)
            self._add_route(
                Route(
                    rule,
                    checked(function, "a view"),
                    _checked_methods(allowed, rule) if allowed is not None else None,
                    name or _name_of(view),
                    False,
                    {limit: value for limit, value in limits.items() if value is not None},
                    stream,
                    {"defaults": defaults, "strict_slashes": strict_slashes},
                )
            )
            return view

        return register

    def get(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Register a view for GET (and HEAD); the options are those of `route`."""
        return self.route(rule, methods=("GET",), **options)

    def post(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Register a view for POST; the options are those of `route`."""
        return self.route(rule, methods=("POST",), **options)

    def put(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Register a view for PUT; the options are those of `route`."""
        return self.route(rule, methods=("PUT",), **options)

    def patch(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Register a view for PATCH; the options are those of `route`."""
        return self.route(rule, methods=("PATCH",), **options)

    def delete(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Register a view for DELETE; the options are those of `route`."""
        return self.route(rule, methods=("DELETE",), **options)

    def websocket(self, rule: str, *, name: str | None = None) -> Callable[[F], F]:
        """Register an async view for a WebSocket; it is called with the `WebSocket` and the values of the rule."""
        _check_rule_is_text(rule)

        def register(view: F) -> F:
            self._add_route(Route(rule, checked(view, "a view"), None, name or _name_of(view), True, {}, False, {}))
            return view

        return register

    def middleware(self, function: F) -> F:
        """Register a middleware: a generator function, plain or async, around every request to these routes.

        ``response = yield`` hands the request on and receives the response;
        the app's middleware also sees unknown addresses. The first registered is
        the outermost.
        """
        if inspect.isasyncgenfunction(function):
            self._middleware.append(endpoints.Middleware(function, True))
        elif inspect.isgeneratorfunction(function):
            self._middleware.append(endpoints.Middleware(function, False))
        else:
            raise ImproperlyConfigured(
                f"{_where(function)} cannot be a middleware: it must be a generator function that takes the request "
                "and hands it on with 'response = yield'."
            )
        self._changed()
        return function

    def errorhandler(self, code_or_exception: int | type[BaseException]) -> Callable[[F], F]:
        """Register a function ``handler(request, error)`` that answers a status code or a class of exceptions.

        Groups further in are asked first; within a group a status code comes
        before a class, a class before its bases. The handler for 500 makes the
        page for errors that nobody handled; with DEBUG on, the page with the
        source is shown in its place.
        """
        if isinstance(code_or_exception, int):
            if code_or_exception not in exceptions.default_exceptions and not 400 <= code_or_exception < 600:
                raise ImproperlyConfigured(f"{code_or_exception} is not the status code of an error (400 to 599).")
        elif not (isinstance(code_or_exception, type) and issubclass(code_or_exception, BaseException)):
            hint = f" Write {code_or_exception} without quotes." if str(code_or_exception).isdigit() else ""
            raise ImproperlyConfigured(
                f"An error handler is for a status code or a class of exceptions, not {code_or_exception!r}.{hint}"
            )

        def register(function: F) -> F:
            handler = checked(function, "an error handler")
            _check_takes_error(handler)
            self._error_handlers[code_or_exception] = handler
            twin = _twin_of(code_or_exception)
            if twin is not None:
                self._error_handlers.setdefault(twin, handler)
            self._changed()
            return function

        return register

    def include(self, group: Group, prefix: str = "") -> Group:
        """Include a group, under its own prefix or below another one; returns the group."""
        if isinstance(group, ServedBothWays):
            raise ImproperlyConfigured(f"{group!r} is an app of its own: mount() it, or make it a Group.")
        if not isinstance(group, Group):
            raise ImproperlyConfigured(f"{group!r} is no Group, so it cannot be included.")
        if group is self or group._includes(self):
            raise ImproperlyConfigured(f"{group!r} cannot include itself.")
        if prefix:
            routing.check_rule(routing.join_rule("", prefix))
        converters = self._known_converters()
        if converters is not None:
            for rule in group._rules():
                routing.check_rule(rule, converters)
        for mounted in group._mount_prefixes():
            _check_is_fixed(self.prefix + prefix.rstrip("/") + mounted)
        self._entries.append(Included(prefix.rstrip("/"), group))
        group._parents.add(self)
        self._changed()
        return group

    def group(self, prefix: str = "", *, name: str = "") -> Group:
        """Make a group and include it."""
        return self.include(Group(prefix, name=name))

    def mount(self, prefix: str, app: Any, *, protocol: str | None = None) -> None:
        """Let another WSGI or ASGI app answer everything under a prefix.

        Another `Webframe` becomes part of this one: one pair of request signals,
        and this app's middleware around it. Which of the protocols any other app
        speaks is told by whether it is async; `protocol` ("wsgi" or "asgi")
        says it where that is wrong.
        """
        if not prefix.startswith("/") or not prefix.strip("/"):
            raise ImproperlyConfigured(f"An app is mounted under a prefix such as '/admin', not {prefix!r}.")
        prefix = prefix.rstrip("/")
        _check_is_fixed(self.prefix + prefix)
        ours = isinstance(app, Group) and isinstance(app, ServedBothWays)
        if ours and app._mounts(self):
            raise ImproperlyConfigured(f"{app!r} cannot be mounted in itself, nor in what is mounted in it.")
        self._entries.append(Mount(prefix, app, None if ours else mounts.mounted_view(app, protocol)))
        self._changed()

    def static(
        self, prefix: str, folder: str | os.PathLike[str], *, name: str = "static", max_age: int | None = None
    ) -> None:
        """Serve the files of a folder under a prefix: ``url_for("static", filename="style.css")``.

        A relative folder is looked for beside the file that calls this.
        """
        path = os.path.join(os.path.dirname(sys._getframe(1).f_globals.get("__file__", "")), folder)
        if not os.path.isdir(path):
            raise ImproperlyConfigured(f"There is no folder {path!r} to serve static files from.")
        view = static_files.static_view(path, max_age=max_age)
        self.get(prefix.rstrip("/") + "/<path:filename>", name=name)(view)

    # For the app that freezes the group.

    def policy(self, outer: endpoints.Policy) -> endpoints.Policy:
        """What this group puts around its views."""
        handlers = (self._error_handlers,) if self._error_handlers else ()
        return outer._replace(middleware=tuple(self._middleware), error_handlers=handlers)

    def fill(self, router: routing.Router, outer: endpoints.Policy, prefix: str = "", names: str = "") -> None:
        """Add every route to a router, with all that surrounds it."""
        policy = outer.around(self.policy(outer))
        prefix = prefix + self.prefix
        names = f"{names}{self.name}." if self.name else names
        for entry in self._entries:
            if isinstance(entry, Route):
                self._fill_route(router, policy, prefix, names, entry)
            elif isinstance(entry, Mount):
                mount_prefix = prefix + entry.prefix
                _check_is_fixed(mount_prefix)
                if entry.view is None:
                    router.add_mount(mount_prefix, endpoints.MountedTable(mount_prefix, policy, entry.app._table))
                else:
                    router.add_mount(
                        mount_prefix, endpoints.Endpoint(entry.view, policy, rule=mount_prefix, stream=True)
                    )
            else:
                entry.group.fill(router, policy, prefix + entry.prefix, names)

    def _fill_route(
        self, router: routing.Router, policy: endpoints.Policy, prefix: str, names: str, route: Route
    ) -> None:
        rule = routing.join_rule(prefix, route.rule)
        limits = dataclasses.replace(http_limits.Limits.from_settings(), **route.limits) if route.limits else None
        name = names + route.name
        endpoint = endpoints.Endpoint(route.view, policy, name=name, rule=rule, limits=limits, stream=route.stream)
        router.add(rule, endpoint, methods=route.methods, name=name, websocket=route.websocket, **route.options)

    def _add_route(self, route: Route) -> None:
        for other in self._entries:
            if isinstance(other, Route) and other.name == route.name and other.view is not route.view:
                if other.websocket == route.websocket:
                    raise ImproperlyConfigured(
                        f"Two views are named {route.name!r}: {_where(other.view)} and {_where(route.view)}. "
                        "Give one of them another name with name=."
                    )
        # What is wrong is said here, where it is written.
        rule = routing.join_rule(self.prefix, route.rule)
        routing.check_rule(rule, self._known_converters())
        _check_takes(route.view, route, rule)
        self._entries.append(route)
        self._changed()

    def mounted_apps(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """The apps of ours that are mounted here or in the groups within, with their whole prefixes."""
        for entry in self._entries:
            if isinstance(entry, Mount) and entry.view is None:
                yield prefix + self.prefix + entry.prefix, entry.app
            elif isinstance(entry, Included):
                yield from entry.group.mounted_apps(prefix + self.prefix + entry.prefix)

    def _mount_prefixes(self) -> Iterator[str]:
        """The prefixes of all that is mounted here and in the groups within."""
        for entry in self._entries:
            if isinstance(entry, Mount):
                yield self.prefix + entry.prefix
            elif isinstance(entry, Included):
                for prefix in entry.group._mount_prefixes():
                    yield self.prefix + entry.prefix + prefix

    def _known_converters(self) -> Collection[str] | None:
        """The names of the converters that rules may use; None where no app says which there are."""
        known = (parent._known_converters() for parent in self._parents)
        return next((names for names in known if names is not None), None)

    def _rules(self) -> Iterator[str]:
        """Every rule here and in the groups within, as it was written."""
        yield self.prefix
        for entry in self._entries:
            if isinstance(entry, Route):
                yield entry.rule
            elif isinstance(entry, Included):
                yield entry.prefix
                yield from entry.group._rules()

    def _mounts(self, group: Group) -> bool:
        return group is self or any(app._mounts(group) for _, app in self.mounted_apps())

    def _includes(self, group: Group) -> bool:
        return any(
            isinstance(entry, Included) and (entry.group is group or entry.group._includes(group))
            for entry in self._entries
        )

    def _changed(self) -> None:
        """Something was added: every app around must be frozen anew."""
        for parent in list(self._parents):
            parent._changed()

    def __repr__(self) -> str:
        return f"<Group {self.prefix or '/'}>"


mark_absent(Group, GROUP)


def checked(function: F, what: str) -> F:
    """The function itself, if it can be called."""
    if not callable(function):
        raise ImproperlyConfigured(f"{function!r} is not callable, so it cannot be {what}.")
    return function


def _check_is_fixed(prefix: str) -> None:
    """Refuse a mount below a variable, whose value no mounted app could be given."""
    if "<" in prefix:
        raise ImproperlyConfigured(
            f"An app cannot be mounted under {prefix!r}: the prefix of a mount is fixed text, because a mounted app "
            "does not receive the values of variables. Mount it under a prefix without them, or put its routes into a "
            "Group and include() that."
        )


def _twin_of(code_or_exception: int | type[BaseException]) -> int | type[BaseException] | None:
    """What else a handler answers, so that werkzeug's classes and ours are the same to those who write either."""
    if isinstance(code_or_exception, int):
        return None
    if code_or_exception is exceptions.HTTPException:
        return HTTPError
    if code_or_exception is HTTPError:
        return exceptions.HTTPException
    if (
        issubclass(code_or_exception, exceptions.HTTPException)
        and code_or_exception in exceptions.default_exceptions.values()
    ):
        return code_or_exception.code
    if issubclass(code_or_exception, HTTPError) and HTTPError in code_or_exception.__bases__:
        return code_or_exception.status_code
    return None


def _check_rule_is_text(rule: object) -> None:
    if not isinstance(rule, str):
        shown = _where(rule) if callable(rule) else repr(rule)
        raise ImproperlyConfigured(
            f"The decorators of routes begin with their rule, a text such as '/notes', not with {shown}."
        )


def _checked_methods(methods: Iterable[str], rule: str) -> tuple[str, ...]:
    checked = tuple(methods)
    if not checked:
        raise ImproperlyConfigured(f"The rule {rule!r} has no methods, so it would never match. Name at least one.")
    for method in checked:
        if not isinstance(method, str) or _METHOD.fullmatch(method) is None:
            raise ImproperlyConfigured(f"{method!r} is no HTTP method, so the rule {rule!r} cannot answer it.")
    return tuple(method.upper() for method in checked)


_METHOD = late_pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _check_takes(view: Callable[..., Any], route: Route, rule: str) -> None:
    """Refuse a view that does not take the request, or a value of its rule."""
    try:
        signature = inspect.signature(view)
    except (TypeError, ValueError):
        return  # of some builtins it cannot be known
    names = [*_VARIABLE.findall(rule), *(route.options.get("defaults") or ())]
    parameters = signature.parameters.values()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    if not positional:
        raise ImproperlyConfigured(f"The view {_where(view)}{signature} must take the request as its first parameter.")
    keywords = {parameter.name for parameter in parameters if parameter.kind in _BY_NAME} - {positional[0].name}
    missing = [name for name in names if name not in keywords]
    if missing and not takes_all:
        raise ImproperlyConfigured(
            f"The view {_where(view)}{signature} does not take {missing[0]!r}, which is in its rule {rule!r}."
        )


def _check_takes_error(handler: Callable[..., Any]) -> None:
    """Refuse an error handler that could not be called: that would show only where there is an error already."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return  # of some builtins it cannot be known
    try:
        signature.bind(None, None)
    except TypeError:
        raise ImproperlyConfigured(
            f"The error handler {_where(handler)}{signature} must take two arguments, the request and the error."
        ) from None


_VARIABLE = late_pattern(r"<(?:[^<>]*:)?([^<>:]+)>")
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _name_of(view: Callable[..., Any]) -> str:
    name: str = getattr(view, "__name__", type(view).__name__)
    return name


def _where(view: Callable[..., Any]) -> str:
    return f"{getattr(view, '__module__', '?')}.{getattr(view, '__qualname__', repr(view))}"

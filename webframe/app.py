"""The application: WSGI and ASGI from one object.

A `Webframe` is the outermost group (`groups.py`) and the thing that servers
call. At the first request everything in it is frozen into a `RouteTable`;
adding something afterwards makes it be frozen anew.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from webframe import debug
from webframe._lazy import LateModule
from webframe.apps import apps, setup
from webframe.apps.config import ImplicitAppConfig
from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.handlers.lifespan import Lifespan, serve_lifespan
from webframe.core.handlers.protocol import ServedBothWays
from webframe.core.signals import setting_changed
from webframe.groups import Group, checked
from webframe.http.lazy import lazy
from webframe.workers import pool, run

# What serving needs; commands such as `migrate` do without.
if TYPE_CHECKING:
    from urllib import parse as urls

    from werkzeug import routing as werkzeug_routing

    from webframe import routing
    from webframe.core.handlers import asgi, endpoints, intake, wsgi
    from webframe.http import errors
    from webframe.http import request as requests
    from webframe.http.response import Response
else:
    urls = LateModule("urllib.parse")
    werkzeug_routing = LateModule("werkzeug.routing")
    routing = LateModule("webframe.routing")
    asgi = LateModule("webframe.core.handlers.asgi")
    endpoints = LateModule("webframe.core.handlers.endpoints")
    intake = LateModule("webframe.core.handlers.intake")
    wsgi = LateModule("webframe.core.handlers.wsgi")
    errors = LateModule("webframe.http.errors")
    requests = LateModule("webframe.http.request")

F = TypeVar("F", bound=Callable[..., Any])


class Webframe(Group, ServedBothWays):
    """An application: routes, middleware and error pages, served under WSGI and ASGI alike.

    `import_name` is ``__name__`` of the module that makes it; that module
    counts as an installed app of its own. Any setting may be given as a
    keyword::

        app = Webframe(__name__, DEBUG=True)

    Settings belong to the process: a second app that gives one of them another
    value raises `ImproperlyConfigured`.
    """

    def __init__(self, import_name: str, **keywords: Any) -> None:
        Group.__init__(self)
        ServedBothWays.__init__(self)
        if keywords:
            settings.configure(**keywords)
        self.import_name = import_name
        self.app_config = apps.register_app(ImplicitAppConfig(import_name))
        # Converters for rules, by the name used in them: app.converters["hex"] = HexConverter.
        self.converters: dict[str, type[Any]] = {}
        self.lifespan_state = Lifespan()
        self.lifespan_state.on_end = self._forget_table
        # Those who serve what is frozen, for each protocol that anybody has asked for.
        self._handlers: list[wsgi.WSGIHandler | asgi.ASGIHandler] = []
        # All that is registered, frozen; None when something was added since.
        self._frozen: endpoints.RouteTable | None = None
        # Guards the freezing and set-up; re-entrant because ready() may ask the app for a URL.
        self._lock = threading.RLock()
        _all_apps.add(self)

    # Both protocols by themselves; wrap them in middleware of their world, app(...) goes through it. Each is made when
    # it is first asked for, because who serves by the one needs nothing of the other.

    @lazy
    def wsgi(self) -> Callable[..., Any]:
        """WSGI by itself."""
        handler = wsgi.WSGIHandler(self._prepare)
        self._handlers.append(handler)
        return handler

    @lazy
    def asgi(self) -> Callable[..., Awaitable[None]]:
        """ASGI by itself."""
        handler = asgi.ASGIHandler(self._aprepare, self._serve_lifespan)
        self._handlers.append(handler)
        return handler

    def on_startup(self, function: F) -> F:
        """Run a function, plain or async, before the first request."""
        checked(function, "start-up code")
        self.lifespan_state.startup.append(function)
        return function

    def on_shutdown(self, function: F) -> F:
        """Run a function, plain or async, after the last request."""
        checked(function, "shutdown code")
        self.lifespan_state.shutdown.append(function)
        return function

    def lifespan(self, function: F) -> F:
        """Run a generator function, plain or async: to its `yield` before the first request, on after the last."""
        self.lifespan_state.add_generator(function)
        return function

    def url_for(self, name: str, /, *, _external: bool = False, _anchor: str | None = None, **values: Any) -> str:
        """The address of a route, by its name.

        Values that are no part of the rule become the query string.
        ``_external=True`` gives an absolute URL and needs a current request.
        Raises `NoReverseMatch`.
        """
        request = requests.current_request.get()
        url = self._table().router.build(name, values, root_path=self._root_path(request))
        if _anchor is not None:
            url += "#" + urls.quote(_anchor)
        if not _external:
            return url
        if request is None:
            raise ImproperlyConfigured(f"url_for({name!r}, _external=True) needs a current request to know the host.")
        return f"{request.scheme}://{request.host}{url}"

    def _root_path(self, request: requests.Request | None) -> str:
        """What goes before the addresses of this app."""
        if request is None:
            return self.mounted_at
        root_path = request.around[0][0] if request.around else request.root_path
        # Where the request comes through this app, that is where it is mounted; there may be other places.
        prefix = None if request.route is None else request.route.prefix_of(self.url_for)
        return root_path + (self.mounted_at if prefix is None else prefix)

    @property
    def mounted_at(self) -> str:
        """The prefix under which this app is mounted in another, "" if it is not."""
        if self._mounted_in is None:
            return ""
        outer, prefix = self._mounted_in
        return outer.mounted_at + prefix

    _mounted_in: tuple[Webframe, str] | None = None

    def __setattr__(self, name: str, value: object) -> None:
        if name in _REFUSED:
            getattr(self, name)  # raises the error that says what to write
        super().__setattr__(name, value)

    def routes(self) -> list[routing.RouteInfo]:
        """Every route, those of mounted apps not included, in the order of registration."""
        return list(self._table().router.routes())

    def set_up(self) -> None:
        """Configure logging and load the installed apps, unless that has been done; the first request does it."""
        setup()
        pool.size = max(1, settings.WORKER_THREADS)

    # Freezing.

    def _changed(self) -> None:
        self._frozen = None
        self._forget_table()

    def _forget_table(self) -> None:
        for handler in self._handlers:
            handler.table = None

    def _known_converters(self) -> set[str]:
        return {*werkzeug_routing.Map.default_converters, *self.converters}

    def _table(self) -> endpoints.RouteTable:
        """Everything registered, frozen."""
        frozen = self._frozen
        if frozen is None:
            with self._lock:
                frozen = self._frozen = self._freeze()
        return frozen

    def _freeze(self) -> endpoints.RouteTable:
        router = routing.Router()
        router.converters.update(self.converters)
        outermost = endpoints.Policy((), (), self._server_error, settings.PROPAGATE_EXCEPTIONS, self.url_for)
        policy = outermost.around(self.policy(outermost))
        self.lifespan_state.inner = []
        for prefix, app in self.mounted_apps():
            app._mounted_in = (self, prefix)
            app._table()  # which finds out what is mounted in that one, and starts with it
            self.lifespan_state.inner.append(app.lifespan_state)
        self.fill(router, outermost)
        if settings.DEBUG:
            for rule, view, methods in debug.routes():
                router.add(rule, endpoints.Endpoint(view, outermost, name=view.__name__, rule=rule), methods=methods)
        return endpoints.RouteTable(router, policy, intake.HeaderLimits.from_settings())

    def _server_error(self, request: requests.Request, error: BaseException) -> Response:
        if settings.DEBUG:
            return debug.debug_response(request, error)
        return errors.error_response(500, request)

    # Starting.

    def _prepare(self) -> endpoints.RouteTable:
        """Make ready to serve from a plain thread."""
        table = self._set_up_and_freeze()
        self.lifespan_state.start()
        self._ready_with(table)
        return table

    async def _aprepare(self) -> endpoints.RouteTable:
        """Make ready to serve from an event loop."""
        table = await run(self._set_up_and_freeze)
        await self.lifespan_state.astart()
        self._ready_with(table)
        return table

    def _set_up_and_freeze(self) -> endpoints.RouteTable:
        with self._lock:
            self.set_up()
            _load_compiler()
            return self._table()

    def _ready_with(self, table: endpoints.RouteTable) -> None:
        if table is self._frozen:  # or something was added in the meantime
            for handler in self._handlers:
                handler.table = table

    async def _serve_lifespan(
        self, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        await serve_lifespan(self.lifespan_state, self._set_up_and_freeze, receive, send)

    def __repr__(self) -> str:
        return f"<Webframe {self.import_name!r}>"


def _load_compiler() -> None:
    """Where models are defined, load now what the first query would load: no request is to wait for SQLAlchemy."""
    if "webframe.db.models.base" in sys.modules:
        import webframe.db.models.compiler.answers
        import webframe.db.models.compiler.write  # noqa: F401


def url_for(name: str, /, **values: Any) -> str:
    """The address of a route of the app that has the current request now; see `Webframe.url_for`."""
    request = requests.current_request.get()
    if request is None or request.route is None:
        raise ImproperlyConfigured(f"url_for({name!r}) needs a current request; outside of one use app.url_for().")
    return request.url_for(name, **values)


_all_apps: weakref.WeakSet[Webframe] = weakref.WeakSet()

# What does something in Flask when it is assigned, and would do nothing here without a word.
_REFUSED = frozenset({"debug", "secret_key", "testing", "wsgi_app"})


def _settings_changed(sender: Any, **kwargs: Any) -> None:
    """What was frozen may hold a setting that has another value now."""
    for app in list(_all_apps):
        app._changed()


setting_changed.connect(_settings_changed, priority=-1)

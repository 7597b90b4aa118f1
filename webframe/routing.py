"""Paths to endpoints and back, on werkzeug's rules and converters.

The router knows neither views nor requests: an endpoint is whatever object `add` was given, a path is decoded text,
and what does not match is one of werkzeug's HTTP errors. Every answer is the one werkzeug's own `MapAdapter.match`
gives; `_fast_routing` only finds most of them sooner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from math import isinf
from threading import Lock
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, FloatConverter, Map, MapAdapter, RequestRedirect, Rule, ValidationError

from webframe._fast_routing import Shortcuts
from webframe.core.exceptions import ImproperlyConfigured, NoReverseMatch

# What a path may hold unquoted: https://url.spec.whatwg.org/#url-path-segment-string
PATH_SAFE = "!$&'()*+,/:;=@"

# What a URL may hold unquoted, escapes that are in it already included: RFC 3986 section 2.2.
URL_SAFE = "!#$%&'()*+,/:;=?@[]"

# werkzeug makes full URLs of redirects; this host, which RFC 6761 keeps from existing, is taken off again.
HOST = "webframe.invalid"
ORIGIN = f"http://{HOST}"

# A variable in a `redirect_to`.
VARIABLE = re.compile(r"<([^<>]+)>")

# A variable in a rule, as werkzeug reads it, with what is before it: the name of its converter.
WRITTEN_VARIABLE = re.compile(r"<(?:([a-zA-Z_][a-zA-Z0-9_]*)(?:\(.*?\))?:)?([a-zA-Z_][a-zA-Z0-9_]*)>")

# The name of the value that holds what is left of the path below a mount.
MOUNT_PATH = "mount_path"


class RouteInfo(NamedTuple):
    """One rule of a router, to be shown to people."""

    rule: str
    # None: all of them.
    methods: tuple[str, ...] | None
    name: str | None
    endpoint: Any
    websocket: bool


class Router:
    """A table of rules, asked for the endpoint of a path or for the path of a name.

    Rules may be added at any time, also while other threads match: the frozen form of the table is made anew at the
    next match, and swapped in whole. `strict_slashes` is what rules that do not say do about a missing slash.

    >>> router = Router()
    >>> router.add("/notes/<int:pk>", "show a note", name="note")
    >>> router.match("GET", "/notes/7")
    ('show a note', {'pk': 7})
    >>> router.build("note", {"pk": 7, "page": 2})
    '/notes/7?page=2'
    """

    # Converter classes by the name rules call them; add to it before the rules that use them.
    converters: dict[str, type[BaseConverter]]

    # static[path][method] is the endpoint of a path without variables; for callers in a hurry. The keys are ASCII
    # only, so a path may be looked up before it is decoded. What is missing proves nothing: ask `match`. Replaced
    # as a whole, and emptied while rules are waiting for the next match, so read it anew for each request.
    static: Mapping[str, Mapping[str, Any]]

    def __init__(self, *, strict_slashes: bool = True) -> None:
        # Rules are bound, and so compiled, to this map only; each frozen form has a map of its own to search.
        self._binder = Map(strict_slashes=strict_slashes, converters={MountPath.name: MountPath, "float": FiniteFloat})
        self.converters = self._binder.converters
        self.static = {}
        # Both in the order they were added; extended under the lock.
        self._rules: list[RouteRule] = []
        self._routes: list[RouteInfo] = []
        self._lock = Lock()
        # None when rules have been added since; set under the lock.
        self._frozen: Frozen | None = None

    # --- adding --------------------------------------------------------------------------------------------------

    def add(
        self,
        rule: str,
        endpoint: Any,
        *,
        methods: Iterable[str] | None = None,
        name: str | None = None,
        websocket: bool = False,
        defaults: Mapping[str, Any] | None = None,
        strict_slashes: bool | None = None,
        redirect_to: str | Callable[..., str] | None = None,
    ) -> None:
        """Add a rule; `methods` are GET alone if not given, and HEAD goes with GET.

        Rules with the same `name` are ways to write the same address: `build` takes the first that fits the values,
        and a rule whose values are another's `defaults` redirects there. `defaults` are values the path does not
        carry. `strict_slashes=False` lets a rule match with and without a slash at its end, instead of redirecting
        to it. `redirect_to` sends those who come by the rule elsewhere: a path, with the rule's variables in angle
        brackets, or a full URL, or a function that takes the values as keywords and returns either.
        """
        if isinstance(methods, str):
            raise ImproperlyConfigured(f'methods={methods!r} of the rule {rule!r}: give a list, methods=["{methods}"].')
        methods = {"GET"} if methods is None else {method.upper() for method in methods}
        if not methods:
            raise ImproperlyConfigured(f"The rule {rule!r} has no methods, so it would never match. Name at least one.")
        if websocket and methods - {"GET", "HEAD", "OPTIONS"}:
            raise ImproperlyConfigured(
                f"The WebSocket rule {rule!r} has methods {sorted(methods)}; WebSockets are opened with GET. Leave "
                "methods out."
            )
        made = RouteRule(
            _checked(rule),
            endpoint,
            name=name,
            methods=methods,
            websocket=websocket,
            defaults=defaults,
            strict_slashes=strict_slashes,
            redirect_to=redirect_to,
        )
        self._add(RouteInfo(rule, tuple(sorted(made.methods or ())), name, endpoint, websocket), made)

    def add_mount(self, prefix: str, endpoint: Any) -> None:
        """Give a path and all below it to an endpoint, with every method, WebSockets too.

        What is left of the path is the value `mount_path`: "/menu/7" for "/shop/menu/7" below "/shop", "/" for
        "/shop/", and "" for "/shop" itself. A mount is a rule like others: fixed text comes before variables, so
        the longest of several prefixes wins, and routes of one's own under the prefix win for the paths and methods
        they take.
        """
        prefix = _checked(prefix or "/").rstrip("/")
        rules = []
        for websocket in False, True:
            below = f"{prefix}/<{MountPath.name}:{MOUNT_PATH}>"
            rules.append(RouteRule(below, endpoint, websocket=websocket, mount=True))
            if prefix:
                rules.append(RouteRule(prefix, endpoint, websocket=websocket, mount=True, defaults={MOUNT_PATH: ""}))
        self._add(RouteInfo(f"{prefix}/...", None, None, endpoint, False), *rules)

    def _add(self, info: RouteInfo, *rules: RouteRule) -> None:
        for rule in rules:
            rule.prepare(self._binder)
        with self._lock:
            self._rules += rules
            self._routes.append(info)
            self._frozen = None
            self.static = {}

    # --- matching ------------------------------------------------------------------------------------------------

    def match(self, method: str, path: str, websocket: bool = False) -> tuple[Any, dict[str, Any]]:
        """The endpoint for a path, and the values of the variables in its rule.

        `path` is decoded and begins with a slash. Raises what werkzeug raises: `NotFound`, `MethodNotAllowed` (its
        `valid_methods` sorted), `WebsocketMismatch` (a 400), or `RequestRedirect`, whose `new_url` is a path below
        the root of the application or, from a `redirect_to` that says so, a full URL: see `locate`.
        """
        frozen = self._frozen or self.freeze()
        shortcuts = frozen.shortcuts
        if shortcuts is not None:
            if not websocket:
                found = shortcuts.find(method, path)
                if found is not None:
                    return found
            if shortcuts.leads_nowhere(path):
                raise NotFound
        return frozen.ask_werkzeug(method, path, websocket)

    def allowed_methods(self, path: str) -> list[str]:
        """The methods with which a path is answered, sorted; none for a path that no rule with methods matches."""
        frozen = self._frozen or self.freeze()
        return sorted(frozen.adapter.allowed_methods(path))

    def freeze(self) -> Frozen:
        """Prepare for matching now what the next match would prepare; nothing to do if no rules were added since."""
        with self._lock:
            if self._frozen is None:
                self._frozen = Frozen(self._rules)
                if self._frozen.shortcuts is not None:
                    self.static = self._frozen.shortcuts.static
            return self._frozen

    # --- and back ------------------------------------------------------------------------------------------------

    def build(self, name: str, values: Mapping[str, Any] | None = None, *, root_path: str = "") -> str:
        """The path of a name, percent-encoded; values its rule has no variable for become the query string.

        Values that are None are left out, lists give a query key several times. The result begins with one slash
        whatever the values are. Raises NoReverseMatch.
        """
        frozen = self._frozen or self.freeze()
        given = {key: value for key, value in (values or {}).items() if value is not None}
        refused = None
        for rule in frozen.names.get(name, ()):
            if rule.suitable_for(given):
                try:
                    built = rule.build(given)
                    if built is not None:
                        return locate(built[1], root_path)
                except (ValueError, TypeError) as error:  # from a converter's to_url, or half a surrogate pair
                    refused = error
        _no_reverse_match(name, given, frozen.names, refused)

    def routes(self) -> list[RouteInfo]:
        """All rules in the order they were added; a mount is one of them, its prefix followed by "/..."."""
        return list(self._routes)


class Frozen:
    """What a router looks paths and names up in, made of its rules at one moment and never changed."""

    def __init__(self, rules: Iterable[RouteRule]) -> None:
        # In one state of werkzeug's matcher the first rule wins, and a route of one's own wins over a mount.
        rules = sorted(rules, key=lambda rule: rule.mount)
        # Rules whose name another rule gives defaults for may have to redirect to that one.
        redirecting = {rule.name for rule in rules if rule.defaults and rule.name is not None}
        # Without any, werkzeug need not look through all rules of a name after each match.
        url_map = Map(rules, redirect_defaults=bool(redirecting))
        url_map.update()
        self.adapter = MapAdapter(url_map, HOST, "/", "", "http", "/", "GET")
        # The rules of each name in the order `build` tries them, as werkzeug does: those for GET first, then those
        # with the most variables.
        self.names: dict[str, list[RouteRule]] = {}
        for rule in sorted(rules, key=lambda rule: (not rule.takes("GET"), rule.build_compare_key())):
            if rule.name is not None:
                self.names.setdefault(rule.name, []).append(rule)

        def endpoint_of(rule: Rule) -> Any:
            assert isinstance(rule, RouteRule)
            plain = not rule.defaults and rule.destination is None and rule.name not in redirecting
            return rule.target if plain else None

        self.shortcuts: Shortcuts | None
        try:
            self.shortcuts = Shortcuts(url_map, endpoint_of)
        except (AttributeError, LookupError, TypeError, ValueError, re.error):
            # This werkzeug is built differently. It will be slower, and as right as ever.
            self.shortcuts = None

    def ask_werkzeug(self, method: str, path: str, websocket: bool) -> tuple[Any, dict[str, Any]]:
        """What werkzeug's own search says, with redirects made relative and methods sorted."""
        try:
            rule, values = self.adapter.match(path, method, return_rule=True, websocket=websocket)
            assert isinstance(rule, RouteRule)
            if rule.destination is None:
                return rule.target, dict(values)
            location = rule.redirect(values)
        except RequestRedirect as redirect:
            location = redirect.new_url.removeprefix(ORIGIN)
        except MethodNotAllowed as error:
            raise MethodNotAllowed(sorted(error.valid_methods or ())) from None
        except UnicodeEncodeError:
            # Half a surrogate pair in the path of a redirect: no URL can have it.
            raise NotFound from None
        raise RequestRedirect(location)


class RouteRule(Rule):
    """werkzeug's rule, with the endpoint beside the name it is reversed by, and errors that say what to do.

    werkzeug takes rules with equal endpoints for one address; here, that is what rules of one name are.
    """

    def __init__(
        self,
        string: str,
        target: Any,
        *,
        name: str | None = None,
        methods: Iterable[str] | None = None,
        websocket: bool = False,
        defaults: Mapping[str, Any] | None = None,
        strict_slashes: bool | None = None,
        redirect_to: str | Callable[..., str] | None = None,
        mount: bool = False,
    ) -> None:
        super().__init__(
            string,
            endpoint=object() if name is None else name,
            methods=methods,
            websocket=websocket,
            defaults=None if defaults is None else dict(defaults),
            strict_slashes=strict_slashes,
        )
        self.target = target
        self.name = name
        # Where those who come here are sent. Not werkzeug's `redirect_to`, which lets a value begin with a host.
        self.destination = redirect_to
        # Whether this is one of the rules that make a mount.
        self.mount = mount
        # The converters by the variables they belong to.
        self.converters: dict[str, BaseConverter] = {}

    def prepare(self, url_map: Map) -> None:
        """Compile the rule, once and for all, or say what is wrong with it."""
        try:
            super().bind(url_map)
            # werkzeug would find a bad pattern only at the first request that gets as far as that.
            for part in getattr(self, "_parts", ()):
                if not part.static:
                    re.compile(part.content)
        except re.error as error:
            raise ImproperlyConfigured(
                f"The rule {self.rule!r} makes no regular expression of the `regex` of its converters: {error}."
            ) from error
        except ValueError as error:
            raise _unreadable(self.rule, error) from error
        if isinstance(self.destination, str):
            self._check_destination(self.destination)

    def bind(self, map: Map, rebind: bool = False) -> None:
        """Do nothing: the map of each frozen form takes the rule as it was prepared."""

    def get_converter(
        self, variable_name: str, converter_name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseConverter:
        """Make the converter of a variable, as werkzeug does; called while the rule is read."""
        if variable_name in self.converters:
            raise _used_twice(self.rule, variable_name)
        if converter_name not in self.map.converters:
            raise _no_such_converter(self.rule, converter_name, self.map.converters)
        try:
            converter = super().get_converter(variable_name, converter_name, args, kwargs)
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(
                f"The converter of {variable_name!r} in the rule {self.rule!r} cannot be made: {error}."
            ) from error
        self.converters[variable_name] = converter
        return converter

    def takes(self, method: str) -> bool:
        """Whether the rule matches requests with this method."""
        return self.methods is None or method in self.methods

    def redirect(self, values: Mapping[str, Any]) -> str:
        """Where the rule's `redirect_to` leads with these values."""
        if callable(self.destination):
            location = self.destination(**values)
        else:
            location = VARIABLE.sub(lambda match: self._text(match[1], values[match[1]]), str(self.destination))
        return locate(location)

    def _text(self, variable: str, value: Any) -> str:
        converter = self.converters.get(variable)
        return quote(str(value), safe=PATH_SAFE) if converter is None else converter.to_url(value)

    def _check_destination(self, destination: str) -> None:
        if not re.match(r"/(?!/)|https?://", destination):
            raise ImproperlyConfigured(
                f"redirect_to={destination!r} of the rule {self.rule!r} must begin with one slash, or with http:// or "
                "https://."
            )
        for variable in VARIABLE.findall(destination):
            if variable not in self.arguments:
                raise ImproperlyConfigured(
                    f"redirect_to={destination!r} uses <{variable}>, which the rule {self.rule!r} has not."
                    f"{_did_you_mean(variable, self.arguments)}"
                )


class FiniteFloat(FloatConverter):
    """werkzeug's `float`, without the infinity that more than 308 digits before the point are."""

    def to_python(self, value: str) -> float:
        """The number; raises `ValidationError` if it is too large for one."""
        number: float = super().to_python(value)
        if isinf(number):
            raise ValidationError
        return number


class MountPath(BaseConverter):
    """Whatever follows the prefix of a mount, with the slash before it."""

    name = "_mount"
    regex = r"(?s:.*)"
    part_isolating = False
    # After every other variable.
    weight = 1000

    def to_python(self, value: str) -> str:
        """The path as the mounted application sees it."""
        return f"/{value}"


# --- paths --------------------------------------------------------------------------------------------------------


def join_rule(prefix: str, rule: str) -> str:
    """The rule of a group's route: the group's prefix, one slash, the route's rule.

    Either may be empty; a slash at the end of the rule is kept, one at the end of the prefix is not.

    >>> join_rule("/blog", "/<int:pk>"), join_rule("/blog/", "/"), join_rule("/blog", ""), join_rule("", "/about")
    ('/blog/<int:pk>', '/blog/', '/blog', '/about')
    """
    if prefix and not prefix.startswith("/"):
        raise ImproperlyConfigured(f"The prefix {prefix!r} must begin with a slash: write {'/' + prefix!r}.")
    if rule and not rule.startswith("/"):
        raise ImproperlyConfigured(f"The rule {rule!r} must begin with a slash: write {'/' + rule!r}.")
    if not rule and not prefix:
        raise ImproperlyConfigured('A rule may be empty only below a prefix. For the root write "/".')
    return prefix.rstrip("/") + rule if rule else prefix


def check_rule(rule: str, converters: Collection[str] | None = None) -> None:
    """Say what is wrong with a rule, as far as a glance tells: its variables, and their converters if given.

    For those who want it said where the rule is written; `Router.add` reads the rule again, and whatever it says.
    """
    if "<" not in rule:
        return
    if "<" in WRITTEN_VARIABLE.sub("", rule):
        raise _unreadable(rule, f"malformed url rule: {rule!r}")
    variables = set()
    for converter, variable in WRITTEN_VARIABLE.findall(rule):
        if variable in variables:
            raise _used_twice(rule, variable)
        variables.add(variable)
        if converter and converters is not None and converter not in converters:
            raise _no_such_converter(rule, converter, converters)


def locate(location: str, root_path: str = "", query: bytes = b"") -> str:
    """The URL path of a path below the root of an application, with query: what a Location header needs.

    `location` is percent-encoded, `root_path` is decoded (SCRIPT_NAME, the scope's root_path), `query` is the raw
    query string. A full URL is given back as it is. The result never begins with more than one slash, and holds
    nothing that a URL may not hold.

    >>> locate("/notes/", "/the app", b"page=2")
    '/the%20app/notes/?page=2'
    """
    if not location.startswith("/"):
        return location
    # A browser takes backslashes for slashes, and two of them for the beginning of a host.
    path, hash_sign, fragment = location.lstrip("/\\").partition("#")
    root = quote(root_path.strip("/"), safe=PATH_SAFE)
    path = f"/{root}/{path}" if root else f"/{path}"
    if query:
        path += f"{'&' if '?' in path else '?'}{quote(query, safe=URL_SAFE)}"
    # Paths that werkzeug built are quoted already; a converter of somebody's, or a function, may have left anything.
    return quote(f"{path}{hash_sign}{fragment}", safe=URL_SAFE)


# --- errors -------------------------------------------------------------------------------------------------------


def _checked(rule: str) -> str:
    if not rule.startswith("/"):
        raise ImproperlyConfigured(f"The rule {rule!r} must begin with a slash: write {'/' + rule!r}.")
    return rule


def _unreadable(rule: str, reason: object) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"The rule {rule!r} cannot be read: {reason}. Variables are written <name> or <converter:name>, "
        "with options <converter(option=value):name>."
    )


def _used_twice(rule: str, variable: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The rule {rule!r} uses the variable {variable!r} twice. Rename one.")


def _no_such_converter(rule: str, converter: str, converters: Iterable[str]) -> ImproperlyConfigured:
    known = sorted(name for name in converters if name != MountPath.name)
    return ImproperlyConfigured(
        f"The rule {rule!r} uses the converter {converter!r}, which does not exist."
        f"{_did_you_mean(converter, known)} There are {', '.join(known)}; add your own to the "
        "`converters` of the app, or of the router, before the rules that use them."
    )


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def _no_reverse_match(
    name: str, given: Mapping[str, Any], names: Mapping[str, Iterable[RouteRule]], refused: Exception | None
) -> NoReturn:
    if name not in names:
        raise NoReverseMatch(
            f"No route is named {name!r}.{_did_you_mean(name, names)} "
            + (f"There are {', '.join(sorted(names))}." if names else "No route has a name yet.")
        )
    values = ", ".join(f"{key}={value!r}" for key, value in given.items()) or "no values"
    rules = "; ".join(_needs(rule, given) for rule in names[name])
    because = f" ({refused})" if refused else ""
    raise NoReverseMatch(f"The route {name!r} cannot be built from {values}{because}. Its rules: {rules}.") from refused


def _needs(rule: RouteRule, given: Mapping[str, Any]) -> str:
    missing = sorted(rule.arguments - set(rule.defaults or ()) - set(given))
    differing = sorted(
        f"{key}={value!r}" for key, value in (rule.defaults or {}).items() if given.get(key, value) != value
    )
    needs = " and ".join([*missing, *differing])
    return f"{rule.rule!r} needs {needs}" if needs else repr(rule.rule)

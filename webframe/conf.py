"""Settings: every name with its default, and the one object that looks values up.

A value is taken from the first of these that has it: `override_settings` (tests), the environment, the keywords of
`Webframe(...)` or `settings.configure()`, the settings module, the defaults below. What a setting does to the rest of
webframe is the business of the file that uses it; whoever keeps something computed from a setting connects a receiver
to `setting_changed` in that same file.

In the environment a setting is called `WEBFRAME_` and its name. The text is read as JSON where it parses and taken as
it stands where not; texts and lists of texts need no quotes (``WEBFRAME_ALLOWED_HOSTS=example.org,example.com``), and a
double underscore reaches into a dictionary (``WEBFRAME_DATABASES__default``). `DATABASE_URL` and `SECRET_KEY` are known
without the prefix. A variable that is empty counts as not set.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from webframe.core.exceptions import ImproperlyConfigured
from webframe.environment import KINDS, PREFIX, Environment, is_setting_name


class Defaults:
    """Every setting of webframe with its default; never changed, read by `Settings`."""

    DEBUG: bool = False
    """Show the page with source, locals and request when a view fails. Never on a public server."""

    SECRET_KEY: str = ""
    """What sessions and signed values are signed with: at least 32 random bytes that nobody else knows."""

    SECRET_KEY_FALLBACKS: list[str] = []
    """Former keys: what they signed is still accepted, nothing new is signed with them."""

    ALLOWED_HOSTS: list[str] = []
    """Host names we answer to; ".example.org" includes its subdomains, "*" is any. Loopback names always pass."""

    TRUSTED_PROXIES: list[str] = []
    """Whose X-Forwarded-* headers are believed: addresses, networks ("10.0.0.0/8"), "unix", or "*"."""

    INSTALLED_APPS: list[str] = []
    """Packages with models, templates or an AppConfig: "shop" or "shop.apps.ShopConfig", in order of precedence."""

    DATABASES: dict[str, Any] = {}
    """Alias to URL ("postgresql://...") or Django-style dictionary; "default" is the one used unless told otherwise."""

    DATABASE_ROUTERS: list[Any] = []
    """Routers, by dotted name or as they are, that say which database a model lives in; the first opinion counts."""

    MIGRATION_MODULES: dict[str, Any] = {}
    """App label to the dotted name of the package with its migrations, where that is not the usual one; None: none."""

    FIXTURE_DIRS: list[str | os.PathLike[str]] = []
    """Folders searched for fixtures after the `fixtures` folder of each app."""

    TIME_ZONE: str = "UTC"
    """The time zone, by its IANA name, in which dates are shown and naive ones are understood."""

    USE_TZ: bool = True
    """Whether moments carry their time zone."""

    MAX_CONTENT_LENGTH: int = 10 * 1024 * 1024
    """Bytes a request body without files may have. More is answered with 413."""

    MAX_UPLOAD_LENGTH: int = 100 * 1024 * 1024
    """Bytes a multipart/form-data body may have, files included."""

    FILE_UPLOAD_MAX_MEMORY_SIZE: int = 512 * 1024
    """Bytes of a body or file kept in memory; what is larger is spooled to disk."""

    MAX_FORM_MEMORY_SIZE: int = 500_000
    """Bytes one form field that is no file may have (werkzeug's own limit)."""

    DATA_UPLOAD_MAX_NUMBER_FIELDS: int = 1000
    """Fields a form or query may have (Django's own limit)."""

    DATA_UPLOAD_MAX_NUMBER_FILES: int = 100
    """Files a form may have (Django's own limit)."""

    MAX_HEADER_COUNT: int = 100
    """Header fields a request may have. More is answered with 431."""

    MAX_HEADER_SIZE: int = 32 * 1024
    """Bytes all header fields of a request may have together; under WSGI only those with many fields are measured."""

    JSON_MAX_DEPTH: int = 64
    """How deep brackets may nest in a JSON body: parsers recurse, and a body of brackets only must not end them."""

    BODY_TIMEOUT: float = 60.0
    """Seconds a client has to send its body under ASGI. Afterwards 408; under WSGI this is the server's duty."""

    LIFESPAN_TIMEOUT: float = 60.0
    """Seconds that start-up, and shut-down, may each take."""

    WORKER_THREADS: int = 40
    """Threads in which plain views run under ASGI (the number anyio settled on)."""

    PROPAGATE_EXCEPTIONS: bool = False
    """Let an uncaught error rise to the server or the test client instead of answering 500."""

    LOGGING: dict[str, Any] = {}
    """A dictionary for logging.config.dictConfig, laid over our own."""

    LOGGING_CONFIG: bool = True
    """Whether we configure logging at all."""

    REQUEST_ID_HEADER: str = ""
    """The header whose value, from a trusted proxy, becomes the request's id; empty: we make our own ids."""

    JSON_PROVIDER: str = "webframe.http.json.JSONProvider"
    """Dotted path of the class that turns JSON into objects and back."""

    TEMPLATE_DIRS: list[str | os.PathLike[str]] = []
    """Folders searched for templates before the `templates` folder of each app."""


class _Sentinel:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


# No layer has a value; in a layer of overrides: the setting was deleted there.
MISSING = _Sentinel("MISSING")

# `Settings` has the attributes of `Defaults` for the type checkers, but must not find them there at run time.
if TYPE_CHECKING:
    _Names = Defaults
else:
    _Names = object


class Settings(_Names):
    """All settings, each read as an attribute.

    Reading a name for the first time looks through the layers and keeps the
    result as a plain attribute, so that every later read is one dictionary
    look-up. There is one object per process, `settings`; make another only to
    test how settings are found, with an `environment` of your own.

    Assigning to a setting or deleting it takes effect at once, until the end
    of the innermost `override_settings` around it, and sends no signal.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        # Held while layers change and while a value is looked up for the first time, never while a module is imported.
        self._lock = threading.RLock()
        # Where the environment is read from, and what was found there at the first use.
        self._environ = os.environ if environment is None else environment
        self._environment: Environment | None = None
        # What configure() was given, by all its callers together.
        self._keywords: dict[str, Any] = {}
        self._keyword_module: str | None = None
        # The name and the contents of the settings module, once it is loaded.
        self._module: tuple[str, dict[str, Any]] | None = None
        # Threads that are importing the settings module right now.
        self._importing: set[int] = set()
        # Layers of overrides, innermost last; the first one holds what was assigned outside of any.
        self._layers: list[dict[str, Any]] = [{}]
        # Names that were read outside of any override: configure() may no longer change their values.
        self._read: set[str] = set()

    # -- reading

    def __getattr__(self, name: str) -> Any:
        if not is_setting_name(name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}; settings are upper case.")
        self._load()
        with self._lock:
            value = self._look_up(name, self._layers)
            if value is MISSING:
                raise AttributeError(
                    f"There is no setting {name}.{close_match(name, self._names())} Settings of your own are given as "
                    f"keywords to Webframe(...), in the settings module, or as {PREFIX}{name} in the environment."
                )
            if not self.overrides_of(name):
                self._read.add(name)
            self.__dict__[name] = value
            return value

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or not is_setting_name(name):
            return False
        self._load()
        with self._lock:
            return name in self.__dict__ or self._look_up(name, self._layers) is not MISSING

    def __dir__(self) -> list[str]:
        self._load()
        with self._lock:
            return sorted({*super().__dir__(), *self._names()})

    def is_overridden(self, name: str) -> bool:
        """Whether anything but the defaults gives this setting a value."""
        self._load()
        with self._lock:
            return name in self._given()

    def overrides_of(self, name: str) -> int:
        """How many blocks of `override_settings` around us give this setting a value."""
        with self._lock:
            return sum(name in layer for layer in self._layers[1:])

    def variable_of(self, name: str, key: str) -> str | None:
        """The environment variable that gives a setting, a dictionary, the entry `key`; None: none does."""
        environment = self._load()
        with self._lock:
            overridden = any(name in layer for layer in self._layers)
        return None if overridden else environment.variable_of(name, key)

    @property
    def configured(self) -> bool:
        """Whether settings have been given by configure(), or have been read."""
        return self._environment is not None or bool(self._keywords) or self._keyword_module is not None

    def validate(self) -> None:
        """Look every setting up; raise `ImproperlyConfigured` for the first that has a value of the wrong type.

        Part of the set-up: afterwards every setting counts as read.
        """
        self._load()
        for name in self._names():
            getattr(self, name, None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {', '.join(self._given()) or 'the defaults only'}>"

    # -- giving values

    def configure(self, *, module: str | None = None, **keywords: Any) -> None:
        """Give settings as keywords, and the dotted name of a settings module.

        May be called several times, as by several `Webframe` objects, as long
        as no call contradicts another one, or a value that was already read:
        `ImproperlyConfigured` then names the setting and both values.
        """
        for name, value in keywords.items():
            check_value(name, value, f"The keyword {name}")
        if module is not None and self._read:
            self._import_module(module)  # its values are compared below; nothing may be imported while the lock is held
        with self._lock:
            self._refuse_contradictions(module, keywords)
            before = self._keywords, self._keyword_module, self._module
            read = {name: self._look_up(name, self._layers[:1]) for name in sorted(self._read)}
            self._keywords = {**self._keywords, **keywords}
            self._keyword_module = self._keyword_module or module
            try:
                self._refuse_late_changes(read)
            except BaseException:
                self._keywords, self._keyword_module, self._module = before
                raise

    def __setattr__(self, name: str, value: Any) -> None:
        if not is_setting_name(name):
            object.__setattr__(self, name, value)
            return
        with self._lock:
            self._layers[-1][name] = self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        if not is_setting_name(name):
            object.__delattr__(self, name)
            return
        getattr(self, name)  # deleting what does not exist is the same error as reading it
        with self._lock:
            self._layers[-1][name] = MISSING
            self.__dict__.pop(name, None)

    def push(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Lay values over all others, for `override_settings` only; returns the layer, to be handed to `pop`."""
        for name, value in values.items():
            check_value(name, value, f"The override of {name}")
        layer = dict(values)
        with self._lock:
            self._layers.append(layer)
            self.__dict__.update(layer)
        return layer

    def pop(self, layer: dict[str, Any]) -> None:
        """Take away a layer that `push` returned, wherever in the pile it is by now."""
        with self._lock:
            self._layers = [each for each in self._layers if each is not layer]
            for name in layer:
                self.__dict__.pop(name, None)

    # -- finding values

    def _load(self) -> Environment:
        """Make sure that the environment and the settings module have been read."""
        if self._environment is None:
            with self._lock:
                self._environment = self._environment or Environment(self._environ, _KINDS)
        name = self._environment.module or self._keyword_module
        if name is not None and (self._module is None or self._module[0] != name):
            self._module = name, self._import_module(name)
        return self._environment

    def _import_module(self, name: str) -> dict[str, Any]:
        thread = threading.get_ident()
        if thread in self._importing:
            raise ImproperlyConfigured(
                f"The settings module {name!r}, or something it imports, reads settings while it is being imported. "
                f"Read them inside functions there."
            )
        self._importing.add(thread)
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module exists; what is missing is something that it imports
            in_environment = self._environment is not None and self._environment.module == name
            namer = f"{PREFIX}SETTINGS_MODULE" if in_environment else "configure(module=...)"
            raise ImproperlyConfigured(
                f"There is no settings module {name!r}, which {namer} names. Give the dotted name of a module (not of "
                f"a file), and see that the folder it lies in is on the import path (PYTHONPATH)."
            ) from error
        finally:
            self._importing.discard(thread)
        return {key: value for key, value in vars(module).items() if is_setting_name(key)}

    def _look_up(self, name: str, layers: list[dict[str, Any]]) -> Any:
        """The value of the first layer that has one, else `MISSING`. Call `_load` first."""
        for layer in reversed(layers):
            if name in layer:
                return layer[name]
        value: Any = MISSING
        environment = self._load()
        if name in self._keywords:
            value = self._keywords[name]
        elif self._module is not None and name in self._module[1]:
            value = check_value(name, self._module[1][name], f"{name} in the settings module {self._module[0]!r}")
        elif name in defaults():
            value = defaults()[name]
            value = value.copy() if isinstance(value, (list, dict)) else value
        if name not in environment.names():
            return value
        value = environment.overlay(name, {} if value is MISSING else value)
        return check_value(name, value, environment.source(name))

    def _given(self) -> dict[str, None]:
        """Names that anything but the defaults gives, in the order of the layers; those deleted are among them."""
        module = self._module[1] if self._module else {}
        environment = self._environment.names() if self._environment else ()
        return dict.fromkeys(
            [*module, *self._keywords, *environment, *(name for layer in self._layers for name in layer)]
        )

    def _names(self) -> list[str]:
        """Names of all settings, ours and those of the project."""
        return sorted({*defaults(), *self._given()})

    # -- refusing values

    def _refuse_contradictions(self, module: str | None, keywords: Mapping[str, Any]) -> None:
        for name, value in keywords.items():
            earlier = self._keywords.get(name, value)
            if earlier is not value and earlier != value:
                raise ImproperlyConfigured(
                    f"{name} was configured as {shown(name, earlier)}, and now as {shown(name, value)}. Settings hold "
                    f"for the whole process: give every application the same value, or give it in one place only."
                )
        if None not in (module, self._keyword_module) and module != self._keyword_module:
            raise ImproperlyConfigured(
                f"The settings module was configured as {self._keyword_module!r}, and now as {module!r}. "
                f"Settings hold for the whole process: name one module only."
            )

    def _refuse_late_changes(self, read: Mapping[str, Any]) -> None:
        for name, earlier in read.items():
            value = self._look_up(name, self._layers[:1])
            if earlier is not value and earlier != value:
                raise ImproperlyConfigured(
                    f"{name} has already been read as {shown(name, earlier)}, and is now configured as "
                    f"{shown(name, value)}. Create the application before anything reads settings; "
                    f"in tests, use override_settings."
                )


def defaults() -> Mapping[str, Any]:
    """Every setting of webframe with its default."""
    return _DEFAULTS


_DEFAULTS = {name: value for name, value in vars(Defaults).items() if not name.startswith("_")}
_KINDS = {name: KINDS[annotation] for name, annotation in Defaults.__annotations__.items()}


def check_value(name: str, value: Any, source: str) -> Any:
    """Return the value of a setting, or raise `ImproperlyConfigured` when its name or its type is wrong.

    `source` begins the message: where the value comes from. Settings that are
    not ours take any value.
    """
    if not is_setting_name(name):
        raise ImproperlyConfigured(f"{source} is no setting: names of settings are upper case, as in {name.upper()}.")
    if name not in _DEFAULTS:
        return value
    kind = _KINDS[name]
    if not kind.accepts(value):
        raise ImproperlyConfigured(
            f"{source} is {shown(name, value)}, but {name} must be {kind.words} (the default is {_DEFAULTS[name]!r})."
        )
    return value


def shown(name: str, value: Any) -> str:
    """How a value appears in a message: what may be secret, by the setting's name, stays hidden."""
    secret = ("SECRET", "PASSWORD", "TOKEN", "KEY", "DATABASE", "CREDENTIAL")
    if value and any(word in name.upper() for word in secret):
        return f"a {type(value).__name__} that is not shown here"
    return repr(value)


def close_match(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """A question to add to an error message, " Did you mean ...?", or nothing.

    `cutoff` is how much alike two names must be, from 0 to 1.
    """
    import difflib

    matches = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f" Did you mean {matches[0]}?" if matches else ""


settings = Settings()

"""Checks: what `webframe check` looks at before something goes wrong.

A check is a function that returns a list of messages. Each is registered in
the file that owns what it looks at; those on settings as such are here::

    @register("shop")
    def oven_is_lit(app_configs=None, **kwargs):
        if not settings.OVENS:
            return [Error("No oven is lit.", hint="Set OVENS.", id="shop.E001")]
        return []
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, overload

from webframe._lazy import LateModule
from webframe.apps.config import AppConfig, ImplicitAppConfig, how_to_install
from webframe.apps.registry import apps
from webframe.conf import close_match, defaults, settings
from webframe.environment import is_setting_name

if TYPE_CHECKING:
    from webframe import _instead
else:
    _instead = LateModule("webframe._instead")

# The numbers that logging gives to these words.
DEBUG = 10
INFO = 20
WARNING = 30
ERROR = 40
CRITICAL = 50

# RFC 7518 section 3.2: a key for HMAC-SHA256 has at least as many bytes as its hash.
SHORTEST_SECRET_KEY = 32


class CheckMessage:
    """One thing that a check has found.

    `level` is one of the numbers above, `msg` says what is wrong and `hint`
    what to do; `obj` is what it is about, and `id`, like "shop.E001", what to
    look it up by.
    """

    def __init__(self, level: int, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        self.level = level
        self.msg = msg
        self.hint = hint
        self.obj = obj
        self.id = id

    def is_serious(self, level: int = ERROR) -> bool:
        """Whether this is as bad as `level` or worse."""
        return self.level >= level

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CheckMessage) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((self.level, self.msg, self.id))

    def _values(self) -> tuple[Any, ...]:
        return self.level, self.msg, self.hint, self.obj, self.id

    def __str__(self) -> str:
        place = "?" if self.obj is None else self.obj if isinstance(self.obj, str) else _name_of(self.obj)
        identity = f"({self.id}) " if self.id else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{place}: {identity}{self.msg}{hint}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.level}: {self}>"


class Debug(CheckMessage):
    """A message of level DEBUG."""

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(DEBUG, msg, hint, obj, id)


class Info(CheckMessage):
    """A message of level INFO."""

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(INFO, msg, hint, obj, id)


class Warning(CheckMessage):
    """A message of level WARNING: it works, but may not be what is wanted."""

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(WARNING, msg, hint, obj, id)


class Error(CheckMessage):
    """A message of level ERROR: something will not work."""

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(ERROR, msg, hint, obj, id)


class Critical(CheckMessage):
    """A message of level CRITICAL: nothing will work."""

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(CRITICAL, msg, hint, obj, id)


class Check(Protocol):
    """A function that looks at something and returns what it finds; further keywords may be added to the call."""

    def __call__(self, *, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> Iterable[CheckMessage]: ...


CheckFunction = TypeVar("CheckFunction", bound=Callable[..., Iterable[CheckMessage]])


class Registration(NamedTuple):
    """A check and when it is run."""

    function: Check
    tags: frozenset[str]
    deploy: bool


class CheckRegistry:
    """All checks that are run together; `register` and `run_checks` below belong to that of the process."""

    def __init__(self) -> None:
        # In the order in which they are run.
        self.registrations: list[Registration] = []

    @overload
    def register(self, function: CheckFunction, /, *tags: str, deploy: bool = False) -> CheckFunction: ...
    @overload
    def register(self, *tags: str, deploy: bool = False) -> Callable[[CheckFunction], CheckFunction]: ...
    def register(self, *arguments: Any, deploy: bool = False) -> Any:
        """Register a check under some tags; as a decorator, or with the function as first argument.

        A check with ``deploy=True`` is run only when asked for: it looks at
        what matters on a public server.
        """
        if arguments and not isinstance(arguments[0], str):
            function, *tags = arguments
            return self._add(function, tags, deploy)
        return lambda function: self._add(function, arguments, deploy)

    def _add(self, function: CheckFunction, tags: Iterable[str], deploy: bool) -> CheckFunction:
        if not callable(function):
            raise TypeError(f"A check is a function, not {function!r}.")
        code = getattr(function, "__code__", None)
        if code is not None and not code.co_flags & 0x08:  # inspect.CO_VARKEYWORDS, without loading inspect
            raise TypeError(
                f"The check {_name_of(function)} must take **kwargs: keywords may be added to the call of checks."
            )
        registration = Registration(function, frozenset(tags), deploy)
        if registration not in self.registrations:
            self.registrations.append(registration)
        return function

    def tags_available(self, deploy: bool = False) -> list[str]:
        """All tags that some check has; those of deployment checks only if `deploy`."""
        return sorted({tag for each in self.registrations if deploy or not each.deploy for tag in each.tags})

    def run_checks(
        self,
        tags: Collection[str] | None = None,
        deploy: bool = False,
        app_configs: Sequence[AppConfig] | None = None,
    ) -> list[CheckMessage]:
        """Run the checks that have one of these tags, or all, and return what they found.

        `app_configs` narrows the checks that look at apps down to these. Raises
        ValueError for a tag that no check has.
        """
        available = self.tags_available(deploy=True)
        for tag in tags or ():
            if tag not in available:
                raise ValueError(f"No check has the tag {tag!r}.{close_match(tag, available)}")
        found: list[CheckMessage] = []
        for function, its_tags, on_deployment in list(self.registrations):
            if (deploy or not on_deployment) and (tags is None or not its_tags.isdisjoint(tags)):
                found += self._run(function, app_configs)
        return found

    def _run(self, function: Check, app_configs: Sequence[AppConfig] | None) -> list[CheckMessage]:
        messages = function(app_configs=app_configs)
        if not isinstance(messages, Iterable) or isinstance(messages, str):
            raise TypeError(f"The check {_name_of(function)} returned {messages!r}; it must return a list of messages.")
        return list(messages)


def _name_of(thing: Any) -> str:
    name = getattr(thing, "__qualname__", None)
    return f"{thing.__module__}.{name}" if name else repr(thing)


registry = CheckRegistry()
register = registry.register
run_checks = registry.run_checks
tags_available = registry.tags_available


@register("settings")
def settings_are_spelt_right(**kwargs: Any) -> list[CheckMessage]:
    """settings.W001: a name is not ours, but close to one of ours."""
    found: list[CheckMessage] = []
    for name in dir(settings):
        if is_setting_name(name) and name not in defaults():
            hint = close_match(name, defaults(), cutoff=0.85)
            if hint:
                found.append(
                    Warning("webframe knows no such setting.", hint=hint.strip(), obj=name, id="settings.W001")
                )
    return found


@register("settings")
def settings_have_an_effect(**kwargs: Any) -> list[CheckMessage]:
    """settings.W002: a setting means something to Django and nothing to us."""
    return [
        Warning("Nothing here reads this setting of Django's.", hint=f"Write {instead}.", obj=name, id="settings.W002")
        for name, instead in _instead.SETTINGS.items()
        if getattr(settings, name, None)
    ]


@register("settings")
def time_zone_exists(**kwargs: Any) -> list[CheckMessage]:
    """settings.E001: TIME_ZONE is not the name of a time zone."""
    if settings.TIME_ZONE == "UTC":
        return []
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(settings.TIME_ZONE)
    except (ValueError, OSError, KeyError):
        hint = close_match(settings.TIME_ZONE, available_timezones()).strip() or "Use a name like 'Europe/Rome'."
        what = f"There is no time zone {settings.TIME_ZONE!r}."
        return [Error(what, hint=hint, obj="TIME_ZONE", id="settings.E001")]
    return []


@register("security")
def secret_keys_are_strong(**kwargs: Any) -> list[CheckMessage]:
    """security.W001: a key, where there is one, is short or a placeholder, and DEBUG is off."""
    if settings.DEBUG:
        return []
    keys = {"SECRET_KEY": [settings.SECRET_KEY], "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS}
    return [
        Warning(
            "The key is guessable: whoever finds it out can sign sessions.",
            hint=f"Use at least {SHORTEST_SECRET_KEY} random bytes: python -c 'import secrets; "
            f"print(secrets.token_urlsafe(48))'",
            obj=name,
            id="security.W001",
        )
        for name, values in keys.items()
        if any(_is_weak(value) for value in values if value)
    ]


def _is_weak(key: str) -> bool:
    placeholders = ("dev", "insecure", "change", "secret")
    short = len(key.encode("utf-8", "surrogateescape")) < SHORTEST_SECRET_KEY
    return short or key.lower().startswith(placeholders) or len(set(key)) < 8


@register("security", deploy=True)
def debug_is_off(**kwargs: Any) -> list[CheckMessage]:
    """security.W002: DEBUG is on."""
    if not settings.DEBUG:
        return []
    what = "Error pages show source, local variables and settings to everybody."
    return [Warning(what, hint="Set DEBUG to False.", obj="DEBUG", id="security.W002")]


@register("security", deploy=True)
def hosts_are_named(**kwargs: Any) -> list[CheckMessage]:
    """security.E001: no host is allowed; security.W003: any is."""
    if not settings.ALLOWED_HOSTS:
        what = "Nobody but this machine is answered."
        hint = "List the host names of the site in ALLOWED_HOSTS."
        return [Error(what, hint=hint, obj="ALLOWED_HOSTS", id="security.E001")]
    if "*" in settings.ALLOWED_HOSTS:
        what = "Any host name is believed: links in pages and mails can be made to lead elsewhere."
        hint = "List the host names of the site instead of '*', unless the server in front checks them."
        return [Warning(what, hint=hint, obj="ALLOWED_HOSTS", id="security.W003")]
    return []


@register("security", deploy=True)
def proxies_are_named(**kwargs: Any) -> list[CheckMessage]:
    """security.W004: anybody is believed to be a proxy."""
    if "*" not in settings.TRUSTED_PROXIES:
        return []
    what = "Every client can choose the address, scheme and host that it seems to come from."
    hint = "List the addresses or networks of your proxies in TRUSTED_PROXIES."
    return [Warning(what, hint=hint, obj="TRUSTED_PROXIES", id="security.W004")]


@register("apps")
def labels_do_not_depend_on_luck(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """apps.W001: models lie in an app that got a longer label because another app was imported before it."""
    if app_configs is None:
        app_configs = apps.get_app_configs() if apps.apps_ready else []
    return [
        Warning(
            f"The models of {config.name!r} have the label {config.label!r} only because another app was faster to "
            f"take the shorter one; their tables would have other names if it were not.",
            hint="Give it an AppConfig with a `label`, and name that in INSTALLED_APPS.",
            obj=config,
            id="apps.W001",
        )
        for config in app_configs
        if isinstance(config, ImplicitAppConfig) and not config.has_its_first_label() and config.models
    ]


@register("apps")
def models_are_in_apps(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """apps.W002: a model belongs to no installed app."""
    if app_configs is not None or not apps.models_ready:
        return []
    return [
        Warning(
            "The model belongs to no installed app, so it gets no table.",
            hint=f"{how_to_install(model)}.",
            obj=model,
            id="apps.W002",
        )
        for model in apps.get_stray_models()
    ]

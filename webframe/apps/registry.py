"""`apps`, the registry of all apps and models of this process, and `setup()`, which fills it.

Filling takes three steps, as in Django: every entry of INSTALLED_APPS becomes
an `AppConfig`; then the modules with models are imported; then each `ready()`
is called. A step that fails can be tried again: `ready()` is not called twice
where it went well. `populate` is the only thing that holds the lock of the
registry while it runs code of the apps; looking things up takes no lock.
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from webframe.apps.config import AppConfig, ImplicitAppConfig, ModelClass
from webframe.conf import close_match, settings
from webframe.core.exceptions import AppRegistryNotReady, ImproperlyConfigured
from webframe.core.signals import setting_changed
from webframe.utils.log import configure_logging

# A model that may not exist yet: the label of its app and its name in lower case.
ModelKey = tuple[str, str]


class PendingOperation(NamedTuple):
    """A function that waits for models that are not defined yet."""

    function: Callable[..., object]
    # The models found so far, its first arguments.
    found: tuple[ModelClass, ...]
    # The models still to come; it waits in the queue of the first.
    missing: tuple[ModelKey, ...]
    # Those of them that are about to be defined again: the model that has the name now is not the one it waits for.
    anew: frozenset[ModelKey] = frozenset()


class _State:
    """How far one list of installed apps has come."""

    def __init__(self, configs: Iterable[AppConfig] = ()) -> None:
        # Label -> configuration, in order of precedence.
        self.configs: dict[str, AppConfig] = {config.label: config for config in configs}
        # The entries that `configs` were made from.
        self.entries: list[str | AppConfig] | None = None
        self.apps_ready = self.models_ready = self.ready = False
        # Configurations that are through with import_models(), and with ready().
        self.imported: set[AppConfig] = set()
        self.readied: set[AppConfig] = set()


class Apps:
    """A registry of apps and of the models in them.

    `webframe.apps.apps` is the one of the process; others describe the models
    of the past, for migrations, or of a test.
    """

    # Whether its models are those of a moment in the past, between two of which names may clash for a while.
    describes_past: ClassVar[bool] = False
    # Whether anybody makes instances of its models; if not, they need no constructors.
    makes_instances: ClassVar[bool] = True

    def __init__(self) -> None:
        # Label -> models by lower-case name, in the order of their definition; also of apps that are not installed.
        self.all_models: defaultdict[str, dict[str, ModelClass]] = defaultdict(dict)
        self._state = _State()
        # States set aside by set_installed_apps(), with the number of overrides of INSTALLED_APPS around each.
        self._set_aside: list[tuple[int, _State]] = []
        # Held while apps are loaded. Re-entrant, so that an app may create a `Webframe` meanwhile.
        self._lock = threading.RLock()
        # Whether the thread that holds the lock is in populate().
        self._loading = False
        # Operations that wait for a model, in order.
        self._pending: dict[ModelKey, list[PendingOperation]] = {}
        # Held while a model or an operation is added, so that neither misses the other.
        self._models_lock = threading.Lock()
        # Answers of get_models(), by its arguments.
        self._models_cache: dict[tuple[bool, bool], list[ModelClass]] = {}

    # -- loading

    @property
    def has_any(self) -> bool:
        """Whether any app is known: that of a `Webframe`, or those of INSTALLED_APPS once they are loaded."""
        return bool(self._state.configs)

    @property
    def ready(self) -> bool:
        """Whether all apps and models are loaded and every ready() was called."""
        return self._state.ready

    @property
    def apps_ready(self) -> bool:
        """Whether every app has its AppConfig."""
        return self._state.apps_ready

    @property
    def models_ready(self) -> bool:
        """Whether the models of every app are imported."""
        return self._state.models_ready

    def populate(self, installed_apps: Iterable[str | AppConfig] = ()) -> None:
        """Load apps and models, once; other threads wait until it is done.

        An exception in an app is passed on. Calling again goes on where that
        stopped, or starts afresh if `installed_apps` has changed.
        """
        if self.ready:
            return
        with self._lock:
            if self.ready:
                return
            if self._loading:
                raise AppRegistryNotReady(
                    "The apps are being loaded, and something that runs meanwhile (a models module, or ready()) asks "
                    "for that again. Take the call of setup() or the request to the application out of there."
                )
            self._loading = True
            try:
                self._populate(self._state, list(installed_apps))
            finally:
                self._loading = False

    def _populate(self, state: _State, entries: list[str | AppConfig]) -> None:
        if state.entries != entries:
            self._create_configs(state, entries)
        state.apps_ready = True
        for config in _not_in(state.imported, state):
            config.import_models()
        self.clear_cache()
        state.models_ready = True
        for config in _not_in(state.readied, state):
            config.ready()
        state.ready = True

    def _create_configs(self, state: _State, entries: list[str | AppConfig]) -> None:
        configs = [entry if isinstance(entry, AppConfig) else AppConfig.create(entry) for entry in entries]
        for attribute, advice in (
            ("name", "Name each app once in INSTALLED_APPS."),
            ("label", "Give one of them a `label` of its own, in an AppConfig."),
        ):
            seen: dict[str, AppConfig] = {}
            for config in configs:
                other = seen.setdefault(getattr(config, attribute), config)
                if other is not config:
                    raise ImproperlyConfigured(
                        f"Two apps have the {attribute} {getattr(config, attribute)!r}: "
                        f"{other.name!r} and {config.name!r}. {advice}"
                    )
        names = {config.name for config in configs}
        labels = {config.label for config in configs}
        implicit = [
            config
            for config in state.configs.values()
            if isinstance(config, ImplicitAppConfig) and config.name not in names
        ]
        for config in implicit:
            self._give_free_label(config, labels)
            labels.add(config.label)
        # The project's own modules come first: their templates win over those of the apps they use.
        state.configs = {config.label: config for config in [*implicit, *configs]}
        state.entries = entries
        for config in configs:
            config.apps = self

    def register_app(self, config: AppConfig) -> AppConfig:
        """Add one app at any time, and return the configuration that now stands for that name.

        This is how the module of a `Webframe` becomes an app. An app that is
        already known by that name stays as it is, unless the module has been
        imported anew. A label that is taken is exchanged for a longer one.
        """
        with self._lock:
            state = self._state
            known = next((each for each in state.configs.values() if each.name == config.name), None)
            if known is not None and not (isinstance(known, ImplicitAppConfig) and known.module is not config.module):
                return known
            others = {label: each for label, each in state.configs.items() if each is not known}
            self._give_free_label(config, others)
            config.apps = self
            state.configs = {**others, config.label: config}
            self.clear_cache()
            # What populate() has not come to yet, it will come to.
            if state.models_ready:
                config.import_models()
                state.imported.add(config)
            if state.ready:
                config.ready()
                state.readied.add(config)
            return config

    def _give_free_label(self, config: AppConfig, taken: Iterable[str]) -> None:
        if config.label not in taken:
            return
        if not isinstance(config, ImplicitAppConfig) or self.all_models.get(config.label):
            raise ImproperlyConfigured(
                f"The label {config.label!r} of the app {config.name!r} is taken by another app. Give that one a "
                f"`label` of its own, in an AppConfig."
            )
        config.label = next(label for label in config.labels(config.name, config.module) if label not in taken)

    def set_installed_apps(self, installed_apps: Iterable[str | AppConfig]) -> None:
        """Load another list of apps, with configurations made anew, until `unset_installed_apps`.

        For tests; overriding INSTALLED_APPS calls it. Models that were defined
        stay defined, but get_models() and the like see those of the installed
        apps only.
        """
        with self._lock:
            if not self.ready:
                raise AppRegistryNotReady("Apps can be exchanged when they are loaded: call webframe.apps.setup().")
            self._set_state_aside()
            try:
                self.populate(installed_apps)
            except BaseException:
                self.unset_installed_apps()
                raise

    def unset_installed_apps(self) -> None:
        """Go back to the apps before the last `set_installed_apps`: the very same configurations."""
        with self._lock:
            _, self._state = self._set_aside.pop()
            self.clear_cache()

    def _set_state_aside(self) -> None:
        former = self._state
        implicit = [config for config in former.configs.values() if isinstance(config, ImplicitAppConfig)]
        self._set_aside.append((settings.overrides_of("INSTALLED_APPS"), former))
        self._state = _State(implicit)
        self._state.imported = former.imported.intersection(implicit)
        self._state.readied = former.readied.intersection(implicit)
        self.clear_cache()

    def follow_setting(self, installed_apps: Iterable[str | AppConfig], enter: bool) -> None:
        """Do what a change of INSTALLED_APPS asks for.

        Leaving is told by how many overrides are left, not by counting the
        signals: an override that failed sends "leave" without "enter".
        """
        with self._lock:
            overrides = settings.overrides_of("INSTALLED_APPS")
            if not enter:
                while self._set_aside and self._set_aside[-1][0] > overrides:
                    self.unset_installed_apps()
            elif self.ready:
                self.set_installed_apps(installed_apps)
            else:
                self._set_state_aside()  # whoever sets up within the override loads the overriding apps

    def check_apps_ready(self) -> None:
        """Raise `AppRegistryNotReady` unless every app has its AppConfig."""
        if not self.apps_ready:
            raise AppRegistryNotReady(
                "Apps are not loaded yet. An application loads them at its first request; "
                "call webframe.apps.setup() to have them now."
            )

    def check_models_ready(self) -> None:
        """Raise `AppRegistryNotReady` unless all models are imported."""
        if not self.models_ready:
            raise AppRegistryNotReady(
                "Models are not loaded yet. An application loads them at its first request; "
                "call webframe.apps.setup() to have them now."
            )

    # -- apps

    def get_app_configs(self) -> list[AppConfig]:
        """All apps, in order of precedence."""
        self.check_apps_ready()
        return list(self._state.configs.values())

    def get_app_config(self, label: str) -> AppConfig:
        """The app with this label. Raises LookupError if there is none."""
        self.check_apps_ready()
        try:
            return self._state.configs[label]
        except KeyError:
            named = [config.label for config in self.get_app_configs() if config.name == label]
            hint = f" Did you mean {named[0]}?" if named else close_match(label, self._state.configs)
            raise LookupError(f"No installed app has the label {label!r}.{hint}") from None

    def is_installed(self, name: str) -> bool:
        """Whether an app has this full name, as in "webframe.contrib.auth"."""
        self.check_apps_ready()
        return any(config.name == name for config in self._state.configs.values())

    def get_containing_app_config(self, object_name: str) -> AppConfig | None:
        """The innermost app that holds the module or object with this dotted name.

        Before the apps are loaded only the modules of `Webframe` objects are
        known; the answer for anything else is then `AppRegistryNotReady`.
        """
        inside = [config for config in self._state.configs.values() if f"{object_name}.".startswith(f"{config.name}.")]
        if inside:
            return max(inside, key=lambda config: len(config.name))
        self.check_apps_ready()
        return None

    # -- models

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[ModelClass]:
        """All models of the installed apps; optionally also those made for many-to-many fields, and swapped ones."""
        self.check_models_ready()
        key = include_auto_created, include_swapped
        if key not in self._models_cache:
            configs = self._state.configs.values()
            self._models_cache[key] = [model for config in configs for model in config.get_models(*key)]
        return list(self._models_cache[key])

    def get_stray_models(self) -> list[ModelClass]:
        """Models with a table of their own that belong to no installed app, so that nobody creates that table."""
        self.check_models_ready()
        strays = [models for label, models in list(self.all_models.items()) if label not in self._state.configs]
        return [
            model
            for models in strays
            for model in list(models.values())
            if model._meta.managed and not model._meta.proxy and not model._meta.auto_created
        ]

    def get_model(self, app_label: str, model_name: str | None = None, require_ready: bool = True) -> ModelClass:
        """The model "label.Model", or the two parts of that, the name in upper or lower case.

        Raises LookupError if there is no such app or model.
        """
        self.check_models_ready() if require_ready else self.check_apps_ready()
        if model_name is None:
            app_label, model_name = split_model_name(app_label)
        return self.get_app_config(app_label).get_model(model_name, require_ready=require_ready)

    def register_model(self, app_label: str, model: ModelClass, announce: Callable[[], object] | None = None) -> None:
        """Note that a model is defined, call `announce`, then do what waited for the model."""
        name = model._meta.model_name
        with self._models_lock:
            models = self.all_models[app_label]
            if name in models:
                self._refuse_conflict(app_label, models[name], model)
            models[name] = model
        self.clear_cache()
        if announce is not None:
            announce()
        self.do_pending_operations(model)

    def _refuse_conflict(self, app_label: str, known: ModelClass, model: ModelClass) -> None:
        if (known.__module__, known.__qualname__) == (model.__module__, model.__qualname__):
            import warnings

            warnings.warn(
                f"The model {app_label}.{model.__name__} is defined again. What relates to it, and receivers connected "
                f"for it, still see the former class. Do not reload modules that define models.",
                RuntimeWarning,
                stacklevel=3,
            )
            return
        raise RuntimeError(
            f"Two models are called {model.__name__!r} in the app {app_label!r}: {_place(known)} and {_place(model)}. "
            f"Rename one of them{_twice_loaded(known, model)}."
        )

    def get_registered_model(self, app_label: str, model_name: str) -> ModelClass:
        """Like `get_model`, but also before apps are loaded, and of apps that are not installed."""
        try:
            return self.all_models.get(app_label, {})[model_name.lower()]
        except KeyError:
            raise LookupError(f"The model {app_label}.{model_name} is not defined.") from None

    def lazy_model_operation(
        self, function: Callable[..., object], *keys: ModelKey, anew: Iterable[ModelKey] = ()
    ) -> None:
        """Call `function` with the models of these keys, (app label, model name), as soon as all are defined.

        Operations that wait for the same model are done in the order in which
        they were asked for, as soon as it is registered. A key that is in `anew`
        waits for the next model of that name, though there may be one already.
        """
        missing = tuple((label, name.lower()) for label, name in keys)
        self._go_on_with(PendingOperation(function, (), missing, frozenset(anew)))

    def _go_on_with(self, operation: PendingOperation) -> None:
        function, found, missing, anew = operation
        while missing:
            label, name = missing[0]
            with self._models_lock:
                model = self.all_models.get(label, {}).get(name)
                if model is None or missing[0] in anew:
                    waiting = self._pending.setdefault(missing[0], [])
                    waiting.append(PendingOperation(function, found, missing, anew))
                    return
            found, missing = (*found, model), missing[1:]
        function(*found)

    def do_pending_operations(self, model: ModelClass) -> None:
        """Go on with what waited for this model.

        One that fails does not keep the others from being done; afterwards its
        error is raised, or an ExceptionGroup of several.
        """
        key = (model._meta.app_label, model._meta.model_name)
        with self._models_lock:
            operations = [each._replace(anew=each.anew - {key}) for each in self._pending.pop(key, [])]
        errors: list[Exception] = []
        for operation in operations:
            try:
                self._go_on_with(operation)
            except Exception as error:
                errors.append(error)
        if len(errors) > 1:
            raise ExceptionGroup(f"{len(errors)} operations that waited for {model.__name__} failed", errors)
        if errors:
            raise errors[0]

    @property
    def pending_operations(self) -> Mapping[ModelKey, list[PendingOperation]]:
        """What still waits, by the model it waits for: a copy, for checks."""
        with self._models_lock:
            return {key: list(operations) for key, operations in self._pending.items()}

    def clear_cache(self) -> None:
        """Forget what was computed from the set of models, here and in the models themselves."""
        self._models_cache.clear()
        if self.ready:
            for models in list(self.all_models.values()):
                for model in list(models.values()):
                    model._meta._expire_cache()


def split_model_name(reference: str) -> tuple[str, str]:
    """The two parts of "label.Model". Raises ValueError for anything else."""
    label, dot, name = reference.partition(".")
    if not (label and name) or "." in name:
        raise ValueError(f"{reference!r} does not name a model: write 'label.Model', the label of its app first.")
    return label, name


def _not_in(done: set[AppConfig], state: _State) -> Iterator[AppConfig]:
    """Configurations that are not done yet, one by one, each noted as done once the caller comes back for the next.

    Those that are added meanwhile are among them.
    """
    while waiting := [config for config in state.configs.values() if config not in done]:
        yield waiting[0]
        done.add(waiting[0])


def _place(model: ModelClass) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _twice_loaded(one: ModelClass, other: ModelClass) -> str:
    files = [getattr(sys.modules.get(model.__module__), "__file__", None) for model in (one, other)]
    if files[0] is None or files[0] != files[1] or one.__module__ == other.__module__:
        return ""
    return f", or import that file under one name only: it is loaded as {one.__module__} and as {other.__module__}"


apps = Apps()

# Held during the whole set-up, so that threads that serve first requests wait for each other.
_setting_up = threading.RLock()


def setup() -> None:
    """Check the settings, configure logging, and load all apps and models, once per process.

    An application does this at its first request or command; a script that
    uses models calls it first. Raises `ImproperlyConfigured` with the setting
    or the app to blame, and can then be called again.
    """
    if apps.ready:
        return
    with _setting_up:
        if apps.ready:
            return
        settings.validate()
        configure_logging()
        apps.populate(settings.INSTALLED_APPS)


def follow_setting(*, setting: str, value: Any, enter: bool, **kwargs: object) -> None:
    """Receiver of setting_changed."""
    if setting == "INSTALLED_APPS":
        apps.follow_setting(value, enter)


# Before others: what they make anew they make from the apps.
setting_changed.connect(follow_setting, priority=100)

"""`AppConfig`: one app, that is one package or module with models, templates or something to do at the start.

An app is named in INSTALLED_APPS, by its package ("shop") or by its
configuration ("shop.apps.ShopConfig"); or it is the module of a
`Webframe(__name__)`, which needs no entry (`ImplicitAppConfig`). The registry
that holds them all is next door, in `registry.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from webframe.conf import close_match
from webframe.core.exceptions import ImproperlyConfigured

# A model class; what a model is like is decided in db/models, far below.
ModelClass = type[Any]


class Registry(Protocol):
    """What an AppConfig asks of the registry that holds it."""

    @property
    def all_models(self) -> Mapping[str, dict[str, ModelClass]]: ...

    def check_models_ready(self) -> None: ...
    def check_apps_ready(self) -> None: ...


class AppConfig:
    """One app and where its things are.

    Subclass it in the `apps` module of a package to change the label or to do
    something in `ready()`::

        class ShopConfig(AppConfig):
            name = "shop"
            verbose_name = "The shop"

            def ready(self):
                from shop import receivers
    """

    if TYPE_CHECKING:
        # Dotted name of the package or module.
        name: str
        # Short name, unique among all apps: in "label.Model", in the names of tables. The last part of `name`.
        label: str
        # Name for people; made from the label unless given.
        verbose_name: str
        # The folder of the app.
        path: str

    # Where an `apps` module has several subclasses: True marks the one to use, False takes one out of the choice.
    default: bool

    def __init__(self, name: str, module: ModuleType | None) -> None:
        self.name = name
        # The package or module itself; None for a `Webframe` whose name is not that of a module.
        self.module = module
        # The registry that this configuration was put into.
        self.apps: Registry | None = None
        if not hasattr(self, "label"):
            self.label = name.rpartition(".")[2]
        if not self.label.isidentifier():
            raise ImproperlyConfigured(
                f"The app {name!r} has the label {self.label!r}, which is not a Python identifier. "
                f"Set `label` in its AppConfig."
            )
        if not hasattr(self, "verbose_name"):
            self.verbose_name = self.label.replace("_", " ").title()
        if not hasattr(self, "path"):
            self.path = folder_of(module)
        # The module that holds the models, None if the app has none, and its models by lower-case name.
        self.models_module: ModuleType | None = None
        self.models: dict[str, ModelClass] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.label}>"

    @classmethod
    def create(cls, entry: str) -> AppConfig:
        """Make the configuration that an entry of INSTALLED_APPS names.

        "shop" is a package: the only subclass of `AppConfig` in its `apps`
        module is used (or the one with ``default = True``), `AppConfig` itself
        where there is none. "shop.apps.ShopConfig" is that class.
        """
        if not isinstance(entry, str) or not all(entry.split(".")):
            raise ImproperlyConfigured(f"INSTALLED_APPS has {entry!r}; name a package, or a subclass of AppConfig.")
        module = import_if_exists(entry)
        if module is None:
            return _config_class_at(entry)._from_name(entry)
        config_class = _config_class_of(module)
        if config_class is None:
            return AppConfig(entry, module)
        return config_class._from_name(f"{entry}.apps.{config_class.__name__}")

    @classmethod
    def _from_name(cls, entry: str) -> AppConfig:
        name = getattr(cls, "name", None)
        if not isinstance(name, str):
            raise ImproperlyConfigured(f"The class {entry!r} has no `name`: set it to the dotted name of its package.")
        module = import_if_exists(name)
        if module is None:
            raise ImproperlyConfigured(f"There is no module {name!r}, which is the `name` of {entry!r}.")
        return cls(name, module)

    def import_models(self) -> None:
        """Import the module that holds the models, if there is one; called once by the registry."""
        assert self.apps is not None
        self.models = self.apps.all_models[self.label]
        if self.module is None:
            return
        if hasattr(self.module, "__path__"):
            self.models_module = import_if_exists(f"{self.name}.models")
        else:
            # A module that is no package has no room for models but itself.
            self.models_module = self.module

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> Iterator[ModelClass]:
        """The models of this app, in the order in which they were defined."""
        if self.apps is None or self.models is None:
            raise ImproperlyConfigured(f"The models of {self.label!r} are not loaded yet: call webframe.apps.setup().")
        self.apps.check_models_ready()
        for model in list(self.models.values()):
            if model._meta.auto_created and not include_auto_created:
                continue
            if model._meta.swapped and not include_swapped:
                continue
            yield model

    def get_model(self, model_name: str, require_ready: bool = True) -> ModelClass:
        """The model with this name, upper or lower case. Raises LookupError if there is none.

        With ``require_ready=False`` models may still be missing because they
        are not loaded yet.
        """
        if self.apps is not None:
            self.apps.check_models_ready() if require_ready else self.apps.check_apps_ready()
        models = self.models or {}
        try:
            return models[model_name.lower()]
        except KeyError:
            names = [model.__name__ for model in models.values()]
            raise LookupError(
                f"The app {self.label!r} has no model {model_name!r}.{close_match(model_name, names)}"
            ) from None

    def ready(self) -> None:
        """Called once, when all apps and models are loaded: the place to connect receivers."""


class ImplicitAppConfig(AppConfig):
    """The app that the module of a `Webframe(__name__)` stands for; it counts as having that module's models."""

    def __init__(self, name: str) -> None:
        module = sys.modules.get(name)
        self.label = next(self.labels(name, module))
        if module is None:
            self.path = os.getcwd()
        super().__init__(name, module)

    @staticmethod
    def labels(name: str, module: ModuleType | None) -> Iterator[str]:
        """Labels that would do, best first: the last part of the name, then longer ones if that is taken."""
        if name == "__main__":
            name = _name_of_main(module)
        parts = [_as_identifier(part) for part in name.split(".")]
        for start in reversed(range(len(parts))):
            yield "_".join(parts[start:])
        number = 2
        while True:
            yield f"{'_'.join(parts)}_{number}"
            number += 1

    def has_its_first_label(self) -> bool:
        """Whether no other app had taken the label that this one would have by itself."""
        return self.label == next(self.labels(self.name, self.module))

    def import_models(self) -> None:
        """Take the `models` module of the package, or else the module itself."""
        super().import_models()
        self.models_module = self.models_module or self.module


def import_if_exists(name: str) -> ModuleType | None:
    """Import a module by its dotted name; None if there is no such module. What it fails to import itself is raised."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


def folder_of(module: ModuleType | None) -> str:
    """The folder a package is, or a module lies in."""
    folders = list(dict.fromkeys(getattr(module, "__path__", ())))
    if len(folders) == 1:
        return str(folders[0])
    file = getattr(module, "__file__", None)
    if file is not None:
        return os.path.dirname(os.path.abspath(str(file)))
    if not folders and getattr(module, "__name__", "") == "__main__":
        return os.getcwd()
    raise ImproperlyConfigured(
        f"The app module {module!r} has {len(folders)} folders; set `path` in its AppConfig to the one to use."
    )


def how_to_install(model: ModelClass) -> str:
    """What to do about a model that belongs to no installed app."""
    module = model.__module__
    package, models, _ = f"{module}.".partition(".models.")
    if models:
        return f"Put {package!r} into INSTALLED_APPS"
    if module == "__main__":
        return "Write Webframe(__name__), which makes an app of the program"
    return f"Put {module!r} into INSTALLED_APPS, or write Webframe(__name__) if that module makes an app"


def _config_class_at(entry: str) -> type[AppConfig]:
    """The class that an entry like "shop.apps.ShopConfig" names."""
    module_name, _, class_name = entry.rpartition(".")
    module = import_if_exists(module_name) if module_name else None
    if module is None:
        raise ImproperlyConfigured(
            f"INSTALLED_APPS names {entry!r}, but there is no such module. "
            f"Check its spelling, and that the folder it lies in is on the import path."
        )
    found = getattr(module, class_name, None)
    if isinstance(found, type) and issubclass(found, AppConfig):
        return found
    names = [config_class.__name__ for config_class in _config_classes_in(module)]
    what = "which is no subclass of AppConfig" if found is not None else f"but {module_name!r} has no {class_name!r}"
    raise ImproperlyConfigured(f"INSTALLED_APPS names {entry!r}, {what}.{close_match(class_name, names)}")


def _config_class_of(module: ModuleType) -> type[AppConfig] | None:
    """The configuration to use for a package that is named without one."""
    apps_module = import_if_exists(f"{module.__name__}.apps") if hasattr(module, "__path__") else None
    if apps_module is None:
        return None
    candidates = [each for each in _config_classes_in(apps_module) if getattr(each, "default", True)]
    if len(candidates) > 1:
        candidates = [each for each in candidates if getattr(each, "default", False)] or candidates
    if len(candidates) > 1:
        names = ", ".join(each.__name__ for each in candidates)
        raise ImproperlyConfigured(
            f"{apps_module.__name__!r} has more than one AppConfig to choose from: {names}. Set `default = True` in "
            f"one of them, or name the one to use in INSTALLED_APPS."
        )
    return candidates[0] if candidates else None


def _config_classes_in(module: ModuleType) -> list[type[AppConfig]]:
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, AppConfig)]
    return [each for each in dict.fromkeys(found) if each not in (AppConfig, ImplicitAppConfig)]


def _name_of_main(module: ModuleType | None) -> str:
    """What the program is called: the package of `python -m package`, else the file without its ending."""
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = os.path.basename(getattr(module, "__file__", None) or "main")
    return os.path.splitext(file)[0].replace(".", "_")


def _as_identifier(text: str) -> str:
    cleaned = "".join(character if f"a{character}".isidentifier() else "_" for character in text)
    return cleaned if cleaned.isidentifier() else f"app_{cleaned}"

"""Where the migrations of an app are: the package, and the modules in it.

They are in the package `migrations` of the app's package ("shop.migrations"). An app
that is one file (`notes.py`) has them in a folder beside it that is called after it,
`notes_migrations`, so that several such files can lie in one folder and none of them
takes the migrations of the package around it. MIGRATION_MODULES names other places.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import all_suffixes
from types import ModuleType

from webframe.apps.config import AppConfig
from webframe.conf import settings
from webframe.db.migrations.errors import BadMigrationError
from webframe.db.migrations.migration import Migration

# The name of the package in an app's package; and, behind "_", what comes after the name of an app that is one file.
MIGRATIONS_MODULE_NAME = "migrations"


def migrations_module(config: AppConfig) -> tuple[str | None, bool]:
    """The dotted name of the package with an app's migrations, and whether MIGRATION_MODULES gives it.

    None: the app has no migrations, because the setting says so, or because there
    is no place for them.
    """
    if config.label in settings.MIGRATION_MODULES:
        return settings.MIGRATION_MODULES[config.label], True
    return _default_module(config), False


def _default_module(config: AppConfig) -> str | None:
    module = config.module
    if module is None:
        return None
    if module.__name__ != "__main__":
        return f"{config.name}{'.' if hasattr(module, '__path__') else '_'}{MIGRATIONS_MODULE_NAME}"
    # Run as a program: `python notes.py`, `python -m notes`, or `python -m shop` for a package.
    spec = getattr(module, "__spec__", None)
    if spec is not None and spec.name.endswith(".__main__"):
        return f"{spec.name.removesuffix('__main__')}{MIGRATIONS_MODULE_NAME}"
    name = spec.name if spec is not None else os.path.splitext(os.path.basename(getattr(module, "__file__", "")))[0]
    return f"{name}_{MIGRATIONS_MODULE_NAME}" if name else None


def package_of(config: AppConfig) -> ModuleType | None:
    """The package with the migrations of an app; None if it has none."""
    name, explicit = migrations_module(config)
    if name is None:
        return None
    try:
        package = import_module(name)
    except ModuleNotFoundError as error:
        # What the package, or one around it, fails to import itself is an error.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        if explicit and error.name != name:
            raise BadMigrationError(
                f"MIGRATION_MODULES says that the migrations of {config.label!r} are in {name!r}, but there is no "
                f"module {error.name!r}. Check its spelling, and that the folder it lies in is on the import path."
            ) from error
        return None
    if not hasattr(package, "__path__"):
        raise BadMigrationError(
            f"The migrations of {config.label!r} are to be in the package {name!r}, but that is the file "
            f"{package.__file__}. Make a folder with an '__init__.py' of it, or name another in MIGRATION_MODULES."
        )
    if getattr(package, "__file__", None) is None and not any(each[0].isdigit() for each in module_names(package)):
        return None  # a folder without __init__.py, such as one whose last file git has taken away
    return package


_SUFFIXES = tuple(sorted(all_suffixes(), key=len, reverse=True))


def module_names(package: ModuleType) -> list[str]:
    """The names of the modules in a package, sorted; without packages, and without names that begin with _ or ~."""
    names = set()
    for folder in package.__path__:
        try:
            entries = os.listdir(folder)
        except OSError:
            entries = list(_in_archive(folder))
        for entry in entries:
            suffix = next((each for each in _SUFFIXES if entry.endswith(each)), None)
            if suffix is not None and entry[0] not in "_~.":
                names.add(entry[: -len(suffix)])
    return sorted(names)


def _in_archive(folder: str) -> Iterator[str]:
    """The modules in a part of the import path that is no folder, such as one in a zip file."""
    from pkgutil import iter_modules

    for module in iter_modules([folder]):
        if not module.ispkg:
            yield f"{module.name}.py"


def migration_in(package: ModuleType, name: str, config: AppConfig) -> Migration:
    """The migration in a module of a package. Raises `BadMigrationError` if there is none."""
    full_name = f"{package.__name__}.{name}"
    module = sys.modules.get(full_name) or import_module(full_name)
    found = getattr(module, "Migration", None)
    if not (isinstance(found, type) and issubclass(found, Migration)):
        what = (
            "no class Migration" if found is None else f"as its Migration {found!r}, which is no migrations.Migration"
        )
        raise BadMigrationError(
            f"{module.__file__} is among the migrations of the app {config.label!r} and has {what}. Give it one, or, "
            f"if it is no migration, move it elsewhere or begin its name with an underscore."
        )
    return found(name, config.label)

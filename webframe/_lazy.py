"""Names found on first use: the hinge of the packages' front doors.

A door lists where its public names live; nothing is imported until one is
asked for. It defines nothing itself.
"""

from __future__ import annotations

import sys

# Type checkers know this name; importing it from typing would be most of what `import webframe` costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_door(
    package: str, homes: Mapping[str, str], instead: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Give a package the `__getattr__` and `__dir__` of a lazy door.

    `homes` maps each public name to the module it lives in, relative to the
    package: ``{"Webframe": ".app"}``; no home means that it is a module of the
    package itself. A name found once is kept in the package. A name may be that
    of the module it lives in: the package then shows the name, not the module.
    `instead` says what to write in place of names that people look for and do not find here.
    """
    for name, home in homes.items():
        if home == f".{name}":
            _show_name_for_module(sys.modules[package], name)

    def __getattr__(name: str) -> Any:
        try:
            home = homes[name]
        except KeyError:
            if instead and name in instead:
                # Of an AttributeError `from package import name` would say no more than that there is no such name.
                raise ImportError(f"{package} has no {name!r}. Write {instead[name]}.", name=package) from None
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
        from importlib import import_module

        try:
            value = getattr(import_module(home, package), name) if home else import_module(f".{name}", package)
        except ModuleNotFoundError as error:
            raise missing_dependency(error) from error
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return __getattr__, __dir__


def missing_dependency(error: ModuleNotFoundError) -> ImportError:
    """The error to raise where something is not installed that we depend on: it says how to install that."""
    missing = (error.name or "").partition(".")[0]
    if missing in ("", "webframe"):
        return error
    return ImportError(
        f"webframe needs {missing!r}, which is not installed for {sys.executable}: {error}. Install webframe with all "
        f"that it depends on (pip install webframe), or what is missing: pip install {missing}",
        name=missing,
    )


def _show_name_for_module(package: Any, name: str) -> None:
    """Let a package show the name in a module of the same name, where importing the module would put the module."""

    def get(self: Any) -> Any:
        if name not in vars(self):
            from importlib import import_module

            vars(self)[name] = getattr(import_module(f".{name}", self.__name__), name)
        return vars(self)[name]

    def set_unless_module(self: Any, value: Any) -> None:
        if value is not sys.modules.get(f"{self.__name__}.{name}"):
            vars(self)[name] = value

    kind = type(package)
    package.__class__ = type(kind.__name__, (kind,), {name: property(get, set_unless_module)})


def when_imported(module: str, function: Callable[[], object]) -> None:
    """Call a function once a module of ours is there, which calls `imported` at its end; at once if it is."""
    if module in _imported:
        function()
    elif function not in _waiting.setdefault(module, []):
        _waiting[module].append(function)


def imported(module: str) -> None:
    """Tell that a module is there, to whoever waits for it and does not want to import it."""
    _imported.add(module)
    for function in _waiting.pop(module, ()):
        function()


# Who is to be called when a module is imported, and the modules that have told so.
_waiting: dict[str, list[Callable[[], object]]] = {}
_imported: set[str] = set()


class _Late:
    """Stands for something, under a global name, until it is first used; then the thing itself takes its place."""

    def __init__(self, make: Callable[[], Any], namespace: dict[str, Any]) -> None:
        vars(self).update(_make=make, _namespace=namespace)

    def _made(self) -> Any:
        made = self._make()
        for known_as, value in list(self._namespace.items()):
            if value is self:
                self._namespace[known_as] = made
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._made(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._made(), name)


class LateModule(_Late):
    """A module that is imported at its first use.

    For what not every program needs, such as SQLAlchemy where models are only defined::

        if TYPE_CHECKING:
            import sqlalchemy
        else:
            sqlalchemy = LateModule("sqlalchemy")

    The first ``sqlalchemy.select`` imports it. From the second on that is what it is after a plain import.
    """

    def __init__(self, name: str) -> None:
        vars(self)["__name__"] = name
        super().__init__(self._import, sys._getframe(1).f_globals)

    def _import(self) -> Any:
        from importlib import import_module

        try:
            return import_module(self.__name__)
        except ModuleNotFoundError as error:
            raise missing_dependency(error) from error


def late_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A regular expression that is compiled at its first use, which takes longer than to import a module."""

    def make() -> Any:
        import re

        return re.compile(pattern, flags)

    late: Any = _Late(make, sys._getframe(1).f_globals)
    return late  # type: ignore[no-any-return]

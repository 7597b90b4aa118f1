"""Values as Python source, with the imports that the source needs: what migrations are written with.

A value of a class that is not known here is written by its method
`deconstruct()`, which returns the dotted path of something to call, and the
arguments; or by a serializer that was registered for its class.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import ipaddress
import pathlib
import re
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from webframe.db.migrations.sources import Group, call, flat, quoted, quoted_bytes
from webframe.db.models.enums import Choices
from webframe.db.models.expressions import Expression, F
from webframe.db.models.fields.base import Field
from webframe.db.models.fields.defaults import NOT_PROVIDED
from webframe.db.models.manager import BaseManager

# What a migration imports always, or for most values, under these short names.
MODELS = "from webframe.db import models"
MIGRATIONS = "from webframe.db import migrations"


class BaseSerializer:
    """Writes values of one class; subclass it, and register it with `register_serializer`."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def serialize(self) -> tuple[str, Iterable[str]]:
        """The source of the value, and the lines with imports that it needs."""
        raise NotImplementedError(f"{type(self).__name__} must define serialize().")


class Serializer:
    """Writes values, and gathers the imports that they need.

    `node` returns what `sources.laid_out` makes text of.
    """

    # What was registered for classes, beside what is known here.
    registry: dict[type, type[BaseSerializer]] = {}

    def __init__(self) -> None:
        # Lines such as "import datetime".
        self.imports: set[str] = set()
        # Functions of migrations that the source refers to: whoever squashes those moves them.
        self.borrowed: set[str] = set()

    def node(self, value: Any) -> str | Group:
        """A value as source; raises ValueError for what cannot be written."""
        if isinstance(value, enum.Enum):
            return self._enum(value)
        if isinstance(value, type):
            return self._class(value)
        for cls in type(value).__mro__:
            if cls in self.registry:
                text, imports = self.registry[cls](value).serialize()
                self.imports.update(imports)
                return text
        if hasattr(value, "deconstruct"):
            return self._deconstructed(value)
        if isinstance(value, Expression | F):
            return self.construction(*_arguments_of_expression(value))
        for cls in type(value).__mro__:
            write = _WRITERS.get(cls)
            if write is not None:
                return write(self, value)
        if isinstance(value, Iterable) and not isinstance(value, Mapping):
            return self._items("(", tuple(value), ")")
        raise ValueError(
            f"Cannot write {value!r} into a migration: nobody knows how to write a {type(value).__qualname__}. Give "
            f"its class a method deconstruct() that returns (dotted path, arguments, keyword arguments), or register "
            f"a serializer for it with MigrationWriter.register_serializer()."
        )

    def construction(
        self, path: str, args: Iterable[Any], keywords: Mapping[str, Any], *, spread: bool = False
    ) -> Group:
        """A call of what is found under a dotted path, with these values as arguments."""
        written = [self.node(each) for each in args]
        return call(
            self.name_of(path), written, {name: self.node(each) for name, each in keywords.items()}, spread=spread
        )

    def name_of(self, path: str) -> str:
        """What source calls the thing with a dotted path, imported from there."""
        module, _, name = path.rpartition(".")
        if module == "webframe.db.models":
            self.imports.add(MODELS)
            return f"models.{name}"
        if module in ("webframe.db.migrations", "webframe.db.migrations.operations"):
            self.imports.add(MIGRATIONS)
            return f"migrations.{name}"
        if module == "builtins":
            return name
        return self.in_module(module, name)

    def in_module(self, module: str, name: str) -> str:
        """What source calls a thing of a module: `module.name`, unless no statement can import the module."""
        if module and not all(part.isidentifier() for part in module.split(".")):
            self.imports.add("import importlib")
            self.borrowed.add(f"{module}.{name}")
            return f"importlib.import_module({quoted(module)}).{name}"
        self.imports.add(f"import {module}")
        return f"{module}.{name}"

    # -- kinds of values

    def _deconstructed(self, value: Any) -> str | Group:
        if isinstance(value, Field):
            _, path, args, keywords = value.deconstruct()
            return self.construction(path, args, keywords)
        if isinstance(value, BaseManager):
            return self._manager(value)
        given = value.deconstruct()
        if len(given) != 3:
            raise ValueError(
                f"{type(value).__qualname__}.deconstruct() must return (dotted path, arguments, keyword arguments), "
                f"not {given!r}."
            )
        path, args, keywords = given
        if "." not in path:  # operations give the name of their class alone
            path = f"{type(value).__module__}.{type(value).__qualname__}"
        return self.construction(path, args, keywords)

    def _manager(self, manager: Any) -> str | Group:
        as_manager, path, queryset_path, args, keywords = manager.deconstruct()
        if as_manager:
            return f"{self.name_of(_short(queryset_path))}.as_manager()"
        return self.construction(_short(path), args, keywords)

    def _enum(self, value: enum.Enum) -> str | Group:
        if isinstance(value, Choices):
            return self.node(value.value)
        cls = type(value)
        if cls is re.RegexFlag:
            return self._regex_flags(value)  # type: ignore[arg-type]
        if value.name is None or value.name not in cls.__members__:  # several flags
            return call(self._class(cls), [self.node(value.value)])
        return f"{self._class(cls)}[{quoted(value.name)}]"

    def _class(self, cls: type) -> str:
        if cls is type(None):
            return "type(None)"
        if cls.__module__ == "builtins":
            return cls.__qualname__
        return self._importable(cls, cls.__module__, cls.__qualname__)

    def _importable(self, value: Any, module: str | None, name: str) -> str:
        """The name of a class or a function, which must be found under it. Raises ValueError where it is not."""
        found: Any = None
        if module is not None and "<" not in name:
            try:
                found = functools.reduce(getattr, name.split("."), import_module(module))
            except (ImportError, AttributeError):
                found = None
        # A bound method is another object each time.
        if found is None or (found is not value and found != value):
            raise ValueError(
                f"Cannot write {value!r} into a migration: it cannot be found as {name!r} in the module {module!r}. "
                f"Put it at the top level of a module, with a name (no lambda, nothing within a function)."
            )
        first, _, rest = name.partition(".")
        home, _, first = _short(f"{module}.{first}").rpartition(".")
        return f"{self.name_of(f'{home}.{first}')}{'.' if rest else ''}{rest}"

    def _function(self, function: Any) -> str:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, type):
            return f"{self._class(owner)}.{function.__name__}"
        if isinstance(function, types.MethodType):
            raise ValueError(
                f"Cannot write {function!r} into a migration: it is a method of an object. Use a function at the top "
                f"level of a module, or a class method."
            )
        return self._importable(function, function.__module__, function.__qualname__)

    def _partial(self, value: functools.partial[Any]) -> Group:
        self.imports.add("import functools")
        args = [self.node(each) for each in (value.func, *value.args)]
        return call("functools.partial", args, {name: self.node(each) for name, each in value.keywords.items()})

    def _items(self, opening: str, values: Iterable[Any], closing: str) -> Group:
        return Group(opening, [("", self.node(each)) for each in values], closing)

    def _set(self, value: set[Any] | frozenset[Any]) -> str | Group:
        # In an order that does not depend on hashes.
        nodes = sorted([self.node(each) for each in value], key=flat)
        inner = Group("{", [("", each) for each in nodes], "}")
        if isinstance(value, frozenset):
            return call("frozenset", [Group("[", inner.items, "]")] if nodes else [])
        return inner if nodes else "set()"

    def _dict(self, value: Mapping[Any, Any]) -> Group:
        return Group("{", [(f"{flat(self.node(key))}: ", self.node(each)) for key, each in value.items()], "}")

    def _float(self, value: float) -> str | Group:
        text = float.__repr__(value).replace("e+", "e")
        return text if text.strip("-").isalpha() is False else call("float", [quoted(text)])

    def _number_as_text(self, value: Any) -> Group:
        return self.construction(_path_of_class(value), [str(value)], {})

    def _moment(self, value: Any) -> Group:
        """A date, a time or both."""
        parts = [getattr(value, name) for name in ("year", "month", "day", "hour", "minute") if hasattr(value, name)]
        rest = [getattr(value, name, 0) for name in ("second", "microsecond")]
        while rest and not rest[-1]:
            rest.pop()
        keywords = {"tzinfo": value.tzinfo} if getattr(value, "tzinfo", None) is not None else {}
        if getattr(value, "fold", 0):
            keywords["fold"] = 1
        base = next(cls for cls in (datetime.datetime, datetime.date, datetime.time) if isinstance(value, cls))
        return self.construction(f"datetime.{base.__name__}", [*parts, *rest], keywords)

    def _timedelta(self, value: datetime.timedelta) -> Group:
        parts = {name: getattr(value, name) for name in ("days", "seconds", "microseconds") if getattr(value, name)}
        return self.construction("datetime.timedelta", [], parts)

    def _timezone(self, value: datetime.timezone) -> str | Group:
        self.imports.add("import datetime")
        if value is datetime.UTC:
            return "datetime.timezone.utc"
        return call("datetime.timezone", [self.node(value.utcoffset(None))])

    def _zone(self, value: zoneinfo.ZoneInfo) -> Group:
        if value.key is None:
            raise ValueError(f"Cannot write {value!r} into a migration: the zone has no name.")
        return self.construction("zoneinfo.ZoneInfo", [value.key], {})

    def _regex(self, value: re.Pattern[Any]) -> Group:
        flags = re.RegexFlag(value.flags)
        if isinstance(value.pattern, str):
            flags &= ~re.RegexFlag.UNICODE
        args = [self.node(value.pattern)]
        self.imports.add("import re")
        return call("re.compile", args, {"flags": self._regex_flags(flags)} if flags else {})

    def _regex_flags(self, flags: re.RegexFlag) -> str:
        self.imports.add("import re")
        names = [each.name for each in re.RegexFlag if each & flags]
        return " | ".join(f"re.{name}" for name in names) or "re.RegexFlag(0)"

    def _path(self, value: pathlib.PurePath) -> Group:
        # The same wherever the migration runs.
        pure = pathlib.PurePosixPath if isinstance(value, pathlib.PurePosixPath) else pathlib.PureWindowsPath
        return self.construction(f"pathlib.{pure.__name__}", [value.as_posix()], {})

    def _uuid(self, value: uuid.UUID) -> Group:
        return self.construction("uuid.UUID", [str(value)], {})

    def _range(self, value: range) -> Group:
        return call("range", [repr(each) for each in (value.start, value.stop, value.step)])


_WRITERS: dict[type, Callable[[Serializer, Any], str | Group]] = {
    type(None): lambda self, value: "None",
    bool: lambda self, value: repr(bool(value)),
    int: lambda self, value: int.__repr__(value),
    float: Serializer._float,
    complex: lambda self, value: complex.__repr__(value).replace("e+", "e"),
    decimal.Decimal: Serializer._number_as_text,
    str: lambda self, value: quoted(value),
    bytes: lambda self, value: quoted_bytes(value),
    bytearray: lambda self, value: call("bytearray", [quoted_bytes(value)]),
    list: lambda self, value: self._items("[", value, "]"),
    tuple: lambda self, value: self._items("(", value, ")"),
    set: Serializer._set,
    frozenset: Serializer._set,
    dict: Serializer._dict,
    type({}.keys()): lambda self, value: self._items("[", value, "]"),
    range: Serializer._range,
    datetime.datetime: Serializer._moment,
    datetime.date: Serializer._moment,
    datetime.time: Serializer._moment,
    datetime.timedelta: Serializer._timedelta,
    datetime.timezone: Serializer._timezone,
    zoneinfo.ZoneInfo: Serializer._zone,
    uuid.UUID: Serializer._uuid,
    re.Pattern: Serializer._regex,
    pathlib.PurePath: Serializer._path,
    functools.partial: Serializer._partial,
    types.FunctionType: Serializer._function,
    types.BuiltinFunctionType: Serializer._function,
    types.MethodType: Serializer._function,
    functools._lru_cache_wrapper: Serializer._function,
    ipaddress.IPv4Address: Serializer._number_as_text,
    ipaddress.IPv6Address: Serializer._number_as_text,
    ipaddress.IPv4Network: Serializer._number_as_text,
    ipaddress.IPv6Network: Serializer._number_as_text,
}


def serialize(value: Any) -> tuple[str, set[str]]:
    """A value as source on one line, and the imports that it needs."""
    serializer = Serializer()
    node = serializer.node(value)
    return flat(node), serializer.imports


# -- paths


def _path_of_class(value: Any) -> str:
    cls = type(value)
    return f"{cls.__module__}.{cls.__qualname__}"


@functools.cache
def _short(path: str) -> str:
    """The path that people write: that of a front door of ours, where the same thing is found there."""
    module, _, name = path.rpartition(".")
    for door in ("webframe.db.models.functions", "webframe.db.models", "webframe.db.migrations"):
        if module.startswith(f"{door}."):
            try:
                if getattr(import_module(door), name) is getattr(import_module(module), name):
                    return f"{door}.{name}"
            except (ImportError, AttributeError):
                continue
    return path


# -- expressions


def _arguments_of_expression(expression: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """What makes an equal expression: path, arguments, keyword arguments.

    An expression keeps its arguments under their names, as ours do, or it
    defines `deconstruct()`. That what is written is equal is made sure of here.
    """
    cls = type(expression)
    found = _kept_arguments(expression)
    if found is not None:
        args, keywords = found
        try:
            if cls(*args, **keywords) == expression:
                return _short(_path_of_class(expression)), args, keywords
        except (TypeError, ValueError):
            pass
    raise ValueError(
        f"Cannot write {expression!r} into a migration: the arguments it was made of are not known. Give "
        f"{cls.__qualname__} a method deconstruct() that returns (dotted path, arguments, keyword arguments)."
    )


def _kept_arguments(expression: Any) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    if isinstance(expression, F):
        return (expression.name,), {}
    kept = vars(expression)
    sources = list(kept.get("source_expressions", ()))
    args: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, parameter in list(signature(type(expression).__init__).parameters.items())[1:]:
        if parameter.kind is Parameter.VAR_POSITIONAL:
            args.extend(sources or kept.get(name, ()))
            sources = []
        elif parameter.kind is Parameter.VAR_KEYWORD:
            keywords.update(kept.get("extra", {}))
        elif (value := _kept(expression, name)) is not NOT_PROVIDED:
            if parameter.default is not Parameter.empty and value is parameter.default:
                continue
            if parameter.default is Parameter.empty and not keywords:
                args.append(value)
            else:
                keywords[name] = value
        elif sources:
            args.append(sources.pop(0))
    return (tuple(args), keywords) if not sources else None


def _kept(expression: Any, name: str) -> Any:
    """The argument of this name, as an expression keeps it."""
    kept = vars(expression)
    for key in (name, f"_{name}"):
        if key in kept:
            return kept[key]
    return kept["result"] if name == "then" else NOT_PROVIDED

"""Finding the app that a command is about, and importing it.

The name comes from `--app`, else from the variable `WEBFRAME_APP`, else from the
first of wsgi.py, asgi.py, app.py and main.py in the current folder that holds an
app, else from `app` in `[tool.webframe]` of pyproject.toml. Its forms:

::

    notes                               app, application, the only Webframe, create_app() or make_app() of that module
    notes:app                           that object, dotted as deep as need be
    notes:create_app                    a function is called
    notes:create_app("test", debug=1)   with arguments, which must be literals
    shop/notes.py                       a file, alone or with any of the above after a colon
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import webframe
from webframe._lazy import LateModule
from webframe.core.management.errors import AppNotFound, NoAppInModule, UserCodeError, has_user_frames

if TYPE_CHECKING:
    import difflib
    import pathlib
    import pkgutil
    import tomllib

    from webframe.app import Webframe
else:
    difflib = LateModule("difflib")
    pathlib = LateModule("pathlib")
    pkgutil = LateModule("pkgutil")
    tomllib = LateModule("tomllib")

# Files of the current folder in which an app is looked for, in this order.
APP_FILES = ("wsgi.py", "asgi.py", "app.py", "main.py")
APP_NAMES = ("app", "application")
FACTORY_NAMES = ("create_app", "make_app")


class FoundApp(NamedTuple):
    """An app and the import string under which it was found, such as `notes:app`."""

    app: Webframe
    target: str


class Expression(NamedTuple):
    """What stands after the colon of an import string: `obj.attr` or a call of it."""

    names: tuple[str, ...]
    called: bool = False
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    @property
    def dotted(self) -> str:
        """The names as they were written."""
        return ".".join(self.names)


def find_app(given: str | None = None) -> FoundApp:
    """Import the app that was named, or find the one that belongs to the current folder.

    Raises AppNotFound, whose message says what was tried, or UserCodeError when
    the project's own code raises.
    """
    folder = os.getcwd()
    if not sys.path or sys.path[0] != folder:
        sys.path.insert(0, folder)
    if given is not None:
        return load_app(given, "--app")
    if from_environment := os.environ.get("WEBFRAME_APP"):
        return load_app(from_environment, "WEBFRAME_APP")
    return discover_app(pathlib.Path(folder))


def discover_app(folder: pathlib.Path) -> FoundApp:
    """Find the app by the files of a folder."""
    empty: list[str] = []
    for file in APP_FILES:
        if (folder / file).is_file():
            try:
                return load_app(file)
            except NoAppInModule:
                empty.append(file)
    if (from_project := read_project_file(folder / "pyproject.toml")) is not None:
        return load_app(from_project, "[tool.webframe] app in pyproject.toml")
    seen = f" ({_join(empty)} there, but without a Webframe)" if empty else ""
    raise AppNotFound(
        f"No app found in {folder}: looked into {_join(APP_FILES)}{seen} and at [tool.webframe] in pyproject.toml. "
        "Name it with --app module:attribute or WEBFRAME_APP."
    )


def read_project_file(path: pathlib.Path) -> str | None:
    """Read `app` in `[tool.webframe]` of a pyproject.toml; None when there is none."""
    try:
        with path.open("rb") as file:
            value: Any = tomllib.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise AppNotFound(f"{path.name} cannot be read: {error}") from error
    for key in ("tool", "webframe"):
        value = value.get(key, {})
        if not isinstance(value, dict):
            raise AppNotFound(f"{key} in {path.name} is {value!r}, not a table.")
    value = value.get("app")
    if value is not None and not isinstance(value, str):
        raise AppNotFound(f'[tool.webframe] app in {path.name} is {value!r}; write a string: app = "module:attribute".')
    return value


def load_app(target: str, source: str = "") -> FoundApp:
    """Import what `target` names; `source` says in messages where that name was given, if anybody gave it."""
    where = f"{source} {target!r}" if source else target
    place, text = _split(target)
    expression = _parse(text, where) if text is not None else None
    if place.endswith(".py") or "/" in place or os.sep in place:
        name, file = _locate(place, where)
    else:
        name, file = place, None
    module = _import(name, where)
    if file is not None:
        _check_file(module, file, where)
    if expression is None:
        return _search(module, where)
    value = _follow(module, expression, where)
    if expression.called:
        app = _call(value, expression, where)
    else:
        app = value if _is_app(value) or not inspect.isroutine(value) else _call(value, expression, where)
    if not _is_app(app):
        raise AppNotFound(_not_an_app(where, module, app))
    return FoundApp(app, f"{name}:{text}")


def _split(target: str) -> tuple[str, str | None]:
    """Split `module:expression`; the colon of a Windows drive is part of the path."""
    drive, rest = os.path.splitdrive(target.strip())
    place, colon, text = rest.partition(":")
    return drive + place, text.strip() if colon else None


def _parse(text: str, where: str) -> Expression:
    """Read `obj.attr` or `factory('literal', key=1)`."""
    advice = f"{where}: after the colon comes a name, or a call whose arguments are literals."
    try:
        node = ast.parse(text, mode="eval").body
        call = node if isinstance(node, ast.Call) else None
        names = _dotted_names(call.func if call else node)
        arguments = tuple(ast.literal_eval(argument) for argument in call.args) if call else ()
        keywords = tuple((_keyword(item), ast.literal_eval(item.value)) for item in call.keywords) if call else ()
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise AppNotFound(advice) from None
    return Expression(names, call is not None, arguments, keywords)


def _dotted_names(node: ast.expr) -> tuple[str, ...]:
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name):
            return (*_dotted_names(value), name)
    raise ValueError("neither a name nor an attribute")


def _keyword(item: ast.keyword) -> str:
    if item.arg is None:
        raise ValueError("**mapping is not a literal argument")
    return item.arg


def _locate(place: str, where: str) -> tuple[str, pathlib.Path]:
    """Turn the path of a file or package into the name to import, and put its root on the path.

    The root is the nearest folder above that is not itself a package, so that relative imports work.
    """
    path = pathlib.Path(os.path.abspath(place))  # not resolve(): what a link stands beside is what it imports
    if path.is_dir():
        path /= "__init__.py"
    elif path.suffix != ".py":
        path = path.with_suffix(".py")
    if not path.is_file():
        known = [file.name for file in path.parent.glob("*.py")]
        raise AppNotFound(f"{where}: there is no file {path}.{_near(path.name, known)}")
    parts = [] if path.name == "__init__.py" else [path.stem]
    root = path.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if sys.path[0] != str(root):
        sys.path.insert(0, str(root))
    return ".".join(parts), path


def _import(name: str, where: str) -> ModuleType:
    if not all(name.split(".")):
        raise AppNotFound(f"{where}: before the colon comes the name of a module, such as notes or shop.notes.")
    try:
        __import__(name)
    except SystemExit as error:
        raise AppNotFound(f"{where}: module {name!r} called sys.exit({error.code!r}) while it was imported.") from None
    except Exception as error:
        # A SyntaxError has no frame of the file it is about, and yet is the user's.
        if isinstance(error, SyntaxError) or has_user_frames(error):
            raise UserCodeError(f"{where} cannot be imported", error) from error
        if isinstance(error, ModuleNotFoundError):
            raise AppNotFound(f"{where}: {_no_module(name, error.name or name)}") from None
        raise AppNotFound(f"{where}: module {name!r} cannot be imported: {error}.") from None
    return sys.modules[name]


def _no_module(name: str, missing: str) -> str:
    """Say which part of a dotted module name is not there, and what comes near it."""
    parent, _, last = missing.rpartition(".")
    if not parent:
        names = [module.name for module in pkgutil.iter_modules([os.getcwd()])]
        return f"there is no module {missing!r} in {os.getcwd()} or where Python looks.{_near(last, names)}"
    folders = getattr(sys.modules.get(parent), "__path__", None)
    if folders is None:
        return f"{parent!r} is a module, not a package, so there is no {name!r}. An attribute comes after a colon."
    names = [module.name for module in pkgutil.iter_modules(folders)]
    return f"there is no module {last!r} in package {parent!r}.{_near(last, names)}"


def _check_file(module: ModuleType, file: pathlib.Path, where: str) -> None:
    """Refuse a module that came from elsewhere because its name was taken, as by app.py of another folder."""
    origin = getattr(module, "__file__", None)
    if origin is None or not os.path.exists(origin) or not os.path.samefile(origin, file):
        taken_by = origin or "a built-in module"
        raise AppNotFound(f"{where}: the name {module.__name__!r} is taken by {taken_by}; rename {file.name}.")


def _search(module: ModuleType, where: str) -> FoundApp:
    """Find the app of a module that was named alone."""
    name, attributes = module.__name__, vars(module)
    for attribute in APP_NAMES:
        if _is_app(app := attributes.get(attribute)):
            return FoundApp(app, f"{name}:{attribute}")
    # By identity, because an app may have several names; the first one counts.
    apps = {id(value): (attribute, value) for attribute, value in reversed(attributes.items()) if _is_app(value)}
    if len(apps) == 1:
        [(attribute, app)] = apps.values()
        return FoundApp(app, f"{name}:{attribute}")
    if apps:
        names = sorted(attribute for attribute, _ in apps.values())
        choice = f"{name}:{names[0]}"
        raise AppNotFound(
            f"{where}: module {name!r} has several Webframe objects, {_join(names)}; say which: {choice!r}."
        )
    for attribute in FACTORY_NAMES:
        if inspect.isroutine(factory := attributes.get(attribute)):
            app = _call(factory, Expression((attribute,)), where)
            if not _is_app(app):
                raise AppNotFound(f"{where}: {attribute}() of module {name!r} returned {_kind(app)}, not a Webframe.")
            return FoundApp(app, f"{name}:{attribute}()")
    raise NoAppInModule(
        f"{where}: module {name!r} ({getattr(module, '__file__', None) or 'built in'}) has no Webframe and no "
        f"{_join(FACTORY_NAMES, 'or')}; add one, or name it with module:attribute."
    )


def _follow(module: ModuleType, expression: Expression, where: str) -> Any:
    """Walk from a module along dotted names."""
    value: Any = module
    for position, name in enumerate(expression.names):
        try:
            value = getattr(value, name)
        except AttributeError:
            path = ".".join(expression.names[:position])
            owner = repr(path) if path else f"module {module.__name__!r}"
            raise AppNotFound(f"{where}: {owner} has no attribute {name!r}.{_near(name, dir(value))}") from None
        except Exception as error:
            raise UserCodeError(f"{where} cannot be read", error) from error
    return value


def _call(factory: Any, expression: Expression, where: str) -> Any:
    """Call a factory; arguments that do not fit are one line, an error inside is the user's traceback."""
    keywords = dict(expression.keywords)
    if not callable(factory):
        raise AppNotFound(f"{where}: {expression.dotted!r} is {_kind(factory)}, which cannot be called.")
    try:
        inspect.signature(factory).bind(*expression.arguments, **keywords)
    except TypeError as error:
        raise AppNotFound(f"{where}: {expression.dotted}() cannot be called like this: {error}.") from None
    except ValueError:
        pass  # Its signature cannot be read, as with some callables written in C: the call will tell.
    try:
        made = factory(*expression.arguments, **keywords)
    except Exception as error:
        raise UserCodeError(f"{where}: {expression.dotted}() failed", error) from error
    if inspect.iscoroutine(made):
        made.close()  # Otherwise Python warns that it was never awaited, a second message for one mistake.
        raise AppNotFound(f"{where}: {expression.dotted}() is async; a factory of an app is a plain function.")
    return made


def _is_app(value: Any) -> TypeGuard[Webframe]:
    """Tell whether a value is a Webframe, looking at its type only: a proxy's `__class__` may raise."""
    return issubclass(type(value), webframe.Webframe)


def _not_an_app(where: str, module: ModuleType, value: Any) -> str:
    apps = [name for name, other in vars(module).items() if _is_app(other)]
    hint = f" Module {module.__name__!r} has {_join(apps)}." if apps else ""
    return f"{where}: that is {_kind(value)}, not a Webframe.{hint}"


def _kind(value: Any) -> str:
    """Name the type of a value in a sentence."""
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    return "None" if value is None else f"an object of type {type(value).__qualname__}"


def _near(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, [other for other in known if not other.startswith("__")], n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def _join(words: Iterable[str], conjunction: str = "and") -> str:
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last

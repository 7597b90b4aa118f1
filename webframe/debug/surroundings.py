"""What surrounded an error, as text for the debug page: the request, the settings that were changed, the versions.

Nothing is read here that had not been read before: a body that nobody parsed
stays where it is.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any

from webframe.conf import defaults, settings
from webframe.debug.values import HIDDEN, attempt, hide_secrets, is_secret, shorten, show, text_of
from webframe.http.request import Request

Pair = tuple[str, str]

# Pairs shown of one table, and packages whose versions are shown if they are loaded.
MOST_PAIRS = 200
PACKAGES = ("webframe", "werkzeug", "jinja2", "asgiref", "sqlalchemy", "gunicorn", "uvicorn", "hypercorn", "granian")

# Stands for the default of a setting that is the project's own.
_NO_DEFAULT = object()


def describe_request(request: Request) -> list[tuple[str, list[Pair]]]:
    """Return what there is to know of the request, without reading a body that nobody has read yet."""
    parts: list[tuple[str, Callable[[], list[Pair]]]] = [
        ("Route", lambda: _route(request)),
        ("Query", lambda: _fields(request.args)),
        ("Form", lambda: _fields(request.__dict__.get("form"))),
        ("Files", lambda: [(name, show(file)) for name, file in _items(request.__dict__.get("files"))]),
        ("Headers", lambda: _fields(request.headers)),
    ]
    described = []
    for title, describe in parts:
        pairs = attempt(describe, lambda error: [("?", f"cannot be read: {type(error).__name__}: {text_of(error)}")])
        if pairs:
            described.append((title, pairs))
    return described


def _route(request: Request) -> list[Pair]:
    pairs = [
        ("client", request.remote_addr),
        ("protocol", "WSGI" if request.scope is None else "ASGI"),
        ("route", request.url_rule),
        ("endpoint", request.endpoint),
        *(request.view_args or {}).items(),
    ]
    return [
        (str(name), HIDDEN if is_secret(name) else value if isinstance(value, str) else show(value))
        for name, value in pairs
        if value is not None
    ]


def _fields(fields: Any) -> list[Pair]:
    return [(str(name), HIDDEN if is_secret(name) else _plain(value)) for name, value in _items(fields)]


def _items(fields: Any) -> list[tuple[Any, Any]]:
    if fields is None:
        return []
    multiple = getattr(fields, "getlist", None) is not None and isinstance(fields, dict)
    return list(islice(fields.items(multi=True) if multiple else fields.items(), MOST_PAIRS))


def _plain(value: object) -> str:
    return shorten(hide_secrets(value), 1000) if isinstance(value, str) else show(value)


def changed_settings() -> list[Pair]:
    """Return the settings that differ from their defaults, or have none."""

    def changed() -> list[Pair]:
        pairs = []
        for name in dir(settings):
            if name.isupper() and not name.startswith("_"):
                value = getattr(settings, name)
                if value != defaults().get(name, _NO_DEFAULT):
                    pairs.append((name, show(value, name)))
        return pairs

    return attempt(changed, lambda error: [("?", f"cannot be read: {type(error).__name__}: {text_of(error)}")])


def loaded_versions() -> list[Pair]:
    pairs = [("Python", platform.python_version()), ("Platform", platform.platform(terse=True))]
    pairs += [(package, _version(package)) for package in PACKAGES if package in sys.modules]
    return pairs


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"

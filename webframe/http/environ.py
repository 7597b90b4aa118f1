"""A WSGI environ for code that expects one, built from an ASGI scope when somebody reads it.

Receivers of `request_started`, and libraries made for WSGI, get the same keys under both protocols. Our own code reads
the scope itself, so that a request nobody looks at in this way costs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from webframe.http.headers import combined

Scope = Mapping[str, Any]


class ScopeEnviron(dict[str, Any]):
    """The environ of PEP 3333 for an ASGI scope, built when it is first touched.

    A real dictionary, since PEP 3333 asks for one and werkzeug insists, but one that is empty underneath until any of
    its methods is called. `stream` becomes ``wsgi.input``; None stands for an empty body.
    """

    __slots__ = ("_scope", "_stream")

    def __init__(self, scope: Scope, stream: IO[bytes] | None = None) -> None:
        # The scope, until the environ is built from it.
        self._scope: Scope | None = scope
        self._stream = stream

    def _build(self) -> None:
        """Fill the dictionary; what is called once it is full does nothing."""
        scope, self._scope = self._scope, None
        if scope is not None:
            dict.update(self, build_environ(scope, self._stream))


def _building(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def call(self: ScopeEnviron, *args: Any, **kwargs: Any) -> Any:
        if self._scope is not None:
            self._build()
        return method(self, *args, **kwargs)

    call.__name__ = name
    call.__doc__ = method.__doc__
    return call


if not TYPE_CHECKING:
    for _name in (
        *("__contains__", "__delitem__", "__eq__", "__getitem__", "__ior__", "__iter__", "__len__", "__ne__", "__or__"),
        *("__repr__", "__reversed__", "__ror__", "__setitem__", "clear", "copy", "get", "items", "keys", "pop"),
        *("popitem", "setdefault", "update", "values"),
    ):
        setattr(ScopeEnviron, _name, _building(_name))


def build_environ(scope: Scope, stream: IO[bytes] | None = None) -> dict[str, Any]:
    """Return the WSGI environ that a server would make of the request in this scope."""
    root_path, path = split_path(scope)
    query = scope.get("query_string", b"").decode("latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.get("method", "GET"),
        "SCRIPT_NAME": as_latin_1(root_path),
        "PATH_INFO": as_latin_1(path),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",  # PEP 3333: neither may be empty
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO() if stream is None else stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.get("raw_path"):
        target = scope["raw_path"].decode("latin-1")
        environ["REQUEST_URI"] = f"{target}?{query}" if query else target
    if scope.get("server"):
        name, port = scope["server"]
        environ["SERVER_NAME"], environ["SERVER_PORT"] = name, "" if port is None else str(port)
    if scope.get("client"):
        host, port = scope["client"]
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = host, str(port)
    for name, value in combined(scope["headers"]).items():
        key = name.decode("latin-1").upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value.decode("latin-1")
    return environ


def split_path(scope: Scope) -> tuple[str, str]:
    """Return (root_path, the path below it) of a scope, both as decoded text, the first without a slash at its end.

    >>> split_path({"root_path": "/shop", "path": "/shop/cart"})
    ('/shop', '/cart')

    By the ASGI specification ``path`` begins with ``root_path``; servers older than that rule leave it out.
    """
    path: str = scope["path"]
    root_path: str = scope.get("root_path") or ""
    if not root_path:
        return "", path
    root_path = root_path.rstrip("/")
    if path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in ("", "/"):
        path = path[len(root_path) :]
    return root_path, path


def decode_path(environ: Mapping[str, Any], key: str) -> str:
    """Return SCRIPT_NAME or PATH_INFO as text.

    PEP 3333 has the bytes of the path, percent-decoded, as latin-1. What is not UTF-8 becomes replacement characters.
    httpx's WSGITransport puts the text itself there; that is known by characters outside of latin-1 or, where those
    inside of it are not UTF-8, by the lack of what every server says about a request.
    """
    raw: str = environ.get(key) or ""
    if raw.isascii():
        return raw
    try:
        octets = raw.encode("latin-1")
    except UnicodeEncodeError:
        return raw.encode(errors="replace").decode()
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return raw if _comes_from_memory(environ) else octets.decode(errors="replace")


def _comes_from_memory(environ: Mapping[str, Any]) -> bool:
    """Whether no server made this environ, but a transport that calls the application directly."""
    told_by_servers = ("REQUEST_URI", "RAW_URI", "SERVER_SOFTWARE", "wsgi.input_terminated", "werkzeug.socket")
    return isinstance(environ.get("wsgi.input"), BytesIO) and not any(key in environ for key in told_by_servers)


def as_latin_1(text: str) -> str:
    """Return text as PEP 3333 has it in an environ: the bytes of its UTF-8, as latin-1."""
    return text if text.isascii() else text.encode(errors="replace").decode("latin-1")

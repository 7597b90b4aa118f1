"""Requests for tests: an `httpx.Request` as servers would hand it on, and requests for calling views without an app."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from webframe.http.request import Request
from webframe.test._httpx import httpx

# The client's end of the connection, as the app sees it.
CLIENT_ADDRESS = ("127.0.0.1", 50000)

# What a test client calls the server, unless it is told otherwise. No ALLOWED_HOSTS refuses it.
BASE_URL = "http://testserver"

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def environ_of(request: httpx.Request) -> dict[str, Any]:
    """The WSGI environ that a server would make of a request (PEP 3333).

    A body that is an iterator is read only as far as the app reads it. Header
    fields whose names have underscores are left out, as servers do: in an
    environ they could not be told from others.
    """
    path, _, query = request.url.raw_path.partition(b"?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("ascii"),
        "SERVER_NAME": request.url.raw_host.decode("ascii"),
        "SERVER_PORT": str(request.url.port or _PORTS[request.url.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": CLIENT_ADDRESS[0],
        "REMOTE_PORT": str(CLIENT_ADDRESS[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.url.scheme,
        "wsgi.input": _input_of(request),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in request.headers.raw:
        if b"_" in raw_name:
            continue
        name = raw_name.decode("ascii").upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'COOKIE' else ','}{value}"
        environ[key] = value
    return environ


def scope_of(request: httpx.Request) -> MutableMapping[str, Any]:
    """The ASGI scope that a server would make of a request."""
    raw_path, _, query = request.url.raw_path.partition(b"?")
    host = request.url.raw_host.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": CLIENT_ADDRESS,
        "server": (host, request.url.port or _PORTS[request.url.scheme]),
    }


def _input_of(request: httpx.Request) -> IO[bytes]:
    """The body as a file."""
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return io.BytesIO(request.read())
    if not isinstance(stream, httpx.SyncByteStream):
        raise TypeError(f"The body of {request!r} can be read by async code only: send it with an AsyncClient.")
    return io.BufferedReader(Upload(stream), 64 * 1024)


class Upload(io.RawIOBase):
    """A body that comes in pieces, as a file.

    To the app, an error of who sends it is a client that went away: `OSError`.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        # What has come and was not read yet.
        self._rest = memoryview(b"")
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                piece = next(self._pieces, None)
            except Exception as error:
                self.error = error
            if self.error is not None:
                raise OSError("The client failed while it was sending its body.") from self.error
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class RequestFactory:
    """Makes requests as they come from a WSGI server, for calling views without an app around them.

    ::

        requests = RequestFactory(headers={"Accept-Language": "de"})
        response = show_note(requests.get("/notes/1", params={"page": 2}), pk=1)

    Takes what an httpx client takes that concerns requests: `base_url`, which is
    ``http://testserver`` unless given, `headers`, `cookies`, `params`. Neither
    middleware nor error handlers have a part in it, and `request.route` is None.
    """

    def __init__(self, **options: Any) -> None:
        self._client = httpx.Client(transport=_NOWHERE, **{"base_url": BASE_URL, **options})

    def request(self, method: str, url: str, **options: Any) -> Request:
        """A request; takes what `httpx.Client.build_request` takes: params, headers, content, data, json ..."""
        return self._made_of(self._client.build_request(method, url, **options))

    def _made_of(self, request: httpx.Request) -> Request:
        return Request(environ_of(request))

    def get(self, url: str, **options: Any) -> Request:
        """A GET request."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Request:
        """A HEAD request."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Request:
        """An OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def trace(self, url: str, **options: Any) -> Request:
        """A TRACE request."""
        return self.request("TRACE", url, **options)

    def post(self, url: str, **options: Any) -> Request:
        """A POST request; `data` is a form, or `json`, or `content` as it is."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Request:
        """A PUT request."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Request:
        """A PATCH request."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Request:
        """A DELETE request."""
        return self.request("DELETE", url, **options)


class AsyncRequestFactory(RequestFactory):
    """Like `RequestFactory`, for requests as they come from an ASGI server."""

    def _made_of(self, request: httpx.Request) -> Request:
        return Request.from_scope(scope_of(request), io.BytesIO(request.read()))


def _nowhere(request: httpx.Request) -> httpx.Response:
    raise RuntimeError("A request factory sends nothing.")


# Keeps httpx from preparing real connections, which takes it 20 ms.
_NOWHERE = httpx.MockTransport(_nowhere)

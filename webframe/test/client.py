"""httpx clients for tests, over either protocol.

`Client(app)` and `AsyncClient(app)` are httpx's own clients with transports of
ours. Entering one starts the app, leaving it shuts the app down. When a request
raises an error that nobody handled, the client raises it, unless told otherwise.
What was rendered for a response is found on it, and WebSockets can be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from webframe.test._httpx import httpx
from webframe.test.arguments import told_apart
from webframe.test.asgi_transport import ASGITransport, LoopTransport
from webframe.test.lifespan import PATIENCE, found_app
from webframe.test.recording import ContextList, Recording
from webframe.test.requests import BASE_URL, AsyncRequestFactory, RequestFactory, environ_of, scope_of
from webframe.test.responses import ClientResponse
from webframe.test.websocket import (
    HANDSHAKE,
    AsyncWebSocketSession,
    WebSocketClosed,
    WebSocketRefused,
    WebSocketSession,
    websocket_scope,
)
from webframe.test.wsgi_transport import WSGITransport

__all__ = [
    "ASGITransport",
    "AsyncClient",
    "AsyncRequestFactory",
    "AsyncWebSocketSession",
    "Client",
    "ClientResponse",
    "ContextList",
    "LoopTransport",
    "RequestFactory",
    "WSGITransport",
    "WebSocketClosed",
    "WebSocketRefused",
    "WebSocketSession",
    "environ_of",
    "scope_of",
]

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager

    P = ParamSpec("P")

    # What methods of httpx give with our transports.

    def _plain(method: Callable[Concatenate[Any, P], Any]) -> Callable[Concatenate[Any, P], ClientResponse]: ...

    def _async(
        method: Callable[Concatenate[Any, P], Any],
    ) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, ClientResponse]]: ...

    def _plain_stream(
        method: Callable[Concatenate[Any, P], Any],
    ) -> Callable[Concatenate[Any, P], _GeneratorContextManager[ClientResponse, None, None]]: ...

    def _async_stream(
        method: Callable[Concatenate[Any, P], Any],
    ) -> Callable[Concatenate[Any, P], _AsyncGeneratorContextManager[ClientResponse, None]]: ...


class _Raising:
    """Whether a client raises what nobody handled can be changed at any time, under Django's name too."""

    # What calls the app.
    _caller: ASGITransport | WSGITransport

    @property
    def raise_app_exceptions(self) -> bool:
        """Whether an error that nobody handled is raised in the test."""
        return self._caller.raise_app_exceptions

    @raise_app_exceptions.setter
    def raise_app_exceptions(self, value: bool) -> None:
        self._caller.raise_app_exceptions = value

    raise_request_exception = raise_app_exceptions


class Client(_Raising, httpx.Client):
    """An httpx client that talks to an app under WSGI, or under ASGI with ``protocol="asgi"``.

    Without an app it talks to the one that the command `webframe` finds. In a
    ``with`` block the app is started before the first request and shut down after
    the last one, unless it runs already or `lifespan` is False. The options are
    those of httpx.
    """

    def __init__(
        self,
        app: Callable[..., Any] | None = None,
        *,
        protocol: str = "wsgi",
        raise_app_exceptions: bool = True,
        lifespan: bool = True,
        **options: Any,
    ) -> None:
        if protocol not in ("wsgi", "asgi"):
            raise ValueError(f"The protocol of a client is 'wsgi' or 'asgi', not {protocol!r}.")
        self.app = found_app() if app is None else app
        self.protocol = protocol
        same: dict[str, Any] = {"raise_app_exceptions": raise_app_exceptions, "lifespan": lifespan}
        transport: httpx.BaseTransport
        self._asgi: ASGITransport | None = None
        if protocol == "asgi":
            self._caller = self._asgi = ASGITransport(self.app, **same)
            transport = LoopTransport(self._asgi)
        else:
            self._caller = transport = WSGITransport(self.app, **same)
        super().__init__(transport=transport, **{"base_url": BASE_URL, **options})

    def websocket_connect(
        self, url: str, subprotocols: Iterable[str] = (), *, timeout: float | None = PATIENCE, **options: Any
    ) -> WebSocketSession:
        """Open a WebSocket in a ``with`` block; needs ``protocol="asgi"``.

        The options are `params`, `headers` and `cookies`. Raises `WebSocketRefused`
        when the app does not accept it.
        """
        if self._asgi is None:
            raise RuntimeError("WSGI knows no WebSockets: use Client(app, protocol='asgi').")
        return WebSocketSession(_connect(self, self._asgi, url, subprotocols, timeout, options))

    if TYPE_CHECKING:
        request = _plain(httpx.Client.request)
        send = _plain(httpx.Client.send)
        get = _plain(httpx.Client.get)
        head = _plain(httpx.Client.head)
        options = _plain(httpx.Client.options)
        post = _plain(httpx.Client.post)
        put = _plain(httpx.Client.put)
        patch = _plain(httpx.Client.patch)
        delete = _plain(httpx.Client.delete)
        stream = _plain_stream(httpx.Client.stream)
    else:
        get = told_apart(httpx.Client.get)
        head = told_apart(httpx.Client.head)
        options = told_apart(httpx.Client.options)
        post = told_apart(httpx.Client.post)
        put = told_apart(httpx.Client.put)
        patch = told_apart(httpx.Client.patch)
        delete = told_apart(httpx.Client.delete)

        def send(self, request: httpx.Request, **options: Any) -> ClientResponse:
            return _marked(super().send(request, **options), self)


class AsyncClient(_Raising, httpx.AsyncClient):
    """An async httpx client that talks to an app under ASGI, in the test's own event loop; else like `Client`."""

    def __init__(
        self,
        app: Callable[..., Any] | None = None,
        *,
        raise_app_exceptions: bool = True,
        lifespan: bool = True,
        **options: Any,
    ) -> None:
        self.app = found_app() if app is None else app
        self._asgi = ASGITransport(self.app, raise_app_exceptions=raise_app_exceptions, lifespan=lifespan)
        self._caller = self._asgi
        super().__init__(transport=self._asgi, **{"base_url": BASE_URL, **options})

    def websocket_connect(
        self, url: str, subprotocols: Iterable[str] = (), *, timeout: float | None = PATIENCE, **options: Any
    ) -> AsyncWebSocketSession:
        """Open a WebSocket in an ``async with`` block; else like `Client.websocket_connect`."""
        return _connect(self, self._asgi, url, subprotocols, timeout, options)

    if TYPE_CHECKING:
        request = _async(httpx.AsyncClient.request)
        send = _async(httpx.AsyncClient.send)
        get = _async(httpx.AsyncClient.get)
        head = _async(httpx.AsyncClient.head)
        options = _async(httpx.AsyncClient.options)
        post = _async(httpx.AsyncClient.post)
        put = _async(httpx.AsyncClient.put)
        patch = _async(httpx.AsyncClient.patch)
        delete = _async(httpx.AsyncClient.delete)
        stream = _async_stream(httpx.AsyncClient.stream)
    else:
        get = told_apart(httpx.AsyncClient.get)
        head = told_apart(httpx.AsyncClient.head)
        options = told_apart(httpx.AsyncClient.options)
        post = told_apart(httpx.AsyncClient.post)
        put = told_apart(httpx.AsyncClient.put)
        patch = told_apart(httpx.AsyncClient.patch)
        delete = told_apart(httpx.AsyncClient.delete)

        async def send(self, request: httpx.Request, **options: Any) -> ClientResponse:
            return _marked(await super().send(request, **options), self)


def _marked(response: Any, client: Client | AsyncClient) -> Any:
    """The response, which knows now who has got it, and so do the redirects that led to it."""
    for each in (*response.history, response):
        each.client = client
    return response


def _connect(
    client: httpx.Client | httpx.AsyncClient,
    transport: ASGITransport,
    url: str,
    subprotocols: Iterable[str],
    timeout: float | None,
    options: dict[str, Any],
) -> AsyncWebSocketSession:
    offered = list(subprotocols)
    headers = httpx.Headers(HANDSHAKE)
    if offered:
        headers["Sec-WebSocket-Protocol"] = ", ".join(offered)
    headers.update(options.pop("headers", None))
    request = client.build_request("GET", url, headers=headers, **options)
    if client.auth is not None:
        request = next(client.auth.sync_auth_flow(request))
    scope = websocket_scope(transport.scope_of(request), offered)
    recording = Recording(transport.raise_app_exceptions)
    return AsyncWebSocketSession(transport.app, scope, request, recording, timeout=timeout)

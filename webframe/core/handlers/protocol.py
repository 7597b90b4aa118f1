"""One callable for both protocols, and what servers must see in it.

Servers tell WSGI from ASGI by the command line, by the number of arguments, or
by asking whether ``app.__call__`` is a coroutine function. `app(...)` goes by
the arguments: two are WSGI, three ASGI 3, one ASGI 2. Those who ask are
answered by `CoroutineLookalike`, an attribute of the instance that `app(...)`
itself never goes through.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any


class ServedBothWays:
    """Base of what servers call: `wsgi` and `asgi`, and the choice between them.

    Wrap either attribute in middleware of its own world:
    ``app.wsgi = ProxyFix(app.wsgi)``.
    """

    # Read by asgiref, hence by daphne and others: three arguments at once, not two calls.
    _asgi_single_callable = True

    wsgi: Callable[..., Any]
    asgi: Callable[..., Awaitable[None]]

    def __init__(self) -> None:
        self.__dict__["__call__"] = CoroutineLookalike(self)

    def __call__(self, scope: Any, receive: Any = None, send: Any = None) -> Any:
        """Serve a request under the protocol that the number of arguments tells: under WSGI they are two."""
        if send is None:
            if receive is None:
                return self._asgi2(scope)
            if not isinstance(scope, dict):
                raise TypeError(_neither_protocol(scope))
            return self.wsgi(scope, receive)
        return self.asgi(scope, receive, send)

    def _asgi2(self, scope: Any) -> Callable[[Any, Any], Awaitable[None]]:
        """The second half of the two-step call of ASGI 2."""

        def instance(receive: Any, send: Any) -> Awaitable[None]:
            return self.asgi(scope, receive, send)

        return instance


def _neither_protocol(first: Any) -> str:
    if type(first).__module__.partition(".")[0] == "granian":
        return (
            "granian called this app by its own protocol, RSGI, which webframe does not speak: "
            "start it with '--interface asgi' or '--interface wsgi'."
        )
    return f"A Webframe app was called with two arguments, so the first must be a WSGI environ, not {first!r}."


class CoroutineLookalike:
    """What ``app.__call__`` is to those who only look: a coroutine function. To those who call it: the app."""

    def __init__(self, app: ServedBothWays) -> None:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            """Serve one ASGI connection."""

        self.__self__ = app
        self.__name__ = self.__qualname__ = "__call__"
        self.__module__ = type(app).__module__
        self.__doc__ = type(app).__call__.__doc__
        # Python 3.11 believes whatever has the attributes of a function, and a coroutine's code.
        self.__code__ = call.__code__
        self.__defaults__ = None
        self.__kwdefaults__ = None
        self.__annotations__ = call.__annotations__
        if hasattr(inspect, "markcoroutinefunction"):  # Python 3.12 and later
            inspect.markcoroutinefunction(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return type(self.__self__).__call__(self.__self__, *args, **kwargs)

"""Where a request is: in the app that serves it, or in one of ours that is mounted there.

All of them share one request. Each sees the address as its own: `root_path` ends with the prefixes of the mounts
around it, and `path` is what is left. So the two change when the request goes through a mount, on the way in and on
the way out, and for what an app leaves behind to be run later: bodies of responses, background tasks, error handlers.
Which app is mounted where is decided in `core/handlers/endpoints.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Protocol

from webframe.waiting import is_async

# The (root_path, path) of each app that the request has come to, from the outermost to the one it is in.
Place = tuple[tuple[str, str], ...]

# What a request computes of root_path, and keeps.
DERIVED = ("full_path", "root_url", "script_root", "url_root")


class Placed(Protocol):
    """What of a request matters here; `go_to` changes it."""

    @property
    def root_path(self) -> str: ...

    @property
    def path(self) -> str: ...

    # The place without the app it is in: () in the one that serves.
    @property
    def around(self) -> Place: ...


def place_of(request: Placed) -> Place:
    """Where a request is now."""
    return (*request.around, (request.root_path, request.path))


def below(place: Place, prefix: str) -> Place:
    """Where a request is after it has gone from a place into a mount."""
    root_path, path = place[-1]
    # With a single slash at its beginning, as routes are matched.
    return (*place, (root_path + prefix, "/" + path[len(prefix) :].lstrip("/")))


def go_to(request: Any, place: Place) -> None:
    """Let a request be in a place."""
    *around, (request.root_path, request.path) = place
    request.around = tuple(around)
    for name in DERIVED:
        request.__dict__.pop(name, None)


def served_path(request: Placed) -> str:
    """The `path` of a request in the app that serves it, wherever it is now."""
    return request.around[0][1] if request.around else request.path


@contextmanager
def being_at(request: Placed, place: Place) -> Iterator[None]:
    """Let a request be in a place for the length of a block."""
    before = place_of(request)
    go_to(request, place)
    try:
        yield
    finally:
        go_to(request, before)


def staying(request: Placed, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> partial[Any]:
    """A call to be made later, with the request where it is now."""
    call = _acall_at if is_async(function) else _call_at
    return partial(call, request, place_of(request), function, *args, **kwargs)


def _call_at(request: Placed, place: Place, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    with being_at(request, place):
        return function(*args, **kwargs)


async def _acall_at(request: Placed, place: Place, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    with being_at(request, place):
        return await function(*args, **kwargs)


# -- through a mount and back


def passage(prefix: str) -> Callable[[Any], Generator[None, Any, None]]:
    """A middleware that takes requests into the app that is mounted under a prefix, and back out of it."""

    def enter_mount(request: Any) -> Generator[None, Any, None]:
        outside = place_of(request)
        inside = below(outside, prefix)
        go_to(request, inside)
        try:
            response = yield
        finally:
            go_to(request, outside)
        body = response.response
        if not response.is_sequence and not response.direct_passthrough:  # files ask nothing about the request
            kind = AsyncBody if response.is_async_body else PlainBody
            response.response = kind(body, request, inside)

    return enter_mount


def handler_from(levels: int, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An error handler that is called with the request in the app it belongs to.

    Wherever the error comes from: that is so many mounts further out than the route.
    """
    if is_async(handler):

        @wraps(handler)
        async def call(request: Any, error: Any) -> Any:
            with being_at(request, _place_outside(request, levels)):
                return await handler(request, error)

    else:

        @wraps(handler)
        def call(request: Any, error: Any) -> Any:
            with being_at(request, _place_outside(request, levels)):
                return handler(request, error)

    return call


def _place_outside(request: Any, levels: int) -> Place:
    """The place so many mounts further out than the route of a request, whether or not it has come there."""
    place = place_of(request)
    mounts = request.route.mounts
    depth = len(mounts) - levels
    for mount in mounts[len(place) - 1 : depth]:
        place = below(place, mount.prefix)
    return place[: depth + 1]


class PlainBody:
    """The body of a response that is made while the request is in a place."""

    def __init__(self, body: Any, request: Placed, place: Place) -> None:
        self._body = body
        self._request = request
        self._place = place
        # Made of the body when it is first asked for a chunk.
        self._iterator: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with being_at(self._request, self._place):
            if self._iterator is None:
                self._iterator = iter(self._body)
            return next(self._iterator)

    def __getattr__(self, name: str) -> Any:
        if name not in ("aclose", "close"):  # a body has these or has them not
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        call = _call_at if name == "close" else _acall_at
        return partial(call, self._request, self._place, getattr(self._body, name))


class AsyncBody:
    """Like `PlainBody`, for a body that is an async iterable."""

    def __init__(self, body: Any, request: Placed, place: Place) -> None:
        self._body = body
        self._request = request
        self._place = place
        self._iterator: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        with being_at(self._request, self._place):
            if self._iterator is None:
                self._iterator = aiter(self._body)
            return await anext(self._iterator)

    async def aclose(self) -> None:
        """Close the body, or what iterates it, if it can be closed."""
        with being_at(self._request, self._place):
            for closable in dict.fromkeys((self._iterator, self._body)):
                if hasattr(closable, "aclose"):
                    await closable.aclose()

    def __getattr__(self, name: str) -> Any:
        if name != "close":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return partial(_call_at, self._request, self._place, self._body.close)

"""Where a request is: in the app that serves it, or in one of ours that is mounted there.

All of them share one request. Each sees the address as its own: `root_path` ends with the prefixes of the mounts
around it, and `path` is what is left. So the two change when the request goes through a mount, on the way in and on
the way out, and for what an app leaves behind to be run later: bodies of responses, background tasks, error handlers.
Which app is mounted where is decided in `core/handlers/endpoints.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
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
        if not response.is_sequence and not response.direct_passthrough:  # files ask nothing about the request
            response.response = _body_at(response, request, inside)

    return enter_mount


def _body_at(response: Any, request: Any, place: Place) -> PlacedBody:
    """The body of a response, made while the request is in a place, or in that of an app mounted further in."""
    body = response.response
    if isinstance(body, PlacedBody):
        if body.request is request:
            return body
        body = body.body  # the response was an answer to another request before
    return (AsyncBody if response.is_async_body else PlainBody)(body, request, place)


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


class PlacedBody:
    """The body of a response that is made while the request is in a place."""

    def __init__(self, body: Any, request: Placed, place: Place) -> None:
        self.body = body
        self.request = request
        self.place = place

    def being_there(self) -> AbstractContextManager[None]:
        """Let the request be in the place for the length of a block."""
        return being_at(self.request, self.place)

    def __getattr__(self, name: str) -> Any:
        if name not in ("aclose", "close"):  # a body has these or has them not
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        call = _call_at if name == "close" else _acall_at
        return partial(call, self.request, self.place, getattr(self.body, name))


class PlainBody(PlacedBody):
    """One that is an iterable."""

    def __iter__(self) -> Iterator[Any]:
        with self.being_there():
            iterator = iter(self.body)
        while True:
            with self.being_there():
                try:
                    chunk = next(iterator)
                except StopIteration:
                    return
            yield chunk


class AsyncBody(PlacedBody):
    """One that is an async iterable."""

    async def __aiter__(self) -> AsyncIterator[Any]:
        with self.being_there():
            iterator = aiter(self.body)
        try:
            while True:
                with self.being_there():
                    try:
                        chunk = await anext(iterator)
                    except StopAsyncIteration:
                        return
                yield chunk
        finally:
            if iterator is not self.body and hasattr(iterator, "aclose"):
                with self.being_there():
                    await iterator.aclose()

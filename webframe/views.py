"""Views as classes: one method for each HTTP method, one instance for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import isawaitable
from typing import Any, ClassVar

from werkzeug.exceptions import MethodNotAllowed

from webframe.core.exceptions import ImproperlyConfigured
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.waiting import is_async

# The methods a class may answer, each with a method of its name in lower case.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class View:
    """Base of class-based views: define `get`, `post` and so on, plain or async, but all of one kind.

    Each is called with the request and the values of the rule, which are also `self.request` and `self.kwargs`.
    HEAD is answered by `get` unless there is a `head`, OPTIONS with the methods there are, others with 405. Give the
    class itself to `app.route`, or what `as_view` returns.

        @app.route("/notes/<int:pk>")
        class NoteView(View):
            def get(self, request, pk):
                return {"pk": pk}

            def delete(self, request, pk):
                return "", 204
    """

    # Applied to the view function, the first one first.
    decorators: ClassVar[Sequence[Callable[[Callable[..., Any]], Callable[..., Any]]]] = ()

    # The request this instance was made for, and the values of the rule.
    request: Request
    kwargs: Mapping[str, Any]

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Make a view function, a coroutine function if the methods are; each request gets an instance of its own.

        The keywords are attributes of the class that the instances have otherwise, or the arguments of its
        `__init__` if it has one. The function's `methods` tell a router what to register it for.
        """
        asynchronous = cls._is_async()
        cls._check_initkwargs(initkwargs)

        def prepared(request: Request, values: dict[str, Any]) -> View:
            view = cls(**initkwargs)
            view.request = request
            view.kwargs = values
            return view

        async def answer_async(request: Request, **values: Any) -> Any:
            answer = prepared(request, values).dispatch(request, **values)
            return await answer if isawaitable(answer) else answer

        def answer_plain(request: Request, **values: Any) -> Any:
            return prepared(request, values).dispatch(request, **values)

        function: Callable[..., Any] = answer_async if asynchronous else answer_plain
        for attribute in "__name__", "__qualname__", "__module__", "__doc__":
            setattr(function, attribute, getattr(cls, attribute))
        for decorate in cls.decorators:
            function = decorate(function)
        about = {"view_class": cls, "view_initkwargs": initkwargs, "methods": cls._answered()}
        for attribute, value in about.items():
            setattr(function, attribute, value)
        return function

    def dispatch(self, request: Request, **values: Any) -> Any:
        """Answer a request with the method for it; override it for what all methods need before or after.

        What it returns is to be awaited if the methods are async.
        """
        method = request.method
        handler = getattr(self, method.lower(), None) if method in METHODS else None
        if handler is None and method == "HEAD":
            handler = getattr(self, "get", None)
        if handler is not None:
            return handler(request, **values)
        allowed = sorted({*self._answered(), "OPTIONS"})
        if method == "OPTIONS":
            response = Response(headers={"Allow": ", ".join(allowed)})
            return _given(response) if self._is_async() else response
        raise MethodNotAllowed(allowed)

    @classmethod
    def _answered(cls) -> tuple[str, ...]:
        """The methods there is an answer to; HEAD has one where GET has."""
        defined = {method for method in METHODS if getattr(cls, method.lower(), None) is not None}
        if "GET" in defined:
            defined.add("HEAD")
        return tuple(method for method in METHODS if method in defined)

    @classmethod
    def _is_async(cls) -> bool:
        """Whether the methods are; they must be of one kind."""
        handlers = {method.lower(): getattr(cls, method.lower(), None) for method in METHODS}
        kinds = {name: is_async(handler) for name, handler in handlers.items() if handler is not None}
        if not kinds:
            raise ImproperlyConfigured(
                f"The view {cls.__qualname__} has no method to answer with. Define get, post, put, patch or delete."
            )
        if is_async(cls.dispatch):
            kinds["dispatch"] = True  # a plain one is right for both kinds: it hands on what the method gives
        if len(set(kinds.values())) == 2:
            names = {kind: ", ".join(name for name in kinds if kinds[name] is kind) for kind in (True, False)}
            raise ImproperlyConfigured(
                f"The view {cls.__qualname__} has async methods ({names[True]}) beside plain ones ({names[False]}). "
                "Make all of them async, or none."
            )
        return True in kinds.values()

    @classmethod
    def _check_initkwargs(cls, initkwargs: Mapping[str, Any]) -> None:
        if cls.__init__ is not View.__init__:
            return
        for name in initkwargs:
            if name.upper() in METHODS:
                raise TypeError(f"{cls.__qualname__}.as_view() takes attributes; the method {name!r} is not one.")
            if not hasattr(cls, name):
                close = get_close_matches(name, dir(cls), n=1)
                hint = f" Did you mean {close[0]!r}?" if close else " Define it on the class with its default."
                raise TypeError(f"{cls.__qualname__}.as_view() got {name!r}, which the class does not have.{hint}")


async def _given(answer: Any) -> Any:
    return answer

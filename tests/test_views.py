"""Class-based views: which method answers what, of what kind the view function is, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.test import EnvironBuilder

from webframe.core.exceptions import ImproperlyConfigured
from webframe.http.request import Request
from webframe.http.response import Response
from webframe.views import View
from webframe.waiting import is_async, step


class Notes(View):
    """The notes."""

    size = 10

    def get(self, request: Request, pk: int = 0) -> Any:
        return {"pk": pk, "size": self.size, "same": request is self.request, "kwargs": dict(self.kwargs)}

    def post(self, request: Request) -> Any:
        return "made", 201


class AsyncNotes(View):
    async def get(self, request: Request, pk: int = 0) -> Any:
        return {"pk": pk}

    async def delete(self, request: Request, pk: int = 0) -> Any:
        return "", 204


def requesting(method: str) -> Request:
    return Request(EnvironBuilder(method=method).get_environ())


def test_each_method_is_answered_by_the_method_of_its_name() -> None:
    view = Notes.as_view()
    assert view(requesting("GET"), pk=3) == {"pk": 3, "size": 10, "same": True, "kwargs": {"pk": 3}}
    assert view(requesting("POST")) == ("made", 201)


def test_head_is_answered_by_get() -> None:
    assert Notes.as_view()(requesting("HEAD"), pk=3)["pk"] == 3


def test_head_has_a_method_of_its_own_if_the_class_says_so() -> None:
    class Headed(Notes):
        def head(self, request: Request) -> Any:
            return "", {"X-Own": "yes"}

    assert Headed.as_view()(requesting("HEAD")) == ("", {"X-Own": "yes"})


@pytest.mark.parametrize("method", ["PUT", "DISPATCH", "AS_VIEW", "__INIT__"])
def test_other_methods_are_not_allowed(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        Notes.as_view()(requesting(method))
    assert caught.value.valid_methods == ["GET", "HEAD", "OPTIONS", "POST"]


def test_options_is_answered_with_the_methods_there_are() -> None:
    answer = Notes.as_view()(requesting("OPTIONS"))
    assert isinstance(answer, Response)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_options_may_be_answered_by_the_class() -> None:
    class Talkative(Notes):
        def options(self, request: Request) -> Any:
            return "all you like"

    view = Talkative.as_view()
    assert view(requesting("OPTIONS")) == "all you like"
    assert "OPTIONS" in view.methods  # type: ignore[attr-defined]  # set on the function


def test_a_method_taken_back_is_not_answered() -> None:
    class ReadOnly(Notes):
        post = None  # type: ignore[assignment]  # the way to take one back

    view = ReadOnly.as_view()
    assert view.methods == ("GET", "HEAD")  # type: ignore[attr-defined]  # set on the function
    with pytest.raises(MethodNotAllowed):
        view(requesting("POST"))


def test_the_view_function_tells_what_to_register_it_for() -> None:
    view: Any = Notes.as_view(size=5)
    assert view.methods == ("GET", "HEAD", "POST")
    assert view.view_class is Notes
    assert view.view_initkwargs == {"size": 5}
    assert (view.__name__, view.__module__, view.__doc__) == ("Notes", __name__, "The notes.")


def test_each_request_has_an_instance_of_its_own() -> None:
    class Counting(View):
        count = 0

        def get(self, request: Request) -> Any:
            self.count += 1
            return self.count

    view = Counting.as_view()
    assert [view(requesting("GET")), view(requesting("GET"))] == [1, 1]


def test_attributes_are_given_to_as_view() -> None:
    assert Notes.as_view(size=5)(requesting("GET"))["size"] == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sise", "Notes.as_view() got 'sise', which the class does not have. Did you mean 'size'?"),
        ("colour", "got 'colour', which the class does not have. Define it on the class with its default."),
        ("post", "the method 'post' is not one"),
    ],
)
def test_keywords_that_are_no_attributes_are_refused_at_once(name: str, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        Notes.as_view(**{name: 1})
    assert message in str(caught.value)


def test_a_class_with_its_own_init_gets_the_keywords() -> None:
    class Greeting(View):
        def __init__(self, word: str) -> None:
            self.word = word

        def get(self, request: Request) -> Any:
            return self.word

    assert Greeting.as_view(word="hello")(requesting("GET")) == "hello"


# --- async --------------------------------------------------------------------------------------------------------


def test_async_methods_make_a_coroutine_function() -> None:
    assert is_async(AsyncNotes.as_view())
    assert not is_async(Notes.as_view())
    assert step(AsyncNotes.as_view()(requesting("GET"), pk=3)) == {"pk": 3}
    assert step(AsyncNotes.as_view()(requesting("DELETE"), pk=3)) == ("", 204)


def test_async_views_answer_options_and_refuse_methods_too() -> None:
    view = AsyncNotes.as_view()
    assert step(view(requesting("OPTIONS"))).headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"
    with pytest.raises(MethodNotAllowed):
        step(view(requesting("POST")))


def test_async_and_plain_methods_do_not_mix() -> None:
    class Mixed(AsyncNotes):
        def post(self, request: Request) -> Any: ...
        def put(self, request: Request) -> Any: ...

    with pytest.raises(ImproperlyConfigured) as caught:
        Mixed.as_view()
    assert "async methods (get, delete) beside plain ones (post, put)" in str(caught.value)


def test_an_async_dispatch_does_not_mix_with_plain_methods() -> None:
    class Mixed(Notes):
        async def dispatch(self, request: Request, **values: Any) -> Any: ...

    with pytest.raises(ImproperlyConfigured, match=r"async methods \(dispatch\)"):
        Mixed.as_view()


def test_dispatch_may_be_overridden() -> None:
    class Guarded(Notes):
        def dispatch(self, request: Request, **values: Any) -> Any:
            return "no" if values.get("pk") == 1 else super().dispatch(request, **values)

    view = Guarded.as_view()
    assert view(requesting("GET"), pk=1) == "no"
    assert view(requesting("GET"), pk=2)["pk"] == 2


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_an_async_dispatch_may_await_its_base(method: str) -> None:
    class Guarded(AsyncNotes):
        async def dispatch(self, request: Request, **values: Any) -> Any:
            return [await super().dispatch(request, **values)]

    assert len(step(Guarded.as_view()(requesting(method)))) == 1


def test_a_plain_dispatch_may_answer_early_for_async_methods() -> None:
    class Guarded(AsyncNotes):
        def dispatch(self, request: Request, **values: Any) -> Any:
            return "no" if values.get("pk") == 1 else super().dispatch(request, **values)

    view = Guarded.as_view()
    assert step(view(requesting("GET"), pk=1)) == "no"
    assert step(view(requesting("GET"), pk=2)) == {"pk": 2}


def test_a_view_without_methods_is_refused() -> None:
    class Empty(View):
        pass

    with pytest.raises(ImproperlyConfigured, match=r"Empty has no method to answer with\. Define get"):
        Empty.as_view()


def test_decorators_are_applied_first_to_last_and_the_function_keeps_its_methods() -> None:
    def wrapped_in(mark: str) -> Callable[..., Any]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda request, **values: f"{mark}({function(request, **values)})"

        return decorate

    class Decorated(View):
        decorators = (wrapped_in("inner"), wrapped_in("outer"))

        def get(self, request: Request) -> Any:
            return "view"

    view: Any = Decorated.as_view()
    assert view(requesting("GET")) == "outer(inner(view))"
    assert view.methods == ("GET", "HEAD")

"""The short cuts give werkzeug's answers, or none: random maps and paths, asked of both."""

from __future__ import annotations

import string
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, RequestRedirect, Rule, ValidationError

from webframe._fast_routing import CROWD, Shortcuts
from webframe.routing import Router


class Even(BaseConverter):
    """Even numbers; odd ones match the pattern and are refused afterwards."""

    regex = r"\d+"

    def to_python(self, value: str) -> tuple[str, int]:
        if int(value[-1]) % 2:
            raise ValidationError
        return "even", len(value)


class Anything(BaseConverter):
    """A segment that may be empty."""

    regex = "[^/]*"
    part_isolating = True


class Lines(BaseConverter):
    """Whatever is left, as the default `path` does not take it: empty, or with line ends."""

    regex = "(?s:.*)"
    part_isolating = False
    weight = 300


class Grouped(BaseConverter):
    """A pattern with a group of its own."""

    regex = "(a|b)(?:1|2)?"


class Doubled(BaseConverter):
    """A pattern that refers to its own group by number, which is 2 where it is the only variable of its part."""

    regex = r"([ab1])\2"


CONVERTERS: dict[str, type[BaseConverter]] = {
    "even": Even,
    "anything": Anything,
    "lines": Lines,
    "grouped": Grouped,
    "doubled": Doubled,
}

PARTS = [
    *["a", "b", "1", "ab", "é", "a b"],
    *["<{}>", "<int:{}>", "<path:{}>", "<float:{}>", "<uuid:{}>", "<any(a,b,'a b'):{}>", "<string(length=2):{}>"],
    *["<string(minlength=2,maxlength=3):{}>", "<int(signed=True):{}>", "<int(min=2,max=11):{}>"],
    *["<int(fixed_digits=2):{}>", "<float(signed=True):{}>", "<int(min=0,signed=True):{}>"],
    *["<even:{}>", "<anything:{}>", "<lines:{}>", "<grouped:{}>", "<doubled:{}>"],
    *["a<int:{}>", "<int:{}>a", "<{}>-<{}>", "<{}>.<int:{}>", "a<path:{}>", "<path:{}>-<{}>", "<int:{}>-<even:{}>"],
    *["x<{}>", "y<{}>", "a<{}>b", "b<{}>", "<doubled:{}>1", "<grouped:{}>-<{}>"],
]
TEXTS = [
    *["a", "b", "1", "ab", "é", "a b", "", "-1", "01", "2", "11", "12", "1.5", "-0.5", "aa", "11a", "a1", "b2", "aab"],
    *["a-b", "1-2", "x.3", "a-1", "٣", "²", "a\n", "\n", "a%2Fb", "<x>", "xa", "y1", "1a", "aab1", "ab-x", "É", "\x00"],
    *["12345678-1234-1234-1234-1234567890ab", "1" * 5000, "." * 3, "a|b"],
]
METHODS = ["GET", "POST", "PUT"]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule and its options, as keywords of `Router.add` without the endpoint."""
    names = (f"{draw(st.sampled_from('vw'))}{number}" for number in count())
    parts = draw(st.lists(st.sampled_from(PARTS), max_size=3))
    if "doubled" in str(parts) and ("path" in str(parts) or "lines" in str(parts)):
        parts = ["a"]  # taken into one pattern with others, its reference is to something else
    filled = [string.Formatter().vformat(part, _Endless(names), {}) for part in parts]
    rule = "/" + "/".join(filled) + draw(st.sampled_from(["", "", "/"] if parts else [""]))
    options: dict[str, Any] = {"rule": rule, "methods": draw(st.sets(st.sampled_from(METHODS), min_size=1))}
    kind = draw(st.sampled_from(["plain"] * 8 + ["websocket", "loose", "named", "defaults", "moved"]))
    if kind == "websocket":
        options |= {"websocket": True, "methods": {"GET"}}
    elif kind == "loose":
        options["strict_slashes"] = False
    elif kind == "named":
        options["name"] = draw(st.sampled_from(["one", "two"]))
    elif kind == "defaults":
        options["name"] = draw(st.sampled_from(["one", "two"]))
        variable = draw(st.sampled_from(["v0", "w0", "v1"]))
        if f":{variable}>" not in rule:  # the value is to fit the converter: werkzeug builds with it at once
            options["defaults"] = {variable: draw(st.sampled_from(["1", "a", "ab"]))}
    elif kind == "moved":
        options["redirect_to"] = "/a/b"
    return options


class _Endless(tuple[str, ...]):
    """Positional arguments for a format with however many fields."""

    def __new__(cls, names: Any) -> _Endless:
        return super().__new__(cls, (next(names) for _ in range(4)))


paths = st.one_of(
    st.lists(st.sampled_from(TEXTS), max_size=4).map(lambda texts: "/" + "/".join(texts)),
    st.lists(st.sampled_from([*TEXTS, *"ab1"]), max_size=5).map("/".join),
    st.text(alphabet="/ab1-é.\n", max_size=8),
    st.text(max_size=8).map(lambda text: f"/a/{text}"),
)


def tables(all_rules: list[dict[str, Any]]) -> tuple[Router, Any]:
    """Our router and werkzeug's adapter for the same rules; the endpoints are their numbers."""
    router = Router()
    router.converters.update(CONVERTERS)
    numbers = {}
    url_map = Map(converters=CONVERTERS)
    for number, options in enumerate(all_rules):
        router.add(endpoint=number + 1, **options)
        options = {"string" if key == "rule" else key: value for key, value in options.items()}
        name = options.pop("name", None) or f"rule {number}"
        rule = Rule(endpoint=name, **options)
        url_map.add(rule)
        numbers[id(rule)] = number + 1
    return router, (url_map.bind("localhost"), numbers)


def asked(router: Router, method: str, path: str, websocket: bool) -> tuple[Any, ...]:
    """The answer of our router, or its error."""
    try:
        endpoint, values = router.match(method, path, websocket)
    except RequestRedirect as redirect:
        return "redirect", redirect.new_url
    except MethodNotAllowed as error:
        return "not allowed", error.valid_methods
    except HTTPException as error:
        return (type(error),)
    return endpoint, values, {key: type(value) for key, value in values.items()}


def asked_werkzeug(adapter: Any, method: str, path: str, websocket: bool) -> tuple[Any, ...]:
    """The answer of werkzeug, or its error, in the same form."""
    adapter, numbers = adapter
    try:
        rule, values = adapter.match(path, method, return_rule=True, websocket=websocket)
    except RequestRedirect as redirect:
        return "redirect", redirect.new_url.removeprefix("http://localhost")
    except MethodNotAllowed as error:
        return "not allowed", sorted(error.valid_methods)
    except HTTPException as error:
        return (type(error),)
    except UnicodeEncodeError:  # a lone surrogate; ours is a 404
        return (NotFound,)
    return numbers[id(rule)], values, {key: type(value) for key, value in values.items()}


@settings(max_examples=150)
@given(
    st.lists(rules(), min_size=1, max_size=10),
    st.lists(paths, min_size=1, max_size=12),
    st.sampled_from(["GET", "GET", "POST", "HEAD", "get", "DELETE"]),
    st.booleans(),
)
def test_every_answer_is_the_one_of_werkzeug(
    all_rules: list[dict[str, Any]], some_paths: list[str], method: str, websocket: bool
) -> None:
    router, adapter = tables(all_rules)
    for path in some_paths:
        expected = asked_werkzeug(adapter, method, path, websocket)
        assert asked(router, method, path, websocket) == expected, path
        found = router.static.get(path, {}).get(method)
        if found is not None and not websocket:
            assert (found, {}, {}) == expected
        if not websocket:
            allowed = sorted(adapter[0].allowed_methods(path))
            assert router.allowed_methods(path) == allowed


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([part for part in PARTS if "{" in part]), min_size=CROWD, max_size=3 * CROWD, unique=True),
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12),
)
def test_a_crowd_of_siblings_is_told_apart_as_werkzeug_does(parts: list[str], texts: list[str]) -> None:
    router, adapter = tables([{"rule": "/" + part.format("v", "w")} for part in parts])
    for text in texts:
        path = f"/{text}"
        assert asked(router, "GET", path, False) == asked_werkzeug(adapter, "GET", path, False), path


def shortcuts(*all_rules: str, converters: dict[str, type[BaseConverter]] | None = None) -> Shortcuts:
    url_map = Map([Rule(rule, endpoint=rule, methods=["GET"]) for rule in all_rules], converters=converters)
    url_map.update()
    return Shortcuts(url_map, lambda rule: rule.endpoint)


@pytest.mark.parametrize(
    ("rule", "path", "values"),
    [
        ("/", "/", {}),
        ("/about", "/about", {}),
        ("/blog/", "/blog/", {}),
        ("/café", "/café", {}),
        ("/<name>", "/ann", {"name": "ann"}),
        ("/notes/<int:pk>", "/notes/07", {"pk": 7}),
        ("/notes/<int:pk>/tags/<tag>", "/notes/7/tags/new", {"pk": 7, "tag": "new"}),
        ("/<lang>/notes", "/fr/notes", {"lang": "fr"}),
        ("/<name>.<kind>", "/a.b.c", {"name": "a.b", "kind": "c"}),
        ("/v<float:version>/", "/v1.5/", {"version": 1.5}),
        ("/files/<path:name>", "/files/a/b//c", {"name": "a/b//c"}),
        ("/<grouped:x>/<int:y>", "/a1/3", {"x": "a1", "y": 3}),
    ],
)
def test_common_forms_are_answered_without_werkzeug(rule: str, path: str, values: dict[str, Any]) -> None:
    assert shortcuts(rule, converters=CONVERTERS).find("GET", path) == (rule, values)


def test_common_forms_stay_so_among_many_rules() -> None:
    all_rules = [f"/r{number}/<int:pk>" for number in range(300)]
    all_rules += [f"/item{number}-<int:pk>" for number in range(300)]
    all_rules += [f"/r{number}/<name>/x{number}<int:pk>" for number in range(300)]
    table = shortcuts(*all_rules)
    assert table.find("GET", "/r299/5") == ("/r299/<int:pk>", {"pk": 5})
    assert table.find("GET", "/item299-5") == ("/item299-<int:pk>", {"pk": 5})
    assert table.find("GET", "/r299/ann/x2995") == ("/r299/<name>/x299<int:pk>", {"name": "ann", "pk": 5})
    assert table.leads_nowhere("/item300-5")


@pytest.mark.parametrize(
    "path", ["/nope", "/notes/x", "/notes/7/nope", "/notes/7/8/9", "/é", "/notes/7/tags/a/b", "/" + "x/" * 50 + "x"]
)
def test_what_no_rule_can_match_is_known_without_werkzeug(path: str) -> None:
    assert shortcuts("/", "/notes/<int:pk>", "/notes/<int:pk>/tags/<tag>").leads_nowhere(path)


@pytest.mark.parametrize("path", ["", "/", "/notes", "/notes/", "/notes/7", "/notes//7", "//notes", "x", "/files/x/y"])
def test_what_a_rule_or_a_redirect_may_match_is_left_to_werkzeug(path: str) -> None:
    assert not shortcuts("/notes/", "/notes/<int:pk>", "/files/<path:name>", "/files/x").leads_nowhere(path)


def test_an_empty_map_leads_nowhere() -> None:
    assert shortcuts().find("GET", "/") is None
    assert shortcuts().leads_nowhere("/x")


def test_rules_without_a_plain_endpoint_are_left_to_werkzeug() -> None:
    url_map = Map([Rule("/a", endpoint="a"), Rule("/<b>", endpoint="b"), Rule("/a", endpoint="c")])
    url_map.update()
    table = Shortcuts(url_map, lambda rule: None if rule.endpoint == "a" else rule.endpoint)
    assert table.static == {}
    assert table.find("GET", "/a") is None
    assert table.find("GET", "/x") == ("b", {"b": "x"})


def test_paths_without_variables_are_kept_by_path_and_method_in_ascii_only() -> None:
    url_map = Map([Rule("/a", endpoint=1, methods=["GET"]), Rule("/a", endpoint=2, methods=["POST"])])
    url_map.add(Rule("/é", endpoint=3))
    url_map.add(Rule("/a", endpoint=4, websocket=True))
    url_map.update()
    table = Shortcuts(url_map, lambda rule: rule.endpoint)
    assert table.static == {"/a": {"GET": 1, "HEAD": 1, "POST": 2}}


def test_a_map_built_differently_is_refused() -> None:
    class Renamed:
        _matcher = object()

    with pytest.raises(AttributeError):
        Shortcuts(Renamed(), lambda rule: rule.endpoint)  # type: ignore[arg-type]  # the point of the test

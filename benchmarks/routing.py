"""Claim: finding a route does not depend on how many there are, and beats werkzeug's matcher.

The routers alone, without requests: each finds the middle one of 1, 100 or 1000 routes of a form. The baseline does
by hand what that form needs, knowing it beforehand: a dictionary, a split, an `int`. werkzeug's adapter is bound
once, though Flask binds it for every request. Falcon compiles its routes to a chain of comparisons: with a single
route nothing is faster, so there it is shown without a goal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from _harness import Batch, Case, Goal, Growth, repeat, run
from falcon.routing import CompiledRouter
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule

from webframe.routing import Router

COUNTS = (1, 100, 1000)

# A form of route as werkzeug, falcon and starlette write it, and a path for it.
FORMS = {
    "fixed": ("/page{0}", "/page{0}", "/page{0}", "/page{0}"),
    "variable": (
        "/section{0}/<int:number>",
        "/section{0}/{{number:int}}",
        "/section{0}/{{number:int}}",
        "/section{0}/7",
    ),
    "nested": (
        "/api/section{0}/<name>/notes/<int:number>",
        "/api/section{0}/{{name}}/notes/{{number:int}}",
        "/api/section{0}/{{name}}/notes/{{number:int}}",
        "/api/section{0}/ada/notes/7",
    ),
    # Text before a variable is something falcon's router has no direct form for.
    "mixed": ("/note{0}-<int:number>", None, "/note{0}-{{number:int}}", "/note{0}-7"),
}

VALUES: dict[str, dict[str, Any]] = {
    "fixed": {},
    "variable": {"number": 7},
    "nested": {"name": "ada", "number": 7},
    "mixed": {"number": 7},
}


class Resource:
    """What falcon finds."""

    def on_get(self, request: Any, response: Any, **values: Any) -> None: ...


async def endpoint(request: Any) -> Any:
    """What the others find."""


def with_webframe(form: str, count: int) -> Callable[[str], Any]:
    router = Router()
    for number in range(count):
        router.add(FORMS[form][0].format(number), endpoint, name="shared")
    return lambda path: router.match("GET", path)


def with_werkzeug(form: str, count: int) -> Callable[[str], Any]:
    url_map = Map([Rule(FORMS[form][0].format(number), endpoint=number, methods=["GET"]) for number in range(count)])
    adapter = url_map.bind("localhost")
    return lambda path: adapter.match(path, "GET")


def with_falcon(form: str, count: int) -> Callable[[str], Any] | None:
    template = FORMS[form][1]
    if template is None:
        return None
    router = CompiledRouter()
    for number in range(count):
        router.add_route(template.format(number), Resource())

    def find(path: str) -> Any:
        found = router.find(path)
        return None if found is None else (found[1]["GET"], found[2])

    return find


def with_starlette(form: str, count: int) -> Callable[[str], Any]:
    routes = [StarletteRoute(FORMS[form][2].format(number), endpoint) for number in range(count)]

    def find(path: str) -> Any:
        scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
        for route in routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return found["endpoint"], found["path_params"]
        return None

    return find


def by_hand(form: str, count: int) -> Callable[[str], Any]:
    """The least that finds the route, for a program that has routes of this form only."""
    names = [FORMS[form][3].format(number).removesuffix("7").strip("/-").split("/")[-1] for number in range(count)]
    if form == "nested":
        names = [f"section{number}" for number in range(count)]
    table = dict.fromkeys(names, endpoint)

    def fixed(path: str) -> Any:
        return table[path[1:]], {}

    def variable(path: str) -> Any:
        name, _, number = path[1:].partition("/")
        return table[name], {"number": int(number)}

    def nested(path: str) -> Any:
        _, _, section, name, _, number = path.split("/")
        return table[section], {"name": name, "number": int(number)}

    def mixed(path: str) -> Any:
        name, _, number = path[1:].partition("-")
        return table[name], {"number": int(number)}

    return {"fixed": fixed, "variable": variable, "nested": nested, "mixed": mixed}[form]


FINDERS: Mapping[str, Callable[[str, int], Callable[[str], Any] | None]] = {
    "bare": by_hand,
    "bare again": by_hand,
    "webframe": with_webframe,
    "werkzeug": with_werkzeug,
    "falcon": with_falcon,
    "starlette": with_starlette,
}


def finding(form: str, count: int) -> Case:
    """The case of finding the middle one of so many routes."""

    def build() -> Mapping[str, Batch]:
        path = FORMS[form][3].format(count // 2)
        contenders = {}
        for name, make in FINDERS.items():
            find = make(form, count)
            if find is not None:
                assert find(path)[1] == VALUES[form], (name, path, find(path))
                contenders[name] = repeat(lambda find=find: find(path))
        return contenders

    goals = [Goal("webframe", "werkzeug", 0.25), Goal("webframe", "starlette", 1.0)]
    if count > 1:
        goals.append(Goal("webframe", "falcon", 1.0))
    return Case(f"{form}_{count}", build, goals=goals)


def missing(count: int) -> Case:
    """The case of a path that no route has."""

    def build() -> Mapping[str, Batch]:
        path = "/nowhere/7"
        ours, theirs = with_webframe("variable", count), with_werkzeug("variable", count)
        falcon, starlette = with_falcon("variable", count), with_starlette("variable", count)
        assert falcon is not None and falcon(path) is None and starlette(path) is None
        known = {"section0": endpoint}

        def bare() -> None:
            name, _, _ = path[1:].partition("/")
            if name not in known:
                raised(raise_not_found)

        return {
            "bare": repeat(bare),
            "bare again": repeat(bare),
            "webframe": repeat(lambda: raised(ours, path)),
            "werkzeug": repeat(lambda: raised(theirs, path)),
            "falcon": repeat(lambda: falcon(path)),
            "starlette": repeat(lambda: starlette(path)),
        }

    return Case(f"missing_{count}", build, goals=[Goal("webframe", "werkzeug", 0.5)])


def raise_not_found() -> None:
    raise NotFound


def raised(function: Callable[..., Any], *arguments: Any) -> None:
    """Call what raises NotFound."""
    try:
        function(*arguments)
    except NotFound:
        return
    raise AssertionError(f"{arguments} was found")


CASES = [finding(form, count) for form in FORMS for count in COUNTS] + [missing(count) for count in COUNTS]
GROWTH = [Growth("webframe", f"{form}_1000", f"{form}_1", 1.15) for form in ("fixed", "variable", "nested", "missing")]

if __name__ == "__main__":
    run(__doc__, CASES, growth=GROWTH, packages=("werkzeug", "falcon", "starlette"))

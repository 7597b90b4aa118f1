"""`routes` and `signals`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webframe.core.management.introspection import describe_receiver
from webframe.dispatch import Signal

ROUTES = """
from webframe import Group, Webframe

app = Webframe(__name__)

@app.get("/")
def index(request):
    return ""

@app.route("/pizzas/<int:pk>", methods=["GET", "PATCH"], name="pizza")
async def show(request, pk):
    return ""

@app.websocket("/board")
async def board(websocket): ...

kitchen = Group("/kitchen", name="kitchen")

@kitchen.middleware
def timing(request):
    yield

@kitchen.get("/")
def stove(request):
    return ""

app.include(kitchen)
"""

SIGNALS = """
import functools
from webframe import Webframe
from webframe.core.signals import request_finished, request_started
from webframe.dispatch import Signal, receiver

app = Webframe(__name__)
order_placed = Signal(doc="Sent when somebody orders.")

class Kitchen:
    def cook(self, **kwargs): ...

@receiver(order_placed)
def write_down(**kwargs): ...

@receiver(order_placed, sender=Kitchen, dispatch_uid="once", priority=5, include_subclasses=True)
async def announce(**kwargs): ...

kitchen = Kitchen()
order_placed.connect(kitchen.cook, sender=Kitchen, weak=False, inline=True)
"""


def test_routes_are_a_table_in_the_order_of_the_code(folder: Any) -> None:
    folder.write("inspected_a.py", ROUTES)
    result = folder.invoke("--app", "inspected_a", "routes")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert rows == [
        ["METHODS", "RULE", "NAME", "VIEW", "RUNS", "MIDDLEWARE"],
        ["GET", "/", "index", "inspected_a:index", "plain", "0"],
        ["GET,PATCH", "/pizzas/<int:pk>", "pizza", "inspected_a:show", "async", "0"],
        ["WEBSOCKET", "/board", "board", "inspected_a:board", "async", "0"],
        ["GET", "/kitchen/", "kitchen.stove", "inspected_a:stove", "plain", "1"],
    ]


def test_routes_can_be_sorted(folder: Any) -> None:
    folder.write("inspected_b.py", ROUTES)
    output = folder.invoke("--app", "inspected_b", "routes", "--sort", "rule").output
    rules = [line.split()[1] for line in output.splitlines()[1:]]
    assert rules == sorted(rules)


def test_routes_as_json(folder: Any) -> None:
    folder.write("inspected_c.py", ROUTES)
    described = json.loads(folder.invoke("--app", "inspected_c", "routes", "--json").output)
    assert described[-1] == {
        "rule": "/kitchen/",
        "methods": ["GET", "HEAD"],
        "websocket": False,
        "name": "kitchen.stove",
        "view": "inspected_c:stove",
        "file": "inspected_c.py",
        "line": ROUTES.splitlines().index('@kitchen.get("/")') + 1,
        "async": False,
        "middleware": ["inspected_c:timing"],
    }
    assert described[2]["websocket"] is True


def test_routes_of_mounted_apps_have_the_prefix_and_the_middleware_of_where_they_are(folder: Any) -> None:
    folder.write("inspected_d_inner.py", ROUTES)
    folder.write(
        "inspected_d.py",
        """
        from webframe import Webframe
        from inspected_d_inner import app as inner

        app = Webframe(__name__)
        shop = Webframe("shop")
        shop.mount("/inner", inner)
        app.mount("/shop", shop)
        app.mount("/old", lambda environ, start_response: [])

        @app.middleware
        def outermost(request):
            yield
        """,
    )
    routes = json.loads(folder.invoke("--app", "inspected_d:app", "routes", "--json").output)
    assert [(route["rule"], route["name"]) for route in routes] == [
        ("/shop/inner/", "index"),
        ("/shop/inner/pizzas/<int:pk>", "pizza"),
        ("/shop/inner/board", "board"),
        ("/shop/inner/kitchen/", "kitchen.stove"),
        ("/old/...", None),
    ]
    assert routes[3]["middleware"] == ["inspected_d:outermost", "inspected_d_inner:timing"]


def test_an_app_without_routes_says_so(folder: Any) -> None:
    folder.write("inspected_j.py", "from webframe import Webframe\napp = Webframe(__name__)")
    assert folder.invoke("--app", "inspected_j", "routes").output == "The app has no routes.\n"


def test_a_wrong_route_is_one_line(folder: Any) -> None:
    wrong = (
        "from webframe import Webframe\napp = Webframe(__name__)\n@app.get('/<nosuch:pk>')\ndef view(request, pk): ..."
    )
    folder.write("inspected_e.py", wrong)
    result = folder.run("--app", "inspected_e", "routes")
    assert result.returncode == 1
    assert "nosuch" in result.stderr


def test_signals_are_listed_with_their_receivers(folder: Any) -> None:
    folder.write("inspected_f.py", SIGNALS)
    result = folder.run("--app", "inspected_f", "signals")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    at = lines.index("inspected_f.order_placed")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["inspected_f:write_down", "inspected_f.py:13", "sync", "from", "any", "sender", "weak"],
        ["inspected_f:Kitchen.cook", "inspected_f.py:11", "sync", "from", "inspected_f:Kitchen", "strong", "inline"],
        ["inspected_f:announce", "inspected_f.py:16", "async", "from", "inspected_f:Kitchen",
         "and", "subclasses", "weak", "priority", "5", "uid", "'once'"],
    ]  # fmt: skip
    assert "request_finished" not in result.stdout
    assert lines[-1].endswith("signals have no receivers; --all lists them.")


def test_all_signals_can_be_listed(folder: Any) -> None:
    folder.write("inspected_g.py", SIGNALS)
    result = folder.run("--app", "inspected_g", "signals", "--all")
    assert "webframe.core.signals.request_finished  (no receivers)" in result.stdout.splitlines()
    assert "--all lists them" not in result.stdout


@pytest.mark.parametrize("name", ["order_placed", "inspected_h.order_placed"])
def test_signals_can_be_named(folder: Any, name: str) -> None:
    folder.write("inspected_h.py", SIGNALS)
    described = json.loads(folder.run("--app", "inspected_h", "signals", "--json", name).stdout)
    assert [(one["signal"], one["summary"]) for one in described] == [
        ("inspected_h.order_placed", "Sent when somebody orders.")
    ]
    assert described[0]["receivers"][2] == {
        "receiver": "inspected_h:announce",
        "file": "inspected_h.py",
        "line": 16,
        "async": True,
        "sender": "inspected_h:Kitchen",
        "weak": True,
        "dispatch_uid": "once",
        "priority": 5,
        "inline": False,
        "include_subclasses": True,
        "on_commit": False,
    }


def test_an_unknown_signal_is_answered_with_what_comes_near(folder: Any) -> None:
    folder.write("inspected_i.py", SIGNALS)
    result = folder.invoke("--app", "inspected_i", "signals", "request_startet")
    assert result.exit_code == 2
    assert result.stderr == "Error: There is no signal 'request_startet'. Did you mean 'request_started'?\n"


def test_a_receiver_that_is_gone_is_left_out() -> None:
    signal = Signal()

    def short_lived(**kwargs: Any) -> None: ...

    signal.connect(short_lived)
    [registration] = signal.registrations()
    del short_lived
    assert describe_receiver(registration) is None


def test_senders_and_uids_of_any_kind_can_be_written_as_json() -> None:
    signal = Signal()
    sender = {"not": "hashable"}

    def hear(**kwargs: Any) -> None: ...

    signal.connect(hear, sender=sender, dispatch_uid=("a", object))
    [registration] = signal.registrations()
    described = describe_receiver(registration)
    assert described is not None
    assert described["sender"] == "{'not': 'hashable'}"
    assert described["dispatch_uid"] == "('a', <class 'object'>)"
    json.dumps(described)

"""`routes` and `signals`: what an app answers, and who listens."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from webframe.core.management.describe import Place, name_of, place_of, table
from webframe.core.management.errors import CommandError
from webframe.core.management.project import pass_app
from webframe.dispatch import Registration, Signal, all_signals

if TYPE_CHECKING:
    from webframe.app import Webframe
    from webframe.routing import RouteInfo

# The order of routes that `--sort` knows; "added" is that of the code.
ORDERS = ("added", "rule", "name", "view", "methods")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write a JSON list of objects instead of a table.")
@click.option("--sort", type=click.Choice(ORDERS), default="added", show_default=True, help="The order of the routes.")
@pass_app
def routes(app: Webframe, as_json: bool, sort: str) -> None:
    """List every route: methods, rule, name, view and the middleware around it."""
    described = list(describe_routes(app.routes()))
    if sort != "added":
        described.sort(key=lambda route: (route[sort] or "", route["rule"]))
    if as_json:
        click.echo(json.dumps(described, indent=2))
    elif not described:
        click.echo("The app has no routes.")
    else:
        heading = ("METHODS", "RULE", "NAME", "VIEW", "RUNS", "MIDDLEWARE")
        click.echo("\n".join(table([heading, *map(_route_row, described)])))


def describe_routes(routes: Iterable[RouteInfo], prefix: str = "", outer: Any = None) -> Iterator[dict[str, Any]]:
    """What `routes --json` says about each route; the routes of a mounted app of ours are among them.

    `outer` is the policy of what such an app is mounted in: the middleware
    there is around its views, too.
    """
    for route in routes:
        endpoint = route.endpoint
        policy = endpoint.policy if outer is None else outer.around(endpoint.policy)
        table = getattr(endpoint, "table", None)
        if table is not None:
            yield from describe_routes(table().router.routes(), prefix + endpoint.prefix, policy)
            continue
        place = place_of(endpoint.view)
        yield {
            "rule": prefix + route.rule,
            "methods": sorted(route.methods or ()),
            "websocket": route.websocket,
            "name": route.name,
            "view": name_of(endpoint.view),
            "file": place.file,
            "line": place.line,
            "async": endpoint.is_async,
            "middleware": [name_of(layer.function) for layer in policy.middleware],
        }


def _route_row(route: dict[str, Any]) -> list[str]:
    # HEAD goes without saying where GET is answered.
    methods = [method for method in route["methods"] if method != "HEAD" or "GET" not in route["methods"]]
    return [
        "WEBSOCKET" if route["websocket"] else ",".join(methods) or "any",
        route["rule"],
        route["name"] or "-",
        route["view"],
        "async" if route["async"] else "plain",
        str(len(route["middleware"])),
    ]


@click.command()
@click.argument("names", metavar="[SIGNAL]...", nargs=-1)
@click.option("--all", "show_all", is_flag=True, help="List signals that have no receivers, too.")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON list of all signals instead.")
@pass_app
def signals(app: Webframe, names: tuple[str, ...], show_all: bool, as_json: bool) -> None:
    """List every signal with its receivers, in the order in which they are called.

    SIGNAL is the name of a signal, with its module or without; none means all.
    """
    described = [describe_signal(signal) for signal in choose_signals(all_signals(), names)]
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    lines = iter(table([_receiver_row(one) for signal in described for one in signal["receivers"]], indent="  "))
    silent = 0
    for signal in described:
        if signal["receivers"] or show_all or names:
            click.echo(signal["signal"] + ("" if signal["receivers"] else "  (no receivers)"))
        else:
            silent += 1
        for _ in signal["receivers"]:
            click.echo(next(lines))
    if silent:
        are = "signal has" if silent == 1 else "signals have"
        click.echo(f"{silent} {are} no receivers; --all lists them.")


def choose_signals(known: Sequence[Signal[...]], names: Sequence[str]) -> list[Signal[...]]:
    """Those that were named, or all.

    Raises CommandError for a name that no signal has.
    """
    chosen = []
    for name in names:
        matching = [signal for signal in known if name in (signal.name, signal_name(signal))]
        if not matching:
            near = difflib.get_close_matches(name, [signal.name for signal in known], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise CommandError(f"There is no signal {name!r}.{hint}", returncode=2)
        chosen += matching
    return chosen if names else list(known)


def signal_name(signal: Signal[...]) -> str:
    """The name of a signal with its module, as it would be imported."""
    return f"{signal.module}.{signal.name}"


def describe_signal(signal: Signal[...]) -> dict[str, Any]:
    """What `signals --json` says about one signal."""
    described = map(describe_receiver, signal.registrations())
    return {
        "signal": signal_name(signal),
        "summary": (signal.__doc__ or "").strip().partition("\n")[0],
        "receivers": [receiver for receiver in described if receiver is not None],
    }


def describe_receiver(registration: Registration) -> dict[str, Any] | None:
    """What `signals --json` says about one receiver; None when it is gone by now."""
    receiver, sender, uid = registration.receiver, registration.sender, registration.dispatch_uid
    if receiver is None:
        return None
    place = place_of(receiver)
    return {
        "receiver": name_of(receiver),
        "file": place.file,
        "line": place.line,
        "async": registration.is_async,
        # None is any sender; a text is a model that is still awaited.
        "sender": sender if sender is None or isinstance(sender, str) else _sender_name(sender),
        "weak": registration.weak,
        "dispatch_uid": uid if uid is None or isinstance(uid, (str, int)) else repr(uid),
        "priority": registration.priority,
        "inline": registration.inline,
        "include_subclasses": registration.include_subclasses,
        "on_commit": registration.on_commit,
    }


def _sender_name(sender: object) -> str:
    return name_of(sender) if callable(sender) else repr(sender)


def _receiver_row(receiver: dict[str, Any]) -> list[str]:
    uid, priority = receiver["dispatch_uid"], receiver["priority"]
    return [
        receiver["receiver"],
        str(Place(receiver["file"], receiver["line"])),
        "async" if receiver["async"] else "sync",
        f"from {receiver['sender'] or 'any sender'}" + (" and subclasses" if receiver["include_subclasses"] else ""),
        "weak" if receiver["weak"] else "strong",
        f"priority {priority}" if priority else "",
        "inline" if receiver["inline"] else "",
        "on commit" if receiver["on_commit"] else "",
        f"uid {uid!r}" if uid is not None else "",
    ]

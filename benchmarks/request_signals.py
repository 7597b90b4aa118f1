"""Claim: a WSGI request with three request signals received costs at most an eighth of Django's.

A receiver is connected to each of request_started, request_finished and got_request_exception; `plaintext` sends the
first two of them, `error` (an exception in the view, answered with the framework's own page) all three. The lines
marked "unheard" serve the same request with no receiver of ours connected: the difference is what listening costs.
The baseline calls the receivers by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import _exchanges as exchanges
from _exchanges import Exchange
from _harness import Batch, Case, Goal, run

NAMES = ["request_started", "request_finished", "got_request_exception"]

AN_EIGHTH_OF_DJANGO = Goal("webframe", "django", 1 / 8)


class Ears:
    """Three receivers that count how often they are called."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(NAMES, 0)

        def started(sender: Any, **named: Any) -> None:
            self.counts["request_started"] += 1

        def finished(sender: Any, **named: Any) -> None:
            self.counts["request_finished"] += 1

        def failed(sender: Any, **named: Any) -> None:
            self.counts["got_request_exception"] += 1

        self.receivers = dict(zip(NAMES, (started, finished, failed), strict=True))


def main() -> None:
    modules = exchanges.peers("wsgi", ["bare", "webframe", "django"])

    def case(name: str, exchange: Exchange) -> Case:
        def build() -> Mapping[str, Batch]:
            contenders = {name: bare(exchange) for name in ("bare", "bare again")}
            for peer in modules:
                if peer != "bare":
                    batch = exchanges.wsgi(modules[peer].views(), exchange)
                    contenders[peer] = heard(batch, signals_of(peer), fails=exchange.status == 500)
                    contenders[f"{peer} unheard"] = batch
            return contenders

        return Case(name, build, [AN_EIGHTH_OF_DJANGO])

    run(
        __doc__,
        [case("plaintext", exchanges.PLAINTEXT), case("error", exchanges.ERROR)],
        packages=["django"],
    )


def signals_of(peer: str) -> dict[str, Any]:
    """The three signals of a framework, by name."""
    if peer == "django":
        from django.core import signals
    else:
        from webframe.core import signals
    return {name: getattr(signals, name) for name in NAMES}


def heard(batch: Batch, signals: Mapping[str, Any], *, fails: bool) -> Batch:
    """The same contender with a receiver connected to each signal while it runs; their calls have been counted."""
    ears = Ears()

    def listening(times: int) -> None:
        for name, receiver in ears.receivers.items():
            signals[name].connect(receiver)
        try:
            batch(times)
        finally:
            for name, receiver in ears.receivers.items():
                signals[name].disconnect(receiver)

    listening(5)
    expected = {"request_started": 5, "request_finished": 5, "got_request_exception": 5 if fails else 0}
    if ears.counts != expected:
        raise AssertionError(f"The receivers were called {ears.counts} times instead of {expected}.")
    return listening


def bare(exchange: Exchange) -> Batch:
    """The baseline of wsgi_requests.py, with the receivers called by hand."""
    from peers import wsgi_bare

    receivers = Ears().receivers
    started, finished, failed = receivers.values()
    inner = wsgi_bare.views()
    fails = exchange.status == 500

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        started(sender=None, environ=environ)
        body: list[bytes] = inner(environ, start_response)
        if fails:
            failed(sender=None, request=None)
        finished(sender=None)
        return body

    return exchanges.wsgi(app, exchange)


if __name__ == "__main__":
    main()

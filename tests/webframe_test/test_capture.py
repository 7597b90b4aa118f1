"""Signals captured in tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from webframe import Request, Webframe
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.dispatch import Signal
from webframe.test import Client, capture_signals

done = Signal(name="done")
begun = Signal(name="begun")


def test_what_is_sent_is_recorded_in_order_with_sender_and_arguments() -> None:
    with capture_signals(begun, done) as sent:
        begun.send("a", number=1)
        done.send("b")
        begun.send("c", number=2)
    assert sent.names == ["begun", "done", "begun"]
    assert [(each.sender, each.arguments) for each in sent.of(begun)] == [("a", {"number": 1}), ("c", {"number": 2})]


def test_nothing_is_recorded_outside_of_the_block_or_of_other_senders() -> None:
    sender = object()
    with capture_signals(done, sender=sender) as sent:
        done.send(None)
        done.send(sender)
    done.send(sender)
    assert len(sent) == 1
    assert not done.has_listeners(sender)


def test_other_threads_are_heard_only_if_asked_for() -> None:
    def send_elsewhere() -> None:
        thread = threading.Thread(target=done.send, args=(None,))
        thread.start()
        thread.join()

    with capture_signals(done) as here, capture_signals(done, everywhere=True) as everywhere:
        send_elsewhere()
    assert (len(here), len(everywhere)) == (0, 1)


def test_async_sends_are_heard() -> None:
    async def main() -> list[str]:
        with capture_signals(done) as sent:
            await done.asend(None)
        return sent.names

    assert asyncio.run(main()) == ["done"]


def test_the_signals_of_a_request_are_captured_on_both_protocols(
    app: Webframe, client_for: Callable[..., Client]
) -> None:
    @app.get("/")
    def fail(request: Request) -> None:
        raise KeyError

    with capture_signals(request_started, request_finished, got_request_exception) as sent:
        client_for(app).get("/")
    assert sent.names == ["request_started", "got_request_exception", "request_finished"]

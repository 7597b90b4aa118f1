"""Signals captured in tests: what is heard, where and for how long."""

from __future__ import annotations

import asyncio
import doctest
import threading
import unittest
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from webframe import Request, Webframe
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.dispatch import Signal
from webframe.test import Client, capture_signals, mute
from webframe.test import capture as capture_module
from webframe.test.capture import Captured, TestSignals

done = Signal(name="done")
begun = Signal(name="begun")


def test_what_is_sent_is_recorded_in_order_with_sender_and_arguments() -> None:
    with capture_signals(begun, done) as sent:
        begun.send("a", number=1)
        done.send("b")
        begun.send("c", number=2)
    assert sent.names == ["begun", "done", "begun"]
    assert [(each.sender, each.arguments) for each in sent.of(begun)] == [("a", {"number": 1}), ("c", {"number": 2})]
    assert 0 <= sent[0].after <= sent[1].after <= sent[2].after < 60


def test_nothing_is_recorded_outside_of_the_block_or_of_other_senders() -> None:
    sender = object()
    with capture_signals(done, sender=sender) as sent:
        done.send(None)
        done.send(sender)
    done.send(sender)
    assert len(sent) == 1
    assert not done.has_listeners(sender)


def test_the_order_is_that_of_sending_even_if_a_receiver_sends_too() -> None:
    def go_on(sender: object, **kwargs: object) -> None:
        done.send(sender)

    begun.connect(go_on, priority=1000)
    try:
        with begun.connected_to(go_on), capture_signals(begun, done) as sent:
            begun.send(None)
    finally:
        begun.disconnect(go_on)
    assert sent.names == ["begun", "done"]


def test_what_ends_with_the_error_of_a_receiver_was_sent_all_the_same() -> None:
    def fail(**kwargs: object) -> None:
        raise ZeroDivisionError

    with done.connected_to(fail, priority=1000), capture_signals(done) as sent:
        with pytest.raises(ZeroDivisionError):
            done.send(None)
    assert sent.names == ["done"]


def test_without_a_signal_every_signal_is_captured() -> None:
    with capture_signals() as sent:
        begun.send("here")
        done.send("here")
    assert [each.signal for each in sent if each.sender == "here"] == [begun, done]


def test_other_threads_are_heard_only_if_asked_for() -> None:
    def send_elsewhere() -> None:
        thread = threading.Thread(target=done.send, args=(None,))
        thread.start()
        thread.join()

    with capture_signals(done) as here, capture_signals(done, everywhere=True) as everywhere:
        send_elsewhere()
        assert (len(here), len(everywhere)) == (0, 1)
        done.send(None)
    assert (len(here), len(everywhere)) == (1, 2)
    assert not done.has_listeners()


def test_async_sends_are_heard() -> None:
    async def main() -> list[str]:
        with capture_signals(done) as sent:
            await done.asend(None)
        return sent.names

    assert asyncio.run(main()) == ["done"]


def test_tasks_that_run_side_by_side_do_not_hear_each_other() -> None:
    async def send(name: str) -> list[object]:
        with capture_signals(done) as sent:
            for _ in range(3):
                await done.asend(name)
                await asyncio.sleep(0)
        return [each.sender for each in sent]

    async def main() -> list[list[object]]:
        return await asyncio.gather(*map(send, "abc"))

    assert asyncio.run(main()) == [["a"] * 3, ["b"] * 3, ["c"] * 3]


def test_threads_that_run_side_by_side_do_not_hear_each_other() -> None:
    heard: dict[str, list[object]] = {}
    barrier = threading.Barrier(3)

    def send(name: str) -> None:
        with capture_signals(done) as sent:
            barrier.wait()
            done.send(name)
            barrier.wait()
        heard[name] = [each.sender for each in sent]

    threads = [threading.Thread(target=send, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"a": ["a"], "b": ["b"], "c": ["c"]}


def test_a_task_that_outlives_the_block_is_not_heard_afterwards() -> None:
    async def main() -> list[object]:
        left = asyncio.Event()

        async def send() -> None:
            done.send("in time")
            await left.wait()
            done.send("too late")

        with capture_signals(done) as sent:
            task = asyncio.create_task(send())
            await asyncio.sleep(0)
        left.set()
        await task
        return [each.sender for each in sent]

    assert asyncio.run(main()) == ["in time"]


def test_the_signals_of_a_request_are_captured_on_both_protocols(
    app: Webframe, client_for: Callable[..., Client]
) -> None:
    @app.get("/")
    def fail(request: Request) -> None:
        raise KeyError

    with capture_signals(request_started, request_finished, got_request_exception) as sent:
        client_for(app).get("/")
    assert sent.names == ["request_started", "got_request_exception", "request_finished"]


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_views_send_is_captured_on_both_protocols(
    app: Webframe, client_for: Callable[..., Client], kind: str
) -> None:
    def plain(request: Request) -> str:
        done.send("a view")
        return "done"

    async def awaited(request: Request) -> str:
        await done.asend("a view")
        return "done"

    app.get("/")(plain if kind == "plain" else awaited)
    with capture_signals(done) as sent, mute(done):
        client_for(app).get("/")
    sent.assert_sent_once(sender="a view")


# -- captured and muted


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_is_muted_was_sent_all_the_same(everywhere: bool) -> None:
    heard: list[object] = []

    def hear(sender: object, **kwargs: object) -> None:
        heard.append(sender)

    done.connect(hear)
    try:
        with mute(done), capture_signals(done, everywhere=everywhere) as outside, mute(done):
            done.send("the sender")
            with mute(done, sender="another"):
                done.send("the sender")
    finally:
        done.disconnect(hear)
    assert heard == []
    outside.assert_sent(sender="the sender", count=2)


# -- nesting


def test_captures_nest() -> None:
    with capture_signals(done) as outer:
        done.send(1)
        with capture_signals(begun, done) as inner:
            done.send(2)
            begun.send(3)
        done.send(4)
    assert [each.sender for each in outer] == [1, 2, 4]
    assert [each.sender for each in inner] == [2, 3]


def test_one_object_can_be_used_again_but_not_within_itself() -> None:
    capture = capture_signals(done)
    for number in range(2):
        with capture as sent:
            done.send(number)
            with pytest.raises(RuntimeError, match="in force already. Make another"):
                capture.__enter__()
        assert [each.sender for each in sent] == [number]


def test_a_capture_that_cannot_begin_leaves_nothing_behind() -> None:
    from webframe.db.models.signals import post_save

    with pytest.raises(LookupError):
        capture_signals(done, post_save, sender="nowhere.Nothing").__enter__()
    assert not done.active


@pytest.mark.parametrize("wrong", [None, "done", print])
def test_what_is_no_signal_is_refused_at_once(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"capture_signals\(\) takes signals, not"):
        capture_signals(done, wrong)  # type: ignore[arg-type]


# -- decorators


@capture_signals(done)
def test_a_decorated_test_is_given_what_was_captured(tmp_path: object, sent: Captured) -> None:
    done.send(tmp_path)
    sent.assert_sent_once(sender=tmp_path)


@pytest.fixture
@capture_signals(done)
def captured(sent: Captured) -> Iterator[Captured]:
    yield sent


def test_a_decorated_fixture_captures_during_the_test(captured: Captured) -> None:
    done.send(None)
    assert len(captured) == 1


def test_calls_of_a_decorated_coroutine_function_may_overlap() -> None:
    @capture_signals(done)
    async def send(name: str, sent: Captured) -> list[object]:
        await asyncio.sleep(0)
        await done.asend(name)
        return [each.sender for each in sent]

    async def main() -> list[list[object]]:
        return await asyncio.gather(send("a"), send("b"))  # type: ignore[call-arg]

    assert asyncio.run(main()) == [["a"], ["b"]]


def test_an_async_generator_function_may_be_decorated() -> None:
    @capture_signals(done)
    async def numbers(sent: Captured) -> AsyncIterator[int]:
        done.send(None)
        yield len(sent)

    async def main() -> list[int]:
        return [number async for number in numbers()]  # type: ignore[call-arg]

    assert asyncio.run(main()) == [1]


def test_a_method_of_a_unittest_may_be_decorated() -> None:
    class Case(unittest.TestCase):
        @capture_signals(done)
        def test_it(self, sent: Captured) -> None:
            done.send(self)
            sent.assert_sent_once(sender=self)

    result = unittest.TestResult()
    Case("test_it").run(result)
    assert result.testsRun == 1 and result.wasSuccessful()


def test_a_function_that_does_not_take_what_was_captured_is_refused() -> None:
    with pytest.raises(TypeError, match="does not take what was captured. Give it a parameter 'sent'"):

        @capture_signals(done)
        def test() -> None: ...


def test_a_class_is_refused() -> None:
    with pytest.raises(TypeError, match="not the class .*Tests. Decorate the tests"):

        @capture_signals(done)
        class Tests: ...


# -- until the end of a test


@pytest.fixture
def signals() -> Iterator[TestSignals]:
    with TestSignals() as signals:
        yield signals
    assert not done.active and not begun.active


def test_from_the_call_to_the_end_of_the_test_it_captures_and_mutes(signals: TestSignals) -> None:
    done.send("before")
    sent = signals.capture(done, sender="me")
    done.send("me")
    done.send("you")
    assert len(sent) == 1
    signals.mute(done)
    with done.connected_to(_refuse, priority=-1):  # what is connected within is inside of the mute
        with mute(done):
            done.send("me")
    assert len(sent) == 2


def test_what_was_called_in_a_task_ends_with_the_test_too(signals: TestSignals) -> None:
    async def main() -> int:
        sent = signals.capture(begun)
        signals.mute(begun, sender="me")
        await asyncio.create_task(begun.asend("me"))
        return len(sent)

    assert asyncio.run(main()) == 1


def _refuse(**kwargs: object) -> None:
    raise AssertionError("A muted receiver was called.")


def test_the_examples_of_the_docstrings_are_right() -> None:
    from webframe.test import timeline

    for module in (capture_module, __import__("sys").modules["webframe.test.mute"], timeline):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)

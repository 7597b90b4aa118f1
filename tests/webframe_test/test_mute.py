"""Muted signals: who is not called, where, and for how long."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import Callable, Iterator

import pytest

from webframe import Request, Webframe
from webframe.dispatch import Signal
from webframe.test import Client, mute

done = Signal(name="done")
begun = Signal(name="begun")

heard: list[tuple[str, object]] = []


def hear(sender: object, **kwargs: object) -> None:
    heard.append(("hear", sender))


async def hear_async(sender: object, **kwargs: object) -> None:
    heard.append(("hear_async", sender))


class Ear:
    def hear(self, sender: object, **kwargs: object) -> None:
        heard.append(("Ear", sender))


ear = Ear()


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    for signal in (begun, done):
        for receiver in (hear, hear_async, ear.hear):
            signal.connect(receiver)
    heard.clear()
    yield
    for signal in (begun, done):
        for receiver in (hear, hear_async, ear.hear):
            signal.disconnect(receiver)
    assert not done.active and not begun.active


def names() -> list[str]:
    return [name for name, _ in heard]


ALL = ["hear", "Ear", "hear_async"]


def test_nobody_is_called_within_and_everybody_afterwards_in_the_same_order() -> None:
    before = done.receivers
    with mute(done, begun):
        assert done.send(1) == begun.send(1) == []
        assert not done.has_listeners()
    assert done.receivers == before
    done.send(2)
    assert names() == ALL


def test_other_signals_are_heard() -> None:
    with mute(done):
        begun.send(1)
    assert names() == ALL


@pytest.mark.parametrize(
    ("receiver", "left"),
    [(hear, ["Ear", "hear_async"]), (hear_async, ["hear", "Ear"]), (ear.hear, ["hear", "hear_async"])],
    ids=["function", "coroutine function", "method"],
)
def test_one_receiver_alone_can_be_muted(receiver: Callable[..., object], left: list[str]) -> None:
    with mute(done, receiver=receiver):
        done.send(None)
    assert names() == left


def test_one_sender_alone_can_be_muted() -> None:
    me, you = object(), object()
    with mute(done, sender=me):
        done.send(me)
        done.send(you)
    assert {sender for _, sender in heard} == {you}


def test_one_receiver_can_be_muted_for_one_sender() -> None:
    me, you = object(), object()
    with mute(done, receiver=hear, sender=me):
        done.send(me)
        done.send(you)
    assert [each for each in heard if each[0] == "hear"] == [("hear", you)]


def test_mutes_nest_and_end_one_by_one() -> None:
    with mute(done):
        with mute(done, receiver=hear):
            done.send(1)
        done.send(2)
        assert heard == []
    with mute(done, receiver=hear):
        with mute(done, receiver=hear_async):
            done.send(3)
        done.send(4)
    assert heard == [("Ear", 3), ("Ear", 4), ("hear_async", 4)]


def test_everybody_is_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), mute(done):
        raise ZeroDivisionError
    done.send(1)
    assert names() == ALL


def test_other_threads_hear() -> None:
    with mute(done):
        thread = threading.Thread(target=done.send, args=("there",))
        thread.start()
        thread.join()
        done.send("here")
    assert {sender for _, sender in heard} == {"there"}


def test_tasks_of_the_block_are_muted_others_are_not_and_none_for_ever() -> None:
    async def main() -> None:
        in_the_block, left = asyncio.Event(), asyncio.Event()

        async def outside() -> None:
            await in_the_block.wait()
            await done.asend("outside")

        async def inside() -> None:
            await done.asend("inside")
            await left.wait()
            await done.asend("afterwards")

        stranger = asyncio.create_task(outside())
        with mute(done):
            task = asyncio.create_task(inside())
            in_the_block.set()
            await stranger
            await asyncio.sleep(0)
        left.set()
        await task

    asyncio.run(main())
    assert {sender for _, sender in heard} == {"outside", "afterwards"}


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_views_are_muted_on_both_protocols(app: Webframe, client_for: Callable[..., Client], kind: str) -> None:
    def plain(request: Request) -> str:
        begun.send("a view", request=request)
        return "done"

    async def awaited(request: Request) -> str:
        await begun.asend("a view", request=request)
        return "done"

    app.get("/")(plain if kind == "plain" else awaited)
    begun.disconnect(hear_async)  # it could not be awaited from the plain view's own thread under ASGI
    begun.disconnect(ear.hear)
    client = client_for(app)
    with mute(begun, receiver=hear):
        assert client.get("/").text == "done"
    assert heard == []
    client.get("/")
    assert heard == [("hear", "a view")]


def test_one_object_can_be_used_again_but_not_within_itself() -> None:
    muting = mute(done)
    for _ in range(2):
        with muting:
            done.send(None)
            with pytest.raises(RuntimeError, match="in force already. Make another"):
                muting.__enter__()
    assert heard == []
    done.send(None)
    assert names() == ALL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"mute\(\) without a signal mutes nothing"),
        ((hear,), "takes signals, not .* Give the receiver as receiver="),
    ],
)
def test_what_is_no_signal_is_refused_at_once(arguments: tuple[Signal, ...], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        mute(*arguments)


def test_a_mute_that_cannot_begin_leaves_nothing_behind() -> None:
    from webframe.db.models.signals import post_save

    with pytest.raises(LookupError):
        mute(done, post_save, sender="nowhere.Nothing").__enter__()
    done.send(None)
    assert names() == ALL


# -- decorators


@mute(done)
def test_a_decorated_test_keeps_its_fixtures(tmp_path: object) -> None:
    done.send(tmp_path)
    assert heard == []


@pytest.fixture
@mute(done)
def silence() -> Iterator[None]:
    yield


def test_a_decorated_fixture_mutes_during_the_test(silence: None) -> None:
    done.send(None)
    assert heard == []


def test_calls_of_a_decorated_coroutine_function_may_overlap_and_the_coroutine_is_muted_when_it_runs() -> None:
    @mute(done)
    async def send(name: str) -> None:
        await asyncio.sleep(0)
        await done.asend(name)

    async def main() -> None:
        await asyncio.gather(send("a"), send("b"))

    asyncio.run(main())
    assert asyncio.iscoroutinefunction(send)
    assert heard == []


def test_a_function_may_call_itself() -> None:
    @mute(done)
    def send(depth: int) -> None:
        done.send(depth)
        if depth:
            send(depth - 1)

    send(3)
    assert heard == []


@mute(done)
class Tests(unittest.TestCase):
    def setUp(self) -> None:
        self.set_up = done.send("set up")

    def test_tests_are_muted_one_by_one(self) -> None:
        done.send(self)
        assert self.set_up and {sender for _, sender in heard} == {"set up"}

    @classmethod
    def test_class_methods_stay_what_they_are(cls) -> None:
        assert not done.send(cls)

    @staticmethod
    def test_static_methods_too() -> None:
        assert not done.send(None)

    def helper(self) -> list[object]:
        return [*done.send(self)]


class TestSubclass(Tests):
    def test_methods_of_its_own_are_not_muted(self) -> None:
        assert done.send(self) and self.helper()

"""WebSockets whose view only sends, on servers that drop what is sent to a client who has gone, and say nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from webframe import Webframe
from webframe.core.exceptions import ClientDisconnected
from webframe.core.handlers.inbox import ROOM
from webframe.core.handlers.websocket import WebSocket
from webframe.waiting import wait

from .test_websocket import Exchange, gone, run, talk, text


@pytest.fixture
def send_only(app: Webframe, kind: str) -> Callable[..., Any]:
    """Registers a view that sends without end and never receives, plain or async."""

    def register() -> None:
        if kind == "plain":

            @app.websocket("/")
            def view(websocket: WebSocket) -> None:
                while True:
                    wait(websocket.send("x"))

        else:

            @app.websocket("/")
            async def aview(websocket: WebSocket) -> None:
                while True:
                    await websocket.send("x")

    return register


@pytest.mark.parametrize("messages", [[], [text("ping")], [text("ping")] * 20], ids=lambda messages: len(messages))
def test_a_view_that_only_sends_ends_when_its_client_is_gone_though_the_server_drops_what_it_sends(
    app: Webframe, heard: Any, send_only: Any, messages: Any
) -> None:
    send_only()
    exchange = talk(app, "/", *messages, gone())
    assert heard.events == ["websocket started", "websocket finished"]
    assert exchange.kinds[0] == "accept"
    assert "close" not in exchange.kinds


def test_what_was_read_ahead_comes_in_order_when_the_view_receives(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        for _ in range(5):
            await websocket.send("x")
            await asyncio.sleep(0.001)
        async for message in websocket:
            heard(str(message))

    talk(app, "/", text("a"), text("b"), text("c"), text(""), text("d"), gone())
    assert heard.events == ["websocket started", "a", "b", "c", "", "d", "websocket finished"]


def test_a_receive_that_is_given_up_loses_no_message(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.send("x")
        await websocket.send("x")
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(websocket.receive(), 0.001)
        for message in (text("a"), text("b")):
            exchange.messages.put_nowait(message)
        heard(str(await websocket.receive()))
        heard(str(await websocket.receive()))

    exchange = Exchange(app, "/")
    run(exchange.run())
    assert heard.events == ["websocket started", "a", "b", "websocket finished"]


def test_several_tasks_of_a_view_may_receive_and_each_message_comes_once(app: Webframe, heard: Any) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        async def read() -> None:
            async for message in websocket:
                heard(str(message))

        async def write() -> None:
            for number in range(10):
                await websocket.send("x")
                await asyncio.sleep(0)
                exchange.messages.put_nowait(text(str(number)))
            for _ in "ab":  # to each of those who receive
                exchange.messages.put_nowait(gone())

        await websocket.send("x")
        await websocket.send("x")
        await asyncio.gather(read(), read(), write())

    exchange = Exchange(app, "/")
    run(exchange.run())
    assert sorted(heard.events[1:-1]) == sorted(str(number) for number in range(10))


def test_a_view_that_receives_by_itself_has_nothing_read_ahead(app: Webframe) -> None:
    tasks = []

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)
            tasks.append(len(asyncio.all_tasks()))

    exchange = Exchange(app, "/", [text("a"), text("b"), gone()])
    asyncio.run(app(exchange.scope, exchange.messages.get, exchange.send))
    assert tasks == [1, 1]


@pytest.mark.parametrize("letters", ["x" * (ROOM // 10), "\N{GRINNING FACE}" * (ROOM // 40)], ids=["ascii", "emoji"])
def test_the_server_has_to_wait_when_much_was_read_ahead(app: Webframe, letters: str) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        for _ in range(200):
            await websocket.send("x")
            await asyncio.sleep(0)
        left.append(exchange.messages.qsize())
        async for _ in websocket:
            received.append(True)
            if len(received) == 100:
                return

    left: list[int] = []
    received: list[bool] = []
    exchange = Exchange(app, "/", [text(letters)] * 100)
    run(exchange.run())
    assert left[0] > 80
    assert len(received) == 100


def test_nothing_is_read_any_more_when_the_conversation_is_over(app: Webframe) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.send("x")
        await websocket.send("x")
        await asyncio.sleep(0)

    async def main() -> Exchange:
        exchange = await Exchange(app, "/").run()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        exchange.messages.put_nowait(gone())
        assert exchange.messages.qsize() == 1
        return exchange

    assert run(main()).kinds == ["accept", "send", "send", "close"]


@pytest.mark.parametrize("closes", [True, False], ids=["closed by the view", "left open by the view"])
def test_what_the_client_has_closed_is_not_closed_again(app: Webframe, closes: bool) -> None:
    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        await websocket.send("x")
        await websocket.send("x")
        exchange.messages.put_nowait(gone())
        await asyncio.sleep(0.01)
        if closes:
            await websocket.close()

    exchange = Exchange(app, "/")
    run(exchange.run())
    assert exchange.kinds == ["accept", "send", "send"]


def test_an_error_of_the_server_is_raised_where_the_view_receives(app: Webframe) -> None:
    calls = []

    async def receive() -> Any:
        calls.append(True)
        if len(calls) == 1:
            return await exchange.messages.get()
        raise LookupError("the server's")

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        for _ in range(5):
            await websocket.send("x")
            await asyncio.sleep(0)
        with pytest.raises(LookupError):
            await websocket.receive()

    exchange = Exchange(app, "/")
    asyncio.run(app(exchange.scope, receive, exchange.send))
    assert exchange.code == 1000


@pytest.mark.parametrize("goes", [True, False], ids=["gone", "still there"])
def test_a_runtime_error_of_send_is_a_client_that_went_away_if_the_server_says_so_soon(
    app: Webframe, goes: bool
) -> None:
    def refuse(message: Any) -> None:
        if message["type"] == "websocket.send":
            if goes:
                asyncio.get_running_loop().call_later(0.002, exchange.messages.put_nowait, gone())
            raise RuntimeError("unable to perform operation: the handler is closed")

    @app.websocket("/")
    async def view(websocket: WebSocket) -> None:
        with pytest.raises(ClientDisconnected if goes else RuntimeError):
            await websocket.send("x")

    exchange = Exchange(app, "/")
    exchange.on_send = refuse
    run(exchange.run())
    assert exchange.kinds == (["accept"] if goes else ["accept", "close"])

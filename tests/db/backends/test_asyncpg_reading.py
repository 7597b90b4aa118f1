"""What PostgreSQL sends in pieces of 8 kB is read in one go, and nothing of it is lost, read twice or read too late."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from webframe.db import OperationalError, connections
from webframe.db.backends.drivers.asyncpg_reading import MOST, PIECE, ReadingOn, read_on
from webframe.db.configuration import configuration
from webframe.greenlets import bridge
from webframe.test import override_settings


class Recorder(asyncio.Protocol):
    """Notes what a transport tells; `while_working` is called as long as it is at work on the first piece."""

    def __init__(self, while_working: Callable[[], object]) -> None:
        self.while_working = while_working
        self.told: list[Any] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.told.append(data)
        if len(self.told) == 1:
            self.while_working()

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(error)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    async def has(self, count: int) -> list[Any]:
        """All that was told, once it is so much."""
        async with asyncio.timeout(10):
            while len(self.told) < count:
                await asyncio.sleep(0)
        return self.told


async def listen(recorder: Recorder, sock: socket.socket) -> None:
    """Put a recorder behind a transport that reads on, if it may."""
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: recorder, sock=sock)
    read_on(SimpleNamespace(_transport=transport))


async def connected(while_working: Callable[[Recorder, socket.socket], object]) -> tuple[Recorder, socket.socket]:
    """A recorder that listens, and the other end."""
    mine, other = socket.socketpair()
    recorder = Recorder(lambda: while_working(recorder, other))
    await listen(recorder, mine)
    assert isinstance(recorder.transport.get_protocol(), ReadingOn)
    return recorder, other


FIRST = b"a" * PIECE


async def first_and_then(while_working: Callable[[Recorder, socket.socket], object]) -> tuple[Recorder, socket.socket]:
    """What was told by the time that a reader of the first piece is done."""
    recorder, other = await connected(while_working)
    other.sendall(FIRST)
    await recorder.has(1)
    return recorder, other


async def test_what_came_while_the_first_piece_was_worked_on_is_read_with_it() -> None:
    recorder, other = await first_and_then(lambda recorder, other: other.sendall(b"rest"))
    assert recorder.told == [FIRST, b"rest"]
    recorder.transport.close()
    other.close()


async def test_where_nothing_has_come_yet_it_is_read_when_it_comes() -> None:
    recorder, other = await first_and_then(lambda recorder, other: None)
    assert recorder.told == [FIRST]
    other.sendall(b"rest")
    assert await recorder.has(2) == [FIRST, b"rest"]
    recorder.transport.close()
    other.close()


async def test_a_short_piece_is_the_last() -> None:
    recorder, other = await connected(lambda recorder, other: other.sendall(b"next"))
    other.sendall(b"short")
    await recorder.has(1)
    assert recorder.told == [b"short"]
    assert await recorder.has(2) == [b"short", b"next"]
    recorder.transport.close()
    other.close()


async def test_others_have_their_turn_before_more_is_read_on() -> None:
    def send(recorder: Recorder, other: socket.socket) -> None:
        other.setblocking(False)
        pieces = b"b" * PIECE
        sent = 0
        while sent < MOST + PIECE:
            sent += other.send(pieces)

    mine, other = socket.socketpair()
    for end in (mine, other):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MOST)
    recorder = Recorder(lambda: send(recorder, other))
    await listen(recorder, mine)
    other.sendall(FIRST)
    await recorder.has(1)
    assert [len(data) for data in recorder.told] == [PIECE, MOST]
    await recorder.has(3)
    assert sum(map(len, recorder.told)) == MOST + 2 * PIECE
    recorder.transport.close()
    other.close()


async def test_a_protocol_that_wants_no_more_gets_no_more() -> None:
    def pause(recorder: Recorder, other: socket.socket) -> None:
        other.sendall(b"rest")
        recorder.transport.pause_reading()

    recorder, other = await first_and_then(pause)
    for _ in range(5):
        await asyncio.sleep(0)
    assert recorder.told == [FIRST]
    recorder.transport.resume_reading()
    assert await recorder.has(2) == [FIRST, b"rest"]
    recorder.transport.close()
    other.close()


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_transport_that_was_closed_is_not_read(how: str) -> None:
    def close(recorder: Recorder, other: socket.socket) -> None:
        other.sendall(b"rest")
        getattr(recorder.transport, how)()

    recorder, other = await first_and_then(close)
    assert await recorder.has(2) == [FIRST, None]
    other.close()


async def test_the_end_is_told_once_and_after_all_that_came() -> None:
    def end(recorder: Recorder, other: socket.socket) -> None:
        other.sendall(FIRST)
        other.close()

    recorder, _ = await first_and_then(end)
    assert await recorder.has(4) == [FIRST, FIRST, "eof", None]


async def test_the_end_right_after_a_piece_is_told() -> None:
    recorder, _ = await first_and_then(lambda recorder, other: other.close())
    assert await recorder.has(3) == [FIRST, "eof", None]


async def test_a_broken_connection_is_told_as_ever() -> None:
    """The peer of a TCP connection resets it while the first piece is worked on."""
    listening = socket.create_server(("127.0.0.1", 0))
    mine = socket.create_connection(listening.getsockname())
    other, _ = listening.accept()
    listening.close()

    def reset() -> None:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()

    recorder = Recorder(reset)
    await listen(recorder, mine)
    other.sendall(FIRST)
    first, error = await recorder.has(2)
    assert first == FIRST
    assert isinstance(error, ConnectionResetError)


async def test_what_a_transport_tells_of_writing_reaches_the_protocol() -> None:
    recorder, other = await connected(lambda recorder, other: None)
    recorder.transport.write(b"x" * 10_000_000)
    assert recorder.told == ["pause"]
    other.setblocking(False)
    while recorder.told == ["pause"]:
        await asyncio.sleep(0)
        try:
            other.recv(1_000_000)
        except BlockingIOError:
            continue
    assert recorder.told == ["pause", "resume"]
    recorder.transport.abort()
    other.close()


# --- who has waited -----------------------------------------------------------------------------------------------


class Rounds:
    """Counts how often a loop looks for events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # asyncio's own
        self._select = selector.select
        monkeypatch.setattr(selector, "select", self._count)

    def _count(self, timeout: float | None = None) -> Any:
        self.count += 1
        return self._select(timeout)


async def answered(monkeypatch: pytest.MonkeyPatch, *also: Callable[[list[str]], object]) -> tuple[list[str], int]:
    """Who has run when an answer is there, what `also` does when it comes, and the rounds of the loop from then on."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()
    told: list[str] = []
    rounds = Rounds(monkeypatch)

    def come(recorder: Recorder, other: socket.socket) -> None:
        rounds.count = 0
        answer.set_result(None)
        for each in also:
            each(told)

    recorder, other = await connected(come)
    loop.call_soon(other.sendall, b"answer")
    await answer
    told.append("who has waited")
    count = rounds.count
    await asyncio.sleep(0)
    recorder.transport.close()
    other.close()
    return told, count


async def test_who_waits_for_an_answer_runs_in_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await answered(monkeypatch) == (["who has waited"], 0)


async def test_others_who_are_woken_run_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def wake(told: list[str]) -> None:
        asyncio.get_running_loop().call_soon(told.append, "another")

    assert await answered(monkeypatch, wake) == (["who has waited", "another"], 0)


async def test_who_is_woken_by_those_who_are_woken_waits_for_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    told: list[int] = []

    def again(number: int) -> None:
        told.append(number)
        loop.call_soon(again, number + 1)

    recorder, other = await connected(lambda recorder, other: loop.call_soon(again, 0))
    recorder.transport.get_protocol().data_received(b"answer")
    assert told == [0]
    await asyncio.sleep(0)
    assert told == [0, 1]
    recorder.transport.close()
    other.close()


async def test_who_was_to_run_before_does_so() -> None:
    loop = asyncio.get_running_loop()
    told: list[str] = []
    recorder, other = await connected(lambda recorder, other: loop.call_soon(told.append, "who has waited"))
    loop.call_soon(told.append, "who was to run before")
    recorder.transport.get_protocol().data_received(b"answer")
    assert told == []
    await asyncio.sleep(0)
    assert told == ["who was to run before", "who has waited"]
    recorder.transport.close()
    other.close()


async def test_a_call_that_was_cancelled_is_not_made() -> None:
    loop = asyncio.get_running_loop()
    told: list[str] = []
    recorder, other = await connected(lambda recorder, other: loop.call_soon(told.append, "cancelled").cancel())
    other.sendall(b"answer")
    await recorder.has(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert told == []
    recorder.transport.close()
    other.close()


async def test_an_error_of_who_is_called_is_reported_by_the_loop_and_the_connection_goes_on() -> None:
    loop = asyncio.get_running_loop()
    reported: list[Any] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context["exception"]))
    recorder, other = await connected(lambda recorder, other: loop.call_soon(lambda: 1 / 0))
    other.sendall(b"answer")
    await recorder.has(1)
    await asyncio.sleep(0)
    assert [type(error) for error in reported] == [ZeroDivisionError]
    other.sendall(b"next")
    assert await recorder.has(2) == [b"answer", b"next"]
    recorder.transport.close()
    other.close()


async def test_a_loop_that_is_debugged_from_now_on_times_each_call_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    assert await answered(monkeypatch) == (["who has waited"], 0)
    loop.set_debug(True)
    assert await answered(monkeypatch) == (["who has waited"], 1)


class Nested(asyncio.SelectorEventLoop):
    """A loop that can be run within one of its own calls, as notebooks make it."""

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]  # asyncio's own


def test_a_loop_that_may_run_within_itself_is_left_to_do_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(loop_factory=Nested) as runner:
        assert runner.run(answered(monkeypatch)) == (["who has waited"], 1)


def test_a_loop_that_is_debugged_times_each_call_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(debug=True) as runner:
        told, rounds = runner.run(answered(monkeypatch))
    assert (told, rounds) == (["who has waited"], 1)


async def test_tasks_on_connections_of_their_own_all_have_their_turns() -> None:
    async def talk(number: int) -> list[int]:
        answers: asyncio.Queue[bytes] = asyncio.Queue()
        mine, other = socket.socketpair()

        class Client(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                answers.put_nowait(data)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(Client, sock=mine)
        read_on(SimpleNamespace(_transport=transport))
        heard = []
        for word in range(50):
            other.sendall(b"%d" % word)
            heard.append(int(await answers.get()))
            assert asyncio.current_task() is not None
        transport.close()
        other.close()
        return heard

    for count in (1, 2, 20):
        assert await asyncio.gather(*(talk(number) for number in range(count))) == [list(range(50))] * count


# --- where it is left alone ---------------------------------------------------------------------------------------


async def test_tls_is_left_alone() -> None:
    def context(purpose: int) -> ssl.SSLContext:
        made = ssl.SSLContext(purpose)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        # Neither side needs a certificate.
        made.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
        return made

    loop = asyncio.get_running_loop()
    mine, other = socket.socketpair()
    recorder = Recorder(lambda: None)
    _, (transport, _) = await asyncio.gather(
        loop.connect_accepted_socket(asyncio.Protocol, other, ssl=context(ssl.PROTOCOL_TLS_SERVER)),
        loop.create_connection(
            lambda: recorder, sock=mine, ssl=context(ssl.PROTOCOL_TLS_CLIENT), server_hostname="localhost"
        ),
    )
    read_on(SimpleNamespace(_transport=transport))
    assert transport.get_protocol() is recorder
    transport.abort()
    await asyncio.sleep(0)


async def test_an_asyncpg_that_hides_its_transport_is_left_alone() -> None:
    read_on(SimpleNamespace())


def test_other_loops_are_left_alone() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        mine, other = socket.socketpair()
        recorder = Recorder(lambda: None)
        await listen(recorder, mine)
        assert recorder.transport.get_protocol() is recorder
        recorder.transport.abort()
        other.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# --- the server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def asyncpg(engine: Any) -> Any:
    entry = {**configuration("default", engine.databases["default"]), "ASYNC_DRIVER": "asyncpg"}
    with override_settings(DATABASES={"default": entry}):
        yield
        connections.close_all()


def on_link(function: Callable[[Any], Any]) -> Any:
    def call() -> Any:
        link = connections["default"].connect_async()
        assert isinstance(link.raw._transport.get_protocol(), ReadingOn)
        try:
            return function(link)
        finally:
            if link.is_open():
                link.close()

    return asyncio.run(bridge(call))


@pytest.mark.engines("postgresql")
def test_answers_of_every_length_about_a_piece_are_whole(asyncpg: None) -> None:
    def work(link: Any) -> None:
        for pieces in (1, 2, 3):
            for length in range(pieces * PIECE - 80, pieces * PIECE + 10, 3):
                [(text, end)] = link.fetch("SELECT repeat('x', %s), 'end'", (length,))
                assert (len(text), end) == (length, "end")

    on_link(work)


@pytest.mark.engines("postgresql")
def test_many_rows_arrive_in_order(asyncpg: None) -> None:
    def work(link: Any) -> None:
        for count in (10, 90, 500, 20_000):
            rows = link.fetch("SELECT i, repeat('x', 100) FROM generate_series(1, %s) i", (count,))
            assert [number for number, _ in rows] == list(range(1, count + 1))

    on_link(work)


@pytest.mark.engines("postgresql")
def test_a_connection_lost_in_the_middle_of_an_answer_is_an_operational_error(asyncpg: None) -> None:
    sql = (
        "SELECT repeat('x', 1000), CASE WHEN i = %s THEN pg_terminate_backend(pg_backend_pid()) END "
        "FROM generate_series(1, 100) i"
    )

    def work(link: Any) -> None:
        with pytest.raises(Exception) as caught:
            link.fetch(sql, (40,))
        assert isinstance(connections["default"].translate(caught.value), OperationalError)
        assert connections["default"].is_lost(caught.value, link)

    on_link(work)

"""Bodies: where they end, and what happens when they do not end there."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webframe.core.exceptions import BadRequest, ClientDisconnected, RequestDataTooBig, RequestTimeout
from webframe.http.body import open_body


class Wire(io.RawIOBase):
    """A connection: gives a few bytes at a time, and after the body those of the next request."""

    def __init__(self, data: bytes, piece: int = 3) -> None:
        self._file = io.BytesIO(data)
        self._piece = piece

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0, "reading to the end of a connection waits for ever"
        return self._file.read(min(size, self._piece))

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "reading to the end of a connection waits for ever"
        return self._file.readline(size)


class Broken:
    """A connection that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int) -> bytes:
        raise self._error


def body(raw: Any, length: int | None = None, maximum: int = 100, terminated: bool = False) -> Any:
    return open_body(raw, length, maximum, terminated)


def test_a_body_ends_where_its_length_says() -> None:
    stream = body(Wire(b"hello, next request"), 5)
    assert stream.read() == b"hello"
    assert stream.read() == b""
    assert stream.tell() == 5


def test_a_terminated_body_ends_by_itself() -> None:
    assert body(Wire(b"hello"), None, terminated=True).read() == b"hello"
    assert body(Wire(b"hello"), 5, terminated=True).read() == b"hello"


def test_a_body_that_nobody_ends_is_empty() -> None:
    assert body(Wire(b"hello")).read() == b""


def test_a_file_in_memory_ends_by_itself() -> None:
    assert body(io.BytesIO(b"hello")).read() == b"hello"


def test_a_file_in_memory_is_read_no_further_than_its_length() -> None:
    assert body(io.BytesIO(b"hello, next request"), 5).read() == b"hello"


def test_a_file_in_memory_that_fits_is_handed_out_itself() -> None:
    raw = io.BytesIO(b"hello")
    assert body(raw, 5) is raw
    raw.seek(2)
    assert body(raw, 3) is raw


@pytest.mark.parametrize("make", [io.BytesIO, Wire])
def test_a_promised_length_over_the_limit_is_refused_at_once(make: Any) -> None:
    with pytest.raises(RequestDataTooBig, match="more than the 4 bytes"):
        body(make(b"hello"), 5, maximum=4)


@pytest.mark.parametrize("make", [io.BytesIO, Wire])
@pytest.mark.parametrize("length", [None, 2])
def test_a_terminated_body_over_the_limit_is_refused_whatever_was_promised(make: Any, length: int | None) -> None:
    stream = body(make(b"hello"), length, maximum=4, terminated=True)
    with pytest.raises(RequestDataTooBig):
        stream.read()
    with pytest.raises(RequestDataTooBig):
        stream.read()


@pytest.mark.parametrize("make", [io.BytesIO, Wire])
def test_a_body_may_be_as_large_as_the_limit(make: Any) -> None:
    stream = body(make(b"hello"), None, maximum=5, terminated=True)
    assert stream.read(3) + stream.read(2) + stream.read(1) == b"hello"
    assert body(make(b"hello"), None, maximum=5, terminated=True).read() == b"hello"
    assert body(make(b"hello"), 5, maximum=5).read() == b"hello"


@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize("make", [io.BytesIO, Wire])
def test_a_body_that_ends_too_early_is_a_bad_request(make: Any, terminated: bool) -> None:
    stream = body(make(b"hel"), 5, terminated=terminated)
    with pytest.raises(BadRequest, match="after 3 of 5 bytes"):
        stream.read()


def test_a_failing_connection_is_a_client_that_went_away() -> None:
    for error in (ConnectionResetError("reset by peer"), ValueError("bad chunk")):
        with pytest.raises(ClientDisconnected, match=str(error)) as caught:
            body(Broken(error), 5).read()
        assert caught.value.__cause__ is error


def test_a_timeout_is_a_408() -> None:
    with pytest.raises(RequestTimeout):
        body(Broken(TimeoutError("timed out")), 5).read()


def test_any_other_error_of_the_server_is_a_bad_request() -> None:
    """gunicorn says in its own words that a chunk is none."""

    class InvalidChunkSize(Exception): ...

    with pytest.raises(BadRequest, match="malformed after 0 bytes") as caught:
        body(Broken(InvalidChunkSize(b"zz")), None, terminated=True).read()
    assert isinstance(caught.value.__cause__, InvalidChunkSize)


@pytest.mark.parametrize("error", [ClientDisconnected("gone"), RequestDataTooBig("too much")])
def test_what_a_stream_of_ours_raises_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        body(Broken(error), 5).read()
    assert caught.value is error


def test_lines_are_read_no_further_than_the_body() -> None:
    stream = body(Wire(b"one\ntwo\nthree\nnext request\n"), 13)
    assert stream.readline() == b"one\n"
    assert stream.readline(2) == b"tw"
    assert list(stream) == [b"o\n", b"three"]


def test_a_body_can_be_read_in_the_ways_of_a_file() -> None:
    assert body(Wire(b"hello"), 5).readall() == b"hello"
    assert body(Wire(b"hello"), 5).read(None) == b"hello"
    assert body(Wire(b"a\nb\n"), 4).readlines() == [b"a\n", b"b\n"]
    buffer = bytearray(8)
    assert body(Wire(b"hello", piece=8), 5).readinto(buffer) == 5
    assert buffer == b"hello\0\0\0"
    assert io.BufferedReader(body(Wire(b"hello"), 5)).read() == b"hello"
    stream = body(Wire(b"hello"), 5)
    assert stream.readable()
    assert not stream.writable()
    assert not stream.seekable()


def test_reading_nothing_is_no_sign_of_an_end() -> None:
    stream = body(Wire(b"hello"), 5)
    assert stream.read(0) == b""
    assert stream.read() == b"hello"


@settings(max_examples=100)
@given(
    st.binary(max_size=40),
    st.integers(1, 9),
    st.lists(st.one_of(st.integers(-1, 12), st.none()), max_size=8),
    st.booleans(),
)
def test_whatever_the_reads_the_body_comes_out(
    data: bytes, piece: int, sizes: list[int | None], terminated: bool
) -> None:
    stream = body(Wire(data + (b"" if terminated else b"next"), piece), len(data), terminated=terminated)
    out = b"".join(stream.readline(size) if size == 7 else stream.read(size) for size in sizes)
    assert out + stream.read() == data

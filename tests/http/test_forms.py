"""Multipart forms: what werkzeug makes of them, within limits."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.test import create_environ
from werkzeug.wrappers import Request as Stock

from webframe.core.exceptions import (
    BadRequest,
    HTTPError,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from webframe.http.limits import Limits
from webframe.http.request import Request

TYPE = "multipart/form-data; boundary=frontier"


def part(name: str, contents: bytes, filename: str | None = None, more: str = "") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{more}\r\n'
    return head.encode() + contents + b"\r\n"


END = b"--frontier--\r\n"

FORM = (
    part("a", b"1")
    + part("text", "Jürgen\r\n--front\r\n".encode())
    + part("file", b"\x00\r\n--frontie\xff", "x.bin", "Content-Type: application/octet-stream\r\n")
    + part("a", b"")
    + part("latin", b"caf\xe9", None, "Content-Type: text/plain; charset=iso-8859-1\r\n")
    + part("empty", b"", "")
    + END
)


class Trickle:
    """A body that comes in pieces of a size."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file = io.BytesIO(data)
        self._size = size

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, self._size))


class StockInMemory(Stock):
    """werkzeug's request, which leaves files open when a form turns out to be malformed."""

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> Any:
        return io.BytesIO()


class Endless:
    """A body made while it is read; remembers how much of it was."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.size = 0

    def read(self, size: int) -> bytes:
        piece = b""
        for more in self._pieces:
            piece += more
            if len(piece) + len(more) > size:
                break
        self.size += len(piece)
        return piece


def environ(data: Any, content_type: str = TYPE) -> dict[str, Any]:
    made: dict[str, Any] = create_environ(method="POST")
    made["CONTENT_TYPE"] = content_type
    made["wsgi.input"] = io.BytesIO(data) if isinstance(data, bytes) else data
    made["wsgi.input_terminated"] = True
    made.pop("CONTENT_LENGTH", None)
    return made


def request(data: Any, content_type: str = TYPE, **limits: int) -> Request:
    made = Request(environ(data, content_type))
    made.limits = dataclasses.replace(Limits.from_settings(), **limits)
    return made


def contents(made: Stock) -> Any:
    """The fields and files of a form; the request is over then."""
    fields = list(made.form.items(multi=True))
    files = [
        (name, file.filename, file.name, file.content_type, sorted(file.headers), file.read())
        for name, file in made.files.items(multi=True)
    ]
    made.close()
    return fields, files


def finish(made: Request) -> None:
    """What the core does at the end of a request."""
    for call in made.take_work():
        call()


def test_a_form_has_its_fields_and_files() -> None:
    made = request(FORM)
    assert made.form.getlist("a") == ["1", ""]
    assert made.form["text"] == "Jürgen\r\n--front\r\n"
    assert made.form["latin"] == "café"
    file = made.files["file"]
    assert (file.filename, file.content_type) == ("x.bin", "application/octet-stream")
    assert file.read() == b"\x00\r\n--frontie\xff"
    assert made.files["empty"].filename == ""
    assert made.data == b""
    finish(made)


def test_it_does_not_matter_how_the_body_is_cut() -> None:
    expected = contents(StockInMemory(environ(FORM)))
    for size in range(1, len(FORM) + 1):
        made = request(Trickle(FORM, size))
        assert contents(made) == expected, f"in pieces of {size}"


pieces = st.binary(max_size=20) | st.sampled_from(
    [b"\r\n", b"\r", b"\n", b"--frontier", b"\r\n--frontier", b"--", b"\x00"]
)
parts = st.tuples(
    st.text(alphabet="ab;é", min_size=1, max_size=4),
    # Nobody may choose a boundary that is part of the contents.
    st.lists(pieces, max_size=4).map(b"".join).filter(lambda contents: b"--frontier" not in contents),
    st.none() | st.text(alphabet="ab.;é/", max_size=5),
    st.sampled_from(
        [
            "",
            "Content-Type: text/plain; charset=ascii\r\n",
            "Content-Type: x; charset=utf-7\r\n",
            "X-A: 1\r\nX-A: 2\r\n",
        ]
    ),
)


@settings(max_examples=150)
@given(st.lists(parts, max_size=4), st.integers(1, 200))
def test_forms_are_parsed_as_werkzeug_parses_them(form: list[Any], size: int) -> None:
    data = b"".join(part(*each) for each in form) + END
    made = request(Trickle(data, size))
    theirs = contents(StockInMemory(environ(data)))
    try:
        ours = contents(made)
    except BadRequest:
        assert theirs == ([], [])  # what werkzeug says of a malformed form
    else:
        assert ours == theirs


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_form_is_a_4xx_or_what_werkzeug_sees(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(FORM)))
    end = data.draw(st.integers(start, min(start + 30, len(FORM))))
    damaged = FORM[:start] + data.draw(st.lists(pieces, max_size=2).map(b"".join)) + FORM[end:]
    made = request(damaged)
    try:
        ours = contents(made)
    except HTTPError as error:
        assert error.status_code == 400
    else:
        assert ours == contents(StockInMemory(environ(damaged)))


@settings(max_examples=150)
@given(st.binary(max_size=60), st.text(max_size=30))
def test_rubbish_is_a_4xx(data: bytes, parameters: str) -> None:
    made = request(data, f"multipart/form-data; {parameters}")
    try:
        contents(made)
    except (HTTPError, HTTPException):
        pass


MALFORMED = {
    "no boundary in the content type": (FORM, "multipart/form-data"),
    "a boundary that is not ASCII": (FORM, "multipart/form-data; boundary=é"),
    "another boundary": (FORM, "multipart/form-data; boundary=other"),
    "nothing": (b"", TYPE),
    "no end": (FORM[:-20], TYPE),
    "a part without disposition": (b"--frontier\r\nX: y\r\n\r\nz\r\n" + END, TYPE),
    "a part without name": (b"--frontier\r\nContent-Disposition: form-data\r\n\r\nz\r\n" + END, TYPE),
    "a file without name": (b'--frontier\r\nContent-Disposition: form-data; filename="x"\r\n\r\nz\r\n' + END, TYPE),
    "a head that is not UTF-8": (b"--frontier\r\nContent-Disposition: \xff\r\n\r\nz\r\n" + END, TYPE),
}


@pytest.mark.parametrize(("data", "content_type"), MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_form_is_a_bad_request(data: bytes, content_type: str) -> None:
    made = request(data, content_type)
    with pytest.raises(BadRequest):
        _ = made.form
    with pytest.raises(BadRequest):  # and not empty for those who ask again
        _ = made.files


def test_a_form_that_breaks_off_is_a_bad_request() -> None:
    made = request(FORM[:-20])
    made.environ["CONTENT_LENGTH"] = str(len(FORM))
    for _ in range(2):
        with pytest.raises(BadRequest, match="The body ended after"):
            _ = made.form


# -- limits


def test_fields_are_limited() -> None:
    data = part("a", b"1") * 3 + part("f", b"1", "x") * 2 + END
    assert len(contents(request(data, max_fields=3))[0]) == 3
    with pytest.raises(TooManyFieldsSent, match="more than 2 fields"):
        _ = request(data, max_fields=2).form


def test_files_are_limited() -> None:
    data = part("a", b"1") * 3 + part("f", b"1", "x") * 2 + END
    assert len(contents(request(data, max_files=2))[1]) == 2
    with pytest.raises(TooManyFilesSent, match="more than 1 files"):
        _ = request(data, max_files=1).form


def test_parts_are_limited_as_werkzeug_limits_them() -> None:
    made = request(part("a", b"1") * 3 + END)
    made.max_form_parts = 2
    with pytest.raises(RequestDataTooBig):
        _ = made.form


def test_a_single_field_is_limited() -> None:
    data = part("a", b"x" * 1000) + END
    assert len(request(data, max_form_memory_size=1000).form["a"]) == 1000
    with pytest.raises(RequestDataTooBig, match="more than 999 bytes"):
        _ = request(data, max_form_memory_size=999).form
    made = request(data, max_form_memory_size=999)
    made.max_form_memory_size = None
    assert len(made.form["a"]) == 1000


def test_a_file_may_be_larger_than_a_field() -> None:
    data = part("a", b"x" * 300_000, "x") + END
    [(*_, contents_of_file)] = contents(request(data, max_form_memory_size=10))[1]
    assert len(contents_of_file) == 300_000


def test_all_text_together_is_limited_like_a_body_without_files() -> None:
    data = part("a", b"x" * 100) * 10 + part("f", b"x" * 5000, "x") + END
    assert len(contents(request(data, max_content_length=1010))[0]) == 10
    with pytest.raises(RequestDataTooBig, match="more than the 1009 bytes"):
        _ = request(data, max_content_length=1009).form


def test_the_whole_body_is_limited() -> None:
    with pytest.raises(RequestDataTooBig):
        _ = request(FORM, max_upload_length=len(FORM) - 1).form
    made = request(FORM, max_upload_length=len(FORM))
    assert made.form["a"] == "1"
    finish(made)


def endless(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield piece


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", part("a", b"1")),
        (b"", part("a", b"1", "x")),
        (part("a", b"1")[:-3], b"x" * 1000),
        (part("a", b"1")[:-3], b"\r" * 1000),
        (part("a", b"1")[:-3], b"\r\n--frontie" * 1000),
        (b"--frontier\r\n", b"X-Header: 1\r\n" * 100),
        (b"--frontier\r\n", b"x" * 1000),
        (b"preamble", b"x" * 1000),
        (b"preamble", b"\r\n--" * 1000),
        (part("a", b"1") + END, b"epilogue" * 100),
    ],
    ids=repr,
)
def test_an_endless_form_is_refused_after_little_of_it(head: bytes, piece: bytes) -> None:
    body = Endless(endless(head, piece))
    with pytest.raises(RequestDataTooBig):
        _ = request(body).form
    assert body.size < 1_500_000


@pytest.mark.parametrize(
    "piece", [b"x" * 1000, b"\r" * 1000, b"\n" * 1000, b"\r\n--frontie" * 100, b"x--frontier" * 100]
)
def test_a_large_file_takes_linear_time_and_little_memory(piece: bytes) -> None:
    """Quadratic time would be hours: the time limit of the suite is the assertion."""
    data = piece * (5_000_000 // len(piece))
    made = request(part("f", data, "x") + END)
    assert made.files["f"].read() == data
    assert made.files["f"].stream._rolled
    finish(made)


# -- files


def test_small_files_stay_in_memory_and_large_ones_go_to_disk() -> None:
    data = part("small", b"x" * 10, "x") + part("large", b"x" * 11, "x") + END
    made = request(data, spool_size=10)
    assert not made.files["small"].stream._rolled
    assert made.files["large"].stream._rolled
    assert made.files["large"].read() == b"x" * 11
    finish(made)


def test_files_are_closed_when_the_request_ends() -> None:
    made = request(FORM)
    file = made.files["file"]
    assert not file.closed
    finish(made)
    assert file.closed


def test_files_of_a_refused_form_are_closed_at_once() -> None:
    opened = []

    class Watched(Request):
        def _get_file_stream(self, *args: Any, **kwargs: Any) -> Any:
            opened.append(super()._get_file_stream(*args, **kwargs))
            return opened[-1]

    data = part("f", b"x", "x") + part("g", b"x" * 1000, "x")
    with pytest.raises(BadRequest):
        _ = Watched(environ(data)).form
    assert [file.closed for file in opened] == [True, True]


def test_a_file_knows_what_its_part_said() -> None:
    seen = {}

    class Watched(Request):
        def _get_file_stream(self, *args: Any, **kwargs: Any) -> Any:
            seen.update(kwargs)
            return super()._get_file_stream(*args, **kwargs)

    data = part("f", b"xyz", "x", "Content-Length: 3\r\nContent-Type: a/b\r\n") + END
    made = Watched(environ(data))
    assert made.files["f"].content_length == 3
    assert seen == {"total_content_length": None, "content_type": "a/b", "filename": "x", "content_length": 3}
    finish(made)


@pytest.mark.parametrize("length", ["", "-1", "x", "9" * 5000])
def test_a_malformed_length_of_a_part_is_ignored(length: str) -> None:
    made = request(part("f", b"xyz", "x", f"Content-Length: {length}\r\n") + END)
    assert made.files["f"].read() == b"xyz"
    finish(made)


def test_another_parser_may_be_used() -> None:
    class Custom(Request):
        form_data_parser_class = FormDataParser

    assert Custom(environ(b"", "multipart/form-data")).form == {}

"""Our parsers against werkzeug's, and what both refuse."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import ImmutableDict, ImmutableMultiDict, MultiDict
from werkzeug.sansio.http import parse_cookie

from webframe.core.exceptions import BadRequest, TooManyFieldsSent
from webframe.http import parsing
from webframe.http.parsing import parse_content_length, parse_cookies, parse_urlencoded

PLENTY = 1_000_000
MEGABYTE = 1_000_000


def parsed_by_werkzeug(data: bytes, storage: Any = ImmutableMultiDict) -> Any:
    return storage(parse_qsl(data.decode(), keep_blank_values=True, errors=parsing.KEEP_ENCODED))


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    assert list(ours.lists()) == list(theirs.lists())


# What forms are made of, with everything that might be taken for something else.
form_pieces = st.sampled_from(
    [
        *(b"a", b"b", b"=", b"&", b"+", b"%", b"==", b"&&", b";", b" ", b"_", b".", b"\t", b"%%", b"c1", b"-"),
        *(b"%26", b"%3D", b"%3d", b"%2B", b"%25", b"%20", b"%41", b"%4", b"%G1", b"%00", b"%01", b"\x00", b"\x01"),
        *(b"\n", b"\r\n", b"%0A", b"%0D", b"=\n", b"%\n", b"%\r\n", b"%C3%A9", b"%C3", b"%A9", b"\xc3\xa9", b"\xff"),
        *(b"%ff", b"%F0%9F%98%80", b"%ED%A0%80", b"\xf0\x9f\x98\x80"),
    ]
)
form_bytes = st.lists(form_pieces, max_size=14).map(b"".join) | st.binary(max_size=30)


@settings(max_examples=300)
@given(form_bytes)
@example(b"a=%3D&b=%26&c=1=2=3&a=+&=&&d")
def test_urlencoded_data_is_parsed_as_werkzeug_parses_it(data: bytes) -> None:
    try:
        theirs = parsed_by_werkzeug(data)
    except UnicodeDecodeError:
        with pytest.raises(BadRequest, match="not UTF-8"):
            parse_urlencoded(data, ImmutableMultiDict, PLENTY, "form")
    else:
        assert_same(parse_urlencoded(data, ImmutableMultiDict, PLENTY, "form"), theirs)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=6))
def test_what_a_client_encodes_comes_back(pairs: list[tuple[str, str]]) -> None:
    data = urlencode([(name, value) for name, value in pairs], errors="replace").encode()
    expected = [
        (name.encode(errors="replace").decode(), value.encode(errors="replace").decode()) for name, value in pairs
    ]
    fields = parse_urlencoded(data, MultiDict, PLENTY, "form")
    assert sorted(fields.items(multi=True)) == sorted(expected)


def test_common_forms_take_the_short_way() -> None:
    for data in (b"a=1&b=2", b"name=J%C3%BCrgen+M%C3%BCller&mail=j%40example.org", b"", b"a", b"x=1=2&y=%3D%26"):
        assert parsing._lists_of_fields(data) is not None


@pytest.mark.parametrize("data", [b"a=%0", b"a=%zz", b"a=%FF", b"a=%00", b"a=%01&b", b"a=%41\n"])
def test_what_might_be_read_otherwise_is_left_to_werkzeug(data: bytes) -> None:
    assert parsing._lists_of_fields(data) is None


@pytest.mark.parametrize("storage", [MultiDict, ImmutableMultiDict])
def test_the_dictionary_is_one_that_werkzeug_might_have_made(storage: Any) -> None:
    ours = parse_urlencoded(b"a=1&b=2&a=3", storage, PLENTY, "form")
    assert_same(ours, storage([("a", "1"), ("b", "2"), ("a", "3")]))
    assert ours.copy() == ours
    assert ours.to_dict() == {"a": "1", "b": "2"}


def test_dictionaries_of_another_class_are_made_by_their_own_constructor() -> None:
    class Ordered(MultiDict[str, str]):
        def __init__(self, pairs: Any = ()) -> None:
            self.pairs = list(pairs)
            super().__init__(self.pairs)

    assert parse_urlencoded(b"a=1&b=2&a=3", Ordered, PLENTY, "form").pairs == [("a", "1"), ("b", "2"), ("a", "3")]
    assert parse_cookies("a=1; b=2; a=3", Ordered).pairs == [("a", "1"), ("b", "2"), ("a", "3")]
    assert parse_urlencoded(b"a=1&a=2", ImmutableDict, PLENTY, "form") == {"a": "2"}


def test_too_many_fields_are_refused() -> None:
    assert len(parse_urlencoded(b"a&b&c", MultiDict, 3, "form")) == 3
    with pytest.raises(TooManyFieldsSent, match="more than 3 fields.*DATA_UPLOAD_MAX_NUMBER_FIELDS"):
        parse_urlencoded(b"a&b&c&d", MultiDict, 3, "form")
    with pytest.raises(TooManyFieldsSent):
        parse_urlencoded(b"a=1&a=1&a=1&a=1", MultiDict, 3, "form")


def test_empty_fields_count_for_nothing() -> None:
    assert_same(parse_urlencoded(b"&&a&&&&b=1&&", MultiDict, 2, "form"), parsed_by_werkzeug(b"a&b=1", MultiDict))


def test_the_error_says_what_is_malformed() -> None:
    with pytest.raises(BadRequest, match="The query string is not UTF-8: it holds the byte 0xff"):
        parse_urlencoded(b"a=\xff", MultiDict, PLENTY, "query string")


cookie_pieces = st.sampled_from(
    [
        *("a", "b", "=", ";", "; ", " ", "\t", '"', "\\", "a=b", "c=d", "é", "\x00", "\n", "==", ";;", ", ", "\\073"),
        *('"x"', "=x", "日", "\x0b", "%20", "\r"),
    ]
)


@settings(max_examples=300)
@given(st.lists(cookie_pieces, max_size=12).map("".join) | st.text(max_size=20))
@example("session=abc; theme=dark")
@example("a=1; ; =x; b; a=2")
def test_cookies_are_parsed_as_werkzeug_parses_them(header: str) -> None:
    assert_same(parse_cookies(header, ImmutableMultiDict), parse_cookie(header, ImmutableMultiDict))


def test_no_cookies_are_an_empty_dictionary() -> None:
    assert parse_cookies(None, ImmutableMultiDict) == ImmutableMultiDict()
    assert parse_cookies("", ImmutableMultiDict) == ImmutableMultiDict()


@pytest.mark.parametrize(
    ("length", "encoding", "expected"),
    [
        ("0", None, 0),
        ("42", None, 42),
        (" 42\t", None, 42),
        ("00042", None, 42),
        (None, None, None),
        ("", None, None),
        ("42", "chunked", None),
        ("42", "gzip, Chunked", None),
        ("42", "gzip", 42),
    ],
)
def test_a_content_length_is_plain_digits(length: str | None, encoding: str | None, expected: int | None) -> None:
    assert parse_content_length(length, encoding) == expected


@pytest.mark.parametrize("length", ["1_0", "+5", "-1", "abc", "5, 5", "0x10", "1.0", "1e3", "٣", "５", " ", "5 5"])
def test_any_other_content_length_is_a_bad_request(length: str) -> None:
    with pytest.raises(BadRequest, match="Content-Length"):
        parse_content_length(length)


def test_a_content_length_may_be_absurd() -> None:
    assert parse_content_length("9" * 100_000) > 10**18
    assert parse_content_length("0" * 100_000 + "7") == 7


@pytest.mark.parametrize(
    "data",
    [
        b"&" * MEGABYTE,
        b"=" * MEGABYTE,
        b"%" * MEGABYTE,
        b"+" * MEGABYTE,
        b"%41" * (MEGABYTE // 3),
        b"%FF" * (MEGABYTE // 3),
        b"a=" + b"=" * MEGABYTE + b"%41",
        b"a&" * (MEGABYTE // 2),
        b"a=%00&" * (MEGABYTE // 6),
        b"".join(b"%d=1&" % n for n in range(MEGABYTE // 8)),
        "é".encode() * (MEGABYTE // 2),
    ],
    ids=lambda data: repr(data[:9]),
)
def test_a_megabyte_of_form_takes_linear_time(data: bytes) -> None:
    """Quadratic time would be hours: the time limit of the suite is the assertion."""
    parse_urlencoded(data, ImmutableMultiDict, PLENTY, "form")


@pytest.mark.parametrize(
    "header",
    [
        ";" * MEGABYTE,
        "=" * MEGABYTE,
        '"' * MEGABYTE,
        " " * MEGABYTE,
        "a" + " " * MEGABYTE + "b",
        'a="' + "\\" * MEGABYTE,
        'a="' * (MEGABYTE // 3),
        'a="b;' * (MEGABYTE // 5),
        "a=1; " * (MEGABYTE // 5),
        "a" * MEGABYTE + "\t=" + "b" * MEGABYTE,
    ],
    ids=lambda header: repr(header[:5]),
)
def test_a_megabyte_of_cookies_takes_linear_time(header: str) -> None:
    """Quadratic time would be hours: the time limit of the suite is the assertion."""
    parse_cookies(header, ImmutableMultiDict)

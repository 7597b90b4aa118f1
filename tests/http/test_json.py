import enum
import json
import math
import time
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from webframe.conf import settings
from webframe.core.exceptions import ImproperlyConfigured
from webframe.core.signals import setting_changed
from webframe.http.json import JSONProvider, get_provider, iso_duration

provider = JSONProvider()

# --- writing ------------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    NEVER = None


class Size(enum.IntEnum):
    LARGE = 3


@dataclass
class Point:
    x: int
    y: Any = None
    hint: InitVar[int] = 0
    origin: ClassVar[int] = 0
    seen: list[int] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Slotted:
    a: int


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"a": [1, 2.5, None, True, "ä"]}, '{"a":[1,2.5,null,true,"ä"]}'),
        ("text", '"text"'),
        (7, "7"),
        (datetime(2024, 5, 6, 7, 8, 9), '"2024-05-06T07:08:09"'),
        (datetime(2024, 5, 6, 7, 8, 9, 10, UTC), '"2024-05-06T07:08:09.000010+00:00"'),
        (datetime(2024, 5, 6, tzinfo=timezone(timedelta(hours=2))), '"2024-05-06T00:00:00+02:00"'),
        (date(2024, 5, 6), '"2024-05-06"'),
        (time_of_day(7, 8), '"07:08:00"'),
        (timedelta(days=1, hours=2, seconds=3.5), '"P1DT2H3.5S"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.10"), '"1.10"'),
        (Colour.RED, '"red"'),
        (Colour.NEVER, "null"),
        (Size.LARGE, "3"),
        (Point(1, Point(2)), '{"x":1,"y":{"x":2,"y":null,"seen":[]},"seen":[]}'),
        (Slotted(1), '{"a":1}'),
        (Pair(1, 2), "[1,2]"),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (MultiDict([("a", 1), ("a", 2)]), '{"a":1}'),
        ({1: 2, None: 3, False: 4, 1.5: 5}, '{"1":2,"null":3,"false":4,"1.5":5}'),
        ([{"at": date(2024, 5, 6)}], '[{"at":"2024-05-06"}]'),
    ],
)
def test_a_value_has_its_form(value, expected):
    assert provider.dumps(value) == expected
    assert provider.encode(value) == expected.encode()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_plain_data_is_written_as_the_standard_library_writes_it_and_comes_back(value):
    text = provider.dumps(value)
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert provider.loads(text) == value
    assert provider.loads(provider.encode(value)) == value


def test_half_a_surrogate_pair_is_escaped():
    assert provider.encode({"ä": "\ud800"}) == rb'{"\u00e4":"\ud800"}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1, {"a": math.nan}], {math.nan: 1}])
def test_a_float_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="NaN or infinite.*Replace it"):
        provider.dumps(value)


def test_data_that_contains_itself_is_refused():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="contains itself"):
        provider.dumps(endless)
    assert provider.dumps([1]) == "[1]"


@pytest.mark.parametrize(
    "value, advice",
    [
        (b"a", "base64"),
        ({1, 2}, "Make it a list, sorted"),
        (frozenset(), "Make it a list, sorted"),
        ((number for number in ()), "Make it a list"),
        (object(), "default()"),
        (Point, "default()"),
        (UserDict(), "Make it a dict"),
    ],
)
def test_what_has_no_form_is_refused_with_advice(value, advice):
    with pytest.raises(TypeError, match="has no JSON form") as caught:
        provider.dumps([value])
    assert advice in str(caught.value)


def test_an_error_in_default_is_passed_on():
    class Broken(JSONProvider):
        def default(self, value):
            raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        Broken().dumps(object())


def test_a_subclass_adds_a_type():
    class More(JSONProvider):
        def default(self, value):
            return sorted(value) if isinstance(value, set) else super().default(value)

    assert More().dumps({"a": {2, 1}, "b": Decimal(1)}) == '{"a":[1,2],"b":"1"}'


@given(st.timedeltas())
def test_a_duration_says_as_much_as_the_time_span(delta):
    text = iso_duration(delta)
    sign, _, rest = text.rpartition("P")
    days, _, clock = rest.partition("T")
    total = timedelta(days=int(days.rstrip("D") or 0))
    number = ""
    for char in clock:
        if char.isalpha():
            unit = {"H": "hours", "M": "minutes", "S": "seconds"}[char]
            whole, _, fraction = number.partition(".")
            total += timedelta(**{unit: int(whole)}, microseconds=int(fraction.ljust(6, "0") or 0))
            number = ""
        else:
            number += char
    assert (-total if sign else total) == delta
    assert not text.endswith(("P", "T"))


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ['{"a":[1,"ä"]}', '{"a":[1,"ä"]}'.encode(), bytearray('{"a":[1,"ä"]}'.encode())])
def test_text_and_utf8_bytes_are_read(data):
    assert provider.loads(data) == {"a": [1, "ä"]}
    assert provider.loads(memoryview(data) if not isinstance(data, str) else data) == {"a": [1, "ä"]}


@pytest.mark.parametrize("data", ["{} ", "[1]\r\n", '\n\t {"a": 1}\n', " 7 ", '"text" '])
def test_white_space_around_the_data_is_ignored(data):
    assert JSONProvider().loads(data) == json.loads(data)


@pytest.mark.parametrize("data", ["{} {}", "[1]\u00a0", "[1]\x0c", "[]]", "{},"])
def test_what_follows_the_data_is_refused_as_the_standard_library_refuses_it(data):
    with pytest.raises(ValueError) as expected:
        json.loads(data)
    with pytest.raises(ValueError) as raised:
        JSONProvider().loads(data)
    assert str(raised.value) == str(expected.value)


def test_a_byte_order_mark_is_ignored():
    assert provider.loads(b"\xef\xbb\xbf[1]") == [1]


def test_of_equal_keys_the_last_one_counts():
    assert provider.loads('{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize(
    "data",
    ["NaN", "[Infinity]", '{"a":-Infinity}', "[1e999]", "-1e400", "1" * 400 + ".0", "", " ", "[1,]", "{'a':1}", "[1] 2"]
    + ["1" * 5000, "[\x00]", '"\n"', "nul", "[", '["', '{"a"', '"\\', '"\\u12"', "//", "[1 2]", "\ufeff"],
)
def test_what_is_not_json_is_a_value_error(data):
    with pytest.raises(ValueError):
        provider.loads(data)
    with pytest.raises(ValueError):
        provider.loads(data.encode())


@pytest.mark.parametrize(
    "data", [b"\xff", b'"\xc3"', '"ä"'.encode("latin-1"), "[1]".encode("utf-16"), b'"\xed\xa0\x80"']
)
def test_bytes_that_are_not_utf8_are_a_value_error_that_says_where(data):
    with pytest.raises(ValueError, match="not valid UTF-8 at byte"):
        provider.loads(data)


@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:\\ aueE1.-', max_size=40))
def test_anything_is_read_as_the_standard_library_reads_it_or_is_a_value_error(data):
    try:
        value = provider.loads(data)
    except ValueError:
        return
    text = data if isinstance(data, str) else data.decode().removeprefix("\ufeff")
    assert value == json.loads(text)


def nested(depth):
    return "[" * depth + "]" * depth


def test_brackets_nest_as_deep_as_allowed():
    assert provider.loads(nested(64))
    with pytest.raises(ValueError, match="deeper than 64 levels"):
        provider.loads(nested(65))
    assert provider.loads(nested(65), max_depth=65)
    assert provider.loads("7", max_depth=0) == 7
    with pytest.raises(ValueError, match="deeper than 0 levels"):
        provider.loads("[]", max_depth=0)


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


brackets = st.text(alphabet='[]{}"\\ä', max_size=6)


@given(
    st.recursive(
        brackets | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(brackets, inner, max_size=3),
        max_leaves=20,
    ),
    st.integers(0, 6),
    st.booleans(),
)
def test_the_depth_is_that_of_the_data_whatever_is_in_its_strings(value, limit, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    if depth_of(value) <= limit:
        assert provider.loads(text, max_depth=limit) == value
    else:
        with pytest.raises(ValueError, match="nests deeper"):
            provider.loads(text, max_depth=limit)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[[]," * 200_000,
        nested(200_000).encode(),
        b'["[",' * 200_000,
        b'"]"' * 200_000,
        b'[""' * 200_000,
        b"]" * 200_000 + b"[" * 200_000,
    ],
)
def test_a_body_of_brackets_is_refused_cleanly_and_quickly(data):
    start = time.process_time()
    with pytest.raises(ValueError):
        provider.loads(data)
    assert time.process_time() - start < 1


def test_a_limit_beyond_what_the_parser_can_do_is_no_recursion_error():
    with pytest.raises(ValueError, match="nests too deep"):
        provider.loads(nested(200_000), max_depth=1_000_000)


def test_a_long_flat_body_is_read():
    data = [{"a": ["]", "[[", {}], "b": '"{"'}] * 30_000
    assert provider.loads(json.dumps(data)) == data


# --- the setting --------------------------------------------------------------------------------------------------


class Shouting(JSONProvider):
    def dumps(self, value):
        return super().dumps(value).upper()


class NoProvider:
    pass


@pytest.fixture
def set_provider():
    layers = []

    def change(path):
        layers.append(settings.push({"JSON_PROVIDER": path}))
        setting_changed.send(None, setting="JSON_PROVIDER", value=path, enter=True)

    yield change
    for layer in layers:
        settings.pop(layer)
    setting_changed.send(None, setting="JSON_PROVIDER", value=settings.JSON_PROVIDER, enter=False)


def test_there_is_one_provider_until_the_setting_changes(set_provider):
    first = get_provider()
    assert type(first) is JSONProvider
    assert get_provider() is first
    set_provider(f"{__name__}.Shouting")
    assert get_provider().dumps("a") == '"A"'
    assert get_provider() is get_provider()


@pytest.mark.parametrize(
    "path, message",
    [
        ("webframe.http.json.JSONProvidr", "has no 'JSONProvidr'. Did you mean JSONProvider?"),
        ("no_such_module.Provider", "cannot be imported"),
        ("Provider", "Give the dotted path"),
        ("", "Give the dotted path"),
        (f"{__name__}.NoProvider", "Give a subclass"),
        (f"{__name__}.provider", "Give a subclass"),
    ],
)
def test_a_setting_that_names_no_provider_is_explained(set_provider, path, message):
    set_provider(path)
    with pytest.raises(ImproperlyConfigured, match="JSON_PROVIDER is") as caught:
        get_provider()
    assert message in str(caught.value)


def test_a_provider_that_encodes_in_its_own_way_is_used_for_responses(set_provider):
    from webframe.http.response import JSONResponse

    set_provider(f"{__name__}.Shouting")
    assert JSONResponse({"a": "b"}).get_data() == b'{"A":"B"}'

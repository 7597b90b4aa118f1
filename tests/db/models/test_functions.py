"""Functions of the database, family by family."""

from __future__ import annotations

import datetime
import hashlib
import math
import re
from decimal import Decimal
from pathlib import Path

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import NotSupportedError, models
from webframe.db.models import F, Q, Value, functions
from webframe.db.models.functions import (
    MD5,
    SHA1,
    SHA224,
    SHA256,
    SHA384,
    SHA512,
    Abs,
    ACos,
    ASin,
    ATan,
    ATan2,
    Cast,
    Ceil,
    Chr,
    Coalesce,
    Collate,
    Concat,
    Cos,
    Cot,
    Degrees,
    Exp,
    Extract,
    ExtractIsoWeekDay,
    ExtractYear,
    Floor,
    Greatest,
    JSONObject,
    Least,
    Left,
    Length,
    Ln,
    Log,
    Lower,
    LPad,
    LTrim,
    Mod,
    Now,
    NullIf,
    Ord,
    Pi,
    Power,
    Radians,
    Random,
    Repeat,
    Replace,
    Reverse,
    Right,
    Round,
    RPad,
    RTrim,
    Sign,
    Sin,
    Sqrt,
    StrIndex,
    Substr,
    Tan,
    Trim,
    Trunc,
    TruncDate,
    TruncDay,
    TruncHour,
    TruncMonth,
    TruncTime,
    Upper,
)
from webframe.test import override_settings
from webframe.utils import timezone

UTC = datetime.UTC
MOMENT = datetime.datetime(2024, 8, 15, 22, 45, 59, 123456, tzinfo=UTC)
DAY = datetime.date(2024, 8, 15)
CLOCK = datetime.time(22, 45, 59, 123456)


@pytest.fixture
def compute(things):
    """Computes an expression for one row."""
    things.objects.create(
        name="Ham & eggs",
        text="  ham ",
        number=-7,
        small=3,
        big=10**12,
        ratio=2.5,
        price=Decimal("-2.55"),
        day=DAY,
        moment=MOMENT,
        clock=CLOCK,
        span=datetime.timedelta(hours=1),
        flag=True,
        data={"a": 1},
    )

    def computed(expression):
        return things.objects.annotate(x=expression).values_list("x", flat=True).get()

    return computed


def same(found, expected):
    assert type(found) is type(expected)
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Lower("name"), "ham & eggs"),
        (Upper("name"), "HAM & EGGS"),
        (Length("name"), 10),
        (Length(Value("äöü€")), 4),
        (Trim("text"), "ham"),
        (LTrim("text"), "ham "),
        (RTrim("text"), "  ham"),
        (Left("name", 3), "Ham"),
        (Right("name", 4), "eggs"),
        (Right("name", F("small")), "ggs"),
        (Substr("name", 5), "& eggs"),
        (Substr("name", 5, 3), "& e"),
        (Replace("name", Value("g"), Value("GG")), "Ham & eGGGGs"),
        (Replace("name", Value(" & eggs")), "Ham"),
        (Reverse("name"), "sgge & maH"),
        (Repeat(Value("ab"), 3), "ababab"),
        (Repeat(Value("ab"), 0), ""),
        (LPad("name", 12, Value("xy")), "xyHam & eggs"),
        (LPad("name", 3), "Ham"),
        (RPad("name", 13, Value("xy")), "Ham & eggsxyx"),
        (RPad("name", 3), "Ham"),
        (StrIndex("name", Value("eggs")), 7),
        (StrIndex("name", Value("EGGS")), 0),
        (Concat("name", Value(": "), Trim("text")), "Ham & eggs: ham"),
        (Concat("name", Value(None, output_field=models.CharField()), Value("!")), "Ham & eggs!"),
        (Concat("number", Value("/"), "small", output_field=models.CharField()), "-7/3"),
        (Ord(Value("€uro")), 8364),
        (Chr(Value(8364)), "€"),
        (Lower(Concat("name", Value("X"))), "ham & eggsx"),
    ],
    ids=repr,
)
def test_text(compute, expression, expected):
    same(compute(expression), expected)


@pytest.mark.parametrize("function", [MD5, SHA1, SHA224, SHA256, SHA384, SHA512])
def test_digests(compute, engine, function):
    if function is SHA1 and engine.vendor == "postgresql":
        with pytest.raises(NotSupportedError, match="SHA1 is not supported on postgresql"):
            compute(function("name"))
        return
    expected = hashlib.new(function.__name__.lower(), b"Ham & eggs").hexdigest()
    assert compute(function("name")) == expected
    assert compute(function(Value("é€"))) == hashlib.new(function.__name__.lower(), "é€".encode()).hexdigest()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Abs("number"), 7),
        (Abs("price"), Decimal("2.55")),
        (ACos(Value(0.5)), math.acos(0.5)),
        (ASin(Value(0.5)), math.asin(0.5)),
        (ATan("ratio"), math.atan(2.5)),
        (ATan2("ratio", "small"), math.atan2(2.5, 3)),
        (Ceil("ratio"), 3.0),
        (Ceil("number"), -7),
        (Ceil("price"), Decimal(-2)),
        (Cos("ratio"), math.cos(2.5)),
        (Cot("ratio"), 1 / math.tan(2.5)),
        (Degrees("ratio"), math.degrees(2.5)),
        (Exp("ratio"), math.exp(2.5)),
        (Floor("ratio"), 2.0),
        (Floor("price"), Decimal(-3)),
        (Ln("ratio"), math.log(2.5)),
        (Log(Value(2), Value(8)), 3.0),
        (Mod("number", "small"), -1),
        (Mod("ratio", Value(1)), 0.5),
        (Pi(), math.pi),
        (Power("small", Value(2)), 9.0),
        (Power("ratio", Value(0.5)), math.sqrt(2.5)),
        (Radians("ratio"), math.radians(2.5)),
        (Round(Value(2.51), 0), 3.0),
        (Round(Value(2.346), 2), 2.35),
        (Round("price", 1), Decimal("-2.6")),
        (Round("number"), -7),
        (Sign("number"), -1),
        (Sign("small"), 1),
        (Sin("ratio"), math.sin(2.5)),
        (Sqrt("ratio"), math.sqrt(2.5)),
        (Tan("ratio"), math.tan(2.5)),
    ],
    ids=repr,
)
def test_numbers(compute, expression, expected):
    same(compute(expression), expected)


def test_random(things):
    things.objects.bulk_create([things() for _ in range(20)])
    found = list(things.objects.annotate(x=Random()).values_list("x", flat=True))
    assert all(0 <= number < 1 for number in found)
    assert len(set(found)) > 10


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Coalesce("number", Value(0)), -7),
        (Coalesce(NullIf("number", Value(-7)), "small"), 3),
        (NullIf("number", Value(-7)), None),
        (NullIf("number", Value(7)), -7),
        (Greatest("number", "small"), 3),
        (Least("number", "small", Value(-9)), -9),
        (Greatest("name", Value("Z")), "Z"),
        (Cast("number", models.CharField()), "-7"),
        (Cast("number", models.FloatField()), -7.0),
        (Cast("ratio", models.CharField()), "2.5"),
        (Cast(Value("12"), models.IntegerField()), 12),
        (Cast(Value("12.5"), models.FloatField()), 12.5),
        (Cast(Value("12.5"), models.DecimalField(max_digits=6, decimal_places=2)), Decimal("12.50")),
        (Cast("number", models.DecimalField(max_digits=6, decimal_places=1)), Decimal("-7.0")),
        (Cast("moment", models.DateField()), DAY),
        (Cast("moment", models.TimeField()), CLOCK),
        (Cast(Value("2024-08-15"), models.DateField()), DAY),
        (Cast("day", models.DateTimeField()), datetime.datetime(2024, 8, 15, tzinfo=UTC)),
        (Cast("flag", models.IntegerField()), 1),
        (JSONObject(a="number", b=Value("x"), c="flag", d="data"), {"a": -7, "b": "x", "c": True, "d": {"a": 1}}),
    ],
    ids=repr,
)
def test_comparing_and_converting(compute, engine, expression, expected):
    found = compute(expression)
    if isinstance(expression, JSONObject) and engine.vendor == "mysql":
        found["c"] = bool(found["c"])
        if isinstance(found["d"], str):
            found["d"] = {"a": 1}
    if isinstance(expected, datetime.time) and engine.vendor == "sqlite":
        found = found.replace(microsecond=123456)
    same(found, expected)


def test_collations(things, engine):
    things.objects.create(name="b")
    things.objects.create(name="A")
    things.objects.create(name="a")
    name = {"sqlite": "nocase", "postgresql": "C", "mysql": "utf8mb4_general_ci"}[engine.vendor]
    found = [thing.name for thing in things.objects.order_by(Collate("name", name), "pk")]
    assert found == (["A", "a", "b"])
    with pytest.raises(ValueError, match="Invalid collation"):
        Collate("name", "x; DROP TABLE y")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("year", 2024),
        ("iso_year", 2024),
        ("quarter", 3),
        ("month", 8),
        ("week", 33),
        ("day", 15),
        ("week_day", 5),
        ("iso_week_day", 4),
        ("hour", 22),
        ("minute", 45),
        ("second", 59),
    ],
)
def test_parts_of_dates(compute, part, expected):
    same(compute(Extract("moment", part)), expected)
    if part in ("hour", "minute", "second"):
        same(compute(Extract("clock", part)), expected)
    else:
        same(compute(Extract("day", part)), expected)


def test_parts_in_a_time_zone(compute):
    east = datetime.timezone(datetime.timedelta(hours=9))
    assert compute(Extract("moment", "day", tzinfo=east)) == 16
    assert compute(ExtractIsoWeekDay("moment", tzinfo=east)) == 5
    assert compute(ExtractYear("moment")) == 2024
    assert compute(Extract(F("moment") + datetime.timedelta(hours=2), "day")) == 16


def at(*parts):
    return datetime.datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "moment", "day", "clock"),
    [
        ("year", at(2024, 1, 1), datetime.date(2024, 1, 1), None),
        ("quarter", at(2024, 7, 1), datetime.date(2024, 7, 1), None),
        ("month", at(2024, 8, 1), datetime.date(2024, 8, 1), None),
        ("week", at(2024, 8, 12), datetime.date(2024, 8, 12), None),
        ("day", at(2024, 8, 15), datetime.date(2024, 8, 15), None),
        ("hour", at(2024, 8, 15, 22), None, datetime.time(22)),
        ("minute", at(2024, 8, 15, 22, 45), None, datetime.time(22, 45)),
        ("second", at(2024, 8, 15, 22, 45, 59), None, datetime.time(22, 45, 59)),
    ],
)
def test_beginnings(compute, unit, moment, day, clock):
    same(compute(Trunc("moment", unit)), moment)
    if day is not None:
        same(compute(Trunc("day", unit)), day)
        same(compute(Trunc("moment", unit, output_field=models.DateField())), day)
    else:
        same(compute(Trunc("clock", unit)), clock)
        same(compute(Trunc("moment", unit, output_field=models.TimeField())), clock)


def test_beginnings_in_a_time_zone(compute):
    east = datetime.timezone(datetime.timedelta(hours=9))
    assert compute(TruncDay("moment", tzinfo=east)) == at(2024, 8, 15, 15)
    assert compute(TruncDate("moment", tzinfo=east)) == datetime.date(2024, 8, 16)
    assert compute(TruncTime("moment", tzinfo=east)) == datetime.time(7, 45, 59, 123456)
    assert compute(TruncHour("moment", tzinfo=east)) == at(2024, 8, 15, 22)


@pytest.mark.engines("sqlite", "postgresql")
def test_beginnings_in_a_zone_with_summer_time(compute):
    import zoneinfo

    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    assert compute(TruncDay("moment", tzinfo=berlin)) == at(2024, 8, 15, 22)
    assert compute(Trunc("moment", "year", tzinfo=berlin)) == at(2023, 12, 31, 23)
    with timezone.override(berlin):
        assert shown(compute(Trunc("moment", "year"))) == "2024-01-01T00:00:00+01:00"
        assert shown(compute(Trunc("moment", "month"))) == "2024-08-01T00:00:00+02:00"


def shown(moment):
    """With its distance from UTC, which equality passes over."""
    return moment.isoformat()


def test_beginnings_come_in_the_zone_in_which_they_are_beginnings(things):
    east, west = (timezone.get_fixed_timezone(60 * hours) for hours in (9, -5))
    for moment in (MOMENT, None):
        things.objects.create(moment=moment)
    found = things.objects.filter(moment__isnull=False)
    for zone, text in ((east, "2024-08-16T00:00:00+09:00"), (west, "2024-08-15T00:00:00-05:00")):
        assert shown(found.annotate(x=TruncDay("moment", tzinfo=zone)).get().x) == text
        assert [*map(shown, found.datetimes("moment", "day", tzinfo=zone))] == [text]
        with timezone.override(zone):
            groups = found.annotate(x=TruncDay("moment")).values("x").annotate(n=models.Count("pk"))
            assert [(shown(row["x"]), row["n"]) for row in groups] == [(text, 1)]
            assert shown(found.annotate(x=TruncDay("moment")).values_list(F("x"), flat=True).get()) == text
            assert shown(found.annotate(x=TruncDay("moment", tzinfo=UTC)).get().x) == "2024-08-15T00:00:00+00:00"
            assert found.get().moment.tzinfo is UTC
    nested = TruncDay(TruncHour("moment", tzinfo=east), tzinfo=UTC)
    assert shown(found.annotate(x=nested).get().x) == "2024-08-15T00:00:00+00:00"
    assert things.objects.filter(moment=None).annotate(x=TruncDay("moment", tzinfo=east)).get().x is None
    with override_settings(USE_TZ=False):
        assert shown(found.annotate(x=TruncDay("moment", tzinfo=east)).get().x) == "2024-08-15T15:00:00"


def test_groups_by_month(things):
    for month in (1, 1, 2):
        things.objects.create(moment=at(2024, month, 3), number=month)
    found = things.objects.annotate(x=TruncMonth("moment")).values("x").annotate(n=models.Count("*")).order_by("x")
    assert [(row["x"].month, row["n"]) for row in found] == [(1, 2), (2, 1)]


def test_now(things):
    things.objects.create(name="past", moment=datetime.datetime.now(UTC) - datetime.timedelta(minutes=5))
    things.objects.create(name="future", moment=datetime.datetime.now(UTC) + datetime.timedelta(minutes=5))
    assert things.objects.filter(moment__lt=Now()).get().name == "past"
    found = things.objects.annotate(x=Now()).values_list("x", flat=True)[0]
    assert abs(found - datetime.datetime.now(UTC)) < datetime.timedelta(minutes=1)
    things.objects.filter(name="past").update(moment=Now())
    assert things.objects.get(name="past").moment > datetime.datetime.now(UTC) - datetime.timedelta(minutes=1)


@pytest.mark.parametrize(
    "expression",
    [
        Extract("day", "hour"),
        Extract("clock", "year"),
        Extract("name", "year"),
        Trunc("day", "hour"),
        Trunc("clock", "day"),
        Trunc("moment", "day", output_field=models.TimeField()),
        Trunc("number", "day"),
    ],
    ids=repr,
)
def test_what_a_date_or_a_time_has_not(compute, expression):
    with pytest.raises(FieldError):
        compute(expression)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Extract("day", "century"),
        lambda: Extract("day", "year); DROP"),
        lambda: Trunc("day", "millennium"),
        lambda: Left("name", 0),
        lambda: Substr("name", 0),
        lambda: Repeat("name", -1),
        lambda: LPad("name", -1),
        lambda: Coalesce("name"),
        lambda: Concat("name"),
        lambda: Greatest("name"),
    ],
)
def test_arguments_that_make_no_sense(make):
    with pytest.raises(ValueError):
        make()


def test_functions_in_conditions_and_orderings(things):
    for name in ("bb", "a", "CCC"):
        things.objects.create(name=name)
    assert [thing.name for thing in things.objects.order_by(Length("name").desc())] == ["CCC", "bb", "a"]
    assert things.objects.annotate(x=Lower("name")).filter(x="ccc").get().name == "CCC"
    assert things.objects.annotate(x=Length("name")).filter(Q(x__gt=1), ~Q(x=3)).get().name == "bb"
    assert things.objects.filter(name=Upper(F("name"))).get().name == "CCC"
    assert things.objects.filter(name__in=[Lower(Value("A")), Lower(Value("BB"))]).count() == 2


def test_transforms_that_somebody_registers(things):
    things.objects.create(name="Ham")
    models.CharField.register_lookup(Lower)
    models.CharField.register_lookup(Length)
    try:
        assert things.objects.filter(name__lower="ham", name__length=3, name__lower__startswith="h").exists()
        assert things.objects.values_list("name__lower", flat=True).get() == "ham"
    finally:
        models.CharField._unregister_lookup(Lower)
        models.CharField._unregister_lookup(Length)


def test_functions_in_updates(things):
    things.objects.create(name="Ham", number=3)
    things.objects.update(name=Concat("name", Value("!")), number=Coalesce("small", F("number") * 2))
    assert things.objects.values_list("name", "number").get() == ("Ham!", 6)


def test_every_function_has_a_docstring_and_is_found():
    for name in functions.__all__:
        assert getattr(functions, name).__doc__


@pytest.mark.parametrize("zone", ["Asia/Tokyo", 9, object])
def test_a_time_zone_that_is_none_is_refused_where_it_is_given(things, zone):
    for give in (
        lambda: TruncDay("moment", tzinfo=zone),
        lambda: functions.ExtractHour("moment", tzinfo=zone),
        lambda: things.objects.datetimes("moment", "day", tzinfo=zone),
    ):
        with pytest.raises(TypeError, match=r"tzinfo= of \w+\(\) is a time zone, such as ZoneInfo"):
            give()


def test_importing_a_star_imports_the_functions_of_the_reference_and_nothing_else():
    reference = Path(__file__).parents[3] / "docs" / "reference" / "functions.md"
    described = re.findall(r"^### (\w+)$", reference.read_text(), re.MULTILINE)
    imported: dict[str, object] = {}
    exec("from webframe.db.models.functions import *", imported)
    del imported["__builtins__"]
    assert sorted(imported) == sorted(described)
    assert all(issubclass(function, models.Func) for function in imported.values())

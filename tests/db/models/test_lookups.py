"""Look-ups: what comes behind the last double underscore, on every engine."""

from __future__ import annotations

import datetime
import operator
import uuid
from decimal import Decimal

import pytest
import sqlalchemy

from webframe.core.exceptions import FieldError
from webframe.db import DatabaseError, connection, models
from webframe.db.models import F, Lookup, Max, OuterRef, Q, Subquery, Transform, Value
from webframe.db.models.building import Literals
from webframe.db.models.functions import Coalesce, Upper
from webframe.db.models.lookups import DEFAULT_LOOKUPS
from webframe.utils import timezone

from .things import names

UTC = datetime.UTC


# --- text

TEXTS = [
    "Ham",
    "ham",
    "Hamster",
    "100%",
    "100x",
    "a_b",
    "axb",
    "[x]",
    "a*b",
    "a?b",
    "a/b",
    "a\\b",
    "Ärger",
    "ärger",
    "",
]


@pytest.fixture
def texts(things):
    things.objects.bulk_create([things(name=text, text=text) for text in TEXTS])
    return things.objects


@pytest.mark.parametrize("field", ["name", "text"])
@pytest.mark.parametrize(
    "part", ["ham", "Ham", "H", "%", "_", "0%", "a_", "[", "[x]", "*", "?", "/", "\\", "är", "Är", ""]
)
def test_parts_of_text(texts, field, part):
    folded = part.casefold()
    for lookup, expected in {
        "contains": [text for text in TEXTS if part in text],
        "startswith": [text for text in TEXTS if text.startswith(part)],
        "endswith": [text for text in TEXTS if text.endswith(part)],
        "icontains": [text for text in TEXTS if folded in text.casefold()],
        "istartswith": [text for text in TEXTS if text.casefold().startswith(folded)],
        "iendswith": [text for text in TEXTS if text.casefold().endswith(folded)],
        "exact": [text for text in TEXTS if text == part],
        "iexact": [text for text in TEXTS if text.casefold() == folded],
    }.items():
        assert names(texts.filter(**{f"{field}__{lookup}": part})) == sorted(expected), lookup
        # The same with something that is computed in the place of a literal.
        assert names(texts.filter(**{f"{field}__{lookup}": Value(part)})) == sorted(expected), lookup


def test_what_is_not_in_text(texts):
    assert names(texts.exclude(name__contains="a")) == sorted(text for text in TEXTS if "a" not in text)


def test_columns_compared_as_text(things):
    things.objects.create(name="Ham", text="am")
    things.objects.create(name="Ham", text="Am")
    assert things.objects.filter(name__contains=F("text")).get().text == "am"
    assert things.objects.filter(name__icontains=F("text")).count() == 2
    assert things.objects.filter(name__endswith=F("text")).count() == 1
    assert things.objects.filter(name__startswith=F("name")).count() == 2


def test_regular_expressions(texts):
    assert names(texts.filter(name__regex=r"^H.m$")) == ["Ham"]
    assert names(texts.filter(name__iregex=r"^H.m$")) == ["Ham", "ham"]
    assert names(texts.filter(name__regex=r"[0-9]+%$")) == ["100%"]
    assert names(texts.exclude(name__regex=r".")) == [""]


def test_what_is_no_regular_expression(texts):
    with pytest.raises(DatabaseError):
        list(texts.filter(name__regex="("))


@pytest.mark.engines("sqlite", "mysql")
def test_text_with_a_zero_in_it(things):
    things.objects.create(name="ab")
    things.objects.create(name="a\0b")
    for lookup, wanted in (("contains", "a\0"), ("icontains", "A\0"), ("exact", "a\0b"), ("iexact", "A\0B")):
        assert names(things.objects.filter(**{f"name__{lookup}": wanted})) == ["a\0b"], lookup
    for lookup in ("contains", "startswith", "endswith", "icontains", "istartswith", "iendswith"):
        assert names(things.objects.filter(**{f"name__{lookup}": "\0x"})) == [], lookup


def test_numbers_searched_as_text(things):
    things.objects.create(name="a", number=1234)
    assert names(things.objects.filter(number__contains=23)) == ["a"]
    assert names(things.objects.filter(number__startswith="12")) == ["a"]
    assert names(things.objects.filter(number__endswith="12")) == []
    assert names(things.objects.filter(number__regex="^1.*4$")) == ["a"]


# --- NULL


def test_null(things):
    things.objects.create(name="null")
    things.objects.create(name="one", number=1, text="x")
    objects = things.objects
    assert names(objects.filter(number=None)) == names(objects.filter(number__isnull=True)) == ["null"]
    assert names(objects.filter(text__iexact=None)) == ["null"]
    assert names(objects.exclude(number=None)) == names(objects.filter(number__isnull=False)) == ["one"]
    assert names(objects.exclude(number=1)) == ["null"]
    assert names(objects.exclude(number__in=[1, 2])) == ["null"]
    assert names(objects.exclude(text__contains="x")) == ["null"]
    assert names(objects.filter(~Q(number__gt=0))) == ["null"]
    assert names(objects.filter(number__in=[None, 1])) == ["one"]
    assert names(objects.filter(number__in=[None])) == []
    assert names(objects.exclude(number__in=[])) == ["null", "one"]


@pytest.mark.parametrize("lookup", ["gt", "gte", "lt", "lte", "contains", "iregex"])
def test_null_cannot_be_compared(things, lookup):
    with pytest.raises(ValueError, match="Cannot use None"):
        list(things.objects.filter(**{f"number__{lookup}": None}))


def test_isnull_is_a_yes_or_no(things):
    for wrong in (1, 0, "x", None):
        with pytest.raises(ValueError, match="True or False"):
            list(things.objects.filter(number__isnull=wrong))


# --- numbers


@pytest.fixture
def numbers(things):
    for number in (-2, -1, 0, 1, 2, 3):
        things.objects.create(name=str(number), number=number, small=number, big=number, ratio=number, price=number)
    return things.objects


INTEGERS = ["number", "small", "big"]
OPERATORS = {
    "exact": lambda a, b: a == b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
WANTED = [
    1,
    1.5,
    -1.5,
    1.0,
    Decimal("1.5"),
    Decimal("-0.5"),
    "1",
    True,
    2**40,
    -(2**40),
    2**63,
    -(2**63) - 1,
    10**30,
    1e300,
    float("inf"),
]


@pytest.mark.parametrize("wanted", WANTED, ids=repr)
@pytest.mark.parametrize("lookup", list(OPERATORS))
def test_integers_are_compared_with_any_number(numbers, lookup, wanted):
    number = int(wanted) if isinstance(wanted, str) else wanted
    expected = sorted(str(each) for each in (-2, -1, 0, 1, 2, 3) if OPERATORS[lookup](each, number))
    others = sorted({"-2", "-1", "0", "1", "2", "3"} - set(expected))
    for field in INTEGERS:
        assert names(numbers.filter(**{f"{field}__{lookup}": wanted})) == expected
        assert names(numbers.exclude(**{f"{field}__{lookup}": wanted})) == others


def test_integers_in_lists_and_ranges(numbers):
    assert names(numbers.filter(number__in=[1, 1.5, 2.0, 2**70, "3"])) == ["1", "2", "3"]
    assert names(numbers.filter(number__in=[1.5, 2**70])) == []
    assert names(numbers.filter(number__range=(0.5, 2.5))) == ["1", "2"]
    assert names(numbers.filter(number__range=(-(2**70), 2**70))) == ["-1", "-2", "0", "1", "2", "3"]
    assert names(numbers.filter(number__range=(F("small"), 0))) == ["-1", "-2", "0"]


def test_decimals_are_not_rounded(numbers):
    assert names(numbers.filter(price__gt=Decimal("0.999"), price__lt=Decimal("1.001"))) == ["1"]
    assert names(numbers.filter(price__gte=Decimal("1.004"))) == ["2", "3"]
    assert names(numbers.filter(price=Decimal("1.004"))) == []
    assert names(numbers.filter(price__gte=1.5)) == ["2", "3"]
    assert names(numbers.filter(ratio__gte=Decimal("1.5"))) == ["2", "3"]


class Shifted(sqlalchemy.types.TypeDecorator):
    """Whole numbers that are a thousand more in the database."""

    impl = sqlalchemy.Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value + 1000

    def process_result_value(self, value, dialect):
        return None if value is None else value - 1000


class ShiftedField(models.IntegerField):
    def sql_type(self):
        return Shifted()


class ShiftedWherePossible(models.IntegerField):
    def sql_type(self):
        return sqlalchemy.Integer().with_variant(Shifted(), "sqlite", "postgresql", "mysql", "mariadb")


@pytest.mark.parametrize("field", [ShiftedField, ShiftedWherePossible])
def test_numbers_go_through_the_type_that_a_field_of_ones_own_has(define, create_tables, field):
    Counter = define("Counter", number=field(), name=models.CharField(max_length=10))
    Reading = define("Reading", counter=models.ForeignKey(Counter, on_delete=models.CASCADE))
    create_tables()
    counters = [Counter.objects.create(number=number, name=str(number)) for number in (5, 7, 9)]
    reading = Reading.objects.create(counter=counters[1])
    assert Counter.objects.get(number=7).number == 7
    assert Reading.objects.get(counter__number=7) == reading
    assert names(Counter.objects.filter(number=7)) == ["7"]
    assert names(Counter.objects.filter(Q(number=7) | Q(number=9.0))) == ["7", "9"]
    assert names(Counter.objects.filter(number__in=[7, 8, 9])) == ["7", "9"]
    assert names(Counter.objects.filter(number__range=(6, 7.5))) == ["7"]
    assert names(Counter.objects.filter(number__gt=6.5)) == ["7", "9"]
    assert names(Counter.objects.exclude(number__lte=7)) == ["9"]
    assert names(Counter.objects.filter(number__lt=2**70)) == ["5", "7", "9"]


@pytest.mark.parametrize("wrong", ["abc", "1.5", [], {}, object()])
def test_what_is_no_number_is_refused_where_it_is_said(things, wrong):
    for condition in (
        {"number": wrong},
        {"number__gt": wrong},
        {"number__in": [1, wrong]},
        {"number__range": (1, wrong)},
    ):
        for ask in (
            things.objects.filter,
            things.objects.exclude,
            lambda **said: things.objects.filter(Q(**said), pk=1),
        ):
            with pytest.raises((ValueError, TypeError), match="Field 'number' expected a number but got"):
                ask(**condition)
    with pytest.raises((ValueError, TypeError), match="Field 'id' expected a number but got"):
        things.objects.filter(pk=wrong)
    with pytest.raises((ValueError, TypeError), match="Field 'id' expected a number but got"):
        things.objects.get(pk=wrong)


def test_a_range_has_two_ends(things):
    for wrong in (1, [1], (1, 2, 3)):
        with pytest.raises((ValueError, TypeError)):
            list(things.objects.filter(ratio__range=wrong))


# --- lists


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 9, 33, 1000])
def test_lists_of_any_length(things, length):
    things.objects.bulk_create([things(name=str(number), number=number) for number in range(40)])
    wanted = list(range(5, 5 + length))
    expected = sorted(str(number) for number in wanted if number < 40)
    assert names(things.objects.filter(number__in=wanted)) == expected
    assert names(things.objects.filter(number__in=iter(wanted))) == expected
    assert names(things.objects.filter(number__in=set(wanted))) == expected


def test_lists_are_padded_so_that_few_statements_serve_all():
    lookup = DEFAULT_LOOKUPS["in"]
    keys = {lookup.key(list(range(length)), Literals()) for length in range(1, 1025)}
    assert len(keys) == 11


def test_a_list_may_have_columns_in_it(things):
    things.objects.create(name="a", number=1, small=7)
    things.objects.create(name="b", number=2, small=2)
    things.objects.create(name="c", number=3, small=9)
    assert names(things.objects.filter(number__in=[3, F("small")])) == ["b", "c"]


def test_a_list_from_a_queryset(things):
    for number in range(5):
        things.objects.create(name=str(number), number=number)
    some = things.objects.filter(number__gte=3)
    assert names(things.objects.filter(pk__in=some)) == ["3", "4"]
    assert names(things.objects.filter(number__in=some.values("number"))) == ["3", "4"]
    assert names(things.objects.exclude(number__in=some.values("number"))) == ["0", "1", "2"]
    assert names(things.objects.filter(number=some.order_by("number").values("number")[:1])) == ["3"]
    assert names(things.objects.filter(name__in="12")) == ["1", "2"]


# --- other types


def test_values_of_all_types(things):
    values = {
        "ratio": 1.25,
        "price": Decimal("1.25"),
        "day": datetime.date(2024, 2, 29),
        "moment": datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=UTC),
        "clock": datetime.time(12, 30, 1, 5),
        "span": datetime.timedelta(days=-3, microseconds=1),
        "flag": True,
        "code": uuid.uuid4(),
        "text": "x",
    }
    things.objects.create(name="a", **values)
    things.objects.create(name="null")
    for field, value in values.items():
        for lookup in ("exact", "gte", "lte"):
            if field in ("flag", "code") and lookup != "exact":
                continue
            assert names(things.objects.filter(**{f"{field}__{lookup}": value})) == ["a"], field
        assert names(things.objects.filter(**{f"{field}__in": [value]})) == ["a"], field
        assert names(things.objects.exclude(**{field: value})) == ["null"], field
    assert names(things.objects.filter(code=str(values["code"]))) == ["a"]
    assert names(things.objects.filter(day="2024-02-29")) == ["a"]
    assert names(things.objects.filter(flag=False)) == []


# --- dates

MOMENT = datetime.datetime(2024, 12, 30, 23, 45, 59, 999999, tzinfo=UTC)
PARTS = {
    "year": 2024,
    "iso_year": 2025,
    "quarter": 4,
    "month": 12,
    "week": 1,
    "day": 30,
    "week_day": 2,
    "iso_week_day": 1,
    "hour": 23,
    "minute": 45,
    "second": 59,
}


@pytest.mark.parametrize("part", list(PARTS))
def test_parts_of_dates(things, part):
    things.objects.create(name="a", moment=MOMENT, day=MOMENT.date(), clock=MOMENT.time())
    fields = ["moment"] + (["clock"] if part in ("hour", "minute", "second") else ["day"])
    for field in fields:
        assert names(things.objects.filter(**{f"{field}__{part}": PARTS[part]})) == ["a"]
        assert names(things.objects.filter(**{f"{field}__{part}__gte": PARTS[part] + 0.5})) == []
        assert names(things.objects.filter(**{f"{field}__{part}__in": [PARTS[part]]})) == ["a"]
        assert things.objects.values_list(f"{field}__{part}", flat=True).get() == PARTS[part]


def test_parts_that_are_not_there(things):
    for name in ("day__hour", "clock__year", "number__year", "day__date"):
        with pytest.raises(FieldError, match=name.partition("__")[2]):
            things.objects.filter(**{name: 1})


def test_dates_and_times_of_moments(things):
    things.objects.create(name="a", moment=MOMENT)
    assert names(things.objects.filter(moment__date=MOMENT.date())) == ["a"]
    assert names(things.objects.filter(moment__date__lt=MOMENT.date())) == []
    assert names(things.objects.filter(moment__date__year=2024)) == ["a"]
    assert names(things.objects.filter(moment__time__gte=datetime.time(23))) == ["a"]
    assert names(things.objects.filter(moment__time__hour=23)) == ["a"]


def test_parts_of_moments_in_the_current_time_zone(things):
    things.objects.create(name="a", moment=MOMENT)
    with timezone.override(datetime.timezone(datetime.timedelta(hours=5, minutes=30))):
        assert names(things.objects.filter(moment__day=31, moment__hour=5, moment__minute=15)) == ["a"]
        assert names(things.objects.filter(moment__date=datetime.date(2024, 12, 31))) == ["a"]
    with timezone.override(datetime.timezone(-datetime.timedelta(hours=8))):
        assert names(things.objects.filter(moment__day=30, moment__hour=15)) == ["a"]
    assert names(things.objects.filter(moment__day=30, moment__hour=23)) == ["a"]


COMPARISONS = {"exact": operator.eq, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
PERIODS = {
    "year": [2023, 2024, 2025, 1, 0, 9999, 10_000, 10**30, 2023.5, "2024", True],
    "iso_year": [2023, 2024, 2025, 1, 0, 9999, 10_000, 10**30],
    "date": [datetime.date(2023, 12, 31), datetime.date(2024, 1, 1), datetime.date.min, datetime.date.max],
}


@pytest.mark.parametrize("part", list(PERIODS))
@pytest.mark.parametrize("hours", [0, -8, 10])
def test_years_and_days_are_those_of_every_row(things, part, hours):
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    days = ((2023, 1, 2), (2024, 1, 1), (2024, 12, 30), (2025, 1, 1), (2024, 6, 1))
    marks = [datetime.datetime(*day, tzinfo=zone) for day in days]
    for mark in marks:
        for shift in (-1, 0, 1):
            moment = mark + datetime.timedelta(microseconds=shift)
            things.objects.create(moment=moment, day=moment.date())
    things.objects.create()
    of = {"year": lambda day: day.year, "iso_year": lambda day: day.isocalendar()[0], "date": lambda day: day}[part]
    with timezone.override(zone):
        for field in ("moment",) if part == "date" else ("moment", "day"):
            for name, compare in COMPARISONS.items():
                for value in PERIODS[part]:
                    rows = things.objects.filter(**{f"{field}__{part}__{name}": value})
                    wanted = {
                        thing.pk for thing in things.objects.exclude(moment=None)
                        if compare(of(thing.day), int(value) if isinstance(value, str) else value)
                    }  # fmt: skip
                    assert {thing.pk for thing in rows} == wanted, (field, name, value)
                    others = things.objects.exclude(**{f"{field}__{part}__{name}": value})
                    assert others.count() == 16 - len(wanted), (field, name, value)
    assert things.objects.filter(moment__year=None).count() == 1


def test_years_and_days_are_asked_of_the_column_so_that_an_index_serves(things):
    for condition in (
        {"moment__year": 2024},
        {"day__iso_year__lt": 2024},
        {"moment__date__gte": datetime.date.today()},
    ):
        sql = str(things.objects.filter(**condition).query).partition("WHERE")[2].upper()
        assert ">=" in sql or " < " in sql
        assert not any(word in sql for word in ("EXTRACT", "YEARWEEK", "CAST", "WEBFRAME_")), sql
    rows = things.objects.annotate(latest=Max("moment")).filter(latest__year=2024)
    assert "HAVING" in str(rows.query)
    assert rows.count() == 0
    assert things.objects.filter(day__year=F("number") + 1).count() == 0
    assert things.objects.filter(moment__year__in=[2024], moment__year__range=(2023, 2025)).count() == 0


def test_a_year_begins_in_the_zone_that_is_current_when_the_query_is_run(things):
    things.objects.create(name="new", moment=datetime.datetime(2023, 12, 31, 23, 30, tzinfo=UTC))
    rows = things.objects.filter(moment__year=2024)
    assert not rows.all()
    with timezone.override("Europe/Berlin"):
        assert names(rows.all()) == ["new"]
        assert names(things.objects.filter(moment__date=datetime.date(2024, 1, 1))) == ["new"]


@pytest.mark.engines("sqlite", "postgresql")
def test_parts_of_moments_in_a_zone_with_summer_time(things):
    things.objects.create(name="winter", moment=datetime.datetime(2024, 1, 1, 12, tzinfo=UTC))
    things.objects.create(name="summer", moment=datetime.datetime(2024, 7, 1, 12, tzinfo=UTC))
    with timezone.override("Europe/Berlin"):
        assert names(things.objects.filter(moment__hour=13)) == ["winter"]
        assert names(things.objects.filter(moment__hour=14)) == ["summer"]


# --- JSON


@pytest.fixture
def documents(things):
    for name, data in {
        "dog": {"name": "Rex", "age": 4, "owner": {"name": "Bob", "pets": ["Rex", "Tom"]}, "chip": None, "good": True},
        "cat": {"name": "Tom", "age": 11.5, "owner": {"name": "ann"}, "tags": [1, 2, {"x": 3}]},
        "list": ["a", "b"],
        "text": "hello",
        "number": 5,
        "quote": {'a"b': 1, "a.b": 2, "$": 3, "a%b": 4},
    }.items():
        things.objects.create(name=name, data=data)
    things.objects.create(name="null")
    return things.objects


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"data__name": "Rex"}, ["dog"]),
        ({"data__age": 4}, ["dog"]),
        ({"data__age": 11.5}, ["cat"]),
        ({"data__age__gt": 4}, ["cat"]),
        ({"data__age__gte": 4, "data__age__lt": 11.6}, ["cat", "dog"]),
        ({"data__age__range": (4, 5)}, ["dog"]),
        ({"data__name__gt": "Sam"}, ["cat"]),
        ({"data__good": True}, ["dog"]),
        ({"data__good": False}, []),
        ({"data__owner__name": "Bob"}, ["dog"]),
        ({"data__owner": {"name": "ann"}}, ["cat"]),
        ({"data__owner__pets__1": "Tom"}, ["dog"]),
        ({"data__owner__pets": ["Rex", "Tom"]}, ["dog"]),
        ({"data__0": "a"}, ["list"]),
        ({"data__tags__2__x": 3}, ["cat"]),
        ({"data__name__in": ["Rex", "Tom", 3]}, ["cat", "dog"]),
        ({"data__name__in": []}, []),
        ({"data__chip": None}, ["dog"]),
        ({"data__chip__isnull": False}, ["dog"]),
        ({"data__tags__isnull": False}, ["cat"]),
        ({"data__name__isnull": True}, ["list", "null", "number", "quote", "text"]),
        ({"data__owner__name__icontains": "A"}, ["cat"]),
        ({"data__owner__name__iexact": "ANN"}, ["cat"]),
        ({"data__name__startswith": "T"}, ["cat"]),
        ({"data__name__endswith": "x"}, ["dog"]),
        ({"data__name__regex": "^.o"}, ["cat"]),
        ({"data": {"owner": {"name": "ann"}, "name": "Tom", "tags": [1, 2, {"x": 3}], "age": 11.5}}, ["cat"]),
        ({"data": "hello"}, ["text"]),
        ({"data": 5}, ["number"]),
        ({"data": ["a", "b"]}, ["list"]),
        ({"data": None}, []),
        ({"data__isnull": True}, ["null"]),
        ({"data__has_key": "name"}, ["cat", "dog"]),
        ({"data__has_key": "chip"}, ["dog"]),
        ({"data__has_keys": ["name", "tags"]}, ["cat"]),
        ({"data__has_any_keys": ["chip", "tags"]}, ["cat", "dog"]),
        ({"data__owner__has_key": "pets"}, ["dog"]),
        ({"data__has_key": 'a"b'}, ["quote"]),
        ({'data__a"b': 1}, ["quote"]),
        ({"data__a.b": 2}, ["quote"]),
        ({"data__$": 3}, ["quote"]),
        ({"data__a%b": 4}, ["quote"]),
        ({"data__x' OR 1=1 --": 4}, []),
        ({"data__contains": {"name": "Rex"}}, ["dog"]),
        ({"data__contains": {"owner": {"pets": ["Tom"]}}}, ["dog"]),
        ({"data__contains": {"age": 4, "name": "Tom"}}, []),
        ({"data__tags__contains": [2]}, ["cat"]),
        ({"data__contained_by": ["a", "b", "c"]}, ["list"]),
    ],
    ids=repr,
)
def test_documents(documents, conditions, expected):
    assert names(documents.filter(**conditions)) == expected


def test_a_document_that_is_null_is_not_the_same_as_none(documents):
    null = Value(None, models.JSONField())
    created = documents.create(name="created", data=null)
    changed = documents.create(name="changed", data={"a": 1})
    changed.data = null
    changed.save()
    documents.model.objects.bulk_create([documents.model(name="bulk", data=null), documents.model(name="bulk none")])
    documents.create(name="updated")
    documents.filter(name="updated").update(data=null)
    nulls = ["bulk", "changed", "created", "updated"]
    assert names(documents.filter(data=None)) == names(documents.filter(data=null)) == nulls
    assert names(documents.filter(data__isnull=True)) == ["bulk none", "null"]
    assert names(documents.filter(~Q(data=None) & Q(data__isnull=True))) == ["bulk none", "null"]
    assert names(documents.exclude(data=None).filter(name__in=[*nulls, "text"])) == ["text"]
    assert documents.get(name="created").data is None
    created.refresh_from_db()
    assert created.data is None
    created.save()  # None is NULL again
    assert names(documents.filter(data=None)) == ["bulk", "changed", "updated"]
    for thing in (rows := list(documents.filter(name__in=nulls))):
        thing.data = null
    assert documents.bulk_update(rows, ["data"]) == 4
    assert names(documents.filter(data=None)) == nulls
    assert documents.filter(data__in=[None, "hello"]).get().name == "text"


def test_values_in_documents(documents):
    found = documents.filter(name="dog").values_list("data__owner__pets", "data__age", "data__name", "data__nothing")
    assert found.get() == (["Rex", "Tom"], 4, "Rex", None)
    assert [thing.name for thing in documents.filter(data__has_key="age").order_by("data__name")] == ["dog", "cat"]


@pytest.fixture
def mixed(things):
    """Keys beside columns with the same values in one row, and with other ones in the next."""
    text = 'é "x"\\'
    data = {"n": 1, "i": 1.0, "r": 1.5, "p": 10.5, "t": text, "b": True, "d": "2024-03-31"}
    columns = {"number": 1, "ratio": 1.5, "price": Decimal("10.50"), "text": text, "flag": True}
    things.objects.create(name="same", data=data, day=datetime.date(2024, 3, 31), **columns)
    data = {"n": "1", "i": True, "r": "1.5", "p": 10, "t": "null", "b": 1, "d": None}
    columns = {"number": 2, "ratio": 2.5, "price": 0, "text": "NULL", "flag": False}
    things.objects.create(name="other", data=data, day=datetime.date(2024, 4, 1), **columns)
    things.objects.create(name="nulls", data=dict.fromkeys(data))
    things.objects.create(name="missing", data={}, number=1)
    return things.objects


KEYS_AND_COLUMNS = [
    ("n", "number", 1),
    ("i", "number", 1),
    ("r", "ratio", 1.5),
    ("p", "price", Decimal("10.5")),
    ("t", "text", 'é "x"\\'),
    ("b", "flag", True),
    ("d", "day", datetime.date(2024, 3, 31)),
]


@pytest.mark.parametrize(("key", "column", "value"), KEYS_AND_COLUMNS, ids=repr)
def test_keys_are_compared_with_values_that_are_no_documents(mixed, key, column, value):
    one = mixed.filter(name="same").values(column)
    for like, among in (
        (F(column), [F(column)]),
        (Value(value), [Value(value)]),
        (Subquery(one[:1]), mixed.values(column)),
        (one[:1], Subquery(one)),
        (Coalesce(F(column), F(column)), mixed.order_by("pk").values(column)[:2]),
        (F(column), mixed.values_list(column).union(mixed.values_list(column))),
        (F(column), mixed.filter(pk=OuterRef("pk")).values(column).distinct()),
    ):
        assert names(mixed.filter(**{f"data__{key}": like})) == ["same"]
        assert names(mixed.filter(**{f"data__{key}__in": among})) == ["same"]
    assert names(mixed.filter(**{f"data__{key}__in": mixed.none().values(column)})) == []
    among = mixed.filter(**{f"{column}__isnull": False}).values(column)
    assert names(mixed.exclude(**{f"data__{key}__in": among})) == ["nulls", "other"]


def test_keys_among_keys_and_among_rows(mixed):
    assert names(mixed.filter(data__i__in=mixed.values("data__n"))) == ["nulls", "same"]
    assert names(mixed.filter(data__n__in=mixed.values("data__i"))) == ["nulls", "same"]
    mixed.filter(name="missing").update(data={"n": mixed.get(name="same").pk})
    assert "missing" in names(mixed.filter(data__n__in=mixed.filter(name="same")))
    mixed.create(name="whole", data=7, number=7)
    assert names(mixed.filter(data=F("number"))) == ["whole"]


# --- look-ups of one's own


class NotEqual(Lookup):
    lookup_name = "ne"

    @classmethod
    def compare(cls, lhs, rhs, scope):
        return lhs != rhs


class Absolute(Transform):
    function = "ABS"
    lookup_name = "absolute"


class Doubling(Lookup):
    lookup_name = "half_of"

    @classmethod
    def prepare(cls, field, value):
        return field.get_prep_value(value) // 2

    @classmethod
    def compare(cls, lhs, rhs, scope):
        return lhs == rhs


@pytest.fixture
def own_lookups():
    for lookup in (NotEqual, Absolute, Doubling):
        models.IntegerField.register_lookup(lookup)
    yield
    for lookup in (NotEqual, Absolute, Doubling):
        models.IntegerField._unregister_lookup(lookup)


def test_look_ups_of_ones_own(numbers, own_lookups):
    assert names(numbers.filter(number__ne=1)) == ["-1", "-2", "0", "2", "3"]
    assert names(numbers.filter(number__absolute=2)) == ["-2", "2"]
    assert names(numbers.filter(number__absolute__gt=1)) == ["-2", "2", "3"]
    assert names(numbers.filter(number__absolute__ne=2)) == ["-1", "0", "1", "3"]
    assert names(numbers.filter(number__half_of=7)) == ["3"]
    assert [thing.name for thing in numbers.order_by("number__absolute", "number")][:3] == ["0", "-1", "1"]


def test_look_ups_are_inherited_and_not_shared():
    class Even(models.IntegerField):
        pass

    Even.register_lookup(NotEqual)
    assert Even().get_lookup("ne") is NotEqual
    assert Even().get_lookup("gt") is models.IntegerField().get_lookup("gt")
    assert models.IntegerField().get_lookup("ne") is None


class Otherwise(NotEqual):
    lookup_name = "exact"


class Negative(Transform):
    template = "(-%(expressions)s)"
    lookup_name = "negative"


def updated(objects, name):
    objects.update(text="")
    objects.filter(name=name).update(text="new")
    return names(objects.filter(text="new"))


QUESTIONS = {
    "filter": lambda objects: names(objects.filter(name="a")),
    "filter with Q": lambda objects: names(objects.filter(Q(name="a"))),
    "filter with more": lambda objects: names(objects.filter(Q(name="a") | Q(pk=0))),
    "filter twice": lambda objects: names(objects.filter(pk__gt=0).filter(name="a")),
    "filter beside annotations": lambda objects: names(objects.alias(same=F("text")).filter(name="a")),
    "exclude": lambda objects: names(objects.exclude(~Q(name="a"))),
    "get": lambda objects: [objects.get(name="a").name],
    "first": lambda objects: [objects.filter(name="a").first().name],
    "aggregate": lambda objects: [objects.filter(name="a").aggregate(found=Max("name"))["found"]],
    "update": lambda objects: updated(objects, "a"),
}


def test_a_look_up_that_takes_the_place_of_another_holds_for_names_that_were_used_before(things):
    things.objects.bulk_create([things(name="a"), things(name="b")])

    def found():
        return {kind: ask(things.objects) for kind, ask in QUESTIONS.items()}

    assert found() == dict.fromkeys(QUESTIONS, ["a"])
    earlier = things.objects.filter(name="a")
    models.CharField.register_lookup(Otherwise)
    try:
        assert found() == dict.fromkeys(QUESTIONS, ["b"])
        assert names(earlier) == ["b"]
    finally:
        models.CharField._unregister_lookup(Otherwise)
    assert found() == dict.fromkeys(QUESTIONS, ["a"])


def test_a_look_up_that_takes_the_place_of_another_holds_for_subclasses_too(things):
    things.objects.bulk_create([things(name="a"), things(name="b")])
    assert names(things.objects.filter(name__iexact="A")) == ["a"]
    models.Field.register_lookup(Otherwise, "iexact")
    try:
        assert names(things.objects.filter(name__iexact="A")) == ["a", "b"]
    finally:
        models.Field.register_lookup(DEFAULT_LOOKUPS["iexact"])
    assert names(things.objects.filter(name__iexact="A")) == ["a"]


def test_a_transform_that_takes_the_place_of_another_holds_for_names_that_were_used_before(numbers, own_lookups):
    def found():
        return names(numbers.filter(number__absolute=1)), numbers.order_by("number__absolute", "number")[0].name

    assert found() == (["-1", "1"], "0")
    models.IntegerField.register_lookup(Negative, "absolute")
    try:
        assert found() == (["-1"], "3")
    finally:
        models.IntegerField.register_lookup(Absolute)
    assert found() == (["-1", "1"], "0")


def test_a_look_up_takes_the_place_of_a_key_of_documents(things):
    things.objects.create(name="a", data={"ne": 1})
    things.objects.create(name="b", data={"ne": 2})
    assert names(things.objects.filter(data__ne=1)) == ["a"]
    models.JSONField.register_lookup(NotEqual)
    try:
        assert names(things.objects.filter(data__ne={"ne": 1})) == ["b"]
    finally:
        models.JSONField._unregister_lookup(NotEqual)
    assert names(things.objects.filter(data__ne=1)) == ["a"]


def test_a_look_up_takes_the_place_of_what_a_field_of_ones_own_made_of_a_name(define, create_tables):
    class Shouting(models.TextField):
        def get_transform(self, name):
            return super().get_transform("upper" if name == "loud" else name)

    class Quiet(NotEqual):
        lookup_name = "loud"

    models.TextField.register_lookup(Upper)
    try:
        Note = define("Note", text=Shouting())
        create_tables(Note)
        Note(text="A").save()
        assert Note.objects.filter(text__loud="A").count() == 1
        Shouting.register_lookup(Quiet)
        assert Note.objects.filter(text__loud="A").count() == 0
    finally:
        models.TextField._unregister_lookup(Upper)


def test_a_look_up_under_a_new_name_leaves_alone_what_was_found_out_about_others(things):
    assert not things.objects.filter(name="a")
    plans, filters = dict(connection.plans), dict(things._meta.filters)
    assert plans and filters
    models.CharField.register_lookup(NotEqual)
    models.CharField.register_lookup(NotEqual)
    assert (connection.plans, things._meta.filters) == (plans, filters)
    assert not things.objects.filter(name__ne="a")
    models.CharField._unregister_lookup(NotEqual)
    with pytest.raises(FieldError, match="ne"):
        things.objects.filter(name__ne="a")


@pytest.mark.parametrize("name", ["", "a__b", "a b", None, "x;"])
def test_the_name_of_a_look_up_is_an_identifier(name):
    wrong = type("Wrong", (Lookup,), {"lookup_name": name})
    with pytest.raises(ValueError, match="identifier"):
        models.IntegerField.register_lookup(wrong)


@pytest.mark.parametrize("name", ["number__nothing", "name__gt__gt", "nothing", "number__", "__", "", "name__x'--"])
def test_names_that_mean_nothing(things, name):
    with pytest.raises(FieldError):
        things.objects.filter(**{name: 1})

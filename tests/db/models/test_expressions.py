"""Expressions as data, and what the engines make of them."""

from __future__ import annotations

import copy
import datetime
import pickle
from decimal import Decimal

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.db.models import Case, Count, ExpressionWrapper, F, Func, OuterRef, Q, Value, When
from webframe.db.models.building import Literals
from webframe.db.models.functions import Coalesce, Concat, Lower, TruncMonth
from webframe.db.models.lookups import Exact, GreaterThan, In, LessThanOrEqual
from webframe.utils import timezone

UTC = datetime.UTC


# --- as data


def test_a_q_joins_conditions():
    assert repr(Q(b=2, a=1)) == "<Q: (AND: ('a', 1), ('b', 2))>"
    assert repr(Q(a=1) | ~Q(b=2)) == "<Q: (OR: ('a', 1), (NOT (AND: ('b', 2))))>"
    assert repr(Q(a=1) ^ Q(b=2)) == "<Q: (XOR: ('a', 1), ('b', 2))>"


def test_the_order_of_keywords_does_not_matter():
    assert Q(a=1, b=2) == Q(b=2, a=1)
    assert hash(Q(a=1, b=2)) == hash(Q(b=2, a=1))


def test_a_q_with_values_that_have_no_hash_has_one():
    assert hash(Q(a=[1, {"x": {2}}])) == hash(Q(a=[1, {"x": {2}}]))


def test_an_empty_q_adds_nothing():
    assert Q() & Q(a=1) == Q(a=1) == Q(a=1) | Q()
    assert not Q()


def test_the_same_connector_makes_no_new_level():
    assert (Q(a=1) | Q(b=2) | Q(c=3)).children == (("a", 1), ("b", 2), ("c", 3))
    assert (Q(a=1) & Q(b=2) | Q(c=3)).children == (Q(a=1) & Q(b=2), ("c", 3))


def test_not_twice_is_the_condition_itself():
    assert ~~Q(a=1) == Q(a=1)


def test_a_q_is_made_again_from_its_deconstruction():
    for q in (Q(a=1), ~Q(a=1, b=2), Q(a=1) | Q(b=2), Q(Q(a=1) ^ Q(b=2), c=3)):
        path, args, kwargs = q.deconstruct()
        assert path == "webframe.db.models.Q"
        assert Q(*args, **kwargs) == q


@pytest.mark.parametrize("connector", ["OR 1=1", "and", "", "AND --"])
def test_a_connector_is_one_of_three(connector):
    with pytest.raises(ValueError, match="_connector must be one of"):
        Q(a=1, _connector=connector)


def test_a_q_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be changed"):
        Q(a=1).negated = True
    with pytest.raises(TypeError, match=r"q \|= other"):
        Q(a=1).add(Q(b=2), Q.OR)


@pytest.mark.parametrize("wrong", [1, "a", ("a",), (1, 2), F("a")])
def test_a_q_takes_conditions_only(wrong):
    with pytest.raises(TypeError):
        Q(wrong)


def test_a_q_is_joined_with_conditions_only():
    with pytest.raises(TypeError, match="not one"):
        Q(a=1) & F("b")


EXPRESSIONS = [
    F("a"),
    F("a") + 1,
    F("a") * F("b"),
    1 - F("a"),
    Value("x"),
    Value(None),
    Value(1, output_field=models.FloatField()),
    OuterRef("pk"),
    ExpressionWrapper(F("a") + 1, models.FloatField()),
    F("a").desc(nulls_last=True),
    Case(When(a=1, then=Value(2)), default=F("b")),
    Func(F("a"), function="ABS"),
    Lower("name"),
    Concat("a", Value(" "), "b"),
    Count("a", distinct=True, filter=Q(b=1)),
    TruncMonth("moment", tzinfo=UTC),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=repr)
def test_expressions_are_values(expression):
    for other in (pickle.loads(pickle.dumps(expression)), copy.copy(expression), copy.deepcopy(expression)):
        assert other == expression
        assert hash(other) == hash(expression)
        assert repr(other) == repr(expression)


def test_different_expressions_are_not_equal():
    for place, one in enumerate(EXPRESSIONS):
        for other in EXPRESSIONS[place + 1 :]:
            assert one != other


def test_the_type_of_a_literal_counts():
    assert Value(1) != Value(True)
    assert Value(1) != Value(1.0)


def test_an_expression_in_use_cannot_be_changed():
    expression = F("a") + 1
    hash(expression)
    with pytest.raises(AttributeError, match="in use"):
        expression.lhs = F("b")


def test_expressions_that_differ_in_literals_only_have_one_key():
    one, other = Literals(), Literals()
    assert (F("a") + 1).key(one) == (F("a") + 2).key(other)
    assert (one, other) == ([1], [2])


def test_literals_of_other_types_make_another_key():
    assert (F("a") + 1).key(Literals()) != (F("a") + 1.5).key(Literals())


def test_a_function_with_attributes_of_its_own_has_them_in_its_key():
    class Padded(Func):
        def __init__(self, expression, size):
            super().__init__(expression)
            self.size = size

    assert Padded("a", 1).key(Literals()) != Padded("a", 2).key(Literals())


def test_bits_are_not_conditions():
    with pytest.raises(NotImplementedError, match="bitand"):
        F("a") & F("b")


@pytest.mark.parametrize(
    "template", ["%(function)s('x')", "%(function)s(1); DROP", "f(%(expressions)s) --", "f(/* %(expressions)s", "f("]
)
def test_a_template_cannot_end_a_statement(template):
    with pytest.raises(ValueError, match="cannot be part of a template"):
        Func(F("a"), function="F", template=template).written([], "sqlite", None)


@pytest.mark.parametrize("function", ["LOWER(", "a b", "x;y", '"x"', "1x"])
def test_a_function_is_a_name(function):
    with pytest.raises(ValueError, match="cannot be the name of a function"):
        Func(F("a"), function=function).written([], "sqlite", None)


def test_a_function_takes_so_many_arguments():
    with pytest.raises(TypeError, match="takes exactly 1 argument"):
        Lower("a", "b")


def test_orderings_are_checked():
    with pytest.raises(ValueError, match="exclude each other"):
        F("a").asc(nulls_first=True, nulls_last=True)


def test_a_case_needs_conditions():
    with pytest.raises(TypeError, match="When"):
        Case(F("a"))
    with pytest.raises(ValueError, match="needs a condition"):
        When(Q(), then=1)
    with pytest.raises(TypeError, match="When"):
        When(F("a"), then=1)


# --- in the database


def computed(things, **annotations):
    """What the only row makes of an expression called `x`."""
    return things.objects.annotate(**annotations).values_list("x", flat=True).get()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (F("number") + 1, 8),
        (1 + F("number"), 8),
        (F("number") - 10, -3),
        (10 - F("number"), 3),
        (F("number") * 3, 21),
        (F("number") / 2, 3),
        (F("number") % 4, 3),
        (F("number") ** 2, 49),
        (2 ** F("number"), 128),
        (-F("number"), -7),
        (F("number") - (F("number") - 1), 1),
        ((F("number") + 1) * 2, 16),
        (F("number") * F("ratio"), 10.5),
        (F("ratio") / 2, 0.75),
        (F("number") / 2.0, 3.5),
        (F("price") * 2, Decimal("5.00")),
        (F("price") / 2, Decimal("1.25")),
        (F("price") + F("number"), Decimal("9.50")),
        (F("ratio") % 1, 0.5),
        (F("number").bitand(3), 3),
        (F("number").bitor(8), 15),
        (F("number").bitxor(2), 5),
        (F("number").bitleftshift(1), 14),
        (F("number").bitrightshift(1), 3),
    ],
    ids=repr,
)
def test_arithmetic(things, expression, expected):
    things.objects.create(number=7, ratio=1.5, price=Decimal("2.50"))
    assert computed(things, x=expression) == expected


DAY = datetime.date(2024, 2, 28)
MOMENT = datetime.datetime(2024, 2, 28, 23, 30, 15, 123456, tzinfo=UTC)
CLOCK = datetime.time(23, 30, 15)
SPAN = datetime.timedelta(hours=1, microseconds=7)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (F("moment") + datetime.timedelta(days=2), MOMENT + datetime.timedelta(days=2)),
        (F("moment") - F("span"), MOMENT - SPAN),
        (F("span") + F("moment"), MOMENT + SPAN),
        (F("moment") - Value(MOMENT - SPAN), SPAN),
        (F("day") + datetime.timedelta(days=2), datetime.datetime(2024, 3, 1, tzinfo=UTC)),
        (F("day") - Value(datetime.date(2024, 1, 1)), datetime.timedelta(days=58)),
        (F("moment") - F("day"), datetime.timedelta(hours=23, minutes=30, seconds=15, microseconds=123456)),
        (F("clock") + datetime.timedelta(hours=1), datetime.time(0, 30, 15)),
        (F("clock") - Value(datetime.time(22, 30, 15)), datetime.timedelta(hours=1)),
        (F("span") + F("span"), SPAN * 2),
        (F("span") - datetime.timedelta(hours=2), SPAN - datetime.timedelta(hours=2)),
        (F("span") * 2, SPAN * 2),
        (F("span") / 7, datetime.timedelta(microseconds=514285715)),
    ],
    ids=repr,
)
def test_dates_and_spans_of_time(things, expression, expected):
    things.objects.create(day=DAY, moment=MOMENT, clock=CLOCK, span=SPAN)
    assert computed(things, x=expression) == expected


def test_a_span_can_be_compared(things):
    things.objects.create(name="a", moment=MOMENT, day=DAY)
    day = datetime.timedelta(days=1)
    assert things.objects.annotate(x=F("moment") - F("day")).filter(x__lt=day).exists()
    assert not things.objects.annotate(x=F("moment") - F("day")).filter(x__gt=day).exists()


def test_a_literal_of_a_type_of_its_own(things):
    things.objects.create()
    for value in ("x", 3, 2.5, True, Decimal("1.5"), DAY, MOMENT, CLOCK, SPAN, b"\x00\xff"):
        found = computed(things, x=Value(value))
        assert found == value
        assert isinstance(found, type(value))


def test_null_as_a_literal(things):
    things.objects.create()
    assert computed(things, x=Value(None, output_field=models.CharField())) is None


def test_types_that_do_not_mix_are_named(things):
    with pytest.raises(FieldError, match="CharField and IntegerField"):
        list(things.objects.annotate(x=F("name") + F("number")))
    with pytest.raises(FieldError, match="CharField, IntegerField"):
        list(things.objects.annotate(x=Coalesce("name", "number")))


def test_a_wrapper_says_what_comes_out(things):
    things.objects.create(number=7, ratio=0.5)
    found = computed(things, x=ExpressionWrapper(F("number") + F("ratio"), output_field=models.FloatField()))
    assert found == 7.5


def test_a_condition_as_a_value(things):
    things.objects.create(number=7)
    assert computed(things, x=ExpressionWrapper(Q(number__gt=5), output_field=models.BooleanField())) is True
    assert computed(things, x=ExpressionWrapper(Q(number__gt=9), output_field=models.BooleanField())) is False


def test_a_name_that_is_wrong_is_said(things):
    with pytest.raises(FieldError, match="nmber"):
        list(things.objects.annotate(x=F("nmber") + 1))


def test_a_case_takes_the_first_that_is_true(things):
    for number in (1, 5, 9, None):
        things.objects.create(number=number)
    case = Case(
        When(number__lt=4, then=Value("small")),
        When(Q(number__lt=8), then=Value("medium")),
        When(number__isnull=False, then=Value("large")),
        default=Value("none"),
    )
    found = things.objects.annotate(x=case).order_by("pk").values_list("x", flat=True)
    assert list(found) == ["small", "medium", "large", "none"]


def test_a_case_without_default_is_null(things):
    things.objects.create(number=1)
    assert computed(things, x=Case(When(number=2, then=F("number")))) is None
    assert computed(things, x=Case(default=F("number"))) == 1


def test_literals_keep_their_order_in_nested_expressions(things):
    things.objects.create(number=3, name="x")
    case = Case(
        When(Q(name="y") | Q(number__in=[8, 9]), then=F("number") * 100 + 1),
        When(~Q(name="z"), number__gte=3, then=F("number") * 10 + 2),
        default=Value(7),
    )
    assert computed(things, x=case + 5) == 37
    assert things.objects.annotate(x=case).filter(x=32, number__range=(2, 3), name__startswith="x").exists()


def test_updating_with_expressions(things):
    thing = things.objects.create(number=3, name="ham")
    things.objects.filter(pk=thing.pk).update(
        number=F("number") * 2, name=Case(When(number=3, then=Value("three")), default=F("name"))
    )
    thing.refresh_from_db()
    # MySQL assigns one after the other, the others all at once.
    assert thing.number == 6
    assert thing.name in ("three", "ham")


def test_ordering_by_nulls(things):
    for name, number in (("b", 2), ("n", None), ("a", 1)):
        things.objects.create(name=name, number=number)

    def ordered(*by):
        return "".join(things.objects.order_by(*by).values_list("name", flat=True))

    assert ordered(F("number").asc(nulls_first=True)) == "nab"
    assert ordered(F("number").asc(nulls_last=True)) == "abn"
    assert ordered(F("number").desc(nulls_first=True)) == "nba"
    assert ordered(F("number").desc(nulls_last=True)) == "ban"
    assert (
        "".join(things.objects.order_by(F("number").asc(nulls_last=True)).reverse().values_list("name", flat=True))
        == "nba"
    )


def test_a_subquery_and_what_is_outside(things):
    for name, number in (("a", 1), ("a", 5), ("b", 2)):
        things.objects.create(name=name, number=number)
    larger = things.objects.filter(name=OuterRef("name"), number__gt=OuterRef("number"))
    assert things.objects.filter(models.Exists(larger)).get().number == 1
    assert {thing.number for thing in things.objects.filter(~models.Exists(larger))} == {5, 2}
    largest = things.objects.filter(name=OuterRef("name")).order_by("-number").values("number")[:1]
    found = things.objects.annotate(x=models.Subquery(largest)).order_by("number").values_list("x", flat=True)
    assert list(found) == [5, 2, 5]
    assert things.objects.filter(Q(name="b") | models.Exists(larger)).count() == 2


def test_what_is_outside_needs_an_outside(things):
    with pytest.raises(ValueError, match="only be used in a subquery"):
        list(things.objects.filter(name=OuterRef("name")))


def test_functions_of_ones_own(things):
    class Twice(Func):
        template = "(%(expressions)s * %(times)s)"
        times = 2
        result = "IntegerField"

    things.objects.create(name="Ham", number=4)
    assert computed(things, x=Func(F("name"), function="UPPER")) == "HAM"
    assert computed(things, x=Twice("number")) == 8
    assert computed(things, x=Twice("number", times=3)) == 12


def test_look_ups_as_conditions(things):
    things.objects.create(name="a", number=3, small=2, ratio=2.5)
    things.objects.create(name="b", number=1, small=2, ratio=2.5)
    for condition in (
        GreaterThan(F("number"), F("small")),
        GreaterThan("number", 1.5),
        GreaterThan(F("number") - F("small"), 0),
        Q(In(F("number"), [3, 4])) & Exact("name", "a"),
        ~LessThanOrEqual(F("number") * F("ratio"), Value(3)),
    ):
        assert things.objects.filter(condition).get().name == "a", condition
    found = things.objects.annotate(x=GreaterThan("number", F("small"))).order_by("name").values_list("x", flat=True)
    assert list(found) == [True, False]
    assert GreaterThan("a", 1) == GreaterThan(F("a"), 1) != GreaterThan("a", 2)


def test_expressions_with_boolean_values_are_conditions(things):
    class IsShort(Func):
        template = "(length(%(expressions)s) < 3)"
        result = "BooleanField"

    things.objects.create(name="ab", number=1)
    things.objects.create(name="abc", number=2)
    yes = models.BooleanField()
    for condition in (
        IsShort("name"),
        Q(IsShort("name"), number__lt=9),
        ~Q(~IsShort("name")),
        Case(When(name="ab", then=Value(True)), default=Value(False), output_field=yes),
        ExpressionWrapper(Q(number=1), output_field=yes),
        Q(Value(True), number=1),
        When(IsShort("name"), then=1).condition,
    ):
        assert things.objects.filter(condition).get().name == "ab", condition
        assert things.objects.exclude(condition).get().name == "abc", condition
    found = things.objects.annotate(
        x=models.Exists(things.objects.filter(number__gt=OuterRef("number"))), y=IsShort("name")
    ).order_by("number")
    assert list(found.values_list("x", "y")) == [(True, True), (False, False)]
    assert found.filter(x=True, y=True).get().name == "ab"


def test_expressions_as_values_of_an_instance(things):
    thing = things(name=Lower(Value("HAM")), number=Value(2) + 3)
    thing.save()
    thing.refresh_from_db()
    assert (thing.name, thing.number) == ("ham", 5)
    thing.number = F("number") * 2
    thing.save()
    thing.refresh_from_db()
    assert thing.number == 10


def test_documents_as_literals(things):
    things.objects.create()
    document = {"a": [1, None, "x"]}
    assert computed(things, x=Value(document, output_field=models.JSONField())) == document
    things.objects.update(data=Value(document, output_field=models.JSONField()))
    assert things.objects.filter(data=Value(document, output_field=models.JSONField())).exists()


def test_time_zones_count(things):
    moment = datetime.datetime(2024, 1, 31, 23, 30, tzinfo=UTC)
    things.objects.create(moment=moment)
    queryset = things.objects.annotate(x=TruncMonth("moment")).values_list("x", flat=True)
    assert queryset.get() == datetime.datetime(2024, 1, 1, tzinfo=UTC)
    with timezone.override(datetime.timezone(datetime.timedelta(hours=2))):
        assert things.objects.annotate(x=TruncMonth("moment")).values_list("x", flat=True).get() == datetime.datetime(
            2024, 1, 31, 22, tzinfo=UTC
        )

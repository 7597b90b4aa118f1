"""Windows: values that look at the rows around each row."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import NotSupportedError
from webframe.db.models import Avg, Count, F, Q, RowRange, Sum, Value, ValueRange, Window
from webframe.db.models.functions import (
    CumeDist,
    DenseRank,
    FirstValue,
    Lag,
    LastValue,
    Lead,
    NthValue,
    Ntile,
    PercentRank,
    Rank,
    RowNumber,
)


@pytest.fixture
def rows(things):
    for name, number in (("a", 1), ("a", 2), ("b", 2), ("b", 4)):
        things.objects.create(name=name, number=number)
    return things.objects.order_by("pk")


def windowed(rows, expression, **window):
    return list(rows.annotate(x=Window(expression, **window)).values_list("x", flat=True))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (RowNumber(), [1, 2, 3, 4]),
        (Rank(), [1, 2, 2, 4]),
        (DenseRank(), [1, 2, 2, 3]),
        (PercentRank(), [0.0, 1 / 3, 1 / 3, 1.0]),
        (CumeDist(), [0.25, 0.75, 0.75, 1.0]),
        (Ntile(2), [1, 1, 2, 2]),
        (FirstValue("number"), [1, 1, 1, 1]),
        (Sum("number"), [1, 5, 5, 9]),
    ],
    ids=repr,
)
def test_places(rows, expression, expected):
    by = ["number", "pk"] if isinstance(expression, (RowNumber, Ntile)) else "number"
    assert windowed(rows, expression, order_by=by) == pytest.approx(expected)


def test_values_of_other_rows(rows):
    assert windowed(rows, Lag("number"), order_by="pk") == [None, 1, 2, 2]
    assert windowed(rows, Lag("number", 2), order_by="pk") == [None, None, 1, 2]
    assert windowed(rows, Lead("number"), order_by="pk") == [2, 2, 4, None]
    assert windowed(rows, Lead("number"), order_by="-pk") == [None, 1, 2, 2]
    assert windowed(rows, NthValue("number", 2), order_by="pk", frame=RowRange()) == [2, 2, 2, 2]
    assert windowed(rows, LastValue("number"), order_by="pk", frame=RowRange()) == [4, 4, 4, 4]


def test_a_default_where_there_is_no_row(rows, engine):
    lag = Lag("number", default=Value(0))
    if engine.vendor == "mysql":
        with pytest.raises(NotSupportedError, match="default of Lag"):
            windowed(rows, lag, order_by="pk")
    else:
        assert windowed(rows, lag, order_by="pk") == [0, 1, 2, 2]


def test_windows_of_rows_that_have_something_in_common(rows):
    assert windowed(rows, Sum("number"), partition_by="name") == [3, 3, 6, 6]
    assert windowed(rows, Sum("number"), partition_by=[F("name")], order_by="pk") == [1, 3, 2, 6]
    assert windowed(rows, Avg("number"), partition_by=F("number") % Value(2)) == pytest.approx([1, 8 / 3, 8 / 3, 8 / 3])
    assert windowed(rows, RowNumber(), partition_by="name", order_by=F("number").desc()) == [2, 1, 2, 1]


def test_frames(rows):
    assert windowed(rows, Sum("number"), order_by="pk", frame=RowRange(-1, 0)) == [1, 3, 4, 6]
    assert windowed(rows, Sum("number"), order_by="pk", frame=RowRange(0, None)) == [9, 8, 6, 4]
    assert windowed(rows, Sum("number"), order_by="number", frame=ValueRange(None, 0)) == [1, 5, 5, 9]


@pytest.mark.engines("sqlite", "postgresql")
def test_some_rows_only(rows):
    assert windowed(rows, Sum("number", filter=Q(number__gt=1)), order_by="pk") == [None, 2, 4, 8]


def test_literals_keep_their_order(rows):
    window = Window(
        Sum(F("number") * 10 + 1), partition_by=F("number") % Value(3), order_by=(F("pk") + 5).desc(nulls_last=True)
    )
    found = list(rows.annotate(x=window + 100).filter(number__lt=9).values_list("x", flat=True))
    assert found == [152, 142, 121, 141]


def test_rows_are_ordered_by_windows(rows):
    found = rows.annotate(x=Window(Rank(), order_by="-number")).order_by("x", "pk")
    assert [thing.number for thing in found] == [4, 2, 2, 1]


def test_what_is_refused():
    with pytest.raises(ValueError, match="compatible"):
        Window(F("number"))
    with pytest.raises(TypeError, match="frame"):
        Window(RowNumber(), frame=3)
    with pytest.raises(TypeError, match="numbers of rows"):
        RowRange("1; DROP", 0)
    with pytest.raises(ValueError, match="before it starts"):
        RowRange(2, 1)
    for wrong in (0, -1, "2", None, True):
        with pytest.raises(ValueError, match="positive integer"):
            Ntile(wrong)


def test_a_default_in_a_window_is_refused(rows):
    with pytest.raises(FieldError, match="Coalesce"):
        windowed(rows, Sum("number", default=0))


def test_windows_are_values():
    one = Window(Sum("a"), partition_by="b", order_by="-c", frame=RowRange(-1, 0))
    assert one == Window(Sum("a"), partition_by="b", order_by="-c", frame=RowRange(-1, 0))
    assert one != Window(Sum("a"), partition_by="b", order_by="-c", frame=RowRange(-2, 0))
    assert hash(one) == hash(Window(Sum("a"), partition_by="b", order_by="-c", frame=RowRange(-1, 0)))


def test_windows_over_groups(rows):
    rows.create(name="b", number=4)
    names = rows.values("name").annotate(n=Count("pk"))
    for order in (Count("pk").desc(), F("n").desc()):
        ranked = names.annotate(r=Window(Rank(), order_by=order))
        assert list(ranked.order_by("r")) == [{"name": "b", "n": 3, "r": 1}, {"name": "a", "n": 2, "r": 2}]
        assert [row["n"] for row in names.order_by(Window(Rank(), order_by=order))] == [3, 2]
        assert [row["n"] for row in names.alias(r=Window(Rank(), order_by=order)).order_by("-r")] == [2, 3]
        assert ranked.count() == 2
    # It may come before the aggregate that makes the groups, and another annotation may be made of it.
    first = rows.values("name").annotate(r=Window(RowNumber(), order_by="name"), s=F("r") + 1, n=Count("pk"))
    assert list(first.order_by("s").values_list("name", "r", "s", "n")) == [("a", 1, 2, 2), ("b", 2, 3, 3)]
    assert list(first.order_by("s").filter(s=2).values_list("name", "r", "s", "n")) == [("a", 1, 2, 2)]
    whole = rows.annotate(r=Window(RowNumber(), order_by="-pk"), n=Count("pk"))
    assert [(row.r, row.n) for row in whole.order_by("r")] == [(number, 1) for number in (1, 2, 3, 4, 5)]


def test_what_a_window_over_groups_looks_at_is_grouped_by(rows):
    rows.create(name="b", number=4)
    by_number = Window(RowNumber(), order_by="number")
    found = rows.values("name").annotate(r=by_number, n=Count("pk")).order_by("name", "r").values_list("name", "n")
    assert sorted(found) == [("a", 1), ("a", 1), ("b", 1), ("b", 2)]
    # But not where it is neither selected nor filtered by.
    unseen = rows.annotate(r=by_number).values("name").annotate(n=Count("pk")).order_by("name")
    assert list(unseen) == [{"name": "a", "n": 2}, {"name": "b", "n": 3}]


def test_aggregates_over_windows(rows):
    numbered = rows.annotate(r=Window(RowNumber(), order_by="-number"), s=F("r") * 10)
    assert numbered.aggregate(x=Sum("r"), y=Sum(F("s") + 1), n=Count("pk")) == {"x": 10, "y": 104, "n": 4}
    assert numbered.aggregate(x=Sum("number", filter=Q(r__gt=2)), y=Avg("number")) == {"x": 3, "y": 2.25}
    assert numbered.filter(name="a").order_by("r")[:1].aggregate(x=Sum("s"), y=Sum("number")) == {"x": 10, "y": 2}
    with pytest.raises(FieldError, match=r"use aggregate\(\)"):
        list(numbered.annotate(x=Sum("r")))
    with pytest.raises(FieldError, match="annotate"):
        Sum(Window(RowNumber()))

"""Rows filtered by windows: these are computed of what all other filters leave."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import NotSupportedError, connection, models, transaction
from webframe.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from webframe.db.models.functions import Coalesce, Lag, Rank, RowNumber

from ..registries import models_of_a_test

registry = models_of_a_test("league")


class Team(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "league"
        apps = registry


class Badge(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "league"
        apps = registry


class Player(models.Model):
    name = models.CharField(max_length=20)
    team = models.ForeignKey(Team, models.CASCADE, null=True, related_name="players")
    score = models.IntegerField()
    badges = models.ManyToManyField(Badge, related_name="players")

    class Meta:
        app_label = "league"
        apps = registry
        ordering = ["name"]


class Match(models.Model):
    player = models.ForeignKey(Player, models.CASCADE, related_name="matches")
    number = models.IntegerField()

    class Meta:
        app_label = "league"
        apps = registry


@pytest.fixture(autouse=True)
def league(tables):
    tables(registry)
    red, blue = (Team.objects.create(name=name) for name in ("red", "blue"))
    Team.objects.create(name="new")
    old, fast = (Badge.objects.create(name=name) for name in ("old", "fast"))
    for name, team, score, badges in (
        ("a", red, 10, [old]),
        ("b", red, 30, [old, fast]),
        ("c", red, 20, []),
        ("d", blue, 5, [fast]),
        ("e", blue, 50, []),
        ("f", None, 1, []),
    ):
        Player.objects.create(name=name, team=team, score=score).badges.set(badges)


PLACE = Window(RowNumber(), partition_by="team", order_by="-score")


@pytest.fixture
def placed():
    return Player.objects.annotate(place=PLACE)


def names(rows):
    return "".join(row.name for row in rows)


def test_the_first_rows_of_each_group(placed):
    best = placed.filter(place=1)
    assert [(row.name, row.place) for row in best] == [("b", 1), ("e", 1), ("f", 1)]
    assert names(placed.filter(place__lte=2)) == "bcdef"
    assert names(placed.exclude(place=1)) == "acd"
    assert names(placed.filter(place__in=[2, 3])) == "acd"
    assert names(placed.filter(place__in=[])) == ""
    assert names(Player.objects.alias(place=PLACE).filter(place=1)) == "bef"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Q(place=1, team__name="red"), "b"),
        (Q(place=1) & ~Q(name="b"), "cef"),
        (Q(place=1) | Q(name="a"), "abef"),
        (Q(place=1) | Q(team__name="red"), "abcef"),
        (~Q(place=1, team__name="red"), "acdef"),
        (~(Q(place=1) | Q(name="b")), "ad"),
        (Q(place=1) ^ Q(team__name="red"), "acef"),
        (Q(place=1) | ~Q(badges__name="old"), "bcdef"),
        (Q(score__gt=F("place") * 10), "be"),
        (Q(place__lt=F("score") / Value(10)), "be"),
        (Q(place=1) | Exists(Badge.objects.filter(players=OuterRef("pk"), name="old")), "abef"),
        (Q(place__lte=Subquery(Team.objects.values(x=Value(1))[:1])), "bef"),
    ],
)
def test_windows_are_computed_of_what_the_other_conditions_leave(placed, condition, expected):
    assert names(placed.filter(condition)) == expected


def test_the_order_of_filters_makes_no_difference(placed):
    assert names(placed.filter(place=1).exclude(name="b")) == "cef"
    assert names(placed.exclude(name="b").filter(place=1)) == "cef"
    assert names(placed.filter(place=1).filter(badges__name="old")) == "b"


def test_every_question_may_be_asked(placed):
    best = placed.filter(place=1)
    assert best.count() == 3
    assert best.exists() and not placed.filter(place=9).exists()
    assert (best.first().name, best.last().name) == ("b", "f")
    assert best.get(team__name="red").name == "b"
    assert best.aggregate(n=Count("*"), s=Sum("score"), p=Max("place"), x=Count("pk", filter=Q(place=1))) == {
        "n": 3,
        "s": 81,
        "p": 1,
        "x": 3,
    }
    assert names(best[1:]) == "ef" and best[1:].count() == 2
    assert best[:2].aggregate(s=Sum("score")) == {"s": 80}
    assert names(best.order_by("-score")) == "ebf" and names(best.reverse()) == "feb"
    assert names(best.order_by(F("team__name").asc(nulls_first=True), "pk")) == "feb"
    assert names(best.order_by(F("score") * F("place"), "name")) == "fbe"
    assert len(best.order_by("?")) == 3
    assert names(best.iterator()) == "bef"
    assert list(best.values_list("pk", "pk", "team__name").order_by("name"))[0][2] == "red"
    assert [(row.team and row.team.name) for row in best.select_related("team")] == ["red", "blue", None]
    assert [row.score for row in best.only("name")] == [30, 50, 1]
    assert names(best.annotate(more=F("place") + 1).filter(more=2)) == "bef"
    assert list(placed.filter(place__lte=2).alias(x=F("place")).values_list("team__name").distinct()) != []


def test_distinct_rows_are_those_that_are_left(placed):
    teams = placed.filter(place__lte=2).order_by("team__name").values_list("team__name", flat=True).distinct()
    assert set(teams) == {"red", "blue", None}
    assert len(teams) == teams.count() == 3
    if connection.vendor == "postgresql":
        some = placed.filter(place__gte=2).order_by("team", "-name").distinct("team")
        assert names(some) == "cd"


def test_in_subqueries(placed):
    best = placed.filter(place=1)
    assert names(Player.objects.filter(pk__in=best)) == "bef"
    assert names(Player.objects.exclude(pk__in=best.values("pk"))) == "acd"
    assert [team.name for team in Team.objects.filter(players__in=best).order_by("name")] == ["blue", "red"]
    both = best.order_by().union(placed.filter(place=3))
    assert names(both.order_by("name")) == "abef"


def test_in_subqueries_with_outer_references(placed):
    second = placed.filter(place=2, team=OuterRef("pk"))
    teams = Team.objects.order_by("name")
    if connection.vendor == "mysql":
        with pytest.raises(NotSupportedError, match=r"filter\(pk__in="):
            list(teams.filter(Exists(second)))
        second = Player.objects.filter(pk__in=placed.filter(place=2).values("pk"), team=OuterRef("pk"))
    assert [team.name for team in teams.filter(Exists(second))] == ["blue", "red"]
    named = teams.annotate(second=Subquery(second.values("name")[:1]))
    assert [team.second for team in named] == ["d", None, "c"]


def test_in_prefetched_rows(placed):
    teams = Team.objects.order_by("name")
    found = teams.prefetch_related(Prefetch("players", placed.filter(place__lte=2)))
    assert [names(team.players.all()) for team in found] == ["de", "", "bc"]
    found = teams.prefetch_related(Prefetch("players", placed.filter(place__gte=2).order_by("score")[:1], "some"))
    assert [names(team.some) for team in found] == ["d", "", "a"]


def test_conditions_within_expressions(placed):
    top = placed.annotate(top=Case(When(place=1, then=Value("yes")), default=Value("no")))
    assert [row.top for row in top] == ["no", "yes", "no", "no", "yes", "yes"]
    assert names(top.filter(top="yes")) == "bef"
    assert names(placed.annotate(best=Q(place=1)).filter(best=False)) == "acd"
    with pytest.raises(FieldError, match=r"use aggregate\(\)"):
        list(placed.annotate(n=Count("pk", filter=Q(place=1))))


def test_windows_that_are_null():
    rows = Player.objects.annotate(before=Window(Lag("score"), order_by="name"))
    assert names(rows.filter(before=None)) == names(rows.filter(before__isnull=True)) == "a"
    assert names(rows.filter(score__gt=F("before"))) == "be"
    assert names(rows.exclude(before=10)) == "cdef"


def test_windows_over_aggregates(placed):
    by_badges = Player.objects.annotate(n=Count("badges")).annotate(r=Window(Rank(), order_by="-n"))
    by_badges = by_badges.order_by("name")
    assert names(by_badges.filter(r=1)) == "b"
    assert names(by_badges.filter(r__lte=2, n=1)) == "ad"
    assert names(by_badges.filter(Q(r=1) | Q(n=0))) == "bcef"
    assert names(by_badges.filter(Q(r=1) | Q(name="f"))) == "bf"
    teams = Player.objects.order_by().values("team__name").annotate(n=Count("pk"), s=Avg("score"))
    largest = teams.annotate(r=Window(Rank(), order_by="-n"))
    assert list(largest.filter(r=1).values_list("team__name", "n", "s")) == [("red", 3, 20)]
    assert list(teams.alias(r=Window(Rank(), order_by="-n")).filter(r=2, s__gt=2).values_list("n")) == [(2,)]
    # A window that looks at columns adds them to what is grouped by, selected or not.
    counted = placed.filter(place=1).annotate(n=Count("badges")).order_by("name")
    assert [(row.name, row.n) for row in counted] == [("b", 2), ("e", 0), ("f", 0)]
    high = Window(Rank(), order_by=F("score") + Value(5))
    counted = Player.objects.alias(r=high).filter(r__gte=5).annotate(n=Count("badges")).order_by("name")
    assert [(row.name, row.n) for row in counted] == [("b", 2), ("e", 0)]
    assert counted.count() == 2


def test_windows_over_groups_that_are_computed_with_parameters():
    groups = Player.objects.order_by().annotate(k=F("score") % Value(20)).values("k").annotate(n=Count("pk"))
    first = Window(RowNumber(), order_by="-k")
    assert list(groups.annotate(r=first).filter(r__lte=2).order_by("r")) == [
        {"k": 10, "n": 3, "r": 1},
        {"k": 5, "n": 1, "r": 2},
    ]
    assert list(groups.alias(r=first).filter(r=1)) == [{"k": 10, "n": 3}]
    assert list(groups.alias(r=first).filter(Q(r=1) | Q(k=0), n__lte=2).order_by("k")) == [
        {"k": 0, "n": 1},
        {"k": 5, "n": 1},
    ]
    assert groups.alias(r=first).filter(r__gt=1).aggregate(s=Sum("n")) == {"s": 3}


def test_update_and_delete(placed):
    assert placed.filter(place=1).update(score=F("score") + 100) == 3
    assert sorted(Player.objects.values_list("score", flat=True)) == [5, 10, 20, 101, 130, 150]
    badges = Badge.objects.filter(players=OuterRef("pk")).order_by().values("players").annotate(n=Count("pk"))
    assert placed.filter(place=2).update(score=Coalesce(Subquery(badges.values("n")), 0) + F("score")) == 2
    assert [row.score for row in Player.objects.filter(name__in="cd")] == [20, 6]
    assert names(placed.filter(place=1).order_by("-score")) == "ebf"


def test_rows_that_are_deleted(placed):
    assert placed.filter(place=1).delete()[1]["league.Player"] == 3
    assert names(Player.objects.all()) == "acd"
    for number in (1, 2, 3):
        Match.objects.create(player=Player.objects.get(name="a"), number=number)
    last = Match.objects.annotate(n=Window(RowNumber(), partition_by="player", order_by="-number"))
    assert last.filter(n__gt=1).delete() == (2, {"league.Match": 2})
    assert Match.objects.get().number == 3


def test_a_window_is_no_new_value(placed):
    with pytest.raises(FieldError, match="bulk_update"):
        placed.update(score=F("place"))
    rows = list(placed)
    for row in rows:
        row.score = row.place
    Player.objects.bulk_update(rows, ["score"])
    assert [row.score for row in Player.objects.all()] == [3, 1, 2, 2, 1, 1]


def test_rows_cannot_be_locked_and_the_error_says_what_can(placed):
    best = placed.filter(place=1)
    with transaction.atomic():
        if connection.features.supports_select_for_update:
            with pytest.raises(NotSupportedError, match=r"filter\(pk__in=that"):
                list(best.select_for_update())
        assert names(Player.objects.select_for_update().filter(pk__in=best.values("pk"))) == "bef"


def test_under_not_many_rows_are_not_compared_with_a_window(placed):
    with pytest.raises(NotSupportedError, match="annotation"):
        list(placed.exclude(matches__number=F("place")))
    # As the error says.
    numbered = placed.annotate(n=Max("matches__number"))
    assert names(numbered.exclude(n=F("place"))) == ""


def test_a_number_is_compared_outside_where_databases_can_stop_counting(placed):
    sql = str(placed.filter(place__lte=2).query)
    assert sql.count("row_number()") == 1
    assert sql.rindex("<=") > sql.rindex(")")

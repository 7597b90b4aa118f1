"""Random changes of relations against Python sets, with the signals they send, and deletions against their rules."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webframe.db import models
from webframe.db.models.signals import m2m_changed

from ..registries import models_of_a_test

registry = models_of_a_test("changes")

modest = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Base(models.Model):
    class Meta:
        app_label = "changes"
        apps = registry
        abstract = True


class Topping(Base):
    pass


class Pizza(Base):
    toppings = models.ManyToManyField(Topping, related_name="pizzas")


class Person(Base):
    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")


class Thing(Base):
    """What the others hang on, each by a rule of its own."""

    owner = models.ForeignKey("self", models.CASCADE, null=True, related_name="parts")
    fan_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="fans")


class Guard(Base):
    thing = models.ForeignKey(Thing, models.PROTECT)


class Clerk(Base):
    """Refuses, unless it is deleted along with its boss."""

    thing = models.ForeignKey(Thing, models.RESTRICT, related_name="clerks")
    boss = models.ForeignKey(Thing, models.CASCADE, null=True, related_name="staff")


# --- many-to-many ---------------------------------------------------------------------------------------------------

# The name of the relation, of its other end, and whether both are the same.
ENDS = [
    (Pizza, "toppings", Topping, "pizzas"),
    (Topping, "pizzas", Pizza, "toppings"),
    (Person, "friends", Person, "friends"),
    (Person, "follows", Person, "followers"),
    (Person, "followers", Person, "follows"),
]

places = st.integers(0, 3)
steps = st.lists(
    st.tuples(
        st.sampled_from(ENDS),
        places,
        st.sampled_from(["add", "add", "remove", "set", "set and clear", "clear"]),
        st.lists(places, max_size=4),
        st.booleans(),
    ),
    max_size=8,
)


class Model:
    """What should be related, and what should have been heard."""

    def __init__(self, rows):
        self.rows = rows
        self.related = defaultdict(set)
        self.heard = []

    def change(self, end, place, method, given):
        owner, name, target, back = end
        key = self.rows[owner][place].pk
        wanted = {self.rows[target][each].pk for each in given}
        have = self.related[name, key]
        if method == "add" and given:
            self.add(end, key, wanted - have)
        elif method == "remove" and given:
            self.remove(end, key, wanted)
        elif method == "clear":
            self.clear(end, key)
        elif method == "set":
            if have - wanted:
                self.remove(end, key, have - wanted)
            if wanted - have:
                self.add(end, key, wanted - have)
        elif method == "set and clear":
            self.clear(end, key)
            if wanted:
                self.add(end, key, wanted)

    def add(self, end, key, new):
        self.hear(end, key, "add", new)
        self.related[end[1], key] |= new
        for each in new:
            self.related[end[3], each].add(key)

    def remove(self, end, key, gone):
        self.hear(end, key, "remove", gone)
        self.related[end[1], key] -= gone
        for each in gone:
            self.related[end[3], each].discard(key)

    def clear(self, end, key):
        self.hear(end, key, "clear", None)
        for each in self.related.pop((end[1], key), set()):
            self.related[end[3], each].discard(key)

    def hear(self, end, key, action, keys):
        self.heard += [(f"{time}_{action}", end[1], key, keys) for time in ("pre", "post")]


@modest
@given(steps, st.booleans())
def test_changing_many_to_many_relations_is_changing_sets(engine, tables, steps, listening):
    tables(registry)
    rows = {model: [model.objects.create() for _ in range(4)] for model in (Pizza, Topping, Person)}
    expected, heard = Model(rows), []
    names = {(Pizza, False): "toppings", (Pizza, True): "pizzas"}

    def hear(sender, instance, action, reverse, model, pk_set, **kwargs):
        if sender is Pizza.toppings.through:
            name = names[Pizza, reverse]
        elif sender is Person.friends.through:
            name = "friends"
        else:
            name = "followers" if reverse else "follows"
        heard.append((action, name, instance.pk, None if pk_set is None else set(pk_set)))

    if listening:
        m2m_changed.connect(hear)
    try:
        for end, place, method, given, by_key in steps:
            owner, name, target, _ = end
            manager = getattr(rows[owner][place], name)
            others = [rows[target][each].pk if by_key else rows[target][each] for each in given]
            expected.change(end, place, method, given)
            if method == "set and clear":
                manager.set(others, clear=True)
            elif method == "set":
                manager.set(others)
            else:
                getattr(manager, method)(*([] if method == "clear" else others))
    finally:
        m2m_changed.disconnect(hear)
    if listening:
        assert heard == expected.heard
    for owner, name, _, _ in ENDS:
        for one in rows[owner]:
            found = list(getattr(one, name).values_list("pk", flat=True))
            assert sorted(found) == sorted(expected.related[name, one.pk])
    pairs = Person.friends.through.objects.filter(from_person__in=rows[Person]).count()
    assert pairs == sum(len(expected.related["friends", one.pk]) for one in rows[Person])


# --- deletion -------------------------------------------------------------------------------------------------------

maybe = st.none() | st.integers(0, 5)


@modest
@given(
    st.lists(st.tuples(maybe, maybe), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), max_size=1),
    st.lists(st.tuples(st.integers(0, 5), maybe), max_size=3),
    st.lists(st.integers(0, 5), min_size=1, max_size=2),
    st.booleans(),
)
def test_what_is_deleted_follows_the_rules(engine, tables, data, guards, clerks, doomed, by_queryset):
    tables(registry)
    Thing.objects.update(owner=None, fan_of=None)
    for model in (Guard, Clerk, Thing):
        model.objects.all()._raw_delete("default")
    things = [Thing.objects.create() for _ in data]

    def thing(place):
        return None if place is None else things[place % len(things)]

    for one, (owner, fan_of) in zip(things, data, strict=True):
        one.owner, one.fan_of = thing(owner), thing(fan_of)
        one.save()
    guards = [Guard.objects.create(thing=thing(place)) for place in guards]
    clerks = [Clerk.objects.create(thing=thing(place), boss=thing(boss)) for place, boss in clerks]
    first = {thing(place).pk for place in doomed} if by_queryset else {thing(doomed[0]).pk}

    gone = set(first)
    while more := {one.pk for one in things if one.owner_id in gone} - gone:
        gone |= more
    lost = {clerk.pk for clerk in clerks if clerk.boss_id in gone}
    is_protected = any(guard.thing_id in gone for guard in guards)
    is_restricted = any(clerk.thing_id in gone and clerk.pk not in lost for clerk in clerks)
    victim = Thing.objects.filter(pk__in=first) if by_queryset else Thing.objects.get(pk=min(first))
    if is_protected or is_restricted:
        with pytest.raises(models.ProtectedError if is_protected else models.RestrictedError):
            victim.delete()
        gone, lost = set(), set()
    else:
        total, by_label = victim.delete()
        assert total == len(gone) + len(lost)
        assert by_label.get("changes.Thing", 0) == len(gone)
        assert by_label.get("changes.Clerk", 0) == len(lost)
    assert {one.pk: (one.owner_id, one.fan_of_id) for one in Thing.objects.all()} == {
        one.pk: (one.owner_id, None if one.fan_of_id in gone else one.fan_of_id) for one in things if one.pk not in gone
    }
    assert set(Clerk.objects.values_list("pk", flat=True)) == {clerk.pk for clerk in clerks} - lost
    assert Guard.objects.count() == len(guards)

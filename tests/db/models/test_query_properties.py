"""Random querysets against the same question asked of plain Python lists."""

from __future__ import annotations

import operator
from collections import Counter
from functools import reduce

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webframe.db import models
from webframe.db.models import Count, F, Max, Q, Sum

from ..registries import models_of_a_test

registry = models_of_a_test("random")


class Shelf(models.Model):
    name = models.CharField(max_length=10)

    class Meta:
        app_label = "random"
        apps = registry


class Item(models.Model):
    a = models.IntegerField(null=True)
    b = models.IntegerField()
    s = models.CharField(max_length=10, null=True)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, null=True, related_name="items")

    class Meta:
        app_label = "random"
        apps = registry


modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# --- what is asked: data that both sides understand -------------------------------------------------------------------

numbers, words = st.integers(-3, 3), st.text("abc", min_size=1, max_size=2)
FIELDS = {"a": numbers, "b": numbers, "s": words, "shelf__name": words}
COMPARE = {
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, values: value in values,
    "range": lambda value, bounds: bounds[0] <= value <= bounds[1],
    "contains": lambda value, part: part in value,
    "startswith": lambda value, part: value.startswith(part),
}


@st.composite
def leaves(draw, prefix="", fields=tuple(FIELDS)):
    """(name, lookup, value)"""
    name = draw(st.sampled_from(fields))
    value = FIELDS[name]
    choices = ["exact", "gt", "gte", "lt", "lte", "in", "range", "isnull", "null"]
    lookup = draw(st.sampled_from(choices + (["contains", "startswith"] if value is words else [])))
    if lookup == "in":
        given = draw(st.lists(value, max_size=5))
    elif lookup == "range":
        given = tuple(sorted(draw(st.tuples(value, value))))
    elif lookup == "isnull":
        given = draw(st.booleans())
    elif lookup == "null":
        lookup, given = "exact", None
    else:
        given = draw(value)
    return "leaf", prefix + name, lookup, given


def trees(leaf):
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["AND", "OR", "XOR"]), st.lists(inner, min_size=1, max_size=3)),
            st.tuples(st.just("NOT"), inner),
        ),
        max_leaves=5,
    )


def q_of(tree):
    if tree[0] == "leaf":
        _, name, lookup, value = tree
        return Q(**{name if lookup == "exact" else f"{name}__{lookup}": value})
    if tree[0] == "NOT":
        return ~q_of(tree[1])
    join = {"AND": operator.and_, "OR": operator.or_, "XOR": operator.xor}[tree[0]]
    return reduce(join, [q_of(child) for child in tree[1]])


def value_of(item, name):
    if name == "shelf__name":
        return item.shelf_name
    return getattr(item, name)


def holds(tree, value):
    """Whether a condition holds, given a function from names to values."""
    if tree[0] == "leaf":
        _, name, lookup, given = tree
        found = value(name)
        if lookup == "isnull":
            return (found is None) is given
        if given is None:
            return found is None
        return found is not None and COMPARE[lookup](found, given)
    if tree[0] == "NOT":
        return not holds(tree[1], value)
    results = [holds(child, value) for child in tree[1]]
    return {"AND": all, "OR": any, "XOR": lambda each: sum(each) % 2 == 1}[tree[0]](results)


rows = st.lists(st.tuples(st.none() | numbers, numbers, st.none() | words, st.none() | st.integers(0, 2)), max_size=8)


@pytest.fixture
def store(engine, tables):
    """Puts rows into the tables, and gives them as plain objects."""
    tables(registry)

    def put(data, shelf_names=("a", "b", "ab")):
        Item.objects.all()._raw_delete("default")
        Shelf.objects.all()._raw_delete("default")
        shelves = [Shelf.objects.create(name=name) for name in shelf_names]
        items = [Item(a=a, b=b, s=s, shelf=None if place is None else shelves[place]) for a, b, s, place in data]
        Item.objects.bulk_create(items)
        for item in items:
            item.shelf_name = item.shelf.name if item.shelf is not None else None
        return items, shelves

    return put


# --- the questions ----------------------------------------------------------------------------------------------------


@modest
@given(rows, st.lists(st.tuples(st.sampled_from(["filter", "exclude"]), trees(leaves())), max_size=3))
def test_filter_and_exclude(store, data, calls):
    items, _ = store(data)
    queryset, expected = Item.objects.all(), items
    for method, tree in calls:
        queryset = getattr(queryset, method)(q_of(tree))
        wanted = method == "filter"
        expected = [item for item in expected if holds(tree, lambda name, item=item: value_of(item, name)) is wanted]
    assert sorted(item.pk for item in queryset) == sorted(item.pk for item in expected)
    assert queryset.count() == len(expected)
    assert queryset.exists() is bool(expected)
    totals = queryset.aggregate(n=Count("*"), total=Sum("b"), top=Max("s"))
    texts = [item.s for item in expected if item.s is not None]
    assert totals == {
        "n": len(expected),
        "total": sum(item.b for item in expected) if expected else None,
        "top": max(texts, default=None),
    }


orders = st.lists(st.tuples(st.sampled_from(tuple(FIELDS)), st.booleans(), st.booleans()), max_size=3)


@modest
@given(rows, orders, st.integers(0, 4), st.none() | st.integers(0, 6), st.booleans())
def test_order_and_slices(store, data, keys, start, stop, backwards):
    items, _ = store(data)
    expressions = []
    expected = sorted(items, key=lambda item: item.pk)
    for name, descending, first in reversed(keys):
        present = [item for item in expected if value_of(item, name) is not None]
        absent = [item for item in expected if value_of(item, name) is None]
        present.sort(key=lambda item, name=name: value_of(item, name), reverse=descending)
        if descending:  # a reversed stable sort keeps equal ones in order
            present.sort(key=lambda item, name=name: value_of(item, name), reverse=True)
        expected = absent + present if first else present + absent
    for name, descending, first in keys:
        place = {"nulls_first": True} if first else {"nulls_last": True}
        expressions.append(F(name).desc(**place) if descending else F(name).asc(**place))
    queryset = Item.objects.order_by(*expressions, "pk")
    if backwards:
        queryset, expected = queryset.reverse(), expected[::-1]
    assert [item.pk for item in queryset] == [item.pk for item in expected]
    queryset = queryset.all()
    assert [item.pk for item in queryset[start:stop]] == [item.pk for item in expected[start:stop]]
    assert queryset[start:stop].count() == len(expected[start:stop])
    assert list(queryset.values_list("pk", flat=True)[start:stop]) == [item.pk for item in expected[start:stop]]
    assert (queryset.first() or None) == (expected[0] if expected else None)
    assert (queryset.last() or None) == (expected[-1] if expected else None)


@modest
@given(rows, st.lists(st.sampled_from(tuple(FIELDS)), min_size=1, max_size=3, unique=True), st.booleans())
def test_values_distinct_and_groups(store, data, names, distinct):
    items, _ = store(data)
    found = Item.objects.values_list(*names)
    expected = [tuple(value_of(item, name) for name in names) for item in items]
    if distinct:
        found, expected = found.distinct(), list(set(expected))
    assert Counter(found) == Counter(expected)
    assert found.count() == len(expected)
    groups = Item.objects.values(*names).annotate(n=Count("pk"), total=Sum("b"))
    sums = Counter()
    for item in items:
        sums[tuple(value_of(item, name) for name in names)] += item.b
    counted = Counter(tuple(value_of(item, name) for name in names) for item in items)
    assert {tuple(row[name] for name in names): (row["n"], row["total"]) for row in groups} == {
        key: (count, sums[key]) for key, count in counted.items()
    }
    assert groups.count() == len(counted)


own = leaves(prefix="items__", fields=("a", "b", "s"))
calls = st.lists(st.lists(own, min_size=1, max_size=2, unique_by=lambda leaf: leaf[1:3]), min_size=1, max_size=2)


@modest
@given(rows, calls)
def test_filters_over_many_related_rows(store, data, calls):
    """Each call speaks of one related row, or of none where only its absence can make it true."""
    items, shelves = store(data)
    queryset = Shelf.objects.all()
    expected = Counter({shelf.pk: 1 for shelf in shelves})
    for call in calls:
        queryset = queryset.filter(*[q_of(leaf) for leaf in call])
        for shelf in shelves:
            related = [item for item in items if item.shelf_id == shelf.pk] or [None]
            matching = [
                each
                for each in related
                if all(
                    holds(leaf, lambda name, each=each: getattr(each, name.removeprefix("items__"), None))
                    for leaf in call
                )
            ]
            expected[shelf.pk] *= len(matching)
    assert Counter(shelf.pk for shelf in queryset) == +expected


@modest
@given(rows, own)
def test_exclude_over_many_related_rows_is_what_filter_leaves(store, data, leaf):
    _, shelves = store(data)
    kept = {shelf.pk for shelf in Shelf.objects.filter(q_of(leaf))}
    left = [shelf.pk for shelf in Shelf.objects.exclude(q_of(leaf))]
    assert sorted(left) == sorted({shelf.pk for shelf in shelves} - kept)


@modest
@given(rows, trees(leaves()), trees(leaves()))
def test_combinations(store, data, one, other):
    items, _ = store(data)
    first, second = Item.objects.filter(q_of(one)), Item.objects.filter(q_of(other))
    a = {item.pk for item in items if holds(one, lambda name, item=item: value_of(item, name))}
    b = {item.pk for item in items if holds(other, lambda name, item=item: value_of(item, name))}
    for queryset, expected in (
        (first & second, a & b),
        (first | second, a | b),
        (first ^ second, a ^ b),
        (first.union(second), a | b),
        (first.intersection(second), a & b),
        (first.difference(second), a - b),
        (Item.objects.filter(pk__in=first).exclude(pk__in=second.values("pk")), a - b),
    ):
        assert sorted(item.pk for item in queryset) == sorted(expected)


@modest
@given(rows, trees(leaves()), numbers)
def test_update_and_delete(store, data, tree, number):
    items, _ = store(data)
    matching = {item.pk for item in items if holds(tree, lambda name, item=item: value_of(item, name))}
    assert Item.objects.filter(q_of(tree)).update(b=F("b") + number) == len(matching)
    assert {item.pk: item.b for item in Item.objects.all()} == {
        item.pk: item.b + (number if item.pk in matching else 0) for item in items
    }
    store(data)
    items = list(Item.objects.select_related("shelf"))
    for item in items:
        item.shelf_name = item.shelf.name if item.shelf else None
    matching = {item.pk for item in items if holds(tree, lambda name, item=item: value_of(item, name))}
    assert Item.objects.filter(q_of(tree)).delete()[0] == len(matching)
    assert {item.pk for item in Item.objects.all()} == {item.pk for item in items} - matching


@modest
@given(rows)
def test_counting_related_rows(store, data):
    items, shelves = store(data)
    found = {
        shelf.pk: (shelf.n, shelf.total) for shelf in Shelf.objects.annotate(n=Count("items"), total=Sum("items__b"))
    }
    related = {shelf.pk: [item.b for item in items if item.shelf_id == shelf.pk] for shelf in shelves}
    assert found == {pk: (len(numbers), sum(numbers) if numbers else None) for pk, numbers in related.items()}

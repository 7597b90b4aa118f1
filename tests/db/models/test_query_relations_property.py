"""Random questions across relations, asked of the database and of plain Python lists."""

from __future__ import annotations

import operator
from collections import Counter
from functools import reduce
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webframe.db import models
from webframe.db.models import Count, F, Q

from ..registries import models_of_a_test

registry = models_of_a_test("graph")


class Node(models.Model):
    name = models.CharField(max_length=10, null=True)
    number = models.IntegerField(null=True)

    class Meta:
        app_label = "graph"
        apps = registry
        abstract = True


class Country(Node):
    pass


class Author(Node):
    country = models.ForeignKey(Country, models.CASCADE, null=True, related_name="authors")
    mentor = models.ForeignKey("self", models.SET_NULL, null=True, related_name="students")


class Tag(Node):
    pass


class Book(Node):
    author = models.ForeignKey(Author, models.CASCADE, null=True, related_name="books")
    tags = models.ManyToManyField(Tag, related_name="books")


class Review(Node):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    by = models.ForeignKey(Author, models.CASCADE, null=True, related_name="reviews")


MODELS = {model.__name__: model for model in (Country, Author, Tag, Book, Review)}
# Where each relation leads, and whether to many.
RELATIONS = {
    "Country": {"authors": ("Author", True)},
    "Author": {
        "country": ("Country", False),
        "mentor": ("Author", False),
        "students": ("Author", True),
        "books": ("Book", True),
        "reviews": ("Review", True),
    },
    "Tag": {"books": ("Book", True)},
    "Book": {"author": ("Author", False), "tags": ("Tag", True), "reviews": ("Review", True)},
    "Review": {"book": ("Book", False), "by": ("Author", False)},
}

modest = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# --- rows -------------------------------------------------------------------------------------------------------------

numbers, words = st.none() | st.integers(0, 2), st.none() | st.sampled_from("ab")
# A place among the rows of another table, taken modulo their number; none where there are none.
places = st.none() | st.integers(0, 5)


def rows_of(*columns):
    return st.lists(st.tuples(words, numbers, *columns), max_size=4)


graphs = st.fixed_dictionaries(
    {
        "Country": rows_of(),
        "Author": rows_of(places, places),
        "Tag": rows_of(),
        "Book": rows_of(places, st.lists(st.integers(0, 5), max_size=3)),
        "Review": rows_of(places, places),
    }
)


def one_of(objects, place):
    return None if place is None or not objects else objects[place % len(objects)]


def plain(graph):
    """The rows as plain objects, which know each other in both directions."""
    made = {
        name: [
            SimpleNamespace(model=name, pk=pk, name=row[0], number=row[1], **{each: [] for each in many_of(name)})
            for pk, row in enumerate(rows, 1)
        ]
        for name, rows in graph.items()
    }
    authors, books = made["Author"], made["Book"]
    for author, row in zip(authors, graph["Author"], strict=True):
        point(author, "country", one_of(made["Country"], row[2]), "authors")
        point(author, "mentor", one_of(authors, row[3]), "students")
    for book, row in zip(books, graph["Book"], strict=True):
        point(book, "author", one_of(authors, row[2]), "books")
        for place in dict.fromkeys(place % len(made["Tag"]) for place in row[3] if made["Tag"]):
            book.tags.append(made["Tag"][place])
            made["Tag"][place].books.append(book)
    for review, row in zip(list(made["Review"]), graph["Review"], strict=True):
        if not books:
            made["Review"].remove(review)
            continue
        point(review, "book", one_of(books, row[2] or 0), "reviews")
        point(review, "by", one_of(authors, row[3]), "reviews")
    return made


def many_of(name):
    return [each for each, (_, many) in RELATIONS[name].items() if many]


def point(one, name, other, back):
    setattr(one, name, other)
    if other is not None:
        getattr(other, back).append(one)


def stored(made):
    """Put the rows into the tables."""
    through = Book._meta.get_field("tags").remote_field.through
    Author.objects.update(mentor=None)  # MariaDB looks at each row as it goes
    for model in (through, Review, Book, Tag, Author, Country):
        model._base_manager.all()._raw_delete("default")
    for name, model in MODELS.items():
        forward = [each for each, (_, many) in RELATIONS[name].items() if not many and each != "mentor"]
        model.objects.bulk_create(
            [
                model(
                    pk=one.pk,
                    name=one.name,
                    number=one.number,
                    **{f"{each}_id": getattr(getattr(one, each), "pk", None) for each in forward},
                )
                for one in made[name]
            ]
        )
    for author in made["Author"]:
        if author.mentor is not None:
            Author.objects.filter(pk=author.pk).update(mentor=author.mentor.pk)
    through.objects.bulk_create([through(book_id=book.pk, tag_id=tag.pk) for book in made["Book"] for tag in book.tags])


@pytest.fixture
def store(engine, tables):
    tables(registry)

    def store(graph):
        made = plain(graph)
        stored(made)
        return made

    return store


# --- questions --------------------------------------------------------------------------------------------------------


@st.composite
def paths(draw, name, longest=2, many=True):
    """Names of relations, one after the other, and the model where they lead."""
    path = []
    for _ in range(draw(st.integers(0, longest))):
        choices = [each for each, (_, to_many) in RELATIONS[name].items() if many or not to_many]
        if not choices:
            break
        path.append(draw(st.sampled_from(choices)))
        name = RELATIONS[name][path[-1]][0]
    return tuple(path)


@st.composite
def leaves(draw, name, many=True):
    """("leaf", relations, column, lookup, value)"""
    path = draw(paths(name, many=many))
    column = draw(st.sampled_from(["name", "number", "pk"]))
    lookup = draw(st.sampled_from(["exact", "exact", "isnull", "in", "gte"]))
    some = st.sampled_from("ab") if column == "name" else st.integers(0, 3)
    if lookup == "isnull":
        value = draw(st.booleans())
    elif lookup == "in":
        value = draw(st.lists(some, max_size=3))
    else:
        value = draw(some)
    return "leaf", path, column, lookup, value


def trees(leaf, connectors=("AND", "OR", "XOR")):
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(connectors), st.lists(inner, min_size=2, max_size=3)),
            st.builds(opposite, inner),
        ),
        max_leaves=4,
    )


def opposite(tree):
    """NOT, where two of them are none, as for Q."""
    return tree[1] if tree[0] == "NOT" else ("NOT", tree)


@st.composite
def questions(draw, many=True):
    """The name of a model, and calls of filter and exclude."""
    name = draw(st.sampled_from(list(MODELS)))
    call = st.tuples(st.sampled_from(["filter", "filter", "exclude"]), trees(leaves(name, many)))
    return name, draw(st.lists(call, min_size=1, max_size=2))


def q_of(tree):
    if tree[0] == "leaf":
        _, path, column, lookup, value = tree
        return Q(**{"__".join([*path, column, *([] if lookup == "exact" else [lookup])]): value})
    if tree[0] == "NOT":
        return ~q_of(tree[1])
    join = {"AND": operator.and_, "OR": operator.or_, "XOR": operator.xor}[tree[0]]
    return reduce(join, [q_of(child) for child in tree[1]])


# --- answers from lists -----------------------------------------------------------------------------------------------


def is_many(name, path):
    for each in path:
        name, many = RELATIONS[name][each]
        if many:
            return True
    return False


def joined(one, joins, path=()):
    """Each combination of related objects along these joins, as a mapping from paths; None where there is none."""
    combinations = [{path: one}]
    for step in sorted({join[len(path)] for join in joins if len(join) > len(path)}):
        below = [join for join in joins if len(join) > len(path) and join[len(path)] == step]
        found = getattr(one, step) if one is not None else None
        related = (found or [None]) if isinstance(found, list) else [found]
        ends = [each for other in related for each in joined(other, below, (*path, step))]
        combinations = [{**left, **right} for left in combinations for right in ends]
    return combinations


def joins_of(tree, name, below_not=False):
    """The paths that a condition joins: not those under NOT that lead to many, which are asked about one by one."""
    if tree[0] == "leaf":
        return set() if below_not and is_many(name, tree[1]) else {tree[1]}
    if tree[0] == "NOT":
        return joins_of(tree[1], name, True)
    return set().union(*(joins_of(child, name, below_not) for child in tree[1]))


def holds(tree, one, bound, below_not=False):
    if tree[0] == "leaf":
        path = tree[1]
        if below_not and is_many(one.model, path):
            return any(leaf_holds(tree, each[path]) for each in joined(one, [path]))
        return leaf_holds(tree, bound[path])
    if tree[0] == "NOT":
        return not holds(tree[1], one, bound, True)
    results = [holds(child, one, bound, below_not) for child in tree[1]]
    return {"AND": all, "OR": any, "XOR": lambda each: sum(each) % 2 == 1}[tree[0]](results)


def leaf_holds(tree, found):
    _, _, column, lookup, wanted = tree
    value = None if found is None else getattr(found, column)
    if lookup == "isnull":
        return (value is None) is wanted
    if value is None:
        return False
    return {"exact": operator.eq, "in": lambda a, b: a in b, "gte": operator.ge}[lookup](value, wanted)


def answer(made, question):
    """How often each object is among the rows."""
    name, calls = question
    counts = {}
    for one in made[name]:
        counts[one.pk] = 1
        for method, tree in calls:
            if method == "exclude":
                tree = ("NOT", tree)
            combinations = joined(one, joins_of(tree, name))
            counts[one.pk] *= sum(holds(tree, one, bound) for bound in combinations)
    return +Counter(counts)


def asked(question):
    name, calls = question
    queryset = MODELS[name].objects.all()
    for method, tree in calls:
        queryset = getattr(queryset, method)(q_of(tree))
    return queryset


# --- tests ------------------------------------------------------------------------------------------------------------


@modest
@given(graphs, st.lists(questions(), min_size=3, max_size=3))
def test_filter_and_exclude_across_relations(store, graph, several):
    made = store(graph)
    for question in several:
        queryset, expected = asked(question), answer(made, question)
        assert Counter(one.pk for one in queryset) == expected
        assert queryset.count() == expected.total()
        assert queryset.exists() is bool(expected)
        assert sorted(one.pk for one in queryset.distinct()) == sorted(expected)
        assert queryset.distinct().count() == len(expected)
        inner = MODELS[question[0]].objects.filter(pk__in=queryset)
        assert sorted(inner.values_list("pk", flat=True)) == sorted(expected)
        assert queryset.aggregate(n=Count("pk", distinct=True), m=Count("pk")) == {
            "n": len(expected),
            "m": expected.total(),
        }


@modest
@given(graphs, questions(), st.data(), st.integers(0, 3), st.none() | st.integers(0, 6))
def test_order_and_values_across_relations(store, graph, question, data, start, stop):
    made = store(graph)
    name, by_pk = question[0], {one.pk: one for one in made[question[0]]}
    path, other = (data.draw(paths(name, longest=3, many=False)) for _ in range(2))
    first, descending = data.draw(st.booleans()), data.draw(st.booleans())
    place = {"nulls_first": True} if first else {"nulls_last": True}
    key = F("__".join([*path, "number"]))
    queryset = asked(question).order_by(key.desc(**place) if descending else key.asc(**place), "pk")
    expected = [by_pk[pk] for pk in sorted(answer(made, question).elements())]

    def value(one, path, column):
        for each in path:
            one = getattr(one, each) if one is not None else None
        return getattr(one, column, None)

    present = [one for one in expected if value(one, path, "number") is not None]
    absent = [one for one in expected if value(one, path, "number") is None]
    present.sort(key=lambda one: -value(one, path, "number") if descending else value(one, path, "number"))
    expected = absent + present if first else present + absent
    assert [one.pk for one in queryset] == [one.pk for one in expected]
    assert [one.pk for one in queryset.all()[start:stop]] == [one.pk for one in expected[start:stop]]
    assert queryset.all()[start:stop].count() == len(expected[start:stop])
    names = ["__".join([*path, "name"]), "__".join([*other, "number"]), "__".join([*other, "pk"])]
    rows = [(value(one, path, "name"), value(one, other, "number"), value(one, other, "pk")) for one in expected]
    assert list(queryset.values_list(*names)) == rows
    assert list(queryset.values_list(*names)[start:stop]) == rows[start:stop]
    if other:
        loaded = list(queryset.select_related("__".join(other)))
        assert [value(one, other, "pk") for one in loaded] == [value(one, other, "pk") for one in expected]
    few = asked(question).distinct().order_by("-pk")[start:stop]
    wanted = sorted(answer(made, question), reverse=True)[start:stop]
    assert [one.pk for one in few] == wanted
    assert [one.pk for one in few.prefetch_related(*RELATIONS[name])] == wanted


@modest
@given(graphs, st.data())
def test_values_and_prefetching_of_many_related_rows(store, graph, data):
    made = store(graph)
    name = data.draw(st.sampled_from(list(MODELS)))
    path = data.draw(paths(name, longest=3))
    found = MODELS[name].objects.values_list("pk", "__".join([*path, "name"]))
    expected = [(one.pk, getattr(bound[path], "name", None)) for one in made[name] for bound in joined(one, [path])]
    assert Counter(found) == Counter(expected)
    assert Counter(found.distinct()) == Counter(set(expected))
    assert found.count() == len(expected)
    if not path:
        return

    def related(one, path, of):
        if not path:
            return [one.pk]
        to = of(one, path[0])
        return sorted(pk for other in to if other is not None for pk in related(other, path[1:], of))

    def of_instance(one, step):
        value = getattr(one, step)
        return value.all() if hasattr(value, "all") else [value]

    def of_plain(one, step):
        value = getattr(one, step)
        return value if isinstance(value, list) else [value]

    loaded = MODELS[name].objects.prefetch_related("__".join(path)).in_bulk()
    assert {pk: related(one, path, of_instance) for pk, one in loaded.items()} == {
        one.pk: related(one, path, of_plain) for one in made[name]
    }


@modest
@given(graphs, questions(many=False), st.data(), st.integers(0, 2))
def test_counting_across_relations(store, graph, question, data, least):
    made = store(graph)
    name = question[0]
    one_path, other = (data.draw(paths(name, longest=2)) for _ in range(2))
    condition = data.draw(trees(leaves(name, many=False)))
    wanted = {pk: next(one for one in made[name] if one.pk == pk) for pk in answer(made, question)}

    def keys(one, path):
        return [bound[path].pk for bound in joined(one, [path]) if bound[path] is not None]

    queryset = asked(question).annotate(
        n=Count("__".join([*one_path, "pk"]), distinct=True), m=Count("__".join([*other, "pk"]), distinct=True)
    )
    expected = {pk: (len(set(keys(one, one_path))), len(set(keys(one, other)))) for pk, one in wanted.items()}
    assert {one.pk: (one.n, one.m) for one in queryset} == expected
    assert queryset.count() == len(expected)
    assert {one.pk for one in queryset.filter(n__gte=least)} == {pk for pk, (n, _) in expected.items() if n >= least}
    assert {one.pk for one in queryset.exclude(n__gte=least)} == {pk for pk, (n, _) in expected.items() if n < least}
    assert [one.pk for one in queryset.order_by("-n", "m", "pk")] == sorted(
        expected, key=lambda pk: (-expected[pk][0], expected[pk][1], pk)
    )
    totals = asked(question).annotate(n=Count("__".join([*one_path, "pk"])))
    assert {one.pk: one.n for one in totals} == {pk: len(keys(one, one_path)) for pk, one in wanted.items()}
    some = asked(question).annotate(n=Count("__".join([*one_path, "pk"]), filter=q_of(condition)))
    assert {one.pk: one.n for one in some} == {
        pk: len(keys(one, one_path)) if holds(condition, one, joined(one, joins_of(condition, name))[0]) else 0
        for pk, one in wanted.items()
    }


@modest
@given(graphs, st.data())
def test_combinations_across_relations(store, graph, data):
    made = store(graph)
    name = data.draw(st.sampled_from(list(MODELS)))
    one, other = ((name, [("filter", data.draw(trees(leaves(name))))]) for _ in range(2))
    a, b = set(answer(made, one)), set(answer(made, other))
    first, second = asked(one), asked(other)
    assert {each.pk for each in first | second} == a | b
    assert {each.pk for each in first.union(second)} == a | b
    assert {each.pk for each in first.intersection(second)} == a & b
    assert {each.pk for each in first.difference(second)} == a - b
    assert {each.pk for each in first.filter(pk__in=second)} == a & b
    assert {each.pk for each in first.exclude(pk__in=second.values("pk"))} == a - b


@modest
@given(graphs, questions(), st.booleans())
def test_update_and_delete_across_relations(store, graph, question, deleting):
    made = store(graph)
    name, matching = question[0], set(answer(made, question))
    model = MODELS[name]
    if not deleting:
        assert asked(question).update(number=F("number") + 10) == len(matching)
        assert dict(model.objects.values_list("pk", "number")) == {
            one.pk: one.number if one.number is None or one.pk not in matching else one.number + 10
            for one in made[name]
        }
        return
    gone = {"Country": set(), "Author": set(), "Tag": set(), "Book": set(), "Review": set()}
    gone[name] |= matching
    gone["Author"] |= {one.pk for one in made["Author"] if one.country and one.country.pk in gone["Country"]}
    gone["Book"] |= {one.pk for one in made["Book"] if one.author and one.author.pk in gone["Author"]}
    gone["Review"] |= {
        one.pk for one in made["Review"] if one.book.pk in gone["Book"] or (one.by and one.by.pk in gone["Author"])
    }
    pairs = [(book.pk, tag.pk) for book in made["Book"] for tag in book.tags]
    lost = [pair for pair in pairs if pair[0] in gone["Book"] or pair[1] in gone["Tag"]]
    number, by_label = asked(question).delete()
    assert number == sum(by_label.values()) == sum(map(len, gone.values())) + len(lost)
    for each, model in MODELS.items():
        assert {one.pk for one in model.objects.all()} == {one.pk for one in made[each]} - gone[each]
        assert by_label.get(f"graph.{each}", 0) == len(gone[each])
    assert sorted(Book.objects.exclude(tags=None).values_list("pk", "tags")) == sorted(set(pairs) - set(lost))
    for author in Author.objects.exclude(mentor=None):
        assert author.mentor_id not in gone["Author"]

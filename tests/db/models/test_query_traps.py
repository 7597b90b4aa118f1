"""Questions that a slip would answer silently with other rows, or with none, and writes that would lose values."""

from __future__ import annotations

import datetime
import math

import pytest

from webframe.core.exceptions import FieldError, ValidationError
from webframe.db import connection, models
from webframe.db.models import Case, Count, Exists, F, OuterRef, Q, Sum, Value, When
from webframe.db.models.functions import LPad
from webframe.db.models.signals import post_save, pre_save


def keys(queryset):
    return sorted(queryset.values_list("pk", flat=True))


# -- proxies


@pytest.fixture
def note(define, create_tables):
    """A model and its proxy."""
    Note = define("Note", text=models.CharField(max_length=5), changed=models.DateTimeField(auto_now=True))
    Short = define("Short", Note, Meta={"proxy": True})
    create_tables()
    return Note, Short


def test_many_instances_of_a_proxy_are_written_with_their_values(note):
    Note, Short = note
    made = Short.objects.bulk_create([Short(text="x"), Short(text="y"), Short(pk=70, text="z")])
    assert sorted(Note.objects.values_list("text", flat=True)) == ["x", "y", "z"]
    assert Note.objects.get(pk=70).text == "z"
    assert {type(each) for each in Short.objects.all()} == {Short}
    assert all(each.pk is not None for each in made)


def test_a_conflict_of_a_proxy_changes_what_changes_by_itself(note):
    if not connection.features.supports_update_conflicts:
        pytest.skip("this database updates no conflicts")
    Note, Short = note
    Note.objects.bulk_create([Note(pk=1, text="old")])
    before = Note.objects.get().changed
    unique = ["id"] if connection.features.supports_update_conflicts_with_target else None
    Short.objects.bulk_create(
        [Short(pk=1, text="new")], update_conflicts=True, update_fields=["text"], unique_fields=unique
    )
    assert (Note.objects.get().text, Note.objects.get().changed > before) == ("new", True)


# -- relations that refer to another field than the key


@pytest.fixture
def coded(define, create_tables):
    """Users whose codes are other users' keys; records and groups that refer to the codes."""
    User = define("User", code=models.IntegerField(unique=True))
    Record = define("Record", user=models.ForeignKey(User, models.CASCADE, to_field="code", related_name="records"))
    Line = define("Line", record=models.ForeignKey(Record, models.CASCADE, related_name="lines"))
    create_tables()
    for pk, code in ((1, 2), (2, 1), (3, 3)):
        User.objects.create(pk=pk, code=code)
    for pk, code in ((1, 2), (2, 1), (3, 3)):
        Record.objects.create(pk=pk, user_id=code)
        Line.objects.create(pk=pk, record_id=pk)
    return User, Record, Line


def test_a_queryset_of_related_objects_stands_for_what_the_relation_refers_to(coded):
    User, Record, Line = coded
    users = User.objects.filter(code=2)
    assert keys(Record.objects.filter(user__in=users)) == keys(Record.objects.filter(user__in=list(users))) == [1]
    assert keys(Record.objects.exclude(user__in=users)) == [2, 3]
    assert keys(Record.objects.filter(Q(user__in=users) | Q(pk=3))) == [1, 3]
    assert keys(Record.objects.filter(user=User.objects.filter(code=2)[:1])) == [1]
    assert keys(Line.objects.filter(record__user__in=users)) == [1]
    assert keys(Record.objects.filter(user__in=User.objects.filter(code=2) | User.objects.filter(code=3))) == [1, 3]
    assert keys(User.objects.filter(records__in=Record.objects.filter(pk=1))) == [1]
    Record.objects.filter(user__in=users).delete()
    assert keys(Record.objects) == [2, 3]


def test_slices_and_unions_of_related_objects_too(coded):
    User, Record, _ = coded
    two, three = User.objects.filter(code=2), User.objects.filter(code=3)
    assert keys(Record.objects.filter(user__in=two.union(three))) == [1, 3]
    if connection.vendor != "mysql":
        assert keys(Record.objects.filter(user__in=User.objects.order_by("pk")[:1])) == [1]
    assert keys(Record.objects.filter(user__in=two.values("pk"))) == [2]  # what is named is taken


def test_a_queryset_of_another_model_is_refused(coded):
    User, Record, Line = coded
    with pytest.raises(ValueError, match='Cannot use QuerySet for "Line": Use a QuerySet for "User".'):
        Record.objects.filter(user__in=Line.objects.all())
    assert keys(Record.objects.filter(user__in=Line.objects.values("pk"))) == [1, 2, 3]


# -- strings in conditional expressions


@pytest.fixture
def person(define, create_tables):
    Person = define(
        "Person", name=models.CharField(max_length=20), nick=models.CharField(max_length=20), n=models.IntegerField()
    )
    create_tables()
    Person.objects.create(name="Ann", nick="A", n=1)
    Person.objects.create(name="Bob", nick="B", n=2)
    return Person


def test_a_string_as_the_result_of_a_case_is_the_name_of_a_field(person):
    case = Case(When(n=1, then="name"), default="nick")
    assert list(person.objects.annotate(x=case).order_by("n").values_list("x", flat=True)) == ["Ann", "B"]
    assert person.objects.aggregate(s=Sum(Case(When(n__gt=1, then="n"), default=0))) == {"s": 2}
    person.objects.update(name=Case(When(n=1, then="nick"), default=Value("?")))
    assert list(person.objects.order_by("n").values_list("name", flat=True)) == ["A", "?"]
    padded = person.objects.annotate(x=LPad("name", 3, "nick")).order_by("n").values_list("x", flat=True)
    assert list(padded) == ["AAA", "BB?"]


def test_what_alias_names_is_no_part_of_the_rows(person):
    doubled = person.objects.alias(x=F("n") * 2)
    assert doubled.filter(x=4).get().name == "Bob"
    for select in (doubled.values, doubled.values_list):
        with pytest.raises(FieldError, match="Cannot select the 'x' alias"):
            select("x")
    assert list(doubled.annotate(y=F("x")).order_by("x").values_list("y", flat=True)) == [2, 4]
    assert list(doubled.annotate(x=F("x")).order_by("x").values_list("x", flat=True)) == [2, 4]


def test_a_string_that_names_no_field_is_refused(person):
    with pytest.raises(FieldError, match="nope"):
        list(person.objects.annotate(x=Case(When(n=1, then="nope"))))


# -- conditions that say nothing


def test_an_empty_condition_keeps_every_row_wherever_it_stands(person):
    everybody = keys(person.objects)
    first = keys(person.objects.filter(n=1))
    for empty in (Q(), ~Q(), Q(Q()), ~Q(Q()), Q(~Q(), Q())):
        assert keys(person.objects.filter(empty)) == everybody
        assert keys(person.objects.exclude(empty)) == everybody
        assert keys(person.objects.filter(empty | Q(n=1))) == first
        assert keys(person.objects.filter(empty & Q(n=1))) == first
        assert keys(person.objects.filter(Q(empty, Q(n=1), _connector=Q.OR))) == first
        assert keys(person.objects.filter(Q(empty, Q(n=1), _connector=Q.XOR))) == first
        assert keys(person.objects.exclude(Q(empty, Q(n=1)))) == [key for key in everybody if key not in first]


# -- querysets as values


def test_a_comparison_with_many_rows_is_refused(person):
    for many in (person.objects.values("n"), person.objects.values("n")[:2], person.objects.values("n")[1:]):
        with pytest.raises(ValueError, match="must be limited to one result"):
            person.objects.filter(n=many)
    assert person.objects.filter(n=person.objects.order_by("-n").values("n")[:1]).get().name == "Bob"
    assert person.objects.filter(n__in=person.objects.values("n")).count() == 2


def test_a_manager_deletes_nothing(person):
    with pytest.raises(AttributeError):
        person.objects.delete()
    assert not hasattr(person.objects, "adelete")
    assert person.objects.all().delete() == (2, {person._meta.label: 2})


# -- long lists


def test_a_list_may_be_longer_than_a_statement_has_parameters(person):
    if connection.vendor == "sqlite":
        lengths = [20_000, 30_000]  # less than any SQLite is built for
    else:
        lengths = [32_769, 70_000]
    for length in lengths:
        among = list(range(2, length + 2))
        assert person.objects.filter(n__in=among).get().name == "Bob"
        assert list(person.objects.filter(n__in=among).iterator()) == [person.objects.get(n=2)]
        assert person.objects.exclude(n__in=among).get().name == "Ann"
    pks = [*person.objects.values_list("pk", flat=True), *range(10**6, 10**6 + 40_000)]
    assert len(person.objects.in_bulk(pks)) == 2


async def test_a_list_may_be_as_long_in_async_code(person):
    among = list(range(2, 30_000 if connection.vendor == "sqlite" else 70_000))
    assert (await person.objects.filter(n__in=among).aget()).name == "Bob"
    assert [each.name async for each in person.objects.filter(n__in=among).aiterator()] == ["Bob"]


# -- documents


@pytest.fixture
def document(define, create_tables):
    Document = define("Document", data=models.JSONField(null=True))
    create_tables()
    return Document


def test_groups_and_distinct_rows_by_keys_of_documents(document):
    for data in ({"a": 1}, {"a": 1}, {"a": 2}):
        document.objects.create(data=data)
    groups = document.objects.values("data__a").annotate(count=Count("pk")).order_by("count")
    assert [(row["data__a"], row["count"]) for row in groups] == [(2, 1), (1, 2)]
    assert sorted(document.objects.values_list("data__a", flat=True).distinct().order_by("data__a")) == [1, 2]
    assert len(document.objects.distinct().order_by("data__a").values_list("pk", flat=True)) == 3


@pytest.mark.parametrize(
    "key", ["it's", "a\\b", 'say "so"', "100%", "%s", "a:b", "$1", "{x}", "ä", "--", "'; SELECT 1"]
)
def test_keys_of_documents_are_nothing_but_keys(document, key):
    if connection.vendor == "mysql" and key.startswith("-"):
        pytest.skip("MariaDB finds no such key")
    document.objects.create(data={key: 1, "other": 2})
    document.objects.create(data={"other": 1})
    assert document.objects.filter(**{f"data__{key}": 1}).count() == 1
    assert document.objects.filter(**{f"data__{key}": 2}).count() == 0
    assert document.objects.annotate(x=F(f"data__{key}")).filter(x=1).count() == 1


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_say_is_refused_before_it_is_written(document, number):
    bad = document(data={"a": [number]})
    with pytest.raises(ValidationError):
        bad.full_clean()
    with pytest.raises(ValueError, match="JSON"):
        bad.save()
    assert document.objects.count() == 0


# -- update_or_create


def test_a_row_that_is_found_is_saved_though_nothing_is_given(note):
    Note, _ = note
    Note.objects.create(text="x")
    before = Note.objects.get().changed
    sent = []

    def hear(sender, signal, update_fields, created=None, **kwargs):
        sent.append((signal is post_save, created, update_fields))

    for signal in (pre_save, post_save):
        signal.connect(hear, sender=Note)
    try:
        Note.objects.update_or_create(text="x")
        Note.objects.update_or_create(text="x", defaults={}, create_defaults={"text": "y"})
    finally:
        for signal in (pre_save, post_save):
            signal.disconnect(hear, sender=Note)
    assert sent == [(False, None, frozenset({"changed"})), (True, False, frozenset({"changed"}))] * 2
    assert Note.objects.get().changed > before


def test_a_moment_that_a_receiver_sets_beside_the_defaults_is_saved(define, create_tables):
    Visit = define("Visit", text=models.CharField(max_length=5), day=models.DateField(null=True))
    create_tables()
    visit = Visit.objects.create(text="x")
    told = []

    def touch(sender, instance, update_fields, **kwargs):
        told.append(update_fields)
        instance.day = datetime.date(2024, 1, 1)

    with pre_save.connected_to(touch, sender=Visit):
        Visit.objects.update_or_create(pk=visit.pk, defaults={"text": "y"})
    assert told == [frozenset({"text", "day"})]
    visit.refresh_from_db()
    assert (visit.text, visit.day) == ("y", datetime.date(2024, 1, 1))


# -- what is computed with parameters


def test_what_is_computed_with_values_orders_distinct_rows_and_groups(person):
    person.objects.create(name="Cid", nick="B", n=2)
    key = Case(When(n=1, then=Value("x")), default=Value("y"))
    ranked = Case(When(k="x", then=Value(1)), default=Value(0))
    count = Count("pk")
    assert list(person.objects.order_by((F("n") * -2).asc()).distinct().values_list("n", flat=True)) == [2, 1]
    assert list(person.objects.annotate(x=F("n") * -2).distinct().order_by("x").values_list("n", flat=True)) == [2, 1]
    assert [each.name for each in person.objects.order_by(-F("n"), "name").distinct()] == ["Bob", "Cid", "Ann"]
    groups = person.objects.annotate(k=key).values("k").annotate(c=count)
    assert list(groups.order_by(ranked).values_list("k", "c")) == [("y", 2), ("x", 1)]
    assert list(groups.order_by(ranked.desc())) == [{"k": "x", "c": 1}, {"k": "y", "c": 2}]
    assert list(groups.order_by(ranked)[:1]) == [{"k": "y", "c": 2}]
    assert groups.order_by(ranked).count() == 2
    instances = person.objects.annotate(c=count).order_by(Case(When(name="Bob", then=Value(0)), default=Value(1)), "n")
    assert [(each.name, each.c) for each in instances] == [("Bob", 1), ("Ann", 1), ("Cid", 1)]
    inner = person.objects.order_by(F("n") * -2).distinct().values("n")[:1]
    if connection.vendor != "mysql":
        assert person.objects.filter(n__in=inner).count() == 2


def test_distinct_rows_are_ordered_by_an_annotation_that_they_have(person):
    person.objects.create(name="Cid", nick="B", n=2)
    less = person.objects.annotate(x=F("n") * -2, even=Exists(person.objects.filter(pk=OuterRef("pk"), n=2)))
    assert list(less.order_by("x").values_list("n", "x").distinct()) == [(2, -4), (1, -2)]
    assert list(less.order_by(F("x").desc(nulls_last=True), "n").values_list("x", flat=True).distinct()) == [-2, -4]
    assert list(less.order_by(F("x") + 1, "-x").values_list("x", flat=True).distinct()) == [-4, -2]
    assert [each.name for each in less.order_by("-even", "x", "name").distinct()] == ["Bob", "Cid", "Ann"]
    groups = less.order_by("x").values("n").annotate(c=Count("pk"))
    assert list(groups) == [{"n": 2, "c": 2}, {"n": 1, "c": 1}]

"""What people who know Django try first, where it once went wrong."""

from __future__ import annotations

import pytest

from webframe.core.exceptions import FieldError
from webframe.db import models
from webframe.db.models import Case, Count, F, Max, OuterRef, Value, When
from webframe.db.models.functions import Upper

from ..registries import models_of_a_test

registry = models_of_a_test("habits")


class Label(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "habits"
        apps = registry


class Book(models.Model):
    title = models.CharField(max_length=20)
    data = models.JSONField(default=dict)
    labels = models.ManyToManyField(Label, related_name="books")

    class Meta:
        app_label = "habits"
        apps = registry


@pytest.fixture(autouse=True)
def empty(engine, tables):
    tables(registry)


def test_many_to_many_rows_are_the_right_way_round_from_either_end():
    Book.objects.create(title="to shift the keys")
    label, book = Label.objects.create(name="red"), Book.objects.create(title="one")
    assert label.pk != book.pk
    label.books.add(book)
    assert list(book.labels.all()) == [label]
    made = label.books.create(title="two")
    assert list(made.labels.all()) == [label]
    assert set(label.books.all()) == {book, made}


def test_a_key_of_a_document_may_be_called_like_a_look_up():
    book = Book.objects.create(title="one", data={"in": {"gt": 3}, "exact": [5]})
    assert Book.objects.get(data__exact__0=5) == book
    assert Book.objects.get(data__in__gt__gt=2) == book
    assert not Book.objects.filter(data__in__gt__gt=3).exists()


def test_update_takes_no_value_from_rows_that_only_its_conditions_are_about():
    made, label = Book.objects.create(title="one"), Label.objects.create(name="red")
    made.labels.add(label)
    tagged = Book.objects.filter(labels__name="red")
    joined = tagged.annotate(tag=F("labels__name"))
    for refused in (
        lambda: tagged.update(title=F("labels__name")),
        lambda: tagged.update(title=Upper("labels__name")),
        lambda: joined.update(title=F("tag")),
        lambda: tagged.update(title=Case(When(labels__name="red", then=Value("two")), default=F("title"))),
        lambda: tagged.update(title=Label.objects.filter(name=OuterRef("labels__name")).values("name")[:1]),
    ):
        with pytest.raises(FieldError, match="Joined field references"):
            refused()
    with pytest.raises(FieldError, match="[Aa]ggregate"):
        tagged.annotate(n=Count("labels")).update(title=F("n"))
    with pytest.raises(FieldError, match="[Aa]ggregate"):
        Book.objects.update(title=Max("title"))
    assert tagged.update(title=Label.objects.filter(books=OuterRef("pk")).values("name")[:1]) == 1
    assert Book.objects.get().title == "red"

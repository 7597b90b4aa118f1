"""Plans and hydration: one plan for each shape, and instances made as their class wants to be made."""

from __future__ import annotations

import threading

import pytest

from webframe.db import connection, connections, models
from webframe.db.models import F, Q
from webframe.db.models.compiler.plans import Plan
from webframe.db.models.signals import post_init, pre_init

from .library import Author, Book, Tag

pytestmark = pytest.mark.usefixtures("library")


def plans_made(monkeypatch):
    """A list that grows with each plan that is compiled."""
    made = []
    original = Plan.__init__

    def counting(self, sql, *rest, **named):
        made.append(sql)
        original(self, sql, *rest, **named)

    monkeypatch.setattr(Plan, "__init__", counting)
    return made


def test_values_do_not_make_plans(monkeypatch):
    list(Book.objects.filter(title="One", rating__gt=0).order_by("title")[:3])
    Book.objects.get(title="One")
    made = plans_made(monkeypatch)
    for number in range(5):
        list(Book.objects.filter(title=f"x{number}", rating__gt=number).order_by("title")[: number + 1])
    Book.objects.get(title="Two")
    assert made == []


def test_shapes_make_plans(monkeypatch):
    made = plans_made(monkeypatch)
    for queryset in (
        Book.objects.filter(title="new", rating=1, pk=1),
        Book.objects.filter(title="new", rating=None, pk=1),
        Book.objects.filter(Q(title="new") | Q(rating=1), pk=1),
        Book.objects.filter(title="new", rating=F("pk"), pk=1),
        Book.objects.filter(title="new", rating=1, pk=1)[:1],
        Book.objects.filter(title="new", rating=1, pk=1)[1:],
    ):
        before = len(made)
        list(queryset)
        list(queryset.all())
        assert len(made) == before + 1


def test_lists_of_all_lengths_share_a_few_plans(monkeypatch):
    made = plans_made(monkeypatch)
    for length in range(1, 130):
        list(Tag.objects.filter(pk__in=range(length), name="padded"))
    assert len(made) <= 9


def test_numbers_that_no_column_holds_match_nothing():
    assert list(Book.objects.filter(rating=2**70)) == []
    assert Book.objects.filter(rating__lt=2**70).count() == 3
    assert Book.objects.filter(rating__gt=-(2**70)).count() == 3
    assert list(Book.objects.filter(rating__in=[2**70])) == []


def test_threads_that_meet_at_a_cold_cache_get_right_answers(library):
    errors = []

    def ask(name, expected):
        try:
            for _ in range(20):
                found = Book.objects.filter(author__name=name, rating__isnull=False).order_by("title")
                assert list(found.values_list("title", flat=True)) == expected
                assert [book.title for book in found] == expected
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    connection.plans.clear()
    threads = [
        threading.Thread(target=ask, args=(name, expected))
        for name, expected in [("Ann", ["One", "Two"]), ("Bob", ["Four"])] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# --- instances ------------------------------------------------------------------------------------------------------


@pytest.fixture
def read(define):
    """Defines a model that reads the table of books, with more in its class."""

    def make(**attributes):
        return define(
            f"Read{len(define.registry.all_models['tests'])}",
            title=models.CharField(max_length=50),
            rating=models.IntegerField(null=True),
            Meta={"db_table": Book._meta.db_table, "managed": False},
            **attributes,
        )

    return make


def test_instances_know_where_they_come_from():
    book = Book.objects.get(title="One")
    assert book._state.db == "default"
    assert book._state.adding is False
    assert Book()._state.adding is True


def test_from_db_is_called_where_it_is_overridden(read):
    calls = []

    @classmethod
    def from_db(cls, db, field_names, values):
        calls.append((db, list(field_names)))
        instance = models.Model.from_db.__func__(cls, db, field_names, values)
        instance.loaded = True
        return instance

    Read = read(from_db=from_db)
    assert all(book.loaded for book in Read.objects.all())
    assert calls[0] == ("default", ["id", "title", "rating"])
    assert Read.objects.only("title").first().loaded
    assert calls[-1] == ("default", ["id", "title"])


def test_a_constructor_of_ones_own_is_called(read):
    def __init__(self, *args, **kwargs):
        models.Model.__init__(self, *args, **kwargs)
        self.made = True

    Read = read(__init__=__init__)
    assert all(book.made for book in Read.objects.all())


def test_setattr_of_ones_own_is_called(read):
    seen = []

    def __setattr__(self, name, value):
        seen.append(name)
        object.__setattr__(self, name, value)

    Read = read(__setattr__=__setattr__)
    list(Read.objects.all())
    assert "title" in seen


def test_receivers_of_the_init_signals_hear_of_each_row():
    heard = []

    def before(sender, args, kwargs, **named):
        heard.append(("pre", sender, len(args)))

    def after(sender, instance, **named):
        heard.append(("post", sender, instance._state.adding))

    list(Author.objects.all())
    with pre_init.connected_to(before, sender=Book), post_init.connected_to(after, sender=Book):
        books = list(Book.objects.select_related("author"))
    assert len(books) == 4
    assert heard == [("pre", Book, 6), ("post", Book, True)] * 4
    heard.clear()
    with post_init.connected_to(after, sender=Author):
        list(Book.objects.select_related("author"))
    assert [entry[1] for entry in heard] == [Author] * 4
    heard.clear()
    list(Book.objects.all())
    assert heard == []


def test_converters_are_called_for_columns_and_annotations(define, create_tables):
    class Loud(models.CharField):
        def from_db_value(self, value, expression, connection):
            return value and value.upper()

        def get_prep_value(self, value):
            return value and value.lower()

    Sign = define("Sign", text=Loud(max_length=20))
    create_tables()
    Sign.objects.create(text="STOP")
    assert Sign.objects.get().text == "STOP"
    assert Sign.objects.get(text="STOP").text == "STOP"
    assert Sign.objects.annotate(again=F("text")).get().again == "STOP"
    assert Sign.objects.values_list("text", flat=True).get() == "STOP"
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM tests_sign")
        assert cursor.fetchone() == ("stop",)

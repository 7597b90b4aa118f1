"""Any string as the name of a lookup, an alias, an ordering, a column ...: an error of ours, or the right answer."""

from __future__ import annotations

import string

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from webframe.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from webframe.db import errors
from webframe.db.models import Count, F, Q, Value

from .library import Author, Book

pytestmark = [pytest.mark.usefixtures("library"), pytest.mark.engines("sqlite", "postgresql", "mysql")]

PARTS = ["title", "rating", "author", "pk", "id", "name", "exact", "in", "year", "published", "books", "tags", "-", "?"]
NASTY = [
    *(
        "",
        "title'",
        'title"',
        "title;--",
        "title)",
        "title/*",
        "a b",
        "a.b",
        "%s",
        "%(x)s",
        "?",
        ":x",
        "`",
        "title\x00",
    ),
    *(
        "\n",
        "__",
        "title__",
        "__title",
        "title____exact",
        "_connector",
        "_negated",
        "self",
        "model",
        "\u00e9",
        "1",
        "$1",
    ),
    *("x" * 70, "title__exact__exact", "-", "--title", "-?", "*", "[0]", "\\", "#", "select", "from", "id) OR 1=1 --"),
    "\ud800",
]
names = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("__".join),
    st.text(max_size=12),
    st.text(string.ascii_letters + string.punctuation + " ", max_size=12),
)
modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# What may be said of a name. ValueError and TypeError: about its value, or about an alias.
EXPECTED = (FieldError, FieldDoesNotExist, ValidationError, ValueError, TypeError)


def harmless(ask):
    """Ask, and accept answers and our own errors; a DatabaseError would mean that the name got into the SQL."""
    try:
        return ask()
    except errors.NotSupportedError:
        return None
    except errors.Error as error:
        raise AssertionError(f"{error!r} came from the database") from error
    except EXPECTED:
        return None


@modest
@given(names)
@example("title__exact")
def test_lookups(library, name):
    harmless(lambda: list(Book.objects.filter(**{name: "One"})))
    harmless(lambda: list(Book.objects.exclude(**{name: "One"})))
    harmless(lambda: list(Book.objects.filter(Q((name, "One")))))
    harmless(lambda: list(Book.objects.filter(rating__gt=0, **{name: 1})))


@modest
@given(names)
def test_orderings(library, name):
    harmless(lambda: list(Book.objects.order_by(name)))
    harmless(lambda: list(Book.objects.order_by(F(name).desc())))
    harmless(lambda: list(Author.objects.annotate(n=Count("books")).order_by(name)))


@modest
@given(names)
def test_values(library, name):
    harmless(lambda: list(Book.objects.values(name)))
    harmless(lambda: list(Book.objects.values_list(name, flat=True)))
    harmless(lambda: list(Book.objects.only(name)))
    harmless(lambda: list(Book.objects.defer(name)))
    harmless(lambda: list(Book.objects.select_related(name)))
    harmless(lambda: Book.objects.in_bulk(field_name=name))
    harmless(lambda: Book.objects.filter(pk=-1).update(**{name: F(name)}))
    harmless(lambda: list(Book.objects.dates(name, "year")))
    harmless(lambda: Book.objects.latest(name))


@modest
@given(names)
def test_aliases(library, name):
    rows = harmless(lambda: list(Book.objects.annotate(**{name: Value(7)}).values_list(name, flat=True)))
    assert rows in (None, [7, 7, 7, 7])
    harmless(
        lambda: list(Book.objects.annotate(**{name: F("rating")}).filter(**{f"{name}__gt": 1}).order_by(f"-{name}"))
    )
    harmless(lambda: list(Book.objects.values("author").annotate(**{name: Count("pk")})))
    result = harmless(lambda: Book.objects.aggregate(**{name: Count("pk")}))
    assert result in (None, {name: 4})
    harmless(lambda: [getattr(book, name) for book in Book.objects.annotate(**{name: Value(7)})])
    harmless(lambda: list(Book.objects.values_list(**{})))


def test_errors_name_the_choices():
    with pytest.raises(
        FieldError, match=r"Cannot resolve keyword 'titel' into field. Did you mean title\? Choices are: "
    ):
        Book.objects.filter(titel="One")
    with pytest.raises(FieldError, match=r"Unsupported lookup 'contain'.*Did you mean contains"):
        Book.objects.filter(title__contain="One")
    with pytest.raises(FieldError, match=r"Unsupported lookup 'nix' for 'author'.*Choices are: .*name"):
        Book.objects.filter(author__nix="One")
    with pytest.raises(FieldError, match="Choices are"):
        Book.objects.order_by("nix")
    with pytest.raises(FieldError, match="Choices are"):
        Book.objects.values("nix")

"""On a running event loop a query is refused with an error that names what was called, and what to write instead."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db import connection, models, transaction
from webframe.db.models.signals import pre_save
from webframe.db.schema import create_all

from .models.library import Author, Book, Country, Tag

pytestmark = [pytest.mark.engines("sqlite"), pytest.mark.usefixtures("library")]


@pytest.fixture
def library(engine, tables):
    from .models.library import fill, registry

    tables(registry)
    return fill()


def said_by(function, *args):
    """What is said when a function is called on a running event loop."""

    async def main():
        with pytest.raises(SynchronousOnlyOperation) as caught:
            function(*args)
        return str(caught.value)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("call", "what", "instead"),
    [
        ("Author.objects.get(name='Ann')", "Author.objects.get()", "Author.objects.aget(...)"),
        ("Author.objects.get_or_404(name='Ann')", "Author.objects.get_or_404()", "Author.objects.aget_or_404(...)"),
        ("Author.objects.create(name='x')", "Author.objects.create()", "Author.objects.acreate(...)"),
        ("Author.objects.count()", "Author.objects.count()", "Author.objects.acount()"),
        ("Author._base_manager.update(name='x')", "Author._base_manager.update()", "Author._base_manager.aupdate(...)"),
        ("Author.objects.all().count()", "count() of a QuerySet of Author", "queryset.acount()"),
        ("Author.objects.all().get(pk=1)", "get() of a QuerySet of Author", "queryset.aget(...)"),
        ("Author.objects.order_by('name').first()", "first() of a QuerySet of Author", "queryset.afirst()"),
        ("library.ann.save()", "Author.save()", "author.asave(...)"),
        ("library.ann.refresh_from_db()", "Author.refresh_from_db()", "author.arefresh_from_db(...)"),
        ("Country(name='CH').full_clean()", "Country.full_clean()", "country.afull_clean(...)"),
        ("library.ann.books.add(library.four)", "author.books.add()", "author.books.aadd(...)"),
        ("library.ann.books.count()", "author.books.count()", "author.books.acount()"),
        ("library.one.tags.create(name='x')", "book.tags.create()", "book.tags.acreate(...)"),
        (
            "models.prefetch_related_objects([library.one], 'tags')",
            "prefetch_related_objects()",
            "aprefetch_related_objects(...)",
        ),
    ],
)
def test_a_method_names_its_twin(library, call, what, instead):
    scope = {"models": models, "library": library, "Author": Author, "Country": Country}
    said = said_by(eval, call, scope)
    assert said == f"{what} would block the running event loop. Use 'await {instead}' instead."


def test_an_overriding_method_is_found_by_what_it_calls(define):
    class Stamped(models.Model):
        class Meta:
            abstract = True
            app_label = "tests"

        def save(self, *args, **kwargs):
            super().save(*args, **kwargs)

    Pizza = define("Pizza", Stamped)
    assert said_by(Pizza(pk=1).save).startswith(
        "Pizza.save() would block the running event loop. Use 'await pizza.asave"
    )


@pytest.mark.parametrize(
    ("call", "what", "instead"),
    [
        (list, "Iterating over", "'async for row in queryset', or '[row async for row in queryset]', instead."),
        (len, "len() of", "'await queryset.acount()', or '[row async for row in queryset]' for the rows, instead."),
        (bool, "bool() of", "'await queryset.aexists()' instead."),
        (lambda rows: 1 in rows, "'in' for", "'await queryset.acontains(obj)' instead."),
        (lambda rows: rows[0], "Indexing", "'(await queryset[0:1].alist())[0]', or afirst(), instead."),
        (lambda rows: rows[3], "Indexing", "'(await queryset[3:4].alist())[0]' instead."),
        (lambda rows: rows[:5:2], "Indexing", "'(await queryset[:5].alist())[::2]' instead."),
        (lambda rows: rows[1::2], "Indexing", "'(await queryset[1:].alist())[::2]' instead."),
        (repr, "Showing", "before that, by '[row async for row in queryset]'."),
        (pickle.dumps, "Pickling", "before that, by '[row async for row in queryset]'."),
        (lambda rows: next(rows.iterator()), "iterator() of", "'async for row in queryset.aiterator()' instead."),
    ],
)
def test_what_python_does_with_querysets_has_its_cure(call, what, instead):
    said = said_by(call, Author.objects.all())
    assert said.startswith(f"{what} a QuerySet of Author would block the running event loop. ")
    assert said.endswith(instead)


def test_the_cures_for_indexes_give_what_plain_code_gets(library):
    names = [author.name for author in Author.objects.all()]

    async def cures():
        rows = Author.objects.all()
        return (
            (await rows[0:1].alist())[0].name,
            (await rows[2:3].alist())[0].name,
            [author.name for author in (await rows[:3].alist())[::2]],
        )

    assert asyncio.run(cures()) == (names[0], names[2], names[:3:2])


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (len, "len() of"),
        (bool, "bool() of"),
        (lambda rows: rows[0], "Indexing"),
        (lambda rows: rows[0:1], "Indexing"),
        (lambda rows: rows.columns, "The columns of"),
    ],
)
def test_what_is_done_with_raw_rows_works_once_they_are_there(call, what):
    rows = Author.objects.raw("SELECT id, name FROM library_author ORDER BY name")
    assert said_by(call, rows) == (
        f"{what} a RawQuerySet of Author would block the running event loop. Ask for its rows before that, by "
        "'await queryset.alist()'."
    )
    expected = call(Author.objects.raw(rows.raw_query))

    async def cure():
        await rows.alist()
        return call(rows)

    assert asyncio.run(cure()) == expected


def test_raw_rows_are_iterated_as_others_are():
    said = said_by(lambda: next(Author.objects.raw("SELECT id FROM library_author").iterator()))
    assert said.startswith("iterator() of a RawQuerySet of Author would block")
    assert said.endswith("Use 'async for row in queryset.aiterator()' instead.")


def test_rows_of_a_relation_may_be_prefetched(library):
    for rows, owner, name in (
        (library.ann.books, "author", "books"),
        (library.ann.edited, "author", "edited"),
        (library.one.tags, "book", "tags"),
        (library.red.books, "tag", "books"),
    ):
        said = said_by(list, rows.all())
        assert said.endswith(f'instead, or load them together with the {owner}, by prefetch_related("{name}").')
    assert "prefetch" not in said_by(list, Book.objects.filter(tags=library.red.pk))


def test_a_related_object_that_is_not_loaded_names_the_field_and_two_cures(library):
    book = Book.objects.get(title="One")
    assert said_by(getattr, book, "author") == (
        "Loading book.author would block the running event loop. Load it together with the book, by "
        'select_related("author") in the query, or later with '
        "'await aprefetch_related_objects([book], \"author\")'."
    )
    author = Author.objects.get(name="Ann")
    assert 'by select_related("profile") in the query' in said_by(getattr, author, "profile")

    async def cures():
        await models.aprefetch_related_objects([book], "author")
        await models.aprefetch_related_objects([author], "profile")
        joined = await Book.objects.select_related("author").aget(pk=book.pk)
        return book.author.name, author.profile.text, joined.author.name

    assert asyncio.run(cures()) == ("Ann", "about Ann", "Ann")


def test_a_deferred_field_names_itself_and_its_cure(library):
    book = Book.objects.defer("title").get(pk=library.one.pk)
    assert said_by(getattr, book, "title") == (
        "Loading book.title, a deferred field, would block the running event loop. Use "
        "'await book.arefresh_from_db(fields=[\"title\"])' before, or load it with the query: leave it out of defer(), "
        "or name it in only()."
    )

    async def cure():
        await book.arefresh_from_db(fields=["title"])
        return book.title

    assert asyncio.run(cure()) == "One"


def test_a_deferred_field_is_named_whichever_class_looks_for_attributes(define, create_tables):
    """A class that has a __getattr__ of its own, and one whose parent was the first with deferred fields."""

    class Curious:
        def __getattr__(self, name):
            raise AttributeError(name)

    Place = define("Place", name=models.CharField(max_length=9))
    Bar = define("Bar", Place, stars=models.IntegerField(default=1))
    Odd = define("Odd", Curious, models.Model, name=models.CharField(max_length=9))
    create_tables()
    Bar.objects.create(name="a")
    Odd.objects.create(name="a")
    Place.objects.only("pk").get()
    for model, name in ((Bar, "name"), (Bar, "stars"), (Odd, "name")):
        said = said_by(getattr, model.objects.only("pk").get(), name)
        owner = model._meta.model_name
        assert said.startswith(f"Loading {owner}.{name}, a deferred field, would block the running event loop. Use ")
        assert f"'await {owner}.arefresh_from_db(fields=[\"{name}\"])'" in said


def test_looking_for_the_name_loads_no_further_fields(define, create_tables):
    names = ("vendor", "instance", "durable", "relation", "model")
    Part = define("Part", **{name: models.CharField(max_length=9, default="") for name in names})
    create_tables()
    Part.objects.create()
    part = Part.objects.only("pk").get()
    assert said_by(part.save) == "Part.save() would block the running event loop. Use 'await part.asave(...)' instead."
    for name in names:
        assert said_by(getattr, part, name).startswith(f"Loading part.{name}, a deferred field, would block")


def test_transactions_name_their_async_form(library):
    @transaction.atomic
    def block():
        pytest.fail("entered")

    for function, what in (transaction.atomic().__enter__, "with atomic()"), (block, f"{block.__qualname__}(), which"):
        said = said_by(function)
        assert said.startswith(what)
        assert "would block the running event loop. Use 'async with atomic()' in an async function instead" in said


def test_a_method_is_named_though_it_would_have_begun_with_a_transaction(library):
    assert said_by(library.ann.delete).startswith("Author.delete() would block the running event loop. ")
    assert said_by(library.one.tags.clear).startswith("book.tags.clear() would block")


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: connection.cursor().execute("SELECT 1"), "cursor.execute()"),
        (lambda: connection.fetch("SELECT 1"), "connection.fetch(), for the database 'default',"),
        (lambda: connection.ensure_connection(), "connection.ensure_connection(), for the database 'default',"),
        (lambda: create_all(Tag), "create_all()"),
    ],
)
def test_what_has_no_twin_goes_to_a_worker(call, what):
    said = said_by(call)
    assert said.startswith(f"{what} would block the running event loop. ")
    assert "'await webframe.workers.run(function)'" in said


def test_code_between_ours_and_the_users_does_not_hide_the_method(library):
    def receiver(sender, **kwargs):
        Tag.objects.get(name="red")

    with pre_save.connected_to(receiver, sender=Author):
        assert said_by(library.ann.save).startswith("Tag.objects.get() would block")


def test_nothing_is_refused_in_a_greenlet(library):
    async def main():
        from webframe.greenlets import bridge

        return await bridge(lambda: [book.author.name for book in Book.objects.order_by("pk")])

    assert asyncio.run(main()) == ["Ann", "Ann", "Bob", "Bob"]

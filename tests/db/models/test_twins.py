"""Twins: each method that asks the database has one for async code, which does the same with the same arguments."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from webframe.core.exceptions import Http404, ValidationError
from webframe.db import IntegrityError, connection, models, transaction
from webframe.db.models import Count, aprefetch_related_objects
from webframe.db.models.manager import Manager
from webframe.db.models.query import QuerySet, RawQuerySet
from webframe.db.models.related.managers import NullableReverseManager, ReverseManager
from webframe.db.models.related.many_managers import ManyRelatedManager
from webframe.db.models.signals import post_save
from webframe.db.models.twins import is_twin, twin

from .library import Author, Book, Country, Novel, Profile, Tag

# The plain methods that have twins.
TABLE = {
    models.Model: "save save_base delete refresh_from_db full_clean clean_fields validate_unique validate_constraints",
    QuerySet: "get get_or_404 first last earliest latest in_bulk count exists contains aggregate explain create "
    "get_or_create update_or_create update delete bulk_create bulk_update",
    ReverseManager: "add create get_or_create update_or_create set",
    NullableReverseManager: "add remove clear set create get_or_create update_or_create",
    ManyRelatedManager: "add remove clear set create get_or_create update_or_create",
}
ROWS = [(cls, name) for cls, names in TABLE.items() for name in names.split()]

# Public methods that ask nothing themselves, and so have none.
LAZY = {
    models.Model: "check clean from_db get_deferred_fields serializable_value prepare_database_save "
    "unique_error_message date_error_message get_constraints",
    QuerySet: "as_manager all filter exclude complex_filter none distinct order_by reverse annotate alias values "
    "values_list dates datetimes only defer select_related prefetch_related using select_for_update raw union "
    "intersection difference iterator",
    RawQuerySet: "using prefetch_related iterator",
}
# What is for the compiler and for managers.
INNER = "references build_select build_column selection_in key sql_with_params"


def name_of(row: object) -> str:
    return getattr(row, "__name__", str(row))


def public_functions(cls: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(cls, callable) if not name.startswith("_")}


# --- what they look like ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "name"), ROWS, ids=name_of)
def test_a_twin_has_the_signature_and_the_text_of_the_plain_method(cls, name):
    plain, made = getattr(cls, name), getattr(cls, f"a{name}")
    assert inspect.iscoroutinefunction(made)
    assert inspect.signature(made) == inspect.signature(plain)
    assert (made.__name__, made.__qualname__.split(".")[1]) == (f"a{name}", f"a{name}")
    found = import_module(made.__module__)
    for part in made.__qualname__.split("."):
        found = getattr(found, part)
    assert found is made
    first, rest = inspect.getdoc(made).split("\n\n", 1)
    assert first == f"Like `{name}`, for use in async code."
    assert rest == inspect.getdoc(plain)
    assert getattr(made, "alters_data", None) == getattr(plain, "alters_data", None)


@pytest.mark.parametrize("cls", [models.Model, QuerySet, RawQuerySet], ids=name_of)
def test_no_method_that_asks_is_without_a_twin(cls):
    twins = {name for name in public_functions(cls) if is_twin(getattr(cls, name))}
    plain = {getattr(cls, name).twin_of for name in twins}
    assert plain - {"iterator"} == set(TABLE.get(cls, "").split())
    lazy = set((LAZY[cls] + " " + INNER).split())
    exceptions = {"DoesNotExist", "MultipleObjectsReturned", "NotUpdated", "manager_class", "alist"}
    assert public_functions(cls) - twins - plain - lazy - exceptions == set()


@pytest.mark.parametrize("name", sorted({f"a{name}" for name in TABLE[QuerySet].split()} - {"adelete"} | {"aiterator"}))
def test_managers_have_the_twins_of_querysets(name):
    for manager in Manager, QuerySet.as_manager(), Author.objects, Book.tags.related_manager_cls:
        function = getattr(manager, name)
        assert inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def test_every_async_method_that_django_has_is_there(library):
    pytest.importorskip("django")
    from django.db import models as theirs
    from django.db.models.fields import related_descriptors as descriptors

    pairs = [
        (theirs.Model, models.Model),
        (theirs.QuerySet, QuerySet),
        (theirs.Manager, Manager),
        (theirs.query.RawQuerySet, RawQuerySet),
    ]
    for their_class, our_class in pairs:
        names = {name for name in dir(their_class) if is_async(getattr(their_class, name, None))} | {"__aiter__"}
        assert {name for name in names & set(dir(their_class)) if not hasattr(our_class, name)} == set()
    source = inspect.getsource(descriptors)
    reverse, many = source.split("def create_forward_many_to_many_manager")
    for text, manager in (reverse, library.ann.edited), (many, library.one.tags):
        for name in [line.split()[2].split("(")[0] for line in text.splitlines() if "async def a" in line]:
            assert hasattr(manager, name)


def is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def test_making_twins_loads_no_greenlets():
    code = "import sys, webframe.db.models, webframe.db.models.twins; print('greenlet' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


# --- what they do -------------------------------------------------------------------------------------------------


def test_instances_are_saved_read_again_validated_and_deleted(library):
    async def main():
        made = Author(name="Dee")
        await made.asave()
        await Author.objects.filter(pk=made.pk).aupdate(name="Eve")
        await made.arefresh_from_db(fields=["name"])
        assert made.name == "Eve"
        with pytest.raises(ValidationError):
            await Country(name="CH").afull_clean()
        with pytest.raises(ValidationError):
            await Country(name="CH").avalidate_unique()
        with pytest.raises(ValidationError):
            await Profile(author_id=0).aclean_fields()
        await Country(name="FR").avalidate_constraints()
        await made.asave(force_update=True, update_fields=["name"])
        with pytest.raises(IntegrityError):
            await Author(pk=made.pk, name="twice").asave(force_insert=True)
        assert await made.adelete() == (1, {"library.Author": 1})
        assert made.pk is None

    asyncio.run(main())
    assert Author.objects.count() == 3


def test_a_model_with_parents_is_saved_in_one_transaction(library):
    async def main():
        novel = Novel(title="Long", author=library.ann, pages=900)
        await novel.asave()
        assert await Novel.objects.acount() == 1
        assert (await novel.adelete())[0] == 2

    asyncio.run(main())


def test_one_row_is_found(library):
    async def main():
        assert await Author.objects.aget(name="Ann") == library.ann
        assert await Author.objects.filter(name="Ann").aget() == library.ann
        with pytest.raises(Author.DoesNotExist):
            await Author.objects.aget(name="nobody")
        with pytest.raises(Author.MultipleObjectsReturned):
            await Author.objects.aget()
        with pytest.raises(Http404):
            await Author.objects.aget_or_404(name="nobody")
        assert (await Author.objects.afirst()).name == "Ann"
        assert (await Author.objects.all().alast()).name == "Cid"
        assert await Author.objects.filter(name="nobody").afirst() is None
        assert await Book.objects.exclude(published=None).aearliest("published") == library.one
        assert await Book.objects.exclude(published=None).alatest("published") == library.three
        assert await Author.objects.ain_bulk([library.ann.pk]) == {library.ann.pk: library.ann}

    asyncio.run(main())


def test_questions_about_rows_are_answered(library):
    async def main():
        books = Book.objects.filter(author=library.ann)
        assert await books.acount() == await Book.objects.filter(author__name="Ann").acount() == 2
        assert await books.aexists() and not await books.filter(title="Four").aexists()
        assert await books.acontains(library.one) and not await books.acontains(library.four)
        assert await Book.objects.aaggregate(n=Count("author", distinct=True)) == {"n": 2}
        assert isinstance(await books.aexplain(), str)

    asyncio.run(main())


def test_rows_are_made_changed_and_deleted(library):
    async def main():
        made = await Tag.objects.acreate(name="new")
        assert await Tag.objects.aget_or_create(name="new") == (made, False)
        assert (await Tag.objects.aget_or_create(name="other"))[1]
        assert await Tag.objects.aupdate_or_create({"name": "newer"}, name="new") == (made, False)
        assert (await Tag.objects.aupdate_or_create(name="fourth", create_defaults={"name": "fourth"}))[1]
        many = await Tag.objects.abulk_create([Tag(name="a"), Tag(name="b")])
        assert len(many) == 2
        two = [tag async for tag in Tag.objects.filter(name__in=["a", "b"]).order_by("name")]
        two[0].name = "aa"
        assert await Tag.objects.abulk_update(two, ["name"]) == 2
        assert await Tag.objects.filter(name="aa").aupdate(name="aaa") == 1
        assert await Tag.objects.filter(name__in=["aaa", "b"]).adelete() == (2, {"library.Tag": 2})

    asyncio.run(main())


def test_relations_are_changed(library):
    async def main():
        ann, tags = library.ann, library.three.tags
        await tags.aadd(library.red, library.old)
        await tags.aremove(library.red)
        assert [tag.name async for tag in tags.all()] == ["old"]
        await tags.aset([library.red, library.blue])
        await tags.acreate(name="x")
        assert (await tags.aget_or_create(name="x"))[1] is False
        assert (await tags.aupdate_or_create({"name": "y"}, name="x"))[1] is False
        assert {tag.name async for tag in tags.all()} == {"red", "blue", "y"}
        await tags.aclear()
        assert not await tags.aexists()
        await ann.edited.aadd(library.two, library.four)
        await ann.edited.aremove(library.two)
        assert [book async for book in ann.edited.all()] == [library.four]
        await ann.edited.aset([library.one])
        await ann.edited.aclear()
        assert await ann.edited.acount() == 0
        await ann.books.acreate(title="Five")
        assert (await ann.books.aget_or_create(title="Five"))[1] is False
        assert (await ann.books.aupdate_or_create({"rating": 4}, title="Five"))[0].rating == 4
        await ann.books.aadd(library.four)
        await ann.books.aset([library.three])
        assert await ann.books.acount() == 5

    asyncio.run(main())


def test_related_objects_are_prefetched(library):
    async def main():
        authors = [author async for author in Author.objects.filter(name="Ann")]
        await aprefetch_related_objects(authors, "books__tags", "country")
        assert authors[0].country.name == "CH"
        assert {tag.name for book in authors[0].books.all() for tag in book.tags.all()} == {"red", "blue"}
        async for author in Author.objects.prefetch_related("books").aiterator(chunk_size=2):
            assert len(author.books.all()) == {"Ann": 2, "Bob": 2, "Cid": 0}[author.name]

    asyncio.run(main())


def test_neighbours_by_a_date_are_found(define, create_tables):
    Event = define("Event", day=models.DateField())
    create_tables()
    first, second = [Event.objects.create(day=f"2020-01-0{day}") for day in (1, 2)]

    async def main():
        assert await first.aget_next_by_day() == second
        assert await second.aget_previous_by_day() == first
        with pytest.raises(Event.DoesNotExist):
            await second.aget_next_by_day()

    asyncio.run(main())


# --- iteration ----------------------------------------------------------------------------------------------------


def test_async_for_asks_once_and_keeps_the_rows(library):
    asked = []

    def count(execute, sql, *rest):
        asked.append(sql)
        return execute(sql, *rest)

    async def main():
        books = Book.objects.order_by("title")
        with connection.execute_wrapper(count):
            assert [book.title async for book in books] == ["Four", "One", "Three", "Two"]
            assert [book.title async for book in books] == ["Four", "One", "Three", "Two"]
            assert len(books) == 4 and books[0].title == "Four"  # nothing is left to ask
            assert [book.title for book in books] == ["Four", "One", "Three", "Two"]
        assert len(asked) == 1

    asyncio.run(main())


def test_async_for_works_on_rows_of_every_kind(library):
    async def main():
        assert [row async for row in Book.objects.order_by("pk").values_list("title", flat=True)][:2] == ["One", "Two"]
        assert {row["title"] async for row in Book.objects.filter(rating=1).values("title")} == {"One"}
        assert [book async for book in Book.objects.none()] == []
        raw = Book.objects.raw("SELECT id, title FROM library_book ORDER BY id")
        assert [book.title async for book in raw] == ["One", "Two", "Three", "Four"]
        assert len(raw) == 4
        assert [book.title async for book in raw.aiterator()] == ["One", "Two", "Three", "Four"]

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_aiterator_gives_all_rows_in_chunks(library, size):
    async def main():
        titles = [book.title async for book in Book.objects.order_by("pk").aiterator(chunk_size=size)]
        assert titles == ["One", "Two", "Three", "Four"]
        assert len([book async for book in Book.objects.aiterator(size)]) == 4

    asyncio.run(main())


def test_aiterator_keeps_nothing_and_refuses_what_iterator_refuses(library):
    async def main():
        books = Book.objects.all()
        assert len([book async for book in books.aiterator()]) == 4
        assert books._result_cache is None
        with pytest.raises(ValueError, match="strictly positive"):
            await anext(books.aiterator(chunk_size=0))

    asyncio.run(main())


def test_aiterator_that_is_left_early_closes_its_stream(library):
    Tag.objects.bulk_create([Tag(name=str(number)) for number in range(50)])

    async def main():
        for _ in range(5):
            rows = Tag.objects.order_by("pk").aiterator(chunk_size=2)
            assert (await anext(rows)).name == "red"
            await rows.aclose()
            assert await Tag.objects.acount() == 53
            with pytest.raises(StopAsyncIteration):
                await anext(rows)

    asyncio.run(main())


# --- overriding ---------------------------------------------------------------------------------------------------


def test_a_twin_runs_what_somebody_has_made_of_the_plain_method(define, create_tables):
    class Stamped(models.Model):
        class Meta:
            abstract = True
            app_label = "tests"

        def save(self, *args, stamp="!", **kwargs):
            self.name += stamp
            super().save(*args, **kwargs)

    class Loud(models.QuerySet):
        def create(self, **kwargs):
            return super().create(**{**kwargs, "name": kwargs["name"].upper()})

        def named(self, name):
            return self.filter(name=name).count()

        anamed = twin(named)

    class Counting(models.Manager):
        counted = 0

        def get(self, *args, **kwargs):
            self.counted += 1
            return super().get(*args, **kwargs)

    Pizza = define("Pizza", Stamped, name=models.CharField(max_length=50), objects=Loud.as_manager(), all=Counting())
    create_tables()

    async def main():
        made = Pizza(name="a")
        await made.asave(stamp="?")
        assert made.name == "a?"
        assert (await Pizza.objects.acreate(name="b")).name == "B!"
        assert (await Pizza.objects.filter().acreate(name="b")).name == "B!"
        assert (await Pizza.all.aget(name="a?")).pk == made.pk
        assert Pizza.all.counted == 1
        assert await Pizza.objects.anamed("B!") == await Pizza.objects.all().anamed("B!") == 2

    asyncio.run(main())


def test_an_async_version_of_ones_own_is_left_alone(define, create_tables):
    class Own(models.QuerySet):
        async def aget(self, *args, **kwargs):
            return "mine"

        async def acheapest(self):
            return await self.afirst()

    class OwnManager(models.Manager):
        async def acreate(self, **kwargs):
            return "managed"

    Pizza = define(
        "Pizza",
        name=models.CharField(max_length=50),
        objects=Own.as_manager(),
        other=OwnManager.from_queryset(Own)(),
        asave=lambda self: "saved",
    )
    create_tables()

    async def main():
        assert await Pizza.objects.aget() == await Pizza.other.aget() == await Pizza.objects.all().aget() == "mine"
        assert await Pizza.other.acreate() == "managed"
        assert (await Pizza.objects.acreate(name="a")).name == "a"
        assert (await Pizza.objects.acheapest()).name == "a"
        assert Pizza().asave() == "saved"

    asyncio.run(main())


def test_related_managers_run_what_the_default_manager_has_made_of_it(define, create_tables):
    class Loud(models.Manager):
        def create(self, **kwargs):
            return super().create(**{**kwargs, "name": kwargs["name"].upper()})

    Shop = define("Shop")
    Pizza = define(
        "Pizza",
        name=models.CharField(max_length=50),
        shop=models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="pizzas"),
        objects=Loud(),
    )
    create_tables()
    assert Pizza.objects is not None

    async def main():
        shop = await Shop.objects.acreate()
        assert (await shop.pizzas.acreate(name="a")).name == "A"

    asyncio.run(main())


def test_receivers_and_context_variables_are_those_of_the_caller(library):
    from contextvars import ContextVar

    user = ContextVar("user", default="nobody")
    heard = []

    async def hear(sender, **kwargs):
        heard.append((user.get(), asyncio.current_task()))
        user.set("receiver")

    async def main():
        user.set("caller")
        with post_save.connected_to(hear, sender=Tag):
            await Tag.objects.acreate(name="x")
        assert heard == [("caller", asyncio.current_task())]
        assert user.get() == "receiver"

    asyncio.run(main())


def test_a_twin_works_without_an_event_loop_too(library):
    coroutine = Author.objects.aget(name="Ann")
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == library.ann


def test_twins_within_a_transaction_of_a_greenlet_take_part_in_it(library):
    def block():
        with transaction.atomic():
            Tag.objects.create(name="gone")
            raise RuntimeError

    async def main():
        from webframe.greenlets import bridge

        with pytest.raises(RuntimeError):
            await bridge(block)
        assert not await Tag.objects.filter(name="gone").aexists()

    asyncio.run(main())

"""webframe's a-methods, without signals being received."""

from _library import YEAR, book

from webframe.conf import settings
from webframe.db import connections, transaction
from webframe.greenlets import bridge

from persistence_webframe import Book, Jar, Shelf  # isort: skip


class Library:
    using = "default"

    def __init__(self):
        self.books = [book(number) for number in range(1000)]

    async def connect(self, place):
        if not settings.configured:
            settings.configure(DATABASES={"default": place["full"], "file": place["file"]})

    async def rows(self, sql):
        return [tuple(row) for row in await bridge(connections[self.using].fetch, sql, ())]

    async def begin(self):
        self.atomic = transaction.atomic(self.using)
        await self.atomic.__aenter__()

    async def rollback(self):
        transaction.set_rollback(True, self.using)
        await self.atomic.__aexit__(None, None, None)

    async def get(self, key):
        return await Book.objects.aget(pk=key)

    async def filter_100(self):
        return [row async for row in Book.objects.filter(year=YEAR)]

    async def select_related_100(self):
        return [row async for row in Book.objects.select_related("author").filter(year=YEAR)]

    async def insert(self, number):
        return await Book.objects.acreate(**self.books[number % 1000])

    async def loaded(self, key):
        return await Book.objects.aget(pk=key)

    async def update(self, loaded, stock):
        loaded.stock = stock
        await loaded.asave(update_fields=["stock"])

    async def count(self):
        return await Book.objects.filter(year=YEAR).acount()

    async def exists(self):
        return await Book.objects.filter(year=YEAR).aexists()

    async def shelves(self, count):
        shelves = await Shelf.objects.abulk_create([Shelf(id=key, name="jam") for key in range(1, count + 1)])
        await Jar.objects.abulk_create([Jar(shelf=shelf, label="plums") for shelf in shelves for _ in range(10)])
        return shelves

    async def delete_cascade(self, shelf):
        await shelf.adelete()


class File:
    """A SQLite file, asked by plain and by async code."""

    def get(self):
        return Book.objects.using("file").get(pk=7)

    async def aget(self):
        return await Book.objects.using("file").aget(pk=7)

    def filter_100(self):
        return list(Book.objects.using("file").filter(year=YEAR))

    async def afilter_100(self):
        return [row async for row in Book.objects.using("file").filter(year=YEAR)]

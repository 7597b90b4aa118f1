"""webframe's a-methods, without signals being received."""

from _library import YEAR
from async_models import Models

from webframe.conf import settings
from webframe.db import connections, transaction
from webframe.greenlets import bridge

from persistence_webframe import Book, Jar, Shelf  # isort: skip


class Library(Models):
    using = "default"

    Book, Jar, Shelf = Book, Jar, Shelf

    async def connect(self, place):
        if not settings.configured:
            settings.configure(DATABASES={"default": place["full"], "file": place["file"]})

    async def rows(self, sql):
        return [tuple(row) for row in await bridge(connections[self.using].fetch, sql, ())]

    async def alist_100(self):
        return await Book.objects.filter(year=YEAR).alist()

    async def begin(self):
        self.atomic = transaction.atomic(self.using)
        await self.atomic.__aenter__()

    async def rollback(self):
        transaction.set_rollback(True, self.using)
        await self.atomic.__aexit__(None, None, None)


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

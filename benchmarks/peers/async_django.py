"""Django's a-methods: each goes to the one thread that Django's async code has."""

from _library import YEAR, book
from asgiref.sync import sync_to_async
from persistence_django import Book, Jar, Shelf, database

from django.db import connection, connections, transaction  # isort: skip  # once the settings are there


class Library:
    def __init__(self):
        self.books = [book(number) for number in range(1000)]

    async def connect(self, place):
        # The connection is made when it is first used, from these settings, in the thread that asks.
        connections.settings = connections.configure_settings({"default": database("postgresql", place["full"])})

    @sync_to_async
    def rows(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    @sync_to_async
    def begin(self):
        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    @sync_to_async
    def rollback(self):
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

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

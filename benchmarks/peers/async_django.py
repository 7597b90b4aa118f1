"""Django's a-methods: each goes to the one thread that Django's async code has."""

from asgiref.sync import sync_to_async
from async_models import Models
from persistence_django import Book, Jar, Shelf, database

from django.db import connection, connections, transaction  # isort: skip  # once the settings are there


class Library(Models):
    Book, Jar, Shelf = Book, Jar, Shelf

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

"""Tortoise ORM on asyncpg."""

from _library import YEAR, book
from tortoise import Tortoise, connections, fields
from tortoise.models import Model
from tortoise.transactions import in_transaction


class Author(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(100)
    country = fields.CharField(50)
    born = fields.IntField()

    class Meta:
        table = "author"


class Book(Model):
    id = fields.IntField(primary_key=True)
    author = fields.ForeignKeyField("bench.Author", related_name="books")
    title = fields.CharField(200)
    subtitle = fields.CharField(200)
    isbn = fields.CharField(20)
    pages = fields.IntField()
    year = fields.IntField()
    rating = fields.FloatField()
    stock = fields.IntField()
    note = fields.CharField(200)

    class Meta:
        table = "book"


class Shelf(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(50)

    class Meta:
        table = "shelf"


class Jar(Model):
    id = fields.IntField(primary_key=True)
    shelf = fields.ForeignKeyField("bench.Shelf", related_name="jars")
    label = fields.CharField(50)

    class Meta:
        table = "jar"


class Library:
    def __init__(self):
        self.books = [book(number) for number in range(1000)]

    async def connect(self, place):
        url = place["url"].replace("postgresql://", "asyncpg://")
        separator = "&" if "?" in url else "?"
        await Tortoise.init(db_url=f"{url}{separator}schema={place['schema']}", modules={"bench": [__name__]})

    async def rows(self, sql):
        return [tuple(row.values()) for row in (await connections.get("default").execute_query(sql))[1]]

    async def begin(self):
        self.transaction = in_transaction()
        self.inside = await self.transaction.__aenter__()

    async def rollback(self):
        await self.inside.rollback()
        await self.transaction.__aexit__(None, None, None)

    async def get(self, key):
        return await Book.get(id=key)

    async def filter_100(self):
        return await Book.filter(year=YEAR)

    async def select_related_100(self):
        return await Book.filter(year=YEAR).select_related("author")

    async def insert(self, number):
        return await Book.create(**self.books[number % 1000])

    async def loaded(self, key):
        return await Book.get(id=key)

    async def update(self, loaded, stock):
        loaded.stock = stock
        await loaded.save(update_fields=["stock"])

    async def count(self):
        return await Book.filter(year=YEAR).count()

    async def exists(self):
        return await Book.filter(year=YEAR).exists()

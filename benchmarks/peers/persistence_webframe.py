"""webframe, without signals being received."""

import sys

from _library import BULK, YEAR, book

from webframe.apps import AppConfig
from webframe.apps.registry import Apps
from webframe.conf import settings
from webframe.db import connections, models, transaction

registry = Apps()
registry.populate([AppConfig("bench", sys.modules[__name__])])


class Author(models.Model):
    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=50)
    born = models.IntegerField()

    class Meta:
        app_label, apps, db_table = "bench", registry, "author"


class Tag(models.Model):
    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=50)

    class Meta:
        app_label, apps, db_table = "bench", registry, "tag"


class Book(models.Model):
    id = models.AutoField(primary_key=True)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    title = models.CharField(max_length=200)
    subtitle = models.CharField(max_length=200)
    isbn = models.CharField(max_length=20)
    pages = models.IntegerField()
    year = models.IntegerField()
    rating = models.FloatField()
    stock = models.IntegerField()
    note = models.CharField(max_length=200)
    tags = models.ManyToManyField(Tag, db_table="book_tags")

    class Meta:
        app_label, apps, db_table = "bench", registry, "book"


class Visit(models.Model):
    id = models.AutoField(primary_key=True)
    place = models.CharField(max_length=50)
    minutes = models.IntegerField()

    class Meta:
        app_label, apps, db_table = "bench", registry, "visit"


class Shelf(models.Model):
    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=50)

    class Meta:
        app_label, apps, db_table = "bench", registry, "shelf"


class Jar(models.Model):
    id = models.AutoField(primary_key=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE)
    label = models.CharField(max_length=50)

    class Meta:
        app_label, apps, db_table = "bench", registry, "jar"


class Library:
    def __init__(self, engine, place):
        if not settings.configured:
            settings.configure(DATABASES={"default": f"sqlite:///{place}" if engine == "sqlite" else place})
        if engine == "sqlite":
            self.rows("PRAGMA synchronous = NORMAL")
        self.books = [book(number) for number in range(1000)]

    def rows(self, sql):
        return [tuple(row) for row in connections["default"].fetch(sql, ())]

    def begin(self):
        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def rollback(self):
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def get(self, key):
        return Book.objects.get(pk=key)

    def filter_100(self):
        return list(Book.objects.filter(year=YEAR))

    def select_related_100(self):
        return list(Book.objects.select_related("author").filter(year=YEAR))

    def insert(self, number):
        return Book.objects.create(**self.books[number % 1000])

    def loaded(self, key):
        return Book.objects.get(pk=key)

    def update(self, loaded, stock):
        loaded.stock = stock
        loaded.save(update_fields=["stock"])

    def count(self):
        return Book.objects.filter(year=YEAR).count()

    def exists(self):
        return Book.objects.filter(year=YEAR).exists()

    def visits(self, count):
        return Visit.objects.bulk_create(
            [Visit(id=key, place="the reading room", minutes=5) for key in range(1, count + 1)]
        )

    def delete(self, visit):
        visit.delete()

    def shelves(self, count):
        shelves = Shelf.objects.bulk_create([Shelf(id=key, name="jam") for key in range(1, count + 1)])
        Jar.objects.bulk_create([Jar(shelf=shelf, label="plums") for shelf in shelves for _ in range(10)])
        return shelves

    def delete_cascade(self, shelf):
        shelf.delete()

    def new_books(self):
        return [Book(**values) for values in self.books[:BULK]]

    def bulk_insert(self, books):
        Book.objects.bulk_create(books)

    def ten_tags(self):
        return list(Tag.objects.filter(pk__lte=10))

    def add_tags(self, loaded, tags):
        loaded.tags.add(*tags)

    def list_tags(self, loaded):
        return list(loaded.tags.all())

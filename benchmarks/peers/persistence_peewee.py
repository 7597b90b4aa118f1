"""Peewee, with its fastest documented way for each operation."""

import peewee
from _library import BULK, YEAR, book

database = peewee.DatabaseProxy()


class Base(peewee.Model):
    id = peewee.AutoField()

    class Meta:
        database = database
        legacy_table_names = False


class Author(Base):
    name = peewee.CharField()
    country = peewee.CharField()
    born = peewee.IntegerField()


class Tag(Base):
    name = peewee.CharField()


class Book(Base):
    author = peewee.ForeignKeyField(Author, backref="books")
    title = peewee.CharField()
    subtitle = peewee.CharField()
    isbn = peewee.CharField()
    pages = peewee.IntegerField()
    year = peewee.IntegerField()
    rating = peewee.FloatField()
    stock = peewee.IntegerField()
    note = peewee.CharField()


class BookTag(Base):
    book = peewee.ForeignKeyField(Book)
    tag = peewee.ForeignKeyField(Tag)

    class Meta:
        table_name = "book_tags"


class Visit(Base):
    place = peewee.CharField()
    minutes = peewee.IntegerField()


class Shelf(Base):
    name = peewee.CharField()


class Jar(Base):
    shelf = peewee.ForeignKeyField(Shelf)
    label = peewee.CharField()


class Library:
    def __init__(self, engine, place):
        if engine == "sqlite":
            made = peewee.SqliteDatabase(place, pragmas={"foreign_keys": 1, "synchronous": "normal"})
        else:
            made = postgresql(place)
        database.initialize(made)
        made.connect()
        self.database = made
        self.books = [book(number) for number in range(1000)]

    def rows(self, sql):
        return list(self.database.execute_sql(sql).fetchall())

    def begin(self):
        self.atomic = self.database.transaction()
        self.atomic.__enter__()

    def rollback(self):
        # As after an error, which is how a block rolls back without beginning anew.
        self.atomic.__exit__(KeyError, KeyError(), None)

    def get(self, key):
        return Book.get_by_id(key)

    def filter_100(self):
        return list(Book.select().where(Book.year == YEAR))

    def select_related_100(self):
        return list(Book.select(Book, Author).join(Author).where(Book.year == YEAR))

    def insert(self, number):
        return Book.create(**self.books[number % 1000])

    def loaded(self, key):
        return Book.get_by_id(key)

    def update(self, loaded, stock):
        loaded.stock = stock
        loaded.save(only=[Book.stock])

    def count(self):
        return Book.select().where(Book.year == YEAR).count()

    def exists(self):
        return Book.select().where(Book.year == YEAR).exists()

    def visits(self, count):
        made = [Visit(id=key, place="the reading room", minutes=5) for key in range(1, count + 1)]
        Visit.bulk_create(made, batch_size=100)
        return made

    def delete(self, visit):
        visit.delete_instance()

    def shelves(self, count):
        made = [Shelf(id=key, name="jam") for key in range(1, count + 1)]
        Shelf.bulk_create(made, batch_size=100)
        Jar.bulk_create([Jar(shelf=shelf, label="plums") for shelf in made for _ in range(10)], batch_size=100)
        return made

    def delete_cascade(self, shelf):
        shelf.delete_instance(recursive=True)

    def new_books(self):
        return [Book(**values) for values in self.books[:BULK]]

    def bulk_insert(self, books):
        # A statement of SQLite may have 32766 parameters.
        Book.bulk_create(books, batch_size=1000)

    def ten_tags(self):
        return list(Tag.select().where(Tag.id <= 10))

    def add_tags(self, loaded, tags):
        BookTag.insert_many([(loaded, tag) for tag in tags], fields=[BookTag.book, BookTag.tag]).execute()

    def list_tags(self, loaded):
        return list(Tag.select().join(BookTag).where(BookTag.book == loaded))


def postgresql(place):
    from playhouse.postgres_ext import PostgresqlDatabase
    from psycopg.conninfo import conninfo_to_dict

    options = conninfo_to_dict(place)
    return PostgresqlDatabase(options.pop("dbname"), **options)

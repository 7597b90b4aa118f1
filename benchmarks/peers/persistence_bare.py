"""The driver and prepared text: what remains when nothing is mapped. Rows are tuples."""

import sqlite3

from _library import BOOK, BULK, YEAR, book

COLUMNS = "id, " + ", ".join(BOOK)
JOINED = ", ".join(f"book.{name}" for name in ("id", *BOOK)) + ", author.id, author.name, author.country, author.born"


class Bare:
    """Statements with the placeholder of the driver, made once."""

    mark = "?"

    def __init__(self) -> None:
        m = self.mark
        marks = ", ".join([m] * len(BOOK))
        self.get_sql = f"SELECT {COLUMNS} FROM book WHERE id = {m}"
        self.filter_sql = f"SELECT {COLUMNS} FROM book WHERE year = {m}"
        self.related_sql = f"SELECT {JOINED} FROM book JOIN author ON book.author_id = author.id WHERE book.year = {m}"
        self.insert_sql = f"INSERT INTO book ({', '.join(BOOK)}) VALUES ({marks})"
        self.update_sql = f"UPDATE book SET stock = {m} WHERE id = {m}"
        self.count_sql = f"SELECT count(*) FROM book WHERE year = {m}"
        self.exists_sql = f"SELECT 1 FROM book WHERE year = {m} LIMIT 1"
        self.visit_sql = f"INSERT INTO visit (id, place, minutes) VALUES ({m}, {m}, {m})"
        self.delete_sql = f"DELETE FROM visit WHERE id = {m}"
        self.shelf_sql = f"INSERT INTO shelf (id, name) VALUES ({m}, {m})"
        self.jar_sql = f"INSERT INTO jar (shelf_id, label) VALUES ({m}, {m})"
        self.delete_jars_sql = f"DELETE FROM jar WHERE shelf_id = {m}"
        self.delete_shelf_sql = f"DELETE FROM shelf WHERE id = {m}"
        self.tag_sql = f"INSERT INTO book_tags (book_id, tag_id) VALUES {', '.join([f'({m}, {m})'] * 10)}"
        self.tags_sql = (
            "SELECT tag.id, tag.name FROM tag JOIN book_tags ON tag.id = book_tags.tag_id "
            f"WHERE book_tags.book_id = {m}"
        )
        self.values = [tuple(book(number).values()) for number in range(1000)]

    def rows(self, sql):
        return list(self.execute(sql).fetchall())

    def begin(self):
        self.execute("BEGIN")

    def rollback(self):
        self.execute("ROLLBACK")

    def get(self, key):
        return self.execute(self.get_sql, (key,)).fetchone()

    def filter_100(self):
        return self.execute(self.filter_sql, (YEAR,)).fetchall()

    def select_related_100(self):
        return self.execute(self.related_sql, (YEAR,)).fetchall()

    def loaded(self, key):
        return key

    def update(self, loaded, stock):
        return self.execute(self.update_sql, (stock, loaded)).rowcount

    def count(self):
        return self.execute(self.count_sql, (YEAR,)).fetchone()[0]

    def exists(self):
        return self.execute(self.exists_sql, (YEAR,)).fetchone() is not None

    def visits(self, count):
        self.many(self.visit_sql, [(key, "the reading room", 5) for key in range(1, count + 1)])
        return list(range(1, count + 1))

    def delete(self, visit):
        return self.execute(self.delete_sql, (visit,)).rowcount

    def shelves(self, count):
        self.many(self.shelf_sql, [(key, "jam") for key in range(1, count + 1)])
        self.many(self.jar_sql, [(key, "plums") for key in range(1, count + 1) for _ in range(10)])
        return list(range(1, count + 1))

    def delete_cascade(self, shelf):
        self.execute(self.delete_jars_sql, (shelf,))
        return self.execute(self.delete_shelf_sql, (shelf,)).rowcount

    def new_books(self):
        return self.values[:BULK]

    def bulk_insert(self, books):
        self.many(self.insert_sql, books)

    def ten_tags(self):
        return list(range(1, 11))

    def add_tags(self, loaded, tags):
        return self.execute(self.tag_sql, [part for tag in tags for part in (loaded, tag)])

    def list_tags(self, loaded):
        return self.execute(self.tags_sql, (loaded,)).fetchall()


class sqlite(Bare):
    def __init__(self, engine, place):
        super().__init__()
        self.connection = sqlite3.connect(place, isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.execute = self.connection.execute
        self.many = self.connection.executemany

    def insert(self, number):
        return self.execute(self.insert_sql, self.values[number % 1000]).lastrowid


class postgresql(Bare):
    mark = "%s"

    def __init__(self, engine, place):
        import psycopg

        super().__init__()
        self.returning_sql = f"{self.insert_sql} RETURNING id"
        self.connection = psycopg.connect(place, autocommit=True)
        # One cursor for everything: making one for each statement takes longer than most of these take.
        self.cursor = self.connection.cursor()
        self.execute = self.cursor.execute
        self.many = self.cursor.executemany

    def insert(self, number):
        return self.execute(self.returning_sql, self.values[number % 1000]).fetchone()[0]

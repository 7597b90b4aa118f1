"""SQLAlchemy: Core, whose rows are tuples with names, and the ORM, in one session that forgets what it has loaded."""

import sqlalchemy as sa
from _library import BULK, YEAR, book
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship, sessionmaker


class Base(DeclarativeBase):
    pass


book_tags = sa.Table(
    "book_tags",
    Base.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("book_id", sa.ForeignKey("book.id")),
    sa.Column("tag_id", sa.ForeignKey("tag.id")),
)


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    country: Mapped[str] = mapped_column(sa.String(50))
    born: Mapped[int]


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    title: Mapped[str] = mapped_column(sa.String(200))
    subtitle: Mapped[str] = mapped_column(sa.String(200))
    isbn: Mapped[str] = mapped_column(sa.String(20))
    pages: Mapped[int]
    year: Mapped[int]
    rating: Mapped[float] = mapped_column(sa.Double)
    stock: Mapped[int]
    note: Mapped[str] = mapped_column(sa.String(200))
    author: Mapped[Author] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=book_tags, lazy="write_only")


class Visit(Base):
    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(sa.String(50))
    minutes: Mapped[int]


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    jars: Mapped[list["Jar"]] = relationship(cascade="all, delete-orphan")


class Jar(Base):
    __tablename__ = "jar"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelf.id"))
    label: Mapped[str] = mapped_column(sa.String(50))


def engine_for(engine, place):
    if engine == "sqlite":
        made = sa.create_engine(f"sqlite:///{place}")

        @sa.event.listens_for(made, "connect")
        def connected(connection, record):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")

        return made
    return sa.create_engine(place.replace("postgresql://", "postgresql+psycopg://"))


class Both:
    def __init__(self, engine, place):
        self.engine = engine_for(engine, place)
        self.books = [book(number) for number in range(1000)]

    def rows(self, sql):
        return [tuple(row) for row in self.execute(sa.text(sql))]

    def new_shelves(self, count):
        self.execute(sa.insert(Shelf.__table__), [{"id": key, "name": "jam"} for key in range(1, count + 1)])
        jars = [{"shelf_id": key, "label": "plums"} for key in range(1, count + 1) for _ in range(10)]
        self.execute(sa.insert(Jar.__table__), jars)

    def new_visits(self, count):
        rows = [{"id": key, "place": "the reading room", "minutes": 5} for key in range(1, count + 1)]
        self.execute(sa.insert(Visit.__table__), rows)


class Core(Both):
    def __init__(self, engine, place):
        super().__init__(engine, place)
        # Reads are asked of a connection in autocommit, as those of the others are.
        self.reader = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.execute = self.reader.execute
        self.b, self.a, self.t = Book.__table__, Author.__table__, Tag.__table__

    def begin(self):
        self.writer = self.engine.connect()
        self.execute = self.writer.execute

    def rollback(self):
        self.writer.rollback()
        self.writer.close()
        self.execute = self.reader.execute

    def get(self, key):
        return self.execute(sa.select(self.b).where(self.b.c.id == key)).one()

    def filter_100(self):
        return self.execute(sa.select(self.b).where(self.b.c.year == YEAR)).all()

    def select_related_100(self):
        joined = sa.join(self.b, self.a, self.b.c.author_id == self.a.c.id)
        columns = [*self.b.c, self.a.c.id.label("its_id"), self.a.c.name, self.a.c.country, self.a.c.born]
        return [
            tuple(row)
            for row in self.execute(sa.select(*columns).select_from(joined).where(self.b.c.year == YEAR)).all()
        ]

    def insert(self, number):
        return self.execute(sa.insert(self.b).values(**self.books[number % 1000])).inserted_primary_key[0]

    def loaded(self, key):
        return key

    def update(self, loaded, stock):
        self.execute(sa.update(self.b).where(self.b.c.id == loaded).values(stock=stock))

    def count(self):
        return self.execute(sa.select(sa.func.count()).select_from(self.b).where(self.b.c.year == YEAR)).scalar_one()

    def exists(self):
        return self.execute(sa.select(1).select_from(self.b).where(self.b.c.year == YEAR).limit(1)).first() is not None

    def visits(self, count):
        self.new_visits(count)
        return list(range(1, count + 1))

    def delete(self, visit):
        self.execute(sa.delete(Visit.__table__).where(Visit.__table__.c.id == visit))

    def shelves(self, count):
        self.new_shelves(count)
        return list(range(1, count + 1))

    def delete_cascade(self, shelf):
        self.execute(sa.delete(Jar.__table__).where(Jar.__table__.c.shelf_id == shelf))
        self.execute(sa.delete(Shelf.__table__).where(Shelf.__table__.c.id == shelf))

    def new_books(self):
        return self.books[:BULK]

    def bulk_insert(self, books):
        self.execute(sa.insert(self.b), books)

    def ten_tags(self):
        return list(range(1, 11))

    def add_tags(self, loaded, tags):
        self.execute(sa.insert(book_tags), [{"book_id": loaded, "tag_id": tag} for tag in tags])

    def list_tags(self, loaded):
        joined = sa.join(self.t, book_tags, self.t.c.id == book_tags.c.tag_id)
        return self.execute(sa.select(self.t).select_from(joined).where(book_tags.c.book_id == loaded)).all()


class Orm(Both):
    def __init__(self, engine, place):
        super().__init__(engine, place)
        self.session = sessionmaker(self.engine)()
        self.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})

    def execute(self, *args):
        return self.session.execute(*args)

    def begin(self):
        self.session.rollback()
        self.session.close()
        self.session.begin()

    def rollback(self):
        self.session.rollback()
        self.session.close()
        self.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})

    def get(self, key):
        self.session.expunge_all()
        return self.session.get_one(Book, key)

    def filter_100(self):
        self.session.expunge_all()
        return self.session.scalars(sa.select(Book).where(Book.year == YEAR)).all()

    def select_related_100(self):
        self.session.expunge_all()
        question = sa.select(Book).options(joinedload(Book.author, innerjoin=True)).where(Book.year == YEAR)
        return self.session.scalars(question).all()

    def insert(self, number):
        made = Book(**self.books[number % 1000])
        self.session.add(made)
        self.session.flush()
        return made

    def loaded(self, key):
        return self.session.get_one(Book, key)

    def update(self, loaded, stock):
        loaded.stock = stock
        self.session.flush()

    def count(self):
        return self.session.scalar(sa.select(sa.func.count()).select_from(Book).where(Book.year == YEAR))

    def exists(self):
        return self.session.scalar(sa.select(sa.exists().where(Book.year == YEAR)))

    def visits(self, count):
        self.new_visits(count)
        return self.session.scalars(sa.select(Visit)).all()

    def delete(self, visit):
        self.session.delete(visit)
        self.session.flush()

    def shelves(self, count):
        self.new_shelves(count)
        return self.session.scalars(sa.select(Shelf)).all()

    def delete_cascade(self, shelf):
        self.session.delete(shelf)
        self.session.flush()

    def new_books(self):
        return [Book(**values) for values in self.books[:BULK]]

    def bulk_insert(self, books):
        self.session.add_all(books)
        self.session.flush()

    def ten_tags(self):
        return self.session.scalars(sa.select(Tag).where(Tag.id <= 10)).all()

    def add_tags(self, loaded, tags):
        loaded.tags.add_all(tags)
        self.session.flush()

    def list_tags(self, loaded):
        return self.session.scalars(loaded.tags.select()).all()

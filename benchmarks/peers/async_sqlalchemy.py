"""SQLAlchemy's AsyncSession on asyncpg: one session that forgets what it has loaded."""

import sqlalchemy as sa
from _library import YEAR, book
from persistence_sqlalchemy import Book, Jar, Shelf
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload


class Library:
    def __init__(self):
        self.books = [book(number) for number in range(1000)]

    async def connect(self, place):
        url = place["url"].replace("postgresql://", "postgresql+asyncpg://")
        arguments = {"server_settings": {"search_path": place["schema"]}}
        self.session = async_sessionmaker(create_async_engine(url, connect_args=arguments))()
        await self.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})

    async def rows(self, sql):
        return [tuple(row) for row in await self.session.execute(sa.text(sql))]

    async def begin(self):
        await self.session.rollback()
        await self.session.close()
        await self.session.begin()

    async def rollback(self):
        await self.session.rollback()
        await self.session.close()
        await self.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})

    async def get(self, key):
        self.session.expunge_all()
        return await self.session.get_one(Book, key)

    async def filter_100(self):
        self.session.expunge_all()
        return (await self.session.scalars(sa.select(Book).where(Book.year == YEAR))).all()

    async def select_related_100(self):
        self.session.expunge_all()
        question = sa.select(Book).options(joinedload(Book.author, innerjoin=True)).where(Book.year == YEAR)
        return (await self.session.scalars(question)).all()

    async def insert(self, number):
        made = Book(**self.books[number % 1000])
        self.session.add(made)
        await self.session.flush()
        return made

    async def loaded(self, key):
        return await self.session.get_one(Book, key)

    async def update(self, loaded, stock):
        loaded.stock = stock
        await self.session.flush()

    async def count(self):
        return await self.session.scalar(sa.select(sa.func.count()).select_from(Book).where(Book.year == YEAR))

    async def exists(self):
        return await self.session.scalar(sa.select(sa.exists().where(Book.year == YEAR)))

    async def shelves(self, count):
        rows = [{"id": key, "name": "jam"} for key in range(1, count + 1)]
        await self.session.execute(sa.insert(Shelf.__table__), rows)
        jars = [{"shelf_id": key, "label": "plums"} for key in range(1, count + 1) for _ in range(10)]
        await self.session.execute(sa.insert(Jar.__table__), jars)
        return (await self.session.scalars(sa.select(Shelf))).all()

    async def delete_cascade(self, shelf):
        await self.session.delete(shelf)
        await self.session.flush()

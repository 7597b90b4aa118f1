"""asyncpg and prepared text on one connection. Rows are asyncpg's records."""

import asyncpg
from _library import YEAR
from persistence_bare import Bare


class Library(Bare):
    mark = "%s"

    def __init__(self):
        super().__init__()
        for name, text in list(vars(self).items()):
            if name.endswith("_sql"):
                setattr(self, name, numbered(text))
        self.returning_sql = f"{self.insert_sql} RETURNING id"

    async def connect(self, place):
        self.connection = await asyncpg.connect(place["url"], server_settings={"search_path": place["schema"]})

    async def rows(self, sql):
        return [tuple(row) for row in await self.connection.fetch(sql)]

    async def begin(self):
        await self.connection.execute("BEGIN")

    async def rollback(self):
        await self.connection.execute("ROLLBACK")

    async def get(self, key):
        return await self.connection.fetchrow(self.get_sql, key)

    async def filter_100(self):
        return await self.connection.fetch(self.filter_sql, YEAR)

    alist_100 = filter_100

    async def select_related_100(self):
        return await self.connection.fetch(self.related_sql, YEAR)

    async def insert(self, number):
        return await self.connection.fetchval(self.returning_sql, *self.values[number % 1000])

    async def loaded(self, key):
        return key

    async def update(self, loaded, stock):
        return await self.connection.execute(self.update_sql, stock, loaded)

    async def count(self):
        return await self.connection.fetchval(self.count_sql, YEAR)

    async def exists(self):
        return await self.connection.fetchval(self.exists_sql, YEAR) is not None

    async def shelves(self, count):
        await self.connection.executemany(self.shelf_sql, [(key, "jam") for key in range(1, count + 1)])
        jars = [(key, "plums") for key in range(1, count + 1) for _ in range(10)]
        await self.connection.executemany(self.jar_sql, jars)
        return list(range(1, count + 1))

    async def delete_cascade(self, shelf):
        await self.connection.execute(self.delete_jars_sql, shelf)
        await self.connection.execute(self.delete_shelf_sql, shelf)


def numbered(text):
    """The statement with $1, $2 ... for parameters."""
    first, *rest = text.split("%s")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))

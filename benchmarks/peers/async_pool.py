"""asyncpg as applications use it: each question takes a connection of asyncpg's pool. Writes are those of `async_bare`.

The pool resets a connection that comes back, by a statement of its own.
"""

import asyncpg
from _library import YEAR
from async_bare import Library as OneConnection


class Library(OneConnection):
    async def connect(self, place):
        await super().connect(place)
        settings = {"search_path": place["schema"]}
        self.pool = await asyncpg.create_pool(place["url"], min_size=1, max_size=4, server_settings=settings)

    async def get(self, key):
        return await self.pool.fetchrow(self.get_sql, key)

    async def filter_100(self):
        return await self.pool.fetch(self.filter_sql, YEAR)

    alist_100 = filter_100

    async def select_related_100(self):
        return await self.pool.fetch(self.related_sql, YEAR)

    async def count(self):
        return await self.pool.fetchval(self.count_sql, YEAR)

    async def exists(self):
        return await self.pool.fetchval(self.exists_sql, YEAR) is not None

"""What Django's models and webframe's are asked in the same words."""

from _library import YEAR, book


class Models:
    """The operations; `Book`, `Jar` and `Shelf` are the models of the contender."""

    def __init__(self):
        self.books = [book(number) for number in range(1000)]

    async def get(self, key):
        return await self.Book.objects.aget(pk=key)

    async def filter_100(self):
        return [row async for row in self.Book.objects.filter(year=YEAR)]

    async def select_related_100(self):
        return [row async for row in self.Book.objects.select_related("author").filter(year=YEAR)]

    async def insert(self, number):
        return await self.Book.objects.acreate(**self.books[number % 1000])

    async def loaded(self, key):
        return await self.Book.objects.aget(pk=key)

    async def update(self, loaded, stock):
        loaded.stock = stock
        await loaded.asave(update_fields=["stock"])

    async def count(self):
        return await self.Book.objects.filter(year=YEAR).acount()

    async def exists(self):
        return await self.Book.objects.filter(year=YEAR).aexists()

    async def shelves(self, count):
        shelves = await self.Shelf.objects.abulk_create([self.Shelf(id=key, name="jam") for key in range(1, count + 1)])
        jars = [self.Jar(shelf=shelf, label="plums") for shelf in shelves for _ in range(10)]
        await self.Jar.objects.abulk_create(jars)
        return shelves

    async def delete_cascade(self, shelf):
        await shelf.adelete()

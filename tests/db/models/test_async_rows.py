"""Rows that async code takes from the database as they come, on every engine and however the loop ends."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing

import pytest

from webframe.db import transaction

from .library import Tag


@pytest.fixture(autouse=True)
def tags(library):
    """A hundred rows, named by their numbers."""
    Tag.objects.all().delete()
    Tag.objects.bulk_create([Tag(name=str(number)) for number in range(100)])


def rows(size=10):
    return Tag.objects.order_by("pk").aiterator(chunk_size=size)


def test_rows_are_saved_while_others_come():
    async def main():
        async for tag in rows():
            tag.name = f"x{tag.name}"
            await tag.asave()
        assert await Tag.objects.filter(name__startswith="x").acount() == 100

    asyncio.run(main())


def test_a_transaction_reads_and_writes_at_the_same_time():
    async def main():
        async with transaction.atomic():
            async with aclosing(rows()) as some:
                async for tag in some:
                    await Tag.objects.filter(pk=tag.pk).aupdate(name=f"x{tag.name}")
                    if tag.name == "24":
                        break
            assert await Tag.objects.filter(name__startswith="x").acount() == 25
        assert await Tag.objects.filter(name__startswith="x").acount() == 25

    asyncio.run(main())


def test_several_streams_do_not_disturb_each_other():
    async def length(size):
        return len([tag async for tag in rows(size)])

    async def main():
        one, other = rows(10), Tag.objects.order_by("-pk").aiterator(chunk_size=7)
        assert [(await anext(one)).name for _ in range(15)] == [str(number) for number in range(15)]
        assert [(await anext(other)).name for _ in range(15)] == [str(99 - number) for number in range(15)]
        await one.aclose()
        assert len([tag async for tag in other]) == 85
        assert await asyncio.gather(*map(length, (1, 3, 100, 1000))) == [100] * 4

    asyncio.run(main())


@pytest.mark.parametrize("read", range(1, 26, 3))
def test_a_reader_that_is_cancelled_leaves_nothing_open(read):
    async def reader(seen):
        async for tag in rows():
            seen.append(tag)
            await asyncio.sleep(0)

    async def main():
        seen = []
        task = asyncio.create_task(reader(seen))
        while len(seen) < read:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await Tag.objects.all().adelete() == (100, {"library.Tag": 100})

    asyncio.run(main())


def test_a_loop_that_is_left_without_closing_is_closed_when_python_comes_across_it():
    async def main():
        async for _ in rows():
            break
        gc.collect()
        await asyncio.sleep(0)
        assert await Tag.objects.acount() == 100

    asyncio.run(main())


def test_rows_come_in_the_transaction_of_the_thread_around_the_event_loop():
    async def main():
        async for tag in rows():
            await Tag.objects.filter(pk=tag.pk).aupdate(name="x")
        assert await Tag.objects.filter(name="x").acount() == 100

    with pytest.raises(RuntimeError), transaction.atomic():
        asyncio.run(main())
        raise RuntimeError
    assert Tag.objects.filter(name="x").count() == 0

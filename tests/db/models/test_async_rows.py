"""Rows that async code takes from the database as they come, on every engine and however the loop ends."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import aclosing, nullcontext, suppress

import pytest

from webframe.db import transaction
from webframe.db.models.related.prefetch import _keep_in_managers, keep_one
from webframe.db.models.twins import AsyncRows
from webframe.greenlets import bridge
from webframe.waiting import TURN

from .library import Author, Book, Tag


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


def test_a_reader_that_is_cancelled_while_it_ends_its_query_hears_of_it():
    async def main():
        some = rows()
        await anext(some)
        ending = asyncio.create_task(some.aclose())
        await asyncio.sleep(0)
        if not ending.done():  # the query has to be ended in a thread, or by the server
            ending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await ending
        assert await Tag.objects.acount() == 100

    asyncio.run(main())


@pytest.mark.parametrize("within", [False, True], ids=["alone", "in a transaction"])
def test_the_garbage_collector_does_not_wait_in_the_greenlet_of_another_task(within):
    async def main():
        async with transaction.atomic() if within else nullcontext():
            some = rows()
            await anext(some)
            cycle = [some]
            cycle.append(cycle)
            del some, cycle
            # What waits there would hear of a cancellation in place of the task, and Python throws that away.
            collecting = asyncio.create_task(bridge(gc.collect))
            await asyncio.sleep(0)
            assert collecting.done()
            assert await Tag.objects.acount() == 100

    asyncio.run(main())


def test_a_loop_that_is_left_without_closing_is_closed_when_python_comes_across_it():
    async def main():
        async for _ in rows():
            break
        gc.collect()
        await asyncio.sleep(0)
        assert await Tag.objects.acount() == 100

    asyncio.run(main())


@pytest.fixture
def many(library):
    """More rows than are dealt with in one turn of an event loop; their numbers in the order of their names."""
    Tag.objects.bulk_create([Tag(name=f"y{number:05}") for number in range(2 * TURN + 10)])
    return Tag.objects.filter(name__startswith="y").order_by("name")


class Turns:
    """Counts the turns of an event loop."""

    async def __aenter__(self):
        self.number = 0
        self.task = asyncio.create_task(self.go_round())
        return self

    async def go_round(self):
        while True:
            self.number += 1
            await asyncio.sleep(0)

    async def __aexit__(self, *error):
        self.task.cancel()


@pytest.mark.parametrize("size", [1, 500, 3 * TURN])
def test_other_tasks_have_their_turn_while_an_iterator_hands_out_what_is_there_already(library, size):
    class Known(AsyncRows):
        def iterator(self, chunk_size):
            return iter(range(5 * TURN))

    async def main():
        async with Turns() as turns:
            assert [row async for row in Known().aiterator(size)] == list(range(5 * TURN))
            assert turns.number >= 4

    asyncio.run(main())


@pytest.mark.parametrize("shape", ["objects", "tuples", "narrow"])
def test_very_many_rows_are_made_and_handed_out_in_turns_with_other_tasks(many, shape):
    asked = {"objects": many.all, "tuples": lambda: many.values_list("pk", "name"), "narrow": lambda: many.only("name")}

    async def main():
        plain = await bridge(list, asked[shape]())
        queryset = asked[shape]()
        async with Turns() as turns:
            kept = await queryset.alist()
            before = turns.number
            handed_out = [row async for row in queryset]
            assert turns.number >= before + 2
        assert handed_out == kept == plain and len(plain) == 2 * TURN + 10
        assert all(one is other for one, other in zip(handed_out, kept, strict=True))
        names = [row[1] if shape == "tuples" else row.name for row in kept]
        assert names == [f"y{number:05}" for number in range(2 * TURN + 10)]

    asyncio.run(main())


def test_very_many_related_rows_are_kept_in_turns_with_other_tasks(library):
    keys = range(2 * TURN + 10)
    books = [Book(pk=key, title="x", author_id=key) for key in keys]
    authors = {key: [Author(pk=key)] for key in keys}

    async def main():
        async with Turns() as turns:
            await bridge(keep_one, books, authors, lambda book: book.author_id, "author", True, True)
            one = turns.number
            await bridge(_keep_in_managers, books, {}, lambda book: book.pk, "tags", "tags", None)
            assert one >= 2 and turns.number >= one + 2
        assert [book.author.pk for book in books] == list(keys)
        assert [await book.tags.acount() for book in books[:3]] == [0, 0, 0]

    asyncio.run(main())


def test_two_tasks_that_read_very_many_rows_of_one_queryset_have_the_same_instances(many):
    async def main():
        queryset = many.all()
        first, second, third = await asyncio.gather(queryset.alist(), read(queryset), bridge(list, queryset))
        assert len(first) == 2 * TURN + 10
        assert list(map(id, first)) == list(map(id, second)) == list(map(id, third))

    async def read(queryset):
        return [tag async for tag in queryset]

    asyncio.run(main())


@pytest.mark.parametrize("greedy", [False, True])
def test_no_row_of_an_iterator_is_lost_that_tasks_share_also_where_one_takes_all_it_can_get(many, greedy):
    async def main():
        rows = aiter(many)
        found = [(await anext(rows)).name]

        async def take():
            while (row := await anext(rows, None)) is not None:
                found.append(row.name)
                if not greedy:
                    await asyncio.sleep(0)

        if sys.version_info >= (3, 12):  # an asynchronous generator is for one task at a time
            await asyncio.gather(take(), take(), take())
        else:
            await take()
        assert found == names

    names = [f"y{number:05}" for number in range(5 * TURN)]
    Tag.objects.bulk_create([Tag(name=name) for name in names[2 * TURN + 10 :]])
    asyncio.run(main())


def test_a_task_that_is_cancelled_while_others_have_their_turn_leaves_the_rows_to_the_next(many):
    async def main():
        rows = aiter(many)
        for _ in range(TURN):
            await anext(rows)
        waiting = asyncio.create_task(anext(rows, None))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        assert (await anext(rows)).name == f"y{TURN:05}"

    if sys.version_info >= (3, 12):  # an asynchronous generator has ended then
        asyncio.run(main())


def test_an_iterator_of_very_many_rows_that_was_closed_hands_out_no_more(many):
    async def main():
        rows = aiter(many)
        await anext(rows)
        await rows.aclose()
        assert await anext(rows, None) is None

    async def others():
        rows = aiter(many)
        for _ in range(TURN):
            await anext(rows)
        waiting = asyncio.create_task(anext(rows, None))
        await asyncio.sleep(0)
        await rows.aclose()
        assert await waiting is None

    asyncio.run(main())
    if sys.version_info >= (3, 12):  # an asynchronous generator is for one task at a time
        asyncio.run(others())


def test_making_very_many_rows_can_be_cancelled_and_done_again(many):
    async def main():
        queryset = many.all()
        for turns in range(1, 6):
            task = asyncio.create_task(queryset.alist())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert len(await queryset.alist()) == 2 * TURN + 10

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

"""Plain code that async code runs in workers, within its transaction."""

from __future__ import annotations

import asyncio

import pytest

from webframe.db.transaction import atomic
from webframe.workers import run

from .bank import Note

pytestmark = pytest.mark.usefixtures("bank")


async def test_plain_code_of_several_tasks_takes_part_in_the_transaction_of_all():
    def add(number: int) -> int:
        Note.objects.create(text=str(number))
        return Note.objects.count()

    async def later(number: int) -> int:
        # The worker is in the middle of a statement of somebody else by then.
        for _ in range(number):
            await asyncio.sleep(0)
        return await run(add, number)

    async with atomic():
        counts = await asyncio.gather(*(later(number) for number in range(20)))
    assert sorted(counts) == list(range(1, 21))

"""Event loops and their pools: loops that end, and pools that end before their loop."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncGenerator

import pytest

from webframe.db import connections
from webframe.db.transaction import atomic

from .bank import Note

pytestmark = pytest.mark.usefixtures("bank")


async def test_a_pool_that_was_disposed_of_leaves_the_next_one_of_its_loop_alone():
    await Note.objects.acount()
    wrapper, loop = connections["default"], asyncio.get_running_loop()
    wrapper.dispose()
    await Note.objects.acount()
    pool = wrapper.loop_pool(loop)
    gc.collect()
    await asyncio.sleep(0.05)  # what the collector found has an end of its own
    wrapper._last_pool = None  # as if another loop had asked
    assert wrapper.loop_pool(loop) is pool


def test_generators_that_are_closed_with_their_loop_may_ask_yet(witness):
    connections.close_all()
    counted: list[int] = []
    left: list[AsyncGenerator[None]] = []

    async def generate() -> AsyncGenerator[None]:
        try:
            async with atomic():
                await Note.objects.acreate(text="never")
                yield
        finally:
            counted.append(await Note.objects.acount())

    async def main() -> None:
        left.append(generate())
        await anext(left[0])

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(main())
        connections["default"].dispose()
        gc.collect()
    assert counted == [0]
    assert [str(warning.message) for warning in said] == []
    witness.wait_until(lambda: witness.connections() == 0, "a connection has outlived its loop")

"""Event loops and their pools: loops that end, and pools that end before their loop."""

from __future__ import annotations

import asyncio
import gc

import pytest

from webframe.db import connections

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

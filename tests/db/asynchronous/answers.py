"""What awaiting something gives, in terms that can be compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from webframe.db import connection, models
from webframe.db.backends.pools import LoopPool


def pool() -> LoopPool:
    """The pool of this event loop."""
    found: LoopPool = connection.loop_pool(asyncio.get_running_loop())
    return found


async def result_of(question: Callable[[], Any]) -> Any:
    """What awaiting it gives, in terms that can be compared, or the error."""
    try:
        answer = question()
        return told([row async for row in answer] if hasattr(answer, "__aiter__") else await answer)
    except Exception as error:
        return type(error), str(error)


def told(value: Any) -> Any:
    """An instance by its class and attributes, a list by what is in it, and everything else by its repr."""
    if isinstance(value, models.Model):
        return type(value), {name: told(each) for name, each in sorted(vars(value).items())}
    if isinstance(value, list):
        return [told(each) for each in value]
    return repr(value)

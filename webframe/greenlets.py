"""Plain code that suspends the task it runs in: the bridge from ``async def`` into code that waits by `waiting.wait`.

    async def asave(self):
        await bridge(self.save)

`bridge` calls a plain function in a greenlet, within the task and the context of
whoever awaits it. Where the function has to wait, `waiting.wait` hands the
awaitable to the task, which awaits it and carries on with the function
afterwards; the event loop is free meanwhile. So code that is written once
serves both worlds, and stays one task and one context throughout.

A function that never waits never suspends. Greenlets are kept and used again,
because making one costs several times as much as all the rest.
"""

from __future__ import annotations

# Type checkers know this name; importing it from typing would be most of what importing this costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")


def bridge(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
    """Call a plain function that may wait, without blocking the event loop: what it waits for, this task awaits.

    To be awaited. The function runs in that task and its context, in this thread. A
    cancellation is raised at the place where it waits.
    """
    return (_bridge or _load())(function, *args, **kwargs)


# What does it, once it was needed.
_bridge: Callable[..., Coroutine[Any, Any, Any]] | None = None


def _load() -> Callable[..., Coroutine[Any, Any, Any]]:
    global _bridge
    from webframe._greenlets import bridge

    _bridge = bridge
    return bridge

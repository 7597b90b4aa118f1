"""One transaction for each request: a middleware that commits what a view has done, or none of it.

    from webframe.contrib.atomic import atomic_requests, non_atomic_requests

    app.middleware(atomic_requests)

It does what Django's ATOMIC_REQUESTS does, and reads it: every database with
``ATOMIC_REQUESTS: True`` has its transaction, or "default" where no database
says so. The transaction begins at the first query, so a request that asks
nothing of the database costs it nothing.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeVar, overload

from webframe.core.handlers.endpoints import plain_twin
from webframe.db import transaction
from webframe.db.connections import DEFAULT_ALIAS, connections
from webframe.http.request import Request
from webframe.waiting import is_async
from webframe.workers import run

View = TypeVar("View", bound=Callable[..., Any])

# Where a view keeps the aliases that it wants no transaction for; None stands for all.
_MARK = "_non_atomic_requests"


def _atomic_plain_requests(request: Request) -> Generator[Any, Any, Any]:
    blocks, aliases = ExitStack(), _aliases_for(request)
    with blocks:
        _enter(blocks, aliases)
        yield
        _roll_back_if_failed(request, aliases)


@plain_twin(_atomic_plain_requests)
async def atomic_requests(request: Request) -> AsyncGenerator[Any, Any]:
    """Middleware: an atomic block around the view and the middleware further in.

    It is rolled back when any of them raises an error, also one that becomes an
    answer, such as `Http404` or one with an error handler; an answer that is
    returned is committed, whatever its status. A streamed body is made after
    the commit.

    The view's own code, what it awaits and what it runs in a worker are in the
    transaction. Its connection is of the kind that the view uses: that of an async
    driver for an async view.
    """
    aliases = _aliases_for(request)
    if not aliases:
        yield
    elif is_async(request.route.view):
        async with AsyncExitStack() as blocks:
            for alias in aliases:
                await blocks.enter_async_context(transaction.atomic(using=alias))
            yield
            _roll_back_if_failed(request, aliases)
    else:
        stack = ExitStack()
        await run(_enter, stack, aliases)
        try:
            yield
        except BaseException:
            await run(stack.__exit__, *sys.exc_info())
            raise
        _roll_back_if_failed(request, aliases)
        await run(stack.__exit__, None, None, None)


@overload
def non_atomic_requests(using: View) -> View: ...
@overload
def non_atomic_requests(using: str | None = None) -> Callable[[View], View]: ...
def non_atomic_requests(using: Any = None) -> Any:
    """Decorate a view that runs without the transaction of `atomic_requests`: of one database, or of all.

    It stands below the decorator of the route::

        @app.post("/orders")
        @non_atomic_requests
        def order(request): ...
    """
    if callable(using):
        return _marked(using, None)
    return lambda view: _marked(view, using)


def _marked(view: View, alias: str | None) -> View:
    setattr(view, _MARK, {alias, *getattr(view, _MARK, ())})
    return view


def _aliases_for(request: Request) -> list[str]:
    """The databases that a request has a transaction in."""
    databases = connections.databases
    aliases = [alias for alias, entry in databases.items() if entry["ATOMIC_REQUESTS"]]
    if not aliases and DEFAULT_ALIAS in databases:
        aliases = [DEFAULT_ALIAS]
    without = getattr(request.route.view, _MARK, ())
    return [] if None in without else [alias for alias in aliases if alias not in without]


def _enter(blocks: ExitStack, aliases: list[str]) -> None:
    for alias in aliases:
        blocks.enter_context(transaction.atomic(using=alias))


def _roll_back_if_failed(request: Request, aliases: list[str]) -> None:
    if request.failed:
        for alias in aliases:
            transaction.set_rollback(True, using=alias)

"""Claim: models in async code cost the client little more than the async driver does.

`bare` is asyncpg with prepared text on one connection, which nobody else can use; `pool` is asyncpg with its pool,
which resets each connection that comes back. Their rows are records; all others give objects. Each contender has a
schema of its own in the database that BENCH_POSTGRESQL names (a URL), with the same tables and rows (see _library.py).
Django and webframe give a hundred objects by `async for`; in alist_100 they come in one list. Writes are done within a
transaction that is rolled back after the batch. What is measured is the CPU time of the client. The cases of SQLite
compare asking from async code with asking from plain code, which is `bare` there.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from _harness import Batch, Case, Goal, repeat, run
from _library import BOOKS, POSTGRESQL, YEAR, book, postgresql_databases, sqlite_files

PEERS = {
    "bare": "async_bare",
    "bare again": "async_bare",
    "pool": "async_pool",
    "webframe": "async_webframe",
    "django": "async_django",
    "sqlalchemy": "async_sqlalchemy",
    "tortoise": "async_tortoise",
}

loop = asyncio.new_event_loop()

# What contenders keep in context variables when they connect.
shared = contextvars.copy_context()


def run_in(context: contextvars.Context, coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine in a context that others have been run in before."""
    loop.run_until_complete(loop.create_task(coroutine, context=context))


class Reading:
    """A batch of one operation that changes nothing."""

    def __init__(self, operation: Callable[[], Awaitable[Any]]) -> None:
        self.operation = operation

    def __call__(self, times: int) -> None:
        run_in(shared, self._run(times))

    async def _run(self, times: int) -> None:
        operation = self.operation
        for _ in range(times):
            await operation()


class Writing:
    """A batch of operations within one transaction that is rolled back; what they work on is made beforehand."""

    def __init__(
        self,
        contender: Any,
        operation: Callable[[Any], Awaitable[Any]],
        material: Callable[[int], Awaitable[Sequence[Any]]],
    ) -> None:
        self.contender = contender
        self.operation = operation
        self.material = material
        self.ready: Sequence[Any] = ()
        # Which transaction code is in is a matter of its context, and that of these three tasks is the same one.
        self.context = shared

    def prepare(self, times: int) -> None:
        self.context = shared.copy()
        run_in(self.context, self._prepare(times))

    async def _prepare(self, times: int) -> None:
        await self.contender.begin()
        self.ready = await self.material(times)

    def __call__(self, times: int) -> None:
        run_in(self.context, self._run())

    async def _run(self) -> None:
        operation = self.operation
        for each in self.ready:
            await operation(each)

    def finish(self) -> None:
        self.ready = ()
        run_in(self.context, self.contender.rollback())


async def verify(name: str, contender: Any) -> None:
    """Raise AssertionError unless the contender does what it is asked for."""

    def same(what: str, found: Any, expected: Any) -> None:
        assert found == expected, f"{name}: {what} gives {found!r}, not {expected!r}"

    def title(each: Any) -> Any:
        return each.title if hasattr(each, "title") else each[2]

    expected = [book(number)["title"] for number in range(BOOKS) if book(number)["year"] == YEAR]
    same("get", title(await contender.get(7)), "The book number 6")
    same("filter_100", [title(each) for each in await contender.filter_100()], expected)
    same("select_related_100", [title(each) for each in await contender.select_related_100()], expected)
    same("count", await contender.count(), 100)
    same("exists", bool(await contender.exists()), True)


async def verify_writing(name: str, contender: Any) -> None:
    """The same for what is written, in a transaction that is rolled back."""
    await contender.begin()
    await contender.insert(5)
    found = await contender.rows("SELECT count(*) FROM book")
    assert found == [(BOOKS + 1,)], f"{name}: insert gives {found}"
    await contender.update(await contender.loaded(3), 77)
    found = await contender.rows("SELECT stock FROM book WHERE id = 3")
    assert found == [(77,)], f"{name}: update gives {found}"
    if hasattr(contender, "shelves"):
        first, _ = await contender.shelves(2)
        await contender.delete_cascade(first)
        found = await contender.rows("SELECT (SELECT count(*) FROM jar), (SELECT count(*) FROM shelf)")
        assert found == [(10, 1)], f"{name}: delete_cascade gives {found}"
    await contender.rollback()


def batches(contender: Any) -> dict[str, Any]:
    """Every operation of a contender, by the name of its case."""

    async def numbers(times: int) -> Sequence[int]:
        return range(times)

    async def changes(times: int) -> Sequence[Any]:
        loaded = await contender.loaded(3)
        return [(loaded, stock) for stock in range(1, times + 1)]

    found: dict[str, Any] = {
        "get": Reading(lambda: contender.get(7)),
        "filter_100": Reading(contender.filter_100),
        "select_related_100": Reading(contender.select_related_100),
        "count": Reading(contender.count),
        "exists": Reading(contender.exists),
        "insert": Writing(contender, contender.insert, numbers),
        "update": Writing(contender, lambda pair: contender.update(*pair), changes),
    }
    if hasattr(contender, "alist_100"):
        found["alist_100"] = Reading(contender.alist_100)
    if hasattr(contender, "shelves"):
        found["delete_cascade_10"] = Writing(contender, contender.delete_cascade, contender.shelves)
    return found


made: dict[str, dict[str, Any]] = {}


def places() -> dict[str, dict[str, str]]:
    """Where each contender finds its rows: the URL, the schema, both in one URL, and a file of SQLite."""
    url = os.environ.get(POSTGRESQL, "")
    full = postgresql_databases(list(PEERS))
    file = f"sqlite:///{sqlite_files(['webframe'])['webframe']}"
    return {
        name: {"url": url, "schema": f"bench_{name.replace(' ', '_')}", "full": full[name], "file": file}
        for name in PEERS
    }


def build_all() -> None:
    """Connect all contenders and see that they are right."""
    for name, place in places().items():
        contender = importlib.import_module(PEERS[name]).Library()
        run_in(shared, contender.connect(place))
        run_in(shared, verify(name, contender))
        run_in(shared.copy(), verify_writing(name, contender))
        made[name] = batches(contender)


def build(case: str) -> Mapping[str, Batch]:
    if not made:
        build_all()
    return {name: found[case] for name, found in made.items() if case in found}


def build_sqlite(case: str) -> Mapping[str, Batch]:
    if not made:
        build_all()
    file = sys.modules["async_webframe"].File()
    plain = getattr(file, case)
    return {"bare": repeat(plain), "bare again": repeat(plain), "webframe": Reading(getattr(file, f"a{case}"))}


def main() -> None:
    def goals(bare: float, tortoise: float = 0, others: float = 0) -> list[Goal]:
        found = [Goal("webframe", "bare", bare)]
        if tortoise:
            found.append(Goal("webframe", "tortoise", 1 / tortoise))
        if others:
            found += [Goal("webframe", "django", 1 / others), Goal("webframe", "sqlalchemy", 1 / others)]
        return found

    wanted = {
        "get": goals(1.5, 3, 5),
        "filter_100": goals(1.5, 3),
        "alist_100": goals(1.5),
        "select_related_100": [Goal("webframe", "tortoise", 1 / 3)],
        "count": [Goal("webframe", "tortoise", 1 / 3)],
        "exists": [],
        "insert": goals(1.7, others=3.5),
        "update": goals(1.7),
        "delete_cascade_10": goals(2.3),
    }
    cases = [Case(name, lambda name=name: build(name), found) for name, found in wanted.items()]
    cases += [
        Case(f"sqlite_{name}", lambda name=name: build_sqlite(name), goals(3) if name == "get" else [])
        for name in ("get", "filter_100")
    ]
    run(__doc__, cases, packages=["asyncpg", "django", "sqlalchemy", "tortoise-orm"], processes=5)


if __name__ == "__main__":
    main()

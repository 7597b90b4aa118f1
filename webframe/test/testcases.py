"""Test cases that use databases: `TestCase`, `TransactionTestCase`, `LiveServerTestCase`; and `SimpleTestCase`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, ClassVar

from webframe.db.connections import DEFAULT_ALIAS, connections
from webframe.db.errors import IntegrityError
from webframe.db.fixtures.loading import load_fixtures
from webframe.greenlets import bridge
from webframe.test.db import capture_on_commit, emptied, rolled_back
from webframe.test.features import skipIfDBFeature as skipIfDBFeature
from webframe.test.features import skipUnlessAnyDBFeature as skipUnlessAnyDBFeature
from webframe.test.features import skipUnlessDBFeature as skipUnlessDBFeature
from webframe.test.live_server import LiveServer
from webframe.test.queries import count_queries
from webframe.test.simple import SimpleTestCase as SimpleTestCase
from webframe.waiting import is_async

# Lines of this file are no news to those who read why a test has failed; unittest and pytest leave them out.
__unittest = True


class TransactionTestCase(SimpleTestCase):
    """Tests that commit, as they would outside of tests: after each the databases have the rows that they had before.

    That is slow. Use it where commits, several threads or a real server are what
    is tested; everything else is for `TestCase`.
    """

    databases: ClassVar[Iterable[str]] = frozenset({DEFAULT_ALIAS})
    # Names of fixtures that are loaded before each test, into each of the databases.
    fixtures: ClassVar[Iterable[str] | None] = None
    # Whether keys that a database gives out begin with 1 in each test.
    reset_sequences: ClassVar[bool] = False

    def _begin(self) -> None:
        super()._begin()
        if "_aliases" not in vars(type(self)):
            name = type(self).__qualname__
            raise RuntimeError(
                f"The databases of {name} are not set up: does its setUpClass() call super().setUpClass()? Outside of "
                f"a runner call {name}.setUpClass() and doClassCleanups() yourself."
            )
        if self._aliases:
            self._begin_in_databases()

    def _begin_in_databases(self) -> None:
        self.enterContext(emptied(*self._aliases, reset_sequences=self.reset_sequences))
        self._load_fixtures()

    @classmethod
    def _load_fixtures(cls) -> None:
        labels = tuple(cls.fixtures or ())
        for alias in cls._aliases if labels else ():
            load_fixtures(*labels, using=alias)

    # --- assertions -----------------------------------------------------------------------------------------------

    def assertNumQueries(
        self, num: int, func: Callable[..., Any] | None = None, *args: Any, using: str = DEFAULT_ALIAS, **kwargs: Any
    ) -> Any:
        """A database is asked so many queries: by the block, ``with`` or ``async with``, or by a function.

        If the function is async, await what this returns.
        """
        block = count_queries(num, using=using)
        if func is None:
            return block
        if is_async(func):
            return _called_within(block, func, args, kwargs)
        with block:
            func(*args, **kwargs)
        return None

    def assertQuerySetEqual(
        self,
        qs: Iterable[Any],
        values: Iterable[Any],
        transform: Callable[[Any], Any] | None = None,
        ordered: bool = True,
        msg: str | None = None,
    ) -> None:
        """A queryset gives these values, in this order unless ``ordered=False``; `transform` is applied first.

        Raises ValueError if the order matters and the queryset has none.
        """
        expected = list(values)
        if ordered and len(expected) > 1 and not getattr(qs, "ordered", True):
            raise ValueError(
                "Trying to compare a queryset without an order with several values in order: give it an order_by(), or "
                "say ordered=False."
            )
        found = [transform(item) for item in qs] if transform is not None else list(qs)
        if ordered:
            self.assertEqual(found, expected, msg=msg)
        else:
            self.assertCountEqual(found, expected, msg=msg)

    async def aassertQuerySetEqual(self, *args: Any, **kwargs: Any) -> None:
        """Like `assertQuerySetEqual`, for use in async code."""
        await bridge(self.assertQuerySetEqual, *args, **kwargs)


class TestCase(TransactionTestCase):
    """Tests of which nothing stays in the databases: each runs in a transaction that is rolled back when it ends.

    What `setUpTestData` makes is there for all tests of the class, within a
    transaction around them. What waits for a commit waits for ever: see
    `captureOnCommitCallbacks`.
    """

    @classmethod
    def setUpClass(cls) -> None:
        """Begin the transactions around all tests of the class, and make its data."""
        super().setUpClass()
        if not cls._aliases:
            return
        cls.enterClassContext(_undone(cls._aliases))
        cls._load_fixtures()
        before = dict(vars(cls))
        _call(cls.setUpTestData)
        for name, value in list(vars(cls).items()):
            if value is not before.get(name):
                setattr(cls, name, TestData(name, value))

    @classmethod
    def setUpTestData(cls) -> None:
        """Make what all tests of the class find: ``cls.note = Note.objects.create()``. Each has a copy of its own."""

    def _begin_in_databases(self) -> None:
        self.enterContext(_undone(self._aliases, check_constraints=True))

    @classmethod
    def captureOnCommitCallbacks(cls, *, using: str = DEFAULT_ALIAS, execute: bool = False) -> capture_on_commit:
        """Collect what is to be called after the commit, and call it at the end of the block if `execute`.

        For ``with``, or ``async with`` where what is called has to wait.
        """
        return capture_on_commit(using, execute=execute)


class LiveServerTestCase(TransactionTestCase):
    """Tests with a real server for the application, which runs from before the first to after the last of the class.

    What a test wants it to see has to be committed, so each is a `TransactionTestCase`.
    """

    host: ClassVar[str] = "localhost"
    # 0: any that is free.
    port: ClassVar[int] = 0
    # Where it is, such as "http://localhost:40001".
    live_server_url: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        """Start the server."""
        super().setUpClass()
        server = LiveServer(cls.app, protocol=cls.protocol, host=cls.host, port=cls.port)
        cls.live_server_url = cls.enterClassContext(server).url


class TestData:
    """An attribute that `setUpTestData` has set: each test gets a copy of its own when it first asks.

    What refers to each other does so in the copies, too.
    """

    # pytest would take it for tests, by its name.
    __test__ = False

    def __init__(self, name: str, data: Any) -> None:
        self.name = name
        self.data = data

    def __get__(self, test: Any, owner: type[Any]) -> Any:
        if test is None:
            return self.data
        attributes = vars(test)
        if self.name not in attributes:
            copies: dict[int, Any] = attributes.setdefault("_copies_of_test_data", {})
            attributes[self.name] = deepcopy(self.data, copies)
        return attributes[self.name]

    def __repr__(self) -> str:
        return f"<TestData: {self.name}={self.data!r}>"


def _call(function: Callable[[], Any]) -> None:
    """Call a function; if it is async, in an event loop of its own, and in the transactions around it."""
    answer = function()
    if is_async(function):
        import asyncio

        asyncio.run(answer)


@contextmanager
def _undone(aliases: Iterable[str], *, check_constraints: bool = False) -> Iterator[None]:
    """What is done in these databases is undone at the end; it is an error then if it could not have been committed."""
    with rolled_back(*aliases):
        for alias in aliases:
            # Now, so that the beginning of the transaction is no query of the test.
            connections[alias].ensure_connection()
        yield
        if check_constraints:
            for alias in aliases:
                _check_constraints(connections[alias])


def _check_constraints(wrapper: Any) -> None:
    """Raise `IntegrityError` if rows refer to rows that are not there, which a commit would refuse."""
    if wrapper.get_rollback():
        return
    if wrapper.vendor == "postgresql":
        wrapper.run("SET CONSTRAINTS ALL IMMEDIATE")
        wrapper.run("SET CONSTRAINTS ALL DEFERRED")
    elif wrapper.vendor == "sqlite":
        broken = wrapper.fetch("PRAGMA foreign_key_check")
        if broken:
            table, row, target, _ = broken[0]
            others = f" (one of {len(broken)} such references)" if len(broken) > 1 else ""
            raise IntegrityError(
                f"Row {row} of {table!r} refers to a row of {target!r} that does not exist{others}. Outside of tests "
                "this could not have been committed."
            )


async def _called_within(
    block: count_queries, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    async with block:
        await function(*args, **kwargs)

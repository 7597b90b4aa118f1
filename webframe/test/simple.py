"""`SimpleTestCase`: test cases that use no database, and what all test cases have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from webframe.conf import close_match
from webframe.core.exceptions import ImproperlyConfigured
from webframe.test.assertions import Assertions
from webframe.test.blocking import blocker
from webframe.test.settings import modify_settings, override_settings
from webframe.waiting import is_async

if TYPE_CHECKING:
    import asyncio

    from webframe.test.client import AsyncClient, Client
    from webframe.test.features import Condition

# Lines of this file are no news to those who read why a test has failed; unittest and pytest leave them out.
__unittest = True


class SimpleTestCase(Assertions):
    """Tests that use no database; those that do inherit from `TestCase` or `TransactionTestCase`.

    Runs under unittest and pytest. A test may be an ``async def``, and so may
    `setUp`, `tearDown` and cleanups: they run in an event loop that the test has for
    itself. `setUp` and `tearDown` need not call those of this class; `setUpClass` has to.
    """

    # The application for the clients; None: the one that the command `webframe` finds.
    app: ClassVar[Any] = None
    # What `client` talks to it over: "wsgi" or "asgi".
    protocol: ClassVar[str] = "wsgi"
    # The classes of `client` and `async_client`, or where they are: they need httpx, and not every test needs them.
    client_class: ClassVar[Any] = "webframe.test.client.Client"
    async_client_class: ClassVar[Any] = "webframe.test.client.AsyncClient"
    # The aliases of the databases that may be used; "__all__" for all of them.
    databases: ClassVar[Iterable[str]] = frozenset()

    # What decides whether the tests are for this database; set by the decorators of `features.py`.
    _webframe_features: ClassVar[tuple[Condition, ...]] = ()
    # The event loop of the test, once something async has run.
    _runner: asyncio.Runner | None = None
    # The aliases that `databases` names, once the class is set up.
    _aliases: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:
        client: Client
        async_client: AsyncClient

    @classmethod
    def setUpClass(cls) -> None:
        """Let the tests use the databases of the class, and no others."""
        super().setUpClass()
        cls._aliases = cls._chosen_aliases()
        where = f"{cls.__module__}.{cls.__qualname__}"
        if cls._aliases:
            cls.enterClassContext(blocker.unblock(*cls._aliases, how_to_ask=_HOW_TO_ASK_FOR_MORE.format(case=where)))
        else:
            cls.enterClassContext(blocker.block(_HOW_TO_ASK.format(case=where)))
        for condition in cls._webframe_features:
            condition.check(cls)

    @classmethod
    def _chosen_aliases(cls) -> tuple[str, ...]:
        """The aliases that `databases` names; their test databases are made if that has not been done."""
        if not cls.databases:
            return ()
        # Those that use no database are not to load what knows how to.
        from webframe.db.connections import connections
        from webframe.test.databases import ensure_databases

        ensure_databases()
        names = tuple(connections) if cls.databases == "__all__" else tuple(cls.databases)
        for alias in names:
            if alias not in connections:
                raise ImproperlyConfigured(
                    f"{cls.__module__}.{cls.__qualname__}.databases names {alias!r}, which is not in DATABASES."
                    f"{close_match(str(alias), connections)}"
                )
        # A replica shows what is in another one, under the alias of that.
        return tuple(dict.fromkeys(connections[alias].alias for alias in names))

    # --- settings -------------------------------------------------------------------------------------------------

    def settings(self, **options: Any) -> override_settings:
        """A context manager within which settings have other values; see `override_settings`."""
        return override_settings(**options)

    def modify_settings(self, **operations: Any) -> modify_settings:
        """A context manager within which items are added to settings, or taken away; see `modify_settings`."""
        return modify_settings(**operations)

    # --- clients --------------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:

        @cached_property
        def client(self) -> Client:
            """A client of this test, with cookies of its own, closed when it ends."""
            client = _class_at(self.client_class)(self._own_app(), protocol=self.protocol)
            self.addCleanup(self._close_client, client)
            return client

        @cached_property
        def async_client(self) -> AsyncClient:
            """A client for ``async def`` tests, in whose event loop the application runs; closed when the test ends."""
            return _class_at(self.async_client_class)(self._own_app())

    def _own_app(self) -> Any:
        # Of the class: a function that is an application is no method of the test.
        return vars(self).get("app", type(self).app)

    def _close_client(self, client: Any) -> None:
        client.close()
        if vars(self).get("client") is client:
            del self.client

    # --- running a test -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """What comes before `setUp`; what it registers with addCleanup comes after everything else."""

    # What unittest calls the parts of a test by; its own class for async tests overrides the same.

    def _callSetUp(self) -> None:
        self._begin()
        self.addCleanup(self._end_loop)
        self._call(self.setUp)

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        super()._callTestMethod(partial(self._call, method) if is_async(method) else method)  # type: ignore[misc]

    def _callTearDown(self) -> None:
        self._call(self.tearDown)

    def _callCleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self._call(function, *args, **kwargs)

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a part of the test; what is async runs in the event loop of the test.

        That begins with a copy of this context, and so in the transactions around the test.
        """
        if not is_async(function):
            return function(*args, **kwargs)
        if self._runner is None:
            import asyncio

            self._runner = asyncio.Runner()
        return self._runner.run(function(*args, **kwargs))

    def _end_loop(self) -> None:
        runner, self._runner = self._runner, None
        client = vars(self).pop("async_client", None)
        if runner is not None:
            with runner:
                try:
                    if client is not None:
                        runner.run(client.aclose())
                finally:
                    databases = sys.modules.get("webframe.test.db")
                    if databases is not None:
                        runner.run(databases.end_tasks())


def _class_at(place: Any) -> Any:
    """A class that may be given by its dotted name."""
    if not isinstance(place, str):
        return place
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


# What to do about a database that was used and may not be; the second pair of braces is for the alias.
_HOW_TO_ASK = (
    "{case} is a SimpleTestCase, whose tests use none: let it inherit from webframe.test.TestCase, which undoes what a "
    "test does, or add {{alias!r}} to {case}.databases, where nothing is undone."
)
_HOW_TO_ASK_FOR_MORE = "Add {{alias!r}} to {case}.databases."

"""The assertions of the test cases as functions, for tests that are functions.

    from webframe.test.asserts import assertContains, assertRedirects

    def test_a_new_note_is_shown(client):
        assertRedirects(client.post("/notes", data={"text": "Buy flour"}), "/notes/1")

Each is the method of the same name of `TransactionTestCase`. Those that know
nothing of databases load nothing of `webframe.db`.
"""

from __future__ import annotations

from typing import Any

from webframe.test.assertions import Assertions

# Those that know of databases.
_OF_CASES = ("assertNumQueries", "assertQuerySetEqual")

__all__ = [*_OF_CASES, *(name for name in dir(Assertions) if name.startswith("assert"))]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has the assertions of test cases.")
    if name not in _OF_CASES:
        return getattr(_Nobody(), name)
    from webframe.test.testcases import TransactionTestCase

    return getattr(type("Nobody", (_Nobody, TransactionTestCase), {})(), name)


class _Nobody(Assertions):
    """A test that is none: it has the methods."""

    def runTest(self) -> None:
        """Never called; a test case needs one."""

"""Fixtures of the tests of relations."""

from __future__ import annotations

from contextlib import contextmanager

import pytest


@pytest.fixture
def world(engine, tables):
    """The module with the models, and their empty tables."""
    from ... import people
    from . import world

    tables(world.registry)
    tables(people.registry)
    return world


@pytest.fixture
def questions(engine):
    """A context manager that gives the list of the statements that are executed within it."""
    from webframe.db import connection

    @contextmanager
    def listening(expected: int | None = None):
        found: list[str] = []

        def note(execute, sql, params, many, context):
            if not sql.upper().startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "START")):
                found.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            yield found
        if expected is not None:
            assert len(found) == expected, "\n".join(found)

    return listening

"""Fixtures of the tests of models."""

from __future__ import annotations

import pytest


@pytest.fixture
def things(engine, tables):
    """The model with one field of each kind, and its empty table."""
    from .things import Thing, registry

    tables(registry)
    return Thing


@pytest.fixture
def library(engine, tables):
    """Books, authors, countries and tags: a few rows of each, by short names."""
    from .library import fill, registry

    tables(registry)
    return fill()

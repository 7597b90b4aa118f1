"""What can go wrong with migrations.

::

    WebframeError
     +-- MigrationError
     |    +-- AmbiguityError                  the beginning of a name is that of several migrations
     |    +-- BadMigrationError               a file of migrations has no usable Migration
     |    +-- CircularDependencyError         migrations depend on each other in a circle
     |    +-- ConflictError                   an app has several last migrations
     |    +-- InconsistentMigrationHistory    a migration is applied before one that it depends on
     |    +-- InvalidBasesError               a model of the state inherits from one that is not in it
     |    +-- InvalidMigrationPlan            a plan would apply some migrations and undo others
     |    +-- InvalidStateError               an operation names what the state does not have, or has already
     |    +-- IrreversibleError               an operation cannot be undone
     |    +-- NodeNotFoundError               there is no such migration
     |    +-- ReferredKeyError                a primary key is to be another field, and fields refer to it
     |    +-- UnansweredQuestion              something has to be asked, and nobody answers
     +-- Error
          +-- DatabaseError
               +-- MigrationSchemaMissing     the table of applied migrations cannot be made
               +-- PartlyAppliedError         a migration failed half-way where nothing can be rolled back
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webframe.core.exceptions import WebframeError
from webframe.db.errors import DatabaseError


class MigrationError(WebframeError):
    """Base of what is wrong with migrations themselves."""


class AmbiguityError(MigrationError):
    """The beginning of a name is that of several migrations."""


class BadMigrationError(MigrationError):
    """A module of migrations has no usable class Migration."""


class CircularDependencyError(MigrationError):
    """Migrations depend on each other in a circle.

    `circle` has the keys of a graph's migrations in it, each once.
    """

    def __init__(self, message: str, circle: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.circle = tuple(circle)


class ConflictError(MigrationError):
    """An app has several last migrations, which --merge can join."""


class InconsistentMigrationHistory(MigrationError):
    """A migration is applied, and one that it depends on is not."""


class InvalidBasesError(MigrationError, ValueError):
    """A model of a state inherits from one that is not in it."""


class InvalidMigrationPlan(MigrationError, ValueError):
    """A plan would apply some migrations and undo others."""


class InvalidStateError(MigrationError, ValueError):
    """An operation names a model, a field or an index that the state does not have, or has already."""


class IrreversibleError(MigrationError, RuntimeError):
    """An operation cannot be undone."""


class NodeNotFoundError(MigrationError, LookupError):
    """There is no migration of that name; `node` is its (app label, name), `origin` who asked for it."""

    def __init__(self, message: str, node: tuple[str, str], origin: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.origin = origin

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.node!r})"


class ReferredKeyError(MigrationError):
    """The primary key of a model is to be another field, while fields hold values of it."""


class UnansweredQuestion(MigrationError):
    """Migrations cannot be made without an answer: there is nobody to ask, or the answer is to stop."""


class MigrationSchemaMissing(DatabaseError):
    """The table in which applied migrations are noted cannot be made."""


class PartlyAppliedError(DatabaseError):
    """A migration failed half-way in a database that does not take DDL back.

    `done` and `not_done` are its operations that were carried out, and those
    that were not: first the one that failed.
    """

    def __init__(self, message: str, done: Sequence[Any], not_done: Sequence[Any]) -> None:
        super().__init__(message)
        self.done = list(done)
        self.not_done = list(not_done)

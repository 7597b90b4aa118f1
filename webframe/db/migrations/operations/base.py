"""`Operation`: one step of a migration, which changes a state, and a database accordingly."""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Self

from webframe.db.connections import router
from webframe.db.migrations.errors import IrreversibleError


class OperationCategory(enum.StrEnum):
    """What kind of step an operation is: the sign in front of it in the output of makemigrations."""

    ADDITION = "+"
    REMOVAL = "-"
    ALTERATION = "~"
    PYTHON = "p"
    SQL = "s"
    MIXED = "?"


class Operation:
    """One step of a migration. Subclass it for steps of your own.

    `state_forwards` changes a `ProjectState`; `database_forwards` changes the
    database from one state to another by a schema editor, `database_backwards`
    back again. The arguments of the constructor are kept: they are what stands
    in the file.
    """

    # Whether it can be undone.
    reversible: bool = True
    # Whether its SQL can be shown without running it.
    reduces_to_sql: bool = True
    # Whether it has a transaction of its own where the migration has none; None: as the migration has it.
    atomic: bool | None = False
    # Whether squashing leaves it out.
    elidable: bool = False
    # The names of arguments whose items stand on lines of their own in a file.
    serialization_expand_args: ClassVar[list[str]] = []
    category: OperationCategory | None = None
    # Whether it deletes a model, so that what was changed in that before need not be.
    deletes_model: ClassVar[bool] = False

    _constructor_args: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = object.__new__(cls)
        made._constructor_args = (args, kwargs)
        return made

    # -- what it does

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change a `ProjectState`."""
        raise NotImplementedError(f"{type(self).__name__} must define state_forwards(app_label, state).")

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Change the database from one state, that before, to another, that after `state_forwards`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define database_forwards(app_label, schema_editor, from_state, to_state)."
        )

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Undo it: change the database from the state after it to that before."""
        raise NotImplementedError(
            f"{type(self).__name__} must define database_backwards(app_label, schema_editor, from_state, to_state), "
            f"or have reversible = False."
        )

    # -- what it says

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """The name of the class, and the arguments that make an equal operation."""
        args, kwargs = self._constructor_args
        return type(self).__name__, list(args), dict(kwargs)

    def describe(self) -> str:
        """What it does, as a sentence without a full stop."""
        args, kwargs = self._constructor_args
        return f"{type(self).__name__}: {(args, kwargs)}"

    def formatted_description(self) -> str:
        """What it does, with the sign of its category in front."""
        return f"{self.category or OperationCategory.MIXED} {self.describe()}"

    @property
    def migration_name_fragment(self) -> str | None:
        """What a migration with this operation can be called; None: nothing good."""
        return None

    def references_model(self, name: str, app_label: str) -> bool:
        """Whether it may have to do with a model; it is True where that cannot be known."""
        return True

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        """Whether it may have to do with a field; it is True where that cannot be known."""
        return self.references_model(model_name, app_label)

    @property
    def only_model(self) -> str | None:
        """The name, in lower case, of the one model that it changes; None if it may change others."""
        return None

    # -- being run

    def allow_migrate_model(self, connection_alias: str, model: Any) -> bool:
        """Whether the table of a model is to be changed in a database: it has one, and the routers allow it."""
        if not model._meta.can_migrate(connection_alias):
            return False
        return router.allow_migrate_model(connection_alias, model)

    # -- becoming fewer

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        """What stands for this operation and a later one of the same app together.

        A list of operations stands for both; True: they have nothing to do with
        each other, so that this one may be compared with those behind it; False:
        it must stay in front of the other one.
        """
        if self.elidable:
            return [operation]
        if operation.elidable:
            return [self]
        return False

    # -- being a value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _plain(other) == _plain(self)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        args, kwargs = self._constructor_args
        parts = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
        return f"<{type(self).__name__} {', '.join(parts)}>"


def _plain(value: Any) -> Any:
    """A value as something that can be compared: fields and operations by their arguments."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Operation):
        return [type(value), _plain(value.deconstruct())]
    if hasattr(value, "get_attname") and hasattr(value, "deconstruct"):
        return _plain(value.deconstruct()[1:])
    return value


class ModelOperation(Operation):
    """An operation on one model, `name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def name_lower(self) -> str:
        """The name in lower case."""
        return self.name.lower()

    @property
    def only_model(self) -> str | None:
        return self.name_lower

    def references_model(self, name: str, app_label: str) -> bool:
        return name.lower() == self.name_lower

    def can_reduce_through(self, operation: Operation, app_label: str) -> bool:
        """Whether a later operation has nothing to do with the model."""
        return not operation.references_model(self.name, app_label)

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        return super().reduce(operation, app_label) or self.can_reduce_through(operation, app_label)


def irreversible(operation: Operation, advice: str) -> IrreversibleError:
    """The error about an operation that cannot be undone."""
    return IrreversibleError(f"{operation.describe()}: this cannot be undone. {advice}")

"""Operations that run somebody's own code, own SQL, or one thing on the state and another on the database."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from webframe.db.connections import router
from webframe.db.migrations.operations.base import Operation, OperationCategory, irreversible
from webframe.db.scripts import statements_of

# SQL: one text, or several, each of them alone or with its parameters.
SQL = str | Sequence[str | tuple[str, Any]]


class RunPython(Operation):
    """Call a function with the registry of that moment and the schema editor: ``code(apps, schema_editor)``.

    `reverse_code` undoes it. `atomic` says whether it runs in a transaction of its
    own where the migration has none; None: as the migration has it. `hints` are
    given to the routers' allow_migrate.
    """

    category = OperationCategory.PYTHON
    reduces_to_sql = False

    def __init__(
        self,
        code: Callable[[Any, Any], object],
        reverse_code: Callable[[Any, Any], object] | None = None,
        atomic: bool | None = None,
        hints: Mapping[str, Any] | None = None,
        elidable: bool = False,
    ) -> None:
        _check_code("code", code)
        if reverse_code is not None:
            _check_code("reverse_code", reverse_code)
        self.atomic = atomic
        self.code = code
        self.reverse_code = reverse_code
        self.hints = dict(hints or {})
        self.elidable = elidable

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {"code": self.code}
        if self.reverse_code is not None:
            kwargs["reverse_code"] = self.reverse_code
        if self.atomic is not None:
            kwargs["atomic"] = self.atomic
        if self.hints:
            kwargs["hints"] = self.hints
        if self.elidable:
            kwargs["elidable"] = True
        return type(self).__name__, [], kwargs

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # of each operation its own
        """Whether there is a reverse_code."""
        return self.reverse_code is not None

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing: rows are no state."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label, **self.hints):
            self.code(from_state.apps, schema_editor)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if self.reverse_code is None:
            raise irreversible(self, "Give it a reverse_code; RunPython.noop where there is nothing to undo.")
        if router.allow_migrate(schema_editor.connection.alias, app_label, **self.hints):
            self.reverse_code(from_state.apps, schema_editor)

    def describe(self) -> str:
        return "Raw Python operation"

    @staticmethod
    def noop(apps: Any, schema_editor: Any) -> None:
        """Does nothing: a `code` or `reverse_code` for that."""


def _check_code(argument: str, code: Any) -> None:
    if not callable(code):
        raise ValueError(f"RunPython needs something to call as its {argument}, not {code!r}.")
    if inspect.iscoroutinefunction(code):
        raise ValueError(
            f"RunPython has the async function {code.__qualname__!r} as its {argument}; migrations run plain code. "
            f"Make it a plain function."
        )


class RunSQL(Operation):
    """Run SQL of your own: a text with any number of statements, or a list of statements.

    Items of a list are texts, or pairs (text, parameters). `reverse_sql` undoes
    it. `state_operations` tell what it does to the models.
    """

    category = OperationCategory.SQL
    noop: ClassVar[str] = ""

    def __init__(
        self,
        sql: SQL,
        reverse_sql: SQL | None = None,
        state_operations: Sequence[Operation] | None = None,
        hints: Mapping[str, Any] | None = None,
        elidable: bool = False,
    ) -> None:
        self.sql = sql
        self.reverse_sql = reverse_sql
        self.state_operations = list(state_operations or ())
        self.hints = dict(hints or {})
        self.elidable = elidable

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {"sql": self.sql}
        if self.reverse_sql is not None:
            kwargs["reverse_sql"] = self.reverse_sql
        if self.state_operations:
            kwargs["state_operations"] = self.state_operations
        if self.hints:
            kwargs["hints"] = self.hints
        if self.elidable:
            kwargs["elidable"] = True
        return type(self).__name__, [], kwargs

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # of each operation its own
        """Whether there is a reverse_sql."""
        return self.reverse_sql is not None

    def state_forwards(self, app_label: str, state: Any) -> None:
        for operation in self.state_operations:
            operation.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label, **self.hints):
            _run(schema_editor, self.sql)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if self.reverse_sql is None:
            raise irreversible(self, "Give it a reverse_sql; RunSQL.noop where there is nothing to undo.")
        if router.allow_migrate(schema_editor.connection.alias, app_label, **self.hints):
            _run(schema_editor, self.reverse_sql)

    def describe(self) -> str:
        return "Raw SQL operation"


def _run(schema_editor: Any, sql: SQL) -> None:
    if isinstance(sql, str):
        for statement in statements_of(sql, schema_editor.connection.vendor):
            schema_editor.execute(statement, params=None)
        return
    for each in sql:
        if isinstance(each, str):
            schema_editor.execute(each, params=None)
        elif isinstance(each, (list, tuple)) and len(each) == 2:
            schema_editor.execute(each[0], params=each[1])
        else:
            raise ValueError(f"RunSQL runs texts and pairs (text, parameters), and {each!r} is neither.")


class SeparateDatabaseAndState(Operation):
    """Change the database by some operations, and the models by others."""

    category = OperationCategory.MIXED
    serialization_expand_args: ClassVar[list[str]] = ["database_operations", "state_operations"]

    def __init__(
        self,
        database_operations: Iterable[Operation] | None = None,
        state_operations: Iterable[Operation] | None = None,
    ) -> None:
        self.database_operations = list(database_operations or ())
        self.state_operations = list(state_operations or ())

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {}
        if self.database_operations:
            kwargs["database_operations"] = self.database_operations
        if self.state_operations:
            kwargs["state_operations"] = self.state_operations
        return type(self).__name__, [], kwargs

    @property
    def reversible(self) -> bool:  # type: ignore[override]  # of each operation its own
        """Whether all that it does to the database can be undone."""
        return all(operation.reversible for operation in self.database_operations)

    @property
    def reduces_to_sql(self) -> bool:  # type: ignore[override]  # of each operation its own
        """Whether the SQL of all that it does to the database can be shown."""
        return all(operation.reduces_to_sql for operation in self.database_operations)

    def state_forwards(self, app_label: str, state: Any) -> None:
        for operation in self.state_operations:
            operation.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        # Each sees what those before it have made of the state, as in a migration of their own.
        for operation, before, after in self._steps(app_label, from_state):
            operation.database_forwards(app_label, schema_editor, before, after)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for operation, before, after in reversed(self._steps(app_label, to_state)):
            operation.database_backwards(app_label, schema_editor, after, before)

    def _steps(self, app_label: str, state: Any) -> list[tuple[Operation, Any, Any]]:
        """The operations on the database, each with the state before and after it, from a first state on."""
        steps = []
        for operation in self.database_operations:
            after = state.clone()
            operation.state_forwards(app_label, after)
            steps.append((operation, state, after))
            state = after
        return steps

    def describe(self) -> str:
        return "Custom state/database change combination"

"""Migration: one step in the history of an app, a list of operations in a file of its own.

    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.AddField("Pizza", "price", models.IntegerField(default=0))]

Which migrations there are, `loader.py` finds out; in which order they run, `graph.py`;
and `executor.py` runs them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

from webframe.db.migrations.errors import IrreversibleError, PartlyAppliedError
from webframe.db.transaction import atomic

# An app label and the name of a migration of it.
Key = tuple[str, str]


class Migration:
    """One step in the history of an app.

    A file `0002_pizza_price.py` in the folder of an app's migrations has a class
    of this name; its attributes say what is to be done, and after what.
    """

    # What is done, in this order.
    operations: Sequence[Any] = ()
    # The migrations that must have been applied before, as pairs of an app label and a name; instead of a name
    # "__first__" or "__latest__" of that app.
    dependencies: Sequence[Any] = ()
    # The migrations that must not be applied before this one, for where their files cannot be changed.
    run_before: Sequence[Any] = ()
    # The migrations that this one stands for: it is their sum.
    replaces: Sequence[Any] = ()
    # Whether this makes the first tables of its app, which `migrate --fake-initial` may find there; None: it does if
    # it depends on no other migration of the app.
    initial: bool | None = None
    # Whether all of it happens or nothing, where the database can do that.
    atomic: bool = True

    def __init__(self, name: str, app_label: str) -> None:
        self.name = name
        self.app_label = app_label
        # Whoever has an instance may change it, and leaves the class alone.
        self.operations = list(type(self).operations)
        self.dependencies = list(type(self).dependencies)
        self.run_before = list(type(self).run_before)
        self.replaces = list(type(self).replaces)

    @property
    def key(self) -> Key:
        """The app label and the name."""
        return self.app_label, self.name

    @property
    def file(self) -> str | None:
        """The file that it was read from; None for one that is not written yet."""
        return (
            getattr(sys.modules.get(type(self).__module__), "__file__", None) if type(self) is not Migration else None
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Migration) and self.name == other.name and self.app_label == other.app_label

    def __hash__(self) -> int:
        return hash(f"{self.app_label}.{self.name}")

    def __repr__(self) -> str:
        return f"<Migration {self.app_label}.{self.name}>"

    def __str__(self) -> str:
        return f"{self.app_label}.{self.name}"

    def mutate_state(self, project_state: Any, preserve: bool = True) -> Any:
        """The state after this migration; with ``preserve=False`` the one given is changed itself."""
        state = project_state.clone() if preserve else project_state
        for operation in self.operations:
            operation.state_forwards(self.app_label, state)
        return state

    def apply(self, project_state: Any, schema_editor: Any, collect_sql: bool = False) -> Any:
        """Do the operations on the database; returns the state after them, which is the one given, changed.

        With `collect_sql` the statements are only collected, with a comment above
        those of each operation. Raises `PartlyAppliedError` where a part was done
        that stays done.
        """
        with self._telling(schema_editor, collect_sql, "applied") as done:
            for operation in self.operations:
                if collect_sql:
                    _explain(schema_editor, operation)
                before = project_state.clone()
                operation.state_forwards(self.app_label, project_state)
                if not collect_sql or operation.reduces_to_sql:
                    with self._transaction(operation, schema_editor):
                        operation.database_forwards(self.app_label, schema_editor, before, project_state)
                done.append(operation)
        return project_state

    def unapply(self, project_state: Any, schema_editor: Any, collect_sql: bool = False) -> Any:
        """Undo the operations, the last one first; takes the state before the migration, and returns it.

        Raises `IrreversibleError` before anything is done if one of them cannot be undone.
        """
        self.refuse_if_irreversible()
        steps: list[tuple[Any, Any, Any]] = []
        state = project_state
        for operation in self.operations:
            after = state.clone()
            operation.state_forwards(self.app_label, after)
            steps.append((operation, state, after))
            state = after
        with self._telling(schema_editor, collect_sql, "undone") as done:
            for operation, before, after in reversed(steps):
                if collect_sql:
                    _explain(schema_editor, operation)
                if not collect_sql or operation.reduces_to_sql:
                    with self._transaction(operation, schema_editor):
                        operation.database_backwards(self.app_label, schema_editor, after, before)
                done.append(operation)
        return project_state

    def refuse_if_irreversible(self) -> None:
        """Raise `IrreversibleError` if one of the operations cannot be undone."""
        for operation in self.operations:
            if not operation.reversible:
                raise IrreversibleError(
                    f"The migration {self} cannot be undone: its operation {operation.describe()!r} has no way back. "
                    f"Give it one (reverse_code of RunPython, reverse_sql of RunSQL), or restore a backup."
                )

    def _transaction(self, operation: Any, schema_editor: Any) -> AbstractContextManager[Any]:
        """What one operation runs in, where the migration as a whole runs in no transaction."""
        wanted = operation.atomic or (self.atomic and operation.atomic is not False)
        if schema_editor.atomic_migration or schema_editor.collect_sql or not wanted:
            return nullcontext()
        block: AbstractContextManager[Any] = atomic(schema_editor.connection.alias)
        return block

    @contextmanager
    def _telling(self, schema_editor: Any, collect_sql: bool, verb: str) -> Iterator[list[Any]]:
        """Gives a list for the operations that are done; if an error comes, it tells what became of each."""
        done: list[Any] = []
        try:
            yield done
        except BaseException as error:
            if collect_sql:
                raise
            not_done = (self.operations if verb == "applied" else self.operations[::-1])[len(done) :]
            if schema_editor.atomic_migration:
                if not_done:
                    error.add_note(self._where(not_done[0], verb))
                raise
            told = self.partly(done, not_done, verb, error)
            if isinstance(error, Exception):
                raise told from error
            error.add_note(str(told))  # Ctrl-C must stay what it is
            raise

    def _where(self, operation: Any, verb: str) -> str:
        number = self.operations.index(operation) + 1
        return (
            f"This was operation {number} of {len(self.operations)} of the migration {self}, which was not {verb}: "
            f"{operation.describe()}. Nothing of the migration was kept."
        )

    def partly(
        self, done: Sequence[Any], not_done: Sequence[Any], verb: str, error: BaseException
    ) -> PartlyAppliedError:
        """The error to raise where the database keeps what was done of a migration that failed."""
        lines = [f"The migration {self} failed half-way, and the database keeps what was done until then: {error}"]
        lines += [f"    done:     {operation.describe()}" for operation in done]
        lines += [f"    FAILED:   {operation.describe()} (perhaps done in part)" for operation in not_done[:1]]
        lines += [f"    not done: {operation.describe()}" for operation in not_done[1:]]
        if not not_done:
            lines.append("    FAILED:   what is left for the end of a migration, such as foreign keys")
        if verb == "applied":
            lines.append(
                f"The migration does not count as applied. Put right what failed, take back by hand what is done, and "
                f"migrate again; or do the rest by hand, and 'webframe migrate {self.app_label} {self.name} --fake'."
            )
        else:
            lines.append(
                "The migration still counts as applied. Undo the rest by hand, and migrate with --fake to the "
                "migration before it; or do again by hand what is undone."
            )
        return PartlyAppliedError("\n".join(lines), done, not_done)

    def suggest_name(self) -> str:
        """A name for this migration, made of what it does; at most 52 characters."""
        if self.initial:
            return "initial"
        parts = [operation.migration_name_fragment for operation in self.operations]
        fragments = [re.sub(r"\W+", "_", part) for part in parts if part]
        if not fragments or len(fragments) != len(self.operations):
            return f"auto_{datetime.now():%Y%m%d_%H%M}"
        name = fragments[0]
        for fragment in fragments[1:]:
            if len(name) + len(fragment) + 1 > _MAX_NAME:
                return f"{name}_and_more"
            name = f"{name}_{fragment}"
        return name


# So that "0001_" + name + "_and_more" stays below the length of file names that are pleasant to look at.
_MAX_NAME = 52


def _explain(schema_editor: Any, operation: Any) -> None:
    """Write above the statements of an operation what it does."""
    lines = schema_editor.collected_sql
    lines += ["--", f"-- {operation.describe()}", "--"]
    if not operation.reduces_to_sql:
        lines.append("-- THIS OPERATION CANNOT BE WRITTEN AS SQL")


class SwappableTuple(tuple[str, str]):
    """A dependency on whichever app has the model that a setting names."""

    # The value of the setting, "app.Model".
    setting: str

    def __new__(cls, value: tuple[str, str], setting: str) -> SwappableTuple:
        made = super().__new__(cls, value)
        made.setting = setting
        return made


def swappable_dependency(value: str) -> SwappableTuple:
    """The dependency on the app of a model that a setting names: ``swappable_dependency(settings.SHOP_CUSTOMER)``."""
    return SwappableTuple((value.split(".", 1)[0], "__first__"), value)

"""Creating and changing tables: the schema editor, and `create_all` for apps without migrations.

    with connection.schema_editor() as editor:
        editor.create_model(Pizza)
        editor.add_index(Pizza, models.Index(fields=["name"]))

    create_all()                    # the tables of all models, those that are missing

What is executed are operations of Alembic, within the current transaction of the
connection. On SQLite and PostgreSQL all of a `with` block happens or nothing of
it; MariaDB commits each step by itself. Migrations use this same path.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from webframe._lazy import missing_dependency

try:
    from sqlalchemy import ForeignKeyConstraint
    from sqlalchemy.schema import CreateTable
except ModuleNotFoundError as error:
    raise missing_dependency(error) from error

from webframe.apps.config import how_to_install
from webframe.apps.registry import Apps
from webframe.apps.registry import apps as installed_apps
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import transaction
from webframe.db.alterations import Alteration
from webframe.db.connections import DEFAULT_ALIAS, connections, router
from webframe.db.definitions import TableState, definition_of, state_of
from webframe.db.errors import IntegrityError, OperationalError
from webframe.db.introspection import sqlite_enforces_foreign_keys, table_names
from webframe.db.sqlite_alterations import SQLiteAlteration
from webframe.db.statements import Statements

__all__ = ["SchemaEditor", "create_all", "drop_all"]


class SchemaEditor:
    """Creates, changes and deletes tables; used as a context manager, made by ``connection.schema_editor()``.

    With ``collect_sql=True`` nothing is executed; `collected_sql` has the
    statements afterwards. With ``atomic=False`` no transaction is begun.

    A model given to a method that changes a table describes it as it is before
    the change; for `add_field` it does not matter whether it has the field already.
    """

    def __init__(self, connection: Any, collect_sql: bool = False, atomic: bool = True) -> None:
        self.connection = connection
        self.collect_sql = collect_sql
        # What would have been executed.
        self.collected_sql: list[str] = []
        # Whether all happens or nothing.
        self.atomic_migration = bool(atomic and connection.features.can_rollback_ddl)
        # Foreign keys whose target table may not be there yet: added at the end, or when something needs them.
        self._deferred: list[ForeignKeyConstraint] = []
        self._statements: Statements | None = None
        self._atomic: Any = None
        # Whether the foreign keys of SQLite were switched off by us.
        self._switched_off = False

    def __enter__(self) -> Self:
        self._statements = Statements(self.connection, self.collected_sql if self.collect_sql else None)
        if self.collect_sql:
            return self
        if self.connection.vendor == "sqlite" and not self.connection.in_atomic_block:
            # Within a transaction this has no effect; some changes are refused there then.
            self._switched_off = sqlite_enforces_foreign_keys(self.connection)
            if self._switched_off:
                self.connection.run("PRAGMA foreign_keys = OFF", ())
        if self.atomic_migration:
            self._atomic = transaction.atomic(self.connection.alias)
            try:
                self._atomic.__enter__()
            except BaseException:
                self._switch_on()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                try:
                    self._settle()
                    if self._switched_off:
                        self._check_foreign_keys()
                except BaseException as late:
                    self._leave(late)
                    raise
            self._leave(error)
        finally:
            self._deferred.clear()
            self._statements = None
            self._switch_on()

    def _leave(self, error: BaseException | None) -> None:
        atomic, self._atomic = self._atomic, None
        if atomic is not None:
            atomic.__exit__(
                None if error is None else type(error), error, None if error is None else error.__traceback__
            )

    def _switch_on(self) -> None:
        if self._switched_off:
            self._switched_off = False
            self.connection.run("PRAGMA foreign_keys = ON", ())

    def _check_foreign_keys(self) -> None:
        broken = self.connection.fetch("PRAGMA foreign_key_check", ())
        if broken:
            table, row, target, _ = broken[0]
            others = f" (one of {len(broken)} such references)" if len(broken) > 1 else ""
            raise IntegrityError(
                f"Row {row} of {table!r} refers to a row of {target!r} that does not exist{others}. Nothing was "
                "changed; put that right first."
            )

    @property
    def statements(self) -> Statements:
        """What runs or collects statements; only within the `with` block."""
        if self._statements is None:
            raise RuntimeError("A schema editor does something only within its 'with' block.")
        return self._statements

    # -- anything

    def execute(self, sql: Any, params: Sequence[Any] | None = ()) -> None:
        """Execute SQL of your own: text with the placeholders of the driver, or a construct of SQLAlchemy.

        With ``params=None`` percent signs mean themselves on every engine.
        """
        if isinstance(sql, str):
            self.statements.run_raw(sql, params)
        else:
            self.statements.run(sql)

    def quote_name(self, name: str) -> str:
        """A name in quotes, for SQL of your own."""
        return self.statements.quote(name)

    # -- tables

    def create_model(self, model: Any) -> None:
        """Create the table of a model, and those of its many-to-many fields that have no model of their own."""
        self.create_table(model)
        for through in _own_throughs(model):
            self.create_table(through)

    def create_table(self, model: Any) -> None:
        """Create the table of a model and nothing else."""
        table = definition_of(model, self.connection)
        keys = sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
        inline = keys if self.connection.vendor == "sqlite" else []
        self.statements.run(CreateTable(table, include_foreign_key_constraints=inline))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            self.statements.impl.create_index(index)
        if not inline:
            self._deferred.extend(keys)

    def delete_model(self, model: Any) -> None:
        """Delete the table of a model with all its rows, and those of its many-to-many fields."""
        for through in _own_throughs(model):
            self.delete_model(through)
        name = state_of(model).name
        self._deferred = [key for key in self._deferred if key.table.name != name]
        table = definition_of(model, self.connection)
        self._check_deferred()
        if self.connection.vendor == "postgresql":
            # Foreign keys that other tables still have to it go with it.
            self.statements.run_text(f"DROP TABLE {self.quote_name(name)} CASCADE")
        else:
            self.statements.impl.drop_table(table)

    def alter_db_table(self, model: Any, old_db_table: str, new_db_table: str) -> None:
        """Give the table of a model another name. Names of indexes and keys that were made of it change too."""
        if old_db_table == new_db_table:
            return
        before = replace(state_of(model), name=old_db_table)
        self._alter(before, replace(before, name=new_db_table))

    # -- fields

    def add_field(self, model: Any, field: Any) -> None:
        """Add the column of a field, or the table of a many-to-many field.

        Rows that exist get the default of the field. Raises IntegrityError if
        there are rows, and neither a default nor null=True.
        """
        if _is_many_to_many(field):
            if field.remote_field.through._meta.auto_created:
                self.create_model(field.remote_field.through)
            return
        if field.column is None:
            return
        state = state_of(model)
        if _has(state, field):
            # The one given counts: it may have a default that is for the rows there are only.
            self._alter(state.without_field(field), state.with_field(field, field))
        else:
            self._alter(state, state.with_field(field))

    def remove_field(self, model: Any, field: Any) -> None:
        """Drop the column of a field with its values, or the table of a many-to-many field."""
        if _is_many_to_many(field):
            if field.remote_field.through._meta.auto_created:
                self.delete_model(field.remote_field.through)
            return
        if field.column is None:
            return
        state = state_of(model)
        before = state if _has(state, field) else state.with_field(field)
        self._alter(before, before.without_field(field))

    def alter_field(self, model: Any, old_field: Any, new_field: Any, strict: bool = False) -> None:
        """Make of the column of one field that of another: name, type, null, default, keys and indexes.

        Raises ValueError where one of them has a column and the other has none.
        """
        many = _is_many_to_many(old_field), _is_many_to_many(new_field)
        if all(many):
            self._alter_many_to_many(old_field, new_field)
            return
        if any(many) or (old_field.column is None) != (new_field.column is None):
            raise ValueError(
                f"{old_field} cannot be altered into {new_field}: one has a column and the other has none. "
                f"Remove the one field and add the other."
            )
        if old_field.column is None:
            return
        state = state_of(model)
        if not _has(state, old_field):
            state = state.with_field(old_field, new_field if _has(state, new_field) else None)
        self._alter(state, state.with_field(new_field, old_field))

    def _alter_many_to_many(self, old_field: Any, new_field: Any) -> None:
        old, new = old_field.remote_field.through, new_field.remote_field.through
        if bool(old._meta.auto_created) != bool(new._meta.auto_created):
            raise ValueError(
                f"{old_field} cannot be altered into {new_field}: its table would be that of a model, or stop being "
                f"that. Remove the one field and add the other."
            )
        if not old._meta.auto_created:
            return
        after = state_of(new)
        names = [(old_field.m2m_field_name(), new_field.m2m_field_name())]
        names.append((old_field.m2m_reverse_field_name(), new_field.m2m_reverse_field_name()))
        aliases = {before: after.get_field(now) for before, now in names}
        self._alter(state_of(old), replace(after, aliases=aliases))

    # -- indexes and constraints

    def add_index(self, model: Any, index: Any) -> None:
        """Add an index that the model's Meta need not have yet."""
        before = _without(state_of(model), index)
        self._alter(before, replace(before, indexes=(*before.indexes, index)))

    def remove_index(self, model: Any, index: Any) -> None:
        """Drop an index; it is found by its name."""
        after = _without(state_of(model), index)
        self._alter(replace(after, indexes=(*after.indexes, index)), after)

    def rename_index(self, model: Any, old_index: Any, new_index: Any) -> None:
        """Give an index another name."""
        state = _without(_without(state_of(model), old_index), new_index)
        self._alter(
            replace(state, indexes=(*state.indexes, old_index)), replace(state, indexes=(*state.indexes, new_index))
        )

    def add_constraint(self, model: Any, constraint: Any) -> None:
        """Add a constraint that the model's Meta need not have yet. Raises IntegrityError if rows violate it."""
        before = _without(state_of(model), constraint)
        self._alter(before, replace(before, constraints=(*before.constraints, constraint)))

    def remove_constraint(self, model: Any, constraint: Any) -> None:
        """Drop a constraint; it is found by its name."""
        after = _without(state_of(model), constraint)
        self._alter(replace(after, constraints=(*after.constraints, constraint)), after)

    def alter_unique_together(
        self, model: Any, old_unique_together: Iterable[Sequence[str]], new_unique_together: Iterable[Sequence[str]]
    ) -> None:
        """Change which fields are unique together."""
        state = state_of(model)
        old = tuple(tuple(names) for names in old_unique_together)
        new = tuple(tuple(names) for names in new_unique_together)
        self._alter(replace(state, unique_together=old), replace(state, unique_together=new))

    # -- inside

    def _alter(self, before: TableState, after: TableState) -> None:
        self._settle({before.name, after.name})
        self._check_deferred()
        _alter_table(self.statements, before, after)

    def _settle(self, tables: set[str] | None = None) -> None:
        """Add the foreign keys that were put off; of all tables, or those from and to some."""
        waiting, self._deferred = self._deferred, []
        there = None if tables is None or self.collect_sql or not waiting else table_names(self.connection)
        for key in waiting:
            target = key.elements[0].column.table.name
            if tables is not None and (tables.isdisjoint((key.table.name, target)) or (there and target not in there)):
                self._deferred.append(key)
            else:
                self.statements.impl.add_constraint(key)

    def _check_deferred(self) -> None:
        """PostgreSQL alters no table of which something is left to be checked at the end of the transaction."""
        if self.connection.vendor == "postgresql" and not self.collect_sql and self.connection.in_atomic_block:
            self.statements.run_text("SET CONSTRAINTS ALL IMMEDIATE")
            self.statements.run_text("SET CONSTRAINTS ALL DEFERRED")


def _alter_table(statements: Statements, before: TableState, after: TableState) -> None:
    """Do what makes the difference between two states of one table.

    A field whose name is among `after.aliases` is the same column as the field
    that this stands for, whatever both are called.
    """
    renamed = _renamed_columns(before, after)
    if before.name != after.name:
        statements.operations.rename_table(before.name, after.name)
    for old, new in renamed.items():
        _rename_column(statements, after.name, old, new)
    middle = before
    if renamed or before.name != after.name:
        middle = before.with_column_names(renamed, after.name)
    kind = SQLiteAlteration if statements.connection.vendor == "sqlite" else Alteration
    kind(statements, middle, after).run()


def _renamed_columns(before: TableState, after: TableState) -> dict[str, str]:
    """The new names of columns by the old ones."""
    renamed = {}
    for old in before.fields:
        new = after.aliases.get(old.name)
        if new is not None and new.column != old.column:
            renamed[old.column] = new.column
    return renamed


def _rename_column(statements: Statements, table: str, old: str, new: str) -> None:
    quote = statements.quote
    statements.run_text(f"ALTER TABLE {quote(table)} RENAME COLUMN {quote(old)} TO {quote(new)}")


def _is_many_to_many(field: Any) -> bool:
    return bool(field.many_to_many and field.column is None)


def _has(state: TableState, field: Any) -> bool:
    return any(each.name == field.name for each in state.fields)


def _without(state: TableState, part: Any) -> TableState:
    """A state without an index or a constraint of this name."""
    return replace(
        state,
        indexes=tuple(each for each in state.indexes if each.name != part.name),
        constraints=tuple(each for each in state.constraints if each.name != part.name),
    )


def _own_throughs(model: Any) -> Iterator[Any]:
    """The classes that were made for the many-to-many fields of this very model."""
    for field in model._meta.local_many_to_many:
        through = field.remote_field.through
        if through._meta.auto_created and through._meta.managed:
            yield through


# --- apps without migrations ------------------------------------------------------------------------------------


def create_all(
    *models: Any, using: str = DEFAULT_ALIAS, apps: Apps | None = None, checkfirst: bool = True
) -> list[str]:
    """Create the tables of models in a database, and return the names of those that were created.

    Without models: those of all models of `apps` (the process's registry) that are
    managed and that the routers allow there; ImproperlyConfigured if there are none but
    models that belong to no installed app. What exists is left as it is, even
    if the model has changed; with ``checkfirst=False`` it is an error. Several
    processes may do this at once.
    """
    connection = connections[using]
    wanted = _with_throughs(models or _all_models(apps or installed_apps, using))
    if not (wanted or models):
        _refuse_strays(apps or installed_apps)
    if checkfirst and table_names(connection).issuperset(model._meta.db_table for model in wanted):
        return []  # as at every start but the first: nobody need wait
    with _one_at_a_time(connection), connection.schema_editor() as editor:
        there = table_names(connection) if checkfirst else set()
        created: list[str] = []
        for model in wanted:
            name = model._meta.db_table
            if name not in there and name not in created:
                created.append(name)
                editor.create_table(model)
    return created


def drop_all(*models: Any, using: str = DEFAULT_ALIAS, apps: Apps | None = None) -> list[str]:
    """Delete the tables of models with everything in them, and return the names of those that were there.

    Without models: those of all models, as in `create_all`.
    """
    connection = connections[using]
    wanted = _with_throughs(models or _all_models(apps or installed_apps, using))
    with _one_at_a_time(connection), connection.schema_editor() as editor:
        there = table_names(connection)
        names = list(dict.fromkeys(model._meta.db_table for model in reversed(wanted)))
        dropped = [name for name in names if name in there]
        quoted = editor.statements.quoted
        if connection.vendor == "mysql":
            editor.execute("SET FOREIGN_KEY_CHECKS = 0")
        try:
            if connection.vendor == "postgresql" and dropped:
                editor.statements.run_text(f"DROP TABLE {quoted(dropped)} CASCADE")
            else:
                for name in dropped:
                    editor.statements.run_text(f"DROP TABLE {quoted([name])}")
        finally:
            if connection.vendor == "mysql":
                editor.execute("SET FOREIGN_KEY_CHECKS = 1")
    return dropped


def _all_models(apps: Apps, using: str) -> list[Any]:
    """The models of the installed apps; all that are defined where apps are not loaded, as in a script."""
    if apps.models_ready:
        models = apps.get_models(include_auto_created=True)
    else:
        models = [model for models in apps.all_models.values() for model in models.values()]
    return [model for model in models if router.allow_migrate_model(using, model)]


def _refuse_strays(apps: Apps) -> None:
    """Say so if models are defined whose tables are wanted by nobody: silence would be taken for success."""
    strays = apps.get_stray_models() if apps.models_ready and not apps.get_models() else []
    if strays:
        raise ImproperlyConfigured(
            f"No installed app has a model, but there is {strays[0]._meta.label}, which belongs to none. "
            f"{how_to_install(strays[0])}; or name the models: create_all({strays[0].__name__})."
        )


def _with_throughs(models: Iterable[Any]) -> list[Any]:
    """The models that have a table to be created, each followed by the classes of its many-to-many fields."""
    found: dict[Any, None] = {}
    for model in models:
        meta = model._meta
        if meta.abstract or not meta.managed:
            continue
        found[meta.concrete_model] = None
        for through in _own_throughs(meta.concrete_model):
            found[through] = None
    return list(found)


@contextmanager
def _one_at_a_time(connection: Any) -> Iterator[None]:
    """Let other processes that would create tables too wait: SQLite does that by itself, in each transaction."""
    key = zlib.crc32(b"webframe.db.schema.create_all")
    if connection.vendor == "postgresql":
        with transaction.atomic(connection.alias):
            connection.fetch("SELECT 1 FROM (SELECT pg_advisory_xact_lock(%s)) AS locked", (key,))
            yield
    elif connection.vendor == "mysql":
        name = f"webframe {key}"
        if connection.fetch("SELECT GET_LOCK(%s, 60)", (name,)) != [(1,)]:
            raise OperationalError("Another process has been creating tables for a minute. Try again when it is done.")
        try:
            yield
        finally:
            connection.fetch("SELECT RELEASE_LOCK(%s)", (name,))
    else:
        yield

"""Turning one table into another on SQLite, which can add columns and indexes, and little else.

For anything else the table is made anew beside the old one, by Alembic's batch
operation, which copies the rows. That loses nothing: columns, indexes and
triggers that no model knows are kept, and so is the highest number given out.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Index, Table

from webframe.db.alterations import Alteration, bare, fields_referring, named_parts
from webframe.db.definitions import TableState, define
from webframe.db.errors import NotSupportedError
from webframe.db.introspection import (
    SQLiteColumn,
    sqlite_columns,
    sqlite_enforces_foreign_keys,
    sqlite_parts,
    sqlite_referring,
)
from webframe.db.models.fields.types import DatabaseType
from webframe.db.models.related.fields import type_of_references
from webframe.db.models.tables import generates_numbers


class SQLiteAlteration(Alteration):
    """Alters a table of SQLite."""

    def run(self) -> None:
        parts = self.parts()
        # SQLite keeps the names of constraints, but nothing ever asks for one.
        constraints = [part for part in (*parts.add, *parts.drop) if not isinstance(part, Index)]
        added = self.added()
        simple = all(self._can_be_added(column) for column in added)
        altered = self.altered()
        if constraints or altered or self.dropped() or not simple or self._keys()[0] != self._keys()[1]:
            self._make_anew(added, {str(new.name) for new in (*parts.add, *(new for _, new in parts.rename))})
            self._alter_referring()
            return
        for part in [*parts.drop, *(old for old, _ in parts.rename)]:
            if isinstance(part, Index):
                self.drop_part(part)
        for column in added:
            self.statements.impl.add_column(self.new_table.name, bare(column))
            self.fill(self.new_fields[column.name], column)
        for part in [*parts.add, *(new for _, new in parts.rename)]:
            if isinstance(part, Index):
                self.add_part(part)
        self._alter_referring()

    def _alter_referring(self) -> None:
        """Give columns of other tables that refer to this one their new type; numbers may differ only there."""
        types = {
            column: type_of_references(field) for column, field in self.new_fields.items() if column in self.old_fields
        }
        retyped = {
            column
            for column, kind in types.items()
            if self._text_of(kind) != self._text_of(type_of_references(self.old_fields[column]))
        }
        changed: dict[str, tuple[TableState, TableState]] = {}
        for other, field, root in fields_referring(self.before, retyped):
            again = copy(field)
            again.sql_type = partial(types.__getitem__, root)
            before, after = changed.get(other.name, (other, other))
            changed[other.name] = before, after.with_field(again, field)
        for before, after in changed.values():
            SQLiteAlteration(self.statements, before, after).run()

    def _text_of(self, kind: Any) -> str:
        return str(kind.compile(dialect=self.dialect))

    def _can_be_added(self, column: Column[Any]) -> bool:
        return bool(column.nullable and not column.primary_key and self.default_text(column) is None)

    def _make_anew(self, added: list[Column[Any]], new_parts: set[str]) -> None:
        """Let Alembic make the table anew as it shall be, and copy the rows."""
        name = self.new_table.name
        self._refuse_within_transactions(name)
        found = self._found()
        old_parts = sqlite_parts(self.connection, name) if found is not None else {}
        known = {*named_parts(self.old_table), *named_parts(self.new_table)}
        there = set(self.old_table.c.keys()) if found is None else {column.name for column in found}
        for column in added:
            if column.name not in there:
                self.statements.impl.add_column(name, Column(column.name, column.type, nullable=True))
                there.add(column.name)
                self.fill(self.new_fields[column.name], column)
        for old, new in self.altered():
            if old.nullable and not new.nullable:
                self.fill(self.new_fields[new.name], new, only_null=True)
        target = self._target(there, found or [])
        indexes = list(target.indexes)
        target.indexes.clear()
        sequence = self._sequence(name)
        with self.statements.operations.batch_alter_table(name, copy_from=target, recreate="always"):
            pass
        if sequence is not None:
            self.connection.run(
                "UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq < ?", (sequence, name, sequence)
            )
        for index in sorted(indexes, key=lambda index: str(index.name)):
            if str(index.name) in old_parts or str(index.name) in new_parts or found is None:
                self.add_part(index)
        for part, sql in old_parts.items():
            if part not in known:
                self.statements.run_text(sql)

    def _found(self) -> list[SQLiteColumn] | None:
        """The columns in the database; None where statements are collected, of which those before have not been run."""
        return sqlite_columns(self.connection, self.new_table.name) if self.statements.collected is None else None

    def _target(self, there: set[str], found: list[SQLiteColumn]) -> Table:
        """The table as it shall be: with columns that are in the database only, without those in the model only."""
        state = self.after
        for each in state.fields:
            if each.column not in there:
                state = state.without_field(each)
        target = define(state, self.connection)
        for column in found:
            if column.name in target.c or column.name in self.old_table.c:
                continue
            default = None if column.default is None else sqlalchemy.text(f"({column.default})")
            target.append_column(
                Column(column.name, DatabaseType(column.type), nullable=not column.not_null, server_default=default)
            )
        return target

    def _sequence(self, name: str) -> int | None:
        """The highest number that was ever given out; None: no numbers are."""
        numbered = any(map(generates_numbers, self.before.fields)) and any(map(generates_numbers, self.after.fields))
        if not numbered or self.statements.collected is not None:
            return None
        rows = self.connection.fetch("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def _refuse_within_transactions(self, name: str) -> None:
        """Dropping the old table would take the rows with it that refer to it."""
        if self.statements.collected is not None or not sqlite_enforces_foreign_keys(self.connection):
            return
        referring = sqlite_referring(self.connection, name)
        if referring:
            raise NotSupportedError(
                f"SQLite must make the table {name!r} anew for this, and {', '.join(map(repr, referring))} refers to "
                f"it: that needs foreign keys to be switched off, which cannot be done within a transaction. Open the "
                f"schema editor outside of any atomic block."
            )

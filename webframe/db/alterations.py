"""Turning a table that is as one `TableState` says into one that is as another says.

What both states make of the table is compared, part by part, and there is one
ALTER TABLE for each difference. That is how it is on PostgreSQL and MariaDB;
`sqlite_alterations.py` has the ways of SQLite. Names are changed before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import Column, ForeignKeyConstraint, Identity, Index, Table, UniqueConstraint
from sqlalchemy.schema import AddConstraint

from webframe.db.definitions import Parts, TableState, define, parts_of, state_of, text_of
from webframe.db.introspection import name_in_database
from webframe.db.models.fields.base import NOT_PROVIDED
from webframe.db.statements import Statements
from webframe.utils import timezone


class _Parts(NamedTuple):
    """What becomes of the constraints and indexes of a table."""

    drop: list[Any]
    add: list[Any]
    # Pairs (old, new) that differ in their names only.
    rename: list[tuple[Any, Any]]
    keep: list[Any]


class Alteration:
    """Alters a table where ALTER TABLE can do everything."""

    def __init__(self, statements: Statements, before: TableState, after: TableState) -> None:
        self.statements = statements
        self.connection = statements.connection
        self.dialect = self.connection.dialect
        self.vendor: str = self.connection.vendor
        self.before, self.after = before, after
        self.old_table: Table = define(before, self.connection)
        self.new_table: Table = define(after, self.connection)
        self.old_fields = {each.column: each for each in before.fields}
        self.new_fields = {each.column: each for each in after.fields}

    # -- comparing

    def added(self) -> list[Column[Any]]:
        """Columns that there are not yet."""
        return [column for column in self.new_table.c if column.name not in self.old_table.c]

    def dropped(self) -> list[Column[Any]]:
        """Columns that are to go."""
        return [column for column in self.old_table.c if column.name not in self.new_table.c]

    def altered(self) -> list[tuple[Column[Any], Column[Any]]]:
        """Pairs of columns that differ, old and new."""
        pairs = [(self.old_table.c[new.name], new) for new in self.new_table.c if new.name in self.old_table.c]
        return [(old, new) for old, new in pairs if self.signature(old) != self.signature(new)]

    def signature(self, column: Column[Any]) -> tuple[Any, ...]:
        """What of a column the database knows."""
        return (self.type_text(column), bool(column.nullable), self.default_text(column), numbered(column))

    def type_text(self, column: Column[Any]) -> str:
        """The type as SQL."""
        return str(column.type.compile(dialect=self.dialect))

    def default_text(self, column: Column[Any]) -> str | None:
        """The default that the database has, as SQL; None: there is none."""
        text: str | None = self.dialect.ddl_compiler(self.dialect, None).get_column_default_string(column)
        return text

    def parts(self) -> _Parts:
        """What becomes of constraints and indexes; the primary key is not among them."""
        old, new = named_parts(self.old_table), named_parts(self.new_table)
        texts = {name: text_of(part, self.dialect) for name, part in old.items()}
        gone = {name: part for name, part in old.items() if name not in new}
        result = _Parts([], [], [], [])
        for name, part in new.items():
            text = text_of(part, self.dialect)
            if texts.get(name) == text:
                result.keep.append(old[name])
                continue
            if name in old:
                result.drop.append(old[name])
                result.add.append(part)
                continue
            same = next((each for each in gone if texts[each] == text and type(gone[each]) is type(part)), None)
            if same is None:
                result.add.append(part)
            else:
                result.rename.append((gone.pop(same), part))
        result.drop.extend(gone.values())
        return result

    # -- doing it

    def run(self) -> None:
        parts = self.parts()
        altered = self.altered()
        retyped = {old.name for old, new in altered if self.type_text(old) != self.type_text(new)}
        going = self._unique_by_what_goes(parts) - retyped
        again = self._keys_in_the_way(parts, retyped, going)
        drop = [*parts.drop, *again]
        referring = self._referring(retyped)
        keys_to = [key for _, keys, _ in self._referring(going) for key in keys]
        relying = [key for key in keys_to if key.elements[0].column.table.name == self.before.name]
        interrupted = [*relying, *(key for _, keys, _ in referring for key in keys)]
        rename: list[tuple[Any, Any]] = []
        for old, new in parts.rename:
            if self.vendor == "mysql" and not isinstance(new, (Index, UniqueConstraint)):
                drop.append(old)
                parts.add.append(new)
            else:
                rename.append((old, new))
        for key in interrupted:
            self.drop_part(key)
        for part in sorted(drop, key=lambda part: not isinstance(part, ForeignKeyConstraint)):
            self.drop_part(part)
        self._drop_primary_key()
        for column in self.dropped():
            self.statements.impl.drop_column(self.old_table.name, column)
        for old_column, new_column in altered:
            self._alter_column(old_column, new_column)
        for column, _, root in referring:
            self._alter_type(column.table, column, self.new_table.c[root].type)
        for column in self.added():
            self._add_column(column)
        self._add_primary_key()
        for old, new in rename:
            self._rename_part(old, new)
        again_new = [new for new in named_parts(self.new_table).values() if new.name in {old.name for old in again}]
        for part in sorted([*parts.add, *again_new], key=lambda part: isinstance(part, ForeignKeyConstraint)):
            self.add_part(part)
        for key in interrupted:
            self.add_part(key)

    def add_part(self, part: Any) -> None:
        """Add a constraint or an index."""
        if isinstance(part, Index):
            self.statements.impl.create_index(part)
        else:
            # Not by impl.add_constraint(), which passes over a constraint that was dropped before, with SQLAlchemy 2.0.
            self.statements.execute(AddConstraint(part))

    def drop_part(self, part: Any) -> None:
        """Drop a constraint or an index, whatever it is called in the database."""
        ours = part.name
        part.name = self.name_of(part)
        if isinstance(part, Index):
            self.statements.impl.drop_index(part)
        else:
            self.statements.impl.drop_constraint(part)
        part.name = ours

    def name_of(self, part: Any) -> str:
        """What a constraint or an index of the table as it was is called in the database."""
        if self.statements.collected is not None:
            return str(part.name)
        return name_in_database(self.connection, part)

    def _rename_part(self, old: Any, new: Any) -> None:
        quote = self.statements.quote
        names = f"{quote(self.name_of(old))} TO {quote(str(new.name))}"
        if self.vendor == "mysql":
            self.statements.run_text(f"ALTER TABLE {quote(self.new_table.name)} RENAME INDEX {names}")
        elif isinstance(new, Index):
            self.statements.run_text(f"ALTER INDEX {names.replace(' TO ', ' RENAME TO ', 1)}")
        else:
            self.statements.run_text(f"ALTER TABLE {quote(self.new_table.name)} RENAME CONSTRAINT {names}")

    def _unique_by_what_goes(self, parts: _Parts) -> set[str]:
        """The columns that stay, and lose what foreign keys to them hold on to: a primary key, or that they are unique.

        There is something else in its place afterwards, if other tables refer to them.
        """
        found: set[str] = set()
        for part in parts.drop:
            if isinstance(part, UniqueConstraint) and len(part.columns) == 1:
                found.update(column.name for column in part.columns)
        old, new = self._keys()
        if old != new:
            found.update(old)
        return found.intersection(self.new_table.c.keys())

    def _keys_in_the_way(self, parts: _Parts, retyped: set[str], going: set[str]) -> list[Any]:
        """Foreign keys that stay, but must be away meanwhile.

        They are those of columns whose type or whose index changes, and those of the
        table to itself that refer to columns in `going`.
        """
        loose = set(retyped)
        if self.vendor == "mysql":
            # An index that a foreign key uses cannot be dropped.
            for part in parts.drop:
                if isinstance(part, (Index, UniqueConstraint)):
                    loose.update(column.name for column in part.columns)
        return [
            part
            for part in parts.keep
            if isinstance(part, ForeignKeyConstraint)
            and (loose.intersection(part.column_keys) or self._is_own(part, going))
        ]

    def _is_own(self, key: ForeignKeyConstraint, going: set[str]) -> bool:
        target = key.elements[0].column
        return target.table.name == self.before.name and target.name in going

    def _referring(self, retyped: set[str]) -> list[tuple[Column[Any], list[ForeignKeyConstraint], str]]:
        """The columns of other tables whose type follows from that of a column here, with their foreign keys.

        One with db_constraint=False has none. Last is the name of the column here.
        """
        found = []
        for other, field, root in fields_referring(self.before, retyped):
            table = define(other, self.connection)
            keys = [key for key in table.foreign_key_constraints if key.column_keys == [field.column]]
            found.append((table.c[field.column], keys, root))
        return found

    # -- columns

    def _alter_column(self, old: Column[Any], new: Column[Any]) -> None:
        field = self.new_fields[new.name]
        # Once it has its new type, and before NULL is refused.
        to_fill = bool(old.nullable and not new.nullable)
        retyped = self.type_text(old) != self.type_text(new)
        if self.vendor == "mysql":
            if to_fill and retyped:
                self._modify(old, new, nullable=True)
            if to_fill:
                self.fill(field, new, only_null=True)
            self._modify(old, new, nullable=bool(new.nullable))
            return
        if numbered(old) and not numbered(new):
            self._identity(new, "DROP IDENTITY")
        default = (self.default_text(old), self.default_text(new))
        if default[0] is not None and (retyped or default[1] is None):
            # The old default may not be a value of the new type.
            self._alter(new, server_default=None)
            default = (None, default[1])
        if retyped:
            self._alter_type(self.new_table, new, new.type)
        if default[0] != default[1]:
            self._alter(new, server_default=new.server_default)
        if to_fill:
            self.fill(field, new, only_null=True)
        if old.nullable != new.nullable:
            self._alter(new, nullable=bool(new.nullable), existing_type=new.type)
        if numbered(new) and not numbered(old):
            self._identity(new, "ADD GENERATED BY DEFAULT AS IDENTITY")
            self._follow(new)

    def _modify(self, old: Column[Any], new: Column[Any], nullable: bool) -> None:
        """MariaDB changes all of a column or nothing."""
        self._alter(
            new,
            type_=new.type,
            nullable=nullable,
            server_default=new.server_default if self.default_text(new) is not None else None,
            autoincrement=numbered(new),
            existing_type=old.type,
        )

    def _alter(self, column: Column[Any], **changes: Any) -> None:
        self.statements.operations.alter_column(self.new_table.name, column.name, **changes)

    def _alter_type(self, table: Table, column: Column[Any], new_type: Any) -> None:
        if self.vendor == "mysql":
            changes: dict[str, Any] = {"existing_nullable": bool(column.nullable)}
        elif self.vendor == "postgresql":
            cast = new_type.compile(dialect=self.dialect)
            changes = {"postgresql_using": f"{self.statements.quote(column.name)}::{cast}"}
        else:
            changes = {}
        self.statements.operations.alter_column(
            table.name, column.name, type_=new_type, existing_type=column.type, **changes
        )

    def _identity(self, column: Column[Any], what: str) -> None:
        quote = self.statements.quote
        self.statements.run_text(f"ALTER TABLE {quote(self.new_table.name)} ALTER COLUMN {quote(column.name)} {what}")

    def _follow(self, column: Column[Any]) -> None:
        """Let the numbers that PostgreSQL gives out go on behind those there are."""
        if self.vendor != "postgresql":
            return
        highest = sqlalchemy.func.coalesce(sqlalchemy.func.max(column), 0) + 1
        table = self.dialect.identifier_preparer.quote(self.new_table.name)
        names = (sqlalchemy.literal(name, sqlalchemy.Text) for name in (table, column.name))
        sequence = sqlalchemy.func.pg_get_serial_sequence(*names)
        self.statements.run(
            sqlalchemy.select(sqlalchemy.func.setval(sequence, highest, sqlalchemy.false())).select_from(self.new_table)
        )

    def _add_column(self, column: Column[Any]) -> None:
        field = self.new_fields[column.name]
        added = bare(column)
        default = None if column.nullable or field.has_db_default() else self.effective_default(field)
        if default is not None:
            added.server_default = sqlalchemy.DefaultClause(default)
        elif column.nullable and not field.has_db_default() and has_default(field):
            self.statements.impl.add_column(self.new_table.name, added)
            self.fill(field, column)
            return
        self.statements.impl.add_column(self.new_table.name, added)
        if default is not None:
            # It was for the rows there are; what new rows get is the business of the model.
            changes: dict[str, Any] = {"existing_type": column.type, "existing_nullable": bool(column.nullable)}
            self._alter(column, server_default=None, **changes)

    def effective_default(self, field: Any) -> Any:
        """What rows that exist get in a new column, as an element of SQL; None: nothing."""
        if field.has_db_default():
            return define(self.after, self.connection).c[field.column].server_default.arg
        value = default_value(field)
        return None if value is None else sqlalchemy.literal(field.get_save_value(value), field.sql_type())

    def fill(self, field: Any, column: Column[Any], only_null: bool = False) -> None:
        """Give rows the default of a field; all of them, or those that have NULL."""
        default = self.effective_default(field)
        if default is None:
            return
        statement = sqlalchemy.update(self.new_table).values({self.new_table.c[column.name]: default})
        if only_null:
            statement = statement.where(self.new_table.c[column.name].is_(None))
        self.statements.run(statement)
        self.check_deferred()

    def check_deferred(self) -> None:
        """Check what PostgreSQL would check at the end: it alters no table of which something is left to check."""
        if self.vendor == "postgresql" and self.connection.in_atomic_block and self.statements.collected is None:
            self.statements.run_text("SET CONSTRAINTS ALL IMMEDIATE")
            self.statements.run_text("SET CONSTRAINTS ALL DEFERRED")

    # -- the primary key

    def _keys(self) -> tuple[list[str], list[str]]:
        return [c.name for c in self.old_table.primary_key], [c.name for c in self.new_table.primary_key]

    def _drop_primary_key(self) -> None:
        old, new = self._keys()
        if not old or old == new:
            return
        quote = self.statements.quote
        if self.vendor == "mysql":
            for column in self.old_table.primary_key:
                if numbered(column):  # which only a key can be
                    self._alter(column, type_=column.type, nullable=False, autoincrement=False)
            self.statements.run_text(f"ALTER TABLE {quote(self.old_table.name)} DROP PRIMARY KEY")
        else:
            self.drop_part(self.old_table.primary_key)

    def _add_primary_key(self) -> None:
        old, new = self._keys()
        if old == new:
            names = self.old_table.primary_key.name, self.new_table.primary_key.name
            if names[0] != names[1] and None not in names:
                self._rename_part(self.old_table.primary_key, self.new_table.primary_key)
        elif new:
            self.statements.impl.add_constraint(self.new_table.primary_key)


def bare(column: Column[Any]) -> Column[Any]:
    """A column as it is added: without constraints, which are added behind it."""
    extra = [Identity(always=False)] if numbered(column) else []
    return Column(
        column.name,
        column.type,
        *extra,
        nullable=column.nullable,
        server_default=None if numbered(column) else column.server_default,
        autoincrement=numbered(column),
    )


def numbered(column: Column[Any]) -> bool:
    return column.identity is not None


def named_parts(table: Table) -> Parts:
    """The constraints and indexes of a table by name, without the primary key."""
    return {name: part for name, part in parts_of(table).items() if part is not table.primary_key}


def fields_referring(state: TableState, columns: set[str]) -> list[tuple[TableState, Any, str]]:
    """The fields of other tables that refer to columns of this one, or to fields that do, and so on.

    With the states of their tables, and the column of this one at the end of the chain.
    """
    found: list[tuple[TableState, Any, str]] = []
    seen = set()
    # Models, a column of each that gets another type, and the column here that this follows from.
    waiting = [(state.model, column, column) for column in sorted(columns)]
    while waiting:
        model, column, root = waiting.pop(0)
        for relation in model._meta.all_related_objects:
            field = relation.field
            other = field.model._meta
            if field.column is None or other.db_table == state.name or not other.managed:
                continue
            if field.target_field.column == column and (other.db_table, field.column) not in seen:
                seen.add((other.db_table, field.column))
                found.append((state_of(field.model), field, root))
                waiting.append((field.model, field.column, root))
    return found


def has_default(field: Any) -> bool:
    """Whether rows that exist get something else than NULL in a new column of this field."""
    return default_value(field) is not None


def default_value(field: Any) -> Any:
    """What rows that exist get in a new column, in Python; None: nothing."""
    if field.default is not NOT_PROVIDED:
        return field.get_default()
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        kind = field.get_internal_type()
        now = timezone.now()
        return {"DateField": now.date(), "TimeField": now.time()}.get(kind, now)
    if not field.null and field.blank and field.empty_strings_allowed:
        return b"" if field.get_internal_type() == "BinaryField" else ""
    return None

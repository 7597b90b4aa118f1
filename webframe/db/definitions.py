"""The table of a model with everything that DDL says about it: keys, constraints, indexes, defaults.

`definition_of(model, wrapper)` makes it anew for one engine, since engines
differ in what they can do; what one cannot do raises `NotSupportedError`. A
table that is to be changed is described by two `TableState`s, one before and
one after: `webframe.db.schema` does what makes the difference.

Foreign keys are checked at the end of the transaction where the engine can do
that (SQLite, PostgreSQL), so that rows that point to each other can be written
in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy
from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table

from webframe.core.exceptions import FieldError
from webframe.db.errors import NotSupportedError
from webframe.db.models.building import Built
from webframe.db.models.conditions import names_in
from webframe.db.models.constraints import CheckConstraint, Deferrable, UniqueConstraint
from webframe.db.models.expressions import F, OrderBy
from webframe.db.models.fields.base import NOT_PROVIDED
from webframe.db.models.indexes import Index
from webframe.db.models.rows import Row, row_of_columns
from webframe.db.models.tables import column_type, generated_name, generates_numbers, new_column

# Text is compared letter by letter, as on the other engines.
MYSQL_COLLATION = "utf8mb4_bin"

# The engines that can check a foreign key at the end of the transaction.
DEFERRING = ("sqlite", "postgresql")


@dataclass(frozen=True)
class TableState:
    """What a table is made of, as models say it."""

    model: Any
    name: str
    fields: tuple[Any, ...]
    unique_together: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[Any, ...] = ()
    constraints: tuple[Any, ...] = ()
    # Other names that fields go by: that of before beside the new one.
    aliases: Mapping[str, Any] = field(default_factory=dict)
    # The table and the columns that generated names are made of, where those are not the present ones.
    named_after: str | None = None
    columns_named_after: Mapping[str, str] = field(default_factory=dict)

    def with_field(self, new: Any, old: Any = None) -> TableState:
        """The same with one field more, or one field in the place of another."""
        fields = self.fields
        if new.primary_key:
            # There is one primary key: the former one becomes a plain column, whose numbers nobody gives out.
            former = old.name if old is not None and old.primary_key else None
            fields = tuple(_plain(each) if each.primary_key and each.name != former else each for each in fields)
        if old is None:
            return replace(self, fields=(*fields, new))
        fields = tuple(new if each.name == old.name else self._following(each, old.name, new) for each in fields)
        return replace(self, fields=fields, aliases={**self.aliases, old.name: new})

    def _following(self, each: Any, name: str, new: Any) -> Any:
        """A field, pointing to `new` if it points to the field `name` of this table, be it by way of other tables."""
        if not each.is_relation:
            return each
        target = each.target_field
        is_own = target.model._meta.concrete_model is self.model._meta.concrete_model
        now = new if is_own and target.name == name else self._following(target, name, new)
        return each if now is target else each.pointing_to(now)

    def without_field(self, old: Any) -> TableState:
        """The same without a field, and without what Meta says of it."""

        def names(each: Any) -> Iterable[str]:
            yield from (name.removeprefix("-") for name in getattr(each, "fields", ()))
            for part in (*getattr(each, "expressions", ()), getattr(each, "condition", None)):
                yield from (name.split("__")[0] for name in names_in(part))

        gone = {old.name, old.attname}
        return replace(
            self,
            fields=tuple(each for each in self.fields if each.name != old.name),
            unique_together=tuple(together for together in self.unique_together if gone.isdisjoint(together)),
            indexes=tuple(each for each in self.indexes if gone.isdisjoint(names(each))),
            constraints=tuple(each for each in self.constraints if gone.isdisjoint(names(each))),
        )

    def with_column_names(self, columns: Mapping[str, str], table: str) -> TableState:
        """What it is when the table and columns have been renamed, and constraints and indexes not yet.

        `columns`: the new names by the old ones.
        """
        fields = []
        for each in self.fields:
            if each.column in columns:
                new = columns[each.column]
                each = copy(each)
                each.column = new
            fields.append(each)
        return replace(
            self,
            name=table,
            fields=tuple(fields),
            named_after=self.named_after or self.name,
            columns_named_after={new: old for old, new in columns.items()},
        )

    def get_field(self, name: str) -> Any:
        """The field of this name, "pk" and names with "_id" too. Raises FieldError for none."""
        for each in self.fields:
            if name in (each.name, each.attname) or (name == "pk" and each.primary_key):
                return each
        if name in self.aliases:
            return self.aliases[name]
        known = ", ".join(sorted(each.name for each in self.fields))
        raise FieldError(f"The table {self.name!r} has no column for a field {name!r}. It has: {known}.")


def _plain(each: Any) -> Any:
    """A field that was the primary key, and is not any more."""
    each = copy(each)
    each.primary_key = False
    each.is_auto_field = False
    return each


def state_of(model: Any) -> TableState:
    """What a model says of its table."""
    meta = model._meta.concrete_model._meta
    return TableState(
        model,
        meta.db_table,
        tuple(meta.local_concrete_fields),
        tuple(tuple(names) for names in meta.unique_together),
        tuple(meta.indexes),
        tuple(meta.constraints),
    )


def definition_of(model: Any, wrapper: Any) -> Table:
    """The whole table of a model for one engine."""
    return define(state_of(model), wrapper)


def define(state: TableState, wrapper: Any) -> Table:
    """The whole table that a state describes, in a MetaData of its own with the tables that it refers to."""
    return _Definition(state, wrapper).table


class _Definition:
    """Makes one table."""

    def __init__(self, state: TableState, wrapper: Any) -> None:
        self.state = state
        self.wrapper = wrapper
        self.vendor: str = wrapper.vendor
        self.metadata = MetaData()
        self.columns = {each: self._column(each) for each in state.fields}
        numbered = any(map(generates_numbers, state.fields))
        self.table = Table(
            state.name,
            self.metadata,
            *self.columns.values(),
            # Never give out the number of a deleted row again.
            sqlite_autoincrement=numbered,
            mysql_engine="InnoDB",
            mysql_default_charset="utf8mb4",
            mysql_collate=MYSQL_COLLATION,
            mariadb_engine="InnoDB",
            mariadb_default_charset="utf8mb4",
            mariadb_collate=MYSQL_COLLATION,
        )
        # SQLite has AUTOINCREMENT only where the key has no name; MariaDB calls every key PRIMARY.
        if self.vendor not in ("sqlite", "mysql"):
            self.table.primary_key.name = self._name([each.column for each in state.fields if each.primary_key], "_pk")
        for each in state.fields:
            self._constrain(each)
        for names in state.unique_together:
            self._unique([state.get_field(name) for name in names])
        for constraint in state.constraints:
            self._add_constraint(constraint)
        for index in state.indexes:
            self._add_index(index)

    def _column(self, each: Any) -> Column[Any]:
        column = new_column(each)
        if hasattr(each, "db_type"):
            column.type = column_type(each, self.wrapper)
        if each.db_default is not NOT_PROVIDED:
            column.server_default = sqlalchemy.DefaultClause(self.default(each))
        return column

    def default(self, each: Any) -> Any:
        """The default that the database has for a field, as an element of SQL."""
        value = each.db_default
        if hasattr(value, "build") and hasattr(value, "references"):

            def refuse(other: Any) -> Any:
                raise NotSupportedError(
                    f"The db_default of {each} names another field, {other.name!r}. No database can do that."
                )

            return Row(self.state.model, self.wrapper, refuse).build(value).element
        return sqlalchemy.literal(each.get_save_value(value), each.sql_type())

    # -- what fields ask for

    def _constrain(self, each: Any) -> None:
        column = self.columns[each]
        if getattr(each, "non_negative", False):
            self.table.append_constraint(
                sqlalchemy.CheckConstraint(column >= 0, name=self._name([each.column], "_check"))
            )
        if each.unique and not each.primary_key:
            self._unique([each])
        constrained = has_foreign_key(each)
        if constrained:
            self._foreign_key(each, column)
        # MySQL would make an index for a foreign key by itself, and keep it when the key goes.
        wanted = each.db_index or (constrained and self.vendor == "mysql")
        if wanted and not each.unique and not each.primary_key:
            # "_idx" is how the names of Meta.indexes end: there may be one over the same column.
            sqlalchemy.Index(self._name([each.column], "_index"), column)

    def _unique(self, fields: list[Any]) -> None:
        name = self._name([each.column for each in fields], "_uniq")
        if all(constraint.name != name for constraint in self.table.constraints):
            self.table.append_constraint(
                sqlalchemy.UniqueConstraint(*(self.columns[each] for each in fields), name=name)
            )

    def _foreign_key(self, each: Any, column: Column[Any]) -> None:
        target = each.target_field
        table_name = target.model._meta.db_table
        if target.model._meta.concrete_model is self.state.model._meta.concrete_model:
            table_name = self.state.name
            target = next((own for own in self.state.fields if own.name == target.name), target)
        table = self.metadata.tables.get(table_name)
        if table is None:
            table = Table(table_name, self.metadata)
        if target.column not in table.c:
            table.append_column(Column(target.column, column_type(target)))
        self.table.append_constraint(
            ForeignKeyConstraint(
                [column],
                [table.c[target.column]],
                name=self._name([each.column], "_fk"),
                deferrable=True if self.vendor in DEFERRING else None,
                initially="DEFERRED" if self.vendor in DEFERRING else None,
            )
        )

    def _name(self, columns: Iterable[str], suffix: str) -> str:
        after = self.state.columns_named_after
        return generated_name(
            self.state.named_after or self.state.name, [after.get(column, column) for column in columns], suffix
        )

    # -- what Meta asks for

    def _add_constraint(self, constraint: Any) -> None:
        add = getattr(constraint, "add_to_table", None)
        if add is not None:  # a kind of constraint that is not ours
            add(self.table, self.row(), self.wrapper)
        elif isinstance(constraint, CheckConstraint):
            condition = self.row().condition(constraint.condition)
            self.table.append_constraint(sqlalchemy.CheckConstraint(condition, name=constraint.name))
        elif isinstance(constraint, UniqueConstraint):
            self._add_unique(constraint)
        else:
            raise TypeError(
                f"{constraint!r} in the constraints of {self.state.model._meta.label} is neither a UniqueConstraint "
                f"nor a CheckConstraint, and has no add_to_table(table, row, wrapper)."
            )

    def _add_unique(self, constraint: UniqueConstraint) -> None:
        what = f"The constraint {constraint.name!r}"
        options: dict[str, Any] = {}
        if constraint.nulls_distinct is False:
            self._require("postgresql", f"{what} has nulls_distinct=False")
            options["postgresql_nulls_not_distinct"] = True
        if constraint.include:
            self._require("postgresql", f"{what} includes other fields")
            options["postgresql_include"] = [self._column_named(name).name for name in constraint.include]
        if constraint.condition is not None or constraint.expressions or constraint.include:
            self._refuse_on_mysql(constraint.condition, constraint.expressions, what)
            where = self._where(constraint.condition)
            elements = self._elements(constraint.expressions, [(name, "") for name in constraint.fields])
            sqlalchemy.Index(constraint.name, *elements, unique=True, _table=self.table, **where, **options)
            return
        if constraint.deferrable is not None:
            self._require("postgresql", f"{what} is deferrable")
            options["deferrable"] = True
            options["initially"] = "DEFERRED" if constraint.deferrable is Deferrable.DEFERRED else "IMMEDIATE"
        columns = [self._column_named(name) for name in constraint.fields]
        self.table.append_constraint(sqlalchemy.UniqueConstraint(*columns, name=constraint.name, **options))

    def _add_index(self, index: Any) -> None:
        if not isinstance(index, Index):
            raise TypeError(f"{index!r} in the indexes of {self.state.model._meta.label} is not an Index.")
        if not index.name:
            index.set_name_with_model(self.state.model)
        options: dict[str, Any] = {}
        if index.include:
            self._require("postgresql", f"The index {index.name!r} includes other fields")
            options["postgresql_include"] = [self._column_named(name).name for name in index.include]
        self._refuse_on_mysql(index.condition, index.expressions, f"The index {index.name!r}")
        elements = self._elements(index.expressions, index.fields_orders)
        sqlalchemy.Index(index.name, *elements, _table=self.table, **self._where(index.condition), **options)

    def _elements(self, expressions: Iterable[Any], fields: Iterable[tuple[str, str]]) -> list[Any]:
        """What an index is over."""
        elements: list[Any] = []
        for name, order in fields:
            column = self._column_named(name)
            elements.append(column.desc() if order else column)
        for given in expressions:
            expression: Any = F(given) if isinstance(given, str) else given
            ordered = isinstance(expression, OrderBy)
            element = self.row().build(expression.expression if ordered else expression).element
            elements.append(element.desc() if ordered and expression.descending else element)
        return elements

    def _where(self, condition: Any) -> dict[str, Any]:
        if condition is None:
            return {}
        where = self.row().condition(condition)
        return {"sqlite_where": where, "postgresql_where": where}

    def _column_named(self, name: str) -> Column[Any]:
        return self.columns[self.state.get_field(name)]

    def row(self) -> Row:
        """A scope in which names are the columns of this table."""
        return _StateRow(self)

    def _require(self, vendor: str, what: str) -> None:
        if self.vendor != vendor:
            raise NotSupportedError(
                f"{what}, which {_ENGINES.get(self.vendor, self.vendor)} cannot do; {_ENGINES[vendor]} can."
            )

    def _refuse_on_mysql(self, condition: Any, expressions: Any, what: str) -> None:
        if self.vendor == "mysql" and (condition is not None or expressions):
            kind = "has a condition" if condition is not None else "is over expressions"
            raise NotSupportedError(f"{what} {kind}, which MariaDB and MySQL cannot do; SQLite and PostgreSQL can.")


class _StateRow(Row):
    """The row of a table that is described by a state: its fields count, whatever the model has."""

    def __init__(self, definition: _Definition) -> None:
        self.definition = definition
        columns = row_of_columns(definition.state.model, definition.wrapper, dict(definition.columns))
        super().__init__(columns.model, columns.wrapper, columns.element_of)

    def _field(self, name: str) -> Any:
        first, *rest = name.split("__")
        if rest and rest[0] == "pk":
            del rest[0]
        try:
            each = self.definition.state.get_field(first)
        except FieldError:
            return super()._field(name)
        return Built(self.definition.columns[each], each), tuple(rest), _Found(each)


@dataclass(frozen=True)
class _Found:
    """Where a name leads, in as far as `Row` asks."""

    field: Any
    annotation: None = None
    relation: Any = None


_ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}


def has_foreign_key(each: Any) -> bool:
    """Whether the database is to hold a field to rows that exist."""
    return bool(each.is_relation and getattr(each, "db_constraint", False) and each.column is not None)


# What finds a table's parts by name.
Parts = dict[str, Any]


def parts_of(table: Table) -> Parts:
    """The constraints and indexes of a table by name; its primary key too, if that has a name."""
    found: Parts = {}
    part: Any
    for part in (*table.constraints, *table.indexes):
        if part.name is not None:
            found[str(part.name)] = part
    return found


def text_of(part: Any, dialect: Any) -> str:
    """What a constraint or an index says, without its name and that of its table: equal for equal parts."""
    if isinstance(part, sqlalchemy.Index):
        text = str(sqlalchemy.schema.CreateIndex(part).compile(dialect=dialect))
    else:
        text = dialect.ddl_compiler(dialect, None).process(part)
    quote = dialect.identifier_preparer.quote
    for name in (str(part.name), part.table.name):
        text = text.replace(quote(name), "?", 1)
    return text

"""What every queryset consists of, and how one is made of another.

A queryset is a model, a tuple of operations and a tuple of the literals that
belong to them; nothing of that ever changes, and the result comes once it was
asked for. So making another one is copying a dictionary and appending to two tuples.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldError
from webframe.db.connections import DEFAULT_ALIAS, connections, router
from webframe.db.errors import NotSupportedError
from webframe.db.models.building import Built, Literals
from webframe.db.models.compiler import operations
from webframe.db.models.compiler.literals import Names
from webframe.db.models.compiler.operations import WHOLE, Slices
from webframe.db.models.expressions import F
from webframe.db.models.generic import OfRows, Row
from webframe.db.models.paths import remember, resolve_column, scalar
from webframe.utils import timezone

if TYPE_CHECKING:
    import sqlalchemy

    from webframe.db.models.compiler import answers, select
    from webframe.db.models.compiler import columns as selected
    from webframe.db.models.compiler import scope as scopes
    from webframe.db.models.compiler.plans import Plan
else:
    sqlalchemy = LateModule("sqlalchemy")
    answers = LateModule("webframe.db.models.compiler.answers")
    select = LateModule("webframe.db.models.compiler.select")
    selected = LateModule("webframe.db.models.compiler.columns")
    scopes = LateModule("webframe.db.models.compiler.scope")

_new: Any = object.__new__
NOTHING: Mapping[str, Any] = MappingProxyType({})


class State(OfRows[Row]):
    """The parts of a queryset."""

    # The model whose rows it is about.
    model: Any
    # What was asked for, and the literals in it.
    _operations: tuple[operations.Operation, ...] = ()
    _values: tuple[Any, ...] = ()
    # The alias given by using(); what routers are told.
    _db: str | None = None
    _hints: Mapping[str, Any] = NOTHING
    # From which row on, and up to which.
    _low: int = 0
    _high: int | None = None
    # Annotations by their names.
    _annotations: Mapping[str, Any] = NOTHING
    # The names given to values() or values_list(), and the shape of a row; None: instances.
    _columns: tuple[tuple[str, ...], str] | None = None
    # "union" ... if it is a combination of others.
    _combined: str | None = None
    # Whether the parts of a combination have the names given to its values(), and none that they were given themselves.
    _handed_down = False
    # What order_by() was given last; None: nothing was.
    _ordering: tuple[Any, ...] | None = None
    _reversed = False
    _distinct: tuple[str, ...] | None = None
    _nothing = False
    # Rows are read in order to be changed: from the database that is written to.
    _for_write = False
    # Whether filters with plain values need no further look: it is no slice, no combination, without annotations.
    _plain = True
    # Whether it is as a manager's filter() made it: with the model, operations and values, this, and no attribute more.
    # So it is as long as it has these four.
    _is_bare = False
    # Whether the next filter speaks of the same related rows as the last one.
    _sticky = False
    # The rows, once they were asked for.
    _result_cache: list[Any] | None = None
    _prefetch_related_lookups: tuple[Any, ...] = ()
    _prefetch_done = False
    # (foreign key, {its value: instance}): related objects that are known already.
    _known_related: tuple[Any, dict[Any, Any]] | None = None

    def __init__(
        self,
        model: Any = None,
        query: Any = None,
        using: str | None = None,
        hints: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        if using is not None:
            self._db = using
        if hints:
            self._hints = hints
        if query is not None:
            self._take(query.queryset)

    def _take(self, other: State) -> None:
        """Become about the same rows as another queryset."""
        for name in ("_operations", "_values", "_low", "_high", "_annotations", "_columns", "_combined", "_ordering"):
            setattr(self, name, getattr(other, name))
        self._reversed, self._distinct, self._nothing = other._reversed, other._distinct, other._nothing
        self._plain = other._plain

    # --- making another one -------------------------------------------------------------------------------------

    def _clone(self) -> Self:
        """The same queryset, without its result."""
        clone: Self = _new(self.__class__)
        attributes = clone.__dict__ = self.__dict__.copy()
        if "_is_bare" in attributes:
            del attributes["_is_bare"]
        if "_result_cache" in attributes:
            del attributes["_result_cache"]
            attributes.pop("_prefetch_done", None)
        return clone

    _chain = _clone

    def _with(self, operation: operations.Operation, literals: tuple[Any, ...] = ()) -> Self:
        """A queryset with one more operation."""
        clone = self._chain()
        clone._operations = self._operations + (operation,)
        if literals:
            clone._values = self._values + literals
        return clone

    def _add_hints(self, **hints: Any) -> None:
        """Tell routers more."""
        self._hints = {**self._hints, **hints}

    def _next_is_sticky(self) -> Self:
        """The filter after the next one speaks of the same related rows as the next one."""
        self._sticky = True
        self._plain = False
        return self

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def db(self) -> str:
        """The alias of the database that it is asked of."""
        if self._db is not None:
            return self._db
        if self._for_write:
            return router.db_for_write(self.model, **self._hints)
        return router.db_for_read(self.model, **self._hints)

    @property
    def gives_instances(self) -> bool:
        """Whether its rows are instances, rather than what values() gives."""
        return self._columns is None

    @property
    def is_sliced(self) -> bool:
        """Whether it is about some of the rows only, by their places."""
        return self._low != 0 or self._high is not None

    @property
    def may_have_many_rows(self) -> bool:
        """Whether nothing limits it to one row."""
        return self._high is None or self._high - self._low != 1

    @property
    def is_combined(self) -> bool:
        """Whether it is the union ... of others."""
        return self._combined is not None

    @property
    def ordered(self) -> bool:
        """Whether its rows have an order."""
        if self._nothing:
            return True
        if self._ordering is not None:
            return bool(self._ordering)
        if any(getattr(each, "contains_aggregate", False) for each in self._annotations.values()):
            return False
        return bool(self.model._meta.ordering)

    def _names(self) -> Names:
        """What names mean in it."""
        annotations = self._annotations
        return Names(self.model, annotations, self._field_of if annotations else _unknown)

    def _field_of(self, alias: str) -> Any:
        """The field that the values of an annotation have."""
        expression = self._annotations[alias]
        if type(expression) is F:
            path = resolve_column(self.model, expression.name, self._annotations)
            if path.annotation is None and not path.rest:
                return scalar(path.field)
        field = getattr(expression, "output_field", None)
        if field is not None:
            return field
        # Only building it can tell.
        known, key = self.model._meta.plans, ("field of", self._operations, alias)
        try:
            return known[key]
        except KeyError:
            question = select.Question(self.model, self._operations, scopes.Statement(_probe, self._values), _anywhere)
            return remember(known, key, question.scope.annotations[alias].field)

    # --- asking -------------------------------------------------------------------------------------------------

    @property
    def _slices(self) -> Slices:
        if self._high is None and not self._low:
            return WHOLE
        return Slices(self._high is not None, self._low > 0)

    def _literals(self) -> tuple[Any, ...]:
        """The literals of the whole question, with those of LIMIT and OFFSET."""
        if self._high is None and not self._low:
            return self._values
        extra = () if self._high is None else (self._high - self._low,)
        return self._values + (extra if not self._low else (*extra, self._low))

    def _plan(self, kind: str, wrapper: Any) -> Plan:
        """The plan for a question of this shape: "rows", "count" or "exists"."""
        key = (kind, self.model, self._operations, self._high is not None, self._low > 0, timezone.active.get())
        plan: Plan | None = wrapper.plans.get(key)
        if plan is None:
            make = getattr(answers, f"{kind}_plan")
            plan = wrapper.plans[key] = make(self.model, self._operations, self._literals(), self._slices, wrapper)
        return plan

    def _statement(self, kind: str) -> tuple[Any, Plan, Sequence[Any]] | None:
        """The wrapper, plan and parameters of a question ("rows", "count" or "exists"); None: the answer is nothing."""
        if self._nothing and self._combined is None:
            return None
        wrapper = connections[self._db or (DEFAULT_ALIAS if router.has_none and not self._hints else self.db)]
        limited, shifted = self._high is not None, self._low > 0
        plan = wrapper.plans.get((kind, self.model, self._operations, limited, shifted, timezone.active.get()))
        if plan is None:
            plan = self._plan(kind, wrapper)
        if plan.empty:
            return None
        values = self._literals() if limited or shifted else self._values
        parameters = plan.parameters
        return wrapper, plan, values if parameters is None else parameters(values)

    def sql_with_params(self, using: str | None = None) -> tuple[str, tuple[Any, ...]]:
        """The SQL for the rows, and its parameters, as the driver gets them."""
        plan = self._plan("rows", connections[using or self.db])
        return plan.sql, tuple(plan.arguments(self._literals()))

    # --- as a part of other questions ---------------------------------------------------------------------------

    def key(self, values: Literals) -> Hashable:
        """Its shape; its literals are appended."""
        values.extend(self._literals())
        return self.model, self._operations, self._high is not None, self._low > 0, self._db

    def references(self) -> Iterator[str]:
        """No names of the query around it, except by `OuterRef`."""
        return iter(())

    contains_aggregate = False
    contains_over_clause = False

    def build_select(self, scope: scopes.QueryScope, columns: str = "one") -> Any:
        """It as a SELECT within another scope; its literals are the next ones."""
        return self.build_column(scope, columns).element

    def build_column(self, scope: scopes.QueryScope, columns: str = "one") -> Built:
        """The same, with the field of the one column that it selects."""
        statement = scope.statement
        before = statement.position
        if self._db is not None and scope.wrapper.alias not in (self._db, None):
            raise ValueError(
                f"A subquery cannot ask the database {self._db!r} within a query of {scope.wrapper.alias!r}. "
                f"Give the inner queryset's rows instead: list(queryset)."
            )
        question = select.Question(self.model, self._operations, statement, scope)
        if columns == "exists":
            made = Built(question.exists(self._slices))
        else:
            made = self._one_column(question)
        statement.position = before + len(self._literals())
        return made

    def _one_column(self, question: select.Question) -> Built:
        pk = self.model._meta.pk
        if question.combination is not None:
            selection = question.rows(self._slices)
            if len(selection.columns) == 1:
                made = selection.statement
                made = made if len(made.selected_columns) == 1 else _first_column(made, question.scope)
                return Built(made, selection.columns[0].field)
            rows = selection.statement.subquery()
            place = next((n for n, column in enumerate(selection.columns) if column.name == pk.attname), 0)
            column: Any = list(rows.c)[place]
            return Built(sqlalchemy.select(column), scalar(pk))  # type: ignore[arg-type]  # an element all the same
        if question.values is None:
            columns = [selected.Column("pk", question.pk, scalar(pk))]
        else:
            columns = question.selection().columns
        if len(columns) != 1:
            raise FieldError(
                f"A subquery must select one column, and this one selects "
                f"{', '.join(column.name for column in columns)}. Name one with values()."
            )
        selection = selected.Selection(columns, None, "tuple")
        statement = question.select(selection, self._slices, ordered=self.is_sliced)
        if len(statement.selected_columns) > 1:
            # DISTINCT needs what it is ordered by among its columns, and HAVING, on MariaDB, the columns in it.
            statement = _first_column(statement, question.scope)
        return Built(statement, columns[0].field)

    def selection_in(self, statement: scopes.Statement, outer: scopes.QueryScope | None) -> selected.Selection:
        """It as one part of a combination; its literals are the next ones."""
        before = statement.position
        question = select.Question(self.model, self._operations, statement, outer)
        if not self.is_sliced and question.combination is None:
            selection = question.selection()
            selection = selection._replace(statement=question.select(selection, WHOLE, ordered=False))
        else:
            selection = question.rows(self._slices)
        statement.position = before + len(self._literals())
        return selection


def _first_column(statement: Any, scope: scopes.QueryScope) -> Any:
    """A SELECT of the first column of another one, by way of a table made of that."""
    if scope.dialect_name == "mysql" and scope.is_correlated(statement):
        raise NotSupportedError(
            "MySQL and MariaDB do not take a subquery with OuterRef that has to select more than one column: its "
            "distinct rows are ordered by something else, or filtered by an aggregate and columns beside it. Order "
            "by what it selects, or leave distinct() out."
        )
    return sqlalchemy.select(next(iter(statement.subquery().c)))


def _unknown(alias: str) -> None:
    return None


class _Probe:
    """Stands for a database where something is built only to see what comes of it."""

    alias = None
    vendor = "sqlite"
    is_mariadb = False

    class features:
        supports_select_for_update = False
        supports_nulls_first_last = True

    @property
    def dialect(self) -> Any:
        """SQLAlchemy's dialect."""
        from sqlalchemy.dialects import sqlite

        return sqlite.dialect()


class _Anywhere:
    """Stands for the query around a subquery where it is not known yet."""

    def ref(self, name: str, **options: Any) -> Built:
        """Something of which nothing is known."""
        return Built(sqlalchemy.null())

    @property
    def outer(self) -> _Anywhere:
        """One more."""
        return self


_probe = _Probe()
_anywhere: Any = _Anywhere()

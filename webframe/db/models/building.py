"""How questions become SQL: what expressions, lookups and the compiler say to each other.

A question is data: names, operations, and literal values beside them. It is
turned into SQL once for each shape. Two things are asked of every part of it,
in the same order of traversal:

* `key(values)`: what it looks like without its literals, hashable; the literals
  are appended to `values`. Two questions with equal keys get the same SQL.
* `build(scope)`: its SQL, as an element of SQLAlchemy Core. For every literal
  that `key` appended, it asks `scope.value` for a parameter, in the same order.

Whatever is not appended to `values` must be in the key, and may be put into the
SQL as it is (as `sqlalchemy.literal`, never as text). `compiler/scope.py` has
the scopes; expressions and lookups know them by the protocol here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine


class Built(NamedTuple):
    """A part of a question as SQL: the element, and the field whose values it has (None: nobody said)."""

    element: ColumnElement[Any]
    field: Any = None


class Scope(Protocol):
    """What names mean at one place of a statement, and where its literals come from."""

    # The model that names start from.
    model: Any
    # "sqlite", "postgresql", "mysql" or another name of a SQLAlchemy dialect.
    dialect_name: str
    # The DatabaseWrapper that the statement is for.
    wrapper: Any
    # The scope of the query around this subquery; None: there is none.
    outer: Scope | None
    # The columns, and annotations that are no aggregates or windows, that names have led to since somebody emptied the
    # list; but not those that an aggregate is of.
    met: list[Any]

    def ref(self, name: str, *, allow_joins: bool = True, for_aggregate: bool = False) -> Built:
        """The column, annotation or transformed column that a name means: "author__name", "pk", "born__year".

        Joins what must be joined. Raises FieldError, with the choices, for a
        name that means nothing, and for one that needs a join with
        ``allow_joins=False``.
        """
        ...

    def value(
        self,
        value: Any,
        field: Any = None,
        convert: Callable[[Any], Any] | None = None,
        sql_type: TypeEngine[Any] | None = None,
    ) -> ColumnElement[Any]:
        """The parameter for the next literal that `key` has appended; `value` must be that literal.

        It has the SQL type of `field`, if no other is given, or that of the Python
        type of the literal (then the Python type must be in the key). In each
        execution the literal goes through `convert`, if given, or else through
        ``field.get_prep_value``, and then through the bind processor of the SQL type.
        """
        ...

    def typed_value(
        self, value: Any, sql_type: TypeEngine[Any], convert: Callable[[Any], Any] | None = None
    ) -> ColumnElement[Any]:
        """Like `value`, for a given SQL type, without a field."""
        ...

    def values(self, literals: Sequence[Any], make: Callable[[Any], ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """The parameters for the next literals, each of which `make` would make in the same way.

        For many of them it is one element that stands for all.
        """
        ...

    def build(self, value: Any, field: Any = None) -> Built:
        """Any operand: an expression is built, a queryset is a scalar subquery, None is NULL, the rest are literals.

        The twin of `key_of`, which appends exactly those literals.
        """
        ...

    def subquery(self, queryset: Any, *, columns: str = "one") -> Any:
        """A queryset as a SQLAlchemy Select; `OuterRef` in it means names of this scope.

        `columns`: "one" for the one column that it selects (the primary key if it
        selects whole rows), "exists" for a constant, with the ordering dropped. It
        consumes the literals of the queryset.
        """
        ...

    def tables(self) -> Iterable[Any]:
        """The tables of this scope, as elements of SQLAlchemy."""
        ...

    def condition(self, q: Any, *, for_aggregate: bool = False) -> ColumnElement[bool]:
        """The condition a Q, or an expression with boolean values, stands for; for When(...), filter=Q(...) and kin.

        `for_aggregate` as with `ref`.
        """
        ...


@runtime_checkable
class Expression(Protocol):
    """Immutable data that becomes an element of SQL: F, Value, Func, Case, Count ..."""

    # Whether it is or contains an aggregate that is computed over the rows of this very query.
    contains_aggregate: bool

    def key(self, values: Literals) -> Hashable:
        """What it looks like without its literals, which are appended to `values`."""
        ...

    def build(self, scope: Scope) -> Built:
        """Its SQL in a scope."""
        ...

    def references(self) -> Iterable[str]:
        """Every name it refers to in the scope that it is built in; those of `OuterRef` are not among them."""
        ...


class Literals(list[Any]):
    """The literals of a question, in the order of traversal; and what `key` may ask about names.

    `key(values)` always gets one of these.
    """

    def condition(self, q: Any) -> Hashable:
        """The key of a Q or of an expression with boolean values; its literals are appended.

        The twin of `Scope.condition`. What a name in a Q means, and so how its
        lookup takes its value, depends on the model: the query layer's subclass knows it.
        """
        raise TypeError("A condition has a key only within a query.")


def key_of(value: Any, values: Literals) -> Hashable:
    """The key of any operand: an expression, a queryset, None or a literal, which is appended to `values`.

    The Python type of a literal is in the key, because the type of its parameter depends on it.
    """
    if value is None:
        return None
    key = getattr(value, "key", None)
    if key is not None and hasattr(value, "references"):
        return type(value), key(values)
    values.append(value)
    return (type(value),)

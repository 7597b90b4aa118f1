"""Expressions: what is computed by the database, as data.

    Pizza.objects.update(price=F("price") * 2)

An expression can be put wherever a value can. It is immutable, comparable and
hashable; the query it is given to asks for its `key` and, once for each key,
has it built into an element of SQLAlchemy Core. `building.py` explains both.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Self

from webframe._lazy import LateModule
from webframe.db.errors import NotSupportedError
from webframe.db.models import moments, outputs
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.conditions import Q
from webframe.db.models.lookups import is_expression

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")

__all__ = ["Combinable", "CombinedExpression", "Expression", "F", "OrderBy", "Value"]


def as_expression(value: Any) -> Any:
    """The value itself if it is an expression or a queryset, else a `Value` of it."""
    return value if is_expression(value) else Value(value)


def sql_type_of(field: Any) -> TypeEngine[Any]:
    """The SQL type of a field; the type that says nothing for None."""
    return sqlalchemy.types.NullType() if field is None else field.sql_type()


class Combinable:
    """What arithmetic can be done with: F, and every other expression."""

    ADD: Final = "+"
    SUB: Final = "-"
    MUL: Final = "*"
    DIV: Final = "/"
    POW: Final = "^"
    MOD: Final = "%"
    BITAND: Final = "&"
    BITOR: Final = "|"
    BITLEFTSHIFT: Final = "<<"
    BITRIGHTSHIFT: Final = ">>"
    BITXOR: Final = "#"

    def _combined(self, operator: str, other: Any, turned: bool = False) -> CombinedExpression:
        other = as_expression(other)
        return CombinedExpression(other, operator, self) if turned else CombinedExpression(self, operator, other)

    def __neg__(self) -> CombinedExpression:
        return self._combined("*", -1)

    def __add__(self, other: Any) -> CombinedExpression:
        return self._combined("+", other)

    def __sub__(self, other: Any) -> CombinedExpression:
        return self._combined("-", other)

    def __mul__(self, other: Any) -> CombinedExpression:
        return self._combined("*", other)

    def __truediv__(self, other: Any) -> CombinedExpression:
        return self._combined("/", other)

    def __mod__(self, other: Any) -> CombinedExpression:
        return self._combined("%", other)

    def __pow__(self, other: Any) -> CombinedExpression:
        return self._combined("^", other)

    def __radd__(self, other: Any) -> CombinedExpression:
        return self._combined("+", other, True)

    def __rsub__(self, other: Any) -> CombinedExpression:
        return self._combined("-", other, True)

    def __rmul__(self, other: Any) -> CombinedExpression:
        return self._combined("*", other, True)

    def __rtruediv__(self, other: Any) -> CombinedExpression:
        return self._combined("/", other, True)

    def __rmod__(self, other: Any) -> CombinedExpression:
        return self._combined("%", other, True)

    def __rpow__(self, other: Any) -> CombinedExpression:
        return self._combined("^", other, True)

    def bitand(self, other: Any) -> CombinedExpression:
        """Both numbers, bit by bit: and."""
        return self._combined("&", other)

    def bitor(self, other: Any) -> CombinedExpression:
        """Both numbers, bit by bit: or."""
        return self._combined("|", other)

    def bitxor(self, other: Any) -> CombinedExpression:
        """Both numbers, bit by bit: either, not both."""
        return self._combined("#", other)

    def bitleftshift(self, other: Any) -> CombinedExpression:
        """The bits moved to the left by so many places."""
        return self._combined("<<", other)

    def bitrightshift(self, other: Any) -> CombinedExpression:
        """The bits moved to the right by so many places."""
        return self._combined(">>", other)

    def __and__(self, other: Any) -> Q:
        return self._condition("&").joined(other, "AND")

    def __or__(self, other: Any) -> Q:
        return self._condition("|").joined(other, "OR")

    def __xor__(self, other: Any) -> Q:
        return self._condition("^").joined(other, "XOR")

    def __rand__(self, other: Any) -> Q:
        return other & self._condition("&")  # type: ignore[no-any-return]

    def __ror__(self, other: Any) -> Q:
        return other | self._condition("|")  # type: ignore[no-any-return]

    def __rxor__(self, other: Any) -> Q:
        return other ^ self._condition("^")  # type: ignore[no-any-return]

    def __invert__(self) -> Q:
        return ~self._condition("~")

    def _condition(self, symbol: str) -> Q:
        if not getattr(self, "conditional", False):
            raise NotImplementedError(
                f"{symbol!r} joins conditions, and {self!r} is not one. For the bits of numbers use "
                f"bitand(), bitor() and bitxor()."
            )
        return Q.create((self,))

    def asc(self, *, nulls_first: bool | None = None, nulls_last: bool | None = None) -> OrderBy:
        """Order by this, smallest first."""
        return OrderBy(self, nulls_first=nulls_first, nulls_last=nulls_last)

    def desc(self, *, nulls_first: bool | None = None, nulls_last: bool | None = None) -> OrderBy:
        """Order by this, largest first."""
        return OrderBy(self, descending=True, nulls_first=nulls_first, nulls_last=nulls_last)


class Expression(Combinable):
    """Base of everything that the database computes.

    A subclass of your own says what it is made of in `sources`, what else its
    SQL depends on in `marks`, and makes the SQL in `build`. Attributes may be
    set until an expression is first used, and not afterwards.
    """

    # Whether it is or contains an aggregate, or a window.
    contains_aggregate: bool = False
    contains_over_clause: bool = False
    # Whether it may be put between filled brackets of a window.
    window_compatible: bool = False

    def __init__(self, output_field: Any = None) -> None:
        self._output_field = output_field

    # -- what subclasses say

    def sources(self) -> Iterable[Any]:
        """The expressions it is made of, in the order in which `build` builds them."""
        return ()

    def marks(self) -> Hashable:
        """Whatever else its SQL depends on, beside its class, its sources and its output field."""
        return ()

    def build(self, scope: Scope) -> Built:
        """Its SQL in a scope; sources are built in the order of `sources`."""
        raise NotImplementedError(f"{type(self).__name__} must define build(scope).")

    # -- what queries ask

    @property
    def conditional(self) -> bool:
        """Whether rows can be filtered by it."""
        return outputs.kind_of(self._output_field) == "boolean"

    @property
    def output_field(self) -> Any:
        """The field whose values it has, as far as it was said; a query finds out the rest when it is built."""
        return self._output_field

    @property
    def default_alias(self) -> str:
        """The name of an aggregate that was given none."""
        raise TypeError(f"{type(self).__name__} needs a name: pass it as name={self!r}.")

    def key(self, values: Literals) -> Hashable:
        """What it looks like without its literals, which are appended to `values`."""
        return (
            self.marks(),
            outputs.field_key(self._output_field),
            tuple([key_of(source, values) for source in self.sources()]),
        )

    def references(self) -> Iterator[str]:
        """Every name it refers to in the scope that it is built in."""
        for source in self.sources():
            yield from source.references()

    # -- being a value

    def identity(self) -> tuple[Hashable, tuple[Any, ...]]:
        """Its key and its literals: equal expressions have equal ones."""
        found: tuple[Hashable, tuple[Any, ...]] | None = self.__dict__.get("_identity")
        if found is None:
            literals = _Anywhere()
            found = self.__dict__["_identity"] = ((type(self), self.key(literals)), tuple(literals))
        return found

    def __setattr__(self, name: str, value: object) -> None:
        if "_identity" in self.__dict__:
            raise AttributeError(f"{self!r} is in use and cannot be changed any more; {name!r} must be set earlier.")
        self.__dict__[name] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            return NotImplemented
        return self is other or self.identity() == other.identity()

    def __hash__(self) -> int:
        key, literals = self.identity()
        try:
            return hash((key, literals))
        except TypeError:
            return hash(key)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_identity"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(repr(source) for source in self.sources())})"


class _Anywhere(Literals):
    """Literals of an expression that is compared with another one, outside of any query."""

    def condition(self, q: Any) -> Hashable:
        if isinstance(q, Expression):
            return key_of(q, self)
        return _Condition(q)


class _Condition:
    """A Q within the identity of an expression."""

    __slots__ = ("q",)

    def __init__(self, q: Any) -> None:
        self.q = q

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Condition) and self.q == other.q

    def __hash__(self) -> int:
        return hash(self.q)


class Composite(Expression):
    """An expression made of others: it has an aggregate or a window in it if one of them has."""

    @property
    def contains_aggregate(self) -> bool:  # type: ignore[override]
        return any(getattr(source, "contains_aggregate", False) for source in self.sources())

    @property
    def contains_over_clause(self) -> bool:  # type: ignore[override]
        return any(getattr(source, "contains_over_clause", False) for source in self.sources())


class F(Combinable):
    """A field of the row, or an annotation, by name: ``F("price")``, ``F("author__name")``."""

    __slots__ = ("name",)

    contains_aggregate = False
    contains_over_clause = False
    conditional = False
    output_field: Any = None
    name: str

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"F() takes the name of a field or an annotation, not {name!r}.")
        _set_name(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} cannot be changed.")

    def sources(self) -> tuple[Any, ...]:
        """Nothing: a name is not made of other expressions."""
        return ()

    def key(self, values: Literals) -> Hashable:
        """Its name."""
        return self.name

    def build(self, scope: Scope) -> Built:
        """What the name means in the scope."""
        return scope.ref(self.name)

    def references(self) -> Iterator[str]:
        """Its name."""
        yield self.name

    @property
    def default_alias(self) -> str:
        """The name itself."""
        return self.name

    def __reduce__(self) -> tuple[type[F], tuple[str]]:
        return type(self), (self.name,)

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and self.name == other.name

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


# What writes the name of an F, which refuses that itself.
_set_name = vars(F)["name"].__set__


class Value(Expression):
    """A literal: ``Value("ham")``, ``Value(None, output_field=CharField())``.

    None is NULL, but as a document it is null: ``Value(None, JSONField())``.
    """

    def __init__(self, value: Any, output_field: Any = None) -> None:
        super().__init__(output_field)
        self.value = value

    @property
    def conditional(self) -> bool:
        """Whether it is True or False."""
        return isinstance(self.value, bool)

    def key(self, values: Literals) -> Hashable:
        """The Python type of the literal and its output field; None is no literal but NULL."""
        if self.value is not None:
            values.append(self.value)
        return type(self.value), outputs.field_key(self._output_field)

    def build(self, scope: Scope) -> Built:
        """A parameter of the type of the output field, or of that which suits the literal."""
        field = self._output_field
        if self.value is None:
            is_document = outputs.kind_of(field) == "json"
            element = sql.json_null(sql_type_of(field), scope.dialect_name) if is_document else sqlalchemy.null()
            return Built(element, field)
        if field is None:
            field = outputs.of_value(self.value)
        element = scope.value(self.value, field)
        if outputs.kind_of(field) in moments.CASTS:
            element = moments.literal(element, str(outputs.kind_of(field)), scope.dialect_name)
        return Built(element, field)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class CombinedExpression(Composite):
    """Arithmetic: ``F("price") * 2``."""

    def __init__(self, lhs: Any, connector: str, rhs: Any, output_field: Any = None) -> None:
        super().__init__(output_field)
        self.connector = connector
        self.lhs = lhs
        self.rhs = rhs

    def sources(self) -> tuple[Any, Any]:
        return self.lhs, self.rhs

    def marks(self) -> Hashable:
        return self.connector

    def build(self, scope: Scope) -> Built:
        """Both operands joined by the operator, in brackets wherever it stands in something larger."""
        left, right = scope.build(self.lhs), scope.build(self.rhs)
        field = self._output_field
        if field is None:
            field = outputs.of_operator(left.field, self.connector, right.field)
        kinds = outputs.kind_of(left.field), outputs.kind_of(right.field)
        if kinds[0] in outputs.TEMPORAL_KINDS or kinds[1] in outputs.TEMPORAL_KINDS:
            make = moments.arithmetic
            element = make(left.element, self.connector, right.element, kinds, sql_type_of(field), scope.dialect_name)
        else:
            make_plain = sql.arithmetic
            element = make_plain(left.element, self.connector, right.element, sql_type_of(field), scope.dialect_name)
        return Built(element, field)

    def __str__(self) -> str:
        return f"{self.lhs} {self.connector} {self.rhs}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class OrderBy(Composite):
    """One thing to order by, and how; ``F("name").desc(nulls_last=True)`` makes one."""

    def __init__(
        self,
        expression: Any,
        descending: bool = False,
        nulls_first: bool | None = None,
        nulls_last: bool | None = None,
    ) -> None:
        if nulls_first and nulls_last:
            raise ValueError("nulls_first and nulls_last exclude each other; give one of them.")
        if nulls_first is False or nulls_last is False:
            raise ValueError("nulls_first and nulls_last are True or left out; where NULLs go without is the engine's.")
        if not is_expression(expression):
            raise ValueError(f"OrderBy() takes an expression, such as F('name'), not {expression!r}.")
        super().__init__()
        self.expression = expression
        self.descending = descending
        self.nulls_first = nulls_first
        self.nulls_last = nulls_last

    def sources(self) -> tuple[Any]:
        return (self.expression,)

    def marks(self) -> Hashable:
        return self.descending, self.nulls_first, self.nulls_last

    def build(self, scope: Scope) -> Built:
        """The ordering as one element; `elements` has it as several where an engine needs that."""
        elements = self.elements(scope)
        if len(elements) > 1:
            raise NotSupportedError(
                f"{self!r} takes two expressions on {scope.dialect_name}, and there is room for one here. "
                f"Leave out nulls_first and nulls_last."
            )
        return Built(elements[0], None)

    def elements(self, scope: Scope) -> tuple[ColumnElement[Any], ...]:
        """What to put into ORDER BY: two elements where MySQL has to be told about NULLs."""
        return self.of(scope.build(self.expression).element, scope.dialect_name)

    def of(self, element: ColumnElement[Any], dialect_name: str) -> tuple[ColumnElement[Any], ...]:
        """This way of ordering, applied to an element."""
        ordered = element.desc() if self.descending else element.asc()
        if not (self.nulls_first or self.nulls_last):
            return (ordered,)
        if dialect_name in ("mysql", "mariadb"):
            absent = element.is_(None)
            return (absent.desc() if self.nulls_first else absent.asc()), ordered
        return (ordered.nulls_first() if self.nulls_first else ordered.nulls_last(),)

    def reverse_ordering(self) -> OrderBy:
        """The opposite of this ordering, NULLs included."""
        return OrderBy(
            self.expression,
            descending=not self.descending,
            nulls_first=self.nulls_last,
            nulls_last=self.nulls_first,
        )

    def asc(self, *, nulls_first: bool | None = None, nulls_last: bool | None = None) -> OrderBy:
        """The same expression, smallest first."""
        return OrderBy(self.expression, False, nulls_first, nulls_last)

    def desc(self, *, nulls_first: bool | None = None, nulls_last: bool | None = None) -> OrderBy:
        """The same expression, largest first."""
        return OrderBy(self.expression, True, nulls_first, nulls_last)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.expression!r}, descending={self.descending})"

"""Look-ups: what comes behind the last ``__`` of a name in filter().

A look-up is a class. It says of a value which part of it belongs to the shape
of the question (`key`), and builds the comparison (`build`). How a literal is
prepared belongs to the look-up, not only to the field: ``price__gte=1.5`` on an
integer field means 2 or more. Look-ups of your own are made known with
``SomeField.register_lookup``::

    @CharField.register_lookup
    class Sounds(Lookup):
        lookup_name = "sounds"

        @classmethod
        def compare(cls, lhs, rhs, scope):
            return func.soundex(lhs) == func.soundex(rhs)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from webframe._lazy import LateModule
from webframe.db.models.building import Built, Literals, Scope, key_of

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement

    from webframe.db.models import options, sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    options = LateModule("webframe.db.models.options")
    sql = LateModule("webframe.db.models.sql")

__all__ = ["DEFAULT_LOOKUPS", "Lookup", "RegisterLookupMixin", "is_expression"]

LookupClass = TypeVar("LookupClass", bound=type)

# Lists of more values are not padded: twice as many would not fit into a statement.
LONGEST_PADDED = 1 << 14


def is_expression(value: Any) -> bool:
    """Whether a value is an expression or a queryset, rather than a literal."""
    return hasattr(value, "key") and hasattr(value, "references")


class RegisterLookupMixin:
    """What has look-ups and transforms by name: fields."""

    # By name, those of this very class; its ancestors' hold too.
    class_lookups: ClassVar[dict[str, Any]] = {}
    # Makes the transform for every other name: JSON documents have one for each key.
    any_transform: ClassVar[type[Any] | None] = None

    @classmethod
    def get_lookups(cls) -> dict[str, Any]:
        """All look-ups and transforms by name, inherited ones included."""
        found: dict[str, Any] = {}
        for ancestor in reversed(cls.__mro__):
            found.update(ancestor.__dict__.get("class_lookups", {}))
        return found

    @classmethod
    def _found(cls, name: str) -> Any:
        for ancestor in cls.__mro__:
            found = ancestor.__dict__.get("class_lookups", {}).get(name)
            if found is not None:
                return found
        return None

    def get_lookup(self, name: str) -> type[Lookup] | None:
        """The look-up of that name, or None."""
        found = self._found(name)
        return found if isinstance(found, type) and issubclass(found, Lookup) else None

    def get_transform(self, name: str) -> Any:
        """The transform of that name, or None: something with ``apply(lhs, scope)`` and ``result_field(field)``."""
        found = self._found(name)
        if isinstance(found, type) and issubclass(found, Lookup):
            found = None  # a look-up is asked for last, so what has more names behind it is no look-up
        if found is None and (any_transform := type(self).any_transform) is not None:
            return any_transform(name)
        return found

    @classmethod
    def register_lookup(cls, lookup: LookupClass, lookup_name: str | None = None) -> LookupClass:
        """Make a look-up or transform known for fields of this class; also usable as a decorator.

        It takes the place of one of the same name, in questions that were asked before, too.
        """
        name = lookup_name or getattr(lookup, "lookup_name", None)
        if not isinstance(name, str) or not name.isidentifier() or "__" in name:
            raise ValueError(f"{lookup!r} needs a lookup_name that is an identifier without '__', not {name!r}.")
        if not (hasattr(lookup, "build") or hasattr(lookup, "apply")):
            raise TypeError(f"{lookup!r} is neither a Lookup nor a Transform.")
        before = cls._found(name)
        if "class_lookups" not in cls.__dict__:
            cls.class_lookups = {}
        cls.class_lookups[name] = lookup
        if before is not lookup and (before is not None or cls._knows_every_name()):
            options.forget_questions()
        return lookup

    @classmethod
    def _knows_every_name(cls) -> bool:
        """Whether any name may mean something already, here or in a class below: a key of documents, say."""
        return (
            cls.any_transform is not None
            or cls.get_transform is not RegisterLookupMixin.get_transform
            or cls.get_lookup is not RegisterLookupMixin.get_lookup
            or any(each._knows_every_name() for each in cls.__subclasses__())
        )

    @classmethod
    def _unregister_lookup(cls, lookup: Any, lookup_name: str | None = None) -> None:
        """Forget a look-up again; for tests."""
        del cls.__dict__["class_lookups"][lookup_name or lookup.lookup_name]
        options.forget_questions()


class Lookup:
    """Base of all look-ups; a subclass defines `compare`, or `key` and `build` where one literal is not enough."""

    # The name behind the last "__".
    lookup_name: str = ""
    # Whether every value of a plain Python type is simply one literal.
    one_literal: bool = True
    # Whether an int of 64 bits is, even where `one_literal` is False.
    plain_int: bool = False
    # Whether it may be true of NULL.
    true_of_null: bool = False
    # Whether None, for "exact" and "iexact", asks for NULL, and is no value of its own.
    none_is_null: bool = True
    # What makes a condition of a look-up with both sides given; set by `cases.py`, which knows expressions.
    as_condition: ClassVar[Callable[[type[Any], Any, Any], Any] | None] = None

    def __new__(cls, lhs: Any, rhs: Any) -> Any:
        """A condition of two expressions: ``GreaterThan(F("price"), F("limit"))``."""
        make = Lookup.as_condition
        if make is None:
            raise TypeError(f"{cls.__name__}() takes expressions; import webframe.db.models.cases first.")
        return make(cls, lhs, rhs)

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        """The part of a value that belongs to the shape of the question; literals are appended to `values`."""
        if value is None or is_expression(value):
            return key_of(value, values)
        values.append(value)
        return ""

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        """The comparison as SQL."""
        return cls.compare(lhs.element, cls.operand(lhs, value, scope), scope)

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """The comparison of two elements."""
        raise NotImplementedError(f"{cls.__name__} must define compare(lhs, rhs, scope).")

    @classmethod
    def operand(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[Any]:
        """The right side: an expression, or a parameter of the type of the left side."""
        if value is None:
            raise ValueError(
                f"Cannot use None as a query value with the look-up {cls.lookup_name!r}; use isnull=True or exact."
            )
        if is_expression(value):
            return scope.build(value, lhs.field).element
        return cls.literal(lhs, value, scope)

    @classmethod
    def literal(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[Any]:
        """The parameter for a literal on the right side."""
        if lhs.field is None:
            return scope.typed_value(value, lhs.element.type)
        return scope.value(value, lhs.field, cls.converter(lhs.field))

    @classmethod
    def converter(cls, field: Any) -> Callable[[Any], Any] | None:
        """What a literal goes through in place of ``field.get_prep_value``; None: nothing else."""
        if cls.prepare.__func__ is Lookup.prepare.__func__:  # type: ignore[attr-defined]
            return None
        return lambda value: cls.prepare(field, value)

    @classmethod
    def check(cls, field: Any, value: Any) -> None:
        """Raise an error for a value that cannot be compared with values of this field: asked where that is cheap."""

    @classmethod
    def prepare(cls, field: Any, value: Any) -> Any:
        """A literal as the database shall compare it with values of this field."""
        return field.get_prep_value(value)


class Exact(Lookup):
    """Equal; None asks for NULL, and a queryset has to be of one row."""

    lookup_name = "exact"

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        if value is None:
            return lhs.element.is_(None)
        return super().build(lhs, value, scope)

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return lhs == rhs


class GreaterThan(Lookup):
    """Greater than."""

    lookup_name = "gt"

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return lhs > rhs


class GreaterThanOrEqual(Lookup):
    """Greater than or equal."""

    lookup_name = "gte"

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return lhs >= rhs


class LessThan(Lookup):
    """Less than."""

    lookup_name = "lt"

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return lhs < rhs


class LessThanOrEqual(Lookup):
    """Less than or equal."""

    lookup_name = "lte"

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return lhs <= rhs


class In(Lookup):
    """One of several values, or of the values that a queryset selects.

    None among them is passed over, as no row is equal to NULL. The list is
    padded to a power of two, so that a few statements serve lists of all lengths
    (but for very long ones, which would not fit into a statement any more).
    """

    lookup_name = "in"
    one_literal = False

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        if is_expression(value):
            return key_of(value, values)
        expressions, literals = cls.split(value)
        keys = tuple([key_of(expression, values) for expression in expressions])
        values.extend(literals)
        return "list", keys, len(literals)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        if is_expression(value):
            queryset = getattr(value, "queryset", value)
            selected = scope.subquery(queryset)
            if queryset.is_sliced and scope.dialect_name in sql.MYSQL:
                selected = sql.made_before(selected, scope.tables())
            return lhs.element.in_(selected)
        expressions, literals = cls.split(value)
        operands = [scope.build(expression, lhs.field).element for expression in expressions]
        operands += scope.values(literals, lambda literal: cls.literal(lhs, literal, scope))
        return lhs.element.in_(operands) if operands else sqlalchemy.false()

    @classmethod
    def split(cls, value: Any) -> tuple[list[Any], list[Any]]:
        """The expressions in a list, and its literals: each once, no None, padded."""
        if not isinstance(value, Iterable):
            raise TypeError(f"The look-up 'in' takes a list or a queryset, not {value!r}.")
        items = [item for item in value if item is not None]
        try:
            items = list(dict.fromkeys(items))
        except TypeError:
            pass  # Unhashable, such as JSON values: twice does no harm.
        expressions = [item for item in items if is_expression(item)]
        literals = [item for item in items if not is_expression(item)] if expressions else items
        literals = [literal for literal in literals if cls.possible(literal)]
        if len(literals) <= LONGEST_PADDED:
            literals += literals[-1:] * ((1 << (len(literals) - 1).bit_length()) - len(literals))
        return expressions, literals

    @classmethod
    def possible(cls, literal: Any) -> bool:
        """Whether any row may have that value."""
        return True


class Range(Lookup):
    """Between two values, both included."""

    lookup_name = "range"
    one_literal = False

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        low, high = cls.bounds(value)
        return GreaterThanOrEqual.key(low, values), LessThanOrEqual.key(high, values)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        low, high = cls.bounds(value)
        return lhs.element.between(cls.operand(lhs, low, scope), cls.operand(lhs, high, scope))

    @classmethod
    def bounds(cls, value: Any) -> tuple[Any, Any]:
        """The two values; `ValueError` if there are more or fewer."""
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ValueError(f"The look-up 'range' takes two values, the lowest and the highest, not {value!r}.")
        return value[0], value[1]


class IsNull(Lookup):
    """NULL if True, not NULL if False."""

    lookup_name = "isnull"
    one_literal = False
    true_of_null = True

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        if not isinstance(value, bool):
            raise ValueError(f"The look-up 'isnull' takes True or False, not {value!r}.")
        return "isnull", value

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        return lhs.element.is_(None) if value else lhs.element.is_not(None)


# -- text


class TextLookup(Lookup):
    """Base of what looks into text; values of other types are looked at as the engine writes them."""

    # Whether upper and lower case are the same.
    fold: bool = False

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        element = sql.as_text(lhs.element, scope.dialect_name)
        if value is None or is_expression(value):
            operand = sql.as_text(cls.operand(lhs, value, scope), scope.dialect_name)
            return cls.compare(element, operand, scope)
        return cls.search(element, value, scope)

    @classmethod
    def search(cls, lhs: ColumnElement[Any], value: Any, scope: Scope) -> ColumnElement[bool]:
        """The comparison with a literal."""
        return cls.compare(lhs, scope.typed_value(value, sqlalchemy.Text(), str), scope)


class IExact(TextLookup):
    """Equal, upper and lower case being the same; None asks for NULL."""

    lookup_name = "iexact"
    fold = True

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> ColumnElement[bool]:
        return lhs.element.is_(None) if value is None else super().build(lhs, value, scope)

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return sql.fold(lhs, scope.dialect_name) == sql.fold(rhs, scope.dialect_name)


class PatternLookup(TextLookup):
    """Base of contains, startswith and endswith.

    Literals become patterns, with everything special in them escaped; SQLite
    uses GLOB and instr(), because its LIKE cannot tell upper from lower case.
    """

    # Whether anything may stand before and behind the literal.
    before: bool = True
    behind: bool = True

    @classmethod
    def search(cls, lhs: ColumnElement[Any], value: Any, scope: Scope) -> ColumnElement[bool]:
        dialect = scope.dialect_name
        if dialect == "sqlite" and cls.before and cls.behind:
            part = scope.typed_value(value, sqlalchemy.Text(), sql.folded if cls.fold else str)
            return sql.position(sql.fold(lhs, dialect) if cls.fold else lhs, part, dialect) > 0
        if dialect == "sqlite":
            pattern = sql.glob_pattern(cls.before, cls.behind, str.casefold if cls.fold else str)
            return sql.glob(
                sql.fold(lhs, dialect) if cls.fold else lhs, scope.typed_value(value, sqlalchemy.Text(), pattern)
            )
        escaped = sql.like_pattern(cls.before, cls.behind, sql.escape_of(dialect))
        operand = scope.typed_value(value, sqlalchemy.Text(), escaped)
        if cls.fold:
            lhs, operand = sql.fold(lhs, dialect), sql.fold(operand, dialect)
        return sql.like(lhs, operand, dialect)

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        dialect = scope.dialect_name
        same = sql.fold if cls.fold else sql.compare_text
        lhs, rhs = same(lhs, dialect), same(rhs, dialect)
        if cls.before and cls.behind:
            return sql.position(lhs, rhs, dialect) > 0
        size = sql.length(rhs, dialect)
        if cls.behind:
            return sqlalchemy.func.substr(lhs, 1, size, type_=sqlalchemy.Text()) == rhs
        start = sql.length(lhs, dialect) - size + 1
        return sqlalchemy.and_(start >= 1, sqlalchemy.func.substr(lhs, start, type_=sqlalchemy.Text()) == rhs)


class Contains(PatternLookup):
    """Contains that text, case sensitive."""

    lookup_name = "contains"


class IContains(Contains):
    """Contains that text, upper and lower case being the same."""

    lookup_name = "icontains"
    fold = True


class StartsWith(PatternLookup):
    """Begins with that text, case sensitive."""

    lookup_name = "startswith"
    before = False


class IStartsWith(StartsWith):
    """Begins with that text, upper and lower case being the same."""

    lookup_name = "istartswith"
    fold = True


class EndsWith(PatternLookup):
    """Ends with that text, case sensitive."""

    lookup_name = "endswith"
    behind = False


class IEndsWith(EndsWith):
    """Ends with that text, upper and lower case being the same."""

    lookup_name = "iendswith"
    fold = True


class Regex(TextLookup):
    """A regular expression is found in it, case sensitive; its dialect is that of the engine, on SQLite Python's."""

    lookup_name = "regex"

    @classmethod
    def search(cls, lhs: ColumnElement[Any], value: Any, scope: Scope) -> ColumnElement[bool]:
        convert = sql.python_pattern if scope.dialect_name == "sqlite" else str
        return cls.compare(lhs, scope.typed_value(value, sqlalchemy.Text(), convert), scope)

    @classmethod
    def compare(cls, lhs: ColumnElement[Any], rhs: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        return sql.regex(lhs, rhs, cls.fold, scope.dialect_name)


class IRegex(Regex):
    """A regular expression is found in it, upper and lower case being the same."""

    lookup_name = "iregex"
    fold = True


# -- helpers


def by_name(*lookups: type[Lookup]) -> dict[str, type[Lookup]]:
    """Look-ups by their names."""
    return {lookup.lookup_name: lookup for lookup in lookups}


# What every field has.
DEFAULT_LOOKUPS: dict[str, type[Lookup]] = by_name(
    Exact,
    IExact,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
    In,
    Range,
    IsNull,
    Contains,
    IContains,
    StartsWith,
    IStartsWith,
    EndsWith,
    IEndsWith,
    Regex,
    IRegex,
)

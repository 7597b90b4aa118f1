"""JSON documents in queries: ``data__owner__name="Bob"``, ``data__has_key="price"``, ``data__contains={"a": 1}``.

Every name behind a field with documents is a key, or the place in a list where
it is a number, unless it is the last one and a look-up. Keys come from outside;
they are parameters of the statement, or quoted. A key that is missing is NULL; one whose
value is null is equal to None, as is a document that is null.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule, late_pattern
from webframe.db.errors import NotSupportedError
from webframe.db.models import lookups, outputs
from webframe.db.models.building import Built, Literals, Scope, key_of
from webframe.db.models.fields.other import JSONField
from webframe.db.models.lookups import Lookup, is_expression

if TYPE_CHECKING:
    import json

    import sqlalchemy
    from sqlalchemy.dialects import postgresql

    from webframe.db.models import sql
    from webframe.db.models.fields import types

    Element = sqlalchemy.ColumnElement[Any]
else:
    json = LateModule("json")
    sqlalchemy = LateModule("sqlalchemy")
    types = LateModule("webframe.db.models.fields.types")
    sql = LateModule("webframe.db.models.sql")
    postgresql = LateModule("sqlalchemy.dialects.postgresql")

__all__ = ["Key", "KeyValue"]

# Keys that are written in one way only.
SIMPLE = late_pattern(r"[ !#-\[\]-~]*")

# More conditions than that are not written beside each other: each is one level deeper than the one before it.
MOST_BESIDE = 200


class Key:
    """The value of one key of a document, or of one place of a list."""

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, lhs: Built, scope: Scope) -> Built:
        """The value as a document."""
        if is_mariadb(scope):
            mariadb_path(self.name)
        return Built(value_at(lhs.element, self.name, scope.dialect_name), KeyValue())

    def result_field(self, field: Any) -> Any:
        """Its values are documents too."""
        return KeyValue()


class KeyValue(JSONField):
    """What a key of a document stands for: a document, compared by what it is."""

    class_lookups = {}


JSONField.any_transform = Key


def value_at(element: Element, name: str, dialect_name: str) -> Element:
    """The value of a key of a document."""
    if dialect_name == "postgresql":
        # No parameter: PostgreSQL takes an expression for one that it groups by only if it is written the same.
        path = sqlalchemy.literal_column(f"ARRAY[{sql.quoted_text(name)}]", postgresql.ARRAY(sqlalchemy.Text()))
        return element.op("#>", return_type=types.JSONDocument())(path)
    if dialect_name == "sqlite" and not SIMPLE.fullmatch(name):
        # A path of SQLite is compared with what is written, which may be an escape, and has no quotes.
        key = sqlalchemy.literal(name, sqlalchemy.Text())
        return sqlalchemy.Function("webframe_json_value", element, key, type_=types.JSONDocument())
    step = sqlalchemy.literal(path_of(name), sqlalchemy.Text())
    if dialect_name == "sqlite":
        return element.op("->", return_type=types.JSONDocument())(step)
    if dialect_name in sql.MYSQL:
        return sqlalchemy.Function("json_extract", element, step, type_=types.JSONDocument())
    raise NotSupportedError(f"Keys of JSON documents are not supported on {dialect_name}.")


def path_of(name: Any) -> str:
    """The path to a key in the language of SQLite and MySQL: ``$."price"``, or ``$[0]`` for a number."""
    text = str(name)
    return f"$[{int(text)}]" if text.isascii() and text.isdigit() else key_path(text)


def key_path(name: Any) -> str:
    """The path to a key that is never the place in a list."""
    return f"$.{json.dumps(str(name), ensure_ascii=False)}"


def is_mariadb(scope: Scope) -> bool:
    """Whether the statement is for MariaDB."""
    return scope.dialect_name in sql.MYSQL and bool(getattr(scope.wrapper, "is_mariadb", False))


def mariadb_path(name: Any) -> str:
    """Like `key_path`, but raises `NotSupportedError` for keys that MariaDB would not find."""
    if str(name).startswith("-"):
        raise NotSupportedError(f"MariaDB finds no key of a document that begins with a minus, as {name!r} does.")
    return key_path(name)


def as_plain(element: Element, dialect_name: str) -> Element:
    """A document that is a text or a number as that, and not as JSON."""
    if dialect_name == "postgresql":
        return element.op("#>>", return_type=sqlalchemy.Text())(
            sqlalchemy.literal([], postgresql.ARRAY(sqlalchemy.Text()))
        )
    if dialect_name == "sqlite":
        return sql.Template(("json_extract(", ", '$')"), element, sql_type=sqlalchemy.Text())
    return sqlalchemy.Function("json_unquote", element, type_=sqlalchemy.Text())


def as_document(built: Built, dialect_name: str) -> Element:
    """A value that is no document as one: a number, a boolean, or a text; what nobody knows the field of stays."""
    element, kind = built.element, outputs.kind_of(built.field)
    if kind in (None, "json"):
        return element
    document = types.JSONDocument()
    if dialect_name == "postgresql":
        return sqlalchemy.Function("to_jsonb", element, type_=document)
    if kind == "boolean":
        return sql.Template(("CASE (", ") WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"), element, sql_type=document)
    if dialect_name == "sqlite":
        # NULL would be quoted, too; a text with these letters has quotes in it.
        return sql.Template(("NULLIF(json_quote(", "), 'null')"), element, sql_type=document)
    start, end = ("CAST(", " AS CHAR)") if kind in outputs.NUMBERS else ("JSON_QUOTE(CAST(", " AS CHAR))")
    return sql.Template((start, end), element, sql_type=document)


def normal(element: Element, scope: Scope) -> Element:
    """A document in the one form that all equal ones have, for comparing many with many."""
    if scope.dialect_name == "postgresql":
        return element
    if scope.dialect_name == "sqlite":
        return sqlalchemy.Function("webframe_json_normal", element, type_=sqlalchemy.Text())
    if is_mariadb(scope):
        return sqlalchemy.Function("json_normalize", element, type_=sqlalchemy.Text())
    return sql.Template(("CAST(CAST(", " AS JSON) AS CHAR)"), element, sql_type=sqlalchemy.Text())


def dumped(value: Any) -> str:
    """A document as text."""
    return json.dumps(value, ensure_ascii=False)


# -- look-ups of whole documents


class JSONLookup(Lookup):
    """Base of look-ups that take a document."""

    one_literal = False

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        if value is None or is_expression(value):
            return super().key(value, values)
        values.append(value)
        return "document"

    @classmethod
    def operand(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        if is_expression(value):
            return as_document(scope.build(value, lhs.field), scope.dialect_name)
        if scope.dialect_name == "postgresql":
            return scope.typed_value(value, types.JSONDocument())
        return scope.typed_value(value, sqlalchemy.Text(), dumped)


class JSONExact(JSONLookup):
    """The same document; None is the document null, and not NULL."""

    lookup_name = "exact"
    none_is_null = False

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        if value is None:
            return is_json_null(lhs.element, scope.dialect_name)
        return super().build(lhs, value, scope)

    @classmethod
    def compare(cls, lhs: Element, rhs: Element, scope: Scope) -> Element:
        if scope.dialect_name == "postgresql":
            return lhs == rhs
        first, second = contains(lhs, rhs, scope.dialect_name), contains(rhs, lhs, scope.dialect_name)
        if scope.dialect_name == "sqlite":
            return _true(sqlalchemy.Function("webframe_json_equal", lhs, rhs))
        return sqlalchemy.and_(first, second)


class JSONContains(JSONLookup):
    """The document has at least what is asked for, as PostgreSQL's ``@>`` understands it."""

    lookup_name = "contains"

    @classmethod
    def compare(cls, lhs: Element, rhs: Element, scope: Scope) -> Element:
        return contains(lhs, rhs, scope.dialect_name)


class JSONContainedBy(JSONLookup):
    """The document has at most what is asked for, as PostgreSQL's ``<@`` understands it."""

    lookup_name = "contained_by"

    @classmethod
    def compare(cls, lhs: Element, rhs: Element, scope: Scope) -> Element:
        return contains(rhs, lhs, scope.dialect_name)


def contains(outer: Element, inner: Element, dialect_name: str) -> Element:
    """Whether one document has all of another in it."""
    if dialect_name == "postgresql":
        return outer.bool_op("@>")(inner)
    if dialect_name == "sqlite":
        return _true(sqlalchemy.Function("webframe_json_contains", outer, inner))
    return _true(sqlalchemy.Function("json_contains", outer, inner))


def any_of(tests: Sequence[Element]) -> Element:
    """Whether one of them is true, however many they are: SQLite takes no expression that is a thousand levels deep."""
    while len(tests) > MOST_BESIDE:
        parts = [tests[start : start + MOST_BESIDE] for start in range(0, len(tests), MOST_BESIDE)]
        tests = [sql.Template(("(", ")"), sqlalchemy.or_(*part), sql_type=sqlalchemy.Boolean()) for part in parts]
    return sqlalchemy.or_(*tests) if tests else sqlalchemy.false()


def _true(call: Any) -> Element:
    """A function that answers 1 for true, as a condition."""
    return sqlalchemy.type_coerce(call, sqlalchemy.Integer()) == sqlalchemy.literal_column("1")


class HasKey(Lookup):
    """The document is an object with that key."""

    lookup_name = "has_key"
    one_literal = False

    @classmethod
    def names(cls, value: Any) -> list[Any]:
        """The keys asked for."""
        return [value]

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        names = cls.names(value)
        values.extend(names)
        return len(names)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        tests = [cls.test(lhs.element, name, scope) for name in cls.names(value)]
        return cls.together(tests)

    @classmethod
    def test(cls, element: Element, name: Any, scope: Scope) -> Element:
        """Whether there is one key."""
        if scope.dialect_name == "postgresql":
            return element.bool_op("?")(scope.typed_value(name, sqlalchemy.Text(), str))
        if scope.dialect_name == "sqlite":
            return _true(
                sqlalchemy.Function("webframe_json_has_key", element, scope.typed_value(name, sqlalchemy.Text(), str))
            )
        path = scope.typed_value(name, sqlalchemy.Text(), mariadb_path if is_mariadb(scope) else key_path)
        return _true(sqlalchemy.Function("json_contains_path", element, sqlalchemy.literal_column("'one'"), path))

    @classmethod
    def together(cls, tests: Sequence[Element]) -> Element:
        """All of them."""
        return sqlalchemy.and_(*tests) if tests else sqlalchemy.true()


class HasKeys(HasKey):
    """The document is an object with all of these keys."""

    lookup_name = "has_keys"

    @classmethod
    def names(cls, value: Any) -> list[Any]:
        if isinstance(value, (str, bytes)):
            raise TypeError(f"The look-up {cls.lookup_name!r} takes a list of keys, not {value!r}.")
        return list(value)


class HasAnyKeys(HasKeys):
    """The document is an object with one of these keys at least."""

    lookup_name = "has_any_keys"

    @classmethod
    def together(cls, tests: Sequence[Element]) -> Element:
        return any_of(tests)


# -- look-ups of values of keys


def is_json_null(element: Element, dialect_name: str) -> Element:
    """Whether a document is null, which is not the same as being NULL."""
    if dialect_name == "postgresql":
        return element == sqlalchemy.literal_column("'null'::jsonb")
    if dialect_name == "sqlite":
        return sqlalchemy.Function("json_type", element, type_=sqlalchemy.Text()) == sqlalchemy.literal_column("'null'")
    return sqlalchemy.Function("json_type", element, type_=sqlalchemy.Text()) == sqlalchemy.literal_column("'NULL'")


class KeyIn(Lookup):
    """One of several values, or of those that a queryset selects."""

    lookup_name = "in"
    one_literal = False

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        if is_expression(value):
            return key_of(value, values)
        return tuple([JSONExact.key(item, values) for item in value])

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        if is_expression(value):
            return normal(lhs.element, scope).in_(cls.selected(getattr(value, "queryset", value), scope))
        tests = [JSONExact.build(lhs, item, scope) for item in value]
        return any_of(tests)

    @classmethod
    def selected(cls, queryset: Any, scope: Scope) -> Any:
        """What a queryset selects, as documents."""
        select, field = queryset.build_column(scope)
        if queryset.is_sliced or not isinstance(select, sqlalchemy.Select):
            # Which rows there are may depend on the column as it is.
            made = sql.made_before(select, scope.tables()) if scope.dialect_name in sql.MYSQL else select
            select = sqlalchemy.select(*made.subquery().c)
        (column,) = select.selected_columns
        element = column.element if isinstance(column, sqlalchemy.Label) else column
        document = normal(as_document(Built(element, field), scope.dialect_name), scope)
        return select.with_only_columns(document, maintain_column_froms=True)


class KeyComparison(Lookup):
    """Base of greater and less: numbers with numbers, texts with texts."""

    one_literal = False

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        if value is None or is_expression(value):
            return super().key(value, values)
        values.append(value)
        return "number" if cls.is_number(value) else "text"

    @classmethod
    def is_number(cls, value: Any) -> bool:
        """Whether a literal is compared as a number."""
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        dialect_name = scope.dialect_name
        if dialect_name == "postgresql" or value is None or is_expression(value):
            return super().build(lhs, value, scope)
        plain = as_plain(lhs.element, dialect_name)
        if not cls.is_number(value):
            return cls.compare(plain, scope.typed_value(value, sqlalchemy.Text(), str), scope)
        kind = sqlalchemy.Function("json_type", lhs.element, type_=sqlalchemy.Text())
        numbers = ("integer", "real") if dialect_name == "sqlite" else ("INTEGER", "DOUBLE", "DECIMAL")
        operand = scope.typed_value(value, sqlalchemy.Double())
        element = sql.infix(plain, "+", sqlalchemy.literal_column("0"), sqlalchemy.Double())
        is_number = kind.in_([sqlalchemy.literal_column(f"'{name}'") for name in numbers])
        return sqlalchemy.and_(is_number, cls.compare(element, operand, scope))

    @classmethod
    def literal(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        return scope.typed_value(value, types.JSONDocument())


class KeyGreaterThan(KeyComparison, lookups.GreaterThan):
    """Greater than."""


class KeyGreaterThanOrEqual(KeyComparison, lookups.GreaterThanOrEqual):
    """Greater than or equal."""


class KeyLessThan(KeyComparison, lookups.LessThan):
    """Less than."""


class KeyLessThanOrEqual(KeyComparison, lookups.LessThanOrEqual):
    """Less than or equal."""


class KeyRange(lookups.Range):
    """Between two values, both included."""

    @classmethod
    def key(cls, value: Any, values: Literals) -> Hashable:
        low, high = cls.bounds(value)
        return KeyGreaterThanOrEqual.key(low, values), KeyLessThanOrEqual.key(high, values)

    @classmethod
    def build(cls, lhs: Built, value: Any, scope: Scope) -> Element:
        low, high = cls.bounds(value)
        return sqlalchemy.and_(KeyGreaterThanOrEqual.build(lhs, low, scope), KeyLessThanOrEqual.build(lhs, high, scope))


def _of_text(lookup: type[Lookup]) -> type[Lookup]:
    """A look-up of text, for the value of a key as text."""

    class OfKey(lookup):  # type: ignore[valid-type, misc]  # made from what is given
        none_is_null = False

        @classmethod
        def build(cls, lhs: Built, value: Any, scope: Scope) -> Element:
            if value is None:
                return is_json_null(lhs.element, scope.dialect_name)
            plain: Built = Built(as_plain(lhs.element, scope.dialect_name), None)
            element: Element = super().build(plain, value, scope)
            return element

    OfKey.__name__ = OfKey.__qualname__ = f"Key{lookup.__name__}"
    OfKey.__doc__ = lookup.__doc__
    return OfKey


for _lookup in (JSONExact, JSONContains, JSONContainedBy, HasKey, HasKeys, HasAnyKeys):
    JSONField.register_lookup(_lookup)
OF_KEYS: tuple[type[Lookup], ...] = (
    KeyIn,
    KeyGreaterThan,
    KeyGreaterThanOrEqual,
    KeyLessThan,
    KeyLessThanOrEqual,
    KeyRange,
    _of_text(lookups.IExact),
    _of_text(lookups.IContains),
    _of_text(lookups.StartsWith),
    _of_text(lookups.IStartsWith),
    _of_text(lookups.EndsWith),
    _of_text(lookups.IEndsWith),
    _of_text(lookups.Regex),
    _of_text(lookups.IRegex),
)
for _lookup_of_key in OF_KEYS:
    KeyValue.register_lookup(_lookup_of_key)

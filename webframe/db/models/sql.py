"""Pieces of SQL that engines write differently, as elements of SQLAlchemy Core.

Every function takes the name of the dialect; names are never made from values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import DOUBLE_PRECISION, BigInteger, ColumnElement, Float, Integer, Numeric, Text, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import BinaryExpression, Grouping
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import String, TypeEngine

from webframe.db.errors import DataError, NotSupportedError

__all__ = [
    "Repeated",
    "Template",
    "as_text",
    "compare_text",
    "fold",
    "glob",
    "infix",
    "json_null",
    "length",
    "like",
    "made_before",
    "position",
    "power",
    "quoted_text",
    "regex",
    "signed",
]

MYSQL = ("mysql", "mariadb")
# A collation of MySQL in which only equal characters are equal.
BINARY = "utf8mb4_bin"

Element = ColumnElement[Any]


def infix(left: Element, operator: str, right: Element, sql_type: TypeEngine[Any]) -> Element:
    """Two operands with an operator between, in brackets wherever it stands in something larger."""
    return left.op(operator, return_type=sql_type)(right)


def made_before(selected: Any, outer: Iterable[Any]) -> Any:
    """A slice for IN on MySQL, which takes no LIMIT there unless it is that of a table made before (error 1235).

    `outer` are the tables of the query around it, which such a table cannot refer to.
    """
    tables = list(outer)
    if any(getattr(part, "table", None) in tables for part in iterate(selected)):
        raise NotSupportedError(
            "MySQL and MariaDB do not take a slice of a queryset in 'in' that refers to the query around it by "
            "OuterRef. Compare with one value, Subquery(queryset[:1]), or say without a slice which rows are meant."
        )
    return sqlalchemy.select(selected.subquery("chosen"))


def json_null(sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """The document null, which is a value and not NULL."""
    return sqlalchemy.literal_column("'null'::jsonb" if dialect_name == "postgresql" else "'null'", sql_type)


def quoted_text(value: str) -> str:
    """A text as PostgreSQL reads it, whatever is in it and however the server is set up."""
    escaped = value.replace("'", "''")
    return "E'" + escaped.replace("\\", "\\\\") + "'" if "\\" in value else f"'{escaped}'"


def arithmetic(left: Element, operator: str, right: Element, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """Arithmetic on numbers; the operators are those of `expressions.Combinable`."""
    whole = isinstance(left.type, Integer) and isinstance(right.type, Integer)
    if operator == "^":
        return power(left, right, sql_type, dialect_name)
    if operator == "%":
        return modulo(left, right, sql_type, dialect_name, whole)
    if operator == "#":
        return exclusive_or(left, right, sql_type, dialect_name)
    if operator == "/" and dialect_name in MYSQL and whole:
        return infix(left, "DIV", right, sql_type)
    if operator == "/" and dialect_name == "sqlite" and not whole:
        # What is stored as an integer would be divided as one.
        return infix(left, "* 1.0 /", right, sql_type)
    combined = infix(left, operator, right, sql_type)
    return signed(combined) if operator in BITS and dialect_name in MYSQL else combined


BITS = ("&", "|", "<<", ">>")


def signed(element: Element) -> Element:
    """MySQL's bits as an integer that may be negative."""
    return sqlalchemy.cast(element, BigInteger())


def exclusive_or(left: Element, right: Element, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """The bits that are set in one of two numbers, not in both."""
    if dialect_name == "sqlite":
        return infix(infix(left, "|", right, sql_type), "-", infix(left, "&", right, sql_type), sql_type)
    if dialect_name in MYSQL:
        return signed(infix(left, "^", right, sql_type))
    return infix(left, "#", right, sql_type)


def power(left: Element, right: Element, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """One number to the power of another."""
    name = "webframe_power" if dialect_name == "sqlite" else "power"
    return as_float(sqlalchemy.Function(name, left, right, type_=sql_type), sql_type, dialect_name)


def is_float(sql_type: TypeEngine[Any]) -> bool:
    """Whether a type is that of floats, ours too."""
    return isinstance(getattr(sql_type, "impl", sql_type), Float)


def as_float(element: Element, sql_type: TypeEngine[Any], dialect_name: str) -> Element:
    """A number that PostgreSQL may have made decimal, as a float, if that is its type."""
    if dialect_name != "postgresql" or not is_float(sql_type):
        return element
    return sqlalchemy.type_coerce(sqlalchemy.cast(element, DOUBLE_PRECISION()), sql_type)


def modulo(left: Element, right: Element, sql_type: TypeEngine[Any], dialect_name: str, whole: bool = False) -> Element:
    """What is left of a division; it has the sign of the left side."""
    if dialect_name == "sqlite" and whole:
        return infix(left, "%", right, sql_type)
    if dialect_name == "sqlite":
        # SQLite's own operator makes integers of both sides.
        return sqlalchemy.Function("webframe_mod", left, right, type_=sql_type)
    if dialect_name == "postgresql" and is_float(sql_type):
        # There is none for floats.
        left, right = sqlalchemy.cast(left, Numeric()), sqlalchemy.cast(right, Numeric())
    return as_float(sqlalchemy.Function("mod", left, right, type_=sql_type), sql_type, dialect_name)


# -- text


def as_text(element: Element, dialect_name: str) -> Element:
    """An element as text: PostgreSQL must be told, the others do it by themselves."""
    if isinstance(getattr(element.type, "impl", element.type), String):
        return element
    return sqlalchemy.cast(element, Text()) if dialect_name == "postgresql" else sqlalchemy.type_coerce(element, Text())


def fold(element: Element, dialect_name: str) -> Element:
    """An element with upper and lower case made the same."""
    if dialect_name == "sqlite":
        return sqlalchemy.Function("webframe_fold", element, type_=Text())
    if dialect_name in MYSQL:
        return compare_text(func.lower(element, type_=Text()), dialect_name)
    return sqlalchemy.Function("upper", element, type_=Text())


def compare_text(element: Element, dialect_name: str) -> Element:
    """An element that is compared character by character, whatever the collation of its column."""
    if dialect_name in MYSQL:
        return sqlalchemy.collate(Template(("CONVERT(", " USING utf8mb4)"), element, sql_type=Text()), BINARY)
    return element


def like(left: Element, pattern: Element, dialect_name: str) -> Element:
    """LIKE, case sensitive; special characters in the pattern are escaped with `escape_of`."""
    if dialect_name in MYSQL:
        return left.like(sqlalchemy.collate(pattern, BINARY), escape=escape_of(dialect_name))
    if dialect_name == "postgresql":
        return left.like(pattern)
    return left.like(pattern, escape=escape_of(dialect_name))


def escape_of(dialect_name: str) -> str:
    """What stands in front of special characters in a pattern of LIKE; PostgreSQL's own, to use indexes."""
    return "\\" if dialect_name == "postgresql" else "/"


def glob(left: Element, pattern: Element) -> Element:
    """SQLite's GLOB: case sensitive, and can use indexes."""
    return left.bool_op("GLOB")(pattern)


def regex(left: Element, pattern: Element, insensitive: bool, dialect_name: str) -> Element:
    """Whether a regular expression is found in a text."""
    if dialect_name == "postgresql":
        return left.bool_op("~*" if insensitive else "~")(pattern)
    if insensitive:
        flag = sqlalchemy.literal("(?i)", Text())
        pattern = func.concat(flag, pattern) if dialect_name in MYSQL else infix(flag, "||", pattern, Text())
    return compare_text(left, dialect_name).bool_op("REGEXP")(pattern)


def position(text: Element, part: Element, dialect_name: str) -> Element:
    """Where a text begins in another one, counted from 1; 0 where it does not."""
    name = "strpos" if dialect_name == "postgresql" else "instr"
    return sqlalchemy.Function(name, text, part, type_=Integer())


def length(text: Element, dialect_name: str) -> Element:
    """The number of characters."""
    return sqlalchemy.Function("length" if dialect_name == "sqlite" else "char_length", text, type_=Integer())


# -- patterns, made of values


def python_pattern(value: Any) -> str:
    """A regular expression of Python; raises `DataError` for what is none."""
    try:
        re.compile(str(value))
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"{value!r} is not a regular expression: {error}.") from error
    return str(value)


def like_pattern(before: bool, behind: bool, escape: str) -> Callable[[Any], str]:
    """What makes a pattern of LIKE of a text, with anything before and behind it."""
    start, end = "%" if before else "", "%" if behind else ""

    def pattern(value: Any) -> str:
        text = str(value).replace(escape, escape * 2).replace("%", f"{escape}%").replace("_", f"{escape}_")
        return f"{start}{text}{end}"

    return pattern


def folded(value: Any) -> str:
    """A text with upper and lower case made the same, as `fold` does it."""
    return str(value).casefold()


def glob_pattern(before: bool, behind: bool, fold: Callable[[str], str]) -> Callable[[Any], str]:
    """What makes a pattern of GLOB of a text, with anything before and behind it."""
    start, end = "*" if before else "", "*" if behind else ""

    def pattern(value: Any) -> str:
        if "\0" in str(value):
            return "["  # Matches nothing: the pattern would end there, and match more than it should.
        text = fold(str(value)).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
        return f"{start}{text}{end}"

    return pattern


# -- anything else


class Template(FunctionElement[Any]):
    """Fixed text with elements in between: ``Template(("CAST(", " AS DATE)"), element, sql_type=Date())``.

    `texts` is one longer than the elements, and is code: nothing from outside.
    """

    name = "template"
    inherit_cache = False

    def __init__(self, texts: Sequence[str], *elements: Element, sql_type: TypeEngine[Any]) -> None:
        if len(texts) != len(elements) + 1:
            raise TypeError(f"{len(texts)} texts stand around {len(elements)} elements; there must be one more.")
        places = zip(elements, texts, texts[1:], strict=False)
        super().__init__(*[_bracketed(element, before, behind) for element, before, behind in places])
        self.texts = tuple(texts)
        self.type = sql_type


def _bracketed(element: Element, before: str, behind: str) -> Element:
    """An element, in brackets unless it is an argument of a function."""
    if before.endswith(("(", ", ")) and behind.startswith((")", ",")):
        return element
    return Grouping(element) if isinstance(element, BinaryExpression) else element


@compiles(Template)
def _template(element: Template, compiler: Any, **options: Any) -> str:
    options.pop("add_to_result_map", None)
    # Percent signs are those of the driver's parameters where it takes them that way.
    texts = [compiler.escape_literal_column(text) for text in element.texts]
    inner = [compiler.process(clause, **options) for clause in element.clauses]
    return "".join([text + part for text, part in zip(texts, [*inner, ""], strict=True)])


class Repeated(ColumnElement[Any]):
    """An element a number of times, with commas between: parameters in a list."""

    __visit_name__ = "repeated"
    inherit_cache = False

    def __init__(self, element: Element, count: int) -> None:
        self.element = element
        self.count = count
        self.type = element.type

    def get_children(self, **options: Any) -> Iterable[Any]:
        return (self.element,)

    def self_group(self, against: Any = None) -> Any:
        return self


@compiles(Repeated)
def _repeated(element: Repeated, compiler: Any, **options: Any) -> str:
    options.pop("add_to_result_map", None)
    return ", ".join([compiler.process(element.element, **options)] * element.count)

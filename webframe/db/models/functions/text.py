"""Functions of text. Places in it are counted from 1, and lengths in characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models import outputs
from webframe.db.models.building import Built, Scope
from webframe.db.models.calls import Func, Transform, not_supported
from webframe.db.models.expressions import Value

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

    from webframe.db.models import sql
else:
    sqlalchemy = LateModule("sqlalchemy")
    sql = LateModule("webframe.db.models.sql")

NO_TEXT = Value("")
SPACE = Value(" ")


class Lower(Transform):
    """Text in lower case; on SQLite only the letters of English."""

    function = "lower"
    lookup_name = "lower"


class Upper(Transform):
    """Text in upper case; on SQLite only the letters of English."""

    function = "upper"
    lookup_name = "upper"


class Length(Transform):
    """The number of characters."""

    lookup_name = "length"
    result = "IntegerField"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        return sql.length(sql.as_text(arguments[0].element, scope.dialect_name), scope.dialect_name)


class Trim(Transform):
    """Text without spaces at both ends."""

    function = "trim"
    lookup_name = "trim"


class LTrim(Transform):
    """Text without spaces in front."""

    function = "ltrim"
    lookup_name = "ltrim"


class RTrim(Transform):
    """Text without spaces at the end."""

    function = "rtrim"
    lookup_name = "rtrim"


class Reverse(Transform):
    """Text from its end to its beginning."""

    function = "reverse"
    functions = {"sqlite": "webframe_reverse"}
    lookup_name = "reverse"


class Ord(Transform):
    """The number of the first character in Unicode."""

    function = "ascii"
    functions = {"sqlite": "unicode"}
    lookup_name = "ord"
    result = "IntegerField"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        if scope.dialect_name not in sql.MYSQL:
            return super().call(arguments, scope, sql_type)
        texts = ("CAST(CONV(HEX(CONVERT(LEFT(", ", 1) USING utf32)), 16, 10) AS SIGNED)")
        return sql.Template(texts, arguments[0].element, sql_type=sql_type)


class Chr(Transform):
    """The character with that number in Unicode."""

    function = "chr"
    functions = {"sqlite": "char"}
    lookup_name = "chr"
    result = "CharField"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        if scope.dialect_name not in sql.MYSQL:
            return super().call(arguments, scope, sql_type)
        texts = ("CONVERT(CHAR(", " USING utf32) USING utf8mb4)")
        return sql.Template(texts, arguments[0].element, sql_type=sql_type)


class Concat(Func):
    """All arguments as text, one behind the other; NULL counts as no text."""

    def __init__(self, *expressions: Any, **extra: Any) -> None:
        if len(expressions) < 2:
            raise ValueError("Concat must take at least two expressions")
        super().__init__(*expressions, **extra)

    def infer(self, fields: list[Any]) -> Any:
        return outputs.common(fields, "Concat()") if any(fields) else outputs.named("TextField")

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        dialect_name = scope.dialect_name
        parts: list[ColumnElement[Any]] = [
            sqlalchemy.func.coalesce(
                sql.as_text(each.element, dialect_name), sqlalchemy.literal_column("''"), type_=sqlalchemy.Text()
            )
            for each in arguments
        ]
        if dialect_name in sql.MYSQL:
            return sqlalchemy.Function("concat", *parts, type_=sql_type)
        joined = parts[0]
        for part in parts[1:]:
            joined = sql.infix(joined, "||", part, sql_type)
        return joined


class ConcatPair(Concat):
    """`Concat` of two arguments."""

    arity = 2


class Left(Func):
    """So many characters from the beginning."""

    arity = 2
    function = "left"

    def __init__(self, expression: Any, length: Any, **extra: Any) -> None:
        if not hasattr(length, "references") and length < 1:
            raise ValueError("'length' must be greater than 0.")
        super().__init__(expression, length, **extra)

    def infer(self, fields: list[Any]) -> Any:
        return fields[0] if outputs.kind_of(fields[0]) == "text" else outputs.named("CharField")

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        text, count = (each.element for each in arguments)
        if scope.dialect_name == "sqlite":
            return sqlalchemy.Function("substr", text, sqlalchemy.literal_column("1"), count, type_=sql_type)
        return sqlalchemy.Function("left", sql.as_text(text, scope.dialect_name), count, type_=sql_type)


class Right(Left):
    """So many characters from the end."""

    function = "right"

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        text, count = (each.element for each in arguments)
        if scope.dialect_name == "sqlite":
            minus = sql.infix(count, "*", sqlalchemy.literal_column("-1"), count.type)
            return sqlalchemy.Function("substr", text, minus, type_=sql_type)
        return sqlalchemy.Function("right", sql.as_text(text, scope.dialect_name), count, type_=sql_type)


class Substr(Func):
    """The characters from a place on, as many as `length` says or to the end."""

    function = "substr"

    def __init__(self, expression: Any, pos: Any, length: Any = None, **extra: Any) -> None:
        if not hasattr(pos, "references") and pos < 1:
            raise ValueError("'pos' must be greater than 0")
        super().__init__(expression, pos, *([] if length is None else [length]), **extra)

    def infer(self, fields: list[Any]) -> Any:
        return fields[0] if outputs.kind_of(fields[0]) == "text" else outputs.named("CharField")

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        text, *others = [each.element for each in arguments]
        return sqlalchemy.Function("substr", sql.as_text(text, scope.dialect_name), *others, type_=sql_type)


class Replace(Func):
    """Text with every place where one text is found replaced by another."""

    function = "replace"

    def __init__(self, expression: Any, text: Any, replacement: Any = NO_TEXT, **extra: Any) -> None:
        super().__init__(expression, text, replacement, **extra)


class Repeat(Func):
    """Text several times."""

    function = "repeat"
    functions = {"sqlite": "webframe_repeat"}

    def __init__(self, expression: Any, number: Any, **extra: Any) -> None:
        if not hasattr(number, "references") and number is not None and number < 0:
            raise ValueError("'number' must be greater or equal to 0.")
        super().__init__(expression, number, **extra)

    def infer(self, fields: list[Any]) -> Any:
        return fields[0]


class LPad(Func):
    """Text of exactly that length, filled up in front."""

    function = "lpad"
    functions = {"sqlite": "webframe_lpad"}

    def __init__(self, expression: Any, length: Any, fill_text: Any = SPACE, **extra: Any) -> None:
        if not hasattr(length, "references") and length is not None and length < 0:
            raise ValueError("'length' must be greater or equal to 0.")
        super().__init__(expression, length, fill_text, **extra)

    def infer(self, fields: list[Any]) -> Any:
        return fields[0]


class RPad(LPad):
    """Text of exactly that length, filled up at the end."""

    function = "rpad"
    functions = {"sqlite": "webframe_rpad"}


class StrIndex(Func):
    """The place at which a text is found for the first time; 0 if it is not."""

    arity = 2
    result = "IntegerField"

    def __init__(self, string: Any, substring: Any, **extra: Any) -> None:
        super().__init__(string, substring, **extra)

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        text, part = (sql.as_text(each.element, scope.dialect_name) for each in arguments)
        return sql.position(text, part, scope.dialect_name)


class Digest(Transform):
    """Base of the digests, in hexadecimal digits."""

    result = "CharField"
    # How PostgreSQL and MySQL write them; NULL: not at all.
    postgresql: tuple[str, str] | None = None
    mysql: tuple[str, str] = ("", "")

    def call(self, arguments: Sequence[Built], scope: Scope, sql_type: TypeEngine[Any]) -> ColumnElement[Any]:
        element = sql.as_text(arguments[0].element, scope.dialect_name)
        if scope.dialect_name == "sqlite":
            return sqlalchemy.Function(f"webframe_{self.lookup_name}", element, type_=sql_type)
        texts = self.mysql if scope.dialect_name in sql.MYSQL else self.postgresql
        if texts is None:
            raise not_supported(type(self).__name__, scope.dialect_name)
        return sql.Template(texts, element, sql_type=sql_type)


class MD5(Digest):
    """The MD5 digest; not fit for secrets."""

    lookup_name = "md5"
    postgresql = ("md5(", ")")
    mysql = ("MD5(", ")")


class SHA1(Digest):
    """The SHA-1 digest; PostgreSQL does not have it without an extension."""

    lookup_name = "sha1"
    mysql = ("SHA1(", ")")


def _postgresql_sha(bits: int) -> tuple[str, str]:
    return f"encode(sha{bits}(convert_to(", ", 'UTF8')), 'hex')"


class SHA224(Digest):
    """The SHA-224 digest."""

    lookup_name = "sha224"
    postgresql = _postgresql_sha(224)
    mysql = ("SHA2(", ", 224)")


class SHA256(Digest):
    """The SHA-256 digest."""

    lookup_name = "sha256"
    postgresql = _postgresql_sha(256)
    mysql = ("SHA2(", ", 256)")


class SHA384(Digest):
    """The SHA-384 digest."""

    lookup_name = "sha384"
    postgresql = _postgresql_sha(384)
    mysql = ("SHA2(", ", 384)")


class SHA512(Digest):
    """The SHA-512 digest."""

    lookup_name = "sha512"
    postgresql = _postgresql_sha(512)
    mysql = ("SHA2(", ", 512)")

"""Fields for texts: `CharField`, `TextField` and those that hold texts of a certain form."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core import validators
from webframe.db.models.fields.base import Field

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from webframe.db.models.fields import types
else:
    types = LateModule("webframe.db.models.fields.types")


class _Text(Field):
    """What fields of text have in common."""

    exact_type = str
    own_arguments = {"db_collation": None}

    def __init__(self, *args: Any, db_collation: str | None = None, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # How the database compares texts of this column; None: character by character.
        self.db_collation = db_collation

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return str(value)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or type(value) is str:
            return value
        return str(value.value if isinstance(value, enum.Enum) else value)

    def _own_validators(self) -> list[Callable[[Any], object]]:
        return [] if self.max_length is None else [validators.MaxLengthValidator(self.max_length)]


class CharField(_Text):
    """A text of at most `max_length` characters; without it, of any length.

    SQLite does not know lengths, so there only validation sees to it.
    """

    description = "String (up to %(max_length)s)"

    def sql_type(self) -> TypeEngine[Any]:
        if self.max_length is None:
            return types.unlimited_char_type(self.db_collation)
        return types.text_type(self.max_length, self.db_collation)


class TextField(_Text):
    """A text of any length; `max_length` matters to validation only."""

    description = "Text"

    def sql_type(self) -> TypeEngine[Any]:
        return types.text_type(None, self.db_collation)


class SlugField(CharField):
    """Letters, numbers, underscores and hyphens, as in URLs; of any alphabet with `allow_unicode`."""

    description = "Slug (up to %(max_length)s)"
    own_arguments = {**CharField.own_arguments, "allow_unicode": False, "db_index": True}

    def __init__(
        self, *args: Any, max_length: int = 50, db_index: bool = True, allow_unicode: bool = False, **keywords: Any
    ) -> None:
        self.allow_unicode = allow_unicode
        super().__init__(*args, max_length=max_length, db_index=db_index, **keywords)

    def _own_validators(self) -> list[Callable[[Any], object]]:
        form = validators.validate_unicode_slug if self.allow_unicode else validators.validate_slug
        return [form, *super()._own_validators()]


class EmailField(CharField):
    """An address for e-mail."""

    description = "Email address"
    default_validators = (validators.validate_email,)

    def __init__(self, *args: Any, max_length: int = 254, **keywords: Any) -> None:  # RFC 5321 §4.5.3.1.3, without <>
        super().__init__(*args, max_length=max_length, **keywords)


class URLField(CharField):
    """An absolute URL."""

    description = "URL"
    default_validators = (validators.URLValidator(),)

    def __init__(
        self, verbose_name: Any = None, name: str | None = None, max_length: int = 200, **keywords: Any
    ) -> None:
        super().__init__(verbose_name, name, max_length=max_length, **keywords)

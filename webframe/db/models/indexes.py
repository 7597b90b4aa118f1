"""Index: an index that a model asks for in ``Meta.indexes``.

    class Meta:
        indexes = [models.Index(fields=["customer", "-placed"]),
                   models.Index(Lower("email"), name="customer_email")]

It is data; `webframe.db.definitions` makes DDL of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webframe.db.models.conditions import Q
from webframe.db.models.tables import MAX_NAME_LENGTH, generated_name

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Index"]


class Index:
    """An index over fields, or over expressions.

    `fields` are names, with a dash in front for descending order. `expressions`
    (names, ``F("name").desc()``, functions) need a `name`, and so does an index
    with a `condition`: a Q, for an index of only those rows. `include` names
    fields to be stored beside the key, on PostgreSQL. Where an engine cannot do
    what is asked, creating the index raises `NotSupportedError`.
    """

    # What a generated name ends with.
    suffix = "_idx"
    # Of a name: what every engine of ours can keep.
    max_name_length = MAX_NAME_LENGTH

    def __init__(
        self,
        *expressions: Any,
        fields: Sequence[str] = (),
        name: str | None = None,
        condition: Q | None = None,
        include: Sequence[str] | None = None,
    ) -> None:
        if isinstance(fields, str) or not all(isinstance(field, str) for field in fields):
            raise ValueError(f"Index.fields must be a list or tuple of names of fields, not {fields!r}.")
        if expressions and fields:
            raise ValueError("Index takes `fields` or expressions, not both. Write the fields as F('name') instead.")
        if not expressions and not fields:
            raise ValueError("An index needs something to index: give it `fields` or expressions.")
        if expressions and not name:
            raise ValueError("An index over expressions needs a `name`.")
        if condition is not None and not isinstance(condition, Q):
            raise ValueError(f"Index.condition must be a Q, not {condition!r}.")
        if condition is not None and not name:
            raise ValueError("An index with a condition needs a `name`.")
        if include and not name:
            raise ValueError("An index that includes other fields needs a `name`.")
        if name is not None:
            check_name("Index", name)
        # Names, "-" in front of those in descending order, as they were given.
        self.fields = list(fields)
        # (name, "DESC" or ""), one for each of `fields`.
        self.fields_orders = [(field.removeprefix("-"), "DESC" if field.startswith("-") else "") for field in fields]
        # Empty until the class of the model is made, if nobody chose one.
        self.name = name or ""
        self.expressions = tuple(expressions)
        self.condition = condition
        self.include = tuple(include or ())

    def set_name_with_model(self, model: Any) -> None:
        """Give it a name made of the table and the columns, the same every time; a name it has stays."""
        if self.name:
            return
        directed = []
        for field, order in self.fields_orders:
            column = model._meta.get_field(field).column
            # Two indexes may differ in the direction only.
            directed.append(f"{column}_desc" if order else column)
        self.name = generated_name(model._meta.db_table, directed, self.suffix)

    def clone_for(self, app_label: str, class_name: str) -> Index:
        """A copy for a model that inherits it, "%(app_label)s" and "%(class)s" in its name replaced."""
        path, args, kwargs = self.deconstruct()
        if kwargs.get("name"):
            kwargs["name"] = named_for(kwargs["name"], app_label, class_name)
        return type(self)(*args, **kwargs)

    def clone(self) -> Index:
        """An equal copy."""
        _, args, kwargs = self.deconstruct()
        return type(self)(*args, **kwargs)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Its import path, and the arguments that make an equal one."""
        kwargs: dict[str, Any] = {}
        if self.fields:
            kwargs["fields"] = list(self.fields)
        if self.name:
            kwargs["name"] = self.name
        if self.condition is not None:
            kwargs["condition"] = self.condition
        if self.include:
            kwargs["include"] = self.include
        return path_of(self, Index), self.expressions, kwargs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Index):
            return NotImplemented
        return type(self) is type(other) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((type(self), self.name, tuple(self.fields)))

    def __repr__(self) -> str:
        parts = [repr(expression) for expression in self.expressions]
        parts += [f"{name}={value!r}" for name, value in self.deconstruct()[2].items()]
        return f"{type(self).__name__}({', '.join(parts)})"


def check_name(kind: str, name: str) -> None:
    """Raise `ValueError` for a name that not every engine can keep."""
    if len(name.encode()) > MAX_NAME_LENGTH:
        raise ValueError(f"{kind}.name {name!r} is longer than {MAX_NAME_LENGTH} bytes. Choose a shorter one.")


def named_for(name: str, app_label: str, class_name: str) -> str:
    """A name with "%(app_label)s" and "%(class)s" replaced, both in lower case."""
    return name % {"app_label": app_label.lower(), "class": class_name.lower()} if "%(" in name else name


def path_of(instance: object, ours: type[Any]) -> str:
    """Where a class is imported from: ours by the front door of `models`, others from where they are defined."""
    kind = type(instance)
    if kind.__module__ == ours.__module__:
        return f"webframe.db.models.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"

"""Choices as enumerations: classes whose members are values with labels.

    class Size(models.TextChoices):
        SMALL = "S", "for one"
        LARGE = "L"

    size = models.CharField(max_length=1, choices=Size)

`Size.SMALL` is equal to "S" and is saved as that; `Size.SMALL.label` is
"for one", and `Size.LARGE.label` is "Large".
"""

from __future__ import annotations

import enum
from typing import Any


class ChoicesType(enum.EnumType):
    """The class of enumerations of choices."""

    def __new__(metacls, classname: str, bases: tuple[type, ...], classdict: Any, **keywords: Any) -> ChoicesType:
        labels: list[Any] = []
        for name in classdict._member_names:
            value = classdict[name]
            label: Any = name.replace("_", " ").title()
            if isinstance(value, (list, tuple)) and len(value) > 1 and isinstance(value[-1], (str, _Lazy)):
                *parts, label = value
                value = parts[0] if len(parts) == 1 else tuple(parts)
            labels.append(label)
            # The dictionary of an enumeration refuses to have a member set twice.
            dict.__setitem__(classdict, name, value)
        cls: Any = super().__new__(metacls, classname, bases, classdict, **keywords)
        for member, label in zip(cls.__members__.values(), labels, strict=True):
            member._label_ = label
        unique: ChoicesType = enum.unique(cls)
        return unique

    def __contains__(cls, member: object) -> bool:
        """Whether something is a member, or the value of one."""
        if isinstance(member, enum.Enum):
            return super().__contains__(member)
        return any(each.value == member for each in _members(cls))

    @property
    def names(cls) -> list[str]:
        """The names of the members; with a label for no choice (`__empty__`) in front if there is one."""
        empty = ["__empty__"] if hasattr(cls, "__empty__") else []
        return empty + list(cls.__members__)

    @property
    def choices(cls) -> list[tuple[Any, Any]]:
        """Pairs (value, label), as fields take them."""
        empty = [(None, cls.__empty__)] if hasattr(cls, "__empty__") else []
        return empty + [(member.value, member.label) for member in _members(cls)]

    @property
    def labels(cls) -> list[Any]:
        """The labels."""
        return [label for _, label in cls.choices]

    @property
    def values(cls) -> list[Any]:
        """The values."""
        return [value for value, _ in cls.choices]  # with None for `__empty__`


def _members(cls: Any) -> list[Any]:
    return list(cls.__members__.values())


class _Lazy:
    """What translated texts inherit from, if somebody has such: an object that becomes a text when shown."""


class Choices(enum.Enum, metaclass=ChoicesType):
    """Base of enumerations of choices; `IntegerChoices` and `TextChoices` are the usual ones."""

    @property
    def label(self) -> Any:
        """What people see."""
        return vars(self)["_label_"]

    # Templates would call the class to get something to show.
    do_not_call_in_templates = enum.nonmember(True)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}.{self.name}"


class IntegerChoices(int, Choices):
    """Choices whose values are whole numbers."""


class TextChoices(str, Choices):
    """Choices whose values are texts; `enum.auto()` gives the name of the member."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[Any]) -> str:
        return name

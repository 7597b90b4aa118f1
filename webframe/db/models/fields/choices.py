"""The choices of a field: the values there are, with their labels, in whichever form they were given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# The choice that stands for no choice, for forms.
BLANK_CHOICE_DASH: list[tuple[Any, Any]] = [("", "---------")]


class Choosing:
    """What a field can do with its choices: pairs (value, label), and groups of such pairs."""

    blank: bool
    # As they were given: any of the forms that `choices` understands, or a callable that gives one.
    _choices: Any

    def has_default(self) -> bool:
        """Whether a default was given."""
        raise NotImplementedError

    @property
    def choices(self) -> list[tuple[Any, Any]] | None:
        """Pairs (value, label), or (name of a group, such pairs); None: any value will do."""
        if self._choices is None:
            return None
        choices = self._choices
        found = getattr(choices, "choices", None)  # Choices, the enumeration
        if found is None:
            found = choices() if callable(choices) else choices
        if isinstance(found, Mapping):
            found = found.items()
        return [
            (value, list(label.items()) if isinstance(label, Mapping) else label) for value, label in list(found)
        ] or None

    @choices.setter
    def choices(self, value: Any) -> None:
        self._choices = value
        self.__dict__.pop("_labels", None)

    @property
    def flatchoices(self) -> list[tuple[Any, Any]]:
        """The choices without their groups."""
        return list(_flat(self.choices or ()))

    def label_of(self, value: Any) -> Any:
        """The label of a choice; the value itself where it is none."""
        labels = self.__dict__.get("_labels")
        if labels is None or callable(self._choices):
            labels = [(getattr(each, "value", each), label) for each, label in self.flatchoices]
            self.__dict__["_labels"] = labels
        plain = getattr(value, "value", value)
        return next((label for each, label in labels if each == plain and type(each) is type(plain)), None) or next(
            (label for each, label in labels if each == plain), value
        )

    def get_choices(self, include_blank: bool = True, blank_choice: Any = BLANK_CHOICE_DASH) -> list[tuple[Any, Any]]:
        """The choices, with one for no choice in front where the field may be blank."""
        choices = list(self.choices or ())
        if include_blank and (self.blank or not self.has_default()):
            return list(blank_choice) + choices
        return choices


def _flat(choices: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    for value, label in choices:
        if isinstance(label, (list, tuple)):
            yield from _flat(label)
        else:
            yield value, label

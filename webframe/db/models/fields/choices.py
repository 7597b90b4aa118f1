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
        return [self._pair(each) for each in self._listed(found)] or None

    @choices.setter
    def choices(self, value: Any) -> None:
        self._choices = list(value) if value is not None and isinstance(value, Iterator) else value
        self.__dict__.pop("_labels", None)

    def _listed(self, choices: Any) -> list[Any]:
        """What was given, a mapping or anything that can be gone through, as a list."""
        if isinstance(choices, Mapping):
            return list(choices.items())
        if isinstance(choices, str) or not isinstance(choices, Iterable):
            raise self._no_choices(f"{choices!r} is")
        return list(choices)

    def _pair(self, given: Any) -> tuple[Any, Any]:
        """A value and its label, or a group's name and its pairs."""
        # A text of two characters could be taken apart, too, and nobody means that.
        if isinstance(given, str) or not isinstance(given, Iterable) or len(pair := tuple(given)) != 2:
            raise self._no_choices(f"{given!r} among them is")
        value, label = pair
        if isinstance(label, Mapping):
            label = list(label.items())
        if isinstance(label, (list, tuple)):
            for each in label:
                if isinstance(each, str) or not isinstance(each, Iterable) or len(tuple(each)) != 2:
                    raise self._no_choices(f"{each!r} in the group {value!r} is")
        return value, label

    def _no_choices(self, what: str) -> TypeError:
        return TypeError(
            f"The choices of {self} are pairs (value, label), and {what} not. Write [('s', 'small'), ('l', 'large')], "
            f"a mapping {{'s': 'small'}}, or an enumeration such as models.TextChoices."
        )

    def check_choices(self) -> None:
        """Raise TypeError for choices that are no pairs; those of a callable are looked at when it is called."""
        if self._choices is not None and not callable(self._choices):
            _ = self.choices

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

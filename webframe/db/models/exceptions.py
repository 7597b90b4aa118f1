"""The exceptions that each model has of its own: ``Pizza.DoesNotExist``."""

from __future__ import annotations

from threading import RLock
from typing import Any

from webframe.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from webframe.db.errors import ObjectNotUpdated

# The exceptions that each model has of its own, and what they are kinds of.
EXCEPTIONS: dict[str, type[Exception]] = {
    "DoesNotExist": ObjectDoesNotExist,
    "MultipleObjectsReturned": MultipleObjectsReturned,
    "NotUpdated": ObjectNotUpdated,
}

# All threads are to raise and to catch the same class.
_making_exceptions = RLock()


def add_exceptions(model: Any, parents: list[Any]) -> None:
    """Give a model its exceptions; they are kinds of those of its parents."""
    for name in EXCEPTIONS:
        setattr(model, name, LateException(name, model, parents))


class LateException:
    """Stands for an exception of a model until somebody names it: most never are, and a class takes its time."""

    __slots__ = ("model", "name", "parents")

    def __init__(self, name: str, model: Any, parents: list[Any]) -> None:
        self.name = name
        self.model = model
        self.parents = parents

    def __get__(self, instance: Any, owner: Any = None) -> type[Exception]:
        with _making_exceptions:
            known = vars(self.model)[self.name]
            if known is self:
                inherited = tuple(getattr(parent, self.name) for parent in self.parents if self.name in vars(parent))
                body = {"__module__": self.model.__module__, "__qualname__": f"{self.model.__qualname__}.{self.name}"}
                known = type(self.name, inherited or (EXCEPTIONS[self.name],), body)
                setattr(self.model, self.name, known)
        made: type[Exception] = known
        return made

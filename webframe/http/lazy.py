"""Attributes computed when they are first read.

A `lazy` attribute is a non-data descriptor: reading it stores the value in the instance, where Python finds it from
then on without asking the class. It can be assigned, and deleted to have it computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from webframe._lazy import LateModule

Class = TypeVar("Class", bound=type)
Value = TypeVar("Value")

if TYPE_CHECKING:
    from werkzeug import utils

    def lazy(function: Callable[[Any], Value]) -> Value:
        """What type checkers see of the class below: an attribute like any other."""

else:
    utils = LateModule("werkzeug.utils")

    class lazy:
        """Make an attribute of a method; like `functools.cached_property`, without its lock on Python 3.11."""

        def __init__(self, function, name=None):
            self.function = function
            self.name = name or function.__name__
            self.__doc__ = function.__doc__

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.function(instance)
            return value


def all_lazy(cls: Class) -> Class:
    """Make every property that a class inherits from werkzeug `lazy`; each is computed as it was."""
    own = set(vars(cls))
    for base in cls.__mro__[1:]:
        for name, attribute in vars(base).items():
            if name in own:
                continue
            if isinstance(attribute, property):
                setattr(cls, name, _lazy(attribute.fget, name))
            elif isinstance(attribute, utils.environ_property | utils.header_property):
                setattr(cls, name, _lazy(partial(_read, attribute), name))
            own.add(name)
    return cls


def _read(attribute: utils.environ_property[Any] | utils.header_property[Any], instance: object) -> Any:
    return attribute.__get__(instance, type(instance))


_lazy: Any = lazy

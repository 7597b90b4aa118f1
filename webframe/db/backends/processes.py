"""Every wrapper of the process, for what happens to them all: a fork, and the end."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Any

# A wrapper (`connecting.py` is a floor above), which has `start_afresh`, `close` and `dispose`.
Wrapper = Any

_wrappers: weakref.WeakValueDictionary[int, Wrapper] = weakref.WeakValueDictionary()

# In the child of a fork, what is its parent's: kept as it is, because closing it here would be heard there.
inherited: list[Any] = []


def add(wrapper: Wrapper) -> None:
    """Know one more."""
    _wrappers[id(wrapper)] = wrapper


def every_wrapper() -> list[Wrapper]:
    """Those that are in use; other threads may make more meanwhile."""
    return [wrapper for ref in _wrappers.valuerefs() if (wrapper := ref()) is not None]


def _start_afresh() -> None:
    for wrapper in every_wrapper():
        wrapper.start_afresh()


os.register_at_fork(after_in_child=_start_afresh)


def _close_all() -> None:
    """At the end of the process: say good-bye to the servers, and let SQLite tidy its files up."""
    for wrapper in every_wrapper():
        wrapper.close()
        wrapper.dispose()


atexit.register(_close_all)

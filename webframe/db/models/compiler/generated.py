"""Functions that are written as Python code when it is known what they have to do, and never look again."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def compile_factory(source: str) -> Callable[..., Any]:
    """The function called `factory` that this source defines.

    Source is made of numbers and names that were checked to be identifiers, never
    of anything else that came from outside.
    """
    namespace: dict[str, Any] = {}
    exec(compile(source, "<webframe plan>", "exec"), namespace)
    factory: Callable[..., Any] = namespace["factory"]
    return factory

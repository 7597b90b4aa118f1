"""What is wrong with the arguments of a field, said where the field is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webframe.conf import close_match


def unknown_arguments(field: Any, names: Iterable[str]) -> TypeError:
    """The error for arguments that no constructor of the field's class takes, with those that it may have meant."""
    kind = type(field)
    known = arguments_of(kind)
    hints = "".join(dict.fromkeys(close_match(name, known) for name in names))
    return TypeError(
        f"{kind.__name__} has no argument {' and no argument '.join(map(repr, names))}.{hints} "
        f"Its arguments are {', '.join(known)}."
    )


def arguments_of(kind: type) -> list[str]:
    """The names of all arguments that can be given to the class of a field, in alphabetical order."""
    found: set[str] = set()
    for cls in kind.__mro__:
        code = getattr(vars(cls).get("__init__"), "__code__", None)
        if code is not None:
            found.update(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
    return sorted(name for name in found if not name.startswith("_"))

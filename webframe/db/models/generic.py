"""What type checkers know of querysets and managers: what their rows are. At run time nothing of it is there.

``QuerySet[Pizza]`` gives pizzas, and a bare ``QuerySet`` anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Generic

    from typing_extensions import TypeVar

    Row = TypeVar("Row", covariant=True, default=Any)

    class OfRows(Generic[Row]): ...

    class Unsaid:
        """No row is one: only where it was not said what the rows are, they are taken for it."""

else:
    Row = None

    class OfRows:
        """What may be given the class of its rows, ``QuerySet[Pizza]``: that is the class itself."""

        def __class_getitem__(cls, *args: Any) -> Any:
            return cls

"""Commands: `call_command`, `CommandError` and what a package needs to bring its own; each found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.core.management.calling import call_command as call_command
    from webframe.core.management.errors import CommandError as CommandError
    from webframe.core.management.project import pass_app as pass_app

__all__ = ["CommandError", "call_command", "pass_app"]

__getattr__, __dir__ = lazy_door(
    __name__,
    {"CommandError": ".errors", "call_command": ".calling", "pass_app": ".project"},
)

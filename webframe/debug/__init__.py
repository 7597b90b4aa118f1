"""The page for errors while developing: `debug_response` makes it, `routes` says what must be served behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.debug.console import routes as routes
    from webframe.debug.page import debug_response as debug_response

_HOMES = {
    "debug_response": ".page",
    "routes": ".console",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)

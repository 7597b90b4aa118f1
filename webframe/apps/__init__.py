"""Apps: `AppConfig`, the registry `apps`, and `setup()`, each found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.apps.config import AppConfig as AppConfig
    from webframe.apps.registry import Apps as Apps
    from webframe.apps.registry import apps as apps
    from webframe.apps.registry import setup as setup

_HOMES = {
    "AppConfig": ".config",
    "Apps": ".registry",
    "apps": ".registry",
    "setup": ".registry",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)

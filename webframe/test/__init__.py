"""Helpers for tests, each found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.test.capture import capture_signals as capture_signals
    from webframe.test.client import AsyncClient as AsyncClient
    from webframe.test.client import Client as Client
    from webframe.test.db import capture_on_commit as capture_on_commit
    from webframe.test.mute import mute as mute
    from webframe.test.queries import count_queries as count_queries
    from webframe.test.settings import modify_settings as modify_settings
    from webframe.test.settings import override_settings as override_settings

_HOMES = {
    "AsyncClient": ".client",
    "Client": ".client",
    "capture_on_commit": ".db",
    "capture_signals": ".capture",
    "count_queries": ".queries",
    "modify_settings": ".settings",
    "mute": ".mute",
    "override_settings": ".settings",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)

"""Which httpx there is: `httpx`, or its successor `httpx2` where that alone is installed.

Whoever needs it imports it from here, and only when clients are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx as httpx
else:
    try:
        import httpx
    except ModuleNotFoundError as missing:
        if missing.name != "httpx":
            raise
        try:
            import httpx2 as httpx
        except ModuleNotFoundError:
            raise ImportError("The clients of webframe.test need httpx: pip install httpx", name="httpx") from None

__all__ = ["httpx"]

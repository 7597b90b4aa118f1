"""How statements are run on a connection of any driver that follows PEP 249 and has an autocommit mode."""

from __future__ import annotations

from webframe.db.backends.drivers.base import Link


class GenericLink(Link):
    """A connection of a driver that nothing more is known of."""

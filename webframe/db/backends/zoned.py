"""Databases whose sessions have a time zone, which follows the settings."""

from __future__ import annotations

from webframe import waiting
from webframe.db.backends import base
from webframe.db.backends.drivers.base import Link


class ZonedWrapper(base.DatabaseWrapper):
    """A database of which each session has a time zone: `timezone_name`."""

    # What `timezone_name` was when sessions were told of it last; None: there have been none.
    _told: str | None = None

    def set_time_zone(self, link: Link) -> None:
        """Have a session use `timezone_name`."""
        raise NotImplementedError

    def init_connection(self, link: Link) -> None:
        self._told = self.timezone_name
        self.set_time_zone(link)
        super().init_connection(link)

    def ensure_timezone(self) -> None:
        """Have statements and sessions use the time zone that the settings give by now.

        A transaction of the code here goes on, but for one on an event loop, where
        plain code cannot wait for the database: that one is lost. Other connections
        are made anew.
        """
        super().ensure_timezone()
        if self._told in (None, self.timezone_name):
            return
        self._told = self.timezone_name
        self.dispose()
        slot = self._slot()
        root = None if slot is None else slot.root
        on_loop = waiting.running_loop() is not None and waiting.current_greenlet() is None
        if slot is not None and root is not None and on_loop:
            root.lose(
                "The setting USE_TZ or TIME_ZONE was overridden within it, where plain code cannot tell its session. "
                "Override them before the transaction begins, or in code behind webframe.greenlets.bridge()."
            )
            self.discard(slot)
            return
        if root is None or root.broken is not None:
            self.close()
            return
        place = self._enter()
        try:
            self.set_time_zone(place.link)
        except BaseException as error:
            self.raise_ours(error, place)
        finally:
            place.guard.release()

"""What connections to PostgreSQL have in common, whichever driver made them."""

from __future__ import annotations

from webframe.db.backends.drivers.base import Link


class PostgreSQLLink(Link):
    """One connection to PostgreSQL."""

    def begin_sql(self, read_only: bool) -> str:
        return f"BEGIN{self.isolation_level}{' READ ONLY' if read_only else ''}"

    @property
    def time_zone(self) -> str:
        """The time zone of the session."""
        raise NotImplementedError

    @property
    def server_version(self) -> int:
        """The version of the server: 150018 is 15.18."""
        raise NotImplementedError

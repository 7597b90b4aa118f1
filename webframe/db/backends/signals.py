"""The signal of connections."""

from __future__ import annotations

from webframe.dispatch import Signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # The wrapper; `base.py` is a floor above this.
    DatabaseWrapper = Any


@Signal.define
def connection_created(sender: type, *, connection: DatabaseWrapper) -> None:
    """Sent once for each connection that is really made to a database.

    ``sender`` is the wrapper class of the backend, ``connection`` the wrapper of
    the alias; taking a connection from the pool again is not announced. Receivers
    may run SQL, such as a ``PRAGMA`` or a ``SET``; in the middle of an atomic
    block it runs before the transaction begins. When a receiver raises, the
    connection is closed, and the next use tries again. Responses are ignored.
    """

"""What can go wrong with a database, in the tree of PEP 249, whichever driver is in use.

::

    WebframeError
     +-- ConnectionDoesNotExist           no alias of that name in DATABASES (an ImproperlyConfigured)
     +-- Error
          +-- InterfaceError              the driver was used wrongly
          +-- DatabaseError
               +-- DataError              a value does not fit its column
               +-- OperationalError       lost connection, locked, disk full, read-only ...
               +-- IntegrityError         a constraint refuses the row
               +-- InternalError          the database is in a state it should not be in
               +-- ProgrammingError       wrong SQL, a missing table ...
               |    +-- TransactionManagementError   a transaction is used in a way that cannot work
               +-- NotSupportedError      this engine cannot do that
               +-- ObjectNotUpdated       a save that had to update a row found none

The error of the driver is kept as the cause, its arguments as our arguments.
"""

from __future__ import annotations

from webframe.core import exceptions
from webframe.core.exceptions import ImproperlyConfigured, WebframeError


class ConnectionDoesNotExist(ImproperlyConfigured):
    """There is no database of that alias; the message names those there are."""


class Error(WebframeError):
    """Base of every error of a database."""


class InterfaceError(Error):
    """The driver was used wrongly, such as a cursor that is closed."""


class DatabaseError(Error):
    """The database reports an error."""


class DataError(DatabaseError):
    """A value does not fit its column: too long, out of range, of the wrong kind."""


class OperationalError(DatabaseError):
    """Nothing to do with what was asked: a lost connection, a lock, a full disk, a read-only file."""


class IntegrityError(DatabaseError):
    """A constraint of the table refuses the row."""


class InternalError(DatabaseError):
    """The database is in a state that it should not be in."""


class ProgrammingError(DatabaseError):
    """The SQL is wrong, or what it names does not exist."""


class TransactionManagementError(ProgrammingError):
    """A transaction is used in a way that cannot work; the message says what to do instead."""


class NotSupportedError(DatabaseError):
    """This database cannot do what was asked."""


class ObjectNotUpdated(exceptions.ObjectNotUpdated, DatabaseError):
    """A save that had to update a row found none; base of the `NotUpdated` of every model."""


# By the names that PEP 249 gives the errors of a driver, the most exact first.
TREE: tuple[type[Error], ...] = (
    DataError,
    OperationalError,
    IntegrityError,
    InternalError,
    ProgrammingError,
    NotSupportedError,
    DatabaseError,
    InterfaceError,
    Error,
)

"""The errors of databases at the address where Django has them; they are made in `errors.py`."""

from __future__ import annotations

from webframe.db.errors import ConnectionDoesNotExist as ConnectionDoesNotExist
from webframe.db.errors import DatabaseError as DatabaseError
from webframe.db.errors import DataError as DataError
from webframe.db.errors import Error as Error
from webframe.db.errors import IntegrityError as IntegrityError
from webframe.db.errors import InterfaceError as InterfaceError
from webframe.db.errors import InternalError as InternalError
from webframe.db.errors import NotSupportedError as NotSupportedError
from webframe.db.errors import OperationalError as OperationalError
from webframe.db.errors import ProgrammingError as ProgrammingError

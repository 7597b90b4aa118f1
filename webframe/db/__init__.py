"""Persistence: models, queries, transactions, connections. The names of `django.db`, each found on first use."""

from __future__ import annotations

from webframe._lazy import lazy_door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from webframe.db import errors as errors
    from webframe.db import migrations as migrations
    from webframe.db import models as models
    from webframe.db import transaction as transaction
    from webframe.db.connections import close_old_connections as close_old_connections
    from webframe.db.connections import connection as connection
    from webframe.db.connections import connections as connections
    from webframe.db.connections import reset_queries as reset_queries
    from webframe.db.errors import DatabaseError as DatabaseError
    from webframe.db.errors import DataError as DataError
    from webframe.db.errors import Error as Error
    from webframe.db.errors import IntegrityError as IntegrityError
    from webframe.db.errors import InterfaceError as InterfaceError
    from webframe.db.errors import InternalError as InternalError
    from webframe.db.errors import NotSupportedError as NotSupportedError
    from webframe.db.errors import OperationalError as OperationalError
    from webframe.db.errors import ProgrammingError as ProgrammingError
    from webframe.db.routers import DEFAULT_DB_ALIAS as DEFAULT_DB_ALIAS
    from webframe.db.routers import router as router

_HOMES = {
    "DEFAULT_DB_ALIAS": ".routers",
    "DataError": ".errors",
    "DatabaseError": ".errors",
    "Error": ".errors",
    "IntegrityError": ".errors",
    "InterfaceError": ".errors",
    "InternalError": ".errors",
    "NotSupportedError": ".errors",
    "OperationalError": ".errors",
    "ProgrammingError": ".errors",
    "close_old_connections": ".connections",
    "connection": ".connections",
    "connections": ".connections",
    "errors": "",
    "migrations": "",
    "models": "",
    "reset_queries": ".connections",
    "router": ".routers",
    "transaction": "",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)

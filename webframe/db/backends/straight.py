"""Connections of plain code that are made without SQLAlchemy.

A command that connects and compiles nothing, such as a `migrate` that finds nothing
to do, need not load it then. The engine is there for the dialect, and for the
Connection that lets SQLAlchemy use one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.backends import base, processes
from webframe.db.backends.connecting import LINK, MAX_OVERFLOW, POOL_SIZE, POOL_TIMEOUT
from webframe.db.backends.plain_pools import PlainCheckout, PlainPool

if TYPE_CHECKING:
    import sqlalchemy
else:
    sqlalchemy = LateModule("sqlalchemy")


class StraightWrapper(base.DatabaseWrapper):
    """A `DatabaseWrapper` whose `make_raw` connects by the driver alone."""

    # The module of the driver.
    driver: Any
    # Whether SQLAlchemy's dialect knows what the server can do.
    _dialect_is_prepared = False

    def __init__(self, settings_dict: Mapping[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        self._plain_pool = self._new_pool()

    def make_raw(self) -> Any:
        """A new connection of the driver, which commits each statement by itself."""
        raise NotImplementedError

    @property
    def pool(self) -> PlainPool:
        """The pool of plain code."""
        return self._plain_pool

    def _take_plain(self) -> PlainCheckout:
        return self._plain_pool.take()

    def _new_pool(self) -> PlainPool:
        options, max_age = self.settings_dict["OPTIONS"], self.settings_dict["CONN_MAX_AGE"]
        size, overflow = options.get("pool_size", POOL_SIZE), options.get("max_overflow", MAX_OVERFLOW)
        return PlainPool(
            self.make_raw,
            size=0 if max_age == 0 else size,
            limit=None if max_age == 0 or overflow < 0 else size + overflow,
            timeout=options.get("pool_timeout", POOL_TIMEOUT),
            max_age=max_age or None,
            is_alive=self._is_alive if self.settings_dict["CONN_HEALTH_CHECKS"] else None,
        )

    def _is_alive(self, checkout: PlainCheckout) -> bool:
        try:
            checkout.info[LINK].ping()
        except Exception:
            return False
        return True

    @property
    def Database(self) -> Any:
        """The module of the driver."""
        return self.driver

    @property
    def _loaded_driver(self) -> Any:
        return self.driver

    def prepare_dialect(self, borrowed: Any) -> None:
        """Let the dialect find out by a connection what the server can do, unless it knows."""
        with self._lock:
            if not self._dialect_is_prepared:
                self.engine.dialect.initialize(
                    sqlalchemy.Connection(self.engine, connection=borrowed, _allow_autobegin=False)
                )
                self._dialect_is_prepared = True

    def look_at_server(self) -> None:
        """The same, by a connection for this alone; for code that may block."""
        try:
            checkout = PlainCheckout(self.pool)
            raw = checkout.driver_connection = checkout.dbapi_connection = self.make_raw()
            with closing(raw):
                self.prepare_dialect(checkout)
        except Exception as error:
            ours = self.translate(error)
            if ours is None:
                raise
            raise ours from error

    def dispose(self) -> None:
        """Close every connection that nobody is using; those in use are closed when they are given back."""
        pool, self._plain_pool = self._plain_pool, self._new_pool()
        pool.dispose()
        super().dispose()

    def start_afresh(self) -> None:
        """In the child of a fork: leave the parent's connections alone."""
        super().start_afresh()
        processes.inherited.append(self._plain_pool)
        self._plain_pool = self._new_pool()

"""Connections of aiomysql, which is written in Python: for whoever cannot have asyncmy."""

from __future__ import annotations

from typing import Any

import aiomysql
import aiomysql.connection
from pymysql.connections import Connection
from pymysql.constants import CLIENT

from webframe.db.backends.drivers.async_mysql import AsyncMySQLLink, prefers_tls, sql_mode, without_tls
from webframe.db.backends.drivers.base import Link
from webframe.waiting import wait


class AiomysqlLink(AsyncMySQLLink):
    """One connection of aiomysql."""

    unbuffered_cursor = aiomysql.SSCursor

    def is_open(self) -> bool:
        return not self.raw.closed and not self.raw._reader.at_eof()


def connect(model: Connection[Any]) -> Link:
    """Connect as PyMySQL would with the options of `model`, which is not connected."""
    raw = _Connection(model)
    wait(raw._connect())
    link = AiomysqlLink(raw)
    link.command(f"SET NAMES {model.charset}")  # as PyMySQL does
    return link


class _Connection(aiomysql.connection.Connection):  # type: ignore[misc]  # aiomysql has no annotations
    """A connection that uses TLS when PyMySQL does, and runs one statement at a time, as it does."""

    _ssl_context: Any

    def __init__(self, model: Connection[Any]) -> None:
        self._model = model
        super().__init__(
            user=model.user,
            password=model.password.decode("latin1"),
            host=model.host,
            port=model.port,
            db=model.db,
            unix_socket=model.unix_socket,
            charset=model.charset,
            sql_mode=sql_mode(model),
            client_flag=model.client_flag,
            connect_timeout=model.connect_timeout,
            autocommit=True,
            local_infile=model._local_infile,
            program_name=model._connect_attrs.get("program_name", ""),
            server_public_key=model.server_public_key,
            ssl=model.ctx if prefers_tls(model) else None,
        )

    async def _request_authentication(self) -> Any:
        if self._ssl_context is not None and not self.server_capabilities & CLIENT.SSL:
            if refusal := without_tls(self._model):
                raise refusal
            self._ssl_context = None
            self.client_flag &= ~CLIENT.SSL
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS
        return await super()._request_authentication()

    def literal(self, obj: Any) -> Any:
        """A value as SQL. With PyMySQL 1.2 aiomysql itself fails at bytes."""
        return f"X'{obj.hex()}'" if isinstance(obj, (bytes, bytearray)) else super().literal(obj)

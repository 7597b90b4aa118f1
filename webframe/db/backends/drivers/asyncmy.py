"""Connections of asyncmy, which is written in Cython: the quickest there are for MySQL and MariaDB."""

from __future__ import annotations

from typing import Any

import asyncmy.connection
from asyncmy.constants.CLIENT import DEPRECATE_EOF
from asyncmy.converters import conversions
from asyncmy.cursors import SSCursor
from pymysql.connections import Connection
from pymysql.constants import CLIENT

from webframe.db.backends.drivers.async_mysql import ENCODERS, AsyncMySQLLink, prefers_tls, sql_mode, without_tls
from webframe.db.backends.drivers.base import Link
from webframe.waiting import wait


class AsyncmyLink(AsyncMySQLLink):
    """One connection of asyncmy."""

    unbuffered_cursor = SSCursor

    def is_open(self) -> bool:
        transport = self.raw._transport
        return transport is not None and not transport.is_closing()


def connect(model: Connection[Any]) -> Link:
    """Connect as PyMySQL would with the options of `model`, which is not connected."""
    raw = _Connection(model)
    wait(raw.connect())
    link = AsyncmyLink(raw)
    link.command(f"SET NAMES {model.charset}")  # as PyMySQL does
    return link


class _Connection(asyncmy.connection.Connection):  # type: ignore[misc]  # annotated in part
    """A connection that uses TLS when PyMySQL does, and runs one statement at a time, as it does."""

    _ssl_context: Any

    def __init__(self, model: Connection[Any]) -> None:
        self._model = model
        super().__init__(
            user=model.user,
            password=model.password,
            host=model.host,
            port=model.port,
            database=model.db,
            unix_socket=model.unix_socket,
            charset=model.charset,
            sql_mode=sql_mode(model),
            conv={**{kind: read for kind, read in conversions.items() if isinstance(kind, int)}, **ENCODERS},
            client_flag=model.client_flag,
            connect_timeout=model.connect_timeout,
            read_timeout=model._read_timeout,
            autocommit=True,
            local_infile=model._local_infile,
            max_allowed_packet=model.max_allowed_packet,
            program_name=model._connect_attrs.get("program_name"),
            server_public_key=model.server_public_key,
            ssl=model.ctx if prefers_tls(model) else None,
        )

    async def _request_authentication(self) -> Any:
        if self._ssl_context is not None and not self.server_capabilities & CLIENT.SSL:
            if refusal := without_tls(self._model):
                raise refusal
            self._ssl_context = None
            self._client_flag &= ~CLIENT.SSL
        self._client_flag &= ~CLIENT.MULTI_STATEMENTS
        # Where rows end in the newer way, asyncmy takes a row for their end whose first value has 16 MB.
        self.server_capabilities &= ~DEPRECATE_EOF
        return await super()._request_authentication()

"""How Alembic's operations reach a database: through a wrapper, in its current transaction, or into a list.

Alembic takes a connection of SQLAlchemy. The one given to it here runs nothing
itself: each statement is compiled for the wrapper's dialect and handed to the
wrapper, so that transactions, error translation and whoever watches queries are
the same as for everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from webframe._lazy import missing_dependency

try:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from sqlalchemy.engine.mock import MockConnection
    from sqlalchemy.sql.ddl import ExecutableDDLElement
except ModuleNotFoundError as error:
    raise missing_dependency(error) from error

from webframe.db.models.compiler.plans import make_plan


class Statements:
    """Runs statements of DDL through a wrapper, or only collects their text."""

    def __init__(self, connection: Any, collected: list[str] | None = None) -> None:
        self.connection = connection
        # Where the statements go instead of to the database; None: they are run.
        self.collected = collected
        # Whether a statement has failed, so that a transaction around it can only be rolled back.
        self._failed = False
        context = MigrationContext.configure(
            connection=MockConnection(connection.dialect, self.execute),  # type: ignore[arg-type]
            opts={"transactional_ddl": False},
        )
        # Alembic's operations; its `impl` takes the constructs of SQLAlchemy as they are.
        self.operations = Operations(context)
        self.impl: Any = self.operations.impl

    def execute(self, construct: Any, *args: Any, **kwargs: Any) -> None:
        """Run a construct for Alembic, or as Alembic would."""
        if self._failed and self.connection.in_atomic_block:
            return  # Alembic puts in order what the transaction will undo
        try:
            self.run(construct)
        except BaseException:
            self._failed = True
            raise

    def run(self, construct: Any) -> None:
        """Run one construct of SQLAlchemy."""
        dialect = self.connection.dialect
        if isinstance(construct, ExecutableDDLElement):
            self.run_text(str(construct.compile(dialect=dialect)).strip())
        elif self.collected is not None:
            compiled = construct.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            self.run_text(str(compiled))
        else:
            plan = make_plan(construct, self.connection, {}, 0)
            self.connection.run(plan.sql, plan.arguments(()))

    def run_text(self, sql: str) -> None:
        """Run SQL that was written for the driver: with "%%" for a percent sign where its parameters are marked so."""
        if self.collected is None:
            self.connection.run(sql, ())
        else:
            doubled = self.connection.dialect.paramstyle in ("format", "pyformat")
            self.collected.append(f"{sql.replace('%%', '%') if doubled else sql};")

    def run_raw(self, sql: str, params: Sequence[Any] | None = ()) -> None:
        """Run somebody's own SQL, with placeholders as a cursor of the wrapper takes them."""
        if self.collected is not None:
            self.collected.append(f"{sql.rstrip().rstrip(';')};" if not params else f"{sql} -- {tuple(params)!r}")
            return
        with self.connection.cursor() as cursor:
            if params is None:
                cursor.execute(sql)
            else:
                cursor.execute(sql, params)

    def quote(self, name: str) -> str:
        """A name as it stands in SQL; always in quotes, so that it is nothing but a name."""
        quoted: str = self.connection.dialect.identifier_preparer.quote_identifier(name)
        return quoted

    def quoted(self, names: Iterable[str]) -> str:
        """Several names, separated by commas."""
        return ", ".join(map(self.quote, names))

"""The table `webframe_migrations`: which migrations have been applied to a database, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from webframe.db import models
from webframe.db.errors import DatabaseError, Error
from webframe.db.introspection import table_names
from webframe.db.migrations.errors import MigrationSchemaMissing
from webframe.db.migrations.historical import StateApps
from webframe.db.migrations.migration import Key
from webframe.utils.timezone import now

TABLE = "webframe_migrations"


class AppliedMigration:
    """A row of the table."""

    __slots__ = ("_recorder", "app", "name")

    def __init__(self, recorder: MigrationRecorder, app: str, name: str) -> None:
        self._recorder = recorder
        self.app = app
        self.name = name

    @property
    def applied(self) -> datetime:
        """The moment when it was applied."""
        return self._recorder.moment_of((self.app, self.name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.app}.{self.name}>"


@cache
def migration_model() -> Any:
    """The model of the table; it is of no app, and receivers of signals hear nothing of it."""

    class Migration(models.Model):
        id = models.BigAutoField(primary_key=True)
        app = models.CharField(max_length=255)
        name = models.CharField(max_length=255)
        applied = models.DateTimeField(default=now)

        class Meta:
            apps = StateApps()
            app_label = "migrations"
            db_table = TABLE

    return Migration


class MigrationRecorder:
    """Reads and writes the table of one database, and makes it when something is to be written."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        # Whether the table is known to be there.
        self._has_table = False
        # When migrations were applied; read when the first of these moments is asked for.
        self._moments: dict[Key, datetime] = {}

    @property
    def Migration(self) -> Any:  # Django's name
        """The model of the table."""
        return migration_model()

    @property
    def migration_qs(self) -> Any:
        """The rows, as a queryset."""
        return migration_model().objects.using(self.connection.alias)

    def has_table(self) -> bool:
        """Whether the table is there."""
        self._has_table = self._has_table or TABLE in table_names(self.connection)
        return self._has_table

    def ensure_schema(self) -> None:
        """Make the table if it is not there. Raises `MigrationSchemaMissing` if that is not possible."""
        if self.has_table():
            return
        try:
            with self.connection.schema_editor() as editor:
                editor.create_model(migration_model())
        except DatabaseError as error:
            raise MigrationSchemaMissing(
                f"The table {TABLE!r}, in which applied migrations are noted, cannot be made in the database "
                f"{self.connection.alias!r}: {error} Give its user the right to make tables."
            ) from error
        self._has_table = True

    def applied_migrations(self) -> dict[Key, AppliedMigration]:
        """The migrations that are applied, by their keys; one query."""
        if not self._has_table and self.connection.in_atomic_block and not self.has_table():
            return {}  # a query that fails would be the end of the transaction
        try:
            # Without the model: at most times this is all that is asked, and compiling it takes longer than the answer.
            rows = self.connection.fetch(f"SELECT app, name FROM {TABLE}")
        except Error as error:
            if error.__cause__ is not None and self.connection.misses_table(error.__cause__):
                return {}
            raise
        self._has_table = True
        return {(app, name): AppliedMigration(self, app, name) for app, name in rows}

    def moment_of(self, key: Key) -> datetime:
        """The moment when a migration was applied."""
        if key not in self._moments:
            rows = self.migration_qs.values_list("app", "name", "applied")
            self._moments = {(app, name): applied for app, name, applied in rows}
        return self._moments[key]

    def record_applied(self, app: str, name: str) -> None:
        """Note that a migration is applied."""
        self.record_all_applied([(app, name)])

    def record_all_applied(self, keys: Iterable[Key]) -> None:
        """Note that migrations are applied, by one statement."""
        self.ensure_schema()
        model = migration_model()
        self.migration_qs.bulk_create([model(app=app, name=name) for app, name in keys])

    def record_unapplied(self, app: str, name: str) -> None:
        """Note that a migration is not applied any more."""
        self.ensure_schema()
        table = self.connection.ops.quote_name(TABLE)
        with self.connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE app = %s AND name = %s", [app, name])

    def flush(self) -> None:
        """Forget all that was noted."""
        if self.has_table():
            with self.connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {self.connection.ops.quote_name(TABLE)}")

"""The table of applied migrations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from webframe.db import connection, transaction
from webframe.db.errors import OperationalError
from webframe.db.introspection import table_names
from webframe.db.migrations.errors import MigrationSchemaMissing
from webframe.db.migrations.recorder import MigrationRecorder
from webframe.db.models.signals import class_prepared, post_save, pre_save
from webframe.test import override_settings


def test_a_database_without_the_table_has_none_applied(empty_database: Any) -> None:
    assert MigrationRecorder(connection).applied_migrations() == {}
    with transaction.atomic():
        assert MigrationRecorder(connection).applied_migrations() == {}
        connection.fetch("SELECT 1")  # the transaction goes on
    assert table_names(connection) == set()


def test_what_is_noted_is_there_with_its_moment(empty_database: Any) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("menu", "0001_initial")
    recorder.record_all_applied([("menu", "0002_price"), ("shop", "0001_initial")])
    recorder.record_unapplied("menu", "0001_initial")
    recorder.record_unapplied("menu", "0001_initial")
    applied = MigrationRecorder(connection).applied_migrations()
    assert set(applied) == {("menu", "0002_price"), ("shop", "0001_initial")}
    row = applied["menu", "0002_price"]
    assert (row.app, row.name) == ("menu", "0002_price")
    assert abs(datetime.now(UTC) - row.applied) < timedelta(minutes=1)
    assert set(connection.fetch("SELECT app, name FROM webframe_migrations")) == set(applied)
    recorder.flush()
    assert recorder.applied_migrations() == {}


def test_the_table_is_made_once(empty_database: Any) -> None:
    recorder = MigrationRecorder(connection)
    assert not recorder.has_table()
    recorder.ensure_schema()
    recorder.ensure_schema()
    MigrationRecorder(connection).ensure_schema()
    assert recorder.has_table() and table_names(connection) == {"webframe_migrations"}
    assert recorder.migration_qs.count() == recorder.Migration.objects.count() == 0


@pytest.mark.engines("sqlite")
def test_receivers_of_signals_hear_nothing_of_it(empty_database: Any) -> None:
    heard: list[Any] = []

    def receiver(sender: Any, **kwargs: Any) -> None:
        heard.append(sender)

    signals = class_prepared, pre_save, post_save
    for signal in signals:
        signal.connect(receiver)
    recorder = MigrationRecorder(connection)
    recorder.record_applied("menu", "0001_initial")
    recorder.applied_migrations()
    recorder.record_unapplied("menu", "0001_initial")
    for signal in signals:
        signal.disconnect(receiver)
    assert heard == []


@pytest.mark.engines("sqlite")
def test_a_database_that_cannot_be_written_to_says_what_it_is_needed_for(tmp_path: Any, engine: Any) -> None:
    path = tmp_path / "db.sqlite3"
    path.touch()
    with override_settings(DATABASES={"default": f"sqlite:///{path}?mode=ro"}):
        with pytest.raises(MigrationSchemaMissing, match="The table 'webframe_migrations', in which .* cannot be made"):
            MigrationRecorder(connection).record_applied("menu", "0001_initial")


@pytest.mark.engines("sqlite")
def test_other_errors_are_not_taken_for_a_missing_table(tmp_path: Any, engine: Any) -> None:
    with (
        override_settings(DATABASES={"default": f"sqlite:///{tmp_path}/none/db.sqlite3"}),
        pytest.raises(OperationalError, match="unable to open"),
    ):
        MigrationRecorder(connection).applied_migrations()

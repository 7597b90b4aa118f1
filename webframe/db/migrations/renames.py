"""Finding what may have been renamed, and asking whether it was.

What was renamed is renamed in a copy of the old state at once, by the operations
themselves, so that nothing that is compared later has to know of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webframe.db.migrations.comparing import definition, shape
from webframe.db.migrations.operations.fields import AlterField, RenameField
from webframe.db.migrations.operations.models import RenameModel
from webframe.db.migrations.references import ModelKey, changed_field, kind_of
from webframe.db.migrations.steps import Step


def renamed_models(old: Any, new: Any, tracked: set[str], questioner: Any) -> Iterator[Step]:
    """Steps that rename models; `old` is changed accordingly. Looked at are the apps with the labels `tracked`."""
    for key in sorted(new.models.keys() - old.models.keys()):
        app_label = key[0]
        if app_label not in tracked or kind_of(new.models[key]) == "unmanaged":
            continue
        state = new.models[key]
        wanted = _shape_of(state)
        for candidate in [each for each in sorted(old.models.keys() - new.models.keys()) if each[0] == app_label]:
            other = old.models[candidate]
            if (
                kind_of(other) == kind_of(state)
                and _shape_of(other) == wanted
                and questioner.ask_rename_model(other, state)
            ):
                operation = RenameModel(old_name=other.name, new_name=state.name)
                operation.state_forwards(app_label, old)
                provides = [("model", *key), ("no model", *candidate), ("no table", table_of(other))]
                yield Step(app_label, operation, provides)
                break


def _shape_of(state: Any) -> Any:
    return {name: shape(field) for name, field in state.fields.items()}


def table_of(state: Any) -> str:
    """The table that a model says it has, or would have by itself."""
    return str(state.options.get("db_table") or "_".join(state.key))


def table_between(state: Any, name: str, field: Any) -> str:
    """The table with the rows of a many-to-many field that has no model of its own for them."""
    return str(field.db_table or f"{table_of(state)}_{name}")


def column_of(name: str, field: Any) -> str | None:
    """The column of a field; None for one that has none."""
    if field.many_to_many:
        return None
    return str(field.db_column or (f"{name}_id" if field.remote_field is not None else name))


def renamed_fields(old: Any, new: Any, key: ModelKey, questioner: Any) -> Iterator[Step]:
    """Steps that rename fields of a model that both states have; `old` is changed accordingly."""
    app_label, model_name = key
    state = new.models[key]
    before = old.models[key].fields
    gone = [name for name in sorted(before) if name not in state.fields]
    if not gone:
        return
    for name in sorted(name for name in state.fields if name not in before):
        field = state.fields[name]
        for former in gone:
            other = old.models[key].fields[former]
            kept_column = _kept_column(former, other, field, key)
            same = definition(other, key) == definition(field, key)
            if not (same or kept_column) or not questioner.ask_rename(state.name, former, name, field):
                continue
            gone.remove(former)
            operations: list[Any] = []
            if not same:
                # The column has the old name for ever.
                altered = changed_field(other, db_column=field.db_column)
                operations.append(AlterField(model_name=model_name, name=former, field=altered))
            operations.append(RenameField(model_name=model_name, old_name=former, new_name=name))
            facts = [("field", *key, name), ("no field", *key, former)]
            for operation in operations:
                operation.state_forwards(app_label, old)
                yield Step(app_label, operation, facts, [("model", *key)])
            break


def _kept_column(former: str, other: Any, field: Any, key: ModelKey) -> bool:
    """Whether a field differs from a former one only by naming that one's column."""
    if other.many_to_many or field.many_to_many or field.db_column is None:
        return False
    if column_of(former, other) != field.db_column:
        return False
    return bool(definition(changed_field(other, db_column=field.db_column), key) == definition(field, key))

"""Operations on what a model's Meta says, and on its managers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from webframe.db.migrations.operations.base import ModelOperation, Operation, OperationCategory
from webframe.db.models.naming import normalised_together


class ModelOptionOperation(ModelOperation):
    """An operation on one option, after which an earlier one of its kind does not matter."""

    category = OperationCategory.ALTERATION

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if type(operation) is type(self) or operation.deletes_model:
            if operation.only_model == self.name_lower:
                return [operation]
        return super().reduce(operation, app_label)


class AlterModelTable(ModelOptionOperation):
    """Give the table of a model another name; None: the one that is made of those of the app and the model."""

    def __init__(self, name: str, table: str | None) -> None:
        super().__init__(name)
        self.table = table

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"name": self.name, "table": self.table}

    def state_forwards(self, app_label: str, state: Any) -> None:
        options = {} if self.table is None else {"db_table": self.table}
        state.alter_model_options(app_label, self.name_lower, options, ["db_table"])

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        new_model = to_state.table_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, new_model):
            old_model = from_state.table_model(app_label, self.name)
            rename_tables(schema_editor, old_model, new_model)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Rename table for {self.name} to {self.table if self.table is not None else '(default)'}"

    @property
    def migration_name_fragment(self) -> str:
        return f"alter_{self.name_lower}_table"


class AlterUniqueTogether(ModelOptionOperation):
    """Change which fields of a model are unique together: all of the combinations, as tuples of names."""

    option_name: ClassVar[str] = "unique_together"

    def __init__(self, name: str, unique_together: Iterable[Any] | None) -> None:
        super().__init__(name)
        self.unique_together: set[tuple[str, ...]] = set(normalised_together(unique_together or ()))

    @property
    def option_value(self) -> set[tuple[str, ...]]:
        """The combinations."""
        return self.unique_together

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"name": self.name, "unique_together": self.unique_together}

    def state_forwards(self, app_label: str, state: Any) -> None:
        options = {"unique_together": self.unique_together}
        state.alter_model_options(app_label, self.name_lower, options, ["unique_together"])

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        new_model = to_state.table_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, new_model):
            old_model = from_state.table_model(app_label, self.name)
            schema_editor.alter_unique_together(
                old_model, old_model._meta.unique_together, new_model._meta.unique_together
            )

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Alter unique_together for {self.name} ({len(self.unique_together)} constraint(s))"

    @property
    def migration_name_fragment(self) -> str:
        return f"alter_{self.name_lower}_unique_together"

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        if not self.references_model(model_name, app_label):
            return False
        return not self.unique_together or any(name in names for names in self.unique_together)


class AlterModelOptions(ModelOptionOperation):
    """Set the options of a model that no table knows of: all of them, those not given are as by default."""

    ALTER_OPTION_KEYS: ClassVar[Sequence[str]] = (
        "base_manager_name",
        "db_table_comment",
        "db_tablespace",
        "default_manager_name",
        "default_permissions",
        "default_related_name",
        "get_latest_by",
        "managed",
        "ordering",
        "permissions",
        "required_db_features",
        "required_db_vendor",
        "select_on_save",
        "verbose_name",
        "verbose_name_plural",
    )

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.options = dict(options)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"name": self.name, "options": self.options}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.alter_model_options(app_label, self.name_lower, self.options, self.ALTER_OPTION_KEYS)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Nothing: no table knows of these options."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Nothing."""

    def describe(self) -> str:
        return f"Change Meta options on {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"alter_{self.name_lower}_options"


class AlterModelManagers(ModelOptionOperation):
    """Set the managers that the model has in migrations: pairs (name, manager)."""

    serialization_expand_args: ClassVar[list[str]] = ["managers"]

    def __init__(self, name: str, managers: Iterable[tuple[str, Any]]) -> None:
        super().__init__(name)
        self.managers = list(managers)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"name": self.name, "managers": self.managers}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.alter_model_managers(app_label, self.name_lower, self.managers)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Nothing: no table knows of managers."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Nothing."""

    def describe(self) -> str:
        return f"Change managers on {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"alter_{self.name_lower}_managers"


def rename_tables(schema_editor: Any, old_model: Any, new_model: Any) -> None:
    """Give the table of a model its new name, and with it those of its many-to-many fields."""
    schema_editor.alter_db_table(old_model, old_model._meta.db_table, new_model._meta.db_table)
    for old_field in old_model._meta.local_many_to_many:
        schema_editor.alter_field(old_model, old_field, new_model._meta.get_field(old_field.name))

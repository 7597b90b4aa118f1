"""Operations on the fields of models."""

from __future__ import annotations

from copy import copy
from typing import Any

from webframe.db.migrations.key_changes import refuse_to_take_key
from webframe.db.migrations.operations.base import Operation, OperationCategory
from webframe.db.migrations.references import field_references


class FieldOperation(Operation):
    """An operation on the field `name` of the model `model_name`."""

    def __init__(self, model_name: str, name: str, field: Any = None) -> None:
        self.model_name = model_name
        self.name = name
        self.field = field

    @property
    def model_name_lower(self) -> str:
        """The name of the model in lower case."""
        return self.model_name.lower()

    @property
    def name_lower(self) -> str:
        """The name of the field in lower case."""
        return self.name.lower()

    @property
    def only_model(self) -> str | None:
        return self.model_name_lower

    def is_same_model_operation(self, operation: Any) -> bool:
        """Whether another operation is about the same model."""
        return bool(self.model_name_lower == operation.model_name_lower)

    def is_same_field_operation(self, operation: Any) -> bool:
        """Whether another operation is about the same field."""
        return self.is_same_model_operation(operation) and self.name_lower == operation.name_lower

    def references_model(self, name: str, app_label: str) -> bool:
        if name.lower() == self.model_name_lower:
            return True
        return self.field is not None and bool(
            field_references((app_label, self.model_name_lower), self.field, (app_label, name.lower()))
        )

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        if model_name.lower() == self.model_name_lower:
            if name == self.name:
                return True
            if self.field is not None and name in (getattr(self.field.remote_field, "through_fields", None) or ()):
                return True
        if self.field is None:
            return False
        own_key = app_label, self.model_name_lower
        return bool(field_references(own_key, self.field, (app_label, model_name.lower()), name))

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if operation.deletes_model and operation.only_model == self.model_name_lower:
            return [operation]
        return super().reduce(operation, app_label) or not operation.references_field(
            self.model_name, self.name, app_label
        )

    def _keep_key(self, app_label: str, from_state: Any, to_state: Any) -> None:
        """Refuse to take a primary key away that is referred to, before anything is changed."""
        refuse_to_take_key((app_label, self.model_name_lower), from_state, to_state)

    def _models(self, app_label: str, from_state: Any, to_state: Any, with_referring: bool = False) -> tuple[Any, Any]:
        """The class of the model before and after."""
        return (
            from_state.table_model(app_label, self.model_name, with_referring),
            to_state.table_model(app_label, self.model_name, with_referring),
        )


class AddField(FieldOperation):
    """Add a field to a model, and its column to the table.

    With ``preserve_default=False`` its default is for the rows there are only.
    """

    category = OperationCategory.ADDITION

    def __init__(self, model_name: str, name: str, field: Any, preserve_default: bool = True) -> None:
        super().__init__(model_name, name, field)
        self.preserve_default = preserve_default

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], _arguments(self)

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.add_field(app_label, self.model_name_lower, self.name, self.field, self.preserve_default)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.table_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._keep_key(app_label, from_state, to_state)
            schema_editor.add_field(model, with_default_of(self, model._meta.get_field(self.name)))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.table_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._keep_key(app_label, from_state, to_state)
            schema_editor.remove_field(model, model._meta.get_field(self.name))

    def describe(self) -> str:
        return f"Add field {self.name} to {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name_lower}_{self.name_lower}"

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if isinstance(operation, FieldOperation) and self.is_same_field_operation(operation):
            if isinstance(operation, AlterField):
                return [AddField(self.model_name, operation.name, operation.field, operation.preserve_default)]
            if isinstance(operation, RemoveField):
                return []
            if isinstance(operation, RenameField):
                return [AddField(self.model_name, operation.new_name, self.field, self.preserve_default)]
        return super().reduce(operation, app_label)


class RemoveField(FieldOperation):
    """Remove a field from a model, and its column with all values from the table."""

    category = OperationCategory.REMOVAL

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model_name": self.model_name, "name": self.name}

    def __init__(self, model_name: str, name: str) -> None:
        super().__init__(model_name, name)

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_field(app_label, self.model_name_lower, self.name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.table_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._keep_key(app_label, from_state, to_state)
            schema_editor.remove_field(model, model._meta.get_field(self.name))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.table_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._keep_key(app_label, from_state, to_state)
            schema_editor.add_field(model, model._meta.get_field(self.name))

    def describe(self) -> str:
        return f"Remove field {self.name} from {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"remove_{self.model_name_lower}_{self.name_lower}"


class AlterField(FieldOperation):
    """Put another field in the place of one: type, null, default, keys, indexes.

    With ``preserve_default=False`` its default is for the rows there are only.
    """

    category = OperationCategory.ALTERATION

    def __init__(self, model_name: str, name: str, field: Any, preserve_default: bool = True) -> None:
        super().__init__(model_name, name, field)
        self.preserve_default = preserve_default

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], _arguments(self)

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.alter_field(app_label, self.model_name_lower, self.name, self.field, self.preserve_default)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        old_model, new_model = self._models(app_label, from_state, to_state, True)
        if self.allow_migrate_model(schema_editor.connection.alias, new_model):
            self._keep_key(app_label, from_state, to_state)
            new_field = with_default_of(self, new_model._meta.get_field(self.name))
            schema_editor.alter_field(old_model, old_model._meta.get_field(self.name), new_field)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        old_model, new_model = self._models(app_label, from_state, to_state, True)
        if self.allow_migrate_model(schema_editor.connection.alias, new_model):
            self._keep_key(app_label, from_state, to_state)
            schema_editor.alter_field(
                old_model, old_model._meta.get_field(self.name), new_model._meta.get_field(self.name)
            )

    def describe(self) -> str:
        return f"Alter field {self.name} on {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"alter_{self.model_name_lower}_{self.name_lower}"

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if isinstance(operation, FieldOperation) and self.is_same_field_operation(operation):
            if isinstance(operation, (AlterField, RemoveField)):
                return [operation]
            if isinstance(operation, RenameField) and self.field.db_column is None:
                altered = AlterField(self.model_name, operation.new_name, self.field, self.preserve_default)
                return [operation, altered]
        return super().reduce(operation, app_label)


class RenameField(FieldOperation):
    """Give a field another name, and its column too unless it has a name of its own; values stay."""

    category = OperationCategory.ALTERATION

    def __init__(self, model_name: str, old_name: str, new_name: str) -> None:
        super().__init__(model_name, old_name)
        self.old_name = old_name
        self.new_name = new_name

    @property
    def old_name_lower(self) -> str:
        """The old name in lower case."""
        return self.old_name.lower()

    @property
    def new_name_lower(self) -> str:
        """The new name in lower case."""
        return self.new_name.lower()

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs = {"model_name": self.model_name, "old_name": self.old_name, "new_name": self.new_name}
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.rename_field(app_label, self.model_name_lower, self.old_name, self.new_name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._rename(app_label, schema_editor, from_state, to_state, self.old_name, self.new_name)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._rename(app_label, schema_editor, from_state, to_state, self.new_name, self.old_name)

    def _rename(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any, old_name: str, new_name: str
    ) -> None:
        old_model, new_model = self._models(app_label, from_state, to_state)
        if self.allow_migrate_model(schema_editor.connection.alias, new_model):
            schema_editor.alter_field(
                old_model, old_model._meta.get_field(old_name), new_model._meta.get_field(new_name)
            )

    def describe(self) -> str:
        return f"Rename field {self.old_name} on {self.model_name} to {self.new_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"rename_{self.old_name_lower}_{self.model_name_lower}_{self.new_name_lower}"

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        if not self.references_model(model_name, app_label):
            return False
        return name.lower() in (self.old_name_lower, self.new_name_lower)

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if (
            isinstance(operation, RenameField)
            and self.is_same_model_operation(operation)
            and self.new_name_lower == operation.old_name_lower
        ):
            return [RenameField(self.model_name, self.old_name, operation.new_name)]
        # What comes behind has the new name to deal with.
        return super().reduce(operation, app_label) and not operation.references_field(
            self.model_name, self.new_name, app_label
        )


def with_default_of(operation: AddField | AlterField, field: Any) -> Any:
    """The field of the class after an operation, with the default that is for the rows there are."""
    if operation.preserve_default:
        return field
    made = copy(field)
    made.default = operation.field.default
    return made


def _arguments(operation: AddField | AlterField) -> dict[str, Any]:
    kwargs = {"model_name": operation.model_name, "name": operation.name, "field": operation.field}
    if operation.preserve_default is not True:
        kwargs["preserve_default"] = operation.preserve_default
    return kwargs

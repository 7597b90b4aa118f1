"""Operations on the indexes and constraints of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webframe.db.migrations.errors import InvalidStateError
from webframe.db.migrations.operations.base import Operation, OperationCategory
from webframe.db.migrations.renaming import fields_of


class IndexOperation(Operation):
    """An operation on an index or a constraint of the model `model_name`."""

    model_name: str

    @property
    def model_name_lower(self) -> str:
        """The name of the model in lower case."""
        return self.model_name.lower()

    @property
    def only_model(self) -> str | None:
        return self.model_name_lower

    def references_model(self, name: str, app_label: str) -> bool:
        return name.lower() == self.model_name_lower

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if operation.deletes_model and operation.only_model == self.model_name_lower:
            return [operation]
        return super().reduce(operation, app_label) or not operation.references_model(self.model_name, app_label)

    def _table(self, app_label: str, schema_editor: Any, state: Any) -> Any:
        """The class of the model in a state; None if its table is not to be changed here."""
        model = state.table_model(app_label, self.model_name)
        return model if self.allow_migrate_model(schema_editor.connection.alias, model) else None


class AddIndex(IndexOperation):
    """Add an index to a model; it must have a name."""

    category = OperationCategory.ADDITION

    def __init__(self, model_name: str, index: Any) -> None:
        if not index.name:
            raise ValueError(f"AddIndex({model_name!r}, ...) needs an index with a name. Give it one: name=....")
        self.model_name = model_name
        self.index = index

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model_name": self.model_name, "index": self.index}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.add_index(app_label, self.model_name_lower, self.index)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, to_state)
        if model is not None:
            schema_editor.add_index(model, self.index)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, from_state)
        if model is not None:
            schema_editor.remove_index(model, self.index)

    def describe(self) -> str:
        over = (
            f"on field(s) {', '.join(self.index.fields)}"
            if self.index.fields
            else f"on {', '.join(map(str, self.index.expressions))}"
        )
        return f"Create index {self.index.name} {over} of model {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name_lower}_{self.index.name.lower()}"

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        return self.references_model(model_name, app_label) and name in fields_of(self.index)

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        same_model = operation.only_model == self.model_name_lower
        if same_model and isinstance(operation, RemoveIndex) and self.index.name == operation.name:
            return []
        if same_model and isinstance(operation, RenameIndex) and self.index.name == operation.old_name:
            renamed = self.index.clone()
            renamed.name = operation.new_name
            return [AddIndex(self.model_name, renamed)]
        return super().reduce(operation, app_label)


class RemoveIndex(IndexOperation):
    """Remove the index of this name from a model."""

    category = OperationCategory.REMOVAL

    def __init__(self, model_name: str, name: str) -> None:
        self.model_name = model_name
        self.name = name

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model_name": self.model_name, "name": self.name}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_index(app_label, self.model_name_lower, self.name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, from_state)
        if model is not None:
            index = from_state.get_model_state(app_label, self.model_name).get_index_by_name(self.name)
            schema_editor.remove_index(model, index)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, to_state)
        if model is not None:
            index = to_state.get_model_state(app_label, self.model_name).get_index_by_name(self.name)
            schema_editor.add_index(model, index)

    def describe(self) -> str:
        return f"Remove index {self.name} from {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"remove_{self.model_name_lower}_{self.name.lower()}"


class RenameIndex(IndexOperation):
    """Give an index another name. It is told by its old name, or by its fields: `old_fields`."""

    category = OperationCategory.ALTERATION

    def __init__(
        self,
        model_name: str,
        new_name: str,
        old_name: str | None = None,
        old_fields: Sequence[str] | None = None,
    ) -> None:
        if (old_name is None) == (old_fields is None):
            raise ValueError("RenameIndex needs either old_name or old_fields, to tell which index is meant.")
        self.model_name = model_name
        self.new_name = new_name
        self.old_name = old_name
        self.old_fields = old_fields

    @property
    def new_name_lower(self) -> str:
        """The new name in lower case."""
        return self.new_name.lower()

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {"model_name": self.model_name, "new_name": self.new_name}
        if self.old_name:
            kwargs["old_name"] = self.old_name
        if self.old_fields:
            kwargs["old_fields"] = self.old_fields
        return type(self).__name__, [], kwargs

    def _old_name(self, app_label: str, state: Any) -> str:
        if self.old_name is not None:
            return self.old_name
        model_state = state.get_model_state(app_label, self.model_name)
        wanted = list(self.old_fields or ())
        found = [index for index in model_state.options["indexes"] if index.fields == wanted]
        if len(found) != 1:
            raise InvalidStateError(
                f"RenameIndex: {model_state.label} has {len(found)} indexes over exactly the fields "
                f"{', '.join(wanted)} at this point of the migrations. Name the one that is meant: old_name=...."
            )
        return str(found[0].name)

    def state_forwards(self, app_label: str, state: Any) -> None:
        old_name = self._old_name(app_label, state)
        state.rename_index(app_label, self.model_name_lower, old_name, self.new_name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        old_name = self._old_name(app_label, from_state)
        self._rename(app_label, schema_editor, from_state, to_state, old_name, self.new_name)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        old_name = self._old_name(app_label, to_state)
        self._rename(app_label, schema_editor, from_state, to_state, self.new_name, old_name)

    def _rename(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any, old_name: str, new_name: str
    ) -> None:
        model = self._table(app_label, schema_editor, from_state)
        if model is not None:
            old = from_state.get_model_state(app_label, self.model_name).get_index_by_name(old_name)
            new = to_state.get_model_state(app_label, self.model_name).get_index_by_name(new_name)
            schema_editor.rename_index(model, old, new)

    def describe(self) -> str:
        if self.old_name:
            return f"Rename index {self.old_name} on {self.model_name} to {self.new_name}"
        return f"Rename index for {', '.join(self.old_fields or ())} on {self.model_name} to {self.new_name}"

    @property
    def migration_name_fragment(self) -> str:
        if self.old_name:
            return f"rename_{self.old_name.lower()}_{self.new_name_lower}"
        return f"rename_{self.model_name_lower}_{'_'.join(self.old_fields or ())}_{self.new_name_lower}"

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        same_model = operation.only_model == self.model_name_lower
        if same_model and isinstance(operation, RenameIndex) and operation.old_name == self.new_name:
            return [RenameIndex(self.model_name, operation.new_name, self.old_name, self.old_fields)]
        if same_model and isinstance(operation, RemoveIndex) and operation.name == self.new_name and self.old_name:
            return [RemoveIndex(self.model_name, self.old_name)]
        return super().reduce(operation, app_label)


class AddConstraint(IndexOperation):
    """Add a constraint to a model; rows that violate it make it fail."""

    category = OperationCategory.ADDITION

    def __init__(self, model_name: str, constraint: Any) -> None:
        self.model_name = model_name
        self.constraint = constraint

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model_name": self.model_name, "constraint": self.constraint}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.add_constraint(app_label, self.model_name_lower, self.constraint)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, to_state)
        if model is not None:
            schema_editor.add_constraint(model, self.constraint)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, from_state)
        if model is not None:
            schema_editor.remove_constraint(model, self.constraint)

    def describe(self) -> str:
        return f"Create constraint {self.constraint.name} on model {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name_lower}_{self.constraint.name.lower()}"

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        return self.references_model(model_name, app_label) and name in fields_of(self.constraint)

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if (
            isinstance(operation, RemoveConstraint)
            and self.model_name_lower == operation.model_name_lower
            and self.constraint.name == operation.name
        ):
            return []
        return super().reduce(operation, app_label)


class RemoveConstraint(IndexOperation):
    """Remove the constraint of this name from a model."""

    category = OperationCategory.REMOVAL

    def __init__(self, model_name: str, name: str) -> None:
        self.model_name = model_name
        self.name = name

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model_name": self.model_name, "name": self.name}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_constraint(app_label, self.model_name_lower, self.name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, from_state)
        if model is not None:
            constraint = from_state.get_model_state(app_label, self.model_name).get_constraint_by_name(self.name)
            schema_editor.remove_constraint(model, constraint)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = self._table(app_label, schema_editor, to_state)
        if model is not None:
            constraint = to_state.get_model_state(app_label, self.model_name).get_constraint_by_name(self.name)
            schema_editor.add_constraint(model, constraint)

    def describe(self) -> str:
        return f"Remove constraint {self.name} from model {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"remove_{self.model_name_lower}_{self.name.lower()}"

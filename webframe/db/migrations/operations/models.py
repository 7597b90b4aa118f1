"""Operations on whole models: making, deleting and renaming them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.operations.base import ModelOperation, Operation, OperationCategory
from webframe.db.migrations.operations.options import (
    AlterModelManagers,
    AlterModelOptions,
    AlterModelTable,
    AlterUniqueTogether,
    rename_tables,
)
from webframe.db.migrations.references import field_references, resolve_relation
from webframe.db.migrations.state import ProjectState
from webframe.db.models.base import Model
from webframe.db.models.fields.numbers import BigAutoField

# What people look for here, as in Django.
__all__ = [
    "AlterModelManagers",
    "AlterModelOptions",
    "AlterModelTable",
    "AlterUniqueTogether",
    "CreateModel",
    "DeleteModel",
    "RenameModel",
]


class CreateModel(ModelOperation):
    """Make a model and its table.

    `fields`: pairs (name, field). `bases`: classes, and "app.model" for other
    models of the migrations. `managers`: pairs (name, manager).
    """

    category = OperationCategory.ADDITION
    serialization_expand_args: ClassVar[list[str]] = ["fields", "options", "managers"]

    def __init__(
        self,
        name: str,
        fields: Sequence[tuple[str, Any]],
        options: Mapping[str, Any] | None = None,
        bases: Sequence[Any] | None = None,
        managers: Sequence[tuple[str, Any]] | None = None,
    ) -> None:
        super().__init__(name)
        self.fields = list(fields)
        self.options = dict(options or {})
        self.bases = tuple(bases or (Model,))
        self.managers = list(managers or ())
        _refuse_twice(f"CreateModel({name!r}) has the field", [each for each, _ in self.fields])
        _refuse_twice(f"CreateModel({name!r}) has the base", [_name_of(base) for base in self.bases])
        _refuse_twice(f"CreateModel({name!r}) has the manager", [each for each, _ in self.managers])

    @classmethod
    def from_state(cls, state: ModelState) -> CreateModel:
        """The operation that makes a model as a state has it."""
        options = {
            name: value for name, value in state.options.items() if value or name not in ("indexes", "constraints")
        }
        return cls(state.name, list(state.fields.items()), options, state.bases, state.managers)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {"name": self.name, "fields": self.fields}
        if self.options:
            kwargs["options"] = self.options
        if self.bases != (Model,):
            kwargs["bases"] = self.bases
        if self.managers:
            kwargs["managers"] = self.managers
        return type(self).__name__, [], kwargs

    def state_forwards(self, app_label: str, state: Any) -> None:
        fields = [*self._own_key(), *self.fields]
        state.add_model(ModelState(app_label, self.name, fields, self.options, self.bases, self.managers))

    def _own_key(self) -> list[tuple[str, Any]]:
        """The primary key that the model gets if no field is one, and it inherits none."""
        inherits = any(isinstance(base, str) or hasattr(base, "_meta") for base in self.bases)
        if inherits or any(field.primary_key for _, field in self.fields):
            return []
        if any(name == "id" for name, _ in self.fields):
            raise ValueError(
                f"CreateModel({self.name!r}) has a field 'id' that is not its primary key, and no other key. Give it "
                f"primary_key=True, or another name."
            )
        return [("id", BigAutoField(verbose_name="ID", primary_key=True, auto_created=True))]

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.table_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.create_model(model)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.table_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.delete_model(model)

    def describe(self) -> str:
        return f"Create {'proxy ' if self.options.get('proxy') else ''}model {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return self.name_lower

    def references_model(self, name: str, app_label: str) -> bool:
        if name.lower() == self.name_lower:
            return True
        wanted = app_label, name.lower()
        if any(isinstance(base, str) and resolve_relation(base, app_label) == wanted for base in self.bases):
            return True
        own_key = app_label, self.name_lower
        return any(field_references(own_key, field, wanted) for _, field in self.fields)

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if operation.only_model == self.name_lower and not isinstance(operation, CreateModel):
            if operation.deletes_model:
                return [] if not self.options.get("proxy") else super().reduce(operation, app_label)
            # Folded as any state is: what comes out is the model to make.
            state = ProjectState()
            self.state_forwards(app_label, state)
            (before,) = state.models.values()
            operation.state_forwards(app_label, state)
            (made,) = state.models.values()
            if _number_of_keys(before) != _number_of_keys(made):
                # On the way from one primary key to another: a model that is made has one, and gets one if it has none.
                return False
            return [CreateModel.from_state(made)]
        return super().reduce(operation, app_label)


def _number_of_keys(state: ModelState) -> int:
    return sum(bool(field.primary_key) for field in state.fields.values())


class DeleteModel(ModelOperation):
    """Delete a model, and its table with all rows."""

    category = OperationCategory.REMOVAL
    deletes_model = True

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"name": self.name}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.remove_model(app_label, self.name_lower)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.table_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.delete_model(model)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.table_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.create_model(model)

    def references_model(self, name: str, app_label: str) -> bool:
        # Any model may refer to it, and stop doing so only before.
        return True

    def describe(self) -> str:
        return f"Delete model {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"delete_{self.name_lower}"


class RenameModel(ModelOperation):
    """Give a model another name, and its tables too unless they have names of their own; rows stay."""

    category = OperationCategory.ALTERATION

    def __init__(self, old_name: str, new_name: str) -> None:
        super().__init__(old_name)
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
        return type(self).__name__, [], {"old_name": self.old_name, "new_name": self.new_name}

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.rename_model(app_label, self.old_name, self.new_name)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._rename(app_label, schema_editor, from_state, to_state, self.old_name, self.new_name)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._rename(app_label, schema_editor, from_state, to_state, self.new_name, self.old_name)

    def _rename(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any, old_name: str, new_name: str
    ) -> None:
        old_model = from_state.table_model(app_label, old_name, with_referring=True)
        new_model = to_state.table_model(app_label, new_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, new_model):
            return
        rename_tables(schema_editor, old_model, new_model)
        # Foreign keys follow the table by themselves; the tables of many-to-many fields have columns named after it.
        for relation in old_model._meta.related_objects:
            field = relation.field
            if not field.many_to_many or field.model is old_model or relation.model is not old_model:
                continue
            other = to_state.table_model(field.model._meta.app_label, field.model._meta.model_name)
            if self.allow_migrate_model(schema_editor.connection.alias, other):
                schema_editor.alter_field(field.model, field, other._meta.get_field(field.name))

    def references_model(self, name: str, app_label: str) -> bool:
        return name.lower() in (self.old_name_lower, self.new_name_lower)

    def describe(self) -> str:
        return f"Rename model {self.old_name} to {self.new_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"rename_{self.old_name_lower}_{self.new_name_lower}"

    def reduce(self, operation: Operation, app_label: str) -> list[Operation] | bool:
        if isinstance(operation, RenameModel) and self.new_name_lower == operation.old_name_lower:
            return [RenameModel(self.old_name, operation.new_name)]
        # What comes behind knows the model by its new name.
        return Operation.reduce(self, operation, app_label) or not operation.references_model(self.new_name, app_label)


def _name_of(base: Any) -> str:
    if isinstance(base, str):
        return base.lower()
    return base._meta.label_lower if hasattr(base, "_meta") else f"{base.__module__}.{base.__qualname__}"


def _refuse_twice(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} twice. Leave one of them out.")

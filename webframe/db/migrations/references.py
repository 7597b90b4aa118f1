"""Which models and fields other fields refer to, as far as names say it: within a state nothing is a class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# Which model of a state: the label of its app and its name in lower case.
ModelKey = tuple[str, str]

# What a relation of a model with itself names as its target.
RECURSIVE = "self"


class FieldReference(NamedTuple):
    """How a field refers to a model: as its target, by the model between, or both."""

    to: bool
    through: bool


class Referring(NamedTuple):
    """A field of a state that refers to something."""

    model_state: Any
    name: str
    field: Any
    reference: FieldReference


def resolve_relation(model: Any, app_label: str | None = None, model_name: str | None = None) -> ModelKey:
    """The key of the model that a class or a name means, said in a field of the model `app_label`.`model_name`.

    Raises TypeError for a name without its app, or "self", where it is not said whose field it is.
    """
    if not isinstance(model, str):
        return model._meta.app_label, model._meta.model_name
    if "." in model:
        label, _, name = model.partition(".")
        return label, name.lower()
    if app_label is None or (model == RECURSIVE and model_name is None):
        raise TypeError(
            f"{model!r} names a model only within a field of another one: give the app label and the name of that."
        )
    return app_label, (str(model_name) if model == RECURSIVE else model).lower()


def kind_of(state: Any) -> str:
    """What a model is to migrations: "table", "proxy", or "unmanaged", which has a table that others look after."""
    if state.options.get("proxy"):
        return "proxy"
    return "table" if state.options.get("managed", True) else "unmanaged"


def keys_referred_to(field: Any, model_key: ModelKey) -> Iterator[ModelKey]:
    """The keys of the models that a field of the model `model_key` cannot be without."""
    relation = field.remote_field
    if relation is None:
        return
    for target in (relation.model, relation.through):
        if target:
            yield resolve_relation(target, *model_key)


def field_references(
    model_key: ModelKey,
    field: Any,
    reference_model_key: ModelKey,
    reference_field_name: str | None = None,
    reference_field: Any = None,
) -> FieldReference | None:
    """How a field of `model_key` refers to another model, or to one field of that; None if it does not.

    A foreign key that names no field refers to the primary key: `reference_field`,
    if it is given, tells whether that one is it.
    """
    relation = field.remote_field
    if relation is None:
        return None
    to = through = False
    if resolve_relation(relation.model, *model_key) == reference_model_key:
        to_field = getattr(field, "to_field", None)
        to = (
            reference_field_name is None
            or field.many_to_many
            or to_field == reference_field_name
            or (to_field is None and (reference_field is None or reference_field.primary_key))
        )
    if relation.through and resolve_relation(relation.through, *model_key) == reference_model_key:
        through = (
            reference_field_name is None
            or relation.through_fields is None
            or reference_field_name in relation.through_fields
        )
    return FieldReference(to, through) if to or through else None


def get_references(
    models: Mapping[ModelKey, Any], model_key: ModelKey, field: tuple[str, Any] | None = None
) -> Iterator[Referring]:
    """Every field of a state's `models` that refers to a model, or to the field (name, field) of it."""
    for state in models.values():
        for name, other in state.fields.items():
            found = field_references(state.key, other, model_key, *(field or ()))
            if found:
                yield Referring(state, name, other, found)


def field_is_referenced(models: Mapping[ModelKey, Any], model_key: ModelKey, field: tuple[str, Any]) -> bool:
    """Whether any field of a state's `models` refers to the field (name, field) of a model."""
    return next(get_references(models, model_key, field), None) is not None


def changed_field(field: Any, **changes: Any) -> Any:
    """An equal field with other arguments."""
    _, _, args, kwargs = field.deconstruct()
    return type(field)(*args, **{**kwargs, **changes})


def pointing_to(field: Any, model_key: ModelKey, old_key: ModelKey, new_label: str) -> Any:
    """A field of `model_key` with a new name, "app.Model", for the model `old_key`; itself if it refers to others."""
    changes = {}
    if field.remote_field is not None:
        for argument, target in (("to", field.remote_field.model), ("through", field.remote_field.through)):
            # "self" goes with the model by itself.
            if target and target != RECURSIVE and resolve_relation(target, *model_key) == old_key:
                changes[argument] = new_label
    return changed_field(field, **changes) if changes else field


def with_target_field(referring: Referring, old_name: str, new_name: str) -> Any:
    """A field that refers to a field by its name, with a new name for that; itself if it refers to the key."""
    field = referring.field
    changes: dict[str, Any] = {}
    if getattr(field, "to_field", None) == old_name:
        changes["to_field"] = new_name
    if referring.reference.through and field.remote_field.through_fields:
        names = field.remote_field.through_fields
        changes["through_fields"] = tuple(new_name if name == old_name else name for name in names)
    return changed_field(field, **changes) if changes else field

"""`ProjectState`: all models at one moment, folded from operations.

    state = ProjectState()
    operation.state_forwards("shop", state)
    state.apps.get_model("shop", "Pizza")

A state is what operations change; the states of models in it are shared with all
its clones, so that a clone costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from functools import cached_property
from typing import Any

from webframe.apps.registry import apps as installed_apps
from webframe.conf import close_match
from webframe.db.migrations.errors import InvalidStateError
from webframe.db.migrations.historical import AppConfigStub, Groups, StateApps
from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.references import (
    ModelKey,
    changed_field,
    field_is_referenced,
    get_references,
    keys_referred_to,
    pointing_to,
    resolve_relation,
    with_target_field,
)
from webframe.db.migrations.renaming import options_with_renamed_field, options_without_field
from webframe.db.migrations.table_models import Made, table_model
from webframe.db.models.fields.base import NOT_PROVIDED

__all__ = ["AppConfigStub", "ModelState", "ProjectState", "StateApps"]


class ProjectState:
    """All models at one moment.

    `models`: their states by key, (app label, name in lower case). `real_apps`:
    the labels of apps without migrations, whose models are as they are now.
    """

    def __init__(
        self, models: Mapping[ModelKey, ModelState] | None = None, real_apps: Iterable[str] | None = None
    ) -> None:
        self.models: MutableMapping[ModelKey, ModelState] = dict(models or {})
        self.real_apps: set[str] = set(real_apps or ())
        # The classes that were made last, shared by a state and all its clones: see StateApps.
        self._groups: Groups = {}
        # The same for `table_model`.
        self._table_models: Made = {}

    @classmethod
    def from_apps(cls, apps: Any) -> ProjectState:
        """The state of a registry: its models as they are now."""
        states = [ModelState.from_model(model) for model in apps.get_models(include_swapped=True)]
        return cls({state.key: state for state in states})

    def clone(self) -> ProjectState:
        """A state that can be changed without changing this one."""
        made = ProjectState(self.models, self.real_apps)
        made._groups = self._groups
        made._table_models = self._table_models
        for name in ("_real_models", "_related_real_models"):
            if name in self.__dict__:
                made.__dict__[name] = self.__dict__[name]
        return made

    # -- classes

    @cached_property
    def apps(self) -> StateApps:
        """The registry of the models as classes, each made when it is asked for; a new one after each change."""
        return StateApps(self.real_apps, self._all_models(), self._groups)

    def table_model(self, app_label: str, model_name: str, with_referring: bool = False) -> Any:
        """The class of a model as far as its table is concerned, for schema editors: see `table_models`."""
        return table_model(self._all_models(), self._table_models, (app_label, model_name.lower()), with_referring)

    def _all_models(self) -> Mapping[ModelKey, ModelState]:
        return {**self._real_models, **self.models} if self.real_apps else self.models

    @cached_property
    def complete_apps(self) -> StateApps:
        """Like `apps`; the models of apps without migrations have their relations here too.

        Migrations do without those, because they must not depend on them; it is what post_migrate gets.
        """
        there = {**self._related_real_models, **self.models}
        states = dict(there)
        for key, state in self._related_real_models.items():
            fields = {
                name: field
                for name, field in state.fields.items()
                if all(target in there for target in keys_referred_to(field, key))
            }
            if len(fields) < len(state.fields):
                states[key] = state.changed(fields=fields)
        return StateApps(self.real_apps, states)

    @property
    def concrete_apps(self) -> StateApps:
        """The same as `apps`."""
        return self.apps

    def clear_delayed_apps_cache(self) -> None:
        """Nothing: classes are made when they are asked for, and none is ever out of date."""

    @cached_property
    def _real_models(self) -> dict[ModelKey, ModelState]:
        return self._states_of_real_apps(exclude_rels=True)

    @cached_property
    def _related_real_models(self) -> dict[ModelKey, ModelState]:
        return self._states_of_real_apps(exclude_rels=False)

    def _states_of_real_apps(self, exclude_rels: bool) -> dict[ModelKey, ModelState]:
        configs = [installed_apps.get_app_config(label) for label in sorted(self.real_apps)]
        states = [ModelState.from_model(model, exclude_rels) for config in configs for model in config.get_models()]
        return {state.key: state for state in states}

    def _changed(self) -> None:
        self.__dict__.pop("apps", None)
        self.__dict__.pop("complete_apps", None)
        self.__dict__.pop("relations", None)

    # -- models

    def get_model_state(self, app_label: str, model_name: str) -> ModelState:
        """The state of a model. Raises InvalidStateError if there is none."""
        try:
            return self.models[app_label, model_name.lower()]
        except KeyError:
            names = [state.name for (label, _), state in self.models.items() if label == app_label]
            raise InvalidStateError(
                f"There is no model {app_label}.{model_name} at this point of the migrations."
                f"{close_match(model_name, names)}"
            ) from None

    def set_model_state(self, model_state: ModelState) -> None:
        """Put the state of a model in the place of the former one."""
        self.models[model_state.key] = model_state
        self._changed()

    def add_model(self, model_state: ModelState) -> None:
        """Add a model. Raises InvalidStateError if there is one of that name."""
        if model_state.key in self.models:
            raise InvalidStateError(f"There is a model {model_state.label} at this point of the migrations already.")
        self.set_model_state(model_state)

    def remove_model(self, app_label: str, model_name: str) -> None:
        """Remove a model. Raises InvalidStateError if there is none."""
        del self.models[self.get_model_state(app_label, model_name).key]
        self._changed()

    def rename_model(self, app_label: str, old_name: str, new_name: str) -> None:
        """Give a model another name, everywhere it is named."""
        state = self.get_model_state(app_label, old_name)
        old_key, new_key = state.key, (app_label, new_name.lower())
        if new_key != old_key and new_key in self.models:
            raise InvalidStateError(
                f"{state.label} cannot be renamed: there is a model {app_label}.{new_name} at this point of the "
                f"migrations already."
            )
        new_label = f"{app_label}.{new_name}"
        models: dict[ModelKey, ModelState] = {}
        for key, each in self.models.items():
            changes: dict[str, Any] = {}
            if key == old_key:
                changes["name"] = new_name
            if old_key in each.references:
                changes["fields"] = {
                    name: pointing_to(field, key, old_key, new_label) for name, field in each.fields.items()
                }
            if old_key in each.base_keys:
                old_base = ".".join(old_key)
                changes["bases"] = tuple(
                    new_label.lower() if isinstance(base, str) and base.lower() == old_base else base
                    for base in each.bases
                )
            models[new_key if key == old_key else key] = each.changed(**changes) if changes else each
        self.models = models
        self._changed()

    # -- options

    def alter_model_options(
        self, app_label: str, model_name: str, options: Mapping[str, Any], option_keys: Iterable[str] | None = None
    ) -> None:
        """Set options of Meta; those among `option_keys` that are not in `options` are removed."""
        state = self.get_model_state(app_label, model_name)
        gone = {key for key in option_keys or () if key not in options}
        kept = {name: value for name, value in state.options.items() if name not in gone}
        self.set_model_state(state.changed(options={**kept, **options}))

    def remove_model_options(self, app_label: str, model_name: str, option_name: str, value_to_remove: Any) -> None:
        """Take one value out of an option that is a list of values."""
        state = self.get_model_state(app_label, model_name)
        values = [value for value in state.options.get(option_name, ()) if tuple(value) != tuple(value_to_remove)]
        self.set_model_state(state.with_options(**{option_name: values}))

    def alter_model_managers(self, app_label: str, model_name: str, managers: Iterable[tuple[str, Any]]) -> None:
        """Set the managers."""
        self.set_model_state(self.get_model_state(app_label, model_name).changed(managers=list(managers)))

    def add_index(self, app_label: str, model_name: str, index: Any) -> None:
        """Add an index."""
        self._append_option(app_label, model_name, "indexes", index)

    def remove_index(self, app_label: str, model_name: str, index_name: str) -> None:
        """Remove an index. Raises InvalidStateError if there is none of that name."""
        state = self.get_model_state(app_label, model_name)
        gone = state.get_index_by_name(index_name)
        self.set_model_state(
            state.with_options(indexes=[each for each in state.options["indexes"] if each is not gone])
        )

    def rename_index(self, app_label: str, model_name: str, old_index_name: str, new_index_name: str) -> None:
        """Give an index another name. Raises InvalidStateError if there is none of the old one."""
        state = self.get_model_state(app_label, model_name)
        old = state.get_index_by_name(old_index_name)
        new = old.clone()
        new.name = new_index_name
        self.set_model_state(
            state.with_options(indexes=[new if each is old else each for each in state.options["indexes"]])
        )

    def add_constraint(self, app_label: str, model_name: str, constraint: Any) -> None:
        """Add a constraint."""
        self._append_option(app_label, model_name, "constraints", constraint)

    def remove_constraint(self, app_label: str, model_name: str, constraint_name: str) -> None:
        """Remove a constraint. Raises InvalidStateError if there is none of that name."""
        state = self.get_model_state(app_label, model_name)
        gone = state.get_constraint_by_name(constraint_name)
        kept = [each for each in state.options["constraints"] if each is not gone]
        self.set_model_state(state.with_options(constraints=kept))

    def _append_option(self, app_label: str, model_name: str, option: str, part: Any) -> None:
        state = self.get_model_state(app_label, model_name)
        if any(each.name == part.name for each in state.options[option]):
            raise InvalidStateError(
                f"{state.label} has {part.name!r} among its {option} at this point of the migrations already."
            )
        self.set_model_state(state.with_options(**{option: [*state.options[option], part]}))

    # -- fields

    def add_field(self, app_label: str, model_name: str, name: str, field: Any, preserve_default: bool = True) -> None:
        """Add a field; without its default if that is only for the rows there are."""
        state = self.get_model_state(app_label, model_name)
        if name in state.fields:
            raise InvalidStateError(f"{state.label} has a field {name!r} at this point of the migrations already.")
        self.set_model_state(state.changed(fields={**state.fields, name: _kept(field, preserve_default)}))

    def remove_field(self, app_label: str, model_name: str, name: str) -> None:
        """Remove a field, with the indexes and constraints that need it."""
        state = self.get_model_state(app_label, model_name)
        field = state.get_field(name)
        fields = {each: value for each, value in state.fields.items() if each != name}
        options = options_without_field(state.options, field, name)
        self.set_model_state(state.changed(fields=fields, options=options))

    def alter_field(
        self, app_label: str, model_name: str, name: str, field: Any, preserve_default: bool = True
    ) -> None:
        """Put another field in the place of one."""
        state = self.get_model_state(app_label, model_name)
        state.get_field(name)
        self.set_model_state(state.changed(fields={**state.fields, name: _kept(field, preserve_default)}))

    def rename_field(self, app_label: str, model_name: str, old_name: str, new_name: str) -> None:
        """Give a field another name, everywhere it is named."""
        state = self.get_model_state(app_label, model_name)
        renamed = state.get_field(old_name)
        if new_name in state.fields and new_name != old_name:
            raise InvalidStateError(f"{state.label} has a field {new_name!r} at this point of the migrations already.")
        for referring in list(get_references(self.models, state.key, (old_name, renamed))):
            other = self.models[referring.model_state.key]
            field = with_target_field(referring, old_name, new_name)
            if field is not referring.field:
                self.set_model_state(other.changed(fields={**other.fields, referring.name: field}))
        state = self.get_model_state(app_label, model_name)
        fields = {new_name if name == old_name else name: field for name, field in state.fields.items()}
        options = options_with_renamed_field(state.options, old_name, new_name)
        self.set_model_state(state.changed(fields=fields, options=options))

    # -- what refers to what

    @cached_property
    def relations(self) -> dict[ModelKey, dict[ModelKey, dict[str, Any]]]:
        """Who refers to a model: its key -> the key of a model that does -> the fields of that, by name."""
        found: dict[ModelKey, dict[ModelKey, dict[str, Any]]] = {key: {} for key in self.models}
        for key, state in self.models.items():
            for name, field in state.fields.items():
                for target in keys_referred_to(field, key):
                    found.setdefault(target, {}).setdefault(key, {})[name] = field
        return found

    def resolve_fields_and_relations(self) -> None:
        """Nothing: `relations` is worked out when it is asked for."""

    def get_concrete_model_key(self, model: Any) -> ModelKey:
        """The key of the model that has the table of a class or a name: itself, or what a proxy stands for."""
        key = resolve_relation(model)
        state = self.models[key]
        return state.base_keys[0] if state.options.get("proxy") and state.base_keys else key

    def is_referenced(self, app_label: str, model_name: str, field_name: str) -> bool:
        """Whether any field refers to a field of a model."""
        state = self.get_model_state(app_label, model_name)
        return field_is_referenced(self.models, state.key, (field_name, state.get_field(field_name)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProjectState):
            return NotImplemented
        return self.models == other.models and self.real_apps == other.real_apps

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.models)} models>"


def _kept(field: Any, preserve_default: bool) -> Any:
    """A field as it stays in the state."""
    return field if preserve_default else changed_field(field, default=NOT_PROVIDED)

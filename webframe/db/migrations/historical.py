"""`StateApps`: the registry of the models of a moment, as classes that are made when somebody asks for them.

Models that are related to each other, however far, are made together, because each
of them shows in the others. What was made for one moment serves for all others at
which the same states stand for these models, so that a migration with many steps
makes again only what each of them changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from webframe.apps.config import AppConfig, ModelClass
from webframe.apps.registry import Apps, split_model_name
from webframe.conf import close_match
from webframe.db.migrations.errors import InvalidBasesError, InvalidStateError
from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.references import ModelKey, keys_referred_to


class Group(NamedTuple):
    """Models that are related to each other."""

    # What the classes were made of.
    states: Mapping[ModelKey, ModelState]
    # The classes, those made for many-to-many fields too, in the order in which they were made.
    models: list[ModelClass]


# The group that each model was made in last.
Groups = dict[ModelKey, Group]


class AppConfigStub(AppConfig):
    """An app of a state: a label and the models at that moment."""

    path = ""

    def __init__(self, label: str, apps: StateApps) -> None:
        self.label = label
        super().__init__(label, None)
        self.apps = apps
        self._registry = apps
        self.models = apps.all_models[label]

    def import_models(self) -> None:
        """Nothing: the models come from the state."""

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> Iterator[ModelClass]:
        """The models of the app at that moment."""
        self._registry.render_app(self.label)
        return super().get_models(include_auto_created, include_swapped)

    def get_model(self, model_name: str, require_ready: bool = True) -> ModelClass:
        """The model with this name, upper or lower case. Raises LookupError if there is none."""
        return self._registry.get_model(self.label, model_name)


class StateApps(Apps):
    """The registry of the models of a moment.

    `models` are their states by key; `real_apps` the labels of apps that are
    there even without models; `groups` what was made before, to be used again.
    """

    describes_past = True

    def __init__(
        self,
        real_apps: Iterable[str] = (),
        models: Mapping[ModelKey, ModelState] | None = None,
        groups: Groups | None = None,
    ) -> None:
        super().__init__()
        # The states of the models, by key; not changed any more.
        self.states: Mapping[ModelKey, ModelState] = dict(models or {})
        self._groups: Groups = {} if groups is None else groups
        # The keys of the models that are in `all_models`.
        self._rendered: set[ModelKey] = set()
        # Which models refer to a model, by its key; made at the first need.
        self._referring: dict[ModelKey, list[ModelKey]] | None = None
        # What is being made.
        self._new_models: list[ModelClass] = []
        labels = sorted({*real_apps, *(label for label, _ in self.states)})
        self._state.configs = {label: AppConfigStub(label, self) for label in labels}
        self._state.apps_ready = self._state.models_ready = self._state.ready = True

    # -- being asked

    def get_model(self, app_label: str, model_name: str | None = None, require_ready: bool = True) -> ModelClass:
        """The model "label.Model", or the two parts of that, as it is at that moment. Raises LookupError."""
        if model_name is None:
            app_label, model_name = split_model_name(app_label)
        name = model_name.lower()
        found = self.all_models.get(app_label, {}).get(name)
        if found is None:
            self.render((app_label, name))
            found = self.all_models.get(app_label, {}).get(name) or self._auto_created(app_label, name)
        if found is None:
            names = [state.name for (label, _), state in self.states.items() if label == app_label]
            raise LookupError(
                f"There is no model {app_label}.{model_name} at this point of the migrations."
                f"{close_match(model_name, names)} A migration that uses it must depend on the one that makes it."
            )
        return found

    def get_registered_model(self, app_label: str, model_name: str) -> ModelClass:
        """The same as `get_model`."""
        return self.get_model(app_label, model_name)

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[ModelClass]:
        """All models of that moment."""
        for key in self.states:
            self.render(key)
        return super().get_models(include_auto_created, include_swapped)

    def _auto_created(self, app_label: str, name: str) -> ModelClass | None:
        """A class that is made for a many-to-many field, together with the model that has that."""
        for key, state in self.states.items():
            if state.app_label == app_label and name.startswith(f"{state.name_lower}_"):
                self.render(key)
        return self.all_models.get(app_label, {}).get(name)

    # -- making classes

    def render_app(self, app_label: str) -> None:
        """Make the classes of all models of an app."""
        for key in self.states:
            if key[0] == app_label:
                self.render(key)

    def render(self, key: ModelKey) -> None:
        """Make the class of a model, with those that it is related to; nothing if there is no such model."""
        if key in self._rendered or key not in self.states:
            return
        with self._lock:
            if key in self._rendered:
                return
            states = self._related_to(key)
            known = self._groups.get(key)
            if known is None or not _same(known.states, states):
                known = self._render_group(states)
                self._groups.update(dict.fromkeys(states, known))
            else:
                for model in known.models:
                    self.all_models[model._meta.app_label][model._meta.model_name] = model
            self._models_cache.clear()
            self._rendered.update(states)

    def _related_to(self, key: ModelKey) -> dict[ModelKey, ModelState]:
        """The states of the model and of all that are related to it, in the order of the state."""
        if self._referring is None:
            self._referring = {}
            for each, state in self.states.items():
                for target in state.references:
                    self._referring.setdefault(target, []).append(each)
        found = {key}
        waiting = [key]
        while waiting:
            each = waiting.pop()
            for other in (*self.states[each].references, *self._referring.get(each, ())):
                if other not in found:
                    if other not in self.states:
                        raise self._missing(self.states[each], other)
                    found.add(other)
                    waiting.append(other)
        return {each: state for each, state in self.states.items() if each in found}

    def _missing(self, state: ModelState, key: ModelKey) -> Exception:
        """The error about a model that is referred to and not there."""
        target = ".".join(key)
        there = "" if key[0] in self._state.configs else f" There is no app {key[0]!r} either."
        advice = (
            f"Let the migration depend on the one that makes {target}, or make both with one migration, that one first."
        )
        if key in state.base_keys:
            return InvalidBasesError(
                f"{state.label} inherits from {target}, which there is not at this point of the migrations.{there} "
                f"{advice}"
            )
        name = next(name for name, field in state.fields.items() if key in keys_referred_to(field, state.key))
        return InvalidStateError(
            f"The field {state.label}.{name} refers to {target}, which there is not at this point of the migrations."
            f"{there} {advice}"
        )

    def _render_group(self, states: Mapping[ModelKey, ModelState]) -> Group:
        self._new_models = []
        try:
            for state in _parents_first(states):
                state.render(self)
        except BaseException:
            for model in self._new_models:
                self.all_models[model._meta.app_label].pop(model._meta.model_name, None)
            self._pending.clear()
            raise
        return Group(states, self._new_models)

    # -- being a registry

    def register_model(self, app_label: str, model: ModelClass, announce: Callable[[], object] | None = None) -> None:
        """Note a class. Nobody is told that it was prepared: receivers care for the models of the present."""
        self._new_models.append(model)
        super().register_model(app_label, model)

    def clear_cache(self) -> None:
        """Forget the answers of get_models(); what models know of each other they keep up to date themselves."""
        self._models_cache.clear()


def _same(one: Mapping[ModelKey, ModelState], other: Mapping[ModelKey, ModelState]) -> bool:
    return len(one) == len(other) and all(other.get(key) is state for key, state in one.items())


def _parents_first(states: Mapping[ModelKey, ModelState]) -> Iterator[ModelState]:
    """The states in an order in which each comes after those that it inherits from."""
    done: set[ModelKey] = set()

    def those_before(key: ModelKey, heirs: tuple[ModelKey, ...]) -> Iterator[ModelState]:
        if key in done:
            return
        if key in heirs:
            raise InvalidBasesError(f"Models inherit from each other in a circle: {' -> '.join(map('.'.join, heirs))}.")
        for base in states[key].base_keys:
            yield from those_before(base, (*heirs, key))
        done.add(key)
        yield states[key]

    for key in states:
        yield from those_before(key, ())

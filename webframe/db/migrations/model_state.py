"""`ModelState`: one model at one moment, as data: its fields, options, parents and managers.

States refer to each other by name only. They are never changed, so that any number
of moments can share them: `changed` makes another one. `render` makes a class of it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

from webframe.conf import close_match
from webframe.core.exceptions import FieldDoesNotExist
from webframe.db.migrations.errors import InvalidStateError
from webframe.db.migrations.references import ModelKey, keys_referred_to
from webframe.db.models.base import Model
from webframe.db.models.manager import BaseManager, Manager
from webframe.db.models.meta import DEFAULTS
from webframe.db.models.naming import normalised_together

# Options of Meta that say where a model belongs, and not what it is.
_NOT_IN_STATE = frozenset({"apps", "app_label", "abstract", "auto_created"})

# Options that tables which refer to a model depend on.
_OF_KEYS = ("db_table", "managed", "proxy")


class ModelState:
    """One model as migrations know it.

    `fields`: a mapping, or pairs, of names and fields that belong to no class and
    name their targets by strings. `bases`: "app.model" for other models of the
    state, classes for anything else. `managers`: pairs (name, manager).
    """

    def __init__(
        self,
        app_label: str,
        name: str,
        fields: Mapping[str, Any] | Iterable[tuple[str, Any]],
        options: Mapping[str, Any] | None = None,
        bases: Sequence[Any] | None = None,
        managers: Iterable[tuple[str, Any]] | None = None,
    ) -> None:
        self.app_label = app_label
        self.name = name
        # Fields by name, in order.
        self.fields: Mapping[str, Any] = MappingProxyType(dict(fields))
        # What Meta says; there are always "indexes" and "constraints".
        self.options: Mapping[str, Any] = MappingProxyType(_complete(options or {}))
        self.bases: tuple[Any, ...] = tuple(bases or (Model,))
        self.managers: tuple[tuple[str, Any], ...] = tuple((name, manager) for name, manager in managers or ())
        self._check()

    def _check(self) -> None:
        label = f"{self.app_label}.{self.name}"
        for name, field in self.fields.items():
            if hasattr(field, "model"):
                raise ValueError(
                    f"The field {name!r} in the state of {label} belongs to a model already. Give a new one: clone()."
                )
            relation = field.remote_field
            if relation is not None:
                for argument, target in (("to", relation.model), ("through", relation.through)):
                    if hasattr(target, "_meta"):
                        raise ValueError(
                            f"The field {name!r} in the state of {label} refers to the class {target.__name__}. Name "
                            f"it instead: {argument}={target._meta.label_lower!r}."
                        )
        for index in self.options["indexes"]:
            if not index.name:
                raise ValueError(
                    f"Indexes in the state of {label} need names, and {index!r} has none. Give it one: name=...."
                )

    # -- what it says

    @property
    def name_lower(self) -> str:
        """Its name as keys have it."""
        return self.name.lower()

    @property
    def key(self) -> ModelKey:
        """The label of its app, and its name in lower case."""
        return self.app_label, self.name.lower()

    @property
    def label(self) -> str:
        """ "shop.Pizza" """
        return f"{self.app_label}.{self.name}"

    @cached_property
    def base_keys(self) -> tuple[ModelKey, ...]:
        """The keys of the models that it inherits from."""
        found = (base.lower().partition(".") for base in self.bases if isinstance(base, str))
        return tuple((label, name) for label, _, name in found)

    @cached_property
    def references(self) -> frozenset[ModelKey]:
        """The keys of the models that it cannot be without: parents and targets of relations."""
        found = {key for field in self.fields.values() for key in keys_referred_to(field, self.key)}
        return frozenset((*self.base_keys, *found))

    @cached_property
    def keys_only(self) -> ModelState:
        """The same with nothing but what other tables may refer to: the name of the table, and its unique columns."""
        return self.changed(
            fields={name: field for name, field in self.fields.items() if field.unique and not field.many_to_many},
            options={name: self.options[name] for name in _OF_KEYS if name in self.options},
            managers=(),
        )

    def get_field(self, name: str) -> Any:
        """The field of this name. Raises FieldDoesNotExist."""
        try:
            return self.fields[name]
        except KeyError:
            raise FieldDoesNotExist(
                f"{self.label} has no field {name!r} at this point of the migrations.{close_match(name, self.fields)}"
            ) from None

    def get_index_by_name(self, name: str) -> Any:
        """The index of this name. Raises InvalidStateError."""
        return self._named("index", "indexes", name)

    def get_constraint_by_name(self, name: str) -> Any:
        """The constraint of this name. Raises InvalidStateError."""
        return self._named("constraint", "constraints", name)

    def _named(self, what: str, option: str, name: str) -> Any:
        for each in self.options[option]:
            if each.name == name:
                return each
        names = [each.name for each in self.options[option]]
        raise InvalidStateError(
            f"{self.label} has no {what} {name!r} at this point of the migrations.{close_match(name, names)}"
        )

    # -- others like it

    def changed(self, **changes: Any) -> ModelState:
        """The same with other `name`, `fields`, `options`, `bases` or `managers`."""
        given: dict[str, Any] = {
            "app_label": self.app_label,
            "name": self.name,
            "fields": self.fields,
            "options": self.options,
            "bases": self.bases,
            "managers": self.managers,
        }
        return type(self)(**{**given, **changes})

    def with_options(self, **options: Any) -> ModelState:
        """The same with these options of Meta set."""
        return self.changed(options={**self.options, **options})

    def clone(self) -> Self:
        """Itself: it is never changed."""
        return self

    @classmethod
    def from_model(cls, model: Any, exclude_rels: bool = False) -> ModelState:
        """What a class says; with `exclude_rels` without its relations, but for those to its parents."""
        meta = model._meta
        fields = {
            field.name: field.clone()
            for field in (*meta.local_fields, *meta.local_many_to_many)
            if not (exclude_rels and field.is_relation and not getattr(field.remote_field, "parent_link", False))
        }
        options = {name: getattr(meta, name) for name in DEFAULTS if name in meta.original_attrs}
        for name in _NOT_IN_STATE:
            options.pop(name, None)
        for name in ("indexes", "constraints"):
            options[name] = [each.clone() for each in getattr(meta, name)]
        return cls(meta.app_label, meta.object_name, fields, options, _bases_of(model), _managers_of(model))

    # -- a class

    def render(self, apps: Any) -> Any:
        """Make the class, in a registry that has its parents already."""
        bases = tuple(_rendered_base(base, apps) for base in self.bases)
        meta = type("Meta", (), {**self._options_for_meta(), "app_label": self.app_label, "apps": apps})
        body: dict[str, Any] = {"__module__": "__fake__", "Meta": meta}
        for place, (name, field) in enumerate(self.fields.items()):
            body[name] = field.clone()
            body[name].creation_counter = place
        body.update(self.construct_managers())
        kind: Any = next(type(base) for base in bases if isinstance(base, type(Model)))
        return kind(self.name, bases, body)

    def _options_for_meta(self) -> dict[str, Any]:
        options = dict(self.options)
        if "unique_together" in options:
            options["unique_together"] = sorted(options["unique_together"])
        return options

    def construct_managers(self) -> Iterator[tuple[str, Any]]:
        """The managers, made anew, in order."""
        for name, manager in self.managers:
            made = _without_model(manager)
            BaseManager.__init__(made)  # behind those made before
            yield name, made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelState):
            return NotImplemented
        return (
            (self.app_label, self.name, self.options, self.bases, self.managers)
            == (other.app_label, other.name, other.options, other.bases, other.managers)
            and list(self.fields) == list(other.fields)
            and all(
                mine is theirs or mine.deconstruct()[1:] == theirs.deconstruct()[1:]
                for mine, theirs in zip(self.fields.values(), other.fields.values(), strict=True)
            )
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.label!r}>"


def _complete(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with all that states always have, in one form each."""
    complete = {"indexes": [], "constraints": [], **options}
    for name in ("indexes", "constraints"):
        complete[name] = list(complete[name])
    if "unique_together" in complete:
        complete["unique_together"] = set(normalised_together(complete["unique_together"]))
    return complete


def _rendered_base(base: Any, apps: Any) -> Any:
    if not isinstance(base, str):
        return base
    label, _, name = base.partition(".")
    return apps.all_models[label][name.lower()]


def _bases_of(model: Any) -> tuple[Any, ...]:
    """What a class inherits from: models by name, abstract ones replaced by what they inherit from."""
    flat = sorted(set(_without_abstract(model)), key=model.__mro__.index)
    bases = tuple(base._meta.label_lower if hasattr(base, "_meta") else base for base in flat)
    if any(isinstance(base, str) or issubclass(base, Model) for base in bases):
        return bases
    return (*bases, Model)


def _without_abstract(model: Any) -> Iterator[Any]:
    for base in model.__bases__:
        if hasattr(base, "_meta") and base._meta.abstract:
            yield from _without_abstract(base)
        else:
            yield base


def _managers_of(model: Any) -> list[tuple[str, Any]]:
    """The managers that migrations know: those that say so, and plain ones in the places of others that matter."""
    meta = model._meta
    found: dict[str, Any] = {}
    stand_in = None
    for manager in meta.managers:
        if manager.name in found:
            continue
        if manager.use_in_migrations:
            found[manager.name] = _without_model(manager)
        elif manager is meta.base_manager or manager is meta.default_manager:
            found[manager.name] = Manager()
            if manager is meta.default_manager:
                stand_in = found[manager.name]
    if list(found) == ["objects"] and found["objects"] is stand_in:
        return []  # which every model has by itself
    return list(found.items())


def _without_model(manager: Any) -> Any:
    """A copy that is the manager of no model yet."""
    made = copy.copy(manager)
    made.name = made.model = None
    return made

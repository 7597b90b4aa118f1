"""`Model`, and `ModelBase`, the metaclass that makes a model of a class.

A model is an ordinary class: its fields and managers are taken out of its body
and put into `_meta`, its other attributes stay. What instances can do stands in
four files: making (construction.py), saving, loading, validating.
"""

from __future__ import annotations

import copy
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from webframe.apps.config import ImplicitAppConfig
from webframe.apps.registry import apps as installed_apps
from webframe.core.checks import CheckMessage
from webframe.core.exceptions import (
    AppRegistryNotReady,
    FieldError,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
)
from webframe.db.errors import ObjectNotUpdated
from webframe.db.models.checks import messages_about
from webframe.db.models.clashes import refuse_clashing_fields, refuse_needed_name
from webframe.db.models.conditions import Q
from webframe.db.models.construction import (
    DECIDING,
    build,
    complete,
    exchange,
    general_init,
    is_ours,
    refuse_instances,
)
from webframe.db.models.deletion import CASCADE, Collector
from webframe.db.models.exceptions import add_exceptions
from webframe.db.models.fields.numbers import BigAutoField
from webframe.db.models.loading import Loading
from webframe.db.models.manager import Manager, ManagerDescriptor
from webframe.db.models.options import Options
from webframe.db.models.related.fields import OneToOneField
from webframe.db.models.saving import Saving, alias_for
from webframe.db.models.sending import emit
from webframe.db.models.signals import class_prepared
from webframe.db.models.simple_deletion import delete_simply
from webframe.db.models.state import ModelState, StateDescriptor, is_adding, state_db
from webframe.db.models.twins import twin
from webframe.db.models.validation import Validating


class ModelBase(type):
    """The class of models."""

    if TYPE_CHECKING:
        _meta: Options
        DoesNotExist: type[ObjectDoesNotExist]
        MultipleObjectsReturned: type[MultipleObjectsReturned]
        NotUpdated: type[ObjectNotUpdated]

        def __getattr__(cls, name: str) -> Any: ...

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any], **keywords: Any) -> Any:
        if not any(isinstance(base, ModelBase) for base in bases):
            return super().__new__(mcs, name, bases, attributes, **keywords)
        attributes = dict(attributes)
        own_meta = attributes.pop("Meta", None)
        contributing = {name: value for name, value in attributes.items() if _contributes(value)}
        plain = {name: value for name, value in attributes.items() if name not in contributing}
        model: Any = super().__new__(mcs, name, bases, plain, **keywords)
        parents = [base for base in bases if isinstance(base, ModelBase) and hasattr(base, "_meta")]
        _add_options(model, own_meta, parents)
        for attribute, value in contributing.items():
            model.add_to_class(attribute, value)
        _inherit(model, parents)
        if model._meta.abstract:
            _finish_abstract(model, own_meta)
            return model
        _prepare(model)
        model._meta.apps.register_model(model._meta.app_label, model, partial(emit, class_prepared, model))
        return model

    def __setattr__(cls, name: str, value: Any) -> None:
        if name in DECIDING:
            exchange(cls, partial(super().__setattr__, name, value))
        else:
            super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        if name in DECIDING:
            exchange(cls, partial(super().__delattr__, name))
        else:
            super().__delattr__(name)

    def add_to_class(cls, name: str, value: Any) -> None:
        """Set an attribute; what has a `contribute_to_class`, as fields and managers do, does that itself."""
        if _contributes(value):
            refuse_needed_name(cls, getattr(value, "name", None) or name, value)
            value.contribute_to_class(cls, name)
        else:
            setattr(cls, name, value)

    @property
    def _base_manager(cls) -> Any:
        """The manager that knows all rows."""
        return cls._meta.base_manager

    @property
    def _default_manager(cls) -> Any:
        """The manager that others use who do not know better: the first one."""
        return cls._meta.default_manager


def _contributes(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(value, "contribute_to_class")


# --- making a model of a class ------------------------------------------------------------------------------------


def _add_options(model: Any, own_meta: Any, parents: list[Any]) -> None:
    """Give a class its `_meta`, from its Meta or that of an abstract parent, and its exceptions."""
    meta = own_meta or getattr(model, "Meta", None)
    abstract = getattr(own_meta, "abstract", False)
    options = Options(meta, getattr(meta, "app_label", None) or app_label_of(model.__module__))
    options.contribute_to_class(model, "_meta")
    if not abstract:
        options.abstract = False  # what it inherits from an abstract parent's Meta is not that
    if not options.abstract:
        add_exceptions(model, parents)
        concrete = next((parent for parent in parents if not parent._meta.abstract), None)
        # These two are inherited also from a parent with a table.
        if concrete is not None:
            for option in ("ordering", "get_latest_by"):
                if option not in options.original_attrs:
                    setattr(options, option, getattr(concrete._meta, option))


def _inherit(model: Any, parents: list[Any]) -> None:
    """Take over what parents have: fields of abstract ones, links to others, or a whole model to stand for."""
    meta = model._meta
    declared = {field.name for field in (*meta.local_fields, *meta.local_many_to_many, *meta.private_fields)}
    if meta.proxy:
        _become_proxy(model, parents, declared)
    else:
        meta.concrete_model = model
    links = _declared_links(model, parents)
    # What is set already, so that a field of that name is not taken over: None hides a field of an abstract parent.
    taken: set[str] = set()
    for base in model.__mro__:
        if base not in parents:
            taken.update(vars(base))
            continue
        base._meta.note_heir(meta)
        if base._meta.abstract:
            _inherit_fields(model, base, declared, taken)
        else:
            _inherit_table(model, base, declared, links)
            taken.update(field.name for field in (*base._meta.local_fields, *base._meta.local_many_to_many))
        for field in base._meta.private_fields:
            if field.name not in declared and base._meta.abstract:
                model.add_to_class(field.name, copy.deepcopy(field))


def _become_proxy(model: Any, parents: list[Any], declared: set[str]) -> None:
    label = model._meta.label
    targets: dict[Any, Any] = {}
    for parent in parents:
        if not parent._meta.abstract:
            targets.setdefault(parent._meta.concrete_model, parent)
        elif parent._meta.fields:
            raise TypeError(f"The proxy {label} inherits fields from the abstract {parent.__name__}: it has no table.")
    if not targets:
        raise TypeError(f"The proxy {label} has no non-abstract model base class that it could stand for.")
    if len(targets) > 1:
        raise TypeError(f"The proxy {label} has more than one non-abstract model base class.")
    if declared:
        raise TypeError(
            f"The proxy {label} declares the fields {', '.join(sorted(declared))}: it has no table to keep them in. "
            f"Leave out proxy = True for a table of its own."
        )
    ((concrete, target),) = targets.items()
    model._meta.setup_proxy(target)
    model._meta.concrete_model = concrete


def _declared_links(model: Any, parents: list[Any]) -> dict[Any, Any]:
    """Fields that were declared with parent_link=True, by the label of the parent."""
    links = {}
    for base in [*reversed(parents), model]:
        if base is not model and not base._meta.abstract:
            continue
        for field in base._meta.local_fields:
            if field.one_to_one and field.remote_field.parent_link:
                target = field.remote_field.model
                if isinstance(target, str):
                    target = target if "." in target else f"{model._meta.app_label}.{target}"
                    links[target.lower()] = field
                else:
                    links[target._meta.concrete_model._meta.label_lower] = field
    return links


def _inherit_table(model: Any, base: Any, declared: set[str], links: dict[Any, Any]) -> None:
    """Link a model to a parent with a table of its own."""
    meta = model._meta
    for field in (*base._meta.local_fields, *base._meta.local_many_to_many):
        if field.name in declared:
            raise FieldError(
                f"Local field {field.name!r} in class {model.__name__!r} clashes with field of the same name from base "
                f"class {base.__name__!r}."
            )
    base = base._meta.concrete_model
    if meta.proxy:
        meta.parents[base] = None
        return
    link = links.get(base._meta.label_lower)
    if link is None:
        name = f"{base._meta.model_name}_ptr"
        if name in declared:
            raise FieldError(
                f"Auto-generated field {name!r} in class {model.__name__!r} for parent_link to base class "
                f"{base.__name__!r} clashes with declared field of the same name."
            )
        link = OneToOneField(base, on_delete=CASCADE, name=name, auto_created=True, parent_link=True)
        model.add_to_class(name, link)
    meta.parents[base] = link
    base._meta.note_heir(meta)
    meta._expire_cache()


def _inherit_fields(model: Any, base: Any, declared: set[str], taken: set[str]) -> None:
    """Copy the fields of an abstract parent."""
    meta = model._meta
    base_parents = dict(base._meta.parents)
    own = {field.name for field in (*meta.local_fields, *meta.local_many_to_many)}
    for field in (*base._meta.local_fields, *base._meta.local_many_to_many):
        if field.name in declared or field.name in taken or field.name in own or field.name in vars(model):
            continue
        copied = copy.deepcopy(field)
        model.add_to_class(field.name, copied)
        for parent, link in base_parents.items():
            if link is field:
                base_parents[parent] = copied
    for parent, link in base_parents.items():
        meta.parents[parent] = link
        parent._meta.note_heir(meta)
    meta._expire_cache()


def _finish_abstract(model: Any, own_meta: Any) -> None:
    # Whoever inherits this Meta does not become abstract by that.
    own_meta.abstract = False
    model.Meta = own_meta
    if is_ours(model.__init__):
        model.__init__ = general_init


def _prepare(model: Any) -> None:
    """Complete a model whose fields are known: primary key, managers, constructor."""
    meta = model._meta
    if not meta.proxy and not meta.apps.describes_past:
        refuse_clashing_fields(model)
    # A table may be without a key for a moment, between two steps of a migration; but those between never are.
    if meta.pk is None and (meta.apps.makes_instances or meta.auto_created):
        _add_primary_key(model)
    plain = Manager()
    plain.name = "_base_manager"
    plain.model = model
    plain.auto_created = True
    meta.plain_manager = plain
    if not meta.managers:
        if any(field.name == "objects" for field in meta.fields):
            raise ValueError(
                f"Model {model.__name__} must specify a custom Manager, because it has a field named 'objects'."
            )
        manager = Manager()
        manager.auto_created = True
        model.add_to_class("objects", manager)
    for index in meta.indexes:
        if not index.name:
            index.set_name_with_model(model)
    if model.__doc__ is None:
        model.__doc__ = f"{model.__name__}({', '.join(field.name for field in meta.fields)})"
    if meta.apps.makes_instances:
        meta.complete = partial(complete, model)
        rebuild = partial(_rebuild, model)
        rebuild()
        meta.rebuild = rebuild
    else:
        meta.construct = refuse_instances


def _rebuild(model: Any) -> None:
    pk = model._meta.pk
    model.pk = property(Model._get_pk_val, Model._set_pk_val, doc=f"The primary key: {pk.attname}.")
    build(model)


def _add_primary_key(model: Any) -> None:
    meta = model._meta
    if meta.parents:
        link = next(iter(meta.parents.values()))
        # A field of an abstract parent may have been copied since.
        link = next((field for field in meta.local_fields if field.name == link.name), link)
        link.primary_key = True
        meta.setup_pk(link)
        meta._expire_cache()
    else:
        if any("id" in (field.name, field.attname) for field in (*meta.local_fields, *meta.local_many_to_many)):
            raise FieldError(
                f"{meta.label} has a field 'id' that is not its primary key, and no other key. Give it "
                f"primary_key=True, or another name."
            )
        model.add_to_class("id", BigAutoField(verbose_name="ID", primary_key=True, auto_created=True))


def app_label_of(module_name: str) -> str:
    """The label of the app that a module belongs to.

    Where no app is known to hold it, as in a script that uses models only, it is
    the last part of the module's name, without ".models".
    """
    try:
        config = installed_apps.get_containing_app_config(module_name)
    except AppRegistryNotReady:
        config = None
    if config is not None:
        return config.label
    parts = module_name.split(".")
    if "models" in parts[1:]:
        parts = parts[: parts.index("models", 1)]
    return next(ImplicitAppConfig.labels(".".join(parts), sys.modules.get(module_name)))


# --- instances ----------------------------------------------------------------------------------------------------


class Model(Saving, Loading, Validating, metaclass=ModelBase):
    """Base of all models: each subclass is a table, each instance a row of it."""

    if TYPE_CHECKING:
        _meta: Options
        _state: ModelState
        # Its type is left to be inferred: checkers would take one that is written here for that of a model's own, too.
        objects: ClassVar = ManagerDescriptor(Manager())
        pk: Any
        DoesNotExist: ClassVar[type[ObjectDoesNotExist]]
        MultipleObjectsReturned: ClassVar[type[MultipleObjectsReturned]]
        NotUpdated: ClassVar[type[ObjectNotUpdated]]

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

        # Attributes that no class names: keys of related objects, the way back from them, annotations.
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    else:
        __init__ = general_init
        _state = StateDescriptor()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def __str__(self) -> str:
        return f"{type(self).__name__} object ({self.pk})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model):
            return NotImplemented
        if self._meta.concrete_model is not other._meta.concrete_model:
            return False
        key = self.pk
        return self is other if key is None else bool(key == other.pk)

    def __hash__(self) -> int:
        key = self.pk
        if key is None:
            raise TypeError("Model instances without primary key value are unhashable")
        return hash(key)

    # -- the primary key

    def _get_pk_val(self, meta: Any = None) -> Any:
        return getattr(self, (meta or self._meta).pk.attname)

    def _set_pk_val(self, value: Any) -> None:
        meta = self._meta
        for link in meta.parents.values():
            if link is not None and link is not meta.pk:
                setattr(self, link.target_field.attname, value)
        setattr(self, meta.pk.attname, value)

    # -- copies

    def __getstate__(self) -> dict[str, Any]:
        """The dictionary of the instance, with a state of its own."""
        attributes = self.__dict__.copy()
        if "_state" in attributes:
            attributes["_state"] = copy.copy(attributes["_state"])
        if "_prefetched_objects_cache" in attributes:
            attributes["_prefetched_objects_cache"] = dict(attributes["_prefetched_objects_cache"])
        return attributes

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if len(state) <= len(self._meta.attnames) and self.get_deferred_fields():
            self._meta.enable_deferred()

    def __reduce__(self) -> Any:
        meta = self._meta
        registered = meta.apps.all_models.get(meta.app_label, {}).get(meta.model_name)
        by_name = registered is type(self) and meta.apps is installed_apps
        identity = (meta.app_label, meta.object_name) if by_name else type(self)
        return model_unpickle, (identity,), self.__getstate__()

    # -- deleting

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the row, and what depends on it; returns how many rows went, in all and by model.

        Afterwards the instance has no primary key. Raises ValueError if it has none now.
        """
        if self.pk is None:
            raise ValueError(
                f"{self._meta.object_name} object can't be deleted because its {self._meta.pk.attname} attribute is "
                f"set to None."
            )
        using = using or alias_for(self)
        simply = None if keep_parents else delete_simply(self, using)
        if simply is not None:
            return simply
        collector = Collector(using=using, origin=self)
        collector.collect([self], keep_parents=keep_parents)
        deleted: tuple[int, dict[str, int]] = collector.delete()
        return deleted

    delete.alters_data = True  # type: ignore[attr-defined]

    # -- for async code

    asave = twin(Saving.save)
    asave_base = twin(Saving.save_base)
    adelete = twin(delete)
    arefresh_from_db = twin(Loading.refresh_from_db)
    afull_clean = twin(Validating.full_clean)
    aclean_fields = twin(Validating.clean_fields)
    avalidate_unique = twin(Validating.validate_unique)
    avalidate_constraints = twin(Validating.validate_constraints)

    # -- what may be wrong with the model

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """What is wrong with the model that only shows when all others are there, as messages for `webframe check`.

        A model may add messages of its own to those of `super().check(**kwargs)`.
        """
        return messages_about(cls)

    # -- what fields give their models

    def _get_field_display(self, field: Any) -> Any:
        """The label of the choice that a field has; behind `get_<field>_display`."""
        return field.label_of(getattr(self, field.attname))

    def _get_next_or_previous_by_field(self, field: Any, is_next: bool, **kwargs: Any) -> Any:
        """The instance that comes after or before this one by a date; behind `get_next_by_<field>`."""
        if is_adding(self) or self.pk is None:
            raise ValueError("get_next/get_previous cannot be used on unsaved objects.")
        compare, order = ("gt", "") if is_next else ("lt", "-")
        value = getattr(self, field.attname)
        later = Q(**{f"{field.name}__{compare}": value})
        same = Q(**{field.name: value, f"pk__{compare}": self.pk})
        queryset = type(self)._default_manager.using(state_db(self)).filter(**kwargs).filter(later | same)
        found = queryset.order_by(f"{order}{field.name}", f"{order}pk")[:1]
        for instance in found:
            return instance
        raise self.DoesNotExist(f"{self._meta.object_name} matching query does not exist.")


Model.save.alters_data = Model.save_base.alters_data = True  # type: ignore[attr-defined]
Model.asave.alters_data = Model.asave_base.alters_data = True  # type: ignore[attr-defined]


def model_unpickle(identity: Any) -> Any:
    """An instance without attributes, of a model or of what (label, name) means here."""
    model: Any = identity if isinstance(identity, type) else installed_apps.get_registered_model(*identity)
    return model.__new__(model)

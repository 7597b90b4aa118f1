"""`Options`: what is known about a model, as its attribute `_meta`.

Made by the metaclass from the class's `Meta`, then filled by its fields, and by
relations of other models that point to it. What is computed from that is kept
until a field or a relation is added: `_expire_cache` forgets it, here and in
the models that inherit from this one.
"""

from __future__ import annotations

import weakref
from bisect import insort
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from webframe.apps.registry import Apps
from webframe.apps.registry import apps as installed_apps
from webframe.conf import close_match
from webframe.core.exceptions import FieldDoesNotExist
from webframe.db.models.naming import normalised_together, spaced
from webframe.db.models.naming import shortened as shortened

# A model class.
ModelClass = type[Any]


class JoinStep(NamedTuple):
    """One join, from the table of one model to that of another."""

    source: ModelClass
    model: ModelClass
    # Pairs (field of the source, field of the model) that are equal in SQL.
    columns: tuple[tuple[Any, Any], ...]
    # Whether more than one row may match a row of the source.
    many: bool
    # Whether there may be no row: then it is a LEFT JOIN, unless a condition needs one.
    nullable: bool
    # A further condition, a Q.
    filter: Any = None


# Options with the default that each has. All of them may stand in a class's Meta.
DEFAULTS: dict[str, Any] = {
    "abstract": False,
    "app_label": None,
    "apps": installed_apps,
    # The model whose field made this class for itself (the rows of a ManyToManyField); False: nobody's.
    "auto_created": False,
    "base_manager_name": None,
    "constraints": [],
    "db_table": "",
    "default_manager_name": None,
    "default_related_name": None,
    "get_latest_by": None,
    "indexes": [],
    "managed": True,
    "ordering": [],
    "proxy": False,
    "unique_together": [],
    "verbose_name": None,
    "verbose_name_plural": None,
    # Known to Django, kept for whoever reads them, without any effect here.
    "db_table_comment": "",
    "db_tablespace": "",
    "default_permissions": ("add", "change", "delete", "view"),
    "permissions": [],
    "required_db_features": [],
    "required_db_vendor": None,
    "select_on_save": False,
    "swappable": None,
}

# Options that would change what a model does, and that there is nothing for here: what to write instead.
REFUSED = {
    "index_together": "List an Index in Meta.indexes instead.",
    "order_with_respect_to": "Give the model a field for its place, and name it in Meta.ordering.",
}


class Options:
    """What is known about one model: its names, fields, parents and everything said in its `Meta`.

    Lists of fields are tuples, the parents' fields first: the same object each
    time until something is added.
    """

    abstract: bool
    apps: Apps
    base_manager_name: str | None
    constraints: list[Any]
    db_table: str
    default_manager_name: str | None
    default_related_name: str | None
    get_latest_by: str | tuple[str, ...] | None
    indexes: list[Any]
    managed: bool
    ordering: list[Any] | tuple[Any, ...]
    proxy: bool
    unique_together: tuple[tuple[str, ...], ...]
    verbose_name: Any
    verbose_name_plural: Any
    select_on_save: bool
    swappable: str | None

    def __init__(self, meta: type | None, app_label: str) -> None:
        # The label of the app: Meta may give another one.
        self.app_label = app_label
        # The class Meta of the model, or None; `original_attrs` is what it says.
        self.meta = meta
        self.original_attrs: dict[str, Any] = {}
        for name, value in DEFAULTS.items():
            if name != "app_label":
                setattr(self, name, list(value) if isinstance(value, list) else value)
        # The fields that are declared in this very class, by order of declaration.
        self.local_fields: list[Any] = []
        self.local_many_to_many: list[Any] = []
        # Fields that are no columns and that no query knows; they are initialised by keyword only.
        self.private_fields: list[Any] = []
        # Managers declared in this class, in order of declaration.
        self.local_managers: list[Any] = []
        self.pk: Any = None
        # The field whose numbers the database gives out.
        self.auto_field: Any = None
        # Parent model -> the field that links to it; None where the parent is the model that a proxy stands for.
        self.parents: dict[ModelClass, Any] = {}
        # The model that has the table: for a proxy another one, None for an abstract model.
        self.concrete_model: Any = None
        self.proxy_for_model: Any = None
        # No model can be exchanged for another one.
        self.swapped: None = None
        # Relations of other models that point to this one; those that point to a proxy are at its concrete model.
        self._pointing_here: list[Any] = []
        # Options of the models that inherit from this one.
        self._heirs: weakref.WeakSet[Options] = weakref.WeakSet()
        # Whether instances may lack fields, which are then loaded when they are read.
        self.deferred_enabled = False
        # The SQLAlchemy table, once somebody asked for it (webframe.db.models.tables).
        self.table: Any = None
        # What other parts of the model layer have worked out for this model, each under keys of its own.
        self.plans: dict[Hashable, Any] = {}

    # -- being filled

    def contribute_to_class(self, cls: ModelClass, name: str) -> None:
        """Become the `_meta` of a model; reads its class Meta. Raises TypeError for what Meta cannot have."""
        cls._meta = self
        self.model = cls
        self.object_name = cls.__name__
        self.model_name = cls.__name__.lower()
        if self.meta is not None:
            self._read(self.meta)
        self.unique_together = normalised_together(self.unique_together)
        if self.verbose_name is None:
            self.verbose_name = spaced(self.object_name)
        if self.verbose_name_plural is None:
            self.verbose_name_plural = f"{self.verbose_name}s"
        if not self.abstract:
            self.indexes = [self._own(each) for each in self.indexes]
            self.constraints = [self._own(each) for each in self.constraints]
        if not self.db_table:
            self.db_table = shortened(f"{self.app_label}_{self.model_name}")

    def _read(self, meta: type) -> None:
        given = {name: getattr(meta, name) for name in dir(meta) if not name.startswith("_")}
        for name, value in given.items():
            if name in REFUSED:
                raise TypeError(f"{self.object_name}: Meta has no option {name!r} here. {REFUSED[name]}")
            if name not in DEFAULTS:
                raise TypeError(
                    f"{self.object_name}: Meta has no option {name!r}.{close_match(name, DEFAULTS)} "
                    f"Its options are {', '.join(sorted(DEFAULTS))}."
                )
            if isinstance(value, (list, set)):
                value = list(value)
            setattr(self, name, value)
            self.original_attrs[name] = value

    def _own(self, each: Any) -> Any:
        """An index or a constraint for this model alone: abstract parents share theirs among their children."""
        clone_for = getattr(each, "clone_for", None)
        if clone_for is not None:
            return clone_for(self.app_label, self.model_name)
        return each.clone()

    def add_field(self, field: Any, private: bool = False) -> None:
        """Note a field of this model."""
        if private:
            self.private_fields.append(field)
        elif getattr(field, "many_to_many", False) and field.column is None:
            insort(self.local_many_to_many, field, key=attrgetter("creation_counter"))
        else:
            insort(self.local_fields, field, key=attrgetter("creation_counter"))
            self.setup_pk(field)
        self._expire_cache()
        self._fields_changed()

    def _fields_changed(self) -> None:
        if self.rebuild is not None:
            self.rebuild()
        for heir in list(self._heirs):
            heir._fields_changed()

    def setup_pk(self, field: Any) -> None:
        """Take a field for the primary key if it is one and there is none yet."""
        if self.pk is None and field.primary_key:
            self.pk = field

    def setup_proxy(self, target: ModelClass) -> None:
        """Stand for another model: have its table and key."""
        self.pk = target._meta.pk
        self.proxy_for_model = target
        self.db_table = target._meta.db_table

    def add_manager(self, manager: Any) -> None:
        """Note a manager of this model."""
        self.local_managers.append(manager)
        self._expire_cache()

    def add_related_object(self, relation: Any) -> None:
        """Note that a relation of another model points to this one; adding it again does nothing."""
        pointing_here = self.concrete_model._meta._pointing_here
        if not any(each is relation for each in pointing_here):
            pointing_here.append(relation)
        self.concrete_model._meta._expire_cache()

    def note_heir(self, heir: Options) -> None:
        """What is computed for `heir` depends on this model."""
        self._heirs.add(heir)

    def _expire_cache(self) -> None:
        """Forget everything that was computed from the fields and relations, here and in models that inherit."""
        for name in COMPUTED:
            self.__dict__.pop(name, None)
        self.table = None
        self.plans.clear()
        for heir in list(self._heirs):
            heir._expire_cache()

    # -- names

    @property
    def label(self) -> str:
        """ "shop.Pizza" """
        return f"{self.app_label}.{self.object_name}"

    @property
    def label_lower(self) -> str:
        """ "shop.pizza" """
        return f"{self.app_label}.{self.model_name}"

    @property
    def verbose_name_raw(self) -> str:
        """The name for people, as text."""
        return str(self.verbose_name)

    @property
    def app_config(self) -> Any:
        """The AppConfig of the model's app; None if no app of that label is installed."""
        if not self.apps.apps_ready:
            return None
        return next((each for each in self.apps.get_app_configs() if each.label == self.app_label), None)

    @property
    def installed(self) -> bool:
        """Whether the app of the model is installed."""
        return self.app_config is not None

    # -- managers

    @cached_property
    def managers(self) -> tuple[Any, ...]:
        """All managers, own and inherited, in order of declaration; each bound to this model."""
        found: dict[str, tuple[int, int, Any]] = {}
        for depth, base in enumerate(base for base in self.model.mro() if hasattr(base, "_meta")):
            for manager in base._meta.local_managers:
                if manager.name in found:
                    continue
                if manager.model is not self.model:
                    import copy

                    manager = copy.copy(manager)
                    manager.model = self.model
                found[manager.name] = depth, manager.creation_counter, manager
        return tuple(manager for _, _, manager in sorted(found.values(), key=lambda entry: entry[:2]))

    @cached_property
    def managers_map(self) -> dict[str, Any]:
        """The managers by name."""
        return {manager.name: manager for manager in self.managers}

    @cached_property
    def base_manager(self) -> Any:
        """The manager that knows all rows: the one that Meta.base_manager_name names, or a plain one."""
        name = self.base_manager_name or next(
            (each for each in self._inherited("base_manager_name") if each is not None), None
        )
        if name is not None:
            return self._named_manager("base_manager_name", name)
        return self.plain_manager

    @cached_property
    def default_manager(self) -> Any:
        """The first manager, or the one that Meta.default_manager_name names; None for a model without any."""
        name = self.default_manager_name
        if name is None and not self.local_managers:
            name = next((each for each in self._inherited("default_manager_name") if each is not None), None)
        if name is not None:
            return self._named_manager("default_manager_name", name)
        return self.managers[0] if self.managers else None

    # Set by the metaclass: a Manager of this model that nobody declared.
    plain_manager: Any = None

    def _inherited(self, option: str) -> Iterator[Any]:
        """What the direct ancestors say in an option, nearest first."""
        for parent in self.model.mro()[1:]:
            if hasattr(parent, "_meta"):
                yield getattr(parent._meta, option)

    def _named_manager(self, option: str, name: str) -> Any:
        try:
            return self.managers_map[name]
        except KeyError:
            raise ValueError(
                f"Meta.{option} of {self.label} names {name!r}, and there is no such manager."
                f"{close_match(name, self.managers_map)}"
            ) from None

    # -- fields

    @cached_property
    def _forward(self) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        """Fields, many-to-many fields and private fields: the parents' first."""
        fields: dict[Any, None] = {}
        many: dict[Any, None] = {}
        private: dict[Any, None] = {}
        for parent in self.parents:
            parents = parent._meta._forward
            fields.update(dict.fromkeys(parents[0]))
            many.update(dict.fromkeys(parents[1]))
            private.update(dict.fromkeys(parents[2]))
        fields.update(dict.fromkeys(self.local_fields))
        many.update(dict.fromkeys(self.local_many_to_many))
        private.update(dict.fromkeys(self.private_fields))
        return tuple(fields), tuple(many), tuple(private)

    @property
    def fields(self) -> tuple[Any, ...]:
        """All forward fields that are columns or foreign keys: no many-to-many and no private ones."""
        return self._forward[0]

    @cached_property
    def concrete_fields(self) -> tuple[Any, ...]:
        """The fields with a column, those of parents first: the order of positional arguments of the class."""
        return tuple(field for field in self.fields if field.column is not None)

    @cached_property
    def local_concrete_fields(self) -> tuple[Any, ...]:
        """The fields with a column in the model's own table."""
        return tuple(field for field in self.local_fields if field.column is not None)

    @property
    def many_to_many(self) -> tuple[Any, ...]:
        """The many-to-many fields that the model or its parents declare."""
        return self._forward[1]

    @cached_property
    def db_returning_fields(self) -> tuple[Any, ...]:
        """The fields of the own table whose values the database makes; first the key, which every database tells."""
        found = [field for field in self.local_concrete_fields if field.db_returning]
        return tuple(sorted(found, key=lambda field: not field.is_auto_field))

    @cached_property
    def all_related_objects(self) -> tuple[Any, ...]:
        """Every relation of other models that points here or to a parent, hidden ones among them."""
        found: dict[int, Any] = {}
        for parent in self.parents:
            for relation in parent._meta.all_related_objects:
                if not relation.parent_link:
                    found[id(relation)] = relation
        if self.concrete_model is not None:
            for relation in self.concrete_model._meta._pointing_here:
                found[id(relation)] = relation
        return tuple(found.values())

    @cached_property
    def related_objects(self) -> tuple[Any, ...]:
        """The relations that point here: no hidden ones, save many-to-many."""
        return tuple(each for each in self.all_related_objects if not each.hidden or each.field.many_to_many)

    def get_fields(self, include_parents: bool = True, include_hidden: bool = False) -> list[Any]:
        """All fields: relations that point here, then forward fields, many-to-many and private ones.

        ``include_parents=False`` leaves out what comes from parents.
        """
        if include_parents:
            related = self.all_related_objects
            forward = [*self._forward[0], *self._forward[1], *self._forward[2]]
        else:
            related = tuple(self._pointing_here)
            forward = [*self.local_fields, *self.local_many_to_many, *self.private_fields]
        return [each for each in related if include_hidden or not each.hidden] + forward

    @cached_property
    def fields_map(self) -> dict[str, Any]:
        """Every field by name, and by attname where that differs; relations that point here by their query name."""
        found: dict[str, Any] = {}
        for relation in self.all_related_objects:
            found.setdefault(relation.name, relation)
        forward = [field for fields in self._forward for field in fields]
        for field in forward:
            attname = getattr(field, "attname", None)
            if attname:
                found[attname] = field
        for field in forward:
            found[field.name] = field
        return found

    @cached_property
    def forward_fields_map(self) -> dict[str, Any]:
        """The fields that the model and its parents declare, by name and by attname."""
        own = {id(field) for fields in self._forward for field in fields}
        return {name: field for name, field in self.fields_map.items() if id(field) in own}

    def get_field(self, field_name: str) -> Any:
        """The field of this name; the attname ("author_id") and the query name of a relation that points here will do.

        Raises FieldDoesNotExist, with the names there are.
        """
        try:
            return self.fields_map[field_name]
        except KeyError:
            names = sorted(name for name in self.fields_map if not name.endswith("+"))
            raise FieldDoesNotExist(
                f"{self.label} has no field {field_name!r}.{close_match(str(field_name), names)} "
                f"Its fields are {', '.join(names)}."
            ) from None

    # -- parents

    @cached_property
    def all_parents(self) -> tuple[ModelClass, ...]:
        """All ancestors with a table, nearest first."""
        found = dict.fromkeys(self.parents)
        for parent in self.parents:
            found.update(dict.fromkeys(parent._meta.all_parents))
        return tuple(found)

    def get_parent_list(self) -> list[ModelClass]:
        """All ancestors with a table, nearest first."""
        return list(self.all_parents)

    def get_base_chain(self, model: ModelClass) -> list[ModelClass]:
        """The parents on the way to the ancestor `model`, nearest first and `model` last; empty if it is none."""
        if not self.parents:
            return []
        if model in self.parents:
            return [model]
        for parent in self.parents:
            chain = parent._meta.get_base_chain(model)
            if chain:
                return [parent, *chain]
        return []

    def get_ancestor_link(self, ancestor: ModelClass) -> Any:
        """The field of this model that leads to an ancestor, directly or on the way; None if there is none."""
        if ancestor in self.parents:
            return self.parents[ancestor]
        for parent, link in self.parents.items():
            parent_link = parent._meta.get_ancestor_link(ancestor)
            if parent_link:
                return link or parent_link
        return None

    # -- for saving and loading

    @cached_property
    def update_field_names(self) -> frozenset[str]:
        """The names and attnames that `save(update_fields=...)` may have."""
        return frozenset(
            name for field in self.concrete_fields if not field.primary_key for name in (field.name, field.attname)
        )

    @cached_property
    def has_relations(self) -> bool:
        """Whether a column refers to another row."""
        return any(field.is_relation for field in self.concrete_fields)

    @cached_property
    def property_names(self) -> frozenset[str]:
        """The names of properties of the class, which the constructor can set."""
        return frozenset(
            name for base in self.model.mro() for name, value in vars(base).items() if isinstance(value, property)
        )

    @cached_property
    def attnames(self) -> tuple[str, ...]:
        """The attributes that the values of the concrete fields are in, in order."""
        return tuple(field.attname for field in self.concrete_fields)

    # Whether rows of a query may become instances without the constructor and from_db(): nobody changed those, nor how
    # attributes are set.
    plain_init: bool = False
    # Whether the values of fields lie in the dictionaries of instances, and nobody changed how they are set.
    plain_values: bool = False
    # Called when a field was added to a model that was complete: makes its constructor anew.
    rebuild: Callable[[], None] | None = None
    # The constructor in its general form: takes DEFERRED for a value, and sends no signals. And the one that does.
    fill: Callable[..., None]
    construct: Callable[..., None]
    # The generated constructor in its quick form; None: the class has one of its own. And which one holds now.
    quick: Callable[..., None] | None = None
    init: Callable[..., None]

    def enable_deferred(self) -> None:
        """Let instances load the fields they lack when they are read.

        Done at the first `only()` or `defer()` of a model, because a class
        whose instances do that reads all other attributes a little slower.
        """
        if self.deferred_enabled:
            return
        model = self.model
        if not hasattr(model, "__getattr__"):
            model.__getattr__ = model._load_deferred
        else:
            model.__getattr__ = _fields_first(model.__getattr__, model._load_deferred)
        self.deferred_enabled = True

    def can_migrate(self, connection: Any) -> bool:
        """Whether this model has a table of its own that migrations look after."""
        return not self.proxy and not self.swapped and self.managed

    def __repr__(self) -> str:
        return f"<Options for {self.object_name}>"

    def __str__(self) -> str:
        return self.label_lower


# The attributes that `_expire_cache` forgets.
COMPUTED = tuple(name for name, value in vars(Options).items() if isinstance(value, cached_property))


def _fields_first(others: Callable[[Any, str], Any], load: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """A `__getattr__` for a class that has one of its own: that one is asked about what is no field."""

    def __getattr__(self: Any, name: str) -> Any:
        if name in self._meta.forward_fields_map:
            return load(self, name)
        return others(self, name)

    return __getattr__

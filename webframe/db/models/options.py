"""`Options`: what is known about a model, as its attribute `_meta`.

Made by the metaclass from the class's `Meta`, then filled by its fields, and by
relations of other models that point to it. What is computed from that is kept
until a field or a relation is added: `_expire_cache` forgets it, here and in
the models that inherit from this one. `meta.py` knows what a `Meta` may say,
`field_index.py` answers what is asked about fields.
"""

from __future__ import annotations

import weakref
from bisect import insort
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from webframe._lazy import LateModule
from webframe.apps.registry import Apps
from webframe.apps.registry import apps as installed_apps
from webframe.conf import close_match
from webframe.db.models.field_index import FieldIndex, ModelClass
from webframe.db.models.meta import DEFAULTS, read_meta
from webframe.db.models.naming import normalised_together, shortened, spaced

if TYPE_CHECKING:
    from webframe.db.backends import processes
else:
    processes = LateModule("webframe.db.backends.processes")


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
    # The name that annotate() gave to a filtered relation, whose condition must hold beside.
    filter: Any = None


class _KnownWithConstructor:
    """An attribute of `Options` that is set when the constructor of the model is made: when it is read, or before."""

    def __init__(self, default: Any) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, meta: Any, owner: Any = None) -> Any:
        if meta is None:
            return self
        if meta.complete is None:
            return self.default
        meta.complete()
        return meta.__dict__[self.name]


# What type checkers make of it: an attribute like any other.
known_with_constructor: Any = _KnownWithConstructor


class Options(FieldIndex):
    """What is known about one model: its names, fields, parents and everything said in its `Meta`."""

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

    # The registry of models whose Meta names none; tests may exchange it for a while.
    default_apps: ClassVar[Apps] = installed_apps

    def __init__(self, meta: type | None, app_label: str) -> None:
        super().__init__()
        # The label of the app: Meta may give another one.
        self.app_label = app_label
        # The class Meta of the model, or None; `original_attrs` is what it says.
        self.meta = meta
        self.original_attrs: dict[str, Any] = {}
        for name, value in DEFAULTS.items():
            if name != "app_label":
                setattr(self, name, list(value) if isinstance(value, list) else value)
        self.apps = self.default_apps
        # Managers declared in this class, in order of declaration.
        self.local_managers: list[Any] = []
        self.pk: Any = None
        # The field whose numbers the database gives out.
        self.auto_field: Any = None
        self.proxy_for_model: Any = None
        # No model can be exchanged for another one.
        self.swapped: None = None
        # Options of the models that inherit from this one, if there are any.
        self._heirs: weakref.WeakSet[Options] | None = None
        # Whether instances may lack fields, which are then loaded when they are read.
        self.deferred_enabled = False
        # The SQLAlchemy table, once somebody asked for it (webframe.db.models.tables).
        self.table: Any = None
        # What other parts of the model layer have worked out for this model, each under keys of its own.
        self.plans: dict[Hashable, Any] = {}
        # How rows are saved, and what `create` comes to, worked out at the first need.
        self.writing: Any = None
        self.create: Callable[..., Any] | None = None
        self.begin: Callable[..., Any] | None = None
        # What the names are that methods of querysets are called with most: the operation of each tuple of names.
        self.filters: dict[tuple[str, ...], Any] = {}
        self.filters_by_name: dict[str, Any] = {}
        self.exclusions: dict[tuple[str, ...], Any] = {}
        self.orders: dict[tuple[str, ...], Any] = {}
        self.joins: dict[tuple[str, ...], Any] = {}

    # -- being filled

    def contribute_to_class(self, cls: ModelClass, name: str) -> None:
        """Become the `_meta` of a model; reads its class Meta. Raises TypeError for what Meta cannot have."""
        cls._meta = self
        self.model = cls
        _all[id(self)] = self
        self.object_name = cls.__name__
        self.model_name = cls.__name__.lower()
        if self.meta is not None:
            self.original_attrs = read_meta(self.meta, self.object_name)
            vars(self).update(self.original_attrs)
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
        for heir in self.heirs():
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
        if self._heirs is None:
            self._heirs = weakref.WeakSet()
        self._heirs.add(heir)

    def heirs(self) -> list[Options]:
        """The options of the models that inherit from this one."""
        return [] if self._heirs is None else list(self._heirs)

    def heirs_with_tables(self) -> Iterator[Options]:
        """Of all models that inherit from this one, those that have a table of their own."""
        for heir in self.heirs():
            if heir.concrete_model is heir.model:
                yield heir
            yield from heir.heirs_with_tables()

    def _expire_cache(self) -> None:
        """Forget everything that was computed from the fields and relations, here and in models that inherit."""
        known = self.__dict__
        for name in COMPUTED & known.keys():
            del known[name]
        self.table = self.writing = self.create = self.begin = None
        self.forget_names()
        for heir in self.heirs():
            heir._expire_cache()

    def forget_names(self) -> None:
        """Forget what names in questions were found to mean."""
        for kept in (self.plans, self.filters, self.filters_by_name, self.exclusions, self.orders, self.joins):
            kept.clear()

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

    # -- for saving and loading

    @cached_property
    def update_field_names(self) -> frozenset[str]:
        """The names and attnames that `save(update_fields=...)` may have."""
        return frozenset(
            name for field in self.concrete_fields if not field.primary_key for name in (field.name, field.attname)
        )

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

    # Makes the constructor, and sets what is known of it; None: the model is to have no instances.
    complete: Callable[[], None] | None = None

    # Whether rows of a query may become instances without the constructor and from_db(): nobody changed those, nor how
    # attributes are set.
    plain_init: bool = known_with_constructor(False)
    # Whether the values of fields lie in the dictionaries of instances, and nobody changed how they are set.
    plain_values: bool = known_with_constructor(False)
    # Called when a field was added to a model that was complete: makes its constructor anew.
    rebuild: Callable[[], None] | None = None
    # The constructor in its general form: takes DEFERRED for a value, and sends no signals. And the one that does.
    fill: Callable[..., None] = known_with_constructor(None)
    construct: Callable[..., None] = known_with_constructor(None)
    # The generated constructor in its quick form; None: the class has one of its own. And which one holds now.
    quick: Callable[..., None] | None = known_with_constructor(None)
    init: Callable[..., None] = known_with_constructor(None)

    def forget_constructors(self) -> None:
        """The constructor is to be made anew, when somebody needs it."""
        for name in OF_CONSTRUCTOR:
            self.__dict__.pop(name, None)

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


# Those of all models, in whatever registry.
_all: weakref.WeakValueDictionary[int, Options] = weakref.WeakValueDictionary()


def forget_questions() -> None:
    """Forget what names mean to all models, and the SQL that all databases keep of it: a look-up is another one now."""
    # Lists that are made in one step: other threads may define models meanwhile.
    for ref in _all.valuerefs():
        meta = ref()
        if meta is not None:
            meta.forget_names()
    if _all:
        for wrapper in processes.every_wrapper():
            wrapper.plans.clear()


# What is known when the constructor has been made.
OF_CONSTRUCTOR = tuple(name for name, value in vars(Options).items() if isinstance(value, _KnownWithConstructor))

# The attributes that `_expire_cache` forgets.
COMPUTED = frozenset(
    name for kind in Options.__mro__ for name, value in vars(kind).items() if isinstance(value, cached_property)
)


def _fields_first(others: Callable[[Any, str], Any], load: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """A `__getattr__` for a class that has one of its own: that one is asked about what is no field."""

    def __getattr__(self: Any, name: str) -> Any:
        if name in self._meta.forward_fields_map:
            return load(self, name)
        return others(self, name)

    return __getattr__

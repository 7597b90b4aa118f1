"""`Manager`: where the questions about a model begin, ``Pizza.objects``.

A manager has the methods of its queryset class, each of which starts from
`get_queryset()`. What is asked most makes a shorter way: `get()` with plain values
goes from the names straight to its plan, without making a queryset, and `filter()`
by one name makes a queryset of which nothing else has to be known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from webframe._lazy import LateModule
from webframe.db.connections import DEFAULT_ALIAS, connections, router
from webframe.db.models.compiler import operations as ops
from webframe.db.models.compiler.operations import Slices
from webframe.db.models.construction import beginner, creator
from webframe.db.models.generic import OfRows, Row
from webframe.db.models.query import QuerySet
from webframe.db.models.querysets import asking
from webframe.db.models.querysets.chaining import NO_ORDER, Chaining
from webframe.db.models.querysets.reading import MAX_GET_RESULTS, wrong_number
from webframe.db.models.querysets.state import NOTHING, State
from webframe.db.models.twins import Arguments, Asked, Keywords, is_twin, twin
from webframe.greenlets import bridge

if TYPE_CHECKING:
    from webframe.db.models.compiler import answers
    from webframe.db.models.compiler.plans import Plan
    from webframe.db.models.handed_on import HandedOn
else:
    answers = LateModule("webframe.db.models.compiler.answers")

T = TypeVar("T")

LIMITED = Slices(limit=True)


class _Create:
    """Decorates ``create``: gives the function that is generated for the model, where that does the same."""

    def __init__(self, general: Callable[..., Any]) -> None:
        self.general = general
        self.__doc__ = general.__doc__

    @overload
    def __get__(self, manager: BaseManager[T], owner: Any = None) -> Callable[..., T]: ...
    @overload
    def __get__(self, manager: None, owner: Any = None) -> Callable[..., Any]: ...
    def __get__(self, manager: Any, owner: Any = None) -> Callable[..., Any]:
        if manager is None:
            return self.general
        if manager._beginning is not None:
            model = manager.model
            meta = model._meta
            # Nobody listens to the making of instances, or has put another constructor in the place of ours.
            if model.__init__ is meta.quick:
                create: Callable[..., Any] | None = meta.create or creator(model)
                if create is not None:
                    return create
        return MethodType(self.general, manager)


_new: Any = object.__new__
# Integers for which every column and driver has a place.
_SMALLEST, _LARGEST = -ops.LARGEST, ops.LARGEST


class BaseManager(OfRows[Row]):
    """What all managers are made of; a manager with the methods of querysets comes from `from_queryset`."""

    # Where the constructor's arguments are kept, and whether migrations know the manager.
    _constructor_args: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    use_in_migrations: ClassVar[bool] = False
    _built_with_as_manager = False
    _queryset_class: Any = QuerySet
    # The methods that were made to hand on to the queryset, by their names.
    _handed_on: ClassVar[Mapping[str, Any]] = NOTHING
    # Managers are made in this order; the first one of a model is its default.
    _count: ClassVar[int] = 0

    model: Any = None
    name: str | None = None
    auto_created = False
    _db: str | None = None
    # The question about all rows, which every other one begins with, where that never changes: for a plain manager,
    # from when a model is asked for it. Such a manager creates without a queryset, too, which would know nothing more.
    _beginning: Any = None
    _hints: Mapping[str, Any] = NOTHING
    # Whether nothing that get() consists of was overridden, in its class or for it alone; None: nobody has asked yet.
    _plain: bool | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._plain = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made._constructor_args = (args, kwargs)
        return made

    def __init__(self) -> None:
        BaseManager._count += 1
        self.creation_counter = BaseManager._count

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "get_queryset":
            # Somebody replaces it for this manager alone, as tests do, and puts it back one way or the other.
            if isinstance(value, MethodType) and value.__func__ is type(self).get_queryset and value.__self__ is self:
                del self.get_queryset
            else:
                self._plain, self._beginning = False, None
        elif name == "_queryset_class":
            self._plain, self._beginning = False, None
        elif name in ("model", "_db", "_hints"):
            self._beginning = None

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name == "get_queryset":
            self.__dict__.pop("_plain", None)
            self._begin()

    def _begin(self) -> None:
        """Make the question that every other one begins with, where that never changes."""
        is_known = self.model is not None and self._db is None and not self._hints
        is_plain = is_known and getattr(self, "_is_plain", False)
        self._beginning = self.get_queryset() if is_plain else None

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.name}" if self.model is not None else object.__repr__(self)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__}: {self}>" if self.model is not None else str(self)

    @classmethod
    def from_queryset(cls, queryset_class: Any, class_name: str | None = None) -> Any:
        """A subclass with the public methods of a queryset class.

        Methods marked ``queryset_only = True`` are left out, private ones marked False taken.
        """
        name = class_name or f"{cls.__name__}From{queryset_class.__name__}"
        methods = _methods(cls, queryset_class)
        handed_on = {name: method for name, method in methods.items() if not is_twin(method)}
        attributes = {"_queryset_class": queryset_class, "_handed_on": {**cls._handed_on, **handed_on}, **methods}
        return type(name, (cls,), attributes)

    def contribute_to_class(self, cls: Any, name: str) -> None:
        """Become the manager `name` of a model."""
        self.name = self.name or name
        self.model = cls
        setattr(cls, name, ManagerDescriptor(self))
        cls._meta.add_manager(self)

    def deconstruct(self) -> tuple[bool, str | None, str | None, tuple[Any, ...] | None, dict[str, Any] | None]:
        """What writes the manager into a migration: (as_manager, path, path of the queryset class, args, kwargs)."""
        queryset_class = self._queryset_class
        if self._built_with_as_manager:
            return True, None, f"{queryset_class.__module__}.{queryset_class.__name__}", None, None
        module = inspect.getmodule(type(self))
        if module is None or not hasattr(module, type(self).__name__):
            raise ValueError(
                f"Could not find manager {type(self).__name__} in {type(self).__module__}. Note that managers made "
                f"inside of functions cannot be used in migrations: inherit from a class at the top of a module."
            )
        args, kwargs = self._constructor_args
        return False, f"{type(self).__module__}.{type(self).__name__}", None, args, kwargs

    # --- where questions begin ----------------------------------------------------------------------------------

    def get_queryset(self) -> Any:
        """The queryset that everything starts from; override it to leave rows out."""
        return self._queryset_class(model=self.model, using=self._db, hints=self._hints)

    def all(self) -> Any:
        """A queryset about all rows."""
        beginning = self._beginning
        return self.get_queryset() if beginning is None else beginning._chain()

    def db_manager(self, using: str | None = None, hints: Mapping[str, Any] | None = None) -> Self:
        """The same manager for another database."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._db = using or self._db
        if hints:
            made._hints = hints
        return made

    def _hands_on(self, name: str) -> bool:
        """Whether a method does no more than hand on to the one of the queryset."""
        return getattr(type(self), name) is self._handed_on.get(name)

    @property
    def db(self) -> str:
        """The alias of the database that it asks."""
        return self._db or router.db_for_read(self.model, **self._hints)

    def check(self, **kwargs: Any) -> list[Any]:
        """Nothing can be wrong with a manager."""
        return []

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has, which may be for another model: not the question that this one begins with."""
        return {name: value for name, value in self.__dict__.items() if name != "_beginning"}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, BaseManager)
            and type(self) is type(other)
            and (self._constructor_args == other._constructor_args)
        )

    def __hash__(self) -> int:
        return id(self)


def _methods(manager: Any, queryset_class: Any) -> dict[str, Any]:
    """Functions that hand a call on to the queryset, for every method that a manager shall have."""
    found: dict[str, Any] = {}
    for name, method in inspect.getmembers(queryset_class, predicate=inspect.isfunction):
        if hasattr(manager, name) and (is_twin(method) or not is_twin(getattr(manager, name))):
            continue  # an async version that somebody has written goes before a twin
        only = getattr(method, "queryset_only", None)
        if only or (only is None and name.startswith("_")):
            continue
        # A twin runs the manager's own method.
        found[name] = method if is_twin(method) else _handing_on(name, method)
    return found


def _handing_on(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def manager_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.get_queryset(), name)(*args, **kwargs)

    @wraps(method)
    def chaining_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        beginning = self._beginning
        if beginning is None:
            return getattr(self.get_queryset(), name)(*args, **kwargs)
        return method(beginning, *args, **kwargs)

    # What makes a queryset of another leaves that as it is.
    return chaining_method if vars(Chaining).get(name) is method else manager_method


class ManagerDescriptor:
    """A model's attribute for its manager, which instances do not have."""

    def __init__(self, manager: BaseManager) -> None:
        self.manager = manager
        # The managers of the models that were asked so far.
        self._bound: dict[Any, Any] = {}

    @overload
    def __get__(self, instance: None, owner: type[T]) -> Manager[T]: ...
    @overload
    def __get__(self, instance: Any, owner: Any = None) -> Any: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is not None:
            raise AttributeError(f"Manager isn't accessible via {owner.__name__} instances")
        bound = self._bound.get(owner)
        if bound is None:
            if owner._meta.abstract:
                raise AttributeError(f"Manager isn't available; {owner._meta.object_name} is abstract")
            bound = self._bound[owner] = owner._meta.managers_map[self.manager.name]
            bound._begin()
        return bound


if TYPE_CHECKING:

    class _OfQuerySet(HandedOn[Row], BaseManager[Row]): ...

else:
    _OfQuerySet = BaseManager.from_queryset(QuerySet)


class Manager(_OfQuerySet[Row]):
    """The manager of a model that nobody gave another one: ``objects``.

    Subclasses override `get_queryset`, or add methods of their own.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def get(self, *args: Any, **kwargs: Any) -> Row:
        """The one row that matches; `DoesNotExist` if there is none, `MultipleObjectsReturned` if there are more."""
        known = None if args else self._known_question(kwargs)
        if known is None:
            return self.get_queryset().get(*args, **kwargs)
        wrapper, plan, parameters, limited = known
        rows = wrapper.fetch(plan.sql, parameters)
        if len(rows) == 1:
            return plan.answer.one(rows[0], wrapper.alias)  # type: ignore[no-any-return]  # a row
        raise wrong_number(self.model, len(rows), (), kwargs, limited=limited)

    def _known_question(self, kwargs: dict[str, Any]) -> tuple[Any, Plan, Sequence[Any], bool] | None:
        """What get() asks, where its values are plain: wrapper, plan, parameters, and whether rows are limited."""
        if not (self._plain or self._is_plain):
            return None
        model = self.model
        names = tuple(kwargs)
        operation = model._meta.filters.get(names) or ops.simple_filter(model, names)
        values = None if operation is None else operation.literals(kwargs.values())
        if operation is None or values is None:
            return None
        wrapper = connections[self._db or (DEFAULT_ALIAS if router.has_none and not self._hints else self.db)]
        plan = wrapper.plans.get(("get", operation)) or _get_plan(operation, model, values, wrapper)
        if not operation.unique:
            values += (MAX_GET_RESULTS,)
        parameters = plan.parameters
        return wrapper, plan, values if parameters is None else parameters(values), not operation.unique

    def _asked_for_one(self, args: Arguments, kwargs: Keywords) -> Asked | None:
        """The statement of get(), for its twin."""
        known = None if args else self._known_question(kwargs)
        if known is None:
            return asking.get(self.get_queryset(), args, kwargs)
        wrapper, plan, parameters, limited = known
        return (wrapper, plan, parameters, partial(self._only, kwargs, limited)) if plan.answer.is_quiet else None

    def _only(self, kwargs: Keywords, limited: bool, rows: Sequence[Any], plan: Plan, alias: str) -> Any:
        """The only one of the rows that get() has found; an error if there is none or more."""
        if len(rows) == 1:
            return plan.answer.one(rows[0], alias)
        raise wrong_number(self.model, len(rows), (), kwargs, limited=limited)

    aget = twin(get, _asked_for_one)

    @_Create
    def create(self, /, **kwargs: Any) -> Row:
        """Make an instance with these values and save it."""
        if self._beginning is None:
            return self.get_queryset().create(**kwargs)
        made = self.model(**kwargs)
        made._save_made()
        return made  # type: ignore[no-any-return]  # a row

    async def acreate(self, /, **kwargs: Any) -> Row:
        """Like `create`, for use in async code.

        Make an instance with these values and save it.
        """
        create, meta = self.create, self.model._meta
        begun = None
        if create is meta.create and router.has_none and connections[DEFAULT_ALIAS].starts:
            # The function that is generated for the model exists in two halves, too.
            begun = (meta.begin or beginner(self.model))(**kwargs)
        if begun is None:
            return await bridge(create, **kwargs)
        made, values = begun
        await made._asave_new(values)
        return made  # type: ignore[no-any-return]  # a row

    acreate.twin_of = "create"  # type: ignore[attr-defined]  # an attribute of the function

    # Type checkers know these from `HandedOn`: they give what `get_queryset()` gives, whoever has overridden that.
    if not TYPE_CHECKING:

        def filter(self, *args: Any, **kwargs: Any) -> Any:
            """The rows for which all these conditions hold."""
            beginning = self._beginning
            if beginning is None:
                return self.get_queryset().filter(*args, **kwargs)
            if len(kwargs) == 1 and not args:
                # Nearly always it is one name and a plain value: then the next lines say all there is to it.
                [name] = kwargs
                operation = self.model._meta.filters_by_name.get(name)
                value = kwargs[name]
                if (
                    operation is not None
                    and (kind := type(value)) in operation.kind
                    and (kind is not int or _SMALLEST <= value <= _LARGEST)
                ):
                    made = _new(beginning.__class__)
                    made.model = self.model
                    made._operations = operation.alone
                    made._values = (value,)
                    made._is_bare = True
                    return made
            return beginning._filter(False, args, kwargs)

        def exclude(self, *args: Any, **kwargs: Any) -> Any:
            """The rows for which these conditions do not hold, taken together."""
            beginning = self._beginning
            if beginning is None:
                return self.get_queryset().exclude(*args, **kwargs)
            return beginning._filter(True, args, kwargs)

    @property
    def _is_plain(self) -> bool:
        """Whether get() means what it means in a plain manager: nothing it consists of was overridden."""
        plain: bool | None = self._plain
        if plain is None:
            cls = type(self)
            queryset_class = cls._queryset_class
            plain = (
                cls.get_queryset is BaseManager.get_queryset
                and all(getattr(queryset_class, name) is getattr(QuerySet, name) for name in _INVOLVED)
                and "__getattribute__" not in vars(cls)
            )
            cls._plain = plain
        return plain


# What a queryset that get() and filter() do without would have had to do with.
_INVOLVED = (
    *(name for name in vars(State) if not name.startswith("__")),
    "__init__", "__new__", "get", "filter", "exclude", "_filter", "_fetch", "_fetch_all", "__len__", "__getitem__",
    "__iter__", "create", "order_by", "_keep", "_receive", "_rows", "_arows",
)  # fmt: skip


def _get_plan(operation: ops.Simple, model: Any, values: tuple[Any, ...], wrapper: Any) -> Plan:
    """The plan for get() with plain values."""
    limit = () if operation.unique else (MAX_GET_RESULTS,)
    plan = answers.rows_plan(
        model, (operation, NO_ORDER), values + limit, Slices() if operation.unique else LIMITED, wrapper
    )
    wrapper.plans["get", operation] = plan
    return plan


class EmptyManager(Manager):
    """A manager that never has any rows."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def get_queryset(self) -> Any:
        """No rows."""
        return super().get_queryset().none()


QuerySet.manager_class = Manager

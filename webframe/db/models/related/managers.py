"""Managers of the objects that one object is related to: ``author.books``, ``pizza.toppings``.

For each relation there is one class, made when it is first needed, which
inherits from the class of the related model's default manager, so that the
methods of that are there, too. An instance of it is made at each access and
knows the object it belongs to.

Here is what all of them have in common, and those over a foreign key; those of
many-to-many relations are in `many_managers.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from webframe.db import transaction
from webframe.db.connections import DEFAULT_ALIAS, router
from webframe.db.models.manager import BaseManager
from webframe.db.models.state import is_adding, state_db
from webframe.db.models.twins import twin

if TYPE_CHECKING:
    from webframe.db.models.manager import Manager
else:
    # At run time the class of the related model's default manager takes this place.
    Manager = object


_new: Any = object.__new__


class RelatedManager(Manager):
    """What the managers of all relations to many have in common."""

    # The object whose related ones are managed.
    instance: Any
    # Where what was prefetched lies among the instance's prefetched objects.
    prefetch_cache_name: str
    # The condition that related objects fulfil, as the name for filter(), and its value for the instance.
    filter_name: str
    filter_value: Any
    # What makes the class for another manager of the same model, and the arguments it takes beside that.
    remake: Any
    is_sticky = False
    # Whether the superclass's constructor does nothing that anybody needs here.
    is_plain_made = False
    # Where the model keeps the question for the objects related to any one; None: it may be another one each time.
    template_key: Any = None

    # These managers are made by the thousand, and begin no question in the way of others.
    __setattr__ = object.__setattr__  # type: ignore[assignment]  # which takes its arguments by place only

    @classmethod
    def of(cls, instance: Any) -> Any:
        """The manager for an object; made at each access."""
        if not cls.is_plain_made:
            return cls(instance)
        manager = _new(cls)
        manager._attach(instance)
        return manager

    def __init__(self, instance: Any) -> None:
        super().__init__()
        self._attach(instance)

    def _attach(self, instance: Any) -> None:
        """Belong to an object. Raises ValueError where it has no key yet."""
        raise NotImplementedError

    def __call__(self, *, manager: str) -> Any:
        """The same relation by another manager of the related model: ``author.books(manager="published")``."""
        other = getattr(self.model, manager)
        return type(self).remake(type(other))(self.instance)

    def get_queryset(self) -> Any:
        """The related objects: those that were prefetched, or a question for them."""
        prefetched = self.instance.__dict__.get("_prefetched_objects_cache")
        if prefetched:
            found = prefetched.get(self.prefetch_cache_name)
            if found is not None:
                return found
        key = self.template_key
        if key is None or self._db is not None or router.routers:
            return self._apply_rel_filters(super().get_queryset())
        template = self.model._meta.plans.get(key)
        if template is None or self.filter_value.__class__ is not template[1] or not is_at_home(self.instance):
            return self._first_queryset(key)
        queryset = template[0]._chain()
        queryset._values = (self.filter_value,)
        self._tell(queryset)
        return queryset

    def _first_queryset(self, key: Any) -> Any:
        """Like `get_queryset`; the next time only the value is exchanged."""
        queryset = self._apply_rel_filters(super().get_queryset())
        if is_at_home(self.instance) and queryset._values == (self.filter_value,):
            template = queryset._chain()
            template._known_related = None
            self.model._meta.plans[key] = template, type(self.filter_value)
        return queryset

    def _tell(self, queryset: Any) -> None:
        """Let a queryset know what is known of its objects."""

    def _all_of_model(self) -> Any:
        """What the default manager of the related model knows, related or not."""
        return super().get_queryset()

    def _for_prefetch(self, queryset: Any, instances: list[Any]) -> Any:
        """A queryset that looks where the instances come from, and can be filtered."""
        queryset = queryset._whole()
        queryset._add_hints(instance=instances[0])
        return queryset.using(self._db) if self._db is not None else queryset

    def _apply_rel_filters(self, queryset: Any) -> Any:
        """A queryset of the related model, less what is not related to the instance."""
        instance = self.instance
        if self._db is not None:
            queryset = queryset.using(self._db)
        if router.routers or not is_at_home(instance):
            queryset = queryset._chain()
            queryset._add_hints(instance=instance)
        return queryset._related_to(self.filter_name, self.filter_value, self.is_sticky)

    def _alias_to_write(self, model: Any) -> str:
        """The alias of the database that rows of a model are written to when they have to do with the instance."""
        if router.routers:
            return router.db_for_write(model, instance=self.instance)
        return state_db(self.instance) or DEFAULT_ALIAS

    def _to_write(self, alias: str) -> Any:
        """This manager for the database that is written to, whose superclass may have methods of its own to create."""
        return self if self._db is None and alias == DEFAULT_ALIAS else self.db_manager(alias)

    def _remove_prefetched_objects(self) -> None:
        """Forget what was prefetched, because it is about to change."""
        prefetched = self.instance.__dict__.get("_prefetched_objects_cache")
        if prefetched:
            prefetched.pop(self.prefetch_cache_name, None)


def is_at_home(instance: Any) -> bool:
    """Whether an instance lives where everything does unless somebody says otherwise."""
    alias = instance.__dict__.get("_db")
    return alias == DEFAULT_ALIAS or (alias is None and state_db(instance) in (None, DEFAULT_ALIAS))


def new_class(name: str, base: Any, superclass: Any, body: dict[str, Any]) -> Any:
    """The class of the managers of a relation."""
    made: Any = type(name, (base, superclass), {"__module__": superclass.__module__, **body})
    made.is_plain_made = superclass.__init__ is BaseManager.__init__ and superclass.__new__ is BaseManager.__new__
    if superclass.get_queryset is BaseManager.get_queryset:
        made.template_key = ("related", made)
    return made


def new_reverse_manager_class(superclass: Any, rel: Any) -> Any:
    """The class of the managers of those objects whose foreign key points to one object."""
    field = rel.field
    body = {
        "__doc__": f"The {rel.related_model._meta.verbose_name_plural} of one {rel.model._meta.verbose_name}.",
        "field": field,
        "rel": rel,
        "model": rel.related_model,
        "filter_name": field.name,
        "target_name": field.target_field.attname,
        "prefetch_cache_name": rel.get_accessor_name(),
        "remake": staticmethod(lambda other: new_reverse_manager_class(other, rel)),
    }
    return new_class("RelatedManager", NullableReverseManager if field.null else ReverseManager, superclass, body)


class ReverseManager(RelatedManager):
    """The objects whose foreign key points to `instance`."""

    field: Any
    rel: Any
    # The attribute of the instance that foreign keys hold.
    target_name: str

    def _attach(self, instance: Any) -> None:
        self.instance = instance
        self.filter_value = getattr(instance, self.target_name)
        if instance.pk is None:
            raise ValueError(
                f"{instance!r} instance needs to have a primary key value before this relationship can be used."
            )

    def _tell(self, queryset: Any) -> None:
        queryset._known_related = (self.field, {self.filter_value: self.instance})

    def _apply_rel_filters(self, queryset: Any) -> Any:
        if self.filter_value is None:
            return queryset.none()
        queryset = super()._apply_rel_filters(queryset)
        self._tell(queryset)
        return queryset

    def get_prefetch_querysets(self, instances: list[Any], querysets: list[Any] | None = None) -> tuple[Any, ...]:
        """How to load the related objects of many instances; see `prefetch.py`."""
        given = only_queryset(querysets) if querysets else self._all_of_model()
        queryset = self._for_prefetch(given, instances)
        field, target = self.field, self.target_name
        owners = {getattr(instance, target): instance for instance in instances}
        queryset = queryset.filter(**{f"{field.name}__in": [key for key in owners if key is not None]})
        attname = field.attname
        if given.is_sliced:
            queryset = queryset._each(attname, given._low, given._high)
        queryset._known_related = (field, owners)
        return (
            queryset,
            lambda related: getattr(related, attname),
            lambda instance: getattr(instance, target),
            False,
            self.prefetch_cache_name,
            False,
        )

    # -- changing

    def add(self, *objs: Any, bulk: bool = True) -> None:
        """Let the foreign keys of these objects point here: by one UPDATE, or saving each with ``bulk=False``."""
        self._remove_prefetched_objects()
        alias = self._alias_to_write(self.model)
        for obj in objs:
            self._check_type(obj)
        if bulk:
            keys = set()
            for obj in objs:
                if is_adding(obj) or state_db(obj) != alias:
                    raise ValueError(f"{obj!r} instance isn't saved. Use bulk=False or save the object first.")
                keys.add(obj.pk)
            for obj in objs:
                setattr(obj, self.field.name, self.instance)
            if keys:
                self.model._base_manager.using(alias).filter(pk__in=keys).update(**{self.field.name: self.instance})
            return
        with transaction.atomic(using=alias, savepoint=False):
            for obj in objs:
                setattr(obj, self.field.name, self.instance)
                obj.save()

    def _check_type(self, obj: Any) -> None:
        if not isinstance(obj, self.model):
            raise TypeError(f"{self.model._meta.object_name!r} instance expected, got {obj!r}")

    def create(self, /, **kwargs: Any) -> Any:
        """Make an object that points here, and save it."""
        self._remove_prefetched_objects()
        made = self._to_write(self._alias_to_write(self.model))
        return super(ReverseManager, made).create(**{**kwargs, self.field.name: self.instance})

    def get_or_create(self, defaults: Mapping[str, Any] | None = None, **kwargs: Any) -> tuple[Any, bool]:
        """The object that points here and matches; made where there is none. Returns it, and whether it was made."""
        self._remove_prefetched_objects()
        made = self._to_write(self._alias_to_write(self.model))
        found: tuple[Any, bool] = super(ReverseManager, made).get_or_create(
            defaults, **{**kwargs, self.field.name: self.instance}
        )
        return found

    def update_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, bool]:
        """Like `get_or_create`, but one that exists gets the values of `defaults`."""
        self._remove_prefetched_objects()
        made = self._to_write(self._alias_to_write(self.model))
        found: tuple[Any, bool] = super(ReverseManager, made).update_or_create(
            defaults, create_defaults, **{**kwargs, self.field.name: self.instance}
        )
        return found

    def set(self, objs: Iterable[Any], *, bulk: bool = True, clear: bool = False) -> None:
        """Let exactly these objects point here; the foreign key cannot be null, so none is removed."""
        self.add(*objs, bulk=bulk)

    # -- for async code

    aadd = twin(add)
    acreate = twin(create)
    aget_or_create = twin(get_or_create)
    aupdate_or_create = twin(update_or_create)
    aset = twin(set)


class NullableReverseManager(ReverseManager):
    """The same where the foreign key may be null, so that objects can be removed, too."""

    def remove(self, *objs: Any, bulk: bool = True) -> None:
        """Let the foreign keys of these objects be null. Raises `DoesNotExist` for one that does not point here."""
        if not objs:
            return
        keys = set()
        for obj in objs:
            self._check_type(obj)
            if getattr(obj, self.field.attname) != self.filter_value:
                raise self.field.remote_field.model.DoesNotExist(f"{obj!r} is not related to {self.instance!r}.")
            keys.add(obj.pk)
        self._clear(self.filter(pk__in=keys), bulk)
        for obj in objs:
            setattr(obj, self.field.name, None)

    def clear(self, *, bulk: bool = True) -> None:
        """Let the foreign keys of all related objects be null."""
        self._clear(self, bulk)

    def _clear(self, related: Any, bulk: bool) -> None:
        self._remove_prefetched_objects()
        alias = self._alias_to_write(self.model)
        queryset = related.using(alias)
        if bulk:
            queryset.update(**{self.field.name: None})
            return
        with transaction.atomic(using=alias, savepoint=False):
            for obj in queryset:
                setattr(obj, self.field.name, None)
                obj.save(update_fields=[self.field.name])

    def set(self, objs: Iterable[Any], *, bulk: bool = True, clear: bool = False) -> None:
        """Let exactly these objects point here: what does no more is removed, what is new added."""
        objs = tuple(objs)
        alias = self._alias_to_write(self.model)
        with transaction.atomic(using=alias, savepoint=False):
            if clear:
                self.clear(bulk=bulk)
                self.add(*objs, bulk=bulk)
                return
            old = set(self.using(alias).all())
            new = [obj for obj in objs if obj not in old]
            self.remove(*(obj for obj in old if obj not in set(objs)), bulk=bulk)
            self.add(*new, bulk=bulk)

    # -- for async code

    aremove = twin(remove)
    aclear = twin(clear)
    aset = twin(set)


def only_queryset(querysets: list[Any]) -> Any:
    """The queryset that was given for a prefetch."""
    if len(querysets) != 1:
        raise ValueError("querysets argument of get_prefetch_querysets() should have a length of 1.")
    return querysets[0]

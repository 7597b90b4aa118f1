"""The attributes by which one gets from an object to what it is related to.

Each stands on the class under the name of its relation: the one related object
(forward, or backward over a one-to-one relation), which is loaded when it is
first read, or a manager of the many (`managers.py`).

An instance remembers a related object in its dictionary, under ``_cached_<name>``.
Nothing watches the foreign key itself: a forward descriptor compares it with the
object that is remembered, whenever that is asked for. So ``book.author_id = 5``
is enough to be given another author.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

from webframe.db.connections import router
from webframe.db.models.related.managers import new_reverse_manager_class
from webframe.db.models.related.many_managers import new_many_manager_class
from webframe.db.models.related.rels import MISSING
from webframe.db.models.state import state_db

# Held while a class is made.
_making = threading.RLock()


class made_once(cached_property[Any]):
    """A `cached_property` of which threads that come at once get the same value, on every Python."""

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        with _making:
            return super().__get__(instance, owner)


class _OneDescriptor:
    """What the two descriptors have in common that give one object."""

    # The relation, as the class sees it that the descriptor stands on: a field, or the other end of one.
    relation: Any

    @made_once
    def RelatedObjectDoesNotExist(self) -> type[Exception]:
        """What is raised where there is none: `DoesNotExist` of the other model, and an AttributeError."""
        related = self._related_model
        owner = self._owner
        return type(
            "RelatedObjectDoesNotExist",
            (related.DoesNotExist, AttributeError),
            {
                "__module__": owner.__module__,
                "__qualname__": f"{owner.__qualname__}.{self._name}.RelatedObjectDoesNotExist",
            },
        )

    @property
    def _related_model(self) -> Any:
        return self.relation.related_model

    @property
    def _owner(self) -> Any:
        raise NotImplementedError

    @property
    def _name(self) -> str:
        raise NotImplementedError

    def is_cached(self, instance: Any) -> bool:
        """Whether the instance remembers what a question would have to find out."""
        return bool(self.relation.is_cached(instance))

    def get_queryset(self, **hints: Any) -> Any:
        """Where related objects are looked for: among all rows, whatever the default manager leaves out."""
        return self._related_model._base_manager.db_manager(hints=hints).all()

    def _check(self, instance: Any, value: Any) -> None:
        """Refuse what is not an object of the other model, or lives where this one cannot refer to it."""
        if not isinstance(value, self._related_model._meta.concrete_model):
            raise ValueError(
                f"Cannot assign {value!r}: {type(instance).__name__}.{self._name} must be a "
                f"{self._related_model.__name__} instance."
            )
        own, other = state_db(instance), state_db(value)
        if router.routers or own != other:
            _bring_together(instance, value, own, other)


def _bring_together(instance: Any, value: Any, own: str | None, other: str | None) -> None:
    """Let an object that is new go to the database of the other; refuse two that cannot be related."""
    if own is None and (router.routers or other != "default"):
        instance._state.db = own = router.db_for_write(type(instance), instance=value)
    if other is None and own is not None and (router.routers or own != "default"):
        value._state.db = other = router.db_for_write(type(value), instance=instance)
    if own is not None and other is not None and not router.allow_relation(value, instance):
        raise ValueError(
            f"Cannot assign {value!r}: the current database router prevents this relation. The objects are in the "
            f"databases {own!r} and {other!r}."
        )


class ForwardManyToOneDescriptor(_OneDescriptor):
    """The object that a foreign key of this one points to: ``book.author``."""

    def __init__(self, field: Any) -> None:
        self.field = self.relation = field
        self._cache_name: str = field.cache_name
        self._unsaved_name: str = field.unsaved_name
        self.left_out_name: str = field.left_out_name
        self._attname: str = field.attname
        self._single = field.one_to_one

    @property
    def _owner(self) -> Any:
        return self.field.model

    @property
    def _name(self) -> str:
        return str(self.field.name)

    @cached_property
    def _target_name(self) -> str:
        return str(self.field.target_field.attname)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        attributes = instance.__dict__
        value = attributes.get(self._attname, MISSING)
        if value is MISSING:
            value = getattr(instance, self._attname)
        cached = attributes.get(self._cache_name)
        if cached is not None:
            key = cached.__dict__.get(self._target_name)
            if key == value or (value is None and self._unsaved_name in attributes):
                return cached
        if value is None or (cached is None and self.left_out_name in attributes and self.is_cached(instance)):
            if self.field.null:
                return None
            raise self.RelatedObjectDoesNotExist(f"{self.field.model.__name__} has no {self.field.name}.")
        related = self.get_object(instance)
        attributes[self._cache_name] = related
        if self._single:
            self.field.remote_field.set_cached_value(related, instance)
        return related

    def get_object(self, instance: Any) -> Any:
        """Load the related object. Raises its model's `DoesNotExist` where a row points to nothing."""
        field = self.field
        target = field.target_field.name  # `FieldError` where the other model is not defined
        manager = field.remote_field.model._base_manager
        if router.routers or state_db(instance) not in (None, "default"):
            manager = manager.db_manager(hints={"instance": instance})
        return manager.get(**{target: getattr(instance, self._attname)})

    def is_cached(self, instance: Any) -> bool:
        """Whether a question is needless: the object, or that it was left out, is remembered, and still right."""
        attributes = instance.__dict__
        if self._cache_name not in attributes:
            return False
        cached = attributes[self._cache_name]
        value = attributes.get(self._attname)
        if cached is None:
            return value is None or bool(attributes.get(self.left_out_name) == value)
        return bool(cached.__dict__.get(self._target_name) == value) or self._unsaved_name in attributes

    def __set__(self, instance: Any, value: Any) -> None:
        attributes = instance.__dict__
        remote = self.field.remote_field
        if value is None:
            attributes.pop(self.left_out_name, None)
            if self._single:
                former = attributes.get(self._cache_name)
                if former is not None:
                    remote.set_cached_value(former, None)
            key = None
        else:
            self._check(instance, value)
            key = getattr(value, self._target_name)
        if key is None and value is not None:
            attributes[self._unsaved_name] = True
        else:
            attributes.pop(self._unsaved_name, None)
        setattr(instance, self._attname, key)
        attributes[self._cache_name] = value
        if self._single and value is not None:
            remote.set_cached_value(value, instance)

    def get_prefetch_querysets(self, instances: list[Any], querysets: list[Any] | None = None) -> tuple[Any, ...]:
        """How to load the related objects of many instances; see `prefetch.py`."""
        queryset = _only(querysets) if querysets else self.get_queryset(instance=instances[0])
        attname, target = self._attname, self.field.target_field
        keys = {value for instance in instances if (value := getattr(instance, attname)) is not None}
        queryset = queryset.filter(**{f"{target.name}__in": keys}) if keys else queryset.none()
        if not queryset.is_sliced:
            queryset = queryset.order_by()
        if self._single:
            owners = {getattr(instance, attname): instance for instance in instances}
            for related in queryset:
                self.field.remote_field.set_cached_value(related, owners[getattr(related, target.attname)])
        return queryset, _getter(target.attname), _getter(attname), True, self._cache_name, False

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.field.model, self.field.name)


class ForwardOneToOneDescriptor(ForwardManyToOneDescriptor):
    """The same for a one-to-one field; for the link to a parent, the parent is made of what the child has."""

    def get_object(self, instance: Any) -> Any:
        if not self.field.remote_field.parent_link:
            return super().get_object(instance)
        model = self.field.remote_field.model
        names = [field.attname for field in model._meta.concrete_fields]
        if any(name not in instance.__dict__ for name in names):
            return super().get_object(instance)
        related = model(**{name: instance.__dict__[name] for name in names})
        related._state.adding = instance._state.adding
        related._state.db = instance._state.db
        return related

    def __set__(self, instance: Any, value: Any) -> None:
        super().__set__(instance, value)
        # The keys of parents are columns of parents: they follow the link.
        if self.field.primary_key and self.field.remote_field.parent_link:
            for field in instance._meta.concrete_fields:
                if field.primary_key and field.remote_field:
                    name = field.remote_field.model._meta.pk.attname
                    setattr(instance, name, getattr(value, name) if value is not None else None)


class ReverseOneToOneDescriptor(_OneDescriptor):
    """The object whose one-to-one field points to this one: ``author.profile``."""

    def __init__(self, related: Any) -> None:
        self.related = self.relation = related

    @property
    def _owner(self) -> Any:
        return self.related.model

    @property
    def _name(self) -> str:
        return str(self.related.get_accessor_name())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        relation = self.related
        attributes = instance.__dict__
        related = attributes.get(relation.cache_name, MISSING)
        if related is MISSING:
            field = relation.field
            key = getattr(instance, field.target_field.attname)
            related = None
            if key is not None:
                try:
                    related = self.get_queryset(instance=instance).get(**{field.name: key})
                except relation.related_model.DoesNotExist:
                    pass
                else:
                    field.set_cached_value(related, instance)
            attributes[relation.cache_name] = related
        if related is None:
            raise self.RelatedObjectDoesNotExist(f"{type(instance).__name__} has no {self._name}.")
        return related

    def __set__(self, instance: Any, value: Any) -> None:
        relation = self.related
        field = relation.field
        if value is None:
            former = instance.__dict__.pop(relation.cache_name, None)
            if former is not None:
                field.delete_cached_value(former)
                setattr(former, field.attname, None)
            return
        self._check(instance, value)
        # The forward side keeps both ends in step.
        setattr(value, field.name, instance)

    def get_prefetch_querysets(self, instances: list[Any], querysets: list[Any] | None = None) -> tuple[Any, ...]:
        """How to load the related objects of many instances; see `prefetch.py`."""
        queryset = _only(querysets) if querysets else self.get_queryset(instance=instances[0])
        field = self.related.field
        target = field.target_field.attname
        owners = {getattr(instance, target): instance for instance in instances}
        queryset = queryset.filter(**{f"{field.name}__in": [key for key in owners if key is not None]})
        if not queryset.is_sliced:
            queryset = queryset.order_by()
        for related in queryset:
            field.set_cached_value(related, owners[getattr(related, field.attname)])
        return queryset, _getter(field.attname), _getter(target), True, self.related.cache_name, False

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.related.model, self._name)


class ReverseManyToOneDescriptor:
    """The manager of the objects whose foreign key points to this one: ``author.books``."""

    def __init__(self, rel: Any) -> None:
        self.rel = rel
        self.field = rel.field

    @made_once
    def related_manager_cls(self) -> Any:
        """The class of the managers, made when one is first asked for."""
        return new_reverse_manager_class(type(self.rel.related_model._default_manager), self.rel)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return self.related_manager_cls.of(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.rel.get_accessor_name()
        raise TypeError(
            f"Direct assignment to the reverse side of a related set is prohibited. Use {name}.set() instead."
        )


class ManyToManyDescriptor:
    """The manager of the objects at the other end: ``pizza.toppings``, ``topping.pizzas``."""

    def __init__(self, rel: Any, reverse: bool = False) -> None:
        self.rel = rel
        self.field = rel.field
        self.reverse = reverse

    @property
    def through(self) -> Any:
        """The model of the rows between: `Pizza.toppings.through`, the sender of m2m_changed."""
        return self.rel.through

    @made_once
    def related_manager_cls(self) -> Any:
        """The class of the managers, made when one is first asked for."""
        model = self.rel.related_model if self.reverse else self.rel.model
        return new_many_manager_class(type(model._default_manager), self.rel, self.reverse)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return self.related_manager_cls.of(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        side = "reverse" if self.reverse else "forward"
        name = self.rel.get_accessor_name() if self.reverse else self.field.name
        raise TypeError(
            f"Direct assignment to the {side} side of a many-to-many set is prohibited. Use {name}.set() instead."
        )


def _only(querysets: list[Any]) -> Any:
    """The queryset that was given for a prefetch."""
    if len(querysets) != 1:
        raise ValueError("querysets argument of get_prefetch_querysets() should have a length of 1.")
    return querysets[0]


def _getter(attname: str) -> Any:
    return lambda instance: getattr(instance, attname)

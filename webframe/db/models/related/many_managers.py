"""Managers of many-to-many relations: ``pizza.toppings``, ``topping.pizzas``.

Changing a relation sends m2m_changed, around the change and in its transaction.
Where nobody hears of it, relating costs one statement, which leaves out what is
related already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from webframe._lazy import LateModule
from webframe.db import transaction
from webframe.db.connections import connections, router
from webframe.db.models.conditions import Q
from webframe.db.models.expressions import F
from webframe.db.models.paths import scalar
from webframe.db.models.related.managers import RelatedManager, new_class, only_queryset
from webframe.db.models.sending import emit, listens
from webframe.db.models.signals import m2m_changed, post_init, pre_init
from webframe.db.models.state import state_db
from webframe.db.models.twins import twin

if TYPE_CHECKING:
    from webframe.db.models.compiler import plans, write
else:
    plans = LateModule("webframe.db.models.compiler.plans")
    write = LateModule("webframe.db.models.compiler.write")

# Values of a foreign key. In the class below `set` is a method.
Keys: TypeAlias = set[Any]


def new_many_manager_class(superclass: Any, rel: Any, reverse: bool) -> Any:
    """The class of the managers of one end of a many-to-many relation."""
    field = rel.field
    source, target = field.through_source, field.through_target
    if reverse:
        source, target = target, source
    body = {
        "field": field,
        "rel": rel,
        "reverse": reverse,
        "model": rel.related_model if reverse else rel.model,
        "through": rel.through,
        "symmetrical": rel.symmetrical,
        "source_field": source,
        "target_field": target,
        "source_field_name": source.name,
        "target_field_name": target.name,
        "filter_name": field.name if reverse else field.related_query_name(),
        "value_name": source.target_field.attname,
        "value_is_key": source.target_field.primary_key,
        "key_type": plans.exact_type_of(scalar(target)),
        "prefetch_cache_name": rel.get_accessor_name() if reverse else field.name,
        "remake": staticmethod(lambda other: new_many_manager_class(other, rel, reverse)),
    }
    return new_class("ManyRelatedManager", ManyRelatedManager, superclass, body)


class ManyRelatedManager(RelatedManager):
    """The objects that rows of the model `through` relate to `instance`."""

    field: Any
    rel: Any
    reverse: bool  # type: ignore[assignment]  # in the place of the method
    through: Any
    symmetrical: bool
    # The foreign keys of `through` to this end and to the other.
    source_field: Any
    target_field: Any
    source_field_name: str
    target_field_name: str
    # The attribute of the instance that rows of `through` hold.
    value_name: str
    # Whether that is the primary key.
    value_is_key: bool
    # The type of keys that rows of `through` hold as they are; None: all are converted.
    key_type: type | None
    is_sticky = True

    def _attach(self, instance: Any) -> None:
        self.instance = instance
        self.filter_value = value = getattr(instance, self.value_name)
        if value is None:
            raise ValueError(
                f'"{instance!r}" needs to have a value for field "{self.value_name}" before this many-to-many '
                f"relationship can be used."
            )
        if not self.value_is_key and instance.pk is None:
            raise ValueError(
                f"{type(instance).__name__!r} instance needs to have a primary key value before a many-to-many "
                f"relationship can be used."
            )

    def get_prefetch_querysets(self, instances: list[Any], querysets: list[Any] | None = None) -> tuple[Any, ...]:
        """How to load the related objects of many instances; see `prefetch.py`."""
        given = only_queryset(querysets) if querysets else self._all_of_model()
        queryset = self._for_prefetch(given, instances)
        value_name = self.value_name
        alias = f"_prefetch_related_val_{self.source_field.attname}"
        keys = list({getattr(instance, value_name) for instance in instances})
        queryset = queryset._clone()._next_is_sticky().filter(**{f"{self.filter_name}__in": keys})
        queryset = queryset.annotate(**{alias: F(f"{self.filter_name}__{self.source_field.target_field.name}")})
        if given.is_sliced:
            queryset = queryset._each(alias, given._low, given._high)
        return (
            queryset,
            lambda related: related.__dict__[alias],
            lambda instance: getattr(instance, value_name),
            False,
            self.prefetch_cache_name,
            False,
        )

    # -- changing

    def add(self, *objs: Any, through_defaults: Mapping[str, Any] | None = None) -> None:
        """Relate these objects, or those with these keys; what is related already stays as it is."""
        self._remove_prefetched_objects()
        if not objs:
            return
        self._add(objs, through_defaults, raw=False)

    def _add(self, objs: Iterable[Any], through_defaults: Mapping[str, Any] | None, raw: bool) -> None:
        targets = self._keys_of(objs, "add")
        alias = self._alias_to_write(self.through)
        listened = bool(m2m_changed.active) and listens(self.through, m2m_changed)
        if not listened and not through_defaults and self._rows_are_plain():
            if connections[alias].features.supports_ignore_conflicts:
                self._insert_ignoring(targets, alias)
                return
        with transaction.atomic(using=alias, savepoint=False):
            missing = self._missing(self.source_field, self.target_field, targets, alias)
            related = targets - missing
            if listened:
                self._emit("pre_add", missing, alias, raw)
            self._insert(self.source_field, self.target_field, missing, alias, through_defaults)
            if self.symmetrical:
                # The mirror rows are not news to anybody; what a receiver has taken out gets none.
                mirrored = self._missing(self.target_field, self.source_field, missing | related, alias)
                self._insert(self.target_field, self.source_field, mirrored, alias, through_defaults)
            if listened:
                self._emit("post_add", missing, alias, raw)

    def _rows_are_plain(self) -> bool:
        """Whether rows between hold nothing but two keys, and nobody hears of their objects being made."""
        if (pre_init.active or post_init.active) and listens(self.through, pre_init, post_init):
            return False
        return bool(self.through._meta.auto_created)

    def _insert_ignoring(self, targets: Keys, alias: str) -> None:
        """Insert rows of a made-up model, less those that are there: one statement."""
        value = self.filter_value
        fields = (self.source_field, self.target_field)
        if not self.symmetrical:
            write.insert_many(self.through, fields, [(value, key) for key in targets], alias, ignore_conflicts=True)
            return
        rows = dict.fromkeys([*((value, key) for key in targets), *((key, value) for key in targets)])
        with transaction.atomic(using=alias, savepoint=False):
            write.insert_many(self.through, fields, list(rows), alias, ignore_conflicts=True)

    def _missing(self, source: Any, target: Any, targets: Keys, alias: str) -> Keys:
        """Those of the keys that no row relates yet; a set of its own."""
        if not targets:
            return set()
        related = self.through._default_manager.using(alias).filter(
            **{source.name: self.filter_value, f"{target.name}__in": targets}
        )
        return targets.difference(related.values_list(target.attname, flat=True))

    def _insert(
        self, source: Any, target: Any, keys: Iterable[Any], alias: str, through_defaults: Mapping[str, Any] | None
    ) -> None:
        through = self.through
        values = {name: value() if callable(value) else value for name, value in (through_defaults or {}).items()}
        rows = [through(**{**values, source.attname: self.filter_value, target.attname: key}) for key in keys]
        if rows:
            ignoring = bool(through._meta.auto_created) and connections[alias].features.supports_ignore_conflicts
            through._default_manager.using(alias).bulk_create(rows, ignore_conflicts=ignoring)

    def remove(self, *objs: Any) -> None:
        """Relate these objects, or those with these keys, no more; it is no error if they are not related."""
        self._remove_prefetched_objects()
        if objs:
            self._remove(self._keys_of(objs, "remove"), raw=False)

    def _remove(self, keys: Keys, raw: bool) -> None:
        alias = self._alias_to_write(self.through)
        with transaction.atomic(using=alias, savepoint=False):
            self._emit("pre_remove", keys, alias, raw)
            visible = self._all_of_model()
            if visible._has_filters():
                related: Any = visible.using(alias).filter(**{f"{self.target_field.target_field.name}__in": list(keys)})
                self._delete_rows(related.values(self.target_field.target_field.attname), alias)
            elif keys:
                self._delete_rows(list(keys), alias)
            self._emit("post_remove", keys, alias, raw)

    def clear(self) -> None:
        """Relate no object any more."""
        self._clear(raw=False)

    def _clear(self, raw: bool) -> None:
        self._remove_prefetched_objects()
        alias = self._alias_to_write(self.through)
        with transaction.atomic(using=alias, savepoint=False):
            self._emit("pre_clear", None, alias, raw)
            visible = self._all_of_model()
            if visible._has_filters():
                self._delete_rows(visible.using(alias).values(self.target_field.target_field.attname), alias)
            else:
                self._delete_rows(None, alias)
            self._emit("post_clear", None, alias, raw)

    def _delete_rows(self, keys: Any, alias: str) -> None:
        """Delete the rows that lead to these keys (a list or a queryset; None: to any)."""
        condition = self._condition(self.source_field_name, self.target_field_name, keys)
        if self.symmetrical:
            condition |= self._condition(self.target_field_name, self.source_field_name, keys)
        self.through._default_manager.using(alias).filter(condition).delete()

    def _condition(self, source: str, target: str, keys: Any) -> Q:
        condition = Q(**{source: self.filter_value})
        return condition if keys is None else condition & Q(**{f"{target}__in": keys})

    def set(
        self, objs: Iterable[Any], *, clear: bool = False, through_defaults: Mapping[str, Any] | None = None
    ) -> None:
        """Relate exactly these objects, or those with these keys; with `clear` all rows are made anew."""
        self.set_base(objs, clear=clear, through_defaults=through_defaults)

    def set_base(
        self,
        objs: Iterable[Any],
        *,
        clear: bool = False,
        through_defaults: Mapping[str, Any] | None = None,
        raw: bool = False,
    ) -> None:
        """What `set` does; `raw` is for fixtures, and receivers are told."""
        objs = tuple(objs)
        alias = self._alias_to_write(self.through)
        keys = self._keys_of(objs, "set")
        self._remove_prefetched_objects()
        with transaction.atomic(using=alias, savepoint=False):
            if clear:
                self._clear(raw)
                old: Keys = set()
            else:
                name = self.target_field.target_field.attname
                old = set(self.using(alias).values_list(name, flat=True))
                if dropped := old - keys:
                    self._remove(dropped, raw)
            # In the order in which they were given.
            new = [key for key in dict.fromkeys(map(self._key_of, objs)) if key not in old]
            if new:
                self._add(new, through_defaults, raw)

    def create(self, /, *, through_defaults: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        """Make an object, save it and relate it."""
        created = super(ManyRelatedManager, self._for_writing()).create(**kwargs)
        self.add(created, through_defaults=through_defaults)
        return created

    def get_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        *,
        through_defaults: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, bool]:
        """The related object that matches, made and related where there is none; and whether it was made."""
        found, created = super(ManyRelatedManager, self._for_writing()).get_or_create(defaults, **kwargs)
        if created:
            self.add(found, through_defaults=through_defaults)
        return found, created

    def update_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        *,
        through_defaults: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, bool]:
        """Like `get_or_create`, but one that exists gets the values of `defaults`."""
        found, created = super(ManyRelatedManager, self._for_writing()).update_or_create(
            defaults, create_defaults, **kwargs
        )
        if created:
            self.add(found, through_defaults=through_defaults)
        return found, created

    def _for_writing(self) -> Any:
        return self._to_write(self._alias_to_write(type(self.instance)))

    # -- for async code

    aadd = twin(add)
    aremove = twin(remove)
    aclear = twin(clear)
    aset = twin(set)
    acreate = twin(create)
    aget_or_create = twin(get_or_create)
    aupdate_or_create = twin(update_or_create)

    # -- helpers

    def _keys_of(self, objs: Iterable[Any], method: str) -> Keys:
        kind, model, name = self.key_type, self.model, self.target_field.target_field.attname
        # Where the instance is, unless routers have to be asked whether objects may be related.
        home = None if router.routers else state_db(self.instance)
        keys: Keys = set()
        for obj in objs:
            key = obj if obj.__class__ is kind else None
            if obj.__class__ is model and home is not None:
                attributes = obj.__dict__
                if attributes.get("_db") == home:
                    key = attributes.get(name)
            keys.add(self._key_of(obj, method) if key is None else key)
        return keys

    def _key_of(self, obj: Any, method: str = "set") -> Any:
        """What the rows between hold for an object; a key that is given becomes what the column has."""
        target = self.target_field
        if isinstance(obj, self.model):
            if method != "remove" and not self._may_relate(obj):
                raise ValueError(
                    f'Cannot add "{obj!r}": instance is on database "{state_db(self.instance)}", value is on database '
                    f'"{state_db(obj)}"'
                )
            key = getattr(obj, target.target_field.attname)
            if key is None and method != "remove":
                raise ValueError(f'Cannot add "{obj!r}": the value for field "{target.name}" is None')
            return key
        if hasattr(obj, "_meta"):
            raise TypeError(f"{self.model._meta.object_name!r} instance expected, got {obj!r}")
        return target.target_field.to_python(target.get_prep_value(obj))

    def _may_relate(self, obj: Any) -> bool:
        if not router.routers and state_db(obj) == state_db(self.instance):
            return True
        return router.allow_relation(obj, self.instance)

    def _emit(self, action: str, keys: Keys | None, alias: str, raw: bool) -> None:
        if m2m_changed.active:
            emit(
                m2m_changed,
                self.through,
                instance=self.instance,
                action=action,
                reverse=self.reverse,
                model=self.model,
                pk_set=keys,
                using=alias,
                raw=raw,
            )

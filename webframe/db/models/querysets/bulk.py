"""Many instances at once: bulk_create and bulk_update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldDoesNotExist
from webframe.db import transaction
from webframe.db.connections import connections
from webframe.db.errors import NotSupportedError
from webframe.db.models.compiler import operations as ops
from webframe.db.models.compiler.operations import PLAIN_TYPES, is_expression
from webframe.db.models.fields.defaults import DATABASE_DEFAULT
from webframe.db.models.generic import Row
from webframe.db.models.late_keys import prepare_related_fields_for_save
from webframe.db.models.paths import find
from webframe.db.models.querysets.writing import Writing
from webframe.db.models.state import mark_saved

if TYPE_CHECKING:
    from webframe.db.models.compiler import write
else:
    write = LateModule("webframe.db.models.compiler.write")

Fields = tuple[Any, ...]


class Bulk(Writing[Row]):
    """What writes many instances; no `save()` is called and no signal is sent."""

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Iterable[str] | None = None,
    ) -> list[Row]:
        """Insert a row for each instance, many in one statement; returns the instances as a list.

        They get the keys that the database made, where it can tell (SQLite,
        PostgreSQL, MariaDB), and not with `ignore_conflicts`, which leaves out rows that
        would break a unique constraint. With `update_conflicts` the row that is there,
        the one with the same `unique_fields`, gets the values of `update_fields`.
        """
        if batch_size is not None and batch_size <= 0:
            raise ValueError("Batch size must be a positive integer.")
        meta = self.model._meta
        for parent in meta.all_parents:
            if parent._meta.concrete_model is not meta.concrete_model:
                raise ValueError("Can't bulk create a multi-table inherited model")
        meta = meta.concrete_model._meta  # a proxy has no fields of its own
        objs = list(objs)
        updated, unique = self._conflicts(ignore_conflicts, update_conflicts, update_fields, unique_fields)
        if not objs:
            return objs
        alias = self._write_alias()
        _prepare_related(objs, meta.local_concrete_fields)
        pk = meta.pk
        new, keyed = _by_key(objs, pk)
        with transaction.atomic(using=alias, savepoint=False):
            for instances, fields in ((keyed, meta.local_concrete_fields), (new, _of_new(meta))):
                for part, names in _by_defaults(instances, fields):
                    inserting = _Inserting(self.model, names, alias, ignore_conflicts, updated, unique, batch_size)
                    inserting.insert(part)
        return objs

    def _conflicts(
        self,
        ignore: bool,
        update: bool,
        update_fields: Iterable[str] | None,
        unique_fields: Iterable[str] | None,
    ) -> tuple[Fields, Fields]:
        """The fields to update and those that tell rows apart. Raises ValueError for what makes no sense."""
        features = connections[self._write_alias()].features
        if ignore and update:
            raise ValueError("ignore_conflicts and update_conflicts are mutually exclusive.")
        if ignore and not features.supports_ignore_conflicts:
            raise NotSupportedError("This database backend does not support ignoring conflicts.")
        if not update:
            return (), ()
        if not features.supports_update_conflicts:
            raise NotSupportedError("This database backend does not support updating conflicts.")
        if not update_fields:
            raise ValueError("Fields that will be updated when a row insertion fails on conflicts must be provided.")
        targets = getattr(features, "supports_update_conflicts_with_target", True)
        if unique_fields and not targets:
            raise NotSupportedError(
                "This database backend does not support updating conflicts with specifying unique fields that can "
                "trigger the upsert."
            )
        if not unique_fields and targets:
            raise ValueError("Unique fields that can trigger the upsert must be provided.")
        meta = self.model._meta
        updated = tuple(_field(self.model, name) for name in update_fields)
        unique = tuple(_field(self.model, name) for name in unique_fields or ())
        if any(not field.concrete or field.many_to_many for field in updated):
            raise ValueError("bulk_create() can only be used with concrete fields in update_fields.")
        if any(field.primary_key for field in updated):
            raise ValueError("bulk_create() cannot be used with primary keys in update_fields.")
        if any(not field.concrete or field.many_to_many for field in unique):
            raise ValueError("bulk_create() can only be used with concrete fields in unique_fields.")
        own = meta.concrete_model._meta.local_concrete_fields
        hooked = [field for field in own if getattr(field, "auto_now", False)]
        return (*updated, *[field for field in hooked if field not in updated]), unique

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Write these fields of all instances whose rows are in this queryset; returns how many those are.

        `batch_size` is how many rows one statement writes at most; None: as many as is good.
        """
        if batch_size is not None and batch_size <= 0:
            raise ValueError("Batch size must be a positive integer.")
        names = list(fields)
        if not names:
            raise ValueError("Field names must be given to bulk_update().")
        objs = list(objs)
        chosen = [_field(self.model, name) for name in names]
        if any(not field.concrete or field.many_to_many for field in chosen):
            raise ValueError("bulk_update() can only be used with concrete fields.")
        if any(field.primary_key for field in chosen):
            raise ValueError("bulk_update() cannot be used with primary key fields.")
        if any(instance.pk is None for instance in objs):
            raise ValueError("All bulk_update() objects must have a primary key set.")
        alias = self._write_alias()
        if not objs:
            return 0
        _prepare_related(objs, chosen, "bulk_update")
        tables: dict[Any, list[Any]] = {}
        for field in chosen:
            tables.setdefault(field.model._meta.concrete_model, []).append(field)
        matched = 0
        with transaction.atomic(using=alias, savepoint=False):
            if self._has_filters() or self._nothing or self.is_sliced or self._combined is not None:
                objs = self._within(objs, alias)
            for model, own in tables.items():
                keys = self._keys_in(model, objs, alias)
                matched = max(matched, _update_each(model, tuple(own), objs, keys, alias, batch_size))
        return matched

    def _keys_in(self, model: Any, objs: Sequence[Any], alias: str) -> list[Any]:
        """The keys of the instances' rows in the table of their model, or of one that it inherits from."""
        keys = list(map(attrgetter(model._meta.pk.attname), objs))
        if None not in keys:
            return keys
        # Somebody has made them with nothing but the key of the child.
        pk = self.model._meta.pk
        own = [pk.to_python(instance.pk) for instance in objs]
        rows = self.model._base_manager.using(alias).filter(pk__in=own)
        known = dict(rows.values_list("pk", model._meta.pk.attname))
        return [known.get(mine) if key is None else key for key, mine in zip(keys, own, strict=True)]

    def _within(self, objs: Sequence[Any], alias: str) -> list[Any]:
        """The instances whose rows are in this queryset.

        They are found before any is written, since writing some may change which others match, and locked, so that
        nobody takes them out of the queryset meanwhile.
        """
        if self._distinct:
            raise TypeError("Cannot call bulk_update() after .distinct(*fields).")
        pk = self.model._meta.pk
        keys = [pk.to_python(instance.pk) for instance in objs]
        rows = self.filter(pk__in=keys).using(alias).order_by()
        rows._operations = tuple(each for each in rows._operations if type(each) is not ops.Lock)
        features = connections[alias].features
        # What is distinct or in groups cannot be locked.
        if features.has_select_for_update and self._distinct is None and not self._annotations:
            of = ("self",) if features.has_select_for_update_of else ()
            rows = rows.select_for_update(of=of, no_key=features.has_select_for_no_key_update)
        inside = set(rows._columns_are(("pk",), "flat"))
        return [instance for instance, key in zip(objs, keys, strict=True) if key in inside]


def _field(model: Any, name: str) -> Any:
    field = find(model, name)
    if field is None:
        known = ", ".join(sorted(each.name for each in model._meta.concrete_fields))
        raise FieldDoesNotExist(f"{model._meta.object_name} has no field named {name!r}. Choices are: {known}")
    return field


def _by_key(objs: Sequence[Any], pk: Any) -> tuple[list[Any], list[Any]]:
    """The instances whose key the database will make, and those that have one."""
    new: list[Any] = []
    keyed: list[Any] = []
    attname = pk.attname
    made = pk.has_default()
    for instance in objs:
        key = getattr(instance, attname)
        if key is None and made:
            key = pk.get_pk_value_on_save(instance)
            setattr(instance, attname, key)
        (new if key is None or key is DATABASE_DEFAULT else keyed).append(instance)
    return new, keyed


def _of_new(meta: Any) -> Fields:
    """The fields to write of instances that have no key: all but the key, where the database makes it."""
    known = meta.plans.get("bulk without key")
    if known is None:
        made = meta.pk if meta.pk.db_returning else None
        known = meta.plans["bulk without key"] = tuple(each for each in meta.local_concrete_fields if each is not made)
    fields: Fields = known
    return fields


def _prepare_related(instances: Sequence[Any], fields: Iterable[Any], method: str = "bulk_create") -> None:
    """Take over the keys of related objects that were saved after they were assigned."""
    relations = [field for field in fields if field.is_relation]
    for instance in instances if relations else ():
        prepare_related_fields_for_save(instance, method, relations)


def _by_defaults(instances: Sequence[Any], fields: Fields) -> Iterable[tuple[Sequence[Any], Fields]]:
    """The instances with the fields to write: without those that are left to the database."""
    if not any(field.has_db_default() for field in fields):
        if instances:
            yield instances, fields
        return
    groups: dict[Fields, list[Any]] = {}
    for instance in instances:
        own = tuple(field for field in fields if instance.__dict__.get(field.attname) is not DATABASE_DEFAULT)
        groups.setdefault(own, []).append(instance)
    for own, part in groups.items():
        yield part, own


class _Inserting:
    """Inserting instances whose rows have the same columns."""

    def __init__(
        self,
        model: Any,
        fields: Fields,
        alias: str,
        ignore: bool,
        updated: Fields,
        unique: Fields,
        batch_size: int | None,
    ) -> None:
        self.model = model._meta.concrete_model
        self.fields = fields
        self.alias = alias
        self.ignore = ignore
        self.updated = updated
        self.unique = unique
        self.batch_size = batch_size
        # A conflict that is resolved by an update returns the row that was there, too.
        written = set(fields)
        made = self.model._meta.db_returning_fields
        self.returning: Fields = tuple(field for field in made if field not in written)

    def insert(self, instances: Sequence[Any]) -> None:
        """Insert them, and let them know what the database made."""
        rows = self._rows(instances)
        returned = write.insert_many(
            self.model,
            self.fields,
            rows,
            self.alias,
            ignore_conflicts=self.ignore,
            update_fields=self.updated,
            unique_fields=self.unique,
            returning=self.returning,
            batch_size=self.batch_size,
        )
        alias = self.alias
        if len(returned) != len(instances):
            # Where the database has not told the keys that it made, nobody knows whose rows there are.
            if self.model._meta.pk in self.fields:
                for instance in instances:
                    mark_saved(instance, alias)
        elif len(self.returning) == 1:
            name = self.returning[0].attname
            for instance, (value,) in zip(instances, returned, strict=True):
                attributes = instance.__dict__
                attributes[name] = value
                if "_state" in attributes:
                    mark_saved(instance, alias)
                else:
                    attributes["_db"] = alias
        else:
            names = [field.attname for field in self.returning]
            for instance, row in zip(instances, returned, strict=True):
                instance.__dict__.update(zip(names, row, strict=False))
                mark_saved(instance, alias)

    def _rows(self, instances: Sequence[Any]) -> list[Any]:
        fields = self.fields
        if any(field.has_own_pre_save for field in fields) or len(fields) < 2:
            return [[field.pre_save(instance, True) for field in fields] for instance in instances]
        return list(map(_getter(fields), instances))


def _getter(fields: Fields) -> Callable[[Any], tuple[Any, ...]]:
    getter: Callable[[Any], tuple[Any, ...]] = attrgetter(*[field.attname for field in fields])
    return getter


def _update_each(
    model: Any, fields: Fields, instances: Sequence[Any], keys: Sequence[Any], alias: str, batch_size: int | None
) -> int:
    """As many rows in one statement as is good; those with expressions each in one of its own."""
    together: dict[Any, Sequence[Any]] = {}
    apart: list[tuple[Any, Sequence[Any]]] = []
    for instance, key in zip(instances, keys, strict=True):
        row = [field.pre_save(instance, False) for field in fields]
        if PLAIN_TYPES.issuperset(map(type, row)) or not any(map(is_expression, row)):
            together[key] = (*row, key)  # of instances of the same row the last one counts
        else:
            apart.append((key, row))
    matched = write.update_many(model, fields, list(together.values()), alias, batch_size) if together else 0
    return matched + sum(write.update(model, key, fields, row, alias) for key, row in apart)

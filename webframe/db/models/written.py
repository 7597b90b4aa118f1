"""What saving an object comes to: which columns are written, worked out once for each model, and the plans for them."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.db.models.fields.base import DATABASE_DEFAULT

if TYPE_CHECKING:
    from webframe.db.models.compiler import write
else:
    write = LateModule("webframe.db.models.compiler.write")

Fields = tuple[Any, ...]


class Columns:
    """Some fields of a model, and how their values are taken from an instance."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.names = tuple(field.attname for field in fields)
        # Fields with a `pre_save` that does something.
        self.hooked = any(field.has_own_pre_save for field in fields)
        # Those of them that do no more than to set the attribute; and whether all do.
        self.clocks = tuple(field for field in fields if field.has_own_pre_save and field.pre_save_sets_value)
        self.are_simple = all(field.pre_save_sets_value or not field.has_own_pre_save for field in fields)
        # Under these there are plans in `wrapper.plans`, as long as this object is in use.
        self.insert_key, self.values_key, self.update_key = object(), object(), object()
        self._read: Callable[[dict[str, Any]], Any] | None = itemgetter(*self.names) if len(fields) > 1 else None

    def values(self, instance: Any, raw: bool, add: bool) -> tuple[Any, ...] | list[Any]:
        """The values to write."""
        if self.hooked and not raw:
            return [field.pre_save(instance, add) for field in self.fields]
        if self._read is not None:
            try:
                values: tuple[Any, ...] = self._read(instance.__dict__)
            except KeyError:  # a field that was not loaded, or that is kept elsewhere
                pass
            else:
                return values
        return [getattr(instance, name) for name in self.names]

    def run_clocks(self, instance: Any, add: bool) -> None:
        """Give the instance the values that are those of this moment."""
        for field in self.clocks:
            field.pre_save(instance, add)

    def insert_plan(self, model: Any, wrapper: Any, returning: bool) -> Any:
        """The plan for inserting an instance's row; `returning` its key, which the database makes."""
        fields = model._meta.db_returning_fields if returning else ()
        plan = write.insert_plan_for_instances(model, self.fields, wrapper, fields)
        wrapper.plans[self.insert_key] = plan
        return plan

    def values_plan(self, model: Any, wrapper: Any) -> Any:
        """The plan for inserting a row of values, whose key the database makes."""
        fields = model._meta.db_returning_fields
        plan = wrapper.plans[self.values_key] = write.insert_plan_for_values(model, self.fields, wrapper, fields)
        return plan

    def update_plan(self, model: Any, wrapper: Any) -> Any:
        """The plan for updating an instance's row."""
        plan = wrapper.plans[self.update_key] = write.update_plan_for_instances(model, self.fields, wrapper)
        return plan

    def without_defaults(self, values: Any) -> tuple[Fields, list[Any]]:
        """The fields and values without those that the database has a default for."""
        pairs = [
            (field, value) for field, value in zip(self.fields, values, strict=True) if value is not DATABASE_DEFAULT
        ]
        return tuple(field for field, _ in pairs), [value for _, value in pairs]


class Writing:
    """What saving a row of a model's own table comes to, worked out once."""

    def __init__(self, model: Any, *, by_own_rules: bool) -> None:
        """`by_own_rules`: the model has a `save_base` of its own."""
        meta = model._meta
        pk = meta.pk
        self.model = model
        fields = meta.local_concrete_fields
        self.pk = pk
        self.pk_name = pk.attname
        # All columns; those that an update writes; those of a new row that has no key yet.
        self.all = Columns(fields)
        self.without_key = Columns(tuple(field for field in fields if field is not pk))
        self.new = self.without_key if pk.db_returning else self.all
        self.returning = meta.db_returning_fields
        # An explicit number need not be asked for.
        self.returning_with_key = tuple(field for field in self.returning if field is not pk)
        self.key_is_made = pk.has_default() or pk.has_db_default()
        self.has_db_defaults = any(field.has_db_default() for field in fields)
        self.parts: dict[Any, Columns] = {}
        # Where instances remember the objects that their foreign keys refer to.
        self.caches = tuple(field.cache_name for field in meta.concrete_fields if field.is_relation)
        # Whether a row is what is in the dictionary of the instance, and nothing else has to be done than to write it.
        self.is_simple = (
            not meta.parents
            and not meta.proxy
            and meta.plain_values
            and not by_own_rules
            and (pk.is_auto_field or not self.key_is_made)
            and not self.has_db_defaults
            and self.all.are_simple
            and len(fields) > 1
        )
        # Whether for a new one these are the values that it was made of.
        self.is_made_simply = self.is_simple and pk.is_auto_field and not self.without_key.clocks

    def part(self, update_fields: frozenset[str] | tuple[str, ...] | None) -> Columns:
        """The columns that an update with these `update_fields` writes."""
        if update_fields is None:
            return self.without_key
        found = self.parts.get(update_fields)
        if found is None:
            if len(self.parts) >= 128:
                self.parts.clear()
            names = update_fields
            fields = self.without_key.fields
            found = Columns(tuple(field for field in fields if field.name in names or field.attname in names))
            self.parts[update_fields] = found
        return found

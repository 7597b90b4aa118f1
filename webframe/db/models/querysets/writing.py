"""Changing rows through a queryset: create, get_or_create, update, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldDoesNotExist, FieldError
from webframe.db import transaction
from webframe.db.connections import connections
from webframe.db.errors import IntegrityError
from webframe.db.models.compiler import operations as ops
from webframe.db.models.compiler.literals import QueryLiterals, check_references
from webframe.db.models.deletion import Collector
from webframe.db.models.fields.base import Field
from webframe.db.models.generic import Row
from webframe.db.models.paths import choices, find
from webframe.db.models.querysets.reading import Reading
from webframe.utils import timezone

if TYPE_CHECKING:
    from webframe.db.models.compiler import answers, write
else:
    answers = LateModule("webframe.db.models.compiler.answers")
    write = LateModule("webframe.db.models.compiler.write")


class Writing(Reading[Row]):
    """What changes rows."""

    # --- one row ------------------------------------------------------------------------------------------------

    def create(self, /, **kwargs: Any) -> Row:
        """Make an instance with these values and save it."""
        made = self.model(**kwargs)
        made.save(force_insert=True, using=self._write_alias())
        return made  # type: ignore[no-any-return]  # a row

    def _write_alias(self) -> str:
        self._for_write = True
        return self.db

    def get_or_create(self, defaults: Mapping[str, Any] | None = None, **kwargs: Any) -> tuple[Row, bool]:
        """The row that matches, or else a new one; and whether it is new.

        `defaults` are further values for a new row; callables among them are called then.
        """
        alias = self._write_alias()
        try:
            return self.get(**kwargs), False
        except self.model.DoesNotExist:
            params = self._params_for_creating(kwargs, defaults)
            try:
                with transaction.atomic(using=alias):
                    return self.create(**_called(params)), True
            except IntegrityError:
                # Somebody else was quicker.
                try:
                    return self.get(**kwargs), False
                except self.model.DoesNotExist:
                    pass
                raise

    def update_or_create(
        self,
        defaults: Mapping[str, Any] | None = None,
        create_defaults: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> tuple[Row, bool]:
        """The row that matches, changed by `defaults`, or else a new one; and whether it is new.

        A new one gets `create_defaults` instead, if they are given.
        """
        changes = dict(defaults or {})
        alias = self._write_alias()
        with transaction.atomic(using=alias):
            given = changes if create_defaults is None else create_defaults
            found, created = self.select_for_update().get_or_create(given, **kwargs)
            if created:
                return found, True
            for name, value in _called(changes).items():
                setattr(found, name, value)
            fields = self._fields_changed(changes)
            found.save(  # type: ignore[attr-defined]  # an instance
                using=alias, **({} if fields is None else {"update_fields": fields})
            )
        return found, False

    def _fields_changed(self, names: Iterable[str]) -> set[str] | None:
        """The names for update_fields, with fields that may change by themselves; None: not only columns change.

        As in Django those are all whose class has a `pre_save` of its own, any date and moment among them: a receiver
        that sets one, or a `save()` of the model, is not told in vain.
        """
        changed = set(names)
        meta = self.model._meta
        columns = {name for field in meta.concrete_fields for name in (field.name, field.attname)}
        if not changed <= columns:
            return None
        keys = {name for name in (meta.pk.name, meta.pk.attname)}
        if changed & keys:
            return None
        for field in meta.local_concrete_fields:
            if type(field).pre_save is not Field.pre_save and not field.primary_key:
                changed |= {field.name, field.attname} if field.name != field.attname else {field.name}
        return changed

    def _params_for_creating(
        self, kwargs: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The values for a new row: those of plain lookups, and `defaults`."""
        params = {name: value for name, value in kwargs.items() if "__" not in name}
        params.update(defaults or {})
        meta = self.model._meta
        invalid = []
        for name in params:
            if find(self.model, name) is None and not isinstance(getattr(self.model, name, None), property):
                invalid.append(name)
        if invalid:
            raise FieldError(
                f"Invalid field name(s) for model {meta.object_name}: {', '.join(map(repr, sorted(invalid)))}. "
                f"Choices are: {', '.join(choices(self.model))}"
            )
        return params

    # --- all rows -----------------------------------------------------------------------------------------------

    def update(self, **kwargs: Any) -> int:
        """Set these fields in all rows, in one statement for each table; returns how many rows matched.

        No `save()` is called and no signal is sent.
        """
        self._refuse_combined("update")
        if self.is_sliced:
            raise TypeError("Cannot update a query once a slice has been taken.")
        if self._distinct:
            raise TypeError("Cannot call update() after .distinct(*fields).")
        tables = self._assignments(kwargs)
        self._result_cache = None
        alias = self._write_alias()
        if self._nothing or not tables:
            return 0
        own = self.model._meta.concrete_model
        if len(tables) == 1 and own in tables:
            return self._update_own(tables[own], alias)
        return self._update_ancestors(tables, alias)

    def _assignments(self, values: Mapping[str, Any]) -> dict[Any, list[tuple[Any, Any]]]:
        """(field, value) pairs by the model in whose table they are."""
        meta = self.model._meta
        tables: dict[Any, list[tuple[Any, Any]]] = {}
        names = self._names()
        for name, value in values.items():
            field = find(self.model, name)
            if field is None:
                raise FieldDoesNotExist(
                    f"{meta.object_name} has no field named {name!r}. Choices are: {', '.join(choices(self.model))}"
                )
            if not field.concrete or field.many_to_many:
                raise FieldError(
                    f"Cannot update model field {field!r} (only non-relations and foreign keys permitted)."
                )
            if getattr(value, "_meta", None) is not None and not isinstance(value, type):
                value = value.prepare_database_save(field) if field.is_relation else value
            if hasattr(value, "references"):
                check_references(value, names)
                if getattr(value, "contains_aggregate", False):
                    raise FieldError(f"Aggregate functions are not allowed in this query ({name}={value!r}).")
            tables.setdefault(field.model._meta.concrete_model, []).append((field, value))
        return tables

    def _update_own(self, assignments: list[tuple[Any, Any]], alias: str) -> int:
        wrapper = connections[alias]
        literals = QueryLiterals(self._names(), self._values)
        marks: list[Any] = []
        for field, value in assignments:
            if hasattr(value, "references"):
                marks.append((field, type(value), value.key(literals)))
            else:
                literals.append(value)
                marks.append((field, None, None))
        key = ("update rows", self.model, self._operations, tuple(marks), timezone.active.get())
        plan = wrapper.plans.get(key)
        if plan is None:
            plan = wrapper.plans[key] = answers.update_plan(
                self.model, self._operations, tuple(literals), wrapper, assignments
            )
        if plan.empty:
            return 0
        return int(wrapper.run(plan.sql, plan.arguments(tuple(literals))))

    def _update_ancestors(self, tables: dict[Any, list[tuple[Any, Any]]], alias: str) -> int:
        """Rows of parents too: found first, because changing one table may change what matches in another."""
        with transaction.atomic(using=alias, savepoint=False):
            pks = list(self.order_by().using(alias)._columns_are(("pk",), "flat"))
            if not pks:
                return 0
            for model, assignments in tables.items():
                if any(hasattr(value, "references") for _, value in assignments):
                    rows = model._base_manager.using(alias).filter(pk__in=pks)
                    rows.update(**{field.name: value for field, value in assignments})
                    continue
                fields = tuple(field for field, _ in assignments)
                write.update_by(model, model._meta.pk, pks, fields, [value for _, value in assignments], alias)
        return len(pks)

    def _update(self, values: Mapping[str, Any]) -> int:
        """What update() does, for code that knows the names are good."""
        return self.update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows and what depends on them; returns how many, and how many of each model."""
        self._refuse_combined("delete")
        if self.is_sliced:
            raise TypeError("Cannot use 'limit' or 'offset' with delete().")
        if self._distinct:
            raise TypeError("Cannot call delete() after .distinct(*fields).")
        if self._columns is not None:
            raise TypeError("Cannot call delete() after .values() or .values_list()")
        rows = self._chain()
        rows._for_write = True
        rows._operations = tuple(each for each in rows._operations if type(each) not in (ops.Lock, ops.Related))
        if rows.ordered:
            rows = rows.order_by()
        collector = Collector(using=rows.db, origin=self)
        collector.collect(rows)
        deleted: tuple[int, dict[str, int]] = collector.delete()
        self._result_cache = None
        return deleted

    # A manager has no delete(): who writes ``Model.objects.delete()`` has forgotten to say which rows.
    delete.queryset_only = True  # type: ignore[attr-defined]  # an attribute of the function

    def _raw_delete(self, using: str | None) -> int:
        """Delete the rows of the model's own table in one statement: no signals, nothing that depends on them."""
        if self._nothing:
            return 0
        wrapper = connections[using or self._write_alias()]
        key = ("delete rows", self.model, self._operations, timezone.active.get())
        plan = wrapper.plans.get(key)
        if plan is None:
            plan = wrapper.plans[key] = answers.delete_plan(self.model, self._operations, self._values, wrapper)
        if plan.empty:
            return 0
        return int(wrapper.run(plan.sql, plan.arguments(self._values)))


def _called(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, callables among them called."""
    return {name: value() if _is_function(value) else value for name, value in values.items()}


def _is_function(value: Any) -> bool:
    return callable(value) and not hasattr(value, "references")

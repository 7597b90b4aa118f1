"""Loading: making an instance of a row, and reading again what it lacks or what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from webframe.core.exceptions import FieldDoesNotExist
from webframe.db.models.construction import listened_to
from webframe.db.models.state import DEFERRED, is_adding, mark_saved, state_db


class Loading:
    """What a model can do to be loaded."""

    _meta: Any

    @classmethod
    def from_db(cls, db: str, field_names: Sequence[str], values: Sequence[Any]) -> Self:
        """Make an instance of a row: `values` of the fields with these attnames, in order.

        Queries call it where a class overrides it, where it has a constructor of
        its own, or where somebody listens to the init signals.
        """
        meta = cls._meta
        deferred = len(values) != len(meta.concrete_fields)
        if deferred:
            meta.enable_deferred()
            given = dict(zip(field_names, values, strict=True))
            values = [given.get(name, DEFERRED) for name in meta.attnames]
        if deferred and meta.quick is not None and not listened_to(cls):
            instance = cls.__new__(cls)
            meta.fill(instance, *values)
        else:
            instance = cls(*values)
        mark_saved(instance, db)
        return instance

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any = None
    ) -> None:
        """Read the values of the fields again, all that are loaded or those that are named.

        Related objects that are remembered are forgotten with them. `from_queryset`
        is asked instead of the base manager. Raises `DoesNotExist` if the row is gone.
        """
        names = None if fields is None else set(fields)
        if names is not None and not names:
            return
        meta = self._meta
        if names is not None:
            names = self._forget_prefetched(names)
            if not names:
                return
        else:
            self.__dict__.pop("_prefetched_objects_cache", None)
        fresh = self._read_again(using or state_db(self), names, from_queryset)
        for field in meta.concrete_fields:
            if field.attname not in fresh.__dict__:
                continue
            setattr(self, field.attname, getattr(fresh, field.attname))
            if field.is_relation:
                if field.is_cached(fresh):
                    field.set_cached_value(self, field.get_cached_value(fresh))
                elif field.is_cached(self):
                    field.delete_cached_value(self)
        for relation in meta.related_objects:
            if (names is None or relation.name in names) and relation.is_cached(self):
                relation.delete_cached_value(self)
        alias = state_db(fresh)
        if alias is not None:
            mark_saved(self, alias)

    def _forget_prefetched(self, names: set[str]) -> set[str]:
        """Forget what was prefetched under these names; returns the others. Raises FieldDoesNotExist, ValueError."""
        paths = sorted(name for name in names if "__" in name)
        if paths:
            raise ValueError(
                f'Found "{paths[0]}" in fields argument. Relations and transforms are not allowed in fields.'
            )
        prefetched = self.__dict__.get("_prefetched_objects_cache", {})
        left = set()
        for name in names:
            if name in prefetched:
                del prefetched[name]
                continue
            field = self._meta.get_field(name)
            if getattr(field, "many_to_many", False) or not getattr(field, "concrete", True):
                continue  # nothing of it is kept but what was prefetched, and objects of one-to-one relations
            left.add(name)
        for relation in self._meta.related_objects:
            if relation.name in names and relation.is_cached(self):
                relation.delete_cached_value(self)
        return left

    def _read_again(self, alias: str | None, names: set[str] | None, from_queryset: Any) -> Any:
        cls = type(self)
        if from_queryset is not None:
            queryset = from_queryset if alias is None else from_queryset.using(alias)
        else:
            queryset = cls._base_manager.db_manager(alias, hints={"instance": self}).all()  # type: ignore[attr-defined]
        queryset = queryset.filter(pk=self.pk)  # type: ignore[attr-defined]
        if names is None:
            # What the database has computed when the instance was saved was loaded before.
            deferred = self.get_deferred_fields() - self.__dict__.get("_computed", set())
            if deferred:
                names = {name for name in self._meta.attnames if name not in deferred}
        if names is not None:
            queryset = queryset.only(*sorted(names))
        return queryset.get()

    def get_deferred_fields(self) -> set[str]:
        """The attnames of the fields that are not loaded."""
        attributes = self.__dict__
        return {name for name in self._meta.attnames if name not in attributes}

    def _load_deferred(self, name: str) -> Any:
        """The `__getattr__` of models whose instances may lack fields: load the field that is missing."""
        meta = type(self)._meta
        field = None if name.startswith("__") else meta.forward_fields_map.get(name)
        if field is None or getattr(field, "attname", None) != name or not field.concrete:
            known: Any = next((vars(cls)[name] for cls in type(self).__mro__ if name in vars(cls)), None)
            if known is not None and hasattr(known, "__get__"):
                # A property or a relation has raised an AttributeError, and Python tries this instead: once more.
                return known.__get__(self, type(self))
            raise AttributeError(f"{meta.object_name!r} object has no attribute {name!r}", name=name, obj=self)
        if field.primary_key:
            # The key of a parent is that of the child.
            link = meta.get_ancestor_link(field.model)
            if link is not None and link is not field and link.attname in self.__dict__:
                value = self.__dict__[name] = self.__dict__[link.attname]
                return value
        # Receivers of post_init find rows in the state of new objects; the key tells that there is a row to ask for.
        if field is meta.pk or (is_adding(self) and self.__dict__.get(meta.pk.attname) is None):
            raise AttributeError(f"This {meta.object_name!r} object has no {name!r} yet.", name=name, obj=self)
        self.refresh_from_db(fields=[name])
        return self.__dict__[name]

    def serializable_value(self, field_name: str) -> Any:
        """The value of a field, for a foreign key the key and not the object; for no field, the attribute."""
        try:
            field = self._meta.get_field(field_name)
        except FieldDoesNotExist:
            return getattr(self, field_name)
        return getattr(self, field.attname)

"""raw(): instances from SQL that the user writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldDoesNotExist
from webframe.db.connections import connections, router
from webframe.db.models.generic import Row
from webframe.db.models.paths import scalar
from webframe.db.models.related.prefetch import prefetch_related_objects
from webframe.db.models.tables import column_type
from webframe.db.models.twins import AsyncRows
from webframe.waiting import each_in_turns

if TYPE_CHECKING:
    from webframe.db.models.compiler import plans
else:
    plans = LateModule("webframe.db.models.compiler.plans")


class RawQuerySet(AsyncRows[Row]):
    """The instances that a SELECT of the user's own gives, asked for when it is iterated.

    Columns are matched with fields by their names, which `translations` may
    change; those that match none become further attributes, and fields without
    a column are loaded when they are read.
    """

    def __init__(
        self,
        raw_query: str,
        model: Any = None,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        translations: Mapping[str, str] | None = None,
        using: str | None = None,
        hints: Mapping[str, Any] | None = None,
    ) -> None:
        self.raw_query = raw_query
        self.model = model
        self.params = params
        self.translations = dict(translations or {})
        self._db = using
        self._hints = dict(hints or {})
        self._result_cache: list[Any] | None = None
        self._columns: list[str] = []
        self._prefetch_related_lookups: tuple[Any, ...] = ()

    @property
    def db(self) -> str:
        """The alias of the database that it is asked of."""
        return self._db or router.db_for_read(self.model, **self._hints)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, translated."""
        self._fetch_all()
        return self._columns

    def using(self, alias: str | None) -> Self:
        """Asked of the database with this alias."""
        clone = self._clone()
        clone._db = alias
        return clone

    def prefetch_related(self, *lookups: Any) -> Self:
        """Instances that bring related ones along; None: none."""
        clone = self._clone()
        clone._prefetch_related_lookups = () if lookups == (None,) else self._prefetch_related_lookups + lookups
        return clone

    def _clone(self) -> Self:
        clone = type(self)(self.raw_query, self.model, self.params, self.translations, self._db, self._hints)
        clone._prefetch_related_lookups = self._prefetch_related_lookups
        return clone

    def _fetch_all(self) -> None:
        if self._result_cache is None:
            found = list(self._instances())
            if self._prefetch_related_lookups:
                prefetch_related_objects(found, *self._prefetch_related_lookups)
            self._result_cache = found

    def _instances(self) -> Iterator[Any]:
        alias = self.db
        wrapper = connections[alias]
        with wrapper.cursor() as cursor:
            cursor.execute(self.raw_query, self.params)
            self._columns = [self.translations.get(column[0], column[0]) for column in cursor.description or ()]
            rows = cursor.fetchall()
        fields = self._fields(self._columns)
        if self.model._meta.pk not in fields.values():
            raise FieldDoesNotExist("Raw query must include the primary key")
        ordered = [field for field in self.model._meta.concrete_fields if field in fields.values()]
        if len(ordered) < len(self.model._meta.concrete_fields):
            self.model._meta.enable_deferred()
        places = {field: place for place, field in fields.items()}
        loaded = [
            (places[field], plans.result_converter(column_type(field), scalar(field), wrapper)) for field in ordered
        ]
        names = [field.attname for field in ordered]
        others = [(name, place) for place, name in enumerate(self._columns) if place not in fields]
        for row in each_in_turns(rows):
            values = [row[place] if convert is None else convert(row[place]) for place, convert in loaded]
            instance = self.model.from_db(alias, names, values)
            for name, place in others:
                setattr(instance, name, row[place])
            yield instance

    def _fields(self, columns: Sequence[str]) -> dict[int, Any]:
        """Fields by the places of their columns."""
        known = {field.column: field for field in self.model._meta.concrete_fields}
        known.update({field.attname: field for field in self.model._meta.concrete_fields})
        return {place: known[name] for place, name in enumerate(columns) if name in known}

    def __iter__(self) -> Iterator[Row]:
        self._fetch_all()
        return iter(self._result_cache or ())

    def iterator(self, chunk_size: int | None = None) -> Iterator[Row]:
        """The instances, without keeping them; all at once, whatever `chunk_size` says."""
        return iter(self._clone())

    def __len__(self) -> int:
        self._fetch_all()
        return len(self._result_cache or ())

    def __bool__(self) -> bool:
        self._fetch_all()
        return bool(self._result_cache)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.raw_query}>"

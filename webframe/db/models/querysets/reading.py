"""Asking: what a queryset gives when it is iterated, counted, indexed or asked for one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Self

from webframe._lazy import LateModule
from webframe.core.exceptions import FieldDoesNotExist, FieldError, Http404
from webframe.db.connections import connections
from webframe.db.errors import NotSupportedError, TransactionManagementError
from webframe.db.models.compiler import operations as ops
from webframe.db.models.compiler.literals import QueryLiterals, check_references
from webframe.db.models.generic import Row
from webframe.db.models.paths import check_alias
from webframe.db.models.querysets.chaining import NO_ORDER, Chaining, refuse_nested
from webframe.db.models.related.prefetch import prefetch_related_objects
from webframe.db.models.twins import CHUNK_SIZE
from webframe.utils import timezone
from webframe.waiting import TURN, in_turns

if TYPE_CHECKING:
    from webframe.db.models.compiler import answers
    from webframe.db.models.compiler.plans import Plan
else:
    answers = LateModule("webframe.db.models.compiler.answers")

# How many rows get() asks for at the most, only to say how many there are.
MAX_GET_RESULTS = 21
# How many rows repr() shows.
REPR_OUTPUT_SIZE = 20


class Reading(Chaining[Row]):
    """What gives rows, or something about them."""

    # Whether rows are asked for as they are here, by no method that a subclass has overridden.
    _fetches_plainly: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._fetches_plainly = all(
            getattr(cls, name) is getattr(Reading, name) for name in ("_fetch", "_fetch_all", "__iter__")
        )

    # --- all rows -----------------------------------------------------------------------------------------------

    def _fetch_all(self) -> None:
        """Ask, unless that was done, and bring along what prefetch_related() named."""
        if self._result_cache is None:
            self._result_cache = self._fetch()
        if self._prefetch_related_lookups and not self._prefetch_done:
            prefetch_related_objects(self._result_cache, *self._prefetch_related_lookups)
            self._prefetch_done = True

    def _fetch(self) -> list[Any]:
        statement = self._statement("rows")
        if statement is None:
            return []
        wrapper, plan, parameters = statement
        if self._for_write:
            self._check_lock(wrapper)
        return self._receive(wrapper.fetch(plan.sql, parameters), plan, wrapper.alias)

    def _receive(self, rows: Sequence[Any], plan: Plan, alias: str) -> list[Any]:
        """Keep what is made of the rows that a plan has found, unless another task has done so meanwhile."""
        if self._result_cache is not None:
            return self._result_cache
        found: list[Any] = plan.answer.all(rows, alias) if len(rows) <= TURN else _all_in_turns(plan, rows, alias)
        if self._result_cache is not None:
            return self._result_cache
        self._result_cache = found
        if self._known_related is not None:
            self._remember_related(found)
        return found

    def _check_lock(self, wrapper: Any) -> None:
        lock: Any = next((each.key for each in reversed(self._operations) if type(each) is ops.Lock), None)
        if lock is None or not wrapper.features.has_select_for_update:
            return
        if not wrapper.in_atomic_block and wrapper.get_autocommit():
            raise TransactionManagementError(
                "select_for_update cannot be used outside of a transaction. Put it into a block of atomic()."
            )
        features = wrapper.features
        for wanted, able, name in (
            (lock[0], features.has_select_for_update_nowait, "NOWAIT"),
            (lock[1], features.has_select_for_update_skip_locked, "SKIP LOCKED"),
            (lock[2], features.has_select_for_update_of, "FOR UPDATE OF"),
            (lock[3], features.has_select_for_no_key_update, "FOR NO KEY UPDATE"),
        ):
            if wanted and not able:
                raise NotSupportedError(f"{name} is not supported on this database backend.")

    def _remember_related(self, found: list[Any]) -> None:
        assert self._known_related is not None
        field, known = self._known_related
        if self._columns is not None:
            return
        attname, cache_name = field.attname, field.cache_name
        for instance in found:
            attributes = instance.__dict__
            related = known.get(attributes.get(attname))
            if related is not None and cache_name not in attributes:
                attributes[cache_name] = related

    def __iter__(self) -> Iterator[Row]:
        self._fetch_all()
        return iter(self._result_cache)  # type: ignore[arg-type]  # there is one now

    def __len__(self) -> int:
        if self._result_cache is None:
            self._fetch_all()
        return len(self._result_cache)  # type: ignore[arg-type]  # there is one now

    def __bool__(self) -> bool:
        self._fetch_all()
        return bool(self._result_cache)

    def __contains__(self, item: object) -> bool:
        self._fetch_all()
        return item in (self._result_cache or ())

    def __getitem__(self, index: Any) -> Any:
        """One row, or those of a slice; slices ask for their rows only."""
        if isinstance(index, slice):
            return self._slice(index)
        if not isinstance(index, int):
            raise TypeError(f"QuerySet indices must be integers or slices, not {type(index).__name__}.")
        if index < 0:
            raise ValueError("Negative indexing is not supported.")
        if self._result_cache is not None:
            return self._result_cache[index]
        return list(self._between(index, index + 1))[0]

    def _slice(self, index: slice) -> Any:
        if (index.start is not None and index.start < 0) or (index.stop is not None and index.stop < 0):
            raise ValueError("Negative indexing is not supported.")
        if self._result_cache is not None:
            return self._result_cache[index]
        start = None if index.start is None else int(index.start)
        stop = None if index.stop is None else int(index.stop)
        made = self._between(start, stop)
        return list(made)[:: index.step] if index.step else made

    def _between(self, start: int | None, stop: int | None) -> Self:
        """The rows between two places of this queryset."""
        clone = self._chain()
        clone._plain = False
        if stop is not None:
            high = self._low + stop
            clone._high = high if self._high is None else min(self._high, high)
        if start is not None:
            low = self._low + start
            clone._low = low if clone._high is None else min(clone._high, low)
        if clone._high is not None and clone._low >= clone._high:
            return clone.none() if self._combined is None else clone
        return clone

    def _whole(self) -> Self:
        """The rows that this is a slice of."""
        clone = self._chain()
        clone._low, clone._high = 0, None
        return clone

    def _each(self, name: str, low: int, high: int | None) -> Self:
        """The rows between two places of those with each value of a name."""
        return self._with(ops.Each(name))._between(low, high)

    def iterator(self, chunk_size: int | None = None) -> Iterator[Row]:
        """The rows one by one as the database sends them, without keeping them."""
        if chunk_size is None and self._prefetch_related_lookups:
            raise ValueError("chunk_size must be provided when using QuerySet.iterator() after prefetch_related().")
        if chunk_size is not None and chunk_size <= 0:
            raise ValueError("Chunk size must be strictly positive.")
        return self._iterate(chunk_size or CHUNK_SIZE)

    def _iterate(self, chunk_size: int) -> Iterator[Row]:
        alias = self.db
        wrapper = connections[alias]
        plan = self._plan("rows", wrapper)
        if plan.empty:
            return
        if self._for_write:
            self._check_lock(wrapper)
        # To be closed here: what happens while Python closes it by itself, nobody would hear of, nor of a cancellation.
        with closing(wrapper.iterate(plan.sql, plan.arguments(self._literals()), chunk_size)) as chunks:
            for rows in chunks:
                found = _all_in_turns(plan, rows, alias)
                if self._known_related is not None:
                    self._remember_related(found)
                if self._prefetch_related_lookups:
                    prefetch_related_objects(found, *self._prefetch_related_lookups)
                yield from found

    # --- one row ------------------------------------------------------------------------------------------------

    def get(self, *args: Any, **kwargs: Any) -> Row:
        """The one row that matches; `DoesNotExist` if there is none, `MultipleObjectsReturned` if there are more."""
        return self._narrowed(args, kwargs)._only(args, kwargs)

    def _narrowed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """The queryset that get() asks."""
        if self._combined is not None and (args or kwargs):
            raise NotSupportedError(
                f"Calling QuerySet.get(...) with filters after {self._combined}() is not supported."
            )
        found = self.filter(*args, **kwargs) if args or kwargs else self._chain()
        if self._combined is None and not found.is_sliced and not found._distinct:
            last = found._operations[-1] if found._operations else None
            if not (type(last) is ops.Simple and last.unique):
                found._high = MAX_GET_RESULTS
            if found.ordered:
                found._operations += (NO_ORDER,)
                found._ordering = ()
        return found

    def _only(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Row:
        """The only row; an error if there is none or more, which tells what get() was called with."""
        rows: Sequence[Row] = self  # type: ignore[assignment]  # it has what is needed of one
        count = len(rows)
        if count == 1:
            return rows[0]
        raise wrong_number(self.model, count, args, kwargs, limited=self._high == MAX_GET_RESULTS)

    def get_or_404(self, *args: Any, **kwargs: Any) -> Row:
        """Like get(), raising `Http404` where there is no such row."""
        try:
            return self.get(*args, **kwargs)
        except self.model.DoesNotExist as error:
            raise not_found(self.model) from error

    def first(self) -> Row | None:
        """The first row, by the primary key where no order is given; None if there is none."""
        for row in self._beginning():
            return row
        return None

    def _beginning(self) -> Iterable[Row]:
        """The first row, or all, if they are known."""
        if self.ordered:
            queryset = self
        else:
            self._check_ordering_first_last("first")
            queryset = self.order_by("pk")
        return queryset._between(0, 1) if queryset._result_cache is None else queryset._result_cache

    def last(self) -> Row | None:
        """The last row, by the primary key where no order is given; None if there is none."""
        for row in self._end():
            return row
        return None

    def _end(self) -> Self:
        """The last row."""
        if self.is_sliced:
            raise TypeError("Cannot reverse a query once a slice has been taken.")
        if self.ordered:
            queryset = self.reverse()
        else:
            self._check_ordering_first_last("last")
            queryset = self.order_by("-pk")
        return queryset._between(0, 1)

    def _check_ordering_first_last(self, method: str) -> None:
        if self._columns is not None and any(
            getattr(each, "contains_aggregate", False) for each in self._annotations.values()
        ):
            raise TypeError(
                f"Cannot use QuerySet.{method}() on an unordered queryset performing aggregation. Add an ordering "
                f"with order_by()."
            )

    def earliest(self, *fields: str) -> Row:
        """The first row by these fields, or by `get_latest_by` of the model; `DoesNotExist` if there is none."""
        return self._earliest(fields, False)

    def latest(self, *fields: str) -> Row:
        """The last row by these fields, or by `get_latest_by` of the model; `DoesNotExist` if there is none."""
        return self._earliest(fields, True)

    def _earliest(self, fields: tuple[str, ...], latest: bool) -> Row:
        order_by: Any = fields or self.model._meta.get_latest_by
        if isinstance(order_by, str):
            order_by = (order_by,)
        if not order_by:
            raise ValueError(
                "earliest() and latest() require either fields as positional arguments or 'get_latest_by' in the "
                "model's Meta."
            )
        if self.is_sliced:
            raise TypeError("Cannot change a query once a slice has been taken.")
        queryset = self.order_by(*order_by)
        return (queryset.reverse() if latest else queryset)._between(0, 1).get()

    def in_bulk(self, id_list: Iterable[Any] | None = None, *, field_name: str = "pk") -> dict[Any, Row]:
        """The rows with these keys, or all, in a dictionary by the key: the related object, if a relation is named."""
        if self.is_sliced:
            raise TypeError("Cannot use 'limit' or 'offset' with in_bulk().")
        if self._columns is not None:
            raise TypeError("in_bulk() cannot be used with values() or values_list().")
        meta = self.model._meta
        if field_name != "pk":
            self._check_unique(field_name)
        field = meta.pk if field_name == "pk" else meta.get_field(field_name)
        if id_list is None:
            rows: Any = self._chain()
        else:
            ids = tuple(id_list)
            if not ids:
                return {}
            limit = connections[self.db].features.max_query_params or len(ids)
            rows = [
                row
                for start in range(0, len(ids), limit)
                for row in self.filter(**{f"{field_name}__in": ids[start : start + limit]}).order_by()
            ]
        if not field.is_relation or field_name in ("pk", field.attname):
            return {getattr(row, field.attname): row for row in rows}
        prefetch_related_objects(rows, field_name)
        return {getattr(row, field_name): row for row in rows}

    def _check_unique(self, field_name: str) -> None:
        meta = self.model._meta
        try:
            field = meta.get_field(field_name)
        except FieldDoesNotExist as error:
            raise FieldError(str(error)) from None
        totals = [each.fields for each in meta.constraints if getattr(each, "fields", None) and not each.condition]
        if (
            not field.unique
            and (field_name,) not in [tuple(each) for each in totals]
            and self._distinct != (field_name,)
        ):
            raise ValueError(f"in_bulk()'s field_name must be a unique field but {field_name!r} isn't.")

    # --- about the rows -----------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many rows there are."""
        if self._result_cache is not None:
            return len(self._result_cache)
        statement = self._statement("count")
        if statement is None:
            return 0
        wrapper, plan, parameters = statement
        return number_in(wrapper.fetch(plan.sql, parameters))

    def exists(self) -> bool:
        """Whether there is any row."""
        if self._result_cache is not None:
            return bool(self._result_cache)
        statement = self._statement("exists")
        if statement is None:
            return False
        wrapper, plan, parameters = statement
        return bool(wrapper.fetch(plan.sql, parameters))

    def contains(self, obj: Any) -> bool:
        """Whether an object is among the rows."""
        if self._columns is not None:
            raise TypeError("Cannot call QuerySet.contains() after .values() or .values_list().")
        if self._combined is not None:
            self._refuse_combined("contains")
        try:
            if obj._meta.concrete_model is not self.model._meta.concrete_model:
                return False
        except AttributeError:
            raise TypeError(f"'obj' must be a model instance, not {obj!r}.") from None
        if obj.pk is None:
            raise ValueError("QuerySet.contains() cannot be used on unsaved objects.")
        if self._result_cache is not None:
            return obj in self._result_cache
        return self.filter(pk=obj.pk).exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Values computed over all rows, by their names."""
        if self._distinct:
            raise NotImplementedError("aggregate() + distinct(fields) not implemented.")
        named = self._aggregates(args, kwargs)
        if not named:
            return {}
        names = self._names()
        literals = QueryLiterals(names, self._literals())
        marks = tuple([(name, type(each), each.key(literals)) for name, each in named.items()])
        wrapper = connections[self.db]
        key = ("aggregate", self.model, self._operations, self._slices, marks, timezone.active.get())
        plan = wrapper.plans.get(key)
        if plan is None:
            plan = wrapper.plans[key] = answers.aggregate_plan(
                self.model, self._operations, tuple(literals), self._slices, wrapper, tuple(named.items())
            )
        result: dict[str, Any] = plan.answer.all(wrapper.fetch(plan.sql, plan.arguments(tuple(literals))), "")[0]
        return result

    def _aggregates(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        named: dict[str, Any] = {}
        for expression in args:
            if not hasattr(expression, "references"):
                raise TypeError(f"QuerySet.aggregate() received non-expression(s): {expression!r}.")
            try:
                named[expression.default_alias] = expression
            except (AttributeError, TypeError):
                raise TypeError("Complex aggregates require an alias") from None
        named.update(kwargs)
        names = self._names()
        for name, expression in named.items():
            if name in kwargs:
                check_alias(name, self.model, "aggregate")
            if not hasattr(expression, "references"):
                raise TypeError(f"QuerySet.aggregate() received non-expression(s): {expression!r}.")
            if not _is_aggregate(expression, named):
                raise TypeError(f"{name} is not an aggregate expression: {expression!r}.")
            refuse_nested(expression, {other: each for other, each in named.items() if other != name})
            for reference in expression.references():
                if reference not in named:
                    check_references(_Reference(reference), names)
        return named

    def explain(self, *, format: str | None = None, **options: Any) -> str:
        """How the database would find the rows, in its own words."""
        wrapper = connections[self.db]
        plan = self._plan("rows", wrapper)
        prefix = explain_prefix(wrapper, format, options)
        rows = wrapper.fetch(f"{prefix} {plan.sql}", plan.arguments(self._literals()))
        return "\n".join(" ".join(str(value) for value in row) for row in rows)

    # --- as text ------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        rows = list(self._between(0, REPR_OUTPUT_SIZE + 1)) if self._result_cache is None else self._result_cache
        shown: list[Any] = list(rows[: REPR_OUTPUT_SIZE + 1])
        if len(shown) > REPR_OUTPUT_SIZE:
            shown[-1] = "...(remaining elements truncated)..."
        return f"<{type(self).__name__} {shown!r}>"

    def __getstate__(self) -> dict[str, Any]:
        self._fetch_all()
        return self.__dict__


class _Reference:
    """A name that is referred to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def references(self) -> tuple[str, ...]:
        """The name."""
        return (self.name,)


def _is_aggregate(expression: Any, named: dict[str, Any]) -> bool:
    if getattr(expression, "contains_aggregate", False):
        return True
    return any(reference in named and named[reference] is not expression for reference in expression.references())


def number_in(rows: Sequence[Any]) -> int:
    """The number that COUNT has given."""
    return int(rows[0][0])


def _all_in_turns(plan: Plan, rows: Sequence[Any], alias: str) -> list[Any]:
    """What a plan makes of rows; an event loop is not kept busy by it."""
    found: list[Any] = []
    for piece in in_turns(rows):
        found += plan.answer.all(piece, alias)
    return found


def not_found(model: Any) -> Http404:
    """The error for get_or_404()."""
    return Http404(f"No {model._meta.object_name} matches the given query.")


def wrong_number(
    model: Any, count: int, args: tuple[Any, ...], kwargs: dict[str, Any], *, limited: bool = False
) -> Exception:
    """The error for get() that did not find one row."""
    asked = ", ".join([*[repr(arg) for arg in args], *[f"{name}={_shown(value)}" for name, value in kwargs.items()]])
    name = model._meta.object_name
    error: Exception
    if not count:
        error = model.DoesNotExist(f"{name} matching query does not exist{f': {asked}' if asked else ''}.")
    else:
        many = f"more than {count - 1}" if limited and count >= MAX_GET_RESULTS else str(count)
        error = model.MultipleObjectsReturned(
            f"get() returned more than one {name} -- it returned {many}!{f' The lookup was: {asked}.' if asked else ''}"
        )
    return error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def explain_prefix(wrapper: Any, output_format: str | None, options: dict[str, Any]) -> str:
    """EXPLAIN, with the options that are known for a database; ValueError for others."""
    vendor = wrapper.vendor
    if vendor == "sqlite":
        if output_format or options:
            raise ValueError("SQLite's EXPLAIN QUERY PLAN takes neither a format nor options.")
        return "EXPLAIN QUERY PLAN"
    formats = {"postgresql": ("JSON", "TEXT", "XML", "YAML"), "mysql": ("JSON", "TRADITIONAL", "TREE")}.get(vendor, ())
    if output_format is not None and output_format.upper() not in formats:
        raise ValueError(
            f"{output_format} is not a recognized format."
            + (f" Allowed formats: {', '.join(formats)}" if formats else "")
        )
    known = {
        "postgresql": ("analyze", "buffers", "costs", "generic_plan", "memory", "serialize", "settings", "summary",
                       "timing", "verbose", "wal"),
        "mysql": ("analyze",),
    }.get(vendor, ())  # fmt: skip
    for option in options:
        if option.lower() not in known:
            raise ValueError(f"Unknown options: {option}. Known to {vendor} are: {', '.join(known) or '(none)'}")
    if vendor == "mysql":
        if options.get("analyze"):
            return "ANALYZE" if wrapper.is_mariadb else "EXPLAIN ANALYZE"
        return f"EXPLAIN FORMAT={output_format.upper()}" if output_format else "EXPLAIN"
    parts = [f"{name.upper()} {'true' if value else 'false'}" for name, value in options.items()]
    parts += [f"FORMAT {output_format.upper()}"] if output_format else []
    return f"EXPLAIN ({', '.join(parts)})" if parts else "EXPLAIN"

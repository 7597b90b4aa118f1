"""`QuerySet`: which rows of a model, asked for when somebody looks.

Its parts stand in `querysets/`: what it consists of (state.py), how one is made
of another (chaining.py), asking (reading.py), changing rows (writing.py,
bulk.py), and combining several (combining.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, overload

from webframe.db.models.compiler.literals import check_references
from webframe.db.models.expressions import F
from webframe.db.models.functions.datetime import Trunc
from webframe.db.models.generic import Row
from webframe.db.models.outputs import named
from webframe.db.models.paths import resolve_column
from webframe.db.models.querysets import asking
from webframe.db.models.querysets.combining import Combining
from webframe.db.models.querysets.raw import RawQuerySet as RawQuerySet
from webframe.db.models.querysets.state import State
from webframe.db.models.related.prefetch import Prefetch as Prefetch
from webframe.db.models.twins import AsyncRows, twin

if TYPE_CHECKING:
    from webframe.db.models.generic import Unsaid

    # A queryset of which nobody has said what its rows are.
    Bare = TypeVar("Bare", bound="QuerySet[Unsaid]")


class QuerySet(Combining[Row], AsyncRows[Row]):
    """Which rows of a model, in which order, with what: asked for when it is iterated, indexed or printed.

    Each method gives another queryset and leaves this one as it is; the rows are
    kept once they were asked for.
    """

    # The class of managers; manager.py, which knows querysets, puts it here.
    manager_class: ClassVar[Any] = None

    if TYPE_CHECKING:
        # What type checkers make of those whose rows are others. Of a bare queryset they take anything, None included.

        @overload  # type: ignore[override]
        def values(self: Bare, *fields: Any, **expressions: Any) -> Bare: ...
        @overload
        def values(self, *fields: Any, **expressions: Any) -> QuerySet[dict[str, Any]]: ...
        def values(self, *fields: Any, **expressions: Any) -> Any: ...

        @overload
        def values_list(self: Bare, *fields: Any, flat: bool = ..., named: bool = ...) -> Bare: ...
        @overload
        def values_list(
            self, *fields: Any, flat: Literal[False] = ..., named: Literal[False] = ...
        ) -> QuerySet[tuple[Any, ...]]: ...
        @overload
        def values_list(self, *fields: Any, flat: bool = ..., named: bool = ...) -> QuerySet[Any]: ...
        def values_list(self, *fields: Any, flat: bool = False, named: bool = False) -> Any: ...

        @overload
        def first(self: QuerySet[Unsaid]) -> Any: ...
        @overload
        def first(self) -> Row | None: ...
        def first(self) -> Any: ...

        @overload
        def last(self: QuerySet[Unsaid]) -> Any: ...
        @overload
        def last(self) -> Row | None: ...
        def last(self) -> Any: ...

        @overload
        async def afirst(self: QuerySet[Unsaid]) -> Any: ...
        @overload
        async def afirst(self) -> Row | None: ...
        async def afirst(self) -> Any: ...

        @overload
        async def alast(self: QuerySet[Unsaid]) -> Any: ...
        @overload
        async def alast(self) -> Row | None: ...
        async def alast(self) -> Any: ...

        @overload
        def __getitem__(self: QuerySet[Unsaid], index: Any) -> Any: ...
        @overload
        def __getitem__(self, index: int) -> Row: ...
        @overload
        def __getitem__(self, index: slice) -> Self: ...
        def __getitem__(self, index: Any) -> Any: ...

    else:
        afirst = twin(Combining.first, asking.first)
        alast = twin(Combining.last, asking.last)

    @classmethod
    def as_manager(cls) -> Any:
        """A manager with the methods of this class."""
        manager = cls.manager_class.from_queryset(cls)()
        manager._built_with_as_manager = True
        return manager

    as_manager.__func__.queryset_only = True  # type: ignore[attr-defined]  # an attribute of the function

    @property
    def query(self) -> Query:
        """The question, for looking at: ``str(queryset.query)`` is its SQL."""
        return Query(self)

    def raw(
        self,
        raw_query: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        translations: Mapping[str, str] | None = None,
        using: str | None = None,
    ) -> RawQuerySet[Row]:
        """Instances from SQL of your own, with ``%s`` for parameters, which must be given as `params`."""
        return RawQuerySet(raw_query, self.model, params, translations, using or self._db, self._hints)

    def dates(self, field_name: str, kind: str, order: str = "ASC") -> Any:
        """The dates in a field, cut to "year", "month", "week" or "day", each once."""
        if kind not in ("year", "month", "week", "day"):
            raise ValueError("'kind' must be one of 'year', 'month', 'week', or 'day'.")
        _check_order(order)
        return self._moments(field_name, kind, order, {"output_field": named("DateField")})

    def datetimes(self, field_name: str, kind: str, order: str = "ASC", tzinfo: Any = None) -> Any:
        """The moments in a field, cut to "year" ... "second" in a time zone, each once."""
        if kind not in ("year", "month", "week", "day", "hour", "minute", "second"):
            raise ValueError("'kind' must be one of 'year', 'month', 'week', 'day', 'hour', 'minute', or 'second'.")
        _check_order(order)
        return self._moments(field_name, kind, order, {"output_field": named("DateTimeField"), "tzinfo": tzinfo})

    def _moments(self, field_name: str, kind: str, order: str, options: dict[str, Any]) -> Any:
        resolve_column(self.model, field_name, self._annotations)
        cut = Trunc(field_name, kind, **options)
        check_references(cut, self._names())
        queryset = self.annotate(datefield=cut, plain_field=F(field_name)).values_list("datefield", flat=True)
        queryset = queryset.distinct().filter(plain_field__isnull=False)
        return queryset.order_by(("-" if order == "DESC" else "") + "datefield")

    # --- for async code -----------------------------------------------------------------------------------------

    aget = twin(Combining[Row].get, asking.get)
    aget_or_404 = twin(Combining[Row].get_or_404, asking.get_or_404)
    aearliest = twin(Combining[Row].earliest)
    alatest = twin(Combining[Row].latest)
    ain_bulk = twin(Combining[Row].in_bulk)
    acount = twin(Combining.count, asking.count)
    aexists = twin(Combining.exists, asking.exists)
    acontains = twin(Combining.contains)
    aaggregate = twin(Combining.aggregate)
    aexplain = twin(Combining.explain)
    acreate = twin(Combining[Row].create)
    aget_or_create = twin(Combining[Row].get_or_create)
    aupdate_or_create = twin(Combining[Row].update_or_create)
    aupdate = twin(Combining.update)
    adelete = twin(Combining.delete)
    abulk_create = twin(Combining[Row].bulk_create)
    abulk_update = twin(Combining.bulk_update)

    _arows = asking.all_rows

    # ------------------------------------------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self._clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy that has not asked yet; the parts it is made of never change."""
        return self._clone()


def _check_order(order: str) -> None:
    if order not in ("ASC", "DESC"):
        raise ValueError("'order' must be either 'ASC' or 'DESC'.")


class Query:
    """A queryset's question, to look at."""

    def __init__(self, queryset: State) -> None:
        self.queryset = queryset

    @property
    def model(self) -> Any:
        """The model that it is about."""
        return self.queryset.model

    def sql_with_params(self, using: str | None = None) -> tuple[str, tuple[Any, ...]]:
        """The SQL and its parameters, as the driver gets them."""
        return self.queryset.sql_with_params(using)

    def __str__(self) -> str:
        """The SQL with the parameters put in; for reading, not for executing."""
        sql, params = self.sql_with_params()
        parts = sql.split("?") if "?" in sql and "%s" not in sql else sql.split("%s")
        shown = [parts[0]]
        for part, param in zip(parts[1:], [*params, *[""] * len(parts)], strict=False):
            shown += [str(param) if isinstance(param, (int, float)) else repr(param), part]
        return "".join(shown)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

"""What async code asks most, as single statements that a task can await without a greenlet (see `twins.py`).

The functions with names of methods say, for a queryset and the arguments of that
method, which statement it comes down to, and what makes the answer of the rows;
None where there is more to it, or nothing to be asked, or where somebody hears of
the instances that are made, or makes them himself. `all_rows` does it all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from webframe.core.exceptions import SynchronousOnlyOperation
from webframe.db.connections import DEFAULT_ALIAS, connections, router
from webframe.db.models.compiler.plans import Plan
from webframe.db.models.querysets.reading import Reading, not_found, number_in
from webframe.db.models.signals import post_init, pre_init
from webframe.db.models.twins import Arguments, Asked, AsyncRows, Keywords, twin
from webframe.greenlets import bridge
from webframe.utils import timezone
from webframe.waiting import TURN


def rows(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """All rows, which the queryset keeps."""
    if queryset._result_cache is not None or queryset._prefetch_related_lookups or queryset._for_write:
        return None
    statement = queryset._statement("rows") if queryset._fetches_plainly else None
    if statement is None:
        return None
    wrapper, plan, parameters = statement
    return (wrapper, plan, parameters, queryset._receive) if plan.answer.is_quiet else None


# How many attributes a queryset has of which nothing is known but what its manager's filter() was told.
BARE = 4

_active_zone = timezone.active.get

# The same as a coroutine function that gives the list which the queryset keeps.
_kept = twin(AsyncRows._rows, rows)


async def all_rows(queryset: Any) -> list[Any]:
    """What `_kept` gives. For the plainest of querysets everything is done here: each call more would be felt."""
    started = None
    if queryset._is_bare and router.has_none:
        key, literals = (queryset._operations, _active_zone()), queryset._values
        # Looked at last: Python reads an object more slowly once somebody has seen its dictionary.
        attributes = queryset.__dict__
        if len(attributes) == BARE:
            wrapper = connections[DEFAULT_ALIAS]
            try:
                plan = wrapper.plans.get(key)
                if plan is None:
                    plan = wrapper.plans[key] = queryset._plan("rows", wrapper)
                if plan.answer.is_quiet and not plan.empty:
                    values = literals if plan.parameters is None else plan.parameters(literals)
                    started = wrapper.start_fetch(plan.sql, values)
            except SynchronousOnlyOperation:
                pass  # something has to wait before it is known what to ask
    if started is None:
        return await _kept(queryset)
    place, answer = started
    try:
        found = (await answer)[0]
    except BaseException as error:
        found = await wrapper.mend_fetch(place, error, plan.sql, values)
    place.finish()
    kept: list[Any]
    if not (pre_init.active or post_init.active or len(found) > TURN or "_result_cache" in attributes):
        try:
            kept = attributes["_result_cache"] = plan.answer.all(found, wrapper.alias)
            return kept
        except SynchronousOnlyOperation:
            pass  # a value has to wait
    kept = await bridge(queryset._receive, found, plan, wrapper.alias)
    return kept


def get(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """The one row that matches."""
    narrowed = queryset._narrowed(args, kwargs)
    asked = rows(narrowed, (), {})
    return asked and (*asked[:3], partial(_only, narrowed, args, kwargs))


def _only(queryset: Any, args: Arguments, kwargs: Keywords, found: Sequence[Any], plan: Plan, alias: str) -> Any:
    queryset._receive(found, plan, alias)
    return queryset._only(args, kwargs)


def get_or_404(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """The same, or `Http404`."""
    asked = get(queryset, args, kwargs) if type(queryset).get is Reading.get else None
    return asked and (*asked[:3], partial(_or_404, queryset, asked[3]))


def _or_404(queryset: Any, answer: Any, *found: Any) -> Any:
    try:
        return answer(*found)
    except queryset.model.DoesNotExist as error:
        raise not_found(queryset.model) from error


def first(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """The first row."""
    return None if args or kwargs else _one_of(queryset._beginning())


def last(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """The last row."""
    return None if args or kwargs else _one_of(queryset._end())


def _one_of(queryset: Any) -> Asked | None:
    asked = None if isinstance(queryset, list) else rows(queryset, (), {})
    return asked and (*asked[:3], partial(_first, queryset))


def _first(queryset: Any, found: Sequence[Any], plan: Plan, alias: str) -> Any:
    kept = queryset._receive(found, plan, alias)
    return kept[0] if kept else None


def count(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """How many rows there are."""
    return None if args or kwargs else _about(queryset, "count", _number)


def exists(queryset: Any, args: Arguments, kwargs: Keywords) -> Asked | None:
    """Whether there is any row."""
    return None if args or kwargs else _about(queryset, "exists", _any)


def _about(queryset: Any, kind: str, answer: Any) -> Asked | None:
    statement = None if queryset._result_cache is not None else queryset._statement(kind)
    return statement and (*statement, answer)


def _number(found: Sequence[Any], plan: Plan, alias: str) -> int:
    return number_in(found)


def _any(found: Sequence[Any], plan: Plan, alias: str) -> bool:
    return bool(found)

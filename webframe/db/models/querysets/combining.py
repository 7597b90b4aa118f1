"""Querysets made of several: union, intersection, difference, and the operators &, | and ^."""

from __future__ import annotations

from typing import Any, Self

from webframe.db.errors import NotSupportedError
from webframe.db.models.building import Literals
from webframe.db.models.compiler import operations as ops
from webframe.db.models.conditions import Q
from webframe.db.models.generic import Row
from webframe.db.models.querysets.bulk import Bulk
from webframe.db.models.querysets.state import State


class Combining(Bulk[Row]):
    """Querysets from several querysets."""

    def union(self, *other_qs: Any, all: bool = False) -> Self:
        """The rows of all these querysets, each once; with `all` as often as it comes."""
        if self._nothing and self._combined is None:
            rest: list[Self] = [queryset for queryset in other_qs if not queryset._nothing]
            if not rest:
                return self
            return rest[0] if len(rest) == 1 else rest[0].union(*rest[1:], all=all)
        others = [queryset for queryset in other_qs if not queryset._nothing]
        return self._combine("union all" if all else "union", "union", (self, *others)) if others else self

    def intersection(self, *other_qs: Any) -> Self:
        """The rows that are in all these querysets."""
        for queryset in (self, *other_qs):
            if queryset._nothing and queryset._combined is None:
                return queryset  # type: ignore[no-any-return]  # one of those given
        return self._combine("intersection", "intersection", (self, *other_qs))

    def difference(self, *other_qs: Any) -> Self:
        """The rows of this queryset that are in none of the others."""
        if self._nothing and self._combined is None:
            return self
        others = [queryset for queryset in other_qs if not queryset._nothing]
        return self._combine("difference", "difference", (self, *others)) if others else self

    def _combine(self, kind: str, name: str, querysets: tuple[Any, ...]) -> Self:
        for queryset in querysets:
            if not isinstance(queryset, State):
                raise TypeError(f"{name}() takes querysets, not {queryset!r}.")
        literals = Literals()
        key = tuple([queryset.key(literals) for queryset in querysets])
        clone = self._chain()
        clone._low, clone._high = 0, None
        clone._ordering = ()
        clone._reversed = False
        clone._distinct = None
        clone._prefetch_related_lookups = self._prefetch_related_lookups
        clone._operations = (ops.Combination(kind, querysets, key, len(literals)),)
        clone._values = tuple(literals)
        clone._combined = name
        clone._handed_down = False
        clone._plain = False
        return clone

    def _select_in_parts(self, names: tuple[str, ...], shape: str) -> Self:
        """values() of a combination is values() of its parts, or, where they have values already, a choice of these."""
        combination = self._operations[0]
        assert isinstance(combination, ops.Combination)
        first = combination.querysets[0]
        if first._columns is not None and not self._handed_down:
            first._select(names, {}, shape)  # it knows names that mean nothing
            chosen = self._with(ops.Columns((names, shape)))
            chosen._columns = (names, shape)
            return chosen
        parts = tuple([queryset._select(names, {}, shape) for queryset in combination.querysets])
        made = parts[0]._combine(combination.kind, self._combined or "", parts)
        literals = len(combination.querysets) and combination.size
        made._operations += self._operations[1:]
        made._values += self._values[literals:]
        made._low, made._high = self._low, self._high
        made._ordering, made._reversed = self._ordering, self._reversed
        made._handed_down = True
        result: Self = made
        return result

    # --- operators ----------------------------------------------------------------------------------------------

    def __and__(self, other: Any) -> Self:
        """The rows that both contain."""
        self._check_operand(other)
        if self._nothing:
            return self
        if other._nothing:
            return other  # type: ignore[no-any-return]  # a queryset
        combined = self._chain()
        for q in other._conditions():
            combined = combined._keep(q)
        return combined

    def __or__(self, other: Any) -> Self:
        """The rows that either contains."""
        return self._either(other, "OR")

    def __xor__(self, other: Any) -> Self:
        """The rows that one contains, and not the other."""
        return self._either(other, "XOR")

    def _either(self, other: Any, connector: str) -> Self:
        self._check_operand(other)
        if self._nothing:
            return other  # type: ignore[no-any-return]  # a queryset
        if other._nothing:
            return self
        mine, theirs = self._conditions(), other._conditions()
        rows = self._without_conditions()
        if not mine or not theirs:
            if connector == "OR":
                return rows
            return rows.none() if not mine and not theirs else rows._keep(~_all(mine or theirs))
        return rows._keep(Q.create((_all(mine), _all(theirs)), connector))

    def _check_operand(self, other: Any) -> None:
        if not isinstance(other, State):
            raise TypeError(f"A queryset can only be combined with another, not with {other!r}.")
        if self.is_combined or other.is_combined:
            raise NotSupportedError(
                "The operators &, | and ^ are not supported for union(), intersection(), difference()."
            )
        if self.model is not other.model:
            raise TypeError("Cannot combine queries on two different base models.")
        if self.is_sliced or other.is_sliced:
            raise TypeError("Cannot combine queries once a slice has been taken.")
        if self._distinct != other._distinct:
            raise TypeError("Cannot combine a unique query with a non-unique query.")
        if (self._columns and self._columns[0]) != (other._columns and other._columns[0]):
            raise TypeError("Merging 'QuerySet' classes must involve the same values in each case.")

    def _conditions(self) -> list[Q]:
        """Its filters, with their values."""
        found: list[Q] = []
        position = 0
        for operation in self._operations:
            if type(operation) is ops.Simple:
                values = self._values[position : position + operation.size]
                found.append(Q.create(tuple(zip(operation.names, values, strict=True)), negated=operation.negated))
            elif type(operation) is ops.Condition:
                found.append(operation.q)
            position += operation.size
        return found

    def _without_conditions(self) -> Self:
        clone = self._chain()
        kept: list[ops.Operation] = []
        values: list[Any] = []
        position = 0
        for operation in self._operations:
            if type(operation) not in (ops.Simple, ops.Condition):
                kept.append(operation)
                values += self._values[position : position + operation.size]
            position += operation.size
        clone._operations, clone._values = tuple(kept), tuple(values)
        return clone


def _all(conditions: list[Q]) -> Q:
    return conditions[0] if len(conditions) == 1 else Q.create(tuple(conditions))

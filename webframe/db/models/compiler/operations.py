"""What a queryset is made of: each call of filter(), annotate() ... adds one of these.

The tuple of a queryset's operations is its shape, and the key under which its
plans are found: operations are equal if they lead to the same SQL. Those that
are made often and are always the same are made once,
so that they are equal by being the same object. The literals are not here, but
`size` says how many of the queryset's literals belong to an operation.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from webframe.db.models.compiler.generated import compile_factory
from webframe.db.models.compiler.literals import Names
from webframe.db.models.paths import REMEMBERED, remember

# Types of values that are one literal to every lookup that takes one.
PLAIN = frozenset(
    {
        bool,
        int,
        float,
        str,
        bytes,
        decimal.Decimal,
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        uuid.UUID,
    }
)
# Types of values that are certainly not expressions.
PLAIN_TYPES = PLAIN | {type(None)}
ONLY_INT = frozenset({int})
LARGEST = 2**63 - 1


def is_expression(value: Any) -> bool:
    """Whether a value is to be built into the SQL, not passed as a parameter."""
    return hasattr(value, "build") and hasattr(value, "key")


class Slices(NamedTuple):
    """Which of LIMIT and OFFSET there are; their values are the last literals."""

    limit: bool = False
    offset: bool = False


WHOLE = Slices()


class Operation:
    """Base of all operations; hashed by identity, unless made with a key."""

    __slots__ = ("size",)

    # How many literals are its own.
    size: int


class KeyedOperation(Operation):
    """An operation that equals others of its class with the same key."""

    __slots__ = ("_hash", "key")

    def __init__(self, key: Hashable, size: int = 0) -> None:
        self.key = key
        self.size = size
        self._hash = hash((type(self), key))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self._hash == other._hash and self.key == other.key)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {
            name: getattr(self, name)
            for cls in type(self).__mro__
            for name in getattr(cls, "__slots__", ())
            if name != "_hash"
        }

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, value)
        self._hash = hash((type(self), self.key))  # hashes of strings differ from process to process


class Simple(Operation):
    """filter() or exclude() by keywords whose values are plain literals: one for each name, in this order."""

    __slots__ = ("alone", "kind", "kinds", "literals", "model", "names", "negated", "sticky", "unique")

    def __init__(self, model: Any, names: tuple[str, ...], negated: bool, sticky: bool) -> None:
        self.model = model
        self.names = names
        self.negated = negated
        # Whether the next filter goes on with the same related rows.
        self.sticky = sticky
        self.size = len(names)
        # For each name the Python types whose values are plain literals to its lookup.
        self.kinds: tuple[frozenset[type], ...] = ()
        # The same for a single name.
        self.kind: frozenset[type] = frozenset()
        # The values for the names, as a tuple; None where one of them is no plain literal to its lookup.
        self.literals: Callable[[Iterable[Any]], tuple[Any, ...] | None]
        # Whether at most one row matches.
        self.unique = False
        # What a queryset without other operations has.
        self.alone = (self,)

    def __reduce__(self) -> Any:
        return simple_filter, (self.model, self.names, self.negated, self.sticky)


def simple_filter(model: Any, names: tuple[str, ...], negated: bool = False, sticky: bool = False) -> Simple | None:
    """The operation for filter() or exclude() with these names; None if their lookups look into plain values."""
    meta = model._meta
    key = names
    known: dict[Any, Any] = meta.exclusions if negated else meta.filters
    if sticky:
        key = "sticky exclude" if negated else "sticky filter", *names
        known = meta.plans
    operation: Simple | None = known.get(key)
    if operation is None:
        kinds = []
        meaning = Names(model, {})
        for name in names:
            leaf = meaning.leaf(name)
            if not (leaf.lookup.one_literal or leaf.lookup.plain_int) or leaf.field is None:
                return None
            kinds.append(PLAIN if leaf.lookup.one_literal else ONLY_INT)
        operation = Simple(model, names, negated, sticky)
        operation.kinds = tuple(kinds)
        operation.kind = operation.kinds[0] if len(kinds) == 1 else frozenset()
        operation.literals = _taking(operation.kinds)
        operation.unique = not negated and any(_finds_one(model, meaning.leaf(name)) for name in names)
        remember(known, key, operation)
        if known is meta.filters and len(names) == 1:
            if len(meta.filters_by_name) > REMEMBERED:
                meta.filters_by_name.clear()
            meta.filters_by_name[names[0]] = operation
    return operation


def _finds_one(model: Any, leaf: Any) -> bool:
    """Whether at most one row matches."""
    field = leaf.path.field
    return bool(
        not leaf.path.steps
        and not leaf.transforms
        and leaf.lookup.lookup_name == "exact"
        and (field.unique or field.primary_key)
    )


@lru_cache(maxsize=256)
def _taking(kinds: tuple[frozenset[type], ...]) -> Callable[[Iterable[Any]], tuple[Any, ...] | None]:
    """What takes the literals out of the values of a filter, for each filter() and get().

    For an integer column and another one it reads::

        def literals(values):
            v0, v1, = values
            if type(v0) is int and -LARGEST <= v0 <= LARGEST and type(v1) in plain:
                return (v0, v1, )
    """
    names = "".join([f"v{place}, " for place in range(len(kinds))])
    tests = [
        # A larger number would need a parameter of another type.
        f"type(v{place}) is int and {-LARGEST} <= v{place} <= {LARGEST}"
        if kind is ONLY_INT
        else f"type(v{place}) in plain"
        for place, kind in enumerate(kinds)
    ]
    source = "\n".join(
        [
            "def factory(plain):",
            "    def literals(values):",
            f"        {names or '()'} = values",
            f"        if {' and '.join(tests) or 'True'}:",
            f"            return ({names})",
            "    return literals",
        ]
    )
    made: Callable[[Iterable[Any]], tuple[Any, ...] | None] = compile_factory(source)(PLAIN)
    return made


class Condition(KeyedOperation):
    """filter() and exclude(): rows for which a Q is true."""

    __slots__ = ("q", "sticky")

    def __init__(self, q: Any, key: Hashable, size: int, sticky: bool = False) -> None:
        super().__init__((key, sticky), size)
        # Its values as they were when it was given.
        self.q = q
        # Whether the next filter goes on with the same related rows.
        self.sticky = sticky


class Annotation(KeyedOperation):
    """annotate() and alias(): one expression under a name."""

    __slots__ = ("expression", "name", "selected")

    def __init__(self, name: str, expression: Any, key: Hashable, size: int, selected: bool) -> None:
        super().__init__((name, key, selected), size)
        self.name = name
        self.expression = expression
        # Whether it is part of the result.
        self.selected = selected


class Ordering(KeyedOperation):
    """order_by(): names and expressions."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Any, ...], key: Hashable, size: int) -> None:
        super().__init__(key, size)
        self.items = items


class Reverse(KeyedOperation):
    """reverse()."""

    __slots__ = ()


class Distinct(KeyedOperation):
    """distinct(): by the names in the key, or by whole rows."""

    __slots__ = ()


class Columns(KeyedOperation):
    """values() and values_list(): the key is (names, shape)."""

    __slots__ = ()


class Loading(KeyedOperation):
    """only() and defer(): the key is ("only" | "defer", names); no names with "defer": everything."""

    __slots__ = ()


class Related(KeyedOperation):
    """select_related(): the key is a tuple of names; True: all that are not null; None: nothing any more."""

    __slots__ = ()


class Lock(KeyedOperation):
    """select_for_update(): the key is (nowait, skip_locked, of, no_key)."""

    __slots__ = ()


class Each(KeyedOperation):
    """The slice is taken of the rows with each value of a name by themselves, not of all; the key is the name."""

    __slots__ = ()


class Nothing(KeyedOperation):
    """none()."""

    __slots__ = ()


class Combination(KeyedOperation):
    """union(), intersection(), difference(): always the first operation."""

    __slots__ = ("kind", "querysets")

    def __init__(self, kind: str, querysets: tuple[Any, ...], key: Hashable, size: int) -> None:
        super().__init__((kind, key), size)
        # "union", "union all", "intersection" or "difference".
        self.kind = kind
        self.querysets = querysets

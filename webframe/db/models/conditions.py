"""Q: conditions as data, combined with and, or, xor and not.

A Q knows no model and makes no SQL: what its names mean is decided by the query
that it is given to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

__all__ = ["Q"]

CONNECTORS: Final = ("AND", "OR", "XOR")


class Q:
    """A condition: look-ups, other conditions, expressions with boolean values, joined by one connector.

    >>> Q(name="Ham") | ~Q(price__gte=10)
    <Q: (OR: ('name', 'Ham'), (NOT (AND: ('price__gte', 10))))>

    Positional arguments may be Q objects, expressions with boolean values, or
    pairs of a name and a value; keywords follow them in alphabetical order. A Q
    cannot be changed: `&`, `|`, `^` and `~` make new ones. An empty Q, negated or
    not, asks for nothing: it keeps every row.
    """

    __slots__ = ("children", "connector", "negated")

    AND: Final = "AND"
    OR: Final = "OR"
    XOR: Final = "XOR"
    default: Final = "AND"
    conditional: Final = True

    # What it is made of: (name, value) pairs, Q objects and expressions.
    children: tuple[Any, ...]
    # "AND", "OR" or "XOR" (true if an odd number of children is).
    connector: str
    # Whether it is the opposite of what its children say.
    negated: bool

    def __init__(self, *args: Any, _connector: str | None = None, _negated: bool = False, **kwargs: Any) -> None:
        connector = self.default if _connector is None else _connector
        if connector not in CONNECTORS:
            raise ValueError(f"_connector must be one of 'AND', 'OR', 'XOR', or None; not {connector!r}.")
        if not isinstance(_negated, bool):
            raise ValueError(f"_negated must be True or False, not {_negated!r}.")
        for child in args:
            _check(child)
        self._set((*args, *sorted(kwargs.items())), connector, _negated)

    def _set(self, children: tuple[Any, ...], connector: str, negated: bool) -> None:
        _set_children(self, children)
        _set_connector(self, connector)
        _set_negated(self, negated)

    @classmethod
    def create(cls, children: tuple[Any, ...], connector: str = "AND", negated: bool = False) -> Q:
        """A Q of children that are known to be good, without looking at them."""
        made = cls.__new__(cls)
        _set_children(made, tuple(children))
        _set_connector(made, connector)
        _set_negated(made, negated)
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A Q cannot be changed. Make another one with &, |, ^ or ~ instead of setting {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A Q cannot be changed, so {name!r} cannot be deleted.")

    def add(self, other: Any, connector: str) -> None:
        """Refused, because a Q cannot be changed: always raises `TypeError`, saying what to write instead."""
        symbol = {"AND": "&", "OR": "|", "XOR": "^"}.get(connector, "&")
        raise TypeError(f"A Q cannot be changed. Write 'q {symbol}= other' instead of 'q.add(other, {connector!r})'.")

    # -- combining

    def __and__(self, other: Any) -> Q:
        return self.joined(other, "AND")

    def __or__(self, other: Any) -> Q:
        return self.joined(other, "OR")

    def __xor__(self, other: Any) -> Q:
        return self.joined(other, "XOR")

    def __rand__(self, other: Any) -> Q:
        return _as_q(other).joined(self, "AND")

    def __ror__(self, other: Any) -> Q:
        return _as_q(other).joined(self, "OR")

    def __rxor__(self, other: Any) -> Q:
        return _as_q(other).joined(self, "XOR")

    def __invert__(self) -> Q:
        return self.create(self.children, self.connector, not self.negated)

    def joined(self, other: Any, connector: str) -> Q:
        """What `&`, `|` and `^` do, by the name of the connector."""
        second = _as_q(other)
        if not second.children:
            return self
        if not self.children:
            return second
        return self.create((*self._parts(connector), *second._parts(connector)), connector)

    def _parts(self, connector: str) -> tuple[Any, ...]:
        """What it contributes to a condition with this connector: its children, or itself as a whole."""
        if not self.negated and (self.connector == connector or len(self.children) == 1):
            return self.children
        return (self,)

    # -- looking at it

    def __bool__(self) -> bool:
        return bool(self.children)

    def __len__(self) -> int:
        return len(self.children)

    def __contains__(self, child: object) -> bool:
        return child in self.children

    def leaves(self) -> Iterator[Any]:
        """Every (name, value) pair and every expression in it, however deep."""
        for child in self.children:
            if isinstance(child, Q):
                yield from child.leaves()
            else:
                yield child

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Its import path, and the arguments that make an equal one."""
        kwargs: dict[str, Any] = {}
        if self.connector != self.default:
            kwargs["_connector"] = self.connector
        if self.negated:
            kwargs["_negated"] = True
        return "webframe.db.models.Q", self.children, kwargs

    def __reduce__(self) -> tuple[Callable[..., Q], tuple[Any, ...]]:
        return type(self).create, (self.children, self.connector, self.negated)

    def __copy__(self) -> Q:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Q):
            return NotImplemented
        return (self.connector, self.negated, self.children) == (other.connector, other.negated, other.children)

    def __hash__(self) -> int:
        return hash((self.connector, self.negated, tuple(_hashable(child) for child in self.children)))

    def __str__(self) -> str:
        children = ", ".join(str(child) if isinstance(child, Q) else repr(child) for child in self.children)
        text = f"({self.connector}: {children})"
        return f"(NOT {text})" if self.negated else text

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


# What writes the slots of a Q, which refuses that itself.
_set_children, _set_connector, _set_negated = (vars(Q)[name].__set__ for name in ("children", "connector", "negated"))


def _check(child: Any) -> None:
    if isinstance(child, tuple):
        if len(child) != 2 or not isinstance(child[0], str):
            raise TypeError(f"A look-up given to Q() as a tuple must be (name, value), not {child!r}.")
    elif not getattr(child, "conditional", False):
        raise TypeError(
            f"Q() takes look-ups, other Q objects and expressions with boolean values; {child!r} is none of them."
        )


def _as_q(other: Any) -> Q:
    if isinstance(other, Q):
        return other
    if not getattr(other, "conditional", False):
        raise TypeError(f"A Q can only be combined with conditions; {other!r} is not one.")
    return Q.create((other,))


def _hashable(value: Any) -> Any:
    """Something hashable that is the same for equal values."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_hashable(item) for item in value)
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    if isinstance(value, dict):
        return frozenset((name, _hashable(item)) for name, item in value.items())
    try:
        hash(value)
    except TypeError:
        return type(value)
    return value


def names_in(part: Any) -> Iterable[str]:
    """Every name in a Q, an expression or the name of a field, as it is written there; none in None."""
    if part is None:
        return
    if isinstance(part, str):
        yield part
    elif not isinstance(part, Q):
        yield from part.references()
    else:
        for leaf in part.leaves():
            yield from names_in(leaf[0] if isinstance(leaf, tuple) else leaf)
            if isinstance(leaf, tuple) and hasattr(leaf[1], "references"):
                yield from leaf[1].references()

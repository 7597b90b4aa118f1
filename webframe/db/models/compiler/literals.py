"""Taking literals out of conditions: what a condition looks like without them, and which they are.

`Leaf` says what one name of a condition means: a column, transforms of it, and a
lookup. The key of a condition and its SQL are both made from it, so that they
meet the literals in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

# Dates and documents get the parts that names may ask for when these are loaded.
import webframe.db.models.functions.datetime
import webframe.db.models.functions.json  # noqa: F401
from webframe.core.exceptions import FieldError
from webframe.db.models.building import Literals, key_of
from webframe.db.models.conditions import Q
from webframe.db.models.lookups import Exact
from webframe.db.models.paths import Path, find, remember, resolve, scalar, unresolvable

# The lookups that make sense for a relation as such.
FOR_RELATIONS = frozenset({"exact", "in", "gt", "gte", "lt", "lte", "isnull"})

# Python types of literals that no lookup takes apart.
CONTAINERS = (list, tuple, set, frozenset)


class Leaf(NamedTuple):
    """What a name in a condition means."""

    path: Path
    transforms: tuple[Any, ...]
    lookup: Any
    # The field that the lookup compares with; None: only building will tell.
    field: Any


class Names:
    """What names mean in one query: its model, and its annotations so far."""

    __slots__ = ("annotations", "field_of", "model")

    def __init__(
        self, model: Any, annotations: Mapping[str, Any], field_of: Callable[[str], Any] = lambda alias: None
    ) -> None:
        self.model = model
        self.annotations = annotations
        # The field of an annotation's values; None where nobody knows.
        self.field_of = field_of

    def leaf(self, name: str) -> Leaf:
        """What a name with its lookup means. Raises `FieldError` if any part of it means nothing."""
        known = self.model._meta.plans
        # Names of fields mean the same with annotations, unless one of these begins like them.
        leaf: Leaf | None = known.get(("leaf", name)) if not self.annotations else None
        if leaf is None:
            path = resolve(self.model, name, self.annotations)
            if path.steps and path.steps[-1].filter is not None:
                leaf = leaf_of(name, path, scalar(path.field), self.model)
            elif path.annotation is None:
                leaf = remember(known, ("leaf", name), leaf_of(name, path, scalar(path.field), self.model))
            else:
                leaf = leaf_of(name, path, self.field_of(path.annotation), self.model)
        return leaf


def leaf_of(name: str, path: Path, field: Any, model: Any) -> Leaf:
    """The leaf for a path that is known to start right; `field` has the values of its column."""
    if field is not None and field.is_relation:
        field = scalar(field)
    transforms: list[Any] = []
    # The field that the transforms so far lead to, and those before.
    fields = [field]
    for place, part in enumerate(path.rest):
        last = place == len(path.rest) - 1
        lookup = field.get_lookup(part) if last and field is not None else None
        if lookup is not None:
            if path.relation is not None and not transforms and part not in FOR_RELATIONS:
                raise FieldError(f"Related Field got invalid lookup: {part}. Name a field of it first, as in {name!r}.")
            return _leaf(path, transforms, lookup, fields)
        transform = field.get_transform(part) if field is not None else None
        if transform is None:
            raise unresolvable(name, part, path, model, path.rest[:place])
        if path.relation is not None and not transforms:
            raise FieldError(f"Related Field got invalid lookup: {part}. Name a field of it first, as in {name!r}.")
        transforms.append(transform)
        field = transform.result_field(field)
        fields.append(field)
    lookup = field.get_lookup("exact") if field is not None else None
    return _leaf(path, transforms, lookup or Exact, fields)


def _leaf(path: Path, transforms: list[Any], lookup: Any, fields: list[Any]) -> Leaf:
    """The leaf; without the last transform where a look-up of the column itself asks the same."""
    if transforms:
        of_column = getattr(transforms[-1], "of_column", {}).get(lookup.lookup_name)
        if of_column is not None and of_column.transform is transforms[-1] and of_column.of_part is lookup:
            return Leaf(path, tuple(transforms[:-1]), of_column, fields[-2])
    return Leaf(path, tuple(transforms), lookup, fields[-1])


class QueryLiterals(Literals):
    """The literals of a query, in the order of traversal."""

    def __init__(self, names: Names, values: Iterable[Any] = ()) -> None:
        super().__init__(values)
        self.names = names

    def condition(self, q: Any) -> Hashable:
        """The key of a Q or of an expression with boolean values; its literals are appended."""
        if isinstance(q, Q):
            return q.connector, q.negated, tuple([self._child(child) for child in q.children])
        return key_of(q, self)

    def _child(self, child: Any) -> Hashable:
        if isinstance(child, tuple):
            name, value = child
            leaf = self.names.leaf(name)
            return name, leaf.lookup.key(plain_value(leaf, value), self)
        return self.condition(child)


def settled(q: Q, names: Names) -> Q:
    """The same condition with its values as they are now: instances become keys, iterators and lists are copied.

    Raises `FieldError` for names that mean nothing.
    """
    children: list[Any] = []
    for child in q.children:
        if isinstance(child, tuple):
            name, value = child
            children.append((name, checked_value(names.leaf(name), value)))
        elif isinstance(child, Q):
            children.append(settled(child, names))
        else:
            check_references(child, names)
            children.append(child)
    return Q.create(tuple(children), q.connector, q.negated)


def check_references(expression: Any, names: Names) -> None:
    """Raise `FieldError` if an expression refers to something that means nothing."""
    references = getattr(expression, "references", None)
    if references is None:
        return
    for name in references():
        resolve(names.model, name, names.annotations)


def checked_value(leaf: Leaf, value: Any) -> Any:
    """What `plain_value` gives; raises what the lookup has to say against it."""
    value = plain_value(leaf, value)
    if leaf.field is not None:
        leaf.lookup.check(leaf.field, value)
    return value


def plain_value(leaf: Leaf, value: Any) -> Any:
    """The value for a leaf's lookup: of objects what tells them apart, of iterables a list."""
    if isinstance(value, (str, bytes, int, float)) or value is None:
        return value
    relation = leaf.path.relation
    if hasattr(value, "references"):
        if leaf.lookup.lookup_name == "exact" and getattr(value, "may_have_many_rows", False):
            raise ValueError(
                "The QuerySet value for an exact lookup must be limited to one result using slicing: write [:1] behind "
                "it, or ask by 'in'."
            )
        if relation is not None and not leaf.transforms and getattr(value, "gives_instances", False):
            return related_keys(leaf, value)
        return value
    if leaf.lookup.lookup_name in ("in", "range") and not isinstance(value, CONTAINERS):
        value = list(value)
    if relation is None or leaf.transforms:
        return list(value) if type(value) is list else value
    if isinstance(value, CONTAINERS):
        return [related_value(leaf, item) for item in value]
    return related_value(leaf, value)


def related_value(leaf: Leaf, value: Any) -> Any:
    """The key of a related object; anything but an object is a key already."""
    meta = getattr(value, "_meta", None)
    if meta is None or isinstance(value, type):
        return value
    relation = leaf.path.relation
    wanted = relation.related_model._meta
    if not _compatible(meta.concrete_model, wanted.concrete_model):
        raise ValueError(f'Cannot query "{value}": Must be "{wanted.object_name}" instance.')
    target = leaf.path.target
    key = getattr(value, target.attname) if hasattr(value, target.attname) else value.pk
    if key is None:
        raise ValueError(f"Model instances passed to related filters must be saved: {value!r} is not.")
    return key


def related_keys(leaf: Leaf, queryset: Any) -> Any:
    """A queryset of related objects as one of their keys: of what the relation refers to, which need not be the pk."""
    model, wanted = queryset.model, leaf.path.relation.related_model
    if not _compatible(model._meta.concrete_model, wanted._meta.concrete_model):
        raise ValueError(
            f'Cannot use QuerySet for "{model._meta.object_name}": Use a QuerySet for "{wanted._meta.object_name}".'
        )
    target = leaf.path.target
    if target.primary_key or find(model, target.attname) is None:
        return queryset
    return queryset.values_list(target.attname, flat=True)


def _compatible(model: Any, wanted: Any) -> bool:
    return bool(issubclass(model, wanted) or issubclass(wanted, model))

"""What names mean: "author__name__icontains" is two joins, no, one, a field, and a lookup.

Every name that anybody gives to a query is resolved here, through `_meta`, and
nothing else decides what a name is: what is not found is a `FieldError` that
says what there is. Names found are remembered in the model's ``_meta``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from webframe._lazy import late_pattern
from webframe.conf import close_match
from webframe.core.exceptions import FieldDoesNotExist, FieldError
from webframe.db.models.options import JoinStep

T = TypeVar("T")

# Between the parts of a name.
SEPARATOR = "__"

# How much about names is remembered for one model: there is no end to names, since keys of documents are part of them.
REMEMBERED = 2048


class Path(NamedTuple):
    """Where a name leads."""

    # The joins from the model that the name starts at; none that only lead to a column that is at hand already.
    steps: tuple[JoinStep, ...]
    # The field with the column; None if `annotation` is what it leads to.
    field: Any
    # The field or the other end of a relation that the name stops at; None if it goes on to something without relation.
    relation: Any
    # What is left of the name: transforms and a lookup, or keys of a JSON value.
    rest: tuple[str, ...]
    # Whether one row may lead to several.
    many: bool
    # The field of a related object that tells which one it is, where the name stops at a relation.
    target: Any = None
    # The name of an annotation, where that is what the name begins with.
    annotation: str | None = None

    @property
    def model(self) -> Any:
        """The model in whose table the field is."""
        return self.steps[-1].model if self.steps else None


def resolve(model: Any, name: str, annotations: Mapping[str, Any] | None = None) -> Path:
    """Where a name leads from a model, with the part that is no field left in `rest`.

    Raises `FieldError`, with the choices, if not even its first part means anything.
    """
    if annotations:
        first, *rest = name.split(SEPARATOR)
        if name in annotations:
            first, rest = name, []
        if first in annotations:
            relation = getattr(annotations[first], "relation_name", None)
            if relation is not None:
                return _through(model, first, relation, rest)
            return Path((), None, None, tuple(rest), False, None, first)
    known: dict[Any, Any] = model._meta.plans
    path: Path | None = known.get(("path", name))
    if path is None:
        path = remember(known, ("path", name), _resolve(model, name, annotations or {}))
    return path


def remember(known: dict[Any, Any], key: tuple[Any, ...], value: T) -> T:
    """Keep what was found out about names of a model in a dictionary of its ``_meta``.

    All that is known of names there is forgotten when it is too much.
    """
    if len(known) > REMEMBERED:
        for old in [old for old in list(known) if isinstance(old, tuple)]:
            known.pop(old, None)
    known[key] = value
    return value


def resolve_column(model: Any, name: str, annotations: Mapping[str, Any] | None = None) -> Path:
    """Like `resolve`, for where no lookup may follow: what is left must be transforms of the field.

    Raises `FieldError` for anything else.
    """
    path = resolve(model, name, annotations)
    field = path.field if path.annotation is None else None
    if path.rest and field is not None:
        for place, part in enumerate(path.rest):
            transform = field.get_transform(part) if field is not None else None
            if transform is None:
                raise unresolvable(name, part, path, model, path.rest[:place])
            field = transform.result_field(field)
    return path


def _resolve(model: Any, name: str, annotations: Mapping[str, Any]) -> Path:
    if not isinstance(name, str):
        raise FieldError(f"A field is named by a string, not by {name!r}.")
    parts = name.split(SEPARATOR)
    current = model
    steps: list[JoinStep] = []
    field: Any = None
    relation: Any = None
    place = 0
    for part in parts:
        found = find(current, part)
        if found is None:
            break
        place += 1
        if found.is_relation:
            joins = found.join_steps()
            steps += to_ancestor(current, joins[0].source)
            steps += joins
            relation = found
            current = joins[-1].model
            field = _key_of_related(found, joins)
        else:
            steps += to_ancestor(current, found.model)
            field, relation = found, None
            break
    if field is None:
        raise FieldError(
            f"Cannot resolve keyword {parts[0]!r} into field.{close_match(parts[0], choices(model, annotations))} "
            f"Choices are: {', '.join(choices(model, annotations))}"
        )
    many = any(step.many for step in steps)
    target = field
    if relation is not None and field is not steps[-1].columns[0][1] and relation.concrete:
        # A field of the target's parent is pointed to: the foreign key says all, the joins to the target nothing more.
        del steps[-len(relation.join_steps()) :]
        field = relation
    field = _trim(field, steps)
    return Path(tuple(steps), field, relation, tuple(parts[place:]), many, target)


def _through(model: Any, alias: str, name: str, rest: list[str]) -> Path:
    """Where a name leads that begins with the `alias` of a filtered relation: to its last join, whatever comes."""
    steps, relation = relation_named(model, name)
    steps[-1] = steps[-1]._replace(filter=alias)
    current = steps[-1].model
    if rest and find(current, rest[0]) is not None:
        path = resolve(current, SEPARATOR.join(rest))
        return path._replace(steps=(*steps, *path.steps), many=path.many or any(step.many for step in steps))
    pk = current._meta.pk
    return Path(tuple(steps), pk, relation, tuple(rest), any(step.many for step in steps), pk)


def relation_named(model: Any, name: str) -> tuple[list[JoinStep], Any]:
    """The joins for the name of a relation, and the relation; `FieldError` if it is none."""
    current, steps, relation = model, [], None
    for part in name.split(SEPARATOR):
        relation = find(current, part)
        if relation is None or not relation.is_relation:
            raise FieldError(f"{name!r} is no relation of {model._meta.object_name}: {part!r} is none.")
        joins = relation.join_steps()
        steps += [*to_ancestor(current, joins[0].source), *joins]
        current = joins[-1].model
    return steps, relation


def find(model: Any, name: str) -> Any:
    """The field or relation that a model has under a name ("pk" too); None if there is none that questions may name."""
    meta = model._meta
    if name == "pk":
        return meta.pk
    try:
        found = meta.get_field(name)
    except FieldDoesNotExist:
        return None
    if found in meta.private_fields or (found.auto_created and not found.concrete and _is_unnamed(found, name)):
        return None
    return found


def _is_unnamed(relation: Any, name: str) -> bool:
    return bool(name != relation.name)


def _key_of_related(relation: Any, joins: tuple[JoinStep, ...]) -> Any:
    """The field that stands for a related object: what a forward relation points to, else the primary key."""
    if is_forward(joins[-1]):
        return joins[-1].columns[0][1]
    if relation.concrete:
        return relation.target_field
    return joins[-1].model._meta.pk


def is_forward(step: JoinStep) -> bool:
    """Whether the step follows a foreign key from the row that has it, so that its column tells all about the key."""
    source, target = step.columns[0]
    return bool(
        source.is_relation
        and not step.many
        and getattr(source, "target_field", None) is target
        and getattr(source, "concrete", False)
    )


def _trim(field: Any, steps: list[JoinStep]) -> Any:
    """Leave out joins at the end that only lead to a column whose value is in the row before."""
    while steps:
        step = steps[-1]
        if step.filter is not None or not is_forward(step):
            break
        nearer = [source for source, target in step.columns if target is field]
        if not nearer:
            break
        field = nearer[0]
        steps.pop()
    return field


def to_ancestor(model: Any, ancestor: Any) -> tuple[JoinStep, ...]:
    """The joins from a model's own table to that of a parent in multi-table inheritance; none to itself."""
    steps: list[JoinStep] = []
    current, target = model._meta.concrete_model, ancestor._meta.concrete_model
    while current is not target:
        for parent, link in current._meta.parents.items():
            if link is not None and issubclass(parent, target):
                steps += link.join_steps()
                current = parent._meta.concrete_model
                break
        else:
            raise TypeError(f"{model.__name__} does not inherit from {ancestor.__name__}.")
    return tuple(steps)


def choices(model: Any, annotations: Iterable[str] = ()) -> list[str]:
    """What the first part of a name may be, in alphabetical order."""
    meta = model._meta
    names = {field.name for field in meta.get_fields() if field not in meta.private_fields and not field.hidden}
    return sorted(names.union(annotations))


def unresolvable(name: str, part: str, path: Path, model: Any, before: tuple[str, ...] = ()) -> FieldError:
    """The error for a part of a name that is neither field, transform nor lookup."""
    if path.annotation is not None:
        where = f"the annotation {path.annotation!r}"
        known: list[str] = []
    elif path.relation is not None:
        where = f"{path.relation.name!r}"
        known = choices(path.relation.related_model)
    else:
        where = f"{type(path.field).__name__} {path.field.name!r}"
        known = []
    known += sorted(_lookups(path.field)) if path.field is not None and not before else []
    return FieldError(
        f"Unsupported lookup {part!r} for {where} in {name!r}: it is neither a field nor a lookup there."
        + (f"{close_match(part, known)} Choices are: {', '.join(known)}" if known else "")
    )


def _lookups(field: Any) -> Iterator[str]:
    lookups = getattr(field, "get_lookups", None)
    if lookups is not None:
        yield from lookups()


# --- names that users make up -----------------------------------------------------------------------------------

# An alias is an identifier in SQL: nothing that could end or comment one, whatever the engine; and MySQL takes no
# characters beyond the first 65536 in identifiers.
_FORBIDDEN = late_pattern(
    r"""['`"\]\[;\s.\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]|--|/\*|\*/|#|%|\(|\)|\$|\\"""
)


def check_alias(alias: Any, model: Any, kind: str = "annotation", taken: Iterable[str] = ()) -> None:
    """Raise ValueError unless a name can be that of an annotation."""
    if not isinstance(alias, str):
        raise TypeError(f"The name of an {kind} must be a string, not {alias!r}.")
    if not alias or _FORBIDDEN.search(alias) or len(alias.encode()) > 63:
        raise ValueError(
            f"{alias!r} cannot be the name of an {kind}: names of 1 to 63 characters are taken, without white space, "
            f"quotes, brackets, dots, semicolons, hashes, percent and dollar signs, and SQL comments."
        )
    if alias in taken:
        raise ValueError(f"The {kind} {alias!r} conflicts with a field on the model {model._meta.label}.")


def field_names(model: Any) -> frozenset[str]:
    """The names that annotations of a model cannot have: those of its fields and their columns' attributes."""
    known: dict[Any, Any] = model._meta.plans
    names: frozenset[str] | None = known.get("field names")
    if names is None:
        fields = model._meta.get_fields()
        names = known["field names"] = frozenset(
            name for field in fields for name in (field.name, getattr(field, "attname", None)) if isinstance(name, str)
        )
    return names


def scalar(field: Any) -> Any:
    """The field whose values a column has: for a foreign key what it points to in the end."""
    while field.is_relation:
        field = field.target_field
    return field

"""Names that two parts of a model would share, refused where the second one is defined.

The rules are those of Django's system checks models.E005 to E007, E026 and
fields.E302 to E309. Names are compared as soon as both sides are known: fields
and columns when a class is made, what relations are called from their other
end when that end exists.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from webframe.core.exceptions import FieldError

# What each model gets beside the attributes of `Model`.
GIVEN = frozenset({"_meta", "pk", "DoesNotExist", "MultipleObjectsReturned", "NotUpdated"})


class Clash(NamedTuple):
    """One name for two things: the id of the check, and a sentence about it."""

    id: str
    what: str


# --- one class ----------------------------------------------------------------------------------------------------


def is_needed_by_models(model: Any, name: str) -> bool:
    """Whether `Model` itself, the root of a class, has an attribute of that name."""
    if name in GIVEN:
        return True
    return name in _names_of_root([base for base in model.__mro__ if isinstance(base, type(model))][-1])


@cache
def _names_of_root(root: type) -> frozenset[str]:
    return frozenset(name for base in root.__mro__ for name in vars(base))


def refuse_needed_name(model: Any, name: str, value: Any) -> None:
    """Raise FieldError for a field or a manager that would hide what `Model` needs."""
    # A class that was made for a many-to-many field has fields called like the models, and nobody calls its methods.
    if is_needed_by_models(model, name) and not model._meta.auto_created:
        is_field = hasattr(value, "get_attname")
        what, cure = ("field", ", and its column this one by db_column") if is_field else ("manager", "")
        raise FieldError(
            f"A {what} of {model._meta.label} cannot be called {name!r}: it would hide what every model has under that "
            f"name. Give it another name{cure}."
        )


def refuse_clashing_fields(model: Any) -> None:
    """Raise FieldError for a model with two keys, or two fields of one name or with one column."""
    meta = model._meta
    keys = [field.name for field in meta.local_fields if field.primary_key]
    if len(keys) > 1:
        raise FieldError(
            f"{meta.label} has {len(keys)} fields with primary_key=True: {', '.join(keys)}. Keep it for one of them; "
            f"for the others unique=True will do, and for several together a UniqueConstraint."
        )
    names: dict[str, Any] = {}
    for field in (*meta.fields, *meta.many_to_many):
        for name in dict.fromkeys((field.name, field.attname)):
            other = names.setdefault(name, field)
            if other is not field:
                raise FieldError(
                    f"{meta.label} would have {name!r} twice: of the field {_origin(other)} and of the field "
                    f"{_origin(field)}. Rename one of them."
                )
    columns: dict[str, Any] = {}
    for field in meta.local_concrete_fields:
        other = columns.setdefault(field.column, field)
        if other is not field:
            raise FieldError(
                f"The fields {other.name!r} and {field.name!r} of {meta.label} would both be kept in the column "
                f"{field.column!r}. Give one of them another db_column."
            )


def _origin(field: Any) -> str:
    return f"{field.model._meta.label}.{field.name}"


# --- two ends of a relation -----------------------------------------------------------------------------------------


def refuse_bad_related_name(field: Any) -> None:
    """Raise FieldError where the names that a relation has at its other end cannot be used there."""
    rel = field.remote_field
    name = rel.related_name
    if name and not rel.hidden and (not name.isidentifier() or keyword.iskeyword(name)):
        raise FieldError(
            f"{field} has related_name={name!r}, which cannot be an attribute. Give a name of Python, or one that ends "
            f"with '+' if no way back is needed."
        )
    query_name = rel.name
    if not query_name.endswith("+") and ("__" in query_name or query_name.endswith("_")):
        raise FieldError(
            f"{field} is called {query_name!r} in queries from the other end, which join names by '__'. Give it a "
            f"related_name or a related_query_name without '__' in it and '_' at its end."
        )


def clashes_of(field: Any) -> list[Clash]:
    """The names at the other end of a relation that something else there has, too; none while there is no such end."""
    rel = field.remote_field
    if isinstance(rel.model, str):
        return []
    return [*_clashes_with_fields(field), *_clashes_with_relations(field)]


def refuse_clashes(field: Any) -> None:
    """Raise FieldError where the other end of a relation has its names already."""
    found = clashes_of(field)
    if found:
        raise FieldError(" ".join([*(clash.what for clash in found), cure_of(field)]))


def cure_of(field: Any) -> str:
    """What to do about a clash."""
    rel = field.remote_field
    if rel.parent_link and field.auto_created:
        return (
            f"Rename what is there, or declare the link to the parent: {field.name} = OneToOneField("
            f"{rel.model.__name__}, models.CASCADE, parent_link=True, related_name=...)."
        )
    if any(
        each._meta.abstract and field.name in _own_names(each) for each in field.model.mro() if hasattr(each, "_meta")
    ):
        return "Write %(class)s into the related_name that the abstract model gives, such as '%(class)s_items'."
    return f"Give {field} a related_name of its own, or '+' if no way back is needed."


def _own_names(model: Any) -> set[str]:
    return {field.name for field in (*model._meta.local_fields, *model._meta.local_many_to_many)}


def _names_of(rel: Any) -> tuple[str | None, str | None]:
    """The accessor and the name in queries of the other end of a relation; None for what it does not have."""
    accessor = None if rel.hidden else rel.get_accessor_name()
    return accessor, None if rel.name.endswith("+") else rel.name


def _clashes_with_fields(field: Any) -> Iterator[Clash]:
    rel = field.remote_field
    target, (accessor, query_name) = rel.model, _names_of(rel)
    if accessor and is_needed_by_models(target, accessor):
        yield Clash(
            "fields.E302",
            f"The way back {target.__name__}.{accessor} of {field} would hide what every model has under that name.",
        )
    if accessor and accessor in target._meta.managers_map:
        yield Clash("fields.E302", f"The way back {target.__name__}.{accessor} of {field} would hide that manager.")
    for other in (*target._meta.fields, *target._meta.many_to_many):
        names = (other.name, other.attname)
        if accessor in names:
            yield Clash(
                "fields.E302", f"The way back {target.__name__}.{accessor} of {field} clashes with the field {other}."
            )
        if query_name in names and query_name != accessor:
            yield Clash("fields.E303", f"The name {query_name!r} of {field} in queries clashes with the field {other}.")


def _clashes_with_relations(field: Any) -> Iterator[Clash]:
    rel = field.remote_field
    accessor, query_name = _names_of(rel)
    for other in _relations_beside(rel):
        others_accessor, others_query_name = _names_of(other)
        if accessor and accessor == others_accessor:
            yield Clash(
                "fields.E304",
                f"The way back {rel.model.__name__}.{accessor} of {field} clashes with that of {other.field}.",
            )
        elif query_name and query_name == others_query_name:
            yield Clash(
                "fields.E305",
                f"The name {query_name!r} of {field} in queries of {rel.model.__name__} clashes with that of "
                f"{other.field}.",
            )


def _relations_beside(rel: Any) -> Iterator[Any]:
    """The other relations that are known to the model pointed to, or to one that inherits from it."""
    meta = rel.model._meta.concrete_model._meta
    found = {id(each): each for each in meta.all_related_objects}
    if not rel.parent_link:
        for heir in meta.heirs_with_tables():
            found.update((id(each), each) for each in heir.local_related_objects)
    for each in found.values():
        if each.field is not rel.field and _stand_together(each.related_model, rel.related_model):
            yield each


def _stand_together(model: Any, new: Any) -> bool:
    """Whether two models belong to one registry, and neither is another state of the other or was defined again."""
    meta = model._meta
    if model is new:
        return True
    is_current = new._meta.apps.all_models.get(meta.app_label, {}).get(meta.model_name) is model
    return is_current and meta.label_lower != new._meta.label_lower

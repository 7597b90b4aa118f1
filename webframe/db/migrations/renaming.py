"""Another name for a field, wherever a model's own options name it: indexes, constraints, conditions, orderings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webframe.db.models.conditions import Q, names_in
from webframe.db.models.expressions import Expression, F

# The options of Meta that name fields by strings, with "-" in front or without.
_NAMES = ("ordering", "get_latest_by")


def options_with_renamed_field(options: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """The options of a model of which a field gets another name."""
    changed = dict(options)
    changed["indexes"] = [_part(index, old, new) for index in options["indexes"]]
    changed["constraints"] = [_part(constraint, old, new) for constraint in options["constraints"]]
    if "unique_together" in options:
        changed["unique_together"] = {tuple(new if n == old else n for n in ns) for ns in options["unique_together"]}
    for option in _NAMES:
        if options.get(option):
            changed[option] = _value(options[option], old, new)
    return changed


def options_without_field(options: Mapping[str, Any], field: Any, name: str) -> dict[str, Any]:
    """The options of a model that a field is removed from: without what needs that field to be there."""
    gone = {name, f"{name}_id"} if field.is_relation else {name}

    changed = dict(options)
    for option in ("indexes", "constraints"):
        changed[option] = [part for part in options[option] if gone.isdisjoint(fields_of(part))]
    if "unique_together" in options:
        changed["unique_together"] = {names for names in options["unique_together"] if gone.isdisjoint(names)}
    return changed


def fields_of(part: Any) -> set[str]:
    """The names of the fields that an index or a constraint names."""
    named = {name.removeprefix("-") for name in (*getattr(part, "fields", ()), *getattr(part, "include", ()))}
    for each in (*getattr(part, "expressions", ()), getattr(part, "condition", None)):
        named.update(path.split("__")[0] for path in names_in(each))
    return named


def _part(part: Any, old: str, new: str) -> Any:
    """An index or a constraint."""
    _, args, kwargs = part.deconstruct()
    changed = {name: value if name == "name" else _value(value, old, new) for name, value in kwargs.items()}
    return type(part)(*_value(tuple(args), old, new), **changed)


def _value(value: Any, old: str, new: str) -> Any:
    """What names fields: a name or a path, a Q, an expression, or several of these."""
    if isinstance(value, str):
        return _path(value, old, new)
    if isinstance(value, Q):
        children = tuple(
            (_path(child[0], old, new), _operand(child[1], old, new))
            if isinstance(child, tuple)
            else _value(child, old, new)
            for child in value.children
        )
        return Q.create(children, value.connector, value.negated)
    if isinstance(value, (list, tuple)):
        return type(value)([_value(each, old, new) for each in value])
    return _operand(value, old, new)


def _operand(value: Any, old: str, new: str) -> Any:
    """What may be an expression; a string is a literal here."""
    if isinstance(value, F):
        return type(value)(_path(value.name, old, new))
    if isinstance(value, Q):
        return _value(value, old, new)
    if isinstance(value, (list, tuple)):
        return type(value)([_operand(each, old, new) for each in value])
    if not isinstance(value, Expression):
        return value
    made = object.__new__(type(value))
    for name, part in value.__getstate__().items():
        made.__dict__[name] = _operand(part, old, new)
    return made


def _path(path: str, old: str, new: str) -> str:
    """A path, "-" in front or not, whose first part is a field."""
    dash = "-" if path.startswith("-") else ""
    first, *rest = path.removeprefix("-").split("__")
    if first == f"{old}_id":
        first = f"{new}_id"
    elif first == old:
        first = new
    return dash + "__".join([first, *rest])

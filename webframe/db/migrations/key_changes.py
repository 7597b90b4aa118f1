"""Primary keys that make room for other fields, and who refers to them.

A foreign key that names no field holds values of the primary key. Where that becomes
another field, no statement turns the ones into the others, and databases take no key
away that is referred to: it is refused while nothing has been changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webframe.db.migrations.errors import ReferredKeyError
from webframe.db.migrations.references import ModelKey, keys_referred_to, kind_of

# A model and the name of a field.
Place = tuple[ModelKey, str]


def name_of_key(state: Any) -> str | None:
    """The name of the field that is the primary key; None: it is that of a parent."""
    return next((name for name, field in state.fields.items() if field.primary_key), None)


def refuse_to_replace_key(key: ModelKey, old: Any, new: Any) -> None:
    """Raise ReferredKeyError if a model of two states is to have another key, and fields go on referring to it."""
    before, after = name_of_key(old.models[key]), name_of_key(new.models[key])
    if before is None or before == after:
        return
    stays = [
        place
        for place in referring_to_key(old, key, before)
        if place[0] in new.models and _goes_on(place, key, before, old, new)
    ]
    if stays:
        raise ReferredKeyError(_refusal(key, new.models[key].name, before, after, stays))


def refuse_to_take_key(key: ModelKey, before: Any, after: Any) -> None:
    """Raise ReferredKeyError if an operation takes the key of a model away while the database holds fields to it.

    `before` and `after`: the states on both sides of it.
    """
    name = name_of_key(before.models[key])
    state = after.models[key]
    # Until the former key is gone there are two in the state, and one in the table: the new one.
    keys = [each for each, field in state.fields.items() if field.primary_key and each != name]
    if name is None or (not keys and name in state.fields and state.fields[name].primary_key):
        return
    held = [place for place in referring_to_key(before, key, name) if _is_held(place, before)]
    if not keys and name in state.fields and state.fields[name].unique:
        # Who names the field itself goes on doing so.
        held = [
            (owner, each) for owner, each in held if getattr(before.models[owner].fields[each], "to_field", "") != name
        ]
    if held:
        raise ReferredKeyError(_refusal(key, state.name, name, keys[0] if keys else None, held))


def referring_to_key(state: Any, key: ModelKey, name: str) -> Iterator[Place]:
    """The fields of a state that hold values of the primary key `name` of a model, those of tables between included."""
    for owner, model in state.models.items():
        if kind_of(model) != "table":
            continue
        for field_name, field in model.fields.items():
            if field.remote_field is None or (owner, field_name) == (key, name):
                continue
            refers = _table_referred_to(state, field, owner) == key
            if field.many_to_many:
                if not field.remote_field.through and (refers or owner == key):
                    yield owner, field_name
            elif refers and getattr(field, "to_field", None) in (None, name):
                yield owner, field_name


def _table_referred_to(state: Any, field: Any, owner: ModelKey) -> ModelKey:
    """The model whose table a field points to: that of a proxy is another's."""
    target = next(keys_referred_to(field, owner))
    while target in state.models and kind_of(state.models[target]) == "proxy" and state.models[target].base_keys:
        target = state.models[target].base_keys[0]
    return target


def _goes_on(place: Place, key: ModelKey, before: str, old: Any, new: Any) -> bool:
    """Whether a field that refers to the key of a model refers to its key afterwards, whichever that is."""
    owner, name = place
    was, is_now = old.models[owner].fields[name], new.models[owner].fields.get(name)
    if is_now is None or is_now.remote_field is None or is_now.many_to_many != was.many_to_many:
        return False
    refers = _table_referred_to(new, is_now, owner) == key
    if was.many_to_many:
        same = _table_referred_to(new, is_now, owner) == _table_referred_to(old, was, owner)
        return same and not is_now.remote_field.through
    to_field = getattr(is_now, "to_field", None)
    if getattr(was, "to_field", None) == to_field == before and before in new.models[key].fields:
        return False  # it is no key any more, and the same values
    return refers and to_field in (None, before)


def _is_held(place: Place, state: Any) -> bool:
    return bool(getattr(state.models[place[0]].fields[place[1]], "db_constraint", True))


def _refusal(key: ModelKey, name: str, before: str, after: str | None, places: list[Place]) -> str:
    one = f"{key[0]}.{name}"
    listed = ", ".join(f"{label}.{model}.{field}" for (label, model), field in places)
    becomes = "is to be another" if after is None else f"is to be {after!r}"
    return (
        f"The primary key of {one} is {before!r} and {becomes}, but these fields hold values of it: {listed}. Nothing "
        f"can turn them into values of another key. Make three migrations of it: take these fields out of the models "
        f"and run makemigrations; then change the key, and run it; then put the fields back. To keep what they say, "
        f"add foreign keys with to_field to the new key beside them first, while it is a unique field, and fill those "
        f"with RunPython."
    )

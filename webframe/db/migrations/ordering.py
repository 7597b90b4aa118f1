"""In which order models can be created, and which of their relations have to be added later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from webframe.db.migrations.references import ModelKey, keys_referred_to


def creation_order(models: Mapping[ModelKey, Any]) -> tuple[list[ModelKey], set[tuple[ModelKey, str]]]:
    """Keys of models, each after those that it needs, as near as possible to the order given.

    Where models need each other in a circle, some fields have to come later; they
    are the second result, as pairs of the key of a model and a name.
    """
    needed = {key: set(_needed_at_once(state, models)) for key, state in models.items()}
    wanted = {key: dict(_wanted(state, models)) for key, state in models.items()}
    # Who waits for a model: looked at again when it is there.
    missing = {key: needed[key] | {target for targets in wanted[key].values() for target in targets} for key in models}
    order: list[ModelKey] = []
    later: set[tuple[ModelKey, str]] = set()
    left = dict.fromkeys(models)
    while left:
        free = [key for key in left if not missing[key]]
        if not free:
            chosen = min((key for key in left), key=lambda key: _badness(key, models[key], needed, wanted, missing))
            later.update((chosen, name) for name, targets in wanted[chosen].items() if targets & missing[chosen])
            free = [chosen]
        for key in free:
            del left[key]
            order.append(key)
        placed = set(free)
        for key in left:
            missing[key] -= placed
    return order, later


def _needed_at_once(state: Any, models: Mapping[ModelKey, Any]) -> Iterator[ModelKey]:
    """The models that must be there before: parents, and those that the primary key points to."""
    yield from (key for key in state.base_keys if key in models)
    for field in state.fields.values():
        if field.primary_key:
            yield from (key for key in keys_referred_to(field, state.key) if key in models and key != state.key)


def _wanted(state: Any, models: Mapping[ModelKey, Any]) -> Iterator[tuple[str, set[ModelKey]]]:
    """The relations that could come later, and what they point to."""
    for name, field in state.fields.items():
        if field.remote_field is not None and not field.primary_key:
            targets = {key for key in keys_referred_to(field, state.key) if key in models and key != state.key}
            if targets:
                yield name, targets


def _badness(
    key: ModelKey,
    state: Any,
    needed: Mapping[ModelKey, set[ModelKey]],
    wanted: Mapping[ModelKey, Mapping[str, set[ModelKey]]],
    missing: Mapping[ModelKey, set[ModelKey]],
) -> tuple[int, int, int]:
    """How much would be missing if a model came now: models that it must have, columns, other relations."""
    lacking = [name for name, targets in wanted[key].items() if targets & missing[key]]
    columns = sum(not state.fields[name].many_to_many for name in lacking)
    return len(needed[key] & missing[key]), columns, len(lacking)

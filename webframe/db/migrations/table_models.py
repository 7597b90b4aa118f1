"""Classes of models as far as their tables are concerned: what operations hand to the schema editor.

A table depends on little: on its own model, and on the keys of those that it
refers to. So the model is made whole, and those others with their keys only, in
a registry of their own. `StateApps`, which makes everything that is related,
is for code that asks questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webframe.db.migrations.historical import StateApps
from webframe.db.migrations.model_state import ModelState
from webframe.db.migrations.references import ModelKey, keys_referred_to

States = dict[ModelKey, ModelState]

# What was made last for a model, by its key and whether those that refer to it are there too.
Made = dict[tuple[ModelKey, bool], tuple[States, StateApps]]


class TableApps(StateApps):
    """A registry of models that have no instances, only tables."""

    makes_instances = False


def table_model(states: Mapping[ModelKey, ModelState], made: Made, key: ModelKey, with_referring: bool = False) -> Any:
    """The class of a model; what is in `made` is used again where nothing has changed, and replaced otherwise.

    With `with_referring` the models that refer to it are made whole, too, and those
    that refer to them by a key which refers to it. Raises LookupError if there is
    no such model.
    """
    needed = _needed(states, key, with_referring) if key in states else {}
    known = made.get((key, with_referring))
    if known is None or len(known[0]) != len(needed) or any(known[0].get(each) is not needed[each] for each in needed):
        # What there is not is told by the registry, when it is asked.
        known = made[key, with_referring] = needed, TableApps({key[0]}, needed)
    return known[1].get_model(*key)


def _needed(states: Mapping[ModelKey, ModelState], key: ModelKey, with_referring: bool) -> States:
    """The states of the model and of all that its table needs."""
    whole = _referring(states, key) if with_referring else {key}
    needed: States = {}
    waiting = list(whole)
    while waiting:
        each = waiting.pop()
        if each in needed or each not in states:
            continue
        state = states[each]
        needed[each] = state if each in whole else state.keys_only
        waiting.extend(needed[each].references)
    return {each: needed[each] for each in states if each in needed}


def _referring(states: Mapping[ModelKey, ModelState], key: ModelKey) -> set[ModelKey]:
    """A model and all in which a column may get another type when one of its columns does."""
    found, followed, waiting = {key}, {key}, [key]
    while waiting:
        target = waiting.pop()
        for each, state in states.items():
            if target in state.references:
                found.add(each)
                if each not in followed and _has_key_to(state, target):
                    followed.add(each)
                    waiting.append(each)
    return found


def _has_key_to(state: ModelState, target: ModelKey) -> bool:
    """Whether a column that others may refer to refers to a model."""
    return target in state.base_keys or any(
        field.unique and target in keys_referred_to(field, state.key) for field in state.fields.values()
    )

"""Models that are new or gone, and options that are other than before, as steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from webframe.db.migrations.comparing import comparable
from webframe.db.migrations.key_changes import name_of_key
from webframe.db.migrations.operations.fields import AddField, RemoveField
from webframe.db.migrations.operations.indexes import AddConstraint, AddIndex
from webframe.db.migrations.operations.models import (
    AlterModelManagers,
    AlterModelOptions,
    AlterModelTable,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
)
from webframe.db.migrations.ordering import creation_order
from webframe.db.migrations.references import ModelKey, field_references, keys_referred_to
from webframe.db.migrations.renames import table_between, table_of
from webframe.db.migrations.steps import Fact, Step


def created_models(keys: list[ModelKey], old: Any, new: Any) -> Iterator[Step]:
    """Steps that create models, those that others need first."""
    order, later = creation_order({key: new.models[key] for key in keys})
    for key in order:
        yield from _created(new.models[key], {name for owner, name in later if owner == key}, old, new)


def _created(state: Any, later: set[str], old: Any, new: Any) -> Iterator[Step]:
    key, app_label = state.key, state.app_label
    fields = {name: field for name, field in state.fields.items() if name not in later}
    options = dict(state.options)
    # What names a column that is not there yet comes after it.
    postponed = {}
    if any(not state.fields[name].many_to_many for name in later):
        postponed = {name: options.pop(name) for name in _LISTS if options.get(name)}
    needs: list[Fact] = [("no model", *key), *_names_free(state)]
    for base in state.base_keys:
        needs.append(("model", *base))
        # A field that goes from a child to its parent, or the other way round.
        needs += [("no field", *base, name) for name in fields]
    for name, field in fields.items():
        needs += needs_of_new_field(field, key, old, new)
        needs += [("no field", *heir, name) for heir in _heirs(key, old, new)]
    operation = CreateModel.from_state(state.changed(fields=fields, options=options))
    yield Step(app_label, operation, [("model", *key), *(("field", *key, name) for name in fields)], needs)
    for name in sorted(later, key=list(state.fields).index):
        needs = [("model", *key), *needs_of_new_field(state.fields[name], key, old, new)]
        added = AddField(model_name=state.name_lower, name=name, field=state.fields[name])
        yield Step(app_label, added, [("field", *key, name)], needs)
    all_there: list[Fact] = [("field", *key, name) for name in state.fields]
    for index in postponed.get("indexes", ()):
        yield Step(app_label, AddIndex(model_name=state.name_lower, index=index), (), all_there)
    for constraint in postponed.get("constraints", ()):
        yield Step(app_label, AddConstraint(model_name=state.name_lower, constraint=constraint), (), all_there)
    if "unique_together" in postponed:
        together = AlterUniqueTogether(name=state.name_lower, unique_together=postponed["unique_together"])
        yield Step(app_label, together, (), all_there)


_LISTS = ("indexes", "constraints", "unique_together")


def _heirs(key: ModelKey, old: Any, new: Any) -> list[ModelKey]:
    """The models that inherit from a model directly, and that were there before."""
    return [each for each, state in new.models.items() if key in state.base_keys and each in old.models]


def needs_of_field(field: Any, key: ModelKey) -> list[Fact]:
    """What must be there before a field is as it shall be: the models it points to, and the field there it names."""
    needs: list[Fact] = []
    for target in keys_referred_to(field, key):
        if target != key:
            needs.append(("model", *target))
    to_field = getattr(field, "to_field", None)
    if to_field:
        target = next(keys_referred_to(field, key))
        needs += [("field", *target, to_field), ("altered", *target, to_field)]
    return needs


def needs_of_new_field(field: Any, key: ModelKey, old: Any, new: Any) -> list[Fact]:
    """What must be there before a field is made: what `needs_of_field` says, and keys that are as they shall be.

    The field itself gets the type of the key that it points to, as does the table between of a many-to-many field.
    """
    needs = needs_of_field(field, key)
    if field.remote_field is None or field.many_to_many and field.remote_field.through:
        return needs
    # Models, and the field of each that is pointed to; None: its primary key.
    waiting = [(next(keys_referred_to(field, key)), getattr(field, "to_field", None))]
    if field.many_to_many:
        waiting.append((key, None))
    seen = set()
    while waiting:
        target, name = waiting.pop()
        if target not in new.models or (target, name) in seen:
            continue
        seen.add((target, name))
        state = new.models[target]
        key_name = name or name_of_key(state)
        if key_name is None:
            waiting += [(base, None) for base in state.base_keys]
            continue
        needs.append(("altered", *target, key_name))
        if name is None and target in old.models:
            before = name_of_key(old.models[target])
            if before is not None and before not in state.fields:
                needs.append(("no field", *target, before))
            if before != key_name:
                needs.append(("field", *target, key_name))
        pointed_to = state.fields.get(key_name)
        if pointed_to is not None and pointed_to.remote_field is not None:
            # That is a key too, and has the type of another.
            waiting.append((next(keys_referred_to(pointed_to, target)), getattr(pointed_to, "to_field", None)))
    return needs


def deleted_models(keys: list[ModelKey], old: Any) -> Iterator[Step]:
    """Steps that delete models, those that point to others first."""
    gone = {key: old.models[key] for key in keys}
    order, first = creation_order(gone)
    # Who points to a model that goes: the key of a model and the name of a field; no name: it inherits from that.
    pointing: dict[ModelKey, list[tuple[ModelKey, str | None]]] = {key: [] for key in keys}
    for key, state in old.models.items():
        for target in pointing.keys() & state.references:
            if target != key:
                pointing[target] += [(key, name) for name in _fields_to(state, target)]
                if target in state.base_keys:
                    pointing[target].append((key, None))
    for key in reversed(order):
        state = old.models[key]
        for owner, name in sorted(first):
            if owner == key:
                # Two models that point to each other: one lets go first.
                removed = RemoveField(model_name=state.name_lower, name=name)
                yield Step(state.app_label, removed, [("no field", *key, name)])
        needs: list[Fact] = []
        for owner, field in pointing[key]:
            if field is None or (owner in gone and (owner, field) not in first):
                needs.append(("no model", *owner))
            else:
                needs += [("no field", *owner, field), ("altered", *owner, field)]
        needs += [("no field", *key, name) for owner, name in first if owner == key]
        provides: list[Fact] = [("no model", *key), *_names_free(state)]
        provides += [("no field", *key, name) for name in state.fields if (key, name) not in first]
        yield Step(state.app_label, DeleteModel(name=state.name), provides, needs)


def _names_free(state: Any) -> Iterator[Fact]:
    """That no table, index or constraint has a name that one of a model has."""
    yield ("no table", table_of(state))
    for name, field in state.fields.items():
        if field.many_to_many and not field.remote_field.through:
            yield ("no table", table_between(state, name, field))
    for option in ("indexes", "constraints"):
        for each in state.options[option]:
            yield ("no name", each.name)


def _fields_to(state: Any, target: ModelKey) -> list[str]:
    return [name for name, field in state.fields.items() if field_references(state.key, field, target)]


def altered_options(before: Any, after: Any) -> Iterator[Step]:
    """Steps for what Meta says otherwise than before, apart from indexes and constraints."""
    key, name = after.key, after.name_lower
    needs: list[Fact] = [("model", *key)]
    was, is_now = _options(before.options), _options(after.options)
    if comparable(was) != comparable(is_now):
        yield Step(after.app_label, AlterModelOptions(name=name, options=is_now), (), needs)
    if before.options.get("db_table") != after.options.get("db_table"):
        operation = AlterModelTable(name=name, table=after.options.get("db_table") or None)
        yield Step(
            after.app_label, operation, [("no table", table_of(before))], [*needs, ("no table", table_of(after))]
        )
    if not same_managers(before.managers, after.managers):
        yield Step(after.app_label, AlterModelManagers(name=name, managers=list(after.managers)), (), needs)


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in AlterModelOptions.ALTER_OPTION_KEYS if name in options}


def same_managers(before: Any, after: Any) -> bool:
    """Whether two lists of managers say the same."""
    if not before and not after:
        return True
    return bool(comparable([list(pair) for pair in before]) == comparable([list(pair) for pair in after]))

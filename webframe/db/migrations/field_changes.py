"""Fields, indexes and constraints of a model that both states have, as steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from webframe.db.migrations.comparing import alike, comparable, definition
from webframe.db.migrations.model_changes import needs_of_field, needs_of_new_field
from webframe.db.migrations.operations.fields import AddField, AlterField, RemoveField
from webframe.db.migrations.operations.indexes import (
    AddConstraint,
    AddIndex,
    RemoveConstraint,
    RemoveIndex,
    RenameIndex,
)
from webframe.db.migrations.operations.models import AlterUniqueTogether
from webframe.db.migrations.references import ModelKey, changed_field, field_references
from webframe.db.migrations.renames import column_of, table_between
from webframe.db.migrations.steps import Fact, Step
from webframe.db.models.fields.defaults import NOT_PROVIDED


class FieldChanges:
    """What has changed about the fields, indexes and constraints of one model."""

    def __init__(self, key: ModelKey, old: Any, new: Any, questioner: Any) -> None:
        self.key = key
        self.app_label = key[0]
        self.old = old
        self.new = new
        self.before = old.models[key]
        self.after = new.models[key]
        self.name = self.after.name_lower
        self.questioner = questioner
        before, after = self.before.fields, self.after.fields
        self.removed = [name for name in before if name not in after]
        self.added = [name for name in after if name not in before]
        self.altered: list[str] = []
        for name, field in after.items():
            if name in before and before[name] is not field and not alike(before[name], field, key):
                self.altered.append(name)
        # What cannot be altered is replaced: what has a column by what has none, rows between by others.
        replaced = [name for name in self.altered if _is_another_thing(before[name], after[name], key)]
        self.altered = [name for name in self.altered if name not in replaced]
        self.removed += replaced
        self.added += replaced

    def steps(self) -> Iterator[Step]:
        """All of them, in an order that suits one model by itself."""
        yield from self._loosened()
        for name in self.removed:
            yield self._step(RemoveField(model_name=self.name, name=name), "no field", name, self._needs_to_go(name))
        for name in self.added:
            yield self._step(self._addition(name), "field", name, self._needs_to_come(name))
        yield from self._out_of_the_way()
        for name in self.altered:
            yield self._step(self._alteration(name), "altered", name)
        yield from self._tightened()

    def _step(self, operation: Any, fact: str, name: str, needs: Iterable[Fact] = ()) -> Step:
        """A step that removes, adds or alters a field."""
        provides: list[Fact] = [(fact, *self.key, name), ("fields", *self.key)]
        wanted: list[Fact] = [("model", *self.key), ("loose", *self.key), *needs]
        was, is_now = None, None
        if fact != "field":
            was = self._place(self.before, name)
        if fact == "field" or (fact == "altered" and self._names_no_field_any_more(name)):
            wanted += needs_of_new_field(self.after.fields[name], self.key, self.old, self.new)
        elif fact == "altered":
            wanted += needs_of_field(self.after.fields[name], self.key)
        if fact == "altered" and self._is_unique_no_more(name):
            wanted += self._needs_to_go(name)
        if fact != "no field":
            is_now = self._place(self.after, name)
        if was != is_now:
            provides += [] if was is None else [was]
            wanted += [] if is_now is None else [is_now]
        return Step(self.app_label, operation, provides, wanted)

    def _names_no_field_any_more(self, name: str) -> bool:
        """Whether a foreign key referred to a field, and refers to the primary key now, which may be another."""
        was, is_now = (getattr(state.fields[name], "to_field", None) for state in (self.before, self.after))
        return was is not None and is_now is None

    def _is_unique_no_more(self, name: str) -> bool:
        """Whether nothing may refer to a field any more, though it stays."""
        was = self.before.fields[name]
        return was.unique and not was.primary_key and not self.after.fields[name].unique

    def _place(self, state: Any, name: str) -> Fact | None:
        """That the place is free where the values of a field lie: its column, or a table of rows between."""
        field = state.fields[name]
        if not field.many_to_many:
            return ("no column", *self.key, str(column_of(name, field)))
        return None if field.remote_field.through else ("no table", table_between(state, name, field))

    # -- fields

    def _needs_to_go(self, name: str) -> list[Fact]:
        """What refers to a field must be gone, or refer to something else, before it is removed or not unique."""
        field = self.before.fields[name]
        needs: list[Fact] = []
        for key, state in self.old.models.items():
            if key != self.key and self.key not in state.references:
                continue
            for other_name, other in state.fields.items():
                if (key, other_name) == (self.key, name) or other.remote_field is None:
                    continue
                if other.many_to_many and not other.remote_field.through:
                    # The table between refers to the primary keys of both models.
                    if field.primary_key and (key == self.key or field_references(key, other, self.key)):
                        needs.append(("no field", *key, other_name))
                elif field_references(key, other, self.key, name, field):
                    needs += [("no field", *key, other_name), ("altered", *key, other_name)]
                elif other.many_to_many and _lies_between(field, other, key, self.key):
                    needs += [("no field", *key, other_name), ("altered", *key, other_name)]
        return needs

    def _needs_to_come(self, name: str) -> list[Fact]:
        """A field of the same name, here or in a child or a parent, must be gone before one is added."""
        needs: list[Fact] = [("no field", *base, name) for base in self.after.base_keys]
        needs += [("no field", *key, name) for key, state in self.new.models.items() if self.key in state.base_keys]
        if self.after.fields[name].primary_key:
            # What was the key, and stays, is unique by itself before: others may name it.
            needs += [("altered", *self.key, each) for each in self.altered if self.before.fields[each].primary_key]
        return [*needs, ("no field", *self.key, name)]

    def _out_of_the_way(self) -> Iterator[Step]:
        """Where fields exchange their columns, one has to make room for the others first."""
        columns = {name: column_of(name, self.before.fields[name]) for name in self.altered}
        moving = {name: column_of(name, self.after.fields[name]) for name in self.altered}
        moving = {name: column for name, column in moving.items() if column is not None and column != columns[name]}
        while moving:
            free = [name for name, column in moving.items() if column not in {columns[other] for other in moving}]
            if free:
                for name in free:
                    del moving[name]
                continue
            name = next(iter(moving))
            aside = changed_field(self.before.fields[name], db_column=f"{columns[name]}_aside")
            operation = AlterField(model_name=self.name, name=name, field=aside)
            needs: list[Fact] = [("model", *self.key), ("loose", *self.key)]
            yield Step(self.app_label, operation, [("no column", *self.key, str(columns[name]))], needs)
            self.before = self.before.changed(fields={**self.before.fields, name: aside})
            del moving[name]

    def _addition(self, name: str) -> AddField:
        field = self.after.fields[name]
        keywords: dict[str, Any] = {"model_name": self.name, "name": name}
        if _needs_value(field):
            ask = self.questioner.ask_not_null_addition
            if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
                ask = self.questioner.ask_auto_now_add_addition
            return AddField(
                **keywords,
                field=changed_field(field, default=ask(name, self.after.name)),
                preserve_default=False,
            )
        if field.unique and field.has_default() and callable(field.default) and not field.many_to_many:
            self.questioner.ask_unique_callable_default_addition(name, self.after.name)
        return AddField(**keywords, field=field)

    def _alteration(self, name: str) -> AlterField:
        before, field = self.before.fields[name], self.after.fields[name]
        keywords: dict[str, Any] = {"model_name": self.name, "name": name}
        has_value = field.has_default() or field.has_db_default() or field.many_to_many
        if before.null and not field.null and not field.primary_key and not has_value:
            value = self.questioner.ask_not_null_alteration(name, self.after.name)
            if value is not NOT_PROVIDED:
                return AlterField(**keywords, field=changed_field(field, default=value), preserve_default=False)
        return AlterField(**keywords, field=field)

    # -- indexes and constraints

    def _loosened(self) -> Iterator[Step]:
        """What is removed before the fields change."""
        self.kept_together = _together(self.before)
        wanted = _together(self.after)
        changing = {*self.removed, *self.altered}
        if any(changing.intersection(names) for names in self.kept_together - wanted):
            self.kept_together &= wanted
            yield self._loose(AlterUniqueTogether(name=self.name, unique_together=self.kept_together))
        before, after = self.before.options, self.after.options
        self.new_indexes, gone, renamed = _compared(before["indexes"], after["indexes"])
        for old_name, new_name in renamed:
            yield self._loose(RenameIndex(model_name=self.name, new_name=new_name, old_name=old_name), old_name)
        for index in gone:
            yield self._loose(RemoveIndex(model_name=self.name, name=index.name), index.name)
        self.new_constraints, gone, renamed = _compared(before["constraints"], after["constraints"], renaming=False)
        for constraint in gone:
            yield self._loose(RemoveConstraint(model_name=self.name, name=constraint.name), constraint.name)

    def _loose(self, operation: Any, *names: str) -> Step:
        provides: list[Fact] = [("loose", *self.key), *(("no name", name) for name in names)]
        return Step(self.app_label, operation, provides, [("model", *self.key)])

    def _tightened(self) -> Iterator[Step]:
        """What is added when the fields have changed."""
        needs: list[Fact] = [("model", *self.key), ("loose", *self.key), ("fields", *self.key)]
        if self.kept_together != _together(self.after):
            together = AlterUniqueTogether(name=self.name, unique_together=_together(self.after))
            yield Step(self.app_label, together, (), needs)
        for index in self.new_indexes:
            operation = AddIndex(model_name=self.name, index=index)
            yield Step(self.app_label, operation, (), [*needs, ("no name", index.name)])
        for constraint in self.new_constraints:
            added = AddConstraint(model_name=self.name, constraint=constraint)
            yield Step(self.app_label, added, (), [*needs, ("no name", constraint.name)])


def _together(state: Any) -> set[tuple[str, ...]]:
    return {tuple(names) for names in state.options.get("unique_together") or ()}


def _compared(
    before: list[Any], after: list[Any], renaming: bool = True
) -> tuple[list[Any], list[Any], list[tuple[str, str]]]:
    """What is new, what is gone, and the pairs of names of what is the same under another name."""
    if before == after:
        return [], [], []
    was = [(each, _without_name(each)) for each in before]
    is_now = [(each, _without_name(each)) for each in after]
    kept = [(each.name, what) for each, what in was]
    wanted = [(each.name, what) for each, what in is_now]
    gone = [(each, what) for each, what in was if (each.name, what) not in wanted]
    new = [(each, what) for each, what in is_now if (each.name, what) not in kept]
    renamed: list[tuple[str, str]] = []
    if renaming:
        taken = {each.name for each in before}
        for pair in list(new):
            former = next((other for other in gone if other[1] == pair[1]), None)
            if former is not None and pair[0].name not in taken:
                renamed.append((former[0].name, pair[0].name))
                gone.remove(former)
                new.remove(pair)
    return [each for each, _ in new], [each for each, _ in gone], renamed


def _without_name(part: Any) -> Any:
    path, args, keywords = part.deconstruct()
    return comparable((path, args, {name: value for name, value in keywords.items() if name != "name"}))


def _needs_value(field: Any) -> bool:
    """Whether nothing says what existing rows get in a new field."""
    return not (
        field.null
        or field.has_default()
        or field.has_db_default()
        or field.many_to_many
        or field.is_auto_field
        or (field.blank and field.empty_strings_allowed)
    )


def _is_another_thing(before: Any, after: Any, key: ModelKey) -> bool:
    """Whether one field cannot become another: a relation with rows between, and anything else."""
    if before.many_to_many != after.many_to_many:
        return True
    if not before.many_to_many:
        return False
    was, is_now = definition(before, key)[2], definition(after, key)[2]
    return bool(was.get("through") != is_now.get("through") or was.get("to") != is_now.get("to"))


def _lies_between(field: Any, relation: Any, key: ModelKey, through: ModelKey) -> bool:
    """Whether a field of the model between is one that a many-to-many relation needs."""
    return field.remote_field is not None and field_references(key, relation, through) is not None
